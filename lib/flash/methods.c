/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fnmatch.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "board/identity.h"
#include "build/linked.h"
#include "build/sd-board.h"
#include "core/clock.h"
#include "core/process.h"
#include "core/text.h"
#include "firmware/chip.h"
#include "flash/methods.h"
#include "link/serial.h"
#include "printer/host-mcu-program.h"
#include "usb/rules.h"

enum { CHECK_MS = 20000 };

static const struct kf_flash_tool tools[] = {
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
 * For every STM32 make flash builds hid-flash first, used or not; where libusb is missing it goes
 * on without.
 */
static const struct kf_flash_tool hid_flash = { .folder = "lib/hidflash",
						.file = "hid-flash",
						.compiler = "gcc" };

bool kf_programmer_is(enum kf_method method)
{
	return method == KF_METHOD_AVRDUDE || method == KF_METHOD_BOSSAC;
}

/* Does firmware that starts here leave no room for a bootloader before it? */
static bool is_bare(const char *mcu, uint32_t start)
{
	const struct kf_chip *chip = kf_chip_find(mcu);

	return chip && start != KF_LOADER_ANY &&
	       (start == chip->flash || (chip->vectors && start == chip->flash + chip->vectors));
}

static bool in_mode(const struct kf_methods_for *with, enum kf_mode mode)
{
	return with->board && with->board->mode == mode;
}

static bool in_rom(const struct kf_methods_for *with)
{
	return with->board && kf_board_in_rom(with->board);
}

/* Why not BOOTSEL, by ourselves? NULL: it may be. */
static const char *no_picoboot(const struct kf_methods_for *with)
{
	const struct kf_loader *loader = kf_loader_find(with->mcu, with->start);

	if (!loader || loader->program != KF_PROGRAM_RP2040_FLASH)
		return "only an RP2040 or RP2350 has BOOTSEL";
	if (with->by_can || (with->by_uart && !in_rom(with)))
		return "BOOTSEL is reached over its own USB alone";
	if (in_mode(with, KF_MODE_KATAPULT))
		return "it waits in Katapult";
	return NULL;
}

/* STM32's ROM, which shows these ids whatever firmware is for that chip. */
static bool in_stm32_rom(const struct kf_methods_for *with)
{
	return in_mode(with, KF_MODE_DFU) && strcmp(with->board->usb.vendor, "0483") == 0 &&
	       fnmatch("stm32*", with->mcu, FNM_CASEFOLD) == 0;
}

/* Why not DFU, by ourselves? NULL: it may be. */
static const char *no_dfu(const struct kf_methods_for *with)
{
	const struct kf_loader *loader = kf_loader_find(with->mcu, with->start);

	if (in_stm32_rom(with))
		return NULL;
	if (!loader || loader->program != KF_PROGRAM_DFU_UTIL ||
	    strcmp(loader->vendor, "0483") != 0)
		return "no DFU is in the ROM of its chip";
	if (with->by_can || with->by_uart)
		return "DFU is reached over its own USB alone";
	if (in_mode(with, KF_MODE_KATAPULT))
		return "it waits in Katapult";
	if (in_rom(with))
		return "it waits in a bootloader other than its chip's";
	return loader->entered ? NULL : "its Klipper cannot start DFU";
}

/* Klipper on an AVR's own USB cannot start the bootloader (src/avr has no bootloader_request()). */
static bool is_usb_avr(const struct kf_methods_for *with)
{
	const struct kf_loader *loader = kf_loader_find(with->mcu, with->start);

	return loader && loader->program == KF_PROGRAM_AVRDUDE && in_mode(with, KF_MODE_KLIPPER);
}

/* The programs reach a SAM over cdc_acm: its own USB, or an Arduino Due's programming port. */
static bool is_acm(const struct kf_methods_for *with)
{
	static const char acm[] = "/dev/ttyACM";

	return !with->board || strncmp(with->board->tty, acm, sizeof(acm) - 1) == 0;
}

/* Why not by the program of that name? NULL: it may be. */
static const char *no_programmer(const struct kf_methods_for *with, enum kf_method method)
{
	const struct kf_loader *loader = kf_loader_find(with->mcu, with->start);
	bool avr = method == KF_METHOD_AVRDUDE;

	if (!loader || loader->program != (avr ? KF_PROGRAM_AVRDUDE : KF_PROGRAM_BOSSAC))
		return avr ? "avrdude is for AVR alone" : "bossac is for Atmel's SAM alone";
	if (with->by_can || in_mode(with, KF_MODE_KATAPULT))
		return "it is reached over its own serial port alone";
	if (!avr && with->by_uart && !is_acm(with))
		return "bossac reaches it over USB alone";
	if (!loader->entered)
		return "its Klipper cannot start a bootloader";
	if (is_usb_avr(with) && (!with->named || strcmp(with->named, "avrdude") != 0))
		return "its Klipper cannot start its bootloader";
	return NULL;
}

/* Why is it not the host's own MCU? NULL: it is. */
static const char *no_host_mcu(const struct kf_methods_for *with)
{
	return strcmp(with->mcu, "linux") == 0 ? NULL : "it is no Linux process of this machine";
}

/* The method for a board without Katapult: that of the bootloader in its chip. */
static enum kf_method method_of_chip(const struct kf_methods_for *with)
{
	if (!no_host_mcu(with))
		return KF_METHOD_HOST_MCU;
	if (!no_programmer(with, KF_METHOD_AVRDUDE))
		return KF_METHOD_AVRDUDE;
	if (!no_programmer(with, KF_METHOD_BOSSAC))
		return KF_METHOD_BOSSAC;
	if (!no_picoboot(with))
		return KF_METHOD_PICOBOOT;
	return no_dfu(with) ? KF_METHOD_MAKE_FLASH : KF_METHOD_DFU;
}

/* Why not Katapult? NULL: it may be. insist: a fork may have one where Katapult's own has none. */
static const char *no_katapult(const struct kf_methods_for *with, bool insist)
{
	const struct kf_loader *loader = kf_loader_find(with->mcu, with->start);

	if (in_mode(with, KF_MODE_KATAPULT))
		return NULL;
	if (in_rom(with) && (!insist || method_of_chip(with) != KF_METHOD_MAKE_FLASH))
		return "it waits in a bootloader other than Katapult";
	if (!kf_loader_beside_katapult(loader) || (!insist && !kf_chip_katapult(with->mcu)))
		return "there is no Katapult for it";
	if (is_bare(with->mcu, with->start))
		return "its firmware leaves no room for Katapult";
	if (with->by_uart && !insist)
		return "on a UART nothing tells whether it has Katapult";
	return NULL;
}

/* Why not make flash? NULL: it may be. */
static const char *no_make_flash(const struct kf_methods_for *with)
{
	const struct kf_loader *loader = kf_loader_find(with->mcu, with->start);

	if (with->file)
		return "make flash can flash only a build of a registered board, not a file";
	if ((in_mode(with, KF_MODE_KATAPULT) && !with->by_can) || !loader)
		return NULL;
	if (with->by_can)
		return "make flash reaches no node on CAN";
	if (loader->program == KF_PROGRAM_NONE)
		return "make flash does not know this chip";
	if (with->by_uart && !kf_loader_by_uart(loader))
		return "make flash cannot flash it through a USB-to-serial chip";
	if (is_usb_avr(with))
		return "its Klipper cannot start its bootloader";
	if (!loader->entered && !in_rom(with))
		return "its Klipper cannot start a bootloader for make flash";
	return NULL;
}

const char *kf_methods_no_katapult(const struct kf_methods_for *with)
{
	return no_katapult(with, with->own && strcmp(with->own, "katapult") == 0);
}

/* Why not its SD card? NULL: it may be. */
static const char *no_sdcard(const struct kf_methods_for *with)
{
	if (!with->sdcard_board)
		return "nothing says which SD board it is: kf set KEY sdcard_board=BOARD";
	if (with->by_can)
		return "flash-sdcard.sh reaches no node on CAN";
	if (in_rom(with) || in_mode(with, KF_MODE_KATAPULT))
		return "its Klipper writes the card, and it waits in a bootloader";
	return NULL;
}

static const char *why_not(const struct kf_methods_for *with, enum kf_method method, bool insist)
{
	if (method == KF_METHOD_FLASHTOOL && (with->by_can || with->by_uart))
		return "kf-flash uses flashtool.py over USB only: katapult is the method for it";
	if (method == KF_METHOD_SDCARD)
		return no_sdcard(with);
	if (method == KF_METHOD_PICOBOOT)
		return no_picoboot(with);
	if (method == KF_METHOD_DFU)
		return no_dfu(with);
	if (method == KF_METHOD_HOST_MCU)
		return no_host_mcu(with);
	if (kf_programmer_is(method))
		return no_programmer(with, method);
	return method == KF_METHOD_MAKE_FLASH ? no_make_flash(with) : no_katapult(with, insist);
}

static int none_left(const struct kf_methods_for *with, struct kf_error *err)
{
	const char *katapult = no_katapult(with, false), *make = no_make_flash(with);

	return kf_fail(err, KF_NO_KATAPULT, "nothing here can flash this %s: %s%s%s", with->mcu,
		       katapult ? katapult : "", katapult && make ? "; " : "", make ? make : "");
}

int kf_methods_choose(const struct kf_methods_for *with, struct kf_methods *ret,
		      struct kf_error *err)
{
	const char *own = with->named	       ? with->named
			  : with->own	       ? with->own
			  : with->sdcard_board ? kf_method_name(KF_METHOD_SDCARD)
					       : NULL;
	const char *name = own ? own : with->usual, *why;
	struct kf_methods methods = { .count = 0 };
	enum kf_method method, of_chip = method_of_chip(with);

	if (!kf_method_find(name, &method)) {
		kf_fail(err, KF_CONFIG, "no such flash method: %s", name);
		kf_error_hint(err, "choose " KF_METHODS);
		return kf_code_errno(KF_CONFIG);
	}
	why = why_not(with, method, own || with->file);
	if (!why)
		methods.list[methods.count++] = method;
	else if (with->named)
		return kf_fail(err, KF_NO_KATAPULT, "--method=%s is not for this %s: %s", name,
			       with->mcu, why);
	/* A board that can have no Katapult goes to its chip's own, also with --no-fallback. */
	if (method != of_chip &&
	    (why ||
	     (with->fallback && method != KF_METHOD_MAKE_FLASH && method != KF_METHOD_SDCARD)) &&
	    !why_not(with, of_chip, false))
		methods.list[methods.count++] = of_chip;
	if (methods.count == 0)
		return none_left(with, err);
	*ret = methods;
	return 0;
}

static int missing(const char *what, const char *package, struct kf_error *err)
{
	kf_fail(err, KF_NO_TOOLCHAIN, "%s is missing; it is needed to flash this board", what);
	kf_error_hint(err, "sudo apt-get install %s", package);
	return kf_code_errno(KF_NO_TOOLCHAIN);
}

static int check_runs(const char *const *argv, const char *what, const char *package,
		      struct kf_error *err)
{
	const struct kf_process p = { .argv = argv, .in = -1, .out = -1, .err = -1 };
	int status, r;

	r = kf_process_run(&p, kf_now_ms() + CHECK_MS, &status, err);
	return r < 0 || status == 0 ? r : missing(what, package, err);
}

int kf_flashtool_find(const char *klipper_dir, const char *katapult_dir, char ret[PATH_MAX],
		      struct kf_error *err)
{
	const struct {
		const char *dir, *file;
	} places[] = {
		{ katapult_dir, "scripts/flashtool.py" },
		{ klipper_dir, "lib/katapult/flashtool.py" },
		{ klipper_dir, "lib/canboot/flash_can.py" },
	};

	for (size_t i = 0; i < KF_ARRAY_SIZE(places); i++)
		if (kf_text_format(ret, PATH_MAX, "%s/%s", places[i].dir, places[i].file) &&
		    access(ret, R_OK) == 0)
			return 0;
	kf_fail(err, KF_CONFIG, "no flashtool.py in %s or %s", katapult_dir, klipper_dir);
	kf_error_hint(err, "name Katapult's folder with kf set --global katapult_dir=DIR");
	return kf_code_errno(KF_CONFIG);
}

/* flashtool.py imports serial first of all. */
static int check_flashtool(const struct kf_methods_for *with, struct kf_error *err)
{
	static const char *const argv[] = { "python3", "-c", "import serial", NULL };
	char script[PATH_MAX];
	int r = kf_flashtool_find(with->klipper_dir, with->katapult_dir, script, err);

	return r < 0 ? r : check_runs(argv, "Python's module serial", "python3-serial", err);
}

const struct kf_flash_tool *kf_methods_tool(const char *mcu, uint32_t start)
{
	const struct kf_loader *loader = kf_loader_find(mcu, start);

	if (loader && tools[loader->program].folder)
		return &tools[loader->program];
	return loader && fnmatch("stm32*", mcu, FNM_CASEFOLD) == 0 ? &hid_flash : NULL;
}

static bool is_built(const char *dir, const struct kf_flash_tool *tool)
{
	char path[PATH_MAX];

	return kf_text_format(path, sizeof(path), "%s/%s/%s", dir, tool->folder, tool->file) &&
	       access(path, X_OK) == 0;
}

/* Is it built already, by make flash in the tree or by us beside it, or can make flash build it? */
static int check_built(const struct kf_flash_tool *tool, const char *tree_dir, struct kf_error *err)
{
	static const char *const libusb[] = { "pkg-config", "--exists", "libusb-1.0", NULL };
	char folder[PATH_MAX], linked[PATH_MAX];
	struct kf_tree tree;

	if (!kf_text_format(folder, sizeof(folder), "%s/%s", tree_dir, tool->folder) ||
	    access(folder, F_OK) < 0 || is_built(tree_dir, tool) ||
	    (kf_tree_open(tree_dir, &tree, NULL) == 0 &&
	     kf_linked_path(tree.dir, linked, NULL) == 0 && is_built(linked, tool)))
		return 0;
	if (!kf_process_exists(tool->compiler))
		return missing(tool->compiler, tool->compiler, err);
	return tool->libusb ? check_runs(libusb, "libusb-1.0", "pkg-config libusb-1.0-0-dev", err)
			    : 0;
}

/* Does it end in the bootloader of the chip, if the board has no Katapult? */
static bool is_of_chip(enum kf_method method)
{
	return method == KF_METHOD_MAKE_FLASH || method == KF_METHOD_PICOBOOT ||
	       method == KF_METHOD_DFU || kf_programmer_is(method);
}

/* The program that make flash runs. */
static int check_program(const struct kf_methods_for *with, const struct kf_loader *loader,
			 struct kf_error *err)
{
	const struct kf_flash_tool *tool = &tools[loader->program];
	const struct kf_flash_tool *built = kf_methods_tool(with->mcu, with->start);

	if (tool->run && !kf_process_exists(tool->run))
		return missing(tool->run, tool->package, err);
	return built ? check_built(built, with->klipper_dir, err) : 0;
}

/* Its port was found without opening it, which would reset many boards. */
static int check_programmer(const struct kf_methods_for *with, enum kf_method method,
			    struct kf_error *err)
{
	const char *program = kf_method_name(method);

	if (!kf_process_exists(program))
		return missing(program, method == KF_METHOD_BOSSAC ? "bossa-cli" : program, err);
	return with->board && with->board->tty[0] ? kf_serial_check_right(with->board->tty, err)
						  : 0;
}

/* It may have no Katapult: then its chip's own bootloader waits, and nothing could talk to it. */
static void explain_katapult(const char *key, struct kf_error *err)
{
	char hint[sizeof(err->hint)];

	if (!err || err->code == KF_INTERRUPTED)
		return;
	kf_error_prefix(err, "if it has no Katapult");
	kf_text_format(hint, sizeof(hint), "%s", err->hint);
	kf_error_hint(err, "%s; or, if the board has Katapult: %s%s%s--no-fallback", hint,
		      key ? "kf flash " : "", key ? key : "", key ? " " : "");
}

int kf_methods_check(const struct kf_methods_for *with, const struct kf_methods *methods,
		     struct kf_error *err)
{
	const struct kf_loader *loader = kf_loader_find(with->mcu, with->start);
	enum kf_method first = methods->list[0], last = methods->list[methods->count - 1];
	int r = 0;

	if (last == KF_METHOD_HOST_MCU)
		return kf_host_mcu_check(with->board ? with->board->link.path : NULL, err);
	if (first == KF_METHOD_SDCARD)
		return kf_sd_board_check(with->klipper_dir, with->sdcard_board, with->mcu, err);
	if (first == KF_METHOD_FLASHTOOL)
		r = check_flashtool(with, err);
	if (r < 0 || !is_of_chip(last) || !loader || in_mode(with, KF_MODE_KATAPULT))
		return r;
	if (kf_programmer_is(last))
		r = check_programmer(with, last, err);
	if (last == KF_METHOD_MAKE_FLASH)
		r = check_program(with, loader, err);
	if (r == 0 && loader->vendor)
		r = kf_usb_check_rule(with->board, loader->vendor, loader->product, err);
	if (r < 0 && first != last)
		explain_katapult(with->key, err);
	return r;
}
