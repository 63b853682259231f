/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One holder at a time, and a dead one holds nothing. */
#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/lock.h"
#include "core/process.h"
#include "unit/temp.h"
#include "unit/test.h"

/* A child that takes the lock, says so, and holds it until it is killed. */
static pid_t holder(const char *path)
{
	int said[2], fd;
	pid_t pid;
	char c;

	CHECK(pipe(said) == 0);
	pid = fork();
	if (pid == 0) {
		if (kf_lock_take(path, 0, &fd, NULL) < 0 || write(said[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(said[1]);
	CHECK(read(said[0], &c, 1) == 1);
	close(said[0]);
	return pid;
}

static void end(pid_t pid)
{
	kf_process_signal(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

TEST(lock_and_unlock)
{
	const char *path = temp_path("new/folder/lock");
	struct stat st;
	int fd = -1;

	CHECK(kf_lock_take(path, 0, &fd, NULL) == 0);
	CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
	close(fd);
	CHECK(kf_lock_take(path, 0, &fd, NULL) == 0);
	close(fd);
}

TEST(a_folder_is_no_lock)
{
	const char *path = temp_path("folder");
	struct kf_error err = { 0 };
	int fd = -1;

	CHECK(mkdir(path, 0700) == 0);
	CHECK(kf_lock_take(path, 0, &fd, &err) == -EISDIR);
	CHECK(strstr(err.message, "folder: cannot lock: Is a directory") != NULL);
	CHECK(strstr(err.hint, "move it away") != NULL);
}

TEST(busy_without_a_pid_in_the_file)
{
	const char *path = temp_path("unnoted");
	struct kf_error err = { 0 };
	pid_t pid = holder(path);
	int fd;

	CHECK(truncate(path, 0) == 0);
	CHECK(kf_lock_take(path, 0, &fd, &err) == -EBUSY);
	CHECK(strstr(err.message, "is locked by another process"));
	end(pid);
}

TEST(busy_names_the_holder)
{
	const char *path = temp_path("held");
	int64_t before = kf_now_ms();
	pid_t pid = holder(path);
	char want[32];
	struct kf_error err = { 0 };
	int fd = -7;

	kf_text_format(want, sizeof(want), "process %d", (int)pid);
	CHECK(kf_lock_take(path, before + 120, &fd, &err) == -EBUSY);
	CHECK(kf_now_ms() - before >= 120);
	CHECK(err.code == KF_BUSY);
	CHECK(strstr(err.message, want) && strstr(err.message, path));
	CHECK(fd == -7);
	end(pid);
	CHECK(kf_lock_take(path, 0, &fd, NULL) == 0); /* its death released it */
	close(fd);
}

TEST(a_waiter_gets_it_when_the_holder_dies)
{
	const char *path = temp_path("waited");
	pid_t pid = holder(path), killer;
	int fd;

	killer = fork();
	if (killer == 0) {
		if (kf_wait(NULL, 0, kf_now_ms() + 100) == 0)
			kf_process_signal(pid, SIGKILL);
		_exit(0);
	}
	CHECK(kf_lock_take(path, kf_now_ms() + 10000, &fd, NULL) == 0);
	close(fd);
	waitpid(killer, NULL, 0);
	waitpid(pid, NULL, 0);
}

TEST(a_foreign_link_is_not_followed)
{
	const char *path = temp_path("link");
	struct kf_error err;
	int fd;

	CHECK(symlink(temp_path("victim"), path) == 0);
	CHECK(kf_lock_take(path, 0, &fd, &err) == -ELOOP);
	CHECK(access(temp_path("victim"), F_OK) < 0);
	CHECK(strstr(err.hint, "move it away") != NULL);
}

TEST_MAIN(T(lock_and_unlock), T(a_folder_is_no_lock), T(busy_without_a_pid_in_the_file),
	  T(busy_names_the_holder), T(a_waiter_gets_it_when_the_holder_dies),
	  T(a_foreign_link_is_not_followed))
