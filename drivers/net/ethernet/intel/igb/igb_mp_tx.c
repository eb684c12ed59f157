// SPDX-License-Identifier: GPL-2.0
/*
 * mpassthru: transmit out of guest memory.
 *
 * Frames of the FIFO of include/linux/mpassthru.h are written into the transmit
 * ring, between those of the network stack, as buffers of type IGB_TYPE_MP.
 * All of them are mapped by the consumer, and they are done in the order of the
 * FIFO, so that cleaning one is to count it.
 *
 * A frame for which there is no room, or that comes while the queue is stopped,
 * stays in the FIFO.  Nothing is kept about that: each round of NAPI ends with
 * igb_mp_tx_poll(), which takes the transmit lock, whether or not frames seem
 * to wait.  Who left a frame there held the lock before the round did, which
 * then sees the frame; or after it, and then saw the room that it made.
 */

#include <linux/limits.h>
#include <linux/mpassthru.h>
#include <linux/netdevice.h>
#include <net/sch_generic.h>

#include "igb.h"

/* Write the context of a frame whose checksum the NIC fills in, see igb_tso()
 * and igb_tx_csum().  The launch time is 0, for binding is refused where there
 * are some.
 */
static void igb_mp_tx_context(const struct igb_ring *ring, u16 i,
			      const struct mpassthru_txframe *frame)
{
	struct e1000_adv_tx_context_desc *desc = IGB_TX_CTXTDESC(ring, i);
	u32 type = E1000_TXD_CMD_DEXT | E1000_ADVTXD_DTYP_CTXT;
	u32 mss_l4len_idx = 0;

	type |= frame->flags & MPASSTHRU_TX_UDP ? E1000_ADVTXD_TUCMD_L4T_UDP :
						  E1000_ADVTXD_TUCMD_L4T_TCP;
	if (frame->flags & MPASSTHRU_TX_GSO) {
		mss_l4len_idx = frame->l4_len << E1000_ADVTXD_L4LEN_SHIFT |
				(u32)frame->mss << E1000_ADVTXD_MSS_SHIFT;
		if (frame->flags & MPASSTHRU_TX_IPV4)
			type |= E1000_ADVTXD_TUCMD_IPV4;
	}
	/* 82575 requires a unique index per ring */
	if (test_bit(IGB_RING_FLAG_TX_CTX_IDX, &ring->flags))
		mss_l4len_idx |= ring->reg_idx << 4;

	desc->vlan_macip_lens = cpu_to_le32(frame->l3_len |
					    frame->l2_len <<
					    E1000_ADVTXD_MACLEN_SHIFT);
	desc->seqnum_seed = 0;
	desc->type_tucmd_mlhl = cpu_to_le32(type);
	desc->mss_l4len_idx = cpu_to_le32(mss_l4len_idx);
}

static u16 igb_mp_tx_next(const struct igb_ring *ring, u16 i)
{
	return ++i < ring->count ? i : 0;
}

/* Write the segments of a frame from descriptor @i on.  @status is that of the
 * first.  Returns the last descriptor.
 */
static union e1000_adv_tx_desc *
igb_mp_tx_data(const struct igb_ring *ring, u16 i,
	       const struct mpassthru_txq *txq,
	       const struct mpassthru_txframe *frame, u32 cmd, u32 status)
{
	const struct mpassthru_txseg *seg;
	union e1000_adv_tx_desc *desc;
	unsigned int n = 0;
	u32 left, size;
	dma_addr_t dma;

	for (;;) {
		seg = mpassthru_tx_seg(txq, frame, n);
		dma = seg->dma;
		left = seg->len;
		for (;;) {
			size = min(left, IGB_MAX_DATA_PER_TXD);
			desc = IGB_TX_DESC(ring, i);
			desc->read.buffer_addr = cpu_to_le64(dma);
			desc->read.cmd_type_len = cpu_to_le32(cmd | size);
			desc->read.olinfo_status = cpu_to_le32(status);
			left -= size;
			if (likely(!left))
				break;
			dma += size;
			status = 0;
			i = igb_mp_tx_next(ring, i);
		}
		if (++n >= frame->nr_segs)
			break;
		status = 0;
		i = igb_mp_tx_next(ring, i);
	}

	desc->read.cmd_type_len = cpu_to_le32(cmd | size | IGB_TXD_DCMD);
	return desc;
}

/* Write a frame into the ring, which has room for it.  Returns its bytes on the
 * wire, as igb_tso() counts them.
 */
static unsigned int igb_mp_tx_frame(struct igb_ring *ring,
				    struct mpassthru_txq *txq,
				    const struct mpassthru_txframe *frame)
{
	u32 cmd = E1000_ADVTXD_DTYP_DATA | E1000_ADVTXD_DCMD_DEXT |
		  E1000_ADVTXD_DCMD_IFCS;
	unsigned int bytes = frame->len, hdr_len;
	u32 status = frame->len << E1000_ADVTXD_PAYLEN_SHIFT;
	union e1000_adv_tx_desc *last;
	struct igb_tx_buffer *first;
	u16 i = ring->next_to_use;

	first = &ring->tx_buffer_info[i];
	if (frame->flags & (MPASSTHRU_TX_CSUM | MPASSTHRU_TX_GSO)) {
		igb_mp_tx_context(ring, i, frame);
		i = igb_mp_tx_next(ring, i);
		status |= E1000_TXD_POPTS_TXSM << 8;
	}
	if (frame->flags & MPASSTHRU_TX_GSO) {
		hdr_len = frame->l2_len + frame->l3_len + frame->l4_len;
		bytes += (frame->gso_segs - 1) * hdr_len;
		cmd |= E1000_ADVTXD_DCMD_TSE;
		status -= hdr_len << E1000_ADVTXD_PAYLEN_SHIFT;
		if (frame->flags & MPASSTHRU_TX_IPV4)
			status |= E1000_TXD_POPTS_IXSM << 8;
	}
	if (test_bit(IGB_RING_FLAG_TX_CTX_IDX, &ring->flags))
		status |= ring->reg_idx << 4;

	last = igb_mp_tx_data(ring, i, txq, frame, cmd, status);

	first->type = IGB_TYPE_MP;
	first->mp_txq = txq;
	first->bytecount = bytes;
	first->gso_segs = frame->gso_segs;
	first->time_stamp = jiffies;

	/* The descriptors are in memory before the NIC is told of them, and DD
	 * of the last lap is gone before igb_clean_tx_irq() sees that a frame
	 * is there, which pairs with smp_rmb() in there.
	 */
	dma_wmb();
	first->next_to_watch = last;
	ring->next_to_use =
		igb_mp_tx_next(ring, last - IGB_TX_DESC(ring, 0));

	return bytes;
}

/* A descriptor for each segment, one more wherever 32 KB of it are full, one
 * for a context, and the gap of igb_xmit_frame_ring().
 */
static bool igb_mp_tx_room(struct igb_ring *ring,
			   const struct mpassthru_txframe *frame)
{
	return igb_desc_unused(ring) >=
	       frame->nr_segs + frame->len / IGB_MAX_DATA_PER_TXD + 3;
}

/* Write frames until one takes it past @limit bytes.  Returns the bytes. */
static unsigned int igb_mp_tx_fill(struct igb_ring *ring,
				   struct mpassthru_txq *txq,
				   unsigned int limit)
{
	const struct mpassthru_txframe *frame;
	unsigned int bytes = 0;

	do {
		frame = mpassthru_tx_next(txq);
		if (!frame || !igb_mp_tx_room(ring, frame))
			break;
		bytes += igb_mp_tx_frame(ring, txq, frame);
		mpassthru_tx_push(txq);
	} while (bytes <= limit);

	return bytes;
}

/* What BQL lets a queue have that is not stopped.  One that has just reached
 * its limit gets a frame more.
 */
static unsigned int igb_mp_tx_limit(const struct netdev_queue *nq)
{
	return IS_ENABLED(CONFIG_BQL) ? max(qdisc_avail_bulklimit(nq), 0) :
					INT_MAX;
}

/* Frames of the stack wait in the qdisc, which runs between two rounds of NAPI,
 * if it finds the queue open: it has every other round.  A kick leaves the
 * decision to NAPI.
 */
static bool igb_mp_tx_yield(const struct netdev_queue *nq,
			    struct mpassthru_txq *txq, bool napi)
{
	if (likely(qdisc_is_empty(rcu_dereference_bh(nq->qdisc))) ||
	    !mpassthru_tx_next(txq))
		return false;
	if (napi)
		txq->yielded = !txq->yielded;
	return !napi || txq->yielded;
}

/* Push to a ring that runs.  Transmit lock held.  Returns true when that is to
 * be tried again by NAPI, although nothing may make it run.
 */
static bool igb_mp_tx_push(struct igb_ring *ring, struct netdev_queue *nq,
			   struct mpassthru_txq *txq, bool napi)
{
	unsigned int bytes;

	/* Where the queue is stopped, frames are in the ring, whose end NAPI
	 * sees, or the device comes up.  A frozen one thaws without a word.
	 */
	if (unlikely(netif_xmit_frozen_or_stopped(nq)))
		return !netif_xmit_stopped(nq);
	if (unlikely(igb_mp_tx_yield(nq, txq, napi)))
		return ring->next_to_use == READ_ONCE(ring->next_to_clean);

	bytes = igb_mp_tx_fill(ring, txq, igb_mp_tx_limit(nq));
	if (!bytes)
		return false;

	netdev_tx_sent_queue(nq, bytes);
	txq_trans_cond_update(nq);

	/* Room for the next frame of the stack, as igb_maybe_stop_tx(). */
	if (unlikely(igb_desc_unused(ring) < DESC_NEEDED)) {
		netif_tx_stop_queue(nq);
		/* Pairs with smp_mb() in igb_clean_tx_irq(): either that sees
		 * the queue stopped or this sees the room.
		 */
		smp_mb();
		if (igb_desc_unused(ring) >= DESC_NEEDED)
			netif_tx_wake_queue(nq);
	}

	writel(ring->next_to_use, ring->tail);
	return false;
}

/* Has the NIC sent the oldest frame of the ring?  Transmit lock held.  NAPI may
 * clean it meanwhile; the descriptor is there as long as the ring.
 */
static bool igb_mp_tx_sent(const struct igb_ring *ring)
{
	const union e1000_adv_tx_desc *last;
	u16 i = READ_ONCE(ring->next_to_clean);

	last = READ_ONCE(ring->tx_buffer_info[i].next_to_watch);
	return last && (READ_ONCE(last->wb.status) &
			cpu_to_le32(E1000_TXD_STAT_DD));
}

/* Push, or drop.  Transmit lock held.  Returns the ring whose NAPI is to run,
 * or NULL.
 */
static struct igb_ring *igb_mp_tx_run(struct igb_adapter *adapter,
				      struct mpassthru_txq *txq,
				      unsigned int queue, bool napi)
{
	struct net_device *netdev = adapter->netdev;
	struct igb_ring *ring;
	bool again;

	/* Who sees the bit has no ring.  Who does not holds the lock, and
	 * igb_down(), which has set it, takes the lock before it touches one.
	 * After a resume with fewer interrupts there may be none any more.
	 */
	if (test_bit(__IGB_DOWN, &adapter->state) ||
	    !netif_carrier_ok(netdev) || queue >= adapter->num_tx_queues) {
		if (mpassthru_tx_drop(txq))
			mpassthru_tx_flush(txq);
		return NULL;
	}

	ring = adapter->tx_ring[queue];
	again = mpassthru_tx_may_push(txq) &&
		igb_mp_tx_push(ring, netdev_get_tx_queue(netdev, queue), txq,
			       napi);
	return again || igb_mp_tx_sent(ring) ? ring : NULL;
}

/**
 * igb_mp_tx_kick - &mpassthru_driver_ops.tx_kick
 * @netdev: network device
 * @queue: index of the transmit queue
 *
 * What the NIC has sent is left to NAPI, never cleaned beside it.  NAPI runs
 * when the caller enables softirqs.
 *
 * Context: process, softirqs disabled, RCU read side.
 */
void igb_mp_tx_kick(struct net_device *netdev, unsigned int queue)
{
	struct netdev_queue *nq = netdev_get_tx_queue(netdev, queue);
	struct mpassthru_txq *txq = mpassthru_tx_queue(netdev, queue);
	struct igb_ring *ring;

	if (!txq)
		return;

	__netif_tx_lock(nq, smp_processor_id());
	ring = igb_mp_tx_run(netdev_priv(netdev), txq, queue, false);
	if (ring)
		napi_schedule(&ring->q_vector->napi);
	__netif_tx_unlock(nq);
}

/**
 * igb_mp_tx_done - frames of a ring have been sent
 * @ring: transmit ring
 * @txq: FIFO that they are of
 * @n: how many
 *
 * To be followed by igb_mp_tx_poll(), but not in netpoll: that runs beside an
 * interrupt, which brings it.
 *
 * Context: NAPI, netpoll.  There are frames pushed to @txq and not done, so
 * that it is not freed before; afterwards it is valid as long as softirqs,
 * which are an RCU read side, are disabled.
 */
void igb_mp_tx_done(struct igb_ring *ring, struct mpassthru_txq *txq,
		    unsigned int n)
{
	u64_stats_update_begin(&ring->tx_syncp);
	ring->tx_stats.mp += n;
	u64_stats_update_end(&ring->tx_syncp);
	mpassthru_tx_done(txq, n);
}

/**
 * igb_mp_tx_poll - end of a round of NAPI
 * @ring: transmit ring
 * @seen: FIFO of frames that were done in this round, or NULL
 *
 * Push what waits and wake the consumer.
 *
 * Context: NAPI, not netpoll, which may have come between those who hold the
 * transmit lock and the release of it.
 * Return: false when NAPI has to poll again
 */
bool igb_mp_tx_poll(struct igb_ring *ring, struct mpassthru_txq *seen)
{
	struct netdev_queue *nq = txring_txq(ring);
	struct mpassthru_txq *txq;
	struct igb_ring *again;
	u32 pushed;

	rcu_read_lock();
	txq = mpassthru_tx_queue(ring->netdev, ring->queue_index);
	again = NULL;
	if (txq) {
		__netif_tx_lock(nq, smp_processor_id());
		pushed = txq->pushed;
		again = igb_mp_tx_run(netdev_priv(ring->netdev), txq,
				      ring->queue_index, true);
		pushed = txq->pushed - pushed;
		__netif_tx_unlock(nq);
		/* also of those that were done by netpoll */
		if (pushed || txq->flushed != txq->done) {
			txq->flushed = txq->done;
			mpassthru_tx_flush(txq);
		}
	}
	/* one that is being taken away */
	if (seen && seen != txq)
		mpassthru_tx_flush(seen);
	rcu_read_unlock();

	return !again;
}

/**
 * igb_mp_clean_tx_ring - frames of a ring will not be sent any more
 * @ring: transmit ring
 * @txq: FIFO that they are of, which is there until they are done
 * @n: how many
 *
 * They count as sent.
 *
 * Context: process; NAPI disabled, and the NIC was reset or does not answer.
 */
void igb_mp_clean_tx_ring(struct igb_ring *ring, struct mpassthru_txq *txq,
			  unsigned int n)
{
	struct igb_adapter *adapter = netdev_priv(ring->netdev);

	/* A NIC that is not there, or whose channel is frozen, took no reset
	 * from igb_down(), and may go on to read.
	 */
	if (unlikely(!igb_mp_answers(adapter)))
		igb_mp_bus_off(adapter);

	local_bh_disable();
	rcu_read_lock();
	mpassthru_tx_done(txq, n);
	mpassthru_tx_flush(txq);
	rcu_read_unlock();
	local_bh_enable();
}

/**
 * igb_mp_tx_down - drop what waits for a device that has been brought down
 * @adapter: the device, with __IGB_DOWN set and its rings clean
 *
 * Who posts from here on drops by itself.
 *
 * Context: process.
 */
void igb_mp_tx_down(struct igb_adapter *adapter)
{
	int i;

	local_bh_disable();
	rcu_read_lock();
	for (i = 0; i < adapter->num_tx_queues; i++)
		igb_mp_tx_kick(adapter->netdev, i);
	rcu_read_unlock();
	local_bh_enable();
}

/* Are frames in the ring?  Nothing is pushed meanwhile. */
static bool igb_mp_tx_busy(const struct net_device *netdev, unsigned int queue)
{
	struct mpassthru_txq *txq;
	bool busy;

	rcu_read_lock();
	txq = mpassthru_tx_queue(netdev, queue);
	busy = txq && mpassthru_tx_sent(txq) != txq->pushed;
	rcu_read_unlock();

	return busy;
}

/* End a ring whose NIC is not to be reset, and keep that off the bus.  The
 * stack may be about to transmit, unless the device is down.
 */
static void igb_mp_tx_cut(struct igb_adapter *adapter, struct igb_ring *ring)
{
	napi_disable(&ring->q_vector->napi);
	igb_mp_bus_off(adapter);
	__netif_tx_lock_bh(txring_txq(ring));
	igb_clean_tx_ring(ring);
	igb_configure_tx_ring(adapter, ring);
	__netif_tx_unlock_bh(txring_txq(ring));
	napi_enable(&ring->q_vector->napi);
	igb_mp_poll(ring);
}

/**
 * igb_mp_tx_reset - &mpassthru_driver_ops.tx_reset
 * @netdev: network device
 * @queue: index of the transmit queue, whose &mpassthru_txq.closed is set
 *
 * Context: process, RTNL held.
 * Return: false when the ring had come to its end
 */
bool igb_mp_tx_reset(struct net_device *netdev, unsigned int queue)
{
	struct igb_adapter *adapter = netdev_priv(netdev);
	struct igb_ring *ring;
	bool reset;

	ASSERT_RTNL();

	while (test_and_set_bit(__IGB_RESETTING, &adapter->state))
		usleep_range(1000, 2000);
	/* igb_down() leaves nothing in a ring, so that one with frames has its
	 * NAPI enabled.
	 */
	ring = adapter->tx_ring[queue];
	reset = ring && igb_mp_tx_busy(netdev, queue);
	if (!reset)
		goto out;

	/* One that does not answer cannot be reset, and one that is being
	 * removed (__IGB_DOWN) is not started anew, as in igb_mp_rx_restart().
	 */
	if (unlikely(test_bit(__IGB_DOWN, &adapter->state) ||
		     !igb_mp_answers(adapter))) {
		igb_mp_tx_cut(adapter, ring);
		goto out;
	}

	netdev_err(netdev, "transmit queue %u does not end, resetting\n",
		   queue);
	igb_down(adapter);
	igb_up(adapter);
out:
	clear_bit(__IGB_RESETTING, &adapter->state);
	return reset;
}

#if IS_ENABLED(CONFIG_VHOST_PASSTHRU_KUNIT_TEST) && IS_REACHABLE(CONFIG_KUNIT)
#include "igb_mp_tx_test.c"
#endif
