/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Each Klippy is asked by a thread of its own: one that is silent takes no time from the others,
 * and several that answer late answer at the same time.
 */
#include <errno.h>
#include <pthread.h>
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
	bool asks;
};

void kf_printers_free(struct kf_printers *printers)
{
	for (size_t i = 0; i < printers->count; i++)
		kf_mcus_free(&printers->list[i].mcus);
	free(printers->list);
	*printers = (struct kf_printers){ 0 };
}

/* NULL: the list is full. */
static struct kf_printer *add(struct search *search)
{
	struct kf_printers *printers = search->printers;

	if (printers->count == KF_PRINTERS_MAX)
		return NULL;
	printers->list[printers->count].print.percent = -1;
	return &printers->list[printers->count++];
}

static bool collect(const struct kf_klippy *klippy, void *arg)
{
	struct search *search = arg;

	if (search->klippy_count < KF_PRINTERS_MAX)
		search->klippies[search->klippy_count++] = *klippy;
	return search->klippy_count < KF_PRINTERS_MAX;
}

/* Reads the command line of a process, or of a unit that does not run. */
static void take_command(struct kf_printer *printer, const struct kf_klippy *klippy)
{
	printer->pid = klippy->pid;
	KF_CLEAN(printer->tree, klippy->tree);
	KF_CLEAN(printer->python, klippy->python);
	KF_CLEAN(printer->config, klippy->config);
}

/* A running Klippy's own answers replace these: a path on its command line may be relative. */
static void take_facts(struct kf_printer *printer, struct kf_klippy_facts *facts)
{
	KF_CLEAN(printer->state, facts->state);
	KF_CLEAN(printer->message, facts->message);
	KF_CLEAN(printer->version, facts->version);
	if (facts->tree[0] == '/')
		KF_CLEAN(printer->tree, facts->tree);
	if (facts->python[0] == '/')
		KF_CLEAN(printer->python, facts->python);
	if (!printer->config[0] && facts->config[0] == '/')
		KF_CLEAN(printer->config, facts->config);
	printer->print = facts->print;
	printer->mcus = facts->mcus;
	facts->mcus = (struct kf_mcus){ 0 };
}

static const char *section_of(const struct kf_mcu *mcu, char ret[KF_NAME_SIZE])
{
	bool first = strcmp(mcu->name, "mcu") == 0;

	kf_text_format(ret, KF_NAME_SIZE, "[mcu%s%s]", first ? "" : " ", first ? "" : mcu->name);
	return ret;
}

/* Report an MCU without a wire, which Klippy would refuse, or with the wire of another MCU. */
static void check_mcus(struct kf_printer *printer)
{
	const struct kf_mcus *mcus = &printer->mcus;
	char name[KF_NAME_SIZE], other[KF_NAME_SIZE];

	for (size_t i = 0; i < mcus->count && printer->why.code == KF_OK; i++) {
		const struct kf_mcu *mcu = &mcus->list[i];

		if (!mcu->serial[0] && !mcu->canbus_uuid[0])
			kf_fail(&printer->why, KF_CONFIG,
				"%s: %s has neither serial: nor canbus_uuid: with a value on the "
				"same line",
				printer->config, section_of(mcu, name));
		for (size_t k = 0; k < i && printer->why.code == KF_OK; k++)
			if (mcu->serial[0] && strcmp(mcu->serial, mcus->list[k].serial) == 0)
				kf_fail(&printer->why, KF_CONFIG,
					"%s: %s and %s have one serial: %s", printer->config,
					section_of(&mcus->list[k], other), section_of(mcu, name),
					mcu->serial);
	}
}

/* Read the MCUs from printer.cfg if no running Klippy has told them. */
static void read_config(struct kf_printer *printer)
{
	struct kf_error why = { 0 };

	if (printer->mcus.count > 0)
		return;
	if (!printer->config[0])
		kf_fail(&why, KF_CONFIG, "the path of its printer.cfg is not known");
	else if (kf_printer_config_mcus(printer->config, &printer->mcus, &why) == 0) {
		check_mcus(printer);
		return;
	}
	if (printer->why.code == KF_OK)
		printer->why = why;
	else
		kf_text_add(printer->why.message, sizeof(printer->why.message), "; ", why.message);
}

bool kf_printer_may_have(const struct kf_printer *printer)
{
	return printer->why.code != KF_OK && printer->mcus.count == 0;
}

bool kf_printers_hidden(const struct kf_printers *printers)
{
	bool ret = false;

	for (size_t i = 0; i < printers->count; i++)
		ret = ret || kf_printer_may_have(&printers->list[i]);
	return ret;
}

/* Add the remedy. The user who started Klippy may read the file; we may be another user. */
static void hint_problem(const struct kf_printer *printer, struct kf_error *ret)
{
	if (printer->why.code == KF_PERMISSION && strcmp(printer->state, "unknown") != 0)
		kf_error_hint(ret,
			      "%s or a folder of it belongs to another user (ls -l %s): run it as "
			      "that user, or start the printer, whose Klippy then tells",
			      printer->config, printer->config);
	else if (strcmp(printer->state, "unknown") == 0 && printer->unit[0])
		kf_error_hint(ret,
			      "journalctl -u %s tells more; if nothing prints: sudo systemctl "
			      "restart %s",
			      printer->unit, printer->unit);
	else if (strcmp(printer->state, "unknown") == 0)
		kf_error_hint(ret, "its klippy.log tells more; if nothing prints, start it again");
	else if (printer->why.code == KF_CONFIG && printer->why.hint[0])
		kf_error_hint(ret, "%s", printer->why.hint);
	else if (printer->config[0])
		kf_error_hint(ret, "correct it in %s", printer->config);
	else
		kf_error_hint(ret, "kf add registers its boards");
}

bool kf_printer_problem(const struct kf_printer *printer, struct kf_error *ret)
{
	if (printer->why.code == KF_OK)
		return false;
	if (strcmp(printer->state, "unknown") == 0)
		kf_fail(ret, printer->why.code, "Klippy (process %d) cannot be asked: %s",
			(int)printer->pid, printer->why.message);
	else if (printer->mcus.count > 0)
		kf_fail(ret, printer->why.code, "%s", printer->why.message);
	else
		kf_fail(ret, printer->why.code, "its boards are not known: %s",
			printer->why.message);
	hint_problem(printer, ret);
	return true;
}

void kf_printer_state_text(const struct kf_printer *printer, char *ret, size_t size)
{
	if (!kf_print_state_text(&printer->print, ret, size))
		kf_text_format(ret, size, "%s%s%s", printer->state, printer->message[0] ? ": " : "",
			       printer->message);
}

/* One Klippy, and what it answers. */
struct asked {
	const struct kf_klippy *klippy;
	int64_t deadline_ms;
	pthread_t thread;
	bool started; /* the thread */
	struct kf_klippy_facts facts;
	int r;
	struct kf_error err;
};

static void *ask(void *arg)
{
	struct asked *asked = arg;

	asked->r = kf_klippy_ask(asked->klippy, asked->deadline_ms, &asked->facts, &asked->err);
	return NULL;
}

/* The facts are the printer's then, or freed. */
static void add_asked(struct search *search, struct asked *asked)
{
	struct kf_printer *printer = add(search);

	if (printer) {
		take_command(printer, asked->klippy);
		KF_CLEAN(printer->unit, kf_holder_of(asked->klippy->pid).unit);
		if (asked->r == 0 && search->asks)
			take_facts(printer, &asked->facts);
		else
			KF_CLEAN(printer->state, "unknown");
		if (asked->r < 0)
			printer->why = asked->err;
		read_config(printer);
	}
	kf_mcus_free(&asked->facts.mcus);
}

/* A single Klippy, and any for which there is no thread, is asked here. */
static int ask_all(struct search *search, struct kf_error *err)
{
	int64_t deadline_ms = kf_now_ms() + KF_PRINTERS_MS;
	struct asked *list = calloc(search->klippy_count + 1, sizeof(*list));

	if (!list)
		return kf_fail_sys(err, ENOMEM, "cannot look for printers");
	for (size_t i = 0; i < search->klippy_count; i++) {
		struct asked *asked = &list[i];

		asked->klippy = &search->klippies[i];
		if (!search->asks)
			continue;
		asked->deadline_ms = deadline_ms;
		asked->started = search->klippy_count > 1 &&
				 pthread_create(&asked->thread, NULL, ask, asked) == 0;
	}
	for (size_t i = 0; i < search->klippy_count; i++) {
		if (list[i].started)
			pthread_join(list[i].thread, NULL);
		else if (search->asks)
			ask(&list[i]);
	}
	for (size_t i = 0; i < search->klippy_count; i++)
		add_asked(search, &list[i]);
	free(list);
	return kf_stop_signal() ? kf_fail_stopped(err) : 0;
}

static bool is_listed(const struct kf_printers *printers, const char *unit, const char *config)
{
	for (size_t i = 0; i < printers->count; i++)
		if ((unit[0] && strcmp(printers->list[i].unit, unit) == 0) ||
		    (config[0] && strcmp(printers->list[i].config, config) == 0))
			return true;
	return false;
}

/* klipper-mcu.service and the like are no Klippy. */
static void add_stopped(const struct kf_unit_command *command, void *arg)
{
	struct search *search = arg;
	const char *unit = command->users_own ? "" : command->unit;
	struct kf_printer *printer;
	struct kf_klippy klippy;

	if (!kf_klippy_parse(command->args, command->len, command->dir, command->home, &klippy) ||
	    is_listed(search->printers, unit, klippy.config))
		return;
	printer = add(search);
	if (!printer)
		return;
	take_command(printer, &klippy);
	KF_CLEAN(printer->unit, unit);
	KF_CLEAN(printer->state, "stopped");
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
		KF_COPY(printer->name, name);
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

const char *kf_printer_root(void)
{
	const char *root = getenv("KF_PRINTER_ROOT");

	return root ? root : "";
}

static int find(bool asks, struct kf_printers *ret, struct kf_error *err)
{
	_cleanup_(kf_printers_free) struct kf_printers printers = { 0 };
	struct search search = { .printers = &printers, .asks = asks };
	char proc[PATH_MAX];
	int r;

	search.klippies = calloc(KF_PRINTERS_MAX, sizeof(*search.klippies));
	printers.list = calloc(KF_PRINTERS_MAX, sizeof(*printers.list));
	if (!search.klippies || !printers.list) {
		free(search.klippies);
		return kf_fail_sys(err, ENOMEM, "cannot look for printers");
	}
	if (kf_text_format(proc, sizeof(proc), "%s/proc", kf_printer_root()))
		kf_klippy_each_in(proc, collect, &search);
	r = ask_all(&search, err);
	free(search.klippies);
	if (r < 0)
		return r;
	kf_units_each(kf_printer_root(), add_stopped, &search);
	qsort(printers.list, printers.count, sizeof(*printers.list), by_unit);
	name_all(&printers);
	*ret = printers;
	printers = (struct kf_printers){ 0 }; /* the caller's now */
	return 0;
}

int kf_printers_find(struct kf_printers *ret, struct kf_error *err)
{
	return find(true, ret, err);
}

int kf_printers_find_configured(struct kf_printers *ret, struct kf_error *err)
{
	return find(false, ret, err);
}
