/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Klipper's klippy/configfile.py: "[section]", then "option: value" or "option = value". */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "board/identity.h"
#include "core/text.h"
#include "firmware/printer-pins.h"

enum { SECTION_SIZE = 32, HEADER_MAX = 8192, ENOUGH = 4 };

static const struct {
	const char *section, *other, *option;
} places[KF_PINS] = {
	{ "stepper_x", "stepper_a", "step_pin" }, { "stepper_y", "stepper_b", "step_pin" },
	{ "stepper_z", "stepper_c", "step_pin" }, { "extruder", NULL, "step_pin" },
	{ "extruder", NULL, "heater_pin" },	  { "heater_bed", NULL, "heater_pin" },
};

/* " !mcu:PE2 # comment": the pin of this MCU in capitals; false: another MCU's, or none. */
static bool read_pin(const char *value, size_t len, const char *mcu, char ret[KF_PIN_SIZE])
{
	const char *end = value + len, *colon;
	size_t used = 0;

	while (value < end && strchr(" \t!^~", *value))
		value++;
	for (const char *p = value; p < end; p++)
		if (*p == '#' || *p == ';' || isspace((unsigned char)*p))
			end = p;
	colon = memchr(value, ':', (size_t)(end - value));
	if (colon &&
	    !((size_t)(colon - value) == strlen(mcu) && strncasecmp(value, mcu, strlen(mcu)) == 0))
		return false;
	if (!colon && strcmp(mcu, "mcu") != 0)
		return false;
	for (const char *p = colon ? colon + 1 : value; p < end && used < KF_PIN_SIZE - 1; p++)
		if (isalnum((unsigned char)*p) || *p == '.' || *p == '_')
			ret[used++] = (char)toupper((unsigned char)*p);
	ret[used] = '\0';
	return used > 0;
}

static void read_option(const char *section, const char *line, size_t len, const char *mcu,
			struct kf_pins *ret)
{
	size_t name = 0, at;
	char pin[KF_PIN_SIZE];

	while (name < len && (isalnum((unsigned char)line[name]) || line[name] == '_'))
		name++;
	for (at = name; at < len && (line[at] == ' ' || line[at] == '\t'); at++)
		;
	if (at == len || (line[at] != ':' && line[at] != '='))
		return;
	for (size_t i = 0; i < KF_PINS; i++) {
		if (strlen(places[i].option) != name ||
		    strncmp(line, places[i].option, name) != 0 ||
		    (strcmp(section, places[i].section) != 0 &&
		     (!places[i].other || strcmp(section, places[i].other) != 0)))
			continue;
		if (read_pin(line + at + 1, len - at - 1, mcu, pin))
			kf_text_format(ret->pin[i], KF_PIN_SIZE, "%s", pin);
	}
}

void kf_pins_read(const char *text, size_t len, const char *mcu, struct kf_pins *ret)
{
	const char *end = text + len, *next, *close;
	char section[SECTION_SIZE] = "";

	*ret = (struct kf_pins){ 0 };
	mcu = mcu[0] ? mcu : "mcu";
	for (const char *line = text; line < end; line = next) {
		next = memchr(line, '\n', (size_t)(end - line));
		len = (size_t)((next ? next : end) - line);
		next = next ? next + 1 : end;
		close = line[0] == '[' ? memchr(line, ']', len) : NULL;
		if (close)
			kf_text_clean(section, sizeof(section), line + 1,
				      (size_t)(close - line - 1));
		else
			read_option(section, line, len, mcu, ret);
	}
}

bool kf_pins_match(const struct kf_pins *a, const struct kf_pins *b)
{
	unsigned equal = 0;

	for (size_t i = 0; i < KF_PINS; i++) {
		if (!a->pin[i][0] || !b->pin[i][0])
			continue;
		if (strcmp(a->pin[i], b->pin[i]) != 0)
			return false;
		equal++;
	}
	return equal >= ENOUGH;
}

/*
 * The comment lines at the head as one line of lower case without quotes, each run of blanks as
 * one: "12MHz" and "crystal" may stand on two lines. An empty line ends a sentence, not the head.
 */
static void read_head(const char *text, size_t len, char ret[HEADER_MAX])
{
	bool begins = true;
	size_t used = 0;

	for (size_t i = 0; i < len && used < HEADER_MAX - 3; i++) {
		char c = (char)tolower((unsigned char)text[i]);

		if (begins && c != '#' && c != '\n' && c != '\r')
			break;
		if (begins && c == '\n' && used > 0 && ret[used - 1] == ' ') {
			ret[used - 1] = '.';
			ret[used++] = ' ';
		}
		begins = c == '\n';
		if (!isspace((unsigned char)c) && !strchr("#\"", c))
			ret[used++] = c;
		else if (c != '"' && used > 0 && ret[used - 1] != ' ')
			ret[used++] = ' ';
	}
	ret[used] = '\0';
}

/* Does the sentence name an MCU, and is one of them the board's? */
static void find_mcus(const char *sentence, const char *mcu, bool *ret_any, bool *ret_ours)
{
	static const char *const begins[] = { "stm32", "lpc17", "rp2040", "rp2350", "sam3",
					      "sam4",  "samd",	"same",	  "atmega", "at90",
					      "hc32",  "n32",	"at32",	  "gd32f1", "gd32f3" };
	char word[KF_NAME_SIZE];
	size_t len;

	for (; *sentence; sentence += len ? len : 1) {
		for (len = 0; isalnum((unsigned char)sentence[len]); len++)
			;
		if (len < 5 || len >= sizeof(word))
			continue;
		kf_text_format(word, sizeof(word), "%.*s", (int)len, sentence);
		for (size_t i = 0; i < KF_ARRAY_SIZE(begins); i++) {
			if (strncmp(word, begins[i], strlen(begins[i])) != 0 ||
			    strcmp(word, "stm32") == 0)
				continue;
			*ret_any = true;
			*ret_ours = *ret_ours || kf_mcu_same(mcu, word);
		}
	}
}

/* The number right before at, spaces between allowed. False: there is none. */
static bool number_before(const char *begin, const char *at, unsigned *ret)
{
	const char *p = at;

	while (p > begin && p[-1] == ' ')
		p--;
	if (p == begin || !isdigit((unsigned char)p[-1]))
		return false;
	while (p > begin && isdigit((unsigned char)p[-1]))
		p--;
	*ret = (unsigned)strtoul(p, NULL, 10);
	return *ret < 4096;
}

struct heard {
	unsigned offsets, crystals; /* how many different ones */
	uint32_t offset;
	unsigned crystal_mhz;
};

static void hear_offset(struct heard *h, uint32_t offset)
{
	if (h->offsets == 0 || h->offset != offset)
		h->offsets++;
	h->offset = offset;
}

static void read_sentence(const char *sentence, struct heard *h)
{
	unsigned number;

	for (const char *p = sentence; (p = strstr(p, "kib")); p++)
		if (number_before(sentence, p, &number))
			hear_offset(h, number * 1024 + (strstr(p, "512 byte") ? 512 : 0));
	if (strstr(sentence, "no bootloader"))
		hear_offset(h, 0);
	for (const char *p = sentence; (p = strstr(p, "mhz")); p++) {
		if (!number_before(sentence, p, &number) ||
		    (strncmp(p, "mhz crystal", 11) != 0 && strncmp(p, "mhz clock", 9) != 0))
			continue;
		if (h->crystals == 0 || h->crystal_mhz != number)
			h->crystals++;
		h->crystal_mhz = number;
	}
}

bool kf_board_header_read(const char *text, size_t len, const char *mcu,
			  struct kf_board_header *ret)
{
	bool any = false, ours = false, here_any, here_ours;
	struct heard h = { 0 };
	char head[HEADER_MAX], *sentence, *end;

	read_head(text, len, head);
	for (sentence = head; *sentence; sentence = end) {
		end = strstr(sentence, ". ");
		end = end ? end + 2 : strchr(sentence, '\0');
		if (*end)
			end[-1] = '\0';
		here_any = here_ours = false;
		find_mcus(sentence, mcu, &here_any, &here_ours);
		any = any || here_any;
		ours = ours || here_ours;
		if (here_ours || !here_any)
			read_sentence(sentence, &h);
	}
	if ((any && !ours) || (h.offsets != 1 && h.crystals != 1))
		return false;
	*ret = (struct kf_board_header){ .offset_told = h.offsets == 1,
					 .offset = h.offset,
					 .crystal_told = h.crystals == 1,
					 .crystal_mhz = h.crystal_mhz };
	return true;
}
