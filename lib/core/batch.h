/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * All records of a run at once, for who must see them all before anything starts. They
 * travel through files in memory: whole, and without a writer that a pipe could block.
 */
#ifndef KF_CORE_BATCH_H
#define KF_CORE_BATCH_H

#include "core/record.h"

/* An empty file in memory, close-on-exec. The caller closes *ret. */
_must_check_ int kf_batch_file(int *ret, struct kf_error *err);

/* All records of a stream, to its end: a new JSON array. Errors as kf_record_read. */
_must_check_ int kf_batch_collect(FILE *in, kf_record_lost *lost, json_t **ret,
				  struct kf_error *err);

/* The records in fd from its start: a new JSON array. Errors as kf_record_read. */
_must_check_ int kf_batch_read(int fd, json_t **ret, struct kf_error *err);

/* The other way round: a file in memory, to be read from its start. The caller closes *ret. */
_must_check_ int kf_batch_write(const json_t *records, int *ret, struct kf_error *err);

#endif
