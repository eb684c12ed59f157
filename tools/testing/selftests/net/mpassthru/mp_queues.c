// SPDX-License-Identifier: GPL-2.0
/*
 * Several queues of one NIC, each with a descriptor: RSS spreads flows over
 * those that are bound and attached, none is reordered, and what is done to one
 * queue is nothing to the others.
 */

#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include "kselftest_harness.h"

#include "clock.h"
#include "ethtool.h"
#include "flow.h"
#include "guest.h"
#include "mp.h"
#include "nic.h"
#include "say.h"
#include "send.h"
#include "wire.h"

#define QUEUES	4
#define FLOWS	64		/* so that no queue is left without one */
/*
 * While a round is received, that before it may still be on its way back to the
 * NIC: from the ring to the guest, from the guest to vhost, to the driver.  Of
 * three rounds one is with the NIC for sure.
 */
#define BUFS	(4 * FLOWS)
#define IP_LEN	20
#define INNER	(14 + IP_LEN)	/* where the numbered frame of a flow begins */
#define ROUNDS	20
#define SLOTS	16		/* chains of a guest that sends */
#define SENT	300		/* frames to be sure that traffic flows */

/*
 * A flow is an IPv4 source address, since that is what any NIC hashes, and its
 * payload is a numbered frame.  Other frames than those of IP all come by one
 * queue.
 */
struct flow {
	struct frame	frame;
	__u32		seq;		/* of the next that is sent */
	__u32		next[QUEUES];	/* the least that may come, by queue */
	int		queue;		/* it came by last; -1 at first */
};

struct queues {
	struct wire	w;		/* its fd is queue 0's */
	unsigned int	n;
	int		fd[QUEUES];
	struct guest	g[QUEUES];
	struct send	s[QUEUES];
	struct frame	sent[QUEUES];	/* frames of each guest */
	__u32		next[QUEUES];	/* the least that the peer may get */
	__u32		from[QUEUES];	/* the first that counts there */
	unsigned int	came[QUEUES];	/* of these */
	struct flow	flow[FLOWS];
	unsigned int	got[QUEUES];	/* by each queue, in this round */
	unsigned int	moved;		/* flows that came by another queue */
};

/*
 * The hash of RSS is a sum, modulo 2, of as many parts of its key as the
 * address has bits set, and the key is drawn at boot.  Addresses that differ in
 * six bits differ in nothing that matters once in 64 boots: these differ in 22.
 */
static void build_ip(unsigned char *p, const struct wire *w, unsigned int flow,
		     size_t len)
{
	static const unsigned char to[] = { 10, 77, 1, 1 };
	__u32 sum = 0, mixed = flow * 0x9e3779b1u;
	unsigned int i;

	memcpy(p, w->mac, 6);
	memcpy(p + 6, w->peer.mac, 6);
	p[12] = 8;
	p[13] = 0;
	p += 14;
	memset(p, 0, IP_LEN);
	p[0] = 0x45;
	p[2] = (len - 14) >> 8;
	p[3] = len - 14;
	p[8] = 64;
	p[9] = 253;		/* for experiments */
	p[12] = 10;
	p[13] = mixed >> 24;
	p[14] = mixed >> 16;
	p[15] = flow;
	memcpy(p + 16, to, 4);
	for (i = 0; i < IP_LEN; i += 2)
		sum += p[i] << 8 | p[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~((sum & 0xffff) + (sum >> 16));
	p[10] = sum >> 8;
	p[11] = sum;
}

static int send_flow(struct queues *q, unsigned int flow, size_t len)
{
	struct flow *f = &q->flow[flow];
	unsigned char buf[FRAME_ROOM];

	build_ip(buf, &q->w, flow, len);
	frame_build(&f->frame, buf + INNER, f->seq++, len - INNER);
	return peer_send_raw(&q->w.peer, buf, len);
}

/* Returns the flow, FLOWS for a frame that is of none, or -1. */
static int check_flow(struct queues *q, unsigned int queue,
		      const unsigned char *p, size_t len)
{
	struct flow *f;
	__u32 seq;

	if (len < INNER + FRAME_MIN || p[12] != 8 || p[13] || p[23] != 253 ||
	    p[29] >= FLOWS)
		return FLOWS;
	f = &q->flow[p[29]];
	switch (frame_check(&f->frame, p + INNER, len - INNER, &seq)) {
	case FRAME_FOREIGN:
		return FLOWS;
	case FRAME_BAD:
		return -1;
	}
	if (seq < f->next[queue]) {
		say("flow %d: frame %u came by queue %u after frame %u", p[29],
		    seq, queue, f->next[queue] - 1);
		return -1;
	}
	f->next[queue] = seq + 1;
	if (f->queue >= 0 && f->queue != queue)
		q->moved++;
	f->queue = queue;
	return p[29];
}

/* Takes what one guest has.  Returns how many frames of flows, or -1. */
static int take_flows(struct queues *q, unsigned int queue)
{
	static struct guest_frame frame;
	struct guest *g = &q->g[queue];
	int ret, flow, n = 0;

	while (!(ret = guest_recv(g, &frame, 0))) {
		flow = frame.len ? check_flow(q, queue, frame.data, frame.len) :
				   FLOWS;
		if (flow < 0 || guest_repost(g, &frame))
			return -1;
		if (flow < FLOWS) {
			q->got[queue]++;
			n++;
		}
	}
	guest_kick(g);
	return ret < 0 ? ret : n;
}

/* Takes @want frames of flows, or what comes until nothing does for @ms. */
static int take_all(struct queues *q, unsigned int want, int ms)
{
	long long end = clock_ms() + ms;
	unsigned int i, n = 0;
	int ret;

	while (n < want && clock_ms() < end) {
		for (i = 0; i < q->n; i++) {
			if (!q->g[i].running)
				continue;
			ret = take_flows(q, i);
			if (ret < 0)
				return ret;
			n += ret;
			if (ret)
				end = clock_ms() + ms;
		}
		usleep(500);
	}
	return n;
}

/* A frame of each flow, and another, of all lengths. */
static int send_round(struct queues *q, unsigned int round)
{
	unsigned int i;
	size_t len;

	for (i = 0; i < FLOWS; i++) {
		len = INNER + FRAME_MIN + (round * FLOWS + i) * 37 % 1400;
		if (send_flow(q, i, len))
			return -1;
	}
	return 0;
}

static unsigned int mask_got(const struct queues *q)
{
	unsigned int i, mask = 0;

	for (i = 0; i < q->n; i++)
		if (q->got[i])
			mask |= 1u << i;
	return mask;
}

static unsigned int mask_all(const struct queues *q)
{
	return (1u << q->n) - 1;
}

/*
 * All frames of some rounds come, once, and those of a flow in their order and
 * by one queue, of those in @mask; and each of these has some.
 */
static int spreads(struct queues *q, unsigned int mask)
{
	unsigned int i;
	int n;

	memset(q->got, 0, sizeof(q->got));
	q->moved = 0;
	for (i = 0; i < ROUNDS; i++) {
		if (send_round(q, i))
			return -1;
		n = take_all(q, FLOWS, clock_patience());
		if (n == FLOWS)
			continue;
		say("%d frames of %d came in round %u", n, FLOWS, i);
		wire_explain(&q->w);
		return -1;
	}
	if (q->moved || mask_got(q) != mask) {
		say("%u flows have moved, frames came by %x, not by %x",
		    q->moved, mask_got(q), mask);
		return -1;
	}
	return 0;
}

/*
 * Waits until a round is complete, and nothing comes after it: where queues go
 * and come, some frames are lost or late, and flows move.
 */
static int settles(struct queues *q, unsigned int mask)
{
	long long end = clock_ms() + clock_patience();
	long long last = clock_ms() + 5 * clock_patience();
	unsigned int i;
	int n;

	for (i = 0; clock_ms() < end && clock_ms() < last; i++) {
		memset(q->got, 0, sizeof(q->got));
		if (send_round(q, i))
			return -1;
		n = take_all(q, ~0u, 200 + clock_patience() / 50);
		if (n < 0)
			return -1;
		if (n == FLOWS && mask_got(q) == mask)
			return 0;
		/* A round in two parts spoils two: the machine is slow. */
		if (n)
			end = clock_ms() + clock_patience();
	}
	say("frames came by %x, not by %x", mask_got(q), mask);
	for (i = 0; i < q->n; i++)
		say("%u by queue %u", q->got[i], i);
	return -1;
}

/* Sent by the guests. */

static int peer_take(struct queues *q, unsigned int want, int ms)
{
	long long end = clock_ms() + ms;
	unsigned char buf[FRAME_BUF];
	unsigned int i, n = 0;
	__u32 seq;
	int len;

	while (n < want && clock_ms() < end) {
		len = peer_recv(&q->w.peer, buf, sizeof(buf), 20, NULL);
		for (i = 0; len >= FRAME_MIN && i < q->n; i++) {
			switch (frame_check(&q->sent[i], buf, len, &seq)) {
			case FRAME_FOREIGN:
				continue;
			case FRAME_BAD:
				return -1;
			}
			if (seq < q->next[i]) {
				say("queue %u: frame %u came after %u", i, seq,
				    q->next[i] - 1);
				return -1;
			}
			q->next[i] = seq + 1;
			q->came[i] += seq >= q->from[i];
			n++;
			end = clock_ms() + ms;
			break;
		}
	}
	return n;
}

static long long tx_packets(struct queues *q, unsigned int queue)
{
	char name[64];

	snprintf(name, sizeof(name), "tx_queue_%u_packets", queue);
	return nic_stat(q->w.sock, q->w.dev, name);
}

/* That many have left by one queue, and no such number by another. */
static int left_by(struct queues *q, unsigned int queue,
		   const long long *before)
{
	long long end = clock_ms() + clock_patience();
	unsigned int i;

	/* They are counted when the ring is cleaned. */
	while (tx_packets(q, queue) - before[queue] < ROUNDS) {
		if (clock_ms() > end || usleep(10000)) {
			say("guest %u has not sent by its queue", queue);
			for (i = 0; i < q->n; i++)
				say("by queue %u: %lld", i,
				    tx_packets(q, i) - before[i]);
			return -1;
		}
	}
	for (i = 0; i < q->n; i++) {
		if (i == queue || tx_packets(q, i) - before[i] < ROUNDS / 2)
			continue;
		say("guest %u has sent by queue %u", queue, i);
		return -1;
	}
	return 0;
}

/* Frames of each guest arrive, in order, and leave by its queue alone. */
static int each_sends(struct queues *q)
{
	long long before[QUEUES];
	unsigned int i, k;

	for (i = 0; i < q->n; i++) {
		for (k = 0; k < q->n; k++)
			before[k] = tx_packets(q, k);
		for (k = 0; k < ROUNDS; k++)
			if (send_frame(&q->s[i], &q->sent[i], q->s[i].seq++,
				       FRAME_MIN + k * 70, 1 + k % 4))
				return -1;
		if (send_wait(&q->s[i], clock_patience()))
			return -1;
		if (peer_take(q, ROUNDS, clock_patience()) != ROUNDS) {
			say("not all that guest %u sent came", i);
			return -1;
		}
		if (left_by(q, i, before))
			return -1;
	}
	return 0;
}

static int floods(struct queues *q)
{
	unsigned int i;

	for (i = 0; i < q->n; i++)
		if (send_flood(&q->s[i], &q->sent[i]))
			return -1;
	return 0;
}

static int calms(struct queues *q)
{
	int err = 0;
	unsigned int i;

	for (i = 0; i < q->n; i++)
		err |= send_calm(&q->s[i]);
	return err;
}

static void explain(struct queues *q)
{
	unsigned int i;

	for (i = 0; i < q->n; i++) {
		say("queue %u: frame %u of %u came, %u chains are out", i,
		    q->next[i], q->s[i].seq, send_out(&q->s[i]));
		wire_explain_queue(q->fd[i]);
	}
	wire_explain(&q->w);
}

/* Queues of @mask of which the peer has not got enough. */
static unsigned int not_sent(const struct queues *q, unsigned int mask)
{
	unsigned int i, slow = 0;

	for (i = 0; i < q->n; i++)
		if (mask & 1u << i && q->came[i] < SENT)
			slow |= 1u << i;
	return slow;
}

/* Moves with each frame of @mask that comes. */
static __u32 progress(const struct queues *q, unsigned int mask)
{
	unsigned int i;
	__u32 sum = 0;

	for (i = 0; i < q->n; i++)
		if (mask & 1u << i)
			sum += q->next[i];
	return sum;
}

/*
 * All of @mask send, and no other, in the face of floods.  Frames count that
 * are made from now on; what was not read in the seconds before comes first,
 * and takes a slow machine seconds as well.  So there is no limit but on the
 * time in which nothing comes of a queue that is missing.
 */
static int sends(struct queues *q, unsigned int mask)
{
	unsigned int i, slow = mask;
	long long end;
	__u32 was;

	memset(q->came, 0, sizeof(q->came));
	for (i = 0; i < q->n; i++)
		/* The one before it may be on its way, and not counted yet. */
		q->from[i] = __atomic_load_n(&q->s[i].seq, __ATOMIC_RELAXED) +
			     1;
	for (end = clock_ms() + clock_patience(); slow && clock_ms() < end;
	     slow = not_sent(q, mask)) {
		was = progress(q, slow);
		if (peer_take(q, SENT, 100) < 0)
			return -1;
		if (progress(q, slow) != was)
			end = clock_ms() + clock_patience();
	}
	for (i = 0; i < q->n; i++)
		if (!(mask & 1u << i) && q->came[i])
			slow |= 1u << i;
	if (!slow)
		return 0;
	say("queues %x do not send, or should not", slow);
	explain(q);
	return -1;
}

/* Lifetime */

static int bind_one(struct queues *q, unsigned int i)
{
	char msg[256];
	int err;

	err = mp_bind_queue(q->fd[i], q->w.dev, i, msg, sizeof(msg));
	if (err)
		say("queue %u: %s (%s)", i, strerror(-err), msg);
	return err;
}

static int start_one(struct queues *q, unsigned int i)
{
	const struct guest_config cfg = {
		.features = BIT_V1 | BIT_MRG,
		.bufs = BUFS,
		.room = SEND_ROOM(SLOTS),
	};

	if (guest_open(&q->g[i], &cfg))
		return -1;
	memcpy(q->sent[i].dst, q->w.peer.mac, 6);
	memcpy(q->sent[i].src, q->w.mac, 6);
	q->sent[i].stream = q->w.peer.frame.stream + 16 * (i + 1);
	return guest_start(&q->g[i], q->fd[i]) ?: guest_post_all(&q->g[i]);
}

static void forget(struct queues *q)
{
	const struct guest_config none = {};
	unsigned int i;

	memset(q, 0, sizeof(*q));
	q->w.fd = -1;
	q->w.sock = -1;
	q->w.peer.fd = -1;
	for (i = 0; i < QUEUES; i++) {
		q->fd[i] = -1;
		q->g[i].cfg = none;
		q->g[i].vhost.fd = -1;
		q->g[i].rx_fds = (struct vhost_fds) { -1, -1, -1 };
		q->g[i].tx_fds = (struct vhost_fds) { -1, -1, -1 };
	}
}

static void init_flows(struct queues *q)
{
	unsigned int i;

	for (i = 0; i < FLOWS; i++) {
		q->flow[i].frame = q->w.peer.frame;
		q->flow[i].frame.stream += 1024 + 16 * i;
		q->flow[i].queue = -1;
	}
}

/* The NIC with @n queues, and as many descriptors, not bound. */
static int open_nic(struct queues *q, unsigned int n)
{
	unsigned int i;
	int err;

	err = wire_open_unbound(&q->w) ?:
	      nic_set_queues(q->w.sock, q->w.dev, n) ?:
	      nic_wait_running(q->w.sock, q->w.dev) ?:
	      /* Two queues of the peer keep no order between them. */
	      nic_set_queues(q->w.peer.fd, q->w.peer.dev, 1) ?:
	      nic_wait_running(q->w.peer.fd, q->w.peer.dev);
	for (i = 0; !err && i < n; i++) {
		q->fd[i] = mp_open();
		err = q->fd[i] < 0 ? q->fd[i] : 0;
	}
	q->n = n;
	init_flows(q);
	return err;
}

static int open_guests(struct queues *q)
{
	unsigned int i;
	int err;

	for (i = 0; i < q->n; i++)
		if (bind_one(q, i))
			return -1;
	q->w.fd = q->fd[0];
	if (nic_wait_running(q->w.sock, q->w.dev))
		return -1;
	for (i = 0; i < q->n; i++)
		if (start_one(q, i))
			return -1;
	err = flow_start(&q->w, &q->g[0]) ?:
	      flow_start_tx(&q->w, &q->g[0]) ?:
	      guest_sent(&q->g[0], clock_patience()) ?:
	      settles(q, mask_all(q));
	for (i = 0; i < q->n; i++)
		send_init(&q->s[i], &q->g[i], SLOTS);
	peer_drain(&q->w.peer);
	return err;
}

static void close_all(struct queues *q)
{
	unsigned int i;

	calms(q);
	for (i = 0; i < q->n; i++) {
		guest_close(&q->g[i]);
		if (q->fd[i] >= 0)
			close(q->fd[i]);
	}
	/* It was one of these. */
	q->w.fd = -1;
	if (q->w.sock >= 0) {
		/* A table that was set keeps the queues that it names. */
		ethtool_set_spread(q->w.sock, q->w.dev, NULL, 0);
		nic_set_queues(q->w.sock, q->w.dev, 1);
	}
	wire_close(&q->w);
}

/* Why there cannot be @n queues, or NULL. */
static const char *no_queues(unsigned int n)
{
	const char *missing = wire_missing();
	int sock, max;

	if (missing)
		return missing;
	if (wire_is_tap())
		return "only with a NIC";
	sock = nic_sock();
	max = nic_max_queues(sock, wire_dev());
	close(sock);
	return max < (int)n ? "the NIC has fewer queues" : NULL;
}

static struct queues queues;

FIXTURE(traffic)
{
	struct queues *q;
};

FIXTURE_VARIANT(traffic)
{
	unsigned int n;
};

FIXTURE_VARIANT_ADD(traffic, one)
{
	.n = 1,
};

FIXTURE_VARIANT_ADD(traffic, two)
{
	.n = 2,
};

FIXTURE_VARIANT_ADD(traffic, four)
{
	.n = 4,
};

FIXTURE_SETUP(traffic)
{
	const char *missing = no_queues(variant->n);

	self->q = &queues;
	forget(self->q);
	if (missing)
		SKIP(return, "%s", missing);
	ASSERT_EQ(0, open_nic(self->q, variant->n));
	ASSERT_EQ(0, open_guests(self->q));
}

FIXTURE_TEARDOWN(traffic)
{
	close_all(self->q);
}

TEST_F_TIMEOUT(traffic, both_ways, CLOCK_TEST)
{
	struct queues *q = self->q;
	long long end = clock_ms() + clock_patience();
	unsigned int i;
	char text[64];

	for (i = 0; i < q->n; i++) {
		EXPECT_EQ(i, mp_count(q->fd[i], "queue"));
		do {
			ASSERT_EQ(0, mp_text(q->fd[i], "mode", text,
					     sizeof(text)));
			if (!strcmp("zero-copy", text))
				break;
			usleep(2000);
		} while (clock_ms() < end);
		EXPECT_STREQ("zero-copy", text);
	}
	ASSERT_EQ(0, spreads(q, mask_all(q)));
	ASSERT_EQ(0, each_sends(q));
	/* Each in the face of all. */
	ASSERT_EQ(0, floods(q));
	ASSERT_EQ(0, spreads(q, mask_all(q)));
	ASSERT_EQ(0, sends(q, mask_all(q)));
	ASSERT_EQ(0, calms(q));
	for (i = 0; i < q->n; i++) {
		EXPECT_LT(0, mp_count(q->fd[i], "zerocopy"));
		EXPECT_LT(0, mp_count(q->fd[i], "tx-zerocopy"));
		EXPECT_EQ(0, mp_count(q->fd[i], "errors"));
		EXPECT_EQ(0, guest_stop(&q->g[i]));
		ASSERT_LE(0, take_flows(q, i));
		EXPECT_TRUE(guest_books_balance(&q->g[i]));
	}
}

/* By skbs: somebody wants to see what is sent. */
TEST_F_TIMEOUT(traffic, copied_by_its_queue, CLOCK_TEST)
{
	struct queues *q = self->q;
	struct peer tap;
	unsigned int i;

	ASSERT_EQ(0, peer_open(&tap, NULL, q->w.dev, q->w.peer.mac));
	EXPECT_EQ(0, each_sends(q));
	for (i = 0; i < q->n; i++)
		EXPECT_LT(0, mp_count(q->fd[i], "tx-copied"));
	peer_close(&tap);
}

/* One that takes nothing holds up nobody. */
TEST_F_TIMEOUT(traffic, one_sleeps, CLOCK_TEST)
{
	struct queues *q = self->q;
	unsigned int i, last = q->n - 1, rest = mask_all(q) & ~(1u << last);
	long long end;

	if (!last)
		SKIP(return, "there are no others");
	q->g[last].running = false;
	for (i = 0; i < 10 * ROUNDS; i++) {
		ASSERT_EQ(0, send_round(q, i));
		ASSERT_LE(0, take_all(q, FLOWS, 20));
	}
	end = clock_ms() + clock_patience();
	do {
		memset(q->got, 0, sizeof(q->got));
		ASSERT_EQ(0, send_round(q, i++));
		ASSERT_LE(0, take_all(q, FLOWS, 300));
	} while (mask_got(q) != rest && clock_ms() < end);
	EXPECT_EQ(rest, mask_got(q));
	q->g[last].running = true;
	ASSERT_LE(0, take_all(q, ~0u, 300));
	EXPECT_EQ(0, settles(q, mask_all(q)));
}

TEST_F_TIMEOUT(traffic, one_is_unbound, 2 * CLOCK_TEST)
{
	struct queues *q = self->q;
	unsigned int i, gone, rest;

	if (q->n < 2)
		SKIP(return, "there are no others");
	ASSERT_EQ(0, floods(q));
	for (i = 0; i <= q->n; i++) {
		gone = i % q->n;
		rest = mask_all(q) & ~(1u << gone);
		ASSERT_EQ(0, send_round(q, i));
		ASSERT_EQ(0, mp_unbind(q->fd[gone]));
		EXPECT_EQ(0, mp_count(q->fd[gone], "outstanding"));
		ASSERT_EQ(0, settles(q, rest));
		ASSERT_EQ(0, spreads(q, rest));
		ASSERT_EQ(0, sends(q, rest));
		ASSERT_EQ(0, bind_one(q, gone));
		ASSERT_EQ(0, settles(q, mask_all(q)));
		ASSERT_EQ(0, sends(q, mask_all(q)));
	}
	ASSERT_EQ(0, calms(q));
}

/* As QEMU does it when the guest changes its number of queues. */
TEST_F_TIMEOUT(traffic, one_is_detached, 2 * CLOCK_TEST)
{
	struct queues *q = self->q;
	unsigned int i, gone, rest;

	if (q->n < 2)
		SKIP(return, "there are no others");
	ASSERT_EQ(0, floods(q));
	for (i = 0; i <= q->n; i++) {
		gone = i % q->n;
		rest = mask_all(q) & ~(1u << gone);
		EXPECT_FALSE(mp_iff_flags(q->fd[gone]) & IFF_DETACH_QUEUE);
		ASSERT_EQ(0, send_round(q, i));
		ASSERT_EQ(0, mp_attach_queue(q->fd[gone], false));
		ASSERT_EQ(0, mp_attach_queue(q->fd[gone], false));
		EXPECT_TRUE(mp_iff_flags(q->fd[gone]) & IFF_DETACH_QUEUE);
		EXPECT_EQ(0, mp_count(q->fd[gone], "attached"));
		/* What came before; after it nothing comes. */
		ASSERT_LE(0, take_flows(q, gone));
		ASSERT_EQ(0, settles(q, rest));
		ASSERT_EQ(0, spreads(q, rest));
		/* It sends still. */
		ASSERT_EQ(0, sends(q, mask_all(q)));
		ASSERT_EQ(0, mp_attach_queue(q->fd[gone], true));
		ASSERT_EQ(0, mp_attach_queue(q->fd[gone], true));
		ASSERT_EQ(0, settles(q, mask_all(q)));
	}
	ASSERT_EQ(0, calms(q));
}

TEST_F_TIMEOUT(traffic, all_are_detached, CLOCK_TEST)
{
	struct queues *q = self->q;
	unsigned int i;

	for (i = 0; i < q->n; i++)
		ASSERT_EQ(0, mp_attach_queue(q->fd[i], false));
	ASSERT_LE(0, take_all(q, ~0u, 100));
	ASSERT_EQ(0, send_round(q, 0));
	EXPECT_EQ(0, take_all(q, 1, 300));
	for (i = 0; i < q->n; i++)
		ASSERT_EQ(0, mp_attach_queue(q->fd[i], true));
	EXPECT_EQ(0, settles(q, mask_all(q)));
}

/* Two queues, nothing bound, no guest. */

FIXTURE(pair)
{
	struct queues *q;
	char msg[256];
	int fd;
};

FIXTURE_SETUP(pair)
{
	const char *missing = no_queues(2);

	self->q = &queues;
	forget(self->q);
	self->fd = -1;
	if (missing)
		SKIP(return, "%s", missing);
	ASSERT_EQ(0, open_nic(self->q, 2));
	self->fd = mp_open();
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(pair)
{
	close(self->fd);
	close_all(self->q);
}

TEST_F_TIMEOUT(pair, binding, CLOCK_TEST)
{
	struct queues *q = self->q;
	const char *dev = q->w.dev;

	EXPECT_EQ(-EINVAL, mp_bind_queue(self->fd, dev, 2, self->msg,
					 sizeof(self->msg)));
	EXPECT_NE('\0', self->msg[0]);
	ASSERT_EQ(0, bind_one(q, 1));
	EXPECT_TRUE(mp_iff_flags(q->fd[1]) & IFF_MULTI_QUEUE);
	EXPECT_EQ(-EBUSY, mp_bind_queue(self->fd, dev, 1, self->msg,
					sizeof(self->msg)));
	EXPECT_NE('\0', self->msg[0]);
	EXPECT_EQ(-EBUSY, mp_bind_queue(q->fd[1], dev, 0, self->msg,
					sizeof(self->msg)));
	EXPECT_EQ(-EINVAL, mp_bind_queue(self->fd, dev, 2, self->msg,
					 sizeof(self->msg)));
	/* All who share it say so. */
	EXPECT_EQ(-EBUSY, mp_bind_msg(self->fd, dev, self->msg,
				      sizeof(self->msg)));
	ASSERT_EQ(0, bind_one(q, 0));
	EXPECT_EQ(-EBUSY, nic_set_queues(q->w.sock, dev, 1));
	ASSERT_EQ(0, mp_unbind(q->fd[1]));
	EXPECT_EQ(-EBUSY, nic_set_queues(q->w.sock, dev, 1));
	ASSERT_EQ(0, mp_unbind(q->fd[0]));

	ASSERT_EQ(0, mp_bind(self->fd, dev));
	EXPECT_FALSE(mp_iff_flags(self->fd) & IFF_MULTI_QUEUE);
	EXPECT_EQ(-EBUSY, mp_bind_queue(q->fd[1], dev, 1, self->msg,
					sizeof(self->msg)));
	EXPECT_NE('\0', self->msg[0]);
	ASSERT_EQ(0, mp_unbind(self->fd));
	EXPECT_TRUE(wire_host_works(&q->w));
	EXPECT_EQ(0, nic_set_queues(q->w.sock, dev, 1));
}

/* Is it @queue at every place, or, where that is -1, some of both? */
static bool spread_is(struct queues *q, int queue)
{
	__u32 at[ETHTOOL_SPREAD];
	unsigned int n, i, of[2] = {};

	if (ethtool_get_spread(q->w.sock, q->w.dev, at, &n))
		return false;
	for (i = 0; i < n; i++) {
		if (at[i] > 1)
			return false;
		of[at[i]]++;
	}
	return queue < 0 ? of[0] == of[1] : of[queue] == n;
}

TEST_F_TIMEOUT(pair, spread, CLOCK_TEST)
{
	__u32 set[ETHTOOL_SPREAD], now[ETHTOOL_SPREAD];
	struct queues *q = self->q;
	unsigned int n, m, i;
	bool up;

	if (ethtool_get_spread(q->w.sock, q->w.dev, set, &n))
		SKIP(return, "%s spreads nothing", q->w.dev);
	for (i = 0; i < n; i++)
		set[i] = i % 3 == 0;
	ASSERT_EQ(0, ethtool_set_spread(q->w.sock, q->w.dev, set, n));
	for (up = true;; up = false) {
		if (!up)
			ASSERT_EQ(0, nic_down(q->w.sock, q->w.dev));
		ASSERT_EQ(0, bind_one(q, 1));
		EXPECT_TRUE(spread_is(q, 1));
		EXPECT_EQ(-EBUSY, ethtool_set_spread(q->w.sock, q->w.dev, set,
						     n));
		ASSERT_EQ(0, bind_one(q, 0));
		EXPECT_TRUE(spread_is(q, -1));
		ASSERT_EQ(0, mp_attach_queue(q->fd[1], false));
		EXPECT_TRUE(spread_is(q, 0));
		ASSERT_EQ(0, mp_unbind(q->fd[0]));
		EXPECT_TRUE(spread_is(q, 1));
		ASSERT_EQ(0, mp_attach_queue(q->fd[1], true));
		ASSERT_EQ(0, mp_unbind(q->fd[1]));
		ASSERT_EQ(0, ethtool_get_spread(q->w.sock, q->w.dev, now, &m));
		ASSERT_EQ(n, m);
		EXPECT_EQ(0, memcmp(set, now, n * sizeof(*set)));
		if (!up)
			break;
	}
}

static int set_iff(int fd, const char *dev, int flags)
{
	struct ifreq ifr = { .ifr_flags = flags };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", dev);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		return -errno;
	/* The name that it has, as tun answers. */
	return *dev && strcmp(ifr.ifr_name, dev) ? -EBADMSG : !*ifr.ifr_name;
}

#define TAP	(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)

TEST_F_TIMEOUT(pair, by_tunsetiff, CLOCK_TEST)
{
	struct queues *q = self->q;
	const char *dev = q->w.dev;

	EXPECT_EQ(-ENODEV, set_iff(self->fd, "", TAP));
	EXPECT_EQ(-ENODEV, set_iff(self->fd, "tap%d", TAP));
	EXPECT_EQ(-EOPNOTSUPP, set_iff(self->fd, "lo", TAP));
	EXPECT_EQ(-EINVAL, set_iff(self->fd, dev, TAP & ~IFF_VNET_HDR));
	EXPECT_EQ(-EINVAL, set_iff(self->fd, dev, TAP | IFF_NAPI));
	EXPECT_EQ(-ENOTCONN, mp_iff_flags(self->fd));

	ASSERT_EQ(0, set_iff(q->fd[0], dev, TAP));
	EXPECT_EQ(0, mp_count(q->fd[0], "queue"));
	EXPECT_EQ(0, set_iff(q->fd[0], dev, TAP));
	EXPECT_EQ(0, set_iff(q->fd[0], "", TAP | IFF_MULTI_QUEUE));
	EXPECT_EQ(-EEXIST, set_iff(q->fd[0], "lo", TAP));
	EXPECT_EQ(-EBUSY, set_iff(q->fd[1], dev, TAP));
	EXPECT_EQ(-EBUSY, set_iff(q->fd[1], dev, TAP | IFF_MULTI_QUEUE));
	ASSERT_EQ(0, mp_unbind(q->fd[0]));

	ASSERT_EQ(0, set_iff(q->fd[0], dev, TAP | IFF_MULTI_QUEUE));
	EXPECT_EQ(-EBUSY, set_iff(q->fd[1], dev, TAP));
	ASSERT_EQ(0, set_iff(q->fd[1], dev, TAP | IFF_MULTI_QUEUE));
	EXPECT_EQ(1, mp_count(q->fd[1], "queue"));
	EXPECT_EQ(-EBUSY, set_iff(self->fd, dev, TAP | IFF_MULTI_QUEUE));

	/* The first that is free. */
	ASSERT_EQ(0, mp_unbind(q->fd[0]));
	ASSERT_EQ(0, set_iff(self->fd, dev, TAP | IFF_MULTI_QUEUE));
	EXPECT_EQ(0, mp_count(self->fd, "queue"));
}

/* QEMU ends when it fails, and a guest says when it is called. */
TEST_F_TIMEOUT(pair, tunsetqueue, CLOCK_TEST)
{
	struct ifreq ifr = {};
	struct queues *q = self->q;

	EXPECT_EQ(0, mp_attach_queue(q->fd[1], true));
	EXPECT_EQ(0, mp_attach_queue(q->fd[1], false));
	EXPECT_EQ(-1, ioctl(q->fd[1], TUNSETQUEUE, &ifr));
	EXPECT_EQ(EINVAL, errno);
	ifr.ifr_flags = IFF_ATTACH_QUEUE | IFF_DETACH_QUEUE;
	EXPECT_EQ(-1, ioctl(q->fd[1], TUNSETQUEUE, &ifr));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, ioctl(q->fd[1], TUNSETQUEUE, NULL));
	EXPECT_EQ(EFAULT, errno);
	/* It was said before there was a device. */
	ASSERT_EQ(0, bind_one(q, 0));
	ASSERT_EQ(0, bind_one(q, 1));
	EXPECT_TRUE(mp_iff_flags(q->fd[1]) & IFF_DETACH_QUEUE);
	EXPECT_TRUE(spread_is(q, 0));
	ASSERT_EQ(0, mp_attach_queue(q->fd[1], true));
	EXPECT_TRUE(spread_is(q, -1));
}

/* A guest that turns queues on and off in a loop waits, and RTNL is free. */
TEST_F_TIMEOUT(pair, tunsetqueue_in_a_loop, CLOCK_TEST)
{
	struct queues *q = self->q;
	long long start;
	int i;

	ASSERT_EQ(0, bind_one(q, 0));
	ASSERT_EQ(0, bind_one(q, 1));
	start = clock_ms();
	for (i = 0; i < 120; i++)
		ASSERT_EQ(0, mp_attach_queue(q->fd[1], i % 2));
	/* 64 in a row, and 20 a second, or as jiffies have it */
	EXPECT_LE(120, 64 + 2 + (clock_ms() - start) / 40);
	EXPECT_TRUE(spread_is(q, -1));
}

TEST_HARNESS_MAIN
