/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <getopt.h>
#include <string.h>

#include "core/text.h"
#include "core/value.h"
#include "options.h"
#include "registry/method.h"
#include "terminal/log.h"
#include "terminal/usage.h"

enum { TO_LAST = 1 << STAGE_COUNT }; /* whichever stage is the last one */

enum {
	OPT_ALL = 256,
	OPT_DEVICE,
	OPT_ADD,
	OPT_LIST,
	OPT_REMOVE,
	OPT_METHOD,
	OPT_FROM,
	OPT_FROM_BOARD,
	OPT_PROVE,
	OPT_YES,
	OPT_OTHERS /* and a number of its own for each of the others */
};

/* All options. Those with stages are passed on to them. */
static const struct {
	const char *name;
	int option; /* its letter, or its number above; 0: it needs none */
	int argument;
	unsigned stages;
	const char *stage_name; /* what the stages call it; NULL: the same */
	enum kf_value value;	/* what its argument has to be */
} all_options[] = {
	{ "--all", OPT_ALL, no_argument, 0, NULL, KF_VALUE_ANY },
	{ "--menuconfig", 'm', no_argument, TO_CONFIG, NULL, KF_VALUE_ANY },
	{ "--jobs", 'j', required_argument, TO_BUILD, NULL, KF_VALUE_COUNT },
	{ "--dry-run", 'n', no_argument, TO_FLASH, NULL, KF_VALUE_ANY },
	{ "--unit", 'u', required_argument, TO_CHECK | TO_FLASH, NULL, KF_VALUE_ANY },
	{ "--quiet", 'q', no_argument, TO_ALL, NULL, KF_VALUE_ANY },
	{ "--klipper-dir", 0, required_argument, TO_ALL, NULL, KF_VALUE_TEXT },
	{ "--katapult-dir", 0, required_argument, TO_CHECK | TO_FLASH, NULL, KF_VALUE_TEXT },
	{ "--build-timeout", 0, required_argument, TO_BUILD, "--timeout", KF_VALUE_TIMEOUT },
	{ "--method", OPT_METHOD, required_argument, TO_CHECK | TO_FLASH, NULL, KF_VALUE_TEXT },
	{ "--no-fallback", 0, no_argument, TO_CHECK | TO_FLASH, NULL, KF_VALUE_ANY },
	{ "--force", 0, no_argument, TO_FLASH, NULL, KF_VALUE_ANY },
	{ "--accept-unknown-version", 0, no_argument, TO_FLASH, NULL, KF_VALUE_ANY },
	{ "--replace-bootloader", 0, no_argument, TO_FLASH, NULL, KF_VALUE_ANY },
	{ "--wait", 0, required_argument, TO_ALL, NULL, KF_VALUE_DELAY },
	{ "--clean", 0, no_argument, TO_BUILD, NULL, KF_VALUE_ANY },
	{ "--accept-difference", 0, no_argument, TO_CONFIG, NULL, KF_VALUE_ANY },
	{ "--accept-drift", 0, no_argument, TO_CONFIG, "--accept-difference", KF_VALUE_ANY },
	{ "--from", OPT_FROM, required_argument, TO_CONFIG, NULL, KF_VALUE_TEXT },
	{ "--from-board", OPT_FROM_BOARD, no_argument, TO_CONFIG, NULL, KF_VALUE_ANY },
	{ "--prove", OPT_PROVE, no_argument, TO_CONFIG, NULL, KF_VALUE_ANY },
	{ "--no-service", 0, no_argument, TO_CHECK | TO_FLASH, NULL, KF_VALUE_ANY },
	{ "--while-unknown", 0, no_argument, TO_CHECK | TO_FLASH, NULL, KF_VALUE_ANY },
	{ "--flash-timeout", 0, required_argument, TO_FLASH, "--timeout", KF_VALUE_TIMEOUT },
	{ "--return-timeout", 0, required_argument, TO_FLASH, NULL, KF_VALUE_TIMEOUT },
	{ "--return-delay", 0, required_argument, TO_FLASH, NULL, KF_VALUE_DELAY },
	{ "--json", 0, no_argument, TO_LAST, NULL, KF_VALUE_ANY },
	{ "--table", 0, no_argument, TO_LAST, NULL, KF_VALUE_ANY },
	{ "--yes", OPT_YES, no_argument, 0, NULL, KF_VALUE_ANY },
	{ "--device", OPT_DEVICE, required_argument, 0, NULL, KF_VALUE_ANY },
	{ "--add-device", OPT_ADD, no_argument, 0, NULL, KF_VALUE_ANY },
	{ "--list-devices", OPT_LIST, no_argument, 0, NULL, KF_VALUE_ANY },
	{ "--remove-device", OPT_REMOVE, required_argument, 0, NULL, KF_VALUE_ANY },
	{ "--help", 'h', no_argument, 0, NULL, KF_VALUE_ANY },
	{ "--version", 'V', no_argument, 0, NULL, KF_VALUE_ANY },
};

static const char letters[] = "mj:nu:qhV"; /* of the options */

/* getopt_long(3) returns this number for option i of the table. */
static int number(size_t i)
{
	return all_options[i].option ? all_options[i].option : OPT_OTHERS + (int)i;
}

/* All options, as kf help options shows them; of each command, its own. */
static const char options_help[] =
	"      --all                 every registered board\n"
	"      --yes                 update: go on without the question\n"
	"  -m, --menuconfig          edit the configuration first\n"
	"  -j, --jobs=N              number of compilers that run at a time\n"
	"  -n, --dry-run             build, but only say what would be flashed\n"
	"  -u, --unit=UNIT           stop this service while flashing (may be repeated)\n"
	"  -q, --quiet               no phases, no progress: errors only\n"
	"      --klipper-dir=DIR     the Klipper or Kalico tree to build\n"
	"      --katapult-dir=DIR    where flashtool is\n"
	"      --build-timeout=S     seconds that a build may take\n"
	"      --method=METHOD       katapult, picoboot, dfu, avrdude, bossac, host_mcu,\n"
	"                        make_flash, flashtool or sdcard\n"
	"      --no-fallback         try no other method if the first one fails\n"
	"      --force               write the firmware also if the board runs it already\n"
	"      --accept-unknown-version  flash also firmware that tells no version\n"
	"      --replace-bootloader  flash also firmware that erases the board's Katapult\n"
	"      --wait=SECONDS        time that another kf has to end with a board (60)\n"
	"      --clean               build from nothing\n"
	"      --accept-difference   accept a newer tree's changes to a configuration\n"
	"      --from-board          save the configuration that its firmware carries\n"
	"      --prove               find the configuration that made what the board runs\n"
	"      --from=FILE           save this .config for the board, without menuconfig\n"
	"      --no-service          leave services alone\n"
	"      --while-unknown       go on if nobody can say whether the printer prints\n"
	"      --flash-timeout=S     seconds that a flash method may take\n"
	"      --return-timeout=S    seconds that a board has to come back\n"
	"      --return-delay=S      seconds from their return to the service's start\n"
	"      --json                write records, also on a terminal\n"
	"      --table               write a table, also into a pipe\n"
	"  -h, --help                this text\n"
	"  -V, --version             the version\n";

/* Is this option the command's? */
static bool takes(const char *name, const void *arg)
{
	const struct command *command = arg;
	char word[64];

	if (strcmp(name, "yes") == 0)
		return command_is(command, "update");
	kf_text_format(word, sizeof(word), "--%s", name);
	for (size_t i = 0; i < KF_ARRAY_SIZE(all_options); i++)
		if (strcmp(all_options[i].name, word) == 0)
			return all_options[i].stages == TO_LAST || !all_options[i].stages ||
			       all_options[i].stages & command->stages;
	return false;
}

static bool any_option(const char *name, const void *arg)
{
	(void)arg;
	return strcmp(name, "help") != 0 && strcmp(name, "version") != 0;
}

int options_print(const struct command *command)
{
	return kf_usage_print_options(options_help, command ? takes : any_option, command);
}

/* Pass an option on to the stages that take it: -1 to go on, or the status to leave with. */
static int pass_on(struct plan *plan, int option, const char *arg)
{
	const char *name, *stage_name;
	struct kf_error err;
	unsigned to;
	size_t i = 0;

	while (number(i) != option)
		i++;
	name = all_options[i].name + strlen("--");
	stage_name = all_options[i].stage_name ? all_options[i].stage_name : all_options[i].name;
	to = all_options[i].stages & plan->command->stages;
	if (all_options[i].stages == TO_LAST)
		to = 1u << (31 - __builtin_clz(plan->command->stages));
	if (!to)
		return kf_usage_mistake("%s takes no --%s", plan->command->name, name);
	if ((arg && kf_value_read(all_options[i].value, name, arg, NULL, &err) < 0) ||
	    (option == OPT_METHOD && kf_method_check(name, arg, &err) < 0))
		return kf_usage_error(&err);
	for (enum stage s = CHECK; s < STAGE_COUNT; s++) {
		if (to & 1u << s)
			plan_add(plan, s, stage_name);
		if (to & 1u << s && arg)
			plan_add(plan, s, arg);
	}
	return -1;
}

static enum request request_of(int option)
{
	switch (option) {
	case OPT_ADD:
		return ADD_BOARD;
	case OPT_LIST:
		return LIST_BOARDS;
	case OPT_REMOVE:
		return REMOVE_BOARD;
	case 'h':
		return SHOW_HELP;
	case 'V':
		return SHOW_VERSION;
	default:
		return RUN_STAGES;
	}
}

/* One option of a pipeline. Returns -1 to go on, or the exit status. */
static int read_option(struct plan *plan, int c)
{
	switch (c) {
	case OPT_ALL:
		plan->all = true;
		return -1;
	case 'm':
		plan->menuconfig = true;
		return -1;
	case OPT_FROM:
	case OPT_FROM_BOARD:
	case OPT_PROVE:
		plan->from = true;
		break;
	case OPT_YES:
		plan->yes = true;
		return -1;
	case OPT_DEVICE:
		plan->keys[plan->key_count++] = optarg;
		return -1;
	case 'q':
		kf_log_init("kf", true);
		break;
	}
	return pass_on(plan, c, optarg);
}

/* Do the options and the keys go together? Returns -1, or the exit status. */
static int check(const struct plan *plan, bool named, char *const *words)
{
	if (!named && plan->key_count && command_exists(plan->keys[0]))
		return kf_usage_late(plan->keys[0], words);
	if (plan->all && plan->key_count)
		return kf_usage_mistake("--all is every board: leave out %s", plan->keys[0]);
	if (plan->yes && !takes("yes", plan->command))
		return kf_usage_mistake("%s takes no --yes", plan->command->name);
	if (plan->menuconfig && plan->from)
		return kf_usage_mistake("--menuconfig and --from exclude each other");
	return -1;
}

int options_read(struct plan *plan, bool named, int argc, char *argv[], enum request *ret)
{
	struct option options[KF_ARRAY_SIZE(all_options) + 1] = { 0 };
	enum request request = RUN_STAGES;
	int c, status = -1;

	for (size_t i = 0; i < KF_ARRAY_SIZE(all_options); i++)
		options[i] = (struct option){ all_options[i].name + strlen("--"),
					      all_options[i].argument, NULL, number(i) };
	kf_usage_command(named ? plan->command->name : "");
	while (status < 0 && request == RUN_STAGES &&
	       (c = getopt_long(argc, argv, letters, options, NULL)) != -1) {
		request = request_of(c);
		if (c == '?')
			status = kf_usage_see(options, letters, argv);
		else if (request == RUN_STAGES)
			status = read_option(plan, c);
	}
	if (status < 0 && request == RUN_STAGES) {
		for (; optind < argc; optind++)
			plan->keys[plan->key_count++] = argv[optind];
		status = check(plan, named, argv + 1);
	}
	if (status < 0)
		*ret = request;
	return status;
}
