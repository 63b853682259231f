/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which of the scanned boards a command is for. Boards are JSON arrays of valid records. */
#ifndef KF_CORE_SELECTION_H
#define KF_CORE_SELECTION_H

#include "core/record.h"

/*
 * The registered boards among found: a new array. A person is asked about those that can be worked
 * on; with all come also the excluded, the failed and the absent ones, for the last stage tells of
 * each what became of it. With absent (what is done needs no board), those that are not connected
 * are like the others. -ENODEV (KF_NOTHING_CONNECTED) or -ENOENT (KF_NOT_REGISTERED) if there are
 * none, or if one has to be connected and none is: saying what is there instead; with all, *ret has
 * the registered ones also then (else it stays as it is).
 */
_must_check_ int kf_selection_make(const json_t *found, bool all, bool absent, json_t **ret,
				   struct kf_error *err);

/*
 * "2 boards: octopus-pro, nitehawk; not connected: toolhead". The caller frees it; NULL: no memory.
 */
char *kf_selection_summary(const json_t *boards);

/*
 * Ask at the terminal: "VERB this board?" about one, which of them about several. Returns 1
 * and a new array of the chosen ones, 0 for none of them, or as kf_terminal_ask.
 */
_must_check_ int kf_selection_ask(const json_t *boards, int tty, const char *verb, json_t **ret,
				  struct kf_error *err);

#endif
