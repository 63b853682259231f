/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Other programs, started from argument vectors, never through a shell, and never
 * left behind: a timeout or a stop signal ends the whole process group.
 */
#ifndef KF_CORE_PROCESS_H
#define KF_CORE_PROCESS_H

#include <dirent.h>
#include <limits.h>
#include <sys/types.h>

#include "core/error.h"

struct kf_process {
	const char *const *argv; /* NULL-terminated; kf_process_find(argv[0]) */
	const char *dir;	 /* working directory, or NULL */
	const char *const *env;	 /* "NAME=value" sets, "NAME" unsets; NULL-terminated, or NULL */
	int in, out, err;	 /* descriptors for 0, 1, 2; -1: /dev/null. Stay open here */
	const int *keep;	 /* descriptors that survive the exec, -1-terminated, or NULL */
	bool private;		 /* no other user may read its files: umask 077 */
	bool foreground; /* stay in our process group: a terminal program, or a pipe's stage */
};

/*
 * Start it. Returns 0 and its pid, or the exec's own failure as -ENOENT, -EACCES ...
 * (seen by the parent before this returns: a missing program is an error, not a status 127).
 */
_must_check_ int kf_process_start(const struct kf_process *p, pid_t *ret, struct kf_error *err);

/*
 * Wait for pid until deadline_ms; *ret is wait(2)'s status. When the deadline
 * passes (-ETIMEDOUT) or a stop signal comes (-EINTR), the process group (or, if it
 * runs in ours, the process) gets SIGTERM and 2 s later SIGKILL, and is reaped.
 */
_must_check_ int kf_process_wait(pid_t pid, int64_t deadline_ms, int *ret, struct kf_error *err);

/*
 * Wait however long it takes. A stop signal is passed on to pid once, which ends in its own time:
 * for one of our programs that has a board to bring back. *ret is wait(2)'s status.
 */
void kf_process_wait_out(pid_t pid, int *ret);

/* Start and wait. A status other than 0 is not an error of this function: see *ret. */
_must_check_ int kf_process_run(const struct kf_process *p, int64_t deadline_ms, int *ret,
				struct kf_error *err);

/* The output of a program that runs: its standard output is a pipe to us. */
struct kf_output {
	pid_t pid; /* 0: none */
	int from;
	const char *name;
};
/* Start the program (p->out is ignored). Errors as kf_process_start. */
_must_check_ int kf_output_start(const struct kf_process *p, struct kf_output *ret,
				 struct kf_error *err);
/*
 * Read its output to the end: NUL-terminated, at most max_bytes (-EFBIG); the caller frees
 * *ret_text. A status other than 0 is -EIO. In each case the program has ended then.
 */
_must_check_ int kf_output_read(struct kf_output *asked, int64_t deadline_ms, size_t max_bytes,
				char **ret_text, struct kf_error *err);
/* End the program, if it runs. */
void kf_output_cancel(struct kf_output *asked);

/* Both: start the program and read its output. */
_must_check_ int kf_process_output(const struct kf_process *p, int64_t deadline_ms,
				   size_t max_bytes, char **ret_text, struct kf_error *err);

/*
 * Signal one process, or a process group by its leader's pid; sig 0 only asks whether it is there.
 * Nothing else in lib, tools and tests calls kill(2): there 0 is our own group, -1 is every process
 * of the machine, and 1 is init. A pid that is not above 1 is -EINVAL, and nobody is signalled.
 * Else 0, or kill(2)'s failure: -ESRCH (it has ended), -EPERM (another user's).
 */
int kf_process_signal(pid_t pid, int sig);
int kf_group_signal(pid_t leader, int sig);

/* The start of a file below /proc/PID, at most size - 1 bytes, and a NUL. Returns how many: 0 if it
 * cannot be read. */
size_t kf_process_read(pid_t pid, const char *name, char *dst, size_t size);

/* The next process in an open /proc; 0: there is none any more, or proc is NULL. */
pid_t kf_process_next(DIR *proc);

/* A child of ours that runs; 0: there is none. */
pid_t kf_process_child(void);

/* wait(2)'s status as a shell shows it: 0-255, or 128 + signal. */
int kf_process_status(int wait_status);

/*
 * The file of a program: by its path, or in a folder of PATH. Relative folders are left out: what
 * runs must not depend on the working directory. False: there is no such executable file.
 */
bool kf_process_find(const char *program, char ret[PATH_MAX]);

/* Is there such a program? */
bool kf_process_exists(const char *program);

/* Fail: what is missing, with a sentence about its use; these Debian packages have it.
 * KF_NO_TOOLCHAIN. */
int kf_process_missing(const char *what, const char *use, const char *packages,
		       struct kf_error *err);

#endif
