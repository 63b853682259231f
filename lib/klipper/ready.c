/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Before Klippy listens there is nothing to wait at, so it is asked again and again. */
#include <string.h>

#include "core/clock.h"
#include "core/error.h"
#include "core/text.h"
#include "klipper/api.h"
#include "klipper/ready.h"

enum { AGAIN_MS = 100, ANSWER_MS = 3000 };

/* The state, and what it says of that up to the first line's end. */
static bool take(const json_t *info, char ret[KF_NAME_SIZE])
{
	const char *state = json_string_value(json_object_get(info, "state"));
	const char *why = json_string_value(json_object_get(info, "state_message"));
	char text[2 * KF_NAME_SIZE];

	if (!state)
		return false;
	if (strcmp(state, "ready") == 0 || !why)
		why = "";
	kf_text_format(text, sizeof(text), "%.32s%s%.*s", state, *why ? ": " : "",
		       (int)strcspn(why, "\n"), why);
	kf_text_clean(ret, KF_NAME_SIZE, text, strlen(text));
	return true;
}

bool kf_klippy_ready(const struct kf_klippy *klippy, int64_t deadline_ms, char ret[KF_NAME_SIZE])
{
	bool told = false;
	int64_t now_ms;

	while (klippy->api[0]) {
		_cleanup_(kf_json_decrefp) json_t *info = NULL;

		now_ms = kf_now_ms();
		if (kf_api_ask(klippy->api, klippy->pid, "info", NULL, now_ms + ANSWER_MS, &info,
			       NULL) == 0)
			told = take(info, ret) || told;
		if (told && strncmp(ret, "startup", 7) != 0)
			return true;
		if (now_ms >= deadline_ms || kf_wait(NULL, 0, now_ms + AGAIN_MS) < 0)
			break;
	}
	return told && !kf_stop_signal();
}
