/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "flash/runs.h"
#include <errno.h>

#include "core/clock.h"
#include "core/text.h"
#include "klipper/drives.h"
#include "klipper/identify.h"
#include "usb/serial.h"

enum { BAUD = 250000, BEFORE_MS = 1500, KLIPPY_MS = 3000 };

int kf_runs_identify(const struct kf_board *board, int64_t within_ms, struct kf_dictionary *ret,
		     struct kf_error *err)
{
	_cleanup_(kf_serial_closep) int fd = -1;
	int r = kf_serial_open(board->tty, BAUD, &fd, err);

	return r < 0 ? r : kf_klipper_identify(fd, kf_now_ms() + within_ms, ret, err);
}

int kf_runs_version(const struct kf_board *board, char ret[KF_NAME_SIZE])
{
	struct kf_dictionary dictionary;
	struct kf_klippy klippy;
	int r;

	if (board->holder.pid)
		return kf_klippy_find(board->holder.pid, &klippy)
			       ? kf_klippy_version(&klippy, board, kf_now_ms() + KLIPPY_MS, ret,
						   NULL)
			       : -EBUSY;
	r = kf_runs_identify(board, BEFORE_MS, &dictionary, NULL);
	if (r == 0)
		kf_text_format(ret, KF_NAME_SIZE, "%s", dictionary.version);
	return r;
}
