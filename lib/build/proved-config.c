/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "build/configuring.h"
#include "build/image-read.h"
#include "build/prove.h"
#include "build/proved-config.h"
#include "core/file.h"
#include "core/paths.h"
#include "core/text.h"
#include "firmware/kconfig-difference.h"
#include "registry/config-note.h"
#include "registry/saved-config.h"
#include "terminal/terminal.h"

/* The proved configuration is not the saved one. 1: save it; the saved one becomes .config.old. */
static int replaces(const struct kf_configure *c, const char *key, const struct kf_proved *proved,
		    const struct kf_kconfig *config, struct kf_error *err)
{
	_cleanup_(kf_kconfig_free) struct kf_kconfig saved = { 0 };
	char differences[384];
	int r;

	if (c->accept_difference)
		return 1;
	r = kf_kconfig_parse("the saved configuration", proved->before, strlen(proved->before),
			     &saved, err);
	if (r < 0)
		return r;
	if (!kf_kconfig_differences(&saved, config, "proved", differences, sizeof(differences)))
		kf_text_format(differences, sizeof(differences), "they differ in symbols");
	if (c->tty >= 0)
		return kf_terminal_confirm(c->tty, false, err,
					   "%s: not what is saved made what it runs, but %s: %s. "
					   "Save that?",
					   key, proved->from, differences);
	kf_fail(err, KF_CONFIG_DIFFERENCE, "not what is saved made what it runs, but %s: %s",
		proved->from, differences);
	kf_error_hint(err, "to save that: kf config %s --prove --accept-difference", key);
	return kf_code_errno(KF_CONFIG_DIFFERENCE);
}

/* Save what was proved, if it is not saved, and the proof of it. */
static int save_proved(const struct kf_configure *c, const char *key,
		       const struct kf_proved *proved, const char **ret_saved, struct kf_error *err)
{
	_cleanup_(kf_kconfig_free) struct kf_kconfig config = { 0 };
	bool was_saved = proved->before;
	int r = 1;

	if (!proved->saved) {
		r = kf_kconfig_parse("the proved configuration", proved->config,
				     strlen(proved->config), &config, err);
		if (r == 0)
			r = was_saved ? replaces(c, key, proved, &config, err) : 1;
		if (r > 0)
			r = kf_saved_config_write(key, &config, err) < 0 ? -EIO : 1;
		if (r > 0)
			*ret_saved = was_saved ? "; saved; the configuration before it is kept as "
						 ".config.old"
					       : "; saved";
	}
	return r <= 0 ? r
		      : kf_proof_save(key, proved->version, proved->image_sha256, proved->stamped,
				      err);
}

/* Send a board in Katapult back to its firmware, which tells the version, by a short read. */
static int send_back(struct kf_configure *c, const struct kf_board *board,
		     struct kf_board_told *told, struct kf_error *err)
{
	char path[PATH_MAX];
	int r = kf_path(KF_DIR_CACHE, path, err, "configs/%s/read.bin", board->key);

	kf_configure_say(c, board->key,
			 "it is in Katapult: it is sent back to its firmware, to be asked");
	if (r == 0)
		r = kf_dir_make_parent(path, err);
	if (r == 0)
		r = kf_image_read(board, NULL, path, KF_IMAGE_READ_START, told, &c->told, err);
	unlink(path);
	return r;
}

int kf_proved_config(struct kf_configure *c, const struct kf_board *board, const char **ret_saved,
		     struct kf_error *err)
{
	_cleanup_(kf_board_told_free) struct kf_board_told told = { 0 };
	_cleanup_(kf_proved_free) struct kf_proved proved = { 0 };
	const struct kf_prove p = { .tree = &c->tree,
				    .key = board->key,
				    .board = board,
				    .told = &told,
				    .timeout_ms = c->timeout_ms,
				    .wait_ms = c->wait_ms,
				    .ret_told = &c->told,
				    .step = c->step };
	int r = board->mode == KF_MODE_KATAPULT ? send_back(c, board, &told, err) : 0;

	if (r == 0)
		r = kf_configure_ask(c, board, &told, err);
	if (r == 0)
		r = kf_prove_board(&p, &proved, err);
	return r < 0 ? r : save_proved(c, board->key, &proved, ret_saved, err);
}
