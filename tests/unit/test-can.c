/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Frames on a CAN bus, over a socket of packets; and what the kernel says of an interface. */
#include <errno.h>
#include <fcntl.h>
#include <linux/can/netlink.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/process.h"
#include "link/can-ids.h"
#include "link/can-link.h"
#include "link/can-socket.h"
#include "link/can-state.h"
#include "unit/test.h"

#define LONG_MS 5000 /* only for what has to come */
#define NODE	0x80

static const uint8_t UUID[KF_CAN_UUID_BYTES] = { 0x40, 0xf8, 0x4a, 0x5a, 0xf3, 0x6e };
static const uint8_t OTHER[KF_CAN_UUID_BYTES] = { 0x10, 0x1f, 0x20, 0x64, 0x63, 0x87 };

/* The host's end and the bus's. */
static void pair(int fds[2])
{
	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
}

static void put(int bus, uint32_t id, const void *data, size_t len)
{
	struct can_frame frame = { .can_id = id, .can_dlc = (uint8_t)len };

	memcpy(frame.data, data, len);
	CHECK(send(bus, &frame, sizeof(frame), MSG_NOSIGNAL) == sizeof(frame));
}

/* The next frame that the host sent is this one. */
static void takes(int bus, uint32_t id, const char *data, size_t len)
{
	struct can_frame frame = { 0 };

	CHECK(kf_can_socket_receive(bus, &frame, kf_now_ms() + LONG_MS) == 0);
	CHECK(frame.can_id == id && frame.can_dlc == len && memcmp(frame.data, data, len) == 0);
}

static bool is_silent(int bus)
{
	struct can_frame frame;

	return kf_can_socket_receive(bus, &frame, 0) == -ETIMEDOUT;
}

TEST(frames_go_in_pieces_of_eight_bytes)
{
	struct kf_link link;
	int fds[2];

	pair(fds);
	kf_link_can_from_fd(fds[0], UUID, KF_CAN_KATAPULT, NODE, &link);
	CHECK(kf_link_attach(&link, kf_now_ms() + LONG_MS) == 0);
	takes(fds[1], 0x3f0, "\x11\x40\xf8\x4a\x5a\xf3\x6e\x80", 8);
	CHECK(kf_link_send(&link, "0123456789abcdef0123", 20, kf_now_ms() + LONG_MS) == 0);
	takes(fds[1], 0x200, "01234567", 8);
	takes(fds[1], 0x200, "89abcdef", 8);
	takes(fds[1], 0x200, "0123", 4);
	CHECK(is_silent(fds[1]));
	kf_link_closep(&link);
	kf_link_can_from_fd(fds[1], UUID, KF_CAN_KLIPPER, 0xff, &link);
	kf_link_closep(&link);
}

/* Receives as many bytes as there are frames for, and skips frames of other nodes and kinds. */
TEST(only_the_node_s_answers_are_received)
{
	uint8_t buf[64];
	struct kf_link link;
	int fds[2];

	pair(fds);
	kf_link_can_from_fd(fds[0], UUID, KF_CAN_KATAPULT, NODE, &link);
	put(fds[1], 0x203, "other", 5);
	put(fds[1], 0x200, "to it", 5);
	put(fds[1], 0x201 | CAN_EFF_FLAG, "long id", 7);
	put(fds[1], 0x201 | CAN_RTR_FLAG, "", 0);
	put(fds[1], 0x201, "01234567", 8);
	put(fds[1], 0x201, "89", 2);
	CHECK(kf_link_receive(&link, buf, sizeof(buf), kf_now_ms() + LONG_MS) == 10);
	CHECK(memcmp(buf, "0123456789", 10) == 0);
	CHECK(kf_link_receive(&link, buf, sizeof(buf), 0) == -ETIMEDOUT);
	put(fds[1], 0x201, "01234567", 8);
	put(fds[1], 0x201, "89abcdef", 8);
	CHECK(kf_link_receive(&link, buf, 15, kf_now_ms() + LONG_MS) == 8);
	CHECK(kf_link_receive(&link, buf, 8, kf_now_ms() + LONG_MS) == 8);
	put(fds[1], CAN_ERR_FLAG | 0x40, "\0\0\0\0\0\0\0\0", 8); /* CAN_ERR_BUSOFF */
	CHECK(kf_link_receive(&link, buf, sizeof(buf), kf_now_ms() + LONG_MS) == -ECOMM);
	close(fds[1]);
	CHECK(kf_link_receive(&link, buf, sizeof(buf), kf_now_ms() + LONG_MS) == -ENODEV);
	CHECK(kf_link_send(&link, "x", 1, kf_now_ms() + LONG_MS) == -ENODEV);
	kf_link_closep(&link);
}

struct theft {
	const char *frame; /* 8 bytes on 0x3f0 */
	size_t len;
	const char *message; /* NULL: it takes nothing from us */
};

TEST(an_id_that_is_taken_is_told_at_once)
{
	static const struct theft thefts[] = {
		{ "\x12", 1,
		  "another program took the ids of all nodes in Katapult (flashtool.py does)" },
		{ "\x11\x10\x1f\x20\x64\x63\x87\x80", 8,
		  "another program gave the node's id 128 to 101f20646387" },
		{ "\x11\x40\xf8\x4a\x5a\xf3\x6e\x85", 8,
		  "another program gave the node the id 133" },
		{ "\x11\x40\xf8\x4a\x5a\xf3\x6e\x80", 8, NULL }, /* ours, once more */
		{ "\x11\x10\x1f\x20\x64\x63\x87\x81", 8, NULL },
		{ "\x11\x10\x1f\x20\x64\x63\x87", 7, NULL }, /* without its id: no node obeys */
		{ "\x01\x10\x1f\x20\x64\x63\x87\x80", 8,
		  NULL }, /* Klipper's; a Katapult ignores it */
		{ "\x02\x40\xf8\x4a\x5a\xf3\x6e", 7, NULL },
		{ "\x00", 1, NULL },
	};
	struct kf_error err;
	struct kf_link link;
	uint8_t buf[64];
	int fds[2];

	for (size_t i = 0; i < KF_ARRAY_SIZE(thefts); i++) {
		pair(fds);
		kf_link_can_from_fd(fds[0], UUID, KF_CAN_KATAPULT, NODE, &link);
		put(fds[1], 0x3f0, thefts[i].frame, thefts[i].len);
		put(fds[1], 0x201, "x", 1);
		if (thefts[i].message) {
			CHECK(kf_link_receive(&link, buf, sizeof(buf), KF_FOREVER) == -EADDRINUSE);
			CHECK(kf_link_failed(&link, -EADDRINUSE, &err) == -EBUSY);
			CHECK(err.code == KF_BUSY);
			CHECK_STR(err.message, thefts[i].message);
		} else {
			CHECK(kf_link_receive(&link, buf, sizeof(buf), KF_FOREVER) == 1);
		}
		kf_link_closep(&link);
		close(fds[1]);
	}
}

/* Nodes on the bus */

static void node(int bus, const uint8_t *uuid, uint8_t application)
{
	uint8_t answer[8] = { 0x20 };

	memcpy(answer + 1, uuid, KF_CAN_UUID_BYTES);
	answer[7] = application;
	put(bus, 0x3f1, answer, sizeof(answer));
}

/* The other end of the bus, in a thread: when it is asked, these answer. */
static void *answer_query(void *arg)
{
	int bus = *(int *)arg;

	takes(bus, 0x3f0, "\0", 1);
	put(bus, 0x105, "a node talks to its printer", 8);
	node(bus, UUID, KF_CAN_KATAPULT);
	node(bus, OTHER, KF_CAN_KLIPPER);
	node(bus, UUID, KF_CAN_KATAPULT);
	node(bus, UUID, 0x77); /* another program */
	put(bus, 0x3f1, "\x20short", 6);
	return NULL;
}

TEST(a_query_lists_the_nodes_without_an_id)
{
	struct kf_can_node nodes[8];
	struct kf_error err;
	struct kf_can can;
	pthread_t thread;
	int fds[2];

	pair(fds);
	kf_can_from_fd(fds[0], &can);
	node(fds[1], OTHER, KF_CAN_KATAPULT); /* answers somebody else, before we ask */
	CHECK(pthread_create(&thread, NULL, answer_query, &fds[1]) == 0);
	CHECK(kf_can_query(&can, kf_now_ms() + 300, nodes, KF_ARRAY_SIZE(nodes), &err) == 3);
	CHECK(pthread_join(thread, NULL) == 0);
	CHECK(memcmp(nodes[0].uuid, UUID, 6) == 0 && nodes[0].application == KF_CAN_KATAPULT);
	CHECK(memcmp(nodes[1].uuid, OTHER, 6) == 0 && nodes[1].application == KF_CAN_KLIPPER);
	CHECK(memcmp(nodes[2].uuid, UUID, 6) == 0 && nodes[2].application == KF_CAN_KATAPULT);
	CHECK(pthread_create(&thread, NULL, answer_query, &fds[1]) == 0);
	CHECK(kf_can_query(&can, KF_FOREVER, nodes, 2, &err) == 2); /* no room for more */
	CHECK(pthread_join(thread, NULL) == 0);
	close(fds[1]);
	CHECK(kf_can_query(&can, KF_FOREVER, nodes, 2, &err) == -ENETDOWN);
	CHECK_STR(err.message, "the bus was disconnected meanwhile");
	kf_can_closep(&can);
}

TEST(a_node_is_sent_to_its_bootloader_by_its_uuid)
{
	struct kf_error err;
	struct kf_can can;
	int fds[2];

	pair(fds);
	kf_can_from_fd(fds[0], &can);
	CHECK(kf_can_enter(&can, UUID, kf_now_ms() + LONG_MS, &err) == 0);
	takes(fds[1], 0x3f0, "\x02\x40\xf8\x4a\x5a\xf3\x6e", 7);
	CHECK(is_silent(fds[1]));
	kf_can_closep(&can);
	close(fds[1]);
}

static bool is_used(const struct kf_can *can, unsigned id)
{
	return can->used[id / 8] & 1 << id % 8;
}

TEST(the_ids_of_nodes_that_talk_are_noted)
{
	struct kf_can can;
	int fds[2];

	pair(fds);
	kf_can_from_fd(fds[0], &can);
	put(fds[1], 0x108, "x", 1); /* to node 4 */
	put(fds[1], 0x10d, "x", 1); /* from node 6 */
	put(fds[1], 0x2ff, "x", 1); /* from node 255 */
	put(fds[1], 0x0ff, "x", 1); /* no node's */
	put(fds[1], 0x300, "x", 1);
	put(fds[1], 0x3f0, "\x01\x10\x1f\x20\x64\x63\x87\xa0", 8);
	put(fds[1], 0x3f0, "\x11\x10\x1f\x20\x64\x63\x87\xa1", 8);
	put(fds[1], 0x3f0, "\x07\x10\x1f\x20\x64\x63\x87\xa2", 8);
	kf_can_note_used(&can);
	for (unsigned id = 0; id < 256; id++)
		CHECK(is_used(&can, id) ==
		      (id == 4 || id == 6 || id == 255 || id == 0xa0 || id == 0xa1));
	kf_can_closep(&can);
	close(fds[1]);
}

/* As Linux 6.1 writes them: ours, Klippy's (python-can's mask has the flag of long ids), candump's.
 */
static const char rcvlist[] = "\nreceive list 'rx_fil':\n"
			      "  (any: no entry)\n"
			      "  device   can_id   can_mask  function  userdata   matches  ident\n"
			      "   can0      109    800007ff  00000000  00000000         0  raw\n"
			      "   can0      2a1    c00007ff  00000000  00000000        12  raw\n"
			      "   can0      2a1    c00007ff  00000000  00000000        12  raw\n"
			      "   can1      2a3    c00007ff  00000000  00000000         0  raw\n"
			      "   can0      000    00000000  00000000  00000000         0  raw\n"
			      "   can0      2a0    000007f0  00000000  00000000         0  raw\n";

static unsigned listeners(const char *interface, uint32_t id)
{
	_cleanup_(kf_fclosep) FILE *f = fmemopen((void *)rcvlist, sizeof(rcvlist) - 1, "r");

	return kf_can_listeners(f, interface, id);
}

TEST(the_kernel_tells_who_listens_to_an_id)
{
	CHECK(listeners("can0", 0x109) == 1);
	CHECK(listeners("can0", 0x2a1) == 2);
	CHECK(listeners("can1", 0x2a3) == 1 && listeners("can0", 0x2a3) == 0);
	CHECK(listeners("can0", 0x2a0) == 0); /* a whole range is nobody's own */
	CHECK(listeners("can0", 0) == 0);
}

/* A frame that was begun */

/* The writer: its frame does not fit, so that it is killed in the middle. */
static void write_and_wait(int host, bool guarded)
{
	char block[1024];
	struct kf_link link;

	memset(block, 'b', sizeof(block));
	kf_link_can_from_fd(host, UUID, KF_CAN_KATAPULT, NODE, &link);
	if (guarded && kf_link_guard(&link, NULL) < 0)
		_exit(1);
	_exit(kf_link_send(&link, block, sizeof(block), KF_FOREVER / 2) == 0 ? 0 : 2);
}

/* The bytes that come until the other end has closed. */
static size_t bytes_to_the_end(int bus)
{
	struct can_frame frame;
	size_t bytes = 0;
	int r;

	while ((r = kf_can_socket_receive(bus, &frame, kf_now_ms() + LONG_MS)) == 0)
		bytes += frame.can_dlc;
	CHECK(r == -ENODEV);
	return bytes;
}

static size_t kill_in_the_middle(bool guarded)
{
	struct pollfd pfd;
	int fds[2], least = 1;
	size_t bytes;
	pid_t pid;

	pair(fds);
	CHECK(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &least, sizeof(least)) == 0);
	pid = fork();
	if (pid == 0) {
		close(fds[1]);
		write_and_wait(fds[0], guarded);
	}
	close(fds[0]);
	pfd = (struct pollfd){ .fd = fds[1], .events = POLLIN };
	CHECK(kf_wait(&pfd, 1, kf_now_ms() + LONG_MS) == 1);
	CHECK(kf_process_signal(pid, SIGKILL) == 0);
	CHECK(waitpid(pid, NULL, 0) == pid);
	bytes = bytes_to_the_end(fds[1]);
	close(fds[1]);
	return bytes;
}

TEST(a_frame_that_was_begun_goes_out_whole_if_we_are_killed)
{
	CHECK(kill_in_the_middle(true) == 1024);
	CHECK(kill_in_the_middle(false) < 1024); /* else this test would show nothing */
}

TEST(a_guarded_link_sends_as_before_and_tells_errors)
{
	struct kf_link link;
	struct kf_error err;
	int fds[2];

	pair(fds);
	kf_link_can_from_fd(fds[0], UUID, KF_CAN_KATAPULT, NODE, &link);
	CHECK(kf_link_guard(&link, &err) == 0);
	CHECK(kf_link_send(&link, "0123456789", 10, kf_now_ms() + LONG_MS) == 0);
	takes(fds[1], 0x200, "01234567", 8);
	takes(fds[1], 0x200, "89", 2);
	CHECK(shutdown(fds[1], SHUT_RDWR) == 0); /* the other process has it too */
	CHECK(kf_link_send(&link, "x", 1, kf_now_ms() + LONG_MS) == -ENODEV);
	kf_link_closep(&link);
	close(fds[1]);
	CHECK(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
}

TEST(a_bus_that_takes_nothing_ends_at_the_deadline)
{
	struct kf_link link;
	int fds[2], least = 1;
	char block[4096] = { 0 };

	pair(fds);
	CHECK(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &least, sizeof(least)) == 0);
	kf_link_can_from_fd(fds[0], UUID, KF_CAN_KATAPULT, NODE, &link);
	CHECK(kf_link_send(&link, block, sizeof(block), kf_now_ms() + 50) == -ETIMEDOUT);
	CHECK(kf_link_guard(&link, NULL) == 0);
	CHECK(kf_link_send(&link, block, 1000, kf_now_ms() + 50) == -ETIMEDOUT);
	CHECK(kf_link_send(&link, block, 4096, kf_now_ms() + 50) == -EMSGSIZE);
	kf_link_closep(&link);
	close(fds[1]);
}

/* The interface: answers of rtnetlink, as linux/can/netlink.h has them */

struct reply {
	_Alignas(struct nlmsghdr) char data[1024];
	size_t len;
};

static void *put_attribute(struct reply *reply, unsigned short type, const void *data, size_t len)
{
	struct rtattr *a = (struct rtattr *)(void *)(reply->data + reply->len);

	a->rta_type = type;
	a->rta_len = (unsigned short)RTA_LENGTH(len);
	if (data)
		memcpy(RTA_DATA(a), data, len);
	reply->len += RTA_SPACE(len);
	return a;
}

static struct reply link_reply(unsigned short arp, unsigned flags, uint32_t queue)
{
	struct reply reply = { .len = NLMSG_LENGTH(sizeof(struct ifinfomsg)) };
	struct nlmsghdr *head = (struct nlmsghdr *)(void *)reply.data;
	struct ifinfomsg *link = NLMSG_DATA(head);

	head->nlmsg_type = RTM_NEWLINK;
	link->ifi_type = arp;
	link->ifi_flags = flags;
	put_attribute(&reply, IFLA_TXQLEN, &queue, sizeof(queue));
	return reply;
}

static void put_can(struct reply *reply, const char *kind, uint32_t state, uint32_t bitrate)
{
	struct can_bittiming timing = { .bitrate = bitrate };
	struct rtattr *info = put_attribute(reply, IFLA_LINKINFO, NULL, 0), *data;

	put_attribute(reply, IFLA_INFO_KIND, kind, strlen(kind) + 1);
	data = put_attribute(reply, IFLA_INFO_DATA, NULL, 0);
	put_attribute(reply, IFLA_CAN_STATE, &state, sizeof(state));
	if (bitrate)
		put_attribute(reply, IFLA_CAN_BITTIMING, &timing, sizeof(timing));
	data->rta_len = (unsigned short)(reply->data + reply->len - (char *)data);
	info->rta_len = (unsigned short)(reply->data + reply->len - (char *)info);
}

static int parse(struct reply *reply, struct kf_can_state *ret)
{
	((struct nlmsghdr *)(void *)reply->data)->nlmsg_len = (uint32_t)reply->len;
	return kf_can_state_parse(reply->data, reply->len, ret);
}

TEST(an_interface_s_state_is_read)
{
	struct reply reply = link_reply(ARPHRD_CAN, IFF_UP | IFF_RUNNING, 10);
	struct kf_can_state s = { 0 };

	put_can(&reply, "can", CAN_STATE_ERROR_PASSIVE, 500000);
	CHECK(parse(&reply, &s) == 0);
	CHECK(s.can && s.up && s.carrier && s.told && s.controller == CAN_STATE_ERROR_PASSIVE);
	CHECK(s.bitrate == 500000 && s.queue_frames == 10);
	CHECK_STR(s.kind, "can");
	reply = link_reply(ARPHRD_CAN, 0, 10);
	put_can(&reply, "can", CAN_STATE_STOPPED, 0);
	CHECK(parse(&reply, &s) == 0);
	CHECK(s.can && !s.up && !s.carrier && s.bitrate == 0);
	reply = link_reply(ARPHRD_CAN, IFF_UP,
			   1000); /* vcan: its INFO_DATA would mean something else */
	put_can(&reply, "vcan", CAN_STATE_BUS_OFF, 1);
	CHECK(parse(&reply, &s) == 0);
	CHECK(s.can && s.up && !s.told && s.bitrate == 0);
	reply = link_reply(ARPHRD_ETHER, IFF_UP, 1000);
	CHECK(parse(&reply, &s) == 0 && !s.can);
}

TEST(an_answer_that_is_none_is_refused)
{
	struct reply reply = link_reply(ARPHRD_CAN, IFF_UP, 10), whole;
	struct kf_can_state s = { 0 };
	struct nlmsgerr *error;
	struct nlmsghdr *head;

	put_can(&reply, "can", CAN_STATE_ERROR_ACTIVE, 500000);
	whole = reply;
	for (reply.len = 0; reply.len < whole.len; reply.len++)
		IGNORE_RESULT(parse(&reply, &s)); /* nothing is read beyond the end */
	for (size_t i = 0; i < 16; i++)
		CHECK(kf_can_state_parse(whole.data, i, &s) == -EBADMSG);
	memset(&reply, 0, sizeof(reply));
	head = (struct nlmsghdr *)(void *)reply.data;
	head->nlmsg_type = NLMSG_ERROR;
	error = NLMSG_DATA(head);
	error->error = -ENODEV;
	reply.len = NLMSG_LENGTH(sizeof(*error));
	CHECK(parse(&reply, &s) == -ENODEV);
	head->nlmsg_type = NLMSG_DONE;
	CHECK(parse(&reply, &s) == -EBADMSG);
}

/* Each has its words, and what to type */
static void says(int r, struct reply *reply, enum kf_code code, const char *message,
		 const char *hint)
{
	struct kf_can_state s = { 0 };
	struct kf_error err = { 0 };

	CHECK(!reply || parse(reply, &s) == 0);
	CHECK(kf_can_state_words("can0", r, reply ? &s : NULL, &err) == kf_code_errno(code));
	CHECK(err.code == code);
	CHECK_STR(err.message, message);
	CHECK(strstr(err.hint, hint) != NULL);
	if (!strstr(err.hint, hint))
		printf("# hint: %s\n", err.hint);
}

TEST(each_fault_of_a_bus_has_its_words)
{
	struct reply down = link_reply(ARPHRD_CAN, 0, 10), unset = down,
		     off = link_reply(ARPHRD_CAN, IFF_UP, 10), passive = off, active = off,
		     no_can = link_reply(ARPHRD_ETHER, IFF_UP, 1000);

	put_can(&down, "can", CAN_STATE_STOPPED, 250000);
	put_can(&unset, "can", CAN_STATE_STOPPED, 0);
	put_can(&off, "can", CAN_STATE_BUS_OFF, 500000);
	put_can(&passive, "can", CAN_STATE_ERROR_PASSIVE, 500000);
	put_can(&active, "can", CAN_STATE_ERROR_ACTIVE, 1000000);
	says(-ENODEV, NULL, KF_NOT_CONNECTED, "there is no interface can0",
	     "ip -details link show");
	says(0, &no_can, KF_NOT_CONNECTED, "can0 is no CAN interface", "ip -details link show");
	says(0, &down, KF_CAN_BUS, "can0 is down", "sudo ip link set can0 up");
	says(-ENETDOWN, &unset, KF_CAN_BUS, "can0 is down",
	     "sudo ip link set can0 up type can bitrate 1000000");
	says(-ETIMEDOUT, &off, KF_CAN_BUS,
	     "can0 is bus-off: its controller met too many errors and has left the bus",
	     "sudo ip link set can0 down; sudo ip link set can0 up");
	says(-ECOMM, &active, KF_CAN_BUS,
	     "can0 is bus-off: its controller met too many errors and has left the bus", "120 ohm");
	says(-ETIMEDOUT, &passive, KF_CAN_BUS,
	     "can0 is error-passive: no node acknowledges its frames", "for 500000 bit/s");
	says(-ENOBUFS, &active, KF_CAN_BUS,
	     "the queue of can0 stays full: its frames do not go out",
	     "more than 10 frames wait: sudo ip link set can0 txqueuelen 128");
	says(-ETIMEDOUT, &active, KF_TIMEOUT, "no answer in time", "double-click its reset button");
	says(-EACCES, &active, KF_PERMISSION, "can0: Permission denied", "");
}

TEST_MAIN(T(frames_go_in_pieces_of_eight_bytes), T(only_the_node_s_answers_are_received),
	  T(an_id_that_is_taken_is_told_at_once), T(a_query_lists_the_nodes_without_an_id),
	  T(a_node_is_sent_to_its_bootloader_by_its_uuid), T(the_ids_of_nodes_that_talk_are_noted),
	  T(the_kernel_tells_who_listens_to_an_id),
	  T(a_frame_that_was_begun_goes_out_whole_if_we_are_killed),
	  T(a_guarded_link_sends_as_before_and_tells_errors),
	  T(a_bus_that_takes_nothing_ends_at_the_deadline), T(an_interface_s_state_is_read),
	  T(an_answer_that_is_none_is_refused), T(each_fault_of_a_bus_has_its_words))
