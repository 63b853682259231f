/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The scan counts as the first stage of the pipe when the exit status is found. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/batch.h"
#include "core/clock.h"
#include "core/flow.h"
#include "core/pipeline.h"
#include "core/selection.h"
#include "core/terminal.h"

struct run {
	const struct kf_flow *flow;
	struct kf_stage stages[KF_STAGES_MAX];
	size_t count;
};

/* The exit status for a failure of ours. A stop signal needs no words. */
static int failed(struct kf_error *err)
{
	if (!kf_stop_signal())
		return kf_code_status(err->code);
	memset(err, 0, sizeof(*err));
	return 128 + kf_stop_signal();
}

static int conclude(const struct kf_stage *stages, size_t count, struct kf_error *ret)
{
	const struct kf_stage *cause;
	int status = kf_pipeline_status(stages, count, kf_stop_signal(), &cause);

	if (cause && !kf_stop_signal())
		kf_pipeline_explain(stages, count, cause, ret);
	return status;
}

/* One kf-scan, for key or (NULL) for all; its status joins that of the scans before it. */
static int scan_one(struct run *run, const char *key, int out, struct kf_error *ret)
{
	const char *argv[6] = { run->flow->stages[0][0], "--quiet" };
	struct kf_stage scan = { .argv = argv };
	size_t n = 2;
	int status;

	if (key) {
		argv[n++] = "--device";
		argv[n++] = key;
	}
	if (kf_pipeline_run(&scan, 1, -1, out, ret) < 0)
		return failed(ret);
	status = conclude(&scan, 1, ret);
	scan.argv = run->stages[0].argv;
	if (run->stages[0].status == 0)
		run->stages[0] = scan;
	return status;
}

static bool repeated(const char *const *keys, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (strcmp(keys[i], keys[j]) == 0)
			return true;
	return false;
}

/*
 * Scan and read what was found. Returns 0 or the exit status: one board that is missing does
 * not stop the others, but a key that is not registered, or any other failure, stops all.
 */
static int discover(struct run *run, json_t **ret, struct kf_error *err)
{
	const char *const *keys = run->flow->keys;
	_cleanup_(kf_closep) int out = -1;
	int status;
	size_t i = 0;

	if (kf_batch_file(&out, err) < 0)
		return failed(err);
	do {
		if (keys[0] && repeated(keys, i))
			continue;
		status = scan_one(run, keys[i], out, err);
		if (status > 1 && status != kf_code_status(KF_NOT_CONNECTED))
			return status;
	} while (keys[i] && keys[++i]);
	if (kf_batch_read(out, ret, err) < 0) {
		kf_error_prefix(err, "kf-scan's output");
		return failed(err);
	}
	return json_array_size(*ret) == 0 ? run->stages[0].status : 0;
}

/* Returns 0 with the boards, or with NULL if the user wants none; else the exit status. */
static int choose(const struct kf_flow *flow, json_t *found, int tty, json_t **ret,
		  struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *boards = NULL;
	_cleanup_(kf_freep) char *summary = NULL;

	if (flow->keys[0] || !flow->verb)
		boards = json_incref(found);
	else if (kf_selection_make(found, flow->all, &boards, err) < 0)
		return failed(err);
	summary = kf_selection_summary(boards);
	if (summary)
		flow->found(summary);
	if (tty >= 0)
		return kf_selection_ask(boards, tty, flow->verb, ret, err) < 0 ? failed(err) : 0;
	*ret = boards;
	boards = NULL; /* the caller's now */
	return 0;
}

/*
 * Let the check go over the boards. It fails some in their records, which then pass all stages
 * untouched. Returns 0 or the exit status.
 */
static int check(const struct kf_flow *flow, json_t **boards, struct kf_error *err)
{
	_cleanup_(kf_closep) int in = -1, out = -1;
	struct kf_stage stage = { .argv = flow->check };
	json_t *checked;

	if (!flow->check)
		return 0;
	if (kf_batch_write(*boards, &in, err) < 0 || kf_batch_file(&out, err) < 0 ||
	    kf_pipeline_run(&stage, 1, in, out, err) < 0)
		return failed(err);
	if (kf_stop_signal() || (stage.status > 1 && stage.status != kf_code_status(KF_BUSY)))
		return conclude(&stage, 1, err);
	if (kf_batch_read(out, &checked, err) < 0) {
		kf_error_prefix(err, "%s's output", stage.argv[0]);
		return failed(err);
	}
	json_decref(*boards);
	*boards = checked;
	return 0;
}

static int open_terminal(const struct kf_flow *flow, int *ret, struct kf_error *err)
{
	int r = kf_terminal_open(ret, err);

	if (r < 0)
		kf_error_hint(err, "name the board: kf %s KEY, or kf %s --all", flow->command,
			      flow->command);
	return r;
}

int kf_flow_run(const struct kf_flow *flow, struct kf_error *ret)
{
	struct run run = { .flow = flow };
	_cleanup_(kf_json_decrefp) json_t *found = NULL;
	_cleanup_(kf_json_decrefp) json_t *boards = NULL;
	_cleanup_(kf_closep) int tty = -1, fd = -1;
	int status;

	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; flow->stages[i] && run.count < KF_STAGES_MAX; i++)
		run.stages[run.count++].argv = flow->stages[i];
	if (flow->verb && !flow->all && !flow->keys[0] && open_terminal(flow, &tty, ret) < 0)
		return failed(ret);
	kf_stop_install();
	status = discover(&run, &found, ret);
	if (status == 0)
		status = choose(flow, found, tty, &boards, ret);
	if (status == 0 && boards)
		status = check(flow, &boards, ret);
	if (status != 0 || !boards)
		return status;
	if (kf_batch_write(boards, &fd, ret) < 0 ||
	    kf_pipeline_run(run.stages + 1, run.count - 1, fd, STDOUT_FILENO, ret) < 0)
		return failed(ret);
	return conclude(run.stages, run.count, ret);
}
