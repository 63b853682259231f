/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The way of the lease (lease.h): kf-leased stops and starts, and the command inherits the
 * connection, so that the lease lasts as long as anything that could still touch a board.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/text.h"
#include "systemd/lease.h"
#include "systemd/patience.h"
#include "systemd/way.h"

enum { ANSWER_MAX = 2 * KF_LEASE_MESSAGE_MAX, CONNECT_S = 5, MARGIN_MS = 5000 };

struct lease {
	int fd;
	bool asked; /* from here on it may owe us units */
};

static int connect_to(const char *path)
{
	static const struct timeval brief = { .tv_sec = CONNECT_S };
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	_cleanup_(kf_closep) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int r = fd;

	if (fd < 0)
		return -errno;
	if (!kf_text_format(addr.sun_path, sizeof(addr.sun_path), "%s", path))
		return -ENAMETOOLONG;
	/* Also how long it may take to be accepted, when many want to be. */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &brief, sizeof(brief));
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	fd = -1; /* the caller's now */
	return r;
}

static bool may(struct kf_systemd *systemd, const char *unit)
{
	char name[KF_NAME_SIZE];

	(void)systemd;
	return kf_lease_unit(unit, name, NULL) == 0 && access(kf_lease_socket(), W_OK) == 0;
}

static int open_lease(struct kf_unit_hold *hold, struct kf_error *err)
{
	struct lease *lease;
	char unit[KF_NAME_SIZE];
	int fd;

	for (size_t i = 0; i < hold->count; i++)
		if (kf_lease_unit(hold->units[i].name, unit, err) < 0)
			return 0;
	fd = connect_to(kf_lease_socket());
	if (fd < 0) {
		kf_fail_sys(err, -fd, "%s", kf_lease_socket());
		return 0;
	}
	lease = malloc(sizeof(*lease));
	if (!lease) {
		close(fd);
		return kf_fail_sys(err, ENOMEM, "lease");
	}
	*lease = (struct lease){ .fd = fd };
	hold->own = lease;
	return 1;
}

static int say(int fd, const json_t *request)
{
	_cleanup_(kf_freep) char *text = json_dumps(request, JSON_COMPACT);

	if (!text)
		return -ENOMEM;
	return send(fd, text, strlen(text), MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* The next answer; -ENOTCONN: there will be none. */
static int hear(int fd, const struct kf_patience *patience, json_t **ret)
{
	_cleanup_(kf_freep) char *text = malloc(ANSWER_MAX);
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	ssize_t len;
	int r = kf_wait_patiently(patience, &pfd, 1, KF_FOREVER);

	if (r <= 0)
		return r < 0 ? r : -ETIMEDOUT;
	len = text ? recv(fd, text, ANSWER_MAX, MSG_DONTWAIT) : -1;
	if (len < 0 && text &&
	    errno == ECONNRESET) /* told before the packets that came before it */
		len = recv(fd, text, ANSWER_MAX, MSG_DONTWAIT);
	if (len <= 0)
		return text ? -ENOTCONN : -ENOMEM;
	*ret = json_loadb(text, (size_t)len, 0, NULL);
	return *ret ? 0 : -EPROTO;
}

static bool names(const json_t *answer, const char *list, const char *unit)
{
	const json_t *name;
	size_t i;

	json_array_foreach(json_object_get(answer, list), i,
			   name) if (json_is_string(name) &&
				     strcmp(json_string_value(name), unit) == 0) return true;
	return false;
}

/* Its error as ours. */
static int relay(struct lease *lease, const json_t *answer, struct kf_error *err)
{
	const char *code = json_string_value(json_object_get(answer, "error"));
	const char *message = json_string_value(json_object_get(answer, "message"));
	const char *hint = json_string_value(json_object_get(answer, "hint"));
	enum kf_code is = KF_PROTOCOL;
	int r;

	lease->asked = !json_is_true(json_object_get(answer, "refused"));
	for (enum kf_code i = KF_OK + 1; code && i < KF_CODE_COUNT; i++)
		if (strcmp(kf_code_name(i), code) == 0)
			is = i;
	r = kf_fail(err, is, "kf-leased: %s", message ? message : "an answer that is none");
	if (hint && hint[0])
		kf_error_hint(err, "%s", hint);
	return r;
}

static int fail_hear(int r, struct kf_error *err)
{
	if (r == -ETIMEDOUT)
		return kf_fail(err, KF_TIMEOUT, "kf-leased did not answer in time");
	if (r == -EINTR)
		return kf_fail(err, KF_INTERRUPTED, "interrupted while the units were stopped");
	r = kf_fail(err, KF_SERVICE, "kf-leased ended before it answered");
	kf_error_hint(err, "see systemctl status kalico-flash and journalctl -u kalico-flash, then "
			   "run the same command again");
	return r;
}

/* In whole seconds, as many as kf-leased takes. */
static int64_t timeout_of(const struct kf_unit_hold *hold)
{
	int64_t seconds = (hold->options.timeout_ms + 999) / 1000;

	if (seconds < 1)
		return 1;
	return seconds < KF_LEASE_TIMEOUT_MAX ? seconds : KF_LEASE_TIMEOUT_MAX;
}

static int take(struct kf_unit_hold *hold, struct kf_error *err)
{
	const struct kf_patience patience = {
		.deadline_ms = kf_now_ms() + hold->options.timeout_ms + MARGIN_MS,
	};
	_cleanup_(kf_json_decrefp) json_t *request = json_pack("{s:[]}", "hold"), *answer = NULL;
	struct lease *lease = hold->own;
	int r;

	for (size_t i = 0; i < hold->count; i++) {
		hold->units[i].since_ms = kf_now_ms();
		json_array_append_new(json_object_get(request, "hold"),
				      json_string(hold->units[i].name));
	}
	lease->asked = true;
	json_object_set_new(request, "timeout", json_integer(timeout_of(hold)));
	r = say(lease->fd, request);
	if (r == 0 || r == -EPIPE) /* it may have said why, before it hung up */
		r = hear(lease->fd, &patience, &answer);
	if (r < 0)
		return fail_hear(r, err);
	if (!json_is_array(json_object_get(answer, "stopped")))
		return relay(lease, answer, err);
	for (size_t i = 0; i < hold->count; i++) {
		struct kf_held *unit = &hold->units[i];

		unit->stopped = unit->owed = names(answer, "stopped", unit->name);
		hold->options.told(unit->name, unit->stopped ? "stopped"
					       : names(answer, "held", unit->name)
						       ? "stopped already, for another lease"
						       : "does not run: left alone");
	}
	return 0;
}

static int run(struct kf_unit_hold *hold, const struct kf_command *command,
	       struct kf_command_end *ret, struct kf_error *err)
{
	const struct lease *lease = hold->own;
	const int keep[] = { lease->fd, -1 };
	struct kf_command with_lease = *command;

	with_lease.keep = keep;
	return kf_command_run(&with_lease, ret, err);
}

/* Say that we are done with fd's lease, and hear what became of it. Takes request. */
static int give_back(int fd, json_t *said, int64_t timeout_ms, json_t **ret)
{
	const struct kf_patience patience = {
		.deadline_ms = kf_now_ms() + timeout_ms + MARGIN_MS,
		.through = true,
	};
	_cleanup_(kf_json_decrefp) json_t *request = said;
	json_t *answer;
	int r = say(fd, request);

	while (r == 0) {
		r = hear(fd, &patience, &answer);
		if (r == 0 && json_is_array(json_object_get(answer, "started"))) {
			*ret = answer;
			break;
		}
		if (r == 0)
			json_decref(answer); /* the late one to our first request */
	}
	return r;
}

static void tell_back(const struct kf_unit_hold *hold, const struct kf_held *unit)
{
	char news[KF_NAME_SIZE];

	kf_text_format(news, sizeof(news), "started, %s again after %.1f s", unit->before.active,
		       (double)(kf_now_ms() - unit->since_ms) / 1000);
	hold->options.told(unit->name, news);
}

/* Nobody answers for unit, or nobody knows of it. */
static bool bring_back(struct kf_unit_hold *hold, const struct kf_held *unit, struct kf_error *err)
{
	if (kf_unit_start(hold->systemd, unit->name, kf_now_ms() + hold->options.timeout_ms, err) <
	    0)
		return false;
	hold->options.told(unit->name, "runs, though kf-leased was lost");
	return true;
}

/*
 * kf-leased was lost. PID 1 starts what was owed (ExecStopPost=), before anybody answers on the
 * socket again; whoever does then knows of newer leases, which we must not disturb.
 */
static int recover(struct kf_unit_hold *hold, struct kf_error *err)
{
	_cleanup_(kf_closep) int fd = connect_to(kf_lease_socket());
	_cleanup_(kf_json_decrefp) json_t *request = json_pack("{s:[]}", "release"), *answer = NULL;
	struct kf_error why = { .message = "kf-leased is gone, and nobody can be asked" };
	char lost[256] = "";

	for (size_t i = 0; i < hold->count; i++)
		json_array_append_new(json_object_get(request, "release"),
				      json_string(hold->units[i].name));
	if (fd < 0 || give_back(fd, json_incref(request), hold->options.timeout_ms, &answer) < 0)
		hold->options.told("kf-leased", "does not answer: looking for ourselves");
	for (size_t i = 0; i < hold->count; i++) {
		struct kf_held *unit = &hold->units[i];

		if (!unit->owed && !kf_unit_is_up(&unit->before))
			continue;
		if (names(answer, "held", unit->name))
			hold->options.told(unit->name, "another lease keeps it stopped");
		else if (names(answer, "started", unit->name))
			tell_back(hold, unit);
		else if (!bring_back(hold, unit, &why))
			kf_text_add(lost, sizeof(lost), " ", unit->name);
	}
	return lost[0] ? kf_way_lost(why.message, lost, err) : 0;
}

static int release(struct kf_unit_hold *hold, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *answer = NULL;
	const struct lease *lease = hold->own;
	char lost[256] = "";
	const char *message;

	if (!lease->asked)
		return 0;
	if (give_back(lease->fd, json_pack("{s:b}", "release", 1), hold->options.timeout_ms,
		      &answer) < 0)
		return recover(hold, err);
	for (size_t i = 0; i < hold->count; i++) {
		const struct kf_held *unit = &hold->units[i];

		if (names(answer, "started", unit->name))
			tell_back(hold, unit);
		else if (names(answer, "lost", unit->name))
			kf_text_add(lost, sizeof(lost), " ", unit->name);
	}
	message = json_string_value(json_object_get(answer, "message"));
	return lost[0] ? kf_way_lost(message ? message : "kf-leased does not say why", lost, err)
		       : 0;
}

static void close_lease(struct kf_unit_hold *hold)
{
	struct lease *lease = hold->own;

	close(lease->fd);
	free(lease);
	hold->own = NULL;
}

const struct kf_way kf_way_lease = {
	.name = "lease",
	.may = may,
	.open = open_lease,
	.take = take,
	.run = run,
	.release = release,
	.close = close_lease,
};
