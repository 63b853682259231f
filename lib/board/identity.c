/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Names of boards taken apart. Only text in, text out; no string is trusted to be as usual. */
#include <ctype.h>
#include <fnmatch.h>
#include <string.h>
#include <strings.h>

#include "board/identity.h"
#include "core/text.h"

/* Manufacturers by mode: a board names another one in its bootloader than in its firmware. */
static const struct maker {
	const char *name;
	enum kf_mode mode;
} makers[] = {
	{ "klipper", KF_MODE_KLIPPER },
	{ "kalico", KF_MODE_KLIPPER },
	{ "katapult", KF_MODE_KATAPULT },
	{ "canboot", KF_MODE_KATAPULT },
};

/* USB ids that tell more than any string. */
static const struct known_id {
	const char *vendor, *product;
	enum kf_mode mode;
	bool bootloader;    /* has no tty */
	const char *family; /* how the names of all chips that show it begin */
	const char *mcu;    /* if all of them are one MCU */
} known_ids[] = {
	{ "1d50", "614e", KF_MODE_KLIPPER, false, "", "" },
	{ "1d50", "6177", KF_MODE_KATAPULT, false, "", "" },
	{ "0483", "df11", KF_MODE_DFU, true, "stm32", "" },
	{ "1eaf", "0003", KF_MODE_DFU, true, "stm32", "" },
	{ "1d50", "6015", KF_MODE_DFU, true, "lpc176", "" },
	{ "1209", "beba", KF_MODE_OTHER, true, "stm32", "" },
	{ "2e8a", "0003", KF_MODE_RP2BOOT, true, "rp2040", "rp2040" },
	{ "2e8a", "000f", KF_MODE_RP2BOOT, true, "rp2350", "rp2350" },
	{ "03eb", "6124", KF_MODE_OTHER, false, "sam", "" },
};

/* Beginnings of the names of chips in the Kconfig of Klipper, Kalico and Katapult. */
static const char *const families[] = { "stm32", "at32",   "hc32", "rp2",  "sam",
					"lpc",	 "atmega", "at90", "lgt8f" };

/* Endings that name only the package, memory or revision of the same chip. */
static const struct suffix {
	const char *chip, *rest; /* fnmatch(3) patterns */
} suffixes[] = {
	{ "*32[a-z][0-9][0-9a-z][0-9]", "[a-z][0-9a-z]" }, /* stm32h723 xx */
	{ "at32[a-z][0-9][0-9][0-9][a-z]", "xx" },	   /* AT32F403A xx */
	{ "sam[a-z][0-9][0-9]", "[a-z][0-9][0-9][a-z]" },  /* same54 p20a */
	{ "sam[a-z][0-9][0-9][a-z][0-9][0-9]", "[a-z]" },  /* same54p20 a */
};

static int hex_value(char c)
{
	const char *digits = "0123456789abcdef",
		   *hit = c ? strchr(digits, tolower((unsigned char)c)) : NULL;

	return hit ? (int)(hit - digits) : -1;
}

static const struct known_id *find_id(const struct kf_usb *usb)
{
	for (size_t i = 0; i < KF_ARRAY_SIZE(known_ids); i++)
		if (strcasecmp(usb->vendor, known_ids[i].vendor) == 0 &&
		    strcasecmp(usb->product, known_ids[i].product) == 0)
			return &known_ids[i];
	return NULL;
}

/* The maker that name begins with, if what follows is the character end. */
static const struct maker *find_maker(const char *name, char end)
{
	for (size_t i = 0; i < KF_ARRAY_SIZE(makers); i++) {
		size_t len = strlen(makers[i].name);

		if (strncasecmp(name, makers[i].name, len) == 0 && name[len] == end)
			return &makers[i];
	}
	return NULL;
}

/* Is this word a chip as Kconfig spells it? A product name of the vendor's own is not. */
static bool mcu_like(const char *word)
{
	if (word[strspn(word, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")])
		return false;
	for (size_t i = 0; i < KF_ARRAY_SIZE(families); i++) {
		size_t len = strlen(families[i]);

		if (strncasecmp(word, families[i], len) == 0)
			return strpbrk(word + len, "0123456789") != NULL;
	}
	return false;
}

/* The offset of "-ifNN" at the end of name; without it, the length of name. */
static size_t interface_at(const char *name)
{
	size_t len = strlen(name), at = len;

	while (at > 0 && isxdigit((unsigned char)name[at - 1]) && len - at < 2)
		at--;
	return at >= 3 && memcmp(name + at - 3, "-if", 3) == 0 ? at - 3 : len;
}

/* The offset of "-portN" at the end of name; without it, the length of name. */
static size_t port_at(const char *name)
{
	size_t len = strlen(name), at = len;

	while (at > 0 && isdigit((unsigned char)name[at - 1]))
		at--;
	return at >= 5 && at < len && memcmp(name + at - 5, "-port", 5) == 0 ? at - 5 : len;
}

/* Is the last word of a by-id name a serial number? "Controller" is not. */
static bool serial_like(const char *word)
{
	for (const char *p = word; *p; p++)
		if (!isalnum((unsigned char)*p))
			return false;
	return strpbrk(word, "0123456789") && kf_serial_unique(word);
}

bool kf_identity_parse(const char *by_id, struct kf_identity *ret)
{
	struct kf_identity id = { .mode = KF_MODE_OTHER };
	const struct maker *maker;
	char name[KF_DEV_SIZE], *word, *rest;
	size_t len;

	*ret = id;
	by_id = basename(by_id);
	if (strncasecmp(by_id, "usb-", 4) == 0)
		by_id += 4;
	if (!KF_COPY(name, by_id))
		return false;
	len = strlen(name);
	if (len > 0 && name[len - 1] == '*')
		name[len - 1] = '\0';
	name[port_at(name)] = '\0';
	name[interface_at(name)] = '\0';

	maker = find_maker(name, '_');
	word = maker ? name + strlen(maker->name) + 1 : name;
	rest = strchr(word, '_');
	if (rest)
		*rest++ = '\0';
	if (maker && mcu_like(word))
		KF_CLEAN(id.mcu, word);
	else if (rest && strrchr(rest, '_'))
		rest = strrchr(rest, '_') + 1; /* the product has several words */
	if (rest && !strpbrk(rest, "*?[") && (maker || serial_like(rest)))
		kf_udev_decode(rest, id.serial, sizeof(id.serial));
	if (maker)
		id.mode = maker->mode;
	*ret = id;
	return maker != NULL;
}

enum kf_mode kf_identity_mode(const struct kf_usb *usb)
{
	const struct known_id *known = find_id(usb);
	const struct maker *maker = find_maker(usb->manufacturer, '\0');

	if (known)
		return known->mode;
	return maker ? maker->mode : KF_MODE_OTHER;
}

bool kf_identity_bootloader(const struct kf_usb *usb)
{
	const struct known_id *known = find_id(usb);

	return known && known->bootloader;
}

bool kf_identity_bridge(const struct kf_usb *usb)
{
	return strcmp(usb->vendor, "1d50") == 0 && strcmp(usb->product, "606f") == 0;
}

const char *kf_identity_family(const struct kf_usb *usb)
{
	const struct known_id *known = find_id(usb);

	return known ? known->family : "";
}

void kf_identity_mcu(const struct kf_usb *usb, char ret[64])
{
	const struct known_id *known = find_id(usb);
	enum kf_mode mode = kf_identity_mode(usb);
	const char *mcu = known ? known->mcu : "";

	if ((mode == KF_MODE_KLIPPER || mode == KF_MODE_KATAPULT || kf_identity_bridge(usb)) &&
	    mcu_like(usb->model))
		mcu = usb->model;
	kf_text_clean(ret, 64, mcu, strlen(mcu));
}

/*
 * One string of a by-id name, as udev writes it: blanks trimmed and runs of them one
 * '_', and '_' for every ASCII character that may not stand in a link's name.
 */
static void append(char ret[KF_DEV_SIZE], const char *text, const char *instead)
{
	static const char allowed[] = "#+-.:=@_";
	size_t out = strlen(ret);

	if (!*text)
		text = instead;
	text += strspn(text, " ");
	for (; *text && out < KF_DEV_SIZE - 1; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == ' ' && (text[1] == ' ' || !text[1]))
			continue;
		ret[out++] = isalnum(c) || c >= 0x80 || strchr(allowed, c) ? *text : '_';
	}
	ret[out] = '\0';
}

void kf_identity_by_id(const struct kf_usb *usb, char ret[KF_DEV_SIZE])
{
	kf_text_format(ret, KF_DEV_SIZE, "usb-");
	append(ret, usb->manufacturer, usb->vendor);
	append(ret, "_", "");
	append(ret, usb->model, usb->product);
	if (*usb->serial && !strchr(usb->serial, ',')) {
		append(ret, "_", "");
		append(ret, usb->serial, "");
	}
	append(ret, "-", "");
	append(ret, usb->interface, "if00");
}

bool kf_serial_unique(const char *serial)
{
	size_t len = strlen(serial), same = 0, next = 0;

	if (len < 5)
		return false;
	for (size_t i = 1; i < len; i++) {
		const char *digits = "0123456789abcdef0", *hit;

		hit = strchr(digits, tolower((unsigned char)serial[i - 1]));
		same += serial[i] == serial[i - 1];
		next += (hit && tolower((unsigned char)serial[i]) == hit[1]) ||
			(serial[i - 1] == '9' && serial[i] == '0');
	}
	/* True for 00000000, 0000001, ffffffff; 12345, 0123456789ABCDEF, 1234567890. */
	return same < len - 2 && next < len - 1;
}

const char *kf_board_foreign(const struct kf_board *board)
{
	static const char *const others[] = { "Beacon", "Cartographer", "IDM" };
	const char *const says[] = { board->usb.manufacturer, board->usb.model, board->version };

	for (size_t i = 0; i < KF_ARRAY_SIZE(others); i++) {
		size_t len = strlen(others[i]);

		for (size_t k = 0; k < KF_ARRAY_SIZE(says); k++)
			if (strncasecmp(says[k], others[i], len) == 0 &&
			    !isalnum((unsigned char)says[k][len]))
				return others[i];
	}
	return NULL;
}

bool kf_identity_converter(const struct kf_usb *usb)
{
	static const char *const vendors[] = { "1a86", "0403", "10c4", "067b", "2341", "2a03" };

	for (size_t i = 0; i < KF_ARRAY_SIZE(vendors); i++)
		if (strcasecmp(usb->vendor, vendors[i]) == 0)
			return true;
	return false;
}

bool kf_board_in_rom(const struct kf_board *board)
{
	return !board->tty[0] && kf_identity_bootloader(&board->usb);
}

bool kf_board_in_loader(const struct kf_board *board)
{
	return kf_board_in_rom(board) ||
	       (!kf_identity_bootloader(&board->usb) && kf_identity_family(&board->usb)[0]);
}

bool kf_board_has_serial(const struct kf_board *board)
{
	return !kf_board_in_loader(board) && kf_serial_unique(board->usb.serial);
}

const char *kf_board_chip(const struct kf_board *board)
{
	return kf_serial_unique(board->usb.serial) ? board->usb.serial : board->link.uuid;
}

void kf_board_by_id(const struct kf_board *board, char ret[KF_DEV_SIZE])
{
	if (board->by_id[0])
		kf_text_format(ret, KF_DEV_SIZE, "%s", board->by_id);
	else
		kf_identity_by_id(&board->usb, ret);
}

bool kf_pattern_has_serial(const char *pattern)
{
	struct kf_identity id = { .mode = KF_MODE_OTHER };

	kf_identity_parse(pattern, &id);
	return id.serial[0];
}

bool kf_mcu_same(const char *a, const char *b)
{
	char chip[64];
	size_t len;

	if (strlen(a) > strlen(b)) {
		const char *longer = a;

		a = b;
		b = longer;
	}
	len = strlen(a);
	if (len == 0 || strncasecmp(a, b, len) != 0)
		return false;
	if (!b[len])
		return true;
	kf_text_clean(chip, sizeof(chip), a, len);
	for (size_t i = 0; i < KF_ARRAY_SIZE(suffixes); i++)
		if (fnmatch(suffixes[i].chip, chip, FNM_CASEFOLD) == 0 &&
		    fnmatch(suffixes[i].rest, b + len, FNM_CASEFOLD) == 0)
			return true;
	return false;
}

/* One spelling for what differs between modes and between ways to write a blank. */
static bool normalise(const char *name, char ret[KF_DEV_SIZE])
{
	const struct maker *maker;
	size_t out;

	name = basename(name);
	if (strncasecmp(name, "usb-", 4) == 0)
		name += 4;
	maker = find_maker(name, '_');
	kf_text_format(ret, KF_DEV_SIZE, "%s", maker ? "klipper" : "");
	if (maker)
		name += strlen(maker->name);
	for (out = strlen(ret); *name && out < KF_DEV_SIZE - 1; name++) {
		bool escaped = *name == '\\' && strncmp(name, "\\x20", 4) == 0;

		ret[out++] = escaped || *name == ' ' ? '_' : *name;
		if (escaped)
			name += 3;
	}
	ret[out] = '\0';
	return !*name;
}

bool kf_pattern_match(const char *pattern, const char *by_id)
{
	char p[KF_DEV_SIZE], name[KF_DEV_SIZE];

	/* The patterns were written for Python's fnmatch, which escapes nothing: NOESCAPE. */
	return normalise(pattern, p) && normalise(by_id, name) && *p && *name &&
	       fnmatch(p, name, FNM_CASEFOLD | FNM_NOESCAPE) == 0;
}

bool kf_pattern_from_by_id(const char *by_id, char ret[KF_DEV_SIZE])
{
	const char *name = basename(by_id);
	size_t len = interface_at(name);

	if (len == 0 || strpbrk(name, "*?["))
		return false;
	return kf_text_format(ret, KF_DEV_SIZE, "%.*s*", (int)len, name);
}

void kf_udev_decode(const char *src, char *dst, size_t size)
{
	char bytes[KF_DEV_SIZE];
	size_t out = 0;

	while (*src && out < sizeof(bytes)) {
		int high = src[0] == '\\' && src[1] == 'x' ? hex_value(src[2]) : -1;
		int low = high >= 0 ? hex_value(src[3]) : -1;

		bytes[out++] = low >= 0 ? (char)(high << 4 | low) : *src;
		src += low >= 0 ? 4 : 1;
	}
	kf_text_clean(dst, size, bytes, out);
}

void kf_mcu_short(const char *mcu, char ret[64])
{
	size_t len;

	kf_text_format(ret, 64, "%s", mcu);
	len = strlen(ret);
	if (len > 2 && strcasecmp(ret + len - 2, "xx") == 0)
		ret[len - 2] = '\0';
}
