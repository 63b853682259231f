/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The Klippies are collected first, so that one that is silent leaves each of the others its part
 * of the time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/text.h"
#include "klippy/printer-config.h"
#include "printer/printer.h"
#include "printer/unit-file.h"
#include "usb/holder.h"

struct search {
	struct kf_printers *printers;
	struct kf_klippy *klippies;
	size_t klippy_count;
};

void kf_printers_free(struct kf_printers *printers)
{
	for (size_t i = 0; i < printers->count; i++)
		kf_mcus_free(&printers->list[i].mcus);
	free(printers->list);
	*printers = (struct kf_printers){ 0 };
}

static void copy(char *dst, size_t size, const char *text)
{
	kf_text_clean(dst, size, text, strlen(text));
}

/* NULL: there are as many as we look at. */
static struct kf_printer *add(struct search *search)
{
	struct kf_printers *printers = search->printers;

	return printers->count < KF_PRINTERS_MAX ? &printers->list[printers->count++] : NULL;
}

static bool collect(const struct kf_klippy *klippy, void *arg)
{
	struct search *search = arg;

	if (search->klippy_count < KF_PRINTERS_MAX)
		search->klippies[search->klippy_count++] = *klippy;
	return search->klippy_count < KF_PRINTERS_MAX;
}

/* What a command line tells: also that of a unit which does not run. */
static void take_command(struct kf_printer *printer, const struct kf_klippy *klippy)
{
	printer->pid = klippy->pid;
	copy(printer->tree, sizeof(printer->tree), klippy->tree);
	copy(printer->python, sizeof(printer->python), klippy->python);
	copy(printer->config, sizeof(printer->config), klippy->config);
}

/* What a running Klippy says counts more; the path that it was started with may be relative. */
static void take_facts(struct kf_printer *printer, struct kf_klippy_facts *facts)
{
	copy(printer->state, sizeof(printer->state), facts->state);
	copy(printer->message, sizeof(printer->message), facts->message);
	copy(printer->version, sizeof(printer->version), facts->version);
	if (facts->tree[0] == '/')
		copy(printer->tree, sizeof(printer->tree), facts->tree);
	if (facts->python[0] == '/')
		copy(printer->python, sizeof(printer->python), facts->python);
	if (!printer->config[0] && facts->config[0] == '/')
		copy(printer->config, sizeof(printer->config), facts->config);
	printer->mcus = facts->mcus;
	facts->mcus = (struct kf_mcus){ 0 };
}

/* The file tells what no running Klippy does. */
static void read_config(struct kf_printer *printer)
{
	struct kf_error why = { 0 };

	if (printer->mcus.count > 0)
		return;
	printer->from_config = true;
	if (!printer->config[0])
		kf_fail(&why, KF_CONFIG, "the path of its printer.cfg is not known");
	else if (kf_printer_config_mcus(printer->config, &printer->mcus, &why) == 0)
		return;
	if (printer->why.code == KF_OK)
		printer->why = why;
	else
		kf_text_add(printer->why.message, sizeof(printer->why.message), "; ", why.message);
}

bool kf_printer_problem(const struct kf_printer *printer, char *ret, size_t size)
{
	if (printer->why.code == KF_OK)
		return false;
	if (strcmp(printer->state, "unknown") == 0)
		kf_text_format(ret, size, "Klippy (process %d) cannot be asked: %s",
			       (int)printer->pid, printer->why.message);
	else
		kf_text_format(ret, size, "its boards are not known: %s", printer->why.message);
	return true;
}

static int ask(struct search *search, const struct kf_klippy *klippy, int64_t deadline_ms,
	       struct kf_error *err)
{
	struct kf_printer *printer = add(search);
	struct kf_klippy_facts *facts = calloc(1, sizeof(*facts));
	int r;

	if (!printer || !facts) {
		r = facts ? 0 : kf_fail_sys(err, ENOMEM, "cannot look for printers");
		free(facts);
		return r;
	}
	take_command(printer, klippy);
	copy(printer->unit, sizeof(printer->unit), kf_holder_of(klippy->pid).unit);
	r = kf_klippy_ask(klippy, deadline_ms, facts, &printer->why);
	if (r == 0) {
		take_facts(printer, facts);
		kf_mcus_free(&facts->mcus);
	} else {
		copy(printer->state, sizeof(printer->state), "unknown");
	}
	free(facts);
	if (r == -EINTR)
		return kf_fail_stopped(err);
	read_config(printer);
	return 0;
}

static int ask_all(struct search *search, struct kf_error *err)
{
	int64_t now_ms = kf_now_ms(), deadline_ms = now_ms + KF_PRINTERS_MS;
	int r = 0;

	for (size_t i = 0; r == 0 && i < search->klippy_count; i++) {
		int64_t left = (int64_t)(search->klippy_count - i);

		now_ms = kf_now_ms();
		r = ask(search, &search->klippies[i], now_ms + (deadline_ms - now_ms) / left, err);
	}
	return r;
}

static bool is_listed(const struct kf_printers *printers, const char *unit, const char *config)
{
	for (size_t i = 0; i < printers->count; i++)
		if (strcmp(printers->list[i].unit, unit) == 0 ||
		    (config[0] && strcmp(printers->list[i].config, config) == 0))
			return true;
	return false;
}

/* klipper-mcu.service and the like are no Klippy. */
static void add_stopped(const struct kf_unit_command *command, void *arg)
{
	struct search *search = arg;
	struct kf_printer *printer;
	struct kf_klippy klippy;

	if (!kf_klippy_parse(command->args, command->len, command->dir, command->home, &klippy) ||
	    is_listed(search->printers, command->unit, klippy.config))
		return;
	printer = add(search);
	if (!printer)
		return;
	take_command(printer, &klippy);
	copy(printer->unit, sizeof(printer->unit), command->unit);
	copy(printer->state, sizeof(printer->state), "stopped");
	read_config(printer);
}

/* Of "klipper-voron.service", "klipper@voron.service", "klipper_voron.service": "voron". */
static void name_from_unit(const char *unit, char *ret, size_t size)
{
	const char *start = strncmp(unit, "klipper", 7) == 0 ? unit + 7 : unit;
	const char *end = strrchr(unit, '.');

	start += strspn(start, "-_@");
	ret[0] = '\0';
	if (end && end > start)
		kf_text_format(ret, size, "%.*s", (int)(end - start), start);
}

/* Of ~/voron_data/config/printer.cfg and ~/printer_voron_data/config/printer.cfg: "voron". */
static void name_from_folder(const char *config, char *ret, size_t size)
{
	static const char tail[] = "_data/config/", head[] = "printer_";
	const char *end = strstr(config, tail), *start = end;

	ret[0] = '\0';
	while (start && start > config && start[-1] != '/')
		start--;
	if (start && end - start > (ptrdiff_t)strlen(head) &&
	    strncmp(start, head, strlen(head)) == 0)
		start += strlen(head);
	if (end)
		kf_text_format(ret, size, "%.*s", (int)(end - start), start);
}

static void name_all(struct kf_printers *printers)
{
	for (size_t i = 0; i < printers->count; i++) {
		struct kf_printer *printer = &printers->list[i];
		char name[sizeof(printer->name)];
		unsigned number = 1;

		name_from_unit(printer->unit, name, sizeof(name));
		if (!name[0])
			name_from_folder(printer->config, name, sizeof(name));
		if (!name[0])
			kf_text_format(name, sizeof(name), "printer");
		kf_text_format(printer->name, sizeof(printer->name), "%s", name);
		for (size_t j = 0; j < i; j++)
			if (strcmp(printers->list[j].name, printer->name) == 0) {
				kf_text_format(printer->name, sizeof(printer->name), "%.56s-%u",
					       name, ++number);
				j = (size_t)-1; /* from the start: the new one may be taken too */
			}
	}
}

static int by_unit(const void *a, const void *b)
{
	const struct kf_printer *x = a, *y = b;

	if (!x->pid != !y->pid)
		return x->pid ? -1 : 1;
	return strverscmp(x->unit, y->unit);
}

int kf_printers_find(struct kf_printers *ret, struct kf_error *err)
{
	_cleanup_(kf_printers_free) struct kf_printers printers = { 0 };
	const char *root = getenv("KF_PRINTER_ROOT");
	struct search search = { .printers = &printers };
	char proc[PATH_MAX];
	int r;

	search.klippies = calloc(KF_PRINTERS_MAX, sizeof(*search.klippies));
	printers.list = calloc(KF_PRINTERS_MAX, sizeof(*printers.list));
	if (!search.klippies || !printers.list) {
		free(search.klippies);
		return kf_fail_sys(err, ENOMEM, "cannot look for printers");
	}
	if (kf_text_format(proc, sizeof(proc), "%s/proc", root ? root : ""))
		kf_klippy_each_in(proc, collect, &search);
	r = ask_all(&search, err);
	free(search.klippies);
	if (r < 0)
		return r;
	kf_units_each(root ? root : "", add_stopped, &search);
	qsort(printers.list, printers.count, sizeof(*printers.list), by_unit);
	name_all(&printers);
	*ret = printers;
	printers = (struct kf_printers){ 0 }; /* the caller's now */
	return 0;
}
