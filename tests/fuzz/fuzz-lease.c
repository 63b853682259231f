/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a client may say to kf-leased, which runs as root. */
#include "fuzz/fuzz.h"
#include "systemd/lease.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct kf_lease_request request;
	char again[KF_NAME_SIZE];
	struct kf_error err = { 0 };

	if (kf_lease_parse((const char *)data, len, &request, &err) < 0) {
		ALWAYS(err.code != KF_OK && fuzz_clean(err.message, sizeof(err.message)));
		return 0;
	}
	ALWAYS((request.release || request.count > 0) && request.count <= KF_LEASE_UNITS_MAX);
	/* Names are files of the debts too. */
	for (size_t i = 0; i < request.count; i++)
		ALWAYS(kf_lease_unit(request.units[i], again, NULL) == 0 &&
		       strcmp(again, request.units[i]) == 0 && !strchr(again, '/') &&
		       (strncmp(again, "klipper", 7) == 0 || strncmp(again, "moonraker", 9) == 0));
	return 0;
}
