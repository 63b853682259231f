/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The options of kf-flash, as its command line sets them. */
#ifndef KF_TOOLS_KF_FLASH_OPTIONS_H
#define KF_TOOLS_KF_FLASH_OPTIONS_H

#include "flash/batch.h"
#include "flash/board-lock.h"
#include "terminal/options.h"

struct args {
	struct kf_flash_options flash;
	struct kf_batch batch;
	struct kf_board_locks locks;
	const char *port, *firmware, *bootloader;
	int64_t baud;	  /* with port, of a UART */
	int64_t delay_ms; /* after the last board's return */
	int64_t jobs;
	bool no_service, dry_run;
	struct kf_common common;
	bool told;   /* the table on standard output stands on the terminal of these messages */
	bool live;   /* each board has a line there */
	int news[2]; /* from the boards' processes, for their lines */
};

/* Returns -1 to go on, or the status to leave with; the message is written then. */
int options_read(int argc, char **argv, struct args *args);

#endif
