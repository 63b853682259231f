/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The folders, their order, drop-ins, quotes, variables and specifiers are those of systemd. */
#include <fnmatch.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/paths.h"
#include "core/text.h"
#include "printer/unit-file.h"

enum { FOLDERS = 4, UNITS_MAX = 64, DROPINS_MAX = 64, ENV_FILES_MAX = 16, FILE_MAX = 1 << 16 };

/* The folders of a manager. The first that has a file of some name hides the others'. */
struct manager {
	const char *folders[FOLDERS];
	const char *home; /* of this user, whose own manager it is; NULL: the system's */
};

static const struct manager of_system = {
	.folders = { "/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system",
		     "/usr/lib/systemd/system" },
};

struct names {
	char list[UNITS_MAX][KF_NAME_SIZE];
	size_t count;
};

/* A service as its files say; texts are not expanded yet. */
struct service {
	const struct manager *manager;
	const char *root, *unit;
	char exec[KF_UNIT_ARGS_MAX];
	char dir[PATH_MAX];
	char user[KF_NAME_SIZE];
	char env_files[ENV_FILES_MAX][PATH_MAX];
	size_t env_file_count;
	json_t *vars; /* an object of strings */
};

struct dropins {
	char list[DROPINS_MAX][PATH_MAX];
	size_t count;
};

/* "klipper@.service" of "klipper@1.service"; false: it is no instance. */
static bool template_of(const char *unit, char ret[KF_NAME_SIZE])
{
	const char *at = strchr(unit, '@'), *dot = strrchr(unit, '.');

	return at && dot && dot > at + 1 &&
	       kf_text_format(ret, KF_NAME_SIZE, "%.*s%s", (int)(at + 1 - unit), unit, dot);
}

static void add_name(struct names *names, const char *name)
{
	if (fnmatch("klipper*.service", name, 0) != 0 || strstr(name, "@.") ||
	    strlen(name) >= KF_NAME_SIZE || names->count == UNITS_MAX)
		return;
	for (size_t i = 0; i < names->count; i++)
		if (strcmp(names->list[i], name) == 0)
			return;
	strcpy(names->list[names->count++], name);
}

/* A link to another unit's file. */
static bool is_alias(const char *folder, const char *name)
{
	char path[PATH_MAX], target[PATH_MAX];
	ssize_t len;

	if (!kf_text_format(path, sizeof(path), "%s/%s", folder, name))
		return true;
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return false;
	target[len] = '\0';
	return strcmp(basename(target), name) != 0 &&
	       fnmatch("*.service", basename(target), 0) == 0;
}

/* The instances that a target wants: they have no file of their own. */
static void add_wanted(struct names *names, const char *folder)
{
	_cleanup_(kf_closedirp) DIR *dir = opendir(folder);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (strchr(entry->d_name, '@'))
			add_name(names, entry->d_name);
}

static void add_folder(struct names *names, const char *folder)
{
	_cleanup_(kf_closedirp) DIR *dir = opendir(folder);
	struct dirent *entry;
	char path[PATH_MAX];

	while (dir && (entry = readdir(dir))) {
		if (fnmatch("klipper*.service", entry->d_name, 0) == 0 &&
		    !is_alias(folder, entry->d_name))
			add_name(names, entry->d_name);
		else if (fnmatch("*.target.wants", entry->d_name, 0) == 0 &&
			 kf_text_format(path, sizeof(path), "%s/%s", folder, entry->d_name))
			add_wanted(names, path);
	}
}

static int compare_names(const void *a, const void *b)
{
	return strverscmp(a, b);
}

/* Asked for only where a unit needs it: the libraries that know users take long to load. */
static const char *manager_user(const struct manager *manager)
{
	const struct passwd *me = manager->home ? getpwuid(getuid()) : NULL;

	return me ? me->pw_name : manager->home ? "" : "root";
}

/* A name's parts, for the specifiers: PREFIX@INSTANCE.service. */
static bool specifier(const struct service *service, char c, char *ret, size_t size)
{
	const char *unit = service->unit, *at = strchr(unit, '@'), *dot = strrchr(unit, '.');
	int prefix = (int)((at ? at : dot) - unit);
	const char *instance = at ? at + 1 : dot;

	switch (c) {
	case '%':
		return kf_text_format(ret, size, "%%");
	case 'n':
		return kf_text_format(ret, size, "%s", unit);
	case 'N':
		return kf_text_format(ret, size, "%.*s", (int)(dot - unit), unit);
	case 'p':
	case 'P':
		return kf_text_format(ret, size, "%.*s", prefix, unit);
	case 'i':
	case 'I':
		return kf_text_format(ret, size, "%.*s", (int)(dot - instance), instance);
	case 'h': /* of the manager's user, whatever User= says */
		return kf_text_format(ret, size, "%s",
				      service->manager->home ? service->manager->home : "/root");
	case 'u':
		return kf_text_format(ret, size, "%s", manager_user(service->manager));
	default:
		return kf_text_format(ret, size, "%%%c", c);
	}
}

static bool append_char(char *dst, size_t size, size_t *len, char c)
{
	if (*len + 1 >= size)
		return false;
	dst[(*len)++] = c;
	dst[*len] = '\0';
	return true;
}

static bool append_text(char *dst, size_t size, size_t *len, const char *text)
{
	bool fits = true;

	for (; *text && fits; text++)
		fits = append_char(dst, size, len, *text);
	return fits;
}

static bool expand_specifiers(const struct service *service, const char *text, char *ret,
			      size_t size)
{
	char part[KF_NAME_SIZE];
	size_t len = 0;
	bool fits = true;

	ret[0] = '\0';
	for (; *text && fits; text++) {
		if (*text != '%' || !text[1])
			fits = append_char(ret, size, &len, *text);
		else
			fits = specifier(service, *++text, part, sizeof(part)) &&
			       append_text(ret, size, &len, part);
	}
	return fits;
}

/*
 * The next word of *text: between blanks, quotes may stand anywhere, a backslash takes the next
 * character as it is. False: there is none, or it does not fit.
 */
static bool next_word(const char **text, char *ret, size_t size)
{
	const char *at = *text + strspn(*text, " \t\n");
	char quote = '\0';
	size_t len = 0;
	bool fits = true, any = *at;

	ret[0] = '\0';
	for (; *at && fits && (quote || !strchr(" \t\n", *at)); at++) {
		if (quote ? *at == quote : *at == '"' || *at == '\'') {
			quote = quote ? '\0' : *at;
			continue;
		}
		if (*at == '\\' && at[1])
			at++;
		fits = append_char(ret, size, &len, *at);
	}
	*text = at;
	return any && fits;
}

static const char *variable(const struct service *service, const char *name, size_t len)
{
	char key[KF_NAME_SIZE];
	const char *value = NULL;

	if (kf_text_format(key, sizeof(key), "%.*s", (int)len, name))
		value = json_string_value(json_object_get(service->vars, key));
	return value ? value : "";
}

static void set_variable(struct service *service, const char *name, size_t len, const char *value)
{
	char key[KF_NAME_SIZE];

	if (len > 0 && kf_text_format(key, sizeof(key), "%.*s", (int)len, name))
		json_object_set_new_nocheck(service->vars, key, json_string_nocheck(value));
}

static void set_environment(struct service *service, const char *value)
{
	char text[KF_UNIT_ARGS_MAX], word[KF_UNIT_ARGS_MAX];
	const char *at = text;

	if (!*value)
		json_object_clear(service->vars);
	if (!expand_specifiers(service, value, text, sizeof(text)))
		return;
	while (next_word(&at, word, sizeof(word))) {
		size_t len = strcspn(word, "=");

		if (word[len])
			set_variable(service, word, len, word + len + 1);
	}
}

static void set(struct service *service, const char *name, const char *value)
{
	if (strcmp(name, "ExecStart") == 0) {
		if (!KF_COPY(service->exec, value))
			service->exec[0] = '\0';
	} else if (strcmp(name, "WorkingDirectory") == 0) {
		expand_specifiers(service, value, service->dir, sizeof(service->dir));
	} else if (strcmp(name, "User") == 0) {
		expand_specifiers(service, value, service->user, sizeof(service->user));
	} else if (strcmp(name, "Environment") == 0) {
		set_environment(service, value);
	} else if (strcmp(name, "EnvironmentFile") == 0 && !*value) {
		service->env_file_count = 0;
	} else if (strcmp(name, "EnvironmentFile") == 0 &&
		   service->env_file_count < ENV_FILES_MAX) {
		char *path = service->env_files[service->env_file_count];

		value += *value == '-';
		if (expand_specifiers(service, value, path, PATH_MAX))
			service->env_file_count++;
	}
}

static char *strip(char *text)
{
	size_t len;

	text += strspn(text, " \t\r");
	len = strlen(text);
	while (len > 0 && strchr(" \t\r", text[len - 1]))
		text[--len] = '\0';
	return text;
}

/* Read the whole of a small file; NULL: there is none that can be read. */
static char *read_small(const char *root, const char *path)
{
	char full[PATH_MAX], *text = NULL;
	size_t len;

	if (!kf_text_format(full, sizeof(full), "%s%s", root, path) ||
	    kf_file_read(full, FILE_MAX, &text, &len, NULL) < 0)
		return NULL;
	return text;
}

/* A line that ends in a backslash goes on in the next one. */
static void join_lines(char *text)
{
	for (char *at = text; (at = strstr(at, "\\\n"));)
		at[0] = at[1] = ' ';
}

static bool read_unit(struct service *service, const char *path)
{
	_cleanup_(kf_freep) char *text = read_small("", path);
	char *rest = text, *line, *value;
	bool wanted = false;

	if (!text)
		return false;
	join_lines(text);
	while ((line = strsep(&rest, "\n"))) {
		line = strip(line);
		if (*line == '[')
			wanted = strcmp(line, "[Service]") == 0;
		value = strchr(line, '=');
		if (!wanted || !value || strchr("#;[", *line))
			continue;
		*value = '\0';
		set(service, strip(line), strip(value + 1));
	}
	return true;
}

static void add_dropins(struct dropins *dropins, const char *folder)
{
	_cleanup_(kf_closedirp) DIR *dir = opendir(folder);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)) && dropins->count < DROPINS_MAX) {
		bool hidden = fnmatch("*.conf", entry->d_name, 0) != 0;

		for (size_t i = 0; i < dropins->count; i++)
			hidden = hidden || strcmp(basename(dropins->list[i]), entry->d_name) == 0;
		if (!hidden && kf_text_format(dropins->list[dropins->count], PATH_MAX, "%s/%s",
					      folder, entry->d_name))
			dropins->count++;
	}
}

static int compare_dropins(const void *a, const void *b)
{
	return strcmp(basename(a), basename(b));
}

/* Read the drop-ins of the unit's name, of its template, of "klipper-.service", and of every
 * service. */
static void read_dropins(struct service *service)
{
	struct dropins *dropins = calloc(1, sizeof(*dropins));
	char names[4][KF_NAME_SIZE] = { "", "", "", "service" }, folder[PATH_MAX];
	const char *dash = strchr(service->unit, '-');

	kf_text_format(names[0], KF_NAME_SIZE, "%s", service->unit);
	if (!template_of(service->unit, names[1]))
		names[1][0] = '\0';
	if (dash)
		kf_text_format(names[2], KF_NAME_SIZE, "%.*s.service",
			       (int)(dash + 1 - service->unit), service->unit);
	for (size_t n = 0; dropins && n < KF_ARRAY_SIZE(names); n++)
		for (size_t i = 0; names[n][0] && i < FOLDERS; i++)
			if (kf_text_format(folder, sizeof(folder), "%s%s/%s.d", service->root,
					   service->manager->folders[i], names[n]))
				add_dropins(dropins, folder);
	if (dropins)
		qsort(dropins->list, dropins->count, sizeof(dropins->list[0]), compare_dropins);
	for (size_t i = 0; dropins && i < dropins->count; i++)
		read_unit(service, dropins->list[i]);
	free(dropins);
}

/* One assignment of an environment file: quotes may span lines. *text is then behind it. */
static void read_assignment(struct service *service, char **text)
{
	char *start = *text, *equals = start + strcspn(start, "=\n"), *at = equals + 1, *to = at;
	char quote = '\0';

	if (*equals != '=') {
		*text = equals + (*equals == '\n');
		return;
	}
	for (; *at && (quote || *at != '\n'); at++) {
		if (quote ? *at == quote : *at == '"' || *at == '\'')
			quote = quote ? '\0' : *at;
		else if (*at == '\\' && quote != '\'' && at[1])
			*to++ = *++at;
		else
			*to++ = *at;
	}
	*text = at + (*at == '\n');
	*to = '\0';
	*equals = '\0';
	start = strip(start);
	set_variable(service, start, strlen(start), strip(equals + 1));
}

static void read_env_file(struct service *service, const char *path)
{
	_cleanup_(kf_freep) char *text = read_small(service->root, path);
	char *at = text;

	while (at && *at) {
		at += strspn(at, " \t\r\n");
		if (*at == '#' || *at == ';')
			at += strcspn(at, "\n");
		else if (*at)
			read_assignment(service, &at);
	}
}

/* ${NAME} in a word, and $$ for $. */
static bool expand_word(const struct service *service, const char *word, char *ret, size_t size)
{
	size_t len = 0;
	bool fits = true;

	ret[0] = '\0';
	for (; *word && fits; word++) {
		size_t name = word[0] == '$' && word[1] == '{' ? strcspn(word, "}") : 0;

		if (name && word[name]) {
			fits = append_text(ret, size, &len, variable(service, word + 2, name - 2));
			word += name;
			continue;
		}
		fits = append_char(ret, size, &len, *word);
		word += word[0] == '$' && word[1] == '$';
	}
	return fits;
}

static bool add_argument(struct kf_unit_command *command, const char *word)
{
	size_t size = strlen(word) + 1;

	if (size > sizeof(command->args) - command->len)
		return false;
	memcpy(command->args + command->len, word, size);
	command->len += size;
	return true;
}

static bool expand_command(const struct service *service, struct kf_unit_command *ret)
{
	char line[KF_UNIT_ARGS_MAX], word[KF_UNIT_ARGS_MAX], whole[KF_UNIT_ARGS_MAX];
	const char *at, *value;
	bool literal, fits = true;
	size_t prefix;

	if (!expand_specifiers(service, service->exec, line, sizeof(line)))
		return false;
	prefix = strspn(line, "@-:+!");
	literal = memchr(line, ':', prefix);
	at = line + prefix;
	for (size_t i = 0; fits && next_word(&at, word, sizeof(word)); i++) {
		/* Behind "@" the second word is the name that the program is given. */
		if (i == 1 && memchr(line, '@', prefix))
			continue;
		if (literal) {
			fits = add_argument(ret, word);
		} else if (word[0] == '$' && word[1] && !strchr("{$", word[1])) {
			/* A variable that is a whole word becomes as many words as it has. */
			value = variable(service, word + 1, strlen(word + 1));
			while (fits && next_word(&value, word, sizeof(word)))
				fits = add_argument(ret, word);
		} else {
			fits = expand_word(service, word, whole, sizeof(whole)) &&
			       add_argument(ret, whole);
		}
	}
	return fits && ret->len > 0;
}

static void find_places(const struct service *service, struct kf_unit_command *ret)
{
	const char *dir = service->dir + (service->dir[0] == '-'), *home = service->manager->home;
	const struct passwd *user = NULL;

	ret->users_own = home;
	if (!home)
		user = getpwnam(service->user[0] ? service->user : "root");
	if (!home)
		home = user && user->pw_dir ? user->pw_dir : "";
	KF_COPY(ret->home, home);
	if (!*dir)
		dir = service->manager->home ? "~" : "/";
	KF_COPY(ret->dir, strcmp(dir, "~") == 0 ? home : dir);
}

/* Read the unit's file, or its template's, from the first folder that has one. */
static bool read_main(struct service *service)
{
	char names[2][KF_NAME_SIZE] = { "", "" }, path[PATH_MAX];
	struct stat st;

	kf_text_format(names[0], KF_NAME_SIZE, "%s", service->unit);
	if (!template_of(service->unit, names[1]))
		names[1][0] = '\0';
	for (size_t n = 0; n < KF_ARRAY_SIZE(names); n++)
		for (size_t i = 0; names[n][0] && i < FOLDERS; i++)
			if (kf_text_format(path, sizeof(path), "%s%s/%s", service->root,
					   service->manager->folders[i], names[n]) &&
			    stat(path, &st) == 0)
				return read_unit(service, path);
	return false;
}

static bool read_service(struct service *service, struct kf_unit_command *ret)
{
	memset(ret, 0, sizeof(*ret));
	KF_COPY(ret->unit, service->unit);
	if (!read_main(service))
		return false;
	read_dropins(service);
	for (size_t i = 0; i < service->env_file_count; i++)
		read_env_file(service, service->env_files[i]);
	if (!expand_command(service, ret))
		return false;
	find_places(service, ret);
	return true;
}

static void each_of(const struct manager *manager, const char *root,
		    void (*look)(const struct kf_unit_command *command, void *arg), void *arg)
{
	struct kf_unit_command *command = malloc(sizeof(*command));
	struct names *names = calloc(1, sizeof(*names));
	struct service *service = malloc(sizeof(*service));
	char folder[PATH_MAX];

	for (size_t i = 0; command && names && service && i < FOLDERS; i++)
		if (kf_text_format(folder, sizeof(folder), "%s%s", root, manager->folders[i]))
			add_folder(names, folder);
	if (names)
		qsort(names->list, names->count, sizeof(names->list[0]), compare_names);
	for (size_t i = 0; command && names && service && i < names->count; i++) {
		*service = (struct service){ .manager = manager,
					     .root = root,
					     .unit = names->list[i],
					     .vars = json_object() };
		if (read_service(service, command))
			look(command, arg);
		json_decref(service->vars);
	}
	free(service);
	free(names);
	free(command);
}

void kf_units_each(const char *root, void (*look)(const struct kf_unit_command *command, void *arg),
		   void *arg)
{
	char home[PATH_MAX], config[PATH_MAX], data[PATH_MAX];
	const struct manager own = {
		.folders = { config, "/etc/systemd/user", data, "/usr/lib/systemd/user" },
		.home = home,
	};

	each_of(&of_system, root, look, arg);
	if (kf_path_expand("~", home, NULL) == 0 &&
	    kf_path_expand("~/.config/systemd/user", config, NULL) == 0 &&
	    kf_path_expand("~/.local/share/systemd/user", data, NULL) == 0)
		each_of(&own, root, look, arg);
}
