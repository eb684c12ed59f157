// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/net/mp: binds a network device to a file descriptor that vhost-net and
 * QEMU take for a tap.
 *
 * Lifetimes.  The file holds the socket, whose memory is struct mp_dev; a
 * vhost-net backend holds the file.  A bound mp_dev holds its net_device until
 * UNBINDDEV, release or the device's NETDEV_UNREGISTER, all of which run
 * mp_unbind() under RTNL.  The socket outlives the file while skbs that were
 * sent through it are on the way.
 */

#include <linux/ethtool.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/if_tun.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/poll.h>
#include <linux/rtnetlink.h>
#include <linux/seq_file.h>
#include <linux/virtio_net.h>
#include <net/xdp.h>
#include <uapi/linux/mpassthru.h>

#include "../net/tun_vnet.h"
#include "mpassthru.h"

#define MP_IFF_FLAGS	(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)
#define MP_TUN_OFFLOADS	(TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | \
			 TUN_F_TSO_ECN | TUN_F_UFO | TUN_F_USO4 | TUN_F_USO6)

/* Frames of copy mode that may wait, in bytes of memory: about as many as the
 * 1000 of a tap.
 */
#define MP_RCVBUF	(4 << 20)

/* The longest header that virtio-net defines has 24 bytes; some to spare. */
#define MP_VNET_HDR_MAX	64

static struct proto mp_proto = {
	.name		= "mpassthru",
	.owner		= THIS_MODULE,
	.obj_size	= sizeof(struct mp_dev),
};

static const struct mpassthru_port_ops mp_port_ops = {
	.divert		= mp_copy_divert,
	.rx_tap		= mp_rx_tap,
	.rx_flush	= mp_rx_flush,
};

/* Binding */

/* Keeps other users of an rx_handler (bridge, bond, macvlan, ...) away.  Frames
 * are diverted before, but while the port is being attached or detached.
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

	if (netdev_mp_bound(dev)) {
		NL_SET_ERR_MSG_FMT(extack, "%s is bound already", dev->name);
		return -EBUSY;
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
				   "%s belongs to a bridge, bond, macvlan, vlan or the like: remove it from there",
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

static int mp_bind_dev(struct mp_dev *mp, struct net_device *dev,
		       struct netlink_ext_ack *extack)
{
	int err;

	err = mp_bind_check(dev, &mp->port, extack);
	if (err)
		return err;

	err = netdev_rx_handler_register(dev, mp_rx_handler, mp);
	if (err) {
		NL_SET_ERR_MSG_FMT(extack, "%s takes no rx_handler", dev->name);
		return err;
	}

	mp->port.ops = &mp_port_ops;
	err = netdev_mp_port_attach(dev, &mp->port);
	if (err) {
		netdev_rx_handler_unregister(dev);
		return err;
	}

	netdev_hold(dev, &mp->dev_tracker, GFP_KERNEL);
	mp->port.drv->port_changed(dev);
	rcu_assign_pointer(mp->dev, dev);
	return 0;
}

static int mp_bind(struct mp_dev *mp, const char *ifname,
		   struct netlink_ext_ack *extack)
{
	struct net *net = sock_net(&mp->sk);
	struct net_device *dev;

	ASSERT_RTNL();

	dev = rtnl_dereference(mp->dev);
	if (dev) {
		NL_SET_ERR_MSG_FMT(extack,
				   "this descriptor is bound to %s already",
				   dev->name);
		return -EBUSY;
	}

	dev = __dev_get_by_name(net, ifname);
	if (!dev) {
		NL_SET_ERR_MSG_FMT(extack,
				   "no device %s in this network namespace",
				   ifname);
		return -ENODEV;
	}

	return mp_bind_dev(mp, dev, extack);
}

/* Undoes mp_bind().  After mp_rx_stop() no kiocb is left; after
 * netdev_mp_port_detach() no frame is diverted any more, and no sender holds
 * the device, for it waits for RCU readers.
 */
static void mp_unbind(struct mp_dev *mp)
{
	struct net_device *dev = rtnl_dereference(mp->dev);

	ASSERT_RTNL();

	mp_rx_stop(mp);
	RCU_INIT_POINTER(mp->dev, NULL);
	netdev_mp_port_detach(dev);
	netdev_rx_handler_unregister(dev);
	mp->port.drv->port_changed(dev);
	netdev_put(dev, &mp->dev_tracker);
	skb_queue_purge(&mp->sk.sk_receive_queue);
}

static int mp_netdev_event(struct notifier_block *nb, unsigned long event,
			   void *ptr)
{
	struct net_device *dev = netdev_notifier_info_to_dev(ptr);
	struct mpassthru_port *port = rtnl_dereference(dev->mp_port);

	/* Also when it moves to another network namespace. */
	if (event == NETDEV_UNREGISTER && port)
		mp_unbind(mp_from_port(port));

	return NOTIFY_DONE;
}

static struct notifier_block mp_netdev_notifier = {
	.notifier_call	= mp_netdev_event,
};

/* ioctls */

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

static int mp_ioctl_bind(struct mp_dev *mp, void __user *argp)
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
	} else if (!ns_capable(sock_net(&mp->sk)->user_ns, CAP_NET_ADMIN)) {
		NL_SET_ERR_MSG(&extack,
			       "binding needs CAP_NET_ADMIN in the network namespace");
		err = -EPERM;
	} else {
		rtnl_lock();
		err = mp_bind(mp, bind.ifname, &extack);
		rtnl_unlock();
	}

	if (err)
		mp_put_msg(&bind, &extack);
	else
		/* vhost-net may be waiting for the device to come back. */
		mp->sk.sk_data_ready(&mp->sk);
	return err;
}

static int mp_ioctl_unbind(struct mp_dev *mp)
{
	int err = -ENOTCONN;

	rtnl_lock();
	if (rtnl_dereference(mp->dev)) {
		mp_unbind(mp);
		err = 0;
	}
	rtnl_unlock();

	return err;
}

static int mp_get_iff(struct mp_dev *mp, struct ifreq __user *ifr)
{
	char name[IFNAMSIZ] = {};
	struct net_device *dev;

	rtnl_lock();
	dev = rtnl_dereference(mp->dev);
	if (dev)
		strscpy(name, dev->name);
	rtnl_unlock();

	if (!dev)
		return -ENOTCONN;
	if (copy_to_user(&ifr->ifr_name, name, sizeof(name)) ||
	    put_user(MP_IFF_FLAGS, &ifr->ifr_flags))
		return -EFAULT;
	return 0;
}

static int mp_set_iff(struct ifreq __user *ifr)
{
	u16 flags;

	if (get_user(flags, &ifr->ifr_flags))
		return -EFAULT;
	/* The name is that of the bound device, the format is fixed. */
	return flags == MP_IFF_FLAGS ? 0 : -EINVAL;
}

static int mp_set_offload(struct mp_dev *mp, unsigned long arg)
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

	WRITE_ONCE(mp->features, features);
	return 0;
}

static int mp_get_hwaddr(struct mp_dev *mp, struct ifreq __user *ifr)
{
	struct sockaddr_storage ss = {};
	char name[IFNAMSIZ] = {};
	struct net_device *dev;

	rtnl_lock();
	dev = rtnl_dereference(mp->dev);
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

static int mp_set_hwaddr(struct mp_dev *mp, struct ifreq __user *ifr)
{
	struct sockaddr_storage ss = {};
	struct net_device *dev;
	int err = -ENOTCONN;

	/* It is the address of the hardware, not of a device of our own. */
	if (!ns_capable(sock_net(&mp->sk)->user_ns, CAP_NET_ADMIN))
		return -EPERM;
	if (copy_from_user(&ss, &ifr->ifr_hwaddr, sizeof(ifr->ifr_hwaddr)))
		return -EFAULT;

	rtnl_lock();
	dev = rtnl_dereference(mp->dev);
	if (dev)
		err = dev_set_mac_address_user(dev, &ss, NULL);
	rtnl_unlock();

	return err;
}

static int mp_set_sndbuf(struct mp_dev *mp, int __user *sp)
{
	int s;

	if (get_user(s, sp))
		return -EFAULT;
	if (s <= 0)
		return -EINVAL;

	/* With less, nothing is ever writeable again. */
	WRITE_ONCE(mp->sk.sk_sndbuf, max_t(int, s, SOCK_MIN_SNDBUF));
	return 0;
}

static int mp_vnet_ioctl(struct mp_dev *mp, unsigned int cmd, int __user *sp)
{
	int old = READ_ONCE(mp->vnet_hdr_sz), hdr_sz = old, err;
	unsigned int flags = READ_ONCE(mp->flags), changed = flags;

	/* Not under a lock: user memory may take as long as it likes. */
	err = tun_vnet_ioctl(&hdr_sz, &flags, cmd, sp);
	if (err)
		return err;

	mutex_lock(&mp->lock);
	changed ^= flags;
	WRITE_ONCE(mp->flags, (mp->flags & ~changed) | (flags & changed));
	if (hdr_sz == old)
		goto out;
	/* Frames are on the way to where they begin today. */
	if (mp->rx)
		err = -EBUSY;
	else if (hdr_sz > MP_VNET_HDR_MAX)
		err = -EINVAL;
	else
		WRITE_ONCE(mp->vnet_hdr_sz, hdr_sz);
out:
	mutex_unlock(&mp->lock);

	return err;
}

static long mp_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct mp_dev *mp = file->private_data;
	void __user *argp = (void __user *)arg;

	switch (cmd) {
	case MPASSTHRU_BINDDEV:
		return mp_ioctl_bind(mp, argp);
	case MPASSTHRU_UNBINDDEV:
		return mp_ioctl_unbind(mp);
	case TUNGETFEATURES:
		return put_user(MP_IFF_FLAGS, (unsigned int __user *)argp);
	case TUNGETIFF:
		return mp_get_iff(mp, argp);
	case TUNSETIFF:
		return mp_set_iff(argp);
	case TUNSETOFFLOAD:
		return mp_set_offload(mp, arg);
	case TUNSETSNDBUF:
		return mp_set_sndbuf(mp, argp);
	case SIOCGIFHWADDR:
		return mp_get_hwaddr(mp, argp);
	case SIOCSIFHWADDR:
		return mp_set_hwaddr(mp, argp);
	case TUNGETVNETHDRSZ:
	case TUNSETVNETHDRSZ:
	case TUNGETVNETLE:
	case TUNSETVNETLE:
	case TUNGETVNETBE:
	case TUNSETVNETBE:
		return mp_vnet_ioctl(mp, cmd, argp);
	default:
		return -ENOTTY;
	}
}

/* Socket, for vhost-net */

static int mp_sendmsg(struct socket *sock, struct msghdr *m, size_t total_len)
{
	struct mp_dev *mp = container_of(sock, struct mp_dev, sock);
	struct tun_msg_ctl *ctl = m->msg_control;
	struct xdp_buff *xdp;
	int i;

	if (m->msg_controllen == sizeof(*ctl) && ctl &&
	    ctl->type == TUN_MSG_PTR) {
		xdp = ctl->ptr;
		for (i = 0; i < ctl->num; i++)
			mp_copy_write_xdp(mp, &xdp[i]);
		return 0;
	}

	return mp_copy_write(mp, &m->msg_iter, m->msg_flags & MSG_DONTWAIT);
}

static int mp_recvmsg(struct socket *sock, struct msghdr *m, size_t total_len,
		      int flags)
{
	struct mp_dev *mp = container_of(sock, struct mp_dev, sock);
	ssize_t ret;

	if (flags & ~(MSG_DONTWAIT | MSG_TRUNC))
		return -EINVAL;

	/* There is no msg_iocb in struct msghdr any more, and vhost-net hands
	 * things to tun and tap in msg_control as well.
	 */
	if (m->msg_control && m->msg_controllen == sizeof(struct kiocb))
		return mp_rx_post(mp, m->msg_control, &m->msg_iter);

	ret = mp_copy_read(mp, &m->msg_iter, flags & MSG_DONTWAIT);
	if (ret > (ssize_t)total_len) {
		m->msg_flags |= MSG_TRUNC;
		ret = flags & MSG_TRUNC ? ret : total_len;
	}
	return ret;
}

/* Complete up to desc->count kiocbs whose buffers are filled.  The frames are
 * in place: there is nothing for an actor to do.
 */
static int mp_read_sock(struct sock *sk, read_descriptor_t *desc,
			sk_read_actor_t recv_actor)
{
	struct mp_dev *mp = container_of(sk, struct mp_dev, sk);

	return mp_rx_complete(mp, min_t(size_t, desc->count, INT_MAX));
}

/* SHUT_RD: back to copy mode; all kiocbs have completed when it returns. */
static int mp_shutdown(struct socket *sock, int how)
{
	struct mp_dev *mp = container_of(sock, struct mp_dev, sock);

	if (how != SHUT_RD)
		return -EOPNOTSUPP;
	/* Copies, as usual where vhost-net cannot post: leave RTNL alone.
	 * Pairs with smp_store_release() in mp_rx_stop().
	 */
	if (!smp_load_acquire(&mp->rx))
		return 0;

	rtnl_lock();
	mp_rx_stop(mp);
	rtnl_unlock();
	return 0;
}

static int mp_peek_len(struct socket *sock)
{
	struct mp_dev *mp = container_of(sock, struct mp_dev, sock);

	return mp_copy_peek_len(mp);
}

static const struct proto_ops mp_socket_ops = {
	.sendmsg	= mp_sendmsg,
	.recvmsg	= mp_recvmsg,
	.read_sock	= mp_read_sock,
	.peek_len	= mp_peek_len,
	.shutdown	= mp_shutdown,
};

/* File */

/* Runs when a frame was sent, perhaps after mp_release(): the file and its
 * waiters are gone then, but not mp, which holds the socket.
 */
static void mp_write_space(struct sock *sk)
{
	struct mp_dev *mp = container_of(sk, struct mp_dev, sk);
	struct socket_wq *wq;

	/* Set by mp_poll() and by sock_wait_for_wmem(), for good: vhost-net,
	 * who never wants for room, is spared the wake-up.
	 */
	if (!sock_writeable(sk) || !test_bit(SOCK_NOSPACE, &mp->sock.flags))
		return;

	rcu_read_lock();
	wq = rcu_dereference(sk->sk_wq);
	if (skwq_has_sleeper(wq))
		wake_up_interruptible_poll(&wq->wait, EPOLLOUT | EPOLLWRNORM |
					   EPOLLWRBAND);
	rcu_read_unlock();
}

static int mp_open(struct inode *inode, struct file *file)
{
	struct net *net = current->nsproxy->net_ns;
	struct mp_dev *mp;

	mp = (struct mp_dev *)sk_alloc(net, AF_UNSPEC, GFP_KERNEL, &mp_proto,
				       0);
	if (!mp)
		return -ENOMEM;

	init_waitqueue_head(&mp->sock.wq.wait);
	mp->sock.type = SOCK_RAW;
	mp->sock.state = SS_CONNECTED;
	mp->sock.file = file;
	mp->sock.ops = &mp_socket_ops;
	sock_init_data_uid(&mp->sock, &mp->sk, current_fsuid());
	mp->sk.sk_write_space = mp_write_space;
	mp->sk.sk_rcvbuf = MP_RCVBUF;
	mutex_init(&mp->lock);
	mp->flags = MP_IFF_FLAGS;
	mp->vnet_hdr_sz = sizeof(struct virtio_net_hdr);

	file->private_data = mp;
	file->f_mode |= FMODE_NOWAIT;
	return 0;
}

static int mp_release(struct inode *inode, struct file *file)
{
	struct mp_dev *mp = file->private_data;

	rtnl_lock();
	if (rtnl_dereference(mp->dev))
		mp_unbind(mp);
	rtnl_unlock();

	/* Frames still on the way out hold the socket, not the file. */
	sock_orphan(&mp->sk);
	sock_put(&mp->sk);
	return 0;
}

static bool mp_noblock(const struct kiocb *iocb)
{
	return iocb->ki_filp->f_flags & O_NONBLOCK ||
	       iocb->ki_flags & IOCB_NOWAIT;
}

static ssize_t mp_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct mp_dev *mp = iocb->ki_filp->private_data;
	ssize_t len = iov_iter_count(to), ret;

	if (!len)
		return 0;
	ret = mp_copy_read(mp, to, mp_noblock(iocb));
	return min(ret, len);
}

static ssize_t mp_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct mp_dev *mp = iocb->ki_filp->private_data;

	return mp_copy_write(mp, from, mp_noblock(iocb));
}

static __poll_t mp_poll(struct file *file, poll_table *wait)
{
	struct mp_dev *mp = file->private_data;
	__poll_t mask = 0;

	poll_wait(file, &mp->sock.wq.wait, wait);

	if (!skb_queue_empty_lockless(&mp->sk.sk_receive_queue) ||
	    READ_ONCE(mp->rx_readable))
		mask |= EPOLLIN | EPOLLRDNORM;

	if (sock_writeable(&mp->sk) ||
	    (!test_and_set_bit(SOCK_NOSPACE, &mp->sock.flags) &&
	     sock_writeable(&mp->sk)))
		mask |= EPOLLOUT | EPOLLWRNORM;

	return mask;
}

static void mp_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct mp_dev *mp = file->private_data;
	struct net_device *dev;

	rcu_read_lock();
	dev = rcu_dereference(mp->dev);
	seq_printf(m, "mp-dev:\t%s\n", dev ? dev->name : "-");
	rcu_read_unlock();

	seq_puts(m, "mp-queue:\t0\n");
	mp_rx_show(mp, m);
	seq_printf(m, "mp-copied:\t%llu\n",
		   (u64)atomic64_read(&mp->stats.copied));
	seq_printf(m, "mp-dropped:\t%llu\n",
		   (u64)atomic64_read(&mp->stats.dropped));
}

static const struct file_operations mp_fops = {
	.owner		= THIS_MODULE,
	.open		= mp_open,
	.release	= mp_release,
	.read_iter	= mp_read_iter,
	.write_iter	= mp_write_iter,
	.poll		= mp_poll,
	.unlocked_ioctl	= mp_ioctl,
	.compat_ioctl	= compat_ptr_ioctl,
	.show_fdinfo	= mp_show_fdinfo,
	.llseek		= noop_llseek,
};

/**
 * mpassthru_get_socket - the socket behind a descriptor of /dev/net/mp
 * @file: any file
 *
 * The caller holds a reference on @file while it uses the socket.  Next to
 * sendmsg and recvmsg as of a tap, vhost-net uses it to post buffers:
 *
 * recvmsg with a kiocb in msg_control posts the buffer of msg_iter and answers
 * -EIOCBQUEUED, see mp_rx_post();
 * read_sock completes the kiocbs of up to desc->count buffers that are filled,
 * see mp_rx_complete(); the socket is readable when there are some;
 * shutdown(SHUT_RD) gives back all that are left, see mp_rx_stop().  Other
 * things do so, too, like UNBINDDEV, and make the socket readable after.
 *
 * Context: any.
 * Return: the socket; ERR_PTR(-EINVAL) when @file is something else,
 * ERR_PTR(-ENOTCONN) when no device is bound to it.
 */
struct socket *mpassthru_get_socket(struct file *file)
{
	struct mp_dev *mp;

	if (file->f_op != &mp_fops)
		return ERR_PTR(-EINVAL);

	mp = file->private_data;
	if (!rcu_access_pointer(mp->dev))
		return ERR_PTR(-ENOTCONN);
	return &mp->sock;
}
EXPORT_SYMBOL_GPL(mpassthru_get_socket);

static struct miscdevice mp_misc = {
	.minor		= MISC_DYNAMIC_MINOR,
	.name		= "mp",
	.nodename	= "net/mp",
	.fops		= &mp_fops,
};

static int __init mp_init(void)
{
	int err;

	err = register_netdevice_notifier(&mp_netdev_notifier);
	if (err)
		return err;

	err = misc_register(&mp_misc);
	if (err)
		unregister_netdevice_notifier(&mp_netdev_notifier);
	return err;
}
module_init(mp_init);

static void __exit mp_exit(void)
{
	misc_deregister(&mp_misc);
	unregister_netdevice_notifier(&mp_netdev_notifier);
}
module_exit(mp_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Zero-copy receive from a NIC into the buffers of a guest");
MODULE_IMPORT_NS("NETDEV_INTERNAL");
