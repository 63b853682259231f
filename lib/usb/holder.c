/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One walk over /proc: for each descriptor of each process, is it one of the ports? The descriptors
 * of another user's process do not show, but /proc/locks, which everybody may read, names the
 * process that has a port's flock(2) (proc_locks(5)). Nothing is opened for it: to open a port
 * raises DTR, which resets many a board.
 */
#include <dirent.h>
#include <errno.h>
#include <linux/major.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/process.h"
#include "core/text.h"
#include "usb/cgroup.h"
#include "usb/holder.h"

struct ports {
	struct port {
		struct stat st; /* st_ino 0: the board has no tty that is there */
		struct kf_holder *holder;
		bool uart; /* a login may run on it */
	} * list;
	size_t count;
};

/* A pty's number counts within its own devpts: a container has another pty of the same number. */
static bool is_pty(dev_t device)
{
	return major(device) >= UNIX98_PTY_SLAVE_MAJOR &&
	       major(device) < UNIX98_PTY_SLAVE_MAJOR + UNIX98_PTY_MAJOR_COUNT;
}

/* One device by its number; or, where a file or a pty stands in for it, one file. */
static bool same_device(const struct stat *a, const struct stat *b)
{
	if (S_ISCHR(a->st_mode) && S_ISCHR(b->st_mode) && a->st_rdev == b->st_rdev &&
	    !is_pty(a->st_rdev))
		return true;
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

static void read_cgroup(pid_t pid, struct kf_cgroup *ret)
{
	char text[4096];

	kf_process_read(pid, "cgroup", text, sizeof(text));
	kf_cgroup_read(text, getuid(), ret);
}

struct kf_holder kf_holder_of(pid_t pid)
{
	struct kf_holder holder = { .pid = pid };
	struct kf_cgroup cgroup;
	char comm[64];

	kf_process_read(pid, "comm", comm, sizeof(comm));
	kf_text_clean(holder.command, sizeof(holder.command), comm, strcspn(comm, "\n"));
	read_cgroup(pid, &cgroup);
	KF_COPY(holder.unit, cgroup.unit);
	return holder;
}

/* Prefer a process that belongs to a service: that can be stopped. */
static void set_holder(const struct port *port, pid_t pid)
{
	const struct kf_holder holder = kf_holder_of(pid);

	if (!port->holder->pid || (!port->holder->unit[0] && holder.unit[0]))
		*port->holder = holder;
}

static void check_file(const struct ports *ports, const struct stat *st, pid_t pid)
{
	for (size_t i = 0; i < ports->count; i++) {
		const struct port *port = &ports->list[i];

		if (port->st.st_ino && same_device(&port->st, st))
			set_holder(port, pid);
	}
}

/*
 * What root's agetty or login has open does not show to others, but its controlling terminal does
 * (proc_pid_stat(5), tty_nr), which is the UART that it serves.
 */
static void check_terminal(const struct ports *ports, pid_t pid)
{
	char text[512];
	const char *end;
	unsigned tty;

	kf_process_read(pid, "stat", text, sizeof(text));
	end = strrchr(text, ')'); /* of its name, which may have any character */
	if (!end || sscanf(end + 1, " %*c %*d %*d %*d %u", &tty) != 1)
		return;
	for (size_t i = 0; i < ports->count; i++)
		if (ports->list[i].uart && ports->list[i].st.st_rdev == tty)
			set_holder(&ports->list[i], pid);
}

/* Has the process one of the ports open? False: we cannot see its open files. */
static bool check_process(const struct ports *ports, pid_t pid)
{
	_cleanup_(kf_closedirp) DIR *fds = NULL;
	const struct dirent *entry;
	struct stat st;
	char path[64];

	kf_text_format(path, sizeof(path), "/proc/%d/fd", (int)pid);
	fds = opendir(path);
	if (!fds)
		return errno != EACCES && errno != EPERM;
	while ((entry = readdir(fds))) {
		if (entry->d_name[0] == '.')
			continue;
		if (fstatat(dirfd(fds), entry->d_name, &st, 0) == 0)
			check_file(ports, &st, pid);
		else if (errno == EACCES || errno == EPERM)
			return false;
	}
	return true;
}

bool kf_holder_hidden(pid_t pid)
{
	char path[64];

	kf_text_format(path, sizeof(path), "/proc/%d", (int)pid);
	return pid != getpid() &&
	       (access(path, F_OK) < 0 || !check_process(&(struct ports){ 0 }, pid));
}

/* A line of /proc/locks. The process that has it is pid; one that waits for it ("->") has not. */
struct lock {
	pid_t pid;
	dev_t dev;
	unsigned long long ino;
};

/* Read up to the next flock(2). False: there is none any more. */
static bool next_lock(FILE *locks, struct lock *ret)
{
	unsigned major, minor;
	char line[256];

	while (locks && fgets(line, sizeof(line), locks)) {
		if (sscanf(line, "%*u: FLOCK %*s %*s %d %x:%x:%llu ", &ret->pid, &major, &minor,
			   &ret->ino) != 4 ||
		    ret->pid <= 1)
			continue;
		ret->dev = makedev(major, minor);
		return true;
	}
	return false;
}

static bool is_lock_of(const struct lock *lock, const struct stat *st)
{
	return lock->ino == st->st_ino && lock->dev == st->st_dev;
}

/* Only a hidden process is found by its lock: the number of an ended process is reused. */
static void check_locks(const struct ports *ports)
{
	_cleanup_(kf_fclosep) FILE *locks = fopen("/proc/locks", "re");
	struct lock lock;

	while (next_lock(locks, &lock))
		for (size_t i = 0; i < ports->count; i++) {
			const struct port *port = &ports->list[i];

			if (port->st.st_ino && is_lock_of(&lock, &port->st) && !port->holder->pid &&
			    kf_holder_hidden(lock.pid))
				*port->holder = kf_holder_of(lock.pid);
		}
}

bool kf_holder_elsewhere(pid_t pid, const char *tty)
{
	_cleanup_(kf_fclosep) FILE *locks = NULL;
	struct lock lock;
	struct stat st;
	bool found = false;

	if (stat(tty, &st) < 0)
		return false;
	locks = fopen("/proc/locks", "re");
	while (next_lock(locks, &lock)) {
		if (lock.pid != pid || lock.dev != st.st_dev)
			continue;
		if (lock.ino == st.st_ino)
			return false;
		found = true;
	}
	return found;
}

pid_t kf_holder_locked(const char *path)
{
	_cleanup_(kf_fclosep) FILE *locks = NULL;
	struct lock lock;
	struct stat st;

	if (stat(path, &st) < 0)
		return 0;
	locks = fopen("/proc/locks", "re");
	while (next_lock(locks, &lock))
		if (lock.pid != getpid() && is_lock_of(&lock, &st))
			return lock.pid;
	return 0;
}

void kf_holders_find(struct kf_board *boards, size_t count)
{
	_cleanup_(kf_freep) struct port *list = calloc(count ? count : 1, sizeof(*list));
	struct ports ports = { .list = list, .count = list ? count : 0 };
	_cleanup_(kf_closedirp) DIR *proc = NULL;
	bool any = false, uart = false;
	pid_t pid;

	for (size_t i = 0; i < ports.count; i++) {
		boards[i].holder = (struct kf_holder){ 0 };
		list[i].holder = &boards[i].holder;
		any |= boards[i].connected && boards[i].tty[0] &&
		       stat(boards[i].tty, &list[i].st) == 0;
		list[i].uart = list[i].st.st_ino && boards[i].link.type == KF_WIRE_UART;
		uart |= list[i].uart;
	}
	if (!any)
		return;
	proc = opendir("/proc");
	while ((pid = kf_process_next(proc)))
		if (pid != getpid()) {
			check_process(&ports, pid);
			if (uart)
				check_terminal(&ports, pid);
		}
	check_locks(&ports);
}

void kf_holder_find_facts(const struct kf_holder *holder, struct kf_holder_facts *ret)
{
	const struct passwd *user;
	struct kf_cgroup cgroup;
	struct stat st;
	char path[64];

	*ret = (struct kf_holder_facts){ 0 };
	read_cgroup(holder->pid, &cgroup);
	ret->container = cgroup.container;
	kf_text_format(path, sizeof(path), "/proc/%d", (int)holder->pid);
	if (stat(path, &st) == 0 && st.st_uid != getuid()) {
		user = getpwuid(st.st_uid);
		kf_text_format(ret->owner, sizeof(ret->owner), "user %u", (unsigned)st.st_uid);
		if (user)
			KF_CLEAN(ret->owner, user->pw_name);
	}
	KF_COPY(ret->place, holder->unit[0] ? holder->unit : cgroup.name);
	KF_COPY(ret->stop, cgroup.stop);
	if (!ret->stop[0])
		kf_text_format(ret->stop, sizeof(ret->stop), "%skill %d",
			       ret->owner[0] ? "sudo " : "", (int)holder->pid);
}
