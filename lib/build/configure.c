/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One tree often serves all boards: it is opened once. */
#include <errno.h>
#include <string.h>

#include "build/configure.h"
#include "build/kconfig-update.h"
#include "core/file.h"
#include "core/terminal.h"
#include "core/text.h"
#include "registry/saved-config.h"

bool kf_configure_wants(const struct kf_configure *c, const struct kf_board *board)
{
	return board->key[0] && !board->excluded && (board->connected || !c->connected);
}

bool kf_configure_edits(const struct kf_configure *c, const char *key)
{
	return c->tty >= 0 && !c->from &&
	       (c->menuconfig || kf_saved_config_days(key) == -ENOENT ||
		(!c->saved && !kf_registry_skip_menuconfig(c->registry)));
}

static int open_tree(struct kf_configure *c, const char *key, struct kf_error *err)
{
	const char *dir = c->klipper_dir;
	struct kf_device device;
	int r;

	r = kf_registry_device(c->registry, key, &device, err);
	if (r < 0)
		return r;
	if (!dir)
		dir = kf_registry_klipper_dir(c->registry, &device);
	if (strcmp(dir, c->dir) == 0)
		return 0;
	c->dir[0] = '\0';
	r = kf_tree_open(dir, &c->tree, err);
	if (r == 0)
		kf_text_format(c->dir, sizeof(c->dir), "%s", dir);
	return r;
}

json_t *kf_configure_member(const struct kf_configured *done)
{
	char sha256[KF_HEX_SIZE];

	kf_sha256(done->kconfig.text, done->kconfig.len, sha256);
	return json_pack("{s:s, s:s, s:s, s:I, s:s}", "path", done->path, "sha256", sha256, "mcu",
			 done->kconfig.mcu, "start", (json_int_t)done->kconfig.start, "comm",
			 kf_comm_name(done->kconfig.comm));
}

/* The user left menuconfig without saving: 0 to go on with what was saved before. */
static int left_unsaved(const struct kf_configure *c, const char *key, struct kf_error *err)
{
	int r;

	if (kf_saved_config_days(key) == -ENOENT)
		return kf_fail(err, KF_NOT_SAVED,
			       "menuconfig was left without saving, and no configuration was saved "
			       "before");
	if (!c->asks)
		return 0;
	r = kf_terminal_confirm(c->tty, err,
				"%s: menuconfig was left without saving. Go on with the "
				"configuration as it was before?",
				key);
	if (r == 0)
		return kf_fail(err, KF_NOT_SAVED,
			       "menuconfig was left without saving, so nothing was changed");
	return r < 0 ? r : 0;
}

int kf_configure_board(struct kf_configure *c, const struct kf_board *board,
		       struct kf_configured *ret, struct kf_error *err)
{
	const struct kf_kconfig_update m = { .tree = &c->tree,
					     .key = board->key,
					     .mcu = board->mcu,
					     .usb_tty = board->mode == KF_MODE_KLIPPER ? board->tty
										       : NULL,
					     .from = c->from,
					     .timeout_ms = c->timeout_ms,
					     .wait_ms = c->wait_ms,
					     .accept_difference = c->accept_difference };
	struct kf_configured done = { .saved = "" };
	int r;

	r = open_tree(c, board->key, err);
	if (r < 0)
		return r;
	if (kf_configure_edits(c, board->key)) {
		r = kf_menuconfig(&m, c->tty, err);
		if (r > 0)
			done.saved = "; saved";
		else if (r == 0)
			r = left_unsaved(c, board->key, err);
		if (r < 0)
			return r;
	}
	r = kf_kconfig_bring_up(&m, done.path, &done.kconfig, done.lost, err);
	if (r < 0)
		return r;
	if (r > 0)
		done.saved =
			c->from ? "; saved"
				: "; saved; the configuration before it is kept as .config.old";
	done.days = kf_saved_config_days(board->key);
	*ret = done;
	return 0;
}
