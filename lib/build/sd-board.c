/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "board/identity.h"
#include "build/sd-board.h"
#include "core/clock.h"
#include "core/process.h"
#include "core/suggestion.h"
#include "core/text.h"

enum { ASK_MS = 20000, OUTPUT_MAX = 256 * 1024, WORDS_MAX = 512 };

/* The definitions are Python code, so Python reads them: an alias has another board's. */
static const char ask[] = "import json, sys\n"
			  "sys.path.insert(0, sys.argv[1] + '/scripts/spi_flash')\n"
			  "import board_defs\n"
			  "print(json.dumps([board_defs.list_boards(),"
			  " board_defs.lookup_board(sys.argv[2])]))\n";

static void copy(const json_t *board, const char *member, const char *otherwise, char *ret,
		 size_t size)
{
	const char *text = json_string_value(json_object_get(board, member));

	text = text ? text : otherwise;
	kf_text_clean(ret, size, text, strlen(text));
}

/* Add the boards that are like name: those with it in their names, else the likeliest one. */
static int unknown(const json_t *list, const char *tree_dir, const char *name, struct kf_error *err)
{
	struct kf_suggestion meant = { .typed = name };
	char like[256] = "", clean[KF_NAME_SIZE];
	const json_t *entry;
	size_t i;

	json_array_foreach(list, i, entry) {
		const char *board = json_string_value(entry);

		if (!board)
			continue;
		kf_suggestion_offer(&meant, board);
		KF_CLEAN(clean, board);
		if (strstr(board, name))
			kf_text_add(like, sizeof(like), ", ", clean);
	}
	if (!like[0] && meant.word)
		KF_CLEAN(like, meant.word);
	kf_fail(err, KF_CONFIG, "the flash-sdcard.sh of %s knows no board %s%s%s", tree_dir, name,
		like[0] ? "; like it are: " : "", like);
	return kf_error_hint(err,
			     "%s/scripts/flash-sdcard.sh -l lists them; then: kf set KEY "
			     "sdcard_board=BOARD",
			     tree_dir);
}

/* The tree has no such file. */
static int no_file(const char *path, struct kf_error *err)
{
	kf_fail(err, KF_CONFIG, "there is no %s: that tree writes no SD card", path);
	return kf_error_hint(err, "name a tree that has it: kf set KEY klipper_dir=DIR");
}

int kf_sd_board_find(const char *tree_dir, const char *name, struct kf_sd_board *ret,
		     struct kf_error *err)
{
	const char *const argv[] = { "python3", "-IBS", "-c", ask, tree_dir, name, NULL };
	const struct kf_process p = { .argv = argv, .in = -1, .err = -1 };
	_cleanup_(kf_json_decrefp) json_t *answer = NULL;
	_cleanup_(kf_freep) char *text = NULL;
	char path[PATH_MAX];
	const json_t *board;
	int r;

	if (!kf_text_format(path, sizeof(path), "%s/scripts/spi_flash/board_defs.py", tree_dir) ||
	    access(path, R_OK) < 0)
		return no_file(path, err);
	if (!kf_process_exists("python3"))
		return kf_process_missing("python3", "it lists the boards of flash-sdcard.sh",
					  "python3", err);
	r = kf_process_output(&p, kf_now_ms() + ASK_MS, OUTPUT_MAX, &text, err);
	if (r < 0)
		return r;
	answer = json_loads(text, 0, NULL);
	board = json_array_get(answer, 1);
	if (!json_is_array(json_array_get(answer, 0)))
		return kf_fail(err, KF_CONFIG, "%s does not list its boards", path);
	if (!json_is_object(board))
		return unknown(json_array_get(answer, 0), tree_dir, name, err);
	copy(board, "mcu", "", ret->mcu, sizeof(ret->mcu));
	copy(board, "firmware_path", "firmware.bin", ret->file, sizeof(ret->file));
	copy(board, "conversion_script", "", ret->script, sizeof(ret->script));
	ret->unique = json_is_true(json_object_get(board, "requires_unique_fw_name"));
	return 0;
}

static int find_script(const char *tree_dir, char ret[PATH_MAX], struct kf_error *err)
{
	if (kf_text_format(ret, PATH_MAX, "%s/scripts/flash-sdcard.sh", tree_dir) &&
	    access(ret, R_OK) == 0)
		return 0;
	return no_file(ret, err);
}

/* The last line of what was written to fd, clean: there Python names the module that it misses. */
static void last_line(int fd, char *ret, size_t size)
{
	char text[WORDS_MAX] = "", *line;
	off_t end = lseek(fd, 0, SEEK_END), start = end - (off_t)sizeof(text) + 1;
	ssize_t n = pread(fd, text, sizeof(text) - 1, start > 0 ? start : 0);

	while (n > 0 && text[n - 1] == '\n')
		text[--n] = '\0';
	line = strrchr(text, '\n');
	line = line ? line + 1 : text;
	kf_text_clean(ret, size, line, strlen(line));
}

/* flash-sdcard.sh -l loads all of its Python modules, so it shows what is missing. */
static int check_python(const char *tree_dir, const char *script, struct kf_error *err)
{
	/* Python would write the bytecode of the modules beside them. */
	static const char *const env[] = { "PYTHONDONTWRITEBYTECODE=1", NULL };
	const char *const argv[] = { "bash", script, "-l", NULL };
	_cleanup_(kf_closep) int complaint = memfd_create("flash-sdcard.sh", MFD_CLOEXEC);
	const struct kf_process p = { .argv = argv, .env = env, .in = -1, .err = complaint };
	_cleanup_(kf_freep) char *text = NULL;
	char words[WORDS_MAX];
	int r = kf_process_output(&p, kf_now_ms() + ASK_MS, OUTPUT_MAX, &text, err);

	if (r == 0 || r == -EINTR)
		return r;
	last_line(complaint, words, sizeof(words));
	kf_fail(err, KF_NO_TOOLCHAIN, "%s -l fails: %s", script,
		words[0] ? words : "its Python, or a module of it, is missing");
	return kf_error_hint(
		err,
		"it uses ~/klippy-env/bin/python, the one that runs Klippy, unless its "
		"KLIPPY_ENV says otherwise: ~/klippy-env/bin/pip install -r "
		"%s/scripts/klippy-requirements.txt",
		tree_dir);
}

static int other_mcu(const char *tree_dir, const char *name, const char *is, const char *mcu,
		     struct kf_error *err)
{
	kf_fail(err, KF_MCU_MISMATCH, "the firmware is for %s, and the SD board %s is a %s", mcu,
		name, is);
	kf_error_hint(err,
		      "if it is another board: kf set KEY sdcard_board=BOARD "
		      "(%s/scripts/flash-sdcard.sh -l lists them); else choose the MCU %s in "
		      "menuconfig",
		      tree_dir, is);
	return kf_code_errno(KF_MCU_MISMATCH);
}

int kf_sd_board_check(const char *tree_dir, const char *name, const char *mcu, struct kf_error *err)
{
	struct kf_sd_board board;
	char script[PATH_MAX];
	int r = find_script(tree_dir, script, err);

	if (r == 0)
		r = kf_sd_board_find(tree_dir, name, &board, err);
	if (r < 0)
		return r;
	if (!kf_mcu_same(board.mcu, mcu))
		return other_mcu(tree_dir, name, board.mcu, mcu, err);
	if (!kf_process_exists("gcc"))
		return kf_process_missing("gcc", "flash-sdcard.sh builds its fatfs.so by it", "gcc",
					  err);
	return check_python(tree_dir, script, err);
}
