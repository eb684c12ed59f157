// SPDX-License-Identifier: GPL-2.0
/*
 * mpassthru: the port, and receive into buffers that a guest posted.
 *
 * The ring is armed from the FIFO of include/linux/mpassthru.h and completes in
 * its order, so that nothing is kept per descriptor.  What keeps a frame inside
 * a buffer is RLPML, which igb_set_rx_mode() sets from igb_mp_max_frame().
 */

#include <linux/mpassthru.h>
#include <linux/netdevice.h>
#include <linux/pm_runtime.h>

#include "igb.h"

/* 82576 datasheet 4.5.9: a disabled queue may have fetches and write-backs
 * under way for some time after RXDCTL.ENABLE reads 0.
 */
#define IGB_MP_POLLS	20

/* Segments of a frame at most.  With its context, where it is cut at 32 KB, and
 * a gap it fits the smallest ring, see igb_mp_tx_room().
 */
#define IGB_MP_TX_SEGS	MPASSTHRU_TX_SEGS

/**
 * igb_mp_max_frame - longest frame that the NIC has to take in while bound
 * @mtu: of the device, in bytes
 *
 * That is a frame with one VLAN tag, which stays in the frame.  RLPML is set to
 * this and the FCS.  The 82576 and the i350 are said to allow a VLAN tag on top
 * of that, the I210 to compare all of the frame.  For each of them the longer
 * reading is assumed, which is mpassthru_data_len().  No buffer of a guest is
 * armed while the MTU is changed, see netdev_mp_change_mtu().
 *
 * Return: in bytes, without FCS
 */
unsigned int igb_mp_max_frame(unsigned int mtu)
{
	return max_t(unsigned int, mtu, ETH_DATA_LEN) + ETH_HLEN + VLAN_HLEN;
}

/**
 * igb_mp_answers - can the NIC be reset, or has it taken the reset before
 * @adapter: the device
 *
 * Context: any.
 * Return: false when its channel is frozen, or its registers read as ones
 */
bool igb_mp_answers(const struct igb_adapter *adapter)
{
	return !pci_channel_offline(adapter->pdev) &&
	       !E1000_REMOVED(adapter->hw.hw_addr);
}

/**
 * igb_mp_bus_off - the NIC has not confirmed that it is finished with a ring
 * @adapter: the device
 *
 * Without bus mastering it starts no DMA, whatever its registers say or do not
 * say.
 *
 * Context: process.
 */
void igb_mp_bus_off(struct igb_adapter *adapter)
{
	struct pci_dev *pdev = adapter->pdev;
	u16 command;

	/* Of a NIC that was pulled out there is nothing to be said. */
	if (E1000_REMOVED(adapter->hw.hw_addr) && pdev->is_busmaster &&
	    pci_device_is_present(pdev))
		netdev_err(adapter->netdev,
			   "no answer, bus mastering is off: unbind the driver and bind it again\n");
	pci_clear_master(pdev);
	/* What the NIC wrote before arrives ahead of the answer. */
	pci_read_config_word(pdev, PCI_COMMAND, &command);
}

/* Stop one receive queue and wait until the NIC does not write to what its
 * descriptors point at any more.  NAPI is disabled.  False says that it did not
 * confirm it, and is off the bus.
 */
static bool igb_mp_drain(struct igb_adapter *adapter, struct igb_ring *ring)
{
	struct e1000_hw *hw = &adapter->hw;
	int i;

	wr32(E1000_RXDCTL(ring->reg_idx),
	     rd32(E1000_RXDCTL(ring->reg_idx)) & ~E1000_RXDCTL_QUEUE_ENABLE);
	for (i = 0; i < IGB_MP_POLLS; i++) {
		/* The read also pushes DMA writes of the NIC ahead of it. */
		if (!(rd32(E1000_RXDCTL(ring->reg_idx)) &
		      E1000_RXDCTL_QUEUE_ENABLE)) {
			usleep_range(100, 200);
			wrfl();
			return true;
		}
		/* All reads are ones from here on, whatever the NIC does. */
		if (E1000_REMOVED(hw->hw_addr))
			break;
		usleep_range(500, 1000);
	}

	igb_mp_bus_off(adapter);
	return false;
}

/* A queue does not stop by itself: reset the NIC.  NAPI is disabled, and bus
 * mastering off until the reset is done.
 */
static void igb_mp_reset(struct igb_adapter *adapter, struct igb_ring *ring)
{
	netdev_err(adapter->netdev,
		   "receive queue %u does not stop, resetting\n",
		   ring->queue_index);
	napi_enable(&ring->q_vector->napi);
	igb_down(adapter);
	if (igb_mp_answers(adapter))
		pci_set_master(adapter->pdev);
	igb_up(adapter);
}

static void igb_mp_kick(struct igb_adapter *adapter,
			struct igb_q_vector *q_vector)
{
	struct e1000_hw *hw = &adapter->hw;

	if (napi_if_scheduled_mark_missed(&q_vector->napi))
		return;

	if (adapter->flags & IGB_FLAG_HAS_MSIX)
		wr32(E1000_EICS, q_vector->eims_value);
	else
		wr32(E1000_ICS, E1000_ICS_RXDMT0);
}

/**
 * igb_mp_poll - run NAPI after it was disabled
 * @ring: ring of the vector
 *
 * An interrupt that came while NAPI was disabled is lost and has left its
 * vector masked (EIAM): only the end of a poll unmasks it.
 *
 * Context: process.
 */
void igb_mp_poll(struct igb_ring *ring)
{
	local_bh_disable();
	napi_schedule(&ring->q_vector->napi);
	local_bh_enable();
}

/* &mpassthru_driver_ops.rx_restart.  Whether the device is present or running
 * is not asked: one that the PCI error handlers detached may have its rings
 * armed, and igb_close() leaves them so.
 */
static void igb_mp_rx_restart(struct net_device *netdev, unsigned int queue)
{
	struct igb_adapter *adapter = netdev_priv(netdev);
	struct igb_ring *ring;
	bool down;

	ASSERT_RTNL();

	while (test_and_set_bit(__IGB_RESETTING, &adapter->state))
		usleep_range(1000, 2000);
	/* A ring that comes up looks at the port in igb_configure_rx_ring().
	 * That it is down __IGB_DOWN alone does not say: igb_remove() sets it
	 * while rings still run.
	 */
	ring = adapter->rx_ring[queue];
	down = test_bit(__IGB_DOWN, &adapter->state);
	if (!ring || (down && !igb_mp_rxq(ring)))
		goto out;

	napi_disable(&ring->q_vector->napi);
	/* One that does not answer, or whose channel is frozen, cannot be
	 * reset, and one that is being removed is not started anew: they stay
	 * off the bus, until resume, recovery or probe have reset them.
	 */
	if (unlikely(!igb_mp_drain(adapter, ring) && !down &&
		     igb_mp_answers(adapter))) {
		igb_mp_reset(adapter, ring);
		goto out;
	}

	igb_clean_rx_ring(ring);
	igb_configure_rx_ring(adapter, ring);
	if (igb_mp_rxq(ring))
		igb_mp_alloc_rx_ring(ring);
	else
		igb_alloc_rx_buffers(ring, igb_desc_unused(ring));
	napi_enable(&ring->q_vector->napi);
	igb_mp_poll(ring);
out:
	clear_bit(__IGB_RESETTING, &adapter->state);
}

/* &mpassthru_driver_ops.rx_wake.  The caller's RCU read side keeps a ring that
 * is replaced meanwhile in memory, see igb_free_q_vector().  What is posted to
 * a device that is down is seen by igb_poll_rings(), when it comes up.
 */
static void igb_mp_rx_wake(struct net_device *netdev, unsigned int queue)
{
	struct igb_adapter *adapter = netdev_priv(netdev);
	struct igb_ring *ring = READ_ONCE(adapter->rx_ring[queue]);

	if (!ring || test_bit(__IGB_DOWN, &adapter->state))
		return;

	igb_mp_kick(adapter, ring->q_vector);
}

/* &mpassthru_driver_ops.port_changed.  Frames that were accepted under another
 * limit on their length may sit in the packet buffer: it is flushed by a reset.
 * A device that is down is reset as well, for what only a reset applies.  One
 * that does not answer is not: it would be tried for seconds with RTNL held.
 * Resume, recovery and probe reset it and apply what holds then.
 *
 * While bound the device is kept from runtime suspend, which takes the rings
 * down and, without RTNL, up again.  It is active here, and nothing waits with
 * RTNL held for a suspend that waits for RTNL: the caller resumed it before
 * binding, and it has stayed so since.
 */
static void igb_mp_port_changed(struct net_device *netdev)
{
	struct igb_adapter *adapter = netdev_priv(netdev);
	bool bound = mpassthru_bound(netdev);

	if (bound)
		pm_runtime_get_noresume(&adapter->pdev->dev);

	netdev_update_features(netdev);
	if (igb_mp_answers(adapter)) {
		if (!netif_running(netdev))
			igb_reset(adapter);
		else if (!test_bit(__IGB_DOWN, &adapter->state))
			igb_reinit_locked(adapter);
	}

	if (!bound)
		pm_runtime_put(&adapter->pdev->dev);
}

/**
 * igb_mp_rss_queue - what the redirection table is to say while bound
 * @adapter: the device
 * @mask: queues to spread frames over, not 0
 * @i: index in the table, less than IGB_RETA_SIZE
 *
 * In equal parts, next to one another, over all queues of the device, as the
 * driver does otherwise, but for those that are not in @mask.
 *
 * Context: any.
 * Return: the queue
 */
unsigned int igb_mp_rss_queue(const struct igb_adapter *adapter,
			      unsigned int mask, unsigned int i)
{
	return mpassthru_rx_deal(mask, adapter->rss_queues,
				 i * adapter->rss_queues / IGB_RETA_SIZE, i);
}

/* &mpassthru_driver_ops.rx_spread.  One that is down looks at the mask when it
 * comes up, in igb_setup_mrqc().
 */
static void igb_mp_rx_spread(struct net_device *netdev)
{
	struct igb_adapter *adapter = netdev_priv(netdev);

	ASSERT_RTNL();

	if (!test_bit(__IGB_DOWN, &adapter->state))
		igb_write_rss_indir_tbl(adapter);
}

static const struct mpassthru_driver_ops igb_mp_ops = {
	.port_changed	= igb_mp_port_changed,
	.rx_restart	= igb_mp_rx_restart,
	.rx_spread	= igb_mp_rx_spread,
	.rx_wake	= igb_mp_rx_wake,
	.tx_run		= igb_mp_tx_run,
	.tx_reset	= igb_mp_tx_reset,
};

/* Rules of ethtool -N outlive the queues that they steer to. */
static bool igb_mp_steered(struct igb_adapter *adapter)
{
	struct igb_nfc_filter *rule;
	bool steered = false;

	spin_lock(&adapter->nfc_lock);
	hlist_for_each_entry(rule, &adapter->nfc_filter_list, nfc_node)
		steered |= rule->action;
	hlist_for_each_entry(rule, &adapter->cls_flower_list, nfc_node)
		steered |= rule->action;
	spin_unlock(&adapter->nfc_lock);

	return steered;
}

/**
 * igb_mp_port_prep - ndo_mp_port_prep
 * @netdev: network device
 * @port: returns the geometry of buffers
 * @extack: returns the reason of a failure
 *
 * Context: process, RTNL held.
 * Return: 0; -EOPNOTSUPP with SR-IOV; -EBUSY with rules that steer to another
 * queue than the first, or a qdisc that is offloaded.
 */
int igb_mp_port_prep(struct net_device *netdev, struct mpassthru_port *port,
		     struct netlink_ext_ack *extack)
{
	struct igb_adapter *adapter = netdev_priv(netdev);

	if (adapter->vfs_allocated_count) {
		NL_SET_ERR_MSG_MOD(extack,
				   "virtual functions are enabled: write 0 to sriov_numvfs");
		return -EOPNOTSUPP;
	}
	if (igb_mp_steered(adapter)) {
		NL_SET_ERR_MSG_FMT_MOD(extack,
				       "rules steer to other queues: see ethtool -n %s",
				       netdev->name);
		return -EBUSY;
	}
	/* A launch time would have to be in every context, and credits are
	 * those of frames that the qdisc has seen.
	 */
	if (adapter->flags & IGB_FLAG_FQTSS) {
		NL_SET_ERR_MSG_FMT_MOD(extack,
				       "a qdisc is offloaded: see tc qdisc show dev %s",
				       netdev->name);
		return -EBUSY;
	}
	/* What the device has when it is up, of either direction:
	 * real_num_rx_queues is older.
	 */
	port->max_queues = min(adapter->rss_queues, MPASSTHRU_QUEUES);
	port->tx_segs = IGB_MP_TX_SEGS;
	port->drv = &igb_mp_ops;
	netdev_mp_port_len(port, netdev->mtu);
	return 0;
}

/* Arm descriptors with posted buffers.  NAPI, or with NAPI disabled. */
static void igb_mp_alloc_rx_buffers(struct igb_ring *ring,
				    struct mpassthru_rxq *rxq)
{
	u16 ntu = mpassthru_rx_refill(rxq, ring->desc, ring->count,
				      ring->next_to_use, igb_desc_unused(ring));

	if (ntu == ring->next_to_use)
		return;

	ring->next_to_use = ntu;
	/* The descriptors are in memory before the NIC is told of them. */
	dma_wmb();
	writel(ntu, ring->tail);
}

/**
 * igb_mp_alloc_rx_ring - arm a receive ring that was configured
 * @ring: receive ring, with an mp_rxq
 *
 * Context: process; NAPI disabled.
 */
void igb_mp_alloc_rx_ring(struct igb_ring *ring)
{
	struct igb_adapter *adapter = netdev_priv(ring->netdev);
	struct e1000_hw *hw = &adapter->hw;
	int i;

	/* 82576 datasheet 4.5.9: the tail is not to move before the queue says
	 * that it is enabled.
	 */
	for (i = 0; i < IGB_MP_POLLS; i++) {
		if (rd32(E1000_RXDCTL(ring->reg_idx)) &
		    E1000_RXDCTL_QUEUE_ENABLE)
			break;
		usleep_range(500, 1000);
	}
	if (unlikely(i == IGB_MP_POLLS))
		netdev_err(ring->netdev, "receive queue %u does not start\n",
			   ring->queue_index);

	igb_mp_alloc_rx_buffers(ring, ring->mp_rxq);
}

/**
 * igb_mp_clean_rx_ring - give back the armed buffers of a ring that is down
 * @ring: receive ring
 *
 * Context: process; NAPI disabled, DMA drained or the NIC reset.
 */
void igb_mp_clean_rx_ring(struct igb_ring *ring)
{
	struct igb_adapter *adapter = netdev_priv(ring->netdev);

	/* A NIC that is not there, or whose channel is frozen, took no reset
	 * from igb_down().
	 */
	if (unlikely(!igb_mp_answers(adapter)))
		igb_mp_bus_off(adapter);
	/* Only now, when the NIC has stopped, may mp_rxq say that it has. */
	mpassthru_rx_disarm(ring->mp_rxq);
	WRITE_ONCE(ring->mp_rxq, NULL);
}

static unsigned int igb_mp_rx_flags(const struct igb_ring *ring,
				    const union e1000_adv_rx_desc *rx_desc)
{
	u32 staterr = le32_to_cpu(rx_desc->wb.upper.status_error);

	/* A frame over several descriptors is longer than RLPML. */
	if (unlikely(!(staterr & E1000_RXD_STAT_EOP)))
		return MPASSTHRU_RX_MORE;
	if (unlikely(staterr & E1000_RXDEXT_ERR_FRAME_ERR_MASK))
		return MPASSTHRU_RX_BAD;

	/* As igb_rx_checksum(). */
	if (staterr & E1000_RXD_STAT_IXSM)
		return 0;
	if (staterr & (E1000_RXDEXT_STATERR_TCPE | E1000_RXDEXT_STATERR_IPE) ||
	    !(ring->netdev->features & NETIF_F_RXCSUM))
		return 0;
	return staterr & (E1000_RXD_STAT_TCPCS | E1000_RXD_STAT_UDPCS) ?
	       MPASSTHRU_RX_CSUM_OK : 0;
}

/**
 * igb_mp_clean_rx_irq - report received frames to the FIFO and arm again
 * @q_vector: of the ring
 * @rxq: FIFO
 * @budget: of NAPI
 *
 * Context: NAPI.
 * Return: number of frames, @budget when it wants to be polled again.
 */
int igb_mp_clean_rx_irq(struct igb_q_vector *q_vector,
			struct mpassthru_rxq *rxq, const int budget)
{
	unsigned int total_bytes = 0, total_packets = 0, size;
	struct igb_ring *ring = q_vector->rx.ring;
	union e1000_adv_rx_desc *rx_desc;
	u16 ntc = ring->next_to_clean;

	/* netpoll */
	if (!budget)
		return 0;

	mpassthru_rx_begin(rxq);
	while (total_packets < budget && ntc != ring->next_to_use) {
		rx_desc = IGB_RX_DESC(ring, ntc);
		/* The length may be there before the status. */
		if (!igb_test_staterr(rx_desc, E1000_RXD_STAT_DD))
			break;

		/* No other field of the descriptor, nor the frame, is read
		 * before the status says that they are written.
		 */
		dma_rmb();

		size = le16_to_cpu(rx_desc->wb.upper.length);
		mpassthru_rx_fill(rxq, size, igb_mp_rx_flags(ring, rx_desc));
		total_bytes += size;
		total_packets++;
		if (++ntc == ring->count)
			ntc = 0;
	}
	ring->next_to_clean = ntc;

	igb_update_rx_stats(q_vector, total_packets, total_bytes);
	u64_stats_update_begin(&ring->rx_syncp);
	ring->rx_stats.mp += total_packets;
	u64_stats_update_end(&ring->rx_syncp);
	igb_mp_alloc_rx_buffers(ring, rxq);
	if (mpassthru_rx_flush(rxq, total_packets, igb_desc_unused(ring)))
		return budget;

	return total_packets;
}

#if IS_ENABLED(CONFIG_VHOST_PASSTHRU_KUNIT_TEST) && IS_REACHABLE(CONFIG_KUNIT)
#include "igb_mp_test.c"
#endif
