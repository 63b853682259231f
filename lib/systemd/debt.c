/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files in a folder of root's alone; names that are not those of printers' units are not ours. */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/file.h"
#include "core/text.h"
#include "systemd/debt.h"
#include "systemd/lease.h"
#include "systemd/units.h"

enum { PATH_SIZE = 512, ACTIVE_MAX = 31 };

static int locate(const char *dir, const char *unit, char ret[PATH_SIZE], struct kf_error *err)
{
	return kf_text_format(ret, PATH_SIZE, "%s/%s", dir, unit)
		       ? 0
		       : kf_fail_sys(err, ENAMETOOLONG, "%s", dir);
}

int kf_debt_write(const char *dir, const char *unit, const char *active, struct kf_error *err)
{
	char path[PATH_SIZE];
	int r = locate(dir, unit, path, err);

	return r < 0 ? r : kf_file_write(path, active, strlen(active), err);
}

int kf_debt_remove(const char *dir, const char *unit, struct kf_error *err)
{
	char path[PATH_SIZE];
	int r = locate(dir, unit, path, err);

	if (r == 0 && unlink(path) < 0 && errno != ENOENT)
		r = kf_fail_sys(err, errno, "%s", path);
	return r;
}

static bool read_one(const char *dir, const char *name, struct kf_debt *ret)
{
	_cleanup_(kf_freep) char *text = NULL;
	char path[PATH_SIZE];
	size_t len;

	if (kf_lease_unit(name, ret->unit, NULL) < 0 || strcmp(name, ret->unit) != 0 ||
	    locate(dir, name, path, NULL) < 0 ||
	    kf_file_read(path, ACTIVE_MAX, &text, &len, NULL) < 0)
		return false;
	kf_text_clean(ret->active, sizeof(ret->active), text, len);
	return true;
}

int kf_debt_list(const char *dir, struct kf_debt ret[KF_DEBTS_MAX], struct kf_error *err)
{
	const struct dirent *entry;
	DIR *d = opendir(dir);
	int n = 0;

	if (!d)
		return errno == ENOENT ? 0 : kf_fail_sys(err, errno, "%s", dir);
	while (n < KF_DEBTS_MAX && (entry = readdir(d)))
		if (read_one(dir, entry->d_name, &ret[n]))
			n++;
	closedir(d);
	return n;
}

static int pay(struct kf_systemd *systemd, const char *dir, const struct kf_debt *debt,
	       int64_t timeout_ms, struct kf_error *err)
{
	struct kf_unit_state now;
	int r = kf_unit_start(systemd, debt->unit, kf_now_ms() + timeout_ms, err), gone;

	/* What restarts for ever does so again: that is as it was. */
	if (r < 0 && kf_unit_state(systemd, debt->unit, &now, NULL) == 0 && kf_unit_is_up(&now) &&
	    strcmp(now.active, debt->active) == 0)
		r = 0;
	gone = kf_debt_remove(dir, debt->unit, r < 0 ? NULL : err);
	return r < 0 ? r : gone;
}

int kf_debt_pay(const char *dir, int64_t timeout_ms,
		void (*told)(const char *unit, const char *news), struct kf_error *err)
{
	_cleanup_(kf_systemd_close) struct kf_systemd *systemd = NULL;
	struct kf_debt debts[KF_DEBTS_MAX];
	struct kf_error first = { 0 }, why;
	char lost[256] = "";
	int count, r = 0;

	count = kf_debt_list(dir, debts, err);
	if (count <= 0)
		return count;
	if (kf_systemd_open(&systemd, &first) < 0)
		r = -1;
	for (int i = 0; i < count; i++) {
		if (r == 0 && pay(systemd, dir, &debts[i], timeout_ms, &why) == 0) {
			told(debts[i].unit, "started: it was still owed");
			continue;
		}
		if (first.code == KF_OK)
			first = why;
		kf_text_add(lost, sizeof(lost), " ", debts[i].unit);
	}
	if (!lost[0])
		return 0;
	r = kf_fail(err, KF_SERVICE_LOST, "%s", first.message);
	kf_error_hint(err, "sudo systemctl start %s", lost);
	return r;
}
