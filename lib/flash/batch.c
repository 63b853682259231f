/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One board's failure never stops another's: it goes into its own record. */
#include <errno.h>
#include <stdlib.h>

#include "board/last-flash.h"
#include "board/port.h"
#include "board/record.h"
#include "core/clock.h"
#include "core/text.h"
#include "flash/batch.h"
#include "flash/proof.h"
#include "flash/target.h"
#include "printer/described.h"
#include "systemd/bus.h"

enum { SYSTEMD_MS = 10000 };

static void fail_job(struct kf_job *job, const char *tool)
{
	kf_last_flash_explain(job->board.key, &job->err);
	kf_error_for(&job->err, job->board.key);
	kf_record_set_error(job->record, tool, &job->err);
}

/* Ask every Klippy that uses the board whether it prints, also those that stay running. */
static int guard_users(struct kf_job *job, const struct kf_printers *printers,
		       struct kf_print_guard *guard)
{
	struct kf_bus_users *users = &job->users;
	char place[KF_DEV_SIZE];
	int r = 0;

	kf_bus_users_find(printers, &job->plan.board, users);
	for (size_t i = 0; r == 0 && i < users->count; i++)
		r = kf_print_guard_holder(guard, &users->list[i], &job->err);
	if (r < 0) {
		kf_board_place(&job->plan.board, place, sizeof(place));
		kf_error_prefix(&job->err, "%s cannot be flashed now", place);
		return r;
	}
	if (users->held > 0)
		job->plan.board.holder = users->list[0];
	return 0;
}

static void plan_job(struct kf_job *job, const struct kf_registry *registry,
		     const struct kf_printers *printers, const struct kf_boards *now,
		     const struct kf_flash_options *options, struct kf_print_guard *guard,
		     const char *tool)
{
	const struct kf_method_row *row = NULL;
	int r;

	r = kf_plan_record(job->record, registry, now, options, &job->plan, &job->err);
	if (r == 0 && job->plan.methods.count)
		row = kf_method_row(job->plan.methods.list[0]);
	if (row && row->ready) {
		r = row->ready(&job->plan, &job->plan.board, &job->err);
		if (r < 0)
			kf_plan_free(&job->plan);
	}
	job->planned = r == 0;
	/* Find out who uses the board before anything is sent to it: only its holder may. */
	if (r == 0 && !job->plan.skip[0])
		r = job->plan.board.link.type == KF_WIRE_CAN ||
				    job->plan.board.link.type == KF_WIRE_PROCESS
			    ? guard_users(job, printers, guard)
			    : kf_print_guard_port(guard, &job->plan.board, &job->err);
	/* Our notes say that the board has the image: the board or its Klippy must confirm it. */
	if (r == 0 && job->plan.current)
		job->plan.current = kf_proof_confirm(&job->plan);
	if (r < 0)
		fail_job(job, tool);
}

int kf_batch_plan(json_t *records, const struct kf_flash_options *options, const char *tool,
		  struct kf_batch *batch, struct kf_error *err)
{
	_cleanup_(kf_boards_free) struct kf_boards now = { 0 };
	_cleanup_(kf_printers_free) struct kf_printers printers = { 0 };
	struct kf_registry registry = { 0 };
	json_t *record;
	size_t i;
	int r;

	batch->list = calloc(json_array_size(records), sizeof(*batch->list));
	if (!batch->list)
		return kf_fail_sys(err, ENOMEM, "%zu records", json_array_size(records));
	r = kf_target_scan(&now, err);
	if (r == 0)
		r = kf_registry_load(&registry, err);
	if (r == 0)
		r = kf_printers_describe_records(records, &registry, &printers, err);
	if (r < 0) {
		kf_registry_close(&registry);
		return r;
	}
	json_array_foreach(records, i, record) {
		struct kf_job *job = &batch->list[batch->count++];

		job->record = record;
		r = kf_record_board(record, &job->board, err);
		if (r < 0)
			break;
		if (!kf_record_failed(record))
			plan_job(job, &registry, &printers, &now, options, &batch->guard, tool);
	}
	kf_registry_close(&registry);
	return r;
}

static bool to_flash(const struct kf_job *job)
{
	return job->planned && !job->plan.skip[0] && !job->plan.current && job->err.code == KF_OK;
}

/*
 * Returns the main process of a unit that the user named (pid 0: the unit is down). This unit is
 * stopped whether or not it holds a port. A holder in a container shows no unit: its pid tells that
 * it is this process.
 */
static struct kf_holder find_main(struct kf_bus *bus, const char *unit)
{
	const struct kf_deadline deadline = { .ms = kf_now_ms() + SYSTEMD_MS };
	struct kf_holder holder = { 0 };
	struct kf_unit_state state;

	if (kf_bus_state(bus, unit, &deadline, &state, NULL) == 0 && !kf_unit_is_down(&state))
		holder.pid = (pid_t)state.pid;
	KF_COPY(holder.unit, unit);
	return holder;
}

static void hold_named(struct kf_batch *batch, const char *tool)
{
	const struct kf_deadline deadline = { .ms = kf_now_ms() + SYSTEMD_MS };
	_cleanup_(kf_bus_close) struct kf_bus *bus = NULL;
	struct kf_holder holder;

	/* Without systemd no unit can be stopped: kf-service fails later and says so. */
	if (batch->hold.count == 0 || kf_bus_open(&deadline, &bus, NULL) < 0)
		return;
	for (size_t u = 0; u < batch->hold.count; u++) {
		holder = find_main(bus, batch->hold.units[u]);
		if (!holder.pid)
			continue;
		for (size_t i = 0; i < batch->count; i++) {
			struct kf_job *job = &batch->list[i];

			if (!to_flash(job))
				continue;
			if (job->plan.board.holder.pid == holder.pid)
				job->plan.board.holder = holder;
			if (kf_print_guard_holder(&batch->guard, &holder, &job->err) < 0)
				fail_job(job, tool);
		}
	}
}

/* --while-unknown works only if the holder's unit may be stopped. Else say how to free the port. */
static int free_port(struct kf_batch *batch, struct kf_job *job)
{
	struct kf_board *board = &job->plan.board;
	struct kf_error busy;
	int r = kf_print_guard_holder(&batch->guard, &board->holder, &job->err);

	for (size_t i = 1; r == 0 && i < job->users.held; i++) {
		struct kf_board other = *board;

		other.holder = job->users.list[i];
		r = kf_print_guard_holder(&batch->guard, &other.holder, &job->err);
		if (r == 0)
			r = kf_hold_holder(&batch->hold, &other, &job->err);
		if (r < 0)
			return r;
	}
	if (r == 0)
		return kf_hold_holder(&batch->hold, board, &job->err);
	if (job->err.code == KF_PRINTER_UNKNOWN && !kf_hold_stops(&batch->hold, &board->holder) &&
	    kf_hold_holder(&batch->hold, board, &busy) < 0)
		kf_error_hint(&job->err, "%s", busy.hint);
	return r;
}

void kf_batch_hold(struct kf_batch *batch, const char *tool)
{
	if (!batch->hold.off)
		hold_named(batch, tool);
	for (size_t i = 0; i < batch->count; i++) {
		struct kf_job *job = &batch->list[i];

		if (to_flash(job) && free_port(batch, job) < 0)
			fail_job(job, tool);
	}
}

void kf_batch_free(struct kf_batch *batch)
{
	for (size_t i = 0; i < batch->count; i++)
		if (batch->list[i].planned)
			kf_plan_free(&batch->list[i].plan);
	free(batch->list);
	kf_print_guard_free(&batch->guard);
}

bool kf_batch_any(const struct kf_batch *batch)
{
	for (size_t i = 0; i < batch->count; i++)
		if (to_flash(&batch->list[i]))
			return true;
	return false;
}
