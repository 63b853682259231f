/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <dirent.h>
#include <fnmatch.h>

#include "build/board-headers.h"
#include "core/file.h"
#include "core/text.h"

enum { SOURCE_MAX = 1 << 20 };

struct headers {
	struct kf_board_header header;
	char from[KF_NAME_SIZE]; /* the first of them */
	bool any, offset_differs, crystal_differs;
};

static void join_header(struct headers *h, const struct kf_board_header *one, const char *name)
{
	if (!h->any) {
		h->any = true;
		h->header = *one;
		kf_text_format(h->from, sizeof(h->from), "config/%s", name);
		return;
	}
	if (one->offset_told != h->header.offset_told || one->offset != h->header.offset)
		h->offset_differs = true;
	if (one->crystal_told != h->header.crystal_told ||
	    one->crystal_mhz != h->header.crystal_mhz)
		h->crystal_differs = true;
}

static void read_one(const char *path, const char *name, const struct kf_pins *pins,
		     const char *mcu, struct headers *ret)
{
	_cleanup_(kf_freep) char *text = NULL;
	struct kf_board_header header;
	struct kf_pins its;
	size_t len;

	if (kf_file_read(path, SOURCE_MAX, &text, &len, NULL) < 0)
		return;
	kf_pins_read(text, len, "", &its);
	if (kf_pins_match(pins, &its) && kf_board_header_read(text, len, mcu, &header))
		join_header(ret, &header, name);
}

bool kf_board_headers_find(const struct kf_tree *tree, const struct kf_pins *pins, const char *mcu,
			   struct kf_board_header *ret, char ret_from[KF_NAME_SIZE])
{
	struct headers headers = { .any = false };
	_cleanup_(kf_closedirp) DIR *dir = NULL;
	char path[PATH_MAX];
	struct dirent *entry;

	if (kf_text_format(path, sizeof(path), "%s/config", tree->dir))
		dir = opendir(path);
	while (dir && (entry = readdir(dir)))
		if (fnmatch("generic-*.cfg", entry->d_name, 0) == 0 &&
		    kf_text_format(path, sizeof(path), "%s/config/%s", tree->dir, entry->d_name))
			read_one(path, entry->d_name, pins, mcu, &headers);
	if (!headers.any)
		return false;
	*ret = headers.header;
	ret->offset_told = ret->offset_told && !headers.offset_differs;
	ret->crystal_told = ret->crystal_told && !headers.crystal_differs;
	kf_text_format(ret_from, KF_NAME_SIZE, "%s", headers.from);
	return true;
}
