/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "board/identity.h"
#include "core/text.h"
#include "flash/methods.h"
#include "link/serial.h"
#include "usb/rules.h"

/*
 * A new method is its name (registry/method.c), its row here, and a file method-NAME.c. For a chip
 * the first of_chip row that fits is used: make_flash is the last of them.
 */
static const struct kf_method_row *const rows[] = {
	[KF_METHOD_KATAPULT] = &kf_method_katapult,
	[KF_METHOD_PICOBOOT] = &kf_method_picoboot,
	[KF_METHOD_DFU] = &kf_method_dfu,
	[KF_METHOD_AVRDUDE] = &kf_method_avrdude,
	[KF_METHOD_BOSSAC] = &kf_method_bossac,
	[KF_METHOD_HOST_MCU] = &kf_method_host_mcu,
	[KF_METHOD_MAKE_FLASH] = &kf_method_make_flash,
	[KF_METHOD_FLASHTOOL] = &kf_method_flashtool,
	[KF_METHOD_DFU_UTIL] = &kf_method_dfu_util,
	[KF_METHOD_SDCARD] = &kf_method_sdcard,
};

const struct kf_method_row *kf_method_row(enum kf_method method)
{
	return rows[method];
}

bool kf_methods_in_mode(const struct kf_methods_for *with, enum kf_mode mode)
{
	return with->board && with->board->mode == mode;
}

bool kf_methods_in_rom(const struct kf_methods_for *with)
{
	return with->board && kf_board_in_rom(with->board);
}

bool kf_methods_usb_avr(const struct kf_methods_for *with)
{
	const struct kf_loader *loader = kf_loader_find(with->mcu, with->start);

	return loader && loader->program == KF_PROGRAM_AVRDUDE &&
	       kf_methods_in_mode(with, KF_MODE_KLIPPER);
}

/* The method for a board without Katapult: the first of its chip that is for it, else the last
 * resort, which may be not for it either. */
static enum kf_method find_of_chip(const struct kf_methods_for *with)
{
	enum kf_method method = KF_METHOD_COUNT;

	for (size_t i = 0; i < KF_METHOD_COUNT; i++) {
		if (!rows[i]->of_chip)
			continue;
		method = (enum kf_method)i;
		if (!rows[i]->why_not(with))
			break;
	}
	return method;
}

/* why: the method that was wanted cannot be used; of_chip: nor can that of the chip. */
static int none_left(const char *mcu, const char *why, const char *of_chip, struct kf_error *err)
{
	bool both = of_chip && strcmp(why, of_chip) != 0;

	return kf_fail(err, KF_NO_KATAPULT, "nothing here can flash this %s: %s%s%s", mcu, why,
		       both ? "; " : "", both ? of_chip : "");
}

static int not_named(const char *name, const char *mcu, const char *why, struct kf_error *err)
{
	kf_fail(err, KF_NO_KATAPULT, "--method=%s is not for this %s: %s", name, mcu, why);
	kf_error_hint(err, "leave out --method, and a method that is for it is chosen");
	return kf_code_errno(KF_NO_KATAPULT);
}

/* The method that is named for this board alone, or NULL. */
static const char *own_method(const struct kf_methods_for *with)
{
	return with->named	    ? with->named
	       : with->own	    ? with->own
	       : with->sdcard_board ? kf_method_name(KF_METHOD_SDCARD)
				    : NULL;
}

const char *kf_methods_wanted(const struct kf_methods_for *with)
{
	const char *own = own_method(with);

	return own ? own : with->usual;
}

int kf_methods_choose(const struct kf_methods_for *with, struct kf_methods *ret,
		      struct kf_error *err)
{
	const char *name = kf_methods_wanted(with), *why;
	struct kf_methods_for insisting = *with;
	struct kf_methods methods = { .count = 0 };
	enum kf_method method, of_chip = find_of_chip(with);

	if (!kf_method_find(name, &method)) {
		kf_fail(err, KF_CONFIG, "no such flash method: %s", name);
		return kf_error_hint(err, "choose " KF_METHODS);
	}
	insisting.insist = own_method(with) || with->file;
	why = rows[method]->why_not(&insisting);
	if (!why)
		methods.list[methods.count++] = method;
	else if (with->named)
		return not_named(name, with->mcu, why, err);
	/* If the wanted method is not for this board, its chip's own is used, also with
	 * --no-fallback. */
	if (method != of_chip && (why || (with->fallback && !rows[method]->alone)) &&
	    !rows[of_chip]->why_not(with))
		methods.list[methods.count++] = of_chip;
	if (methods.count == 0)
		return none_left(with->mcu, why, rows[of_chip]->why_not(with), err);
	*ret = methods;
	return 0;
}

int kf_methods_check_rule(const struct kf_methods_for *with, struct kf_error *err)
{
	const struct kf_loader *loader = kf_loader_find(with->mcu, with->start);

	if (!loader || !loader->vendor || kf_methods_in_mode(with, KF_MODE_KATAPULT))
		return 0;
	return kf_usb_check_rule(with->board, loader->vendor, loader->product, err);
}

/* The check of the second method failed. It matters only if the board has no Katapult and so comes
 * up in its chip's own bootloader. */
static void explain_katapult(const char *key, struct kf_error *err)
{
	if (!err || err->code == KF_INTERRUPTED)
		return;
	kf_error_prefix(err, "if it has no Katapult");
	kf_error_hint(err, "%s; or, if the board has Katapult: %s%s%s--no-fallback", err->hint,
		      key ? "kf flash " : "", key ? key : "", key ? " " : "");
}

int kf_methods_check(const struct kf_methods_for *with, const struct kf_methods *methods,
		     struct kf_error *err)
{
	for (size_t i = 0; i < methods->count; i++) {
		const struct kf_method_row *row = rows[methods->list[i]];
		int r = row->check ? row->check(with, err) : 0;

		if (r < 0 && i > 0)
			explain_katapult(with->key, err);
		if (r < 0)
			return r;
	}
	/* All methods open the port sooner or later. We do not open it here, for that resets many
	 * boards. */
	return with->board ? kf_serial_check_right(with->board->tty, err) : 0;
}
