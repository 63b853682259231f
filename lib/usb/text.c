/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <string.h>

#include "core/text.h"
#include "usb/text.h"

/* USB 2.0, chapter 9 */
enum { GET_DESCRIPTOR = 6, STRING = 3, ENGLISH = 0x0409, DESCRIPTOR_MAX = 255 };

bool kf_usb_text_parse(const uint8_t *descriptor, size_t len, char ret[KF_USB_TEXT_SIZE])
{
	char raw[KF_USB_TEXT_SIZE];
	size_t chars = 0;

	if (len < 2 || descriptor[1] != STRING || descriptor[0] < 2)
		return false;
	if (len > descriptor[0])
		len = descriptor[0];
	for (size_t at = 2; at + 1 < len && chars + 1 < sizeof(raw); at += 2)
		raw[chars++] = descriptor[at + 1] == 0 && descriptor[at] < 0x80
				       ? (char)descriptor[at]
				       : '?';
	kf_text_clean(ret, KF_USB_TEXT_SIZE, raw, chars);
	return true;
}

int kf_usb_text(struct kf_usb_handle *handle, uint8_t index, int64_t deadline_ms,
		char ret[KF_USB_TEXT_SIZE])
{
	const struct kf_usb_request get = { .type = KF_USB_IN,
					    .request = GET_DESCRIPTOR,
					    .value = STRING << 8 | index,
					    .index = ENGLISH };
	uint8_t descriptor[DESCRIPTOR_MAX];
	ssize_t got;

	if (index == 0) {
		ret[0] = '\0';
		return 0;
	}
	got = kf_usb_control(handle, &get, descriptor, sizeof(descriptor), deadline_ms);
	if (got < 0)
		return (int)got;
	return kf_usb_text_parse(descriptor, (size_t)got, ret) ? 0 : -EPROTO;
}
