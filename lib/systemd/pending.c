/* SPDX-License-Identifier: GPL-3.0-or-later */
/* If a file was removed while we waited for its lock, it is opened again by its name. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/text.h"
#include "systemd/pending.h"

enum { PATH_SIZE = 512, RETRY_MS = 20, NOTE_SIZE = 96 };

const char *kf_settled_name(enum kf_settled settled)
{
	static const char *const names[] = {
		[KF_SETTLED_INACTIVE] = "inactive", [KF_SETTLED_STARTED] = "started",
		[KF_SETTLED_RUNNING] = "running",   [KF_SETTLED_HELD] = "held",
		[KF_SETTLED_LEFT] = "left",	    [KF_SETTLED_LOST] = "lost",
	};

	return names[settled];
}

static bool locate(const char *dir, const char *unit, char ret[PATH_SIZE])
{
	return kf_text_format(ret, PATH_SIZE, "%s/%s", dir, unit);
}

/* Is the open file still the file of that name? */
static bool is_named(int fd, const char *path)
{
	struct stat open_file, named;

	return fstat(fd, &open_file) == 0 && lstat(path, &named) == 0 &&
	       open_file.st_ino == named.st_ino && open_file.st_dev == named.st_dev;
}

static int lock_shared(int fd, const struct kf_deadline *deadline)
{
	struct pollfd client = { .fd = deadline->client ? deadline->client : -1,
				 .events = POLLRDHUP };
	int r;

	while (flock(fd, LOCK_SH | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return -errno;
		if (kf_now_ms() >= deadline->ms)
			return -EBUSY;
		r = kf_wait(&client, 1, kf_now_ms() + RETRY_MS);
		if (r != 0)
			return r < 0 ? r : -ECANCELED;
	}
	return 0;
}

int kf_pending_lock(const char *dir, const char *unit, const struct kf_deadline *deadline, int *ret,
		    struct kf_error *err)
{
	char path[PATH_SIZE];
	int fd, r;

	if (!locate(dir, unit, path))
		return kf_fail_sys(err, ENAMETOOLONG, "%s", dir);
	do {
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return kf_fail_sys(err, errno, "%s", path);
		r = lock_shared(fd, deadline);
		if (r == 0 && is_named(fd, path)) {
			*ret = fd;
			return 0;
		}
		close(fd);
	} while (r == 0);
	if (r == -EBUSY)
		return kf_fail(err, KF_BUSY, "%s is being started again, after another lease",
			       unit);
	return r == -ECANCELED ? r : kf_fail_sys(err, -r, "%s", path);
}

bool kf_pending_read(int fd, struct kf_unit_state *ret)
{
	struct kf_unit_state before = { 0 };
	char text[NOTE_SIZE];
	ssize_t len = pread(fd, text, sizeof(text) - 1, 0);

	if (len <= 0)
		return false;
	text[len] = '\0';
	if (sscanf(text, "%31s %31s %23s", before.active, before.unit_file, before.since) < 1)
		return false;
	*ret = before;
	return true;
}

bool kf_pending_exists(const char *dir, const char *unit)
{
	char path[PATH_SIZE];
	struct stat st;

	return locate(dir, unit, path) && lstat(path, &st) == 0 && st.st_size > 0;
}

int kf_pending_write(int fd, const struct kf_unit_state *before, struct kf_error *err)
{
	char text[NOTE_SIZE];
	ssize_t len;

	kf_text_format(text, sizeof(text), "%s %s %s\n", before->active,
		       before->unit_file[0] ? before->unit_file : "-", before->since);
	len = (ssize_t)strlen(text);
	if (pwrite(fd, text, (size_t)len, 0) == len && ftruncate(fd, len) == 0)
		return 0;
	return kf_fail_sys(err, errno, "the pending restart cannot be written");
}

int kf_pending_list(const char *dir, struct kf_pending ret[KF_PENDINGS_MAX], struct kf_error *err)
{
	_cleanup_(kf_closedirp) DIR *d = opendir(dir);
	const struct dirent *entry;
	int n = 0;

	if (!d)
		return errno == ENOENT ? 0 : kf_fail_sys(err, errno, "%s", dir);
	while (n < KF_PENDINGS_MAX && (entry = readdir(d))) {
		if (entry->d_name[0] == '.' || strlen(entry->d_name) >= KF_NAME_SIZE)
			continue;
		ret[n] = (struct kf_pending){ .fd = -1 };
		strcpy(ret[n++].unit, entry->d_name);
	}
	return n;
}

/* Get the exclusive lock of a file that still exists; else another process restores the unit. */
static bool lock_exclusive(const char *path, struct kf_pending *pending)
{
	if (pending->fd < 0)
		pending->fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (pending->fd < 0)
		return false;
	if (flock(pending->fd, LOCK_EX | LOCK_NB) < 0) {
		pending->settled = KF_SETTLED_HELD;
		return false;
	}
	return is_named(pending->fd, path);
}

/* Why the unit is not to be started any more, or NULL. */
static const char *unwanted(const struct kf_unit_state *before, const struct kf_unit_state *now)
{
	if (strcmp(now->load, "masked") == 0 || strncmp(now->unit_file, "masked", 6) == 0)
		return "masked";
	if (strcmp(now->load, "not-found") == 0)
		return "removed";
	if (strcmp(before->unit_file, "enabled") == 0 && strcmp(now->unit_file, "disabled") == 0)
		return "disabled";
	/* systemd forgets this time once a unit is stopped, if nothing refers to that unit. */
	if (before->since[0] && now->since[0] && strcmp(before->since, now->since) != 0)
		return "started and stopped";
	return NULL;
}

/* Decide what to do for it, before any unit is started: a start may start others. */
static void look(const char *path, struct kf_pending *pending, struct kf_bus **bus,
		 const struct kf_deadline *deadline)
{
	struct kf_unit_state now, before;
	const char *why;

	if (!lock_exclusive(path, pending))
		return;
	if (!kf_pending_read(pending->fd, &before)) {
		unlink(path);
		return;
	}
	pending->settled = KF_SETTLED_LOST;
	if ((!*bus && kf_bus_open(deadline, bus, &pending->err) < 0) ||
	    kf_bus_state(*bus, pending->unit, deadline, &now, &pending->err) < 0)
		return;
	why = unwanted(&before, &now);
	if (kf_unit_runs(&now)) {
		pending->settled = KF_SETTLED_RUNNING;
	} else if (why) {
		pending->settled = KF_SETTLED_LEFT;
		kf_fail(&pending->err, KF_SERVICE, "it was %s meanwhile", why);
	} else {
		pending->start = true;
		return;
	}
	unlink(path);
}

/* Does a lease hold this unit? Those of our own list are looked at already. */
static bool is_held(const char *dir, const struct kf_pending *list, size_t count, const char *unit)
{
	_cleanup_(kf_closep) int fd = -1;
	char path[PATH_SIZE];

	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i].unit, unit) == 0 && list[i].fd >= 0)
			return list[i].settled == KF_SETTLED_HELD;
	if (locate(dir, unit, path))
		fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	return fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0;
}

/* Would its start pull in a unit that a lease holds? The --settle after that lease starts it. */
static bool starts_held(const char *dir, const struct kf_pending *list, size_t count,
			const char *unit, struct kf_bus *bus, const struct kf_deadline *deadline)
{
	struct kf_unit_state now = { 0 };
	const char *names = now.starts;
	char name[KF_NAME_SIZE];

	/* An error is not told: the start that follows fails then, too, and tells it. */
	IGNORE_RESULT(kf_bus_state(bus, unit, deadline, &now, NULL));
	while (kf_unit_next(&names, name))
		if (is_held(dir, list, count, name))
			return true;
	return false;
}

static void start(const char *path, struct kf_pending *pending, struct kf_bus *bus,
		  const struct kf_deadline *deadline)
{
	const struct kf_deadline brief = { .ms = deadline->ms + 1000, .through = true };
	struct kf_unit_state now, before;
	int r = kf_bus_start(bus, pending->unit, deadline, &pending->err);

	if (r < 0 && kf_pending_read(pending->fd, &before) &&
	    kf_bus_state(bus, pending->unit, &brief, &now, NULL) == 0) {
		/* A crash-looping unit crash-loops again: it is as it was. */
		if (kf_unit_is_up(&now) && strcmp(now.active, before.active) == 0)
			r = 0;
		/* Do not count that the unit was active during our own start. */
		if (now.since[0])
			strcpy(before.since, now.since);
		IGNORE_RESULT(kf_pending_write(pending->fd, &before, NULL));
	}
	if (r < 0)
		return;
	pending->settled = KF_SETTLED_STARTED;
	unlink(path);
}

int kf_pending_settle(const char *dir, struct kf_pending *list, size_t count, int64_t timeout_ms,
		      struct kf_error *err)
{
	struct kf_deadline deadline = { .ms = kf_now_ms() + timeout_ms, .through = true };
	_cleanup_(kf_bus_close) struct kf_bus *bus = NULL;
	const struct kf_error *why = NULL;
	char path[PATH_SIZE], lost[256] = "";

	for (size_t i = 0; i < count; i++)
		if (locate(dir, list[i].unit, path))
			look(path, &list[i], &bus, &deadline);
	for (size_t i = 0; i < count; i++) {
		deadline.ms = kf_now_ms() + timeout_ms;
		if (list[i].start && starts_held(dir, list, count, list[i].unit, bus, &deadline))
			list[i].settled = KF_SETTLED_HELD;
		else if (list[i].start && locate(dir, list[i].unit, path))
			start(path, &list[i], bus, &deadline);
		if (list[i].settled == KF_SETTLED_LOST) {
			why = why ? why : &list[i].err;
			kf_text_add(lost, sizeof(lost), " ", list[i].unit);
		}
		kf_closep(&list[i].fd);
	}
	if (!why)
		return 0;
	kf_fail(err, KF_SERVICE_LOST, "%s", why->message);
	return kf_error_hint(err, "sudo systemctl start %s", lost);
}
