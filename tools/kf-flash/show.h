/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The messages of kf-flash for people: while it works on a board, and about the result. */
#ifndef KF_TOOLS_KF_FLASH_SHOW_H
#define KF_TOOLS_KF_FLASH_SHOW_H

#include "options.h"

/* Progress of a job, for struct kf_progress. */
void show_step(void *arg, const char *text);
void show_progress(void *arg, const char *what, size_t done, size_t total);

/* The message, below the end of its log if it has one. */
void show_failure(const struct kf_board *board, const struct kf_error *err);

/* Say that we wait for another kf-flash on the board, or for a Klippy that is slow to answer. */
void show_wait(const struct kf_board *board, const char *other);
void show_slow(const char *klippy);

/* "would flash FILE (version, MCU, bytes) by METHOD at PORT, stopping UNIT" */
void describe_plan(const struct kf_plan *plan, bool stops_units, char *ret, size_t size);

/* flash is the member of the record: the board was flashed, or has the image already. */
void show_result(const struct kf_job *job, const json_t *flash);

/* "label  result  reason, or versions and method" of a board that is done. */
void print_line(const struct kf_job *job, const struct args *args);

#endif
