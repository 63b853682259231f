/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A Klippy process: is this one, and where are it and the Moonraker beside it to be found? */
#ifndef KF_KLIPPY_KLIPPY_H
#define KF_KLIPPY_KLIPPY_H

#include <limits.h>
#include <sys/types.h>

#include "core/base.h"

#define KF_KLIPPY_FOLDERS 4

struct kf_klippy {
	pid_t pid;
	char api[PATH_MAX];    /* its own socket (-a); empty: it has none */
	char config[PATH_MAX]; /* its printer.cfg; empty: not known */
	char tree[PATH_MAX];   /* of klippy/klippy.py; empty: not known */
	char python[PATH_MAX]; /* what runs it, as the command line has it; empty: itself */
	/* Each may be printer_data, with Moonraker's configuration in config/. */
	char folders[KF_KLIPPY_FOLDERS][PATH_MAX];
	size_t folder_count;
};

/*
 * Take a process' command line apart: args as /proc/PID/cmdline has them (len bytes), relative
 * paths from cwd (empty: not known, they are left out), home the home directory of its user. False:
 * it is no Klippy.
 */
bool kf_klippy_parse(const char *args, size_t len, const char *cwd, const char *home,
		     struct kf_klippy *ret);

/* The same for a process that runs. False also if it has ended. */
bool kf_klippy_find(pid_t pid, struct kf_klippy *ret);

/*
 * Call look for each Klippy that runs, whoever's it is, until it says false. False: it did, or
 * there is no /proc.
 */
bool kf_klippy_each(bool (*look)(const struct kf_klippy *klippy, void *arg), void *arg);

/* The same for the processes that have an entry in folder, as /proc has one. */
bool kf_klippy_each_in(const char *folder, bool (*look)(const struct kf_klippy *klippy, void *arg),
		       void *arg);

#endif
