// SPDX-License-Identifier: GPL-2.0
/* Receive: frames from the wire into the buffers of a guest, by vhost-net. */

#include <arpa/inet.h>
#include <linux/capability.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"

#include "clock.h"
#include "flow.h"
#include "guest.h"
#include "mp.h"
#include "nic.h"
#include "say.h"
#include "segment.h"
#include "wire.h"

/* Buffers that frames of others may take, on a wire that has some. */
#define ROOM	8

/* What every way to lay out rings and buffers must do. */

FIXTURE(rx)
{
	struct wire w;
	struct guest g;
	long long zerocopy;
	long long copied;
	long long cross;
	long long bounced;
};

FIXTURE_VARIANT(rx)
{
	struct guest_config cfg;
	bool zerocopy;		/* no CPU may touch a frame */
	bool cross;		/* buffers go from page to page */
	bool copied;		/* the NIC may not write to the buffers */
};

FIXTURE_VARIANT_ADD(rx, mergeable)
{
	.cfg = { .features = BIT_V1 | BIT_MRG },
	.zerocopy = true,
};

FIXTURE_VARIANT_ADD(rx, plain)
{
	.cfg = { .features = BIT_V1 },
	.zerocopy = true,
};

FIXTURE_VARIANT_ADD(rx, legacy)
{
	.cfg = { .features = 0 },
	.zerocopy = true,
};

FIXTURE_VARIANT_ADD(rx, legacy_mergeable)
{
	.cfg = { .features = BIT_MRG },
	.zerocopy = true,
};

FIXTURE_VARIANT_ADD(rx, indirect)
{
	.cfg = { .features = BIT_V1 | BIT_MRG | BIT_INDIRECT },
	.zerocopy = true,
};

FIXTURE_VARIANT_ADD(rx, event_idx)
{
	.cfg = { .features = BIT_V1 | BIT_MRG | BIT_EVENT },
	.zerocopy = true,
};

FIXTURE_VARIANT_ADD(rx, in_order)
{
	.cfg = { .features = BIT_V1 | BIT_MRG | BIT_IN_ORDER },
	.zerocopy = true,
};

FIXTURE_VARIANT_ADD(rx, in_order_all)
{
	.cfg = {
		.features = BIT_V1 | BIT_MRG | BIT_IN_ORDER | BIT_INDIRECT |
			    BIT_EVENT,
	},
	.zerocopy = true,
};

FIXTURE_VARIANT_ADD(rx, legacy_hdr_apart)
{
	.cfg = { .features = 0, .hdr_apart = true },
};

FIXTURE_VARIANT_ADD(rx, plain_hdr_apart)
{
	.cfg = { .features = BIT_V1, .hdr_apart = true },
};

FIXTURE_VARIANT_ADD(rx, indirect_hdr_apart)
{
	.cfg = { .features = BIT_V1 | BIT_INDIRECT, .hdr_apart = true },
};

FIXTURE_VARIANT_ADD(rx, in_order_hdr_apart)
{
	.cfg = { .features = BIT_V1 | BIT_IN_ORDER, .hdr_apart = true },
};

/* What a guest posts that takes TSO but not mergeable buffers. */
FIXTURE_VARIANT_ADD(rx, big)
{
	.cfg = {
		.features = BIT_V1,
		.lane = 18 * GUEST_PAGE, .off = GUEST_PAGE,
		.len = 12 + 17 * GUEST_PAGE, .piece = GUEST_PAGE,
		.hdr_apart = true, .num = 1024, .bufs = 48,
	},
};

FIXTURE_VARIANT_ADD(rx, pieces)
{
	.cfg = {
		.features = BIT_V1 | BIT_INDIRECT, .piece = 100,
		.hdr_apart = true,
	},
};

/* The header ends amid the second descriptor. */
FIXTURE_VARIANT_ADD(rx, pieces_of_header)
{
	.cfg = { .features = BIT_V1, .piece = 7, .num = 4096 },
};

FIXTURE_VARIANT_ADD(rx, whole_page)
{
	.cfg = {
		.features = BIT_V1 | BIT_MRG,
		.lane = 2 * GUEST_PAGE, .off = GUEST_PAGE, .len = GUEST_PAGE,
	},
	.zerocopy = true,
};

/* Just long enough for every frame the NIC may deliver. */
FIXTURE_VARIANT_ADD(rx, shortest)
{
	.cfg = { .features = BIT_V1 | BIT_MRG, .len = 12 + FRAME_ROOM },
	.zerocopy = true,
};

FIXTURE_VARIANT_ADD(rx, odd_start)
{
	.cfg = { .features = BIT_V1 | BIT_MRG, .off = 1 },
	.zerocopy = true,
};

FIXTURE_VARIANT_ADD(rx, odd_start_legacy)
{
	.cfg = { .features = 0, .off = 1027 },
	.zerocopy = true,
};

FIXTURE_VARIANT_ADD(rx, page_end)
{
	.cfg = { .features = BIT_V1 | BIT_MRG, .off = 4096 - 1536 },
	.zerocopy = true,
};

FIXTURE_VARIANT_ADD(rx, crossing)
{
	.cfg = {
		.features = BIT_V1 | BIT_MRG, .mem = GUEST_SCATTERED,
		.lane = 2 * GUEST_PAGE, .off = 4096 - 700,
	},
	.cross = true,
};

/* The page ends inside the header. */
FIXTURE_VARIANT_ADD(rx, crossing_in_header)
{
	.cfg = {
		.features = BIT_V1 | BIT_MRG, .mem = GUEST_SCATTERED,
		.lane = 2 * GUEST_PAGE, .off = 4096 - 5,
	},
};

/* The page ends where the header does: the frame lies in one page. */
FIXTURE_VARIANT_ADD(rx, crossing_after_header)
{
	.cfg = {
		.features = BIT_V1 | BIT_MRG, .mem = GUEST_SCATTERED,
		.lane = 2 * GUEST_PAGE, .off = 4096 - 12,
	},
};

FIXTURE_VARIANT_ADD(rx, short_mergeable)
{
	.cfg = { .features = BIT_V1 | BIT_MRG, .len = 256 },
	.copied = true,
};

FIXTURE_VARIANT_ADD(rx, short_in_order)
{
	.cfg = { .features = BIT_V1 | BIT_MRG | BIT_IN_ORDER, .len = 300 },
	.copied = true,
};

FIXTURE_VARIANT_ADD(rx, short_plain)
{
	.cfg = { .features = BIT_V1, .len = 700 },
	.copied = true,
};

/* More buffers than descriptors of the NIC. */
FIXTURE_VARIANT_ADD(rx, ring_1024)
{
	.cfg = { .features = BIT_V1 | BIT_MRG, .num = 1024, .bufs = 1024 },
	.zerocopy = true,
};

FIXTURE_VARIANT_ADD(rx, ring_8192)
{
	.cfg = {
		.features = BIT_V1 | BIT_MRG, .num = 8192, .bufs = 8192,
		.lane = 2048,
	},
	.zerocopy = true,
};

FIXTURE_VARIANT_ADD(rx, ring_16)
{
	.cfg = { .features = BIT_V1 | BIT_MRG, .num = 16, .bufs = 16 },
	.zerocopy = true,
};

FIXTURE_VARIANT_ADD(rx, memfd)
{
	.cfg = { .features = BIT_V1 | BIT_MRG, .mem = GUEST_SHARED },
	.zerocopy = true,
};

FIXTURE_VARIANT_ADD(rx, huge_pages)
{
	.cfg = { .features = BIT_V1 | BIT_MRG, .mem = GUEST_HUGE },
	.zerocopy = true,
};

/* Buffers could be revoked while the NIC has them. */
FIXTURE_VARIANT_ADD(rx, iotlb)
{
	.cfg = { .features = BIT_V1 | BIT_MRG | BIT_PLATFORM },
	.copied = true,
};

/* Nobody whom pinned pages could be charged to. */
FIXTURE_VARIANT_ADD(rx, kernel_thread)
{
	.cfg = { .features = BIT_V1 | BIT_MRG, .kthread = true },
	.copied = true,
};

static bool kthread_missing(void)
{
	struct vhost v;
	int err;

	err = vhost_open_kthread(&v);
	if (err)
		return true;
	vhost_close(&v);
	return false;
}

static bool features_missing(__u64 features)
{
	__u64 have = 0;
	struct vhost v;

	if (vhost_open(&v))
		return true;
	vhost_features(&v, &have);
	vhost_close(&v);
	return features & ~have;
}

/* The other tests do without: ask for some where there are none. */
static void want_huge_pages(void)
{
	FILE *f = fopen("/proc/sys/vm/nr_hugepages", "r+");
	int pages = 0;

	if (!f)
		return;
	if (fscanf(f, "%d", &pages) == 1 && pages < 4) {
		rewind(f);
		fprintf(f, "4");
	}
	fclose(f);
}

FIXTURE_SETUP(rx)
{
	const char *missing = wire_missing();

	self->w.fd = -1;
	self->w.peer.fd = -1;
	if (missing)
		SKIP(return, "%s", missing);
	if (features_missing(variant->cfg.features))
		SKIP(return, "vhost-net lacks features");
	if (variant->cfg.kthread && kthread_missing())
		SKIP(return, "no CONFIG_VHOST_ENABLE_FORK_OWNER_CONTROL");
	if (variant->cfg.mem == GUEST_HUGE)
		want_huge_pages();
	if (guest_open(&self->g, &variant->cfg)) {
		if (variant->cfg.mem == GUEST_HUGE)
			SKIP(return, "no huge pages");
		ASSERT_TRUE(false);
	}
	ASSERT_EQ(0, wire_open(&self->w));
	ASSERT_EQ(0, guest_start(&self->g, self->w.fd));
	ASSERT_EQ(0, guest_post_all(&self->g));
	ASSERT_EQ(0, flow_start(&self->w, &self->g));
	self->zerocopy = wire_count(&self->w, "zerocopy");
	self->copied = wire_count(&self->w, "copied");
	self->cross = wire_count(&self->w, "bounce-cross");
	self->bounced = wire_count(&self->w, "bounced");
}

FIXTURE_TEARDOWN(rx)
{
	guest_close(&self->g);
	wire_close(&self->w);
}

static unsigned int window(const struct guest_config *cfg)
{
	unsigned int need = (12 + FRAME_ROOM - 1 + cfg->len) / cfg->len;
	unsigned int most = (cfg->bufs - ROOM) / need;

	return most < 32 ? most : 32;
}

TEST_F_TIMEOUT(rx, sizes, CLOCK_TEST)
{
	const long long frames = FRAME_MAX - FRAME_MIN + 1;
	struct guest *g = &self->g;
	struct wire *w = &self->w;
	long long fit = frames;

	/* Of a frame longer than its only buffer nothing is delivered. */
	if (!(g->cfg.features & BIT_MRG) && g->cfg.len < g->hdr_len + FRAME_MAX)
		fit = g->cfg.len - g->hdr_len - FRAME_MIN + 1;
	ASSERT_EQ(0, flow_run(w, g, FRAME_MIN, FRAME_MAX, window(&g->cfg)));

	self->zerocopy = wire_count(w, "zerocopy") - self->zerocopy;
	self->copied = wire_count(w, "copied") - self->copied;
	self->cross = wire_count(w, "bounce-cross") - self->cross;
	if (w->mp && variant->zerocopy) {
		EXPECT_LE(frames, self->zerocopy);
		EXPECT_EQ(self->bounced, wire_count(w, "bounced"));
		EXPECT_EQ(0, self->copied);
	}
	if (w->mp && variant->cross) {
		/* Two pages may happen to be neighbours, but not often. */
		EXPECT_LE(frames / 2, self->cross);
		if (self->cross + self->zerocopy < frames)
			wire_explain(w);
		EXPECT_LE(frames, self->cross + self->zerocopy);
	}
	if (w->mp && variant->copied) {
		EXPECT_EQ(0, self->zerocopy);
		EXPECT_LE(fit, self->copied);
	}

	ASSERT_EQ(0, guest_stop(g));
	ASSERT_EQ(0, flow_empty(w, g));
	EXPECT_TRUE(guest_books_balance(g));
	EXPECT_EQ(0, wire_count(w, "outstanding"));
}

/*
 * Nearly as much at a time as is posted, some frames of others may come, and
 * the same buffers again and again.
 */
TEST_F_TIMEOUT(rx, bursts, CLOCK_TEST)
{
	struct guest *g = &self->g;
	struct wire *w = &self->w;
	unsigned int burst = window(&g->cfg);

	if (g->cfg.len >= g->hdr_len + FRAME_ROOM && g->cfg.bufs > burst)
		burst = (g->cfg.bufs < 128 ? g->cfg.bufs : 128) - ROOM;
	ASSERT_EQ(0, flow_repeat(w, g, 3 * burst, FRAME_MAX, burst));
	ASSERT_EQ(0, flow_repeat(w, g, 3 * burst, FRAME_MIN, burst));
	ASSERT_EQ(0, guest_stop(g));
	ASSERT_EQ(0, flow_empty(w, g));
	EXPECT_TRUE(guest_books_balance(g));
}

/* One guest of the usual kind, and what happens around it. */

FIXTURE(guest)
{
	struct wire w;
	struct guest g;
};

FIXTURE_SETUP(guest)
{
	const struct guest_config cfg = {
		.features = BIT_V1 | BIT_MRG, .bufs = 64,
	};
	const char *missing = wire_missing();

	self->w.fd = -1;
	self->w.peer.fd = -1;
	if (missing)
		SKIP(return, "%s", missing);
	ASSERT_EQ(0, guest_open(&self->g, &cfg));
	ASSERT_EQ(0, wire_open(&self->w));
	ASSERT_EQ(0, guest_start(&self->g, self->w.fd));
	ASSERT_EQ(0, guest_post_all(&self->g));
	ASSERT_EQ(0, flow_start(&self->w, &self->g));
}

FIXTURE_TEARDOWN(guest)
{
	guest_close(&self->g);
	wire_close(&self->w);
}

TEST_F_TIMEOUT(guest, tagged, CLOCK_TEST)
{
	self->w.peer.frame.vlan = 0x2064;
	ASSERT_EQ(0, flow_run(&self->w, &self->g, 64, 100, 32));
	/* 1500 bytes of payload, and the tag */
	ASSERT_EQ(0, flow_run(&self->w, &self->g, 1500, 1518, 19));
}

/* Frames too long for our MTU, and one that is not. */
static const size_t oversized[] = {
	1519, 1523, 1600, 2044, 3000, 9000, 1000,
};

static int send_oversized(struct peer *p)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(oversized); i++)
		if (peer_send(p, oversized[i]))
			return -1;
	return 0;
}

/* A long frame of a peer with a larger MTU must not reach any buffer. */
TEST_F_TIMEOUT(guest, oversized, CLOCK_TEST)
{
	struct peer *p = &self->w.peer;
	struct guest_frame f;
	int mtu, i, ret = 1;
	__u32 seq;

	if (!self->w.mp)
		SKIP(return, "a tap takes long frames");
	mtu = nic_get_mtu(p->fd, p->dev);
	if (nic_set_mtu(p->fd, p->dev, 9000))
		SKIP(return, "%s takes no MTU of 9000", p->dev);
	nic_wait_running(p->fd, p->dev);
	EXPECT_EQ(0, flow_start(&self->w, &self->g));
	/* Only the last gets through; or none while the link is coming up. */
	for (i = 0; i < 5 && ret; i++) {
		ASSERT_EQ(0, send_oversized(p));
		ret = guest_recv_of(&self->g, &p->frame, &f, &seq,
				    clock_patience() / 5);
		ASSERT_LE(0, ret);
	}
	nic_set_mtu(p->fd, p->dev, mtu);
	nic_wait_running(p->fd, p->dev);
	ASSERT_EQ(0, ret);
	/* That of the last time, or of one before, which was late. */
	EXPECT_EQ(0, (p->seq - 1 - seq) % ARRAY_SIZE(oversized));
	ASSERT_EQ(0, guest_repost(&self->g, &f));
	guest_kick(&self->g);
	ASSERT_EQ(0, flow_start(&self->w, &self->g));
	ASSERT_EQ(0, flow_repeat(&self->w, &self->g, 200, 800, 32));
}

/* A guest that uses its pages again costs no pinning. */
TEST_F_TIMEOUT(guest, recycled, CLOCK_TEST)
{
	long long hits, misses;

	if (!self->w.mp)
		SKIP(return, "a tap pins nothing");
	ASSERT_EQ(0, flow_repeat(&self->w, &self->g, 128, 900, 32));
	hits = wire_count(&self->w, "pin-hits");
	misses = wire_count(&self->w, "pin-misses");
	ASSERT_EQ(0, flow_repeat(&self->w, &self->g, 640, 900, 32));
	EXPECT_LE(500, wire_count(&self->w, "pin-hits") - hits);
	EXPECT_EQ(misses, wire_count(&self->w, "pin-misses"));
	EXPECT_LT(0, wire_count(&self->w, "pinned"));
	EXPECT_LE(wire_count(&self->w, "pinned"),
		  wire_count(&self->w, "pinned-peak"));
}

TEST_F_TIMEOUT(guest, unpinned_at_the_end, CLOCK_TEST)
{
	long long before = mp_pinned_kb();

	if (!self->w.mp)
		SKIP(return, "a tap pins nothing");
	ASSERT_EQ(0, flow_repeat(&self->w, &self->g, 64, 900, 32));
	ASSERT_LT(0, wire_count(&self->w, "pinned"));
	ASSERT_EQ(0, guest_stop(&self->g));
	ASSERT_EQ(0, mp_unbind(self->w.fd));
	EXPECT_EQ(0, wire_count(&self->w, "pinned"));
	EXPECT_EQ(0, wire_count(&self->w, "outstanding"));
	EXPECT_EQ(0, mp_wait_unpinned(before));
}

/* A guest that resets its device does not have its pages pinned again. */
TEST_F_TIMEOUT(guest, pinned_across_a_stop, CLOCK_TEST)
{
	struct guest *g = &self->g;
	struct wire *w = &self->w;
	long long misses, pinned;

	if (!w->mp)
		SKIP(return, "a tap pins nothing");
	ASSERT_EQ(0, flow_repeat(w, g, 128, 900, 32));
	misses = wire_count(w, "pin-misses");
	pinned = wire_count(w, "pinned");
	ASSERT_LT(0, pinned);
	ASSERT_EQ(0, guest_stop(g));
	ASSERT_EQ(0, flow_empty(w, g));
	EXPECT_EQ(pinned, wire_count(w, "pinned"));
	ASSERT_EQ(0, guest_start(g, w->fd));
	ASSERT_EQ(0, guest_post_all(g));
	ASSERT_EQ(0, flow_start(w, g));
	ASSERT_EQ(0, flow_repeat(w, g, 128, 900, 32));
	EXPECT_EQ(misses, wire_count(w, "pin-misses"));
}

/* Idle pages are unpinned, those that are posted are not. */
TEST_F_TIMEOUT(guest, unpinned_when_idle, CLOCK_TEST)
{
	struct guest *g = &self->g;
	struct wire *w = &self->w;
	static struct guest_frame f;
	long long start, end;
	unsigned int i;

	if (!w->mp)
		SKIP(return, "a tap pins nothing");
	ASSERT_EQ(0, flow_repeat(w, g, 128, 900, 32));
	EXPECT_EQ(g->cfg.bufs, wire_count(w, "pinned"));
	start = clock_ms();
	ASSERT_EQ(0, peer_send_n(&w->peer, g->cfg.bufs / 2, 900, 0));
	for (i = 0; i < g->cfg.bufs / 2; i++)
		ASSERT_EQ(0, guest_recv(g, &f, clock_patience()));

	/* After 30 s, and the second in which that is found out. */
	end = clock_ms() + 32000 + clock_patience();
	while (wire_count(w, "pinned") > guest_out(g) && clock_ms() < end)
		usleep(100000);
	EXPECT_LE(29000, clock_ms() - start);
	usleep(1500000);
	ASSERT_EQ(0, flow_empty(w, g));
	EXPECT_LT(0, guest_out(g));
	EXPECT_EQ(guest_out(g), wire_count(w, "pinned"));
}

static int set_hdr_len(struct wire *w, int len)
{
	return ioctl(w->fd, TUNSETVNETHDRSZ, &len);
}

/* What is posted goes back, and is posted anew.  A buffer whose header is of
 * another length than the descriptor's is not written to.
 */
TEST_F_TIMEOUT(guest, header_length_changed, CLOCK_TEST)
{
	struct guest *g = &self->g;
	struct wire *w = &self->w;
	struct guest_frame f;
	long long posted;

	if (!w->mp)
		SKIP(return, "a tap has nothing posted");
	ASSERT_EQ(0, flow_repeat(w, g, 64, 900, 32));
	ASSERT_EQ(0, set_hdr_len(w, 64));
	EXPECT_EQ(0, wire_count(w, "outstanding"));
	posted = wire_count(w, "posted");
	ASSERT_EQ(0, peer_send_n(&w->peer, 64, 900, 0));
	while (!guest_recv(g, &f, 300))
		ASSERT_EQ(0, guest_repost(g, &f));
	guest_kick(g);
	EXPECT_EQ(posted, wire_count(w, "posted"));

	ASSERT_EQ(0, set_hdr_len(w, g->hdr_len));
	ASSERT_EQ(0, flow_start(w, g));
	ASSERT_EQ(0, flow_repeat(w, g, 256, 900, 32));
	EXPECT_LE(posted + 256, wire_count(w, "posted"));
	ASSERT_EQ(0, guest_stop(g));
	ASSERT_EQ(0, flow_empty(w, g));
	EXPECT_TRUE(guest_books_balance(g));
}

/*
 * Overcommit: the host takes a page away while its buffer is not posted.  The
 * frame must go to the page that is there then, not to the one pinned before.
 */
TEST_F_TIMEOUT(guest, page_taken_away, CLOCK_TEST)
{
	long long gone = wire_count(&self->w, "pin-invalidations");
	struct guest_frame f;
	unsigned int round;
	__u32 seq;

	for (round = 0; round < 100; round++) {
		ASSERT_EQ(0, peer_send(&self->w.peer, 1000));
		ASSERT_EQ(0, guest_recv_of(&self->g, &self->w.peer.frame, &f,
					   &seq, clock_patience()));
		ASSERT_EQ(round, seq);
		self->g.buf[f.buf[0]].wild = true;	/* the guard is gone */
		ASSERT_EQ(0, madvise(guest_lane(&self->g, f.buf[0]),
				     self->g.cfg.lane, MADV_DONTNEED));
		ASSERT_EQ(0, guest_repost(&self->g, &f));
		guest_kick(&self->g);
	}
	if (self->w.mp)
		EXPECT_LT(gone, wire_count(&self->w, "pin-invalidations"));
}

/*
 * The same while the buffer is posted: the NIC writes to the page that was
 * there, and the frame is copied to the one that is.
 */
TEST_F_TIMEOUT(guest, armed_page_taken_away, CLOCK_TEST)
{
	long long moved = wire_count(&self->w, "bounce-moved");
	__u32 seq, first = self->w.peer.seq;
	struct guest *g = &self->g;
	struct guest_frame f;
	unsigned int i;

	/* What has come already would be gone with the page. */
	while (!guest_recv(g, &f, 300))
		ASSERT_EQ(0, guest_repost(g, &f));
	guest_kick(g);
	for (i = 0; i < g->cfg.bufs; i++) {
		g->buf[i].wild = true;
		ASSERT_EQ(0, madvise(guest_lane(g, i), g->cfg.lane,
				     MADV_DONTNEED));
	}
	ASSERT_EQ(0, flow_armed(&self->w, g->cfg.bufs - ROOM));
	ASSERT_EQ(0, peer_send_n(&self->w.peer, g->cfg.bufs - ROOM, 1000, 0));
	for (i = 0; i < g->cfg.bufs - ROOM; i++) {
		ASSERT_EQ(0, guest_recv_of(g, &self->w.peer.frame, &f, &seq,
					   clock_patience()));
		ASSERT_EQ(first + i, seq);
		ASSERT_EQ(1000, f.len);
		ASSERT_EQ(0, guest_repost(g, &f));
		guest_kick(g);
	}
	if (self->w.mp)
		EXPECT_LT(moved, wire_count(&self->w, "bounce-moved"));
	/* Every page was posted again after it was taken: all is well. */
	ASSERT_EQ(0, flow_start(&self->w, g));
	ASSERT_EQ(0, flow_repeat(&self->w, g, 128, 900, 32));
}

TEST_F_TIMEOUT(guest, moved_page, CLOCK_TEST)
{
	struct guest *g = &self->g;
	struct guest_frame f;
	unsigned char *lane;
	unsigned int round;
	void *page;
	__u32 seq;

	for (round = 0; round < 64; round++) {
		ASSERT_EQ(0, peer_send(&self->w.peer, 1000));
		ASSERT_EQ(0, guest_recv_of(g, &self->w.peer.frame, &f, &seq,
					   clock_patience()));
		ASSERT_EQ(round, seq);
		lane = guest_lane(g, f.buf[0]);
		page = mmap(NULL, g->cfg.lane, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		ASSERT_NE(MAP_FAILED, page);
		memcpy(page, lane, g->cfg.lane);
		ASSERT_EQ((void *)lane,
			  mremap(page, g->cfg.lane, g->cfg.lane,
				 MREMAP_MAYMOVE | MREMAP_FIXED, lane));
		ASSERT_EQ(0, guest_repost(g, &f));
		guest_kick(g);
	}
	ASSERT_EQ(0, flow_repeat(&self->w, g, 256, 900, 32));
}

/* Copy on write must not part the guest from the pages the NIC writes. */
TEST_F_TIMEOUT(guest, forked, CLOCK_TEST)
{
	int go[2], status;
	char c = 0;
	pid_t pid;

	ASSERT_EQ(0, pipe(go));
	ASSERT_EQ(0, flow_repeat(&self->w, &self->g, 128, 900, 32));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		close(go[1]);
		/* Have pages of its own while the parent's are in use. */
		memset(guest_lane(&self->g, 0), 1, 16 * GUEST_PAGE);
		if (read(go[0], &c, 1) < 0)
			_exit(1);
		_exit(0);
	}
	close(go[0]);
	EXPECT_EQ(0, flow_repeat(&self->w, &self->g, 256, 900, 32));
	close(go[1]);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	ASSERT_EQ(0, flow_repeat(&self->w, &self->g, 256, 900, 32));
}

/* The NIC says which checksums it verified, and of no others. */

TEST_F_TIMEOUT(guest, checksum, CLOCK_TEST)
{
	struct segment s = { .port = 4000, .seq = 1 };
	unsigned char buf[1000] = {};
	struct wire *w = &self->w;
	size_t len;
	int i;

	if (!w->mp)
		SKIP(return, "a tap has no NIC that could");
	memcpy(s.dst, w->mac, 6);
	memcpy(s.src, w->peer.mac, 6);
	for (i = 0; i < 2; i++) {
		s.tcp = i;
		len = segment_build(&s, buf, 500, false);
		/* A guest that did not ask is told nothing. */
		ASSERT_EQ(0, ioctl(w->fd, TUNSETOFFLOAD, 0));
		EXPECT_EQ(0, flow_flags(w, &self->g, buf, len));
		ASSERT_EQ(0, ioctl(w->fd, TUNSETOFFLOAD, TUN_F_CSUM));
		EXPECT_EQ(VIRTIO_NET_HDR_F_DATA_VALID,
			  flow_flags(w, &self->g, buf, len));
		/* Nor is one whose NIC is told not to look. */
		ASSERT_EQ(0, nic_set_feature(w->sock, w->dev, "rx-checksum",
					     false));
		EXPECT_EQ(0, flow_flags(w, &self->g, buf, len));
		ASSERT_EQ(0, nic_set_feature(w->sock, w->dev, "rx-checksum",
					     true));
		buf[len - 1] ^= 0x40;
		EXPECT_EQ(0, flow_flags(w, &self->g, buf, len));
		buf[len - 1] ^= 0x40;
		buf[SEGMENT_L4 - 1] ^= 1;	/* the IP header's */
		EXPECT_EQ(0, flow_flags(w, &self->g, buf, len));
	}
	/* Nothing that has a checksum. */
	frame_build(&w->peer.frame, buf, 0, 500);
	EXPECT_EQ(0, flow_flags(w, &self->g, buf, 500));
	ASSERT_EQ(0, ioctl(w->fd, TUNSETOFFLOAD, 0));
}

/* A guest that starts with nothing posted gets what it posts later filled. */
TEST_F_TIMEOUT(guest, idle_at_first, CLOCK_TEST)
{
	struct guest *g = &self->g;
	struct wire *w = &self->w;
	unsigned int i;

	ASSERT_EQ(0, flow_repeat(w, g, 64, 900, 32));
	ASSERT_EQ(0, guest_stop(g));
	ASSERT_EQ(0, flow_empty(w, g));
	/* Back to back, what was rewound is fetched again. */
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, guest_start(g, w->fd));
		ASSERT_EQ(0, guest_stop(g));
		ASSERT_TRUE(guest_books_balance(g));
	}
	ASSERT_EQ(0, guest_start(g, w->fd));
	ASSERT_EQ(0, guest_post_all(g));
	ASSERT_EQ(0, flow_start(w, g));
	ASSERT_EQ(0, flow_repeat(w, g, 128, 900, 32));
}

/* One descriptor serves one guest; see also mp_vhost. */
TEST_F_TIMEOUT(guest, second_guest, CLOCK_TEST)
{
	struct guest other;

	if (!self->w.mp)
		SKIP(return, "a tap serves any number");
	ASSERT_EQ(0, guest_open(&other, &self->g.cfg));
	EXPECT_EQ(-EBUSY, vhost_set_backend(&other.vhost, GUEST_RX,
					    self->w.fd));
	ASSERT_EQ(0, guest_post_all(&other));
	ASSERT_EQ(0, peer_flood(&self->w.peer, 900));
	EXPECT_EQ(0, flow_pump(&self->w, &self->g, 500));
	guest_close(&other);
	EXPECT_EQ(0, flow_pump(&self->w, &self->g, 500));
	peer_calm(&self->w.peer);

	ASSERT_EQ(0, guest_stop(&self->g));
	ASSERT_EQ(0, guest_open(&other, &self->g.cfg));
	ASSERT_EQ(0, guest_start(&other, self->w.fd));
	ASSERT_EQ(0, guest_post_all(&other));
	ASSERT_EQ(0, flow_start(&self->w, &other));
	EXPECT_EQ(0, flow_repeat(&self->w, &other, 256, 900, 32));
	guest_close(&other);
}

/* Packet sockets on the bound device, wherever the NIC put the frame. */

FIXTURE(tapped)
{
	struct wire w;
	struct guest g;
};

FIXTURE_VARIANT(tapped)
{
	struct guest_config cfg;
	const char *counter;	/* that says where */
};

FIXTURE_VARIANT_ADD(tapped, in_place)
{
	.cfg = { .features = BIT_V1 | BIT_MRG, .bufs = 64 },
	.counter = "zerocopy",
};

/* From page to page, where these are neighbours. */
FIXTURE_VARIANT_ADD(tapped, two_pages)
{
	.cfg = {
		.features = BIT_V1 | BIT_MRG, .bufs = 64, .mem = GUEST_HUGE,
		.lane = 2 * GUEST_PAGE, .off = 4096 - 700,
	},
	.counter = "zerocopy",
};

FIXTURE_VARIANT_ADD(tapped, bounced)
{
	.cfg = {
		.features = BIT_V1 | BIT_MRG, .bufs = 64,
		.mem = GUEST_SCATTERED,
		.lane = 2 * GUEST_PAGE, .off = 4096 - 700,
	},
	.counter = "bounced",
};

FIXTURE_VARIANT_ADD(tapped, copied)
{
	.cfg = { .features = BIT_V1 | BIT_MRG, .bufs = 64, .len = 500 },
	.counter = "copied",
};

FIXTURE_SETUP(tapped)
{
	const char *missing = wire_missing();

	self->w.fd = -1;
	self->w.peer.fd = -1;
	if (missing)
		SKIP(return, "%s", missing);
	if (wire_is_tap())
		SKIP(return, "a tap sees what it sends");
	if (variant->cfg.mem == GUEST_HUGE)
		want_huge_pages();
	if (guest_open(&self->g, &variant->cfg)) {
		if (variant->cfg.mem == GUEST_HUGE)
			SKIP(return, "no huge pages");
		ASSERT_TRUE(false);
	}
	ASSERT_EQ(0, wire_open(&self->w));
	ASSERT_EQ(0, guest_start(&self->g, self->w.fd));
	ASSERT_EQ(0, guest_post_all(&self->g));
	ASSERT_EQ(0, flow_start(&self->w, &self->g));
}

FIXTURE_TEARDOWN(tapped)
{
	guest_close(&self->g);
	wire_close(&self->w);
}

/* A socket for all protocols sees the frame; so does the guest. */
TEST_F_TIMEOUT(tapped, all, CLOCK_TEST)
{
	long long before = wire_count(&self->w, variant->counter);
	unsigned int window = variant->cfg.len ? 8 : 32;
	struct wire *w = &self->w;
	struct peer local;
	int i;

	ASSERT_EQ(0, peer_open(&local, NULL, w->dev, w->peer.mac));
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(0, flow_repeat(w, &self->g, 1, 1200 + i, 1));
		EXPECT_TRUE(peer_expect(&local, &w->peer.frame,
					w->peer.seq - 1, clock_patience()));
	}
	w->peer.frame.vlan = 0x2064;
	EXPECT_EQ(0, flow_repeat(w, &self->g, 1, 1200, 1));
	EXPECT_TRUE(peer_expect(&local, &w->peer.frame, w->peer.seq - 1,
				clock_patience()));
	EXPECT_EQ(1, local.untagged);
	/* Two pages may happen to be neighbours. */
	EXPECT_LT(before, wire_count(w, variant->counter));
	/* Nobody reads it: that must not hold the guest up. */
	EXPECT_EQ(0, flow_repeat(w, &self->g, 500, 1200, window));
	peer_close(&local);
	ASSERT_EQ(0, flow_repeat(w, &self->g, 100, 1200, window));
}

/* The frames are the guest's: who waits for a protocol gets none. */
TEST_F_TIMEOUT(tapped, one_protocol, CLOCK_TEST)
{
	unsigned int window = variant->cfg.len ? 8 : 32;
	struct sockaddr_ll addr = {
		.sll_family	= AF_PACKET,
		.sll_protocol	= htons(FRAME_TYPE),
	};
	struct wire *w = &self->w;
	struct peer local;
	int fd;

	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	ASSERT_LE(0, fd);
	addr.sll_ifindex = nic_index(w->sock, w->dev);
	ASSERT_EQ(0, bind(fd, (struct sockaddr *)&addr, sizeof(addr)));
	EXPECT_EQ(0, flow_repeat(w, &self->g, 32, 1200, window));
	EXPECT_EQ(-1, recv(fd, NULL, 0, MSG_DONTWAIT | MSG_TRUNC));
	/* Nor when there is one beside it that does. */
	ASSERT_EQ(0, peer_open(&local, NULL, w->dev, w->peer.mac));
	EXPECT_EQ(0, flow_repeat(w, &self->g, 32, 1200, window));
	EXPECT_EQ(-1, recv(fd, NULL, 0, MSG_DONTWAIT | MSG_TRUNC));
	peer_close(&local);
	/* It is the one that would: unbound, it does. */
	ASSERT_EQ(0, mp_unbind(w->fd));
	EXPECT_TRUE(wire_host_works(w));
	EXPECT_LT(0, recv(fd, NULL, 0, MSG_DONTWAIT | MSG_TRUNC));
	close(fd);
}

/*
 * The MTU, which may change while the device is bound.  A frame that its buffer
 * holds is received in place, also over several pages; else it is copied, to as
 * few buffers as there can be.
 */

#define MTU		1500
#define JUMBO		9000
#define HDR		sizeof(struct virtio_net_hdr_mrg_rxbuf)
/* What the NIC may write of a frame: two tags are counted. */
#define LONGEST(mtu)	((mtu) + 14 + 8)
/* Of the peer, which is to send what is too long for us. */
#define PEER_MTU	9200

/* Not bound, with the MTUs that are to be put back. */
static int open_as_found(struct wire *w, int *mtu, int *peer_mtu)
{
	int err = wire_open_unbound(w);

	if (err)
		return err;
	*mtu = nic_get_mtu(w->sock, w->dev);
	*peer_mtu = nic_get_mtu(w->peer.fd, w->peer.dev);
	w->fd = mp_open();
	return w->fd < 0 ? -1 : 0;
}

FIXTURE(mtu)
{
	struct wire w;
	struct guest g;
	int mtu;
	int peer_mtu;
};

FIXTURE_SETUP(mtu)
{
	const char *missing = wire_missing();
	struct wire *w = &self->w;

	w->fd = -1;
	w->peer.fd = -1;
	if (missing)
		SKIP(return, "%s", missing);
	if (wire_is_tap())
		SKIP(return, "only with a NIC");
	ASSERT_EQ(0, open_as_found(w, &self->mtu, &self->peer_mtu));
}

/* A wire that may not have been opened. */
static void restore(struct wire *w, int mtu, int peer_mtu)
{
	if (w->fd >= 0)
		mp_unbind(w->fd);
	if (mtu)
		nic_set_mtu(w->sock, w->dev, mtu);
	if (peer_mtu)
		nic_set_mtu(w->peer.fd, w->peer.dev, peer_mtu);
	wire_close(w);
}

FIXTURE_TEARDOWN(mtu)
{
	guest_close(&self->g);
	restore(&self->w, self->mtu, self->peer_mtu);
}

static int set_mtu(struct wire *w, int mtu)
{
	return nic_set_mtu(w->sock, w->dev, mtu) ?:
	       nic_wait_running(w->sock, w->dev);
}

/* Not in the set-up, after the failure of which nothing would be put back. */
static int bind_at(struct wire *w, int mtu)
{
	return nic_set_mtu(w->peer.fd, w->peer.dev, PEER_MTU) ?:
	       set_mtu(w, mtu) ?:
	       mp_bind(w->fd, w->dev) ?:
	       nic_wait_running(w->sock, w->dev) ?:
	       nic_wait_running(w->peer.fd, w->peer.dev);
}

static int start_opened(struct wire *w, struct guest *g)
{
	return guest_start(g, w->fd) ?: guest_post_all(g) ?: flow_start(w, g);
}

static int start_guest(struct wire *w, struct guest *g,
		       const struct guest_config *cfg)
{
	return guest_open(g, cfg) ?: start_opened(w, g);
}

/* A guest whose buffers have @len bytes for a frame. */
static int start_mtu_guest(struct wire *w, struct guest *g, size_t len)
{
	const struct guest_config cfg = {
		.features = BIT_V1 | BIT_MRG, .bufs = 64, .len = HDR + len,
		.lane = 4 * GUEST_PAGE,
	};

	return start_guest(w, g, &cfg);
}

/* Frames up to the longest of an MTU, tagged or not; which are zero-copy? */
static long long run_mtu(struct wire *w, struct guest *g, int mtu)
{
	long long before = wire_count(w, "zerocopy");
	int longest = mtu + 14;

	w->peer.frame.vlan = 0;
	if (flow_run(w, g, longest - 15, longest, 8))
		return -1;
	w->peer.frame.vlan = 0x2064;
	if (flow_run(w, g, longest - 11, longest + 4, 8))
		return -1;
	w->peer.frame.vlan = 0;
	return wire_count(w, "zerocopy") - before;
}

/*
 * One frame, in as few buffers as it fits, of which guest_recv() sees that all
 * but the last are full.
 */
static int run_packed(struct wire *w, struct guest *g, size_t len)
{
	static struct guest_frame f;
	unsigned int fewest;
	__u32 seq;

	if (peer_send(&w->peer, len) ||
	    guest_recv_of(g, &w->peer.frame, &f, &seq, clock_patience()))
		return -1;
	if (seq != w->peer.seq - 1 || f.len != len) {
		say("frame %u of %zu bytes in the place of %u of %zu", seq,
		    f.len, w->peer.seq - 1, len);
		return -1;
	}
	fewest = (g->hdr_len + len + g->cfg.len - 1) / g->cfg.len;
	if (f.nbufs != fewest) {
		say("%zu bytes took %u buffers, not %u", len, f.nbufs, fewest);
		return -1;
	}
	if (guest_repost(g, &f))
		return -1;
	guest_kick(g);
	return 0;
}

/* All lengths at which another buffer begins, and others. */
static int run_all_packed(struct wire *w, struct guest *g, size_t longest)
{
	size_t len, edge = g->cfg.len - g->hdr_len;

	for (len = 60; len <= longest; len += 199)
		if (run_packed(w, g, len))
			return -1;
	for (; edge <= longest; edge += g->cfg.len)
		for (len = edge - 1; len <= edge + 1 && len <= longest; len++)
			if (run_packed(w, g, len))
				return -1;
	return run_packed(w, g, longest);
}

/* Zero-copy is tried again when it is not put off any more. */
static int wait_zerocopy(struct wire *w, struct guest *g)
{
	/* The poster was told to wait for so long. */
	long long end = clock_ms() + wire_count(w, "rx-copy-ms") +
			2 * clock_patience();
	long long before = wire_count(w, "zerocopy");

	while (clock_ms() < end) {
		if (flow_start(w, g))
			return -1;
		if (wire_count(w, "zerocopy") > before)
			return 0;
	}
	say("zero-copy did not come back");
	wire_explain(w);
	return -1;
}

/* One that is longer than the NIC may write reaches no buffer. */
static int run_too_long(struct wire *w, struct guest *g, int mtu)
{
	static struct guest_frame f;
	__u32 seq;

	/* The peer may not send more than 18 bytes beyond its own MTU. */
	if (peer_send_n(&w->peer, 8, LONGEST(mtu) + 1, 0) ||
	    peer_send_n(&w->peer, 4, LONGEST(mtu) + 5, 40) ||
	    peer_send(&w->peer, mtu) ||
	    guest_recv_of(g, &w->peer.frame, &f, &seq, clock_patience()))
		return -1;
	if (seq != w->peer.seq - 1) {
		say("frame %u came, of %zu bytes", seq, f.len);
		return -1;
	}
	if (guest_repost(g, &f))
		return -1;
	guest_kick(g);
	return 0;
}

/* Room for the longest frame of an MTU is enough, and less is not. */
TEST_F_TIMEOUT(mtu, in_between, CLOCK_TEST)
{
	const int mtu = 2500;

	ASSERT_EQ(0, bind_at(&self->w, mtu));
	ASSERT_EQ(0, start_mtu_guest(&self->w, &self->g, LONGEST(mtu)));
	EXPECT_LE(32, run_mtu(&self->w, &self->g, mtu));
	EXPECT_EQ(0, run_too_long(&self->w, &self->g, mtu));
	guest_close(&self->g);
	ASSERT_EQ(0, start_mtu_guest(&self->w, &self->g, LONGEST(mtu) - 1));
	EXPECT_EQ(0, run_mtu(&self->w, &self->g, mtu));
}

/* Frames have no other length then: nothing stops for it. */
TEST_F_TIMEOUT(mtu, lowered_and_raised, CLOCK_TEST)
{
	struct wire *w = &self->w;
	struct guest *g = &self->g;
	long long rewound;

	ASSERT_EQ(0, bind_at(w, MTU));
	ASSERT_EQ(0, start_mtu_guest(w, g, LONGEST(MTU)));
	rewound = wire_count(w, "rewound");
	ASSERT_EQ(0, set_mtu(w, 1400));
	EXPECT_EQ(1400, nic_get_mtu(w->sock, w->dev));
	ASSERT_EQ(0, flow_start(w, g));
	EXPECT_LE(32, run_mtu(w, g, MTU));
	ASSERT_EQ(0, set_mtu(w, MTU));
	ASSERT_EQ(0, flow_start(w, g));
	EXPECT_LE(32, run_mtu(w, g, MTU));
	EXPECT_EQ(rewound, wire_count(w, "rewound"));
}

/* Raised while bound: what a guest of Linux posts is too short then. */
TEST_F_TIMEOUT(mtu, packed, CLOCK_TEST)
{
	static const char reason[] = "frames of this MTU need larger buffers";
	struct wire *w = &self->w;
	struct guest *g = &self->g;
	const struct guest_config cfg = {
		.features = BIT_V1 | BIT_MRG, .bufs = 128,
	};
	long long zerocopy, dropped;
	char why[64];

	ASSERT_EQ(0, bind_at(w, MTU));
	ASSERT_EQ(0, start_guest(w, g, &cfg));
	EXPECT_LE(32, run_mtu(w, g, MTU));

	ASSERT_EQ(0, set_mtu(w, JUMBO));
	EXPECT_EQ(JUMBO, nic_get_mtu(w->sock, w->dev));
	ASSERT_EQ(0, flow_start(w, g));
	zerocopy = wire_count(w, "zerocopy");
	dropped = wire_count(w, "dropped");
	EXPECT_EQ(0, run_all_packed(w, g, JUMBO + 14));
	EXPECT_EQ(0, run_mtu(w, g, JUMBO));
	EXPECT_EQ(zerocopy, wire_count(w, "zerocopy"));
	EXPECT_EQ(dropped, wire_count(w, "dropped"));
	ASSERT_EQ(0, mp_text(w->fd, "rx-copy-why", why, sizeof(why)));
	EXPECT_STREQ(reason, why);
	EXPECT_LT(0, wire_count(w, "rx-copy-fails"));
	EXPECT_EQ(0, run_too_long(w, g, JUMBO));

	ASSERT_EQ(0, set_mtu(w, MTU));
	ASSERT_EQ(0, wait_zerocopy(w, g));
	EXPECT_LE(32, run_mtu(w, g, MTU));
	ASSERT_EQ(0, mp_text(w->fd, "rx-copy-why", why, sizeof(why)));
	EXPECT_STREQ("-", why);
	EXPECT_EQ(0, run_too_long(w, g, MTU));
}

/* It is that already when it is bound; buffers of other lengths. */
TEST_F_TIMEOUT(mtu, packed_small, CLOCK_TEST)
{
	struct guest_config cfg = {
		.features = BIT_V1 | BIT_MRG | BIT_INDIRECT | BIT_IN_ORDER,
		.bufs = 200, .len = 256,
	};
	struct wire *w = &self->w;
	struct guest *g = &self->g;

	ASSERT_EQ(0, bind_at(w, JUMBO));
	ASSERT_EQ(0, start_guest(w, g, &cfg));
	EXPECT_EQ(0, run_all_packed(w, g, JUMBO + 14));
	guest_close(g);

	cfg.features = BIT_V1 | BIT_MRG | BIT_EVENT;
	cfg.len = 4000;
	cfg.off = 4;
	ASSERT_EQ(0, start_guest(w, g, &cfg));
	EXPECT_EQ(0, run_all_packed(w, g, JUMBO + 14));
	EXPECT_EQ(0, wire_count(w, "zerocopy"));
}

/* Without mergeable buffers what is too long is lost, and nothing else. */
TEST_F_TIMEOUT(mtu, not_mergeable, CLOCK_TEST)
{
	const struct guest_config cfg = { .features = BIT_V1 };
	struct wire *w = &self->w;
	struct guest *g = &self->g;

	ASSERT_EQ(0, bind_at(w, JUMBO));
	ASSERT_EQ(0, start_guest(w, g, &cfg));
	EXPECT_EQ(0, flow_run(w, g, 1510, 1540, 8));
	EXPECT_EQ(0, flow_repeat(w, g, 16, JUMBO, 8));
	EXPECT_EQ(0, flow_repeat(w, g, 16, 1000, 8));
	EXPECT_LE(32, wire_count(w, "dropped"));
}

/* What is sent is as long as the MTU of that moment allows. */
TEST_F_TIMEOUT(mtu, sent, CLOCK_TEST)
{
	static const size_t lens[] = {
		60, 1514, 1518, 4096, 4110, 8192, 9000, 9014, 9018,
	};
	const struct guest_config cfg = { .features = BIT_V1 | BIT_MRG };
	struct virtio_net_hdr_mrg_rxbuf hdr = {};
	static unsigned char buf[FRAME_BUF];
	struct wire *w = &self->w;
	struct guest *g = &self->g;
	long long zerocopy, errors;
	struct frame s = {};
	unsigned int i, n;
	__u32 seq = 0;

	ASSERT_EQ(0, bind_at(w, MTU));
	ASSERT_EQ(0, start_guest(w, g, &cfg));
	ASSERT_EQ(0, set_mtu(w, JUMBO));
	ASSERT_EQ(0, flow_start_tx(w, g));
	memcpy(s.dst, w->peer.mac, 6);
	memcpy(s.src, w->mac, 6);
	s.stream = frame_stream();
	zerocopy = wire_count(w, "tx-zerocopy");
	for (n = 0; n < 4; n++) {
		for (i = 0; i < ARRAY_SIZE(lens); i++, seq++) {
			frame_build(&s, buf, seq, lens[i]);
			ASSERT_EQ(0, guest_send(g, &hdr, buf, lens[i],
						n ? 1000 * n : 0));
			EXPECT_TRUE(peer_expect(&w->peer, &s, seq,
						clock_patience()));
		}
	}
	EXPECT_LT(zerocopy, wire_count(w, "tx-zerocopy"));

	/* One byte more than with a tag, and what is meant for no wire. */
	errors = wire_count(w, "tx-errors");
	for (n = 9019; n < 60000; n += 12000, seq++) {
		frame_build(&s, buf, seq, n);
		ASSERT_EQ(0, guest_send(g, &hdr, buf, n, 0));
	}
	frame_build(&s, buf, seq, JUMBO);
	ASSERT_EQ(0, guest_send(g, &hdr, buf, JUMBO, 0));
	EXPECT_TRUE(peer_expect(&w->peer, &s, seq++, clock_patience()));
	EXPECT_LE(errors + 5, wire_count(w, "tx-errors"));
	ASSERT_EQ(0, guest_sent(g, clock_patience()));

	ASSERT_EQ(0, set_mtu(w, MTU));
	ASSERT_EQ(0, flow_start_tx(w, g));
	for (i = 1; i < ARRAY_SIZE(lens); i++, seq++) {
		frame_build(&s, buf, seq, lens[i]);
		ASSERT_EQ(0, guest_send(g, &hdr, buf, lens[i], 0));
		EXPECT_EQ(lens[i] <= MTU + 18,
			  peer_expect(&w->peer, &s, seq,
				      lens[i] <= MTU + 18 ? clock_patience() :
							    200));
	}
}

/* Buffers that hold a frame, in huge pages: these are in one piece. */

FIXTURE(jumbo)
{
	struct wire w;
	struct guest g;
	int mtu;
	int peer_mtu;
};

FIXTURE_VARIANT(jumbo)
{
	struct guest_config cfg;
	bool in_place;		/* else copied to the buffer */
};

/* Each begins at another place in its page. */
FIXTURE_VARIANT_ADD(jumbo, huge)
{
	.cfg = {
		.features = BIT_V1 | BIT_MRG, .mem = GUEST_HUGE, .bufs = 64,
		.lane = 9600, .off = 128, .len = HDR + LONGEST(JUMBO),
	},
	.in_place = true,
};

/* Without mergeable buffers. */
FIXTURE_VARIANT_ADD(jumbo, plain)
{
	.cfg = {
		.features = BIT_V1, .mem = GUEST_HUGE, .bufs = 64,
		.lane = 9600, .off = 128, .len = HDR + LONGEST(JUMBO),
	},
	.in_place = true,
};

FIXTURE_VARIANT_ADD(jumbo, hdr_apart)
{
	.cfg = {
		.features = BIT_V1, .mem = GUEST_HUGE, .bufs = 64,
		.lane = 9600, .off = 128, .len = HDR + LONGEST(JUMBO),
		.hdr_apart = true,
	},
	.in_place = true,
};

/* The longest frame ends with a page, the next one is a guard. */
FIXTURE_VARIANT_ADD(jumbo, page_end)
{
	.cfg = {
		.features = BIT_V1 | BIT_MRG, .mem = GUEST_HUGE, .bufs = 64,
		.lane = 4 * GUEST_PAGE,
		.off = 3 * GUEST_PAGE - HDR - LONGEST(JUMBO),
		.len = HDR + LONGEST(JUMBO),
	},
	.in_place = true,
};

/* It begins with the last byte of one: it is in four. */
FIXTURE_VARIANT_ADD(jumbo, page_start)
{
	.cfg = {
		.features = BIT_V1 | BIT_MRG, .mem = GUEST_HUGE, .bufs = 64,
		.lane = 4 * GUEST_PAGE, .off = GUEST_PAGE - HDR - 1,
		.len = HDR + LONGEST(JUMBO),
	},
	.in_place = true,
};

FIXTURE_VARIANT_ADD(jumbo, scattered)
{
	.cfg = {
		.features = BIT_V1 | BIT_MRG, .mem = GUEST_SCATTERED,
		.bufs = 64, .lane = 9600, .off = 128,
		.len = HDR + LONGEST(JUMBO),
	},
};

/* What a guest posts that takes TSO but not mergeable buffers. */
FIXTURE_VARIANT_ADD(jumbo, pages)
{
	.cfg = {
		.features = BIT_V1, .lane = 18 * GUEST_PAGE, .off = GUEST_PAGE,
		.len = HDR + 17 * GUEST_PAGE, .piece = GUEST_PAGE,
		.hdr_apart = true, .num = 1024, .bufs = 48,
	},
};

FIXTURE_SETUP(jumbo)
{
	const char *missing = wire_missing();
	struct wire *w = &self->w;

	w->fd = -1;
	w->peer.fd = -1;
	if (missing)
		SKIP(return, "%s", missing);
	if (wire_is_tap())
		SKIP(return, "only with a NIC");
	if (variant->cfg.mem == GUEST_HUGE)
		want_huge_pages();
	if (guest_open(&self->g, &variant->cfg)) {
		if (variant->cfg.mem == GUEST_HUGE)
			SKIP(return, "no huge pages");
		ASSERT_TRUE(false);
	}
	ASSERT_EQ(0, open_as_found(w, &self->mtu, &self->peer_mtu));
}

FIXTURE_TEARDOWN(jumbo)
{
	guest_close(&self->g);
	restore(&self->w, self->mtu, self->peer_mtu);
}

/* Pages are mapped one by one there, and neighbours by chance only. */
static bool behind_iommu(struct wire *w)
{
	char path[128], type[16] = "";
	FILE *f;

	snprintf(path, sizeof(path),
		 "/sys/class/net/%s/device/iommu_group/type", w->dev);
	f = fopen(path, "r");
	if (!f)
		return false;
	if (!fgets(type, sizeof(type), f))
		type[0] = '\0';
	fclose(f);
	return !strncmp(type, "DMA", 3);
}

TEST_F_TIMEOUT(jumbo, received, CLOCK_TEST)
{
	long long zerocopy, bounced;
	struct wire *w = &self->w;
	struct guest *g = &self->g;
	bool by_chance = behind_iommu(w);

	ASSERT_EQ(0, bind_at(w, JUMBO));
	ASSERT_EQ(0, start_opened(w, g));
	/* Pages that are seen for the first time may not be pinned yet. */
	EXPECT_EQ(0, flow_repeat(w, g, 256, 200, 16));
	zerocopy = wire_count(w, "zerocopy");
	bounced = wire_count(w, "bounced");
	EXPECT_EQ(0, flow_run(w, g, 60, 91, 8));
	EXPECT_EQ(0, flow_run(w, g, 4060, 4107, 8));
	EXPECT_EQ(0, flow_run(w, g, 8156, 8203, 8));
	EXPECT_LE(0, run_mtu(w, g, JUMBO));
	EXPECT_EQ(0, run_too_long(w, g, JUMBO));
	zerocopy = wire_count(w, "zerocopy") - zerocopy;
	bounced = wire_count(w, "bounced") - bounced;
	if (by_chance) {
		EXPECT_LE(161, zerocopy + bounced);
	} else if (variant->in_place) {
		EXPECT_LE(161, zerocopy);
		EXPECT_GE(ROOM, bounced);
	} else {
		EXPECT_LE(161, bounced);
		EXPECT_GE(ROOM, zerocopy);
	}
	EXPECT_EQ(0, wire_count(w, "errors"));

	/* One byte lacks. */
	ASSERT_EQ(0, set_mtu(w, JUMBO + 1));
	ASSERT_EQ(0, flow_start(w, g));
	zerocopy = wire_count(w, "zerocopy");
	if (variant->cfg.len == HDR + LONGEST(JUMBO)) {
		EXPECT_EQ(0, flow_repeat(w, g, 16, JUMBO, 8));
		EXPECT_EQ(zerocopy, wire_count(w, "zerocopy"));
	}
	ASSERT_EQ(0, set_mtu(w, MTU));
	ASSERT_EQ(0, wait_zerocopy(w, g));
	/* Some of these do not cross a page. */
	EXPECT_LE(by_chance || variant->cfg.mem == GUEST_SCATTERED ? 0 : 32,
		  run_mtu(w, g, MTU));
	EXPECT_EQ(0, run_too_long(w, g, MTU));
}

/* Stopped and started amid long frames: each buffer comes back once. */
TEST_F_TIMEOUT(jumbo, stopped, CLOCK_TEST)
{
	struct wire *w = &self->w;
	struct guest *g = &self->g;
	int i;

	ASSERT_EQ(0, bind_at(w, JUMBO));
	ASSERT_EQ(0, start_opened(w, g));
	ASSERT_EQ(0, peer_flood(&w->peer, JUMBO + 14));
	for (i = 0; i < 4; i++) {
		EXPECT_EQ(0, flow_pump(w, g, 100));
		/* No frame of the flood is short enough for that. */
		ASSERT_EQ(0, set_mtu(w, MTU));
		ASSERT_EQ(0, flow_empty(w, g));
		ASSERT_EQ(0, guest_post_all(g));
		ASSERT_EQ(0, set_mtu(w, JUMBO));
	}
	EXPECT_EQ(0, flow_pump(w, g, 100));
	ASSERT_EQ(0, guest_stop(g));
	ASSERT_EQ(0, flow_empty(w, g));
	EXPECT_TRUE(guest_books_balance(g));
	peer_calm(&w->peer);
}

static void drop_cap(int cap)
{
	struct __user_cap_header_struct hdr = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	syscall(SYS_capget, &hdr, data);
	data[0].effective &= ~(1u << cap);
	data[0].permitted &= ~(1u << cap);
	syscall(SYS_capset, &hdr, data);
}

FIXTURE(limit)
{
	struct guest g;
	struct wire w;
};

FIXTURE_SETUP(limit)
{
	const char *missing = wire_missing();

	self->w.fd = -1;
	self->w.peer.fd = -1;
	if (missing)
		SKIP(return, "%s", missing);
	if (wire_is_tap())
		SKIP(return, "a tap pins nothing");
}

FIXTURE_TEARDOWN(limit)
{
	guest_close(&self->g);
	wire_close(&self->w);
}

/* Over the limit, frames still arrive: by way of a bounce page. */
TEST_F_TIMEOUT(limit, memlock, CLOCK_TEST)
{
	const struct guest_config cfg = {
		.features = BIT_V1 | BIT_MRG, .bufs = 128,
	};
	struct rlimit limit = { 16 * GUEST_PAGE, 16 * GUEST_PAGE };
	struct guest *g = &self->g;
	struct wire *w = &self->w;

	drop_cap(CAP_IPC_LOCK);
	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &limit));
	ASSERT_EQ(0, guest_open(g, &cfg));
	ASSERT_EQ(0, wire_open(w));
	ASSERT_EQ(0, guest_start(g, w->fd));
	ASSERT_EQ(0, guest_post_all(g));
	ASSERT_EQ(0, flow_start(w, g));
	EXPECT_EQ(0, flow_repeat(w, g, 512, 1400, 32));
	EXPECT_LT(0, wire_count(w, "bounce-pin"));
	EXPECT_GE(16, wire_count(w, "pinned-peak"));
}

/*
 * Memory that the NIC cannot reach: all of it, where the swiotlb is forced, and
 * that is a parameter of the kernel.
 */
TEST_F_TIMEOUT(limit, swiotlb, CLOCK_TEST)
{
	const struct guest_config cfg = {
		.features = BIT_V1 | BIT_MRG, .bufs = 128,
	};
	struct guest *g = &self->g;
	struct wire *w = &self->w;
	char line[1024] = "";
	long long before;
	FILE *f;

	f = fopen("/proc/cmdline", "re");
	if (f && !fgets(line, sizeof(line), f))
		*line = '\0';
	if (f)
		fclose(f);
	if (!strstr(line, "swiotlb=force"))
		SKIP(return, "the kernel was booted without swiotlb=force");
	ASSERT_EQ(0, guest_open(g, &cfg));
	ASSERT_EQ(0, wire_open(w));
	ASSERT_EQ(0, guest_start(g, w->fd));
	ASSERT_EQ(0, guest_post_all(g));
	ASSERT_EQ(0, flow_start(w, g));
	before = wire_count(w, "bounce-mask");
	ASSERT_EQ(0, flow_run(w, g, FRAME_MIN, FRAME_MAX, 32));
	EXPECT_LE(FRAME_MAX - FRAME_MIN + 1,
		  wire_count(w, "bounce-mask") - before);
	EXPECT_EQ(wire_count(w, "bounced"), wire_count(w, "bounce-mask"));
	EXPECT_EQ(0, wire_count(w, "zerocopy"));
}

TEST_HARNESS_MAIN
