/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <glob.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/bytes.h"
#include "core/text.h"
#include "sim/uevent.h"

#define MAGIC	      0xfeedcafe
#define MESSAGE_MAX   8192
#define SEND_US	      100000 /* for a monitor whose queue is full */
#define MURMUR	      0x5bd1e995u
#define MURMUR_ROTATE 24

struct header {
	char prefix[8];
	uint32_t magic; /* this and the hashes are big-endian */
	uint32_t header_size, properties_off, properties_len;
	uint32_t subsystem_hash, devtype_hash, tag_bloom_hi, tag_bloom_lo;
};

/* MurmurHash2 with its length as seed: how monitors filter by subsystem, in the kernel. */
static uint32_t hash(const char *text)
{
	const uint8_t *p = (const uint8_t *)text;
	size_t len = strlen(text);
	uint32_t h = (uint32_t)len;

	for (; len >= 4; len -= 4, p += 4) {
		uint32_t k = kf_get_le32(p) * MURMUR;

		h = h * MURMUR ^ (k ^ k >> MURMUR_ROTATE) * MURMUR;
	}
	for (size_t i = len; i > 0; i--)
		h ^= (uint32_t)p[i - 1] << 8 * (i - 1);
	if (len > 0)
		h *= MURMUR;
	h ^= h >> 13;
	h *= MURMUR;
	return h ^ h >> 15;
}

/* The hash of the value of name in properties, big-endian; 0 if it is not there. */
static uint32_t hash_of(const char *properties, const char *name)
{
	const char *p = strstr(properties, name);
	char value[64];

	if (!p)
		return 0;
	p += strlen(name);
	kf_text_format(value, sizeof(value), "%.*s", (int)strcspn(p, "\n"), p);
	return htonl(hash(value));
}

/* A monitor that is gone is no error; the socket of a killed one is cleared away. */
static void send_to(const char *socket_path, const void *message, size_t len)
{
	_cleanup_(kf_closep) int fd = socket(AF_UNIX, SOCK_RAW | SOCK_CLOEXEC, 0);
	struct timeval limit = { .tv_usec = SEND_US };
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	if (fd < 0 || !kf_text_format(to.sun_path, sizeof(to.sun_path), "%s", socket_path))
		return;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (sendto(fd, message, len, MSG_NOSIGNAL, (struct sockaddr *)&to, sizeof(to)) < 0 &&
	    errno == ECONNREFUSED)
		unlink(socket_path);
}

void sim_uevent_send(const char *root, const char *path, const char *action, const char *properties)
{
	static unsigned sequence;
	struct header header = {
		.prefix = "libudev",
		.magic = htonl(MAGIC),
		.header_size = sizeof(header),
		.properties_off = sizeof(header),
		.subsystem_hash = hash_of(properties, "SUBSYSTEM="),
		.devtype_hash = hash_of(properties, "DEVTYPE="),
	};
	char message[MESSAGE_MAX], pattern[512];
	glob_t sockets = { 0 };
	size_t len;

	kf_text_format(message + sizeof(header), sizeof(message) - sizeof(header),
		       "ACTION=%s\nDEVPATH=%s\nSEQNUM=%u\n%s", action, path, ++sequence,
		       properties);
	len = sizeof(header) + strlen(message + sizeof(header));
	for (size_t i = sizeof(header); i < len; i++)
		if (message[i] == '\n')
			message[i] = '\0';
	header.properties_len = (uint32_t)(len - sizeof(header));
	memcpy(message, &header, sizeof(header));

	kf_text_format(pattern, sizeof(pattern), "%s/event[0-9]*", root);
	if (glob(pattern, GLOB_NOSORT, NULL, &sockets) == 0)
		for (size_t i = 0; i < sockets.gl_pathc; i++)
			send_to(sockets.gl_pathv[i], message, len);
	globfree(&sockets);
}
