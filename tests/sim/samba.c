/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "sim/samba.h"

enum {
	COMMAND_MAX = 32,
};

/* A flash controller of a SAMD21 or SAME54: its registers, and what its erase is. */
struct nvm {
	uint32_t ready, address, unit; /* unit: the bytes that ADDR counts */
	uint32_t control, erase;       /* erase: the command */
	uint32_t bytes;		       /* that it erases */
};

static const struct nvm samd21 = { 0x41004014, 0x4100401c, 2, 0x41004000, 0xa502, 256 };
static const struct nvm same54 = { 0x41004012, 0x41004014, 1, 0x41004004, 0xa501, 8192 };

/*
 * A part that bossac knows: the numbers by which it knows it, and the flash controller by which it
 * writes it (its Device.cpp and *Flash.cpp).
 */
struct sim_samba_part {
	const char *mcu; /* the start of its name */
	uint32_t ram, page, cpuid, id_at, id;
	unsigned planes; /* of flash, each with an EEFC, the last one at 0x400e0c00 */
	const struct nvm *nvm;
};

#define DSU_DID	    0x41002018
#define CHIPID_CIDR 0x400e0940

static const struct sim_samba_part parts[] = {
	/* SAMD21G18A, SAME54P20A, SAME70Q20, SAM3X8E: Cortex-M0+, -M4, -M7, -M3 */
	{ "samd21", 0x20000000, 64, 0x410cc601, DSU_DID, 0x10010005, 0, &samd21 },
	{ "same54", 0x20000000, 512, 0x410fc241, DSU_DID, 0x61840000, 0, &same54 },
	{ "same70", 0x20400000, 512, 0x411fc271, CHIPID_CIDR, 0xa1020c00, 1, NULL },
	{ "sam3x8", 0x20000000, 256, 0x412fc230, CHIPID_CIDR, 0x285e0a60, 2, NULL },
};

static const struct sim_samba_part *find_part(const char *mcu)
{
	for (size_t i = 0; i < KF_ARRAY_SIZE(parts); i++)
		if (strncmp(mcu, parts[i].mcu, strlen(parts[i].mcu)) == 0)
			return &parts[i];
	return NULL;
}

bool sim_samba_in_rom(const char *mcu)
{
	const struct sim_samba_part *part = find_part(mcu);

	return part && part->planes;
}

static uint8_t *in_ram(struct sim_samba *s, uint32_t address, uint32_t len)
{
	uint32_t ram = s->part->ram;

	return address >= ram && len <= sizeof(s->ram) && address - ram <= sizeof(s->ram) - len
		       ? s->ram + (address - ram)
		       : NULL;
}

static uint8_t *in_flash(const struct sim_samba *s, uint32_t address, uint32_t len)
{
	const struct sim_flash *f = s->flash;

	return address >= f->base && len <= f->size && address - f->base <= f->size - len
		       ? f->data + (address - f->base)
		       : NULL;
}

static void erase(struct sim_samba *s, uint32_t address, uint32_t len)
{
	uint8_t *at = in_flash(s, address, len);

	if (at)
		memset(at, 0xff, len);
}

/* Programming only clears bits. */
static void program(struct sim_samba *s, uint32_t address, const uint8_t *data, uint32_t len)
{
	uint8_t *at = in_flash(s, address, len);

	for (uint32_t i = 0; at && i < len; i++)
		at[i] &= data[i];
	if (at)
		sim_flash_wear(s->flash, address, len);
}

/* EEFC_FCR of one of the planes. */
static void eefc(struct sim_samba *s, unsigned plane, uint32_t value)
{
	uint32_t each = s->flash->size / s->part->planes, argument = value >> 8 & 0xffff;
	uint32_t page = s->part->page, at = s->flash->base + plane * each + argument * page;

	if (value >> 24 != 0x5a)
		return;
	switch (value & 0xff) {
	case 0x03: /* EWP, and WP without the erase */
		erase(s, at, page);
		program(s, at, s->page, page);
		break;
	case 0x01:
		program(s, at, s->page, page);
		break;
	case 0x05: /* EA */
		erase(s, s->flash->base + plane * each, each);
		break;
	case 0x0b: /* SGPB, CGPB, GGPB */
	case 0x0c:
		if (argument == 1)
			s->boots_flash = (value & 0xff) == 0x0b;
		break;
	case 0x0d:
		s->result = s->boots_flash ? 1u << 1 : 0;
		break;
	default:
		break;
	}
}

static uint32_t read_word(struct sim_samba *s, uint32_t address)
{
	const struct sim_samba_part *part = s->part;
	const uint8_t *at = in_ram(s, address, 4);

	if (at)
		return kf_get_le32(at);
	if (address == part->id_at)
		return part->id;
	if (part->nvm && address == part->nvm->ready)
		return 1;
	switch (address) {
	case 0xe000ed00: /* CPUID */
		return part->cpuid;
	case 0x400e0a08: /* EEFC_FSR of two planes: ready */
	case 0x400e0c08:
		return 1;
	case 0x400e0a0c: /* EEFC_FRR, where bossac reads that of the first plane */
		return s->result;
	case 0x400e0c0c:
		return part->planes == 1 ? s->result : 0;
	default:
		return 0;
	}
}

static void write_word(struct sim_samba *s, uint32_t address, uint32_t value, int64_t now_us)
{
	const struct sim_samba_part *part = s->part;
	const struct nvm *nvm = part->nvm;
	uint8_t *at = in_ram(s, address, 4);

	if (at)
		kf_put_le32(at, value);
	else if (part->planes && address == 0x400e0c04)
		eefc(s, part->planes - 1, value);
	else if (part->planes == 2 && address == 0x400e0a04)
		eefc(s, 0, value);
	else if (nvm && address == nvm->address)
		s->row = value * nvm->unit;
	else if (nvm && address == nvm->control && value == nvm->erase)
		erase(s, s->row - s->row % nvm->bytes, nvm->bytes);
	else if ((address == 0x400e1a00 && value == 0xa500000d) ||
		 (address == 0xe000ed0c && value == 0x05fa0004)) /* RSTC_CR, AIRCR */
		s->leave_us = now_us;
}

/* bossac's applet (WordCopyArm.asm): its stack, reset, destination, source and count of words. */
static void go(struct sim_samba *s, uint32_t address)
{
	const uint8_t *head = in_ram(s, address, 20), *from;
	uint32_t to, source, len;
	uint8_t *ram;

	if (!head)
		return;
	to = kf_get_le32(head + 8);
	source = kf_get_le32(head + 12);
	len = kf_get_le32(head + 16) * 4;
	from = in_ram(s, source, len);
	if (!from)
		from = in_flash(s, source, len);
	ram = in_ram(s, to, len);
	if (from && ram)
		memmove(ram, from, len);
	else if (from && len == s->part->page) /* into the page buffer */
		memcpy(s->page, from, len);
}

static uint16_t checksum(const uint8_t *data, uint32_t len)
{
	uint16_t crc = 0;

	for (uint32_t i = 0; i < len; i++) {
		crc ^= (uint16_t)(data[i] << 8);
		for (int bit = 0; bit < 8; bit++)
			crc = (uint16_t)(crc << 1 ^ (crc & 0x8000 ? 0x1021 : 0));
	}
	return crc;
}

static void say(struct sim_samba *s, const char *text)
{
	sim_mcu_reply(&s->mcu, (const uint8_t *)text, strlen(text));
}

static void read_bytes(struct sim_samba *s, uint32_t address, uint32_t len)
{
	uint8_t bytes[SIM_BUFFER_BYTES] = { 0 };
	const uint8_t *at = in_ram(s, address, len);

	if (!at && !s->part->planes)
		at = in_flash(s, address, len);
	if (len > sizeof(bytes))
		return;
	if (at)
		memcpy(bytes, at, len);
	sim_mcu_reply(&s->mcu, bytes, len);
}

/* Arduino's: from where, then to where and how much. */
static void write_buffer(struct sim_samba *s, uint32_t address, uint32_t len)
{
	const uint8_t *from = len ? in_ram(s, s->source, len) : NULL;

	if (from)
		program(s, address, from, len);
	else
		s->source = address;
	say(s, "Y\n\r");
}

static void command(struct sim_samba *s, char name, uint32_t a, uint32_t b, int64_t now_us)
{
	uint8_t word[4];
	char text[24];
	const uint8_t *at;

	switch (name) {
	case 'N':
		say(s, "\n\r");
		break;
	case 'V':
		say(s, s->part->planes ? "v1.1 Dec 15 2010 19:25:04\n\r"
				       : "v2.0 [Arduino:XYZ] Feb 17 2019 12:22:10\n\r");
		break;
	case 'w':
	case 'o':
		kf_put_le32(word, read_word(s, a));
		sim_mcu_reply(&s->mcu, word, name == 'w' ? 4 : 1);
		break;
	case 'W':
		write_word(s, a, b, now_us);
		break;
	case 'R':
		read_bytes(s, a, b);
		break;
	case 'S':
		s->data_address = a;
		s->data_left = b;
		break;
	case 'G':
		go(s, a);
		break;
	case 'X':
		erase(s, a, s->flash->base + s->flash->size - a);
		say(s, "X\n\r");
		break;
	case 'Y':
		write_buffer(s, a, b);
		break;
	case 'Z':
		at = in_flash(s, a, b);
		snprintf(text, sizeof(text), "Z%08X#\n\r", at ? checksum(at, b) : 0u);
		say(s, text);
		break;
	default:
		break;
	}
}

/* The bytes that follow S. */
static void receive(struct sim_samba *s)
{
	uint32_t len = s->mcu.rx_len < s->data_left ? (uint32_t)s->mcu.rx_len : s->data_left;
	uint8_t *at = in_ram(s, s->data_address, len);

	if (at)
		memcpy(at, s->mcu.rx, len);
	s->data_address += len;
	s->data_left -= len;
	sim_mcu_pop(&s->mcu, len);
}

static bool step(struct sim_mcu *mcu, int64_t now_us)
{
	struct sim_samba *s = (struct sim_samba *)mcu;
	char text[COMMAND_MAX + 1] = "", *comma;
	const uint8_t *end;
	size_t len;

	if (mcu->rx_len == 0 || s->leave_us != SIM_NEVER)
		return false;
	if (s->data_left) {
		receive(s);
		return true;
	}
	end = memchr(mcu->rx, '#', mcu->rx_len);
	if (!end && mcu->rx_len <= COMMAND_MAX)
		return false;
	len = end ? (size_t)(end - mcu->rx) : mcu->rx_len;
	memcpy(text, mcu->rx, len < COMMAND_MAX ? len : COMMAND_MAX);
	sim_mcu_pop(mcu, len + (end ? 1 : 0));
	comma = strchr(text, ',');
	command(s, text[0], (uint32_t)strtoul(text[0] ? text + 1 : text, NULL, 16),
		comma ? (uint32_t)strtoul(comma + 1, NULL, 16) : 0, now_us);
	return true;
}

bool sim_samba_init(struct sim_samba *s, const char *mcu)
{
	s->part = find_part(mcu);
	s->mcu = (struct sim_mcu){ .wire = SIM_WIRE_USB,
				   .rx_size = SIM_BUFFER_BYTES,
				   .tx_size = SIM_BUFFER_BYTES,
				   .step = step };
	s->boots_flash = false; /* Klipper's bootloader_request() and the ERASE button clear it */
	s->leave_us = SIM_NEVER;
	s->data_left = 0;
	return s->part;
}
