/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A version comes from a board: only its hash or its tag, checked, reaches git. */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "build/aside.h"
#include "build/source.h"
#include "core/file.h"
#include "core/text.h"

enum { COMMIT_MAX = 256 };

/* git must not be led to another repository, nor run the hooks of the user. */
static const char *const git_env[] = {
	"LC_ALL=C",	    "GIT_OPTIONAL_LOCKS=0",  "GIT_DIR",
	"GIT_WORK_TREE",    "GIT_INDEX_FILE",	     "GIT_OBJECT_DIRECTORY",
	"GIT_TEMPLATE_DIR", "GIT_TERMINAL_PROMPT=0", NULL
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
	const struct kf_process p = {
		.argv = argv, .env = git_env, .in = -1, .out = -1, .err = complaint, .private = true
	};
	char words[256];
	int status, r;

	r = kf_process_run(&p, deadline_ms, &status, err);
	if (r == -ENOENT) {
		kf_fail(err, KF_NO_TOOLCHAIN, "git is not installed");
		return kf_error_hint(err, "sudo apt-get install git");
	}
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
		.argv = argv, .env = git_env, .in = -1, .out = -1, .err = -1
	};
	_cleanup_(kf_freep) char *text = NULL;
	int r;

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
	int r = kf_tree_has(tree, ".git") ? find_commit(tree, version, deadline_ms, commit, err)
					  : 0;

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
