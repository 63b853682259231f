/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The options of a tool: a table says what each of them sets. All tools have --help and --version,
 * and most have --json, --table and --quiet. Only tools call this.
 */
#ifndef KF_TERMINAL_OPTIONS_H
#define KF_TERMINAL_OPTIONS_H

#include <getopt.h>

#include "core/value.h"

/*
 * An option sets a member of the tool's own struct: without an argument a bool, with a number an
 * int64_t, else a const char * (a word of the command line), or an array that gets a copy. A row
 * without a letter that sets the same member as the one before it is another name of that option.
 */
struct kf_option {
	const char *name; /* long, without dashes */
	int letter;	  /* 0: none */
	int argument;	  /* getopt_long(3)'s no_argument, required_argument, optional_argument */
	enum kf_value value;
	size_t offset, size; /* of the member; size only of an array, else 0 */
	/* Instead of that, called with the tool's struct; text is NULL where there is no argument.
	 */
	int (*read)(void *args, const char *text, struct kf_error *err);
};

/* Rows of the table of a tool whose struct is called args. */
#define KF_OPTION_FLAG(name, letter, member)                                                       \
	{                                                                                          \
		name, letter, no_argument, KF_VALUE_ANY, offsetof(struct args, member), 0, NULL    \
	}
#define KF_OPTION_VALUE(name, letter, value, member)                                               \
	{                                                                                          \
		name, letter, required_argument, value, offsetof(struct args, member), 0, NULL     \
	}
#define KF_OPTION_COPY(name, letter, member)                                                       \
	{                                                                                          \
		name, letter, required_argument, KF_VALUE_TEXT, offsetof(struct args, member),     \
			sizeof(((struct args *)0)->member), NULL                                   \
	}
#define KF_OPTION_READ(name, letter, argument, read)                                               \
	{                                                                                          \
		name, letter, argument, KF_VALUE_ANY, 0, 0, read                                   \
	}

/* The values of --json, --table and --quiet. */
struct kf_common {
	bool table;  /* for people, else JSON; where neither is said: on a terminal */
	bool chosen; /* --table was said */
	bool quiet;
	uint64_t given; /* bit i: option i of the tool's table was given */
};

struct kf_options {
	const char *tool; /* its name */
	const char *help;
	const struct kf_option *list;
	size_t count;			      /* 56 at most */
	int (*show_help)(char *const *words); /* for --help instead of help; NULL: help */
	bool stops; /* at the first word that is no option: those behind it are a command's */
};

/*
 * Begins a tool: from here on kf_log_... works, and is quiet if that was said. common is NULL for a
 * tool that has none of those three. Returns -1 to go on (optind is the first word that is no
 * option), or the exit status, with its message written. Called again, it goes on at optind.
 */
int kf_options_read(const struct kf_options *options, int argc, char **argv, void *args,
		    struct kf_common *common);

#endif
