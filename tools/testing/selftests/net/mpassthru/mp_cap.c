// SPDX-License-Identifier: GPL-2.0
/*
 * The longest frame: what has to get through, and that what may get through
 * fits into a buffer that is just long enough for it.  How a VLAN tag counts is
 * a question that data sheets of igb NICs answer differently, so that both
 * readings are tried.
 */

#include "kselftest_harness.h"

#include "clock.h"
#include "flow.h"
#include "guest.h"
#include "mp.h"
#include "nic.h"
#include "regs.h"
#include "wire.h"

#define LEGAL		1514	/* without a tag */
#define LEGAL_TAGGED	1518
#define LONGEST		FRAME_ROOM	/* that the NIC may write */
#define TAG		4
#define TCI		0x2064

FIXTURE(cap)
{
	struct wire w;
	struct guest g;
	struct regs regs;
	int peer_mtu;
};

/* The frame may fill the page to its last byte; the next page is a guard. */
FIXTURE_SETUP(cap)
{
	const struct guest_config cfg = {
		.features = BIT_V1 | BIT_MRG, .bufs = 64,
		.lane = 2 * GUEST_PAGE, .off = GUEST_PAGE - 12 - LONGEST,
		.len = 12 + LONGEST,
	};
	const char *missing = wire_missing();
	struct peer *p = &self->w.peer;

	self->w.fd = -1;
	p->fd = -1;
	if (missing)
		SKIP(return, "%s", missing);
	if (wire_is_tap())
		SKIP(return, "a tap takes long frames");
	ASSERT_EQ(0, guest_open(&self->g, &cfg));
	ASSERT_EQ(0, wire_open(&self->w));
	self->peer_mtu = nic_get_mtu(p->fd, p->dev);
	if (nic_set_mtu(p->fd, p->dev, 9000))
		SKIP(return, "%s takes no MTU of 9000", p->dev);
	ASSERT_EQ(0, nic_wait_running(p->fd, p->dev));
	ASSERT_EQ(0, guest_start(&self->g, self->w.fd));
	ASSERT_EQ(0, guest_post_all(&self->g));
	ASSERT_EQ(0, flow_start(&self->w, &self->g));
}

FIXTURE_TEARDOWN(cap)
{
	struct peer *p = &self->w.peer;

	if (p->fd >= 0 && self->peer_mtu > 0)
		nic_set_mtu(p->fd, p->dev, self->peer_mtu);
	regs_close(&self->regs);
	guest_close(&self->g);
	wire_close(&self->w);
}

/*
 * Frames of @from to @to bytes, each followed by a short one.  Those of up to
 * @must bytes come, those of more than @may bytes do not.
 */
static int run(struct wire *w, struct guest *g, size_t from, size_t to,
	       size_t must, size_t may)
{
	static struct guest_frame f;
	struct peer *p = &w->peer;
	__u32 seq, want;
	size_t len;

	for (len = from; len <= to; len++) {
		want = p->seq;
		if (peer_send(p, len) || peer_send(p, 100))
			return -1;
		if (guest_recv_of(g, &p->frame, &f, &seq, clock_patience()))
			return -1;
		if (seq == want) {
			if (f.len != len || len > may)
				return -1;
			if (guest_repost(g, &f) ||
			    guest_recv_of(g, &p->frame, &f, &seq,
					  clock_patience()))
				return -1;
		} else if (len <= must) {
			return -1;
		}
		if (seq != want + 1 || f.len != 100 || guest_repost(g, &f))
			return -1;
		guest_kick(g);
	}
	return 0;
}

/*
 * The same with another value of RLPML.  The driver writes its own whenever it
 * sets the receive mode: then once more.
 */
static int run_with(struct regs *r, __u32 rlpml, struct wire *w,
		    struct guest *g, size_t from, size_t to)
{
	int err;

	do {
		regs_write(r, REGS_RLPML, rlpml);
		err = run(w, g, from, to, LONGEST, LONGEST);
	} while (err && regs_read(r, REGS_RLPML) != rlpml);
	return err;
}

TEST_F_TIMEOUT(cap, as_it_is, CLOCK_TEST)
{
	long long zerocopy = wire_count(&self->w, "zerocopy");
	long long copied = wire_count(&self->w, "copied");

	ASSERT_EQ(0, run(&self->w, &self->g, 1500, LONGEST + 1, LEGAL,
			 LONGEST));
	self->w.peer.frame.vlan = TCI;
	ASSERT_EQ(0, run(&self->w, &self->g, 1500, 1530, LEGAL_TAGGED,
			 LONGEST));
	EXPECT_LT(zerocopy, wire_count(&self->w, "zerocopy"));
	EXPECT_EQ(0, wire_count(&self->w, "bounced"));
	EXPECT_EQ(copied, wire_count(&self->w, "copied"));
}

/* A NIC that compares all of the frame is made one that allows for a tag. */
TEST_F_TIMEOUT(cap, tag_on_top, CLOCK_TEST)
{
	long long copied = wire_count(&self->w, "copied");
	__u32 rlpml;

	if (regs_open(&self->regs, self->w.dev) || self->regs.ixgbe)
		SKIP(return, "no RLPML of %s to be written", self->w.dev);
	rlpml = regs_read(&self->regs, REGS_RLPML);
	ASSERT_EQ(LEGAL_TAGGED + 4, rlpml);
	EXPECT_EQ(0, run_with(&self->regs, rlpml + TAG, &self->w, &self->g,
			      LEGAL, 1530));
	self->w.peer.frame.vlan = TCI;
	EXPECT_EQ(0, run_with(&self->regs, rlpml + TAG, &self->w, &self->g,
			      LEGAL, 1530));
	regs_write(&self->regs, REGS_RLPML, rlpml);
	EXPECT_EQ(0, wire_count(&self->w, "bounced"));
	EXPECT_EQ(copied, wire_count(&self->w, "copied"));
}

/* One byte less than the NIC may write: no such buffer is given to it. */
TEST_F_TIMEOUT(cap, one_byte_short, CLOCK_TEST)
{
	const struct guest_config cfg = {
		.features = BIT_V1 | BIT_MRG, .bufs = 64,
		.len = 12 + LONGEST - 1,
	};
	long long zerocopy;

	guest_close(&self->g);
	ASSERT_EQ(0, guest_open(&self->g, &cfg));
	ASSERT_EQ(0, guest_start(&self->g, self->w.fd));
	ASSERT_EQ(0, guest_post_all(&self->g));
	ASSERT_EQ(0, flow_start(&self->w, &self->g));
	zerocopy = wire_count(&self->w, "zerocopy");
	self->w.peer.frame.vlan = TCI;
	ASSERT_EQ(0, run(&self->w, &self->g, 1500, 1530, LEGAL_TAGGED,
			 LONGEST));
	EXPECT_EQ(zerocopy, wire_count(&self->w, "zerocopy"));
}

/*
 * A NIC that is made to forget the cap: what it writes to several buffers, all
 * inside of a page here, is no frame, and counted as errors.
 */
TEST_F_TIMEOUT(cap, over_several_buffers, CLOCK_TEST)
{
	const struct guest_config cfg = {
		.features = BIT_V1 | BIT_MRG, .bufs = 64,
	};
	struct peer *p = &self->w.peer;
	struct guest *g = &self->g;
	static struct guest_frame f;
	long long errors;
	__u32 rlpml, seq;
	unsigned int i;

	if (regs_open(&self->regs, self->w.dev) || self->regs.ixgbe)
		SKIP(return, "no RLPML of %s to be written", self->w.dev);
	guest_close(g);
	ASSERT_EQ(0, guest_open(g, &cfg));
	for (i = 0; i < g->cfg.bufs; i++)
		g->buf[i].wild = true;
	ASSERT_EQ(0, guest_start(g, self->w.fd));
	ASSERT_EQ(0, guest_post_all(g));
	ASSERT_EQ(0, flow_start(&self->w, g));
	rlpml = regs_read(&self->regs, REGS_RLPML);
	do {
		errors = wire_count(&self->w, "errors");
		regs_write(&self->regs, REGS_RLPML, 9000);
		/* Three times 2 KB, less of the last. */
		ASSERT_EQ(0, peer_send(p, 5000));
		ASSERT_EQ(0, peer_send(p, 100));
		ASSERT_EQ(0, guest_recv_of(g, &p->frame, &f, &seq,
					   clock_patience()));
		EXPECT_EQ(p->seq - 1, seq);
		ASSERT_EQ(0, guest_repost(g, &f));
		guest_kick(g);
		/* The driver has rewritten it. */
	} while (regs_read(&self->regs, REGS_RLPML) != 9000);
	regs_write(&self->regs, REGS_RLPML, rlpml);
	EXPECT_EQ(errors + 3, wire_count(&self->w, "errors"));
	EXPECT_EQ(0, flow_repeat(&self->w, g, 200, 1000, 32));
}

TEST_HARNESS_MAIN
