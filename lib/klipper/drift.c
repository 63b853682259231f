/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Symbols are told by their names' shape, which Klipper, Kalico and their forks share, so that
 * a symbol of tomorrow is compared too.
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "klipper/drift.h"

enum { PATTERNS_MAX = 8, VALUE_SIZE = 128 };

/* Where a subject has a value, that decides: which entry of a menu it comes from does not matter.
 */
static const struct subject {
	const char *what, *value;
	const char *former;		   /* name of value */
	const char *symbols[PATTERNS_MAX]; /* fnmatch(3) patterns */
} subjects[] = {
	{ "MCU", "MCU", NULL, { NULL } },
	{ "architecture", NULL, NULL, { "MACH_*", "BOARD_DIRECTORY" } },
	{ "application address",
	  "FLASH_APPLICATION_ADDRESS",
	  "FLASH_START", /* until Klipper 9b342c65c */
	  { "*_FLASH_START_*", "*_FLASH_APPLICATION_ADDRESS_*" } },
	{ "clock", "CLOCK_FREQ", NULL, { "*_FREQ_[0-9]*", "*_CLOCK_SPEED_*" } },
	{ "crystal", "CLOCK_REF_FREQ", NULL, { "CLOCK_REF_*", "*_CLOCK_REF_*" } },
	{ "communication interface",
	  NULL,
	  NULL,
	  { "*_USB", "*_USB_P*", "*_SERIAL", "*_SERIAL_*", "*_CANBUS", "*_CANBUS_*",
	    "*_USBCANBUS*" } },
	{ "kind of communication",
	  NULL,
	  NULL,
	  { "USBSERIAL", "SERIAL", "CANSERIAL", "USBCANBUS" } },
	{ "baud rate", "SERIAL_BAUD", NULL, { NULL } },
	{ "CAN bus frequency", "CANBUS_FREQUENCY", NULL, { NULL } },
};

static bool belongs(const struct subject *s, const char *symbol)
{
	/* What the chip can do, and how USB names it, is no choice of an interface. */
	if (strncmp(symbol, "HAVE_", 5) == 0 || strncmp(symbol, "USB_", 4) == 0)
		return false;
	for (size_t i = 0; i < PATTERNS_MAX && s->symbols[i]; i++)
		if (fnmatch(s->symbols[i], symbol, 0) == 0)
			return true;
	return false;
}

/* Numbers are equal whatever their zeros and their case. */
static bool equal(const char *a, const char *b)
{
	char *end_a, *end_b;
	unsigned long long x = strtoull(a, &end_a, 0), y = strtoull(b, &end_b, 0);

	if (end_a != a && !*end_a && end_b != b && !*end_b)
		return x == y;
	return strcmp(a, b) == 0;
}

/* What a symbol chooses: a bool its own name, others their value; "" where it is not set. */
static void chosen(const struct kf_kconfig *config, const char *symbol, char ret[VALUE_SIZE])
{
	if (!kf_kconfig_get(config, symbol, ret, VALUE_SIZE) || strcmp(ret, "n") == 0)
		ret[0] = '\0';
	else if (strcmp(ret, "y") == 0)
		kf_text_format(ret, VALUE_SIZE, "%s", symbol);
}

/* The first choice of a's on this subject that is not b's too, or "". */
static void only_in(const struct subject *s, const struct kf_kconfig *a, const struct kf_kconfig *b,
		    char ret[VALUE_SIZE])
{
	char symbol[KF_NAME_SIZE], there[VALUE_SIZE];
	const char *at = a->text;

	ret[0] = '\0';
	while (kf_kconfig_next(&at, symbol)) {
		if (!belongs(s, symbol))
			continue;
		chosen(a, symbol, ret);
		chosen(b, symbol, there);
		if (ret[0] && !equal(ret, there))
			return;
		ret[0] = '\0';
	}
}

/* Was something saved on this subject, and is it another now? */
static bool differs(const struct subject *s, const struct kf_kconfig *saved,
		    const struct kf_kconfig *now, char was[VALUE_SIZE], char is[VALUE_SIZE])
{
	if (s->value) {
		chosen(saved, s->value, was);
		if (!was[0] && s->former)
			chosen(saved, s->former, was);
		chosen(now, s->value, is);
		if (was[0])
			return !equal(was, is);
	}
	only_in(s, saved, now, was);
	only_in(s, now, saved, is);
	return was[0];
}

int kf_drift_check(const struct kf_kconfig *saved, const struct kf_kconfig *now, const char *key,
		   struct kf_error *err)
{
	char all[sizeof(err->message)] = "", was[VALUE_SIZE], is[VALUE_SIZE];
	size_t used = 0;

	for (size_t i = 0; i < KF_ARRAY_SIZE(subjects); i++) {
		if (!differs(&subjects[i], saved, now, was, is))
			continue;
		kf_text_format(all + used, sizeof(all) - used, "%s%s: saved %s, now %s",
			       used ? "; " : "", subjects[i].what, was, is[0] ? is : "none");
		used = strlen(all);
	}
	if (!used)
		return 0;
	kf_fail(err, KF_CONFIG_DRIFT, "the source tree makes something else of what was saved: %s",
		all);
	kf_error_hint(
		err,
		"review it: kf-scan --device %s | kf-config --menuconfig (or kf config %s); to "
		"take it as it is: kf-scan --device %s | kf-config --accept-drift",
		key, key, key);
	return kf_code_errno(KF_CONFIG_DRIFT);
}
