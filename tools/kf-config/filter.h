/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Without a command: the "config" member of each record that comes in. */
#ifndef KF_TOOLS_KF_CONFIG_FILTER_H
#define KF_TOOLS_KF_CONFIG_FILTER_H

#include "commands.h"

/* For the table of struct command. */
int filter_run(struct args *args, char **words, struct kf_error *err);

#endif
