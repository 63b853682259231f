/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Boards are locked in the order of their ports, so that two runs cannot each wait for a lock that
 * the other has. A flock(2) belongs to the open file: it lasts through fork and exec, until the
 * last copy of the descriptor is closed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "board/port.h"
#include "board/record.h"
#include "core/clock.h"
#include "core/lock.h"
#include "core/text.h"
#include "flash/board-lock.h"
#include "usb/holder.h"

struct wanted {
	json_t *record; /* borrowed */
	struct kf_board board;
	char path[PATH_MAX]; /* the path that is locked */
};

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct wanted *)a)->path, ((const struct wanted *)b)->path);
}

/* Is it a USB port as sysfs names it ("1-1.2")? Other text could lead a path elsewhere. */
static bool is_port(const char *port)
{
	return *port && *port != '.' &&
	       port[strspn(port, "0123456789-.:abcdefghijklmnopqrstuvwxyz")] == '\0';
}

/* sysfs's folder of a hub's port: "1-1:1.0/1-1-port2" for 1-1.2, "1-0:1.0/usb1-port1" for 1-1. */
static bool hub_port(const char *port, char ret[PATH_MAX])
{
	const char *dot = strrchr(port, '.'), *dash = strchr(port, '-');
	const char *last = dot ? dot : dash;
	int len = last ? (int)(last - port) : 0;

	return last &&
	       kf_text_format(ret, PATH_MAX, "/sys/bus/usb/devices/%.*s%s:1.0/%s%.*s-port%s", len,
			      port, dot ? "" : "-0", dot ? "" : "usb", len, port, last + 1);
}

/* A board on a UART locks the UART. A node locks its whole bus, which all nodes share; so does the
 * bridge that makes the bus. */
static bool wire_path(const struct kf_board *board, char ret[PATH_MAX])
{
	const char *tty = strrchr(board->tty, '/');

	if (board->link.type == KF_WIRE_CAN)
		return kf_interface_valid(board->link.interface) &&
		       kf_text_format(ret, PATH_MAX, "/sys/class/net/%s", board->link.interface);
	return board->link.type == KF_WIRE_UART && tty && tty[1] != '.' && tty[1] &&
	       kf_text_format(ret, PATH_MAX, "/sys/class/tty/%s", tty + 1);
}

static bool port_path(const struct kf_board *board, char ret[PATH_MAX])
{
	return board->connected && is_port(board->usb.port) && hub_port(board->usb.port, ret);
}

static int list_boards(json_t *records, struct wanted **ret, size_t *ret_count,
		       struct kf_error *err)
{
	_cleanup_(kf_freep) struct wanted *list =
		calloc(json_array_size(records) * 2 + 1, sizeof(*list));
	size_t i, count = 0;
	json_t *record;
	int r;

	if (!list)
		return kf_fail_sys(err, ENOMEM, "%zu records", json_array_size(records));
	json_array_foreach(records, i, record) {
		struct wanted wanted = { .record = record };

		r = kf_record_board(record, &wanted.board, err);
		if (r < 0)
			return r;
		if (kf_record_failed(record) || wanted.board.excluded)
			continue;
		if (port_path(&wanted.board, wanted.path))
			list[count++] = wanted;
		if (wire_path(&wanted.board, wanted.path))
			list[count++] = wanted;
	}
	qsort(list, count, sizeof(*list), by_path);
	*ret_count = count;
	*ret = TAKE_PTR(list);
	return 0;
}

/* Is the file of fd open already? Then kf-flash, our parent, has locked it for us. */
static bool is_inherited(int fd)
{
	_cleanup_(kf_closedirp) DIR *fds = opendir("/proc/self/fd");
	const struct dirent *entry;
	struct stat want, st;

	if (!fds || fstat(fd, &want) < 0)
		return false;
	while ((entry = readdir(fds))) {
		int other = atoi(entry->d_name);

		if (other > STDERR_FILENO && other != fd && fstat(other, &st) == 0 &&
		    st.st_dev == want.st_dev && st.st_ino == want.st_ino)
			return true;
	}
	return false;
}

static const char *name_other(const char *path, char ret[KF_NAME_SIZE])
{
	pid_t pid = kf_holder_locked(path);

	kf_text_format(ret, KF_NAME_SIZE, "another kf-flash");
	if (pid)
		kf_text_format(ret, KF_NAME_SIZE, "another kf-flash (process %d)", (int)pid);
	return ret;
}

static int lock_board(struct kf_board_locks *locks, const struct wanted *wanted,
		      int64_t deadline_ms, struct kf_error *err)
{
	_cleanup_(kf_closep) int fd = open(wanted->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const char *path = wanted->path;
	char other[KF_NAME_SIZE];
	int r;

	if (fd < 0 || is_inherited(fd))
		return 0; /* the kernel does not show the port, or our parent has locked it */
	r = kf_lock_fd(fd, 0);
	if (r == -EBUSY && deadline_ms > kf_now_ms()) {
		locks->waits(&wanted->board, name_other(path, other));
		r = kf_lock_fd(fd, deadline_ms);
	}
	if (r == -EBUSY)
		return kf_fail(err, KF_BUSY, "%s is using the board", name_other(path, other));
	if (r < 0)
		return kf_fail_sys(err, -r, "%s: cannot lock", path);
	locks->fds[locks->count++] = TAKE_FD(fd);
	return 0;
}

int kf_board_locks_take(struct kf_board_locks *locks, json_t *records, int64_t deadline_ms,
			struct kf_error *err)
{
	_cleanup_(kf_freep) struct wanted *list = NULL;
	struct kf_error why;
	size_t count = 0;
	int r;

	/* We inherit the open locks of our parent; programs that we start must not. */
	syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC);
	r = list_boards(records, &list, &count, err);
	if (r < 0)
		return r;
	locks->fds = calloc(count + 1, sizeof(*locks->fds));
	if (!locks->fds)
		return kf_fail_sys(err, ENOMEM, "%zu boards", count);
	for (size_t i = 0; i < count; i++) {
		/* A composite device has several records, but is one board: with one result. */
		if (i == 0 || strcmp(list[i - 1].path, list[i].path) != 0)
			r = lock_board(locks, &list[i], deadline_ms, &why);
		if (r == -EINTR && err)
			*err = why;
		if (r == -EINTR)
			return r;
		if (r < 0 && !kf_record_failed(list[i].record)) {
			kf_record_set_error(list[i].record, locks->tool, &why);
			locks->failed(&list[i].board, &why);
		}
	}
	return 0;
}

int kf_board_locks_keep(const struct kf_board_locks *locks, struct kf_error *err)
{
	for (size_t i = 0; i < locks->count; i++)
		if (fcntl(locks->fds[i], F_SETFD, 0) < 0)
			return kf_fail_sys(err, errno, "cannot keep a lock");
	return 0;
}

void kf_board_locks_free(struct kf_board_locks *locks)
{
	for (size_t i = 0; i < locks->count; i++)
		kf_closep(&locks->fds[i]);
	free(locks->fds);
}
