/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Keeps units stopped for as long as somebody holds a lease on them (systemd/lease.h). What is
 * owed is on record before a stop; PID 1 has "kf-leased --pay" pay it when we are gone.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#include "core/log.h"
#include "core/usage.h"
#include "core/value.h"
#include "systemd/keeper.h"
#include "systemd/lease.h"

enum { CLIENTS_MAX = 256, PER_UID_MAX = 64, PER_PID_MAX = 16, REQUEST_S = 5 };

struct server {
	sd_event *event;
	struct kf_keeper *keeper;
	struct client *clients;
	sd_event_source *idle;
	uint64_t idle_us;
};

enum phase { ASKING, TAKING, HOLDING, RETURNING };

struct client {
	struct client *next;
	struct server *server;
	int fd;
	struct ucred peer;
	sd_event_source *io, *late, *review;
	enum phase phase;
	size_t count;
	struct kf_claim *claims[KF_LEASE_UNITS_MAX];
};

static const char help[] =
	"usage: kf-leased [-t S] [--idle=S]\n"
	"       kf-leased --pay [-t S]\n"
	"\n"
	"Keep Klipper's and Moonraker's services stopped for those who hold a lease on\n"
	"them. Started by kalico-flash.socket when kf-service hold connects to it.\n"
	"\n"
	"      --pay           start what an earlier run left stopped, and end\n"
	"  -t, --timeout=S     seconds that a unit has to stop or start (default: 30)\n"
	"      --idle=S        end after so many seconds with nothing to do (default: 10)\n"
	"  -h, --help          show this\n"
	"  -V, --version       show the version\n";

static void tell(const char *unit, const char *news, const struct kf_error *err)
{
	kf_log_phase("Lease", unit, "%s", news);
	if (err)
		kf_log_error(NULL, err);
}

static void tell_paid(const char *unit, const char *news)
{
	tell(unit, news, NULL);
}

/* Arm the timer that ends us, if nobody is there. */
static void rest(struct server *server)
{
	sd_event_source_set_time_relative(server->idle, server->idle_us);
	sd_event_source_set_enabled(server->idle,
				    server->clients ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

static void drop(struct client *client)
{
	struct server *server = client->server;
	struct client **at = &server->clients;

	while (*at != client)
		at = &(*at)->next;
	*at = client->next;
	for (size_t i = 0; i < client->count; i++)
		kf_claim_free(&client->claims[i]);
	sd_event_source_disable_unref(client->io);
	sd_event_source_disable_unref(client->late);
	sd_event_source_disable_unref(client->review);
	close(client->fd);
	free(client);
	rest(server);
}

/* A client that does not read its answers is not worth waiting for. */
static bool answer(int fd, json_t *said)
{
	_cleanup_(kf_freep) char *text = said ? json_dumps(said, JSON_COMPACT) : NULL;

	json_decref(said);
	return text && send(fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

static void refuse(struct client *client, const struct kf_error *err)
{
	json_t *said = kf_lease_error(err);

	kf_log_phase("Lease", NULL, "pid %d, uid %u: refused: %s", (int)client->peer.pid,
		     client->peer.uid, err->message);
	json_object_set_new(said, "refused", json_true());
	(void)answer(client->fd, said);
	drop(client);
}

/* What its claims have come to, a list a state; NULL: not all are past the state before. */
static json_t *outcome(const struct client *client, enum kf_claim_state before)
{
	static const char *const lists[] = {
		[KF_CLAIM_STOPPED] = "stopped",	  [KF_CLAIM_HELD] = "held",
		[KF_CLAIM_INACTIVE] = "inactive", [KF_CLAIM_STARTED] = "started",
		[KF_CLAIM_SHARED] = "held",	  [KF_CLAIM_LOST] = "lost",
	};
	bool taken = before == KF_CLAIM_TAKING;
	json_t *said = taken ? json_pack("{s:[], s:[], s:[]}", "stopped", "held", "inactive")
			     : json_pack("{s:[], s:[], s:[]}", "started", "held", "lost");

	for (size_t i = 0; i < client->count; i++) {
		const struct kf_claim *claim = client->claims[i];
		enum kf_claim_state state = kf_claim_state(claim);

		if (state <= before || state == KF_CLAIM_FAILED) {
			json_decref(said);
			return state <= before ? NULL : kf_lease_error(kf_claim_error(claim));
		}
		if (state == KF_CLAIM_LOST)
			json_object_set_new(said, "message",
					    json_string(kf_claim_error(claim)->message));
		if (state != KF_CLAIM_QUIT)
			json_array_append_new(json_object_get(said, lists[state]),
					      json_string(kf_claim_unit(claim)));
	}
	return said;
}

/* Its claims have changed, or it has released them. */
static int on_review(sd_event_source *source, void *arg)
{
	struct client *client = arg;
	bool taking = client->phase == TAKING;
	json_t *said = NULL;

	(void)source;
	if (taking || client->phase == RETURNING)
		said = outcome(client, taking ? KF_CLAIM_TAKING : KF_CLAIM_RETURNING);
	if (!said)
		return 0;
	client->phase = HOLDING;
	if (!answer(client->fd, said) || !taking)
		drop(client);
	return 0;
}

static void changed(void *arg)
{
	struct client *client = arg;

	sd_event_source_set_enabled(client->review, SD_EVENT_ONESHOT);
}

static int hold(struct client *client, const struct kf_lease_request *request, struct kf_error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < request->count; i++) {
		kf_log_phase("Lease", request->units[i], "asked for by pid %d, uid %u",
			     (int)client->peer.pid, client->peer.uid);
		r = kf_claim_new(client->server->keeper, request->units[i], request->timeout_ms,
				 changed, client, &client->claims[i], err);
		client->count += r == 0;
	}
	client->phase = TAKING;
	return r;
}

static int obey(struct client *client, const char *text, size_t len, struct kf_error *err)
{
	struct kf_lease_request request;
	int r = kf_lease_parse(text, len, &request, err);

	if (r < 0 && client->phase == HOLDING) {
		/* COMMAND has the connection too: whatever wrote there, the lease is not over. */
		kf_log_phase("Lease", NULL, "pid %d: passed over: %s", (int)client->peer.pid,
			     err->message);
		return 0;
	}
	if (r < 0)
		return r;
	if (client->phase == RETURNING || (request.count > 0 && client->phase != ASKING)) {
		r = kf_fail(err, KF_PROTOCOL, "a connection is good for one lease");
		kf_error_hint(err, "see kf-leased(8); connect again for another");
		return r;
	}
	client->late = sd_event_source_disable_unref(client->late);
	/* Whoever asks what has become of units holds them for no time: none is stopped for that.
	 */
	if (request.count > 0)
		r = hold(client, &request, err);
	if (r < 0 || !request.release)
		return r;
	client->phase = RETURNING;
	for (size_t i = 0; i < client->count; i++)
		kf_claim_release(client->claims[i]);
	changed(client);
	return 0;
}

static int on_packet(sd_event_source *source, int fd, uint32_t events, void *arg)
{
	struct client *client = arg;
	struct kf_error err;
	char text[KF_LEASE_MESSAGE_MAX + 1];
	ssize_t len = recv(fd, text, sizeof(text), MSG_DONTWAIT);

	(void)source;
	(void)events;
	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (len <= 0)
		drop(client);
	else if (obey(client, text, (size_t)len, &err) < 0)
		refuse(client, &err);
	return 0;
}

static int on_late(sd_event_source *source, uint64_t usec, void *arg)
{
	struct kf_error err;

	(void)source;
	(void)usec;
	kf_fail(&err, KF_TIMEOUT, "no request within %d s", REQUEST_S);
	refuse(arg, &err);
	return 0;
}

static bool is_too_many(const struct server *server, const struct client *newcomer)
{
	size_t all = 0, uid = 0, pid = 0;

	for (const struct client *client = server->clients; client; client = client->next) {
		all++;
		uid += client->peer.uid == newcomer->peer.uid;
		pid += client->peer.pid == newcomer->peer.pid;
	}
	return all > CLIENTS_MAX || uid > PER_UID_MAX || pid > PER_PID_MAX;
}

static void welcome(struct server *server, int fd)
{
	struct client *client = calloc(1, sizeof(*client));
	socklen_t len = sizeof(client->peer);
	struct kf_error err;
	int r;

	if (!client) {
		close(fd);
		return;
	}
	client->fd = fd;
	client->server = server;
	client->next = server->clients;
	server->clients = client;
	r = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &client->peer, &len);
	if (r >= 0)
		r = sd_event_add_io(server->event, &client->io, fd, EPOLLIN, on_packet, client);
	if (r >= 0)
		r = sd_event_add_time_relative(server->event, &client->late, CLOCK_MONOTONIC,
					       REQUEST_S * 1000000ULL, 0, on_late, client);
	if (r >= 0)
		r = sd_event_add_defer(server->event, &client->review, on_review, client);
	if (r >= 0)
		sd_event_source_set_enabled(client->review, SD_EVENT_OFF);
	if (r < 0)
		return drop(client);
	rest(server);
	if (is_too_many(server, client)) {
		kf_fail(&err, KF_BUSY, "too many leases are asked for at once");
		refuse(client, &err);
	}
}

static int on_connect(sd_event_source *source, int listener, uint32_t events, void *arg)
{
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)source;
	(void)events;
	if (fd >= 0)
		welcome(arg, fd);
	return 0;
}

static int on_idle(sd_event_source *source, uint64_t usec, void *arg)
{
	struct server *server = arg;

	(void)source;
	(void)usec;
	if (kf_keeper_is_idle(server->keeper))
		return sd_event_exit(server->event, 0);
	rest(server); /* units are being started yet */
	return 0;
}

static int fail_start(int r, struct kf_error *err)
{
	return r < 0 ? kf_fail_sys(err, -r, "kf-leased cannot begin") : 0;
}

static int serve(const struct kf_keeper_options *options, int64_t idle_ms, struct kf_error *err)
{
	struct server server = { .idle_us = (uint64_t)idle_ms * 1000 };
	int r;

	if (sd_listen_fds(1) != 1 ||
	    sd_is_socket(SD_LISTEN_FDS_START, AF_UNIX, SOCK_SEQPACKET, 1) <= 0) {
		r = kf_fail(err, KF_USAGE, "there is no socket to listen on");
		kf_error_hint(err,
			      "it is started by systemd: systemctl status kalico-flash.socket");
		return r;
	}
	fcntl(SD_LISTEN_FDS_START, F_SETFL, O_NONBLOCK);
	r = fail_start(sd_event_new(&server.event), err);
	if (r == 0)
		r = kf_keeper_new(server.event, options, &server.keeper, err);
	if (r == 0)
		r = fail_start(sd_event_add_time(server.event, &server.idle, CLOCK_MONOTONIC,
						 UINT64_MAX, 0, on_idle, &server),
			       err);
	if (r == 0)
		r = fail_start(sd_event_add_io(server.event, NULL, SD_LISTEN_FDS_START, EPOLLIN,
					       on_connect, &server),
			       err);
	if (r == 0) {
		rest(&server);
		sd_notify(0, "READY=1");
		r = fail_start(sd_event_loop(server.event), err);
	}
	while (server.clients)
		drop(server.clients);
	kf_keeper_free(&server.keeper);
	sd_event_source_disable_unref(server.idle);
	sd_event_unref(server.event);
	return r;
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {
		{ "pay", no_argument, NULL, 'p' },
		{ "timeout", required_argument, NULL, 't' },
		{ "idle", required_argument, NULL, 'i' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{},
	};
	const char *dir = getenv("RUNTIME_DIRECTORY");
	struct kf_keeper_options keep = { .dir = dir && dir[0] ? dir : "/run/kalico-flash/owed",
					  .timeout_ms = KF_LEASE_MOVE_MS,
					  .told = tell };
	int64_t idle_ms = 10000;
	struct kf_error err = { 0 };
	bool pay = false;
	int c, r;

	kf_log_init("kf-leased", false);
	while ((c = getopt_long(argc, argv, "t:hV", options, NULL)) != -1) {
		if (c == 'p') {
			pay = true;
		} else if (c == 't' || c == 'i') {
			if (kf_value_read(KF_VALUE_TIMEOUT, kf_usage_option(options, c), optarg,
					  c == 't' ? &keep.timeout_ms : &idle_ms, &err) < 0)
				return kf_usage_error(&err);
		} else if (c == 'h' || c == 'V') {
			return kf_usage_print(c == 'h' ? help : "kf-leased " KF_VERSION "\n");
		} else {
			return kf_usage_see();
		}
	}
	if (optind < argc)
		return kf_usage_mistake("%s: it takes no arguments", argv[optind]);
	r = pay ? kf_debt_pay(keep.dir, keep.timeout_ms, tell_paid, &err)
		: serve(&keep, idle_ms, &err);
	if (r < 0)
		kf_log_error(NULL, &err);
	return kf_code_status(err.code);
}
