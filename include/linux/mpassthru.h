/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mpassthru: a network device whose receive descriptors point at buffers that
 * a guest posted.  This is all that a driver sees of it.
 *
 * Three parties share the structures below:
 *
 *   port	made by the mp device (drivers/vhost/mpassthru*.c), attached
 *		to one net_device: limits, callbacks both ways
 *   rxq	the FIFO of one receive queue, there while zero-copy is on
 *   driver	arms descriptors from the FIFO and reports them filled
 *
 * The life of one buffer is a walk of four indices over the FIFO, each moving
 * past it once:
 *
 *   posted	a kiocb waits for it		(consumer, process context)
 *   armed	its address is in a descriptor	(driver, NAPI)
 *   filled	the NIC wrote it		(driver, NAPI)
 *   done	the kiocb completed		(consumer, process context; it
 *						 is in struct mp_rx)
 *
 * A ring is filled in the order it was armed in, so that nothing needs to be
 * looked up and a driver keeps no state per descriptor.
 */
#ifndef _LINUX_MPASSTHRU_H
#define _LINUX_MPASSTHRU_H

#include <linux/cache.h>
#include <linux/err.h>
#include <linux/if_vlan.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/types.h>

struct file;
struct mpassthru_port;
struct netlink_ext_ack;
struct sk_buff;
struct socket;

/* What the descriptor says of a received frame, see mpassthru_rx_fill(). */
#define MPASSTHRU_RX_BAD	BIT(0)	/* no frame, or a broken one */
#define MPASSTHRU_RX_CSUM_OK	BIT(1)	/* the NIC verified the L4 checksum */

/**
 * struct mpassthru_rxbuf - one buffer in the FIFO
 * @dma: where the NIC writes the frame, valid from posted to done
 * @len: length of the frame in bytes, without FCS; valid when filled
 * @flags: MPASSTHRU_RX_*; valid when filled
 */
struct mpassthru_rxbuf {
	dma_addr_t	dma;
	u16		len;
	u16		flags;
};

/**
 * struct mpassthru_rxq - FIFO between the consumer and one receive queue
 * @port: the port it belongs to
 * @bufs: the buffers, indexed by a free-running index modulo size
 * @mask: size of @bufs less one; the size is a power of two
 * @posted: end of the posted buffers; written by the consumer
 * @armed: end of the armed buffers; written by the driver
 * @filled: end of the filled buffers; written by the driver
 * @need_wakeup: the ring runs low and nothing was posted: whoever posts next
 *	calls &mpassthru_driver_ops.rx_wake
 * @taps: packet sockets want a copy of each frame; written by the driver's
 *	side in mpassthru_rx_begin()
 *
 * Single producer, single consumer: the consumer serialises itself with a
 * mutex, the driver by NAPI.
 */
struct mpassthru_rxq {
	struct mpassthru_port	*port;
	struct mpassthru_rxbuf	*bufs;
	u32			mask;

	u32			posted ____cacheline_aligned_in_smp;

	u32			armed ____cacheline_aligned_in_smp;
	u32			filled;
	bool			need_wakeup;
	bool			taps;
};

/**
 * struct mpassthru_driver_ops - what a driver does for a port
 * @port_changed: a port was attached to @dev or detached from it.  Apply or
 *	lift what mpassthru_bound() implies: the cap on the frame length, no
 *	VLAN stripping, no time stamps of received frames.  When it returns, no
 *	frame longer than &mpassthru_port.data_len is on its way to a ring, not
 *	even inside the NIC.  Process context, RTNL held.  The parent of @dev is
 *	not runtime suspended when a port was attached; the driver keeps it so
 *	until one is detached, for nobody may wait for a resume under RTNL.
 * @rx_restart: quiesce receive queue @queue, give back what its ring holds,
 *	look at mpassthru_rx_queue() anew, arm the ring with what that says and
 *	run it.  When it returns, no DMA that was under way before goes on, also
 *	when the interface is down or the device does not answer: then its bus
 *	mastering is turned off.  Process context, may sleep;
 *	RTNL held, then mp_dev.lock, and often a vhost virtqueue's mutex around
 *	both.  Schedules NAPI once: need_wakeup is false at first.
 * @rx_wake: have NAPI of receive queue @queue run soon.  Process context, RCU
 *	read side: must not sleep.  May race with the device going down.
 */
struct mpassthru_driver_ops {
	void	(*port_changed)(struct net_device *dev);
	void	(*rx_restart)(struct net_device *dev, unsigned int queue);
	void	(*rx_wake)(struct net_device *dev, unsigned int queue);
};

/**
 * struct mpassthru_port_ops - what the mp device does for driver and net core
 * @divert: take @skb, a frame in host memory received by the bound device,
 *	with the Ethernet header pulled.  Softirq, RCU read side.
 * @rx_tap: give packet sockets a copy of the buffer at index @idx, which is
 *	not yet filled for the consumer.  NAPI.
 * @rx_flush: wake the consumer.  NAPI.
 */
struct mpassthru_port_ops {
	void	(*divert)(struct mpassthru_port *port, struct sk_buff *skb);
	void	(*rx_tap)(struct mpassthru_rxq *rxq, u32 idx, unsigned int len);
	void	(*rx_flush)(struct mpassthru_rxq *rxq);
};

/**
 * struct mpassthru_port - the attachment of an mp device to a net_device
 * @hdr_len: bytes of a frame that the driver splits off into a buffer of its
 *	own, 0 when it does not.  Set by ndo_mp_port_prep.
 * @data_len: longest frame in bytes, from its Ethernet header on, without
 *	@hdr_len and FCS, that the hardware will ever write to one buffer while
 *	bound.  It counts all the VLAN tags that the hardware may let pass.  Set
 *	by ndo_mp_port_prep.
 * @npages: pages that @data_len bytes may span.  Set by ndo_mp_port_prep.
 * @drv: set by ndo_mp_port_prep
 * @ops: set by the mp device
 * @dev: the device, while attached
 * @rxq: FIFO of receive queue 0 while zero-copy is on, else NULL.  Written
 *	under RTNL.  A driver looks at it when it configures a ring and keeps
 *	it with the ring, until rx_restart or mpassthru_rx_disarm().  divert
 *	looks whether it is there.
 */
struct mpassthru_port {
	int				hdr_len;
	int				data_len;
	int				npages;
	const struct mpassthru_driver_ops *drv;
	const struct mpassthru_port_ops	*ops;
	struct net_device		*dev;
	struct mpassthru_rxq		*rxq;
};

#if IS_ENABLED(CONFIG_NET_MPASSTHRU)

DECLARE_STATIC_KEY_FALSE(mpassthru_needed_key);

int netdev_mp_port_prep(struct net_device *dev, struct mpassthru_port *port,
			struct netlink_ext_ack *extack);
int netdev_mp_port_attach(struct net_device *dev, struct mpassthru_port *port);
void netdev_mp_port_detach(struct net_device *dev);
void netdev_mp_tap(struct net_device *dev, const void *data, unsigned int len);

/**
 * mpassthru_bound - is @dev bound to an mp device
 * @dev: network device
 *
 * Context: any.  Stable under RTNL.  In an RCU reader, such as all that runs
 * with a spinlock held, it may miss a binding that has not reached
 * &mpassthru_driver_ops.port_changed yet.
 * Return: true from netdev_mp_port_attach() to netdev_mp_port_detach()
 */
static inline bool mpassthru_bound(const struct net_device *dev)
{
	return rcu_access_pointer(dev->mp_port);
}

/**
 * mpassthru_len_ok - may the hardware write frames of @len bytes
 * @dev: network device
 * @len: what &mpassthru_port.data_len would be, in bytes
 *
 * Buffers in guest memory are armed on the word of the driver that no frame is
 * longer than &mpassthru_port.data_len.  A driver refuses an MTU that raises
 * it while the device is bound.
 *
 * Context: process, RTNL held.
 * Return: false when the driver has to refuse it
 */
static inline bool mpassthru_len_ok(const struct net_device *dev, int len)
{
	struct mpassthru_port *port = rtnl_dereference(dev->mp_port);

	return !port || len <= port->data_len;
}

/**
 * mpassthru_rx_queue - what a receive queue is to be armed from
 * @dev: network device
 * @queue: index of the receive queue
 *
 * Asked by a driver when it configures a ring.
 *
 * Context: process; RTNL held, if the device is bound.
 * Return: the FIFO, or NULL: arm it with host memory.
 */
static inline struct mpassthru_rxq *
mpassthru_rx_queue(const struct net_device *dev, unsigned int queue)
{
	struct mpassthru_port *port;

	if (!mpassthru_bound(dev) || queue)
		return NULL;

	port = rtnl_dereference(dev->mp_port);
	return port->rxq;
}

/**
 * mpassthru_rx_arm - take the next posted buffer, to arm a descriptor with it
 * @rxq: FIFO
 * @dma: returns the address for the descriptor
 *
 * The "page constructor" of the series of 2010.
 *
 * Context: NAPI, or with NAPI disabled.
 * Return: false when nothing is posted.
 */
static inline bool mpassthru_rx_arm(struct mpassthru_rxq *rxq, dma_addr_t *dma)
{
	/* Pairs with smp_store_release() in mpassthru_rx_post(). */
	if (rxq->armed == smp_load_acquire(&rxq->posted))
		return false;

	*dma = rxq->bufs[rxq->armed & rxq->mask].dma;
	/* Counters read it at any time; nobody relies on the order. */
	WRITE_ONCE(rxq->armed, rxq->armed + 1);
	return true;
}

/**
 * mpassthru_rx_begin - before a round of mpassthru_rx_fill()
 * @rxq: FIFO
 *
 * Context: NAPI.
 */
static inline void mpassthru_rx_begin(struct mpassthru_rxq *rxq)
{
	rcu_read_lock();
	rxq->taps = dev_nit_active_rcu(rxq->port->dev);
	rcu_read_unlock();
}

/**
 * mpassthru_rx_fill - the NIC wrote the buffer armed longest ago
 * @rxq: FIFO
 * @len: length of the frame in bytes, without FCS
 * @flags: MPASSTHRU_RX_*
 *
 * Nothing is seen by the consumer, nor woken, that is not also flushed by
 * mpassthru_rx_flush() before NAPI ends.
 *
 * Context: NAPI.
 */
static inline void mpassthru_rx_fill(struct mpassthru_rxq *rxq,
				     unsigned int len, unsigned int flags)
{
	struct mpassthru_rxbuf *buf = &rxq->bufs[rxq->filled & rxq->mask];

	/* A descriptor reported that was never armed: drop, keep the order. */
	if (WARN_ON_ONCE(rxq->filled == rxq->armed))
		return;

	/* The cap of ndo_mp_port_prep is what keeps frames inside buffers. */
	if (!(flags & MPASSTHRU_RX_BAD) &&
	    WARN_ON_ONCE(len > rxq->port->data_len))
		flags |= MPASSTHRU_RX_BAD;

	if (unlikely(rxq->taps) && !(flags & MPASSTHRU_RX_BAD))
		rxq->port->ops->rx_tap(rxq, rxq->filled, len);

	buf->len = len;
	buf->flags = flags;
	/* Pairs with smp_load_acquire() in mpassthru_rx_filled(). */
	smp_store_release(&rxq->filled, rxq->filled + 1);
}

/**
 * mpassthru_rx_flush - end of a round of mpassthru_rx_fill()
 * @rxq: FIFO
 * @rx: number of frames in this round
 * @room: the ring has free descriptors
 *
 * To be called once a poll, after mpassthru_rx_arm() was called for every free
 * descriptor.
 *
 * Context: NAPI.
 * Return: true when something was posted meanwhile that has to be armed still:
 * poll again.
 */
static inline bool mpassthru_rx_flush(struct mpassthru_rxq *rxq,
				      unsigned int rx, bool room)
{
	u32 armed = rxq->armed;

	if (rx)
		rxq->port->ops->rx_flush(rxq);

	/* Well armed, an eighth of the FIFO: completions bring NAPI back. */
	if (armed - rxq->filled > rxq->mask / 8)
		return false;
	/* So do they when the ring is full.  Else, what is there was posted
	 * after the last mpassthru_rx_arm().
	 */
	if (armed != READ_ONCE(rxq->posted))
		return room;

	WRITE_ONCE(rxq->need_wakeup, true);
	/* Pairs with smp_mb() in mpassthru_rx_post(): either that sees the flag
	 * or this sees the buffer.
	 */
	smp_mb();
	return armed != READ_ONCE(rxq->posted);
}

/**
 * mpassthru_rx_disarm - take back what is armed and not filled
 * @rxq: FIFO
 *
 * A driver that emptied a ring gives back its buffers, to be armed again in
 * the same order when the ring runs again.
 *
 * Context: NAPI disabled, DMA of the ring drained.
 */
static inline void mpassthru_rx_disarm(struct mpassthru_rxq *rxq)
{
	WRITE_ONCE(rxq->armed, rxq->filled);
}

/* The consumer's side, used by the mp device. */

static inline u32 mpassthru_rx_filled(const struct mpassthru_rxq *rxq)
{
	/* Pairs with smp_store_release() in mpassthru_rx_fill(). */
	return smp_load_acquire(&rxq->filled);
}

/**
 * mpassthru_rx_post - make the buffer at @posted available
 * @rxq: FIFO, with bufs[posted & mask].dma set
 *
 * Context: process, serialised by the consumer.
 * Return: true when the driver wants rx_wake.
 */
static inline bool mpassthru_rx_post(struct mpassthru_rxq *rxq)
{
	/* Pairs with smp_load_acquire() in mpassthru_rx_arm(). */
	smp_store_release(&rxq->posted, rxq->posted + 1);
	/* Pairs with smp_mb() in mpassthru_rx_flush(). */
	smp_mb();
	if (likely(!READ_ONCE(rxq->need_wakeup)))
		return false;
	WRITE_ONCE(rxq->need_wakeup, false);
	return true;
}

#else /* !CONFIG_NET_MPASSTHRU */

struct mpassthru_rxq;

static inline bool mpassthru_bound(const struct net_device *dev)
{
	return false;
}

#endif /* CONFIG_NET_MPASSTHRU */

#if IS_ENABLED(CONFIG_VHOST_PASSTHRU)
struct socket *mpassthru_get_socket(struct file *file);
int mpassthru_claim(struct socket *sock);
void mpassthru_unclaim(struct socket *sock);
#else
static inline struct socket *mpassthru_get_socket(struct file *file)
{
	return ERR_PTR(-EINVAL);
}

static inline int mpassthru_claim(struct socket *sock)
{
	return 0;
}

static inline void mpassthru_unclaim(struct socket *sock)
{
}
#endif

#endif /* _LINUX_MPASSTHRU_H */
