// SPDX-License-Identifier: GPL-2.0-only
/*
 * mpassthru port of a network device: who may attach one, and how frames get
 * to it.  See include/linux/mpassthru.h for the parties.
 */

#include <linux/etherdevice.h>
#include <linux/if_vlan.h>
#include <linux/mm.h>
#include <linux/mpassthru.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <linux/skbuff.h>
#include <net/sch_generic.h>
#include <net/xdp_sock_drv.h>

#define CREATE_TRACE_POINTS
#include <trace/events/mpassthru.h>

DEFINE_STATIC_KEY_FALSE(mpassthru_needed_key);

static bool mpassthru_port_valid(const struct mpassthru_port *port)
{
	long max, min;

	if (!port->drv || port->npages <= 0 || port->npages > MAX_SKB_FRAGS)
		return false;
	if (!port->max_queues || port->max_queues > MPASSTHRU_QUEUES ||
	    (port->max_queues > 1 && !port->drv->rx_spread))
		return false;

	max = PAGE_SIZE * port->npages;
	min = max - PAGE_SIZE;
	/* A header, and what follows it. */
	if (port->tx_segs && (port->tx_segs < 2 ||
			      port->tx_segs > MPASSTHRU_TX_SEGS ||
			      !port->drv->tx_run || !port->drv->tx_reset))
		return false;
	return port->hdr_len >= 0 && port->hdr_len < PAGE_SIZE &&
	       port->data_len >= ETH_ZLEN && port->data_len > min &&
	       port->data_len <= max;
}

/* An AF_XDP socket in zero-copy mode has a queue for itself.  In copy mode it
 * comes with an XDP program, which the mp device refuses.
 */
static int mpassthru_check_xsk(struct net_device *dev,
			       struct netlink_ext_ack *extack)
{
	unsigned int i;

	for (i = 0; i < dev->num_rx_queues; i++) {
		if (!xsk_get_pool_from_qid(dev, i))
			continue;
		NL_SET_ERR_MSG_FMT(extack,
				   "an AF_XDP socket uses queue %u: end it",
				   i);
		return -EBUSY;
	}

	return 0;
}

/**
 * netdev_mp_port_prep - ask the driver of a device what its buffers are like
 * @dev: network device
 * @port: its fields max_queues, hdr_len, data_len, npages, tx_segs and drv are
 *	set
 * @extack: returns the reason of a failure
 *
 * Context: process, RTNL held.
 * Return: 0; -EOPNOTSUPP when the driver has no ndo_mp_port_prep; what that
 * returned; -EINVAL when the answer makes no sense; -EBUSY when an AF_XDP
 * socket has a queue.
 */
int netdev_mp_port_prep(struct net_device *dev, struct mpassthru_port *port,
			struct netlink_ext_ack *extack)
{
	const struct net_device_ops *ops = dev->netdev_ops;
	int err;

	ASSERT_RTNL();

	if (!ops->ndo_mp_port_prep) {
		NL_SET_ERR_MSG_FMT(extack,
				   "driver of %s has no mpassthru support",
				   dev->name);
		return -EOPNOTSUPP;
	}

	port->max_queues = 0;
	port->hdr_len = 0;
	port->data_len = 0;
	port->npages = 0;
	port->tx_segs = 0;
	port->drv = NULL;
	err = ops->ndo_mp_port_prep(dev, port, extack);
	if (err)
		return err;

	if (!mpassthru_port_valid(port)) {
		NL_SET_ERR_MSG_FMT(extack,
				   "%s reports hdr_len %d, data_len %d, npages %d, max_queues %u",
				   dev->name, port->hdr_len, port->data_len,
				   port->npages, port->max_queues);
		return -EINVAL;
	}

	return mpassthru_check_xsk(dev, extack);
}
EXPORT_SYMBOL_GPL(netdev_mp_port_prep);

/**
 * netdev_mp_port_len - a frame is one buffer, and the MTU limits it
 * @port: its fields hdr_len, data_len and npages are set
 * @mtu: of the device, in bytes
 *
 * For ndo_mp_port_prep, see mpassthru_data_len().
 *
 * Context: process, RTNL held.
 */
void netdev_mp_port_len(struct mpassthru_port *port, unsigned int mtu)
{
	port->hdr_len = 0;
	/* Who wonders whether buffers are long enough reads it under RCU. */
	WRITE_ONCE(port->data_len, mpassthru_data_len(mtu));
	port->npages = DIV_ROUND_UP(port->data_len, PAGE_SIZE);
}
EXPORT_SYMBOL_GPL(netdev_mp_port_len);

/**
 * netdev_mp_change_mtu - a driver is about to change the MTU of a device
 * @dev: network device, bound or not
 * @mtu: in bytes
 *
 * Buffers in guest memory are armed on the word of the driver that no frame is
 * longer than &mpassthru_port.data_len.  So nothing is armed any more when this
 * returns, if that is going to be another; and nothing is before RTNL is let go
 * of.  By then the hardware has the new limit, and no frame that was accepted
 * under the former one is on its way to a ring, which takes a reset of a device
 * that is up.
 *
 * To be called by ndo_change_mtu when nothing can fail any more, and before it
 * keeps &mpassthru_driver_ops.rx_restart away.
 *
 * Context: process, RTNL held.
 */
void netdev_mp_change_mtu(struct net_device *dev, unsigned int mtu)
{
	struct mpassthru_port *port;

	ASSERT_RTNL();

	port = rtnl_dereference(dev->mp_port);
	if (!port || port->data_len == mpassthru_data_len(mtu))
		return;

	port->ops->rx_stop(port);
	netdev_mp_port_len(port, mtu);
}
EXPORT_SYMBOL_GPL(netdev_mp_change_mtu);

/**
 * netdev_mp_port_attach - divert what a device receives to a port
 * @dev: network device
 * @port: what netdev_mp_port_prep() filled in, with ops set
 *
 * The caller holds a reference on @dev until after netdev_mp_port_detach().
 *
 * Context: process, RTNL held.
 * Return: 0, or -EBUSY when a port is attached already.
 */
int netdev_mp_port_attach(struct net_device *dev, struct mpassthru_port *port)
{
	ASSERT_RTNL();

	if (rtnl_dereference(dev->mp_port))
		return -EBUSY;

	port->dev = dev;
	static_branch_inc(&mpassthru_needed_key);
	rcu_assign_pointer(dev->mp_port, port);
	/* Who saw it unbound without RTNL, as ndo_set_rx_mode does under the
	 * lock of the addresses, is done before the driver applies its limits.
	 */
	synchronize_net();

	return 0;
}
EXPORT_SYMBOL_GPL(netdev_mp_port_attach);

/**
 * netdev_mp_port_detach - give a device back to the network stack
 * @dev: network device with a port that has no rxq and no txq
 *
 * When it returns, nobody in net core uses the port any more.  Nor does the
 * driver: it looks at it under RTNL, or from a ring that had its rxq, which
 * &mpassthru_driver_ops.rx_restart took away.
 *
 * Context: process, RTNL held.
 */
void netdev_mp_port_detach(struct net_device *dev)
{
	struct mpassthru_port *port = rtnl_dereference(dev->mp_port);

	ASSERT_RTNL();

	if (!port)
		return;

	RCU_INIT_POINTER(dev->mp_port, NULL);
	static_branch_dec(&mpassthru_needed_key);
	synchronize_net();
	port->dev = NULL;
}
EXPORT_SYMBOL_GPL(netdev_mp_port_detach);

/**
 * netdev_mp_egress_used - does somebody want to see what a device sends
 * @dev: network device
 *
 * A qdisc that was set by an administrator (the default ones have no handle),
 * programs of tc, netfilter's egress hook, packet sockets of ETH_P_ALL. Not
 * noqueue, which has no enqueue() and sees nothing: libvirt sets it.
 *
 * Context: RCU read side.  Who adds one of these waits for it, before it relies
 * on seeing every frame.
 * Return: true when frames have to go through dev_queue_xmit()
 */
bool netdev_mp_egress_used(const struct net_device *dev)
{
	const struct Qdisc *qdisc = rcu_dereference(dev->qdisc);

	if ((qdisc->handle && qdisc->enqueue) || dev_nit_active_rcu(dev))
		return true;
#ifdef CONFIG_NET_XGRESS
	if (rcu_access_pointer(dev->tcx_egress))
		return true;
#endif
#ifdef CONFIG_NETFILTER_EGRESS
	if (rcu_access_pointer(dev->nf_hooks_egress))
		return true;
#endif
	return false;
}
EXPORT_SYMBOL_GPL(netdev_mp_egress_used);

static void mpassthru_tap_list(struct list_head *ptypes, struct sk_buff *skb)
{
	struct packet_type *ptype;
	struct sk_buff *clone;

	list_for_each_entry_rcu(ptype, ptypes, list) {
		clone = skb_clone(skb, GFP_ATOMIC);
		if (clone)
			ptype->func(clone, skb->dev, ptype, skb->dev);
	}
}

/**
 * netdev_mp_tap - show packet sockets of ETH_P_ALL a copy of a frame
 * @dev: network device that received it
 * @data: the frame, beginning with the Ethernet header
 * @len: its length in bytes, at least ETH_HLEN
 *
 * Memory of a guest is copied first and looked at afterwards: it may change
 * at any time.
 *
 * Context: softirq.
 */
void netdev_mp_tap(struct net_device *dev, const void *data, unsigned int len)
{
	struct sk_buff *skb = netdev_alloc_skb_ip_align(dev, len);

	if (!skb)
		return;

	skb_put_data(skb, data, len);
	skb->protocol = eth_type_trans(skb, dev);
	/* As __netif_receive_skb_core(): taps see the tag beside the frame. */
	if (eth_type_vlan(skb->protocol)) {
		skb = skb_vlan_untag(skb);
		if (!skb)
			return;
	}
	skb_reset_network_header(skb);
	skb_reset_transport_header(skb);
	skb_reset_mac_len(skb);
	__net_timestamp(skb);

	rcu_read_lock();
	mpassthru_tap_list(&dev_net_rcu(dev)->ptype_all, skb);
	mpassthru_tap_list(&dev->ptype_all, skb);
	rcu_read_unlock();
	consume_skb(skb);
}
EXPORT_SYMBOL_GPL(netdev_mp_tap);

/* Tracepoints.  Those of the inline functions of <linux/mpassthru.h> are called
 * from here.
 */

void mpassthru_do_trace_rx_arm(const struct mpassthru_rxq *rxq)
{
	trace_call__mpassthru_rx_arm(rxq);
}
EXPORT_SYMBOL_GPL(mpassthru_do_trace_rx_arm);

void mpassthru_do_trace_rx_fill(const struct mpassthru_rxq *rxq,
				unsigned int len, unsigned int flags)
{
	trace_call__mpassthru_rx_fill(rxq, len, flags);
}
EXPORT_SYMBOL_GPL(mpassthru_do_trace_rx_fill);

void mpassthru_do_trace_rx_disarm(const struct mpassthru_rxq *rxq)
{
	trace_call__mpassthru_rx_disarm(rxq, rxq->filled,
					rxq->armed - rxq->filled);
}
EXPORT_SYMBOL_GPL(mpassthru_do_trace_rx_disarm);

void mpassthru_do_trace_tx_push(const struct mpassthru_txq *txq)
{
	trace_call__mpassthru_tx_push(txq);
}
EXPORT_SYMBOL_GPL(mpassthru_do_trace_tx_push);

void mpassthru_do_trace_tx_done(const struct mpassthru_txq *txq,
				unsigned int n)
{
	trace_call__mpassthru_tx_done(txq, txq->done, n);
}
EXPORT_SYMBOL_GPL(mpassthru_do_trace_tx_done);

void mpassthru_do_trace_tx_drop(const struct mpassthru_txq *txq,
				unsigned int n)
{
	trace_call__mpassthru_tx_drop(txq, txq->pushed, n);
}
EXPORT_SYMBOL_GPL(mpassthru_do_trace_tx_drop);

EXPORT_TRACEPOINT_SYMBOL_GPL(mpassthru_rx_arm);
EXPORT_TRACEPOINT_SYMBOL_GPL(mpassthru_rx_fill);
EXPORT_TRACEPOINT_SYMBOL_GPL(mpassthru_rx_disarm);
EXPORT_TRACEPOINT_SYMBOL_GPL(mpassthru_tx_push);
EXPORT_TRACEPOINT_SYMBOL_GPL(mpassthru_tx_done);
EXPORT_TRACEPOINT_SYMBOL_GPL(mpassthru_tx_drop);

/* The mp device may be a module. */
EXPORT_TRACEPOINT_SYMBOL_GPL(mpassthru_rx_post);
EXPORT_TRACEPOINT_SYMBOL_GPL(mpassthru_rx_bounce);
EXPORT_TRACEPOINT_SYMBOL_GPL(mpassthru_rx_complete);
EXPORT_TRACEPOINT_SYMBOL_GPL(mpassthru_rx_rewind);
EXPORT_TRACEPOINT_SYMBOL_GPL(mpassthru_tx_post);
EXPORT_TRACEPOINT_SYMBOL_GPL(mpassthru_tx_fallback);
EXPORT_TRACEPOINT_SYMBOL_GPL(mpassthru_tx_complete);
EXPORT_TRACEPOINT_SYMBOL_GPL(mpassthru_tx_reset);
EXPORT_TRACEPOINT_SYMBOL_GPL(mpassthru_tx_rewind);
EXPORT_TRACEPOINT_SYMBOL_GPL(mpassthru_pin);
EXPORT_TRACEPOINT_SYMBOL_GPL(mpassthru_unpin);
