/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The few attributes, sizes and functions that every file uses. Destructors accept NULL. */
#ifndef KF_CORE_BASE_H
#define KF_CORE_BASE_H

#include <dirent.h>
#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define _cleanup_(fn)	   __attribute__((cleanup(fn)))
#define _printf_(fmt, arg) __attribute__((format(printf, fmt, arg)))
#define _must_check_	   __attribute__((warn_unused_result))

#define KF_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* The value of a variable with a destructor, which is then NULL (or -1): the receiver owns it. */
#define TAKE_VALUE(variable, none)                                                                 \
	({                                                                                         \
		__typeof__(variable) taken_ = (variable);                                          \
		(variable) = (none);                                                               \
		taken_;                                                                            \
	})
#define TAKE_PTR(pointer) TAKE_VALUE(pointer, NULL)
#define TAKE_FD(fd)	  TAKE_VALUE(fd, -1)

/* Call a function that must be checked, where its failure changes nothing. */
#define IGNORE_RESULT(call) ((void)!(call))

/* Sizes, in bytes with the NUL, of names of the kernel, of udev and in our own files. */
#define KF_NAME_SIZE 128 /* a USB string (126 UTF-16 units at most), a unit, a board's name */
#define KF_DEV_SIZE  512 /* a path below /dev; by-id names carry three USB strings */
#define KF_HEX_SIZE  65	 /* a SHA-256 in lower-case hex */

/* Every tool's --version. Set by the Makefile from the first line of debian/changelog. */
#ifndef KF_VERSION
#define KF_VERSION "unreleased"
#endif

/* The year of that version, from the same file. */
#ifndef KF_YEAR
#define KF_YEAR 2026
#endif

void kf_closep(int *fd);
void kf_freep(void *p);
void kf_fclosep(FILE **f);
void kf_closedirp(DIR **dir);
void kf_json_decrefp(json_t **obj);

/* A member that is a string; "" where there is none. It lives as long as the object. */
const char *kf_json_text(const json_t *object, const char *member);

#endif
