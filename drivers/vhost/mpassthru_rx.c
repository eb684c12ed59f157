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
 * Stopping waits for mp_dev.lock with RTNL held, and how long a page fault
 * takes may be up to user space (userfaultfd, FUSE).  So none is handled under
 * mp_dev.lock: what is not there is faulted in without it, then tried again.
 *
 * Pages are pinned and mapped once for many buffers, see mpassthru_pin.c: the
 * end of a buffer unpins a page only if its mapping is gone.
 */

#include <linux/if_tun.h>
#include <linux/pagemap.h>
#include <linux/rtnetlink.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <linux/virtio_net.h>
#include <net/page_pool/helpers.h>

#include "../net/tun_vnet.h"
#include "mpassthru.h"
#include "mpassthru_pin.h"

/* Posted buffers at most; more are left where they are (-ENOBUFS). */
#define MP_RX_SIZE		1024

/* A frame fits one page (see mp_bind_check()), at any offset. */
#define MP_SLOT_PINS		2

/* Of one buffer, which may lie on as many pages as it has bytes. */
#define MP_FAULT_TRIES		4096

/**
 * struct mp_slot - what we know of the buffer at the same index of the FIFO
 * @iocb: completed with the number of bytes received
 * @iter: header and longest frame, from the start of the buffer
 * @iov: segments of @iter when there are several, else NULL
 * @pins: pages that the NIC writes to, NULL with a bounce page
 * @bounce: page that the NIC writes to, NULL when that is guest memory
 * @offset: of the frame in the first page of @pins
 * @reason: for a bounce page
 */
struct mp_slot {
	struct kiocb	*iocb;
	struct iov_iter	iter;
	struct iovec	*iov;
	struct mp_pin	*pins[MP_SLOT_PINS];
	struct page	*bounce;
	u16		offset;
	u8		reason;
};

/**
 * struct mp_rx - a receive queue while zero-copy is on
 * @rxq: what the driver sees
 * @done: end of the completed part of the FIFO
 * @hdr_sz: bytes in front of a frame, constant while zero-copy is on
 * @data_len: longest frame in bytes
 * @pins: pin cache
 * @bounces: bounce pages
 * @slots: MP_RX_SIZE of them
 *
 * Protected by mp_dev.lock, except for the driver's part of @rxq.
 */
struct mp_rx {
	struct mpassthru_rxq	rxq;
	u32			done;
	unsigned int		hdr_sz;
	unsigned int		data_len;
	struct mp_pins		*pins;
	struct page_pool	*bounces;
	struct mp_slot		*slots;
};

static struct mp_slot *mp_slot(struct mp_rx *rx, u32 idx)
{
	return &rx->slots[idx & rx->rxq.mask];
}

static struct mpassthru_rxbuf *mp_rxbuf(struct mp_rx *rx, u32 idx)
{
	return &rx->rxq.bufs[idx & rx->rxq.mask];
}

/* Memory of a slot */

static void mp_slot_unpin(struct mp_rx *rx, struct mp_slot *slot)
{
	int i;

	for (i = 0; i < MP_SLOT_PINS && slot->pins[i]; i++) {
		mp_pin_put(rx->pins, slot->pins[i]);
		slot->pins[i] = NULL;
	}
}

static void mp_slot_release(struct mp_rx *rx, struct mp_slot *slot)
{
	mp_slot_unpin(rx, slot);
	if (unlikely(slot->bounce)) {
		page_pool_put_full_page(rx->bounces, slot->bounce, false);
		slot->bounce = NULL;
	}
	if (unlikely(slot->iov)) {
		kfree(slot->iov);
		slot->iov = NULL;
	}
}

/* The segments of @to are gone when recvmsg returns: keep those that a frame
 * of full length needs.
 */
static int mp_slot_save_iov(struct mp_slot *slot, const struct iov_iter *to,
			    size_t need)
{
	struct iov_iter i = *to;
	struct iovec *iov;
	size_t left;
	int n = 0;

	iov = kmalloc_objs(*iov, min(i.nr_segs, need), GFP_KERNEL_ACCOUNT);
	if (!iov)
		return -ENOMEM;

	for (left = need; left; left -= iov[n++].iov_len) {
		while (!iter_iov_len(&i))
			iov_iter_advance(&i, 0);
		iov[n].iov_base = iter_iov_addr(&i);
		iov[n].iov_len = min(left, iter_iov_len(&i));
		iov_iter_advance(&i, iov[n].iov_len);
	}

	slot->iov = iov;
	iov_iter_init(&slot->iter, ITER_DEST, iov, n, need);
	return 0;
}

static int mp_slot_save(struct mp_rx *rx, struct mp_slot *slot,
			const struct iov_iter *to)
{
	size_t need = rx->hdr_sz + rx->data_len;

	if (!user_backed_iter(to))
		return -EINVAL;
	/* Longer frames are cut off by the NIC, shorter buffers are not for
	 * it to write to.
	 */
	if (iov_iter_count(to) < need)
		return -EMSGSIZE;

	if (unlikely(iter_iov_len(to) < need))
		return mp_slot_save_iov(slot, to, need);

	iov_iter_ubuf(&slot->iter, ITER_DEST, iter_iov_addr(to), need);
	return 0;
}

/* Is the second page right behind the first, for the CPU and for the NIC? */
static bool mp_pins_adjacent(const struct mp_pin *a, const struct mp_pin *b)
{
	return page_to_pfn(a->page) + 1 == page_to_pfn(b->page) &&
	       a->dma + PAGE_SIZE == b->dma;
}

/* The part of a frame of @len bytes that lies in the first page. */
static unsigned int mp_slot_head(const struct mp_slot *slot, unsigned int len)
{
	return min_t(unsigned int, len, PAGE_SIZE - slot->offset);
}

static void mp_slot_sync_for_device(struct mp_rx *rx, struct mp_slot *slot)
{
	unsigned int head;

	if (likely(!slot->pins[0]->sync))
		return;
	head = mp_slot_head(slot, rx->data_len);
	mp_pin_sync_for_device(rx->pins, slot->pins[0], slot->offset, head);
	if (slot->pins[1])
		mp_pin_sync_for_device(rx->pins, slot->pins[1], 0,
				       rx->data_len - head);
}

static void __mp_slot_sync_for_cpu(struct mp_rx *rx, struct mp_slot *slot,
				   unsigned int len)
{
	unsigned int head;

	if (slot->bounce) {
		page_pool_dma_sync_for_cpu(rx->bounces, slot->bounce, 0, len);
		return;
	}
	head = mp_slot_head(slot, len);
	mp_pin_sync_for_cpu(rx->pins, slot->pins[0], slot->offset, head);
	if (slot->pins[1] && len > head)
		mp_pin_sync_for_cpu(rx->pins, slot->pins[1], 0, len - head);
}

/* Make @len bytes that the NIC wrote visible.  Any context. */
static inline void mp_slot_sync_for_cpu(struct mp_rx *rx, struct mp_slot *slot,
					unsigned int len)
{
	if (unlikely(slot->bounce || slot->pins[0]->sync))
		__mp_slot_sync_for_cpu(rx, slot, len);
}

/* Point the NIC at the buffer itself.  Returns why that is not possible, or
 * -EFAULT when the caller has to fault it in.
 */
static int mp_slot_pin(struct mp_rx *rx, struct mp_slot *slot, bool faulted_in,
		       dma_addr_t *dma)
{
	struct iov_iter frame = slot->iter;
	unsigned long start, page;
	struct mp_pin *pin;
	int n = 0;

	iov_iter_advance(&frame, rx->hdr_sz);
	if (iter_iov_len(&frame) < rx->data_len)
		return MP_BOUNCE_FRAG;

	start = (unsigned long)iter_iov_addr(&frame);
	for (page = start & PAGE_MASK; page < start + rx->data_len;
	     page += PAGE_SIZE) {
		pin = mp_pin_get(rx->pins, page);
		if (IS_ERR(pin))
			goto err;
		slot->pins[n++] = pin;
	}

	if (n > 1 && !mp_pins_adjacent(slot->pins[0], slot->pins[1]))
		return MP_BOUNCE_CROSS;

	slot->offset = offset_in_page(start);
	*dma = slot->pins[0]->dma + slot->offset;
	mp_slot_sync_for_device(rx, slot);
	return MP_BOUNCE_NONE;

err:
	switch (PTR_ERR(pin)) {
	case -EREMOTEIO:
		return MP_BOUNCE_MASK;
	case -EFAULT:
		/* Memory that may be written but not be pinned for long, as a
		 * file's, can still be copied to.
		 */
		if (!faulted_in)
			return -EFAULT;
		fallthrough;
	default:
		return MP_BOUNCE_PIN;
	}
}

static int mp_slot_bounce(struct mp_rx *rx, struct mp_slot *slot,
			  dma_addr_t *dma)
{
	mp_slot_unpin(rx, slot);
	slot->bounce = page_pool_alloc_pages(rx->bounces, GFP_KERNEL);
	if (!slot->bounce)
		return -ENOMEM;

	*dma = page_pool_get_dma_addr(slot->bounce);
	return 0;
}

/* Lifetime */

static void mp_rx_destroy(struct mp_rx *rx)
{
	if (!IS_ERR_OR_NULL(rx->bounces))
		page_pool_destroy(rx->bounces);
	if (rx->pins)
		mp_pins_destroy(rx->pins);
	kvfree(rx->slots);
	kvfree(rx->rxq.bufs);
	kfree(rx);
}

/* @pins is taken over when that succeeds. */
static struct mp_rx *mp_rx_create(struct mp_dev *mp, struct device *dma_dev,
				  struct mp_pins *pins)
{
	struct page_pool_params pp = {
		.flags		= PP_FLAG_DMA_MAP | PP_FLAG_DMA_SYNC_DEV,
		.pool_size	= MP_RX_SIZE / 4,
		.nid		= NUMA_NO_NODE,
		.dev		= dma_dev,
		.dma_dir	= DMA_FROM_DEVICE,
		.max_len	= PAGE_SIZE,
	};
	struct mp_rx *rx;
	int err = -ENOMEM;

	rx = kzalloc_obj(*rx);
	if (!rx)
		return ERR_PTR(-ENOMEM);

	rx->hdr_sz = mp->vnet_hdr_sz;
	rx->data_len = mp->port.data_len;
	rx->rxq.port = &mp->port;
	rx->rxq.mask = MP_RX_SIZE - 1;
	rx->rxq.bufs = kvzalloc_objs(*rx->rxq.bufs, MP_RX_SIZE,
				     GFP_KERNEL_ACCOUNT);
	rx->slots = kvzalloc_objs(*rx->slots, MP_RX_SIZE, GFP_KERNEL_ACCOUNT);
	if (!rx->rxq.bufs || !rx->slots)
		goto err;

	rx->bounces = page_pool_create(&pp);
	if (IS_ERR(rx->bounces)) {
		err = PTR_ERR(rx->bounces);
		goto err;
	}

	pins->dev = dma_dev;
	rx->pins = pins;
	return rx;

err:
	mp_rx_destroy(rx);
	return ERR_PTR(err);
}

/* Takes over @pins, and sets it to NULL, when it needs it. */
static int mp_rx_start_locked(struct mp_dev *mp, struct mp_pins **pins)
{
	struct net_device *dev = rtnl_dereference(mp->dev);
	struct mp_rx *rx;

	if (mp->rx)
		return 0;
	if (!dev)
		return -ENOTCONN;

	rx = mp_rx_create(mp, dev->dev.parent, *pins);
	if (IS_ERR(rx))
		return PTR_ERR(rx);
	*pins = NULL;

	WRITE_ONCE(mp->port.rxq, &rx->rxq);
	mp->port.drv->rx_restart(dev, 0);

	/* mp_copy_divert() queues nothing any more that would be older than
	 * what is posted next.
	 */
	synchronize_net();
	WRITE_ONCE(mp->rx, rx);
	return 0;
}

/* RTNL comes before mp->lock, which the caller therefore does not hold yet. */
static int mp_rx_start(struct mp_dev *mp)
{
	struct mp_pins *pins;
	int err;

	/* A guest's kicks come to here: leave RTNL alone. */
	if (!rcu_access_pointer(mp->dev))
		return -ENOTCONN;
	/* A kernel thread has neither the user nor the limit to charge. */
	if (!current->mm || current->flags & PF_KTHREAD)
		return -EOPNOTSUPP;

	/* Takes mmap_lock. */
	pins = mp_pins_create();
	if (IS_ERR(pins)) {
		/* A signal, or other work for the thread, is no failure. */
		err = PTR_ERR(pins);
		return err == -EINTR ? -EAGAIN : err;
	}

	rtnl_lock();
	mutex_lock(&mp->lock);
	err = mp_rx_start_locked(mp, &pins);
	mutex_unlock(&mp->lock);
	rtnl_unlock();

	if (pins)
		mp_pins_destroy(pins);
	return err;
}

/**
 * mp_rx_stop - end zero-copy, give back what is posted
 * @mp: device
 *
 * All kiocbs that are not completed yet complete with -ECANCELED, in order:
 * they are the last that were posted.  A frame that waits in one is lost.
 *
 * Context: process, RTNL held.  Does not touch the memory of the poster, which
 * may be gone.
 */
void mp_rx_stop(struct mp_dev *mp)
{
	struct net_device *dev = rtnl_dereference(mp->dev);
	struct mp_slot *slot;
	struct mp_rx *rx;

	mutex_lock(&mp->lock);
	rx = mp->rx;
	if (!rx)
		goto out;

	/* The driver arms nothing from rxq, and no descriptor it armed before
	 * is with the NIC, when rx_restart() returns: only then may pages be
	 * unmapped and unpinned.
	 */
	WRITE_ONCE(mp->port.rxq, NULL);
	mp->port.drv->rx_restart(dev, 0);

	for (; rx->done != rx->rxq.posted; rx->done++) {
		slot = mp_slot(rx, rx->done);
		mp_slot_release(rx, slot);
		slot->iocb->ki_complete(slot->iocb, -ECANCELED);
		mp->stats.rewound++;
	}
	WRITE_ONCE(mp->rx_readable, false);
	/* Pairs with smp_load_acquire() in mp_shutdown(): who sees that there
	 * is nothing to stop may free the kiocbs.
	 */
	smp_store_release(&mp->rx, NULL);
	mp_rx_destroy(rx);
out:
	mutex_unlock(&mp->lock);
	/* Whoever posted may have to notice. */
	if (rx)
		mp->sk.sk_data_ready(&mp->sk);
}

/* Hot path */

/* As mp_rx_post(), but without @faulted_in -EFAULT says that the first @need
 * bytes of @to have to be.
 */
static int mp_rx_try_post(struct mp_dev *mp, struct kiocb *iocb,
			  struct iov_iter *to, bool faulted_in, size_t *need)
{
	struct net_device *dev;
	struct mp_slot *slot;
	dma_addr_t dma = 0;
	struct mp_rx *rx;
	bool wake;
	int err;

	mutex_lock(&mp->lock);
	while (unlikely(!mp->rx)) {
		mutex_unlock(&mp->lock);
		err = mp_rx_start(mp);
		if (err)
			return err;
		mutex_lock(&mp->lock);
	}
	rx = mp->rx;

	err = -EAGAIN;
	if (unlikely(!skb_queue_empty_lockless(&mp->sk.sk_receive_queue)))
		goto err_unlock;
	err = -EBUSY;
	if (unlikely(current->mm != rx->pins->mm))
		goto err_unlock;
	err = -ENOBUFS;
	if (rx->rxq.posted - rx->done > rx->rxq.mask)
		goto err_unlock;

	slot = mp_slot(rx, rx->rxq.posted);
	err = mp_slot_save(rx, slot, to);
	if (err)
		goto err_unlock;

	*need = iov_iter_count(&slot->iter);
	err = mp_slot_pin(rx, slot, faulted_in, &dma);
	if (unlikely(err > MP_BOUNCE_NONE)) {
		slot->reason = err;
		err = mp_slot_bounce(rx, slot, &dma);
	}
	if (unlikely(err))
		goto err_release;

	slot->iocb = iocb;
	mp_rxbuf(rx, rx->rxq.posted)->dma = dma;
	wake = mpassthru_rx_post(&rx->rxq);
	mp->stats.posted++;
	/* Guests recycle: twice what is posted covers those on the way. */
	rx->pins->soft_limit = max(rx->pins->soft_limit,
				   2 * (rx->rxq.posted - rx->done));
	mutex_unlock(&mp->lock);

	if (unlikely(wake)) {
		rcu_read_lock();
		dev = rcu_dereference(mp->dev);
		if (dev)
			mp->port.drv->rx_wake(dev, 0);
		rcu_read_unlock();
	}
	return -EIOCBQUEUED;

err_release:
	mp_slot_release(rx, slot);
err_unlock:
	mutex_unlock(&mp->lock);
	return err;
}

/**
 * mp_rx_post - append a buffer to the FIFO
 * @mp: device
 * @iocb: completed in mp_rx_complete() or mp_rx_stop().  Its ki_complete() is
 *	called with mp_dev.lock held, and RTNL as well when it is cancelled: it
 *	may neither sleep nor take a lock that is held while posting.
 * @to: the buffer: header, then at least &mpassthru_port.data_len bytes
 *
 * The first one switches the device to zero-copy.
 *
 * Context: process, not a kernel thread; the address space of @to is current.
 * Takes mmap_lock for writing, and after that RTNL, then mp_dev.lock.
 * Return: -EIOCBQUEUED, or without @iocb being queued: -EAGAIN when frames
 * wait that were received in copy mode, to be read first, or a signal is
 * pending; -EMSGSIZE when the
 * buffer is too short; -EFAULT when it is not writable memory; -ENOBUFS when
 * the FIFO is full; -ENOTCONN when no device is bound; -EBUSY when it is in use
 * from another address space; -EOPNOTSUPP from a kernel thread; -EINVAL when
 * @to is not user memory; -ENOMEM.
 */
int mp_rx_post(struct mp_dev *mp, struct kiocb *iocb, struct iov_iter *to)
{
	size_t need = 0;
	int err;

	err = mp_rx_try_post(mp, iocb, to, false, &need);
	if (likely(err != -EFAULT))
		return err;
	if (fault_in_iov_iter_writeable(to, need))
		return -EFAULT;
	return mp_rx_try_post(mp, iocb, to, true, &need);
}

/* User memory that has to be faulted in before a buffer can be completed. */
struct mp_fault {
	const void __user	*addr;
	size_t			len;
	u32			idx;	/* of the buffer, in the FIFO */
};

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

	for (i = 0; i < MP_SLOT_PINS && slot->pins[i]; i++)
		if (unlikely(READ_ONCE(slot->pins[i]->dead)))
			return true;
	return false;
}

static bool mp_slot_copy(const struct mp_slot *slot, unsigned int len,
			 struct iov_iter *to)
{
	unsigned int head;

	if (slot->bounce)
		return copy_page_to_iter(slot->bounce, 0, len, to) == len;

	head = mp_slot_head(slot, len);
	if (copy_page_to_iter(slot->pins[0]->page, slot->offset, head,
			      to) != head)
		return false;
	len -= head;
	return !len || copy_page_to_iter(slot->pins[1]->page, 0, len,
					 to) == len;
}

/* The header goes in front of the frame only now: before, it was not known,
 * and the NIC does not write it.  There is one buffer per frame.  With @copy
 * the frame follows, of which the NIC wrote to another place.
 */
static int mp_slot_write(struct mp_dev *mp, struct mp_rx *rx,
			 const struct mp_slot *slot,
			 const struct mpassthru_rxbuf *buf, bool copy,
			 struct mp_fault *fault)
{
	struct virtio_net_hdr_mrg_rxbuf hdr = {
		.num_buffers = cpu_to_tun_vnet16(READ_ONCE(mp->flags), 1),
	};
	size_t len = min_t(size_t, rx->hdr_sz, sizeof(hdr));
	void __user *start = iter_iov_addr(&slot->iter);
	struct iov_iter to;

	/* virtio 1.2, 5.1.6.4: only when the guest said VIRTIO_NET_F_GUEST_CSUM
	 * may there be flags, which QEMU tells us with TUNSETOFFLOAD.
	 */
	if (buf->flags & MPASSTHRU_RX_CSUM_OK &&
	    READ_ONCE(mp->features) & NETIF_F_HW_CSUM)
		hdr.hdr.flags = VIRTIO_NET_HDR_F_DATA_VALID;

	/* Twelve bytes in one piece, mostly: copy_to_iter() costs as much as
	 * all else that completes a buffer.
	 */
	if (likely(!copy && rx->hdr_sz == sizeof(hdr) &&
		   iter_iov_len(&slot->iter) >= sizeof(hdr))) {
		if (!user_write_access_begin(start, sizeof(hdr)))
			goto fault;
		unsafe_copy_to_user(start, (const void *)&hdr, sizeof(hdr),
				    fault_end);
		user_write_access_end();
		return 0;
	}

	to = slot->iter;
	if (copy_to_iter(&hdr, len, &to) != len)
		return mp_fault_at(fault, &to);
	len = rx->hdr_sz - len;
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

/* Returns bytes received, or -EFAULT when @fault has to be faulted in. */
static long mp_slot_finish(struct mp_dev *mp, struct mp_rx *rx,
			   struct mp_slot *slot,
			   const struct mpassthru_rxbuf *buf,
			   struct mp_fault *fault)
{
	bool copy = slot->bounce || mp_slot_moved(slot);

	if (unlikely(buf->flags & MPASSTHRU_RX_BAD)) {
		mp->stats.errors++;
		return 0;
	}
	mp_slot_sync_for_cpu(rx, slot, buf->len);
	if (unlikely(mp_slot_write(mp, rx, slot, buf, copy, fault)))
		return -EFAULT;

	if (likely(!copy))
		mp->stats.zerocopy++;
	else if (slot->bounce)
		mp->stats.bounced[slot->reason]++;
	else
		mp->stats.bounced[MP_BOUNCE_MOVED]++;
	return rx->hdr_sz + buf->len;
}

/* As mp_rx_complete(), until memory has to be faulted in: then @fault says
 * which.  With @give_up set the buffer that it was for goes back empty instead.
 */
static int mp_rx_complete_present(struct mp_dev *mp, int budget, bool give_up,
				  struct mp_fault *fault)
{
	struct mp_slot *slot;
	struct mp_rx *rx;
	u32 filled;
	long res;
	int n = 0;

	fault->len = 0;
	mutex_lock(&mp->lock);
	rx = mp->rx;
	if (!rx || current->mm != rx->pins->mm)
		goto out;

	filled = mpassthru_rx_filled(&rx->rxq);
	pagefault_disable();
	for (; rx->done != filled && n < budget; rx->done++, n++) {
		slot = mp_slot(rx, rx->done);
		res = mp_slot_finish(mp, rx, slot, mp_rxbuf(rx, rx->done),
				     fault);
		if (unlikely(res < 0)) {
			if (!give_up || fault->idx != rx->done) {
				fault->idx = rx->done;
				break;
			}
			fault->len = 0;
			mp->stats.errors++;
			res = 0;
		}
		mp_slot_release(rx, slot);
		slot->iocb->ki_complete(slot->iocb, res);
	}
	pagefault_enable();
	if (rx->done == filled) {
		WRITE_ONCE(mp->rx_readable, false);
		/* Pairs with smp_mb() in mp_rx_flush(): what is not seen here
		 * as filled sets it again.
		 */
		smp_mb();
		if (mpassthru_rx_filled(&rx->rxq) != filled)
			WRITE_ONCE(mp->rx_readable, true);
	}
out:
	mutex_unlock(&mp->lock);
	return n;
}

/**
 * mp_rx_complete - complete the kiocbs of buffers that the NIC filled
 * @mp: device
 * @budget: how many at most
 *
 * ki_complete() is called in the order of posting, with the number of bytes
 * including the header, or 0 for a buffer that goes back empty.
 *
 * Context: process, in the poster's address space.  Takes mp_dev.lock.
 * Return: how many were completed.
 */
int mp_rx_complete(struct mp_dev *mp, int budget)
{
	struct mp_fault fault = {};
	bool give_up = false;
	int tries = 0, n = 0, got;

	for (;;) {
		got = mp_rx_complete_present(mp, budget - n, give_up, &fault);
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

/* &mpassthru_port_ops.rx_flush */
void mp_rx_flush(struct mpassthru_rxq *rxq)
{
	struct mp_dev *mp = mp_from_port(rxq->port);

	/* Pairs with smp_mb() in mp_rx_complete_present(). */
	smp_mb();
	WRITE_ONCE(mp->rx_readable, true);
	mp->sk.sk_data_ready(&mp->sk);
}

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
	if (slot->bounce)
		data = page_address(slot->bounce);
	else
		data = page_address(slot->pins[0]->page) + slot->offset;
	netdev_mp_tap(rxq->port->dev, data, len);
}

/**
 * mp_rx_show - counters for fdinfo
 * @mp: device
 * @m: file
 *
 * Context: process.
 */
void mp_rx_show(struct mp_dev *mp, struct seq_file *m)
{
	static const char * const names[] = {
		[MP_BOUNCE_CROSS]	= "cross",
		[MP_BOUNCE_PIN]		= "pin",
		[MP_BOUNCE_MASK]	= "mask",
		[MP_BOUNCE_FRAG]	= "frag",
		[MP_BOUNCE_MOVED]	= "moved",
	};
	u32 outstanding = 0, armed = 0;
	struct mp_pins *pins = NULL;
	u64 bounced = 0;
	int i;

	mutex_lock(&mp->lock);
	if (mp->rx) {
		pins = mp->rx->pins;
		outstanding = mp->rx->rxq.posted - mp->rx->done;
		/* In this order, or it may be less than nothing. */
		armed = mpassthru_rx_filled(&mp->rx->rxq);
		armed = READ_ONCE(mp->rx->rxq.armed) - armed;
	}
	for (i = MP_BOUNCE_NONE + 1; i < MP_BOUNCE_MAX; i++)
		bounced += mp->stats.bounced[i];

	seq_printf(m, "mp-mode:\t%s\n", pins ? "zero-copy" :
		   rcu_access_pointer(mp->dev) ? "copy" : "unbound");
	seq_printf(m, "mp-posted:\t%llu\n", mp->stats.posted);
	seq_printf(m, "mp-outstanding:\t%u\n", outstanding);
	seq_printf(m, "mp-armed:\t%u\n", armed);
	seq_printf(m, "mp-zerocopy:\t%llu\n", mp->stats.zerocopy);
	seq_printf(m, "mp-bounced:\t%llu\n", bounced);
	for (i = MP_BOUNCE_NONE + 1; i < MP_BOUNCE_MAX; i++)
		seq_printf(m, "mp-bounce-%s:\t%llu\n", names[i],
			   mp->stats.bounced[i]);
	seq_printf(m, "mp-rewound:\t%llu\n", mp->stats.rewound);
	seq_printf(m, "mp-errors:\t%llu\n", mp->stats.errors);
	seq_printf(m, "mp-pinned:\t%u\n",
		   pins ? atomic_read(&pins->pinned) : 0);
	seq_printf(m, "mp-pinned-peak:\t%u\n", pins ? pins->peak : 0);
	seq_printf(m, "mp-pin-hits:\t%llu\n", pins ? pins->hits : 0);
	seq_printf(m, "mp-pin-misses:\t%llu\n", pins ? pins->misses : 0);
	seq_printf(m, "mp-pin-evictions:\t%llu\n", pins ? pins->evictions : 0);
	seq_printf(m, "mp-pin-invalidations:\t%llu\n",
		   pins ? READ_ONCE(pins->invalidations) : 0);
	mutex_unlock(&mp->lock);
}
