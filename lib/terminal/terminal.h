/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Questions to the person at the terminal. They go to /dev/tty: a tool's standard streams
 * belong to its pipe.
 */
#ifndef KF_TERMINAL_TERMINAL_H
#define KF_TERMINAL_TERMINAL_H

#include "core/error.h"

/*
 * Open /dev/tty. -ENXIO (KF_USAGE) when there is no terminal, or another job has it (to ask
 * from the background would stop us): the hint is the caller's to set.
 */
_must_check_ int kf_terminal_open(int *ret, struct kf_error *err);

/* Show the text, which ends in a newline, wrapped at words. -EIO, -ENOMEM. */
int kf_terminal_tell(int tty, const char *fmt, ...) _printf_(2, 3);

/*
 * Show the text and wait for a line. Returns 1 with the answer, clean and without the
 * spaces around it (possibly empty), in ret; 0 when the user leaves (q, quit, Ctrl-D, hang-up);
 * -EINTR for a stop signal; -EIO. An answer with control characters is asked for again.
 */
_must_check_ int kf_terminal_ask(int tty, char *ret, size_t size, struct kf_error *err,
				 const char *fmt, ...) _printf_(5, 6);

/*
 * Show the text and "[y/N] ", or "[Y/n] " where enter is true. Returns 1 for yes; 0 for no; enter
 * for an empty line; -ECANCELED (KF_INTERRUPTED) when the user leaves; or as above. enter is true
 * only where the user has asked for the work already, and the text says all that it does.
 */
_must_check_ int kf_terminal_confirm(int tty, bool enter, struct kf_error *err, const char *fmt,
				     ...) _printf_(4, 5);

/* Has the user left a question of this process? Then nothing more is to be asked. */
bool kf_terminal_left(void);

/*
 * The environment for a program that draws on the terminal (curses), where ours will not do: a
 * locale that is installed, for setlocale(3) refuses others, and a TERM that has a terminfo(5)
 * entry and can move the cursor. list is for struct kf_process's env: NULL-terminated, without
 * what is good as it is. Where no better one is installed, a bad one is left as it is.
 */
struct kf_terminal_env {
	char locale[32], term[KF_NAME_SIZE];
	const char *list[3]; /* points into this struct */
};
void kf_terminal_env(struct kf_terminal_env *ret);

#endif
