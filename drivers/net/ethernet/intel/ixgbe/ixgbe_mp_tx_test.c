// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of ixgbe_mp_tx.c, which includes this: the words that a NIC
 * reads, in a ring that has none.
 */

#include <kunit/test.h>
#include <linux/etherdevice.h>
#include <linux/if_ether.h>

#define IXGBE_MP_TX_TEST_FRAMES	64
#define IXGBE_MP_TX_TEST_SEGS	256

struct ixgbe_mp_tx_test {
	struct ixgbe_ring		ring;
	struct mpassthru_port	port;
	struct mpassthru_txq	txq;
};

static void ixgbe_mp_tx_test_free_netdev(void *dev)
{
	free_netdev(dev);
}

/* A port with a device: tracepoints tell its name. */
static void ixgbe_mp_tx_test_port(struct kunit *test,
				  struct ixgbe_mp_tx_test *t)
{
	struct net_device *dev = alloc_etherdev(0);

	KUNIT_ASSERT_NOT_NULL(test, dev);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test,
						  ixgbe_mp_tx_test_free_netdev,
						  dev));
	t->port.dev = dev;
	t->txq.port = &t->port;
}

static struct ixgbe_mp_tx_test *ixgbe_mp_tx_test_init(struct kunit *test)
{
	struct ixgbe_mp_tx_test *t;
	struct mpassthru_txq *txq;
	struct ixgbe_ring *ring;

	t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t);

	ring = &t->ring;
	ring->count = IXGBE_MIN_TXD;
	ring->reg_idx = 3;
	ring->desc = kunit_kcalloc(test, ring->count,
				   sizeof(union ixgbe_adv_tx_desc), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ring->desc);
	ring->tx_buffer_info = kunit_kcalloc(test, ring->count,
					     sizeof(*ring->tx_buffer_info),
					     GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ring->tx_buffer_info);

	ixgbe_mp_tx_test_port(test, t);
	txq = &t->txq;
	txq->mask = IXGBE_MP_TX_TEST_FRAMES - 1;
	txq->frames = kunit_kcalloc(test, IXGBE_MP_TX_TEST_FRAMES,
				    sizeof(*txq->frames), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, txq->frames);
	txq->seg_mask = IXGBE_MP_TX_TEST_SEGS - 1;
	txq->segs = kunit_kcalloc(test, IXGBE_MP_TX_TEST_SEGS,
				  sizeof(*txq->segs), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, txq->segs);
	/* Both wrap, and so does the ring. */
	txq->posted = -2;
	txq->pushed = -2;
	txq->done = -2;
	ring->next_to_use = ring->count - 2;
	ring->next_to_clean = ring->count - 2;
	return t;
}

/* Post a frame of segments of these lengths, 0 ends them.  Segment n is at
 * n + 1 MB.
 */
static struct mpassthru_txframe *
ixgbe_mp_tx_test_post(struct ixgbe_mp_tx_test *t, const u32 *lens)
{
	struct mpassthru_txq *txq = &t->txq;
	struct mpassthru_txframe *frame, *last;

	frame = &txq->frames[txq->posted & txq->mask];
	last = &txq->frames[(txq->posted - 1) & txq->mask];
	memset(frame, 0, sizeof(*frame));
	frame->first = last->first + last->nr_segs;
	frame->gso_segs = 1;
	for (; *lens; lens++) {
		struct mpassthru_txseg *seg;

		seg = &txq->segs[(frame->first + frame->nr_segs) &
				 txq->seg_mask];
		frame->nr_segs++;
		seg->dma = (dma_addr_t)frame->nr_segs << 20;
		seg->len = *lens;
		frame->len += *lens;
	}
	mpassthru_tx_post(txq);
	return frame;
}

static u16 ixgbe_mp_tx_test_at(const struct ixgbe_mp_tx_test *t, u16 n)
{
	return (t->ring.count - 2 + n) % t->ring.count;
}

/* Data descriptor @n of the ring, counted from where the test began. */
static void ixgbe_mp_tx_test_data(struct kunit *test,
				  struct ixgbe_mp_tx_test *t,
				  u16 n, u64 dma, u32 cmd, u32 status)
{
	union ixgbe_adv_tx_desc *desc;

	desc = IXGBE_TX_DESC(&t->ring, ixgbe_mp_tx_test_at(t, n));
	KUNIT_EXPECT_EQ(test, dma, le64_to_cpu(desc->read.buffer_addr));
	KUNIT_EXPECT_EQ(test, cmd, le32_to_cpu(desc->read.cmd_type_len));
	KUNIT_EXPECT_EQ(test, status, le32_to_cpu(desc->read.olinfo_status));
}

static void ixgbe_mp_tx_test_context(struct kunit *test,
				     struct ixgbe_mp_tx_test *t,
				     u16 n, u32 lens, u32 type, u32 mss)
{
	struct ixgbe_adv_tx_context_desc *desc;

	desc = IXGBE_TX_CTXTDESC(&t->ring, ixgbe_mp_tx_test_at(t, n));
	KUNIT_EXPECT_EQ(test, lens, le32_to_cpu(desc->vlan_macip_lens));
	KUNIT_EXPECT_EQ(test, 0, le32_to_cpu(desc->fceof_saidx));
	KUNIT_EXPECT_EQ(test, type, le32_to_cpu(desc->type_tucmd_mlhl));
	KUNIT_EXPECT_EQ(test, mss, le32_to_cpu(desc->mss_l4len_idx));
}

/* The buffer of a frame from descriptor @n to @last. */
static void ixgbe_mp_tx_test_buffer(struct kunit *test,
				    struct ixgbe_mp_tx_test *t,
				    u16 n, u16 last, unsigned int bytes,
				    unsigned int gso_segs)
{
	struct ixgbe_tx_buffer *buf;

	buf = &t->ring.tx_buffer_info[ixgbe_mp_tx_test_at(t, n)];
	KUNIT_EXPECT_EQ(test, IXGBE_TX_FLAGS_MP, buf->tx_flags);
	KUNIT_EXPECT_PTR_EQ(test, &t->txq, buf->mp_txq);
	KUNIT_EXPECT_EQ(test, bytes, buf->bytecount);
	KUNIT_EXPECT_EQ(test, gso_segs, buf->gso_segs);
	KUNIT_EXPECT_PTR_EQ(test, IXGBE_TX_DESC(&t->ring,
						ixgbe_mp_tx_test_at(t, last)),
			    buf->next_to_watch);
	KUNIT_EXPECT_EQ(test, 0, dma_unmap_len(buf, len));
}

/* Without an offload there is no context, and status is with the first only. */
static void ixgbe_mp_tx_test_plain(struct kunit *test)
{
	struct ixgbe_mp_tx_test *t = ixgbe_mp_tx_test_init(test);

	ixgbe_mp_tx_test_post(t, (u32[]){ 128, 1000, 386, 0 });
	ixgbe_mp_tx_test_post(t, (u32[]){ 60, 0 });
	KUNIT_EXPECT_EQ(test, 1574,
			ixgbe_mp_tx_fill(&t->ring, &t->txq, INT_MAX));
	KUNIT_EXPECT_EQ(test, 0, t->txq.pushed);
	KUNIT_EXPECT_EQ(test, 2, t->ring.next_to_use);

	ixgbe_mp_tx_test_data(test, t, 0, 0x100000, 0x22300000 | 128,
			      1514 << 14);
	ixgbe_mp_tx_test_data(test, t, 1, 0x200000, 0x22300000 | 1000, 0);
	ixgbe_mp_tx_test_data(test, t, 2, 0x300000, 0x2b300000 | 386, 0);
	ixgbe_mp_tx_test_buffer(test, t, 0, 2, 1514, 1);
	ixgbe_mp_tx_test_data(test, t, 3, 0x100000, 0x2b300000 | 60, 60 << 14);
	ixgbe_mp_tx_test_buffer(test, t, 3, 3, 60, 1);
}

static void ixgbe_mp_tx_test_tso(struct kunit *test)
{
	struct ixgbe_mp_tx_test *t = ixgbe_mp_tx_test_init(test);
	struct mpassthru_txframe *frame;

	frame = ixgbe_mp_tx_test_post(t, (u32[]){ 66, 4096, 0 });
	frame->flags = MPASSTHRU_TX_CSUM | MPASSTHRU_TX_GSO |
		       MPASSTHRU_TX_IPV4;
	frame->l2_len = 14;
	frame->l3_len = 20;
	frame->l4_len = 32;
	frame->mss = 1448;
	frame->gso_segs = 3;
	/* each of the frames has headers */
	KUNIT_EXPECT_EQ(test, 4096 + 3 * 66,
			ixgbe_mp_tx_fill(&t->ring, &t->txq, INT_MAX));

	/* TCP, IPv4; no index */
	ixgbe_mp_tx_test_context(test, t, 0, 14 << 9 | 20, 0x20200c00,
				 1448 << 16 | 32 << 8);
	/* TSE; payload only, TXSM and IXSM */
	ixgbe_mp_tx_test_data(test, t, 1, 0x100000, 0xa2300000 | 66,
			      4096 << 14 | 0x300);
	ixgbe_mp_tx_test_data(test, t, 2, 0x200000, 0xab300000 | 4096, 0);
	ixgbe_mp_tx_test_buffer(test, t, 0, 2, 4096 + 3 * 66, 3);
}

/* A UDP checksum in a frame with a VLAN tag. */
static void ixgbe_mp_tx_test_csum(struct kunit *test)
{
	struct ixgbe_mp_tx_test *t = ixgbe_mp_tx_test_init(test);
	struct mpassthru_txframe *frame;

	frame = ixgbe_mp_tx_test_post(t, (u32[]){ 200, 0 });
	frame->flags = MPASSTHRU_TX_CSUM | MPASSTHRU_TX_UDP |
		       MPASSTHRU_TX_IPV4;
	frame->l2_len = 18;
	frame->l3_len = 40;
	KUNIT_EXPECT_EQ(test, 200,
			ixgbe_mp_tx_fill(&t->ring, &t->txq, INT_MAX));

	ixgbe_mp_tx_test_context(test, t, 0, 18 << 9 | 40, 0x20200000, 0);
	ixgbe_mp_tx_test_data(test, t, 1, 0x100000, 0x2b300000 | 200,
			      200 << 14 | 0x200);
	ixgbe_mp_tx_test_buffer(test, t, 0, 1, 200, 1);
}

/* A descriptor takes 16 KB; none is empty. */
static void ixgbe_mp_tx_test_split(struct kunit *test)
{
	struct ixgbe_mp_tx_test *t = ixgbe_mp_tx_test_init(test);

	ixgbe_mp_tx_test_post(t, (u32[]){ 16384, 16385, 0 });
	ixgbe_mp_tx_test_post(t, (u32[]){ 65535, 0 });
	KUNIT_EXPECT_EQ(test, 32769 + 65535,
			ixgbe_mp_tx_fill(&t->ring, &t->txq, INT_MAX));

	ixgbe_mp_tx_test_data(test, t, 0, 0x100000, 0x22300000 | 16384,
			      32769 << 14);
	ixgbe_mp_tx_test_data(test, t, 1, 0x200000, 0x22300000 | 16384, 0);
	ixgbe_mp_tx_test_data(test, t, 2, 0x204000, 0x2b300000 | 1, 0);
	ixgbe_mp_tx_test_buffer(test, t, 0, 2, 32769, 1);
	ixgbe_mp_tx_test_data(test, t, 3, 0x100000, 0x22300000 | 16384,
			      65535U << 14);
	ixgbe_mp_tx_test_data(test, t, 4, 0x104000, 0x22300000 | 16384, 0);
	ixgbe_mp_tx_test_data(test, t, 5, 0x108000, 0x22300000 | 16384, 0);
	ixgbe_mp_tx_test_data(test, t, 6, 0x10c000, 0x2b300000 | 16383, 0);
	ixgbe_mp_tx_test_buffer(test, t, 3, 6, 65535, 1);
}

/* The longest frame with the most segments, as it comes: context, headers, 4
 * splits at most and what is left of a TXDCTL.WTHRESH of 1 are 40 descriptors.
 */
static void ixgbe_mp_tx_test_most(struct kunit *test)
{
	struct ixgbe_mp_tx_test *t = ixgbe_mp_tx_test_init(test);
	struct mpassthru_txframe *frame;
	u32 lens[MPASSTHRU_TX_SEGS + 1] = {};
	const unsigned int nr = IXGBE_MP_TX_SEGS;
	unsigned int i, used;

	/* 4 of them one byte longer than they should be */
	for (i = 0; i < nr; i++)
		lens[i] = i < 4 ? 16385 : 1;
	lens[nr - 1] = 65535 + 128 - 4 * 16385 - (nr - 5);
	frame = ixgbe_mp_tx_test_post(t, lens);
	KUNIT_EXPECT_EQ(test, frame->nr_segs, nr);
	KUNIT_EXPECT_GE(test, frame->len, 65535 + 128);
	frame->flags = MPASSTHRU_TX_CSUM;
	used = ixgbe_desc_unused(&t->ring);
	KUNIT_EXPECT_EQ(test, frame->len,
			ixgbe_mp_tx_fill(&t->ring, &t->txq, INT_MAX));
	used -= ixgbe_desc_unused(&t->ring);
	KUNIT_EXPECT_LE(test, used, 40 - 1);
}

/* A frame that has no room stays, as does what is above the limit. */
static void ixgbe_mp_tx_test_room(struct kunit *test)
{
	const u32 lens[] = { 100, 100, 100, 100, 100, 100, 100, 0 };
	struct ixgbe_mp_tx_test *t = ixgbe_mp_tx_test_init(test);
	struct ixgbe_ring *ring = &t->ring;
	int i;

	for (i = 0; i < 16; i++)
		ixgbe_mp_tx_test_post(t, lens);
	KUNIT_EXPECT_EQ(test, 700, ixgbe_mp_tx_fill(ring, &t->txq, 0));
	KUNIT_EXPECT_EQ(test, 1400, ixgbe_mp_tx_fill(ring, &t->txq, 700));
	/* 63 descriptors, of which 3 are kept: 8 frames of 7 */
	KUNIT_EXPECT_EQ(test, 5 * 700,
			ixgbe_mp_tx_fill(ring, &t->txq, INT_MAX));
	KUNIT_EXPECT_EQ(test, 7, ixgbe_desc_unused(ring));
	KUNIT_EXPECT_EQ(test, 0, ixgbe_mp_tx_fill(ring, &t->txq, INT_MAX));
	KUNIT_EXPECT_EQ(test, 6, t->txq.pushed);

	/* 3 more are just enough */
	ring->next_to_clean = (ring->next_to_clean + 2) % ring->count;
	KUNIT_EXPECT_EQ(test, 0, ixgbe_mp_tx_fill(ring, &t->txq, INT_MAX));
	ring->next_to_clean = (ring->next_to_clean + 1) % ring->count;
	KUNIT_EXPECT_EQ(test, 700, ixgbe_mp_tx_fill(ring, &t->txq, INT_MAX));
	KUNIT_EXPECT_EQ(test, 3, ixgbe_desc_unused(ring));
}

/* What a kick looks at: the oldest frame, by its last descriptor. */
static void ixgbe_mp_tx_test_sent(struct kunit *test)
{
	struct ixgbe_mp_tx_test *t = ixgbe_mp_tx_test_init(test);
	struct ixgbe_ring *ring = &t->ring;
	union ixgbe_adv_tx_desc *desc;

	KUNIT_EXPECT_FALSE(test, ixgbe_mp_tx_sent(ring));
	ixgbe_mp_tx_test_post(t, (u32[]){ 100, 100, 100, 0 });
	ixgbe_mp_tx_fill(ring, &t->txq, INT_MAX);
	KUNIT_EXPECT_FALSE(test, ixgbe_mp_tx_sent(ring));
	desc = IXGBE_TX_DESC(ring, ixgbe_mp_tx_test_at(t, 2));
	desc->wb.status = cpu_to_le32(IXGBE_TXD_STAT_DD);
	KUNIT_EXPECT_TRUE(test, ixgbe_mp_tx_sent(ring));
}

/* Whoever waits in the qdisc gets every other round. */
static void ixgbe_mp_tx_test_turns(struct kunit *test)
{
	const u32 lens[] = { 100, 100, 100, 100, 0 };
	struct ixgbe_mp_tx_test *t = ixgbe_mp_tx_test_init(test);
	struct ixgbe_ring *ring = &t->ring;
	struct netdev_queue *nq;
	typeof(*nq->qdisc) *qdisc;
	int i;

	nq = kunit_kzalloc(test, sizeof(*nq), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, nq);
	qdisc = kunit_kzalloc(test, sizeof(*qdisc), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, qdisc);
	rcu_assign_pointer(nq->qdisc, qdisc);
#ifdef CONFIG_BQL
	dql_init(&nq->dql, HZ);
	nq->dql.adj_limit = 1000000;
	nq->dql.limit = 1000000;
#endif
	ring->tail = (void __iomem *)kunit_kzalloc(test, 4, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, (void __force *)ring->tail);
	for (i = 0; i < 20; i++)
		ixgbe_mp_tx_test_post(t, lens);
	qdisc->q.qlen = 1;

	local_bh_disable();
	/* A kick leaves it to NAPI, which has to come, and comes again. */
	KUNIT_EXPECT_TRUE(test, ixgbe_mp_tx_push(ring, nq, &t->txq, false));
	KUNIT_EXPECT_TRUE(test, ixgbe_mp_tx_push(ring, nq, &t->txq, true));
	KUNIT_EXPECT_EQ(test, -2, (int)t->txq.pushed);
	/* 63 descriptors, of which 3 are kept: 15 frames of 4 */
	KUNIT_EXPECT_FALSE(test, ixgbe_mp_tx_push(ring, nq, &t->txq, true));
	KUNIT_EXPECT_EQ(test, 13, t->txq.pushed);
	/* Two are sent, and NAPI opens the queue.  It comes for the others. */
	ring->next_to_clean = (ring->next_to_clean + 8) % ring->count;
	netif_tx_start_queue(nq);
	KUNIT_EXPECT_FALSE(test, ixgbe_mp_tx_push(ring, nq, &t->txq, true));
	KUNIT_EXPECT_FALSE(test, ixgbe_mp_tx_push(ring, nq, &t->txq, false));
	KUNIT_EXPECT_EQ(test, 13, t->txq.pushed);
	ixgbe_mp_tx_push(ring, nq, &t->txq, true);
	KUNIT_EXPECT_EQ(test, 15, t->txq.pushed);
	/* Nobody waits. */
	qdisc->q.qlen = 0;
	ring->next_to_clean = (ring->next_to_clean + 8) % ring->count;
	netif_tx_start_queue(nq);
	ixgbe_mp_tx_push(ring, nq, &t->txq, false);
	KUNIT_EXPECT_EQ(test, 17, t->txq.pushed);
	local_bh_enable();
}

static struct kunit_case ixgbe_mp_tx_cases[] = {
	KUNIT_CASE(ixgbe_mp_tx_test_plain),
	KUNIT_CASE(ixgbe_mp_tx_test_tso),
	KUNIT_CASE(ixgbe_mp_tx_test_csum),
	KUNIT_CASE(ixgbe_mp_tx_test_split),
	KUNIT_CASE(ixgbe_mp_tx_test_most),
	KUNIT_CASE(ixgbe_mp_tx_test_room),
	KUNIT_CASE(ixgbe_mp_tx_test_sent),
	KUNIT_CASE(ixgbe_mp_tx_test_turns),
	{}
};

static struct kunit_suite ixgbe_mp_tx_suite = {
	.name		= "ixgbe_mp_tx",
	.test_cases	= ixgbe_mp_tx_cases,
};

kunit_test_suite(ixgbe_mp_tx_suite);
