/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "options.h"
#include "board/port.h"
#include "registry/method.h"
#include "terminal/usage.h"

static const char help[] =
	"usage: kf-scan | kf-flash [options]\n"
	"       kf-flash --port PORT --firmware FILE [options]\n"
	"       kf-flash --port usb:PORT --bootloader FILE [options]\n\n"
	"Flash each board with the firmware of its record, or its newest build, and write\n"
	"the result. The service that has a board's port is stopped, and started again.\n\n"
	"  -m, --method=METHOD      katapult, picoboot, dfu, avrdude, bossac, host_mcu,\n"
	"                           make_flash, flashtool or sdcard\n"
	"      --no-fallback        try no other method when the method fails\n"
	"      --force              write the image also if the board has it already\n"
	"      --accept-unknown-version  write also firmware that does not tell its version\n"
	"      --replace-bootloader  write also firmware that erases the board's Katapult\n"
	"  -t, --timeout=SECONDS    time that one method may take (60)\n"
	"      --return-timeout=SECONDS  time that a board has to come back (30)\n"
	"      --return-delay=SECONDS    from the last return to the start of the service\n"
	"  -u, --unit=UNIT          stop this unit too; may be given again\n"
	"      --no-service         stop nothing: a port that is in use is an error\n"
	"      --while-unknown      go on if nobody can say whether the printer prints\n"
	"  -w, --wait=SECONDS       wait for another kf-flash on the board (60; 0: do not)\n"
	"  -j, --jobs=N             boards to flash at a time (all)\n"
	"      --check              flash nothing: say which boards could be flashed now\n"
	"      --dry-run            only say what would happen\n"
	"      --read=FILE          write nothing: read one board's firmware into FILE ...\n"
	"      --bytes=N            ... so many bytes of it\n"
	"      --port=PORT          flash the board there: /dev/ttyACM0, can0:UUID ...\n"
	"      --baud=N             ... on a UART, of its firmware and its Katapult (250000)\n"
	"      --firmware=FILE      ... with this file, registered or not\n"
	"      --bootloader=FILE    ... in DFU or BOOTSEL: install this Katapult\n"
	"      --klipper-dir=DIR    source tree for make flash\n"
	"      --katapult-dir=DIR   where flashtool.py is\n"
	"      --json               records on standard output, also on a terminal\n"
	"      --table              a table on standard output, also in a pipe\n"
	"  -q, --quiet              only errors on standard error\n"
	"  -h, --help               this text\n"
	"  -V, --version            the version\n";

static int read_method(void *args, const char *text, struct kf_error *err)
{
	struct args *a = args;
	int r = kf_value_read(KF_VALUE_TEXT, "method", text, NULL, err);

	a->flash.method = text;
	return r < 0 ? r : kf_method_check("method", text, err);
}

static int read_unit(void *args, const char *text, struct kf_error *err)
{
	struct args *a = args;

	return kf_unit_add(a->batch.hold.units, &a->batch.hold.count, text, err);
}

static const struct kf_option list[] = {
	KF_OPTION_READ("method", 'm', required_argument, read_method),
	KF_OPTION_FLAG("no-fallback", 0, flash.no_fallback),
	KF_OPTION_FLAG("force", 0, flash.force),
	KF_OPTION_FLAG("accept-unknown-version", 0, flash.unknown_version),
	KF_OPTION_FLAG("replace-bootloader", 0, flash.replace_bootloader),
	KF_OPTION_VALUE("timeout", 't', KF_VALUE_TIMEOUT, flash.method_ms),
	KF_OPTION_VALUE("return-timeout", 0, KF_VALUE_TIMEOUT, flash.return_ms),
	KF_OPTION_VALUE("return-delay", 0, KF_VALUE_DELAY, delay_ms),
	KF_OPTION_READ("unit", 'u', required_argument, read_unit),
	KF_OPTION_FLAG("no-service", 0, no_service),
	KF_OPTION_FLAG("while-unknown", 0, batch.guard.while_unknown),
	KF_OPTION_VALUE("wait", 'w', KF_VALUE_DELAY, flash.wait_ms),
	KF_OPTION_VALUE("jobs", 'j', KF_VALUE_COUNT, jobs),
	KF_OPTION_FLAG("check", 0, flash.check),
	KF_OPTION_FLAG("dry-run", 0, dry_run),
	KF_OPTION_VALUE("read", 0, KF_VALUE_TEXT, flash.read),
	KF_OPTION_VALUE("bytes", 0, KF_VALUE_BYTES, flash.read_bytes),
	KF_OPTION_VALUE("port", 0, KF_VALUE_TEXT, port),
	KF_OPTION_VALUE("baud", 0, KF_VALUE_BAUD, baud),
	KF_OPTION_VALUE("firmware", 0, KF_VALUE_TEXT, firmware),
	KF_OPTION_VALUE("bootloader", 0, KF_VALUE_TEXT, bootloader),
	KF_OPTION_VALUE("klipper-dir", 0, KF_VALUE_TEXT, flash.klipper_dir),
	KF_OPTION_VALUE("katapult-dir", 0, KF_VALUE_TEXT, flash.katapult_dir),
};

static const struct kf_options options = {
	.tool = "kf-flash", .help = help, .list = list, .count = KF_ARRAY_SIZE(list)
};

static int check_read(const struct args *args)
{
	if (!args->flash.read != !args->flash.read_bytes)
		return kf_usage_mistake("--read=FILE and --bytes=N go together");
	if (args->flash.read && (args->port || args->dry_run || args->flash.check))
		return kf_usage_mistake("--read goes with neither --port, --check nor --dry-run");
	return -1;
}

static int check_baud(const struct args *args)
{
	struct kf_port port;

	if (!args->baud)
		return -1;
	if (!args->port)
		return kf_usage_mistake("--baud goes with --port");
	if (kf_port_read(args->port, &port, NULL) == 0 && port.uuid[0])
		return kf_usage_mistake("--baud is the speed of a UART: a CAN bus has its bitrate "
					"by ip link (ip -details link show %s)",
					port.interface);
	return -1;
}

int options_read(int argc, char **argv, struct args *args)
{
	int status = kf_options_read(&options, argc, argv, args, &args->common);

	if (status >= 0)
		return status;
	if (args->firmware && args->bootloader)
		return kf_usage_mistake("--firmware and --bootloader exclude each other");
	args->flash.bootloader = args->bootloader;
	if (args->bootloader)
		args->firmware = args->bootloader;
	args->flash.by_hand = args->port && args->firmware;
	if (optind < argc)
		return kf_usage_mistake(
			"boards come as records on standard input, not as arguments");
	if ((bool)args->port != (bool)args->firmware)
		return kf_usage_mistake("--port and --%s go together",
					args->bootloader ? "bootloader" : "firmware");
	status = check_baud(args);
	return status >= 0 ? status : check_read(args);
}
