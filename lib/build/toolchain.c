/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The tree says which compiler; the table below says from which packages. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "build/toolchain.h"
#include "core/file.h"
#include "core/text.h"
#include "firmware/loader.h"

enum { MAKEFILE_MAX = 1 << 20, OUTPUT_MAX = 4096 };

/*
 * Debian's packages by prefix (Klipper scripts/install-debian.sh). library: what Klipper
 * links with (src/stm32/Makefile: -lc_nano; avr-libc), which the compiler's own package lacks.
 */
static const struct {
	const char *prefix, *packages, *library;
} packages[] = {
	{ "arm-none-eabi-", "gcc-arm-none-eabi binutils-arm-none-eabi libnewlib-arm-none-eabi",
	  "libc_nano.a" },
	{ "avr-", "gcc-avr binutils-avr avr-libc", "libc.a" },
	{ "or1k-elf-", "gcc-or1k-elf", NULL },
};

/* The part of a line after "CROSS_PREFIX =" (or :=, ?=), or NULL. */
static const char *assigned(const char *line)
{
	static const char name[] = "CROSS_PREFIX";

	line += strspn(line, " ");
	if (strncmp(line, name, strlen(name)) != 0)
		return NULL;
	line += strlen(name);
	line += strspn(line, " \t");
	line += strspn(line, ":?");
	return *line == '=' ? line + 1 + strspn(line + 1, " \t") : NULL;
}

bool kf_cross_prefix(const char *makefile, char *ret, size_t size)
{
	const char *value, *found = NULL;
	size_t len;

	for (const char *line = makefile, *eol; line; line = eol ? eol + 1 : NULL) {
		eol = strchr(line, '\n');
		value = assigned(line);
		if (value)
			found = value;
	}
	if (!found)
		return false;
	len = strcspn(found, " \t\r\n#");
	if (len == 0 || len >= size || memchr(found, '$', len))
		return false;
	return kf_text_clean(ret, size, found, len);
}

static int missing(const char *what, const char *mcu, const char *names, struct kf_error *err)
{
	kf_fail(err, KF_NO_TOOLCHAIN, "%s is missing; it is needed to build firmware for %s", what,
		mcu);
	if (names)
		return kf_error_hint(err, "sudo apt-get install %s", names);
	return kf_error_hint(err, "install it, or put it on PATH");
}

/* The variables that compilers read. */
static void note_variables(FILE *out)
{
	static const char *const variables[] = {
		"CPATH",	 "C_INCLUDE_PATH",  "CPLUS_INCLUDE_PATH", "LIBRARY_PATH",
		"COMPILER_PATH", "GCC_EXEC_PREFIX", "SOURCE_DATE_EPOCH",  "CROSS_PREFIX",
	};

	for (size_t i = 0; i < KF_ARRAY_SIZE(variables); i++)
		if (getenv(variables[i]))
			fprintf(out, "%s=%s\n", variables[i], getenv(variables[i]));
}

/*
 * One of the compiler's files as of now: an upgrade of its package changes size or time. The
 * compiler prints a bare name for a program that it looks for on PATH.
 */
static void note_file(FILE *out, const char *name)
{
	char path[PATH_MAX];
	struct stat st;

	if (!strchr(name, '/') && kf_process_find(name, path))
		name = path;
	if (strchr(name, '/') && stat(name, &st) == 0)
		fprintf(out, "%s %jd %jd.%09ld\n", name, (intmax_t)st.st_size,
			(intmax_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

/*
 * The compiler's version, its linker (of the assembler's package) and its C library. Each answer
 * takes 4 ms, so all are asked for at once.
 */
static int note_compiler(FILE *out, const char *gcc, const char *library, const char *mcu,
			 const char *names, int64_t deadline_ms, struct kf_error *err)
{
	char library_option[64];
	const char *const options[] = { "--version", "-print-prog-name=ld", library_option };
	enum { COUNT = KF_ARRAY_SIZE(options), LIBRARY = COUNT - 1 };
	struct kf_output answers[COUNT] = { 0 };
	int r = 0;

	kf_text_format(library_option, sizeof(library_option), "-print-file-name=%s",
		       library ? library : "libc.so.6");
	for (size_t i = 0; r == 0 && i < COUNT; i++) {
		const char *const argv[] = { gcc, options[i], NULL };
		const struct kf_process p = { .argv = argv, .in = -1, .out = -1, .err = -1 };

		r = kf_output_start(&p, &answers[i], err);
	}
	for (size_t i = 0; r == 0 && i < COUNT; i++) {
		_cleanup_(kf_freep) char *text = NULL;

		r = kf_output_read(&answers[i], deadline_ms, OUTPUT_MAX, &text, err);
		if (r < 0)
			break;
		text[strcspn(text, "\n")] = '\0';
		if (i == 0)
			fprintf(out, "%s\n", text);
		else
			note_file(out, text);
		/* The compiler prints the library's bare name if it does not find the library. */
		if (i == LIBRARY && library && !strchr(text, '/'))
			r = missing(library, mcu, names, err);
	}
	for (size_t i = 0; i < COUNT; i++)
		kf_output_cancel(&answers[i]);
	return r;
}

static int check_prefix(FILE *out, const char *prefix, const char *mcu, int64_t deadline_ms,
			struct kf_error *err)
{
	static const char *const programs[] = { "ld", "objcopy", "gcc" }; /* gcc: see below */
	const char *names = NULL, *library = NULL;
	char program[128];

	for (size_t i = 0; i < KF_ARRAY_SIZE(packages); i++) {
		if (strcmp(packages[i].prefix, prefix) == 0) {
			names = packages[i].packages;
			library = packages[i].library;
		}
	}
	for (size_t i = 0; i < KF_ARRAY_SIZE(programs); i++) {
		kf_text_format(program, sizeof(program), "%s%s", prefix, programs[i]);
		if (!kf_process_exists(program))
			return missing(program, mcu, names, err);
	}
	return note_compiler(out, program, library, mcu, names, deadline_ms, err);
}

/* The prefix that the tree gives this board's compiler; false: none that is plain. */
static bool find_prefix(const struct kf_tree *tree, const struct kf_kconfig *config, char *ret,
			size_t size)
{
	_cleanup_(kf_freep) char *text = NULL;
	char board[64], path[PATH_MAX];
	size_t len;

	return kf_kconfig_get(config, "BOARD_DIRECTORY", board, sizeof(board)) &&
	       !strchr(board, '/') &&
	       kf_text_format(path, sizeof(path), "%s/src/%s/Makefile", tree->dir, board) &&
	       kf_file_read(path, MAKEFILE_MAX, &text, &len, NULL) == 0 &&
	       kf_cross_prefix(text, ret, size);
}

int kf_toolchain_check(const struct kf_tree *tree, const struct kf_kconfig *config,
		       int64_t deadline_ms, char **ret, struct kf_error *err)
{
	_cleanup_(kf_freep) char *text = NULL;
	char prefix[64] = "";
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	bool known = find_prefix(tree, config, prefix, sizeof(prefix));
	int r = 0;

	if (!out)
		return kf_fail_sys(err, ENOMEM, "%s", tree->dir);
	/* Only make can expand this value: it is not checked here, but in the image. */
	if (known)
		r = check_prefix(out, prefix, config->mcu, deadline_ms, err);
	else if (kf_process_exists("gcc"))
		r = note_compiler(out, "gcc", NULL, config->mcu, NULL, deadline_ms, err);
	note_variables(out);
	if (fclose(out) == EOF)
		r = kf_fail_sys(err, ENOMEM, "%s", tree->dir);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(text);
	return 0;
}

int kf_toolchain_check_mcu(const char *mcu, int64_t deadline_ms, struct kf_error *err)
{
	const struct kf_loader *loader = kf_loader_find(mcu, KF_LOADER_ANY);
	const char *prefix = "arm-none-eabi-";
	_cleanup_(kf_fclosep) FILE *out = NULL;

	if (!loader)
		return 0; /* Linux, a PRU, or one that only the tree knows */
	if (loader->program == KF_PROGRAM_AVRDUDE)
		prefix = "avr-";
	out = fopen("/dev/null", "we");
	return out ? check_prefix(out, prefix, mcu, deadline_ms, err)
		   : kf_fail_sys(err, errno, "/dev/null");
}
