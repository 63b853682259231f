/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The state of a clean tree is its commit. The bytes of all files are hashed if the tree has
 * changed or new files, Kalico's extras (which its .gitignore hides), or no .git.
 */
#include <errno.h>
#include <fts.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "build/extras.h"
#include "build/source.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/text.h"

enum { WORDS_MAX = 512, DESCRIBE_MAX = 4096, STATUS_MAX = 1 << 20 };

/* A git that runs; pid 0: the tree has no .git. */
struct question {
	struct kf_output git;
	int complaint; /* a file in memory with its standard error */
};

static void free_question(struct question *question)
{
	kf_output_cancel(&question->git);
	kf_closep(&question->complaint);
}

const char *const kf_git_env[] = {
	"LC_ALL=C",	    "GIT_OPTIONAL_LOCKS=0",  "GIT_DIR",
	"GIT_WORK_TREE",    "GIT_INDEX_FILE",	     "GIT_OBJECT_DIRECTORY",
	"GIT_TEMPLATE_DIR", "GIT_TERMINAL_PROMPT=0", NULL
};

int kf_git_start(const struct kf_tree *tree, const char *const *argv, int complaint,
		 struct kf_output *ret, struct kf_error *err)
{
	const struct kf_process p = { .argv = argv,
				      .dir = tree->dir,
				      .env = kf_git_env,
				      .in = -1,
				      .out = -1,
				      .err = complaint };

	return kf_tree_has(tree, ".git") ? kf_output_start(&p, ret, err) : 0;
}

static int ask_git(const struct kf_tree *tree, const char *const *argv, struct question *ret,
		   struct kf_error *err)
{
	int r;

	ret->complaint = memfd_create("git", MFD_CLOEXEC);
	r = kf_git_start(tree, argv, ret->complaint, &ret->git, err);
	return r != -ENOENT ? r
			    : kf_process_missing("git", "without it firmware would have no version",
						 "git", err);
}

/* git failed: its first words say why. */
static int refused(const struct kf_tree *tree, int complaint, struct kf_error *err)
{
	char text[WORDS_MAX] = "", words[WORDS_MAX] = "";

	if (pread(complaint, text, sizeof(text) - 1, 0) > 0)
		kf_text_clean(words, sizeof(words), text, strcspn(text, "\n"));
	if (strstr(words, "ownership") || strstr(words, "owned by someone else")) {
		kf_fail(err, KF_PERMISSION,
			"%s belongs to another user, so git refuses it: its firmware would have no "
			"version",
			tree->dir);
		return kf_error_hint(err, "git config --global --add safe.directory %s", tree->dir);
	}
	kf_fail(err, KF_NO_TREE, "git cannot read %s: its firmware would have no version%s%s",
		tree->dir, words[0] ? ": " : "", words);
	return kf_error_hint(err, "see what git -C %s status says", tree->dir);
}

/* *ret stays NULL where the tree has no .git. */
static int read_answer(const struct kf_tree *tree, struct question *question, size_t max_bytes,
		       char **ret, struct kf_error *err)
{
	int r = 0;

	if (question->git.pid)
		r = kf_output_read(&question->git, kf_now_ms() + tree->git_ms, max_bytes, ret, err);
	if (r == -EIO)
		return refused(tree, question->complaint, err);
	if (r == -ETIMEDOUT) {
		kf_fail(err, KF_TIMEOUT, "git did not answer within %g s about %s",
			(double)tree->git_ms / 1000, tree->dir);
		kf_error_hint(err, "see how long git -C %s status takes", tree->dir);
	}
	return r;
}

int kf_tree_describe(struct kf_tree *tree, struct kf_error *err)
{
	static const char *const argv[] = { "git",    "describe", "--always", "--tags",
					    "--long", "--dirty",  NULL };
	_cleanup_(free_question) struct question git = { .complaint = -1 };
	_cleanup_(kf_freep) char *text = NULL;
	int r = ask_git(tree, argv, &git, err);

	if (r == 0)
		r = read_answer(tree, &git, DESCRIBE_MAX, &text, err);
	if (text)
		kf_text_clean(tree->version, sizeof(tree->version), text, strcspn(text, "\n"));
	return r;
}

/* Can this path of the tree be a source of the firmware? */
static bool is_read(const char *path)
{
	static const char *const folders[] = { "out", "docs", "config", "test", "klippy" };
	size_t len = strcspn(path, "/");

	for (size_t i = 0; i < KF_ARRAY_SIZE(folders); i++)
		if (strlen(folders[i]) == len && strncmp(path, folders[i], len) == 0)
			return false;
	return path[0] != '.';
}

/*
 * Write the commit, and whether git says "dirty". *ret_bytes: make reads files whose bytes git does
 * not know.
 */
static int note_commit(const struct kf_tree *tree, struct question *git, FILE *out, bool *ret_bytes,
		       struct kf_error *err)
{
	static const char oid[] = "# branch.oid ";
	_cleanup_(kf_freep) char *text = NULL;
	bool dirty = false, untracked = false;
	char *rest, *line;
	int r = read_answer(tree, git, STATUS_MAX, &text, err);

	rest = text;
	while (rest && (line = strsep(&rest, "\n"))) {
		if (strncmp(line, oid, strlen(oid)) == 0)
			fprintf(out, "%s\n", line);
		else if (strncmp(line, "? ", 2) == 0)
			untracked = untracked || is_read(line + 2);
		else if (*line && *line != '#')
			dirty = true;
	}
	fprintf(out, "%s\n", dirty ? "dirty" : text ? "clean" : "unknown");
	*ret_bytes = dirty || untracked || !text;
	return r;
}

static int note_tags(const struct kf_tree *tree, struct question *git, FILE *out,
		     struct kf_error *err)
{
	_cleanup_(kf_freep) char *text = NULL;
	char path[PATH_MAX];
	struct stat st;
	int r = read_answer(tree, git, STATUS_MAX, &text, err);

	fputs(text ? text : "", out);
	/* In a shallow clone the distance to the nearest tag changes with the depth. */
	if (kf_text_format(path, sizeof(path), "%s/.git/shallow", tree->dir) &&
	    stat(path, &st) == 0)
		fprintf(out, "shallow %jd %jd\n", (intmax_t)st.st_size, (intmax_t)st.st_mtime);
	return r;
}

/*
 * A file by its bytes; below lib/ (200 MB of vendors' headers) by its size and times: one that was
 * only touched then counts as changed, which costs a build and no more.
 */
static int note_file(FILE *out, const char *name, const char *path, const struct stat *st,
		     struct kf_error *err)
{
	char sha256[KF_HEX_SIZE] = "";
	int r;

	if (strncmp(name, "lib/", strlen("lib/")) == 0) {
		fprintf(out, "%s %jd %jd.%09ld %jd.%09ld", name, (intmax_t)st->st_size,
			(intmax_t)st->st_mtim.tv_sec, st->st_mtim.tv_nsec,
			(intmax_t)st->st_ctim.tv_sec, st->st_ctim.tv_nsec);
	} else {
		r = kf_file_sha256(path, sha256, err);
		if (r < 0)
			return r;
		fprintf(out, "%s %s", name, sha256);
	}
	fputc('\0', out);
	return 0;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* Files that Python, a build, or each make of a Kalico tree writes: they are no source. */
static bool is_made(const char *name, bool kalico)
{
	static const char *const suffixes[] = { ".pyc", ".so", ".o", "/__pycache__" };
	size_t len = strlen(name), tail;

	for (size_t i = 0; i < KF_ARRAY_SIZE(suffixes); i++) {
		tail = strlen(suffixes[i]);
		if (len > tail && strcmp(name + len - tail, suffixes[i]) == 0)
			return true;
	}
	return kalico && (strcmp(name, "src/extras/Kconfig") == 0 ||
			  strcmp(name, "src/extras/Makefile") == 0 ||
			  strcmp(name, "src/extras/Kconfig.tmp") == 0);
}

/* Links are followed: extras are often linked into the tree. fts ends circles. */
static int note_files(const struct kf_tree *tree, FILE *out, struct kf_error *err)
{
	char *roots[] = { (char *)tree->dir, NULL };
	bool kalico = kf_tree_has(tree, "scripts/find-firmware-extras.sh");
	FTS *walk = fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, by_name);
	const char *name;
	FTSENT *entry;
	int r = 0;

	if (!walk)
		return kf_fail_sys(err, errno, "%s", tree->dir);
	while (r == 0 && (errno = 0, entry = fts_read(walk))) {
		name = entry->fts_path + strlen(tree->dir) + 1;
		if (entry->fts_level > 0 && (!is_read(name) || is_made(name, kalico)))
			fts_set(walk, entry, FTS_SKIP);
		else if (entry->fts_info == FTS_F)
			r = note_file(out, name, entry->fts_path, entry->fts_statp, err);
		else if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR ||
			 entry->fts_info == FTS_NS)
			r = kf_fail_sys(err, entry->fts_errno, "%s", entry->fts_path);
	}
	if (r == 0 && errno)
		r = kf_fail_sys(err, errno, "%s", tree->dir);
	fts_close(walk);
	return r;
}

/* The file that Klipper's build reads its version from if there is no git. */
static int note_version(const struct kf_tree *tree, FILE *out, struct kf_error *err)
{
	static const char name[] = "klippy/.version";
	const struct stat st = { 0 };
	char path[PATH_MAX];

	return !kf_tree_has(tree, ".git") && kf_tree_has(tree, name) &&
			       kf_text_format(path, sizeof(path), "%s/%s", tree->dir, name)
		       ? note_file(out, name, path, &st, err)
		       : 0;
}

int kf_source_hash(const struct kf_tree *tree, char ret[KF_HEX_SIZE], struct kf_error *err)
{
	/* git starts no threads of its own, for other git processes run beside it. */
	static const char *const status[] = {
		"git",	    "-c",	"core.preloadIndex=false", "status", "--porcelain=v2",
		"--branch", "-unormal", "--no-ahead-behind",	   NULL
	};
	static const char *const refs[] = { "git", "for-each-ref",
					    "--format=%(refname) %(objectname)", "refs/tags",
					    NULL };
	_cleanup_(free_question) struct question commit = { .complaint = -1 };
	_cleanup_(free_question) struct question tags = { .complaint = -1 };
	_cleanup_(kf_freep) char *text = NULL;
	bool bytes = true;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	int r;

	if (!out)
		return kf_fail_sys(err, ENOMEM, "%s", tree->dir);
	r = ask_git(tree, status, &commit, err);
	if (r == 0)
		r = ask_git(tree, refs, &tags, err);
	if (r == 0)
		r = note_commit(tree, &commit, out, &bytes, err);
	if (r == 0)
		r = note_tags(tree, &tags, out, err);
	if (r == 0)
		r = note_version(tree, out, err);
	if (r == 0 && (bytes || kf_extras_any(tree->dir)))
		r = note_files(tree, out, err);
	if (fclose(out) == EOF)
		r = kf_fail_sys(err, ENOMEM, "%s", tree->dir);
	if (r == 0)
		kf_sha256(text, len, ret);
	return r;
}
