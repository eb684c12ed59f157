// SPDX-License-Identifier: GPL-2.0
/*
 * mpassthru: the port, and receive into buffers that a guest posted.
 *
 * The ring is armed from the FIFO of include/linux/mpassthru.h and completes in
 * its order, so that nothing is kept per descriptor.
 *
 * What keeps a frame inside a buffer is MAXFRS (MHADD.MFS), which is one for
 * the port and follows the MTU, see ixgbe_set_rx_buffer_len().  It is without
 * VLAN tags: the MAC allows 4 bytes more for one, and 8 for two.  There is room
 * for two tags, also if the MAC should not allow the second without
 * CTRL_EXT.EXTENDED_VLAN, which nobody sets.  So a frame that gets past MAXFRS,
 * which counts the FCS, fits under every reading, and no frame of the wire has
 * mpassthru_rx_fill() warn.  No buffer of a guest is armed while the MTU is
 * changed, see netdev_mp_change_mtu().
 *
 * A queue's own limit, RXDCTL.RLPML, does not work on the 82599, and is set
 * besides on those that came later.  The size that a queue is told of its
 * buffers is in KB and is more than what they have.  What would have the NIC
 * write more is off while bound, or binding is refused:
 *
 *   frames with errors (FCTRL.SBP), RSC	ixgbe_fix_features()
 *   FCoE, with a MAXFRS of 3 KB		ixgbe_fcoe_enable()
 *   a VF, whose driver may raise MAXFRS, and	ixgbe_pci_sriov_enable(),
 *     the transmit switch, which heeds none	ixgbe_fwd_add()
 *   time stamps behind the frame (X550)	ixgbe_ptp_set_timestamp_mode()
 *   the FCS					ixgbe_set_rx_buffer_len()
 *   the self test, which sets SBP: its ring is none of a guest's, and the NIC
 *     is reset before and after
 */

#include <linux/mpassthru.h>
#include <linux/netdevice.h>

#include "ixgbe.h"
#include "ixgbe_txrx_common.h"

/* Tries to see a queue stopped.  Half a millisecond each, at least: what it
 * waits for are reads and writes on the bus that are under way.
 */
#define IXGBE_MP_POLLS	50

/**
 * ixgbe_mp_rxdctl - the queue's own limit on the length of frames
 * @adapter: the device
 * @rxdctl: of a queue that is to be armed with buffers of a guest
 *
 * Whether RLPML counts the FCS is not said.  In either case a frame of the MTU
 * and a tag passes, and what passes fits the buffer.
 *
 * Return: what to write to RXDCTL
 */
u32 ixgbe_mp_rxdctl(const struct ixgbe_adapter *adapter, u32 rxdctl)
{
	/* RXDCTL.RLPML does not work on 82599, see ixgbe_configure_rx_ring() */
	if (adapter->hw.mac.type == ixgbe_mac_82599EB)
		return rxdctl;

	rxdctl &= ~(IXGBE_RXDCTL_RLPMLMASK | IXGBE_RXDCTL_RLPML_EN);
	return rxdctl | mpassthru_data_len(adapter->netdev->mtu) |
	       IXGBE_RXDCTL_RLPML_EN;
}

/**
 * ixgbe_mp_answers - can the NIC be reset, or has it taken the reset before
 * @adapter: the device
 *
 * Registers that have once read as ones are not looked at any more, not even
 * when they come back, see ixgbe_remove_adapter(): the NIC may be alive, and go
 * on with its rings.
 *
 * Context: any.
 * Return: false when its channel is frozen, or its registers have read as ones
 */
bool ixgbe_mp_answers(const struct ixgbe_adapter *adapter)
{
	return !pci_channel_offline(adapter->pdev) &&
	       !ixgbe_removed(adapter->hw.hw_addr);
}

/**
 * ixgbe_mp_bus_off - the NIC has not confirmed that it is finished with a ring
 * @adapter: the device
 *
 * Without bus mastering it starts no DMA, whatever its registers say or do not
 * say.  ixgbe_reset() turns it on again, if the reset takes place, and probe,
 * for which the same holds.  Till then it stays off, bound or not.
 *
 * Context: process.
 */
void ixgbe_mp_bus_off(struct ixgbe_adapter *adapter)
{
	struct pci_dev *pdev = adapter->pdev;
	u16 command;

	/* Of a NIC that was pulled out there is nothing to be said. */
	if (ixgbe_removed(adapter->hw.hw_addr) && pdev->is_busmaster &&
	    pci_device_is_present(pdev))
		netdev_err(adapter->netdev,
			   "no answer, bus mastering is off: unbind the driver and bind it again\n");
	set_bit(__IXGBE_MP_BUS_OFF, &adapter->state);
	pci_clear_master(pdev);
	/* What the NIC wrote before arrives ahead of the answer. */
	pci_read_config_word(pdev, PCI_COMMAND, &command);
}

/* Stop one receive queue and wait until the NIC does not write to what its
 * descriptors point at any more.  NAPI is disabled.  False says that it did not
 * confirm it, and is off the bus.
 *
 * 82599 datasheet 4.6.7.1: ENABLE reads 0 only when what is under way to ring
 * and buffers has ended; software then waits for another 100 us before it gives
 * memory back.  ixgbe_disable_rxr_hw() does neither that nor say whether the
 * queue has stopped, and may poll for 2 s, with RTNL held.  The interrupt stays
 * as it is: ixgbe_irq_disable_single() takes the index of a ring for that of a
 * vector, and enables it.
 */
static bool ixgbe_mp_drain(struct ixgbe_adapter *adapter,
			   struct ixgbe_ring *ring)
{
	const u32 reg = IXGBE_RXDCTL(ring->reg_idx);
	struct ixgbe_hw *hw = &adapter->hw;
	u32 rxdctl;
	int i;

	/* SWFLSH as in ixgbe_disable_rx() */
	rxdctl = IXGBE_READ_REG(hw, reg);
	rxdctl &= ~IXGBE_RXDCTL_ENABLE;
	IXGBE_WRITE_REG(hw, reg, rxdctl | IXGBE_RXDCTL_SWFLSH);

	for (i = 0; i < IXGBE_MP_POLLS; i++) {
		/* The read also pushes DMA writes of the NIC ahead of it, those
		 * that are ordered relaxedly as well: its completion is not, as
		 * the CPU's request was not, and so passes no posted write.
		 */
		rxdctl = IXGBE_READ_REG(hw, reg);
		/* All reads are ones from here on, whatever the NIC does. */
		if (ixgbe_removed(hw->hw_addr))
			break;
		if (!(rxdctl & IXGBE_RXDCTL_ENABLE)) {
			usleep_range(100, 200);
			IXGBE_WRITE_FLUSH(hw);
			if (ixgbe_removed(hw->hw_addr))
				break;
			return true;
		}
		usleep_range(500, 1000);
	}

	ixgbe_mp_bus_off(adapter);
	return false;
}

/* A queue does not stop by itself: reset the NIC.  NAPI is disabled, and bus
 * mastering off until the reset is done.
 */
static void ixgbe_mp_reset(struct ixgbe_adapter *adapter,
			   struct ixgbe_ring *ring)
{
	netdev_err(adapter->netdev,
		   "receive queue %u does not stop, resetting\n",
		   ring->queue_index);
	napi_enable(&ring->q_vector->napi);
	ixgbe_down(adapter);
	ixgbe_up(adapter);
}

static void ixgbe_mp_kick(struct ixgbe_adapter *adapter,
			  struct ixgbe_q_vector *q_vector)
{
	if (!napi_if_scheduled_mark_missed(&q_vector->napi))
		ixgbe_irq_rearm_queues(adapter, BIT_ULL(q_vector->v_idx));
}

/**
 * ixgbe_mp_poll - run NAPI after it was disabled
 * @ring: ring of the vector
 *
 * An interrupt that came while NAPI was disabled is lost and has left its
 * vector masked (EIAM): only the end of a poll unmasks it.  All rings of the
 * vector are polled, those that were not to be stopped as well.
 *
 * Context: process.
 */
void ixgbe_mp_poll(struct ixgbe_ring *ring)
{
	local_bh_disable();
	napi_schedule(&ring->q_vector->napi);
	local_bh_enable();
}

/**
 * ixgbe_mp_poll_rings - run NAPI of a device that is up
 * @adapter: the device
 *
 * A ring that has no buffers raises no interrupt, and what was posted while it
 * was down woke nobody.
 *
 * Context: process, RTNL held.
 */
void ixgbe_mp_poll_rings(struct ixgbe_adapter *adapter)
{
	int i;

	local_bh_disable();
	for (i = 0; i < adapter->num_q_vectors; i++)
		napi_schedule(&adapter->q_vector[i]->napi);
	local_bh_enable();
}

/* &mpassthru_driver_ops.rx_restart.  Whether the device is present or running
 * is not asked, but whether it is down: with __IXGBE_DOWN, NAPI is disabled and
 * no ring has buffers.  ixgbe_down() and an ixgbe_open() that fails leave none,
 * and ixgbe_remove() sets it only by closing the device.  A ring that comes up
 * looks at the port in ixgbe_configure_rx_ring().
 */
static void ixgbe_mp_rx_restart(struct net_device *netdev, unsigned int queue)
{
	struct ixgbe_adapter *adapter = ixgbe_from_netdev(netdev);
	struct ixgbe_ring *ring;

	ASSERT_RTNL();

	while (test_and_set_bit(__IXGBE_RESETTING, &adapter->state))
		usleep_range(1000, 2000);
	ring = adapter->rx_ring[queue];
	if (!ring || test_bit(__IXGBE_DOWN, &adapter->state))
		goto out;

	/* The vector may have other rings, of either direction: their NAPI is
	 * disabled as well, and they go on.
	 */
	napi_disable(&ring->q_vector->napi);
	/* One that does not answer, or whose channel is frozen, cannot be
	 * reset: it stays off the bus, until resume, recovery or probe have
	 * reset it.
	 */
	if (unlikely(!ixgbe_mp_drain(adapter, ring) &&
		     ixgbe_mp_answers(adapter))) {
		ixgbe_mp_reset(adapter, ring);
		goto out;
	}

	ixgbe_clean_rx_ring(ring);
	ixgbe_configure_rx_ring(adapter, ring);
	napi_enable(&ring->q_vector->napi);
	ixgbe_mp_poll(ring);
out:
	clear_bit(__IXGBE_RESETTING, &adapter->state);
}

/* &mpassthru_driver_ops.rx_wake.  The caller's RCU read side keeps a ring that
 * is replaced meanwhile in memory, see ixgbe_free_q_vector().  What is posted
 * to a device that is down is seen by ixgbe_mp_poll_rings(), when it comes up.
 */
static void ixgbe_mp_rx_wake(struct net_device *netdev, unsigned int queue)
{
	struct ixgbe_adapter *adapter = ixgbe_from_netdev(netdev);
	struct ixgbe_ring *ring = READ_ONCE(adapter->rx_ring[queue]);

	if (!ring || test_bit(__IXGBE_DOWN, &adapter->state))
		return;

	ixgbe_mp_kick(adapter, ring->q_vector);
}

/* &mpassthru_driver_ops.port_changed.  Frames that were accepted under another
 * limit on their length may sit in the packet buffer: it is flushed by a reset.
 * A device that is down is reset as well, for what only a reset applies.  One
 * that is not there or does not answer is not: resume, recovery and probe reset
 * it and apply what holds then.
 *
 * There is no runtime suspend to be kept from: the driver never gives up the
 * reference of probe.
 */
static void ixgbe_mp_port_changed(struct net_device *netdev)
{
	struct ixgbe_adapter *adapter = ixgbe_from_netdev(netdev);

	netdev_update_features(netdev);
	if (!netif_device_present(netdev) || !ixgbe_mp_answers(adapter))
		return;

	if (!netif_running(netdev) || test_bit(__IXGBE_DOWN, &adapter->state))
		ixgbe_reset(adapter);
	else
		ixgbe_reinit_locked(adapter);
}

/**
 * ixgbe_mp_rss_queue - what the redirection table is to say while bound
 * @adapter: the device
 * @mask: queues to spread frames over, not 0
 * @i: index in the table
 *
 * One after the other over all queues that RSS may use, as the driver does
 * otherwise, but for those that are not in @mask.  Each of these begins with
 * another.
 *
 * Frames without a hash do not look at the table: they go by queue 0.
 *
 * Context: any.
 * Return: the queue
 */
unsigned int ixgbe_mp_rss_queue(const struct ixgbe_adapter *adapter,
				unsigned int mask, unsigned int i)
{
	unsigned int nr = adapter->ring_feature[RING_F_RSS].indices;
	unsigned int queue = i % nr;

	return mpassthru_rx_deal(mask, nr, queue, i / nr + queue);
}

/* &mpassthru_driver_ops.rx_spread.  One that is down looks at the mask when it
 * comes up, in ixgbe_setup_reta().
 */
static void ixgbe_mp_rx_spread(struct net_device *netdev)
{
	struct ixgbe_adapter *adapter = ixgbe_from_netdev(netdev);

	ASSERT_RTNL();

	if (!test_bit(__IXGBE_DOWN, &adapter->state))
		ixgbe_store_reta(adapter);
}

static const struct mpassthru_driver_ops ixgbe_mp_ops = {
	.port_changed	= ixgbe_mp_port_changed,
	.rx_restart	= ixgbe_mp_rx_restart,
	.rx_spread	= ixgbe_mp_rx_spread,
	.rx_wake	= ixgbe_mp_rx_wake,
	.tx_run		= ixgbe_mp_tx_run,
	.tx_reset	= ixgbe_mp_tx_reset,
};

/* Rules of ethtool -N and of cls_u32 outlive the queues that they steer to. */
static bool ixgbe_mp_steered(struct ixgbe_adapter *adapter)
{
	struct ixgbe_fdir_filter *rule;
	bool steered = false;

	spin_lock(&adapter->fdir_perfect_lock);
	hlist_for_each_entry(rule, &adapter->fdir_filter_list, fdir_node)
		steered |= rule->action &&
			   rule->action != IXGBE_FDIR_DROP_QUEUE;
	spin_unlock(&adapter->fdir_perfect_lock);

	return steered;
}

/* Queues that are not those of RSS, or pools of them.  A device whose VFs are
 * being taken away, which is done without RTNL, has lost the flags before the
 * rings.
 */
static int ixgbe_mp_check_queues(struct ixgbe_adapter *adapter,
				 struct netlink_ext_ack *extack)
{
	struct net_device *netdev = adapter->netdev;
	int i;

	if (adapter->num_vfs) {
		NL_SET_ERR_MSG_MOD(extack,
				   "virtual functions are enabled: write 0 to sriov_numvfs");
		return -EOPNOTSUPP;
	}
	if (adapter->flags & (IXGBE_FLAG_SRIOV_ENABLED |
			      IXGBE_FLAG_VMDQ_ENABLED) ||
	    adapter->num_rx_pools > 1) {
		NL_SET_ERR_MSG_FMT_MOD(extack,
				       "macvlans are offloaded: ethtool -K %s l2-fwd-offload off",
				       netdev->name);
		return -EBUSY;
	}
	if (adapter->flags & IXGBE_FLAG_DCB_ENABLED || adapter->hw_tcs) {
		NL_SET_ERR_MSG_FMT_MOD(extack,
				       "DCB is on: see tc qdisc and dcb ets show dev %s",
				       netdev->name);
		return -EBUSY;
	}
	if (adapter->dcb_cfg.pfc_mode_enable ||
	    (adapter->ixgbe_ieee_pfc && adapter->ixgbe_ieee_pfc->pfc_en)) {
		NL_SET_ERR_MSG_FMT_MOD(extack,
				       "PFC is on: dcb pfc set dev %s prio-pfc all:off",
				       netdev->name);
		return -EBUSY;
	}
	for (i = 0; i < adapter->num_rx_queues; i++) {
		if (adapter->rx_ring[i]->reg_idx == i)
			continue;
		NL_SET_ERR_MSG_MOD(extack,
				   "virtual functions are being disabled: try again");
		return -EBUSY;
	}

	return 0;
}

/* What else has a part in what a queue receives. */
static int ixgbe_mp_check_users(struct ixgbe_adapter *adapter,
				struct netlink_ext_ack *extack)
{
	struct net_device *netdev = adapter->netdev;

	if (adapter->flags & IXGBE_FLAG_FCOE_ENABLED) {
		NL_SET_ERR_MSG_FMT_MOD(extack, "FCoE is on: fcoeadm -d %s",
				       netdev->name);
		return -EBUSY;
	}
	if (adapter->flags2 & IXGBE_FLAG2_IPSEC_ENABLED) {
		NL_SET_ERR_MSG_MOD(extack,
				   "IPsec is offloaded: see ip xfrm state");
		return -EBUSY;
	}
	if (ixgbe_mp_steered(adapter)) {
		NL_SET_ERR_MSG_FMT_MOD(extack,
				       "rules steer to other queues: see ethtool -n %s",
				       netdev->name);
		return -EBUSY;
	}

	return 0;
}

/**
 * ixgbe_mp_port_prep - ndo_mp_port_prep
 * @netdev: network device
 * @port: returns the geometry of buffers
 * @extack: returns the reason of a failure
 *
 * Context: process, RTNL held.
 * Return: 0; -EOPNOTSUPP with an 82598 or E610, or SR-IOV; -EBUSY with macvlans
 * that are offloaded, DCB, FCoE, IPsec, or rules that steer to another queue
 * than the first.
 */
int ixgbe_mp_port_prep(struct net_device *netdev, struct mpassthru_port *port,
		       struct netlink_ext_ack *extack)
{
	struct ixgbe_adapter *adapter = ixgbe_from_netdev(netdev);
	int err;

	/* Its queues do not say that they have stopped while there is no link,
	 * see ixgbe_disable_rx().
	 */
	if (adapter->hw.mac.type == ixgbe_mac_82598EB) {
		NL_SET_ERR_MSG_MOD(extack, "the 82598 is not supported");
		return -EOPNOTSUPP;
	}
	/* When it is too hot, ixgbe_handle_fw_event() calls ixgbe_down() with
	 * neither RTNL nor __IXGBE_RESETTING: __IXGBE_DOWN would not say that
	 * NAPI is disabled and no ring is armed, on which a restart of a ring
	 * relies.
	 */
	if (adapter->hw.mac.type == ixgbe_mac_e610) {
		NL_SET_ERR_MSG_MOD(extack, "the E610 is not supported");
		return -EOPNOTSUPP;
	}
	err = ixgbe_mp_check_queues(adapter, extack);
	if (err)
		return err;
	err = ixgbe_mp_check_users(adapter, extack);
	if (err)
		return err;

	/* There may be more queues than RSS has, for ATR. */
	port->max_queues = min3(adapter->num_rx_queues, adapter->num_tx_queues,
				adapter->ring_feature[RING_F_RSS].indices);
	port->max_queues = min(port->max_queues, MPASSTHRU_QUEUES);
	port->tx_segs = IXGBE_MP_TX_SEGS;
	port->drv = &ixgbe_mp_ops;
	netdev_mp_port_len(port, netdev->mtu);
	return 0;
}

/**
 * ixgbe_mp_alloc_rx_buffers - arm descriptors with posted buffers
 * @ring: receive ring, which is enabled
 * @rxq: FIFO
 *
 * Context: NAPI, or with NAPI disabled.
 */
void ixgbe_mp_alloc_rx_buffers(struct ixgbe_ring *ring,
			       struct mpassthru_rxq *rxq)
{
	u16 ntu = mpassthru_rx_refill(rxq, ring->desc, ring->count,
				      ring->next_to_use,
				      ixgbe_desc_unused(ring));

	if (ntu == ring->next_to_use)
		return;

	ring->next_to_use = ntu;
	/* The descriptors are in memory before the NIC is told of them. */
	dma_wmb();
	writel(ntu, ring->tail);
}

/**
 * ixgbe_mp_clean_rx_ring - give back the armed buffers of a ring that is down
 * @ring: receive ring
 *
 * Context: process; NAPI disabled, DMA drained or the NIC reset.
 */
void ixgbe_mp_clean_rx_ring(struct ixgbe_ring *ring)
{
	struct ixgbe_adapter *adapter = ixgbe_from_netdev(ring->netdev);

	/* A NIC that is not there, or whose channel is frozen, took no reset
	 * from ixgbe_down().  What ixgbe_reset() says of others is done there.
	 */
	if (unlikely(!ixgbe_mp_answers(adapter)))
		ixgbe_mp_bus_off(adapter);
	/* Only now, when the NIC has stopped, may mp_rxq say that it has. */
	mpassthru_rx_disarm(ring->mp_rxq);
	WRITE_ONCE(ring->mp_rxq, NULL);
}

static unsigned int ixgbe_mp_rx_flags(const struct ixgbe_ring *ring,
				      const union ixgbe_adv_rx_desc *rx_desc)
{
	u32 staterr = le32_to_cpu(rx_desc->wb.upper.status_error);
	u32 info = le32_to_cpu(rx_desc->wb.lower.lo_dword.data);

	/* A frame over several descriptors is longer than MAXFRS. */
	if (unlikely(!(staterr & IXGBE_RXD_STAT_EOP)))
		return MPASSTHRU_RX_MORE;
	/* as ixgbe_cleanup_headers() */
	if (unlikely(staterr & IXGBE_RXDADV_ERR_FRAME_ERR_MASK))
		return MPASSTHRU_RX_BAD;

	/* As ixgbe_rx_checksum(), but for what virtio has no place for: the
	 * verdict of a tunnel is that of the inner packet (X550), and the guest
	 * would take it for that of the outer one.  For a frame of an EtherType
	 * filter, such as FCoE, the bits say something else.  And an 82599 may
	 * take a UDP checksum of 0, which is none, for an error: of errors
	 * nothing is said, the guest looks for itself.
	 */
	if (!(ring->netdev->features & NETIF_F_RXCSUM) ||
	    info & (IXGBE_RXDADV_PKTTYPE_VXLAN | IXGBE_RXDADV_PKTTYPE_TUNNEL |
		    IXGBE_RXDADV_PKTTYPE_ETQF) ||
	    staterr & (IXGBE_RXDADV_ERR_TCPE | IXGBE_RXDADV_ERR_IPE))
		return 0;
	return staterr & IXGBE_RXD_STAT_L4CS ? MPASSTHRU_RX_CSUM_OK : 0;
}

/**
 * ixgbe_mp_clean_rx_irq - report received frames to the FIFO and arm again
 * @q_vector: of the ring
 * @ring: receive ring, one of those of the vector
 * @rxq: FIFO
 * @budget: of NAPI for this ring
 *
 * Context: NAPI, not netpoll.
 * Return: number of frames, @budget when it wants to be polled again.
 */
int ixgbe_mp_clean_rx_irq(struct ixgbe_q_vector *q_vector,
			  struct ixgbe_ring *ring, struct mpassthru_rxq *rxq,
			  const int budget)
{
	unsigned int total_bytes = 0, total_packets = 0, size;
	union ixgbe_adv_rx_desc *rx_desc;
	u16 ntc = ring->next_to_clean;

	mpassthru_rx_begin(rxq);
	while (total_packets < budget && ntc != ring->next_to_use) {
		rx_desc = IXGBE_RX_DESC(ring, ntc);
		/* The length may be there before the status. */
		if (!ixgbe_test_staterr(rx_desc, IXGBE_RXD_STAT_DD))
			break;

		/* No other field of the descriptor, nor the frame, is read
		 * before the status says that they are written.
		 */
		dma_rmb();

		size = le16_to_cpu(rx_desc->wb.upper.length);
		mpassthru_rx_fill(rxq, size, ixgbe_mp_rx_flags(ring, rx_desc));
		total_bytes += size;
		total_packets++;
		if (++ntc == ring->count)
			ntc = 0;
	}
	ring->next_to_clean = ntc;

	ixgbe_update_rx_ring_stats(ring, q_vector, total_packets, total_bytes);
	u64_stats_update_begin(&ring->syncp);
	ring->stats.mp += total_packets;
	u64_stats_update_end(&ring->syncp);
	ixgbe_mp_alloc_rx_buffers(ring, rxq);
	if (mpassthru_rx_flush(rxq, total_packets, ixgbe_desc_unused(ring)))
		return budget;

	return total_packets;
}

#if IS_ENABLED(CONFIG_VHOST_PASSTHRU_KUNIT_TEST) && IS_REACHABLE(CONFIG_KUNIT)
#include "ixgbe_mp_test.c"
#endif
