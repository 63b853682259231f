/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A status from a board in BOOTSEL, and an image whose pages are put into their order. */
#include "fuzz/fuzz.h"
#include "picoboot/command.h"
#include "picoboot/pages.h"

static void check_pages(const uint8_t *data, size_t len)
{
	struct kf_picoboot_pages pages;
	struct kf_picoboot_step step;
	size_t bytes = 0;

	if (kf_picoboot_pages_find(data, len, 0x10000000, &pages, NULL) < 0)
		return;
	ALWAYS(pages.last >= pages.from && pages.last < pages.end);
	for (size_t i = 0; kf_picoboot_write_step(&pages, i, &step); i++) {
		ALWAYS(step.address >= pages.from && step.bytes <= pages.end - step.address);
		bytes += step.bytes;
	}
	ALWAYS(bytes == pages.end - pages.from);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct kf_picoboot_status status;
	const char *text;

	if (kf_picoboot_status_decode(data, len, &status) == 0) {
		text = kf_picoboot_status_text(status.code);
		ALWAYS(fuzz_clean(text, 64));
		text = kf_picoboot_command_name((enum kf_picoboot_id)status.id);
		ALWAYS(fuzz_clean(text, 64));
	}
	if (len > 0)
		check_pages(data, len);
	return 0;
}
