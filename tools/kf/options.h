/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The options of the commands that run stages, and which stages they are passed on to. */
#ifndef KF_TOOLS_KF_OPTIONS_H
#define KF_TOOLS_KF_OPTIONS_H

#include "plan.h"

/* The request of a command line; some are made by an option of the Python tool. */
enum request { RUN_STAGES, ADD_BOARD, LIST_BOARDS, REMOVE_BOARD, SHOW_HELP, SHOW_VERSION };

/*
 * Read argv into the plan, whose command it is; not named: the command was not typed, so that all
 * words are boards. Returns -1 with *ret set, or the exit status of a mistake, with its message
 * written. The first option that asks for something else than RUN_STAGES ends the reading, and
 * getopt's optarg is its argument: the key of REMOVE_BOARD.
 */
int options_read(struct plan *plan, bool named, int argc, char *argv[], enum request *ret);

/*
 * Write the help of the options that a command takes; NULL: of all except --help and --version.
 * Returns the exit status.
 */
int options_print(const struct command *command);

#endif
