/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Two devices of which one pattern covers the other's boards are refused when they are made. */
#include <string.h>
#include <strings.h>

#include "core/enrol.h"
#include "core/method.h"
#include "core/settings.h"
#include "core/text.h"
#include "klipper/loader.h"
#include "usb/identity.h"

static bool of_our_kind(const struct kf_board *board)
{
	return board->mode != KF_MODE_OTHER && board->mode != KF_MODE_NONE;
}

static bool meant(const struct kf_board *board, const char *pattern, const char *port)
{
	char by_id[KF_DEV_SIZE] = "";

	kf_board_by_id(board, by_id);
	return (!pattern || kf_pattern_match(pattern, by_id)) &&
	       (!port || strcmp(port, board->usb.port) == 0);
}

/* Another board that is there too and shows the same serial; with port: there. NULL: none. */
static const struct kf_board *find_twin(const struct kf_board *boards, size_t count,
					const struct kf_board *board, const char *port)
{
	for (size_t i = 0; i < count; i++)
		if (boards[i].connected && kf_board_has_serial(&boards[i]) &&
		    kf_board_has_serial(board) &&
		    strcasecmp(boards[i].usb.serial, board->usb.serial) == 0 &&
		    strcmp(boards[i].usb.port, board->usb.port) != 0 &&
		    (!port || strcmp(boards[i].usb.port, port) == 0))
			return &boards[i];
	return NULL;
}

/* Fits the device whose serial it shows, but that board is where it belongs: this is another. */
static void separate(const struct kf_registry *registry, const struct kf_board *boards,
		     size_t count, struct kf_board *board)
{
	struct kf_device device;

	if (!board->key[0] || kf_registry_device(registry, board->key, &device, NULL) < 0 ||
	    !device.usb_port || !find_twin(boards, count, board, device.usb_port))
		return;
	board->key[0] = board->name[0] = '\0';
	kf_identity_mcu(&board->usb, board->mcu);
}

/* The registry may have changed since the record was written. */
static void identify_anew(const struct kf_registry *registry, struct kf_board *boards, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		boards[i].key[0] = '\0';
		if (boards[i].connected && kf_registry_identify(registry, &boards[i], NULL) < 0)
			boards[i].excluded = true;
	}
	for (size_t i = 0; i < count; i++) {
		separate(registry, boards, count, &boards[i]);
		boards[i].by_port |= find_twin(boards, count, &boards[i], NULL) != NULL;
	}
}

size_t kf_enrol_candidates(const struct kf_registry *registry, struct kf_board *boards,
			   size_t count, const char *pattern, const char *port, bool any)
{
	size_t ours = 0, left = 0;

	identify_anew(registry, boards, count);
	for (size_t i = 0; i < count; i++) {
		struct kf_board *board = &boards[i];

		if (board->connected && !board->key[0] && !board->excluded &&
		    (of_our_kind(board) || (any && board->tty[0])) && meant(board, pattern, port)) {
			ours += of_our_kind(board);
			boards[left++] = *board;
		}
	}
	if (ours == 0 || ours == left)
		return left;
	for (size_t i = 0, at = 0; i < left; i++) {
		if (of_our_kind(&boards[i]))
			boards[at++] = boards[i];
	}
	return ours;
}

static bool taken(const struct kf_registry *registry, const char *key)
{
	struct kf_device device;

	return kf_registry_device(registry, key, &device, NULL) == 0;
}

void kf_enrol_key(const struct kf_registry *registry, const char *name, char ret[KF_KEY_SIZE])
{
	char base[KF_KEY_SIZE];

	if (!kf_key_from_name(name, base))
		kf_text_format(base, sizeof(base), "board");
	kf_text_format(ret, KF_KEY_SIZE, "%s", base);
	for (unsigned n = 2; taken(registry, ret); n++)
		kf_text_format(ret, KF_KEY_SIZE, "%.*s-%u", KF_KEY_SIZE - 12, base, n);
}

void kf_enrol_propose(const struct kf_registry *registry, const struct kf_board *board,
		      struct kf_enrolment *ret)
{
	struct kf_enrolment e = { .by_port = board->by_port || !kf_board_has_serial(board) };
	char by_id[KF_DEV_SIZE] = "";

	kf_mcu_short(board->mcu, e.mcu);
	kf_text_format(e.name, sizeof(e.name), "%s", e.mcu[0] ? e.mcu : board->usb.model);
	kf_enrol_key(registry, e.name, e.key);
	kf_text_format(e.usb_port, sizeof(e.usb_port), "%s", board->usb.port);
	/* A bootloader in ROM has names, but never those of the firmware that will run. */
	if (!kf_board_in_rom(board)) {
		kf_board_by_id(board, by_id);
		if (!kf_pattern_from_by_id(by_id, e.pattern))
			e.pattern[0] = '\0';
	}
	*ret = e;
}

const char *kf_enrol_method(const char *mcu)
{
	return mcu[0] && !kf_loader_beside_katapult(kf_loader_find(mcu, KF_LOADER_ANY))
		       ? kf_method_name(KF_METHOD_MAKE_FLASH)
		       : "";
}

bool kf_enrol_other_mcu(const char *pattern, const char *mcu, char named[64])
{
	struct kf_identity id = { .mode = KF_MODE_OTHER };

	if (!pattern || !mcu || !mcu[0] || !kf_identity_parse(pattern, &id) || !id.mcu[0] ||
	    !id.serial[0] || strpbrk(id.mcu, "*?[") || kf_mcu_same(mcu, id.mcu))
		return false;
	kf_mcu_short(id.mcu, named);
	return true;
}

int kf_enrol_check_mcu(const char *key, const char *pattern, const char *mcu, struct kf_error *err)
{
	struct kf_identity id = { .mode = KF_MODE_OTHER };
	char named[64];

	if (!kf_enrol_other_mcu(pattern, mcu, named))
		return 0;
	kf_fail(err, KF_MCU_MISMATCH, "%s says that its MCU is %s, not %s", pattern, named, mcu);
	kf_identity_parse(pattern, &id);
	if (key)
		kf_error_hint(
			err,
			"kf set %s mcu=%s; if its firmware says the wrong MCU over USB: kf set "
			"%s mcu=%s serial_pattern='usb-*_%s*'",
			key, named, key, mcu, id.serial);
	else
		kf_error_hint(err, "register it with --mcu=%s", named);
	return kf_code_errno(KF_MCU_MISMATCH);
}

/* Could a board fit both patterns? Each is tried on a name that the other one fits. */
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

/* Where one is known by its port alone, the other may not be there: in DFU they look alike. */
static bool clash_on_port(const struct kf_device *a, const struct kf_device *b)
{
	return (!a->pattern || !b->pattern) && same_port(a, b);
}

/* A port decides for it, and only where no other device has the board's serial. */
static bool yields(const struct kf_device *device)
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
	if ((kf_serial_unique(ia.serial) && yields(b)) ||
	    (kf_serial_unique(ib.serial) && yields(a)))
		return false;
	/* Boards that share a serial are told apart by their ports. */
	return !a->usb_port || !b->usb_port || same_port(a, b);
}

/* A serial that looks like one board's own is a second board's only if both were seen at once. */
static int check_twin(const struct kf_registry *registry, const struct kf_enrolment *e,
		      struct kf_error *err)
{
	struct kf_identity wanted = { .mode = KF_MODE_OTHER }, id = { .mode = KF_MODE_OTHER };
	struct kf_device other;

	kf_identity_parse(e->pattern, &wanted);
	if (e->by_port || !kf_serial_unique(wanted.serial))
		return 0;
	for (size_t i = 0; kf_registry_nth(registry, i, &other); i++) {
		if (!other.pattern)
			continue;
		kf_identity_parse(other.pattern, &id);
		if (strcasecmp(id.serial, wanted.serial) == 0)
			return kf_fail(err, KF_AMBIGUOUS, "%s would be the same board as %s (%s)",
				       e->key, other.key, other.pattern);
	}
	return 0;
}

int kf_enrol_check(const struct kf_registry *registry, const char *key, struct kf_error *err)
{
	struct kf_device device, other;
	int r = kf_registry_device(registry, key, &device, err);

	if (r < 0)
		return r;
	for (size_t i = 0; kf_registry_nth(registry, i, &other); i++) {
		if (strcmp(other.key, device.key) == 0)
			continue;
		if (clash_by_name(&device, &other))
			return kf_fail(err, KF_AMBIGUOUS, "%s would be the same board as %s (%s)",
				       key, other.key, other.pattern);
		if (clash_on_port(&device, &other)) {
			kf_fail(err, KF_AMBIGUOUS, "%s would be the same board as %s (USB port %s)",
				key, other.key, other.usb_port);
			kf_error_hint(err,
				      "if %s is plugged in elsewhere now: kf set %s usb_port=PORT",
				      other.key, other.key);
			return kf_code_errno(KF_AMBIGUOUS);
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

static int fill(json_t *device, const struct kf_enrolment *e, struct kf_error *err)
{
	int r = put(device, "name", e->name, err);

	if (r == 0)
		r = put(device, "mcu", e->mcu, err);
	if (r == 0 && e->pattern[0])
		r = put(device, "serial_pattern", e->pattern, err);
	if (r == 0)
		r = put(device, "flash_method", e->flash_method, err);
	if (r == 0)
		r = put(device, "flashable", "true", err);
	if (r == 0 && e->usb_port[0])
		r = put(device, "usb_port", e->usb_port, err);
	return r;
}

int kf_enrol_add(struct kf_registry *registry, const struct kf_enrolment *enrolment,
		 struct kf_error *err)
{
	json_t *devices = json_object_get(registry->root, "devices"), *device;
	int r;

	if (!kf_key_valid(enrolment->key))
		return kf_fail(err, KF_USAGE,
			       "\"%s\" is not a valid key: at most 64 of a-z, 0-9, - and _, the "
			       "first a letter or digit",
			       enrolment->key);
	if (taken(registry, enrolment->key)) {
		kf_fail(err, KF_CONFIG, "the key %s is registered already", enrolment->key);
		kf_error_hint(err, "choose another, or first: kf-config remove %s", enrolment->key);
		return kf_code_errno(KF_CONFIG);
	}
	if (!enrolment->pattern[0] && !enrolment->usb_port[0])
		return kf_fail(err, KF_USAGE,
			       "%s: neither a pattern nor a USB port to know the board by",
			       enrolment->key);
	r = check_twin(registry, enrolment, err);
	if (r < 0)
		return r;
	if (!json_is_object(devices)) {
		devices = json_object();
		json_object_set_new(registry->root, "devices", devices);
	}
	device = json_object();
	json_object_set_new(devices, enrolment->key, device);
	r = fill(device, enrolment, err);
	if (r == 0)
		r = kf_enrol_check(registry, enrolment->key, err);
	if (r < 0)
		json_object_del(devices, enrolment->key);
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

int kf_enrol_set(const char *key, char *const *assignments, struct kf_error *err)
{
	_cleanup_(kf_registry_close) struct kf_registry registry = { 0 };
	enum kf_scope scope = key ? KF_SCOPE_DEVICE : KF_SCOPE_GLOBAL;
	bool mcu = false;
	json_t *members;
	int r;

	r = kf_registry_open(&registry, err);
	if (r < 0)
		return r;
	members = key ? device_members(&registry, key, err) : kf_registry_globals(&registry);
	if (!members)
		return kf_code_errno(KF_NOT_REGISTERED);
	for (; r == 0 && *assignments; assignments++) {
		mcu = mcu || strncmp(*assignments, "mcu=", 4) == 0;
		r = kf_settings_assign(members, scope, *assignments, err);
	}
	if (r == 0 && key && mcu)
		r = kf_enrol_check_mcu(key, kf_settings_pattern(members),
				       json_string_value(json_object_get(members, "mcu")), err);
	if (r == 0 && key)
		r = kf_enrol_check(&registry, key, err);
	return r < 0 ? r : kf_registry_save(&registry, err);
}

int kf_enrol_remove(const char *key, struct kf_error *err)
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
