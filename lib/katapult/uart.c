/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>

#include "core/clock.h"
#include "katapult/uart.h"
#include "mcu/frame.h"
#include "mcu/identify.h"

#define KATAPULT_MS 350 /* time for a second request: the first may meet what another left */

/* 1: it is Katapult, and connected; 0: it is not, or it is silent. */
static int try_katapult(struct kf_katapult *k, struct kf_error *err)
{
	int64_t deadline_ms = k->deadline_ms;
	struct kf_error why;
	int r;

	if (kf_now_ms() + KATAPULT_MS < deadline_ms)
		k->deadline_ms = kf_now_ms() + KATAPULT_MS;
	r = kf_katapult_connect(k, &why);
	k->deadline_ms = deadline_ms;
	if (r == 0)
		return 1;
	if (r == -ETIMEDOUT || (r == -EPROTO && !k->wedged))
		return 0;
	if (err)
		*err = why;
	return r;
}

static int try_klipper(struct kf_katapult *k, struct kf_dictionary *ret, struct kf_error *err)
{
	static const uint8_t sync = KF_KLIPPER_SYNC;
	int r = kf_link_send(k->link, &sync, sizeof(sync), k->deadline_ms);

	return r < 0 ? kf_link_failed(k->link, r, err)
		     : kf_klipper_identify(k->link, k->deadline_ms, ret, err);
}

static int neither(const struct kf_uart_bauds *bauds, struct kf_error *err)
{
	kf_fail(err, KF_TIMEOUT, "neither Katapult (at %u baud) nor Klipper (at %u baud) answers",
		bauds->katapult, bauds->klipper);
	return kf_error_hint(
		err, "check both baud rates, that TX goes to RX, and that no console or Bluetooth "
		     "uses the port; then power-cycle the board");
}

int kf_uart_probe(struct kf_katapult *k, const struct kf_uart_bauds *bauds, enum kf_mode *ret,
		  struct kf_dictionary *dictionary, struct kf_error *err)
{
	int r = kf_link_uart_baud(k->link, bauds->katapult, k->deadline_ms, err);

	if (r == 0)
		r = try_katapult(k, err);
	if (r > 0)
		*ret = KF_MODE_KATAPULT;
	if (r != 0)
		return r < 0 ? r : 0;
	r = kf_link_uart_baud(k->link, bauds->klipper, k->deadline_ms, err);
	if (r == 0)
		r = try_klipper(k, dictionary, err);
	if (r == -ETIMEDOUT)
		return neither(bauds, err);
	if (r == 0)
		*ret = KF_MODE_KLIPPER;
	return r;
}

int kf_uart_enter(struct kf_katapult *k, const struct kf_uart_bauds *bauds, struct kf_error *err)
{
	/* The first 7e ends what Klipper may have in its input; the rest is a block that fails its
	 * check. */
	static const char request[] = "~ \x1c Request Serial Bootloader!! ~";
	int r = kf_link_uart_baud(k->link, bauds->klipper, k->deadline_ms, err);

	if (r < 0)
		return r;
	r = kf_link_send(k->link, request, sizeof(request) - 1, k->deadline_ms);
	if (r < 0)
		return kf_link_failed(k->link, r, err);
	r = kf_link_uart_baud(k->link, bauds->katapult, k->deadline_ms, err);
	return r < 0 ? r : kf_katapult_connect(k, err);
}
