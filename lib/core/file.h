/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Files of ours: whole, private and never half written. All are opened without
 * following a symbolic link in the last component where we create them, and none of them is used
 * where another user could have put it: kf_path_check
 */
#ifndef KF_CORE_FILE_H
#define KF_CORE_FILE_H

#include "core/error.h"

/* mkdir -p with mode 0700 for what is missing. */
_must_check_ int kf_dir_make(const char *path, struct kf_error *err);

/* mkdir -p of the folder of path. */
_must_check_ int kf_dir_make_parent(const char *path, struct kf_error *err);

/* Remove a tree; a path that does not exist is success. Symbolic links are not followed. */
_must_check_ int kf_dir_remove(const char *path, struct kf_error *err);

struct stat;

/* Open a regular file for reading; its stat in *st. Returns the descriptor. */
_must_check_ int kf_file_open(const char *path, struct stat *st, struct kf_error *err);

/*
 * Open a file of ours for writing: a new one is 0600, and its folder 0700. how: O_TRUNC or
 * O_APPEND. No link is followed; KF_IO: it is not a regular file. Returns the descriptor.
 */
_must_check_ int kf_file_log(const char *path, int how, struct kf_error *err);

/*
 * A regular file's bytes, NUL-terminated for convenience (the NUL is not counted);
 * the caller frees *ret. -EFBIG if it is larger than max_bytes, -ENOENT if missing.
 */
_must_check_ int kf_file_read(const char *path, size_t max_bytes, char **ret, size_t *ret_len,
			      struct kf_error *err);

/*
 * Replace path by data: temporary file in the same folder (made 0700 if missing),
 * mode 0600, or as the file had it, fsync, rename, fsync of the folder. On failure the old file
 * stays. A link is replaced, not followed. KF_IO: path is something else, and stays.
 */
_must_check_ int kf_file_write(const char *path, const void *data, size_t len,
			       struct kf_error *err);

/* kf_file_read and kf_file_write in one: dst is whole or as it was. */
_must_check_ int kf_file_copy(const char *src, const char *dst, size_t max_bytes,
			      struct kf_error *err);

/* SHA-256 of bytes, and of a regular file of any size. */
void kf_sha256(const void *data, size_t len, char ret[KF_HEX_SIZE]);
_must_check_ int kf_file_sha256(const char *path, char ret[KF_HEX_SIZE], struct kf_error *err);

#endif
