/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A USB port has one device at a time: the device there now replaced the board. */
#include <string.h>
#include <strings.h>

#include "board/identity.h"
#include "board/last-flash.h"
#include "core/text.h"
#include "usb/devices.h"
#include "usb/occupant.h"

bool kf_occupant_find(const char *port, struct kf_board *ret)
{
	_cleanup_(kf_boards_free) struct kf_boards now = { 0 };
	const struct kf_board *found = NULL;

	if (kf_usb_scan(&now, NULL) < 0)
		return false;
	for (size_t i = 0; i < now.count; i++)
		if (strcmp(now.list[i].usb.port, port) == 0 &&
		    (!found || found->mode == KF_MODE_OTHER))
			found = &now.list[i];
	if (!found)
		return kf_usb_device(port, ret);
	*ret = *found;
	return true;
}

static bool is_firmware(const struct kf_board *now)
{
	return now->mode == KF_MODE_KLIPPER || now->mode == KF_MODE_KATAPULT;
}

bool kf_occupant_stays(const struct kf_board *now)
{
	return is_firmware(now) || kf_identity_bridge(&now->usb);
}

static void describe_device(const struct kf_board *now, char *ret, size_t size)
{
	const struct kf_usb *usb = &now->usb;
	char maker[41], model[41];

	KF_CLEAN(maker, usb->manufacturer);
	KF_CLEAN(model, usb->model);
	if (kf_identity_bridge(usb))
		kf_text_format(ret, size, "a USB-to-CAN bridge (%s:%s%s%s)", usb->vendor,
			       usb->product, now->mcu[0] ? ", " : "", now->mcu);
	else if (is_firmware(now))
		kf_text_format(ret, size, "%s%s%s%s",
			       now->mode == KF_MODE_KLIPPER ? "Klipper" : "Katapult",
			       now->mcu[0] ? " (" : "", now->mcu, now->mcu[0] ? ")" : "");
	else
		kf_text_format(ret, size, "%s (%s:%s %s %s)",
			       kf_board_in_loader(now) ? "a bootloader" : "another device",
			       usb->vendor, usb->product, maker, model);
}

static bool same_serial(const struct kf_board *was, const struct kf_board *now)
{
	return kf_serial_unique(now->usb.serial) &&
	       strcasecmp(was->usb.serial, now->usb.serial) == 0;
}

void kf_occupant_describe(const struct kf_board *was, const struct kf_board *now, char *ret,
			  size_t size)
{
	char what[KF_NAME_SIZE + 64], serial[65], before[65];

	describe_device(now, what, sizeof(what));
	KF_CLEAN(serial, now->usb.serial);
	KF_CLEAN(before, was->usb.serial);
	if (now->key[0])
		kf_text_format(ret, size, "there is now %s", now->key);
	else if (!kf_occupant_stays(now))
		kf_text_format(ret, size, "there is now %s", what);
	else if (same_serial(was, now))
		kf_text_format(ret, size,
			       "there is now %s with its serial number, %s: the same chip", what,
			       serial);
	else
		kf_text_format(ret, size, "there is now %s %s%s%s%s", what,
			       serial[0] ? "with serial number " : "without serial number", serial,
			       before[0] ? ", not " : "", before);
}

/*
 * The board's name or pattern up to its serial number, if the other name fits that; else any name.
 * A board whose firmware and Katapult show two serial numbers is known by its port.
 */
static void without_serial(const struct kf_board *was, const char *now, char ret[KF_DEV_SIZE])
{
	const char *name = basename(was->by_id);
	const char *serial = was->usb.serial[0] ? strcasestr(name, was->usb.serial) : NULL;

	if (!serial || !kf_text_format(ret, KF_DEV_SIZE, "%.*s*", (int)(serial - name), name) ||
	    !kf_pattern_match(ret, now))
		kf_text_format(ret, KF_DEV_SIZE, "usb-*");
}

void kf_occupant_remedy(const struct kf_board *was, const struct kf_board *now, char *ret,
			size_t size)
{
	bool same = same_serial(was, now);
	char pattern[KF_DEV_SIZE], by_id[KF_DEV_SIZE] = "";

	ret[0] = '\0';
	if (!was->key[0] || now->key[0] || !is_firmware(now) ||
	    (!same && was->mcu[0] && now->mcu[0] && !kf_mcu_same(was->mcu, now->mcu)))
		return;
	/* same: it is the same serial number in another name. A pattern of that name is enough. */
	kf_board_by_id(now, by_id);
	if (!same)
		without_serial(was, by_id, pattern);
	else if (!kf_pattern_from_by_id(by_id, pattern))
		return;
	if (!strpbrk(pattern, "'\\"))
		kf_text_format(ret, size,
			       "if it is the same board: kf set %s serial_pattern='%s'%s%s && "
			       "kf flash %s",
			       was->key, pattern,
			       same ? "" : " usb_port=", same ? "" : now->usb.port, was->key);
}

static void hint_for(const struct kf_board *was, const struct kf_board *now,
		     char ret[KF_REASON_SIZE])
{
	char remedy[KF_REASON_SIZE];

	kf_occupant_remedy(was, now, remedy, sizeof(remedy));
	ret[0] = '\0';
	if (now->key[0])
		return;
	if (now->mode == KF_MODE_KATAPULT)
		kf_text_format(ret, KF_REASON_SIZE, "%s%spower-cycle it to start its firmware",
			       remedy, remedy[0] ? "; else " : "");
	else
		kf_text_format(ret, KF_REASON_SIZE, "%s", remedy);
}

/* Data of a registered board that is not connected; its pattern is used as its name. */
static struct kf_board remembered(const struct kf_device *device)
{
	struct kf_identity id = { .mode = KF_MODE_OTHER };
	struct kf_board was = { 0 };
	struct kf_last_flash last;

	kf_last_flash_load(device->key, &last);
	KF_COPY(was.key, device->key);
	KF_COPY(was.mcu, device->mcu ? device->mcu : "");
	KF_COPY(was.by_id, device->pattern ? device->pattern : "");
	KF_COPY(was.usb.port, last.port[0] ? last.port : device->usb_port ? device->usb_port : "");
	kf_identity_parse(was.by_id, &id);
	KF_COPY(was.usb.serial, id.serial[0] ? id.serial : last.serial);
	return was;
}

bool kf_occupant_instead(const struct kf_registry *registry, const struct kf_device *device,
			 char ret_told[KF_REASON_SIZE], char ret_hint[KF_REASON_SIZE])
{
	struct kf_board was = remembered(device), now;
	char told[KF_REASON_SIZE];

	if (!was.usb.port[0] || !kf_occupant_find(was.usb.port, &now))
		return false;
	if (kf_registry_identify(registry, &now, NULL) < 0)
		now.key[0] = '\0';
	if (strcmp(now.key, device->key) == 0)
		return false;
	kf_occupant_describe(&was, &now, told, sizeof(told));
	kf_text_format(ret_told, KF_REASON_SIZE, "on USB port %s, where it was, %s", was.usb.port,
		       told);
	hint_for(&was, &now, ret_hint);
	return true;
}
