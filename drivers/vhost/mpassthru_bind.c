// SPDX-License-Identifier: GPL-2.0-only
/*
 * Binding a network device.  It is held until MPASSTHRU_UNBINDDEV, release of
 * the file or the device's NETDEV_UNREGISTER, all of which run mp_unbind_dev()
 * under RTNL.
 */

#include <linux/capability.h>
#include <linux/pm_runtime.h>
#include <linux/rtnetlink.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <uapi/linux/mpassthru.h>

#include "mpassthru.h"

static const struct mpassthru_port_ops mp_port_ops = {
	.divert		= mp_copy_divert,
	.rx_tap		= mp_rx_tap,
	.rx_flush	= mp_rx_flush,
	.tx_flush	= mp_tx_wake,
};

/* Keeps other users of an rx_handler (bridge, bond, macvlan, ...) away.  Frames
 * are diverted before, but for those of an ifb, and while the port is being
 * attached or detached.
 */
static rx_handler_result_t mp_rx_handler(struct sk_buff **pskb)
{
	/* Not from the wire. */
	if ((*pskb)->pkt_type == PACKET_LOOPBACK)
		return RX_HANDLER_PASS;
	kfree_skb(*pskb);
	return RX_HANDLER_CONSUMED;
}

static int mp_bind_check(struct net_device *dev, struct mpassthru_port *port,
			 struct netlink_ext_ack *extack)
{
	int err;

	if (mpassthru_bound(dev)) {
		NL_SET_ERR_MSG_FMT(extack, "%s is bound already", dev->name);
		return -EBUSY;
	}
	/* Suspended, or the PCI core is recovering it from an error. */
	if (!netif_device_present(dev)) {
		NL_SET_ERR_MSG_FMT(extack,
				   "%s is suspended or in recovery: try again",
				   dev->name);
		return -ENODEV;
	}

	err = netdev_mp_port_prep(dev, port, extack);
	if (err)
		return err;

	/* A frame is one buffer, and no longer than a page. */
	if (port->hdr_len || port->npages != 1) {
		NL_SET_ERR_MSG_FMT(extack,
				   "%s splits frames: hdr_len %d, npages %d",
				   dev->name, port->hdr_len, port->npages);
		return -EOPNOTSUPP;
	}
	/* Of a device that is down the driver alone knows. */
	if (netif_running(dev) && dev->real_num_rx_queues != 1) {
		NL_SET_ERR_MSG_FMT(extack,
				   "%s has %u queues: run ethtool -L %s combined 1",
				   dev->name, dev->real_num_rx_queues,
				   dev->name);
		return -EINVAL;
	}
	if (netdev_is_rx_handler_busy(dev) || netdev_has_any_upper_dev(dev)) {
		NL_SET_ERR_MSG_FMT(extack,
				   "%s belongs to a bridge, bond, macvlan or vlan: take it out",
				   dev->name);
		return -EBUSY;
	}
	if (dev_xdp_prog_count(dev)) {
		NL_SET_ERR_MSG_FMT(extack,
				   "%s runs an XDP program: ip link set %s xdp off",
				   dev->name, dev->name);
		return -EBUSY;
	}

	return 0;
}

static int mp_bind_dev(struct mp_queue *mq, struct net_device *dev,
		       struct netlink_ext_ack *extack)
{
	int err;

	err = mp_bind_check(dev, &mq->port, extack);
	if (err)
		return err;

	err = netdev_rx_handler_register(dev, mp_rx_handler, mq);
	if (err) {
		NL_SET_ERR_MSG_FMT(extack, "%s takes no rx_handler", dev->name);
		return err;
	}

	mq->port.ops = &mp_port_ops;
	err = netdev_mp_port_attach(dev, &mq->port);
	if (err) {
		netdev_rx_handler_unregister(dev);
		return err;
	}

	netdev_hold(dev, &mq->dev_tracker, GFP_KERNEL);
	mq->port.drv->port_changed(dev);
	rcu_assign_pointer(mq->dev, dev);
	mp_tx_bound(mq);
	return 0;
}

/* @parent was resumed, and is that of the device, if the name is still its. */
static int mp_bind_name(struct mp_queue *mq, const char *ifname,
			struct device *parent, struct netlink_ext_ack *extack)
{
	struct net_device *dev;

	ASSERT_RTNL();

	dev = rtnl_dereference(mq->dev);
	if (dev) {
		NL_SET_ERR_MSG_FMT(extack,
				   "this descriptor is bound to %s already",
				   dev->name);
		return -EBUSY;
	}

	dev = __dev_get_by_name(sock_net(&mq->sk), ifname);
	if (!dev || dev->dev.parent != parent) {
		NL_SET_ERR_MSG_FMT(extack,
				   "no device %s in this network namespace",
				   ifname);
		return -ENODEV;
	}

	return mp_bind_dev(mq, dev, extack);
}

/* The parent of the device of that name, with a reference, or NULL. */
static struct device *mp_parent(struct mp_queue *mq, const char *ifname)
{
	struct device *parent = NULL;
	struct net_device *dev;

	rtnl_lock();
	dev = __dev_get_by_name(sock_net(&mq->sk), ifname);
	if (dev)
		parent = get_device(dev->dev.parent);
	rtnl_unlock();

	return parent;
}

/* The device is resumed before RTNL is taken: a suspend that is under way may
 * wait for RTNL, and a resume waits for it to end.
 */
static int mp_bind_resumed(struct mp_queue *mq, const char *ifname,
			   struct netlink_ext_ack *extack)
{
	struct device *parent = mp_parent(mq, ifname);
	int err;

	/* Whether it works is seen by netif_device_present(). */
	if (parent)
		pm_runtime_get_sync(parent);
	rtnl_lock();
	err = mp_bind_name(mq, ifname, parent, extack);
	rtnl_unlock();
	if (parent)
		pm_runtime_put(parent);
	put_device(parent);

	return err;
}

/* Undoes mp_bind_dev().  After mp_rx_unbind() no kiocb is left; after
 * netdev_mp_port_detach() no frame is diverted any more, and no sender holds
 * the device, for it waits for RCU readers.
 */
static void mp_unbind_dev(struct mp_queue *mq)
{
	struct net_device *dev = rtnl_dereference(mq->dev);
	struct mp_tx *tx;

	ASSERT_RTNL();

	mp_rx_unbind(mq);
	tx = mp_tx_unbind(mq);
	RCU_INIT_POINTER(mq->dev, NULL);
	netdev_mp_port_detach(dev);
	mp_tx_free(tx);
	netdev_rx_handler_unregister(dev);
	mq->port.drv->port_changed(dev);
	netdev_put(dev, &mq->dev_tracker);
	skb_queue_purge(&mq->sk.sk_receive_queue);
}

static void mp_put_msg(const struct mpassthru_bind *bind,
		       const struct netlink_ext_ack *extack)
{
	void __user *to = u64_to_user_ptr(bind->msg);
	const char *msg = extack->_msg ?: "";
	size_t len = strlen(msg) + 1;

	if (!bind->msg || !bind->msg_len)
		return;

	/* The error is the answer; the text is a courtesy. */
	if (len > bind->msg_len) {
		len = bind->msg_len;
		if (put_user('\0', (char __user *)to + --len))
			return;
	}
	if (copy_to_user(to, msg, len))
		return;
}

/**
 * mp_bind - MPASSTHRU_BINDDEV: bind a network device
 * @mq: queue
 * @argp: struct mpassthru_bind; @argp->msg gets the text of an error
 *
 * Context: process, takes RTNL.
 * Return: 0, or:
 *
 * * -EFAULT: @argp is not readable
 * * -EINVAL: reserved fields are set, the name does not end, the device has
 *   more than one queue, or its driver reports buffers that make no sense
 * * -EPERM: no CAP_NET_ADMIN over the network namespace of the open()
 * * -ENODEV: no such device in that namespace, or it is not present
 * * -EBUSY: bound, or used by a bridge, bond, XDP program, AF_XDP, ...
 * * -EOPNOTSUPP: the driver has no mpassthru port, or one that we cannot use
 * * any other error of the driver's
 */
int mp_bind(struct mp_queue *mq, struct mpassthru_bind __user *argp)
{
	struct netlink_ext_ack extack = {};
	struct mpassthru_bind bind;
	int err;

	if (copy_from_user(&bind, argp, sizeof(bind)))
		return -EFAULT;

	if (bind.flags || bind.queue ||
	    memchr_inv(bind.reserved, 0, sizeof(bind.reserved)) ||
	    strnlen(bind.ifname, sizeof(bind.ifname)) == sizeof(bind.ifname)) {
		NL_SET_ERR_MSG(&extack,
			       "flags, queue and reserved fields must be 0, the name NUL terminated");
		err = -EINVAL;
	} else if (!ns_capable(sock_net(&mq->sk)->user_ns, CAP_NET_ADMIN)) {
		NL_SET_ERR_MSG(&extack,
			       "binding needs CAP_NET_ADMIN in the network namespace");
		err = -EPERM;
	} else {
		err = mp_bind_resumed(mq, bind.ifname, &extack);
	}

	if (err)
		mp_put_msg(&bind, &extack);
	else
		/* vhost-net may be waiting for the device to come back. */
		mq->sk.sk_data_ready(&mq->sk);
	return err;
}

/**
 * mp_unbind - MPASSTHRU_UNBINDDEV, and what release() does
 * @mq: queue
 *
 * Context: process, takes RTNL; not from a completion, for it waits for all.
 * Return: 0, all posted buffers were given back; -ENOTCONN: nothing is bound.
 */
int mp_unbind(struct mp_queue *mq)
{
	int err = -ENOTCONN;

	rtnl_lock();
	if (rtnl_dereference(mq->dev)) {
		mp_unbind_dev(mq);
		err = 0;
	}
	rtnl_unlock();

	return err;
}

static int mp_netdev_event(struct notifier_block *nb, unsigned long event,
			   void *ptr)
{
	struct net_device *dev = netdev_notifier_info_to_dev(ptr);
	struct mpassthru_port *port = rtnl_dereference(dev->mp_port);

	/* A port that others attached is theirs. */
	if (!port || port->ops != &mp_port_ops)
		return NOTIFY_DONE;

	switch (event) {
	case NETDEV_UNREGISTER:
		/* Also when it moves to another network namespace. */
		mp_unbind_dev(mp_from_port(port));
		break;
	case NETDEV_DOWN:
	case NETDEV_CHANGE:
		mp_tx_changed(mp_from_port(port));
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block mp_netdev_notifier = {
	.notifier_call	= mp_netdev_event,
};

/**
 * mp_bind_init - follow network devices that go away
 *
 * Context: process, takes RTNL.
 * Return: 0 or an error of register_netdevice_notifier().
 */
int __init mp_bind_init(void)
{
	return register_netdevice_notifier(&mp_netdev_notifier);
}

/**
 * mp_bind_exit - undo mp_bind_init()
 *
 * Context: process, takes RTNL.
 */
void mp_bind_exit(void)
{
	unregister_netdevice_notifier(&mp_netdev_notifier);
}
