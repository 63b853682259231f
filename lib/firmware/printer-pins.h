/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The pins that tell one mainboard from another in a printer.cfg, and what the head of Klipper's
 * own config/generic-*.cfg says in prose of the firmware for its board. Text only: nothing of a
 * printer.cfg is executed, and [include] is the caller's.
 */
#ifndef KF_FIRMWARE_PRINTER_PINS_H
#define KF_FIRMWARE_PRINTER_PINS_H

#include "core/base.h"

enum { KF_PINS = 6, KF_PIN_SIZE = 16 };

/* Step pins of x (or a), y (b), z (c) and extruder, heaters of extruder and bed: "PE2" or "". */
struct kf_pins {
	char pin[KF_PINS][KF_PIN_SIZE];
};

/*
 * Read them of the micro-controller mcu ("" or "mcu": the main one). Modifiers (!^~) are no part of
 * a pin. What is no pin is left empty; the last of two settings counts.
 */
void kf_pins_read(const char *text, size_t len, const char *mcu, struct kf_pins *ret);

/* Is there enough of them to tell a board (four), and do they agree wherever both have one? */
bool kf_pins_match(const struct kf_pins *a, const struct kf_pins *b);

/* The settings that a board's header names for one MCU. It tells none that it names twice,
 * differently. */
struct kf_board_header {
	bool offset_told, crystal_told;
	uint32_t offset;      /* bytes of the bootloader; 0: "No bootloader" */
	unsigned crystal_mhz; /* of "12MHz crystal" */
};

/*
 * Read the comment at the head of text for a board with this MCU (Kconfig's spelling). Sentences
 * about other MCUs do not count. False: the header is for other MCUs, or tells nothing.
 */
bool kf_board_header_read(const char *text, size_t len, const char *mcu,
			  struct kf_board_header *ret);

#endif
