/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The host_mcu method: the firmware of the host's own MCU is a program of this machine, which a
 * systemd service runs as root. It takes its place by a rename, so the service has the old or the
 * new one whenever anything fails; the old one stays beside it as PROGRAM.old. What needs root's
 * right is done by install, sync, ln, mv and systemctl, which sudo runs unless we are root; never
 * by kf-leased, which anybody in dialout may ask.
 */
#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/text.h"
#include "flash/attempt.h"
#include "flash/program.h"
#include "link/serial.h"
#include "printer/host-mcu.h"

/* The process lets its group use the pty only after it has made the link, and no event tells of
 * that. */
enum { ARGS_MAX = 16, LOOK_MS = 50 };

/* A run of a program with root's right, of at most ARGS_MAX arguments. */
static int as_root(const struct kf_flash_program *program, const char *const *argv,
		   int64_t deadline_ms, struct kf_error *err)
{
	const char *args[ARGS_MAX + 3];
	size_t n = 0;

	if (geteuid() != 0) {
		args[n++] = "sudo";
		args[n++] = "-n";
	}
	for (size_t i = 0; i < ARGS_MAX && argv[i]; i++)
		args[n++] = argv[i];
	args[n] = NULL;
	return kf_flash_program_run(program, argv[0], args, deadline_ms, err);
}

/* A copy beside the program, on the disk, and read back. */
static int put_new(const struct kf_flash_program *program, const struct kf_plan *plan,
		   const struct kf_host_mcu_program *host, int64_t deadline_ms,
		   struct kf_error *err)
{
	char owner[24], group[24], mode[24], sha256[KF_HEX_SIZE] = "";
	char new[PATH_MAX];
	const char *const copy[] = { "install", "-T", "-o",	  owner, "-g", group,
				     "-m",	mode, plan->path, new,	 NULL };
	const char *const sync[] = { "sync", new, NULL };
	int r;

	kf_text_format(new, sizeof(new), "%s.new", host->host.program);
	kf_text_format(owner, sizeof(owner), "%u", (unsigned)host->uid);
	kf_text_format(group, sizeof(group), "%u", (unsigned)host->gid);
	kf_text_format(mode, sizeof(mode), "%o", (unsigned)host->mode);
	r = as_root(program, copy, deadline_ms, err);
	if (r == 0)
		r = as_root(program, sync, deadline_ms, err);
	if (r == 0)
		r = kf_file_sha256(new, sha256, err);
	if (r < 0 || strcmp(sha256, plan->image.sha256) == 0)
		return r;
	return kf_fail(err, KF_VERIFY_FAILED,
		       "%s is not what was written: its SHA-256 is %.12s..., not %.12s...", new,
		       sha256, plan->image.sha256);
}

/* A program that does not run is no way back: then one that an earlier flash has kept stays. */
static bool is_way_back(const struct kf_host_mcu_program *host, const char *link, const char *old)
{
	return host->there && (kf_pty_of_process(link) || access(old, F_OK) < 0);
}

static int replace(const struct kf_flash_program *program, const struct kf_host_mcu_program *host,
		   const char *link, int64_t deadline_ms, struct kf_error *err)
{
	char new[PATH_MAX], old[PATH_MAX];
	const char *const keep[] = { "ln", "-fT", host->host.program, old, NULL };
	const char *const rename[] = { "mv", "-fT", new, host->host.program, NULL };
	const char *const sync[] = { "sync", host->folder, NULL };
	int r = 0;

	kf_text_format(new, sizeof(new), "%s.new", host->host.program);
	kf_text_format(old, sizeof(old), "%s.old", host->host.program);
	if (is_way_back(host, link, old))
		r = as_root(program, keep, deadline_ms, err);
	if (r == 0)
		r = as_root(program, rename, deadline_ms, err);
	return r < 0 ? r : as_root(program, sync, deadline_ms, err);
}

/* A copy that did not become the program is of no use to anybody. */
static void remove_new(const struct kf_flash_program *program,
		       const struct kf_host_mcu_program *host, int64_t deadline_ms)
{
	char new[PATH_MAX];
	const char *const remove[] = { "rm", "-f", new, NULL };
	struct kf_error err; /* the first error is the one to tell */

	kf_text_format(new, sizeof(new), "%s.new", host->host.program);
	IGNORE_RESULT(as_root(program, remove, deadline_ms, &err));
}

/* Install the program; if that fails, the old one stays, and nothing beside it. */
static int install(struct kf_attempt *a, const struct kf_flash_program *program,
		   const struct kf_host_mcu_program *host, struct kf_error *err)
{
	int r;

	kf_progress_step(a->progress, "installing %s", host->host.program);
	r = put_new(program, a->plan, host, a->deadline_ms, err);
	if (r == 0)
		r = replace(program, host, a->plan->board.link.path, a->deadline_ms, err);
	if (r < 0)
		remove_new(program, host, a->deadline_ms);
	return r;
}

static bool is_installed(const struct kf_host_mcu_program *host, const struct kf_plan *plan)
{
	char sha256[KF_HEX_SIZE];

	return host->there && kf_file_sha256(host->host.program, sha256, NULL) == 0 &&
	       strcmp(sha256, plan->image.sha256) == 0;
}

static int watch_folder(const char *path, struct kf_error *err)
{
	int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char folder[PATH_MAX];

	kf_text_format(folder, sizeof(folder), "%.*s", (int)(basename(path) - path), path);
	if (fd >= 0 && inotify_add_watch(fd, folder, IN_CREATE | IN_MOVED_TO | IN_ATTRIB) >= 0)
		return fd;
	kf_fail_sys(err, errno, "cannot follow changes in %s", folder);
	kf_closep(&fd);
	return kf_code_errno(KF_IO);
}

/* A process that ends leaves its link, and another process may get the same pty number at once. */
static bool is_new_link(const char *path, const struct stat *before)
{
	struct stat now;

	return lstat(path, &now) == 0 &&
	       (now.st_ino != before->st_ino || now.st_ctim.tv_sec != before->st_ctim.tv_sec ||
		now.st_ctim.tv_nsec != before->st_ctim.tv_nsec) &&
	       kf_pty_of_process(path);
}

static int await_link(int watch, const char *path, const struct stat *before, int64_t deadline_ms,
		      struct kf_error *err)
{
	struct pollfd poll = { .fd = watch, .events = POLLIN };
	char events[4096];
	int r;

	while (!is_new_link(path, before)) {
		r = kf_wait(&poll, 1, kf_within_ms(LOOK_MS, deadline_ms));
		if (r < 0)
			return r == -EINTR ? kf_fail_stopped(err)
					   : kf_fail_sys(err, -r, "%s", path);
		if (kf_now_ms() >= deadline_ms) {
			kf_fail(err, KF_UNVERIFIED,
				"the new firmware does not run: %s leads to no "
				"pty of it",
				path);
			kf_host_mcu_hint(path, err);
			return kf_code_errno(KF_UNVERIFIED);
		}
		while (read(watch, events, sizeof(events)) > 0)
			;
	}
	return 0;
}

static int restart(const struct kf_flash_program *program, const struct kf_plan *plan,
		   const struct kf_host_mcu *host, int64_t deadline_ms, struct kf_error *err)
{
	const char *const argv[] = { "systemctl", "restart", host->unit, NULL };
	const char *path = plan->board.link.path;
	_cleanup_(kf_closep) int watch = watch_folder(path, err);
	struct stat before = { 0 };
	int r;

	if (watch < 0)
		return watch;
	IGNORE_RESULT(lstat(path, &before));
	r = as_root(program, argv, deadline_ms, err);
	if (r == kf_code_errno(KF_FLASH_FAILED))
		kf_host_mcu_hint(path, err);
	return r < 0 ? r
		     : await_link(watch, path, &before,
				  kf_within_ms(plan->options.return_ms, deadline_ms), err);
}

static const char *why_not(const struct kf_methods_for *with)
{
	return strcmp(with->mcu, "linux") == 0 ? NULL : "it is no Linux process of this machine";
}

static int check(const struct kf_methods_for *with, struct kf_error *err)
{
	return kf_host_mcu_check(with->board ? with->board->link.path : NULL, err);
}

/*
 * Install the planned image for the board, restart its service, and wait until that has made the
 * link to its pty anew. KF_FLASH_FAILED with the log; KF_UNVERIFIED: it makes no link;
 * KF_VERIFY_FAILED; KF_TIMEOUT, KF_INTERRUPTED; errors of kf_host_mcu_find.
 */
static int write_board(struct kf_attempt *a, struct kf_error *err)
{
	_cleanup_(kf_flash_program_end) struct kf_flash_program program = KF_FLASH_PROGRAM_NONE;
	struct kf_host_mcu_program host;
	int r = kf_host_mcu_program(a->plan->board.link.path, &host, err);

	if (r == 0)
		r = kf_flash_program_log(&program, a->plan, a->method, err);
	if (r == 0 && !is_installed(&host, a->plan))
		r = install(a, &program, &host, err);
	if (r < 0)
		return r;
	a->readback = true;
	kf_progress_step(a->progress, "restarting %s", host.host.unit);
	return restart(&program, a->plan, &host.host, a->deadline_ms, err);
}

/* There is no bootloader: the process is asked, and a file takes its program's place. */
const struct kf_method_row kf_method_host_mcu = {
	.why_not = why_not,
	.check = check,
	.enters = kf_flash_program_enters,
	.write = write_board,
	.of_chip = true,
	.readback = true,
	.takes_turns = true, /* several host MCUs may share one program file */
};
