/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The tools composed. Commands and options are data; the work is the stages'. */
#include <getopt.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/process.h"
#include "core/toolpath.h"
#include "kf/commands.h"
#include "kf/help.h"
#include "kf/options.h"
#include "kf/plan.h"
#include "registry/prefix.h"
#include "registry/registry.h"
#include "terminal/log.h"
#include "terminal/screen.h"
#include "terminal/usage.h"

enum { STATUS_MS = 60000 };

static char *const no_words[] = { NULL };

/* kf add: kf-scan finds all boards, kf-config add reads them, with its own options. */
static int add(char *const *args)
{
	_cleanup_(plan_free) struct plan plan = { 0 };
	int status = plan_init(&plan, command_find("add"), args);

	for (char *const *arg = args; status == 0 && *arg; arg++) {
		/* These need no board that is plugged in. */
		if (strcmp(*arg, "-h") == 0 || strcmp(*arg, "--help") == 0 ||
		    strncmp(*arg, "--pattern", strlen("--pattern")) == 0)
			return command_exec(plan.command, args);
		plan_add(&plan, CONFIG, *arg);
	}
	return status == 0 ? plan_run(&plan) : status;
}

/*
 * For kf show and kf set: keys that were not typed to their end become whole ones, and it is said
 * which. The registry stays in memory, for the keys are its. Returns 0 or the exit status; what is
 * wrong with the registry, or with another word, is told by who looks for the board.
 */
static int expand_keys(const char **keys)
{
	static struct kf_registry registry;
	const char *key;
	struct kf_error err;
	bool cut;

	if (!keys[0] || (!registry.root && kf_registry_load(&registry, &err) < 0))
		return 0;
	for (; *keys; keys++) {
		if (kf_prefix_find(&registry, *keys, &key, &cut, &err) < 0)
			return kf_usage_error(&err);
		if (cut)
			kf_log_phase("Discovery", NULL, "\"%s\" is %s", *keys, key);
		*keys = key;
	}
	return 0;
}

/*
 * kf alone, on a terminal: show the status of all boards. True: nothing is registered, so there is
 * nothing to ask; kf update needs no registration.
 */
static bool show_status(int *ret)
{
	char path[PATH_MAX];
	const char *const argv[] = { path, "--table", NULL };
	const struct kf_process process = { .argv = argv,
					    .in = -1,
					    .out = STDOUT_FILENO,
					    .err = STDERR_FILENO,
					    .foreground = true };
	bool none;
	int status;

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) ||
	    kf_tool_find("kf-status", path, NULL) < 0)
		return false;
	none = nothing_registered();
	if (kf_process_run(&process, kf_now_ms() + STATUS_MS, &status, NULL) < 0)
		return false;
	*ret = kf_process_status(status);
	if (none && *ret == 0) {
		const struct kf_screen screen = kf_screen_of(stdout);

		kf_screen_lines(&screen, "kf add gives a board a name of your own, or has kf leave "
					 "it alone\n");
	}
	return none;
}

/* named: the command was typed; else all words are boards. */
static int run_stages(const struct command *command, bool named, int argc, char *argv[])
{
	_cleanup_(plan_free) struct plan plan = { 0 };
	enum request request = RUN_STAGES;
	int status = plan_init(&plan, command, argv);

	if (status == 0)
		status = options_read(&plan, named, argc, argv, &request);
	if (status >= 0)
		return status;
	switch (request) {
	case ADD_BOARD:
		return add(no_words);
	case LIST_BOARDS:
		return command_exec(command_find("list"), no_words);
	case REMOVE_BOARD:
		return command_exec(command_find("remove"), (char *[]){ optarg, NULL });
	case SHOW_HELP:
		return named ? help_print_command(command) : help_print();
	case SHOW_VERSION:
		return kf_usage_print("kf " KF_VERSION "\n");
	case RUN_STAGES:
		break;
	}
	return plan_run(&plan);
}

/* Under sudo, say once whose registry is used; not where only help is asked for. */
static void report_sudo(char *const *args)
{
	static const char *const silent[] = { "-q", "--quiet",	 "-h",	"--help",
					      "-V", "--version", "help" };
	char text[PATH_MAX + 256];

	for (; *args; args++)
		for (size_t i = 0; i < KF_ARRAY_SIZE(silent); i++)
			if (strcmp(*args, silent[i]) == 0)
				return;
	if (kf_registry_by_sudo(text, sizeof(text)))
		kf_log_phase("Registry", NULL, "%s", text);
}

/* kf show KEY and kf set KEY: the key may be cut, too. Elsewhere, it has to be whole. */
static int run_tool(const struct command *command, char **args)
{
	bool keyed = command_is(command, "show") || command_is(command, "set");
	const char *keys[] = { args[0], NULL };
	int status = 0;

	for (char **arg = args; command->help && *arg; arg++)
		if (strcmp(*arg, "-h") == 0 || strcmp(*arg, "--help") == 0)
			return help_print_command(command);
	if (keyed && args[0] && args[0][0] != '-')
		status = expand_keys(keys);
	if (status != 0)
		return status;
	if (args[0])
		args[0] = (char *)keys[0]; /* exec changes no word */
	return command_exec(command, args);
}

int main(int argc, char *argv[])
{
	const struct command *command;
	int status = -1;
	const char *name;

	kf_log_init("kf", false);
	kf_usage_called(argv);
	report_sudo(argv + (argc > 0));
	if (argc < 2 && show_status(&status))
		return status;
	if (argc < 2 || argv[1][0] == '-')
		return run_stages(command_find("flash"), false, argc, argv);
	name = command_complete(argv[1], &status);
	if (status >= 0)
		return status;
	command = name ? command_find(name) : NULL;
	if (!command)
		return command_exec_other(name ? name : argv[1], argv + 2);
	if (command_is(command, "help"))
		return help_run(argv + 2);
	if (command_is(command, "add"))
		return add(argv + 2);
	if (!command->stages)
		return run_tool(command, argv + 2);
	argv[1] = argv[0]; /* for getopt's messages */
	return run_stages(command, true, argc - 1, argv + 1);
}
