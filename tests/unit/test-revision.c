/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Versions against a source tree: a small repository with two branches. */
#include <stdlib.h>
#include <unistd.h>

#include "build/revision.h"
#include "core/clock.h"
#include "core/file.h"
#include "unit/test.h"

static char root[] = "/tmp/kf-revision-XXXXXX";
static struct kf_tree tree;
static char commits[4][64]; /* v1.0, two on top of it, and one of another branch */

/* The output of a git command in the tree, its newline cut off. */
static void git(char *ret, size_t size, const char *const *words)
{
	static const char *const env[] = { "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@a",
					   "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@a",
					   NULL };
	const char *argv[12] = { "git" };
	const struct kf_process p = { .argv = argv, .dir = root, .env = env, .in = -1, .err = -1 };
	_cleanup_(kf_freep) char *text = NULL;

	for (size_t i = 0; words[i]; i++)
		argv[i + 1] = words[i];
	CHECK(kf_process_output(&p, kf_now_ms() + 9000, 4096, &text, NULL) == 0);
	if (text && ret)
		snprintf(ret, size, "%.*s", (int)strcspn(text, "\n"), text);
}

#define GIT(...) git(NULL, 0, (const char *const[]){ __VA_ARGS__, NULL })

static void put(const char *name, const char *text)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	CHECK(kf_file_write(path, text, strlen(text), NULL) == 0);
}

static void commit(const char *text, char ret[64])
{
	put("src/Kconfig", text);
	GIT("add", "-A");
	GIT("commit", "-q", "-m", text);
	git(ret, 64, (const char *const[]){ "rev-parse", "HEAD", NULL });
}

static void make_tree(void)
{
	CHECK(mkdtemp(root) != NULL);
	put("Makefile", "all:\n");
	put("scripts/buildcommands.py", "        data['app'] = 'Klipper'\n");
	GIT("init", "-q", "-b", "main");
	commit("one", commits[0]);
	GIT("tag", "v1.0");
	commit("two", commits[1]);
	commit("three", commits[2]);
	GIT("checkout", "-q", "-b", "other", "HEAD~1");
	commit("four", commits[3]);
	GIT("checkout", "-q", "main");
	CHECK(kf_tree_open(root, &tree, NULL) == 0);
}

static void check(const char *app, const char *version, const char *want)
{
	struct kf_running running = { app, version };
	struct kf_revision revision;
	char text[320];

	CHECK(kf_revisions_compare(&tree, &running, 1, kf_now_ms() + 9000, &revision, NULL, NULL) ==
	      0);
	kf_revision_text(&revision, text, sizeof(text));
	CHECK_STR(text, want);
}

/* "v1.0-7-gHASH..." of a commit, its hash cut to digits. */
static const char *described(const char *hash, int digits, const char *rest)
{
	static char text[128];

	snprintf(text, sizeof(text), "v1.0-7-g%.*s%s", digits, hash, rest);
	return text;
}

TEST(a_version_is_current_behind_ahead_or_of_another_branch)
{
	char bare[64];

	make_tree();
	check("Klipper", described(commits[2], 9, ""), "up to date");
	check("Klipper", described(commits[2], 40, ""), "up to date");
	/* two compilers of different versions: no other source */
	check("Klipper", described(commits[2], 9, "-20260101_120000-host"), "up to date");
	check("", described(commits[1], 9, ""), "behind by 1 commit");
	check(NULL, "v1.0", "behind by 2 commits");
	check("Klipper", "v1.0-0-g0000000",
	      "differs: the source tree does not know its commit 0000000");
	check("Klipper", "v3.0", "differs: the source tree does not know its tag v3.0");
	snprintf(bare, sizeof(bare), "%.9s", commits[0]); /* git describe --always */
	check("Klipper", bare, "behind by 2 commits");
	check("Klipper", described(commits[3], 9, ""),
	      "differs: it is of another branch: 1 of its commits is not in the source tree, 1 of "
	      "the tree's not in it");
	check("Klipper", described(commits[2], 9, "-dirty-20260101_120000-host"),
	      "differs: it was built from a changed source tree");
	GIT("checkout", "-q", "HEAD~1");
	check("Klipper", described(commits[2], 9, ""), "ahead by 1 commit");
	GIT("checkout", "-q", "main");
}

TEST(an_app_and_hostile_texts_are_told)
{
	check("Kalico", described(commits[2], 9, ""),
	      "differs: it is Kalico, and the source tree is Klipper");
	check("Danger-Klipper", "v1.0",
	      "differs: it is Danger-Klipper, and the source tree is Klipper");
	check("Klipper", "?-20260101_120000-host", "not asked: its version names no commit");
	check("Klipper", "--output=/tmp/x", "not asked: its version names no commit");
	check("Klipper", "main..other", "not asked: its version names no commit");
	check("Klipper", "", "not asked: its version is not known");
	check("a\033[2J", "v1.0", "differs: it is a?[2J, and the source tree is Klipper");
}

TEST(many_boards_are_compared_at_once)
{
	struct kf_running running[100];
	struct kf_revision ret[100];
	struct kf_tree_head head;
	char texts[100][64];

	for (size_t i = 0; i < 100; i++) {
		snprintf(texts[i], sizeof(texts[i]), "v1.0-%zu-g%.9s", i, commits[i % 3]);
		running[i] = (struct kf_running){ "Klipper", texts[i] };
	}
	CHECK(kf_revisions_compare(&tree, running, 100, kf_now_ms() + 9000, ret, &head, NULL) == 0);
	for (size_t i = 0; i < 100; i++)
		CHECK(ret[i].behind == 2 - i % 3 && ret[i].ahead == 0);
	CHECK_STR(head.app, "Klipper");
	CHECK(strncmp(head.text, "v1.0-2-g", 8) == 0 && head.version.commits == 2);
}

TEST(a_changed_tree_and_one_without_git_are_told)
{
	char away[PATH_MAX], dir[PATH_MAX];

	put("src/Kconfig", "changed");
	check("Klipper", described(commits[2], 9, ""),
	      "differs: the source tree has changes that no version names");
	check("Klipper", "v1.0", "behind by 2 commits");
	snprintf(dir, sizeof(dir), "%s/.git", root);
	snprintf(away, sizeof(away), "%s/git", root);
	CHECK(rename(dir, away) == 0);
	check("Klipper", "v1.0", "not asked: the source tree has no git");
	check("Kalico", "v1.0", "differs: it is Kalico, and the source tree is Klipper");
	CHECK(kf_dir_remove(root, NULL) == 0);
}

TEST_MAIN(T(a_version_is_current_behind_ahead_or_of_another_branch),
	  T(an_app_and_hostile_texts_are_told), T(many_boards_are_compared_at_once),
	  T(a_changed_tree_and_one_without_git_are_told))
