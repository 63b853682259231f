/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The signal that a job has ended may be read before the reply that names the job: all ends
 * are noted, and looked up once the name is known.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "systemd/bus.h"
#include "systemd/message.h"

/* Each message is looked at as it comes, so few ends can pile up before a reply is read. */
enum { ENDS = 64 };

struct kf_bus {
	sd_bus *bus;
	struct {
		char job[KF_NAME_SIZE], result[32];
	} ends[ENDS];
	size_t ended; /* the next goes to ends[ended % ENDS] */
};

static int on_job_removed(sd_bus_message *m, void *arg, sd_bus_error *ignored)
{
	struct kf_bus *bus = arg;
	const char *job, *unit, *result;
	size_t i = bus->ended % ENDS;

	(void)ignored;
	if (sd_bus_message_read(m, "uoss", NULL, &job, &unit, &result) < 0)
		return 0;
	kf_text_clean(bus->ends[i].job, sizeof(bus->ends[i].job), job, strlen(job));
	kf_text_clean(bus->ends[i].result, sizeof(bus->ends[i].result), result, strlen(result));
	bus->ended++;
	return 0;
}

static const char *find_end(const struct kf_bus *bus, const char *job)
{
	for (size_t i = 0; i < bus->ended && i < ENDS; i++)
		if (strcmp(bus->ends[i].job, job) == 0)
			return bus->ends[i].result;
	return NULL;
}

static int keep_reply(sd_bus_message *m, void *arg, sd_bus_error *ignored)
{
	(void)ignored;
	*(sd_bus_message **)arg = sd_bus_message_ref(m);
	return 0;
}

/* Let sd-bus do one thing, or wait until it can. */
static int turn(struct kf_bus *bus, const struct kf_patience *patience)
{
	struct pollfd pfd = { .fd = sd_bus_get_fd(bus->bus) };
	int64_t until_ms = KF_FOREVER;
	uint64_t usec;
	int r;

	r = sd_bus_process(bus->bus, NULL);
	if (r > 0)
		return 0;
	pfd.events = (short)sd_bus_get_events(bus->bus);
	if (r < 0 || pfd.fd < 0 || pfd.events < 0)
		return -ENOTCONN;
	/* The login to the bus has a timeout of its own. */
	if (sd_bus_get_timeout(bus->bus, &usec) > 0 && usec / 1000 < INT64_MAX - 1)
		until_ms = (int64_t)(usec / 1000) + 1;
	r = kf_wait_patiently(patience, &pfd, 1, until_ms);
	if (r == 0 && kf_now_ms() >= patience->deadline_ms)
		return -ETIMEDOUT;
	return r < 0 ? r : 0;
}

static int fail_wait(struct kf_error *err, int r, const char *what)
{
	if (r == -ETIMEDOUT)
		return kf_fail(err, KF_TIMEOUT, "systemd did not answer %s in time", what);
	if (r == -EINTR)
		return kf_fail(err, KF_INTERRUPTED, "interrupted during %s", what);
	kf_fail(err, KF_SERVICE, "the D-Bus connection was closed during %s", what);
	return -ENOTCONN;
}

/* Send m, and wait for its reply. r is what building m gave. */
static int call(struct kf_bus *bus, sd_bus_message *m, int r, const struct kf_patience *patience,
		sd_bus_message **ret, struct kf_error *err)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	_cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
	const char *what;

	if (r >= 0)
		r = sd_bus_call_async(bus->bus, &slot, m, keep_reply, &reply, UINT64_MAX);
	while (r >= 0 && !reply)
		r = turn(bus, patience);
	what = m ? sd_bus_message_get_member(m) : "a call"; /* sending has moved it */
	if (!reply)
		return fail_wait(err, r, what);
	if (sd_bus_message_is_method_error(reply, NULL))
		return sd_bus_is_open(bus->bus) > 0 ? kf_message_fail(reply, err)
						    : fail_wait(err, -ENOTCONN, what);
	*ret = sd_bus_message_ref(reply);
	return 0;
}

/* Call a method whose arguments (NULL: none) are all strings. */
static int call_strings(struct kf_bus *bus, const char *path, const char *interface,
			const char *method, const char *a, const char *b,
			const struct kf_patience *patience, sd_bus_message **ret,
			struct kf_error *err)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
	int r;

	r = sd_bus_message_new_method_call(bus->bus, &m, KF_SD_NAME, path, interface, method);
	if (r >= 0 && a)
		r = sd_bus_message_append(m, "s", a);
	if (r >= 0 && b)
		r = sd_bus_message_append(m, "s", b);
	return call(bus, m, r, patience, ret, err);
}

static int call_manager(struct kf_bus *bus, const char *method, const char *a, const char *b,
			const struct kf_patience *patience, sd_bus_message **ret,
			struct kf_error *err)
{
	return call_strings(bus, KF_SD_PATH, KF_SD_MANAGER, method, a, b, patience, ret, err);
}

int kf_bus_open(const struct kf_patience *patience, struct kf_bus **ret, struct kf_error *err)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	_cleanup_(kf_bus_close) struct kf_bus *bus = calloc(1, sizeof(*bus));
	int r;

	if (!bus)
		return kf_fail_sys(err, ENOMEM, "D-Bus");
	r = sd_bus_open_system(&bus->bus);
	if (r >= 0)
		r = sd_bus_match_signal_async(bus->bus, NULL, KF_SD_NAME, KF_SD_PATH, KF_SD_MANAGER,
					      "JobRemoved", on_job_removed, NULL, bus);
	if (r < 0)
		return kf_fail(err, KF_SERVICE, "the system bus cannot be reached: %s",
			       strerror(-r));
	r = call_manager(bus, "Subscribe", NULL, NULL, patience, &reply, err);
	if (r < 0)
		return r;
	*ret = bus;
	bus = NULL; /* the caller's now */
	return 0;
}

void kf_bus_close(struct kf_bus **bus)
{
	if (*bus)
		sd_bus_close_unref((*bus)->bus);
	free(*bus);
	*bus = NULL;
}

bool kf_bus_alive(const struct kf_bus *bus)
{
	return sd_bus_is_open(bus->bus) > 0;
}

int kf_bus_version(struct kf_bus *bus, const struct kf_patience *patience, unsigned *ret,
		   struct kf_error *err)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	char text[64] = "";
	int r;

	r = call_strings(bus, KF_SD_PATH, KF_SD_PROPERTIES, "Get", KF_SD_MANAGER, "Version",
			 patience, &reply, err);
	if (r < 0)
		return r;
	if (kf_message_variant(reply, text, sizeof(text)) < 0 ||
	    (sscanf(text, "%u", ret) != 1 && sscanf(text, "systemd %u", ret) != 1))
		return kf_fail(err, KF_SERVICE, "systemd does not tell its version");
	return 0;
}

/* What is queued counts, whatever the unit's state. */
static void add_job(struct kf_bus *bus, const char *job, const struct kf_patience *patience,
		    struct kf_unit_state *state)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	char type[32];

	/* The job may have ended since: then it is not queued. */
	if (call_strings(bus, job, KF_SD_PROPERTIES, "Get", KF_SD_JOB, "JobType", patience, &reply,
			 NULL) == 0 &&
	    kf_message_variant(reply, type, sizeof(type)) >= 0)
		kf_unit_state_job(state, type);
}

int kf_bus_state(struct kf_bus *bus, const char *unit, const struct kf_patience *patience,
		 struct kf_unit_state *ret, struct kf_error *err)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *loaded = NULL, *all = NULL;
	struct kf_unit_state state;
	char job[KF_NAME_SIZE];
	const char *path;
	int r;

	r = call_manager(bus, "LoadUnit", unit, NULL, patience, &loaded, err);
	if (r < 0)
		return r;
	if (sd_bus_message_read(loaded, "o", &path) < 0)
		return kf_fail(err, KF_SERVICE, "systemd's answer to LoadUnit is not a path");
	r = call_strings(bus, path, KF_SD_PROPERTIES, "GetAll", "", NULL, patience, &all, err);
	if (r == 0)
		r = kf_message_state(all, &state, job, err);
	if (r < 0)
		return r;
	if (strcmp(job, "/") != 0)
		add_job(bus, job, patience, &state);
	*ret = state;
	return 0;
}

void kf_bus_listen(struct kf_bus *bus)
{
	bus->ended = 0;
}

int kf_bus_job_end(struct kf_bus *bus, const char *job, const struct kf_patience *patience,
		   char ret[32], struct kf_error *err)
{
	const char *result;
	int r;

	while (!(result = find_end(bus, job))) {
		r = turn(bus, patience);
		if (r == -ETIMEDOUT)
			return kf_fail(err, KF_TIMEOUT, "systemd's job did not end in time");
		if (r < 0)
			return fail_wait(err, r, "its job");
	}
	kf_text_clean(ret, 32, result, strlen(result));
	return 0;
}

/* The end of the job that reply names. */
static int await_job(struct kf_bus *bus, sd_bus_message *reply, const struct kf_patience *patience,
		     char ret[32], struct kf_error *err)
{
	const char *job;

	if (sd_bus_message_read(reply, "o", &job) < 0)
		return kf_fail(err, KF_SERVICE, "systemd's answer is not a job");
	return kf_bus_job_end(bus, job, patience, ret, err);
}

int kf_bus_job(struct kf_bus *bus, const char *method, const char *unit,
	       const struct kf_patience *patience, char ret[32], struct kf_error *err)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	int r;

	kf_bus_listen(bus);
	r = call_manager(bus, method, unit, "replace", patience, &reply, err);
	return r < 0 ? r : await_job(bus, reply, patience, ret, err);
}

int kf_bus_transient(struct kf_bus *bus, int (*fill)(sd_bus_message *m, void *arg), void *arg,
		     const struct kf_patience *patience, char ret[32], struct kf_error *err)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
	int r;

	kf_bus_listen(bus);
	r = sd_bus_message_new_method_call(bus->bus, &m, KF_SD_NAME, KF_SD_PATH, KF_SD_MANAGER,
					   "StartTransientUnit");
	if (r >= 0)
		r = fill(m, arg);
	r = call(bus, m, r, patience, &reply, err);
	return r < 0 ? r : await_job(bus, reply, patience, ret, err);
}

static int note_change(sd_bus_message *m, void *changed, sd_bus_error *ignored)
{
	(void)m;
	(void)ignored;
	*(bool *)changed = true;
	return 0;
}

int kf_bus_wait(struct kf_bus *bus, const char *unit,
		bool (*reached)(const struct kf_unit_state *state),
		const struct kf_patience *patience, struct kf_error *err)
{
	_cleanup_(sd_bus_slot_unrefp) sd_bus_slot *slot = NULL;
	_cleanup_(kf_freep) char *path = NULL;
	struct kf_unit_state state;
	bool changed = true;
	int r;

	/* The bus keeps the order: what changes after the look that follows is told. */
	r = sd_bus_path_encode(KF_SD_PATH "/unit", unit, &path);
	if (r >= 0)
		r = sd_bus_match_signal_async(bus->bus, &slot, KF_SD_NAME, path, KF_SD_PROPERTIES,
					      "PropertiesChanged", note_change, NULL, &changed);
	if (r < 0)
		return kf_fail(err, KF_SERVICE, "%s cannot be watched: %s", unit, strerror(-r));
	for (;;) {
		if (changed) {
			changed = false;
			r = kf_bus_state(bus, unit, patience, &state, err);
			if (r < 0 || reached(&state))
				return r;
		}
		r = turn(bus, patience);
		if (r < 0)
			return fail_wait(err, r, "the wait for a unit");
	}
}

int kf_bus_reset_failed(struct kf_bus *bus, const char *unit, const struct kf_patience *patience,
			struct kf_error *err)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;

	return call_manager(bus, "ResetFailedUnit", unit, NULL, patience, &reply, err);
}

int kf_bus_may_start(struct kf_bus *bus, const char *unit, const struct kf_patience *patience,
		     bool *ret, struct kf_error *err)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
	struct kf_error why = { 0 };
	int r;

	/*
	 * polkit's answer depends on unit and verb, which only systemd may tell it. This mode is
	 * for stopping alone (systemctl(1), --job-mode): refused, but after polkit was asked.
	 */
	r = call_manager(bus, "StartUnit", unit, "triggering", patience, &reply, &why);
	if (r == -ENOTCONN || (r < 0 && why.code != KF_PERMISSION && why.code != KF_SERVICE)) {
		if (err)
			*err = why;
		return r;
	}
	*ret = why.code != KF_PERMISSION;
	return 0;
}

int kf_bus_printers(struct kf_bus *bus, const struct kf_patience *patience,
		    void (*each)(void *arg, const char *unit), void *arg, struct kf_error *err)
{
	_cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
	const char *unit, *load;
	char name[KF_NAME_SIZE];
	int r;

	r = sd_bus_message_new_method_call(bus->bus, &m, KF_SD_NAME, KF_SD_PATH, KF_SD_MANAGER,
					   "ListUnitsByPatterns");
	if (r >= 0)
		r = sd_bus_message_append(m, "asas", 0, 2, "klipper*.service",
					  "moonraker*.service");
	r = call(bus, m, r, patience, &reply, err);
	if (r < 0)
		return r;
	r = sd_bus_message_enter_container(reply, 'a', "(ssssssouso)");
	while (r >= 0 && (r = sd_bus_message_read(reply, "(ssssssouso)", &unit, NULL, &load, NULL,
						  NULL, NULL, NULL, NULL, NULL, NULL)) > 0) {
		if (strcmp(load, "loaded") != 0)
			continue;
		kf_text_clean(name, sizeof(name), unit, strlen(unit));
		each(arg, name);
	}
	return 0;
}
