/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>

#include "build/olddefconfig.h"
#include "build/proposal-check.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/paths.h"

int kf_olddefconfig(const struct kf_configure *c, const char *dir, const char *text,
		    struct kf_kconfig *ret, struct kf_error *err)
{
	static const char *const targets[] = { "olddefconfig", NULL };
	char config[PATH_MAX], out[PATH_MAX], log[PATH_MAX];
	const struct kf_make make = { .tree = &c->tree,
				      .out = out,
				      .config = config,
				      .targets = targets,
				      .tty = -1,
				      .wait_ms = c->wait_ms,
				      .deadline_ms = kf_now_ms() + c->timeout_ms };
	struct kf_kconfig checked = { 0 };
	int r = kf_path_format(config, err, "%s/.config", dir);

	if (r == 0)
		r = kf_path_format(out, err, "%s/out/", dir);
	if (r == 0)
		r = kf_path_format(log, err, "%s/log", dir);
	if (r == 0)
		r = kf_kconfig_parse("the configuration", text, strlen(text), &checked, err);
	kf_kconfig_free(&checked);
	if (r == 0)
		r = kf_file_write(config, text, strlen(text), err);
	if (r == 0)
		r = kf_tree_make_logged(&make, log, err);
	return r < 0 ? r : kf_kconfig_load(config, ret, err);
}

int kf_proposal_complete(struct kf_proposal *proposal, const struct kf_configure *c,
			 const struct kf_told *told, const char *dir, struct kf_kconfig *ret_config,
			 struct kf_error *err)
{
	_cleanup_(kf_freep) char *text = NULL;
	int r = kf_proposal_text(proposal, &text, err);

	if (r == 0)
		r = kf_olddefconfig(c, dir, text, ret_config, err);
	if (r == 0)
		kf_proposal_settle(proposal, &c->tree, told, ret_config);
	return r;
}
