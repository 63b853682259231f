/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Values of options. The tool that has the option checks the value, and kf before it passes the
 * option on: so a wrong value is reported once, and before anything starts.
 */
#ifndef KF_CORE_VALUE_H
#define KF_CORE_VALUE_H

#include "core/error.h"

enum kf_value {
	KF_VALUE_ANY,
	KF_VALUE_TEXT, /* not empty */
	/* The rest are numbers. */
	KF_VALUE_COUNT,	  /* a whole one from 1 on */
	KF_VALUE_BYTES,	  /* likewise, up to what a chip's flash may have: 16 MiB */
	KF_VALUE_BAUD,	  /* likewise: of a UART, 1200 to 12000000 */
	KF_VALUE_TIMEOUT, /* seconds, fractions allowed, of which there is some */
	KF_VALUE_DELAY,	  /* the same, or 0 */
};

/*
 * Returns 0, with the number or the milliseconds in *ret (NULL: nobody wants them), or -EINVAL
 * (KF_USAGE), naming the option (its long name, without dashes) and the text.
 */
_must_check_ int kf_value_read(enum kf_value value, const char *option, const char *text,
			       int64_t *ret, struct kf_error *err);

/* The same as KF_VALUE_TEXT, and of fewer bytes than size: a copy goes into ret. */
_must_check_ int kf_value_copy(const char *option, const char *text, char *ret, size_t size,
			       struct kf_error *err);

#endif
