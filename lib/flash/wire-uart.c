/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A UART shows nothing but the answers, and the port has the same name whatever runs. */
#include <errno.h>

#include "core/clock.h"
#include "core/text.h"
#include "flash/wire.h"
#include "katapult/uart.h"

/* The firmware starts and answers within this time, or not at all: no event tells of it. */
enum { RETURN_MS = 5000 };

static struct kf_uart_bauds bauds_of(const struct kf_board *board)
{
	const struct kf_board_link *link = &board->link;

	return (struct kf_uart_bauds){ link->baud ? link->baud : KF_BAUD_DEFAULT,
				       link->katapult_baud ? link->katapult_baud
							   : KF_BAUD_DEFAULT };
}

static int open_klipper(const struct kf_board *board, struct kf_link *ret, struct kf_error *err)
{
	return kf_link_uart_open(board->tty, bauds_of(board).klipper, ret, err);
}

static int open_katapult(const struct kf_board *board, struct kf_link *ret, struct kf_error *err)
{
	return kf_link_uart_open(board->tty, bauds_of(board).katapult, ret, err);
}

static int ask(const struct kf_board *board, int64_t within_ms, struct kf_board *ret,
	       struct kf_error *err)
{
	_cleanup_(kf_link_closep) struct kf_link link = KF_LINK_NONE;
	struct kf_katapult k = { .link = &link, .deadline_ms = kf_now_ms() + within_ms };
	const struct kf_uart_bauds bauds = bauds_of(board);
	struct kf_dictionary dictionary = { 0 };
	enum kf_mode mode;
	int r;

	if (kf_wire_is_avr(board))
		return kf_wire_ask_klipper(board, within_ms, ret, err);
	r = open_katapult(board, &link, err);

	if (r == 0)
		r = kf_uart_probe(&k, &bauds, &mode, &dictionary, err);
	if (r < 0)
		return r;
	*ret = *board;
	ret->mode = mode;
	KF_COPY(ret->version, dictionary.version);
	return 0;
}

static int enter(struct kf_monitor *monitor, const struct kf_board *board, int64_t deadline_ms,
		 struct kf_board *ret, struct kf_error *err)
{
	_cleanup_(kf_link_closep) struct kf_link link = KF_LINK_NONE;
	struct kf_katapult k = { .link = &link, .deadline_ms = deadline_ms };
	const struct kf_uart_bauds bauds = bauds_of(board);
	int r = 0;

	(void)monitor;
	if (board->mode != KF_MODE_KATAPULT)
		r = open_klipper(board, &link, err);
	if (r < 0)
		return r;
	if (board->mode != KF_MODE_KATAPULT)
		r = kf_uart_enter(&k, &bauds, err);
	/* At another rate than Katapult's own, its answer is noise. */
	if (r == -ETIMEDOUT || (r == -EPROTO && !k.wedged))
		return kf_wire_silent(&link, board, -ETIMEDOUT, err);
	if (r < 0)
		return r;
	*ret = *board;
	ret->mode = KF_MODE_KATAPULT;
	return 0;
}

static int come_back(struct kf_monitor *monitor, const struct kf_board *board, int64_t deadline_ms,
		     struct kf_board *ret, struct kf_error *err)
{
	(void)monitor;
	return kf_wire_identify(board, kf_within_ms(RETURN_MS, deadline_ms), ret, err);
}

const struct kf_wire_row kf_wire_uart = {
	.ask = ask,
	.enter = enter,
	.open_klipper = open_klipper,
	.open_katapult = open_katapult,
	.come_back = come_back,
};
