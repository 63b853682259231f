/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "core/bytes.h"
#include "sim/mcu.h"
#include "sim/picoboot.h"

#define MAGIC	      0x431fd10bu
#define COMMAND_BYTES 32
#define PACKET	      64
#define US_PER_MS     1000

enum id {
	EXCLUSIVE = 0x01,
	REBOOT = 0x02,
	ERASE = 0x03,
	WRITE = 0x05,
	EXIT_XIP = 0x06,
	ENTER_XIP = 0x07,
	REBOOT2 = 0x0a,
	READ = 0x84,
};

enum status {
	OK,
	UNKNOWN_COMMAND,
	COMMAND_LENGTH,
	TRANSFER_LENGTH,
	INVALID_ADDRESS,
	BAD_ALIGNMENT,
	REBOOTING = 7,
	UNKNOWN_ERROR,
};

enum { RESET = 0x41, STATUS = 0x42, OUT = 0x03, IN = 0x84 };

/* Bytes of arguments, by command; the data's length is an argument of its own. */
static const struct {
	uint8_t id, arguments;
	bool data, rp2040, rp2350;
} commands[] = {
	{ EXCLUSIVE, 1, false, true, true }, { REBOOT, 12, false, true, false },
	{ ERASE, 8, false, true, true },     { WRITE, 8, true, true, true },
	{ EXIT_XIP, 0, false, true, true },  { ENTER_XIP, 0, false, true, true },
	{ REBOOT2, 16, false, false, true }, { READ, 8, true, true, true },
};

/* Windows of addresses; the flash's is as large as the largest chip. */
enum {
	FLASH_START = 0x10000000,
	RAM_START = 0x20000000,
	RAM_BYTES = 264 * 1024,
	ROM_BYTES = 16384
};

static bool in_flash(const struct sim_picoboot *p, uint32_t address, uint32_t bytes)
{
	uint32_t window = p->rp2350 ? 32u << 20 : 16u << 20;

	return address >= FLASH_START && bytes <= window && address - FLASH_START <= window - bytes;
}

static bool in_memory(uint32_t address, uint32_t bytes, bool writes)
{
	return (address >= RAM_START && bytes <= RAM_BYTES &&
		address - RAM_START <= RAM_BYTES - bytes) ||
	       (!writes && bytes <= ROM_BYTES && address <= ROM_BYTES - bytes);
}

/* The chip has fewer address lines than the window. */
static uint64_t wrapped(const struct sim_picoboot *p, uint32_t address)
{
	return p->flash->base + (address - FLASH_START) % p->flash->size;
}

static enum sim_usb_answer refuse(struct sim_picoboot *p, enum status status)
{
	p->status = status;
	p->phase = SIM_PICOBOOT_COMMAND;
	p->usb.halted_out |= 1u << (OUT & 0x0f);
	p->usb.halted_in |= 1u << (IN & 0x0f);
	return SIM_USB_STALL;
}

static enum status check_range(const struct sim_picoboot *p, uint8_t id, uint32_t bytes,
			       uint32_t transfer_bytes)
{
	uint32_t unit = id == ERASE ? p->flash->page_bytes : id == WRITE ? 256 : 1;
	bool flash = in_flash(p, p->address, bytes);

	if (id != ERASE && bytes != transfer_bytes)
		return TRANSFER_LENGTH;
	if (!flash && (id == ERASE || !in_memory(p->address, bytes, id == WRITE)))
		return INVALID_ADDRESS;
	return flash && ((p->address | bytes) % unit != 0) ? BAD_ALIGNMENT : OK;
}

static void erase(struct sim_picoboot *p, uint32_t bytes, int64_t now_us)
{
	int64_t busy_us = 0;

	for (uint32_t at = 0; at < bytes; at += p->flash->page_bytes)
		IGNORE_RESULT(sim_flash_erase(p->flash, wrapped(p, p->address + at), &busy_us));
	p->busy_until_us = now_us + busy_us;
}

static void reboot(struct sim_picoboot *p, uint32_t delay_ms, int64_t now_us)
{
	p->rebooting = true;
	if (p->leave != SIM_ROM_LEAVE_STAYS)
		p->usb.leave_us = now_us + (int64_t)delay_ms * US_PER_MS;
}

static enum status check_command(const struct sim_picoboot *p, const uint8_t *packet)
{
	uint32_t transfer_bytes = kf_get_le32(packet + 12);

	for (size_t i = 0; i < KF_ARRAY_SIZE(commands); i++) {
		if (commands[i].id != p->id ||
		    !(p->rp2350 ? commands[i].rp2350 : commands[i].rp2040))
			continue;
		if (packet[9] != commands[i].arguments)
			return COMMAND_LENGTH;
		return commands[i].data == (transfer_bytes > 0) ? OK : TRANSFER_LENGTH;
	}
	return UNKNOWN_COMMAND;
}

static enum sim_usb_answer command(struct sim_picoboot *p, const struct sim_usb_transfer *t,
				   int64_t now_us)
{
	const uint8_t *arguments = t->data + 16;
	uint32_t bytes;

	if (t->len != COMMAND_BYTES || kf_get_le32(t->data) != MAGIC)
		return refuse(p, UNKNOWN_ERROR);
	p->token = kf_get_le32(t->data + 4);
	p->id = t->data[8];
	p->address = kf_get_le32(arguments);
	bytes = kf_get_le32(arguments + 4);
	p->status = p->rebooting ? (enum status)REBOOTING : check_command(p, t->data);
	if (p->status == OK && (p->id == ERASE || p->id == WRITE || p->id == READ))
		p->status = check_range(p, p->id, bytes, kf_get_le32(t->data + 12));
	if (p->status == OK && TAKE_VALUE(p->usb.failing, false))
		p->status = UNKNOWN_ERROR;
	if (p->status != OK)
		return refuse(p, p->status);
	p->left = p->id == WRITE || p->id == READ ? bytes : 0;
	p->phase = p->id == WRITE  ? SIM_PICOBOOT_RECEIVES
		   : p->id == READ ? SIM_PICOBOOT_SENDS
				   : SIM_PICOBOOT_ACKNOWLEDGES;
	if (p->id == ERASE)
		erase(p, bytes, now_us);
	if (p->id == REBOOT || p->id == REBOOT2)
		reboot(p, kf_get_le32(arguments + (p->id == REBOOT ? 8 : 4)), now_us);
	return SIM_USB_DONE;
}

/* Whole pages are programmed as they come, from the start of a page on. */
static enum sim_usb_answer receive(struct sim_picoboot *p, const struct sim_usb_transfer *t,
				   int64_t now_us)
{
	uint32_t len = (uint32_t)t->len;
	int64_t busy_us = 0;

	if (len > p->left || (len < p->left && len % PACKET != 0))
		return refuse(p, TRANSFER_LENGTH);
	for (uint32_t at = 0, n; in_flash(p, p->address, p->left) && at < len; at += n) {
		n = len - at < PACKET ? len - at : PACKET;
		IGNORE_RESULT(sim_flash_program(p->flash, wrapped(p, p->address + at), t->data + at,
						n, &busy_us));
	}
	p->busy_until_us = now_us + busy_us;
	p->address += len;
	p->left -= len;
	if (p->left == 0)
		p->phase = SIM_PICOBOOT_ACKNOWLEDGES;
	return SIM_USB_DONE;
}

static enum sim_usb_answer send(struct sim_picoboot *p, struct sim_usb_transfer *t)
{
	uint32_t len = t->len < p->left ? (uint32_t)t->len : p->left;
	bool flash = in_flash(p, p->address, p->left);

	for (uint32_t i = 0; i < len; i++)
		t->data[i] =
			flash ? p->flash->data[wrapped(p, p->address + i) - p->flash->base] : 0;
	t->actual = len;
	p->address += len;
	p->left -= len;
	if (p->left == 0)
		p->phase = SIM_PICOBOOT_ACKNOWLEDGED;
	return SIM_USB_DONE;
}

/* An empty packet to the host, once the flash is done. */
static enum sim_usb_answer acknowledge(struct sim_picoboot *p)
{
	if (p->rebooting && p->leave == SIM_ROM_LEAVE_SILENT)
		return SIM_USB_NAK;
	if (p->rebooting && p->leave == SIM_ROM_LEAVE_STALLS)
		return refuse(p, REBOOTING);
	p->phase = SIM_PICOBOOT_COMMAND;
	return SIM_USB_DONE;
}

static enum sim_usb_answer out(struct sim_picoboot *p, struct sim_usb_transfer *t, int64_t now_us)
{
	t->actual = t->len;
	switch (p->phase) {
	case SIM_PICOBOOT_COMMAND:
		return command(p, t, now_us);
	case SIM_PICOBOOT_RECEIVES:
		return receive(p, t, now_us);
	case SIM_PICOBOOT_ACKNOWLEDGED:
		/* picotool sends a byte in the place of an empty packet. */
		if (t->len > 1)
			return refuse(p, UNKNOWN_ERROR);
		p->phase = SIM_PICOBOOT_COMMAND;
		return SIM_USB_DONE;
	case SIM_PICOBOOT_SENDS:
	case SIM_PICOBOOT_ACKNOWLEDGES:
		break;
	}
	return refuse(p, UNKNOWN_ERROR);
}

static enum sim_usb_answer bulk(struct sim_picoboot *p, struct sim_usb_transfer *t, int64_t now_us)
{
	bool in = t->endpoint & 0x80;

	if (t->endpoint != OUT && t->endpoint != IN) /* the drive's */
		return SIM_USB_STALL;
	if ((in ? p->usb.halted_in : p->usb.halted_out) & 1u << (t->endpoint & 0x0f))
		return SIM_USB_STALL;
	if (now_us < p->busy_until_us) {
		p->usb.wake_us = p->busy_until_us;
		return SIM_USB_NAK;
	}
	p->usb.wake_us = SIM_NEVER;
	if (!in)
		return out(p, t, now_us);
	if (p->phase == SIM_PICOBOOT_SENDS)
		return send(p, t);
	return p->phase == SIM_PICOBOOT_ACKNOWLEDGES ? acknowledge(p) : SIM_USB_NAK;
}

static enum sim_usb_answer control(struct sim_picoboot *p, struct sim_usb_transfer *t,
				   int64_t now_us)
{
	uint8_t status[16] = { 0 };

	if (t->setup.index != p->interface)
		return SIM_USB_STALL;
	if (t->setup.type == 0x41 && t->setup.request == RESET) {
		p->usb.halted_in = p->usb.halted_out = 0;
		p->phase = SIM_PICOBOOT_COMMAND;
		p->status = OK;
		return SIM_USB_DONE;
	}
	if (t->setup.type != 0xc1 || t->setup.request != STATUS || t->len != sizeof(status))
		return SIM_USB_STALL;
	kf_put_le32(status, p->token);
	kf_put_le32(status + 4, p->status);
	status[8] = p->id;
	status[9] = p->phase != SIM_PICOBOOT_COMMAND || now_us < p->busy_until_us;
	return sim_usb_send(t, status, sizeof(status));
}

static enum sim_usb_answer answer(struct sim_usb_device *usb, struct sim_usb_transfer *t,
				  int64_t now_us)
{
	struct sim_picoboot *p = (struct sim_picoboot *)(void *)usb;

	return t->endpoint & 0x0f ? bulk(p, t, now_us) : control(p, t, now_us);
}

static void reset(struct sim_usb_device *usb)
{
	((struct sim_picoboot *)(void *)usb)->phase = SIM_PICOBOOT_COMMAND;
}

static bool leaves(const struct sim_usb_device *usb, const struct sim_usb_transfer *t)
{
	const struct sim_picoboot *p = (const struct sim_picoboot *)(const void *)usb;

	return t->endpoint == OUT && p->phase == SIM_PICOBOOT_COMMAND && t->len == COMMAND_BYTES &&
	       (t->data[8] == REBOOT || t->data[8] == REBOOT2);
}

/* Endpoints of 64 bytes, to the device first, as the programs for it expect. */
static void add_interface(struct sim_picoboot *p, uint8_t number, const uint8_t class[3],
			  uint8_t out_endpoint, uint8_t in_endpoint)
{
	sim_usb_add(&p->usb, (uint8_t[]){ 9, 4, number, 0, 2, class[0], class[1], class[2], 0 });
	sim_usb_add(&p->usb, (uint8_t[]){ 7, 5, out_endpoint, 2, PACKET, 0, 0 });
	sim_usb_add(&p->usb, (uint8_t[]){ 7, 5, in_endpoint, 2, PACKET, 0, 0 });
}

void sim_picoboot_init(struct sim_picoboot *p, const char *mcu, struct sim_flash *flash,
		       bool no_drive, enum sim_rom_leave leave)
{
	static const uint8_t drive[] = { 0x08, 0x06, 0x50 }, vendor[] = { 0xff, 0, 0 };
	static const struct sim_ids ids[] = { { "2e8a", "0003" }, { "2e8a", "000f" } };

	*p = (struct sim_picoboot){
		.flash = flash,
		.rp2350 = strncmp(mcu, "rp235", 5) == 0,
		.interface = !no_drive,
		.leave = leave,
	};
	sim_usb_init(&p->usb, &ids[p->rp2350], 0x0100, "Raspberry Pi",
		     p->rp2350 ? "RP2350 Boot" : "RP2 Boot", SIM_PICOBOOT_SERIAL);
	p->usb.answer = answer;
	p->usb.reset = reset;
	p->usb.leaves = leaves;
	if (!no_drive)
		add_interface(p, 0, drive, 0x02, 0x81);
	add_interface(p, p->interface, vendor, OUT, IN);
}
