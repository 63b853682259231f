/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "board/last-flash.h"
#include "board/port.h"
#include "board/record.h"
#include "core/text.h"
#include "registry/update-plan.h"

/* Seconds of a flash, if none of this board was measured; and of the restart of a service. */
enum { USUAL_S = 20, SERVICE_S = 6 };

struct item {
	struct kf_board board;
	const char *from, *to;
	long long commits;
	bool behind;
};

struct update_plan {
	struct item *list;
	size_t count;
	/* Do all boards have one version? Do all get one version? Are all "behind"? */
	bool same_from, same_to, behind;
	int key_width, mcu_width;
};

static int wider(int width, const char *text)
{
	return (int)strlen(text) > width ? (int)strlen(text) : width;
}

static void add(struct update_plan *plan, const json_t *record)
{
	const json_t *status = json_object_get(record, "status");
	struct item *item = &plan->list[plan->count];

	if (kf_record_failed(record) || kf_record_board(record, &item->board, NULL) < 0)
		return;
	item->from = item->board.version[0] ? kf_json_text(status, "version")
					    : kf_json_text(status, "state");
	item->to = kf_json_text(status, "tree_version");
	item->to = item->to[0] ? item->to : kf_json_text(status, "tree");
	item->commits = json_integer_value(json_object_get(status, "behind"));
	item->behind = strcmp(kf_json_text(status, "state"), "behind") == 0;
	plan->count++;
	plan->same_from = plan->same_from && strcmp(item->from, plan->list[0].from) == 0;
	plan->same_to = plan->same_to && strcmp(item->to, plan->list[0].to) == 0;
	plan->behind = plan->behind && item->behind;
	plan->key_width = wider(plan->key_width, item->board.key);
	plan->mcu_width = wider(plan->mcu_width, item->board.mcu);
}

static bool shares_bus(const struct kf_board *a, const struct kf_board *b)
{
	return a->link.type == KF_WIRE_CAN && b->link.type == KF_WIRE_CAN && a->link.interface[0] &&
	       strcmp(a->link.interface, b->link.interface) == 0;
}

static bool carries_others(const struct update_plan *plan, const struct kf_board *board)
{
	for (size_t i = 0; i < plan->count; i++)
		if (kf_board_is_bridge(board) && &plan->list[i].board != board &&
		    shares_bus(&plan->list[i].board, board))
			return true;
	return false;
}

/* "v0.13.0-730 -> v0.13.0-770, 40 commits", or a part of it. */
static void print_versions(FILE *f, const struct item *item, bool from, bool to)
{
	fprintf(f, "%s%s%s", from ? item->from : "", to ? (from ? " -> " : "to ") : "",
		to ? item->to : "");
	if (from && item->commits)
		fprintf(f, ", %lld commit%s", item->commits, item->commits == 1 ? "" : "s");
}

/* "  ebb  stm32g0b1  can0 44db3d634885" */
static void print_item(FILE *f, const struct update_plan *plan, const struct item *item)
{
	const struct kf_board *board = &item->board;
	char place[KF_DEV_SIZE];

	kf_board_place(board, place, sizeof(place));
	fprintf(f, "  %-*s  %-*s  %s", plan->key_width, board->key, plan->mcu_width, board->mcu,
		board->tty[0] ? board->tty : place);
	if (!plan->same_from || !plan->same_to) {
		fputs("  (", f);
		print_versions(f, item, true, !plan->same_to);
		fputs(")", f);
	}
	fprintf(f, "%s\n", carries_others(plan, board) ? "  (last: it carries the others)" : "");
}

static double seconds_of(const struct kf_board *board)
{
	struct kf_last_flash last;

	kf_last_flash_load(board->key, &last);
	return last.took_ms > 0 ? (double)last.took_ms / 1000 : USUAL_S;
}

/* Boards are flashed at the same time, those of one bus one after the other. */
static double longest_s(const struct update_plan *plan)
{
	double ret = 0;

	for (size_t i = 0; i < plan->count; i++) {
		double s = seconds_of(&plan->list[i].board);

		for (size_t k = 0; k < plan->count; k++)
			if (k != i && shares_bus(&plan->list[i].board, &plan->list[k].board))
				s += seconds_of(&plan->list[k].board);
		ret = s > ret ? s : ret;
	}
	return ret;
}

/* Is this unit in the list "a.service, b.service"? The name of one may end in that of another. */
static bool is_listed(const char *units, const char *unit)
{
	size_t len = strlen(unit);

	for (const char *at = units; (at = strstr(at, unit)); at += len)
		if ((at == units || at[-1] == ' ') && (!at[len] || at[len] == ','))
			return true;
	return false;
}

static void add_unit(char *units, size_t size, const struct kf_board *board)
{
	if (board->holder.unit[0] && !is_listed(units, board->holder.unit))
		kf_text_add(units, size, ", ", board->holder.unit);
}

/*
 * List the services that will be stopped: each that has a board of the plan, and for a bridge also
 * each that has another board on its bus.
 */
static void find_units(const struct update_plan *plan, const json_t *found, char *ret, size_t size)
{
	struct kf_board other;
	const json_t *record;
	size_t k;

	for (size_t i = 0; i < plan->count; i++) {
		const struct kf_board *board = &plan->list[i].board;

		add_unit(ret, size, board);
		json_array_foreach(found, k, record) {
			if (kf_board_is_bridge(board) &&
			    kf_record_board(record, &other, NULL) == 0 && shares_bus(board, &other))
				add_unit(ret, size, &other);
		}
	}
}

static void print_plan(FILE *f, const struct update_plan *plan, const json_t *found)
{
	bool named = false;
	char units[512] = "";

	fputs(plan->behind ? "Boards behind" : "Boards to flash", f);
	if (plan->same_to && plan->count > 0) {
		fputs(" (", f);
		print_versions(f, &plan->list[0], plan->same_from, true);
		fputs(")", f);
	}
	fputs(":\n", f);
	for (int bridges = 0; bridges <= 1; bridges++)
		for (size_t i = 0; i < plan->count; i++)
			if (kf_board_is_bridge(&plan->list[i].board) == bridges)
				print_item(f, plan, &plan->list[i]);
	find_units(plan, found, units, sizeof(units));
	named = units[0] && strcmp(units, "klipper.service") != 0;
	if (units[0])
		fprintf(f, "Klipper%s%s%s will be stopped for about %.0f s.", named ? " (" : "",
			named ? units : "", named ? ")" : "", longest_s(plan) + SERVICE_S);
	else
		fprintf(f, "It takes about %.0f s.", longest_s(plan));
}

char *kf_update_plan(const json_t *boards, const json_t *found)
{
	struct update_plan plan = { .same_from = true, .same_to = true, .behind = true };
	char *text = NULL;
	size_t i, size;
	json_t *record;
	FILE *f;

	plan.list = calloc(json_array_size(boards) + 1, sizeof(*plan.list));
	f = plan.list ? open_memstream(&text, &size) : NULL;
	if (f) {
		json_array_foreach(boards, i, record) {
			add(&plan, record);
		}
		print_plan(f, &plan, found);
		fclose(f);
	}
	free(plan.list);
	return text;
}
