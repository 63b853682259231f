/* SPDX-License-Identifier: GPL-3.0-or-later */
/* While the lines stand there, the cursor is below them, at the left. */
#include <stdlib.h>
#include <string.h>

#include "core/clock.h"
#include "core/text.h"
#include "terminal/live.h"

enum { BAR_CELLS = 30, BAR_CELLS_LEAST = 5, LINES_MAX = 64, KIB = 1024 };

static struct {
	struct kf_live *list;
	size_t count;
	int shown; /* so many lines stand on the screen */
	int64_t down_ms;
} state;

void kf_live_set_down(int64_t since_ms)
{
	state.down_ms = since_ms;
}

static int seconds_since(int64_t since_ms)
{
	int64_t ms = kf_now_ms() - since_ms;

	return ms > 0 ? (int)(ms / 1000) : 0;
}

/* " [###   ]" in what is left of a line; empty where that is too little. */
static void fill_bar(char *ret, size_t size, int room, int percent)
{
	static const int frame = sizeof(" []") - 1;
	int cells, done;

	ret[0] = '\0';
	if (room < frame + BAR_CELLS_LEAST)
		return;
	cells = room - frame > BAR_CELLS ? BAR_CELLS : room - frame;
	done = percent * cells / 100;
	kf_text_format(ret, size, " [%.*s%*s]", done, "##############################",
		       cells - done, "");
}

/* " 14/31 KiB" */
static void fill_bytes(char *ret, size_t size, const struct kf_live *line)
{
	bool small = line->total < KIB;
	size_t unit = small ? 1 : KIB;

	ret[0] = '\0';
	if (line->total)
		kf_text_format(ret, size, " %zu/%zu %s", line->done / unit,
			       (line->total + unit - 1) / unit, small ? "B" : "KiB");
}

/* Append a part if it fits into what is left of the line. */
static void append(char *line, int *room, const char *part)
{
	int width = kf_screen_width(part);

	if (width > *room)
		return;
	kf_text_add(line, KF_LIVE_SIZE, "", part);
	*room -= width;
}

int kf_live_format(const struct kf_screen *screen, const struct kf_live *line,
		   char ret[KF_LIVE_SIZE])
{
	int percent = line->total ? (int)(line->done * 100 / line->total) : 0;
	char text[KF_LIVE_SIZE], part[48] = "", bytes[48], time[32] = "", bar[BAR_CELLS + 4];
	int room = screen->columns - 1, width;
	size_t head = strlen(line->phase) + 2;

	if (line->total)
		kf_text_format(part, sizeof(part), " %3d%%", percent);
	fill_bytes(bytes, sizeof(bytes), line);
	if (line->since_ms)
		kf_text_format(time, sizeof(time), " %d s", seconds_since(line->since_ms));
	kf_text_format(text, sizeof(text), "[%s] %s: %s", line->phase, line->subject, line->text);
	room -= (int)strlen(part);
	width = kf_screen_cut(text, room > 0 ? room : 0);
	head = head < strlen(text) ? head : strlen(text);
	kf_text_format(ret, KF_LIVE_SIZE, "%s%.*s%s%s", kf_screen_colour(screen, KF_COLOUR_PHASE),
		       (int)head, text, kf_screen_colour(screen, KF_COLOUR_NONE), text + head);
	room -= width;
	bar[0] = '\0';
	if (line->total) {
		/* The bytes and the seconds stay only beside a bar that can be read. */
		width = (int)(strlen(bytes) + strlen(time));
		if (room < width + BAR_CELLS_LEAST + 3) {
			time[0] = '\0';
			width = (int)strlen(bytes);
		}
		if (room < width + BAR_CELLS_LEAST + 3) {
			bytes[0] = '\0';
			width = 0;
		}
		fill_bar(bar, sizeof(bar), room - width, percent);
	}
	kf_text_add(ret, KF_LIVE_SIZE, "", bar);
	kf_text_add(ret, KF_LIVE_SIZE, "", part);
	room -= (int)strlen(bar);
	append(ret, &room, bytes);
	append(ret, &room, time);
	return screen->columns - 1 - room;
}

bool kf_live_start(const char *phase, const char *const *subjects, size_t count)
{
	struct kf_screen screen = kf_screen_of(stderr);

	if (!screen.moves || count == 0 || count > LINES_MAX || state.list ||
	    (screen.rows && (int)count + 2 > screen.rows))
		return false;
	state.list = calloc(count, sizeof(*state.list));
	if (!state.list)
		return false;
	for (size_t i = 0; i < count; i++) {
		struct kf_live *line = &state.list[i];

		KF_COPY(line->phase, phase);
		KF_COPY(line->subject, subjects[i]);
		kf_text_format(line->text, sizeof(line->text), "waiting");
	}
	state.count = count;
	kf_live_show();
	return true;
}

void kf_live_end(void)
{
	kf_live_hide();
	free(state.list);
	state.list = NULL;
	state.count = 0;
}

struct kf_live *kf_live_of(const char *subject)
{
	for (size_t i = 0; subject && i < state.count; i++)
		if (strcmp(state.list[i].subject, subject) == 0)
			return &state.list[i];
	return NULL;
}

void kf_live_drop(struct kf_live *line)
{
	size_t i = (size_t)(line - state.list);

	kf_live_hide();
	memmove(line, line + 1, (state.count - i - 1) * sizeof(*line));
	state.count--;
}

void kf_live_hide(void)
{
	if (state.shown > 0)
		fprintf(stderr, "\033[%dA\r\033[J", state.shown);
	state.shown = 0;
}

void kf_live_show(void)
{
	struct kf_screen screen = kf_screen_of(stderr);
	char text[KF_LIVE_SIZE];

	/* Write over the old lines: a screen that is emptied first flickers. */
	if (state.shown > 0)
		fprintf(stderr, "\033[%dA\r", state.shown);
	state.shown = 0;
	for (size_t i = 0; i < state.count; i++) {
		kf_live_format(&screen, &state.list[i], text);
		fprintf(stderr, "%s\033[K\n", text);
		state.shown++;
	}
	if (state.count && state.down_ms) {
		kf_text_format(text, sizeof(text), "the printer has been down for %d s",
			       seconds_since(state.down_ms));
		kf_screen_cut(text, screen.columns - 1);
		fprintf(stderr, "%s\033[K\n", text);
		state.shown++;
	}
	fflush(stderr);
}

void kf_live_tick(void)
{
	if (state.count)
		kf_live_show();
}
