// SPDX-License-Identifier: GPL-2.0
/* The driver's side of a split virtqueue, on a little-endian machine. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>

#include "say.h"
#include "vring.h"

size_t vq_size(unsigned int num)
{
	return (vring_size(num, VQ_ALIGN) + VQ_ALIGN - 1) & ~(VQ_ALIGN - 1UL);
}

int vq_init(struct vq *vq, void *mem, unsigned int num, __u64 features)
{
	unsigned int i;

	memset(vq, 0, sizeof(*vq));
	memset(mem, 0, vq_size(num));
	vring_init(&vq->ring, num, mem, VQ_ALIGN);
	vq->in_order = features & 1ULL << VIRTIO_F_IN_ORDER;
	vq->event_idx = features & 1ULL << VIRTIO_RING_F_EVENT_IDX;
	vq->order = calloc(num, sizeof(*vq->order));
	vq->descs = calloc(num, sizeof(*vq->descs));
	vq->free = calloc(num, sizeof(*vq->free));
	if (!vq->order || !vq->descs || !vq->free)
		return -ENOMEM;
	/* The top of the stack is descriptor 0. */
	for (i = 0; i < num; i++)
		vq->free[i] = num - 1 - i;
	vq->nfree = num;
	return 0;
}

void vq_free(struct vq *vq)
{
	free(vq->order);
	free(vq->descs);
	free(vq->free);
	vq->order = NULL;
	vq->descs = NULL;
	vq->free = NULL;
}

/* In order, descriptors are used one after the other, for ever. */
static __u16 get_desc(struct vq *vq)
{
	vq->nfree--;
	if (vq->in_order)
		return vq->next++ & (vq->ring.num - 1);
	return vq->free[vq->nfree];
}

static void put_chain(struct vq *vq, __u16 head)
{
	__u16 i, n = vq->descs[head];

	vq->descs[head] = 0;
	if (vq->in_order) {
		vq->nfree += n;
		return;
	}
	for (i = head; n; n--) {
		vq->free[vq->nfree++] = i;
		i = vq->ring.desc[i].next;
	}
}

static void fill_desc(struct vring_desc *desc, const struct vq_sg *sg)
{
	desc->addr = sg->addr;
	desc->len = sg->len;
	desc->flags = sg->readable ? 0 : VRING_DESC_F_WRITE;
}

static void fill_table(struct vring_desc *table, const struct vq_sg *sg,
		       unsigned int n)
{
	unsigned int i;

	for (i = 0; i < n; i++) {
		fill_desc(&table[i], &sg[i]);
		if (i + 1 < n)
			table[i].flags |= VRING_DESC_F_NEXT;
		table[i].next = i + 1;
	}
}

int vq_add(struct vq *vq, const struct vq_sg *sg, unsigned int n,
	   struct vring_desc *table, __u64 table_addr)
{
	struct vq_sg indirect = {
		.addr		= table_addr,
		.len		= n * sizeof(*table),
		.readable	= true,
	};
	struct vring_desc *desc = NULL;
	unsigned int i, head = 0;
	__u16 at;

	if (table) {
		fill_table(table, sg, n);
		sg = &indirect;
		n = 1;
	}
	if (vq->nfree < n)
		return -ENOSPC;
	for (i = 0; i < n; i++) {
		at = get_desc(vq);
		if (desc) {
			desc->next = at;
			desc->flags |= VRING_DESC_F_NEXT;
		} else {
			head = at;
		}
		desc = &vq->ring.desc[at];
		fill_desc(desc, &sg[i]);
		if (table)
			desc->flags = VRING_DESC_F_INDIRECT;
	}
	vq->descs[head] = n;
	at = vq->avail++ & (vq->ring.num - 1);
	vq->order[at] = head;
	vq->ring.avail->ring[at] = head;
	return head;
}

bool vq_publish(struct vq *vq)
{
	__u16 old = vq->kicked, event;

	__atomic_store_n(&vq->ring.avail->idx, vq->avail, __ATOMIC_RELEASE);
	vq->kicked = vq->avail;
	/* The device sets its flag, then looks at the index again. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!vq->event_idx)
		return !(__atomic_load_n(&vq->ring.used->flags,
					 __ATOMIC_RELAXED) &
			 VRING_USED_F_NO_NOTIFY);
	event = __atomic_load_n(&vring_avail_event(&vq->ring),
				__ATOMIC_RELAXED);
	return vring_need_event(event, vq->avail, old);
}

__u16 vq_used_idx(const struct vq *vq)
{
	return __atomic_load_n(&vq->ring.used->idx, __ATOMIC_ACQUIRE);
}

bool vq_pending(struct vq *vq)
{
	if (vq->event_idx) {
		/* Ask for a call before looking: neither misses the other. */
		__atomic_store_n(&vring_used_event(&vq->ring), vq->seen,
				 __ATOMIC_RELAXED);
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	}
	return vq_used_idx(vq) != vq->seen;
}

unsigned int vq_out(const struct vq *vq)
{
	return (__u16)(vq->kicked - vq->seen);
}

/* An in-order device writes one entry, of the last buffer, for several. */
static void take_in_order(struct vq *vq, unsigned int oldest,
			  struct vq_used *used)
{
	if (!vq->batching)
		vq->batch = vq->ring.used->ring[vq->seen &
						(vq->ring.num - 1)];
	vq->batching = vq->batch.id != oldest;
	used->head = oldest;
	used->len = vq->batch.len;
	used->full = vq->batching;
}

int vq_take(struct vq *vq, struct vq_used *used)
{
	unsigned int slot = vq->seen & (vq->ring.num - 1);
	unsigned int oldest = vq->order[slot];

	if (!vq_pending(vq))
		return 0;
	if (vq->in_order) {
		take_in_order(vq, oldest, used);
	} else {
		used->head = vq->ring.used->ring[slot].id;
		used->len = vq->ring.used->ring[slot].len;
		used->full = false;
	}

	if (used->head >= vq->ring.num || !vq->descs[used->head]) {
		say("used entry %u is of head %u, which is not out", vq->seen,
		    used->head);
		return -1;
	}
	if (used->head != oldest) {
		if (!vq->disorder++)
			say("used entry %u is of head %u, not of %u", vq->seen,
			    used->head, oldest);
	}
	put_chain(vq, used->head);
	vq->seen++;
	return 1;
}
