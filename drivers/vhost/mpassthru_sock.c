// SPDX-License-Identifier: GPL-2.0-only
/*
 * The socket of a descriptor, as vhost-net uses it.
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
	.obj_size	= sizeof(struct mp_queue),
};

/* vhost-net hands things to tun and tap in msg_control as well. */
static bool mp_msg_is_batch(const struct msghdr *m)
{
	BUILD_BUG_ON(sizeof(struct mpassthru_batch) ==
		     sizeof(struct tun_msg_ctl));
	return m->msg_control &&
	       m->msg_controllen == sizeof(struct mpassthru_batch);
}

static int mp_sendmsg(struct socket *sock, struct msghdr *m, size_t total_len)
{
	struct mp_queue *mq = container_of(sock, struct mp_queue, sock);
	struct tun_msg_ctl *ctl = m->msg_control;
	struct xdp_buff *xdp;
	int i;

	if (m->msg_controllen == sizeof(*ctl) && ctl &&
	    ctl->type == TUN_MSG_PTR) {
		xdp = ctl->ptr;
		for (i = 0; i < ctl->num; i++)
			mp_copy_write_xdp(mq, &xdp[i]);
		return 0;
	}

	if (mp_msg_is_batch(m))
		return mp_tx_post(mq, m->msg_control);
	/* Of nothing: no frame is that short. */
	if (!m->msg_control && !iov_iter_count(&m->msg_iter))
		return mp_tx_flush(mq);

	return mp_copy_write(mq, &m->msg_iter, m->msg_flags & MSG_DONTWAIT);
}

static int mp_recvmsg(struct socket *sock, struct msghdr *m, size_t total_len,
		      int flags)
{
	struct mp_queue *mq = container_of(sock, struct mp_queue, sock);
	ssize_t ret;

	if (flags & ~(MSG_DONTWAIT | MSG_TRUNC))
		return -EINVAL;

	if (mp_msg_is_batch(m))
		return mp_rx_post(mq, m->msg_control);

	ret = mp_copy_read(mq, &m->msg_iter, flags & MSG_DONTWAIT);
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
	struct mp_queue *mq = container_of(sk, struct mp_queue, sk);

	return mp_rx_complete(mq, min_t(size_t, desc->count, INT_MAX));
}

/* SHUT_RD, SHUT_WR: back to copying; all kiocbs of that direction have
 * completed when it returns.
 */
static int mp_shutdown(struct socket *sock, int how)
{
	struct mp_queue *mq = container_of(sock, struct mp_queue, sock);

	if (how == SHUT_WR) {
		mp_tx_stop(mq);
		return 0;
	}
	if (how != SHUT_RD)
		return -EOPNOTSUPP;
	/* Copies, as usual where vhost-net cannot post: leave RTNL alone.
	 * Pairs with smp_store_release() in mp_rx_stop().
	 */
	if (!smp_load_acquire(&mq->rx) && !READ_ONCE(mq->rx_cancelled))
		return 0;

	rtnl_lock();
	mp_rx_stop(mq);
	/* What was cancelled, now or before, the poster takes back now.  It
	 * does not post meanwhile, and nobody else does.
	 */
	WRITE_ONCE(mq->rx_cancelled, false);
	rtnl_unlock();
	return 0;
}

static int mp_peek_len(struct socket *sock)
{
	struct mp_queue *mq = container_of(sock, struct mp_queue, sock);

	/* What is in filled buffers has no length to tell; vhost-net polls for
	 * whether there is something.
	 */
	return mp_copy_peek_len(mq) ?: READ_ONCE(mq->rx_readable);
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
 * @mq: queue
 *
 * Context: process or softirq.
 */
void mp_sock_writable(struct mp_queue *mq)
{
	struct socket_wq *wq;

	rcu_read_lock();
	wq = rcu_dereference(mq->sk.sk_wq);
	if (skwq_has_sleeper(wq))
		wake_up_interruptible_poll(&wq->wait, EPOLLOUT | EPOLLWRNORM |
					   EPOLLWRBAND);
	rcu_read_unlock();
}

/* Runs when a frame was sent, perhaps after mp_release(): the file and its
 * waiters are gone then, but not mq, which holds the socket.
 */
static void mp_write_space(struct sock *sk)
{
	struct mp_queue *mq = container_of(sk, struct mp_queue, sk);

	/* Set by mp_poll() and by sock_wait_for_wmem(), for good: vhost-net,
	 * who never wants for room, is spared the wake-up.
	 */
	if (!sock_writeable(sk) || !test_bit(SOCK_NOSPACE, &mq->sock.flags))
		return;

	mp_sock_writable(mq);
}

/**
 * mp_sock_alloc - make a queue, which is a socket
 * @net: the network namespace in which it finds the device to be bound
 * @file: what holds it
 *
 * It is freed when @file, by sock_put(), and the last frame that was sent
 * through it have let go of it.
 *
 * Context: process.
 * Return: the queue, bound to no device, or NULL: no memory.
 */
struct mp_queue *mp_sock_alloc(struct net *net, struct file *file)
{
	struct mp_queue *mq;

	mq = (struct mp_queue *)sk_alloc(net, AF_UNSPEC, GFP_KERNEL, &mp_proto,
				       0);
	if (!mq)
		return NULL;

	init_waitqueue_head(&mq->sock.wq.wait);
	mq->sock.type = SOCK_RAW;
	mq->sock.state = SS_CONNECTED;
	mq->sock.file = file;
	mq->sock.ops = &mp_socket_ops;
	sock_init_data_uid(&mq->sock, &mq->sk, current_fsuid());
	mq->sk.sk_write_space = mp_write_space;
	mq->sk.sk_rcvbuf = MP_RCVBUF;
	mutex_init(&mq->lock);
	mutex_init(&mq->tx_lock);
	INIT_DELAYED_WORK(&mq->tx_idle, mp_tx_idle_work);
	mq->vnet_hdr_sz = sizeof(struct virtio_net_hdr);
	return mq;
}
EXPORT_SYMBOL_IF_KUNIT(mp_sock_alloc);
