/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Destructors for _cleanup_. They keep errno: a cleanup must not hide the failure. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/base.h"

void kf_closep(int *fd)
{
	int saved = errno;

	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = saved;
}

void kf_freep(void *p)
{
	free(*(void **)p);
}

void kf_fclosep(FILE **f)
{
	int saved = errno;

	if (*f)
		fclose(*f);
	*f = NULL;
	errno = saved;
}

void kf_closedirp(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

void kf_json_decrefp(json_t **obj)
{
	json_decref(*obj);
}

const char *kf_json_text(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text ? text : "";
}
