/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One line each; every board ends in one word and its reason. */
#include <string.h>

#include "core/text.h"
#include "flash/summary.h"

void kf_summary_plan(const struct kf_plan *plan, bool stops_units, char *ret, size_t size)
{
	const struct kf_board *board = &plan->board;
	const char *unit = stops_units ? board->holder.unit : "";

	if (plan->current) {
		kf_text_format(ret, size,
			       "would leave it alone: it was last flashed with %s (%s), --force "
			       "writes it again",
			       plan->path, plan->image.dictionary.version);
		return;
	}
	kf_text_format(
		ret, size, "would flash %s (%s, %s, %zu bytes) by %s%s%s at %s%s%s", plan->path,
		plan->image.dictionary.version, plan->image.dictionary.mcu, plan->image.len,
		kf_method_name(plan->methods.list[0]), plan->methods.count > 1 ? ", else " : "",
		plan->methods.count > 1 ? kf_method_name(plan->methods.list[1]) : "",
		board->tty[0] ? board->tty : board->usb.port, unit[0] ? ", stopping " : "", unit);
}

static const char *text(const json_t *obj, const char *name)
{
	const char *s = json_string_value(json_object_get(obj, name));

	return s ? s : "";
}

void kf_summary_result(const json_t *flash, const char *version, char *ret, size_t size)
{
	const char *reason = text(flash, "reason");

	if (strcmp(text(flash, "result"), "current") == 0)
		kf_text_format(ret, size, "current: %s: %s", version,
			       reason[0] ? reason
					 : "its flash has this image; nothing was written");
	else
		kf_text_format(ret, size, "flashed: runs %s now, %.1f s", version,
			       json_number_value(json_object_get(flash, "seconds")));
}

void kf_summary_line(const json_t *record, const char *label, const char *version, char *ret,
		     size_t size)
{
	const json_t *flash = json_object_get(record, "flash");
	const json_t *error = json_object_get(record, "error");
	const char *before = text(flash, "version_before"), *after = text(flash, "version_after");
	const char *result = text(flash, "result");

	if (json_is_object(error))
		kf_text_format(ret, size, "%-20s %-10s %s", label, "failed",
			       text(error, "message"));
	else if (!flash)
		kf_text_format(ret, size, "%-20s %-10s %s", label, "ready", "can be flashed now");
	else if (text(flash, "reason")[0])
		kf_text_format(ret, size, "%-20s %-10s %s", label, result, text(flash, "reason"));
	else if (strcmp(result, "dry_run") == 0)
		kf_text_format(ret, size, "%-20s %-10s would flash %s (%s)", label, result, version,
			       text(flash, "method"));
	else
		kf_text_format(ret, size, "%-20s %-10s %s%s%s (%s)", label, result, before,
			       before[0] && after[0] ? " -> " : "", after, text(flash, "method"));
}
