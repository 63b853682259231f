/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Stop and start systemd services; hold them stopped while a command runs. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/record.h"
#include "core/text.h"
#include "core/usage.h"
#include "core/value.h"
#include "klipper/print-state.h"
#include "systemd/bus.h"
#include "systemd/hold.h"
#include "systemd/units.h"

enum {
	UNITS_MS = 1000,
	READY_MS = 10000,
	SECONDS_MAX = 3600,
	TURNS = 2, /* how long a hold waits for another's beginning, in the time of a unit's stop */
	OPT_GRACE = 256,
	OPT_WAIT,
	OPT_JSON,
	OPT_TABLE,
	OPT_UNITS
};

struct request {
	char units[KF_HOLD_UNITS_MAX][KF_NAME_SIZE];
	size_t count;
	unsigned timeout_s, grace_s;
	int64_t wait_ms; /* -1: not said */
	bool table, quiet;
	const char *const *command; /* NULL-terminated */
};

static const char help[] =
	"usage: kf-service status [-u UNIT]... [--json | --table]\n"
	"       kf-service stop   [-u UNIT]...\n"
	"       kf-service start  [-u UNIT]...\n"
	"       kf-service hold   [-u UNIT]... [--] COMMAND [ARG...]\n"
	"\n"
	"Stop and start systemd services. hold stops those that run, runs COMMAND, and\n"
	"starts exactly those again, however COMMAND ends.\n"
	"\n"
	"  -u, --unit=UNIT     a service (default: klipper.service); may be repeated\n"
	"  -t, --timeout=S     seconds that a unit has to stop or start (default: 30)\n"
	"      --grace=S       hold: seconds that COMMAND has to end after a signal,\n"
	"                      before it is killed (default: 30)\n"
	"      --wait=S        hold: seconds that another hold has to begin (2 x timeout)\n"
	"      --units         only the services of Klipper and Moonraker, one a line\n"
	"      --json          status: JSON Lines, also on a terminal\n"
	"      --table         status: a table, also when not on a terminal\n"
	"  -q, --quiet         no phase lines\n"
	"  -h, --help          show this\n"
	"  -V, --version       show the version\n";

/* Print err; the exit status it stands for. */
static int complain(const struct kf_error *err)
{
	kf_log_error(NULL, err);
	return err->code == KF_INTERRUPTED ? 128 + kf_stop_signal() : kf_code_status(err->code);
}

static json_t *text_or_null(const char *text)
{
	return text[0] ? json_string(text) : json_null();
}

/* UNIT STATE ENABLED PID CAN GUARANTEE */
static const char row[] = "%-28s %-22s %-10s %7s  %-9s  %s\n";

static int print_unit(const struct request *request, const char *unit,
		      const struct kf_unit_state *state, const char *can, const char *guarantee,
		      struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *line = NULL;
	char pid[16] = "-";

	if (request->table) {
		if (state->pid)
			kf_text_format(pid, sizeof(pid), "%u", state->pid);
		printf(row, unit, strcmp(state->load, "loaded") == 0 ? state->active : state->load,
		       state->unit_file[0] ? state->unit_file : "-", pid, can[0] ? can : "-",
		       guarantee[0] ? guarantee : "-");
		return 0;
	}
	line = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o}", "unit", unit, "load",
			 state->load, "active", state->active, "sub", state->sub, "enabled",
			 text_or_null(state->unit_file), "pid",
			 state->pid ? json_integer(state->pid) : json_null(), "can",
			 text_or_null(can), "guarantee", text_or_null(guarantee));
	return line ? kf_record_write(stdout, line, err) : kf_fail_sys(err, ENOMEM, "%s", unit);
}

static int status(const struct request *request, struct kf_error *err)
{
	_cleanup_(kf_systemd_close) struct kf_systemd *systemd = NULL;
	struct kf_unit_state state;
	enum kf_right right;
	bool known;
	int r;

	r = kf_systemd_open(&systemd, err);
	if (r == 0 && request->table)
		printf(row, "UNIT", "STATE", "ENABLED", "PID", "CAN", "GUARANTEE");
	for (size_t i = 0; r == 0 && i < request->count; i++) {
		r = kf_unit_state(systemd, request->units[i], &state, err);
		known = r == 0 && strcmp(state.load, "not-found") != 0;
		if (known)
			r = kf_unit_right(systemd, request->units[i], &right, err);
		if (r == 0)
			r = print_unit(request, request->units[i], &state,
				       known ? kf_right_name(right) : "",
				       known ? kf_unit_guarantee(systemd, request->units[i]) : "",
				       err);
	}
	if (r == 0 && (fflush(stdout) == EOF || ferror(stdout)))
		r = kf_fail_sys(err, errno, "cannot write to standard output");
	kf_usage_unread(r);
	return r < 0 ? complain(err) : 0;
}

/* Every unit is tried; the status is that of the first that failed. */
static int change(const struct request *request,
		  int (*act)(struct kf_systemd *, const char *, int64_t, struct kf_error *),
		  const char *done, struct kf_error *err)
{
	_cleanup_(kf_systemd_close) struct kf_systemd *systemd = NULL;
	int first = 0, failed, r;

	r = kf_systemd_open(&systemd, err);
	if (r < 0)
		return complain(err);
	for (size_t i = 0; i < request->count; i++) {
		r = act(systemd, request->units[i], kf_now_ms() + request->timeout_s * 1000LL, err);
		if (r == 0) {
			kf_log_phase("Service", request->units[i], "%s", done);
			continue;
		}
		failed = complain(err);
		first = first ? first : failed;
		if (kf_stop_signal())
			break;
	}
	return first;
}

static int stop(const struct request *request, struct kf_error *err)
{
	return change(request, kf_unit_stop, "stopped", err);
}

static int start(const struct request *request, struct kf_error *err)
{
	return change(request, kf_unit_start, "active", err);
}

static void print_name(void *out, const char *unit)
{
	fprintf(out, "%s\n", unit);
}

/* For completion, where each keystroke waits for it. */
static int list_units(struct kf_error *err)
{
	const struct kf_patience patience = { .deadline_ms = kf_now_ms() + UNITS_MS };
	_cleanup_(kf_bus_close) struct kf_bus *bus = NULL;
	int r = kf_bus_open(&patience, &bus, err);

	if (r == 0)
		r = kf_bus_printers(bus, &patience, print_name, stdout, err);
	if (r == 0 && fflush(stdout) == EOF)
		r = kf_fail_sys(err, errno, "standard output");
	return r < 0 ? complain(err) : 0;
}

static void tell_unit(const char *unit, const char *news)
{
	kf_log_phase("Service", unit, "%s", news);
}

static void tell_signal(int sig, bool killed)
{
	if (killed)
		kf_log_warn(NULL, "the command did not end after SIG%s: killed", sigabbrev_np(sig));
	else
		kf_log_phase("Service", NULL, "SIG%s: waiting for the command to end",
			     sigabbrev_np(sig));
}

/* That a unit is active is systemd's word; where it is a Klippy, its own is worth waiting for. */
static void tell_ready(const struct request *request)
{
	_cleanup_(kf_systemd_close) struct kf_systemd *systemd = NULL;
	struct kf_unit_state state;
	struct kf_klippy klippy;
	char text[KF_NAME_SIZE];

	if (request->quiet || kf_systemd_open(&systemd, NULL) < 0)
		return;
	for (size_t i = 0; i < request->count; i++)
		if (kf_unit_state(systemd, request->units[i], &state, NULL) == 0 && state.pid &&
		    kf_klippy_find((pid_t)state.pid, &klippy) &&
		    kf_klippy_ready(&klippy, kf_now_ms() + READY_MS, text))
			kf_log_phase("Service", request->units[i], "Klippy is %s", text);
}

/* What is owed is paid first, and is the last thing said: nothing matters more. */
static int release(struct kf_unit_hold *hold, int so_far, struct kf_error *err)
{
	return kf_unit_hold_release(hold, err) < 0 ? complain(err) : so_far;
}

static int hold(const struct request *request, struct kf_error *err)
{
	const struct kf_command command = { .argv = request->command,
					    .grace_ms = request->grace_s * 1000LL,
					    .told = tell_signal };
	const struct kf_unit_hold_options options = {
		.command = &command,
		.timeout_ms = request->timeout_s * 1000LL,
		.wait_ms = request->wait_ms < 0 ? TURNS * request->timeout_s * 1000LL
						: request->wait_ms,
		.told = tell_unit
	};
	_cleanup_(kf_unit_hold_free) struct kf_unit_hold *held = NULL;
	struct kf_command_end end;
	int r;

	if (!command.argv[0]) {
		kf_fail(err, KF_USAGE, "hold needs a command to run");
		return kf_usage_error(err);
	}
	if (!kf_process_exists(command.argv[0])) {
		kf_fail(err, KF_USAGE, "%s: no such program", command.argv[0]);
		return kf_usage_error(err);
	}
	if (kf_unit_hold_new(request->units, request->count, &options, &held, err) < 0)
		return complain(err);
	r = kf_unit_hold_take(held, err);
	if (r == 0)
		r = kf_unit_hold_run(held, &command, &end, err);
	r = r < 0 ? release(held, complain(err), err)
		  : release(held, end.signal ? 128 + end.signal : kf_process_status(end.status),
			    err);
	if (!kf_stop_signal() && r != kf_code_status(KF_SERVICE_LOST))
		tell_ready(request);
	return r;
}

static const struct {
	const char *name;
	int (*run)(const struct request *request, struct kf_error *err);
} verbs[] = { { "status", status }, { "stop", stop }, { "start", start }, { "hold", hold } };

static int add_unit(struct request *request, const char *name, struct kf_error *err)
{
	char unit[KF_NAME_SIZE];
	int r;

	r = kf_unit_name(name, unit, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < request->count; i++)
		if (strcmp(request->units[i], unit) == 0)
			return 0;
	if (request->count == KF_HOLD_UNITS_MAX)
		return kf_fail(err, KF_USAGE, "more than %d units", KF_HOLD_UNITS_MAX);
	strcpy(request->units[request->count++], unit);
	return 0;
}

static int parse_seconds(const char *text, unsigned *ret, struct kf_error *err)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (strspn(text, "0123456789") != strlen(text) || end == text || value == 0 ||
	    value > SECONDS_MAX)
		return kf_fail(err, KF_USAGE, "\"%.32s\" is no number of seconds (1 to %d)", text,
			       SECONDS_MAX);
	*ret = (unsigned)value;
	return 0;
}

/* Options may stand before and after the verb; the command's own are left alone. */
static int parse(int argc, char *argv[], struct request *request, const char **ret_verb,
		 struct kf_error *err)
{
	static const struct option options[] = {
		{ "unit", required_argument, NULL, 'u' },
		{ "timeout", required_argument, NULL, 't' },
		{ "grace", required_argument, NULL, OPT_GRACE },
		{ "wait", required_argument, NULL, OPT_WAIT },
		{ "units", no_argument, NULL, OPT_UNITS },
		{ "json", no_argument, NULL, OPT_JSON },
		{ "table", no_argument, NULL, OPT_TABLE },
		{ "quiet", no_argument, NULL, 'q' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{},
	};
	const char *verb = NULL;
	int c, r = 0;

	while (r == 0) {
		c = getopt_long(argc, argv, "+u:t:qhV", options, NULL);
		if (c == -1 && (verb || optind == argc))
			break;
		switch (c) {
		case -1:
			verb = argv[optind++];
			break;
		case 'u':
			r = add_unit(request, optarg, err);
			break;
		case 't':
			r = parse_seconds(optarg, &request->timeout_s, err);
			break;
		case OPT_GRACE:
			r = parse_seconds(optarg, &request->grace_s, err);
			break;
		case OPT_WAIT:
			r = kf_value_read(KF_VALUE_DELAY, "wait", optarg, &request->wait_ms, err);
			break;
		case OPT_UNITS:
			exit(list_units(err));
		case OPT_JSON:
		case OPT_TABLE:
			request->table = c == OPT_TABLE;
			break;
		case 'q':
			request->quiet = true;
			break;
		case 'h':
			exit(kf_usage_print(help));
		case 'V':
			exit(kf_usage_print("kf-service " KF_VERSION "\n"));
		default:
			exit(kf_usage_see());
		}
	}
	request->command = (const char *const *)argv + optind;
	*ret_verb = verb;
	return r;
}

int main(int argc, char *argv[])
{
	struct request request = {
		.timeout_s = 30, .grace_s = 30, .wait_ms = -1, .table = isatty(1)
	};
	struct kf_error err = { 0 };
	const char *verb = NULL;
	int r;

	kf_log_init("kf-service", false);
	r = parse(argc, argv, &request, &verb, &err);
	if (r == 0 && request.count == 0)
		r = add_unit(&request, "klipper", &err);
	if (r < 0)
		return kf_usage_error(&err);
	kf_log_init("kf-service", request.quiet);
	for (size_t i = 0; verb && i < KF_ARRAY_SIZE(verbs); i++) {
		if (strcmp(verb, verbs[i].name) != 0)
			continue;
		if (verbs[i].run != hold && request.command[0])
			kf_fail(&err, KF_USAGE, "%s: name a unit with -u", request.command[0]);
		if (err.code != KF_OK)
			return kf_usage_error(&err);
		kf_stop_install();
		return verbs[i].run(&request, &err);
	}
	if (!verb)
		kf_fail(&err, KF_USAGE, "what is to be done: status, stop, start or hold?");
	else
		kf_fail(&err, KF_USAGE, "%s: neither status, stop, start nor hold", verb);
	return kf_usage_error(&err);
}
