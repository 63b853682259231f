/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a Klippy answers, {"settings", "status", "state", "message", "version", "print"}, against
 * two boards that are plugged in: the devices, boards and states that are made of it.
 */
#include "fuzz/fuzz.h"
#include "printer/boards.h"
#include "printer/described.h"
#include "printer/status.h"

static const struct {
	const char *port, *by_id, *tty, *serial;
} plugged[] = {
	{ "1-1.2", "/dev/serial/by-id/usb-Klipper_stm32h723xx_29001A001151313531383332-if00",
	  "/dev/ttyACM0", "29001A001151313531383332" },
	{ "1-1.3", "/dev/serial/by-id/usb-Klipper_rp2040_E6605481DB318C34-if00", "/dev/ttyACM1",
	  "E6605481DB318C34" },
};

static void plug_in(struct kf_boards *ret)
{
	for (size_t i = 0; i < KF_ARRAY_SIZE(plugged); i++) {
		struct kf_board board = { .connected = true, .mode = KF_MODE_KLIPPER };

		kf_text_format(board.usb.port, sizeof(board.usb.port), "%s", plugged[i].port);
		kf_text_format(board.by_id, sizeof(board.by_id), "%s", plugged[i].by_id);
		kf_text_format(board.tty, sizeof(board.tty), "%s", plugged[i].tty);
		kf_text_format(board.usb.serial, sizeof(board.usb.serial), "%s", plugged[i].serial);
		ALWAYS(kf_boards_add(ret, &board) == 0);
	}
}

static void copy(const json_t *answer, const char *name, char *dst, size_t size)
{
	const json_t *text = json_object_get(answer, name);

	kf_text_clean(dst, size, json_is_string(text) ? json_string_value(text) : "",
		      json_string_length(text));
}

static void check_devices(const struct kf_registry *registry)
{
	struct kf_device device;
	char again[KF_KEY_SIZE];
	size_t count = 0;

	for (void *at = NULL; kf_registry_next(registry, &at, &device); count++) {
		ALWAYS(kf_text_clean(again, sizeof(again), device.key, strlen(device.key)));
		ALWAYS(strspn(device.key, "abcdefghijklmnopqrstuvwxyz0123456789-_") ==
		       strlen(device.key));
	}
	ALWAYS(count <= KF_MCUS_MAX);
}

static void check_boards(const struct kf_inventory *inventory, const struct kf_printers *printers)
{
	size_t count = inventory->boards.count;
	struct kf_status *status = calloc(count + 1, sizeof(*status));
	struct kf_error err;

	ALWAYS(status && kf_status_find(inventory, printers, 0, status, &err) == 0);
	for (size_t i = 0; i < count; i++) {
		const struct kf_board *board = &inventory->boards.list[i];
		json_t *json = kf_status_to_json(board, printers, &status[i]);
		char text[1024];

		kf_revision_text(&status[i].board, text, sizeof(text));
		ALWAYS(json && fuzz_clean(text, sizeof(text)));
		ALWAYS(fuzz_clean(board->printer.mcu, sizeof(board->printer.mcu)));
		ALWAYS(fuzz_clean(board->version, sizeof(board->version)));
		json_decref(json);
	}
	free(status);
}

/* A registry that describes nothing yet, and what the printer makes of the boards. */
static void check(struct kf_printers *printers)
{
	struct kf_registry registry = { .root = json_object(), .lock = -1 };
	struct kf_inventory inventory = { .registry = &registry, .absent = true };
	struct kf_boards now = { 0 };
	struct kf_error err;

	plug_in(&now);
	ALWAYS(kf_printers_describe(printers, &now, &registry, &err) == 0);
	check_devices(&registry);
	ALWAYS(kf_inventory_fill(&inventory, &now, &err) == 0);
	ALWAYS(kf_printers_join(printers, &inventory, &err) == 0);
	check_boards(&inventory, printers);
	kf_inventory_free(&inventory);
	kf_boards_free(&now);
	kf_registry_close(&registry);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	json_t *answer = json_loadb((const char *)data, len, JSON_REJECT_DUPLICATES, NULL);
	struct kf_printer printer = { .name = "voron", .unit = "klipper.service", .pid = 1 };
	struct kf_printers printers = { &printer, 1 };
	char text[1024];

	setenv("HOME", "/nonexistent", 1);
	if (answer && kf_mcus_read(json_object_get(answer, "settings"),
				   json_object_get(answer, "status"), &printer.mcus) == 0) {
		copy(answer, "state", printer.state, sizeof(printer.state));
		copy(answer, "message", printer.message, sizeof(printer.message));
		copy(answer, "version", printer.version, sizeof(printer.version));
		kf_print_state_read(json_object_get(answer, "status"), &printer.print);
		kf_printer_state_text(&printer, text, sizeof(text));
		ALWAYS(fuzz_clean(text, sizeof(text)));
		check(&printers);
		kf_mcus_free(&printer.mcus);
	}
	json_decref(answer);
	return 0;
}
