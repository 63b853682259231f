/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A microcontroller's flash as Katapult writes it (Katapult src/stm32/flash.c,
 * src/rp2040/flash.c, src/lpc176x/flash.c): pages, erase, order of blocks, busy times. No I/O, no
 * clock.
 *
 * Modelled: the page sizes of each family, erase by the first block of a page, an identical
 * rewrite, a refused one, EOF's page count, what RP2040 and LPC176x collect, a bus fault beyond
 * the end, programming that can only clear bits. Not modelled: ECC, option bytes, write
 * protection, a supply that fails within one block.
 */
#ifndef SIM_FLASH_H
#define SIM_FLASH_H

#include "core/error.h"

#define SIM_BLOCK_MAX 512

enum sim_family {
	SIM_FAMILY_OTHER, /* no flash rules known: runs firmware, never Katapult */
	SIM_FAMILY_RP2040,
	SIM_FAMILY_LPC176X,
	SIM_FAMILY_STM32_SECTORS, /* F2 and F4: 16, 64, then 128 KiB */
	SIM_FAMILY_STM32_PAGES,	  /* the others: all pages are of one size */
};

struct sim_flash {
	enum sim_family family;
	uint32_t base, size;
	uint32_t ram;	     /* where RAM begins */
	uint32_t boot_bytes; /* in front of the first vectors: RP2040's second stage */
	uint32_t page_bytes; /* STM32_PAGES' page, RP2040's erase sector */
	uint8_t *data;	     /* owned */

	uint32_t erase_ms;		      /* one page or sector */
	uint32_t erase_64k_ms, erase_128k_ms; /* of F2 and F4, if it differs */
	uint32_t program_us;		      /* 32 bytes */

	uint32_t written_pages; /* what EOF answers */
	bool writing;		/* blocks came in this conversation, no EOF since */
	bool ended;		/* an EOF came in this conversation */
	bool incomplete;	/* something was programmed, and no client called it whole since */
	bool faulted;		/* the CPU hangs in its fault handler until reset */
	unsigned erases;	/* since the start: wear */
	uint32_t worn; /* the byte at this address stays 0 when it is programmed; 0: none does */

	bool buffered; /* RP2040: a page is being collected */
	uint32_t buffer_address, buffer_bytes;
	uint32_t next_address; /* LPC176x: where the next block is due */
	uint8_t buffer[SIM_BLOCK_MAX];
};

/*
 * All erased. size 0: the usual part's. An MCU whose flash rules are not known has the family
 * "other", which is no error; KF_CONFIG: a size that is not a multiple of 4 KiB.
 */
_must_check_ int sim_flash_init(struct sim_flash *flash, const char *mcu, uint32_t size,
				struct kf_error *err);
void sim_flash_free(struct sim_flash *flash);

/* Power-up or reset: what was counted and collected is gone, the content stays. */
void sim_flash_reset(struct sim_flash *flash);

/*
 * CONNECT and COMPLETE: a conversation. The image is whole for a client that sent EOF after its
 * blocks, or that sent no blocks, but EOF and COMPLETE: it has read all of it back.
 */
void sim_flash_begin(struct sim_flash *flash);
void sim_flash_complete(struct sim_flash *flash);

/*
 * One block from the bootloader. Returns 0, -EINVAL (refused: f2) or -EFAULT (the CPU is
 * gone); *ret_busy_us is how long the CPU was deaf, whatever the result.
 */
_must_check_ int sim_flash_write(struct sim_flash *flash, uint32_t address, const uint8_t *block,
				 uint32_t len, int64_t *ret_busy_us);

/* Read len bytes; -EFAULT beyond the flash. */
_must_check_ int sim_flash_read(struct sim_flash *flash, uint32_t address, uint8_t *ret,
				uint32_t len);

/* EOF: flush, and the count of pages. */
uint32_t sim_flash_finish(struct sim_flash *flash, int64_t *ret_busy_us);

/* The chip's own times, typical ones of its data sheet, in the place of those that were set. */
void sim_flash_use_real_times(struct sim_flash *flash, const char *mcu);

/*
 * For a bootloader in ROM: erase the page that address lies in; program. What was programmed is not
 * whole until sim_flash_finish_rom(). *busy_us grows by the time that it takes. -EFAULT: not in the
 * flash; -EINVAL: programmed without an erase, which F2, F4 and RP2 do not notice.
 */
_must_check_ int sim_flash_erase(struct sim_flash *flash, uint64_t address, int64_t *busy_us);
_must_check_ int sim_flash_program(struct sim_flash *flash, uint64_t address, const uint8_t *data,
				   uint32_t len, int64_t *busy_us);
void sim_flash_finish_rom(struct sim_flash *flash);

/* The worn byte, if it is among those that were just programmed. */
void sim_flash_wear(struct sim_flash *flash, uint32_t address, uint32_t len);

/* The size of the page or erase sector that address lies in. */
uint32_t sim_flash_page_bytes(const struct sim_flash *flash, uint32_t address);

#endif
