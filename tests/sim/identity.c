/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "core/text.h"
#include "sim/identity.h"

static struct sim_ids usb_ids(const struct sim_board *b)
{
	static const struct sim_ids ids[] = {
		[KF_MODE_KLIPPER] = { "1d50", "614e" }, [KF_MODE_KATAPULT] = { "1d50", "6177" },
		[KF_MODE_DFU] = { "0483", "df11" },	[KF_MODE_RP2BOOT] = { "2e8a", "0003" },
		[KF_MODE_OTHER] = { "1a86", "7523" },
	};
	enum kf_mode mode = b->spec.uart ? KF_MODE_OTHER : b->mode;

	if (b->spec.usb.vendor[0] && (mode == KF_MODE_KLIPPER || mode == KF_MODE_OTHER))
		return b->spec.usb;
	if (b->spec.rom.vendor[0] && (mode == KF_MODE_DFU || mode == KF_MODE_RP2BOOT))
		return b->spec.rom;
	if (mode == KF_MODE_RP2BOOT && strncmp(b->spec.mcu, "rp235", 5) == 0)
		return (struct sim_ids){ "2e8a", "000f" };
	return ids[mode];
}

static void usb_strings(struct sim_identity *id, const char *manufacturer, const char *product,
			const char *serial)
{
	kf_text_format(id->manufacturer, sizeof(id->manufacturer), "%s", manufacturer);
	kf_text_format(id->product, sizeof(id->product), "%s", product);
	kf_text_format(id->serial, sizeof(id->serial), "%s", serial);
}

/* The ROM's own word; a bootloader that is only a device has the strings of the chip's. */
static void rom_strings(const struct sim_board *b, struct sim_identity *id)
{
	id->device = b->rom;
	if (b->rom)
		usb_strings(id, b->rom->strings[0], b->rom->strings[1], b->rom->strings[2]);
	else if (b->mode == KF_MODE_DFU)
		usb_strings(id, "STMicroelectronics", "STM32  BOOTLOADER", SIM_DFU_SERIAL);
	else
		usb_strings(id, "Raspberry Pi", "RP2 Boot", SIM_PICOBOOT_SERIAL);
}

/* A board that shows another serial number than the chip's, or no serial port. */
static void change(const struct sim_board *b, struct sim_identity *id)
{
	const struct sim_spec *s = &b->spec;
	bool runs = b->mode == KF_MODE_KLIPPER && !s->uart;
	bool flashed = strcmp(b->firmware.version, s->version) != 0;

	if (b->mode == KF_MODE_KATAPULT && !s->uart && s->boot_serial[0])
		kf_text_format(id->serial, sizeof(id->serial), "%s", s->boot_serial);
	if (runs && s->new_serial[0] && flashed)
		kf_text_format(id->serial, sizeof(id->serial), "%s", s->new_serial);
	if (sim_board_bridges(b)) {
		const char *net = b->returned && s->return_net[0] ? s->return_net : s->can;

		id->usb = (struct sim_ids){ "1d50", "606f" };
		id->tty = false;
		id->net_down = s->net_down;
		if (strcmp(net, "none") != 0)
			kf_text_format(id->net, sizeof(id->net), "%s", net);
	}
	if (b->mode == KF_MODE_OTHER && b->plain) {
		id->usb = (struct sim_ids){ "046d", "c077" };
		usb_strings(id, "Logitech", "USB Optical Mouse", "");
		id->tty = id->adapter = false;
	}
}

/* The ROM of a SAM3X or SAME70, Arduino's bootloaders of a SAMD21 and an ATmega32U4: none has a
 * serial number. */
static void loader_strings(const struct sim_board *b, struct sim_identity *id)
{
	bool rom = sim_samba_in_rom(b->spec.mcu);

	id->usb = rom ? (struct sim_ids){ "03eb", "6124" } : (struct sim_ids){ "2341", "" };
	if (!rom)
		kf_text_format(id->usb.product, sizeof(id->usb.product), "%s",
			       strcmp(b->spec.loader, "samba") == 0 ? "004d" : "0036");
	usb_strings(id, rom ? "" : "Arduino LLC", rom ? "AT91SAM" : "Arduino", "");
}

static const char *first(const char *a, const char *b)
{
	return *a ? a : b;
}

void sim_identity_of(const struct sim_board *b, struct sim_identity *ret)
{
	const struct sim_spec *s = &b->spec;
	struct sim_identity id = { .tty = true, .adapter = s->uart };

	kf_text_format(id.port, sizeof(id.port), "%s", b->port);
	if (b->mode != KF_MODE_NONE)
		id.usb = usb_ids(b);
	switch (s->uart ? KF_MODE_OTHER : b->mode) {
	case KF_MODE_KLIPPER:
		usb_strings(&id, first(b->manufacturer, first(s->manufacturer, b->firmware.app)),
			    first(s->product, s->mcu), s->serial);
		break;
	case KF_MODE_KATAPULT:
		usb_strings(&id, first(b->manufacturer, first(s->boot_manufacturer, "katapult")),
			    s->mcu, s->serial);
		break;
	case KF_MODE_DFU:
	case KF_MODE_RP2BOOT:
		rom_strings(b, &id);
		id.tty = false;
		break;
	case KF_MODE_OTHER:
		usb_strings(&id, s->manufacturer, first(s->product, "USB Serial"),
			    s->manufacturer[0] ? s->serial : "");
		id.adapter |= !s->manufacturer[0] && !s->loader[0];
		break;
	case KF_MODE_NONE:
		id.tty = false;
		break;
	}
	if (sim_board_in_loader(b) && !s->uart)
		loader_strings(b, &id);
	change(b, &id);
	kf_text_format(id.uart, sizeof(id.uart), "%s", s->tty);
	*ret = id;
}
