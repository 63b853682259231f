/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdarg.h>
#include <stdio.h>

#include "board/identity.h"
#include "build/configuring.h"
#include "build/family.h"

void kf_board_told_free(struct kf_board_told *told)
{
	kf_facts_free(&told->facts);
}

struct kf_told kf_told_of(const struct kf_board *board, const struct kf_board_told *told)
{
	return (struct kf_told){
		.facts = told->facts.constants ? &told->facts : NULL,
		.mcu = told->mcu[0] ? told->mcu : board->mcu,
		.usb = board->mode == KF_MODE_KLIPPER ? &board->usb : NULL,
		.katapult = told->katapult,
		.katapult_start = told->katapult_start,
		.no_bootloader = told->no_bootloader,
		.pins = told->has_pins ? &told->pins : NULL,
	};
}

void kf_configure_say(const struct kf_configure *c, const char *key, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (!c->step)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	c->step(key, text);
}

/* A Kconfig for another MCU than the board's USB name is wrong, or hostile. */
static int check_told_mcu(const struct kf_board *board, const struct kf_board_told *told,
			  struct kf_error *err)
{
	char usb[64] = "", mcu[64];

	kf_identity_mcu(&board->usb, usb);
	if (!usb[0] || !kf_family_find(usb) || !told->facts.constants ||
	    !kf_facts_text(&told->facts, "MCU", mcu, sizeof(mcu)) || kf_mcu_same(mcu, usb))
		return 0;
	kf_fail(err, KF_MCU_MISMATCH,
		"its firmware is said to be for %s, its USB name says %s: nothing is built", mcu,
		usb);
	return kf_error_hint(
		err, "check which board the serial: of its printer names; kf status shows it");
}

int kf_configure_ask(const struct kf_configure *c, const struct kf_board *board,
		     struct kf_board_told *ret, struct kf_error *err)
{
	int r = c->tell ? c->tell(board, ret, err)
			: kf_fail(err, KF_NOT_CONNECTED, "the board was not asked");

	if (ret->facts.refused[0])
		kf_configure_say(c, board->key, "the Kconfig of its firmware is not used: %s",
				 ret->facts.refused);
	return r < 0 ? r : check_told_mcu(board, ret, err);
}
