/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Symbols are known by patterns of their names, which Klipper, Kalico and their forks share: so a
 * new symbol is compared, too.
 */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "board/identity.h"
#include "core/text.h"
#include "firmware/kconfig-difference.h"

enum { PATTERNS_MAX = 8, VALUE_SIZE = 128 };

static const char mcu_subject[] = "MCU", architecture[] = "architecture";

/*
 * If a subject has a value, only the value is compared: it does not matter which entry of a menu it
 * comes from.
 */
static const struct subject {
	const char *what, *value;
	const char *former;		   /* name of value */
	const char *symbols[PATTERNS_MAX]; /* fnmatch(3) patterns */
	unsigned comms;			   /* only for boards that talk so; 0: for all */
} subjects[] = {
	{ mcu_subject, "MCU", NULL, { NULL }, 0 },
	{ architecture, NULL, NULL, { "MACH_*", "BOARD_DIRECTORY" }, 0 },
	{ "application address",
	  "FLASH_APPLICATION_ADDRESS",
	  "FLASH_START", /* until Klipper 9b342c65c */
	  { "*_FLASH_START_*", "*_FLASH_APPLICATION_ADDRESS_*", "FLASH_START_*" },
	  0 },
	{ "clock", "CLOCK_FREQ", NULL, { "*_FREQ_[0-9]*", "*_CLOCK_SPEED_*" }, 0 },
	{ "crystal", "CLOCK_REF_FREQ", NULL, { "CLOCK_REF_*", "*_CLOCK_REF_*" }, 0 },
	{ "pins", NULL, NULL, { "*_PIN_*", "INITIAL_PINS", "CAN_PINS_*" }, 0 },
	{ "communication interface",
	  NULL,
	  NULL,
	  { "*_USB", "*_USB_P*", "*_SERIAL", "*_SERIAL_*", "*_CANBUS", "*_CANBUS_*",
	    "*_USBCANBUS*" },
	  0 },
	{ "kind of communication",
	  NULL,
	  NULL,
	  { "USBSERIAL", "SERIAL", "CANSERIAL", "USBCANBUS" },
	  0 },
	{ "baud rate", "SERIAL_BAUD", NULL, { "SERIAL_BAUD" }, 1u << KF_COMM_SERIAL },
	/* Trees of 2022 write it into every configuration, also without CAN. */
	{ "CAN bus frequency",
	  "CANBUS_FREQUENCY",
	  NULL,
	  { "CANBUS_FREQUENCY" },
	  1u << KF_COMM_CAN | 1u << KF_COMM_USBCAN },
};

static bool belongs(const struct subject *s, const char *symbol)
{
	/* HAVE_ is a property of the chip, and USB_ a name on USB: neither chooses an interface. */
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

/* The choice that a symbol stands for: of a bool its own name, of others the value; "": not set. */
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

/* The value that decides a subject, under its name or its former one; "" where it is not set. */
static void decided(const struct subject *s, const struct kf_kconfig *config, char ret[VALUE_SIZE])
{
	chosen(config, s->value, ret);
	if (!ret[0] && s->former)
		chosen(config, s->former, ret);
}

/* The values of one subject on both sides. */
struct difference {
	char was[VALUE_SIZE], is[VALUE_SIZE];
	bool chosen; /* an entry of a menu is another one, too */
};

/* Was something saved on this subject, and is it another now? */
static bool differs(const struct subject *s, const struct kf_kconfig *saved,
		    const struct kf_kconfig *now, struct difference *ret)
{
	if (s->comms && !(s->comms & 1u << saved->comm))
		return false;
	only_in(s, saved, now, ret->was);
	only_in(s, now, saved, ret->is);
	ret->chosen = ret->was[0];
	if (!s->value)
		return ret->was[0];
	decided(s, saved, ret->was);
	if (!ret->was[0]) {
		only_in(s, saved, now, ret->was);
		return ret->was[0];
	}
	decided(s, now, ret->is);
	return !equal(ret->was, ret->is);
}

/*
 * Does this difference make firmware for another MCU than the board's? mcu is "" if nobody knows
 * it. A saved configuration may name no MCU, only the architecture.
 */
static bool is_other_mcu(const char *subject, const char *mcu, const struct kf_kconfig *now)
{
	if (subject == architecture)
		return !mcu[0] || !kf_mcu_same(mcu, now->mcu);
	return subject == mcu_subject;
}

/* Add the remedy. No --accept-difference if the MCU differs: the board keeps its MCU. */
static void hint(struct kf_error *err, const char *key, const char *command, bool other_mcu,
		 bool by_choice)
{
	if (other_mcu)
		kf_error_hint(err,
			      "this tree has another name for it: choose the MCU and all that is "
			      "listed again with kf config %s",
			      key);
	else if (by_choice)
		kf_error_hint(err,
			      "choose it again with kf config %s; or accept the change: %s "
			      "--accept-difference",
			      key, command);
	else
		kf_error_hint(err,
			      "no entry of menuconfig changes it, the source tree does; to accept "
			      "the change: %s --accept-difference",
			      command);
}

int kf_kconfig_compare(const struct kf_kconfig *saved, const struct kf_kconfig *now,
		       const char *key, const char *mcu, const char *command, struct kf_error *err)
{
	bool other_mcu = false, by_choice = false;
	char all[sizeof(err->message)] = "";
	struct difference d;
	size_t used = 0;

	for (size_t i = 0; i < KF_ARRAY_SIZE(subjects); i++) {
		if (!differs(&subjects[i], saved, now, &d))
			continue;
		other_mcu = other_mcu || is_other_mcu(subjects[i].what, mcu, now);
		by_choice = by_choice || d.chosen;
		kf_text_format(all + used, sizeof(all) - used, "%s%s: saved %s, now %s",
			       used ? "; " : "", subjects[i].what, d.was, d.is[0] ? d.is : "none");
		used = strlen(all);
	}
	if (!used)
		return 0;
	kf_fail(err, KF_CONFIG_DIFFERENCE,
		"the source tree would change the saved configuration: %s", all);
	hint(err, key, command, other_mcu, by_choice);
	return kf_code_errno(KF_CONFIG_DIFFERENCE);
}

bool kf_kconfig_differences(const struct kf_kconfig *saved, const struct kf_kconfig *other,
			    const char *other_is, char *ret, size_t size)
{
	struct difference d, back;
	char one[2 * VALUE_SIZE + KF_NAME_SIZE];

	ret[0] = '\0';
	for (size_t i = 0; i < KF_ARRAY_SIZE(subjects); i++) {
		if (!differs(&subjects[i], saved, other, &d)) {
			if (!differs(&subjects[i], other, saved, &back))
				continue;
			memcpy(d.was, back.is, sizeof(d.was));
			memcpy(d.is, back.was, sizeof(d.is));
		}
		kf_text_format(one, sizeof(one), "%s: saved %s, %s %s", subjects[i].what,
			       d.was[0] ? d.was : "none", other_is, d.is[0] ? d.is : "none");
		if (!kf_text_add(ret, size, "; ", one))
			break;
	}
	return ret[0];
}

/* Is the symbol compared above, or never chosen by a person? */
static bool untold(const char *symbol)
{
	static const char *const derived[] = { "HAVE_*", "NEED_*", "FLASH_START", "*_BUILD_MCU",
					       "SERIAL_BOOTLOADER_SIDECHANNEL",
					       /* only shows more entries of menuconfig */
					       "LOW_LEVEL_OPTIONS" };

	for (size_t i = 0; i < KF_ARRAY_SIZE(derived); i++)
		if (fnmatch(derived[i], symbol, 0) == 0)
			return true;
	for (size_t i = 0; i < KF_ARRAY_SIZE(subjects); i++)
		if (belongs(&subjects[i], symbol) ||
		    (subjects[i].value && strcmp(subjects[i].value, symbol) == 0))
			return true;
	return false;
}

void kf_kconfig_lost(const struct kf_kconfig *saved, const struct kf_kconfig *now,
		     char ret[KF_LOST_SIZE])
{
	char symbol[KF_NAME_SIZE], was[VALUE_SIZE], is[VALUE_SIZE];
	const char *at = saved->text;

	ret[0] = '\0';
	while (kf_kconfig_next(&at, symbol)) {
		chosen(saved, symbol, was);
		if (!was[0] || untold(symbol) || kf_kconfig_get(now, symbol, is, sizeof(is)))
			continue;
		if (!kf_text_add(ret, KF_LOST_SIZE, ", ", symbol))
			return;
	}
}
