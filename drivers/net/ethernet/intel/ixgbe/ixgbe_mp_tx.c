// SPDX-License-Identifier: GPL-2.0
/*
 * mpassthru: transmit out of guest memory.
 *
 * Frames of the FIFO of include/linux/mpassthru.h are written into the transmit
 * ring, between those of the network stack, as buffers with the flag
 * IXGBE_TX_FLAGS_MP.  All of them are mapped by the consumer, and they are done
 * in the order of the FIFO, so that cleaning one is to count it.
 *
 * When frames are written, and what becomes of those that are not, is in
 * net/core/mpassthru_tx.c.  Where no round of NAPI is to come, as the queues
 * have just been started, one is asked for: ixgbe_mp_poll_rings(),
 * ixgbe_mp_tx_link_up().
 */

#include <linux/mpassthru.h>
#include <linux/netdevice.h>

#include "ixgbe.h"
#include "ixgbe_txrx_common.h"

/* Write the context of a frame whose checksum the NIC fills in, see ixgbe_tso()
 * and ixgbe_tx_csum().  Its index is 0, as that of all others.
 */
static void ixgbe_mp_tx_context(const struct ixgbe_ring *ring, u16 i,
				const struct mpassthru_txframe *frame)
{
	struct ixgbe_adv_tx_context_desc *desc = IXGBE_TX_CTXTDESC(ring, i);
	u32 type = IXGBE_TXD_CMD_DEXT |
		   FIELD_PREP(IXGBE_ADVTXD_DTYP_MASK, IXGBE_ADVTXD_DTYP_CTXT);
	u32 mss_l4len_idx = 0;

	type |= frame->flags & MPASSTHRU_TX_UDP ? IXGBE_ADVTXD_TUCMD_L4T_UDP :
						  IXGBE_ADVTXD_TUCMD_L4T_TCP;
	if (frame->flags & MPASSTHRU_TX_GSO) {
		mss_l4len_idx = frame->l4_len << IXGBE_ADVTXD_L4LEN_SHIFT |
				(u32)frame->mss << IXGBE_ADVTXD_MSS_SHIFT;
		if (frame->flags & MPASSTHRU_TX_IPV4)
			type |= IXGBE_ADVTXD_TUCMD_IPV4;
	}

	desc->vlan_macip_lens = cpu_to_le32(frame->l3_len |
					    frame->l2_len <<
					    IXGBE_ADVTXD_MACLEN_SHIFT);
	desc->fceof_saidx = 0;
	desc->type_tucmd_mlhl = cpu_to_le32(type);
	desc->mss_l4len_idx = cpu_to_le32(mss_l4len_idx);
}

static u16 ixgbe_mp_tx_next(const struct ixgbe_ring *ring, u16 i)
{
	return ++i < ring->count ? i : 0;
}

/* Write the segments of a frame from descriptor @i on.  @status is that of the
 * first.  Returns the last descriptor.
 */
static union ixgbe_adv_tx_desc *
ixgbe_mp_tx_data(const struct ixgbe_ring *ring, u16 i,
		 const struct mpassthru_txq *txq,
		 const struct mpassthru_txframe *frame, u32 cmd, u32 status)
{
	const struct mpassthru_txseg *seg;
	union ixgbe_adv_tx_desc *desc;
	unsigned int n = 0;
	u32 left, size;
	dma_addr_t dma;

	for (;;) {
		seg = mpassthru_tx_seg(txq, frame, n);
		dma = seg->dma;
		left = seg->len;
		for (;;) {
			size = min(left, IXGBE_MAX_DATA_PER_TXD);
			desc = IXGBE_TX_DESC(ring, i);
			desc->read.buffer_addr = cpu_to_le64(dma);
			desc->read.cmd_type_len = cpu_to_le32(cmd | size);
			desc->read.olinfo_status = cpu_to_le32(status);
			left -= size;
			if (likely(!left))
				break;
			dma += size;
			status = 0;
			i = ixgbe_mp_tx_next(ring, i);
		}
		if (++n >= frame->nr_segs)
			break;
		status = 0;
		i = ixgbe_mp_tx_next(ring, i);
	}

	desc->read.cmd_type_len = cpu_to_le32(cmd | size | IXGBE_TXD_CMD);
	return desc;
}

/* Write a frame into the ring, which has room for it.  Returns its bytes on the
 * wire, as ixgbe_tso() counts them.  Check Context (CC) is for the transmit
 * switch, which is off while bound.
 */
static unsigned int ixgbe_mp_tx_frame(struct ixgbe_ring *ring,
				      struct mpassthru_txq *txq,
				      const struct mpassthru_txframe *frame)
{
	u32 cmd = IXGBE_ADVTXD_DTYP_DATA | IXGBE_ADVTXD_DCMD_DEXT |
		  IXGBE_ADVTXD_DCMD_IFCS;
	unsigned int bytes = frame->len, hdr_len;
	u32 status = frame->len << IXGBE_ADVTXD_PAYLEN_SHIFT;
	union ixgbe_adv_tx_desc *last;
	struct ixgbe_tx_buffer *first;
	u16 i = ring->next_to_use;

	first = &ring->tx_buffer_info[i];
	if (frame->flags & (MPASSTHRU_TX_CSUM | MPASSTHRU_TX_GSO)) {
		ixgbe_mp_tx_context(ring, i, frame);
		i = ixgbe_mp_tx_next(ring, i);
		status |= IXGBE_ADVTXD_POPTS_TXSM;
	}
	if (frame->flags & MPASSTHRU_TX_GSO) {
		/* PAYLEN is without the headers, which all frames have. */
		hdr_len = frame->l2_len + frame->l3_len + frame->l4_len;
		bytes += (frame->gso_segs - 1) * hdr_len;
		cmd |= IXGBE_ADVTXD_DCMD_TSE;
		status -= hdr_len << IXGBE_ADVTXD_PAYLEN_SHIFT;
		if (frame->flags & MPASSTHRU_TX_IPV4)
			status |= IXGBE_ADVTXD_POPTS_IXSM;
	}

	last = ixgbe_mp_tx_data(ring, i, txq, frame, cmd, status);

	first->tx_flags = IXGBE_TX_FLAGS_MP;
	first->mp_txq = txq;
	first->bytecount = bytes;
	first->gso_segs = frame->gso_segs;
	first->time_stamp = jiffies;

	/* The descriptors are in memory before the NIC is told of them, and DD
	 * of the last lap is gone before ixgbe_clean_tx_irq() sees that a frame
	 * is there, which pairs with smp_rmb() in there.
	 */
	dma_wmb();
	first->next_to_watch = last;
	ring->next_to_use =
		ixgbe_mp_tx_next(ring, last - IXGBE_TX_DESC(ring, 0));

	return bytes;
}

/* A descriptor for each segment, one more wherever 16 KB of it are full, one
 * for a context, and the gap of ixgbe_xmit_frame_ring().
 */
static bool ixgbe_mp_tx_room(struct ixgbe_ring *ring,
			     const struct mpassthru_txframe *frame)
{
	return ixgbe_desc_unused(ring) >=
	       frame->nr_segs + frame->len / IXGBE_MAX_DATA_PER_TXD + 3;
}

/* Write frames until one takes it past @limit bytes.  Returns the bytes. */
static unsigned int ixgbe_mp_tx_fill(struct ixgbe_ring *ring,
				     struct mpassthru_txq *txq,
				     unsigned int limit)
{
	const struct mpassthru_txframe *frame;
	unsigned int bytes = 0;

	do {
		frame = mpassthru_tx_next(txq);
		if (!frame || !ixgbe_mp_tx_room(ring, frame))
			break;
		bytes += ixgbe_mp_tx_frame(ring, txq, frame);
		mpassthru_tx_push(txq);
	} while (bytes <= limit);

	return bytes;
}

/* Push to a ring that runs.  Transmit lock held.  Returns true when that is to
 * be tried again by NAPI, although nothing may make it run.
 */
static bool ixgbe_mp_tx_push(struct ixgbe_ring *ring, struct netdev_queue *nq,
			     struct mpassthru_txq *txq, bool napi)
{
	unsigned int bytes;
	int limit;

	/* Where the queue is stopped, frames are in the ring, whose end NAPI
	 * sees, or the device or its link comes up.  A frozen one thaws without
	 * a word.
	 */
	if (unlikely(netif_xmit_frozen_or_stopped(nq)))
		return !netif_xmit_stopped(nq);
	limit = netdev_mp_tx_turn(nq, txq, napi);
	if (unlikely(limit < 0))
		return ring->next_to_use == READ_ONCE(ring->next_to_clean);

	bytes = ixgbe_mp_tx_fill(ring, txq, limit);
	if (!bytes)
		return false;

	netdev_tx_sent_queue(nq, bytes);
	txq_trans_cond_update(nq);

	/* Room for the next frame of the stack, as ixgbe_maybe_stop_tx(). */
	if (unlikely(ixgbe_desc_unused(ring) < DESC_NEEDED)) {
		netif_tx_stop_queue(nq);
		/* Pairs with the barrier of __netif_txq_completed_wake() in
		 * ixgbe_clean_tx_irq(): either that sees the queue stopped or
		 * this sees the room.
		 */
		smp_mb();
		if (ixgbe_desc_unused(ring) >= DESC_NEEDED)
			netif_tx_wake_queue(nq);
	}

	writel(ring->next_to_use, ring->tail);
	return false;
}

/* Has the NIC sent the oldest frame of the ring?  Transmit lock held.  NAPI may
 * clean it meanwhile; the descriptor is there as long as the ring.
 */
static bool ixgbe_mp_tx_sent(const struct ixgbe_ring *ring)
{
	const union ixgbe_adv_tx_desc *last;
	u16 i = READ_ONCE(ring->next_to_clean);

	last = READ_ONCE(ring->tx_buffer_info[i].next_to_watch);
	return last && (READ_ONCE(last->wb.status) &
			cpu_to_le32(IXGBE_TXD_STAT_DD));
}

/**
 * ixgbe_mp_tx_run - &mpassthru_driver_ops.tx_run
 * @netdev: network device
 * @txq: FIFO
 * @napi: it is NAPI that calls, not who posted
 *
 * Context: transmit lock of the queue held, RCU read side.
 * Return: the NAPI that is to run, or NULL
 */
struct napi_struct *ixgbe_mp_tx_run(struct net_device *netdev,
				    struct mpassthru_txq *txq, bool napi)
{
	struct ixgbe_adapter *adapter = ixgbe_from_netdev(netdev);
	struct netdev_queue *nq;
	struct ixgbe_ring *ring;
	bool again;

	/* Who sees the bit has no ring.  Who does not holds the lock, and
	 * ixgbe_down(), which has set it, takes the lock before it touches one.
	 * After a resume with fewer interrupts there may be none any more.
	 * Without a carrier the NIC sends nothing, and the watchdog resets it
	 * for what is in its rings: nothing is added.
	 */
	if (test_bit(__IXGBE_DOWN, &adapter->state) ||
	    !netif_carrier_ok(netdev) ||
	    txq->queue >= adapter->num_tx_queues) {
		if (mpassthru_tx_drop(txq))
			mpassthru_tx_flush(txq);
		return NULL;
	}

	ring = adapter->tx_ring[txq->queue];
	nq = txring_txq(ring);
	again = mpassthru_tx_may_push(txq) &&
		ixgbe_mp_tx_push(ring, nq, txq, napi);
	return again || ixgbe_mp_tx_sent(ring) ? &ring->q_vector->napi : NULL;
}

/**
 * ixgbe_mp_tx_done - frames of a ring have been sent
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
void ixgbe_mp_tx_done(struct ixgbe_ring *ring, struct mpassthru_txq *txq,
		      unsigned int n)
{
	u64_stats_update_begin(&ring->syncp);
	ring->stats.mp += n;
	u64_stats_update_end(&ring->syncp);
	mpassthru_tx_done(txq, n);
}

/**
 * ixgbe_mp_tx_link_up - the queues have been woken, as there is a carrier
 * @adapter: the device
 *
 * What came after the carrier and before that is in the FIFO.  The caller has
 * no lock that keeps rings and vectors: the NIC is asked for an interrupt of
 * each.
 *
 * Context: process.
 */
void ixgbe_mp_tx_link_up(struct ixgbe_adapter *adapter)
{
	int nr = READ_ONCE(adapter->num_q_vectors);

	if (nr && mpassthru_bound(adapter->netdev))
		ixgbe_irq_rearm_queues(adapter, GENMASK_ULL(nr - 1, 0));
}

/**
 * ixgbe_mp_clean_tx_ring - frames of a ring will not be sent any more
 * @ring: transmit ring
 * @txq: FIFO that they are of, which is there until they are done
 * @n: how many
 *
 * They count as sent.
 *
 * Context: process; NAPI disabled, and the NIC was reset or does not answer.
 */
void ixgbe_mp_clean_tx_ring(struct ixgbe_ring *ring, struct mpassthru_txq *txq,
			    unsigned int n)
{
	struct ixgbe_adapter *adapter = ixgbe_from_netdev(ring->netdev);

	/* A NIC that is not there, or whose channel is frozen, took no reset
	 * from ixgbe_down(), and may go on to read: receive rings, which look
	 * as well, are cleaned later.
	 */
	if (unlikely(!ixgbe_mp_answers(adapter)))
		ixgbe_mp_bus_off(adapter);

	netdev_mp_tx_cleaned(txq, n);
}

/* End a ring whose NIC is not to be reset, and keep that off the bus.  The
 * stack may be about to transmit.  What it adds afterwards is not sent, nor is
 * what the ring is told of it: ixgbe_configure_tx_ring(), which sleeps, is left
 * to who resets the NIC.
 */
static void ixgbe_mp_tx_cut(struct ixgbe_adapter *adapter,
			    struct ixgbe_ring *ring)
{
	napi_disable(&ring->q_vector->napi);
	ixgbe_mp_bus_off(adapter);
	__netif_tx_lock_bh(txring_txq(ring));
	ixgbe_clean_tx_ring(ring);
	/* no frame is left for ixgbe_clean_tx_irq() to find */
	memset(ring->tx_buffer_info, 0,
	       sizeof(*ring->tx_buffer_info) * ring->count);
	__netif_tx_unlock_bh(txring_txq(ring));
	napi_enable(&ring->q_vector->napi);
	ixgbe_mp_poll(ring);
}

/**
 * ixgbe_mp_tx_reset - &mpassthru_driver_ops.tx_reset
 * @netdev: network device
 * @queue: index of the transmit queue, whose &mpassthru_txq.closed is set
 *
 * Context: process, RTNL held.
 * Return: false when the ring had come to its end
 */
bool ixgbe_mp_tx_reset(struct net_device *netdev, unsigned int queue)
{
	struct ixgbe_adapter *adapter = ixgbe_from_netdev(netdev);
	struct ixgbe_ring *ring;
	bool reset;

	ASSERT_RTNL();

	while (test_and_set_bit(__IXGBE_RESETTING, &adapter->state))
		usleep_range(1000, 2000);
	/* ixgbe_down() leaves nothing in a ring, so that one with frames has
	 * its NAPI enabled.
	 */
	ring = adapter->tx_ring[queue];
	reset = ring && netdev_mp_tx_busy(netdev, queue);
	if (!reset)
		goto out;

	/* as in ixgbe_mp_rx_restart() */
	if (unlikely(!ixgbe_mp_answers(adapter))) {
		ixgbe_mp_tx_cut(adapter, ring);
		goto out;
	}

	netdev_err(netdev, "transmit queue %u does not end, resetting\n",
		   queue);
	ixgbe_down(adapter);
	ixgbe_up(adapter);
out:
	clear_bit(__IXGBE_RESETTING, &adapter->state);
	return reset;
}

#if IS_ENABLED(CONFIG_VHOST_PASSTHRU_KUNIT_TEST) && IS_REACHABLE(CONFIG_KUNIT)
#include "ixgbe_mp_tx_test.c"
#endif
