/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A word that we do not know is never read as "idle". */
#include <string.h>

#include "core/text.h"
#include "klipper/printer.h"

static const char *text(const json_t *obj, const char *name)
{
	const char *value = json_string_value(json_object_get(obj, name));

	return value ? value : "";
}

static bool one_of(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (strcmp(word, *words) == 0)
			return true;
	return false;
}

static bool is_down(const char *state)
{
	static const char *const down[] = { "startup", "shutdown", "error", NULL };

	return one_of(state, down);
}

bool kf_printer_judge_info(const json_t *info, struct kf_printer *ret)
{
	const char *state = text(info, "state");

	if (strcmp(state, "ready") == 0)
		return false;
	*ret = (struct kf_printer){ is_down(state) ? KF_PRINTER_DOWN : KF_PRINTER_DOUBT, "", -1 };
	return true;
}

/* print_stats: printing, paused, not, or (without a virtual SD card, or not a word) doubt. */
static enum kf_printer_state of_file(const json_t *stats, const json_t *sd)
{
	static const char *const over[] = { "standby", "complete", "cancelled", "error", NULL };
	const char *state = text(stats, "state");

	if (strcmp(state, "printing") == 0 || json_is_true(json_object_get(sd, "is_active")))
		return KF_PRINTER_PRINTING;
	if (strcmp(state, "paused") == 0)
		return KF_PRINTER_PAUSED;
	return one_of(state, over) ? KF_PRINTER_IDLE : KF_PRINTER_DOUBT;
}

static enum kf_printer_state of_gcode(const json_t *timeout)
{
	static const char *const still[] = { "Idle", "Ready", NULL };
	const char *state = text(timeout, "state");

	if (strcmp(state, "Printing") == 0)
		return KF_PRINTER_STREAMED;
	return one_of(state, still) ? KF_PRINTER_IDLE : KF_PRINTER_DOUBT;
}

static bool asked_in_vain(const json_t *obj)
{
	return !obj || (json_is_object(obj) && json_object_size(obj) == 0);
}

static enum kf_printer_state judge(const json_t *status)
{
	const json_t *stats = json_object_get(status, "print_stats"),
		     *timeout = json_object_get(status, "idle_timeout"),
		     *webhooks = json_object_get(status, "webhooks");
	enum kf_printer_state file, gcode;

	if (is_down(text(webhooks, "state")))
		return KF_PRINTER_DOWN;
	file = of_file(stats, json_object_get(status, "virtual_sdcard"));
	if (file == KF_PRINTER_PRINTING || file == KF_PRINTER_PAUSED)
		return file;
	gcode = of_gcode(timeout);
	if (gcode == KF_PRINTER_STREAMED)
		return gcode;
	if (json_is_true(json_object_get(json_object_get(status, "pause_resume"), "is_paused")))
		return KF_PRINTER_HELD;
	if (strcmp(text(webhooks, "state"), "ready") != 0)
		return KF_PRINTER_DOUBT;
	/* A printer may lack one of the two (no virtual SD card), but not both. */
	if (file == KF_PRINTER_DOUBT && asked_in_vain(stats))
		return gcode;
	if (gcode == KF_PRINTER_DOUBT && asked_in_vain(timeout))
		return file;
	return file == KF_PRINTER_IDLE ? gcode : file;
}

void kf_printer_judge(const json_t *result, struct kf_printer *ret)
{
	const json_t *status = json_object_get(result, "status"),
		     *stats = json_object_get(status, "print_stats"),
		     *progress =
			     json_object_get(json_object_get(status, "virtual_sdcard"), "progress");
	const char *file = text(stats, "filename");
	double done = json_is_number(progress) ? json_number_value(progress) : -1;

	*ret = (struct kf_printer){ .state = judge(status), .percent = -1 };
	kf_text_clean(ret->file, sizeof(ret->file), file, strlen(file));
	if (done >= 0 && done <= 1)
		ret->percent = (int)(done * 100);
}
