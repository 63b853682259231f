/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What systemd would start for a printer: the services klipper*.service, read from their unit files
 * and drop-ins (systemd.unit(5), systemd.service(5), systemd.exec(5)), without systemd: its library
 * alone takes longer to load than a scan, and it forgets units that do not run.
 */
#ifndef KF_PRINTER_UNIT_FILE_H
#define KF_PRINTER_UNIT_FILE_H

#include <limits.h>

#include "core/base.h"

#define KF_UNIT_ARGS_MAX 8192

struct kf_unit_command {
	char unit[KF_NAME_SIZE];
	char args[KF_UNIT_ARGS_MAX]; /* as /proc/PID/cmdline will have them ... */
	size_t len;		     /* ... in bytes */
	char dir[PATH_MAX];	     /* WorkingDirectory=, or / */
	char home[PATH_MAX];	     /* of User=; may be empty */
	bool users_own;		     /* of this user's own manager (systemctl --user) */
};

/*
 * Call look for each service klipper*.service that has a command line, in the order of their names:
 * also instances of a template that are enabled, no aliases, none that is masked. Those
 * of the system's manager come first, then those of this user's own. root comes before each path;
 * "" is this machine. What a unit file or an environment file has that cannot be read is
 * passed over. Variables and the usual specifiers are expanded.
 */
void kf_units_each(const char *root, void (*look)(const struct kf_unit_command *command, void *arg),
		   void *arg);

#endif
