/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>
#include <strings.h>

#include "board/identity.h"
#include "build/menu-source.h"
#include "core/file.h"
#include "core/paths.h"
#include "core/text.h"

enum { SOURCE_MAX = 1 << 20 };

int kf_menu_source_read(const struct kf_tree *tree, const char *folder, char **ret,
			struct kf_error *err)
{
	char path[PATH_MAX];
	size_t len;
	int r = kf_path_format(path, err, "%s/src/%s/Kconfig", tree->dir, folder);

	return r < 0 ? r : kf_file_read(path, SOURCE_MAX, ret, &len, err);
}

/* Finds "config SYMBOL" and the first prompt behind it. */
bool kf_menu_source_label(const char *kconfig, const char *symbol, char ret[KF_NAME_SIZE])
{
	size_t len = strlen(symbol);
	const char *at = kconfig, *end, *text;

	while ((at = strstr(at, "config "))) {
		at += strlen("config ");
		if (strncmp(at, symbol, len) != 0 || at[len] != '\n')
			continue;
		end = strstr(at, "\n\n");
		text = strstr(at + len, "config ");
		end = text && (!end || text < end) ? text : end;
		text = strstr(at, "bool \"");
		if (!text || (end && text > end))
			continue;
		text += strlen("bool \"");
		kf_text_clean(ret, KF_NAME_SIZE, text, strcspn(text, "\"\n"));
		return true;
	}
	return false;
}

/* Does name mean this MCU? atmega328 does not mean atmega328p; stm32h723 means stm32h723xx. */
static bool is_model(const char *name, const char *mcu)
{
	return strcasecmp(name, mcu) == 0 ||
	       (strncmp(name, "atmega", 6) != 0 && kf_mcu_same(name, mcu));
}

/*
 * default "stm32f446xx" if MACH_STM32F446 || ...: each symbol in turn; *at is "config MCU" first.
 */
static bool next_model(const char **at, const char *end, const char *mcu, char ret[KF_SYMBOL_SIZE])
{
	char name[64];
	const char *line;
	size_t len;

	for (line = *at; (line = strstr(line, "default \"")) && line < end; line++) {
		len = strcspn(line + 9, "\"\n");
		kf_text_clean(name, sizeof(name), line + 9, len);
		*at = line + 9 + len;
		if (strncmp(*at, "\" if MACH_", 10) != 0 || !is_model(name, mcu))
			continue;
		*at += strlen("\" if ");
		len = strcspn(*at, " \t\n)");
		kf_text_format(ret, KF_SYMBOL_SIZE, "%.*s", (int)len, *at);
		return true;
	}
	return false;
}

bool kf_menu_source_model(const char *text, const char *mcu, const char **at,
			  char ret[KF_SYMBOL_SIZE])
{
	const char *begin = strstr(text, "config MCU\n"), *end;
	char label[KF_NAME_SIZE];

	begin = begin ? begin + strlen("config MCU") : "";
	end = strstr(begin, "\nconfig ");
	end = end ? end : strchr(begin, '\0');
	*at = *at ? *at : begin;
	while (next_model(at, end, mcu, ret))
		if (kf_menu_source_label(text, ret, label))
			return true;
	return false;
}
