// SPDX-License-Identifier: GPL-2.0
/*
 * mpassthru: transmit out of guest memory.
 *
 * Frames of the FIFO of include/linux/mpassthru.h are written into the transmit
 * ring, between those of the network stack, as buffers of type IGB_TYPE_MP.
 * All of them are mapped by the consumer, and they are done in the order of the
 * FIFO, so that cleaning one is to count it.
 *
 * When frames are written, and what becomes of those that are not, is in
 * net/core/mpassthru_tx.c.
 */

#include <linux/mpassthru.h>
#include <linux/netdevice.h>

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

/* Push to a ring that runs.  Transmit lock held.  Returns true when that is to
 * be tried again by NAPI, although nothing may make it run.
 */
static bool igb_mp_tx_push(struct igb_ring *ring, struct netdev_queue *nq,
			   struct mpassthru_txq *txq, bool napi)
{
	unsigned int bytes;
	int limit;

	/* Where the queue is stopped, frames are in the ring, whose end NAPI
	 * sees, or the device comes up.  A frozen one thaws without a word.
	 */
	if (unlikely(netif_xmit_frozen_or_stopped(nq)))
		return !netif_xmit_stopped(nq);
	limit = netdev_mp_tx_turn(nq, txq, napi);
	if (unlikely(limit < 0))
		return ring->next_to_use == READ_ONCE(ring->next_to_clean);

	bytes = igb_mp_tx_fill(ring, txq, limit);
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

/**
 * igb_mp_tx_run - &mpassthru_driver_ops.tx_run
 * @netdev: network device
 * @txq: FIFO
 * @napi: it is NAPI that calls, not who posted
 *
 * Context: transmit lock of the queue held, RCU read side.
 * Return: the NAPI that is to run, or NULL
 */
struct napi_struct *igb_mp_tx_run(struct net_device *netdev,
				  struct mpassthru_txq *txq, bool napi)
{
	struct igb_adapter *adapter = netdev_priv(netdev);
	struct netdev_queue *nq;
	struct igb_ring *ring;
	bool again;

	/* Who sees the bit has no ring.  Who does not holds the lock, and
	 * igb_down(), which has set it, takes the lock before it touches one.
	 * After a resume with fewer interrupts there may be none any more.
	 */
	if (test_bit(__IGB_DOWN, &adapter->state) ||
	    !netif_carrier_ok(netdev) ||
	    txq->queue >= adapter->num_tx_queues) {
		if (mpassthru_tx_drop(txq))
			mpassthru_tx_flush(txq);
		return NULL;
	}

	ring = adapter->tx_ring[txq->queue];
	nq = txring_txq(ring);
	again = mpassthru_tx_may_push(txq) &&
		igb_mp_tx_push(ring, nq, txq, napi);
	return again || igb_mp_tx_sent(ring) ? &ring->q_vector->napi : NULL;
}

/**
 * igb_mp_tx_done - frames of a ring have been sent
 * @ring: transmit ring
 * @txq: FIFO that they are of
 * @n: how many
 *
 * To be followed by netdev_mp_tx_poll(), but not in netpoll: that runs beside
 * an interrupt, which brings it.
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

	netdev_mp_tx_cleaned(txq, n);
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
	reset = ring && netdev_mp_tx_busy(netdev, queue);
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
