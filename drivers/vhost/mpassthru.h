/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VHOST_MPASSTHRU_H
#define _VHOST_MPASSTHRU_H

#include <linux/mpassthru.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/workqueue.h>
#include <net/sock.h>
#include <trace/events/mpassthru.h>

struct iov_iter;
struct mp_mem;
struct mp_port;
struct mp_rx;
struct mp_tx;
struct mpassthru_batch;
struct mpassthru_bind;
struct seq_file;
struct xdp_buff;

/**
 * struct mp_stats - what happened since the device was opened
 * @posted: buffers posted
 * @zerocopy: frames that the NIC wrote to their buffer
 * @bounced: frames copied to their buffer, by reason
 * @errors: posted buffers completed without a frame: it was bad, or the buffer
 *	not writable
 * @rewound: posted buffers given back unused
 * @deferred: times that zero-copy was not switched on, as it was too often
 * @copied: frames delivered by copy mode
 * @dropped: frames of copy mode that found no room or could not be sent
 * @tx_posted: frames posted to be sent
 * @tx_zerocopy: of these, those sent from memory of the poster
 * @tx_whole: those that were copied whole
 * @tx_bounced: those of which a part was copied, to a bounce page
 * @tx_fallback: times that frames went by skbs, by reason
 * @tx_copied: frames that went by an skb
 * @tx_rewound: frames given back and not sent
 * @tx_errors: frames that were dropped, for they made no sense
 * @tx_resets: times that the NIC was reset as it did not take what it had
 *
 * @copied, @dropped and @tx_copied are counted without a lock, others of tx_*
 * under mp_queue.tx_lock, the rest under mp_queue.lock.
 */
struct mp_stats {
	u64		posted;
	u64		zerocopy;
	u64		bounced[MP_BOUNCE_MAX];
	u64		errors;
	u64		rewound;
	u64		deferred;
	atomic64_t	copied;
	atomic64_t	dropped;
	u64		tx_posted;
	u64		tx_zerocopy;
	u64		tx_whole;
	u64		tx_bounced;
	u64		tx_fallback[MP_FALLBACK_MAX];
	atomic64_t	tx_copied;
	u64		tx_rewound;
	u64		tx_errors;
	u64		tx_resets;
};

/**
 * struct mp_queue - one open of /dev/net/mp: a queue of each direction
 * @sk: holds the frames of copy mode and the transmit accounting
 * @sock: what vhost-net gets
 * @lock: serialises posting, completing, reading and starting or stopping
 *	zero-copy.  Nests inside RTNL, and inside a vhost virtqueue's mutex.
 * @port: the device of which a queue is bound, or NULL, see mp_queue_dev().
 *	Written under RTNL; freed after an RCU grace period.
 * @index: of the queue of the device.  Written under RTNL, constant while there
 *	is a @port; then that of the last one.
 * @detached: nothing is to be received, as TUNSETQUEUE says; kept from one
 *	device to the next.  Written under RTNL.
 * @rx: zero-copy receive, NULL in copy mode.  Written under RTNL and @lock.
 * @mem: pinned pages, kept from the first start of zero-copy until the device
 *	is unbound or somebody else starts it.  Written under RTNL and @lock.
 * @start_full: when zero-copy may be started several times in a row again, in
 *	jiffies, see mp_rx_may_start()
 * @rx_readable: there may be something for mp_rx_complete() to do
 * @tx_lock: serialises posting, completing and stopping of transmit.  Nests
 *	inside RTNL, and inside a vhost virtqueue's mutex.
 * @tx: zero-copy transmit, from the first frame until the device is unbound.
 *	Written under @tx_lock.
 * @tx_unbound: none may be made.  Written under RTNL and @tx_lock.
 * @tx_cancelled: nor before mp_tx_stop(): the poster has to notice first that
 *	kiocbs were cancelled.  Under @tx_lock.
 * @tx_waits: the poster waits for the socket to become writable
 * @tx_copy_until: skbs are sent until then, in jiffies
 * @tx_wants_idle: the poster waits for them to be sent
 * @tx_idle: looks whether they are
 * @flags: TUN_VNET_*
 * @vnet_hdr_sz: bytes in front of each frame.  Written under RTNL and @lock.
 * @features: offloads that the reader accepts, as of TUNSETOFFLOAD.  Written
 *	under RTNL.
 * @claimed_by: process of mpassthru_claim(), or 0; by direction
 * @stats: counters
 */
struct mp_queue {
	struct sock			sk;
	struct socket			sock;
	struct mutex			lock;	/* see above */
	struct mp_port __rcu		*port;
	unsigned int			index;
	bool				detached;
	struct mp_rx			*rx;
	struct mp_mem			*mem;
	u64				start_full;
	bool				rx_readable;
	struct mutex			tx_lock;	/* see above */
	struct mp_tx			*tx;
	bool				tx_unbound;
	bool				tx_cancelled;
	bool				tx_waits;
	bool				tx_wants_idle;
	u64				tx_copy_until;
	struct delayed_work		tx_idle;
	unsigned int			flags;
	int				vnet_hdr_sz;
	netdev_features_t		features;
	pid_t				claimed_by[2];
	struct mp_stats			stats;
};

/**
 * mp_bucket_take - limit how often something is done
 * @full: when the bucket will be full, in jiffies; 0 at first
 * @burst: how many it holds
 * @interval: jiffies in which it fills by one
 *
 * Context: any, with what protects @full.
 * Return: 0, and one was taken; or in how many jiffies there will be one
 */
static inline unsigned long mp_bucket_take(u64 *full, unsigned int burst,
					   unsigned long interval)
{
	u64 now = get_jiffies_64(), end = max(*full, now);
	u64 last = now + (burst - 1) * interval;

	if (end > last)
		return end - last;
	*full = end + interval;
	return 0;
}

/* mpassthru_bind.c: binding, as user space asks for it */
int mp_bind(struct mp_queue *mq, struct mpassthru_bind __user *argp);
int mp_bind_iff(struct mp_queue *mq, const char *ifname, bool multi);
int mp_unbind(struct mp_queue *mq);

/* mpassthru_tap.c: the ioctls of a tap */
long mp_tap_ioctl(struct mp_queue *mq, unsigned int cmd, unsigned long arg);

/* mpassthru_sock.c: the socket, for vhost-net */
struct mp_queue *mp_sock_alloc(struct net *net, struct file *file);
void mp_sock_writable(struct mp_queue *mq);

/* mpassthru_rx.c: zero-copy receive */
int mp_rx_post(struct mp_queue *mq, struct mpassthru_batch *batch);
int mp_rx_complete(struct mp_queue *mq, int budget);
void mp_rx_stop(struct mp_queue *mq);
void mp_rx_unbind(struct mp_queue *mq);
void mp_rx_show(struct mp_queue *mq, struct seq_file *m);
void mp_rx_tap(struct mpassthru_rxq *rxq, u32 idx, unsigned int len);
void mp_rx_flush(struct mpassthru_rxq *rxq);

/* mpassthru_tx.c: zero-copy transmit */
int mp_tx_post(struct mp_queue *mq, struct mpassthru_batch *batch);
int mp_tx_flush(struct mp_queue *mq);
void mp_tx_stop(struct mp_queue *mq);
void mp_tx_bound(struct mp_queue *mq);
struct mp_tx *mp_tx_unbind(struct mp_queue *mq);
void mp_tx_free(struct mp_tx *tx);
void mp_tx_changed(struct mp_queue *mq);
void mp_tx_idle_work(struct work_struct *work);
void mp_tx_show(struct mp_queue *mq, struct seq_file *m);
void mp_tx_wake(struct mpassthru_txq *txq);

/* mpassthru_copy.c: copy mode and transmit */
void mp_copy_divert(struct mp_queue *mq, struct sk_buff *skb, bool late);
ssize_t mp_copy_read(struct mp_queue *mq, struct iov_iter *to, bool noblock);
ssize_t mp_copy_write(struct mp_queue *mq, struct iov_iter *from, bool noblock);
void mp_copy_write_xdp(struct mp_queue *mq, struct xdp_buff *xdp);
int mp_copy_peek_len(struct mp_queue *mq);

#endif /* _VHOST_MPASSTHRU_H */
