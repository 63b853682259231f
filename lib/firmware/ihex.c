/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Intel HEX (Intel, "Hexadecimal Object File Format Specification", revision A). */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/bytes.h"
#include "firmware/segments.h"

enum { DATA, END, SEGMENT, SEGMENT_START, LINEAR, LINEAR_START };

enum { RECORD_MAX = 5 + 255 }; /* bytes: count, address, type, data, checksum */

struct record {
	uint8_t bytes[RECORD_MAX];
	uint8_t count, type;
	uint16_t offset;
};

/* The byte that two digits spell, or -1. */
static int hex_byte(const uint8_t *p)
{
	int high = kf_hex_digit(p[0]), low = kf_hex_digit(p[1]);

	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

bool kf_ihex_detect(const uint8_t *file, size_t len)
{
	if (len < 11 || file[0] != ':')
		return false;
	for (size_t i = 1; i < 11; i++)
		if (kf_hex_digit(file[i]) < 0)
			return false;
	return true;
}

/* One line's text, from after ':' to its end. */
static int read_record(const uint8_t *text, size_t len, struct record *ret, struct kf_error *err)
{
	uint8_t sum = 0;
	int b;

	if (len % 2 != 0 || len < 10 || len / 2 > RECORD_MAX)
		return kf_fail(err, KF_BAD_IMAGE, "a record cannot have %zu digits", len);
	for (size_t i = 0; i < len / 2; i++) {
		b = hex_byte(text + 2 * i);
		if (b < 0)
			return kf_fail(err, KF_BAD_IMAGE, "not a hexadecimal digit");
		ret->bytes[i] = (uint8_t)b;
		sum = (uint8_t)(sum + b);
	}
	ret->count = ret->bytes[0];
	ret->offset = (uint16_t)(ret->bytes[1] << 8 | ret->bytes[2]);
	ret->type = ret->bytes[3];
	if (len / 2 != ret->count + 5u)
		return kf_fail(err, KF_BAD_IMAGE, "it has %zu bytes, but its length says %u",
			       len / 2 - 5, ret->count);
	if (sum != 0)
		return kf_fail(err, KF_BAD_IMAGE, "wrong checksum");
	return 0;
}

struct reader {
	struct kf_segments *segments; /* decoded: the data bytes of all records */
	size_t used;
	uint64_t base;
	bool ended;
};

static int add_record(struct reader *reader, const struct record *rec, struct kf_error *err)
{
	const uint8_t *data = rec->bytes + 4;
	uint8_t *copy = reader->segments->decoded + reader->used;

	if (reader->ended)
		return kf_fail(err, KF_BAD_IMAGE, "a record after the end record");
	switch (rec->type) {
	case DATA:
		if (rec->offset + rec->count > 0x10000)
			return kf_fail(err, KF_BAD_IMAGE, "its data goes beyond 64 KiB");
		memcpy(copy, data, rec->count);
		reader->used += rec->count;
		return kf_segments_add(reader->segments, reader->base + rec->offset, copy,
				       rec->count, err);
	case END:
		reader->ended = true;
		return 0;
	case SEGMENT:
	case LINEAR:
		if (rec->count != 2)
			return kf_fail(err, KF_BAD_IMAGE, "an address cannot have %u bytes",
				       rec->count);
		reader->base = (uint64_t)(data[0] << 8 | data[1]) << (rec->type == LINEAR ? 16 : 4);
		return 0;
	case SEGMENT_START:
	case LINEAR_START:
		return 0; /* a start address for a PC: a microcontroller does not use it */
	default:
		return kf_fail(err, KF_BAD_IMAGE, "record type %u is not known", rec->type);
	}
}

static int read_lines(struct reader *reader, const uint8_t *file, size_t len, struct kf_error *err)
{
	const uint8_t *p = file, *end = file + len, *eol;
	struct record rec = { 0 };
	unsigned line = 0;
	size_t size;
	int r;

	for (; p < end; p = eol < end ? eol + 1 : end) {
		line++;
		eol = memchr(p, '\n', (size_t)(end - p));
		if (!eol)
			eol = end;
		size = (size_t)(eol - p);
		while (size > 0 && (p[size - 1] == '\r' || p[size - 1] == ' '))
			size--;
		if (size == 0)
			continue;
		r = p[0] == ':' ? read_record(p + 1, size - 1, &rec, err)
				: kf_fail(err, KF_BAD_IMAGE, "no ':' at its start");
		if (r == 0)
			r = add_record(reader, &rec, err);
		if (r < 0) {
			kf_error_prefix(err, "HEX line %u", line);
			return r;
		}
	}
	return reader->ended ? 0 : kf_fail(err, KF_BAD_IMAGE, "HEX without an end record: cut off");
}

/*
 * A line that is lost leaves no trace but a gap. Linkers leave gaps too: of a few bytes to align
 * what follows, or to where a new region starts, which is a round address.
 */
static int check_gaps(const struct kf_segments *sorted, struct kf_error *err)
{
	enum { ALIGNMENT = 16, REGION = 256 };

	for (size_t i = 1; i < sorted->count; i++) {
		const struct kf_segment *p = &sorted->list[i];
		uint64_t end = p[-1].address + p[-1].len, gap = p->address - end;

		if (gap >= ALIGNMENT && (gap < REGION || p->address % REGION != 0))
			return kf_fail(err, KF_BAD_IMAGE,
				       "HEX without 0x%08" PRIx64 " to 0x%08" PRIx64
				       ": its lines are missing",
				       end, p->address);
	}
	return 0;
}

int kf_ihex_parse(const uint8_t *file, size_t len, struct kf_segments *ret, struct kf_error *err)
{
	struct reader reader = { .segments = ret };
	int r;

	ret->decoded = malloc(len / 2 + 1); /* two digits a byte */
	if (!ret->decoded)
		return kf_fail_sys(err, ENOMEM, "HEX of %zu bytes", len);
	r = read_lines(&reader, file, len, err);
	if (r == 0)
		r = kf_segments_sort(ret, err);
	return r < 0 ? r : check_gaps(ret, err);
}
