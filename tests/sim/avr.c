/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "sim/avr.h"

#define US_PER_MS 1000

enum {
	STK_OK = 0x10,
	STK_INSYNC = 0x14,
	STK_EOP = 0x20, /* ends each command of version 1 */
	START = 0x1b,	/* begins each of version 2 */
	TOKEN = 0x0e,
	BODY_MAX = 300,
};

static bool find_signature(const char *mcu, uint8_t ret[3])
{
	static const struct {
		const char *mcu;
		uint8_t signature[3];
	} parts[] = {
		{ "atmega2560", { 0x1e, 0x98, 0x01 } },
		{ "atmega1284p", { 0x1e, 0x97, 0x05 } },
		{ "atmega328p", { 0x1e, 0x95, 0x0f } },
		{ "atmega32u4", { 0x1e, 0x95, 0x87 } },
	};

	for (size_t i = 0; i < KF_ARRAY_SIZE(parts); i++) {
		if (strcmp(mcu, parts[i].mcu) != 0)
			continue;
		memcpy(ret, parts[i].signature, sizeof(parts[i].signature));
		return true;
	}
	return false;
}

/* The firmware starts after so many ms, or after a silence. */
static void leave(struct sim_avr *a, int64_t now_us, int64_t ms)
{
	a->leave_us = now_us + ms * US_PER_MS;
	a->leaving = true;
}

static void hear(struct sim_avr *a, int64_t now_us)
{
	if (!a->leaving)
		a->leave_us = now_us + a->quiet_us;
}

static bool is_flash(const struct sim_avr *a, uint32_t len)
{
	return a->address <= a->flash->size && len <= a->flash->size - a->address;
}

/* A page is erased before it is written. What does not fit is not written, as there. */
static void write_page(struct sim_avr *a, const uint8_t *data, uint32_t len)
{
	if (!is_flash(a, len))
		return;
	memcpy(a->flash->data + a->address, data, len);
	sim_flash_wear(a->flash, a->address, len);
	a->address += len;
}

static void read_page(struct sim_avr *a, uint8_t *ret, uint32_t len)
{
	memset(ret, 0xff, len);
	if (is_flash(a, len))
		memcpy(ret, a->flash->data + a->address, len);
	a->address += len;
}

/* STK500 version 2 */

static void answer(struct sim_avr *a, uint8_t number, const uint8_t *body, size_t len)
{
	uint8_t message[BODY_MAX + 6] = { START, number, (uint8_t)(len >> 8), (uint8_t)len, TOKEN };
	uint8_t sum = 0;

	memcpy(message + 5, body, len);
	for (size_t i = 0; i < len + 5; i++)
		sum ^= message[i];
	message[len + 5] = sum;
	sim_mcu_reply(&a->mcu, message, len + 6);
}

/* CMD_SPI_MULTI: only a byte of the signature has an answer of its own. */
static size_t spi(const struct sim_avr *a, const uint8_t *body, uint8_t *reply)
{
	reply[2] = 0;
	reply[3] = body[4];
	reply[4] = 0;
	reply[5] = body[4] == 0x30 && body[6] < 3 ? a->signature[body[6]] : 0xff;
	reply[6] = 0;
	return 7;
}

static void command_v2(struct sim_avr *a, uint8_t number, const uint8_t *body, int64_t now_us)
{
	uint8_t reply[BODY_MAX] = { body[0] };
	uint32_t size = (uint32_t)body[1] << 8 | body[2];
	size_t len = 2;

	switch (body[0]) {
	case 0x01: /* CMD_SIGN_ON */
		memcpy(reply + 2,
		       "\x08"
		       "AVRISP_2",
		       9);
		len = 11;
		break;
	case 0x03: /* CMD_GET_PARAMETER */
		reply[2] = body[1] == 0x91 ? 2 : 10;
		len = 3;
		break;
	case 0x06: /* CMD_LOAD_ADDRESS, of a word */
		a->address = ((uint32_t)(body[1] & 0x7f) << 24 | (uint32_t)body[2] << 16 |
			      (uint32_t)body[3] << 8 | body[4]) *
			     2;
		break;
	case 0x11: /* CMD_LEAVE_PROGMODE_ISP: once it has answered */
		leave(a, now_us, 10);
		break;
	case 0x13: /* CMD_PROGRAM_FLASH_ISP */
		if (size <= 256)
			write_page(a, body + 10, size);
		break;
	case 0x14: /* CMD_READ_FLASH_ISP */
		if (size > 256)
			size = 0;
		read_page(a, reply + 2, size);
		len = size + 3;
		reply[size + 2] = 0;
		break;
	case 0x18: /* CMD_READ_FUSE_ISP, CMD_READ_LOCK_ISP, CMD_READ_SIGNATURE_ISP */
	case 0x1a:
	case 0x1b:
		reply[2] = body[0] == 0x1b && body[4] < 3 ? a->signature[body[4]] : 0xff;
		len = 4;
		break;
	case 0x1d:
		len = spi(a, body, reply);
		break;
	default:
		break;
	}
	answer(a, number, reply, len);
}

/* It reads bytes until one begins a message; each keeps it waiting. */
static bool step_v2(struct sim_mcu *mcu, int64_t now_us)
{
	struct sim_avr *a = (struct sim_avr *)mcu;
	uint8_t message[BODY_MAX + 6] = { 0 };
	size_t len, body;

	if (mcu->rx_len == 0)
		return false;
	hear(a, now_us);
	body = (size_t)mcu->rx[2] << 8 | mcu->rx[3];
	if (mcu->rx[0] != START || (mcu->rx_len >= 5 && (mcu->rx[4] != TOKEN || body > BODY_MAX))) {
		sim_mcu_pop(mcu, 1);
		return true;
	}
	len = body + 6;
	if (mcu->rx_len < 5 || mcu->rx_len < len)
		return false;
	memcpy(message, mcu->rx, len);
	sim_mcu_pop(mcu, len);
	command_v2(a, message[1], message + 5, now_us);
	return true;
}

/* STK500 version 1 */

/* The bytes of a command that begins so, with its end; 0: more have to come; 1: it is not known. */
static size_t length_v1(const struct sim_mcu *mcu)
{
	switch (mcu->rx[0]) {
	case '0': /* STK_GET_SYNC, ENTER and LEAVE_PROGMODE, READ_SIGN */
	case 'P':
	case 'Q':
	case 'u':
		return 2;
	case 'A': /* GET_PARAMETER */
		return 3;
	case 'U': /* LOAD_ADDRESS */
		return 4;
	case 't': /* READ_PAGE */
		return 5;
	case 'V': /* UNIVERSAL */
		return 6;
	case 'E': /* SET_DEVICE_EXT */
		return 7;
	case 'B': /* SET_DEVICE */
		return 22;
	case 'd': /* PROG_PAGE */
		return mcu->rx_len < 3 ? 0 : 5 + ((size_t)mcu->rx[1] << 8 | mcu->rx[2]);
	default:
		return 1;
	}
}

static void command_v1(struct sim_avr *a, const uint8_t *c, int64_t now_us)
{
	uint8_t reply[BODY_MAX] = { STK_INSYNC };
	uint32_t size = (uint32_t)c[1] << 8 | c[2];
	size_t len = 1;

	if (c[0] == 'U')
		a->address = ((uint32_t)c[2] << 8 | c[1]) * 2;
	else if (c[0] == 'A')
		reply[len++] = c[1] == 0x81 ? 4 : c[1] == 0x82 ? 4 : 3;
	else if (c[0] == 'V')
		reply[len++] = 0;
	else if (c[0] == 'u') {
		memcpy(reply + 1, a->signature, sizeof(a->signature));
		len += sizeof(a->signature);
	} else if (c[0] == 'd' && size <= 256)
		write_page(a, c + 4, size);
	else if (c[0] == 't' && size <= 256) {
		read_page(a, reply + 1, size);
		len += size;
	} else if (c[0] == 'Q')
		leave(a, now_us, 16);
	reply[len++] = STK_OK;
	sim_mcu_reply(&a->mcu, reply, len);
}

/* Take a whole command, as much of it as fits, and return its length; 0: more has to come. */
static size_t take(struct sim_mcu *mcu, size_t (*length)(const struct sim_mcu *),
		   uint8_t ret[BODY_MAX])
{
	size_t len = mcu->rx_len ? length(mcu) : 0;

	if (len == 0 || mcu->rx_len < len)
		return 0;
	memcpy(ret, mcu->rx, len < BODY_MAX ? len : BODY_MAX);
	sim_mcu_pop(mcu, len);
	return len;
}

static bool step_v1(struct sim_mcu *mcu, int64_t now_us)
{
	struct sim_avr *a = (struct sim_avr *)mcu;
	uint8_t command[BODY_MAX];
	size_t len = take(mcu, length_v1, command);

	if (len == 0)
		return false;
	hear(a, now_us);
	/* The watchdog resets it, and the firmware starts. */
	if (len == 1 || len > sizeof(command) || command[len - 1] != STK_EOP)
		leave(a, now_us, 16);
	else
		command_v1(a, command, now_us);
	return true;
}

/* AVR109 */

static size_t length_109(const struct sim_mcu *mcu)
{
	switch (mcu->rx[0]) {
	case 'T': /* the device type */
		return 2;
	case 'A': /* the address of a word */
		return 3;
	case 'g': /* read */
		return 4;
	case 'B': /* write */
		return mcu->rx_len < 3 ? 0 : 4 + ((size_t)mcu->rx[1] << 8 | mcu->rx[2]);
	default:
		return 1;
	}
}

static void command_109(struct sim_avr *a, const uint8_t *c, int64_t now_us)
{
	static const struct {
		uint8_t command;
		const char *reply;
		size_t len;
	} fixed[] = {
		{ 'S', "CATERIN", 7 }, { 'V', "10", 2 },   { 'v', "?", 1 },
		{ 'p', "S", 1 },       { 'a', "Y", 1 },	   { 'b', "Y\0\x80", 3 },
		{ 't', "D\0", 2 },     { 'F', "\xff", 1 }, { 'r', "\xff", 1 },
		{ 'N', "\xff", 1 },    { 'Q', "\xff", 1 },
	};
	uint32_t size = (uint32_t)c[1] << 8 | c[2];
	uint8_t reply[BODY_MAX] = { '\r' };
	size_t len = 1;

	for (size_t i = 0; i < KF_ARRAY_SIZE(fixed); i++)
		if (c[0] == fixed[i].command) {
			sim_mcu_reply(&a->mcu, (const uint8_t *)fixed[i].reply, fixed[i].len);
			return;
		}
	if (c[0] == START) /* it resynchronises */
		return;
	if (c[0] == 'A')
		a->address = ((uint32_t)c[1] << 8 | c[2]) * 2;
	else if (c[0] == 'B' && size <= 256)
		write_page(a, c + 4, size);
	else if (c[0] == 'g' && size <= 256) {
		read_page(a, reply, size);
		len = size;
	} else if (c[0] == 's') {
		for (len = 0; len < sizeof(a->signature); len++)
			reply[len] = a->signature[sizeof(a->signature) - 1 - len];
	} else if (c[0] == 'E')
		leave(a, now_us, 500);
	else if (!strchr("TPL", c[0]))
		reply[0] = '?';
	sim_mcu_reply(&a->mcu, reply, len);
}

static bool step_109(struct sim_mcu *mcu, int64_t now_us)
{
	struct sim_avr *a = (struct sim_avr *)mcu;
	uint8_t command[BODY_MAX];
	size_t len = take(mcu, length_109, command);

	if (len == 0 || len > sizeof(command))
		return len > 0;
	hear(a, now_us);
	command_109(a, command, now_us);
	return true;
}

bool sim_avr_init(struct sim_avr *a, const char *name, const char *mcu, enum sim_wire wire,
		  int64_t now_us)
{
	static const struct {
		const char *name;
		bool (*step)(struct sim_mcu *mcu, int64_t now_us);
		int64_t wait_ms, quiet_ms;
	} loaders[] = {
		{ "stk500v2", step_v2, 1000, 600 },
		{ "stk500", step_v1, 1000, 1000 },
		{ "avr109", step_109, 8000, 8000 },
	};

	for (size_t i = 0; i < KF_ARRAY_SIZE(loaders); i++) {
		if (strcmp(name, loaders[i].name) != 0)
			continue;
		a->mcu = (struct sim_mcu){ .wire = wire,
					   .rx_size = SIM_BUFFER_BYTES,
					   .tx_size = SIM_BUFFER_BYTES,
					   .step = loaders[i].step };
		a->address = 0;
		a->leaving = false;
		a->leave_us = now_us + loaders[i].wait_ms * US_PER_MS;
		a->quiet_us = loaders[i].quiet_ms * US_PER_MS;
		return find_signature(mcu, a->signature);
	}
	return false;
}
