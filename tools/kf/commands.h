/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The commands of kf, and how a word finds its own. Status: the exit status; the message is written
 * then.
 */
#ifndef KF_TOOLS_KF_COMMANDS_H
#define KF_TOOLS_KF_COMMANDS_H

#include "core/base.h"

enum stage { SCAN, CHECK, CONFIG, BUILD, FLASH, STAGE_COUNT };
/* Sets of stages. SCAN is in each set that is not empty. */
enum { TO_CHECK = 1 << CHECK, TO_CONFIG = 1 << CONFIG, TO_BUILD = 1 << BUILD };
enum { TO_FLASH = 1 << FLASH, TO_ALL = TO_CHECK | TO_CONFIG | TO_BUILD | TO_FLASH };

struct command {
	const char *name;
	/* Without stages: the command becomes this tool, with these words. With stages: args[0] is
	 * the tool that has the manual, and the words behind it go to kf-config. */
	const char *args[5];
	unsigned stages;  /* the stages that run after kf-scan; 0: none */
	const char *verb; /* for its question; NULL: it asks none */
	const char *help; /* what its help says above its options; NULL: its tool says all */
};

/* The command of this name, whole. NULL: there is none. */
const struct command *command_find(const char *name);

bool command_is(const struct command *command, const char *name);

/* Is it the name of a command, or is there a kf-WORD? */
bool command_exists(const char *word);

/*
 * The command that word means: itself, or the only one that begins with it. NULL: it begins none.
 * *ret_status is set, and the message written, if it begins several.
 */
const char *command_complete(const char *word, int *ret_status);

/*
 * Become the tool of a command, with the words of rest (NULL-terminated); it then answers as
 * "kf COMMAND". Returns the status if that fails.
 */
int command_exec(const struct command *command, char *const *rest);

/*
 * kf NAME for a name that is no command of ours: become kf-NAME. Returns the status if there is
 * none: its hint is the command or the board that was meant.
 */
int command_exec_other(const char *name, char *const *rest);

#endif
