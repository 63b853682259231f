/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * All boards are planned, one after the other; then makes are started while there are slots, and
 * the first that ends gives its slot to the next. A board waits for one before it that has the same
 * build key.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "build/build.h"
#include "build/builds.h"
#include "build/extras.h"
#include "build/source.h"
#include "build/toolchain.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/text.h"

enum {
	TOOLCHAIN_MS = 20000,
	SLOTS_MAX = 4096, /* fits into a pipe whatever the system's limits are */
};

static const char compiling[] = "Compiling "; /* Klipper's and Kalico's Makefile */

/* The compiler that a tree has for the boards of one BOARD_DIRECTORY. */
struct compiler {
	char board[64], id[KF_HEX_SIZE];
	struct compiler *next;
};

/* A tree that boards of this run are built in: looked at once, for all of them. */
struct tree_use {
	struct kf_tree tree; /* its version is filled before the first make */
	char source[KF_HEX_SIZE];
	struct kf_extras extras; /* held while makes run */
	unsigned running;	 /* makes */
	int r;			 /* 0, or why the tree cannot be used: err */
	struct kf_error err;
	struct compiler *compilers;
	struct tree_use *next;
};

enum stage { WAITING, RUNNING, ENDED };

struct item {
	struct kf_built *built;
	struct tree_use *use;
	struct kf_build build;
	enum stage stage;
	pid_t pid;
	int pidfd;
	int64_t deadline_ms;
	off_t log_at;	   /* make's log was read up to here */
	unsigned compiled; /* files, by its words */
	char said[200];	   /* its last line */
};

struct run {
	const struct kf_builds_options *options;
	struct item *items;
	size_t count;
	struct tree_use *trees;
	int tokens[3];	/* as in struct kf_make */
	unsigned slots; /* jobs that belong neither to a make nor to the pipe */
	unsigned running;
};

/* Find the tree in dir, also under another path; open it at its first use. */
static int find_tree(struct run *run, const char *dir, struct tree_use **ret, struct kf_error *err)
{
	struct tree_use *use;
	struct kf_tree tree;
	int r = kf_tree_open(dir, &tree, err);

	if (r < 0)
		return r;
	for (use = run->trees; use && strcmp(use->tree.dir, tree.dir) != 0; use = use->next)
		;
	if (!use) {
		use = calloc(1, sizeof(*use));
		if (!use)
			return kf_fail_sys(err, ENOMEM, "%s", dir);
		use->tree = tree;
		if (run->options->timeout_ms < tree.git_ms)
			use->tree.git_ms = run->options->timeout_ms;
		use->extras.dir = -1;
		use->r = kf_source_hash(&use->tree, use->source, &use->err);
		use->next = run->trees;
		run->trees = use;
	}
	if (use->r < 0 && err)
		*err = use->err;
	*ret = use;
	return use->r;
}

/* kf_toolchain_check, asked once for all boards of one BOARD_DIRECTORY. */
static int find_compiler(struct tree_use *use, const struct kf_kconfig *config,
			 char ret[KF_HEX_SIZE], struct kf_error *err)
{
	_cleanup_(kf_freep) char *text = NULL;
	struct compiler *c;
	char board[64] = "";
	int r;

	if (!kf_kconfig_get(config, "BOARD_DIRECTORY", board, sizeof(board)))
		board[0] = '\0';
	for (c = use->compilers; c && strcmp(c->board, board) != 0; c = c->next)
		;
	if (!c) {
		r = kf_toolchain_check(&use->tree, config, kf_now_ms() + TOOLCHAIN_MS, &text, err);
		if (r < 0)
			return r;
		c = calloc(1, sizeof(*c));
		if (!c)
			return kf_fail_sys(err, ENOMEM, "%s", use->tree.dir);
		kf_sha256(text, strlen(text), c->id);
		memcpy(c->board, board, sizeof(board));
		c->next = use->compilers;
		use->compilers = c;
	}
	memcpy(ret, c->id, sizeof(c->id));
	return 0;
}

/* Before a make: find the version that it will write, and note the files to remove in the end. */
static int enter_tree(struct tree_use *use, int64_t wait_ms, struct kf_error *err)
{
	int r = use->tree.version[0] ? 0 : kf_tree_describe(&use->tree, err);

	if (r == 0 && use->extras.dir < 0)
		r = kf_extras_note(use->tree.dir, kf_now_ms() + wait_ms, &use->extras, err);
	return r;
}

/* Removes the files that makes left in the trees, too. */
static void free_trees(struct tree_use *trees)
{
	struct tree_use *use;
	struct compiler *c;

	while ((use = trees)) {
		trees = use->next;
		while ((c = use->compilers)) {
			use->compilers = c->next;
			free(c);
		}
		kf_extras_restore(&use->extras);
		free(use);
	}
}

static void tell(const struct run *run, const struct item *item, enum kf_build_event event,
		 const char *text)
{
	if (run->options->event)
		run->options->event(item->built, event, text, run->options->data);
}

static void end_item(struct run *run, struct item *item)
{
	kf_build_free(&item->build);
	kf_closep(&item->pidfd);
	item->pidfd = -1;
	item->stage = ENDED;
	tell(run, item, KF_BUILD_ENDS, NULL);
}

/* Would a board with the same build key get the same result as this one? */
static bool is_shared(const struct item *item)
{
	enum kf_code code = item->built->err.code;

	return item->stage != ENDED || item->built->firmware || code == KF_BUILD_FAILED ||
	       code == KF_TIMEOUT || code == KF_INTERRUPTED;
}

/* An earlier board with the same build key: its result is also the result of this one. */
static struct item *find_twin(const struct run *run, const struct item *item)
{
	for (struct item *i = run->items; i < item; i++)
		if (strcmp(i->build.build_key, item->build.build_key) == 0 && is_shared(i))
			return i;
	return NULL;
}

static int open_item(struct run *run, struct item *item, struct kf_error *err)
{
	const struct kf_builds_options *options = run->options;
	char compiler[KF_HEX_SIZE];
	int r;

	r = find_tree(run, item->built->dir, &item->use, err);
	if (r < 0)
		return r;
	item->build = (struct kf_build){
		.key = item->built->key,
		.tree = &item->use->tree,
		.config = item->built->config,
		.config_sha256 = item->built->config_sha256,
		.tokens = run->tokens,
		.timeout_ms = options->timeout_ms,
	};
	r = kf_build_open(&item->build, err);
	if (r == 0)
		r = find_compiler(item->use, &item->build.kconfig, compiler, err);
	if (r == 0)
		kf_build_set_key(&item->build, item->use->source, compiler);
	return r;
}

/* Find the board's build key. If its newest firmware has that, the board is done. */
static void plan(struct run *run, struct item *item)
{
	struct kf_built *built = item->built;
	const struct item *twin;
	int r = open_item(run, item, &built->err);

	if (r == 0 && !run->options->clean)
		r = kf_build_reuse(&item->build, built->key, &built->firmware, &built->err);
	if (r != 0) {
		end_item(run, item);
		return;
	}
	twin = find_twin(run, item);
	if (twin)
		tell(run, item, KF_BUILD_SHARES, twin->built->key);
}

static int start_make(struct run *run, struct item *item, struct kf_error *err)
{
	const struct kf_builds_options *options = run->options;
	int r = enter_tree(item->use,
			   options->wait_ms < options->timeout_ms ? options->wait_ms
								  : options->timeout_ms,
			   err);

	if (r < 0)
		return r;
	tell(run, item, KF_BUILD_STARTS, item->use->tree.dir);
	r = kf_build_start(&item->build, &item->pid, err);
	if (r < 0)
		return r;
	item->pidfd = (int)syscall(SYS_pidfd_open, item->pid, 0);
	item->deadline_ms = kf_now_ms() + run->options->timeout_ms;
	item->stage = RUNNING;
	item->use->running++;
	run->running++;
	return 0;
}

/*
 * Take the result of a board with the same build key. False: its firmware is not to be used again,
 * for its source changed while make ran.
 */
static bool share(struct run *run, struct item *item, const struct kf_built *from)
{
	struct kf_built *built = item->built;
	int r = 1;

	if (from->firmware)
		r = kf_build_reuse(&item->build, from->key, &built->firmware, &built->err);
	else
		built->err = from->err;
	if (r == 0)
		return false;
	if (built->firmware)
		json_object_set(built->firmware, "reused",
				json_object_get(from->firmware, "reused"));
	end_item(run, item);
	return true;
}

/* make has ended, or its time is over. */
static void finish(struct run *run, struct item *item, int64_t deadline_ms)
{
	struct kf_built *built = item->built;
	int status = 0;
	int r = kf_process_wait(item->pid, deadline_ms, &status, &built->err);

	run->running--;
	item->use->running--;
	run->slots++; /* a killed make keeps its tokens: the others have fewer jobs */
	if (kf_build_finish(&item->build, r, status, &built->firmware, &built->err) < 0)
		built->firmware = NULL;
	end_item(run, item);
}

/*
 * Kalico's makes write files in src/extras at every start. Without extras all write empty files;
 * with extras one make could read a file that another is just writing.
 */
static bool must_wait(const struct item *item)
{
	return item->use->running > 0 && kf_extras_any(item->use->tree.dir);
}

/* Start a make for each free slot; the slots that remain go to the makes that run. */
static void start_some(struct run *run)
{
	const struct item *twin;

	for (struct item *i = run->items; i < run->items + run->count; i++) {
		twin = i->stage == WAITING ? find_twin(run, i) : NULL;
		if (i->stage != WAITING || (twin && twin->stage != ENDED) ||
		    (twin && share(run, i, twin->built)) || must_wait(i))
			continue;
		if (run->slots == 0)
			return;
		if (start_make(run, i, &i->built->err) == 0)
			run->slots--;
		else
			end_item(run, i);
	}
	for (; run->slots > 0; run->slots--)
		if (write(run->tokens[1], "+", 1) < 0 && errno != EINTR)
			return;
}

/* Keep a whole line of make's log, without the path of the folder that all is built in. */
static void take_line(struct item *item, const char *line, size_t len)
{
	const char *start = line + strspn(line, " \t"), *out = strstr(start, item->build.out);
	char text[sizeof(item->said)];

	if (start >= line + len)
		return;
	if (out)
		kf_text_format(text, sizeof(text), "%.*s%s", (int)(out - start), start,
			       out + strlen(item->build.out) +
				       strspn(out + strlen(item->build.out), "/"));
	else
		KF_COPY(text, start);
	KF_CLEAN(item->said, text);
	item->compiled += strncmp(item->said, compiling, strlen(compiling)) == 0;
}

/* Read what make has written since the last time, as far as it is whole lines. */
static void follow_log(struct item *item)
{
	_cleanup_(kf_closep) int fd = open(item->build.log, O_RDONLY | O_CLOEXEC);
	char buf[4096], *start, *end;
	ssize_t len;

	while (fd >= 0 && (len = pread(fd, buf, sizeof(buf) - 1, item->log_at)) > 0) {
		buf[len] = '\0';
		for (start = buf; (end = memchr(start, '\n', (size_t)(buf + len - start)));
		     start = end + 1) {
			*end = '\0';
			take_line(item, start, (size_t)(end - start));
		}
		/* Skip a line that is longer than buf: no line that counts is so long. */
		if (start == buf && len == (ssize_t)sizeof(buf) - 1)
			start = buf + len;
		if (start == buf)
			break;
		item->log_at += start - buf;
	}
}

static void tell_running(const struct run *run)
{
	char text[sizeof(((struct item *)0)->said) + 48];

	for (struct item *i = run->items; i < run->items + run->count; i++) {
		if (i->stage != RUNNING)
			continue;
		follow_log(i);
		if (!i->said[0])
			continue;
		KF_COPY(text, i->said);
		if (strncmp(i->said, compiling, strlen(compiling)) == 0)
			kf_text_format(text, sizeof(text), "%s (file %u)", i->said, i->compiled);
		else if (i->compiled)
			kf_text_format(text, sizeof(text), "%s (%u file%s compiled)", i->said,
				       i->compiled, i->compiled == 1 ? "" : "s");
		tell(run, i, KF_BUILD_RUNS, text);
	}
}

/* Wait until a make ends, or the time of one is over, or for the next tick. */
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
	if (run->options->tick_ms && kf_now_ms() + run->options->tick_ms < first)
		first = kf_now_ms() + run->options->tick_ms;
	r = kf_wait(fds, n, first);
	if (r < 0)
		return kf_fail_sys(err, -r, "make");
	if (run->options->tick_ms)
		tell_running(run);
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
	/* A stop signal: all are told first, so that they end at the same time. */
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
	free_trees(run->trees);
	for (size_t i = 0; run->items && i < run->count; i++)
		kf_build_free(&run->items[i].build);
	free(run->items);
	kf_closep(&run->tokens[0]);
	kf_closep(&run->tokens[1]);
}

int kf_builds_run(struct kf_built *list, size_t count, const struct kf_builds_options *options,
		  struct kf_error *err)
{
	_cleanup_(free_run) struct run run = {
		.options = options,
		.items = calloc(count + 1, sizeof(*run.items)),
		.count = count,
		.tokens = { -1, -1, -1 },
		.slots = options->jobs < SLOTS_MAX ? options->jobs : SLOTS_MAX,
	};

	if (!run.items)
		return kf_fail_sys(err, ENOMEM, "%zu builds", count);
	for (size_t i = 0; i < count; i++) {
		run.items[i] = (struct item){ .built = &list[i], .pidfd = -1 };
		run.items[i].build.lock = run.items[i].build.log_fd = -1;
	}
	if (pipe2(run.tokens, O_CLOEXEC) < 0)
		return kf_fail_sys(err, errno, "cannot make a pipe");
	return run_all(&run, err);
}
