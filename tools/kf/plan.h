/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which stages a command runs, with which words, on which boards; and running them. Status: the
 * exit status; the message is written then.
 */
#ifndef KF_TOOLS_KF_PLAN_H
#define KF_TOOLS_KF_PLAN_H

#include "commands.h"

/* The words of the command line, sorted by stage. They belong to the caller. */
struct plan {
	const struct command *command;
	const char **argv[STAGE_COUNT]; /* NULL-terminated */
	size_t argc[STAGE_COUNT];
	const char **keys; /* NULL-terminated; the others are parts of its memory */
	size_t key_count;
	bool all, menuconfig, from, yes; /* these options were given */
};

/*
 * Room for the words of args (NULL-terminated): each may go to every stage and, for each of its
 * letters, an option's name. Returns 0, or the status; plan_free frees it then, too.
 */
int plan_init(struct plan *plan, const struct command *command, char *const *args);
void plan_free(struct plan *plan); /* accepts a zeroed plan */

/* Append a word to the words of a stage. */
void plan_add(struct plan *plan, enum stage stage, const char *word);

/* Find the programs of all stages before the first one starts, then run them. Returns the status.
 */
int plan_run(struct plan *plan);

/* Is no board registered? False as well: the registry cannot be read. */
bool nothing_registered(void);

#endif
