/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A board's saved configuration: $XDG_CONFIG_HOME/kalico-flash/configs/KEY/.config. */
#ifndef KF_REGISTRY_SAVED_CONFIG_H
#define KF_REGISTRY_SAVED_CONFIG_H

#include <limits.h>

#include "core/error.h"
#include "firmware/kconfig.h"

/* A longer one is no configuration. */
enum { KF_SAVED_CONFIG_MAX = 1 << 20 };

/* The path. Errors as kf_path. */
_must_check_ int kf_saved_config_path(const char *key, char ret[PATH_MAX], struct kf_error *err);

/* How many days ago it was saved; -ENOENT if there is none, or another negative errno. */
int kf_saved_config_days(const char *key);

/* Save config for this board; another one that was saved stays beside it as .config.old. */
_must_check_ int kf_saved_config_write(const char *key, const struct kf_kconfig *config,
				       struct kf_error *err);

/* KF_NO_CONFIG; the hint has the command that makes one. */
int kf_saved_config_missing(const char *key, struct kf_error *err);

/* Remove the board's files in the cache and, unless keep, its saved configuration. */
_must_check_ int kf_saved_config_remove(const char *key, bool keep, struct kf_error *err);

#endif
