/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Finds the XDG folders and checks their owner and mode. Creates nothing. */
#include <errno.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/paths.h"
#include "core/text.h"

static const struct {
	const char *variable;
	const char *below_home;
} dirs[] = {
	[KF_DIR_CONFIG] = { "XDG_CONFIG_HOME", "/.config" },
	[KF_DIR_CACHE] = { "XDG_CACHE_HOME", "/.cache" },
	[KF_DIR_STATE] = { "XDG_STATE_HOME", "/.local/state" },
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
		return kf_error_hint(err, "set HOME to an absolute path");
	}
	*ret = home;
	return 0;
}

int kf_path(enum kf_dir dir, char ret[PATH_MAX], struct kf_error *err, const char *fmt, ...)
{
	const char *base = getenv(dirs[dir].variable), *below = "";
	char name[PATH_MAX], path[PATH_MAX];
	va_list ap;
	int r, n;

	if (!base || base[0] != '/') {
		r = home_dir(&base, err);
		if (r < 0)
			return r;
		below = dirs[dir].below_home;
	}
	va_start(ap, fmt);
	n = vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(name) ||
	    !kf_text_format(path, sizeof(path), "%s%s/kalico-flash%s%s", base, below,
			    name[0] ? "/" : "", name))
		return kf_fail(err, KF_CONFIG, "%s leads to a path over %d bytes",
			       dirs[dir].variable, PATH_MAX);
	memcpy(ret, path, PATH_MAX);
	return 0;
}

int kf_path_format(char ret[PATH_MAX], struct kf_error *err, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(ret, PATH_MAX, fmt, ap);
	va_end(ap);
	return n >= 0 && n < PATH_MAX ? 0 : kf_fail_sys(err, ENAMETOOLONG, "%.64s...", ret);
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

/* The variable that leads to another user's folder, for example one that su kept; NULL: none. */
static const char *foreign_variable(const char *path)
{
	const char *home, *base;
	size_t len;

	if (home_dir(&home, NULL) < 0)
		return NULL;
	len = strlen(home);
	if (strncmp(path, home, len) == 0 && (path[len] == '/' || !path[len]))
		return NULL;
	for (size_t i = 0; i < KF_ARRAY_SIZE(dirs); i++) {
		base = getenv(dirs[i].variable);
		if (base && base[0] == '/' && strncmp(path, base, strlen(base)) == 0)
			return dirs[i].variable;
	}
	return NULL;
}

static int fail_owner(const char *what, const struct stat *st, struct kf_error *err)
{
	kf_fail(err, KF_PERMISSION, "%s belongs to user %u, this is user %u", what,
		(unsigned)st->st_uid, (unsigned)geteuid());
	if (geteuid() == 0)
		return kf_error_hint(err, "run it as that user, without sudo");
	if (foreign_variable(what))
		return kf_error_hint(err, "your home is elsewhere: unset %s",
				     foreign_variable(what));
	return kf_error_hint(err, "make it yours (sudo chown -R $USER %s) or remove it", what);
}

/* Check one folder or file of the path. -ENOENT: it does not exist, nor does what is below it. */
static int check_step(const char *path, struct kf_error *err)
{
	struct stat st;

	if (lstat(path, &st) < 0) {
		const char *variable = errno == EACCES ? foreign_variable(path) : NULL;
		int r = errno == ENOENT ? -ENOENT : kf_fail_sys(err, errno, "%s", path);

		if (variable)
			kf_error_hint(err, "your home is elsewhere: unset %s", variable);
		return r;
	}
	if (S_ISLNK(st.st_mode)) {
		if (st.st_uid != geteuid() && st.st_uid != 0)
			return fail_owner(path, &st, err);
		if (stat(path, &st) < 0)
			return errno == ENOENT ? -ENOENT : kf_fail_sys(err, errno, "%s", path);
	}
	if (S_ISDIR(st.st_mode) && st.st_uid != geteuid())
		return fail_owner(path, &st, err);
	if ((S_ISDIR(st.st_mode) || S_ISREG(st.st_mode)) && st.st_mode & S_IWOTH) {
		kf_fail(err, KF_PERMISSION, "everybody may write to %s", path);
		return kf_error_hint(err, "check its files, then: chmod o-w %s", path);
	}
	return 0;
}

/* The length of the path of our folder that path is in; 0: it is in none. */
static size_t our_folder(const char *path)
{
	char base[PATH_MAX];
	size_t len;

	for (size_t i = 0; i < KF_ARRAY_SIZE(dirs); i++) {
		if (kf_path((enum kf_dir)i, base, NULL, "%s", "") < 0)
			continue;
		len = strlen(base);
		if (strncmp(path, base, len) == 0 && (path[len] == '/' || path[len] == '\0'))
			return len;
	}
	return 0;
}

int kf_path_check(const char *path, struct kf_error *err)
{
	size_t at = our_folder(path), len = strlen(path);
	char part[PATH_MAX];
	int r;

	while (at > 0 && at <= len) {
		r = kf_path_format(part, err, "%.*s", (int)at, path);
		if (r == 0)
			r = check_step(part, err);
		if (r < 0)
			return r == -ENOENT ? 0 : r;
		at++;
		at += strcspn(path + (at < len ? at : len), "/");
	}
	return 0;
}

int kf_path_follow(char path[PATH_MAX], struct kf_error *err)
{
	_cleanup_(kf_freep) char *real = NULL;
	int r = kf_path_check(path, err);

	if (r < 0)
		return r;
	real = realpath(path, NULL);
	if (!real)
		return errno == ENOENT ? 0 : kf_fail_sys(err, errno, "%s", path);
	kf_text_format(path, PATH_MAX, "%s", real);
	return 0;
}
