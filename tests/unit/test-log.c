/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The output on standard error: on a terminal, and in a file. */
#include <fcntl.h>
#include <pty.h>

#include "terminal/live.h"
#include "terminal/log.h"
#include "unit/machine.h"
#include "unit/temp.h"

static char seen[8192];

/* Run say() with standard error on fd, close it, then read all that came out of from. */
static const char *on(int fd, int from, bool quiet, void (*say)(void))
{
	int was = dup(2);
	size_t len = 0;
	ssize_t n;

	dup2(fd, 2);
	kf_log_init("kf-test", quiet);
	say();
	dup2(was, 2);
	close(was);
	close(fd);
	while ((n = read(from, seen + len, sizeof(seen) - 1 - len)) > 0)
		len += (size_t)n;
	seen[len] = '\0';
	close(from);
	return seen;
}

static const char *in_pipe(bool quiet, void (*say)(void))
{
	int fds[2];

	CHECK(pipe2(fds, O_CLOEXEC) == 0);
	return on(fds[1], fds[0], quiet, say);
}

static const char *on_terminal_of(unsigned short columns, void (*say)(void))
{
	struct winsize size = { .ws_row = 24, .ws_col = columns };
	int master, slave;

	CHECK(openpty(&master, &slave, NULL, NULL, &size) == 0);
	return on(slave, master, false, say);
}

static const char *on_terminal(void (*say)(void))
{
	return on_terminal_of(0, say);
}

/* The most columns that a line of what was seen takes. */
static size_t widest(void)
{
	size_t most = 0, columns = 0;

	for (const char *at = seen; *at; at++) {
		if (*at == '\033')
			at += strcspn(at, "mK");
		else
			columns = *at == '\r' || *at == '\n' ? 0 : columns + 1;
		most = columns > most ? columns : most;
	}
	return most;
}

static void phase(void)
{
	kf_log_phase("Build", "octopus-pro", "make -j%d\n\033[2J", 4);
	kf_log_phase("Discovery", NULL, "2 boards");
}

static void failure(void)
{
	struct kf_error err = { .message = "it broke", .hint = "mend it", .log = "/x/log" };

	kf_log_error("octopus-pro", &err);
	err.hint[0] = err.log[0] = '\0';
	kf_log_error(NULL, &err);
	kf_log_warn("a", "careful");
}

static void progress(void)
{
	for (size_t done = 0; done <= 1000; done += 25)
		kf_log_progress("Flash", "a", "write", done, 1000);
}

static void progress_of_two_phases(void)
{
	progress();
	kf_log_progress("Flash", "a", "read", 10, 100);
	kf_log_progress("Flash", "a", "read", 90, 100);
}

static void interrupted_progress(void)
{
	kf_log_progress("Flash", "a", "write", 10, 100);
	kf_log_phase("Flash", "a", "next");
}

#define LONG_KEY "a-board-whose-key-is-as-long-as-a-key-may-be-which-is-64-letters"

static void progress_of_long_key(void)
{
	for (size_t done = 0; done <= 100; done += 10)
		kf_log_progress("Flash", LONG_KEY, "writing", done, 100);
}

static void progress_beside_others(void)
{
	kf_log_share(-1);
	progress_of_long_key();
}

static void nothing_to_do(void)
{
	kf_log_progress("Flash", "a", "write", 0, 0);
}

TEST(plain_lines)
{
	CHECK_STR(in_pipe(false, phase),
		  "[Build] octopus-pro: make -j4??[2J\n[Discovery] 2 boards\n");
	CHECK_STR(in_pipe(false, failure), "kf-test: octopus-pro: it broke\n  mend it\n"
					   "  log: /x/log\nkf-test: it broke\n"
					   "kf-test: a: careful\n");
}

TEST(quiet_drops_all_but_errors)
{
	CHECK_STR(in_pipe(true, phase), "");
	CHECK_STR(in_pipe(true, progress), "");
	CHECK(strstr(in_pipe(true, failure), "it broke") != NULL);
}

TEST(progress_in_a_file_is_a_line_a_phase)
{
	CHECK_STR(in_pipe(false, progress), "[Flash] a: write\n");
	CHECK_STR(in_pipe(false, progress_of_two_phases), "[Flash] a: write\n[Flash] a: read\n");
	CHECK_STR(in_pipe(false, nothing_to_do), "[Flash] a: write\n");
}

TEST(progress_in_a_file_is_a_line_a_quarter_if_that_is_wanted)
{
	setenv("KF_PROGRESS", "quarters", 1);
	CHECK_STR(in_pipe(false, progress), "[Flash] a: write 25%\n[Flash] a: write 50%\n"
					    "[Flash] a: write 75%\n[Flash] a: write 100%\n");
	CHECK_STR(in_pipe(false, progress), "[Flash] a: write 25%\n[Flash] a: write 50%\n"
					    "[Flash] a: write 75%\n[Flash] a: write 100%\n");
	CHECK_STR(in_pipe(false, nothing_to_do), "[Flash] a: write 100%\n");
	unsetenv("KF_PROGRESS");
}

TEST(a_terminal_gets_a_bar_and_colour)
{
	NEED_PTY();
	setenv("TERM", "xterm", 1);
	unsetenv("NO_COLOR");
	CHECK(strstr(on_terminal(phase), "\033[36m[Build]\033[0m octopus-pro: make") != NULL);
	on_terminal(progress);
	CHECK(strstr(seen, "\r\033[36m[Flash]") != NULL);
	CHECK(strstr(seen, "[##############################] 100% 1000/1000 B 0 s\r\n") != NULL);
	CHECK(strstr(seen, "0 s\r\n\r") == NULL);
	on_terminal(interrupted_progress);
	CHECK(strstr(seen, "10% 10/100 B 0 s\r\n\033[36m[Flash]\033[0m a: next") != NULL);
}

TEST(no_color_and_dumb_terminals_are_respected)
{
	NEED_PTY();
	setenv("TERM", "xterm", 1);
	setenv("NO_COLOR", "1", 1);
	CHECK_STR(on_terminal(phase),
		  "[Build] octopus-pro: make -j4??[2J\r\n[Discovery] 2 boards\r\n");
	CHECK(strchr(on_terminal(progress), '\033') == NULL);
	unsetenv("NO_COLOR");
	setenv("TERM", "dumb", 1);
	CHECK(strchr(on_terminal(progress), '\033') == NULL);
	CHECK_STR(seen, "[Flash] a: write\r\n");
}

TEST(progress_is_never_wider_than_the_terminal)
{
	NEED_PTY();
	setenv("TERM", "xterm", 1);
	for (unsigned short columns = 6; columns < 140; columns++) {
		on_terminal_of(columns, progress_of_long_key);
		CHECK(widest() < columns);
		CHECK(strstr(seen, " 100%") != NULL);
		on_terminal_of(columns, progress);
		CHECK(widest() < columns);
	}
	on_terminal_of(40, progress);
	CHECK(strstr(seen, "a: write [#######        ]  50%\r") != NULL);
	on_terminal_of(26, progress);
	CHECK(strstr(seen, "[Flash]\033[0m a: write  50%") != NULL);
	on_terminal_of(0, progress_of_long_key);
	CHECK(widest() == 79);
}

static void long_lines(void)
{
	struct kf_error err = { .message = "the board at /dev/serial/by-id/usb-Klipper_stm32h723xx_"
					   "29001A001151313531383332-if00 has left",
				.hint = "check its cable, then run the same command again" };

	kf_log_phase("Build", "octopus-pro", "a configuration of another tree is compared with it");
	kf_log_error("octopus-pro", &err);
}

TEST(lines_are_wrapped_at_words_on_a_terminal_only)
{
	NEED_PTY();
	setenv("TERM", "xterm", 1);
	setenv("NO_COLOR", "1", 1);
	CHECK_STR(on_terminal_of(40, long_lines),
		  "[Build] octopus-pro: a configuration of\r\n"
		  "  another tree is compared with it\r\n"
		  "kf-test: octopus-pro: the board at\r\n"
		  "  /dev/serial/by-id/usb-Klipper_stm32h723xx_29001A001151313531383332-if00\r\n"
		  "  has left\r\n"
		  "  check its cable, then run the same\r\n"
		  "  command again\r\n");
	in_pipe(false, long_lines);
	CHECK(strstr(seen, "compared with it\nkf-test: ") != NULL);
	unsetenv("NO_COLOR");
}

static void two_lives(void)
{
	static const char *const keys[] = { "a", "b" };
	struct kf_error err = { .message = "it broke" };

	CHECK(kf_live_start("Flash", keys, 2));
	kf_log_phase("Flash", "a", "entering Katapult");
	kf_log_progress("Flash", "b", "writing", 15 * 1024, 30 * 1024);
	kf_log_done("Flash", "a", KF_COLOUR_GOOD, "flashed: runs v1 now");
	kf_log_error("b", &err);
	kf_live_end();
	kf_log_phase("Flash", "a", "and on");
}

/* The rows of a screen after what was seen; of escape sequences only those of terminal/live.c. */
static void screen(char rows[24][256], size_t *ret_count)
{
	size_t row = 0, column = 0, count = 0;

	memset(rows, 0, 24 * 256);
	for (const char *at = seen; *at; at++) {
		if (*at == '\033' && at[strcspn(at, "AJKm")] == 'A') {
			row -= strtoul(at + 2, NULL, 10);
		} else if (*at == '\033' && at[strcspn(at, "AJKm")] == 'J') {
			memset(rows[row], 0, (24 - row) * 256);
		} else if (*at == '\033' && at[strcspn(at, "AJKm")] == 'K') {
			rows[row][column] = '\0';
		} else if (*at == '\r') {
			column = 0;
		} else if (*at == '\n') {
			row++;
		} else if (*at != '\033') {
			rows[row][column++] = *at;
		}
		if (*at == '\033')
			at += strcspn(at, "AJKm");
		CHECK(row < 24 && column < 255);
	}
	while (count < 24 && rows[count][0])
		count++;
	*ret_count = count;
}

TEST(boards_have_a_line_each_until_they_are_done)
{
	char rows[24][256];
	size_t count;

	NEED_PTY();
	setenv("TERM", "xterm", 1);
	on_terminal_of(80, two_lives);
	CHECK(strstr(seen, "[Flash]\033[0m a: waiting\033[K\r\n") != NULL);
	CHECK(strstr(seen, "[Flash]\033[0m a: entering Katapult 0 s\033[K\r\n") != NULL);
	CHECK(strstr(seen, "b: writing [###############               ]  50% 15/30 KiB 0 s") !=
	      NULL);
	CHECK(strstr(seen, "\033[32mflashed\033[0m: runs v1 now") != NULL);
	screen(rows, &count);
	CHECK(count == 3);
	CHECK_STR(rows[0], "[Flash] a: flashed: runs v1 now");
	CHECK_STR(rows[1], "kf-test: b: it broke");
	CHECK_STR(rows[2], "[Flash] a: and on");
}

/* Comes last: what is shared stays shared. */
TEST(progress_of_several_boards_without_lines_of_their_own)
{
	NEED_PTY();
	setenv("TERM", "xterm", 1);
	on_terminal_of(40, progress_beside_others);
	CHECK(strchr(seen, '#') == NULL);
	CHECK_STR(in_pipe(false, progress_beside_others), "[Flash] " LONG_KEY ": writing\n");
}

TEST_MAIN(T(plain_lines), T(quiet_drops_all_but_errors), T(progress_in_a_file_is_a_line_a_phase),
	  T(progress_in_a_file_is_a_line_a_quarter_if_that_is_wanted),
	  T(a_terminal_gets_a_bar_and_colour), T(no_color_and_dumb_terminals_are_respected),
	  T(progress_is_never_wider_than_the_terminal),
	  T(lines_are_wrapped_at_words_on_a_terminal_only),
	  T(boards_have_a_line_each_until_they_are_done),
	  T(progress_of_several_boards_without_lines_of_their_own))
