// SPDX-License-Identifier: GPL-2.0-only
/*
 * Zero-copy transmit: frames that vhost-net hands over, a batch at a time and
 * each with a kiocb, leave by DMA from the guest's own pages.
 *
 *   mp_tx_post()	sendmsg: parse, pin, map, append to the FIFO
 *   mp_tx_flush()	sendmsg of nothing: doorbell, complete what was sent
 *   mpassthru_tx_next()	driver: segments go into descriptors
 *   mpassthru_tx_done()	driver: the NIC has read them
 *
 * A frame is a header buffer of the host, mapped for good, and segments of the
 * guest's memory.  Headers are copied before they are parsed, and are sent from
 * that copy.  A frame of up to MP_TX_WHOLE bytes is copied whole: that costs
 * less than to look a page up, and the guest has its memory back at once.  A
 * part of a frame that lies in a page that cannot be pinned is copied to a
 * bounce page.
 *
 * Kiocbs complete in the order of posting, by mp_tx_flush() or mp_tx_stop(),
 * and frames leave in that order: they are pushed to one ring.  A frame that
 * the NIC cannot send as it is, and each of them while somebody wants to see
 * what the device sends, is an skb of mpassthru_copy.c.  It goes only when all
 * that was posted before is in the ring, and nothing is posted again before it
 * has left the ring: by the qdisc and by other queues it could be overtaken.
 *
 * The FIFO stays from the first frame until the device is unbound: a guest that
 * stops and starts costs it nothing but the wait for what the NIC has.
 *
 * Locks.  mp_queue.tx_lock serialises posting, completing and stopping.  It
 * nests inside RTNL, and RTNL's holder waits for it: nothing that a poster can
 * draw out is done under it, but for the wait of mp_tx_stop(), which has an
 * end.  What has to be faulted in, pinned or allocated is made ready without
 * it, mp_tx_post_miss().
 */

#include <kunit/visibility.h>
#include <linux/if_ether.h>
#include <linux/if_tun.h>
#include <linux/if_vlan.h>
#include <linux/pagemap.h>
#include <linux/rtnetlink.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <linux/unaligned.h>
#include <linux/virtio_net.h>
#include <net/ip.h>
#include <trace/events/mpassthru.h>

#include "../net/tun_vnet.h"
#include "mpassthru.h"
#include "mpassthru_buf.h"
#include "mpassthru_mem.h"
#include "mpassthru_offload.h"
#include "mpassthru_port.h"

/* Frames in the FIFO, and their segments. */
#define MP_TX_SIZE		512
#define MP_TX_SEGS		4096

/* Up to so many bytes a frame is copied whole. */
#define MP_TX_WHOLE		256

/* Longest frame, to be cut by the NIC: what an IP header can tell. */
#define MP_TX_LONGEST		(IP_MAX_MTU + VLAN_ETH_HLEN)

/* Header buffers in a page. */
#define MP_TX_HDRS		(PAGE_SIZE / MP_TX_WHOLE)
#define MP_TX_HDR_PAGES		DIV_ROUND_UP(MP_TX_SIZE, MP_TX_HDRS)

/* Pages put at a time. */
#define MP_TX_PUT_BATCH		64

/* Somebody stops or unbinds while a frame is made ready. */
#define MP_TX_TRIES		4

/* After a frame that the NIC cannot send, skbs are made for so long: each
 * change of the way waits until the ring is empty.
 */
#define MP_TX_COPY_TIME		(HZ / 50)

/* How long a queue that stops waits for the NIC to send a frame, in ms. */
#define MP_TX_STOP_WAIT		50

/**
 * struct mp_txbuf - what a segment, or a part of one, lies in
 * @page: of the guest, or NULL
 * @bounce: in place of it, or NULL
 */
struct mp_txbuf {
	struct mp_page		*page;
	struct mp_bounce	*bounce;
};

/**
 * struct mp_txslot - what we know of the frame at the same index of the FIFO
 * @iocb: completed with @res; NULL when that was done at once
 * @res: bytes, with the virtio-net header
 * @buf: index of its first in &mp_tx.bufs, free-running
 * @nr_bufs: how many
 */
struct mp_txslot {
	struct kiocb	*iocb;
	u32		res;
	u32		buf;
	u32		nr_bufs;
};

/**
 * struct mp_tx - a transmit queue
 * @mq: whose it is, constant
 * @slots: MP_TX_SIZE of them, constant
 * @bufs: MP_TX_SEGS of them, constant
 * @txq: what the driver sees
 * @reaped: end of the frames that were completed
 * @kicked: end of the frames that the driver was told of
 * @waiting: kiocbs that are not completed
 * @seg: end of the segments in use
 * @buf: end of the bufs in use
 * @mem: pinned pages
 * @bounces: bounce pages
 * @hdrs: pages of header buffers
 * @hdr_dma: their addresses
 * @hdrs_mapped: how many of them are mapped
 * @sync: the NIC sees what the CPU wrote after a sync only
 * @renewed: the limits of @mem are those of today, or were when it was first
 *	posted after a stop, or by who has claimed the direction
 *
 * Protected by mp_queue.tx_lock, except for the driver's part of @txq.  The
 * driver may look at that until an RCU grace period after mp_tx_unbind().
 */
struct mp_tx {
	struct mp_queue		*mq;
	struct mp_txslot	*slots;
	struct mp_txbuf		*bufs;
	struct mpassthru_txq	txq;
	u32			reaped;
	u32			kicked;
	u32			waiting;
	u32			seg;
	u32			buf;
	struct mp_mem		*mem;
	struct mp_bounces	bounces;
	struct page		*hdrs[MP_TX_HDR_PAGES];
	dma_addr_t		hdr_dma[MP_TX_HDR_PAGES];
	unsigned int		hdrs_mapped;
	bool			sync;
	bool			renewed;
};

static struct mp_txslot *mp_txslot(struct mp_tx *tx, u32 idx)
{
	return &tx->slots[idx & tx->txq.mask];
}

static struct mpassthru_txframe *mp_txframe(struct mp_tx *tx, u32 idx)
{
	return &tx->txq.frames[idx & tx->txq.mask];
}

static struct mp_txbuf *mp_txbuf(struct mp_tx *tx, u32 idx)
{
	return &tx->bufs[idx & tx->txq.seg_mask];
}

static void *mp_tx_hdr(struct mp_tx *tx, u32 idx)
{
	idx &= tx->txq.mask;
	return page_address(tx->hdrs[idx / MP_TX_HDRS]) +
	       idx % MP_TX_HDRS * MP_TX_WHOLE;
}

static dma_addr_t mp_tx_hdr_dma(struct mp_tx *tx, u32 idx)
{
	idx &= tx->txq.mask;
	return tx->hdr_dma[idx / MP_TX_HDRS] + idx % MP_TX_HDRS * MP_TX_WHOLE;
}

/* Lifetime */

/**
 * mp_tx_free - free a queue that was stopped for good
 * @tx: from mp_tx_unbind(), or NULL
 *
 * Context: process, an RCU grace period after mp_tx_unbind().
 */
void mp_tx_free(struct mp_tx *tx)
{
	int i;

	if (!tx)
		return;
	for (i = 0; i < MP_TX_HDR_PAGES; i++)
		if (tx->hdrs[i])
			__free_page(tx->hdrs[i]);
	kvfree(tx->bufs);
	kvfree(tx->slots);
	kvfree(tx->txq.segs);
	kvfree(tx->txq.frames);
	kfree(tx);
}
EXPORT_SYMBOL_IF_KUNIT(mp_tx_free);

/* Charged to the poster: without locks. */
static struct mp_tx *mp_tx_alloc(void)
{
	struct mp_tx *tx;
	int i;

	tx = kzalloc_obj(*tx, GFP_KERNEL_ACCOUNT);
	if (!tx)
		return NULL;

	mp_bounces_init(&tx->bounces, DMA_TO_DEVICE);
	tx->txq.mask = MP_TX_SIZE - 1;
	tx->txq.seg_mask = MP_TX_SEGS - 1;
	tx->txq.frames = kvzalloc_objs(*tx->txq.frames, MP_TX_SIZE,
				       GFP_KERNEL_ACCOUNT);
	tx->txq.segs = kvzalloc_objs(*tx->txq.segs, MP_TX_SEGS,
				     GFP_KERNEL_ACCOUNT);
	tx->slots = kvzalloc_objs(*tx->slots, MP_TX_SIZE, GFP_KERNEL_ACCOUNT);
	tx->bufs = kvzalloc_objs(*tx->bufs, MP_TX_SEGS, GFP_KERNEL_ACCOUNT);
	if (!tx->txq.frames || !tx->txq.segs || !tx->slots || !tx->bufs)
		goto err_free;
	for (i = 0; i < MP_TX_HDR_PAGES; i++) {
		tx->hdrs[i] = alloc_page(GFP_KERNEL_ACCOUNT);
		if (!tx->hdrs[i])
			goto err_free;
	}
	return tx;

err_free:
	mp_tx_free(tx);
	return NULL;
}

static void mp_tx_unmap_hdrs(struct mp_tx *tx)
{
	while (tx->hdrs_mapped)
		dma_unmap_page(tx->bounces.dev, tx->hdr_dma[--tx->hdrs_mapped],
			       PAGE_SIZE, DMA_TO_DEVICE);
}

static int mp_tx_map_hdrs(struct mp_tx *tx)
{
	struct device *dev = tx->bounces.dev;
	dma_addr_t *dma;

	for (; tx->hdrs_mapped < MP_TX_HDR_PAGES; tx->hdrs_mapped++) {
		dma = &tx->hdr_dma[tx->hdrs_mapped];
		*dma = dma_map_page(dev, tx->hdrs[tx->hdrs_mapped], 0,
				    PAGE_SIZE, DMA_TO_DEVICE);
		if (dma_mapping_error(dev, *dma)) {
			mp_tx_unmap_hdrs(tx);
			return -ENOMEM;
		}
		tx->sync |= dma_need_sync(dev, *dma);
	}
	return 0;
}

/* With tx_lock held, under which mp_tx_unbind() comes before the port goes. */
static struct mpassthru_port *mp_tx_port(struct mp_queue *mq)
{
	struct mp_port *port = rcu_dereference_check(mq->port,
					lockdep_is_held(&mq->tx_lock));

	return port && !mq->tx_unbound ? &port->shared : NULL;
}

static struct mp_port *mp_tx_holder(struct mp_tx *tx)
{
	return container_of(tx->txq.port, struct mp_port, shared);
}

/* With tx_lock held. */
static int mp_tx_may_start(struct mp_queue *mq)
{
	struct mpassthru_port *shared = mp_tx_port(mq);

	if (!shared)
		return -ENOTCONN;
	if (!shared->tx_segs)
		return -EOPNOTSUPP;
	/* Unbound and bound again while the poster looked away: a frame sent
	 * now would be ahead of those that it has to take back.
	 */
	if (mq->tx_cancelled)
		return -EAGAIN;
	/* From another address space. */
	if (mq->tx && mq->tx->waiting)
		return -EBUSY;
	return 0;
}

/* Takes over *@new and *@mem, and sets them to NULL, when it needs them. */
static int mp_tx_start_locked(struct mp_queue *mq, struct mp_tx **new,
			      struct mp_mem **mem)
{
	struct mpassthru_port *shared = mp_tx_port(mq);
	struct mp_tx *tx = mq->tx;
	int err;

	err = mp_tx_may_start(mq);
	if (err)
		return err;
	(*mem)->dev = shared->dev->dev.parent;
	(*mem)->net_cookie = dev_net(shared->dev)->net_cookie;
	(*mem)->ifindex = shared->dev->ifindex;
	(*mem)->queue = mq->index;
	if (tx) {
		/* Another address space: see mp_tx_start(). */
		swap(tx->mem, *mem);
		tx->renewed = true;
		return 0;
	}

	tx = *new;
	tx->bounces.dev = shared->dev->dev.parent;
	err = mp_tx_map_hdrs(tx);
	if (err)
		return err;
	tx->mem = *mem;
	tx->renewed = true;
	*mem = NULL;
	*new = NULL;
	tx->mq = mq;
	tx->txq.port = shared;
	tx->txq.queue = mq->index;
	mq->tx = tx;
	rcu_assign_pointer(shared->txq[mq->index], &tx->txq);
	return 0;
}

/* With no lock held: allocates, and takes mmap_lock. */
static int mp_tx_start(struct mp_queue *mq)
{
	struct mp_mem *mem, *old = NULL;
	struct mp_tx *tx;
	int err;

	/* A kernel thread has neither the user nor the limit to charge. */
	if (!current->mm || current->flags & PF_KTHREAD)
		return -EOPNOTSUPP;

	mutex_lock(&mq->tx_lock);
	err = mp_tx_may_start(mq);
	/* While it is that of the queue, mp_tx_unbind() sees to its device. */
	if (!err && mq->tx) {
		old = mp_mem_get(mq->tx->mem);
		mp_mem_shut(old);
	}
	mutex_unlock(&mq->tx_lock);
	if (err)
		return err;
	if (old) {
		mp_mem_empty(old);
		mp_mem_put(old);
	}

	tx = mp_tx_alloc();
	mem = mp_mem_create(DMA_TO_DEVICE);
	if (!tx || IS_ERR(mem)) {
		err = tx ? PTR_ERR(mem) : -ENOMEM;
		if (!IS_ERR(mem))
			mp_mem_close(mem);
		mem = NULL;
		goto out;
	}

	mutex_lock(&mq->tx_lock);
	err = mp_tx_start_locked(mq, &tx, &mem);
	/* An old one, which is empty by now, or that which nobody needs. */
	if (mem)
		mp_mem_close(mem);
	mutex_unlock(&mq->tx_lock);
out:
	mp_tx_free(tx);
	/* A signal, or other work for the thread, is no failure. */
	return err == -EINTR ? -EAGAIN : err;
}

/**
 * mp_tx_is_ours - has zero-copy begun, for the address space of the caller
 * @mq: queue
 *
 * Context: process.
 * Return: true if so
 */
bool mp_tx_is_ours(struct mp_queue *mq)
{
	bool ours;

	mutex_lock(&mq->tx_lock);
	ours = mq->tx && mp_mem_renew(mq->tx->mem);
	mutex_unlock(&mq->tx_lock);
	return ours;
}

/**
 * mp_tx_renew - have who sends next read its limits anew
 * @mq: queue, to be posted to by another claimer from now on
 *
 * Context: process, takes mp_queue.tx_lock.
 */
void mp_tx_renew(struct mp_queue *mq)
{
	mutex_lock(&mq->tx_lock);
	if (mq->tx)
		mq->tx->renewed = false;
	mutex_unlock(&mq->tx_lock);
}

/* Completion */

/* The frames from @idx to @end are finished with: put what they lay in. */
static void mp_tx_release(struct mp_tx *tx, u32 idx, u32 end)
{
	struct mp_page *pages[MP_TX_PUT_BATCH];
	struct mp_txslot *slot;
	struct mp_txbuf *buf;
	int n = 0;
	u32 i;

	for (; idx != end; idx++) {
		slot = mp_txslot(tx, idx);
		for (i = 0; i < slot->nr_bufs; i++) {
			buf = mp_txbuf(tx, slot->buf + i);
			if (likely(buf->page))
				pages[n++] = buf->page;
			else
				mp_bounce_put(&tx->bounces, buf->bounce);
			if (n == MP_TX_PUT_BATCH) {
				mp_pages_put(tx->mem, pages, n);
				n = 0;
			}
		}
	}
	if (n)
		mp_pages_put(tx->mem, pages, n);
}

static void mp_tx_complete_one(struct mp_tx *tx, struct mp_txslot *slot,
			       long res)
{
	if (!slot->iocb)
		return;
	tx->waiting--;
	slot->iocb->ki_complete(slot->iocb, res);
}

/* Complete what the NIC has sent.  Returns how many kiocbs that were. */
static unsigned int mp_tx_reap(struct mp_tx *tx)
{
	u32 sent = mpassthru_tx_sent(&tx->txq), was = tx->waiting, idx;
	struct mp_txslot *slot;

	trace_mpassthru_tx_complete(&tx->txq, tx->reaped, sent - tx->reaped);
	mp_tx_release(tx, tx->reaped, sent);
	for (idx = tx->reaped; idx != sent; idx++) {
		slot = mp_txslot(tx, idx);
		mp_tx_complete_one(tx, slot, slot->res);
	}
	tx->reaped = sent;
	return was - tx->waiting;
}

/* Segments and bufs in use begin with those of the oldest frame. */
static u32 mp_tx_first_seg(struct mp_tx *tx)
{
	return tx->reaped == tx->txq.posted ? tx->seg :
	       mp_txframe(tx, tx->reaped)->first;
}

static u32 mp_tx_first_buf(struct mp_tx *tx)
{
	return tx->reaped == tx->txq.posted ? tx->buf :
	       mp_txslot(tx, tx->reaped)->buf;
}

/* So many frames fit for sure, each with the most segments that one may have
 * and that of its header.  More may, when they had fewer: look again then.
 */
static unsigned int mp_tx_room(struct mp_tx *tx)
{
	u32 segs = max(tx->seg - mp_tx_first_seg(tx),
		       tx->buf - mp_tx_first_buf(tx));

	return min(tx->txq.mask + 1 - (tx->txq.posted - tx->reaped),
		   (MP_TX_SEGS - segs) / (MPASSTHRU_TX_SEGS + 1));
}

/* Tell the driver of what was posted, and have it look what has been sent. */
static void mp_tx_kick(struct mp_tx *tx)
{
	struct mpassthru_port *shared = tx->txq.port;

	tx->kicked = tx->txq.posted;
	/* NAPI may run when softirqs are enabled again: with tx_lock held,
	 * which it does not take.
	 */
	local_bh_disable();
	rcu_read_lock();
	netdev_mp_tx_kick(shared->dev, tx->txq.queue);
	rcu_read_unlock();
	local_bh_enable();
}

/* Is what was posted in the ring, for skbs not to overtake it? */
static bool mp_tx_is_pushed(struct mp_tx *tx)
{
	return tx->txq.posted == READ_ONCE(tx->txq.pushed);
}

/* Is there something that has to be waited for? */
static bool mp_tx_must_wait(struct mp_queue *mq, struct mp_tx *tx)
{
	return tx->waiting || !mp_tx_is_pushed(tx) || !mp_tx_room(tx) ||
	       READ_ONCE(mq->tx_wants_idle);
}

/**
 * mp_tx_flush - ring the doorbell, and complete what has been sent
 * @mq: queue
 *
 * The socket becomes writable when there is more to complete, or room.
 *
 * Context: process.  Takes mp_queue.tx_lock.
 * Return: kiocbs completed.
 */
int mp_tx_flush(struct mp_queue *mq)
{
	struct mp_tx *tx;
	int n = 0;

	mutex_lock(&mq->tx_lock);
	tx = mq->tx;
	if (!tx)
		goto out;

	if (tx->kicked != tx->txq.posted || tx->waiting)
		mp_tx_kick(tx);
	do {
		n += mp_tx_reap(tx);
		/* Seen by mp_poll(); set before the flag that has the driver
		 * call mp_tx_wake().
		 */
		smp_store_release(&mq->tx_waits, mp_tx_must_wait(mq, tx));
		if (!mq->tx_waits)
			break;
	} while (!mpassthru_tx_wait(&tx->txq, tx->reaped));
	/* Of no more use when nothing is waited for: left set, it costs one
	 * wake-up at most.
	 */
out:
	mutex_unlock(&mq->tx_lock);
	return n;
}
EXPORT_SYMBOL_IF_KUNIT(mp_tx_flush);

/* &mpassthru_port_ops.tx_flush */
void mp_tx_wake(struct mpassthru_txq *txq)
{
	struct mp_queue *mq = container_of(txq, struct mp_tx, txq)->mq;

	WRITE_ONCE(mq->tx_waits, false);
	mp_sock_writable(mq);
}
EXPORT_SYMBOL_IF_KUNIT(mp_tx_wake);

/* Posting */

/**
 * struct mp_txhead - what is copied of a frame before it is parsed
 * @offload: the virtio-net header
 * @hdrs: bytes of @data that are headers
 * @have: bytes of @data
 * @len: bytes of the frame
 * @data: its beginning, with room for MP_TX_WHOLE bytes
 * @iov: the segment with what follows that
 * @skip: where in @iov, in bytes
 */
struct mp_txhead {
	struct mp_offload	offload;
	unsigned int		hdrs;
	unsigned int		have;
	unsigned int		len;
	void			*data;
	const struct iovec	*iov;
	size_t			skip;
};

/* Copy the next @len bytes, which are there, to @to; with NULL skip them. */
static bool mp_txhead_next(struct mp_txhead *head, void *to, size_t len)
{
	size_t n;

	while (len) {
		n = min(len, head->iov->iov_len - head->skip);
		if (!n) {
			head->iov++;
			head->skip = 0;
			continue;
		}
		if (to) {
			if (copy_from_user(to, head->iov->iov_base + head->skip,
					   n))
				return false;
			to += n;
		}
		head->skip += n;
		len -= n;
	}
	return true;
}

static bool mp_txhead_copy(struct mp_txhead *head, unsigned int need)
{
	if (!mp_txhead_next(head, head->data + head->have, need - head->have))
		return false;
	head->have = need;
	return true;
}

/* The NIC would pad a short frame, but not one of less than 17 bytes.  Where it
 * works on the headers, there are more.
 */
static void mp_txhead_pad(struct mp_txhead *head)
{
	if (head->len >= ETH_ZLEN ||
	    head->offload.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)
		return;
	memset(head->data + head->len, 0, ETH_ZLEN - head->len);
	head->len = ETH_ZLEN;
	head->have = ETH_ZLEN;
}

/* Of a constant, even length, for it to take a handful of instructions. */
static __always_inline bool mp_copy_head(void *to, const void __user *from,
					 size_t len)
{
	u64 v64;
	u32 v32;
	u16 v16;

	BUILD_BUG_ON(!__builtin_constant_p(len) || len % sizeof(v16));
	if (!IS_ENABLED(CONFIG_HAVE_EFFICIENT_UNALIGNED_ACCESS))
		return !copy_from_user(to, from, len);
	if (!user_read_access_begin(from, len))
		return false;

	for (; len >= sizeof(v64); len -= sizeof(v64)) {
		unsafe_get_user(v64, (const u64 __user *)from, fault);
		put_unaligned(v64, (u64 *)to);
		to += sizeof(v64);
		from += sizeof(v64);
	}
	if (len & sizeof(v32)) {
		unsafe_get_user(v32, (const u32 __user *)from, fault);
		put_unaligned(v32, (u32 *)to);
		to += sizeof(v32);
		from += sizeof(v32);
	}
	if (len & sizeof(v16)) {
		unsafe_get_user(v16, (const u16 __user *)from, fault);
		put_unaligned(v16, (u16 *)to);
	}
	user_read_access_end();
	return true;

fault:
	user_read_access_end();
	return false;
}

/* What every frame has to have copied: its virtio-net header, and the frame
 * when it is short, or else the beginning of its headers.
 */
static bool mp_txhead_begin(struct mp_txhead *head, struct virtio_net_hdr *hdr,
			    unsigned int hdr_sz)
{
	unsigned int need = head->len <= MP_TX_WHOLE ? head->len : ETH_HLEN;
	const void __user *start = head->iov->iov_base;

	if (likely(head->iov->iov_len >= hdr_sz + need)) {
		if (!mp_copy_head(hdr, start, sizeof(*hdr)))
			return false;
		start += hdr_sz;
		if (need == ETH_HLEN ?
		    !mp_copy_head(head->data, start, ETH_HLEN) :
		    copy_from_user(head->data, start, need))
			return false;
		head->skip = hdr_sz + need;
		head->have = need;
		return true;
	}

	return mp_txhead_next(head, hdr, sizeof(*hdr)) &&
	       mp_txhead_next(head, NULL, hdr_sz - sizeof(*hdr)) &&
	       mp_txhead_copy(head, need);
}

/* Copy to head->data.  -EFAULT when memory is not there, or has to be faulted
 * in where that is disabled.
 */
static int mp_txhead_read(struct mp_queue *mq, struct mp_txhead *head,
			  const struct mpassthru_chain *chain,
			  unsigned int hdr_sz)
{
	unsigned int flags = READ_ONCE(mq->flags);
	struct virtio_net_hdr hdr;
	int need;

	if (chain->len < hdr_sz + ETH_HLEN)
		return -EINVAL;
	if (chain->len - hdr_sz > MP_TX_LONGEST)
		return -EMSGSIZE;

	head->len = chain->len - hdr_sz;
	head->have = 0;
	head->iov = chain->iov;
	head->skip = 0;
	if (!mp_txhead_begin(head, &hdr, hdr_sz))
		return -EFAULT;
	head->offload = (struct mp_offload) {
		.flags		= hdr.flags,
		.gso_type	= hdr.gso_type,
		.gso_size	= tun_vnet16_to_cpu(flags, hdr.gso_size),
		.csum_start	= tun_vnet16_to_cpu(flags, hdr.csum_start),
		.csum_offset	= tun_vnet16_to_cpu(flags, hdr.csum_offset),
	};
	if (head->have == head->len)
		mp_txhead_pad(head);

	for (;;) {
		need = mp_offload_hdrs(&head->offload, head->data, head->have,
				       head->len);
		if (unlikely(need < 0))
			return need;
		if (need <= head->have)
			break;
		if (!mp_txhead_copy(head, need))
			return -EFAULT;
	}
	head->hdrs = need;
	return 0;
}

/* Are the pages those of the poster, under the limits that hold for it? */
static bool mp_tx_mem_ok(struct mp_tx *tx)
{
	if (unlikely(current->mm != tx->mem->mm || READ_ONCE(tx->mem->closed)))
		return false;
	if (likely(tx->renewed))
		return true;
	tx->renewed = mp_mem_renew(tx->mem);
	return tx->renewed;
}

static int mp_tx_copy(struct mp_queue *mq, enum mp_fallback_reason why)
{
	mq->stats.tx_fallback[why]++;
	trace_mpassthru_tx_fallback(&mq->tx->txq, why);
	return -EAGAIN;
}

/* May frames be posted to @tx?  With tx_lock held, in an RCU read side that
 * lasts until they are posted: who puts something into the way of frames, see
 * netdev_mp_egress_used(), or takes queues away, and waits for RCU sees all
 * that are posted later.
 *
 * Of the rest, tx_lock keeps what it protects.  A port may be held, or another
 * holder of the descriptor send an skb, after the look at it: that has no order
 * with frames that are posted just now, be it one or a batch.
 */
static int mp_tx_check(struct mp_queue *mq, unsigned int hdr_len)
{
	struct mp_tx *tx = mq->tx;
	enum mp_fallback_reason why;
	struct net_device *dev;

	if (unlikely(!mp_tx_mem_ok(tx)))
		return tx->waiting || !mp_tx_is_pushed(tx) ? -EBUSY : -ESTALE;
	if (unlikely(!mp_tx_room(tx)))
		return -ENOBUFS;
	why = MP_FALLBACK_FRAME;
	dev = tx->txq.port->dev;
	/* A resume may have found fewer interrupts, and left fewer queues. */
	if (unlikely(hdr_len != READ_ONCE(mq->vnet_hdr_sz) ||
		     tx->txq.queue >= READ_ONCE(dev->real_num_tx_queues)))
		goto copy;
	why = MP_FALLBACK_RESET;
	if (unlikely(mp_port_is_held(mp_tx_holder(tx))))
		goto copy;
	why = MP_FALLBACK_EGRESS;
	if (unlikely(netdev_mp_egress_used(dev)))
		goto copy;
	/* Nothing may overtake skbs: in a qdisc, in another ring. */
	why = MP_FALLBACK_BEHIND;
	if (unlikely(sk_wmem_alloc_get(&mq->sk))) {
		if (time_before64(get_jiffies_64(), mq->tx_copy_until))
			goto copy;
		WRITE_ONCE(mq->tx_wants_idle, true);
		schedule_delayed_work(&mq->tx_idle, 1);
		return -ENOBUFS;
	}
	return 0;

copy:
	if (!mp_tx_is_pushed(tx))
		return -ENOBUFS;
	return mp_tx_copy(mq, why);
}

/* The NIC cannot send it: to the end of what was posted, and then for a while.
 */
static int mp_tx_fall_back(struct mp_queue *mq)
{
	struct mp_tx *tx = mq->tx;

	mp_tx_kick(tx);
	if (!mp_tx_is_pushed(tx))
		return -ENOBUFS;
	mq->tx_copy_until = get_jiffies_64() + MP_TX_COPY_TIME;
	return mp_tx_copy(mq, MP_FALLBACK_FRAME);
}

static int mp_tx_refuse(struct mp_queue *mq, int err)
{
	if (err == -EOPNOTSUPP)
		return mp_tx_fall_back(mq);
	if (err != -EINTR) {
		mq->stats.tx_errors++;
		atomic64_inc(&mq->stats.dropped);
	}
	return err;
}

/* Add @len bytes at @dma to the frame at the end of the FIFO.  @follows: they
 * lie behind those that were added last.
 */
static inline void mp_tx_add_seg(struct mp_tx *tx,
				 struct mpassthru_txframe *frame,
				 dma_addr_t dma, unsigned int len, bool follows)
{
	struct mpassthru_txseg *seg;

	if (follows) {
		seg = &tx->txq.segs[(frame->first + frame->nr_segs - 1) &
				    tx->txq.seg_mask];
		if (seg->dma + seg->len == dma) {
			seg->len += len;
			return;
		}
	}
	seg = &tx->txq.segs[(frame->first + frame->nr_segs++) &
			    tx->txq.seg_mask];
	seg->dma = dma;
	seg->len = len;
}

/* Is @page that of @prev, or the next one in memory?  What an IOMMU has put
 * side by side by chance is not made one segment: QEMU's NICs, which look a
 * segment up in the memory of the host, drop the frame.
 */
static bool mp_txbuf_before(const struct mp_txbuf *prev,
			    const struct mp_page *page)
{
	return prev->page &&
	       (prev->page == page ||
		page_to_pfn(prev->page->page) + 1 == page_to_pfn(page->page));
}

static inline void mp_tx_add_page(struct mp_tx *tx,
				  struct mpassthru_txframe *frame,
				  struct mp_txslot *slot, struct mp_page *page,
				  unsigned int offset, unsigned int len)
{
	u32 idx = slot->buf + slot->nr_bufs++;

	mp_page_sync_for_device(tx->mem, page, offset, len);
	/* The header buffer stays alone: it is what a driver reads. */
	mp_tx_add_seg(tx, frame, page->dma + offset, len,
		      slot->nr_bufs > 1 &&
		      mp_txbuf_before(mp_txbuf(tx, idx - 1), page));
	*mp_txbuf(tx, idx) = (struct mp_txbuf) { .page = page };
}

/* The header buffer, which is @head->data, and what the NIC is to do. Sets
 * nothing that others see.
 */
static inline int mp_tx_begin(struct mp_tx *tx, const struct mp_txhead *head)
{
	u32 idx = tx->txq.posted;
	struct mpassthru_txframe *frame = mp_txframe(tx, idx);
	struct mp_txslot *slot = mp_txslot(tx, idx);
	int err;

	frame->first = tx->seg;
	frame->nr_segs = 0;
	frame->len = head->len;
	slot->buf = tx->buf;
	slot->nr_bufs = 0;

	err = mp_offload_parse(&head->offload, tx->txq.port->dev, head->data,
			       head->hdrs, frame);
	if (unlikely(err))
		return err;

	mp_tx_add_seg(tx, frame, mp_tx_hdr_dma(tx, idx), head->have, false);
	return 0;
}

/* The frame at the end of the FIFO is complete. */
static inline void mp_tx_append(struct mp_queue *mq, struct mp_tx *tx,
				const struct mp_txhead *head,
				struct kiocb *iocb, unsigned int hdr_len)
{
	u32 idx = tx->txq.posted;
	struct mpassthru_txframe *frame = mp_txframe(tx, idx);
	struct mp_txslot *slot = mp_txslot(tx, idx);
	bool whole = head->have == head->len;

	if (tx->sync)
		dma_sync_single_for_device(tx->bounces.dev,
					   mp_tx_hdr_dma(tx, idx), head->have,
					   DMA_TO_DEVICE);
	slot->res = head->len + hdr_len;
	tx->seg += frame->nr_segs;
	tx->buf += slot->nr_bufs;
	mq->stats.tx_posted++;
	if (whole)
		mq->stats.tx_whole++;
	/* Nothing of the guest is in use; and behind others it is not given
	 * back before them, so that it may as well be taken back with them.
	 */
	slot->iocb = whole && !tx->waiting ? NULL : iocb;
	if (slot->iocb)
		tx->waiting++;
	else
		iocb->ki_complete(iocb, slot->res);
	trace_mpassthru_tx_post(&tx->txq, frame);
	mpassthru_tx_post(&tx->txq);
}

/* Give up the pages of the frame at the end of the FIFO. */
static void mp_tx_abort(struct mp_tx *tx)
{
	u32 idx = tx->txq.posted;

	mp_tx_release(tx, idx, idx + 1);
}

/* Payload that is in one page.  -ENOENT when that is not pinned. */
static inline int mp_tx_add_hit(struct mp_tx *tx, unsigned long addr,
				unsigned int len)
{
	u32 idx = tx->txq.posted;
	struct mp_txslot *slot = mp_txslot(tx, idx);
	struct mp_page *page;
	int got;

	spin_lock(&tx->mem->lock);
	got = mp_pages_find(tx->mem, addr, &page, 1);
	spin_unlock(&tx->mem->lock);
	if (unlikely(!got))
		return -ENOENT;

	mp_page_sync_for_device(tx->mem, page, offset_in_page(addr), len);
	mp_tx_add_seg(tx, mp_txframe(tx, idx), page->dma + offset_in_page(addr),
		      len, false);
	slot->nr_bufs = 1;
	*mp_txbuf(tx, slot->buf) = (struct mp_txbuf) { .page = page };
	return 0;
}

/* Payload that may be anywhere.  -ENOENT when a page is not pinned, or when it
 * is in more of them than fits.
 */
static int mp_tx_add_pages(struct mp_tx *tx, const struct mp_txhead *head)
{
	u32 idx = tx->txq.posted;
	struct mpassthru_txframe *frame = mp_txframe(tx, idx);
	struct mp_txslot *slot = mp_txslot(tx, idx);
	size_t skip = head->skip, left = head->len - head->have, len, part;
	struct mp_page *pages[MPASSTHRU_TX_SEGS] __uninitialized;
	const struct iovec *iov = head->iov;
	unsigned long addr;
	int n, got, i, err = -ENOENT;

	/* Neither faults nor sleeps are between. */
	spin_lock(&tx->mem->lock);
	for (; left; iov++, skip = 0) {
		len = min(iov->iov_len - skip, left);
		if (!len)
			continue;
		addr = (unsigned long)iov->iov_base + skip;
		left -= len;
		n = DIV_ROUND_UP(offset_in_page(addr) + len, PAGE_SIZE);
		if (n + slot->nr_bufs > MPASSTHRU_TX_SEGS)
			goto out;
		got = mp_pages_find(tx->mem, addr, pages, n);
		for (i = 0; i < got; i++) {
			part = min_t(size_t, len, PAGE_SIZE -
				     offset_in_page(addr));
			mp_tx_add_page(tx, frame, slot, pages[i],
				       offset_in_page(addr), part);
			addr += part;
			len -= part;
		}
		if (unlikely(got != n))
			goto out;
	}
	if (likely(frame->nr_segs <= tx->txq.port->tx_segs))
		err = 0;
out:
	spin_unlock(&tx->mem->lock);
	return err;
}

/* Payload whose pages are all pinned, or else -ENOENT. */
static int mp_tx_add_hits(struct mp_tx *tx, const struct mp_txhead *head)
{
	unsigned long addr = (unsigned long)head->iov->iov_base + head->skip;
	size_t left = head->len - head->have;

	/* What the NIC has not to cut is mostly in one page. */
	if (likely(head->iov->iov_len - head->skip >= left &&
		   offset_in_page(addr) + left <= PAGE_SIZE))
		return mp_tx_add_hit(tx, addr, left);
	return mp_tx_add_pages(tx, head);
}

/* Append one frame, if nothing has to be faulted in, pinned or allocated; else
 * -ENOENT.  With tx_lock held and page faults disabled.
 */
static int mp_tx_post_hit(struct mp_queue *mq, struct mp_tx *tx,
			  struct mp_txhead *head,
			  const struct mpassthru_chain *chain,
			  unsigned int hdr_len)
{
	int err;

	/* The slot is ours until it is posted. */
	head->data = mp_tx_hdr(tx, tx->txq.posted);
	err = mp_txhead_read(mq, head, chain, hdr_len);
	if (unlikely(err == -EFAULT))
		return -ENOENT;
	err = err ?: mp_tx_begin(tx, head);
	if (unlikely(err))
		return mp_tx_refuse(mq, err);
	if (head->have != head->len) {
		err = mp_tx_add_hits(tx, head);
		if (unlikely(err)) {
			mp_tx_abort(tx);
			return err;
		}
		mq->stats.tx_zerocopy++;
	}
	mp_tx_append(mq, tx, head, chain->iocb, hdr_len);
	return 0;
}

/* Append frames, up to the first that has something to be faulted in, pinned or
 * allocated: -ENOENT; or to which something else happens that mp_tx_post()
 * tells.
 */
static int mp_tx_post_hits(struct mp_queue *mq, struct mpassthru_batch *batch)
{
	const struct mpassthru_chain *chain = batch->chains + batch->taken;
	const struct mpassthru_chain *end = batch->chains + batch->nr;
	unsigned int room = 0;
	struct mp_txhead head;
	struct mp_tx *tx;
	int err;

	mutex_lock(&mq->tx_lock);
	rcu_read_lock();
	tx = mq->tx;
	err = tx ? mp_tx_check(mq, batch->hdr_len) : -ESTALE;
	if (unlikely(err))
		goto out;

	pagefault_disable();
	for (; chain != end; chain++, room--) {
		if (!room)
			room = mp_tx_room(tx);
		err = room ? mp_tx_post_hit(mq, tx, &head, chain,
					    batch->hdr_len) : -ENOBUFS;
		if (unlikely(err))
			break;
	}
	pagefault_enable();
	batch->taken = chain - batch->chains;
out:
	rcu_read_unlock();
	mutex_unlock(&mq->tx_lock);
	return err;
}

/**
 * struct mp_txpart - a part of a frame that lies in one page
 * @buf: what it lies in; neither of the two: a bounce page that is there
 * already
 * @addr: user address
 * @len: how much, in bytes
 */
struct mp_txpart {
	struct mp_txbuf	buf;
	unsigned long	addr;
	unsigned int	len;
};

/**
 * struct mp_txprep - a frame that is made ready without mp_queue.tx_lock
 * @head: its beginning
 * @mem: what it is pinned in, with a reference
 * @alloc: bounce pages that are there already do not do
 * @nr: parts
 * @parts: the payload
 * @data: of @head
 */
struct mp_txprep {
	struct mp_txhead	head;
	struct mp_mem		*mem;
	bool			alloc;
	int			nr;
	struct mp_txpart	parts[MPASSTHRU_TX_SEGS];
	u8			data[MP_TX_WHOLE];
};

static bool mp_txpart_copy(const struct mp_txpart *part,
			   const struct mp_bounce *bounce)
{
	return !copy_from_user(page_address(bounce->page),
			       (const void __user *)part->addr, part->len);
}

/* A page that cannot be pinned: its part of the frame is copied. */
static int mp_txprep_bounce(struct mp_txpart *part)
{
	struct mp_bounce *bounce = mp_bounce_alloc(PAGE_SIZE);

	/* Copy it elsewhere, then. */
	if (!bounce)
		return -EOPNOTSUPP;
	if (!mp_txpart_copy(part, bounce)) {
		mp_bounce_free(bounce);
		return -EFAULT;
	}
	part->buf.bounce = bounce;
	return 0;
}

static int mp_txprep_page(struct mp_txprep *prep, unsigned long addr,
			  size_t len)
{
	struct mp_txpart *part = &prep->parts[prep->nr];
	struct mp_page *page;
	int err;

	part->buf = (struct mp_txbuf) {};
	part->addr = addr;
	part->len = len;
	page = mp_page_get(prep->mem, addr);
	err = PTR_ERR_OR_ZERO(page);
	/* Not there; or the guest is at its end. */
	if (err == -EFAULT || err == -EINTR)
		return err;
	if (!err)
		part->buf.page = page;
	else if (prep->alloc)
		err = mp_txprep_bounce(part);
	else
		err = 0;
	if (!err)
		prep->nr++;
	return err;
}

static int mp_txprep_pages(struct mp_txprep *prep)
{
	size_t left = prep->head.len - prep->head.have, skip = prep->head.skip;
	const struct iovec *iov = prep->head.iov;
	unsigned long addr;
	size_t len;
	int err;

	for (; left; left -= len, skip += len) {
		if (skip == iov->iov_len) {
			iov++;
			skip = 0;
		}
		addr = (unsigned long)iov->iov_base + skip;
		len = min3(iov->iov_len - skip, left,
			   PAGE_SIZE - offset_in_page(addr));
		if (!len)
			continue;
		if (prep->nr == MPASSTHRU_TX_SEGS)
			return -EOPNOTSUPP;
		err = mp_txprep_page(prep, addr, len);
		if (err)
			return err;
	}
	return 0;
}

static void mp_txprep_end(struct mp_txprep *prep)
{
	struct mp_txbuf *buf;

	while (prep->nr) {
		buf = &prep->parts[--prep->nr].buf;
		if (buf->page)
			mp_pages_put(prep->mem, &buf->page, 1);
		mp_bounce_free(buf->bounce);
	}
	mp_mem_put(prep->mem);
}

/* A bounce page for a part, filled and mapped, or NULL: with @prep->alloc one
 * has to be allocated and the user's memory faulted in, which is not done under
 * tx_lock.
 */
static struct mp_bounce *mp_txprep_bounced(struct mp_tx *tx,
					   struct mp_txpart *part)
{
	struct mp_bounce *bounce = part->buf.bounce;
	bool copied;

	if (bounce) {
		if (mp_bounce_map(&tx->bounces, bounce))
			return NULL;
		part->buf.bounce = NULL;
		return bounce;
	}

	bounce = mp_bounce_take(&tx->bounces);
	if (!bounce)
		return NULL;
	pagefault_disable();
	copied = mp_txpart_copy(part, bounce);
	pagefault_enable();
	if (!copied) {
		mp_bounce_put(&tx->bounces, bounce);
		return NULL;
	}
	mp_bounce_sync_for_device(&tx->bounces, bounce, part->len);
	return bounce;
}

/* With tx_lock held; the parts become the queue's one by one. */
static int mp_txprep_append(struct mp_queue *mq, struct mp_txprep *prep,
			    struct kiocb *iocb, unsigned int hdr_len)
{
	struct mp_tx *tx = mq->tx;
	u32 idx = tx->txq.posted;
	struct mpassthru_txframe *frame = mp_txframe(tx, idx);
	struct mp_txslot *slot = mp_txslot(tx, idx);
	struct mp_bounce *bounce;
	struct mp_txpart *part;
	bool bounced = false;
	int err, i;

	prep->head.data = memcpy(mp_tx_hdr(tx, idx), prep->data,
				 prep->head.have);
	err = mp_tx_begin(tx, &prep->head);
	if (err)
		return mp_tx_refuse(mq, err);

	for (i = 0; i < prep->nr; i++) {
		part = &prep->parts[i];
		if (part->buf.page) {
			mp_tx_add_page(tx, frame, slot, part->buf.page,
				       offset_in_page(part->addr), part->len);
			part->buf.page = NULL;
			continue;
		}
		bounce = mp_txprep_bounced(tx, part);
		err = prep->alloc ? -EOPNOTSUPP : -ENOSR;
		if (!bounce)
			goto err_abort;
		bounced = true;
		*mp_txbuf(tx, slot->buf + slot->nr_bufs++) = (struct mp_txbuf) {
			.bounce = bounce,
		};
		mp_tx_add_seg(tx, frame, bounce->dma, part->len, false);
	}
	err = -EOPNOTSUPP;
	if (frame->nr_segs > tx->txq.port->tx_segs)
		goto err_abort;

	if (bounced)
		mq->stats.tx_bounced++;
	else if (prep->nr)
		mq->stats.tx_zerocopy++;
	mp_tx_append(mq, tx, &prep->head, iocb, hdr_len);
	return 0;

err_abort:
	mp_tx_abort(tx);
	return err == -ENOSR ? err : mp_tx_refuse(mq, err);
}

/* Returns -ENOENT when what the frame was made ready for is no more, -ENOSR
 * when bounce pages have to be made.
 */
static int mp_txprep_try(struct mp_queue *mq, struct mp_txprep *prep,
			 const struct mpassthru_chain *chain,
			 unsigned int hdr_len)
{
	int err;

	mutex_lock(&mq->tx_lock);
	rcu_read_lock();
	err = mq->tx ? mp_tx_check(mq, hdr_len) : -ENOENT;
	rcu_read_unlock();
	if (!err) {
		prep->mem = mp_mem_get(mq->tx->mem);
		/* What is in use, and as much on its way back to be used. */
		mp_mem_expect(prep->mem, 2 * (mq->tx->buf + MPASSTHRU_TX_SEGS -
					      mp_tx_first_buf(mq->tx)));
	}
	mutex_unlock(&mq->tx_lock);
	if (err)
		return err;

	prep->nr = 0;
	prep->head.data = prep->data;
	err = mp_txhead_read(mq, &prep->head, chain, hdr_len);
	if (!err && prep->head.have != prep->head.len)
		err = mp_txprep_pages(prep);

	mutex_lock(&mq->tx_lock);
	rcu_read_lock();
	if (!mq->tx || mq->tx->mem != prep->mem)
		err = -ENOENT;
	else if (err)
		err = mp_tx_refuse(mq, err);
	else
		err = mp_tx_check(mq, hdr_len) ?:
		      mp_txprep_append(mq, prep, chain->iocb, hdr_len);
	rcu_read_unlock();
	mutex_unlock(&mq->tx_lock);
	mp_txprep_end(prep);
	return err;
}

static noinline int mp_tx_post_miss(struct mp_queue *mq,
				    const struct mpassthru_chain *chain,
				    unsigned int hdr_len)
{
	struct mp_txprep *prep;
	int tries, err;

	prep = kmalloc_obj(*prep, GFP_KERNEL_ACCOUNT);
	if (!prep)
		return -ENOMEM;
	prep->alloc = false;
	for (tries = 0; tries < MP_TX_TRIES; tries++) {
		err = mp_txprep_try(mq, prep, chain, hdr_len);
		if (err == -ENOSR)
			prep->alloc = true;
		else if (likely(err != -ENOENT))
			break;
	}
	kfree(prep);
	/* Others stop and start, or the guest is at its end: look again. */
	if (err == -ENOENT || err == -ENOSR || err == -EINTR || err == -ESTALE)
		return -EBUSY;
	return err;
}

/* The frame is going to be sent by an skb: which overtakes nothing. */
static int mp_tx_not_now(struct mp_queue *mq, int err)
{
	mutex_lock(&mq->tx_lock);
	if (mq->tx && !mp_tx_is_pushed(mq->tx))
		err = -ENOBUFS;
	mutex_unlock(&mq->tx_lock);
	return err;
}

/* Is there nothing to be done for a frame, now or later? */
static bool mp_tx_is_dropped(int err)
{
	switch (err) {
	case 0:
	case -EAGAIN:
	case -EBUSY:
	case -ENOBUFS:
	case -ENOMEM:
	case -EOPNOTSUPP:
		return false;
	default:
		return true;
	}
}

/**
 * mp_tx_post - append frames to the FIFO
 * @mq: queue
 * @batch: each a header and the frame.  They are taken in order, up to the
 *	first that cannot be taken now.  A kiocb is completed in mp_tx_flush()
 *	or mp_tx_stop(), or here when the frame was copied whole, with the bytes
 *	of header and frame: its ki_complete() is called with mp_queue.tx_lock
 *	held, and RTNL as well when the device is unbound, and may neither
 *	sleep nor take a lock that is held while posting.  Or it is completed
 *	here, without these locks: with -EFAULT, -EINVAL, -EMSGSIZE, when the
 *	frame makes no sense and was dropped; with -ENOTCONN when no device is
 *	bound.
 *
 * Context: process, not a kernel thread; the address space of @batch is
 * current.  Handles faults in the frames, and allocates memory that is charged
 * to the memory cgroup.  Takes mmap_lock, then mp_queue.tx_lock, which is held
 * only for what does not depend on the poster.
 * Return: 0 when all were taken, or why the next one is not:
 *
 * * -EAGAIN: send it by an skb, and ask again for the next; all that was posted
 *   is in the ring
 * * -ENOBUFS: no room, or something has to leave first: call mp_tx_flush(), and
 *   try again when the socket is writable
 * * -EBUSY: in use from another address space, or just being stopped
 * * -EOPNOTSUPP: the device cannot, or from a kernel thread
 * * -ENOMEM
 */
int mp_tx_post(struct mp_queue *mq, struct mpassthru_batch *batch)
{
	const struct mpassthru_chain *chain;
	int tries = MP_TX_TRIES, err;

	batch->taken = 0;
	do {
		err = mp_tx_post_hits(mq, batch);
		if (likely(!err))
			return 0;

		chain = &batch->chains[batch->taken];
		if (err == -ESTALE) {
			/* Others stop and start, too. */
			err = tries ? mp_tx_start(mq) : -EBUSY;
			if (!err) {
				tries--;
				continue;
			}
		} else if (err == -ENOENT) {
			err = mp_tx_post_miss(mq, chain, batch->hdr_len);
			if (!err)
				batch->taken++;
		}
		/* Goes back in its turn, as all do. */
		if (mp_tx_is_dropped(err)) {
			chain->iocb->ki_complete(chain->iocb, err);
			batch->taken++;
			err = 0;
		}
	} while (!err && batch->taken < batch->nr);

	if (err == -EBUSY || err == -ENOMEM)
		err = mp_tx_not_now(mq, err);
	return err;
}
EXPORT_SYMBOL_IF_KUNIT(mp_tx_post);

/* Stopping */

/* From now on @pushed stands still, or moves again. */
static void mp_tx_set_closed(struct mp_tx *tx, bool closed)
{
	struct netdev_queue *queue = netdev_get_tx_queue(tx->txq.port->dev,
							 tx->txq.queue);

	__netif_tx_lock_bh(queue);
	tx->txq.closed = closed;
	__netif_tx_unlock_bh(queue);
}

/* Does the NIC have none of ours? */
static bool mp_tx_is_idle(struct mp_tx *tx)
{
	return mpassthru_tx_sent(&tx->txq) == READ_ONCE(tx->txq.pushed);
}

/* Wait until all that was posted is sent, for some milliseconds. */
static void mp_tx_drain_posted(struct mp_tx *tx)
{
	int i;

	for (i = 0; i < MP_TX_STOP_WAIT; i++) {
		/* Interrupts may be moderated: have NAPI look. */
		mp_tx_kick(tx);
		if (mpassthru_tx_sent(&tx->txq) == tx->txq.posted)
			return;
		usleep_range(1000, 1500);
	}
}

/* What the NIC has sent, by any queue. */
static u32 mp_tx_progress(struct mpassthru_port *shared)
{
	struct mpassthru_txq *txq;
	u32 sent = 0;
	int i;

	rcu_read_lock();
	for (i = 0; i < MPASSTHRU_QUEUES; i++) {
		txq = rcu_dereference(shared->txq[i]);
		if (txq)
			sent += mpassthru_tx_sent(txq);
	}
	rcu_read_unlock();
	return sent;
}

/* Wait until all that was pushed is sent, as long as the NIC goes on sending,
 * and as long as the queues that share the wire need for it.
 */
static void mp_tx_drain_pushed(struct mp_tx *tx)
{
	u32 sent = mp_tx_progress(tx->txq.port), was;
	int i, still = 0;

	for (i = 0; i < MP_TX_STOP_WAIT * MPASSTHRU_QUEUES; i++) {
		mp_tx_kick(tx);
		was = sent;
		sent = mp_tx_progress(tx->txq.port);
		still = sent == was ? still + 1 : 0;
		if (mp_tx_is_idle(tx) || still == MP_TX_STOP_WAIT)
			return;
		usleep_range(1000, 1500);
	}
}

/* Have the NIC end what it has; RTNL held. Returns whether it had something.
 */
static bool mp_tx_reset(struct mp_tx *tx)
{
	struct mpassthru_port *shared = tx->txq.port;

	/* tx->reaped may be behind of what it has sent. */
	if (trace_mpassthru_tx_reset_enabled()) {
		u32 sent = mpassthru_tx_sent(&tx->txq);

		trace_call__mpassthru_tx_reset(&tx->txq, sent,
					       tx->txq.pushed - sent);
	}
	return shared->drv->tx_reset(shared->dev, tx->txq.queue);
}

/* The NIC has nothing of ours any more, and gets nothing.  Kiocbs complete in
 * order: what was sent, then what was not.
 */
static void mp_tx_finish(struct mp_queue *mq, struct mp_tx *tx)
{
	u32 end = tx->txq.posted, idx;
	struct mp_txslot *slot;

	mp_tx_reap(tx);
	trace_mpassthru_tx_rewind(&tx->txq, tx->reaped, end - tx->reaped);
	mp_tx_release(tx, tx->reaped, end);
	for (idx = tx->reaped; idx != end; idx++) {
		slot = mp_txslot(tx, idx);
		/* Was given back as done, if nothing was before it. */
		if (slot->iocb)
			mq->stats.tx_rewound++;
		else
			atomic64_inc(&mq->stats.dropped);
		mq->tx_cancelled |= !!slot->iocb;
		mp_tx_complete_one(tx, slot, -ECANCELED);
	}
	tx->txq.posted = tx->reaped;
	tx->kicked = tx->reaped;
	WRITE_ONCE(mq->tx_waits, false);
}

/* With tx_lock held.  Returns whether it has to be done again, with RTNL; the
 * FIFO stays closed till then.
 */
static bool mp_tx_stop_locked(struct mp_queue *mq, bool rtnl)
{
	struct mp_tx *tx = mq->tx;

	if (!tx)
		return false;
	if (tx->txq.posted == tx->reaped)
		goto out;

	/* What is posted may be more than the NIC sends in that time.  What it
	 * has in its ring is not, unless it is paused or hangs.
	 */
	if (!tx->txq.closed) {
		mp_tx_drain_posted(tx);
		mp_tx_set_closed(tx, true);
		mp_tx_drain_pushed(tx);
	}
	if (!mp_tx_is_idle(tx)) {
		if (!rtnl)
			return true;
		if (mp_tx_reset(tx)) {
			mq->stats.tx_resets++;
			mp_port_hold(mp_tx_holder(tx));
		}
		WARN_ON_ONCE(!mp_tx_is_idle(tx));
	}
	mp_tx_finish(mq, tx);
out:
	tx->renewed = false;
	if (tx->txq.closed)
		mp_tx_set_closed(tx, false);
	return false;
}

/**
 * mp_tx_stop - give back what is posted
 * @mq: queue
 *
 * What the NIC has counts as sent, and is waited for, as long as it goes on
 * sending.  The kiocbs of the others complete with -ECANCELED, in order: they
 * are the last that were posted.
 *
 * Context: process.  Takes RTNL, where the NIC does not answer, and
 * mp_queue.tx_lock.  Does not touch the memory of the poster, which may be
 * gone.
 */
void mp_tx_stop(struct mp_queue *mq)
{
	bool again;

	mutex_lock(&mq->tx_lock);
	again = mp_tx_stop_locked(mq, false);
	if (!again)
		mq->tx_cancelled = false;
	mutex_unlock(&mq->tx_lock);
	if (!again)
		return;

	rtnl_lock();
	mutex_lock(&mq->tx_lock);
	mp_tx_stop_locked(mq, true);
	mq->tx_cancelled = false;
	mutex_unlock(&mq->tx_lock);
	rtnl_unlock();
}
EXPORT_SYMBOL_IF_KUNIT(mp_tx_stop);

/**
 * mp_tx_unbind - end zero-copy for good: the device goes
 * @mq: queue
 *
 * As mp_tx_stop(); and nothing is mapped for the device any more.
 *
 * Context: process, RTNL held.
 * Return: what the caller gives to mp_tx_free() an RCU grace period later, or
 * NULL.
 */
struct mp_tx *mp_tx_unbind(struct mp_queue *mq)
{
	struct mp_tx *tx;

	ASSERT_RTNL();

	mutex_lock(&mq->tx_lock);
	mq->tx_unbound = true;
	mp_tx_stop_locked(mq, true);
	tx = mq->tx;
	mq->tx = NULL;
	if (tx) {
		RCU_INIT_POINTER(tx->txq.port->txq[tx->txq.queue], NULL);
		mp_tx_unmap_hdrs(tx);
		mp_bounces_empty(&tx->bounces);
		mp_mem_close(tx->mem);
	}
	WRITE_ONCE(mq->tx_waits, false);
	mutex_unlock(&mq->tx_lock);
	/* Whoever posted may have to notice. */
	mp_sock_writable(mq);
	return tx;
}
EXPORT_SYMBOL_IF_KUNIT(mp_tx_unbind);

/**
 * mp_tx_bound - the device may be posted to
 * @mq: queue
 *
 * Context: process, RTNL held.
 */
void mp_tx_bound(struct mp_queue *mq)
{
	mutex_lock(&mq->tx_lock);
	mq->tx_unbound = false;
	mutex_unlock(&mq->tx_lock);
}

/**
 * mp_tx_changed - the device went down, or its carrier came or went
 * @mq: queue that is bound
 *
 * What is posted may have to be dropped now.
 *
 * Context: process, RTNL held.
 */
void mp_tx_changed(struct mp_queue *mq)
{
	mutex_lock(&mq->tx_lock);
	if (mq->tx)
		mp_tx_kick(mq->tx);
	mutex_unlock(&mq->tx_lock);
}

/* Skbs may not be overtaken, see mp_tx_check(): have they left? */
void mp_tx_idle_work(struct work_struct *work)
{
	struct mp_queue *mq = container_of(to_delayed_work(work),
					   struct mp_queue, tx_idle);

	if (sk_wmem_alloc_get(&mq->sk)) {
		schedule_delayed_work(&mq->tx_idle, 1);
		return;
	}
	/* Not in the midst of mp_tx_flush(), which may just be about to wait.
	 */
	mutex_lock(&mq->tx_lock);
	WRITE_ONCE(mq->tx_wants_idle, false);
	WRITE_ONCE(mq->tx_waits, false);
	mutex_unlock(&mq->tx_lock);
	mp_sock_writable(mq);
}

/**
 * mp_tx_show - counters for fdinfo
 * @mq: queue
 * @m: file
 *
 * Context: process.
 */
void mp_tx_show(struct mp_queue *mq, struct seq_file *m)
{
	const struct mp_stats *stats = &mq->stats;
	u32 outstanding = 0;
	struct mp_mem *mem;

	mutex_lock(&mq->tx_lock);
	mem = mq->tx ? mq->tx->mem : NULL;
	if (mq->tx)
		outstanding = mq->tx->txq.posted -
			      mpassthru_tx_sent(&mq->tx->txq);

	seq_printf(m, "mp-tx-posted:\t%llu\n", stats->tx_posted);
	seq_printf(m, "mp-tx-outstanding:\t%u\n", outstanding);
	seq_printf(m, "mp-tx-zerocopy:\t%llu\n", stats->tx_zerocopy);
	seq_printf(m, "mp-tx-copied-whole:\t%llu\n", stats->tx_whole);
	seq_printf(m, "mp-tx-bounced:\t%llu\n", stats->tx_bounced);
	seq_printf(m, "mp-tx-fallback-egress:\t%llu\n",
		   stats->tx_fallback[MP_FALLBACK_EGRESS]);
	seq_printf(m, "mp-tx-fallback-frame:\t%llu\n",
		   stats->tx_fallback[MP_FALLBACK_FRAME]);
	seq_printf(m, "mp-tx-fallback-behind:\t%llu\n",
		   stats->tx_fallback[MP_FALLBACK_BEHIND]);
	seq_printf(m, "mp-tx-fallback-reset:\t%llu\n",
		   stats->tx_fallback[MP_FALLBACK_RESET]);
	seq_printf(m, "mp-tx-copied:\t%llu\n",
		   (u64)atomic64_read(&stats->tx_copied));
	seq_printf(m, "mp-tx-rewound:\t%llu\n", stats->tx_rewound);
	seq_printf(m, "mp-tx-resets:\t%llu\n", stats->tx_resets);
	seq_printf(m, "mp-tx-dropped:\t%u\n",
		   mq->tx ? READ_ONCE(mq->tx->txq.dropped) : 0);
	seq_printf(m, "mp-tx-errors:\t%llu\n", stats->tx_errors);
	seq_printf(m, "mp-tx-pinned:\t%u\n",
		   mem ? atomic_read(&mem->pinned) : 0);
	seq_printf(m, "mp-tx-pin-limit:\t%u\n",
		   mem ? READ_ONCE(mem->limit) : 0);
	seq_printf(m, "mp-tx-pin-hits:\t%llu\n",
		   mem ? READ_ONCE(mem->hits) : 0);
	seq_printf(m, "mp-tx-pin-misses:\t%llu\n",
		   mem ? READ_ONCE(mem->misses) : 0);
	mutex_unlock(&mq->tx_lock);
}
