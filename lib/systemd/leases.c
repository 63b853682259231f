/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The files stay, empty when they are not used: the lock of a file says whether it is used. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/process.h"
#include "core/text.h"
#include "systemd/leases.h"

enum { PATH_SIZE = 512, COMMAND_SIZE = 256, FILE_MAX = 16384 };

int kf_leases_enter(const char *dir, uid_t uid, int *ret, struct kf_error *err)
{
	unsigned slots = uid == 0 ? KF_LEASES_ROOT : KF_LEASES_EACH;
	char path[PATH_SIZE];
	int fd;

	for (unsigned i = 0; i < slots; i++) {
		if (!kf_text_format(path, sizeof(path), "%s/%u.%u", dir, (unsigned)uid, i))
			return kf_fail_sys(err, ENAMETOOLONG, "%s", dir);
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return kf_fail_sys(err, errno, "%s", path);
		if (flock(fd, LOCK_EX | LOCK_NB) == 0 && ftruncate(fd, 0) == 0) {
			*ret = fd;
			return 0;
		}
		close(fd);
	}
	kf_fail(err, KF_BUSY, "user %u has %u connections to kf-leased already", (unsigned)uid,
		slots);
	return kf_error_hint(err, "kf-service status shows the leases: end one of them first");
}

/* The arguments of a process, with a space between them. */
static void read_command(pid_t pid, char ret[COMMAND_SIZE])
{
	char text[COMMAND_SIZE];
	size_t len = kf_process_read(pid, "cmdline", text, sizeof(text));

	for (size_t i = 0; i < len; i++)
		if (text[i] == '\0')
			text[i] = i + 1 < len ? ' ' : '\0';
	kf_text_clean(ret, COMMAND_SIZE, text, strnlen(text, sizeof(text)));
}

void kf_leases_name(const json_t *lease, char *ret, size_t size)
{
	const char *user = json_string_value(json_object_get(lease, "user"));
	const char *command = json_string_value(json_object_get(lease, "command"));

	kf_text_format(ret, size, "process %lld%s%s (%s)",
		       (long long)json_integer_value(json_object_get(lease, "pid")),
		       user ? " of " : "", user ? user : "", command ? command : "");
}

int kf_leases_write(int fd, const struct ucred *client, const json_t *units, char *name,
		    size_t size, struct kf_error *err)
{
	const struct passwd *user = getpwuid(client->uid);
	char since[KF_UTC_SIZE], command[COMMAND_SIZE];
	json_t *lease;
	int r;

	kf_now_utc(since);
	read_command(client->pid, command);
	lease = json_pack("{s:s, s:I, s:s*, s:i, s:s, s:O}", "since", since, "uid",
			  (json_int_t)client->uid, "user", user ? user->pw_name : NULL, "pid",
			  (int)client->pid, "command", command, "units", units);
	if (!lease)
		return kf_fail_sys(err, ENOMEM, "the lease cannot be written");
	r = json_dumpfd(lease, fd, JSON_COMPACT) < 0 ? -errno : 0;
	kf_leases_name(lease, name, size);
	json_decref(lease);
	return r < 0 ? kf_fail_sys(err, -r, "the lease cannot be written") : 0;
}

static bool names_unit(const json_t *lease, const char *unit)
{
	const json_t *name;
	size_t i;

	json_array_foreach(json_object_get(lease, "units"), i, name) {
		if (strcmp(json_string_value(name), unit) == 0)
			return true;
	}
	return false;
}

/* The lease of one file, empty if it is not written yet; NULL: the file is not used. */
static json_t *read_lease(int folder, const char *name)
{
	_cleanup_(kf_closep) int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	char text[FILE_MAX];
	ssize_t len;

	if (fd < 0 || flock(fd, LOCK_SH | LOCK_NB) == 0)
		return NULL;
	len = pread(fd, text, sizeof(text), 0);
	return len > 0 ? json_loadb(text, (size_t)len, 0, NULL) : json_object();
}

json_t *kf_leases_list(const char *dir, const char *unit)
{
	_cleanup_(kf_closedirp) DIR *d = opendir(dir);
	json_t *list = json_array();
	const struct dirent *entry;

	while (d && (entry = readdir(d))) {
		_cleanup_(kf_json_decrefp) json_t *lease = NULL;

		if (entry->d_name[0] != '.')
			lease = read_lease(dirfd(d), entry->d_name);
		if (lease && (!unit || names_unit(lease, unit)))
			json_array_append(list, lease);
	}
	return list;
}
