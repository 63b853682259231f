/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * kf-config: the "config" member of records, and the registry. As a filter it gives each
 * registered board its saved Kconfig, updated on a copy; with a command it shows or
 * changes devices.json. Questions go to /dev/tty, for 0 and 1 are the pipe's.
 */
#include <string.h>

#include "core/clock.h"
#include "core/lock.h"
#include "kf-config/commands.h"
#include "names.h"
#include "terminal/usage.h"

enum { TIMEOUT_MS = 60000 };

static int config_main(int argc, char *argv[])
{
	struct args args = { .request.tty = -1, .timeout_ms = TIMEOUT_MS, .wait_ms = KF_WAIT_MS };
	const struct command *command;
	struct kf_error err = { 0 };
	char **words;
	int lost, r = command_read(argc, argv, &args, &command, &words);

	if (r >= 0)
		return r;
	kf_stop_install();
	r = command->run(&args, words, &err);
	lost = r >= 0 ? kf_usage_flush(&err) : 0;
	if (lost < 0)
		r = lost;
	kf_usage_unread(r);
	return kf_usage_end(r, &err);
}

int main(int argc, char *argv[])
{
	if (kf_usage_is("build"))
		return build_main(argc, argv);
	if (kf_usage_is("status"))
		return status_main(argc, argv);
	return config_main(argc, argv);
}
