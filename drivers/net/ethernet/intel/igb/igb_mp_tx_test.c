// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of igb_mp_tx.c, which includes this: the words that a NIC reads,
 * in a ring that has none.
 */

#include <kunit/test.h>
#include <linux/etherdevice.h>
#include <linux/if_ether.h>

#define IGB_MP_TX_TEST_FRAMES	64
#define IGB_MP_TX_TEST_SEGS	256

struct igb_mp_tx_test {
	struct igb_ring		ring;
	struct mpassthru_port	port;
	struct mpassthru_txq	txq;
};

static void igb_mp_tx_test_free_netdev(void *dev)
{
	free_netdev(dev);
}

/* A port with a device: tracepoints tell its name. */
static void igb_mp_tx_test_port(struct kunit *test, struct igb_mp_tx_test *t)
{
	struct net_device *dev = alloc_etherdev(0);

	KUNIT_ASSERT_NOT_NULL(test, dev);
	KUNIT_ASSERT_EQ(test, 0,
			kunit_add_action_or_reset(test,
						  igb_mp_tx_test_free_netdev,
						  dev));
	t->port.dev = dev;
	t->txq.port = &t->port;
}

static struct igb_mp_tx_test *igb_mp_tx_test_init(struct kunit *test)
{
	struct igb_mp_tx_test *t;
	struct mpassthru_txq *txq;
	struct igb_ring *ring;

	t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t);

	ring = &t->ring;
	ring->count = IGB_MIN_TXD;
	ring->reg_idx = 3;
	ring->desc = kunit_kcalloc(test, ring->count,
				   sizeof(union e1000_adv_tx_desc), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ring->desc);
	ring->tx_buffer_info = kunit_kcalloc(test, ring->count,
					     sizeof(*ring->tx_buffer_info),
					     GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ring->tx_buffer_info);

	igb_mp_tx_test_port(test, t);
	txq = &t->txq;
	txq->mask = IGB_MP_TX_TEST_FRAMES - 1;
	txq->frames = kunit_kcalloc(test, IGB_MP_TX_TEST_FRAMES,
				    sizeof(*txq->frames), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, txq->frames);
	txq->seg_mask = IGB_MP_TX_TEST_SEGS - 1;
	txq->segs = kunit_kcalloc(test, IGB_MP_TX_TEST_SEGS,
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
igb_mp_tx_test_post(struct igb_mp_tx_test *t, const u32 *lens)
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

static u16 igb_mp_tx_test_at(const struct igb_mp_tx_test *t, u16 n)
{
	return (t->ring.count - 2 + n) % t->ring.count;
}

/* Data descriptor @n of the ring, counted from where the test began. */
static void igb_mp_tx_test_data(struct kunit *test, struct igb_mp_tx_test *t,
				u16 n, u64 dma, u32 cmd, u32 status)
{
	union e1000_adv_tx_desc *desc;

	desc = IGB_TX_DESC(&t->ring, igb_mp_tx_test_at(t, n));
	KUNIT_EXPECT_EQ(test, dma, le64_to_cpu(desc->read.buffer_addr));
	KUNIT_EXPECT_EQ(test, cmd, le32_to_cpu(desc->read.cmd_type_len));
	KUNIT_EXPECT_EQ(test, status, le32_to_cpu(desc->read.olinfo_status));
}

static void igb_mp_tx_test_context(struct kunit *test, struct igb_mp_tx_test *t,
				   u16 n, u32 lens, u32 type, u32 mss)
{
	struct e1000_adv_tx_context_desc *desc;

	desc = IGB_TX_CTXTDESC(&t->ring, igb_mp_tx_test_at(t, n));
	KUNIT_EXPECT_EQ(test, lens, le32_to_cpu(desc->vlan_macip_lens));
	KUNIT_EXPECT_EQ(test, 0, le32_to_cpu(desc->seqnum_seed));
	KUNIT_EXPECT_EQ(test, type, le32_to_cpu(desc->type_tucmd_mlhl));
	KUNIT_EXPECT_EQ(test, mss, le32_to_cpu(desc->mss_l4len_idx));
}

/* The buffer of a frame from descriptor @n to @last. */
static void igb_mp_tx_test_buffer(struct kunit *test, struct igb_mp_tx_test *t,
				  u16 n, u16 last, unsigned int bytes,
				  unsigned int gso_segs)
{
	struct igb_tx_buffer *buf;

	buf = &t->ring.tx_buffer_info[igb_mp_tx_test_at(t, n)];
	KUNIT_EXPECT_EQ(test, IGB_TYPE_MP, buf->type);
	KUNIT_EXPECT_PTR_EQ(test, &t->txq, buf->mp_txq);
	KUNIT_EXPECT_EQ(test, bytes, buf->bytecount);
	KUNIT_EXPECT_EQ(test, gso_segs, buf->gso_segs);
	KUNIT_EXPECT_PTR_EQ(test, IGB_TX_DESC(&t->ring,
					      igb_mp_tx_test_at(t, last)),
			    buf->next_to_watch);
	KUNIT_EXPECT_EQ(test, 0, dma_unmap_len(buf, len));
}

/* Without an offload there is no context, and status is with the first only. */
static void igb_mp_tx_test_plain(struct kunit *test)
{
	struct igb_mp_tx_test *t = igb_mp_tx_test_init(test);

	igb_mp_tx_test_post(t, (u32[]){ 128, 1000, 386, 0 });
	igb_mp_tx_test_post(t, (u32[]){ 60, 0 });
	KUNIT_EXPECT_EQ(test, 1574,
			igb_mp_tx_fill(&t->ring, &t->txq, INT_MAX));
	KUNIT_EXPECT_EQ(test, 0, t->txq.pushed);
	KUNIT_EXPECT_EQ(test, 2, t->ring.next_to_use);

	igb_mp_tx_test_data(test, t, 0, 0x100000, 0x22300000 | 128,
			    1514 << 14);
	igb_mp_tx_test_data(test, t, 1, 0x200000, 0x22300000 | 1000, 0);
	igb_mp_tx_test_data(test, t, 2, 0x300000, 0x2b300000 | 386, 0);
	igb_mp_tx_test_buffer(test, t, 0, 2, 1514, 1);
	igb_mp_tx_test_data(test, t, 3, 0x100000, 0x2b300000 | 60, 60 << 14);
	igb_mp_tx_test_buffer(test, t, 3, 3, 60, 1);
}

static void igb_mp_tx_test_tso(struct kunit *test)
{
	struct igb_mp_tx_test *t = igb_mp_tx_test_init(test);
	struct mpassthru_txframe *frame;

	frame = igb_mp_tx_test_post(t, (u32[]){ 66, 4096, 0 });
	frame->flags = MPASSTHRU_TX_CSUM | MPASSTHRU_TX_GSO |
		       MPASSTHRU_TX_IPV4;
	frame->l2_len = 14;
	frame->l3_len = 20;
	frame->l4_len = 32;
	frame->mss = 1448;
	frame->gso_segs = 3;
	/* each of the frames has headers */
	KUNIT_EXPECT_EQ(test, 4096 + 3 * 66,
			igb_mp_tx_fill(&t->ring, &t->txq, INT_MAX));

	/* TCP, IPv4; no index */
	igb_mp_tx_test_context(test, t, 0, 14 << 9 | 20, 0x20200c00,
			       1448 << 16 | 32 << 8);
	/* TSE; payload only, TXSM and IXSM */
	igb_mp_tx_test_data(test, t, 1, 0x100000, 0xa2300000 | 66,
			    4096 << 14 | 0x300);
	igb_mp_tx_test_data(test, t, 2, 0x200000, 0xab300000 | 4096, 0);
	igb_mp_tx_test_buffer(test, t, 0, 2, 4096 + 3 * 66, 3);
}

/* A UDP checksum in a frame with a VLAN tag; on 82575, with its index. */
static void igb_mp_tx_test_csum(struct kunit *test)
{
	struct igb_mp_tx_test *t = igb_mp_tx_test_init(test);
	struct mpassthru_txframe *frame;

	set_bit(IGB_RING_FLAG_TX_CTX_IDX, &t->ring.flags);
	frame = igb_mp_tx_test_post(t, (u32[]){ 200, 0 });
	frame->flags = MPASSTHRU_TX_CSUM | MPASSTHRU_TX_UDP |
		       MPASSTHRU_TX_IPV4;
	frame->l2_len = 18;
	frame->l3_len = 40;
	KUNIT_EXPECT_EQ(test, 200,
			igb_mp_tx_fill(&t->ring, &t->txq, INT_MAX));

	igb_mp_tx_test_context(test, t, 0, 18 << 9 | 40, 0x20200000, 3 << 4);
	igb_mp_tx_test_data(test, t, 1, 0x100000, 0x2b300000 | 200,
			    200 << 14 | 0x200 | 3 << 4);
	igb_mp_tx_test_buffer(test, t, 0, 1, 200, 1);
}

/* A descriptor takes 32 KB; none is empty. */
static void igb_mp_tx_test_split(struct kunit *test)
{
	struct igb_mp_tx_test *t = igb_mp_tx_test_init(test);

	igb_mp_tx_test_post(t, (u32[]){ 32768, 32769, 0 });
	igb_mp_tx_test_post(t, (u32[]){ 65535, 0 });
	KUNIT_EXPECT_EQ(test, 65537 + 65535,
			igb_mp_tx_fill(&t->ring, &t->txq, INT_MAX));

	igb_mp_tx_test_data(test, t, 0, 0x100000, 0x22300000 | 32768,
			    65537 << 14);
	igb_mp_tx_test_data(test, t, 1, 0x200000, 0x22300000 | 32768, 0);
	igb_mp_tx_test_data(test, t, 2, 0x208000, 0x2b300000 | 1, 0);
	igb_mp_tx_test_buffer(test, t, 0, 2, 65537, 1);
	igb_mp_tx_test_data(test, t, 3, 0x100000, 0x22300000 | 32768,
			    65535U << 14);
	igb_mp_tx_test_data(test, t, 4, 0x108000, 0x2b300000 | 32767, 0);
	igb_mp_tx_test_buffer(test, t, 3, 4, 65535, 1);
}

/* A frame that has no room stays, as does what is above the limit. */
static void igb_mp_tx_test_room(struct kunit *test)
{
	const u32 lens[] = { 100, 100, 100, 100, 100, 100, 100, 0 };
	struct igb_mp_tx_test *t = igb_mp_tx_test_init(test);
	struct igb_ring *ring = &t->ring;
	int i;

	for (i = 0; i < 16; i++)
		igb_mp_tx_test_post(t, lens);
	KUNIT_EXPECT_EQ(test, 700, igb_mp_tx_fill(ring, &t->txq, 0));
	KUNIT_EXPECT_EQ(test, 1400, igb_mp_tx_fill(ring, &t->txq, 700));
	/* 63 descriptors, of which 3 are kept: 8 frames of 7 */
	KUNIT_EXPECT_EQ(test, 5 * 700,
			igb_mp_tx_fill(ring, &t->txq, INT_MAX));
	KUNIT_EXPECT_EQ(test, 7, igb_desc_unused(ring));
	KUNIT_EXPECT_EQ(test, 0, igb_mp_tx_fill(ring, &t->txq, INT_MAX));
	KUNIT_EXPECT_EQ(test, 6, t->txq.pushed);

	/* 3 more are just enough */
	ring->next_to_clean = (ring->next_to_clean + 2) % ring->count;
	KUNIT_EXPECT_EQ(test, 0, igb_mp_tx_fill(ring, &t->txq, INT_MAX));
	ring->next_to_clean = (ring->next_to_clean + 1) % ring->count;
	KUNIT_EXPECT_EQ(test, 700, igb_mp_tx_fill(ring, &t->txq, INT_MAX));
	KUNIT_EXPECT_EQ(test, 3, igb_desc_unused(ring));
}

/* What a kick looks at: the oldest frame, by its last descriptor. */
static void igb_mp_tx_test_sent(struct kunit *test)
{
	struct igb_mp_tx_test *t = igb_mp_tx_test_init(test);
	struct igb_ring *ring = &t->ring;
	union e1000_adv_tx_desc *desc;

	KUNIT_EXPECT_FALSE(test, igb_mp_tx_sent(ring));
	igb_mp_tx_test_post(t, (u32[]){ 100, 100, 100, 0 });
	igb_mp_tx_fill(ring, &t->txq, INT_MAX);
	KUNIT_EXPECT_FALSE(test, igb_mp_tx_sent(ring));
	desc = IGB_TX_DESC(ring, igb_mp_tx_test_at(t, 2));
	desc->wb.status = cpu_to_le32(E1000_TXD_STAT_DD);
	KUNIT_EXPECT_TRUE(test, igb_mp_tx_sent(ring));
}

/* Whoever waits in the qdisc gets every other round. */
static void igb_mp_tx_test_turns(struct kunit *test)
{
	const u32 lens[] = { 100, 100, 100, 100, 0 };
	struct igb_mp_tx_test *t = igb_mp_tx_test_init(test);
	struct igb_ring *ring = &t->ring;
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
		igb_mp_tx_test_post(t, lens);
	qdisc->q.qlen = 1;

	local_bh_disable();
	/* A kick leaves it to NAPI, which has to come, and comes again. */
	KUNIT_EXPECT_TRUE(test, igb_mp_tx_push(ring, nq, &t->txq, false));
	KUNIT_EXPECT_TRUE(test, igb_mp_tx_push(ring, nq, &t->txq, true));
	KUNIT_EXPECT_EQ(test, -2, (int)t->txq.pushed);
	/* 63 descriptors, of which 3 are kept: 15 frames of 4 */
	KUNIT_EXPECT_FALSE(test, igb_mp_tx_push(ring, nq, &t->txq, true));
	KUNIT_EXPECT_EQ(test, 13, t->txq.pushed);
	/* Two are sent, and NAPI opens the queue.  It comes for the others. */
	ring->next_to_clean = (ring->next_to_clean + 8) % ring->count;
	netif_tx_start_queue(nq);
	KUNIT_EXPECT_FALSE(test, igb_mp_tx_push(ring, nq, &t->txq, true));
	KUNIT_EXPECT_FALSE(test, igb_mp_tx_push(ring, nq, &t->txq, false));
	KUNIT_EXPECT_EQ(test, 13, t->txq.pushed);
	igb_mp_tx_push(ring, nq, &t->txq, true);
	KUNIT_EXPECT_EQ(test, 15, t->txq.pushed);
	/* Nobody waits. */
	qdisc->q.qlen = 0;
	ring->next_to_clean = (ring->next_to_clean + 8) % ring->count;
	netif_tx_start_queue(nq);
	igb_mp_tx_push(ring, nq, &t->txq, false);
	KUNIT_EXPECT_EQ(test, 17, t->txq.pushed);
	local_bh_enable();
}

static struct kunit_case igb_mp_tx_cases[] = {
	KUNIT_CASE(igb_mp_tx_test_plain),
	KUNIT_CASE(igb_mp_tx_test_tso),
	KUNIT_CASE(igb_mp_tx_test_csum),
	KUNIT_CASE(igb_mp_tx_test_split),
	KUNIT_CASE(igb_mp_tx_test_room),
	KUNIT_CASE(igb_mp_tx_test_sent),
	KUNIT_CASE(igb_mp_tx_test_turns),
	{}
};

static struct kunit_suite igb_mp_tx_suite = {
	.name		= "igb_mp_tx",
	.test_cases	= igb_mp_tx_cases,
};

kunit_test_suite(igb_mp_tx_suite);
