/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/text.h"
#include "katapult/frame.h"
#include "sim/board.h"
#include "sim/state.h"

#define US_PER_MS 1000

static void tell(struct sim_board *b, const char *fmt, ...) _printf_(2, 3);

static void tell(struct sim_board *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(b->news, sizeof(b->news), fmt, ap);
	va_end(ap);
}

static bool has_katapult(const struct sim_board *b)
{
	return b->flash.family != SIM_FAMILY_OTHER && sim_firmware_has_katapult(&b->flash);
}

static uint32_t start_of_flash(const struct sim_board *b)
{
	return b->flash.base + b->flash.boot_bytes;
}

/* The application's address: behind Katapult, or the start of the flash. */
static uint32_t application_start(const struct sim_board *b)
{
	if (has_katapult(b))
		return strcmp(b->spec.katapult, "none") == 0 ? sim_spec_default_start(b->spec.mcu)
							     : b->spec.start;
	return sim_firmware_present(&b->flash, start_of_flash(b)) ? start_of_flash(b)
								  : b->spec.start;
}

/* STM32's USB peripheral with double buffering: all but F2, F4 and H7. */
static bool has_double_buffer(const char *mcu)
{
	return strncmp(mcu, "stm32", 5) == 0 && strncmp(mcu, "stm32f2", 7) != 0 &&
	       strncmp(mcu, "stm32f4", 7) != 0 && strncmp(mcu, "stm32h7", 7) != 0;
}

/* The chip's own, or, if spec.rom names it, one that somebody has put there. */
static enum kf_mode rom_mode(const struct sim_board *b)
{
	const char *mcu = b->spec.mcu;

	if (b->spec.loader[0])
		return KF_MODE_OTHER;
	if (b->spec.rom.vendor[0])
		return KF_MODE_DFU;
	if (strncmp(mcu, "stm32f103", 9) == 0)
		return KF_MODE_NONE;
	if (strncmp(mcu, "stm32", 5) == 0)
		return KF_MODE_DFU;
	return strncmp(mcu, "rp2", 3) == 0 ? KF_MODE_RP2BOOT : KF_MODE_NONE;
}

/* Start what is at start, whatever it is. KF_MODE_NONE: it hangs, or has no wire here. */
static enum kf_mode start_application(struct sim_board *b, uint32_t start)
{
	struct kf_error err = { 0 };

	if (sim_firmware_find(&b->flash, start, b->spec.mcu, &b->firmware, &err) == 0) {
		if (!b->firmware.node || b->spec.can[0] || b->spec.uart)
			return KF_MODE_KLIPPER;
		tell(b, "its firmware is for CAN");
		return KF_MODE_NONE;
	}
	tell(b, "%s", err.message);
	return has_katapult(b) && b->spec.rescue ? KF_MODE_KATAPULT : KF_MODE_NONE;
}

/* A reset. Katapult starts what has a first word (its src/generic/armcm_canboot.c). */
static enum kf_mode power_up(struct sim_board *b)
{
	uint32_t start = application_start(b);

	if (!sim_firmware_is_bootable(&b->flash)) {
		tell(b, "nothing to boot");
		return KF_MODE_RP2BOOT;
	}
	if (!has_katapult(b) || sim_firmware_present(&b->flash, start))
		return start_application(b, start);
	tell(b, "no application");
	return KF_MODE_KATAPULT;
}

bool sim_board_has_usb(const struct sim_board *b)
{
	return !b->spec.can[0] || b->spec.bridge;
}

bool sim_board_in_loader(const struct sim_board *b)
{
	return b->spec.loader[0] && b->mode == KF_MODE_OTHER && !b->plain;
}

bool sim_board_bridges(const struct sim_board *b)
{
	bool flashed = strcmp(b->firmware.version, b->spec.version) != 0;

	return b->mode == KF_MODE_KLIPPER && !b->spec.uart && !b->no_bridge &&
	       (flashed ? b->firmware.bridge : b->spec.bridge);
}

static enum sim_wire wire_of(const struct sim_board *b)
{
	if (b->spec.can[0] && (!b->spec.bridge || sim_board_bridges(b)))
		return SIM_WIRE_CAN;
	return b->spec.uart ? SIM_WIRE_UART : SIM_WIRE_USB;
}

static enum sim_rom_leave rom_leave(const struct sim_spec *spec)
{
	static const char *const names[] = {
		[SIM_ROM_LEAVE_ANSWERS] = "",
		[SIM_ROM_LEAVE_STALLS] = "stall",
		[SIM_ROM_LEAVE_SILENT] = "silent",
		[SIM_ROM_LEAVE_STAYS] = "stay",
	};
	size_t i = 0;

	while (strcmp(names[i], spec->rom_leave) != 0)
		i++;
	return (enum sim_rom_leave)i;
}

/* The chip's own; another one that spec.rom names has no protocol here. */
static struct sim_usb_device *start_rom(struct sim_board *b)
{
	static const struct sim_ids st = { "0483", "df11" };
	const struct sim_ids *ids = &b->spec.rom;
	bool is_st = strcmp(ids->vendor, st.vendor) == 0 && strcmp(ids->product, st.product) == 0;

	if (b->mode == KF_MODE_DFU && (is_st || !ids->vendor[0])) {
		sim_dfu_init(&b->dfu, b->spec.mcu, &st, &b->flash, b->spec.transfer_bytes,
			     b->spec.poll_ms, rom_leave(&b->spec), &b->protected);
		return &b->dfu.usb;
	}
	if (b->mode == KF_MODE_RP2BOOT && !ids->vendor[0]) {
		sim_picoboot_init(&b->picoboot, b->spec.mcu, &b->flash, b->spec.no_drive,
				  rom_leave(&b->spec));
		return &b->picoboot.usb;
	}
	return NULL;
}

/* The program of this mode; NULL: none that we know. */
static struct sim_mcu *start_program(struct sim_board *b, enum sim_wire wire, int64_t now_us)
{
	if (sim_board_in_loader(b) && strcmp(b->spec.loader, "samba") == 0)
		return sim_samba_init(&b->samba, b->spec.mcu) ? &b->samba.mcu : NULL;
	if (sim_board_in_loader(b))
		return sim_avr_init(&b->avr, b->spec.loader, b->spec.mcu, wire, now_us)
			       ? &b->avr.mcu
			       : NULL;
	if (b->mode == KF_MODE_KATAPULT) {
		b->katapult.start = application_start(b);
		if (strcmp(b->spec.katapult, "none") == 0)
			sim_firmware_katapult_version(&b->flash, b->spec.mcu, b->katapult.version);
		sim_katapult_init(&b->katapult, wire);
		/* On a CAN bus, faults are the frames' (can-bus.h). */
		b->katapult.mcu.faults = wire == SIM_WIRE_CAN ? NULL : &b->spec.faults;
		return &b->katapult.mcu;
	}
	if (b->mode != KF_MODE_KLIPPER)
		return NULL;
	b->klipper.identify = b->firmware.dictionary;
	b->klipper.identify_len = b->firmware.dictionary_len;
	sim_klipper_init(&b->klipper, wire);
	return &b->klipper.mcu;
}

/* A UART's adapter takes all bytes at once. */
static void reset_link(struct sim_board *b, struct sim_mcu *mcu, bool prime)
{
	size_t received = b->spec.uart ? b->link.in_len : 0;

	sim_link_reset(&b->link, mcu, prime);
	b->link.in_len = received;
}

/* The program starts that mode says; it shows on USB. */
static void appear(struct sim_board *b, enum kf_mode mode, int64_t now_us)
{
	bool prime = b->spec.prime < 0 ? has_double_buffer(b->spec.mcu) : b->spec.prime;
	bool shows = !b->spec.uart || b->mode == KF_MODE_NONE, katapult = mode == KF_MODE_KATAPULT;
	struct sim_mcu *mcu;
	enum sim_wire wire;

	b->mode = mode;
	sim_flash_reset(&b->flash);
	wire = wire_of(b);
	mcu = start_program(b, wire, now_us);
	b->rom = start_rom(b);
	b->transfer_us = SIM_NEVER;
	sim_can_node_reset(&b->can, wire == SIM_WIRE_CAN ? mcu : NULL, !katapult);
	reset_link(b, wire == SIM_WIRE_CAN ? NULL : mcu, prime && katapult && wire == SIM_WIRE_USB);
	b->link.baud = katapult || sim_board_in_loader(b) ? b->spec.boot_baud : b->spec.baud;
	if (shows) {
		b->generation++;
		b->link.open = false;
	}
	b->appear_us = SIM_NEVER;
}

static void vanish(struct sim_board *b)
{
	sim_can_node_reset(&b->can, NULL, false);
	sim_link_reset(&b->link, NULL, false);
	b->link.open = false;
	b->rom = NULL;
	b->mode = b->next = KF_MODE_NONE;
	b->appear_us = SIM_NEVER;
	b->generation++;
}

/* Off the bus now, back as next after reenum_ms. Behind an adapter nobody sees it. */
static void leave(struct sim_board *b, enum kf_mode next, int64_t now_us)
{
	if (b->spec.uart)
		reset_link(b, NULL, false);
	else
		vanish(b);
	b->next = next;
	b->appear_us = now_us + (int64_t)b->spec.reenum_ms * US_PER_MS;
}

/*
 * "dfu", "device", "never" ...: a mode; "no_bridge": none of its firmware's; any other word: the
 * manufacturer that it will have.
 */
static enum kf_mode disguise(struct sim_board *b, const char *as, const char *port,
			     enum kf_mode mode)
{
	b->manufacturer[0] = '\0';
	b->plain = strcmp(as, "device") == 0;
	if (*port)
		kf_text_format(b->port, sizeof(b->port), "%s", port);
	if (strcmp(as, "never") == 0)
		return KF_MODE_NONE;
	if (b->plain)
		return KF_MODE_OTHER;
	b->no_bridge = strcmp(as, "no_bridge") == 0;
	if (b->no_bridge)
		return mode;
	for (enum kf_mode m = KF_MODE_DFU; m <= KF_MODE_OTHER; m++)
		if (strcmp(as, kf_mode_name(m)) == 0)
			return m;
	kf_text_format(b->manufacturer, sizeof(b->manufacturer), "%s", as);
	return mode;
}

static void leave_firmware(struct sim_board *b, int64_t now_us)
{
	enum kf_mode next = has_katapult(b) ? KF_MODE_KATAPULT : rom_mode(b);

	leave(b, disguise(b, b->spec.leave_as, b->spec.leave_port, next), now_us);
}

/* COMPLETE asks nothing of the application (application_jump() there). */
static void leave_katapult(struct sim_board *b, int64_t now_us)
{
	enum kf_mode next = start_application(b, application_start(b));

	b->returned = true;
	leave(b, disguise(b, b->spec.return_as, b->spec.return_port, next), now_us);
}

/* The client has called its image whole, and starts it; of a DFU's, what lies at its pointer. */
static enum kf_mode start_from_rom(struct sim_board *b)
{
	bool dfu = b->rom == &b->dfu.usb;

	if (dfu && b->dfu.restart)
		return KF_MODE_DFU;
	sim_flash_finish_rom(&b->flash);
	b->returned = true;
	return disguise(b, b->spec.return_as, b->spec.return_port,
			dfu && b->dfu.pointer != b->flash.base
				? start_application(b, b->dfu.pointer)
				: power_up(b));
}

static int load_app(struct sim_board *b, struct kf_error *err)
{
	_cleanup_(kf_freep) char *image = NULL;
	uint32_t offset;
	size_t len;
	int r;

	if (b->spec.start == 0)
		b->spec.start = start_of_flash(b);
	offset = b->spec.start - b->flash.base;
	if (strcmp(b->spec.katapult, "none") != 0 && b->flash.family != SIM_FAMILY_OTHER)
		sim_firmware_make_katapult(&b->flash);
	if (b->spec.start < b->flash.base || offset >= b->flash.size)
		return kf_fail(err, KF_CONFIG, "start 0x%08x is not in the flash of %s",
			       b->spec.start, b->spec.mcu);
	if (!b->spec.app[0]) {
		r = sim_firmware_make(&b->flash, b->spec.start, b->spec.app_name, b->spec.mcu,
				      b->spec.version, err);
		sim_firmware_make_bootable(&b->flash);
		return r;
	}
	sim_firmware_make_bootable(&b->flash);
	r = kf_file_read(b->spec.app, b->flash.size - offset, &image, &len, err);
	if (r == 0)
		memcpy(b->flash.data + offset, image, len);
	return r;
}

int sim_board_init(struct sim_board *b, const struct sim_spec *spec, struct kf_error *err)
{
	enum kf_mode mode = spec->mode;
	int r;

	memset(b, 0, sizeof(*b));
	b->spec = *spec;
	kf_text_format(b->port, sizeof(b->port), "%s", spec->port);
	b->link.latency_us = spec->rtt_us;
	memcpy(b->can.uuid, spec->uuid, sizeof(b->can.uuid));
	memcpy(b->katapult.uuid, spec->uuid, sizeof(b->katapult.uuid));
	b->can.local = spec->bridge;
	r = sim_flash_init(&b->flash, spec->mcu, spec->flash_bytes, err);
	if (r == 0)
		r = load_app(b, err);
	if (r == 0 && spec->state[0])
		r = sim_state_load(spec->state, &b->flash, &mode, err);
	if (r < 0)
		return r;
	b->flash.erase_ms = spec->erase_ms;
	b->flash.program_us = spec->program_us;
	if (spec->real_times)
		sim_flash_use_real_times(&b->flash, spec->mcu);
	b->protected = spec->protected;
	b->flash.worn = spec->worn;
	b->avr.flash = b->samba.flash = &b->flash;
	b->katapult.flash = &b->flash;
	b->katapult.block_bytes = spec->block_bytes;
	kf_text_format(b->katapult.name, sizeof(b->katapult.name), "%s", spec->mcu);
	if (strcmp(spec->katapult, "old") != 0)
		kf_text_format(b->katapult.version, sizeof(b->katapult.version), "%s",
			       spec->katapult);
	if (mode == KF_MODE_KATAPULT && !has_katapult(b))
		return kf_fail(err, KF_USAGE, "mode=katapult on a board without it");
	if (mode == KF_MODE_NONE || mode == KF_MODE_KLIPPER)
		mode = power_up(b);
	b->appear_us = SIM_NEVER;
	if (mode != KF_MODE_NONE && !spec->off)
		appear(b, mode, 0);
	b->avr.leave_us = SIM_NEVER; /* it waits until somebody talks to it */
	return 0;
}

void sim_board_free(struct sim_board *b)
{
	sim_flash_free(&b->flash);
}

/* Frames are counted where they go to Katapult. Returns what befalls this one. */
static enum sim_fault_kind fault_of(struct sim_board *b, const uint8_t *data, size_t len)
{
	if (b->mode != KF_MODE_KATAPULT || len < 2 || data[0] != 0x01 || data[1] != 0x88)
		return SIM_FAULT_NONE;
	return sim_faults_next(&b->spec.faults, SIM_TO_BOARD,
			       len > 2 && data[2] == KF_KATAPULT_COMPLETE);
}

static void refuse(struct sim_board *b, uint8_t command)
{
	uint8_t frame[KF_KATAPULT_FRAME_MAX];
	size_t len = kf_katapult_frame_encode(command, NULL, 0, frame);

	sim_mcu_reply(&b->katapult.mcu, frame, len);
}

/* The faults that are the board's own: raised by either direction. */
static void suffer(struct sim_board *b, int64_t now_us)
{
	struct sim_faults *f = &b->spec.faults;

	if (f->unplug) {
		f->unplug = f->stall = false;
		vanish(b);
		leave(b, power_up(b), now_us);
		tell(b, "unplugged");
	} else if (f->stall) {
		f->stall = false;
		b->link.mute_until_us =
			f->stall_ms ? now_us + (int64_t)f->stall_ms * US_PER_MS : SIM_NEVER;
		if (b->can.mcu)
			b->can.mcu->busy_until_us = b->link.mute_until_us;
		tell(b, "stalled");
	}
}

bool sim_board_write(struct sim_board *b, const uint8_t *data, size_t len, int64_t now_us)
{
	uint8_t copy[SIM_TRANSFER_MAX];

	if (len > sizeof(copy) || b->link.out_count == SIM_TRANSFERS)
		return false;
	memcpy(copy, data, len);
	if (b->spec.uart)
		sim_link_run(&b->link, now_us);
	switch (fault_of(b, data, len)) {
	case SIM_FAULT_DROP:
		return true;
	case SIM_FAULT_UNPLUG:
		suffer(b, now_us);
		return true;
	case SIM_FAULT_NACK:
		refuse(b, KF_KATAPULT_NACK);
		return true;
	case SIM_FAULT_F2:
		refuse(b, KF_KATAPULT_COMMAND_ERROR);
		return true;
	case SIM_FAULT_F3:
		refuse(b, KF_KATAPULT_BUSY);
		return true;
	case SIM_FAULT_CORRUPT:
		copy[len / 2] ^= 0x40;
		break;
	case SIM_FAULT_STALL:
		suffer(b, now_us);
		break;
	case SIM_FAULT_LATE:
		b->link.mute_until_us = now_us + b->spec.late_us;
		break;
	case SIM_FAULT_DUP:
	case SIM_FAULT_FOREIGN:
	case SIM_FAULT_DOWN:
	case SIM_FAULT_NONE:
		break;
	}
	return sim_link_write(&b->link, copy, len);
}

static void corrupt(const struct sim_usb_transfer *t, size_t len)
{
	if (len > 0)
		t->data[len / 2] ^= 0x40;
}

/* Once for each transfer. True: it is over, refused. */
static bool suffer_transfer(struct sim_board *b, struct sim_usb_transfer *t, int64_t now_us)
{
	if (t->counted)
		return false;
	t->counted = true;
	switch (sim_faults_next(&b->spec.faults, SIM_TO_BOARD, b->rom->leaves(b->rom, t))) {
	case SIM_FAULT_DROP:
	case SIM_FAULT_UNPLUG:
		t->lost = true;
		break;
	case SIM_FAULT_NACK:
	case SIM_FAULT_F3:
		return true;
	case SIM_FAULT_F2:
		b->rom->failing = true;
		break;
	case SIM_FAULT_CORRUPT:
		corrupt(t, t->endpoint & 0x80 ? 0 : t->len);
		break;
	case SIM_FAULT_LATE:
		t->due_us = now_us + b->spec.late_us;
		break;
	case SIM_FAULT_STALL:
	case SIM_FAULT_DUP:
	case SIM_FAULT_FOREIGN:
	case SIM_FAULT_DOWN:
	case SIM_FAULT_NONE:
		break;
	}
	return false;
}

enum sim_usb_answer sim_board_transfer(struct sim_board *b, struct sim_usb_transfer *t,
				       int64_t now_us)
{
	enum sim_usb_answer answer;
	enum sim_fault_kind fault;

	if (!b->rom || t->lost)
		return SIM_USB_NAK;
	if (sim_usb_is_standard(t))
		return sim_usb_run(b->rom, t, now_us);
	if (suffer_transfer(b, t, now_us))
		return SIM_USB_STALL;
	suffer(b, now_us);
	if (t->due_us < b->link.mute_until_us)
		t->due_us = b->link.mute_until_us;
	if (t->lost || now_us < t->due_us) {
		b->transfer_us = t->due_us;
		return SIM_USB_NAK;
	}
	b->transfer_us = SIM_NEVER;
	answer = sim_usb_run(b->rom, t, now_us);
	if (answer != SIM_USB_DONE || !(t->endpoint & 0x80))
		return answer;
	fault = sim_faults_next(&b->spec.faults, SIM_FROM_BOARD, false);
	t->lost = fault == SIM_FAULT_DROP || fault == SIM_FAULT_STALL || fault == SIM_FAULT_UNPLUG;
	if (fault == SIM_FAULT_CORRUPT)
		corrupt(t, t->actual);
	return t->lost ? SIM_USB_NAK : answer;
}

size_t sim_board_split(const struct sim_board *b, const uint8_t *data, size_t len)
{
	const uint8_t *next;
	size_t frame;

	if (b->spec.merge || b->mode != KF_MODE_KATAPULT)
		return len < SIM_TRANSFER_MAX ? len : SIM_TRANSFER_MAX;
	if (len > 0 && data[0] == 0x01 && (len == 1 || data[1] == 0x88)) {
		frame = len < 4 ? SIZE_MAX : data[3] * 4u + KF_KATAPULT_OVERHEAD;
		return frame <= len ? frame : 0;
	}
	next = len > 1 ? memmem(data + 1, len - 1, "\x01\x88", 2) : NULL;
	if (next)
		len = (size_t)(next - data);
	return len < SIM_TRANSFER_MAX ? len : SIM_TRANSFER_MAX;
}

static bool runs(const struct sim_board *b, const struct sim_mcu *program)
{
	return b->link.mcu == program || b->can.mcu == program;
}

static bool wants_bootloader(const struct sim_board *b)
{
	return runs(b, &b->klipper.mcu) && (b->klipper.wants_bootloader || b->can.wants_bootloader);
}

/* When its bootloader on a serial port starts the firmware. */
static int64_t loader_leave_us(const struct sim_board *b)
{
	return runs(b, &b->avr.mcu)	? b->avr.leave_us
	       : runs(b, &b->samba.mcu) ? b->samba.leave_us
					: SIM_NEVER;
}

/* Without an application an AVR's waits on; a SAM's reset starts what its bit says, where it has a
 * ROM. */
static void leave_loader(struct sim_board *b, int64_t now_us)
{
	bool stays =
		runs(b, &b->samba.mcu) && sim_samba_in_rom(b->spec.mcu) && !b->samba.boots_flash;
	enum kf_mode next = stays ? KF_MODE_OTHER : power_up(b);

	b->returned = true;
	leave(b, next == KF_MODE_NONE ? KF_MODE_OTHER : next, now_us);
}

void sim_board_run(struct sim_board *b, int64_t now_us)
{
	if (now_us >= b->appear_us && b->next != KF_MODE_NONE)
		appear(b, b->next, now_us);
	/* A UART's bytes leave the host whether or not the board hears them. */
	if (b->spec.uart && (!b->link.mcu || now_us < b->link.mute_until_us))
		b->link.out_count = 0;
	sim_link_run(&b->link, now_us);
	suffer(b, now_us);
	if (runs(b, &b->katapult.mcu) && now_us >= b->katapult.leave_us)
		leave_katapult(b, now_us);
	if (wants_bootloader(b))
		leave_firmware(b, now_us);
	if (b->rom && now_us >= b->rom->leave_us)
		leave(b, start_from_rom(b), now_us);
	if (now_us >= loader_leave_us(b))
		leave_loader(b, now_us);
}

int64_t sim_board_wake_us(const struct sim_board *b, int64_t now_us)
{
	int64_t wake_us = sim_link_wake_us(&b->link, now_us);

	if (b->rom && b->transfer_us > now_us && b->transfer_us < wake_us)
		wake_us = b->transfer_us;
	if (b->rom && b->rom->wake_us > now_us && b->rom->wake_us < wake_us)
		wake_us = b->rom->wake_us;
	if (b->rom && b->rom->leave_us < wake_us)
		wake_us = b->rom->leave_us;
	if (loader_leave_us(b) < wake_us)
		wake_us = loader_leave_us(b);
	if (b->next != KF_MODE_NONE && b->appear_us < wake_us)
		wake_us = b->appear_us;
	if (runs(b, &b->katapult.mcu) && b->katapult.leave_us < wake_us)
		wake_us = b->katapult.leave_us;
	/* Asked over CAN, or a fault of a CAN frame, after sim_board_run: the bus has no event for
	 * it. */
	if (wants_bootloader(b) || (b->can.mcu && sim_faults_halt(&b->spec.faults)))
		return now_us < wake_us ? now_us : wake_us;
	return wake_us;
}

/* DTR resets an AVR behind a UART. */
void sim_board_open(struct sim_board *b, int64_t now_us)
{
	if (b->spec.uart && b->spec.loader[0]) {
		b->next = KF_MODE_NONE;
		appear(b, KF_MODE_OTHER, now_us);
	}
	b->link.open = true;
}

void sim_board_close(struct sim_board *b, bool at_1200, int64_t now_us)
{
	sim_link_run(&b->link, now_us);
	sim_link_close(&b->link);
	if (at_1200 && !b->spec.uart && b->link.mcu == &b->klipper.mcu)
		leave_firmware(b, now_us);
}

void sim_board_unplug(struct sim_board *b)
{
	/* A fault that nobody has acted on yet was the board's before this. */
	b->spec.faults.unplug = b->spec.faults.stall = false;
	if (b->mode != KF_MODE_NONE)
		vanish(b);
	b->next = KF_MODE_NONE;
}

void sim_board_plug(struct sim_board *b, enum sim_button button, int64_t now_us)
{
	if (b->mode != KF_MODE_NONE)
		return;
	b->manufacturer[0] = '\0';
	b->plain = false;
	kf_text_format(b->port, sizeof(b->port), "%s", b->spec.port);
	b->next = power_up(b);
	if (button == SIM_BUTTON_RESET && has_katapult(b))
		b->next = KF_MODE_KATAPULT;
	if (button == SIM_BUTTON_RESET && b->spec.loader[0] && !b->spec.uart)
		b->next = KF_MODE_OTHER;
	if (button == SIM_BUTTON_BOOT && rom_mode(b) != KF_MODE_NONE)
		b->next = rom_mode(b);
	b->appear_us = now_us;
}
