/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "core/bytes.h"
#include "katapult/frame.h"
#include "sim/katapult.h"

#define STX	       0x01
#define PROTOCOL       0x00010100
#define PROTOCOL_OLD   0x00010000
#define LEAVE_DELAY_US 100000
#define FRAME_MAX(k)   ((k)->block_bytes + 64)
#define WORDS_BYTES(s) ((strlen(s) + 3) / 4 * 4)
#define CONNECT_MAX    (5 * 4 + 64 + 64)

enum parsed { MORE, FRAME, BAD };

static void respond(struct sim_katapult *k, uint8_t command, const uint8_t *payload, size_t len)
{
	uint8_t frame[KF_KATAPULT_FRAME_MAX];

	sim_mcu_reply(&k->mcu, frame, kf_katapult_frame_encode(command, payload, len, frame));
}

/* payload's first word is left for the command. */
static void ack(struct sim_katapult *k, uint8_t command, uint8_t *payload, size_t len)
{
	kf_put_le32(payload, command);
	respond(k, KF_KATAPULT_ACK, payload, len);
}

static void connect_board(struct sim_katapult *k)
{
	uint8_t payload[CONNECT_MAX] = { 0 };
	bool old = k->version[0] == '\0';
	size_t len = 16 + WORDS_BYTES(k->name);

	sim_flash_begin(k->flash);
	kf_put_le32(payload + 4, old ? PROTOCOL_OLD : PROTOCOL);
	kf_put_le32(payload + 8, k->start);
	kf_put_le32(payload + 12, k->block_bytes);
	memcpy(payload + 16, k->name, strlen(k->name));
	if (!old) {
		memcpy(payload + len + 4, k->version, strlen(k->version));
		len += 4 + WORDS_BYTES(k->version);
	}
	ack(k, KF_KATAPULT_CONNECT, payload, len);
}

static void send_block(struct sim_katapult *k, const uint8_t *payload, size_t len, int64_t now_us)
{
	uint32_t address = kf_get_le32(payload);
	int64_t busy_us = 0;
	uint8_t reply[8];
	int r = -1;

	if (len == k->block_bytes + 4 && address >= k->start)
		r = sim_flash_write(k->flash, address, payload + 4, k->block_bytes, &busy_us);
	k->mcu.busy_until_us = now_us + busy_us;
	if (k->flash->faulted)
		return;
	if (r < 0) {
		respond(k, KF_KATAPULT_COMMAND_ERROR, NULL, 0);
		return;
	}
	kf_put_le32(reply + 4, address);
	ack(k, KF_KATAPULT_SEND_BLOCK, reply, sizeof(reply));
}

static void request_block(struct sim_katapult *k, const uint8_t *payload)
{
	uint32_t address = kf_get_le32(payload);
	uint8_t reply[8 + SIM_BLOCK_MAX];

	if (sim_flash_read(k->flash, address, reply + 8, k->block_bytes) < 0)
		return;
	kf_put_le32(reply + 4, address);
	ack(k, KF_KATAPULT_REQUEST_BLOCK, reply, 8 + k->block_bytes);
}

static void end_of_file(struct sim_katapult *k, int64_t now_us)
{
	int64_t busy_us = 0;
	uint8_t reply[8];

	kf_put_le32(reply + 4, sim_flash_finish(k->flash, &busy_us));
	k->mcu.busy_until_us = now_us + busy_us;
	ack(k, KF_KATAPULT_EOF, reply, sizeof(reply));
}

static void tell_uuid(struct sim_katapult *k)
{
	uint8_t reply[12] = { 0 };

	memcpy(reply + 4, k->uuid, sizeof(k->uuid));
	ack(k, KF_KATAPULT_CAN_ID, reply, sizeof(reply));
}

/* frame is whole and good; where it has no payload, the CRC stands in its place, as there. */
static void dispatch(struct sim_katapult *k, const uint8_t *frame, int64_t now_us)
{
	const uint8_t *payload = frame + 4;
	uint8_t reply[4];

	switch (frame[2]) {
	case KF_KATAPULT_CONNECT:
		connect_board(k);
		break;
	case KF_KATAPULT_SEND_BLOCK:
		send_block(k, payload, frame[3] * 4u, now_us);
		break;
	case KF_KATAPULT_EOF:
		end_of_file(k, now_us);
		break;
	case KF_KATAPULT_REQUEST_BLOCK:
		request_block(k, payload);
		break;
	case KF_KATAPULT_COMPLETE:
		sim_flash_complete(k->flash);
		ack(k, KF_KATAPULT_COMPLETE, reply, sizeof(reply));
		k->leave_us = now_us + LEAVE_DELAY_US;
		break;
	case KF_KATAPULT_CAN_ID:
		if (k->mcu.wire == SIM_WIRE_CAN) {
			tell_uuid(k);
			break;
		}
		respond(k, KF_KATAPULT_COMMAND_ERROR, NULL, 0);
		break;
	default:
		respond(k, KF_KATAPULT_COMMAND_ERROR, NULL, 0);
	}
}

static enum parsed parse(const struct sim_katapult *k, size_t *frame_len)
{
	const uint8_t *rx = k->mcu.rx;
	size_t n;

	if (k->mcu.rx_len < KF_KATAPULT_OVERHEAD)
		return MORE;
	n = rx[3] * 4u + KF_KATAPULT_OVERHEAD;
	if (rx[0] != STX || rx[1] != 0x88 || n > FRAME_MAX(k))
		return BAD;
	if (k->mcu.rx_len < n)
		return MORE;
	if (rx[n - 2] != 0x99 || rx[n - 1] != 0x03)
		return BAD;
	if (kf_crc16(rx + 2, n - 6) != (rx[n - 4] | rx[n - 3] << 8))
		return BAD;
	*frame_len = n;
	return FRAME;
}

static bool resynchronise(struct sim_katapult *k)
{
	const uint8_t *stx = memchr(k->mcu.rx, STX, k->mcu.rx_len);
	size_t skip = stx ? (size_t)(stx - k->mcu.rx) : k->mcu.rx_len;
	bool nack = !k->nacked, was_hunting = k->hunting;

	k->hunting = !stx;
	k->nacked = true;
	sim_mcu_pop(&k->mcu, skip);
	if (nack)
		respond(k, KF_KATAPULT_NACK, NULL, 0);
	return nack || skip > 0 || k->hunting != was_hunting;
}

static bool step(struct sim_mcu *mcu, int64_t now_us)
{
	struct sim_katapult *k = (struct sim_katapult *)mcu;
	uint8_t frame[KF_KATAPULT_FRAME_MAX];
	size_t len = 0;

	if (k->flash->faulted || mcu->rx_len == 0)
		return false;
	switch (k->hunting ? BAD : parse(k, &len)) {
	case MORE:
		return false;
	case BAD:
		return resynchronise(k);
	case FRAME:
		break;
	}
	k->nacked = false;
	memcpy(frame, mcu->rx, len);
	sim_mcu_pop(mcu, len);
	dispatch(k, frame, now_us);
	return true;
}

void sim_katapult_init(struct sim_katapult *k, enum sim_wire wire)
{
	bool usb = wire == SIM_WIRE_USB;

	k->mcu = (struct sim_mcu){
		.wire = wire,
		.rx_size = usb ? k->block_bytes + 64 : k->block_bytes * 3,
		.tx_size = usb ? k->block_bytes * 3 : k->block_bytes + 32,
		.step = step,
	};
	k->hunting = k->nacked = false;
	k->leave_us = SIM_NEVER;
	sim_flash_reset(k->flash);
}
