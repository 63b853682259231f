/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The commands that show or change the registry, for the table of struct command. */
#ifndef KF_TOOLS_KF_CONFIG_REGISTRY_H
#define KF_TOOLS_KF_CONFIG_REGISTRY_H

#include "commands.h"

int command_show(struct args *args, char **words, struct kf_error *err);
int command_list(struct args *args, char **words, struct kf_error *err);
int command_set(struct args *args, char **words, struct kf_error *err);
int command_remove(struct args *args, char **words, struct kf_error *err);
int command_import(struct args *args, char **words, struct kf_error *err);
int command_export(struct args *args, char **words, struct kf_error *err);
int command_add(struct args *args, char **words, struct kf_error *err);

#endif
