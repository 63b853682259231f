/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>

#include "core/clock.h"
#include "core/suggestion.h"
#include "core/text.h"
#include "terminal/log.h"
#include "terminal/screen.h"
#include "terminal/usage.h"

static char called[64]; /* "kf list"; empty: by the tool's own name */

void kf_usage_called(char *const *argv)
{
	opterr = 0;
	if (argv[0] && strncmp(argv[0], "kf ", 3) == 0)
		KF_CLEAN(called, argv[0]);
}

bool kf_usage_is(const char *name)
{
	const char *by = program_invocation_short_name;

	return strncmp(by, "kf", 2) == 0 && (by[2] == '-' || by[2] == ' ') &&
	       strcmp(by + 3, name) == 0;
}

void kf_usage_command(const char *command)
{
	kf_text_format(called, sizeof(called), "%s%s%s", kf_log_tool(), *command ? " " : "",
		       command);
}

/* "see kf flash --help" */
static void see_help(char *ret, size_t size)
{
	kf_text_format(ret, size, "see %s --help", called[0] ? called : kf_log_tool());
}

/* The long name on a line of a help text; false: there is none. */
static bool option_name(const char *line, size_t len, char *ret, size_t size)
{
	size_t at = strspn(line, " ");

	if (at == 0 || at >= len)
		return false;
	if (line[at] == '-' && line[at + 1] != '-')
		at += strlen("-q, ");
	if (at >= len || strncmp(line + at, "--", 2) != 0)
		return false;
	at += 2;
	kf_text_format(ret, size, "%.*s", (int)strcspn(line + at, " =[\n"), line + at);
	return true;
}

int kf_usage_print_options(const char *text, bool (*wanted)(const char *name, const void *arg),
			   const void *arg)
{
	const struct kf_screen screen = kf_screen_of(stdout);
	char name[64], line[256];
	bool show = false;
	size_t len;

	for (; *text; text += len) {
		len = strcspn(text, "\n");
		len += text[len] == '\n';
		if (option_name(text, len, name, sizeof(name)))
			show = wanted(name, arg);
		else if (text[0] != ' ')
			show = false;
		if (show) {
			kf_text_format(line, sizeof(line), "%.*s", (int)len, text);
			kf_screen_lines(&screen, line);
		}
	}
	return kf_usage_print("");
}

int kf_usage_print(const char *text)
{
	const struct kf_screen screen = kf_screen_of(stdout);
	struct kf_error err;

	kf_screen_lines(&screen, text);
	if (kf_usage_flush(&err) == 0)
		return 0;
	kf_log_error(NULL, &err);
	return kf_code_status(err.code);
}

int kf_usage_error(struct kf_error *err)
{
	char see[96];

	see_help(see, sizeof(see));
	if (!err->hint[0])
		kf_error_hint(err, "%s", see);
	kf_log_error_as(strncmp(kf_log_tool(), "kf-", 3) == 0 && called[0] ? called : kf_log_tool(),
			err);
	return kf_code_status(KF_USAGE);
}

int kf_usage_mistake(const char *fmt, ...)
{
	char message[sizeof(((struct kf_error *)0)->message)];
	struct kf_error err;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	kf_fail(&err, KF_USAGE, "%s", message);
	return kf_usage_error(&err);
}

/* Explains a letter that getopt(3) refused: it is in optopt. */
static void explain_letter(const char *shorts, struct kf_error *err)
{
	const char *known = strchr(shorts, optopt);

	kf_fail(err, KF_USAGE,
		known && known[1] == ':' ? "option requires an argument -- '%c'"
					 : "invalid option -- '%c'",
		optopt);
}

/* Explains an unknown long option (typed: without dashes and argument), and names the one meant. */
static void explain_word(const struct option *options, const char *typed, bool has_argument,
			 struct kf_suggestion *meant, struct kf_error *err)
{
	const struct option *found = NULL;
	char all[256] = "";
	size_t count = 0;

	for (const struct option *o = options; o->name; o++) {
		kf_suggestion_offer(meant, o->name);
		if (strncmp(o->name, typed, strlen(typed)) != 0)
			continue;
		kf_text_format(all + strlen(all), sizeof(all) - strlen(all), " --%s", o->name);
		if (!found || strcmp(found->name, typed) != 0)
			found = o;
		count++;
	}
	if (!found)
		kf_fail(err, KF_USAGE, "unrecognized option '--%s'", typed);
	else if (count > 1 && strcmp(found->name, typed) != 0)
		kf_fail(err, KF_USAGE, "option '--%s' is ambiguous; possibilities:%s", typed, all);
	else
		kf_fail(err, KF_USAGE,
			has_argument ? "option '--%s' doesn't allow an argument"
				     : "option '--%s' requires an argument",
			found->name);
}

/* Was a long option refused? If a letter was refused, word may be the one before it. */
static bool is_long(const struct option *options, const char *word)
{
	if (strncmp(word, "--", 2) != 0)
		return false;
	while (optopt && options->name &&
	       (options->val != optopt ||
		strncmp(options->name, word + 2, strcspn(word + 2, "=")) != 0))
		options++;
	return options->name;
}

int kf_usage_see(const struct option *options, const char *shorts, char *const *argv)
{
	const char *word = argv[optind - 1];
	char see[96], typed[64];
	struct kf_suggestion meant = { .typed = typed };
	struct kf_error err;

	see_help(see, sizeof(see));
	if (!is_long(options, word)) {
		explain_letter(shorts, &err);
		return kf_usage_error(&err);
	}
	kf_text_format(typed, sizeof(typed), "%.*s", (int)strcspn(word + 2, "="), word + 2);
	explain_word(options, typed, strchr(word, '='), &meant, &err);
	/* An option that is spelled right misses its argument, or has one too many. */
	if (meant.word && meant.edits > 0)
		kf_error_hint(&err, "did you mean --%s? %s", meant.word, see);
	return kf_usage_error(&err);
}

int kf_usage_arguments(const char *command, char *const *args, int min, int max, const char *wants)
{
	int count = 0;

	while (args[count])
		count++;
	if (count < min)
		return kf_usage_mistake("%s: %s", command, wants);
	if (count > max && !command)
		return kf_usage_mistake("there is no command \"%s\"", args[max]);
	if (count > max)
		return kf_usage_mistake("%s: it takes no \"%s\"", command, args[max]);
	return -1;
}

int kf_usage_late(const char *command, char *const *args)
{
	struct kf_error err;
	char rest[256] = "";

	for (; *args; args++)
		if (*args != command)
			kf_text_add(rest, sizeof(rest), " ", *args);
	kf_fail(&err, KF_USAGE, "%s is a command: put it before all options", command);
	kf_error_hint(&err, "%s %s %s", kf_log_tool(), command, rest);
	return kf_usage_error(&err);
}

int kf_usage_flush(struct kf_error *err)
{
	errno = 0;
	if (fflush(stdout) == EOF || ferror(stdout))
		return kf_fail_sys(err, errno ? errno : EIO, "cannot write to standard output");
	return 0;
}

void kf_usage_unread(int r)
{
	if (r != -EPIPE || !ferror(stdout))
		return;
	signal(SIGPIPE, SIG_DFL);
	raise(SIGPIPE);
}

int kf_usage_end(int r, const struct kf_error *err)
{
	/* A complete run ends by a signal only if it has noticed the signal. */
	bool stopped = r < 0 ? kf_stopped() : kf_stop_signal();

	if (r < 0 && !(stopped && err->code == KF_INTERRUPTED))
		kf_log_error(NULL, err);
	if (stopped)
		return 128 + kf_stop_signal();
	return r < 0 ? kf_code_status(err->code) : r;
}
