/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The lease server: keeps units stopped while a lease client holds its connection
 * (systemd/lease.h). systemd starts one for each connection, which is standard input, and
 * "kf-leased --settle" after it.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/text.h"
#include "flash/print-guard.h"
#include "klippy/klippy.h"
#include "systemd/leases.h"
#include "systemd/pending.h"
#include "systemd/server.h"
#include "terminal/log.h"
#include "terminal/options.h"
#include "terminal/usage.h"
#include "usb/holder.h"

enum { TIMEOUT_MS = 30000, PATH_SIZE = 512 };

static const char help[] =
	"usage: kf-leased\n"
	"       kf-leased --settle [-t S]\n"
	"       kf-leased --check\n"
	"\n"
	"Keep services stopped for a client that holds a lease on them. Started by\n"
	"kalico-flash.socket when kf-service hold connects to it.\n"
	"\n"
	"      --settle        start units that have to run again and nobody holds\n"
	"      --check         if a lease is held, name its user and fail (75)\n"
	"  -t, --timeout=S     seconds that a unit has to start (default: 30)\n"
	"  -h, --help          show this\n"
	"  -V, --version       show the version\n";

/* The Klippies of one unit. */
struct search {
	const char *unit;
	struct kf_print_guard guard;
	struct kf_error *err;
	bool found;
	int r;
};

static bool check_klippy(const struct kf_klippy *klippy, void *arg)
{
	struct search *search = arg;
	struct kf_holder holder = kf_holder_of(klippy->pid);

	if (strcmp(holder.unit, search->unit) != 0)
		return true;
	search->found = true;
	search->r = kf_print_guard_holder(&search->guard, &holder, search->err);
	return search->r == 0;
}

/* Each Klippy in the unit is asked, else the main process of a unit that bears Klipper's name. */
static int may_stop(const char *unit, pid_t main_pid, bool while_unknown, struct kf_error *err)
{
	struct search search = { .unit = unit,
				 .guard = { .while_unknown = while_unknown },
				 .err = err };
	struct kf_holder holder = { .pid = main_pid };

	if (!kf_klippy_each(check_klippy, &search) && search.r == 0)
		return kf_fail(err, KF_PRINTER_UNKNOWN, "/proc does not show which programs run");
	if (!search.found) {
		KF_COPY(holder.unit, unit);
		search.r = kf_print_guard_holder(&search.guard, &holder, err);
	}
	kf_print_guard_free(&search.guard);
	return search.r;
}

static void tell_lease(const char *client, const char *units)
{
	kf_log_phase("Lease", NULL, "%s holds %s", client, units);
}

/* Move the connection from standard input to another descriptor; -1: there is none. */
static int take_connection(void)
{
	_cleanup_(kf_closep) int null = open("/dev/null", O_RDONLY | O_CLOEXEC), fd = -1;
	socklen_t len = sizeof(int);
	int type = 0;

	if (getsockopt(STDIN_FILENO, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	    type == SOCK_SEQPACKET)
		fd = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
	return fd >= 0 && dup2(null, STDIN_FILENO) < 0 ? -1 : TAKE_FD(fd);
}

static int serve(const struct kf_lease_server *server, struct kf_error *err)
{
	if (server->connection >= 0)
		return kf_lease_serve(server, err);
	kf_fail(err, KF_USAGE, "standard input is not the connection of a lease client");
	return kf_error_hint(err, "it is started by systemd: systemctl status kalico-flash.socket");
}

/* systemd tells ExecStopPost= how the main process ended (systemd.exec(5)). */
static bool was_killed(void)
{
	const char *code = getenv("EXIT_CODE");

	return code && strcmp(code, "exited") != 0;
}

static int settle(const struct kf_lease_server *server, int64_t timeout_ms, struct kf_error *err)
{
	struct kf_pending list[KF_PENDINGS_MAX];
	int count, r = 0;

	/* A unit that did not start is tried again below, which also reports it. */
	if (server->connection >= 0 && was_killed())
		IGNORE_RESULT(kf_lease_resume(server, timeout_ms, err));
	count = kf_pending_list(server->restarts, list, err);
	if (count <= 0)
		return count;
	r = kf_pending_settle(server->restarts, list, (size_t)count, timeout_ms, err);
	for (int i = 0; i < count; i++) {
		if (list[i].settled == KF_SETTLED_STARTED)
			kf_log_phase("Lease", list[i].unit, "started: its lease has ended");
		else if (list[i].settled == KF_SETTLED_LEFT)
			kf_log_phase("Lease", list[i].unit, "stays stopped: %s",
				     list[i].err.message);
	}
	return r;
}

static int check(const struct kf_lease_server *server, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *leases = kf_leases_list(server->leases, NULL);
	const json_t *first = json_array_get(leases, 0), *units = json_object_get(first, "units");
	char name[512];
	int r;

	if (!first)
		return 0;
	kf_leases_name(first, name, sizeof(name));
	r = units ? kf_fail(err, KF_BUSY, "%s holds %s%s stopped", name,
			    json_string_value(json_array_get(units, 0)),
			    json_array_size(units) > 1 ? " and more" : "")
		  : kf_fail(err, KF_BUSY, "a client is connected to kf-leased");
	kf_error_hint(err, "wait until it has ended, then try again");
	return r;
}

struct args {
	bool settle, check;
	int64_t timeout_ms;
};

static const struct kf_option list[] = {
	KF_OPTION_FLAG("settle", 0, settle),
	KF_OPTION_FLAG("check", 0, check),
	KF_OPTION_VALUE("timeout", 't', KF_VALUE_TIMEOUT, timeout_ms),
};

static const struct kf_options options = {
	.tool = "kf-leased", .help = help, .list = list, .count = KF_ARRAY_SIZE(list)
};

int main(int argc, char *argv[])
{
	struct args args = { .timeout_ms = TIMEOUT_MS };
	const char *dir = getenv("RUNTIME_DIRECTORY");
	struct kf_lease_server server = { .may_stop = may_stop, .told = tell_lease };
	char restarts[PATH_SIZE], leases[PATH_SIZE];
	struct kf_error err = { 0 };
	int r, status = kf_options_read(&options, argc, argv, &args, NULL);

	if (status >= 0)
		return status;
	if (optind < argc)
		return kf_usage_mistake("%s: it takes no arguments", argv[optind]);
	dir = dir && dir[0] == '/' ? dir : "/run/kalico-flash";
	kf_text_format(restarts, sizeof(restarts), "%s/restarts", dir);
	kf_text_format(leases, sizeof(leases), "%s/leases", dir);
	server.restarts = restarts;
	server.leases = leases;
	server.connection = args.check ? -1 : take_connection();
	kf_stop_install();
	r = args.settle	 ? settle(&server, args.timeout_ms, &err)
	    : args.check ? check(&server, &err)
			 : serve(&server, &err);
	kf_closep(&server.connection);
	if (r < 0)
		kf_log_error(NULL, &err);
	return r < 0 ? kf_code_status(err.code) : 0;
}
