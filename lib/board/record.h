/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Records: JSON Lines, one object a line, one line a board (kf-record(5), and
 * kf-record.schema.json beside this file). A tool adds its own member and leaves
 * the others exactly as they came, known or not; member order is kept.
 */
#ifndef KF_BOARD_RECORD_H
#define KF_BOARD_RECORD_H

#include "board/board.h"

#define KF_RECORD_VERSION 1
#define KF_RECORD_MAX	  (1 << 20) /* bytes in a line; a longer one is refused */

/*
 * Called for a board that failed because its line could not be kept as it came; key may be NULL.
 * kf_log_error is such a function.
 */
typedef void kf_record_lost(const char *key, const struct kf_error *why);

struct kf_reader {
	FILE *in;
	kf_record_lost *lost; /* called for each line that is an error; or NULL */
	unsigned line;	      /* the number of the line read last */
};

/*
 * The next record. Returns 1 and a new reference in *ret, 0 at the end of input,
 * or -EBADMSG, -EPROTONOSUPPORT (a newer version), -EIO with "line N: ..." in err.
 * Blank lines are passed over. What it returns has been validated. A line with a number that
 * cannot be kept (an integer of more than 64 bits, a number above all doubles) is a record that
 * failed, in the running tool's name, with null in that number's place.
 */
_must_check_ int kf_record_read(struct kf_reader *reader, json_t **ret, struct kf_error *err);

/*
 * All records to the end of input, appended to the JSON array records. If it fails, the caller must
 * not work on any record. KF_USAGE if in is a terminal: records come from a pipe.
 */
_must_check_ int kf_record_read_all(FILE *in, kf_record_lost *lost, json_t *records,
				    struct kf_error *err);

/* Types and bounds of all that we know in a record; -EBADMSG names the member. */
_must_check_ int kf_record_validate(const json_t *record, struct kf_error *err);

/* The digits that keep the numbers in value: 15 write 0.1 as a person does; at most 17. */
int kf_json_digits(const json_t *value);

/* Write one line and flush it, so that the next stage starts at once. */
_must_check_ int kf_record_write(FILE *out, const json_t *record, struct kf_error *err);

/*
 * Records between the stages of kf travel in files in memory (memfd_create(2)): whole, and no
 * writer waits for a reader. An empty file, close-on-exec; the caller closes *ret.
 */
_must_check_ int kf_records_file(int *ret, struct kf_error *err);

/* Make such a file with these records; its position is the start. */
_must_check_ int kf_records_save(const json_t *records, int *ret, struct kf_error *err);

/* The records in fd from its start: a new JSON array. Errors as kf_record_read. */
_must_check_ int kf_records_load(int fd, json_t **ret, struct kf_error *err);

/* {"kf":1,"board":...,"error":null}; a new reference. */
json_t *kf_record_new(const struct kf_board *board);

/* Has an earlier stage failed this board? Such a record passes through untouched. */
bool kf_record_failed(const json_t *record);

/* Has kf-flash --check said that this board will be skipped? Nothing is to be made for it. */
bool kf_record_skipped(const json_t *record);

/* Set "error" from err, in tool's name. */
void kf_record_set_error(json_t *record, const char *tool, const struct kf_error *err);

/*
 * The exit status of a run over boards (kalico-flash(7), EXIT STATUS): that of their errors, if the
 * boards failed for reasons of one status and no other board did well; 75 (busy, printing, timeout)
 * also if others did, because a second try is enough; else 1 if a board failed, or 0.
 */
struct kf_tally {
	int status; /* of the errors so far; 1 if they differ */
	bool well;  /* a registered board that is not excluded did not fail */
};

/* Add a board that failed with code, or (KF_OK) did not. KF_CODE_COUNT: a code that is not ours. */
void kf_tally_add(struct kf_tally *tally, const struct kf_board *board, enum kf_code code);
int kf_tally_status(const struct kf_tally *tally);

/* The same of records; a board that was skipped counts for nothing. */
int kf_record_status(const json_t *records);

/* The record's board; it has one, or it is not valid. Errors as kf_board_from_json. */
_must_check_ int kf_record_board(const json_t *record, struct kf_board *ret, struct kf_error *err);

/* The same of record i of an array. False: there is none, or it is not valid. */
bool kf_record_at(const json_t *records, size_t i, struct kf_board *ret);

#endif
