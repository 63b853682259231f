/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Messages for people, on standard error. Only tools call this; lib reports through struct
 * kf_error and callbacks.
 *
 *   [Build] octopus-pro: make -j4 in ~/klipper
 *   kf-flash: octopus-pro: block 0x08021240: want ACK, got NACK
 *     power-cycle the board, then try again
 */
#ifndef KF_TERMINAL_LOG_H
#define KF_TERMINAL_LOG_H

#include "core/error.h"
#include "terminal/screen.h"

/*
 * Call this first: from then on 0, 1 and 2 are open, if only to fail. quiet drops phase lines and
 * progress, never errors. On a terminal, lines are wrapped at words, a bar shows progress and,
 * without NO_COLOR, there are colours. While a board has a line of its own (terminal/live.h), its
 * phases and its progress are on that, and its error or its verdict takes the line away.
 */
void kf_log_init(const char *tool, bool quiet);

/*
 * Other processes of ours write there, too: plain lines instead of bars. to is the SOCK_SEQPACKET
 * socket of the process that draws the boards' lines, which gets all messages; -1: there is none.
 */
void kf_log_share(int to);

/* Show the messages that have come, and the lines as they are now. False: the senders have ended.
 */
bool kf_log_receive(int from);

/*
 * Has this terminal shown every error of a record that we read? kf says so of its stages in
 * $KF_TOLD; in a shell's pipe, nobody knows where a record comes from.
 */
bool kf_log_told(void);

/* The tool's name as given to kf_log_init. */
const char *kf_log_tool(void);

/* "[phase] subject: text"; subject may be NULL. */
void kf_log_phase(const char *phase, const char *subject, const char *fmt, ...) _printf_(3, 4);

/*
 * The same for what came of a subject. text's first words, up to ":" or ",", are its verdict, and
 * get the colour.
 */
void kf_log_done(const char *phase, const char *subject, enum kf_colour colour, const char *fmt,
		 ...) _printf_(4, 5);

/* "tool: subject: message", the hint below it, and the log's path; subject may be NULL. */
void kf_log_error(const char *subject, const struct kf_error *err);

/* The last lines of another program's log, cleaned, each behind "  | ". */
void kf_log_tail(const char *path);

/* "tool: subject: warning text". */
void kf_log_warn(const char *subject, const char *fmt, ...) _printf_(2, 3);

/* The same under another name than the tool's: that by which it was called. */
void kf_log_error_as(const char *name, const struct kf_error *err);

/* The same of an error that ends nothing, with its hint below. */
void kf_log_problem(const char *subject, const struct kf_error *err);

/*
 * Bytes done of total. A bar on a terminal, never wider than that; elsewhere one plain line when
 * what begins or, with KF_PROGRESS=quarters, at each full quarter. done equal to total ends it.
 * Safe to call as often as there is news.
 */
void kf_log_progress(const char *phase, const char *subject, const char *what, size_t done,
		     size_t total);

#endif
