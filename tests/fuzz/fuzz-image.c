/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A firmware file of any kind: .bin, UF2, Intel HEX, ELF. */
#include "firmware/image.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct kf_image image = { 0 };
	struct kf_error err;
	volatile uint8_t sum = 0;

	if (kf_image_parse(data, len, &image, &err) == 0) {
		ALWAYS(image.len > 0 && image.len <= KF_IMAGE_MAX);
		ALWAYS(image.start_known || image.start == 0);
		ALWAYS(image.start + (image.len - 1) <= UINT32_MAX);
		for (size_t i = 0; i < image.len; i++) /* all of it is there to be read */
			sum = (uint8_t)(sum + image.data[i]);
	} else {
		ALWAYS(fuzz_clean(err.message, sizeof(err.message)));
	}
	kf_image_free(&image);
	return 0;
}
