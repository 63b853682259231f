/* SPDX-License-Identifier: GPL-3.0-or-later */
/* ELF (System V ABI, "Program Header"): what its loadable segments put into flash. */
#include <elf.h>
#include <string.h>

#include "firmware/segments.h"

/* Offsets of the members that we read, for ELF of 32 and 64 bits. wide: bytes in an address. */
static const struct layout {
	uint8_t header, wide, phoff, phentsize, phnum;
	uint8_t entry, offset, paddr, filesz;
} layouts[] = {
	[ELFCLASS32] = { 52, 4, 28, 42, 44, 32, 4, 12, 16 },
	[ELFCLASS64] = { 64, 8, 32, 54, 56, 56, 8, 24, 32 },
};

/* Little-endian, of 1 to 8 bytes. */
static uint64_t number(const uint8_t *p, size_t bytes)
{
	uint64_t value = 0;

	while (bytes > 0)
		value = value << 8 | p[--bytes];
	return value;
}

bool kf_elf_detect(const uint8_t *file, size_t len)
{
	return len >= SELFMAG && memcmp(file, ELFMAG, SELFMAG) == 0;
}

static int collect(const uint8_t *file, size_t len, const struct layout *l,
		   struct kf_segments *segments, struct kf_error *err)
{
	uint64_t phoff = number(file + l->phoff, l->wide), offset, bytes;
	size_t entry = number(file + l->phentsize, 2), count = number(file + l->phnum, 2);
	int r;

	if (count > 0 && entry < l->entry)
		return kf_fail(err, KF_BAD_IMAGE, "ELF program headers of %zu bytes", entry);
	if (phoff > len || count * entry > len - phoff)
		return kf_fail(err, KF_BAD_IMAGE, "ELF program headers lie outside the file");
	for (size_t i = 0; i < count; i++) {
		const uint8_t *p = file + phoff + i * entry;

		if (number(p, 4) != PT_LOAD)
			continue;
		offset = number(p + l->offset, l->wide);
		bytes = number(p + l->filesz, l->wide);
		if (offset > len || bytes > len - offset)
			return kf_fail(err, KF_BAD_IMAGE, "ELF segment %zu lies outside the file",
				       i);
		r = kf_segments_add(segments, number(p + l->paddr, l->wide), file + offset,
				    (size_t)bytes, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int kf_elf_parse(const uint8_t *file, size_t len, struct kf_segments *ret, struct kf_error *err)
{
	const struct layout *l;

	if (len < EI_NIDENT || (file[EI_CLASS] != ELFCLASS32 && file[EI_CLASS] != ELFCLASS64) ||
	    file[EI_DATA] != ELFDATA2LSB)
		return kf_fail(err, KF_BAD_IMAGE, "not a little-endian ELF of 32 or 64 bits");
	l = &layouts[file[EI_CLASS]];
	if (len < l->header)
		return kf_fail(err, KF_BAD_IMAGE, "ELF of %zu bytes: cut off", len);
	return collect(file, len, l, ret, err);
}
