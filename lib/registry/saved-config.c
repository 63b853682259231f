/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/file.h"
#include "core/paths.h"
#include "registry/saved-config.h"

enum { DAY_S = 24 * 60 * 60 };

int kf_saved_config_path(const char *key, char ret[PATH_MAX], struct kf_error *err)
{
	return kf_path(KF_DIR_CONFIG, ret, err, "configs/%s/.config", key);
}

int kf_saved_config_days(const char *key)
{
	char path[PATH_MAX];
	struct stat st;
	time_t age;
	int r;

	r = kf_saved_config_path(key, path, NULL);
	if (r < 0)
		return r;
	if (stat(path, &st) < 0)
		return -errno;
	age = time(NULL) - st.st_mtime;
	return age < 0 ? 0 : (int)(age / DAY_S);
}

int kf_saved_config_write(const char *key, const struct kf_kconfig *config, struct kf_error *err)
{
	char saved[PATH_MAX], old[PATH_MAX];
	int r;

	r = kf_saved_config_path(key, saved, err);
	if (r == 0)
		r = kf_path_follow(saved, err);
	if (r < 0)
		return r;
	if (kf_kconfig_is_file(config, saved))
		return 0;
	r = kf_path_format(old, err, "%s.old", saved);
	if (r == 0 && access(saved, F_OK) == 0)
		r = kf_file_copy(saved, old, KF_SAVED_CONFIG_MAX, err);
	return r < 0 ? r : kf_file_write(saved, config->text, config->len, err);
}

int kf_saved_config_missing(const char *key, struct kf_error *err)
{
	char path[PATH_MAX];
	int r = kf_saved_config_path(key, path, err);

	if (r < 0)
		return r;
	kf_fail(err, KF_NO_CONFIG, "no configuration is saved for this board");
	return kf_error_hint(
		err, "make one on a terminal with kf config %s, or put a .config at %s", key, path);
}

int kf_saved_config_remove(const char *key, bool keep, struct kf_error *err)
{
	char path[PATH_MAX];
	int r;

	r = kf_path(KF_DIR_CACHE, path, err, "configs/%s", key);
	if (r == 0)
		r = kf_dir_remove(path, err);
	if (r < 0 || keep)
		return r;
	r = kf_path(KF_DIR_CONFIG, path, err, "configs/%s", key);
	return r < 0 ? r : kf_dir_remove(path, err);
}
