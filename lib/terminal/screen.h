/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a stream can show: the columns and the colours of its terminal. A pipe or a file has neither
 * limit nor colours, so what a program reads is always the same.
 */
#ifndef KF_TERMINAL_SCREEN_H
#define KF_TERMINAL_SCREEN_H

#include <stdio.h>

#include "core/base.h"

/* The meanings of colours. Words say the same: no meaning is in a colour alone. */
enum kf_colour {
	KF_COLOUR_NONE, /* back to the usual */
	KF_COLOUR_PHASE,
	KF_COLOUR_GOOD,
	KF_COLOUR_NOTE, /* worth knowing, or to be done */
	KF_COLOUR_BAD,
};

struct kf_screen {
	FILE *out;
	int columns; /* 0: no terminal, nothing is wrapped or shortened */
	int rows;    /* 0: not known */
	bool moves;  /* the cursor can go back: a terminal that is not dumb */
	bool colour; /* such a terminal, without NO_COLOR */
};

/*
 * Asks the terminal for its size each time (it may have changed), else COLUMNS, else 80. Of a
 * line, the last column stays free: some terminals wrap there.
 */
struct kf_screen kf_screen_of(FILE *out);

/* The sequence that starts a colour, or "" where there are none. */
const char *kf_screen_colour(const struct kf_screen *screen, enum kf_colour colour);

/* The columns that a text without control characters takes: a wide letter 2, a combining one 0. */
int kf_screen_width(const char *text);

/* Cut text to at most so many columns, between letters. Returns what it takes. */
int kf_screen_cut(char *text, int columns);

/*
 * Copy text so that it takes at most so many columns: of one that is longer, the middle becomes
 * "...". For what both ends tell, as of a by-id path.
 */
void kf_screen_shorten(char *dst, size_t size, const char *text, int columns);

/*
 * Write text, wrapped at its blanks. The cursor stands in column at; lines after the first begin
 * with indent blanks. A word that is longer than a line stays whole, so that it can be copied. No
 * newline is written at the end. Returns the column where the cursor stands then.
 */
int kf_screen_wrap(const struct kf_screen *screen, const char *text, int at, int indent);

/* The same in a colour. */
int kf_screen_coloured(const struct kf_screen *screen, enum kf_colour colour, const char *text,
		       int at, int indent);

/*
 * Write the first cell of a row, filled up with blanks to so many columns. On a terminal, one that
 * is longer than a line is shortened. Returns the column where the cursor stands then.
 */
int kf_screen_cell(const struct kf_screen *screen, const char *text, int columns);

/*
 * Write text of several lines, such as a help. A line that is wrapped goes on below its second
 * column, behind the first gap of two blanks or more, else below its own beginning.
 */
void kf_screen_lines(const struct kf_screen *screen, const char *text);

#endif
