/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A conversation with STM32's ROM bootloader. It tells neither the chip's name nor its serial
 * number: only the USB port says which board it is.
 *
 * The order of a write makes a board that lost power in between recognisable: the sector with the
 * image's first word is erased first, and the block with that word is written last. Until then the
 * flash looks empty there: a Katapult before it stays in itself, and chips that look for an empty
 * flash at power-on start their ROM (AN2606, "empty check"). The others need BOOT0.
 */
#ifndef KF_DFU_SESSION_H
#define KF_DFU_SESSION_H

#include "dfu/requests.h"

/* Called after each block and sector: done of total bytes. May be NULL. */
typedef void kf_dfu_progress(size_t done, size_t total, void *arg);

/*
 * Take the open device dfu->usb for this process: find the alternate setting whose memory has a
 * writable sector at flash, and bring the bootloader to idle. usb and deadline_ms are the caller's.
 * Errors of kf_usb_claim and requests.h; KF_PROTOCOL: there is no such setting, or what describes
 * it makes no sense.
 */
_must_check_ int kf_dfu_begin(struct kf_dfu *dfu, uint32_t flash, struct kf_error *err);

/* Read len bytes from address on. Errors of requests.h. */
_must_check_ int kf_dfu_read(struct kf_dfu *dfu, uint32_t address, uint8_t *ret, size_t len,
			     struct kf_error *err);

/*
 * Erase the sectors of len bytes from address on, no others; then write data there. The caller has
 * checked kf_dfu_memory_takes, and that address is the start of a sector. Errors of requests.h.
 */
_must_check_ int kf_dfu_erase(struct kf_dfu *dfu, uint32_t address, size_t len,
			      kf_dfu_progress *progress, void *arg, struct kf_error *err);
_must_check_ int kf_dfu_write(struct kf_dfu *dfu, uint32_t address, const uint8_t *data, size_t len,
			      kf_dfu_progress *progress, void *arg, struct kf_error *err);

/* Read back and compare. KF_VERIFY_FAILED names the first address that differs; requests.h. */
_must_check_ int kf_dfu_verify(struct kf_dfu *dfu, uint32_t address, const uint8_t *data,
			       size_t len, kf_dfu_progress *progress, void *arg,
			       struct kf_error *err);

#endif
