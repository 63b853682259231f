/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Intel HEX whose checksums are right: a mutation of the text would nearly always end there. The
 * input is the records in binary: bytes of data, address (2), type, data.
 */
#include "fuzz/segments.h"

enum { HEADER = 4, DATA = 0, END = 1, SEGMENT = 2, LINEAR = 4 };

static void put_byte(FILE *out, uint8_t byte, uint8_t *sum)
{
	fprintf(out, "%02X", byte);
	*sum = (uint8_t)(*sum + byte);
}

/* One record as text; and where its data belong. Returns the bytes that it took. */
static size_t put_record(FILE *out, const uint8_t *p, size_t len, uint64_t *base,
			 struct segments *segments)
{
	size_t count = p[0] <= len - HEADER ? p[0] : len - HEADER;
	uint8_t sum = 0;

	fputc(':', out);
	put_byte(out, (uint8_t)count, &sum);
	for (size_t i = 1; i < HEADER + count; i++)
		put_byte(out, p[i], &sum);
	fprintf(out, "%02X\n", (uint8_t)-sum);
	if (p[3] == DATA && segments->count < SEGMENTS_MAX)
		segments->list[segments->count++] = (struct segment){
			.address = *base + (p[1] << 8 | p[2]),
			.data = p + HEADER,
			.len = count,
		};
	if ((p[3] == SEGMENT || p[3] == LINEAR) && count == 2)
		*base = (uint64_t)(p[4] << 8 | p[5]) << (p[3] == LINEAR ? 16 : 4);
	return HEADER + count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	_cleanup_(kf_freep) char *text = NULL;
	struct segments segments = { .count = 0 };
	const uint8_t end[HEADER] = { 0, 0, 0, END };
	uint64_t base = 0;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	ALWAYS(out != NULL);
	for (size_t at = 0; at + HEADER <= len;)
		at += put_record(out, data + at, len - at, &base, &segments);
	put_record(out, end, HEADER, &base, &segments);
	fclose(out);
	segments_compare(&segments, (const uint8_t *)text, size);
	return 0;
}
