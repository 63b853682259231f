/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A conversation with the ROM of an RP2040 or RP2350 in BOOTSEL (picoboot/command.h).
 *
 * The ROM's drive (RPI-RP2) is another interface of the same device, and may be mounted. It need
 * not be unmounted: during a conversation the ROM refuses what is written to it.
 *
 * Each function fails with KF_FLASH_FAILED (the ROM refuses a command: the message has the status
 * that it gives), KF_PROTOCOL (an answer of another length), KF_TIMEOUT, KF_GONE, KF_INTERRUPTED
 * (by a stop signal; what it was doing is not done then), KF_IO.
 */
#ifndef KF_PICOBOOT_SESSION_H
#define KF_PICOBOOT_SESSION_H

#include "picoboot/pages.h"
#include "usb/transfer.h"

#define KF_PICOBOOT_FLASH 0x10000000u

struct kf_picoboot {
	struct kf_usb_handle *usb; /* the caller's, open; it is claimed here */
	bool rp2350;		   /* set by the caller */
	struct kf_usb_alternate interface;
	uint32_t token;
	int64_t deadline_ms; /* of the whole conversation; set by the caller */
};

typedef void kf_picoboot_progress(size_t done, size_t total, void *arg);

/*
 * Claim the interface, end what an earlier program has left, lock out the drive, and take the flash
 * out of the mode in which programs run from it. KF_PROTOCOL also if the device has no PICOBOOT
 * interface; KF_BUSY: another program has it.
 */
_must_check_ int kf_picoboot_begin(struct kf_picoboot *p, struct kf_error *err);

/* Read len bytes of the flash into ret. */
_must_check_ int kf_picoboot_read(struct kf_picoboot *p, uint32_t address, uint8_t *ret, size_t len,
				  struct kf_error *err);

/*
 * Read and compare; progress may be NULL. KF_VERIFY_FAILED names the first address that differs.
 */
_must_check_ int kf_picoboot_verify(struct kf_picoboot *p, uint32_t address, const uint8_t *data,
				    size_t len, kf_picoboot_progress *progress, void *arg,
				    struct kf_error *err);

/* Erase the sectors of these pages in the order of kf_picoboot_erase_step. */
_must_check_ int kf_picoboot_erase(struct kf_picoboot *p, const struct kf_picoboot_pages *pages,
				   kf_picoboot_progress *progress, void *arg, struct kf_error *err);

/* Write data (of len bytes, for these pages) in the order of kf_picoboot_write_step. */
_must_check_ int kf_picoboot_write(struct kf_picoboot *p, const struct kf_picoboot_pages *pages,
				   const uint8_t *data, size_t len, kf_picoboot_progress *progress,
				   void *arg, struct kf_error *err);

/*
 * *ret: the size of the flash if it ends before the address end, else 0. Nothing but its content
 * tells: a flash repeats itself behind its end, so its size is the first power of two at which the
 * 4096 bytes there are those at 0. Where these are erased it cannot be told, and *ret is 0.
 */
_must_check_ int kf_picoboot_too_small(struct kf_picoboot *p, uint32_t end, uint32_t *ret,
				       struct kf_error *err);

/* Start the firmware. A board that has left before it acknowledged that has left: 0. */
_must_check_ int kf_picoboot_leave(struct kf_picoboot *p, struct kf_error *err);

#endif
