/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One simulated board, and processes that flash it by lib/flash as kf-flash does; the board lives
 * here, so its flash can be looked at when they have ended, however they did.
 */
#ifndef FAULTS_LAB_H
#define FAULTS_LAB_H

#include "faults/hub.h"
#include "flash/flash.h"
#include "sim/port.h"

/* Time for the board runs so much faster than the clock. */
#define LAB_SPEED 20

struct lab {
	struct sim_port *port;
	struct hub *hub; /* of a node on a CAN bus; else NULL */
	enum kf_method method;
	int asks; /* who flashes asks here whether its bytes are read; -1: nobody */
	bool asked;
	int64_t served_us;     /* the board's time that it has been run to */
	struct kf_image image; /* what is to be flashed; the caller's */
	char path[PATH_MAX];   /* its file */
	size_t offset;	       /* of its first byte, in the flash of the board */
};

/* A signal for the process that flashes, at a frame; 0: none. */
struct lab_kill {
	int signal;
	enum sim_direction direction;
	unsigned at;
};

/* The end of such a process. */
struct lab_end {
	int wait_status;
	bool told;		 /* it came to its end; else the rest is empty */
	int r;			 /* kf_flash_board's */
	char word[32], code[32]; /* the record's result; the error's code */
	char message[768], hint[384];
};

/* Plug the board in; its notes (board/last-flash.h) are whatever lies in $XDG_STATE_HOME. */
_must_check_ int lab_open(struct lab *lab, const struct sim_spec *spec, struct kf_error *err);
void lab_close(struct lab *lab);

/* Flash it, in at most method_ms. */
void lab_flash(struct lab *lab, int64_t method_ms, int64_t return_ms, const struct lab_kill *kill,
	       struct lab_end *ret);

/* Off, and on again; with the reset button double-clicked (a ROM's boot button held) or not. */
void lab_power_cycle(struct lab *lab, bool button);

/* Is the image on the board, every byte? Does the board run it? Does it listen to nobody? */
bool lab_holds(const struct lab *lab);
bool lab_runs(const struct lab *lab);
bool lab_wedged(const struct lab *lab);

/* Does nothing run on it, for it hangs in firmware that is not whole? */
bool lab_hangs(const struct lab *lab);

#endif
