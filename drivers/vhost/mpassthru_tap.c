// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ioctls of a tap: what QEMU asks of the descriptor that it is given as
 * one, see net/tap.c and net/tap-linux.c there.
 */

#include <kunit/visibility.h>
#include <linux/capability.h>
#include <linux/if_tun.h>
#include <linux/module.h>
#include <linux/rtnetlink.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>
#include <linux/virtio_net.h>

#include "../net/tun_vnet.h"
#include "mpassthru.h"
#include "mpassthru_port.h"

#define MP_IFF_FLAGS	(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)
#define MP_TUN_OFFLOADS	(TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | \
			 TUN_F_TSO_ECN | TUN_F_UFO | TUN_F_USO4 | TUN_F_USO6)

#define MP_SET_FLAGS	(TUN_VNET_LE | TUN_VNET_BE)
#define MP_SET_ALL	(MP_SET_FLAGS | MP_SET_HDR_SZ | MP_SET_FEATURES | \
			 MP_SET_DETACHED | MP_SET_SNDBUF)

/* The longest header that virtio-net defines has 24 bytes; some to spare. */
#define MP_VNET_HDR_MAX	64

/* Settings
 *
 * The destination of a migration on one host shares the descriptor with the
 * source, whose guest runs until the end.  QEMU sets up what it is given when
 * it starts, with a header that is not this guest's.  So settings belong to
 * processes, and those of who has the descriptor as a backend hold.  What
 * another sets waits until that has let go of it.
 */

static void mp_set_hdr_sz(struct mp_queue *mq, int hdr_sz)
{
	/* Frames are on the way to where they begin today: what is posted goes
	 * back, and is posted anew.  Without RTNL nobody starts again.
	 */
	mp_rx_stop(mq);
	mutex_lock(&mq->lock);
	WRITE_ONCE(mq->vnet_hdr_sz, hdr_sz);
	mutex_unlock(&mq->lock);
}

/* Has them hold.  Returns as mp_tap_set(). */
static unsigned long mp_settings_apply(struct mp_queue *mq,
				       const struct mp_settings *set)
{
	unsigned int flags = set->which & MP_SET_FLAGS;

	WRITE_ONCE(mq->flags, (mq->flags & ~flags) | (set->flags & flags));
	if (set->which & MP_SET_FEATURES)
		WRITE_ONCE(mq->features, set->features);
	if (set->which & MP_SET_SNDBUF)
		WRITE_ONCE(mq->sk.sk_sndbuf, set->sndbuf);
	if (set->which & MP_SET_HDR_SZ && set->vnet_hdr_sz != mq->vnet_hdr_sz)
		mp_set_hdr_sz(mq, set->vnet_hdr_sz);
	if (set->which & MP_SET_DETACHED)
		return mp_port_attach_queue(mq, !set->detached);
	return 0;
}

static void mp_settings_add(struct mp_settings *to,
			    const struct mp_settings *new)
{
	unsigned int flags = new->which & MP_SET_FLAGS;

	to->which |= new->which;
	to->flags = (to->flags & ~flags) | (new->flags & flags);
	if (new->which & MP_SET_FEATURES)
		to->features = new->features;
	if (new->which & MP_SET_SNDBUF)
		to->sndbuf = new->sndbuf;
	if (new->which & MP_SET_HDR_SZ)
		to->vnet_hdr_sz = new->vnet_hdr_sz;
	if (new->which & MP_SET_DETACHED)
		to->detached = new->detached;
}

/* Of that process, or, without @mm, of nobody. */
static void mp_settings_begin(struct mp_settings *set, struct mm_struct *mm)
{
	if (mm)
		mmgrab(mm);
	if (set->mm)
		mmdrop(set->mm);
	*set = (struct mp_settings) { .mm = mm };
}

/* Are they of a process that has not ended? */
static bool mp_settings_alive(const struct mp_settings *set)
{
	return set->mm && atomic_read(&set->mm->mm_users);
}

/* What of @mm's does not hold, or may not for long; NULL: nothing. */
static struct mp_settings *mp_settings_of(struct mp_queue *mq,
					  const struct mm_struct *mm)
{
	if (!mm)
		return NULL;
	if (mq->kept.mm == mm)
		return &mq->kept;
	return mq->later.mm == mm ? &mq->later : NULL;
}

/* Do those of another than @mm hold?  Not yet where it has not settled: what is
 * set before that is as if it had been before the claim.
 */
static bool mp_tap_anothers(const struct mp_queue *mq,
			    const struct mm_struct *mm)
{
	return mq->owner && mq->owner != mm;
}

/* What holds. */
static struct mp_settings mp_settings_now(const struct mp_queue *mq)
{
	return (struct mp_settings) {
		.which = MP_SET_ALL,
		.flags = mq->flags,
		.vnet_hdr_sz = mq->vnet_hdr_sz,
		.features = mq->features,
		.detached = mq->detached,
		.sndbuf = mq->sk.sk_sndbuf,
	};
}

/* As we have set it, or else what holds. */
static struct mp_settings mp_settings_get(struct mp_queue *mq)
{
	struct mp_settings set = mp_settings_now(mq), *ours;

	ours = mp_settings_of(mq, current->mm);
	if (ours)
		mp_settings_add(&set, ours);
	return set;
}

/* Where to keep what we set, or NULL. */
static struct mp_settings *mp_settings_place(struct mp_queue *mq)
{
	struct mp_settings *ours = mp_settings_of(mq, current->mm);

	if (ours || !current->mm || mq->owner == current->mm)
		return ours;
	/* The first who comes is as one that had it: another may set it up
	 * before it is used at all.
	 */
	return !mq->owner && !mp_settings_alive(&mq->kept) ?
	       &mq->kept : &mq->later;
}

/* Returns all that we have set of it, or NULL: what we set holds at once. */
static struct mp_settings *mp_settings_record(struct mp_queue *mq,
					      const struct mp_settings *new)
{
	struct mp_settings *ours = mp_settings_place(mq);

	if (ours && ours->mm != current->mm)
		mp_settings_begin(ours, current->mm);
	if (ours)
		mp_settings_add(ours, new);
	return ours;
}

/**
 * mp_tap_set - set something, for now or for later
 * @mq: queue
 * @new: what; its mm does not matter
 *
 * It holds at once for who has the descriptor as a backend, and while nobody
 * has: then with all that we have set before.  Who has it is not touched, or
 * gets its own back when it has it again.  There is room for one process beside
 * that which had it last.
 *
 * Context: process, RTNL held.
 * Return: 0, or in how many jiffies it has to be tried again, which may be if
 * it says whether the queue is detached
 */
unsigned long mp_tap_set(struct mp_queue *mq, const struct mp_settings *new)
{
	struct mp_settings set = *new, *ours;

	ASSERT_RTNL();

	ours = mp_settings_record(mq, new);
	if (mp_tap_anothers(mq, current->mm))
		return 0;
	if (ours)
		set = *ours;
	/* Of that we may not have said our last word, see mp_tap_let_go(). */
	if (!(new->which & MP_SET_DETACHED))
		set.which &= ~MP_SET_DETACHED;
	return mp_settings_apply(mq, &set);
}
EXPORT_SYMBOL_IF_KUNIT(mp_tap_set);

/**
 * mp_tap_set_too - set what was set of another queue of the device
 * @mq: queue
 * @new: what, but not whether it is detached
 *
 * As mp_tap_set(), but nothing of what we have set before begins to hold now,
 * and nobody who has not ended loses what he has set.
 *
 * Context: process, RTNL held.
 */
void mp_tap_set_too(struct mp_queue *mq, const struct mp_settings *new)
{
	struct mp_settings *ours;

	ASSERT_RTNL();

	ours = mp_settings_place(mq);
	if (ours && (ours->mm == current->mm || !mp_settings_alive(ours)))
		mp_settings_record(mq, new);
	if (!mp_tap_anothers(mq, current->mm))
		mp_settings_apply(mq, new);
}

/* Offloads that a process has set of a queue, or has there.  Returns false, and
 * nothing in @features, when there are none of its.
 */
static bool mp_features_of(struct mp_queue *mq, const struct mm_struct *mm,
			   netdev_features_t *features)
{
	const struct mp_settings *set = mp_settings_of(mq, mm);

	if (set && set->which & MP_SET_FEATURES)
		*features = set->features;
	else if (!mm || mm == mq->owner)
		*features = mq->features;
	else
		return false;
	return true;
}

static void mp_settings_join(struct mp_settings *set, struct mp_queue *of)
{
	if (set->mm && mp_features_of(of, set->mm, &set->features))
		set->which |= MP_SET_FEATURES;
}

/**
 * mp_tap_join - take over what the queues of a device have in common
 * @mq: queue that is being bound
 * @of: one of those that are
 *
 * Offloads may have been set while @mq was not bound.  Each process has those
 * that it has at @of; those of another it does not get.
 *
 * Context: process, RTNL held.
 */
void mp_tap_join(struct mp_queue *mq, struct mp_queue *of)
{
	ASSERT_RTNL();

	mp_features_of(of, mq->owner, &mq->features);
	mp_settings_join(&mq->kept, of);
	mp_settings_join(&mq->later, of);
}

/* @mm owns it: the others of its device that nobody has are its, too. */
static unsigned long mp_tap_steer(struct mp_queue *mq,
				  const struct mm_struct *mm)
{
	struct mp_port *port = rtnl_dereference(mq->port);
	unsigned long bound = port ? port->shared.bound : 0;
	const struct mp_settings *set;
	unsigned long change = 0;
	struct mp_queue *other;
	unsigned int i;

	for_each_set_bit(i, &bound, MPASSTHRU_QUEUES) {
		other = rtnl_dereference(port->queues[i]);
		set = mp_settings_of(other, mm);
		if (other != mq && set && mp_settings_alive(set) &&
		    set->which & MP_SET_DETACHED &&
		    set->detached != other->detached &&
		    !mp_tap_anothers(other, mm))
			change |= BIT(i);
	}
	return change ? mp_port_turn(port, change) : 0;
}

/**
 * mp_tap_settle - have what we have set hold, as we have claimed the descriptor
 * @mq: queue
 *
 * Not if another process has the other direction, and had it first: then as
 * soon as that lets go.  Of the other queues of the device, those that nobody
 * has are turned on and off as we have said: we may never claim one that our
 * guest does not use, and it is to get no frames.
 *
 * Context: process, RTNL held.
 * Return: as mp_tap_set()
 */
unsigned long mp_tap_settle(struct mp_queue *mq)
{
	struct mp_settings *ours = mp_settings_of(mq, current->mm);
	unsigned long wait;

	ASSERT_RTNL();

	if (mp_tap_anothers(mq, current->mm))
		return 0;
	mq->owner = current->mm;
	if (ours) {
		wait = mp_settings_apply(mq, ours);
		if (wait)
			return wait;
		mp_settings_begin(ours, NULL);
	}
	return mp_tap_steer(mq, current->mm);
}

/* Has the process one of the queues of this device? */
static bool mp_tap_owns_any(const struct mp_queue *mq,
			    const struct mm_struct *mm)
{
	const struct mp_port *port = rtnl_dereference(mq->port);
	unsigned long bound = port ? port->shared.bound : 0;
	unsigned int i;

	for_each_set_bit(i, &bound, MPASSTHRU_QUEUES)
		if (rtnl_dereference(port->queues[i])->owner == mm)
			return true;
	return false;
}

/**
 * mp_tap_let_go - the owner has neither direction any more
 * @mq: queue
 * @heir: who has the other direction, or NULL
 *
 * What waits holds then, but for one thing: whether the queue is detached is up
 * to who has this or another queue of the device.  A destination of a migration
 * has said "all but the first" when it started, and says what its guest wants
 * when that has come.  If there were too many changes, it stays as it is.  For
 * an heir this is as mp_tap_settle().
 *
 * Context: process, RTNL held.
 */
void mp_tap_let_go(struct mp_queue *mq, struct mm_struct *heir)
{
	struct mp_settings now = mp_settings_now(mq), *next;

	ASSERT_RTNL();

	/* What of its own did not hold when it became the owner, see below. */
	if (mq->later.mm == mq->owner) {
		mp_settings_add(&now, &mq->later);
		mp_settings_begin(&mq->later, NULL);
	}
	if (mp_settings_alive(&mq->kept) && mq->kept.mm != mq->owner &&
	    (!mp_settings_alive(&mq->later) || mq->kept.mm == heir))
		swap(mq->kept, mq->later);
	mp_settings_begin(&mq->kept, mq->owner);
	mp_settings_add(&mq->kept, &now);
	mq->owner = heir;

	next = heir ? mp_settings_of(mq, heir) : &mq->later;
	if (next && mp_settings_alive(next)) {
		now = *next;
		if (!heir && !mp_tap_owns_any(mq, next->mm))
			now.which &= ~MP_SET_DETACHED;
		if (!mp_settings_apply(mq, &now) && heir)
			mp_settings_begin(next, NULL);
	}
	if (heir)
		mp_tap_steer(mq, heir);
}

/**
 * mp_tap_release - forget what processes have set
 * @mq: queue, whose file goes
 *
 * Context: process, takes RTNL.
 */
void mp_tap_release(struct mp_queue *mq)
{
	rtnl_lock();
	mp_settings_begin(&mq->kept, NULL);
	mp_settings_begin(&mq->later, NULL);
	rtnl_unlock();
}
EXPORT_SYMBOL_IF_KUNIT(mp_tap_release);

/* Of which a guest may repeat something: who does too often waits, without
 * RTNL.
 */
static int mp_set(struct mp_queue *mq, const struct mp_settings *new)
{
	unsigned long wait;

	mp_uring_yield_others(mq);
	for (;;) {
		rtnl_lock();
		wait = mp_tap_set(mq, new);
		rtnl_unlock();
		if (!wait)
			return 0;
		schedule_timeout_killable(wait);
		if (fatal_signal_pending(current))
			return -EINTR;
	}
}

/* ioctls */

static int mp_get_iff(struct mp_queue *mq, struct ifreq __user *ifr)
{
	char name[IFNAMSIZ] = {};
	short flags = MP_IFF_FLAGS;
	struct mp_port *port;

	rtnl_lock();
	port = rtnl_dereference(mq->port);
	if (port) {
		strscpy(name, port->shared.dev->name);
		if (port->how.multi)
			flags |= IFF_MULTI_QUEUE;
		if (mp_settings_get(mq).detached)
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
 * is called.
 */
static int mp_set_queue(struct mp_queue *mq, struct ifreq __user *ifr)
{
	struct mp_settings new = { .which = MP_SET_DETACHED };
	u16 flags;

	if (get_user(flags, &ifr->ifr_flags))
		return -EFAULT;
	if (flags != IFF_ATTACH_QUEUE && flags != IFF_DETACH_QUEUE)
		return -EINVAL;
	new.detached = flags == IFF_DETACH_QUEUE;
	return mp_set(mq, &new);
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

	mp_uring_yield_others(mq);
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
	struct mp_settings new = { .which = MP_SET_SNDBUF };
	int s;

	if (get_user(s, sp))
		return -EFAULT;
	if (s <= 0)
		return -EINVAL;

	/* With less, nothing is ever writeable again. */
	new.sndbuf = max_t(int, s, SOCK_MIN_SNDBUF);
	return mp_set(mq, &new);
}

/* The NIC chooses the queue, by RSS.  -1 is no program. */
static int mp_set_steering(int __user *fdp)
{
	int fd;

	if (get_user(fd, fdp))
		return -EFAULT;
	return fd == -1 ? 0 : -EOPNOTSUPP;
}

static int mp_vnet_ioctl(struct mp_queue *mq, unsigned int cmd, int __user *sp)
{
	struct mp_settings set;
	int err;

	rtnl_lock();
	set = mp_settings_get(mq);
	rtnl_unlock();

	/* Not under a lock: user memory may take as long as it likes.  What
	 * others set meanwhile stays, as only @which is set.
	 */
	err = tun_vnet_ioctl(&set.vnet_hdr_sz, &set.flags, cmd, sp);
	if (err)
		return err;

	switch (cmd) {
	case TUNSETVNETHDRSZ:
		if (set.vnet_hdr_sz > MP_VNET_HDR_MAX)
			return -EINVAL;
		set.which = MP_SET_HDR_SZ;
		break;
	case TUNSETVNETLE:
		set.which = TUN_VNET_LE;
		break;
	case TUNSETVNETBE:
		set.which = TUN_VNET_BE;
		break;
	default:
		return 0;
	}
	return mp_set(mq, &set);
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
