// SPDX-License-Identifier: GPL-2.0-only
/*
 * The socket of an mp device, as vhost-net uses it.
 */

#include <kunit/visibility.h>
#include <linux/if_tun.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/virtio_net.h>
#include <net/xdp.h>

#include "mpassthru.h"

/* Frames of copy mode that may wait, in bytes of memory: about as many as the
 * 1000 of a tap.
 */
#define MP_RCVBUF	(4 << 20)

static struct proto mp_proto = {
	.name		= "mpassthru",
	.owner		= THIS_MODULE,
	.obj_size	= sizeof(struct mp_dev),
};

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

	if (m->msg_control && m->msg_controllen == sizeof(struct kiocb))
		return mp_tx_post(mp, m->msg_control, &m->msg_iter);
	/* Of nothing: no frame is that short. */
	if (!m->msg_control && !iov_iter_count(&m->msg_iter))
		return mp_tx_flush(mp);

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

/* SHUT_RD, SHUT_WR: back to copying; all kiocbs of that direction have
 * completed when it returns.
 */
static int mp_shutdown(struct socket *sock, int how)
{
	struct mp_dev *mp = container_of(sock, struct mp_dev, sock);

	if (how == SHUT_WR) {
		mp_tx_stop(mp);
		return 0;
	}
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

	/* What is in filled buffers has no length to tell; vhost-net polls for
	 * whether there is something.
	 */
	return mp_copy_peek_len(mp) ?: READ_ONCE(mp->rx_readable);
}

static const struct proto_ops mp_socket_ops = {
	.sendmsg	= mp_sendmsg,
	.recvmsg	= mp_recvmsg,
	.read_sock	= mp_read_sock,
	.peek_len	= mp_peek_len,
	.shutdown	= mp_shutdown,
};

/**
 * mp_sock_writable - wake who waits for the socket to be writable
 * @mp: device
 *
 * Context: process or softirq.
 */
void mp_sock_writable(struct mp_dev *mp)
{
	struct socket_wq *wq;

	rcu_read_lock();
	wq = rcu_dereference(mp->sk.sk_wq);
	if (skwq_has_sleeper(wq))
		wake_up_interruptible_poll(&wq->wait, EPOLLOUT | EPOLLWRNORM |
					   EPOLLWRBAND);
	rcu_read_unlock();
}

/* Runs when a frame was sent, perhaps after mp_release(): the file and its
 * waiters are gone then, but not mp, which holds the socket.
 */
static void mp_write_space(struct sock *sk)
{
	struct mp_dev *mp = container_of(sk, struct mp_dev, sk);

	/* Set by mp_poll() and by sock_wait_for_wmem(), for good: vhost-net,
	 * who never wants for room, is spared the wake-up.
	 */
	if (!sock_writeable(sk) || !test_bit(SOCK_NOSPACE, &mp->sock.flags))
		return;

	mp_sock_writable(mp);
}

/**
 * mp_sock_alloc - make an mp device, which is a socket
 * @net: the network namespace whose devices it may bind
 * @file: what holds it
 *
 * It is freed when @file, by sock_put(), and the last frame that was sent
 * through it have let go of it.
 *
 * Context: process.
 * Return: the mp device, or NULL: no memory.
 */
struct mp_dev *mp_sock_alloc(struct net *net, struct file *file)
{
	struct mp_dev *mp;

	mp = (struct mp_dev *)sk_alloc(net, AF_UNSPEC, GFP_KERNEL, &mp_proto,
				       0);
	if (!mp)
		return NULL;

	init_waitqueue_head(&mp->sock.wq.wait);
	mp->sock.type = SOCK_RAW;
	mp->sock.state = SS_CONNECTED;
	mp->sock.file = file;
	mp->sock.ops = &mp_socket_ops;
	sock_init_data_uid(&mp->sock, &mp->sk, current_fsuid());
	mp->sk.sk_write_space = mp_write_space;
	mp->sk.sk_rcvbuf = MP_RCVBUF;
	mutex_init(&mp->lock);
	mutex_init(&mp->tx_lock);
	INIT_DELAYED_WORK(&mp->tx_idle, mp_tx_idle_work);
	mp->vnet_hdr_sz = sizeof(struct virtio_net_hdr);
	return mp;
}
EXPORT_SYMBOL_IF_KUNIT(mp_sock_alloc);
