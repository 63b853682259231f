/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <string.h>

#include "core/bytes.h"
#include "picoboot/command.h"

#define MAGIC 0x431fd10bu

struct kf_picoboot_command kf_picoboot_exclusive(void)
{
	return (struct kf_picoboot_command){ .id = KF_PICOBOOT_EXCLUSIVE,
					     .argument_bytes = 1,
					     .arguments = { 1 } };
}

struct kf_picoboot_command kf_picoboot_exit_xip(void)
{
	return (struct kf_picoboot_command){ .id = KF_PICOBOOT_EXIT_XIP };
}

struct kf_picoboot_command kf_picoboot_range(enum kf_picoboot_id id, uint32_t address,
					     uint32_t bytes)
{
	return (struct kf_picoboot_command){ .id = id,
					     .argument_bytes = 8,
					     .arguments = { address, bytes },
					     .transfer_bytes =
						     id == KF_PICOBOOT_ERASE ? 0 : bytes };
}

/* Address, stack and flags 0 are those of a plain reset. */
struct kf_picoboot_command kf_picoboot_reboot(bool rp2350, uint32_t delay_ms)
{
	if (rp2350)
		return (struct kf_picoboot_command){ .id = KF_PICOBOOT_REBOOT2,
						     .argument_bytes = 16,
						     .arguments = { 0, delay_ms } };
	return (struct kf_picoboot_command){ .id = KF_PICOBOOT_REBOOT,
					     .argument_bytes = 12,
					     .arguments = { 0, 0, delay_ms } };
}

void kf_picoboot_encode(const struct kf_picoboot_command *command, uint32_t token,
			uint8_t ret[KF_PICOBOOT_COMMAND_BYTES])
{
	memset(ret, 0, KF_PICOBOOT_COMMAND_BYTES);
	kf_put_le32(ret, MAGIC);
	kf_put_le32(ret + 4, token);
	ret[8] = (uint8_t)command->id;
	ret[9] = command->argument_bytes;
	kf_put_le32(ret + 12, command->transfer_bytes);
	for (size_t i = 0; i < KF_ARRAY_SIZE(command->arguments); i++)
		kf_put_le32(ret + 16 + 4 * i, command->arguments[i]);
}

int kf_picoboot_status_decode(const uint8_t *data, size_t len, struct kf_picoboot_status *ret)
{
	if (len != KF_PICOBOOT_STATUS_BYTES)
		return -EBADMSG;
	*ret = (struct kf_picoboot_status){ .token = kf_get_le32(data),
					    .code = kf_get_le32(data + 4),
					    .id = data[8],
					    .in_progress = data[9] != 0 };
	return 0;
}

const char *kf_picoboot_status_text(uint32_t code)
{
	static const char *const texts[] = {
		"no error",
		"unknown command",
		"invalid length of a command",
		"invalid length of a transfer",
		"invalid address",
		"bad alignment",
		"interleaved write",
		"it is rebooting",
		"unknown error",
		"invalid state",
		"not permitted",
		"invalid argument",
		"buffer too small",
		"precondition not met",
		"modified data",
		"invalid data",
		"not found",
		"unsupported modification",
	};

	return code < KF_ARRAY_SIZE(texts) ? texts[code] : "an unknown status";
}

const char *kf_picoboot_command_name(enum kf_picoboot_id id)
{
	switch (id) {
	case KF_PICOBOOT_EXCLUSIVE:
		return "EXCLUSIVE_ACCESS";
	case KF_PICOBOOT_REBOOT:
		return "REBOOT";
	case KF_PICOBOOT_ERASE:
		return "FLASH_ERASE";
	case KF_PICOBOOT_WRITE:
		return "WRITE";
	case KF_PICOBOOT_EXIT_XIP:
		return "EXIT_XIP";
	case KF_PICOBOOT_REBOOT2:
		return "REBOOT2";
	case KF_PICOBOOT_READ:
		return "READ";
	}
	return "an unknown command";
}
