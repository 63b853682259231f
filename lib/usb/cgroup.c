/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The groups' names: systemd's, systemd.slice(5) and user@.service(5); Docker's docker-ID.scope or
 * docker/ID (cgroup driver systemd or cgroupfs), and likewise Podman's libpod-ID; LXC's
 * lxc.payload.NAME; systemd-nspawn's machine-NAME.scope.
 */
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "core/text.h"
#include "usb/cgroup.h"

enum { ID_LEN = 64, SHORT_ID_LEN = 12 };

static const struct engine {
	const char *prefix; /* of its group's name; "docker/": of the name in the group docker */
	bool id;	    /* 64 digits follow, else a name */
	bool root;	    /* only root can stop it */
	const char *name, *stop; /* NULL: the container has no name of its own */
} engines[] = {
	{ "docker-", true, false, "Docker", "docker stop" },
	{ "docker/", true, false, "Docker", "docker stop" },
	{ "libpod-", true, true, "Podman", "podman stop" },
	{ "nerdctl-", true, true, "containerd", "nerdctl stop" },
	{ "lxc.payload.", false, true, "LXC", "lxc-stop -n" },
	{ "lxc/", false, true, "LXC", "lxc-stop -n" },
	{ "machine-", false, true, "systemd-nspawn", "machinectl stop" },
	{ "systemd-nspawn@", false, true, NULL, NULL }, /* a service */
	{ "kubepods", false, true, NULL, NULL },
	{ "crio-", false, true, NULL, NULL },
	{ "cri-containerd-", false, true, NULL, NULL },
};

/* The place in the path of groups. */
struct place {
	uid_t me, uid;
	bool user; /* below the manager of the user uid */
};

/* Any user may give a group below their own manager any name. */
static bool harmless(const char *name)
{
	static const char chars[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789:_.@\\-";

	return *name && *name != '-' && !name[strspn(name, chars)];
}

static bool is_service(const char *group)
{
	const char *end = strrchr(group, '.');

	return end && end > group && strcmp(end, ".service") == 0;
}

static void name_user(uid_t uid, char ret[KF_NAME_SIZE])
{
	const struct passwd *user = getpwuid(uid);

	kf_text_format(ret, KF_NAME_SIZE, "%u", (unsigned)uid);
	if (user && harmless(user->pw_name))
		kf_text_format(ret, KF_NAME_SIZE, "%s", user->pw_name);
}

/* systemctl stops a service, for the manager that has it; a name with a backslash is quoted. */
static void read_service(const struct place *place, const char *unit, struct kf_cgroup *ret)
{
	char user[KF_NAME_SIZE], manager[KF_NAME_SIZE + 32] = "sudo systemctl";
	const char *quote = strchr(unit, '\\') ? "'" : "";

	unit += *unit == '_'; /* systemd escapes a name that is one of the kernel's */
	if (!harmless(unit) || strlen(unit) >= KF_NAME_SIZE)
		return;
	name_user(place->uid, user);
	if (place->user && place->uid == place->me)
		kf_text_format(manager, sizeof(manager), "systemctl --user");
	else if (place->user)
		kf_text_format(manager, sizeof(manager), "sudo systemctl --user -M %s@", user);
	else
		KF_COPY(ret->unit, unit);
	kf_text_format(ret->stop, sizeof(ret->stop), "%s stop %s%s%s", manager, quote, unit, quote);
	kf_text_format(ret->name, sizeof(ret->name), "%s%s%s", unit, place->user ? " of user " : "",
		       place->user ? user : "");
}

/* The container's name in what follows the engine's prefix, up to the group's end. */
static bool read_name(const struct engine *engine, const char *rest, char ret[KF_NAME_SIZE])
{
	size_t len = strcspn(rest, "/");
	char *dash;

	if (len > 6 && strncmp(rest + len - 6, ".scope", 6) == 0)
		len -= 6;
	if (!kf_text_format(ret, KF_NAME_SIZE, "%.*s", (int)len, rest))
		return false;
	if (engine->id) {
		ret[strspn(ret, "0123456789abcdef") == ID_LEN && !ret[ID_LEN] ? SHORT_ID_LEN : 0] =
			'\0';
		return ret[0];
	}
	/* systemd writes a '-' in a part of a scope's name as \x2d. */
	while ((dash = strstr(ret, "\\x2d"))) {
		*dash = '-';
		memmove(dash + 1, dash + 4, strlen(dash + 4) + 1);
	}
	return harmless(ret) && !strchr(ret, '\\');
}

/* Does a container's group begin with path? Its name is told if it can be stopped by that. */
static bool read_container(const struct place *place, const char *path, struct kf_cgroup *ret)
{
	char name[KF_NAME_SIZE];
	bool sudo;

	for (size_t i = 0; i < KF_ARRAY_SIZE(engines); i++) {
		const struct engine *engine = &engines[i];
		size_t len = strlen(engine->prefix);

		if (strncmp(path, engine->prefix, len) != 0)
			continue;
		ret->container = true;
		if (ret->name[0] || !engine->stop || !read_name(engine, path + len, name))
			continue;
		sudo = engine->root && !place->user;
		kf_text_format(ret->name, sizeof(ret->name), "%s container %s", engine->name, name);
		/* Only its own user can ask a user's engine. */
		if (!place->user || place->uid == place->me)
			kf_text_format(ret->stop, sizeof(ret->stop), "%s%s %s", sudo ? "sudo " : "",
				       engine->stop, name);
	}
	return ret->name[0];
}

/* The outermost service or container of the path. */
static void walk(char *path, uid_t me, struct kf_cgroup *ret)
{
	struct place place = { .me = me };
	const char *group;

	while (path) {
		bool named = read_container(&place, path, ret);
		int end = 0;

		group = strsep(&path, "/");
		if (named)
			continue;
		if (!place.user && sscanf(group, "user@%u.service%n", &place.uid, &end) == 1 &&
		    end && !group[end])
			place.user =
				true; /* units below it do not belong to the system's manager */
		else if (is_service(group))
			read_service(&place, group, ret);
	}
}

bool kf_cgroup_read(char *text, uid_t me, struct kf_cgroup *ret)
{
	static const char v1[] = ":name=systemd:";
	char *line, *path;

	*ret = (struct kf_cgroup){ 0 };
	while ((line = strsep(&text, "\n")) && !ret->name[0]) {
		/* systemd names the groups of v2, and of name=systemd in v1; other lines may be
		 * anybody's. */
		path = strchr(line, ':');
		if (path && strncmp(path, "::", 2) == 0)
			walk(path + 2, me, ret);
		else if (path && strncmp(path, v1, strlen(v1)) == 0)
			walk(path + strlen(v1), me, ret);
	}
	return ret->name[0];
}
