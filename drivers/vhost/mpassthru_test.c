// SPDX-License-Identifier: GPL-2.0-only
/* KUnit tests of what needs no NIC: port, settings of processes, FIFO, pinned
 * pages, posting.
 */

#include <kunit/device.h>
#include <kunit/test-bug.h>
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/etherdevice.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/mman.h>
#include <linux/mpassthru.h>
#include <linux/sched/mm.h>
#include <linux/sched/user.h>
#include <linux/swiotlb.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/virtio_net.h>

#include "mpassthru.h"
#include "mpassthru_mem.h"
#include "mpassthru_port.h"

/* Port */

static int port_prep(struct net_device *dev, struct mpassthru_port *port,
		     struct netlink_ext_ack *extack)
{
	struct mpassthru_port *answer = netdev_priv(dev);

	port->max_queues = answer->max_queues;
	port->hdr_len = answer->hdr_len;
	port->data_len = answer->data_len;
	port->npages = answer->npages;
	port->drv = answer->drv;
	return 0;
}

static const struct net_device_ops port_netdev_ops = {
	.ndo_mp_port_prep	= port_prep,
};

static unsigned int port_spreads;

static void port_spread(struct net_device *dev)
{
	port_spreads++;
}

static const struct mpassthru_driver_ops port_driver_ops = {
	.rx_spread	= port_spread,
};

static void port_free_netdev(void *dev)
{
	free_netdev(dev);
}

static struct net_device *port_netdev(struct kunit *test)
{
	struct net_device *dev = alloc_etherdev(sizeof(struct mpassthru_port));

	KUNIT_ASSERT_NOT_NULL(test, dev);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, port_free_netdev, dev));
	/* As register_netdevice() does. */
	spin_lock_init(&dev->addr_list_lock);
	strscpy(dev->name, "port0");
	return dev;
}

static int port_ask(struct net_device *dev, struct mpassthru_port *port,
		    struct netlink_ext_ack *extack)
{
	int err;

	rtnl_lock();
	err = netdev_mp_port_prep(dev, port, extack);
	rtnl_unlock();
	return err;
}

static const struct {
	int hdr_len, data_len, npages, max_queues, err;
} port_answers[] = {
	{ 0, 1518, 1, 1, 0 },
	{ 0, PAGE_SIZE, 1, 1, 0 },
	{ 128, PAGE_SIZE + 1, 2, 1, 0 },
	{ PAGE_SIZE - 1, ETH_ZLEN, 1, 1, 0 },
	{ 0, MAX_SKB_FRAGS * PAGE_SIZE, MAX_SKB_FRAGS, 1, 0 },
	{ 0, 1518, 1, MPASSTHRU_QUEUES, 0 },
	{ 0, 0, 1, 1, -EINVAL },
	{ 0, -1, 1, 1, -EINVAL },
	{ 0, ETH_ZLEN - 1, 1, 1, -EINVAL },
	{ 0, PAGE_SIZE + 1, 1, 1, -EINVAL },
	{ 0, PAGE_SIZE, 2, 1, -EINVAL },
	{ 0, 1518, 0, 1, -EINVAL },
	{ 0, 1518, -1, 1, -EINVAL },
	{ 0, 1518, INT_MAX, 1, -EINVAL },
	{ 0, 1518, MAX_SKB_FRAGS + 1, 1, -EINVAL },
	{ -1, 1518, 1, 1, -EINVAL },
	{ PAGE_SIZE, 1518, 1, 1, -EINVAL },
	{ 0, 1518, 1, 0, -EINVAL },
	{ 0, 1518, 1, MPASSTHRU_QUEUES + 1, -EINVAL },
};

static void port_rejects_what_makes_no_sense(struct kunit *test)
{
	struct net_device *dev = port_netdev(test);
	struct mpassthru_port *answer = netdev_priv(dev);
	char numbers[100];
	int i;

	dev->netdev_ops = &port_netdev_ops;
	answer->drv = &port_driver_ops;
	for (i = 0; i < ARRAY_SIZE(port_answers); i++) {
		struct netlink_ext_ack extack = {};
		struct mpassthru_port port = {};

		answer->hdr_len = port_answers[i].hdr_len;
		answer->data_len = port_answers[i].data_len;
		answer->npages = port_answers[i].npages;
		answer->max_queues = port_answers[i].max_queues;
		KUNIT_EXPECT_EQ_MSG(test, port_answers[i].err,
				    port_ask(dev, &port, &extack),
				    "answer %d", i);
		if (!port_answers[i].err)
			continue;
		snprintf(numbers, sizeof(numbers),
			 "hdr_len %d, data_len %d, npages %d, max_queues %u",
			 answer->hdr_len, answer->data_len, answer->npages,
			 answer->max_queues);
		KUNIT_ASSERT_NOT_NULL(test, extack._msg);
		KUNIT_EXPECT_NOT_NULL(test, strstr(extack._msg, numbers));
	}
}

/* Frames would go to queues that nobody has bound. */
static void port_of_several_queues_spreads(struct kunit *test)
{
	static const struct mpassthru_driver_ops none = {};
	struct net_device *dev = port_netdev(test);
	struct mpassthru_port *answer = netdev_priv(dev);
	struct netlink_ext_ack extack = {};
	struct mpassthru_port port = {};

	dev->netdev_ops = &port_netdev_ops;
	answer->data_len = 1518;
	answer->npages = 1;
	answer->drv = &none;
	answer->max_queues = 2;
	KUNIT_EXPECT_EQ(test, -EINVAL, port_ask(dev, &port, &extack));
	answer->max_queues = 1;
	KUNIT_EXPECT_EQ(test, 0, port_ask(dev, &port, &extack));
}

static void port_needs_the_hook(struct kunit *test)
{
	static const struct net_device_ops none = {};
	struct net_device *dev = port_netdev(test);
	struct netlink_ext_ack extack = {};
	struct mpassthru_port port = {};

	dev->netdev_ops = &none;
	KUNIT_EXPECT_EQ(test, -EOPNOTSUPP, port_ask(dev, &port, &extack));
	KUNIT_ASSERT_NOT_NULL(test, extack._msg);
	KUNIT_EXPECT_NOT_NULL(test, strstr(extack._msg, "port0"));
}

/* With two tags, and not less than an MTU of 1500 has. */
static void port_has_the_length_of_the_mtu(struct kunit *test)
{
	static const struct {
		int mtu, data_len, npages;
	} lens[] = {
		{ 68, 1522, 1 },
		{ 1500, 1522, 1 },
		{ 1501, 1523, 1 },
		{ PAGE_SIZE - 22, PAGE_SIZE, 1 },
		{ PAGE_SIZE - 21, PAGE_SIZE + 1, 2 },
		{ 9000, 9022, DIV_ROUND_UP(9022, PAGE_SIZE) },
	};
	struct mpassthru_port port = {};
	int i;

	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		netdev_mp_port_len(&port, lens[i].mtu);
		KUNIT_EXPECT_EQ(test, port.data_len, lens[i].data_len);
		KUNIT_EXPECT_EQ(test, port.npages, lens[i].npages);
	}
}

static void port_is_attached_once(struct kunit *test)
{
	struct net_device *dev = port_netdev(test);
	struct mpassthru_port one = {}, two = {};

	rtnl_lock();
	KUNIT_EXPECT_FALSE(test, mpassthru_bound(dev));
	KUNIT_EXPECT_EQ(test, 0, netdev_mp_port_attach(dev, &one));
	KUNIT_EXPECT_TRUE(test, mpassthru_bound(dev));
	KUNIT_EXPECT_EQ(test, -EBUSY, netdev_mp_port_attach(dev, &two));
	KUNIT_EXPECT_PTR_EQ(test, &one, rtnl_dereference(dev->mp_port));
	netdev_mp_port_detach(dev);
	KUNIT_EXPECT_FALSE(test, mpassthru_bound(dev));
	/* Nothing to detach: the static key is not counted down again. */
	netdev_mp_port_detach(dev);
	KUNIT_EXPECT_EQ(test, 0, netdev_mp_port_attach(dev, &two));
	netdev_mp_port_detach(dev);
	rtnl_unlock();
}

static void port_changed(struct net_device *dev)
{
}

static const struct mpassthru_driver_ops port_queues_ops = {
	.port_changed	= port_changed,
	.rx_spread	= port_spread,
};

static void port_receive(struct kunit *test, struct net_device *dev, u16 queue)
{
	struct sk_buff *skb = netdev_alloc_skb(dev, ETH_ZLEN);
	struct mpassthru_port *shared;

	KUNIT_EXPECT_NOT_NULL(test, skb);
	if (!skb)
		return;
	skb_put_zero(skb, ETH_ZLEN);
	skb->protocol = eth_type_trans(skb, dev);
	skb_record_rx_queue(skb, queue);
	local_bh_disable();
	rcu_read_lock();
	shared = rcu_dereference(dev->mp_port);
	shared->ops->divert(shared, skb);
	rcu_read_unlock();
	local_bh_enable();
}

static void port_has_frames(struct kunit *test, struct mp_queue *mq, int n)
{
	KUNIT_EXPECT_EQ(test, skb_queue_len(&mq->sk.sk_receive_queue), n);
}

static void port_put_queue(void *mq)
{
	sock_put(&((struct mp_queue *)mq)->sk);
}

/* A device of @max queues, and @n descriptors to bind them to. */
static struct net_device *port_queues(struct kunit *test, unsigned int max,
				      struct mp_queue **mq, int n)
{
	struct net_device *dev = port_netdev(test);
	struct mpassthru_port *answer = netdev_priv(dev);
	int i;

	dev->netdev_ops = &port_netdev_ops;
	set_bit(__LINK_STATE_PRESENT, &dev->state);
	answer->max_queues = max;
	answer->data_len = 1518;
	answer->npages = 1;
	answer->drv = &port_queues_ops;
	for (i = 0; i < n; i++) {
		mq[i] = mp_sock_alloc(&init_net, NULL);
		KUNIT_ASSERT_NOT_NULL(test, mq[i]);
		KUNIT_ASSERT_EQ(test, 0,
				kunit_add_action_or_reset(test, port_put_queue,
							  mq[i]));
	}
	port_spreads = 0;
	return dev;
}

static int port_bind(struct mp_queue *mq, struct net_device *dev,
		     unsigned int index, bool multi,
		     struct netlink_ext_ack *extack)
{
	const struct mp_how how = { .index = index, .multi = multi };

	return mp_port_bind(mq, dev, &how, extack);
}

static void port_lives_as_long_as_its_queues(struct kunit *test)
{
	struct netlink_ext_ack extack = {};
	struct mp_queue *mq[3];
	struct net_device *dev;
	int i;

	dev = port_queues(test, 2, mq, ARRAY_SIZE(mq));

	rtnl_lock();
	KUNIT_EXPECT_EQ(test, -EINVAL,
			port_bind(mq[2], dev, 2, true, &extack));
	KUNIT_EXPECT_FALSE(test, mpassthru_bound(dev));
	KUNIT_EXPECT_EQ(test, -ENOTCONN, mp_port_unbind(mq[2]));
	KUNIT_EXPECT_EQ(test, 0, port_bind(mq[1], dev, 1, true, &extack));
	KUNIT_EXPECT_EQ(test, 0, port_bind(mq[0], dev, 0, true, &extack));
	KUNIT_EXPECT_EQ(test, -EBUSY,
			port_bind(mq[2], dev, 1, true, &extack));

	for (i = 0; i < 3; i++)
		port_receive(test, dev, 1);
	port_receive(test, dev, 0);
	/* Of another device: it goes to the first. */
	port_receive(test, dev, 2);
	port_has_frames(test, mq[0], 2);
	port_has_frames(test, mq[1], 3);

	KUNIT_EXPECT_EQ(test, 0, mp_port_unbind(mq[0]));
	KUNIT_EXPECT_TRUE(test, mpassthru_bound(dev));
	/* By a queue that is nobody's any more; from elsewhere */
	port_receive(test, dev, 0);
	port_has_frames(test, mq[0], 0);
	port_has_frames(test, mq[1], 3);
	port_receive(test, dev, MPASSTHRU_QUEUES);
	port_has_frames(test, mq[1], 4);

	KUNIT_EXPECT_EQ(test, 0, port_bind(mq[2], dev, 0, true, &extack));
	KUNIT_EXPECT_EQ(test, 0, mp_port_unbind(mq[1]));
	port_receive(test, dev, 0);
	port_has_frames(test, mq[2], 1);
	KUNIT_EXPECT_EQ(test, 0, mp_port_unbind(mq[2]));
	KUNIT_EXPECT_FALSE(test, mpassthru_bound(dev));
	rtnl_unlock();
}

static void port_mask_is(struct kunit *test, struct net_device *dev,
			 unsigned int mask, unsigned int spreads)
{
	KUNIT_EXPECT_EQ(test, mpassthru_rx_mask(dev), mask);
	KUNIT_EXPECT_EQ(test, port_spreads, spreads);
}

static void port_spreads_over_what_is_bound(struct kunit *test)
{
	struct netlink_ext_ack extack = {};
	struct mp_queue *mq[5];
	struct net_device *dev;
	int i;

	dev = port_queues(test, 4, mq, ARRAY_SIZE(mq));
	rtnl_lock();
	/* Of the first the driver knows by port_changed. */
	KUNIT_EXPECT_EQ(test, 0, port_bind(mq[2], dev, 2, true, &extack));
	port_mask_is(test, dev, BIT(2), 0);
	KUNIT_EXPECT_EQ(test, -EBUSY,
			port_bind(mq[0], dev, 0, false, &extack));
	KUNIT_EXPECT_EQ(test, mq[0]->index, 0);
	KUNIT_EXPECT_EQ(test, 0,
			port_bind(mq[0], dev, MP_QUEUE_NEXT, true, &extack));
	port_mask_is(test, dev, BIT(2) | BIT(0), 1);
	KUNIT_EXPECT_EQ(test, 0,
			port_bind(mq[1], dev, MP_QUEUE_NEXT, true, &extack));
	KUNIT_EXPECT_EQ(test, 0,
			port_bind(mq[3], dev, MP_QUEUE_NEXT, true, &extack));
	for (i = 0; i < 4; i++)
		KUNIT_EXPECT_EQ(test, mq[i]->index, i);
	port_mask_is(test, dev, 0xf, 3);
	KUNIT_EXPECT_EQ(test, -EBUSY,
			port_bind(mq[4], dev, MP_QUEUE_NEXT, true, &extack));
	KUNIT_EXPECT_EQ(test, -EINVAL,
			port_bind(mq[4], dev, 4, true, &extack));
	port_mask_is(test, dev, 0xf, 3);

	KUNIT_EXPECT_EQ(test, 0, mp_port_unbind(mq[0]));
	port_mask_is(test, dev, 0xe, 4);
	KUNIT_EXPECT_EQ(test, 0, mp_port_unbind(mq[2]));
	KUNIT_EXPECT_EQ(test, 0, mp_port_unbind(mq[3]));
	port_mask_is(test, dev, BIT(1), 6);
	KUNIT_EXPECT_EQ(test, 0, mp_port_unbind(mq[1]));
	port_mask_is(test, dev, 0, 6);

	/* Not to be shared */
	KUNIT_EXPECT_EQ(test, 0, port_bind(mq[4], dev, 0, false, &extack));
	port_mask_is(test, dev, BIT(0), 6);
	KUNIT_EXPECT_EQ(test, -EBUSY,
			port_bind(mq[1], dev, 1, true, &extack));
	KUNIT_EXPECT_EQ(test, -EBUSY,
			port_bind(mq[1], dev, 1, false, &extack));
	KUNIT_EXPECT_EQ(test, 0, mp_port_unbind(mq[4]));
	rtnl_unlock();
}

static void port_leaves_out_what_is_detached(struct kunit *test)
{
	struct netlink_ext_ack extack = {};
	struct mp_queue *mq[2];
	struct net_device *dev;

	dev = port_queues(test, 4, mq, ARRAY_SIZE(mq));
	rtnl_lock();
	/* As QEMU does when its device is made: some are never attached. */
	mp_port_attach_queue(mq[1], false);
	mp_port_attach_queue(mq[0], true);
	KUNIT_EXPECT_EQ(test, 0, port_bind(mq[0], dev, 0, true, &extack));
	KUNIT_EXPECT_EQ(test, 0, port_bind(mq[1], dev, 1, true, &extack));
	port_mask_is(test, dev, BIT(0), 0);
	port_receive(test, dev, 1);
	port_has_frames(test, mq[1], 0);
	KUNIT_EXPECT_EQ(test, atomic64_read(&mq[1]->stats.dropped), 1);

	mp_port_attach_queue(mq[1], true);
	port_mask_is(test, dev, BIT(0) | BIT(1), 1);
	mp_port_attach_queue(mq[1], true);
	port_mask_is(test, dev, BIT(0) | BIT(1), 1);
	port_receive(test, dev, 1);
	port_has_frames(test, mq[1], 1);

	/* What it has received is not read any more. */
	mp_port_attach_queue(mq[1], false);
	port_mask_is(test, dev, BIT(0), 2);
	port_has_frames(test, mq[1], 0);
	port_receive(test, dev, 1);
	port_has_frames(test, mq[1], 0);

	/* All of them are: to one that is bound, and drops. */
	mp_port_attach_queue(mq[0], false);
	port_mask_is(test, dev, BIT(0), 2);
	port_receive(test, dev, 0);
	port_has_frames(test, mq[0], 0);
	mp_port_attach_queue(mq[1], true);
	port_mask_is(test, dev, BIT(1), 3);

	/* The guest knows nothing of a device that goes and comes. */
	KUNIT_EXPECT_EQ(test, 0, mp_port_unbind(mq[0]));
	port_mask_is(test, dev, BIT(1), 3);
	KUNIT_EXPECT_EQ(test, 0, port_bind(mq[0], dev, 3, true, &extack));
	port_mask_is(test, dev, BIT(1), 3);
	mp_port_attach_queue(mq[0], true);
	port_mask_is(test, dev, BIT(1) | BIT(3), 4);
	KUNIT_EXPECT_EQ(test, 0, mp_port_unbind(mq[0]));
	KUNIT_EXPECT_EQ(test, 0, mp_port_unbind(mq[1]));
	rtnl_unlock();
}

/* Each costs a grace period under RTNL: who repeats it waits. */
static void port_limits_how_often_queues_change(struct kunit *test)
{
	struct netlink_ext_ack extack = {};
	unsigned long wait = 0;
	struct mp_queue *mq[2];
	struct net_device *dev;
	int i;

	dev = port_queues(test, 2, mq, ARRAY_SIZE(mq));
	rtnl_lock();
	KUNIT_EXPECT_EQ(test, 0, port_bind(mq[0], dev, 0, true, &extack));
	KUNIT_EXPECT_EQ(test, 0, port_bind(mq[1], dev, 1, true, &extack));
	for (i = 0; i < 1000 && !wait; i++) {
		KUNIT_EXPECT_EQ(test, mq[1]->detached, i % 2);
		wait = mp_port_attach_queue(mq[1], i % 2);
	}
	/* Some are free: a guest with all queues turns them all on. */
	KUNIT_EXPECT_GT(test, i, 4 * MPASSTHRU_QUEUES);
	KUNIT_EXPECT_GT(test, wait, 0);
	KUNIT_EXPECT_LE(test, wait, HZ / 20);
	KUNIT_EXPECT_EQ(test, mq[1]->detached, (i - 1) % 2);
	/* What is so already is no change. */
	KUNIT_EXPECT_EQ(test, 0,
			mp_port_attach_queue(mq[1], !mq[1]->detached));
	schedule_timeout_uninterruptible(wait);
	KUNIT_EXPECT_EQ(test, 0, mp_port_attach_queue(mq[1], (i - 1) % 2));
	KUNIT_EXPECT_EQ(test, mq[1]->detached, i % 2);
	KUNIT_EXPECT_EQ(test, 0, mp_port_unbind(mq[0]));
	KUNIT_EXPECT_EQ(test, 0, mp_port_unbind(mq[1]));
	rtnl_unlock();
}

/* QEMU sets them for the first. */
static void port_has_the_same_offloads_for_all(struct kunit *test)
{
	struct netlink_ext_ack extack = {};
	struct mp_queue *mq[3];
	struct net_device *dev;
	int i;

	dev = port_queues(test, 4, mq, ARRAY_SIZE(mq));
	rtnl_lock();
	mp_port_set_features(mq[1], NETIF_F_TSO);
	KUNIT_EXPECT_EQ(test, mq[0]->features, 0);
	KUNIT_EXPECT_EQ(test, 0, port_bind(mq[0], dev, 2, true, &extack));
	KUNIT_EXPECT_EQ(test, 0, port_bind(mq[1], dev, 0, true, &extack));
	KUNIT_EXPECT_EQ(test, mq[1]->features, 0);
	mp_port_set_features(mq[1], NETIF_F_HW_CSUM);
	KUNIT_EXPECT_EQ(test, 0, port_bind(mq[2], dev, 3, true, &extack));
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, mq[i]->features, NETIF_F_HW_CSUM);
	KUNIT_EXPECT_EQ(test, 0, mp_port_unbind(mq[0]));
	mp_port_set_features(mq[2], 0);
	KUNIT_EXPECT_EQ(test, mq[0]->features, NETIF_F_HW_CSUM);
	KUNIT_EXPECT_EQ(test, mq[1]->features, 0);
	KUNIT_EXPECT_EQ(test, 0, mp_port_unbind(mq[1]));
	KUNIT_EXPECT_EQ(test, 0, mp_port_unbind(mq[2]));
	rtnl_unlock();
}

/* One for all queues, and none for one that was not bound. */
static void port_makes_its_device_promiscuous(struct kunit *test)
{
	struct netlink_ext_ack extack = {};
	struct mp_queue *mq[3];
	struct net_device *dev;

	dev = port_queues(test, 2, mq, ARRAY_SIZE(mq));
	rtnl_lock();
	KUNIT_EXPECT_EQ(test, -EINVAL, port_bind(mq[2], dev, 2, true, &extack));
	KUNIT_EXPECT_EQ(test, dev->promiscuity, 0);
	KUNIT_EXPECT_EQ(test, 0, port_bind(mq[0], dev, 0, true, &extack));
	KUNIT_EXPECT_EQ(test, dev->promiscuity, 1);
	KUNIT_EXPECT_EQ(test, 0, port_bind(mq[1], dev, 1, true, &extack));
	KUNIT_EXPECT_EQ(test, -EBUSY, port_bind(mq[2], dev, 1, true, &extack));
	KUNIT_EXPECT_EQ(test, dev->promiscuity, 1);
	KUNIT_EXPECT_EQ(test, 0, mp_port_unbind(mq[0]));
	KUNIT_EXPECT_EQ(test, dev->promiscuity, 1);
	KUNIT_EXPECT_EQ(test, 0, mp_port_unbind(mq[1]));
	KUNIT_EXPECT_EQ(test, dev->promiscuity, 0);
	KUNIT_EXPECT_EQ(test, dev->allmulti, 0);

	/* There is no room for one more. */
	dev->promiscuity = UINT_MAX;
	KUNIT_EXPECT_EQ(test, -EOVERFLOW,
			port_bind(mq[0], dev, 0, true, &extack));
	KUNIT_EXPECT_EQ(test, dev->promiscuity, UINT_MAX);
	KUNIT_EXPECT_FALSE(test, mpassthru_bound(dev));
	dev->promiscuity = 0;
	KUNIT_EXPECT_EQ(test, 0, port_bind(mq[0], dev, 0, true, &extack));
	KUNIT_EXPECT_EQ(test, 0, mp_port_unbind(mq[0]));
	rtnl_unlock();
}

static void port_leaves_the_filter_in_force(struct kunit *test)
{
	struct mp_how how = { .multi = true, .filter = true };
	struct netlink_ext_ack extack = {};
	struct mp_queue *mq[2];
	struct net_device *dev;

	dev = port_queues(test, 2, mq, ARRAY_SIZE(mq));
	rtnl_lock();
	KUNIT_EXPECT_EQ(test, 0, mp_port_bind(mq[0], dev, &how, &extack));
	KUNIT_EXPECT_EQ(test, dev->allmulti, 1);
	KUNIT_EXPECT_EQ(test, netdev_uc_count(dev), 0);
	/* The first decides. */
	KUNIT_EXPECT_EQ(test, 0, port_bind(mq[1], dev, 1, true, &extack));
	KUNIT_EXPECT_EQ(test, dev->promiscuity, 0);
	KUNIT_EXPECT_EQ(test, 0, mp_port_unbind(mq[0]));
	KUNIT_EXPECT_EQ(test, dev->allmulti, 1);
	KUNIT_EXPECT_EQ(test, 0, mp_port_unbind(mq[1]));
	KUNIT_EXPECT_EQ(test, dev->allmulti, 0);

	how.addr[0] = 2;
	KUNIT_EXPECT_EQ(test, 0, mp_port_bind(mq[0], dev, &how, &extack));
	KUNIT_EXPECT_EQ(test, dev->allmulti, 1);
	KUNIT_EXPECT_EQ(test, netdev_uc_count(dev), 1);
	KUNIT_EXPECT_EQ(test, 0, mp_port_unbind(mq[0]));
	KUNIT_EXPECT_EQ(test, dev->allmulti, 0);
	KUNIT_EXPECT_EQ(test, netdev_uc_count(dev), 0);

	dev->allmulti = UINT_MAX;
	KUNIT_EXPECT_EQ(test, -EOVERFLOW,
			mp_port_bind(mq[0], dev, &how, &extack));
	KUNIT_EXPECT_EQ(test, netdev_uc_count(dev), 0);
	KUNIT_EXPECT_FALSE(test, mpassthru_bound(dev));
	dev->allmulti = 0;
	rtnl_unlock();
}

static void port_follows_the_mtu(struct kunit *test)
{
	struct netlink_ext_ack extack = {};
	struct mpassthru_port *shared;
	struct net_device *dev;
	struct mp_queue *mq;

	dev = port_queues(test, 1, &mq, 1);

	rtnl_lock();
	netdev_mp_change_mtu(dev, 9000);
	KUNIT_EXPECT_FALSE(test, mpassthru_bound(dev));
	KUNIT_EXPECT_EQ(test, 0, port_bind(mq, dev, 0, false, &extack));
	shared = rtnl_dereference(dev->mp_port);
	KUNIT_EXPECT_EQ(test, shared->data_len, 1518);

	mq->copying.backoff.wait = 64 * HZ;
	netdev_mp_change_mtu(dev, 9000);
	KUNIT_EXPECT_EQ(test, shared->data_len, 9022);
	KUNIT_EXPECT_EQ(test, mq->copying.backoff.wait, 0);
	netdev_mp_change_mtu(dev, 1400);
	KUNIT_EXPECT_EQ(test, shared->data_len, 1522);
	KUNIT_EXPECT_EQ(test, shared->npages, 1);
	/* Frames have the same length. */
	mq->copying.backoff.wait = HZ;
	netdev_mp_change_mtu(dev, 1500);
	KUNIT_EXPECT_EQ(test, mq->copying.backoff.wait, HZ);
	KUNIT_EXPECT_EQ(test, 0, mp_port_unbind(mq));
	rtnl_unlock();
}

static struct kunit_case port_cases[] = {
	KUNIT_CASE(port_rejects_what_makes_no_sense),
	KUNIT_CASE(port_of_several_queues_spreads),
	KUNIT_CASE(port_needs_the_hook),
	KUNIT_CASE(port_has_the_length_of_the_mtu),
	KUNIT_CASE(port_follows_the_mtu),
	KUNIT_CASE(port_is_attached_once),
	KUNIT_CASE(port_lives_as_long_as_its_queues),
	KUNIT_CASE(port_spreads_over_what_is_bound),
	KUNIT_CASE(port_leaves_out_what_is_detached),
	KUNIT_CASE(port_limits_how_often_queues_change),
	KUNIT_CASE(port_has_the_same_offloads_for_all),
	KUNIT_CASE(port_makes_its_device_promiscuous),
	KUNIT_CASE(port_leaves_the_filter_in_force),
	{}
};

static struct kunit_suite port_suite = {
	.name		= "mpassthru_port",
	.test_cases	= port_cases,
};

/* Settings of processes that share a descriptor.  What makes them processes is
 * an address space each; the thread of the test takes it on to do something as
 * one of them, and claims as vhost-net does it.
 */

#define TAP_QUEUES	2

enum tap_who { TAP_SOURCE, TAP_DEST, TAP_THIRD, TAP_ALL };

struct tap_test {
	struct net_device	*dev;
	struct mp_queue		*mq[TAP_QUEUES];
	struct mm_struct	*mm[TAP_ALL];
};

static void tap_bind(struct kunit *test, int queue)
{
	struct netlink_ext_ack extack = {};
	struct tap_test *t = test->priv;

	rtnl_lock();
	KUNIT_EXPECT_EQ(test, 0,
			port_bind(t->mq[queue], t->dev, queue, true, &extack));
	rtnl_unlock();
}

static void tap_unbind(struct kunit *test, int queue)
{
	struct tap_test *t = test->priv;

	rtnl_lock();
	mp_port_unbind(t->mq[queue]);
	rtnl_unlock();
}

static int tap_init(struct kunit *test)
{
	struct tap_test *t;
	int i;

	t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t);
	test->priv = t;

	t->dev = port_queues(test, TAP_QUEUES, t->mq, TAP_QUEUES);
	for (i = 0; i < TAP_ALL; i++) {
		t->mm[i] = mm_alloc();
		KUNIT_ASSERT_NOT_NULL(test, t->mm[i]);
	}
	for (i = 0; i < TAP_QUEUES; i++)
		tap_bind(test, i);
	return 0;
}

static void tap_end(struct kunit *test, enum tap_who who)
{
	struct tap_test *t = test->priv;

	if (t->mm[who])
		mmput(t->mm[who]);
	t->mm[who] = NULL;
}

static void tap_unclaim(struct kunit *test, int queue, unsigned int dir)
{
	struct tap_test *t = test->priv;

	if (t->mq[queue]->claimed_by[dir])
		mpassthru_unclaim(&t->mq[queue]->sock, dir);
}

/* Nothing of anybody's is left. */
static void tap_exit(struct kunit *test)
{
	struct tap_test *t = test->priv;
	int i;

	if (!t)
		return;
	for (i = 0; i < TAP_QUEUES && t->mq[i]; i++) {
		tap_unclaim(test, i, READ);
		tap_unclaim(test, i, WRITE);
		KUNIT_EXPECT_NULL(test, t->mq[i]->owner);
		tap_unbind(test, i);
		mp_tap_release(t->mq[i]);
		KUNIT_EXPECT_NULL(test, t->mq[i]->kept.mm);
		KUNIT_EXPECT_NULL(test, t->mq[i]->later.mm);
	}
	for (i = 0; i < TAP_ALL; i++)
		tap_end(test, i);
}

static void tap_claim(struct kunit *test, enum tap_who who, int queue,
		      unsigned int dir)
{
	struct tap_test *t = test->priv;
	struct socket *sock = &t->mq[queue]->sock;
	int err;

	kthread_use_mm(t->mm[who]);
	err = mpassthru_claim(sock, dir);
	if (!err)
		mpassthru_settle(sock);
	kthread_unuse_mm(t->mm[who]);
	KUNIT_EXPECT_EQ(test, err, 0);
}

static void tap_set(struct kunit *test, enum tap_who who, int queue,
		    const struct mp_settings *new)
{
	struct tap_test *t = test->priv;
	unsigned long wait;

	kthread_use_mm(t->mm[who]);
	rtnl_lock();
	wait = mp_tap_set(t->mq[queue], new);
	rtnl_unlock();
	kthread_unuse_mm(t->mm[who]);
	KUNIT_EXPECT_EQ(test, wait, 0);
}

static void tap_header(struct kunit *test, enum tap_who who, int queue,
		       int hdr_sz)
{
	const struct mp_settings new = {
		.which = MP_SET_HDR_SZ, .vnet_hdr_sz = hdr_sz,
	};

	tap_set(test, who, queue, &new);
}

static void tap_detach(struct kunit *test, enum tap_who who, int queue,
		       bool detached)
{
	const struct mp_settings new = {
		.which = MP_SET_DETACHED, .detached = detached,
	};

	tap_set(test, who, queue, &new);
}

static void tap_offload(struct kunit *test, enum tap_who who, int queue,
			netdev_features_t features)
{
	struct tap_test *t = test->priv;

	kthread_use_mm(t->mm[who]);
	rtnl_lock();
	mp_port_set_features(t->mq[queue], features);
	rtnl_unlock();
	kthread_unuse_mm(t->mm[who]);
}

static void tap_holds_for_who_has_it(struct kunit *test)
{
	struct tap_test *t = test->priv;
	struct mp_queue *mq = t->mq[0];

	tap_header(test, TAP_SOURCE, 0, 12);
	KUNIT_EXPECT_EQ(test, mq->vnet_hdr_sz, 12);
	tap_claim(test, TAP_SOURCE, 0, READ);
	tap_claim(test, TAP_SOURCE, 0, WRITE);
	tap_header(test, TAP_DEST, 0, 10);
	KUNIT_EXPECT_EQ(test, mq->vnet_hdr_sz, 12);
	tap_unclaim(test, 0, READ);
	KUNIT_EXPECT_EQ(test, mq->vnet_hdr_sz, 12);
	tap_unclaim(test, 0, WRITE);
	KUNIT_EXPECT_EQ(test, mq->vnet_hdr_sz, 10);
	tap_header(test, TAP_DEST, 0, 14);
	KUNIT_EXPECT_EQ(test, mq->vnet_hdr_sz, 14);

	/* It goes on. */
	tap_claim(test, TAP_SOURCE, 0, READ);
	KUNIT_EXPECT_EQ(test, mq->vnet_hdr_sz, 12);
	KUNIT_EXPECT_NULL(test, mq->kept.mm);
	tap_unclaim(test, 0, READ);
	KUNIT_EXPECT_EQ(test, mq->vnet_hdr_sz, 14);

	/* The other is the one to go on, and fails. */
	tap_claim(test, TAP_DEST, 0, READ);
	KUNIT_EXPECT_EQ(test, mq->vnet_hdr_sz, 14);
	KUNIT_EXPECT_NULL(test, mq->later.mm);
	tap_header(test, TAP_DEST, 0, 16);
	KUNIT_EXPECT_EQ(test, mq->vnet_hdr_sz, 16);
	tap_unclaim(test, 0, READ);
	KUNIT_EXPECT_EQ(test, mq->vnet_hdr_sz, 12);
	KUNIT_EXPECT_PTR_EQ(test, mq->kept.mm, t->mm[TAP_DEST]);
	KUNIT_EXPECT_PTR_EQ(test, mq->later.mm, t->mm[TAP_SOURCE]);
	tap_claim(test, TAP_SOURCE, 0, READ);
	KUNIT_EXPECT_EQ(test, mq->vnet_hdr_sz, 12);
}

/* What another sets before it was used at all is not ours. */
static void tap_holds_for_the_first(struct kunit *test)
{
	struct tap_test *t = test->priv;
	struct mp_queue *mq = t->mq[0];

	tap_header(test, TAP_SOURCE, 0, 12);
	tap_header(test, TAP_DEST, 0, 14);
	KUNIT_EXPECT_EQ(test, mq->vnet_hdr_sz, 14);
	tap_claim(test, TAP_SOURCE, 0, READ);
	KUNIT_EXPECT_EQ(test, mq->vnet_hdr_sz, 12);
}

static void tap_forgets_who_has_ended(struct kunit *test)
{
	struct tap_test *t = test->priv;
	struct mp_queue *mq = t->mq[0];

	tap_header(test, TAP_SOURCE, 0, 12);
	tap_claim(test, TAP_SOURCE, 0, READ);
	tap_header(test, TAP_DEST, 0, 14);
	tap_end(test, TAP_DEST);
	tap_unclaim(test, 0, READ);
	KUNIT_EXPECT_EQ(test, mq->vnet_hdr_sz, 12);

	/* There is room for another. */
	tap_header(test, TAP_THIRD, 0, 16);
	KUNIT_EXPECT_EQ(test, mq->vnet_hdr_sz, 16);
	KUNIT_EXPECT_PTR_EQ(test, mq->later.mm, t->mm[TAP_THIRD]);
	tap_claim(test, TAP_SOURCE, 0, READ);
	KUNIT_EXPECT_EQ(test, mq->vnet_hdr_sz, 12);
	/* It is killed: its claim ends after it. */
	tap_end(test, TAP_SOURCE);
	tap_unclaim(test, 0, READ);
	KUNIT_EXPECT_EQ(test, mq->vnet_hdr_sz, 16);
}

/* Who has the other direction. */
static void tap_has_an_heir(struct kunit *test)
{
	struct tap_test *t = test->priv;
	struct mp_queue *mq = t->mq[0];

	tap_header(test, TAP_SOURCE, 0, 12);
	tap_claim(test, TAP_SOURCE, 0, READ);
	tap_header(test, TAP_DEST, 0, 14);
	tap_detach(test, TAP_DEST, 0, true);
	tap_claim(test, TAP_DEST, 0, WRITE);
	KUNIT_EXPECT_PTR_EQ(test, mq->owner, t->mm[TAP_SOURCE]);
	KUNIT_EXPECT_EQ(test, mq->vnet_hdr_sz, 12);
	tap_header(test, TAP_SOURCE, 0, 16);
	KUNIT_EXPECT_EQ(test, mq->vnet_hdr_sz, 16);
	tap_header(test, TAP_SOURCE, 0, 12);

	/* Also while there is no device. */
	tap_unbind(test, 0);
	tap_unclaim(test, 0, READ);
	tap_bind(test, 0);
	KUNIT_EXPECT_PTR_EQ(test, mq->owner, t->mm[TAP_DEST]);
	KUNIT_EXPECT_NULL(test, mq->later.mm);
	KUNIT_EXPECT_EQ(test, mq->vnet_hdr_sz, 14);
	KUNIT_EXPECT_TRUE(test, mq->detached);
	tap_header(test, TAP_DEST, 0, 16);
	KUNIT_EXPECT_EQ(test, mq->vnet_hdr_sz, 16);

	/* Who had it is the next. */
	tap_claim(test, TAP_SOURCE, 0, READ);
	KUNIT_EXPECT_EQ(test, mq->vnet_hdr_sz, 16);
	tap_unclaim(test, 0, WRITE);
	KUNIT_EXPECT_PTR_EQ(test, mq->owner, t->mm[TAP_SOURCE]);
	KUNIT_EXPECT_EQ(test, mq->vnet_hdr_sz, 12);
	KUNIT_EXPECT_FALSE(test, mq->detached);
	tap_unclaim(test, 0, READ);
	KUNIT_EXPECT_EQ(test, mq->vnet_hdr_sz, 16);
}

/* It has come when it is the owner, which is when the other one lets go. */
static void tap_detaches_as_an_heir(struct kunit *test)
{
	struct tap_test *t = test->priv;
	struct mp_queue *mq = t->mq[1];

	tap_claim(test, TAP_SOURCE, 0, READ);
	tap_detach(test, TAP_SOURCE, 1, false);
	tap_claim(test, TAP_SOURCE, 1, READ);
	tap_detach(test, TAP_DEST, 1, true);
	tap_unclaim(test, 1, READ);
	tap_claim(test, TAP_DEST, 0, WRITE);
	KUNIT_EXPECT_FALSE(test, mq->detached);
	tap_unclaim(test, 0, READ);
	KUNIT_EXPECT_PTR_EQ(test, t->mq[0]->owner, t->mm[TAP_DEST]);
	KUNIT_EXPECT_TRUE(test, mq->detached);
	tap_unclaim(test, 0, WRITE);
	/* And back. */
	tap_claim(test, TAP_SOURCE, 0, READ);
	KUNIT_EXPECT_FALSE(test, mq->detached);
}

/* QEMU turns off all queues but the first when it starts. */
static void tap_detaches_when_it_has_come(struct kunit *test)
{
	struct tap_test *t = test->priv;
	struct mp_queue *mq = t->mq[1];

	tap_claim(test, TAP_SOURCE, 0, READ);
	tap_claim(test, TAP_SOURCE, 1, READ);
	tap_detach(test, TAP_DEST, 1, true);
	tap_unclaim(test, 1, READ);
	KUNIT_EXPECT_FALSE(test, mq->detached);
	tap_header(test, TAP_DEST, 1, 12);
	KUNIT_EXPECT_EQ(test, mq->vnet_hdr_sz, 12);
	KUNIT_EXPECT_FALSE(test, mq->detached);
	tap_unclaim(test, 0, READ);
	KUNIT_EXPECT_FALSE(test, mq->detached);

	/* It may never claim that one. */
	tap_claim(test, TAP_DEST, 0, READ);
	KUNIT_EXPECT_TRUE(test, mq->detached);
	tap_detach(test, TAP_DEST, 1, false);
	KUNIT_EXPECT_FALSE(test, mq->detached);

	/* Nor does it touch that of another, until this lets go of it. */
	tap_claim(test, TAP_SOURCE, 1, READ);
	tap_detach(test, TAP_DEST, 1, true);
	tap_claim(test, TAP_DEST, 0, WRITE);
	KUNIT_EXPECT_FALSE(test, mq->detached);
	tap_unclaim(test, 1, READ);
	KUNIT_EXPECT_TRUE(test, mq->detached);
}

/* After too many changes it is as it was, until somebody can wait. */
static void tap_detaches_later(struct kunit *test)
{
	struct tap_test *t = test->priv;
	struct mp_queue *mq = t->mq[1];

	tap_claim(test, TAP_DEST, 0, READ);
	tap_claim(test, TAP_SOURCE, 1, READ);
	tap_detach(test, TAP_DEST, 1, true);
	rtnl_lock();
	rtnl_dereference(mq->port)->queue_full = get_jiffies_64() +
		(4 * MPASSTHRU_QUEUES + 16) * (HZ / 20);
	rtnl_unlock();
	tap_unclaim(test, 1, READ);
	KUNIT_EXPECT_FALSE(test, mq->detached);
	tap_claim(test, TAP_DEST, 1, READ);
	KUNIT_EXPECT_TRUE(test, mq->detached);
	KUNIT_EXPECT_NULL(test, mq->later.mm);
}

/* Those of each process, for all queues. */
static void tap_offloads_are_those_of_all(struct kunit *test)
{
	struct tap_test *t = test->priv;

	tap_claim(test, TAP_SOURCE, 0, READ);
	tap_offload(test, TAP_SOURCE, 0, NETIF_F_HW_CSUM);
	KUNIT_EXPECT_EQ(test, t->mq[1]->features, NETIF_F_HW_CSUM);
	tap_offload(test, TAP_DEST, 1, 0);
	KUNIT_EXPECT_EQ(test, t->mq[0]->features, NETIF_F_HW_CSUM);
	KUNIT_EXPECT_EQ(test, t->mq[1]->features, 0);
	tap_claim(test, TAP_SOURCE, 1, READ);
	KUNIT_EXPECT_EQ(test, t->mq[1]->features, NETIF_F_HW_CSUM);
	/* What another has set of other queues is not lost. */
	tap_offload(test, TAP_THIRD, 0, NETIF_F_TSO);
	KUNIT_EXPECT_PTR_EQ(test, t->mq[0]->later.mm, t->mm[TAP_THIRD]);
	KUNIT_EXPECT_PTR_EQ(test, t->mq[1]->later.mm, t->mm[TAP_DEST]);

	/* One that is bound after it was said learns it, */
	tap_unbind(test, 1);
	tap_offload(test, TAP_SOURCE, 0, NETIF_F_TSO);
	KUNIT_EXPECT_EQ(test, t->mq[1]->features, NETIF_F_HW_CSUM);
	tap_bind(test, 1);
	KUNIT_EXPECT_EQ(test, t->mq[1]->features, NETIF_F_TSO);
	/* also when it is not used then, */
	tap_unclaim(test, 1, READ);
	KUNIT_EXPECT_EQ(test, t->mq[1]->features, 0);
	tap_unbind(test, 1);
	tap_offload(test, TAP_SOURCE, 0, NETIF_F_HW_CSUM);
	tap_bind(test, 1);
	tap_claim(test, TAP_SOURCE, 1, READ);
	KUNIT_EXPECT_EQ(test, t->mq[1]->features, NETIF_F_HW_CSUM);
	/* but not those of another. */
	tap_unbind(test, 0);
	tap_unclaim(test, 0, READ);
	tap_offload(test, TAP_THIRD, 0, 0);
	KUNIT_EXPECT_EQ(test, t->mq[0]->features, 0);
	tap_claim(test, TAP_DEST, 0, READ);
	tap_bind(test, 0);
	KUNIT_EXPECT_EQ(test, t->mq[0]->features, 0);
	KUNIT_EXPECT_EQ(test, t->mq[1]->features, NETIF_F_HW_CSUM);
}

/* Also of who has set something else of it, while it was unbound. */
static void tap_joins_with_its_offloads(struct kunit *test)
{
	struct tap_test *t = test->priv;

	tap_claim(test, TAP_SOURCE, 0, READ);
	tap_offload(test, TAP_SOURCE, 0, NETIF_F_HW_CSUM);
	tap_unbind(test, 1);
	tap_header(test, TAP_DEST, 1, 12);
	tap_offload(test, TAP_DEST, 0, NETIF_F_TSO);
	tap_bind(test, 1);
	KUNIT_EXPECT_EQ(test, t->mq[1]->features, NETIF_F_HW_CSUM);
	tap_claim(test, TAP_DEST, 1, READ);
	KUNIT_EXPECT_EQ(test, t->mq[1]->features, NETIF_F_TSO);
	KUNIT_EXPECT_EQ(test, t->mq[0]->features, NETIF_F_HW_CSUM);
}

static struct kunit_case tap_cases[] = {
	KUNIT_CASE(tap_holds_for_who_has_it),
	KUNIT_CASE(tap_holds_for_the_first),
	KUNIT_CASE(tap_forgets_who_has_ended),
	KUNIT_CASE(tap_has_an_heir),
	KUNIT_CASE(tap_detaches_as_an_heir),
	KUNIT_CASE(tap_detaches_when_it_has_come),
	KUNIT_CASE(tap_detaches_later),
	KUNIT_CASE(tap_offloads_are_those_of_all),
	KUNIT_CASE(tap_joins_with_its_offloads),
	{}
};

static struct kunit_suite tap_suite = {
	.name		= "mpassthru_tap",
	.init		= tap_init,
	.exit		= tap_exit,
	.test_cases	= tap_cases,
};

/* FIFO */

#define FIFO_SIZE	8
#define FIFO_DATA_LEN	1518

struct fifo {
	struct mpassthru_rxbuf	bufs[FIFO_SIZE];
	struct mpassthru_rxq	rxq;
	struct mpassthru_port	port;
	unsigned int		flushes;
};

static void fifo_flush(struct mpassthru_rxq *rxq)
{
	container_of(rxq, struct fifo, rxq)->flushes++;
}

static const struct mpassthru_port_ops fifo_ops = {
	.rx_flush	= fifo_flush,
};

/* The indices start short of their wrap-around. */
static struct fifo *fifo_create(struct kunit *test)
{
	struct fifo *f = kunit_kzalloc(test, sizeof(*f), GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, f);
	f->port.dev = port_netdev(test);
	f->port.ops = &fifo_ops;
	f->port.data_len = FIFO_DATA_LEN;
	f->rxq.port = &f->port;
	f->rxq.bufs = f->bufs;
	f->rxq.mask = FIFO_SIZE - 1;
	f->rxq.posted = U32_MAX - 2;
	f->rxq.armed = f->rxq.posted;
	f->rxq.filled = f->rxq.posted;
	return f;
}

static bool fifo_post(struct fifo *f, dma_addr_t dma)
{
	f->bufs[f->rxq.posted & f->rxq.mask].dma = dma;
	mpassthru_rx_post(&f->rxq);
	return mpassthru_rx_wants_wake(&f->rxq);
}

static void fifo_keeps_order(struct kunit *test)
{
	struct fifo *f = fifo_create(test);
	u32 done = mpassthru_rx_filled(&f->rxq);
	struct mpassthru_rxbuf *buf;
	dma_addr_t dma;
	int i;

	KUNIT_EXPECT_FALSE(test, mpassthru_rx_arm(&f->rxq, &dma));
	for (i = 0; i < FIFO_SIZE; i++)
		fifo_post(f, 0x1000 + i);

	for (i = 0; i < FIFO_SIZE; i++) {
		KUNIT_ASSERT_TRUE(test, mpassthru_rx_arm(&f->rxq, &dma));
		KUNIT_EXPECT_EQ(test, dma, 0x1000 + i);
	}
	KUNIT_EXPECT_FALSE(test, mpassthru_rx_arm(&f->rxq, &dma));

	for (i = 0; i < FIFO_SIZE; i++) {
		KUNIT_EXPECT_EQ(test, mpassthru_rx_filled(&f->rxq), done + i);
		mpassthru_rx_fill(&f->rxq, 60 + i,
				  i ? MPASSTHRU_RX_CSUM_OK : 0);
		buf = &f->bufs[(done + i) & f->rxq.mask];
		KUNIT_EXPECT_EQ(test, buf->dma, 0x1000 + i);
		KUNIT_EXPECT_EQ(test, buf->len, 60 + i);
		KUNIT_EXPECT_EQ(test, buf->flags,
				i ? MPASSTHRU_RX_CSUM_OK : 0);
	}
	KUNIT_EXPECT_EQ(test, mpassthru_rx_filled(&f->rxq), f->rxq.posted);
}

static void fifo_disarm_arms_the_same_again(struct kunit *test)
{
	struct fifo *f = fifo_create(test);
	dma_addr_t dma;
	int i;

	for (i = 0; i < 4; i++) {
		fifo_post(f, 0x1000 + i);
		mpassthru_rx_arm(&f->rxq, &dma);
	}
	mpassthru_rx_fill(&f->rxq, 60, 0);

	mpassthru_rx_disarm(&f->rxq);
	for (i = 1; i < 4; i++) {
		KUNIT_ASSERT_TRUE(test, mpassthru_rx_arm(&f->rxq, &dma));
		KUNIT_EXPECT_EQ(test, dma, 0x1000 + i);
	}
	KUNIT_EXPECT_FALSE(test, mpassthru_rx_arm(&f->rxq, &dma));
}

/* Two words each; the ring wraps, and so does what is free in it. */
static void fifo_refills_a_ring(struct kunit *test)
{
	__le64 desc[4][2], no = cpu_to_le64(-1);
	struct fifo *f = fifo_create(test);
	int i;

	memset(desc, 0xff, sizeof(desc));
	KUNIT_EXPECT_EQ(test, 3, mpassthru_rx_refill(&f->rxq, desc, 4, 3, 3));
	for (i = 0; i < 5; i++)
		fifo_post(f, 0x1000 + i);
	KUNIT_EXPECT_EQ(test, 1, mpassthru_rx_refill(&f->rxq, desc, 4, 3, 2));
	KUNIT_EXPECT_EQ(test, 0x1000, le64_to_cpu(desc[3][0]));
	KUNIT_EXPECT_EQ(test, 0x1001, le64_to_cpu(desc[0][0]));
	KUNIT_EXPECT_EQ(test, 0, le64_to_cpu(desc[3][1]));
	KUNIT_EXPECT_EQ(test, 0, le64_to_cpu(desc[0][1]));
	KUNIT_EXPECT_TRUE(test, desc[1][0] == no && desc[1][1] == no);
	KUNIT_EXPECT_TRUE(test, desc[2][0] == no && desc[2][1] == no);
	KUNIT_EXPECT_EQ(test, 1, mpassthru_rx_refill(&f->rxq, desc, 4, 1, 0));
	/* no more than there are */
	KUNIT_EXPECT_EQ(test, 0, mpassthru_rx_refill(&f->rxq, desc, 4, 1, 4));
	KUNIT_EXPECT_EQ(test, 0x1004, le64_to_cpu(desc[3][0]));
	KUNIT_EXPECT_EQ(test, f->rxq.armed, f->rxq.posted);
}

/* In whole KB, and never less than a frame may have. */
static void fifo_tells_the_size(struct kunit *test)
{
	struct fifo *f = fifo_create(test);

	f->port.data_len = mpassthru_data_len(1500);
	KUNIT_EXPECT_EQ(test, mpassthru_rx_size(&f->rxq), 2048);
	f->port.data_len = 2048;
	KUNIT_EXPECT_EQ(test, mpassthru_rx_size(&f->rxq), 2048);
	f->port.data_len = 2049;
	KUNIT_EXPECT_EQ(test, mpassthru_rx_size(&f->rxq), 3072);
	f->port.data_len = mpassthru_data_len(9000);
	KUNIT_EXPECT_EQ(test, mpassthru_rx_size(&f->rxq), 9216);
}

static void fifo_has_no_frame_over_several(struct kunit *test)
{
	static const struct {
		unsigned int flags, want;
	} fills[] = {
		{ MPASSTHRU_RX_CSUM_OK, MPASSTHRU_RX_CSUM_OK },
		{ MPASSTHRU_RX_MORE, MPASSTHRU_RX_BAD },
		{ MPASSTHRU_RX_MORE, MPASSTHRU_RX_BAD },
		{ MPASSTHRU_RX_CSUM_OK, MPASSTHRU_RX_BAD },
		{ 0, 0 },
		{ MPASSTHRU_RX_MORE, MPASSTHRU_RX_BAD },
	};
	struct fifo *f = fifo_create(test);
	u32 idx = f->rxq.filled;
	dma_addr_t dma;
	int i;

	for (i = 0; i < FIFO_SIZE; i++) {
		fifo_post(f, 0x1000 + i);
		mpassthru_rx_arm(&f->rxq, &dma);
	}
	for (i = 0; i < ARRAY_SIZE(fills); i++) {
		/* longer than what can be, and no reason to warn */
		mpassthru_rx_fill(&f->rxq, fills[i].want & MPASSTHRU_RX_BAD ?
				  2048 : 60, fills[i].flags);
		KUNIT_EXPECT_EQ(test, fills[i].want,
				f->bufs[idx++ & f->rxq.mask].flags);
	}
	/* What is in the ring afterwards is not the rest of it. */
	mpassthru_rx_disarm(&f->rxq);
	mpassthru_rx_arm(&f->rxq, &dma);
	mpassthru_rx_fill(&f->rxq, 60, 0);
	KUNIT_EXPECT_EQ(test, 0, f->bufs[idx & f->rxq.mask].flags);
}

static void fifo_wakes_up_when_it_ran_dry(struct kunit *test)
{
	struct fifo *f = fifo_create(test);
	dma_addr_t dma;

	/* Nobody was told yet that something is missing. */
	KUNIT_EXPECT_FALSE(test, fifo_post(f, 0x1000));
	mpassthru_rx_arm(&f->rxq, &dma);

	/* The only frame: flushed once, the ring is dry. */
	mpassthru_rx_fill(&f->rxq, 60, 0);
	KUNIT_EXPECT_FALSE(test, mpassthru_rx_flush(&f->rxq, 1, true));
	KUNIT_EXPECT_EQ(test, f->flushes, 1);
	KUNIT_EXPECT_TRUE(test, fifo_post(f, 0x1001));
	KUNIT_EXPECT_FALSE(test, fifo_post(f, 0x1002));

	/* No frame, no flush; but a dry ring is to be armed. */
	KUNIT_EXPECT_TRUE(test, mpassthru_rx_flush(&f->rxq, 0, true));
	/* Not even room for one: completions bring it back. */
	KUNIT_EXPECT_FALSE(test, mpassthru_rx_flush(&f->rxq, 0, false));
	mpassthru_rx_arm(&f->rxq, &dma);
	KUNIT_EXPECT_FALSE(test, mpassthru_rx_flush(&f->rxq, 0, true));
	KUNIT_EXPECT_EQ(test, f->flushes, 1);
}

static void fifo_needs_no_wakeup_when_well_armed(struct kunit *test)
{
	struct fifo *f = fifo_create(test);
	dma_addr_t dma;
	int i;

	/* Four are all that it ever has, though it could have eight. */
	for (i = 0; i < 4; i++) {
		fifo_post(f, 0x1000 + i);
		mpassthru_rx_arm(&f->rxq, &dma);
	}
	KUNIT_EXPECT_FALSE(test, mpassthru_rx_flush(&f->rxq, 0, true));
	mpassthru_rx_fill(&f->rxq, 60, 0);
	KUNIT_EXPECT_FALSE(test, mpassthru_rx_flush(&f->rxq, 1, true));
	KUNIT_EXPECT_FALSE(test, fifo_post(f, 0x1004));
	mpassthru_rx_arm(&f->rxq, &dma);

	/* Half of them is left. */
	mpassthru_rx_fill(&f->rxq, 60, 0);
	mpassthru_rx_fill(&f->rxq, 60, 0);
	KUNIT_EXPECT_FALSE(test, mpassthru_rx_flush(&f->rxq, 2, true));
	KUNIT_EXPECT_TRUE(test, fifo_post(f, 0x1005));
}

static void fifo_sees_what_ctor_missed(struct kunit *test)
{
	struct fifo *f = fifo_create(test);
	dma_addr_t dma;

	/* Posted between the last ctor of a poll and its flush. */
	KUNIT_EXPECT_FALSE(test, mpassthru_rx_arm(&f->rxq, &dma));
	KUNIT_EXPECT_FALSE(test, fifo_post(f, 0x1000));
	KUNIT_EXPECT_TRUE(test, mpassthru_rx_flush(&f->rxq, 0, true));
}

/* Posting and flushing at the same time, on two CPUs.  As a litmus test:
 *
 *	P0, mpassthru_rx_post(),		P1, mpassthru_rx_flush()
 *	mpassthru_rx_wants_wake()
 *
 *	smp_store_release(posted, 1);		WRITE_ONCE(need_wakeup, 1);
 *	smp_mb();				smp_mb();
 *	r0 = READ_ONCE(need_wakeup);		r1 = READ_ONCE(posted);
 *
 *	exists (0:r0=0 /\ 1:r1=0)		never
 *
 * Without the barriers x86 shows it, too, in one round of a few thousand.
 */
#define RACE_ROUNDS	200000
#define RACE_MS		500

struct race {
	struct fifo		*f;
	u32			at[2];		/* how far each thread is */
	bool			again;
	unsigned int		rounds;
	unsigned int		lost;
	struct completion	done[2];
};

/* Both leave it at the same time, or as good as that. */
static void race_meet(struct race *race, int me, u32 at)
{
	unsigned int spins = 0;

	/* Each pairs with the other's: what was done before is seen after. */
	smp_store_release(&race->at[me], at);
	/* Pairs with smp_store_release() above. */
	while ((s32)(smp_load_acquire(&race->at[!me]) - at) < 0)
		/* No cpu_relax(), which leaves some emulated CPUs. */
		if (!(++spins % 4096))
			cond_resched();
}

static void race_rewind(struct mpassthru_rxq *rxq)
{
	rxq->armed = rxq->posted;
	rxq->filled = rxq->posted;
	rxq->need_wakeup = false;
}

static int race_poster(void *data)
{
	ktime_t end = ktime_add_ms(ktime_get(), RACE_MS);
	struct race *race = data;
	u32 at = 0;
	bool wake;
	int i;

	while (race->rounds < RACE_ROUNDS && ktime_before(ktime_get(), end)) {
		race->rounds++;
		race_rewind(&race->f->rxq);
		race_meet(race, 0, ++at);
		for (i = at % 64; i > 32; i--)
			barrier();
		mpassthru_rx_post(&race->f->rxq);
		wake = mpassthru_rx_wants_wake(&race->f->rxq);
		race_meet(race, 0, ++at);
		if (!wake && !race->again)
			race->lost++;
	}
	race->f = NULL;
	race_meet(race, 0, ++at);
	complete(&race->done[0]);
	return 0;
}

static int race_flusher(void *data)
{
	struct race *race = data;
	struct fifo *f;
	u32 at = 0;
	int i;

	for (;;) {
		race_meet(race, 1, ++at);
		f = race->f;
		if (!f)
			break;
		for (i = at % 64; i < 32; i++)
			barrier();
		race->again = mpassthru_rx_flush(&f->rxq, 0, true);
		race_meet(race, 1, ++at);
	}
	complete(&race->done[1]);
	return 0;
}

static void fifo_loses_no_wakeup(struct kunit *test)
{
	static int (* const parts[])(void *) = { race_poster, race_flusher };
	unsigned int cpu = cpumask_first(cpu_online_mask);
	struct task_struct *task[2];
	struct race *race;
	int i;

	if (num_online_cpus() < 2)
		kunit_skip(test, "one CPU sees its own stores");
	race = kunit_kzalloc(test, sizeof(*race), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, race);
	race->f = fifo_create(test);
	for (i = 0; i < 2; i++) {
		init_completion(&race->done[i]);
		task[i] = kthread_create(parts[i], race, "mp-race/%d", i);
		if (IS_ERR(task[i]) && i)
			kthread_stop(task[0]);
		KUNIT_ASSERT_FALSE(test, IS_ERR(task[i]));
		kthread_bind(task[i], cpu);
		cpu = cpumask_next(cpu, cpu_online_mask);
	}
	for (i = 0; i < 2; i++)
		wake_up_process(task[i]);
	for (i = 0; i < 2; i++)
		wait_for_completion(&race->done[i]);
	kunit_info(test, "%u rounds\n", race->rounds);
	KUNIT_EXPECT_EQ(test, race->lost, 0);
}

static struct kunit_case fifo_cases[] = {
	KUNIT_CASE(fifo_keeps_order),
	KUNIT_CASE(fifo_disarm_arms_the_same_again),
	KUNIT_CASE(fifo_refills_a_ring),
	KUNIT_CASE(fifo_tells_the_size),
	KUNIT_CASE(fifo_has_no_frame_over_several),
	KUNIT_CASE(fifo_wakes_up_when_it_ran_dry),
	KUNIT_CASE(fifo_needs_no_wakeup_when_well_armed),
	KUNIT_CASE(fifo_sees_what_ctor_missed),
	KUNIT_CASE(fifo_loses_no_wakeup),
	{}
};

static struct kunit_suite fifo_suite = {
	.name		= "mpassthru_fifo",
	.test_cases	= fifo_cases,
};

/* Pinned pages */

#define MEM_PAGES	256

struct cache_test {
	struct mp_mem	*mem;
	unsigned long	addr;
	long		locked;
	s64		pinned;
};

static long cache_locked(void)
{
	return atomic_long_read(&current_user()->locked_vm);
}

static s64 cache_pinned(void)
{
	return atomic64_read(&current->mm->pinned_vm);
}

static int cache_init(struct kunit *test)
{
	struct device *dev;
	struct cache_test *t;

	t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t);
	test->priv = t;

	dev = kunit_device_register(test, "mpassthru");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, dev);
	if (is_swiotlb_force_bounce(dev))
		kunit_skip(test, "no page can be mapped for the device");
	t->addr = kunit_vm_mmap(test, NULL, 0, MEM_PAGES * PAGE_SIZE,
				PROT_READ | PROT_WRITE,
				MAP_ANONYMOUS | MAP_PRIVATE, 0);
	KUNIT_ASSERT_NE(test, t->addr, 0);

	t->locked = cache_locked();
	t->pinned = cache_pinned();
	t->mem = mp_mem_create(DMA_FROM_DEVICE);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, t->mem);
	t->mem->dev = dev;
	return 0;
}

/* Unpinning is left to a work item. */
static bool cache_comes_to(long locked)
{
	int i;

	for (i = 0; i < 200 && cache_locked() != locked; i++)
		msleep(20);
	return cache_locked() == locked;
}

/* Whatever a test did, all is given back.  Not run in the test's own mm. */
static void cache_exit(struct kunit *test)
{
	struct cache_test *t = test->priv;
	struct mm_struct *mm;

	if (!t || IS_ERR_OR_NULL(t->mem))
		return;
	mm = t->mem->mm;
	mmgrab(mm);
	mp_mem_close(t->mem);
	KUNIT_EXPECT_TRUE(test, cache_comes_to(t->locked));
	KUNIT_EXPECT_EQ(test, atomic64_read(&mm->pinned_vm), t->pinned);
	mmdrop(mm);
}

static void cache_set_limit(struct cache_test *t, unsigned int limit,
			    unsigned int ceiling)
{
	t->mem->floor = limit;
	t->mem->limit = limit;
	t->mem->ceiling = ceiling;
}

static unsigned long cache_addr(struct kunit *test, int i)
{
	struct cache_test *t = test->priv;

	return t->addr + i * PAGE_SIZE + i;
}

static struct mp_page *cache_find(struct mp_mem *mem, unsigned long addr)
{
	struct mp_page *page = NULL;

	spin_lock(&mem->lock);
	mp_pages_find(mem, addr, &page, 1);
	spin_unlock(&mem->lock);
	return page;
}

/* Look page @i up; NULL when it is not pinned. */
static struct mp_page *cache_try(struct kunit *test, int i)
{
	struct cache_test *t = test->priv;
	struct mp_page *page = mp_page_get(t->mem, cache_addr(test, i));

	if (!IS_ERR(page))
		return page;
	KUNIT_EXPECT_EQ(test, PTR_ERR(page), -ENOBUFS);
	return NULL;
}

static struct mp_page *cache_page(struct kunit *test, int i)
{
	struct mp_page *page = cache_try(test, i);

	KUNIT_ASSERT_NOT_NULL(test, page);
	return page;
}

static void cache_put(struct kunit *test, struct mp_page *page)
{
	struct cache_test *t = test->priv;

	mp_pages_put(t->mem, &page, 1);
}

static struct mp_page *cache_use(struct kunit *test, int i)
{
	struct mp_page *page = cache_page(test, i);

	cache_put(test, page);
	return page;
}

/* Go once round @n pages.  Returns how many were found pinned. */
static u64 cache_round(struct kunit *test, int n)
{
	struct cache_test *t = test->priv;
	u64 hits = t->mem->hits;
	struct mp_page *page;
	int i;

	for (i = 0; i < n; i++) {
		page = cache_try(test, i);
		if (page)
			cache_put(test, page);
	}
	return t->mem->hits - hits;
}

/* Look page @i up, at a limit, until another one has made room for it. */
static struct mp_page *cache_insist(struct kunit *test, int i)
{
	struct mp_page *page = NULL;
	int n;

	for (n = 0; n < MP_MEM_SAMPLE && !page; n++)
		page = cache_try(test, i);
	KUNIT_ASSERT_NOT_NULL(test, page);
	return page;
}

/* As if nothing had been used for @time jiffies. */
static void cache_let_pass(struct kunit *test, unsigned long time)
{
	struct cache_test *t = test->priv;
	struct mp_page *page;

	spin_lock(&t->mem->lock);
	list_for_each_entry(page, &t->mem->lru, list)
		page->time -= time;
	spin_unlock(&t->mem->lock);
}

static void cache_pins_once(struct kunit *test)
{
	struct cache_test *t = test->priv;
	struct mp_page *a, *b;

	KUNIT_EXPECT_NULL(test, cache_find(t->mem, t->addr));
	a = cache_page(test, 0);
	b = cache_page(test, 0);
	KUNIT_EXPECT_PTR_EQ(test, a, b);
	cache_put(test, a);
	cache_put(test, b);
	KUNIT_EXPECT_PTR_EQ(test, cache_find(t->mem, t->addr), a);
	cache_put(test, a);

	KUNIT_EXPECT_EQ(test, t->mem->misses, 1);
	KUNIT_EXPECT_EQ(test, t->mem->hits, 2);
	KUNIT_EXPECT_EQ(test, t->mem->nr, 1);
	KUNIT_EXPECT_EQ(test, cache_locked(), t->locked + 1);
	KUNIT_EXPECT_EQ(test, cache_pinned(), t->pinned + 1);
}

static void cache_refuses_what_is_not_writable(struct kunit *test)
{
	struct cache_test *t = test->priv;
	unsigned long ro;

	ro = kunit_vm_mmap(test, NULL, 0, PAGE_SIZE, PROT_READ,
			   MAP_ANONYMOUS | MAP_PRIVATE, 0);
	KUNIT_ASSERT_NE(test, ro, 0);
	KUNIT_EXPECT_EQ(test, PTR_ERR(mp_page_get(t->mem, ro)), -EFAULT);

	vm_munmap(t->addr, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, PTR_ERR(mp_page_get(t->mem, t->addr)), -EFAULT);
	KUNIT_EXPECT_EQ(test, PTR_ERR(mp_page_get(t->mem, ~0UL)), -EFAULT);
	/* That may change at any time, and is not remembered. */
	KUNIT_EXPECT_EQ(test, t->mem->nr, 0);
	KUNIT_EXPECT_EQ(test, t->mem->nr_ghosts, 0);
	KUNIT_EXPECT_EQ(test, cache_locked(), t->locked);
}

static void cache_keeps_to_the_ceiling(struct kunit *test)
{
	struct cache_test *t = test->priv;
	struct mp_page *a, *b;
	int i;

	cache_set_limit(t, 2, 2);
	a = cache_page(test, 0);
	b = cache_page(test, 1);
	for (i = 0; i < 2 * MP_MEM_SAMPLE; i++)
		KUNIT_EXPECT_NULL(test, cache_try(test, 2));

	/* What has no users makes room, what is in use does not. */
	cache_put(test, a);
	a = cache_insist(test, 2);
	KUNIT_EXPECT_EQ(test, t->mem->evictions, 1);
	KUNIT_EXPECT_EQ(test, t->mem->nr, 2);
	KUNIT_EXPECT_EQ(test, cache_locked(), t->locked + 2);
	KUNIT_EXPECT_PTR_EQ(test, cache_page(test, 1), b);
	cache_put(test, b);
	cache_put(test, b);
	cache_put(test, a);
}

/* Other memory of the user is locked, too. */
static void cache_keeps_to_rlimit_memlock(struct kunit *test)
{
	struct cache_test *t = test->priv;
	int i, got = 0;

	t->mem->lock_limit = t->locked + 1;
	cache_use(test, 0);
	for (i = 0; i < 4 * MP_MEM_SAMPLE; i++) {
		struct mp_page *page = cache_try(test, 1 + i % 2);

		if (!page)
			continue;
		cache_put(test, page);
		got++;
	}
	KUNIT_EXPECT_EQ(test, t->mem->peak, 1);
	KUNIT_EXPECT_GE(test, got, 1);
	/* Pinning and unpinning in turn is what copying is better than. */
	KUNIT_EXPECT_LE(test, t->mem->evictions, 8);
}

/* All of it: there is not even a try for each page that is looked up. */
static void cache_waits_when_others_took_all(struct kunit *test)
{
	struct cache_test *t = test->priv;
	int i;

	t->mem->lock_limit = t->locked;
	KUNIT_EXPECT_NULL(test, cache_try(test, 0));
	t->mem->lock_limit = LONG_MAX;
	/* However long a boot under emulation takes for the next lines. */
	t->mem->tight_until += HZ * 60;
	for (i = 0; i < MEM_PAGES; i++)
		KUNIT_EXPECT_NULL(test, cache_try(test, i));
	KUNIT_EXPECT_EQ(test, t->mem->nr_ghosts, 0);
	t->mem->tight_until = 0;
	cache_use(test, 0);
}

static void cache_evicts_what_was_not_used_for_longest(struct kunit *test)
{
	struct cache_test *t = test->priv;
	struct mp_page *a;
	int i;

	cache_set_limit(t, 3, 3);
	for (i = 0; i < 3; i++)
		cache_use(test, i);
	/* 0 is used again, so that 1 goes. */
	a = cache_use(test, 0);
	cache_put(test, cache_insist(test, 3));
	KUNIT_EXPECT_EQ(test, t->mem->evictions, 1);
	KUNIT_EXPECT_PTR_EQ(test, cache_use(test, 0), a);
	cache_use(test, 2);
	KUNIT_EXPECT_NULL(test, cache_find(t->mem, cache_addr(test, 1)));
}

/* A guest goes round more pages than the limit is at first. */
static void cache_grows_to_the_working_set(struct kunit *test)
{
	struct cache_test *t = test->priv;

	cache_set_limit(t, 16, MEM_PAGES);
	cache_round(test, 200);
	KUNIT_EXPECT_LE(test, t->mem->nr, 16 + 200 / MP_MEM_SAMPLE + 1);
	KUNIT_EXPECT_EQ(test, t->mem->nr + t->mem->nr_ghosts, 200);
	cache_round(test, 200);
	KUNIT_EXPECT_EQ(test, t->mem->nr, 200);
	KUNIT_EXPECT_EQ(test, t->mem->limit, 200);
	KUNIT_EXPECT_EQ(test, t->mem->nr_ghosts, 0);
	KUNIT_EXPECT_EQ(test, cache_round(test, 200), 200);
	KUNIT_EXPECT_EQ(test, t->mem->evictions, 0);
}

/* The same where there are more pages than may ever be pinned: no cliff, and
 * hardly a page is pinned in vain.  Nor does it matter how long a round takes.
 */
static void cache_does_not_thrash_at_the_ceiling(struct kunit *test)
{
	struct cache_test *t = test->priv;
	u64 hits = 0, evictions;
	int i;

	cache_set_limit(t, 16, 64);
	/* It gets there, though no ghost lives for a whole round. */
	for (i = 0; i < 40 && t->mem->limit < 64; i++)
		cache_round(test, MEM_PAGES);
	KUNIT_EXPECT_EQ(test, t->mem->limit, 64);

	evictions = t->mem->evictions;
	for (i = 0; i < 8; i++) {
		hits += cache_round(test, MEM_PAGES);
		cache_let_pass(test, i < 4 ? 0 : 3 * HZ);
	}
	/* 64 of 256, less those in whose place one of 32 came. */
	KUNIT_EXPECT_GE(test, hits, 8 * 48);
	KUNIT_EXPECT_LE(test, hits, 8 * 64);
	KUNIT_EXPECT_LE(test, t->mem->evictions - evictions,
			8 * MEM_PAGES / MP_MEM_SAMPLE);
	KUNIT_EXPECT_LE(test, t->mem->nr, 64);
	KUNIT_EXPECT_LE(test, t->mem->nr_ghosts, 64);
}

/* The mapping is writable, and what is not in it yet cannot be pinned. */
static void cache_forbid_pinning(struct kunit *test)
{
	struct cache_test *t = test->priv;
	struct vm_area_struct *vma;

	mmap_write_lock(current->mm);
	vma = find_vma(current->mm, t->addr);
	KUNIT_EXPECT_NOT_NULL(test, vma);
	if (vma)
		vm_flags_set(vma, VM_IO);
	mmap_write_unlock(current->mm);
}

static void cache_remembers_what_cannot_be_pinned(struct kunit *test)
{
	struct cache_test *t = test->priv;
	struct mp_page *ghost;

	cache_forbid_pinning(test);
	KUNIT_EXPECT_EQ(test, PTR_ERR(mp_page_get(t->mem, t->addr)), -EPERM);
	KUNIT_EXPECT_EQ(test, t->mem->failures, 1);
	/* Now the page is there, and would be pinned if that were tried. */
	KUNIT_EXPECT_EQ(test, PTR_ERR(mp_page_get(t->mem, t->addr)), -EPERM);
	KUNIT_EXPECT_EQ(test, t->mem->failures, 1);
	KUNIT_EXPECT_EQ(test, cache_locked(), t->locked);
	KUNIT_ASSERT_EQ(test, t->mem->nr_ghosts, 1);
	ghost = list_first_entry(&t->mem->ghosts, struct mp_page, list);
	KUNIT_EXPECT_EQ(test, ghost->delay, HZ);
	ghost->time -= HZ;
	cache_use(test, 0);
	KUNIT_EXPECT_EQ(test, t->mem->nr_ghosts, 0);

	/* Nor is it said of what is mapped there later. */
	KUNIT_EXPECT_EQ(test, PTR_ERR(mp_page_get(t->mem, cache_addr(test, 1))),
			-EPERM);
	KUNIT_EXPECT_EQ(test, t->mem->nr_ghosts, 1);
	vm_munmap(t->addr, 2 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, t->mem->nr_ghosts, 0);
	KUNIT_EXPECT_EQ(test, PTR_ERR(mp_page_get(t->mem, cache_addr(test, 1))),
			-EFAULT);
}

/* More such pages than are remembered. */
static void cache_tries_few_where_pinning_fails(struct kunit *test)
{
	struct cache_test *t = test->priv;
	struct mp_page *page;
	int i;

	cache_forbid_pinning(test);
	cache_set_limit(t, 16, 16);
	for (i = 0; i < MEM_PAGES; i++)
		KUNIT_EXPECT_EQ(test, PTR_ERR(mp_page_get(t->mem,
							  cache_addr(test, i))),
				-EPERM);
	KUNIT_EXPECT_LE(test, t->mem->failures,
			MP_MEM_SAMPLE + MEM_PAGES / MP_MEM_SAMPLE);
	KUNIT_EXPECT_EQ(test, t->mem->limit, 16);

	/* They are in the mapping now.  The first that is tried tells. */
	page = ERR_PTR(-EPERM);
	for (i = 0; i < MP_MEM_SAMPLE && IS_ERR(page); i++)
		page = mp_page_get(t->mem, cache_addr(test, 0));
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, page);
	cache_put(test, page);
	cache_use(test, 1);
}

static void cache_unpins_what_is_idle(struct kunit *test)
{
	struct cache_test *t = test->priv;
	struct mp_page *used = cache_page(test, 0);
	int i;

	cache_set_limit(t, 4, MEM_PAGES);
	cache_round(test, 40);
	cache_round(test, 40);
	KUNIT_EXPECT_EQ(test, t->mem->limit, 40);
	for (i = 1; i < 40; i++)
		cache_use(test, i)->time -= i < 30 ? MP_MEM_IDLE : 20 * HZ;
	flush_delayed_work(&t->mem->work);

	KUNIT_EXPECT_EQ(test, t->mem->nr, 11);
	KUNIT_EXPECT_EQ(test, t->mem->limit, 11);
	KUNIT_EXPECT_EQ(test, t->mem->nr_ghosts, 29);
	KUNIT_EXPECT_EQ(test, cache_locked(), t->locked + 11);
	/* They are known, and pinned again at once. */
	KUNIT_EXPECT_EQ(test, cache_round(test, 40), 11);
	KUNIT_EXPECT_EQ(test, t->mem->nr, 40);
	cache_put(test, used);
}

static void cache_notices_changed_mapping(struct kunit *test)
{
	struct cache_test *t = test->priv;
	struct mp_page *used = cache_page(test, 0);
	struct page *page = used->page;

	cache_use(test, 1);
	cache_use(test, 2);
	vm_munmap(t->addr, 2 * PAGE_SIZE);

	/* Not found any more, and 2 is still there. */
	KUNIT_EXPECT_EQ(test, t->mem->invalidations, 2);
	KUNIT_EXPECT_EQ(test, t->mem->nr, 1);
	KUNIT_EXPECT_EQ(test, PTR_ERR(mp_page_get(t->mem, t->addr)), -EFAULT);
	cache_use(test, 2);

	/* The NIC may still write there: it stays pinned to the last put. */
	flush_delayed_work(&t->mem->work);
	KUNIT_EXPECT_EQ(test, cache_locked(), t->locked + 2);
	KUNIT_EXPECT_EQ(test, atomic_read(&t->mem->pinned), 2);
	KUNIT_EXPECT_PTR_EQ(test, used->page, page);
	KUNIT_EXPECT_TRUE(test, used->mapped);
	KUNIT_EXPECT_TRUE(test, folio_maybe_dma_pinned(page_folio(page)));
	cache_put(test, used);
	KUNIT_EXPECT_TRUE(test, cache_comes_to(t->locked + 1));
}

/* What an invalidation leaves to the work item counts against the limit. */
static void cache_reaps_before_it_gives_up(struct kunit *test)
{
	struct cache_test *t = test->priv;

	t->mem->lock_limit = t->locked + 1;
	cache_use(test, 0);
	vm_munmap(t->addr, PAGE_SIZE);
	cache_use(test, 1);
	KUNIT_EXPECT_EQ(test, t->mem->evictions, 0);
	KUNIT_EXPECT_EQ(test, t->mem->peak, 1);
}

/* Nothing is pinned whose mapping is being changed; what was pinned is not
 * found again; what lies beside it is.
 */
static void cache_not_while_mapping_changes(struct kunit *test)
{
	struct cache_test *t = test->priv;
	const struct mmu_notifier_ops *ops = t->mem->mn.ops;
	struct mp_page *kept = cache_use(test, 0);
	struct mmu_notifier_range first, second;

	cache_use(test, 1);
	mmu_notifier_range_init(&first, MMU_NOTIFY_CLEAR, 0, t->mem->mm,
				t->addr + PAGE_SIZE, t->addr + 2 * PAGE_SIZE);
	mmu_notifier_range_init(&second, MMU_NOTIFY_CLEAR, 0, t->mem->mm,
				t->addr + 3 * PAGE_SIZE,
				t->addr + 4 * PAGE_SIZE);

	ops->invalidate_range_start(&t->mem->mn, &first);
	KUNIT_EXPECT_PTR_EQ(test, cache_use(test, 0), kept);
	KUNIT_EXPECT_EQ(test, PTR_ERR(mp_page_get(t->mem, cache_addr(test, 1))),
			-EAGAIN);
	cache_use(test, 2);

	/* Of two, all from the first to the last page is taken for changing. */
	ops->invalidate_range_start(&t->mem->mn, &second);
	ops->invalidate_range_end(&t->mem->mn, &first);
	KUNIT_EXPECT_EQ(test, PTR_ERR(mp_page_get(t->mem, cache_addr(test, 1))),
			-EAGAIN);
	KUNIT_EXPECT_EQ(test, PTR_ERR(mp_page_get(t->mem, cache_addr(test, 3))),
			-EAGAIN);
	ops->invalidate_range_end(&t->mem->mn, &second);

	cache_use(test, 1);
	cache_use(test, 3);
	KUNIT_EXPECT_EQ(test, t->mem->invalidations, 1);
	KUNIT_EXPECT_EQ(test, t->mem->nr, 4);
}

/* The device goes, while somebody is about to post a page. */
static void cache_closed_maps_nothing(struct kunit *test)
{
	struct cache_test *t = test->priv;
	struct mp_mem *mem = t->mem;
	struct mp_page *used = cache_page(test, 0), *lost = cache_page(test, 1);

	cache_use(test, 2);
	vm_munmap(t->addr + PAGE_SIZE, PAGE_SIZE);
	KUNIT_EXPECT_TRUE(test, used->mapped);
	KUNIT_EXPECT_TRUE(test, lost->mapped);

	mp_mem_get(mem);
	t->mem = NULL;
	mp_mem_close(mem);
	KUNIT_EXPECT_FALSE(test, used->mapped);
	KUNIT_EXPECT_FALSE(test, lost->mapped);
	KUNIT_EXPECT_EQ(test, mem->nr, 0);
	KUNIT_EXPECT_NULL(test, cache_find(mem, t->addr));
	KUNIT_EXPECT_EQ(test, PTR_ERR(mp_page_get(mem, t->addr)), -ESHUTDOWN);
	/* Their pages stay until they are put. */
	KUNIT_EXPECT_TRUE(test, cache_comes_to(t->locked + 2));
	mp_pages_put(mem, &used, 1);
	mp_pages_put(mem, &lost, 1);
	KUNIT_EXPECT_TRUE(test, cache_comes_to(t->locked));
	mp_mem_put(mem);
}

static void cache_finds_many(struct kunit *test)
{
	struct cache_test *t = test->priv;
	const unsigned int n = 3000;
	struct mp_page *page;
	unsigned long size;
	unsigned int i;

	/* More pages than buckets, for these to be scanned at the end. */
	size = ((1UL << t->mem->bits) + n) * PAGE_SIZE;
	t->addr = kunit_vm_mmap(test, NULL, 0, size, PROT_READ | PROT_WRITE,
				MAP_ANONYMOUS | MAP_PRIVATE | MAP_NORESERVE, 0);
	KUNIT_ASSERT_NE(test, t->addr, 0);
	cache_set_limit(t, n, n);
	for (i = 0; i < n; i++) {
		page = mp_page_get(t->mem, t->addr + i * PAGE_SIZE);
		KUNIT_ASSERT_NOT_ERR_OR_NULL(test, page);
		cache_put(test, page);
	}
	for (i = 0; i < n; i++) {
		page = cache_find(t->mem, t->addr + i * PAGE_SIZE);
		KUNIT_ASSERT_NOT_NULL(test, page);
		cache_put(test, page);
	}
	vm_munmap(t->addr, (n / 2) * PAGE_SIZE);
	/* Less where a huge page had to be split. */
	KUNIT_EXPECT_LE(test, t->mem->nr, n - n / 2);
	vm_munmap(t->addr + PAGE_SIZE, size - PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, t->mem->nr, 0);
	KUNIT_EXPECT_EQ(test, t->mem->invalidations, n);
}

/* As if user space had chosen pages that share two buckets. */
static void cache_keeps_chains_short(struct kunit *test)
{
	struct cache_test *t = test->priv;
	struct hlist_node *node;
	int i, n = 0;

	t->mem->bits = 1;
	cache_round(test, MEM_PAGES);
	cache_round(test, MEM_PAGES);
	for (i = 0; i < 2; i++)
		hlist_for_each(node, &t->mem->hash[i])
			n++;
	KUNIT_EXPECT_EQ(test, n, t->mem->nr + t->mem->nr_ghosts);
	KUNIT_EXPECT_GE(test, n, 32);
	KUNIT_EXPECT_LE(test, n, 2 * 32);
}

/* Somebody else is about to take its place. */
static void cache_shut_is_not_renewed(struct kunit *test)
{
	struct cache_test *t = test->priv;

	cache_use(test, 0);
	KUNIT_EXPECT_TRUE(test, mp_mem_renew(t->mem));
	/* Nor is one that has too few buckets for the limit of today. */
	t->mem->bits -= 2;
	KUNIT_EXPECT_FALSE(test, mp_mem_renew(t->mem));
	t->mem->bits += 2;
	mp_mem_shut(t->mem);
	KUNIT_EXPECT_FALSE(test, mp_mem_renew(t->mem));
	mp_mem_empty(t->mem);
	KUNIT_EXPECT_EQ(test, t->mem->nr, 0);
	KUNIT_EXPECT_TRUE(test, cache_comes_to(t->locked));
}

/* A notifier of somebody else's, whose callback takes its time. */

struct slow {
	struct mmu_notifier	mn;
	struct completion	entered;
	struct completion	go;
	struct completion	left;
	bool			waited_for;
	struct mm_struct	*mm;
};

static void slow_release(struct mmu_notifier *mn, struct mm_struct *mm)
{
	struct slow *slow = container_of(mn, struct slow, mn);

	complete(&slow->entered);
	slow->waited_for = !wait_for_completion_timeout(&slow->go, 60 * HZ);
}

static const struct mmu_notifier_ops slow_ops = {
	.release = slow_release,
};

static int slow_run(void *arg)
{
	struct slow *slow = arg;

	/* Calls slow_release() as an RCU reader of all notifiers'. */
	mmu_notifier_unregister(&slow->mn, slow->mm);
	complete(&slow->left);
	return 0;
}

static void cache_waits_for_no_notifier(struct kunit *test)
{
	struct cache_test *t = test->priv;
	struct task_struct *task;
	struct mp_mem *mem;
	struct slow *slow;

	slow = kunit_kzalloc(test, sizeof(*slow), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, slow);
	init_completion(&slow->entered);
	init_completion(&slow->go);
	init_completion(&slow->left);
	slow->mm = current->mm;
	slow->mn.ops = &slow_ops;
	KUNIT_ASSERT_EQ(test, 0, mmu_notifier_register(&slow->mn, slow->mm));
	task = kthread_run(slow_run, slow, "mpassthru_slow");
	if (IS_ERR(task)) {
		mmu_notifier_unregister(&slow->mn, slow->mm);
		KUNIT_FAIL_AND_ABORT(test, "no thread");
	}
	wait_for_completion(&slow->entered);

	mem = mp_mem_create(DMA_FROM_DEVICE);
	if (!IS_ERR(mem))
		mp_mem_close(mem);
	cache_use(test, 0);
	mem = t->mem;
	t->mem = NULL;
	mp_mem_close(mem);
	KUNIT_EXPECT_TRUE(test, cache_comes_to(t->locked));
	KUNIT_EXPECT_FALSE(test, completion_done(&slow->left));
	complete(&slow->go);
	wait_for_completion(&slow->left);
	KUNIT_EXPECT_FALSE(test, slow->waited_for);
}

static struct kunit_case cache_cases[] = {
	KUNIT_CASE(cache_pins_once),
	KUNIT_CASE(cache_refuses_what_is_not_writable),
	KUNIT_CASE(cache_keeps_to_the_ceiling),
	KUNIT_CASE(cache_keeps_to_rlimit_memlock),
	KUNIT_CASE(cache_waits_when_others_took_all),
	KUNIT_CASE(cache_evicts_what_was_not_used_for_longest),
	KUNIT_CASE(cache_grows_to_the_working_set),
	KUNIT_CASE(cache_does_not_thrash_at_the_ceiling),
	KUNIT_CASE(cache_remembers_what_cannot_be_pinned),
	KUNIT_CASE(cache_tries_few_where_pinning_fails),
	KUNIT_CASE(cache_unpins_what_is_idle),
	KUNIT_CASE(cache_notices_changed_mapping),
	KUNIT_CASE(cache_reaps_before_it_gives_up),
	KUNIT_CASE(cache_not_while_mapping_changes),
	KUNIT_CASE(cache_closed_maps_nothing),
	KUNIT_CASE(cache_finds_many),
	KUNIT_CASE(cache_keeps_chains_short),
	KUNIT_CASE(cache_shut_is_not_renewed),
	KUNIT_CASE_SLOW(cache_waits_for_no_notifier),
	{}
};

static struct kunit_suite cache_suite = {
	.name		= "mpassthru_mem",
	.init		= cache_init,
	.exit		= cache_exit,
	.test_cases	= cache_cases,
};

/* Posted buffers, with a driver that does what the test says */

#define RX_BUFS		64
#define RX_DATA_LEN	1518
#define RX_HDR		12
#define RX_QUEUE	3

struct rx_test {
	struct mp_queue		*mq;
	struct mp_port		port;
	struct device		*parent;
	struct net_device	*dev;
	unsigned long		addr;
	struct kiocb		iocbs[RX_BUFS];
	long			res[RX_BUFS];
	int			done;
	unsigned int		wait;	/* of the last batch */
};

static struct rx_test *rx_current;

static void rx_done(struct kiocb *iocb, long res)
{
	rx_current->res[iocb - rx_current->iocbs] = res;
	rx_current->done++;
}

static void rx_restart(struct net_device *dev, unsigned int queue)
{
	KUNIT_EXPECT_EQ(kunit_get_current_test(), queue, RX_QUEUE);
}

static const struct mpassthru_driver_ops rx_driver_ops = {
	.rx_restart	= rx_restart,
	.rx_wake	= rx_restart,
};

static const struct mpassthru_port_ops rx_port_ops = {
	.rx_flush	= mp_rx_flush,
};

static int rx_init(struct kunit *test)
{
	struct rx_test *t;

	t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t);
	test->priv = t;
	rx_current = t;

	t->parent = kunit_device_register(test, "mpassthru");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, t->parent);
	if (is_swiotlb_force_bounce(t->parent))
		kunit_skip(test, "no page can be mapped for the device");
	t->dev = port_netdev(test);
	t->dev->dev.parent = t->parent;
	t->addr = kunit_vm_mmap(test, NULL, 0, RX_BUFS * PAGE_SIZE,
				PROT_READ | PROT_WRITE,
				MAP_ANONYMOUS | MAP_PRIVATE, 0);
	KUNIT_ASSERT_NE(test, t->addr, 0);

	t->mq = mp_sock_alloc(&init_net, NULL);
	KUNIT_ASSERT_NOT_NULL(test, t->mq);
	t->mq->vnet_hdr_sz = RX_HDR;
	t->mq->index = RX_QUEUE;
	t->port.shared.data_len = RX_DATA_LEN;
	t->port.shared.dev = t->dev;
	t->port.shared.drv = &rx_driver_ops;
	t->port.shared.ops = &rx_port_ops;
	rcu_assign_pointer(t->port.queues[RX_QUEUE], t->mq);
	rcu_assign_pointer(t->mq->port, &t->port);
	return 0;
}

/* As others do it, behind the back of who posts */
static void rx_cancel(struct rx_test *t)
{
	rtnl_lock();
	mp_rx_stop(t->mq);
	rtnl_unlock();
}

/* As who posts does it */
static void rx_stop(struct rx_test *t)
{
	t->mq->sock.ops->shutdown(&t->mq->sock, SHUT_RD);
}

static void rx_exit(struct kunit *test)
{
	struct rx_test *t = test->priv;

	if (!t || !t->mq)
		return;
	rtnl_lock();
	mp_rx_unbind(t->mq);
	RCU_INIT_POINTER(t->mq->port, NULL);
	rtnl_unlock();
	sock_put(&t->mq->sk);
}

/* A kernel thread may not post: let it be none. */
static int rx_post_batch(struct kunit *test, struct mpassthru_batch *batch)
{
	unsigned int kthread = current->flags & PF_KTHREAD;
	struct rx_test *t = test->priv;
	int err;

	current->flags &= ~PF_KTHREAD;
	batch->wait = 0;
	err = mp_rx_post(t->mq, batch);
	current->flags |= kthread;
	t->wait = batch->wait;
	return err;
}

static struct mpassthru_chain rx_chain(struct kunit *test, int i,
				       const struct iovec *iov, int n)
{
	struct rx_test *t = test->priv;

	t->res[i] = -EIOCBQUEUED;
	t->iocbs[i].ki_complete = rx_done;
	return (struct mpassthru_chain) {
		.iocb = &t->iocbs[i],
		.iov = iov,
		.nr_segs = n,
		.len = iov_length(iov, n),
	};
}

/* Post @n segments as buffer @i: -EIOCBQUEUED, or why not. */
static int rx_post_segs(struct kunit *test, int i, const struct iovec *iov,
			int n, int hdr)
{
	struct mpassthru_chain chain = rx_chain(test, i, iov, n);
	struct mpassthru_batch batch = {
		.chains = &chain,
		.nr = 1,
		.hdr_len = hdr,
	};
	struct rx_test *t = test->priv;
	int err = rx_post_batch(test, &batch);

	KUNIT_EXPECT_EQ(test, batch.taken, !err);
	return err ?: t->res[i];
}

static void __user *rx_buf(struct kunit *test, int i)
{
	struct rx_test *t = test->priv;

	return (void __user *)(t->addr + i * PAGE_SIZE + 64);
}

static int rx_post(struct kunit *test, int i)
{
	const struct iovec iov = { rx_buf(test, i), RX_HDR + RX_DATA_LEN };

	return rx_post_segs(test, i, &iov, 1, RX_HDR);
}

/* What the NIC does. */
static void rx_receive(struct kunit *test, unsigned int len, unsigned int flags)
{
	struct rx_test *t = test->priv;
	struct mpassthru_rxq *rxq = t->port.shared.rxq[RX_QUEUE];
	dma_addr_t dma;

	KUNIT_ASSERT_NOT_NULL(test, rxq);
	KUNIT_ASSERT_TRUE(test, mpassthru_rx_arm(rxq, &dma));
	mpassthru_rx_fill(rxq, len, flags);
	mpassthru_rx_flush(rxq, 1, true);
}

static int rx_peek(struct rx_test *t)
{
	return t->mq->sock.ops->peek_len(&t->mq->sock);
}

static void rx_completes_in_order(struct kunit *test)
{
	struct rx_test *t = test->priv;
	int i;

	for (i = 0; i < 4; i++)
		KUNIT_EXPECT_EQ(test, rx_post(test, i), -EIOCBQUEUED);
	KUNIT_EXPECT_EQ(test, rx_peek(t), 0);
	for (i = 0; i < 3; i++)
		rx_receive(test, 100 + i, 0);
	/* Who polls has to see that there is something. */
	KUNIT_EXPECT_NE(test, rx_peek(t), 0);
	KUNIT_EXPECT_EQ(test, mp_rx_complete(t->mq, 64), 3);
	KUNIT_EXPECT_EQ(test, rx_peek(t), 0);
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, t->res[i], RX_HDR + 100 + i);

	rx_stop(t);
	KUNIT_EXPECT_EQ(test, t->done, 4);
	KUNIT_EXPECT_EQ(test, t->res[3], -ECANCELED);
	/* Nothing is in use, and nothing is pinned again. */
	KUNIT_EXPECT_EQ(test, t->mq->mem->nr, 4);
	KUNIT_EXPECT_EQ(test, rx_post(test, 0), -EIOCBQUEUED);
	KUNIT_EXPECT_EQ(test, t->mq->mem->misses, 4);
}

/* A driver that reads a length of 0 takes it for one of 4 GB. */
static void rx_bad_frame_is_one_for_nobody(struct kunit *test)
{
	struct virtio_net_hdr_mrg_rxbuf hdr;
	struct rx_test *t = test->priv;
	u8 *data;

	data = kunit_kmalloc(test, PAGE_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, data);
	memset(data, 0xaa, PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, 0, copy_to_user(rx_buf(test, 0), data, 2048));
	KUNIT_EXPECT_EQ(test, rx_post(test, 0), -EIOCBQUEUED);
	rx_receive(test, 1000, MPASSTHRU_RX_BAD);
	KUNIT_EXPECT_EQ(test, mp_rx_complete(t->mq, 64), 1);
	KUNIT_EXPECT_EQ(test, t->res[0], RX_HDR + ETH_ZLEN);
	KUNIT_EXPECT_EQ(test, t->mq->stats.errors, 1);
	KUNIT_EXPECT_EQ(test, t->mq->stats.zerocopy, 0);

	KUNIT_ASSERT_EQ(test, 0, copy_from_user(data, rx_buf(test, 0), 2048));
	memcpy(&hdr, data, sizeof(hdr));
	KUNIT_EXPECT_EQ(test, le16_to_cpu(hdr.num_buffers), 1);
	KUNIT_EXPECT_EQ(test, hdr.hdr.flags, 0);
	KUNIT_EXPECT_NULL(test, memchr_inv(data + RX_HDR, 0, ETH_ZLEN));
	KUNIT_EXPECT_EQ(test, data[RX_HDR + ETH_ZLEN], 0xaa);
}

/* Its memory is gone: that is the guest's own doing. */
static void rx_lost_memory_goes_back_empty(struct kunit *test)
{
	struct rx_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, rx_post(test, 0), -EIOCBQUEUED);
	KUNIT_EXPECT_EQ(test, rx_post(test, 1), -EIOCBQUEUED);
	vm_munmap(t->addr, PAGE_SIZE);
	rx_receive(test, 100, 0);
	rx_receive(test, 100, 0);
	KUNIT_EXPECT_EQ(test, mp_rx_complete(t->mq, 64), 2);
	KUNIT_EXPECT_EQ(test, t->res[0], 0);
	KUNIT_EXPECT_EQ(test, t->res[1], RX_HDR + 100);
	KUNIT_EXPECT_EQ(test, t->mq->stats.errors, 1);
	KUNIT_EXPECT_EQ(test, rx_post(test, 0), -EFAULT);
}

/* The header of another length: not even zero-copy is switched on. */
static void rx_header_of_another_length(struct kunit *test)
{
	const struct iovec iov = { rx_buf(test, 0), 2000 };
	struct rx_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, rx_post_segs(test, 0, &iov, 1, 10), -EAGAIN);
	KUNIT_EXPECT_NULL(test, t->mq->rx);
	KUNIT_EXPECT_EQ(test, rx_post_segs(test, 0, &iov, 1, RX_HDR),
			-EIOCBQUEUED);
	KUNIT_EXPECT_EQ(test, rx_post_segs(test, 1, &iov, 1, 10), -EAGAIN);
}

/* Frames would be lost while it is on. */
static void rx_short_buffer_starts_nothing(struct kunit *test)
{
	struct iovec iov = { rx_buf(test, 0), RX_HDR + RX_DATA_LEN - 1 };
	struct rx_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, rx_post_segs(test, 0, &iov, 1, RX_HDR),
			-EMSGSIZE);
	KUNIT_EXPECT_NULL(test, t->mq->rx);
	iov.iov_len++;
	KUNIT_EXPECT_EQ(test, rx_post_segs(test, 0, &iov, 1, RX_HDR),
			-EIOCBQUEUED);
	KUNIT_EXPECT_NOT_NULL(test, t->mq->rx);
}

/* The header apart, as without mergeable buffers; or split in many. */
static void rx_segments(struct kunit *test)
{
	struct iovec iov[2] = {
		{ rx_buf(test, 0), RX_HDR },
		{ rx_buf(test, 1), RX_DATA_LEN },
	};
	struct rx_test *t = test->priv;
	struct iovec many[RX_HDR + 2];
	int i;

	for (i = 0; i < RX_HDR; i++) {
		many[i].iov_base = rx_buf(test, 2) + 2 * i;
		many[i].iov_len = 1;
	}
	many[i].iov_base = rx_buf(test, 3);
	many[i++].iov_len = 1000;
	many[i].iov_base = rx_buf(test, 4);
	many[i++].iov_len = 1000;

	KUNIT_EXPECT_EQ(test, rx_post_segs(test, 0, iov, 2, RX_HDR),
			-EIOCBQUEUED);
	KUNIT_EXPECT_EQ(test, rx_post_segs(test, 1, iov, 2, RX_HDR),
			-EIOCBQUEUED);
	KUNIT_EXPECT_EQ(test, t->mq->mem->misses, 1);
	KUNIT_EXPECT_EQ(test, rx_post_segs(test, 2, many, i, RX_HDR),
			-EIOCBQUEUED);
	for (i = 0; i < 3; i++)
		rx_receive(test, 1200, 0);
	KUNIT_EXPECT_EQ(test, mp_rx_complete(t->mq, 64), 3);
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, t->res[i], RX_HDR + 1200);
	KUNIT_EXPECT_EQ(test, t->mq->stats.zerocopy, 2);
	KUNIT_EXPECT_EQ(test, t->mq->stats.bounced[MP_BOUNCE_FRAG], 1);
}

/* Some are there already, others have to be pinned or bounced, one is not
 * there, one is too short: each in its place, and none behind that.
 */
static void rx_batch(struct kunit *test)
{
	struct rx_test *t = test->priv;
	struct mpassthru_chain chains[10];
	struct mpassthru_batch batch = {
		.chains = chains,
		.nr = 10,
		.hdr_len = RX_HDR,
	};
	struct iovec iov[11];
	int i;

	for (i = 0; i < 10; i++) {
		iov[i].iov_base = rx_buf(test, i < 3 ? 0 : i);
		iov[i].iov_len = RX_HDR + RX_DATA_LEN;
		chains[i] = rx_chain(test, i, &iov[i], 1);
	}
	vm_munmap(t->addr + 4 * PAGE_SIZE, PAGE_SIZE);
	/* The frame lies in two segments. */
	iov[9].iov_len = 1000;
	iov[10].iov_base = rx_buf(test, 10);
	iov[10].iov_len = 1000;
	chains[6] = rx_chain(test, 6, &iov[9], 2);
	iov[8].iov_len--;
	chains[8] = rx_chain(test, 8, &iov[8], 1);

	/* Zero-copy is not switched on for what is in front of that. */
	KUNIT_EXPECT_EQ(test, rx_post_batch(test, &batch), -EMSGSIZE);
	KUNIT_EXPECT_EQ(test, batch.taken, 0);
	KUNIT_EXPECT_NULL(test, t->mq->rx);
	KUNIT_EXPECT_EQ(test, rx_post(test, 11), -EIOCBQUEUED);
	rx_receive(test, 100, 0);
	KUNIT_EXPECT_EQ(test, mp_rx_complete(t->mq, 64), 1);
	KUNIT_EXPECT_EQ(test, t->done, 1);

	KUNIT_EXPECT_EQ(test, rx_post_batch(test, &batch), -EMSGSIZE);
	KUNIT_EXPECT_EQ(test, batch.taken, 8);
	/* Done with at once */
	KUNIT_EXPECT_EQ(test, t->res[4], -EFAULT);
	KUNIT_EXPECT_EQ(test, t->done, 2);
	/* The page of the first three was pinned once. */
	KUNIT_EXPECT_EQ(test, t->mq->mem->nr, 5);
	for (i = 0; i < 7; i++)
		rx_receive(test, 100 + i, 0);
	KUNIT_EXPECT_EQ(test, mp_rx_complete(t->mq, 64), 7);
	for (i = 0; i < 8; i++)
		if (i != 4)
			KUNIT_EXPECT_EQ(test, t->res[i],
					RX_HDR + 100 + i - (i > 4));
	KUNIT_EXPECT_EQ(test, t->mq->stats.zerocopy, 7);
	KUNIT_EXPECT_EQ(test, t->mq->stats.bounced[MP_BOUNCE_FRAG], 1);
	KUNIT_EXPECT_EQ(test, t->res[8], -EIOCBQUEUED);

	/* All at once, and none. */
	batch.nr = 4;
	KUNIT_EXPECT_EQ(test, rx_post_batch(test, &batch), 0);
	KUNIT_EXPECT_EQ(test, batch.taken, 4);
	batch.hdr_len = 10;
	KUNIT_EXPECT_EQ(test, rx_post_batch(test, &batch), -EAGAIN);
	KUNIT_EXPECT_EQ(test, batch.taken, 0);
}

/* The FIFO is full within a batch. */
static void rx_batch_full(struct kunit *test)
{
	static struct mpassthru_chain chains[RX_BUFS];
	struct mpassthru_batch batch = {
		.chains = chains,
		.nr = RX_BUFS,
		.hdr_len = RX_HDR,
	};
	const struct iovec iov = { rx_buf(test, 0), RX_HDR + RX_DATA_LEN };
	struct rx_test *t = test->priv;
	int i;

	KUNIT_EXPECT_EQ(test, rx_post(test, 0), -EIOCBQUEUED);
	for (i = 0; i < RX_BUFS; i++)
		chains[i] = rx_chain(test, i, &iov, 1);
	for (i = 1; i < 1024 / RX_BUFS; i++) {
		KUNIT_EXPECT_EQ(test, rx_post_batch(test, &batch), 0);
		KUNIT_EXPECT_EQ(test, batch.taken, RX_BUFS);
	}
	KUNIT_EXPECT_EQ(test, rx_post_batch(test, &batch), -ENOBUFS);
	KUNIT_EXPECT_EQ(test, batch.taken, RX_BUFS - 1);
	KUNIT_EXPECT_EQ(test, t->mq->stats.posted, 1024);
	KUNIT_EXPECT_EQ(test, rx_post_batch(test, &batch), -ENOBUFS);
	KUNIT_EXPECT_EQ(test, batch.taken, 0);
	rx_stop(t);
	KUNIT_EXPECT_EQ(test, t->done, 1024);
}

/* Who stops and starts in a loop is put off. */
static void rx_starts_are_limited(struct kunit *test)
{
	struct rx_test *t = test->priv;
	int i;

	for (i = 0; i < 100 && rx_post(test, i % RX_BUFS) == -EIOCBQUEUED; i++)
		rx_stop(t);
	KUNIT_EXPECT_GE(test, i, 8);
	KUNIT_EXPECT_LT(test, i, 20);
	KUNIT_EXPECT_EQ(test, t->mq->stats.deferred, 1);
	KUNIT_EXPECT_NULL(test, t->mq->rx);
	KUNIT_EXPECT_NE(test, t->wait, 0);
	KUNIT_EXPECT_LE(test, t->wait, HZ / 4);
	KUNIT_EXPECT_EQ(test, t->mq->copying.why, MP_COPY_OFTEN);
	msleep(300);
	KUNIT_EXPECT_EQ(test, rx_post(test, 0), -EIOCBQUEUED);
}

/* Its buffers go back, and none are taken until it is attached. */
static void rx_detached_takes_nothing(struct kunit *test)
{
	struct rx_test *t = test->priv;
	int i;

	KUNIT_EXPECT_EQ(test, rx_post(test, 0), -EIOCBQUEUED);
	rtnl_lock();
	mp_port_attach_queue(t->mq, false);
	rtnl_unlock();
	KUNIT_EXPECT_EQ(test, t->res[0], -ECANCELED);
	KUNIT_EXPECT_NULL(test, t->mq->rx);
	/* What was cancelled is no reason any more. */
	rx_stop(t);
	for (i = 0; i < 100; i++)
		KUNIT_EXPECT_EQ(test, rx_post(test, 0), -EAGAIN);
	/* That was no start. */
	KUNIT_EXPECT_EQ(test, t->mq->stats.deferred, 0);

	rtnl_lock();
	mp_port_attach_queue(t->mq, true);
	rtnl_unlock();
	KUNIT_EXPECT_EQ(test, rx_post(test, 0), -EIOCBQUEUED);
}

/* Who posts takes back all that is behind what was cancelled: frames in it
 * would be lost.
 */
static void rx_nothing_behind_what_was_cancelled(struct kunit *test)
{
	struct rx_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, rx_post(test, 0), -EIOCBQUEUED);
	rx_cancel(t);
	KUNIT_EXPECT_EQ(test, t->res[0], -ECANCELED);
	KUNIT_EXPECT_EQ(test, rx_post(test, 1), -EAGAIN);
	KUNIT_EXPECT_NULL(test, t->mq->rx);
	rx_stop(t);
	KUNIT_EXPECT_EQ(test, rx_post(test, 1), -EIOCBQUEUED);
	/* Nothing was outstanding, nothing is to be noticed. */
	rx_receive(test, 100, 0);
	KUNIT_EXPECT_EQ(test, mp_rx_complete(t->mq, 64), 1);
	rx_cancel(t);
	KUNIT_EXPECT_EQ(test, rx_post(test, 2), -EIOCBQUEUED);
}

/* Zero-copy that fails is put off */

/* Also beyond 32 bits of jiffies. */
static void rx_backoff_grows_to_its_limit(struct kunit *test)
{
	unsigned int want = HZ;
	struct mp_backoff b = {};
	u64 now = U32_MAX - 10;
	int i;

	for (i = 0; i < 10; i++) {
		KUNIT_EXPECT_EQ(test, mp_backoff_left(&b, now), 0);
		KUNIT_EXPECT_TRUE(test, mp_backoff_fail(&b, now));
		KUNIT_EXPECT_EQ(test, mp_backoff_left(&b, now), want);
		/* Whoever asks meanwhile draws nothing out. */
		now += want - 1;
		KUNIT_EXPECT_EQ(test, mp_backoff_left(&b, now), 1);
		KUNIT_EXPECT_FALSE(test, mp_backoff_fail(&b, now));
		KUNIT_EXPECT_EQ(test, mp_backoff_left(&b, now), 1);
		now++;
		want = min(2 * want, 64 * HZ);
	}
	/* Nor is a long time without a try a success. */
	now += 1000 * HZ;
	mp_backoff_end(&b, now);
	KUNIT_EXPECT_TRUE(test, mp_backoff_fail(&b, now));
	KUNIT_EXPECT_EQ(test, mp_backoff_left(&b, now), 64 * HZ);
}

/* Fails until it is put off for @wait. */
static void rx_backoff_to(struct kunit *test, struct mp_backoff *b,
			  unsigned int wait, u64 *now)
{
	memset(b, 0, sizeof(*b));
	while (b->wait < wait) {
		*now += b->wait;
		KUNIT_ASSERT_TRUE(test, mp_backoff_fail(b, *now));
	}
	KUNIT_EXPECT_EQ(test, b->wait, wait);
}

static void rx_backoff_forgets_after_success(struct kunit *test)
{
	u64 now = get_jiffies_64();
	struct mp_backoff b;

	/* For as long as it was put off last, to the end or until it fails. */
	rx_backoff_to(test, &b, 16 * HZ, &now);
	mp_backoff_begin(&b, now);
	KUNIT_EXPECT_EQ(test, mp_backoff_left(&b, now), 0);
	mp_backoff_end(&b, now + 16 * HZ - 1);
	KUNIT_EXPECT_TRUE(test, mp_backoff_fail(&b, now));
	KUNIT_EXPECT_EQ(test, b.wait, 32 * HZ);
	mp_backoff_begin(&b, now);
	KUNIT_EXPECT_TRUE(test, mp_backoff_fail(&b, now + 32 * HZ));
	KUNIT_EXPECT_EQ(test, b.wait, HZ);

	/* But not for a moment: then who fails each second would always wait
	 * for one only.
	 */
	rx_backoff_to(test, &b, HZ, &now);
	mp_backoff_begin(&b, now);
	KUNIT_EXPECT_TRUE(test, mp_backoff_fail(&b, now + HZ));
	KUNIT_EXPECT_EQ(test, b.wait, 2 * HZ);

	/* What ends because it failed did not succeed after that. */
	rx_backoff_to(test, &b, 8 * HZ, &now);
	mp_backoff_begin(&b, now);
	KUNIT_EXPECT_TRUE(test, mp_backoff_fail(&b, now));
	mp_backoff_end(&b, now + 100 * HZ);
	KUNIT_EXPECT_EQ(test, b.wait, 16 * HZ);
}

static int rx_post_short(struct kunit *test)
{
	const struct iovec iov = {
		rx_buf(test, 0), RX_HDR + RX_DATA_LEN - 1
	};

	return rx_post_segs(test, RX_BUFS - 1, &iov, 1, RX_HDR);
}

/* Have it waited for as long as it is put off. */
static void rx_wait(struct kunit *test)
{
	struct rx_test *t = test->priv;

	KUNIT_EXPECT_NE(test, t->wait, 0);
	t->mq->copying.backoff.until = get_jiffies_64();
}

/* Is it put off for @wait?  It may have gone on for a moment. */
static void rx_is_put_off(struct kunit *test, unsigned int wait, int fails)
{
	struct rx_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, t->mq->copying.backoff.wait, wait);
	KUNIT_EXPECT_LE(test, t->wait, wait);
	KUNIT_EXPECT_GE(test, t->wait, wait - HZ / 2);
	KUNIT_EXPECT_EQ(test, t->mq->copying.why, MP_COPY_SHORT);
	KUNIT_EXPECT_EQ(test, t->mq->stats.failed, fails);
}

static void rx_short_is_put_off(struct kunit *test)
{
	struct rx_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, rx_post_short(test), -EMSGSIZE);
	rx_is_put_off(test, HZ, 1);
	/* A poster that starts anew has not tried again. */
	KUNIT_EXPECT_EQ(test, rx_post_short(test), -EMSGSIZE);
	rx_stop(t);
	KUNIT_EXPECT_EQ(test, rx_post_short(test), -EMSGSIZE);
	rx_is_put_off(test, HZ, 1);
	rx_wait(test);
	KUNIT_EXPECT_EQ(test, rx_post_short(test), -EMSGSIZE);
	rx_is_put_off(test, 2 * HZ, 2);
	rx_wait(test);

	/* Amid what would do: zero-copy was on, but not for long. */
	KUNIT_EXPECT_EQ(test, rx_post(test, 0), -EIOCBQUEUED);
	KUNIT_EXPECT_EQ(test, t->wait, 0);
	KUNIT_EXPECT_EQ(test, rx_post_short(test), -EMSGSIZE);
	rx_stop(t);
	rx_is_put_off(test, 4 * HZ, 3);
	rx_wait(test);

	/* It is, which outlives the stop. */
	KUNIT_EXPECT_EQ(test, rx_post(test, 0), -EIOCBQUEUED);
	t->mq->copying.backoff.since -= 4 * HZ;
	rx_stop(t);
	KUNIT_EXPECT_EQ(test, rx_post_short(test), -EMSGSIZE);
	rx_is_put_off(test, HZ, 4);
}

/* The driver behind the firmware is let in at once.  Who restarts in a loop is
 * limited as others are, and gets no shorter wait by it.
 */
static void rx_restarts_are_let_in(struct kunit *test)
{
	struct rx_test *t = test->priv;
	unsigned int wait = HZ;
	int i;

	KUNIT_EXPECT_EQ(test, rx_post_short(test), -EMSGSIZE);
	for (i = 0; i < 20 && rx_post(test, 0) == -EIOCBQUEUED; i++) {
		KUNIT_EXPECT_EQ(test, rx_post_short(test), -EMSGSIZE);
		rx_stop(t);
		wait = min(2 * wait, 64 * HZ);
		rx_is_put_off(test, wait, i + 2);
	}
	KUNIT_EXPECT_GE(test, i, 8);
	KUNIT_EXPECT_LT(test, i, 20);
	KUNIT_EXPECT_EQ(test, t->mq->stats.deferred, 1);
	KUNIT_EXPECT_NE(test, t->wait, 0);
	KUNIT_EXPECT_LE(test, t->wait, HZ / 4);
	KUNIT_EXPECT_EQ(test, t->mq->copying.why, MP_COPY_OFTEN);
	KUNIT_EXPECT_NULL(test, t->mq->rx);
	/* Nor does that end what short buffers wait for. */
	KUNIT_EXPECT_EQ(test, rx_post_short(test), -EMSGSIZE);
	rx_is_put_off(test, 64 * HZ, i + 1);
}

/* The log tells of a guest that had short buffers for long, once. */
static void rx_short_is_told(struct kunit *test)
{
	struct rx_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, rx_post_short(test), -EMSGSIZE);
	KUNIT_EXPECT_FALSE(test, t->mq->copying.told);
	t->mq->copying.short_since -= 119 * HZ;
	KUNIT_EXPECT_EQ(test, rx_post_short(test), -EMSGSIZE);
	KUNIT_EXPECT_FALSE(test, t->mq->copying.told);

	/* Not where zero-copy was on in between */
	KUNIT_EXPECT_EQ(test, rx_post(test, 0), -EIOCBQUEUED);
	rx_stop(t);
	KUNIT_EXPECT_EQ(test, t->mq->copying.short_since, 0);
	KUNIT_EXPECT_EQ(test, rx_post_short(test), -EMSGSIZE);
	t->mq->copying.short_since -= 119 * HZ;
	KUNIT_EXPECT_EQ(test, rx_post_short(test), -EMSGSIZE);
	KUNIT_EXPECT_FALSE(test, t->mq->copying.told);
	t->mq->copying.short_since -= HZ;
	KUNIT_EXPECT_EQ(test, rx_post_short(test), -EMSGSIZE);
	KUNIT_EXPECT_TRUE(test, t->mq->copying.told);
}

/* What buffers were long enough for, they are not with a larger MTU. */
static void rx_resized(struct kunit *test)
{
	struct iovec iov = {
		rx_buf(test, 0), RX_HDR + mpassthru_data_len(ETH_DATA_LEN)
	};
	struct rx_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, rx_post(test, 0), -EIOCBQUEUED);
	rtnl_lock();
	mp_rx_resize(t->mq);
	netdev_mp_port_len(&t->port.shared, 9000);
	rtnl_unlock();
	KUNIT_EXPECT_EQ(test, t->res[0], -ECANCELED);
	KUNIT_EXPECT_NULL(test, t->port.shared.rxq[RX_QUEUE]);
	rx_stop(t);

	KUNIT_EXPECT_EQ(test, rx_post_segs(test, 0, &iov, 1, RX_HDR),
			-EMSGSIZE);
	KUNIT_EXPECT_NULL(test, t->mq->rx);
	KUNIT_EXPECT_EQ(test, t->mq->copying.why, MP_COPY_MTU);
	KUNIT_EXPECT_EQ(test, t->wait, HZ);
	rx_wait(test);
	KUNIT_EXPECT_EQ(test, rx_post_segs(test, 0, &iov, 1, RX_HDR),
			-EMSGSIZE);
	KUNIT_EXPECT_EQ(test, t->wait, 2 * HZ);
	/* That one is too short for any. */
	KUNIT_EXPECT_EQ(test, rx_post_short(test), -EMSGSIZE);
	KUNIT_EXPECT_EQ(test, t->mq->copying.why, MP_COPY_SHORT);

	rtnl_lock();
	mp_rx_resize(t->mq);
	netdev_mp_port_len(&t->port.shared, ETH_DATA_LEN);
	rtnl_unlock();
	KUNIT_EXPECT_EQ(test, t->mq->copying.backoff.wait, 0);
	KUNIT_EXPECT_EQ(test, t->mq->copying.why, MP_COPY_UNPOSTED);
	KUNIT_EXPECT_EQ(test, rx_post_segs(test, 0, &iov, 1, RX_HDR),
			-EIOCBQUEUED);
	KUNIT_EXPECT_EQ(test, t->mq->copying.why, MP_COPY_UNPOSTED);
}

/* Over several pages, which are neighbours only by chance. */
static void rx_long_frames(struct kunit *test)
{
	struct iovec iov = {
		rx_buf(test, 0), RX_HDR + mpassthru_data_len(9000)
	};
	struct rx_test *t = test->priv;
	int i;

	netdev_mp_port_len(&t->port.shared, 9000);
	iov.iov_len--;
	KUNIT_EXPECT_EQ(test, rx_post_segs(test, 0, &iov, 1, RX_HDR),
			-EMSGSIZE);
	KUNIT_EXPECT_EQ(test, t->mq->copying.why, MP_COPY_MTU);
	iov.iov_len++;

	/* Twice at each place: what has to be pinned, and what is.  The last
	 * begin at the end of a page.
	 */
	for (i = 0; i < 8; i++) {
		iov.iov_base = rx_buf(test, i / 2 * 4);
		if (i >= 4)
			iov.iov_base += PAGE_SIZE - 64 - RX_HDR - 1;
		KUNIT_EXPECT_EQ(test, rx_post_segs(test, i, &iov, 1, RX_HDR),
				-EIOCBQUEUED);
	}
	for (i = 0; i < 7; i++)
		rx_receive(test, i % 2 ? 9022 - i : 60 + i, 0);
	KUNIT_EXPECT_EQ(test, mp_rx_complete(t->mq, 64), 7);
	for (i = 0; i < 7; i++)
		KUNIT_EXPECT_EQ(test, t->res[i],
				RX_HDR + (i % 2 ? 9022 - i : 60 + i));
	KUNIT_EXPECT_EQ(test, t->mq->stats.errors, 0);
	KUNIT_EXPECT_EQ(test, t->mq->stats.zerocopy +
			      t->mq->stats.bounced[MP_BOUNCE_CROSS], 7);
	rx_stop(t);
	KUNIT_EXPECT_EQ(test, t->res[7], -ECANCELED);
}

/* They would need more pages than a slot has: nothing is posted. */
static void rx_too_long_frames(struct kunit *test)
{
	const struct iovec iov = { rx_buf(test, 0), 32 * PAGE_SIZE };
	struct rx_test *t = test->priv;

	netdev_mp_port_len(&t->port.shared, 16 * PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, rx_post_segs(test, 0, &iov, 1, RX_HDR),
			-EMSGSIZE);
	KUNIT_EXPECT_NULL(test, t->mq->rx);
	KUNIT_EXPECT_EQ(test, t->mq->copying.why, MP_COPY_MTU);
}

/* A frame waits, for which a reader comes that has @room bytes. */
static void rx_read(struct kunit *test, size_t room)
{
	struct rx_test *t = test->priv;
	struct msghdr msg = {};
	struct sk_buff *skb;
	struct kvec vec;
	u8 data[8];

	skb = alloc_skb(ETH_ZLEN, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, skb);
	skb_put_zero(skb, ETH_ZLEN);
	skb_queue_tail(&t->mq->sk.sk_receive_queue, skb);
	vec.iov_base = data;
	vec.iov_len = room;
	iov_iter_kvec(&msg.msg_iter, ITER_DEST, &vec, 1, room);
	KUNIT_EXPECT_EQ(test, -EINVAL,
			t->mq->sock.ops->recvmsg(&t->mq->sock, &msg, room,
						 MSG_DONTWAIT | MSG_TRUNC));
}

/* The log tells of a frame that the guest has no buffers for, once. */
static void rx_lost_is_told(struct kunit *test)
{
	struct rx_test *t = test->priv;

	/* A program that reads a header's first bytes is its own doing. */
	rx_read(test, 8);
	KUNIT_EXPECT_FALSE(test, t->mq->copying.told_lost);
	/* As vhost-net does. */
	rx_read(test, 1);
	KUNIT_EXPECT_TRUE(test, t->mq->copying.told_lost);
	KUNIT_EXPECT_EQ(test, atomic64_read(&t->mq->stats.dropped), 2);
}

static struct kunit_case rx_cases[] = {
	KUNIT_CASE(rx_completes_in_order),
	KUNIT_CASE(rx_bad_frame_is_one_for_nobody),
	KUNIT_CASE(rx_lost_memory_goes_back_empty),
	KUNIT_CASE(rx_header_of_another_length),
	KUNIT_CASE(rx_short_buffer_starts_nothing),
	KUNIT_CASE(rx_segments),
	KUNIT_CASE(rx_batch),
	KUNIT_CASE(rx_batch_full),
	KUNIT_CASE(rx_starts_are_limited),
	KUNIT_CASE(rx_detached_takes_nothing),
	KUNIT_CASE(rx_nothing_behind_what_was_cancelled),
	KUNIT_CASE(rx_backoff_grows_to_its_limit),
	KUNIT_CASE(rx_backoff_forgets_after_success),
	KUNIT_CASE(rx_short_is_put_off),
	KUNIT_CASE(rx_restarts_are_let_in),
	KUNIT_CASE(rx_short_is_told),
	KUNIT_CASE(rx_resized),
	KUNIT_CASE(rx_long_frames),
	KUNIT_CASE(rx_too_long_frames),
	KUNIT_CASE(rx_lost_is_told),
	{}
};

static struct kunit_suite rx_suite = {
	.name		= "mpassthru_rx",
	.init		= rx_init,
	.exit		= rx_exit,
	.test_cases	= rx_cases,
};

kunit_test_suites(&port_suite, &tap_suite, &fifo_suite, &cache_suite,
		  &rx_suite);

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("KUnit tests of mpassthru");
