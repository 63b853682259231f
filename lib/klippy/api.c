/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Messages on a unix socket end with 0x03; an answer over HTTP/1.0 ends with the connection.
 * A listener whose queue is full gives no event to wait for: that connect is tried again.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/text.h"
#include "klippy/api.h"

enum { END = 0x03, RETRY_MS = 50 };

struct link {
	int fd;
	int64_t deadline_ms;
	size_t len, used; /* bytes in data; those of messages that were read already */
	char *data;	  /* KF_API_ANSWER_MAX bytes */
};

struct kf_api {
	struct link link;
	int id; /* of the last request */
	struct sockaddr_un address;
};

static void link_free(struct link *link)
{
	kf_closep(&link->fd);
	free(link->data);
}

void kf_api_close(struct kf_api **api)
{
	if (*api) {
		link_free(&(*api)->link);
		free(*api);
		*api = NULL;
	}
}

static int wait_for(int fd, short events, int64_t deadline_ms)
{
	struct pollfd pfd = { .fd = fd, .events = events };
	int n = kf_wait(&pfd, 1, deadline_ms);

	return n == 0 ? -ETIMEDOUT : n < 0 ? n : 0;
}

static int connect_to(struct link *link, const struct sockaddr *address, socklen_t len)
{
	int r = 0, e = 0;
	socklen_t size = sizeof(e);

	link->data = malloc(KF_API_ANSWER_MAX);
	link->fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (!link->data || link->fd < 0)
		return -errno;
	while (connect(link->fd, address, len) < 0) {
		if (errno == EINPROGRESS) {
			r = wait_for(link->fd, POLLOUT, link->deadline_ms);
			if (r == 0 && getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &e, &size) < 0)
				r = -errno;
			return r < 0 ? r : -e;
		}
		if (errno != EAGAIN)
			return -errno;
		if (kf_now_ms() >= link->deadline_ms)
			return -ETIMEDOUT;
		r = kf_wait(NULL, 0, kf_now_ms() + RETRY_MS);
		if (r < 0)
			return r;
	}
	return 0;
}

static int send_all(struct link *link, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = send(link->fd, data, len, MSG_NOSIGNAL);
		int r = 0;

		if (n < 0 && errno == EAGAIN)
			r = wait_for(link->fd, POLLOUT, link->deadline_ms);
		else if (n < 0 && errno != EINTR)
			r = -errno;
		if (r < 0)
			return r;
		data += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* Receive more bytes behind those in data. Returns their number; 0 at the end of the stream. */
static ssize_t receive(struct link *link)
{
	ssize_t n;
	int r;

	if (link->len == KF_API_ANSWER_MAX)
		return -EMSGSIZE;
	do {
		/* A server that never stops talking must not outlive the deadline. */
		r = wait_for(link->fd, POLLIN, link->deadline_ms);
		if (r == 0 && kf_now_ms() >= link->deadline_ms)
			r = -ETIMEDOUT;
		if (r < 0)
			return r;
		n = recv(link->fd, link->data + link->len, KF_API_ANSWER_MAX - link->len, 0);
	} while (n < 0 && (errno == EAGAIN || errno == EINTR));
	if (n < 0)
		return -errno;
	link->len += (size_t)n;
	return n;
}

/* The next whole message: its length without the end, at the start of data. */
static ssize_t next_message(struct link *link)
{
	size_t seen = 0;
	char *end;
	ssize_t n;

	link->len -= link->used;
	memmove(link->data, link->data + link->used, link->len);
	link->used = 0;
	while (!(end = memchr(link->data + seen, END, link->len - seen))) {
		seen = link->len;
		n = receive(link);
		if (n <= 0)
			return n < 0 ? n : -ECONNRESET;
	}
	link->used = (size_t)(end - link->data) + 1;
	return end - link->data;
}

static json_t *parse(const char *data, size_t len)
{
	return json_loadb(data, len, JSON_REJECT_DUPLICATES, NULL);
}

static int receive_answer(struct link *link, int want, json_t **ret)
{
	json_t *message, *id;
	ssize_t n;

	for (;;) {
		n = next_message(link);
		if (n < 0)
			return (int)n;
		message = parse(link->data, (size_t)n);
		if (!json_is_object(message)) {
			json_decref(message);
			return -EBADMSG;
		}
		id = json_object_get(message, "id");
		if (json_is_integer(id) && json_integer_value(id) == want) {
			*ret = message;
			return 0;
		}
		json_decref(message);
	}
}

static int unknown(struct kf_error *err, int r)
{
	if (r == -EINTR)
		return kf_fail_stopped(err);
	return kf_fail(err, KF_PRINTER_UNKNOWN, "%s",
		       r == -ETIMEDOUT	    ? "no answer in time"
		       : r == -EBADMSG	    ? "an answer that is not the expected JSON"
		       : r == -EMSGSIZE	    ? "an endless answer"
		       : r == -ECONNREFUSED ? "no process listens there"
		       : r == -ECONNRESET   ? "it closed the connection without an answer"
					    : strerror(-r));
}

/* The "result" of a message; or its "error", which is an object with a message, or text. */
static int read_result(json_t *message, json_t **ret, struct kf_error *err)
{
	json_t *result = json_object_get(message, "result"),
	       *error = json_object_get(message, "error"),
	       *text = json_is_object(error) ? json_object_get(error, "message") : error;
	char clean[KF_NAME_SIZE];

	if (json_is_object(result)) {
		*ret = json_incref(result);
		return 0;
	}
	if (!json_is_string(text))
		return unknown(err, -EBADMSG);
	kf_text_clean(clean, sizeof(clean), json_string_value(text), json_string_length(text));
	return kf_fail(err, KF_PRINTER_UNKNOWN, "%s", clean);
}

static int check_listener(const struct link *link, pid_t listener)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(link->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return -errno;
	return peer.pid == listener ? 0 : -EXDEV;
}

int kf_api_open(const char *path, pid_t listener, int64_t deadline_ms, struct kf_api **ret,
		struct kf_error *err)
{
	_cleanup_(kf_api_close) struct kf_api *api = calloc(1, sizeof(*api));
	int r;

	if (!api)
		return unknown(err, -ENOMEM);
	api->link = (struct link){ .fd = -1, .deadline_ms = deadline_ms };
	api->address.sun_family = AF_UNIX;
	if (!KF_COPY(api->address.sun_path, path))
		return unknown(err, -ENAMETOOLONG);
	r = connect_to(&api->link, (struct sockaddr *)&api->address, sizeof(api->address));
	if (r == 0 && listener)
		r = check_listener(&api->link, listener);
	if (r == -EXDEV)
		return kf_fail(err, KF_PRINTER_UNKNOWN, "another process answers there");
	if (r < 0)
		return unknown(err, r);
	*ret = TAKE_PTR(api);
	return 0;
}

int kf_api_ask(struct kf_api *api, const char *method, json_t *params, json_t **ret,
	       struct kf_error *err)
{
	_cleanup_(kf_json_decrefp) json_t *message = NULL;
	_cleanup_(kf_freep) char *text = NULL;
	json_t *request;
	size_t len;
	int r;

	request = json_pack("{s:i, s:s, s:s, s:o}", "id", ++api->id, "jsonrpc", "2.0", "method",
			    method, "params", params ? json_incref(params) : json_object());
	text = json_dumps(request, JSON_COMPACT);
	json_decref(request);
	if (!text)
		return unknown(err, -ENOMEM);
	len = strlen(text);
	text[len] = END; /* in place of its NUL */
	r = send_all(&api->link, text, len + 1);
	if (r == 0)
		r = receive_answer(&api->link, api->id, &message);
	return r < 0 ? unknown(err, r) : read_result(message, ret, err);
}

int kf_api_request(const char *path, pid_t listener, const char *method, json_t *params,
		   int64_t deadline_ms, json_t **ret, struct kf_error *err)
{
	_cleanup_(kf_api_close) struct kf_api *api = NULL;
	int r = kf_api_open(path, listener, deadline_ms, &api, err);

	if (api)
		r = kf_api_ask(api, method, params, ret, err);
	if (r < 0)
		kf_error_prefix(err, "%s", path);
	return r;
}

/* RFC 9112: status line, fields, an empty line, and what the body says. */
static int read_body(const struct link *link, json_t **ret)
{
	static const char version[] = "HTTP/1.";
	char *body = memmem(link->data, link->len, "\r\n\r\n", 4);

	if (!body || link->len < sizeof(version) ||
	    memcmp(link->data, version, sizeof(version) - 1) != 0)
		return -EBADMSG;
	body += 4;
	*ret = parse(body, link->len - (size_t)(body - link->data));
	return json_is_object(*ret) ? 0 : -EBADMSG;
}

int kf_api_get(unsigned port, const char *target, int64_t deadline_ms, json_t **ret,
	       struct kf_error *err)
{
	_cleanup_(link_free) struct link link = { .fd = -1, .deadline_ms = deadline_ms };
	_cleanup_(kf_json_decrefp) json_t *message = NULL;
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	_cleanup_(kf_freep) char *text = NULL;
	ssize_t n = 1;
	int r;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (asprintf(&text, "GET %s HTTP/1.0\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n",
		     target) < 0) {
		text = NULL;
		return unknown(err, -ENOMEM);
	}
	r = connect_to(&link, (struct sockaddr *)&address, sizeof(address));
	if (r == 0)
		r = send_all(&link, text, strlen(text));
	while (r == 0 && n > 0) {
		n = receive(&link);
		r = n < 0 ? (int)n : 0;
	}
	if (r == 0)
		r = read_body(&link, &message);
	return r < 0 ? unknown(err, r) : read_result(message, ret, err);
}
