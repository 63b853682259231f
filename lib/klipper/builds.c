/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Boards are planned in turn; then makes are started while there are slots, and
 * whatever ends first gives its slot on. Who has the same plan as one before waits for that one.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/clock.h"
#include "klipper/build.h"
#include "klipper/builds.h"
#include "klipper/site.h"

enum stage { WAITING, RUNNING, ENDED };

struct item {
	struct kf_built *built;
	struct kf_site *site;
	struct kf_stamp stamp;
	struct kf_build build;
	struct kf_work *work; /* while make runs */
	struct item *leader;  /* whose firmware this one shares, or NULL */
	enum stage stage;
	pid_t pid;
	int pidfd;
	int64_t deadline_ms;
};

struct run {
	const struct kf_builds_options *options;
	struct item *items;
	size_t count;
	struct kf_site *sites;
	struct kf_jobserver jobserver;
	unsigned running;
};

static void tell(const struct run *run, const struct item *item, enum kf_build_event event,
		 const char *text)
{
	if (run->options->event)
		run->options->event(item->built, event, text, run->options->data);
}

static void free_work(struct kf_work **work)
{
	if (*work)
		kf_work_free(*work);
	free(*work);
	*work = NULL;
}

static void end_item(struct run *run, struct item *item)
{
	free_work(&item->work);
	kf_closep(&item->pidfd);
	item->pidfd = -1;
	item->stage = ENDED;
	tell(run, item, KF_BUILD_ENDS, NULL);
}

/* Is a board before this one to be made from the very same? */
static struct item *find_leader(const struct run *run, const struct item *item)
{
	for (struct item *i = run->items; i < item; i++)
		if (i->stage == WAITING && !i->leader &&
		    strcmp(i->stamp.build, item->stamp.build) == 0)
			return i;
	return NULL;
}

static int plan_work(struct run *run, struct item *item, struct kf_work *work, struct kf_error *err)
{
	char toolchain[KF_HEX_SIZE];
	int r;

	item->site = kf_site_find(&run->sites, item->built->dir);
	if (!item->site)
		return kf_fail_sys(err, ENOMEM, "%s", item->built->dir);
	if (item->site->r < 0) {
		*err = item->site->err;
		return item->site->r;
	}
	item->build = (struct kf_build){
		.key = item->built->key,
		.tree = &item->site->tree,
		.revision = item->site->revision,
		.snapshot = &item->site->snapshot,
		.memory = item->site->memory,
		.config = item->built->config,
		.config_sha256 = item->built->config_sha256,
		.jobserver = &run->jobserver,
		.clean = run->options->clean,
		.timeout_ms = run->options->timeout_ms,
	};
	r = kf_build_open(&item->build, work, err);
	if (r == 0)
		r = kf_site_toolchain(item->site, &work->kconfig, toolchain, err);
	if (r == 0)
		r = kf_site_look(item->site, err);
	if (r < 0)
		return r;
	kf_build_plan(work, toolchain);
	item->stamp = work->stamp;
	return 0;
}

/* What is to be done for this board: nothing, wait for another, or make. */
static void plan(struct run *run, struct item *item)
{
	_cleanup_(free_work) struct kf_work *work = calloc(1, sizeof(*work));
	struct kf_built *built = item->built;
	int r;

	if (work) {
		work->lock = work->log_fd = -1;
		r = plan_work(run, item, work, &built->err);
	} else {
		r = kf_fail_sys(&built->err, ENOMEM, "%s", built->key);
	}
	if (r < 0 || kf_build_reuse(work, &built->firmware) == 1) {
		end_item(run, item);
		return;
	}
	item->leader = find_leader(run, item);
	if (item->leader)
		tell(run, item, KF_BUILD_SHARES, item->leader->built->key);
}

static int open_work(struct item *item, struct kf_error *err)
{
	int r;

	item->work = calloc(1, sizeof(*item->work));
	if (!item->work)
		return kf_fail_sys(err, ENOMEM, "%s", item->built->key);
	r = kf_build_open(&item->build, item->work, err);
	item->work->stamp = item->stamp;
	return r;
}

static int start_make(struct run *run, struct item *item, struct kf_error *err)
{
	const struct kf_builds_options *options = run->options;
	int r = open_work(item, err);

	if (r == 0)
		r = kf_site_enter(item->site,
				  options->wait_ms < options->timeout_ms ? options->wait_ms
									 : options->timeout_ms,
				  err);
	if (r < 0)
		return r;
	tell(run, item, KF_BUILD_STARTS, item->site->tree.dir);
	r = kf_build_start(item->work, &item->pid, err);
	if (r < 0)
		return r;
	item->pidfd = (int)syscall(SYS_pidfd_open, item->pid, 0);
	item->deadline_ms = kf_now_ms() + run->options->timeout_ms;
	item->stage = RUNNING;
	item->site->running++;
	run->running++;
	return 0;
}

static int share(struct item *item, struct kf_error *err)
{
	struct kf_built *from = item->leader->built;
	int r;

	if (!from->firmware) {
		*err = from->err;
		return kf_code_errno(err->code);
	}
	r = open_work(item, err);
	return r < 0 ? r
		     : kf_build_share(item->work, from->key, from->firmware, &item->built->firmware,
				      err);
}

/* What the tree and the configuration gave, another board would get too; the rest was bad luck. */
static bool settled(const struct kf_built *built)
{
	return built->firmware || built->err.code == KF_BUILD_FAILED ||
	       built->err.code == KF_TIMEOUT || built->err.code == KF_INTERRUPTED;
}

/* Those who waited for this one: they share what it got, or the first of them tries itself. */
static void serve(struct run *run, struct item *item)
{
	struct item *next = NULL;

	for (struct item *i = run->items; i < run->items + run->count; i++) {
		if (i->leader != item || i->stage != WAITING)
			continue;
		if (settled(item->built)) {
			if (share(i, &i->built->err) < 0)
				i->built->firmware = NULL;
			end_item(run, i);
			continue;
		}
		i->leader = next;
		next = next ? next : i;
	}
}

/* make has ended, or is to be ended now. */
static void finish(struct run *run, struct item *item, int64_t deadline_ms)
{
	struct kf_built *built = item->built;
	int status = 0;
	int r = kf_process_wait(item->pid, deadline_ms, &status, &built->err);

	run->running--;
	item->site->running--;
	kf_jobserver_give(&run->jobserver);
	if (kf_build_finish(item->work, r, status, &built->firmware, &built->err) < 0)
		built->firmware = NULL;
	end_item(run, item);
	serve(run, item);
}

/*
 * Kalico's makes write src/extras at every start. Without extras they all write nothing; with
 * some, one could read what another is just writing.
 */
static bool must_wait(const struct item *item)
{
	return item->site->running > 0 && kf_extras_any(item->site->tree.dir);
}

static void start_some(struct run *run)
{
	for (struct item *i = run->items; i < run->items + run->count; i++) {
		if (i->stage != WAITING || i->leader || must_wait(i))
			continue;
		if (!kf_jobserver_take(&run->jobserver))
			return;
		if (start_make(run, i, &i->built->err) < 0) {
			kf_jobserver_give(&run->jobserver);
			end_item(run, i);
			serve(run, i);
		}
	}
	kf_jobserver_lend(&run->jobserver);
}

/* Until one ends, or its time does. */
static int wait_some(struct run *run, struct kf_error *err)
{
	_cleanup_(kf_freep) struct pollfd *fds = calloc(run->running, sizeof(*fds));
	int64_t first = KF_FOREVER;
	size_t n = 0;
	int r;

	if (!fds)
		return kf_fail_sys(err, ENOMEM, "%u builds", run->running);
	for (struct item *i = run->items; i < run->items + run->count; i++) {
		if (i->stage != RUNNING)
			continue;
		fds[n++] = (struct pollfd){ .fd = i->pidfd, .events = POLLIN };
		if (i->deadline_ms < first)
			first = i->deadline_ms;
	}
	r = kf_wait(fds, n, first);
	if (r < 0)
		return kf_fail_sys(err, -r, "make");
	n = 0;
	for (struct item *i = run->items; i < run->items + run->count; i++)
		if (i->stage == RUNNING && (fds[n++].revents || i->deadline_ms <= kf_now_ms()))
			finish(run, i, i->deadline_ms);
	return 0;
}

static int run_all(struct run *run, struct kf_error *err)
{
	int r = 0;

	for (size_t i = 0; i < run->count && !kf_stop_signal(); i++)
		plan(run, &run->items[i]);
	if (kf_stop_signal())
		return kf_fail_sys(err, EINTR, "make");
	start_some(run);
	while (r == 0 && run->running) {
		r = wait_some(run, err);
		if (r == 0)
			start_some(run);
	}
	/* A stop signal: first tell all, then see them end. */
	for (size_t i = 0; i < run->count; i++)
		if (run->items[i].stage == RUNNING)
			kf_group_signal(run->items[i].pid, SIGTERM);
	for (size_t i = 0; i < run->count; i++)
		if (run->items[i].stage == RUNNING)
			finish(run, &run->items[i], 0);
	return r;
}

static void free_run(struct run *run)
{
	kf_sites_free(run->sites);
	free(run->items);
	kf_jobserver_close(&run->jobserver);
}

int kf_builds_run(struct kf_built *list, size_t count, const struct kf_builds_options *options,
		  struct kf_error *err)
{
	_cleanup_(free_run) struct run run = { .options = options,
					       .items = calloc(count + 1, sizeof(*run.items)),
					       .count = count,
					       .jobserver.fds = { -1, -1, -1 } };
	int r;

	if (!run.items)
		return kf_fail_sys(err, ENOMEM, "%zu builds", count);
	for (size_t i = 0; i < count; i++)
		run.items[i] = (struct item){ .built = &list[i], .pidfd = -1 };
	r = kf_jobserver_open(options->jobs, &run.jobserver, err);
	return r < 0 ? r : run_all(&run, err);
}
