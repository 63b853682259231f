/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The tools composed. Commands and options are data; the work is the stages'. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/text.h"
#include "core/toolpath.h"
#include "core/usage.h"
#include "core/value.h"
#include "registry/method.h"
#include "registry/pipeline.h"
#include "registry/registry.h"
#include "registry/suggestion.h"

enum stage { SCAN, CHECK, CONFIG, BUILD, FLASH, STAGE_COUNT };
enum { TO_CHECK = 1 << CHECK, TO_CONFIG = 1 << CONFIG, TO_BUILD = 1 << BUILD };
enum { TO_FLASH = 1 << FLASH, TO_LAST = 1 << STAGE_COUNT }; /* last: whichever stage it is */
enum { TO_ALL = TO_CHECK | TO_CONFIG | TO_BUILD | TO_FLASH };
static const char *const tools[] = { "kf-scan", "kf-flash", "kf-config", "kf-build", "kf-flash" };

struct command {
	const char *name;
	const char *args[5]; /* it becomes this; or the tool with its manual and, then, ... */
	unsigned stages;     /* ... a pipe of these behind kf-scan, args[1] on for kf-config */
	const char *verb;    /* for its question */
};

static const struct command commands[] = {
	{ "flash", { "kf-flash" }, TO_ALL, "Flash" },
	{ "build", { "kf-build" }, TO_CONFIG | TO_BUILD, "Build for" },
	{ "config", { "kf-config" }, TO_CONFIG, "Configure" },
	{ "add", { "kf-config", "add" }, TO_CONFIG, NULL },
	{ "list", { "kf-scan", "--all", "--table" }, 0, NULL },
	{ "show", { "kf-config", "show" }, 0, NULL },
	{ "set", { "kf-config", "set" }, 0, NULL },
	{ "remove", { "kf-config", "remove" }, 0, NULL },
	{ "export", { "kf-config", "export" }, 0, NULL },
	{ "import", { "kf-config", "import" }, 0, NULL },
	{ "help", { "kf" }, 0, NULL },
};

enum { OPT_ALL = 256, OPT_DEVICE, OPT_ADD, OPT_LIST, OPT_REMOVE, OPT_METHOD, OPT_FROM, OPT_OTHERS };

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
	{ "--klipper-dir", 0, required_argument, TO_CONFIG | TO_BUILD | TO_FLASH, NULL,
	  KF_VALUE_TEXT },
	{ "--katapult-dir", 0, required_argument, TO_FLASH, NULL, KF_VALUE_TEXT },
	{ "--build-timeout", 0, required_argument, TO_BUILD, "--timeout", KF_VALUE_TIMEOUT },
	{ "--method", OPT_METHOD, required_argument, TO_CHECK | TO_FLASH, NULL, KF_VALUE_TEXT },
	{ "--no-fallback", 0, no_argument, TO_FLASH, NULL, KF_VALUE_ANY },
	{ "--force", 0, no_argument, TO_FLASH, NULL, KF_VALUE_ANY },
	{ "--accept-unknown-version", 0, no_argument, TO_FLASH, NULL, KF_VALUE_ANY },
	{ "--wait", 0, required_argument, TO_ALL, NULL, KF_VALUE_DELAY },
	{ "--clean", 0, no_argument, TO_BUILD, NULL, KF_VALUE_ANY },
	{ "--accept-difference", 0, no_argument, TO_CONFIG, NULL, KF_VALUE_ANY },
	{ "--accept-drift", 0, no_argument, TO_CONFIG, "--accept-difference", KF_VALUE_ANY },
	{ "--from", OPT_FROM, required_argument, TO_CONFIG, NULL, KF_VALUE_TEXT },
	{ "--from-board", OPT_FROM, no_argument, TO_CONFIG, NULL, KF_VALUE_ANY },
	{ "--no-service", 0, no_argument, TO_CHECK | TO_FLASH, NULL, KF_VALUE_ANY },
	{ "--while-unknown", 0, no_argument, TO_CHECK | TO_FLASH, NULL, KF_VALUE_ANY },
	{ "--flash-timeout", 0, required_argument, TO_FLASH, "--timeout", KF_VALUE_TIMEOUT },
	{ "--return-timeout", 0, required_argument, TO_FLASH, NULL, KF_VALUE_TIMEOUT },
	{ "--return-delay", 0, required_argument, TO_FLASH, NULL, KF_VALUE_DELAY },
	{ "--json", 0, no_argument, TO_LAST, NULL, KF_VALUE_ANY },
	{ "--table", 0, no_argument, TO_LAST, NULL, KF_VALUE_ANY },
	{ "--device", OPT_DEVICE, required_argument, 0, NULL, KF_VALUE_ANY },
	{ "--add-device", OPT_ADD, no_argument, 0, NULL, KF_VALUE_ANY },
	{ "--list-devices", OPT_LIST, no_argument, 0, NULL, KF_VALUE_ANY },
	{ "--remove-device", OPT_REMOVE, required_argument, 0, NULL, KF_VALUE_ANY },
	{ "--help", 'h', no_argument, 0, NULL, KF_VALUE_ANY },
	{ "--version", 'V', no_argument, 0, NULL, KF_VALUE_ANY },
};

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

static const char help[] =
	"usage: kf [OPTION]...                       ask which board, then flash it\n"
	"       kf COMMAND [OPTION]... [KEY...]\n\n"
	"Brings the firmware of USB-connected Klipper and Kalico boards up to date.\n\n"
	"Commands, in the order in which they are needed:\n"
	"  add             register the board that is plugged in (kf-config add)\n"
	"  list            all boards: connected [OK], not [--], not registered [??]\n"
	"  flash [KEY...]  configure, build and flash; --all for every registered board\n"
	"  build [KEY...]  configure and build, flash nothing\n"
	"  config [KEY...] edit the boards' configuration in menuconfig\n"
	"  show, set, remove, export, import      the registry: see kf help set\n"
	"  NAME [ARG]...   any other NAME runs kf-NAME: doctor, scan, ...\n"
	"  help [NAME]     this text, or the manual of kf-NAME\n\n"
	"Options of flash, build and config:\n"
	"      --all                 every registered board\n"
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
	"      --from=FILE           save this .config for the board, without menuconfig\n"
	"      --no-service          leave services alone\n"
	"      --while-unknown       go on if nobody can say whether the printer prints\n"
	"      --flash-timeout=S     seconds that a flash method may take\n"
	"      --return-timeout=S    seconds that a board has to come back\n"
	"      --return-delay=S      seconds from their return to the start of the service\n"
	"      --json                write records, also on a terminal\n"
	"      --table               write a table, also into a pipe\n\n"
	"The Python tool's options:\n"
	"      --device=KEY          kf flash KEY\n"
	"      --add-device          kf add\n"
	"      --list-devices        kf list\n"
	"      --remove-device=KEY   kf remove KEY\n\n"
	"  -h, --help                this text\n"
	"  -V, --version             the version\n";

/* The words of the command line, sorted by stage. */
struct plan {
	const struct command *command;
	const char **argv[STAGE_COUNT]; /* NULL-terminated */
	size_t argc[STAGE_COUNT];
	const char **keys; /* NULL-terminated; the others are parts of its memory */
	size_t key_count;
	bool all, menuconfig, from; /* these options were given */
};

static int fail(const struct kf_error *err)
{
	kf_log_error(NULL, err);
	return kf_code_status(err->code);
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

static int exec_tool(const char *const *args, char *const *rest)
{
	struct kf_error err;

	return kf_tool_exec(args, rest, &err) < 0 ? fail(&err) : 0;
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

/* Find the programs of all stages before the first one starts, then run them. */
static int run(struct plan *plan)
{
	bool flash = plan->command->stages & TO_FLASH;
	char path[STAGE_COUNT][PATH_MAX];
	const char *const *stages[STAGE_COUNT + 1] = { NULL };
	struct kf_pipeline pipeline = {
		.command = plan->command->name,
		.verb = plan->command->verb,
		.all = plan->all,
		.absent = plan->command->verb && !flash,
		.keys = plan->keys,
		.stages = stages,
		.found = show_found,
	};
	struct kf_error err;
	size_t count = 0;
	int status;

	if (plan->menuconfig ||
	    (plan->command->stages == TO_CONFIG && plan->command->verb && !plan->from))
		plan->argv[CONFIG][plan->argc[CONFIG]++] = "--menuconfig";
	if (plan->all)
		plan->argv[CONFIG][plan->argc[CONFIG]++] = "--saved";
	if (plan->all && flash)
		plan->argv[CONFIG][plan->argc[CONFIG]++] = "--connected";
	for (enum stage s = SCAN; s < STAGE_COUNT; s++) {
		if (s != SCAN && !(plan->command->stages & 1u << s))
			continue;
		if (kf_tool_find(tools[s], path[s], &err) < 0)
			return fail(&err);
		plan->argv[s][0] = path[s];
		stages[count++] = plan->argv[s];
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
			return exec_tool(plan.command->args, args);
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
		plan->from = true;
		break;
	case OPT_DEVICE:
		plan->keys[plan->key_count++] = optarg;
		return -1;
	case OPT_ADD:
		return add(no_words);
	case OPT_LIST:
		return exec_tool(find_command("list")->args, no_words);
	case OPT_REMOVE:
		return exec_tool(find_command("remove")->args, (char *[]){ optarg, NULL });
	case 'h':
		return kf_usage_print(help);
	case 'V':
		return kf_usage_print("kf " KF_VERSION "\n");
	case '?':
		return kf_usage_see();
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

/* named: the command was; else all words are boards. */
static int run_stages(const struct command *command, bool named, int argc, char *argv[])
{
	_cleanup_(plan_free) struct plan plan = { 0 };
	int c, status = plan_init(&plan, command, argv);

	if (status != 0)
		return status;
	fill_options();
	while ((c = getopt_long(argc, argv, "mj:nu:qhV", options, NULL)) != -1) {
		status = read_option(&plan, c);
		if (status >= 0)
			return status;
	}
	for (; optind < argc; optind++)
		plan.keys[plan.key_count++] = argv[optind];
	if (!named && plan.key_count && is_command(plan.keys[0]))
		return kf_usage_late(plan.keys[0], argv + 1);
	if (plan.all && plan.key_count)
		return kf_usage_mistake("--all is every board: leave out %s", plan.keys[0]);
	if (plan.menuconfig && plan.from)
		return kf_usage_mistake("--menuconfig and --from exclude each other");
	return run(&plan);
}

/* kf NAME for a name that is no command of ours. */
static int run_other(const char *name, char *const *rest)
{
	static const char *const tool_names[] = { "scan", "service", "doctor", "sim" };
	struct kf_suggestion meant = { .typed = name };
	struct kf_error err;

	if (kf_tool_exec_named("kf-", name, rest, &err) >= 0)
		return 0;
	for (size_t i = 0; i < KF_ARRAY_SIZE(commands); i++)
		kf_suggestion_offer(&meant, commands[i].name);
	for (size_t i = 0; i < KF_ARRAY_SIZE(tool_names); i++)
		kf_suggestion_offer(&meant, tool_names[i]);
	if (err.code == KF_USAGE && meant.word)
		kf_error_hint(&err, "did you mean kf %s? kf --help lists the commands", meant.word);
	return fail(&err);
}

static int show_help(char *const *args)
{
	const struct command *command = args[0] ? find_command(args[0]) : NULL;
	int status = kf_usage_arguments("help", args, 0, 1, NULL);
	char tool[NAME_MAX + 1];
	struct kf_error err;

	if (status >= 0)
		return status;
	if (!args[0])
		return kf_usage_print(help);
	if (!command && !kf_tool_named("kf-", args[0], tool))
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

int main(int argc, char *argv[])
{
	const struct command *command;

	kf_log_init("kf", false);
	report_sudo(argv + (argc > 0));
	if (argc < 2 || argv[1][0] == '-')
		return run_stages(find_command("flash"), false, argc, argv);
	if (strcmp(argv[1], "help") == 0)
		return show_help(argv + 2);
	command = find_command(argv[1]);
	if (!command)
		return run_other(argv[1], argv + 2);
	if (strcmp(command->name, "add") == 0)
		return add(argv + 2);
	if (!command->stages)
		return exec_tool(command->args, argv + 2);
	argv[1] = argv[0]; /* for getopt's messages */
	return run_stages(command, true, argc - 1, argv + 1);
}
