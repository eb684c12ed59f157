// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of a tap: what QEMU asks of the descriptor that it is given as
 * one, see net/tap.c and net/tap-linux.c there.
 */

#include <linux/capability.h>
#include <linux/if_tun.h>
#include <linux/module.h>
#include <linux/rtnetlink.h>
#include <linux/uaccess.h>
#include <linux/virtio_net.h>

#include "../net/tun_vnet.h"
#include "mpassthru.h"
#include "mpassthru_port.h"

#define MP_IFF_FLAGS	(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)
#define MP_TUN_OFFLOADS	(TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | \
			 TUN_F_TSO_ECN | TUN_F_UFO | TUN_F_USO4 | TUN_F_USO6)

/* The longest header that virtio-net defines has 24 bytes; some to spare. */
#define MP_VNET_HDR_MAX	64

static int mp_get_iff(struct mp_queue *mq, struct ifreq __user *ifr)
{
	char name[IFNAMSIZ] = {};
	short flags = MP_IFF_FLAGS;
	struct mp_port *port;

	rtnl_lock();
	port = rtnl_dereference(mq->port);
	if (port) {
		strscpy(name, port->shared.dev->name);
		if (port->multi)
			flags |= IFF_MULTI_QUEUE;
		if (mq->detached)
			flags |= IFF_DETACH_QUEUE;
	}
	rtnl_unlock();

	if (!port)
		return -ENOTCONN;
	if (copy_to_user(&ifr->ifr_name, name, sizeof(name)) ||
	    put_user(flags, &ifr->ifr_flags))
		return -EFAULT;
	return 0;
}

static int mp_set_iff(struct mp_queue *mq, struct ifreq __user *ifr)
{
	char name[IFNAMSIZ];
	u16 flags;
	int err;

	if (get_user(flags, &ifr->ifr_flags) ||
	    copy_from_user(name, &ifr->ifr_name, sizeof(name)))
		return -EFAULT;
	name[IFNAMSIZ - 1] = '\0';

	/* The format is fixed; the other flag has had no meaning for long. */
	if ((flags & ~(IFF_MULTI_QUEUE | IFF_ONE_QUEUE)) != MP_IFF_FLAGS)
		return -EINVAL;
	err = mp_bind_iff(mq, name, flags & IFF_MULTI_QUEUE);
	/* Who gave no name learns it. */
	return err ?: mp_get_iff(mq, ifr);
}

/* Unlike tun's it does not fail when the queue is as it shall be, or its device
 * has gone: QEMU takes a failure for a bug and ends, and its guest says when it
 * is called.  A guest that says so too often waits, without RTNL.
 */
static int mp_set_queue(struct mp_queue *mq, struct ifreq __user *ifr)
{
	unsigned long wait;
	u16 flags;

	if (get_user(flags, &ifr->ifr_flags))
		return -EFAULT;
	if (flags != IFF_ATTACH_QUEUE && flags != IFF_DETACH_QUEUE)
		return -EINVAL;

	for (;;) {
		rtnl_lock();
		wait = mp_port_attach_queue(mq, flags == IFF_ATTACH_QUEUE);
		rtnl_unlock();
		if (!wait)
			return 0;
		schedule_timeout_killable(wait);
		if (fatal_signal_pending(current))
			return -EINTR;
	}
}

static int mp_set_offload(struct mp_queue *mq, unsigned long arg)
{
	netdev_features_t features = 0;

	if (arg & ~MP_TUN_OFFLOADS)
		return -EINVAL;

	if (arg & TUN_F_CSUM) {
		features = NETIF_F_HW_CSUM;
		if (arg & TUN_F_TSO4)
			features |= NETIF_F_TSO;
		if (arg & TUN_F_TSO6)
			features |= NETIF_F_TSO6;
		if (arg & TUN_F_TSO_ECN && arg & (TUN_F_TSO4 | TUN_F_TSO6))
			features |= NETIF_F_TSO_ECN;
		if ((arg & (TUN_F_USO4 | TUN_F_USO6)) ==
		    (TUN_F_USO4 | TUN_F_USO6))
			features |= NETIF_F_GSO_UDP_L4;
	}

	rtnl_lock();
	mp_port_set_features(mq, features);
	rtnl_unlock();
	return 0;
}

static int mp_get_hwaddr(struct mp_queue *mq, struct ifreq __user *ifr)
{
	struct sockaddr_storage ss = {};
	char name[IFNAMSIZ] = {};
	struct net_device *dev;

	rtnl_lock();
	dev = mp_queue_dev(mq);
	if (dev) {
		strscpy(name, dev->name);
		netif_get_mac_address((struct sockaddr *)&ss, dev_net(dev),
				      dev->name);
	}
	rtnl_unlock();

	if (!dev)
		return -ENOTCONN;
	if (copy_to_user(&ifr->ifr_name, name, sizeof(name)) ||
	    copy_to_user(&ifr->ifr_hwaddr, &ss, sizeof(ifr->ifr_hwaddr)))
		return -EFAULT;
	return 0;
}

static int mp_set_hwaddr(struct mp_queue *mq, struct ifreq __user *ifr)
{
	struct sockaddr_storage ss = {};
	struct net_device *dev;
	int err = -ENOTCONN;

	/* It is the address of the hardware, not of a device of our own. */
	if (!ns_capable(sock_net(&mq->sk)->user_ns, CAP_NET_ADMIN))
		return -EPERM;
	if (copy_from_user(&ss, &ifr->ifr_hwaddr, sizeof(ifr->ifr_hwaddr)))
		return -EFAULT;

	rtnl_lock();
	dev = mp_queue_dev(mq);
	if (dev)
		err = dev_set_mac_address_user(dev, &ss, NULL);
	rtnl_unlock();

	return err;
}

static int mp_set_sndbuf(struct mp_queue *mq, int __user *sp)
{
	int s;

	if (get_user(s, sp))
		return -EFAULT;
	if (s <= 0)
		return -EINVAL;

	/* With less, nothing is ever writeable again. */
	WRITE_ONCE(mq->sk.sk_sndbuf, max_t(int, s, SOCK_MIN_SNDBUF));
	return 0;
}

/* The NIC chooses the queue, by RSS.  -1 is no program. */
static int mp_set_steering(int __user *fdp)
{
	int fd;

	if (get_user(fd, fdp))
		return -EFAULT;
	return fd == -1 ? 0 : -EOPNOTSUPP;
}

static void mp_set_hdr_sz(struct mp_queue *mq, int hdr_sz)
{
	rtnl_lock();
	/* Frames are on the way to where they begin today: what is posted goes
	 * back, and is posted anew.  Without RTNL nobody starts again.
	 */
	mp_rx_stop(mq);
	mutex_lock(&mq->lock);
	WRITE_ONCE(mq->vnet_hdr_sz, hdr_sz);
	mutex_unlock(&mq->lock);
	rtnl_unlock();
}

static int mp_vnet_ioctl(struct mp_queue *mq, unsigned int cmd, int __user *sp)
{
	int old = READ_ONCE(mq->vnet_hdr_sz), hdr_sz = old, err;
	unsigned int flags = READ_ONCE(mq->flags), changed = flags;

	/* Not under a lock: user memory may take as long as it likes. */
	err = tun_vnet_ioctl(&hdr_sz, &flags, cmd, sp);
	if (err)
		return err;

	if (hdr_sz > MP_VNET_HDR_MAX)
		return -EINVAL;

	mutex_lock(&mq->lock);
	changed ^= flags;
	WRITE_ONCE(mq->flags, (mq->flags & ~changed) | (flags & changed));
	mutex_unlock(&mq->lock);
	if (hdr_sz != old)
		mp_set_hdr_sz(mq, hdr_sz);
	return 0;
}

/**
 * mp_tap_ioctl - an ioctl of tap's
 * @mq: queue
 * @cmd: TUN* or SIOC?IFHWADDR
 * @arg: as user space gave it
 *
 * Context: process, may take RTNL.
 * Return: 0, or:
 *
 * * -ENOTTY: @cmd is none that an mp device knows
 * * -EFAULT: @arg does not point to memory of the user's
 * * -EINVAL: a value that an mp device does not have
 * * -EOPNOTSUPP: a BPF program that picks the queue
 * * -ENOTCONN: it is about the bound device, and there is none
 * * -EPERM: no CAP_NET_ADMIN, for the device's address
 * * -EINTR: killed while waiting, for TUNSETQUEUE
 * * any error of mp_bind_iff(), for TUNSETIFF
 * * any error of dev_set_mac_address(), for the device's address
 */
long mp_tap_ioctl(struct mp_queue *mq, unsigned int cmd, unsigned long arg)
{
	void __user *argp = (void __user *)arg;

	switch (cmd) {
	case TUNGETFEATURES:
		return put_user(MP_IFF_FLAGS | IFF_MULTI_QUEUE,
				(unsigned int __user *)argp);
	case TUNGETIFF:
		return mp_get_iff(mq, argp);
	case TUNSETIFF:
		return mp_set_iff(mq, argp);
	case TUNSETQUEUE:
		return mp_set_queue(mq, argp);
	case TUNSETOFFLOAD:
		return mp_set_offload(mq, arg);
	case TUNSETSNDBUF:
		return mp_set_sndbuf(mq, argp);
	case TUNSETSTEERINGEBPF:
		return mp_set_steering(argp);
	case SIOCGIFHWADDR:
		return mp_get_hwaddr(mq, argp);
	case SIOCSIFHWADDR:
		return mp_set_hwaddr(mq, argp);
	case TUNGETVNETHDRSZ:
	case TUNSETVNETHDRSZ:
	case TUNGETVNETLE:
	case TUNSETVNETLE:
	case TUNGETVNETBE:
	case TUNSETVNETBE:
		return mp_vnet_ioctl(mq, cmd, argp);
	default:
		return -ENOTTY;
	}
}

/* netif_get_mac_address() */
MODULE_IMPORT_NS("NETDEV_INTERNAL");
