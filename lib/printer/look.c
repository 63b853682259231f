/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <string.h>

#include "printer/boards.h"
#include "printer/described.h"
#include "printer/look.h"
#include "registry/prefix.h"

int kf_look(struct kf_registry *registry, struct kf_inventory *inventory,
	    struct kf_printers *printers, struct kf_error *err)
{
	_cleanup_(kf_boards_free) struct kf_boards now = { 0 };
	int r = kf_registry_load(registry, err);

	inventory->registry = registry;
	inventory->absent = true;
	if (r == 0)
		r = kf_usb_scan(&now, err);
	if (r == 0)
		r = kf_printers_find(printers, err);
	if (r == 0)
		r = kf_printers_describe(printers, &now, registry, err);
	if (r == 0)
		r = kf_inventory_fill(inventory, &now, err);
	return r == 0 ? kf_printers_join(printers, inventory, err) : r;
}

bool kf_look_is(const struct kf_board *board, const char *name)
{
	const char *const names[] = { kf_board_label(board),  board->printer.mcu, board->by_id,
				      basename(board->by_id), board->tty,	  board->usb.port };
	char key[KF_KEY_SIZE];

	for (size_t i = 0; name[0] && i < KF_ARRAY_SIZE(names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return (kf_key_from_printer(board, false, key) && strcmp(key, name) == 0) ||
	       (kf_key_from_printer(board, true, key) && strcmp(key, name) == 0);
}

int kf_look_name(const struct kf_inventory *inventory, const char **name, bool *ret_cut,
		 struct kf_error *err)
{
	struct kf_device device;

	*ret_cut = false;
	for (size_t i = 0; i < inventory->boards.count; i++)
		if (kf_look_is(&inventory->boards.list[i], *name))
			return 0;
	if (kf_prefix_find(inventory->registry, *name, name, ret_cut, err) < 0)
		return -EINVAL;
	return kf_registry_device(inventory->registry, *name, &device, err);
}
