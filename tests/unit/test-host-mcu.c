/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which service runs the host's own MCU. */
#include <stdlib.h>

#include "printer/host-mcu.h"
#include "unit/temp.h"
#include "unit/test.h"

static void unit(const char *name, const char *command)
{
	char path[PATH_MAX], text[PATH_MAX];

	snprintf(path, sizeof(path), "etc/systemd/system/%s", name);
	snprintf(text, sizeof(text), "[Service]\nExecStart=%s\n", command);
	CHECK(kf_file_write(temp_path(path), text, strlen(text), NULL) == 0);
}

TEST(a_program_without_arguments_counts_only_if_it_may_be_firmware)
{
	struct kf_host_mcu host;
	struct kf_error err;

	CHECK(setenv("KF_PRINTER_ROOT", temp_path(""), 1) == 0);
	unit("klipper-screen.service", "/bin/false");
	CHECK(kf_host_mcu_find(KF_HOST_MCU_PATH, &host, &err) < 0 && err.code == KF_CONFIG);
	unit("klipper-mcu.service", "/nonexistent/klipper_mcu -r -I " KF_HOST_MCU_PATH);
	CHECK(kf_host_mcu_find(KF_HOST_MCU_PATH, &host, &err) == 0);
	CHECK_STR(host.unit, "klipper-mcu.service");
	/* Not installed yet: it may become one. */
	unit("klipper-screen.service", "/nonexistent/klipper_mcu");
	CHECK(kf_host_mcu_find(KF_HOST_MCU_PATH, &host, &err) < 0 && err.code == KF_AMBIGUOUS);
}

TEST_MAIN(T(a_program_without_arguments_counts_only_if_it_may_be_firmware))
