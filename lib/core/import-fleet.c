/* SPDX-License-Identifier: GPL-3.0-or-later */
/* fleet.json: an array of boards, each with the path or bus address that it is known by. */
#include <string.h>

#include "core/import.h"
#include "core/text.h"

/* Settings of a board that we have nothing for; false and "" are as good as absent. */
static const char *const foreign[] = { "exclude_from_batch", "custom_make_command", "notes" };

static const char *text_of(const json_t *board, const char *member)
{
	const char *text = json_string_value(json_object_get(board, member));

	return text ? text : "";
}

static bool is_set(const json_t *value)
{
	return json_is_true(value) || (json_is_string(value) && json_string_length(value) > 0);
}

static void leave_settings(json_t *result, const char *name, const json_t *board)
{
	char list[KF_NAME_SIZE] = "", key[KF_KEY_SIZE];

	for (size_t i = 0; i < KF_ARRAY_SIZE(foreign); i++)
		if (is_set(json_object_get(board, foreign[i])))
			kf_text_add(list, sizeof(list), ", ", foreign[i]);
	if (is_set(json_object_get(board, "exclude_from_batch")) && kf_key_from_name(name, key))
		kf_import_leave(result, name,
				"taken, but without its %s: to have it left alone, kf set %s "
				"flashable=false",
				list, key);
	else if (list[0])
		kf_import_leave(result, name, "taken, but without its %s", list);
}

/* A by-id name, or NULL: of the board itself, or of what it is attached to while in DFU. */
static const char *by_id_of(const json_t *board)
{
	static const char *const members[] = { "id", "serial_id" };
	static const char folder[] = "/dev/serial/by-id/";
	const char *text;

	for (size_t i = 0; i < KF_ARRAY_SIZE(members); i++) {
		text = text_of(board, members[i]);
		if (strncmp(text, folder, sizeof(folder) - 1) == 0)
			return text + sizeof(folder) - 1;
	}
	return NULL;
}

static void take(json_t *result, const json_t *board)
{
	const char *name = text_of(board, "name"), *method = text_of(board, "method");
	const char *by_id = by_id_of(board), *profile = text_of(board, "profile");
	bool make = strcmp(method, "serial") == 0 &&
		    json_is_false(json_object_get(board, "is_katapult"));

	if (strcmp(method, "can") == 0)
		kf_import_leave(result, name,
				json_is_true(json_object_get(board, "is_bridge"))
					? "it is a bridge to a CAN bus, which has no serial port "
					  "while Klipper runs"
					: "it is on a CAN bus: USB only");
	else if (strcmp(method, "linux") == 0)
		kf_import_leave(result, name, "it is a Linux process: USB only");
	else if (strcmp(method, "beacon") == 0)
		kf_import_leave(result, name,
				"its firmware is not Klipper's: it is updated by its own tool");
	else if (strcmp(method, "serial") != 0 && strcmp(method, "dfu") != 0)
		kf_import_leave(result, name, "its method \"%s\" is not known", method);
	else if (!by_id)
		kf_import_leave(result, name,
				"%s is a port that changes, or a bootloader's: plug it in, and kf "
				"add",
				*text_of(board, "id") ? text_of(board, "id")
						      : "what it is known by");
	else if (kf_import_take(result, name, by_id, make ? "make_flash" : NULL,
				*profile ? "profiles/%s.config" : "%s", profile))
		leave_settings(result, name, board);
}

int kf_import_fleet(const char *text, size_t len, json_t **ret, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *result = kf_import_new("KlipperFleet"), *root = NULL;
	json_error_t je;
	json_t *board;
	size_t i;

	root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &je);
	if (!root)
		return kf_fail(err, KF_CONFIG, "line %d, column %d: %s", je.line, je.column,
			       je.text);
	if (!json_is_array(root) || !result)
		return kf_fail(err, KF_CONFIG, "no array of boards: this is no fleet.json");
	json_array_foreach(root, i, board)
	{
		if (!json_is_object(board) || !*text_of(board, "name"))
			return kf_fail(err, KF_CONFIG,
				       "entry %zu is no board with a name: this is no fleet.json",
				       i + 1);
		take(result, board);
	}
	*ret = result;
	result = NULL; /* the caller's now */
	return 0;
}
