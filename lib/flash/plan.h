/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Everything that is decided about a board before anything is touched: which device
 * it is now, which image it gets, by which method, and why not if not. Reading a plan
 * changes nothing, so it is made twice: before the service stops and after.
 */
#ifndef KF_FLASH_PLAN_H
#define KF_FLASH_PLAN_H

#include <limits.h>

#include "firmware/image.h"
#include "flash/methods.h"
#include "registry/registry.h"
#include "usb/devices.h"

/* The user's wishes; what is NULL or 0 comes from the registry or is the default. */
struct kf_flash_options {
	const char *method;
	const char *klipper_dir, *katapult_dir;
	bool no_fallback;
	bool check;	    /* no image is needed: is the board there, may it be flashed, and are
			       all programs here that its configuration's firmware needs? */
	const char *read;   /* no image either: the file that its firmware is read into */
	int64_t read_bytes; /* of it */
	bool force;	    /* write also what the board has already */
	bool replace_bootloader; /* also where that erases the board's Katapult */
	bool bootloader;	 /* by hand: the file is a Katapult, to be installed */
	bool unknown_version;	 /* write also firmware that does not tell its version */
	bool by_hand;	   /* one port and one file were named: the board need not be registered */
	int64_t method_ms; /* time that one method may take; default 60 s */
	int64_t wait_ms;   /* for other runs at the board, or at make flash in its tree */
	int64_t return_ms; /* time that the board has to come back; default 30 s */
};

#define KF_FLASH_METHOD_MS 60000
#define KF_FLASH_RETURN_MS 30000

/* Arguments of avrdude: by the registry, else by the tree's Kconfig. */
struct kf_avrdude {
	char programmer[64], part[64]; /* -c and -p */
	uint32_t baud;		       /* -b; 0: avrdude's own for that programmer */
};

#define KF_SKIP_SIZE (KF_REASON_SIZE + 320) /* its reason, a word before it, the way back */

struct kf_plan {
	struct kf_board board; /* as it is now, holder included */
	struct kf_image image; /* what it is; its bytes are not kept (kf_plan_image) */
	char path[PATH_MAX];   /* of the image */
	uint32_t start; /* application start address; start_known false: the file does not say */
	bool start_known;
	struct kf_methods methods;
	char klipper_dir[PATH_MAX], katapult_dir[PATH_MAX];
	char sdcard_board[KF_NAME_SIZE]; /* the registry's; empty: none */
	struct kf_avrdude avrdude;
	struct kf_flash_options options;
	bool current;		 /* kf_plan_noted: there is nothing to do */
	char skip[KF_SKIP_SIZE]; /* why this board is left alone; empty: it is flashed */
};

/*
 * Plan one record. now is what is plugged in, with holders. On success the caller frees ret; skip
 * is set for a board that is not registered, excluded, not connected or no Klipper board. Errors:
 * KF_NOT_CONNECTED, KF_NO_FIRMWARE, KF_BAD_IMAGE, KF_MCU_MISMATCH, KF_CONFIG (unknown method; a
 * bootloader for a board that is not in its chip's ROM; by hand and with options->read: a board
 * that else would be skipped) and those of flash/methods.h; with options->read KF_NO_KATAPULT (it
 * cannot be read) and KF_NO_FIRMWARE (the firmware on it is incomplete).
 */
_must_check_ int kf_plan_record(const json_t *record, const struct kf_registry *registry,
				const struct kf_boards *now, const struct kf_flash_options *options,
				struct kf_plan *ret, struct kf_error *err);
void kf_plan_free(struct kf_plan *plan);

/* Where in the flash the image goes. KF_WRONG_OFFSET: nothing tells it. */
_must_check_ int kf_plan_start(const struct kf_plan *plan, uint32_t *ret, struct kf_error *err);

/*
 * The planned image once more, with its bytes; the caller frees it. KF_BAD_IMAGE if the file is not
 * what was planned any more.
 */
_must_check_ int kf_plan_image(const struct kf_plan *plan, struct kf_image *ret,
			       struct kf_error *err);

/*
 * Do our notes say that this board, the same chip and running Klipper, was last flashed with this
 * very image? Of one that shows no chip they say what was flashed on its USB port, where another
 * board may be now. Never with force.
 */
bool kf_plan_noted(const struct kf_plan *plan);

/* Is the board known by its USB port alone? The host's own MCU, of which there is one, is not. */
bool kf_plan_by_port(const struct kf_plan *plan);

#endif
