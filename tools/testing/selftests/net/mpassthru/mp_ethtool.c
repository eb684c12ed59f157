// SPDX-License-Identifier: GPL-2.0
/*
 * What an administrator does to a NIC by ethtool, under traffic: the link may
 * flap and frames be lost, but traffic goes on, in zero-copy if the NIC is
 * bound.
 */

#include <linux/net_tstamp.h>

#include "kselftest_harness.h"

#include "clock.h"
#include "ethtool.h"
#include "flow.h"
#include "guest.h"
#include "mp.h"
#include "nic.h"
#include "regs.h"
#include "wire.h"

#define FLOOD	300	/* frames to be sure that traffic flows */
#define ROUNDS	4

FIXTURE(bound)
{
	struct wire w;
	struct guest g;
};

FIXTURE_SETUP(bound)
{
	const struct guest_config cfg = { .features = BIT_V1 | BIT_MRG };
	const char *missing = wire_missing();

	self->w.fd = -1;
	self->w.peer.fd = -1;
	if (missing)
		SKIP(return, "%s", missing);
	if (wire_is_tap())
		SKIP(return, "only with a NIC");
	ASSERT_EQ(0, guest_open(&self->g, &cfg));
	ASSERT_EQ(0, wire_open(&self->w));
	ASSERT_EQ(0, guest_start(&self->g, self->w.fd));
	ASSERT_EQ(0, guest_post_all(&self->g));
	ASSERT_EQ(0, flow_start(&self->w, &self->g));
	ASSERT_EQ(0, peer_flood(&self->w.peer, 0));
	ASSERT_EQ(0, flow_pump(&self->w, &self->g, FLOOD));
}

FIXTURE_TEARDOWN(bound)
{
	peer_calm(&self->w.peer);
	guest_close(&self->g);
	wire_close(&self->w);
}

/* Traffic goes on, and in zero-copy. */
static int goes_on(struct wire *w, struct guest *g)
{
	long long zerocopy, copied = wire_count(w, "copied");

	if (nic_wait_running(w->sock, w->dev) || flow_empty(w, g) ||
	    guest_post_all(g))
		return -1;
	zerocopy = wire_count(w, "zerocopy");
	if (flow_pump(w, g, FLOOD))
		return -1;
	return wire_count(w, "zerocopy") - zerocopy >= FLOOD / 2 &&
	       wire_count(w, "copied") == copied ? 0 : -1;
}

/*
 * It shares the wire with the frames of the peer: some of its own may be lost
 * where others took the buffers.
 */
static int test_among_others(struct wire *w)
{
	int err = ethtool_test(w->sock, w->dev, true);

	return err == -EIO ? 0 : err;
}

static int ends_well(struct wire *w, struct guest *g)
{
	if (guest_stop(g) || flow_empty(w, g) || !guest_books_balance(g) ||
	    mp_unbind(w->fd))
		return -1;
	peer_calm(&w->peer);
	return wire_host_works(w) ? 0 : -1;
}

TEST_F_TIMEOUT(bound, offloads, CLOCK_TEST)
{
	struct wire *w = &self->w;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, ethtool_rx_csum(w->sock, w->dev, i % 2));
		ASSERT_EQ(0, goes_on(w, &self->g));
	}
	EXPECT_EQ(0, ends_well(w, &self->g));
}

TEST_F_TIMEOUT(bound, speed_and_negotiation, CLOCK_TEST)
{
	struct wire *w = &self->w;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, ethtool_speed(w->sock, w->dev));
		ASSERT_EQ(0, goes_on(w, &self->g));
		ASSERT_EQ(0, ethtool_negotiate(w->sock, w->dev));
		ASSERT_EQ(0, goes_on(w, &self->g));
	}
	EXPECT_EQ(0, ends_well(w, &self->g));
}

TEST_F_TIMEOUT(bound, pause, CLOCK_TEST)
{
	struct wire *w = &self->w;
	int i, err;

	for (i = 0; i < ROUNDS; i++) {
		err = ethtool_pause(w->sock, w->dev, i % 2);
		if (err == -EOPNOTSUPP)
			SKIP(return, "%s has no pause frames", w->dev);
		ASSERT_EQ(0, err);
		ASSERT_EQ(0, goes_on(w, &self->g));
	}
	EXPECT_EQ(0, ends_well(w, &self->g));
}

TEST_F_TIMEOUT(bound, ring_and_coalescing, CLOCK_TEST)
{
	static const __u32 sizes[] = { 80, 512, 4096, 256 };
	struct wire *w = &self->w;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, nic_set_ring(w->sock, w->dev, sizes[i]));
		ASSERT_EQ(0, ethtool_rx_usecs(w->sock, w->dev, 3 + 50 * i));
		ASSERT_EQ(0, goes_on(w, &self->g));
	}
	EXPECT_EQ(0, ethtool_rx_usecs(w->sock, w->dev, 3));
	EXPECT_EQ(0, ends_well(w, &self->g));
}

TEST_F_TIMEOUT(bound, self_test, CLOCK_TEST)
{
	struct wire *w = &self->w;

	ASSERT_EQ(0, ethtool_test(w->sock, w->dev, false));
	ASSERT_EQ(0, goes_on(w, &self->g));
	ASSERT_EQ(0, test_among_others(w));
	ASSERT_EQ(0, goes_on(w, &self->g));
	EXPECT_EQ(0, ends_well(w, &self->g));
}

FIXTURE(unbound)
{
	struct wire w;
	struct regs regs;
};

FIXTURE_SETUP(unbound)
{
	const char *missing = wire_missing();

	self->w.fd = -1;
	self->w.sock = -1;
	self->w.peer.fd = -1;
	if (missing)
		SKIP(return, "%s", missing);
	if (wire_is_tap())
		SKIP(return, "only with a NIC");
	ASSERT_EQ(0, wire_open_unbound(&self->w));
	self->w.fd = mp_open();
	ASSERT_LE(0, self->w.fd);
}

FIXTURE_TEARDOWN(unbound)
{
	ethtool_stamp(self->w.sock, self->w.dev, HWTSTAMP_FILTER_NONE);
	regs_close(&self->regs);
	wire_close(&self->w);
}

TEST_F_TIMEOUT(unbound, self_test, CLOCK_TEST)
{
	struct wire *w = &self->w;
	int i;

	EXPECT_EQ(0, ethtool_test(w->sock, w->dev, true));
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, peer_flood(&w->peer, 0));
		EXPECT_EQ(0, test_among_others(w));
		peer_calm(&w->peer);
		ASSERT_TRUE(wire_host_works(w));
	}
}

static bool stamps(struct regs *r)
{
	return regs_read(r, REGS_TSYNCRXCTL(r)) & REGS_TSYNCRXCTL_ENABLED;
}

/* Time stamps of frames that no skb comes of would be left in the NIC. */
TEST_F_TIMEOUT(unbound, time_stamps, CLOCK_TEST)
{
	struct wire *w = &self->w;
	bool up;

	if (ethtool_stamp(w->sock, w->dev, HWTSTAMP_FILTER_PTP_V2_EVENT))
		SKIP(return, "%s stamps no frames", w->dev);
	if (regs_open(&self->regs, w->dev))
		SKIP(return, "registers of %s cannot be mapped", w->dev);
	ASSERT_TRUE(stamps(&self->regs));
	for (up = true;; up = false) {
		if (!up)
			ASSERT_EQ(0, nic_down(w->sock, w->dev));
		ASSERT_EQ(0, mp_bind(w->fd, w->dev));
		if (!up)
			ASSERT_EQ(0, nic_up(w->sock, w->dev));
		EXPECT_FALSE(stamps(&self->regs));
		EXPECT_EQ(-EBUSY, ethtool_stamp(w->sock, w->dev,
						HWTSTAMP_FILTER_PTP_V2_EVENT));
		EXPECT_FALSE(stamps(&self->regs));
		ASSERT_EQ(0, mp_unbind(w->fd));
		EXPECT_TRUE(stamps(&self->regs));
		/* An ixgbe that goes down forgets what was asked for. */
		if (!up || self->regs.ixgbe)
			break;
	}
}

TEST_HARNESS_MAIN
