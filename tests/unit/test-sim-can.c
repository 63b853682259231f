/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Simulated boards on CAN and UART against what the genuine programs were recorded to say; the bus.
 */
#include <stdlib.h>

#include "core/text.h"
#include "mcu/frame.h"
#include "sim/board.h"
#include "sim/can-bus.h"
#include "unit/test.h"

#define RECORDED   "tests/fixtures/katapult-can-uart.jsonl"
#define NODES_MAX  2
#define SILENCE_US 300000
#define DICTIONARY 4142 /* bytes of the recorded Klipper's */
#define BYTES_MAX  4096

struct rig {
	struct sim_can_bus bus;
	struct sim_board *boards[NODES_MAX];
	size_t count;
	int64_t now_us;
	uint8_t dictionary[DICTIONARY];
};

static struct sim_board *add_board(struct rig *rig, const char *fmt, ...) _printf_(2, 3);

static struct sim_board *add_board(struct rig *rig, const char *fmt, ...)
{
	struct sim_board *b = malloc(sizeof(*b));
	struct kf_error err = { 0 };
	struct sim_spec spec;
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (sim_spec_parse(text, &spec, &err) < 0 || sim_board_init(b, &spec, &err) < 0) {
		printf("# %s: %s\n", text, err.message);
		abort();
	}
	sim_board_open(b, 0);
	rig->boards[rig->count++] = b;
	if (spec.can[0])
		CHECK(sim_can_bus_join(&rig->bus, &b->can, &b->spec.faults));
	return b;
}

static void rig_close(struct rig *rig)
{
	for (size_t i = 0; i < rig->count; i++) {
		sim_board_free(rig->boards[i]);
		free(rig->boards[i]);
	}
	free(rig);
}

/* Time passes in steps of 1 ms. */
static void pass(struct rig *rig, int64_t us)
{
	int64_t end_us = rig->now_us + us;

	while (rig->now_us < end_us) {
		rig->now_us += 1000;
		sim_can_bus_run(&rig->bus, rig->now_us);
		for (size_t i = 0; i < rig->count; i++)
			sim_board_run(rig->boards[i], rig->now_us);
	}
}

static struct can_frame frame_of(const char *text)
{
	struct can_frame f = { .can_id = (canid_t)strtoul(text, NULL, 16) };
	unsigned byte;

	for (const char *hex = text + 4; sscanf(hex, "%2x", &byte) == 1 && f.len < 8; hex += 2)
		f.data[f.len++] = (uint8_t)byte;
	return f;
}

static void send(struct rig *rig, const char *text)
{
	struct can_frame f = frame_of(text);

	sim_can_bus_write(&rig->bus, &f, rig->now_us);
}

static void format(const struct can_frame *f, char ret[32])
{
	int n = sprintf(ret, "%03x#", f->can_id);

	for (unsigned i = 0; i < f->len; i++)
		n += sprintf(ret + n, "%02x", f->data[i]);
}

static int compare_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* All frames that came, one a line; the order of answers to "00" is free. */
static void receive(struct rig *rig, char ret[BYTES_MAX])
{
	char frames[64][32];
	struct can_frame f;
	size_t n = 0, len = 0, sorted = 0;

	while (n < 64 && sim_can_bus_read(&rig->bus, &f)) {
		format(&f, frames[n++]);
		sorted += f.can_id == 0x3f1;
	}
	if (sorted == n)
		qsort(frames, n, sizeof(frames[0]), compare_text);
	ret[0] = '\0';
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(ret + len, BYTES_MAX - len, "%s\n", frames[i]);
}

static const char *step(const json_t *steps, size_t i, const char *direction)
{
	return json_string_value(json_object_get(json_array_get(steps, i), direction));
}

/* The recorded answers from step *i on, until the host's next step; in receive()'s form. */
static void recorded(const json_t *steps, size_t *i, char ret[BYTES_MAX])
{
	char frames[64][32];
	size_t n = 0, len = 0, sorted = 0;

	for (const char *from; n < 64 && (from = step(steps, *i, "from")); ++*i) {
		snprintf(frames[n++], sizeof(frames[0]), "%s", from);
		sorted += strncmp(from, "3f1", 3) == 0;
	}
	if (sorted == n)
		qsort(frames, n, sizeof(frames[0]), compare_text);
	ret[0] = '\0';
	for (size_t k = 0; k < n; k++)
		len += (size_t)snprintf(ret + len, BYTES_MAX - len, "%s\n", frames[k]);
}

static void differ(const char *scenario, size_t i, const char *got, const char *want)
{
	test_failed = true;
	printf("# %s: before step %zu: got \"%s\", want \"%s\"\n", scenario, i, got, want);
}

static size_t from_hex(const char *hex, uint8_t *ret, size_t size)
{
	size_t len = 0;
	unsigned byte;

	for (; len < size && sscanf(hex, "%2x", &byte) == 1; hex += 2)
		ret[len++] = (uint8_t)byte;
	return len;
}

/* Klipper's dictionary, as far as it was told in these bytes. */
static void learn_bytes(struct rig *rig, const uint8_t *data, size_t len)
{
	while (len > 0) {
		struct kf_klipper_block block;
		uint32_t id, offset, count;
		size_t skip = 0, used;
		int n = kf_klipper_block_decode(data, len, &block, &skip);

		if (n > 0) {
			used = kf_klipper_vlq_decode(block.content, block.content_bytes, &id);
			used += kf_klipper_vlq_decode(block.content + used,
						      block.content_bytes - used, &offset);
			if (id == 0 && block.content_bytes > used) {
				count = block.content[used];
				memcpy(rig->dictionary + offset, block.content + used + 1, count);
			}
		}
		skip = n > 0 ? (size_t)n : skip ? skip : len;
		data += skip;
		len -= skip;
	}
}

static void learn(struct rig *rig, const json_t *steps)
{
	uint8_t bytes[BYTES_MAX];
	size_t len = 0;

	for (size_t i = 0; i < json_array_size(steps); i++) {
		const char *from = step(steps, i, "from"), *hash = from ? strchr(from, '#') : NULL;

		if (from)
			len += from_hex(hash ? hash + 1 : from, bytes + len, sizeof(bytes) - len);
	}
	learn_bytes(rig, bytes, len);
	for (size_t i = 0; i < rig->count; i++) {
		rig->boards[i]->klipper.identify = rig->dictionary;
		rig->boards[i]->klipper.identify_len = DICTIONARY;
	}
}

static struct rig *rig_of(const json_t *scenario, const char *name)
{
	const char *firmware = json_string_value(json_object_get(scenario, "firmware"));
	const json_t *nodes = json_object_get(scenario, "nodes");
	bool can = json_is_array(nodes), slow = strstr(name, "stands still");
	struct rig *rig = calloc(1, sizeof(*rig));
	size_t count = can ? json_array_size(nodes) : 1;

	rig->now_us = 1;
	if (slow || strstr(name, "read window"))
		rig->bus.bitrate = 100000;
	for (size_t i = 0; i < count; i++) {
		const char *uuid = json_string_value(json_array_get(nodes, i));
		struct sim_board *b = add_board(
			rig, "mcu=stm32f446xx,katapult=v0.0.1-110-gb0bf421,rescue,mode=%s,%s%s",
			firmware, can ? "can=can0,uuid=" : "uart", can ? uuid : "");

		if (strcmp(firmware, "katapult") == 0)
			memset(b->flash.data + (b->spec.start - b->flash.base), 0xff,
			       b->flash.size - (b->spec.start - b->flash.base));
		b->flash.program_us = !slow ? 0 : can ? 5000 : 500;
	}
	learn(rig, json_object_get(scenario, "steps"));
	return rig;
}

/* The host sent these frames in a row at once; it waited for a node that reset. */
static void replay_can(const json_t *scenario, const char *name)
{
	const json_t *steps = json_object_get(scenario, "steps");
	struct rig *rig = rig_of(scenario, name);
	bool resets = strstr(name, "bootloader request") != NULL;
	size_t i = 0;

	while (i < json_array_size(steps)) {
		char want[BYTES_MAX], got[BYTES_MAX];
		const char *to;

		for (; (to = step(steps, i, "to")); i++) {
			send(rig, to);
			pass(rig, resets ? SILENCE_US : 0);
		}
		pass(rig, SILENCE_US);
		receive(rig, got);
		recorded(steps, &i, want);
		if (strcmp(got, want) != 0)
			differ(name, i, got, want);
	}
	rig_close(rig);
}

/* Klipper says first that it starts (its "starting" and "is_shutdown"): ours does not. */
static size_t boot_messages(const uint8_t *data, size_t len)
{
	size_t used = 0;

	while (used + 3 < len && data[used] < len - used &&
	       (data[used + 2] == 0x76 || data[used + 2] == 0x79))
		used += data[used];
	return used;
}

static void replay_uart(const json_t *scenario, const char *name)
{
	const json_t *steps = json_object_get(scenario, "steps");
	struct rig *rig = rig_of(scenario, name);
	struct sim_link *link = &rig->boards[0]->link;
	size_t i = 0;

	while (i < json_array_size(steps)) {
		uint8_t want[BYTES_MAX], got[BYTES_MAX];
		size_t want_len = 0, got_len = 0, skip;
		const char *text;

		for (; (text = step(steps, i, "to")); i++) {
			uint8_t tx[512];

			CHECK(sim_board_write(rig->boards[0], tx, from_hex(text, tx, sizeof(tx)),
					      rig->now_us));
			for (unsigned ms = 0; ms < SILENCE_US / 1000; ms++) {
				size_t n;

				pass(rig, 1000);
				n = sim_link_readable(link, rig->now_us);
				memcpy(got + got_len, link->in, n);
				sim_link_drop(link, n);
				got_len += n;
			}
		}
		for (; (text = step(steps, i, "from")); i++)
			want_len += from_hex(text, want + want_len, sizeof(want) - want_len);
		skip = boot_messages(want, want_len);
		if (got_len != want_len - skip || memcmp(got, want + skip, got_len) != 0)
			differ(name, i, "other bytes", "those recorded");
	}
	rig_close(rig);
}

TEST(recorded_scenarios)
{
	FILE *f = fopen(RECORDED, "r");
	char *line = NULL;
	size_t size = 0, can = 0, uart = 0;

	CHECK(f != NULL);
	while (f && getline(&line, &size, f) > 0) {
		json_t *scenario = json_loads(line, 0, NULL);
		const char *name = json_string_value(json_object_get(scenario, "scenario"));

		if (strcmp(json_string_value(json_object_get(scenario, "bus")), "can") == 0) {
			replay_can(scenario, name);
			can++;
		} else {
			replay_uart(scenario, name);
			uart++;
		}
		json_decref(scenario);
	}
	CHECK(can == 42 && uart == 12);
	free(line);
	if (f)
		fclose(f);
}

/* transports.md: a block of 64 bytes is written in 1.39 ms at 1 Mbit/s, and read in 1.38. */
TEST(a_frame_has_its_bits)
{
	/* 8 bytes: 44 bits in front and behind, 64 of data, 3 of space; nothing is stuffed. */
	struct can_frame f = frame_of("555#aa55aa55aa55aa55");

	CHECK(sim_can_frame_bits(&f) >= 111 && sim_can_frame_bits(&f) <= 114);
	f = frame_of("000#0000000000000000");
	CHECK(sim_can_frame_bits(&f) >= 111 + 16 && sim_can_frame_bits(&f) <= 135);
	f = frame_of("3f0#00");
	CHECK(sim_can_frame_bits(&f) >= 55 && sim_can_frame_bits(&f) <= 65);
}

static const char connect_frame[] = "200#01881100f17c9903";

TEST(a_bus_takes_its_time)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	char got[BYTES_MAX];

	rig->bus.bitrate = 1000000;
	add_board(rig, "mcu=stm32f446xx,mode=katapult,can=can0,uuid=40f84a5af36e");
	send(rig, "3f0#1140f84a5af36e80");
	send(rig, connect_frame);
	sim_can_bus_run(&rig->bus, 222);
	receive(rig, got);
	CHECK_STR(got, "");
	sim_can_bus_run(&rig->bus, 1400);
	receive(rig, got);
	CHECK(strncmp(got, "201#0188a0", 10) == 0 && strlen(got) > 7 * 20);
	rig_close(rig);
}

TEST(nobody_acknowledges_on_an_empty_bus)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct sim_board *b =
		add_board(rig, "mcu=stm32f446xx,mode=katapult,can=can0,uuid=40f84a5af36e");
	char got[BYTES_MAX];

	sim_board_unplug(b);
	send(rig, "3f0#00");
	pass(rig, SILENCE_US);
	receive(rig, got);
	CHECK_STR(got, "");
	sim_board_plug(b, SIM_BUTTON_RESET, rig->now_us);
	pass(rig, SILENCE_US);
	receive(rig, got);
	CHECK_STR(got, "3f1#2040f84a5af36e11\n"); /* the controller repeats it until then */
	rig_close(rig);
}

TEST(two_nodes_of_one_uuid_both_fall_silent)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	char got[BYTES_MAX];

	for (unsigned i = 0; i < 2; i++)
		add_board(rig, "mcu=stm32f446xx,mode=katapult,can=can0,uuid=40f84a5af36e");
	send(rig, "3f0#1140f84a5af36e80");
	send(rig, connect_frame);
	pass(rig, SILENCE_US);
	receive(rig, got); /* what they send on one id takes it from both */
	send(rig, connect_frame);
	pass(rig, SILENCE_US);
	receive(rig, got);
	CHECK_STR(got, "");
	rig_close(rig);
}

/* drop, dup, corrupt and late are a CAN frame's; the count is of one node's frames. */
TEST(faults_of_frames)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	char got[BYTES_MAX];
	struct can_frame f;

	add_board(rig, "mcu=stm32f446xx,mode=katapult,can=can0,uuid=40f84a5af36e,drop=1,dup=rx:2,"
		       "corrupt=rx:3,late=rx:4,late_us=7000");
	rig->bus.late_us = 7000;
	send(rig, "3f0#00");
	pass(rig, 1000);
	CHECK(!sim_can_bus_read(&rig->bus, &f));
	for (unsigned i = 0; i < 3; i++)
		send(rig, "3f0#00");
	receive(rig, got);
	CHECK_STR(got, "3f1#2040f84a1af36e11\n3f1#2040f84a5af36e11\n3f1#2040f84a5af36e11\n"
		       "3f1#2040f84a5af36e11\n");
	send(rig, "3f0#00");
	pass(rig, 6000);
	CHECK(!sim_can_bus_read(&rig->bus, &f));
	pass(rig, 2000);
	CHECK(sim_can_bus_read(&rig->bus, &f));
	rig_close(rig);
}

/* From the frame on that it is unplugged or stalled at, a node takes and says nothing. */
TEST(a_fault_halts_a_node_at_once)
{
	static const char *const faults[] = { "unplug", "stall" };

	for (size_t i = 0; i < KF_ARRAY_SIZE(faults); i++) {
		struct rig *rig = calloc(1, sizeof(*rig));
		struct sim_board *b = add_board(
			rig, "mcu=stm32f446xx,mode=katapult,can=can0,uuid=40f84a5af36e,%s=2",
			faults[i]);
		char got[BYTES_MAX];

		send(rig, "3f0#1140f84a5af36e80");
		send(rig, connect_frame);
		send(rig, connect_frame);
		receive(rig, got);
		CHECK_STR(got, "");
		CHECK(sim_board_wake_us(b, rig->now_us) == rig->now_us);
		/* Somebody plugs it in again before its time has passed. */
		sim_board_unplug(b);
		sim_board_plug(b, SIM_BUTTON_RESET, rig->now_us);
		pass(rig, SILENCE_US);
		CHECK(b->mode == KF_MODE_KATAPULT);
		rig_close(rig);
	}
}

/* "02" on its own interface; it comes back as Katapult on USB, and its bus is gone with it. */
TEST(a_bridge_leaves_for_usb)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct sim_board *b =
		add_board(rig, "mcu=stm32h723xx,bridge,can=can0,serial=39001B000C51313339373836");
	unsigned shown = b->generation;
	char got[BYTES_MAX];

	CHECK(sim_board_has_usb(b) && sim_board_bridges(b));
	send(rig, "3f0#00");
	receive(rig, got);
	CHECK_STR(got, "3f1#2044db3d63488501\n");
	CHECK(sim_board_wake_us(b, rig->now_us) == SIM_NEVER);
	send(rig, "3f0#0244db3d634885");
	/* It leaves at once, also where no further frame comes. */
	CHECK(sim_board_wake_us(b, rig->now_us) == rig->now_us);
	pass(rig, SILENCE_US);
	CHECK(b->mode == KF_MODE_KATAPULT && b->generation == shown + 2 && !sim_board_bridges(b));
	CHECK(b->link.mcu == &b->katapult.mcu && !b->can.mcu);
	rig_close(rig);
}

/* A UART at another rate hears something else; at the same rate, the bytes. */
TEST(rates_have_to_agree)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct sim_board *b = add_board(rig, "mcu=stm32f405xx,uart,mode=katapult,boot_baud=115200");
	uint8_t tx[8];

	from_hex("01881100f17c9903", tx, sizeof(tx));
	b->link.host_baud = 115200;
	CHECK(sim_board_write(b, tx, sizeof(tx), rig->now_us));
	pass(rig, SILENCE_US);
	CHECK(sim_link_readable(&b->link, rig->now_us) == 60);
	sim_link_drop(&b->link, 60);
	b->link.host_baud = 250000;
	CHECK(sim_board_write(b, tx, sizeof(tx), rig->now_us));
	pass(rig, SILENCE_US);
	CHECK(sim_link_readable(&b->link, rig->now_us) < 60);
	rig_close(rig);
}

/* 10 bits a byte: CONNECT and its answer of 60 bytes take 2.72 ms at 250000 baud. */
TEST(a_uart_takes_its_time)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	struct sim_board *b = add_board(rig, "mcu=stm32f405xx,uart,mode=katapult");
	uint8_t tx[8];

	from_hex("01881100f17c9903", tx, sizeof(tx));
	CHECK(sim_board_write(b, tx, sizeof(tx), 0));
	sim_board_run(b, 319);
	CHECK(b->katapult.mcu.tx_len == 0);
	sim_board_run(b, 2719);
	CHECK(sim_link_readable(&b->link, 2719) == 59);
	sim_board_run(b, 2720);
	CHECK(sim_link_readable(&b->link, 2720) == 60);
	rig_close(rig);
}

TEST_MAIN(T(recorded_scenarios), T(a_frame_has_its_bits), T(a_bus_takes_its_time),
	  T(nobody_acknowledges_on_an_empty_bus), T(two_nodes_of_one_uuid_both_fall_silent),
	  T(faults_of_frames), T(a_fault_halts_a_node_at_once), T(a_bridge_leaves_for_usb),
	  T(rates_have_to_agree), T(a_uart_takes_its_time))
