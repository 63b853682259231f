/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "sim/state.h"

#define HEADER_BYTES 64
#define FORMAT	     "kf-sim-state 1 %15s %d\n"

static enum kf_mode find_mode(const char *name)
{
	for (enum kf_mode mode = KF_MODE_KLIPPER; mode <= KF_MODE_OTHER; mode++)
		if (strcmp(kf_mode_name(mode), name) == 0)
			return mode;
	return KF_MODE_NONE;
}

int sim_state_load(const char *path, struct sim_flash *flash, enum kf_mode *mode,
		   struct kf_error *err)
{
	_cleanup_(kf_freep) char *data = NULL;
	char name[16];
	int incomplete, r;
	size_t len;

	r = kf_file_read(path, HEADER_BYTES + flash->size, &data, &len, err);
	if (r == -ENOENT) {
		*err = (struct kf_error){ 0 };
		return 0;
	}
	if (r < 0)
		return r;
	if (len != HEADER_BYTES + flash->size || sscanf(data, FORMAT, name, &incomplete) != 2)
		return kf_fail(err, KF_CONFIG,
			       "%s: not the state of a board with %u bytes of flash", path,
			       flash->size);
	memcpy(flash->data, data + HEADER_BYTES, flash->size);
	flash->incomplete = incomplete;
	*mode = find_mode(name);
	return 0;
}

int sim_state_save(const char *path, const struct sim_flash *flash, enum kf_mode mode,
		   struct kf_error *err)
{
	_cleanup_(kf_freep) char *data = calloc(1, HEADER_BYTES + flash->size);
	const char *name = kf_mode_name(mode);

	if (!data)
		return kf_fail_sys(err, ENOMEM, "%s", path);
	snprintf(data, HEADER_BYTES, "kf-sim-state 1 %s %d\n", name ? name : "off",
		 flash->incomplete);
	memcpy(data + HEADER_BYTES, flash->data, flash->size);
	return kf_file_write(path, data, HEADER_BYTES + flash->size, err);
}
