/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Lines on standard input. What is a record is one again when it was written. */
#include "board/record.h"
#include "fuzz/fuzz.h"

static void again(const json_t *record)
{
	_cleanup_(kf_freep) char *text = NULL;
	struct kf_board board;
	struct kf_error err;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	ALWAYS(kf_record_board(record, &board, &err) == 0);
	ALWAYS(fuzz_clean(board.name, sizeof(board.name)));
	ALWAYS(fuzz_clean(kf_board_label(&board), KF_DEV_SIZE));
	ALWAYS(kf_record_write(out, record, &err) == 0);
	fclose(out);
	ALWAYS(len > 0 && memchr(text, '\n', len) == text + len - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	_cleanup_(kf_fclosep) FILE *in = len ? fmemopen((void *)data, len, "r") : NULL;
	struct kf_reader reader = { .in = in };
	struct kf_error err;
	json_t *record;

	while (in && kf_record_read(&reader, &record, &err) == 1) {
		again(record);
		json_decref(record);
	}
	return 0;
}
