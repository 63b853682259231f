/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <limits.h>
#include <string.h>

#include "commands.h"
#include "core/suggestion.h"
#include "core/text.h"
#include "core/toolpath.h"
#include "registry/prefix.h"
#include "registry/registry.h"
#include "terminal/usage.h"

static const struct command commands[] = {
	{ "status",
	  { "kf-status", "--table" },
	  0,
	  NULL,
	  "usage: kf status [OPTION]... [BOARD...]\n\n"
	  "How the firmware of each board stands to its source tree, by printer, and\n"
	  "whether the printer prints. BOARD is a key, or the printer's name for the board.\n"
	  "kf help states explains the words.\n\n" },
	{ "update",
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

static const char *const tool_names[] = { "scan", "service", "sim" };

bool command_is(const struct command *command, const char *name)
{
	return strcmp(command->name, name) == 0;
}

const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < KF_ARRAY_SIZE(commands); i++)
		if (command_is(&commands[i], name))
			return &commands[i];
	return NULL;
}

bool command_exists(const char *word)
{
	char tool[NAME_MAX + 1];

	return command_find(word) || kf_tool_named("kf-", word, tool);
}

/* Every word that is a command, in turn; NULL: there are no more. */
static const char *command_word(size_t i)
{
	if (i < KF_ARRAY_SIZE(commands))
		return commands[i].name;
	i -= KF_ARRAY_SIZE(commands);
	return i < KF_ARRAY_SIZE(tool_names) ? tool_names[i] : NULL;
}

const char *command_complete(const char *word, int *ret_status)
{
	const char *found = NULL, *name;
	char all[128] = "";
	struct kf_error err;
	size_t count = 0;

	if (!word[0] || command_exists(word))
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

int command_exec(const struct command *command, char *const *rest)
{
	struct kf_error err;
	char called[64];

	kf_text_format(called, sizeof(called), "kf %s", command->name);
	return kf_tool_exec(called, command->args, rest, &err) < 0 ? kf_usage_end(-1, &err) : 0;
}

/* The word may be a key: then the user forgot "flash". */
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

int command_exec_other(const char *name, char *const *rest)
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
	return kf_usage_end(-1, &err);
}
