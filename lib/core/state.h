/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a board ran when we last saw it: $XDG_STATE_HOME/kalico-flash/boards/KEY.json. The hash is
 * struck out before anything may be written to the board, so a note that has one was true when
 * we let go of the board; who flashed it since by other means, it does not know.
 */
#ifndef KF_CORE_STATE_H
#define KF_CORE_STATE_H

#include "core/board.h"

struct kf_state {
	char version[KF_NAME_SIZE]; /* as the board told it; empty: never seen */
	char sha256[KF_HEX_SIZE];   /* of the image that we flashed; empty: not flashed by us */
	char serial[KF_NAME_SIZE];  /* of the chip that was flashed */
	char port[64];		    /* the USB port that it was on */
	int64_t time_s;		    /* Unix time of the flash */
	char incomplete[64]; /* kf_mode_name or kf_loader_name of the bootloader in which a flash
				was begun, and not proved since; empty: none */
};

/* A missing or unreadable file is an empty state: there is nothing to tell. */
void kf_state_load(const char *key, struct kf_state *ret);
_must_check_ int kf_state_save(const char *key, const struct kf_state *state, struct kf_error *err);

/*
 * The board is there, and may be written to from now on: note its port, strike the hash out; if
 * that cannot be written, remove the note.
 */
_must_check_ int kf_state_begin(const struct kf_board *board, struct kf_error *err);

/*
 * The first block goes out to the board of this key (empty: nothing to note) now; in is the
 * kf_mode_name or kf_loader_name of the bootloader that it is in or goes to. The note is on the
 * disk when this returns: from here on the firmware is incomplete, until a flash is proved
 * (kf_state_save). Errors as kf_state_save.
 */
_must_check_ int kf_state_incomplete(const char *key, const char *in, struct kf_error *err);

/*
 * If the firmware is incomplete: what err does not say of it yet, and the way back, unless err's
 * own hint has to be followed first. in is the mode of the bootloader in which it was begun (empty:
 * it is not incomplete), waits: the board is in its bootloader and answers.
 */
void kf_incomplete_explain(const char *in, bool waits, struct kf_error *err);

/* The same by the note, of a board that does not wait. True: the firmware on it is incomplete. */
bool kf_state_explain(const char *key, struct kf_error *err);

/* "double-click its reset button, ...": the way into the bootloader of that mode; empty: none. */
const char *kf_incomplete_remedy(const char *in);

/* Append a finished record to history.jsonl beside boards/. */
_must_check_ int kf_history_append(const json_t *record, struct kf_error *err);

#endif
