/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A record proves nothing: the device is looked up on the bus, the file is hashed
 * and taken apart, and both have to agree with the record and with each other.
 */
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "board/identity.h"
#include "board/last-flash.h"
#include "board/port.h"
#include "board/record.h"
#include "build/kept.h"
#include "core/paths.h"
#include "core/text.h"
#include "firmware/chip.h"
#include "firmware/image-check.h"
#include "firmware/katapult-image.h"
#include "flash/plan.h"
#include "flash/target.h"
#include "flash/wire.h"
#include "link/can-state.h"
#include "link/serial.h"
#include "link/uart-owner.h"
#include "registry/saved-config.h"
#include "usb/by-wire.h"
#include "usb/holder.h"
#include "usb/occupant.h"

static int choose_dirs(const struct kf_registry *registry, const struct kf_device *dev,
		       struct kf_plan *plan, struct kf_error *err)
{
	const char *klipper = plan->options.klipper_dir, *katapult = plan->options.katapult_dir;
	int r;

	r = kf_path_expand(klipper ? klipper : kf_registry_klipper_dir(registry, dev),
			   plan->klipper_dir, err);
	if (r < 0)
		return r;
	return kf_path_expand(katapult ? katapult : kf_registry_katapult_dir(registry),
			      plan->katapult_dir, err);
}

/* Klipper's make flash takes CONFIG_AVRDUDE_PROTOCOL of the saved configuration: so do we. */
static void choose_avrdude(const struct kf_device *dev, struct kf_plan *plan)
{
	const char *mcu = plan->image.dictionary.mcu;
	struct kf_avrdude *with = &plan->avrdude;
	struct kf_kconfig config = { 0 };
	char path[PATH_MAX];

	KF_COPY(with->part, dev->programmer_part ? dev->programmer_part : mcu);
	KF_COPY(with->programmer,
		dev->programmer ? dev->programmer : kf_loader_avr_programmer(mcu));
	with->baud = dev->programmer_baud;
	if (dev->programmer || !plan->board.key[0] ||
	    kf_saved_config_path(plan->board.key, path, NULL) < 0 ||
	    kf_kconfig_load(path, &config, NULL) < 0)
		return;
	IGNORE_RESULT(kf_kconfig_get(&config, "AVRDUDE_PROTOCOL", with->programmer,
				     sizeof(with->programmer)));
	kf_kconfig_free(&config);
}

/* The record and the image must name the same start, version and MCU. */
static int check_recorded(const json_t *firmware, const struct kf_plan *plan, struct kf_error *err)
{
	const struct {
		const char *name, *is;
	} stated[] = {
		{ "version", plan->image.dictionary.version },
		{ "mcu", plan->image.dictionary.mcu },
	};

	const json_t *start = json_object_get(firmware, "start");
	uint32_t is = plan->image.start, said = (uint32_t)json_integer_value(start);

	if (json_is_integer(start) && plan->image.start_known && said != is &&
	    !kf_chip_starts_at(kf_chip_find(plan->image.dictionary.mcu), is, said)) {
		kf_fail(err, KF_BAD_IMAGE, "the record says start 0x%08x, the image says 0x%08x",
			said, is);
		return kf_error_hint(err, "build it again: kf build");
	}
	for (size_t i = 0; i < KF_ARRAY_SIZE(stated); i++) {
		const char *recorded = kf_json_text(firmware, stated[i].name);

		if (!recorded[0] || strcmp(recorded, stated[i].is) == 0)
			continue;
		kf_fail(err, KF_BAD_IMAGE, "the record says %s %s, the image says %s",
			stated[i].name, recorded, stated[i].is);
		return kf_error_hint(err, "build it again: kf build");
	}
	return 0;
}

/* Klipper's build says "?-DATE-HOST" where neither git nor klippy/.version told it a version. */
static int check_version(const struct kf_plan *plan, struct kf_error *err)
{
	const char *version = plan->image.dictionary.version, *key = plan->board.key;

	if (version[0] != '?' || plan->options.unknown_version)
		return 0;
	kf_fail(err, KF_CONFIG,
		"the version of the firmware is %s: it does not tell what was built", version);
	return kf_error_hint(err,
			     "build it in a tree that git can read; to flash it anyway: "
			     "%s%s%s--accept-unknown-version",
			     key[0] ? "kf flash " : "", key, key[0] ? " " : "");
}

/* Katapult is flashed only with --bootloader=FILE, and with that nothing else is. */
static int check_program(const struct kf_plan *plan, struct kf_error *err)
{
	bool katapult = strcmp(plan->image.dictionary.app, KF_KATAPULT_APP) == 0;

	if (katapult == plan->options.bootloader)
		return 0;
	kf_fail(err, KF_BAD_IMAGE,
		katapult ? "it is a Katapult, not firmware" : "it is no Katapult");
	return kf_error_hint(err,
			     katapult
				     ? "to install it on a board in DFU or BOOTSEL: --bootloader=%s"
				     : "firmware is flashed with --firmware=%s",
			     plan->path);
}

static int check_image(const json_t *firmware, const struct kf_plan *plan, struct kf_error *err)
{
	int r = check_recorded(firmware, plan, err);

	if (r == 0)
		r = check_program(plan, err);
	if (r == 0)
		r = check_version(plan, err);
	if (r == 0)
		r = kf_image_check(&plan->image, plan->start_known ? &plan->start : NULL, err);
	if (r < 0)
		kf_error_prefix(err, "%s", plan->path);
	/* The dictionary beside a Katapult may be that of firmware. */
	return r < 0 || plan->options.bootloader
		       ? r
		       : kf_image_check_dictionary(plan->path, &plan->image, err);
}

/* Load the file at plan->path, if it still has this hash. */
static int load_same(const struct kf_plan *plan, const char *sha256, struct kf_image *ret,
		     struct kf_error *err)
{
	int r = kf_image_load(plan->path, ret, err);

	if (r < 0 || strcmp(ret->sha256, sha256) == 0)
		return r;
	kf_fail(err, KF_BAD_IMAGE,
		"%s has changed: its SHA-256 is %.12s..., not %.12s... as recorded", plan->path,
		ret->sha256, sha256);
	kf_error_hint(err, "build it again: kf build");
	kf_image_free(ret);
	return -EBADMSG;
}

int kf_plan_start(const struct kf_plan *plan, uint32_t *ret, struct kf_error *err)
{
	*ret = plan->start;
	if (plan->start_known)
		return 0;
	kf_fail(err, KF_WRONG_OFFSET, "the file does not say where in the flash it goes");
	return kf_error_hint(err, "give the klipper.elf of the same build");
}

int kf_plan_image(const struct kf_plan *plan, struct kf_image *ret, struct kf_error *err)
{
	return load_same(plan, plan->image.sha256, ret, err);
}

/* Load the file that firmware (a record's member, or that of the kept firmware) describes, and
 * check it. */
static int load_image(const json_t *firmware, struct kf_plan *plan, struct kf_error *err)
{
	const char *path = kf_json_text(firmware, "path"),
		   *sha256 = kf_json_text(firmware, "sha256");
	const json_t *start = json_object_get(firmware, "start");
	int r;

	if (!path[0] || !sha256[0])
		return kf_fail(err, KF_BAD_RECORD, "firmware has no path or no sha256");
	if (!KF_COPY(plan->path, path))
		return kf_fail(err, KF_BAD_RECORD, "firmware.path is over %d bytes", PATH_MAX);
	r = load_same(plan, sha256, &plan->image, err);
	if (r < 0)
		return r;
	plan->start = plan->image.start;
	plan->start_known = plan->image.start_known;
	if (!plan->start_known && json_is_integer(start)) {
		plan->start = (uint32_t)json_integer_value(start);
		plan->start_known = true;
	}
	r = check_image(firmware, plan, err);
	kf_image_drop(&plan->image);
	return r;
}

static int check_mcu(const struct kf_plan *plan, struct kf_error *err)
{
	const char *image = plan->image.dictionary.mcu, *board = plan->board.mcu;

	/* Nothing tells the MCU of an unregistered board in DFU or BOOTSEL yet; its bootloader
	 * will. */
	if (!board[0] || kf_mcu_same(board, image))
		return 0;
	return kf_fail(err, KF_MCU_MISMATCH, "the firmware is for %s, the board is a %s", image,
		       board);
}

/*
 * Firmware may show a wrong chip in its USB name, so the registry outranks that name. But then the
 * bootloader has to confirm the MCU before a write: only our own method asks it.
 */
static int check_usb(struct kf_plan *plan, struct kf_error *err)
{
	const char *image = plan->image.dictionary.mcu;
	char usb[64];

	kf_identity_mcu(&plan->board.usb, usb);
	if (!usb[0] || kf_mcu_same(usb, image))
		return 0;
	if (kf_method_row(plan->methods.list[0])->asks_katapult) {
		plan->methods.count = 1;
		return 0;
	}
	kf_fail(err, KF_MCU_MISMATCH,
		"the firmware and the registry say %s, but the board's USB name says %s", image,
		usb);
	return kf_error_hint(err,
			     "if it is a %s, register that (kf set %s mcu=%s); else flash it with "
			     "--method=katapult, which asks the bootloader for its MCU",
			     usb, plan->board.key, usb);
}

/*
 * Is the board not there to be flashed? A node to which Klippy has no connection may wait in
 * Katapult: kf_wire_look() finds out later. The program of a host MCU can be installed even while
 * it does not run.
 */
static bool is_away(const struct kf_board *board)
{
	return !board->connected && !kf_board_is_wired(board) && !kf_board_is_bridge(board);
}

/* Find the reason to leave the board alone; empty: there is none. */
static void find_reason(const struct kf_board *board, bool by_hand, char ret[KF_SKIP_SIZE])
{
	const char *why = board->reason;
	bool away = is_away(board) && !board->excluded, half = away && board->incomplete[0];
	char next[KF_SKIP_SIZE];

	ret[0] = '\0';
	if (board->excluded)
		kf_text_format(ret, KF_SKIP_SIZE, "%s", why[0] ? why : "excluded");
	else if (away) {
		kf_last_flash_next(board, "the same command again", next, sizeof(next));
		kf_text_format(ret, KF_SKIP_SIZE, "not connected%s%s%s%s", why[0] ? ": " : "", why,
			       half ? "; the firmware on it is incomplete: " : "",
			       half ? next : "");
	} else if (!board->key[0] && !by_hand && board->mode == KF_MODE_OTHER)
		kf_text_format(ret, KF_SKIP_SIZE, "not a Klipper board");
	else if (!board->key[0] && !by_hand)
		kf_text_format(ret, KF_SKIP_SIZE, "%s", why[0] ? why : "not registered: kf add");
}

/* A port that was named by hand is flashed: a reason to skip it is an error. */
static int refuse_skipped(const struct kf_registry *registry, const struct kf_plan *plan,
			  struct kf_error *err)
{
	const char *key = plan->board.key;
	struct kf_device dev;
	bool left_alone =
		key[0] && kf_registry_device(registry, key, &dev, NULL) == 0 && !dev.flashable;

	kf_fail(err, KF_CONFIG, "it must not be flashed: %s", plan->skip);
	if (left_alone)
		return kf_error_hint(err, "to allow it: kf set %s flashable=true", key);
	return kf_error_hint(err, "to allow it, remove it from blocked_devices in devices.json");
}

/* The record's port must be in /dev. The scan tells the port of now: a board may have moved. */
static int check_port(const char *tty, struct kf_error *err)
{
	struct stat st;

	if (!tty[0])
		return 0;
	if (strncmp(tty, "/dev/", 5) != 0 || strstr(tty, "/../"))
		return kf_fail(err, KF_BAD_RECORD, "board.tty is %s, not a device below /dev", tty);
	if (lstat(tty, &st) == 0 && !S_ISCHR(st.st_mode))
		return kf_fail(err, KF_BAD_RECORD, "board.tty is %s, not a character device", tty);
	return 0;
}

/* Add to err what is in the place of a registered board that is gone, if anything is. */
static void explain_instead(const struct kf_registry *registry, const char *key,
			    struct kf_error *err)
{
	char instead[KF_REASON_SIZE], hint[KF_REASON_SIZE];
	struct kf_device device;

	if (kf_registry_device(registry, key, &device, NULL) < 0 ||
	    !kf_occupant_instead(registry, &device, instead, hint))
		return;
	kf_fail(err, KF_NOT_CONNECTED, "%s; %s", err->message, instead);
	if (hint[0])
		kf_error_hint(err, "%s", hint);
}

/* Find a board without a USB device: it is as registered, or as it was named by hand. */
static int find_wired(const struct kf_registry *registry, const struct kf_board *recorded,
		      bool by_hand, struct kf_board *ret, struct kf_error *err)
{
	struct kf_board board = *recorded;
	struct kf_device device = { 0 };
	int r = 0;

	if (!by_hand && recorded->key[0])
		r = kf_registry_device(registry, recorded->key, &device, err);
	if (r < 0)
		return r;
	if (!by_hand && recorded->key[0] && !kf_wire_board(&device, &board))
		return kf_fail(err, KF_NOT_CONNECTED, "%s is on USB now, and not connected",
			       recorded->key);
	board.version[0] = '\0';
	board.holder = (struct kf_holder){ 0 };
	board.mode = KF_MODE_NONE;
	r = kf_wire_look(&board, err);
	if (r == -ENODEV && board.link.type == KF_WIRE_PROCESS)
		r = 0;
	if (r == 0 && board.tty[0])
		r = kf_uart_free("", board.tty, err);
	if (r < 0)
		return r;
	kf_holders_find(&board, 1);
	*ret = board;
	return 0;
}

static int find_board(const struct kf_registry *registry, const struct kf_boards *now,
		      const struct kf_board *recorded, bool by_hand, struct kf_board *ret,
		      struct kf_error *err)
{
	struct kf_board known = *recorded;
	int r;

	/* A board whose serial number is shared by many is found by its USB port (by_port). */
	if (kf_registry_identify(registry, &known, NULL) < 0 ||
	    strcmp(known.key, recorded->key) != 0)
		known.by_port = false;
	r = check_port(recorded->tty, err);
	if (r == 0)
		r = kf_target_find(now, &known, ret, kf_board_is_wired(recorded) ? NULL : err);
	if (r == -ENODEV && kf_board_is_wired(recorded))
		r = find_wired(registry, recorded, by_hand, ret, err);
	else if (r == -ENODEV && recorded->key[0])
		explain_instead(registry, recorded->key, err);
	if (r == 0)
		r = kf_registry_identify(registry, ret, err);
	if (r < 0)
		return r;
	if (by_hand && recorded->link.baud) {
		ret->link.baud = recorded->link.baud;
		ret->link.katapult_baud = recorded->link.katapult_baud;
	}
	if (strcmp(ret->key, recorded->key) != 0 && !by_hand)
		return kf_fail(err, KF_BAD_RECORD,
			       "the key in the record is %s, in the registry %s",
			       recorded->key[0] ? recorded->key : "unregistered",
			       ret->key[0] ? ret->key : "unregistered");
	return 0;
}

/* A board without a serial number of its own and without a registered USB port cannot be told from
 * another board of the same type. */
static int check_known(const struct kf_plan *plan, const struct kf_device *dev,
		       struct kf_error *err)
{
	const struct kf_board *board = &plan->board;

	if (!board->key[0] || !board->tty[0] || board->by_port || dev->usb_port || dev->serial ||
	    plan->options.by_hand || kf_serial_unique(board->usb.serial))
		return 0;
	kf_fail(err, KF_AMBIGUOUS,
		"it has no serial number of its own, and no USB port is registered for it");
	return kf_error_hint(err, "if it is the board at %s: kf set %s usb_port=%s", board->tty,
			     board->key, board->usb.port);
}

/* No method can flash the chip: the hint says how its owner can. */
static void hint_way(const struct kf_plan *plan, bool by_uart, struct kf_error *err)
{
	const struct kf_loader *loader = kf_loader_find(plan->image.dictionary.mcu, KF_LOADER_ANY);

	if (plan->options.by_hand && kf_board_in_rom(&plan->board))
		kf_error_hint(err, "build for it, and flash that: kf %s%s",
			      plan->board.key[0] ? "flash " : "add --port=usb:",
			      plan->board.key[0] ? plan->board.key : plan->board.usb.port);
	else if (!by_uart && loader && loader->vendor && strcmp(loader->vendor, "0483") == 0)
		kf_error_hint(err, "%s, then run the same command again",
			      kf_last_flash_remedy(kf_mode_name(KF_MODE_DFU)));
	else if (loader && loader->program == KF_PROGRAM_AVRDUDE)
		kf_error_hint(err,
			      "%s%s%s--method=avrdude, and press its reset button when it says so",
			      plan->board.key[0] ? "kf flash " : "", plan->board.key,
			      plan->board.key[0] ? " " : "");
	else if (by_uart && kf_chip_katapult(plan->image.dictionary.mcu))
		kf_error_hint(
			err,
			"copy the image to its SD card; or name the board as flash-sdcard.sh "
			"-l lists it: kf set %s sdcard_board=BOARD; or, if it has Katapult: kf "
			"set %s flash_method=katapult",
			plan->board.key, plan->board.key);
	else
		kf_error_hint(err, "flash the image as the board's maker says: from an SD card, or "
				   "with a programmer");
	kf_error_prefix(err, "%s", plan->path);
}

static struct kf_methods_for methods_for(const struct kf_registry *registry,
					 const struct kf_device *dev, const struct kf_plan *plan)
{
	const struct kf_flash_options *options = &plan->options;

	return (struct kf_methods_for){
		.board = &plan->board,
		.key = plan->board.key[0] ? plan->board.key : NULL,
		.mcu = plan->image.dictionary.mcu,
		.start = plan->start_known ? plan->start : KF_LOADER_ANY,
		.by_uart = kf_wire_is_uart(&plan->board),
		.by_can = kf_board_is_node(&plan->board),
		.file = options->by_hand,
		.named = options->method,
		.own = dev->flash_method,
		.sdcard_board = dev->sdcard_board,
		.usual = kf_registry_flash_method(registry, NULL),
		.fallback = !options->no_fallback && kf_registry_allow_fallback(registry),
		.klipper_dir = plan->klipper_dir,
		.katapult_dir = plan->katapult_dir,
	};
}

static int choose_methods(const struct kf_registry *registry, const struct kf_device *dev,
			  struct kf_plan *plan, struct kf_error *err)
{
	const struct kf_methods_for with = methods_for(registry, dev, plan);
	int r = kf_methods_choose(&with, &plan->methods, err);

	if (r < 0 && err->code == KF_NO_KATAPULT && !plan->options.method)
		hint_way(plan, with.by_uart, err);
	if (r == 0)
		r = check_usb(plan, err);
	return r < 0 ? r : kf_methods_check(&with, &plan->methods, err);
}

static int hint_menuconfig(const struct kf_plan *plan, const char *choice, struct kf_error *err)
{
	return kf_error_hint(
		err, "choose %s in menuconfig: kf config %s; to flash it all the same: --force",
		choice, plan->board.key[0] ? plan->board.key : "KEY");
}

/* Firmware that was built for another wire would start, and could not be reached. */
static int check_wire(const struct kf_plan *plan, struct kf_error *err)
{
	const struct kf_dictionary *image = &plan->image.dictionary;
	const struct kf_board *board = &plan->board;
	struct kf_can_state state = { 0 };

	if (plan->options.force || plan->options.bootloader)
		return 0;
	if (kf_board_is_bridge(board) && !image->can_bridge) {
		kf_fail(err, KF_CONFIG_DIFFERENCE,
			"the board is the USB-to-CAN bridge of %s, and this firmware is none: no "
			"node behind it could be reached",
			board->link.interface[0] ? board->link.interface : "a CAN bus");
		return hint_menuconfig(plan, "a \"USB to CAN bus bridge\"", err);
	}
	if (!kf_board_is_node(board) || image->can_bridge || !image->constants)
		return 0;
	if (!image->can_frequency) {
		kf_fail(err, KF_CONFIG_DIFFERENCE,
			"the board is a node on %s, and this firmware is not for CAN",
			board->link.interface);
		return hint_menuconfig(plan, "\"CAN bus\" as Communication interface", err);
	}
	if (kf_can_state_read(board->link.interface, &state) < 0 || !state.bitrate ||
	    state.bitrate == image->can_frequency)
		return 0;
	kf_fail(err, KF_CONFIG_DIFFERENCE, "%s runs at %u bit/s, and this firmware is for %u",
		board->link.interface, state.bitrate, image->can_frequency);
	return hint_menuconfig(plan, "that CAN bus speed", err);
}

/* A bootloader is installed only on a board that its owner put into its ROM (BOOT button): after a
 * failure the owner can do so again. */
static int check_in_rom(const struct kf_plan *plan, struct kf_error *err)
{
	if (!plan->options.bootloader || kf_board_in_rom(&plan->board))
		return 0;
	kf_fail(err, KF_CONFIG,
		"a bootloader is installed only on a board that waits in DFU or BOOTSEL");
	return kf_error_hint(
		err, "%s",
		kf_last_flash_remedy(kf_mode_name(strncmp(plan->image.dictionary.mcu, "rp2", 3) == 0
							  ? KF_MODE_RP2BOOT
							  : KF_MODE_DFU)));
}

static int plan_flash(const json_t *record, const struct kf_registry *registry,
		      struct kf_plan *plan, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *firmware = NULL;
	struct kf_device dev = { 0 };
	int r = 0;

	if (plan->board.key[0])
		r = kf_registry_device(registry, plan->board.key, &dev, err);
	if (r == 0)
		r = check_known(plan, &dev, err);
	if (r == 0)
		r = choose_dirs(registry, &dev, plan, err);
	if (r < 0)
		return r;
	if (json_is_object(json_object_get(record, "firmware")))
		firmware = json_incref(json_object_get(record, "firmware"));
	else
		r = kf_kept_latest(plan->board.key, NULL, &firmware, err);
	if (r < 0)
		return r;
	r = load_image(firmware, plan, err);
	if (r == 0)
		r = check_in_rom(plan, err);
	if (r == 0)
		r = check_mcu(plan, err);
	if (r == 0)
		r = check_wire(plan, err);
	KF_COPY(plan->sdcard_board, dev.sdcard_board ? dev.sdcard_board : "");
	/* Only the image tells the MCU of an unregistered board behind a UART. */
	if (r == 0 && !plan->board.mcu[0])
		KF_COPY(plan->board.mcu, plan->image.dictionary.mcu);
	if (r == 0)
		choose_avrdude(&dev, plan);
	if (r == 0)
		r = choose_methods(registry, &dev, plan, err);
	return r;
}

/*
 * Check, before the build, that the programs are there which would flash the image. A board that no
 * method here can flash passes: the image is built, and its owner copies it.
 */
static int plan_check(const json_t *record, const struct kf_registry *registry,
		      struct kf_plan *plan, struct kf_error *err)
{
	const json_t *config = json_object_get(record, "config");
	const json_t *start = json_object_get(config, "start");
	const char *mcu = kf_json_text(config, "mcu");
	struct kf_methods_for with;
	struct kf_device dev = { 0 };
	int r;

	/* The host's own MCU is a Linux process, whatever its configuration will say. */
	if (!mcu[0] && plan->board.link.type == KF_WIRE_PROCESS)
		mcu = plan->board.mcu;
	if (!mcu[0] || !plan->board.key[0])
		return 0;
	r = kf_registry_device(registry, plan->board.key, &dev, err);
	if (r == 0)
		r = choose_dirs(registry, &dev, plan, err);
	if (r < 0)
		return r;
	KF_COPY(plan->image.dictionary.mcu, mcu);
	plan->start_known = json_is_integer(start);
	plan->start = (uint32_t)json_integer_value(start);
	with = methods_for(registry, &dev, plan);
	if (kf_methods_choose(&with, &plan->methods, NULL) == 0 && check_usb(plan, NULL) == 0)
		r = kf_methods_check(&with, &plan->methods, err);
	/* Methods need the image, which is not built yet. */
	plan->methods.count = 0;
	return r;
}

static const char *own_method(const struct kf_registry *registry, const char *key)
{
	struct kf_device dev;

	return key[0] && kf_registry_device(registry, key, &dev, NULL) == 0 ? dev.flash_method
									    : NULL;
}

/* Can the firmware be read? Only Katapult reads it. This is checked before anything stops. */
static int plan_read(const json_t *record, const struct kf_registry *registry,
		     const struct kf_plan *plan, struct kf_error *err)
{
	const json_t *config = json_object_get(record, "config");
	const char *mcu = kf_json_text(config, "mcu"), *key = plan->board.key;
	const char *own = own_method(registry, key);
	const struct kf_methods_for with = {
		.board = &plan->board,
		.mcu = mcu[0] ? mcu : plan->board.mcu,
		.start = mcu[0] ? (uint32_t)json_integer_value(json_object_get(config, "start"))
				: KF_LOADER_ANY,
		.by_uart = kf_wire_is_uart(&plan->board),
		.insist = own && strcmp(own, kf_method_name(KF_METHOD_KATAPULT)) == 0,
	};
	const char *why = kf_method_katapult.why_not(&with);
	struct kf_last_flash last = { 0 };

	if (plan->skip[0])
		return kf_fail(err, KF_CONFIG, "it is not to be read: %s", plan->skip);
	if (why) {
		kf_fail(err, KF_NO_KATAPULT, "its firmware cannot be read: %s", why);
		return kf_error_hint(err, "only Katapult can read what a board runs");
	}
	kf_last_flash_load(key, &last);
	if (!last.incomplete[0])
		return kf_serial_check_right(plan->board.tty, err);
	kf_fail(err, KF_NO_FIRMWARE, "the firmware on it is incomplete: it is not worth reading");
	return kf_error_hint(err, "flash it: kf flash %s", key);
}

bool kf_plan_by_port(const struct kf_plan *plan)
{
	const struct kf_board *board = &plan->board;

	return board->by_port || (!kf_board_chip(board)[0] && board->link.type != KF_WIRE_PROCESS);
}

bool kf_plan_noted(const struct kf_plan *plan)
{
	const struct kf_board *board = &plan->board;
	struct kf_last_flash state;
	bool by_port = kf_plan_by_port(plan);
	bool behind_uart = by_port && kf_wire_is_uart(board) && !kf_board_in_loader(board);

	if (plan->options.force || !board->key[0] ||
	    (board->mode != KF_MODE_KLIPPER && !kf_board_is_node(board) &&
	     board->link.type != KF_WIRE_PROCESS && !behind_uart))
		return false;
	kf_last_flash_load(board->key, &state);
	if (by_port && (!board->usb.port[0] || strcmp(state.port, board->usb.port) != 0))
		return false;
	/* An image that waits on the SD card counts too: then the board is asked for its
	 * version. */
	return strcmp(state.pending[0] ? state.pending_sha256 : state.sha256, plan->image.sha256) ==
		       0 &&
	       strcmp(state.pending[0] ? state.pending : state.version,
		      plan->image.dictionary.version) == 0 &&
	       strcasecmp(state.serial, kf_board_chip(board)) == 0;
}

int kf_plan_record(const json_t *record, const struct kf_registry *registry,
		   const struct kf_boards *now, const struct kf_flash_options *options,
		   struct kf_plan *ret, struct kf_error *err)
{
	struct kf_plan plan = { .options = *options };
	struct kf_board recorded;
	int r;

	r = kf_record_board(record, &recorded, err);
	if (r < 0)
		return r;
	plan.board = recorded;
	find_reason(&recorded, options->by_hand, plan.skip);
	if (!plan.skip[0]) {
		r = find_board(registry, now, &recorded, options->by_hand, &plan.board, err);
		if (r < 0)
			return r;
		find_reason(&plan.board, options->by_hand, plan.skip);
	}
	if (plan.skip[0] && options->by_hand)
		return refuse_skipped(registry, &plan, err);
	if (options->read)
		r = plan_read(record, registry, &plan, err);
	else if (!plan.skip[0] && options->check)
		r = plan_check(record, registry, &plan, err);
	else if (!plan.skip[0])
		r = plan_flash(record, registry, &plan, err);
	if (r < 0) {
		kf_plan_free(&plan);
		return r;
	}
	plan.current = !plan.skip[0] && !options->check && !options->read && kf_plan_noted(&plan);
	*ret = plan;
	return 0;
}

void kf_plan_free(struct kf_plan *plan)
{
	kf_image_free(&plan->image);
}
