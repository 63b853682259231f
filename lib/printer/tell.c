/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "klippy/printer-config.h"
#include "printer/boards.h"
#include "printer/described.h"
#include "printer/tell.h"

/* A pin stands on the line of its option: further lines are those of a macro. */
static void write_setting(const struct kf_setting *setting, void *arg)
{
	fprintf(arg, "[%s]\n%s: %.*s\n", setting->section, setting->option,
		(int)strcspn(setting->value, "\n"), setting->value);
}

static void read_pins(const struct kf_printer *printer, const struct kf_mcu *mcu,
		      struct kf_board_told *ret)
{
	_cleanup_(kf_freep) char *text = NULL;
	size_t size = 0;
	FILE *f;

	if (!printer->config[0])
		return;
	f = open_memstream(&text, &size);
	if (!f)
		return;
	ret->has_pins = kf_printer_config_read(printer->config, write_setting, f, NULL) == 0;
	fclose(f);
	if (ret->has_pins && text)
		kf_pins_read(text, size, mcu->name, &ret->pins);
}

int kf_printers_tell(const struct kf_printers *printers, const struct kf_board *board,
		     struct kf_board_told *ret, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *kconfig = NULL;
	const struct kf_printer *printer;
	struct kf_board now = *board;
	const struct kf_mcu *mcu;
	int r;

	/* A record may name a wrong printer: look for it by the port and the serial number. */
	memset(&now.printer, 0, sizeof(now.printer));
	kf_printers_name(printers, &now);
	if (!kf_printers_mcu(printers, &now, &printer, &mcu))
		return 0;
	if (mcu->version[0] && mcu->constants && board->mode != KF_MODE_KATAPULT) {
		kconfig = mcu->kconfig ? json_string(mcu->kconfig) : NULL;
		r = kf_facts_from(mcu->constants, kconfig, NULL, &ret->facts, err);
		if (r < 0)
			return r;
		KF_COPY(ret->version, mcu->version);
	}
	read_pins(printer, mcu, ret);
	return ret->facts.constants ? 1 : 0;
}
