/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What goes wrong, and when: each fault happens once, at the Nth frame (from 1) of one
 * direction of the talk with Katapult, or the Nth transfer of that with a bootloader in ROM,
 * counted over the whole life of the simulation; or at the first COMPLETE, or a ROM's last request,
 * whatever its number.
 */
#ifndef SIM_FAULT_H
#define SIM_FAULT_H

#include "core/error.h"

#define SIM_FAULTS_MAX 16

enum sim_fault_kind {
	SIM_FAULT_NONE,
	SIM_FAULT_DROP,	   /* the frame is lost */
	SIM_FAULT_CORRUPT, /* one bit of it is wrong */
	SIM_FAULT_NACK,	   /* it is answered f1, f2 or f3 and not obeyed */
	SIM_FAULT_F2,
	SIM_FAULT_F3,
	SIM_FAULT_STALL,   /* the board says nothing more (see sim_faults.stall_ms) */
	SIM_FAULT_UNPLUG,  /* the cable is pulled; the frame is lost */
	SIM_FAULT_DUP,	   /* a reply comes twice */
	SIM_FAULT_FOREIGN, /* before a reply comes one to what nobody asked */
	SIM_FAULT_LATE,	   /* it takes longer, on a CAN bus or with a ROM */
	SIM_FAULT_DOWN,	   /* the host's CAN interface is set down; the frame is lost */
};

enum sim_direction { SIM_TO_BOARD, SIM_FROM_BOARD };

struct sim_fault {
	enum sim_fault_kind kind;
	enum sim_direction direction;
	bool complete; /* at the first COMPLETE, which is the frame at; 0: not yet sent */
	unsigned at;
};

struct sim_faults {
	struct sim_fault list[SIM_FAULTS_MAX];
	size_t count;
	unsigned frames[2];	  /* so far, by direction */
	unsigned stall_ms;	  /* 0: until the next reset */
	bool stall, unplug, down; /* happened: whoever acts on it clears it */
};

/*
 * A fault as the SPEC writes it: kind "drop", "corrupt", "nack", "f2", "f3", "stall",
 * "unplug", "dup", "foreign", "late", "down"; at "N" or "tx:N" (to the board), "rx:N" (from the
 * board), or "complete" (to the board). KF_USAGE: neither, or a kind that makes no sense in that
 * direction. 1: not the name of a fault.
 */
_must_check_ int sim_faults_add(struct sim_faults *faults, const char *kind, const char *at,
				struct kf_error *err);

/* Is it a fault of Katapult's frames, which a CAN bus cuts into its own? */
bool sim_fault_is_katapults(const struct sim_fault *fault);

/* Is it one of a CAN bus alone? */
bool sim_fault_is_cans(const struct sim_fault *fault);

/*
 * Count a frame, and say what befalls it; faults may be NULL. complete: it is a COMPLETE to the
 * board. STALL and UNPLUG are set in faults, too, for whoever has the power to do them.
 */
enum sim_fault_kind sim_faults_next(struct sim_faults *faults, enum sim_direction direction,
				    bool complete);

/*
 * Has the board been unplugged or stalled by a fault that nobody has acted on yet? Its program runs
 * no further then. faults may be NULL.
 */
bool sim_faults_halt(const struct sim_faults *faults);

#endif
