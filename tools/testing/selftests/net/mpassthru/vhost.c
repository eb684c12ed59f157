// SPDX-License-Identifier: GPL-2.0
/* The calls of vhost-net, as QEMU makes them. */

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/vhost.h>

#include "say.h"
#include "vhost.h"

#define VHOST_AREAS	8

static int call(struct vhost *v, unsigned long cmd, void *arg)
{
	return ioctl(v->fd, cmd, arg) < 0 ? -errno : 0;
}

static int open_node(struct vhost *v, bool kthread)
{
	__u8 mode = VHOST_FORK_OWNER_KTHREAD;
	int err = 0;

	v->fd = open(VHOST_NODE, O_RDWR | O_CLOEXEC);
	if (v->fd < 0)
		return -errno;
	if (kthread)
		err = call(v, VHOST_SET_FORK_FROM_OWNER, &mode);
	err = err ?: call(v, VHOST_SET_OWNER, NULL);
	if (err)
		vhost_close(v);
	return err;
}

int vhost_open(struct vhost *v)
{
	return open_node(v, false);
}

int vhost_open_kthread(struct vhost *v)
{
	return open_node(v, true);
}

void vhost_close(struct vhost *v)
{
	if (v->fd >= 0)
		close(v->fd);
	v->fd = -1;
}

int vhost_features(struct vhost *v, __u64 *features)
{
	return call(v, VHOST_GET_FEATURES, features);
}

int vhost_set_features(struct vhost *v, __u64 features)
{
	return call(v, VHOST_SET_FEATURES, &features);
}

int vhost_set_mem(struct vhost *v, const struct vhost_area *area, int n)
{
	char buf[sizeof(struct vhost_memory) +
		 VHOST_AREAS * sizeof(struct vhost_memory_region)] = {};
	struct vhost_memory *mem = (struct vhost_memory *)buf;
	int i;

	if (n > VHOST_AREAS)
		return -E2BIG;
	mem->nregions = n;
	for (i = 0; i < n; i++) {
		mem->regions[i].guest_phys_addr = area[i].addr;
		mem->regions[i].memory_size = area[i].size;
		mem->regions[i].userspace_addr = (uintptr_t)area[i].mem;
	}
	return call(v, VHOST_SET_MEM_TABLE, mem);
}

int vhost_map_iotlb(struct vhost *v, const struct vhost_area *area)
{
	struct vhost_msg msg = {
		.type		= VHOST_IOTLB_MSG,
		.iotlb.iova	= area->addr,
		.iotlb.size	= area->size,
		.iotlb.uaddr	= (uintptr_t)area->mem,
		.iotlb.perm	= VHOST_ACCESS_RW,
		.iotlb.type	= VHOST_IOTLB_UPDATE,
	};

	return write(v->fd, &msg, sizeof(msg)) < 0 ? -errno : 0;
}

static int set_file(struct vhost *v, unsigned long cmd, int index, int fd)
{
	struct vhost_vring_file file = { .index = index, .fd = fd };

	return call(v, cmd, &file);
}

int vhost_set_vring(struct vhost *v, int index, const struct vq *vq,
		    const struct vhost_fds *fds)
{
	struct vhost_vring_state num = {
		.index	= index,
		.num	= vq->ring.num,
	};
	struct vhost_vring_addr addr = {
		.index			= index,
		.desc_user_addr		= (uintptr_t)vq->ring.desc,
		.avail_user_addr	= (uintptr_t)vq->ring.avail,
		.used_user_addr		= (uintptr_t)vq->ring.used,
	};

	return call(v, VHOST_SET_VRING_NUM, &num) ?:
	       call(v, VHOST_SET_VRING_ADDR, &addr) ?:
	       set_file(v, VHOST_SET_VRING_KICK, index, fds->kick) ?:
	       set_file(v, VHOST_SET_VRING_CALL, index, fds->call) ?:
	       set_file(v, VHOST_SET_VRING_ERR, index, fds->err);
}

int vhost_get_base(struct vhost *v, int index)
{
	struct vhost_vring_state state = { .index = index };

	return call(v, VHOST_GET_VRING_BASE, &state) ?: (int)state.num;
}

int vhost_set_base(struct vhost *v, int index, __u16 base)
{
	struct vhost_vring_state state = { .index = index, .num = base };

	return call(v, VHOST_SET_VRING_BASE, &state);
}

int vhost_set_backend(struct vhost *v, int index, int fd)
{
	return set_file(v, VHOST_NET_SET_BACKEND, index, fd);
}

int vhost_set_busy_poll(struct vhost *v, int index, unsigned int us)
{
	struct vhost_vring_state state = { .index = index, .num = us };

	return call(v, VHOST_SET_VRING_BUSYLOOP_TIMEOUT, &state);
}

int vhost_set_log(struct vhost *v, void *log)
{
	__u64 base = (uintptr_t)log;

	return call(v, VHOST_SET_LOG_BASE, &base);
}

int vhost_log_vring(struct vhost *v, int index, const struct vq *vq, __u64 used)
{
	struct vhost_vring_addr addr = {
		.index			= index,
		.flags			= used ? 1 << VHOST_VRING_F_LOG : 0,
		.desc_user_addr		= (uintptr_t)vq->ring.desc,
		.avail_user_addr	= (uintptr_t)vq->ring.avail,
		.used_user_addr		= (uintptr_t)vq->ring.used,
		.log_guest_addr		= used,
	};

	return call(v, VHOST_SET_VRING_ADDR, &addr);
}

int vhost_reset_owner(struct vhost *v)
{
	return call(v, VHOST_RESET_OWNER, NULL);
}

int vhost_fds_open(struct vhost_fds *fds)
{
	fds->kick = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	fds->call = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	fds->err = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (fds->kick < 0 || fds->call < 0 || fds->err < 0)
		return -errno;
	return 0;
}

void vhost_fds_close(struct vhost_fds *fds)
{
	close(fds->kick);
	close(fds->call);
	close(fds->err);
}

void vhost_signal(int fd)
{
	if (eventfd_write(fd, 1) < 0)
		say("eventfd: %s", strerror(errno));
}

bool vhost_signalled(int fd)
{
	eventfd_t value;

	return !eventfd_read(fd, &value);
}
