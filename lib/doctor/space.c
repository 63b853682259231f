/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Checks our folders for free space and for files of another user (root, by sudo). */
#include <errno.h>
#include <fts.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/paths.h"
#include "doctor/check.h"

/* A build takes 10 to 20 MB of the cache, and a kept one less than 2 MB. */
enum { CONFIG_MB = 1, CACHE_MB = 100, STATE_MB = 20 };

/* The folder itself, or the nearest above it that is there. */
static void existing(char path[PATH_MAX])
{
	char *slash;

	while (access(path, F_OK) < 0 && (slash = strrchr(path, '/')) && slash != path)
		*slash = '\0';
	if (access(path, F_OK) < 0)
		strcpy(path, "/");
}

/* A file of the user's own may be read-only, as those of a repository are. */
static int check_entry(const char *folder, const FTSENT *entry, struct kf_error *err)
{
	bool is_folder = entry->fts_info == FTS_D, foreign;
	int r = 0;

	if (!is_folder && entry->fts_info != FTS_F)
		return 0;
	foreign = entry->fts_statp->st_uid != geteuid();
	if (is_folder)
		r = kf_path_check(entry->fts_path, err);
	if (r == 0 && (is_folder || foreign) && access(entry->fts_path, R_OK | W_OK) < 0)
		r = kf_fail_sys(err, errno, "%s cannot be written", entry->fts_path);
	if (r < 0 && foreign && geteuid() != 0 && !strstr(err->hint, "unset"))
		kf_error_hint(err, "make all its files yours: sudo chown -R $USER %s", folder);
	return r;
}

/* Check that all in the folder may be used. Errors name the first file that may not. */
static int check_tree(char *folder, struct kf_error *err)
{
	char *const roots[] = { folder, NULL };
	FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, NULL);
	const FTSENT *entry;
	int r = 0;

	if (!tree)
		return kf_fail_sys(err, errno, "%s", folder);
	while (r == 0 && !kf_stop_signal() && (entry = fts_read(tree)))
		r = check_entry(folder, entry, err);
	fts_close(tree);
	return r;
}

static void check_space(struct kf_doctor *doctor, const char *name, const char *path,
			unsigned need_mb)
{
	unsigned long long free_mb;
	struct statvfs fs;

	if (statvfs(path, &fs) < 0) {
		kf_doctor_report(doctor, KF_HEALTH_WRONG, name, NULL, "%s: %s", path,
				 strerror(errno));
		return;
	}
	free_mb = (unsigned long long)fs.f_bavail * fs.f_frsize / 1000000;
	if (access(path, W_OK) < 0)
		kf_doctor_report(doctor, KF_HEALTH_WRONG, name,
				 "make it yours (sudo chown), or mount it writable",
				 "%s cannot be written: %s", path, strerror(errno));
	else if (free_mb < need_mb)
		kf_doctor_report(
			doctor, KF_HEALTH_WRONG, name, "free some space on that file system: df -h",
			"%llu MB are free at %s; %u MB are needed", free_mb, path, need_mb);
	else
		kf_doctor_report(doctor, KF_HEALTH_OK, name, NULL, "%llu MB are free at %s",
				 free_mb, path);
}

void kf_doctor_space(struct kf_doctor *doctor)
{
	static const struct {
		enum kf_dir dir;
		const char *name;
		unsigned need_mb;
	} folders[] = { { KF_DIR_CONFIG, "config", CONFIG_MB },
			{ KF_DIR_CACHE, "cache", CACHE_MB },
			{ KF_DIR_STATE, "state", STATE_MB } };
	struct kf_error err = { 0 };
	char path[PATH_MAX];

	for (size_t i = 0; i < KF_ARRAY_SIZE(folders); i++) {
		if (kf_path(folders[i].dir, path, &err, "%s", "") < 0 ||
		    check_tree(path, &err) < 0) {
			kf_doctor_report_error(doctor, KF_HEALTH_WRONG, folders[i].name, &err);
			continue;
		}
		existing(path);
		check_space(doctor, folders[i].name, path, folders[i].need_mb);
	}
}
