/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Segments at addresses to one run of bytes: sorted, checked, and only then copied. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "firmware/segments.h"

int kf_segments_add(struct kf_segments *segments, uint64_t address, const uint8_t *data, size_t len,
		    struct kf_error *err)
{
	struct kf_segment *last = segments->count > 0 ? &segments->list[segments->count - 1] : NULL,
			  *list;
	size_t room = segments->room ? segments->room * 2 : 16;

	if (len == 0)
		return 0;
	if (last && last->address + last->len == address && last->data + last->len == data) {
		last->len += len;
		return 0;
	}
	if (segments->count == segments->room) {
		list = reallocarray(segments->list, room, sizeof(*list));
		if (!list)
			return kf_fail_sys(err, ENOMEM, "the image has %zu segments",
					   segments->count);
		segments->list = list;
		segments->room = room;
	}
	segments->list[segments->count++] =
		(struct kf_segment){ .address = address, .data = data, .len = len };
	return 0;
}

void kf_segments_free(struct kf_segments *segments)
{
	free(segments->list);
	free(segments->decoded);
	*segments = (struct kf_segments){ 0 };
}

static int by_address(const void *a, const void *b)
{
	const struct kf_segment *x = a, *y = b;

	return (x->address > y->address) - (x->address < y->address);
}

int kf_segments_sort(struct kf_segments *segments, struct kf_error *err)
{
	uint64_t start, end = 0;

	if (segments->count == 0)
		return kf_fail(err, KF_BAD_IMAGE, "it has no bytes for the flash");
	qsort(segments->list, segments->count, sizeof(*segments->list), by_address);
	start = segments->list[0].address;
	for (size_t i = 0; i < segments->count; i++) {
		const struct kf_segment *p = &segments->list[i];

		if (p->address > UINT32_MAX || p->len - 1 > UINT32_MAX - p->address)
			return kf_fail(err, KF_BAD_IMAGE, "0x%08" PRIx64 " is beyond 32 bits",
				       p->address);
		if (i > 0 && p->address < end)
			return kf_fail(err, KF_BAD_IMAGE, "0x%08" PRIx64 " occurs twice",
				       p->address);
		end = p->address + p->len;
		if (end - start > KF_IMAGE_MAX)
			return kf_fail(err, KF_BAD_IMAGE,
				       "0x%08" PRIx64 " to 0x%08" PRIx64 " is over %u MiB", start,
				       end, KF_IMAGE_MAX >> 20);
	}
	return 0;
}

int kf_segments_join(const struct kf_segments *segments, uint8_t **ret, size_t *ret_len,
		     struct kf_error *err)
{
	const struct kf_segment *last = &segments->list[segments->count - 1];
	uint64_t start = segments->list[0].address;
	size_t len = (size_t)(last->address + last->len - start);
	uint8_t *data = malloc(len);

	if (!data)
		return kf_fail_sys(err, ENOMEM, "an image of %zu bytes", len);
	memset(data, 0xff, len);
	for (size_t i = 0; i < segments->count; i++)
		memcpy(data + (segments->list[i].address - start), segments->list[i].data,
		       segments->list[i].len);
	*ret = data;
	*ret_len = len;
	return 0;
}

bool kf_segments_hole(const struct kf_segments *segments, uint32_t *ret_from, uint32_t *ret_bytes)
{
	for (size_t i = 1; i < segments->count; i++) {
		const struct kf_segment *before = &segments->list[i - 1];
		uint64_t end = before->address + before->len;

		if (segments->list[i].address == end)
			continue;
		*ret_from = (uint32_t)end;
		*ret_bytes = (uint32_t)(segments->list[i].address - end);
		return true;
	}
	return false;
}
