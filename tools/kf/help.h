/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The help texts. Each function writes one to standard output and returns the exit status. */
#ifndef KF_TOOLS_KF_HELP_H
#define KF_TOOLS_KF_HELP_H

#include "commands.h"

/* kf --help */
int help_print(void);

/* kf COMMAND --help, of a command that has a help of its own. */
int help_print_command(const struct command *command);

/* kf help [NAME], with the words behind "help" (NULL-terminated). It may become NAME's tool. */
int help_run(char *const *args);

#endif
