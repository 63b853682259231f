/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Identify a board by the strings of USB and the names of udev: pure text, no I/O.
 * Facts: Klipper docs/FAQ.md and src/generic/usb_cdc.c; Katapult src/generic/usb_cdc.c;
 * systemd's 60-serial.rules for usb-<manufacturer>_<product>_<serial>-if<NN>[-port<N>].
 */
#ifndef KF_BOARD_IDENTITY_H
#define KF_BOARD_IDENTITY_H

#include "board/board.h"

struct kf_identity {
	enum kf_mode mode;	   /* klipper, katapult or other */
	char mcu[64];		   /* as Kconfig spells it (stm32h723xx); empty if not ours */
	char serial[KF_NAME_SIZE]; /* the last part; empty if there is none */
};

/*
 * The name below /dev/serial/by-id that udev gives these strings, without the folder: for where
 * there is no such link (systemd#25238, DFU, a mocked device). An empty string is replaced by its
 * id, as in udev; an interface that is not known counts as "if00".
 */
void kf_identity_by_id(const struct kf_usb *usb, char ret[KF_DEV_SIZE]);

/*
 * Take a by-id name apart: with or without folder, "usb-", "-if00", "-port0", a
 * trailing "*", and \x20 escapes. Returns false if it is not Klipper's, Kalico's,
 * Katapult's or CanBoot's (ret is then mode other, and serial if one can be told:
 * where a vendor overrode the manufacturer, the serial is still the chip's).
 */
bool kf_identity_parse(const char *by_id, struct kf_identity *ret);

/*
 * The mode by vendor, product and strings. Vendors may override any of the strings
 * (the ids of Klipper and Katapult then tell) and the ids (then the manufacturer does).
 * Maple's (1eaf:0003) and Smoothieboard's (1d50:6015) are DFU; the HID bootloader (1209:beba) and
 * SAM-BA (03eb:6124) are other. The ids are those of Klipper scripts/flash_usb.py, and of bossac.
 */
enum kf_mode kf_identity_mode(const struct kf_usb *usb);

/* The ids of a bootloader that has no tty: DFU, BOOTSEL and the HID bootloader. */
bool kf_identity_bootloader(const struct kf_usb *usb);

/*
 * The ids of a USB-to-CAN adapter (gs_usb), with which Klipper's USB-to-CAN bridge shows itself: it
 * has no tty, and its serial is the chip's, as over USB (Klipper src/generic/usb_canbus.c). By its
 * manufacturer the mode of a bridge is klipper, that of a mere adapter other.
 */
bool kf_identity_bridge(const struct kf_usb *usb);

/* The beginning of the MCU's name by the USB ids: "stm32"; "" if they do not tell. */
const char *kf_identity_family(const struct kf_usb *usb);

/* The MCU by the USB product string, or by vendor and product ids; "" if unknown. */
void kf_identity_mcu(const struct kf_usb *usb, char ret[64]);

/*
 * The maker of a probe ("Beacon", "Cartographer") that speaks Klipper's protocol, or one like it,
 * and that only its maker's own program updates. It is found by USB's strings or by the version
 * that the board tells. NULL: it is no such probe.
 */
const char *kf_board_foreign(const struct kf_board *board);

/* By its USB ids: is the serial port a converter's (CH340, FTDI, CP210x), or an Arduino's? */
bool kf_identity_converter(const struct kf_usb *usb);

/* Is it in a bootloader that has no tty and no name of its own: DFU, BOOTSEL, HID? */
bool kf_board_in_rom(const struct kf_board *board);

/* Is it in a bootloader that does not name its board: DFU, BOOTSEL, HID, or SAM-BA, which has a
 * tty? */
bool kf_board_in_loader(const struct kf_board *board);

/* Has the board a serial number of its own now? Not if many show it, nor in such a bootloader. */
bool kf_board_has_serial(const struct kf_board *board);

/* The name that its chip alone has: the serial number on USB, else the UUID on CAN; else empty. */
const char *kf_board_chip(const struct kf_board *board);

/* The board's by-id path, or the name that udev would give it where there is no link. */
void kf_board_by_id(const struct kf_board *board, char ret[KF_DEV_SIZE]);

/* Is serial one board's own? "12345", "", all zeros and the like are shared by many. */
bool kf_serial_unique(const char *serial);

/*
 * Do two spellings name one MCU? Equal, or one is the other without what only says
 * package, memory and revision: stm32h723 and stm32h723xx do, same54 and same54p20a do,
 * sam3x8e and sam3x8c do not, stm32f4 and stm32f446xx do not. Case is ignored.
 */
bool kf_mcu_same(const char *a, const char *b);

/* The short name that people and the Python tool use: stm32h723, not stm32h723xx. */
void kf_mcu_short(const char *mcu, char ret[64]);

/*
 * Does pattern (fnmatch, as in devices.json) fit this by-id name, whichever of
 * Klipper, Kalico, Katapult, CanBoot either of them says, in any case?
 */
bool kf_pattern_match(const char *pattern, const char *by_id);

/*
 * Does pattern name a serial number, or its beginning? A pattern without one fits many boards: a
 * registered USB port then says which of them is meant.
 */
bool kf_pattern_has_serial(const char *pattern);

/*
 * The pattern that the registry keeps: the by-id name without folder and -ifNN, plus '*'.
 * A name that ends in -portN keeps both, as a converter may have several ports. False for
 * what is not such a name: empty, too long, or with a character that a pattern gives a meaning.
 */
bool kf_pattern_from_by_id(const char *by_id, char ret[KF_DEV_SIZE]);

/* udev's \xNN escapes back to bytes, cleaned. */
void kf_udev_decode(const char *src, char *dst, size_t size);

#endif
