/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "core/bytes.h"
#include "mcu/frame.h"
#include "sim/klipper.h"

#define SYNC	   0x7e
#define DEST	   0x10
#define IDENTIFY   1
#define IDENTIFIED 0

/* docs/Bootloader_Entry.md, after the 0x7e that ends whatever came before it. */
static const char REQUEST[] = " \x1c Request Serial Bootloader!! ~";

enum parsed { MORE, BLOCK, BAD };

static void respond(struct sim_klipper *k, const uint8_t *content, size_t len)
{
	uint8_t block[KF_KLIPPER_BLOCK_MAX];

	sim_mcu_reply(&k->mcu, block, kf_klipper_block_encode(k->sequence, content, len, block));
}

static void identify(struct sim_klipper *k, uint32_t offset, uint32_t count)
{
	uint8_t content[KF_KLIPPER_CONTENT_MAX] = { IDENTIFIED };
	size_t len = 1;

	count &= 0xff;
	if (offset >= k->identify_len)
		count = 0;
	else if (count > k->identify_len - offset)
		count = (uint32_t)(k->identify_len - offset);
	len += kf_klipper_vlq_encode(offset, content + len);
	if (count >= sizeof(content) - len)
		return; /* there, too, what does not fit is not sent */
	content[len++] = (uint8_t)count;
	if (count > 0)
		memcpy(content + len, k->identify + offset, count);
	respond(k, content, len + count);
}

/* Only identify can be told without the dictionary; what follows another command is its business.
 */
static void dispatch(struct sim_klipper *k, const uint8_t *content, size_t len)
{
	uint32_t id, offset, count;
	size_t used, n;

	for (used = 0; used < len; used += n) {
		n = kf_klipper_vlq_decode(content + used, len - used, &id);
		if (n == 0 || id != IDENTIFY)
			return;
		used += n;
		n = kf_klipper_vlq_decode(content + used, len - used, &offset);
		if (n == 0)
			return;
		used += n;
		n = kf_klipper_vlq_decode(content + used, len - used, &count);
		if (n == 0)
			return;
		identify(k, offset, count);
	}
}

static enum parsed parse(const struct sim_klipper *k)
{
	const uint8_t *rx = k->mcu.rx;
	size_t n = rx[0];

	if (k->mcu.rx_len < KF_KLIPPER_BLOCK_MIN)
		return MORE;
	if (n < KF_KLIPPER_BLOCK_MIN || n > KF_KLIPPER_BLOCK_MAX || (rx[1] & 0xf0) != DEST)
		return BAD;
	if (k->mcu.rx_len < n)
		return MORE;
	if (rx[n - 1] != SYNC || kf_crc16(rx, n - 3) != (rx[n - 3] << 8 | rx[n - 2]))
		return BAD;
	return BLOCK;
}

static bool resynchronise(struct sim_klipper *k)
{
	const uint8_t *rx = k->mcu.rx, *sync;
	size_t skip;

	if (!k->hunting && rx[0] == SYNC) {
		sim_mcu_pop(&k->mcu, 1);
		return true;
	}
	sync = memchr(rx, SYNC, k->mcu.rx_len);
	skip = sync ? (size_t)(sync - rx) + 1 : k->mcu.rx_len;
	k->hunting = !sync;
	if (k->mcu.wire == SIM_WIRE_UART && skip == sizeof(REQUEST) - 1 &&
	    memcmp(rx, REQUEST, skip) == 0)
		k->wants_bootloader = true;
	sim_mcu_pop(&k->mcu, skip);
	if (k->wants_bootloader)
		return true; /* it resets at once */
	if (!k->nacked)
		respond(k, NULL, 0);
	k->nacked = true;
	return true;
}

static bool step(struct sim_mcu *mcu, int64_t now_us)
{
	struct sim_klipper *k = (struct sim_klipper *)mcu;
	uint8_t block[KF_KLIPPER_BLOCK_MAX];

	(void)now_us;
	if (mcu->rx_len == 0 || k->wants_bootloader)
		return false;
	switch (k->hunting ? BAD : parse(k)) {
	case MORE:
		return false;
	case BAD:
		return resynchronise(k);
	case BLOCK:
		break;
	}
	memcpy(block, mcu->rx, mcu->rx[0]);
	sim_mcu_pop(mcu, block[0]);
	k->nacked = false;
	if ((block[1] & 0x0f) == k->sequence) {
		k->sequence = (k->sequence + 1) & 0x0f;
		dispatch(k, block + 2, block[0] - KF_KLIPPER_BLOCK_MIN);
	}
	respond(k, NULL, 0); /* with the sequence that it wants next: ack or nak */
	return true;
}

void sim_klipper_init(struct sim_klipper *k, enum sim_wire wire)
{
	bool usb = wire == SIM_WIRE_USB;

	k->mcu = (struct sim_mcu){
		.wire = wire,
		.short_packets = true,
		.rx_size = usb ? 128 : 192,
		.tx_size = usb ? 192 : 96,
		.step = step,
	};
	k->sequence = 0;
	k->hunting = k->nacked = k->wants_bootloader = false;
}
