/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A conversation with Katapult over a link. One bad or partial frame wedges the bootloader until
 * its next reset (protocols.md, measured), therefore: frames go out whole, nothing is ever
 * retransmitted after a partial write, nothing but frames is written, and the link is drained
 * before the first one.
 */
#ifndef KF_KATAPULT_SESSION_H
#define KF_KATAPULT_SESSION_H

#include "core/error.h"
#include "katapult/requests.h"

struct kf_katapult {
	struct kf_link *link;	    /* the caller's */
	uint32_t protocol;	    /* 0x00010100 is 1.1.0 */
	uint32_t start;		    /* application start address */
	uint32_t block_bytes;	    /* 64, 128, 256 or 512 */
	char mcu[64];		    /* as Kconfig spells it */
	char version[KF_NAME_SIZE]; /* the bootloader's own; empty in older ones */
	int64_t deadline_ms;	    /* of the whole conversation; the caller sets it */
	bool wedged;		    /* kf_katapult_connect found it answering NACK alone */
	bool counts_pages;	    /* its EOF did: its own; kf_katapult_connect clears it */

	struct kf_katapult_channel channel; /* its own; kf_katapult_connect sets it up */
};

/*
 * CONNECT, after kf_link_attach. link and deadline_ms are set by the caller; the rest is filled,
 * untouched on failure but for the state. Copes with the reply of exactly 64 bytes that does not
 * arrive on its own, and with STM32 parts that answer only from the second command on:
 * silence is asked again. -EPROTO (an answer that is not Katapult's, or NACK), -ETIMEDOUT
 * (silence: perhaps wedged; the hint says power-cycle), -ENODEV, -EINTR.
 */
_must_check_ int kf_katapult_connect(struct kf_katapult *k, struct kf_error *err);

/*
 * Send data as the application, from k->start on, the last block padded with 0xff, then EOF. Where
 * data spans several pages of the flash, the first page goes last, and before all others a block
 * that makes the application's first word 0: a bootloader that is cut off stays in itself when the
 * power comes back, until the first page is begun. The first page goes last only if
 * kf_katapult_finish has succeeded before: it fails in bootloaders of before 2022-05-17, and only
 * these want all blocks in a row (Katapult commits 4d96976, 6db366d). Each error names the block's
 * address. A stop signal ends it between blocks (-EINTR). -EPROTO (NACK, a command error, an answer
 * to something else), -ETIMEDOUT (5 s for a block, for its ack may take as long as erasing 128
 * KiB), -EBUSY, -ENODEV, -EBADMSG (no data, or more than there are addresses).
 */
_must_check_ int kf_katapult_write(struct kf_katapult *k, const uint8_t *data, size_t len,
				   kf_katapult_progress *progress, void *arg, struct kf_error *err);

/*
 * EOF alone: what an earlier conversation left in the bootloader's page buffer is in the flash
 * then, and with it all that there is to read back. Errors as above.
 */
_must_check_ int kf_katapult_finish(struct kf_katapult *k, struct kf_error *err);

/*
 * Would Katapult start what is at k->start? It does unless the first word is 0 or 0xffffffff
 * (application_check_valid() there); COMPLETE would start that, too. Errors as above.
 */
_must_check_ int kf_katapult_has_application(struct kf_katapult *k, bool *ret,
					     struct kf_error *err);

/*
 * Read len bytes back, and the last block's padding, and compare; KF_VERIFY_FAILED names
 * the first address that differs. Other errors as above.
 */
_must_check_ int kf_katapult_verify(struct kf_katapult *k, const uint8_t *data, size_t len,
				    kf_katapult_progress *progress, void *arg,
				    struct kf_error *err);

/*
 * Read len bytes from k->start on into ret; on failure, some of them. Nothing but REQUEST_BLOCK is
 * sent. Katapult looks at no address: len must be within the chip's flash. Errors as above.
 */
_must_check_ int kf_katapult_read(struct kf_katapult *k, uint8_t *ret, size_t len,
				  kf_katapult_progress *progress, void *arg, struct kf_error *err);

/*
 * COMPLETE: acknowledged, then the board leaves about 100 ms later for the application.
 * A board that has left before its acknowledgement was read has left: 0. Errors as above.
 */
_must_check_ int kf_katapult_complete(struct kf_katapult *k, struct kf_error *err);

/*
 * The UUID that this node itself says it has: on CAN, before anything is written. Errors as above;
 * builds for USB and UART do not know the command.
 */
_must_check_ int kf_katapult_can_uuid(struct kf_katapult *k, uint8_t ret[KF_CAN_UUID_BYTES],
				      struct kf_error *err);

#endif
