/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The search path: our own folder, then those of PATH. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/process.h"
#include "core/text.h"
#include "core/toolpath.h"

enum { MAN_MS = 5000, HELP_MAX = 1 << 16 };

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

int kf_tool_find(const char *name, char ret[PATH_MAX], struct kf_error *err)
{
	char own[PATH_MAX], path[PATH_MAX];
	bool plain = !strchr(name, '/');

	own_folder(own);
	if (plain &&
	    ((kf_text_format(path, sizeof(path), "%s/%s", own, name) && kf_process_exists(path)) ||
	     kf_process_find(name, path))) {
		memcpy(ret, path, PATH_MAX);
		return 0;
	}
	kf_fail(err, KF_CONFIG, "%s is neither in %s nor on PATH", name, own);
	kf_error_hint(err, "reinstall kalico-flash");
	return -ENOENT;
}

static size_t length(const char *const *words)
{
	size_t n = 0;

	while (words[n])
		n++;
	return n;
}

int kf_tool_exec(const char *called, const char *const *args, char *const *rest,
		 struct kf_error *err)
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
	if (called)
		argv[0] = called;
	execv(path, (char *const *)argv);
	return kf_fail_sys(err, errno, "%s", path);
}

bool kf_tool_named(const char *prefix, const char *name, char ret[NAME_MAX + 1])
{
	char path[PATH_MAX];

	return kf_text_format(ret, NAME_MAX + 1, "%s%s", prefix, name) &&
	       kf_tool_find(ret, path, NULL) == 0;
}

int kf_tool_exec_named(const char *prefix, const char *name, char *const *rest,
		       struct kf_error *err)
{
	char tool[NAME_MAX + 1];

	if (kf_tool_named(prefix, name, tool))
		return kf_tool_exec(NULL, (const char *[]){ tool, NULL }, rest, err);
	kf_fail(err, KF_USAGE, "there is no command \"%s\"", name);
	kf_error_hint(err, "kf --help lists the commands");
	return -ENOENT;
}

int kf_tool_help(const char *tool, char **ret, struct kf_error *err)
{
	char path[PATH_MAX];
	const char *const argv[] = { path, "--help", NULL };
	const struct kf_process process = {
		.argv = argv, .in = -1, .out = -1, .err = STDERR_FILENO
	};
	int r = kf_tool_find(tool, path, err);

	return r < 0 ? r : kf_process_output(&process, kf_now_ms() + MAN_MS, HELP_MAX, ret, err);
}

int kf_tool_exec_help(const char *tool, struct kf_error *err)
{
	static char *const nothing[] = { NULL };
	const char *const find[] = { "man", "-w", tool, NULL };
	const struct kf_process process = { .argv = find, .in = -1, .out = -1, .err = -1 };
	_cleanup_(kf_freep) char *page = NULL;

	if (isatty(STDOUT_FILENO) &&
	    kf_process_output(&process, kf_now_ms() + MAN_MS, PATH_MAX, &page, NULL) == 0)
		return kf_tool_exec(NULL, (const char *[]){ "man", tool, NULL }, nothing, err);
	return kf_tool_exec(NULL, (const char *[]){ tool, "--help", NULL }, nothing, err);
}
