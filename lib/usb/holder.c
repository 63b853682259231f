/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One walk over /proc: for each descriptor of each process, is it one of the ports? The descriptors
 * of another user's process do not show, but /proc/locks, which everybody may read, names the
 * process that has a port's flock(2) (proc_locks(5)). Nothing is opened for it: to open a port
 * raises DTR, which resets many a board.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/major.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "core/text.h"
#include "usb/cgroup.h"
#include "usb/holder.h"

struct port {
	struct stat st; /* st_ino 0: the board has no tty that is there */
	struct kf_holder *holder;
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

/* At most size - 1 bytes of a file below /proc/PID; empty if it cannot be read. */
static void read_small(int proc, const char *pid, const char *name, char *dst, size_t size)
{
	_cleanup_(kf_closep) int fd = -1;
	char path[64];
	ssize_t n = -1;

	if (kf_text_format(path, sizeof(path), "%s/%s", pid, name))
		fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		n = read(fd, dst, size - 1);
	dst[n > 0 ? n : 0] = '\0';
}

static void read_cgroup(int proc, const char *pid, struct kf_cgroup *ret)
{
	char text[4096];

	read_small(proc, pid, "cgroup", text, sizeof(text));
	kf_cgroup_read(text, getuid(), ret);
}

static struct kf_holder describe(int proc, const char *pid)
{
	struct kf_holder holder = { .pid = (pid_t)atol(pid) };
	struct kf_cgroup cgroup;
	char comm[64];

	read_small(proc, pid, "comm", comm, sizeof(comm));
	comm[strcspn(comm, "\n")] = '\0';
	kf_text_clean(holder.command, sizeof(holder.command), comm, sizeof(comm));
	read_cgroup(proc, pid, &cgroup);
	kf_text_format(holder.unit, sizeof(holder.unit), "%s", cgroup.unit);
	return holder;
}

/* Prefer a process that belongs to a service: that can be stopped. */
static void set_holder(struct port *ports, size_t count, const struct stat *st, int proc,
		       const char *pid)
{
	struct kf_holder holder;

	for (size_t i = 0; i < count; i++) {
		if (!ports[i].st.st_ino || !same_device(&ports[i].st, st))
			continue;
		holder = describe(proc, pid);
		if (!ports[i].holder->pid || (!ports[i].holder->unit[0] && holder.unit[0]))
			*ports[i].holder = holder;
	}
}

/* Is the descriptor "3" of a process one of the ports? True: it may not be looked at. */
static bool check_fd(struct port *ports, size_t count, int proc, const char *pid, int fds,
		     const char *name)
{
	struct stat st;

	if (!isdigit((unsigned char)*name))
		return false;
	if (fstatat(fds, name, &st, 0) < 0)
		return errno == EACCES || errno == EPERM;
	set_holder(ports, count, &st, proc, pid);
	return false;
}

/* False: the process does not let us see what it has open. */
static bool check_process(struct port *ports, size_t count, int proc, const char *pid)
{
	_cleanup_(kf_closedirp) DIR *fds = NULL;
	const struct dirent *entry;
	char path[64];
	int fd;

	if (!kf_text_format(path, sizeof(path), "%s/fd", pid))
		return true;
	fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno != EACCES && errno != EPERM;
	fds = fdopendir(fd);
	if (!fds)
		kf_closep(&fd);
	while (fds && (entry = readdir(fds)))
		if (check_fd(ports, count, proc, pid, fd, entry->d_name))
			return false;
	return true;
}

/* A line of /proc/locks. The process that has it is pid; one that waits for it ("->") has not. */
struct lock {
	pid_t pid;
	unsigned major, minor;
	unsigned long ino;
};

static bool parse_lock(const char *line, struct lock *ret)
{
	return sscanf(line, "%*u: FLOCK %*s %*s %d %x:%x:%lu ", &ret->pid, &ret->major, &ret->minor,
		      &ret->ino) == 4 &&
	       ret->pid > 1;
}

static bool same_filesystem(const struct lock *lock, const struct stat *st)
{
	return makedev(lock->major, lock->minor) == st->st_dev;
}

/* Call look for each lock until it says true, which is returned. */
static bool each_lock(bool (*look)(const struct lock *lock, void *arg), void *arg)
{
	_cleanup_(kf_fclosep) FILE *locks = fopen("/proc/locks", "re");
	struct lock lock;
	char line[256];

	while (locks && fgets(line, sizeof(line), locks))
		if (parse_lock(line, &lock) && look(&lock, arg))
			return true;
	return false;
}

struct ports {
	struct port *list;
	size_t count;
	int proc;
};

/* Only what is hidden is known by its lock: the number of a process that has ended is reused. */
static bool check_lock(const struct lock *lock, void *arg)
{
	const struct ports *ports = arg;
	char pid[16];

	for (size_t i = 0; i < ports->count; i++) {
		const struct stat *st = &ports->list[i].st;

		if (!st->st_ino || st->st_ino != lock->ino || !same_filesystem(lock, st) ||
		    ports->list[i].holder->pid || !kf_holder_hidden(lock->pid))
			continue;
		kf_text_format(pid, sizeof(pid), "%d", (int)lock->pid);
		*ports->list[i].holder = describe(ports->proc, pid);
	}
	return false;
}

bool kf_holder_hidden(pid_t pid)
{
	_cleanup_(kf_closep) int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char name[16];

	kf_text_format(name, sizeof(name), "%d", (int)pid);
	return pid != getpid() &&
	       (faccessat(proc, name, F_OK, 0) < 0 || !check_process(NULL, 0, proc, name));
}

struct elsewhere {
	pid_t pid;
	struct stat st; /* of the port that is asked about */
	bool found;
};

static bool is_elsewhere(const struct lock *lock, void *arg)
{
	struct elsewhere *e = arg;

	if (lock->pid != e->pid || !same_filesystem(lock, &e->st))
		return false;
	e->found = lock->ino != e->st.st_ino;
	return !e->found; /* it has this one: no need to look on */
}

bool kf_holder_elsewhere(pid_t pid, const char *tty)
{
	struct elsewhere e = { .pid = pid };

	return stat(tty, &e.st) == 0 && !each_lock(is_elsewhere, &e) && e.found;
}

struct locked {
	struct stat st;
	pid_t pid;
};

static bool is_lock_of(const struct lock *lock, void *arg)
{
	struct locked *locked = arg;
	const struct stat *st = &locked->st;

	locked->pid = lock->pid;
	return lock->pid != getpid() && lock->ino == st->st_ino && same_filesystem(lock, st);
}

pid_t kf_holder_locked(const char *path)
{
	struct locked locked;

	return stat(path, &locked.st) == 0 && each_lock(is_lock_of, &locked) ? locked.pid : 0;
}

void kf_holders_find(struct kf_board *boards, size_t count)
{
	_cleanup_(kf_freep) struct port *ports = calloc(count ? count : 1, sizeof(*ports));
	_cleanup_(kf_closedirp) DIR *proc = NULL;
	struct dirent *entry;
	size_t there = 0;

	for (size_t i = 0; ports && i < count; i++) {
		boards[i].holder = (struct kf_holder){ 0 };
		ports[i].holder = &boards[i].holder;
		if (boards[i].connected && boards[i].tty[0] &&
		    stat(boards[i].tty, &ports[i].st) == 0)
			there++;
	}
	if (there == 0)
		return;
	proc = opendir("/proc");
	while (proc && (entry = readdir(proc)))
		if (isdigit((unsigned char)entry->d_name[0]) && atol(entry->d_name) != getpid())
			check_process(ports, count, dirfd(proc), entry->d_name);
	if (proc)
		each_lock(check_lock, &(struct ports){ ports, count, dirfd(proc) });
}

struct kf_holder kf_holder_of(pid_t pid)
{
	_cleanup_(kf_closep) int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char name[16];

	kf_text_format(name, sizeof(name), "%d", (int)pid);
	return describe(proc, name);
}

/* The user of a process, if it is not ours and can be told. */
static bool find_owner(int proc, const char *pid, char ret[KF_NAME_SIZE])
{
	const struct passwd *user;
	struct stat st;

	if (fstatat(proc, pid, &st, 0) < 0 || st.st_uid == getuid())
		return false;
	user = getpwuid(st.st_uid);
	if (user)
		return kf_text_clean(ret, KF_NAME_SIZE, user->pw_name, strlen(user->pw_name));
	return kf_text_format(ret, KF_NAME_SIZE, "user %u", (unsigned)st.st_uid);
}

void kf_holder_find_facts(const struct kf_holder *holder, struct kf_holder_facts *ret)
{
	_cleanup_(kf_closep) int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct kf_cgroup cgroup;
	char pid[16];

	*ret = (struct kf_holder_facts){ 0 };
	kf_text_format(pid, sizeof(pid), "%d", (int)holder->pid);
	read_cgroup(proc, pid, &cgroup);
	ret->container = cgroup.container;
	find_owner(proc, pid, ret->owner);
	kf_text_format(ret->place, sizeof(ret->place), "%s",
		       holder->unit[0] ? holder->unit : cgroup.name);
	kf_text_format(ret->stop, sizeof(ret->stop), "%s", cgroup.stop);
	if (!ret->stop[0])
		kf_text_format(ret->stop, sizeof(ret->stop), "%skill %s",
			       ret->owner[0] ? "sudo " : "", pid);
}
