/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Find our other programs: beside the running one first, so that a build folder works uninstalled
 * and versions do not mix, else on PATH.
 */
#ifndef KF_CORE_TOOLPATH_H
#define KF_CORE_TOOLPATH_H

#include <limits.h>

#include "core/error.h"

/* The full path of an executable called name ("kf-scan"). -ENOENT (KF_CONFIG): none. */
_must_check_ int kf_tool_find(const char *name, char ret[PATH_MAX], struct kf_error *err);

/*
 * Become the tool args[0] with the words of args and then of rest (both NULL-terminated). It is
 * called by that name or, unless NULL, as the user called it ("kf list"; terminal/usage.h). Returns
 * only if that fails: as kf_tool_find, or the exec's own failure.
 */
_must_check_ int kf_tool_exec(const char *called, const char *const *args, char *const *rest,
			      struct kf_error *err);

/* The output of a tool's --help; the caller frees it. Errors as kf_tool_find and kf_process_output.
 */
_must_check_ int kf_tool_help(const char *tool, char **ret, struct kf_error *err);

/* Is there a tool PREFIXname? Then ret is its whole name. */
bool kf_tool_named(const char *prefix, const char *name, char ret[NAME_MAX + 1]);

/* Become the tool PREFIXname, as above. -ENOENT (KF_USAGE): there is none. */
_must_check_ int kf_tool_exec_named(const char *prefix, const char *name, char *const *rest,
				    struct kf_error *err);

/* Become a tool's manual page if we are on a terminal and man has it, else its --help. */
_must_check_ int kf_tool_exec_help(const char *tool, struct kf_error *err);

#endif
