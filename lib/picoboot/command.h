/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The commands of PICOBOOT, the USB interface of the RP2040 and RP2350 in BOOTSEL: bytes in, bytes
 * out, no I/O (pico-sdk boot/picoboot.h and boot/picoboot_constants.h; RP2040 Datasheet, "PICOBOOT
 * Interface"). A command is one bulk packet:
 *
 *   magic | token | id | bytes of arguments | 0 0 | bytes of the transfer | arguments, 16 bytes
 *
 * Then the transfer, in the direction that the top bit of the id says, then an empty packet the
 * other way as the acknowledgement. A refused command stalls the pipe; the status says why. All
 * integers are little-endian.
 */
#ifndef KF_PICOBOOT_COMMAND_H
#define KF_PICOBOOT_COMMAND_H

#include "core/base.h"

enum kf_picoboot_id {
	KF_PICOBOOT_EXCLUSIVE = 0x01,
	KF_PICOBOOT_REBOOT = 0x02, /* RP2040 */
	KF_PICOBOOT_ERASE = 0x03,
	KF_PICOBOOT_WRITE = 0x05,
	KF_PICOBOOT_EXIT_XIP = 0x06,
	KF_PICOBOOT_REBOOT2 = 0x0a, /* RP2350 */
	KF_PICOBOOT_READ = 0x84,
};

/* Requests to the interface over the control pipe: reset it; the status of the last command. */
#define KF_PICOBOOT_CONTROL_RESET  0x41
#define KF_PICOBOOT_CONTROL_STATUS 0x42

#define KF_PICOBOOT_COMMAND_BYTES 32
#define KF_PICOBOOT_STATUS_BYTES  16

struct kf_picoboot_command {
	enum kf_picoboot_id id;
	uint8_t argument_bytes;
	uint32_t arguments[4];
	uint32_t transfer_bytes;
};

struct kf_picoboot_status {
	uint32_t token, code; /* code 0: no error */
	uint8_t id;
	bool in_progress;
};

/* No other host program writes to the flash: the ROM's drive refuses it. */
struct kf_picoboot_command kf_picoboot_exclusive(void);

/* Take the flash out of the mode in which programs run from it. */
struct kf_picoboot_command kf_picoboot_exit_xip(void);

/* ERASE, READ or WRITE of a range of the flash. */
struct kf_picoboot_command kf_picoboot_range(enum kf_picoboot_id id, uint32_t address,
					     uint32_t bytes);

/* Start the firmware, after a delay in which the acknowledgement still goes out. */
struct kf_picoboot_command kf_picoboot_reboot(bool rp2350, uint32_t delay_ms);

/* The bytes of a command. The token comes back in its status. */
void kf_picoboot_encode(const struct kf_picoboot_command *command, uint32_t token,
			uint8_t ret[KF_PICOBOOT_COMMAND_BYTES]);

/* -EBADMSG: len bytes are not a status. */
_must_check_ int kf_picoboot_status_decode(const uint8_t *data, size_t len,
					   struct kf_picoboot_status *ret);

/* For messages: "bad alignment"; "ERASE". */
const char *kf_picoboot_status_text(uint32_t code);
const char *kf_picoboot_command_name(enum kf_picoboot_id id);

#endif
