/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VHOST_MPASSTHRU_H
#define _VHOST_MPASSTHRU_H

#include <linux/mpassthru.h>
#include <linux/mutex.h>
#include <linux/netdevice.h>
#include <linux/workqueue.h>
#include <net/sock.h>
#include <trace/events/mpassthru.h>

struct io_uring_cmd;
struct iov_iter;
struct mp_mem;
struct mp_port;
struct mp_rx;
struct mp_tx;
struct mp_uring;
struct mpassthru_batch;
struct mpassthru_bind;
struct seq_file;
struct xdp_buff;

/* Why receive copies, as far as who posts has told: see mp_rx_post(). */
enum mp_copy_reason {
	MP_COPY_UNPOSTED,	/* nothing is posted, it does not say why */
	MP_COPY_SHORT,		/* a buffer is too short for a frame */
	MP_COPY_MTU,		/* it is for one of this MTU, not of 1500 */
	MP_COPY_MEMORY,		/* no memory to post with */
	MP_COPY_OFTEN,		/* zero-copy was switched on too often */
	MP_COPY_HEADER,		/* its header is not as long as ours */
	MP_COPY_KTHREAD,	/* it has no address space */
};

/**
 * struct mp_stats - what happened since the device was opened
 * @posted: buffers posted
 * @zerocopy: frames that the NIC wrote to their buffer
 * @bounced: frames copied to their buffer, by reason
 * @errors: posted buffers completed without a frame: it was bad, or the buffer
 *	not writable
 * @rewound: posted buffers given back unused
 * @deferred: times that zero-copy was not switched on, as it was too often
 * @failed: times that it was put off, as a buffer was too short or memory was
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
	u64		failed;
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
 * struct mp_backoff - what fails is put off, longer each time
 * @until: until then, in jiffies; 0 when it is not
 * @since: it succeeds since then, in jiffies; 0 when it does not
 * @wait: for how long it was put off last, in jiffies; 0 when that is forgotten
 *
 * All 0 at first.  Jiffies are of 64 bits: these do not wrap.
 */
struct mp_backoff {
	u64		until;
	u64		since;
	unsigned int	wait;
};

/* It is put off for so long at first, twice as long each time, at most: */
#define MP_WAIT_MIN	HZ
#define MP_WAIT_MAX	(64 * HZ)

/* What succeeds for as long as it was put off last, and for so long, begins
 * with the shortest wait again when it fails.
 */
#define MP_WAIT_GOOD	(4 * HZ)

/**
 * struct mp_copying - why receive copies, and for how long
 * @backoff: of zero-copy, from a buffer that is too short, or a lack of memory,
 *	to the next try
 * @until: when it is tried again, in jiffies: that of @backoff, or of another
 *	@why; for fdinfo
 * @short_since: when the first buffer came that was too short, in jiffies, or
 *	0: none did since zero-copy was on, or since another process posts
 * @told: the log was told of these
 * @told_lost: the log was told of a frame that was lost, as the guest has no
 *	buffers that it fits
 * @why: since it was told last; cleared when zero-copy begins, and when another
 *	may post
 *
 * Protected by mp_queue.lock.  It outlives a stop of the poster, for a guest
 * can stop and start as it likes; and the device, for the poster goes on to
 * wait for as long as it was told.
 */
struct mp_copying {
	struct mp_backoff	backoff;
	u64			until;
	u64			short_since;
	bool			told;
	bool			told_lost;
	u8			why;
};

/* &mp_settings.which, beside TUN_VNET_LE and TUN_VNET_BE */
#define MP_SET_HDR_SZ	BIT(0)
#define MP_SET_FEATURES	BIT(1)
#define MP_SET_DETACHED	BIT(2)
#define MP_SET_SNDBUF	BIT(3)

/**
 * struct mp_settings - what a process has set, and which of it
 * @mm: its address space, by which it is known as it is to vhost, with a
 *	reference of mmgrab(); or NULL: of nobody
 * @which: MP_SET_*, and TUN_VNET_* of @flags
 * @flags: as &mp_queue.flags
 * @vnet_hdr_sz: as &mp_queue.vnet_hdr_sz
 * @features: as &mp_queue.features
 * @detached: as &mp_queue.detached
 * @sndbuf: as &sock.sk_sndbuf
 *
 * Protected by RTNL.
 */
struct mp_settings {
	struct mm_struct		*mm;
	unsigned int			which;
	unsigned int			flags;
	int				vnet_hdr_sz;
	netdev_features_t		features;
	bool				detached;
	int				sndbuf;
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
 * @copying: why zero-copy is not on.  Protected by @lock.
 * @rx_cancelled: nor is it going to be before the poster has noticed that
 *	kiocbs were cancelled, which it tells by shutdown.  Written under RTNL.
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
 * @flags: TUN_VNET_*.  Written under RTNL.
 * @vnet_hdr_sz: bytes in front of each frame.  Written under RTNL and @lock.
 * @features: offloads that the reader accepts, as of TUNSETOFFLOAD.  Written
 *	under RTNL.
 * @claimed_by: address space of mpassthru_claim(), with mmgrab(), or NULL; by
 *	direction.  Written under RTNL.
 * @claimer: number of the process that did it, which may be gone; for the log
 * @uring: commands of io_uring, by direction; made by the first one, and freed
 *	by mp_release()
 * @owner: whose settings hold, one of @claimed_by; or NULL.  RTNL.
 * @kept: all that held for the last @owner; before there was one, what the
 *	first process has set that set something
 * @later: what another process has set, see mp_tap_set(), or what held for it
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
	struct mp_copying		copying;
	bool				rx_cancelled;
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
	struct mm_struct		*claimed_by[2];
	pid_t				claimer[2];
	struct mp_uring			*uring[2];
	struct mm_struct		*owner;
	struct mp_settings		kept;
	struct mp_settings		later;
	struct mp_stats			stats;
};

/**
 * mp_is_others - has another process claimed the descriptor?
 * @mq: queue
 * @dir: READ or WRITE
 *
 * It shares the descriptor with us, and is the source of a migration mostly.
 * Who has no address space is no process, but is asked to look.
 *
 * Context: any.
 * Return: true if it has.
 */
static inline bool mp_is_others(const struct mp_queue *mq, unsigned int dir)
{
	const struct mm_struct *mm = READ_ONCE(mq->claimed_by[dir]);

	return mm && current->mm && mm != current->mm;
}

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

/**
 * mp_backoff_left - is it put off
 * @b: its back-off
 * @now: get_jiffies_64()
 *
 * Context: any, with what protects @b; so those below.
 * Return: for how many jiffies more; 0: it may be tried
 */
static inline unsigned int mp_backoff_left(const struct mp_backoff *b, u64 now)
{
	return now < b->until ? b->until - now : 0;
}

/**
 * mp_backoff_begin - it was tried, and succeeds from now on
 * @b: its back-off
 * @now: get_jiffies_64()
 */
static inline void mp_backoff_begin(struct mp_backoff *b, u64 now)
{
	b->until = 0;
	b->since = now;
}

/**
 * mp_backoff_end - it succeeds no longer, by no fault of its own
 * @b: its back-off
 * @now: get_jiffies_64()
 *
 * If it did for long enough, what was before is forgotten.  If it did not, that
 * counts neither for nor against it.
 */
static inline void mp_backoff_end(struct mp_backoff *b, u64 now)
{
	if (b->since && now - b->since >= max_t(u64, b->wait, MP_WAIT_GOOD))
		b->wait = 0;
	b->since = 0;
}

/**
 * mp_backoff_fail - it was tried and failed, or succeeds no longer
 * @b: its back-off
 * @now: get_jiffies_64()
 *
 * A failure while it is put off is no other one, and draws nothing out.
 *
 * Return: true if it is put off anew
 */
static inline bool mp_backoff_fail(struct mp_backoff *b, u64 now)
{
	if (mp_backoff_left(b, now))
		return false;
	mp_backoff_end(b, now);
	b->wait = clamp_t(unsigned int, 2 * b->wait, MP_WAIT_MIN, MP_WAIT_MAX);
	b->until = now + b->wait;
	return true;
}

/* mpassthru_bind.c: binding, as user space asks for it */
int mp_bind(struct mp_queue *mq, struct mpassthru_bind __user *argp);
int mp_bind_iff(struct mp_queue *mq, const char *ifname, bool multi);
int mp_unbind(struct mp_queue *mq);

/* mpassthru_tap.c: the ioctls of a tap */
long mp_tap_ioctl(struct mp_queue *mq, unsigned int cmd, unsigned long arg);
unsigned long mp_tap_set(struct mp_queue *mq, const struct mp_settings *new);
void mp_tap_set_too(struct mp_queue *mq, const struct mp_settings *new);
void mp_tap_join(struct mp_queue *mq, struct mp_queue *of);
unsigned long mp_tap_settle(struct mp_queue *mq);
void mp_tap_let_go(struct mp_queue *mq, struct mm_struct *heir);
void mp_tap_release(struct mp_queue *mq);

/* mpassthru_sock.c: the socket, for vhost-net */
struct mp_queue *mp_sock_alloc(struct net *net, struct file *file);
void mp_sock_writable(struct mp_queue *mq);

/* mpassthru_rx.c: zero-copy receive */
int mp_rx_post(struct mp_queue *mq, struct mpassthru_batch *batch);
int mp_rx_complete(struct mp_queue *mq, int budget);
void mp_rx_stop(struct mp_queue *mq);
void mp_rx_resize(struct mp_queue *mq);
void mp_rx_unbind(struct mp_queue *mq);
void mp_rx_drop_queue(struct mp_queue *mq);
void mp_rx_show(struct mp_queue *mq, struct seq_file *m);
void mp_rx_tap(struct mpassthru_rxq *rxq, u32 idx, unsigned int len);
void mp_rx_flush(struct mpassthru_rxq *rxq);

/* mpassthru_tx.c: zero-copy transmit */
int mp_tx_post(struct mp_queue *mq, struct mpassthru_batch *batch);
int mp_tx_flush(struct mp_queue *mq);
bool mp_tx_is_ours(struct mp_queue *mq);
void mp_tx_renew(struct mp_queue *mq);
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

/* mpassthru_uring.c: commands of io_uring */
#if IS_ENABLED(CONFIG_IO_URING)
int mp_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags);
void mp_uring_yield(struct mp_queue *mq, unsigned int dir);
void mp_uring_release(struct mp_queue *mq);
void mp_uring_show(struct mp_queue *mq, struct seq_file *m);
#else
static inline int mp_uring_cmd(struct io_uring_cmd *cmd,
			       unsigned int issue_flags)
{
	return -EOPNOTSUPP;
}

static inline void mp_uring_yield(struct mp_queue *mq, unsigned int dir)
{
}

static inline void mp_uring_release(struct mp_queue *mq)
{
}

static inline void mp_uring_show(struct mp_queue *mq, struct seq_file *m)
{
}
#endif

/**
 * mp_uring_yield_others - have rings of other processes end their claims
 * @mq: queue
 *
 * As mp_uring_yield(), of both directions.  Who has nothing outstanding may be
 * gone: what it has set is not to hold on.
 *
 * Context: process, takes RTNL if there are such rings.  Waits for no program.
 */
static inline void mp_uring_yield_others(struct mp_queue *mq)
{
	unsigned int dir;

	for (dir = READ; dir <= WRITE; dir++)
		if (mp_is_others(mq, dir))
			mp_uring_yield(mq, dir);
}

#endif /* _VHOST_MPASSTHRU_H */
