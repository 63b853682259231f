/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What bootloader and firmware have in common: one CPU with a receive and a transmit
 * buffer, and a main loop that takes one message a pass (Katapult and Klipper
 * src/generic/usb_cdc.c, serial_irq.c, canserial.c). Pure: bytes and microseconds are passed in.
 *
 * USB: a packet of at most 64 bytes is taken while 64 bytes are free, else the host keeps
 * it. UART and CAN: what does not fit is lost. All: a reply that does not fit is lost.
 */
#ifndef SIM_MCU_H
#define SIM_MCU_H

#include "sim/fault.h"

#define SIM_PACKET	 64
#define SIM_BUFFER_BYTES (3 * 512)
#define SIM_NEVER	 INT64_MAX

enum sim_wire { SIM_WIRE_USB, SIM_WIRE_UART, SIM_WIRE_CAN };

struct sim_mcu {
	enum sim_wire wire;
	bool short_packets; /* never sends one of exactly 64 bytes: Klipper does, Katapult not */
	struct sim_faults *faults; /* what happens to its replies; may be NULL */

	uint8_t rx[SIM_BUFFER_BYTES], tx[SIM_BUFFER_BYTES];
	size_t rx_size, rx_len, tx_size, tx_len;

	int64_t busy_until_us; /* deaf until then: the flash is being written */

	/* One pass of the main loop: take a message. False: nothing changed. */
	bool (*step)(struct sim_mcu *mcu, int64_t now_us);
};

/* Offer one packet (len at most SIM_PACKET). False: no room, offer it again later. */
_must_check_ bool sim_mcu_take(struct sim_mcu *mcu, const uint8_t *packet, size_t len);

/* Take the next packet that it sends; 0: none. */
size_t sim_mcu_send(struct sim_mcu *mcu, uint8_t ret[SIM_PACKET]);

/* For the models: remove len received bytes; queue a reply. */
void sim_mcu_pop(struct sim_mcu *mcu, size_t len);
void sim_mcu_reply(struct sim_mcu *mcu, const uint8_t *frame, size_t len);

#endif
