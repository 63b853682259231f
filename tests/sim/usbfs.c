/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <linux/usbdevice_fs.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <umockdev.h>
#include <unistd.h>

#include "core/file.h"
#include "core/text.h"
#include "sim/usbfs.h"

#define INTERFACES 8
#define SETUP	   8	      /* bytes, before a control transfer's data */
#define BULK_MAX   (16 << 20) /* bytes: usbfs' limit for all transfers of the machine */

#define CAPABILITIES                                                                               \
	(USBDEVFS_CAP_ZERO_PACKET | USBDEVFS_CAP_NO_PACKET_SIZE_LIM |                              \
	 USBDEVFS_CAP_BULK_SCATTER_GATHER | USBDEVFS_CAP_REAP_AFTER_DISCONNECT)

struct urb {
	const UMockdevIoctlClient *client; /* who reaps it; NULL: nobody */
	UMockdevIoctlData *data, *buffer; /* the client's memory: read at submit, written at reap */
	gulong address;			  /* of the struct usbdevfs_urb, in the client */
	int status;			  /* 0 or a negative errno */
	struct sim_usb_transfer transfer; /* with its own memory */
};

/*
 * The owner is umockdev's handler, which lives as long as the last client; so do the FIFO and what
 * clients have not reaped. lock is for all that is below it.
 */
struct sim_usbfs {
	UMockdevTestbed *testbed;
	UMockdevIoctlBase *handler;
	char node[64]; /* "/dev/bus/usb/001/004" */
	struct sim_usb_device device;
	int fifo, event;

	pthread_mutex_t lock;
	bool gone, ready;     /* ready: what the FIFO says */
	GQueue pending, done; /* of struct urb */
	const UMockdevIoctlClient *claims[INTERFACES];
};

static void free_urb(struct urb *urb)
{
	if (urb->data)
		g_object_unref(urb->data);
	if (urb->buffer)
		g_object_unref(urb->buffer);
	free(urb->transfer.data);
	free(urb);
}

static void free_urbs(gpointer urb)
{
	free_urb(urb);
}

/* The handler is gone, and with it the last client. */
static void destroy(gpointer data)
{
	struct sim_usbfs *fs = data;

	g_queue_clear_full(&fs->pending, free_urbs);
	g_queue_clear_full(&fs->done, free_urbs);
	kf_closep(&fs->fifo);
	kf_closep(&fs->event);
	pthread_mutex_destroy(&fs->lock);
	free(fs);
}

/* A pipe of one page with a byte in it has no room, for poll(2); a second byte would still fit. */
static void show_readiness(struct sim_usbfs *fs)
{
	bool ready = !g_queue_is_empty(&fs->done);
	uint8_t byte = 0;

	if (ready && !fs->ready)
		IGNORE_RESULT(read(fs->fifo, &byte, 1));
	if (!ready && fs->ready)
		IGNORE_RESULT(write(fs->fifo, &byte, 1));
	fs->ready = ready;
}

/* It is no longer pending. */
static void finish(struct sim_usbfs *fs, struct urb *urb, int status)
{
	g_queue_remove(&fs->pending, urb);
	urb->status = status;
	if (urb->client)
		g_queue_push_tail(&fs->done, urb);
	else
		free_urb(urb);
}

static int queue(struct sim_usbfs *fs, struct urb *urb)
{
	uint64_t one = 1;

	if (fs->gone)
		return -ENODEV;
	g_queue_push_tail(&fs->pending, urb);
	IGNORE_RESULT(write(fs->event, &one, sizeof(one)));
	return 0;
}

static bool belongs_to_other(const struct sim_usbfs *fs, unsigned interface,
			     const UMockdevIoctlClient *client)
{
	return interface < INTERFACES && fs->claims[interface] && fs->claims[interface] != client;
}

/* The setup packet in front of the data; its length has to fit. */
static int fill_control(struct urb *urb, const uint8_t *bytes, size_t len)
{
	struct sim_usb_transfer *t = &urb->transfer;

	if (len < SETUP)
		return -EINVAL;
	t->setup = (struct sim_usb_setup){
		.type = bytes[0],
		.request = bytes[1],
		.value = (uint16_t)(bytes[2] | bytes[3] << 8),
		.index = (uint16_t)(bytes[4] | bytes[5] << 8),
		.length = (uint16_t)(bytes[6] | bytes[7] << 8),
	};
	t->endpoint = t->setup.type & 0x80;
	t->len = t->setup.length;
	if (t->len > len - SETUP || t->len > SIM_USB_CONTROL_MAX)
		return -EINVAL;
	t->data = malloc(t->len + 1);
	if (!t->data)
		return -ENOMEM;
	memcpy(t->data, bytes + SETUP, t->len);
	return 0;
}

static int fill_bulk(struct urb *urb, uint8_t endpoint, const uint8_t *bytes, size_t len)
{
	struct sim_usb_transfer *t = &urb->transfer;

	t->endpoint = endpoint;
	t->len = len;
	t->data = malloc(len + 1);
	if (!t->data)
		return -ENOMEM;
	if (len > 0)
		memcpy(t->data, bytes, len);
	return 0;
}

/* Read the URB and its bytes from the client. */
static int read_urb(const struct sim_usbfs *fs, UMockdevIoctlClient *client, struct urb *urb)
{
	const struct usbdevfs_urb *u;
	const uint8_t *bytes = NULL;
	size_t len;

	urb->client = client;
	urb->data = umockdev_ioctl_data_resolve(umockdev_ioctl_client_get_arg(client), 0,
						sizeof(*u), NULL);
	if (!urb->data)
		return -EFAULT;
	urb->address = urb->data->client_addr;
	u = (const struct usbdevfs_urb *)(const void *)urb->data->data;
	if (u->buffer_length < 0 || u->buffer_length > BULK_MAX)
		return -ENOMEM;
	len = (size_t)u->buffer_length;
	if (len > 0) {
		urb->buffer = umockdev_ioctl_data_resolve(
			urb->data, offsetof(struct usbdevfs_urb, buffer), len, NULL);
		if (!urb->buffer)
			return -EFAULT;
		bytes = urb->buffer->data;
	}
	if (u->type == USBDEVFS_URB_TYPE_CONTROL)
		return fill_control(urb, bytes, len);
	if (u->type != USBDEVFS_URB_TYPE_BULK)
		return -EINVAL;
	if (!sim_usb_has_endpoint(&fs->device, u->endpoint))
		return -ENOENT;
	return fill_bulk(urb, u->endpoint, bytes, len);
}

static int submit(struct sim_usbfs *fs, UMockdevIoctlClient *client)
{
	struct urb *urb = calloc(1, sizeof(*urb));
	int r = urb ? read_urb(fs, client, urb) : -ENOMEM;
	bool to_interface = r == 0 && (urb->transfer.setup.type & 0x1f) == 1;

	pthread_mutex_lock(&fs->lock);
	if (to_interface && belongs_to_other(fs, urb->transfer.setup.index & 0xff, client))
		r = -EBUSY;
	if (r == 0)
		r = queue(fs, urb);
	pthread_mutex_unlock(&fs->lock);
	if (r < 0 && urb)
		free_urb(urb);
	return r;
}

/* A request that usbfs sends for the client, which does not wait for it here. */
static int request(struct sim_usbfs *fs, const struct sim_usb_transfer *t)
{
	struct urb *urb = calloc(1, sizeof(*urb));
	int r;

	if (!urb)
		return -ENOMEM;
	urb->transfer = *t;
	pthread_mutex_lock(&fs->lock);
	r = queue(fs, urb);
	pthread_mutex_unlock(&fs->lock);
	if (r < 0)
		free(urb);
	return r;
}

static struct urb *find(const GQueue *urbs, const UMockdevIoctlClient *client, gulong address)
{
	for (GList *l = urbs->head; l; l = l->next) {
		struct urb *urb = l->data;

		if (urb->client == client && (!address || urb->address == address))
			return urb;
	}
	return NULL;
}

static int reap(struct sim_usbfs *fs, UMockdevIoctlClient *client)
{
	UMockdevIoctlData *arg = umockdev_ioctl_client_get_arg(client);
	g_autoptr(UMockdevIoctlData) pointer = NULL;
	struct usbdevfs_urb *u;
	struct urb *urb;
	bool gone;

	pthread_mutex_lock(&fs->lock);
	urb = find(&fs->done, client, 0);
	if (urb)
		g_queue_remove(&fs->done, urb);
	show_readiness(fs);
	gone = fs->gone;
	pthread_mutex_unlock(&fs->lock);
	if (!urb)
		return gone ? -ENODEV : -EAGAIN;
	u = (struct usbdevfs_urb *)(void *)urb->data->data;
	u->status = urb->status;
	u->actual_length = (int)urb->transfer.actual;
	if (urb->buffer && urb->transfer.endpoint & 0x80)
		memcpy(urb->buffer->data + (u->type == USBDEVFS_URB_TYPE_CONTROL ? SETUP : 0),
		       urb->transfer.data, urb->transfer.actual);
	pointer = umockdev_ioctl_data_resolve(arg, 0, sizeof(void *), NULL);
	if (pointer)
		umockdev_ioctl_data_set_ptr(pointer, 0, urb->data);
	free_urb(urb);
	return pointer ? 0 : -EFAULT;
}

static int discard(struct sim_usbfs *fs, const UMockdevIoctlClient *client, gulong address)
{
	struct urb *urb;

	pthread_mutex_lock(&fs->lock);
	urb = find(&fs->pending, client, address);
	if (urb)
		finish(fs, urb, -ENOENT);
	show_readiness(fs);
	pthread_mutex_unlock(&fs->lock);
	return urb ? 0 : -EINVAL;
}

static int claim(struct sim_usbfs *fs, const UMockdevIoctlClient *client, unsigned interface)
{
	int r = 0;

	if (interface >= INTERFACES || sim_usb_alternates(&fs->device, interface) == 0)
		return -ENOENT;
	pthread_mutex_lock(&fs->lock);
	if (fs->gone)
		r = -ENODEV;
	else if (belongs_to_other(fs, interface, client))
		r = -EBUSY;
	else
		fs->claims[interface] = client;
	pthread_mutex_unlock(&fs->lock);
	return r;
}

static int release(struct sim_usbfs *fs, const UMockdevIoctlClient *client, unsigned interface)
{
	int r = -EINVAL;

	pthread_mutex_lock(&fs->lock);
	if (interface < INTERFACES && fs->claims[interface] == client) {
		fs->claims[interface] = NULL;
		r = fs->gone ? -ENODEV : 0;
	}
	pthread_mutex_unlock(&fs->lock);
	return r;
}

static int set_interface(struct sim_usbfs *fs, unsigned interface, unsigned alternate)
{
	struct sim_usb_transfer t = {
		.setup = { .type = 0x01,
			   .request = 11,
			   .value = (uint16_t)alternate,
			   .index = (uint16_t)interface },
	};

	return alternate < sim_usb_alternates(&fs->device, interface) ? request(fs, &t) : -EINVAL;
}

static int clear_halt(struct sim_usbfs *fs, unsigned endpoint)
{
	struct sim_usb_transfer t = {
		.setup = { .type = 0x02, .request = 1, .index = (uint16_t)endpoint },
	};

	return endpoint <= UINT8_MAX && sim_usb_has_endpoint(&fs->device, (uint8_t)endpoint)
		       ? request(fs, &t)
		       : -ENOENT;
}

/* Those whose argument points to one or two numbers. */
static int obey_numbers(struct sim_usbfs *fs, UMockdevIoctlClient *client, gulong number)
{
	size_t count = number == USBDEVFS_SETINTERFACE ? 2 : 1;
	g_autoptr(UMockdevIoctlData) data = umockdev_ioctl_data_resolve(
		umockdev_ioctl_client_get_arg(client), 0, count * sizeof(unsigned), NULL);
	unsigned numbers[2] = { 0 };

	if (!data)
		return -EFAULT;
	memcpy(numbers, data->data, count * sizeof(unsigned));
	switch (number) {
	case USBDEVFS_GET_CAPABILITIES:
		numbers[0] = CAPABILITIES;
		memcpy(data->data, numbers, sizeof(unsigned));
		return 0;
	case USBDEVFS_CLAIMINTERFACE:
		return claim(fs, client, numbers[0]);
	case USBDEVFS_RELEASEINTERFACE:
		return release(fs, client, numbers[0]);
	case USBDEVFS_SETCONFIGURATION:
		return numbers[0] == 1 ? 0 : -EINVAL;
	case USBDEVFS_SETINTERFACE:
		return set_interface(fs, numbers[0], numbers[1]);
	default:
		return clear_halt(fs, numbers[0]);
	}
}

static int obey(struct sim_usbfs *fs, UMockdevIoctlClient *client)
{
	static const struct sim_usb_transfer bus_reset = { .bus_reset = true };
	gulong number = umockdev_ioctl_client_get_request(client), address;

	switch (number) {
	case USBDEVFS_SUBMITURB:
		return submit(fs, client);
	case USBDEVFS_REAPURBNDELAY:
		return reap(fs, client);
	case USBDEVFS_DISCARDURB:
		memcpy(&address, umockdev_ioctl_client_get_arg(client)->data, sizeof(address));
		return discard(fs, client, address);
	case USBDEVFS_GET_CAPABILITIES:
	case USBDEVFS_CLAIMINTERFACE:
	case USBDEVFS_RELEASEINTERFACE:
	case USBDEVFS_SETCONFIGURATION:
	case USBDEVFS_SETINTERFACE:
	case USBDEVFS_CLEAR_HALT:
		return obey_numbers(fs, client, number);
	case USBDEVFS_RESET:
		return request(fs, &bus_reset);
	case USBDEVFS_GETDRIVER:
		return -ENODATA;
	default:
		return -ENOTTY;
	}
}

/* A client must not wait here: its signals are blocked meanwhile. */
static gboolean handle(UMockdevIoctlBase *base, UMockdevIoctlClient *client, gpointer fs)
{
	int r = obey(fs, client);

	(void)base;
	umockdev_ioctl_client_complete(client, r < 0 ? -1 : r, r < 0 ? -r : 0);
	return TRUE;
}

static void remove_of(GQueue *urbs, const UMockdevIoctlClient *client)
{
	struct urb *urb;

	while ((urb = find(urbs, client, 0))) {
		g_queue_remove(urbs, urb);
		free_urb(urb);
	}
}

/* The client has closed the node, or ended. */
static void forget(gpointer data, GObject *where)
{
	const UMockdevIoctlClient *client = (const UMockdevIoctlClient *)where;
	struct sim_usbfs *fs = data;

	pthread_mutex_lock(&fs->lock);
	remove_of(&fs->pending, client);
	remove_of(&fs->done, client);
	for (size_t i = 0; i < INTERFACES; i++)
		if (fs->claims[i] == client)
			fs->claims[i] = NULL;
	show_readiness(fs);
	pthread_mutex_unlock(&fs->lock);
}

/* umockdev's signal for a client that leaves is never sent: its object's end says it. */
static void greet(UMockdevIoctlBase *base, UMockdevIoctlClient *client, gpointer fs)
{
	(void)base;
	g_object_weak_ref(G_OBJECT(client), forget, fs);
}

static int make_fifo(struct sim_usbfs *fs, const char *root, struct kf_error *err)
{
	char path[1024];

	kf_text_format(path, sizeof(path), "%s%s", root, fs->node);
	if (kf_dir_make_parent(path, err) < 0)
		return -EIO;
	if (mkfifo(path, 0600) < 0)
		return kf_fail_sys(err, errno, "%s", path);
	fs->fifo = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fs->fifo < 0 || fcntl(fs->fifo, F_SETPIPE_SZ, 4096) < 0)
		return kf_fail_sys(err, errno, "%s", path);
	fs->ready = true;
	show_readiness(fs);
	return 0;
}

int sim_usbfs_new(struct _UMockdevTestbed *testbed, const char *root, const char *node,
		  const struct sim_usb_device *device, struct sim_usbfs **ret, struct kf_error *err)
{
	struct sim_usbfs *fs = calloc(1, sizeof(*fs));
	g_autoptr(GError) error = NULL;
	int r;

	if (!fs)
		return kf_fail_sys(err, ENOMEM, "%s", node);
	fs->testbed = testbed;
	fs->device = *device;
	fs->fifo = fs->event = -1;
	pthread_mutex_init(&fs->lock, NULL);
	kf_text_format(fs->node, sizeof(fs->node), "/dev/%s", node);
	fs->handler = umockdev_ioctl_base_new();
	g_object_set_data_full(G_OBJECT(fs->handler), "usbfs", fs, destroy);
	g_signal_connect(fs->handler, "handle-ioctl", G_CALLBACK(handle), fs);
	g_signal_connect(fs->handler, "client-connected", G_CALLBACK(greet), fs);
	fs->event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	r = fs->event < 0 ? kf_fail_sys(err, errno, "%s", node) : make_fifo(fs, root, err);
	if (r == 0 && !umockdev_testbed_attach_ioctl(testbed, fs->node, fs->handler, &error))
		r = kf_fail(err, KF_INTERNAL, "umockdev: %s", error->message);
	if (r < 0)
		g_object_unref(fs->handler);
	else
		*ret = fs;
	return r;
}

void sim_usbfs_free(struct sim_usbfs **fs_p)
{
	struct sim_usbfs *fs = TAKE_PTR(*fs_p);
	UMockdevIoctlBase *handler;

	if (!fs)
		return;
	handler = fs->handler;
	pthread_mutex_lock(&fs->lock);
	fs->gone = true;
	while (!g_queue_is_empty(&fs->pending))
		finish(fs, g_queue_peek_head(&fs->pending), -ESHUTDOWN);
	show_readiness(fs);
	pthread_mutex_unlock(&fs->lock);
	umockdev_testbed_detach_ioctl(fs->testbed, fs->node, NULL);
	g_object_unref(handler);
}

/* Did anything happen? After a NAK, an endpoint's later transfers wait. */
static bool pass(struct sim_usbfs *fs, sim_usb_answer_fn *answer, void *context)
{
	bool busy[UINT8_MAX + 1] = { false }, any = false;

	for (GList *l = fs->pending.head, *after; l; l = after) {
		struct urb *urb = l->data;
		/* All of a control endpoint is one pipe. */
		uint8_t pipe = urb->transfer.endpoint & 0x0f ? urb->transfer.endpoint : 0;
		enum sim_usb_answer a = busy[pipe] ? SIM_USB_NAK : answer(context, &urb->transfer);

		after = l->next;
		busy[pipe] |= a == SIM_USB_NAK;
		any |= a != SIM_USB_NAK;
		if (a != SIM_USB_NAK)
			finish(fs, urb, a == SIM_USB_STALL ? -EPIPE : 0);
	}
	return any;
}

void sim_usbfs_run(struct sim_usbfs *fs, sim_usb_answer_fn *answer, void *context)
{
	uint64_t count;

	IGNORE_RESULT(read(fs->event, &count, sizeof(count)));
	pthread_mutex_lock(&fs->lock);
	while (pass(fs, answer, context))
		;
	show_readiness(fs);
	pthread_mutex_unlock(&fs->lock);
}

int sim_usbfs_fd(const struct sim_usbfs *fs)
{
	return fs->event;
}
