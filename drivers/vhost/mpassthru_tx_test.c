// SPDX-License-Identifier: GPL-2.0-only
/* KUnit tests of transmit that need no NIC: offloads, posting, stopping. */

#include <kunit/device.h>
#include <kunit/test-bug.h>
#include <kunit/test.h>
#include <linux/etherdevice.h>
#include <linux/io.h>
#include <linux/mman.h>
#include <linux/mpassthru.h>
#include <linux/sched/user.h>
#include <linux/swiotlb.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/virtio_net.h>
#include <net/sch_generic.h>

#include "mpassthru.h"
#include "mpassthru_mem.h"
#include "mpassthru_offload.h"
#include "mpassthru_port.h"

#define TX_QUEUE	3

static void test_free_netdev(void *dev)
{
	free_netdev(dev);
}

static struct net_device *test_netdev(struct kunit *test)
{
	struct net_device *dev = alloc_etherdev_mq(0, TX_QUEUE + 1);

	KUNIT_ASSERT_NOT_NULL(test, dev);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test, test_free_netdev, dev));
	dev->features = NETIF_F_HW_CSUM | NETIF_F_TSO | NETIF_F_TSO6 |
			NETIF_F_GSO_UDP_L4;
	rcu_assign_pointer(dev->qdisc, &noop_qdisc);
	return dev;
}

/* Offloads */

#define CSUM	VIRTIO_NET_HDR_F_NEEDS_CSUM
#define TSO4	VIRTIO_NET_HDR_GSO_TCPV4
#define TSO6	VIRTIO_NET_HDR_GSO_TCPV6
#define USO	VIRTIO_NET_HDR_GSO_UDP_L4

/* What a frame is made of: L3 is 4 or 6, with @tags VLAN tags before it. */
struct offload_case {
	struct mp_offload offload;
	unsigned int len;
	int l3, tags, proto, doff;
	int err, flags, hdrs;
};

static const struct offload_case offload_cases_tab[] = {
	/* Nothing to be done: nothing is looked at. */
	{ {}, 60, 4, 0, 6, 5, 0, 0, 14 },
	{ {}, 1518, 4, 0, 6, 5, 0, 0, 14 },
	{ {}, 1519, 4, 0, 6, 5, -EMSGSIZE, 0, 14 },
	/* A checksum */
	{ { CSUM, 0, 0, 34, 16 }, 1514, 4, 0, 6, 5, 0, MPASSTHRU_TX_CSUM, 52 },
	{ { CSUM, 0, 0, 38, 6 }, 1518, 4, 1, 17, 0, 0,
	  MPASSTHRU_TX_CSUM | MPASSTHRU_TX_UDP, 46 },
	{ { CSUM, 0, 0, 54, 6 }, 600, 6, 0, 17, 0, 0,
	  MPASSTHRU_TX_CSUM | MPASSTHRU_TX_UDP, 62 },
	/* The last two bytes of the frame; one byte less */
	{ { CSUM, 0, 0, 42, 16 }, 60, 4, 0, 6, 5, 0, MPASSTHRU_TX_CSUM, 60 },
	{ { CSUM, 0, 0, 43, 16 }, 60, 4, 0, 6, 5, -EINVAL, 0, 0 },
	{ { CSUM, 0, 0, 65535, 65535 }, 600, 4, 0, 6, 5, -EINVAL, 0, 0 },
	{ { CSUM, 0, 0, 0, 16 }, 600, 4, 0, 6, 5, -EINVAL, 0, 18 },
	{ { CSUM, 0, 0, 0, 6 }, 600, 4, 0, 6, 5, -EINVAL, 0, 8 },
	{ { CSUM, 0, 0, 33, 16 }, 600, 4, 0, 6, 5, -EINVAL, 0, 51 },
	/* SCTP, two tags, no IP, too far */
	{ { CSUM, 0, 0, 34, 8 }, 600, 4, 0, 132, 0, -EOPNOTSUPP, 0, 44 },
	{ { CSUM, 0, 0, 42, 16 }, 600, 4, 2, 6, 5, -EOPNOTSUPP, 0, 60 },
	{ { CSUM, 0, 0, 34, 16 }, 600, 0, 0, 6, 5, -EOPNOTSUPP, 0, 52 },
	{ { CSUM, 0, 0, 200, 16 }, 600, 4, 0, 6, 5, -EOPNOTSUPP, 0, 0 },
	/* TCP to be cut */
	{ { CSUM, TSO4, 1448, 34, 16 }, 60000, 4, 0, 6, 8, 0,
	  MPASSTHRU_TX_CSUM | MPASSTHRU_TX_GSO | MPASSTHRU_TX_IPV4, 66 },
	{ { CSUM, TSO6, 1440, 54, 16 }, 60000, 6, 0, 6, 5, 0,
	  MPASSTHRU_TX_CSUM | MPASSTHRU_TX_GSO, 74 },
	{ { CSUM, TSO4, 1448, 38, 16 }, 60000, 4, 1, 6, 8, 0,
	  MPASSTHRU_TX_CSUM | MPASSTHRU_TX_GSO | MPASSTHRU_TX_IPV4, 70 },
	{ { CSUM, USO, 1000, 34, 6 }, 5000, 4, 0, 17, 0, 0,
	  MPASSTHRU_TX_CSUM | MPASSTHRU_TX_GSO | MPASSTHRU_TX_IPV4 |
	  MPASSTHRU_TX_UDP, 42 },
	/* One frame it is */
	{ { CSUM, TSO4, 1448, 34, 16 }, 66 + 1448, 4, 0, 6, 8, 0,
	  MPASSTHRU_TX_CSUM | MPASSTHRU_TX_IPV4, 66 },
	/* Segments of sizes that make no sense */
	{ { CSUM, TSO4, 0, 34, 16 }, 6000, 4, 0, 6, 5, -EINVAL, 0, 54 },
	{ { CSUM, TSO4, 7, 34, 16 }, 6000, 4, 0, 6, 5, -EINVAL, 0, 54 },
	{ { CSUM, TSO4, 65535, 34, 16 }, 65000, 4, 0, 6, 5, -EMSGSIZE, 0, 54 },
	{ { CSUM, TSO4, 65535, 34, 16 }, 1518, 4, 0, 6, 5, 0,
	  MPASSTHRU_TX_CSUM | MPASSTHRU_TX_IPV4, 54 },
	{ { CSUM, TSO4, 1465, 34, 16 }, 6000, 4, 0, 6, 5, -EMSGSIZE, 0, 54 },
	{ { CSUM, USO, 8, 34, 6 }, 6000, 4, 0, 17, 0, -EINVAL, 0, 42 },
	/* A header of four bytes, of 60 */
	{ { CSUM, TSO4, 1000, 34, 16 }, 6000, 4, 0, 6, 1, -EINVAL, 0, 38 },
	{ { CSUM, TSO4, 1000, 34, 16 }, 6000, 4, 0, 6, 15, 0,
	  MPASSTHRU_TX_CSUM | MPASSTHRU_TX_GSO | MPASSTHRU_TX_IPV4, 94 },
	/* The word of the guest is not what the headers say. */
	{ { 0, TSO4, 1000, 34, 16 }, 6000, 4, 0, 6, 5, -EOPNOTSUPP, 0, 14 },
	{ { CSUM, TSO6, 1000, 34, 16 }, 6000, 4, 0, 6, 5, -EOPNOTSUPP, 0, 54 },
	{ { CSUM, TSO4, 1000, 54, 16 }, 6000, 6, 0, 6, 5, -EOPNOTSUPP, 0, 74 },
	{ { CSUM, TSO4, 1000, 38, 16 }, 6000, 4, 0, 6, 5, -EOPNOTSUPP, 0, 0 },
	{ { CSUM, TSO4, 1000, 34, 6 }, 6000, 4, 0, 6, 5, -EOPNOTSUPP, 0, 42 },
	{ { CSUM, USO, 1000, 34, 16 }, 6000, 4, 0, 17, 5, -EOPNOTSUPP, 0, 54 },
	{ { CSUM, TSO4, 1000, 34, 16 }, 6000, 4, 0, 17, 5, -EOPNOTSUPP, 0, 54 },
	/* What nobody knows, with ECN, UFO, a tunnel */
	{ { CSUM, TSO4 | 0x80, 1000, 34, 16 }, 6000, 4, 0, 6, 5, -EOPNOTSUPP },
	{ { CSUM, 3, 1000, 34, 6 }, 6000, 4, 0, 17, 0, -EOPNOTSUPP },
	{ { CSUM, 0x7f, 1000, 34, 16 }, 6000, 4, 0, 6, 5, -EOPNOTSUPP },
};

static void offload_headers(u8 *data, const struct offload_case *c)
{
	u8 *p = data + 12, *l4;
	int i;

	memset(data, 0, MP_OFFLOAD_HDRS);
	for (i = 0; i < c->tags; i++, p += 4)
		p[0] = 0x81;
	switch (c->l3) {
	case 4:
		p[0] = 0x08;
		p[2] = 0x45;
		p[4] = 0x40;	/* a length that has to go */
		p[8] = 0x40;	/* DF */
		p[11] = c->proto;
		l4 = p + 22;
		break;
	case 6:
		p[0] = 0x86;
		p[1] = 0xdd;
		p[2] = 0x60;
		p[6] = 0x40;
		p[8] = c->proto;
		l4 = p + 42;
		break;
	default:
		p[0] = 0x12;
		return;
	}
	l4[12] = c->doff << 4;
	l4[16] = 0xff;
}

static void offload_one(struct kunit *test, struct net_device *dev, int n)
{
	const struct offload_case *c = &offload_cases_tab[n];
	struct mpassthru_txframe frame = { .len = c->len };
	int hdrs = 0, have = 0, err;
	u8 data[MP_OFFLOAD_HDRS];

	offload_headers(data, c);
	do {
		have = hdrs;
		hdrs = mp_offload_hdrs(&c->offload, data, have, c->len);
	} while (hdrs > have);
	err = hdrs < 0 ? hdrs :
	      mp_offload_parse(&c->offload, dev, data, hdrs, &frame);
	KUNIT_EXPECT_EQ_MSG(test, err, c->err, "case %d", n);
	if (c->hdrs)
		KUNIT_EXPECT_EQ_MSG(test, hdrs, c->hdrs, "case %d", n);
	if (err)
		return;
	KUNIT_EXPECT_EQ_MSG(test, (int)frame.flags, c->flags, "case %d", n);
	if (!(frame.flags & MPASSTHRU_TX_GSO)) {
		KUNIT_EXPECT_EQ_MSG(test, (int)frame.gso_segs, 1, "case %d", n);
		return;
	}
	KUNIT_EXPECT_EQ_MSG(test, frame.l2_len + frame.l3_len + frame.l4_len,
			    hdrs, "case %d", n);
	KUNIT_EXPECT_EQ_MSG(test, (int)frame.gso_segs,
			    (int)DIV_ROUND_UP(c->len - hdrs, frame.mss),
			    "case %d", n);
	/* The length of L3 is gone. */
	KUNIT_EXPECT_EQ_MSG(test, 0, data[frame.l2_len + (c->l3 == 4 ? 2 : 4)],
			    "case %d", n);
}

static void offload_is_what_headers_say(struct kunit *test)
{
	struct net_device *dev = test_netdev(test);
	int i;

	for (i = 0; i < ARRAY_SIZE(offload_cases_tab); i++)
		offload_one(test, dev, i);
}

static struct kunit_case offload_cases[] = {
	KUNIT_CASE(offload_is_what_headers_say),
	{}
};

static struct kunit_suite offload_suite = {
	.name		= "mpassthru_offload",
	.test_cases	= offload_cases,
};

/* Posting, with a driver that does what the test says */

#define TX_FRAMES	600
#define TX_HDR		12
#define TX_PAGES	64

struct tx_test {
	struct mp_queue		*mq;
	struct mp_port		port;
	struct net_device	*dev;
	unsigned long		addr;
	u8			*data;
	struct kiocb		iocbs[TX_FRAMES];
	long			res[TX_FRAMES];
	int			done;
	/* The NIC: room in its ring, kicks until it has sent what is there (0:
	 * it says so by tx_sent()), or in which it sends one, whether it ends
	 * just before it is reset, what it read, and of the last frame
	 */
	int			room;
	int			late;
	int			slow;
	int			kicks;
	bool			ended;
	bool			closed;
	bool			again;
	bool			down;
	bool			napi_ran;
	int			pushed;
	u8			*sent;
	unsigned int		sent_len;
	int			nr_segs;
	struct napi_struct	napi;
};

static struct tx_test *tx_current;

static void tx_done(struct kiocb *iocb, long res)
{
	int i = iocb - tx_current->iocbs;

	/* in order */
	if (i >= tx_current->done)
		tx_current->done = i + 1;
	tx_current->res[i] = res;
}

static struct mpassthru_txq *tx_fifo(struct tx_test *t)
{
	return rcu_dereference_protected(t->port.shared.txq[TX_QUEUE], true);
}

static struct napi_struct *tx_run(struct net_device *dev,
				  struct mpassthru_txq *txq, bool napi)
{
	const struct mpassthru_txframe *frame;
	const struct mpassthru_txseg *seg;
	struct tx_test *t = tx_current;
	int i;

	KUNIT_EXPECT_PTR_EQ(kunit_get_current_test(), dev, t->dev);
	KUNIT_EXPECT_PTR_EQ(kunit_get_current_test(), txq, tx_fifo(t));
	t->napi_ran = napi;
	if (t->down) {
		if (mpassthru_tx_drop(txq))
			mpassthru_tx_flush(txq);
		return NULL;
	}
	if (t->late && !--t->late)
		mpassthru_tx_done(txq, txq->pushed - txq->done);
	if (t->slow && ++t->kicks % t->slow == 0 && txq->done != txq->pushed)
		mpassthru_tx_done(txq, 1);
	if (!mpassthru_tx_may_push(txq))
		return NULL;
	while (t->room && (frame = mpassthru_tx_next(txq))) {
		t->room--;
		t->sent_len = 0;
		t->nr_segs = frame->nr_segs;
		for (i = 0; i < frame->nr_segs; i++) {
			seg = mpassthru_tx_seg(txq, frame, i);
			memcpy(t->sent + t->sent_len, phys_to_virt(seg->dma),
			       seg->len);
			t->sent_len += seg->len;
		}
		mpassthru_tx_push(txq);
		t->pushed++;
	}
	return t->again ? &t->napi : NULL;
}

static bool tx_reset(struct net_device *dev, unsigned int queue)
{
	struct mpassthru_txq *txq = tx_fifo(tx_current);

	/* Nothing is pushed behind its back. */
	tx_current->closed = txq->closed;
	mpassthru_tx_done(txq, txq->pushed - txq->done);
	return !tx_current->ended;
}

static bool tx_poll(struct tx_test *t)
{
	bool ended;

	local_bh_disable();
	ended = netdev_mp_tx_poll(t->dev, TX_QUEUE, NULL);
	local_bh_enable();
	return ended;
}

/* The NIC is finished with @n frames: NAPI says so, and pushes what waits. */
static void tx_sent(struct tx_test *t, int n)
{
	mpassthru_tx_done(tx_fifo(t), n);
	tx_poll(t);
}

static const struct mpassthru_driver_ops tx_driver_ops = {
	.tx_run		= tx_run,
	.tx_reset	= tx_reset,
};

static const struct mpassthru_port_ops tx_port_ops = {
	.tx_flush	= mp_tx_wake,
};

static int tx_init(struct kunit *test)
{
	struct device *parent;
	struct tx_test *t;
	int i;

	t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t);
	test->priv = t;
	tx_current = t;
	t->sent = kunit_kzalloc(test, 1 << 17, GFP_KERNEL);
	t->data = kunit_kzalloc(test, TX_PAGES * PAGE_SIZE, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t->sent);
	KUNIT_ASSERT_NOT_NULL(test, t->data);
	for (i = 0; i < TX_PAGES * PAGE_SIZE; i++)
		t->data[i] = i * 7 + (i >> 8);

	parent = kunit_device_register(test, "mpassthru");
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, parent);
	if (is_swiotlb_force_bounce(parent))
		kunit_skip(test, "no page can be mapped for the device");
	t->dev = test_netdev(test);
	t->dev->dev.parent = parent;
	t->addr = kunit_vm_mmap(test, NULL, 0, TX_PAGES * PAGE_SIZE,
				PROT_READ | PROT_WRITE,
				MAP_ANONYMOUS | MAP_PRIVATE, 0);
	KUNIT_ASSERT_NE(test, t->addr, 0);
	KUNIT_ASSERT_EQ(test, 0, copy_to_user((void __user *)t->addr, t->data,
					      TX_PAGES * PAGE_SIZE));
	/* A virtio-net header that asks for nothing */
	KUNIT_ASSERT_EQ(test, 0, clear_user((void __user *)t->addr, TX_HDR));

	t->mq = mp_sock_alloc(&init_net, NULL);
	KUNIT_ASSERT_NOT_NULL(test, t->mq);
	t->mq->vnet_hdr_sz = TX_HDR;
	t->mq->index = TX_QUEUE;
	t->port.shared.dev = t->dev;
	t->port.shared.tx_segs = 16;
	t->port.shared.drv = &tx_driver_ops;
	t->port.shared.ops = &tx_port_ops;
	rcu_assign_pointer(t->mq->port, &t->port);
	rcu_assign_pointer(t->dev->mp_port, &t->port.shared);
	t->room = INT_MAX;
	return 0;
}

static void tx_exit(struct kunit *test)
{
	struct tx_test *t = test->priv;
	struct mp_tx *tx;

	if (!t || !t->mq)
		return;
	rtnl_lock();
	tx = mp_tx_unbind(t->mq);
	RCU_INIT_POINTER(t->mq->port, NULL);
	rtnl_unlock();
	synchronize_rcu();
	mp_tx_free(tx);
	cancel_delayed_work_sync(&t->mq->tx_idle);
	sock_put(&t->mq->sk);
}

static int tx_post_batch(struct kunit *test, struct mpassthru_batch *batch)
{
	unsigned int kthread = current->flags & PF_KTHREAD;
	struct tx_test *t = test->priv;
	int err;

	batch->hdr_len = t->mq->vnet_hdr_sz;
	current->flags &= ~PF_KTHREAD;
	err = mp_tx_post(t->mq, batch);
	current->flags |= kthread;
	return err;
}

static struct mpassthru_chain tx_chain(struct kunit *test, int i,
				       const struct iovec *iov, int n)
{
	struct tx_test *t = test->priv;

	t->res[i] = -EIOCBQUEUED;
	t->iocbs[i].ki_complete = tx_done;
	return (struct mpassthru_chain) {
		.iocb = &t->iocbs[i],
		.iov = iov,
		.nr_segs = n,
		.len = iov_length(iov, n),
	};
}

/* -EIOCBQUEUED, what it was completed with at once, or why it was not taken */
static int tx_post_iov(struct kunit *test, int i, const struct iovec *iov,
		       int n)
{
	struct mpassthru_chain chain = tx_chain(test, i, iov, n);
	struct mpassthru_batch batch = { .chains = &chain, .nr = 1 };
	struct tx_test *t = test->priv;
	int err = tx_post_batch(test, &batch);

	KUNIT_EXPECT_EQ(test, batch.taken, !err);
	return err ?: t->res[i];
}

/* A frame of @len bytes that begins @off bytes into the second page. */
static int tx_post(struct kunit *test, int i, unsigned int off,
		   unsigned int len)
{
	struct tx_test *t = test->priv;
	const struct iovec iov[] = {
		{ (void __user *)t->addr, TX_HDR },
		{ (void __user *)t->addr + PAGE_SIZE + off, len },
	};

	return tx_post_iov(test, i, iov, 2);
}

static void tx_expect(struct kunit *test, unsigned int off, unsigned int len)
{
	struct tx_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, t->sent_len, len);
	KUNIT_EXPECT_EQ(test, 0, memcmp(t->sent, t->data + PAGE_SIZE + off,
					len));
}

static bool tx_writable(struct tx_test *t)
{
	return !t->mq->tx_waits;
}

static void tx_sends_what_was_posted(struct kunit *test)
{
	static const unsigned int lens[] = { 257, 1000, 1514, 1518 };
	struct tx_test *t = test->priv;
	int i;

	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		KUNIT_EXPECT_EQ(test, tx_post(test, i, 3000 + i, lens[i]),
				-EIOCBQUEUED);
		KUNIT_EXPECT_EQ(test, mp_tx_flush(t->mq), 0);
		tx_expect(test, 3000 + i, lens[i]);
		KUNIT_EXPECT_FALSE(test, tx_writable(t));
	}
	KUNIT_EXPECT_EQ(test, t->done, 0);
	tx_sent(t, 3);
	KUNIT_EXPECT_TRUE(test, tx_writable(t));
	KUNIT_EXPECT_EQ(test, mp_tx_flush(t->mq), 3);
	KUNIT_EXPECT_EQ(test, t->done, 3);
	KUNIT_EXPECT_EQ(test, t->res[2], TX_HDR + 1514);
	KUNIT_EXPECT_FALSE(test, tx_writable(t));
	tx_sent(t, 1);
	KUNIT_EXPECT_EQ(test, mp_tx_flush(t->mq), 1);
	KUNIT_EXPECT_TRUE(test, tx_writable(t));
	KUNIT_EXPECT_EQ(test, t->mq->stats.tx_zerocopy, 4);
	KUNIT_EXPECT_EQ(test, t->mq->stats.tx_bounced, 0);
}

/* Up to 256 bytes: nothing of the guest is in use afterwards. */
static void tx_short_is_copied(struct kunit *test)
{
	struct tx_test *t = test->priv;

	KUNIT_EXPECT_EQ(test, tx_post(test, 0, 5, 256), TX_HDR + 256);
	KUNIT_EXPECT_EQ(test, tx_post(test, 1, 5, 14), TX_HDR + 60);
	KUNIT_EXPECT_EQ(test, tx_post(test, 1, 5, 13), -EINVAL);
	KUNIT_EXPECT_EQ(test, t->mq->stats.tx_errors, 1);
	t->room = 1;
	mp_tx_flush(t->mq);
	tx_expect(test, 5, 256);
	KUNIT_EXPECT_EQ(test, t->nr_segs, 1);
	/* One is left to be pushed. */
	KUNIT_EXPECT_FALSE(test, tx_writable(t));
	t->room = 1;
	tx_sent(t, 1);
	KUNIT_EXPECT_EQ(test, mp_tx_flush(t->mq), 0);
	KUNIT_EXPECT_EQ(test, t->sent_len, 60);
	KUNIT_EXPECT_EQ(test, 0, memcmp(t->sent, t->data + PAGE_SIZE + 5, 14));
	KUNIT_EXPECT_NULL(test, memchr_inv(t->sent + 14, 0, 46));
	KUNIT_EXPECT_TRUE(test, tx_writable(t));
	KUNIT_EXPECT_EQ(test, t->mq->stats.tx_whole, 2);
}

/* Pages that are not pinned: their part of the frame is copied. */
static void tx_bounces_what_is_not_pinned(struct kunit *test)
{
	atomic_long_t *locked = &current_user()->locked_vm;
	struct tx_test *t = test->priv;
	long all;

	KUNIT_EXPECT_EQ(test, tx_post(test, 0, 0, 1514), -EIOCBQUEUED);
	all = LONG_MAX - atomic_long_read(locked);
	atomic_long_add(all, locked);
	KUNIT_EXPECT_EQ(test, tx_post(test, 1, 3000, 1514), -EIOCBQUEUED);
	atomic_long_sub(all, locked);
	mp_tx_flush(t->mq);
	tx_expect(test, 3000, 1514);
	KUNIT_EXPECT_EQ(test, t->mq->stats.tx_bounced, 1);
	KUNIT_EXPECT_EQ(test, t->mq->stats.tx_zerocopy, 1);
	tx_sent(t, 2);
	KUNIT_EXPECT_EQ(test, mp_tx_flush(t->mq), 2);
}

/* More segments than the NIC takes go by an skb, behind what was posted. */
static void tx_many_segments_fall_back(struct kunit *test)
{
	struct tx_test *t = test->priv;
	struct iovec iov[41];
	int i;

	iov[0].iov_base = (void __user *)t->addr;
	iov[0].iov_len = TX_HDR;
	for (i = 1; i < 41; i++) {
		iov[i].iov_base = (void __user *)t->addr + i * PAGE_SIZE;
		iov[i].iov_len = 20;
	}
	/* 14 bytes of the first go with the header */
	KUNIT_EXPECT_EQ(test, tx_post_iov(test, 0, iov, 16), -EIOCBQUEUED);
	KUNIT_EXPECT_EQ(test, tx_post_iov(test, 1, iov, 17), -EAGAIN);
	KUNIT_EXPECT_EQ(test, t->pushed, 1);
	KUNIT_EXPECT_EQ(test, t->mq->stats.tx_fallback[MP_FALLBACK_FRAME],
			1);
	/* For a while, others do as well; then its skb is waited for. */
	refcount_add(1, &t->mq->sk.sk_wmem_alloc);
	KUNIT_EXPECT_EQ(test, tx_post(test, 1, 0, 1514), -EAGAIN);
	t->mq->tx_copy_until = 0;
	KUNIT_EXPECT_EQ(test, tx_post(test, 1, 0, 1514), -ENOBUFS);
	mp_tx_flush(t->mq);
	KUNIT_EXPECT_FALSE(test, tx_writable(t));
	refcount_dec(&t->mq->sk.sk_wmem_alloc);
	flush_delayed_work(&t->mq->tx_idle);
	KUNIT_EXPECT_TRUE(test, tx_writable(t));
	KUNIT_EXPECT_EQ(test, tx_post(test, 1, 0, 1514), -EIOCBQUEUED);
	/* Not before what was posted is in the ring */
	t->room = 0;
	KUNIT_EXPECT_EQ(test, tx_post_iov(test, 2, iov, 17), -ENOBUFS);
	t->room = 1;
	KUNIT_EXPECT_EQ(test, tx_post_iov(test, 2, iov, 17), -EAGAIN);
	tx_sent(t, 2);
	KUNIT_EXPECT_EQ(test, mp_tx_flush(t->mq), 2);
}

/* Copied whole, pinned and not, not there, too long, too many segments: each in
 * its place, and none behind the last.
 */
static void tx_batch(struct kunit *test)
{
	struct tx_test *t = test->priv;
	struct mpassthru_chain chains[9];
	struct mpassthru_batch batch = { .chains = chains, .nr = 9 };
	struct iovec iov[8][2], many[17];
	struct mp_tx *tx;
	int i;

	for (i = 0; i < 8; i++) {
		iov[i][0].iov_base = (void __user *)t->addr;
		iov[i][0].iov_len = TX_HDR;
		iov[i][1].iov_base = (void __user *)t->addr +
				     (i < 4 ? 1 : i) * PAGE_SIZE + 16 * i;
		iov[i][1].iov_len = 1000 + i;
	}
	iov[0][1].iov_len = 100;
	iov[6][1].iov_len = 13;
	vm_munmap(t->addr + 5 * PAGE_SIZE, PAGE_SIZE);
	for (i = 0; i < 8; i++)
		chains[i] = tx_chain(test, i, iov[i], 2);
	many[0] = iov[0][0];
	for (i = 1; i < 17; i++) {
		many[i].iov_base = (void __user *)t->addr + 2 * i * PAGE_SIZE +
				   PAGE_SIZE;
		many[i].iov_len = 20;
	}
	many[2].iov_base = (void __user *)t->addr + PAGE_SIZE;
	chains[7] = tx_chain(test, 7, many, 17);
	chains[8] = tx_chain(test, 8, iov[7], 2);

	KUNIT_EXPECT_EQ(test, tx_post_batch(test, &batch), -EAGAIN);
	KUNIT_EXPECT_EQ(test, batch.taken, 7);
	KUNIT_EXPECT_EQ(test, t->res[0], TX_HDR + 100);
	for (i = 1; i < 5; i++)
		KUNIT_EXPECT_EQ(test, t->res[i], -EIOCBQUEUED);
	KUNIT_EXPECT_EQ(test, t->res[5], -EFAULT);
	KUNIT_EXPECT_EQ(test, t->res[6], -EINVAL);
	KUNIT_EXPECT_EQ(test, t->res[8], -EIOCBQUEUED);
	KUNIT_EXPECT_EQ(test, t->mq->stats.tx_errors, 2);
	KUNIT_EXPECT_EQ(test, t->mq->stats.tx_fallback[MP_FALLBACK_FRAME], 1);
	KUNIT_EXPECT_EQ(test, t->pushed, 5);
	tx_sent(t, 5);
	KUNIT_EXPECT_EQ(test, mp_tx_flush(t->mq), 4);
	for (i = 1; i < 5; i++)
		KUNIT_EXPECT_EQ(test, t->res[i], TX_HDR + 1000 + i);

	/* None is bound: all are dropped. */
	t->mq->tx_copy_until = 0;
	rtnl_lock();
	tx = mp_tx_unbind(t->mq);
	rtnl_unlock();
	synchronize_rcu();
	mp_tx_free(tx);
	batch.nr = 7;
	KUNIT_EXPECT_EQ(test, tx_post_batch(test, &batch), 0);
	KUNIT_EXPECT_EQ(test, batch.taken, 7);
	for (i = 0; i < 7; i++)
		KUNIT_EXPECT_EQ(test, t->res[i], -ENOTCONN);
}

/* The FIFO is full within a batch. */
static void tx_batch_full(struct kunit *test)
{
	static struct mpassthru_chain chains[64];
	struct mpassthru_batch batch = { .chains = chains, .nr = 64 };
	struct tx_test *t = test->priv;
	const struct iovec iov[] = {
		{ (void __user *)t->addr, TX_HDR },
		{ (void __user *)t->addr + PAGE_SIZE, 1514 },
	};
	int i;

	t->room = 0;
	KUNIT_EXPECT_EQ(test, tx_post(test, 0, 0, 1514), -EIOCBQUEUED);
	for (i = 0; i < 64; i++)
		chains[i] = tx_chain(test, i, iov, 2);
	for (i = 1; i < 512 / 64; i++) {
		KUNIT_EXPECT_EQ(test, tx_post_batch(test, &batch), 0);
		KUNIT_EXPECT_EQ(test, batch.taken, 64);
	}
	KUNIT_EXPECT_EQ(test, tx_post_batch(test, &batch), -ENOBUFS);
	KUNIT_EXPECT_EQ(test, batch.taken, 63);
	t->room = INT_MAX;
	mp_tx_flush(t->mq);
	KUNIT_EXPECT_EQ(test, t->pushed, 512);
	tx_sent(t, 512);
	KUNIT_EXPECT_EQ(test, mp_tx_flush(t->mq), 512);
}

static void tx_full_is_told(struct kunit *test)
{
	struct tx_test *t = test->priv;
	int i;

	t->room = 10;
	for (i = 0; i < TX_FRAMES; i++)
		if (tx_post(test, i, 0, 1514) != -EIOCBQUEUED)
			break;
	KUNIT_EXPECT_EQ(test, i, 512);
	KUNIT_EXPECT_EQ(test, tx_post(test, i, 0, 1514), -ENOBUFS);
	mp_tx_flush(t->mq);
	KUNIT_EXPECT_FALSE(test, tx_writable(t));
	tx_sent(t, 10);
	KUNIT_EXPECT_TRUE(test, tx_writable(t));
	KUNIT_EXPECT_EQ(test, mp_tx_flush(t->mq), 10);
	KUNIT_EXPECT_EQ(test, tx_post(test, i, 0, 1514), -EIOCBQUEUED);
}

/* The end of a round of NAPI pushes what waits, and wakes who waits for what
 * was done before it, as by netpoll.
 */
static void tx_round_of_napi(struct kunit *test)
{
	struct tx_test *t = test->priv;
	int i;

	t->room = 1;
	for (i = 0; i < 3; i++)
		KUNIT_EXPECT_EQ(test, tx_post(test, i, 0, 1514), -EIOCBQUEUED);
	KUNIT_EXPECT_EQ(test, mp_tx_flush(t->mq), 0);
	KUNIT_EXPECT_EQ(test, t->pushed, 1);
	KUNIT_EXPECT_FALSE(test, t->napi_ran);
	KUNIT_EXPECT_FALSE(test, tx_writable(t));

	t->room = 1;
	t->again = true;
	KUNIT_EXPECT_FALSE(test, tx_poll(t));
	KUNIT_EXPECT_TRUE(test, t->napi_ran);
	KUNIT_EXPECT_EQ(test, t->pushed, 2);
	t->again = false;
	KUNIT_EXPECT_TRUE(test, tx_poll(t));
	KUNIT_EXPECT_TRUE(test, netdev_mp_tx_busy(t->dev, TX_QUEUE));
	KUNIT_EXPECT_FALSE(test, netdev_mp_tx_busy(t->dev, TX_QUEUE - 1));

	KUNIT_EXPECT_EQ(test, mp_tx_flush(t->mq), 0);
	mpassthru_tx_done(tx_fifo(t), 2);
	KUNIT_EXPECT_FALSE(test, tx_writable(t));
	KUNIT_EXPECT_TRUE(test, tx_poll(t));
	KUNIT_EXPECT_TRUE(test, tx_writable(t));
	KUNIT_EXPECT_EQ(test, mp_tx_flush(t->mq), 2);

	t->room = 1;
	tx_poll(t);
	KUNIT_EXPECT_EQ(test, mp_tx_flush(t->mq), 0);
	netdev_mp_tx_cleaned(tx_fifo(t), 1);
	KUNIT_EXPECT_FALSE(test, netdev_mp_tx_busy(t->dev, TX_QUEUE));
	KUNIT_EXPECT_TRUE(test, tx_writable(t));
	KUNIT_EXPECT_EQ(test, mp_tx_flush(t->mq), 1);
}

/* What waits for room is dropped when the device goes down, and nothing else is
 * needed for the poster to find out.
 */
static void tx_down_drops(struct kunit *test)
{
	struct tx_test *t = test->priv;

	t->room = 0;
	KUNIT_EXPECT_EQ(test, tx_post(test, 0, 0, 1514), -EIOCBQUEUED);
	KUNIT_EXPECT_EQ(test, mp_tx_flush(t->mq), 0);
	KUNIT_EXPECT_FALSE(test, tx_writable(t));
	t->down = true;
	netdev_mp_tx_down(t->dev);
	KUNIT_EXPECT_FALSE(test, t->napi_ran);
	KUNIT_EXPECT_TRUE(test, tx_writable(t));
	KUNIT_EXPECT_EQ(test, mp_tx_flush(t->mq), 1);
	KUNIT_EXPECT_EQ(test, t->done, 1);
	KUNIT_EXPECT_EQ(test, t->pushed, 0);
}

/* What the NIC has counts as sent, the others come back, in order. */
static void tx_stop_gives_back(struct kunit *test)
{
	struct tx_test *t = test->priv;
	int i;

	t->room = 2;
	for (i = 0; i < 5; i++)
		KUNIT_EXPECT_EQ(test, tx_post(test, i, 0, 1514), -EIOCBQUEUED);
	mp_tx_flush(t->mq);
	/* Nobody says that it sent them: reset */
	mp_tx_stop(t->mq);
	KUNIT_EXPECT_EQ(test, t->done, 5);
	KUNIT_EXPECT_EQ(test, t->res[1], TX_HDR + 1514);
	for (i = 2; i < 5; i++)
		KUNIT_EXPECT_EQ(test, t->res[i], -ECANCELED);
	KUNIT_EXPECT_EQ(test, t->mq->stats.tx_rewound, 3);
	KUNIT_EXPECT_EQ(test, t->pushed, 2);
	KUNIT_EXPECT_TRUE(test, tx_writable(t));

	/* And it goes on: not at once, so that resets are not often. */
	t->room = INT_MAX;
	KUNIT_EXPECT_TRUE(test, t->closed);
	KUNIT_EXPECT_EQ(test, t->mq->stats.tx_resets, 1);
	KUNIT_EXPECT_EQ(test, tx_post(test, 5, 100, 1000), -EAGAIN);
	t->port.tx_held_until = jiffies - 1;
	KUNIT_EXPECT_EQ(test, tx_post(test, 5, 100, 1000), -EIOCBQUEUED);
	mp_tx_flush(t->mq);
	tx_expect(test, 100, 1000);
	tx_sent(t, 1);
	KUNIT_EXPECT_EQ(test, mp_tx_flush(t->mq), 1);
}

/* More was posted than the NIC sends in that time: it takes no reset. */
static void tx_stop_waits_for_the_ring(struct kunit *test)
{
	struct tx_test *t = test->priv;
	int i;

	t->room = 2;
	for (i = 0; i < 5; i++)
		KUNIT_EXPECT_EQ(test, tx_post(test, i, 0, 1514), -EIOCBQUEUED);
	mp_tx_flush(t->mq);
	t->late = 60;
	mp_tx_stop(t->mq);
	KUNIT_EXPECT_EQ(test, t->done, 5);
	KUNIT_EXPECT_EQ(test, t->res[1], TX_HDR + 1514);
	for (i = 2; i < 5; i++)
		KUNIT_EXPECT_EQ(test, t->res[i], -ECANCELED);
	KUNIT_EXPECT_EQ(test, t->mq->stats.tx_resets, 0);
	KUNIT_EXPECT_FALSE(test, t->closed);

	/* Or for longer, as the wire is shared: as long as it goes on. */
	for (i = 0; i < 4; i++)
		KUNIT_EXPECT_EQ(test, tx_post(test, i, 0, 1514), -EIOCBQUEUED);
	t->room = 4;
	mp_tx_flush(t->mq);
	KUNIT_EXPECT_EQ(test, t->pushed, 6);
	t->slow = 40;
	mp_tx_stop(t->mq);
	t->slow = 0;
	KUNIT_EXPECT_EQ(test, t->res[3], TX_HDR + 1514);
	KUNIT_EXPECT_EQ(test, t->mq->stats.tx_resets, 0);
	KUNIT_EXPECT_FALSE(test, t->closed);

	/* Or it ends while RTNL is waited for. */
	t->room = 1;
	t->ended = true;
	KUNIT_EXPECT_EQ(test, tx_post(test, 5, 100, 1000), -EIOCBQUEUED);
	mp_tx_flush(t->mq);
	KUNIT_EXPECT_EQ(test, t->pushed, 7);
	mp_tx_stop(t->mq);
	KUNIT_EXPECT_TRUE(test, t->closed);
	KUNIT_EXPECT_EQ(test, t->mq->stats.tx_resets, 0);
	KUNIT_EXPECT_EQ(test, t->res[5], TX_HDR + 1000);

	t->room = INT_MAX;
	KUNIT_EXPECT_EQ(test, tx_post(test, 6, 100, 1000), -EIOCBQUEUED);
	mp_tx_flush(t->mq);
	KUNIT_EXPECT_EQ(test, t->pushed, 8);
}

static void tx_bad_memory_is_dropped(struct kunit *test)
{
	struct tx_test *t = test->priv;
	const struct iovec iov[] = {
		{ (void __user *)t->addr, TX_HDR },
		{ (void __user *)t->addr + PAGE_SIZE, 1000 },
		{ (void __user *)t->addr + 2 * PAGE_SIZE, 500 },
	};

	KUNIT_EXPECT_EQ(test, tx_post_iov(test, 0, iov, 3), -EIOCBQUEUED);
	vm_munmap(t->addr + 2 * PAGE_SIZE, PAGE_SIZE);
	KUNIT_EXPECT_EQ(test, tx_post_iov(test, 1, iov, 3), -EFAULT);
	KUNIT_EXPECT_EQ(test, tx_post(test, 1, 0, 1514), -EIOCBQUEUED);
	KUNIT_EXPECT_EQ(test, t->mq->stats.tx_errors, 1);
	mp_tx_flush(t->mq);
	tx_expect(test, 0, 1514);
	tx_sent(t, 2);
	KUNIT_EXPECT_EQ(test, mp_tx_flush(t->mq), 2);
}

/* Header and frame in one segment, wherever that begins. */
static void tx_one_segment(struct kunit *test)
{
	static const unsigned int hdrs[] = { 10, 12, 24 };
	static const unsigned int lens[] = { 14, 60, 256, 257, 1514 };
	struct tx_test *t = test->priv;
	struct iovec iov;
	int i, off, err;

	/* No header asks for anything, wherever it begins. */
	KUNIT_ASSERT_EQ(test, 0, clear_user((void __user *)t->addr, 32));
	memset(t->data, 0, 32);
	for (i = 0; i < ARRAY_SIZE(hdrs) * ARRAY_SIZE(lens) * 8; i++) {
		unsigned int hdr = hdrs[i / 8 / ARRAY_SIZE(lens)];
		unsigned int len = lens[i / 8 % ARRAY_SIZE(lens)];

		off = i % 8;
		t->mq->vnet_hdr_sz = hdr;
		iov.iov_base = (void __user *)t->addr + off;
		iov.iov_len = hdr + len;
		err = tx_post_iov(test, 0, &iov, 1);
		KUNIT_EXPECT_EQ(test, err, len > 256 ? -EIOCBQUEUED :
					   (int)(hdr + max(len, 60)));
		mp_tx_flush(t->mq);
		KUNIT_EXPECT_EQ(test, t->sent_len, max(len, 60));
		KUNIT_EXPECT_MEMEQ(test, t->sent, t->data + off + hdr, len);
		tx_sent(t, 1);
		mp_tx_flush(t->mq);
	}
}

/* Memory is not there in each part that is copied, and in no more than that. */
static void tx_bad_head_is_dropped(struct kunit *test)
{
	static const unsigned int there[] = { 5, TX_HDR + 6, TX_HDR + 30 };
	static const unsigned int lens[] = { 1514, 1514, 60 };
	struct tx_test *t = test->priv;
	struct iovec iov;
	int i;

	vm_munmap(t->addr + PAGE_SIZE, PAGE_SIZE);
	for (i = 0; i < ARRAY_SIZE(there); i++) {
		iov.iov_base = (void __user *)t->addr + PAGE_SIZE - there[i];
		iov.iov_len = TX_HDR + lens[i];
		KUNIT_EXPECT_EQ(test, tx_post_iov(test, 0, &iov, 1), -EFAULT);
	}
	KUNIT_EXPECT_EQ(test, t->mq->stats.tx_errors, ARRAY_SIZE(there));
	iov.iov_base = (void __user *)t->addr;
	iov.iov_len = TX_HDR + 1000;
	KUNIT_EXPECT_EQ(test, tx_post_iov(test, 0, &iov, 1), -EIOCBQUEUED);
	mp_tx_flush(t->mq);
	KUNIT_EXPECT_MEMEQ(test, t->sent, t->data + TX_HDR, 1000);
	tx_sent(t, 1);
	KUNIT_EXPECT_EQ(test, mp_tx_flush(t->mq), 1);
}

static struct kunit_case tx_cases[] = {
	KUNIT_CASE(tx_sends_what_was_posted),
	KUNIT_CASE(tx_short_is_copied),
	KUNIT_CASE(tx_bounces_what_is_not_pinned),
	KUNIT_CASE(tx_many_segments_fall_back),
	KUNIT_CASE(tx_batch),
	KUNIT_CASE(tx_batch_full),
	KUNIT_CASE(tx_full_is_told),
	KUNIT_CASE(tx_round_of_napi),
	KUNIT_CASE(tx_down_drops),
	KUNIT_CASE(tx_stop_gives_back),
	KUNIT_CASE(tx_stop_waits_for_the_ring),
	KUNIT_CASE(tx_bad_memory_is_dropped),
	KUNIT_CASE(tx_one_segment),
	KUNIT_CASE(tx_bad_head_is_dropped),
	{}
};

static struct kunit_suite tx_suite = {
	.name		= "mpassthru_tx",
	.init		= tx_init,
	.exit		= tx_exit,
	.test_cases	= tx_cases,
};

kunit_test_suites(&offload_suite, &tx_suite);

MODULE_IMPORT_NS("EXPORTED_FOR_KUNIT_TESTING");
MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("KUnit tests of mpassthru's transmit");
