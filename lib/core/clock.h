/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Time, and waiting. One absolute deadline per operation, passed down; nothing
 * sleeps. A stop signal ends every wait, and only between waits: handlers set a flag.
 */
#ifndef KF_CORE_CLOCK_H
#define KF_CORE_CLOCK_H

#include <poll.h>

#include "core/base.h"

#define KF_FOREVER INT64_MAX

/* CLOCK_MONOTONIC in milliseconds. Deadlines are absolute on this clock. */
int64_t kf_now_ms(void);

/* The time of day in UTC: 2026-11-29T22:30:00Z. */
enum { KF_UTC_SIZE = 32 };
void kf_now_utc(char ret[KF_UTC_SIZE]);

/* So many ms from now, but not after deadline_ms. */
int64_t kf_within_ms(int64_t ms, int64_t deadline_ms);

/*
 * From here on SIGINT, SIGTERM, SIGHUP and SIGQUIT do not kill: they are blocked
 * but for kf_wait(), and are remembered. SIGPIPE is ignored: a failed write returns an error.
 */
void kf_stop_install(void);

/* The signal that asked us to stop, or 0. */
int kf_stop_signal(void);

/* Has it come by now? Also one that is still pending. */
bool kf_stopped(void);

/*
 * From a call with true to one with false, nothing shows that a stop signal came. For the few
 * frames that a board must still get when its conversation is cancelled.
 */
void kf_stop_defer(bool defer);

/*
 * poll(2) on fds until deadline_ms. Returns the number of ready descriptors, 0
 * when the deadline passed, -EINTR when a stop signal has come (also one that came
 * before the call), or another negative errno. Other signals restart the wait.
 */
_must_check_ int kf_wait(struct pollfd *fds, nfds_t count, int64_t deadline_ms);

/*
 * The same, but a stop signal does not end it and stays pending: for work that must be done before
 * we end. Without kf_stop_install(), other signals restart the wait here too.
 */
_must_check_ int kf_wait_through(struct pollfd *fds, nfds_t count, int64_t deadline_ms);

/*
 * Wait until so many ms have passed from now, to the nanosecond: kf_now_ms() rounds down, so a wait
 * by it may be a millisecond short or long. -ETIMEDOUT: deadline_ms comes first, and has passed.
 * -EINTR as of kf_wait.
 */
_must_check_ int kf_pause(int64_t ms, int64_t deadline_ms);

/* For a child between fork and exec: default signals, nothing blocked. */
void kf_stop_reset_child(void);

#endif
