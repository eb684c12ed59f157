// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev/net/mp: a file descriptor that vhost-net and QEMU take for a tap, bound
 * to a network device.
 *
 * Lifetimes.  The file holds the socket, whose memory is struct mp_queue; a
 * vhost-net backend holds the file, and so does each command of io_uring that
 * is outstanding.  The socket outlives the file while skbs that were sent
 * through it are on the way.  The bound device, struct mp_port, holds nothing
 * of that: its queues are taken away before they go.
 */

#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/poll.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <uapi/linux/mpassthru.h>

#include "mpassthru.h"
#include "mpassthru_mem.h"
#include "mpassthru_port.h"

static int mp_open(struct inode *inode, struct file *file)
{
	struct mp_queue *mq;

	mq = mp_sock_alloc(current->nsproxy->net_ns, file);
	if (!mq)
		return -ENOMEM;

	file->private_data = mq;
	file->f_mode |= FMODE_NOWAIT;
	return 0;
}

static int mp_release(struct inode *inode, struct file *file)
{
	struct mp_queue *mq = file->private_data;

	mp_uring_release(mq);
	mp_unbind(mq);
	/* Nobody finds it any more who sets something of all queues. */
	mp_tap_release(mq);
	cancel_delayed_work_sync(&mq->tx_idle);

	/* Frames still on the way out hold the socket, not the file. */
	sock_orphan(&mq->sk);
	sock_put(&mq->sk);
	return 0;
}

static bool mp_noblock(const struct kiocb *iocb)
{
	return iocb->ki_filp->f_flags & O_NONBLOCK ||
	       iocb->ki_flags & IOCB_NOWAIT;
}

static ssize_t mp_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct mp_queue *mq = iocb->ki_filp->private_data;
	ssize_t len = iov_iter_count(to), ret;

	if (!len)
		return 0;
	ret = mp_copy_read(mq, to, mp_noblock(iocb));
	return min(ret, len);
}

static ssize_t mp_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct mp_queue *mq = iocb->ki_filp->private_data;

	return mp_copy_write(mq, from, mp_noblock(iocb));
}

static __poll_t mp_poll(struct file *file, poll_table *wait)
{
	struct mp_queue *mq = file->private_data;
	__poll_t mask = 0;

	poll_wait(file, &mq->sock.wq.wait, wait);

	if (!skb_queue_empty_lockless(&mq->sk.sk_receive_queue) ||
	    READ_ONCE(mq->rx_readable))
		mask |= EPOLLIN | EPOLLRDNORM;
	/* QEMU reads from what it is given until it has a guest, and would
	 * take frames that are for the guest of who shares it.
	 */
	if (mp_is_others(mq, READ))
		mask = 0;

	/* Who posts waits for what was posted, see mp_tx_flush(). */
	if (!smp_load_acquire(&mq->tx_waits) &&
	    (sock_writeable(&mq->sk) ||
	     (!test_and_set_bit(SOCK_NOSPACE, &mq->sock.flags) &&
	      sock_writeable(&mq->sk))))
		mask |= EPOLLOUT | EPOLLWRNORM;

	return mask;
}

static void mp_show_fdinfo(struct seq_file *m, struct file *file)
{
	struct mp_queue *mq = file->private_data;
	struct net_device *dev;

	rcu_read_lock();
	dev = mp_queue_dev(mq);
	seq_printf(m, "mp-dev:\t%s\n", dev ? dev->name : "-");
	seq_printf(m, "mp-netns:\t%llu\n", sock_net(&mq->sk)->net_cookie);
	/* Or the one that was, which mpctl rebind takes again. */
	seq_printf(m, "mp-queue:\t%u\n", READ_ONCE(mq->index));
	seq_printf(m, "mp-attached:\t%d\n", !READ_ONCE(mq->detached));
	rcu_read_unlock();

	mp_rx_show(mq, m);
	mp_tx_show(mq, m);
	mp_uring_show(mq, m);
	seq_printf(m, "mp-copied:\t%llu\n",
		   (u64)atomic64_read(&mq->stats.copied));
	seq_printf(m, "mp-dropped:\t%llu\n",
		   (u64)atomic64_read(&mq->stats.dropped));
}

static long mp_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct mp_queue *mq = file->private_data;

	switch (cmd) {
	case MPASSTHRU_BINDDEV:
		return mp_bind(mq, (struct mpassthru_bind __user *)arg);
	case MPASSTHRU_UNBINDDEV:
		return mp_unbind(mq);
	default:
		return mp_tap_ioctl(mq, cmd, arg);
	}
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
	.uring_cmd	= mp_uring_cmd,
	.llseek		= noop_llseek,
};

/**
 * mpassthru_get_socket - the socket behind a descriptor of /dev/net/mp
 * @file: any file
 *
 * The caller holds a reference on @file while it uses the socket.  Next to
 * sendmsg and recvmsg as of a tap, vhost-net uses it to post buffers:
 *
 * recvmsg with a &struct mpassthru_batch in msg_control posts its buffers, see
 * mp_rx_post(); -EAGAIN says to copy this time and to ask again, when the wait
 * that it returns is over; read_sock completes the kiocbs of up to desc->count
 * buffers that are filled, see mp_rx_complete(); the socket is readable when
 * there are some; shutdown(SHUT_RD) gives back all that are left, see
 * mp_rx_stop().  Other things do so, too, like UNBINDDEV, and make the socket
 * readable after; nothing is taken then before shutdown(SHUT_RD).
 *
 * sendmsg with a &struct mpassthru_batch in msg_control posts its frames, see
 * mp_tx_post(); sendmsg of nothing rings the doorbell and completes kiocbs of
 * what was sent, see mp_tx_flush(); the socket is writable when that has
 * something to do; shutdown(SHUT_WR) gives back all that are left, see
 * mp_tx_stop().
 *
 * Context: any.
 * Return: the socket; ERR_PTR(-EINVAL) when @file is something else,
 * ERR_PTR(-ENOTCONN) when no device is bound to it.
 */
struct socket *mpassthru_get_socket(struct file *file)
{
	struct mp_queue *mq;

	if (file->f_op != &mp_fops)
		return ERR_PTR(-EINVAL);

	mq = file->private_data;
	if (!rcu_access_pointer(mq->port))
		return ERR_PTR(-ENOTCONN);
	return &mq->sock;
}
EXPORT_SYMBOL_GPL(mpassthru_get_socket);

/**
 * mpassthru_claim - become the one who posts to a descriptor
 * @sock: from mpassthru_get_socket()
 * @dir: READ for what is received, WRITE for what is sent
 *
 * Two who post stop each other: what one fetches was meant for the other, and
 * where one of them copies, each of its frames ends zero-copy.  A virtqueue of
 * vhost-net has the claim for its direction, as long as the socket is its
 * backend; a ring of io_uring as long as it has commands outstanding, and after
 * that until somebody else asks, see mp_uring_yield(), or another process does
 * for the other direction, or sets something, or for a second.
 *
 * Context: process that has an address space, takes RTNL.
 * Return: 0, to be undone by mpassthru_unclaim(); -EBUSY when somebody has it,
 * and the log says who.
 */
int mpassthru_claim(struct socket *sock, unsigned int dir)
{
	struct mp_queue *mq = container_of(sock, struct mp_queue, sock);
	struct net_device *dev;
	bool busy;

	mp_uring_yield(mq, dir);
	mp_uring_yield_others(mq);
	rtnl_lock();
	busy = mq->claimed_by[dir];
	if (!busy) {
		mmgrab(current->mm);
		WRITE_ONCE(mq->claimed_by[dir], current->mm);
		mq->claimer[dir] = task_tgid_nr(current);
		if (dir == READ && mq->kept.mm != current->mm) {
			/* What is said of short buffers was of another's. */
			mutex_lock(&mq->lock);
			mq->copying.short_since = 0;
			mq->copying.told = false;
			WRITE_ONCE(mq->copying.told_lost, false);
			mutex_unlock(&mq->lock);
		}
	} else {
		dev = mp_queue_dev(mq);
		net_notice_ratelimited("mpassthru: process %d cannot %s the descriptor of %s: another vhost device does, or io_uring, which process %d has set up; end that first\n",
				       task_tgid_nr(current),
				       dir == READ ? "receive from" : "send to",
				       dev ? dev->name : "-",
				       mq->claimer[dir]);
	}
	rtnl_unlock();
	return busy ? -EBUSY : 0;
}
EXPORT_SYMBOL_GPL(mpassthru_claim);

/**
 * mpassthru_settle - have what a process has set hold from now on
 * @sock: what it has claimed for good; no kiocb is posted to it
 *
 * Context: process that claimed it, takes RTNL.
 */
void mpassthru_settle(struct socket *sock)
{
	struct mp_queue *mq = container_of(sock, struct mp_queue, sock);
	unsigned long wait;

	do {
		rtnl_lock();
		wait = mp_tap_settle(mq);
		rtnl_unlock();
		if (wait)
			schedule_timeout_killable(wait);
	} while (wait && !fatal_signal_pending(current));
}
EXPORT_SYMBOL_GPL(mpassthru_settle);

/**
 * mpassthru_unclaim - let others post to a descriptor
 * @sock: what mpassthru_claim() succeeded for; no kiocb is posted to it
 * @dir: the same as then
 *
 * Where our settings held, those of who has the other direction do from now on;
 * or else what waits, see mp_tap_let_go().
 *
 * Context: process, takes RTNL.
 */
void mpassthru_unclaim(struct socket *sock, unsigned int dir)
{
	struct mp_queue *mq = container_of(sock, struct mp_queue, sock);
	struct mm_struct *mm, *heir;

	rtnl_lock();
	mm = mq->claimed_by[dir];
	heir = mq->claimed_by[!dir];
	if (dir == READ) {
		mutex_lock(&mq->lock);
		mq->copying.why = MP_COPY_UNPOSTED;
		mq->copying.until = 0;
		mutex_unlock(&mq->lock);
	}
	if (mm == mq->owner && mm != heir)
		mp_tap_let_go(mq, heir);
	/* All that we did is over for who claims it next. */
	smp_store_release(&mq->claimed_by[dir], NULL);
	rtnl_unlock();
	mmdrop(mm);
	/* Now mp_poll() tells others, too, what there is to be read. */
	if (dir == READ)
		mq->sk.sk_data_ready(&mq->sk);
}
EXPORT_SYMBOL_GPL(mpassthru_unclaim);

static struct miscdevice mp_misc = {
	.minor		= MISC_DYNAMIC_MINOR,
	.name		= "mp",
	.nodename	= "net/mp",
	.fops		= &mp_fops,
};

static int __init mp_init(void)
{
	int err;

	err = mp_mem_init();
	if (err)
		return err;
	err = mp_port_init();
	if (err)
		goto err_mem;
	err = misc_register(&mp_misc);
	if (err)
		goto err_port;
	return 0;

err_port:
	mp_port_exit();
err_mem:
	mp_mem_exit();
	return err;
}
module_init(mp_init);

static void __exit mp_exit(void)
{
	misc_deregister(&mp_misc);
	mp_port_exit();
	mp_mem_exit();
}
module_exit(mp_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Zero-copy between a NIC and the memory of a guest");
