/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Klippy is "python klippy.py CONFIG -a SOCKET -l LOG", Kalico's also "python -m klippy". An
 * option's argument may be its next word, or stand behind it in the same.
 */
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/process.h"
#include "core/text.h"
#include "klippy/klippy.h"
#include "usb/holder.h"

#define WORDS_MAX 64

/*
 * The argument of option, if word is that option; else NULL. As in Python's optparse, the beginning
 * of a long name is enough. The argument is the rest of word, or next. *step is 1 or 2: the words
 * that the option takes.
 */
static const char *argument(const char *word, const char *next, const char *option, size_t *step)
{
	bool is_long = option[1] == '-';
	size_t len = is_long ? strcspn(word, "=") : 2;

	if (len < (is_long ? 3 : 2) || strncmp(word, option, len) != 0)
		return NULL;
	*step = word[len] ? 1 : 2;
	return word[len] ? word + len + is_long : next;
}

static bool absolute(const char *path, const char *cwd, char ret[PATH_MAX])
{
	if (*path == '/')
		return kf_text_format(ret, PATH_MAX, "%s", path);
	/* The working directory of another user's process cannot be read. */
	return *cwd && kf_text_format(ret, PATH_MAX, "%s/%s", cwd, path);
}

static void add_folder(struct kf_klippy *klippy, const char *folder)
{
	for (size_t i = 0; i < klippy->folder_count; i++)
		if (strcmp(klippy->folders[i], folder) == 0)
			return;
	if (*folder && klippy->folder_count < KF_KLIPPY_FOLDERS)
		kf_text_format(klippy->folders[klippy->folder_count++], PATH_MAX, "%s", folder);
}

/* printer_data from printer_data/comms/klippy.sock, likewise logs/ and config/. */
static void add_folder_of(struct kf_klippy *klippy, const char *path, const char *cwd)
{
	char folder[PATH_MAX];

	if (!path || !absolute(path, cwd, folder))
		return;
	for (int i = 0; i < 2; i++) {
		char *slash = strrchr(folder, '/');

		if (!slash)
			return;
		*slash = '\0';
	}
	add_folder(klippy, folder);
}

static bool is_program(const char *word)
{
	return strcmp(basename(word), "klippy.py") == 0 || strcmp(basename(word), "klippy") == 0;
}

/*
 * The word behind Klippy's program; 0: it is no Klippy. Python runs the first word that is no
 * option of its own, or the module behind -m (python3(1)): a klippy.py further on is an argument of
 * another program. Python itself may have any name.
 */
static size_t after_program(const char *const *words, size_t count)
{
	if (count > 0 && is_program(words[0]))
		return 1;
	for (size_t i = 1; i < count; i++) {
		const char *option, *value;

		if (words[i][0] != '-')
			return is_program(words[i]) ? i + 1 : 0;
		option = words[i][1] == '-' ? "" : words[i] + strcspn(words[i], "cmWX");
		if (!*option)
			continue;
		value = option[1] ? option + 1 : words[++i];
		if (*option == 'm')
			return value && strcmp(value, "klippy") == 0 ? i + 1 : 0;
		if (*option == 'c')
			return 0;
	}
	return 0;
}

/* The tree of DIR/klippy/klippy.py; Kalico's "-m klippy" is started in its tree. */
static void find_tree(const char *program, bool is_module, const char *cwd, struct kf_klippy *ret)
{
	if (is_module) {
		kf_text_format(ret->tree, PATH_MAX, "%s", cwd);
		return;
	}
	if (strcmp(basename(program), "klippy.py") != 0 || !absolute(program, cwd, ret->tree))
		return;
	for (int i = 0; i < 2; i++) {
		char *slash = strrchr(ret->tree, '/');

		*(slash ? slash : ret->tree) = '\0';
	}
}

static void parse_arguments(const char *const *words, size_t count, const char *cwd,
			    struct kf_klippy *ret)
{
	const char *api = NULL, *log = NULL, *config = NULL;
	size_t step;

	for (size_t i = 0; i < count; i += step) {
		const char *next = words[i + 1] ? words[i + 1] : "", *value;

		step = 1;
		if ((value = argument(words[i], next, "--api-server", &step)) ||
		    (value = argument(words[i], next, "-a", &step)))
			api = value;
		else if ((value = argument(words[i], next, "--logfile", &step)) ||
			 (value = argument(words[i], next, "-l", &step)))
			log = value;
		else if ((value = argument(words[i], next, "--input-tty", &step)) ||
			 (value = argument(words[i], next, "-I", &step)))
			continue;
		else if (*words[i] != '-' && !config)
			config = words[i];
		else
			step = 1;
	}
	if (api && !absolute(api, cwd, ret->api))
		ret->api[0] = '\0';
	if (config && !absolute(config, cwd, ret->config))
		ret->config[0] = '\0';
	add_folder_of(ret, api, cwd);
	add_folder_of(ret, log, cwd);
	add_folder_of(ret, config, cwd);
}

bool kf_klippy_parse(const char *args, size_t len, const char *cwd, const char *home,
		     struct kf_klippy *ret)
{
	const char *words[WORDS_MAX + 1] = { NULL };
	size_t count = 0, step;
	char folder[PATH_MAX];
	bool is_module;

	for (size_t at = 0; at < len && count < WORDS_MAX; at += strlen(args + at) + 1)
		words[count++] = args + at;
	step = after_program(words, count);
	if (step == 0)
		return false;
	memset(ret, 0, sizeof(*ret));
	parse_arguments(words + step, count - step, cwd, ret);
	is_module = words[step - 1][0] == '-' || strcmp(words[step - 1], "klippy") == 0;
	find_tree(words[step - 1], step > 1 && is_module, cwd, ret);
	if (step > 1)
		kf_text_format(ret->python, PATH_MAX, "%s", words[0]);
	if (*home && kf_text_format(folder, sizeof(folder), "%s/printer_data", home))
		add_folder(ret, folder);
	return true;
}

bool kf_klippy_find(pid_t pid, struct kf_klippy *ret)
{
	char path[64], args[8192], cwd[PATH_MAX] = "";
	const struct passwd *user = NULL;
	struct stat st;
	size_t len = kf_process_read(pid, "cmdline", args, sizeof(args));
	ssize_t n;

	/* Most processes are no Klippy: nothing more is asked of them. */
	if (len == 0 || !kf_klippy_parse(args, len, "", "", ret))
		return false;
	kf_text_format(path, sizeof(path), "/proc/%d/cwd", (int)pid);
	n = readlink(path, cwd, sizeof(cwd) - 1);
	cwd[n > 0 ? n : 0] = '\0';
	kf_text_format(path, sizeof(path), "/proc/%d", (int)pid);
	if (stat(path, &st) == 0)
		user = getpwuid(st.st_uid);
	if (!kf_klippy_parse(args, len, cwd, user && user->pw_dir ? user->pw_dir : "", ret))
		return false;
	ret->pid = pid;
	return true;
}

bool kf_klippy_each_in(const char *folder, bool (*look)(const struct kf_klippy *klippy, void *arg),
		       void *arg)
{
	_cleanup_(kf_closedirp) DIR *proc = opendir(folder);
	struct kf_klippy klippy;
	pid_t pid;

	while ((pid = kf_process_next(proc)))
		if (kf_klippy_find(pid, &klippy) && !look(&klippy, arg))
			return false;
	return proc;
}

bool kf_klippy_each(bool (*look)(const struct kf_klippy *klippy, void *arg), void *arg)
{
	return kf_klippy_each_in("/proc", look, arg);
}
