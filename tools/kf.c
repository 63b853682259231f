/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The tools composed. Commands and options are data; the work is the stages'. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/process.h"
#include "core/screen.h"
#include "core/suggestion.h"
#include "core/text.h"
#include "core/toolpath.h"
#include "core/usage.h"
#include "core/value.h"
#include "registry/method.h"
#include "registry/pipeline.h"
#include "registry/prefix.h"
#include "registry/registry.h"

enum { STATUS_MS = 60000 };
enum stage { SCAN, CHECK, CONFIG, BUILD, FLASH, STAGE_COUNT };
enum { TO_CHECK = 1 << CHECK, TO_CONFIG = 1 << CONFIG, TO_BUILD = 1 << BUILD };
enum { TO_FLASH = 1 << FLASH, TO_LAST = 1 << STAGE_COUNT }; /* last: whichever stage it is */
enum { TO_ALL = TO_CHECK | TO_CONFIG | TO_BUILD | TO_FLASH };
static const char update_name[] = "update";
static const char *const tools[] = { "kf-scan", "kf-flash", "kf-config", "kf-build", "kf-flash" };

struct command {
	const char *name;
	const char *args[5]; /* it becomes this; or the tool with its manual and, then, ... */
	unsigned stages;     /* ... a pipe of these behind kf-scan, args[1] on for kf-config */
	const char *verb;    /* for its question */
	const char *help;    /* what its help says above its options */
};

static const struct command commands[] = {
	{ "status",
	  { "kf-status", "--table" },
	  0,
	  NULL,
	  "usage: kf status [OPTION]... [BOARD...]\n\n"
	  "How the firmware of each board stands to its source tree, by printer, and whether\n"
	  "the printer prints. BOARD is a key, or the printer's name for the board. kf help\n"
	  "states explains the words.\n\n" },
	{ update_name,
	  { "kf" },
	  TO_ALL,
	  "Update",
	  "usage: kf update [OPTION]... [BOARD...]\n\n"
	  "Build and flash the boards that are behind their source tree, after a question.\n"
	  "Klipper is stopped once, unless it prints: then nothing is done. Boards that its\n"
	  "configuration names need not be registered.\n\n" },
	{ "flash",
	  { "kf-flash" },
	  TO_ALL,
	  "Flash",
	  "usage: kf flash [OPTION]... [KEY...]\n\n"
	  "Configure, build and flash boards. Without KEY it asks which. Klipper is stopped\n"
	  "meanwhile, unless it prints: then nothing is done.\n\n" },
	{ "build",
	  { "kf-build" },
	  TO_CONFIG | TO_BUILD,
	  "Build for",
	  "usage: kf build [OPTION]... [KEY...]\n\n"
	  "Configure and build, flash nothing. The boards need not be plugged in.\n\n" },
	{ "config",
	  { "kf-config" },
	  TO_CONFIG,
	  "Configure",
	  "usage: kf config [OPTION]... [KEY...]\n\n"
	  "Edit the configuration of boards in menuconfig. They need not be plugged in.\n\n" },
	{ "add", { "kf-config", "add" }, TO_CONFIG, NULL, NULL },
	{ "list",
	  { "kf-scan", "--all", "--table" },
	  0,
	  NULL,
	  "usage: kf list [OPTION]...\n\n"
	  "All boards of this machine and of its printers: connected [OK], not connected\n"
	  "[--], known to nobody [??]. kf help states explains the words.\n\n" },
	{ "show", { "kf-config", "show" }, 0, NULL, NULL },
	{ "set", { "kf-config", "set" }, 0, NULL, NULL },
	{ "remove", { "kf-config", "remove" }, 0, NULL, NULL },
	{ "export", { "kf-config", "export" }, 0, NULL, NULL },
	{ "import", { "kf-config", "import" }, 0, NULL, NULL },
	/* A table also in a pipe, as kf list. */
	{ "doctor",
	  { "kf-doctor", "--table" },
	  0,
	  NULL,
	  "usage: kf doctor [OPTION]...\n\n"
	  "Looks for what would stop a build or a flash, and says what to do. [OK]: right;\n"
	  "[--]: worth knowing; [!!]: you have to correct it.\n\n" },
	{ "help", { "kf" }, 0, NULL, NULL },
};

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
	OPT_OTHERS
};

/* All options. Those with stages are passed on to them. */
static const struct {
	const char *name;
	int option; /* its letter, or its number above; 0: it needs none */
	int argument;
	unsigned stages;
	const char *stage_name; /* what the stages call it; NULL: the same */
	enum kf_value value;	/* of what kind its argument is */
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

static struct option options[KF_ARRAY_SIZE(all_options) + 1]; /* for getopt_long(3) */

static void fill_options(void)
{
	for (int i = 0; i < (int)KF_ARRAY_SIZE(all_options); i++) {
		int option = all_options[i].option;

		options[i] = (struct option){ all_options[i].name + strlen("--"),
					      all_options[i].argument, NULL,
					      option ? option : OPT_OTHERS + i };
	}
}

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
	"      --method=METHOD       katapult, make_flash or flashtool\n"
	"      --no-fallback         try no other method if the first one fails\n"
	"      --force               write the firmware also if the board runs it already\n"
	"      --accept-unknown-version  flash also firmware that does not tell its version\n"
	"      --wait=SECONDS        time that another kf has to end with the same board (60)\n"
	"      --clean               build from nothing\n"
	"      --accept-difference   accept changes of a newer tree to a saved configuration\n"
	"      --from-board          save the configuration that its firmware carries\n"
	"      --prove               find the configuration that made what the board runs\n"
	"      --from=FILE           save this .config for the board, without menuconfig\n"
	"      --no-service          leave services alone\n"
	"      --while-unknown       go on if nobody can say whether the printer prints\n"
	"      --flash-timeout=S     seconds that a flash method may take\n"
	"      --return-timeout=S    seconds that a board has to come back\n"
	"      --return-delay=S      seconds from their return to the start of the service\n"
	"      --json                write records, also on a terminal\n"
	"      --table               write a table, also into a pipe\n"
	"  -h, --help                this text\n"
	"  -V, --version             the version\n";

static const char python_help[] = "\nThe Python tool's options, before a command's place:\n"
				  "      --device=KEY          kf flash KEY\n"
				  "      --add-device          kf add\n"
				  "      --list-devices        kf list\n"
				  "      --remove-device=KEY   kf remove KEY\n";

static const char states_help[] =
	"The words of kf status; kf update builds and flashes what is marked *:\n\n"
	"  up to date     it runs the commit of its source tree\n"
	"* behind by N    the tree has N commits more\n"
	"  ahead by N     it has N commits more than the tree\n"
	"  differs        another branch, a changed tree, or Kalico against Klipper\n"
	"* incomplete     a flash was cut off\n"
	"* in its bootloader   it waits for firmware\n"
	"  not connected  named by a printer or registered, and not there\n"
	"  not asked      nobody tells its version; the reason stands behind it\n"
	"  firmware of others  Beacon, Cartographer: left alone\n"
	"  of no printer here  no Klippy and no printer.cfg of this machine names it\n"
	"  of a printer that is not known   a printer.cfg cannot be read, or its Klippy is\n"
	"                 silent: it may name the board\n"
	"  Klippy runs another version than its tree has   the tree was updated, and\n"
	"                 Klippy was not started again\n"
	"  ready, startup, shutdown, error   Klippy's own word; stopped: it does not run;\n"
	"                 unknown: it does not answer\n"
	"  printing, paused, running G-code  kf update and kf flash wait for its end\n\n"
	"The marks and words of kf list:\n\n"
	"  [OK]           connected, and registered or named by a printer\n"
	"  [--]           not connected\n"
	"  [??]           nobody has registered it: kf add\n\n"
	"  katapult       in its bootloader; dfu, rp2boot: in its chip's\n"
	"  other          no firmware of Klipper's or Kalico's\n"
	"  incomplete     a flash was cut off: kf flash KEY\n"
	"  excluded       never flashed: kf set KEY flashable=true includes it\n"
	"  blocked        firmware of others, left alone\n"
	"  duplicate      two boards fit its key\n"
	"  UNIT           the service that has its port\n\n"
	"The results of kf flash:\n\n"
	"  flashed        written, read back, and running the new version\n"
	"  current        it had this firmware already: nothing was written\n"
	"  skipped, failed, dry_run   see the reason behind it\n";

static int fail(const struct kf_error *err)
{
	kf_log_error(NULL, err);
	return kf_code_status(err->code);
}

/* The words of the command line, sorted by stage. */
struct plan {
	const struct command *command;
	const char **argv[STAGE_COUNT]; /* NULL-terminated */
	size_t argc[STAGE_COUNT];
	const char **keys; /* NULL-terminated; the others are parts of its memory */
	size_t key_count;
	bool all, menuconfig, from, yes; /* these options were given */
	bool named;			 /* the command was; else all words are boards */
};

/* Is this option the command's? */
static bool takes(const char *name, const void *arg)
{
	const struct command *command = arg;
	char word[64];

	if (strcmp(name, "yes") == 0)
		return command->name == update_name;
	kf_text_format(word, sizeof(word), "--%s", name);
	for (size_t i = 0; i < KF_ARRAY_SIZE(all_options); i++)
		if (strcmp(all_options[i].name, word) == 0)
			return all_options[i].stages == TO_LAST || !all_options[i].stages ||
			       all_options[i].stages & command->stages;
	return false;
}

/* These say what kf has said for them already, or are for programs. */
static bool of_tool(const char *name, const void *arg)
{
	static const char *const left_out[] = { "table", "all", "keys", "ports" };

	(void)arg;
	for (size_t i = 0; i < KF_ARRAY_SIZE(left_out); i++)
		if (strcmp(name, left_out[i]) == 0)
			return false;
	return true;
}

static int show_command(const struct command *command)
{
	_cleanup_(kf_freep) char *help_of_tool = NULL;
	struct kf_error err;

	if (!command->stages && kf_tool_help(command->args[0], &help_of_tool, &err) < 0)
		return fail(&err);
	if (kf_usage_print(command->help) != 0)
		return kf_code_status(KF_IO);
	if (help_of_tool)
		return kf_usage_print_options(help_of_tool, of_tool, NULL);
	return kf_usage_print_options(options_help, takes, command);
}

/* lint: -Wno-analyzer-null-dereference: gcc 12 does not look for "flash" in the table */
static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < KF_ARRAY_SIZE(commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static char *const no_words[] = { NULL };

/* Become the tool of a command, which then answers as "kf COMMAND". */
static int exec_tool(const struct command *command, char *const *rest)
{
	struct kf_error err;
	char called[64];

	kf_text_format(called, sizeof(called), "kf %s", command->name);
	return kf_tool_exec(called, command->args, rest, &err) < 0 ? fail(&err) : 0;
}

/* Pass an option on to the stages that take it: -1 to go on, or the status to leave with. */
static int pass_on(struct plan *plan, int option, const char *arg)
{
	const char *name, *stage_name;
	struct kf_error err;
	unsigned to;
	size_t i = 0;

	while (options[i].val != option)
		i++;
	name = options[i].name;
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
			plan->argv[s][plan->argc[s]++] = stage_name;
		if (to & 1u << s && arg)
			plan->argv[s][plan->argc[s]++] = arg;
	}
	return -1;
}

static void show_found(const char *boards)
{
	kf_log_phase("Discovery", NULL, "%s", boards);
}

static void show_told(const char *line)
{
	kf_log_phase("Status", NULL, "%s", line);
}

static bool is_registry_empty(void)
{
	_cleanup_(kf_registry_close) struct kf_registry registry = { .lock = -1 };

	return kf_registry_load(&registry, NULL) == 0 &&
	       json_object_size(json_object_get(registry.root, "devices")) == 0;
}

/* Find the programs of all stages before the first one starts, then run them. */
static int run(struct plan *plan)
{
	bool flash = plan->command->stages & TO_FLASH;
	bool update = plan->command->name == update_name;
	char path[STAGE_COUNT][PATH_MAX];
	const char *const *stages[STAGE_COUNT + 2] = { NULL };
	struct kf_pipeline pipeline = {
		.command = plan->command->name,
		.verb = plan->command->verb,
		.all = plan->all,
		.update = update,
		.yes = plan->yes,
		.empty = is_registry_empty(),
		.absent = plan->command->verb && !flash,
		.keys = plan->keys,
		.stages = stages,
		.found = show_found,
		.told = show_told,
	};
	struct kf_error err;
	size_t count = 0;
	int status;

	if (plan->menuconfig ||
	    (plan->command->stages == TO_CONFIG && plan->command->verb && !plan->from))
		plan->argv[CONFIG][plan->argc[CONFIG]++] = "--menuconfig";
	if (plan->all || update)
		plan->argv[CONFIG][plan->argc[CONFIG]++] = "--saved";
	if (plan->all && flash)
		plan->argv[CONFIG][plan->argc[CONFIG]++] = "--connected";
	for (enum stage s = SCAN; s < STAGE_COUNT; s++) {
		if (s != SCAN && !(plan->command->stages & 1u << s))
			continue;
		if (kf_tool_find(s == SCAN && update ? "kf-status" : tools[s], path[s], &err) < 0)
			return fail(&err);
		plan->argv[s][0] = path[s];
		stages[count++] = plan->argv[s];
		/* With a configuration more can be checked; building may take minutes. */
		if (s == CONFIG && plan->command->stages & TO_CHECK)
			stages[count++] = plan->argv[CHECK];
	}
	status = kf_pipeline_run(&pipeline, &err);
	if (err.message[0])
		kf_log_error(NULL, &err);
	return status;
}

static void plan_free(struct plan *plan)
{
	free(plan->keys);
}

/* Each stage may get every word of argv and, for each of its letters, an option's name. */
static int plan_init(struct plan *plan, const struct command *command, char *const *argv)
{
	size_t room = 2 * KF_ARRAY_SIZE(command->args);
	struct kf_error err;

	for (; *argv; argv++)
		room += 2 + strlen(*argv);
	plan->command = command;
	plan->keys = calloc((STAGE_COUNT + 1) * room, sizeof(*plan->keys));
	if (!plan->keys) {
		kf_fail_sys(&err, ENOMEM, "%s", command->name);
		return fail(&err);
	}
	for (enum stage s = SCAN; s < STAGE_COUNT; s++) {
		plan->argv[s] = plan->keys + (s + 1) * room;
		plan->argc[s] = 1;
	}
	plan->argv[CHECK][plan->argc[CHECK]++] = "--check";
	plan->argv[CHECK][plan->argc[CHECK]++] = "--json";
	for (const char *const *arg = command->args + 1; *arg; arg++)
		plan->argv[CONFIG][plan->argc[CONFIG]++] = *arg;
	return 0;
}

/* kf add: kf-scan finds all boards, kf-config add reads them, with its own options. */
static int add(char *const *args)
{
	_cleanup_(plan_free) struct plan plan = { 0 };
	int status = plan_init(&plan, find_command("add"), args);

	for (char *const *arg = args; status == 0 && *arg; arg++) {
		/* These need no board that is plugged in. */
		if (strcmp(*arg, "-h") == 0 || strcmp(*arg, "--help") == 0 ||
		    strncmp(*arg, "--pattern", strlen("--pattern")) == 0)
			return exec_tool(plan.command, args);
		plan.argv[CONFIG][plan.argc[CONFIG]++] = *arg;
	}
	return status == 0 ? run(&plan) : status;
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
	case OPT_ADD:
		return add(no_words);
	case OPT_LIST:
		return exec_tool(find_command("list"), no_words);
	case OPT_REMOVE:
		return exec_tool(find_command("remove"), (char *[]){ optarg, NULL });
	case 'h':
		return plan->named ? show_command(plan->command) : kf_usage_print(help);
	case 'V':
		return kf_usage_print("kf " KF_VERSION "\n");
	case 'q':
		kf_log_init("kf", true);
		break;
	}
	return pass_on(plan, c, optarg);
}

static bool is_command(const char *word)
{
	char tool[NAME_MAX + 1];

	return find_command(word) || kf_tool_named("kf-", word, tool);
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
 * kf alone, on a terminal: what there is. True: nothing is registered, so there is nothing to ask;
 * kf update needs no registration.
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
	none = is_registry_empty();
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

/* named: the command was; else all words are boards. */
static int run_stages(const struct command *command, bool named, int argc, char *argv[])
{
	_cleanup_(plan_free) struct plan plan = { .named = named };
	int c, status = plan_init(&plan, command, argv);

	if (status != 0)
		return status;
	fill_options();
	kf_usage_command(named ? command->name : "");
	while ((c = getopt_long(argc, argv, letters, options, NULL)) != -1) {
		status = c == '?' ? kf_usage_see(options, letters, argv) : read_option(&plan, c);
		if (status >= 0)
			return status;
	}
	for (; optind < argc; optind++)
		plan.keys[plan.key_count++] = argv[optind];
	if (!named && plan.key_count && is_command(plan.keys[0]))
		return kf_usage_late(plan.keys[0], argv + 1);
	if (plan.all && plan.key_count)
		return kf_usage_mistake("--all is every board: leave out %s", plan.keys[0]);
	if (plan.yes && command->name != update_name)
		return kf_usage_mistake("%s takes no --yes", command->name);
	if (plan.menuconfig && plan.from)
		return kf_usage_mistake("--menuconfig and --from exclude each other");
	return run(&plan);
}

static const char *const tool_names[] = { "scan", "service", "sim" };

/* Every word that is a command, in turn; NULL: there are no more. */
static const char *command_word(size_t i)
{
	if (i < KF_ARRAY_SIZE(commands))
		return commands[i].name;
	i -= KF_ARRAY_SIZE(commands);
	return i < KF_ARRAY_SIZE(tool_names) ? tool_names[i] : NULL;
}

/*
 * The command that word means: itself, or the only one that begins with it. NULL: it begins none.
 * *ret_status is set, and the message written, if it begins several.
 */
static const char *whole_command(const char *word, int *ret_status)
{
	const char *found = NULL, *name;
	char all[128] = "", tool[NAME_MAX + 1];
	struct kf_error err;
	size_t count = 0;

	if (!word[0] || find_command(word) || kf_tool_named("kf-", word, tool))
		return word;
	for (size_t i = 0; (name = command_word(i)); i++) {
		if (strncmp(name, word, strlen(word)) != 0)
			continue;
		kf_text_add(all, sizeof(all), ", ", name);
		found = name;
		count++;
	}
	if (count < 2)
		return found;
	kf_fail(&err, KF_USAGE, "\"%s\" begins several commands: %s", word, all);
	*ret_status = kf_usage_error(&err);
	return NULL;
}

/* It may be a key: then flash was forgotten. */
static void hint_key(const char *name, struct kf_error *err)
{
	_cleanup_(kf_registry_close) struct kf_registry registry = { 0 };
	const char *key;
	bool cut;

	if (kf_registry_load(&registry, NULL) == 0 &&
	    kf_prefix_find(&registry, name, &key, &cut, NULL) == 0 &&
	    kf_registry_has(&registry, key))
		kf_error_hint(err, "%s is a board: kf flash %s", key, key);
}

/* kf NAME for a name that is no command of ours. */
static int run_other(const char *name, char *const *rest)
{
	struct kf_suggestion meant = { .typed = name };
	struct kf_error err;
	const char *word;

	if (kf_tool_exec_named("kf-", name, rest, &err) >= 0)
		return 0;
	for (size_t i = 0; (word = command_word(i)); i++)
		kf_suggestion_offer(&meant, word);
	if (err.code == KF_USAGE && meant.word)
		kf_error_hint(&err, "did you mean kf %s? kf --help lists the commands", meant.word);
	if (err.code == KF_USAGE)
		hint_key(name, &err);
	return fail(&err);
}

static bool any_option(const char *name, const void *arg)
{
	(void)arg;
	return strcmp(name, "help") != 0 && strcmp(name, "version") != 0;
}

static int show_options(void)
{
	if (kf_usage_print("All options of update, flash, build and config; kf COMMAND --help has "
			   "its own:\n\n") != 0 ||
	    kf_usage_print_options(options_help, any_option, NULL) != 0 ||
	    kf_usage_print(python_help) != 0)
		return kf_code_status(KF_IO);
	return kf_usage_print("\n  -h, --help                the help of kf, or of a command\n"
			      "  -V, --version             the version\n");
}

static int show_help(char *const *args)
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
		return show_options();
	if (args[0] && strcmp(args[0], "states") == 0)
		return kf_usage_print(states_help);
	name = args[0] ? whole_command(args[0], &status) : "help";
	if (status >= 0)
		return status;
	command = name ? find_command(name) : NULL;
	if (command && strcmp(name, "help") == 0)
		return kf_usage_print(help);
	if (command && command->help)
		return show_command(command);
	if (command && strcmp(command->args[0], "kf-config") == 0)
		return exec_tool(command, only_help);
	if (!command && (!name || !kf_tool_named("kf-", name, tool)))
		return run_other(args[0], no_words);
	return kf_tool_exec_help(command ? command->args[0] : tool, &err) < 0 ? fail(&err) : 0;
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
	bool keyed = strcmp(command->name, "show") == 0 || strcmp(command->name, "set") == 0;
	const char *keys[] = { args[0], NULL };
	int status = 0;

	for (char **arg = args; command->help && *arg; arg++)
		if (strcmp(*arg, "-h") == 0 || strcmp(*arg, "--help") == 0)
			return show_command(command);
	if (keyed && args[0] && args[0][0] != '-')
		status = expand_keys(keys);
	if (status != 0)
		return status;
	if (args[0])
		args[0] = (char *)keys[0]; /* exec changes no word */
	return exec_tool(command, args);
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
		return run_stages(find_command("flash"), false, argc, argv);
	name = whole_command(argv[1], &status);
	if (status >= 0)
		return status;
	command = name ? find_command(name) : NULL;
	if (!command)
		return run_other(name ? name : argv[1], argv + 2);
	if (strcmp(name, "help") == 0)
		return show_help(argv + 2);
	if (strcmp(name, "add") == 0)
		return add(argv + 2);
	if (!command->stages)
		return run_tool(command, argv + 2);
	argv[1] = argv[0]; /* for getopt's messages */
	return run_stages(command, true, argc - 1, argv + 1);
}
