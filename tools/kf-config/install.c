/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "board/identity.h"
#include "core/clock.h"
#include "core/process.h"
#include "core/text.h"
#include "core/toolpath.h"
#include "firmware/image.h"
#include "firmware/katapult-image.h"
#include "flash/target.h"
#include "install.h"
#include "terminal/log.h"
#include "terminal/terminal.h"

static const char phase[] = "Config";

int install_check(struct args *args, struct kf_error *err)
{
	struct kf_new_device *given = &args->request.given;
	struct kf_image image = { 0 };
	int r = kf_image_load(args->bootloader, &image, err);

	if (r < 0)
		return r;
	if (strcmp(image.dictionary.app, KF_KATAPULT_APP) != 0)
		r = kf_fail(err, KF_BAD_IMAGE, "%s: it is no Katapult, but firmware of %s",
			    args->bootloader, image.dictionary.app);
	else if (given->mcu[0] && !kf_mcu_same(given->mcu, image.dictionary.mcu))
		r = kf_fail(err, KF_MCU_MISMATCH, "%s: this Katapult is for %s, not for %s",
			    args->bootloader, image.dictionary.mcu, given->mcu);
	else if (!given->mcu[0])
		kf_mcu_short(image.dictionary.mcu, given->mcu);
	kf_image_free(&image);
	args->request.in_rom = true;
	return r;
}

/* Run one of our programs to its end. Returns its exit status, or an error. */
static int run(const char *tool, const char *const *words, int out, struct kf_error *err)
{
	const char *argv[8] = { 0 };
	const struct kf_process process = {
		.argv = argv, .in = -1, .out = out, .err = STDERR_FILENO, .foreground = true
	};
	char program[PATH_MAX];
	int status, r = kf_tool_find(tool, program, err);
	pid_t pid;

	argv[0] = program;
	for (size_t i = 0; words[i] && i + 2 < KF_ARRAY_SIZE(argv); i++)
		argv[i + 1] = words[i];
	if (r == 0)
		r = kf_process_start(&process, &pid, err);
	if (r < 0)
		return r;
	kf_process_wait_out(pid, &status);
	return kf_stopped() ? kf_fail_stopped(err) : kf_process_status(status);
}

static int install_katapult(const struct args *args, const struct kf_board *board,
			    struct kf_error *err)
{
	char port[KF_DEV_SIZE], file[PATH_MAX + 16];
	const char *const words[] = { "--port", port, file, args->common.quiet ? "--quiet" : NULL,
				      NULL };

	kf_text_format(port, sizeof(port), "usb:%s", board->usb.port);
	kf_text_format(file, sizeof(file), "--bootloader=%s", args->bootloader);
	return run("kf-flash", words, -1, err);
}

/* While it waited in its chip's bootloader, nothing but its port told which board it is. */
static void save_pattern(const struct kf_board *board)
{
	char by_id[KF_DEV_SIZE], pattern[KF_DEV_SIZE], assignment[KF_DEV_SIZE + 16];
	char *const assignments[] = { assignment, (char *)"usb_port=", NULL };
	struct kf_board there = *board, now;

	there.by_port = true;
	if (!kf_target_look(&there, &now) || now.mode != KF_MODE_KLIPPER ||
	    !kf_board_has_serial(&now))
		return;
	kf_board_by_id(&now, by_id);
	if (!kf_pattern_from_by_id(by_id, pattern))
		return;
	kf_text_format(assignment, sizeof(assignment), "serial_pattern=%s", pattern);
	/* If another board has that pattern, this one stays known by its USB port. */
	if (kf_device_set(board->key, assignments, NULL) == 0)
		kf_log_phase(phase, board->key, "known by its serial number now: %s", pattern);
}

/* 1: it is to be installed; 0: not now, and how to do it later was said. */
static int confirm(const struct args *args, const struct kf_board *board, struct kf_error *err)
{
	int tty = args->request.tty, r = 0;

	if (args->bootloader)
		return 1;
	if (tty >= 0 && !kf_add_complete(&args->request))
		r = kf_terminal_confirm(tty, true, err, "Build Klipper for it and install it now?");
	if (r == -ECANCELED)
		r = 0;
	if (r == 0)
		kf_log_phase(phase, board->key, "to install Klipper on it: kf flash %s",
			     board->key);
	return r;
}

int install_first(const struct args *args, const struct kf_board *board, struct kf_error *err)
{
	const char *const flash[] = { "flash", board->key, args->common.quiet ? "--quiet" : NULL,
				      NULL };
	int r;

	if (!board->connected || !kf_board_in_loader(board))
		return 0;
	r = confirm(args, board, err);
	if (r <= 0)
		return r;
	r = args->bootloader ? install_katapult(args, board, err) : 0;
	if (r == 0)
		r = run("kf", flash, STDOUT_FILENO, err);
	if (r == 0)
		save_pattern(board);
	return r;
}
