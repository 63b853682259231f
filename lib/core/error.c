/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of all error codes: name, errno, exit status (sysexits.h) and hint. */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sysexits.h>

#include "core/error.h"
#include "core/text.h"

/* Not in sysexits.h: kf(1), EXIT STATUS. */
enum { STATUS_BOARD = 1, STATUS_SERVICE_LOST = 71 };

static const struct {
	const char *name;
	int errnum;
	int status;
	const char *hint;
} codes[KF_CODE_COUNT] = {
	[KF_OK] = { "ok", 0, EX_OK, "" },
	[KF_USAGE] = { "usage", EINVAL, EX_USAGE, "" },
	[KF_BAD_RECORD] = { "bad_record", EBADMSG, EX_DATAERR,
			    "standard input takes the lines that kf-scan writes" },
	[KF_NEWER_RECORD] = { "newer_record", EPROTONOSUPPORT, EX_DATAERR,
			      "use tools of one version of kalico-flash" },
	[KF_NOTHING_CONNECTED] = { "nothing_connected", ENODEV, EX_UNAVAILABLE,
				   "check that the board has power and a USB cable that carries "
				   "data "
				   "(lsusb lists it)" },
	[KF_NOT_CONNECTED] = { "not_connected", ENODEV, EX_UNAVAILABLE,
			       "plug it in, or see which boards are connected with kf list" },
	[KF_GONE] = { "gone", ENODEV, EX_UNAVAILABLE,
		      "check cable and power, then look with kf list" },
	[KF_CAN_BUS] = { "can_bus", ENETDOWN, EX_IOERR,
			 "check power, wiring and bitrate of the bus: ip -details link shows it" },
	[KF_INTERNAL] = { "internal", ENOTRECOVERABLE, EX_SOFTWARE, "please report this" },
	[KF_SERVICE_LOST] = { "service_lost", EIO, STATUS_SERVICE_LOST, "" },
	[KF_SERVICE] = { "service", EIO, STATUS_BOARD, "see systemctl status and journalctl -u" },
	[KF_IO] = { "io", EIO, EX_IOERR, "" },
	[KF_BUSY] = { "busy", EBUSY, EX_TEMPFAIL, "wait for it to end, then try again" },
	[KF_TIMEOUT] = { "timeout", ETIMEDOUT, EX_TEMPFAIL, "try again" },
	[KF_PROTOCOL] = { "protocol", EPROTO, EX_PROTOCOL,
			  "power-cycle the board, then try again" },
	[KF_PERMISSION] = { "permission", EACCES, EX_NOPERM, "" },
	[KF_CONFIG] = { "config", EINVAL, EX_CONFIG, "" },
	[KF_NOT_REGISTERED] = { "not_registered", ENOENT, EX_CONFIG,
				"kf list shows the registered boards, kf add registers one" },
	[KF_AMBIGUOUS] = { "ambiguous", ENOTUNIQ, EX_CONFIG,
			   "unplug one of them, or make their patterns differ with kf set" },
	[KF_NO_CONFIG] = { "no_config", ENOENT, EX_CONFIG, "" },
	[KF_CONFIG_DIFFERENCE] = { "config_difference", EINVAL, EX_CONFIG, "" },
	[KF_NOT_SAVED] = { "not_saved", ECANCELED, EX_CONFIG,
			   "run it again and save before leaving menuconfig" },
	[KF_NOT_PROVED] = { "not_proved", EINVAL, STATUS_BOARD, "" },
	[KF_NO_TREE] = { "no_tree", ENOENT, EX_CONFIG,
			 "name it with kf set --global klipper_dir=DIR" },
	[KF_NO_TOOLCHAIN] = { "no_toolchain", ENOENT, EX_CONFIG, "" },
	[KF_BUILD_FAILED] = { "build_failed", EIO, STATUS_BOARD, "" },
	[KF_NO_FIRMWARE] = { "no_firmware", ENOENT, EX_CONFIG, "build it first: kf build" },
	[KF_BAD_IMAGE] = { "bad_image", EBADMSG, EX_DATAERR,
			   "give the klipper.bin, .uf2, .elf.hex or .elf of a Klipper build" },
	[KF_MCU_MISMATCH] = { "mcu_mismatch", EINVAL, EX_CONFIG,
			      "choose the board's own MCU in menuconfig" },
	[KF_WRONG_OFFSET] = { "wrong_offset", EINVAL, EX_CONFIG,
			      "choose the Bootloader offset that the bootloader was built for in "
			      "menuconfig" },
	[KF_TOO_LARGE] = { "too_large", EFBIG, EX_DATAERR, "leave features out in menuconfig" },
	[KF_NO_KATAPULT] = { "no_katapult", ENODEV, STATUS_BOARD,
			     "if it has Katapult, double-click its reset button, then run the same "
			     "command again" },
	[KF_FLASH_FAILED] = { "flash_failed", EIO, STATUS_BOARD, "" },
	[KF_VERIFY_FAILED] = { "verify_failed", EIO, STATUS_BOARD,
			       "the board stays in its bootloader: run the same command again" },
	[KF_LEFT_IN_BOOTLOADER] = { "left_in_bootloader", ETIMEDOUT, STATUS_BOARD,
				    "power-cycle the board, then run the same command again" },
	[KF_WRONG_VERSION] = { "wrong_version", EIO, STATUS_BOARD, "run the same command again" },
	[KF_UNVERIFIED] = { "unverified", EIO, STATUS_BOARD,
			    "look whether Klipper connects to it; run the same command again" },
	[KF_PRINTING] = { "printing", EBUSY, EX_TEMPFAIL,
			  "wait for the print to end, or cancel it" },
	[KF_PRINTER_UNKNOWN] = { "printer_unknown", EBUSY, EX_TEMPFAIL,
				 "look at the printer: if it does not print, --while-unknown goes "
				 "on" },
	[KF_INTERRUPTED] = { "interrupted", EINTR, STATUS_BOARD, "run the same command again" },
};

/* The code of the last failure, for those who pass no error. */
static _Thread_local enum kf_code last_code;

static _printf_(3, 0) void fill(struct kf_error *err, enum kf_code code, const char *fmt,
				va_list ap)
{
	char raw[sizeof(err->message)];

	vsnprintf(raw, sizeof(raw), fmt, ap);
	memset(err, 0, sizeof(*err));
	err->code = code;
	KF_CLEAN(err->message, raw);
	KF_COPY(err->hint, codes[code].hint);
}

int kf_fail(struct kf_error *err, enum kf_code code, const char *fmt, ...)
{
	va_list ap;

	last_code = code;
	if (err) {
		va_start(ap, fmt);
		fill(err, code, fmt, ap);
		va_end(ap);
	}
	return -codes[code].errnum;
}

/* The codes of errnos, and their hints where they have a better one than the code. */
static const struct system_error {
	int errnum;
	enum kf_code code;
	const char *hint;
} system_errors[] = {
	{ EACCES, KF_PERMISSION,
	  "ls -l shows the owner of that file or folder: sudo chown $USER makes it yours, chmod "
	  "u+rw "
	  "lets you read and write; for a port, join the group dialout" },
	{ EPERM, KF_PERMISSION, "" },
	{ EBUSY, KF_BUSY, "" },
	{ EAGAIN, KF_BUSY, "" },
	{ ENODEV, KF_GONE, "" },
	{ ENXIO, KF_GONE, "" },
	{ ETIMEDOUT, KF_TIMEOUT, "" },
	{ EROFS, KF_IO,
	  "mount that file system writable; if it became read-only by itself, sudo dmesg says "
	  "why" },
	{ ENOSPC, KF_IO, "free some space on that file system: df -h" },
	{ 0, KF_IO, "" },
};

int kf_fail_stopped(struct kf_error *err)
{
	return kf_fail(err, KF_INTERRUPTED, "stopped by the user's signal");
}

int kf_fail_sys(struct kf_error *err, int errnum, const char *fmt, ...)
{
	const struct system_error *e = system_errors;
	va_list ap;
	size_t used;

	if (errnum == EINTR)
		return kf_fail_stopped(err);
	while (e->errnum && e->errnum != errnum)
		e++;
	if (err) {
		va_start(ap, fmt);
		fill(err, e->code, fmt, ap);
		va_end(ap);
		if (e->hint[0])
			kf_error_hint(err, "%s", e->hint);
		used = strlen(err->message);
		kf_text_format(err->message + used, sizeof(err->message) - used, ": %s",
			       strerror(errnum));
	}
	return -errnum;
}

void kf_error_prefix(struct kf_error *err, const char *fmt, ...)
{
	char context[sizeof(((struct kf_error *)0)->message)], whole[sizeof(context)];
	va_list ap;

	if (!err || err->code == KF_INTERRUPTED)
		return;
	va_start(ap, fmt);
	vsnprintf(context, sizeof(context), fmt, ap);
	va_end(ap);
	kf_text_format(whole, sizeof(whole), "%s: %s", context, err->message);
	KF_CLEAN(err->message, whole);
}

int kf_error_hint(struct kf_error *err, const char *fmt, ...)
{
	char raw[sizeof(((struct kf_error *)0)->hint)];
	va_list ap;

	if (!err)
		return -codes[last_code].errnum;
	va_start(ap, fmt);
	vsnprintf(raw, sizeof(raw), fmt, ap);
	va_end(ap);
	KF_CLEAN(err->hint, raw);
	return -codes[err->code].errnum;
}

/* Does the table's hint end with "in menuconfig"? */
static bool cured_by_menuconfig(enum kf_code code)
{
	return code == KF_MCU_MISMATCH || code == KF_WRONG_OFFSET || code == KF_TOO_LARGE;
}

void kf_error_put_key(char *text, size_t size, const char *key)
{
	static const char command[] = "kf set KEY ";
	char behind[sizeof(((struct kf_error *)0)->message)], *at;

	while ((at = strstr(text, command))) {
		kf_text_format(behind, sizeof(behind), "%s", at + strlen(command));
		kf_text_format(at, size - (size_t)(at - text), "kf set %s %s", key, behind);
	}
}

void kf_error_for(struct kf_error *err, const char *key)
{
	if (!err || !key[0])
		return;
	kf_error_put_key(err->message, sizeof(err->message), key);
	kf_error_put_key(err->hint, sizeof(err->hint), key);
	if (!cured_by_menuconfig(err->code) || strcmp(err->hint, codes[err->code].hint) != 0)
		return;
	kf_text_format(err->hint, sizeof(err->hint), "%s: kf config %s", codes[err->code].hint,
		       key);
}

enum kf_code kf_code_find(const char *name)
{
	int code = 0;

	while (code < KF_CODE_COUNT && strcmp(codes[code].name, name) != 0)
		code++;
	return (enum kf_code)code;
}

const char *kf_code_name(enum kf_code code)
{
	return codes[code].name;
}

int kf_code_status(enum kf_code code)
{
	return codes[code].status;
}

int kf_code_errno(enum kf_code code)
{
	return -codes[code].errnum;
}
