/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include "sim/fault.h"

static const char *const names[] = {
	[SIM_FAULT_DROP] = "drop",	 [SIM_FAULT_CORRUPT] = "corrupt",
	[SIM_FAULT_NACK] = "nack",	 [SIM_FAULT_F2] = "f2",
	[SIM_FAULT_F3] = "f3",		 [SIM_FAULT_STALL] = "stall",
	[SIM_FAULT_UNPLUG] = "unplug",	 [SIM_FAULT_DUP] = "dup",
	[SIM_FAULT_FOREIGN] = "foreign", [SIM_FAULT_LATE] = "late",
	[SIM_FAULT_DOWN] = "down",
};

static enum sim_fault_kind find_kind(const char *name)
{
	for (size_t i = SIM_FAULT_DROP; i < KF_ARRAY_SIZE(names); i++)
		if (strcmp(names[i], name) == 0)
			return (enum sim_fault_kind)i;
	return SIM_FAULT_NONE;
}

static bool answers(enum sim_fault_kind kind)
{
	return kind == SIM_FAULT_NACK || kind == SIM_FAULT_F2 || kind == SIM_FAULT_F3;
}

bool sim_fault_is_katapults(const struct sim_fault *f)
{
	return answers(f->kind) || f->kind == SIM_FAULT_FOREIGN || f->complete;
}

bool sim_fault_is_cans(const struct sim_fault *f)
{
	return f->kind == SIM_FAULT_DOWN ||
	       (f->kind == SIM_FAULT_DUP && f->direction == SIM_TO_BOARD);
}

static bool parse_at(const char *at, struct sim_fault *fault)
{
	unsigned long n;
	char *end;

	fault->complete = strcmp(at, "complete") == 0;
	if (fault->complete)
		return true;
	if (strncmp(at, "rx:", 3) == 0)
		fault->direction = SIM_FROM_BOARD;
	if (strncmp(at, "rx:", 3) == 0 || strncmp(at, "tx:", 3) == 0)
		at += 3;
	n = strtoul(at, &end, 10);
	fault->at = (unsigned)n;
	return *at >= '0' && *at <= '9' && !*end && n > 0 && n <= 1000000000;
}

int sim_faults_add(struct sim_faults *faults, const char *kind, const char *at,
		   struct kf_error *err)
{
	struct sim_fault fault = { .kind = find_kind(kind) };

	if (fault.kind == SIM_FAULT_NONE)
		return 1;
	if (!parse_at(at, &fault))
		return kf_fail(err, KF_USAGE, "%s=%s: want N, tx:N, rx:N or complete", kind, at);
	if (answers(fault.kind) && fault.direction == SIM_FROM_BOARD)
		return kf_fail(err, KF_USAGE, "%s=%s: a reply is not answered", kind, at);
	if (fault.kind == SIM_FAULT_FOREIGN && fault.direction == SIM_TO_BOARD)
		return kf_fail(err, KF_USAGE, "%s=%s: only replies: rx:N", kind, at);
	if (faults->count == SIM_FAULTS_MAX)
		return kf_fail(err, KF_USAGE, "more than %d faults", SIM_FAULTS_MAX);
	faults->list[faults->count++] = fault;
	return 0;
}

enum sim_fault_kind sim_faults_next(struct sim_faults *faults, enum sim_direction direction,
				    bool complete)
{
	enum sim_fault_kind kind = SIM_FAULT_NONE;

	if (!faults)
		return SIM_FAULT_NONE;
	faults->frames[direction]++;
	for (size_t i = 0; i < faults->count; i++) {
		struct sim_fault *f = &faults->list[i];

		if (complete && f->complete && f->at == 0)
			f->at = faults->frames[direction];
		if (f->direction == direction && f->at == faults->frames[direction])
			kind = f->kind;
	}
	faults->stall |= kind == SIM_FAULT_STALL;
	faults->unplug |= kind == SIM_FAULT_UNPLUG;
	faults->down |= kind == SIM_FAULT_DOWN;
	return kind;
}

bool sim_faults_halt(const struct sim_faults *faults)
{
	return faults && (faults->stall || faults->unplug);
}
