/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The connection is the lease: whoever has it open holds the units. */
#include <errno.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "core/clock.h"
#include "core/text.h"
#include "systemd/bus.h"
#include "systemd/hold.h"

enum { CONNECT_S = 5, STATUS_MS = 20000, MARGIN_MS = 60000 };

struct kf_lease {
	struct kf_hold_request request;
	int fd;
	json_t *units;	  /* the server's answer after the stop; NULL: nothing was stopped */
	int64_t since_ms; /* when they were asked to stop */
};

static int fail_missing(int errnum, struct kf_error *err)
{
	const char *path = kf_lease_socket();
	const struct group *group = NULL;
	struct stat st;
	int r;

	if (errnum == EACCES && stat(path, &st) == 0)
		group = getgrgid(st.st_gid);
	r = kf_fail(err, KF_PERMISSION, "services cannot be held: kf-leased does not run (%s: %s)",
		    path, strerror(errnum));
	if (group && group->gr_gid) {
		kf_fail(err, KF_PERMISSION, "services cannot be held: you are not in the group %s",
			group->gr_name);
		kf_error_hint(err, "sudo usermod -aG %s $USER, then log in again", group->gr_name);
	} else if (errnum == EACCES) {
		kf_error_hint(err, "run the same command with sudo");
	} else {
		kf_error_hint(
			err, "sudo systemctl enable --now kalico-flash.socket (from a source tree, "
			     "sudo make install comes first); where there is no systemd, "
			     "--no-service");
	}
	return r;
}

/* The socket has a limit: a connection that it drops is one too many. */
static int connect_server(int *ret, struct kf_error *err)
{
	static const struct timeval brief = { .tv_sec = CONNECT_S };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	_cleanup_(kf_closep) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return kf_fail_sys(err, errno, "a socket");
	if (!KF_COPY(addr.sun_path, kf_lease_socket()))
		return fail_missing(ENAMETOOLONG, err);
	/* The option limits the wait for accept(2) too, if there are many clients. */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &brief, sizeof(brief));
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return errno == EAGAIN ? kf_fail(err, KF_BUSY, "kf-leased has too many clients")
				       : fail_missing(errno, err);
	*ret = TAKE_FD(fd);
	return 0;
}

/* Send a request and free it. A server may send an error before it closes the connection. */
static int send_request(int fd, json_t *request, struct kf_error *err)
{
	_cleanup_(kf_freep) char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;

	json_decref(request);
	if (!text)
		return kf_fail_sys(err, ENOMEM, "the request");
	if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0 && errno != EPIPE)
		return kf_fail_sys(err, errno, "kf-leased");
	return 0;
}

/* The next answer. -ENOTCONN: there will be none. */
static int receive(int fd, const struct kf_deadline *deadline, json_t **ret)
{
	_cleanup_(kf_freep) char *text = malloc(KF_LEASE_ANSWER_MAX);
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	ssize_t len = -1;
	int r;

	if (!text)
		return -ENOMEM;
	r = deadline->through ? kf_wait_through(&pfd, 1, deadline->ms)
			      : kf_wait(&pfd, 1, deadline->ms);
	if (r <= 0)
		return r < 0 ? r : -ETIMEDOUT;
	/* ECONNRESET is told before the packets that came before it. */
	for (int tries = 0; tries < 2 && len < 0; tries++)
		len = recv(fd, text, KF_LEASE_ANSWER_MAX, MSG_DONTWAIT);
	if (len <= 0)
		return -ENOTCONN;
	*ret = json_loadb(text, (size_t)len, 0, NULL);
	return *ret ? 0 : -EPROTO;
}

static int fail_receive(int r, struct kf_error *err)
{
	if (r == -ETIMEDOUT)
		return kf_fail(err, KF_TIMEOUT, "kf-leased did not answer in time");
	if (r == -EINTR)
		return kf_fail(err, KF_INTERRUPTED, "interrupted while the units were stopped");
	kf_fail(err, KF_BUSY, "kf-leased closed the connection without an answer");
	return kf_error_hint(err,
			     "it was killed, or it has too many clients: try again; journalctl -t "
			     "kf-leased says more");
}

static json_t *name_units(const char (*units)[KF_NAME_SIZE], size_t count)
{
	json_t *names = json_array();

	for (size_t i = 0; i < count; i++)
		json_array_append_new(names, json_string(units[i]));
	return names;
}

/* Whole seconds, at most the server's limit. */
static json_int_t seconds(int64_t ms)
{
	int64_t s = (ms + 999) / 1000;

	return s < KF_LEASE_TIMEOUT_MAX ? s : KF_LEASE_TIMEOUT_MAX;
}

static void tell_stopped(const struct kf_lease *lease)
{
	const json_t *unit;
	const char *state;
	size_t i;

	json_array_foreach(lease->units, i, unit) {
		state = kf_json_text(unit, "state");
		lease->request.told(kf_json_text(unit, "unit"),
				    strcmp(state, "held") == 0
					    ? "stopped already, for another lease"
				    : strcmp(state, "stopped") == 0 ? "stopped"
								    : "does not run: left alone");
	}
}

/* *refused: nothing was stopped, for sure. */
static int take(struct kf_lease *lease, bool *refused, struct kf_error *err)
{
	const struct kf_hold_request *request = &lease->request;
	const struct kf_deadline deadline = { .ms = kf_now_ms() + 2 * request->timeout_ms +
						    request->wait_ms + MARGIN_MS };
	_cleanup_(kf_json_decrefp) json_t *answer = NULL;
	int r = send_request(lease->fd,
			     json_pack("{s:o, s:I, s:I, s:b}", "hold",
				       name_units(request->units, request->count), "timeout",
				       seconds(request->timeout_ms), "wait",
				       seconds(request->wait_ms), "while_unknown",
				       request->while_unknown),
			     err);

	if (r < 0)
		return r;
	r = receive(lease->fd, &deadline, &answer);
	*refused = json_is_true(json_object_get(answer, "refused"));
	if (r < 0)
		return fail_receive(r, err);
	if (!json_is_array(json_object_get(answer, "units")))
		return kf_lease_read_error(answer, err);
	lease->units = json_incref(json_object_get(answer, "units"));
	tell_stopped(lease);
	return 0;
}

static void free_lease(struct kf_lease **lease)
{
	if (*lease) {
		kf_closep(&(*lease)->fd);
		json_decref((*lease)->units);
	}
	free(*lease);
	*lease = NULL;
}

int kf_lease_take(const struct kf_hold_request *request, struct kf_lease **ret,
		  struct kf_error *err)
{
	_cleanup_(free_lease) struct kf_lease *lease = calloc(1, sizeof(*lease));
	bool refused = true;
	int r;

	*ret = NULL;
	if (!lease)
		return kf_fail_sys(err, ENOMEM, "lease");
	lease->fd = -1;
	lease->request = *request;
	lease->since_ms = kf_now_ms();
	r = connect_server(&lease->fd, err);
	if (r == 0)
		r = take(lease, &refused, err);
	if (r < 0 && refused)
		return r;
	*ret = TAKE_PTR(lease);
	return r;
}

int kf_lease_run(struct kf_lease *lease, const struct kf_command *command,
		 struct kf_command_end *ret, struct kf_error *err)
{
	const int keep[] = { lease->fd, -1 };
	struct kf_command with_lease = *command;

	with_lease.keep = keep;
	return kf_command_run(&with_lease, ret, err);
}

/* Tell the result for a unit. */
static void tell_end(const struct kf_lease *lease, const json_t *unit)
{
	const char *state = kf_json_text(unit, "state");
	char news[256] = "";

	if (strcmp(state, "started") == 0)
		kf_text_format(news, sizeof(news), "started, %s again after %.1f s",
			       kf_json_text(unit, "before"),
			       (double)(kf_now_ms() - lease->since_ms) / 1000);
	else if (strcmp(state, "running") == 0)
		KF_COPY(news, lease->units ? "runs already: somebody started it meanwhile"
					   : "runs: it was not stopped");
	else if (strcmp(state, "held") == 0)
		kf_text_format(news, sizeof(news), "stays stopped: another lease holds it");
	else if (strcmp(state, "left") == 0)
		kf_text_format(news, sizeof(news), "stays stopped: %s",
			       kf_json_text(unit, "message"));
	if (news[0])
		lease->request.told(kf_json_text(unit, "unit"), news);
}

static int fail_lost(const char *why, const char *lost, struct kf_error *err)
{
	int r = kf_fail(err, KF_SERVICE_LOST, "%s", why);

	kf_error_hint(err, "sudo systemctl start %s", lost);
	return r;
}

static int tell_ends(const struct kf_lease *lease, const json_t *units, struct kf_error *err)
{
	const char *why = NULL;
	const json_t *unit;
	char lost[256] = "";
	size_t i;

	json_array_foreach(units, i, unit) {
		tell_end(lease, unit);
		if (strcmp(kf_json_text(unit, "state"), "lost") != 0)
			continue;
		why = why ? why : kf_json_text(unit, "message");
		kf_text_add(lost, sizeof(lost), " ", kf_json_text(unit, "unit"));
	}
	return why ? fail_lost(why, lost, err) : 0;
}

/* The units that may be stopped for us. */
static size_t list_held(const struct kf_lease *lease, char (*ret)[KF_NAME_SIZE])
{
	const json_t *unit;
	size_t i, count = 0;

	json_array_foreach(lease->units, i, unit) {
		if (strcmp(kf_json_text(unit, "state"), "inactive") != 0 && count < KF_UNITS_MAX)
			kf_text_format(ret[count++], KF_NAME_SIZE, "%s",
				       kf_json_text(unit, "unit"));
	}
	if (lease->units)
		return count;
	memcpy(ret, lease->request.units, sizeof(lease->request.units));
	return lease->request.count;
}

/*
 * kf-leased was killed, and so was its --settle. systemd now runs kalico-flash-settle.service,
 * which starts the units with a pending restart. Wait for that.
 */
static int recover(const struct kf_lease *lease, struct kf_error *err)
{
	const struct kf_deadline deadline = { .ms = kf_now_ms() + lease->request.timeout_ms,
					      .through = true };
	char units[KF_UNITS_MAX][KF_NAME_SIZE], lost[256] = "";
	size_t count = list_held(lease, units);
	_cleanup_(kf_bus_close) struct kf_bus *bus = NULL;
	_cleanup_(kf_json_decrefp) json_t *said = NULL;
	const json_t *unit;

	/* Without an answer too many were connected, and nothing is known to be stopped. */
	if (kf_lease_status(units, count, &said, NULL) < 0 && !lease->units)
		return 0;
	for (size_t i = 0; i < count; i++) {
		unit = json_array_get(said, i);
		if (json_array_size(json_object_get(unit, "leases")) > 0)
			lease->request.told(units[i], "stays stopped: another lease holds it");
		else if (unit && !json_is_true(json_object_get(unit, "pending")))
			lease->request.told(units[i], "no restart is pending");
		else if ((bus || kf_bus_open(&deadline, &bus, NULL) == 0) &&
			 kf_bus_wait(bus, units[i], kf_unit_runs, &deadline, NULL) == 0)
			lease->request.told(units[i], "runs again, although kf-leased was killed");
		else
			kf_text_add(lost, sizeof(lost), " ", units[i]);
	}
	return lost[0] ? fail_lost("kf-leased was killed, and not all units run again", lost, err)
		       : 0;
}

int kf_lease_end(struct kf_lease **ended, struct kf_error *err)
{
	_cleanup_(free_lease) struct kf_lease *lease = TAKE_PTR(*ended);
	struct kf_deadline deadline = { .through = true };
	json_t *answer = NULL;
	int r = 0;

	if (!lease)
		return 0;
	shutdown(lease->fd, SHUT_WR);
	deadline.ms = kf_now_ms() +
		      (int64_t)(lease->request.count + 2) * lease->request.timeout_ms + MARGIN_MS;
	/* The late answer to our request may come first. */
	do {
		json_decref(answer);
		answer = NULL;
		r = receive(lease->fd, &deadline, &answer);
	} while (r == 0 && !json_is_true(json_object_get(answer, "end")));
	r = r < 0 ? recover(lease, err) : tell_ends(lease, json_object_get(answer, "units"), err);
	json_decref(answer);
	return r;
}

int kf_lease_status(const char (*units)[KF_NAME_SIZE], size_t count, json_t **ret,
		    struct kf_error *err)
{
	const struct kf_deadline deadline = { .ms = kf_now_ms() + STATUS_MS };
	_cleanup_(kf_json_decrefp) json_t *answer = NULL;
	_cleanup_(kf_closep) int fd = -1;
	int r = connect_server(&fd, err);

	if (r == 0)
		r = send_request(fd, json_pack("{s:o}", "status", name_units(units, count)), err);
	if (r < 0)
		return r;
	r = receive(fd, &deadline, &answer);
	if (r < 0)
		return fail_receive(r, err);
	if (!json_is_array(json_object_get(answer, "units")))
		return kf_lease_read_error(answer, err);
	*ret = json_incref(json_object_get(answer, "units"));
	return 0;
}
