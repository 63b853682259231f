/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A source tree opened and made in: what make is told, and what it never hears of. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "build/source.h"
#include "core/clock.h"
#include "core/file.h"
#include "unit/test.h"

static char root[] = "/tmp/kf-tree-XXXXXX";

static const char *at(const char *name)
{
	static char paths[4][PATH_MAX];
	static unsigned turn;
	char *path = paths[turn++ % KF_ARRAY_SIZE(paths)];

	snprintf(path, PATH_MAX, "%s/%s", root, name);
	return path;
}

static void put(const char *name, const char *text)
{
	CHECK(kf_file_write(at(name), text, strlen(text), NULL) == 0);
}

/* Run a target of the tree; what it said is in text. */
static int run(const char *const *targets, const char *out, int64_t timeout_ms, char text[4096],
	       int *ret, struct kf_error *err)
{
	struct kf_make make = { .out = out, .config = at("cfg"), .targets = targets, .tty = -1 };
	struct kf_tree tree;
	ssize_t n;
	int r;

	CHECK(kf_tree_open(root, &tree, err) == 0);
	make.tree = &tree;
	make.log_fd = open(at("log"), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	make.deadline_ms = kf_now_ms() + timeout_ms;
	r = kf_tree_make(&make, ret, err);
	n = pread(make.log_fd, text, 4095, 0);
	text[n > 0 ? n : 0] = '\0';
	close(make.log_fd);
	return r;
}

static const char makefile[] = "OUT=out/\n"
			       "KCONFIG_CONFIG=.config\n"
			       "show:\n"
			       "\t@echo OUT=$(OUT) CONFIG=$(KCONFIG_CONFIG) FLAG=$(FLAG)\n"
			       "\t@env | grep -E '^(V|OUT|srctree|MAKELEVEL|PYTHOND.*)=' | sort\n"
			       "\t@tty 2>&1; test -d $(OUT) && echo made; pwd\n";

TEST(make_is_told_where)
{
	static const char *const targets[] = { "show", "FLAG=on", NULL };
	char text[4096], want[4096];
	int status = -1;

	setenv("OUT", "/elsewhere/", 1);
	setenv("MAKEFLAGS", "-n", 1);
	setenv("V", "1", 1);
	setenv("srctree", "/elsewhere", 1);
	CHECK(run(targets, at("new/out/"), 9000, text, &status, NULL) == 0);
	CHECK(kf_process_status(status) == 0);
	snprintf(want, sizeof(want),
		 "OUT=%s/new/out/ CONFIG=%s/cfg FLAG=on\nMAKELEVEL=1\nOUT=%s/new/out/\n"
		 "PYTHONDONTWRITEBYTECODE=1\nnot a tty\nmade\n%s\n",
		 root, root, root, root);
	CHECK_STR(text, want);
	unsetenv("OUT");
	unsetenv("MAKEFLAGS");
	unsetenv("V");
	unsetenv("srctree");
}

TEST(paths_that_make_cannot_take)
{
	static const char *const targets[] = { "show", NULL };
	struct kf_error err = { 0 };
	struct kf_tree tree;
	char text[4096];
	int status;

	CHECK(run(targets, at("a b/"), 9000, text, &status, &err) < 0);
	CHECK(err.code == KF_CONFIG && strstr(err.message, "a space"));
	CHECK(strstr(err.hint, "XDG_CACHE_HOME"));
	CHECK(access(at("a b"), F_OK) < 0);
	CHECK(kf_dir_make(at("x$y"), NULL) == 0);
	CHECK(kf_tree_open(at("x$y"), &tree, &err) < 0);
	CHECK(err.code == KF_NO_TREE && strstr(err.message, "'$'"));
}

TEST(what_is_no_tree)
{
	struct kf_error err = { 0 };
	struct kf_tree tree;

	CHECK(kf_tree_open(at("missing"), &tree, &err) < 0);
	CHECK(err.code == KF_NO_TREE && strstr(err.message, "No such file"));
	CHECK(kf_dir_make(at("empty"), NULL) == 0);
	CHECK(kf_tree_open(at("empty"), &tree, &err) < 0);
	CHECK(err.code == KF_NO_TREE && strstr(err.message, "Makefile"));
	put("empty/Makefile", "all:\n");
	CHECK(kf_tree_open(at("empty"), &tree, &err) < 0);
	CHECK(strstr(err.message, "src/Kconfig"));
	CHECK(kf_tree_open("relative", &tree, &err) < 0);
}

static int look(struct kf_tree *ret, char source[KF_HEX_SIZE])
{
	int r = kf_tree_open(root, ret, NULL);

	if (r == 0)
		r = kf_tree_describe(ret, NULL);
	return r < 0 ? r : kf_source_hash(ret, source, NULL);
}

TEST(version_is_gits)
{
	static const char *const git[] = {
		"sh", "-c",
		"git init -q . && git add Makefile src && git -c user.name=x -c user.email=x@y "
		"commit -qm x && git -c user.name=x -c user.email=x@y tag -m v v1.2.3",
		NULL
	};
	const struct kf_process p = { .argv = git, .dir = root, .in = -1, .out = -1, .err = 2 };
	static const char *const tag[] = { "git", "tag", "v2", NULL };
	struct kf_process p2 = p;
	char source[5][KF_HEX_SIZE];
	struct kf_tree tree;
	int status = -1;

	CHECK(look(&tree, source[0]) == 0);
	CHECK_STR(tree.version, "");
	CHECK_STR(tree.dir, root);
	CHECK(kf_process_run(&p, kf_now_ms() + 9000, &status, NULL) == 0 && status == 0);
	CHECK(look(&tree, source[1]) == 0);
	CHECK(strncmp(tree.version, "v1.2.3-0-g", 10) == 0);
	put("src/Kconfig", "# changed\n");
	CHECK(look(&tree, source[2]) == 0);
	CHECK(strstr(tree.version, "-dirty"));
	p2.argv = tag;
	CHECK(kf_process_run(&p2, kf_now_ms() + 9000, &status, NULL) == 0 && status == 0);
	CHECK(look(&tree, source[3]) == 0);
	for (int i = 0; i < 4; i++)
		for (int j = 0; j < i; j++)
			CHECK(strcmp(source[i], source[j]) != 0);
	CHECK(look(&tree, source[4]) == 0);
	CHECK_STR(source[4], source[3]);
	setenv("HOME", root, 1);
	CHECK(kf_tree_open("~", &tree, NULL) == 0);
	CHECK_STR(tree.dir, root);
}

TEST(missing_programs_are_named)
{
	char text[4096], *path = strdup(getenv("PATH"));
	static const char *const targets[] = { "show", NULL };
	struct kf_error err = { 0 };
	int status;

	CHECK(symlink("/usr/bin/make", at("empty/make")) == 0);
	setenv("PATH", at("empty"), 1);
	CHECK(run(targets, at("out/"), 9000, text, &status, &err) < 0);
	CHECK(err.code == KF_NO_TOOLCHAIN);
	CHECK_STR(err.message, "python3 is missing; a build needs it");
	CHECK_STR(err.hint, "sudo apt-get install python3");
	setenv("PATH", at("src"), 1);
	CHECK(run(targets, at("out/"), 9000, text, &status, &err) < 0);
	CHECK_STR(err.hint, "sudo apt-get install make");
	setenv("PATH", path, 1);
	free(path);
}

PROGRAM
{
	static const struct test tests[] = {
		T(make_is_told_where), T(paths_that_make_cannot_take), T(what_is_no_tree),
		T(version_is_gits),    T(missing_programs_are_named),
	};
	int r;

	if (!mkdtemp(root))
		return 1;
	put("Makefile", makefile);
	put("src/Kconfig", "");
	r = test_main(tests, KF_ARRAY_SIZE(tests));
	IGNORE_RESULT(kf_dir_remove(root, NULL));
	return r;
}
