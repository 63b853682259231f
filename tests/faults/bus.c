/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "board/identity.h"
#include "core/clock.h"
#include "core/text.h"
#include "faults/bus.h"
#include "faults/transfers.h"
#include "sim/bus.h"

struct kf_monitor {
	int fd;
};

static struct {
	atomic_uint sequence; /* odd: board is being written */
	bool present;
	struct kf_board board;
} * shared;

static int events = -1;

void bus_init(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	events = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (shared == MAP_FAILED || events < 0)
		abort();
}

static void show(bool present, const struct kf_board *board)
{
	uint64_t one = 1;

	atomic_fetch_add(&shared->sequence, 1);
	shared->present = present;
	shared->board = *board;
	atomic_fetch_add(&shared->sequence, 1);
	IGNORE_RESULT(write(events, &one, sizeof(one)));
}

bool bus_look(struct kf_board *ret)
{
	unsigned before, after;
	bool present;

	do {
		before = atomic_load(&shared->sequence);
		present = shared->present;
		*ret = shared->board;
		after = atomic_load(&shared->sequence);
	} while (before != after || before % 2 != 0);
	return present;
}

unsigned bus_generation(void)
{
	return atomic_load(&shared->sequence);
}

/* The simulator's side */

int sim_bus_add(struct sim_bus *bus, const struct sim_identity *id, const char *slave,
		struct sim_node *ret, struct kf_error *err)
{
	struct kf_board board = { .connected = true };
	struct kf_usb *usb = &board.usb;

	(void)bus;
	(void)err;
	kf_text_format(usb->vendor, sizeof(usb->vendor), "%s", id->usb.vendor);
	kf_text_format(usb->product, sizeof(usb->product), "%s", id->usb.product);
	kf_text_format(usb->manufacturer, sizeof(usb->manufacturer), "%s", id->manufacturer);
	kf_text_format(usb->model, sizeof(usb->model), "%s", id->product);
	kf_text_format(usb->serial, sizeof(usb->serial), "%s", id->serial);
	kf_text_format(usb->port, sizeof(usb->port), "%s", id->port);
	kf_text_format(board.tty, sizeof(board.tty), "%s", id->tty ? slave : "");
	board.mode = kf_identity_mode(usb);
	kf_identity_mcu(usb, board.mcu);
	show(true, &board);
	*ret = (struct sim_node){ .present = true };
	return 0;
}

void sim_bus_remove(struct sim_bus *bus, struct sim_node *node)
{
	(void)bus;
	if (node->present)
		show(false, &(struct kf_board){ 0 });
	*node = (struct sim_node){ 0 };
}

/* The side of those who flash */

/*
 * In the C library's place. TIOCEXCL would outlast a killed client, since the board keeps the pty
 * from its last close: a USB serial port has none there.
 */
int ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	return request == TIOCEXCL ? 0 : (int)syscall(SYS_ioctl, fd, request, arg);
}

int kf_boards_add(struct kf_boards *boards, const struct kf_board *board)
{
	struct kf_board *list = reallocarray(boards->list, boards->count + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	boards->list = list;
	boards->list[boards->count++] = *board;
	return 0;
}

void kf_boards_free(struct kf_boards *boards)
{
	free(boards->list);
	*boards = (struct kf_boards){ 0 };
}

int kf_usb_scan(struct kf_boards *ret, struct kf_error *err)
{
	struct kf_board board;

	(void)err;
	*ret = (struct kf_boards){ 0 };
	return bus_look(&board) ? kf_boards_add(ret, &board) : 0;
}

int kf_monitor_new(struct kf_monitor **ret, struct kf_error *err)
{
	(void)err;
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

void kf_monitor_free(struct kf_monitor **monitor)
{
	free(*monitor);
	*monitor = NULL;
}

/* No USB device here is anything but the board. */
bool kf_usb_device(const char *port, struct kf_board *ret)
{
	(void)port;
	(void)ret;
	return false;
}

static bool is_there(kf_monitor_want *want, void *arg, struct kf_board *ret)
{
	struct kf_board board;
	struct kf_boards now = { &board, 1 };

	return bus_look(&board) && want(&now, arg, ret);
}

int kf_monitor_wait(struct kf_monitor *monitor, kf_monitor_want *want, void *arg,
		    int64_t deadline_ms, struct kf_board *ret, struct kf_error *err)
{
	struct pollfd pfd = { .fd = events, .events = POLLIN };
	uint64_t count;
	int r;

	(void)monitor;
	while (!is_there(want, arg, ret)) {
		r = kf_wait(&pfd, 1, deadline_ms);
		if (r == 0)
			return kf_fail(err, KF_TIMEOUT, "no such board was connected");
		if (r < 0)
			return kf_fail_sys(err, -r, "stopped waiting for a board");
		IGNORE_RESULT(read(events, &count, sizeof(count)));
	}
	return 0;
}

void sim_bus_run(const struct sim_node *node, sim_usb_answer_fn *answer, void *context)
{
	(void)node;
	transfers_run(answer, context);
}

/* The lab polls the descriptor: who has opened a board that is gone asks, too. */
int sim_bus_fd(const struct sim_node *node)
{
	(void)node;
	return -1;
}
