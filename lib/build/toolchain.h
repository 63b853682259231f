/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The compiler that a build needs: it is looked for before make starts, and its version and files
 * are a part of the build key.
 */
#ifndef KF_BUILD_TOOLCHAIN_H
#define KF_BUILD_TOOLCHAIN_H

#include "build/tree.h"
#include "firmware/kconfig.h"

/*
 * The compiler is what the tree's own src/<board directory>/Makefile sets as
 * CROSS_PREFIX; none, or one that only make can work out, is not checked.
 * KF_NO_TOOLCHAIN says what is missing; the hint names Debian's packages. The text *ret, which the
 * caller frees, changes when the compiler does: it has the compiler's version, size and time of the
 * assembler, the linker and the C library, and the variables that compilers read.
 */
_must_check_ int kf_toolchain_check(const struct kf_tree *tree, const struct kf_kconfig *config,
				    int64_t deadline_ms, char **ret, struct kf_error *err);

/* The same by the MCU's name alone, for a board without a saved configuration. */
_must_check_ int kf_toolchain_check_mcu(const char *mcu, int64_t deadline_ms, struct kf_error *err);

/* The value of CROSS_PREFIX in a Makefile's text; false if it has none that is plain. */
bool kf_cross_prefix(const char *makefile, char *ret, size_t size);

#endif
