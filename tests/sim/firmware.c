/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "core/bytes.h"
#include "core/text.h"
#include "firmware/chip.h"
#include "sim/firmware.h"

#define VECTORS_BYTES  512 /* where the dictionary begins in an image of ours */
#define DICTIONARY_MAX (1 << 20)
#define RAM_RANGE      0x20000000u

static char *describe(const char *app, const char *mcu, const char *version)
{
	json_t *doc = json_pack(
		"{s:s, s:s, s:s, s:s, s:{s:s, s:i}, s:{s:i}, s:{s:i}, s:{}, s:{}}", "app", app,
		"version", version, "build_versions", "gcc: (kf-sim) 0 binutils: (kf-sim) 0",
		"license", "GNU GPLv3", "config", "MCU", mcu, "CLOCK_FREQ", 12000000, "commands",
		"identify offset=%u count=%c", 1, "responses",
		"identify_response offset=%u data=%.*s", 0, "output", "enumerations");
	char *text = json_dumps(doc, JSON_COMPACT);

	json_decref(doc);
	return text;
}

int sim_firmware_make(struct sim_flash *flash, uint32_t start, const char *app, const char *mcu,
		      const char *version, struct kf_error *err)
{
	_cleanup_(kf_freep) char *text = describe(app, mcu, version);
	uint32_t offset = start - flash->base;
	uint8_t *image;
	uLongf room;

	if (!text)
		return kf_fail(err, KF_CONFIG, "app, mcu or version is not UTF-8");
	if (start < flash->base || offset >= flash->size ||
	    flash->size - offset < VECTORS_BYTES + compressBound(strlen(text)))
		return kf_fail(err, KF_CONFIG, "no room for an application at 0x%08x", start);
	image = flash->data + offset;
	room = flash->size - offset - VECTORS_BYTES;
	kf_put_le32(image, flash->ram + 0x4000);
	kf_put_le32(image + 4, start + VECTORS_BYTES + 1);
	memset(image + 8, 0, VECTORS_BYTES - 8);
	if (compress2(image + VECTORS_BYTES, &room, (const Bytef *)text, strlen(text), 9) != Z_OK)
		return kf_fail(err, KF_INTERNAL, "cannot compress a dictionary");
	return 0;
}

/* In front of the code. */
static const uint8_t signature[] = { 'C', 'a', 'n', 'B', 'o', 'o', 't', '!' };

void sim_firmware_make_katapult(struct sim_flash *flash)
{
	static const uint8_t code[] = { 0xfe, 0xe7 }; /* b . */
	uint8_t *vectors = flash->data + flash->boot_bytes;

	kf_put_le32(vectors, flash->ram + 0x4000);
	kf_put_le32(vectors + 4, flash->base + flash->boot_bytes + 0x40 + 1);
	memcpy(vectors + 0x40 - sizeof(signature), signature, sizeof(signature));
	memcpy(vectors + 0x40, code, sizeof(code));
}

bool sim_firmware_has_katapult(const struct sim_flash *flash)
{
	uint32_t code = kf_get_le32(flash->data + flash->boot_bytes + 4) - 1;
	uint32_t offset = code - (uint32_t)sizeof(signature) - flash->base;

	return offset <= flash->size - sizeof(signature) &&
	       memcmp(flash->data + offset, signature, sizeof(signature)) == 0;
}

void sim_firmware_katapult_version(const struct sim_flash *flash, const char *mcu, char ret[64])
{
	const uint8_t *name = memmem(flash->data, flash->size, mcu, strlen(mcu) + 1);

	if (name)
		kf_text_clean(ret, 64, (const char *)name + strlen(mcu) + 1,
			      strnlen((const char *)name + strlen(mcu) + 1, 63));
}

/* CRC-32 as the ROM computes it: not reflected, no final xor. */
static uint32_t stage_checksum(const uint8_t *data, size_t len)
{
	uint32_t crc = 0xffffffff;

	for (size_t i = 0; i < len; i++) {
		crc ^= (uint32_t)data[i] << 24;
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc << 1 ^ (crc & 0x80000000 ? 0x04c11db7 : 0);
	}
	return crc;
}

/* An image definition's first and last word (RP2350 Datasheet, "Blocks"). */
enum { BLOCK_AT = 0x180, BLOCK_RANGE = 4096 };
static const uint32_t block[] = { 0xffffded3, 0x10210142, 0x000001ff, 0, 0xab123579 };

void sim_firmware_make_bootable(struct sim_flash *flash)
{
	uint32_t stage_bytes = flash->boot_bytes ? flash->boot_bytes - 4 : 0;

	if (flash->family != SIM_FAMILY_RP2040)
		return;
	if (flash->boot_bytes) {
		memset(flash->data, 0, stage_bytes);
		kf_put_le32(flash->data + stage_bytes, stage_checksum(flash->data, stage_bytes));
		return;
	}
	for (size_t i = 0; i < KF_ARRAY_SIZE(block); i++)
		kf_put_le32(flash->data + BLOCK_AT + 4 * i, block[i]);
}

bool sim_firmware_is_bootable(const struct sim_flash *flash)
{
	uint32_t stage_bytes = flash->boot_bytes ? flash->boot_bytes - 4 : 0;

	if (flash->family != SIM_FAMILY_RP2040)
		return true;
	if (flash->boot_bytes)
		return kf_get_le32(flash->data + stage_bytes) ==
		       stage_checksum(flash->data, stage_bytes);
	for (uint32_t i = 0; i < BLOCK_RANGE; i += 4)
		if (kf_get_le32(flash->data + i) == block[0])
			return true;
	return false;
}

bool sim_firmware_present(const struct sim_flash *flash, uint32_t start)
{
	uint32_t first = kf_get_le32(flash->data + (start - flash->base));

	return first != 0 && first != 0xffffffff;
}

/* Inflate what begins at data. Returns a NUL-terminated text (the caller frees it) or NULL. */
static char *inflate_text(const uint8_t *data, size_t len, size_t *used)
{
	char *text = malloc(DICTIONARY_MAX + 1);
	z_stream z = {
		.next_in = (Bytef *)data,
		.avail_in = (uInt)len,
		.next_out = (Bytef *)text,
		.avail_out = DICTIONARY_MAX,
	};
	int r;

	if (!text || inflateInit(&z) != Z_OK) {
		free(text);
		return NULL;
	}
	r = inflate(&z, Z_FINISH);
	*used = z.total_in;
	text[z.total_out] = '\0';
	inflateEnd(&z);
	if (r == Z_STREAM_END)
		return text;
	free(text);
	return NULL;
}

static bool read_dictionary(const char *text, struct sim_firmware *ret)
{
	_cleanup_(kf_json_decrefp) json_t *doc = json_loads(text, 0, NULL);
	const json_t *config = json_object_get(doc, "config");
	const char *app, *version, *mcu;

	if (json_unpack(doc, "{s:s, s:{s:s}}", "version", &version, "config", "MCU", &mcu) < 0)
		return false;
	if (json_unpack(doc, "{s:s}", "app", &app) < 0)
		app = "Klipper"; /* as before Klipper's dictionary had it */
	snprintf(ret->app, sizeof(ret->app), "%s", app);
	snprintf(ret->version, sizeof(ret->version), "%s", version);
	snprintf(ret->mcu, sizeof(ret->mcu), "%s", mcu);
	ret->bridge = json_object_get(config, "CANBUS_BRIDGE");
	ret->node = !ret->bridge && json_object_get(config, "CANBUS_FREQUENCY");
	return true;
}

static bool find_dictionary(const uint8_t *data, size_t len, struct sim_firmware *ret)
{
	for (size_t i = 0; i + 2 < len; i++) {
		_cleanup_(kf_freep) char *text = NULL;
		size_t used = 0;

		if (data[i] != 0x78 || data[i + 1] != 0xda)
			continue;
		text = inflate_text(data + i, len - i, &used);
		if (!text || !read_dictionary(text, ret))
			continue;
		ret->dictionary = data + i;
		ret->dictionary_len = used;
		return true;
	}
	return false;
}

/* Do the first two vectors lead into RAM and to code that is there? */
static bool linked_for(const struct sim_flash *flash, uint32_t start, const struct kf_chip *chip)
{
	const uint8_t *image = flash->data + (start - flash->base);
	uint32_t stack = kf_get_le32(image), reset = kf_get_le32(image + 4);
	const uint8_t *code;

	if (chip->mirrored && reset < flash->base)
		reset += flash->base;
	if (stack < flash->ram || stack > flash->ram + RAM_RANGE || reset % 2 == 0 ||
	    reset < start || reset - flash->base > flash->size - 4)
		return false;
	code = flash->data + (reset - 1 - flash->base);
	return code[0] != 0xff || code[1] != 0xff;
}

int sim_firmware_find(const struct sim_flash *flash, uint32_t start, const char *mcu,
		      struct sim_firmware *ret, struct kf_error *err)
{
	const uint8_t *image = flash->data + (start - flash->base);
	uint32_t len = flash->size - (start - flash->base);
	const struct kf_chip *chip = kf_chip_find(mcu); /* NULL: no Cortex-M */
	struct sim_firmware found = { 0 };

	if (!sim_firmware_present(flash, start))
		return kf_fail(err, KF_BAD_IMAGE, "no application");
	if (flash->incomplete)
		return kf_fail(err, KF_BAD_IMAGE, "the application is not whole");
	if (chip && !linked_for(flash, start, chip))
		return kf_fail(err, KF_WRONG_OFFSET, "the application is not linked for 0x%08x",
			       start);
	if (!find_dictionary(image, len, &found))
		return kf_fail(err, KF_BAD_IMAGE, "the application has no dictionary");
	if (strcmp(found.mcu, mcu) != 0)
		return kf_fail(err, KF_MCU_MISMATCH, "the application is for %s, this is %s",
			       found.mcu, mcu);
	*ret = found;
	return 0;
}
