/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Compares a saved configuration with what a source tree makes of it. Kconfig silently drops the
 * value of a symbol that the tree renamed: the firmware may then be for another MCU (Klipper
 * 906431bb0).
 */
#ifndef KF_FIRMWARE_KCONFIG_DIFFERENCE_H
#define KF_FIRMWARE_KCONFIG_DIFFERENCE_H

#include "firmware/kconfig.h"

/*
 * Only what saved sets is compared: architecture, MCU, application address, clock, crystal, pins,
 * communication; CAN speed and baud rate only where saved uses them. What is new in now is no
 * difference. KF_CONFIG_DIFFERENCE: all that differs, both values each; key is for the hint, which
 * names --accept-difference only where that helps: not where the MCU becomes another than the
 * board's, which is mcu (empty: not known). command takes it: "kf flash octopus", "the same
 * command".
 */
_must_check_ int kf_kconfig_compare(const struct kf_kconfig *saved, const struct kf_kconfig *now,
				    const char *key, const char *mcu, const char *command,
				    struct kf_error *err);

/*
 * What differs, also what only other sets, as text: "crystal: saved 8000000, board 12000000; pins:
 * saved none, board "!PC13"", with other_is for "board", cut between them. False and "" where
 * there is nothing.
 */
bool kf_kconfig_differences(const struct kf_kconfig *saved, const struct kf_kconfig *other,
			    const char *other_is, char *ret, size_t size);

enum { KF_LOST_SIZE = 256 };

/*
 * The names that saved sets and now has no more, beyond what is compared: "WANT_DISPLAYS,
 * STEP_DELAY", cut between names; "" for none. A file does not tell what its owner set: symbols
 * that trees only derive are known by their names (HAVE_*, NEED_*) and left out.
 */
void kf_kconfig_lost(const struct kf_kconfig *saved, const struct kf_kconfig *now,
		     char ret[KF_LOST_SIZE]);

#endif
