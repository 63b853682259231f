/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The search path: our own folder, then those of PATH. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/process.h"
#include "core/text.h"
#include "core/toolpath.h"

enum { WORD_SIZE = 32, NEAREST_MAX = 3, DISTANCE_MAX = 2, MAN_MS = 5000 };

struct nearest {
	char word[NEAREST_MAX][WORD_SIZE];
	unsigned distance[NEAREST_MAX];
	size_t count;
};

/* Empty if /proc cannot tell. */
static void own_folder(char ret[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", ret, PATH_MAX - 1);
	char *slash;

	ret[n < 0 ? 0 : n] = '\0';
	slash = strrchr(ret, '/');
	if (slash)
		*slash = '\0';
}

/* Our own folder and PATH, for strsep(3). The caller frees it; NULL: no memory. */
static char *search_path(void)
{
	const char *path = getenv("PATH");
	char own[PATH_MAX], *ret = NULL;

	own_folder(own);
	return asprintf(&ret, "%s:%s", own, path ? path : "") < 0 ? NULL : ret;
}

/* Relative folders are left out: what runs must not depend on the working directory. */
static bool is_tool(const char *dir, const char *name, char ret[PATH_MAX])
{
	return dir[0] == '/' && kf_text_format(ret, PATH_MAX, "%s/%s", dir, name) &&
	       kf_process_exists(ret);
}

int kf_tool_find(const char *name, char ret[PATH_MAX], struct kf_error *err)
{
	_cleanup_(kf_freep) char *folders = search_path();
	char own[PATH_MAX], path[PATH_MAX], *rest = strchr(name, '/') ? NULL : folders;

	while (rest) {
		if (is_tool(strsep(&rest, ":"), name, path)) {
			memcpy(ret, path, PATH_MAX);
			return 0;
		}
	}
	own_folder(own);
	kf_fail(err, KF_CONFIG, "%s is neither in %s nor on PATH", name, own);
	kf_error_hint(err, "install all of kalico-flash");
	return -ENOENT;
}

static size_t length(const char *const *words)
{
	size_t n = 0;

	while (words[n])
		n++;
	return n;
}

int kf_tool_exec(const char *const *args, char *const *rest, struct kf_error *err)
{
	size_t n = length(args), m = length((const char *const *)rest);
	_cleanup_(kf_freep) const char **argv = calloc(n + m + 1, sizeof(*argv));
	char path[PATH_MAX];
	int r;

	if (!argv)
		return kf_fail_sys(err, ENOMEM, "%s", args[0]);
	r = kf_tool_find(args[0], path, err);
	if (r < 0)
		return r;
	memcpy(argv, args, n * sizeof(*argv));
	memcpy(argv + n, rest, m * sizeof(*argv));
	execv(path, (char *const *)argv);
	return kf_fail_sys(err, errno, "%s", path);
}

static unsigned smaller(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Damerau-Levenshtein distance (optimal string alignment): one typing mistake costs 1. */
static unsigned distance(const char *a, const char *b)
{
	unsigned d[WORD_SIZE][WORD_SIZE];
	size_t n = strlen(a), m = strlen(b);

	if (n >= WORD_SIZE || m >= WORD_SIZE)
		return UINT_MAX;
	for (size_t i = 0; i <= n; i++) {
		for (size_t j = 0; j <= m; j++) {
			if (i == 0 || j == 0) {
				d[i][j] = (unsigned)(i + j);
				continue;
			}
			d[i][j] = smaller(d[i - 1][j - 1] + (a[i - 1] != b[j - 1]),
					  smaller(d[i - 1][j], d[i][j - 1]) + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				d[i][j] = smaller(d[i][j], d[i - 2][j - 2] + 1);
		}
	}
	return d[n][m];
}

/* Keep word if it is one of the NEAREST_MAX nearest; of equals the first one stays. */
static void consider(struct nearest *near, const char *name, const char *word)
{
	unsigned d = distance(name, word);
	size_t at;

	/* A short word is not like another only because both are short. */
	if (d > DISTANCE_MAX || d >= strlen(name))
		return;
	for (size_t i = 0; i < near->count; i++)
		if (strcmp(near->word[i], word) == 0)
			return;
	for (at = near->count; at > 0 && near->distance[at - 1] > d; at--)
		;
	if (at == NEAREST_MAX)
		return;
	if (near->count < NEAREST_MAX)
		near->count++;
	for (size_t i = near->count - 1; i > at; i--) {
		near->distance[i] = near->distance[i - 1];
		memcpy(near->word[i], near->word[i - 1], WORD_SIZE);
	}
	near->distance[at] = d;
	kf_text_format(near->word[at], WORD_SIZE, "%s", word);
}

static void consider_folder(struct nearest *near, const char *name, const char *prefix,
			    const char *dir)
{
	_cleanup_(kf_closedirp) DIR *d = dir[0] == '/' ? opendir(dir) : NULL;
	char path[PATH_MAX];
	struct dirent *entry;

	while (d && (entry = readdir(d)))
		if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0 &&
		    is_tool(dir, entry->d_name, path))
			consider(near, name, entry->d_name + strlen(prefix));
}

bool kf_tool_nearest(const char *prefix, const char *name, const char *const *words, char *ret,
		     size_t size)
{
	_cleanup_(kf_freep) char *folders = search_path();
	struct nearest near = { .count = 0 };
	char *rest = folders;

	for (; *words; words++)
		consider(&near, name, *words);
	while (rest)
		consider_folder(&near, name, prefix, strsep(&rest, ":"));
	ret[0] = '\0';
	for (size_t i = 0; i < near.count; i++)
		kf_text_add(ret, size, ", ", near.word[i]);
	return near.count > 0;
}

bool kf_tool_named(const char *prefix, const char *name, char ret[NAME_MAX + 1])
{
	char path[PATH_MAX];

	return kf_text_format(ret, NAME_MAX + 1, "%s%s", prefix, name) &&
	       kf_tool_find(ret, path, NULL) == 0;
}

int kf_tool_exec_named(const char *prefix, const char *name, const char *const *words,
		       char *const *rest, struct kf_error *err)
{
	char tool[NAME_MAX + 1], near[NEAREST_MAX * (WORD_SIZE + 2)];

	if (kf_tool_named(prefix, name, tool))
		return kf_tool_exec((const char *[]){ tool, NULL }, rest, err);
	kf_fail(err, KF_USAGE, "there is no command \"%s\"", name);
	if (kf_tool_nearest(prefix, name, words, near, sizeof(near)))
		kf_error_hint(err, "the nearest: %s", near);
	else
		kf_error_hint(err, "kf --help lists the commands");
	return -ENOENT;
}

int kf_tool_exec_help(const char *tool, struct kf_error *err)
{
	static char *const nothing[] = { NULL };
	const char *const find[] = { "man", "-w", tool, NULL };
	const struct kf_process process = { .argv = find, .in = -1, .out = -1, .err = -1 };
	_cleanup_(kf_freep) char *page = NULL;

	if (isatty(STDOUT_FILENO) &&
	    kf_process_output(&process, kf_now_ms() + MAN_MS, PATH_MAX, &page, NULL) == 0)
		return kf_tool_exec((const char *[]){ "man", tool, NULL }, nothing, err);
	return kf_tool_exec((const char *[]){ tool, "--help", NULL }, nothing, err);
}
