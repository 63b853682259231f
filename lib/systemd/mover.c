/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Look, ask, look again: the verdict is the unit's state when no job of it is queued any more;
 * replies and a job's result only explain it. At most one call is on its way, and a timer
 * leads back to the look.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "systemd/line.h"
#include "systemd/mover.h"

enum { RETRY_MS = 200 };

struct kf_mover {
	char unit[KF_NAME_SIZE];
	struct kf_mover_owner owner;
	sd_event *event;
	sd_event_source *look, *deadline;
	struct kf_line *line; /* NULL: not connected */
	bool down;	      /* where to */
	bool busy;	      /* on its way there */
	bool known;	      /* was_up and active are */
	bool asked;	      /* what is seen next is the outcome */
	bool waiting;	      /* for the end of its job */
	bool ready;	      /* seen to run, and waiting for kf_mover_stop */
	bool forgiven;	      /* the start limit */
	bool was_up;	      /* before it was stopped */
	char active[32];      /* what it did then */
	char ending[32];      /* the last job's result */
	struct kf_unit_state state;
	char job[KF_NAME_SIZE];
	struct kf_error why; /* what systemd said when it was asked; code KF_OK: yes */
};

static void settle(struct kf_mover *mover)
{
	if (mover->line)
		kf_line_cancel(mover->line);
	sd_event_source_set_enabled(mover->look, SD_EVENT_OFF);
	sd_event_source_set_enabled(mover->deadline, SD_EVENT_OFF);
	mover->busy = mover->waiting = mover->ready = false;
}

/* The owner may free the mover in there: nothing touches it after this. */
static void finish(struct kf_mover *mover)
{
	settle(mover);
	mover->owner.done(mover->owner.arg, mover->was_up, NULL);
}

static void fail(struct kf_mover *mover, const struct kf_error *why)
{
	struct kf_error err = *why;

	settle(mover);
	kf_error_prefix(&err, "%s cannot be %s", mover->unit, mover->down ? "stopped" : "started");
	mover->owner.done(mover->owner.arg, mover->was_up, &err);
}

static void look_in(struct kf_mover *mover, unsigned ms)
{
	mover->waiting = false;
	sd_event_source_set_time_relative(mover->look, ms * 1000ULL);
	sd_event_source_set_enabled(mover->look, SD_EVENT_ONESHOT);
}

/* Whatever was asked may not have arrived: begin anew, when there is somebody to talk to. */
static void reconnect(struct kf_mover *mover)
{
	kf_line_close(&mover->line);
	mover->asked = mover->ready = false;
	look_in(mover, RETRY_MS);
}

/* The reply to our call: false if the mover has been told what becomes of an error. */
static bool take_reply(struct kf_mover *mover, sd_bus_message *reply)
{
	struct kf_error err;

	kf_line_cancel(mover->line);
	if (!sd_bus_message_is_method_error(reply, NULL))
		return true;
	if (kf_message_passing(reply)) {
		reconnect(mover);
	} else {
		kf_message_fail(reply, &err);
		fail(mover, &err);
	}
	return false;
}

static void call(struct kf_mover *mover, const char *path, const char *interface,
		 const char *method, const char *a, const char *b,
		 sd_bus_message_handler_t on_reply)
{
	if (kf_line_call(mover->line, path, interface, method, a, b, on_reply, mover) < 0)
		reconnect(mover);
}

static void call_manager(struct kf_mover *mover, const char *method, const char *mode,
			 sd_bus_message_handler_t on_reply)
{
	call(mover, KF_SD_PATH, KF_SD_MANAGER, method, mover->unit, mode, on_reply);
}

static int on_asked(sd_bus_message *reply, void *arg, sd_bus_error *ignored)
{
	struct kf_mover *mover = arg;

	(void)ignored;
	mover->why.code = KF_OK;
	if (sd_bus_message_is_method_error(reply, NULL) && !kf_message_passing(reply)) {
		kf_line_cancel(mover->line);
		kf_message_fail(reply, &mover->why);
	} else if (!take_reply(mover, reply)) {
		return 0;
	}
	look_in(mover, 0);
	return 0;
}

static void ask(struct kf_mover *mover)
{
	mover->asked = true;
	mover->ready = false;
	mover->ending[0] = '\0';
	call_manager(mover, mover->down ? "StopUnit" : "StartUnit", "replace", on_asked);
}

static int on_forgiven(sd_bus_message *reply, void *arg, sd_bus_error *ignored)
{
	struct kf_mover *mover = arg;

	(void)ignored;
	if (take_reply(mover, reply))
		ask(mover);
	return 0;
}

/* Before it is asked for anything. */
static void judge_start(struct kf_mover *mover)
{
	const struct kf_unit_state *state = &mover->state;
	struct kf_error err = { 0 };
	const char *stuck = kf_unit_stuck(state);

	if (mover->down && !mover->known) {
		mover->was_up = kf_unit_is_up(state);
		kf_text_format(mover->active, sizeof(mover->active), "%s", state->active);
		mover->known = true;
	}
	mover->ready = mover->down && mover->was_up;
	if (strcmp(state->load, "not-found") == 0 && kf_unit_is_down(state)) {
		kf_fail(&err, KF_SERVICE, "there is no such unit");
		kf_error_hint(&err, "see systemctl list-unit-files '*klipper*'");
	} else if (state->id[0] && strcmp(state->id, mover->unit) != 0) {
		kf_fail(&err, KF_USAGE, "it is another name of %s: say that", state->id);
	} else if (mover->down && mover->was_up && stuck) {
		kf_fail(&err, KF_SERVICE, "it runs but is %s, and could not be started again",
			stuck);
	} else if (mover->down ? kf_unit_is_down(state) && !state->starting
			       : kf_unit_runs(state) && strcmp(mover->job, "/") == 0) {
		return finish(mover);
	} else if (!mover->ready) {
		return ask(mover);
	} else if (mover->owner.stopping(mover->owner.arg, mover->active, &err) == 0) {
		return;
	}
	fail(mover, &err);
}

/* After it was asked. */
static void judge_end(struct kf_mover *mover)
{
	const struct kf_unit_state *state = &mover->state;
	struct kf_error err = mover->why;

	if (strcmp(mover->job, "/") != 0) {
		mover->waiting = true;
		return;
	}
	/* What restarts for ever does so again: that is as it was. */
	if (mover->down ? kf_unit_is_down(state)
			: kf_unit_runs(state) || (kf_unit_is_up(state) &&
						  strcmp(state->active, mover->active) == 0))
		return finish(mover);
	if (!mover->down && strcmp(state->result, "start-limit-hit") == 0 && !mover->forgiven) {
		mover->forgiven = true;
		return call_manager(mover, "ResetFailedUnit", NULL, on_forgiven);
	}
	if (err.code == KF_OK && mover->ending[0] && strcmp(mover->ending, "done") != 0)
		kf_fail(&err, KF_SERVICE, "systemd's job ended with the result %s", mover->ending);
	else if (err.code == KF_OK)
		kf_fail(&err, KF_SERVICE, "it is %s (%s)", state->active, state->sub);
	kf_error_hint(&err, "see systemctl status %s and journalctl -u %s", mover->unit,
		      mover->unit);
	fail(mover, &err);
}

static void judge(struct kf_mover *mover)
{
	if (mover->asked)
		judge_end(mover);
	else
		judge_start(mover);
}

static int on_job_type(sd_bus_message *reply, void *arg, sd_bus_error *ignored)
{
	struct kf_mover *mover = arg;
	char type[32];

	(void)ignored;
	kf_line_cancel(mover->line);
	/* The job may have ended since: then it is not queued. */
	if (!sd_bus_message_is_method_error(reply, NULL) &&
	    kf_message_variant(reply, type, sizeof(type)) >= 0)
		kf_unit_state_job(&mover->state, type);
	judge(mover);
	return 0;
}

static int on_state(sd_bus_message *reply, void *arg, sd_bus_error *ignored)
{
	struct kf_mover *mover = arg;
	struct kf_error err;

	(void)ignored;
	if (!take_reply(mover, reply))
		return 0;
	if (kf_message_state(reply, &mover->state, mover->job, &err) < 0)
		fail(mover, &err);
	else if (strcmp(mover->job, "/") != 0 && !mover->asked)
		call(mover, mover->job, KF_SD_PROPERTIES, "Get", KF_SD_JOB, "JobType", on_job_type);
	else
		judge(mover);
	return 0;
}

static int on_loaded(sd_bus_message *reply, void *arg, sd_bus_error *ignored)
{
	struct kf_mover *mover = arg;
	struct kf_error err;
	const char *path;

	(void)ignored;
	if (!take_reply(mover, reply))
		return 0;
	if (sd_bus_message_read(reply, "o", &path) < 0) {
		kf_fail(&err, KF_SERVICE, "systemd's answer to LoadUnit is not a path");
		fail(mover, &err);
	} else {
		call(mover, path, KF_SD_PROPERTIES, "GetAll", "", NULL, on_state);
	}
	return 0;
}

static void on_job_ended(void *arg, const char *unit, const char *result)
{
	struct kf_mover *mover = arg;

	if (strcmp(unit, mover->unit) != 0)
		return;
	kf_text_format(mover->ending, sizeof(mover->ending), "%s", result);
	if (mover->waiting)
		look_in(mover, 0);
}

static void on_renewed(void *arg)
{
	struct kf_mover *mover = arg;

	if (mover->waiting)
		look_in(mover, RETRY_MS);
}

static void on_lost(void *arg)
{
	struct kf_mover *mover = arg;

	if (mover->busy)
		reconnect(mover);
	else
		kf_line_close(&mover->line);
}

static int on_look(sd_event_source *source, uint64_t usec, void *arg)
{
	struct kf_mover *mover = arg;
	const struct kf_line_news news = { on_job_ended, on_renewed, on_lost, mover };

	(void)source;
	(void)usec;
	if (!mover->line && kf_line_open(mover->event, &news, &mover->line) < 0)
		reconnect(mover);
	else
		call_manager(mover, "LoadUnit", NULL, on_loaded);
	return 0;
}

static int on_deadline(sd_event_source *source, uint64_t usec, void *arg)
{
	struct kf_mover *mover = arg;
	struct kf_error err;

	(void)source;
	(void)usec;
	/* What starts for ever does so again: that is as it was. */
	if (!mover->down && mover->waiting && kf_unit_is_up(&mover->state) &&
	    strcmp(mover->state.active, mover->active) == 0) {
		finish(mover);
		return 0;
	}
	kf_fail(&err, KF_TIMEOUT,
		mover->waiting ? "systemd's job did not end in time"
		: mover->line  ? "systemd did not answer in time"
			       : "the system bus was not there in time");
	fail(mover, &err);
	return 0;
}

int kf_mover_new(sd_event *event, const char *unit, const struct kf_mover_owner *owner,
		 struct kf_mover **ret)
{
	_cleanup_(kf_mover_free) struct kf_mover *mover = calloc(1, sizeof(*mover));
	int r = mover ? 0 : -ENOMEM;

	if (r < 0)
		return r;
	mover->event = sd_event_ref(event);
	mover->owner = *owner;
	kf_text_format(mover->unit, sizeof(mover->unit), "%s", unit);
	r = sd_event_add_time(event, &mover->look, CLOCK_MONOTONIC, UINT64_MAX, 1, on_look, mover);
	if (r >= 0)
		r = sd_event_add_time(event, &mover->deadline, CLOCK_MONOTONIC, UINT64_MAX, 1,
				      on_deadline, mover);
	if (r < 0)
		return r;
	*ret = mover;
	mover = NULL; /* the caller's now */
	return 0;
}

void kf_mover_free(struct kf_mover **mover)
{
	if (*mover) {
		sd_event_source_disable_unref((*mover)->look);
		sd_event_source_disable_unref((*mover)->deadline);
		kf_line_close(&(*mover)->line);
		sd_event_unref((*mover)->event);
	}
	free(*mover);
	*mover = NULL;
}

static void go(struct kf_mover *mover, bool down, int64_t timeout_ms)
{
	settle(mover);
	mover->down = down;
	mover->busy = true;
	mover->known = mover->asked = mover->forgiven = mover->was_up = false;
	mover->why.code = KF_OK;
	sd_event_source_set_time_relative(mover->deadline, (uint64_t)timeout_ms * 1000);
	sd_event_source_set_enabled(mover->deadline, SD_EVENT_ONESHOT);
	look_in(mover, 0);
}

void kf_mover_down(struct kf_mover *mover, int64_t timeout_ms)
{
	go(mover, true, timeout_ms);
}

void kf_mover_stop(struct kf_mover *mover)
{
	if (mover->ready)
		ask(mover);
}

void kf_mover_up(struct kf_mover *mover, const char *active, int64_t timeout_ms)
{
	kf_text_format(mover->active, sizeof(mover->active), "%s", active);
	go(mover, false, timeout_ms);
}

void kf_mover_stay(struct kf_mover *mover)
{
	settle(mover);
}
