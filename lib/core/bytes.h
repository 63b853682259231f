/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Integers, checksums and bytes as they stand in frames, files and flash. */
#ifndef KF_CORE_BYTES_H
#define KF_CORE_BYTES_H

#include "core/error.h"

uint32_t kf_get_le32(const uint8_t *p);
void kf_put_le32(uint8_t *p, uint32_t value);

/* The value of a hexadecimal digit, or -1: c is none. */
int kf_hex_digit(char c);

/*
 * CRC-16/MCRF4XX: what Klipper and Katapult call crc16-ccitt (polynomial 0x1021
 * reflected, initial 0xffff, no final xor).
 */
uint16_t kf_crc16(const void *data, size_t len);

/*
 * Compare what was read back from address with what was written there. KF_VERIFY_FAILED names the
 * first address that differs.
 */
_must_check_ int kf_bytes_verify(uint32_t address, const uint8_t *wrote, const uint8_t *got,
				 size_t len, struct kf_error *err);

#endif
