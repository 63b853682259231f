/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <limits.h>
#include <linux/can/netlink.h>
#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/clock.h"
#include "core/text.h"
#include "link/can-state.h"

#define REPLY_MS  1000
#define REPLY_MAX 16384 /* bytes; a link's answer has about 1500 */

static const char devices[] = "/sys/bus/usb/devices";

static void parse_data(const struct rtattr *a, int len, struct kf_can_state *ret)
{
	struct can_bittiming timing;
	uint32_t state;

	for (; RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		if (a->rta_type == IFLA_CAN_STATE && RTA_PAYLOAD(a) >= sizeof(state)) {
			memcpy(&state, RTA_DATA(a), sizeof(state));
			ret->controller = state;
			ret->told = true;
		} else if (a->rta_type == IFLA_CAN_BITTIMING && RTA_PAYLOAD(a) >= sizeof(timing)) {
			memcpy(&timing, RTA_DATA(a), sizeof(timing));
			ret->bitrate = timing.bitrate;
		}
	}
}

static void parse_info(const struct rtattr *a, int len, struct kf_can_state *ret)
{
	const struct rtattr *data = NULL;

	for (; RTA_OK(a, len); a = RTA_NEXT(a, len)) {
		if (a->rta_type == IFLA_INFO_KIND)
			kf_text_clean(ret->kind, sizeof(ret->kind), RTA_DATA(a), RTA_PAYLOAD(a));
		else if (a->rta_type == IFLA_INFO_DATA)
			data = a;
	}
	if (data && strcmp(ret->kind, "can") == 0)
		parse_data(RTA_DATA(data), (int)RTA_PAYLOAD(data), ret);
}

int kf_can_state_parse(const void *message, size_t len, struct kf_can_state *ret)
{
	const struct nlmsghdr *head = message;
	const struct ifinfomsg *link;
	const struct rtattr *a;
	uint32_t queue;
	int left;

	if (!NLMSG_OK(head, len))
		return -EBADMSG;
	if (head->nlmsg_type == NLMSG_ERROR && NLMSG_PAYLOAD(head, 0) >= sizeof(struct nlmsgerr))
		return ((const struct nlmsgerr *)NLMSG_DATA(head))->error;
	if (head->nlmsg_type != RTM_NEWLINK || head->nlmsg_len < NLMSG_LENGTH(sizeof(*link)))
		return -EBADMSG;
	link = NLMSG_DATA(head);
	*ret = (struct kf_can_state){ .can = link->ifi_type == ARPHRD_CAN,
				      .up = link->ifi_flags & IFF_UP,
				      .carrier = link->ifi_flags & IFF_RUNNING };
	left = (int)IFLA_PAYLOAD(head);
	for (a = IFLA_RTA(link); RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == IFLA_TXQLEN && RTA_PAYLOAD(a) >= sizeof(queue)) {
			memcpy(&queue, RTA_DATA(a), sizeof(queue));
			ret->queue_frames = queue;
		} else if ((a->rta_type & NLA_TYPE_MASK) == IFLA_LINKINFO) {
			parse_info(RTA_DATA(a), (int)RTA_PAYLOAD(a), ret);
		}
	}
	return 0;
}

static ssize_t exchange(const void *request, size_t len, void *ret, size_t size)
{
	_cleanup_(kf_closep) int fd =
		socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	ssize_t got;
	int n;

	if (fd < 0 || send(fd, request, len, 0) < 0)
		return -errno;
	n = kf_wait_through(&pfd, 1, kf_now_ms() + REPLY_MS);
	if (n <= 0)
		return n < 0 ? n : -ETIMEDOUT;
	got = recv(fd, ret, size, 0);
	return got < 0 ? -errno : got;
}

int kf_can_state_read(const char *interface, struct kf_can_state *ret)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg link;
		struct rtattr name;
		char text[IFNAMSIZ];
	} request = { .head = { .nlmsg_len = sizeof(request),
				.nlmsg_type = RTM_GETLINK,
				.nlmsg_flags = NLM_F_REQUEST },
		      .name = { RTA_LENGTH(IFNAMSIZ), IFLA_IFNAME } };
	_Alignas(struct nlmsghdr) char reply[REPLY_MAX];
	ssize_t got;

	/* The kernel knows no longer names. */
	if (!KF_COPY(request.text, interface))
		return -ENODEV;
	got = exchange(&request, sizeof(request), reply, sizeof(reply));
	return got < 0 ? (int)got : kf_can_state_parse(reply, (size_t)got, ret);
}

static int is_down(const char *interface, const struct kf_can_state *s, struct kf_error *err)
{
	kf_fail(err, KF_CAN_BUS, "%s is down", interface);
	if (strcmp(s->kind, "can") == 0 && s->bitrate == 0)
		return kf_error_hint(
			err,
			"sudo ip link set %s up type can bitrate 1000000 (or the bitrate of "
			"your firmware)",
			interface);
	return kf_error_hint(err, "sudo ip link set %s up", interface);
}

static int is_bus_off(const char *interface, struct kf_error *err)
{
	kf_fail(err, KF_CAN_BUS,
		"%s is bus-off: its controller met too many errors and has left the "
		"bus",
		interface);
	return kf_error_hint(
		err,
		"check the wiring, the two resistors of 120 ohm at the ends and the bitrate; "
		"then: sudo ip link set %s down; sudo ip link set %s up",
		interface, interface);
}

static bool passive(const struct kf_can_state *s)
{
	return s->told && s->controller == CAN_STATE_ERROR_PASSIVE;
}

/* A controller alone on a bus repeats its frame for ever, and is error-passive after 16 times. */
static int is_passive(const char *interface, const struct kf_can_state *s, struct kf_error *err)
{
	kf_fail(err, KF_CAN_BUS, "%s is error-passive: no node acknowledges its frames", interface);
	if (s->bitrate)
		return kf_error_hint(
			err,
			"check that the nodes have power, the wiring with its two resistors "
			"of 120 ohm, and that their firmware was built for %u bit/s",
			s->bitrate);
	return kf_error_hint(err,
			     "check that the nodes have power, the wiring with its two resistors "
			     "of 120 ohm, and the bitrate");
}

/* Has the device below /sys/bus/usb/devices this content in a file? */
static bool has(const char *device, const char *file, const char *content)
{
	_cleanup_(kf_fclosep) FILE *f = NULL;
	char path[PATH_MAX], line[16];

	if (kf_text_format(path, sizeof(path), "%s/%s/%s", devices, device, file))
		f = fopen(path, "re");
	return f && fgets(line, sizeof(line), f) && strncmp(line, content, strlen(content)) == 0;
}

bool kf_can_adapter_unbound(const char *port)
{
	_cleanup_(kf_closedirp) DIR *dir = opendir(devices);
	const struct dirent *entry;
	char driver[PATH_MAX], target[16];

	while (dir && (entry = readdir(dir)))
		if ((!port || strcmp(entry->d_name, port) == 0) &&
		    has(entry->d_name, "idVendor", "1d50") &&
		    has(entry->d_name, "idProduct", "606f") &&
		    kf_text_format(driver, sizeof(driver), "%s/%s/%s:1.0/driver", devices,
				   entry->d_name, entry->d_name) &&
		    readlink(driver, target, sizeof(target)) < 0)
			return true;
	return false;
}

static int no_interface(const char *interface, bool exists, struct kf_error *err)
{
	kf_fail(err, KF_NOT_CONNECTED,
		exists ? "%s is no CAN interface" : "there is no interface %s", interface);
	if (!exists && kf_can_adapter_unbound(NULL))
		return kf_error_hint(
			err, "sudo modprobe gs_usb: a USB-to-CAN adapter is plugged in, and "
			     "no driver has taken it");
	return kf_error_hint(
		err, "ip -details link show type can lists the CAN interfaces; a USB adapter or "
		     "bridge board that is missing there: check its cable");
}

/* Can it send? */
static int check(const char *interface, const struct kf_can_state *s, struct kf_error *err)
{
	if (!s->can)
		return no_interface(interface, true, err);
	if (!s->up)
		return is_down(interface, s, err);
	return s->told && s->controller == CAN_STATE_BUS_OFF ? is_bus_off(interface, err) : 0;
}

static int queue_full(const char *interface, const struct kf_can_state *s, struct kf_error *err)
{
	kf_fail(err, KF_CAN_BUS, "the queue of %s stays full: its frames do not go out", interface);
	if (s->queue_frames > 0 && s->queue_frames < 128)
		kf_error_hint(err,
			      "if others use the bus, let more than %u frames wait: sudo ip link "
			      "set %s txqueuelen 128; else check wiring and bitrate",
			      s->queue_frames, interface);
	return kf_code_errno(KF_CAN_BUS);
}

static int disconnected(const char *interface, struct kf_error *err)
{
	kf_fail(err, KF_CAN_BUS, "%s was disconnected meanwhile", interface);
	return kf_error_hint(err,
			     "plug its USB adapter or bridge board in again, then run the same "
			     "command again");
}

static int silence(struct kf_error *err)
{
	kf_fail(err, KF_TIMEOUT, "no answer in time");
	return kf_error_hint(
		err, "power-cycle the node or double-click its reset button: nothing else wakes a "
		     "Katapult that lost a frame");
}

int kf_can_state_words(const char *interface, int r, const struct kf_can_state *s,
		       struct kf_error *err)
{
	int why;

	if (!s)
		return r == -ENODEV ? no_interface(interface, false, err)
				    : kf_fail_sys(err, -r, "%s", interface);
	why = check(interface, s, err);
	if (why < 0 || r == 0)
		return why;
	switch (r) {
	case -ENODEV:
		return disconnected(interface, err);
	case -ECOMM:
		return is_bus_off(interface, err);
	case -ENETDOWN:
		return is_down(interface, s, err);
	case -ENOBUFS:
	case -ETIMEDOUT:
		if (passive(s))
			return is_passive(interface, s, err);
		return r == -ENOBUFS ? queue_full(interface, s, err) : silence(err);
	default:
		return kf_fail_sys(err, -r, "%s", interface);
	}
}

int kf_can_state_check(const char *interface, struct kf_error *err)
{
	struct kf_can_state s = { 0 };
	int r = kf_can_state_read(interface, &s);

	return kf_can_state_words(interface, r, r < 0 ? NULL : &s, err);
}

bool kf_can_state_passive(const char *interface, struct kf_error *why)
{
	struct kf_can_state s = { 0 };

	if (kf_can_state_read(interface, &s) < 0 || !s.up || !passive(&s))
		return false;
	is_passive(interface, &s, why);
	return true;
}

int kf_can_state_explain(const char *interface, int r, struct kf_error *err)
{
	static const struct kf_can_state nothing = { .can = true, .up = true };
	struct kf_can_state s = nothing;
	int state;

	if (r == -EINTR)
		return kf_fail_stopped(err);
	if (!interface[0])
		return kf_can_state_words("the bus", r, &nothing, err);
	state = kf_can_state_read(interface, &s);
	if (state == -ENODEV)
		return disconnected(interface, err);
	return kf_can_state_words(interface, r, state < 0 ? &nothing : &s, err);
}
