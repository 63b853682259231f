/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>

#include "build/tree-ask.h"
#include "build/tree.h"
#include "core/text.h"
#include "registry/device.h"
#include "terminal/terminal.h"

bool kf_tree_is_missing(const struct kf_registry *registry, const char *key)
{
	struct kf_device device;
	struct kf_tree tree;

	return kf_registry_device(registry, key, &device, NULL) == 0 && !device.klipper_dir &&
	       !kf_registry_names_tree(registry, NULL) &&
	       kf_tree_open(kf_registry_klipper_dir(registry, &device), &tree, NULL) < 0;
}

int kf_tree_ask(int tty, struct kf_registry *registry, struct kf_error *err)
{
	char answer[PATH_MAX], assignment[PATH_MAX + 16];
	char *const assignments[] = { assignment, NULL };
	struct kf_error why = { 0 };
	struct kf_tree tree;
	int r;

	for (;;) {
		r = kf_terminal_ask(tty, answer, sizeof(answer), err,
				    "No source tree was found. Klipper's or Kalico's source "
				    "folder: ");
		if (r <= 0 || !answer[0])
			return r < 0 ? r : 0;
		if (kf_tree_open(answer, &tree, &why) == 0)
			break;
		kf_terminal_tell(tty, "  %s\n", why.message);
	}
	kf_text_format(assignment, sizeof(assignment), "klipper_dir=%s", answer);
	r = kf_device_set(NULL, assignments, err);
	if (r == 0)
		json_object_set_new(kf_registry_section(registry, "global"), "klipper_dir",
				    json_string(answer));
	return r;
}
