/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Joining programs, and which of several failures is the one to report. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/batch.h"
#include "core/pipeline.h"
#include "unit/test.h"

/* One stage after another as struct kf_stage; returns the verdict and the deciding stage. */
static int verdict(const struct kf_stage *stages, size_t count, int sig, size_t *ret)
{
	const struct kf_stage *cause;
	int status = kf_pipeline_status(stages, count, sig, &cause);

	*ret = cause ? (size_t)(cause - stages) : count;
	return status;
}

#define STAGES(...)                                                                                \
	(const struct kf_stage[])                                                                  \
	{                                                                                          \
		__VA_ARGS__                                                                        \
	}

TEST(status_is_the_first_whole_failure)
{
	size_t at;

	CHECK(verdict(STAGES({ .status = 0 }, { .status = 0 }), 2, 0, &at) == 0 && at == 2);
	CHECK(verdict(STAGES({ .status = 0 }, { .status = 1 }), 2, 0, &at) == 1 && at == 1);
	CHECK(verdict(STAGES({ .status = 1 }, { .status = 69 }), 2, 0, &at) == 69 && at == 1);
	CHECK(verdict(STAGES({ .status = 78 }, { .status = 69 }), 2, 0, &at) == 78 && at == 0);
	CHECK(verdict(STAGES({ .status = 3 }, { .status = 0 }), 2, 0, &at) == 1 && at == 0);
	CHECK(verdict(STAGES({ .status = 139, .signal = SIGSEGV }, { .status = 65 }), 2, 0, &at) ==
		      139 &&
	      at == 0);
}

TEST(lost_service_outranks_all)
{
	size_t at;

	CHECK(verdict(STAGES({ .status = 78 }, { .status = 71 }), 2, SIGINT, &at) == 71 && at == 1);
	CHECK(verdict(STAGES({ .status = 78 }, { .status = 1 }), 2, SIGINT, &at) == 130);
	CHECK(verdict(STAGES({ .status = 0 }, { .status = 0 }), 2, SIGTERM, &at) == 143);
}

TEST(what_a_later_stage_caused_does_not_count)
{
	size_t at;

	/* Told to stop, or its pipe was closed: the later stage is the cause. */
	CHECK(verdict(STAGES({ .status = 143, .stopped = true, .order = 1 }, { .status = 64 }), 2,
		      0, &at) == 64);
	CHECK(verdict(STAGES({ .status = 74, .order = 1 }, { .status = 78 }), 2, 0, &at) == 78);
	CHECK(verdict(STAGES({ .status = 141, .signal = SIGPIPE }, { .status = 77 }), 2, 0, &at) ==
	      77);
	CHECK(verdict(STAGES({ .status = 141 }, { .status = 77 }), 2, 0, &at) == 77);
	/* It had failed before the later one ended, or no later one failed. */
	CHECK(verdict(STAGES({ .status = 74 }, { .status = 65, .order = 1 }), 2, 0, &at) == 74);
	CHECK(verdict(STAGES({ .status = 74, .order = 1 }, { .status = 1 }), 2, 0, &at) == 74);
	/* Another failure of the earlier stage is its own. */
	CHECK(verdict(STAGES({ .status = 70, .order = 1 }, { .status = 64 }), 2, 0, &at) == 70);
}

static const char *const cat[] = { "cat", NULL };
static const char *const tr[] = { "tr", "a-z", "A-Z", NULL };

TEST(joins_programs)
{
	struct kf_stage stages[] = { { .argv = cat }, { .argv = tr }, { .argv = cat } };
	char buf[8] = "";
	int in = -1, out = -1;

	CHECK(kf_batch_file(&in, NULL) == 0 && kf_batch_file(&out, NULL) == 0);
	CHECK(write(in, "abc", 3) == 3 && lseek(in, 0, SEEK_SET) == 0);
	CHECK(kf_pipeline_run(stages, 3, in, out, NULL) == 0);
	CHECK(pread(out, buf, sizeof(buf) - 1, 0) == 3);
	CHECK_STR(buf, "ABC");
	close(in);
	close(out);
}

TEST(ends_what_works_for_nothing)
{
	static const char *const reader[] = { "sleep", "300", NULL };
	static const char *const refuses[] = { "sh", "-c", "exit 64", NULL };
	struct kf_stage stages[] = { { .argv = reader }, { .argv = refuses } };

	CHECK(kf_pipeline_run(stages, 2, -1, -1, NULL) == 0);
	CHECK(stages[0].stopped && stages[0].signal == SIGTERM);
	CHECK(stages[1].status == 64 && stages[1].order == 0 && stages[0].order == 1);
}

TEST(a_missing_program_ends_the_others)
{
	static const char *const missing[] = { "/nonexistent/kf-build", NULL };
	static const char *const waits[] = { "sleep", "300", NULL };
	struct kf_stage stages[] = { { .argv = waits }, { .argv = missing }, { .argv = cat } };
	struct kf_error err;

	CHECK(kf_pipeline_run(stages, 3, -1, -1, &err) == -ENOENT);
	CHECK_STR(err.message, "/nonexistent/kf-build: cannot start: No such file or directory");
	CHECK(stages[0].signal == SIGTERM);
}

TEST(every_stage_sees_the_end_of_its_input)
{
	/* If a pipe's writing end leaked into a stage, cat would wait for ever. */
	static const char *const last[] = { "sh", "-c", "cat; exit 5", NULL };
	struct kf_stage stages[] = {
		{ .argv = cat }, { .argv = cat }, { .argv = cat }, { .argv = last }
	};

	CHECK(kf_pipeline_run(stages, 4, -1, -1, NULL) == 0);
	CHECK(stages[3].status == 5);
}

TEST_MAIN(T(status_is_the_first_whole_failure), T(lost_service_outranks_all),
	  T(what_a_later_stage_caused_does_not_count), T(joins_programs),
	  T(ends_what_works_for_nothing), T(a_missing_program_ends_the_others),
	  T(every_stage_sees_the_end_of_its_input))
