/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which program runs on a node: simulated ones, on a bus that two sockets of the host are on. */
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "katapult/can-probe.h"
#include "katapult/session.h"
#include "sim/can-bus.h"
#include "sim/firmware.h"
#include "sim/katapult.h"
#include "sim/klipper.h"
#include "unit/test.h"

#define START	0x08008000u
#define LONG_MS 10000 /* only for what has to come */

static const uint8_t UUID[KF_CAN_UUID_BYTES] = { 0x40, 0xf8, 0x4a, 0x5a, 0xf3, 0x6e };

static struct {
	struct sim_flash flash;
	struct sim_firmware firmware;
	struct sim_katapult katapult;
	struct sim_klipper klipper;
	struct sim_can_node node, twin;
	struct sim_can_bus bus;
	unsigned deaf_frames; /* so many are lost first: it is starting up */
	int hosts[2];
	pthread_t thread;
} rig;

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* To the node, and to the host's other program. */
static void carry(int from)
{
	struct can_frame frame;

	while (recv(rig.hosts[from], &frame, sizeof(frame), MSG_DONTWAIT) > 0) {
		IGNORE_RESULT(send(rig.hosts[!from], &frame, sizeof(frame), MSG_NOSIGNAL));
		if (rig.deaf_frames > 0)
			rig.deaf_frames--;
		else
			sim_can_bus_write(&rig.bus, &frame, now_us());
	}
}

static void *be_bus(void *arg)
{
	struct pollfd fds[2] = { { .fd = rig.hosts[0], .events = POLLIN },
				 { .fd = rig.hosts[1], .events = POLLIN } };
	struct can_frame frame;

	while (poll(fds, 2, 5) >= 0 && !((fds[0].revents | fds[1].revents) & POLLHUP)) {
		carry(0);
		carry(1);
		sim_can_bus_run(&rig.bus, now_us());
		while (sim_can_bus_read(&rig.bus, &frame))
			for (int i = 0; i < 2; i++)
				IGNORE_RESULT(
					send(rig.hosts[i], &frame, sizeof(frame), MSG_NOSIGNAL));
	}
	return arg;
}

static void set_up_node(void)
{
	struct kf_error err;

	CHECK(sim_flash_init(&rig.flash, "stm32f446xx", 0, NULL) == 0);
	CHECK(sim_firmware_make(&rig.flash, START, "Klipper", "stm32f446xx", "v1", &err) == 0);
	CHECK(sim_firmware_find(&rig.flash, START, "stm32f446xx", &rig.firmware, &err) == 0);
	strcpy(rig.katapult.name, "stm32f446xx");
	rig.katapult.flash = &rig.flash;
	rig.katapult.start = START;
	rig.katapult.block_bytes = 64;
	sim_katapult_init(&rig.katapult, SIM_WIRE_CAN);
	sim_klipper_init(&rig.klipper, SIM_WIRE_CAN);
	rig.klipper.identify = rig.firmware.dictionary;
	rig.klipper.identify_len = rig.firmware.dictionary_len;
	memcpy(rig.node.uuid, UUID, sizeof(UUID));
}

/* Probes a node that runs this program; the links stay open. */
static int probe(struct sim_mcu *mcu, unsigned deaf_frames, int64_t ms, struct kf_link links[2],
		 enum kf_can_application *ret, struct kf_error *err)
{
	int fds[2];

	sim_can_node_reset(&rig.node, mcu, mcu == &rig.klipper.mcu);
	rig.deaf_frames = deaf_frames;
	if (mcu)
		CHECK(sim_can_bus_join(&rig.bus, &rig.node, NULL));
	for (int i = 0; i < 2; i++) {
		CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) == 0);
		rig.hosts[i] = fds[1];
		kf_link_can_from_fd(fds[0], UUID, i == 0 ? KF_CAN_KATAPULT : KF_CAN_KLIPPER,
				    (uint8_t)(0xa0 + i), &links[i]);
	}
	CHECK(pthread_create(&rig.thread, NULL, be_bus, NULL) == 0);
	return kf_can_probe(&links[0], &links[1], kf_now_ms() + ms, ret, err);
}

static void end(struct kf_link links[2])
{
	kf_link_closep(&links[0]);
	kf_link_closep(&links[1]);
	CHECK(pthread_join(rig.thread, NULL) == 0);
	close(rig.hosts[0]);
	close(rig.hosts[1]);
	sim_flash_free(&rig.flash);
}

static void finds(bool klipper, unsigned deaf_frames)
{
	enum kf_can_application application = 0;
	struct kf_link links[2];
	struct kf_error err = { 0 };
	struct kf_katapult k = { .link = &links[0], .deadline_ms = kf_now_ms() + LONG_MS };

	memset(&rig, 0, sizeof(rig));
	set_up_node();
	CHECK(probe(klipper ? &rig.klipper.mcu : &rig.katapult.mcu, deaf_frames, LONG_MS, links,
		    &application, &err) == 0);
	CHECK_STR(err.message, "");
	CHECK(application == (klipper ? KF_CAN_KLIPPER : KF_CAN_KATAPULT));
	/* It was not wedged by what was for Klipper. */
	if (!klipper) {
		CHECK(kf_katapult_connect(&k, &err) == 0 && kf_katapult_finish(&k, &err) == 0);
		CHECK(!rig.katapult.nacked);
	}
	end(links);
}

TEST(a_katapult_is_found_and_stays_well)
{
	finds(false, 0);
}

TEST(a_klipper_is_found)
{
	finds(true, 0);
}

TEST(a_node_that_starts_up_is_asked_again)
{
	finds(false, 9);
	finds(true, 9);
}

TEST(silence_ends_at_the_deadline)
{
	enum kf_can_application application = 0;
	struct kf_link links[2];
	struct kf_error err = { 0 };

	memset(&rig, 0, sizeof(rig));
	set_up_node();
	CHECK(probe(NULL, 0, 200, links, &application, &err) == -ETIMEDOUT);
	CHECK(err.code == KF_TIMEOUT && application == 0);
	end(links);
}

/* The twin does not get the request'th one that goes to all nodes (0: it gets all of them). */
static void twin_is_told(bool klipper, unsigned request)
{
	struct sim_mcu *mcus[2] = { &rig.katapult.mcu, &rig.klipper.mcu };
	struct sim_faults faults = { .count = request > 0 };
	enum kf_can_application application = 0;
	struct kf_link links[2];
	struct kf_error err = { 0 };

	memset(&rig, 0, sizeof(rig));
	set_up_node();
	memcpy(rig.twin.uuid, UUID, sizeof(UUID));
	sim_can_node_reset(&rig.twin, mcus[klipper], klipper);
	faults.list[0] = (struct sim_fault){ .kind = SIM_FAULT_DROP, .at = request };
	CHECK(sim_can_bus_join(&rig.bus, &rig.twin, &faults));
	CHECK(probe(mcus[!klipper], 0, LONG_MS, links, &application, &err) ==
	      kf_code_errno(KF_AMBIGUOUS));
	CHECK(err.code == KF_AMBIGUOUS);
	CHECK(strstr(err.hint, "take one of them off the bus"));
	end(links);
}

/* One in Katapult, the other in Klipper: neither may be taken for the one that is meant. */
TEST(two_nodes_of_one_uuid_are_ambiguous)
{
	twin_is_told(true, 0);
	twin_is_told(false, 0);
}

/* First "11" goes to all, for a Katapult, and then "01", for a Klipper. */
TEST(a_twin_that_lost_the_first_request_is_told_too)
{
	twin_is_told(true, 2);
	twin_is_told(false, 1);
}

TEST_MAIN(T(a_katapult_is_found_and_stays_well), T(a_klipper_is_found),
	  T(a_node_that_starts_up_is_asked_again), T(silence_ends_at_the_deadline),
	  T(two_nodes_of_one_uuid_are_ambiguous), T(a_twin_that_lost_the_first_request_is_told_too))
