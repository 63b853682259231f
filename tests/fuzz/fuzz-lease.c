/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A lease client's request to kf-leased, which runs as root. */
#include "fuzz/fuzz.h"
#include "systemd/lease.h"
#include "systemd/unit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct kf_lease_request request;
	char again[KF_NAME_SIZE];
	struct kf_error err = { 0 };

	if (kf_lease_parse((const char *)data, len, &request, &err) < 0) {
		ALWAYS(err.code != KF_OK && fuzz_clean(err.message, sizeof(err.message)));
		return 0;
	}
	ALWAYS(request.count > 0 && request.count <= KF_UNITS_MAX);
	ALWAYS(request.timeout_ms > 0 && request.timeout_ms <= KF_LEASE_TIMEOUT_MAX * 1000);
	/* The names become names of files. */
	for (size_t i = 0; i < request.count; i++)
		ALWAYS(kf_unit_name(request.units[i], again, NULL) == 0 &&
		       strcmp(again, request.units[i]) == 0 && !strchr(again, '/') &&
		       again[0] != '.');
	return 0;
}
