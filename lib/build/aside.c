/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A version comes from a board: only its hash or its tag, checked, reaches git.
 *
 * Klipper's Makefile makes compile_time_request.c with $(PYTHON), and compiles it within the same
 * recipe. PYTHON=true leaves the file as it is, so our dictionary is compiled and linked by the
 * tree's own rules. Everything else is made by then, and needs no Python.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "build/aside.h"
#include "build/source.h"
#include "build/toolchain.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/paths.h"
#include "core/text.h"

enum {
	COMMIT_MAX = 256,
	BUILD_MS = 15 * 60 * 1000,
	TOOLCHAIN_MS = 20000,
	JOBS_MAX = 32,
	SOURCE_MAX = 1 << 24,
	HEX_BYTES = sizeof("0x00,\n") - 1,
};

/* git's first complaint, clean. */
static void read_words(int fd, char *ret, size_t size)
{
	char text[512] = "";

	ret[0] = '\0';
	if (pread(fd, text, sizeof(text) - 1, 0) > 0)
		kf_text_clean(ret, size, text, strcspn(text, "\n"));
}

/* Run git; a status other than 0 is KF_NO_TREE with git's words. */
static int run_git(const char *const *argv, int64_t deadline_ms, struct kf_error *err)
{
	_cleanup_(kf_closep) int complaint = memfd_create("git", MFD_CLOEXEC);
	const struct kf_process p = { .argv = argv,
				      .env = kf_git_env,
				      .in = -1,
				      .out = -1,
				      .err = complaint,
				      .private = true };
	char words[256];
	int status, r;

	r = kf_process_run(&p, deadline_ms, &status, err);
	if (r < 0 || status == 0)
		return r;
	read_words(complaint, words, sizeof(words));
	return kf_fail(err, KF_NO_TREE, "git %s ended with status %d%s%s",
		       strcmp(argv[1], "-C") == 0 ? argv[3] : argv[1], kf_process_status(status),
		       words[0] ? ": " : "", words);
}

/* Find the whole hash of the commit: 1; 0: the tree does not know it. */
static int find_commit(const struct kf_tree *tree, const struct kf_version *version,
		       int64_t deadline_ms, char ret[COMMIT_MAX], struct kf_error *err)
{
	const char *const argv[] = { "git",	 "-C",	    tree->dir, "rev-parse",
				     "--verify", "--quiet", ret,       NULL };
	const struct kf_process p = {
		.argv = argv, .env = kf_git_env, .in = -1, .out = -1, .err = -1
	};
	_cleanup_(kf_freep) char *text = NULL;
	int r;

	if (!kf_tree_has(tree, ".git"))
		return 0;
	if (!kf_process_exists("git"))
		return kf_process_missing("git", "it checks out the board's revision", "git", err);
	kf_text_format(ret, COMMIT_MAX, "%s%s^{commit}", version->hash[0] ? "" : "refs/tags/",
		       version->hash[0] ? version->hash : version->tag);
	r = kf_process_output(&p, deadline_ms, COMMIT_MAX - 1, &text, err);
	if (r == -EIO)
		return 0;
	if (r < 0)
		return r;
	text[strcspn(text, "\n")] = '\0';
	kf_text_format(ret, COMMIT_MAX, "%s", text);
	return 1;
}

static int unknown(const struct kf_tree *tree, const struct kf_version *version,
		   struct kf_error *err)
{
	struct kf_tree asked = *tree;
	bool shallow = kf_tree_has(tree, ".git/shallow");
	int r = kf_tree_describe(&asked, err);

	if (r < 0)
		return r; /* git refuses the tree, and says so */
	if (!asked.version[0])
		return kf_fail(err, KF_NOT_PROVED, "%s has no git: no older revision is there",
			       tree->dir);
	kf_fail(err, KF_NOT_PROVED, "%s%s does not know %s %s, which the board runs", tree->dir,
		shallow ? ", a shallow clone," : "", version->hash[0] ? "the commit" : "the tag",
		version->hash[0] ? version->hash : version->tag);
	return kf_error_hint(
		err,
		"fetch it (git -C %s fetch %s), or name the tree that it was built in: "
		"--klipper-dir=DIR",
		tree->dir, shallow ? "--unshallow" : "--all --tags");
}

static int check_out(const struct kf_tree *tree, const struct kf_version *version,
		     const char *commit, const char *dir, int64_t deadline_ms, struct kf_error *err)
{
	char abbrev[48];
	const char *const clone[] = { "git",
				      "clone",
				      "--quiet",
				      "--shared",
				      "--no-checkout",
				      "-c",
				      "core.hooksPath=/dev/null",
				      "-c",
				      abbrev,
				      "--",
				      tree->dir,
				      dir,
				      NULL };
	const char *const checkout[] = { "git",	     "-C",   dir,  "checkout", "--quiet",
					 "--detach", commit, "--", NULL };
	size_t digits = strlen(version->hash);
	int r = kf_dir_remove(dir, err);

	/* The firmware contains the version: one of another length would move the bytes behind
	 * it. */
	kf_text_format(abbrev, sizeof(abbrev), "core.abbrev=%zu", digits >= 4 ? digits : 7);
	if (r == 0)
		r = kf_dir_make_parent(dir, err);
	if (r == 0)
		r = run_git(clone, deadline_ms, err);
	if (r == 0)
		r = run_git(checkout, deadline_ms, err);
	return r;
}

int kf_aside_open(const struct kf_tree *tree, const struct kf_version *version, const char *dir,
		  int64_t deadline_ms, struct kf_tree *ret, struct kf_error *err)
{
	char commit[COMMIT_MAX];
	struct kf_tree aside;
	int r = find_commit(tree, version, deadline_ms, commit, err);

	if (r == 0)
		return unknown(tree, version, err);
	if (r > 0)
		r = check_out(tree, version, commit, dir, deadline_ms, err);
	if (r == 0)
		r = kf_tree_open(dir, &aside, err);
	if (r == 0)
		r = kf_tree_describe(&aside, err);
	if (r == 0)
		*ret = aside;
	return r;
}

/* "DIR/1/out/", "DIR/1/out/klipper.bin", "DIR/1/.config" */
static int path_of(const struct kf_rebuild *rebuild, const char *name, char ret[PATH_MAX],
		   struct kf_error *err)
{
	return kf_path_format(ret, err, "%s/%u/%s", rebuild->dir, rebuild->number, name);
}

/* GNU make takes a job for each byte in this pipe: let it start one compiler a processor. */
static int open_tokens(int ret[3], struct kf_error *err)
{
	long jobs = sysconf(_SC_NPROCESSORS_ONLN);

	ret[2] = -1;
	if (pipe2(ret, O_CLOEXEC) < 0)
		return kf_fail_sys(err, errno, "cannot make a pipe");
	for (long i = 1; i < jobs && i < JOBS_MAX; i++)
		IGNORE_RESULT(write(ret[1], "+", 1));
	return 0;
}

static int load_image(const struct kf_rebuild *rebuild, struct kf_image *ret, struct kf_error *err)
{
	char name[32], path[PATH_MAX];

	for (enum kf_format f = 0; f < KF_FORMAT_COUNT; f++) {
		kf_text_format(name, sizeof(name), "out/klipper.%s", kf_format_name(f));
		if (path_of(rebuild, name, path, NULL) == 0 && access(path, F_OK) == 0)
			return kf_image_load(path, ret, err);
	}
	return kf_fail(err, KF_BUILD_FAILED, "make succeeded, but left no firmware");
}

/* Run make with targets as further arguments. flags are open(2)'s for the log. */
static int run_make(const struct kf_rebuild *rebuild, const char *const *targets, int flags,
		    struct kf_image *ret, struct kf_error *err)
{
	_cleanup_(kf_closep) int log = -1;
	int tokens[3] = { -1, -1, -1 }, status = 0, r;
	char out[PATH_MAX], config[PATH_MAX];
	struct kf_make make = { .tree = rebuild->tree,
				.out = out,
				.config = config,
				.targets = targets,
				.tokens = tokens,
				.compile = true,
				.tty = -1,
				.wait_ms = rebuild->wait_ms,
				.deadline_ms = kf_now_ms() + BUILD_MS };

	r = path_of(rebuild, "out/", out, err);
	if (r == 0)
		r = path_of(rebuild, ".config", config, err);
	if (r < 0)
		return r;
	log = kf_file_log(rebuild->log, flags, err);
	if (log < 0)
		return log;
	make.log_fd = log;
	r = open_tokens(tokens, err);
	if (r == 0)
		r = kf_tree_make(&make, &status, err);
	kf_closep(&tokens[0]);
	kf_closep(&tokens[1]);
	if (r == 0 && status)
		r = kf_make_failed(rebuild->tree, "", status, "", out, rebuild->log, err);
	return r < 0 ? r : load_image(rebuild, ret, err);
}

int kf_rebuild(const struct kf_rebuild *rebuild, struct kf_image *ret, struct kf_error *err)
{
	_cleanup_(kf_freep) char *compiler = NULL;
	char config[PATH_MAX];
	int r = kf_toolchain_check(rebuild->tree, rebuild->config, kf_now_ms() + TOOLCHAIN_MS,
				   &compiler, err);

	if (r == 0)
		r = path_of(rebuild, ".config", config, err);
	if (r == 0)
		r = kf_file_write(config, rebuild->config->text, rebuild->config->len, err);
	return r < 0 ? r : run_make(rebuild, NULL, O_TRUNC, ret, err);
}

/* Find the braces around the numbers of the dictionary's array. False: there is no such array. */
static bool find_array(const char *source, const char **ret_start, const char **ret_end)
{
	const char *at = strstr(source, "command_identify_data[]");

	at = at ? strchr(at, '{') : NULL;
	*ret_start = at ? at + 1 : NULL;
	*ret_end = at ? strchr(at, '}') : NULL;
	return *ret_end;
}

static int replace_dictionary(const char *path, const uint8_t *packed, size_t len,
			      struct kf_error *err)
{
	_cleanup_(kf_freep) char *source = NULL, *made = NULL;
	const char *start, *end;
	size_t source_bytes, used;
	int r = kf_file_read(path, SOURCE_MAX, &source, &source_bytes, err);

	if (r < 0)
		return r;
	if (!find_array(source, &start, &end))
		return kf_fail(err, KF_BUILD_FAILED, "%s has no command_identify_data", path);
	made = malloc(source_bytes + len * HEX_BYTES + 1);
	if (!made)
		return kf_fail_sys(err, ENOMEM, "%s", path);
	used = (size_t)(start - source);
	memcpy(made, source, used);
	for (size_t i = 0; i < len; i++)
		used += (size_t)sprintf(made + used, "0x%02x,\n", packed[i]);
	memcpy(made + used, end, source_bytes - (size_t)(end - source));
	used += source_bytes - (size_t)(end - source);
	return kf_file_write(path, made, used, err);
}

int kf_rebuild_around(const struct kf_rebuild *rebuild, const uint8_t *packed, size_t len,
		      struct kf_image *ret, struct kf_error *err)
{
	static const char *const no_python[] = { "PYTHON=true", NULL };
	char source[PATH_MAX], object[PATH_MAX];
	int r = path_of(rebuild, "out/compile_time_request.c", source, err);

	if (r == 0)
		r = path_of(rebuild, "out/compile_time_request.o", object, err);
	if (r == 0)
		r = replace_dictionary(source, packed, len, err);
	if (r == 0 && unlink(object) < 0)
		r = kf_fail_sys(err, errno, "%s", object);
	return r < 0 ? r : run_make(rebuild, no_python, O_APPEND, ret, err);
}
