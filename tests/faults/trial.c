/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One trial, and what has to hold after it. */
#include <err.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "board/last-flash.h"
#include "core/file.h"
#include "core/text.h"
#include "faults/campaign.h"

void campaign_check(int r, const struct kf_error *why, const char *what)
{
	if (r < 0)
		errx(1, "%s: %s", what, why->message);
}

void campaign_open(struct lab *lab, const struct sim_spec *spec)
{
	struct kf_error why;

	IGNORE_RESULT(kf_dir_remove(getenv("XDG_STATE_HOME"), NULL));
	campaign_check(lab_open(lab, spec, &why), &why, spec->mcu);
}

bool campaign_succeeded(const struct lab_end *end)
{
	return end->told && end->r == 0;
}

/* Check the rules that hold after every run. NULL: they do, else the broken one. */
static const char *judge(const struct lab *lab, const struct lab_end *end, bool killed)
{
	struct kf_last_flash state;

	kf_last_flash_load("board", &state);
	if (strcmp(state.sha256, lab->image.sha256) == 0 && !lab_holds(lab))
		return "the notes name an image that is not there";
	if (!end->told)
		return killed ? NULL : "it ended without a word";
	if (end->r == 0 && !lab_runs(lab))
		return "it says what is not so";
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
		if (campaign_succeeded(end))
			return "a stuck board was flashed";
		if (!strstr(end->hint, "power-cycle"))
			return "a stuck board, and no advice to power-cycle it";
		lab_power_cycle(lab, false);
	}
	if (lab_hangs(lab))
		lab_power_cycle(lab, true);
	lab_flash(lab, PATIENT_MS, PATIENT_MS, NULL, end);
	broken = judge(lab, end, false);
	if (broken)
		return broken;
	return campaign_succeeded(end) && lab_runs(lab) ? NULL : "the next plain run failed";
}

static void set_fault(const struct trial *t, struct sim_spec *spec, struct lab_kill *kill)
{
	const struct fault *fault = &campaign_faults[t->fault];
	struct kf_error why;
	char at[32];

	*kill = (struct lab_kill){ fault->signal, fault->to_board ? SIM_TO_BOARD : SIM_FROM_BOARD,
				   t->at };
	snprintf(at, sizeof(at), "%s:%u", fault->to_board ? "tx" : "rx", t->at);
	if (!fault->signal)
		campaign_check(sim_faults_add(&spec->faults, fault->name, at, &why), &why, at);
}

/* The faulty run. False: its time was over before the fault came, for this machine is slow now. */
static bool flash_faulty(struct lab *lab, const struct lab_kill *kill, int64_t ms,
			 struct lab_end *end)
{
	struct sim_faults *f = &lab->port->board.spec.faults;

	lab_flash(lab, ms, ms, kill, end);
	f->count = 0;
	/* The run may have ended before the command that was to fail. */
	if (lab->port->board.rom)
		lab->port->board.rom->failing = false;
	return f->frames[kill->direction] >= kill->at;
}

void campaign_try(const struct campaign *c, const struct trial *t, struct result *ret)
{
	struct sim_spec spec = c->specs[t->setup];
	struct lab lab = c->labs[t->setup];
	struct lab_kill kill;
	struct lab_end end;
	const char *broken;

	set_fault(t, &spec, &kill);
	campaign_open(&lab, &spec);
	for (int64_t ms = FAULTY_MS; !flash_faulty(&lab, &kill, ms, &end); ms *= 4) {
		if (ms > PATIENT_MS)
			errx(1, "the fault does not come");
		lab_close(&lab);
		campaign_open(&lab, &spec);
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
