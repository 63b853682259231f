/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The results of the trials, for a terminal and as a page. */
#include <err.h>
#include <string.h>

#include "faults/campaign.h"

#define WORDS 12

size_t campaign_report(const struct campaign *c)
{
	size_t broken = 0;

	for (size_t i = 0; i < c->runs; i++) {
		const struct trial *t = &c->trials[i];
		const char *why = c->results[i].broken;

		if (c->only >= 0 && (size_t)c->only != i)
			continue;
		if (!c->results[i].done)
			why = "it did not end";
		broken += *why != '\0';
		if (!*why && !c->verbose)
			continue;
		printf("# trial %zu: %s: %s at %s:%u: %s, then %s %s\n", i,
		       campaign_setups[t->setup].name, campaign_faults[t->fault].name,
		       campaign_faults[t->fault].to_board ? "tx" : "rx", t->at, c->results[i].word,
		       c->results[i].next, why);
	}
	return broken;
}

static bool is_row(const struct trial *t, enum campaign_wire wire, size_t fault)
{
	return campaign_setups[t->setup].wire == wire && t->fault == fault;
}

/* The number of each result, the most frequent first. */
static void write_words(const struct campaign *c, enum campaign_wire wire, size_t fault, FILE *out)
{
	struct {
		const char *word;
		size_t count;
	} words[WORDS] = { 0 };
	size_t n = 0, k, best;

	for (size_t i = 0; i < c->runs; i++) {
		const char *word = c->results[i].word;

		if (!is_row(&c->trials[i], wire, fault))
			continue;
		for (k = 0; k < n && strcmp(words[k].word, word) != 0; k++)
			;
		if (k < WORDS) {
			words[k].word = word;
			words[k].count++;
			n += k == n;
		}
	}
	for (size_t done = 0; done < n; done++) {
		for (k = best = 0; k < n; k++)
			if (words[k].count > words[best].count)
				best = k;
		fprintf(out, "%s%s %zu", done ? ", " : "", words[best].word, words[best].count);
		words[best].count = 0;
	}
}

/* Nothing, where this wire has no such fault. */
static void write_row(const struct campaign *c, enum campaign_wire wire, size_t fault, FILE *out)
{
	size_t runs = 0, stuck = 0, flashed = 0, current = 0, broken = 0;

	for (size_t i = 0; i < c->runs; i++) {
		const struct result *o = &c->results[i];

		if (!is_row(&c->trials[i], wire, fault))
			continue;
		runs++;
		stuck += o->stuck;
		flashed += strcmp(o->next, "flashed") == 0;
		current += strcmp(o->next, "current") == 0;
		broken += o->broken[0] != '\0';
	}
	if (runs == 0)
		return;
	fprintf(out, "| %s | %s | %zu | ", campaign_faults[fault].name,
		campaign_faults[fault].to_board ? "to the board" : "from the board", runs);
	write_words(c, wire, fault, out);
	fprintf(out, " | %zu | %zu | %zu | %zu |\n", stuck, flashed, current, broken);
}

static void write_wire(const struct campaign *c, enum campaign_wire wire, FILE *out)
{
	static const char *const names[CAMPAIGN_WIRES] = { "Katapult on USB", "Katapult on a UART",
							   "Katapult on a CAN bus", "DFU",
							   "BOOTSEL" };

	fprintf(out, "\n## %s\n\n", names[wire]);
	for (size_t s = 0; s < CAMPAIGN_SETUPS; s++)
		if (campaign_setups[s].wire == wire)
			fprintf(out, "- %s (%zu bytes; %u frames to the board, %u from it)\n",
				campaign_setups[s].name, c->labs[s].image.len,
				c->frames[s][SIM_TO_BOARD], c->frames[s][SIM_FROM_BOARD]);
	fputs("\n| fault | frame | runs | the run ended | stuck | next: flashed | next: current | "
	      "broken |\n|---|---|---|---|---|---|---|---|\n",
	      out);
	for (size_t f = 0; f < CAMPAIGN_FAULTS; f++)
		write_row(c, wire, f, out);
}

static void write_chosen(const struct campaign *c, FILE *out)
{
	const char *before = " WIRES=\"";

	for (unsigned wire = 0; wire < CAMPAIGN_WIRES; wire++)
		if (c->wires & 1u << wire) {
			fprintf(out, "%s%s", before, campaign_wire_name(wire));
			before = " ";
		}
	fputs("\"", out);
}

void campaign_table(const struct campaign *c, size_t broken)
{
	FILE *out = fopen(c->table, "w");

	if (!out)
		err(1, "%s", c->table);
	fputs("# The fault campaign\n\nWritten by `make check-faults", out);
	if (c->wires != CAMPAIGN_ALL_WIRES)
		write_chosen(c, out);
	fprintf(out, " RUNS=%zu SEED=%llu`: a simulated board is flashed,\n", c->runs,
		(unsigned long long)c->seed);
	/* clang-format off */
	fputs("and at one frame of the exchange with its bootloader one fault happens. On a CAN bus, a\n"
	      "frame is the bus's own: several of them are one of Katapult's. In DFU and BOOTSEL it is a\n"
	      "transfer: \"nack\" is a stall, \"f2\" an error, \"stall\" is silence until a reset.\n",
	      out);
	/* clang-format on */
	if (c->runs < c->all)
		fprintf(out,
			"These are %zu of %zu runs with each fault at each frame, "
			"drawn by chance.\n\n",
			c->runs, c->all);
	else
		fputs("Each fault happens at each frame, in each direction.\n\n", out);
	/* clang-format off */
	fputs("After each fault this is checked. The result is \"flashed\" or \"current\" only if the board\n"
	      "has and runs the image. A failure has its code, its reason and its hint. The last flash\n"
	      "of the board names no image that the board does not have. The next run without a fault\n"
	      "writes the image. If a board is stuck in its bootloader (a bad frame wedges Katapult, a\n"
	      "stall lasts until a reset), it is power-cycled before that run, after kf-flash has said\n"
	      "so. If a board is in no bootloader and has only half of the firmware, its reset button is\n"
	      "double-clicked, or it is started with the button of its ROM held. A run with a fault has\n"
	      "300 ms, or four times that if the fault did not happen in this time: so a slower machine\n"
	      "has more timeouts.\n",
	      out);
	/* clang-format on */
	for (unsigned wire = 0; wire < CAMPAIGN_WIRES; wire++)
		if (c->wires & 1u << wire)
			write_wire(c, wire, out);
	fprintf(out, "\n%zu runs, %zu broken.\n", c->runs, broken);
	if (fclose(out) == EOF)
		err(1, "%s", c->table);
}
