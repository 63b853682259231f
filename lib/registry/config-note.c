/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>
#include <time.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/paths.h"
#include "core/text.h"
#include "registry/config-note.h"
#include "registry/saved-config.h"

enum { NOTE_MAX = 8192 };

static int note_path(const char *key, const char *name, char ret[PATH_MAX], struct kf_error *err)
{
	return kf_path(KF_DIR_CONFIG, ret, err, "configs/%s/%s.json", key, name);
}

static int saved_hash(const char *key, char ret[KF_HEX_SIZE], struct kf_error *err)
{
	char path[PATH_MAX];
	int r = kf_saved_config_path(key, path, err);

	return r < 0 ? r : kf_file_sha256(path, ret, err);
}

/* Copy a member. False: it is absent, empty, too long or not clean: we did not write it. */
static bool get_text(const json_t *note, const char *member, char *ret, size_t size)
{
	const char *text = json_string_value(json_object_get(note, member));

	return text && *text && kf_text_clean(ret, size, text, strlen(text));
}

/* The note of the configuration that is saved now; the caller frees it. NULL: there is none. */
static json_t *load(const char *key, const char *name)
{
	_cleanup_(kf_json_decrefp) json_t *note = NULL;
	_cleanup_(kf_freep) char *text = NULL;
	char path[PATH_MAX], now[KF_HEX_SIZE], then[KF_HEX_SIZE];
	size_t len;

	if (note_path(key, name, path, NULL) < 0 ||
	    kf_file_read(path, NOTE_MAX, &text, &len, NULL) < 0)
		return NULL;
	note = json_loadb(text, len, 0, NULL);
	if (!get_text(note, "config_sha256", then, sizeof(then)) ||
	    saved_hash(key, now, NULL) < 0 || strcmp(now, then) != 0)
		return NULL;
	return TAKE_PTR(note);
}

/* Write the note (taken over, also on failure), with the SHA-256 of what is saved now. */
static int save(const char *key, const char *name, json_t *note, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *owned = note;
	_cleanup_(kf_freep) char *text = NULL;
	char path[PATH_MAX], sha256[KF_HEX_SIZE];
	int r = note_path(key, name, path, err);

	if (r == 0)
		r = saved_hash(key, sha256, err);
	if (r < 0)
		return r;
	json_object_set_new(owned, "config_sha256", json_string(sha256));
	text = json_dumps(owned, JSON_INDENT(2));
	if (!text)
		return kf_fail(err, KF_INTERNAL, "a %s that cannot be written", name);
	return kf_file_write(path, text, strlen(text), err);
}

bool kf_proof_load(const char *key, struct kf_proof *ret)
{
	_cleanup_(kf_json_decrefp) json_t *note = load(key, "proof");
	struct kf_proof proof;

#define GET(member) get_text(note, #member, proof.member, sizeof(proof.member))
	if (!GET(config_sha256) || !GET(image_sha256) || !GET(version) || !GET(time))
		return false;
#undef GET
	proof.stamped = json_is_true(json_object_get(note, "stamps_differ"));
	*ret = proof;
	return true;
}

int kf_proof_save(const char *key, const char *version, const char *image_sha256, bool stamped,
		  struct kf_error *err)
{
	char at[KF_UTC_SIZE];

	kf_now_utc(at);
	return save(key, "proof",
		    json_pack("{s:s, s:s, s:s, s:b}", "image_sha256", image_sha256, "version",
			      version, "time", at, "stamps_differ", stamped),
		    err);
}

bool kf_choice_noted(const char *key, const char *board_sha256)
{
	_cleanup_(kf_json_decrefp) json_t *note = load(key, "choice");
	char then[KF_HEX_SIZE];

	return get_text(note, "board_sha256", then, sizeof(then)) &&
	       strcmp(then, board_sha256) == 0;
}

int kf_choice_save(const char *key, const char *board_sha256, struct kf_error *err)
{
	return save(key, "choice", json_pack("{s:s}", "board_sha256", board_sha256), err);
}

void kf_answers_add(struct kf_answers *answers, const char *symbol, const char *value)
{
	struct kf_answer *new = &answers->list[answers->count];

	if (answers->count == KF_ANSWERS_MAX)
		return;
	KF_COPY(new->symbol, symbol);
	KF_COPY(new->value, value);
	answers->count++;
}

bool kf_answers_load(const char *key, struct kf_answers *ret)
{
	_cleanup_(kf_json_decrefp) json_t *note = load(key, "answers");
	struct kf_answers answers = { 0 };
	struct kf_answer one;
	json_t *answer;
	size_t i;

	if (!note)
		return false;
	json_array_foreach(json_object_get(note, "answers"), i, answer) {
		if (get_text(answer, "symbol", one.symbol, sizeof(one.symbol)) &&
		    get_text(answer, "value", one.value, sizeof(one.value)))
			kf_answers_add(&answers, one.symbol, one.value);
	}
	answers.time_s = json_integer_value(json_object_get(note, "time"));
	*ret = answers;
	return true;
}

int kf_answers_save(const char *key, const struct kf_answers *answers, struct kf_error *err)
{
	json_t *list = json_array();

	for (size_t i = 0; i < answers->count; i++)
		json_array_append_new(list,
				      json_pack("{s:s, s:s}", "symbol", answers->list[i].symbol,
						"value", answers->list[i].value));
	return save(key, "answers",
		    json_pack("{s:I, s:o}", "time", (json_int_t)time(NULL), "answers", list), err);
}
