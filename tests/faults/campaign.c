/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * At every frame of a flash, in each direction, each thing that can go wrong; and after it what
 * has to hold: no wrong image is called flashed, the outcome is told with its remedy, and
 * the next plain run ends with the image on the board, after a power-cycle only where the board
 * is truly stuck and the user was told so. The same seed makes the same trials.
 */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/state.h"
#include "core/text.h"
#include "faults/bus.h"
#include "faults/lab.h"

#define VERSION	   "v9.9-1-gfedcba98"
#define FAULTY_MS  300	 /* what a faulty run may take: silence is most of it */
#define PATIENT_MS 20000 /* what a run may take that has to succeed */
#define WORDS	   12

/* Small pages, so that first and last blocks of them are met; and each kind of flash. */
static const struct setup {
	const char *name, *spec;
	size_t bytes;
	bool has; /* the board has the image already */
} setups[] = {
	{ "stm32f103, pages of 1 KiB, double-buffered USB", "mcu=stm32f103xe", 2200, false },
	{ "rp2040, pages of 256 bytes, sectors of 4 KiB", "mcu=rp2040,block=256", 4700, false },
	{ "stm32f446, found in Katapult, blocks of 128", "mcu=stm32f446xx,block=128,mode=katapult",
	  2100, false },
	{ "stm32h723, blocks of 512", "mcu=stm32h723xx,block=512", 5000, false },
	{ "stm32f072, a bootloader that tells no version", "mcu=stm32f072xb,katapult=old", 1100,
	  false },
	{ "stm32g0b1, has the image already", "mcu=stm32g0b1xx", 1500, true },
};
#define SETUPS KF_ARRAY_SIZE(setups)

static const struct fault {
	const char *name;
	int signal; /* for the process that flashes, instead of the simulator's fault */
	bool to_board;
} faults[] = {
	{ "drop", 0, true },
	{ "corrupt", 0, true },
	{ "nack", 0, true },
	{ "f2", 0, true },
	{ "f3", 0, true },
	{ "stall", 0, true },
	{ "unplug", 0, true },
	{ "SIGKILL", SIGKILL, true },
	{ "SIGTERM", SIGTERM, true },
	{ "SIGINT", SIGINT, true },
	{ "drop", 0, false },
	{ "corrupt", 0, false },
	{ "stall", 0, false },
	{ "unplug", 0, false },
	{ "dup", 0, false },
	{ "foreign", 0, false },
	{ "SIGKILL", SIGKILL, false },
	{ "SIGTERM", SIGTERM, false },
	{ "SIGINT", SIGINT, false },
};
#define FAULTS KF_ARRAY_SIZE(faults)

struct trial {
	uint8_t setup, fault;
	unsigned at;
};

/* What became of a trial; in shared memory. */
struct outcome {
	bool done, stuck;
	char word[24];	  /* of the faulty run */
	char next[24];	  /* of the plain run after it */
	char broken[192]; /* what did not hold; empty: all did */
};

struct campaign {
	uint64_t seed, random;
	size_t runs, jobs;
	long only; /* the number of one trial; -1: all */
	bool verbose;
	const char *table, *dir;
	struct lab labs[SETUPS]; /* images only */
	struct sim_spec specs[SETUPS];
	unsigned frames[SETUPS][2];
	struct trial *trials;
	struct outcome *outcomes;
};

static uint64_t draw(uint64_t *random)
{
	*random ^= *random >> 12;
	*random ^= *random << 25;
	*random ^= *random >> 27;
	return *random * 0x2545f4914f6cdd1dULL;
}

static void check(int r, const struct kf_error *why, const char *what)
{
	if (r < 0)
		errx(1, "%s: %s", what, why->message);
}

/* A firmware image of so many bytes for the board that spec describes: noise behind a real head. */
static void make_image(struct campaign *c, size_t n)
{
	struct sim_spec *spec = &c->specs[n];
	struct lab *lab = &c->labs[n];
	struct sim_flash flash;
	struct kf_error why;
	size_t head;

	check(sim_spec_parse(setups[n].spec, spec, &why), &why, setups[n].name);
	check(sim_flash_init(&flash, spec->mcu, 0, &why), &why, setups[n].name);
	check(sim_firmware_make(&flash, spec->start, "Klipper", spec->mcu, VERSION, &why), &why,
	      setups[n].name);
	uint8_t *image = flash.data + (spec->start - flash.base);
	for (head = setups[n].bytes; image[head - 1] == 0xff; head--)
		;
	while (head < setups[n].bytes)
		image[head++] = (uint8_t)draw(&c->random);
	kf_text_format(lab->path, sizeof(lab->path), "%s/%zu/klipper.bin", c->dir, n);
	check(kf_dir_make_parent(lab->path, &why), &why, lab->path);
	check(kf_file_write(lab->path, (char *)image, head, &why), &why, lab->path);
	check(kf_image_load(lab->path, &lab->image, &why), &why, lab->path);
	sim_flash_free(&flash);
	if (setups[n].has)
		kf_text_format(spec->app, sizeof(spec->app), "%s", lab->path);
}

static void open_lab(struct lab *lab, const struct sim_spec *spec)
{
	struct kf_error why;

	(void)!kf_dir_remove(getenv("XDG_STATE_HOME"), NULL);
	check(lab_open(lab, spec, &why), &why, spec->mcu);
}

static bool succeeded(const struct lab_end *end)
{
	return end->told && end->r == 0;
}

/*
 * Without any fault: it has to succeed, and tells how many frames there are. Called more than once:
 * a machine that is slow for a moment asks to connect once more.
 */
static void count_frames(struct campaign *c, size_t n)
{
	struct lab lab = c->labs[n];
	struct lab_end end;

	open_lab(&lab, &c->specs[n]);
	lab_flash(&lab, PATIENT_MS, PATIENT_MS, NULL, &end);
	if (!succeeded(&end) || !lab_runs(&lab) ||
	    strcmp(end.word, setups[n].has ? "current" : "flashed") != 0)
		errx(1, "%s: without a fault it ends %s: %s", setups[n].name, end.word,
		     end.message);
	if (setups[n].has && lab.port->board.flash.erases > 0)
		errx(1, "%s: current, but erased", setups[n].name);
	for (size_t i = 0; i < 2; i++)
		if (!c->frames[n][i] || lab.port->board.spec.faults.frames[i] < c->frames[n][i])
			c->frames[n][i] = lab.port->board.spec.faults.frames[i];
	lab_close(&lab);
}

/* What has to hold after any run; NULL: it does. */
static const char *judge(const struct lab *lab, const struct lab_end *end, bool killed)
{
	struct kf_state state;

	kf_state_load("board", &state);
	if (strcmp(state.sha256, lab->image.sha256) == 0 && !lab_holds(lab))
		return "the notes name an image that is not there";
	if (!end->told)
		return killed ? NULL : "it ended without a word";
	if (end->r == 0 && !lab_runs(lab))
		return "it claims what is not so";
	if (end->r == 0)
		return strcmp(end->word, "flashed") == 0 || strcmp(end->word, "current") == 0
			       ? NULL
			       : "success without its word";
	if (!end->message[0] || !end->hint[0])
		return "a failure without a reason or a remedy";
	if (end->word[0] && strcmp(end->word, end->code) != 0)
		return "the record's result is not its error";
	return NULL;
}

/* The run after: nothing is wrong any more, except perhaps with the board itself. */
static const char *recover(struct lab *lab, struct lab_end *end, bool *stuck)
{
	const char *broken;

	*stuck = lab_wedged(lab);
	if (*stuck) {
		lab_flash(lab, FAULTY_MS, FAULTY_MS, NULL, end);
		broken = judge(lab, end, false);
		if (broken)
			return broken;
		if (succeeded(end))
			return "a stuck board was flashed";
		if (!strstr(end->hint, "power-cycle"))
			return "a stuck board, and no advice to power-cycle it";
		lab_power_cycle(lab);
	}
	lab_flash(lab, PATIENT_MS, PATIENT_MS, NULL, end);
	broken = judge(lab, end, false);
	if (broken)
		return broken;
	return succeeded(end) && lab_runs(lab) ? NULL : "the next plain run failed";
}

static void set_fault(const struct trial *t, struct sim_spec *spec, struct lab_kill *kill)
{
	const struct fault *fault = &faults[t->fault];
	struct kf_error why;
	char at[32];

	*kill = (struct lab_kill){ fault->signal, fault->to_board ? SIM_TO_BOARD : SIM_FROM_BOARD,
				   t->at };
	snprintf(at, sizeof(at), "%s:%u", fault->to_board ? "tx" : "rx", t->at);
	if (!fault->signal)
		check(sim_faults_add(&spec->faults, fault->name, at, &why), &why, at);
}

/* The faulty run. False: its time was over before the fault came, for this machine is slow now. */
static bool flash_faulty(struct lab *lab, const struct lab_kill *kill, int64_t ms,
			 struct lab_end *end)
{
	struct sim_faults *f = &lab->port->board.spec.faults;

	lab_flash(lab, ms, ms, kill, end);
	f->count = 0;
	return f->frames[kill->direction] >= kill->at;
}

static void try(const struct campaign *c, const struct trial *t, struct outcome *ret)
{
	struct sim_spec spec = c->specs[t->setup];
	struct lab lab = c->labs[t->setup];
	struct lab_kill kill;
	struct lab_end end;
	const char *broken;

	set_fault(t, &spec, &kill);
	open_lab(&lab, &spec);
	for (int64_t ms = FAULTY_MS; !flash_faulty(&lab, &kill, ms, &end); ms *= 4) {
		if (ms > PATIENT_MS)
			errx(1, "the fault does not come");
		lab_close(&lab);
		open_lab(&lab, &spec);
	}
	broken = judge(&lab, &end, kill.signal == SIGKILL);
	kf_text_format(ret->word, sizeof(ret->word), "%s", end.told ? end.word : "killed");
	if (!broken)
		broken = recover(&lab, &end, &ret->stuck);
	kf_text_format(ret->next, sizeof(ret->next), "%s", end.word);
	if (broken)
		kf_text_format(ret->broken, sizeof(ret->broken), "%s (%s: %s)", broken, end.word,
			       end.message);
	lab_close(&lab);
	ret->done = true;
}

/* Each fault at each frame once, in an order of the seed's; what is left over by chance. */
static void choose_trials(struct campaign *c)
{
	size_t all = 0, n = 0, room;
	struct trial swap;

	for (size_t s = 0; s < SETUPS; s++)
		for (size_t f = 0; f < FAULTS; f++)
			all += c->frames[s][faults[f].to_board ? SIM_TO_BOARD : SIM_FROM_BOARD];
	room = all > c->runs ? all : c->runs;
	c->trials = calloc(room, sizeof(*c->trials));
	if (!c->trials)
		err(1, "trials");
	for (uint8_t s = 0; s < SETUPS; s++)
		for (uint8_t f = 0; f < FAULTS; f++)
			for (unsigned at = 1; at <= c->frames[s][!faults[f].to_board]; at++)
				c->trials[n++] = (struct trial){ s, f, at };
	for (; n < room; n++)
		c->trials[n] = c->trials[draw(&c->random) % all];
	for (size_t i = all; i-- > 1;) {
		size_t j = draw(&c->random) % (i + 1);

		swap = c->trials[i];
		c->trials[i] = c->trials[j];
		c->trials[j] = swap;
	}
}

static void work(const struct campaign *c, size_t job)
{
	char dir[PATH_MAX];

	bus_init();
	snprintf(dir, sizeof(dir), "%s/state%zu", c->dir, job);
	setenv("XDG_STATE_HOME", dir, 1);
	for (size_t i = job; i < c->runs; i += c->jobs)
		if (c->only < 0 || (size_t)c->only == i)
			try(c, &c->trials[i], &c->outcomes[i]);
}

static void work_all(struct campaign *c)
{
	size_t bytes = (c->runs + 1) * sizeof(*c->outcomes);

	c->outcomes = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (c->outcomes == MAP_FAILED)
		err(1, "outcomes");
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

static size_t report(const struct campaign *c)
{
	size_t broken = 0;

	for (size_t i = 0; i < c->runs; i++) {
		const struct trial *t = &c->trials[i];
		const char *why = c->outcomes[i].broken;

		if (c->only >= 0 && (size_t)c->only != i)
			continue;
		if (!c->outcomes[i].done)
			why = "it did not end";
		broken += *why != '\0';
		if (!*why && !c->verbose)
			continue;
		printf("# trial %zu: %s: %s at %s:%u: %s, then %s %s\n", i, setups[t->setup].name,
		       faults[t->fault].name, faults[t->fault].to_board ? "tx" : "rx", t->at,
		       c->outcomes[i].word, c->outcomes[i].next, why);
	}
	return broken;
}

/* How often each word came, most frequent first. */
static void write_words(const struct campaign *c, size_t fault, FILE *out)
{
	struct {
		const char *word;
		size_t count;
	} words[WORDS] = { 0 };
	size_t n = 0, k, best;

	for (size_t i = 0; i < c->runs; i++) {
		const char *word = c->outcomes[i].word;

		if (c->trials[i].fault != fault)
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

static void write_row(const struct campaign *c, size_t fault, FILE *out)
{
	size_t runs = 0, stuck = 0, flashed = 0, current = 0, broken = 0;

	for (size_t i = 0; i < c->runs; i++) {
		const struct outcome *o = &c->outcomes[i];

		if (c->trials[i].fault != fault)
			continue;
		runs++;
		stuck += o->stuck;
		flashed += strcmp(o->next, "flashed") == 0;
		current += strcmp(o->next, "current") == 0;
		broken += o->broken[0] != '\0';
	}
	fprintf(out, "| %s | %s | %zu | ", faults[fault].name,
		faults[fault].to_board ? "to the board" : "from the board", runs);
	write_words(c, fault, out);
	fprintf(out, " | %zu | %zu | %zu | %zu |\n", stuck, flashed, current, broken);
}

static void write_table(const struct campaign *c, size_t broken)
{
	FILE *out = fopen(c->table, "w");

	if (!out)
		err(1, "%s", c->table);
	fprintf(out,
		"# The fault campaign\n\n"
		"Written by `make check-faults RUNS=%zu SEED=%llu`: a simulated board is flashed, "
		"and at "
		"one frame\nof the talk with Katapult one thing goes wrong. Each fault happens at "
		"each frame, in each direction, of:\n\n",
		c->runs, (unsigned long long)c->seed);
	for (size_t s = 0; s < SETUPS; s++)
		fprintf(out, "- %s (%zu bytes; %u frames to the board, %u from it)\n",
			setups[s].name, c->labs[s].image.len, c->frames[s][SIM_TO_BOARD],
			c->frames[s][SIM_FROM_BOARD]);
	fputs("\nAfter each: nothing is called flashed or current that the board does not hold and "
	      "run; a failure has its word,\nits reason and its remedy; the notes name no image "
	      "that "
	      "is not there; the next plain run brings the image onto\nthe board. A board that is "
	      "stuck in its bootloader (a bad frame wedges Katapult, a stall lasts until a reset)\n"
	      "is power-cycled in between, after kf-flash has said so. A run with a fault has 300 "
	      "ms in all, so on a busy\nmachine a few more end with timeout.\n\n"
	      "| fault | frame | runs | the run ended | stuck | next: flashed | next: current | "
	      "broken |\n|---|---|---|---|---|---|---|---|\n",
	      out);
	for (size_t f = 0; f < FAULTS; f++)
		write_row(c, f, out);
	fprintf(out, "\n%zu runs, %zu broken.\n", c->runs, broken);
	if (fclose(out) == EOF)
		err(1, "%s", c->table);
}

static void parse(int argc, char *argv[], struct campaign *c)
{
	static const struct option options[] = {
		{ "runs", required_argument, NULL, 'r' },
		{ "seed", required_argument, NULL, 's' },
		{ "jobs", required_argument, NULL, 'j' },
		{ "only", required_argument, NULL, 'o' },
		{ "table", required_argument, NULL, 't' },
		{ "verbose", no_argument, NULL, 'v' },
		{ NULL, 0, NULL, 0 },
	};
	int o;

	while ((o = getopt_long(argc, argv, "r:s:j:o:t:v", options, NULL)) != -1) {
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
		else if (o == 'v')
			c->verbose = true;
		else
			exit(64);
	}
	if (optind != argc || c->runs == 0 || c->jobs == 0 || c->seed == 0)
		errx(64, "usage: campaign [--runs=N] [--seed=N] [--jobs=N] [--only=TRIAL] "
			 "[--table=FILE] [--verbose]");
}

int main(int argc, char *argv[])
{
	static struct campaign c = { .seed = 1, .runs = 10000, .jobs = 12, .only = -1 };
	char dir[] = "/tmp/kf-faults.XXXXXX", state[sizeof(dir) + 8];
	size_t broken;

	parse(argc, argv, &c);
	c.random = c.seed;
	c.dir = mkdtemp(dir);
	if (!c.dir)
		err(1, "%s", dir);
	snprintf(state, sizeof(state), "%s/state", dir);
	setenv("XDG_STATE_HOME", state, 1);
	bus_init();
	for (size_t n = 0; n < SETUPS; n++) {
		make_image(&c, n);
		for (int i = 0; i < 3; i++)
			count_frames(&c, n);
	}
	choose_trials(&c);
	work_all(&c);
	broken = report(&c);
	if (c.table)
		write_table(&c, broken);
	(void)!kf_dir_remove(dir, NULL);
	printf("%zu runs, seed %llu: %zu broken\n", c.only < 0 ? c.runs : 1,
	       (unsigned long long)c.seed, broken);
	return broken != 0;
}
