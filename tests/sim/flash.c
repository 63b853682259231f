/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sim/flash.h"

#define KIB	 1024u
#define LPC_PAGE 256u

static const struct part {
	const char *prefix;
	enum sim_family family;
	uint32_t size, page_bytes;
	uint32_t erase_ms, program_us; /* of one page, or the first sector; of 32 bytes */
} parts[] = {
	{ "lpc176", SIM_FAMILY_LPC176X, 512 * KIB, 0, 100, 125 },
	{ "rp2040", SIM_FAMILY_RP2040, 2048 * KIB, 4 * KIB, 45, 50 },
	{ "rp2350", SIM_FAMILY_RP2040, 4096 * KIB, 4 * KIB, 45, 50 },
	{ "sam3x8", SIM_FAMILY_OTHER, 512 * KIB, 4 * KIB, 30, 340 },
	{ "same", SIM_FAMILY_OTHER, 1024 * KIB, 4 * KIB, 30, 340 },
	{ "stm32f042", SIM_FAMILY_STM32_PAGES, 32 * KIB, 1 * KIB, 30, 856 },
	{ "stm32f07", SIM_FAMILY_STM32_PAGES, 128 * KIB, 2 * KIB, 30, 856 },
	{ "stm32f103", SIM_FAMILY_STM32_PAGES, 128 * KIB, 1 * KIB, 30, 840 },
	{ "stm32f2", SIM_FAMILY_STM32_SECTORS, 1024 * KIB, 0, 250, 128 },
	{ "stm32f401", SIM_FAMILY_STM32_SECTORS, 256 * KIB, 0, 250, 128 },
	{ "stm32f405", SIM_FAMILY_STM32_SECTORS, 1024 * KIB, 0, 250, 128 },
	{ "stm32f407", SIM_FAMILY_STM32_SECTORS, 1024 * KIB, 0, 250, 128 },
	{ "stm32f4", SIM_FAMILY_STM32_SECTORS, 512 * KIB, 0, 250, 128 },
	{ "stm32g0b1", SIM_FAMILY_STM32_PAGES, 512 * KIB, 2 * KIB, 22, 340 },
	{ "stm32g", SIM_FAMILY_STM32_PAGES, 128 * KIB, 2 * KIB, 22, 340 },
	{ "stm32h743", SIM_FAMILY_STM32_PAGES, 2048 * KIB, 128 * KIB, 1000, 100 },
	{ "stm32h750", SIM_FAMILY_STM32_PAGES, 128 * KIB, 128 * KIB, 1000, 100 },
	{ "stm32h7", SIM_FAMILY_STM32_PAGES, 1024 * KIB, 128 * KIB, 1000, 100 },
	{ "", SIM_FAMILY_OTHER, 256 * KIB, 4 * KIB, 30, 340 },
};

static const struct part *find_part(const char *mcu)
{
	const struct part *p = parts;

	while (strncmp(mcu, p->prefix, strlen(p->prefix)) != 0)
		p++;
	return p;
}

int sim_flash_init(struct sim_flash *flash, const char *mcu, uint32_t size, struct kf_error *err)
{
	const struct part *part = find_part(mcu);

	*flash = (struct sim_flash){
		.family = part->family,
		.size = size ? size : part->size,
		.page_bytes = part->page_bytes,
	};
	flash->base = strncmp(mcu, "stm32", 5) == 0    ? 0x08000000
		      : strncmp(mcu, "rp2", 3) == 0    ? 0x10000000
		      : strncmp(mcu, "sam3", 4) == 0   ? 0x80000
		      : strncmp(mcu, "same70", 6) == 0 ? 0x400000
						       : 0;
	flash->boot_bytes = strncmp(mcu, "rp2040", 6) == 0 ? 256 : 0;
	flash->ram = part->family == SIM_FAMILY_LPC176X ? 0x10000000 : 0x20000000;
	/* STM32F103 with 256 KiB and more, and F07x: 2 KiB pages. */
	if (strncmp(mcu, "stm32f103", 9) == 0 && flash->size >= 256 * KIB)
		flash->page_bytes = 2 * KIB;
	if (flash->size % (4 * KIB) != 0)
		return kf_fail(err, KF_CONFIG, "flash size %u is not a multiple of 4 KiB",
			       flash->size);
	flash->data = malloc(flash->size);
	if (!flash->data)
		return kf_fail_sys(err, ENOMEM, "%u bytes of flash", flash->size);
	memset(flash->data, 0xff, flash->size);
	return 0;
}

void sim_flash_free(struct sim_flash *flash)
{
	free(flash->data);
	flash->data = NULL;
}

void sim_flash_reset(struct sim_flash *flash)
{
	flash->written_pages = 0;
	flash->faulted = false;
	flash->buffered = false;
	flash->next_address = 0;
}

void sim_flash_begin(struct sim_flash *flash)
{
	flash->writing = flash->ended = false;
}

void sim_flash_wear(struct sim_flash *flash, uint32_t address, uint32_t len)
{
	if (flash->worn && flash->worn >= address && flash->worn - address < len)
		flash->data[flash->worn - flash->base] = 0;
}

uint32_t sim_flash_page_bytes(const struct sim_flash *flash, uint32_t address)
{
	if (flash->family == SIM_FAMILY_LPC176X)
		return address < 64 * KIB ? 4 * KIB : 32 * KIB;
	if (flash->family != SIM_FAMILY_STM32_SECTORS)
		return flash->page_bytes;
	if (address < flash->base + 64 * KIB)
		return 16 * KIB;
	return address < flash->base + 128 * KIB ? 64 * KIB : 128 * KIB;
}

/* The bytes at address, or NULL if any of len lies outside. */
static uint8_t *inside(const struct sim_flash *flash, uint64_t address, uint32_t len)
{
	uint64_t offset = address - flash->base;

	if (address < flash->base || offset > flash->size || len > flash->size - offset)
		return NULL;
	return flash->data + offset;
}

/* The same, and a bus fault. */
static uint8_t *at(struct sim_flash *flash, uint32_t address, uint32_t len)
{
	uint8_t *bytes = inside(flash, address, len);

	flash->faulted |= !bytes;
	return bytes;
}

static bool erased(const uint8_t *data, uint32_t len)
{
	while (len > 0 && *data == 0xff) {
		data++;
		len--;
	}
	return len == 0;
}

static void erase(struct sim_flash *flash, uint8_t *page, uint32_t len, int64_t *busy_us)
{
	uint32_t ms = flash->erase_ms;

	memset(page, 0xff, len);
	flash->erases++;
	if (len == 64 * KIB && flash->erase_64k_ms)
		ms = flash->erase_64k_ms;
	if (len == 128 * KIB && flash->erase_128k_ms)
		ms = flash->erase_128k_ms;
	*busy_us += (int64_t)ms * 1000;
}

static void program(struct sim_flash *flash, uint8_t *to, const uint8_t *from, uint32_t len,
		    int64_t *busy_us)
{
	for (uint32_t i = 0; i < len; i++)
		to[i] &= from[i];
	flash->incomplete = true;
	*busy_us += (int64_t)flash->program_us * ((len + 31) / 32);
}

/* STM32's block, and what the LPC176x has collected: the first of a page erases it. */
static int write_page(struct sim_flash *flash, uint32_t address, const uint8_t *block, uint32_t len,
		      int64_t *busy_us)
{
	uint32_t page_bytes = sim_flash_page_bytes(flash, address);
	bool first = (address - flash->base) % page_bytes == 0;
	uint8_t *to = at(flash, address, first ? page_bytes : len);
	bool same;

	if (!to)
		return -EFAULT;
	same = memcmp(to, block, len) == 0;
	if (first) {
		bool clean = erased(to, page_bytes);

		if (!clean && same && erased(to + len, page_bytes - len))
			return 0;
		if (!clean)
			erase(flash, to, page_bytes, busy_us);
		flash->written_pages++;
	} else if (!erased(to, len)) {
		return same ? 0 : -EINVAL;
	}
	program(flash, to, block, len, busy_us);
	return memcmp(to, block, len) == 0 ? 0 : -EINVAL;
}

static void flush_rp2040(struct sim_flash *flash, int64_t *busy_us)
{
	uint32_t offset = flash->buffer_address - flash->base;
	uint8_t *to = flash->data + offset;

	if (!flash->buffered)
		return;
	if (offset % flash->page_bytes == 0)
		erase(flash, to, flash->page_bytes, busy_us);
	program(flash, to, flash->buffer, flash->buffer_bytes, busy_us);
	flash->written_pages++;
	flash->buffered = false;
}

static int write_rp2040(struct sim_flash *flash, uint32_t address, const uint8_t *block,
			uint32_t len, int64_t *busy_us)
{
	uint32_t bytes = len > 256 ? len : 256;
	uint32_t page = address - (address - flash->base) % bytes;

	if (address < flash->base || address - flash->base > flash->size - len)
		return -EINVAL;
	if (flash->buffered && flash->buffer_address != page)
		flush_rp2040(flash, busy_us);
	if (!flash->buffered)
		memset(flash->buffer, 0xff, sizeof(flash->buffer));
	flash->buffered = true;
	flash->buffer_address = page;
	flash->buffer_bytes = bytes;
	memcpy(flash->buffer + (address - page), block, len);
	return 0;
}

/* Blocks under 256 bytes are collected to that; another address than the next begins such a page */
static int write_lpc176x(struct sim_flash *flash, uint32_t address, const uint8_t *block,
			 uint32_t len, int64_t *busy_us)
{
	uint32_t at = address % LPC_PAGE;
	int r = 0;

	if (len >= LPC_PAGE)
		return write_page(flash, address, block, len, busy_us);
	if (address != flash->next_address) {
		if ((address | flash->next_address) % LPC_PAGE != 0)
			return -EINVAL;
		flash->next_address = address;
	}
	memcpy(flash->buffer + at, block, len);
	if (at == LPC_PAGE - len)
		r = write_page(flash, address - at, flash->buffer, LPC_PAGE, busy_us);
	if (r == 0)
		flash->next_address += len;
	return r;
}

/* Write what was collected. The address that is expected next stays. */
static void flush_lpc176x(struct sim_flash *flash, int64_t *busy_us)
{
	uint32_t used = flash->next_address % LPC_PAGE;

	if (used == 0)
		return;
	memset(flash->buffer + used, 0xff, LPC_PAGE - used);
	IGNORE_RESULT(
		write_page(flash, flash->next_address - used, flash->buffer, LPC_PAGE, busy_us));
}

int sim_flash_write(struct sim_flash *flash, uint32_t address, const uint8_t *block, uint32_t len,
		    int64_t *ret_busy_us)
{
	*ret_busy_us = 0;
	if (len > SIM_BLOCK_MAX || address % len != 0)
		return -EINVAL;
	flash->writing = true;
	switch (flash->family) {
	case SIM_FAMILY_RP2040:
		return write_rp2040(flash, address, block, len, ret_busy_us);
	case SIM_FAMILY_LPC176X:
		return write_lpc176x(flash, address, block, len, ret_busy_us);
	case SIM_FAMILY_STM32_SECTORS:
	case SIM_FAMILY_STM32_PAGES:
		return write_page(flash, address, block, len, ret_busy_us);
	case SIM_FAMILY_OTHER:
		break;
	}
	return -EINVAL;
}

int sim_flash_read(struct sim_flash *flash, uint32_t address, uint8_t *ret, uint32_t len)
{
	const uint8_t *from = at(flash, address, len);

	if (!from)
		return -EFAULT;
	memcpy(ret, from, len);
	return 0;
}

uint32_t sim_flash_finish(struct sim_flash *flash, int64_t *ret_busy_us)
{
	*ret_busy_us = 0;
	if (flash->family == SIM_FAMILY_LPC176X)
		flush_lpc176x(flash, ret_busy_us);
	else
		flush_rp2040(flash, ret_busy_us);
	if (flash->writing)
		flash->incomplete = false;
	flash->writing = false;
	flash->ended = true;
	return flash->written_pages;
}

void sim_flash_use_real_times(struct sim_flash *flash, const char *mcu)
{
	const struct part *part = find_part(mcu);

	flash->erase_ms = part->erase_ms;
	flash->program_us = part->program_us;
	if (part->family == SIM_FAMILY_STM32_SECTORS) {
		flash->erase_64k_ms = 550;
		flash->erase_128k_ms = 1000;
	}
}

int sim_flash_erase(struct sim_flash *flash, uint64_t address, int64_t *busy_us)
{
	uint32_t page_bytes = sim_flash_page_bytes(flash, (uint32_t)address);
	uint8_t *page = inside(flash, address - (address - flash->base) % page_bytes, page_bytes);

	if (!page || address < flash->base)
		return -EFAULT;
	erase(flash, page, page_bytes, busy_us);
	flash->incomplete = true;
	return 0;
}

int sim_flash_program(struct sim_flash *flash, uint64_t address, const uint8_t *data, uint32_t len,
		      int64_t *busy_us)
{
	bool silent =
		flash->family == SIM_FAMILY_STM32_SECTORS || flash->family == SIM_FAMILY_RP2040;
	uint8_t *to = inside(flash, address, len);

	if (!to)
		return -EFAULT;
	if (!silent && !erased(to, len))
		return -EINVAL;
	program(flash, to, data, len, busy_us);
	return 0;
}

void sim_flash_finish_rom(struct sim_flash *flash)
{
	flash->incomplete = false;
}

void sim_flash_complete(struct sim_flash *flash)
{
	if (flash->ended && !flash->writing)
		flash->incomplete = false;
}
