/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/suggestion.h"
#include "sim/spec.h"

/* clang-format off */
const char SIM_SPEC_HELP[] =
	"A SPEC is name=value,name=value... of:\n"
	"  mcu=stm32h723xx        as Kconfig spells it\n"
	"  serial=HEX             the chip's\n"
	"  port=1-1.2             the USB port\n"
	"  mode=klipper           klipper, katapult, dfu, rp2boot, other\n"
	"  off                    not plugged in yet\n"
	"  start=0x8020000        application start address; katapult=none: the flash's\n"
	"  flash=1M               bytes of flash\n"
	"  block=64               Katapult's block: 64, 128, 256, 512\n"
	"  katapult=VERSION       none: not installed; old: protocol 1.0.0, no version\n"
	"  version=VERSION        of the firmware that it runs\n"
	"  app_name=Klipper       the name of that firmware\n"
	"  app=FILE               run this image instead (raw, for start)\n"
	"  state=FILE             keeps flash and mode between runs\n"
	"  manufacturer=, product=, usb=1d50:614e   its USB names while firmware runs\n"
	"  boot_manufacturer=, boot_serial=   the same in Katapult (CanBoot, Katapult)\n"
	"  new_serial=            the serial number that flashed firmware shows\n"
	"  bridge                 the firmware that it runs is a USB-to-CAN bridge, as flashed\n"
	"                         firmware is whose dictionary says so\n"
	"  rom=0483:df11          its bootloader without tty: also 1eaf:0003, 1209:beba ...\n"
	"  transfer=2048          bytes of a transfer with an STM32's ROM (64 to 4096)\n"
	"  poll_ms=               what it says to wait, whatever it takes\n"
	"  protected              it is protected against reading\n"
	"  no_drive               BOOTSEL has no drive: PICOBOOT is interface 0\n"
	"  rom_leave=stall        it does not answer the last request, but stalls; silent: it is\n"
	"                         gone; stay: it answers and does not leave\n"
	"  can=can0               a node on that CAN bus; with bridge: its own CAN interface\n"
	"  uuid=HEX               on the bus (the hash of serial)\n"
	"  bitrate=1000000        of the bus: frames take their time (0: none); late_us=\n"
	"  net_down               nobody sets up the interface of a bridge that appears\n"
	"  return_net=IF          the interface of a bridge that was flashed; none: none\n"
	"  uart                   Katapult and Klipper behind a CH340, on /dev/ttyUSBn\n"
	"  tty=ttyAMA0            on that UART of the host's own instead, and /dev/serial0\n"
	"  baud=250000            of the UART in firmware; boot_baud=250000: in Katapult\n"
	"  prime=0|1              Katapult answers only from the second command on\n"
	"  merge                  several writes of the client may arrive as one\n"
	"  rescue=0|1             1: a double click follows if its application is broken (0)\n"
	"  erase_ms= program_us=  flash: one sector, 32 bytes\n"
	"  real_times             flash: what the chip's data sheet says instead\n"
	"  loader=stk500v2        its bootloader: stk500v2, stk500 (both behind a UART: whoever opens\n"
	"                         the port resets the board), avr109, samba (over its own USB)\n"
	"  worn=ADDRESS           this byte of the flash stays 0 when it is written\n"
	"  rtt_us= reenum_ms=50   reply latency; time off the bus at each reset\n"
	"  leave_as= leave_port=  it leaves firmware as NAME, dfu, rp2boot, other, device (without\n"
	"                         a port) or never, to another port\n"
	"  return_as= return_port=  likewise when it leaves Katapult; no_bridge: a bridge's\n"
	"                         firmware comes back as plain Klipper\n"
	"  drop= corrupt= nack= f2= f3= stall= unplug= dup= foreign= late= down=   fault at\n"
	"                         [tx:|rx:]N, the Nth frame to (tx) or from (rx) Katapult;\n"
	"                         or at complete, the first frame with that command; once;\n"
	"                         may be repeated. On a CAN bus: the Nth CAN frame to or from\n"
	"                         the board; not nack, f2, f3, foreign, complete. down (the\n"
	"                         interface) and dup=tx:N: only there. With a ROM: the Nth\n"
	"                         transfer; nack: it is stalled; f2: what it asks fails; late: it\n"
	"                         takes late_us more; complete: its request to leave\n"
	"  stall_ms=              how long a stall lasts (0: until it is reset)\n";
/* clang-format on */

enum type { STRING, NUMBER, SIZE, FLAG, SWITCH, MODE, IDS, UUID };

#define FIELD(name, type, member)                                                                  \
	{                                                                                          \
		name, type, offsetof(struct sim_spec, member),                                     \
			sizeof(((struct sim_spec *)0)->member)                                     \
	}

static const struct field {
	const char *name;
	enum type type;
	size_t offset, size;
} fields[] = {
	FIELD("mcu", STRING, mcu),
	FIELD("serial", STRING, serial),
	FIELD("port", STRING, port),
	FIELD("mode", MODE, mode),
	FIELD("start", NUMBER, start),
	FIELD("flash", SIZE, flash_bytes),
	FIELD("block", NUMBER, block_bytes),
	FIELD("katapult", STRING, katapult),
	FIELD("version", STRING, version),
	FIELD("app_name", STRING, app_name),
	FIELD("app", STRING, app),
	FIELD("state", STRING, state),
	FIELD("manufacturer", STRING, manufacturer),
	FIELD("product", STRING, product),
	FIELD("boot_manufacturer", STRING, boot_manufacturer),
	FIELD("boot_serial", STRING, boot_serial),
	FIELD("new_serial", STRING, new_serial),
	FIELD("bridge", FLAG, bridge),
	FIELD("usb", IDS, usb),
	FIELD("rom", IDS, rom),
	FIELD("can", STRING, can),
	FIELD("uuid", UUID, uuid),
	FIELD("bitrate", NUMBER, bitrate),
	FIELD("late_us", NUMBER, late_us),
	FIELD("net_down", FLAG, net_down),
	FIELD("return_net", STRING, return_net),
	FIELD("uart", FLAG, uart),
	FIELD("tty", STRING, tty),
	FIELD("baud", NUMBER, baud),
	FIELD("boot_baud", NUMBER, boot_baud),
	FIELD("merge", FLAG, merge),
	FIELD("prime", SWITCH, prime),
	FIELD("rescue", FLAG, rescue),
	FIELD("off", FLAG, off),
	FIELD("erase_ms", NUMBER, erase_ms),
	FIELD("program_us", NUMBER, program_us),
	FIELD("real_times", FLAG, real_times),
	FIELD("loader", STRING, loader),
	FIELD("worn", NUMBER, worn),
	FIELD("transfer", NUMBER, transfer_bytes),
	FIELD("poll_ms", NUMBER, poll_ms),
	FIELD("protected", FLAG, protected),
	FIELD("no_drive", FLAG, no_drive),
	FIELD("rom_leave", STRING, rom_leave),
	FIELD("rtt_us", NUMBER, rtt_us),
	FIELD("reenum_ms", NUMBER, reenum_ms),
	FIELD("stall_ms", NUMBER, faults.stall_ms),
	FIELD("leave_as", STRING, leave_as),
	FIELD("leave_port", STRING, leave_port),
	FIELD("return_as", STRING, return_as),
	FIELD("return_port", STRING, return_port),
};

uint32_t sim_spec_default_start(const char *mcu)
{
	if (strncmp(mcu, "rp2", 3) == 0)
		return 0x10004000;
	if (strncmp(mcu, "stm32h7", 7) == 0)
		return 0x08020000;
	if (strncmp(mcu, "stm32f4", 7) == 0 || strncmp(mcu, "stm32f2", 7) == 0)
		return 0x08008000;
	if (strncmp(mcu, "stm32", 5) == 0)
		return 0x08002000;
	if (strncmp(mcu, "lpc176", 6) == 0)
		return 0x00004000;
	return 0;
}

static bool parse_number(const char *value, bool suffix, uint32_t *ret)
{
	unsigned long long n;
	char *end;

	if (*value < '0' || *value > '9')
		return false;
	errno = 0;
	n = strtoull(value, &end, 0);
	if (suffix && (*end == 'K' || *end == 'k') && n <= UINT32_MAX)
		n *= 1024, end++;
	else if (suffix && (*end == 'M' || *end == 'm') && n <= UINT32_MAX)
		n *= 1024 * 1024, end++;
	if (*end || errno || n > UINT32_MAX)
		return false;
	*ret = (uint32_t)n;
	return true;
}

static bool parse_mode(const char *value, enum kf_mode *ret)
{
	for (enum kf_mode mode = KF_MODE_KLIPPER; mode <= KF_MODE_OTHER; mode++) {
		if (strcmp(kf_mode_name(mode), value) == 0) {
			*ret = mode;
			return true;
		}
	}
	return false;
}

static bool parse_ids(const char *value, struct sim_ids *ret)
{
	unsigned vendor, product;
	int used = 0;

	if (sscanf(value, "%4x:%4x%n", &vendor, &product, &used) != 2 || value[used])
		return false;
	snprintf(ret->vendor, sizeof(ret->vendor), "%04x", vendor & 0xffff);
	snprintf(ret->product, sizeof(ret->product), "%04x", product & 0xffff);
	return true;
}

/* value is NULL where the SPEC has only a name. */
static bool set_field(const struct field *f, const char *value, struct sim_spec *spec)
{
	char *member = (char *)spec + f->offset;
	uint32_t n;

	if (f->type == FLAG) {
		*(bool *)member = !value || strcmp(value, "1") == 0;
		return !value || strcmp(value, "0") == 0 || strcmp(value, "1") == 0;
	}
	if (!value)
		return false;
	switch (f->type) {
	case STRING:
		return snprintf(member, f->size, "%s", value) < (int)f->size;
	case NUMBER:
	case SIZE:
		return parse_number(value, f->type == SIZE, (uint32_t *)member);
	case SWITCH:
		if (!parse_number(value, false, &n) || n > 1)
			return false;
		*(int *)member = (int)n;
		return true;
	case MODE:
		return parse_mode(value, (enum kf_mode *)member);
	case IDS:
		return parse_ids(value, (struct sim_ids *)member);
	case UUID:
		return kf_can_uuid_parse(value, (uint8_t *)member);
	case FLAG:
		break;
	}
	return false;
}

static int set(const char *name, const char *value, struct sim_spec *spec, struct kf_error *err)
{
	struct kf_suggestion meant = { .typed = name };
	int r = value ? sim_faults_add(&spec->faults, name, value, err) : 1;

	if (r <= 0)
		return r;
	for (size_t i = 0; i < KF_ARRAY_SIZE(fields); i++) {
		if (strcmp(fields[i].name, name) != 0)
			continue;
		if (set_field(&fields[i], value, spec))
			return 0;
		return kf_fail(err, KF_USAGE, "%s=%s: not a value for it", name,
			       value ? value : "");
	}
	for (size_t i = 0; i < KF_ARRAY_SIZE(fields); i++)
		kf_suggestion_offer(&meant, fields[i].name);
	r = kf_fail(err, KF_USAGE, "%s: a board has no such thing", name);
	if (meant.word)
		kf_error_hint(err, "did you mean %s? see kf-sim --help", meant.word);
	return r;
}

/* The name of a node is its UUID. */
static int check_can(struct sim_spec *spec, struct kf_error *err)
{
	static const uint8_t none[KF_CAN_UUID_BYTES];
	char uuid[KF_CAN_UUID_SIZE];

	if (memcmp(spec->uuid, none, sizeof(none)) == 0 &&
	    (!kf_can_uuid_from_serial(spec->serial, uuid) || !kf_can_uuid_parse(uuid, spec->uuid)))
		return kf_fail(err, KF_USAGE, "serial=%s: no chip id, so uuid= is needed",
			       spec->serial);
	for (size_t i = 0; i < spec->faults.count; i++)
		if (sim_fault_is_katapults(&spec->faults.list[i]))
			return kf_fail(err, KF_USAGE,
				       "nack, f2, f3, foreign, complete: not on a CAN bus");
	if (!spec->bridge)
		kf_can_uuid_format(spec->uuid, spec->port);
	return 0;
}

static int check(struct sim_spec *spec, struct kf_error *err)
{
	if (spec->block_bytes != 64 && spec->block_bytes != 128 && spec->block_bytes != 256 &&
	    spec->block_bytes != 512)
		return kf_fail(err, KF_USAGE, "block=%u: want 64, 128, 256 or 512",
			       spec->block_bytes);
	for (const char *p = spec->port; *p; p++)
		if (!strchr("0123456789.-", *p))
			return kf_fail(err, KF_USAGE, "port=%s: want a port like 1-1.2",
				       spec->port);
	if (!strchr(spec->port, '-') || spec->port[0] == '-')
		return kf_fail(err, KF_USAGE, "port=%s: want a port like 1-1.2", spec->port);
	for (size_t i = 0; i < spec->faults.count && !spec->can[0]; i++)
		if (sim_fault_is_cans(&spec->faults.list[i]))
			return kf_fail(err, KF_USAGE, "down, dup=tx:N: only on a CAN bus");
	spec->uart |= spec->tty[0] != '\0';
	if (spec->transfer_bytes && (spec->transfer_bytes < 64 || spec->transfer_bytes > 4096))
		return kf_fail(err, KF_USAGE, "transfer=%u: want 64 to 4096", spec->transfer_bytes);
	if (spec->start == 0 && strcmp(spec->katapult, "none") != 0)
		spec->start = sim_spec_default_start(spec->mcu);
	if (spec->rom_leave[0] && strcmp(spec->rom_leave, "stall") != 0 &&
	    strcmp(spec->rom_leave, "silent") != 0 && strcmp(spec->rom_leave, "stay") != 0)
		return kf_fail(err, KF_USAGE, "rom_leave=%s: want stall, silent or stay",
			       spec->rom_leave);
	if (spec->loader[0] && strcmp(spec->loader, "stk500v2") != 0 &&
	    strcmp(spec->loader, "stk500") != 0 && strcmp(spec->loader, "avr109") != 0 &&
	    strcmp(spec->loader, "samba") != 0)
		return kf_fail(err, KF_USAGE, "loader=%s: want stk500v2, stk500, avr109 or samba",
			       spec->loader);
	return spec->can[0] ? check_can(spec, err) : 0;
}

int sim_spec_parse(const char *text, struct sim_spec *ret, struct kf_error *err)
{
	struct sim_spec spec = {
		.mcu = "stm32h723xx",
		.serial = "29001A001151313531383332",
		.port = "1-1.2",
		.block_bytes = 64,
		.katapult = "v0.0.1-109-g902f335",
		.app_name = "Klipper",
		.version = "v0.12.0-1-g0123abcd",
		.reenum_ms = 50,
		.baud = 250000,
		.boot_baud = 250000,
		.late_us = 5000,
		.prime = -1,
	};
	_cleanup_(kf_json_decrefp) json_t *utf8 = json_string(text); /* as USB's strings are */
	_cleanup_(kf_freep) char *copy = strdup(text);
	char *rest = copy, *item;
	int r;

	if (!copy)
		return kf_fail_sys(err, ENOMEM, "a board");
	if (!utf8)
		return kf_fail(err, KF_USAGE, "a board in text that is not UTF-8");
	while ((item = strsep(&rest, ","))) {
		char *value = strchr(item, '=');

		if (!*item)
			continue;
		if (value)
			*value++ = '\0';
		r = set(item, value, &spec, err);
		if (r < 0)
			return r;
	}
	r = check(&spec, err);
	if (r == 0)
		*ret = spec;
	return r;
}
