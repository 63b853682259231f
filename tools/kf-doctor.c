/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kf-doctor: what is fit on this machine and what is not, a line each. Nothing is changed. */
#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/screen.h"
#include "core/text.h"
#include "core/usage.h"
#include "doctor/doctor.h"

enum { INDENT = 15, INDENT_NARROW = 5, WIDE = 60 };

static struct {
	bool table, quiet;
} opt;

static const char letters[] = "qhV"; /* of the options */

static const struct option options[] = {
	{ "json", no_argument, NULL, 'J' },    { "table", no_argument, NULL, 't' },
	{ "quiet", no_argument, NULL, 'q' },   { "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' }, { 0 }
};

static const char help[] =
	"usage: kf-doctor [OPTION]...\n\n"
	"Checks everything that a build and a flash need, and says what to do if something\n"
	"is missing. [OK]: right; [--]: worth knowing; [!!]: you have to correct it.\n\n"
	"      --json                 JSON Lines on standard output, also on a terminal\n"
	"      --table                text for people, also in a pipe\n"
	"  -q, --quiet                only the checks that you have to correct\n"
	"  -h, --help                 this text\n"
	"  -V, --version              the version\n";

/* "[OK] tree      ~/klipper: message", and below the message what to do. */
static void print_row(const struct kf_finding *finding)
{
	static const enum kf_colour colours[] = { [KF_HEALTH_OK] = KF_COLOUR_GOOD,
						  [KF_HEALTH_NOTE] = KF_COLOUR_NOTE,
						  [KF_HEALTH_WRONG] = KF_COLOUR_BAD };
	static const char *const marks[] = { "[OK]", "[--]", "[!!]" };
	const struct kf_screen screen = kf_screen_of(stdout);
	int indent = screen.columns == 0 || screen.columns >= WIDE ? INDENT : INDENT_NARROW;
	char text[2048];

	kf_text_format(text, sizeof(text), "%s%s%s", finding->subject,
		       *finding->subject ? ": " : "", finding->message);
	printf("%s%s%s %-9s ", kf_screen_colour(&screen, colours[finding->health]),
	       marks[finding->health], kf_screen_colour(&screen, KF_COLOUR_NONE), finding->check);
	kf_screen_wrap(&screen, text, INDENT, indent);
	putchar('\n');
	if (!*finding->remedy)
		return;
	printf("%*s", indent, "");
	kf_screen_wrap(&screen, finding->remedy, indent, indent);
	putchar('\n');
}

/* A failed write is found once, at the end. */
static void print_finding(const struct kf_finding *finding)
{
	static const char *const words[] = { "ok", "note", "wrong" };
	_cleanup_(kf_json_decrefp) json_t *json = NULL;

	if (opt.quiet && finding->health != KF_HEALTH_WRONG)
		return;
	if (opt.table) {
		print_row(finding);
		return;
	}
	json = json_pack("{s:s, s:s*, s:s, s:s, s:s*}", "check", finding->check, "subject",
			 *finding->subject ? finding->subject : NULL, "health",
			 words[finding->health], "message", finding->message, "remedy",
			 *finding->remedy ? finding->remedy : NULL);
	json_dumpf(json, stdout, JSON_COMPACT);
	putchar('\n');
}

/* The status to end with, or -1 to go on. */
static int parse(int argc, char **argv)
{
	int c;

	opt.table = isatty(STDOUT_FILENO);
	while ((c = getopt_long(argc, argv, letters, options, NULL)) != -1) {
		switch (c) {
		case 'h':
		case 'V':
			return kf_usage_print(c == 'h' ? help : "kf-doctor " KF_VERSION "\n");
		case 'q':
			opt.quiet = true;
			break;
		case 'J':
		case 't':
			opt.table = c == 't';
			break;
		default:
			return kf_usage_see(options, letters, argv);
		}
	}
	return optind < argc ? kf_usage_mistake("%s: it takes no arguments", argv[optind]) : -1;
}

int main(int argc, char *argv[])
{
	struct kf_error err = { 0 };
	int status, r;

	kf_log_init("kf-doctor", false);
	kf_usage_called(argv);
	status = parse(argc, argv);
	if (status >= 0)
		return status;
	kf_log_init("kf-doctor", opt.quiet);
	kf_stop_install();
	r = kf_doctor_run(print_finding, &err);
	if (!kf_stop_signal() && fflush(stdout) == EOF)
		r = kf_fail_sys(&err, errno, "cannot write to standard output");
	kf_usage_unread(r);
	return kf_usage_end(r > 0 ? kf_code_status(KF_CONFIG) : r, &err);
}
