/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A campaign: trials, each a board, a fault, and the frame at which it comes; what became of them.
 * A failure of the campaign itself ends the program with a message.
 */
#ifndef FAULTS_CAMPAIGN_H
#define FAULTS_CAMPAIGN_H

#include "faults/lab.h"

enum {
	CAMPAIGN_SETUPS = 13,
	CAMPAIGN_FAULTS = 24,
	FAULTY_MS = 300,    /* what a faulty run may take: silence is most of it */
	PATIENT_MS = 20000, /* what a run may take that has to succeed */
};

enum campaign_wire {
	CAMPAIGN_USB,
	CAMPAIGN_UART,
	CAMPAIGN_CAN,
	CAMPAIGN_DFU,
	CAMPAIGN_BOOTSEL,
	CAMPAIGN_WIRES,
	CAMPAIGN_ALL_WIRES = (1 << CAMPAIGN_WIRES) - 1
};

struct setup {
	enum campaign_wire wire;
	const char *name, *spec;
	size_t bytes;
	bool has; /* the board has the image already */
};

struct fault {
	const char *name;
	int signal; /* for the process that flashes, instead of the simulator's fault */
	bool to_board;
	unsigned wires; /* those with such a fault: bits */
};

extern const struct setup campaign_setups[CAMPAIGN_SETUPS];
extern const struct fault campaign_faults[CAMPAIGN_FAULTS];

struct trial {
	uint8_t setup, fault;
	unsigned at;
};

/* The result of a trial; in shared memory. */
struct result {
	bool done, stuck;
	char word[24];	  /* of the faulty run */
	char next[24];	  /* of the plain run after it */
	char broken[192]; /* what did not hold; empty: all did */
};

struct campaign {
	uint64_t seed, random;
	size_t runs, jobs;
	long only;	/* the number of one trial; -1: all */
	unsigned wires; /* which are tried: bits */
	bool verbose;
	const char *table, *dir;
	struct lab labs[CAMPAIGN_SETUPS]; /* images only */
	struct sim_spec specs[CAMPAIGN_SETUPS];
	unsigned frames[CAMPAIGN_SETUPS][2];
	size_t all; /* each fault at each frame */
	struct trial *trials;
	struct result *results;
};

/* "usb", "dfu" ...; NULL: there are no more. */
const char *campaign_wire_name(size_t wire);

/* Make images, count the frames of a flash without faults, and draw the trials from the seed. */
void campaign_plan(struct campaign *c);

/* Run one trial, and judge it. */
void campaign_try(const struct campaign *c, const struct trial *trial, struct result *ret);

/* Print what did not hold (all, if verbose); how many that were. */
size_t campaign_report(const struct campaign *c);

/* Write the tables of all trials, one for each wire, to c->table. */
void campaign_table(const struct campaign *c, size_t broken);

/* r, unless it is an error: then what, and why, and the end. */
void campaign_check(int r, const struct kf_error *why, const char *what);

/* Plug in the board of spec, with no notes. */
void campaign_open(struct lab *lab, const struct sim_spec *spec);

/* Did the run say that all is well? */
bool campaign_succeeded(const struct lab_end *end);

#endif
