/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What every tool answers to its command line: the text that it asks for, or what is wrong with
 * it. Only tools call this, after kf_log_init(). Each returns the exit status.
 */
#ifndef KF_CORE_USAGE_H
#define KF_CORE_USAGE_H

#include <getopt.h>

#include "core/error.h"

/* --help and --version, to standard output; 74, and said why, if that cannot be written. */
int kf_usage_print(const char *text);

/* A mistake: "tool: message", and below it where the usage is. */
int kf_usage_mistake(const char *fmt, ...) _printf_(1, 2);

/* The same when err has the message; a hint of its own stays. */
int kf_usage_error(struct kf_error *err);

/* The line below the message, for getopt says its own. */
int kf_usage_see(void);

/*
 * What is left of the command line, of a command or (NULL) of none: from min to max arguments.
 * wants is said where there are too few. Returns -1 if all is well.
 */
int kf_usage_arguments(const char *command, char *const *args, int min, int max, const char *wants);

/* A command (one of args, NULL-terminated) that stands behind options; the hint has the right line.
 */
int kf_usage_late(const char *command, char *const *args);

/*
 * r came of writing an answer: if nobody reads standard output any more (-EPIPE), end by SIGPIPE
 * and without a word, as programs do that never heard of it.
 */
void kf_usage_unread(int r);

/*
 * How a tool ends: r is the exit status of a run that came to its end, or negative, and err says
 * why. Says err and returns the status of that, or 128 + N after stop signal N, which needs no
 * words.
 */
int kf_usage_end(int r, const struct kf_error *err);

/* The long name of the option that getopt_long returned as c, without dashes. */
const char *kf_usage_option(const struct option *options, int c);

#endif
