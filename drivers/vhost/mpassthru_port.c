// SPDX-License-Identifier: GPL-2.0-only
/*
 * A bound network device, and which descriptor has which of its queues.  A
 * queue is held until MPASSTHRU_UNBINDDEV, release of the file or the device's
 * NETDEV_UNREGISTER, all of which run mp_port_remove() under RTNL.
 *
 * Who sees port and queue, besides who holds RTNL:
 *
 *   divert	finds the port at the device and the queue at the port, in an
 *		RCU read side
 *   senders	that copy find the port at their queue, in an RCU read side;
 *		so do posters while there is no FIFO
 *   posters	find the port at the FIFO, which stays under the lock of the
 *		queue that it is posted to with
 *   driver	finds the port at the FIFO, and we the queue: at one to receive
 *		until rx_restart, at one to send in an RCU read side
 *
 * When a queue is unbound, frames are spread over the others first, if there
 * are some.  Its FIFOs go next, each under its lock.  Then nobody finds the
 * queue any more, nor the port if it was the last one.  Then those who did are
 * waited for, once, be it for one queue or for all queues of a device that
 * goes.  The queue itself, which is the socket, is there still: mp_release()
 * waits for RTNL.
 */

#include <kunit/visibility.h>
#include <linux/etherdevice.h>
#include <linux/rtnetlink.h>
#include <linux/skbuff.h>
#include <linux/slab.h>

#include "mpassthru.h"
#include "mpassthru_port.h"

/* After a reset of the NIC, for a queue that did not end, skbs are made for so
 * long, whose end is not waited for: or else a guest that is reset in a loop
 * while the NIC is paused resets that in a loop.
 */
#define MP_PORT_HOLD	(10 * HZ)

/* Queues may be turned on and off so many times in a row, and then once in that
 * time: each costs a grace period under RTNL.
 */
#define MP_PORT_BURST		(4 * MPASSTHRU_QUEUES)
#define MP_PORT_INTERVAL	(HZ / 20)

/* The queue that received @skb.  What something redirected to the device comes
 * from none of its queues: it names none, or one of another device, and goes
 * where RSS could have sent it.
 */
static unsigned int mp_port_index(const struct mpassthru_port *shared,
				  const struct sk_buff *skb)
{
	unsigned int index = skb_get_rx_queue(skb);

	return likely(index < shared->max_queues) ?
	       index : __ffs(READ_ONCE(shared->rx_mask));
}

/* &mpassthru_port_ops.divert */
static void mp_port_divert(struct mpassthru_port *shared, struct sk_buff *skb)
{
	struct mp_port *port = container_of(shared, struct mp_port, shared);
	unsigned int index = mp_port_index(shared, skb);
	struct mp_queue *mq = rcu_dereference(port->queues[index]);
	bool late;

	/* That queue is nobody's, or is just being unbound.  Those in use have
	 * younger frames of the flow.
	 */
	if (unlikely(!mq)) {
		dev_core_stats_rx_dropped_inc(skb->dev);
		kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED);
		return;
	}
	late = READ_ONCE(shared->rxq[index]) || READ_ONCE(mq->detached);
	mp_copy_divert(mq, skb, late);
}

/* &mpassthru_port_ops.rx_stop */
static void mp_port_rx_stop(struct mpassthru_port *shared)
{
	struct mp_port *port = container_of(shared, struct mp_port, shared);
	unsigned long bound = shared->bound;
	unsigned int i;

	for_each_set_bit(i, &bound, MPASSTHRU_QUEUES)
		mp_rx_resize(rtnl_dereference(port->queues[i]));
}

static const struct mpassthru_port_ops mp_port_ops = {
	.divert		= mp_port_divert,
	.rx_tap		= mp_rx_tap,
	.rx_flush	= mp_rx_flush,
	.rx_stop	= mp_port_rx_stop,
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

static int mp_port_check(struct net_device *dev, struct mpassthru_port *shared,
			 struct netlink_ext_ack *extack)
{
	int err;

	if (mpassthru_bound(dev)) {
		NL_SET_ERR_MSG_FMT(extack, "%s is bound already", dev->name);
		return -EBUSY;
	}

	err = netdev_mp_port_prep(dev, shared, extack);
	if (err)
		return err;

	/* A frame is one buffer.  Where that is too long to be posted, frames
	 * are copied.
	 */
	if (shared->hdr_len) {
		NL_SET_ERR_MSG_FMT(extack, "%s splits frames: hdr_len %d",
				   dev->name, shared->hdr_len);
		return -EOPNOTSUPP;
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

/* The port of a device, NULL where there is none or others attached it. */
static struct mp_port *mp_port_of(const struct net_device *dev)
{
	struct mpassthru_port *shared = rtnl_dereference(dev->mp_port);

	if (!shared || shared->ops != &mp_port_ops)
		return NULL;
	return container_of(shared, struct mp_port, shared);
}

/* Not attached yet, and without queues. */
static struct mp_port *mp_port_alloc(struct net_device *dev,
				     const struct mp_how *how,
				     struct netlink_ext_ack *extack)
{
	struct mp_port *port;
	int err;

	port = kzalloc_obj(*port, GFP_KERNEL);
	if (!port) {
		NL_SET_ERR_MSG(extack, "out of memory");
		return ERR_PTR(-ENOMEM);
	}

	port->shared.ops = &mp_port_ops;
	port->how = *how;
	err = mp_port_check(dev, &port->shared, extack);
	if (err) {
		kfree(port);
		return ERR_PTR(err);
	}
	return port;
}

/* Turns @index, as of mp_port_bind(), into that of a queue that is free. */
static int mp_port_choose(struct mp_port *port, const struct net_device *dev,
			  unsigned int *index, struct netlink_ext_ack *extack)
{
	unsigned int max = port->shared.max_queues;

	if (*index == MP_QUEUE_NEXT) {
		*index = ffz(port->shared.bound);
		if (*index >= max) {
			NL_SET_ERR_MSG_FMT(extack,
					   "%s has %u queues, all are bound: see ethtool -L",
					   dev->name, max);
			return -EBUSY;
		}
	}

	if (*index >= max) {
		NL_SET_ERR_MSG_FMT(extack,
				   "%s has %u queues, from 0 on: see ethtool -L",
				   dev->name, max);
		return -EINVAL;
	}
	if (port->shared.bound & BIT(*index)) {
		NL_SET_ERR_MSG_FMT(extack, "queue %u of %s is bound already",
				   *index, dev->name);
		return -EBUSY;
	}
	return 0;
}

static void mp_port_set(struct mp_port *port, unsigned int index,
			struct mp_queue *mq)
{
	unsigned int bound = port->shared.bound;

	rcu_assign_pointer(port->queues[index], mq);
	WRITE_ONCE(port->shared.bound, mq ? bound | BIT(index) :
					    bound & ~BIT(index));
}

/* The queues of @bound that frames are to be spread over: those that are
 * attached.  Where none is, frames have to go somewhere: to one that is bound,
 * which drops them.
 */
static unsigned int mp_port_mask(const struct mp_port *port, unsigned int bound)
{
	unsigned long attached = bound;
	unsigned int i;

	for_each_set_bit(i, &attached, MPASSTHRU_QUEUES)
		if (rtnl_dereference(port->queues[i])->detached)
			attached &= ~BIT(i);
	return attached ?: bound & -bound;
}

static void mp_port_spread(struct mp_port *port, unsigned int bound)
{
	unsigned int mask = mp_port_mask(port, bound);

	if (mask == port->shared.rx_mask)
		return;
	WRITE_ONCE(port->shared.rx_mask, mask);
	port->shared.drv->rx_spread(port->shared.dev);
}

/* Has the device receive what its guest is to hear. */
static int mp_port_listen(const struct mp_port *port, struct net_device *dev)
{
	int err;

	if (!port->how.filter)
		return dev_set_promiscuity(dev, 1);
	/* Which groups the guest has joined, nobody tells: IPv6 needs some. */
	err = dev_set_allmulti(dev, 1);
	if (err || is_zero_ether_addr(port->how.addr))
		return err;
	err = dev_uc_add(dev, port->how.addr);
	if (err)
		dev_set_allmulti(dev, -1);
	return err;
}

/* Undoes mp_port_listen(). */
static void mp_port_ignore(const struct mp_port *port, struct net_device *dev)
{
	if (!port->how.filter) {
		dev_set_promiscuity(dev, -1);
		return;
	}
	if (!is_zero_ether_addr(port->how.addr))
		dev_uc_del(dev, port->how.addr);
	dev_set_allmulti(dev, -1);
}

/* Its first queue is there: frames are diverted to that from here on.  What is
 * received for the guest before that, the rx_handler drops.
 */
static int mp_port_attach(struct mp_port *port, struct net_device *dev,
			  struct netlink_ext_ack *extack)
{
	int err;

	err = netdev_rx_handler_register(dev, mp_rx_handler, port);
	if (err) {
		NL_SET_ERR_MSG_FMT(extack, "%s takes no rx_handler", dev->name);
		return err;
	}

	err = mp_port_listen(port, dev);
	if (err) {
		NL_SET_ERR_MSG_FMT(extack,
				   "what %s receives cannot be set", dev->name);
		goto err_handler;
	}

	port->shared.rx_mask = mp_port_mask(port, port->shared.bound);
	err = netdev_mp_port_attach(dev, &port->shared);
	if (err)
		goto err_ignore;

	netdev_hold(dev, &port->dev_tracker, GFP_KERNEL);
	port->shared.drv->port_changed(dev);
	return 0;

err_ignore:
	mp_port_ignore(port, dev);
err_handler:
	netdev_rx_handler_unregister(dev);
	return err;
}

/* Undoes mp_port_attach() and mp_port_alloc().  The last queue has been taken
 * away: netdev_mp_port_detach() waits for those who found that or the port.
 */
static void mp_port_detach(struct mp_port *port)
{
	struct net_device *dev = port->shared.dev;

	netdev_mp_port_detach(dev);
	port->shared.drv->port_changed(dev);
	/* Not before: it writes the length that a frame may have. */
	mp_port_ignore(port, dev);
	netdev_rx_handler_unregister(dev);
	netdev_put(dev, &port->dev_tracker);
	kfree(port);
}

/* Takes queue @only away from its port, or, where that is NULL, all of them.
 *
 * After mp_rx_unbind() and mp_tx_unbind() no kiocb is left, and nothing that
 * was posted is mapped.  After the grace period no frame is diverted to a
 * queue, no sender or poster has the device, and no NAPI is about to wake the
 * consumer.
 */
static void mp_port_remove(struct mp_port *port, const struct mp_queue *only)
{
	unsigned int bound = port->shared.bound, n = 0, i;
	unsigned long which = only ? BIT(only->index) : bound;
	struct mp_queue *gone[MPASSTHRU_QUEUES], *mq;
	struct mp_tx *tx[MPASSTHRU_QUEUES];

	ASSERT_RTNL();

	/* What is on its way to the queue drops.  Flows that go by others from
	 * here on lose no more than that.
	 */
	if (bound & ~which)
		mp_port_spread(port, bound & ~which);

	for_each_set_bit(i, &which, MPASSTHRU_QUEUES) {
		mq = rtnl_dereference(port->queues[i]);
		mp_rx_unbind(mq);
		tx[n] = mp_tx_unbind(mq);
		RCU_INIT_POINTER(mq->port, NULL);
		mp_port_set(port, i, NULL);
		gone[n++] = mq;
	}

	if (port->shared.bound)
		synchronize_net();
	else
		mp_port_detach(port);

	while (n--) {
		mp_tx_free(tx[n]);
		skb_queue_purge(&gone[n]->sk.sk_receive_queue);
	}
}

static struct mp_queue *mp_port_first(const struct mp_port *port)
{
	return rtnl_dereference(port->queues[__ffs(port->shared.bound)]);
}

/**
 * mp_port_set_features - offloads that the reader accepts
 * @mq: queue, bound or not
 * @features: NETIF_F_*
 *
 * As with tun, they are those of all queues of the device: QEMU says it to the
 * first only.  A queue that another process has as a backend keeps its own for
 * now, see mp_tap_set().
 *
 * Context: process, RTNL held.
 */
void mp_port_set_features(struct mp_queue *mq, netdev_features_t features)
{
	const struct mp_settings new = {
		.which = MP_SET_FEATURES, .features = features,
	};
	struct mp_port *port = rtnl_dereference(mq->port);
	unsigned long bound = port ? port->shared.bound : 0;
	struct mp_queue *other;
	unsigned int i;

	ASSERT_RTNL();

	mp_tap_set(mq, &new);
	for_each_set_bit(i, &bound, MPASSTHRU_QUEUES) {
		other = rtnl_dereference(port->queues[i]);
		if (other != mq)
			mp_tap_set_too(other, &new);
	}
}
EXPORT_SYMBOL_IF_KUNIT(mp_port_set_features);

/**
 * mp_port_bind - bind a queue of a network device
 * @mq: queue that has no port
 * @dev: network device
 * @how: which of its queues, and what the device is to receive
 * @extack: returns the reason of a failure
 *
 * The first queue of a device makes the port, for which the device is looked at
 * and reset.  What it must not have is refused to it as long as there is one,
 * and it receives what @how of that queue says: the others that join it only
 * look whether the device is there.
 *
 * Those who have the queues of one device trust each other.  RSS is moved from
 * one to another as they turn their queues off, and a NIC that does not send
 * what one of them has posted is reset.
 *
 * Context: process, RTNL held.
 * Return: 0, or an errno as of mp_bind()
 */
int mp_port_bind(struct mp_queue *mq, struct net_device *dev,
		 const struct mp_how *how, struct netlink_ext_ack *extack)
{
	unsigned int index = how->index, old = mq->index;
	struct mp_port *port = mp_port_of(dev);
	bool first = !port;
	int err;

	ASSERT_RTNL();

	/* Suspended, or the PCI core is recovering it from an error. */
	if (!netif_device_present(dev)) {
		NL_SET_ERR_MSG_FMT(extack,
				   "%s is suspended or in recovery: try again",
				   dev->name);
		return -ENODEV;
	}
	if (port && !(how->multi && port->how.multi)) {
		NL_SET_ERR_MSG_FMT(extack,
				   "%s is bound already: only MULTI_QUEUE, of all, shares it",
				   dev->name);
		return -EBUSY;
	}
	if (port && how->filter &&
	    !(port->how.filter &&
	      ether_addr_equal(how->addr, port->how.addr))) {
		NL_SET_ERR_MSG_FMT(extack,
				   "other queues of %s are bound to receive other frames",
				   dev->name);
		return -EBUSY;
	}
	if (first) {
		port = mp_port_alloc(dev, how, extack);
		if (IS_ERR(port))
			return PTR_ERR(port);
	}
	err = mp_port_choose(port, dev, &index, extack);
	if (err)
		goto err_free;

	if (!first)
		mp_tap_join(mq, mp_port_first(port));
	/* Nobody looks at it who has not found it here, or the port at it. */
	WRITE_ONCE(mq->index, index);
	mp_port_set(port, index, mq);
	if (first) {
		err = mp_port_attach(port, dev, extack);
		if (err)
			goto err_index;
	}

	/* The driver has applied what mpassthru_bound() implies: buffers and
	 * frames may be posted.
	 */
	rcu_assign_pointer(mq->port, port);
	mp_tx_bound(mq);
	mp_port_spread(port, port->shared.bound);
	return 0;

err_index:
	WRITE_ONCE(mq->index, old);
err_free:
	if (first)
		kfree(port);
	return err;
}
EXPORT_SYMBOL_IF_KUNIT(mp_port_bind);

/**
 * mp_port_unbind - give a queue back
 * @mq: queue
 *
 * The last one of a device frees the port.
 *
 * Context: process, RTNL held; not from a completion, for it waits for all.
 * Return: 0, all that was posted was given back; -ENOTCONN: nothing is bound
 */
int mp_port_unbind(struct mp_queue *mq)
{
	struct mp_port *port = rtnl_dereference(mq->port);

	if (!port)
		return -ENOTCONN;
	mp_port_remove(port, mq);
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(mp_port_unbind);

/**
 * mp_port_turn - turn queues on that are detached, and others off
 * @port: port
 * @which: those queues, by number; at least one
 *
 * RSS leaves out a queue that is detached, and no frame is delivered to it any
 * more when this returns.  Those that still come by it, as they were inside the
 * NIC or have no hash, are dropped and counted.  It sends as before, like that
 * of a tun: frames that were posted when the guest turned it off go out.
 *
 * A guest that repeats it waits, see MP_PORT_BURST.
 *
 * Context: process, RTNL held; not from a completion.
 * Return: 0, or in how many jiffies it has to be tried again
 */
unsigned long mp_port_turn(struct mp_port *port, unsigned long which)
{
	unsigned long off = 0, wait;
	struct mp_queue *mq;
	unsigned int i;

	ASSERT_RTNL();

	wait = mp_bucket_take(&port->queue_full, MP_PORT_BURST,
			      MP_PORT_INTERVAL);
	if (wait)
		return wait;

	for_each_set_bit(i, &which, MPASSTHRU_QUEUES) {
		mq = rtnl_dereference(port->queues[i]);
		/* Before the stop: nobody starts again. */
		WRITE_ONCE(mq->detached, !mq->detached);
		if (mq->detached)
			off |= BIT(i);
	}
	mp_port_spread(port, port->shared.bound);
	for_each_set_bit(i, &which, MPASSTHRU_QUEUES) {
		mq = rtnl_dereference(port->queues[i]);
		if (off & BIT(i)) {
			mp_rx_stop(mq);
			continue;
		}
		/* Who was told to copy may post. */
		mq->sk.sk_data_ready(&mq->sk);
	}
	if (!off)
		return 0;

	/* Who diverts has seen that it is detached, or is waited for. */
	synchronize_net();
	for_each_set_bit(i, &off, MPASSTHRU_QUEUES) {
		mq = rtnl_dereference(port->queues[i]);
		skb_queue_purge(&mq->sk.sk_receive_queue);
	}
	return 0;
}

/**
 * mp_port_attach_queue - let a queue receive, or no more
 * @mq: queue, bound or not
 * @attached: whether it is to receive
 *
 * Context: process, RTNL held; not from a completion.
 * Return: as mp_port_turn()
 */
unsigned long mp_port_attach_queue(struct mp_queue *mq, bool attached)
{
	struct mp_port *port = rtnl_dereference(mq->port);

	ASSERT_RTNL();

	if (mq->detached == !attached)
		return 0;
	if (port)
		return mp_port_turn(port, BIT(mq->index));
	WRITE_ONCE(mq->detached, !attached);
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(mp_port_attach_queue);

/**
 * mp_port_hold - the NIC was reset, for it did not send what was posted
 * @port: port
 *
 * Context: process, RTNL held.
 */
void mp_port_hold(struct mp_port *port)
{
	unsigned long until = jiffies + MP_PORT_HOLD;

	/* Not 0 */
	WRITE_ONCE(port->tx_held_until, until - !until);
}

/**
 * mp_port_is_held - is nothing to be posted, but to be sent by skbs
 * @port: port
 *
 * Context: RCU read side
 * Return: true for some seconds after mp_port_hold()
 */
bool mp_port_is_held(struct mp_port *port)
{
	unsigned long until = READ_ONCE(port->tx_held_until);

	if (likely(!until))
		return false;
	if (time_in_range(jiffies, until - MP_PORT_HOLD, until))
		return true;
	/* If it is that still. */
	cmpxchg(&port->tx_held_until, until, 0);
	return false;
}
EXPORT_SYMBOL_IF_KUNIT(mp_port_is_held);

/* The device went down, or its carrier came or went. */
static void mp_port_changed(struct mp_port *port)
{
	struct mp_queue *mq;
	unsigned int i;

	for (i = 0; i < MPASSTHRU_QUEUES; i++) {
		mq = rtnl_dereference(port->queues[i]);
		if (mq)
			mp_tx_changed(mq);
	}
}

static int mp_netdev_event(struct notifier_block *nb, unsigned long event,
			   void *ptr)
{
	struct mp_port *port = mp_port_of(netdev_notifier_info_to_dev(ptr));

	if (!port)
		return NOTIFY_DONE;

	switch (event) {
	case NETDEV_UNREGISTER:
		/* Also when it moves to another network namespace. */
		mp_port_remove(port, NULL);
		break;
	case NETDEV_DOWN:
	case NETDEV_CHANGE:
		mp_port_changed(port);
		break;
	}
	return NOTIFY_DONE;
}

static struct notifier_block mp_netdev_notifier = {
	.notifier_call	= mp_netdev_event,
};

/**
 * mp_port_init - follow network devices that go away
 *
 * Context: process, takes RTNL.
 * Return: 0 or an error of register_netdevice_notifier().
 */
int __init mp_port_init(void)
{
	return register_netdevice_notifier(&mp_netdev_notifier);
}

/**
 * mp_port_exit - undo mp_port_init()
 *
 * Context: process, takes RTNL.
 */
void mp_port_exit(void)
{
	unregister_netdevice_notifier(&mp_netdev_notifier);
}
