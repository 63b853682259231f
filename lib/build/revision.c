/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A version comes from a board: only its hash or its tag, checked, reaches git, inside an argument
 * that begins with "HEAD...".
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "build/revision.h"
#include "build/source.h"
#include "core/clock.h"
#include "core/file.h"
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

/* Start git in the tree, reading only; without a .git, or without git, nobody is asked. */
static void start_git(const struct kf_tree *tree, const char *const *argv, struct kf_output *ret)
{
	/* Not to be led to another repository. */
	static const char *const env[] = { "LC_ALL=C",	    "GIT_OPTIONAL_LOCKS=0", "GIT_DIR",
					   "GIT_WORK_TREE", "GIT_INDEX_FILE",	    NULL };
	const struct kf_process p = {
		.argv = argv, .dir = tree->dir, .env = env, .in = -1, .out = -1, .err = -1
	};
	char path[PATH_MAX];

	if (!kf_text_format(path, sizeof(path), "%s/.git", tree->dir) || access(path, F_OK) < 0 ||
	    kf_output_start(&p, ret, NULL) < 0)
		*ret = (struct kf_output){ 0 };
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
	kf_text_format(new->commit, sizeof(new->commit), "%s", commit);
	start_git(tree, argv, &new->git);
	q->count++;
}

/* git's answer: how many commits each side has for itself. It fails for a commit not there. */
static int receive(struct question *q, int64_t deadline_ms, struct kf_error *err)
{
	_cleanup_(kf_freep) char *text = NULL;
	int r = q->git.pid ? kf_output_read(&q->git, deadline_ms, ANSWER_MAX, &text, err) : 0;

	q->late = r == -ETIMEDOUT;
	q->known = r == 0 && text && sscanf(text, "%u %u", &q->behind, &q->ahead) == 2;
	return r == -EINTR ? r : 0;
}

/* scripts/buildcommands.py writes it into each firmware: data['app'] = 'Klipper'. */
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

/* The tree's own version. ret_why: why git does not tell it. */
static int find_head(const struct kf_tree *tree, int64_t deadline_ms, struct kf_tree_head *ret,
		     struct kf_error *ret_why)
{
	struct kf_tree asked = *tree;
	int r;

	find_app(tree, ret->app, sizeof(ret->app));
	asked.git_ms = deadline_ms - kf_now_ms();
	r = kf_tree_describe(&asked, ret_why);
	if (r == 0 && !asked.version[0])
		kf_fail(ret_why, KF_NO_TREE, "the source tree has no git");
	if (r == 0 && kf_version_parse(asked.version, &ret->version))
		kf_text_format(ret->text, sizeof(ret->text), "%s", asked.version);
	else if (r == 0 && asked.version[0])
		kf_fail(ret_why, KF_NO_TREE, "the source tree's own version names no commit");
	return r == -EINTR ? r : 0;
}

static const char *current_name(const char *app)
{
	return strcmp(app, "Danger-Klipper") == 0 ? "Kalico" : app;
}

static void differ(struct kf_revision *ret, const char *reason)
{
	ret->state = KF_REVISION_DIFFERS;
	kf_text_format(ret->reason, sizeof(ret->reason), "%s", reason);
}

static void not_asked(struct kf_revision *ret, const char *reason)
{
	ret->state = KF_REVISION_NOT_ASKED;
	kf_text_format(ret->reason, sizeof(ret->reason), "%s", reason);
}

static bool is_shallow(const struct kf_tree *tree)
{
	char path[PATH_MAX];

	return kf_text_format(path, sizeof(path), "%s/.git/shallow", tree->dir) &&
	       access(path, F_OK) == 0;
}

/* Both are of one commit, or git has counted. */
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
			       is_shallow(tree) ? ", a shallow clone," : "",
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
		ret->state = ret->behind ? KF_REVISION_BEHIND : KF_REVISION_AHEAD;
	} else if (head->version.dirty) {
		differ(ret, "the source tree has changes that no version names");
	} else {
		ret->state = KF_REVISION_CURRENT;
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

const char *kf_revision_name(enum kf_revision_state state)
{
	static const char *const names[] = {
		[KF_REVISION_NOT_ASKED] = "not asked", [KF_REVISION_CURRENT] = "up to date",
		[KF_REVISION_BEHIND] = "behind",       [KF_REVISION_AHEAD] = "ahead",
		[KF_REVISION_DIFFERS] = "differs",
	};

	return names[state];
}

void kf_revision_text(const struct kf_revision *revision, char *ret, size_t size)
{
	const char *name = kf_revision_name(revision->state);
	unsigned commits = revision->behind ? revision->behind : revision->ahead;

	if (revision->reason[0])
		kf_text_format(ret, size, "%s: %s", name, revision->reason);
	else if (revision->state == KF_REVISION_CURRENT)
		kf_text_format(ret, size, "%s", name);
	else
		kf_text_format(ret, size, "%s by %u commit%s", name, commits,
			       commits == 1 ? "" : "s");
}
