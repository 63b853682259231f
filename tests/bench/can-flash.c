/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * can-flash IF UUID FILE BITRATE: a node is sent from Klipper into Katapult, FILE is written and
 * read back, and the milliseconds of each are printed: from "02" to CONNECT's answer, written, read
 * back; and those of the bus alone for the same frames. IF "-": a simulated node on a bus of its
 * own in this process, with that bit rate; else the simulated node is on the interface.
 */
#include <err.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/file.h"
#include "katapult/session.h"
#include "link/can-link.h"
#include "sim/board.h"
#include "sim/vcan.h"

#define BLOCK_BYTES 64
#define RESET_MS    "50"
#define PATIENCE_MS 600000
#define FILE_MAX    (1 << 20)

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void check(int r, const struct kf_error *why)
{
	if (r < 0)
		errx(1, "%s", why->message);
}

struct simulated {
	const char *uuid, *bitrate;
	int fd;
};

/* The other end of the socket: one board on a bus. It runs until the process ends. */
static void *run_board(void *arg)
{
	const struct simulated *s = arg;
	static struct sim_can_bus bus;
	static struct sim_board board;
	struct kf_error why = { 0 };
	struct sim_spec spec;
	char text[256];

	snprintf(text, sizeof(text),
		 "mcu=stm32f446xx,can=bus,uuid=%s,bitrate=%s,reenum_ms=" RESET_MS, s->uuid,
		 s->bitrate);
	check(sim_spec_parse(text, &spec, &why), &why);
	check(sim_board_init(&board, &spec, &why), &why);
	bus.bitrate = spec.bitrate;
	if (!sim_can_bus_join(&bus, &board.can, &board.spec.faults))
		abort();
	for (;;) {
		sim_vcan_service(s->fd, &bus, now_us());
		sim_board_run(&board, now_us());
	}
	return NULL;
}

/* The time in ms that the bus alone needs for the frames of all blocks and of their answers. */
static double bus_ms(unsigned bitrate, size_t bytes, const uint8_t *data, bool write)
{
	size_t blocks = (bytes + BLOCK_BYTES - 1) / BLOCK_BYTES;
	double bits = 0;

	for (size_t i = 0; i < blocks; i++) {
		uint8_t long_payload[8 + BLOCK_BYTES] = { 0 }, short_payload[8] = { 0 };
		uint8_t frames[2][KF_KATAPULT_FRAME_MAX];
		size_t n = bytes - i * BLOCK_BYTES < BLOCK_BYTES ? bytes - i * BLOCK_BYTES
								 : BLOCK_BYTES;
		size_t len[2];

		memcpy(long_payload + 8, data + i * BLOCK_BYTES, n);
		len[0] = write ? kf_katapult_frame_encode(KF_KATAPULT_SEND_BLOCK, long_payload + 4,
							  68, frames[0])
			       : kf_katapult_frame_encode(KF_KATAPULT_ACK, long_payload, 72,
							  frames[0]);
		len[1] = write ? kf_katapult_frame_encode(KF_KATAPULT_ACK, short_payload, 8,
							  frames[1])
			       : kf_katapult_frame_encode(KF_KATAPULT_REQUEST_BLOCK, short_payload,
							  4, frames[1]);
		for (size_t f = 0; f < 2; f++) {
			for (size_t at = 0; at < len[f]; at += CAN_MAX_DLEN) {
				struct can_frame frame = { .can_id = 0x200 };

				frame.len = (uint8_t)(len[f] - at < CAN_MAX_DLEN ? len[f] - at
										 : CAN_MAX_DLEN);
				memcpy(frame.data, frames[f] + at, frame.len);
				bits += sim_can_frame_bits(&frame);
			}
		}
	}
	return bits * 1000 / bitrate;
}

int main(int argc, char *argv[])
{
	_cleanup_(kf_freep) char *data = NULL;
	uint8_t uuid[KF_CAN_UUID_BYTES];
	struct kf_can can = KF_CAN_NONE;
	struct kf_link link = KF_LINK_NONE;
	struct kf_error why = { 0 };
	struct kf_katapult k;
	pthread_t thread;
	int64_t times[4];
	unsigned bitrate;
	int ends[2];
	size_t len;

	if (argc != 5 || !kf_can_uuid_parse(argv[2], uuid))
		errx(64, "usage: can-flash IF UUID FILE BITRATE");
	bitrate = (unsigned)strtoul(argv[4], NULL, 10);
	check(kf_file_read(argv[3], FILE_MAX, &data, &len, &why), &why);
	if (strcmp(argv[1], "-") == 0) {
		static struct simulated s;

		if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) < 0)
			err(1, "a bus");
		s = (struct simulated){ argv[2], argv[4], ends[1] };
		if (pthread_create(&thread, NULL, run_board, &s) != 0)
			errx(1, "no thread");
		kf_can_from_fd(ends[0], &can);
		times[0] = now_us();
		check(kf_can_enter(&can, uuid, now_us() / 1000 + PATIENCE_MS, &why), &why);
		kf_link_can_from_fd(dup(ends[0]), uuid, KF_CAN_KATAPULT, 0x80, &link);
	} else {
		check(kf_can_open(argv[1], &can, &why), &why);
		check(kf_link_can_open(&can, uuid, KF_CAN_KATAPULT, &link, &why), &why);
		times[0] = now_us();
		check(kf_can_enter(&can, uuid, now_us() / 1000 + PATIENCE_MS, &why), &why);
	}
	k = (struct kf_katapult){ .link = &link, .deadline_ms = now_us() / 1000 + PATIENCE_MS };
	check(kf_katapult_connect(&k, &why), &why);
	times[1] = now_us();
	check(kf_katapult_write(&k, (uint8_t *)data, len, NULL, NULL, &why), &why);
	times[2] = now_us();
	check(kf_katapult_verify(&k, (uint8_t *)data, len, NULL, NULL, &why), &why);
	times[3] = now_us();
	check(kf_katapult_complete(&k, &why), &why);
	printf("%.1f %.1f %.1f %.1f %.1f\n", (double)(times[1] - times[0]) / 1e3,
	       (double)(times[2] - times[1]) / 1e3, (double)(times[3] - times[2]) / 1e3,
	       bus_ms(bitrate, len, (uint8_t *)data, true),
	       bus_ms(bitrate, len, (uint8_t *)data, false));
	kf_link_closep(&link);
	kf_can_closep(&can);
	return 0;
}
