/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A device is refused if its pattern fits the board of another device. */
#include <string.h>
#include <strings.h>

#include "board/identity.h"
#include "board/port.h"
#include "core/text.h"
#include "registry/device.h"
#include "registry/method.h"
#include "registry/settings.h"

bool kf_device_other_mcu(const char *pattern, const char *mcu, char named[64])
{
	struct kf_identity id = { .mode = KF_MODE_OTHER };

	if (!pattern || !mcu || !mcu[0] || !kf_identity_parse(pattern, &id) || !id.mcu[0] ||
	    !id.serial[0] || strpbrk(id.mcu, "*?[") || kf_mcu_same(mcu, id.mcu))
		return false;
	kf_mcu_short(id.mcu, named);
	return true;
}

int kf_device_check_mcu(const char *key, const char *pattern, const char *mcu, struct kf_error *err)
{
	struct kf_identity id = { .mode = KF_MODE_OTHER };
	char named[64];

	if (!kf_device_other_mcu(pattern, mcu, named))
		return 0;
	kf_fail(err, KF_MCU_MISMATCH, "%s says that its MCU is %s, not %s", pattern, named, mcu);
	kf_identity_parse(pattern, &id);
	if (key)
		return kf_error_hint(
			err,
			"kf set %s mcu=%s; if its firmware says the wrong MCU over USB: kf set "
			"%s mcu=%s serial_pattern='usb-*_%s*'",
			key, named, key, mcu, id.serial);
	return kf_error_hint(err, "register it with --mcu=%s", named);
}

/* Can a board fit both patterns? Each is compared with a name that fits the other. */
static bool overlap(const char *a, const char *b)
{
	char plain_a[KF_DEV_SIZE], plain_b[KF_DEV_SIZE];
	struct kf_identity ia = { .mode = KF_MODE_OTHER }, ib = { .mode = KF_MODE_OTHER };

	kf_identity_parse(a, &ia);
	kf_identity_parse(b, &ib);
	if (kf_serial_unique(ia.serial) && strcasecmp(ia.serial, ib.serial) == 0)
		return true;
	kf_text_format(plain_a, sizeof(plain_a), "%.*s", (int)strcspn(a, "*"), a);
	kf_text_format(plain_b, sizeof(plain_b), "%.*s", (int)strcspn(b, "*"), b);
	return kf_pattern_match(a, plain_b) || kf_pattern_match(b, plain_a);
}

static bool same_port(const struct kf_device *a, const struct kf_device *b)
{
	return a->usb_port && b->usb_port && strcmp(a->usb_port, b->usb_port) == 0;
}

/* A device that is known by its port must be the only one there: in DFU all look alike. */
static bool clash_on_port(const struct kf_device *a, const struct kf_device *b)
{
	return (!a->pattern || !b->pattern) && same_port(a, b);
}

/* The UUID on CAN that is registered, or that its chip has by the serial number in its pattern. */
static bool uuid_of(const struct kf_device *device, char ret[KF_CAN_UUID_SIZE])
{
	struct kf_identity id = { .mode = KF_MODE_OTHER };

	if (device->canbus_uuid)
		return kf_uuid_read(device->canbus_uuid, ret);
	if (device->pattern)
		kf_identity_parse(device->pattern, &id);
	return kf_serial_unique(id.serial) && kf_can_uuid_from_serial(id.serial, ret);
}

/* Do both mean one node on CAN, by UUID or serial number, or one UART? */
static bool clash_on_wire(const struct kf_device *a, const struct kf_device *b)
{
	char ua[KF_CAN_UUID_SIZE], ub[KF_CAN_UUID_SIZE];

	if (a->serial && b->serial && strcmp(a->serial, b->serial) == 0)
		return true;
	return (a->canbus_uuid || b->canbus_uuid) && uuid_of(a, ua) && uuid_of(b, ub) &&
	       strcmp(ua, ub) == 0;
}

static const char *clash_name(const struct kf_device *a, const struct kf_device *b)
{
	if (a->serial && b->serial && strcmp(a->serial, b->serial) == 0)
		return a->serial;
	return a->canbus_uuid ? a->canbus_uuid : b->canbus_uuid;
}

/* Is the device known by its port, and only if no other device has the board's serial number? */
static bool known_by_port(const struct kf_device *device)
{
	return device->usb_port && !kf_pattern_has_serial(device->pattern);
}

static bool clash_by_name(const struct kf_device *a, const struct kf_device *b)
{
	struct kf_identity ia = { .mode = KF_MODE_OTHER }, ib = { .mode = KF_MODE_OTHER };

	if (!a->pattern || !b->pattern || !overlap(a->pattern, b->pattern))
		return false;
	kf_identity_parse(a->pattern, &ia);
	kf_identity_parse(b->pattern, &ib);
	if ((kf_serial_unique(ia.serial) && known_by_port(b)) ||
	    (kf_serial_unique(ib.serial) && known_by_port(a)))
		return false;
	/* Boards that share a serial are told apart by their ports. */
	return !a->usb_port || !b->usb_port || same_port(a, b);
}

/* Refuse a unique serial number that another device has, unless both boards were connected at once
 * (by_port). */
static int check_serial(const struct kf_registry *registry, const struct kf_new_device *e,
			struct kf_error *err)
{
	struct kf_identity wanted = { .mode = KF_MODE_OTHER }, id = { .mode = KF_MODE_OTHER };
	struct kf_device other;

	kf_identity_parse(e->pattern, &wanted);
	if (e->by_port || !kf_serial_unique(wanted.serial))
		return 0;
	for (void *at = NULL; kf_registry_next(registry, &at, &other);) {
		if (!other.pattern)
			continue;
		kf_identity_parse(other.pattern, &id);
		if (strcasecmp(id.serial, wanted.serial) == 0)
			return kf_fail(err, KF_AMBIGUOUS, "%s and %s would be the same board (%s)",
				       e->key, other.key, other.pattern);
	}
	return 0;
}

int kf_device_check_unique(const struct kf_registry *registry, const char *key,
			   struct kf_error *err)
{
	struct kf_device device, other;
	int r = kf_registry_device(registry, key, &device, err);

	if (r < 0)
		return r;
	for (void *at = NULL; kf_registry_next(registry, &at, &other);) {
		if (strcmp(other.key, device.key) == 0)
			continue;
		if (clash_by_name(&device, &other))
			return kf_fail(err, KF_AMBIGUOUS, "%s and %s would be the same board (%s)",
				       key, other.key, other.pattern);
		if (clash_on_wire(&device, &other))
			return kf_fail(err, KF_AMBIGUOUS, "%s and %s would be the same board (%s)",
				       key, other.key, clash_name(&device, &other));
		if (clash_on_port(&device, &other)) {
			kf_fail(err, KF_AMBIGUOUS,
				"%s and %s would be the same board (USB port %s)", key, other.key,
				other.usb_port);
			return kf_error_hint(
				err, "if %s is plugged in elsewhere now: kf set %s usb_port=PORT",
				other.key, other.key);
		}
	}
	return 0;
}

static int put(json_t *device, const char *member, const char *value, struct kf_error *err)
{
	char assignment[KF_DEV_SIZE + 32];

	kf_text_format(assignment, sizeof(assignment), "%s=%s", member, value);
	return kf_settings_assign(device, KF_SCOPE_DEVICE, assignment, err);
}

static int fill(json_t *device, const struct kf_new_device *e, struct kf_error *err)
{
	char baud[16] = "";
	const struct {
		const char *member, *value;
	} places[] = {
		{ "usb_port", e->port.usb_port },
		{ "canbus_uuid", e->port.uuid },
		{ "canbus_interface", e->port.interface },
		{ "serial", e->port.path },
		{ "baud", baud },
	};
	int r = put(device, "name", e->name, err);

	if (e->baud)
		kf_text_format(baud, sizeof(baud), "%u", e->baud);
	if (r == 0)
		r = put(device, "mcu", e->mcu, err);
	if (r == 0 && e->pattern[0])
		r = put(device, "serial_pattern", e->pattern, err);
	if (r == 0)
		r = put(device, "flash_method", e->flash_method, err);
	if (r == 0)
		r = put(device, "flashable", "true", err);
	for (size_t i = 0; r == 0 && i < KF_ARRAY_SIZE(places); i++)
		if (places[i].value[0])
			r = put(device, places[i].member, places[i].value, err);
	return r;
}

/* A board that has none of these would never be found. */
static int check_place(const char *key, const json_t *device, struct kf_error *err)
{
	static const char *const ports[] = { "usb_port", "canbus_uuid", "serial" };
	bool any = kf_settings_pattern(device);

	for (size_t i = 0; i < KF_ARRAY_SIZE(ports); i++)
		any = any || kf_json_text(device, ports[i])[0];
	return any ? 0 : kf_fail(err, KF_USAGE, "%s: a board needs a pattern or a port", key);
}

int kf_device_check_key(const struct kf_registry *registry, const char *key, struct kf_error *err)
{
	if (!kf_key_valid(key))
		return kf_fail(err, KF_USAGE,
			       "\"%s\" is not a valid key: at most 64 of a-z, 0-9, - and _, the "
			       "first a letter or digit",
			       key);
	if (!kf_registry_has(registry, key))
		return 0;
	kf_fail(err, KF_CONFIG, "the key %s is registered already", key);
	return kf_error_hint(err, "choose another, or first: kf remove %s", key);
}

int kf_device_add(struct kf_registry *registry, const struct kf_new_device *new,
		  struct kf_error *err)
{
	json_t *devices, *device;
	int r;

	r = kf_device_check_key(registry, new->key, err);
	if (r < 0)
		return r;
	r = check_serial(registry, new, err);
	if (r < 0)
		return r;
	devices = kf_registry_section(registry, "devices");
	device = json_object();
	json_object_set_new(devices, new->key, device);
	r = fill(device, new, err);
	if (r == 0)
		r = check_place(new->key, device, err);
	if (r == 0)
		r = kf_method_check_mcu(new->flash_method, new->mcu, err);
	if (r == 0)
		r = kf_device_check_unique(registry, new->key, err);
	if (r < 0)
		json_object_del(devices, new->key);
	return r;
}

static json_t *device_members(const struct kf_registry *registry, const char *key,
			      struct kf_error *err)
{
	struct kf_device device;

	if (kf_registry_device(registry, key, &device, err) < 0)
		return NULL;
	return json_object_get(json_object_get(registry->root, "devices"), key);
}

/* Does the assignment set a value? "member=" takes the value away. */
static bool sets(const char *assignment, const char *member)
{
	size_t len = strlen(member);

	return strncmp(assignment, member, len) == 0 && assignment[len] == '=' &&
	       assignment[len + 1];
}

/* The reason why a board of these members has no baud rate, as a part of a sentence; NULL: it has.
 */
static const char *no_rate(const json_t *members)
{
	const char *serial = kf_json_text(members, "serial"),
		   *pattern = kf_settings_pattern(members);
	struct kf_identity id = { .mode = KF_MODE_OTHER };

	if (kf_json_text(members, "canbus_uuid")[0])
		return "it is a node on CAN";
	if (serial[0])
		return kf_path_is_process(serial) ? "it is a process of this machine" : NULL;
	return pattern && kf_identity_parse(pattern, &id) ? "it is on its own USB" : NULL;
}

/*
 * After all assignments: is what this one sets of use to a board that has these members?
 * kf_method_find has said that a flash method is one.
 */
static int check_use(const char *assignment, const json_t *members, struct kf_error *err)
{
	static const char *const of_avr[] = { "programmer", "programmer_part", "programmer_baud" };
	const char *mcu = kf_json_text(members, "mcu"),
		   *method = kf_json_text(members, "flash_method");
	bool katapult_rate = sets(assignment, "katapult_baud");

	if (mcu[0] && method[0] && (sets(assignment, "flash_method") || sets(assignment, "mcu")))
		return kf_method_check_mcu(method, mcu, err);
	for (size_t i = 0; mcu[0] && i < KF_ARRAY_SIZE(of_avr); i++)
		if (sets(assignment, of_avr[i]) && !kf_method_suits(KF_METHOD_AVRDUDE, mcu))
			return kf_fail(err, KF_USAGE,
				       "%s is for avrdude, which writes AVR alone: this is a %s",
				       of_avr[i], mcu);
	if (katapult_rate && mcu[0] && !kf_method_suits(KF_METHOD_KATAPULT, mcu))
		return kf_fail(err, KF_USAGE, "katapult_baud is a Katapult's, and a %s has none",
			       mcu);
	if ((katapult_rate || sets(assignment, "baud")) && no_rate(members))
		return kf_fail(err, KF_USAGE, "%s is for a board on a UART: %s",
			       katapult_rate ? "katapult_baud" : "baud", no_rate(members));
	return 0;
}

int kf_device_set(const char *key, char *const *assignments, struct kf_error *err)
{
	_cleanup_(kf_registry_close) struct kf_registry registry = { 0 };
	enum kf_scope scope = key ? KF_SCOPE_DEVICE : KF_SCOPE_GLOBAL;
	bool mcu = false, placed;
	json_t *members;
	size_t i;
	int r;

	r = kf_registry_open(&registry, err);
	if (r < 0)
		return r;
	members = key ? device_members(&registry, key, err)
		      : kf_registry_section(&registry, "global");
	if (!members)
		return kf_code_errno(KF_NOT_REGISTERED);
	placed = key && check_place(key, members, NULL) == 0;
	for (i = 0; r == 0 && assignments[i]; i++) {
		mcu = mcu || strncmp(assignments[i], "mcu=", 4) == 0;
		r = kf_settings_assign(members, scope, assignments[i], err);
	}
	if (r == 0 && placed)
		r = check_place(key, members, err);
	for (i = 0; r == 0 && key && assignments[i]; i++)
		r = check_use(assignments[i], members, err);
	if (r == 0 && key && mcu)
		r = kf_device_check_mcu(key, kf_settings_pattern(members),
					json_string_value(json_object_get(members, "mcu")), err);
	if (r == 0 && key)
		r = kf_device_check_unique(&registry, key, err);
	return r < 0 ? r : kf_registry_save(&registry, err);
}

int kf_device_remove(const char *key, struct kf_error *err)
{
	_cleanup_(kf_registry_close) struct kf_registry registry = { 0 };
	int r;

	r = kf_registry_open(&registry, err);
	if (r < 0)
		return r;
	if (!device_members(&registry, key, err))
		return kf_code_errno(KF_NOT_REGISTERED);
	json_object_del(json_object_get(registry.root, "devices"), key);
	return kf_registry_save(&registry, err);
}
