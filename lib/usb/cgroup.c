/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The groups' names: systemd's, systemd.slice(5) and user@.service(5); Docker's docker-ID.scope or
 * docker/ID (cgroup driver systemd or cgroupfs), and likewise Podman's libpod-ID; LXC's
 * lxc.payload.NAME; systemd-nspawn's machine-NAME.scope.
 */
#include <ctype.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#include "core/text.h"
#include "usb/cgroup.h"

enum { ID_LEN = 64, SHORT_ID_LEN = 12 };

static const struct engine {
	const char *prefix; /* of its group's name; "docker/": of the name in the group docker */
	bool id;	    /* 64 digits follow, else a name */
	bool root;	    /* only root stops what root has started */
	const char *name, *stop;
} engines[] = {
	{ "docker-", true, false, "Docker", "docker stop" },
	{ "docker/", true, false, "Docker", "docker stop" },
	{ "libpod-", true, true, "Podman", "podman stop" },
	{ "nerdctl-", true, true, "containerd", "nerdctl stop" },
	{ "cri-containerd-", true, true, "containerd", "crictl stop" },
	{ "crio-", true, true, "CRI-O", "crictl stop" },
	{ "lxc.payload.", false, true, "LXC", "lxc-stop -n" },
	{ "lxc/", false, true, "LXC", "lxc-stop -n" },
	{ "machine-", false, true, "systemd-nspawn", "machinectl stop" },
};

/* The place in the path of groups. */
struct place {
	uid_t me, uid;
	bool user; /* below the manager of the user uid */
};

/* The path in one line of cgroups(7), if the line is systemd's: v2, or v1's own; else NULL. */
static const char *systemd_path(const char *line)
{
	const char *first = strchr(line, ':'), *second = first ? strchr(first + 1, ':') : NULL;

	if (!second)
		return NULL;
	if (second == first + 1 || strncmp(first, ":name=systemd:", 14) == 0)
		return second + 1;
	return NULL;
}

/* Any user may give a group below his own manager any name. */
static bool harmless(const char *name)
{
	static const char chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789:_.@\\-";

	return *name && *name != '-' && !name[strspn(name, chars)];
}

static bool ends_with(const char *name, const char *end)
{
	size_t len = strlen(name), end_len = strlen(end);

	return len > end_len && strcmp(name + len - end_len, end) == 0;
}

static void name_user(uid_t uid, char ret[KF_NAME_SIZE])
{
	const struct passwd *user = getpwuid(uid);

	kf_text_format(ret, KF_NAME_SIZE, "%u", (unsigned)uid);
	if (user && harmless(user->pw_name))
		kf_text_format(ret, KF_NAME_SIZE, "%s", user->pw_name);
}

/* systemctl, for the manager that has the unit; a name with a backslash is quoted. */
static bool write_systemctl(const struct place *place, const char *unit, char ret[KF_STOP_SIZE])
{
	const char *quote = strchr(unit, '\\') ? "'" : "";
	char user[KF_NAME_SIZE] = "";

	if (place->user)
		name_user(place->uid, user);
	if (!place->user)
		return kf_text_format(ret, KF_STOP_SIZE, "sudo systemctl stop %s%s%s", quote, unit,
				      quote);
	if (place->uid == place->me)
		return kf_text_format(ret, KF_STOP_SIZE, "systemctl --user stop %s%s%s", quote,
				      unit, quote);
	return kf_text_format(ret, KF_STOP_SIZE, "sudo systemctl --user -M %s@ stop %s%s%s", user,
			      quote, unit, quote);
}

static bool read_service(const struct place *place, const char *name, struct kf_cgroup *ret)
{
	char user[KF_NAME_SIZE];

	if (*name == '_') /* how systemd escapes a name that the kernel would take */
		name++;
	if (!harmless(name) || strlen(name) >= KF_NAME_SIZE ||
	    !write_systemctl(place, name, ret->stop))
		return false;
	name_user(place->uid, user);
	if (place->user)
		return kf_text_format(ret->name, sizeof(ret->name), "%s of user %s", name, user);
	kf_text_format(ret->unit, sizeof(ret->unit), "%s", name);
	return kf_text_format(ret->name, sizeof(ret->name), "%s", name);
}

/* systemd writes a '-' in a part of a scope's name as \x2d. */
static void unescape(char *name)
{
	char *to = name;

	for (const char *from = name; *from; to++) {
		bool dash = strncmp(from, "\\x2d", 4) == 0;

		*to = dash ? '-' : *from;
		from += dash ? 4 : 1;
	}
	*to = '\0';
}

/* The id or name of the engine's container whose group path begins with; false: there is none. */
static bool find_container(const struct engine *engine, const char *path, char ret[KF_NAME_SIZE])
{
	size_t len = strlen(engine->prefix);

	if (strncmp(path, engine->prefix, len) != 0 ||
	    !kf_text_format(ret, KF_NAME_SIZE, "%.*s", (int)strcspn(path + len, "/"), path + len))
		return false;
	if (ends_with(ret, ".scope"))
		ret[strlen(ret) - strlen(".scope")] = '\0';
	if (!engine->id) {
		unescape(ret);
		return harmless(ret) && !strchr(ret, '\\');
	}
	if (strspn(ret, "0123456789abcdef") != ID_LEN || ret[ID_LEN])
		return false;
	ret[SHORT_ID_LEN] = '\0';
	return true;
}

static bool read_container(const struct place *place, const char *path, const char *group,
			   struct kf_cgroup *ret)
{
	char id[KF_NAME_SIZE];

	for (size_t i = 0; i < KF_ARRAY_SIZE(engines); i++) {
		const struct engine *engine = &engines[i];

		if (!find_container(engine, path, id))
			continue;
		/* Only its own user can ask a user's engine; but its scope can be stopped. */
		if (place->user && place->uid != place->me && ends_with(group, ".scope") &&
		    harmless(group))
			write_systemctl(place, group, ret->stop);
		else
			kf_text_format(ret->stop, sizeof(ret->stop), "%s%s %s",
				       engine->root && !place->user ? "sudo " : "", engine->stop,
				       id);
		return kf_text_format(ret->name, sizeof(ret->name), "%s container %s", engine->name,
				      id);
	}
	return false;
}

/* "user@1000.service": what is below it is none of the system's. */
static bool enter_user(const char *group, struct place *place)
{
	char *end;
	unsigned long uid;

	if (strncmp(group, "user@", 5) != 0 || !isdigit((unsigned char)group[5]))
		return false;
	uid = strtoul(group + 5, &end, 10);
	if (strcmp(end, ".service") != 0)
		return false;
	place->user = true;
	place->uid = (uid_t)uid;
	return true;
}

/* Better one too many: a container may have a /dev of its own. */
static bool looks_like_container(const char *path)
{
	static const char *const others[] = { "/kubepods", "/systemd-nspawn@" };
	char prefix[KF_NAME_SIZE];

	for (size_t i = 0; i < KF_ARRAY_SIZE(engines); i++)
		if (kf_text_format(prefix, sizeof(prefix), "/%s", engines[i].prefix) &&
		    strstr(path, prefix))
			return true;
	for (size_t i = 0; i < KF_ARRAY_SIZE(others); i++)
		if (strstr(path, others[i]))
			return true;
	return false;
}

/* The outermost service or container of the path. */
static bool walk(const char *path, uid_t me, struct kf_cgroup *ret)
{
	struct place place = { .me = me };
	char group[NAME_MAX + 1];

	for (size_t len; *path; path += len + (path[len] == '/')) {
		len = strcspn(path, "/");
		if (!kf_text_format(group, sizeof(group), "%.*s", (int)len, path))
			continue; /* no name that the kernel would take */
		if (!place.user && enter_user(group, &place))
			continue;
		if (read_container(&place, path, group, ret))
			return true;
		if (ends_with(group, ".service"))
			return read_service(&place, group, ret);
	}
	return false;
}

bool kf_cgroup_read(const char *text, uid_t me, struct kf_cgroup *ret)
{
	char line[4096];
	const char *path;
	bool container = false, known = false;

	for (size_t len; *text && !known; text += len + (text[len] == '\n')) {
		len = strcspn(text, "\n");
		*ret = (struct kf_cgroup){ 0 };
		if (len >= sizeof(line))
			continue;
		kf_text_format(line, sizeof(line), "%.*s", (int)len, text);
		path = systemd_path(line);
		container = container || (path && looks_like_container(path));
		known = path && walk(path, me, ret);
	}
	if (!known)
		*ret = (struct kf_cgroup){ 0 };
	ret->container = container;
	return known;
}
