// SPDX-License-Identifier: GPL-2.0
/*
 * The server side of vfio-user, the protocol by which QEMU has a PCI device in
 * another process (docs/interop/vfio-user.rst of QEMU). It is written out here,
 * without libvfio-user: Debian does not package that, and the part that is
 * needed is this file.
 *
 * Every message is answered at once. A reply that comes late looks like
 * removal: QEMU gives all-ones to the guest, and takes the reply for that of
 * another message. So a device that is slow changes what it says, never when.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "nic.h"

enum {
	VERSION = 1, DMA_MAP, DMA_UNMAP, DEVICE_GET_INFO,
	DEVICE_GET_REGION_INFO, DEVICE_GET_REGION_IO_FDS, DEVICE_GET_IRQ_INFO,
	DEVICE_SET_IRQS, REGION_READ, REGION_WRITE, DMA_READ, DMA_WRITE,
	DEVICE_RESET,
};

#define FLAG_REPLY	0x1u
#define FLAG_NO_REPLY	0x10u
#define FLAG_ERROR	0x20u

/* As in linux/vfio.h */
#define DEVICE_FLAGS	(1u << 0 | 1u << 1)	/* can be reset, PCI */
#define REGION_RW	3u
#define UNMAP_ALL	(1u << 1)
#define IRQ_EVENTFD	(1u << 0)
#define IRQ_NORESIZE	(1u << 3)
#define SET_NONE	(1u << 0)
#define SET_BOOL	(1u << 1)
#define SET_EVENTFD	(1u << 2)
#define SET_TRIGGER	(1u << 5)
#define BAR0		0
#define BAR4		4
#define CONFIG		7
#define REGIONS		9
#define IRQS		5
#define IRQ_MSIX	2

#define DATA_MAX	4096			/* of a read or write */
#define FDS_MAX		16
#define BUFFER_SIZE	(128 * 1024)

struct header {
	uint16_t id, command;
	uint32_t size, flags, error;
};

struct message {
	struct header head;
	const uint8_t *data;
	size_t len;
	int *fds;
	unsigned int nfds;
	uint8_t reply[DATA_MAX + 64];
	size_t reply_len;
};

static uint8_t buffer[BUFFER_SIZE];
static size_t buffered;
static int fds[FDS_MAX];
static unsigned int nfds;

static int take_fd(struct message *m)
{
	int fd;

	if (!m->nfds)
		return -1;
	fd = m->fds[0];
	m->fds++;
	m->nfds--;
	return fd;
}

static uint32_t u32(const struct message *m, size_t at)
{
	uint32_t v = 0;

	if (at + 4 <= m->len)
		memcpy(&v, m->data + at, 4);
	return v;
}

static uint64_t u64(const struct message *m, size_t at)
{
	uint64_t v = 0;

	if (at + 8 <= m->len)
		memcpy(&v, m->data + at, 8);
	return v;
}

static void put(struct message *m, const void *data, size_t len)
{
	memcpy(m->reply + m->reply_len, data, len);
	m->reply_len += len;
}

static void put32(struct message *m, uint32_t v)
{
	put(m, &v, 4);
}

static void put64(struct message *m, uint64_t v)
{
	put(m, &v, 8);
}

/*
 * Major 0, minor 0. The text ends with a NUL and is shorter than QEMU's, which
 * takes no reply that is longer than its request.
 */
static int version(struct message *m)
{
	static const char text[] =
		"{\"capabilities\":{\"max_msg_fds\":16,"
		"\"max_data_xfer_size\":4096}}";

	if (m->len < 4 || u32(m, 0) & 0xffff)
		return EINVAL;
	put32(m, 0);
	put(m, text, sizeof(text));
	return 0;
}

static int dma_map(struct message *m)
{
	int fd, err;

	if (m->len < 32)
		return EINVAL;
	fd = take_fd(m);
	err = memory_map(u64(m, 16), u64(m, 24), u64(m, 8), fd, u32(m, 4));
	if (fd >= 0)
		close(fd);
	if (err)
		say("cannot map 0x%llx, 0x%llx bytes",
		    (unsigned long long)u64(m, 16),
		    (unsigned long long)u64(m, 24));
	return err ? EINVAL : 0;
}

static int dma_unmap(struct message *m)
{
	if (m->len < 24)
		return EINVAL;
	if (u32(m, 4) & UNMAP_ALL)
		memory_unmap_all();
	else if (u64(m, 16))
		memory_unmap(u64(m, 8), u64(m, 16));
	put(m, m->data, 24);
	return 0;
}

static int device_info(struct message *m)
{
	put32(m, 16);
	put32(m, DEVICE_FLAGS);
	put32(m, REGIONS);
	put32(m, IRQS);
	return 0;
}

/* None can be mapped, or QEMU would not post writes to it. */
static int region_info(struct message *m)
{
	uint32_t index = u32(m, 8);
	uint64_t size = index == BAR0 ? BAR0_SIZE : index == BAR4 ? BAR4_SIZE :
			index == CONFIG ? CONFIG_SIZE : 0;

	if (index >= REGIONS)
		return EINVAL;
	put32(m, 32);
	put32(m, size ? REGION_RW : 0);
	put32(m, index);
	put32(m, 0);
	put64(m, size);
	put64(m, 0);
	return 0;
}

static int irq_info(struct message *m)
{
	uint32_t index = u32(m, 8);

	if (index >= IRQS)
		return EINVAL;
	put32(m, 16);
	put32(m, index == IRQ_MSIX ? IRQ_EVENTFD | IRQ_NORESIZE : 0);
	put32(m, index);
	put32(m, index == IRQ_MSIX ? VECTORS : 0);
	return 0;
}

/*
 * They come in chunks of as many descriptors as a message may have. Without
 * any, vectors are taken away.
 */
static int set_irqs(struct message *m)
{
	uint32_t flags = u32(m, 4), index = u32(m, 8), start = u32(m, 12);
	uint32_t n = u32(m, 16), i;

	if (m->len < 20 || start > VECTORS || n > VECTORS - start)
		return EINVAL;
	if (index != IRQ_MSIX)
		return n ? EINVAL : 0;
	if (flags & SET_NONE && !n) {
		interrupt_drop_fds();
		return 0;
	}
	if (!(flags & SET_EVENTFD))
		return 0;	/* masks are QEMU's, triggers nobody asks for */
	for (i = 0; i < n; i++)
		interrupt_set_fd(start + i, take_fd(m));
	return 0;
}

static void read_bar(struct message *m, uint64_t offset, uint32_t len)
{
	uint32_t i, value;

	for (i = 0; i < len; i += 4) {
		value = mmio_read(offset + i);
		put(m, &value, len - i < 4 ? len - i : 4);
	}
}

static int region_read(struct message *m)
{
	uint64_t offset = u64(m, 0);
	uint32_t region = u32(m, 8), len = u32(m, 12);

	if (m->len < 16 || len > DATA_MAX)
		return EINVAL;
	put(m, m->data, 16);
	if (region == CONFIG) {
		config_read(offset, m->reply + m->reply_len, len);
		m->reply_len += len;
	} else if (region == BAR0) {
		read_bar(m, offset, len);
	} else {
		memset(m->reply + m->reply_len, 0, len);
		m->reply_len += len;
	}
	return 0;
}

/* A write of 8 bytes is two, the lower half first: FDIRHASH and FDIRCMD. */
static int region_write(struct message *m)
{
	uint64_t offset = u64(m, 0);
	uint32_t region = u32(m, 8), len = u32(m, 12), i, value;

	if (m->len < 16 || len > m->len - 16)
		return EINVAL;
	put(m, m->data, 16);
	if (region == CONFIG) {
		config_write(offset, m->data + 16, len);
	} else if (region == BAR0) {
		for (i = 0; i + 4 <= len; i += 4) {
			memcpy(&value, m->data + 16 + i, 4);
			mmio_write(offset + i, value);
		}
	}
	return 0;
}

static int device_reset(void)
{
	config_reset();
	nic_reset("DEVICE_RESET");
	return 0;
}

static int handle(struct message *m)
{
	switch (m->head.command) {
	case VERSION:
		return version(m);
	case DMA_MAP:
		return dma_map(m);
	case DMA_UNMAP:
		return dma_unmap(m);
	case DEVICE_GET_INFO:
		return device_info(m);
	case DEVICE_GET_REGION_INFO:
		return region_info(m);
	case DEVICE_GET_IRQ_INFO:
		return irq_info(m);
	case DEVICE_SET_IRQS:
		return set_irqs(m);
	case REGION_READ:
		return region_read(m);
	case REGION_WRITE:
		return region_write(m);
	case DEVICE_RESET:
		return device_reset();
	}
	say("command %u is not known", m->head.command);
	return ENOSYS;
}

static bool answer(int fd, struct message *m, int error)
{
	uint8_t out[sizeof(m->head) + sizeof(m->reply)];
	struct header h = m->head;
	size_t len, at = 0;

	if (m->head.flags & FLAG_NO_REPLY)
		return true;
	if (error)
		m->reply_len = 0;
	len = sizeof(h) + m->reply_len;
	h.size = len;
	h.flags = FLAG_REPLY | (error ? FLAG_ERROR : 0);
	h.error = error;
	memcpy(out, &h, sizeof(h));
	memcpy(out + sizeof(h), m->reply, m->reply_len);
	while (at < len) {
		ssize_t n = send(fd, out + at, len - at, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		at += n;
	}
	return true;
}

/*
 * The descriptors that came with a recvmsg() belong to the last message that it
 * brought: the kernel ends a read behind what it found descriptors with.
 */
static bool handle_one(int fd, size_t *at)
{
	static struct message m;
	bool is_last, ok;
	int error;

	memcpy(&m.head, buffer + *at, sizeof(m.head));
	m.data = buffer + *at + sizeof(m.head);
	m.len = m.head.size - sizeof(m.head);
	m.reply_len = 0;
	is_last = *at + m.head.size == buffered;
	m.fds = fds;
	m.nfds = is_last ? nfds : 0;
	error = handle(&m);
	ok = answer(fd, &m, error);
	if (is_last) {
		while (m.nfds)
			close(take_fd(&m));
		nfds = 0;
	}
	*at += m.head.size;
	return ok;
}

static bool receive(int fd)
{
	char control[CMSG_SPACE(sizeof(fds))];
	struct iovec iov = {
		.iov_base = buffer + buffered,
		.iov_len = BUFFER_SIZE - buffered,
	};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = control, .msg_controllen = sizeof(control),
	};
	struct cmsghdr *c;
	ssize_t n;

	do
		n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return false;
	buffered += n;
	for (c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		nfds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(fds, CMSG_DATA(c), nfds * sizeof(int));
	}
	return true;
}

bool vfio_user_readable(int fd)
{
	size_t at = 0;

	if (!receive(fd))
		return false;
	while (buffered - at >= sizeof(struct header)) {
		struct header h;

		memcpy(&h, buffer + at, sizeof(h));
		if (h.size < sizeof(h) || h.size > BUFFER_SIZE) {
			say("a message of %u bytes", h.size);
			return false;
		}
		if (buffered - at < h.size)
			break;
		if (!handle_one(fd, &at))
			return false;
	}
	memmove(buffer, buffer + at, buffered - at);
	buffered -= at;
	return true;
}

int vfio_user_listen(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) + 4 >= sizeof(a.sun_path))
		return -1;
	/* It has its name when it can be connected to. */
	snprintf(a.sun_path, sizeof(a.sun_path), "%s.new", path);
	unlink(a.sun_path);
	if (bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, 1) ||
	    rename(a.sun_path, path))
		return -1;
	return fd;
}

int vfio_user_accept(int listener)
{
	buffered = 0;
	nfds = 0;
	return accept4(listener, NULL, NULL, SOCK_CLOEXEC);
}
