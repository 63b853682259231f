/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Choosing boards: which of the scanned ones a command works on. Boards are JSON arrays of valid
 * records.
 */
#ifndef KF_REGISTRY_CHOOSING_H
#define KF_REGISTRY_CHOOSING_H

#include "board/record.h"

/*
 * List the registered boards among found: a new array. Only those that can be flashed now, unless
 * all is set: then also the excluded, the failed and the absent ones, so that the last stage
 * reports each of them. absent: the command needs no connected board, so that a board which is not
 * connected counts like the others.
 *
 * -ENODEV (KF_NOTHING_CONNECTED) or -ENOENT (KF_NOT_REGISTERED) if the list is empty, or if a board
 * has to be connected and none is; the message says what is there instead. With all, *ret is set
 * also then.
 */
_must_check_ int kf_choosing_list(const json_t *found, bool all, bool absent, json_t **ret,
				  struct kf_error *err);

/*
 * "2 boards: octopus-pro, nitehawk; not connected: toolhead". The caller frees it; NULL: no memory.
 */
char *kf_choosing_summary(const json_t *boards);

/*
 * Ask at the terminal: "VERB this board?" for one board, which of them for several. Returns 1 and a
 * new array of the chosen ones, 0 for none of them, or as kf_terminal_ask.
 */
_must_check_ int kf_choosing_ask(const json_t *boards, int tty, const char *verb, json_t **ret,
				 struct kf_error *err);

/*
 * Read an answer: numbers from 1 or keys, apart by spaces or commas; "a" or "all" for every board;
 * "q" or nothing for none. Returns 1 and a new array of the boards in their order, 0 for none, or
 * -EINVAL (KF_USAGE), naming the word that it did not understand.
 */
_must_check_ int kf_choosing_read(const json_t *boards, const char *answer, json_t **ret,
				  struct kf_error *err);

#endif
