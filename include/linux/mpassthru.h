/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mpassthru: a network device whose descriptors point at the memory of a guest:
 * at buffers that it posted to receive, and at frames that it sends.  This is
 * all that a driver sees of it.
 *
 * Three parties share the structures below:
 *
 *   port	made by the mp device (drivers/vhost/mpassthru*.c), attached
 *		to one net_device: limits, callbacks both ways, and by the
 *		index of the queue
 *   rxq	the FIFO of one receive queue, there while zero-copy is on
 *   txq	the FIFO of one transmit queue
 *   driver	arms descriptors from the FIFO and reports them filled, or sent
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
 *
 * The life of a frame that is sent is the mirror image:
 *
 *   posted	its segments are in the FIFO	(consumer, process context)
 *   pushed	they are in descriptors		(driver, transmit lock)
 *   done	the NIC has read them		(driver, NAPI, or while it is
 *						 down)
 *   reaped	the kiocb completed		(consumer, process context; it
 *						 is in struct mp_tx)
 */
#ifndef _LINUX_MPASSTHRU_H
#define _LINUX_MPASSTHRU_H

#include <linux/align.h>
#include <linux/cache.h>
#include <linux/err.h>
#include <linux/if_vlan.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/sizes.h>
#include <linux/tracepoint-defs.h>
#include <linux/types.h>

struct file;
struct iovec;
struct kiocb;
struct mpassthru_port;
struct netlink_ext_ack;
struct sk_buff;
struct socket;

/* Queues of a device at most that can be bound, whatever a driver says: as many
 * as RSS can spread frames over.  An entry of the redirection table has four
 * bits, of the 82576 as of the 82599 and its successors.
 */
#define MPASSTHRU_QUEUES	16

/* What the descriptor says of a received frame, see mpassthru_rx_fill(). */
#define MPASSTHRU_RX_BAD	BIT(0)	/* no frame, or a broken one */
#define MPASSTHRU_RX_CSUM_OK	BIT(1)	/* the NIC verified the L4 checksum */
#define MPASSTHRU_RX_MORE	BIT(2)	/* the next buffer has more of it */

/**
 * struct mpassthru_rxbuf - one buffer in the FIFO
 * @dma: where the NIC writes the frame, valid from posted to done
 * @len: length of the frame in bytes, without FCS; valid when filled
 * @flags: MPASSTHRU_RX_*, without MPASSTHRU_RX_MORE; valid when filled
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
 * @queue: index of the receive queue, and of the FIFO in &mpassthru_port.rxq
 * @posted: end of the posted buffers; written by the consumer
 * @armed: end of the armed buffers; written by the driver
 * @filled: end of the filled buffers; written by the driver
 * @most: most buffers that were armed at a time; the driver's own
 * @need_wakeup: the ring runs low and nothing was posted: whoever posts next
 *	calls &mpassthru_driver_ops.rx_wake
 * @taps: packet sockets want a copy of each frame; written by the driver's
 *	side in mpassthru_rx_begin()
 * @split: the buffer filled last has not the end of its frame; written by the
 *	driver's side in mpassthru_rx_fill()
 *
 * Single producer, single consumer: the consumer serialises itself with a
 * mutex, the driver by NAPI.
 */
struct mpassthru_rxq {
	struct mpassthru_port	*port;
	struct mpassthru_rxbuf	*bufs;
	u32			mask;
	unsigned int		queue;

	u32			posted ____cacheline_aligned_in_smp;

	u32			armed ____cacheline_aligned_in_smp;
	u32			filled;
	u32			most;
	bool			need_wakeup;
	bool			taps;
	bool			split;
};

/* Segments of a frame at most, whatever a driver says. */
#define MPASSTHRU_TX_SEGS	40

/* What the NIC does to a frame, see &struct mpassthru_txframe. */
#define MPASSTHRU_TX_CSUM	BIT(0)	/* fill in the L4 checksum */
#define MPASSTHRU_TX_GSO	BIT(1)	/* cut it into frames of @mss */
#define MPASSTHRU_TX_UDP	BIT(2)	/* L4 is UDP, else TCP */
#define MPASSTHRU_TX_IPV4	BIT(3)	/* L3 is IPv4, else IPv6; with GSO */

/**
 * struct mpassthru_txseg - a part of a frame
 * @dma: where it is
 * @len: bytes, not 0, less than 64 KB
 */
struct mpassthru_txseg {
	dma_addr_t	dma;
	u32		len;
};

/**
 * struct mpassthru_txframe - one frame in the FIFO
 * @first: index of its first segment, free-running
 * @nr_segs: how many it has, at most &mpassthru_port.tx_segs
 * @flags: MPASSTHRU_TX_*
 * @len: bytes of the frame, from its Ethernet header on, without FCS
 * @l2_len: bytes in front of L3: with VLAN tag, if there is one; at most 127
 * @l3_len: bytes of L3, at most 511
 * @l4_len: bytes of L4, with GSO
 * @mss: bytes of payload in each frame that is sent, with GSO
 * @gso_segs: frames that are sent, 1 without GSO
 *
 * The headers of @l2_len + @l3_len + @l4_len bytes are in the first segment, in
 * host memory, as the NIC wants them: with GSO no length in L3, and the pseudo
 * header without length in the L4 checksum; else what L4 has of it.
 */
struct mpassthru_txframe {
	u32		first;
	u16		nr_segs;
	u16		flags;
	u32		len;
	u8		l2_len;
	u8		l4_len;
	u16		l3_len;
	u16		mss;
	u16		gso_segs;
};

/**
 * struct mpassthru_txq - FIFO between the consumer and one transmit queue
 * @port: the port it belongs to
 * @frames: the frames, indexed by a free-running index modulo size
 * @segs: their segments, the same
 * @mask: size of @frames less one; the size is a power of two
 * @seg_mask: the same of @segs
 * @queue: index of the transmit queue, and of the FIFO in &mpassthru_port.txq
 * @posted: end of the posted frames; written by the consumer
 * @pushed: end of the pushed frames; written by the driver
 * @closed: nothing is pushed any more; written by the consumer
 * @yielded: the network stack had the last turn; netdev_mp_tx_turn()'s own
 * @done: end of the frames that the NIC has read; written by the driver
 * @flushed: @done when the consumer was woken last; netdev_mp_tx_poll()'s own
 * @need_wakeup: the consumer waits for @done to move: written by both
 * @dropped: frames that mpassthru_tx_drop() dropped
 *
 * @pushed, @closed and @yielded are protected by the transmit lock of the
 * netdev queue with index @queue.  @done is written by NAPI, or with NAPI
 * disabled.
 */
struct mpassthru_txq {
	struct mpassthru_port		*port;
	struct mpassthru_txframe	*frames;
	struct mpassthru_txseg		*segs;
	u32				mask;
	u32				seg_mask;
	unsigned int			queue;

	u32				posted ____cacheline_aligned_in_smp;

	u32				pushed ____cacheline_aligned_in_smp;
	bool				closed;
	bool				yielded;

	u32				done ____cacheline_aligned_in_smp;
	u32				flushed;
	bool				need_wakeup;
	u32				dropped;
};

/**
 * struct mpassthru_driver_ops - what a driver does for a port
 * @port_changed: a port was attached to @dev or detached from it: once, however
 *	many queues are bound.  Apply or lift what mpassthru_bound() implies:
 *	the cap on the frame length, no VLAN stripping, no time stamps of
 *	received frames, RSS over the queues of &mpassthru_port.rx_mask only.
 *	When it returns, no frame longer than &mpassthru_port.data_len is on
 *	its way to a ring, not even inside the NIC.  Process context, RTNL held.
 *	The parent of @dev is not runtime suspended when a port was attached;
 *	the driver keeps it so until one is detached, for nobody may wait for a
 *	resume under RTNL.
 * @rx_restart: quiesce receive queue @queue, give back what its ring holds,
 *	look at mpassthru_rx_queue() anew, arm the ring with what that says and
 *	run it.  When it returns, no DMA that was under way before goes on, also
 *	when the interface is down or the device does not answer: then its bus
 *	mastering is turned off.  Process context, may sleep;
 *	RTNL held, then mp_queue.lock, and often a vhost virtqueue's mutex
 *	around both.  Schedules NAPI once: need_wakeup is false at first.
 * @rx_spread: &mpassthru_port.rx_mask has changed: have RSS spread received
 *	frames over those queues.  What goes by a queue that stays in the mask
 *	is to stay there, so that a guest that turns one queue on and off moves
 *	no flow of another.  What comes without a hash goes to queue 0 in any
 *	case.  Frames that are inside the NIC by then may still arrive by
 *	the queue that was theirs before.  Process context, RTNL held.  NULL in
 *	a driver whose &mpassthru_port.max_queues is 1.
 * @rx_wake: have NAPI of receive queue @queue run soon.  Process context, RCU
 *	read side: must not sleep.  May race with the device going down.
 * @tx_run: push what is posted to @txq, as far as the ring of transmit queue
 *	&mpassthru_txq.queue has room and netdev_mp_tx_turn() lets it; @napi
 *	tells the end of a round of NAPI of the ring, by netdev_mp_tx_poll(),
 *	from others.  Frames that the device cannot send, as it is down or has
 *	no carrier, are dropped: done.  Returns the NAPI that is to run when the
 *	NIC has sent frames that it has not seen, or what was left is to be
 *	tried again although nothing may have it run; else NULL.  Transmit lock
 *	of the queue held, RCU read side.  May race with the device going down.
 * @tx_reset: end what transmit queue @queue is at: when it returns, all frames
 *	pushed to it are done, and no DMA for them goes on, also when the device
 *	does not answer: then its bus mastering is turned off.  Process context,
 *	may sleep; RTNL held.  Nothing is pushed meanwhile,
 *	&mpassthru_txq.closed. Returns whether frames of others were lost by
 *	that, too.
 *
 * @tx_run and @tx_reset are NULL in a driver whose &mpassthru_port.tx_segs is
 * 0.
 */
struct mpassthru_driver_ops {
	void	(*port_changed)(struct net_device *dev);
	void	(*rx_restart)(struct net_device *dev, unsigned int queue);
	void	(*rx_spread)(struct net_device *dev);
	void	(*rx_wake)(struct net_device *dev, unsigned int queue);
	struct napi_struct *(*tx_run)(struct net_device *dev,
				      struct mpassthru_txq *txq, bool napi);
	bool	(*tx_reset)(struct net_device *dev, unsigned int queue);
};

/**
 * struct mpassthru_port_ops - what the mp device does for driver and net core
 * @divert: take @skb, a frame in host memory received by the bound device,
 *	with the Ethernet header pulled.  skb_get_rx_queue() says by which
 *	queue.  Softirq, RCU read side.
 * @rx_tap: give packet sockets a copy of the buffer at index @idx, which is
 *	not yet filled for the consumer.  NAPI.
 * @rx_flush: wake the consumer.  NAPI.
 * @rx_stop: frames are going to have another length: end zero-copy receive.
 *	When it returns, each &mpassthru_port.rxq is NULL and rx_restart was
 *	called for it.  From netdev_mp_change_mtu().  Process context, may
 *	sleep; RTNL held, no lock that rx_restart takes.
 * @tx_flush: wake the consumer, which waits for @txq.  NAPI, or under the
 *	transmit lock.
 */
struct mpassthru_port_ops {
	void	(*divert)(struct mpassthru_port *port, struct sk_buff *skb);
	void	(*rx_tap)(struct mpassthru_rxq *rxq, u32 idx, unsigned int len);
	void	(*rx_flush)(struct mpassthru_rxq *rxq);
	void	(*rx_stop)(struct mpassthru_port *port);
	void	(*tx_flush)(struct mpassthru_txq *txq);
};

/**
 * struct mpassthru_port - the attachment of the mp device to a net_device
 * @max_queues: queues of either direction that can be bound, from 0 on; 1 to
 *	%MPASSTHRU_QUEUES.  Set by ndo_mp_port_prep.
 * @hdr_len: bytes of a frame that the driver splits off into a buffer of its
 *	own, 0 when it does not.  Set by ndo_mp_port_prep.
 * @data_len: longest frame in bytes, from its Ethernet header on, without
 *	@hdr_len and FCS, that the hardware will ever write to one buffer while
 *	bound.  It counts all the VLAN tags that the hardware may let pass.  Set
 *	by ndo_mp_port_prep, and with the MTU by netdev_mp_change_mtu(): it is
 *	constant while there is an @rxq.
 * @npages: pages that @data_len bytes fill.  Set with @data_len.
 * @tx_segs: most segments of a frame to be sent, 0 where there is no &struct
 *	mpassthru_txq.  Set by ndo_mp_port_prep.
 * @drv: set by ndo_mp_port_prep
 * @ops: set by the mp device
 * @dev: the device, while attached
 * @bound: queues that are bound, a bit for each.  Written under RTNL.
 * @rx_mask: queues that RSS spreads received frames over, the same; not 0 while
 *	attached.  Written under RTNL.
 * @rxq: FIFO of each receive queue while zero-copy is on for it, else NULL.
 *	Written under RTNL.  A driver looks at it when it configures a ring and
 *	keeps it with the ring, until rx_restart or mpassthru_rx_disarm().
 *	divert looks whether it is there.
 * @txq: FIFO of each transmit queue, or NULL: from the first frame until the
 *	queue is unbound.  Freed after an RCU grace period.
 */
struct mpassthru_port {
	unsigned int			max_queues;
	int				hdr_len;
	int				data_len;
	int				npages;
	unsigned int			tx_segs;
	const struct mpassthru_driver_ops *drv;
	const struct mpassthru_port_ops	*ops;
	struct net_device		*dev;
	unsigned int			bound;
	unsigned int			rx_mask;
	struct mpassthru_rxq		*rxq[MPASSTHRU_QUEUES];
	struct mpassthru_txq __rcu	*txq[MPASSTHRU_QUEUES];
};

#if IS_ENABLED(CONFIG_NET_MPASSTHRU)

DECLARE_STATIC_KEY_FALSE(mpassthru_needed_key);

DECLARE_TRACEPOINT(mpassthru_rx_arm);
DECLARE_TRACEPOINT(mpassthru_rx_fill);
DECLARE_TRACEPOINT(mpassthru_rx_disarm);
DECLARE_TRACEPOINT(mpassthru_tx_push);
DECLARE_TRACEPOINT(mpassthru_tx_done);
DECLARE_TRACEPOINT(mpassthru_tx_drop);

void mpassthru_do_trace_rx_arm(const struct mpassthru_rxq *rxq);
void mpassthru_do_trace_rx_fill(const struct mpassthru_rxq *rxq,
				unsigned int len, unsigned int flags);
void mpassthru_do_trace_rx_disarm(const struct mpassthru_rxq *rxq);
void mpassthru_do_trace_tx_push(const struct mpassthru_txq *txq);
void mpassthru_do_trace_tx_done(const struct mpassthru_txq *txq,
				unsigned int n);
void mpassthru_do_trace_tx_drop(const struct mpassthru_txq *txq,
				unsigned int n);

int netdev_mp_port_prep(struct net_device *dev, struct mpassthru_port *port,
			struct netlink_ext_ack *extack);
void netdev_mp_port_len(struct mpassthru_port *port, unsigned int mtu);
void netdev_mp_change_mtu(struct net_device *dev, unsigned int mtu);
int netdev_mp_port_attach(struct net_device *dev, struct mpassthru_port *port);
void netdev_mp_port_detach(struct net_device *dev);
void netdev_mp_tap(struct net_device *dev, const void *data, unsigned int len);
bool netdev_mp_egress_used(const struct net_device *dev);

void netdev_mp_tx_kick(struct net_device *dev, unsigned int queue);
bool netdev_mp_tx_poll(struct net_device *dev, unsigned int queue,
		       struct mpassthru_txq *seen);
int netdev_mp_tx_turn(const struct netdev_queue *nq, struct mpassthru_txq *txq,
		      bool napi);
void netdev_mp_tx_cleaned(struct mpassthru_txq *txq, unsigned int n);
void netdev_mp_tx_down(struct net_device *dev);
bool netdev_mp_tx_busy(const struct net_device *dev, unsigned int queue);

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
 * mpassthru_queue_bound - is a queue of @dev bound to an mp device
 * @dev: network device
 * @queue: index, of receive and transmit
 *
 * Context: any, see mpassthru_bound().
 * Return: true when an mp device has that queue
 */
static inline bool mpassthru_queue_bound(const struct net_device *dev,
					 unsigned int queue)
{
	struct mpassthru_port *port;
	bool bound;

	if (!mpassthru_bound(dev) || queue >= MPASSTHRU_QUEUES)
		return false;

	rcu_read_lock();
	port = rcu_dereference(dev->mp_port);
	bound = port && READ_ONCE(port->bound) & BIT(queue);
	rcu_read_unlock();
	return bound;
}

/**
 * mpassthru_data_len - bytes of a frame with two VLAN tags
 * @mtu: of the device, in bytes
 *
 * Buffers of less for an MTU below 1500 would win nothing, and MTU changes up
 * to 1500 leave zero-copy on.
 *
 * Context: any.
 * Return: bytes, without FCS: a driver whose limit on the length of frames is
 * that of the MTU has it as &mpassthru_port.data_len, for data sheets disagree
 * on what is counted.
 */
static inline unsigned int mpassthru_data_len(unsigned int mtu)
{
	return max_t(unsigned int, mtu, ETH_DATA_LEN) + ETH_HLEN +
	       2 * VLAN_HLEN;
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

	if (!mpassthru_bound(dev) || queue >= MPASSTHRU_QUEUES)
		return NULL;

	port = rtnl_dereference(dev->mp_port);
	return port->rxq[queue];
}

/**
 * mpassthru_rx_mask - which queues RSS is to spread received frames over
 * @dev: network device
 *
 * Asked by a driver when it writes its redirection table, also after a reset.
 *
 * Context: process; RTNL held, if the device is bound.
 * Return: a bit for each queue; 0 when the device is not bound: what the
 * administrator has set applies
 */
static inline unsigned int mpassthru_rx_mask(const struct net_device *dev)
{
	struct mpassthru_port *port;

	if (!mpassthru_bound(dev))
		return 0;

	port = rtnl_dereference(dev->mp_port);
	return port->rx_mask;
}

/**
 * mpassthru_rx_deal - which queue an entry of a redirection table is to name
 * @mask: queues to spread frames over, of mpassthru_rx_mask(), not 0
 * @nr: queues that the device can spread frames over now, not 0
 * @queue: that which the entry would name if all could be, less than @nr
 * @n: which of the entries of @queue it is
 *
 * The part of a queue that is not in @mask is dealt out to those that are:
 * theirs stays where it is, whatever else comes and goes.  A resume may have
 * found fewer interrupts, and set up fewer queues than are bound.
 *
 * Context: any.
 * Return: the queue
 */
static inline unsigned int mpassthru_rx_deal(unsigned int mask, unsigned int nr,
					     unsigned int queue, unsigned int n)
{
	mask &= GENMASK(min(nr, MPASSTHRU_QUEUES) - 1, 0);
	if (unlikely(!mask))
		return 0;
	if (queue < MPASSTHRU_QUEUES && mask & BIT(queue))
		return queue;

	/* One after the other of those that are set. */
	for (n %= hweight32(mask); n; n--)
		mask &= mask - 1;
	return __ffs(mask);
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

	if (tracepoint_enabled(mpassthru_rx_arm))
		mpassthru_do_trace_rx_arm(rxq);
	*dma = rxq->bufs[rxq->armed & rxq->mask].dma;
	/* Counters read it at any time; nobody relies on the order. */
	WRITE_ONCE(rxq->armed, rxq->armed + 1);
	return true;
}

/**
 * mpassthru_rx_refill - arm descriptors of a ring
 * @rxq: FIFO
 * @desc: the ring: of descriptors of two words, the address of a buffer, and
 *	another that the NIC writes its status to and that is set to 0
 * @size: descriptors in the ring
 * @next: the first that is free
 * @free: how many are
 *
 * To be followed by a barrier and the doorbell, if it returns another than
 * @next.
 *
 * Context: as mpassthru_rx_arm().
 * Return: the first that is free now
 */
static inline unsigned int
mpassthru_rx_refill(struct mpassthru_rxq *rxq, __le64 (*desc)[2],
		    unsigned int size, unsigned int next, unsigned int free)
{
	dma_addr_t dma;

	while (free-- && mpassthru_rx_arm(rxq, &dma)) {
		desc[next][0] = cpu_to_le64(dma);
		desc[next][1] = 0;
		if (++next == size)
			next = 0;
	}

	return next;
}

/**
 * mpassthru_rx_size - what the NIC is told that buffers of a FIFO have
 * @rxq: FIFO
 *
 * For NICs that are told in units of 1 KB.  That is up to 1 KB more than there
 * is behind an address, and enough to have no frame go on in the next buffer:
 * what keeps a frame inside its buffer is the limit on the length of frames.
 *
 * Context: where a ring is configured that is armed from @rxq.
 * Return: in bytes
 */
static inline unsigned int mpassthru_rx_size(const struct mpassthru_rxq *rxq)
{
	return ALIGN(rxq->port->data_len, SZ_1K);
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
 * Each buffer is reported, also of a frame over several, which the cap is to
 * prevent: all but the last with %MPASSTHRU_RX_MORE.  None of them has a frame.
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

	if (unlikely(rxq->split || flags & MPASSTHRU_RX_MORE)) {
		rxq->split = flags & MPASSTHRU_RX_MORE;
		flags = MPASSTHRU_RX_BAD;
	}

	/* The cap of ndo_mp_port_prep is what keeps frames inside buffers. */
	if (!(flags & MPASSTHRU_RX_BAD) &&
	    WARN_ON_ONCE(len > rxq->port->data_len))
		flags |= MPASSTHRU_RX_BAD;

	if (unlikely(rxq->taps) && !(flags & MPASSTHRU_RX_BAD))
		rxq->port->ops->rx_tap(rxq, rxq->filled, len);

	if (tracepoint_enabled(mpassthru_rx_fill))
		mpassthru_do_trace_rx_fill(rxq, len, flags);
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

	/* Well armed, more than half of what the guest posts and the ring
	 * takes, and an eighth of the FIFO: completions bring NAPI back.  With
	 * less, what is posted is armed at once: a ring that drops when it is
	 * empty does so in the middle of a burst, before NAPI has run.
	 */
	rxq->most = max(rxq->most, armed - rxq->filled);
	if (armed - rxq->filled > max(rxq->mask / 8, rxq->most / 2))
		return false;
	/* So do they when the ring is full.  Else, what is there was posted
	 * after the last mpassthru_rx_arm().
	 */
	if (armed != READ_ONCE(rxq->posted))
		return room;

	WRITE_ONCE(rxq->need_wakeup, true);
	/* Pairs with smp_mb() in mpassthru_rx_wants_wake(): either that sees
	 * the flag or this sees the buffer.
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
	if (tracepoint_enabled(mpassthru_rx_disarm))
		mpassthru_do_trace_rx_disarm(rxq);
	WRITE_ONCE(rxq->armed, rxq->filled);
	rxq->split = false;
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
 * To be followed by mpassthru_rx_wants_wake(), once for several.
 *
 * Context: process, serialised by the consumer.
 */
static inline void mpassthru_rx_post(struct mpassthru_rxq *rxq)
{
	/* Pairs with smp_load_acquire() in mpassthru_rx_arm(). */
	smp_store_release(&rxq->posted, rxq->posted + 1);
}

/**
 * mpassthru_rx_wants_wake - was a ring found dry before something was posted
 * @rxq: FIFO
 *
 * After mpassthru_rx_post(), once for several: a driver that finds some of
 * them takes these, and its mpassthru_rx_flush() after that meets the last.
 *
 * Context: process, serialised by the consumer.
 * Return: true when the driver wants rx_wake.
 */
static inline bool mpassthru_rx_wants_wake(struct mpassthru_rxq *rxq)
{
	/* Pairs with smp_mb() in mpassthru_rx_flush(). */
	smp_mb();
	if (likely(!READ_ONCE(rxq->need_wakeup)))
		return false;
	WRITE_ONCE(rxq->need_wakeup, false);
	return true;
}

/* Transmit: the driver's side. */

/**
 * mpassthru_tx_queue - what a transmit queue is to send from
 * @dev: network device
 * @queue: index of the transmit queue
 *
 * Context: RCU read side.
 * Return: the FIFO, valid as long as the RCU read side lasts; or NULL
 */
static inline struct mpassthru_txq *
mpassthru_tx_queue(const struct net_device *dev, unsigned int queue)
{
	struct mpassthru_port *port;

	if (!mpassthru_bound(dev) || queue >= MPASSTHRU_QUEUES)
		return NULL;

	port = rcu_dereference(dev->mp_port);
	return port ? rcu_dereference(port->txq[queue]) : NULL;
}

/**
 * mpassthru_tx_may_push - before a round of mpassthru_tx_next()
 * @txq: FIFO
 *
 * What is in the FIFO has passed what an administrator can put into the way of
 * frames: see netdev_mp_egress_used().
 *
 * Context: transmit lock held, RCU read side.
 * Return: whether frames may be pushed, or dropped
 */
static inline bool mpassthru_tx_may_push(const struct mpassthru_txq *txq)
{
	return !txq->closed;
}

/**
 * mpassthru_tx_next - the next frame to be pushed
 * @txq: FIFO
 *
 * Context: transmit lock held, after mpassthru_tx_may_push().
 * Return: the frame, to be followed by mpassthru_tx_push() or, left where it
 * is, by nothing; NULL when there is none.
 */
static inline const struct mpassthru_txframe *
mpassthru_tx_next(const struct mpassthru_txq *txq)
{
	/* Pairs with smp_store_release() in mpassthru_tx_post(). */
	if (txq->pushed == smp_load_acquire(&txq->posted))
		return NULL;
	return &txq->frames[txq->pushed & txq->mask];
}

/**
 * mpassthru_tx_seg - a segment of a frame
 * @txq: FIFO
 * @frame: from mpassthru_tx_next()
 * @i: its number in @frame
 *
 * Context: as mpassthru_tx_next().
 * Return: the segment
 */
static inline const struct mpassthru_txseg *
mpassthru_tx_seg(const struct mpassthru_txq *txq,
		 const struct mpassthru_txframe *frame, unsigned int i)
{
	return &txq->segs[(frame->first + i) & txq->seg_mask];
}

/**
 * mpassthru_tx_push - the next frame is in descriptors
 * @txq: FIFO
 *
 * Context: transmit lock held.
 */
static inline void mpassthru_tx_push(struct mpassthru_txq *txq)
{
	if (tracepoint_enabled(mpassthru_tx_push))
		mpassthru_do_trace_tx_push(txq);
	WRITE_ONCE(txq->pushed, txq->pushed + 1);
}

/**
 * mpassthru_tx_done - the NIC has read the frames pushed longest ago
 * @txq: FIFO
 * @n: how many
 *
 * To be followed by mpassthru_tx_flush().
 *
 * Context: NAPI, or with NAPI disabled and DMA of the ring at an end.
 */
static inline void mpassthru_tx_done(struct mpassthru_txq *txq, unsigned int n)
{
	/* Afterwards the FIFO may go. */
	if (tracepoint_enabled(mpassthru_tx_done))
		mpassthru_do_trace_tx_done(txq, n);
	/* Pairs with smp_load_acquire() in mpassthru_tx_sent(). */
	smp_store_release(&txq->done, txq->done + n);
}

/**
 * mpassthru_tx_drop - drop what is posted and not pushed
 * @txq: FIFO
 *
 * For a device that is down or has no carrier: as noop_qdisc does.  While the
 * ring has frames that came before, it waits for these to be done, which a
 * reset brings about.
 *
 * Context: transmit lock held; nobody else calls mpassthru_tx_done(), for the
 * ring is empty of frames of @txq when anything is dropped.
 * Return: how many were dropped; to be followed by mpassthru_tx_flush()
 */
static inline unsigned int mpassthru_tx_drop(struct mpassthru_txq *txq)
{
	unsigned int n;
	u32 posted;

	/* Pairs with smp_store_release() in mpassthru_tx_post(). */
	posted = smp_load_acquire(&txq->posted);
	n = posted - txq->pushed;
	/* Pairs with smp_store_release() in mpassthru_tx_done(). */
	if (txq->closed || !n || smp_load_acquire(&txq->done) != txq->pushed)
		return 0;
	if (tracepoint_enabled(mpassthru_tx_drop))
		mpassthru_do_trace_tx_drop(txq, n);
	WRITE_ONCE(txq->pushed, posted);
	WRITE_ONCE(txq->dropped, txq->dropped + n);
	mpassthru_tx_done(txq, n);
	return n;
}

/**
 * mpassthru_tx_flush - end of a round of mpassthru_tx_done()
 * @txq: FIFO
 *
 * Context: as mpassthru_tx_done(), or the transmit lock held.  Not netpoll's:
 * the consumer is not to be woken there.
 */
static inline void mpassthru_tx_flush(struct mpassthru_txq *txq)
{
	/* Pairs with smp_mb() in mpassthru_tx_wait(): either that sees what is
	 * done or this sees the flag.
	 */
	smp_mb();
	if (!READ_ONCE(txq->need_wakeup))
		return;
	WRITE_ONCE(txq->need_wakeup, false);
	txq->port->ops->tx_flush(txq);
}

/* Transmit: the consumer's side, used by the mp device. */

/**
 * mpassthru_tx_post - make the frame at @posted available
 * @txq: FIFO, with frames[posted & mask] and its segments set
 *
 * To be followed by netdev_mp_tx_kick(), once for several.
 *
 * Context: process, serialised by the consumer.
 */
static inline void mpassthru_tx_post(struct mpassthru_txq *txq)
{
	/* Pairs with smp_load_acquire() in mpassthru_tx_next(). */
	smp_store_release(&txq->posted, txq->posted + 1);
}

static inline u32 mpassthru_tx_sent(const struct mpassthru_txq *txq)
{
	/* Pairs with smp_store_release() in mpassthru_tx_done(). */
	return smp_load_acquire(&txq->done);
}

/**
 * mpassthru_tx_wait - ask to be woken when more is done
 * @txq: FIFO
 * @seen: what mpassthru_tx_sent() returned
 *
 * Context: process, serialised by the consumer.
 * Return: false when more is done already
 */
static inline bool mpassthru_tx_wait(struct mpassthru_txq *txq, u32 seen)
{
	/* Not before what the consumer has written for its wake-up. */
	smp_store_release(&txq->need_wakeup, true);
	/* Pairs with smp_mb() in mpassthru_tx_flush(). */
	smp_mb();
	if (mpassthru_tx_sent(txq) == seen)
		return true;
	WRITE_ONCE(txq->need_wakeup, false);
	return false;
}

#else /* !CONFIG_NET_MPASSTHRU */

struct mpassthru_rxq;
struct mpassthru_txq;

static inline bool mpassthru_bound(const struct net_device *dev)
{
	return false;
}

static inline bool mpassthru_queue_bound(const struct net_device *dev,
					 unsigned int queue)
{
	return false;
}

static inline void netdev_mp_change_mtu(struct net_device *dev,
					unsigned int mtu)
{
}

static inline unsigned int mpassthru_rx_size(const struct mpassthru_rxq *rxq)
{
	return 0;
}

static inline bool netdev_mp_tx_poll(struct net_device *dev, unsigned int queue,
				     struct mpassthru_txq *seen)
{
	return true;
}

static inline void netdev_mp_tx_down(struct net_device *dev)
{
}

#endif /* CONFIG_NET_MPASSTHRU */

/* What vhost-net posts to the socket of an mp device. */

/**
 * struct mpassthru_chain - a buffer to be filled, or a frame to be sent
 * @iocb: its ki_complete() is called once, if the chain is taken: with the
 *	bytes received or sent, or why there are none.  That may be before the
 *	call returns, and before those in front of it have completed.
 * @iov: its segments, user memory, until the call returns
 * @nr_segs: how many
 * @len: bytes in all of them
 */
struct mpassthru_chain {
	struct kiocb		*iocb;
	const struct iovec	*iov;
	unsigned int		nr_segs;
	size_t			len;
};

/**
 * struct mpassthru_batch - chains that are posted by one call
 * @chains: in the order of the ring
 * @nr: how many, at least one
 * @taken: returns how many of the first were taken
 * @hdr_len: where the frame begins in each, behind the header.  A socket that
 *	has it elsewhere takes none.
 * @wait: 0; of what is received, returns for how many jiffies nothing is to be
 *	posted, unless the poster starts anew
 *
 * It is msg_control of recvmsg or sendmsg, told from others by msg_controllen;
 * nothing else of struct msghdr is looked at.  These return 0, when all were
 * taken, or why the first that was not is not taken now.
 */
struct mpassthru_batch {
	struct mpassthru_chain	*chains;
	unsigned int		nr;
	unsigned int		taken;
	unsigned int		hdr_len;
	unsigned int		wait;
};

#if IS_ENABLED(CONFIG_VHOST_PASSTHRU)
struct socket *mpassthru_get_socket(struct file *file);
int mpassthru_claim(struct socket *sock, unsigned int dir);
void mpassthru_settle(struct socket *sock);
void mpassthru_unclaim(struct socket *sock, unsigned int dir);
#else
static inline struct socket *mpassthru_get_socket(struct file *file)
{
	return ERR_PTR(-EINVAL);
}

static inline int mpassthru_claim(struct socket *sock, unsigned int dir)
{
	return 0;
}

static inline void mpassthru_settle(struct socket *sock)
{
}

static inline void mpassthru_unclaim(struct socket *sock, unsigned int dir)
{
}
#endif

#endif /* _LINUX_MPASSTHRU_H */
