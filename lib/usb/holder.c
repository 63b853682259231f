/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One walk over /proc: for each descriptor of each process, is it one of the ports? */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/text.h"
#include "usb/holder.h"

struct port {
	struct stat st; /* st_ino 0: the board has no tty that is there */
	struct kf_holder *holder;
};

static void closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* One device by its number; or, where a file or a pty stands in for it, one file. */
static bool same_device(const struct stat *a, const struct stat *b)
{
	if (S_ISCHR(a->st_mode) && S_ISCHR(b->st_mode) && a->st_rdev == b->st_rdev)
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

static struct kf_holder describe(int proc, const char *pid)
{
	struct kf_holder holder = { .pid = (pid_t)atol(pid) };
	char comm[64], cgroup[4096];

	read_small(proc, pid, "comm", comm, sizeof(comm));
	comm[strcspn(comm, "\n")] = '\0';
	kf_text_clean(holder.command, sizeof(holder.command), comm, sizeof(comm));
	read_small(proc, pid, "cgroup", cgroup, sizeof(cgroup));
	kf_unit_from_cgroup(cgroup, holder.unit);
	return holder;
}

/* A process that belongs to a service tells more than one that does not. */
static void note(struct port *ports, size_t count, const struct stat *st, int proc, const char *pid)
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

static void look_at_process(struct port *ports, size_t count, int proc, const char *pid)
{
	_cleanup_(closedirp) DIR *fds = NULL;
	char path[64];
	struct dirent *entry;
	struct stat st;
	int fd;

	if (!kf_text_format(path, sizeof(path), "%s/fd", pid))
		return;
	fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fds = fd >= 0 ? fdopendir(fd) : NULL;
	if (!fds) {
		kf_closep(&fd);
		return;
	}
	while ((entry = readdir(fds)))
		if (isdigit((unsigned char)entry->d_name[0]) &&
		    fstatat(fd, entry->d_name, &st, 0) == 0)
			note(ports, count, &st, proc, pid);
}

void kf_holders_find(struct kf_board *boards, size_t count)
{
	_cleanup_(kf_freep) struct port *ports = calloc(count ? count : 1, sizeof(*ports));
	_cleanup_(closedirp) DIR *proc = NULL;
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
			look_at_process(ports, count, dirfd(proc), entry->d_name);
}

/* The path in one line of cgroup(7)'s form, if the line is systemd's: v2, or v1's own. */
static const char *systemd_path(const char *line)
{
	const char *first = strchr(line, ':'), *second = first ? strchr(first + 1, ':') : NULL;

	if (!second)
		return NULL;
	if (second == first + 1 || strncmp(first, ":name=systemd:", 14) == 0)
		return second + 1;
	return NULL;
}

/*
 * The outermost service on a path. A user's own manager is a service too, but what it
 * runs is none of the system's, and stopping it would end the user's session.
 */
static bool service_of(char *path, char ret[KF_NAME_SIZE])
{
	static const char end[] = ".service";
	char *save = NULL;

	for (char *part = strtok_r(path, "/", &save); part; part = strtok_r(NULL, "/", &save)) {
		size_t len = strlen(part);

		if (len < sizeof(end) || strcmp(part + len - strlen(end), end) != 0)
			continue;
		if (*part == '_') /* how systemd escapes a name that the kernel would take */
			part++, len--;
		return len < KF_NAME_SIZE && strncmp(part, "user@", 5) != 0 &&
		       kf_text_clean(ret, KF_NAME_SIZE, part, len);
	}
	return false;
}

bool kf_unit_from_cgroup(const char *text, char ret[KF_NAME_SIZE])
{
	char path[4096], unit[KF_NAME_SIZE];
	const char *start;

	for (size_t len; *text; text += len + (text[len] == '\n')) {
		len = strcspn(text, "\n");
		if (len >= sizeof(path))
			continue;
		kf_text_format(path, sizeof(path), "%.*s", (int)len, text);
		start = systemd_path(path);
		if (!start || !service_of(path + (start - path), unit))
			continue;
		memcpy(ret, unit, sizeof(unit));
		return true;
	}
	return false;
}
