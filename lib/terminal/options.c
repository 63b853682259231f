/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>
#include <unistd.h>

#include "core/text.h"
#include "terminal/log.h"
#include "terminal/options.h"
#include "terminal/usage.h"

enum { OPTIONS_MAX = 64 };

/* getopt_long(3) returns LONG + its place for an option that has no letter. */
enum { LONG = 256 };

static int read_json(void *args, const char *text, struct kf_error *err)
{
	struct kf_common *common = args;

	(void)text, (void)err;
	common->table = common->chosen = false;
	return 0;
}

static int read_table(void *args, const char *text, struct kf_error *err)
{
	struct kf_common *common = args;

	(void)text, (void)err;
	common->table = common->chosen = true;
	return 0;
}

static const struct kf_option of_most[] = {
	KF_OPTION_READ("json", 0, no_argument, read_json),
	KF_OPTION_READ("table", 0, no_argument, read_table),
	{ "quiet", 'q', no_argument, KF_VALUE_ANY, offsetof(struct kf_common, quiet), 0, NULL },
};

static const struct kf_option of_all[] = {
	KF_OPTION_READ("help", 'h', no_argument, NULL),
	KF_OPTION_READ("version", 'V', no_argument, NULL),
};

/* All options of a tool as getopt_long(3) wants them. */
struct words {
	const struct kf_option *option[OPTIONS_MAX];
	struct option list[OPTIONS_MAX + 1];
	char letters[2 * OPTIONS_MAX + 2];
	int count;
};

static void add(struct words *words, const struct kf_option *list, size_t count)
{
	for (size_t i = 0; i < count && words->count < OPTIONS_MAX; i++) {
		const struct kf_option *option = &list[i];
		const char letter[] = { (char)option->letter, '\0' };
		int n = words->count++;

		words->option[n] = option;
		words->list[n] = (struct option){ option->name, option->argument, NULL,
						  option->letter ? option->letter : LONG + n };
		/* getopt_long(3) takes both names for one option: their common beginning is not
		 * ambiguous. */
		if (i > 0 && !option->letter && !option->read && !list[i - 1].read &&
		    option->offset == list[i - 1].offset)
			words->list[n].val = words->list[n - 1].val;
		kf_text_add(words->letters, sizeof(words->letters), "", letter);
		if (option->letter && option->argument == required_argument)
			kf_text_add(words->letters, sizeof(words->letters), "", ":");
	}
}

static int set(const struct kf_option *option, void *args, struct kf_error *err)
{
	void *at = (char *)args + option->offset;
	bool number = option->value > KF_VALUE_TEXT;
	int r;

	if (option->read)
		return option->read(args, optarg, err);
	if (option->size)
		return kf_value_copy(option->name, optarg, at, option->size, err);
	if (option->argument == no_argument) {
		*(bool *)at = true;
		return 0;
	}
	r = kf_value_read(option->value, option->name, optarg, number ? at : NULL, err);
	if (!number)
		*(const char **)at = optarg;
	return r;
}

static int show_help(const struct kf_options *options, char *const *words)
{
	return options->show_help ? options->show_help(words) : kf_usage_print(options->help);
}

static int show_version(const struct kf_options *options)
{
	char text[64];

	kf_text_format(text, sizeof(text), "%s " KF_VERSION "\n", options->tool);
	return kf_usage_print(text);
}

int kf_options_read(const struct kf_options *options, int argc, char **argv, void *args,
		    struct kf_common *common)
{
	struct words words = { .count = 0 };
	struct kf_error err;
	int c, i;

	kf_log_init(options->tool, common && common->quiet);
	kf_usage_called(argv);
	/* Not in a later call, which goes on: --json may have been given before. */
	if (common && optind <= 1)
		common->table = isatty(STDOUT_FILENO);
	if (options->stops)
		kf_text_add(words.letters, sizeof(words.letters), "", "+");
	add(&words, options->list, options->count);
	add(&words, of_most, common ? KF_ARRAY_SIZE(of_most) : 0);
	add(&words, of_all, KF_ARRAY_SIZE(of_all));
	while ((c = getopt_long(argc, argv, words.letters, words.list, NULL)) != -1) {
		if (c == 'h')
			return show_help(options, argv + 1);
		if (c == 'V')
			return show_version(options);
		for (i = 0; i < words.count && words.list[i].val != c;)
			i++;
		if (i == words.count)
			return kf_usage_see(words.list, words.letters, argv);
		if ((size_t)i < options->count && common)
			common->given |= UINT64_C(1) << i;
		if (set(words.option[i], (size_t)i < options->count ? args : common, &err) < 0)
			return kf_usage_error(&err);
	}
	kf_log_init(options->tool, common && common->quiet);
	return -1;
}
