// SPDX-License-Identifier: GPL-2.0-only
/*
 * Zero-copy receive: kiocbs posted by vhost-net wait in a FIFO that the driver
 * arms its descriptors from.
 *
 *   mp_rx_post()	recvmsg: pin, map, append to the FIFO
 *   mpassthru_rx_arm()	driver: the address goes into a descriptor
 *   mpassthru_rx_fill()	driver: the NIC wrote it
 *   mp_rx_complete()	read_sock: write the header, complete the kiocb
 *
 * Every posted buffer has a place for the NIC to write to.  Where that cannot
 * be the buffer itself it is a bounce page, copied on completion; the driver
 * does not know.
 *
 * Where memory of the poster is written, that is by the poster: completion
 * runs in its context (a vhost worker), never in softirq, and stopping gives
 * all that is not completed back as -ECANCELED without a look at it.
 *
 * Stopping waits for mp_queue.lock with RTNL held, and whoever wants RTNL waits
 * then.  So nothing that a poster, its user space or its memory cgroup can
 * draw out is done under mp_queue.lock: a buffer whose pages are not pinned, or
 * that needs memory to be allocated, is made ready with no lock held and only
 * appended under it, mp_rx_post_miss(); and to complete a buffer, what is not
 * there is faulted in without it, then tried again.
 *
 * Pages are pinned and mapped once for many buffers, see mpassthru_mem.c, and
 * stay so when zero-copy stops, until it is started by somebody else or the
 * device is unbound: a guest that resets its device finds them again.  Somebody
 * else unmaps them before it takes RTNL, mp_rx_start(): two processes that take
 * turns are no way to hold RTNL for long.
 *
 * Where a buffer is too short, or memory is, frames are copied for a while, and
 * then zero-copy is tried again: after a second at first, and after twice as
 * long each time that it fails again, see struct mp_backoff.
 */

#include <kunit/visibility.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <linux/pagemap.h>
#include <linux/rtnetlink.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <linux/virtio_net.h>
#include <trace/events/mpassthru.h>

#include "../net/tun_vnet.h"
#include "mpassthru.h"
#include "mpassthru_buf.h"
#include "mpassthru_mem.h"
#include "mpassthru_port.h"

/* Posted buffers at most; more are left where they are (-ENOBUFS). */
#define MP_RX_SIZE		1024

/* What a frame may lie on: one of an MTU of 9000 does at any offset. */
#define MP_SLOT_PAGES		4

/* The longest that does, see mp_rx_too_short(). */
#define MP_RX_LONGEST		((MP_SLOT_PAGES - 1) * PAGE_SIZE + 1)

/* Segments kept with the slot: of a header apart from the frame. */
#define MP_SLOT_VEC		2

/* Pages put at a time. */
#define MP_PUT_BATCH		32

/* Buffers whose pages are looked up before mp_mem.lock is let go of, for which
 * an MMU notifier may wait.
 */
#define MP_RX_LOCKED		16

/* Of one buffer, which lies on fewer pages: UIO_MAXIOV segments, and three more
 * pages of the frame.
 */
#define MP_FAULT_TRIES		4096

/* Somebody stops and starts zero-copy while a buffer is made ready for it. */
#define MP_POST_TRIES		4

/* Zero-copy is started so many times in a row, and then once in so many
 * jiffies.  Each time the ring is stopped and started, with RTNL held, and who
 * has a descriptor, or its guest, can have it stopped at once.  Enough for the
 * firmware, boot loader and kernel of a guest, each of which resets the device,
 * and for what QEMU sets meanwhile.
 */
#define MP_START_BURST		8
#define MP_START_INTERVAL	(HZ / 4)

/* A guest whose buffers are too short for so long is told of in the log. */
#define MP_SHORT_TOLD		(120 * HZ)

/**
 * struct mp_slot - what we know of the buffer at the same index of the FIFO
 * @iocb: completed with the number of bytes received
 * @vec: segments of header and longest frame, from the start of the buffer
 * @more: the same where they are more than @vec has room for, else NULL
 * @nr_segs: how many
 * @pages: pages that the NIC writes to, up to the first that is NULL; none with
 *	a bounce page
 * @bounce: what the NIC writes to, NULL when that is guest memory
 * @offset: of the frame in the first page of @pages
 * @reason: for a bounce page
 */
struct mp_slot {
	struct kiocb		*iocb;
	struct iovec		vec[MP_SLOT_VEC];
	struct iovec		*more;
	struct mp_page		*pages[MP_SLOT_PAGES];
	struct mp_bounce	*bounce;
	u16			nr_segs;
	u16			offset;
	u8			reason;
};

/**
 * struct mp_rx - a receive queue while zero-copy is on
 * @mq: whose it is
 * @hdr_sz: bytes in front of a frame
 * @data_len: longest frame in bytes
 * @mem: pinned pages, &mp_queue.mem
 * @slots: MP_RX_SIZE of them
 * @rxq: what the driver sees
 * @done: end of the completed part of the FIFO
 * @bounces: bounce pages
 *
 * What is in front of @rxq is constant while zero-copy is on.  The rest is
 * protected by mp_queue.lock, except for the driver's part of @rxq.
 */
struct mp_rx {
	struct mp_queue		*mq;
	unsigned int		hdr_sz;
	unsigned int		data_len;
	struct mp_mem		*mem;
	struct mp_slot		*slots;
	struct mpassthru_rxq	rxq;
	u32			done;
	struct mp_bounces	bounces;
};

static struct mp_slot *mp_slot(struct mp_rx *rx, u32 idx)
{
	return &rx->slots[idx & rx->rxq.mask];
}

static struct mpassthru_rxbuf *mp_rxbuf(struct mp_rx *rx, u32 idx)
{
	return &rx->rxq.bufs[idx & rx->rxq.mask];
}

/* Segments of a slot */

static const struct iovec *mp_slot_vec(const struct mp_slot *slot)
{
	return slot->more ?: slot->vec;
}

static void __user *mp_slot_start(const struct mp_slot *slot)
{
	return mp_slot_vec(slot)->iov_base;
}

static struct iov_iter mp_slot_iter(const struct mp_rx *rx,
				    const struct mp_slot *slot)
{
	struct iov_iter to;

	iov_iter_init(&to, ITER_DEST, mp_slot_vec(slot), slot->nr_segs,
		      rx->hdr_sz + rx->data_len);
	return to;
}

/* Copy the segments of the first @left bytes of @iov, which has as many.
 * Returns how many they are, or -E2BIG when these are more than @max.
 */
static int mp_vec_copy(struct iovec *vec, size_t max, const struct iovec *iov,
		       size_t left)
{
	size_t n = 0;

	for (; left; iov++) {
		if (!iov->iov_len)
			continue;
		if (n == max)
			return -E2BIG;
		vec[n].iov_base = iov->iov_base;
		vec[n].iov_len = min(left, iov->iov_len);
		left -= vec[n++].iov_len;
	}
	return n;
}

/* The segments of @chain are gone when recvmsg returns: keep those that a frame
 * of full length needs.  -E2BIG when the slot has no room: see
 * mp_slot_save_more().
 */
static int mp_slot_save(struct mp_slot *slot,
			const struct mpassthru_chain *chain, size_t need)
{
	int n;

	slot->more = NULL;
	slot->nr_segs = 1;
	if (likely(chain->iov->iov_len >= need)) {
		slot->vec[0].iov_base = chain->iov->iov_base;
		slot->vec[0].iov_len = need;
		return 0;
	}
	/* Longer frames are cut off by the NIC, shorter buffers are not for
	 * it to write to.
	 */
	if (chain->len < need)
		return -EMSGSIZE;

	n = mp_vec_copy(slot->vec, MP_SLOT_VEC, chain->iov, need);
	if (n < 0)
		return n;
	slot->nr_segs = n;
	return 0;
}

/* Charged to the poster: without locks. */
static int mp_slot_save_more(struct mp_slot *slot,
			     const struct mpassthru_chain *chain, size_t need)
{
	size_t max = min_t(size_t, chain->nr_segs, need);

	slot->more = kmalloc_objs(*slot->more, max, GFP_KERNEL_ACCOUNT);
	if (!slot->more)
		return -ENOMEM;
	slot->nr_segs = mp_vec_copy(slot->more, max, chain->iov, need);
	return 0;
}

/* Where the frame begins.  -EMSGSIZE when it would span several segments. */
static int mp_slot_frame(const struct mp_slot *slot, size_t hdr_sz,
			 size_t data_len, unsigned long *start)
{
	const struct iovec *vec = mp_slot_vec(slot);

	for (; hdr_sz >= vec->iov_len; vec++)
		hdr_sz -= vec->iov_len;
	if (vec->iov_len - hdr_sz < data_len)
		return -EMSGSIZE;

	*start = (unsigned long)vec->iov_base + hdr_sz;
	return 0;
}

/* Pages of a slot */

/* Is each page right behind the one before, for the CPU and for the NIC? */
static bool mp_pages_adjacent(struct mp_page *const *pages, int n)
{
	const struct mp_page *a, *b;

	while (--n > 0) {
		a = *pages++;
		b = *pages;
		if (page_to_pfn(a->page) + 1 != page_to_pfn(b->page) ||
		    a->dma + PAGE_SIZE != b->dma)
			return false;
	}
	return true;
}

/* Where page @i of a slot has a part of the frame. */
static unsigned int mp_slot_offset(const struct mp_slot *slot, int i)
{
	return i ? 0 : slot->offset;
}

/* How many bytes, of @len that are left of the frame there. */
static unsigned int mp_slot_part(const struct mp_slot *slot, int i,
				 unsigned int len)
{
	return min_t(unsigned int, len, PAGE_SIZE - mp_slot_offset(slot, i));
}

static void __mp_slot_sync_for_device(struct mp_rx *rx, struct mp_slot *slot)
{
	unsigned int len = rx->data_len, part;
	int i;

	if (slot->bounce) {
		dma_sync_single_for_device(rx->mem->dev, slot->bounce->dma, len,
					   DMA_FROM_DEVICE);
		return;
	}
	for (i = 0; len; i++, len -= part) {
		part = mp_slot_part(slot, i, len);
		mp_page_sync_for_device(rx->mem, slot->pages[i],
					mp_slot_offset(slot, i), part);
	}
}

static inline void mp_slot_sync_for_device(struct mp_rx *rx,
					   struct mp_slot *slot)
{
	if (unlikely(slot->bounce || slot->pages[0]->sync))
		__mp_slot_sync_for_device(rx, slot);
}

static void __mp_slot_sync_for_cpu(struct mp_rx *rx, struct mp_slot *slot,
				   unsigned int len)
{
	unsigned int part;
	int i;

	if (slot->bounce) {
		dma_sync_single_for_cpu(rx->mem->dev, slot->bounce->dma, len,
					DMA_FROM_DEVICE);
		return;
	}
	for (i = 0; len; i++, len -= part) {
		part = mp_slot_part(slot, i, len);
		mp_page_sync_for_cpu(rx->mem, slot->pages[i],
				     mp_slot_offset(slot, i), part);
	}
}

/* Make @len bytes that the NIC wrote visible.  Any context. */
static inline void mp_slot_sync_for_cpu(struct mp_rx *rx, struct mp_slot *slot,
					unsigned int len)
{
	if (unlikely(slot->bounce || slot->pages[0]->sync))
		__mp_slot_sync_for_cpu(rx, slot, len);
}

static void mp_slot_unpin(struct mp_mem *mem, struct mp_slot *slot)
{
	int n = 0;

	while (n < MP_SLOT_PAGES && slot->pages[n])
		n++;
	if (n)
		mp_pages_put(mem, slot->pages, n);
	memset(slot->pages, 0, sizeof(slot->pages));
}

/* Point the NIC at the buffer itself, whose pages are pinned.  Returns 0, or an
 * errno that says why that is not possible: -ENOENT when one is not, -EMSGSIZE
 * or -EXDEV.  With mem->lock held.
 */
static int mp_slot_find(struct mp_mem *mem, struct mp_slot *slot, size_t hdr_sz,
			size_t data_len)
{
	unsigned long start;
	int n, got = 0, err;

	err = mp_slot_frame(slot, hdr_sz, data_len, &start);
	if (unlikely(err))
		goto err_put;

	slot->offset = offset_in_page(start);
	n = DIV_ROUND_UP(slot->offset + data_len, PAGE_SIZE);
	got = mp_pages_find(mem, start, slot->pages, n);
	err = -ENOENT;
	if (unlikely(got != n))
		goto err_put;
	err = -EXDEV;
	if (!mp_pages_adjacent(slot->pages, n))
		goto err_put;
	/* The end of what is looked at of them. */
	if (n < MP_SLOT_PAGES)
		slot->pages[n] = NULL;
	return 0;

err_put:
	mp_pages_put_locked(mem, slot->pages, got);
	memset(slot->pages, 0, sizeof(slot->pages));
	return err;
}

/* The same, whose pages are pinned now.  Returns 0, -EMSGSIZE or -EXDEV, or
 * what mp_page_get() does.
 */
static int mp_slot_pin(struct mp_mem *mem, struct mp_slot *slot, size_t hdr_sz,
		       size_t data_len)
{
	unsigned long start, at;
	struct mp_page *page;
	int n = 0, err;

	memset(slot->pages, 0, sizeof(slot->pages));
	err = mp_slot_frame(slot, hdr_sz, data_len, &start);
	if (unlikely(err))
		return err;

	for (at = start & PAGE_MASK; at < start + data_len; at += PAGE_SIZE) {
		page = mp_page_get(mem, at);
		err = PTR_ERR_OR_ZERO(page);
		if (unlikely(err))
			goto err_unpin;
		slot->pages[n++] = page;
	}

	err = -EXDEV;
	if (!mp_pages_adjacent(slot->pages, n))
		goto err_unpin;

	slot->offset = offset_in_page(start);
	return 0;

err_unpin:
	mp_slot_unpin(mem, slot);
	return err;
}

static enum mp_bounce_reason mp_bounce_why(int err)
{
	switch (err) {
	case -EMSGSIZE:
		return MP_BOUNCE_FRAG;
	case -EXDEV:
		return MP_BOUNCE_CROSS;
	case -EREMOTEIO:
		return MP_BOUNCE_MASK;
	default:
		return MP_BOUNCE_PIN;
	}
}

/* End of the slots from @idx to @end, whose kiocbs may have completed: pages
 * are put in batches.
 */
static void mp_rx_release(struct mp_rx *rx, u32 idx, u32 end)
{
	struct mp_page *pages[MP_PUT_BATCH];
	struct mp_slot *slot;
	int n = 0, i;

	for (; idx != end; idx++) {
		slot = mp_slot(rx, idx);
		for (i = 0; i < MP_SLOT_PAGES && slot->pages[i]; i++)
			pages[n++] = slot->pages[i];
		if (n > MP_PUT_BATCH - MP_SLOT_PAGES) {
			mp_pages_put(rx->mem, pages, n);
			n = 0;
		}
		if (unlikely(slot->bounce))
			mp_bounce_put(&rx->bounces, slot->bounce);
		if (unlikely(slot->more))
			kfree(slot->more);
	}
	if (n)
		mp_pages_put(rx->mem, pages, n);
}

/* Lifetime */

/* Waits for nothing. */
static void mp_rx_free(struct mp_rx *rx)
{
	if (!rx)
		return;
	kvfree(rx->slots);
	kvfree(rx->rxq.bufs);
	kfree(rx);
}

/* Charged to the poster: without locks. */
static struct mp_rx *mp_rx_alloc(void)
{
	struct mp_rx *rx;

	rx = kzalloc_obj(*rx, GFP_KERNEL_ACCOUNT);
	if (!rx)
		return NULL;

	mp_bounces_init(&rx->bounces, DMA_FROM_DEVICE);
	rx->rxq.mask = MP_RX_SIZE - 1;
	rx->rxq.bufs = kvzalloc_objs(*rx->rxq.bufs, MP_RX_SIZE,
				     GFP_KERNEL_ACCOUNT);
	rx->slots = kvzalloc_objs(*rx->slots, MP_RX_SIZE, GFP_KERNEL_ACCOUNT);
	if (!rx->rxq.bufs || !rx->slots) {
		mp_rx_free(rx);
		return NULL;
	}
	return rx;
}

/* Take the memory of @mem, or go on with what there is, if that is the
 * poster's, too: then *@mem is left to the caller.  Pages of another poster,
 * mostly none by now, are unmapped while RTNL keeps the device.
 */
static int mp_rx_set_mem(struct mp_queue *mq, struct net_device *dev,
			 struct mp_mem **mem)
{
	struct mp_mem *old = mq->mem;

	if (old && mp_mem_renew(old))
		return 0;
	/* There was one just now, when it was looked whether one is needed. */
	if (!*mem)
		return -EAGAIN;

	(*mem)->dev = dev->dev.parent;
	(*mem)->net_cookie = dev_net(dev)->net_cookie;
	(*mem)->ifindex = dev->ifindex;
	(*mem)->queue = mq->index;
	mq->mem = *mem;
	*mem = NULL;
	if (old)
		mp_mem_close(old);
	return 0;
}

/* Have the driver arm the ring from @rxq, or, where that is NULL, with host
 * memory.  RTNL held.
 */
static void mp_rx_switch(struct mp_rx *rx, struct mpassthru_rxq *rxq)
{
	struct mpassthru_port *shared = rx->rxq.port;
	unsigned int queue = rx->rxq.queue;

	WRITE_ONCE(shared->rxq[queue], rxq);
	shared->drv->rx_restart(shared->dev, queue);
}

/* Is one of @batch too short to be posted?  With mp_queue.lock held.  Without
 * RTNL, and zero-copy off, the device may go, or its MTU change, at any time.
 */
static bool mp_rx_too_short(struct mp_queue *mq,
			    const struct mpassthru_batch *batch)
{
	unsigned int data_len = 0, i;
	struct mp_port *port;

	rcu_read_lock();
	port = rcu_dereference(mq->port);
	if (port)
		data_len = READ_ONCE(port->shared.data_len);
	rcu_read_unlock();
	/* It is no buffer that is missing. */
	if (!data_len)
		return false;

	if (data_len > MP_RX_LONGEST)
		return true;
	for (i = batch->taken; i < batch->nr; i++)
		if (batch->chains[i].len < mq->vnet_hdr_sz + data_len)
			return true;
	return false;
}

/* Takes over *@rx and *@mem, and sets them to NULL, when it needs them. */
static int mp_rx_start_locked(struct mp_queue *mq,
			      const struct mpassthru_batch *batch,
			      struct mp_rx **new, struct mp_mem **mem)
{
	struct mp_port *port = rtnl_dereference(mq->port);
	struct mp_rx *rx = *new;
	int err;

	if (mq->rx)
		return 0;
	if (!port)
		return -ENOTCONN;
	if (mq->detached)
		return -EAGAIN;
	/* For frames may have become longer since it was looked at. */
	if (mp_rx_too_short(mq, batch))
		return -EMSGSIZE;
	err = mp_rx_set_mem(mq, port->shared.dev, mem);
	if (err)
		return err;

	rx->hdr_sz = mq->vnet_hdr_sz;
	rx->data_len = port->shared.data_len;
	rx->mem = mq->mem;
	rx->bounces.dev = mq->mem->dev;
	rx->mq = mq;
	rx->rxq.port = &port->shared;
	rx->rxq.queue = mq->index;
	*new = NULL;

	/* No frame is queued by mp_copy_divert() that is younger.  One that is
	 * on its way there is dropped, see mp_rx_check(), and not waited for.
	 */
	mp_rx_switch(rx, &rx->rxq);
	WRITE_ONCE(mq->rx, rx);

	mp_backoff_begin(&mq->copying.backoff, get_jiffies_64());
	mq->copying.why = MP_COPY_UNPOSTED;
	mq->copying.until = 0;
	mq->copying.short_since = 0;
	return 0;
}

/* Frames are copied, and nothing is to be posted for @wait jiffies.  With
 * mp_queue.lock held.
 */
static void mp_rx_copies(struct mp_queue *mq, struct mpassthru_batch *batch,
			 enum mp_copy_reason why, unsigned int wait)
{
	mq->copying.why = why;
	mq->copying.until = get_jiffies_64() + wait;
	batch->wait = wait;
}

/* A poster that was put off, and comes before its time, has started anew: the
 * guest may have another driver now, as behind its firmware, whose buffers will
 * do.  With mp_queue.lock held.
 */
static bool mp_rx_may_start(struct mp_queue *mq, struct mpassthru_batch *batch)
{
	unsigned int wait;

	wait = mp_bucket_take(&mq->start_full, MP_START_BURST,
			      MP_START_INTERVAL);
	if (!wait)
		return true;
	mq->stats.deferred++;
	mp_rx_copies(mq, batch, MP_COPY_OFTEN, wait);
	return false;
}

/* RTNL comes before mq->lock, which the caller therefore does not hold yet. */
static int mp_rx_start(struct mp_queue *mq, struct mpassthru_batch *batch)
{
	struct mp_mem *mem = NULL, *old = NULL;
	struct mp_rx *rx = NULL;
	bool start, known;
	int err;

	/* A guest's kicks come to here: leave RTNL alone. */
	if (!rcu_access_pointer(mq->port))
		return -ENOTCONN;

	mutex_lock(&mq->lock);
	/* Somebody else was faster: no start is spent on it. */
	if (mq->rx) {
		mutex_unlock(&mq->lock);
		return 0;
	}
	known = mq->mem && mp_mem_renew(mq->mem);
	/* Nor for what mp_mem_create() would refuse. */
	if (!known && signal_pending(current)) {
		mutex_unlock(&mq->lock);
		return -EAGAIN;
	}
	start = mp_rx_may_start(mq, batch);
	if (start && mq->mem && !known) {
		/* Zero-copy is not started with it any more. */
		old = mp_mem_get(mq->mem);
		mp_mem_shut(old);
	}
	mutex_unlock(&mq->lock);
	if (!start)
		return -EAGAIN;
	if (old) {
		/* While it is mq->mem, mp_rx_unbind() sees to its device. */
		mp_mem_empty(old);
		mp_mem_put(old);
	}

	rx = mp_rx_alloc();
	if (!rx)
		return -ENOMEM;
	if (!known) {
		/* Takes mmap_lock. */
		mem = mp_mem_create(DMA_FROM_DEVICE);
		if (IS_ERR(mem)) {
			err = PTR_ERR(mem);
			mem = NULL;
			goto out;
		}
	}

	rtnl_lock();
	mutex_lock(&mq->lock);
	err = mp_rx_start_locked(mq, batch, &rx, &mem);
	mutex_unlock(&mq->lock);
	rtnl_unlock();
out:
	if (mem)
		mp_mem_close(mem);
	mp_rx_free(rx);
	/* A signal, or other work for the thread, is no failure. */
	return err == -EINTR ? -EAGAIN : err;
}

/**
 * mp_rx_stop - end zero-copy, give back what is posted
 * @mq: queue
 *
 * All kiocbs that are not completed yet complete with -ECANCELED, in order:
 * they are the last that were posted.  A frame that waits in one is lost.
 * Pages stay pinned for a while, see mp_rx_unbind().  If there were kiocbs,
 * nothing is posted before the poster has taken them back, which it tells by
 * shutdown.
 *
 * Context: process, RTNL held.  Does not touch the memory of the poster, which
 * may be gone.
 */
void mp_rx_stop(struct mp_queue *mq)
{
	struct mp_slot *slot;
	struct mp_rx *rx;
	u32 idx;

	ASSERT_RTNL();

	mutex_lock(&mq->lock);
	rx = mq->rx;
	if (!rx)
		goto out;

	/* The driver arms nothing from rxq, and no descriptor it armed before
	 * is with the NIC, when rx_restart() returns: only then may pages be
	 * unmapped and unpinned.
	 */
	mp_rx_switch(rx, NULL);

	trace_mpassthru_rx_rewind(&rx->rxq, rx->done,
				  rx->rxq.posted - rx->done);
	for (idx = rx->done; idx != rx->rxq.posted; idx++) {
		slot = mp_slot(rx, idx);
		slot->iocb->ki_complete(slot->iocb, -ECANCELED);
		mq->stats.rewound++;
		WRITE_ONCE(mq->rx_cancelled, true);
	}
	mp_backoff_end(&mq->copying.backoff, get_jiffies_64());
	mp_rx_release(rx, rx->done, rx->rxq.posted);
	mp_bounces_empty(&rx->bounces);

	WRITE_ONCE(mq->rx_readable, false);
	/* Pairs with smp_load_acquire() in mp_shutdown(): who sees that there
	 * is nothing to stop may free the kiocbs.
	 */
	smp_store_release(&mq->rx, NULL);
	mp_rx_free(rx);
out:
	mutex_unlock(&mq->lock);
	/* Whoever posted may have to notice. */
	if (rx)
		mq->sk.sk_data_ready(&mq->sk);
}
EXPORT_SYMBOL_IF_KUNIT(mp_rx_stop);

/**
 * mp_rx_resize - end zero-copy, for frames are going to have another length
 * @mq: queue
 *
 * As mp_rx_stop().  What was too short, or too much to be had, need not be so
 * for that: how often it was, and for how long, is forgotten.  The poster comes
 * back when the time is over that it was told, or when it has started anew.
 *
 * Context: process, RTNL held.
 */
void mp_rx_resize(struct mp_queue *mq)
{
	mp_rx_stop(mq);

	mutex_lock(&mq->lock);
	mq->copying.backoff = (struct mp_backoff) {};
	mq->copying.short_since = 0;
	mq->copying.told = false;
	switch (mq->copying.why) {
	case MP_COPY_SHORT:
	case MP_COPY_MTU:
	case MP_COPY_MEMORY:
		mq->copying.why = MP_COPY_UNPOSTED;
		break;
	}
	mutex_unlock(&mq->lock);
}
EXPORT_SYMBOL_IF_KUNIT(mp_rx_resize);

/**
 * mp_rx_unbind - end zero-copy for good: the device goes
 * @mq: queue
 *
 * As mp_rx_stop(); and no page is mapped for the device any more.
 *
 * Context: process, RTNL held.
 */
void mp_rx_unbind(struct mp_queue *mq)
{
	struct mp_mem *mem;

	mp_rx_stop(mq);

	mutex_lock(&mq->lock);
	mem = mq->mem;
	mq->mem = NULL;
	mutex_unlock(&mq->lock);
	if (mem)
		mp_mem_close(mem);
}
EXPORT_SYMBOL_IF_KUNIT(mp_rx_unbind);

/* Hot path */

/**
 * mp_rx_drop_queue - drop frames of copy mode that nobody is going to read
 * @mq: queue
 *
 * Context: process.
 */
void mp_rx_drop_queue(struct mp_queue *mq)
{
	struct sk_buff *skb;

	while ((skb = skb_dequeue(&mq->sk.sk_receive_queue))) {
		atomic64_inc(&mq->stats.dropped);
		kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED);
	}
}

/* How many buffers may be appended. */
static unsigned int mp_rx_room(const struct mp_rx *rx)
{
	return rx->rxq.mask + 1 - (rx->rxq.posted - rx->done);
}

/* May buffers be appended?  With mp_queue.lock held, and zero-copy on. */
static int mp_rx_check(struct mp_queue *mq, unsigned int hdr_len)
{
	struct mp_rx *rx = mq->rx;

	if (unlikely(current->mm != rx->mem->mm))
		return -EBUSY;
	if (unlikely(hdr_len != rx->hdr_sz))
		return -EAGAIN;
	if (unlikely(!skb_queue_empty_lockless(&mq->sk.sk_receive_queue))) {
		/* Received before zero-copy was on: older than what is going
		 * to be in this buffer.
		 */
		if (rx->rxq.posted == rx->done)
			return -EAGAIN;
		/* It came when the first buffer was posted already. */
		mp_rx_drop_queue(mq);
	}
	return mp_rx_room(rx) ? 0 : -ENOBUFS;
}

/* @slot, at the end of the FIFO, is complete but for the kiocb.  A driver that
 * runs out of buffers meanwhile finds it at once; one that has run out is woken
 * once for several, see mp_rx_posted().
 */
static inline void mp_rx_append(struct mp_queue *mq, struct mp_rx *rx,
				struct mp_slot *slot, struct kiocb *iocb)
{
	mp_slot_sync_for_device(rx, slot);
	slot->iocb = iocb;
	mp_rxbuf(rx, rx->rxq.posted)->dma = slot->bounce ? slot->bounce->dma :
					    slot->pages[0]->dma + slot->offset;
	trace_mpassthru_rx_post(&rx->rxq, slot->nr_segs, slot->bounce);
	mpassthru_rx_post(&rx->rxq);
	mq->stats.posted++;
}

/* Something was appended.  Drops the lock, without which nobody knows how long
 * it takes to come to the next one: the driver is woken now.
 */
static void mp_rx_posted(struct mp_queue *mq)
{
	bool wake = mpassthru_rx_wants_wake(&mq->rx->rxq);
	struct mp_port *port;

	mutex_unlock(&mq->lock);
	if (likely(!wake))
		return;

	rcu_read_lock();
	port = rcu_dereference(mq->port);
	if (port)
		port->shared.drv->rx_wake(port->shared.dev, mq->index);
	rcu_read_unlock();
}

/* May zero-copy be switched on for @batch?  With mp_queue.lock held, and
 * zero-copy off.  Returns 0, or what mp_rx_post() does.
 */
static int mp_rx_check_off(struct mp_queue *mq, struct mpassthru_batch *batch)
{
	/* A kernel thread has neither the user nor the limit to charge. */
	if (!current->mm || current->flags & PF_KTHREAD)
		return -EOPNOTSUPP;
	/* Nothing is going to be received. */
	if (READ_ONCE(mq->detached))
		return -EAGAIN;
	/* Behind buffers that were cancelled, be it of this batch or of one
	 * before, whose poster has not come to see it: it gives back all that
	 * is behind those, and frames in it would be lost.
	 */
	if (READ_ONCE(mq->rx_cancelled))
		return -EAGAIN;
	/* Copying goes on where posting is not going to. */
	if (batch->hdr_len != mq->vnet_hdr_sz) {
		mp_rx_copies(mq, batch, MP_COPY_HEADER, 0);
		return -EAGAIN;
	}
	/* Nor is it switched on and off again for a buffer that is too short:
	 * frames that come in between are lost.
	 */
	return mp_rx_too_short(mq, batch) ? -EMSGSIZE : 0;
}

/* Append one buffer, if nothing has to be pinned or allocated; else -ENOENT.
 * With mp_queue.lock and mp_mem.lock held.
 */
static int mp_rx_post_hit(struct mp_queue *mq, struct mp_rx *rx,
			  const struct mpassthru_chain *chain)
{
	struct mp_slot *slot = mp_slot(rx, rx->rxq.posted);
	int err;

	err = mp_slot_save(slot, chain, rx->hdr_sz + rx->data_len);
	if (unlikely(err))
		return err == -E2BIG ? -ENOENT : err;

	slot->bounce = NULL;
	err = mp_slot_find(rx->mem, slot, rx->hdr_sz, rx->data_len);
	if (unlikely(err)) {
		if (err == -ENOENT)
			return err;
		slot->reason = mp_bounce_why(err);
		slot->bounce = mp_bounce_take(&rx->bounces);
		if (!slot->bounce)
			return -ENOENT;
	}
	mp_rx_append(mq, rx, slot, chain->iocb);
	return 0;
}

/* Append buffers, up to the first that has something to be pinned or allocated:
 * -ENOENT; or to which something else happens that mp_rx_post() tells.
 */
static int mp_rx_post_hits(struct mp_queue *mq, struct mpassthru_batch *batch)
{
	const struct mpassthru_chain *chain = batch->chains + batch->taken;
	const struct mpassthru_chain *end = batch->chains + batch->nr, *pause;
	unsigned int room, taken;
	struct mp_rx *rx;
	int err;

	mutex_lock(&mq->lock);
	while (unlikely(!mq->rx)) {
		err = mp_rx_check_off(mq, batch);
		if (err)
			goto err_unlock;
		mutex_unlock(&mq->lock);
		err = mp_rx_start(mq, batch);
		if (err)
			return err;
		mutex_lock(&mq->lock);
	}
	rx = mq->rx;

	/* What it looks at stays as it is while the lock is held, but for
	 * frames of copy mode: they may come after it as well, and are found
	 * the next time.
	 */
	err = mp_rx_check(mq, batch->hdr_len);
	if (unlikely(err))
		goto err_unlock;

	room = mp_rx_room(rx);
	while (!err && chain != end) {
		pause = chain + min(end - chain, MP_RX_LOCKED);
		/* Once for several: neither faults nor sleeps are between. */
		spin_lock(&rx->mem->lock);
		for (; chain != pause; chain++) {
			err = room-- ? mp_rx_post_hit(mq, rx, chain) : -ENOBUFS;
			if (unlikely(err))
				break;
		}
		spin_unlock(&rx->mem->lock);
	}
	taken = chain - batch->chains;
	if (unlikely(taken == batch->taken))
		goto err_unlock;
	batch->taken = taken;
	mp_rx_posted(mq);
	return err;

err_unlock:
	mutex_unlock(&mq->lock);
	return err;
}

/**
 * struct mp_post - a buffer that is made ready without mp_queue.lock
 * @slot: what becomes its slot; @reason is set if it is going to be bounced
 * @bounce: a page for that, not mapped, or NULL: one that is there already
 * @mem: what it is pinned in, with a reference
 * @hdr_sz: as &mp_rx.hdr_sz
 * @data_len: as &mp_rx.data_len
 */
struct mp_post {
	struct mp_slot		slot;
	struct mp_bounce	*bounce;
	struct mp_mem		*mem;
	unsigned int		hdr_sz;
	unsigned int		data_len;
};

static int mp_post_begin(struct mp_queue *mq, struct mp_post *post,
			 unsigned int hdr_len)
{
	struct mp_rx *rx;
	int err;

	mutex_lock(&mq->lock);
	rx = mq->rx;
	err = rx ? mp_rx_check(mq, hdr_len) : -EAGAIN;
	if (!err) {
		*post = (struct mp_post) {
			.mem = mp_mem_get(rx->mem),
			.hdr_sz = rx->hdr_sz,
			.data_len = rx->data_len,
		};
		/* Guests recycle: twice what is posted covers those on the
		 * way.
		 */
		mp_mem_expect(rx->mem, 2 * (rx->rxq.posted - rx->done + 1) *
			      DIV_ROUND_UP(rx->data_len, PAGE_SIZE));
	}
	mutex_unlock(&mq->lock);
	return err;
}

/* With no lock held: here it may take as long as the poster's memory takes. */
static int mp_post_prepare(struct mp_post *post,
			   const struct mpassthru_chain *chain)
{
	size_t need = post->hdr_sz + post->data_len;
	int err;

	err = mp_slot_save(&post->slot, chain, need);
	if (err == -E2BIG)
		err = mp_slot_save_more(&post->slot, chain, need);
	if (err)
		return err;

	err = mp_slot_pin(post->mem, &post->slot, post->hdr_sz, post->data_len);
	/* Not there: that is for the guest to know.  -EINTR: nor will it get
	 * any frames.
	 */
	if (err == -EFAULT || err == -EINTR)
		return err;
	if (err)
		post->slot.reason = mp_bounce_why(err);
	return 0;
}

static void mp_post_end(struct mp_post *post)
{
	mp_slot_unpin(post->mem, &post->slot);
	kfree(post->slot.more);
	mp_bounce_free(post->bounce);
	mp_mem_put(post->mem);
}

/* Returns -ENOENT when what the buffer was made ready for is no more, -ENOSR
 * when a bounce page is missing.
 */
static int mp_post_append(struct mp_queue *mq, struct mp_post *post,
			  struct kiocb *iocb)
{
	struct mp_slot *slot;
	struct mp_rx *rx;
	int err;

	mutex_lock(&mq->lock);
	rx = mq->rx;
	err = -ENOENT;
	if (!rx || rx->mem != post->mem || rx->hdr_sz != post->hdr_sz ||
	    rx->data_len != post->data_len)
		goto err_unlock;
	err = mp_rx_check(mq, post->hdr_sz);
	if (err)
		goto err_unlock;
	if (post->bounce)
		err = mp_bounce_map(&rx->bounces, post->bounce);
	else if (post->slot.reason && list_empty(&rx->bounces.list))
		err = -ENOSR;
	if (err)
		goto err_unlock;

	/* All is the FIFO's now, but for the reference on @mem. */
	slot = mp_slot(rx, rx->rxq.posted);
	*slot = post->slot;
	if (post->slot.reason)
		slot->bounce = post->bounce ?: mp_bounce_take(&rx->bounces);
	post->bounce = NULL;
	post->slot.more = NULL;
	memset(post->slot.pages, 0, sizeof(post->slot.pages));
	mp_rx_append(mq, rx, slot, iocb);
	mp_rx_posted(mq);
	return 0;

err_unlock:
	mutex_unlock(&mq->lock);
	return err;
}

static noinline int mp_rx_post_miss(struct mp_queue *mq,
				    const struct mpassthru_chain *chain,
				    unsigned int hdr_len)
{
	struct mp_post post;
	int tries, err;

	for (tries = 0; tries < MP_POST_TRIES; tries++) {
		err = mp_post_begin(mq, &post, hdr_len);
		if (err)
			return err;

		err = mp_post_prepare(&post, chain);
		if (!err)
			err = mp_post_append(mq, &post, chain->iocb);
		if (err == -ENOSR) {
			post.bounce = mp_bounce_alloc(post.data_len);
			err = post.bounce ? mp_post_append(mq, &post,
							   chain->iocb) :
			      -ENOMEM;
		}
		mp_post_end(&post);
		if (likely(err != -ENOENT))
			return err == -EINTR ? -EAGAIN : err;
	}
	return -EAGAIN;
}

/* Zero-copy would go on and off for each buffer that cannot be posted, if it
 * were tried all the time.  Who is asked while it is put off, by a poster that
 * has started anew, has not tried.  With mp_queue.lock held.
 */
static void mp_rx_fail(struct mp_queue *mq, struct mpassthru_batch *batch,
		       enum mp_copy_reason why)
{
	struct mp_backoff *b = &mq->copying.backoff;
	u64 now = get_jiffies_64();

	if (mp_backoff_fail(b, now))
		mq->stats.failed++;
	mp_rx_copies(mq, batch, why, mp_backoff_left(b, now));
}

/* What is left of @batch is too short: is it that only for an MTU above 1500?
 * With mp_queue.lock held.
 */
static enum mp_copy_reason mp_rx_short_why(const struct mp_queue *mq,
					   const struct mpassthru_batch *batch)
{
	size_t need = mq->vnet_hdr_sz + mpassthru_data_len(ETH_DATA_LEN);
	unsigned int i;

	for (i = batch->taken; i < batch->nr; i++)
		if (batch->chains[i].len < need)
			return MP_COPY_SHORT;
	return MP_COPY_MTU;
}

/* Is the log to say, once, that a guest could be served better?  Firmware is
 * mostly over by then.  With mp_queue.lock held.
 */
static bool mp_rx_is_to_tell(struct mp_copying *c)
{
	u64 now = get_jiffies_64();

	if (!c->short_since)
		c->short_since = now;
	if (c->told || now - c->short_since < MP_SHORT_TOLD)
		return false;
	c->told = true;
	return net_ratelimit();
}

static void mp_rx_tell_short(struct mp_queue *mq)
{
	struct mp_port *port;

	rcu_read_lock();
	port = rcu_dereference(mq->port);
	if (port)
		pr_notice("mpassthru: %s, queue %u: zero-copy was not possible for %u s, a buffer of the guest is shorter than the %u bytes that zero-copy needs\n",
			  port->shared.dev->name, mq->index,
			  MP_SHORT_TOLD / HZ,
			  READ_ONCE(mq->vnet_hdr_sz) +
			  READ_ONCE(port->shared.data_len));
	rcu_read_unlock();
}

static void mp_rx_refused(struct mp_queue *mq, struct mpassthru_batch *batch,
			  int err)
{
	bool tell = false;

	mutex_lock(&mq->lock);
	switch (err) {
	case -EMSGSIZE:
		mp_rx_fail(mq, batch, mp_rx_short_why(mq, batch));
		/* A ring of io_uring goes on with those that are longer. */
		tell = !mq->rx && mp_rx_is_to_tell(&mq->copying);
		break;
	case -ENOMEM:
		mp_rx_fail(mq, batch, MP_COPY_MEMORY);
		break;
	case -EOPNOTSUPP:
		mp_rx_copies(mq, batch, MP_COPY_KTHREAD, 0);
		break;
	}
	mutex_unlock(&mq->lock);
	if (tell)
		mp_rx_tell_short(mq);
}

static int mp_rx_post_batch(struct mp_queue *mq, struct mpassthru_batch *batch)
{
	const struct mpassthru_chain *chain;
	int err;

	do {
		err = mp_rx_post_hits(mq, batch);
		if (likely(err != -ENOENT))
			return err;

		chain = &batch->chains[batch->taken];
		err = mp_rx_post_miss(mq, chain, batch->hdr_len);
		if (err == -EFAULT) {
			chain->iocb->ki_complete(chain->iocb, err);
			err = 0;
		}
		if (err)
			return err;
	} while (++batch->taken < batch->nr);
	return 0;
}

/**
 * mp_rx_post - append buffers to the FIFO
 * @mq: queue
 * @batch: the buffers, each of which is a header, then at least
 *	&mpassthru_port.data_len bytes.  They are taken in order, up to the
 *	first that cannot be taken now.  A kiocb is completed in
 *	mp_rx_complete() or mp_rx_stop(): its ki_complete() is called with
 *	mp_queue.lock held, and RTNL as well when it is cancelled, and may
 *	neither sleep nor take a lock that is held while posting.  Or it is
 *	completed here, without these locks, with -EFAULT: the buffer is not
 *	writable memory.
 *
 * The first one switches the device to zero-copy.
 *
 * Context: process, not a kernel thread; the address space of @batch is
 * current.  Handles faults in the buffers, and allocates memory that is charged
 * to the memory cgroup.  Takes mmap_lock, RTNL, then mp_queue.lock; the last
 * two only for what does not depend on the poster.
 * Return: 0 when all were taken, or why the next one is not:
 *
 * * -EAGAIN: not now, copy and ask again: frames wait that were received in
 *   copy mode, to be read first; zero-copy was switched on too often, or off
 *   meanwhile, which cancelled what was taken, and is not on before that was
 *   taken back, see mp_rx_stop(); the queue is detached; the header is of
 *   another length here; or a signal is pending
 * * -EMSGSIZE: the buffer is too short, or one of the batch is, and zero-copy
 *   is not on; or frames may be longer than MP_RX_LONGEST
 * * -ENOBUFS: the FIFO is full
 * * -ENOTCONN: no device is bound
 * * -EBUSY: in use from another address space
 * * -EOPNOTSUPP: from a kernel thread
 * * -ENOMEM
 *
 * With -EMSGSIZE and -ENOMEM, and with -EAGAIN where zero-copy was switched on
 * too often, the wait of @batch says for how long to copy.
 */
int mp_rx_post(struct mp_queue *mq, struct mpassthru_batch *batch)
{
	int err;

	batch->taken = 0;
	err = mp_rx_post_batch(mq, batch);
	if (unlikely(err == -EMSGSIZE || err == -ENOMEM || err == -EOPNOTSUPP))
		mp_rx_refused(mq, batch, err);
	return err;
}
EXPORT_SYMBOL_IF_KUNIT(mp_rx_post);

/* User memory that has to be faulted in before a buffer can be completed. */
struct mp_fault {
	const void __user	*addr;
	size_t			len;
	u64			nr;	/* of the buffer, see mp_rx_nr() */
};

/* Number of the first buffer that is not completed, of all that were ever
 * posted.  Its index in the FIFO is another's after a stop and a start.
 */
static u64 mp_rx_nr(const struct mp_queue *mq, const struct mp_rx *rx)
{
	return mq->stats.posted - (rx->rxq.posted - rx->done);
}

static int mp_fault_at(struct mp_fault *fault, const struct iov_iter *to)
{
	fault->addr = iter_iov_addr(to);
	fault->len = clamp(iov_iter_count(to), 1, iter_iov_len(to));
	return -EFAULT;
}

/* Did the memory of a posted buffer become another's?  Then what the NIC wrote
 * is not where the poster looks for it.
 */
static bool mp_slot_moved(const struct mp_slot *slot)
{
	int i;

	for (i = 0; i < MP_SLOT_PAGES && slot->pages[i]; i++)
		if (unlikely(READ_ONCE(slot->pages[i]->dead)))
			return true;
	return false;
}

static bool mp_slot_copy(const struct mp_slot *slot, unsigned int len,
			 struct iov_iter *to)
{
	unsigned int part;
	int i;

	if (slot->bounce)
		return copy_page_to_iter(slot->bounce->page, 0, len, to) == len;

	for (i = 0; len; i++, len -= part) {
		part = mp_slot_part(slot, i, len);
		if (copy_page_to_iter(slot->pages[i]->page,
				      mp_slot_offset(slot, i), part,
				      to) != part)
			return false;
	}
	return true;
}

/* The header goes in front of the frame only now: before, it was not known,
 * and the NIC does not write it.  There is one buffer per frame.  With @copy
 * the frame follows, which the NIC wrote to another place.  In place of a bad
 * one that is a frame for nobody: a driver may compute the length of a frame
 * from that of the header, and an empty used buffer has none (virtio 1.2,
 * 5.1.6.4; iPXE takes it for a frame of 4 GB).
 */
static int mp_slot_write(struct mp_queue *mq, struct mp_rx *rx,
			 const struct mp_slot *slot,
			 const struct mpassthru_rxbuf *buf, bool copy,
			 struct mp_fault *fault)
{
	struct virtio_net_hdr_mrg_rxbuf hdr = {
		.num_buffers = cpu_to_tun_vnet16(READ_ONCE(mq->flags), 1),
	};
	size_t len = min_t(size_t, rx->hdr_sz, sizeof(hdr));
	void __user *start = mp_slot_start(slot);
	struct iov_iter to;

	/* virtio 1.2, 5.1.6.4: only when the guest said VIRTIO_NET_F_GUEST_CSUM
	 * may there be flags, which QEMU tells us with TUNSETOFFLOAD.
	 */
	if (buf->flags & MPASSTHRU_RX_CSUM_OK &&
	    READ_ONCE(mq->features) & NETIF_F_HW_CSUM)
		hdr.hdr.flags = VIRTIO_NET_HDR_F_DATA_VALID;

	/* Twelve bytes in one piece, mostly: copy_to_iter() costs as much as
	 * all else that completes a buffer.
	 */
	if (likely(!copy && rx->hdr_sz == sizeof(hdr) &&
		   mp_slot_vec(slot)->iov_len >= sizeof(hdr))) {
		if (!user_write_access_begin(start, sizeof(hdr)))
			goto fault;
		unsafe_copy_to_user(start, (const void *)&hdr, sizeof(hdr),
				    fault_end);
		user_write_access_end();
		return 0;
	}

	to = mp_slot_iter(rx, slot);
	if (copy_to_iter(&hdr, len, &to) != len)
		return mp_fault_at(fault, &to);
	len = rx->hdr_sz - len;
	if (unlikely(buf->flags & MPASSTHRU_RX_BAD)) {
		len += ETH_ZLEN;
		copy = false;
	}
	if (unlikely(len) && iov_iter_zero(len, &to) != len)
		return mp_fault_at(fault, &to);
	if (copy && !mp_slot_copy(slot, buf->len, &to))
		return mp_fault_at(fault, &to);
	return 0;

fault_end:
	user_write_access_end();
fault:
	fault->addr = start;
	fault->len = sizeof(hdr);
	return -EFAULT;
}

static void mp_slot_bounced(struct mp_queue *mq, struct mp_rx *rx,
			    const struct mp_slot *slot, unsigned int len)
{
	enum mp_bounce_reason reason = slot->bounce ? slot->reason :
						      MP_BOUNCE_MOVED;

	mq->stats.bounced[reason]++;
	trace_mpassthru_rx_bounce(&rx->rxq, rx->done, len, reason);
}

/* Returns bytes received, or -EFAULT when @fault has to be faulted in. */
static long mp_slot_finish(struct mp_queue *mq, struct mp_rx *rx,
			   struct mp_slot *slot,
			   const struct mpassthru_rxbuf *buf,
			   struct mp_fault *fault)
{
	bool bad = buf->flags & MPASSTHRU_RX_BAD;
	bool copy = bad || slot->bounce || mp_slot_moved(slot);

	if (likely(!bad))
		mp_slot_sync_for_cpu(rx, slot, buf->len);
	if (unlikely(mp_slot_write(mq, rx, slot, buf, copy, fault)))
		return -EFAULT;

	if (unlikely(bad)) {
		mq->stats.errors++;
		return rx->hdr_sz + ETH_ZLEN;
	}
	if (likely(!copy))
		mq->stats.zerocopy++;
	else
		mp_slot_bounced(mq, rx, slot, buf->len);
	return rx->hdr_sz + buf->len;
}

/* As mp_rx_complete(), until memory has to be faulted in: then @fault says
 * which.  With @give_up set the buffer that it was for goes back empty instead.
 */
static int mp_rx_complete_present(struct mp_queue *mq, int budget, bool give_up,
				  struct mp_fault *fault)
{
	struct mp_slot *slot;
	struct mp_rx *rx;
	u32 filled, first;
	long res;
	int n = 0;

	fault->len = 0;
	mutex_lock(&mq->lock);
	rx = mq->rx;
	if (!rx || current->mm != rx->mem->mm)
		goto out;

	filled = mpassthru_rx_filled(&rx->rxq);
	first = rx->done;
	pagefault_disable();
	for (; rx->done != filled && n < budget; rx->done++, n++) {
		slot = mp_slot(rx, rx->done);
		res = mp_slot_finish(mq, rx, slot, mp_rxbuf(rx, rx->done),
				     fault);
		if (unlikely(res < 0)) {
			if (!give_up || fault->nr != mp_rx_nr(mq, rx)) {
				fault->nr = mp_rx_nr(mq, rx);
				break;
			}
			fault->len = 0;
			mq->stats.errors++;
			res = 0;
		}
		trace_mpassthru_rx_complete(&rx->rxq, rx->done, res);
		slot->iocb->ki_complete(slot->iocb, res);
	}
	pagefault_enable();
	mp_rx_release(rx, first, rx->done);
	if (rx->done == filled) {
		WRITE_ONCE(mq->rx_readable, false);
		/* Pairs with smp_mb() in mp_rx_flush(): what is not seen here
		 * as filled sets it again.
		 */
		smp_mb();
		if (mpassthru_rx_filled(&rx->rxq) != filled)
			WRITE_ONCE(mq->rx_readable, true);
	}
out:
	mutex_unlock(&mq->lock);
	return n;
}

/**
 * mp_rx_complete - complete the kiocbs of buffers that the NIC filled
 * @mq: queue
 * @budget: how many at most
 *
 * ki_complete() is called in the order of posting, with the number of bytes
 * including the header; 0 where memory ceased to be writable.
 *
 * Context: process, in the poster's address space.  Takes mp_queue.lock.
 * Return: how many were completed.
 */
int mp_rx_complete(struct mp_queue *mq, int budget)
{
	struct mp_fault fault = {};
	bool give_up = false;
	int tries = 0, n = 0, got;

	for (;;) {
		got = mp_rx_complete_present(mq, budget - n, give_up, &fault);
		n += got;
		if (likely(!fault.len))
			return n;

		/* Pages may be taken away again, but not for ever. */
		tries = got ? 0 : tries + 1;
		give_up = fault_in_safe_writeable(fault.addr, fault.len) ||
			  tries > MP_FAULT_TRIES ||
			  fatal_signal_pending(current);
	}
}
EXPORT_SYMBOL_IF_KUNIT(mp_rx_complete);

/* &mpassthru_port_ops.rx_flush */
void mp_rx_flush(struct mpassthru_rxq *rxq)
{
	struct mp_queue *mq = container_of(rxq, struct mp_rx, rxq)->mq;

	/* Pairs with smp_mb() in mp_rx_complete_present(). */
	smp_mb();
	WRITE_ONCE(mq->rx_readable, true);
	mq->sk.sk_data_ready(&mq->sk);
}
EXPORT_SYMBOL_IF_KUNIT(mp_rx_flush);

/* &mpassthru_port_ops.rx_tap: the slot is stable, the consumer does not see
 * it as filled yet.
 */
void mp_rx_tap(struct mpassthru_rxq *rxq, u32 idx, unsigned int len)
{
	struct mp_rx *rx = container_of(rxq, struct mp_rx, rxq);
	struct mp_slot *slot = mp_slot(rx, idx);
	const void *data;

	if (len < ETH_HLEN)
		return;

	mp_slot_sync_for_cpu(rx, slot, len);
	/* In one piece for the CPU, too: see mp_pages_adjacent(). */
	if (slot->bounce)
		data = page_address(slot->bounce->page);
	else
		data = page_address(slot->pages[0]->page) + slot->offset;
	netdev_mp_tap(rxq->port->dev, data, len);
}

/**
 * mp_rx_show - counters for fdinfo
 * @mq: queue
 * @m: file
 *
 * Context: process.
 */
void mp_rx_show(struct mp_queue *mq, struct seq_file *m)
{
	static const char * const names[] = {
		[MP_BOUNCE_CROSS]	= "cross",
		[MP_BOUNCE_PIN]		= "pin",
		[MP_BOUNCE_MASK]	= "mask",
		[MP_BOUNCE_FRAG]	= "frag",
		[MP_BOUNCE_MOVED]	= "moved",
	};
	static const char * const reasons[] = {
		[MP_COPY_UNPOSTED]	= "nothing posted",
		[MP_COPY_SHORT]		= "short buffers",
		[MP_COPY_MTU]		=
			"frames of this MTU need larger buffers",
		[MP_COPY_MEMORY]	= "no memory",
		[MP_COPY_OFTEN]		= "switched too often",
		[MP_COPY_HEADER]	= "header length",
		[MP_COPY_KTHREAD]	= "kernel thread",
	};
	u64 now = get_jiffies_64(), wait = 0;
	const char *why = "-";
	u32 outstanding = 0, armed = 0;
	struct mp_mem *mem;
	u64 bounced = 0;
	int i;

	mutex_lock(&mq->lock);
	mem = mq->mem;
	if (mq->rx) {
		outstanding = mq->rx->rxq.posted - mq->rx->done;
		/* In this order, or it may be less than nothing. */
		armed = mpassthru_rx_filled(&mq->rx->rxq);
		armed = READ_ONCE(mq->rx->rxq.armed) - armed;
	}
	if (!mq->rx && rcu_access_pointer(mq->port)) {
		why = READ_ONCE(mq->detached) ? "detached" :
		      reasons[mq->copying.why];
		if (mq->copying.until > now)
			wait = mq->copying.until - now;
	}
	for (i = MP_BOUNCE_NONE + 1; i < MP_BOUNCE_MAX; i++)
		bounced += mq->stats.bounced[i];

	seq_printf(m, "mp-mode:\t%s\n", mq->rx ? "zero-copy" :
		   rcu_access_pointer(mq->port) ? "copy" : "unbound");
	seq_printf(m, "mp-rx-copy-why:\t%s\n", why);
	seq_printf(m, "mp-rx-copy-ms:\t%llu\n", jiffies64_to_msecs(wait));
	seq_printf(m, "mp-rx-copy-fails:\t%llu\n", mq->stats.failed);
	seq_printf(m, "mp-deferred:\t%llu\n", mq->stats.deferred);
	seq_printf(m, "mp-posted:\t%llu\n", mq->stats.posted);
	seq_printf(m, "mp-outstanding:\t%u\n", outstanding);
	seq_printf(m, "mp-armed:\t%u\n", armed);
	seq_printf(m, "mp-zerocopy:\t%llu\n", mq->stats.zerocopy);
	seq_printf(m, "mp-bounced:\t%llu\n", bounced);
	for (i = MP_BOUNCE_NONE + 1; i < MP_BOUNCE_MAX; i++)
		seq_printf(m, "mp-bounce-%s:\t%llu\n", names[i],
			   mq->stats.bounced[i]);
	seq_printf(m, "mp-rewound:\t%llu\n", mq->stats.rewound);
	seq_printf(m, "mp-errors:\t%llu\n", mq->stats.errors);
	seq_printf(m, "mp-pinned:\t%u\n",
		   mem ? atomic_read(&mem->pinned) : 0);
	seq_printf(m, "mp-pinned-peak:\t%u\n", mem ? READ_ONCE(mem->peak) : 0);
	seq_printf(m, "mp-pin-limit:\t%u\n", mem ? READ_ONCE(mem->limit) : 0);
	seq_printf(m, "mp-pin-ghosts:\t%u\n",
		   mem ? READ_ONCE(mem->nr_ghosts) : 0);
	seq_printf(m, "mp-pin-hits:\t%llu\n", mem ? READ_ONCE(mem->hits) : 0);
	seq_printf(m, "mp-pin-misses:\t%llu\n",
		   mem ? READ_ONCE(mem->misses) : 0);
	seq_printf(m, "mp-pin-failures:\t%llu\n",
		   mem ? READ_ONCE(mem->failures) : 0);
	seq_printf(m, "mp-pin-evictions:\t%llu\n",
		   mem ? READ_ONCE(mem->evictions) : 0);
	seq_printf(m, "mp-pin-invalidations:\t%llu\n",
		   mem ? READ_ONCE(mem->invalidations) : 0);
	mutex_unlock(&mq->lock);
}
