// SPDX-License-Identifier: GPL-2.0-only
/*
 * MPASSTHRU_BINDDEV and MPASSTHRU_UNBINDDEV, and TUNSETIFF, which binds, too:
 * what user space asks, and what it is told.  The rest is in mpassthru_port.c.
 */

#include <linux/capability.h>
#include <linux/net.h>
#include <linux/pm_runtime.h>
#include <linux/rtnetlink.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <uapi/linux/mpassthru.h>

#include "mpassthru.h"
#include "mpassthru_port.h"

/* @parent was resumed, and is that of the device, if the name is still its. */
static int mp_bind_name(struct mp_queue *mq, const char *ifname,
			const struct mp_how *how, struct device *parent,
			struct netlink_ext_ack *extack)
{
	struct net_device *dev;

	ASSERT_RTNL();

	dev = mp_queue_dev(mq);
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

	return mp_port_bind(mq, dev, how, extack);
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
			   const struct mp_how *how,
			   struct netlink_ext_ack *extack)
{
	struct device *parent = mp_parent(mq, ifname);
	int err;

	/* Whether it works is seen by netif_device_present(). */
	if (parent)
		pm_runtime_get_sync(parent);
	rtnl_lock();
	err = mp_bind_name(mq, ifname, how, parent, extack);
	rtnl_unlock();
	if (parent)
		pm_runtime_put(parent);
	put_device(parent);

	return err;
}

static int mp_bind_allowed(struct mp_queue *mq, const char *ifname,
			   const struct mp_how *how,
			   struct netlink_ext_ack *extack)
{
	int err;

	if (!ns_capable(sock_net(&mq->sk)->user_ns, CAP_NET_ADMIN)) {
		NL_SET_ERR_MSG(extack,
			       "binding needs CAP_NET_ADMIN in the network namespace");
		return -EPERM;
	}

	err = mp_bind_resumed(mq, ifname, how, extack);
	/* vhost-net may be waiting for the device to come back. */
	if (!err)
		mq->sk.sk_data_ready(&mq->sk);
	return err;
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

static int mp_bind_check(const struct mpassthru_bind *bind,
			 struct netlink_ext_ack *extack)
{
	bool filter = bind->flags & MPASSTHRU_FILTER;

	if (bind->flags & ~(MPASSTHRU_MULTI_QUEUE | MPASSTHRU_FILTER) ||
	    memchr_inv(bind->reserved, 0, sizeof(bind->reserved)) ||
	    strnlen(bind->ifname, sizeof(bind->ifname)) ==
	    sizeof(bind->ifname)) {
		NL_SET_ERR_MSG(extack,
			       "other flags and reserved fields must be 0, the name NUL terminated");
		return -EINVAL;
	}
	if (bind->queue >= MPASSTHRU_QUEUES) {
		NL_SET_ERR_MSG_FMT(extack, "no device has a queue %u",
				   bind->queue);
		return -EINVAL;
	}
	if (memchr_inv(bind->addr, 0, sizeof(bind->addr)) &&
	    (!filter || bind->addr[0] & 1)) {
		NL_SET_ERR_MSG(extack,
			       "an address is for MPASSTHRU_FILTER, and of no group");
		return -EINVAL;
	}
	return 0;
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
 * * -EINVAL: reserved fields or unknown flags are set, the name does not end,
 *   the address is a group's or not asked for, the device has no such queue, or
 *   its driver reports buffers that make no sense
 * * -EPERM: no CAP_NET_ADMIN over the network namespace of the open()
 * * -ENODEV: no such device in that namespace, or it is not present
 * * -EBUSY: the queue or the descriptor is bound, or the device and not to be
 *   shared, or it is used by a bridge, bond, XDP program, AF_XDP, ...
 * * -EOPNOTSUPP: the driver has no mpassthru port, or one that we cannot use
 * * -ENOMEM: no memory
 * * any other error of the driver's, or of dev_set_promiscuity()
 */
int mp_bind(struct mp_queue *mq, struct mpassthru_bind __user *argp)
{
	struct netlink_ext_ack extack = {};
	struct mpassthru_bind bind;
	struct mp_how how = {};
	int err;

	if (copy_from_user(&bind, argp, sizeof(bind)))
		return -EFAULT;

	how.index = bind.queue;
	how.multi = bind.flags & MPASSTHRU_MULTI_QUEUE;
	how.filter = bind.flags & MPASSTHRU_FILTER;
	memcpy(how.addr, bind.addr, sizeof(how.addr));
	err = mp_bind_check(&bind, &extack);
	if (!err)
		err = mp_bind_allowed(mq, bind.ifname, &how, &extack);
	if (err)
		mp_put_msg(&bind, &extack);
	return err;
}

/* -ENOTCONN: no device is bound. */
static int mp_bound_to(struct mp_queue *mq, const char *ifname)
{
	int err = -ENOTCONN;
	struct net_device *dev;

	rtnl_lock();
	dev = mp_queue_dev(mq);
	if (dev)
		err = !*ifname || !strcmp(ifname, dev->name) ? 0 : -EEXIST;
	rtnl_unlock();

	return err;
}

/**
 * mp_bind_iff - TUNSETIFF: bind a network device, as a tap is made
 * @mq: queue
 * @ifname: name of the device; of a tap it would be that of a new one
 * @multi: others may have queues of it: bind the first that nobody has.  Else
 *	bind queue 0, and nobody has another.
 *
 * On a descriptor that is bound it only compares the name, so that a program
 * that was given it can go on as with a tap.  There is no place for the text of
 * a failure but the log.  The device is promiscuous.
 *
 * Context: process, takes RTNL.
 * Return: 0; -EEXIST when another device is bound; -ENODEV when none is and
 * there is no such device, as with an empty name or "tap%d"; else as mp_bind()
 */
int mp_bind_iff(struct mp_queue *mq, const char *ifname, bool multi)
{
	const struct mp_how how = {
		.index = multi ? MP_QUEUE_NEXT : 0, .multi = multi,
	};
	struct netlink_ext_ack extack = {};
	int err;

	err = mp_bound_to(mq, ifname);
	if (err != -ENOTCONN)
		return err;
	if (!*ifname)
		return -ENODEV;

	err = mp_bind_allowed(mq, ifname, &how, &extack);
	/* Anybody may try. */
	if (err && err != -EPERM)
		net_notice_ratelimited("mpassthru: process %d cannot bind %*pE: %s (%d)\n",
				       task_tgid_nr(current),
				       (int)strlen(ifname), ifname,
				       extack._msg ?: "-", err);
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
	int err;

	rtnl_lock();
	err = mp_port_unbind(mq);
	rtnl_unlock();

	return err;
}
