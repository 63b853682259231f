/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * At every frame of a flash, in each direction, each thing that can go wrong; and after it what
 * has to hold: no wrong image is called flashed, the result is told with its remedy, and
 * the next plain run ends with the image on the board, after a power-cycle only where the board
 * is truly stuck and the user was told so. The same seed makes the same trials.
 */
#include <err.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/file.h"
#include "faults/bus.h"
#include "faults/campaign.h"

static void work(const struct campaign *c, size_t job)
{
	char dir[PATH_MAX];

	bus_init();
	snprintf(dir, sizeof(dir), "%s/state%zu", c->dir, job);
	setenv("XDG_STATE_HOME", dir, 1);
	for (size_t i = job; i < c->runs; i += c->jobs)
		if (c->only < 0 || (size_t)c->only == i)
			campaign_try(c, &c->trials[i], &c->results[i]);
}

static void work_all(struct campaign *c)
{
	size_t bytes = (c->runs + 1) * sizeof(*c->results);

	c->results = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (c->results == MAP_FAILED)
		err(1, "results");
	fflush(NULL);
	for (size_t job = 0; job < c->jobs; job++) {
		if (fork() == 0) {
			work(c, job);
			_exit(0);
		}
	}
	while (wait(NULL) > 0)
		;
}

static unsigned wire_bit(const char *name)
{
	const char *wire;

	for (size_t i = 0; (wire = campaign_wire_name(i)); i++)
		if (strcmp(wire, name) == 0)
			return 1u << i;
	errx(64, "--wire=%s: there is usb, uart, can, dfu, bootsel", name);
}

static void parse(int argc, char *argv[], struct campaign *c)
{
	static const struct option options[] = {
		{ "runs", required_argument, NULL, 'r' },  { "seed", required_argument, NULL, 's' },
		{ "jobs", required_argument, NULL, 'j' },  { "only", required_argument, NULL, 'o' },
		{ "table", required_argument, NULL, 't' }, { "wire", required_argument, NULL, 'w' },
		{ "verbose", no_argument, NULL, 'v' },	   { NULL, 0, NULL, 0 },
	};
	int o;

	while ((o = getopt_long(argc, argv, "r:s:j:o:t:w:v", options, NULL)) != -1) {
		if (o == 'r')
			c->runs = strtoul(optarg, NULL, 10);
		else if (o == 's')
			c->seed = strtoull(optarg, NULL, 10);
		else if (o == 'j')
			c->jobs = strtoul(optarg, NULL, 10);
		else if (o == 'o')
			c->only = strtol(optarg, NULL, 10);
		else if (o == 't')
			c->table = optarg;
		else if (o == 'w')
			c->wires |= wire_bit(optarg);
		else if (o == 'v')
			c->verbose = true;
		else
			exit(64);
	}
	if (optind != argc || c->runs == 0 || c->jobs == 0 || c->seed == 0)
		errx(64, "usage: campaign [--runs=N] [--seed=N] [--jobs=N] [--only=TRIAL] "
			 "[--wire=WIRE]... [--table=FILE] [--verbose]");
	if (c->wires == 0)
		c->wires = CAMPAIGN_ALL_WIRES;
}

int main(int argc, char *argv[])
{
	static struct campaign c = { .seed = 1, .runs = 10000, .jobs = 12, .only = -1 };
	char dir[] = "/tmp/kf-faults.XXXXXX", state[sizeof(dir) + 8];
	size_t broken;

	parse(argc, argv, &c);
	/* A shell that starts us in the background has it ignored, and a board's flash would keep
	 * to that. */
	signal(SIGINT, SIG_DFL);
	c.dir = mkdtemp(dir);
	if (!c.dir)
		err(1, "%s", dir);
	snprintf(state, sizeof(state), "%s/state", dir);
	setenv("XDG_STATE_HOME", state, 1);
	bus_init();
	campaign_plan(&c);
	work_all(&c);
	broken = campaign_report(&c);
	if (c.table)
		campaign_table(&c, broken);
	IGNORE_RESULT(kf_dir_remove(dir, NULL));
	printf("%zu runs, seed %llu: %zu broken\n", c.only < 0 ? c.runs : 1,
	       (unsigned long long)c.seed, broken);
	return broken != 0;
}
