/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VHOST_MPASSTHRU_PORT_H
#define _VHOST_MPASSTHRU_PORT_H

#include <linux/mpassthru.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>

#include "mpassthru.h"

/**
 * struct mp_how - how to bind a queue of a network device
 * @index: of the queue, or MP_QUEUE_NEXT: the first that is free
 * @multi: others may have other queues of the device, if they say so, too
 * @filter: the device is not promiscuous: it receives what is for it and for
 *	groups
 * @addr: and what is for this address, if it is not 0
 */
struct mp_how {
	unsigned int	index;
	bool		multi;
	bool		filter;
	u8		addr[ETH_ALEN];
};

/**
 * struct mp_port - a network device of which at least one queue is bound
 * @shared: what driver and net core see of it
 * @dev_tracker: of the reference on the device, &mpassthru_port.dev of @shared
 * @how: of its first queue: is it shared, what does it receive.  Constant.
 * @queue_full: when queues may be turned on and off several times in a row
 *	again, in jiffies, see mp_port_turn().  RTNL.
 * @tx_held_until: skbs are sent until then, in jiffies, as the NIC was reset;
 *	or 0, see mp_port_hold()
 * @queues: the descriptors, by the index of the queue that each has.  Written
 *	under RTNL.
 *
 * Made when the first descriptor binds a queue of the device, and freed when
 * the last one is unbound, both under RTNL.  Who finds it otherwise does so in
 * an RCU read side, by &net_device.mp_port or &mp_queue.port, and it is freed a
 * grace period after these have been cleared.
 */
struct mp_port {
	struct mpassthru_port	shared;
	netdevice_tracker	dev_tracker;
	struct mp_how		how;
	u64			queue_full;
	unsigned long		tx_held_until;
	struct mp_queue __rcu	*queues[MPASSTHRU_QUEUES];
};

/* &mp_how.index */
#define MP_QUEUE_NEXT	MPASSTHRU_QUEUES

int mp_port_bind(struct mp_queue *mq, struct net_device *dev,
		 const struct mp_how *how, struct netlink_ext_ack *extack);
int mp_port_unbind(struct mp_queue *mq);
void mp_port_set_features(struct mp_queue *mq, netdev_features_t features);
unsigned long mp_port_turn(struct mp_port *port, unsigned long which);
unsigned long mp_port_attach_queue(struct mp_queue *mq, bool attached);
void mp_port_hold(struct mp_port *port);
bool mp_port_is_held(struct mp_port *port);
int mp_port_init(void);
void mp_port_exit(void);

/**
 * mp_queue_dev - the device of which a queue is bound
 * @mq: queue
 *
 * Context: RTNL held, or RCU read side.
 * Return: the device, valid for as long as that lasts; NULL when none is bound
 */
static inline struct net_device *mp_queue_dev(const struct mp_queue *mq)
{
	struct mp_port *port = rcu_dereference_rtnl(mq->port);

	return port ? port->shared.dev : NULL;
}

#endif /* _VHOST_MPASSTHRU_PORT_H */
