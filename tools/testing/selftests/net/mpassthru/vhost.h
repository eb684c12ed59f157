/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MP_VHOST_H
#define MP_VHOST_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

#include "vring.h"

#define VHOST_NODE	"/dev/vhost-net"

/* A device of vhost-net; 0 or a negative errno unless said otherwise. */
struct vhost {
	int	fd;
};

/* What vhost and a virtqueue tell each other through. */
struct vhost_fds {
	int	kick;
	int	call;
	int	err;
};

struct vhost_area {
	__u64	addr;		/* guest physical */
	void	*mem;
	size_t	size;
};

int vhost_open(struct vhost *v);		/* and becomes the owner */
/* The same, with a worker that is a kernel thread and not our child. */
int vhost_open_kthread(struct vhost *v);
void vhost_close(struct vhost *v);
int vhost_features(struct vhost *v, __u64 *features);	/* that it has */
int vhost_set_features(struct vhost *v, __u64 features);
int vhost_set_mem(struct vhost *v, const struct vhost_area *area, int n);
/* Instead of the memory table, with VIRTIO_F_ACCESS_PLATFORM. */
int vhost_map_iotlb(struct vhost *v, const struct vhost_area *area);
int vhost_set_vring(struct vhost *v, int index, const struct vq *vq,
		    const struct vhost_fds *fds);
int vhost_get_base(struct vhost *v, int index);	/* last_avail_idx */
int vhost_set_base(struct vhost *v, int index, __u16 base);
int vhost_set_backend(struct vhost *v, int index, int fd);
int vhost_set_busy_poll(struct vhost *v, int index, unsigned int us);
int vhost_set_log(struct vhost *v, void *log);
/* Writes to its used ring are logged, too, at that address; 0: no longer. */
int vhost_log_vring(struct vhost *v, int index, const struct vq *vq,
		    __u64 used);
int vhost_reset_owner(struct vhost *v);

int vhost_fds_open(struct vhost_fds *fds);
void vhost_fds_close(struct vhost_fds *fds);
void vhost_signal(int fd);
bool vhost_signalled(int fd);			/* and clears it */

#endif /* MP_VHOST_H */
