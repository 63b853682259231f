/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Klipper's Makefile makes compile_time_request.c with $(PYTHON), and compiles it within the same
 * recipe. PYTHON=true leaves the file as it is, so our dictionary is compiled and linked by the
 * tree's own rules. Everything else is made by then, and needs no Python.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "build/rebuild.h"
#include "build/toolchain.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/paths.h"
#include "core/text.h"

enum {
	BUILD_MS = 15 * 60 * 1000,
	TOOLCHAIN_MS = 20000,
	JOBS_MAX = 32,
	SOURCE_MAX = 1 << 24,
	HEX_BYTES = sizeof("0x00,\n") - 1,
};

/* "DIR/1/out/", "DIR/1/out/klipper.bin", "DIR/1/.config" */
static int path_of(const struct kf_rebuild *rebuild, const char *name, char ret[PATH_MAX],
		   struct kf_error *err)
{
	return kf_path_format(ret, err, "%s/%u/%s", rebuild->dir, rebuild->number, name);
}

/* GNU make takes a job for each byte in this pipe: let it start one compiler a processor. */
static int open_tokens(int ret[3], struct kf_error *err)
{
	long jobs = sysconf(_SC_NPROCESSORS_ONLN);

	ret[2] = -1;
	if (pipe2(ret, O_CLOEXEC) < 0)
		return kf_fail_sys(err, errno, "cannot make a pipe");
	for (long i = 1; i < jobs && i < JOBS_MAX; i++)
		IGNORE_RESULT(write(ret[1], "+", 1));
	return 0;
}

static int load_image(const struct kf_rebuild *rebuild, struct kf_image *ret, struct kf_error *err)
{
	char name[32], path[PATH_MAX];

	for (enum kf_format f = 0; f < KF_FORMAT_COUNT; f++) {
		kf_text_format(name, sizeof(name), "out/klipper.%s", kf_format_name(f));
		if (path_of(rebuild, name, path, NULL) == 0 && access(path, F_OK) == 0)
			return kf_image_load(path, ret, err);
	}
	return kf_fail(err, KF_BUILD_FAILED, "make succeeded, but left no firmware");
}

/* Run make with targets as further arguments. flags are open(2)'s for the log. */
static int run_make(const struct kf_rebuild *rebuild, const char *const *targets, int flags,
		    struct kf_image *ret, struct kf_error *err)
{
	_cleanup_(kf_closep) int log = -1;
	int tokens[3] = { -1, -1, -1 }, status = 0, r;
	char out[PATH_MAX], config[PATH_MAX];
	struct kf_make make = { .tree = rebuild->tree,
				.out = out,
				.config = config,
				.targets = targets,
				.tokens = tokens,
				.compile = true,
				.tty = -1,
				.wait_ms = rebuild->wait_ms,
				.deadline_ms = kf_now_ms() + BUILD_MS };

	r = path_of(rebuild, "out/", out, err);
	if (r == 0)
		r = path_of(rebuild, ".config", config, err);
	if (r < 0)
		return r;
	log = kf_file_log(rebuild->log, flags, err);
	if (log < 0)
		return log;
	make.log_fd = log;
	r = open_tokens(tokens, err);
	if (r == 0)
		r = kf_tree_make(&make, &status, err);
	kf_closep(&tokens[0]);
	kf_closep(&tokens[1]);
	if (r == 0 && status)
		r = kf_make_failed(rebuild->tree, "", status, "", out, rebuild->log, err);
	return r < 0 ? r : load_image(rebuild, ret, err);
}

int kf_rebuild(const struct kf_rebuild *rebuild, struct kf_image *ret, struct kf_error *err)
{
	_cleanup_(kf_freep) char *compiler = NULL;
	char config[PATH_MAX];
	int r = kf_toolchain_check(rebuild->tree, rebuild->config, kf_now_ms() + TOOLCHAIN_MS,
				   &compiler, err);

	if (r == 0)
		r = path_of(rebuild, ".config", config, err);
	if (r == 0)
		r = kf_file_write(config, rebuild->config->text, rebuild->config->len, err);
	return r < 0 ? r : run_make(rebuild, NULL, O_TRUNC, ret, err);
}

/* Find the braces around the numbers of the dictionary's array. False: there is no such array. */
static bool find_array(const char *source, const char **ret_start, const char **ret_end)
{
	const char *at = strstr(source, "command_identify_data[]");

	at = at ? strchr(at, '{') : NULL;
	*ret_start = at ? at + 1 : NULL;
	*ret_end = at ? strchr(at, '}') : NULL;
	return *ret_end;
}

static int replace_dictionary(const char *path, const uint8_t *packed, size_t len,
			      struct kf_error *err)
{
	_cleanup_(kf_freep) char *source = NULL, *made = NULL;
	const char *start, *end;
	size_t source_bytes, used;
	int r = kf_file_read(path, SOURCE_MAX, &source, &source_bytes, err);

	if (r < 0)
		return r;
	if (!find_array(source, &start, &end))
		return kf_fail(err, KF_BUILD_FAILED, "%s has no command_identify_data", path);
	made = malloc(source_bytes + len * HEX_BYTES + 1);
	if (!made)
		return kf_fail_sys(err, ENOMEM, "%s", path);
	used = (size_t)(start - source);
	memcpy(made, source, used);
	for (size_t i = 0; i < len; i++)
		used += (size_t)sprintf(made + used, "0x%02x,\n", packed[i]);
	memcpy(made + used, end, source_bytes - (size_t)(end - source));
	used += source_bytes - (size_t)(end - source);
	return kf_file_write(path, made, used, err);
}

int kf_rebuild_around(const struct kf_rebuild *rebuild, const uint8_t *packed, size_t len,
		      struct kf_image *ret, struct kf_error *err)
{
	static const char *const no_python[] = { "PYTHON=true", NULL };
	char source[PATH_MAX], object[PATH_MAX];
	int r = path_of(rebuild, "out/compile_time_request.c", source, err);

	if (r == 0)
		r = path_of(rebuild, "out/compile_time_request.o", object, err);
	if (r == 0)
		r = replace_dictionary(source, packed, len, err);
	if (r == 0 && unlink(object) < 0)
		r = kf_fail_sys(err, errno, "%s", object);
	return r < 0 ? r : run_make(rebuild, no_python, O_APPEND, ret, err);
}
