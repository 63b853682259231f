/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The UUID of a CAN node against what the genuine hash gives for the same chip ids. */
#include "board/can-uuid.h"
#include "unit/test.h"

static void hashes(const char *serial, const char *uuid)
{
	char got[KF_CAN_UUID_SIZE] = "";

	CHECK(kf_can_uuid_from_serial(serial, got));
	CHECK_STR(got, uuid);
}

TEST(a_chip_s_serial_gives_its_uuid)
{
	/* An STM32's 12 bytes, an RP2040's 8, and lengths that leave a rest. */
	hashes("39001B000C51313339373836", "44db3d634885");
	hashes("39001b000c51313339373836", "44db3d634885");
	hashes("39", "259485eb8a8e");
	hashes("395673", "8a267d5fd433");
	hashes("39567390ADCAE7", "26d0ac2824e8");
	hashes("39567390ADCAE704", "87f4df104f5f");
	hashes("39567390ADCAE70421", "729b39bbb728");
	hashes("39567390ADCAE704213E5B7895B2CF", "c6b6850619c8");
	hashes("39567390ADCAE704213E5B7895B2CFEC", "b7ab9ed2db1c");
}

TEST(what_is_no_chip_id_gives_none)
{
	static const char *const serials[] = {
		"", "3", "390", "Printer", "39001B000C5131333937383G", "0x39001B", "39 00"
	};
	char uuid[KF_CAN_UUID_SIZE] = "before", text[2 * 65 + 1];

	for (size_t i = 0; i < KF_ARRAY_SIZE(serials); i++)
		CHECK(!kf_can_uuid_from_serial(serials[i], uuid));
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	CHECK(!kf_can_uuid_from_serial(text, uuid));
	CHECK_STR(uuid, "before");
}

TEST(a_uuid_is_read_and_written)
{
	static const uint8_t want[KF_CAN_UUID_BYTES] = { 0x44, 0xdb, 0x3d, 0x63, 0x48, 0x85 };
	static const char *const wrong[] = {
		"", "44db3d63488", "44db3d6348850", "44db3d63488g", "0x44db3d6348", "44db3d634885ff"
	};
	uint8_t uuid[KF_CAN_UUID_BYTES] = { 0 };
	char text[KF_CAN_UUID_SIZE];

	CHECK(kf_can_uuid_parse("44DB3d634885", uuid) && memcmp(uuid, want, sizeof(want)) == 0);
	kf_can_uuid_format(uuid, text);
	CHECK_STR(text, "44db3d634885");
	for (size_t i = 0; i < KF_ARRAY_SIZE(wrong); i++)
		CHECK(!kf_can_uuid_parse(wrong[i], uuid));
	CHECK(memcmp(uuid, want, sizeof(want)) == 0);
}

TEST_MAIN(T(a_chip_s_serial_gives_its_uuid), T(what_is_no_chip_id_gives_none),
	  T(a_uuid_is_read_and_written))
