/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>

#include "core/clock.h"
#include "core/log.h"
#include "core/suggestion.h"
#include "core/text.h"
#include "core/usage.h"

static const char *shown_command = "";

void kf_usage_command(const char *command)
{
	shown_command = command;
}

/* "see kf flash --help" */
static void see_help(char *ret, size_t size)
{
	kf_text_format(ret, size, "see %s%s%s --help", kf_log_tool(), *shown_command ? " " : "",
		       shown_command);
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
	bool show = false;
	char name[64];
	size_t len;

	for (; *text; text += len) {
		len = strcspn(text, "\n");
		len += text[len] == '\n';
		if (option_name(text, len, name, sizeof(name)))
			show = wanted(name, arg);
		else if (text[0] != ' ')
			show = false;
		if (show)
			fwrite(text, 1, len, stdout);
	}
	return kf_usage_print("");
}

int kf_usage_print(const char *text)
{
	struct kf_error err;

	if (fputs(text, stdout) != EOF && fflush(stdout) != EOF)
		return 0;
	kf_fail_sys(&err, errno, "cannot write to standard output");
	kf_log_error(NULL, &err);
	return kf_code_status(err.code);
}

int kf_usage_error(struct kf_error *err)
{
	char see[96];

	see_help(see, sizeof(see));
	if (!err->hint[0])
		kf_error_hint(err, "%s", see);
	kf_log_error(NULL, err);
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

int kf_usage_see(const struct option *options, char *const *argv)
{
	const char *word = argv[optind - 1];
	char see[96], typed[64];
	struct kf_suggestion meant = { .typed = typed };

	see_help(see, sizeof(see));
	if (strncmp(word, "--", 2) == 0) {
		kf_text_format(typed, sizeof(typed), "%.*s", (int)strcspn(word + 2, "="), word + 2);
		for (const struct option *o = options; o->name; o++)
			kf_suggestion_offer(&meant, o->name);
	}
	/* One that is spelled right misses its argument, or has one too many. */
	if (meant.word && meant.edits > 0)
		fprintf(stderr, "  did you mean --%s? %s\n", meant.word, see);
	else
		fprintf(stderr, "  %s\n", see);
	return kf_code_status(KF_USAGE);
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

const char *kf_usage_option(const struct option *options, int c)
{
	while (options->name && options->val != c)
		options++;
	return options->name ? options->name : "";
}
