/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Known members of the registry and of records are clean text: settings.c and record.c check them.
 */
#include <string.h>

#include "board/record.h"
#include "core/text.h"
#include "registry/config-note.h"
#include "registry/listing.h"
#include "registry/saved-config.h"
#include "registry/settings.h"
#include "terminal/screen.h"

enum { INDENT = 2, KEY_COLUMNS = 21, NAME_COLUMNS = 24 };

static long long number(const json_t *object, const char *member)
{
	return json_integer_value(json_object_get(object, member));
}

json_t *kf_listing_device(const struct kf_registry *registry, const char *key)
{
	json_t *device = json_object_get(json_object_get(registry->root, "devices"), key);
	json_t *object = json_pack("{s:s}", "key", key);
	struct kf_proof proof;
	int days = kf_saved_config_days(key);
	char path[PATH_MAX];

	if (!device)
		json_object_set_new(object, "registered", json_false());
	json_object_update(object, device ? device : json_object_get(registry->described, key));
	if (!device)
		json_object_set(object, "klipper_dir", json_object_get(registry->trees, key));
	if (days >= 0 && kf_saved_config_path(key, path, NULL) == 0)
		json_object_set_new(object, "saved_config",
				    json_pack("{s:s, s:i}", "path", path, "days", days));
	if (kf_proof_load(key, &proof))
		json_object_set_new(object, "proved",
				    json_pack("{s:s, s:s, s:s, s:s}", "version", proof.version,
					      "time", proof.time, "config_sha256",
					      proof.config_sha256, "image_sha256",
					      proof.image_sha256));
	return object;
}

int kf_listing_load(const char *key, json_t **ret, struct kf_error *err)
{
	_cleanup_(kf_registry_close) struct kf_registry registry = { 0 };
	struct kf_device found;
	int r = kf_registry_load(&registry, err);

	if (r == 0 && key)
		r = kf_registry_device(&registry, key, &found, err);
	if (r < 0)
		return r;
	*ret = key ? kf_listing_device(&registry, key)
		   : json_incref(kf_registry_section(&registry, "global"));
	return 0;
}

void kf_listing_row(FILE *out, const json_t *device)
{
	const json_t *saved = json_object_get(device, "saved_config");
	const char *pattern = kf_settings_pattern(device);
	const struct kf_screen screen = kf_screen_of(out);
	const char *name = kf_json_text(device, "name");
	int gap = NAME_COLUMNS - kf_screen_width(name);
	char days[40], row[1024];

	if (saved)
		kf_text_format(days, sizeof(days), "saved %3lld days ago  ", number(saved, "days"));
	else
		kf_text_format(days, sizeof(days), "%-20s", "no configuration");
	kf_text_format(row, sizeof(row), "%-20s %s%*s %-14s %s%s%s", kf_json_text(device, "key"),
		       name, gap > 0 ? gap : 0, "", kf_json_text(device, "mcu"), days,
		       json_is_false(json_object_get(device, "flashable")) ? "left alone  " : "",
		       pattern ? pattern : kf_json_text(device, "usb_port"));
	kf_screen_wrap(&screen, row, 0, INDENT);
	fputc('\n', out);
}

/* Members that we do not know are shown too, so they are cleaned here. */
static void member_line(FILE *out, const char *member, const json_t *value)
{
	_cleanup_(kf_freep) char *json = json_dumps(value, JSON_ENCODE_ANY);
	const struct kf_screen screen = kf_screen_of(out);
	const char *shown = json_is_string(value) ? json_string_value(value) : json ? json : "";
	char name[KF_NAME_SIZE], text[1024];

	KF_CLEAN(name, member);
	KF_CLEAN(text, shown);
	kf_screen_wrap(&screen, text, fprintf(out, "%-20s ", name), INDENT);
	fputc('\n', out);
}

void kf_listing_members(FILE *out, const json_t *object)
{
	const char *member;
	json_t *value;

	json_object_foreach((json_t *)object, member, value) {
		member_line(out, member, value);
	}
}

void kf_listing_record(FILE *out, const json_t *record)
{
	const json_t *config = json_object_get(record, "config");
	const char *error = kf_json_text(json_object_get(record, "error"), "message");
	const struct kf_screen screen = kf_screen_of(out);
	struct kf_board board = { 0 };
	char said[1024];
	int at;

	if (kf_record_board(record, &board, NULL) < 0)
		return;
	at = kf_screen_cell(&screen, kf_board_label(&board), KEY_COLUMNS - 1);
	at = kf_screen_wrap(&screen, " ", at, INDENT);
	if (json_is_object(config))
		kf_text_format(said, sizeof(said), "%-14s 0x%08llx  %-7s %s",
			       kf_json_text(config, "mcu"), number(config, "start"),
			       kf_json_text(config, "comm"), kf_json_text(config, "path"));
	else if (board.excluded)
		kf_text_format(said, sizeof(said), "left alone: %s", board.reason);
	else
		KF_COPY(said, board.key[0] ? "not connected" : "not registered");
	if (*error) {
		at = kf_screen_coloured(&screen, KF_COLOUR_BAD, "failed", at, INDENT);
		kf_text_format(said, sizeof(said), ": %s", error);
	}
	kf_screen_wrap(&screen, said, at, INDENT);
	fputc('\n', out);
}
