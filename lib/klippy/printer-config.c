/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The rules are those of klippy/configfile.py, which cuts the text at [include] lines and gives
 * each piece to Python's configparser: so no section goes on behind an include.
 */
#include <ctype.h>
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/file.h"
#include "core/text.h"
#include "klippy/printer-config.h"

enum {
	DEPTH_MAX = 16,
	GLOB_ENTRIES_MAX = 4096,
	FOLDERS_MAX = 6,     /* below a folder "**" */
	REFERENCES_MAX = 10, /* configparser's MAX_INTERPOLATION_DEPTH */
	VALUE_SIZE = 1024,
};

static const char autosave[] =
	"\n#*# <---------------------- SAVE_CONFIG ---------------------->\n"
	"#*# DO NOT EDIT THIS BLOCK OR BELOW. The contents are auto-generated.\n"
	"#*#\n";

struct reader {
	void (*each)(const struct kf_setting *setting, void *arg);
	void *arg;
	size_t bytes_left, files_left;
	struct {
		dev_t dev;
		ino_t ino;
	} open[DEPTH_MAX]; /* the file that is read, and those that include it */
	size_t depth;
};

/* The place in the text that is being read. */
struct place {
	const char *path;
	unsigned line;
	char *section; /* NULL: none yet */
	char *option;  /* of the setting above, which the next line may go on with; NULL: none */
	char *value, *value_end;
	size_t indent; /* of that setting: a line further to the right goes on with it */
	bool saved;
};

static int refuse(struct kf_error *err, const struct place *place, const char *why)
{
	return kf_fail(err, KF_CONFIG, "%s: line %u %s", place->path, place->line, why);
}

static char *strip(char *text)
{
	size_t len;

	text += strspn(text, " \t\v\f");
	len = strlen(text);
	while (len > 0 && isspace((unsigned char)text[len - 1]))
		text[--len] = '\0';
	return text;
}

/* The text between the brackets that a line begins with, cut out of it; NULL: it is no header. */
static char *header_of(char *line)
{
	char *end = strrchr(line, ']');

	if (line[0] != '[' || !end || end == line + 1)
		return NULL;
	*end = '\0';
	return line + 1;
}

/* A comment begins with '#' anywhere, with ';' behind a blank or at the start. */
static void cut_comment(char *line)
{
	line[strcspn(line, "#")] = '\0';
	for (char *at = line; (at = strchr(at, ';')); at++)
		if (at == line || isspace((unsigned char)at[-1])) {
			*at = '\0';
			return;
		}
}

static int begin_setting(struct place *place, char *text, struct kf_error *err)
{
	char *delimiter = text + strcspn(text, "=:");

	if (!place->section)
		return refuse(err, place, "stands in no section");
	if (!*delimiter || delimiter == text)
		return refuse(err, place, "is no \"option: value\"");
	*delimiter = '\0';
	for (char *c = text; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	place->option = strip(text);
	place->value = strip(delimiter + 1);
	place->value_end = place->value + strlen(place->value);
	return 0;
}

/* Append a line to the value. It stands further on in the same buffer, so there is room. */
static void continue_value(struct place *place, const char *text)
{
	size_t len = strlen(text);

	*place->value_end++ = '\n';
	memmove(place->value_end, text, len + 1);
	place->value_end += len;
}

/* The setting above is complete: report it. */
static void end_setting(const struct reader *reader, struct place *place)
{
	const struct kf_setting setting = { .section = place->section,
					    .option = place->option,
					    .value = place->value,
					    .saved = place->saved };

	if (setting.option)
		reader->each(&setting, reader->arg);
	place->option = NULL;
}

/* Any line but an include. */
static int read_line(const struct reader *reader, struct place *place, char *line,
		     struct kf_error *err)
{
	size_t indent;
	char *text, *header;

	cut_comment(line);
	text = strip(line);
	if (!*text)
		return 0;
	indent = (size_t)(text - line);
	if (place->option && indent > place->indent) {
		continue_value(place, text);
		return 0;
	}
	end_setting(reader, place);
	place->indent = indent;
	header = header_of(text);
	if (!header)
		return begin_setting(place, text, err);
	place->section = header;
	return 0;
}

/* The first line of *text; *text is then what follows, NULL at the end. */
static char *next_line(char **text)
{
	return strsep(text, "\n");
}

static int read_file(struct reader *reader, const char *path, struct kf_error *err);

/* glob(3) asks for no more entries than this, whatever the pattern is. */
static _Thread_local unsigned glob_entries;

static struct dirent *glob_readdir(void *dir)
{
	return glob_entries++ < GLOB_ENTRIES_MAX ? readdir(dir) : NULL;
}

static void *glob_opendir(const char *path)
{
	return opendir(path);
}

static void glob_closedir(void *dir)
{
	closedir(dir);
}

static int glob_stat(const char *path, struct stat *st)
{
	return stat(path, st);
}

static int glob_lstat(const char *path, struct stat *st)
{
	return lstat(path, st);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Add what the pattern finds; none that fits is no mistake. GLOB_NOSPACE: too many. */
static int find_files(const char *pattern, glob_t *found)
{
	int flags = GLOB_NOSORT | GLOB_NOESCAPE | GLOB_ALTDIRFUNC;
	int r = glob(pattern, flags | (found->gl_pathc ? GLOB_APPEND : 0), NULL, found);

	return r == GLOB_NOSPACE || glob_entries > GLOB_ENTRIES_MAX ? GLOB_NOSPACE : 0;
}

/* The same for a pattern where a folder "**" stands for any folders, or for none. */
static int find_deep(const char *pattern, glob_t *found)
{
	const char *any = strstr(pattern, "/**/");
	char path[PATH_MAX], folders[3 * FOLDERS_MAX + 1] = "";
	int r = 0;

	if (!any)
		return find_files(pattern, found);
	for (size_t depth = 0; r == 0 && depth <= FOLDERS_MAX; depth++) {
		if (kf_text_format(path, sizeof(path), "%.*s/%s%s", (int)(any - pattern), pattern,
				   folders, any + strlen("/**/")))
			r = find_deep(path, found);
		kf_text_add(folders, sizeof(folders), "", "*/");
	}
	return r;
}

/* All files that pattern (from the folder of the file that includes them) names, in order. */
static int read_included(struct reader *reader, const struct place *place, const char *pattern,
			 struct kf_error *err)
{
	int folder = *pattern == '/' ? 0 : (int)(basename(place->path) - place->path), r = 0;
	glob_t found = { .gl_opendir = glob_opendir,
			 .gl_readdir = (struct dirent * (*)(void *)) glob_readdir,
			 .gl_closedir = glob_closedir,
			 .gl_stat = glob_stat,
			 .gl_lstat = glob_lstat };
	char path[PATH_MAX];

	if (!kf_text_format(path, sizeof(path), "%.*s%s", folder, place->path, pattern))
		return refuse(err, place, "includes a path that is too long");
	if (!strpbrk(pattern, "*?["))
		return read_file(reader, path, err);
	glob_entries = 0;
	if (find_deep(path, &found) == GLOB_NOSPACE)
		r = refuse(err, place, "includes a pattern that looks at too many files");
	if (r == 0 && found.gl_pathc > 0)
		qsort(found.gl_pathv, found.gl_pathc, sizeof(*found.gl_pathv), by_name);
	for (size_t i = 0; r == 0 && i < found.gl_pathc; i++)
		r = read_file(reader, found.gl_pathv[i], err);
	globfree(&found);
	return r;
}

static int read_text(struct reader *reader, const char *path, char *text, bool saved,
		     struct kf_error *err)
{
	struct place place = { .path = path, .saved = saved };
	char *line, *include;
	int r = 0;

	while (r == 0 && (line = next_line(&text))) {
		place.line++;
		line[strcspn(line, "#")] = '\0';
		/* The block of SAVE_CONFIG includes nothing. */
		include = !saved && strncmp(line, "[include ", 9) == 0 ? header_of(line) : NULL;
		if (!include) {
			r = read_line(reader, &place, line, err);
			continue;
		}
		end_setting(reader, &place);
		place.section = NULL;
		r = read_included(reader, &place, strip(include + strlen("include ")), err);
	}
	if (r == 0)
		end_setting(reader, &place);
	return r;
}

/* The lines' ends as Python reads them: CR LF and CR are LF. */
static void unify_lines(char *text)
{
	char *to = text;

	for (const char *from = text; *from; from++)
		if (*from != '\r')
			*to++ = *from;
		else if (from[1] != '\n')
			*to++ = '\n';
	*to = '\0';
}

/*
 * Cut the block of SAVE_CONFIG off the text. Returns what it says, without the marks that its lines
 * begin with. NULL: there is none, or somebody has changed it: Klippy takes that for comments.
 */
static char *take_saved(char *text)
{
	char *block = strstr(text, autosave), *saved, *to, *from, *line;

	if (!block)
		return NULL;
	from = block + strlen(autosave);
	*block = '\0';
	if (strstr(text, "\n#*# ") || strstr(from, autosave)) {
		*block = '\n';
		return NULL;
	}
	for (line = from; *line; line += strcspn(line, "\n"), line += *line == '\n')
		if (*line != '\n' && (strncmp(line, "#*#", 3) != 0 ||
				      (line[3] && line[3] != '\n' && line[3] != ' '))) {
			*block = '\n';
			return NULL;
		}
	saved = to = from;
	while ((line = next_line(&from))) {
		size_t len = strlen(line), mark = len < 4 ? len : 4;

		memmove(to, line + mark, len - mark);
		to += len - mark;
		*to++ = from ? '\n' : '\0';
	}
	return saved;
}

/* Are we reading this file already? Then it includes itself. */
static bool is_open(const struct reader *reader, const struct stat *st)
{
	for (size_t i = 0; i < reader->depth; i++)
		if (reader->open[i].dev == st->st_dev && reader->open[i].ino == st->st_ino)
			return true;
	return false;
}

static int load(struct reader *reader, const char *path, char **ret, struct kf_error *err)
{
	_cleanup_(kf_freep) char *text = NULL;
	struct stat st = { 0 };
	size_t len;
	int r;

	if (stat(path, &st) == 0 && is_open(reader, &st))
		return kf_fail(err, KF_CONFIG, "%s: includes itself", path);
	if (reader->depth == DEPTH_MAX)
		return kf_fail(err, KF_CONFIG, "%s: included over more than %d files", path,
			       DEPTH_MAX);
	if (reader->files_left-- == 0)
		return kf_fail(err, KF_CONFIG, "%s: the file after the %dth of one configuration",
			       path, KF_PRINTER_CONFIG_FILES);
	r = kf_file_read(path, reader->bytes_left, &text, &len, err);
	if (r == -EFBIG) {
		kf_fail(err, KF_CONFIG, "%s: with all files of its configuration more than %d MiB",
			path, KF_PRINTER_CONFIG_MAX >> 20);
		return kf_error_hint(
			err, "start the printer, whose Klippy then tells; or make its files "
			     "smaller");
	}
	if (r < 0)
		return r;
	if (memchr(text, '\0', len))
		return kf_fail(err, KF_CONFIG, "%s: not a text file", path);
	reader->bytes_left -= len;
	reader->open[reader->depth].dev = st.st_dev;
	reader->open[reader->depth].ino = st.st_ino;
	unify_lines(text);
	*ret = TAKE_PTR(text);
	return 0;
}

static int read_file(struct reader *reader, const char *path, struct kf_error *err)
{
	_cleanup_(kf_freep) char *text = NULL;
	char *saved;
	int r = load(reader, path, &text, err);

	if (!text)
		return r;
	/* Klippy looks for the block of SAVE_CONFIG in printer.cfg only. */
	saved = reader->depth == 0 ? take_saved(text) : NULL;
	reader->depth++;
	r = read_text(reader, path, text, false, err);
	if (r == 0 && saved)
		r = read_text(reader, path, saved, true, err);
	reader->depth--;
	return r;
}

int kf_printer_config_read(const char *path,
			   void (*each)(const struct kf_setting *setting, void *arg), void *arg,
			   struct kf_error *err)
{
	struct reader reader = { .each = each,
				 .arg = arg,
				 .bytes_left = KF_PRINTER_CONFIG_MAX,
				 .files_left = KF_PRINTER_CONFIG_FILES };

	return read_file(&reader, path, err);
}

struct collector {
	struct kf_mcus mcus, defaults;
	bool refers;  /* a value of an MCU has ${} */
	json_t *all;  /* every section with its settings; NULL: not needed */
	char bad[64]; /* the ${} that names nothing */
	int r;
};

static const char any_section[] = "DEFAULT"; /* configparser's */

/* Every setting, by its section. */
static void collect_all(const struct kf_setting *setting, void *arg)
{
	json_t *all = arg, *section = json_object_get(all, setting->section);

	if (!section) {
		section = json_object();
		json_object_set_new(all, setting->section, section);
	}
	if (!setting->saved || !json_object_get(section, setting->option))
		json_object_set_new(section, setting->option, json_string(setting->value));
}

static const char *lookup(const json_t *all, const char *section, const char *option)
{
	const char *value =
		json_string_value(json_object_get(json_object_get(all, section), option));

	return value ? value
		     : json_string_value(
			       json_object_get(json_object_get(all, any_section), option));
}

/*
 * Look up what a reference "option" or "section.option" of len bytes names; NULL: nothing. A ${} in
 * that is looked up in ret_section.
 */
static const char *follow(const json_t *all, const char *section, const char *name, size_t len,
			  char ret_section[256])
{
	char own[256], *option;

	if (!kf_text_format(own, sizeof(own), "%.*s", (int)len, name))
		return NULL;
	option = strpbrk(own, ".:");
	if (option)
		*option++ = '\0';
	kf_text_format(ret_section, 256, "%s", option ? own : section);
	option = option ? option : own;
	for (char *c = option; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return lookup(all, ret_section, option);
}

/*
 * Kalico's ${} in a value (klippy/configfile.py, SectionInterpolation). *left is how many may still
 * be replaced: they may refer to each other. False: one names nothing, or there are too many.
 */
/* NOLINTNEXTLINE(misc-no-recursion): *left ends it */
static bool replace(const json_t *all, const char *section, char *value, size_t size,
		    unsigned *left)
{
	char text[VALUE_SIZE], inner[VALUE_SIZE], inner_section[256];
	char *start, *end;

	while ((start = strstr(value, "${"))) {
		const char *found;

		end = strchr(start, '}');
		if (!end || *left == 0)
			return false;
		(*left)--;
		found = follow(all, section, start + 2, (size_t)(end - start) - 2, inner_section);
		if (!found || !KF_COPY(inner, found) ||
		    !replace(all, inner_section, inner, sizeof(inner), left) ||
		    !kf_text_format(text, sizeof(text), "%.*s%s%s", (int)(start - value), value,
				    inner, end + 1) ||
		    !kf_text_format(value, size, "%s", text))
			return false;
	}
	return true;
}

static void collect(const struct kf_setting *setting, void *arg)
{
	struct collector *collector = arg;
	bool any = strcmp(setting->section, any_section) == 0;
	unsigned left = REFERENCES_MAX;
	char value[VALUE_SIZE];

	if (collector->r < 0 || (!any && strncmp(setting->section, "mcu", 3) != 0))
		return;
	KF_COPY(value, setting->value);
	if (strstr(value, "${")) {
		collector->refers = true;
		if (collector->all && !collector->bad[0] &&
		    !replace(collector->all, setting->section, value, sizeof(value), &left))
			KF_CLEAN(collector->bad, setting->value);
	}
	collector->r =
		kf_mcus_set(any ? &collector->defaults : &collector->mcus,
			    any ? "mcu" : setting->section, setting->option, value, setting->saved);
}

static void free_collector(struct collector *collector)
{
	kf_mcus_free(&collector->mcus);
	kf_mcus_free(&collector->defaults);
	json_decref(collector->all);
}

/* Read the configuration again, with all settings that a ${} may name. */
static int read_references(const char *path, struct collector *collector, struct kf_error *err)
{
	int r;

	kf_mcus_free(&collector->mcus);
	kf_mcus_free(&collector->defaults);
	collector->all = json_object();
	r = kf_printer_config_read(path, collect_all, collector->all, err);
	if (r == 0)
		r = kf_printer_config_read(path, collect, collector, err);
	if (r == 0 && collector->bad[0])
		r = kf_fail(err, KF_CONFIG, "%s: \"%s\" of an [mcu] names no other setting", path,
			    collector->bad);
	return r;
}

int kf_printer_config_mcus(const char *path, struct kf_mcus *ret, struct kf_error *err)
{
	_cleanup_(free_collector) struct collector collector = { 0 };
	int r = kf_printer_config_read(path, collect, &collector, err);

	if (r == 0 && collector.refers)
		r = read_references(path, &collector, err);
	if (r == 0 && collector.r == -E2BIG)
		r = kf_fail(err, KF_CONFIG, "%s: more than %d MCUs", path, KF_MCUS_MAX);
	else if (r == 0 && collector.r < 0)
		r = kf_fail_sys(err, -collector.r, "%s", path);
	else if (r == 0 && collector.mcus.count == 0)
		r = kf_fail(err, KF_CONFIG, "%s: has no [mcu]", path);
	if (r < 0)
		return r;
	if (collector.defaults.count > 0)
		kf_mcus_default(&collector.mcus, &collector.defaults.list[0]);
	kf_mcus_complete(&collector.mcus);
	*ret = collector.mcus;
	collector.mcus = (struct kf_mcus){ 0 }; /* the caller's now */
	return 0;
}
