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

static struct kunit_case igb_mp_cases[] = {
	KUNIT_CASE(igb_mp_test_drain),
	{}
};

static struct kunit_suite igb_mp_suite = {
	.name		= "igb_mp",
	.test_cases	= igb_mp_cases,
};

kunit_test_suite(igb_mp_suite);
