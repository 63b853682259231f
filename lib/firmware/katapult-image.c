/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <ctype.h>
#include <string.h>

#include "core/bytes.h"
#include "firmware/chip.h"
#include "firmware/katapult-image.h"

static const char signature[KF_KATAPULT_SIGNATURE_SIZE] = {
	'C', 'a', 'n', 'B', 'o', 'o', 't', '!'
};

uint32_t kf_katapult_signature_at(uint32_t reset_vector)
{
	return reset_vector - sizeof(signature) - 1; /* 1: Thumb code has an odd address */
}

bool kf_katapult_signature(const uint8_t bytes[KF_KATAPULT_SIGNATURE_SIZE])
{
	return memcmp(bytes, signature, sizeof(signature)) == 0;
}

/* Copy the printable text at data, up to its NUL. False: it is none, or too long. */
static bool text_at(const uint8_t *data, size_t len, char *ret, size_t size)
{
	size_t n = 0;

	while (n < len && isgraph(data[n]))
		n++;
	if (n == 0 || n >= size || n >= len || data[n])
		return false;
	memcpy(ret, data, n);
	ret[n] = '\0';
	return true;
}

/* Does the vector table of an image for that chip lead to code with the signature before it? */
static bool is_signed(const uint8_t *data, size_t len, const struct kf_chip *chip)
{
	uint32_t at;

	if (len < chip->vectors + 8)
		return false;
	at = kf_katapult_signature_at(kf_get_le32(data + chip->vectors + 4)) - chip->flash;
	return at < len && len - at >= sizeof(signature) && kf_katapult_signature(data + at);
}

/* CONFIG_MCU, which CONNECT answers, is a text in it (Katapult src/flashcmd.c), and behind it, as
 * the compiler leaves them, is the version. */
bool kf_katapult_image(const uint8_t *data, size_t len, const uint32_t *start,
		       struct kf_dictionary *ret, uint32_t *ret_start)
{
	struct kf_dictionary found = { .app = KF_KATAPULT_APP };
	const struct kf_chip *chip;
	size_t end;

	for (size_t i = 0; i < len; i++) {
		if (!text_at(data + i, len - i, found.mcu, sizeof(found.mcu)) ||
		    !kf_chip_katapult(found.mcu))
			continue;
		chip = kf_chip_find(found.mcu);
		if (!chip || (start && *start != chip->flash) || !is_signed(data, len, chip))
			continue;
		end = i + strlen(found.mcu) + 1;
		if (!text_at(data + end, len - end, found.version, sizeof(found.version)))
			found.version[0] = '\0';
		*ret = found;
		*ret_start = chip->flash;
		return true;
	}
	return false;
}
