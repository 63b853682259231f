/* SPDX-License-Identifier: GPL-3.0-or-later */
/* D-Bus signals only end a wait early: then the unit is asked for its state again. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "core/clock.h"
#include "core/text.h"
#include "systemd/bus.h"

#define SD_NAME	      "org.freedesktop.systemd1"
#define SD_PATH	      "/org/freedesktop/systemd1"
#define SD_MANAGER    SD_NAME ".Manager"
#define SD_JOB	      SD_NAME ".Job"
#define SD_PROPERTIES "org.freedesktop.DBus.Properties"

/* LOOK_MS: systemd that starts anew tells of no job any more, so we look now and then. */
enum { CONNECT_MS = 5000, RETRY_MS = 100, LOOK_MS = 1000, NAMES_SIZE = 256 };

struct kf_bus {
	sd_bus *bus; /* NULL: the connection was lost */
};

/* A property of one value, as text; of another type: empty. */
static int read_variant(sd_bus_message *m, char *ret, size_t size)
{
	const char *type, *text = "";
	uint64_t number = 0;
	uint32_t narrow = 0;
	int flag = 0, r = sd_bus_message_peek_type(m, NULL, &type);

	if (r >= 0 && strcmp(type, "s") == 0)
		r = sd_bus_message_read(m, "v", "s", &text);
	else if (r >= 0 && strcmp(type, "b") == 0)
		r = sd_bus_message_read(m, "v", "b", &flag);
	else if (r >= 0 && strcmp(type, "(uo)") == 0)
		r = sd_bus_message_read(m, "v", "(uo)", NULL, &text);
	else if (r >= 0 && strcmp(type, "u") == 0)
		r = sd_bus_message_read(m, "v", "u", &narrow);
	else if (r >= 0 && strcmp(type, "t") == 0)
		r = sd_bus_message_read(m, "v", "t", &number);
	else if (r >= 0)
		r = sd_bus_message_skip(m, "v");
	if (narrow || number)
		kf_text_format(ret, size, "%" PRIu64, number ? number : narrow);
	else
		kf_text_format(ret, size, "%s", flag ? "yes" : text);
	return r;
}

/* A property that is a list of strings. */
static int set_list(sd_bus_message *m, const char *name, struct kf_unit_state *state)
{
	const char *item;
	int r;

	r = sd_bus_message_enter_container(m, 'v', "as");
	if (r >= 0)
		r = sd_bus_message_enter_container(m, 'a', "s");
	while (r >= 0 && (r = sd_bus_message_read(m, "s", &item)) > 0)
		kf_unit_state_set(state, name, item);
	if (r >= 0)
		r = sd_bus_message_exit_container(m);
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int set_property(sd_bus_message *m, struct kf_unit_state *state)
{
	char value[512];
	const char *name, *type;
	int r;

	r = sd_bus_message_read(m, "s", &name);
	if (r >= 0)
		r = sd_bus_message_peek_type(m, NULL, &type);
	if (r >= 0 && strcmp(type, "as") == 0)
		return set_list(m, name, state);
	if (r >= 0)
		r = read_variant(m, value, sizeof(value));
	if (r >= 0)
		kf_unit_state_set(state, name, value);
	return r;
}

static int read_state(sd_bus_message *m, struct kf_unit_state *ret, struct kf_error *err)
{
	struct kf_unit_state state = { 0 };
	int r;

	r = sd_bus_message_enter_container(m, 'a', "{sv}");
	while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		r = set_property(m, &state);
		if (r < 0)
			break;
		r = sd_bus_message_exit_container(m);
	}
	if (r < 0)
		return kf_fail(err, KF_SERVICE, "systemd's answer to GetAll cannot be read");
	*ret = state;
	return 0;
}

/* An error reply in its sender's words. */
static int fail_reply(sd_bus_message *reply, struct kf_error *err)
{
	const sd_bus_error *e = sd_bus_message_get_error(reply);
	const char *said = e->message ? e->message : e->name;
	char text[256];

	KF_CLEAN(text, said);
	if (text[0] && text[strlen(text) - 1] == '.') /* it becomes a part of our sentence */
		text[strlen(text) - 1] = '\0';
	if (sd_bus_error_has_names(e, SD_BUS_ERROR_ACCESS_DENIED,
				   SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED))
		return kf_fail(err, KF_PERMISSION, "polkit says: %s", text);
	return kf_fail(err, KF_SERVICE, "systemd says: %s", text);
}

/* Does it only say that systemd or the bus starts anew? */
static bool is_passing(sd_bus_message *reply)
{
	static const char spawn[] = "org.freedesktop.DBus.Error.Spawn.", system[] = "System.Error.";
	const sd_bus_error *e = sd_bus_message_get_error(reply);

	return sd_bus_error_has_names(e, SD_BUS_ERROR_NO_REPLY, SD_BUS_ERROR_TIMEOUT,
				      SD_BUS_ERROR_SERVICE_UNKNOWN, SD_BUS_ERROR_NAME_HAS_NO_OWNER,
				      SD_BUS_ERROR_DISCONNECTED, SD_BUS_ERROR_NO_SERVER) ||
	       strncmp(e->name, system, sizeof(system) - 1) == 0 ||
	       strncmp(e->name, spawn, sizeof(spawn) - 1) == 0;
}

static int keep_reply(sd_bus_message *m, void *arg, sd_bus_error *ignored)
{
	(void)ignored;
	*(sd_bus_message **)arg = sd_bus_message_ref(m);
	return 0;
}

/* poll(2) on fd until until_ms; the client's hang-up is -ECANCELED. */
static int wait_on(const struct kf_deadline *deadline, int fd, short events, int64_t until_ms)
{
	struct pollfd fds[] = { { .fd = fd, .events = events },
				{ .fd = deadline->client ? deadline->client : -1,
				  .events = POLLRDHUP } };
	int r;

	if (until_ms > deadline->ms)
		until_ms = deadline->ms;
	r = deadline->through ? kf_wait_through(fds, 2, until_ms) : kf_wait(fds, 2, until_ms);
	return r > 0 && fds[1].revents ? -ECANCELED : r;
}

/* Let sd-bus do one thing, or wait until it can, for at most ms. */
static int step(struct kf_bus *bus, const struct kf_deadline *deadline, int64_t ms)
{
	int64_t until_ms = kf_now_ms() + ms;
	uint64_t usec;
	int r, events;

	r = sd_bus_process(bus->bus, NULL);
	if (r > 0)
		return 0;
	events = r < 0 ? r : sd_bus_get_events(bus->bus);
	if (events < 0)
		return -ENOTCONN;
	/* The login to the bus has a timeout of its own. */
	if (sd_bus_get_timeout(bus->bus, &usec) > 0 && (int64_t)(usec / 1000) < until_ms)
		until_ms = (int64_t)(usec / 1000) + 1;
	r = wait_on(deadline, sd_bus_get_fd(bus->bus), (short)events, until_ms);
	if (r == 0 && kf_now_ms() >= deadline->ms)
		return -ETIMEDOUT;
	return r < 0 ? r : 0;
}

static int fail_wait(struct kf_error *err, int r, const char *what)
{
	if (r == -ETIMEDOUT)
		return kf_fail(err, KF_TIMEOUT, "systemd did not answer %s in time", what);
	if (r == -EINTR)
		return kf_fail(err, KF_INTERRUPTED, "interrupted during %s", what);
	kf_fail(err, KF_SERVICE,
		r == -ECANCELED ? "the lease client hung up during %s"
				: "the D-Bus connection was closed during %s",
		what);
	return r;
}

static void disconnect(struct kf_bus *bus)
{
	bus->bus = sd_bus_close_unref(bus->bus);
}

/* One call with string arguments (NULL: none). -ENOTCONN: worth another try. */
static int call_once(struct kf_bus *bus, const char *path, const char *interface,
		     const char *method, const char *a, const char *b,
		     const struct kf_deadline *deadline, sd_bus_message **ret, struct kf_error *err)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
	_cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
	int r = sd_bus_message_new_method_call(bus->bus, &m, SD_NAME, path, interface, method);

	if (r >= 0 && a)
		r = sd_bus_message_append(m, "s", a);
	if (r >= 0 && b)
		r = sd_bus_message_append(m, "s", b);
	if (r >= 0)
		r = sd_bus_call_async(bus->bus, &slot, m, keep_reply, &reply, UINT64_MAX);
	while (r >= 0 && !reply)
		r = step(bus, deadline, KF_FOREVER / 2);
	if (!reply)
		return fail_wait(err,
				 r == -ETIMEDOUT || r == -EINTR || r == -ECANCELED ? r : -ENOTCONN,
				 method);
	if (!sd_bus_message_is_method_error(reply, NULL)) {
		*ret = sd_bus_message_ref(reply);
		return 0;
	}
	r = fail_reply(reply, err);
	return sd_bus_is_open(bus->bus) > 0 && !is_passing(reply) ? r : -ENOTCONN;
}

static int connect_bus(struct kf_bus *bus, const struct kf_deadline *deadline, struct kf_error *err)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	struct kf_deadline brief = *deadline;
	int r;

	if (brief.ms > kf_now_ms() + CONNECT_MS)
		brief.ms = kf_now_ms() + CONNECT_MS;
	r = sd_bus_open_system(&bus->bus);
	if (r < 0) {
		kf_fail(err, KF_SERVICE, "the system bus cannot be reached: %s", strerror(-r));
		r = -ENOTCONN;
	} else {
		r = call_once(bus, SD_PATH, SD_MANAGER, "Subscribe", NULL, NULL, &brief, &reply,
			      err);
	}
	if (r < 0)
		disconnect(bus);
	return r;
}

/* A short while for systemd or the bus to come back, if there is time for that. */
static int pause_for(const struct kf_deadline *deadline)
{
	int r;

	if (kf_now_ms() + RETRY_MS >= deadline->ms)
		return -ETIMEDOUT;
	r = wait_on(deadline, -1, 0, kf_now_ms() + RETRY_MS);
	return r < 0 ? r : 0;
}

static int call(struct kf_bus *bus, const char *path, const char *interface, const char *method,
		const char *a, const char *b, const struct kf_deadline *deadline,
		sd_bus_message **ret, struct kf_error *err)
{
	struct kf_error why = { 0 };
	int r;

	for (;;) {
		r = bus->bus ? 0 : connect_bus(bus, deadline, &why);
		if (r == 0)
			r = call_once(bus, path, interface, method, a, b, deadline, ret, &why);
		if (r != -ENOTCONN)
			break;
		disconnect(bus);
		if (pause_for(deadline) < 0)
			break;
	}
	if (r < 0 && err)
		*err = why;
	return r;
}

static int call_manager(struct kf_bus *bus, const char *method, const char *a, const char *b,
			const struct kf_deadline *deadline, sd_bus_message **ret,
			struct kf_error *err)
{
	return call(bus, SD_PATH, SD_MANAGER, method, a, b, deadline, ret, err);
}

int kf_bus_open(const struct kf_deadline *deadline, struct kf_bus **ret, struct kf_error *err)
{
	struct kf_bus *bus = calloc(1, sizeof(*bus));
	struct kf_error why = { 0 };
	int r;

	if (!bus)
		return kf_fail_sys(err, ENOMEM, "D-Bus");
	do
		r = connect_bus(bus, deadline, &why);
	while (r == -ENOTCONN && deadline->through && pause_for(deadline) == 0);
	if (r == 0) {
		*ret = bus;
		return 0;
	}
	free(bus);
	if (r == -EINTR)
		return kf_fail(err, KF_INTERRUPTED, "interrupted while connecting to systemd");
	kf_fail(err, KF_SERVICE, "cannot connect to systemd: %s", why.message);
	kf_error_hint(err, "without systemd, end the program that uses the board yourself, then "
			   "use --no-service");
	return r;
}

void kf_bus_close(struct kf_bus **bus)
{
	if (*bus)
		disconnect(*bus);
	free(*bus);
	*bus = NULL;
}

/* The type of a queued job; one that has ended meanwhile is none. */
static void set_job(struct kf_bus *bus, struct kf_unit_state *state,
		    const struct kf_deadline *deadline)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	char type[32];

	if (call(bus, state->job, SD_PROPERTIES, "Get", SD_JOB, "JobType", deadline, &reply,
		 NULL) == 0 &&
	    read_variant(reply, type, sizeof(type)) >= 0)
		kf_unit_state_job(state, type);
	else
		strcpy(state->job, "/");
}

int kf_bus_state(struct kf_bus *bus, const char *unit, const struct kf_deadline *deadline,
		 struct kf_unit_state *ret, struct kf_error *err)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *loaded = NULL, *all = NULL;
	struct kf_unit_state state = { 0 };
	const char *path;
	int r;

	r = call_manager(bus, "LoadUnit", unit, NULL, deadline, &loaded, err);
	if (r == 0 && sd_bus_message_read(loaded, "o", &path) < 0)
		r = kf_fail(err, KF_SERVICE, "systemd's answer to LoadUnit is not a path");
	if (r == 0)
		r = call(bus, path, SD_PROPERTIES, "GetAll", "", NULL, deadline, &all, err);
	if (r == 0)
		r = read_state(all, &state, err);
	if (r < 0) {
		kf_error_prefix(err, "%s", unit);
		return r;
	}
	if (strcmp(state.job, "/") != 0)
		set_job(bus, &state, deadline);
	*ret = state;
	return 0;
}

/* Add a name, if there is room: it is no error that some are missing. */
static void add_name(void *arg, const char *unit)
{
	kf_text_add(arg, NAMES_SIZE, ", ", unit);
}

int kf_bus_known(struct kf_bus *bus, const char *unit, const struct kf_deadline *deadline,
		 struct kf_unit_state *ret, struct kf_error *err)
{
	char names[NAMES_SIZE] = "";
	int r = kf_bus_state(bus, unit, deadline, ret, err);

	if (r < 0 || strcmp(ret->load, "not-found") != 0 || !kf_unit_is_down(ret))
		return r;
	r = kf_fail(err, KF_SERVICE, "%s: there is no such unit", unit);
	if (kf_bus_printers(bus, deadline, add_name, names, NULL) == 0 && names[0])
		kf_error_hint(err, "this machine runs %s: name one with -u", names);
	else
		kf_error_hint(err,
			      "see systemctl list-unit-files '*klipper*', and name it with -u");
	return r;
}

static int note_change(sd_bus_message *m, void *changed, sd_bus_error *ignored)
{
	(void)m;
	(void)ignored;
	*(bool *)changed = true;
	return 0;
}

/* Wait until a unit tells of a change, or LOOK_MS have passed. */
static int await_change(struct kf_bus *bus, const bool *changed, const struct kf_deadline *deadline)
{
	int64_t until_ms = kf_now_ms() + LOOK_MS;
	int r = bus->bus ? 0 : -ENOTCONN;

	while (r == 0 && !*changed && kf_now_ms() < until_ms)
		r = step(bus, deadline, until_ms - kf_now_ms());
	return r == -ENOTCONN ? pause_for(deadline) : r;
}

/* Wait until reached accepts the unit's state, or, if reached is NULL, until job has ended. */
static int wait_for_state(struct kf_bus *bus, const char *unit,
			  bool (*reached)(const struct kf_unit_state *state), const char *job,
			  const struct kf_deadline *deadline, struct kf_error *err)
{
	_cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
	_cleanup_(kf_freep) char *path = NULL;
	struct kf_unit_state state;
	bool changed = true;
	int r;

	/* The bus keeps the order: a change after the following query sends a signal. */
	r = sd_bus_path_encode(SD_PATH "/unit", unit, &path);
	if (r >= 0 && bus->bus)
		r = sd_bus_match_signal_async(bus->bus, &slot, SD_NAME, path, SD_PROPERTIES,
					      "PropertiesChanged", note_change, NULL, &changed);
	if (r < 0)
		return kf_fail(err, KF_SERVICE, "events of %s cannot be received: %s", unit,
			       strerror(-r));
	do {
		changed = false;
		r = kf_bus_state(bus, unit, deadline, &state, err);
		if (r == 0 && (reached ? reached(&state) : strcmp(state.job, job) != 0))
			return 0;
		if (r == 0) {
			r = await_change(bus, &changed, deadline);
			if (r < 0)
				fail_wait(err, r, "the wait for a unit");
		}
	} while (r == 0);
	return r == -ETIMEDOUT ? kf_fail(err, KF_TIMEOUT, "systemd's job did not end in time") : r;
}

int kf_bus_wait(struct kf_bus *bus, const char *unit,
		bool (*reached)(const struct kf_unit_state *state),
		const struct kf_deadline *deadline, struct kf_error *err)
{
	return wait_for_state(bus, unit, reached, NULL, deadline, err);
}

/* Ask for a job; *ret is its object's path. */
static int queue(struct kf_bus *bus, const char *method, const char *unit,
		 const struct kf_deadline *deadline, char ret[KF_NAME_SIZE], struct kf_error *err)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	const char *job;
	int r = call_manager(bus, method, unit, "replace", deadline, &reply, err);

	if (r == 0 && sd_bus_message_read(reply, "o", &job) < 0)
		r = kf_fail(err, KF_SERVICE, "systemd's answer is not a job");
	if (r == 0)
		kf_text_format(ret, KF_NAME_SIZE, "%s", job);
	return r;
}

/*
 * Wait for the end of a job that was asked for with r, and judge it by the state of its unit: a job
 * that failed is no error if the unit is as wanted.
 */
static int finish(struct kf_bus *bus, const char *unit, const char *job, int r, const char *done,
		  bool (*reached)(const struct kf_unit_state *state),
		  const struct kf_deadline *deadline, struct kf_unit_state *ret,
		  struct kf_error *err)
{
	const struct kf_deadline look = { .ms = kf_now_ms() + CONNECT_MS, .through = true };
	int seen;

	if (r == 0)
		r = wait_for_state(bus, unit, NULL, job, deadline, err);
	if (r == -EINTR || r == -ECANCELED)
		return r;
	seen = kf_bus_state(bus, unit, &look, ret, r < 0 ? NULL : err);
	if (seen == 0 && reached(ret))
		return 0;
	if (r == 0 && seen == 0)
		r = kf_fail(err, KF_SERVICE, "it is %s (%s)", ret->active,
			    strcmp(ret->active, "failed") == 0 ? ret->result : ret->sub);
	if (err->code == KF_SERVICE)
		kf_error_hint(err, "see systemctl status %s and journalctl -u %s", unit, unit);
	kf_error_prefix(err, "%s cannot be %s", unit, done);
	return r < 0 ? r : seen;
}

int kf_bus_stop(struct kf_bus *bus, const char *const *units, size_t count,
		const struct kf_deadline *deadline, struct kf_error *err)
{
	_cleanup_(kf_freep) char(*jobs)[KF_NAME_SIZE] = calloc(count + 1, sizeof(*jobs));
	struct kf_unit_state state;
	int r = 0;

	if (!jobs)
		return kf_fail_sys(err, ENOMEM, "%zu units", count);
	for (size_t i = 0; r == 0 && i < count; i++) {
		r = queue(bus, "StopUnit", units[i], deadline, jobs[i], err);
		if (r < 0)
			r = finish(bus, units[i], NULL, r, "stopped", kf_unit_has_ended, deadline,
				   &state, err);
	}
	for (size_t i = 0; r == 0 && i < count; i++)
		r = finish(bus, units[i], jobs[i], 0, "stopped", kf_unit_has_ended, deadline,
			   &state, err);
	return r;
}

static void reset_failed(struct kf_bus *bus, const char *unit, const struct kf_deadline *deadline)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;

	/* If this fails, the start that follows fails, and tells why. */
	IGNORE_RESULT(call_manager(bus, "ResetFailedUnit", unit, NULL, deadline, &reply, NULL));
}

static int start_once(struct kf_bus *bus, const char *unit, const struct kf_deadline *deadline,
		      struct kf_unit_state *ret, struct kf_error *err)
{
	char job[KF_NAME_SIZE];
	int r = queue(bus, "StartUnit", unit, deadline, job, err);

	return finish(bus, unit, job, r, "started", kf_unit_runs, deadline, ret, err);
}

int kf_bus_start(struct kf_bus *bus, const char *unit, const struct kf_deadline *deadline,
		 struct kf_error *err)
{
	struct kf_unit_state state;
	struct kf_error why = { 0 };
	int r = kf_bus_known(bus, unit, deadline, &state, &why);

	if (r == 0 && !kf_unit_runs(&state)) {
		r = start_once(bus, unit, deadline, &state, &why);
		if (r < 0 && strcmp(state.result, "start-limit-hit") == 0) {
			reset_failed(bus, unit, deadline);
			why = (struct kf_error){ 0 };
			r = start_once(bus, unit, deadline, &state, &why);
		}
	}
	if (r < 0)
		*err = why;
	return r;
}

int kf_bus_printers(struct kf_bus *bus, const struct kf_deadline *deadline,
		    void (*each)(void *arg, const char *unit), void *arg, struct kf_error *err)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	const char *unit, *load;
	char name[KF_NAME_SIZE];
	int r;

	r = call_manager(bus, "ListUnits", NULL, NULL, deadline, &reply, err);
	if (r < 0)
		return r;
	r = sd_bus_message_enter_container(reply, 'a', "(ssssssouso)");
	while (r >= 0 && (r = sd_bus_message_read(reply, "(ssssssouso)", &unit, NULL, &load, NULL,
						  NULL, NULL, NULL, NULL, NULL, NULL)) > 0) {
		if (strcmp(load, "loaded") != 0 || !kf_unit_name_is_printers(unit))
			continue;
		KF_CLEAN(name, unit);
		each(arg, name);
	}
	return 0;
}
