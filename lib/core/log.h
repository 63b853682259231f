/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Messages for people, on standard error. Only tools call this; lib reports through struct
 * kf_error and callbacks.
 *
 *   [Build] octopus-pro: make -j4 in ~/klipper
 *   kf-flash: octopus-pro: block 0x08021240: want ACK, got NACK
 *     power-cycle the board, then try again
 */
#ifndef KF_CORE_LOG_H
#define KF_CORE_LOG_H

#include "core/error.h"

/*
 * Comes first: from here on 0, 1 and 2 are open, if only to fail. quiet drops phase lines and
 * progress, never errors. Colour and bars only on a terminal, without NO_COLOR.
 */
void kf_log_init(const char *tool, bool quiet);

/* Others of us write there, too: each message in one write, and plain lines instead of bars. */
void kf_log_share(void);

/* The tool's name as given to kf_log_init. */
const char *kf_log_tool(void);

/* "[phase] subject: text"; subject may be NULL. */
void kf_log_phase(const char *phase, const char *subject, const char *fmt, ...) _printf_(3, 4);

/* "tool: subject: message", the hint below it, and the log's path; subject may be NULL. */
void kf_log_error(const char *subject, const struct kf_error *err);

/* The last lines of another program's log, cleaned, each behind "  | ". */
void kf_log_tail(const char *path);

/* "tool: subject: warning text". */
void kf_log_warn(const char *subject, const char *fmt, ...) _printf_(2, 3);

/*
 * A progress bar on a terminal; elsewhere one plain line at each full quarter. On a terminal
 * neither is wider than that. done equal to total ends it. Safe to call as often as there is news.
 */
void kf_log_progress(const char *phase, const char *subject, const char *what, size_t done,
		     size_t total);

#endif
