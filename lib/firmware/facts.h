/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a firmware tells of the configuration that made it: its Kconfig, where it carries one
 * (Klipper from v0.13.0-753, Kalico from v2026.09.00-3), and its constants. It comes from a data
 * dictionary or from Klippy (mcu_kconfig, mcu_constants), and is hostile until it is checked here.
 */
#ifndef KF_FIRMWARE_FACTS_H
#define KF_FIRMWARE_FACTS_H

#include "core/error.h"

struct kf_facts {
	/* savedefconfig's text, each line checked: "" is the tree's default, an ATmega2560.
	 * NULL: it carries none, or one that is refused. */
	char *kconfig;
	char refused[KF_NAME_SIZE]; /* "it ...": why that is not taken; "": it is, or there is none
				     */
	json_t *constants;	    /* object: names to clean strings and integers */
	json_t *commands;	    /* object: the names of all commands; NULL: not known */
};

/*
 * From a dictionary's JSON text. A Kconfig with a line that Kconfig does not write is refused, and
 * the rest is taken. KF_PROTOCOL: not a dictionary's JSON; then *ret is untouched.
 */
_must_check_ int kf_facts_parse(const char *json, size_t len, struct kf_facts *ret,
				struct kf_error *err);

/* The same from the members that Klippy shows; each may be NULL. They stay the caller's. */
_must_check_ int kf_facts_from(const json_t *constants, const json_t *kconfig,
			       const json_t *commands, struct kf_facts *ret, struct kf_error *err);

void kf_facts_free(struct kf_facts *facts);

/* A constant as text: a number is written in decimal. False: there is none. */
bool kf_facts_text(const struct kf_facts *facts, const char *name, char *ret, size_t size);

#endif
