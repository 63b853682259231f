/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "board/identity.h"
#include "build/from-board.h"
#include "build/olddefconfig.h"
#include "build/proposal-check.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/lock.h"
#include "core/paths.h"
#include "core/text.h"
#include "firmware/kconfig-difference.h"
#include "registry/config-note.h"
#include "registry/saved-config.h"
#include "terminal/terminal.h"

int kf_from_board_place(const char *key, const char *name, int64_t wait_ms, char ret_dir[PATH_MAX],
			int *ret_lock, struct kf_error *err)
{
	char path[PATH_MAX];
	int r = kf_path(KF_DIR_CACHE, ret_dir, err, "configs/%s/%s", key, name);

	if (r == 0)
		r = kf_path(KF_DIR_CACHE, path, err, "configs/%s/%s/lock", key, name);
	return r < 0 ? r : kf_lock_take(path, kf_now_ms() + wait_ms, ret_lock, err);
}

/* Ask which configuration to take. 1: the board's; 0: the saved one. */
static int ask(const struct kf_configure *c, const char *key, const char *differences,
	       const char *no, struct kf_error *err)
{
	int r = kf_terminal_confirm(c->tty, false, err,
				    "%s: what is saved is not what the board runs: %s. Save the "
				    "board's?%s",
				    key, differences, no);

	if (r != -ECANCELED)
		return r;
	kf_fail(err, KF_NOT_SAVED, "the question was left without an answer, so nothing is done");
	return kf_error_hint(err, "to be asked again: kf config %s --from-board", key);
}

/* Like ask(), but c->accept_difference is an answer, and without a terminal it fails. */
static int choose(const struct kf_configure *c, const char *key, const char *differences,
		  struct kf_error *err)
{
	if (c->accept_difference)
		return 1;
	if (c->tty >= 0)
		return ask(c, key, differences, "", err);
	kf_fail(err, KF_CONFIG_DIFFERENCE, "what is saved is not what the board runs: %s",
		differences);
	return kf_error_hint(err,
			     "on a terminal kf config %s --from-board asks which to take; "
			     "--accept-difference takes the board's",
			     key);
}

/*
 * savedefconfig leaves out the defaults of the board's own tree. Another tree may have other
 * defaults: the result has to agree with the board's constants.
 */
static int check_constants(const char *key, bool take, const struct kf_facts *facts,
			   const struct kf_kconfig *board, struct kf_error *err)
{
	const struct kf_told told = { .facts = facts };
	char differences[KF_DIFFERS_SIZE], mcu[64];

	if (take || !kf_told_differs(&told, board, differences, sizeof(differences)))
		return 0;
	kf_fail(err, KF_CONFIG_DIFFERENCE,
		"the source tree makes something else of what the board carries: %s", differences);
	/* Another MCU is refused also with --accept-difference. */
	if (kf_facts_text(facts, "MCU", mcu, sizeof(mcu)) && !kf_mcu_same(mcu, board->mcu))
		return kf_error_hint(err, "choose the board's MCU: kf config %s --menuconfig", key);
	return kf_error_hint(err, "to take it as it is now: the same command with "
				  "--accept-difference");
}

/* Compare with what is saved at path, both completed by the tree. */
static int compare_saved(const struct kf_configure *c, const char *path, const char *dir,
			 const struct kf_kconfig *board, char ret[KF_DIFFERS_SIZE],
			 struct kf_error *err)
{
	_cleanup_(kf_kconfig_free) struct kf_kconfig saved = { 0 }, now = { 0 };
	char lost[KF_LOST_SIZE], more[KF_LOST_SIZE];
	int r = kf_kconfig_load(path, &saved, err);

	if (r == 0)
		r = kf_olddefconfig(c, dir, saved.text, &now, err);
	if (r < 0)
		return r;
	(void)kf_kconfig_differences(&now, board, "board", ret, KF_DIFFERS_SIZE);
	kf_kconfig_lost(&now, board, lost);
	kf_kconfig_lost(board, &now, more);
	if (lost[0])
		kf_text_add(ret, KF_DIFFERS_SIZE, ret[0] ? "; only saved: " : "only saved: ", lost);
	if (more[0])
		kf_text_add(ret, KF_DIFFERS_SIZE,
			    ret[0] ? "; only the board's: " : "only the board's: ", more);
	return 0;
}

static int no_kconfig(const char *key, const char *refused, struct kf_error *err)
{
	if (refused[0])
		kf_fail(err, KF_NO_CONFIG, "the Kconfig of its firmware is not used: %s", refused);
	else
		kf_fail(err, KF_NO_CONFIG,
			"the firmware that it runs carries no Kconfig: those of before September "
			"2026 have none");
	return kf_error_hint(err, "kf config %s opens menuconfig with what the board does tell",
			     key);
}

/* Write the board's Kconfig to a file, and compare. 1: with the saved one; 0: nothing is saved. */
static int compare(const struct kf_configure *c, const char *key, bool take,
		   const struct kf_facts *facts, char ret_path[PATH_MAX], char ret[KF_DIFFERS_SIZE],
		   struct kf_error *err)
{
	_cleanup_(kf_kconfig_free) struct kf_kconfig board = { 0 };
	_cleanup_(kf_closep) int lock = -1;
	char saved[PATH_MAX], dir[PATH_MAX];
	int r;

	r = kf_from_board_place(key, "board", c->wait_ms, dir, &lock, err);
	if (r == 0)
		r = kf_path(KF_DIR_CACHE, ret_path, err, "configs/%s/board/own.config", key);
	if (r == 0)
		r = kf_file_write(ret_path, facts->kconfig, strlen(facts->kconfig), err);
	if (r == 0)
		r = kf_olddefconfig(c, dir, facts->kconfig, &board, err);
	if (r == 0)
		r = check_constants(key, take, facts, &board, err);
	if (r == 0)
		r = kf_saved_config_path(key, saved, err);
	if (r < 0 || access(saved, F_OK) < 0)
		return r;
	r = compare_saved(c, saved, dir, &board, ret, err);
	return r < 0 ? r : 1;
}

int kf_from_board(const struct kf_configure *c, const char *key, const struct kf_facts *facts,
		  char ret_path[PATH_MAX], struct kf_error *err)
{
	char differences[KF_DIFFERS_SIZE] = "";
	int r;

	if (!facts->kconfig)
		return no_kconfig(key, facts->refused, err);
	r = compare(c, key, c->accept_difference, facts, ret_path, differences, err);
	if (r < 0)
		return r;
	return differences[0] ? choose(c, key, differences, err) : 1;
}

int kf_from_board_differs(const struct kf_configure *c, const char *key,
			  const struct kf_facts *facts, char ret_path[PATH_MAX],
			  char ret_differs[KF_DIFFERS_SIZE], struct kf_error *err)
{
	char sha256[KF_HEX_SIZE];
	int r;

	ret_differs[0] = '\0';
	if (!facts->kconfig)
		return no_kconfig(key, facts->refused, err);
	kf_sha256(facts->kconfig, strlen(facts->kconfig), sha256);
	if (kf_choice_noted(key, sha256))
		return 0;
	r = compare(c, key, false, facts, ret_path, ret_differs, err);
	if (r < 0 || !ret_differs[0] || c->tty < 0 || c->yes)
		return r < 0 ? r : 0;
	r = ask(c, key, ret_differs, " n builds what is saved, and is not asked again.", err);
	ret_differs[0] = '\0';
	return r == 0 ? kf_choice_save(key, sha256, err) : r;
}
