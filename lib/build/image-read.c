/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>
#include <unistd.h>

#include "board/record.h"
#include "build/image-read.h"
#include "core/clock.h"
#include "core/process.h"
#include "core/text.h"
#include "core/toolpath.h"

/* The record's "read" member of kf-flash's output, or its error. */
static int take_record(int out, int status, json_t **ret, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *records = NULL;
	const json_t *error, *record;
	const char *code, *message, *hint;
	int r = kf_records_load(out, &records, err);

	if (r < 0)
		return r;
	record = json_array_get(records, 0);
	*ret = json_incref(json_object_get(record, "read"));
	error = json_object_get(record, "error");
	if (*ret && !json_is_object(error))
		return 0;
	code = json_string_value(json_object_get(error, "code"));
	if (!code || kf_code_find(code) == KF_CODE_COUNT)
		return kf_fail(err, KF_INTERNAL, "kf-flash --read ended with status %d",
			       kf_process_status(status));
	message = json_string_value(json_object_get(error, "message"));
	hint = json_string_value(json_object_get(error, "hint"));
	kf_fail(err, kf_code_find(code), "%s", message ? message : code);
	return kf_error_hint(err, "%s", hint ? hint : "");
}

/* Run kf-flash --read; config (may be NULL) is the configuration that is expected to run. */
static int run_flash(struct kf_configure *c, const struct kf_board *board,
		     const struct kf_kconfig *config, const char *path, size_t bytes, json_t **ret,
		     struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *records = json_array();
	_cleanup_(kf_closep) int in = -1, out = -1;
	json_t *record = kf_record_new(board);
	char program[PATH_MAX], file[PATH_MAX + 8], count[48];
	const char *const argv[] = { program, "--json", file, count, NULL };
	struct kf_process process = { .argv = argv, .err = STDERR_FILENO, .foreground = true };
	int status = 0, r;
	pid_t pid;

	if (config)
		json_object_set_new(record, "config",
				    json_pack("{s:s, s:I}", "mcu", config->mcu, "start",
					      (json_int_t)config->start));
	json_array_append_new(records, record);
	r = kf_tool_find("kf-flash", program, err);
	if (r == 0)
		r = kf_records_save(records, &in, err);
	if (r == 0)
		r = kf_records_file(&out, err);
	if (r < 0)
		return r;
	kf_text_format(file, sizeof(file), "--read=%s", path);
	kf_text_format(count, sizeof(count), "--bytes=%zu", bytes);
	process.in = in;
	process.out = out;
	r = kf_process_start(&process, &pid, err);
	if (r < 0)
		return r;
	kf_process_wait_out(pid, &status);
	r = kf_stopped() ? kf_fail_stopped(err) : take_record(out, status, ret, err);
	c->told = r < 0;
	return r;
}

int kf_image_read(struct kf_configure *c, const struct kf_board *board,
		  const struct kf_kconfig *config, const char *path, size_t bytes,
		  struct kf_board_told *told, struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *read = NULL;
	const char *mcu;
	int r = run_flash(c, board, config, path, bytes, &read, err);

	if (r < 0)
		return r;
	told->katapult = true;
	told->katapult_start = (uint32_t)json_integer_value(json_object_get(read, "start"));
	mcu = json_string_value(json_object_get(read, "mcu"));
	if (mcu)
		KF_CLEAN(told->mcu, mcu);
	return 0;
}
