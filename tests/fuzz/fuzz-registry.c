/* SPDX-License-Identifier: GPL-3.0-or-later */
/* devices.json, and a board looked up in it. */
#include "board/identity.h"
#include "fuzz/fuzz.h"
#include "registry/registry.h"
#include "registry/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct kf_board board = {
		.connected = true,
		.mode = KF_MODE_KLIPPER,
		.by_id = "/dev/serial/by-id/usb-Klipper_rp2040_E6605481DB318C34-if00",
		.usb = { .manufacturer = "Klipper",
			 .model = "rp2040",
			 .serial = "E6605481DB318C34",
			 .port = "1-1.2" },
	};
	struct kf_registry registry = { .lock = -1 };
	struct kf_device device;
	struct kf_error err;

	if (kf_registry_parse(fuzz_file(data, len), &registry.root, &err) < 0) {
		ALWAYS(fuzz_clean(err.message, sizeof(err.message)));
		return 0;
	}
	for (void *at = NULL; kf_registry_next(&registry, &at, &device);)
		ALWAYS(kf_key_valid(device.key));
	if (kf_registry_identify(&registry, &board, &err) == 0)
		ALWAYS(fuzz_clean(board.name, sizeof(board.name)) &&
		       fuzz_clean(board.reason, sizeof(board.reason)));
	kf_registry_close(&registry);
	return 0;
}
