/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/process.h"
#include "core/text.h"
#include "faults/bus.h"
#include "faults/lab.h"
#include "faults/transfers.h"
#include "link/link.h"

#define KEY	  "board"
#define US_PER_S  1000000
#define SETTLE_US (60LL * US_PER_S) /* at most, of the board's time */

static struct sim_bus *const no_bus; /* faults/bus.c does without */

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ((int64_t)ts.tv_sec * US_PER_S + ts.tv_nsec / 1000) * LAB_SPEED;
}

static void service(struct lab *lab)
{
	struct sim_faults *faults = &lab->port->board.spec.faults;
	struct kf_error err;

	lab->served_us = now_us();
	if (lab->hub)
		hub_service(lab->hub, lab->served_us);
	if (faults->down)
		hub_set_down(lab->hub, true);
	faults->down = false;
	if (sim_port_service(lab->port, no_bus, lab->served_us, &err) < 0) {
		fprintf(stderr, "the board: %s\n", err.message);
		abort();
	}
}

/*
 * A UART tells how many bytes it has yet to send, a pty does not: the simulator would read
 * them after the rate has changed, and take them for bytes of the new rate.
 */
static int asks = -1; /* of who flashes */

int __real_kf_link_uart_baud(struct kf_link *link, unsigned baud, int64_t deadline_ms,
			     struct kf_error *err);
int __wrap_kf_link_uart_baud(struct kf_link *link, unsigned baud, int64_t deadline_ms,
			     struct kf_error *err);

int __wrap_kf_link_uart_baud(struct kf_link *link, unsigned baud, int64_t deadline_ms,
			     struct kf_error *err)
{
	char byte = 0;

	if (send(asks, &byte, 1, MSG_NOSIGNAL) == 1)
		while (recv(asks, &byte, 1, 0) < 0 && errno == EINTR)
			;
	return __real_kf_link_uart_baud(link, baud, deadline_ms, err);
}

/* The question first: what was written before it is on the pty by then. */
static void answer(struct lab *lab)
{
	char byte;

	lab->asked |= recv(lab->asks, &byte, 1, MSG_DONTWAIT) == 1;
	if (!lab->asked || sim_port_unread(lab->port) > 0)
		return;
	lab->asked = false;
	IGNORE_RESULT(send(lab->asks, &byte, 1, MSG_NOSIGNAL));
}

/*
 * Until the board, or fd, has news, or until_us of the board's time. What fell due since the board
 * was served is not lost.
 */
static void await(const struct lab *lab, int fd, int64_t until_us)
{
	struct pollfd fds[6 + HUB_SOCKETS] = { { .fd = fd, .events = POLLIN },
					       { .fd = lab->asks, .events = POLLIN },
					       { .fd = transfers_fd(), .events = POLLIN } };
	int64_t now = now_us(), wake = sim_port_wake_us(lab->port, lab->served_us), left_us;
	struct timespec left;

	sim_port_poll(lab->port, lab->served_us, &fds[3]);
	if (lab->hub) {
		int64_t w = sim_can_bus_wake_us(&lab->hub->bus);

		hub_poll(lab->hub, &fds[5]);
		wake = w < wake ? w : wake;
	}
	if (until_us < wake)
		wake = until_us;
	left_us = wake > now ? (wake - now) / LAB_SPEED + 1 : 0;
	left.tv_sec = left_us / US_PER_S;
	left.tv_nsec = left_us % US_PER_S * 1000;
	IGNORE_RESULT(ppoll(fds, lab->hub ? KF_ARRAY_SIZE(fds) : 5,
			    wake == SIM_NEVER ? NULL : &left, NULL));
}

int lab_open(struct lab *lab, const struct sim_spec *spec, struct kf_error *err)
{
	int r = sim_port_new(spec, &lab->port, err);

	lab->hub = NULL;
	lab->asks = -1;
	if (r == 0 && spec->can[0]) {
		struct sim_board *b = &lab->port->board;

		lab->hub = malloc(sizeof(*lab->hub));
		if (!lab->hub)
			abort();
		hub_open(lab->hub);
		lab->hub->bus.late_us = spec->late_us;
		if (!sim_can_bus_join(&lab->hub->bus, &b->can, &b->spec.faults))
			abort();
	}
	if (r == 0)
		service(lab);
	return r;
}

void lab_close(struct lab *lab)
{
	if (lab->hub)
		hub_close(lab->hub);
	free(lab->hub);
	lab->hub = NULL;
	sim_bus_remove(no_bus, &lab->port->node);
	sim_port_free(&lab->port);
}

static void ignore_step(void *arg, const char *text)
{
	(void)arg;
	(void)text;
}

static void ignore_progress(void *arg, const char *what, size_t done, size_t total)
{
	(void)arg;
	(void)what;
	(void)done;
	(void)total;
}

/* The board as a record has it. False: it is not there. */
static bool find(const struct lab *lab, struct kf_board *ret)
{
	const struct sim_spec *spec = &lab->port->board.spec;
	struct kf_board_link *link = &ret->link;

	if (lab->hub) {
		*ret = (struct kf_board){ .connected = true, .mode = KF_MODE_KLIPPER };
		kf_text_format(ret->mcu, sizeof(ret->mcu), "%s", spec->mcu);
		link->type = KF_WIRE_CAN;
		kf_text_format(link->interface, sizeof(link->interface), "%s", spec->can);
		kf_can_uuid_format(spec->uuid, link->uuid);
		return true;
	}
	if (!bus_look(ret))
		return false;
	if (spec->uart) {
		link->type = KF_WIRE_UART;
		kf_text_format(link->path, sizeof(link->path), "%s", ret->tty);
		link->baud = spec->baud;
		link->katapult_baud = spec->boot_baud;
	}
	return true;
}

/* The same steps as kf-flash for one board, from its plan on. */
static void flash(const struct lab *lab, int64_t method_ms, int64_t return_ms, FILE *out)
{
	struct kf_progress progress = { ignore_step, ignore_progress, NULL };
	struct kf_plan plan = { .image = lab->image,
				.start = lab->port->board.flash.base + lab->offset,
				.start_known = true,
				.methods = { .list = { lab->method }, .count = 1 },
				.options = { .method_ms = method_ms, .return_ms = return_ms } };
	struct kf_error err = { 0 };
	json_t *flash = NULL, *line;
	int r;

	kf_text_format(plan.path, sizeof(plan.path), "%s", lab->path);
	kf_stop_install();
	if (find(lab, &plan.board)) {
		kf_text_format(plan.board.key, sizeof(plan.board.key), KEY);
		plan.current = kf_plan_noted(&plan);
		r = kf_flash_board(&plan, &progress, &flash, &err);
	} else {
		r = kf_fail(&err, KF_NOT_CONNECTED, "not connected");
	}
	line = json_pack("{s:i, s:s, s:s, s:s, s:o*}", "r", r, "code", kf_code_name(err.code),
			 "message", err.message, "hint", err.hint, "flash", flash);
	json_dumpf(line, out, JSON_COMPACT);
	json_decref(line);
	fclose(out);
}

static void copy_text(const json_t *obj, const char *name, char *ret, size_t size)
{
	const char *text = json_string_value(json_object_get(obj, name));

	kf_text_format(ret, size, "%s", text ? text : "");
}

static void read_end(int fd, struct lab_end *ret)
{
	json_t *line = json_loadfd(fd, 0, NULL);

	ret->told = line != NULL;
	ret->r = (int)json_integer_value(json_object_get(line, "r"));
	copy_text(line, "code", ret->code, sizeof(ret->code));
	copy_text(line, "message", ret->message, sizeof(ret->message));
	copy_text(line, "hint", ret->hint, sizeof(ret->hint));
	copy_text(json_object_get(line, "flash"), "result", ret->word, sizeof(ret->word));
	json_decref(line);
}

/* Its end is seen by the pipe's. */
static void supervise(struct lab *lab, pid_t pid, int fd, const struct lab_kill *k)
{
	struct pollfd end = { .fd = fd, .events = POLLIN };
	bool killed = !k || !k->signal;

	while (poll(&end, 1, 0) == 0) {
		service(lab);
		answer(lab);
		if (!killed && lab->port->board.spec.faults.frames[k->direction] >= k->at) {
			kf_process_signal(pid, k->signal);
			killed = true;
		}
		await(lab, fd, SIM_NEVER);
	}
}

/* Let the board come to rest: what it was told, it does. */
static void settle(struct lab *lab)
{
	int64_t until_us = now_us() + SETTLE_US;

	do {
		service(lab);
		if (sim_port_wake_us(lab->port, lab->served_us) == SIM_NEVER)
			break;
		await(lab, -1, until_us);
	} while (now_us() < until_us);
}

void lab_flash(struct lab *lab, int64_t method_ms, int64_t return_ms, const struct lab_kill *k,
	       struct lab_end *ret)
{
	int fds[2], line[2];
	pid_t pid;

	*ret = (struct lab_end){ 0 };
	transfers_begin();
	if (pipe(fds) < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, line) < 0 ||
	    (pid = fork()) < 0)
		abort();
	if (pid == 0) {
		close(fds[0]);
		close(line[0]);
		transfers_take_client();
		asks = line[1];
		/* Else the port would not hang up when the board leaves. */
		sim_pty_close(&lab->port->pty);
		flash(lab, method_ms, return_ms, fdopen(fds[1], "w"));
		_exit(0);
	}
	close(fds[1]);
	close(line[1]);
	transfers_take_server();
	lab->asks = line[0];
	lab->asked = false;
	supervise(lab, pid, fds[0], k);
	kf_closep(&lab->asks);
	transfers_end();
	read_end(fds[0], ret);
	close(fds[0]);
	waitpid(pid, &ret->wait_status, 0);
	if (lab->hub)
		hub_set_down(lab->hub, false);
	settle(lab);
}

void lab_power_cycle(struct lab *lab, bool button)
{
	enum sim_button held = kf_method_row(lab->method)->rom ? SIM_BUTTON_BOOT : SIM_BUTTON_RESET;

	sim_board_unplug(&lab->port->board);
	service(lab);
	sim_board_plug(&lab->port->board, button ? held : SIM_BUTTON_NONE, now_us());
	settle(lab);
}

bool lab_holds(const struct lab *lab)
{
	const struct sim_board *b = &lab->port->board;

	return memcmp(b->flash.data + lab->offset, lab->image.data, lab->image.len) == 0;
}

bool lab_runs(const struct lab *lab)
{
	const struct sim_board *b = &lab->port->board;

	return b->mode == KF_MODE_KLIPPER && lab_holds(lab) &&
	       strcmp(b->firmware.version, lab->image.dictionary.version) == 0;
}

/*
 * A 01 that stays there begins half a frame, or a bad one, and what comes behind it does not
 * help. Other bytes are skipped.
 */
bool lab_wedged(const struct lab *lab)
{
	const struct sim_board *b = &lab->port->board;

	return b->link.mute_until_us == SIM_NEVER ||
	       (b->mode == KF_MODE_KATAPULT &&
		memchr(b->katapult.mcu.rx, 0x01, b->katapult.mcu.rx_len));
}

bool lab_hangs(const struct lab *lab)
{
	const struct sim_board *b = &lab->port->board;

	return !b->link.mcu && !b->can.mcu && !b->rom;
}
