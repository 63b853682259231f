/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Read a printer.cfg as Klippy does (Klipper klippy/configfile.py and Python's configparser):
 * [include] with patterns, comments, sections that stand twice, the SAVE_CONFIG block. It is only
 * read: what Klippy would refuse for its meaning is no error here. As in Kalico, a folder "**" in
 * an include stands for any folders, 6 deep at most.
 */
#ifndef KF_KLIPPY_PRINTER_CONFIG_H
#define KF_KLIPPY_PRINTER_CONFIG_H

#include "klippy/mcus.h"

#define KF_PRINTER_CONFIG_MAX	(4 << 20) /* bytes of all files together */
#define KF_PRINTER_CONFIG_FILES 256 /* files of one configuration, a file included twice is 2 */

/* One "option: value". The bytes are the file's own: not clean. */
struct kf_setting {
	const char *section; /* "mcu EBBCan", in the file's case */
	const char *option;  /* in lower case */
	const char *value;   /* without comments; ${} as written; '\n' before each further line */
	bool saved;	     /* from the SAVE_CONFIG block: what stands above overrides it */
};

/*
 * Call each with every setting in Klippy's order: of two with one name the later one counts. Fails
 * as kf_file_read for each of the files (it need only be readable, whoever owns it), or with
 * KF_CONFIG and the file: not text, too large, too many files, an include of itself, a line that no
 * configuration has.
 */
_must_check_ int kf_printer_config_read(const char *path,
					void (*each)(const struct kf_setting *setting, void *arg),
					void *arg, struct kf_error *err);

/*
 * Its MCUs: name, serial, baud, restart_method, canbus_uuid and canbus_interface; no version. What
 * stands in [DEFAULT] is every MCU's that does not say otherwise; Kalico's ${section.option} is
 * replaced. The caller frees with kf_mcus_free. Errors as above, and KF_CONFIG: it has no [mcu], or
 * a ${} that names nothing.
 */
_must_check_ int kf_printer_config_mcus(const char *path, struct kf_mcus *ret,
					struct kf_error *err);

#endif
