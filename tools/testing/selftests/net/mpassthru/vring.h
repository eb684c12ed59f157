/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MP_VRING_H
#define MP_VRING_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>
#include <linux/virtio_ring.h>

/* One descriptor's worth of guest memory. */
struct vq_sg {
	__u64		addr;		/* guest physical */
	__u32		len;
	bool		readable;	/* by the device; else written by it */
};

/* A used buffer. */
struct vq_used {
	unsigned int	head;
	__u32		len;
	bool		full;		/* in-order batch: used to its end */
};

/* The driver's side of a split virtqueue. */
struct vq {
	struct vring	ring;
	bool		in_order;
	bool		event_idx;

	__u16		avail;		/* next to publish */
	__u16		kicked;		/* published at the last kick */
	__u16		seen;		/* next used entry to look at */
	__u16		*order;		/* heads, as they were published */
	__u16		*descs;		/* of a head that is out; else 0 */

	__u16		*free;		/* stack of free descriptors */
	unsigned int	nfree;
	__u16		next;		/* in order: the next descriptor */

	struct vring_used_elem batch;	/* in order: the one being taken */
	bool		batching;
	unsigned int	disorder;	/* heads used out of turn */
};

#define VQ_ALIGN	4096

size_t vq_size(unsigned int num);
int vq_init(struct vq *vq, void *mem, unsigned int num, __u64 features);
void vq_free(struct vq *vq);

/*
 * Make a chain available and return its head.  With @table, guest memory of
 * @n descriptors at @table_addr, it becomes one indirect descriptor.
 */
int vq_add(struct vq *vq, const struct vq_sg *sg, unsigned int n,
	   struct vring_desc *table, __u64 table_addr);
/* Shows the device what was added; true when it wants to be kicked. */
bool vq_publish(struct vq *vq);
/* 1 and the next used buffer, 0 when there is none, -1 for a wrong one. */
int vq_take(struct vq *vq, struct vq_used *used);
bool vq_pending(struct vq *vq);
/* Buffers that were published and not seen used. */
unsigned int vq_out(const struct vq *vq);
__u16 vq_used_idx(const struct vq *vq);

#endif /* MP_VRING_H */
