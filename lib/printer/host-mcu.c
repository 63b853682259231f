/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <string.h>
#include <unistd.h>

#include "core/text.h"
#include "firmware/image.h"
#include "printer/host-mcu.h"
#include "printer/printer.h"
#include "printer/unit-file.h"

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
	    !kf_text_clean(found->program, sizeof(found->program), command->args,
			   strlen(command->args)))
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

	if (kf_host_mcu_find(path, &host, NULL) == 0)
		kf_error_hint(err,
			      "journalctl -u %s says why; to go back: sudo mv %s.old %s && sudo "
			      "systemctl restart %s",
			      host.unit, host.program, host.program, host.unit);
}
