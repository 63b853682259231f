/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <limits.h>
#include <string.h>

#include "core/toolpath.h"
#include "help.h"
#include "options.h"
#include "terminal/usage.h"

/* At most 24 lines of 80 columns. */
static const char help[] =
	"usage: kf [COMMAND] [OPTION]... [KEY...]\n\n"
	"Brings the firmware of Klipper and Kalico boards up to date. Without a command\n"
	"it shows them and asks which to flash. In the order in which they are needed:\n\n"
	"  status          each board: up to date, or behind by how much\n"
	"  update [KEY...] build and flash what is behind, after one question\n"
	"  add             register the board that is plugged in\n"
	"  list            all boards: connected [OK], not [--], not registered [??]\n"
	"  flash [KEY...]  configure, build and flash; --all for every registered board\n"
	"  build [KEY...]  configure and build, flash nothing\n"
	"  config [KEY...] edit the boards' configuration in menuconfig\n"
	"  show, set, remove, export, import   what is registered\n"
	"  doctor          look for what would go wrong\n"
	"  scan, service, sim   any other NAME runs kf-NAME\n"
	"  help [NAME]     a command, options, states, or the manual of kf-NAME\n\n"
	"Commands and keys may be shortened while one alone fits: kf fl octo\n\n"
	"  -h, --help      this text; behind a command, that command's\n"
	"  -V, --version   the version\n";

static const char other_options_help[] =
	"\nThe Python tool's options, before a command's place:\n"
	"      --device=KEY          kf flash KEY\n"
	"      --add-device          kf add\n"
	"      --list-devices        kf list\n"
	"      --remove-device=KEY   kf remove KEY\n"
	"\n  -h, --help                the help of kf, or of a command\n"
	"  -V, --version             the version\n";

static const char states_help[] =
	"The words of kf status; kf update builds and flashes what is marked *:\n\n"
	"  up to date     it runs the commit of its source tree\n"
	"* behind by N    the tree has N commits more\n"
	"  ahead by N     it has N commits more than the tree\n"
	"  differs        another branch, a changed tree, or Kalico against Klipper\n"
	"* incomplete     a flash was cut off\n"
	"  pending        firmware is on its SD card: power-cycle the printer\n"
	"* in its bootloader   it waits for firmware\n"
	"  not connected  named by a printer or registered, and not there\n"
	"  not asked      nobody tells its version; the reason stands behind it\n"
	"  firmware of others  Beacon, Cartographer: left alone\n"
	"  of no printer here  no Klippy and no printer.cfg of this machine names it\n"
	"  of a printer that is not known   a printer.cfg cannot be read, or its Klippy\n"
	"                 is silent: it may name the board\n"
	"  Klippy runs another version than its tree has   the tree was updated, and\n"
	"                 Klippy was not started again\n"
	"  ready, startup, shutdown, error   Klippy's own word; stopped: it does not run;\n"
	"                 unknown: it does not answer\n"
	"  printing, paused, running G-code  kf update and kf flash wait for its end\n\n"
	"The marks and words of kf list:\n\n"
	"  [OK]           connected, and registered or named by a printer\n"
	"  [--]           not connected\n"
	"  [??]           nobody has registered it: kf add; on CAN or a UART: nobody has\n"
	"                 asked it whether it is there\n\n"
	"  katapult       in its bootloader; dfu, rp2boot: in its chip's\n"
	"  other          no firmware of Klipper's or Kalico's\n"
	"  incomplete     a flash was cut off: kf flash KEY\n"
	"  excluded       never flashed: kf set KEY flashable=true includes it\n"
	"  blocked        firmware of others, left alone\n"
	"  duplicate      two boards fit its key\n"
	"  UNIT           the service that has its port\n\n"
	"The results of kf flash:\n\n"
	"  flashed        written, read back, and running the new version\n"
	"  pending        on its SD card: power-cycle the printer, then kf status\n"
	"  current        it had this firmware already: nothing was written\n"
	"  skipped, failed, dry_run   see the reason behind it\n";

int help_print(void)
{
	return kf_usage_print(help);
}

/* Show this option of a tool in the help of kf? Not what kf gives it, nor what is for programs. */
static bool of_tool(const char *name, const void *arg)
{
	static const char *const left_out[] = { "table", "all", "keys", "ports" };

	(void)arg;
	for (size_t i = 0; i < KF_ARRAY_SIZE(left_out); i++)
		if (strcmp(name, left_out[i]) == 0)
			return false;
	return true;
}

int help_print_command(const struct command *command)
{
	_cleanup_(kf_freep) char *help_of_tool = NULL;
	struct kf_error err;

	if (!command->stages && kf_tool_help(command->args[0], &help_of_tool, &err) < 0)
		return kf_usage_end(-1, &err);
	if (kf_usage_print(command->help) != 0)
		return kf_code_status(KF_IO);
	if (help_of_tool)
		return kf_usage_print_options(help_of_tool, of_tool, NULL);
	return options_print(command);
}

static int print_options(void)
{
	if (kf_usage_print("All options of update, flash, build and config; kf COMMAND --help has "
			   "its own:\n\n") != 0 ||
	    options_print(NULL) != 0)
		return kf_code_status(KF_IO);
	return kf_usage_print(other_options_help);
}

int help_run(char *const *args)
{
	char *const only_help[] = { (char[]){ "--help" }, NULL };
	int status = kf_usage_arguments("help", args, 0, 1, NULL);
	const struct command *command;
	char tool[NAME_MAX + 1];
	struct kf_error err;
	const char *name;

	if (status >= 0)
		return status;
	if (args[0] && strcmp(args[0], "options") == 0)
		return print_options();
	if (args[0] && strcmp(args[0], "states") == 0)
		return kf_usage_print(states_help);
	name = args[0] ? command_complete(args[0], &status) : "help";
	if (status >= 0)
		return status;
	command = name ? command_find(name) : NULL;
	if (command && command_is(command, "help"))
		return help_print();
	if (command && command->help)
		return help_print_command(command);
	if (command && strcmp(command->args[0], "kf-config") == 0)
		return command_exec(command, only_help);
	if (!command && (!name || !kf_tool_named("kf-", name, tool)))
		return command_exec_other(args[0], only_help + 1);
	return kf_tool_exec_help(command ? command->args[0] : tool, &err) < 0
		       ? kf_usage_end(-1, &err)
		       : 0;
}
