/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The name of an alternate setting, as a string descriptor of a device: it is hostile. */
#include "dfu/memory.h"
#include "fuzz/fuzz.h"
#include "usb/text.h"

static void walk(const struct kf_dfu_memory *m)
{
	struct kf_dfu_sector s;

	for (size_t i = 0; i < m->count; i++) {
		const struct kf_dfu_region *r = &m->regions[i];
		uint64_t end = (uint64_t)r->start + (uint64_t)r->count * r->sector_bytes;

		ALWAYS(r->count > 0 && r->sector_bytes > 0 && end <= UINT32_MAX);
		ALWAYS(kf_dfu_memory_sector(m, r->start, &s) && s.bytes > 0);
		ALWAYS(kf_dfu_memory_sector(m, (uint32_t)end - 1, &s));
		ALWAYS((uint64_t)s.start + s.bytes > end - 1);
		/* It takes no more than a step for each sector. */
		if (r->count < 4096)
			IGNORE_RESULT(kf_dfu_memory_takes(m, r->start, r->sector_bytes));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct kf_dfu_memory memory;
	char text[KF_USB_TEXT_SIZE];

	if (!kf_usb_text_parse(data, len, text))
		return 0;
	ALWAYS(fuzz_clean(text, sizeof(text)));
	if (!kf_dfu_memory_parse(text, &memory))
		return 0;
	ALWAYS(memory.count > 0 && memory.count <= KF_DFU_REGIONS_MAX);
	ALWAYS(fuzz_clean(memory.name, sizeof(memory.name)));
	walk(&memory);
	return 0;
}
