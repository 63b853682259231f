/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <string.h>

#include "board/port.h"
#include "board/record.h"
#include "core/clock.h"
#include "core/text.h"
#include "registry/method.h"
#include "show.h"
#include "terminal/log.h"
#include "terminal/screen.h"

static const char phase[] = "Flash";

void show_step(void *arg, const char *text)
{
	const struct kf_job *job = arg;

	kf_log_phase(phase, kf_board_label(&job->board), "%s", text);
}

void show_progress(void *arg, const char *what, size_t done, size_t total)
{
	const struct kf_job *job = arg;

	kf_log_progress(phase, kf_board_label(&job->board), what, done, total);
}

void show_failure(const struct kf_board *board, const struct kf_error *err)
{
	if (err->log[0] && !kf_stop_signal())
		kf_log_tail(err->log);
	kf_log_error(kf_board_label(board), err);
}

void show_wait(const struct kf_board *board, const char *other)
{
	kf_log_phase(phase, kf_board_label(board), "waiting for %s, which is using this board",
		     other);
}

void show_slow(const char *klippy)
{
	kf_log_phase(phase, NULL, "asking %s, which belongs to another user, for its boards",
		     klippy);
}

void describe_plan(const struct kf_plan *plan, bool stops_units, char *ret, size_t size)
{
	const struct kf_board *board = &plan->board;
	const char *unit = stops_units ? board->holder.unit : "";
	bool second = plan->methods.count > 1;
	char place[KF_DEV_SIZE];

	kf_board_place(board, place, sizeof(place));
	if (plan->current)
		kf_text_format(ret, size,
			       "would leave it alone: it was last flashed with %s (%s), --force "
			       "writes it again",
			       plan->path, plan->image.dictionary.version);
	else
		kf_text_format(ret, size, "would flash %s (%s, %s, %zu bytes) by %s%s%s at %s%s%s",
			       plan->path, plan->image.dictionary.version,
			       plan->image.dictionary.mcu, plan->image.len,
			       kf_method_name(plan->methods.list[0]), second ? ", else " : "",
			       second ? kf_method_name(plan->methods.list[1]) : "",
			       board->tty[0] ? board->tty : place, unit[0] ? ", stopping " : "",
			       unit);
}

static enum kf_colour colour_of(const char *result)
{
	return strcmp(result, "failed") == 0					  ? KF_COLOUR_BAD
	       : strcmp(result, "skipped") == 0 || strcmp(result, "pending") == 0 ? KF_COLOUR_NOTE
	       : strcmp(result, "dry_run") == 0					  ? KF_COLOUR_NONE
										  : KF_COLOUR_GOOD;
}

/* Write the words that stand behind the result in the table. */
static void describe_job(const struct kf_job *job, const struct args *args, char *ret, size_t size)
{
	const json_t *flash = json_object_get(job->record, "flash");
	const json_t *error = json_object_get(job->record, "error");
	const json_t *read = json_object_get(job->record, "read");
	const char *before = kf_json_text(flash, "version_before"),
		   *after = kf_json_text(flash, "version_after");
	const char *reason = flash ? kf_json_text(flash, "reason") : "can be flashed now";
	bool dry_run = strcmp(kf_json_text(flash, "result"), "dry_run") == 0;

	if (kf_record_failed(job->record)) {
		bool said = kf_log_told() ||
			    (args->told && strcmp(kf_json_text(error, "tool"), kf_log_tool()) == 0);

		kf_text_format(ret, size, "%s",
			       said ? "see above" : kf_json_text(error, "message"));
		return;
	}
	if (read)
		kf_text_format(ret, size, "%s (%s, %lld bytes)", kf_json_text(read, "path"),
			       kf_json_text(read, "version"),
			       (long long)json_integer_value(json_object_get(read, "bytes")));
	else if (dry_run && args->told)
		describe_plan(&job->plan, !args->no_service, ret, size);
	else if (reason[0])
		kf_text_format(ret, size, "%s", reason);
	else if (dry_run)
		kf_text_format(ret, size, "would flash %s (%s)", job->plan.image.dictionary.version,
			       kf_json_text(flash, "method"));
	else
		kf_text_format(ret, size, "%s%s%s (%s)", before,
			       before[0] && after[0] ? " -> " : "", after,
			       kf_json_text(flash, "method"));
	if (args->told && json_object_get(flash, "seconds"))
		kf_text_format(ret + strlen(ret), size - strlen(ret), ", %.1f s",
			       json_number_value(json_object_get(flash, "seconds")));
}

void print_line(const struct kf_job *job, const struct args *args)
{
	const struct kf_screen screen = kf_screen_of(stdout);
	const json_t *flash = json_object_get(job->record, "flash");
	const char *result = kf_record_failed(job->record)	    ? "failed"
			     : json_object_get(job->record, "read") ? "read"
			     : flash				    ? kf_json_text(flash, "result")
								    : "ready";
	char said[1024], padded[48];
	int at;

	describe_job(job, args, said, sizeof(said));
	kf_text_format(padded, sizeof(padded), "%-10s ", result);
	at = kf_screen_cell(&screen, kf_board_label(&job->board), 20);
	at = kf_screen_wrap(&screen, " ", at, 2);
	at = kf_screen_coloured(&screen, colour_of(result), padded, at, 2);
	kf_screen_wrap(&screen, said, at, 2);
	putchar('\n');
}

void show_result(const struct kf_job *job, const json_t *flash)
{
	const char *label = kf_board_label(&job->board), *reason = kf_json_text(flash, "reason");
	const char *version = job->plan.image.dictionary.version;

	if (strcmp(kf_json_text(flash, "result"), "current") == 0)
		kf_log_done(phase, label, KF_COLOUR_GOOD, "current: %s: %s", version,
			    reason[0] ? reason : "it has this image; nothing was written");
	else if (strcmp(kf_json_text(flash, "result"), "pending") == 0)
		kf_log_done(phase, label, KF_COLOUR_NOTE, "pending: %s: %s", version, reason);
	else if (job->plan.options.bootloader)
		kf_log_done(phase, label, KF_COLOUR_GOOD, "installed: Katapult %s %s", version,
			    kf_json_text(flash, "version_after")[0]
				    ? "answers"
				    : "has started the firmware behind it");
	else
		kf_log_done(phase, label, KF_COLOUR_GOOD, "flashed: runs %s now, %.1f s", version,
			    json_number_value(json_object_get(flash, "seconds")));
}
