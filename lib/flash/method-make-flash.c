/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The make_flash method: the tree's `make flash`. Its exit status proves nothing (field-notes.md,
 * "Outcome"): the caller looks at the board.
 */
#include <errno.h>
#include <fnmatch.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "board/identity.h"
#include "build/kept.h"
#include "build/linked.h"
#include "build/tree.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/paths.h"
#include "core/process.h"
#include "core/text.h"
#include "flash/attempt.h"
#include "flash/program.h"
#include "flash/wire.h"

enum { BUILD_MS = 300000, CONFIG_MAX = 1 << 20 };

/* A program that make flash runs: it is installed, or make flash builds it in the tree. */
struct tool {
	const char *run, *package; /* Debian's, if it is installed */
	/* The tree's folder/file, which make builds in that folder; NULL: it is not built.
	 * target: what make is given; NULL: the first. */
	const char *folder, *file, *target, *compiler;
	bool libusb;
};

static const struct tool tools[] = {
	[KF_PROGRAM_NONE] = { 0 },
	[KF_PROGRAM_DFU_UTIL] = { .run = "dfu-util", .package = "dfu-util" },
	[KF_PROGRAM_AVRDUDE] = { .run = "avrdude", .package = "avrdude" },
	[KF_PROGRAM_BOSSAC] = { .folder = "lib/bossac",
				.file = "bin/bossac",
				.target = "bin/bossac",
				.compiler = "g++" },
	[KF_PROGRAM_RP2040_FLASH] = { .folder = "lib/rp2040_flash",
				      .file = "rp2040_flash",
				      .target = "rp2040_flash",
				      .compiler = "gcc",
				      .libusb = true },
	[KF_PROGRAM_HOST_MCU] = { 0 },
	[KF_PROGRAM_HID_FLASH] = { .folder = "lib/hidflash",
				   .file = "hid-flash",
				   .target = "hid-flash",
				   .compiler = "gcc",
				   .libusb = true },
};

/*
 * make flash builds hid-flash first for every STM32, whether it is used or not. Where libusb is
 * missing, make flash goes on without hid-flash.
 */
static const struct tool hid_flash = { .folder = "lib/hidflash",
				       .file = "hid-flash",
				       .compiler = "gcc" };

static const char *why_not(const struct kf_methods_for *with)
{
	const struct kf_loader *loader = kf_loader_find(with->mcu, with->start);

	if (with->file)
		return "make flash can flash only a build of a registered board, not a file";
	if ((kf_methods_in_mode(with, KF_MODE_KATAPULT) && !with->by_can) || !loader)
		return NULL;
	if (with->by_can)
		return "make flash reaches no node on CAN";
	if (loader->program == KF_PROGRAM_NONE)
		return "make flash does not know this chip";
	if (with->by_uart && !kf_loader_by_uart(loader))
		return "make flash cannot flash it through a USB-to-serial chip";
	if (kf_methods_usb_avr(with))
		return "its Klipper cannot start its bootloader";
	if (!loader->entered && !kf_methods_in_rom(with))
		return "its Klipper cannot start a bootloader for make flash";
	return NULL;
}

/* Find the tool that make flash builds for such a chip; NULL: it builds none. */
static const struct tool *find_tool(const char *mcu, uint32_t start)
{
	const struct kf_loader *loader = kf_loader_find(mcu, start);

	if (loader && tools[loader->program].folder)
		return &tools[loader->program];
	return loader && fnmatch("stm32*", mcu, FNM_CASEFOLD) == 0 ? &hid_flash : NULL;
}

static bool is_built(const char *dir, const struct tool *tool)
{
	char path[PATH_MAX];

	return kf_text_format(path, sizeof(path), "%s/%s/%s", dir, tool->folder, tool->file) &&
	       access(path, X_OK) == 0;
}

/* Is it built already, by make flash in the tree or by us beside it, or can make flash build it? */
static int check_built(const struct tool *tool, const char *tree_dir, struct kf_error *err)
{
	static const char *const libusb[] = { "pkg-config", "--exists", "libusb-1.0", NULL };
	char folder[PATH_MAX], linked[PATH_MAX];
	struct kf_tree tree;
	int r;

	if (!kf_text_format(folder, sizeof(folder), "%s/%s", tree_dir, tool->folder) ||
	    access(folder, F_OK) < 0 || is_built(tree_dir, tool) ||
	    (kf_tree_open(tree_dir, &tree, NULL) == 0 &&
	     kf_linked_path(tree.dir, linked, NULL) == 0 && is_built(linked, tool)))
		return 0;
	r = kf_flash_program_find(tool->compiler, tool->compiler, err);
	if (r < 0)
		return r;
	return tool->libusb ? kf_flash_program_works(libusb, "libusb-1.0",
						     "pkg-config libusb-1.0-0-dev", err)
			    : 0;
}

/* Are make and the program that "make flash" runs installed? */
static int check(const struct kf_methods_for *with, struct kf_error *err)
{
	const struct kf_loader *loader = kf_loader_find(with->mcu, with->start);
	const struct tool *tool = loader ? &tools[loader->program] : NULL;
	const struct tool *built = find_tool(with->mcu, with->start);
	int r;

	r = kf_flash_program_find("make", "make", err);
	if (r < 0)
		return r;
	/* For a board in Katapult, make flash runs the tree's flashtool.py (scripts/flash_usb.py).
	 * A missing module matters only if make flash is the first method. */
	if (kf_methods_in_mode(with, KF_MODE_KATAPULT))
		return strcmp(kf_methods_wanted(with), kf_method_name(KF_METHOD_MAKE_FLASH)) == 0
			       ? kf_flash_program_pyserial(err)
			       : 0;
	if (!tool)
		return 0;
	r = tool->run ? kf_flash_program_find(tool->run, tool->package, err) : 0;
	if (r < 0)
		return r;
	r = built ? check_built(built, with->klipper_dir, err) : 0;
	return r < 0 ? r : kf_methods_check_rule(with, err);
}

/* make passes the path to a shell: no character of it may mean anything there. */
static bool is_plain(const char *path)
{
	static const char chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789/_.:+@-";

	return path[0] == '/' && !path[strspn(path, chars)];
}

/* FLASH_DEVICE: a link that survives re-enumeration, else the port; the USB id of a ROM loader. */
static int flash_device(const struct kf_board *board, char ret[KF_DEV_SIZE + 16],
			struct kf_error *err)
{
	const char *const paths[] = { board->by_id, board->by_path, board->tty };

	if (!board->tty[0]) {
		kf_text_format(ret, KF_DEV_SIZE + 16, "FLASH_DEVICE=%s:%s", board->usb.vendor,
			       board->usb.product);
		return 0;
	}
	for (size_t i = 0; i < KF_ARRAY_SIZE(paths); i++) {
		if (!is_plain(paths[i]))
			continue;
		kf_text_format(ret, KF_DEV_SIZE + 16, "FLASH_DEVICE=%s", paths[i]);
		return 0;
	}
	return kf_fail(err, KF_IO, "make flash cannot use the name %s", board->tty);
}

/* Fail if another board waits in the loader that this board goes to: both look the same. */
static int check_waiting(const struct kf_board *board, const char *mcu, struct kf_error *err)
{
	struct kf_boards now = { 0 };
	const char *family;
	int r = 0;

	if (board->mode == KF_MODE_KATAPULT || kf_board_in_rom(board) ||
	    !kf_loader_beside_katapult(kf_loader_find(mcu, KF_LOADER_ANY)))
		return 0;
	r = kf_usb_scan(&now, err);
	for (size_t i = 0; r == 0 && i < now.count; i++) {
		family = kf_identity_family(&now.list[i].usb);
		if (!kf_board_in_rom(&now.list[i]) || strncasecmp(mcu, family, strlen(family)) != 0)
			continue;
		r = kf_fail(err, KF_AMBIGUOUS,
			    "another board waits in its bootloader on USB port %s: make flash "
			    "could take the wrong one",
			    now.list[i].usb.port);
		kf_error_hint(err, "unplug that board, or power-cycle it");
	}
	kf_boards_free(&now);
	return r;
}

/* make flash finds a ROM bootloader by its USB id, so only this one may be connected. */
static int check_alone(const struct kf_board *board, struct kf_error *err)
{
	struct kf_boards now = { 0 };
	size_t alike = 0;
	int r;

	if (board->tty[0])
		return 0;
	r = kf_usb_scan(&now, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < now.count; i++)
		alike += strcmp(now.list[i].usb.vendor, board->usb.vendor) == 0 &&
			 strcmp(now.list[i].usb.product, board->usb.product) == 0;
	kf_boards_free(&now);
	if (alike == 1)
		return 0;
	kf_fail(err, KF_AMBIGUOUS,
		"%zu bootloaders have the USB id %s:%s: make flash cannot choose the right one",
		alike, board->usb.vendor, board->usb.product);
	return kf_error_hint(err, "unplug the others");
}

/* Find the kept copies of the planned image and of its configuration. */
static int find_kept(const struct kf_plan *plan, char image[PATH_MAX], char config[PATH_MAX],
		     struct kf_error *err)
{
	int r;

	if (!plan->board.key[0])
		return kf_fail(
			err, KF_NO_FIRMWARE,
			"make flash can flash only a build of a registered board, not a file");
	r = kf_kept_find(plan->board.key, plan->image.sha256, image, config, err);
	if (r == kf_code_errno(KF_NO_FIRMWARE)) {
		kf_error_prefix(err, "make flash needs the files of the build");
		kf_error_hint(err, "build it from nothing: kf build %s --clean", plan->board.key);
	}
	return r;
}

/*
 * A copy of image and configuration for make flash: an OUT with the image alone. Where board-link
 * is missing, Klipper's Makefile starts a second make, which is not told -o and rewrites an old
 * configuration. So board-link is there, too.
 */
struct build {
	char folder[PATH_MAX], out[PATH_MAX], link[PATH_MAX], config[PATH_MAX], image[PATH_MAX];
};

static int copy_build(const struct kf_plan *plan, struct build *ret, struct kf_error *err)
{
	const char *key = plan->board.key;
	char image[PATH_MAX], config[PATH_MAX];
	int r = find_kept(plan, image, config, err);
	const struct {
		char *path;
		const char *folder, *name;
	} paths[] = {
		{ ret->folder, "", "" },
		{ ret->config, ".config", "" },
		{ ret->out, "out/", "" },
		{ ret->link, "out/", "board-link" },
		{ ret->image, "out/", r < 0 ? "" : basename(image) },
	};

	for (size_t i = 0; r == 0 && i < KF_ARRAY_SIZE(paths); i++)
		r = kf_path(KF_DIR_CACHE, paths[i].path, err, "flash/%s/%s%s", key, paths[i].folder,
			    paths[i].name);
	if (r == 0)
		r = kf_dir_remove(ret->folder, err);
	if (r == 0)
		r = kf_file_copy(config, ret->config, CONFIG_MAX, err);
	if (r == 0)
		r = kf_file_write(ret->link, "", 0, err);
	return r < 0 ? r : kf_file_copy(image, ret->image, KF_IMAGE_FILE_MAX, err);
}

static bool is_planned(const struct kf_plan *plan, const struct build *build)
{
	char sha256[KF_HEX_SIZE];

	return kf_file_sha256(build->image, sha256, NULL) == 0 &&
	       strcmp(sha256, plan->image.sha256) == 0;
}

static int build_tool(const struct kf_plan *plan, const struct tool *tool, const char *folder,
		      int64_t deadline_ms, struct kf_error *err)
{
	static const char *const env[] = { "MAKEFLAGS", "GNUMAKEFLAGS",	 "MFLAGS", "MAKELEVEL",
					   "MAKEFILES", "MAKEOVERRIDES", NULL };
	_cleanup_(kf_flash_program_end) struct kf_flash_program program = KF_FLASH_PROGRAM_NONE;
	const char *const argv[] = { "make", "-C", folder, tool->target, NULL };
	struct kf_process p = { .argv = argv, .env = env, .in = -1 };
	int r, status;

	r = kf_flash_program_log(&program, plan, KF_METHOD_MAKE_FLASH, err);
	if (r < 0)
		return r;
	p.out = p.err = program.log;
	r = kf_process_run(&p, deadline_ms, &status, err);
	if (r == 0 && status != 0)
		r = kf_fail(err, KF_NO_TOOLCHAIN,
			    "make flash needs %s/%s for this board, and it could not be built",
			    tool->folder, tool->file);
	if (r < 0)
		KF_COPY(err->log, program.log_path);
	return r;
}

/*
 * Build the tool that make flash would build on its way, if it is in the plan and the board is not
 * in Katapult: before the board is entered and a service stops, for that may take minutes, once.
 * KF_NO_TOOLCHAIN: it cannot be built; the error names the log. KF_BUSY, KF_TIMEOUT,
 * KF_INTERRUPTED; KF_NO_TREE.
 */
static int prepare(const struct kf_plan *plan, const struct kf_progress *progress,
		   struct kf_error *err)
{
	int64_t deadline_ms = kf_now_ms() + BUILD_MS;
	_cleanup_(kf_closep) int lock = -1;
	char folder[PATH_MAX], file[PATH_MAX];
	struct kf_tree tree, linked;
	const struct tool *tool = find_tool(plan->image.dictionary.mcu,
					    plan->start_known ? plan->start : KF_LOADER_ANY);
	int r;

	if (plan->board.mode == KF_MODE_KATAPULT || !tool ||
	    !kf_text_format(folder, sizeof(folder), "%s/%s", plan->klipper_dir, tool->folder) ||
	    access(folder, F_OK) < 0)
		return 0;
	r = kf_tree_open(plan->klipper_dir, &tree, err);
	if (r == 0)
		r = kf_linked_tree(&tree, kf_now_ms() + plan->options.wait_ms, &linked, &lock, err);
	if (r < 0)
		return r;
	if (!kf_text_format(folder, sizeof(folder), "%s/%s", linked.dir, tool->folder) ||
	    !kf_text_format(file, sizeof(file), "%s/%s", folder, tool->file) ||
	    access(file, X_OK) == 0)
		return 0;
	kf_progress_step(progress, "building %s/%s for make flash, once", tool->folder, tool->file);
	return build_tool(plan, tool, folder, deadline_ms, err);
}

/*
 * make flash takes the planned image and its configuration: KF_NO_FIRMWARE unless both are kept.
 * KF_AMBIGUOUS: the board would be sent into a loader that another board is in already.
 */
static int ready(const struct kf_plan *plan, const struct kf_board *board, struct kf_error *err)
{
	char image[PATH_MAX], config[PATH_MAX];
	int r = find_kept(plan, image, config, err);

	return r < 0 ? r : check_waiting(board, plan->image.dictionary.mcu, err);
}

/*
 * make flash asks a Katapult nothing. So we bring a board that may have Katapult into it and ask
 * it, before make flash runs. make flash knows every other loader of these chips by its USB id, and
 * reaches Atmel's SAM-BA from Klipper (scripts/flash_usb.py).
 */
static bool enters(const struct kf_plan *plan, const struct kf_board *board)
{
	return !kf_loader_beside_katapult(
		       kf_loader_find(plan->image.dictionary.mcu, KF_LOADER_ANY)) ||
	       (kf_wire_is_uart(board) && board->mode != KF_MODE_KATAPULT);
}

/*
 * make flash FLASH_DEVICE=<the board as it is now> NOSUDO=1, with an OUT that holds the planned
 * image alone, which is not made anew. Refused (KF_NO_FIRMWARE) unless that image is kept;
 * KF_UNVERIFIED if OUT has another one afterwards. KF_FLASH_FAILED with the log when it fails;
 * KF_TIMEOUT; KF_INTERRUPTED.
 */
static int write_board(struct kf_attempt *a, struct kf_error *err)
{
	const struct kf_plan *plan = a->plan;
	_cleanup_(kf_flash_program_end) struct kf_flash_program program = KF_FLASH_PROGRAM_NONE;
	_cleanup_(kf_closep) int lock = -1;
	char device[KF_DEV_SIZE + 16];
	struct build build;
	/* -o: make does not remake these, even if the tree is newer by now. */
	const char *const targets[] = { "flash", device,       "NOSUDO=1", "-o",       build.image,
					"-o",	 build.config, "-o",	   build.link, NULL };
	struct kf_tree tree, linked;
	int r, status = 0;

	r = check_alone(a->board, err);
	if (r == 0)
		r = kf_tree_open(plan->klipper_dir, &tree, err);
	if (r == 0)
		r = flash_device(a->board, device, err);
	if (r == 0)
		r = kf_linked_tree(&tree, kf_now_ms() + plan->options.wait_ms, &linked, &lock, err);
	if (r == 0)
		r = copy_build(plan, &build, err);
	if (r == 0)
		r = kf_flash_program_begin(&program, plan, a->board, a->method, err);
	if (r < 0)
		return r;
	kf_progress_step(a->progress, "make flash %s", device);
	r = kf_tree_make(&(struct kf_make){ .tree = &linked,
					    .out = build.out,
					    .config = build.config,
					    .targets = targets,
					    .tty = -1,
					    .log_fd = program.log,
					    .wait_ms = plan->options.wait_ms,
					    .deadline_ms = a->deadline_ms },
			 &status, err);
	if (r != -EINTR && !is_planned(plan, &build))
		r = kf_fail(err, KF_UNVERIFIED,
			    "%s was built again meanwhile: the written image was not checked",
			    build.image);
	r = kf_flash_program_check(&program, "make flash", r, status, err);
	IGNORE_RESULT(kf_dir_remove(build.folder, NULL)); /* else the next flash does */
	return r;
}

const struct kf_method_row kf_method_make_flash = {
	.why_not = why_not,
	.check = check,
	.prepare = prepare,
	.ready = ready,
	.enters = enters,
	.write = write_board,
	.of_chip = true,
	.alone = true,
	.foreign = true,
	.takes_turns = true,
};
