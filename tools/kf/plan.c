/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/toolpath.h"
#include "plan.h"
#include "registry/pipeline.h"
#include "registry/registry.h"
#include "terminal/log.h"
#include "terminal/usage.h"

static const char *const tools[] = { "kf-scan", "kf-flash", "kf-config", "kf-build", "kf-flash" };

void plan_free(struct plan *plan)
{
	free(plan->keys);
}

void plan_add(struct plan *plan, enum stage stage, const char *word)
{
	plan->argv[stage][plan->argc[stage]++] = word;
}

int plan_init(struct plan *plan, const struct command *command, char *const *args)
{
	size_t room = 2 * KF_ARRAY_SIZE(command->args);
	struct kf_error err;

	for (; *args; args++)
		room += 2 + strlen(*args);
	plan->command = command;
	plan->keys = calloc((STAGE_COUNT + 1) * room, sizeof(*plan->keys));
	if (!plan->keys) {
		kf_fail_sys(&err, ENOMEM, "%s", command->name);
		return kf_usage_end(-1, &err);
	}
	for (enum stage s = SCAN; s < STAGE_COUNT; s++) {
		plan->argv[s] = plan->keys + (s + 1) * room;
		plan->argc[s] = 1;
	}
	plan_add(plan, CHECK, "--check");
	plan_add(plan, CHECK, "--json");
	for (const char *const *arg = command->args + 1; *arg; arg++)
		plan_add(plan, CONFIG, *arg);
	return 0;
}

static void show_found(const char *boards)
{
	kf_log_phase("Discovery", NULL, "%s", boards);
}

static void show_told(const char *line)
{
	kf_log_phase("Status", NULL, "%s", line);
}

bool nothing_registered(void)
{
	_cleanup_(kf_registry_close) struct kf_registry registry = { .lock = -1 };

	return kf_registry_load(&registry, NULL) == 0 &&
	       json_object_size(json_object_get(registry.root, "devices")) == 0;
}

int plan_run(struct plan *plan)
{
	bool flash = plan->command->stages & TO_FLASH;
	bool update = command_is(plan->command, "update");
	char path[STAGE_COUNT][PATH_MAX];
	const char *const *stages[STAGE_COUNT + 2] = { NULL };
	struct kf_pipeline pipeline = {
		.command = plan->command->name,
		.verb = plan->command->verb,
		.all = plan->all,
		.update = update,
		.yes = plan->yes,
		.empty = nothing_registered(),
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
		plan_add(plan, CONFIG, "--menuconfig");
	if (plan->all || update)
		plan_add(plan, CONFIG, "--saved");
	if (update)
		plan_add(plan, CONFIG, "--compare");
	if (update && plan->yes)
		plan_add(plan, CONFIG, "--yes");
	if (plan->all && flash)
		plan_add(plan, CONFIG, "--connected");
	for (enum stage s = SCAN; s < STAGE_COUNT; s++) {
		if (s != SCAN && !(plan->command->stages & 1u << s))
			continue;
		if (kf_tool_find(s == SCAN && update ? "kf-status" : tools[s], path[s], &err) < 0)
			return kf_usage_end(-1, &err);
		plan->argv[s][0] = path[s];
		stages[count++] = plan->argv[s];
		/* Check again: a configuration tells more, and the build after it may take
		 * minutes. */
		if (s == CONFIG && plan->command->stages & TO_CHECK)
			stages[count++] = plan->argv[CHECK];
	}
	status = kf_pipeline_run(&pipeline, &err);
	if (err.message[0])
		kf_log_error(NULL, &err);
	return status;
}
