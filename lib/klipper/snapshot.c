/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A walk that stats everything and reads what is new. Times are the kernel's, whose clock
 * ticks some milliseconds apart: two changes within SETTLED_NS can look like one.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/file.h"
#include "core/text.h"
#include "klipper/snapshot.h"

enum { DEPTH_MAX = 24, MEMORY_MAX = 1 << 24 };

#define SETTLED_NS INT64_C(100000000)
#define HEADER	   "kalico-flash snapshot 1"

/* A folder on the way down, so that a link to one above is not followed round and round. */
struct level {
	const struct level *up;
	dev_t dev;
	ino_t ino;
	unsigned depth;
};

struct walk {
	const char *dir;
	const struct kf_snapshot *memory;
	struct kf_snapshot *now;
	size_t room;
	size_t known; /* files that the memory has as they are */
	bool read;    /* some file's bytes */
	bool extras;  /* src/extras has files that each make of this tree writes anew */
	struct kf_error *err;
};

static int64_t ns(const struct timespec *ts)
{
	return (int64_t)ts->tv_sec * 1000000000 + ts->tv_nsec;
}

static bool has_suffix(const char *name, const char *suffix)
{
	size_t len = strlen(name), tail = strlen(suffix);

	return len >= tail && strcmp(name + len - tail, suffix) == 0;
}

/* What no build reads, or what builds leave behind. */
static bool ignored(const char *name, bool top)
{
	static const char *const folders[] = { ".git", "out", "docs", "config", "test" };

	if (has_suffix(name, ".pyc") || has_suffix(name, ".so") || strcmp(name, "__pycache__") == 0)
		return true;
	if (!top)
		return false;
	for (size_t i = 0; i < KF_ARRAY_SIZE(folders); i++)
		if (strcmp(name, folders[i]) == 0)
			return true;
	return strncmp(name, ".config", strlen(".config")) == 0;
}

/* Kalico's scripts/find-firmware-extras.sh writes these; what it finds is in the folders beside. */
static bool generated(const char *path)
{
	return strcmp(path, "src/extras/Kconfig") == 0 ||
	       strcmp(path, "src/extras/Makefile") == 0 ||
	       strcmp(path, "src/extras/Kconfig.tmp") == 0;
}

static int by_path(const void *a, const void *b)
{
	const struct kf_source *x = a, *y = b;

	return strcmp(x->path, y->path);
}

static bool same_stat(const struct kf_source *a, const struct kf_source *b)
{
	return a->size == b->size && a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns &&
	       a->ino == b->ino;
}

/* The id that the memory has for this very file, or NULL. */
static const char *remembered(const struct kf_snapshot *memory, const struct kf_source *source)
{
	const struct kf_source *old = NULL;

	if (memory->count)
		old = bsearch(source, memory->list, memory->count, sizeof(*memory->list), by_path);
	return old && same_stat(old, source) && old->ctime_ns < memory->taken_ns - SETTLED_NS
		       ? old->id
		       : NULL;
}

static int identify(struct walk *w, struct kf_source *source)
{
	const char *known = remembered(w->memory, source);
	char path[PATH_MAX], text[96];

	if (known) {
		w->known++;
		memcpy(source->id, known, sizeof(source->id));
		return 0;
	}
	if (strncmp(source->path, "lib/", strlen("lib/")) == 0) {
		kf_text_format(text, sizeof(text), "%" PRId64 " %" PRId64 " %" PRId64, source->size,
			       source->mtime_ns, source->ctime_ns);
		kf_sha256(text, strlen(text), source->id);
		return 0;
	}
	if (!kf_text_format(path, sizeof(path), "%s/%s", w->dir, source->path))
		return kf_fail_sys(w->err, ENAMETOOLONG, "%.64s...", w->dir);
	w->read = true;
	return kf_file_sha256(path, source->id, w->err);
}

static struct kf_source *grow(struct kf_snapshot *s, size_t *room)
{
	struct kf_source *list;

	if (s->count == *room) {
		list = reallocarray(s->list, *room ? *room * 2 : 512, sizeof(*list));
		if (!list)
			return NULL;
		s->list = list;
		*room = *room ? *room * 2 : 512;
	}
	s->list[s->count] = (struct kf_source){ 0 };
	return &s->list[s->count];
}

static int add(struct walk *w, const char *path, const struct stat *st)
{
	struct kf_source *source = grow(w->now, &w->room);

	if (!source)
		return kf_fail_sys(w->err, ENOMEM, "%s", w->dir);
	source->path = strdup(path);
	if (!source->path)
		return kf_fail_sys(w->err, ENOMEM, "%s", w->dir);
	w->now->count++;
	source->size = st->st_size;
	source->mtime_ns = ns(&st->st_mtim);
	source->ctime_ns = ns(&st->st_ctim);
	source->ino = st->st_ino;
	return identify(w, source);
}

static bool above(const struct level *level, const struct stat *st)
{
	for (; level; level = level->up)
		if (level->dev == st->st_dev && level->ino == st->st_ino)
			return true;
	return false;
}

static void close_dir(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* folder is "" or ends in '/'. It calls itself for the folders in it. */
static int look(struct walk *w, int at, const char *folder, const struct level *up)
{
	int fd = openat(at, *folder ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	_cleanup_(close_dir) DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct level level = { .up = up, .depth = up ? up->depth + 1 : 0 };
	const struct dirent *ent;
	char path[PATH_MAX];
	struct stat st;

	if (!dir || fstat(fd, &st) < 0) {
		r = kf_fail_sys(w->err, errno, "%s/%s", w->dir, folder);
		if (!dir)
			kf_closep(&fd);
		return r;
	}
	level.dev = st.st_dev;
	level.ino = st.st_ino;
	while (r == 0 && (ent = readdir(dir))) {
		if (strcmp(ent->d_name, ".") == 0 || strcmp(ent->d_name, "..") == 0 ||
		    ignored(ent->d_name, !*folder) || fstatat(fd, ent->d_name, &st, 0) < 0)
			continue; /* a link to nowhere is nothing that could be read */
		if (!kf_text_format(path, sizeof(path) - 1, "%s%s", folder, ent->d_name))
			return kf_fail_sys(w->err, ENAMETOOLONG, "%s/%.64s...", w->dir, folder);
		if (S_ISREG(st.st_mode) && !(w->extras && generated(path)))
			r = add(w, path, &st);
		else if (S_ISDIR(st.st_mode) && level.depth < DEPTH_MAX && !above(&level, &st))
			r = look(w, at, strcat(path, "/"), &level);
	}
	return r;
}

static void summarize(struct kf_snapshot *s)
{
	_cleanup_(kf_freep) char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	for (size_t i = 0; out && i < s->count; i++)
		fprintf(out, "%s %s%c", s->list[i].id, s->list[i].path, '\0');
	if (out)
		fclose(out);
	kf_sha256(text ? text : "", len, s->sha256);
}

/* Only to be faster next time. A file whose name has a newline is not remembered. */
static void save(const struct kf_snapshot *s, const char *memory)
{
	_cleanup_(kf_freep) char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return;
	fprintf(out, HEADER " %" PRId64 " %s\n", s->taken_ns, s->sha256);
	for (size_t i = 0; i < s->count; i++)
		if (!strchr(s->list[i].path, '\n'))
			fprintf(out, "%s %" PRIx64 " %" PRIx64 " %" PRIx64 " %" PRIx64 " %s\n",
				s->list[i].id, (uint64_t)s->list[i].size,
				(uint64_t)s->list[i].mtime_ns, (uint64_t)s->list[i].ctime_ns,
				s->list[i].ino, s->list[i].path);
	if (fclose(out) == EOF || kf_file_write(memory, text, len, NULL) < 0)
		return;
}

/* lint: -Wno-analyzer-malloc-leak: gcc 12 loses sight of the path, which is ret's */
/* One line, which it takes apart; false if it is none of ours. */
static bool parse(char *line, struct kf_source *ret)
{
	uint64_t numbers[4] = { 0 };
	char *at = line + KF_HEX_SIZE - 1, *end;

	if (strspn(line, "0123456789abcdef") != KF_HEX_SIZE - 1 || *at != ' ')
		return false;
	memcpy(ret->id, line, KF_HEX_SIZE - 1);
	for (size_t i = 0; i < KF_ARRAY_SIZE(numbers); i++, at = end) {
		numbers[i] = strtoull(++at, &end, 16);
		if (end == at || *end != ' ')
			return false;
	}
	ret->size = (int64_t)numbers[0];
	ret->mtime_ns = (int64_t)numbers[1];
	ret->ctime_ns = (int64_t)numbers[2];
	ret->ino = numbers[3];
	ret->path = strdup(at + 1);
	return ret->path;
}

int kf_snapshot_load(const char *memory, struct kf_snapshot *ret)
{
	_cleanup_(kf_snapshot_free) struct kf_snapshot s = { 0 };
	_cleanup_(kf_freep) char *text = NULL;
	struct kf_source *source;
	char *line, *next;
	size_t len, room = 0;
	int r;

	r = kf_file_read(memory, MEMORY_MAX, &text, &len, NULL);
	if (r < 0)
		return r;
	next = text;
	line = strsep(&next, "\n");
	if (sscanf(line, HEADER " %" SCNd64 " %64s", &s.taken_ns, s.sha256) != 2)
		return -EINVAL;
	while ((line = strsep(&next, "\n")) && *line) {
		source = grow(&s, &room);
		if (!source || !parse(line, source))
			return -EINVAL;
		s.count++;
		if (s.count > 1 && by_path(source - 1, source) >= 0)
			return -EINVAL;
	}
	*ret = s;
	s = (struct kf_snapshot){ 0 }; /* the caller's now */
	return 0;
}

int kf_snapshot_take(const char *dir, const char *memory, struct kf_snapshot *ret,
		     struct kf_error *err)
{
	_cleanup_(kf_snapshot_free) struct kf_snapshot old = { 0 }, now = { 0 };
	struct walk w = { .dir = dir, .memory = &old, .now = &now, .err = err };
	_cleanup_(kf_closep) int fd = -1;
	struct timespec ts;
	int r;

	if (kf_snapshot_load(memory, &old) < 0)
		old = (struct kf_snapshot){ 0 }; /* all is read anew */
	clock_gettime(CLOCK_REALTIME_COARSE, &ts);
	now.taken_ns = ns(&ts);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return kf_fail_sys(err, errno, "%s", dir);
	w.extras = faccessat(fd, "scripts/find-firmware-extras.sh", F_OK, 0) == 0;
	r = look(&w, fd, "", NULL);
	if (r < 0)
		return r;
	if (now.count)
		qsort(now.list, now.count, sizeof(*now.list), by_path);
	if (w.known == now.count && w.known == old.count)
		memcpy(now.sha256, old.sha256, sizeof(now.sha256));
	else
		summarize(&now);
	if (w.read || strcmp(now.sha256, old.sha256) != 0)
		save(&now, memory);
	*ret = now;
	now = (struct kf_snapshot){ 0 }; /* the caller's now */
	return 0;
}

/* make sees that it changed: it is one that make tracks, and younger than what was built. */
static bool tracked(const struct kf_source *source, int64_t built_ns)
{
	return (has_suffix(source->path, ".c") || has_suffix(source->path, ".h")) &&
	       strncmp(source->path, "src/", strlen("src/")) == 0 && source->mtime_ns > built_ns;
}

bool kf_snapshot_follows(const struct kf_snapshot *was, int64_t built_ns,
			 const struct kf_snapshot *now)
{
	if (was->count != now->count)
		return false;
	for (size_t i = 0; i < now->count; i++) {
		if (by_path(&was->list[i], &now->list[i]) != 0)
			return false;
		if (strcmp(was->list[i].id, now->list[i].id) != 0 &&
		    !tracked(&now->list[i], built_ns))
			return false;
	}
	return true;
}

void kf_snapshot_free(struct kf_snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->count; i++)
		free(snapshot->list[i].path);
	free(snapshot->list);
	*snapshot = (struct kf_snapshot){ 0 };
}
