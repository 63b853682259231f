/* SPDX-License-Identifier: GPL-3.0-or-later */
/* kf-doctor: what is fit on this machine and what is not, a line each. Nothing is changed. */
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/text.h"
#include "doctor/doctor.h"
#include "names.h"
#include "terminal/options.h"
#include "terminal/screen.h"
#include "terminal/usage.h"

enum { INDENT = 15, INDENT_NARROW = 5, WIDE = 60 };

static struct kf_common common;

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

	if (common.quiet && finding->health != KF_HEALTH_WRONG)
		return;
	if (common.table) {
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

int doctor_main(int argc, char *argv[])
{
	static const struct kf_options options = { .tool = "kf-doctor", .help = help };
	int r, lost, status = kf_options_read(&options, argc, argv, NULL, &common);
	struct kf_error err = { 0 };

	if (status >= 0)
		return status;
	if (optind < argc)
		return kf_usage_mistake("%s: it takes no arguments", argv[optind]);
	kf_stop_install();
	r = kf_doctor_run(print_finding, &err);
	lost = kf_stop_signal() ? 0 : kf_usage_flush(&err);
	kf_usage_unread(lost);
	r = lost < 0 ? lost : r;
	return kf_usage_end(r > 0 ? kf_code_status(KF_CONFIG) : r, &err);
}
