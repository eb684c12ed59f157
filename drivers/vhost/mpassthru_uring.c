// SPDX-License-Identifier: GPL-2.0-only
/*
 * io_uring commands: a program posts buffers to be filled, and frames to be
 * sent, as vhost-net does for a guest, and gets a CQE for each.
 *
 *   mp_uring_cmd()	the command is queued, in the order of submission
 *   mp_uring_run()	task work of the submitter: posts what is queued, and
 *			has what was filled or sent complete
 *   mp_uring_done()	ki_complete: the result is there
 *   mp_uring_reap()	task work: CQEs, in the order of submission
 *   mp_uring_cancel()	the program or its ring ends: all goes back
 *
 * To the FIFOs of mpassthru_rx.c and mpassthru_tx.c this is another poster:
 * each command has a kiocb, which they complete in their order, or cancel.  As
 * memory of the poster is written by the poster alone, all that is done for a
 * command happens in the task that has submitted it.  There it is done for many
 * at a time: task work that was asked for by the first command of a system call
 * finds all of them, posts them by one call, and rings one doorbell.
 *
 * Who may post.  A ring claims a direction of the descriptor with its first
 * command, as a virtqueue does, see mpassthru_claim().  It has it as long as
 * commands are outstanding, and then until they have been stopped, somebody
 * else asks, or it was idle for a while: it may have ended.  As all of them are
 * of one ring, its uring_lock, which io_uring holds when it calls us,
 * serialises all but the wake-up, and others who ask.  As all of them are of
 * one thread, nobody waits for the task work of another.
 *
 * Task work is that of a command, the oldest one: the carrier.  There is one at
 * a time for a direction, see enum mp_uring_state.  A carrier is completed by
 * its task work only, so that io_uring does not free the command with that on
 * one of its lists.  Other commands may be completed before, out of their turn,
 * when they are cancelled.
 *
 * Lifetimes.  A command holds the file until its CQE is there, which io_uring
 * writes, at the earliest, after what we do for it has returned.  So struct
 * mp_uring, which is freed by mp_release(), is there for task work and for
 * whoever is woken.  Nothing is freed with a command: there is a slot for each
 * that may be outstanding.
 *
 * What a program posts is in the hands of the NIC until the kiocb completes.
 * Where the program ends, io_uring cancels its commands, or runs their task
 * work in a worker of its own, which has no address space: in both cases
 * mp_uring_stop() takes everything back from the NIC, of this direction, before
 * the first command is completed.
 *
 * Memory is posted by its address: pages are looked up, pinned and mapped for
 * the NIC once, see mpassthru_mem.c, and taken out of use when the mapping
 * changes.  A registered buffer would save nothing of that, and is other pages
 * than those at its address after such a change.  So there are none.
 *
 * Locks.  uring_lock is outside of all of ours and of RTNL: nothing that has
 * RTNL, or a lock of struct mp_queue, waits for it.  Kiocbs are completed with
 * these held, which only sets a flag.
 */

#include <linux/fs.h>
#include <linux/io_uring/cmd.h>
#include <linux/limits.h>
#include <linux/mutex.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/util_macros.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <uapi/linux/mpassthru.h>

#include "mpassthru.h"

/* Commands outstanding at most, by direction: no fewer than a FIFO has room
 * for, MP_RX_SIZE and MP_TX_SIZE.  One more is refused (-ENOBUFS).
 */
#define MP_URING_SIZE		1024

/* Posted, and completed, at a time. */
#define MP_URING_BATCH		64

/* Others stop while we post. */
#define MP_URING_TRIES		4

/* For room in the send buffer, if we were woken before we began to wait. */
#define MP_URING_WAIT		(HZ / 50)

/* A claim of which nothing is outstanding ends after so many jiffies. */
#define MP_URING_IDLES		HZ

/**
 * enum mp_uring_state - task work of a direction
 * @MP_URING_IDLE: none is on its way
 * @MP_URING_QUEUED: that of &mp_uring.carrier is
 * @MP_URING_RUNNING: it runs; who wants it to sets &mp_uring.again
 */
enum mp_uring_state {
	MP_URING_IDLE,
	MP_URING_QUEUED,
	MP_URING_RUNNING,
};

/**
 * struct mp_uring_slot - a command
 * @iocb: what is posted for it
 * @cmd: the command, NULL when it was completed
 * @iov: its buffer
 * @dir: READ or WRITE, constant
 * @res: of its CQE, valid when @done is set
 * @done: it was filled or sent, or was not and goes back
 */
struct mp_uring_slot {
	struct kiocb		iocb;
	struct io_uring_cmd	*cmd;
	struct iovec		iov;
	unsigned int		dir;
	int			res;
	bool			done;
};

/**
 * struct mp_uring - the commands of one direction of a descriptor
 * @mq: whose they are, constant
 * @dir: READ for what is received, WRITE for what is sent; constant
 * @wait: in the wait queue of the socket while there is a @ring
 * @retry: asks for task work later, or ends the claim when there is none to ask
 *	for
 * @lock: protects what mp_uring_wake() and mp_uring_end() look at: @ring,
 *	@idle_since, @task, @state, @again, @carrier, @tail, @head, and
 *	&mp_uring_slot.cmd of those in between.  Taken in a wake-up: interrupts
 *	are off.
 * @end_lock: serialises mp_uring_end().  RTNL nests inside.
 * @ring: whose commands they are, see io_uring_cmd_ctx_handle(); NULL when the
 *	direction is not claimed.  It is compared only, and so is the address
 *	space of the claim: another ring that is at the same place is the same
 *	program's.
 * @idle_since: jiffies at which task work ran last
 * @task: whose commands they are while some are outstanding, compared only
 * @state: of the task work
 * @again: it has to run once more
 * @carrier: the command whose task work it is, unless @state is MP_URING_IDLE
 * @rests: @later, and nothing is with the NIC
 * @asked: io_uring has asked to cancel it, and is going to ask again
 * @stopped: the claim ends when all that was stopped has been completed
 * @later: what is queued waits for @retry
 * @tail: end of the commands that were completed
 * @posted: end of those that were posted
 * @head: end of all
 * @chains: those that are being posted
 * @slots: from @tail to @head in use
 *
 * The uring_lock of @ring protects the rest, and is held to write any of it but
 * @state, @again, @carrier, @rests and @asked.
 */
struct mp_uring {
	struct mp_queue		*mq;
	unsigned int		dir;
	wait_queue_entry_t	wait;
	struct delayed_work	retry;
	spinlock_t		lock;	/* see above */
	struct mutex		end_lock;
	unsigned long		idle_since;
	void			*ring;
	const struct task_struct *task;
	enum mp_uring_state	state;
	bool			again;
	struct io_uring_cmd	*carrier;
	bool			rests;
	bool			asked;
	bool			stopped;
	bool			later;
	u32			tail;
	u32			posted;
	u32			head;
	struct mpassthru_chain	chains[MP_URING_BATCH];
	struct mp_uring_slot	slots[MP_URING_SIZE];
};

/* What we keep in a command: the index of its slot. */
struct mp_uring_pdu {
	u32	idx;
};

static void mp_uring_task_work(struct io_tw_req tw_req, io_tw_token_t tw);

static struct mp_uring_slot *mp_uring_slot(struct mp_uring *u, u32 idx)
{
	return &u->slots[idx % MP_URING_SIZE];
}

static struct mp_uring_pdu *mp_uring_pdu(struct io_uring_cmd *cmd)
{
	return io_uring_cmd_to_pdu(cmd, struct mp_uring_pdu);
}

static unsigned int mp_uring_dir(const struct io_uring_cmd *cmd)
{
	return cmd->cmd_op == MPASSTHRU_URING_RECV ? READ : WRITE;
}

/* Of a command that was queued. */
static struct mp_uring *mp_uring_of(const struct io_uring_cmd *cmd)
{
	const struct mp_queue *mq = cmd->file->private_data;

	return mq->uring[mp_uring_dir(cmd)];
}

/* Results */

/* Any context that posts, completes or stops, with locks held.  What is sent
 * may have been padded.
 */
static void mp_uring_done(struct kiocb *iocb, long res)
{
	struct mp_uring_slot *slot =
		container_of(iocb, struct mp_uring_slot, iocb);

	if (slot->dir == WRITE && res > 0)
		res = slot->iov.iov_len;
	slot->res = res;
	/* Pairs with smp_load_acquire() in mp_uring_is_done(). */
	smp_store_release(&slot->done, true);
}

static bool mp_uring_is_done(const struct mp_uring_slot *slot)
{
	/* Pairs with smp_store_release() in mp_uring_done(). */
	return smp_load_acquire(&slot->done);
}

/* Task work */

static struct io_uring_cmd *mp_uring_oldest(struct mp_uring *u)
{
	struct io_uring_cmd *cmd;
	u32 idx;

	for (idx = u->tail; idx != u->head; idx++) {
		cmd = mp_uring_slot(u, idx)->cmd;
		if (likely(cmd))
			return cmd;
	}
	return NULL;
}

/* Task work has to run.  Returns the command whose it is, for the caller to ask
 * io_uring for it without the lock, or NULL: there is nothing to ask for.
 */
static struct io_uring_cmd *mp_uring_pick_carrier(struct mp_uring *u)
{
	lockdep_assert_held(&u->lock);

	if (u->state == MP_URING_RUNNING)
		u->again = true;
	if (u->state != MP_URING_IDLE)
		return NULL;
	u->carrier = mp_uring_oldest(u);
	if (u->carrier)
		u->state = MP_URING_QUEUED;
	u->asked = false;
	return u->carrier;
}

/* Have task work run that begins after this.  @flags: IOU_F_TWQ_*. */
static void mp_uring_call(struct mp_uring *u, unsigned int flags)
{
	struct io_uring_cmd *carrier;
	unsigned long irq;

	spin_lock_irqsave(&u->lock, irq);
	carrier = mp_uring_pick_carrier(u);
	spin_unlock_irqrestore(&u->lock, irq);
	/* Nobody but its task work completes it. */
	if (carrier)
		__io_uring_cmd_do_in_task(carrier, mp_uring_task_work, flags);
}

/* The socket is readable or writable: something was filled or sent, or was
 * cancelled; from softirq mostly.
 */
static int mp_uring_wake(wait_queue_entry_t *wait, unsigned int mode, int sync,
			 void *key)
{
	struct mp_uring *u = container_of(wait, struct mp_uring, wait);
	__poll_t mask = key_to_poll(key);

	if (mask && !(mask & (u->dir == READ ? EPOLLIN : EPOLLOUT)))
		return 0;
	/* By frames of copy mode, one by one: they are dropped when it is time
	 * to post.  An unbind is seen then as well, or at once.
	 */
	if (READ_ONCE(u->rests) && rcu_access_pointer(u->mq->port))
		return 0;
	mp_uring_call(u, IOU_F_TWQ_IN_WAKE);
	return 0;
}

/* In @wait jiffies, whatever was asked for before. */
static void mp_uring_call_later(struct mp_uring *u, unsigned long wait)
{
	mod_delayed_work(system_dfl_wq, &u->retry, wait);
}

/* The same work, in @wait jiffies if it was not asked for: who posts again by
 * then may have, and for sooner.
 */
static void mp_uring_end_later(struct mp_uring *u, unsigned long wait)
{
	queue_delayed_work(system_dfl_wq, &u->retry, wait);
}

/* Stopping */

/* Takes RTNL.  All kiocbs of the direction have completed when it returns, and
 * the NIC has none of their memory.
 */
static void mp_uring_shutdown(struct mp_uring *u)
{
	struct socket *sock = &u->mq->sock;

	sock->ops->shutdown(sock, u->dir == READ ? SHUT_RD : SHUT_WR);
}

/* All commands are done with, to be completed; some are outstanding, so that
 * nobody else has the claim.  With uring_lock held.  Takes RTNL.
 */
static void mp_uring_stop(struct mp_uring *u)
{
	mp_uring_shutdown(u);
	for (; u->posted != u->head; u->posted++)
		mp_uring_done(&mp_uring_slot(u, u->posted)->iocb, -ECANCELED);
	u->later = false;
	u->stopped = true;
}

/* End the claim, unless something is outstanding: from here on a command has to
 * claim the direction anew.  When it returns, nobody is about to end it either:
 * who asks next gets it.  Takes RTNL.
 */
static void mp_uring_end(struct mp_uring *u)
{
	struct mp_queue *mq = u->mq;
	bool idle;

	mutex_lock(&u->end_lock);
	spin_lock_irq(&u->lock);
	idle = u->ring && u->head == u->tail && u->state == MP_URING_IDLE;
	if (idle)
		u->ring = NULL;
	spin_unlock_irq(&u->lock);

	if (idle) {
		/* The next one may have another address space.  Of what was
		 * sent nothing of the poster's is left, but copies in our own
		 * memory, which completed at once: no NIC that is paused is
		 * reset for these, see mp_tx_may_start().  Only what was
		 * cancelled has to be noticed.
		 */
		if (u->dir == READ || READ_ONCE(mq->tx_cancelled))
			mp_uring_shutdown(u);
		else
			mp_tx_renew(mq);
		remove_wait_queue(&mq->sock.wq.wait, &u->wait);
		mpassthru_unclaim(&mq->sock, u->dir);
	}
	mutex_unlock(&u->end_lock);
}

static void mp_uring_retry(struct work_struct *work)
{
	struct mp_uring *u = container_of(to_delayed_work(work),
					  struct mp_uring, retry);

	unsigned long left;
	bool idle;

	WRITE_ONCE(u->rests, false);
	mp_uring_call(u, 0);

	spin_lock_irq(&u->lock);
	idle = u->ring && u->head == u->tail;
	left = u->idle_since + MP_URING_IDLES - jiffies;
	spin_unlock_irq(&u->lock);
	if (!idle)
		return;
	/* Not moved on by each command of who has one outstanding at a time. */
	if (left - 1 < MP_URING_IDLES)
		mp_uring_end_later(u, left);
	else
		mp_uring_end(u);
}

/**
 * mp_uring_yield - have a ring that has nothing outstanding end its claim
 * @mq: queue
 * @dir: READ or WRITE
 *
 * Context: process, takes RTNL.  Waits for no program.
 */
void mp_uring_yield(struct mp_queue *mq, unsigned int dir)
{
	/* Pairs with cmpxchg() in mp_uring_get(). */
	struct mp_uring *u = smp_load_acquire(&mq->uring[dir]);

	if (u)
		mp_uring_end(u);
}

/**
 * mp_uring_release - free what commands were queued in
 * @mq: queue, whose file goes; no command holds it
 *
 * Context: process, takes RTNL.
 */
void mp_uring_release(struct mp_queue *mq)
{
	struct mp_uring *u;
	int dir;

	for (dir = READ; dir <= WRITE; dir++) {
		u = mq->uring[dir];
		if (!u)
			continue;
		mp_uring_end(u);
		/* The copies that an idle ring left with the NIC: mp_unbind()
		 * would wait for these with RTNL held.
		 */
		if (dir == WRITE)
			mp_uring_shutdown(u);
		/* Nobody is woken, and nothing is asked for, any more. */
		cancel_delayed_work_sync(&u->retry);
		WARN_ON_ONCE(u->ring);
		mq->uring[dir] = NULL;
		kvfree(u);
	}
}

/**
 * mp_uring_show - counters for fdinfo
 * @mq: queue
 * @m: file
 *
 * Context: process.
 */
void mp_uring_show(struct mp_queue *mq, struct seq_file *m)
{
	static const char * const names[] = { "rx", "tx" };
	struct mp_uring *u;
	u32 out;
	int dir;

	for (dir = READ; dir <= WRITE; dir++) {
		/* Pairs with cmpxchg() in mp_uring_get(). */
		u = smp_load_acquire(&mq->uring[dir]);
		out = 0;
		if (u) {
			spin_lock_irq(&u->lock);
			out = u->head - u->tail;
			spin_unlock_irq(&u->lock);
		}
		seq_printf(m, "mp-uring-%s:\t%u\n", names[dir], out);
	}
}

/* Posting, in the task of the submitter */

static void mp_uring_fetch(struct mp_uring *u, struct mpassthru_batch *batch,
			   unsigned int max)
{
	unsigned int nr = min(u->head - u->posted, max), i;
	struct mpassthru_chain *chain;
	struct mp_uring_slot *slot;

	for (i = 0; i < nr; i++) {
		slot = mp_uring_slot(u, u->posted + i);
		chain = &u->chains[i];
		chain->iocb = &slot->iocb;
		chain->iov = &slot->iov;
		chain->nr_segs = 1;
		chain->len = slot->iov.iov_len;
	}
	*batch = (struct mpassthru_batch) {
		.chains = u->chains,
		.nr = nr,
		.hdr_len = READ_ONCE(u->mq->vnet_hdr_sz),
	};
}

/* Nothing is taken now.  Was that for a reason which ends here?  Frames of copy
 * mode are older than what is to be posted, but nobody who posts reads them;
 * and what was cancelled, as others have stopped, goes back by itself: unlike
 * vhost-net we have nothing to take back with it.
 */
static bool mp_uring_try_again(struct mp_uring *u)
{
	struct mp_queue *mq = u->mq;

	if (u->dir == READ ? READ_ONCE(mq->rx_cancelled) :
			     READ_ONCE(mq->tx_cancelled)) {
		mp_uring_shutdown(u);
		return true;
	}
	if (u->dir == READ &&
	    !skb_queue_empty_lockless(&mq->sk.sk_receive_queue)) {
		mp_rx_drop_queue(mq);
		return true;
	}
	return false;
}

/* Or will it be another time?  Zero-copy does not begin while a signal is
 * pending, see mp_mem_create(), and task work that waits counts as one.  It is
 * dealt with after ours, which would find it each time that it runs again: a
 * tick later it does not.
 */
static bool mp_uring_try_later(struct mp_uring *u,
			       const struct mpassthru_batch *batch)
{
	bool on = u->dir == READ ? !!READ_ONCE(u->mq->rx) :
				   mp_tx_is_ours(u->mq);
	unsigned long wait = batch->wait;

	if (!wait && !on && signal_pending(current))
		wait = 1;
	u->later = wait;
	if (wait)
		mp_uring_call_later(u, wait);
	return wait;
}

/* The first that is queued cannot be posted.  Frames are sent all the same, by
 * an skb, and all that was posted before is in the ring.  Returns false when
 * that, too, has to wait: for the room that others take up.
 */
static bool mp_uring_refused(struct mp_uring *u, int err)
{
	struct mp_uring_slot *slot = mp_uring_slot(u, u->posted);
	struct iov_iter from;

	if (u->dir == WRITE) {
		iov_iter_init(&from, ITER_SOURCE, &slot->iov, 1,
			      slot->iov.iov_len);
		err = mp_copy_write(u->mq, &from, true);
		/* SOCK_NOSPACE is set: see mp_write_space(). */
		if (err == -EAGAIN) {
			u->later = true;
			mp_uring_call_later(u, MP_URING_WAIT);
			return false;
		}
		/* No skb; who submits is told so of the slots. */
		if (err == -ENOBUFS)
			err = -ENOMEM;
	}
	mp_uring_done(&slot->iocb, err);
	u->posted++;
	return true;
}

static void mp_uring_post(struct mp_uring *u)
{
	unsigned int max = MP_URING_BATCH, tries = MP_URING_TRIES;
	struct mpassthru_batch batch;
	int err;

	u->later = false;
	while (u->posted != u->head) {
		mp_uring_fetch(u, &batch, max);
		err = u->dir == READ ? mp_rx_post(u->mq, &batch) :
				       mp_tx_post(u->mq, &batch);
		u->posted += batch.taken;
		if (likely(!err)) {
			max = MP_URING_BATCH;
			continue;
		}
		/* What has to leave first brings us back. */
		if (err == -ENOBUFS)
			return;
		/* Zero-copy does not begin where one of them is too short. */
		if (u->dir == READ && batch.nr - batch.taken > 1) {
			max = 1;
			continue;
		}
		if (err == -EAGAIN) {
			if (tries && mp_uring_try_again(u)) {
				tries--;
				continue;
			}
			if (mp_uring_try_later(u, &batch))
				return;
		}
		if (!mp_uring_refused(u, err))
			return;
		max = MP_URING_BATCH;
	}
}

/* Of what the NIC has written, or sent.  In a task of the submitter's address
 * space, which is written to: STOP may come by another thread.  Returns whether
 * there is room for more.
 */
static bool mp_uring_complete(struct mp_uring *u)
{
	struct mp_queue *mq = u->mq;
	bool room = false;
	int n;

	if (u->dir == WRITE) {
		mp_tx_flush(mq);
		return !READ_ONCE(mq->tx_waits);
	}
	/* No more than is outstanding. */
	do {
		n = mp_rx_complete(mq, MP_URING_BATCH);
		room |= n > 0;
		cond_resched();
	} while (n == MP_URING_BATCH);
	return room;
}

/* Returns whether it has to be done again, and nobody is going to wake us. */
static bool mp_uring_run(struct mp_uring *u)
{
	bool room;

	mp_uring_post(u);
	room = mp_uring_complete(u);
	/* There was no room, and is by now. */
	return room && u->posted != u->head && !u->later;
}

/* Complete commands up to the first that is not done.  Returns the end of them:
 * while task work runs nobody else looks at what is between that and @tail.
 */
static u32 mp_uring_reap(struct mp_uring *u, unsigned int issue_flags)
{
	struct mp_uring_slot *slot;
	struct io_uring_cmd *cmd;
	u32 idx;

	for (idx = u->tail; idx != u->posted; idx++) {
		slot = mp_uring_slot(u, idx);
		if (!mp_uring_is_done(slot))
			break;
		cmd = slot->cmd;
		slot->cmd = NULL;
		/* Else mp_uring_cancel() has done it. */
		if (likely(cmd))
			io_uring_cmd_done(cmd, slot->res, issue_flags);
	}
	return idx;
}

/* In the task that has submitted the carrier, or, where that is at its end, in
 * a worker without an address space: then all goes back.
 */
static void mp_uring_task_work(struct io_tw_req tw_req, io_tw_token_t tw)
{
	struct mp_uring *u = mp_uring_of(io_uring_cmd_from_tw(tw_req));
	struct io_uring_cmd *carrier = NULL;
	bool again = false, end, idle, rests;
	u32 tail;

	spin_lock_irq(&u->lock);
	u->state = MP_URING_RUNNING;
	u->again = false;
	spin_unlock_irq(&u->lock);

	if (unlikely(tw.cancel))
		mp_uring_stop(u);
	else
		again = mp_uring_run(u);
	tail = mp_uring_reap(u, IO_URING_CMD_TASK_WORK_ISSUE_FLAGS);

	/* Who was woken since it began to run has set @again, or finds it idle:
	 * with what is outstanding now, no command that was completed.
	 */
	spin_lock_irq(&u->lock);
	u->tail = tail;
	u->state = MP_URING_IDLE;
	/* Wake-ups were dropped, and something is with the NIC now: it may have
	 * been filled since we looked.
	 */
	rests = u->dir == READ && u->later && tail == u->posted;
	again |= u->rests && !rests;
	WRITE_ONCE(u->rests, rests);
	if (again || u->again)
		carrier = mp_uring_pick_carrier(u);
	/* Another ring may have the claim when nothing is outstanding. */
	end = u->stopped;
	idle = tail == u->head;
	u->idle_since = jiffies;
	spin_unlock_irq(&u->lock);
	if (carrier)
		io_uring_cmd_complete_in_task(carrier, mp_uring_task_work);

	if (unlikely(end))
		mp_uring_end(u);
	else if (idle)
		mp_uring_end_later(u, MP_URING_IDLES);
}

/* The task that has submitted @cmd ends, or its ring does.  With uring_lock
 * held.
 *
 * A FIFO gives back all or nothing, once: for the next one, and each time that
 * io_uring asks for this one, there is nothing to stop.  Of what is done, @cmd
 * is completed here: its task waits for it, and must not have to wait for the
 * task work of another, which may be stopped.  If it is the carrier, then its
 * own task, or io_uring in place of that, is about to run it.  Where that task
 * is another, and stopped, io_uring asks again until it goes on: slowly.
 */
static void mp_uring_cancel(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	u32 idx = mp_uring_pdu(cmd)->idx;
	struct mp_uring *u = mp_uring_of(cmd);
	struct mp_uring_slot *slot = mp_uring_slot(u, idx);
	bool carries, wait = false;
	int res;

	if (WARN_ON_ONCE(slot->cmd != cmd))
		return;

	if (!mp_uring_is_done(slot))
		mp_uring_stop(u);
	/* The NIC would have its memory. */
	if (WARN_ON_ONCE(!mp_uring_is_done(slot)))
		return;
	u->stopped = true;

	spin_lock_irq(&u->lock);
	carries = u->state != MP_URING_IDLE && u->carrier == cmd;
	if (carries) {
		wait = u->asked;
		u->asked = true;
	} else {
		slot->cmd = NULL;
	}
	/* Another ring may have the slot afterwards. */
	res = slot->res;
	while (u->tail != u->head && !mp_uring_slot(u, u->tail)->cmd)
		u->tail++;
	spin_unlock_irq(&u->lock);

	if (!carries)
		io_uring_cmd_done(cmd, res, issue_flags);
	else if (wait)
		schedule_timeout_idle(1);
	/* For those that are not going to be cancelled. */
	mp_uring_call(u, 0);
	mp_uring_end(u);
}

/* Commands */

static struct mp_uring *mp_uring_get(struct mp_queue *mq, unsigned int dir)
{
	/* Pairs with cmpxchg() below. */
	struct mp_uring *u = smp_load_acquire(&mq->uring[dir]), *other;
	int i;

	if (likely(u))
		return u;
	u = kvzalloc_obj(*u, GFP_KERNEL_ACCOUNT);
	if (!u)
		return NULL;

	u->mq = mq;
	u->dir = dir;
	spin_lock_init(&u->lock);
	mutex_init(&u->end_lock);
	init_waitqueue_func_entry(&u->wait, mp_uring_wake);
	INIT_DELAYED_WORK(&u->retry, mp_uring_retry);
	for (i = 0; i < MP_URING_SIZE; i++) {
		u->slots[i].iocb.ki_complete = mp_uring_done;
		u->slots[i].dir = dir;
	}

	/* Another ring may be as far. */
	other = cmpxchg(&mq->uring[dir], NULL, u);
	if (!other)
		return u;
	kvfree(u);
	return other;
}

/* Is the claim that of @ring, and of this address space?  With u->lock held. */
static bool mp_uring_is_ours(const struct mp_uring *u, const void *ring)
{
	return u->ring == ring &&
	       READ_ONCE(u->mq->claimed_by[u->dir]) == current->mm;
}

static void mp_uring_append_locked(struct mp_uring *u, struct io_uring_cmd *cmd,
				   const struct iovec *iov)
{
	struct mp_uring_slot *slot = mp_uring_slot(u, u->head);

	slot->cmd = cmd;
	slot->iov = *iov;
	slot->done = false;
	mp_uring_pdu(cmd)->idx = u->head++;
	u->task = current;
	u->stopped = false;
}

/* Returns -ENOENT when the direction has to be claimed first.  What is
 * outstanding keeps the claim, and who submitted it the turn: it would have to
 * do the work of other threads, or they would wait for it.
 */
static int mp_uring_append(struct mp_uring *u, struct io_uring_cmd *cmd,
			   const struct iovec *iov)
{
	int err = 0;

	spin_lock_irq(&u->lock);
	if (unlikely(!mp_uring_is_ours(u, io_uring_cmd_ctx_handle(cmd))))
		err = -ENOENT;
	else if (unlikely(u->head != u->tail && u->task != current))
		err = -EBUSY;
	else if (unlikely(u->head - u->tail == MP_URING_SIZE))
		err = -ENOBUFS;
	else
		mp_uring_append_locked(u, cmd, iov);
	spin_unlock_irq(&u->lock);
	return err;
}

/* The first command of a claim, which nobody ends before it is outstanding.
 * Takes RTNL.
 */
static int mp_uring_claim(struct mp_uring *u, struct io_uring_cmd *cmd,
			  const struct iovec *iov)
{
	struct mp_queue *mq = u->mq;
	int err;

	err = mpassthru_claim(&mq->sock, u->dir);
	if (err)
		return err;
	mpassthru_settle(&mq->sock);
	add_wait_queue(&mq->sock.wq.wait, &u->wait);

	spin_lock_irq(&u->lock);
	u->ring = io_uring_cmd_ctx_handle(cmd);
	mp_uring_append_locked(u, cmd, iov);
	spin_unlock_irq(&u->lock);
	return 0;
}

static int mp_uring_queue(struct mp_queue *mq, struct io_uring_cmd *cmd,
			  unsigned int issue_flags)
{
	const struct mpassthru_uring_cmd *arg =
		io_uring_sqe_cmd(cmd->sqe, struct mpassthru_uring_cmd);
	unsigned int dir = mp_uring_dir(cmd);
	u64 addr = READ_ONCE(arg->addr);
	struct iovec iov = {
		.iov_base = u64_to_user_ptr(addr),
		.iov_len = READ_ONCE(arg->len),
	};
	struct mp_uring *u;
	int err;

	if (!(cmd->file->f_mode & (dir == READ ? FMODE_READ : FMODE_WRITE)))
		return -EBADF;
	if (READ_ONCE(arg->flags) || !iov.iov_len || iov.iov_len > INT_MAX)
		return -EINVAL;
	/* u64_to_user_ptr() cuts off what a pointer has no room for. */
	if (addr != (uintptr_t)iov.iov_base ||
	    !access_ok(iov.iov_base, iov.iov_len))
		return -EFAULT;
	if (!rcu_access_pointer(mq->port))
		return -ENOTCONN;

	u = mp_uring_get(mq, dir);
	if (!u)
		return -ENOMEM;
	err = mp_uring_append(u, cmd, &iov);
	if (err == -ENOENT)
		err = mp_uring_claim(u, cmd, &iov);
	if (err)
		return err;

	/* Nobody completes or cancels it before we return: that takes
	 * uring_lock, too.
	 */
	io_uring_cmd_mark_cancelable(cmd, issue_flags);
	mp_uring_call(u, 0);
	return -EIOCBQUEUED;
}

static int mp_uring_stop_cmd(struct mp_queue *mq, struct io_uring_cmd *cmd)
{
	const struct mpassthru_uring_cmd *arg =
		io_uring_sqe_cmd(cmd->sqe, struct mpassthru_uring_cmd);
	unsigned int flags = READ_ONCE(arg->flags);
	void *ring = io_uring_cmd_ctx_handle(cmd);
	struct mp_uring *u;
	bool ours, busy;
	int dir;

	if (READ_ONCE(arg->addr) || READ_ONCE(arg->len) || !flags ||
	    flags & ~(MPASSTHRU_URING_STOP_RECV | MPASSTHRU_URING_STOP_SEND))
		return -EINVAL;

	for (dir = READ; dir <= WRITE; dir++) {
		if (!(flags & (dir == READ ? MPASSTHRU_URING_STOP_RECV :
					     MPASSTHRU_URING_STOP_SEND)))
			continue;
		/* Pairs with cmpxchg() in mp_uring_get(). */
		u = smp_load_acquire(&mq->uring[dir]);
		if (!u)
			continue;
		/* What is outstanding stays so, and the claim ours, as long as
		 * we have uring_lock.
		 */
		spin_lock_irq(&u->lock);
		ours = mp_uring_is_ours(u, ring);
		busy = ours && u->head != u->tail;
		spin_unlock_irq(&u->lock);
		if (busy) {
			mp_uring_complete(u);
			mp_uring_stop(u);
			mp_uring_call(u, 0);
		} else if (ours) {
			mp_uring_end(u);
		}
	}
	return 0;
}

/**
 * mp_uring_cmd - a command of io_uring's, &file_operations.uring_cmd
 * @cmd: MPASSTHRU_URING_*, or one that was queued and is to be cancelled
 * @issue_flags: IO_URING_F_*
 *
 * Context: process, uring_lock held.  May take RTNL, and mmap_lock.
 * Return: -EIOCBQUEUED, a CQE comes later; or the result of the CQE:
 *
 * * 0: stopped
 * * -EINVAL: a value or a flag that a command does not have
 * * -EFAULT: not an address of the user's
 * * -EBADF: the file is not open for that direction
 * * -ENOTCONN: no device is bound
 * * -EBUSY: a vhost device, another ring, or another thread has the direction
 * * -ENOBUFS: too many are outstanding
 * * -EOPNOTSUPP: another command, or not from the task that submits, where
 *   commands have no order
 * * -ENOMEM
 */
int mp_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct mp_queue *mq = cmd->file->private_data;

	if (unlikely(issue_flags & IO_URING_F_CANCEL)) {
		mp_uring_cancel(cmd, issue_flags);
		return 0;
	}

	/* IOSQE_ASYNC: a worker of io_uring's, without uring_lock. */
	if (issue_flags & IO_URING_F_UNLOCKED || !current->mm ||
	    current->flags & PF_KTHREAD)
		return -EOPNOTSUPP;
	/* Neither registered buffers nor provided ones. */
	if (cmd->flags & IORING_URING_CMD_MASK)
		return -EINVAL;

	switch (cmd->cmd_op) {
	case MPASSTHRU_URING_RECV:
	case MPASSTHRU_URING_SEND:
		return mp_uring_queue(mq, cmd, issue_flags);
	case MPASSTHRU_URING_STOP:
		return mp_uring_stop_cmd(mq, cmd);
	default:
		return -EOPNOTSUPP;
	}
}
