// SPDX-License-Identifier: GPL-2.0
/*
 * mpassthru: receive into buffers that a guest posted.
 *
 * The ring is armed from the FIFO of include/linux/mpassthru.h and completes in
 * its order, so that nothing is kept per descriptor.  What keeps a frame inside
 * a buffer is RLPML, which igb_set_rx_mode() sets from igb_mp_max_frame().
 */

#include <linux/mpassthru.h>
#include <linux/netdevice.h>
#include <linux/pm_runtime.h>
#include <net/xdp_sock_drv.h>

#include "igb.h"

/* 82576 datasheet 4.5.9: a disabled queue may have fetches and write-backs
 * under way for some time after RXDCTL.ENABLE reads 0.
 */
#define IGB_MP_DRAIN_POLLS	20

/**
 * igb_mp_max_frame - longest frame that the NIC may take in while bound
 * @netdev: network device
 *
 * One VLAN tag, which stays in the frame; no second one, for which guests do
 * not have the room.
 *
 * Return: in bytes, without FCS
 */
unsigned int igb_mp_max_frame(const struct net_device *netdev)
{
	return max_t(unsigned int, netdev->mtu, ETH_DATA_LEN) + ETH_HLEN +
	       VLAN_HLEN;
}

/* Stop one receive queue and wait until the NIC does not write to what its
 * descriptors point at any more.  NAPI is disabled.
 */
static bool igb_mp_drain(struct igb_adapter *adapter, struct igb_ring *ring)
{
	struct e1000_hw *hw = &adapter->hw;
	int i;

	wr32(E1000_RXDCTL(ring->reg_idx),
	     rd32(E1000_RXDCTL(ring->reg_idx)) & ~E1000_RXDCTL_QUEUE_ENABLE);
	for (i = 0; i < IGB_MP_DRAIN_POLLS; i++) {
		/* The read also pushes DMA writes of the NIC ahead of it. */
		if (!(rd32(E1000_RXDCTL(ring->reg_idx)) &
		      E1000_RXDCTL_QUEUE_ENABLE)) {
			usleep_range(100, 200);
			wrfl();
			return true;
		}
		/* Gone from the bus: all reads are ones, and no DMA. */
		if (E1000_REMOVED(hw->hw_addr))
			return true;
		usleep_range(500, 1000);
	}

	return false;
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

/* An interrupt that came while NAPI was disabled is lost and has left its
 * vector masked (EIAM): only the end of a poll unmasks it.
 */
static void igb_mp_poll(struct igb_ring *ring)
{
	local_bh_disable();
	napi_schedule(&ring->q_vector->napi);
	local_bh_enable();
}

/**
 * igb_mp_up - poll the rings of a device that came up
 * @adapter: board private structure
 *
 * What was posted while it was down found nobody to wake.
 *
 * Context: process; NAPI enabled.
 */
void igb_mp_up(struct igb_adapter *adapter)
{
	int i;

	for (i = 0; i < adapter->num_rx_queues; i++)
		if (igb_mp_rxq(adapter->rx_ring[i]))
			igb_mp_poll(adapter->rx_ring[i]);
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
	if (unlikely(!igb_mp_drain(adapter, ring))) {
		/* What does not stop by itself is stopped by a reset. */
		netdev_err(netdev, "receive queue %u does not stop, resetting\n",
			   queue);
		napi_enable(&ring->q_vector->napi);
		igb_down(adapter);
		igb_up(adapter);
		if (down) {
			set_bit(__IGB_DOWN, &adapter->state);
			timer_delete_sync(&adapter->watchdog_timer);
			cancel_work_sync(&adapter->watchdog_task);
		}
		goto out;
	}

	igb_clean_rx_ring(ring);
	igb_configure_rx_ring(adapter, ring);
	igb_alloc_rx_ring(ring);
	napi_enable(&ring->q_vector->napi);
	igb_mp_poll(ring);
out:
	clear_bit(__IGB_RESETTING, &adapter->state);
}

/* &mpassthru_driver_ops.rx_wake.  The caller's RCU read side keeps a ring that
 * is replaced meanwhile in memory, see igb_free_q_vector().
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
 * A device that is down is reset when it comes up.
 *
 * While bound the device is kept from runtime suspend, which takes the rings
 * down and, without RTNL, up again.  As in __igb_open() and ethnl_ops_begin(),
 * nothing is done here about a suspend that has begun and waits for RTNL.
 */
static void igb_mp_port_changed(struct net_device *netdev)
{
	struct igb_adapter *adapter = netdev_priv(netdev);
	bool bound = mpassthru_bound(netdev);

	if (bound)
		pm_runtime_get_sync(&adapter->pdev->dev);

	netdev_update_features(netdev);
	if (netif_running(netdev) && !test_bit(__IGB_DOWN, &adapter->state))
		igb_reinit_locked(adapter);

	if (!bound)
		pm_runtime_put(&adapter->pdev->dev);
}

static const struct mpassthru_driver_ops igb_mp_ops = {
	.port_changed	= igb_mp_port_changed,
	.rx_restart	= igb_mp_rx_restart,
	.rx_wake	= igb_mp_rx_wake,
};

/**
 * igb_mp_port_prep - ndo_mp_port_prep
 * @netdev: network device
 * @port: returns the geometry of buffers
 * @extack: returns the reason of a failure
 *
 * Context: process, RTNL held.
 * Return: 0; -EOPNOTSUPP with SR-IOV or jumbo frames; -EBUSY with AF_XDP;
 * -EINVAL with more than one queue.
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
	/* What the device has when it is up: real_num_rx_queues is older. */
	if (adapter->rss_queues != 1) {
		NL_SET_ERR_MSG_FMT_MOD(extack,
				       "%u queues: run ethtool -L %s combined 1",
				       adapter->rss_queues, netdev->name);
		return -EINVAL;
	}
	if (xsk_get_pool_from_qid(netdev, 0)) {
		NL_SET_ERR_MSG_MOD(extack, "an AF_XDP socket uses queue 0");
		return -EBUSY;
	}
	if (igb_mp_max_frame(netdev) > IGB_RXBUFFER_2048) {
		NL_SET_ERR_MSG_FMT_MOD(extack,
				       "MTU %u is above %zu", netdev->mtu,
				       (size_t)IGB_RXBUFFER_2048 - ETH_HLEN -
				       VLAN_HLEN);
		return -EOPNOTSUPP;
	}

	port->hdr_len = 0;
	port->data_len = igb_mp_max_frame(netdev);
	port->npages = 1;
	port->drv = &igb_mp_ops;
	return 0;
}

/**
 * igb_mp_alloc_rx_buffers - arm descriptors with posted buffers
 * @ring: receive ring
 * @rxq: FIFO
 *
 * Context: NAPI, or with NAPI disabled.
 */
void igb_mp_alloc_rx_buffers(struct igb_ring *ring, struct mpassthru_rxq *rxq)
{
	u16 count = igb_desc_unused(ring);
	u16 ntu = ring->next_to_use;
	union e1000_adv_rx_desc *rx_desc;
	dma_addr_t dma;

	while (count-- && mpassthru_rx_arm(rxq, &dma)) {
		rx_desc = IGB_RX_DESC(ring, ntu);
		rx_desc->read.pkt_addr = cpu_to_le64(dma);
		/* Clears the status of the last lap. */
		rx_desc->read.hdr_addr = 0;
		if (++ntu == ring->count)
			ntu = 0;
	}

	if (ntu == ring->next_to_use)
		return;

	ring->next_to_use = ntu;
	/* The descriptors are in memory before the NIC is told of them. */
	dma_wmb();
	writel(ntu, ring->tail);
}

/**
 * igb_mp_clean_rx_ring - give back the armed buffers of a ring that is down
 * @ring: receive ring
 *
 * Context: process; NAPI disabled, DMA drained.
 */
void igb_mp_clean_rx_ring(struct igb_ring *ring)
{
	struct pci_dev *pdev = to_pci_dev(ring->dev);

	/* A frozen channel took no reset from igb_down(): off the bus, until
	 * igb_io_slot_reset().
	 */
	if (unlikely(pci_channel_offline(pdev)))
		pci_clear_master(pdev);
	/* Only now, when the NIC has stopped, may mp_rxq say that it has. */
	mpassthru_rx_disarm(ring->mp_rxq);
	WRITE_ONCE(ring->mp_rxq, NULL);
	clear_bit(IGB_RING_FLAG_RX_MP_SPLIT, &ring->flags);
}

static unsigned int igb_mp_rx_flags(struct igb_ring *ring,
				    union e1000_adv_rx_desc *rx_desc)
{
	u32 staterr = le32_to_cpu(rx_desc->wb.upper.status_error);
	bool split = test_bit(IGB_RING_FLAG_RX_MP_SPLIT, &ring->flags);

	/* A frame over several descriptors is longer than RLPML. */
	if (unlikely(!(staterr & E1000_RXD_STAT_EOP))) {
		set_bit(IGB_RING_FLAG_RX_MP_SPLIT, &ring->flags);
		return MPASSTHRU_RX_BAD;
	}
	if (unlikely(split)) {
		clear_bit(IGB_RING_FLAG_RX_MP_SPLIT, &ring->flags);
		return MPASSTHRU_RX_BAD;
	}
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
	igb_mp_alloc_rx_buffers(ring, rxq);
	if (mpassthru_rx_flush(rxq, total_packets, igb_desc_unused(ring)))
		return budget;

	return total_packets;
}

#if IS_ENABLED(CONFIG_VHOST_PASSTHRU_KUNIT_TEST) && IS_REACHABLE(CONFIG_KUNIT)
#include "igb_mp_test.c"
#endif
