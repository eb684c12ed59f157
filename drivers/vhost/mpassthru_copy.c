// SPDX-License-Identifier: GPL-2.0-only
/*
 * Copy mode: frames received into host memory wait in the socket's queue and
 * are read like those of a tap, and frames are sent by skbs.  That is how a
 * bound device works where no kiocbs are posted.
 *
 * The formats are those of drivers/net/tap.c.
 */

#include <linux/if_tun.h>
#include <linux/if_vlan.h>
#include <linux/skb_array.h>
#include <linux/skbuff.h>
#include <linux/uio.h>
#include <linux/virtio_net.h>
#include <net/gso.h>
#include <net/xdp.h>

#include "../net/tun_vnet.h"
#include "mpassthru.h"
#include "mpassthru_port.h"

/* Neighbour code has some assumptions on HH_DATA_MOD alignment */
#define MP_RESERVE	HH_DATA_OFF(ETH_HLEN)

/* Receive */

static void mp_copy_queue(struct mp_queue *mq, struct sk_buff *skb)
{
	if (sock_queue_rcv_skb(&mq->sk, skb)) {
		atomic64_inc(&mq->stats.dropped);
		kfree_skb_reason(skb, SKB_DROP_REASON_SOCKET_RCVBUFF);
	}
}

/* The reader takes what it told with TUNSETOFFLOAD, and no more. */
static void mp_copy_segment(struct mp_queue *mq, struct sk_buff *skb,
			    netdev_features_t features)
{
	struct sk_buff *segs, *next;

	segs = __skb_gso_segment(skb, features, false);
	if (IS_ERR(segs)) {
		atomic64_inc(&mq->stats.dropped);
		kfree_skb_reason(skb, SKB_DROP_REASON_SKB_GSO_SEG);
		return;
	}
	if (!segs) {
		mp_copy_queue(mq, skb);
		return;
	}

	consume_skb(skb);
	skb_list_walk_safe(segs, skb, next) {
		skb_mark_not_on_list(skb);
		mp_copy_queue(mq, skb);
	}
}

/**
 * mp_copy_divert - have a frame wait for its reader
 * @mq: queue that received it
 * @skb: as of &mpassthru_port_ops.divert; consumed
 * @late: it is for what @mq was before: that has been switched to zero-copy, or
 *	detached
 *
 * Context: softirq, RCU read side.
 */
void mp_copy_divert(struct mp_queue *mq, struct sk_buff *skb, bool late)
{
	netdev_features_t features;

	skb = skb_share_check(skb, GFP_ATOMIC);
	if (!skb)
		goto dropped;
	/* It may wait for its reader for ever: not with memory of a sender that
	 * waits for it.
	 */
	if (unlikely(skb_orphan_frags_rx(skb, GFP_ATOMIC))) {
		kfree_skb_reason(skb, SKB_DROP_REASON_NOMEM);
		goto dropped;
	}
	/* Redirected to us by something that has no such header. */
	if (unlikely(skb->data - skb_mac_header(skb) != ETH_HLEN)) {
		kfree_skb_reason(skb, SKB_DROP_REASON_DEV_HDR);
		goto dropped;
	}

	/* A straggler, held back in GRO or a backlog while the ring was
	 * switched to zero-copy: it would wait here for the switch back.  Or
	 * while RSS was told to leave the queue out: the driver of the guest
	 * is promised that it gets nothing (virtio 1.2, 5.1.6.5.5), and by
	 * another queue it would arrive behind younger ones of its flow.
	 */
	if (unlikely(late)) {
		kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED);
		goto dropped;
	}

	skb_push(skb, ETH_HLEN);
	features = NETIF_F_SG | NETIF_F_FRAGLIST | READ_ONCE(mq->features);
	if (netif_needs_gso(skb, features)) {
		mp_copy_segment(mq, skb, features);
		return;
	}

	if (skb->ip_summed == CHECKSUM_PARTIAL &&
	    !(features & NETIF_F_CSUM_MASK) && skb_checksum_help(skb)) {
		kfree_skb_reason(skb, SKB_DROP_REASON_SKB_CSUM);
		goto dropped;
	}
	mp_copy_queue(mq, skb);
	return;

dropped:
	atomic64_inc(&mq->stats.dropped);
}

static ssize_t mp_copy_vlan(const struct sk_buff *skb, struct iov_iter *to)
{
	const int offset = offsetof(struct vlan_ethhdr, h_vlan_proto);
	struct {
		__be16 h_vlan_proto;
		__be16 h_vlan_TCI;
	} veth = {
		.h_vlan_proto = skb->vlan_proto,
		.h_vlan_TCI = htons(skb_vlan_tag_get(skb)),
	};
	int err;

	err = skb_copy_datagram_iter(skb, 0, to, offset);
	if (err || !iov_iter_count(to))
		return err;
	if (copy_to_iter(&veth, sizeof(veth), to) != sizeof(veth))
		return iov_iter_count(to) ? -EFAULT : 0;
	return skb_copy_datagram_iter(skb, offset, to, skb->len - offset);
}

static ssize_t mp_copy_put(struct mp_queue *mq, const struct sk_buff *skb,
			   struct iov_iter *to)
{
	int hdr_sz = READ_ONCE(mq->vnet_hdr_sz);
	ssize_t total = hdr_sz + skb->len;
	struct virtio_net_hdr hdr;
	int err;

	err = tun_vnet_hdr_from_skb(READ_ONCE(mq->flags), NULL, skb, &hdr);
	if (err)
		return err;
	err = tun_vnet_hdr_put(hdr_sz, to, &hdr);
	if (err)
		return err;

	if (skb_vlan_tag_present(skb)) {
		total += VLAN_HLEN;
		err = mp_copy_vlan(skb, to);
	} else {
		err = skb_copy_datagram_iter(skb, 0, to, skb->len);
	}

	return err ?: total;
}

/* A frame is lost, and longer ones are going to be: the log says so, once for
 * a process that has the descriptor as a backend.  vhost-net asks for a single
 * byte where the guest has no buffer that the frame fits, or the frame would
 * take more buffers than it can hand over at once.
 */
static void mp_copy_tell_lost(struct mp_queue *mq, struct sk_buff *skb)
{
	struct net_device *dev;
	bool told;

	/* They come at the rate of the wire. */
	if (READ_ONCE(mq->copying.told_lost))
		return;
	mutex_lock(&mq->lock);
	told = mq->copying.told_lost;
	WRITE_ONCE(mq->copying.told_lost, true);
	mutex_unlock(&mq->lock);
	if (told || !net_ratelimit())
		return;

	rcu_read_lock();
	dev = mp_queue_dev(mq);
	pr_notice("mpassthru: %s, queue %u: a frame of %d bytes was lost, the guest has no buffers that it fits: have mergeable buffers (mrg_rxbuf) on, or a smaller MTU of the device\n",
		  dev ? dev->name : "-", READ_ONCE(mq->index),
		  __skb_array_len_with_tag(skb));
	rcu_read_unlock();
}

/**
 * mp_copy_read - read one frame of the queue
 * @mq: queue
 * @to: where header and frame go; what does not fit is cut off
 * @noblock: do not wait for a frame
 *
 * Context: process.
 * Return: bytes of header and frame, even when cut off; -EAGAIN, -ERESTARTSYS,
 * -EFAULT, -EINVAL when not even the header fits.
 */
ssize_t mp_copy_read(struct mp_queue *mq, struct iov_iter *to, bool noblock)
{
	size_t room = iov_iter_count(to);
	struct sk_buff *skb;
	ssize_t ret;
	int err;

	skb = skb_recv_datagram(&mq->sk, noblock ? MSG_DONTWAIT : 0, &err);
	if (!skb)
		return err;

	ret = mp_copy_put(mq, skb, to);
	if (ret < 0) {
		if (room == 1)
			mp_copy_tell_lost(mq, skb);
		atomic64_inc(&mq->stats.dropped);
		kfree_skb_reason(skb, SKB_DROP_REASON_SKB_UCOPY_FAULT);
		return ret;
	}

	atomic64_inc(&mq->stats.copied);
	consume_skb(skb);
	return ret;
}

/**
 * mp_copy_peek_len - length of the frame that mp_copy_read() would read
 * @mq: queue
 *
 * Context: any.
 * Return: in bytes, without header; 0 when none waits.
 */
int mp_copy_peek_len(struct mp_queue *mq)
{
	struct sk_buff_head *queue = &mq->sk.sk_receive_queue;
	struct sk_buff *skb;
	unsigned long flags;
	int len = 0;

	spin_lock_irqsave(&queue->lock, flags);
	skb = skb_peek(queue);
	if (skb)
		len = __skb_array_len_with_tag(skb);
	spin_unlock_irqrestore(&queue->lock, flags);

	return len;
}

/* Transmit */

static struct sk_buff *mp_alloc_skb(struct sock *sk, size_t len, size_t linear,
				    bool noblock, int *err)
{
	struct sk_buff *skb;

	/* Under a page?  Don't bother with paged skb. */
	if (MP_RESERVE + len < PAGE_SIZE)
		linear = len;

	skb = sock_alloc_send_pskb(sk, MP_RESERVE + linear, len - linear,
				   noblock, err, PAGE_ALLOC_COSTLY_ORDER);
	if (!skb)
		return NULL;

	skb_reserve(skb, MP_RESERVE);
	skb_put(skb, linear);
	skb->data_len = len - linear;
	skb->len += len - linear;
	return skb;
}

/* A frame, or each one that it is going to be cut into, with a VLAN tag. */
static bool mp_len_ok(const struct sk_buff *skb, const struct net_device *dev)
{
	unsigned int max = READ_ONCE(dev->mtu) + VLAN_ETH_HLEN;

	return skb_is_gso(skb) ? skb_gso_validate_mac_len(skb, max) :
				 skb->len <= max;
}

/* Have netdev_pick_tx() take the transmit queue of that index, so that frames
 * of a queue stay in order, and behind those that were posted.  It takes what
 * the socket says, which comes before XPS and hashing, if three things hold:
 *
 * - the queue exists: ethtool -L is refused while bound
 * - the skb does not say ooo_okay, as skb_set_owner_w() has it do when the
 *   socket has no other on the way: it knows nothing of what was posted
 * - the socket has said so lately (net.core.txq_reselection_ms): it does here
 *
 * Drivers that we know have no ndo_select_queue, which would come before.  An
 * skbedit queue_mapping of tc comes after: then an administrator chose.
 */
static void mp_send_by_queue(struct mp_queue *mq, struct sk_buff *skb)
{
	skb->ooo_okay = 0;
	sk_tx_queue_set(&mq->sk, READ_ONCE(mq->index));
	WRITE_ONCE(mq->sk.sk_tx_queue_mapping_jiffies, jiffies);
}

static int mp_send_skb(struct mp_queue *mq, struct sk_buff *skb,
		       const struct virtio_net_hdr *hdr)
{
	struct net_device *dev;
	int depth, err;

	skb_set_network_header(skb, ETH_HLEN);
	skb_reset_mac_header(skb);
	skb->protocol = eth_hdr(skb)->h_proto;

	/* Unbinding waits for RCU readers before it gives up the device. */
	rcu_read_lock();
	dev = mp_queue_dev(mq);
	if (!dev) {
		err = -ENOTCONN;
		goto err_unlock;
	}
	skb->dev = dev;

	err = tun_vnet_hdr_to_skb(READ_ONCE(mq->flags), skb, hdr);
	if (err)
		goto err_unlock;

	skb_probe_transport_header(skb);
	/* Move network header to the right position for VLAN tagged packets */
	if (eth_type_vlan(skb->protocol) &&
	    vlan_get_protocol_and_depth(skb, skb->protocol, &depth))
		skb_set_network_header(skb, depth);

	/* Nobody on the way looks at that. */
	err = -EMSGSIZE;
	if (!mp_len_ok(skb, dev))
		goto err_unlock;

	atomic64_inc(&mq->stats.tx_copied);
	mp_send_by_queue(mq, skb);
	dev_queue_xmit(skb);
	rcu_read_unlock();
	return 0;

err_unlock:
	rcu_read_unlock();
	atomic64_inc(&mq->stats.dropped);
	kfree_skb_reason(skb, SKB_DROP_REASON_DEV_HDR);
	return err;
}

/**
 * mp_copy_write - send one frame
 * @mq: queue
 * @from: header and frame
 * @noblock: do not wait for room in the send buffer
 *
 * Context: process.
 * Return: bytes of header and frame; -EAGAIN, -EFAULT, -EINVAL; -EMSGSIZE when
 * it is longer than any skb; -ENOBUFS when memory is short; -ERESTARTSYS or
 * -EINTR when a signal came while waiting; -ENOTCONN when no device is bound.
 */
ssize_t mp_copy_write(struct mp_queue *mq, struct iov_iter *from, bool noblock)
{
	const int good_linear = SKB_MAX_HEAD(MP_RESERVE);
	int hdr_sz = READ_ONCE(mq->vnet_hdr_sz);
	size_t total = iov_iter_count(from);
	struct virtio_net_hdr hdr = {};
	struct sk_buff *skb;
	int err, hdr_len;
	size_t len;

	hdr_len = tun_vnet_hdr_get(hdr_sz, READ_ONCE(mq->flags), from, &hdr);
	if (hdr_len < 0) {
		err = hdr_len;
		goto dropped;
	}

	len = total - hdr_sz;
	if (len < ETH_HLEN) {
		err = -EINVAL;
		goto dropped;
	}

	skb = mp_alloc_skb(&mq->sk, len, clamp(hdr_len, ETH_HLEN, good_linear),
			   noblock, &err);
	if (!skb)
		return err;

	err = skb_copy_datagram_from_iter(skb, 0, from, len);
	if (err) {
		kfree_skb_reason(skb, SKB_DROP_REASON_SKB_UCOPY_FAULT);
		goto dropped;
	}

	err = mp_send_skb(mq, skb, &hdr);
	return err ?: total;

dropped:
	atomic64_inc(&mq->stats.dropped);
	return err;
}

/**
 * mp_copy_write_xdp - send one frame of a batch that vhost-net copied
 * @mq: queue
 * @xdp: frame, with its header at the start of the buffer; consumed
 *
 * The format of tap_get_user_xdp().
 *
 * Context: process.
 */
void mp_copy_write_xdp(struct mp_queue *mq, struct xdp_buff *xdp)
{
	const struct virtio_net_hdr *hdr = xdp->data_hard_start;
	struct sk_buff *skb = NULL;

	if (xdp->data_end - xdp->data >= ETH_HLEN)
		skb = build_skb(xdp->data_hard_start, xdp->frame_sz);
	if (!skb) {
		put_page(virt_to_head_page(xdp->data));
		atomic64_inc(&mq->stats.dropped);
		return;
	}

	skb_reserve(skb, xdp->data - xdp->data_hard_start);
	skb_put(skb, xdp->data_end - xdp->data);
	/* Frames that are posted may not overtake it: see mp_tx_check(). */
	skb_set_owner_w(skb, &mq->sk);
	mp_send_skb(mq, skb, hdr);
}
