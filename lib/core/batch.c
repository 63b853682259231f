/* SPDX-License-Identifier: GPL-3.0-or-later */
/* memfd_create(2) files stand in for pipes. */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/batch.h"

int kf_batch_file(int *ret, struct kf_error *err)
{
	int fd = memfd_create("kf-records", MFD_CLOEXEC);

	if (fd < 0)
		return kf_fail_sys(err, errno, "cannot make a file in memory");
	*ret = fd;
	return 0;
}

/* A stream of its own on fd, at its start. */
static FILE *stream(int fd, const char *mode, struct kf_error *err)
{
	int copy = lseek(fd, 0, SEEK_SET) == 0 ? dup(fd) : -1;
	FILE *f = copy >= 0 ? fdopen(copy, mode) : NULL;

	if (!f) {
		kf_fail_sys(err, errno, "records in memory");
		kf_closep(&copy);
	}
	return f;
}

int kf_batch_collect(FILE *in, kf_record_lost *lost, json_t **ret, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *list = json_array();
	struct kf_reader reader = { .in = in, .lost = lost };
	json_t *record;
	int r;

	while ((r = kf_record_read(&reader, &record, err)) > 0)
		if (json_array_append_new(list, record) < 0)
			return kf_fail_sys(err, ENOMEM, "records in memory");
	if (r < 0)
		return r;
	*ret = TAKE_PTR(list);
	return 0;
}

int kf_batch_read(int fd, json_t **ret, struct kf_error *err)
{
	_cleanup_(kf_fclosep) FILE *in = stream(fd, "r", err);

	return in ? kf_batch_collect(in, NULL, ret, err) : -EIO;
}

int kf_batch_write(const json_t *records, int *ret, struct kf_error *err)
{
	_cleanup_(kf_closep) int fd = -1;
	_cleanup_(kf_fclosep) FILE *out = NULL;
	const json_t *record;
	size_t i;
	int r;

	r = kf_batch_file(&fd, err);
	if (r < 0)
		return r;
	out = stream(fd, "w", err);
	if (!out)
		return -EIO;
	json_array_foreach(records, i, record)
	{
		r = kf_record_write(out, record, err);
		if (r < 0)
			return r;
	}
	if (lseek(fd, 0, SEEK_SET) < 0)
		return kf_fail_sys(err, errno, "records in memory");
	*ret = TAKE_FD(fd);
	return 0;
}
