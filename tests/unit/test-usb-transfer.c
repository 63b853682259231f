/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Texts that a USB device sends, and a port where there is no device. */
#include "core/error.h"
#include "unit/test.h"
#include "usb/text.h"

static void gives(const void *descriptor, size_t len, const char *want)
{
	char text[KF_USB_TEXT_SIZE] = "before";

	CHECK(kf_usb_text_parse(descriptor, len, text) == (want != NULL));
	CHECK_STR(text, want ? want : "before");
}

TEST(a_string_is_cut_and_cleaned)
{
	uint8_t longest[255] = { 255, 3 };
	char text[KF_USB_TEXT_SIZE];

	gives("\x0a\x03@\0I\0n\0t\0", 10, "@Int");
	gives("\x0a\x03@\0I\0n\0t\0more", 14, "@Int");
	gives("\x40\x03@\0I\0n", 7, "@I");
	gives("\x08\x03\x1b\0\xe9\0\x20\x20", 8, "???");
	gives("\x02\x03", 2, "");
	gives("\x0a\x02@\0I\0n\0t\0", 10, NULL);
	gives("\x01\x03@\0", 4, NULL);
	gives("\x0a", 1, NULL);
	gives("", 0, NULL);
	for (size_t i = 2; i < sizeof(longest); i++)
		longest[i] = i % 2 == 0 ? 'x' : 0;
	CHECK(kf_usb_text_parse(longest, sizeof(longest), text) && strlen(text) == 126);
}

TEST(a_port_without_a_device_is_told)
{
	const struct kf_usb usb = { .port = "199-7.7", .vendor = "0483", .product = "df11" };
	struct kf_usb_handle *handle = NULL;
	struct kf_error err;

	CHECK(kf_usb_open(&usb, &handle, &err) < 0 && !handle);
	if (err.code == KF_IO)
		SKIP("libusb finds no USB at all here");
	CHECK(err.code == KF_GONE);
	CHECK_STR(err.message, "nothing is on USB port 199-7.7 any more");
}

TEST_MAIN(T(a_string_is_cut_and_cleaned), T(a_port_without_a_device_is_told))
