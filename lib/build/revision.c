/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A version comes from a board: only its hash or its tag, checked, reaches git, inside an argument
 * that begins with "HEAD...".
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "build/revision.h"
#include "build/source.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/paths.h"
#include "core/text.h"

enum { ASKED_MAX = 32, ANSWER_MAX = 4096, SCRIPT_MAX = 1 << 20 };

/* One commit that git is asked about. */
struct question {
	char commit[96]; /* a hash, or refs/tags/TAG */
	struct kf_output git;
	bool known, late;
	unsigned behind, ahead;
};

struct questions {
	struct question list[ASKED_MAX];
	size_t count;
};

static void cancel(struct questions *q)
{
	for (size_t i = 0; i < q->count; i++)
		kf_output_cancel(&q->list[i].git);
}

static void name_commit(const struct kf_version *version, char ret[96])
{
	if (version->hash[0])
		kf_text_format(ret, 96, "%s", version->hash);
	else
		kf_text_format(ret, 96, "refs/tags/%s", version->tag);
}

/* The question about this commit, NULL if it was not asked. */
static struct question *find(struct questions *q, const char *commit)
{
	for (size_t i = 0; i < q->count; i++)
		if (strcmp(q->list[i].commit, commit) == 0)
			return &q->list[i];
	return NULL;
}

static void ask(const struct kf_tree *tree, const struct kf_version *version, struct questions *q)
{
	char range[128];
	const char *const argv[] = {
		"git", "rev-list", "--left-right", "--count", range, "--", NULL
	};
	struct question *new = &q->list[q->count];
	char commit[96];

	name_commit(version, commit);
	if (q->count == ASKED_MAX || find(q, commit))
		return;
	kf_text_format(range, sizeof(range), "HEAD...%s", commit);
	KF_COPY(new->commit, commit);
	IGNORE_RESULT(kf_git_start(tree, argv, -1, &new->git, NULL));
	q->count++;
}

/* Read git's answer: how many commits only one side has. git fails for an unknown commit. */
static int receive(struct question *q, int64_t deadline_ms, struct kf_error *err)
{
	_cleanup_(kf_freep) char *text = NULL;
	int r = q->git.pid ? kf_output_read(&q->git, deadline_ms, ANSWER_MAX, &text, err) : 0;

	q->late = r == -ETIMEDOUT;
	q->known = r == 0 && text && sscanf(text, "%u %u", &q->behind, &q->ahead) == 2;
	return r == -EINTR ? r : 0;
}

/* scripts/buildcommands.py writes the name into each firmware: data['app'] = 'Klipper'. */
static void find_app(const struct kf_tree *tree, char *ret, size_t size)
{
	static const char *const marks[] = { "['app'] = '", "[\"app\"] = \"" };
	_cleanup_(kf_freep) char *text = NULL;
	char path[PATH_MAX];
	const char *at;
	size_t len;

	ret[0] = '\0';
	if (!kf_text_format(path, sizeof(path), "%s/scripts/buildcommands.py", tree->dir) ||
	    kf_file_read(path, SCRIPT_MAX, &text, &len, NULL) < 0)
		return;
	for (size_t i = 0; i < KF_ARRAY_SIZE(marks); i++) {
		at = strstr(text, marks[i]);
		if (!at)
			continue;
		at += strlen(marks[i]);
		kf_text_clean(ret, size, at, strcspn(at, "'\"\n"));
		return;
	}
}

/*
 * git describe walks to the nearest tag, which takes longer than all else. Its answer is the same
 * for the same commit and tags: stamp has both.
 */
static bool make_stamp(const struct kf_tree *tree, const char *commit, char *ret, size_t size)
{
	static const char *const places[] = { "packed-refs", "refs/tags" };
	int64_t changed[KF_ARRAY_SIZE(places)] = { 0 };
	char path[PATH_MAX];
	struct stat st;

	for (size_t i = 0; i < KF_ARRAY_SIZE(places); i++) {
		if (!kf_text_format(path, sizeof(path), "%s/.git/%s", tree->dir, places[i]))
			return false;
		if (stat(path, &st) == 0)
			changed[i] = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
		else if (errno != ENOENT)
			return false; /* .git is a file: a worktree's */
	}
	return kf_text_format(ret, size, "%.64s %" PRId64 " %" PRId64, commit, changed[0],
			      changed[1]);
}

/* One file for each tree. */
static int noted_path(const struct kf_tree *tree, char ret[PATH_MAX])
{
	char name[KF_HEX_SIZE];

	kf_sha256(tree->dir, strlen(tree->dir), name);
	return kf_path(KF_DIR_CACHE, ret, NULL, "describe/%.16s", name);
}

/* "STAMP\nVERSION" of the file, if it has this stamp. */
static bool read_noted(const struct kf_tree *tree, const char *stamp, char ret[KF_NAME_SIZE])
{
	_cleanup_(kf_freep) char *text = NULL;
	size_t len, stamped = strlen(stamp);
	char path[PATH_MAX];

	if (noted_path(tree, path) < 0 || kf_file_read(path, ANSWER_MAX, &text, &len, NULL) < 0 ||
	    strncmp(text, stamp, stamped) != 0 || text[stamped] != '\n')
		return false;
	kf_text_clean(ret, KF_NAME_SIZE, text + stamped + 1, len - stamped - 1);
	return ret[0];
}

/* Note the version for later runs, which do without if this fails. */
static void note(const struct kf_tree *tree, const char *stamp, const char *version)
{
	char path[PATH_MAX], text[KF_NAME_SIZE + 256];

	if (noted_path(tree, path) == 0 &&
	    kf_text_format(text, sizeof(text), "%s\n%s", stamp, version))
		IGNORE_RESULT(kf_file_write(path, text, strlen(text), NULL));
}

/*
 * Is the tree clean, and the version of its commit noted? -EINTR. ret_stamp is "" where nothing
 * can be noted.
 */
static int find_noted(const struct kf_tree *tree, int64_t deadline_ms, char ret_stamp[256],
		      char ret[KF_NAME_SIZE], struct kf_error *err)
{
	static const char *const which[] = { "git", "rev-parse", "HEAD", NULL };
	static const char *const clean[] = { "git", "diff-index", "--quiet", "HEAD", "--", NULL };
	_cleanup_(kf_output_cancel) struct kf_output head = { 0 }, diff = { 0 };
	_cleanup_(kf_freep) char *commit = NULL, *nothing = NULL;
	int r, same = -EIO;

	ret[0] = ret_stamp[0] = '\0';
	IGNORE_RESULT(kf_git_start(tree, which, -1, &head, NULL));
	IGNORE_RESULT(kf_git_start(tree, clean, -1, &diff, NULL));
	r = head.pid ? kf_output_read(&head, deadline_ms, ANSWER_MAX, &commit, err) : -EIO;
	if (r != -EINTR && diff.pid)
		same = kf_output_read(&diff, deadline_ms, ANSWER_MAX, &nothing, err);
	if (r == -EINTR || same == -EINTR)
		return -EINTR;
	if (r < 0)
		return 0;
	commit[strcspn(commit, "\n")] = '\0';
	if (!make_stamp(tree, commit, ret_stamp, 256))
		ret_stamp[0] = '\0';
	else if (same == 0 && !read_noted(tree, ret_stamp, ret))
		ret[0] = '\0';
	return 0;
}

/* The tree's own version. ret_why: why git does not tell it. */
static int find_head(const struct kf_tree *tree, int64_t deadline_ms, struct kf_tree_head *ret,
		     struct kf_error *ret_why)
{
	struct kf_tree asked = *tree;
	char stamp[256];
	int r;

	find_app(tree, ret->app, sizeof(ret->app));
	asked.git_ms = deadline_ms - kf_now_ms();
	r = find_noted(tree, deadline_ms, stamp, asked.version, ret_why);
	if (r == 0 && !asked.version[0]) {
		r = kf_tree_describe(&asked, ret_why);
		if (r == 0 && stamp[0] && kf_version_parse(asked.version, &ret->version) &&
		    !ret->version.dirty)
			note(tree, stamp, asked.version);
	}
	if (r == 0 && !asked.version[0])
		kf_fail(ret_why, KF_NO_TREE, "the source tree has no git");
	if (r == 0 && kf_version_parse(asked.version, &ret->version))
		KF_COPY(ret->text, asked.version);
	else if (r == 0 && asked.version[0])
		kf_fail(ret_why, KF_NO_TREE, "the source tree's own version names no commit");
	if (r < 0 && ret_why && ret_why->code == KF_PERMISSION)
		kf_text_add(ret_why->message, sizeof(ret_why->message), "; next: ", ret_why->hint);
	return r == -EINTR ? r : 0;
}

static const char *current_name(const char *app)
{
	return strcmp(app, "Danger-Klipper") == 0 ? "Kalico" : app;
}

static void differ(struct kf_revision *ret, const char *reason)
{
	ret->state = KF_STATUS_DIFFERS;
	KF_COPY(ret->reason, reason);
}

static void not_asked(struct kf_revision *ret, const char *reason)
{
	ret->state = KF_STATUS_NOT_ASKED;
	KF_COPY(ret->reason, reason);
}

/* Set the state by git's counts. Without counts, both versions must be of one commit. */
static void judge(const struct kf_tree *tree, const struct kf_tree_head *head,
		  const struct kf_version *version, const struct question *q,
		  struct kf_revision *ret)
{
	bool same = kf_version_same(version, &head->version);
	char reason[sizeof(ret->reason)];

	if (q && q->known) {
		ret->behind = q->behind;
		ret->ahead = q->ahead;
	} else if (!same && q && q->late) {
		not_asked(ret, "git did not answer in time");
		return;
	} else if (!same) {
		kf_text_format(reason, sizeof(reason), "the source tree%s does not know %s %s",
			       kf_tree_has(tree, ".git/shallow") ? ", a shallow clone," : "",
			       version->hash[0] ? "its commit" : "its tag",
			       version->hash[0] ? version->hash : version->tag);
		differ(ret, reason);
		return;
	}
	if (version->dirty) {
		differ(ret, "it was built from a changed source tree");
	} else if (ret->behind && ret->ahead) {
		kf_text_format(reason, sizeof(reason),
			       "it is of another branch: %u of its commits %s not in the "
			       "source tree, %u of the tree's not in it",
			       ret->ahead, ret->ahead == 1 ? "is" : "are", ret->behind);
		differ(ret, reason);
	} else if (ret->behind || ret->ahead) {
		ret->state = ret->behind ? KF_STATUS_BEHIND : KF_STATUS_AHEAD;
	} else if (head->version.dirty) {
		differ(ret, "the source tree has changes that no version names");
	} else {
		ret->state = KF_STATUS_CURRENT;
	}
}

static void compare(const struct kf_tree *tree, const struct kf_tree_head *head,
		    const struct kf_error *no_head, const struct kf_running *running,
		    struct questions *q, struct kf_revision *ret)
{
	const char *text = running->version ? running->version : "";
	char app[32], reason[sizeof(ret->reason)], commit[96];
	struct kf_version version;

	*ret = (struct kf_revision){ 0 };
	kf_text_clean(app, sizeof(app), running->app ? running->app : "",
		      running->app ? strlen(running->app) : 0);
	if (app[0] && head->app[0] && strcmp(current_name(app), current_name(head->app)) != 0) {
		kf_text_format(reason, sizeof(reason), "it is %s, and the source tree is %s", app,
			       head->app);
		differ(ret, reason);
	} else if (!head->text[0]) {
		not_asked(ret, no_head->message);
	} else if (!text[0]) {
		not_asked(ret, "its version is not known");
	} else if (!kf_version_parse(text, &version)) {
		not_asked(ret, "its version names no commit");
	} else {
		name_commit(&version, commit);
		judge(tree, head, &version, find(q, commit), ret);
	}
}

int kf_revisions_compare(const struct kf_tree *tree, const struct kf_running *running, size_t count,
			 int64_t deadline_ms, struct kf_revision *ret,
			 struct kf_tree_head *ret_head, struct kf_error *err)
{
	_cleanup_(cancel) struct questions q = { .count = 0 };
	struct kf_tree_head head = { .text = "" };
	struct kf_error why = { 0 };
	struct kf_version version;
	int r;

	for (size_t i = 0; i < count; i++)
		if (running[i].version && kf_version_parse(running[i].version, &version))
			ask(tree, &version, &q);
	r = find_head(tree, deadline_ms, &head, &why);
	if (r < 0 && err)
		*err = why;
	for (size_t i = 0; r == 0 && i < q.count; i++)
		r = receive(&q.list[i], deadline_ms, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < count; i++)
		compare(tree, &head, &why, &running[i], &q, &ret[i]);
	if (ret_head)
		*ret_head = head;
	return 0;
}

const char *kf_revision_name(enum kf_status_state state)
{
	static const char *const names[] = {
		[KF_STATUS_NOT_ASKED] = "not asked",
		[KF_STATUS_CURRENT] = "up to date",
		[KF_STATUS_BEHIND] = "behind",
		[KF_STATUS_AHEAD] = "ahead",
		[KF_STATUS_DIFFERS] = "differs",
		[KF_STATUS_INCOMPLETE] = "incomplete",
		[KF_STATUS_PENDING] = "pending",
		[KF_STATUS_BOOTLOADER] = "in its bootloader",
		[KF_STATUS_NOT_CONNECTED] = "not connected",
		[KF_STATUS_FOREIGN] = "firmware of others",
	};

	return names[state];
}

void kf_revision_text(const struct kf_revision *revision, char *ret, size_t size)
{
	const char *name = kf_revision_name(revision->state);
	unsigned commits = revision->behind ? revision->behind : revision->ahead;

	if (revision->state == KF_STATUS_BEHIND || revision->state == KF_STATUS_AHEAD)
		kf_text_format(ret, size, "%s by %u commit%s", name, commits,
			       commits == 1 ? "" : "s");
	else
		kf_text_format(ret, size, "%s%s%s", name, revision->reason[0] ? ": " : "",
			       revision->reason);
}
