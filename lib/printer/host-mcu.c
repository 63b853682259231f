/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/process.h"
#include "core/text.h"
#include "firmware/image.h"
#include "printer/host-mcu.h"
#include "printer/printer.h"
#include "printer/unit-file.h"

enum { SUDO_MS = 10000 };

static const char usual_path[] = "/tmp/klipper_host_mcu";

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

static void look(const struct kf_unit_command *command, void *arg)
{
	struct search *search = arg;
	const char *path = link_of(command);
	struct kf_host_mcu *found = &search->found[search->count];

	if (!path || strcmp(path, search->path) != 0 ||
	    search->count == KF_ARRAY_SIZE(search->found) ||
	    !kf_text_clean(found->program, sizeof(found->program), command->args,
			   strlen(command->args)))
		return;
	kf_text_format(found->unit, sizeof(found->unit), "%s", command->unit);
	search->count++;
}

static int find_unit(const char *path, struct kf_host_mcu *ret, struct kf_error *err)
{
	struct search search = { .path = path };
	const struct kf_host_mcu *found = search.found;

	kf_units_each(kf_printer_root(), look, &search);
	if (search.count == 0) {
		kf_fail(err, KF_CONFIG,
			"no systemd unit klipper*.service runs the host's own MCU at %s", path);
		kf_error_hint(err, "in the tree: sudo cp scripts/klipper-mcu.service "
				   "/etc/systemd/system/ && sudo systemctl enable "
				   "klipper-mcu.service; then run the same command again");
		return kf_code_errno(KF_CONFIG);
	}
	if (search.count > 1) {
		kf_fail(err, KF_AMBIGUOUS, "two units run the host's own MCU at %s: %s and %s",
			path, found[0].unit, found[1].unit);
		kf_error_hint(err, "remove one of them, then sudo systemctl daemon-reload");
		return kf_code_errno(KF_AMBIGUOUS);
	}
	if (found->program[0] != '/') {
		kf_fail(err, KF_CONFIG, "ExecStart= of %s is %s, not a path from /", found->unit,
			found->program);
		kf_error_hint(err, "sudo systemctl edit --full %s", found->unit);
		return kf_code_errno(KF_CONFIG);
	}
	*ret = *found;
	return 0;
}

static int refuse(const struct kf_host_mcu *host, const char *why, struct kf_error *err)
{
	kf_fail(err, KF_CONFIG, "%s, which %s runs, %s: it is left alone", host->program,
		host->unit, why);
	kf_error_hint(err,
		      "if the firmware of the host's own MCU belongs there: sudo rm %s, then run "
		      "the same command again",
		      host->program);
	return kf_code_errno(KF_CONFIG);
}

/* A unit may start a shell or a script: only a host MCU is replaced by one. */
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

int kf_host_mcu_find(const char *path, struct kf_host_mcu *ret, struct kf_error *err)
{
	struct kf_host_mcu host;
	struct stat st = { .st_mode = 0755 };
	int r = find_unit(path, &host, err);

	if (r < 0)
		return r;
	kf_text_format(host.folder, sizeof(host.folder), "%.*s/",
		       (int)(strrchr(host.program, '/') - host.program), host.program);
	host.there = lstat(host.program, &st) == 0;
	host.uid = st.st_uid;
	host.gid = st.st_gid;
	host.mode = st.st_mode & 0777;
	if (host.there)
		r = check_file(&host, &st, err);
	else if (access(host.folder, F_OK) < 0)
		r = refuse(&host, "has no folder", err);
	if (r == 0)
		*ret = host;
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
		kf_error_hint(err, "run the same command as root; nothing was stopped");
		return kf_code_errno(KF_PERMISSION);
	}
	r = kf_process_run(&p, kf_now_ms() + SUDO_MS, &status, err);
	if (r < 0 || status == 0)
		return r;
	kf_fail(err, KF_PERMISSION,
		"only root may replace %s and restart %s, and sudo would ask for a password",
		host->program, host->unit);
	kf_error_hint(err, "nothing was stopped; type sudo -v and your password, then run the same "
			   "command again in this terminal");
	return kf_code_errno(KF_PERMISSION);
}

/* Only its own answer will prove that the new one runs. */
static int check_pty(const char *path, struct kf_error *err)
{
	if (access(path, R_OK | W_OK) == 0 || errno != EACCES)
		return 0;
	kf_fail(err, KF_PERMISSION, "you may not ask the host's own MCU at %s for its version",
		path);
	kf_error_hint(err, "nothing was stopped; its pty belongs to the group tty: sudo usermod "
			   "-aG tty $USER, then log in again");
	return kf_code_errno(KF_PERMISSION);
}

static int check_programs(struct kf_error *err)
{
	static const char *const needed[] = { "install", "sync", "ln", "mv", "systemctl" };

	for (size_t i = 0; i < KF_ARRAY_SIZE(needed); i++)
		if (!kf_process_exists(needed[i]))
			return kf_fail(err, KF_NO_TOOLCHAIN,
				       "%s is missing; it is needed to install the firmware of the "
				       "host's own MCU",
				       needed[i]);
	return 0;
}

int kf_host_mcu_check(const char *path, struct kf_error *err)
{
	struct kf_host_mcu host;
	int r = check_programs(err);

	path = path ? path : usual_path;
	if (r == 0)
		r = kf_host_mcu_find(path, &host, err);
	if (r == 0)
		r = check_pty(path, err);
	return r < 0 ? r : check_sudo(&host, err);
}

void kf_host_mcu_hint(const char *path, struct kf_error *err)
{
	struct kf_host_mcu host;

	if (find_unit(path, &host, NULL) == 0)
		kf_error_hint(err,
			      "journalctl -u %s says why; to go back: sudo mv %s.old %s && sudo "
			      "systemctl restart %s",
			      host.unit, host.program, host.program, host.unit);
}
