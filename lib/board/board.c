/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The board's JSON form is one table: member, where it lives, how long it may be. */
#include <errno.h>
#include <iconv.h>
#include <locale.h>
#include <string.h>

#include "board/board.h"
#include "core/text.h"

enum { NAME_MAX_BYTES = 1024 }; /* of a board's name that reach its key: more than enough */

struct member {
	const char *name;
	size_t offset, size;
};

#define MEMBER(json, field)                                                                        \
	{                                                                                          \
		json, offsetof(struct kf_board, field), sizeof(((struct kf_board *)0)->field)      \
	}

static const struct member strings[] = {
	MEMBER("key", key),	    MEMBER("name", name),	MEMBER("mcu", mcu),
	MEMBER("reason", reason),   MEMBER("tty", tty),		MEMBER("by_id", by_id),
	MEMBER("by_path", by_path), MEMBER("version", version),
};

static const struct member incomplete = MEMBER("incomplete", incomplete);

static const struct member usb_strings[] = {
	MEMBER("vendor", usb.vendor),
	MEMBER("product", usb.product),
	MEMBER("manufacturer", usb.manufacturer),
	MEMBER("model", usb.model),
	MEMBER("serial", usb.serial),
	MEMBER("port", usb.port),
};

static const struct member link_strings[] = {
	MEMBER("path", link.path),
	MEMBER("interface", link.interface),
	MEMBER("uuid", link.uuid),
};

static const struct member printer_strings[] = {
	MEMBER("unit", printer.unit),
	MEMBER("name", printer.name),
	MEMBER("mcu", printer.mcu),
};

static const char *const wires[] = {
	[KF_WIRE_USB_SERIAL] = "usb-serial",
	[KF_WIRE_USB] = "usb",
	[KF_WIRE_UART] = "uart",
	[KF_WIRE_CAN] = "can",
	[KF_WIRE_PROCESS] = "process",
};

static const char *const modes[] = {
	[KF_MODE_KLIPPER] = "klipper", [KF_MODE_KATAPULT] = "katapult", [KF_MODE_DFU] = "dfu",
	[KF_MODE_RP2BOOT] = "rp2boot", [KF_MODE_OTHER] = "other",
};

const char *kf_mode_name(enum kf_mode mode)
{
	return modes[mode];
}

const char *kf_wire_name(enum kf_wire wire)
{
	return wires[wire];
}

const char *kf_holder_remark(const struct kf_holder *holder)
{
	if (strcmp(holder->command, KF_DRAIN_COMMAND) != 0)
		return "";
	return "an earlier kf-flash still sends the board the rest of its data, and ends within "
	       "5 seconds";
}

static bool alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* lint: -Wno-analyzer-malloc-leak: gcc 12 takes iconv_open's (iconv_t)-1 for memory */
/*
 * ASCII as the C library writes it: "Tetiere" for "Têtière". What has no such letter is dropped by
 * the caller, and so is everything that is not ASCII where the library has no C.UTF-8. It goes by
 * the thread's locale, not by the user's, so that a name gives one key for everybody.
 */
static void fold(const char *name, char *ret, size_t size)
{
	locale_t utf8 = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0), before;
	char *in = (char *)name, *out = ret;
	size_t left = strlen(name), room = size - 1;
	iconv_t cd;

	if (!utf8) {
		kf_text_format(ret, size, "%s", name);
		return;
	}
	before = uselocale(utf8);
	cd = iconv_open("ASCII//TRANSLIT", "UTF-8");
	/* NOLINTNEXTLINE(performance-no-int-to-ptr): POSIX's own value */
	if (cd != (iconv_t)-1) {
		/* A byte that is no UTF-8 is left out. */
		while (left > 0 && iconv(cd, &in, &left, &out, &room) == (size_t)-1 &&
		       errno != E2BIG && left > 0) {
			in++;
			left--;
		}
		iconv_close(cd);
	}
	*out = '\0';
	uselocale(before);
	freelocale(utf8);
}

bool kf_key_from_name(const char *name, char ret[KF_KEY_SIZE])
{
	char ascii[NAME_MAX_BYTES];
	size_t out = 0;
	bool gap = false;

	fold(name, ascii, sizeof(ascii));
	for (name = ascii; *name; name++) {
		char c = *name >= 'A' && *name <= 'Z' ? (char)(*name - 'A' + 'a') : *name;

		if (c == ' ' || c == '_' || c == '.' || c == '-') {
			gap = out > 0;
		} else if (alnum(c)) {
			if (out + gap + 1 >= KF_KEY_SIZE)
				break;
			if (gap)
				ret[out++] = '-';
			ret[out++] = c;
			gap = false;
		}
	}
	ret[out] = '\0';
	return out > 0;
}

bool kf_key_from_printer(const struct kf_board *board, bool with_printer, char ret[KF_KEY_SIZE])
{
	const struct kf_board_printer *printer = &board->printer;
	char name[sizeof(printer->name) + sizeof(printer->mcu)];

	kf_text_format(name, sizeof(name), "%s%s%s", with_printer ? printer->name : "",
		       with_printer ? " " : "", printer->mcu);
	return printer->mcu[0] && kf_key_from_name(name, ret);
}

bool kf_key_valid(const char *key)
{
	size_t len = strlen(key);

	if (len == 0 || len >= KF_KEY_SIZE || !alnum(key[0]))
		return false;
	for (const char *p = key; *p; p++)
		if (!alnum(*p) && *p != '_' && *p != '-')
			return false;
	return true;
}

static json_t *string_or_null(const char *text)
{
	return text && text[0] ? json_string(text) : json_null();
}

/* A member that only one wire has is left out on the others. */
static json_t *link_to_json(const struct kf_board *board)
{
	json_t *link = json_pack("{s:s}", "type", wires[board->link.type]);

	for (size_t i = 0; i < KF_ARRAY_SIZE(link_strings); i++) {
		const char *text = (const char *)board + link_strings[i].offset;

		if (text[0])
			json_object_set_new(link, link_strings[i].name, json_string(text));
	}
	if (board->link.baud)
		json_object_set_new(link, "baud", json_integer(board->link.baud));
	if (board->link.katapult_baud)
		json_object_set_new(link, "katapult_baud", json_integer(board->link.katapult_baud));
	if (board->usb.port[0])
		json_object_set_new(link, "usb_port", json_string(board->usb.port));
	return link;
}

static void put_strings(json_t *obj, const struct member *table, size_t count,
			const struct kf_board *board)
{
	for (size_t i = 0; i < count; i++)
		json_object_set_new(obj, table[i].name,
				    string_or_null((const char *)board + table[i].offset));
}

json_t *kf_board_to_json(const struct kf_board *board)
{
	json_t *obj = json_object(), *usb = json_object(), *printer = json_object();
	json_t *holder = json_null();

	put_strings(obj, strings, KF_ARRAY_SIZE(strings), board);
	put_strings(usb, usb_strings, KF_ARRAY_SIZE(usb_strings), board);
	if (board->holder.pid)
		holder = json_pack("{s:i, s:o, s:o}", "pid", (int)board->holder.pid, "command",
				   string_or_null(board->holder.command), "unit",
				   string_or_null(board->holder.unit));
	if (board->incomplete[0])
		put_strings(obj, &incomplete, 1, board);
	json_object_set_new(obj, "excluded", json_boolean(board->excluded));
	json_object_set_new(obj, "connected", json_boolean(board->connected));
	json_object_set_new(obj, "mode", string_or_null(kf_mode_name(board->mode)));
	json_object_set_new(obj, "holder", holder);
	if (board->link.type != KF_WIRE_NONE)
		json_object_set_new(obj, "link", link_to_json(board));
	if (board->printer.mcu[0]) {
		put_strings(printer, printer_strings, KF_ARRAY_SIZE(printer_strings), board);
		json_object_set(obj, "printer", printer);
	}
	json_decref(printer);
	json_object_set_new(obj, "usb", usb);
	return obj;
}

static int get_string(const json_t *obj, const char *name, char *dst, size_t size,
		      struct kf_error *err)
{
	const json_t *value = json_object_get(obj, name);

	dst[0] = '\0';
	if (!value || json_is_null(value))
		return 0;
	if (!json_is_string(value))
		return kf_fail(err, KF_BAD_RECORD, "board.%s is not a string", name);
	if (!kf_text_clean(dst, size, json_string_value(value), json_string_length(value)))
		return kf_fail(err, KF_BAD_RECORD,
			       "board.%s is too long or has a character that is not allowed", name);
	return 0;
}

static int get_strings(const json_t *obj, const struct member *table, size_t count,
		       struct kf_board *board, struct kf_error *err)
{
	int r = 0;

	for (size_t i = 0; i < count && r == 0; i++)
		r = get_string(obj, table[i].name, (char *)board + table[i].offset, table[i].size,
			       err);
	return r;
}

static int get_bool(const json_t *obj, const char *name, bool *ret, struct kf_error *err)
{
	const json_t *value = json_object_get(obj, name);

	*ret = json_is_true(value);
	if (value && !json_is_boolean(value))
		return kf_fail(err, KF_BAD_RECORD, "board.%s is not true or false", name);
	return 0;
}

static int get_mode(const json_t *obj, enum kf_mode *ret, struct kf_error *err)
{
	const json_t *value = json_object_get(obj, "mode");

	*ret = KF_MODE_NONE;
	if (!value || json_is_null(value))
		return 0;
	for (size_t i = 1; i < KF_ARRAY_SIZE(modes); i++)
		if (json_is_string(value) && strcmp(json_string_value(value), modes[i]) == 0) {
			*ret = (enum kf_mode)i;
			return 0;
		}
	return kf_fail(err, KF_BAD_RECORD, "board.mode is not a known mode");
}

static int get_holder(const json_t *obj, struct kf_holder *ret, struct kf_error *err)
{
	const json_t *holder = json_object_get(obj, "holder"), *pid;
	int r;

	if (!holder || json_is_null(holder))
		return 0;
	pid = json_object_get(holder, "pid");
	if (!json_is_integer(pid) || json_integer_value(pid) < 1 ||
	    json_integer_value(pid) > INT32_MAX)
		return kf_fail(err, KF_BAD_RECORD, "board.holder.pid is not a process number");
	ret->pid = (pid_t)json_integer_value(pid);
	r = get_string(holder, "command", ret->command, sizeof(ret->command), err);
	return r < 0 ? r : get_string(holder, "unit", ret->unit, sizeof(ret->unit), err);
}

static int get_number(const json_t *link, const char *name, uint32_t *ret, struct kf_error *err)
{
	const json_t *value = json_object_get(link, name);

	if (value && (!json_is_integer(value) || json_integer_value(value) < 0 ||
		      json_integer_value(value) > UINT32_MAX))
		return kf_fail(err, KF_BAD_RECORD, "board.link.%s is not a number of 32 bits",
			       name);
	*ret = (uint32_t)json_integer_value(value);
	return 0;
}

static int get_link(const json_t *obj, struct kf_board *board, struct kf_error *err)
{
	const json_t *link = json_object_get(obj, "link"), *type;
	int r;

	if (!link || json_is_null(link))
		return 0;
	type = json_object_get(link, "type");
	for (size_t i = 1; i < KF_ARRAY_SIZE(wires); i++)
		if (json_is_string(type) && strcmp(json_string_value(type), wires[i]) == 0)
			board->link.type = (enum kf_wire)i;
	if (board->link.type == KF_WIRE_NONE)
		return kf_fail(err, KF_BAD_RECORD, "board.link.type is not a known wire");
	r = get_number(link, "baud", &board->link.baud, err);
	if (r == 0)
		r = get_number(link, "katapult_baud", &board->link.katapult_baud, err);
	return r < 0 ? r : get_strings(link, link_strings, KF_ARRAY_SIZE(link_strings), board, err);
}

int kf_board_from_json(const json_t *obj, struct kf_board *ret, struct kf_error *err)
{
	struct kf_board board = { 0 };
	const json_t *usb = json_object_get(obj, "usb"), *printer = json_object_get(obj, "printer");
	int r;

	if (!json_is_object(obj))
		return kf_fail(err, KF_BAD_RECORD, "board is not an object");
	if (usb && !json_is_object(usb))
		return kf_fail(err, KF_BAD_RECORD, "board.usb is not an object");
	if (printer && !json_is_object(printer) && !json_is_null(printer))
		return kf_fail(err, KF_BAD_RECORD, "board.printer is not an object");
	if ((r = get_strings(obj, strings, KF_ARRAY_SIZE(strings), &board, err)) < 0 ||
	    (r = get_strings(obj, &incomplete, 1, &board, err)) < 0 ||
	    (r = get_strings(printer, printer_strings, KF_ARRAY_SIZE(printer_strings), &board,
			     err)) < 0 ||
	    (r = get_link(obj, &board, err)) < 0 ||
	    (r = get_strings(usb, usb_strings, KF_ARRAY_SIZE(usb_strings), &board, err)) < 0 ||
	    (r = get_bool(obj, "excluded", &board.excluded, err)) < 0 ||
	    (r = get_bool(obj, "connected", &board.connected, err)) < 0 ||
	    (r = get_mode(obj, &board.mode, err)) < 0 ||
	    (r = get_holder(obj, &board.holder, err)) < 0)
		return r;
	if (board.key[0] && !kf_key_valid(board.key))
		return kf_fail(err, KF_BAD_RECORD, "board.key \"%s\" is not a key", board.key);
	*ret = board;
	return 0;
}

const char *kf_board_label(const struct kf_board *board)
{
	return board->key[0]	       ? board->key
	       : board->printer.mcu[0] ? board->printer.mcu
	       : board->by_id[0]       ? basename(board->by_id)
	       : board->tty[0]	       ? board->tty
	       : board->usb.port[0]    ? board->usb.port
				       : board->link.uuid;
}
