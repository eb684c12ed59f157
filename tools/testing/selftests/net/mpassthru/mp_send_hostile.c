// SPDX-License-Identifier: GPL-2.0
/*
 * Transmit, with headers and chains that no sane guest makes.  Each is dropped
 * or sent as something sane, nothing leaves that is not in the chain, and the
 * NIC goes on with what comes after it.
 */

#include <pthread.h>
#include <sys/mman.h>

#include "kselftest_harness.h"

#include "clock.h"
#include "flow.h"
#include "nic.h"
#include "say.h"
#include "sender.h"

#define PAYLOAD	3000		/* bytes, of what is malformed */
#define HEADERS	80		/* bytes more that a header may claim */
#define LONGEST	(FRAME_MAX + 8)	/* with the tags that a guest may put in */

FIXTURE(hostile)
{
	struct sender a;
	struct virtio_net_hdr_mrg_rxbuf hdr;
	unsigned char buf[FRAME_BUF];
	size_t len;
};

static int set_peer_mtu(struct sender *a, int mtu)
{
	struct peer *p = &a->w.peer;

	/* Its link goes down and comes up. */
	return send_wait(&a->s, clock_patience()) ?:
	       nic_set_mtu(p->fd, p->dev, mtu) ?:
	       nic_wait_running(p->fd, p->dev) ?:
	       flow_start_tx(&a->w, &a->g) ?:
	       guest_sent(&a->g, clock_patience());
}

FIXTURE_SETUP(hostile)
{
	const struct guest_config cfg = {
		.features = BIT_V1 | BIT_MRG | BIT_INDIRECT,
	};
	const char *missing = sender_open(&self->a, &cfg, 32);

	if (missing && *missing)
		SKIP(return, "%s", missing);
	ASSERT_EQ(NULL, missing);
}

FIXTURE_TEARDOWN(hostile)
{
	struct peer *p = &self->a.w.peer;

	if (p->fd >= 0)
		nic_set_mtu(p->fd, p->dev, 1500);
	sender_close(&self->a);
}

/* Does @got, from its byte @data on, continue anything in @sent? */
static bool is_part(const unsigned char *sent, size_t len, size_t data,
		    const unsigned char *got, size_t n)
{
	size_t at, i, bad;

	for (at = 0; at < len; at++) {
		/* Two bytes may be a checksum. */
		for (i = data, bad = 0; i < n && bad <= 2; i++)
			bad += got[i] != (at + i - data < len ?
					  sent[at + i - data] : 0);
		if (bad <= 2)
			return true;
	}
	return n <= data;
}

static bool has_guard(const unsigned char *got, size_t n)
{
	static const unsigned char guard[4] = {
		SEND_GUARD, SEND_GUARD, SEND_GUARD, SEND_GUARD,
	};

	return memmem(got, n, guard, sizeof(guard));
}

/*
 * Sends an ordinary frame and waits for it.  What comes before it is made of
 * the @len bytes of @sent, if anything, with no header beyond @data.
 */
static int good_follows(struct sender *a, const unsigned char *sent,
			size_t len, size_t data, size_t *longest)
{
	long long end = clock_ms() + clock_patience();
	unsigned char got[FRAME_BUF];
	__u32 seq, want = a->seq++;
	int n;

	a->o.f.vlan = 0;
	if (send_frame(&a->s, &a->o.f, want, 1000, 2))
		return -1;
	while (clock_ms() < end) {
		n = peer_recv(&a->w.peer, got, sizeof(got), 100, NULL);
		if (n < 14)
			continue;
		if (frame_check(&a->o.f, got, n, &seq) == FRAME_OK) {
			if (seq == want)
				return 0;
			continue;
		}
		if (memcmp(got, sent, 12))
			continue;
		if (longest && n > *longest)
			*longest = n;
		if (!has_guard(got, n) && is_part(sent, len, data, got, n))
			continue;
		say("%d bytes were sent that were not in the chain", n);
		return -1;
	}
	say("no ordinary frame gets through");
	wire_explain(&a->w);
	return -1;
}

/* Ordinary traffic, with whatever the NIC can do; and the books. */
static int goes_on(struct sender *a)
{
	unsigned int i;

	a->p = (struct packet) {
		.tcp = true, .port = 4000, .pos = a->p.pos,
	};
	memcpy(a->p.dst, a->w.peer.mac, 6);
	memcpy(a->p.src, a->w.mac, 6);
	for (i = 0; i < 16; i++) {
		a->p.v6 = i % 2;
		if (sender_frame(a, 60 + 90 * i, 1 + i % 3) ||
		    sender_packet(a, 1000, 0, 2) ||
		    sender_packet(a, 10000, 1400, 4))
			return -1;
	}
	return order_met(&a->o) ?: send_wait(&a->s, clock_patience());
}

/* The frame that everything is wrong with in turn. */
static size_t build(struct sender *a, unsigned char *buf,
		    struct virtio_net_hdr *hdr, bool cut)
{
	/* There is no such sender, by which it is told from others. */
	a->p.src[0] = 2;
	a->p.port = 5000;
	packet_describe(&a->p, cut ? 1400 : 0, hdr);
	return packet_build(&a->p, buf, cut ? PAYLOAD : 800, true);
}

static int try(struct sender *a, const void *hdr, const unsigned char *buf,
	       size_t len)
{
	if (send_bytes(&a->s, hdr, buf, len, 1 + a->seq % 5))
		return -1;
	return good_follows(a, buf, len, packet_data(&a->p) + HEADERS, NULL);
}

TEST_F_TIMEOUT(hostile, checksum, CLOCK_TEST)
{
	static const int offsets[] = { 0, 6, 16, -1, -2, 65534, 65535 };
	struct virtio_net_hdr *hdr = &self->hdr.hdr;
	struct sender *a = &self->a;
	unsigned int i, n, kind;
	size_t len, l4;
	int at;

	for (kind = 0; kind < 4; kind++) {
		a->p.tcp = kind % 2;
		a->p.v6 = kind / 2;
		len = build(a, self->buf, hdr, false);
		l4 = packet_l4(&a->p);
		const int starts[] = {
			0, 13, 14, 33, l4 - 1, l4 + 1, len - 2, len - 1, len,
			len + 1, 32768, 65534, 65535,
		};

		for (i = 0; i < ARRAY_SIZE(starts); i++) {
			for (n = 0; n < ARRAY_SIZE(offsets); n++) {
				at = offsets[n];
				hdr->csum_start = starts[i];
				hdr->csum_offset = at < 0 ?
						   len - starts[i] + at : at;
				ASSERT_EQ(0, try(a, hdr, self->buf, len)) {
					TH_LOG("start %u, offset %u of %zu",
					       hdr->csum_start,
					       hdr->csum_offset, len);
				}
			}
		}
	}
	ASSERT_EQ(0, goes_on(a));
}

TEST_F_TIMEOUT(hostile, gso, CLOCK_TEST)
{
	static const __u8 types[] = {
		1, 2, 3, 4, 5, 6, 0x7f, 0x80, 0x81, 0x84, 0x85, 0xff,
	};
	static const __u16 values[] = { 0, 1, 7, 65535, 1400 };
	struct virtio_net_hdr *hdr = &self->hdr.hdr;
	struct sender *a = &self->a;
	unsigned int type, size, hlen, kind;
	size_t len;

	for (kind = 0; kind < 4; kind++) {
		a->p.tcp = kind % 2;
		a->p.v6 = kind / 2;
		len = build(a, self->buf, hdr, true);
		for (type = 0; type < ARRAY_SIZE(types); type++) {
			for (size = 0; size < ARRAY_SIZE(values); size++) {
				hlen = (type + size) % ARRAY_SIZE(values);
				hdr->flags = (type + size + kind) % 3 != 0;
				hdr->gso_type = types[type];
				hdr->gso_size = values[size];
				hdr->hdr_len = values[hlen];
				ASSERT_EQ(0, try(a, hdr, self->buf, len)) {
					TH_LOG("flags %u, type %u, %u, %u",
					       hdr->flags, hdr->gso_type,
					       hdr->gso_size, hdr->hdr_len);
				}
			}
		}
	}
	ASSERT_EQ(0, goes_on(a));
}

/* The virtio-net header is right, the packet's headers are not. */
TEST_F_TIMEOUT(hostile, packets, CLOCK_TEST)
{
	struct virtio_net_hdr *hdr = &self->hdr.hdr;
	struct sender *a = &self->a;
	unsigned int i, kind, byte;
	size_t len, l3, l4;

	for (kind = 0; kind < 8; kind++) {
		a->p.tcp = kind & 1;
		a->p.v6 = kind & 2;
		len = build(a, self->buf, hdr, kind & 4);
		l3 = packet_l3(&a->p);
		l4 = packet_l4(&a->p);
		/* Ethernet's type; IP's version, length, protocol; TCP's */
		const unsigned int bytes[] = {
			12, 13, l3, l3 + 2, l3 + 3, l3 + 4, l3 + 6, l3 + 9,
			l4 + 4, l4 + 12,
		};
		static const __u8 values[] = {
			0, 1, 0x10, 0x40, 0x4f, 0x60, 0x81, 0x88, 0xf0, 0xff,
		};

		for (byte = 0; byte < ARRAY_SIZE(bytes); byte++) {
			for (i = 0; i < ARRAY_SIZE(values); i++) {
				unsigned char old = self->buf[bytes[byte]];

				self->buf[bytes[byte]] = values[i];
				ASSERT_EQ(0, try(a, hdr, self->buf, len)) {
					TH_LOG("packet %u, byte %u is %02x",
					       kind, bytes[byte], values[i]);
				}
				self->buf[bytes[byte]] = old;
			}
		}
	}
	ASSERT_EQ(0, goes_on(a));
}

/* Tags and options: as many as fit, and more than the headers have. */
TEST_F_TIMEOUT(hostile, long_headers, CLOCK_TEST)
{
	static const unsigned int opts[] = { 8, 40, 200, 248, 504, 1000, 2000 };
	struct virtio_net_hdr *hdr = &self->hdr.hdr;
	struct sender *a = &self->a;
	unsigned int i, kind;
	size_t len;

	for (kind = 0; kind < 16; kind++) {
		a->p.tcp = kind & 1;
		a->p.v6 = kind & 2;
		a->p.vlan = kind & 4 ? 0x2064 : 0;
		a->p.inner = kind & 4 ? 0x65 : 0;
		for (i = 0; i < ARRAY_SIZE(opts); i++) {
			if (!a->p.v6 && opts[i] > 40)
				continue;
			a->p.opts = opts[i];
			len = build(a, self->buf, hdr, kind & 8);
			ASSERT_EQ(0, try(a, hdr, self->buf, len)) {
				TH_LOG("packet %u, %u bytes of options",
				       kind, opts[i]);
			}
		}
	}
	ASSERT_EQ(0, goes_on(a));
}

/* The longest frame on the wire that comes of it; or -1. */
static int longest_of(struct sender *a, const void *hdr,
		      const unsigned char *buf, size_t len)
{
	size_t longest = 0;

	if (send_bytes(&a->s, hdr, buf, len, 3) ||
	    good_follows(a, buf, len, packet_data(&a->p) + HEADERS, &longest))
		return -1;
	return longest;
}

/* No frame on the wire is longer than the MTU allows. */
TEST_F_TIMEOUT(hostile, too_long, CLOCK_TEST)
{
	static const unsigned int msss[] = { 1469, 1600, 2500, 9000, 30000 };
	static const size_t lens[] = { 1523, 2000, 8000, 20000, 64000 };
	struct virtio_net_hdr *hdr = &self->hdr.hdr;
	struct sender *a = &self->a;
	unsigned int i;
	int got, mtu = nic_get_mtu(a->w.sock, a->w.dev);
	size_t len;

	/* That they can be seen. */
	ASSERT_EQ(0, set_peer_mtu(a, 9000));
	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		build(a, self->buf, hdr, false);
		len = packet_build(&a->p, self->buf,
				   lens[i] - packet_data(&a->p), true);
		got = longest_of(a, hdr, self->buf, len);
		ASSERT_LE(0, got);
		EXPECT_GE(LONGEST, got) {
			TH_LOG("a frame of %zu bytes", len);
		}
	}
	a->p.tcp = true;
	for (i = 0; i < ARRAY_SIZE(msss); i++) {
		a->p.v6 = i % 2;
		build(a, self->buf, hdr, true);
		hdr->gso_size = msss[i];
		len = packet_build(&a->p, self->buf, 60000, true);
		got = longest_of(a, hdr, self->buf, len);
		ASSERT_LE(0, got);
		EXPECT_GE(LONGEST, got) {
			TH_LOG("an MSS of %u", msss[i]);
		}
	}
	ASSERT_EQ(0, set_peer_mtu(a, mtu));
	ASSERT_EQ(0, goes_on(a));
}

/* Nobody knows what is in them, but they come back. */
TEST_F_TIMEOUT(hostile, random_headers, CLOCK_TEST)
{
	struct virtio_net_hdr *hdr = &self->hdr.hdr;
	struct sender *a = &self->a;
	unsigned char *p = (void *)hdr;
	unsigned int i, n, x = 1;
	size_t len;

	for (i = 0; i < 300; i++) {
		a->p.tcp = i & 1;
		a->p.v6 = i & 2;
		len = build(a, self->buf, hdr, i & 4);
		for (n = 0; n < 3; n++) {
			x = x * 1103515245 + 12345;
			p[(x >> 8) % sizeof(*hdr)] = x >> 24;
			x = x * 1103515245 + 12345;
			self->buf[12 + (x >> 8) % 60] = x >> 24;
		}
		ASSERT_EQ(0, try(a, hdr, self->buf, len)) {
			TH_LOG("number %u", i);
		}
	}
	ASSERT_EQ(0, goes_on(a));
}

/* Chains */

static bool error_seen(struct guest *g)
{
	return vhost_signalled(g->tx_fds.err);
}

/*
 * vhost-net does not get past a chain that is not one of transmit: then it says
 * so, and the next guest's frames get through.  Everything else comes back.
 */
static int back_or_refused(struct sender *a)
{
	long long end = clock_ms() + clock_patience();

	while (send_out(&a->s) && clock_ms() < end) {
		if (send_take(&a->s))
			return -1;
		if (error_seen(&a->g))
			return sender_restart(a) ?: goes_on(a);
		usleep(1000);
	}
	if (!send_out(&a->s))
		return goes_on(a);
	say("it neither came back nor was refused");
	return -1;
}

static int nothing_sent(struct sender *a, const void *bytes)
{
	unsigned char got[FRAME_BUF];
	int n;

	while ((n = peer_recv(&a->w.peer, got, sizeof(got), 50, NULL)) > 0) {
		if (!memcmp(got, bytes, 6) || has_guard(got, n)) {
			say("%d bytes were sent", n);
			return -1;
		}
	}
	return 0;
}

TEST_F_TIMEOUT(hostile, short_chains, CLOCK_TEST)
{
	struct sender *a = &self->a;
	const int hdr = a->g.hdr_len;
	const int lens[] = { 0, 1, 9, hdr - 1, hdr, hdr + 1, hdr + 13 };
	struct vq_sg sg = { .readable = true };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(lens); i++) {
		sg.addr = send_addr(&a->s) + GUEST_PAGE - lens[i];
		sg.len = lens[i];
		memset(guest_mem(&a->g, send_addr(&a->s)), SEND_GUARD,
		       2 * GUEST_PAGE);
		memset(guest_mem(&a->g, sg.addr), 0, sg.len);
		if (sg.len > hdr)
			memset(guest_mem(&a->g, sg.addr + hdr), 0x66,
			       sg.len - hdr);
		ASSERT_EQ(0, send_chain(&a->s, &sg, 1));
		ASSERT_EQ(0, nothing_sent(a, "ffffff")) {
			TH_LOG("%u bytes", sg.len);
		}
		ASSERT_EQ(0, back_or_refused(a)) {
			TH_LOG("%u bytes", sg.len);
		}
	}
}

/* From the shortest frame on, what is padded is padded with zeroes. */
TEST_F_TIMEOUT(hostile, padded, CLOCK_TEST)
{
	struct sender *a = &self->a;
	struct virtio_net_hdr_mrg_rxbuf hdr = {};
	size_t len;

	build(a, self->buf, &self->hdr.hdr, false);
	self->buf[12] = 0x88;
	self->buf[13] = 0xb6;
	for (len = 14; len <= 64; len++) {
		ASSERT_EQ(0, send_bytes(&a->s, &hdr, self->buf, len, 1));
		ASSERT_EQ(0, good_follows(a, self->buf, len, 0, NULL)) {
			TH_LOG("%zu bytes", len);
		}
	}
	ASSERT_EQ(0, goes_on(a));
}

TEST_F_TIMEOUT(hostile, writable_part, CLOCK_TEST)
{
	struct sender *a = &self->a;
	struct vq_sg sg[3];
	unsigned int i;

	for (i = 0; i < 3; i++) {
		sg[0].addr = send_addr(&a->s);
		sg[0].len = 100;
		sg[1].addr = sg[0].addr + 1000;
		sg[1].len = 100;
		sg[2].addr = sg[0].addr + 2000;
		sg[2].len = 100;
		sg[0].readable = i != 0;
		sg[1].readable = i != 1;
		sg[2].readable = i != 2;
		memset(guest_mem(&a->g, sg[0].addr), 0x66, 2100);
		ASSERT_EQ(0, send_chain(&a->s, sg, 3));
		ASSERT_EQ(0, nothing_sent(a, "ffffff"));
		ASSERT_EQ(0, back_or_refused(a));
	}
}

TEST_F_TIMEOUT(hostile, out_of_memory_table, CLOCK_TEST)
{
	struct sender *a = &self->a;
	const struct vq_sg bad[] = {
		{ 0, 1000, true }, { 0x1000, 1000, true },
		{ ~0ULL - 0xfff, 1000, true }, { ~0ULL, 1, true },
		{ ~0ULL - 0xff, 1000, true },
		{ GUEST_BASE + a->g.size - 500, 1000, true },
		{ GUEST_BASE + a->g.size - 500, 0x7fffffff, true },
		{ GUEST_BASE + a->g.room, ~0U, true },
	};
	struct vq_sg sg[2] = { { .len = 200, .readable = true } };
	unsigned int i;

	/* A table would be as good. */
	a->g.cfg.features &= ~BIT_INDIRECT;
	a->o.f.vlan = 0;
	for (i = 0; i < 2 * ARRAY_SIZE(bad); i++) {
		/* They are fetched together. */
		a->s.hold = true;
		ASSERT_EQ(0, sender_frame(a, 1000, 1));
		ASSERT_EQ(0, sender_frame(a, 1000, 1));
		sg[0].addr = send_addr(&a->s);
		memset(guest_mem(&a->g, sg[0].addr), 0, a->g.hdr_len);
		memset(guest_mem(&a->g, sg[0].addr) + a->g.hdr_len, 0x66, 200);
		sg[1] = bad[i / 2];
		/* By itself as well. */
		ASSERT_EQ(0, send_chain(&a->s, sg + i % 2, 2 - i % 2));
		ASSERT_EQ(0, send_kick(&a->s));
		ASSERT_EQ(0, order_met(&a->o));
		ASSERT_EQ(0, nothing_sent(a, "ffffff"));
		ASSERT_EQ(0, back_or_refused(a)) {
			TH_LOG("number %u", i);
		}
	}
}

#define HIGH	0x100000000ULL	/* where the other region begins */

/* Memory at HIGH that is nowhere: a chain claims what it wants of it. */
static int map_high(struct guest *g, void *high)
{
	struct vhost_area area[2] = {
		{ .addr = GUEST_BASE, .mem = g->mem, .size = g->size },
		{ .addr = HIGH, .mem = high, .size = HIGH },
	};

	return vhost_set_mem(&g->vhost, area, 2);
}

/*
 * A run of vhost's worker ends when it has sent so many bytes: summed up as an
 * int these are none, or less than none.
 */
TEST_F_TIMEOUT(hostile, gigabytes, CLOCK_TEST)
{
	static const struct {
		__u32		len;	/* bytes of a descriptor */
		unsigned int	n;
	} claims[] = {
		{ 0x7fffffff, 1 }, { 0x80000000, 1 }, { 0x80000000, 2 },
		{ 0xffffffff, 1 }, { 0xfffff000, 3 }, { 0x40000000, 900 },
		{ 0x80000, 1 }, { 0x100000, 1000 },
	};
	struct sender *a = &self->a;
	struct vq_sg sg[SEND_SEGS];
	void *high = MAP_FAILED;
	unsigned int i, n;

	if (sizeof(long) > 4)
		high = mmap(NULL, HIGH, PROT_NONE, MAP_PRIVATE |
			    MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (high == MAP_FAILED)
		SKIP(return, "no room for 4 GB of addresses");
	ASSERT_EQ(0, map_high(&a->g, high));
	for (i = 0; i < ARRAY_SIZE(claims); i++) {
		sg[0].addr = send_addr(&a->s);
		sg[0].len = a->g.hdr_len;
		sg[0].readable = true;
		memset(guest_mem(&a->g, sg[0].addr), 0, sg[0].len);
		for (n = 1; n <= claims[i].n; n++)
			sg[n] = (struct vq_sg) { HIGH, claims[i].len, true };
		ASSERT_EQ(0, send_chain(&a->s, sg, n));
		/* None is refused: that would end it as well. */
		ASSERT_EQ(0, send_wait(&a->s, clock_patience())) {
			TH_LOG("%u times %#x bytes", claims[i].n,
			       claims[i].len);
		}
		ASSERT_EQ(0, goes_on(a));
	}

	/* Several that are fetched together, each of one descriptor. */
	a->g.cfg.features &= ~BIT_INDIRECT;
	for (i = 0; i < ARRAY_SIZE(claims); i++) {
		sg[0] = (struct vq_sg) { HIGH, claims[i].len, true };
		a->s.hold = true;
		for (n = 0; n < 8; n++)
			ASSERT_EQ(0, send_chain(&a->s, sg, 1));
		ASSERT_EQ(0, send_kick(&a->s));
		ASSERT_EQ(0, send_wait(&a->s, clock_patience())) {
			TH_LOG("%#x bytes, 8 times", claims[i].len);
		}
		ASSERT_EQ(0, goes_on(a));
	}
	munmap(high, HIGH);
}

/* @segs segments of 1 byte: the whole ring of them, or a table. */
static int send_crumbs(struct sender *a, unsigned int segs)
{
	struct virtio_net_hdr_mrg_rxbuf hdr = {};
	struct vq_sg sg[SEND_SEGS];
	unsigned char buf[FRAME_MAX];
	unsigned int i;
	size_t len = segs - a->g.hdr_len;

	frame_build(&a->o.f, buf, a->seq, len);
	order_frame(&a->o, a->seq++, len);
	for (i = 0; i < segs; i++) {
		/* Three bytes of guard between them. */
		sg[i] = (struct vq_sg) {
			.addr = send_addr(&a->s) + 1 + 4 * i, .len = 1,
			.readable = true,
		};
		memset(guest_mem(&a->g, sg[i].addr), SEND_GUARD, 4);
		*(unsigned char *)guest_mem(&a->g, sg[i].addr) =
			i < a->g.hdr_len ? ((unsigned char *)&hdr)[i] :
					   buf[i - a->g.hdr_len];
	}
	return send_chain(&a->s, sg, segs);
}

TEST_F_TIMEOUT(hostile, crumbs, CLOCK_TEST)
{
	struct sender *a = &self->a;
	unsigned int i;

	a->o.f.vlan = 0;
	for (i = 0; i < 20; i++)
		ASSERT_EQ(0, send_crumbs(a, 1000));
	ASSERT_EQ(0, order_met(&a->o));
	ASSERT_EQ(0, goes_on(a));

	a->g.cfg.features &= ~BIT_INDIRECT;
	ASSERT_EQ(0, sender_restart(a));
	a->o.f.vlan = 0;
	for (i = 0; i < 20; i++)
		ASSERT_EQ(0, send_crumbs(a, a->g.cfg.num));
	ASSERT_EQ(0, order_met(&a->o));
	ASSERT_EQ(0, goes_on(a));
}

/* One page a thousand times over, in chains of many segments each. */
TEST_F_TIMEOUT(hostile, same_page, CLOCK_TEST)
{
	struct virtio_net_hdr_mrg_rxbuf hdr = {};
	struct sender *a = &self->a;
	__u64 addr = send_addr(&a->s);
	struct vq_sg sg[30];
	unsigned int i, n;

	/* The frame is in the page once. */
	memcpy(guest_mem(&a->g, addr), &hdr, a->g.hdr_len);
	frame_build(&a->o.f, guest_mem(&a->g, addr + a->g.hdr_len), a->seq,
		    1400);
	for (i = 0; i < 30; i++) {
		sg[i].addr = addr;
		sg[i].len = i < 29 ? 47 : a->g.hdr_len + 1400 - 29 * 47;
		sg[i].readable = true;
		addr += sg[i].len;
	}
	for (n = 0; n < 1000; n++) {
		order_frame(&a->o, a->seq, 1400);
		ASSERT_EQ(0, send_chain(&a->s, sg, 30));
		if (n % 100 == 99)
			ASSERT_EQ(0, order_met(&a->o));
	}
	ASSERT_EQ(0, send_wait(&a->s, clock_patience()));
	a->seq++;
	ASSERT_EQ(0, goes_on(a));
}

/* Memory */

/* Pages 1 and 2 of a chain of three, of a packet of 3000 bytes, go away. */
static int send_going(struct sender *a, unsigned char *buf,
		      struct virtio_net_hdr *hdr, unsigned char **page)
{
	struct vq_sg sg = { .readable = true };

	a->p.tcp = true;
	sg.len = a->g.hdr_len + build(a, buf, hdr, true);
	sg.addr = (send_addr(&a->s) + GUEST_PAGE) & ~(GUEST_PAGE - 1);
	*page = guest_mem(&a->g, sg.addr);
	sg.addr -= 200;
	memcpy(guest_mem(&a->g, sg.addr), hdr, sizeof(*hdr));
	memset(guest_mem(&a->g, sg.addr + sizeof(*hdr)), 0,
	       a->g.hdr_len - sizeof(*hdr));
	memcpy(guest_mem(&a->g, sg.addr + a->g.hdr_len), buf,
	       sg.len - a->g.hdr_len);
	return send_chain(&a->s, &sg, 1);
}

static int map_again(unsigned char *page)
{
	return mmap(page, GUEST_PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != page;
}

/* Before it is made available, or at any time after. */
TEST_F_TIMEOUT(hostile, unmapped, CLOCK_TEST)
{
	struct virtio_net_hdr *hdr = &self->hdr.hdr;
	struct sender *a = &self->a;
	unsigned char *page;
	unsigned int i;

	for (i = 0; i < 40; i++) {
		ASSERT_EQ(0, send_going(a, self->buf, hdr, &page));
		usleep(i * 20);
		switch (i % 4) {
		case 0:
			ASSERT_EQ(0, munmap(page, GUEST_PAGE));
			break;
		case 1:
			ASSERT_EQ(0, mprotect(page, GUEST_PAGE, PROT_NONE));
			break;
		case 2:
			ASSERT_EQ(0, madvise(page, GUEST_PAGE, MADV_DONTNEED));
			break;
		case 3:
			ASSERT_EQ(0, map_again(page));
			break;
		}
		ASSERT_EQ(0, send_wait(&a->s, clock_patience()));
		ASSERT_EQ(0, map_again(page));
	}
	/* Nothing is there from the beginning. */
	page = guest_mem(&a->g, (send_addr(&a->s) + GUEST_PAGE) &
				~(GUEST_PAGE - 1));
	struct vq_sg sg = {
		.addr = GUEST_BASE + (page - a->g.mem) - 300, .len = 1000,
		.readable = true,
	};
	memset(page - 300, 0, a->g.hdr_len);
	memset(page - 300 + a->g.hdr_len, 0x66, 300 - a->g.hdr_len);
	ASSERT_EQ(0, munmap(page, GUEST_PAGE));
	ASSERT_EQ(0, send_chain(&a->s, &sg, 1));
	ASSERT_EQ(0, nothing_sent(a, "ffffff"));
	ASSERT_EQ(0, send_wait(&a->s, clock_patience()));
	ASSERT_EQ(0, map_again(page));
	peer_drain(&a->w.peer);
	ASSERT_EQ(0, goes_on(a));
}

struct writer {
	unsigned char	*at;
	size_t		len;
	bool		stop;
	pthread_t	thread;
};

/* Header and packet, over and over. */
static void *write_on(void *arg)
{
	struct writer *w = arg;
	unsigned int x = 1;

	while (!__atomic_load_n(&w->stop, __ATOMIC_RELAXED)) {
		x = x * 1103515245 + 12345;
		__atomic_store_n(&w->at[(x >> 8) % w->len], x >> 24 & 0x3f,
				 __ATOMIC_RELAXED);
	}
	return NULL;
}

/* What is looked at is looked at once. */
TEST_F_TIMEOUT(hostile, written_to, CLOCK_TEST)
{
	struct virtio_net_hdr *hdr = &self->hdr.hdr;
	struct sender *a = &self->a;
	unsigned char got[FRAME_BUF], *page;
	struct writer w;
	unsigned int i;
	int n;

	for (i = 0; i < 200; i++) {
		/* The first is written to before it is there, the others are
		 * in the same place.
		 */
		w = (struct writer) {
			.at = guest_mem(&a->g, send_addr(&a->s)) +
			      GUEST_PAGE - 200,
			.len = i % 2 ? 80 : 300,
		};
		w.at = (void *)(((unsigned long)w.at + 200) &
				~(GUEST_PAGE - 1)) - 200;
		ASSERT_EQ(0, pthread_create(&w.thread, NULL, write_on, &w));
		n = send_going(a, self->buf, hdr, &page) ?:
		    send_wait(&a->s, clock_patience());
		__atomic_store_n(&w.stop, true, __ATOMIC_RELAXED);
		pthread_join(w.thread, NULL);
		ASSERT_EQ(0, n);
	}
	while ((n = peer_recv(&a->w.peer, got, sizeof(got), 50, NULL)) > 0)
		ASSERT_FALSE(has_guard(got, n));
	ASSERT_EQ(0, goes_on(a));
}

TEST_HARNESS_MAIN
