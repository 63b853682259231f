/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The user's boards: devices.json, in the Python tool's format. Members that we do
 * not know survive a rewrite. A file that does not parse is reported and never written.
 */
#ifndef KF_REGISTRY_REGISTRY_H
#define KF_REGISTRY_REGISTRY_H

#include <limits.h>

#include "board/board.h"

struct kf_registry {
	json_t *root;	     /* the whole file; {} if there is none */
	char path[PATH_MAX]; /* where it came from */
	int lock;	     /* the lock's descriptor while open for change, else -1 */
	/* Never written to the file: boards that a printer describes and nobody registered, as
	 * devices by their keys, and for the keys of both the source tree of the printer's Klippy
	 * (printer/described.h). NULL: none. */
	json_t *described, *trees;
	char katapult[PATH_MAX]; /* Katapult's tree beside one of those; empty: none is there */
};

#define KF_INTERFACE_DEFAULT "can0"

/* The reason of a board that is excluded by its member "flashable". */
#define KF_REASON_NOT_FLASHABLE "flashable is false in devices.json"

/* A device's members, read out. Strings belong to the registry; NULL where absent. */
struct kf_device {
	const char *key, *name, *mcu;
	const char *pattern;	      /* serial_pattern, or pattern: a by-id name with * and ? */
	const char *flash_method;     /* registry/method.h; NULL: the default */
	const char *klipper_dir;      /* this board's own tree; NULL: the global one */
	const char *usb_port;	      /* where it was when registered: see kf_registry_identify */
	const char *canbus_uuid;      /* of its node on CAN, in any case */
	const char *canbus_interface; /* NULL where there is no canbus_uuid */
	const char *serial;	      /* the path of its UART */
	uint32_t baud, katapult_baud; /* of the UART: of its firmware and of its Katapult */
	const char *sdcard_board; /* as flash-sdcard.sh calls it; NULL: it is written otherwise */
	const char *programmer, *programmer_part; /* avrdude's -c and -p; NULL: as usual */
	uint32_t programmer_baud;		  /* and -b; 0: as usual */
	bool flashable;
	bool described; /* by a printer's configuration: nobody has registered it */
};

/*
 * Any file of that format: a new reference in *ret, -ENOENT if there is none, KF_CONFIG
 * with line and column, or device and member.
 */
_must_check_ int kf_registry_parse(const char *path, json_t **ret, struct kf_error *err);

/* The text of such a file; the caller frees it. NULL: no memory. */
char *kf_registry_text(const json_t *root);

/* Read devices.json; a missing file is an empty registry. KF_CONFIG names line and column. */
_must_check_ int kf_registry_load(struct kf_registry *ret, struct kf_error *err);

/*
 * The same under the writers' lock (waits 5 s, then KF_BUSY): change root, then save.
 * Values that the format does not allow are not saved: KF_CONFIG as for reading.
 */
_must_check_ int kf_registry_open(struct kf_registry *ret, struct kf_error *err);
_must_check_ int kf_registry_save(struct kf_registry *registry, struct kf_error *err);

/* Drops the lock. Accepts a zeroed registry. */
void kf_registry_close(struct kf_registry *registry);

/* KF_NOT_REGISTERED, naming the keys there are, and first the one that was meant. */
_must_check_ int kf_registry_device(const struct kf_registry *registry, const char *key,
				    struct kf_device *ret, struct kf_error *err);

/* Is a device of that key registered? */
bool kf_registry_has(const struct kf_registry *registry, const char *key);

/*
 * The hint for a board that is not registered: to run without sudo, if sudo is the reason, else the
 * text otherwise.
 */
const char *kf_registry_advice(const char *otherwise);

/* Under sudo: a clean sentence that says whose registry is used. False: no sudo. */
bool kf_registry_by_sudo(char *ret, size_t size);

/*
 * The next device in the file's order, then those that printers describe; *at is NULL before the
 * first. False: there are no more.
 */
bool kf_registry_next(const struct kf_registry *registry, void **at, struct kf_device *ret);

/* Does the registry say which tree this device (NULL: any without a klipper_dir) is built from? */
bool kf_registry_names_tree(const struct kf_registry *registry, const struct kf_device *dev);

/*
 * A member of "global", or its default: katapult, true, true. Paths are as written
 * ("~/klipper"). dev may be NULL. The source tree: the device's own, else that of "global", else
 * that of its printer's Klippy, else ~/klipper, or ~/kalico where that alone is there. Katapult's:
 * that of "global", else the one beside a Klippy's tree, else the first of ~/katapult, ~/Katapult
 * and ~/CanBoot that has a flashtool.py, else ~/katapult.
 */
const char *kf_registry_klipper_dir(const struct kf_registry *registry,
				    const struct kf_device *dev);
const char *kf_registry_katapult_dir(const struct kf_registry *registry);
const char *kf_registry_flash_method(const struct kf_registry *registry,
				     const struct kf_device *dev);
bool kf_registry_allow_fallback(const struct kf_registry *registry);
bool kf_registry_skip_menuconfig(const struct kf_registry *registry);

/*
 * The source tree of the device of this key cannot be used, and err's hint is to name another in
 * "global". If its own klipper_dir, or the option --klipper-dir (NULL: not given), goes before
 * that, the hint names that one.
 */
void kf_registry_hint_tree(const struct kf_registry *registry, const char *key, const char *option,
			   struct kf_error *err);

/* The object "global" or "devices", made in root if it is missing. */
json_t *kf_registry_section(struct kf_registry *registry, const char *name);

/* Can a board that shows these USB names have this MCU? A bootloader in ROM tells the family. */
bool kf_registry_mcu_fits(const char *mcu, const struct kf_board *board);

/*
 * Find the registered device that this connected board is. Sets board's key, name, mcu, excluded,
 * reason and by_port, and on a UART its link's baud rates; an unregistered board keeps an empty
 * key. The order: the UUID of a node on CAN, which the chip's serial tells as well, and the path of
 * a UART; chip serial in the pattern (any of Klipper, Katapult, CanBoot, Kalico; any case), of two
 * devices with one serial the one whose usb_port it is; the pattern as a whole; for boards without
 * a unique serial, patterns without any, and in DFU or BOOTSEL, usb_port (in DFU and BOOTSEL the
 * port where kf-flash last saw the board, if it ever did). KF_AMBIGUOUS when two devices fit: the
 * key stays empty, the caller must not guess. Two boards that are one device are not found here:
 * only the caller has both.
 */
_must_check_ int kf_registry_identify(const struct kf_registry *registry, struct kf_board *board,
				      struct kf_error *err);

#endif
