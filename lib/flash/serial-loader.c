/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "board/last-flash.h"
#include "core/bytes.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/text.h"
#include "flash/rom.h"
#include "flash/serial-loader.h"
#include "flash/target.h"
#include "link/serial.h"

enum {
	ENTER_MS = 10000,
};

const char *kf_serial_loader_why_not(const struct kf_methods_for *with)
{
	return with->by_can || kf_methods_in_mode(with, KF_MODE_KATAPULT)
		       ? "it is reached over its own serial port alone"
		       : NULL;
}

int kf_serial_loader_prepare(struct kf_attempt *a, struct kf_serial_loader *ret,
			     struct kf_error *err)
{
	int r;

	*ret = (struct kf_serial_loader){ .attempt = a,
					  .program = KF_FLASH_PROGRAM_NONE,
					  .board = *a->board };
	r = kf_plan_start(a->plan, &ret->start, err);
	if (r == 0)
		r = kf_flash_program_image(a->plan, a->image, ret->image, err);
	if (r == 0)
		r = kf_flash_program_path(a->plan, "read.bin", ret->read, err);
	/* A file that an earlier run has left could be taken for this run's. */
	if (r == 0 && unlink(ret->read) < 0 && errno != ENOENT)
		r = kf_fail_sys(err, errno, "%s", ret->read);
	return r;
}

/* A sketch on an Arduino has its bootloader's USB product id plus 0x8000 (Arduino's boards.txt). */
static bool is_sketch(const struct kf_board *board)
{
	return board->usb.product[0] >= '8';
}

/* A serial port on a USB port, of Klipper or of what may be a bootloader. */
struct awaited {
	const char *port;
	bool klipper;
};

static bool is_there(const struct kf_boards *now, void *arg, struct kf_board *ret)
{
	const struct awaited *awaited = arg;

	for (size_t i = 0; i < now->count; i++) {
		const struct kf_board *board = &now->list[i];
		bool loader = board->mode == KF_MODE_OTHER && board->tty[0] && !is_sketch(board);

		if (strcmp(board->usb.port, awaited->port) == 0 &&
		    (awaited->klipper ? board->mode == KF_MODE_KLIPPER : loader)) {
			*ret = *board;
			return true;
		}
	}
	return false;
}

int kf_serial_loader_await(struct kf_monitor *monitor, const struct kf_board *board, bool klipper,
			   int64_t deadline_ms, struct kf_board *ret, struct kf_error *err)
{
	struct awaited awaited = { board->usb.port, klipper };

	return kf_monitor_wait(monitor, is_there, &awaited, deadline_ms, ret, err);
}

static int not_entered(const struct kf_serial_loader *job, struct kf_error *err)
{
	const struct kf_board *board = &job->attempt->plan->board;
	struct kf_board now;

	if (kf_target_look(board, &now))
		kf_fail(err, KF_NO_KATAPULT, "it did not start its bootloader at %s", board->tty);
	else
		kf_fail(err, KF_GONE, "it left its firmware, and no bootloader came at USB port %s",
			board->usb.port);
	kf_error_hint(err, "nothing was written: power-cycle it, and its firmware starts");
	return kf_code_errno(err ? err->code : KF_GONE);
}

int kf_serial_loader_enter(struct kf_serial_loader *job, bool by_hand, struct kf_error *err)
{
	struct kf_attempt *a = job->attempt;
	int64_t deadline_ms = by_hand ? a->deadline_ms : kf_within_ms(ENTER_MS, a->deadline_ms);
	struct kf_board loader;
	int r = 0;

	if (job->board.mode != KF_MODE_KLIPPER && !is_sketch(&job->board))
		return 0;
	if (by_hand)
		kf_progress_step(a->progress,
				 "press the reset button of the board now, on some twice: its "
				 "Klipper cannot start its bootloader");
	else
		kf_progress_step(a->progress, "entering its bootloader from %s", job->board.tty);
	if (!by_hand)
		r = kf_serial_touch_1200(job->board.tty, err);
	if (r == 0)
		r = kf_serial_loader_await(a->monitor, &job->board, false, deadline_ms, &loader,
					   err);
	if (r == -ETIMEDOUT)
		return not_entered(job, err);
	if (r < 0)
		return r;
	kf_board_keep(&loader, &job->board);
	job->board = loader;
	return 0;
}

int kf_serial_loader_begin(struct kf_serial_loader *job, struct kf_error *err)
{
	struct kf_attempt *a = job->attempt;
	int r = kf_flash_program_begin(&job->program, a->plan, &job->board, a->method, err);

	if (r == 0)
		a->begun = kf_loader_name(kf_loader_find(a->image->dictionary.mcu, KF_LOADER_ANY));
	return r;
}

int kf_serial_loader_run(struct kf_serial_loader *job, const char *name, const char *const *argv,
			 struct kf_error *err)
{
	int r = kf_flash_program_run(&job->program, name, argv, job->attempt->deadline_ms, err);

	if (r < 0 && err && err->code == KF_FLASH_FAILED)
		kf_error_hint(err, "%s, then run the same command again",
			      kf_last_flash_remedy(job->attempt->begun));
	return r;
}

/* Compare the file that the program has read with the image. avrdude leaves out 0xff at its end. */
int kf_serial_loader_compare(struct kf_serial_loader *job, struct kf_error *err)
{
	const struct kf_image *image = job->attempt->image;
	_cleanup_(kf_freep) char *read = NULL;
	_cleanup_(kf_freep) uint8_t *got = malloc(image->len);
	struct kf_error why;
	size_t len;
	int r;

	if (!got)
		return kf_fail_sys(err, ENOMEM, "what was read back");
	r = kf_file_read(job->read, KF_IMAGE_MAX, &read, &len, &why);
	if (r < 0)
		return kf_fail(err, KF_VERIFY_FAILED,
			       "%s reported no error, and there is nothing that it read back: %s",
			       kf_method_name(job->attempt->method), why.message);
	memset(got, 0xff, image->len);
	memcpy(got, read, len < image->len ? len : image->len);
	r = kf_bytes_verify(job->start, image->data, got, image->len, err);
	job->attempt->readback = r == 0;
	return r;
}

int kf_serial_loader_end(struct kf_serial_loader *job, int r, struct kf_error *err)
{
	if (r < 0 && err && job->attempt->begun)
		KF_COPY(err->log, job->program.log_path);
	kf_flash_program_end(&job->program);
	return r;
}
