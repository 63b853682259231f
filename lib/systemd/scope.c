/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One description of a scope serves both callers: the words that busctl(1) takes, which
 * are also what our own message is made of.
 */
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "systemd/message.h"
#include "systemd/scope.h"
#include "systemd/systemctl.h"

enum { ON_SUCCESS_SINCE = 249, WORDS_MAX = 48 + 2 * KF_HOLD_UNITS_MAX };

struct words {
	const char
		*list[WORDS_MAX]; /* each property: name, type, count if it is an array, values */
	size_t count, properties;
	char pid[16], units[16];
};

static void add(struct words *words, const char *name, const char *type, const char *count,
		const char *const *values)
{
	words->list[words->count++] = name;
	words->list[words->count++] = type;
	if (count)
		words->list[words->count++] = count;
	for (; *values; values++)
		words->list[words->count++] = *values;
	words->properties++;
}

static void add_one(struct words *words, const char *name, const char *value)
{
	const char *const values[] = { value, NULL };

	add(words, name, "s", NULL, values);
}

static void describe(const struct kf_scope *scope, struct words *words)
{
	const char *const pids[] = { words->pid, NULL };
	size_t units = 0;

	while (scope->units[units])
		units++;
	kf_text_format(words->pid, sizeof(words->pid), "%d", (int)scope->pid);
	kf_text_format(words->units, sizeof(words->units), "%zu", units);
	add(words, "PIDs", "au", "1", pids);
	add_one(words, "Description", "kalico-flash at work");
	add_one(words, "CollectMode", "inactive-or-failed");
	if (units == 0)
		return;
	add(words, "OnSuccess", "as", words->units, scope->units);
	add(words, "OnFailure", "as", words->units, scope->units);
	/* A job that stops one of them yet has to give way; by default OnSuccess= would. */
	add_one(words, "OnSuccessJobMode", "replace");
	add_one(words, "OnFailureJobMode", "replace");
}

/* One value of the message, in a variant; *at is its type, and moves on behind the value. */
static int append_value(sd_bus_message *m, const char *const **at)
{
	const char *type = *(*at)++, one[2] = { type[strlen(type) - 1] };
	unsigned long count = 1;
	int r;

	r = sd_bus_message_open_container(m, 'v', type);
	if (r >= 0 && type[0] == 'a') {
		count = strtoul(*(*at)++, NULL, 10);
		r = sd_bus_message_open_container(m, 'a', one);
	}
	for (; r >= 0 && count > 0; count--, (*at)++)
		r = one[0] == 'u' ? sd_bus_message_append(m, "u", (uint32_t)atol(**at))
				  : sd_bus_message_append(m, "s", **at);
	if (r >= 0 && type[0] == 'a')
		r = sd_bus_message_close_container(m);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

/* StartTransientUnit's arguments: name, mode, properties, and no further units. */
static int fill(sd_bus_message *m, void *arg)
{
	const struct kf_scope *scope = arg;
	struct words words = { 0 };
	const char *const *at = words.list;
	int r;

	describe(scope, &words);
	r = sd_bus_message_append(m, "ss", scope->name, "fail");
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'a', "(sv)");
	while (r >= 0 && words.properties-- > 0) {
		r = sd_bus_message_open_container(m, 'r', "sv");
		if (r >= 0)
			r = sd_bus_message_append(m, "s", *at++);
		if (r >= 0)
			r = append_value(m, &at);
		if (r >= 0)
			r = sd_bus_message_close_container(m);
	}
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	return r < 0 ? r : sd_bus_message_append(m, "a(sa(sv))", 0);
}

static int judge(const struct kf_scope *scope, const char *result, struct kf_error *err)
{
	if (strcmp(result, "done") == 0)
		return 0;
	return kf_fail(err, KF_SERVICE, "%s: systemd's job ended with the result %s", scope->name,
		       result);
}

int kf_scope_start(struct kf_bus *bus, const struct kf_scope *scope,
		   const struct kf_patience *patience, struct kf_error *err)
{
	struct kf_scope copy = *scope;
	char result[32];
	int r;

	r = kf_bus_transient(bus, fill, &copy, patience, result, err);
	return r < 0 ? r : judge(scope, result, err);
}

int kf_scope_start_sudo(struct kf_bus *bus, const struct kf_scope *scope,
			const struct kf_patience *patience, struct kf_error *err)
{
	static const char manager[] = KF_SD_MANAGER;
	const char *argv[16 + WORDS_MAX] = { "sudo",
					     "-n",
					     "busctl",
					     "call",
					     KF_SD_NAME,
					     KF_SD_PATH,
					     manager,
					     "StartTransientUnit",
					     "ssa(sv)a(sa(sv))",
					     scope->name,
					     "fail" };
	char properties[16], answer[KF_NAME_SIZE], result[32], *job;
	struct words words = { 0 };
	size_t n = 11;
	int r;

	describe(scope, &words);
	kf_text_format(properties, sizeof(properties), "%zu", words.properties);
	argv[n++] = properties;
	memcpy(argv + n, words.list, words.count * sizeof(*argv));
	argv[n + words.count] = "0";
	kf_bus_listen(bus);
	r = kf_sudo(argv, patience, answer, sizeof(answer), err);
	if (r < 0)
		return r;
	job = strchr(answer, '"'); /* o "/org/freedesktop/systemd1/job/184" */
	if (!job)
		return kf_fail(err, KF_SERVICE, "busctl's answer is not a job: %s", answer);
	job[1 + strcspn(job + 1, "\"")] = '\0';
	r = kf_bus_job_end(bus, job + 1, patience, result, err);
	return r < 0 ? r : judge(scope, result, err);
}

/* polkit is asked for a scope as for any, and then systemd does not know the property. */
static int fill_probe(sd_bus_message *m, void *arg)
{
	(void)arg;
	return sd_bus_message_append(m, "ssa(sv)a(sa(sv))", "kf-hold-probe.scope", "fail", 1,
				     "KalicoFlashProbe", "s", "", 0);
}

bool kf_scope_can(struct kf_bus *bus, const struct kf_patience *patience)
{
	unsigned version;

	return kf_bus_version(bus, patience, &version, NULL) == 0 && version >= ON_SUCCESS_SINCE;
}

bool kf_scope_may(struct kf_bus *bus, const struct kf_patience *patience)
{
	struct kf_error err = { 0 };
	char result[32];

	return kf_scope_can(bus, patience) &&
	       kf_bus_transient(bus, fill_probe, NULL, patience, result, &err) < 0 &&
	       err.code == KF_SERVICE;
}

bool kf_scope_may_sudo(struct kf_bus *bus, const struct kf_patience *patience)
{
	static const char *const argv[] = {
		"sudo", "-n", "-l", "busctl", "call", KF_SD_NAME, NULL
	};

	return kf_scope_can(bus, patience) && kf_sudo_may(argv, patience);
}
