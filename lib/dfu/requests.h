/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The requests of DFU (USB's DFU 1.1, chapters 3, 6 and A.1) with ST's commands (AN3156, "USB DFU
 * protocol used in the STM32 bootloader"). Nothing is sent twice: a request that failed ends the
 * conversation, and the next one begins with kf_dfu_idle.
 */
#ifndef KF_DFU_REQUESTS_H
#define KF_DFU_REQUESTS_H

#include "dfu/memory.h"
#include "usb/transfer.h"

struct kf_dfu {
	struct kf_usb_handle *usb;    /* the caller's */
	uint8_t interface, alternate; /* the setting that shows the flash */
	uint16_t block_bytes;	      /* wTransferSize: the most in one request */
	int64_t deadline_ms;	      /* of the whole conversation; the caller sets it */
	struct kf_dfu_memory memory;
};

#define KF_DFU_BLOCK_MIN 64
#define KF_DFU_BLOCK_MAX KF_USB_CONTROL_MAX

/*
 * Errors of all functions here: KF_GONE (disconnected), KF_TIMEOUT (no answer, or not done when the
 * deadline passes), KF_PERMISSION (the chip is read-protected; the hint says what that means),
 * KF_FLASH_FAILED (the bootloader reports an error, which the message names), KF_PROTOCOL (what it
 * does fits no request), KF_INTERRUPTED, KF_IO.
 */

/*
 * An earlier program that was killed may have told the bootloader to start the firmware: it does so
 * once it is asked for its status. Cancel that. Any error is met again by the next request.
 */
void kf_dfu_cancel_start(struct kf_dfu *dfu);

/* Bring the bootloader to idle, where it takes commands, from whatever a program left it in. */
_must_check_ int kf_dfu_idle(struct kf_dfu *dfu, struct kf_error *err);

/* The same after commands and blocks of our own: it is not asked for its state first. */
_must_check_ int kf_dfu_end(struct kf_dfu *dfu, struct kf_error *err);

/* The commands: erase the sector that has this address; blocks count from this address on. */
_must_check_ int kf_dfu_erase_sector(struct kf_dfu *dfu, uint32_t address, struct kf_error *err);
_must_check_ int kf_dfu_set_address(struct kf_dfu *dfu, uint32_t address, struct kf_error *err);

/* Write block i: at most block_bytes, to i * block_bytes behind the address. */
_must_check_ int kf_dfu_write_block(struct kf_dfu *dfu, size_t i, const uint8_t *data, size_t len,
				    struct kf_error *err);

/* Read len bytes, at most block_bytes, of block i likewise. kf_dfu_end ends a row of these. */
_must_check_ int kf_dfu_read_block(struct kf_dfu *dfu, size_t i, uint8_t *ret, size_t len,
				   struct kf_error *err);

/* Start the program at address. A bootloader that is gone before it answers has started it. */
_must_check_ int kf_dfu_start(struct kf_dfu *dfu, uint32_t address, struct kf_error *err);

/* "errADDRESS: the address cannot be written": of a status that the bootloader reports. */
const char *kf_dfu_status_text(uint8_t status);

#endif
