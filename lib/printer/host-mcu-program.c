/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/process.h"
#include "core/text.h"
#include "firmware/image.h"
#include "printer/host-mcu-program.h"

enum { SUDO_MS = 10000 };

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

	for (size_t i = 0; i < KF_ARRAY_SIZE(needed); i++) {
		if (kf_process_exists(needed[i]))
			continue;
		kf_fail(err, KF_NO_TOOLCHAIN,
			"%s is missing; it is needed to install the firmware of the host's own MCU",
			needed[i]);
		return kf_error_hint(err, "sudo apt-get install %s",
				     strcmp(needed[i], "systemctl") == 0 ? "systemd" : "coreutils");
	}
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
