/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kf-sim: run a command on a machine with simulated boards plugged in: under umockdev's preload
 * library, with a testbed of ours. Both ends talk through ptys, and everything is gone
 * when the command ends.
 */
#include <dlfcn.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/process.h"
#include "core/text.h"
#include "sim/control.h"
#include "sim/port.h"
#include "sim/state.h"
#include "sim/vcan.h"
#include "terminal/log.h"
#include "terminal/usage.h"

#define BOARDS_MAX 16
#define UMOCKDEV   "libumockdev-preload.so.0"
#define OURS	   "kf-sim.so" /* preload.c */
#define US_PER_S   1000000

/* A CAN bus, as the boards name it: the interface that they start with. */
struct can {
	char name[16], shown[16]; /* shown: of the kernel's interface; empty: none */
	int fd;
	bool bridged; /* the interface is a board's */
	struct sim_can_bus bus;
};

struct sim {
	struct sim_bus bus;
	struct can *cans[BOARDS_MAX];
	size_t can_count;
	struct sim_control control;
	struct sim_port *ports[BOARDS_MAX];
	size_t count;
	bool verbose;
	int signals;
	pid_t child;
	int status;	   /* wait(2)'s, once child is 0 */
	int64_t served_us; /* the time that the boards have been run to */
};

static const char letters[] = "+b:vhV"; /* of the options */

static const char help[] =
	"usage: kf-sim [-v] [--board SPEC]... [--] COMMAND [ARG...]\n"
	"\n"
	"Run COMMAND on a machine where simulated boards are plugged in. Its exit status\n"
	"is kf-sim's; 128+N if signal N ended it, 127 if it was not found. It may write\n"
	"\"unplug PORT\", \"plug PORT\", \"replug PORT\", \"button PORT\" (plugged in with the\n"
	"reset button double-clicked), \"boot PORT\" (with the BOOT button held: the chip's own\n"
	"bootloader) and \"touch PORT\" (DTR off at 1200 baud, which a pty cannot say, while\n"
	"others may have the port open) to the FIFO $KF_SIM_CONTROL, and then read \"done\" from\n"
	"$KF_SIM_CONTROL.done. The PORT of a node on a CAN bus is its UUID.\n"
	"\n"
	"  -b, --board=SPEC   plug in a board; may be given 16 times\n"
	"  -v, --verbose      say on stderr what the boards do\n"
	"  -h, --help         show this help\n"
	"  -V, --version      show the version\n"
	"\n";
_Static_assert(BOARDS_MAX == 16, "the help names it");

/* A library that cannot be loaded would leave COMMAND alone with the real machine. */
static bool loads(const char *path)
{
	void *library = dlopen(path, RTLD_LAZY | RTLD_LOCAL);

	if (library)
		dlclose(library);
	return library;
}

/* Beside us where we were built, else where "make install-sim" has put it. */
static int find_ours(char ret[PATH_MAX], struct kf_error *err)
{
	static const char *const places[] = { "", "../libexec/kalico-flash/" };
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *name = NULL;

	self[n < 0 ? 0 : n] = '\0';
	name = strrchr(self, '/');
	for (size_t i = 0; name && i < KF_ARRAY_SIZE(places); i++)
		if (kf_text_format(ret, PATH_MAX, "%.*s%s" OURS, (int)(name + 1 - self), self,
				   places[i]) &&
		    access(ret, R_OK) == 0)
			break;
	if (!loads(ret))
		return kf_fail(err, KF_CONFIG, "%s", dlerror());
	if (strpbrk(ret, " :"))
		return kf_fail(err, KF_CONFIG,
			       "%s: LD_PRELOAD takes no path with a blank or a colon", ret);
	return 0;
}

/*
 * COMMAND's environment. AddressSanitizer wants to be first in the list, but is not in every
 * COMMAND: it is told to accept its place.
 */
static int set_preload(struct kf_error *err)
{
	const char *old = getenv("LD_PRELOAD"), *asan = getenv("ASAN_OPTIONS");
	char ours[PATH_MAX], list[2 * PATH_MAX];
	int r = find_ours(ours, err);

	if (r < 0)
		return r;
	if (!loads(UMOCKDEV))
		return kf_fail(err, KF_CONFIG, "%s (Debian's package umockdev has it)", dlerror());
	snprintf(list, sizeof(list), "%s:%s%s%s", ours, UMOCKDEV, old && *old ? ":" : "",
		 old ? old : "");
	setenv("LD_PRELOAD", list, 1);
	snprintf(list, sizeof(list), "%s%sverify_asan_link_order=0", asan ? asan : "",
		 asan && *asan ? ":" : "");
	setenv("ASAN_OPTIONS", list, 1);
	return 0;
}

static void watch_signals(struct sim *sim)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGQUIT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	sim->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static void receive_signals(struct sim *sim)
{
	struct signalfd_siginfo si;

	while (read(sim->signals, &si, sizeof(si)) == sizeof(si)) {
		/* Signals of the terminal reach COMMAND by themselves. */
		if (si.ssi_signo != SIGCHLD && si.ssi_code != SI_KERNEL && sim->child)
			kf_process_signal(sim->child, (int)si.ssi_signo);
	}
	if (sim->child && waitpid(sim->child, &sim->status, WNOHANG) == sim->child)
		sim->child = 0;
}

static void report(const struct sim *sim, struct sim_port *port)
{
	const char *mode = kf_mode_name(port->board.mode);

	if (!sim->verbose)
		return;
	fprintf(stderr, "kf-sim: %s: %s%s%s%s%s\n", port->board.port, mode ? mode : "off the bus",
		port->node.name[0] ? " on /dev/" : "", port->node.name,
		port->board.news[0] ? ": " : "", port->board.news);
	port->board.news[0] = '\0';
}

static void obey(struct sim *sim)
{
	char verb[32], name[64];

	while (sim_control_next(&sim->control, verb, name)) {
		struct sim_board *b = NULL;

		for (size_t i = 0; i < sim->count; i++)
			if (strcmp(sim->ports[i]->board.spec.port, name) == 0)
				b = &sim->ports[i]->board;
		if (!b) {
			kf_log_warn(NULL, "%s %s: no board has that port", verb, name);
			continue;
		}
		if (strcmp(verb, "touch") == 0) {
			sim_board_close(b, true, sim_now_us());
			continue;
		}
		if (strcmp(verb, "plug") != 0)
			sim_board_unplug(b);
		if (strcmp(verb, "unplug") != 0)
			sim_board_plug(b,
				       strcmp(verb, "button") == 0 ? SIM_BUTTON_RESET
				       : strcmp(verb, "boot") == 0 ? SIM_BUTTON_BOOT
								   : SIM_BUTTON_NONE,
				       sim_now_us());
	}
}

/* A process that closes a tty asks how many bytes its board has not taken. */
static void answer(struct sim *sim)
{
	struct sim_question question;

	while (sim_control_asked(&sim->control, &question)) {
		size_t bytes = 0;

		for (size_t i = 0; i < sim->count; i++)
			if (sim->ports[i]->pty.device == question.tty)
				bytes = sim_port_queued(sim->ports[i]);
		sim_control_tell(&sim->control, &question, (int)bytes);
	}
}

/* The bus of that name, which need not have an interface yet. */
static struct can *find_can(struct sim *sim, const char *name)
{
	struct can *can;

	for (size_t i = 0; i < sim->can_count; i++)
		if (strcmp(sim->cans[i]->name, name) == 0)
			return sim->cans[i];
	can = calloc(1, sizeof(*can));
	if (!can)
		return NULL;
	kf_text_format(can->name, sizeof(can->name), "%s", name);
	can->fd = -1;
	sim->cans[sim->can_count++] = can;
	return can;
}

static void service_cans(struct sim *sim)
{
	for (size_t i = 0; i < sim->can_count; i++)
		sim_vcan_service(sim->cans[i]->fd, &sim->cans[i]->bus, sim->served_us);
}

/* A bridge came or left, and with it its interface. */
static void follow(struct sim *sim, const struct sim_port *port)
{
	struct kf_error err;

	for (size_t i = 0; i < sim->can_count; i++) {
		struct can *can = sim->cans[i];

		if (!port->board.spec.bridge || strcmp(can->name, port->board.spec.can) != 0)
			continue;
		kf_closep(&can->fd);
		kf_text_format(can->shown, sizeof(can->shown), "%s", port->node.net);
		if (can->shown[0] && sim_vcan_open(can->shown, &can->fd, &err) < 0 && sim->verbose)
			kf_log_error(NULL, &err);
	}
}

static void set_down(struct sim *sim, struct sim_board *board)
{
	if (!board->spec.faults.down)
		return;
	sim_vcan_down(find_can(sim, board->spec.can)->shown);
	board->spec.faults.down = false;
}

static int service_port(struct sim *sim, struct sim_port *port, struct kf_error *err)
{
	int r = sim_port_service(port, &sim->bus, sim->served_us, err);

	if (r > 0) {
		follow(sim, port);
		report(sim, port);
	}
	return r < 0 ? r : 0;
}

/* The buses twice: a board may have come back to one. */
static void service(struct sim *sim)
{
	struct kf_error err;

	sim->served_us = sim_now_us();
	service_cans(sim);
	for (size_t i = 0; i < sim->count; i++)
		if (service_port(sim, sim->ports[i], &err) < 0)
			kf_log_error(sim->ports[i]->board.port, &err);
	service_cans(sim);
	for (size_t i = 0; i < sim->count; i++)
		set_down(sim, &sim->ports[i]->board);
}

/* Until something is due after the time that was served: what fell due since then is not lost. */
static void await(struct sim *sim)
{
	struct pollfd fds[3 + 3 * BOARDS_MAX] = {
		{ .fd = sim->signals, .events = POLLIN },
		{ .fd = sim->control.fd, .events = POLLIN },
		{ .fd = sim->control.queued, .events = POLLIN },
	};
	int64_t now = sim_now_us(), wake = SIM_NEVER;
	struct timespec left;

	for (size_t i = 0; i < sim->count; i++) {
		int64_t w = sim_port_wake_us(sim->ports[i], sim->served_us);

		sim_port_poll(sim->ports[i], sim->served_us, &fds[3 + 2 * i]);
		if (w < wake)
			wake = w;
	}
	for (size_t i = 0; i < sim->can_count; i++) {
		int64_t w = sim_can_bus_wake_us(&sim->cans[i]->bus);

		fds[3 + 2 * sim->count + i] = (struct pollfd){ sim->cans[i]->fd, POLLIN, 0 };
		if (w < wake)
			wake = w;
	}
	left.tv_sec = wake > now ? (wake - now) / US_PER_S : 0;
	left.tv_nsec = wake > now ? (wake - now) % US_PER_S * 1000 : 0;
	IGNORE_RESULT(ppoll(fds, 3 + 2 * sim->count + sim->can_count,
			    wake == SIM_NEVER ? NULL : &left, NULL));
}

static int start(struct sim *sim, char *argv[], struct kf_error *err)
{
	struct kf_process p = {
		.argv = (const char *const *)argv,
		.in = STDIN_FILENO,
		.out = STDOUT_FILENO,
		.err = STDERR_FILENO,
		.foreground = true,
	};

	return kf_process_start(&p, &sim->child, err);
}

static int join(struct sim *sim, struct sim_board *board, struct kf_error *err)
{
	const struct sim_spec *spec = &board->spec;
	struct can *can = spec->can[0] ? find_can(sim, spec->can) : NULL;

	if (!spec->can[0])
		return 0;
	if (!can || !sim_can_bus_join(&can->bus, &board->can, &board->spec.faults))
		return kf_fail_sys(err, ENOMEM, "%s", spec->can);
	can->bridged |= spec->bridge;
	if (spec->bitrate)
		can->bus.bitrate = spec->bitrate;
	if (spec->late_us)
		can->bus.late_us = spec->late_us;
	return 0;
}

/* The buses whose interface is not a board's. */
static int open_cans(struct sim *sim, struct kf_error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < sim->can_count; i++)
		if (!sim->cans[i]->bridged) {
			struct can *can = sim->cans[i];

			kf_text_format(can->shown, sizeof(can->shown), "%s", can->name);
			r = sim_vcan_open(can->name, &can->fd, err);
		}
	return r;
}

static int plug_in(struct sim *sim, const struct sim_spec *specs, size_t count,
		   struct kf_error *err)
{
	int r = sim_bus_open(&sim->bus, err);

	if (r == 0)
		r = sim_control_open(&sim->control, sim->bus.root, err);
	for (size_t i = 0; r == 0 && i < count; i++) {
		r = sim_port_new(&specs[i], &sim->ports[i], err);
		if (r < 0)
			break;
		sim->count = i + 1;
		r = join(sim, &sim->ports[i]->board, err);
	}
	sim->served_us = sim_now_us();
	for (size_t i = 0; r == 0 && i < sim->count; i++)
		r = service_port(sim, sim->ports[i], err);
	return r < 0 ? r : open_cans(sim, err);
}

static int save(struct sim *sim, struct kf_error *err)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < sim->count; i++) {
		const struct sim_board *b = &sim->ports[i]->board;

		if (b->spec.state[0])
			r = sim_state_save(b->spec.state, &b->flash, b->mode, err);
	}
	return r;
}

static int run(struct sim *sim, const struct sim_spec *specs, size_t count, char *argv[],
	       struct kf_error *err)
{
	int r = plug_in(sim, specs, count, err);

	if (r < 0)
		return r;
	r = set_preload(err);
	if (r < 0)
		return r;
	r = start(sim, argv, err);
	if (r < 0)
		return r == -ENOENT ? 127 : 126;
	while (sim->child) {
		service(sim);
		sim_control_answer(&sim->control);
		await(sim);
		receive_signals(sim);
		obey(sim);
		answer(sim);
	}
	r = save(sim, err);
	return r < 0 ? r : kf_process_status(sim->status);
}

static void unplug_all(struct sim *sim)
{
	for (size_t i = 0; i < sim->count; i++) {
		sim_bus_remove(&sim->bus, &sim->ports[i]->node);
		sim_port_free(&sim->ports[i]);
	}
	for (size_t i = 0; i < sim->can_count; i++) {
		kf_closep(&sim->cans[i]->fd);
		free(sim->cans[i]);
	}
	sim_control_close(&sim->control);
	sim_bus_close(&sim->bus);
}

int main(int argc, char *argv[])
{
	static const struct option options[] = {
		{ "board", required_argument, NULL, 'b' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	static struct sim_spec specs[BOARDS_MAX];
	static struct sim sim = { .control = SIM_CONTROL_CLOSED };
	struct kf_error err = { 0 };
	size_t count = 0;
	int c, r;

	kf_log_init("kf-sim", false);
	kf_usage_called(argv);
	while ((c = getopt_long(argc, argv, letters, options, NULL)) != -1) {
		switch (c) {
		case 'b':
			if (count == BOARDS_MAX)
				r = kf_fail(&err, KF_USAGE, "more than %d boards", BOARDS_MAX);
			else
				r = sim_spec_parse(optarg, &specs[count++], &err);
			if (r < 0)
				return kf_usage_error(&err);
			break;
		case 'v':
			sim.verbose = true;
			break;
		case 'h':
			r = kf_usage_print(help);
			return r ? r : kf_usage_print(SIM_SPEC_HELP);
		case 'V':
			return kf_usage_print("kf-sim " KF_VERSION "\n");
		default:
			return kf_usage_see(options, letters, argv);
		}
	}
	if (optind == argc)
		return kf_usage_mistake("no COMMAND: what shall run beside the boards?");
	watch_signals(&sim);
	r = run(&sim, specs, count, argv + optind, &err);
	unplug_all(&sim);
	if (err.code != KF_OK)
		kf_log_error(NULL, &err);
	return r < 0 ? kf_code_status(err.code) : r;
}
