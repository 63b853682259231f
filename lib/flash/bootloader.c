/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Identity through all of this is the chip (flash/target.h): names, ports and ids change. */
#include <errno.h>
#include <string.h>

#include "core/clock.h"
#include "core/match.h"
#include "core/text.h"
#include "flash/bootloader.h"
#include "flash/target.h"
#include "usb/serial.h"

static bool is_bootloader(const struct kf_board *board)
{
	return board->mode == KF_MODE_KATAPULT || kf_board_in_rom(board);
}

static bool same_in_bootloader(const struct kf_board *board, void *arg)
{
	return is_bootloader(board) && kf_board_same(board, arg);
}

/*
 * Can it be asked to leave? Klipper can, and so can what runs under names of its own on the chip's
 * own USB port; but not a chip behind a USB-to-serial converter.
 */
static bool has_own_usb(const struct kf_board *board)
{
	return board->mode == KF_MODE_KLIPPER ||
	       (strncmp(board->tty, "/dev/ttyACM", strlen("/dev/ttyACM")) == 0 &&
		strcmp(board->usb.interface, "if00") == 0 && kf_board_has_serial(board));
}

/* Behind a USB-to-serial chip (CH340) nothing shows what runs: being there must do. */
static bool same_in_klipper(const struct kf_board *board, void *arg)
{
	const struct kf_board *want = arg;

	return (board->mode == KF_MODE_KLIPPER ||
		(want->mode == KF_MODE_OTHER && board->mode == KF_MODE_OTHER)) &&
	       kf_board_same(board, want);
}

int kf_bootloader_enter(struct kf_monitor *monitor, const struct kf_board *board,
			int64_t deadline_ms, struct kf_board *ret, struct kf_error *err)
{
	struct kf_board now;
	int r;

	if (is_bootloader(board)) {
		*ret = *board;
		return 0;
	}
	if (!has_own_usb(board))
		return kf_fail(err, KF_NO_KATAPULT,
			       "%s is a USB-to-serial chip: Katapult cannot be entered through it",
			       board->tty);
	r = kf_serial_touch_1200(board->tty, err);
	if (r < 0)
		return r;
	r = kf_monitor_wait(monitor, same_in_bootloader, (void *)board, deadline_ms, ret, err);
	if (r != -ETIMEDOUT)
		return r;
	if (!kf_target_look(board, &now))
		return kf_fail(err, KF_GONE,
			       "it left for its bootloader and nothing came back at USB port %s",
			       board->usb.port);
	/* There, but not (yet) for us to open: whoever needs to open it will say so. */
	if (is_bootloader(&now)) {
		*ret = now;
		return 0;
	}
	return kf_fail(err, KF_NO_KATAPULT, "it did not leave for its bootloader at %s",
		       board->tty);
}

bool kf_bootloader_unreachable(const struct kf_board *board)
{
	return !is_bootloader(board) && !has_own_usb(board);
}

int kf_bootloader_return(struct kf_monitor *monitor, const struct kf_board *board,
			 int64_t deadline_ms, struct kf_board *ret, struct kf_error *err)
{
	struct kf_board now;
	int r;

	r = kf_monitor_wait(monitor, same_in_klipper, (void *)board, deadline_ms, ret, err);
	if (r != -ETIMEDOUT)
		return r;
	if (!kf_target_look(board, &now))
		return kf_fail(err, KF_GONE, "it did not come back at USB port %s",
			       board->usb.port);
	*ret = now;
	return kf_fail(err, KF_LEFT_IN_BOOTLOADER,
		       "it did not come back as Klipper: it is in %s mode",
		       now.mode == KF_MODE_OTHER ? "an unknown" : kf_mode_name(now.mode));
}

int kf_bootloader_missing(const struct kf_board *board, struct kf_error *err)
{
	kf_fail(err, KF_NO_KATAPULT, "there is no Katapult on it: it came up in %s mode",
		board->mode == KF_MODE_OTHER ? "HID" : kf_mode_name(board->mode));
	kf_error_hint(err,
		      "power-cycle it to get its firmware back; then install Katapult, or let it "
		      "be flashed with make flash: kf set %s flash_method=make_flash",
		      board->key[0] ? board->key : "KEY");
	return -ENODEV;
}

void kf_bootloader_tell(const struct kf_board *board, struct kf_error *err)
{
	char so_far[sizeof(err->hint) + 2] = "";
	struct kf_board now;

	if (err->hint[0])
		kf_text_format(so_far, sizeof(so_far), "%s; ", err->hint);
	if (!kf_target_look(board, &now))
		kf_error_hint(err, "%sthe board is not there any more: check cable and power",
			      so_far);
	else if (now.mode == KF_MODE_KATAPULT)
		kf_error_hint(err, "%sthe board waits in Katapult: flash it with --method=katapult",
			      so_far);
	else if (kf_board_in_rom(&now))
		kf_error_hint(err,
			      "%sthe board waits in its bootloader (USB %s:%s): flash it again, or "
			      "power-cycle it to get its firmware back",
			      so_far, now.usb.vendor, now.usb.product);
}
