// SPDX-License-Identifier: GPL-2.0
/*
 * KUnit tests of igb_mp.c, which includes this: what an emulated NIC does not
 * show, since it stops at once.
 */

#include <kunit/test.h>
#include <linux/ktime.h>

/* The registers of a NIC, as memory. */
#define IGB_MP_TEST_REGS	0x10000

static struct igb_adapter *igb_mp_test_adapter(struct kunit *test)
{
	struct igb_adapter *adapter;

	adapter = kunit_kzalloc(test, sizeof(*adapter), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, adapter);
	adapter->hw.hw_addr = (u8 __iomem __force *)
		kunit_kzalloc(test, IGB_MP_TEST_REGS, GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, (void __force *)adapter->hw.hw_addr);
	return adapter;
}

/* The queue is off, and what was under way has had its time. */
static void igb_mp_test_drain(struct kunit *test)
{
	const u32 others = 0x00081008;
	struct igb_adapter *adapter;
	struct igb_ring ring = {};
	struct e1000_hw *hw;
	ktime_t start;

	adapter = igb_mp_test_adapter(test);
	hw = &adapter->hw;
	for (ring.reg_idx = 0; ring.reg_idx < 16; ring.reg_idx += 5) {
		wr32(E1000_RXDCTL(ring.reg_idx),
		     others | E1000_RXDCTL_QUEUE_ENABLE);
		start = ktime_get();
		KUNIT_EXPECT_TRUE(test, igb_mp_drain(adapter, &ring));
		KUNIT_EXPECT_LE(test, 100, ktime_us_delta(ktime_get(), start));
		KUNIT_EXPECT_EQ(test, others,
				rd32(E1000_RXDCTL(ring.reg_idx)));
	}
}

/* Each queue of the mask has its part of the table, and no other has any. */
static void igb_mp_test_spread(struct kunit *test)
{
	unsigned int mask, queue, n, i, parts[MPASSTHRU_QUEUES];
	struct igb_adapter *adapter = igb_mp_test_adapter(test);
	const unsigned int all = BIT(8) - 1;

	adapter->rss_queues = 8;
	for (mask = 1; mask < BIT(8); mask++) {
		memset(parts, 0, sizeof(parts));
		for (i = 0; i < IGB_RETA_SIZE; i++) {
			queue = igb_mp_rss_queue(adapter, mask, i);
			KUNIT_ASSERT_LT(test, queue, 8);
			parts[queue]++;
			/* What goes by one of the mask does so with all. */
			n = igb_mp_rss_queue(adapter, all, i);
			if (mask & BIT(n))
				KUNIT_EXPECT_EQ(test, queue, n);
		}
		n = IGB_RETA_SIZE / hweight32(mask);
		for (queue = 0; queue < 8; queue++) {
			if (!(mask & BIT(queue))) {
				KUNIT_EXPECT_EQ(test, parts[queue], 0);
				continue;
			}
			KUNIT_EXPECT_GE(test, parts[queue] + 4, n);
			KUNIT_EXPECT_LE(test, parts[queue], n + 4);
		}
	}

	/* Queues that the device has lost since. */
	adapter->rss_queues = 2;
	for (i = 0; i < IGB_RETA_SIZE; i++) {
		KUNIT_EXPECT_EQ(test, igb_mp_rss_queue(adapter, 0xe, i), 1);
		KUNIT_EXPECT_EQ(test, igb_mp_rss_queue(adapter, 0xc, i), 0);
	}
}

static struct kunit_case igb_mp_cases[] = {
	KUNIT_CASE(igb_mp_test_spread),
	KUNIT_CASE(igb_mp_test_drain),
	{}
};

static struct kunit_suite igb_mp_suite = {
	.name		= "igb_mp",
	.test_cases	= igb_mp_cases,
};

kunit_test_suite(igb_mp_suite);
