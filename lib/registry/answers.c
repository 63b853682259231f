/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <time.h>

#include "core/text.h"
#include "registry/answers.h"
#include "registry/config-note.h"

static const char name[] = "answers";

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
	_cleanup_(kf_json_decrefp) json_t *note = kf_config_note_load(key, name);
	struct kf_answers answers = { 0 };
	struct kf_answer one;
	json_t *answer;
	size_t i;

	if (!note)
		return false;
	json_array_foreach(json_object_get(note, "answers"), i, answer)
	{
		if (kf_config_note_text(answer, "symbol", one.symbol, sizeof(one.symbol)) &&
		    kf_config_note_text(answer, "value", one.value, sizeof(one.value)))
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
	return kf_config_note_save(
		key, name, json_pack("{s:I, s:o}", "time", (json_int_t)time(NULL), "answers", list),
		err);
}
