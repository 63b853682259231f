/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Programs say ENOSPC in the user's language or in English; what could not be written to a log on
 * the full disk, the file system tells.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "build/room.h"
#include "core/file.h"
#include "core/paths.h"
#include "core/text.h"

/* make removes the file that it could not write: where it complains, that much may be free again.
 */
enum { LOG_TAIL = 64 * 1024, FULL_BYTES = 64 * 1024, AGAIN_FREE_BYTES = 4 * 1024 * 1024 };

/* The nearest folder above path, or path itself, that is there. */
static bool find_folder(const char *path, char ret[PATH_MAX])
{
	char *slash;

	if (!path || path[0] != '/' || !kf_text_format(ret, PATH_MAX, "%s", path))
		return false;
	while (access(ret, F_OK) < 0 && (slash = strrchr(ret, '/')) && slash != ret)
		*slash = '\0';
	return access(ret, F_OK) == 0;
}

static bool is_full(const char *folder, unsigned long least_bytes, bool *ret_inodes)
{
	struct statvfs fs;

	if (statvfs(folder, &fs) < 0 || fs.f_blocks == 0)
		return false;
	*ret_inodes = fs.f_files > 0 && fs.f_favail == 0;
	return *ret_inodes || fs.f_bavail * fs.f_frsize < least_bytes;
}

static bool same_disk(const char *a, const char *b)
{
	struct stat sa, sb;

	return stat(a, &sa) == 0 && stat(b, &sb) == 0 && sa.st_dev == sb.st_dev;
}

/* Does the end of the log complain of a full disk? */
static bool log_complains(const char *log)
{
	_cleanup_(kf_freep) char *text = calloc(1, LOG_TAIL + 1);
	locale_t locale = newlocale(LC_MESSAGES_MASK, "", (locale_t)0);
	int fd = log ? open(log, O_RDONLY | O_CLOEXEC | O_NOFOLLOW) : -1;
	struct stat st;
	bool found = false;

	if (text && fd >= 0 && fstat(fd, &st) == 0 &&
	    pread(fd, text, LOG_TAIL, st.st_size > LOG_TAIL ? st.st_size - LOG_TAIL : 0) > 0)
		found = strstr(text, "No space left on device") ||
			(locale && strstr(text, strerror_l(ENOSPC, locale)));
	kf_closep(&fd);
	if (locale)
		freelocale(locale);
	return found;
}

/* ccache's folder where no variable names it: ccache(1), "cache_dir". */
static const char *ccache_folder(char ret[PATH_MAX])
{
	const char *dir = getenv("CCACHE_DIR"), *cache = getenv("XDG_CACHE_HOME");

	if (dir)
		return dir;
	if (cache)
		return kf_text_format(ret, PATH_MAX, "%s/ccache", cache) ? ret : NULL;
	return kf_path_expand("~/.cache/ccache", ret, NULL) == 0 ? ret : NULL;
}

static void blame(const char *folder, bool inodes, struct kf_error *err)
{
	char message[sizeof(err->message)];

	kf_text_format(message, sizeof(message), "%s", err->message);
	kf_text_format(err->message, sizeof(err->message), "no space is left%s%s: %s",
		       folder ? " on the disk of " : "", folder ? folder : "", message);
	kf_error_hint(err, "make room there: df %s%s%s", inodes ? "-i" : "-h", folder ? " " : "",
		      folder ? folder : "");
}

void kf_room_blame(const char *out, const char *log, struct kf_error *err)
{
	const char *tmp = getenv("TMPDIR");
	char ccache[PATH_MAX], log_folder[PATH_MAX] = "", folder[PATH_MAX];
	const char *const places[] = { out, log, tmp ? tmp : "/tmp", ccache_folder(ccache) };
	bool complains = log_complains(log), inodes = false;

	if (!err)
		return;
	find_folder(log, log_folder);
	for (size_t i = 0; i < KF_ARRAY_SIZE(places); i++) {
		if (!find_folder(places[i], folder) ||
		    !is_full(folder, complains ? AGAIN_FREE_BYTES : FULL_BYTES, &inodes))
			continue;
		/* Full, but not why make failed, unless its log could not be written either. */
		if (!complains && !same_disk(folder, log_folder))
			continue;
		blame(folder, inodes, err);
		return;
	}
	if (complains)
		blame(NULL, false, err);
}
