/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The order that makes it safe: lock each unit's file, look at the unit, ask the print guard, write
 * the pending restart, stop. Whatever ends this process between two of these, kf_pending_settle
 * finds what is to be done: at once if the lease client is gone, else when it ends
 * (kf_lease_resume).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <systemd/sd-login.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/text.h"
#include "systemd/lease.h"
#include "systemd/leases.h"
#include "systemd/pending.h"
#include "systemd/server.h"

/* FRESH_MS: if the print guard's answer is older, it asks again before the stop. */
enum { REQUEST_MS = 5000, QUERY_MS = 10000, FRESH_MS = 500 };

struct lease {
	const struct kf_lease_server *server;
	struct kf_lease_request request;
	struct ucred client;
	char client_unit[KF_NAME_SIZE]; /* that it runs in; may be empty */
	struct kf_bus *bus;
	int slot; /* its file in the folder of leases, or -1 */
	size_t count;
	struct held {
		struct kf_unit_state before;
		bool up, pending;
		bool slow;	  /* the print guard took long for it */
		int64_t asked_ms; /* when the print guard last said yes */
	} held[KF_UNITS_MAX];
	struct kf_pending files[KF_UNITS_MAX]; /* of held, with the names */
};

static struct kf_deadline until(const struct lease *lease, int64_t ms)
{
	return (struct kf_deadline){ .ms = kf_now_ms() + ms, .client = lease->server->connection };
}

/* A lease client that does not read its answers is not worth waiting for. */
static void answer(const struct lease *lease, json_t *said)
{
	_cleanup_(kf_freep) char *text = said ? json_dumps(said, JSON_COMPACT) : NULL;

	json_decref(said);
	if (text)
		IGNORE_RESULT(send(lease->server->connection, text, strlen(text),
				   MSG_DONTWAIT | MSG_NOSIGNAL));
}

static void answer_error(const struct lease *lease, const struct kf_error *err, bool refused)
{
	json_t *said = kf_lease_error(err);

	if (refused)
		json_object_set_new(said, "refused", json_true());
	answer(lease, said);
}

static bool is_listed(const struct lease *lease, const char *unit)
{
	for (size_t i = 0; i < lease->count; i++)
		if (strcmp(lease->files[i].unit, unit) == 0)
			return true;
	return false;
}

static int fail_too_many(const char *unit, struct kf_error *err)
{
	return kf_fail(err, KF_SERVICE,
		       "more units stop along with %s than can be held: %d at most", unit,
		       KF_UNITS_MAX);
}

static int add_unit(struct lease *lease, const char *unit, struct kf_error *err)
{
	if (is_listed(lease, unit))
		return 0;
	if (lease->count == KF_UNITS_MAX)
		return fail_too_many(lease->files[0].unit, err);
	lease->held[lease->count] = (struct held){ 0 };
	lease->files[lease->count] = (struct kf_pending){ .fd = -1 };
	kf_text_format(lease->files[lease->count++].unit, KF_NAME_SIZE, "%s", unit);
	return 0;
}

/* Add those of names that run. */
static int add_along(struct lease *lease, const char *names, const struct kf_deadline *deadline,
		     struct kf_error *err)
{
	struct kf_unit_state state;
	char name[KF_NAME_SIZE];
	int r = 0;

	while (r == 0 && kf_unit_next(&names, name)) {
		r = kf_bus_state(lease->bus, name, deadline, &state, err);
		if (r == 0 && kf_unit_is_up(&state))
			r = add_unit(lease, name, err);
	}
	return r;
}

static bool any_is_listed(const struct lease *lease, const char *names)
{
	char name[KF_NAME_SIZE];

	while (kf_unit_next(&names, name))
		if (is_listed(lease, name))
			return true;
	return false;
}

/* Add units whose pending restart would start one of ours: they stay stopped too. */
static int add_pending(struct lease *lease, struct kf_error *err)
{
	const struct kf_deadline deadline = until(lease, QUERY_MS);
	const char *dir = lease->server->restarts;
	struct kf_pending list[KF_PENDINGS_MAX];
	struct kf_unit_state state;
	int count = kf_pending_list(dir, list, err), r = count < 0 ? count : 0;

	for (int i = 0; r == 0 && i < count; i++) {
		if (is_listed(lease, list[i].unit) || !kf_pending_exists(dir, list[i].unit))
			continue;
		r = kf_bus_state(lease->bus, list[i].unit, &deadline, &state, err);
		if (r == 0 && any_is_listed(lease, state.starts))
			r = add_unit(lease, list[i].unit, err);
	}
	return r;
}

/* When a unit stops, all its processes end: our client must not be one of them. */
static int check_client(const struct lease *lease, const char *unit, struct kf_error *err)
{
	if (strcmp(lease->client_unit, unit) != 0)
		return 0;
	kf_fail(err, KF_SERVICE, "%s cannot be stopped by a process that it has started", unit);
	return kf_error_hint(err,
			     "give the command a unit of its own: kalico-flash(7), MAINSAIL AND "
			     "FLUIDD");
}

/* Refuse a unit that could not start again. */
static int check_return(const struct lease *lease, size_t i, struct kf_error *err)
{
	const char *unit = lease->files[i].unit, *why = kf_unit_stuck(&lease->held[i].before);

	if (!why)
		return 0;
	kf_fail(err, KF_SERVICE, "%s runs%s but is %s: it could not be started again after a stop",
		unit, i >= lease->request.count ? " and would stop along" : "", why);
	return kf_error_hint(err, "if you do not need it, stop it first: sudo systemctl stop %s",
			     unit);
}

/* Wait until a unit that no other lease holds is neither starting nor stopping. */
static int await_settled(struct lease *lease, size_t i, struct kf_error *err)
{
	const struct kf_deadline deadline = until(lease, lease->request.timeout_ms);
	struct held *held = &lease->held[i];
	const char *unit = lease->files[i].unit;
	bool starting = kf_unit_is_up(&held->before);
	int r;

	if (held->pending || kf_unit_is_settled(&held->before))
		return 0;
	r = kf_bus_wait(lease->bus, unit, kf_unit_is_settled, &deadline, err);
	if (r == -ETIMEDOUT)
		return kf_fail(err, KF_BUSY, "%s is still being %s", unit,
			       starting ? "started" : "stopped");
	return r < 0 ? r : kf_bus_state(lease->bus, unit, &deadline, &held->before, err);
}

/* Lock a unit's file; from here on no process restores the unit. */
static int lock_unit(struct lease *lease, size_t i, struct kf_error *err)
{
	const struct kf_deadline deadline = until(lease, lease->request.wait_ms);
	struct kf_pending *file = &lease->files[i];
	struct kf_unit_state ignored;
	int r = kf_pending_lock(lease->server->restarts, file->unit, &deadline, &file->fd, err);

	lease->held[i].pending = r == 0 && kf_pending_read(file->fd, &ignored);
	return r;
}

/* Check one unit, by its own name, and add the units that stop along with it to the list. */
static int look_at(struct lease *lease, size_t i, struct kf_error *err)
{
	const bool status = lease->request.status;
	struct held *held = &lease->held[i];
	struct kf_deadline deadline;
	int r;

	r = check_client(lease, lease->files[i].unit, err);
	if (r == 0 && !status)
		r = lock_unit(lease, i, err);
	deadline = until(lease, QUERY_MS);
	if (r == 0)
		r = kf_bus_state(lease->bus, lease->files[i].unit, &deadline, &held->before, err);
	if (r == 0 && !status)
		r = await_settled(lease, i, err);
	held->up = kf_unit_is_up(&held->before);
	if (r == 0 && held->up)
		r = check_return(lease, i, err);
	if (r == 0 && held->up && held->before.cut)
		r = fail_too_many(lease->files[i].unit, err);
	deadline = until(lease, QUERY_MS);
	if (r == 0 && held->up)
		r = add_along(lease, held->before.stops_too, &deadline, err);
	return r == 0 && i + 1 == lease->count ? add_pending(lease, err) : r;
}

/* The units that were named: known, allowed, and by their own names. */
static int add_named(struct lease *lease, const char *name, struct kf_error *err)
{
	const struct kf_deadline deadline = until(lease, QUERY_MS);
	struct kf_unit_state state = { 0 };
	int r = kf_lease_may(name, lease->client.uid, err);

	if (r == 0)
		r = kf_bus_known(lease->bus, name, &deadline, &state, err);
	if (r == 0 && state.id[0])
		r = kf_lease_may(state.id, lease->client.uid, err);
	return r < 0 ? r : add_unit(lease, state.id[0] ? state.id : name, err);
}

static int look(struct lease *lease, const char (*names)[KF_NAME_SIZE], size_t count,
		struct kf_error *err)
{
	int r = 0;

	lease->count = 0;
	for (size_t i = 0; r == 0 && i < count; i++)
		r = add_named(lease, names[i], err);
	for (size_t i = 0; r == 0 && i < lease->count; i++)
		r = look_at(lease, i, err);
	return r;
}

static int open_bus(struct lease *lease, struct kf_error *err)
{
	const struct kf_deadline deadline = until(lease, QUERY_MS);

	return lease->bus ? 0 : kf_bus_open(&deadline, &lease->bus, err);
}

static json_t *tell_status(struct lease *lease, const char *unit)
{
	json_t *said = json_pack("{s:s}", "unit", unit), *along = NULL;
	char name[1][KF_NAME_SIZE];
	struct kf_error err;

	strcpy(name[0], unit);
	if (open_bus(lease, &err) < 0 || look(lease, name, 1, &err) < 0) {
		json_t *why = kf_lease_error(&err);

		json_object_update(said, why);
		json_decref(why);
	} else {
		along = json_array();
		for (size_t i = 1; i < lease->count; i++)
			json_array_append_new(along, json_string(lease->files[i].unit));
		json_object_set_new(said, "along", along);
		unit = lease->files[0].unit;
	}
	json_object_set_new(said, "leases", kf_leases_list(lease->server->leases, unit));
	json_object_set_new(said, "pending",
			    json_boolean(kf_pending_exists(lease->server->restarts, unit)));
	return said;
}

static void serve_status(struct lease *lease)
{
	json_t *units = json_array();

	for (size_t i = 0; i < lease->request.count; i++)
		json_array_append_new(units, tell_status(lease, lease->request.units[i]));
	answer(lease, json_pack("{s:o}", "units", units));
}

/* Ask the print guard about a unit, unless its answer is fresh. */
static int ask_guard(struct lease *lease, size_t i, struct kf_error *err)
{
	struct held *held = &lease->held[i];
	int64_t start_ms = kf_now_ms();
	int r;

	if (!held->up || (held->asked_ms && start_ms < held->asked_ms + FRESH_MS))
		return 0;
	r = lease->server->may_stop(lease->files[i].unit, (pid_t)held->before.pid,
				    lease->request.while_unknown, err);
	held->asked_ms = kf_now_ms();
	held->slow = held->slow || held->asked_ms > start_ms + FRESH_MS;
	return r;
}

/*
 * While one printer is slow to answer, another may begin to print. So all are asked again, the slow
 * ones first.
 */
static int check_prints(struct lease *lease, struct kf_error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < lease->count; i++)
		r = ask_guard(lease, i, err);
	for (int slow = 1; slow >= 0; slow--)
		for (size_t i = 0; r == 0 && i < lease->count; i++)
			if (lease->held[i].slow == slow)
				r = ask_guard(lease, i, err);
	return r;
}

/* Write the lease's file, and the line in the journal. */
static int publish(struct lease *lease, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *units = json_array();
	char client[512], names[1024] = "";
	int r;

	for (size_t i = 0; i < lease->count; i++) {
		json_array_append_new(units, json_string(lease->files[i].unit));
		/* The journal gets those that fit. */
		kf_text_add(names, sizeof(names), ", ", lease->files[i].unit);
	}
	r = kf_leases_write(lease->slot, &lease->client, units, client, sizeof(client), err);
	if (r == 0)
		lease->server->told(client, names);
	return r;
}

/* Check all that may refuse the lease. Nothing has been stopped yet. */
static int prepare(struct lease *lease, struct kf_error *err)
{
	int r = open_bus(lease, err);

	if (r == 0)
		r = look(lease, lease->request.units, lease->request.count, err);
	return r < 0 ? r : check_prints(lease, err);
}

static int stop_units(struct lease *lease, struct kf_error *err)
{
	const struct kf_deadline deadline = until(lease, lease->request.timeout_ms);
	const char *names[KF_UNITS_MAX];
	struct kf_unit_state now;
	size_t count = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < lease->count; i++) {
		if (!lease->held[i].up)
			continue;
		r = kf_pending_write(lease->files[i].fd, &lease->held[i].before, err);
		names[count++] = lease->files[i].unit;
	}
	if (r == 0)
		r = kf_bus_stop(lease->bus, names, count, &deadline, err);
	/* Another lease may still be stopping a unit, and anybody may have started one. */
	for (size_t i = 0; r == 0 && i < lease->count; i++) {
		struct held *held = &lease->held[i];
		const char *unit = lease->files[i].unit;

		r = kf_bus_state(lease->bus, unit, &deadline, &now, err);
		if (r == 0 && held->pending && !kf_unit_is_up(&now))
			r = kf_bus_wait(lease->bus, unit, kf_unit_has_ended, &deadline, err);
		else if (r == 0 && !kf_unit_has_ended(&now))
			r = kf_fail(err, KF_BUSY, "%s has started meanwhile", unit);
		/* The unit may have restarted by itself just before the stop. */
		if (r == 0 && now.since[0])
			strcpy(held->before.since, now.since);
		if (r == 0 && held->up)
			r = kf_pending_write(lease->files[i].fd, &held->before, err);
	}
	return r;
}

/* Tell the result for each unit, with the reason (or NULL). */
static json_t *tell_units(const struct lease *lease, bool settled)
{
	json_t *units = json_array();

	for (size_t i = 0; i < lease->count; i++) {
		const struct kf_pending *file = &lease->files[i];
		const struct held *held = &lease->held[i];
		const char *state = held->up ? "stopped" : held->pending ? "held" : "inactive";
		const char *why = settled && file->err.code != KF_OK ? file->err.message : NULL;

		if (settled)
			state = kf_settled_name(file->settled);
		json_array_append_new(units, json_pack("{s:s, s:s, s:s, s:s*}", "unit", file->unit,
						       "state", state, "before",
						       held->before.active, "message", why));
	}
	return json_pack("{s:o, s:b}", "units", units, "end", settled);
}

/* Wait until the client closes its side, or a stop signal comes. What it sends is ignored. */
static void await_end(const struct lease *lease)
{
	struct pollfd fd = { .fd = lease->server->connection, .events = POLLIN | POLLRDHUP };
	char ignored[KF_LEASE_MESSAGE_MAX];
	int r;

	do {
		r = kf_wait(&fd, 1, KF_FOREVER);
		if (r > 0 && !(fd.revents & (POLLRDHUP | POLLHUP | POLLERR)) &&
		    recv(fd.fd, ignored, sizeof(ignored), MSG_DONTWAIT) < 0 && errno != EAGAIN)
			r = -errno;
	} while (r > 0 && !(fd.revents & (POLLRDHUP | POLLHUP | POLLERR)));
}

static int serve_hold(struct lease *lease, struct kf_error *err)
{
	struct kf_error why = { 0 };
	bool refused = true;
	int r = prepare(lease, &why);

	if (r == 0)
		r = publish(lease, &why);
	if (r == 0) {
		refused = false;
		r = stop_units(lease, &why);
	}
	if (r == -ECANCELED)
		kf_fail(&why, KF_INTERRUPTED, "the lease client hung up");
	if (r < 0)
		answer_error(lease, &why, refused);
	else
		answer(lease, tell_units(lease, false));
	if (!refused && r != -ECANCELED)
		await_end(lease);
	r = kf_pending_settle(lease->server->restarts, lease->files, lease->count,
			      lease->request.timeout_ms, err);
	if (!refused)
		answer(lease, tell_units(lease, true));
	return r;
}

/* The first packet of the client. */
static int receive(struct lease *lease, struct kf_error *err)
{
	struct pollfd fd = { .fd = lease->server->connection, .events = POLLIN };
	char text[KF_LEASE_MESSAGE_MAX + 1];
	ssize_t len;
	int r = kf_wait(&fd, 1, kf_now_ms() + REQUEST_MS);

	if (r == 0)
		return kf_fail(err, KF_TIMEOUT, "no request within %d s", REQUEST_MS / 1000);
	len = r < 0 ? -1 : recv(fd.fd, text, sizeof(text), MSG_DONTWAIT);
	if (r < 0 || len < 0)
		return kf_fail_sys(err, r < 0 ? -r : errno, "no request");
	return kf_lease_parse(text, (size_t)len, &lease->request, err);
}

static int identify(struct lease *lease, struct kf_error *err)
{
	_cleanup_(kf_freep) char *unit = NULL;
	socklen_t len = sizeof(lease->client);

	if (getsockopt(lease->server->connection, SOL_SOCKET, SO_PEERCRED, &lease->client, &len) <
	    0)
		return kf_fail_sys(err, errno, "cannot identify the client");
	if (lease->client.pid > 0 && sd_pid_get_unit(lease->client.pid, &unit) >= 0)
		KF_COPY(lease->client_unit, unit);
	return 0;
}

static int new_lease(const struct kf_lease_server *server, struct lease **ret, struct kf_error *err)
{
	struct lease *lease;
	int r = kf_dir_make(server->restarts, err);

	if (r == 0)
		r = kf_dir_make(server->leases, err);
	lease = r == 0 ? calloc(1, sizeof(*lease)) : NULL;
	if (!lease)
		return r < 0 ? r : kf_fail_sys(err, ENOMEM, "lease");
	lease->server = server;
	lease->slot = -1;
	*ret = lease;
	return 0;
}

int kf_lease_serve(const struct kf_lease_server *server, struct kf_error *err)
{
	_cleanup_(kf_freep) struct lease *lease = NULL;
	struct kf_error why;
	int r = new_lease(server, &lease, err);

	if (!lease)
		return r;
	r = identify(lease, &why);
	if (r == 0)
		r = kf_leases_enter(server->leases, lease->client.uid, &lease->slot, &why);
	if (r == 0)
		r = receive(lease, &why);
	if (r < 0)
		answer_error(lease, &why, true);
	else if (lease->request.status)
		serve_status(lease);
	r = r < 0 || lease->request.status ? 0 : serve_hold(lease, err);
	kf_closep(&lease->slot);
	kf_bus_close(&lease->bus);
	return r;
}

/* Lock all pending restarts: it is no longer known which belong to this lease. */
static int lock_pending(struct lease *lease, struct kf_error *err)
{
	const struct kf_deadline now = { .ms = kf_now_ms() };
	const char *dir = lease->server->restarts;
	struct kf_pending list[KF_PENDINGS_MAX];
	int count = kf_pending_list(dir, list, err);

	for (int i = 0; i < count && lease->count < KF_UNITS_MAX; i++) {
		struct kf_pending *file = &lease->files[lease->count];

		*file = list[i];
		if (kf_pending_exists(dir, file->unit) &&
		    kf_pending_lock(dir, file->unit, &now, &file->fd, NULL) == 0 &&
		    kf_pending_read(file->fd, &lease->held[lease->count].before))
			lease->count++;
		else
			kf_closep(&file->fd);
	}
	return count < 0 ? count : 0;
}

int kf_lease_resume(const struct kf_lease_server *server, int64_t timeout_ms, struct kf_error *err)
{
	_cleanup_(kf_freep) struct lease *lease = NULL;
	struct kf_error why;
	int r = new_lease(server, &lease, err);

	if (!lease)
		return r;
	r = lock_pending(lease, err);
	if (r < 0 || lease->count == 0)
		return r;
	/* Without a file this lease is not listed. */
	if (identify(lease, &why) == 0 &&
	    kf_leases_enter(server->leases, lease->client.uid, &lease->slot, &why) == 0)
		IGNORE_RESULT(publish(lease, &why));
	kf_fail(&why, KF_BUSY, "kf-leased was killed");
	answer_error(lease, &why, false);
	await_end(lease);
	r = kf_pending_settle(server->restarts, lease->files, lease->count, timeout_ms, err);
	answer(lease, tell_units(lease, true));
	kf_closep(&lease->slot);
	return r;
}
