/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The note of a board's last flash, $XDG_STATE_HOME/kalico-flash/boards/KEY.json, and the history
 * of all flashes beside it. The hash is removed from the note before anything may be written to
 * the board: a note that has a hash was true when kf-flash left the board. A flash by another
 * program since then is not in it.
 */
#ifndef KF_BOARD_LAST_FLASH_H
#define KF_BOARD_LAST_FLASH_H

#include "board/board.h"

/* In place of a bootloader: a file was being written to the SD card from which the board's
 * bootloader takes it; and what an error then says. */
#define KF_LAST_FLASH_SDCARD "sdcard"
#define KF_LAST_FLASH_CARD   "its SD card may have only a part of the firmware"

struct kf_last_flash {
	char version[KF_NAME_SIZE]; /* as the board told it; empty: never seen */
	char sha256[KF_HEX_SIZE];   /* of the image that we flashed; empty: not flashed by us */
	char serial[KF_NAME_SIZE];  /* of the chip that was flashed */
	char port[64];		    /* the USB port that it was on */
	int64_t time_s;		    /* Unix time of the flash */
	int64_t took_ms;	    /* of the flash itself; 0: not measured */
	int64_t tried_s;	    /* Unix time at which a flash was begun that is incomplete */
	/* Katapult refused an image because it starts applications here; 0: it refused none */
	uint32_t katapult_start;
	/* Version and hash of an image that is on its SD card, and did not run when kf-flash left
	 * the board: it has to be power-cycled. Empty: none. */
	char pending[KF_NAME_SIZE], pending_sha256[KF_HEX_SIZE];
	bool reading; /* it was sent into Katapult to be read, and was not seen to come back */
	/* kf_mode_name or kf_loader_name of the bootloader in which a flash was begun that no later
	 * one has verified, or KF_LAST_FLASH_SDCARD; empty: none */
	char incomplete[64];
};

/* A missing or unreadable file gives an empty note. */
void kf_last_flash_load(const char *key, struct kf_last_flash *ret);
_must_check_ int kf_last_flash_save(const char *key, const struct kf_last_flash *last,
				    struct kf_error *err);

/*
 * Before the board may be written to: set the port in its note, and remove the hashes. If the note
 * cannot be written, it is deleted.
 */
_must_check_ int kf_last_flash_begin(const struct kf_board *board, struct kf_error *err);

/*
 * Before the first block is sent to the board of this key (empty: there is no note): note that its
 * firmware is incomplete, until kf_last_flash_save says that a flash was verified. in is the
 * kf_mode_name or kf_loader_name of the bootloader that the board is in or goes to, or
 * KF_LAST_FLASH_SDCARD. The note is on
 * the disk when this returns. Errors as kf_last_flash_save.
 */
_must_check_ int kf_last_flash_incomplete(const char *key, const char *in, struct kf_error *err);

/*
 * Katapult has refused an image, for it starts the application elsewhere: note where. The next
 * configuration of this board (empty key: there is no note) begins with that.
 */
void kf_last_flash_refused(const char *key, uint32_t katapult_start);

/* Note that Katapult reads the board of this key (empty: there is no note), or has ended. */
void kf_last_flash_reading(const char *key, bool reading);

/*
 * Add to err that the firmware is incomplete, and how to get the board back into its bootloader,
 * unless err's own hint has to be followed first. in is the bootloader of the incomplete flash;
 * empty: the firmware is not incomplete, and err stays. waits: the board is in its bootloader now,
 * and answers.
 */
void kf_last_flash_hint(const char *in, bool waits, struct kf_error *err);

/* The same by the note, for a board that does not answer. True: its firmware is incomplete. */
bool kf_last_flash_explain(const char *key, struct kf_error *err);

/* "double-click its reset button, ...": the way into the bootloader of that mode, or around it;
 * empty: none. */
const char *kf_last_flash_remedy(const char *in);

/* For a board whose firmware is incomplete: "REMEDY, then run COMMAND". A connected one needs no
 * button: it is sent into its bootloader. */
void kf_last_flash_next(const struct kf_board *board, const char *command, char *ret, size_t size);

/* Append a finished record to history.jsonl beside boards/. */
_must_check_ int kf_history_append(const json_t *record, struct kf_error *err);

#endif
