/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The host's own use of a UART, from a Raspberry Pi's /proc and /sys. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "link/uart-owner.h"
#include "unit/temp.h"
#include "unit/test.h"

static unsigned hosts; /* each test has its own */

static const char *in_host(const char *name)
{
	char path[512];

	kf_text_format(path, sizeof(path), "%u%s%s", hosts, name[0] ? "/" : "", name);
	return temp_path(path);
}

static void folder(const char *name)
{
	CHECK(mkdir(in_host(name), 0700) == 0);
}

static void file(const char *name, const char *text)
{
	CHECK(kf_file_write(in_host(name), text, strlen(text), NULL) == 0);
}

static void points(const char *name, const char *target)
{
	CHECK(symlink(target, in_host(name)) == 0);
}

static int owner(const char *port, struct kf_error *err)
{
	return kf_uart_free(in_host(""), port, err);
}

static void make_host(void)
{
	static const char *const folders[] = { "dev",
					       "proc",
					       "sys",
					       "sys/bus",
					       "sys/bus/serial",
					       "sys/bus/serial/devices",
					       "sys/bus/serial/devices/serial0",
					       "sys/bus/serial/devices/serial0-0" };

	hosts++;
	folder("");
	for (size_t i = 0; i < KF_ARRAY_SIZE(folders); i++)
		folder(folders[i]);
	file("dev/ttyS0", "");
	file("dev/ttyAMA1", "");
	points("dev/serial0", "ttyS0");
	file("proc/consoles", "tty1                 -WU (EC  p  )    4:1\n"
			      "ttyS0                -W- (EC p a)    4:64\n"
			      "ttyAMA1              -W- ( C p  )  204:65\n");
}

TEST(a_port_with_the_console_is_named_with_the_remedy)
{
	struct kf_error err;

	make_host();
	CHECK(owner("/dev/serial0", &err) == -EBUSY && err.code == KF_BUSY);
	CHECK_STR(err.message, "/dev/serial0: the kernel's console is on this port");
	CHECK(strstr(err.hint, "console=ttyS0,...") && strstr(err.hint, "cmdline.txt"));
	CHECK(owner("/dev/ttyS0", &err) == -EBUSY);
	CHECK(owner("/dev/ttyAMA1", &err) == 0); /* it is there, but not enabled */
}

TEST(a_port_that_bluetooth_has_is_told)
{
	struct kf_error err;

	make_host();
	CHECK(owner("/dev/ttyAMA0", &err) == 0); /* missing, for another reason */
	points("sys/bus/serial/devices/serial0-0/driver", "../../../drivers/hci_uart_bcm");
	CHECK(owner("/dev/ttyAMA0", &err) == -EBUSY);
	CHECK(strstr(err.message, "Bluetooth") && strstr(err.hint, "dtoverlay=disable-bt"));
	CHECK(owner("/dev/ttyAMA1", &err) == 0);
}

TEST(a_host_that_tells_nothing_owns_nothing)
{
	struct kf_error err;

	hosts++;
	folder("");
	CHECK(owner("/dev/ttyS0", &err) == 0);
}

TEST_MAIN(T(a_port_with_the_console_is_named_with_the_remedy), T(a_port_that_bluetooth_has_is_told),
	  T(a_host_that_tells_nothing_owns_nothing))
