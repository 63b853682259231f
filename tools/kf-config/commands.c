/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "board/port.h"
#include "commands.h"
#include "core/text.h"
#include "terminal/usage.h"

static const char help[] =
	"usage: kf-scan | kf-config [OPTION]... | kf-build\n"
	"       kf-scan | kf-config add [OPTION]...\n"
	"       kf-config list | show KEY | remove KEY [OPTION]...\n"
	"       kf-config set KEY|--global MEMBER=VALUE...\n"
	"       kf-config import PATH | export [FILE]\n\n"
	"Give each registered board its saved configuration, or change the registry of "
	"boards.\n\n"
	"      --menuconfig           open menuconfig, also if a configuration is saved\n"
	"      --saved                not then, even if skip_menuconfig is false\n"
	"      --connected            skip boards that are not plugged in\n"
	"      --from=FILE            save this .config for the board, without menuconfig\n"
	"      --from-board           save the configuration that its firmware carries\n"
	"      --prove                find, and save, the one that made what the board runs\n"
	"      --compare              ask which, if its firmware carries another one than the\n"
	"                             saved one\n"
	"      --accept-difference    accept and save changes that the source tree makes\n"
	"      --klipper-dir=DIR      source tree, instead of the registered ones\n"
	"      --timeout=SECONDS      time for make olddefconfig (60)\n"
	"      --wait=SECONDS         wait for another kf-config of the board (60; 0: do not)\n\n"
	"add: with key, name and MCU it asks nothing.\n"
	"      --key=KEY              the board's short name for commands\n"
	"      --name=NAME            its name for people\n"
	"      --mcu=MCU              its micro-controller, such as stm32h723\n"
	"      --pattern=PATTERN      its by-id names, such as "
	"usb-Klipper_rp2040_E66*\n"
	"      --port=PORT            its USB port, such as 1-1.2; can0:UUID; /dev/ttyAMA0\n"
	"      --baud=N               of its firmware on a UART (250000)\n"
	"      --flash-method=METHOD  katapult, picoboot, dfu, avrdude, bossac,\n"
	"                             host_mcu, make_flash, flashtool or sdcard\n"
	"      --bootloader=FILE      in DFU or BOOTSEL: install this Katapult, then Klipper\n\n"
	"set: name, mcu, serial_pattern, flash_method, flashable, klipper_dir, usb_port,\n"
	"     canbus_uuid, canbus_interface, serial, baud, katapult_baud, sdcard_board,\n"
	"     programmer, programmer_part, programmer_baud.\n"
	"      --global               settings of all boards: klipper_dir, katapult_dir,\n"
	"                             default_flash_method, allow_flash_fallback, "
	"skip_menuconfig\n\n"
	"remove: asks, unless these are given.\n"
	"      --yes                  remove it; with --compare: use the saved one\n"
	"      --keep-config          keep its saved configuration\n"
	"      --delete-config        delete its saved configuration too\n\n"
	"      --json                 JSON on standard output, also on a terminal\n"
	"      --table                text for people, also in a pipe\n"
	"  -q, --quiet                only errors on standard error\n"
	"  -h, --help                 this text\n"
	"  -V, --version              the version\n";

static const struct command commands[] = {
	{ NULL, filter_run, 0, 0,
	  " menuconfig saved connected accept-difference accept-drift klipper-dir from from-board "
	  "prove compare yes timeout wait ",
	  NULL, NULL },
	{ "add", command_add, 0, 0, " key name mcu pattern port baud flash-method bootloader ",
	  NULL,
	  "usage: kf add [OPTION]...\n\n"
	  "Register the board that is plugged in. With key, name and MCU it asks nothing.\n"
	  "On one that waits in DFU or BOOTSEL it then installs Klipper, after a question.\n\n" },
	{ "list", command_list, 0, 0, "", NULL,
	  "usage: kf-config list [OPTION]...\n\n"
	  "The registered boards and their saved configurations. Nothing is looked for.\n\n" },
	{ "show", command_show, 0, 1, "", NULL,
	  "usage: kf show [OPTION]... [KEY]\n\n"
	  "What is registered of a board, or what its printer's configuration and its port\n"
	  "tell; without KEY, the settings of all boards.\n\n" },
	{ "set", command_set, 1, 64, " global ", "give KEY or --global, and MEMBER=VALUE",
	  "usage: kf set [OPTION]... KEY MEMBER=VALUE...\n"
	  "       kf set --global MEMBER=VALUE...\n\n"
	  "Change what is registered: of a board, its name, mcu, serial_pattern,\n"
	  "flash_method, flashable, klipper_dir, usb_port, canbus_uuid, canbus_interface,\n"
	  "serial, baud, katapult_baud, sdcard_board, programmer, programmer_part or\n"
	  "programmer_baud.\n\n" },
	{ "remove", command_remove, 1, 1, " yes keep-config delete-config ",
	  "give the key of the board",
	  "usage: kf remove [OPTION]... KEY\n\n"
	  "Register a board no more. It asks, also for the saved configuration, unless\n"
	  "options say what to do. KEY has to be whole.\n\n" },
	{ "import", command_import, 1, 1, "", "give the file or folder",
	  "usage: kf import [OPTION]... PATH\n\n"
	  "Take over a devices.json, and the configurations beside it.\n\n" },
	{ "export", command_export, 0, 1, "", NULL,
	  "usage: kf export [OPTION]... [FILE]\n\n"
	  "Write the registry, as a devices.json.\n\n" },
};

static int read_port(void *args, const char *text, struct kf_error *err)
{
	struct args *a = args;

	a->port = text;
	return kf_port_read(text, &a->request.given.port, err);
}

static const struct kf_option list[] = {
	KF_OPTION_FLAG("menuconfig", 0, menuconfig),
	KF_OPTION_FLAG("saved", 0, saved),
	KF_OPTION_FLAG("connected", 0, connected),
	KF_OPTION_FLAG("accept-difference", 0, accept_difference),
	KF_OPTION_FLAG("accept-drift", 0, accept_difference),
	KF_OPTION_FLAG("from-board", 0, from_board),
	KF_OPTION_FLAG("prove", 0, prove),
	KF_OPTION_FLAG("compare", 0, compare),
	KF_OPTION_FLAG("global", 0, global),
	KF_OPTION_FLAG("yes", 0, remove.yes),
	KF_OPTION_FLAG("keep-config", 0, remove.keep),
	KF_OPTION_FLAG("delete-config", 0, remove.drop),
	KF_OPTION_COPY("klipper-dir", 0, klipper_dir),
	KF_OPTION_COPY("from", 0, from),
	KF_OPTION_COPY("key", 0, request.given.key),
	KF_OPTION_COPY("name", 0, request.given.name),
	KF_OPTION_COPY("mcu", 0, request.given.mcu),
	KF_OPTION_COPY("pattern", 0, request.given.pattern),
	KF_OPTION_COPY("flash-method", 0, request.given.flash_method),
	KF_OPTION_READ("port", 0, required_argument, read_port),
	KF_OPTION_VALUE("baud", 0, KF_VALUE_BAUD, baud),
	KF_OPTION_VALUE("bootloader", 0, KF_VALUE_TEXT, bootloader),
	KF_OPTION_VALUE("timeout", 0, KF_VALUE_TIMEOUT, timeout_ms),
	KF_OPTION_VALUE("wait", 0, KF_VALUE_DELAY, wait_ms),
};

static const struct command *find_command(const char *word)
{
	for (size_t i = 1; word && i < KF_ARRAY_SIZE(commands); i++)
		if (strcmp(word, commands[i].name) == 0)
			return &commands[i];
	return commands;
}

static bool takes(const char *name, const void *arg)
{
	static const char of_all[] = " json table quiet help version ";
	const struct command *command = arg;
	char word[64];

	kf_text_format(word, sizeof(word), " %s ", name);
	return strstr(command->options, word) || strstr(of_all, word);
}

/* Before the options are read, some may stand before the command. */
static int show_help(char *const *words)
{
	const struct command *command;

	while (*words && **words == '-')
		words++;
	command = find_command(*words);
	if (!command->help)
		return kf_usage_print(help);
	return kf_usage_print(command->help) ? kf_code_status(KF_IO)
					     : kf_usage_print_options(help, takes, command);
}

static const struct kf_options options = {
	.tool = "kf-config", .list = list, .count = KF_ARRAY_SIZE(list), .show_help = show_help
};

/* Do the options go together, and does the command take them? -1 if so. */
static int check(const struct args *args, const struct command *command)
{
	if (args->menuconfig && args->from[0])
		return kf_usage_mistake("--menuconfig and --from exclude each other");
	if (args->from_board && (args->menuconfig || args->from[0]))
		return kf_usage_mistake("--from-board goes with neither --from nor --menuconfig");
	if (args->remove.yes && !command->name && !args->compare)
		return kf_usage_mistake("--yes goes with remove or --compare");
	if (args->prove && (args->menuconfig || args->from[0] || args->from_board))
		return kf_usage_mistake("--prove goes with neither --from, --from-board nor "
					"--menuconfig");
	for (size_t i = 0; i < KF_ARRAY_SIZE(list); i++)
		if (args->common.given & UINT64_C(1) << i && !takes(list[i].name, command))
			return kf_usage_mistake("%s takes no --%s",
						command->name ? command->name : "the filter",
						list[i].name);
	return -1;
}

int command_read(int argc, char **argv, struct args *args, const struct command **ret,
		 char ***ret_words)
{
	int status = kf_options_read(&options, argc, argv, args, &args->common);
	const struct command *command;
	char **words;

	if (status >= 0)
		return status;
	command = find_command(argv[optind]);
	words = argv + optind + (command->name ? 1 : 0);
	status = check(args, command);
	if (status < 0)
		status = kf_usage_arguments(command->name, words, command->min, command->max,
					    command->wants);
	*ret = command;
	*ret_words = words;
	return status;
}
