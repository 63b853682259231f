/* SPDX-License-Identifier: GPL-3.0-or-later */
/* First the registry, then the files: a failure in between only leaves unused files. */
#include <errno.h>

#include "registry/device.h"
#include "registry/listing.h"
#include "registry/remove.h"
#include "registry/saved-config.h"
#include "terminal/terminal.h"

static int ask(const char *question, const char *key, struct kf_error *err)
{
	_cleanup_(kf_closep) int tty = -1;
	int r = kf_terminal_open(&tty, err);

	if (r == 0)
		return kf_terminal_confirm(tty, false, err, "%s %s?", question, key);
	kf_error_hint(err, "--yes removes it without a question; --delete-config removes its saved "
			   "configuration too");
	return r;
}

int kf_remove_board(const struct kf_remove *how, const char *key, json_t **ret,
		    struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *gone = NULL;
	bool saved;
	int r, drop = how->drop;

	if (how->keep && how->drop) {
		kf_fail(err, KF_USAGE, "--keep-config and --delete-config cannot be used together");
		return kf_error_hint(err, "give only one of them");
	}
	r = kf_listing_load(key, &gone, err);
	if (r < 0)
		return r;
	saved = json_object_get(gone, "saved_config");
	r = how->yes ? 1 : ask("Remove", key, err);
	if (r == 1 && saved && !how->drop && !how->keep && !how->yes)
		drop = ask("Delete also the saved configuration of", key, err);
	if (r == -ECANCELED || drop == -ECANCELED)
		return 0;
	if (r <= 0)
		return r;
	r = drop < 0 ? drop : kf_device_remove(key, err);
	if (r == 0)
		r = kf_saved_config_remove(key, !drop, err);
	if (r < 0)
		return r;
	if (saved)
		json_object_set_new(gone, "config_deleted", json_boolean(drop));
	*ret = TAKE_PTR(gone);
	return 1;
}
