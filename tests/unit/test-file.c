/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files are whole or as they were; trees go without what lies outside them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "unit/temp.h"
#include "unit/test.h"

static void put(const char *path, const char *text)
{
	struct kf_error err;

	if (kf_file_write(path, text, strlen(text), &err) < 0)
		CHECK_STR(err.message, "written");
}

static void holds(const char *path, const char *want)
{
	_cleanup_(kf_freep) char *text = NULL;
	size_t len = 0;

	CHECK(kf_file_read(path, 1 << 20, &text, &len, NULL) == 0);
	CHECK_STR(text ? text : "(nothing)", want);
	CHECK(len == strlen(want));
}

static unsigned entries(const char *folder)
{
	DIR *dir = opendir(folder);
	unsigned count = 0;

	while (readdir(dir))
		count++;
	closedir(dir);
	return count - 2;
}

TEST(written_and_read)
{
	const char *path = temp_path("new/folder/file");
	struct stat st;

	put(path, "one");
	holds(path, "one");
	CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
	CHECK(stat(temp_path("new/folder"), &st) == 0 && (st.st_mode & 0777) == 0700);
	put(path, "");
	holds(path, "");
	CHECK(entries(temp_path("new/folder")) == 1);
}

TEST(a_failed_write_leaves_the_old_file)
{
	const char *path = temp_path("old/file");
	struct rlimit was, tiny = { 4, RLIM_INFINITY };
	struct kf_error err = { 0 };

	put(path, "old");
	signal(SIGXFSZ, SIG_IGN);
	CHECK(getrlimit(RLIMIT_FSIZE, &was) == 0);
	tiny.rlim_max = was.rlim_max;
	CHECK(setrlimit(RLIMIT_FSIZE, &tiny) == 0);
	CHECK(kf_file_write(path, "too long", 8, &err) == -EFBIG);
	CHECK(setrlimit(RLIMIT_FSIZE, &was) == 0);
	CHECK(strstr(err.message, path) != NULL);
	holds(path, "old");
	CHECK(entries(temp_path("old")) == 1); /* no temporary file stays */
}

TEST(a_file_keeps_its_mode)
{
	const char *path = temp_path("shown");
	struct kf_error err = { 0 };
	struct stat st;

	CHECK(kf_file_write(path, "new", 3, &err) == 0);
	CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
	CHECK(chmod(path, 0644) == 0);
	CHECK(kf_file_write(path, "newer", 5, &err) == 0);
	holds(path, "newer");
	CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0644);
}

TEST(a_folder_in_the_way_is_an_error)
{
	struct kf_error err;

	put(temp_path("way/inner/file"), "x");
	CHECK(kf_file_write(temp_path("way/inner"), "y", 1, &err) < 0);
	CHECK(entries(temp_path("way")) == 1);
	put(temp_path("plain"), "x");
	CHECK(kf_file_write(temp_path("plain/file"), "y", 1, &err) < 0);
	CHECK(kf_dir_make(temp_path("plain"), &err) == -ENOTDIR);
	holds(temp_path("plain"), "x");
}

TEST(writing_replaces_a_link_not_its_target)
{
	struct stat st;

	put(temp_path("target"), "theirs");
	CHECK(symlink(temp_path("target"), temp_path("a-link")) == 0);
	put(temp_path("a-link"), "ours");
	holds(temp_path("target"), "theirs");
	CHECK(lstat(temp_path("a-link"), &st) == 0 && S_ISREG(st.st_mode));
}

TEST(reading_refuses)
{
	_cleanup_(kf_freep) char *text = NULL;
	struct kf_error err;
	size_t len;

	CHECK(kf_file_read(temp_path("missing"), 10, &text, &len, &err) == -ENOENT);
	put(temp_path("ten"), "0123456789");
	CHECK(kf_file_read(temp_path("ten"), 9, &text, &len, &err) == -EFBIG);
	/* Over 2 GiB, which a 32-bit program does not open by default. */
	CHECK(truncate(temp_path("ten"), (off_t)3 << 30) == 0);
	CHECK(kf_file_read(temp_path("ten"), 9, &text, &len, &err) == -EFBIG);
	CHECK(kf_file_read(temp_path(""), 10, &text, &len, &err) == -EIO);
	CHECK(strstr(err.message, "not a regular file") != NULL);
	CHECK(strstr(err.hint, "name another file") != NULL);
	CHECK(mkfifo(temp_path("fifo"), 0600) == 0);
	CHECK(kf_file_read(temp_path("fifo"), 10, &text, &len, &err) == -EIO); /* no hang */
	CHECK(kf_file_read("/dev/zero", 10, &text, &len, &err) == -EIO);
	CHECK(text == NULL);
}

TEST(copied)
{
	put(temp_path("from"), "bytes");
	CHECK(kf_file_copy(temp_path("from"), temp_path("to"), 5, NULL) == 0);
	holds(temp_path("to"), "bytes");
	CHECK(kf_file_copy(temp_path("from"), temp_path("to"), 4, NULL) == -EFBIG);
	holds(temp_path("to"), "bytes");
}

TEST(hashed)
{
	static const char abc[] =
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
	char *big = calloc(1, 200000), got[KF_HEX_SIZE], want[KF_HEX_SIZE];

	kf_sha256("abc", 3, got); /* FIPS 180-2, B.1 */
	CHECK_STR(got, abc);
	put(temp_path("abc"), "abc");
	CHECK(kf_file_sha256(temp_path("abc"), got, NULL) == 0);
	CHECK_STR(got, abc);
	CHECK(kf_file_write(temp_path("big"), big, 200000, NULL) == 0);
	CHECK(kf_file_sha256(temp_path("big"), got, NULL) == 0);
	kf_sha256(big, 200000, want);
	CHECK_STR(got, want);
	CHECK(kf_file_sha256(temp_path("none"), got, NULL) == -ENOENT);
	free(big);
}

TEST(folders_made)
{
	char big[PATH_MAX + 10];
	struct stat st;

	CHECK(kf_dir_make(temp_path("a/b/c"), NULL) == 0);
	CHECK(kf_dir_make(temp_path("a/b/c"), NULL) == 0);
	CHECK(kf_dir_make(temp_path("a//b/d/"), NULL) == 0);
	CHECK(stat(temp_path("a/b/d"), &st) == 0 && S_ISDIR(st.st_mode));
	CHECK(kf_dir_make_parent(temp_path("p/q/file"), NULL) == 0);
	CHECK(stat(temp_path("p/q"), &st) == 0);
	CHECK(stat(temp_path("p/q/file"), &st) < 0);
	CHECK(kf_dir_make_parent("file-in-this-folder", NULL) == 0);
	memset(big, 'x', sizeof(big));
	big[sizeof(big) - 1] = '\0';
	CHECK(kf_dir_make(big, NULL) == -ENAMETOOLONG);
}

TEST(trees_removed)
{
	CHECK(kf_dir_make(temp_path("keep"), NULL) == 0);
	put(temp_path("keep/file"), "x");
	put(temp_path("tree/deep/er/file"), "x");
	CHECK(symlink(temp_path("keep"), temp_path("tree/deep/link")) == 0);
	CHECK(kf_dir_remove(temp_path("tree"), NULL) == 0);
	CHECK(access(temp_path("tree"), F_OK) < 0);
	holds(temp_path("keep/file"), "x");
	CHECK(symlink(temp_path("keep"), temp_path("to-keep")) == 0);
	CHECK(kf_dir_remove(temp_path("to-keep"), NULL) == 0);
	holds(temp_path("keep/file"), "x");
	CHECK(kf_dir_remove(temp_path("never-was"), NULL) == 0);
	CHECK(kf_dir_remove(temp_path("keep/file/x"), NULL) == -ENOTDIR);
}

TEST_MAIN(T(written_and_read), T(a_failed_write_leaves_the_old_file), T(a_file_keeps_its_mode),
	  T(a_folder_in_the_way_is_an_error), T(writing_replaces_a_link_not_its_target),
	  T(reading_refuses), T(copied), T(hashed), T(folders_made), T(trees_removed))
