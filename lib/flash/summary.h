/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What is going to happen to a board, and what happened, each in one line for people. */
#ifndef KF_FLASH_SUMMARY_H
#define KF_FLASH_SUMMARY_H

#include "flash/plan.h"

/* "would flash FILE (version, MCU, bytes) by METHOD at PORT, stopping UNIT" */
void kf_summary_plan(const struct kf_plan *plan, bool stops_units, char *ret, size_t size);

/* "flashed: runs VERSION now, 2.1 s", or "current: VERSION: why" from the record's "flash". */
void kf_summary_result(const json_t *flash, const char *version, char *ret, size_t size);

/*
 * "label  word  reason, or versions and method" from a record that kf-flash has finished; version
 * is the image's.
 */
void kf_summary_line(const json_t *record, const char *label, const char *version, char *ret,
		     size_t size);

#endif
