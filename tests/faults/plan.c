/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The list of trials: the same seed makes the same ones on every machine. */
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/text.h"
#include "faults/campaign.h"

#define VERSION "v9.9-1-gfedcba98"

/* Small pages, so that first and last blocks of them are met; and each kind of flash. */
const struct setup campaign_setups[CAMPAIGN_SETUPS] = {
	{ CAMPAIGN_USB, "stm32f103, pages of 1 KiB, double-buffered USB", "mcu=stm32f103xe", 2200,
	  false },
	{ CAMPAIGN_USB, "rp2040, pages of 256 bytes, sectors of 4 KiB", "mcu=rp2040,block=256",
	  4700, false },
	{ CAMPAIGN_USB, "stm32f446, found in Katapult, blocks of 128",
	  "mcu=stm32f446xx,block=128,mode=katapult", 2100, false },
	{ CAMPAIGN_USB, "stm32h723, blocks of 512", "mcu=stm32h723xx,block=512", 5000, false },
	{ CAMPAIGN_USB, "stm32f072, a bootloader that tells no version",
	  "mcu=stm32f072xb,katapult=old", 1100, false },
	{ CAMPAIGN_USB, "stm32g0b1, has the image already", "mcu=stm32g0b1xx", 1500, true },
	{ CAMPAIGN_UART, "stm32f405, Klipper at 115200 baud, Katapult at 250000",
	  "mcu=stm32f405xx,uart,baud=115200", 900, false },
	{ CAMPAIGN_CAN, "stm32g0b1", "mcu=stm32g0b1xx,can=can0,uuid=44db3d634885,late_us=1000000",
	  900, false },
	{ CAMPAIGN_CAN, "stm32f103, found in Katapult",
	  "mcu=stm32f103xe,can=can0,uuid=40f84a5af36e,mode=katapult,late_us=1000000", 1100, false },
	{ CAMPAIGN_DFU, "stm32f446, transfers of 2048 bytes",
	  "mcu=stm32f446xx,katapult=none,late_us=1000000", 20000, false },
	{ CAMPAIGN_DFU, "stm32f072, found in DFU, transfers of 256 bytes",
	  "mcu=stm32f072xb,katapult=none,mode=dfu,transfer=256,late_us=1000000", 3000, false },
	{ CAMPAIGN_BOOTSEL, "rp2040", "mcu=rp2040,katapult=none,late_us=1000000", 9000, false },
	{ CAMPAIGN_BOOTSEL, "rp2350, found in BOOTSEL",
	  "mcu=rp2350,katapult=none,mode=rp2boot,late_us=1000000", 5000, false },
};

enum {
	SERIAL = 1 << CAMPAIGN_USB | 1 << CAMPAIGN_UART,
	CAN = 1 << CAMPAIGN_CAN,
	ROM = 1 << CAMPAIGN_DFU | 1 << CAMPAIGN_BOOTSEL,
	ANY = SERIAL | CAN | ROM,
};

const struct fault campaign_faults[CAMPAIGN_FAULTS] = {
	{ "drop", 0, true, ANY },	    { "corrupt", 0, true, ANY },
	{ "nack", 0, true, SERIAL | ROM },  { "f2", 0, true, SERIAL | ROM },
	{ "f3", 0, true, SERIAL },	    { "stall", 0, true, ANY },
	{ "unplug", 0, true, ANY },	    { "dup", 0, true, CAN },
	{ "late", 0, true, CAN | ROM },	    { "down", 0, true, CAN },
	{ "SIGKILL", SIGKILL, true, ANY },  { "SIGTERM", SIGTERM, true, ANY },
	{ "SIGINT", SIGINT, true, ANY },    { "drop", 0, false, ANY },
	{ "corrupt", 0, false, ANY },	    { "stall", 0, false, ANY },
	{ "unplug", 0, false, ANY },	    { "dup", 0, false, SERIAL | CAN },
	{ "foreign", 0, false, SERIAL },    { "late", 0, false, CAN },
	{ "down", 0, false, CAN },	    { "SIGKILL", SIGKILL, false, ANY },
	{ "SIGTERM", SIGTERM, false, ANY }, { "SIGINT", SIGINT, false, ANY },
};

const char *campaign_wire_name(size_t wire)
{
	static const char *const names[CAMPAIGN_WIRES] = { "usb", "uart", "can", "dfu", "bootsel" };

	return wire < CAMPAIGN_WIRES ? names[wire] : NULL;
}

static bool is_chosen(const struct campaign *c, size_t setup)
{
	return c->wires & 1u << campaign_setups[setup].wire;
}

static uint64_t draw(uint64_t *random)
{
	*random ^= *random >> 12;
	*random ^= *random << 25;
	*random ^= *random >> 27;
	return *random * 0x2545f4914f6cdd1dULL;
}

/* A firmware image of so many bytes for the board that spec describes: noise behind a real head. */
static void make_image(struct campaign *c, size_t n)
{
	struct sim_spec *spec = &c->specs[n];
	struct lab *lab = &c->labs[n];
	struct sim_flash flash;
	struct kf_error why;
	size_t head;

	campaign_check(sim_spec_parse(campaign_setups[n].spec, spec, &why), &why,
		       campaign_setups[n].name);
	lab->method = campaign_setups[n].wire == CAMPAIGN_DFU	    ? KF_METHOD_DFU
		      : campaign_setups[n].wire == CAMPAIGN_BOOTSEL ? KF_METHOD_PICOBOOT
								    : KF_METHOD_KATAPULT;
	campaign_check(sim_flash_init(&flash, spec->mcu, 0, &why), &why, campaign_setups[n].name);
	lab->offset = spec->start ? spec->start - flash.base : 0;
	if (spec->start == 0)
		spec->start = flash.base + flash.boot_bytes;
	campaign_check(sim_firmware_make(&flash, spec->start, "Klipper", spec->mcu, VERSION, &why),
		       &why, campaign_setups[n].name);
	if (lab->offset == 0)
		sim_firmware_make_bootable(&flash);
	uint8_t *image = flash.data + lab->offset;
	for (head = campaign_setups[n].bytes; image[head - 1] == 0xff; head--)
		;
	while (head < campaign_setups[n].bytes)
		image[head++] = (uint8_t)draw(&c->random);
	kf_text_format(lab->path, sizeof(lab->path), "%s/%zu/klipper.bin", c->dir, n);
	campaign_check(kf_dir_make_parent(lab->path, &why), &why, lab->path);
	campaign_check(kf_file_write(lab->path, (char *)image, head, &why), &why, lab->path);
	campaign_check(kf_image_load(lab->path, &lab->image, &why), &why, lab->path);
	sim_flash_free(&flash);
	if (campaign_setups[n].has)
		kf_text_format(spec->app, sizeof(spec->app), "%s", lab->path);
}

/*
 * A machine that is slow for a moment asks to connect once more. So the frames are counted in this
 * many runs, and the fewest are taken: a fault at a frame beyond them would never come.
 */
enum { COUNTS = 10 };

/* Without any fault: it has to succeed, and tells how many frames there are. */
static void count_frames(struct campaign *c, size_t n)
{
	struct lab lab = c->labs[n];
	struct lab_end end;

	campaign_open(&lab, &c->specs[n]);
	lab_flash(&lab, PATIENT_MS, PATIENT_MS, NULL, &end);
	if (!campaign_succeeded(&end) || !lab_runs(&lab) ||
	    strcmp(end.word, campaign_setups[n].has ? "current" : "flashed") != 0)
		errx(1, "%s: without a fault it ends %s: %s", campaign_setups[n].name, end.word,
		     end.message);
	if (campaign_setups[n].has && lab.port->board.flash.erases > 0)
		errx(1, "%s: current, but erased", campaign_setups[n].name);
	for (size_t i = 0; i < 2; i++)
		if (!c->frames[n][i] || lab.port->board.spec.faults.frames[i] < c->frames[n][i])
			c->frames[n][i] = lab.port->board.spec.faults.frames[i];
	lab_close(&lab);
}

/* At how many frames the fault can come. */
static unsigned frames_of(const struct campaign *c, size_t setup, size_t fault)
{
	if (!is_chosen(c, setup) ||
	    !(campaign_faults[fault].wires & 1u << campaign_setups[setup].wire))
		return 0;
	return c->frames[setup][campaign_faults[fault].to_board ? SIM_TO_BOARD : SIM_FROM_BOARD];
}

/* Each fault at each frame once, in an order of the seed's; what is left over by chance. */
static void choose_trials(struct campaign *c)
{
	size_t n = 0, room;
	struct trial swap;

	for (size_t s = 0; s < CAMPAIGN_SETUPS; s++)
		for (size_t f = 0; f < CAMPAIGN_FAULTS; f++)
			c->all += frames_of(c, s, f);
	room = c->all > c->runs ? c->all : c->runs;
	c->trials = calloc(room, sizeof(*c->trials));
	if (!c->trials)
		err(1, "trials");
	for (unsigned s = 0; s < CAMPAIGN_SETUPS; s++)
		for (unsigned f = 0; f < CAMPAIGN_FAULTS; f++)
			for (unsigned at = 1; at <= frames_of(c, s, f); at++)
				c->trials[n++] = (struct trial){ (uint8_t)s, (uint8_t)f, at };
	for (; n < room; n++)
		c->trials[n] = c->trials[draw(&c->random) % c->all];
	for (size_t i = c->all; i-- > 1;) {
		size_t j = draw(&c->random) % (i + 1);

		swap = c->trials[i];
		c->trials[i] = c->trials[j];
		c->trials[j] = swap;
	}
}

void campaign_plan(struct campaign *c)
{
	c->random = c->seed;
	for (size_t n = 0; n < CAMPAIGN_SETUPS; n++) {
		make_image(c, n);
		for (int i = 0; i < COUNTS && is_chosen(c, n); i++)
			count_frames(c, n);
	}
	choose_trials(c);
}
