/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * All files of this folder are linked into one program: linking each takes longer than compiling
 * it. The name by which it is started, a link to it, is that of the file whose PROGRAM runs. A file
 * that defines a kf_ function, in place of libkf's, is a program of its own.
 */
#ifndef TESTS_UNIT_PROGRAM_H
#define TESTS_UNIT_PROGRAM_H

struct program {
	const char *file;
	int (*run)(int argc, char **argv);
	struct program *next;
};

extern struct program *programs;

/* Begins the main function of a test; argc and argv are its arguments. */
#define PROGRAM                                                                                    \
	static int run_program(int argc, char **argv);                                             \
	static struct program program = { __FILE__, run_program, NULL };                           \
	__attribute__((constructor)) static void add_program(void)                                 \
	{                                                                                          \
		program.next = programs;                                                           \
		programs = &program;                                                               \
	}                                                                                          \
	static int run_program(__attribute__((unused)) int argc,                                   \
			       __attribute__((unused)) char **argv)

#endif
