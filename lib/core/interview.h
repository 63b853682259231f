/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The questions that registering a board needs, each with a proposal that Enter accepts. An
 * answer that is not allowed is asked again. All return 0, KF_INTERRUPTED when the
 * user leaves (Ctrl-D, Ctrl-C), or as kf_terminal_ask.
 */
#ifndef KF_CORE_INTERVIEW_H
#define KF_CORE_INTERVIEW_H

#include "core/enrol.h"

/* Which of these boards? *ret is its index. */
_must_check_ int kf_interview_choose(int tty, const struct kf_board *boards, size_t count,
				     size_t *ret, struct kf_error *err);

/* Name, key and MCU, where given says nothing yet (empty); proposed has the proposals. */
_must_check_ int kf_interview_board(int tty, const struct kf_registry *registry,
				    const struct kf_enrolment *given, struct kf_enrolment *proposed,
				    struct kf_error *err);

/* The directories and the default method, into the object "global": asked the first time. */
_must_check_ int kf_interview_globals(int tty, json_t *global, struct kf_error *err);

#endif
