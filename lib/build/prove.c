/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The printer is down only while its board is read, never during a build. What is known (saved,
 * carried) is tried before what is proposed.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "board/identity.h"
#include "build/aside.h"
#include "build/family.h"
#include "build/image-read.h"
#include "build/olddefconfig.h"
#include "build/prove.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/lock.h"
#include "core/paths.h"
#include "core/text.h"
#include "firmware/image.h"
#include "firmware/loader.h"
#include "firmware/same-firmware.h"
#include "registry/saved-config.h"

enum {
	GIT_MS = 60000,
	PAGE_BYTES = 1024, /* no flash ends within one */
};

struct candidate {
	char from[KF_NAME_SIZE];
	bool saved, judged;
	struct kf_kconfig config; /* as the revision completes it */
	struct kf_image image;
	char why[256]; /* why this candidate is not the one */
};

struct run {
	struct kf_configure *c;
	const struct kf_board *board;
	struct kf_configure aside; /* the same, but its tree is the board's revision */
	char dir[PATH_MAX];	   /* of ours, below the cache */
	struct kf_board_told told;
	struct candidate list[KF_PROVE_MAX];
	size_t count, left_out;
	struct kf_error failed; /* of the last candidate that could not be built */
	uint8_t *data;		/* what was read */
	size_t data_bytes;
	uint32_t start;
	char its_build[KF_NAME_SIZE], our_build[KF_NAME_SIZE]; /* build_versions */
};

void kf_proved_free(struct kf_proved *proved)
{
	free(proved->config);
	free(proved->before);
}

/* Before anything is built: nobody could read what to compare it with. */
static int check_readable(const struct run *run, struct kf_error *err)
{
	char mcu[64];

	if (!run->told.facts.constants || !kf_facts_text(&run->told.facts, "MCU", mcu, sizeof(mcu)))
		KF_COPY(mcu, run->board->mcu);
	if (kf_loader_beside_katapult(kf_loader_find(mcu, KF_LOADER_ANY)))
		return 0;
	kf_fail(err, KF_NO_KATAPULT,
		"nothing can be proved of its %s: there is no Katapult for it that could read its "
		"firmware",
		mcu);
	return kf_error_hint(err, "choose its configuration: kf config %s", run->board->key);
}

/* Parse the version, before any work. KF_NOT_PROVED: no build of it can be the same. */
static int check_version(const char *version, struct kf_version *ret, struct kf_error *err)
{
	if (!version[0])
		return kf_fail(err, KF_NOT_PROVED,
			       "the board does not tell the version that it runs");
	if (!kf_version_parse(version, ret))
		return kf_fail(err, KF_NOT_PROVED,
			       "it runs %s, which names no commit: it cannot be built again",
			       version);
	if (!ret->dirty)
		return 0;
	kf_fail(err, KF_NOT_PROVED,
		"it runs %s, which was built from a changed source tree: it cannot be built again",
		version);
	return kf_error_hint(err, "flash it with firmware of a clean tree first");
}

/* Add a configuration that the revision has completed, unless it is there already. */
static void add(struct run *run, struct kf_kconfig *config, bool saved, const char *from)
{
	struct candidate *new = &run->list[run->count];

	for (size_t i = 0; i < run->count; i++)
		if (strcmp(run->list[i].config.text, config->text) == 0)
			return;
	if (run->count == KF_PROVE_MAX) {
		run->left_out++;
		return;
	}
	new->saved = saved;
	KF_COPY(new->from, from);
	new->config = *config;
	*config = (struct kf_kconfig){ 0 }; /* the candidate's now */
	run->count++;
}

static int add_text(struct run *run, const char *text, bool saved, const char *from,
		    struct kf_error *err)
{
	_cleanup_(kf_kconfig_free) struct kf_kconfig config = { 0 };
	int r = kf_olddefconfig(&run->aside, run->dir, text, &config, err);

	if (r == 0)
		add(run, &config, saved, from);
	else
		kf_error_prefix(err, "%s", from);
	return r;
}

/* The saved configuration, and the one that the firmware carries. */
static int add_known(struct run *run, struct kf_error *err)
{
	_cleanup_(kf_kconfig_free) struct kf_kconfig saved = { 0 };
	char path[PATH_MAX];
	int r = kf_saved_config_path(run->board->key, path, err);

	if (r == 0 && access(path, F_OK) == 0) {
		r = kf_kconfig_load(path, &saved, err);
		if (r == 0)
			r = add_text(run, saved.text, true, "the saved configuration", err);
	}
	if (r == 0 && run->told.facts.kconfig)
		r = add_text(run, run->told.facts.kconfig, false,
			     "the Kconfig that its firmware carries", err);
	return r;
}

/* The first question that has something to choose from; count: none. */
static size_t open_question(const struct kf_proposal *p)
{
	size_t i = 0;

	while (i < p->question_count && p->questions[i].count == 0)
		i++;
	return i;
}

static size_t nth_likely(const struct kf_question *q, size_t n)
{
	if (q->likely == q->count)
		return n;
	return n == 0 ? q->likely : n <= q->likely ? n - 1 : n;
}

/*
 * Complete the proposal and add it, with each choice of each question that is open then. answered:
 * a bit for each subject that was answered; a question that comes back is not asked again. A choice
 * that the revision does not take is left out.
 */
static int add_choices(struct run *run, struct kf_proposal *p, const char *from, unsigned answered,
		       struct kf_error *err)
{
	_cleanup_(kf_kconfig_free) struct kf_kconfig config = { 0 };
	const struct kf_told told = kf_told_of(run->board, &run->told);
	char label[KF_NAME_SIZE];
	size_t asked;
	int r = kf_proposal_complete(p, &run->aside, &told, run->dir, &config, err);

	if (r < 0)
		return r;
	asked = open_question(p);
	if (asked == p->question_count || answered & 1u << p->questions[asked].subject) {
		add(run, &config, false, from);
		return 0;
	}
	/* The likely one first. */
	for (size_t n = 0; r == 0 && n < p->questions[asked].count; n++) {
		_cleanup_(kf_freep) struct kf_proposal *one = malloc(sizeof(*one));
		size_t i = nth_likely(&p->questions[asked], n);

		if (run->count == KF_PROVE_MAX) {
			run->left_out++;
			continue;
		}
		if (!one)
			return kf_fail_sys(err, ENOMEM, "a proposal");
		*one = *p;
		kf_text_format(label, sizeof(label), "%s, %s", from,
			       p->questions[asked].choices[i].label);
		if (kf_proposal_answer(one, asked, i))
			r = add_choices(run, one, label,
					answered | 1u << p->questions[asked].subject, err);
	}
	return r;
}

static bool asks_offset(const struct kf_proposal *p)
{
	for (size_t i = 0; i < p->question_count; i++)
		if (strcmp(p->questions[i].what, kf_subject_name(KF_SUBJECT_OFFSET)) == 0)
			return true;
	return false;
}

/* Is what was read what the board said that it runs? */
static int check_read(struct run *run, struct kf_error *err)
{
	struct kf_dictionary dictionary;

	if (kf_dictionary_find(run->data, run->data_bytes, &dictionary, NULL) < 0)
		return 0; /* the candidates are shorter than what runs: none is it */
	KF_COPY(run->its_build, dictionary.build);
	if (strcmp(dictionary.version, run->told.version) == 0)
		return 0;
	return kf_fail(err, KF_NOT_PROVED, "it says that it runs %s, and in its flash is %s",
		       run->told.version, dictionary.version);
}

/* Read what the board runs: so many bytes, and up to the end of that page. */
static int read_board(struct run *run, const struct kf_kconfig *config, size_t bytes,
		      struct kf_error *err)
{
	char path[PATH_MAX], *data = NULL;
	size_t len;
	int r;

	if (bytes > KF_IMAGE_READ_START)
		bytes = (bytes + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
	r = kf_path_format(path, err, "%s/read.bin", run->dir);
	if (r < 0)
		return r;
	r = kf_image_read(run->c, run->board, config, path, bytes, &run->told, err);
	if (r == 0)
		r = kf_file_read(path, bytes, &data, &len, err);
	unlink(path);
	if (r < 0)
		return r;
	free(run->data);
	run->data = (uint8_t *)data;
	run->data_bytes = len;
	run->start = run->told.katapult_start;
	return bytes > KF_IMAGE_READ_START ? check_read(run, err) : 0;
}

/*
 * Add the proposals of that revision. If only Katapult can tell where the firmware starts, it is
 * asked first, by a read of a few bytes.
 */
static int add_proposed(struct run *run, struct kf_error *err)
{
	_cleanup_(kf_kconfig_free) struct kf_kconfig config = { 0 };
	_cleanup_(kf_freep) struct kf_proposal *p = calloc(1, sizeof(*p));
	struct kf_told told = kf_told_of(run->board, &run->told);
	int r;

	if (!p)
		return kf_fail_sys(err, ENOMEM, "a proposal");
	r = kf_proposal_make(&run->aside.tree, &told, p, err);
	if (r == 0)
		r = kf_proposal_complete(p, &run->aside, &told, run->dir, &config, err);
	if (r == 0 && !told.katapult && asks_offset(p)) {
		kf_configure_say(run->c, run->board->key,
				 "its Katapult is asked where the firmware starts");
		r = read_board(run, NULL, KF_IMAGE_READ_START, err);
		told = kf_told_of(run->board, &run->told);
		if (r == 0)
			r = kf_proposal_make(&run->aside.tree, &told, p, err);
	}
	return r < 0 ? r : add_choices(run, p, "the proposal", 0, err);
}

/* Fill in the arguments of kf_rebuild for a candidate. */
static int rebuild_of(const struct run *run, const struct candidate *c, char log[PATH_MAX],
		      struct kf_rebuild *ret, struct kf_error *err)
{
	*ret = (struct kf_rebuild){ .tree = &run->aside.tree,
				    .dir = run->dir,
				    .log = log,
				    .number = (unsigned)(c - run->list),
				    .config = &c->config,
				    .wait_ms = run->c->wait_ms };
	return kf_path(KF_DIR_STATE, log, err, "logs/%s-prove.log", run->board->key);
}

/* Note why make did not make it; only a signal ends the whole proof. */
static int not_built(struct run *run, struct candidate *c, int r, struct kf_error *err)
{
	if (r == -EINTR)
		*err = run->failed;
	else
		kf_text_format(c->why, sizeof(c->why), "it cannot be built: %s",
			       run->failed.message);
	return r == -EINTR ? r : 0;
}

/* Build one candidate. 0 also if it cannot be built: another candidate may be. */
static int build(struct run *run, struct candidate *c, struct kf_error *err)
{
	struct kf_rebuild rebuild;
	char log[PATH_MAX];
	int r = rebuild_of(run, c, log, &rebuild, err);

	if (r < 0)
		return r;
	kf_configure_say(run->c, run->board->key, "building %s at %s", c->from, run->told.version);
	r = kf_rebuild(&rebuild, &c->image, &run->failed);
	if (r < 0)
		return not_built(run, c, r, err);
	KF_COPY(run->our_build, c->image.dictionary.build);
	return 0;
}

/* The candidate's image against what was read; *ret_packed: the dictionary in that. */
static enum kf_same same(const struct run *run, struct candidate *c, struct kf_packed *ret_packed)
{
	uint32_t start = c->image.start_known ? c->image.start : c->config.start;

	if (kf_mcu_same(run->told.mcu, c->config.mcu) && start == run->start)
		return kf_firmware_same(c->image.data, c->image.len, run->data, run->data_bytes,
					start, c->why, sizeof(c->why), ret_packed);
	kf_text_format(c->why, sizeof(c->why),
		       "it is for %s at 0x%08x, Katapult is on %s and starts 0x%08x", c->config.mcu,
		       start, run->told.mcu, run->start);
	return KF_SAME_NOT;
}

/* Link the candidate's image again, around the dictionary that the board has. */
static int restamp(struct run *run, struct candidate *c, struct kf_packed packed,
		   struct kf_error *err)
{
	struct kf_rebuild rebuild;
	char log[PATH_MAX];
	int r = rebuild_of(run, c, log, &rebuild, err);

	if (r < 0)
		return r;
	kf_configure_say(run->c, run->board->key, "linking %s with the stamps of the board's build",
			 c->from);
	kf_image_free(&c->image);
	c->image = (struct kf_image){ 0 };
	r = kf_rebuild_around(&rebuild, packed.data, packed.len, &c->image, &run->failed);
	return r < 0 ? not_built(run, c, r, err) : 0;
}

static int take(const struct run *run, const struct candidate *c, bool stamped,
		struct kf_proved *ret, struct kf_error *err)
{
	struct kf_proved proved = { .saved = c->saved, .stamped = stamped };
	const struct candidate *first = &run->list[0];

	proved.config = strdup(c->config.text);
	if (first->saved)
		proved.before = strdup(first->config.text);
	if (!proved.config || (first->saved && !proved.before)) {
		kf_proved_free(&proved);
		return kf_fail_sys(err, ENOMEM, "a configuration");
	}
	memcpy(proved.from, c->from, sizeof(proved.from));
	memcpy(proved.image_sha256, c->image.sha256, sizeof(proved.image_sha256));
	memcpy(proved.version, run->told.version, sizeof(proved.version));
	*ret = proved;
	return 1;
}

/*
 * Compare a candidate with the board. The board is read first, as far as bytes go, unless it was.
 * Linked around the board's dictionary the image may be longer: if all that was read is the same,
 * the rest of the board is read, too. 1: it is the one.
 */
static int compare(struct run *run, struct candidate *c, size_t bytes, struct kf_proved *ret,
		   struct kf_error *err)
{
	struct kf_packed packed;
	bool stamped = false;
	enum kf_same is;
	int r = bytes > run->data_bytes ? read_board(run, &c->config, bytes, err) : 0;

	if (r < 0)
		return r;
	c->judged = true;
	is = same(run, c, &packed);
	if (is == KF_SAME_STAMPS) {
		stamped = true;
		r = restamp(run, c, packed, err);
		is = r == 0 && c->image.data ? same(run, c, &packed) : KF_SAME_NOT;
	}
	if (is == KF_SAME_SO_FAR) {
		r = read_board(run, &c->config, c->image.len, err);
		is = r == 0 ? same(run, c, &packed) : KF_SAME_NOT;
	}
	return is == KF_SAME ? take(run, c, stamped, ret, err) : r;
}

/*
 * Build and compare one after the other, until one is it. The board is read once the first is
 * built; what is longer than that waits for the end, so that the printer is stopped twice at most.
 */
static int try_all(struct run *run, struct kf_proved *ret, struct kf_error *err)
{
	size_t built = 0, longest = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < run->count; i++) {
		struct candidate *c = &run->list[i];

		if (c->judged || c->why[0])
			continue;
		r = build(run, c, err);
		built += c->image.data != NULL;
		if (c->image.len > longest)
			longest = c->image.len;
		if (r == 0 && c->image.data &&
		    (run->data_bytes <= KF_IMAGE_READ_START || c->image.len <= run->data_bytes))
			r = compare(run, c, c->image.len, ret, err);
	}
	for (size_t i = 0; r == 0 && i < run->count; i++)
		if (!run->list[i].judged && run->list[i].image.data)
			r = compare(run, &run->list[i], longest, ret, err);
	if (r == 0 && !built && run->failed.code != KF_OK && run->failed.code != KF_BUILD_FAILED) {
		*err = run->failed;
		r = kf_code_errno(err->code);
	}
	return r;
}

/* Fail: no candidate made the firmware. Say why of the first, and whether the compilers differ. */
static int none(const struct run *run, struct kf_error *err)
{
	const struct candidate *first = &run->list[0];
	char more[48] = "";

	if (run->left_out)
		kf_text_format(more, sizeof(more), ", and %zu more were not tried", run->left_out);
	kf_fail(err, KF_NOT_PROVED, "none of %zu configurations made %s%s: %s: %s", run->count,
		run->told.version, more, first->from, first->why);
	KF_COPY(err->log, run->failed.log);
	if (run->its_build[0] && run->our_build[0] && strcmp(run->its_build, run->our_build) != 0)
		return kf_error_hint(
			err,
			"it was built by other compilers (%s) than there are here (%s): the "
			"same configuration makes other bytes with them",
			run->its_build, run->our_build);
	return kf_error_hint(err,
			     "save what it was built with (kf config %s, or --from=FILE), "
			     "then prove that",
			     run->board->key);
}

/* First the known configuration; if that is not it, the proposed ones. */
static int prove_all(struct run *run, struct kf_proved *ret, struct kf_error *err)
{
	int r = add_known(run, err);

	if (r == 0)
		r = try_all(run, ret, err);
	if (r == 0)
		r = add_proposed(run, err);
	if (r == 0)
		r = try_all(run, ret, err);
	if (r > 0)
		return 0;
	return r < 0 ? r : none(run, err);
}

static int prepare(struct run *run, int *ret_lock, struct kf_error *err)
{
	const char *key = run->board->key;
	struct kf_version version;
	char path[PATH_MAX];
	int r = check_readable(run, err);

	if (r == 0)
		r = check_version(run->told.version, &version, err);
	if (r == 0)
		r = kf_path(KF_DIR_CACHE, run->dir, err, "configs/%s/prove", key);
	if (r == 0)
		r = kf_path(KF_DIR_CACHE, path, err, "configs/%s/prove.lock", key);
	if (r == 0)
		r = kf_lock_take(path, kf_now_ms() + run->c->wait_ms, ret_lock, err);
	if (r == 0)
		r = kf_dir_remove(run->dir, err); /* left by a proof that was killed */
	if (r < 0)
		return r;
	kf_text_format(path, sizeof(path), "%.*s/tree", PATH_MAX - 8, run->dir);
	return kf_aside_open(&run->c->tree, &version, path, kf_now_ms() + GIT_MS, &run->aside.tree,
			     err);
}

int kf_prove_board(struct kf_configure *c, const struct kf_board *board,
		   const struct kf_board_told *told, struct kf_proved *ret, struct kf_error *err)
{
	_cleanup_(kf_freep) struct run *run = calloc(1, sizeof(*run));
	_cleanup_(kf_closep) int lock = -1;
	int r;

	if (!run)
		return kf_fail_sys(err, ENOMEM, "a proof");
	run->c = c;
	run->board = board;
	run->aside = *c;
	run->told = *told;
	r = prepare(run, &lock, err);
	if (r == 0)
		r = prove_all(run, ret, err);
	for (size_t i = 0; i < run->count; i++) {
		kf_kconfig_free(&run->list[i].config);
		kf_image_free(&run->list[i].image);
	}
	free(run->data);
	if (lock >= 0)
		IGNORE_RESULT(kf_dir_remove(run->dir, NULL)); /* else the next proof does */
	return r;
}
