/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <ctype.h>
#include <string.h>

#include "core/text.h"
#include "dfu/memory.h"

/* A number of digits of that base at *at, not more than max; *at is behind it then. */
static bool number(const char **at, unsigned base, uint64_t max, uint64_t *ret)
{
	static const char digits[] = "0123456789abcdef";
	const char *digit, *p = *at;
	uint64_t value = 0;

	while (*p && (digit = strchr(digits, tolower((unsigned char)*p))) &&
	       (unsigned)(digit - digits) < base) {
		value = value * base + (unsigned)(digit - digits);
		if (value > max)
			return false;
		p++;
	}
	if (p == *at)
		return false;
	*at = p;
	*ret = value;
	return true;
}

/* "016Kg" */
static bool sector(const char **at, struct kf_dfu_region *region)
{
	uint64_t bytes;

	if (!number(at, 10, UINT32_MAX, &bytes))
		return false;
	if (**at == 'K')
		bytes *= 1024;
	else if (**at == 'M')
		bytes *= 1024 * 1024;
	*at += **at == 'K' || **at == 'M' || **at == 'B' || **at == ' ';
	if (bytes == 0 || bytes > UINT32_MAX || **at < 'a' || **at > 'g')
		return false;
	region->sector_bytes = (uint32_t)bytes;
	region->readable = (**at - 'a' + 1) & 1;
	region->erasable = (**at - 'a' + 1) & 2;
	region->writable = (**at - 'a' + 1) & 4;
	(*at)++;
	return true;
}

/* "04*016Kg,01*064Kg": the sectors from *address on, which is behind them then. */
static bool sectors(const char **at, uint64_t *address, struct kf_dfu_memory *memory)
{
	struct kf_dfu_region region;
	uint64_t count;

	do {
		*at += **at == ',';
		if (!number(at, 10, UINT32_MAX, &count) || count == 0 || *(*at)++ != '*' ||
		    !sector(at, &region) || memory->count == KF_DFU_REGIONS_MAX ||
		    count > (UINT32_MAX - *address) / region.sector_bytes)
			return false;
		region.start = (uint32_t)*address;
		region.count = (uint32_t)count;
		memory->regions[memory->count++] = region;
		*address += count * region.sector_bytes;
	} while (**at == ',');
	return true;
}

bool kf_dfu_memory_parse(const char *text, struct kf_dfu_memory *ret)
{
	struct kf_dfu_memory memory = { .count = 0 };
	size_t len = strcspn(text, "/");
	const char *at = text + len;
	uint64_t address;

	if (text[0] != '@')
		return false;
	while (len > 1 && text[len - 1] == ' ')
		len--;
	kf_text_clean(memory.name, sizeof(memory.name), text + 1, len - 1);
	while (*at == '/') {
		at++;
		if (strncasecmp(at, "0x", 2) != 0)
			return false;
		at += 2;
		if (!number(&at, 16, UINT32_MAX, &address) || *at++ != '/' ||
		    !sectors(&at, &address, &memory))
			return false;
	}
	if (*at || memory.count == 0)
		return false;
	*ret = memory;
	return true;
}

bool kf_dfu_memory_sector(const struct kf_dfu_memory *memory, uint32_t address,
			  struct kf_dfu_sector *ret)
{
	for (size_t i = 0; i < memory->count; i++) {
		const struct kf_dfu_region *r = &memory->regions[i];
		uint32_t n = address < r->start ? r->count : (address - r->start) / r->sector_bytes;

		if (n >= r->count)
			continue;
		*ret = (struct kf_dfu_sector){ .start = r->start + n * r->sector_bytes,
					       .bytes = r->sector_bytes,
					       .readable = r->readable,
					       .erasable = r->erasable,
					       .writable = r->writable };
		return true;
	}
	return false;
}

bool kf_dfu_memory_takes(const struct kf_dfu_memory *memory, uint32_t address, size_t len)
{
	uint64_t at = address, end = at + len;
	struct kf_dfu_sector s;

	while (at < end) {
		if (at > UINT32_MAX || !kf_dfu_memory_sector(memory, (uint32_t)at, &s) ||
		    !s.readable || !s.erasable || !s.writable)
			return false;
		at = (uint64_t)s.start + s.bytes;
	}
	return true;
}

uint64_t kf_dfu_memory_end(const struct kf_dfu_memory *memory, uint32_t address)
{
	uint64_t end = address;
	struct kf_dfu_sector s;

	while (end <= UINT32_MAX && kf_dfu_memory_sector(memory, (uint32_t)end, &s))
		end = (uint64_t)s.start + s.bytes;
	return end;
}
