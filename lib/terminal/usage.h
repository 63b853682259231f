/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Answers to a command line: help, version, and mistakes. Only tools call this, after
 * kf_log_init(). Each returns the exit status.
 */
#ifndef KF_TERMINAL_USAGE_H
#define KF_TERMINAL_USAGE_H

#include <getopt.h>

#include "core/error.h"

/* --help and --version, to standard output; 74 with a message if that cannot be written. */
int kf_usage_print(const char *text);

/* A mistake: "tool: message", and below it where the usage is. */
int kf_usage_mistake(const char *fmt, ...) _printf_(1, 2);

/* The same when err has the message; a hint of its own stays. */
int kf_usage_error(struct kf_error *err);

/*
 * Call this first: argv are the tool's words. What kf has started for a command of its own is
 * called as the user called it ("kf list", argv[0]): its mistakes and its hints name that.
 */
void kf_usage_called(char *const *argv);

/* Was this program called by the name of the tool kf-NAME, or as kf calls it ("kf NAME")? */
bool kf_usage_is(const char *name);

/* The command that hints name behind the tool's name: "see kf flash --help". */
void kf_usage_command(const char *command);

/*
 * The message for a word that getopt_long(3) has refused ('?'), and the option that was meant. Its
 * own messages are off, after kf_usage_called: they know no terminal. shorts are the letters that
 * it was given.
 */
int kf_usage_see(const struct option *options, const char *shorts, char *const *argv);

/*
 * Of a help text, write the lines of the options that are wanted, and nothing else. A line of an
 * option has its long name ("  -q, --quiet"); indented lines without one belong to the option
 * above.
 */
int kf_usage_print_options(const char *text, bool (*wanted)(const char *name, const void *arg),
			   const void *arg);

/*
 * Check the arguments of a command, or (NULL) of none: min to max of them. wants is the message if
 * there are too few. Returns -1 if all is well.
 */
int kf_usage_arguments(const char *command, char *const *args, int min, int max, const char *wants);

/* A command (one of args, NULL-terminated) that stands behind options; the hint has the right line.
 */
int kf_usage_late(const char *command, char *const *args);

/* Write what standard output still holds. KF_IO and so on: it cannot be written. */
_must_check_ int kf_usage_flush(struct kf_error *err);

/*
 * r is the result of writing: if nobody reads standard output any more (-EPIPE), end by SIGPIPE
 * without a message, as most programs do.
 */
void kf_usage_unread(int r);

/*
 * End a tool: r is the exit status of a complete run, or negative with err. Writes err and returns
 * its status, or returns 128 + N without a message after stop signal N.
 */
int kf_usage_end(int r, const struct kf_error *err);

#endif
