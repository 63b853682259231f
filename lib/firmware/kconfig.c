/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Reads a .config as Kconfig writes it: one assignment a line, the last one counts. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/text.h"
#include "firmware/kconfig.h"

enum { CONFIG_MAX = 1 << 20, VALUE_MAX = 256 };

static const char prefix[] = "CONFIG_";

#define DIGITS	"0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

static const char name_chars[] = DIGITS LETTERS "_";

/* Kconfig's string: quotes around it, a backslash before a quote or backslash. */
static void unquote(const char *value, size_t len, char *ret, size_t size)
{
	char raw[VALUE_MAX];
	size_t used = 0;

	if (len >= 2 && value[0] == '"' && value[len - 1] == '"') {
		value++;
		len -= 2;
		for (size_t i = 0; i < len && used < sizeof(raw); i++) {
			if (value[i] == '\\' && i + 1 < len)
				i++;
			raw[used++] = value[i];
		}
		value = raw;
		len = used;
	}
	kf_text_clean(ret, size, value, len);
}

bool kf_kconfig_next(const char **at, char ret[KF_NAME_SIZE])
{
	const char *line, *end, *name;
	size_t len;

	for (line = *at; *line; line = *end ? end + 1 : end) {
		end = strchrnul(line, '\n');
		name = line + sizeof(prefix) - 1;
		if (strncmp(line, prefix, sizeof(prefix) - 1) != 0)
			continue;
		len = strspn(name, name_chars);
		if (name[len] != '=' || len >= KF_NAME_SIZE)
			continue;
		memcpy(ret, name, len);
		ret[len] = '\0';
		*at = *end ? end + 1 : end;
		return true;
	}
	return false;
}

bool kf_kconfig_get(const struct kf_kconfig *config, const char *symbol, char *ret, size_t size)
{
	size_t len = strlen(symbol), used;
	const char *line, *end, *name;
	bool found = false;

	for (line = config->text; *line; line = *end ? end + 1 : end) {
		end = strchrnul(line, '\n');
		if (strncmp(line, prefix, sizeof(prefix) - 1) != 0)
			continue;
		name = line + sizeof(prefix) - 1;
		if (strncmp(name, symbol, len) != 0 || name[len] != '=')
			continue;
		used = (size_t)(end - name) - len - 1;
		while (used > 0 && strchr(" \t\r", name[len + used]))
			used--;
		unquote(name + len + 1, used, ret, size);
		found = true;
	}
	return found;
}

static bool is_set(const struct kf_kconfig *config, const char *symbol)
{
	char value[8];

	return kf_kconfig_get(config, symbol, value, sizeof(value)) && strcmp(value, "y") == 0;
}

/* A bridge has a CAN bus too, so it is asked for first. */
static enum kf_comm comm_of(const struct kf_kconfig *config)
{
	static const struct {
		const char *symbol;
		enum kf_comm comm;
	} symbols[] = {
		{ "USBCANBUS", KF_COMM_USBCAN },
		{ "CANSERIAL", KF_COMM_CAN },
		{ "USBSERIAL", KF_COMM_USB },
		{ "SERIAL", KF_COMM_SERIAL },
	};

	for (size_t i = 0; i < KF_ARRAY_SIZE(symbols); i++) {
		if (is_set(config, symbols[i].symbol))
			return symbols[i].comm;
	}
	return KF_COMM_UNKNOWN;
}

static int read_start(const char *path, struct kf_kconfig *config, struct kf_error *err)
{
	char value[VALUE_MAX], *end;
	unsigned long start;

	if (!kf_kconfig_get(config, "FLASH_APPLICATION_ADDRESS", value, sizeof(value)) &&
	    !kf_kconfig_get(config, "FLASH_START", value, sizeof(value)))
		return 0;
	errno = 0;
	start = strtoul(value, &end, 0);
	if (errno || end == value || *end || value[0] == '-' || start > UINT32_MAX)
		return kf_fail(err, KF_CONFIG, "%s: its application address \"%s\" is not a number",
			       path, value);
	config->start = (uint32_t)start;
	return 0;
}

/*
 * y, m, n, a number, or a string. What only USB shows may have any text that make leaves alone;
 * the others name chips, files, protocols and pins.
 */
static bool is_value(const char *name, const char *value, size_t len)
{
	static const char bare[] = DIGITS LETTERS "_-", quoted[] = DIGITS LETTERS "_-+.,:/!^~ ";
	bool usb = strncmp(name, "USB_", 4) == 0;

	if (len < 2 || value[0] != '"')
		return strspn(value, bare) >= len;
	if (value[len - 1] != '"')
		return false;
	for (size_t i = 1; i < len - 1; i++) {
		if (usb && value[i] == '\\' && i + 2 < len && strchr("\"\\", value[i + 1]))
			i++;
		else if (usb ? (unsigned char)value[i] < ' ' || strchr("$\"\\", value[i])
			     : !strchr(quoted, value[i]))
			return false;
	}
	return true;
}

/* Blank, a comment (not one that make takes to go on), or an assignment. */
static bool is_line(const char *line, size_t len)
{
	size_t name, head = sizeof(prefix) - 1;

	while (len > 0 && strchr(" \t\r", line[len - 1]))
		len--;
	if (len == 0)
		return true;
	if (line[0] == '#')
		return line[len - 1] != '\\';
	if (len <= head || strncmp(line, prefix, head) != 0)
		return false;
	name = strspn(line + head, name_chars);
	return name > 0 && head + name < len && line[head + name] == '=' &&
	       is_value(line + head, line + head + name + 1, len - head - name - 1);
}

static int check_lines(const char *path, const char *text, struct kf_error *err)
{
	unsigned number = 1;
	const char *end;

	for (; *text; text = *end ? end + 1 : end, number++) {
		end = strchrnul(text, '\n');
		if (is_line(text, (size_t)(end - text)))
			continue;
		kf_fail(err, KF_CONFIG, "%s: Kconfig never writes such a line as line %u: %.*s",
			path, number, (int)(end - text > 60 ? 60 : end - text), text);
		return kf_error_hint(err, "make would run this line: do not use this file");
	}
	return 0;
}

int kf_kconfig_parse(const char *name, const char *text, size_t len, struct kf_kconfig *ret,
		     struct kf_error *err)
{
	_cleanup_(kf_kconfig_free) struct kf_kconfig config = { 0 };
	int r;

	text = kf_text_without_bom(text, &len);
	if (len > CONFIG_MAX)
		return kf_fail(err, KF_CONFIG, "%s: too large for a Kconfig file", name);
	if (memchr(text, '\0', len))
		return kf_fail(err, KF_CONFIG, "%s: not a Kconfig file: it has a NUL byte", name);
	config.text = strndup(text, len);
	if (!config.text)
		return kf_fail_sys(err, ENOMEM, "%s", name);
	config.len = len;
	r = check_lines(name, config.text, err);
	if (r < 0)
		return r;
	if (!kf_kconfig_get(&config, "MCU", config.mcu, sizeof(config.mcu)) || !config.mcu[0])
		(void)kf_kconfig_get(&config, "BOARD_DIRECTORY", config.mcu, sizeof(config.mcu));
	config.comm = comm_of(&config);
	r = read_start(name, &config, err);
	if (r < 0)
		return r;
	*ret = config;
	ret->text = TAKE_PTR(config.text);
	return 0;
}

int kf_kconfig_load(const char *path, struct kf_kconfig *ret, struct kf_error *err)
{
	_cleanup_(kf_freep) char *text = NULL;
	size_t len;
	int r = kf_file_read(path, CONFIG_MAX, &text, &len, err);

	return r < 0 ? r : kf_kconfig_parse(path, text, len, ret, err);
}

void kf_kconfig_free(struct kf_kconfig *config)
{
	free(config->text);
	*config = (struct kf_kconfig){ 0 };
}

const char *kf_comm_name(enum kf_comm comm)
{
	static const char *const names[] = {
		[KF_COMM_UNKNOWN] = "unknown", [KF_COMM_USB] = "usb",	    [KF_COMM_CAN] = "can",
		[KF_COMM_USBCAN] = "usbcan",   [KF_COMM_SERIAL] = "serial",
	};

	return names[comm];
}

void kf_kconfig_summary(const struct kf_kconfig *config, char *ret, size_t size)
{
	bool known = config->comm != KF_COMM_UNKNOWN;

	kf_text_format(ret, size, "%s, application at 0x%08x%s%s", config->mcu, config->start,
		       known ? ", " : "", known ? kf_comm_name(config->comm) : "");
}

bool kf_kconfig_is_file(const struct kf_kconfig *config, const char *path)
{
	char there[KF_HEX_SIZE], wanted[KF_HEX_SIZE];

	kf_sha256(config->text, config->len, wanted);
	return kf_file_sha256(path, there, NULL) == 0 && strcmp(there, wanted) == 0;
}
