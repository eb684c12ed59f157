// SPDX-License-Identifier: GPL-2.0
/* Transmit: frames of a guest onto the wire, by vhost-net. */

#include <limits.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>

#include "kselftest_harness.h"

#include "clock.h"
#include "flow.h"
#include "guest.h"
#include "say.h"
#include "segment.h"
#include "wire.h"

#define HDR_MAX	sizeof(struct virtio_net_hdr_mrg_rxbuf)

FIXTURE(tx)
{
	struct wire w;
	struct guest g;
	struct frame f;
	unsigned char buf[FRAME_BUF];
	unsigned char got[FRAME_BUF];
};

FIXTURE_VARIANT(tx)
{
	struct guest_config cfg;
	size_t piece;
	bool batched;		/* by vhost-net, as for QEMU */
};

FIXTURE_VARIANT_ADD(tx, mergeable)
{
	.cfg = { .features = BIT_V1 | BIT_MRG },
	.batched = true,
};

FIXTURE_VARIANT_ADD(tx, legacy)
{
	.cfg = { .features = 0, .hdr_apart = true },
};

FIXTURE_VARIANT_ADD(tx, indirect)
{
	.cfg = {
		.features = BIT_V1 | BIT_INDIRECT | BIT_EVENT,
		.hdr_apart = true,
	},
};

FIXTURE_VARIANT_ADD(tx, in_order)
{
	.cfg = { .features = BIT_V1 | BIT_IN_ORDER },
};

FIXTURE_VARIANT_ADD(tx, pieces)
{
	.cfg = { .features = BIT_V1 },
	.piece = 113,
};

FIXTURE_SETUP(tx)
{
	const char *missing = wire_missing();
	int sndbuf = INT_MAX;

	self->w.fd = -1;
	self->w.peer.fd = -1;
	if (missing)
		SKIP(return, "%s", missing);
	ASSERT_EQ(0, guest_open(&self->g, &variant->cfg));
	ASSERT_EQ(0, wire_open(&self->w));
	if (variant->batched)
		ASSERT_EQ(0, ioctl(self->w.fd, TUNSETSNDBUF, &sndbuf));
	ASSERT_EQ(0, guest_start(&self->g, self->w.fd));
	ASSERT_EQ(0, guest_post_all(&self->g));
	ASSERT_EQ(0, flow_start(&self->w, &self->g));
	ASSERT_EQ(0, flow_start_tx(&self->w, &self->g));
	peer_drain(&self->w.peer);
	memcpy(self->f.dst, self->w.peer.mac, 6);
	memcpy(self->f.src, self->w.mac, 6);
	self->f.stream = frame_stream();
}

FIXTURE_TEARDOWN(tx)
{
	guest_close(&self->g);
	wire_close(&self->w);
}

static int send_frame(struct guest *g, const struct frame *f, __u32 seq,
		      size_t len, size_t piece)
{
	unsigned char buf[FRAME_MAX + 4], hdr[HDR_MAX] = {};

	frame_build(f, buf, seq, len);
	return guest_send(g, hdr, buf, len, piece);
}

static int send_frames(struct guest *g, const struct frame *f, __u32 seq,
		       unsigned int n, size_t len, size_t step, size_t piece)
{
	int err = 0;

	for (; n && !err; n--, len += step)
		err = send_frame(g, f, seq++, len, piece);
	return err;
}

static bool expect_frames(struct wire *w, const struct frame *f, __u32 seq,
			  unsigned int n)
{
	for (; n; n--)
		if (!peer_expect(&w->peer, f, seq++, clock_patience()))
			return false;
	return true;
}

TEST_F_TIMEOUT(tx, sizes, CLOCK_TEST)
{
	__u32 n, seq = 0;
	size_t len;

	for (len = FRAME_MIN; len <= FRAME_MAX; len += n, seq += n) {
		n = FRAME_MAX - len + 1 < 16 ? FRAME_MAX - len + 1 : 16;
		ASSERT_EQ(0, send_frames(&self->g, &self->f, seq, n, len, 1,
					 variant->piece));
		ASSERT_TRUE(expect_frames(&self->w, &self->f, seq, n));
	}
	ASSERT_EQ(0, guest_sent(&self->g, clock_patience()));
	ASSERT_EQ(0, guest_stop(&self->g));
	EXPECT_EQ(vq_used_idx(&self->g.tx),
		  vhost_get_base(&self->g.vhost, GUEST_TX));
}

TEST_F_TIMEOUT(tx, tagged, CLOCK_TEST)
{
	self->f.vlan = 0x2064;
	ASSERT_EQ(0, send_frame(&self->g, &self->f, 0, 1400, variant->piece));
	EXPECT_TRUE(peer_expect(&self->w.peer, &self->f, 0,
				clock_patience()));
}

/* Both ways at once. */
TEST_F_TIMEOUT(tx, while_receiving, CLOCK_TEST)
{
	__u32 seq;

	ASSERT_EQ(0, peer_flood(&self->w.peer, 0));
	for (seq = 0; seq < 300; seq++) {
		ASSERT_EQ(0, send_frame(&self->g, &self->f, seq, 1000,
					variant->piece));
		ASSERT_EQ(0, flow_pump(&self->w, &self->g, 2));
		ASSERT_TRUE(peer_expect(&self->w.peer, &self->f, seq,
					clock_patience()));
	}
	peer_calm(&self->w.peer);
}

/* A stop leaves no frame behind: each is used, or fetched again. */
TEST_F_TIMEOUT(tx, stopped, CLOCK_TEST)
{
	struct guest *g = &self->g;
	__u32 round;

	for (round = 0; round < 10; round++) {
		ASSERT_EQ(0, send_frames(g, &self->f, 16 * round, 16, 1200, 0,
					 variant->piece));
		ASSERT_EQ(0, guest_stop(g));
		ASSERT_EQ(vq_used_idx(&g->tx),
			  vhost_get_base(&g->vhost, GUEST_TX));
		ASSERT_EQ(0, guest_start(g, self->w.fd));
		vhost_signal(g->tx_fds.kick);
		ASSERT_TRUE(expect_frames(&self->w, &self->f, 16 * round, 16));
		ASSERT_EQ(0, guest_sent(g, clock_patience()));
	}
}

static void fill_payload(unsigned char *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		p[i] = i * 7 + i / 251;
}

static struct segment to_peer(struct wire *w, bool tcp)
{
	struct segment s = { .tcp = tcp, .port = 4000, .seq = 1000000 };

	memcpy(s.dst, w->peer.mac, 6);
	memcpy(s.src, w->mac, 6);
	return s;
}

/* The NIC fills in the checksum. */
TEST_F_TIMEOUT(tx, checksum, CLOCK_TEST)
{
	struct virtio_net_hdr_mrg_rxbuf hdr = {
		.hdr.flags	= VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.hdr.csum_start	= SEGMENT_L4,
	};
	const unsigned char *payload;
	struct segment s;
	size_t len, size;
	bool partial;
	int i, n;
	__u32 seq;

	for (i = 0; i < 40; i++) {
		s = to_peer(&self->w, i % 2);
		size = 1 + i * 36;
		len = s.tcp ? SEGMENT_TCP : SEGMENT_UDP;
		hdr.hdr.csum_offset = s.tcp ? 16 : 6;
		fill_payload(self->buf + len, size);
		len = segment_build(&s, self->buf, size, true);
		ASSERT_EQ(0, guest_send(&self->g, &hdr, self->buf, len,
					variant->piece));
		do {
			n = peer_recv(&self->w.peer, self->got, FRAME_BUF,
				      clock_patience(), &partial);
			ASSERT_LT(0, n);
			n = segment_parse(&s, self->got, n, partial, &seq,
					  &payload);
		} while (n == -1);
		/* A NIC has to have filled it in by now. */
		EXPECT_FALSE(self->w.mp && partial);
		ASSERT_EQ(size, n);
		ASSERT_EQ(0, memcmp(payload, self->buf + (s.tcp ? SEGMENT_TCP :
							  SEGMENT_UDP), n));
	}
}

/* Collects a TCP stream that arrives in segments; how much of it came. */
static size_t collect(struct wire *w, const struct segment *s,
		      unsigned char *buf, unsigned char *to, size_t size,
		      int *longest)
{
	long long end = clock_ms() + clock_patience();
	const unsigned char *payload;
	size_t have = 0;
	bool partial;
	__u32 seq;
	int n;

	*longest = 0;
	while (have < size && clock_ms() < end) {
		n = peer_recv(&w->peer, buf, FRAME_BUF, 100, &partial);
		if (n <= 0)
			continue;
		n = segment_parse(s, buf, n, partial, &seq, &payload);
		if (n == -1)
			continue;
		if (n < 0 || seq - s->seq != have || have + n > size)
			return 0;
		memcpy(to + have, payload, n);
		have += n;
		if (n > *longest)
			*longest = n;
	}
	return have;
}

TEST_F_TIMEOUT(tx, segmentation, CLOCK_TEST)
{
	static const size_t sizes[] = { 1449, 2896, 8000, 30000, 60000 };
	struct virtio_net_hdr_mrg_rxbuf hdr = {
		.hdr.flags		= VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.hdr.gso_type		= VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr.hdr_len		= SEGMENT_TCP,
		.hdr.gso_size		= 1448,
		.hdr.csum_start		= SEGMENT_L4,
		.hdr.csum_offset	= 16,
	};
	struct segment s = to_peer(&self->w, true);
	static unsigned char stream[FRAME_BUF];
	unsigned int i;
	int longest;
	size_t len;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		fill_payload(self->buf + SEGMENT_TCP, sizes[i]);
		len = segment_build(&s, self->buf, sizes[i], true);
		ASSERT_EQ(0, guest_send(&self->g, &hdr, self->buf, len,
					variant->piece ? 4096 : 0));
		ASSERT_EQ(sizes[i], collect(&self->w, &s, self->got, stream,
					    sizes[i], &longest));
		ASSERT_EQ(0, memcmp(stream, self->buf + SEGMENT_TCP,
				    sizes[i]));
		if (self->w.mp)
			EXPECT_EQ(1448, longest);
	}
	ASSERT_EQ(0, guest_sent(&self->g, clock_patience()));
}

/*
 * Waits for frame 1 of @f, before which nothing may come that begins like
 * @bad.  0, 1 when it did not come, -1 when @bad did.
 */
static int expect_alone(struct wire *w, const struct frame *f, const void *bad)
{
	long long end = clock_ms() + 300;
	static unsigned char got[FRAME_BUF];
	__u32 seq;
	int len;

	while (clock_ms() < end) {
		len = peer_recv(&w->peer, got, sizeof(got), 50, NULL);
		if (len <= 0)
			continue;
		if (frame_check(f, got, len, &seq) == FRAME_OK && seq == 1)
			return 0;
		if (bad && !memcmp(got, bad, 12)) {
			say("a bad frame of %d bytes was sent", len);
			return -1;
		}
	}
	return 1;
}

/*
 * Sends what may be refused, and a good frame after it.  vhost-net does not
 * get past some of them: then a new guest's frame must come.
 */
static int send_wrong(struct wire *w, struct guest *g, struct frame *f,
		      const void *hdr, const void *buf, size_t len,
		      const void *bad)
{
	f->stream += 2;
	if (guest_send(g, hdr, buf, len, 0))
		return -1;
	vhost_signal(g->tx_fds.kick);
	if (send_frame(g, f, 1, 1000, 0))
		return -1;
	vhost_signal(g->tx_fds.kick);
	return expect_alone(w, f, bad);
}

static int start_anew(struct wire *w, struct guest *g, struct frame *f)
{
	struct guest_config cfg = g->cfg;

	f->stream += 2;
	guest_close(g);
	if (guest_open(g, &cfg) || guest_start(g, w->fd) ||
	    guest_post_all(g) || send_frame(g, f, 1, 1000, 0))
		return -1;
	return peer_expect(&w->peer, f, 1, clock_patience()) ? 0 : -1;
}

TEST_F_TIMEOUT(tx, wrong_header, CLOCK_TEST)
{
	const struct virtio_net_hdr_mrg_rxbuf bad[] = {
		{ .hdr.gso_type = 0x7f },
		{ .hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4 },
		{ .hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
		  .hdr.gso_size = 1, .hdr.hdr_len = 0xffff },
		{ .hdr.gso_type = VIRTIO_NET_HDR_GSO_UDP_L4,
		  .hdr.gso_size = 100 },
		{ .hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		  .hdr.csum_start = 0xfff0, .hdr.csum_offset = 0xfff0 },
		{ .hdr.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		  .hdr.csum_start = 190, .hdr.csum_offset = 20 },
		{ .hdr.flags = 0xff, .hdr.gso_type = 0xff,
		  .hdr.hdr_len = 0xffff, .hdr.gso_size = 0xffff,
		  .hdr.csum_start = 0xffff, .hdr.csum_offset = 0xffff },
	};
	struct guest *g = &self->g;
	struct wire *w = &self->w;
	long long drops;
	unsigned int i;
	int ret;

	frame_build(&self->f, self->buf, 77, 200);
	/* Nobody's, that is how it is told. */
	self->buf[6] ^= 2;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		drops = wire_count(w, "dropped");
		ret = send_wrong(w, g, &self->f, &bad[i], self->buf, 200,
				 self->buf);
		/* Refused by the one or by the other. */
		if (!ret && w->mp)
			EXPECT_EQ(drops + 1, wire_count(w, "dropped"));
		if (ret > 0)
			ret = start_anew(w, g, &self->f);
		ASSERT_EQ(0, ret) {
			TH_LOG("header %u", i);
		}
	}
}

/* Too short for an Ethernet header, or what the NIC may do with as it likes. */
TEST_F_TIMEOUT(tx, wrong_length, CLOCK_TEST)
{
	static const size_t lens[] = { 0, 1, 13, 14, 20, 1519, 3000, 65000 };
	const struct virtio_net_hdr_mrg_rxbuf hdr = {};
	struct guest *g = &self->g;
	struct wire *w = &self->w;
	long long drops;
	unsigned int i;
	int ret;

	memset(self->buf, 0xff, sizeof(self->buf));
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		drops = wire_count(w, "dropped");
		ret = send_wrong(w, g, &self->f, &hdr, self->buf, lens[i],
				 lens[i] < 14 ? self->buf : NULL);
		if (!ret && w->mp && lens[i] && lens[i] < 14)
			EXPECT_EQ(drops + 1, wire_count(w, "dropped"));
		if (ret > 0)
			ret = start_anew(w, g, &self->f);
		ASSERT_EQ(0, ret) {
			TH_LOG("%zu bytes", lens[i]);
		}
	}
}

TEST_HARNESS_MAIN
