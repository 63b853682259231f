/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The memory behind an alternate setting of STM32's DFU, as its name tells it (ST's UM0424, "DfuSe
 * USB device firmware upgrade", 4.3.2). Pure: bytes in, no I/O.
 *
 *   @Internal Flash  /0x08000000/04*016Kg,01*064Kg,07*128Kg
 *
 * A name, then an address and the sectors from there on, any number of times. A sector's letter
 * says what it allows: a to g are the bits 1 (read), 2 (erase) and 4 (write).
 */
#ifndef KF_DFU_MEMORY_H
#define KF_DFU_MEMORY_H

#include "core/error.h"

/* Sectors of one size that follow each other. They end below 4 GiB. */
struct kf_dfu_region {
	uint32_t start, count, sector_bytes;
	bool readable, erasable, writable;
};

#define KF_DFU_REGIONS_MAX 16

struct kf_dfu_memory {
	char name[64]; /* "Internal Flash" */
	struct kf_dfu_region regions[KF_DFU_REGIONS_MAX];
	size_t count; /* at least 1 */
};

struct kf_dfu_sector {
	uint32_t start, bytes;
	bool readable, erasable, writable;
};

/* False: the text is not such a name, or has more regions than fit. */
bool kf_dfu_memory_parse(const char *text, struct kf_dfu_memory *ret);

/* The sector that has this address; false: none has. */
bool kf_dfu_memory_sector(const struct kf_dfu_memory *memory, uint32_t address,
			  struct kf_dfu_sector *ret);

/* May all len bytes from address on be read, erased and written? */
bool kf_dfu_memory_takes(const struct kf_dfu_memory *memory, uint32_t address, size_t len);

/* The address behind the last sector that follows the one at address without a gap. */
uint64_t kf_dfu_memory_end(const struct kf_dfu_memory *memory, uint32_t address);

#endif
