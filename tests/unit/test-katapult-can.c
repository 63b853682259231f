/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Conversations with nodes on a CAN bus: what was recorded on genuine code, frame by frame. */
#include <errno.h>
#include <linux/can.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "katapult/session.h"
#include "link/can-link.h"
#include "link/can-socket.h"
#include "mcu/identify.h"
#include "unit/test.h"

#define RECORDED "tests/fixtures/katapult-can-uart.jsonl"
#define LONG_MS	 5000 /* only for what has to come */
#define NODE	 0x80

static const uint8_t UUID[KF_CAN_UUID_BYTES] = { 0x40, 0xf8, 0x4a, 0x5a, 0xf3, 0x6e };

/* The recorded steps, and how many of them were played. */
struct record {
	json_t *steps;
	size_t next;
	int bus;
	pthread_t thread;
};

static bool load(const char *firmware, const char *scenario, struct record *ret)
{
	FILE *f = fopen(RECORDED, "re");
	json_t *line;

	memset(ret, 0, sizeof(*ret));
	while (f && !ret->steps && (line = json_loadf(f, JSON_DISABLE_EOF_CHECK, NULL))) {
		if (strcmp(json_string_value(json_object_get(line, "bus")), "can") == 0 &&
		    strcmp(json_string_value(json_object_get(line, "firmware")), firmware) == 0 &&
		    strcmp(json_string_value(json_object_get(line, "scenario")), scenario) == 0)
			ret->steps = json_incref(json_object_get(line, "steps"));
		json_decref(line);
	}
	kf_fclosep(&f);
	CHECK(ret->steps != NULL);
	return ret->steps != NULL;
}

/* "201#0188a003": false if the step is not of this kind. */
static bool read_step(const struct record *record, size_t i, const char *kind,
		      struct can_frame *ret)
{
	const char *text =
		json_string_value(json_object_get(json_array_get(record->steps, i), kind));
	unsigned id, byte;

	memset(ret, 0, sizeof(*ret));
	if (!text || sscanf(text, "%3x#", &id) != 1)
		return false;
	ret->can_id = id;
	for (text += 4; sscanf(text, "%2x", &byte) == 1; text += 2)
		ret->data[ret->can_dlc++] = (uint8_t)byte;
	return true;
}

static void show(const char *what, const struct can_frame *frame)
{
	printf("# %s %03x#", what, frame->can_id);
	for (unsigned i = 0; i < frame->can_dlc; i++)
		printf("%02x", frame->data[i]);
	printf("\n");
}

static bool same(const struct can_frame *a, const struct can_frame *b)
{
	return a->can_id == b->can_id && a->can_dlc == b->can_dlc &&
	       memcmp(a->data, b->data, a->can_dlc) == 0;
}

/*
 * If this thread was late with an answer, the host asks again: who is there; CONNECT, after the id;
 * Klipper's identify, after 7e as often as fits. It never sends another of Katapult's frames twice.
 */
static bool is_asked_again(const struct record *record, const struct can_frame *got)
{
	static const uint8_t connect[] = { 0x01, 0x88, 0x11, 0x00 };
	static const char ends[] = "~~~~~~~~"; /* 7e */
	bool katapult = got->can_id == 0x100 + 2 * NODE;
	struct can_frame played;

	if (katapult && memcmp(got->data, connect, sizeof(connect)) != 0)
		return false;
	if (!katapult && memcmp(got->data, ends, strlen(ends)) == 0)
		return true;
	for (size_t i = 0; i < record->next; i++)
		if (read_step(record, i, "to", &played) && same(&played, got))
			return true;
	return false;
}

/* The node's part, until the host differs from what was recorded, or leaves. */
static void *play(void *arg)
{
	struct record *record = arg;
	struct can_frame want, got;

	for (; record->next < json_array_size(record->steps); record->next++) {
		if (read_step(record, record->next, "from", &want)) {
			CHECK(send(record->bus, &want, sizeof(want), MSG_NOSIGNAL) == sizeof(want));
			continue;
		}
		CHECK(read_step(record, record->next, "to", &want));
		do {
			if (kf_can_socket_receive(record->bus, &got, kf_now_ms() + LONG_MS) < 0)
				return NULL;
		} while (!same(&got, &want) && is_asked_again(record, &got));
		if (!same(&got, &want)) {
			show("want", &want);
			show("got ", &got);
			break;
		}
	}
	return NULL;
}

/* Returns the host's end of the bus. */
static int begin(struct record *record)
{
	int fds[2];

	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
	record->bus = fds[1];
	CHECK(pthread_create(&record->thread, NULL, play, record) == 0);
	return fds[0];
}

/* All was played. */
static void end(struct record *record)
{
	CHECK(pthread_join(record->thread, NULL) == 0);
	CHECK(record->next == json_array_size(record->steps));
	json_decref(record->steps);
	close(record->bus);
}

static void recorded_block(const struct record *record, const char *address, uint8_t ret[64])
{
	struct can_frame frame;
	size_t i = 0;

	while (!read_step(record, i, "to", &frame) || memcmp(frame.data, address, 8) != 0)
		i++;
	for (size_t at = 0; at < 64; at += 8) {
		CHECK(read_step(record, ++i, "to", &frame) && frame.can_dlc == 8);
		memcpy(ret + at, frame.data, 8);
	}
}

TEST(a_whole_flash_goes_as_it_was_recorded)
{
	uint8_t data[128], uuid[KF_CAN_UUID_BYTES];
	struct kf_can_node node;
	struct record record;
	struct kf_error err;
	struct kf_link link;
	struct kf_can can;
	struct kf_katapult k = { .link = &link, .deadline_ms = kf_now_ms() + LONG_MS };
	int fd;

	if (!load("katapult", "a whole small flash", &record))
		return;
	recorded_block(&record, "\x01\x88\x12\x11\x00\x80\x00\x08", data);
	recorded_block(&record, "\x01\x88\x12\x11\x40\x80\x00\x08", data + 64);
	fd = begin(&record);
	kf_can_from_fd(fd, &can);
	CHECK(kf_can_query(&can, kf_now_ms() + LONG_MS, &node, 1, &err) == 1);
	CHECK(memcmp(node.uuid, UUID, sizeof(UUID)) == 0 && node.application == KF_CAN_KATAPULT);
	kf_link_can_from_fd(fd, UUID, KF_CAN_KATAPULT, NODE, &link);
	CHECK(kf_katapult_connect(&k, &err) == 0);
	CHECK_STR(k.mcu, "stm32f446xx");
	CHECK_STR(k.version, "v0.0.1-110-gb0bf421");
	CHECK(k.start == 0x08008000 && k.block_bytes == 64 && k.protocol == 0x10100);
	CHECK(kf_katapult_can_uuid(&k, uuid, &err) == 0 && memcmp(uuid, UUID, 6) == 0);
	CHECK(kf_katapult_write(&k, data, sizeof(data), NULL, NULL, &err) == 0);
	CHECK(kf_katapult_verify(&k, data, sizeof(data), NULL, NULL, &err) == 0);
	CHECK(kf_katapult_complete(&k, &err) == 0);
	end(&record);
	kf_link_closep(&link);
}

/* Only two pieces of the dictionary were recorded: after these, the node is silent. */
TEST(identify_goes_as_it_was_recorded)
{
	struct kf_dictionary dictionary;
	struct record record;
	struct kf_error err;
	struct kf_link link;
	size_t last;
	int r;

	if (!load("klipper", "set id, identify", &record))
		return;
	record.next = 1; /* not the request to a node without an id */
	last = json_array_size(record.steps) - 1;
	CHECK(json_array_remove(record.steps, last) == 0); /* "00", and nobody answers */
	kf_link_can_from_fd(begin(&record), UUID, KF_CAN_KLIPPER, 4, &link);
	r = kf_klipper_identify(&link, kf_now_ms() + 1000, &dictionary, &err);
	CHECK(r == -ETIMEDOUT || r == -ENODEV);
	kf_link_closep(&link);
	end(&record);
}

TEST_MAIN(T(a_whole_flash_goes_as_it_was_recorded), T(identify_goes_as_it_was_recorded))
