// SPDX-License-Identifier: GPL-2.0
/*
 * Transmit, byte by byte: what the guest makes available arrives at the peer as
 * it is, or as the NIC cuts it, in order, whichever way it takes.
 */

#include <linux/pkt_sched.h>
#include <pthread.h>

#include "kselftest_harness.h"

#include "clock.h"
#include "mp.h"
#include "nic.h"
#include "rtnl.h"
#include "say.h"
#include "sender.h"

#define SEGS	64		/* of a chain */
#define WHOLE	256		/* bytes of a frame that is copied whole */

FIXTURE(send)
{
	struct sender a;
};

FIXTURE_VARIANT(send)
{
	struct guest_config cfg;
};

FIXTURE_VARIANT_ADD(send, mergeable)
{
	.cfg = { .features = BIT_V1 | BIT_MRG },
};

FIXTURE_VARIANT_ADD(send, legacy)
{
	.cfg = { .features = 0, .mem = GUEST_SHARED },
};

FIXTURE_VARIANT_ADD(send, indirect)
{
	.cfg = {
		.features = BIT_V1 | BIT_MRG | BIT_INDIRECT | BIT_EVENT,
		.mem = GUEST_SCATTERED,
	},
};

FIXTURE_VARIANT_ADD(send, in_order)
{
	.cfg = { .features = BIT_V1 | BIT_MRG | BIT_IN_ORDER | BIT_INDIRECT },
};

FIXTURE_SETUP(send)
{
	const char *missing = sender_open(&self->a, &variant->cfg, 32);

	if (missing && *missing)
		SKIP(return, "%s", missing);
	ASSERT_EQ(NULL, missing);
}

FIXTURE_TEARDOWN(send)
{
	sender_close(&self->a);
}

/* In one segment, at each offset from a page's end. */
static int all_offsets(struct sender *a)
{
	struct virtio_net_hdr_mrg_rxbuf hdr = {};
	struct vq_sg sg = { .readable = true };
	unsigned char *p;
	unsigned int i;

	for (i = 0; i < 64; i++) {
		sg.addr = send_addr(&a->s) + 2048 - i * 23;
		sg.len = a->g.hdr_len + 1000 + i;
		p = guest_mem(&a->g, sg.addr);
		memcpy(p, &hdr, a->g.hdr_len);
		order_frame(&a->o, a->seq, 1000 + i);
		frame_build(&a->o.f, p + a->g.hdr_len, a->seq++, 1000 + i);
		if (send_chain(&a->s, &sg, 1) || order_met(&a->o))
			return -1;
	}
	return 0;
}

/*
 * The guest waits for each before it sends the next: no kick helps it on.  The
 * watchdog of the driver would, every two seconds.  A machine that stands still
 * does so once or twice.
 */
static int one_by_one(struct sender *a)
{
	unsigned int i, late = 0;
	long long start;

	for (i = 0; i < 100; i++) {
		start = clock_ms();
		if (sender_frame(a, i % 2 ? 1400 : 100, 1) ||
		    send_wait(&a->s, clock_patience()))
			return -1;
		late += clock_ms() - start > 1000;
		if (late > 2) {
			say("%u of %u frames were late", late, i + 1);
			return -1;
		}
	}
	return order_met(&a->o);
}

TEST_F_TIMEOUT(send, sizes, CLOCK_TEST)
{
	struct sender *a = &self->a;
	size_t len;

	ASSERT_EQ(0, all_offsets(a));
	ASSERT_EQ(0, one_by_one(a));
	for (len = FRAME_MIN; len <= FRAME_MAX + 4; len++) {
		ASSERT_EQ(0, sender_frame(a, len, 1 + len % SEGS));
		if (len % 16 == 0)
			ASSERT_EQ(0, order_met(&a->o));
	}
	ASSERT_EQ(0, sender_done(a));
}

/* The NIC fills in the checksum. */
static int all_checksums(struct sender *a)
{
	struct packet *p = &a->p;
	unsigned int i;

	for (i = 0; i < 128; i++) {
		p->tcp = i & 1;
		p->v6 = i & 2;
		p->vlan = i & 4 ? 0x2064 : 0;
		p->opts = i & 8 ? 8 : 0;
		p->tcp_opts = i & 16 ? 12 : 0;
		if (sender_packet(a, i * 10, 0, 1 + i % 20) ||
		    (i % 16 == 15 && order_met(&a->o)))
			return -1;
	}
	p->opts = 0;
	return 0;
}

/* All sizes up to what IP can say, in chains of any number of segments. */
static int cut_one(struct sender *a, size_t len, unsigned int mss,
		   unsigned int segs)
{
	struct packet *p = &a->p;
	size_t max = PACKET_MAX - (packet_data(p) - packet_l3(p));

	/* Of UDP, 128 at most; the small ones are many. */
	if (!p->tcp && max > 120 * mss)
		max = 120 * mss;
	if (mss < 500 && max > 9000)
		max = 9000;
	if (!len || len > max)
		len = max;
	/* What fits one frame is no GSO frame: no driver says so. */
	if (len <= mss)
		mss = 0;
	return sender_packet(a, len, mss, segs) ?: order_met(&a->o);
}

static int cut_all(struct sender *a, bool tcp, bool v6)
{
	static const unsigned int msss[] = { 1400, 536, 1001, 88 };
	static const size_t lens[] = {
		1, 1400, 1401, 1402, 2801, 4095, 7777, 20000, 33333, 65000, 0,
	};
	struct packet *p = &a->p;
	size_t i, m;

	p->tcp = tcp;
	p->v6 = v6;
	for (m = 0; m < ARRAY_SIZE(msss); m++) {
		for (i = 0; i < ARRAY_SIZE(lens); i++) {
			p->vlan = (i + m) % 3 ? 0 : 0x2064;
			p->tcp_opts = i % 2 ? 12 : 0;
			if (cut_one(a, lens[i], msss[m],
				    1 + (i * 13 + m) % SEGS))
				return -1;
		}
	}
	return 0;
}

/* An emulated igb makes fragments of it: MP_USO=1 has the NIC cut it. */
TEST_F_TIMEOUT(send, offloads, CLOCK_TEST)
{
	static const char feature[] = "tx-udp-segmentation";
	struct wire *w = &self->a.w;
	int had, err;

	ASSERT_EQ(0, all_checksums(&self->a));
	ASSERT_EQ(0, cut_all(&self->a, true, false));
	ASSERT_EQ(0, cut_all(&self->a, true, true));
	had = nic_get_feature(w->sock, w->dev, feature);
	if (!getenv("MP_USO"))
		ASSERT_EQ(0, nic_set_feature(w->sock, w->dev, feature, false));
	err = cut_all(&self->a, false, false) ?:
	      cut_all(&self->a, false, true);
	nic_set_feature(w->sock, w->dev, feature, had > 0);
	ASSERT_EQ(0, err);
	ASSERT_EQ(0, sender_done(&self->a));
}

/*
 * More becomes available at once than vhost's worker sends in one run, which is
 * half a megabyte: it comes back for the rest, of what it has fetched as well.
 */
TEST_F_TIMEOUT(send, heavy, CLOCK_TEST)
{
	struct sender *a = &self->a;
	unsigned int i, n;

	a->p.tcp = true;
	for (i = 0; i < 8; i++) {
		a->s.hold = true;
		for (n = 0; n < 14; n++)
			ASSERT_EQ(0, sender_packet(a, 60000 - n, 1400,
						   i < 4 ? 1 : 1 + n % 3));
		ASSERT_EQ(0, send_kick(&a->s));
		ASSERT_EQ(0, order_met(&a->o));
	}
	ASSERT_EQ(0, sender_done(a));
}

/* A frame of any kind; some of them have to be copied. */
static int send_any(struct sender *a, unsigned int i)
{
	struct packet *p = &a->p;
	int err;

	p->tcp = i % 2;
	p->v6 = i % 3 == 0;
	p->vlan = 0;
	p->opts = 0;
	p->tcp_opts = 0;
	switch (i % 11) {
	case 0:
		return sender_frame(a, FRAME_MIN + i % WHOLE, 1);
	case 1:
	case 2:
		return sender_frame(a, FRAME_MAX, 1 + i % 3);
	case 3:			/* of more segments than a NIC takes */
		return sender_frame(a, 1000 + i % 500, SEGS);
	case 4:			/* nothing is known of what is in it */
		p->vlan = 0x2064;
		p->inner = 0x65;
		err = sender_packet(a, 1000, 0, 2);
		p->inner = 0;
		return err;
	case 5:
		return sender_packet(a, 300 + i, 0, 1);
	case 6:
		p->opts = 8;
		return sender_packet(a, 1200, 0, 3);
	case 7:
		p->tcp = true;
		return sender_packet(a, 5000 + i, 1400, 4);
	case 8:
		p->tcp = true;
		return sender_packet(a, 30000, 1400, SEGS);
	default:
		return sender_frame(a, WHOLE + 1 + i % 1000, 2);
	}
}

TEST_F_TIMEOUT(send, mixed, CLOCK_TEST)
{
	struct sender *a = &self->a;
	unsigned int i;

	for (i = 0; i < 330; i++) {
		ASSERT_EQ(0, send_any(a, i));
		if (i % 16 == 15)
			ASSERT_EQ(0, order_met(&a->o));
	}
	ASSERT_EQ(0, sender_done(a));
}

/* What an administrator has for frames that leave */

struct admin {
	int		sock;
	int		index;
	__u32		parent;
	const char	*kind;
	pthread_t	thread;
	bool		stop;
	unsigned int	times;
};

static int put(struct admin *m)
{
	return rtnl_qdisc(m->sock, m->index, m->parent, m->kind);
}

static int take_away(struct admin *m)
{
	return rtnl_qdisc(m->sock, m->index, m->parent, NULL);
}

static void *put_and_take_away(void *arg)
{
	struct admin *m = arg;

	while (!__atomic_load_n(&m->stop, __ATOMIC_RELAXED)) {
		if (put(m))
			break;
		usleep(5000);
		if (take_away(m))
			break;
		usleep(5000);
		m->times++;
	}
	return NULL;
}

FIXTURE(egress)
{
	struct sender a;
	struct admin m;
};

FIXTURE_VARIANT(egress)
{
	const char *kind;
	__u32 parent;
};

FIXTURE_VARIANT_ADD(egress, qdisc)
{
	.kind = "pfifo", .parent = TC_H_ROOT,
};

FIXTURE_VARIANT_ADD(egress, hook)
{
	.kind = "clsact", .parent = TC_H_CLSACT,
};

FIXTURE_SETUP(egress)
{
	const struct guest_config cfg = { .features = BIT_V1 | BIT_MRG };
	const char *missing = sender_open(&self->a, &cfg, 32);
	struct admin *m = &self->m;

	if (missing && *missing)
		SKIP(return, "%s", missing);
	ASSERT_EQ(NULL, missing);
	m->parent = variant->parent;
	m->kind = variant->kind;
	/*
	 * qdisc_graft() deactivates the device, for clsact, too: what waits in
	 * a qdisc goes, and what comes meanwhile.
	 */
	self->a.o.lossy = true;
	m->index = nic_index(self->a.w.sock, self->a.w.dev);
	m->sock = rtnl_open();
	ASSERT_LE(0, m->sock);
}

FIXTURE_TEARDOWN(egress)
{
	take_away(&self->m);
	close(self->m.sock);
	sender_close(&self->a);
}

TEST_F_TIMEOUT(egress, put_and_taken_away, CLOCK_TEST)
{
	struct sender *a = &self->a;
	struct admin *m = &self->m;
	unsigned int i, n;

	for (n = 0; n < 20; n++) {
		for (i = 0; i < 12; i++)
			ASSERT_EQ(0, send_any(a, 11 * n + i));
		ASSERT_EQ(0, n % 2 ? take_away(m) : put(m));
		for (; i < 24; i++)
			ASSERT_EQ(0, send_any(a, 11 * n + i));
		ASSERT_EQ(0, order_met(&a->o));
	}

	ASSERT_EQ(0, pthread_create(&m->thread, NULL, put_and_take_away, m));
	for (i = 0; i < 600; i++) {
		if (send_any(a, i) || (i % 16 == 15 && order_met(&a->o)))
			break;
	}
	__atomic_store_n(&m->stop, true, __ATOMIC_RELAXED);
	pthread_join(m->thread, NULL);
	ASSERT_EQ(600, i);
	EXPECT_LT(0, m->times);
	ASSERT_EQ(0, order_met(&a->o));

	/* And afterwards, nothing. */
	ASSERT_EQ(0, order_lost(&a->o));
	a->o.lossy = false;
	for (i = 0; i < 110; i++) {
		ASSERT_EQ(0, send_any(a, i));
		if (i % 16 == 15)
			ASSERT_EQ(0, order_met(&a->o));
	}
	ASSERT_EQ(0, sender_done(a));
}

/* What is not copied */

FIXTURE(direct)
{
	struct sender a;
	struct admin m;
};

FIXTURE_SETUP(direct)
{
	const struct guest_config cfg = {
		.features = BIT_V1 | BIT_MRG | BIT_INDIRECT,
	};
	const char *missing = sender_open(&self->a, &cfg, 32);

	if (missing && *missing)
		SKIP(return, "%s", missing);
	ASSERT_EQ(NULL, missing);
	self->m.index = nic_index(self->a.w.sock, self->a.w.dev);
	self->m.sock = rtnl_open();
	ASSERT_LE(0, self->m.sock);
}

FIXTURE_TEARDOWN(direct)
{
	close(self->m.sock);
	sender_close(&self->a);
}

/* A counter that is not there makes a test fail. */
static long long count(struct sender *a, const char *name)
{
	long long n = wire_count(&a->w, name);

	if (n < 0)
		say("mp-%s: this kernel has no such counter", name);
	return n;
}

/* @n frames by @send; how much the counter grew, or -1. */
static long long grown(struct sender *a, const char *name, unsigned int n,
		       int (*send)(struct sender *a, unsigned int i))
{
	long long before = count(a, name);
	unsigned int i;

	for (i = 0; i < n; i++)
		if (send(a, i) || order_met(&a->o))
			return -1;
	if (send_wait(&a->s, clock_patience()))
		return -1;
	return before < 0 ? before : count(a, name) - before;
}

static int send_short(struct sender *a, unsigned int i)
{
	return sender_frame(a, FRAME_MIN + i * 4, 1 + i % 3);
}

static int send_long(struct sender *a, unsigned int i)
{
	return sender_frame(a, FRAME_MAX - i, 1 + i % 3);
}

static int send_checksum(struct sender *a, unsigned int i)
{
	a->p.tcp = i % 2;
	a->p.v6 = i % 4 < 2;
	return sender_packet(a, 1400, 0, 2);
}

static int send_gso(struct sender *a, unsigned int i)
{
	a->p.tcp = true;
	a->p.v6 = i % 2;
	return sender_packet(a, 60000, 1400, 16);
}

static int send_scattered(struct sender *a, unsigned int i)
{
	return sender_frame(a, 1400 + i, SEGS);
}

static int send_nested(struct sender *a, unsigned int i)
{
	return send_any(a, 11 * i + 4);
}

TEST_F_TIMEOUT(direct, frames, CLOCK_TEST)
{
	struct sender *a = &self->a;

	EXPECT_EQ(49, grown(a, "tx-copied-whole", 49, send_short));
	EXPECT_EQ(0, grown(a, "tx-zerocopy", 49, send_short));
	EXPECT_EQ(100, grown(a, "tx-zerocopy", 100, send_long));
	EXPECT_EQ(0, grown(a, "tx-copied-whole", 20, send_long));
	EXPECT_EQ(40, grown(a, "tx-posted", 40, send_long));
	EXPECT_EQ(40, grown(a, "tx-zerocopy", 40, send_checksum));
	EXPECT_EQ(40, grown(a, "tx-zerocopy", 40, send_gso));
	EXPECT_EQ(0, count(a, "tx-fallback-frame"));
	EXPECT_EQ(0, count(a, "tx-fallback-egress"));
	EXPECT_EQ(0, count(a, "tx-dropped"));
	EXPECT_EQ(0, count(a, "tx-errors"));
	EXPECT_EQ(0, count(a, "tx-outstanding"));
	ASSERT_EQ(0, sender_done(a));
}

/* Frames that did not go directly, also those behind others. */
static long long exceptions(struct sender *a)
{
	return count(a, "tx-copied") + count(a, "tx-bounced");
}

/* What cannot be expressed is copied, and what follows it is not. */
TEST_F_TIMEOUT(direct, exceptions, CLOCK_TEST)
{
	struct sender *a = &self->a;
	long long before, after, end;

	before = exceptions(a);
	EXPECT_LE(0, grown(a, "tx-posted", 10, send_scattered));
	after = exceptions(a);
	EXPECT_LE(before + 10, after);
	EXPECT_LT(0, grown(a, "tx-fallback-frame", 10, send_nested));
	EXPECT_LE(after + 10, exceptions(a));
	/* When the last that was copied is gone. */
	end = clock_ms() + 2000;
	while (!grown(a, "tx-zerocopy", 1, send_long) && clock_ms() < end)
		;
	EXPECT_EQ(10, grown(a, "tx-zerocopy", 10, send_long));
	EXPECT_EQ(0, count(a, "tx-dropped"));
	ASSERT_EQ(0, sender_done(a));
}

/* Frames go past no qdisc and no hook, and directly again without them. */
TEST_F_TIMEOUT(direct, egress, CLOCK_TEST)
{
	static const struct {
		const char *kind;
		__u32 parent;
	} put_there[] = {
		{ "pfifo", TC_H_ROOT }, { "clsact", TC_H_CLSACT },
	};
	struct sender *a = &self->a;
	struct admin *m = &self->m;
	long long end;
	int i;

	for (i = 0; i < ARRAY_SIZE(put_there); i++) {
		m->kind = put_there[i].kind;
		m->parent = put_there[i].parent;
		ASSERT_EQ(0, put(m));
		/* Several may be copied at a time. */
		EXPECT_LT(0, grown(a, "tx-fallback-egress", 1, send_long));
		EXPECT_EQ(20, grown(a, "tx-copied", 20, send_long));
		EXPECT_EQ(0, grown(a, "tx-zerocopy", 20, send_long));
		ASSERT_EQ(0, take_away(m));
		/* When the last that was copied is gone. */
		end = clock_ms() + clock_patience();
		while (!grown(a, "tx-zerocopy", 1, send_long) &&
		       clock_ms() < end)
			;
		EXPECT_EQ(20, grown(a, "tx-zerocopy", 20, send_long));
	}
	ASSERT_EQ(0, sender_done(a));
}

/* One that sees nothing changes nothing. */
TEST_F_TIMEOUT(direct, noqueue, CLOCK_TEST)
{
	struct sender *a = &self->a;
	struct admin *m = &self->m;

	m->kind = "noqueue";
	m->parent = TC_H_ROOT;
	ASSERT_EQ(0, put(m));
	EXPECT_EQ(20, grown(a, "tx-zerocopy", 20, send_long));
	EXPECT_EQ(0, count(a, "tx-fallback-egress"));
	ASSERT_EQ(0, take_away(m));
	EXPECT_EQ(20, grown(a, "tx-zerocopy", 20, send_long));
	ASSERT_EQ(0, sender_done(a));
}

TEST_F_TIMEOUT(direct, unpinned, CLOCK_TEST)
{
	struct sender *a = &self->a;

	EXPECT_EQ(20, grown(a, "tx-zerocopy", 20, send_gso));
	EXPECT_LT(0, count(a, "tx-pinned"));
	EXPECT_EQ(0, count(a, "tx-outstanding"));
	ASSERT_EQ(0, sender_done(a));
	EXPECT_EQ(0, count(a, "tx-outstanding"));
	ASSERT_EQ(0, mp_unbind(a->w.fd));
	EXPECT_EQ(0, count(a, "tx-pinned"));
	EXPECT_EQ(0, count(a, "tx-outstanding"));
}

TEST_HARNESS_MAIN
