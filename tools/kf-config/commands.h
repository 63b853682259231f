/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The commands of kf-config, what its command line says, and which command takes what of that. */
#ifndef KF_TOOLS_KF_CONFIG_COMMANDS_H
#define KF_TOOLS_KF_CONFIG_COMMANDS_H

#include <limits.h>

#include "registry/add.h"
#include "registry/remove.h"
#include "terminal/options.h"

struct args {
	struct kf_common common;
	char klipper_dir[PATH_MAX], from[PATH_MAX];
	struct kf_add request;
	int64_t timeout_ms, wait_ms, baud;
	const char *port, *bootloader;
	struct kf_remove remove;
	bool menuconfig, saved, connected, accept_difference, global, from_board, prove, compare;
};

struct command {
	const char *name; /* NULL: the filter, which has none */
	/* Returns an exit status or an error; words (NULL-terminated) stand behind the name. */
	int (*run)(struct args *args, char **words, struct kf_error *err);
	int min, max;	     /* words */
	const char *options; /* besides those that all take: names, a space around each */
	const char *wants;   /* said where there are too few words */
	const char *help;    /* what stands above its options; NULL: the help of all */
};

/* Without a command: the "config" member of each record that comes in (filter.c). */
int filter_run(struct args *args, char **words, struct kf_error *err);

/* The commands that show or change the registry (registry.c). */
int command_show(struct args *args, char **words, struct kf_error *err);
int command_list(struct args *args, char **words, struct kf_error *err);
int command_set(struct args *args, char **words, struct kf_error *err);
int command_remove(struct args *args, char **words, struct kf_error *err);
int command_import(struct args *args, char **words, struct kf_error *err);
int command_export(struct args *args, char **words, struct kf_error *err);
int command_add(struct args *args, char **words, struct kf_error *err);

/*
 * Read the command line: the command and its words. Returns -1 to go on, or the status to leave
 * with; the message is written then.
 */
int command_read(int argc, char **argv, struct args *args, const struct command **ret,
		 char ***ret_words);

#endif
