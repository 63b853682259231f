/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Messages are taken apart with sd-bus; their text comes out clean. */
#include <string.h>

#include "core/text.h"
#include "systemd/message.h"

int kf_message_variant(sd_bus_message *m, char *ret, size_t size)
{
	const char *type, *text = "";
	uint32_t number;
	int r, flag;

	ret[0] = '\0';
	r = sd_bus_message_peek_type(m, NULL, &type);
	if (r < 0)
		return r;
	if (strcmp(type, "s") == 0) {
		r = sd_bus_message_read(m, "v", "s", &text);
	} else if (strcmp(type, "b") == 0) {
		r = sd_bus_message_read(m, "v", "b", &flag);
		text = r >= 0 && flag ? "yes" : "no";
	} else if (strcmp(type, "(uo)") == 0) {
		r = sd_bus_message_read(m, "v", "(uo)", NULL, &text);
	} else if (strcmp(type, "u") == 0) {
		r = sd_bus_message_read(m, "v", "u", &number);
		if (r >= 0)
			kf_text_format(ret, size, "%u", number);
		return r;
	} else {
		return sd_bus_message_skip(m, "v");
	}
	if (r >= 0)
		kf_text_format(ret, size, "%s", text);
	return r;
}

/* A property that is a list of strings: one value after the other. */
static int take_list(sd_bus_message *m, const char *name, struct kf_unit_state *state)
{
	const char *item;
	int r;

	r = sd_bus_message_enter_container(m, 'v', "as");
	if (r >= 0)
		r = sd_bus_message_enter_container(m, 'a', "s");
	while (r >= 0 && (r = sd_bus_message_read(m, "s", &item)) > 0)
		kf_unit_state_set(state, name, item);
	if (r >= 0)
		r = sd_bus_message_exit_container(m);
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

/* One property, name and value. */
static int take_property(sd_bus_message *m, struct kf_unit_state *state, char job[KF_NAME_SIZE])
{
	char value[512];
	const char *name, *type;
	int r;

	r = sd_bus_message_read(m, "s", &name);
	if (r >= 0)
		r = sd_bus_message_peek_type(m, NULL, &type);
	if (r >= 0 && strcmp(type, "as") == 0)
		return take_list(m, name, state);
	if (r >= 0)
		r = kf_message_variant(m, value, sizeof(value));
	if (r < 0)
		return r;
	kf_unit_state_set(state, name, value);
	if (strcmp(name, "Job") == 0)
		kf_text_format(job, KF_NAME_SIZE, "%s", value);
	return r;
}

int kf_message_state(sd_bus_message *m, struct kf_unit_state *ret, char job[KF_NAME_SIZE],
		     struct kf_error *err)
{
	struct kf_unit_state state = { 0 };
	int r;

	strcpy(job, "/");
	r = sd_bus_message_enter_container(m, 'a', "{sv}");
	while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
		r = take_property(m, &state, job);
		if (r < 0)
			break;
		r = sd_bus_message_exit_container(m);
	}
	if (r < 0)
		return kf_fail(err, KF_SERVICE, "systemd's answer to GetAll cannot be read");
	*ret = state;
	return 0;
}

int kf_message_fail(sd_bus_message *reply, struct kf_error *err)
{
	const sd_bus_error *e = sd_bus_message_get_error(reply);
	const char *said = e->message ? e->message : e->name;
	char text[256];

	kf_text_clean(text, sizeof(text), said, strlen(said));
	if (text[0] && text[strlen(text) - 1] == '.') /* it goes into a sentence of ours */
		text[strlen(text) - 1] = '\0';
	if (sd_bus_error_has_names(e, SD_BUS_ERROR_ACCESS_DENIED,
				   SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED))
		return kf_fail(err, KF_PERMISSION, "polkit says: %s", text);
	return kf_fail(err, KF_SERVICE, "systemd says: %s", text);
}

bool kf_message_passing(sd_bus_message *reply)
{
	static const char spawn[] = "org.freedesktop.DBus.Error.Spawn.", system[] = "System.Error.";
	const sd_bus_error *e = sd_bus_message_get_error(reply);

	return sd_bus_error_has_names(e, SD_BUS_ERROR_NO_REPLY, SD_BUS_ERROR_TIMEOUT,
				      SD_BUS_ERROR_SERVICE_UNKNOWN, SD_BUS_ERROR_NAME_HAS_NO_OWNER,
				      SD_BUS_ERROR_DISCONNECTED, SD_BUS_ERROR_NO_SERVER) ||
	       strncmp(e->name, system, sizeof(system) - 1) == 0 ||
	       strncmp(e->name, spawn, sizeof(spawn) - 1) == 0;
}
