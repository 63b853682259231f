/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Identity through all of this is the chip (flash/target.h): names, ports and ids change. */
#include <errno.h>
#include <string.h>

#include "board/identity.h"
#include "core/clock.h"
#include "core/text.h"
#include "flash/bootloader.h"
#include "flash/target.h"
#include "link/serial.h"
#include "usb/occupant.h"

/* The longest time that a board is off the bus between two modes. */
#define AWAY_MS 2000

static bool is_bootloader(const struct kf_board *board)
{
	return board->mode == KF_MODE_KATAPULT || kf_board_in_rom(board);
}

static bool same_in_bootloader(const struct kf_board *board, const struct kf_board *want)
{
	return is_bootloader(board) && kf_board_same(board, want);
}

/*
 * True for Klipper, a bootloader, and firmware with other USB names on the chip's own USB port.
 * False for a chip behind a USB-to-serial converter.
 */
bool kf_bootloader_own_usb(const struct kf_board *board)
{
	return kf_identity_mode(&board->usb) != KF_MODE_OTHER || kf_board_in_rom(board) ||
	       (strncmp(board->tty, "/dev/ttyACM", strlen("/dev/ttyACM")) == 0 &&
		strcmp(board->usb.interface, "if00") == 0 && kf_board_has_serial(board));
}

/* Behind a USB-to-serial chip (CH340) no mode shows: a board that is there counts as Klipper. */
static bool same_in_klipper(const struct kf_board *board, const struct kf_board *want)
{
	return (board->mode == KF_MODE_KLIPPER ||
		(want->mode == KF_MODE_OTHER && board->mode == KF_MODE_OTHER)) &&
	       kf_board_same(board, want);
}

/* A board that has left, and the mode in which it must come back. */
struct awaited {
	const struct kf_board *board;
	bool (*is_it)(const struct kf_board *board, const struct kf_board *want);
};

/* Is another device on the board's port, and stays? Then the board does not come back there. */
static bool is_instead(const struct kf_board *now, const struct kf_board *want)
{
	return strcmp(now->usb.port, want->usb.port) == 0 && !kf_board_same(now, want) &&
	       kf_occupant_stays(now);
}

static bool settled(const struct kf_boards *now, void *arg, struct kf_board *ret)
{
	const struct awaited *awaited = arg;
	const struct kf_board *found = NULL;

	for (size_t i = 0; i < now->count; i++)
		if (awaited->is_it(&now->list[i], awaited->board) ||
		    (!found && is_instead(&now->list[i], awaited->board)))
			found = &now->list[i];
	if (found)
		*ret = *found;
	return found;
}

/* The end of a wait. wait_for sets *ret, except for NOTHING. */
enum seen {
	SEEN_IT,      /* in the mode that was waited for, with its registered key */
	SEEN_OTHER,   /* the board, in another mode, when the deadline passed */
	SEEN_INSTEAD, /* another device on its port */
	SEEN_NOTHING,
};

static int wait_for(struct kf_monitor *monitor, const struct awaited *awaited, int64_t deadline_ms,
		    struct kf_board *ret, enum seen *ret_seen, struct kf_error *err)
{
	const struct kf_board *board = awaited->board;
	struct kf_board now;
	int r = kf_monitor_wait(monitor, settled, (void *)awaited, deadline_ms, &now, err);

	if (r < 0 && r != -ETIMEDOUT)
		return r;
	if (r == 0)
		*ret_seen = awaited->is_it(&now, board) ? SEEN_IT : SEEN_INSTEAD;
	else if (kf_target_look(board, &now))
		/* The board may have come since; or this user may not open its port, and the open
		 * says so. */
		*ret_seen = awaited->is_it(&now, board) ? SEEN_IT : SEEN_OTHER;
	else
		*ret_seen = kf_occupant_find(board->usb.port, &now) ? SEEN_INSTEAD : SEEN_NOTHING;
	if (*ret_seen == SEEN_IT)
		kf_board_keep(&now, board);
	if (*ret_seen != SEEN_NOTHING)
		*ret = now;
	return 0;
}

/* "nothing came back at USB port 1-1.2", or the name of the device that did. */
static void describe_port(const struct kf_board *board, const struct kf_board *now,
			  const char *nothing, char *ret, size_t size)
{
	char occupant[KF_REASON_SIZE];

	if (!now) {
		kf_text_format(ret, size, "%s at USB port %s", nothing, board->usb.port);
		return;
	}
	kf_occupant_describe(board, now, occupant, sizeof(occupant));
	kf_text_format(ret, size, "on USB port %s %s", board->usb.port, occupant);
}

/* Fail: no bootloader came after the firmware. now: the device on the port; NULL: none. */
static int not_entered(const struct kf_board *board, const struct kf_board *now,
		       struct kf_error *err)
{
	char occupant[KF_REASON_SIZE + 64], remedy[KF_REASON_SIZE];

	describe_port(board, now, "nothing came back", occupant, sizeof(occupant));
	kf_fail(err, KF_GONE, "it left its firmware, and %s", occupant);
	if (!now) {
		return kf_error_hint(
			err, "nothing was written: check cable and power, then run the same "
			     "command again");
	}
	kf_occupant_remedy(board, now, remedy, sizeof(remedy));
	return kf_error_hint(err,
			     "nothing was written: power-cycle it, and its firmware starts%s%s",
			     remedy[0] ? "; " : "", remedy);
}

/*
 * Fail: the board was told to start its firmware, and did not come back as the same Klipper.
 * Klipper under another serial number may be this board, but nothing proves it.
 */
static int not_back(const struct kf_board *board, const struct kf_board *now, struct kf_error *err)
{
	char occupant[KF_REASON_SIZE + 64], remedy[KF_REASON_SIZE];

	describe_port(board, now, "it did not come back", occupant, sizeof(occupant));
	if (!now || now->mode != KF_MODE_KLIPPER)
		kf_fail(err, KF_GONE, "%s", occupant);
	else
		kf_fail(err, KF_UNVERIFIED, "%s, which is not this board", occupant);
	if (!now)
		return kf_code_errno(KF_GONE);
	kf_occupant_remedy(board, now, remedy, sizeof(remedy));
	kf_error_hint(err, "%s",
		      remedy[0] ? remedy : "see which boards are connected with kf list");
	return kf_code_errno(err ? err->code : KF_GONE);
}

int kf_bootloader_enter(struct kf_monitor *monitor, const struct kf_board *board,
			int64_t deadline_ms, struct kf_board *ret, struct kf_error *err)
{
	int r;

	if (is_bootloader(board)) {
		*ret = *board;
		return 0;
	}
	r = kf_serial_touch_1200(board->tty, err);
	return r < 0 ? r : kf_bootloader_await(monitor, board, deadline_ms, ret, err);
}

int kf_bootloader_await(struct kf_monitor *monitor, const struct kf_board *board,
			int64_t deadline_ms, struct kf_board *ret, struct kf_error *err)
{
	const struct awaited awaited = { board, same_in_bootloader };
	struct kf_board now;
	enum seen seen;
	int r = wait_for(monitor, &awaited, deadline_ms, &now, &seen, err);

	if (r < 0)
		return r;
	if (seen == SEEN_INSTEAD || seen == SEEN_NOTHING)
		return not_entered(board, seen == SEEN_INSTEAD ? &now : NULL, err);
	if (seen == SEEN_OTHER && !is_bootloader(&now))
		return kf_fail(err, KF_NO_KATAPULT, "it did not start its bootloader at %s",
			       board->tty[0] ? board->tty : board->link.interface);
	*ret = now;
	return 0;
}

int kf_bootloader_return(struct kf_monitor *monitor, const struct kf_board *board,
			 int64_t deadline_ms, struct kf_board *ret, struct kf_error *err)
{
	const struct awaited awaited = { board, same_in_klipper };
	struct kf_board now;
	enum seen seen;
	int r = wait_for(monitor, &awaited, deadline_ms, &now, &seen, err);

	if (r < 0)
		return r;
	if (seen == SEEN_INSTEAD || seen == SEEN_NOTHING)
		return not_back(board, seen == SEEN_INSTEAD ? &now : NULL, err);
	*ret = now;
	if (seen == SEEN_IT)
		return 0;
	return kf_fail(err, KF_LEFT_IN_BOOTLOADER,
		       "it did not come back as Klipper: it is in %s mode",
		       now.mode == KF_MODE_OTHER ? "an unknown" : kf_mode_name(now.mode));
}

static bool out_of_rom(const struct kf_board *board, const struct kf_board *want)
{
	return !kf_board_in_rom(board) && kf_board_same(board, want);
}

/* Fail: the board left its ROM after the write, and shows neither Katapult nor Klipper. */
static int not_started(const struct kf_board *board, const struct kf_board *now,
		       struct kf_error *err)
{
	char place[KF_REASON_SIZE + 64];

	describe_port(board, now, "nothing came back", place, sizeof(place));
	kf_fail(err, KF_UNVERIFIED, "Katapult was written and read back, but it did not answer: %s",
		place);
	return kf_error_hint(
		err, now ? "Katapult starts what is behind it: double-click the reset button "
			   "of the board, and it waits in Katapult"
			 : "if it was built for CAN or a UART, connect that; else check "
			   "which crystal and which USB pins it was built for");
}

int kf_bootloader_installed(struct kf_monitor *monitor, const struct kf_board *board,
			    int64_t deadline_ms, struct kf_board *ret, struct kf_error *err)
{
	const struct awaited awaited = { board, out_of_rom };
	struct kf_board now = { 0 };
	enum seen seen;
	int r = wait_for(monitor, &awaited, deadline_ms, &now, &seen, err);

	if (r < 0)
		return r;
	if (seen == SEEN_OTHER)
		return kf_fail(err, KF_LEFT_IN_BOOTLOADER,
			       "Katapult was written and read back, but the board stays in %s",
			       kf_mode_name(now.mode));
	if (seen != SEEN_IT || (now.mode != KF_MODE_KATAPULT && now.mode != KF_MODE_KLIPPER))
		return not_started(board, seen == SEEN_NOTHING ? NULL : &now, err);
	*ret = now;
	return 0;
}

int kf_bootloader_missing(const struct kf_board *board, const char *wanted, struct kf_error *err)
{
	kf_fail(err, KF_NO_KATAPULT, "it has no %s: it came back in %s mode", wanted,
		board->mode == KF_MODE_OTHER ? "HID" : kf_mode_name(board->mode));
	if (board->key[0])
		return kf_error_hint(
			err,
			"power-cycle it, and its firmware starts; or flash it where it "
			"waits: kf flash %s",
			board->key);
	return kf_error_hint(err, "power-cycle it, and its firmware starts; then install Katapult");
}

void kf_bootloader_explain(struct kf_monitor *monitor, const struct kf_board *board, bool untouched,
			   struct kf_error *err)
{
	char so_far[sizeof(err->hint) + 2] = "", occupant[KF_REASON_SIZE],
					before[sizeof(err->message)];
	const struct awaited awaited = { board, kf_board_same };
	struct kf_board now;
	enum seen seen = SEEN_NOTHING;
	bool there = kf_target_look(board, &now);

	/* A board that changes its mode is away for a moment. */
	if (!there && !kf_occupant_find(board->usb.port, &now)) {
		IGNORE_RESULT(
			wait_for(monitor, &awaited, kf_now_ms() + AWAY_MS, &now, &seen, NULL));
		there = kf_target_look(board, &now);
	}

	if (err->hint[0])
		kf_text_format(so_far, sizeof(so_far), "%s; ", err->hint);
	if (!there && kf_occupant_find(board->usb.port, &now)) {
		kf_occupant_describe(board, &now, occupant, sizeof(occupant));
		KF_COPY(before, err->message);
		kf_text_format(err->message, sizeof(err->message),
			       "%s; the board is not there any more: on USB port %s %s", before,
			       board->usb.port, occupant);
	} else if (!there)
		kf_error_hint(err, "%sthe board is no longer connected: check cable and power",
			      so_far);
	else if (now.mode == KF_MODE_KATAPULT)
		kf_error_hint(err, "%sthe board waits in Katapult: flash it with --method=katapult",
			      so_far);
	else if (kf_board_in_rom(&now))
		kf_error_hint(err,
			      "%sthe board waits in its bootloader (USB %s:%s): %spower-cycle it, "
			      "and its firmware starts",
			      so_far, now.usb.vendor, now.usb.product,
			      untouched ? "" : "if nothing was written, ");
}
