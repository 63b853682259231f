/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>
#include <time.h>

#include "core/file.h"
#include "core/paths.h"
#include "core/text.h"
#include "registry/answers.h"
#include "registry/saved-config.h"

enum { FILE_MAX = 8192 };

static int answers_path(const char *key, char ret[PATH_MAX], struct kf_error *err)
{
	return kf_path(KF_DIR_CONFIG, ret, err, "configs/%s/answers.json", key);
}

static int saved_hash(const char *key, char ret[KF_HEX_SIZE], struct kf_error *err)
{
	char path[PATH_MAX];
	int r = kf_saved_config_path(key, path, err);

	return r < 0 ? r : kf_file_sha256(path, ret, err);
}

/* "": it is absent, too long or not clean: nobody of ours has written it. */
static void get(const json_t *object, const char *name, char *ret, size_t size)
{
	const char *text = json_string_value(json_object_get(object, name));

	ret[0] = '\0';
	if (text && !kf_text_clean(ret, size, text, strlen(text)))
		ret[0] = '\0';
}

void kf_answers_add(struct kf_answers *answers, const char *symbol, const char *value)
{
	struct kf_answer *new = &answers->list[answers->count];

	if (answers->count == KF_ANSWERS_MAX)
		return;
	kf_text_format(new->symbol, sizeof(new->symbol), "%s", symbol);
	kf_text_format(new->value, sizeof(new->value), "%s", value);
	answers->count++;
}

bool kf_answers_load(const char *key, struct kf_answers *ret)
{
	_cleanup_(kf_json_decrefp) json_t *object = NULL;
	_cleanup_(kf_freep) char *text = NULL;
	char path[PATH_MAX], now[KF_HEX_SIZE], then[KF_HEX_SIZE];
	struct kf_answers answers = { 0 };
	struct kf_answer one;
	json_t *answer;
	size_t len, i;

	if (answers_path(key, path, NULL) < 0 ||
	    kf_file_read(path, FILE_MAX, &text, &len, NULL) < 0)
		return false;
	object = json_loadb(text, len, 0, NULL);
	get(object, "config_sha256", then, sizeof(then));
	if (!then[0] || saved_hash(key, now, NULL) < 0 || strcmp(now, then) != 0)
		return false;
	json_array_foreach(json_object_get(object, "answers"), i, answer)
	{
		get(answer, "symbol", one.symbol, sizeof(one.symbol));
		get(answer, "value", one.value, sizeof(one.value));
		if (one.symbol[0] && one.value[0])
			kf_answers_add(&answers, one.symbol, one.value);
	}
	answers.time_s = json_integer_value(json_object_get(object, "time"));
	*ret = answers;
	return true;
}

int kf_answers_save(const char *key, const struct kf_answers *answers, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *object = NULL;
	_cleanup_(kf_freep) char *text = NULL;
	char path[PATH_MAX], sha256[KF_HEX_SIZE];
	json_t *list = json_array();
	int r = answers_path(key, path, err);

	for (size_t i = 0; i < answers->count; i++)
		json_array_append_new(list,
				      json_pack("{s:s, s:s}", "symbol", answers->list[i].symbol,
						"value", answers->list[i].value));
	object = json_pack("{s:I, s:o}", "time", (json_int_t)time(NULL), "answers", list);
	if (r == 0)
		r = saved_hash(key, sha256, err);
	if (r < 0)
		return r;
	json_object_set_new(object, "config_sha256", json_string(sha256));
	text = json_dumps(object, JSON_INDENT(2));
	if (!text)
		return kf_fail(err, KF_INTERNAL, "answers that cannot be written");
	return kf_file_write(path, text, strlen(text), err);
}
