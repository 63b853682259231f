/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The USB bootloader in the ROM of an STM32 (ST's AN3156; USB DFU 1.1, appendix A; UM0424 for what
 * ST adds: DfuSe 1.1a). Pure: bytes and microseconds are passed in.
 *
 * Modelled: the states; the commands 0x21, 0x41 and 0x92; that an erase or a write begins with the
 * GETSTATUS that follows it, and takes the flash's time, in which any request is an error; read
 * protection; the start of what lies at the pointer. Not modelled: writing option bytes and OTP,
 * which is refused; that some ROMs are silent, not angry, while they are busy.
 */
#ifndef SIM_DFU_H
#define SIM_DFU_H

#include "sim/flash.h"
#include "sim/usb.h"

/* The ROM's, which is not the chip's. */
#define SIM_DFU_SERIAL "200364500000"

enum sim_dfu_state {
	SIM_DFU_IDLE = 2,
	SIM_DFU_DNLOAD_SYNC = 3,
	SIM_DFU_DNBUSY = 4,
	SIM_DFU_DNLOAD_IDLE = 5,
	SIM_DFU_MANIFEST_SYNC = 6,
	SIM_DFU_MANIFEST = 7,
	SIM_DFU_UPLOAD_IDLE = 9,
	SIM_DFU_ERROR = 10,
};

/* The job that the next GETSTATUS begins. */
enum sim_dfu_job {
	SIM_DFU_NOTHING,
	SIM_DFU_POINT,
	SIM_DFU_ERASE,
	SIM_DFU_ERASE_ALL,
	SIM_DFU_UNPROTECT,
	SIM_DFU_WRITE
};

struct sim_dfu {
	struct sim_usb_device usb; /* first: a sim_usb_device is cast back */
	struct sim_flash *flash;   /* the caller's */
	uint32_t transfer_bytes, poll_ms;
	enum sim_rom_leave leave;
	bool *protected; /* the chip's, which outlasts the ROM's run */

	enum sim_dfu_state state;
	uint8_t status;
	uint32_t pointer;
	enum sim_dfu_job job;
	uint64_t address; /* of the job */
	size_t len;
	uint8_t data[SIM_USB_CONTROL_MAX];
	int64_t busy_until_us;
	uint8_t result; /* of the job: the status that follows */
	bool restart;	/* leave_us: into this ROM again, not into the application */
};

/*
 * Sets the state after a reset. transfer_bytes 0: the part's usual size. poll_ms: the time that it
 * names for each job; 0: the time that the job takes. flash and protected stay the caller's.
 */
void sim_dfu_init(struct sim_dfu *dfu, const char *mcu, const struct sim_ids *ids,
		  struct sim_flash *flash, uint32_t transfer_bytes, uint32_t poll_ms,
		  enum sim_rom_leave leave, bool *protected);

#endif
