/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Runs make in the user's source tree. Nothing of the user's environment decides what is built, and
 * nothing is written outside OUT and beside KCONFIG_CONFIG.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "build/extras.h"
#include "build/tree.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/paths.h"
#include "core/text.h"
#include "terminal/terminal.h"

enum { TARGETS_MAX = 16, LOG_MAX = 1 << 20 };

/*
 * The first character that make or the shell in its rules would take apart, or 0. The
 * Makefiles quote nothing: a space in OUT leaves junk, others run as commands.
 */
static char unusable(const char *path)
{
	for (; *path; path++) {
		if ((unsigned char)*path <= ' ' || strchr("#$:%\\'\"`;&|()<>*?[]{}!=^~", *path))
			return *path;
	}
	return 0;
}

static int check_path(const char *path, enum kf_code code, struct kf_error *err)
{
	char c = unusable(path);

	if (!c)
		return 0;
	if (c == ' ')
		return kf_fail(err, code, "%s: make cannot take a path with a space", path);
	return kf_fail(err, code, "%s: make cannot take a path with '%c'", path, c);
}

static int check_member(const struct kf_tree *tree, const char *member, struct kf_error *err)
{
	char path[PATH_MAX];
	int r = kf_path_format(path, err, "%s/%s", tree->dir, member);

	if (r < 0)
		return r;
	if (access(path, R_OK) < 0)
		return kf_fail(err, errno == EACCES ? KF_PERMISSION : KF_NO_TREE,
			       "%s is not a Klipper source tree: cannot read %s", tree->dir,
			       member);
	return 0;
}

int kf_tree_open(const char *dir, struct kf_tree *ret, struct kf_error *err)
{
	_cleanup_(kf_freep) char *real = NULL;
	struct kf_tree tree = { .git_ms = KF_GIT_MS };
	char path[PATH_MAX];
	int r;

	r = kf_path_expand(dir, path, err);
	if (r < 0)
		return r;
	real = realpath(path, NULL);
	if (!real)
		return kf_fail(err, errno == EACCES ? KF_PERMISSION : KF_NO_TREE,
			       "%s: the Klipper source tree cannot be opened: %s", path,
			       strerror(errno));
	KF_COPY(tree.dir, real);
	r = check_path(tree.dir, KF_NO_TREE, err);
	if (r < 0) {
		kf_error_hint(err, "move the tree, then kf set --global klipper_dir=DIR");
		return r;
	}
	r = check_member(&tree, "Makefile", err);
	if (r == 0)
		r = check_member(&tree, "src/Kconfig", err);
	if (r < 0)
		return r;
	*ret = tree;
	return 0;
}

bool kf_tree_has(const struct kf_tree *tree, const char *name)
{
	char path[PATH_MAX];

	return kf_text_format(path, sizeof(path), "%s/%s", tree->dir, name) &&
	       access(path, F_OK) == 0;
}

static int check_programs(struct kf_error *err)
{
	static const char *const programs[] = { "make", "python3" };

	for (size_t i = 0; i < KF_ARRAY_SIZE(programs); i++)
		if (!kf_process_exists(programs[i]))
			return kf_process_missing(programs[i], "a build needs it", programs[i],
						  err);
	return 0;
}

static int check_make(const struct kf_make *make, struct kf_error *err)
{
	int r = check_programs(err);

	if (r < 0)
		return r;
	r = check_path(make->out, KF_CONFIG, err);
	if (r == 0)
		r = check_path(make->config, KF_CONFIG, err);
	if (r < 0) {
		kf_error_hint(err, "set XDG_CACHE_HOME to a folder whose path has none");
		return r;
	}
	return kf_dir_make(make->out, err);
}

/* Append the caller's targets to make's arguments. */
static int fill_argv(const struct kf_make *make, const char **argv, size_t argc,
		     struct kf_error *err)
{
	for (size_t i = 0; make->targets && make->targets[i]; i++) {
		if (i == TARGETS_MAX)
			return kf_fail(err, KF_INTERNAL, "make: too many targets");
		argv[argc++] = make->targets[i];
	}
	return 0;
}

/*
 * Another make's options, Kconfig's own variables and extra flags would change what is built;
 * Python would leave __pycache__ in the tree.
 */
static const char *const clean_env[] = {
	"PYTHONDONTWRITEBYTECODE=1",
	"GIT_OPTIONAL_LOCKS=0",
	"GNUMAKEFLAGS",
	"MFLAGS",
	"MAKELEVEL",
	"MAKEFILES",
	"MAKEOVERRIDES",
	"OUT",
	"V",
	"EXTRA_CFLAGS",
	"CONFIG_",
	"KCONFIG_CONFIG",
	"KCONFIG_AUTOHEADER",
	"KCONFIG_ALLCONFIG",
	"KCONFIG_DEFCONFIG_LIST",
	"KCONFIG_CONFIG_HEADER",
	"KCONFIG_STRICT",
	"srctree",
};

enum { ENV_MAX = KF_ARRAY_SIZE(clean_env) + 4 };

/* make's environment: flags is MAKEFLAGS, and terminal is for menuconfig. */
static void fill_env(const char *flags, const struct kf_terminal_env *terminal,
		     const char *ret[ENV_MAX])
{
	size_t n = KF_ARRAY_SIZE(clean_env);

	memcpy(ret, clean_env, sizeof(clean_env));
	ret[n++] = flags;
	for (size_t i = 0; terminal->list[i]; i++)
		ret[n++] = terminal->list[i];
	ret[n] = NULL;
}

int kf_tree_make_start(const struct kf_make *make, pid_t *ret, struct kf_error *err)
{
	char flags[64] = "MAKEFLAGS";
	struct kf_terminal_env terminal = { 0 };
	const char *env[ENV_MAX];
	const char *argv[TARGETS_MAX + 8] = { "make" };
	char out[PATH_MAX + 8], config[PATH_MAX + 24];
	const struct kf_process p = {
		.argv = argv,
		.dir = make->tree->dir,
		.env = env,
		.in = make->tty,
		.out = make->tty >= 0 ? make->tty : make->log_fd,
		.err = make->log_fd,
		.keep = make->tokens,
		.foreground = make->tty >= 0,
		.private = true,
	};
	size_t argc = 1;
	int r;

	r = check_make(make, err);
	if (r < 0)
		return r;
	if (make->tokens)
		kf_text_format(flags, sizeof(flags), "MAKEFLAGS= -j --jobserver-auth=%d,%d",
			       make->tokens[0], make->tokens[1]);
	if (make->tty >= 0)
		kf_terminal_env(&terminal);
	fill_env(flags, &terminal, env);
	kf_text_format(out, sizeof(out), "OUT=%s", make->out);
	kf_text_format(config, sizeof(config), "KCONFIG_CONFIG=%s", make->config);
	argv[argc++] = out;
	argv[argc++] = config;
	/* make expands it at its use, after the board's Makefile has set the prefix. */
	if (make->compile && kf_process_exists("ccache"))
		argv[argc++] = "CC=ccache $(CROSS_PREFIX)gcc";
	r = fill_argv(make, argv, argc, err);
	return r < 0 ? r : kf_process_start(&p, ret, err);
}

int kf_tree_make(const struct kf_make *make, int *ret, struct kf_error *err)
{
	int64_t deadline_ms = kf_now_ms() + make->wait_ms;
	struct kf_extras extras;
	pid_t pid;
	int r;

	if (make->deadline_ms != KF_FOREVER && deadline_ms > make->deadline_ms)
		deadline_ms = make->deadline_ms;
	r = kf_extras_note(make->tree->dir, deadline_ms, &extras, err);
	if (r < 0)
		return r;
	r = kf_tree_make_start(make, &pid, err);
	if (r == 0) {
		r = kf_process_wait(pid, make->deadline_ms, ret, err);
		if (r < 0)
			kf_error_prefix(err, "make");
	}
	kf_extras_restore(&extras);
	return r;
}

/* ccache's folder where no variable names it: ccache(1), "cache_dir". */
static const char *ccache_folder(char ret[PATH_MAX])
{
	const char *dir = getenv("CCACHE_DIR"), *cache = getenv("XDG_CACHE_HOME");

	if (dir)
		return dir;
	if (cache)
		return kf_text_format(ret, PATH_MAX, "%s/ccache", cache) ? ret : NULL;
	return kf_path_expand("~/.cache/ccache", ret, NULL) == 0 ? ret : NULL;
}

/* Ask the disk of path, or of the nearest folder above it that exists: *ret_folder. */
static bool ask_disk(const char *path, char ret_folder[PATH_MAX], struct statvfs *ret)
{
	char *slash;

	if (!path || path[0] != '/' || !kf_text_format(ret_folder, PATH_MAX, "%s", path))
		return false;
	while (statvfs(ret_folder, ret) < 0) {
		slash = strrchr(ret_folder, '/');
		if (errno != ENOENT || slash == ret_folder)
			return false;
		*slash = '\0';
	}
	return ret->f_blocks > 0;
}

/* A program may remove a file that it could not write: less free space counts as full. */
enum { FULL_BYTES = 4 * 1024 * 1024 };

/* Say so where a disk is full that make writes to. */
static void note_full_disk(const char *out, const char *log, struct kf_error *err)
{
	const char *tmp = getenv("TMPDIR");
	char ccache[PATH_MAX], folder[PATH_MAX], left[64];
	const char *const places[] = { out, log, tmp ? tmp : "/tmp", ccache_folder(ccache) };
	unsigned long long bytes;
	struct statvfs disk;
	bool inodes;

	for (size_t i = 0; i < KF_ARRAY_SIZE(places); i++) {
		if (!ask_disk(places[i], folder, &disk))
			continue;
		bytes = (unsigned long long)disk.f_bavail * disk.f_frsize;
		inodes = disk.f_files > 0 && disk.f_favail == 0;
		if (!inodes && bytes >= FULL_BYTES)
			continue;
		kf_text_format(left, sizeof(left), "only %llu KiB", bytes / 1024);
		kf_error_prefix(err, "%s are left on the disk of %s", inodes ? "no inodes" : left,
				folder);
		kf_error_hint(err, "free some space: df %s %s", inodes ? "-i" : "-h", folder);
		return;
	}
}

int kf_make_failed(const struct kf_tree *tree, const char *target, int status, const char *words,
		   const char *out, const char *log, struct kf_error *err)
{
	int r = kf_fail(err, KF_BUILD_FAILED, "make%s%s in %s ended with status %d%s%s",
			*target ? " " : "", target, tree->dir, kf_process_status(status),
			*words ? ": " : "", words);

	if (!err)
		return r;
	note_full_disk(out, log, err);
	KF_COPY(err->log, log);
	return r;
}

/* The last line that is not make's own; else the last line. text is cut into lines. */
static const char *last_words(char *text)
{
	const char *last = "", *own = "";
	char *line;

	while ((line = strsep(&text, "\n"))) {
		if (line[0])
			last = line;
		if (line[0] && strncmp(line, "make", 4) != 0)
			own = line;
	}
	return own[0] ? own : last;
}

int kf_tree_make_logged(const struct kf_make *make, const char *log, struct kf_error *err)
{
	_cleanup_(kf_closep) int fd = kf_file_log(log, O_TRUNC, err);
	_cleanup_(kf_freep) char *text = NULL;
	struct kf_make logged = *make;
	int status, r;
	size_t len;

	if (fd < 0)
		return fd;
	logged.log_fd = fd;
	r = kf_tree_make(&logged, &status, err);
	if (r < 0 || status == 0)
		return r;
	r = kf_file_read(log, LOG_MAX, &text, &len, NULL);
	return kf_make_failed(make->tree, make->targets[0], status, r == 0 ? last_words(text) : "",
			      make->out, log, err);
}
