/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <unistd.h>

#include "core/clock.h"
#include "flash/turn.h"

#define PATIENCE 4 /* times what a method may take */

int kf_turn_take(const struct kf_flash_options *options, enum kf_method method,
		 struct kf_error *err)
{
	int64_t deadline_ms = kf_now_ms() + options->method_ms * PATIENCE;
	struct pollfd pfd = { .fd = options->turn ? options->turn[0] : -1, .events = POLLIN };
	char byte;
	int r;

	if (!options->turn || method == KF_METHOD_KATAPULT)
		return 0;
	do {
		r = kf_wait(&pfd, 1, deadline_ms);
		if (r == 0)
			return kf_fail(err, KF_BUSY, "other boards take too long");
		if (r < 0)
			return kf_fail_sys(err, -r, "waiting for other boards");
	} while (read(pfd.fd, &byte, 1) != 1);
	return 0;
}

void kf_turn_give(const struct kf_flash_options *options, enum kf_method method)
{
	if (options->turn && method != KF_METHOD_KATAPULT)
		IGNORE_RESULT(write(options->turn[1], "", 1));
}
