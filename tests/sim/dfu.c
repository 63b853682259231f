/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <string.h>

#include "core/bytes.h"
#include "core/text.h"
#include "sim/dfu.h"
#include "sim/mcu.h"

enum request { DNLOAD = 1, UPLOAD, GETSTATUS, CLRSTATUS, GETSTATE, ABORT };

enum status {
	OK = 0x00,
	ERR_TARGET = 0x01,
	ERR_PROG = 0x06,
	ERR_ADDRESS = 0x08,
	ERR_VENDOR = 0x0b,
	ERR_UNKNOWN = 0x0e,
	ERR_STALLED = 0x0f,
};

enum command { SET_POINTER = 0x21, ERASE = 0x41, UNPROTECT = 0x92 };

#define FIRST_BLOCK 2 /* block 0 is a command, 1 is reserved */
/* The bus notices the departure so late that the reset with which dfu-util -R ends still succeeds.
 */
#define LEAVING_US 20000
#define US_PER_MS  1000

/* A part's names of its memories. Those beside the flash are the alternates from 1 on. */
static const struct memories {
	const char *prefix;
	uint32_t transfer_bytes;
	int count_digits, kib_digits; /* of pages, in the flash's text */
	const char *others[3];
} memories[] = {
	{ "stm32f2",
	  2048,
	  2,
	  3,
	  { "@Option Bytes  /0x1FFFC000/01*016 e", "@OTP Memory /0x1FFF7800/01*512 e,01*016 e",
	    "@Device Feature/0xFFFF0000/01*004 e" } },
	{ "stm32f4",
	  2048,
	  2,
	  3,
	  { "@Option Bytes  /0x1FFFC000/01*016 e", "@OTP Memory /0x1FFF7800/01*512 e,01*016 e",
	    "@Device Feature/0xFFFF0000/01*004 e" } },
	{ "stm32f0", 2048, 3, 4, { "@Option Bytes  /0x1FFFF800/01*016 e" } },
	{ "stm32f1", 2048, 3, 4, { "@Option Bytes  /0x1FFFF800/01*016 e" } },
	{ "stm32h7", 1024, 2, 3, { "@Option Bytes   /0x5200201C/01*128 e" } },
	{ "", 1024, 2, 2, { "@Option Bytes   /0x1FFF7800/01*128 e" } },
};

static const struct memories *find_memories(const char *mcu)
{
	const struct memories *m = memories;

	while (strncmp(mcu, m->prefix, strlen(m->prefix)) != 0)
		m++;
	return m;
}

static void name_flash(const struct sim_flash *flash, const struct memories *m,
		       char ret[SIM_USB_STRING_SIZE])
{
	unsigned kib = flash->size / 1024, page_kib = flash->page_bytes / 1024;

	if (flash->family != SIM_FAMILY_STM32_SECTORS)
		snprintf(ret, SIM_USB_STRING_SIZE, "@Internal Flash  /0x08000000/%0*u*%0*uKg",
			 m->count_digits, kib / page_kib, m->kib_digits, page_kib);
	else
		snprintf(ret, SIM_USB_STRING_SIZE,
			 "@Internal Flash  /0x08000000/04*016Kg,01*064Kg,%02u*128Kg",
			 kib > 128 ? kib / 128 - 1 : 0);
}

static void add_alternate(struct sim_dfu *dfu, uint8_t number, const char *name)
{
	uint8_t interface[] = { 9, 4, 0, number, 0, 0xfe, 1, 2, 0 };

	interface[8] = sim_usb_add_string(&dfu->usb, name);
	sim_usb_add(&dfu->usb, interface);
}

static enum sim_usb_answer refuse(struct sim_dfu *dfu, uint8_t status)
{
	dfu->state = SIM_DFU_ERROR;
	dfu->status = status;
	return SIM_USB_STALL;
}

/* Reads the command in block 0. */
static enum sim_usb_answer parse_command(struct sim_dfu *dfu, const uint8_t *data, size_t len)
{
	uint8_t command = data[0];

	dfu->address = len == 5 ? kf_get_le32(data + 1) : 0;
	if (command == SET_POINTER && len == 5)
		dfu->job = SIM_DFU_POINT;
	else if (command == ERASE && len == 5)
		dfu->job = SIM_DFU_ERASE;
	else if (command == ERASE && len == 1)
		dfu->job = SIM_DFU_ERASE_ALL;
	else if (command == UNPROTECT && len == 1)
		dfu->job = SIM_DFU_UNPROTECT;
	else
		return refuse(dfu, ERR_STALLED);
	return SIM_USB_DONE;
}

static enum sim_usb_answer download(struct sim_dfu *dfu, struct sim_usb_transfer *t)
{
	if ((dfu->state != SIM_DFU_IDLE && dfu->state != SIM_DFU_DNLOAD_IDLE) ||
	    t->len > dfu->transfer_bytes)
		return refuse(dfu, ERR_STALLED);
	t->actual = t->len;
	if (t->len == 0) {
		dfu->state = SIM_DFU_MANIFEST_SYNC;
		return SIM_USB_DONE;
	}
	if (t->setup.value == 0) {
		if (parse_command(dfu, t->data, t->len) == SIM_USB_STALL)
			return SIM_USB_STALL;
	} else if (t->setup.value < FIRST_BLOCK) {
		return refuse(dfu, ERR_STALLED);
	} else {
		dfu->job = SIM_DFU_WRITE;
		dfu->address = dfu->pointer +
			       (uint64_t)(t->setup.value - FIRST_BLOCK) * dfu->transfer_bytes;
		memcpy(dfu->data, t->data, t->len);
		dfu->len = t->len;
	}
	dfu->state = SIM_DFU_DNLOAD_SYNC;
	return SIM_USB_DONE;
}

/* The bytes at address: the flash's; of the other memories all are erased. NULL: no memory. */
static const uint8_t *readable(const struct sim_dfu *dfu, uint64_t address, size_t *ret_len)
{
	static const uint8_t erased[] =
		"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff";
	const struct sim_flash *flash = dfu->flash;
	unsigned first, bytes;

	if (address >= flash->base && address < (uint64_t)flash->base + flash->size) {
		*ret_len = flash->base + flash->size - (size_t)address;
		return flash->data + (address - flash->base);
	}
	for (unsigned i = 4; i < dfu->usb.string_count; i++) {
		const char *text = strchr(dfu->usb.strings[i], '/');

		if (!text || sscanf(text, "/%x/01*%u", &first, &bytes) != 2 || address < first ||
		    address >= (uint64_t)first + bytes)
			continue;
		*ret_len = first + bytes - (size_t)address;
		if (*ret_len > sizeof(erased) - 1)
			*ret_len = sizeof(erased) - 1;
		return erased;
	}
	return NULL;
}

static enum sim_usb_answer upload(struct sim_dfu *dfu, struct sim_usb_transfer *t)
{
	static const uint8_t commands[] = { 0, SET_POINTER, ERASE, UNPROTECT };
	const uint8_t *from = commands;
	size_t len = sizeof(commands);

	if ((dfu->state != SIM_DFU_IDLE && dfu->state != SIM_DFU_UPLOAD_IDLE) ||
	    t->len > dfu->transfer_bytes || t->setup.value == 1)
		return refuse(dfu, ERR_STALLED);
	if (t->setup.value >= FIRST_BLOCK) {
		if (*dfu->protected)
			return refuse(dfu, ERR_VENDOR);
		from = readable(dfu,
				dfu->pointer + (uint64_t)(t->setup.value - FIRST_BLOCK) *
						       dfu->transfer_bytes,
				&len);
		if (!from)
			return refuse(dfu, ERR_ADDRESS);
	}
	/* Fewer bytes than were asked for are the end. */
	dfu->state = len < t->len ? SIM_DFU_IDLE : SIM_DFU_UPLOAD_IDLE;
	return sim_usb_send(t, from, len);
}

static uint8_t erase(struct sim_dfu *dfu, int64_t *busy_us)
{
	return sim_flash_erase(dfu->flash, dfu->address, busy_us) < 0 ? ERR_TARGET : OK;
}

static uint8_t erase_all(struct sim_dfu *dfu, int64_t *busy_us)
{
	const struct sim_flash *flash = dfu->flash;
	uint64_t end = (uint64_t)flash->base + flash->size;

	for (dfu->address = flash->base; dfu->address < end;
	     dfu->address += sim_flash_page_bytes(flash, (uint32_t)dfu->address))
		if (erase(dfu, busy_us) != OK)
			return ERR_TARGET;
	return OK;
}

static uint8_t point(struct sim_dfu *dfu)
{
	size_t len;

	if (!readable(dfu, dfu->address, &len))
		return ERR_TARGET;
	dfu->pointer = (uint32_t)dfu->address;
	return OK;
}

static uint8_t write_block(struct sim_dfu *dfu, int64_t *busy_us)
{
	switch (sim_flash_program(dfu->flash, dfu->address, dfu->data, (uint32_t)dfu->len,
				  busy_us)) {
	case 0:
		return OK;
	case -EFAULT:
		return ERR_ADDRESS;
	default:
		return ERR_PROG;
	}
}

/* The chip starts anew without its contents. */
static uint8_t unprotect(struct sim_dfu *dfu, int64_t *busy_us)
{
	uint8_t result = *dfu->protected ? erase_all(dfu, busy_us) : (uint8_t)OK;

	*dfu->protected = false;
	dfu->restart = true;
	return result;
}

static uint8_t do_job(struct sim_dfu *dfu, int64_t *busy_us)
{
	bool failing = TAKE_VALUE(dfu->usb.failing, false);

	if (failing)
		return ERR_UNKNOWN;
	if (*dfu->protected && dfu->job != SIM_DFU_UNPROTECT)
		return ERR_VENDOR;
	switch (dfu->job) {
	case SIM_DFU_POINT:
		return point(dfu);
	case SIM_DFU_ERASE:
		return erase(dfu, busy_us);
	case SIM_DFU_ERASE_ALL:
		return erase_all(dfu, busy_us);
	case SIM_DFU_UNPROTECT:
		return unprotect(dfu, busy_us);
	case SIM_DFU_WRITE:
		return write_block(dfu, busy_us);
	case SIM_DFU_NOTHING:
		break;
	}
	return OK;
}

/* The state after this request; *ret_poll_ms is how long to wait for the next. */
static void step(struct sim_dfu *dfu, int64_t now_us, uint32_t *ret_poll_ms)
{
	int64_t busy_us = 0;

	if (dfu->state == SIM_DFU_MANIFEST_SYNC) {
		dfu->state = SIM_DFU_MANIFEST;
		if (dfu->leave != SIM_ROM_LEAVE_STAYS)
			dfu->usb.leave_us = now_us + LEAVING_US;
		return;
	}
	if (dfu->state != SIM_DFU_DNLOAD_SYNC)
		return;
	if (dfu->job == SIM_DFU_NOTHING) {
		dfu->state = dfu->result == OK ? SIM_DFU_DNLOAD_IDLE : SIM_DFU_ERROR;
		dfu->status = dfu->result;
		return;
	}
	dfu->result = do_job(dfu, &busy_us);
	dfu->job = SIM_DFU_NOTHING;
	dfu->state = SIM_DFU_DNBUSY;
	dfu->busy_until_us = now_us + busy_us;
	if (dfu->restart)
		dfu->usb.leave_us = dfu->busy_until_us + LEAVING_US;
	*ret_poll_ms =
		dfu->poll_ms ? dfu->poll_ms : (uint32_t)((busy_us + US_PER_MS - 1) / US_PER_MS);
}

static enum sim_usb_answer send_status(struct sim_dfu *dfu, struct sim_usb_transfer *t,
				       int64_t now_us)
{
	bool leaving = dfu->state == SIM_DFU_MANIFEST_SYNC;
	uint8_t answer[6] = { 0 };
	uint32_t poll_ms = 0;

	step(dfu, now_us, &poll_ms);
	if (leaving && dfu->leave == SIM_ROM_LEAVE_STALLS)
		return SIM_USB_STALL;
	if (dfu->state == SIM_DFU_MANIFEST && dfu->leave == SIM_ROM_LEAVE_SILENT)
		return SIM_USB_NAK;
	kf_put_le32(answer, dfu->status | poll_ms << 8);
	answer[4] = (uint8_t)dfu->state;
	return sim_usb_send(t, answer, sizeof(answer));
}

static enum sim_usb_answer obey(struct sim_dfu *dfu, struct sim_usb_transfer *t, int64_t now_us)
{
	uint8_t state = (uint8_t)dfu->state;

	switch (t->setup.request) {
	case DNLOAD:
		return download(dfu, t);
	case UPLOAD:
		return upload(dfu, t);
	case GETSTATUS:
		return send_status(dfu, t, now_us);
	case GETSTATE:
		return sim_usb_send(t, &state, 1);
	case CLRSTATUS:
		if (dfu->state != SIM_DFU_ERROR) {
			refuse(dfu, ERR_UNKNOWN);
			return SIM_USB_DONE;
		}
		dfu->state = SIM_DFU_IDLE;
		dfu->status = OK;
		return SIM_USB_DONE;
	case ABORT:
		if (dfu->state == SIM_DFU_ERROR || dfu->state == SIM_DFU_MANIFEST)
			return SIM_USB_STALL;
		dfu->state = SIM_DFU_IDLE;
		dfu->job = SIM_DFU_NOTHING;
		return SIM_USB_DONE;
	default:
		return refuse(dfu, ERR_STALLED);
	}
}

static enum sim_usb_answer answer(struct sim_usb_device *usb, struct sim_usb_transfer *t,
				  int64_t now_us)
{
	static const uint8_t to_host[] = { [UPLOAD] = 1, [GETSTATUS] = 1, [GETSTATE] = 1 };
	struct sim_dfu *dfu = (struct sim_dfu *)(void *)usb;
	bool in = t->setup.request < sizeof(to_host) && to_host[t->setup.request];

	if ((t->setup.type & 0x7f) != 0x21 || in != (t->endpoint == 0x80))
		return SIM_USB_STALL;
	if (dfu->state == SIM_DFU_DNBUSY) {
		if (now_us < dfu->busy_until_us)
			return refuse(dfu, ERR_STALLED);
		dfu->state = SIM_DFU_DNLOAD_SYNC;
	}
	return obey(dfu, t, now_us);
}

static void reset(struct sim_usb_device *usb)
{
	struct sim_dfu *dfu = (struct sim_dfu *)(void *)usb;

	dfu->state = SIM_DFU_IDLE;
	dfu->status = OK;
	dfu->job = SIM_DFU_NOTHING;
}

static bool leaves(const struct sim_usb_device *usb, const struct sim_usb_transfer *t)
{
	(void)usb;
	return t->setup.request == DNLOAD && t->len == 0;
}

void sim_dfu_init(struct sim_dfu *dfu, const char *mcu, const struct sim_ids *ids,
		  struct sim_flash *flash, uint32_t transfer_bytes, uint32_t poll_ms,
		  enum sim_rom_leave leave, bool *protected)
{
	const struct memories *m = find_memories(mcu);
	uint8_t functional[] = { 9, 0x21, 0x0b, 0xff, 0, 0, 0, 0x1a, 0x01 };
	char name[SIM_USB_STRING_SIZE];

	*dfu = (struct sim_dfu){
		.flash = flash,
		.transfer_bytes = transfer_bytes ? transfer_bytes : m->transfer_bytes,
		.poll_ms = poll_ms,
		.leave = leave,
		.protected = protected,
		.state = SIM_DFU_IDLE,
		.pointer = flash->base,
	};
	sim_usb_init(&dfu->usb, ids, 0x2200, "STMicroelectronics", "STM32  BOOTLOADER",
		     SIM_DFU_SERIAL);
	dfu->usb.answer = answer;
	dfu->usb.reset = reset;
	dfu->usb.leaves = leaves;
	name_flash(flash, m, name);
	add_alternate(dfu, 0, name);
	for (uint8_t i = 0; i < KF_ARRAY_SIZE(m->others) && m->others[i]; i++)
		add_alternate(dfu, (uint8_t)(i + 1), m->others[i]);
	functional[5] = (uint8_t)dfu->transfer_bytes;
	functional[6] = (uint8_t)(dfu->transfer_bytes >> 8);
	sim_usb_add(&dfu->usb, functional);
}
