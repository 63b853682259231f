/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The stages run one after the other, not in a pipe: each reads all records before it works, so a
 * pipe would start none of them sooner, and nobody would know which stage lost a record.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "board/record.h"
#include "core/clock.h"
#include "core/process.h"
#include "core/text.h"
#include "registry/choosing.h"
#include "registry/pipeline.h"
#include "registry/update-plan.h"
#include "registry/update.h"
#include "terminal/terminal.h"

/* The exit status for a failure of ours; after a stop signal, without a message. */
static int failed(struct kf_error *err)
{
	if (!kf_stopped())
		return kf_code_status(err->code);
	memset(err, 0, sizeof(*err));
	return 128 + kf_stop_signal();
}

#define MEMORY_HINT "journalctl -k tells whether memory ran out"

/* A stage that a signal has killed cannot write its own message. */
static void report_killed(const char *program, int sig, struct kf_error *ret)
{
	kf_fail(ret, KF_INTERNAL, "%s was killed by signal %d (%s)", basename(program), sig,
		strsignal(sig));
	if (sig == SIGKILL)
		kf_error_hint(ret, MEMORY_HINT);
	if (strcmp(basename(program), "kf-flash") == 0)
		kf_error_hint(ret,
			      "run the same command again; kf list says which board is "
			      "incomplete%s",
			      sig == SIGKILL ? "; " MEMORY_HINT : "");
}

/* Run a stage to its end. Returns its exit status, as a shell shows it. */
static int run_stage(const char *const *argv, int in, int out, bool *ret_stopped,
		     struct kf_error *err)
{
	const struct kf_process process = {
		.argv = argv,
		.in = in,
		.out = out,
		.err = STDERR_FILENO,
		.foreground = true,
	};
	pid_t pid;
	int status = 0;

	*ret_stopped = true;
	if (kf_process_start(&process, &pid, err) < 0)
		return failed(err);
	kf_process_wait_out(pid, &status);
	*ret_stopped = WIFSIGNALED(status) || kf_stopped();
	if (WIFSIGNALED(status) && !kf_stopped())
		report_killed(argv[0], WTERMSIG(status), err);
	status = kf_process_status(status);
	return kf_stopped() && status != kf_code_status(KF_SERVICE_LOST) ? 128 + kf_stop_signal()
									 : status;
}

/*
 * Scan for key or (NULL) for all; the records are appended to the file out. Returns the exit
 * status; *ret_whole: the scan as a whole failed, not a board.
 */
static int scan(const struct kf_pipeline *pipeline, const char *key, int out, bool *ret_whole,
		struct kf_error *err)
{
	const char *argv[8] = { pipeline->stages[0][0], "--quiet" };
	const int absent = kf_code_status(KF_NOT_CONNECTED);
	off_t before = lseek(out, 0, SEEK_END);
	bool stopped, wrote;
	size_t n = 2;
	int status;

	if (pipeline->absent || pipeline->all)
		argv[n++] = "--all";
	if (key) {
		argv[n++] = "--device";
		argv[n++] = key;
	}
	status = run_stage(argv, -1, out, &stopped, err);
	wrote = lseek(out, 0, SEEK_END) > before;
	*ret_whole = stopped || (!wrote && status != 0 && status != absent);
	/* The records that kf-scan wrote have the errors of the boards that failed. */
	return wrote && !stopped ? 0 : status;
}

static bool repeated(const char *const *keys, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (strcmp(keys[i], keys[j]) == 0)
			return true;
	return false;
}

/* Find the record of this key; NULL: none. cut: a record whose key begins with it fits, too. */
static const char *find_key(const json_t *records, const char *key, bool cut)
{
	const char *found;
	const json_t *record;
	size_t i;

	json_array_foreach(records, i, record) {
		found = json_string_value(json_object_get(json_object_get(record, "board"), "key"));
		if (found && (cut ? strncmp(found, key, strlen(key)) : strcmp(found, key)) == 0)
			return found;
	}
	return NULL;
}

/* Say which boards the keys mean that were not typed to their end. */
static void tell_cut_keys(const struct kf_pipeline *pipeline, const json_t *records)
{
	char line[2 * KF_NAME_SIZE];

	for (const char *const *key = pipeline->keys; *key; key++) {
		const char *whole = find_key(records, *key, true);

		if (!whole || find_key(records, *key, false))
			continue;
		kf_text_format(line, sizeof(line), "\"%s\" is %s", *key, whole);
		pipeline->found(line);
	}
}

/* The same board in the same place, or not connected. */
static bool is_same(const json_t *a, const json_t *b)
{
	static const char *const members[] = { "key", "usb", "tty" };
	const json_t *x = json_object_get(a, "board"), *y = json_object_get(b, "board");
	bool same = json_is_string(json_object_get(x, "key"));

	for (size_t i = 0; i < KF_ARRAY_SIZE(members); i++)
		same = same &&
		       json_equal(json_object_get(x, members[i]), json_object_get(y, members[i]));
	return same;
}

/* Two keys that were not typed to their end may mean one board. */
static void drop_repeated(json_t *records)
{
	for (size_t i = json_array_size(records); i-- > 0;) {
		for (size_t j = 0; j < i; j++)
			if (is_same(json_array_get(records, i), json_array_get(records, j))) {
				json_array_remove(records, i);
				break;
			}
	}
}

/* kf-status asks all boards at once, also those that no running Klippy tells of. */
static int find_status(const struct kf_pipeline *pipeline, json_t **ret, struct kf_error *err)
{
	const char *fixed[] = { pipeline->stages[0][0], "--quiet", "--ask", "--json" };
	_cleanup_(kf_closep) int out = -1;
	size_t n = KF_ARRAY_SIZE(fixed), count = 0;
	const char **argv;
	bool stopped;
	int status;

	while (pipeline->keys[count])
		count++;
	argv = calloc(n + count + 1, sizeof(*argv));
	if (!argv || kf_records_file(&out, err) < 0) {
		free(argv);
		return failed(err);
	}
	memcpy(argv, fixed, sizeof(fixed));
	memcpy(argv + n, pipeline->keys, count * sizeof(*argv));
	status = run_stage(argv, -1, out, &stopped, err);
	free(argv);
	if (status != 0)
		return status;
	if (kf_records_load(out, ret, err) < 0) {
		kf_error_prefix(err, "kf-status's output");
		return failed(err);
	}
	tell_cut_keys(pipeline, *ret);
	return 0;
}

/*
 * Scan, and read the records. Returns 0 or the exit status. A board that is not connected does not
 * stop the others: *ret_missing is then the status in the end. A key that is not registered, or any
 * other failure, stops all.
 */
static int discover(const struct kf_pipeline *pipeline, json_t **ret, int *ret_missing,
		    struct kf_error *err)
{
	const char *const *keys = pipeline->keys;
	_cleanup_(kf_closep) int out = -1;
	bool whole;
	int status;
	size_t i = 0;

	if (kf_records_file(&out, err) < 0)
		return failed(err);
	do {
		if (keys[0] && repeated(keys, i))
			continue;
		status = scan(pipeline, keys[i], out, &whole, err);
		if (whole)
			return status;
		*ret_missing = status ? status : *ret_missing;
	} while (keys[i] && keys[++i]);
	if (kf_records_load(out, ret, err) < 0) {
		kf_error_prefix(err, "kf-scan's output");
		return failed(err);
	}
	drop_repeated(*ret);
	tell_cut_keys(pipeline, *ret);
	return json_array_size(*ret) == 0 ? *ret_missing : 0;
}

/*
 * Returns 0 with the boards, or with NULL if the user wants none; else the exit status, and boards
 * that cannot be worked on, each to be reported.
 */
static int choose(const struct kf_pipeline *pipeline, json_t *found, int tty, json_t **ret,
		  struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *boards = NULL;
	_cleanup_(kf_freep) char *summary = NULL;

	if (pipeline->keys[0] || !pipeline->verb) {
		boards = json_incref(found);
	} else if (kf_choosing_list(found, pipeline->all, pipeline->absent, &boards, err) < 0) {
		*ret = TAKE_PTR(boards);
		return failed(err);
	}
	summary = kf_choosing_summary(boards);
	if (summary)
		pipeline->found(summary);
	if (tty >= 0)
		return kf_choosing_ask(boards, tty, pipeline->verb, ret, err) < 0 ? failed(err) : 0;
	*ret = TAKE_PTR(boards);
	return 0;
}

/*
 * Has the stage written a record for each board? Then 0: the records of boards that failed have
 * their errors, and its status says no more. Else it failed as a whole: the exit status.
 */
static int check_records(const char *program, int status, int out, size_t count,
			 struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *records = NULL;

	if (kf_records_load(out, &records, err) < 0) {
		kf_error_prefix(err, "%s's output", basename(program));
		return status > 1 ? status : failed(err);
	}
	if (json_array_size(records) == count)
		return 0;
	if (status > 1)
		return status;
	kf_fail(err, KF_INTERNAL, "%s has written %zu of %zu records", basename(program),
		json_array_size(records), count);
	return failed(err);
}

/*
 * Run the check, the first stage behind the scan. *ret are the records that it wrote, also if
 * boards failed. Returns its exit status.
 */
static int run_check(const struct kf_pipeline *pipeline, const json_t *boards, json_t **ret,
		     struct kf_error *err)
{
	_cleanup_(kf_closep) int in = -1, out = -1;
	bool stopped;
	int status, r;

	if (kf_records_save(boards, &in, err) < 0 || kf_records_file(&out, err) < 0)
		return failed(err);
	status = run_stage(pipeline->stages[1], in, out, &stopped, err);
	r = stopped ? status
		    : check_records(pipeline->stages[1][0], status, out, json_array_size(boards),
				    err);
	if (r != 0)
		return r;
	return kf_records_load(out, ret, err) < 0 ? failed(err) : status;
}

/* Run the stages from number i on: each reads the records that the one before it wrote. */
static int run_stages(const struct kf_pipeline *pipeline, size_t i, const json_t *boards,
		      struct kf_error *err)
{
	_cleanup_(kf_closep) int in = -1, out = -1;
	bool stopped;
	int status;

	if (kf_records_save(boards, &in, err) < 0)
		return failed(err);
	for (; pipeline->stages[i + 1]; i++) {
		if (kf_records_file(&out, err) < 0)
			return failed(err);
		status = run_stage(pipeline->stages[i], in, out, &stopped, err);
		if (!stopped)
			status = check_records(pipeline->stages[i][0], status, out,
					       json_array_size(boards), err);
		if (status != 0)
			return status;
		close(in);
		in = TAKE_FD(out);
		if (lseek(in, 0, SEEK_SET) < 0) {
			kf_fail_sys(err, errno, "records in memory");
			return failed(err);
		}
	}
	return run_stage(pipeline->stages[i], in, STDOUT_FILENO, &stopped, err);
}

/* No board can be worked on: let the last stage report each. Returns the caller's status. */
static int report_each(const struct kf_pipeline *pipeline, const json_t *boards, int status)
{
	struct kf_error ignored;
	size_t last = 1;
	int r;

	while (pipeline->stages[last + 1])
		last++;
	r = json_array_size(boards) ? run_stages(pipeline, last, boards, &ignored) : 0;
	return kf_stopped() ? r : status;
}

/* There is no terminal: the hint has --yes, and the keys that the user named. */
static void hint_yes(const struct kf_pipeline *pipeline, const json_t *boards, struct kf_error *err)
{
	struct kf_board board;
	const json_t *record;
	char keys[256] = "";
	size_t i;

	json_array_foreach(boards, i, record) {
		if (!pipeline->keys[0] || kf_record_board(record, &board, NULL) < 0 ||
		    !kf_text_add(keys, sizeof(keys), " ", board.key))
			break;
	}
	kf_error_hint(err,
		      "to go on without a question: kf update%s%s --yes; kf status says what is "
		      "behind",
		      keys[0] ? " " : "", keys);
}

/* Ask whether to go on with the plan. 1: yes; 0: no, or the user leaves: nothing is done. */
static int confirm(int tty, const char *plan, struct kf_error *err)
{
	int r = kf_terminal_confirm(tty, true, err, "%s Go on?", plan);

	if (r != -ECANCELED)
		return r;
	*err = (struct kf_error){ 0 };
	return 0;
}

static bool all_failed(const json_t *boards)
{
	const json_t *record;
	size_t i;

	json_array_foreach(boards, i, record) {
		if (!kf_record_failed(record))
			return false;
	}
	return true;
}

/* Show what will happen and, unless --yes was given, ask at tty. The same results as confirm. */
static int show_plan(const struct kf_pipeline *pipeline, int tty, const json_t *boards,
		     const json_t *found, struct kf_error *err)
{
	_cleanup_(kf_freep) char *plan = kf_update_plan(boards, found);

	if (!plan)
		return kf_fail_sys(err, ENOMEM, "boards");
	if (!pipeline->yes)
		return confirm(tty, plan, err);
	for (char *rest, *line = strtok_r(plan, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest))
		pipeline->told(line + strspn(line, " "));
	return 1;
}

/*
 * The same results as choose(); boards stays NULL if there is nothing to do. The check (the first
 * stage after the scan) runs before the question, so that the question has no board that cannot be
 * flashed now.
 */
static int choose_update(const struct kf_pipeline *pipeline, const json_t *found, json_t **ret,
			 struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *boards = NULL;
	_cleanup_(kf_json_decrefp) json_t *checked = NULL;
	_cleanup_(kf_closep) int tty = -1;
	int status, r;

	r = kf_update_choose(found, pipeline->keys[0], pipeline->told, &boards, err);
	if (r == 0 && !boards)
		return 0;
	if (r == 0 && !pipeline->yes) {
		r = kf_terminal_open(&tty, err);
		if (r < 0)
			hint_yes(pipeline, boards, err);
	}
	if (r < 0)
		return failed(err);
	status = run_check(pipeline, boards, &checked, err);
	if (checked && all_failed(checked)) {
		*ret = TAKE_PTR(checked);
		return status ? status : kf_code_status(KF_INTERNAL);
	}
	if (!checked)
		return status;
	r = show_plan(pipeline, tty, checked, found, err);
	if (r < 0)
		return failed(err);
	if (r > 0)
		*ret = TAKE_PTR(checked);
	return 0;
}

static int open_terminal(const struct kf_pipeline *pipeline, int *ret, struct kf_error *err)
{
	int r = kf_terminal_open(ret, err);

	if (r < 0 && pipeline->empty)
		kf_error_hint(err,
			      "kf update --yes needs no registration; kf add registers a board");
	else if (r < 0)
		kf_error_hint(err, "name the board (kf list shows their keys), or: kf %s --all",
			      pipeline->command);
	return r;
}

int kf_pipeline_run(const struct kf_pipeline *pipeline, struct kf_error *ret)
{
	_cleanup_(kf_json_decrefp) json_t *found = NULL;
	_cleanup_(kf_json_decrefp) json_t *boards = NULL;
	_cleanup_(kf_closep) int tty = -1;
	int status, missing = 0;

	memset(ret, 0, sizeof(*ret));
	if (pipeline->verb && !pipeline->update && !pipeline->all && !pipeline->keys[0] &&
	    open_terminal(pipeline, &tty, ret) < 0)
		return failed(ret);
	kf_stop_install();
	setenv("KF_TOLD", "1", 1); /* terminal/log.h */
	status = pipeline->update ? find_status(pipeline, &found, ret)
				  : discover(pipeline, &found, &missing, ret);
	if (status == 0 && pipeline->update)
		status = choose_update(pipeline, found, &boards, ret);
	else if (status == 0)
		status = choose(pipeline, found, tty, &boards, ret);
	if (boards)
		status = status ? report_each(pipeline, boards, status)
				: run_stages(pipeline, pipeline->update ? 2 : 1, boards, ret);
	return status ? status : missing;
}
