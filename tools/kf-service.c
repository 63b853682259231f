/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Show systemd services; hold them stopped while a command runs. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "board/record.h"
#include "core/clock.h"
#include "core/text.h"
#include "klippy/print-state.h"
#include "systemd/bus.h"
#include "systemd/hold.h"
#include "systemd/leases.h"
#include "terminal/log.h"
#include "terminal/options.h"
#include "terminal/usage.h"

enum {
	UNITS_MS = 1000,
	QUERY_MS = 10000,
	READY_MS = 10000,
	TIMEOUT_MS = 30000,
	WAIT_MS = 60000,
};

struct args {
	struct kf_hold_request hold;
	int64_t grace_ms;
	bool list; /* only the names of units */
	struct kf_common common;
	const char *const *command; /* NULL-terminated */
};

static const char help[] =
	"usage: kf-service status [-u UNIT]... [--json | --table]\n"
	"       kf-service hold   [-u UNIT]... [--] COMMAND [ARG...]\n"
	"\n"
	"hold stops those of the services that run, runs COMMAND, and starts exactly\n"
	"these again, however COMMAND ends. It stops no print. status shows the services.\n"
	"\n"
	"  -u, --unit=UNIT     a service (default: klipper.service); may be repeated\n"
	"  -t, --timeout=S     seconds that a unit has to stop or start (default: 30)\n"
	"      --grace=S       hold: seconds that COMMAND has to end after a signal,\n"
	"                      before it is killed (default: 30)\n"
	"      --wait=S        hold: seconds to wait while another hold ends (default: 60)\n"
	"      --while-unknown hold: stop a Klippy also if nobody can say whether it prints\n"
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

enum { WIDE = 80, INDENT = 2 };

/* UNIT STATE ENABLED PID STOPS-ALONG; on a narrow terminal, a unit's cells stand below it. */
static void print_cells(const char *const cells[5])
{
	const struct kf_screen screen = kf_screen_of(stdout);
	bool narrow = screen.columns > 0 && screen.columns < WIDE;
	char text[1024];

	if (narrow) {
		printf("%s\n%*s", cells[0], INDENT, "");
		kf_text_format(text, sizeof(text), "%s, %s, %s: %s", cells[1], cells[2], cells[3],
			       cells[4]);
		kf_screen_wrap(&screen, text, INDENT, INDENT);
	} else {
		kf_screen_wrap(
			&screen, cells[4],
			printf("%-28s %-22s %-10s %7s  ", cells[0], cells[1], cells[2], cells[3]),
			INDENT);
	}
	putchar('\n');
}

static void print_row(const char *unit, const struct kf_unit_state *state,
		      const json_t *lease_status)
{
	const json_t *along = json_object_get(lease_status, "along"), *item;
	const struct kf_screen screen = kf_screen_of(stdout);
	char pid[16] = "-", with[512] = "", who[512], held[600];
	size_t i;

	if (state->pid)
		kf_text_format(pid, sizeof(pid), "%u", state->pid);
	json_array_foreach(along, i, item) {
		if (!kf_text_add(with, sizeof(with), ", ", json_string_value(item)))
			break; /* the row is long enough */
	}
	print_cells((const char *[]){
		unit, strcmp(state->load, "loaded") == 0 ? state->active : state->load,
		state->unit_file[0] ? state->unit_file : "-", pid,
		!json_is_array(along) ? kf_json_text(lease_status, "message")
		: with[0]	      ? with
				      : "alone" });
	json_array_foreach(json_object_get(lease_status, "leases"), i, item) {
		kf_leases_name(item, who, sizeof(who));
		kf_text_format(held, sizeof(held), "held since %s by %s",
			       kf_json_text(item, "since"), who);
		fputs("  ", stdout);
		kf_screen_wrap(&screen, held, INDENT, INDENT);
		putchar('\n');
	}
}

static int print_unit(const struct args *request, const char *unit,
		      const struct kf_unit_state *state, json_t *lease_status, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *line = NULL;
	bool can = json_is_array(json_object_get(lease_status, "along"));

	if (request->common.table) {
		print_row(unit, state, lease_status);
		return 0;
	}
	line = json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:O?, s:o, s:O?}", "unit", unit, "load",
			 state->load, "active", state->active, "sub", state->sub, "enabled",
			 text_or_null(state->unit_file), "pid",
			 state->pid ? json_integer(state->pid) : json_null(), "along",
			 json_object_get(lease_status, "along"), "refused",
			 can ? json_null() : text_or_null(kf_json_text(lease_status, "message")),
			 "leases", json_object_get(lease_status, "leases"));
	return line ? kf_record_write(stdout, line, err) : kf_fail_sys(err, ENOMEM, "%s", unit);
}

/* The lease server's answer for each unit; if it cannot be asked, the reason for all of them. */
static json_t *ask_server(const struct args *request)
{
	struct kf_error err;
	json_t *units;

	if (kf_lease_status(request->hold.units, request->hold.count, &units, &err) == 0)
		return units;
	units = json_array();
	for (size_t i = 0; i < request->hold.count; i++)
		json_array_append_new(units, kf_lease_error(&err));
	return units;
}

static int status(const struct args *request, struct kf_error *err)
{
	const struct kf_deadline deadline = { .ms = kf_now_ms() + QUERY_MS };
	_cleanup_(kf_bus_close) struct kf_bus *bus = NULL;
	_cleanup_(kf_json_decrefp) json_t *units = NULL;
	struct kf_unit_state state;
	int r;

	r = kf_bus_open(&deadline, &bus, err);
	if (r == 0)
		units = ask_server(request);
	if (r == 0 && request->common.table)
		print_cells((const char *[]){ "UNIT", "STATE", "ENABLED", "PID", "STOPS ALONG" });
	for (size_t i = 0; r == 0 && i < request->hold.count; i++) {
		r = kf_bus_state(bus, request->hold.units[i], &deadline, &state, err);
		if (r == 0)
			r = print_unit(request, request->hold.units[i], &state,
				       json_array_get(units, i), err);
	}
	if (r == 0)
		r = kf_usage_flush(err);
	kf_usage_unread(r);
	return r < 0 ? complain(err) : 0;
}

static void print_name(void *out, const char *unit)
{
	fprintf(out, "%s\n", unit);
}

/* For completion, where each keystroke waits for it. */
static int list_units(struct kf_error *err)
{
	const struct kf_deadline deadline = { .ms = kf_now_ms() + UNITS_MS };
	_cleanup_(kf_bus_close) struct kf_bus *bus = NULL;
	int r = kf_bus_open(&deadline, &bus, err);

	if (r == 0)
		r = kf_bus_printers(bus, &deadline, print_name, stdout, err);
	if (r == 0)
		r = kf_usage_flush(err);
	return r < 0 ? complain(err) : 0;
}

/* The time for which the units were down. */
static struct {
	int64_t since_ms; /* 0: none was stopped */
	bool over;
} down;

static void tell_unit(const char *unit, const char *news)
{
	char since[24];

	kf_log_phase("Service", unit, "%s", news);
	if (strncmp(news, "started", strlen("started")) == 0)
		down.over = true;
	if (strcmp(news, "stopped") != 0 || down.since_ms)
		return;
	/* For COMMAND, which shows it while it works. */
	down.since_ms = kf_now_ms();
	kf_text_format(since, sizeof(since), "%lld", (long long)down.since_ms);
	setenv("KF_DOWN_SINCE", since, 1);
}

/* Tell how long the printer was down: until its Klippy was ready, later than its unit. */
static void tell_down(void)
{
	if (down.since_ms && down.over)
		kf_log_phase("Service", NULL, "the printer was down for %d s",
			     (int)((kf_now_ms() - down.since_ms + 500) / 1000));
}

/* A command that a signal has killed cannot write its own message. SIGPIPE is the end of a pipe. */
static void tell_killed(const struct kf_command *command, const struct kf_command_end *end)
{
	struct kf_error err;
	int sig = WIFSIGNALED(end->status) ? WTERMSIG(end->status) : 0;

	if (!sig || sig == SIGPIPE || end->signal)
		return;
	kf_fail(&err, KF_INTERNAL, "%s was killed by signal %d (%s)", basename(command->argv[0]),
		sig, strsignal(sig));
	kf_error_hint(&err, "run the same command again%s",
		      sig == SIGKILL ? "; journalctl -k tells whether memory ran out" : "");
	kf_log_error(NULL, &err);
}

static void tell_left(const char *program, pid_t pid)
{
	char comm[64], name[64];

	kf_process_read(pid, "comm", comm, sizeof(comm));
	kf_text_clean(name, sizeof(name), comm, strcspn(comm, "\n"));
	kf_log_phase("Service", NULL, "%s was killed: waiting for %s (process %d), which it left",
		     basename(program), name, (int)pid);
}

static void tell_signal(int sig, bool killed)
{
	if (killed)
		kf_log_warn(NULL, "the command did not end after SIG%s: killed", sigabbrev_np(sig));
	else
		kf_log_phase("Service", NULL, "SIG%s: waiting for the command to end",
			     sigabbrev_np(sig));
}

/* A unit may be active and its Klippy not ready: wait for what Klippy itself says. */
static void tell_ready(const struct args *request)
{
	const struct kf_deadline deadline = { .ms = kf_now_ms() + QUERY_MS };
	_cleanup_(kf_bus_close) struct kf_bus *bus = NULL;
	struct kf_unit_state state;
	struct kf_klippy klippy;
	char text[KF_NAME_SIZE];

	if (request->common.quiet || kf_bus_open(&deadline, &bus, NULL) < 0)
		return;
	for (size_t i = 0; i < request->hold.count; i++)
		if (kf_bus_state(bus, request->hold.units[i], &deadline, &state, NULL) == 0 &&
		    state.pid && kf_klippy_find((pid_t)state.pid, &klippy) &&
		    kf_klippy_ready(&klippy, kf_now_ms() + READY_MS, text))
			kf_log_phase("Service", request->hold.units[i], "Klippy is %s", text);
}

static int hold(const struct args *request, struct kf_error *err)
{
	const struct kf_command command = { .argv = request->command,
					    .grace_ms = request->grace_ms,
					    .told = tell_signal,
					    .left = tell_left };
	struct kf_command_end end = { 0 };
	struct kf_lease *lease;
	bool held;
	int r;

	if (!command.argv[0]) {
		kf_fail(err, KF_USAGE, "hold needs a command to run");
		return kf_usage_error(err);
	}
	if (!kf_process_exists(command.argv[0])) {
		kf_fail(err, KF_USAGE, "%s: no such program", command.argv[0]);
		return kf_usage_error(err);
	}
	r = kf_lease_take(&request->hold, &lease, err);
	held = r == 0;
	if (held)
		r = kf_lease_run(lease, &command, &end, err);
	tell_killed(&command, &end);
	if (r < 0)
		r = complain(err);
	else
		r = end.signal ? 128 + end.signal : kf_process_status(end.status);
	/* A unit that is lost is the last thing said: nothing matters more. */
	if (kf_lease_end(&lease, err) < 0)
		r = complain(err);
	else if (held && !kf_stop_signal())
		tell_ready(request);
	if (held)
		tell_down();
	return r;
}

static const struct {
	const char *name;
	int (*run)(const struct args *request, struct kf_error *err);
} verbs[] = { { "status", status }, { "hold", hold } };

static int add_unit(struct args *request, const char *name, struct kf_error *err)
{
	return kf_unit_add(request->hold.units, &request->hold.count, name, err);
}

static int read_unit(void *args, const char *text, struct kf_error *err)
{
	return add_unit(args, text, err);
}

static const struct kf_option list[] = {
	KF_OPTION_READ("unit", 'u', required_argument, read_unit),
	KF_OPTION_VALUE("timeout", 't', KF_VALUE_TIMEOUT, hold.timeout_ms),
	KF_OPTION_VALUE("grace", 0, KF_VALUE_TIMEOUT, grace_ms),
	KF_OPTION_VALUE("wait", 0, KF_VALUE_DELAY, hold.wait_ms),
	KF_OPTION_FLAG("while-unknown", 0, hold.while_unknown),
	KF_OPTION_FLAG("units", 0, list),
};

static const struct kf_options options = { .tool = "kf-service",
					   .help = help,
					   .list = list,
					   .count = KF_ARRAY_SIZE(list),
					   .stops = true };

/*
 * Options may stand before and after the verb; the command's own are left alone. Returns -1 to go
 * on, or the status to leave with.
 */
static int parse(int argc, char *argv[], struct args *request, const char **ret_verb,
		 struct kf_error *err)
{
	int status = kf_options_read(&options, argc, argv, request, &request->common);

	if (status < 0 && !request->list && optind < argc) {
		*ret_verb = argv[optind++];
		status = kf_options_read(&options, argc, argv, request, &request->common);
	}
	if (status < 0 && request->list)
		return list_units(err);
	request->command = (const char *const *)argv + optind;
	return status;
}

int main(int argc, char *argv[])
{
	struct args request = {
		.hold = { .timeout_ms = TIMEOUT_MS, .wait_ms = WAIT_MS, .told = tell_unit },
		.grace_ms = TIMEOUT_MS,
	};
	struct kf_error err = { 0 };
	const char *verb = NULL;
	int status = parse(argc, argv, &request, &verb, &err);

	if (status >= 0)
		return status;
	if (request.hold.count == 0 && add_unit(&request, "klipper", &err) < 0)
		return kf_usage_error(&err);
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
		kf_fail(&err, KF_USAGE, "give a command: status or hold");
	else
		kf_fail(&err, KF_USAGE, "%s: the commands are status and hold", verb);
	return kf_usage_error(&err);
}
