/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A printer.cfg, and the head of a config/generic-*.cfg. */
#include "firmware/printer-pins.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct kf_board_header header;
	struct kf_pins pins;

	kf_pins_read((const char *)data, len, "", &pins);
	for (size_t i = 0; i < KF_PINS; i++)
		ALWAYS(fuzz_clean(pins.pin[i], KF_PIN_SIZE));
	kf_pins_read((const char *)data, len, "toolhead", &pins);
	if (kf_board_header_read((const char *)data, len, "stm32f446xx", &header))
		ALWAYS(header.offset_told || header.crystal_told);
	return 0;
}
