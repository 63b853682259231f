/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One run of kf-config: what is wished, and what boards tell when they are asked. */
#ifndef KF_BUILD_CONFIGURING_H
#define KF_BUILD_CONFIGURING_H

#include "build/proposal.h"
#include "registry/registry.h"

/* The answers of a board, its bootloader and its printer. Zeroed: none. */
struct kf_board_told {
	struct kf_facts facts; /* owned */
	bool katapult;	       /* it is in Katapult, which starts the application at ... */
	uint32_t katapult_start;
	bool no_bootloader; /* its chip's ROM has looked: firmware starts at the flash's start */
	char mcu[64];	    /* by Katapult; "": see the facts */
	char version[KF_NAME_SIZE]; /* that it runs; "": not told, or it is in Katapult */
	bool has_pins;
	struct kf_pins pins; /* of the printer's configuration */
};

void kf_board_told_free(struct kf_board_told *told);

/* Both together, for a proposal; points into them. */
struct kf_told kf_told_of(const struct kf_board *board, const struct kf_board_told *told);

/* Ask a board; on failure *ret is untouched. */
typedef int kf_tell(const struct kf_board *board, struct kf_board_told *ret, struct kf_error *err);

struct kf_configure {
	const struct kf_registry *registry;
	const char *klipper_dir; /* for all boards; NULL: what is registered */
	int tty;		 /* for menuconfig, or -1 */
	const char *from;	 /* save this file for the board; NULL: no */
	bool from_board;	 /* save the Kconfig that its firmware carries */
	bool prove;		 /* find the configuration that made what it runs */
	bool compare;		 /* compare what is saved with what the firmware carries */
	bool yes;		 /* after that comparison use what is saved, without a question */
	/* Called with each row of a proposal and the progress of a proof; may be NULL. */
	void (*step)(const char *key, const char *text);
	bool told;				     /* set by lib: the failure was told */
	kf_tell *tell;				     /* asks a board; NULL: none is asked */
	void (*opens)(const struct kf_board *board); /* called when menuconfig opens; may be NULL */
	bool menuconfig;			     /* also where a configuration is saved */
	bool saved;		/* no menuconfig for a saved one: skip_menuconfig does not count */
	bool connected;		/* only the boards that are plugged in */
	bool asks;		/* if menuconfig was left without saving, ask whether to go on */
	bool accept_difference; /* take what the tree makes of a configuration */
	int64_t timeout_ms;	/* of olddefconfig */
	int64_t wait_ms;	/* for another kalico-flash at this board or tree */
	char dir[PATH_MAX];	/* ours: the tree opened last, as it was named */
	struct kf_tree tree;
};

/*
 * Ask the board by c->tell. *ret, which the caller frees, may be filled in part on failure.
 * KF_MCU_MISMATCH: the firmware is said to be for another MCU than the board's USB name says; else
 * as c->tell.
 */
_must_check_ int kf_configure_ask(const struct kf_configure *c, const struct kf_board *board,
				  struct kf_board_told *ret, struct kf_error *err);

/* A line by c->step, if there is one. */
void kf_configure_say(const struct kf_configure *c, const char *key, const char *fmt, ...)
	_printf_(3, 4);

#endif
