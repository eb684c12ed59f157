// SPDX-License-Identifier: GPL-2.0-only
/*
 * mpassthru: when frames of a port go to a transmit ring, and what becomes of
 * them when the ring does not run.  Written once for all drivers; how frames
 * are written to a ring is &mpassthru_driver_ops.tx_run.
 *
 * A frame for which there is no room, or that comes while the queue is stopped,
 * stays in the FIFO.  Nothing is kept about that: each round of NAPI ends with
 * netdev_mp_tx_poll(), which takes the transmit lock, whether or not frames
 * seem to wait.  Who left a frame there held the lock before the round did,
 * which then sees the frame; or after it, and then saw the room that it made.
 */

#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/mpassthru.h>
#include <linux/netdevice.h>
#include <net/sch_generic.h>

/**
 * netdev_mp_tx_kick - push what is posted, or drop it
 * @dev: network device
 * @queue: index of the transmit queue, also of one without a FIFO
 *
 * What the NIC has sent is left to NAPI, never cleaned beside it.  NAPI runs
 * when the caller enables softirqs.
 *
 * Context: process, softirqs disabled, RCU read side.  May race with the device
 * going down.
 */
void netdev_mp_tx_kick(struct net_device *dev, unsigned int queue)
{
	struct mpassthru_txq *txq = mpassthru_tx_queue(dev, queue);
	struct napi_struct *napi;
	struct netdev_queue *nq;

	/* @dev may have fewer queues than a port. */
	if (!txq)
		return;

	nq = netdev_get_tx_queue(dev, queue);
	__netif_tx_lock(nq, smp_processor_id());
	napi = txq->port->drv->tx_run(dev, txq, false);
	/* The lock keeps its vector: a device that goes down takes it. */
	if (napi)
		napi_schedule(napi);
	__netif_tx_unlock(nq);
}
EXPORT_SYMBOL_GPL(netdev_mp_tx_kick);

/**
 * netdev_mp_tx_poll - end of a round of NAPI
 * @dev: network device
 * @queue: index of the transmit queue
 * @seen: FIFO of frames that were done in this round, or NULL
 *
 * Push what waits and wake the consumer.
 *
 * Context: NAPI of the queue, not netpoll, which may have come between those
 * who hold the transmit lock and the release of it.
 * Return: false when NAPI has to poll again
 */
bool netdev_mp_tx_poll(struct net_device *dev, unsigned int queue,
		       struct mpassthru_txq *seen)
{
	struct netdev_queue *nq = netdev_get_tx_queue(dev, queue);
	struct napi_struct *again = NULL;
	struct mpassthru_txq *txq;
	u32 pushed;

	rcu_read_lock();
	txq = mpassthru_tx_queue(dev, queue);
	if (txq) {
		__netif_tx_lock(nq, smp_processor_id());
		pushed = txq->pushed;
		again = txq->port->drv->tx_run(dev, txq, true);
		pushed = txq->pushed - pushed;
		__netif_tx_unlock(nq);
		/* also of those that were done by netpoll */
		if (pushed || txq->flushed != txq->done) {
			txq->flushed = txq->done;
			mpassthru_tx_flush(txq);
		}
	}
	/* one that is being taken away */
	if (seen && seen != txq)
		mpassthru_tx_flush(seen);
	rcu_read_unlock();

	return !again;
}
EXPORT_SYMBOL_GPL(netdev_mp_tx_poll);

/* Frames of the stack wait in the qdisc, which runs between two rounds of NAPI,
 * if it finds the queue open: it has every other round.  A kick leaves the
 * decision to NAPI.
 */
static bool mpassthru_tx_yield(const struct netdev_queue *nq,
			       struct mpassthru_txq *txq, bool napi)
{
	if (likely(qdisc_is_empty(rcu_dereference_bh(nq->qdisc))) ||
	    !mpassthru_tx_next(txq))
		return false;
	if (napi)
		txq->yielded = !txq->yielded;
	return !napi || txq->yielded;
}

/**
 * netdev_mp_tx_turn - how much may be pushed now
 * @nq: netdev queue of the ring, which is not stopped
 * @txq: FIFO
 * @napi: as &mpassthru_driver_ops.tx_run has it
 *
 * To be called once for each call of that, after mpassthru_tx_may_push(): turns
 * are counted.
 *
 * Context: as &mpassthru_driver_ops.tx_run.
 * Return: the bytes that BQL lets the queue have: frames are pushed until one
 * takes it past them, so that a queue which has just reached its limit gets a
 * frame more.  -EAGAIN when it is the network stack's turn.
 */
int netdev_mp_tx_turn(const struct netdev_queue *nq, struct mpassthru_txq *txq,
		      bool napi)
{
	if (unlikely(mpassthru_tx_yield(nq, txq, napi)))
		return -EAGAIN;

	return IS_ENABLED(CONFIG_BQL) ? max(qdisc_avail_bulklimit(nq), 0) :
					INT_MAX;
}
EXPORT_SYMBOL_GPL(netdev_mp_tx_turn);

/**
 * netdev_mp_tx_cleaned - frames of a ring will not be sent any more
 * @txq: FIFO that they are of, which is there until they are done
 * @n: how many
 *
 * They count as sent.
 *
 * Context: process; NAPI disabled, and no DMA of the ring goes on.
 */
void netdev_mp_tx_cleaned(struct mpassthru_txq *txq, unsigned int n)
{
	local_bh_disable();
	rcu_read_lock();
	mpassthru_tx_done(txq, n);
	mpassthru_tx_flush(txq);
	rcu_read_unlock();
	local_bh_enable();
}
EXPORT_SYMBOL_GPL(netdev_mp_tx_cleaned);

/**
 * netdev_mp_tx_down - drop what waits for a device that has been brought down
 * @dev: network device, of which &mpassthru_driver_ops.tx_run drops by now, and
 *	whose rings are clean
 *
 * Who posts from here on drops by itself.
 *
 * Context: process.
 */
void netdev_mp_tx_down(struct net_device *dev)
{
	unsigned int i;

	if (!mpassthru_bound(dev))
		return;

	local_bh_disable();
	rcu_read_lock();
	for (i = 0; i < MPASSTHRU_QUEUES; i++)
		netdev_mp_tx_kick(dev, i);
	rcu_read_unlock();
	local_bh_enable();
}
EXPORT_SYMBOL_GPL(netdev_mp_tx_down);

/**
 * netdev_mp_tx_busy - are frames of a port in a ring
 * @dev: network device
 * @queue: index of the transmit queue, whose &mpassthru_txq.closed is set
 *
 * Context: process.
 * Return: false when all that were pushed are done
 */
bool netdev_mp_tx_busy(const struct net_device *dev, unsigned int queue)
{
	struct mpassthru_txq *txq;
	bool busy;

	rcu_read_lock();
	txq = mpassthru_tx_queue(dev, queue);
	busy = txq && mpassthru_tx_sent(txq) != txq->pushed;
	rcu_read_unlock();

	return busy;
}
EXPORT_SYMBOL_GPL(netdev_mp_tx_busy);
