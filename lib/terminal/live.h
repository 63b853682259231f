/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Lines on the terminal that change in place while several boards are worked on, one a board:
 *
 *   [Flash] octopus-pro: writing [#########           ]  45% 14/31 KiB 3 s
 *   [Flash] nitehawk: waiting for the board to come back 12 s
 *   the printer has been down for 15 s
 *
 * Tools start, tick and end them; what fills and surrounds them is terminal/log.h's.
 */
#ifndef KF_TERMINAL_LIVE_H
#define KF_TERMINAL_LIVE_H

#include <stdint.h>

#include "terminal/screen.h"

enum { KF_LIVE_TICK_MS = 500, KF_LIVE_SIZE = 512 };

/* The text of a line. */
struct kf_live {
	char phase[32], subject[KF_NAME_SIZE], text[256];
	size_t done, total; /* bytes; total 0: without a bar */
	int64_t since_ms;   /* 0: it has not begun */
};

/*
 * From here on these subjects have a line each, on standard error. False, and nothing is changed:
 * it is no terminal, the lines do not fit on it, or there is no memory.
 */
bool kf_live_start(const char *phase, const char *const *subjects, size_t count);

/* Remove the lines, whatever they say. */
void kf_live_end(void);

/* Draw them again, for the seconds. */
void kf_live_tick(void);

/* The line of a subject, to be filled and then drawn; NULL: it has none. */
struct kf_live *kf_live_of(const char *subject);

/* Remove this line: its subject is done. */
void kf_live_drop(struct kf_live *line);

/* Take the lines off the screen, before something else is written; and draw them below that. */
void kf_live_hide(void);
void kf_live_show(void);

/* Since when the printer is down, in kf_now_ms()'s time; 0: it is not. */
void kf_live_set_down(int64_t since_ms);

/*
 * One line for a screen: what does not fit goes, first the seconds, then the bytes and the bar,
 * then the end of the text. Without a newline. Returns the columns that it takes.
 */
int kf_live_format(const struct kf_screen *screen, const struct kf_live *line,
		   char ret[KF_LIVE_SIZE]);

#endif
