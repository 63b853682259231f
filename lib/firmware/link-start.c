/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "firmware/link-start.h"
#include "core/bytes.h"
#include "firmware/chip.h"

enum {
	/* ARMv6-M and ARMv7-M ARM, encodings T1 of CPS and B */
	CPSID_I = 0xb672,
	B_SELF = 0xe7fe,
	/* words of the vector table */
	RESET = 1,
	NMI = 2,
	/* Each start that menuconfig offers is a multiple of it. */
	UNIT = 256,
};

struct file {
	const uint8_t *data;
	size_t len, table; /* where the vector table is in it */
};

/* If the file goes to start, does this vector point at such an instruction? */
static bool leads_to(const struct file *file, unsigned vector, uint32_t start, uint16_t instruction)
{
	uint32_t code = kf_get_le32(file->data + file->table + 4 * vector), at = code - 1 - start;

	/* Thumb code has an odd address. */
	return code % 2 == 1 && at < file->len && file->len - at >= 2 &&
	       (file->data[at] | file->data[at + 1] << 8) == instruction;
}

/* Is this vector an address of that part of memory? */
static bool is_within(const struct file *file, unsigned vector, uint32_t from, uint32_t bytes)
{
	return kf_get_le32(file->data + file->table + 4 * vector) - from < bytes;
}

/* Count the starts in this flash for which the file could be linked; *ret: the last of them. */
static unsigned find(const struct file *file, const struct kf_chip *chip, uint32_t flash,
		     uint32_t *ret)
{
	unsigned count = 0;
	/* An RP2040's handlers of all but the reset are in RAM. */
	bool nmi = is_within(file, NMI, flash, chip->flash_bytes);

	for (uint32_t at = 0; at < chip->flash_bytes; at += UNIT) {
		/* Where the flash begins, and only there, a loader is before the table. */
		if (file->table != (at ? 0 : chip->vectors) ||
		    !leads_to(file, RESET, flash + at, CPSID_I) ||
		    (nmi && !leads_to(file, NMI, flash + at, B_SELF)))
			continue;
		*ret = flash + at;
		count++;
	}
	return count;
}

bool kf_link_start(const uint8_t *data, size_t len, const char *mcu, uint32_t *ret)
{
	const struct kf_chip *chip = kf_chip_find(mcu);
	const size_t tables[] = { 0, chip ? chip->vectors : 0 };
	unsigned count = 0;
	uint32_t start = 0;

	for (size_t i = 0; chip && i < (chip->vectors ? 2 : 1); i++) {
		const struct file file = { data, len, tables[i] };

		if (len < tables[i] + 4 * (NMI + 1))
			continue;
		count += find(&file, chip, chip->flash, &start);
		if (chip->mirrored && find(&file, chip, 0, &start)) {
			start += chip->flash;
			count++;
		}
	}
	if (count == 1)
		*ret = start;
	return count == 1;
}
