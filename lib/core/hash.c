/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The part of core/file.h that needs libmd: a program that hashes nothing does not load it. */
#include <errno.h>
#include <sha2.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"

void kf_sha256(const void *data, size_t len, char ret[KF_HEX_SIZE])
{
	SHA256Data((const uint8_t *)data, len, ret);
}

int kf_file_sha256(const char *path, char ret[KF_HEX_SIZE], struct kf_error *err)
{
	_cleanup_(kf_closep) int fd = -1;
	uint8_t buf[65536];
	struct stat st;
	SHA2_CTX ctx;
	ssize_t n;

	fd = kf_file_open(path, &st, err);
	if (fd < 0)
		return fd;
	SHA256Init(&ctx);
	while ((n = read(fd, buf, sizeof(buf))) != 0) {
		if (n < 0 && errno != EINTR)
			return kf_fail_sys(err, errno, "%s", path);
		if (n > 0)
			SHA256Update(&ctx, buf, (size_t)n);
	}
	SHA256End(&ctx, ret);
	return 0;
}
