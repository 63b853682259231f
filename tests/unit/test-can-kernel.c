/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Links over the kernel's own CAN, on a vcan interface that the test makes. tests/can/link.bats
 * runs it, as root of a user-mode Linux, with KF_CAN_KERNEL set; elsewhere it is skipped.
 */
#include <errno.h>
#include <linux/can/raw.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/process.h"
#include "flash/wire.h"
#include "katapult/frame.h"
#include "link/can-link.h"
#include "link/can-socket.h"
#include "link/can-state.h"
#include "unit/test.h"

#define BUS	"kftest0"
#define LONG_MS 5000

static const uint8_t UUID[KF_CAN_UUID_BYTES] = { 0x40, 0xf8, 0x4a, 0x5a, 0xf3, 0x6e };
static const uint8_t OTHER[KF_CAN_UUID_BYTES] = { 0x10, 0x1f, 0x20, 0x64, 0x63, 0x87 };

static bool run(const char *const argv[])
{
	const struct kf_process p = { .argv = argv, .in = -1, .out = -1, .err = -1 };
	int status = -1;

	return kf_process_run(&p, kf_now_ms() + LONG_MS, &status, NULL) == 0 && status == 0;
}

#define IP(...) run((const char *const[]){ "ip", __VA_ARGS__, NULL })
#define TC(...) run((const char *const[]){ "tc", __VA_ARGS__, NULL })

/* False: this kernel or this user cannot. */
static bool make_bus(void)
{
	return getenv("KF_CAN_KERNEL") && IP("link", "add", BUS, "type", "vcan");
}

static void remove_bus(void)
{
	IP("link", "del", BUS);
}

TEST(a_bus_is_opened_only_if_it_can_send)
{
	struct kf_can can = KF_CAN_NONE;
	struct kf_error err;

	CHECK(kf_can_open("kfnone0", &can, &err) == -ENODEV && err.code == KF_NOT_CONNECTED);
	CHECK(kf_can_open("lo", &can, &err) == -ENODEV);
	CHECK_STR(err.message, "lo is no CAN interface");
	if (!make_bus())
		SKIP("no CAN interface can be made here");
	CHECK(kf_can_open(BUS, &can, &err) == -ENETDOWN && err.code == KF_CAN_BUS);
	CHECK_STR(err.hint, "sudo ip link set " BUS " up");
	CHECK(IP("link", "set", BUS, "up"));
	CHECK(kf_can_open(BUS, &can, &err) == 0);
	kf_can_closep(&can);
	remove_bus();
}

static void opens(struct kf_can *can, const uint8_t *uuid, enum kf_can_application application,
		  struct kf_link *ret)
{
	struct kf_error err = { 0 };

	CHECK(kf_link_can_open(can, uuid, application, ret, &err) == 0);
	CHECK_STR(err.message, "");
}

/* A program that listens to a node's answers as python-can does for Klippy. */
static int listen_as_klippy(uint8_t id)
{
	const struct can_filter filter = { 0x101u + 2 * id, CAN_SFF_MASK | CAN_EFF_FLAG };
	int fd = -1;

	CHECK(kf_can_socket(BUS, &filter, 1, &fd) == 0);
	return fd;
}

TEST(no_id_is_chosen_that_somebody_uses)
{
	struct kf_can can = KF_CAN_NONE;
	struct kf_link one, same, klipper, again;
	struct pollfd pfd;
	int fd, klippy;
	uint8_t first;

	if (!make_bus())
		SKIP("no CAN interface can be made here");
	CHECK(IP("link", "set", BUS, "up") && kf_can_open(BUS, &can, NULL) == 0);
	opens(&can, UUID, KF_CAN_KATAPULT, &one);
	CHECK(one.can.id >= 160);
	CHECK_STR(one.name, BUS " 40f84a5af36e");
	opens(&can, UUID, KF_CAN_KATAPULT, &same); /* another run of ours has the first */
	CHECK(same.can.id != one.can.id);
	opens(&can, UUID, KF_CAN_KLIPPER, &klipper);
	CHECK(klipper.can.id != one.can.id && klipper.can.id != same.can.id);
	first = one.can.id;
	kf_link_closep(&one);
	opens(&can, UUID, KF_CAN_KATAPULT, &one);
	CHECK(one.can.id == first);
	kf_link_closep(&one);
	klippy = listen_as_klippy(first);
	opens(&can, UUID, KF_CAN_KATAPULT, &one);
	CHECK(one.can.id != first);
	kf_link_closep(&one);
	close(klippy);
	/* A node of another host's talks. */
	fd = listen_as_klippy(0);
	CHECK(kf_can_socket_send(fd, 0x101u + 2 * first, "x", 1, kf_now_ms() + LONG_MS) == 0);
	pfd = (struct pollfd){ .fd = can.fd, .events = POLLIN };
	CHECK(kf_wait(&pfd, 1, kf_now_ms() + LONG_MS) == 1);
	opens(&can, UUID, KF_CAN_KATAPULT, &again);
	CHECK(again.can.id != first);
	close(fd);
	kf_link_closep(&again);
	kf_link_closep(&klipper);
	kf_link_closep(&same);
	kf_can_closep(&can);
	remove_bus();
}

/* The frames of a node, at the other end of the bus. */
TEST(frames_go_to_the_node_and_come_from_it_alone)
{
	struct kf_can can = KF_CAN_NONE;
	struct can_frame frame;
	struct kf_link link;
	uint8_t buf[64];
	uint32_t id;
	int node = -1;
	const struct can_filter all = { 0 };

	if (!make_bus())
		SKIP("no CAN interface can be made here");
	CHECK(IP("link", "set", BUS, "up") && kf_can_open(BUS, &can, NULL) == 0);
	CHECK(kf_can_socket(BUS, &all, 1, &node) == 0);
	opens(&can, UUID, KF_CAN_KATAPULT, &link);
	id = 0x100 + 2u * link.can.id;
	CHECK(kf_link_guard(&link, NULL) == 0);
	CHECK(kf_link_attach(&link, kf_now_ms() + LONG_MS) == 0);
	CHECK(kf_link_send(&link, "0123456789", 10, kf_now_ms() + LONG_MS) == 0);
	CHECK(kf_can_socket_receive(node, &frame, kf_now_ms() + LONG_MS) == 0);
	CHECK(frame.can_id == 0x3f0 && frame.can_dlc == 8 && frame.data[7] == link.can.id);
	CHECK(kf_can_socket_receive(node, &frame, kf_now_ms() + LONG_MS) == 0);
	CHECK(frame.can_id == id && frame.can_dlc == 8);
	CHECK(kf_can_socket_receive(node, &frame, kf_now_ms() + LONG_MS) == 0);
	CHECK(frame.can_id == id && frame.can_dlc == 2);
	CHECK(kf_link_receive(&link, buf, sizeof(buf), 0) == -ETIMEDOUT); /* not our own frames */
	CHECK(kf_can_socket_send(node, id + 3, "other", 5, kf_now_ms() + LONG_MS) == 0);
	CHECK(kf_can_socket_send(node, id + 1, "abcdefghij", 10, kf_now_ms() + LONG_MS) == 0);
	CHECK(kf_link_receive(&link, buf, sizeof(buf), kf_now_ms() + LONG_MS) == 10);
	CHECK(memcmp(buf, "abcdefghij", 10) == 0);
	/* Another program gives the id to another node. */
	memcpy(buf, "\x11", 1);
	memcpy(buf + 1, OTHER, sizeof(OTHER));
	buf[7] = link.can.id;
	CHECK(kf_can_socket_send(node, 0x3f0, buf, 8, kf_now_ms() + LONG_MS) == 0);
	CHECK(kf_link_receive(&link, buf, sizeof(buf), kf_now_ms() + LONG_MS) == -EADDRINUSE);
	kf_link_closep(&link);
	close(node);
	kf_can_closep(&can);
	remove_bus();
}

static void tells(struct kf_link *link, int r, const char *message)
{
	struct kf_error err;

	CHECK(kf_link_failed(link, r, &err) < 0);
	CHECK_STR(err.message, message);
}

TEST(what_happens_to_the_interface_is_told)
{
	struct kf_can can = KF_CAN_NONE;
	struct kf_link link;
	uint8_t buf[64];
	int r;

	if (!make_bus())
		SKIP("no CAN interface can be made here");
	CHECK(IP("link", "set", BUS, "up") && kf_can_open(BUS, &can, NULL) == 0);
	opens(&can, UUID, KF_CAN_KATAPULT, &link);
	tells(&link, -ETIMEDOUT, "no node 40f84a5af36e answers on " BUS);
	CHECK(IP("link", "set", BUS, "down"));
	r = (int)kf_link_receive(&link, buf, sizeof(buf), kf_now_ms() + LONG_MS);
	CHECK(r == -ENETDOWN);
	tells(&link, r, BUS " is down");
	CHECK(kf_link_send(&link, "x", 1, kf_now_ms() + LONG_MS) == -ENETDOWN);
	CHECK(IP("link", "set", BUS, "up"));
	CHECK(kf_link_send(&link, "x", 1, kf_now_ms() + LONG_MS) == 0);
	remove_bus();
	r = kf_link_send(&link, "x", 1, kf_now_ms() + LONG_MS);
	CHECK(r == -ENODEV || r == -ENETDOWN);
	tells(&link, r, BUS " was disconnected meanwhile");
	kf_link_closep(&link);
	kf_can_closep(&can);
}

struct nodes {
	int bus;
	int count;
	uint8_t application;
};

/* Nodes of our UUID: they answer one query. */
static void *answer_query(void *arg)
{
	const struct nodes *nodes = arg;
	struct can_frame frame = { 0 };
	uint8_t answer[8] = { 0x20 };

	memcpy(answer + 1, UUID, sizeof(UUID));
	answer[7] = nodes->application;
	while (frame.can_id != 0x3f0 || frame.can_dlc != 1)
		if (kf_can_socket_receive(nodes->bus, &frame, kf_now_ms() + LONG_MS) < 0)
			return NULL;
	for (int i = 0; i < nodes->count; i++)
		CHECK(kf_can_socket_send(nodes->bus, 0x3f1, answer, 8, kf_now_ms() + LONG_MS) == 0);
	return NULL;
}

static void silence_means(struct kf_link *link, struct nodes nodes, const char *message)
{
	pthread_t thread;

	CHECK(pthread_create(&thread, NULL, answer_query, &nodes) == 0);
	tells(link, -ETIMEDOUT, message);
	CHECK(pthread_join(thread, NULL) == 0);
}

TEST(silence_is_explained_by_the_nodes_without_an_id)
{
	static const char twice[] =
		"two nodes have this UUID: each drops its id when the other speaks";
	struct kf_can can = KF_CAN_NONE;
	struct kf_link link;
	struct kf_error err;
	struct nodes nodes;
	pthread_t thread;
	int bus = -1;
	const struct can_filter all = { 0 };

	if (!make_bus())
		SKIP("no CAN interface can be made here");
	CHECK(IP("link", "set", BUS, "up") && kf_can_open(BUS, &can, NULL) == 0);
	CHECK(kf_can_socket(BUS, &all, 1, &bus) == 0);
	opens(&can, UUID, KF_CAN_KATAPULT, &link);
	silence_means(&link, (struct nodes){ bus, 2, KF_CAN_KATAPULT }, twice);
	silence_means(&link, (struct nodes){ bus, 1, KF_CAN_KLIPPER },
		      "the node runs Klipper, not Katapult");
	silence_means(&link, (struct nodes){ bus, 1, KF_CAN_KATAPULT }, "no answer in time");
	nodes = (struct nodes){ bus, 2, KF_CAN_KATAPULT };
	CHECK(pthread_create(&thread, NULL, answer_query, &nodes) == 0);
	CHECK(kf_link_explain(&link, &err) < 0 && err.code == KF_AMBIGUOUS);
	CHECK_STR(err.message, twice);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(kf_link_explain(&link, &err) == 0);
	kf_link_closep(&link);
	close(bus);
	kf_can_closep(&can);
	remove_bus();
}

/* A node whose Katapult was wedged by a bad frame: it answers NACK to all, for a second. */
static void *answer_nack(void *arg)
{
	const int64_t until_ms = kf_now_ms() + 1000;
	const int *bus = arg;
	uint8_t nack[KF_KATAPULT_FRAME_MAX];
	size_t len = kf_katapult_frame_encode(KF_KATAPULT_NACK, NULL, 0, nack);
	struct can_frame frame;

	while (kf_can_socket_receive(*bus, &frame, until_ms) == 0)
		if (frame.can_id >= 0x100 && frame.can_id < 0x300 && frame.can_id % 2 == 0)
			CHECK(kf_can_socket_send(*bus, frame.can_id + 1, nack, len, until_ms) == 0);
	return NULL;
}

TEST(a_wedged_node_is_told_in_words)
{
	struct kf_board board = { .mode = KF_MODE_KATAPULT,
				  .link = { .type = KF_WIRE_CAN, .interface = BUS } },
			now;
	const struct can_filter all = { 0 };
	struct kf_error err = { 0 };
	pthread_t thread;
	int bus = -1;

	if (!make_bus())
		SKIP("no CAN interface can be made here");
	kf_can_uuid_format(UUID, board.link.uuid);
	CHECK(IP("link", "set", BUS, "up") && kf_can_socket(BUS, &all, 1, &bus) == 0);
	CHECK(pthread_create(&thread, NULL, answer_nack, &bus) == 0);
	CHECK(kf_wire_can.enter(NULL, &board, kf_now_ms() + 200, &now, &err) == -EPROTO);
	CHECK_STR(err.message, "CONNECT: the bootloader accepts no more commands (NACK)");
	CHECK_STR(err.hint, "power-cycle the board, then try again");
	CHECK(pthread_join(thread, NULL) == 0);
	close(bus);
	remove_bus();
}

/* A queue of five frames, which go out at this rate; 8bit: never. False: it cannot be made. */
static bool set_queue(const char *rate)
{
	return TC("qdisc", "replace", "dev", BUS, "root", "tbf", "rate", rate, "burst", "16",
		  "limit", "80");
}

/* The bytes that come until it is silent; they count up. */
static size_t bytes_received(int node)
{
	struct can_frame frame;
	size_t bytes = 0;

	while (kf_can_socket_receive(node, &frame, kf_now_ms() + 500) == 0)
		for (size_t i = 0; i < frame.can_dlc; i++, bytes++)
			CHECK(frame.data[i] == (uint8_t)bytes);
	return bytes;
}

TEST(a_short_queue_is_waited_for)
{
	uint8_t block[160];
	struct kf_can can = KF_CAN_NONE;
	struct kf_link link;
	int node = -1;
	const struct can_filter all = { 0 };

	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = (uint8_t)i;
	if (!make_bus())
		SKIP("no CAN interface can be made here");
	CHECK(IP("link", "set", BUS, "up") && set_queue("32kbit"));
	CHECK(kf_can_open(BUS, &can, NULL) == 0 && kf_can_socket(BUS, &all, 1, &node) == 0);
	opens(&can, UUID, KF_CAN_KATAPULT, &link);
	CHECK(kf_link_send(&link, block, sizeof(block), kf_now_ms() + LONG_MS) == 0);
	CHECK(bytes_received(node) == sizeof(block));
	CHECK(set_queue("8bit"));
	CHECK(kf_link_send(&link, block, sizeof(block), kf_now_ms() + 100) == -ENOBUFS);
	tells(&link, -ENOBUFS, "the queue of " BUS " stays full: its frames do not go out");
	kf_link_closep(&link);
	close(node);
	kf_can_closep(&can);
	remove_bus();
}

/* The writer is killed while most of its frame does not fit into the queue. */
TEST(a_frame_that_was_begun_goes_out_whole_if_we_are_killed)
{
	uint8_t block[160];
	struct kf_can can = KF_CAN_NONE;
	struct can_frame frame;
	struct kf_link link;
	int node = -1;
	pid_t pid;
	const struct can_filter all = { 0 };

	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = (uint8_t)i;
	if (!make_bus())
		SKIP("no CAN interface can be made here");
	CHECK(IP("link", "set", BUS, "up") && set_queue("4kbit"));
	CHECK(kf_can_open(BUS, &can, NULL) == 0 && kf_can_socket(BUS, &all, 1, &node) == 0);
	opens(&can, UUID, KF_CAN_KATAPULT, &link);
	pid = fork();
	if (pid == 0) {
		if (kf_link_guard(&link, NULL) == 0)
			IGNORE_RESULT(
				kf_link_send(&link, block, sizeof(block), kf_now_ms() + LONG_MS));
		_exit(0);
	}
	CHECK(kf_can_socket_receive(node, &frame, kf_now_ms() + LONG_MS) == 0);
	CHECK(kf_process_signal(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
	for (size_t bytes = frame.can_dlc; bytes < sizeof(block); bytes += frame.can_dlc) {
		if (kf_can_socket_receive(node, &frame, kf_now_ms() + LONG_MS) < 0) {
			CHECK(bytes == sizeof(block));
			break;
		}
		CHECK(frame.data[0] == (uint8_t)bytes);
	}
	kf_link_closep(&link);
	close(node);
	kf_can_closep(&can);
	remove_bus();
}

TEST_MAIN(T(a_bus_is_opened_only_if_it_can_send), T(no_id_is_chosen_that_somebody_uses),
	  T(frames_go_to_the_node_and_come_from_it_alone), T(what_happens_to_the_interface_is_told),
	  T(silence_is_explained_by_the_nodes_without_an_id), T(a_wedged_node_is_told_in_words),
	  T(a_short_queue_is_waited_for), T(a_frame_that_was_begun_goes_out_whole_if_we_are_killed))
