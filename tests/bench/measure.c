/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * measure [-n TIMES] [-i FILE] [--] COMMAND...: run it that often and print, in one line, the
 * median and the least wall-clock time in ms from fork to end, the median processor time in ms (its
 * children's too), the peak memory in KiB of any one process, and the last exit status. It is small
 * itself, for a child's peak is never less than that of the process it was forked from.
 */
#include <err.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TIMES_MAX = 1000 };

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6;
}

static double cpu_ms(const struct rusage *use)
{
	return (double)(use->ru_utime.tv_sec + use->ru_stime.tv_sec) * 1e3 +
	       (double)(use->ru_utime.tv_usec + use->ru_stime.tv_usec) / 1e3;
}

static int by_size(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

static void child(char *const *argv, const char *input)
{
	int in = open(input, O_RDONLY), out = open("/dev/null", O_WRONLY);

	if (in < 0 || out < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0)
		_exit(126);
	execvp(argv[0], argv);
	_exit(127);
}

int main(int argc, char *argv[])
{
	static double wall[TIMES_MAX], cpu[TIMES_MAX];
	const char *input = "/dev/null";
	int times = 1, status = 0, c;
	struct rusage use;
	long peak = 0;

	while ((c = getopt(argc, argv, "+n:i:")) != -1) {
		if (c == 'n')
			times = atoi(optarg);
		else if (c == 'i')
			input = optarg;
		else
			return 64;
	}
	if (optind == argc || times < 1 || times > TIMES_MAX)
		return 64;
	for (int i = 0; i < times; i++) {
		double start = now_ms();
		pid_t pid = fork();

		if (pid == 0)
			child(argv + optind, input);
		if (pid < 0 || wait4(pid, &status, 0, &use) < 0)
			err(1, "%s", argv[optind]);
		wall[i] = now_ms() - start;
		cpu[i] = cpu_ms(&use);
		peak = use.ru_maxrss > peak ? use.ru_maxrss : peak;
	}
	qsort(wall, (size_t)times, sizeof(*wall), by_size);
	qsort(cpu, (size_t)times, sizeof(*cpu), by_size);
	printf("%.2f %.2f %.2f %ld %d\n", wall[times / 2], wall[0], cpu[times / 2], peak,
	       WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	return 0;
}
