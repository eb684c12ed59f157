// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of ixgbe_mp.c, which includes this: what a NIC does not show that
 * does as it is told.
 */

#include <kunit/test.h>
#include <linux/ktime.h>

/* The registers of a NIC, as memory. */
#define IXGBE_MP_TEST_REGS	0x10000

static struct ixgbe_adapter *ixgbe_mp_test_adapter(struct kunit *test)
{
	struct ixgbe_adapter *adapter;

	adapter = kunit_kzalloc(test, sizeof(*adapter), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, adapter);
	adapter->netdev = kunit_kzalloc(test, sizeof(*adapter->netdev),
					GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, adapter->netdev);
	adapter->netdev->mtu = ETH_DATA_LEN;
	adapter->hw.mac.type = ixgbe_mac_82599EB;
	adapter->hw.hw_addr = (u8 __iomem __force *)
		kunit_kzalloc(test, IXGBE_MP_TEST_REGS, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, (void __force *)adapter->hw.hw_addr);
	return adapter;
}

/* The queue is off, and what was under way has had its time. */
static void ixgbe_mp_test_drain(struct kunit *test)
{
	const u32 others = 0x00081008;
	struct ixgbe_adapter *adapter;
	struct ixgbe_ring *ring;
	struct ixgbe_hw *hw;
	ktime_t start;

	adapter = ixgbe_mp_test_adapter(test);
	hw = &adapter->hw;
	ring = kunit_kzalloc(test, sizeof(*ring), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ring);
	for (ring->reg_idx = 0; ring->reg_idx < 16; ring->reg_idx += 5) {
		IXGBE_WRITE_REG(hw, IXGBE_RXDCTL(ring->reg_idx),
				others | IXGBE_RXDCTL_ENABLE);
		start = ktime_get();
		KUNIT_EXPECT_TRUE(test, ixgbe_mp_drain(adapter, ring));
		KUNIT_EXPECT_LE(test, 100, ktime_us_delta(ktime_get(), start));
		KUNIT_EXPECT_EQ(test, others | IXGBE_RXDCTL_SWFLSH,
				IXGBE_READ_REG(hw,
					       IXGBE_RXDCTL(ring->reg_idx)));
	}
}

/* RLPML, where there is one that works. */
static void ixgbe_mp_test_len(struct kunit *test)
{
	const u32 others = 0x42084000;
	struct ixgbe_adapter *adapter = ixgbe_mp_test_adapter(test);

	KUNIT_EXPECT_EQ(test, ixgbe_mp_rxdctl(adapter, others), others);
	adapter->hw.mac.type = ixgbe_mac_X540;
	KUNIT_EXPECT_EQ(test, ixgbe_mp_rxdctl(adapter, others | 1534),
			others | IXGBE_RXDCTL_RLPML_EN | 1522);
	adapter->netdev->mtu = 2000;
	KUNIT_EXPECT_EQ(test, ixgbe_mp_rxdctl(adapter, others),
			others | IXGBE_RXDCTL_RLPML_EN | 2022);
	adapter->netdev->mtu = 9000;
	KUNIT_EXPECT_EQ(test, ixgbe_mp_rxdctl(adapter, others | 1522),
			others | IXGBE_RXDCTL_RLPML_EN | 9022);
}

/* Each queue of @mask has its part of the table, and no other has any. */
static void ixgbe_mp_test_parts(struct kunit *test,
				struct ixgbe_adapter *adapter,
				unsigned int mask, unsigned int size)
{
	unsigned int nr = adapter->ring_feature[RING_F_RSS].indices;
	unsigned int queue, n, i, parts[MPASSTHRU_QUEUES] = {};

	for (i = 0; i < size; i++) {
		queue = ixgbe_mp_rss_queue(adapter, mask, i);
		KUNIT_ASSERT_LT(test, queue, nr);
		KUNIT_ASSERT_LT(test, queue, MPASSTHRU_QUEUES);
		parts[queue]++;
		/* What goes by one of the mask does so with all. */
		n = i % nr;
		if (n < MPASSTHRU_QUEUES && mask & BIT(n))
			KUNIT_EXPECT_EQ(test, queue, n);
	}
	n = size / hweight32(mask);
	for (queue = 0; queue < MPASSTHRU_QUEUES; queue++) {
		if (!(mask & BIT(queue))) {
			KUNIT_EXPECT_EQ(test, parts[queue], 0);
			continue;
		}
		KUNIT_EXPECT_GE(test, parts[queue] + nr, n);
		KUNIT_EXPECT_LE(test, parts[queue], n + nr);
	}
}

static void ixgbe_mp_test_spread(struct kunit *test)
{
	struct ixgbe_adapter *adapter = ixgbe_mp_test_adapter(test);
	struct ixgbe_ring_feature *rss;
	unsigned int mask, i;

	rss = &adapter->ring_feature[RING_F_RSS];
	rss->indices = 8;
	for (mask = 1; mask < BIT(8); mask++)
		ixgbe_mp_test_parts(test, adapter, mask, 128);
	rss->indices = 5;
	for (mask = 1; mask < BIT(5); mask++)
		ixgbe_mp_test_parts(test, adapter, mask, 128);
	/* An X550 has more than can be bound. */
	rss->indices = 40;
	for (mask = 1; mask < BIT(16); mask = mask * 3 + 1)
		ixgbe_mp_test_parts(test, adapter, mask, 512);

	/* Queues that the device has lost since. */
	rss->indices = 2;
	for (i = 0; i < 128; i++) {
		KUNIT_EXPECT_EQ(test, ixgbe_mp_rss_queue(adapter, 0xe, i), 1);
		KUNIT_EXPECT_EQ(test, ixgbe_mp_rss_queue(adapter, 0xc, i), 0);
	}
}

static const struct ixgbe_mp_test_flags {
	u32 staterr;
	u32 info;
	unsigned int flags;
} ixgbe_mp_test_flags[] = {
	/* TCP, UDP; not checked, as of a fragment */
	{ 0x23, 0x0110, MPASSTHRU_RX_CSUM_OK },
	{ 0x33, 0x0210, MPASSTHRU_RX_CSUM_OK },
	{ 0x43, 0x0010, 0 },
	/* errors of L4, as an 82599 may see in UDP without; of IP */
	{ 0x40000023, 0x0210, 0 },
	{ 0x80000063, 0x0110, 0 },
	/* a tunnel, an EtherType filter, of which bit 5 is not L4CS */
	{ 0x23, 0x0910, 0 },
	{ 0x23, 0x10110, 0 },
	{ 0x33, 0x8020, 0 },
	/* CRC, length, symbols, oversize, undersize; there is more of it */
	{ 0x01000023, 0x0110, MPASSTHRU_RX_BAD },
	{ 0x02000023, 0x0110, MPASSTHRU_RX_BAD },
	{ 0x08000023, 0x0110, MPASSTHRU_RX_BAD },
	{ 0x10000023, 0x0110, MPASSTHRU_RX_BAD },
	{ 0x20000023, 0x0110, MPASSTHRU_RX_BAD },
	{ 0x01, 0, MPASSTHRU_RX_MORE },
};

static void ixgbe_mp_test_rx_flags(struct kunit *test)
{
	struct ixgbe_adapter *adapter = ixgbe_mp_test_adapter(test);
	const struct ixgbe_mp_test_flags *t = ixgbe_mp_test_flags;
	union ixgbe_adv_rx_desc desc = {};
	struct ixgbe_ring *ring;
	int i;

	ring = kunit_kzalloc(test, sizeof(*ring), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, ring);
	ring->netdev = adapter->netdev;
	adapter->netdev->features = NETIF_F_RXCSUM;
	for (i = 0; i < ARRAY_SIZE(ixgbe_mp_test_flags); i++, t++) {
		desc.wb.upper.status_error = cpu_to_le32(t->staterr);
		desc.wb.lower.lo_dword.data = cpu_to_le32(t->info);
		KUNIT_EXPECT_EQ_MSG(test, t->flags,
				    ixgbe_mp_rx_flags(ring, &desc),
				    "case %d", i);
	}

	/* Nobody asked. */
	desc.wb.upper.status_error = cpu_to_le32(0x23);
	desc.wb.lower.lo_dword.data = cpu_to_le32(0x0110);
	adapter->netdev->features = 0;
	KUNIT_EXPECT_EQ(test, 0, ixgbe_mp_rx_flags(ring, &desc));
}

static struct kunit_case ixgbe_mp_cases[] = {
	KUNIT_CASE(ixgbe_mp_test_spread),
	KUNIT_CASE(ixgbe_mp_test_len),
	KUNIT_CASE(ixgbe_mp_test_rx_flags),
	KUNIT_CASE(ixgbe_mp_test_drain),
	{}
};

static struct kunit_suite ixgbe_mp_suite = {
	.name		= "ixgbe_mp",
	.test_cases	= ixgbe_mp_cases,
};

kunit_test_suite(ixgbe_mp_suite);
