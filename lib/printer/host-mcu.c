/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/paths.h"
#include "core/process.h"
#include "core/text.h"
#include "firmware/image.h"
#include "printer/host-mcu.h"
#include "printer/printer.h"
#include "printer/unit-file.h"

enum { SUDO_MS = 10000 };

static const char usual_path[] = KF_HOST_MCU_PATH;

struct search {
	const char *path;
	size_t count;
	struct kf_host_mcu found[2]; /* the first two */
};

/* The next argument, and NULL behind the last. */
static const char *next_arg(const struct kf_unit_command *command, const char *arg)
{
	const char *next = arg + strlen(arg) + 1;

	return (size_t)(next - command->args) < command->len ? next : NULL;
}

/* The link that it makes. NULL: it has arguments that no host MCU takes (getopt "wrI:"). */
static const char *link_of(const struct kf_unit_command *command)
{
	const char *arg = command->args, *path = usual_path;

	while (arg && (arg = next_arg(command, arg))) {
		if (arg[0] != '-' || !arg[1])
			return NULL;
		arg += 1 + strspn(arg + 1, "wr");
		if (*arg == 'I' && arg[1])
			path = arg + 1;
		else if (*arg == 'I')
			path = arg = next_arg(command, arg);
		else if (*arg)
			return NULL;
	}
	return path;
}

/* Is the program no firmware? One that is not installed yet, or cannot be read, may be firmware. */
static bool is_other(const char *program)
{
	struct kf_image image = { 0 };
	int r = kf_image_load(program, &image, NULL);

	kf_image_free(&image);
	return r < 0 && access(program, R_OK) == 0;
}

static void look(const struct kf_unit_command *command, void *arg)
{
	struct search *search = arg;
	const char *path = link_of(command);
	struct kf_host_mcu *found = &search->found[search->count];

	if (!path || strcmp(path, search->path) != 0 ||
	    search->count == KF_ARRAY_SIZE(search->found) ||
	    !KF_CLEAN(found->program, command->args))
		return;
	/* Many programs are started without arguments. */
	if (path == usual_path && is_other(found->program))
		return;
	KF_COPY(found->unit, command->unit);
	search->count++;
}

int kf_host_mcu_find(const char *path, struct kf_host_mcu *ret, struct kf_error *err)
{
	struct search search = { .path = path };
	const struct kf_host_mcu *found = search.found;

	kf_units_each(kf_printer_root(), look, &search);
	if (search.count == 0) {
		kf_fail(err, KF_CONFIG,
			"no systemd unit klipper*.service runs the host's own MCU at %s", path);
		return kf_error_hint(err, "in the tree: sudo cp scripts/klipper-mcu.service "
					  "/etc/systemd/system/ && sudo systemctl enable "
					  "klipper-mcu.service; then run the same command again");
	}
	if (search.count > 1) {
		kf_fail(err, KF_AMBIGUOUS, "two units run the host's own MCU at %s: %s and %s",
			path, found[0].unit, found[1].unit);
		return kf_error_hint(err, "remove one of them, then sudo systemctl daemon-reload");
	}
	if (found->program[0] != '/') {
		kf_fail(err, KF_CONFIG, "ExecStart= of %s is %s, not a path from /", found->unit,
			found->program);
		return kf_error_hint(err, "sudo systemctl edit --full %s", found->unit);
	}
	*ret = *found;
	return 0;
}

void kf_host_mcu_hint(const char *path, struct kf_error *err)
{
	struct kf_host_mcu host;
	char old[PATH_MAX], back[3 * PATH_MAX] = "";

	if (kf_host_mcu_find(path, &host, NULL) < 0)
		return;
	if (kf_path_format(old, NULL, "%s.old", host.program) == 0 && access(old, F_OK) == 0)
		kf_text_format(back, sizeof(back),
			       "; to go back: sudo mv %s %s && sudo systemctl restart %s", old,
			       host.program, host.unit);
	kf_error_hint(err, "journalctl -u %s says why%s", host.unit, back);
}

static int refuse(const struct kf_host_mcu *host, const char *why, struct kf_error *err)
{
	kf_fail(err, KF_CONFIG, "%s, which %s runs, %s: it is left alone", host->program,
		host->unit, why);
	return kf_error_hint(
		err,
		"if the firmware of the host's own MCU belongs there: sudo rm %s, then run "
		"the same command again",
		host->program);
}

/* Check that the program is that of a host MCU: a unit may start a shell or a script. */
static int check_content(const struct kf_host_mcu *host, struct kf_error *err)
{
	struct kf_image image = { 0 };
	struct kf_error why;
	bool is_host;

	if (kf_image_load(host->program, &image, &why) < 0)
		return why.code == KF_PERMISSION ? refuse(host, "cannot be read", err)
						 : refuse(host, "is no Klipper firmware", err);
	is_host = strcmp(image.dictionary.mcu, "linux") == 0;
	kf_image_free(&image);
	return is_host ? 0 : refuse(host, "is no firmware for the host's own MCU", err);
}

static int check_file(const struct kf_host_mcu *host, const struct stat *st, struct kf_error *err)
{
	if (S_ISLNK(st->st_mode))
		return refuse(host, "is a link to another file", err);
	if (!S_ISREG(st->st_mode))
		return refuse(host, "is no regular file", err);
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return refuse(host, "belongs to another user", err);
	return check_content(host, err);
}

int kf_host_mcu_program(const char *path, struct kf_host_mcu_program *ret, struct kf_error *err)
{
	struct kf_host_mcu_program program = { 0 };
	struct kf_host_mcu *host = &program.host;
	struct stat st = { .st_mode = 0755 };
	int r = kf_host_mcu_find(path, host, err);

	if (r < 0)
		return r;
	kf_text_format(program.folder, sizeof(program.folder), "%.*s/",
		       (int)(strrchr(host->program, '/') - host->program), host->program);
	program.there = lstat(host->program, &st) == 0;
	program.uid = st.st_uid;
	program.gid = st.st_gid;
	program.mode = st.st_mode & 0777;
	if (program.there)
		r = check_file(host, &st, err);
	else if (access(program.folder, F_OK) < 0)
		r = refuse(host, "has no folder", err);
	if (r == 0)
		*ret = program;
	return r;
}

static int check_sudo(const struct kf_host_mcu *host, struct kf_error *err)
{
	static const char *const argv[] = { "sudo", "-n", "true", NULL };
	const struct kf_process p = { .argv = argv, .in = -1, .out = -1, .err = -1 };
	int status = 0, r;

	if (geteuid() == 0)
		return 0;
	if (!kf_process_exists("sudo")) {
		kf_fail(err, KF_PERMISSION, "only root may replace %s, and there is no sudo here",
			host->program);
		return kf_error_hint(err, "run the same command as root; nothing was stopped");
	}
	r = kf_process_run(&p, kf_now_ms() + SUDO_MS, &status, err);
	if (r < 0 || status == 0)
		return r;
	kf_fail(err, KF_PERMISSION,
		"only root may replace %s and restart %s, and sudo would ask for a password",
		host->program, host->unit);
	return kf_error_hint(
		err, "nothing was stopped; type sudo -v and your password, then run the same "
		     "command again in this terminal; where sudo does not know you: usermod "
		     "-aG sudo NAME as root, then log in again");
}

/* May this user open the pty? Only an answer over it will prove that the new program runs. */
static int check_pty(const char *path, struct kf_error *err)
{
	if (access(path, R_OK | W_OK) == 0 || errno != EACCES)
		return 0;
	kf_fail(err, KF_PERMISSION, "you may not ask the host's own MCU at %s for its version",
		path);
	return kf_error_hint(err,
			     "nothing was stopped; its pty belongs to the group tty: sudo usermod "
			     "-aG tty $USER, then log in again");
}

static int check_programs(struct kf_error *err)
{
	static const char *const needed[] = { "install", "sync", "ln", "mv", "systemctl" };

	for (size_t i = 0; i < KF_ARRAY_SIZE(needed); i++)
		if (!kf_process_exists(needed[i]))
			return kf_process_missing(
				needed[i],
				"it is needed to install the firmware of the host's own MCU",
				strcmp(needed[i], "systemctl") == 0 ? "systemd" : "coreutils", err);
	return 0;
}

int kf_host_mcu_check(const char *path, struct kf_error *err)
{
	struct kf_host_mcu_program program;
	int r = check_programs(err);

	path = path ? path : KF_HOST_MCU_PATH;
	if (r == 0)
		r = kf_host_mcu_program(path, &program, err);
	if (r == 0)
		r = check_pty(path, err);
	return r < 0 ? r : check_sudo(&program.host, err);
}
