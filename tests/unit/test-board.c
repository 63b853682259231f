/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A board to JSON and back. Every value worth trying is in tests/record.bats. */
#include <errno.h>

#include "board/board.h"
#include "board/table.h"
#include "core/text.h"
#include "unit/test.h"

static const struct kf_board full = {
	.key = "octopus-pro",
	.name = "Octopus Pro",
	.mcu = "stm32h723",
	.excluded = true,
	.reason = "Beacon updates itself",
	.connected = true,
	.mode = KF_MODE_KATAPULT,
	.tty = "/dev/ttyACM0",
	.by_id = "/dev/serial/by-id/usb-katapult_stm32h723xx_29001A-if00",
	.by_path = "/dev/serial/by-path/x",
	.version = "v0.13.0",
	.holder = { .pid = 812, .command = "python3", .unit = "klipper.service" },
	.link = { .type = KF_WIRE_CAN, .interface = "can0", .uuid = "44db3d634885", .baud = 1 },
	.printer = { .unit = "klipper.service", .name = "klipper", .mcu = "EBB Can" },
	.usb = { .vendor = "1d50",
		 .product = "6177",
		 .manufacturer = "katapult",
		 .model = "stm32h723xx",
		 .serial = "29001A",
		 .port = "1-1.2" },
};

static void survives(const struct kf_board *board)
{
	_cleanup_(kf_json_decrefp) json_t *obj = kf_board_to_json(board), *again = NULL;
	struct kf_board got;

	CHECK(kf_board_from_json(obj, &got, NULL) == 0);
	again = kf_board_to_json(&got);
	CHECK(json_equal(obj, again));
}

TEST(json_and_back)
{
	survives(&full);
}

TEST(empty_text_is_null_in_json)
{
	static const struct kf_board none;
	_cleanup_(kf_json_decrefp) json_t *obj = kf_board_to_json(&none);

	CHECK(json_is_null(json_object_get(obj, "key")));
	CHECK(json_is_null(json_object_get(obj, "mode")));
	CHECK(json_is_null(json_object_get(obj, "holder")));
	CHECK(json_is_false(json_object_get(obj, "connected")));
	CHECK(json_is_null(json_object_get(json_object_get(obj, "usb"), "serial")));
	survives(&none);
}

TEST(an_error_names_the_member_and_leaves_ret)
{
	_cleanup_(kf_json_decrefp) json_t *obj = kf_board_to_json(&full);
	struct kf_board got = { .key = "untouched" };
	struct kf_error err;

	json_object_set_new(json_object_get(obj, "usb"), "port", json_integer(1));
	CHECK(kf_board_from_json(obj, &got, &err) == -EBADMSG);
	CHECK_STR(err.message, "board.port is not a string");
	CHECK_STR(got.key, "untouched");
	CHECK(kf_board_from_json(NULL, &got, &err) == -EBADMSG);
	CHECK_STR(err.message, "board is not an object");
}

TEST(the_longest_text_fits)
{
	_cleanup_(kf_json_decrefp) json_t *obj = json_object();
	char serial[KF_NAME_SIZE + 1];
	struct kf_board got;

	memset(serial, 's', sizeof(serial));
	serial[KF_NAME_SIZE - 1] = '\0';
	json_object_set_new(obj, "usb", json_pack("{s:s}", "serial", serial));
	CHECK(kf_board_from_json(obj, &got, NULL) == 0);
	CHECK_STR(got.usb.serial, serial);
	serial[KF_NAME_SIZE - 1] = 's';
	serial[KF_NAME_SIZE] = '\0';
	json_object_set_new(obj, "usb", json_pack("{s:s}", "serial", serial));
	CHECK(kf_board_from_json(obj, &got, NULL) == -EBADMSG);
}

TEST(labels)
{
	struct kf_board board = full;

	CHECK_STR(kf_board_label(&board), "octopus-pro");
	board.key[0] = '\0';
	CHECK_STR(kf_board_label(&board), "EBB Can");
	board.printer.mcu[0] = '\0';
	CHECK_STR(kf_board_label(&board), "usb-katapult_stm32h723xx_29001A-if00");
	board.by_id[0] = '\0';
	CHECK_STR(kf_board_label(&board), "/dev/ttyACM0");
	board.tty[0] = '\0';
	CHECK_STR(kf_board_label(&board), "1-1.2");
}

TEST(a_key_from_the_printers_name)
{
	char key[KF_KEY_SIZE];

	CHECK(kf_key_from_printer(&full, false, key));
	CHECK_STR(key, "ebb-can");
	CHECK(kf_key_from_printer(&full, true, key));
	CHECK_STR(key, "klipper-ebb-can");
	CHECK(!kf_key_from_printer(&(struct kf_board){ .printer.name = "x" }, true, key));
}

TEST(modes)
{
	CHECK(kf_mode_name(KF_MODE_NONE) == NULL);
	CHECK_STR(kf_mode_name(KF_MODE_RP2BOOT), "rp2boot");
	CHECK_STR(kf_mode_name(KF_MODE_OTHER), "other");
}

/* The line below that of the board. */
static void remark_is(const struct kf_board *board, const struct kf_error *err, const char *want)
{
	const struct kf_error fine = { 0 };
	char text[2048] = "", *line;
	FILE *f = fmemopen(text, sizeof(text), "w");

	kf_table_write(f, board, err ? err : &fine, 1);
	fclose(f);
	text[strcspn(text, "\n")] = '\0';
	line = text + strlen(text) + 1;
	line[strcspn(line, "\n")] = '\0';
	CHECK_STR(line + strspn(line, " "), want);
}

TEST(the_remedy_follows_other_remarks)
{
	const struct kf_error failed = { .code = KF_GONE, .message = "gone; it is incomplete" };
	struct kf_board board = {
		.key = "pico",
		.connected = true,
		.mode = KF_MODE_RP2BOOT,
		.incomplete = "rp2boot",
		.reason = "known by USB port 1-1.3",
	};

	remark_is(&board, NULL,
		  "known by USB port 1-1.3; the firmware on it is incomplete: run kf flash pico");
	remark_is(&board, &failed, "gone; it is incomplete");
	board.connected = false;
	kf_text_format(board.reason, sizeof(board.reason), "there is now another device");
	remark_is(&board, NULL,
		  "there is now another device; the firmware on it is incomplete: power-cycle it "
		  "with its BOOTSEL button held, then run kf flash pico");
	board.excluded = true;
	remark_is(&board, NULL, "there is now another device");
}

TEST(kf_drain_is_explained)
{
	struct kf_board board = { .key = "pico", .connected = true, .mode = KF_MODE_KLIPPER };

	board.holder = (struct kf_holder){ .pid = 7, .command = KF_DRAIN_COMMAND };
	remark_is(&board, NULL,
		  "an earlier kf-flash still sends the board the rest of its data, and ends within "
		  "5 seconds");
	board.holder = full.holder;
	remark_is(&board, NULL, "");
}

TEST_MAIN(T(json_and_back), T(empty_text_is_null_in_json),
	  T(an_error_names_the_member_and_leaves_ret), T(the_longest_text_fits), T(labels),
	  T(a_key_from_the_printers_name), T(modes), T(the_remedy_follows_other_remarks),
	  T(kf_drain_is_explained))
