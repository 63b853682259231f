/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Below configs/KEY in the cache: .config is what builds read, work/ and edit/ are where
 * olddefconfig and menuconfig run, each with an OUT of its own (Klipper's Makefile writes to OUT
 * whatever the target). menuconfig's .config.old lands there too, not beside the user's file.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "board/identity.h"
#include "board/port.h"
#include "build/kconfig-update.h"
#include "build/olddefconfig.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/lock.h"
#include "core/paths.h"
#include "core/text.h"
#include "firmware/kconfig-difference.h"
#include "registry/saved-config.h"

static int lock_board(const struct kf_kconfig_update *m, int *ret, struct kf_error *err)
{
	char path[PATH_MAX];
	int r;

	r = kf_path(KF_DIR_CACHE, path, err, "configs/%s/lock", m->board->key);
	return r < 0 ? r : kf_lock_take(path, kf_now_ms() + m->c->wait_ms, ret, err);
}

static int check_mcu(const struct kf_kconfig_update *m, const struct kf_kconfig *config,
		     struct kf_error *err)
{
	if (!m->board->mcu[0] || kf_mcu_same(m->board->mcu, config->mcu))
		return 0;
	kf_fail(err, KF_MCU_MISMATCH, "the configuration is for %s, the board is %s",
		config->mcu[0] ? config->mcu : "no MCU at all", m->board->mcu);
	return kf_error_hint(err, "choose the board's MCU: kf config %s", m->board->key);
}

/* Returns the interface that new firmware must use, too. For a wired board it is not known. */
static enum kf_comm talks_over(const struct kf_board *board)
{
	if (kf_board_is_bridge(board))
		return KF_COMM_USBCAN;
	return board->mode == KF_MODE_KLIPPER && !kf_board_is_wired(board) ? KF_COMM_USB
									   : KF_COMM_UNKNOWN;
}

/* Refuse firmware for another interface than that of now: it would not be found again. */
static int check_comm(const struct kf_kconfig_update *m, const struct kf_kconfig *config,
		      struct kf_error *err)
{
	const char *interface =
		m->board->link.interface[0] ? m->board->link.interface : "a CAN bus";
	enum kf_comm comm = talks_over(m->board);
	bool bridge = comm == KF_COMM_USBCAN;

	if (comm == KF_COMM_UNKNOWN || m->c->accept_difference || config->comm == comm ||
	    config->comm == KF_COMM_UNKNOWN)
		return 0;
	kf_fail(err, KF_CONFIG_DIFFERENCE,
		"communication interface: the configuration says %s, the board is %s%s%s",
		kf_comm_name(config->comm), bridge ? "the USB-to-CAN bridge of " : "on USB (",
		bridge ? interface : m->board->tty,
		bridge ? ": no node behind it could be reached"
		       : ") and would not come back on USB");
	if (m->from)
		return kf_error_hint(err,
				     "or accept it: the same command with --accept-difference");
	return kf_error_hint(
		err, "choose %s: kf config %s; or accept it: kf flash %s --accept-difference",
		bridge ? "a USB to CAN bus bridge" : "USB", m->board->key, m->board->key);
}

static int check_difference(const struct kf_kconfig_update *m, const struct kf_kconfig *saved,
			    const struct kf_kconfig *now, struct kf_error *err)
{
	char flash[KF_NAME_SIZE];
	int r;

	kf_text_format(flash, sizeof(flash), "kf flash %s", m->board->key);
	r = kf_kconfig_compare(saved, now, m->board->key, m->board->mcu,
			       m->from ? "the same command with" : flash, err);
	if (r < 0 && m->from)
		kf_error_prefix(err, "%s", m->from);
	return r;
}

/*
 * Update source, and check the result. source is the saved file, that of --from, or what menuconfig
 * left (edited: the interface was chosen just now). 1: an accepted difference. On a refusal only
 * the copy in work changes.
 */
static int update(const struct kf_kconfig_update *m, const char *source, bool edited,
		  char ret_path[PATH_MAX], struct kf_kconfig *ret, char ret_lost[KF_LOST_SIZE],
		  struct kf_error *err)
{
	_cleanup_(kf_kconfig_free) struct kf_kconfig config = { 0 }, saved = { 0 };
	char path[PATH_MAX], work[PATH_MAX];
	bool differs = false;
	int r;

	r = kf_path(KF_DIR_CACHE, work, err, "configs/%s/work", m->board->key);
	if (r == 0)
		r = kf_kconfig_load(source, &saved, err);
	if (r == 0)
		r = kf_olddefconfig(m->c, work, saved.text, &config, err);
	if (r == 0)
		r = check_difference(m, &saved, &config, err);
	if (r == kf_code_errno(KF_CONFIG_DIFFERENCE) && m->c->accept_difference) {
		differs = true;
		r = 0;
	}
	if (r == 0)
		r = check_mcu(m, &config, err);
	if (r == 0 && !edited)
		r = check_comm(m, &config, err);
	if (r == 0)
		r = kf_path(KF_DIR_CACHE, path, err, "configs/%s/.config", m->board->key);
	if (r == 0 && !kf_kconfig_is_file(&config, path)) /* an unchanged file keeps its time */
		r = kf_file_write(path, config.text, config.len, err);
	if (r < 0)
		return r;
	kf_text_format(ret_path, PATH_MAX, "%s", path);
	kf_kconfig_lost(&saved, &config, ret_lost);
	*ret = config;
	ret->text = TAKE_PTR(config.text);
	return differs;
}

int kf_kconfig_bring_up(const struct kf_kconfig_update *m, char ret_path[PATH_MAX],
			struct kf_kconfig *ret, char ret_lost[KF_LOST_SIZE], struct kf_error *err)
{
	_cleanup_(kf_closep) int lock = -1;
	char source[PATH_MAX];
	int r;

	r = m->from ? kf_path_expand(m->from, source, err)
		    : kf_saved_config_path(m->board->key, source, err);
	if (r < 0)
		return r;
	if (!m->from && access(source, F_OK) < 0 && errno == ENOENT)
		return kf_saved_config_missing(m->board->key, err);
	r = lock_board(m, &lock, err);
	if (r == 0)
		r = update(m, source, false, ret_path, ret, ret_lost, err);
	if (r < 0 || (r == 0 && !m->from))
		return r;
	r = kf_saved_config_write(m->board->key, ret, err);
	if (r < 0)
		kf_kconfig_free(ret);
	return r < 0 ? r : 1;
}

/*
 * Prepare the file that menuconfig edits: empty if there is nothing to begin with. Without a file
 * make would write the tree's defaults first, and the user, who sees no change, could leave without
 * saving them. make does the same to a file older than src/Kconfig.
 */
static int prepare_edit(const struct kf_kconfig_update *m, const char *saved, char ret[PATH_MAX],
			struct kf_error *err)
{
	char kconfig[PATH_MAX], dir[PATH_MAX];
	_cleanup_(kf_kconfig_free) struct kf_kconfig config = { 0 };
	struct timespec times[2] = { { .tv_nsec = UTIME_OMIT } };
	struct stat st, ours;
	const char *text;
	int r;

	r = kf_path(KF_DIR_CACHE, dir, err, "configs/%s/edit", m->board->key);
	if (r == 0)
		r = kf_path(KF_DIR_CACHE, ret, err, "configs/%s/edit/.config", m->board->key);
	if (r == 0)
		r = kf_dir_remove(dir, err);
	if (r < 0)
		return r;
	if (!m->proposal && access(saved, F_OK) == 0)
		r = kf_kconfig_load(saved, &config, err);
	text = m->proposal ? m->proposal : config.text ? config.text : "";
	if (r == 0)
		r = kf_file_write(ret, text, strlen(text), err);
	if (r < 0)
		return r;
	kf_text_format(kconfig, sizeof(kconfig), "%s/src/Kconfig", m->c->tree.dir);
	if (stat(kconfig, &st) < 0 || stat(ret, &ours) < 0)
		return kf_fail_sys(err, errno, "%s", kconfig);
	times[1] = st.st_mtim;
	times[1].tv_sec++;
	if (ours.st_mtim.tv_sec <= st.st_mtim.tv_sec && utimensat(AT_FDCWD, ret, times, 0) < 0)
		return kf_fail_sys(err, errno, "%s", ret);
	return 0;
}

static int run_menuconfig(const struct kf_kconfig_update *m, const char *config,
			  struct kf_error *err)
{
	static const char *const targets[] = { "menuconfig", NULL };
	char out[PATH_MAX], log[PATH_MAX];
	const struct kf_make make = { .tree = &m->c->tree,
				      .out = out,
				      .config = config,
				      .targets = targets,
				      .tty = m->c->tty,
				      .wait_ms = m->c->wait_ms,
				      .deadline_ms = KF_FOREVER };
	struct termios before;
	bool known = tcgetattr(m->c->tty, &before) == 0;
	int r = kf_path(KF_DIR_CACHE, out, err, "configs/%s/edit/out/", m->board->key);

	if (r == 0)
		r = kf_path(KF_DIR_CACHE, log, err, "configs/%s/menuconfig.log", m->board->key);
	if (r == 0)
		r = kf_tree_make_logged(&make, log, err);
	if (r < 0 && known)
		tcsetattr(m->c->tty, TCSADRAIN, &before); /* curses may not have restored it */
	return r;
}

int kf_menuconfig(const struct kf_kconfig_update *m, struct kf_error *err)
{
	_cleanup_(kf_kconfig_free) struct kf_kconfig config = { 0 };
	_cleanup_(kf_closep) int lock = -1;
	char saved[PATH_MAX], edit[PATH_MAX], path[PATH_MAX], lost[KF_LOST_SIZE];
	char before[KF_HEX_SIZE], after[KF_HEX_SIZE];
	bool differs;
	int r;

	r = kf_saved_config_path(m->board->key, saved, err);
	if (r == 0)
		r = lock_board(m, &lock, err);
	if (r == 0)
		r = prepare_edit(m, saved, edit, err);
	if (r == 0)
		r = kf_file_sha256(edit, before, err);
	if (r == 0)
		r = run_menuconfig(m, edit, err);
	if (r < 0)
		return r;
	r = kf_file_sha256(edit, after, err);
	if (r == -ENOENT || (r == 0 && strcmp(before, after) == 0))
		return 0;
	if (r == 0)
		r = update(m, edit, true, path, &config, lost, err);
	if (r < 0) {
		kf_error_prefix(err, "%s is not saved", edit);
		return r;
	}
	differs = r > 0;
	r = kf_path_follow(saved, err);
	if (r == 0)
		r = kf_file_copy(differs ? path : edit, saved, KF_SAVED_CONFIG_MAX, err);
	return r < 0 ? r : 1;
}
