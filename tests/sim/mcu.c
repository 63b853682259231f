/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "katapult/frame.h"
#include "sim/mcu.h"

bool sim_mcu_take(struct sim_mcu *mcu, const uint8_t *packet, size_t len)
{
	size_t room = mcu->rx_size - mcu->rx_len;

	if (mcu->wire == SIM_WIRE_USB && room < SIM_PACKET)
		return false;
	if (len > room)
		len = room;
	memcpy(mcu->rx + mcu->rx_len, packet, len);
	mcu->rx_len += len;
	return true;
}

size_t sim_mcu_send(struct sim_mcu *mcu, uint8_t ret[SIM_PACKET])
{
	size_t len = mcu->tx_len < SIM_PACKET ? mcu->tx_len : SIM_PACKET;

	if (mcu->short_packets && mcu->tx_len == SIM_PACKET)
		len--;
	memcpy(ret, mcu->tx, len);
	mcu->tx_len -= len;
	memmove(mcu->tx, mcu->tx + len, mcu->tx_len);
	return len;
}

void sim_mcu_pop(struct sim_mcu *mcu, size_t len)
{
	mcu->rx_len -= len;
	memmove(mcu->rx, mcu->rx + len, mcu->rx_len);
}

/* A reply that does not fit is lost. */
static void queue(struct sim_mcu *mcu, const uint8_t *frame, size_t len)
{
	if (len > mcu->tx_size - mcu->tx_len)
		return;
	memcpy(mcu->tx + mcu->tx_len, frame, len);
	mcu->tx_len += len;
}

void sim_mcu_reply(struct sim_mcu *mcu, const uint8_t *frame, size_t len)
{
	static const uint8_t can_id[] = { KF_KATAPULT_CAN_ID, 0, 0, 0, 0x55, 0x55, 0x55, 0x55 };
	enum sim_fault_kind fault = sim_faults_next(mcu->faults, SIM_FROM_BOARD, false);
	uint8_t other[KF_KATAPULT_FRAME_MAX];

	if (fault == SIM_FAULT_DROP)
		return;
	if (fault == SIM_FAULT_FOREIGN)
		queue(mcu, other,
		      kf_katapult_frame_encode(KF_KATAPULT_ACK, can_id, sizeof(can_id), other));
	if (fault == SIM_FAULT_DUP)
		queue(mcu, frame, len);
	if (fault == SIM_FAULT_CORRUPT) {
		memcpy(other, frame, len);
		other[len / 2] ^= 0x40;
		frame = other;
	}
	queue(mcu, frame, len);
}
