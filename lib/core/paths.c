/* SPDX-License-Identifier: GPL-3.0-or-later */
/* XDG folders. Nothing is created here. */
#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/paths.h"
#include "core/private.h"
#include "core/text.h"

static const struct {
	const char *variable;
	const char *below_home;
} dirs[] = {
	[KF_DIR_CONFIG] = { "XDG_CONFIG_HOME", ".config" },
	[KF_DIR_CACHE] = { "XDG_CACHE_HOME", ".cache" },
	[KF_DIR_STATE] = { "XDG_STATE_HOME", ".local/state" },
};

static int home_dir(const char **ret, struct kf_error *err)
{
	const char *home = getenv("HOME");
	const struct passwd *pw;

	if (!home || home[0] != '/') {
		pw = getpwuid(getuid());
		home = pw ? pw->pw_dir : NULL;
	}
	if (!home || home[0] != '/') {
		kf_fail(err, KF_CONFIG, "no home directory: HOME is unset and user %u has none",
			(unsigned)getuid());
		kf_error_hint(err, "set HOME to an absolute path");
		return -EINVAL;
	}
	*ret = home;
	return 0;
}

int kf_path(enum kf_dir dir, char ret[PATH_MAX], struct kf_error *err, const char *fmt, ...)
{
	const char *base = getenv(dirs[dir].variable), *home = NULL;
	char name[PATH_MAX], path[PATH_MAX];
	bool fits;
	va_list ap;
	int r, n;

	va_start(ap, fmt);
	n = vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);
	if (base && base[0] == '/') {
		fits = kf_text_format(path, sizeof(path), "%s/kalico-flash", base);
	} else {
		r = home_dir(&home, err);
		if (r < 0)
			return r;
		fits = kf_text_format(path, sizeof(path), "%s/%s/kalico-flash", home,
				      dirs[dir].below_home);
	}
	if (n < 0 || (size_t)n >= sizeof(name) || !fits ||
	    strlen(path) + 1 + strlen(name) >= PATH_MAX)
		return kf_fail(err, KF_CONFIG, "%s leads to a path over %d bytes",
			       dirs[dir].variable, PATH_MAX);
	strcpy(ret, path);
	if (name[0])
		strcat(strcat(ret, "/"), name);
	return 0;
}

int kf_path_expand(const char *path, char ret[PATH_MAX], struct kf_error *err)
{
	const char *home = "", *rest = path;
	int r;

	if (path[0] == '~' && (path[1] == '/' || path[1] == '\0')) {
		r = home_dir(&home, err);
		if (r < 0)
			return r;
		rest = path + 1;
	}
	if (!kf_text_format(ret, PATH_MAX, "%s%s", home, rest))
		return kf_fail(err, KF_CONFIG, "%.64s...: a path over %d bytes", path, PATH_MAX);
	return 0;
}

int kf_path_follow(char path[PATH_MAX], struct kf_error *err)
{
	_cleanup_(kf_freep) char *real = NULL;
	int r = kf_private_check(path, err);

	if (r < 0)
		return r;
	real = realpath(path, NULL);
	if (!real)
		return errno == ENOENT ? 0 : kf_fail_sys(err, errno, "%s", path);
	kf_text_format(path, PATH_MAX, "%s", real);
	return 0;
}
