// SPDX-License-Identifier: GPL-2.0
/*
 * Commands of io_uring: what is received and sent by them, how they come back,
 * and that nothing is left of a program that ends with some outstanding.
 */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <linux/if_tun.h>
#include <linux/pkt_sched.h>

#include "kselftest_harness.h"

#include "clock.h"
#include "file.h"
#include "flow.h"
#include "mp.h"
#include "nic.h"
#include "regs.h"
#include "rtnl.h"
#include "say.h"
#include "uring.h"
#include "wire.h"

#define BUFS		64
#define ROOM		2048
#define SIZE		(BUFS * ROOM)
#define PAGE		4096UL
#define HDR		sizeof(struct virtio_net_hdr_mrg_rxbuf)
#define WHOLE		256	/* bytes of a frame that is copied whole */
#define ARP		42	/* bytes of one that is padded */
#define STOPPED		1000000	/* user_data of what is no buffer */

#define DEFERRED	(IORING_SETUP_SINGLE_ISSUER | \
			 IORING_SETUP_DEFER_TASKRUN)

/* A program that posts. */
struct poster {
	struct wire	*w;
	struct uring	r;
	unsigned char	*mem;
	int		hdr;		/* bytes in front of a frame */
	unsigned int	turn;		/* of buffers that came back */
};

static int poster_open(struct poster *p, struct wire *w, unsigned int flags)
{
	int err;

	*p = (struct poster) { .w = w, .r.fd = -1, .hdr = HDR };
	p->mem = mmap(NULL, SIZE + PAGE, PROT_NONE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p->mem == MAP_FAILED ||
	    mprotect(p->mem, SIZE, PROT_READ | PROT_WRITE))
		return -ENOMEM;
	if (ioctl(w->fd, TUNSETVNETHDRSZ, &p->hdr) < 0) {
		say("TUNSETVNETHDRSZ: %s", strerror(errno));
		return -errno;
	}
	err = uring_open(&p->r, BUFS, flags);
	if (err)
		say("%s", strerror(-err));
	return err;
}

static void poster_close(struct poster *p)
{
	uring_close(&p->r);
	if (p->mem && p->mem != MAP_FAILED)
		munmap(p->mem, SIZE + PAGE);
}

static unsigned char *buffer(struct poster *p, unsigned int i)
{
	return p->mem + i * ROOM;
}

static int post(struct poster *p, unsigned int i)
{
	return uring_mp(&p->r, p->w->fd, MPASSTHRU_URING_RECV, buffer(p, i),
			ROOM, i) ? 0 : -EIO;
}

static int post_frame(struct poster *p, unsigned int i, __u32 len)
{
	return uring_mp(&p->r, p->w->fd, MPASSTHRU_URING_SEND, buffer(p, i),
			len, i) ? 0 : -EIO;
}

static int post_all(struct poster *p)
{
	unsigned int i;

	p->turn = 0;
	for (i = 0; i < BUFS; i++)
		if (post(p, i))
			return -EIO;
	return uring_enter(&p->r, 0, 0);
}

/* They come back in the order of posting, in which they are posted again. */
static bool in_turn(struct poster *p, const struct io_uring_cqe *cqe)
{
	unsigned int i = p->turn++ % BUFS;

	if (cqe->user_data == i)
		return true;
	say("buffer %llu: %d, in the place of buffer %u", cqe->user_data,
	    cqe->res, i);
	return false;
}

/* One command, alone: its result. */
static int result(struct poster *p, __u32 op, const void *addr, __u32 len)
{
	struct io_uring_cqe cqe;

	if (!uring_mp(&p->r, p->w->fd, op, addr, len, 0) ||
	    !uring_wait(&p->r, &cqe, clock_patience()))
		return 1;
	return cqe.res;
}

/* What is received into is given back, and the claim with it. */
static int stop(struct poster *p)
{
	struct io_uring_cqe cqe;
	unsigned int i;

	if (!uring_stop(&p->r, p->w->fd, MPASSTHRU_URING_STOP_RECV, STOPPED))
		return -EIO;
	for (i = 0; i < BUFS + 1; i++)
		if (!uring_wait(&p->r, &cqe, clock_patience()))
			return -1;
	return 0;
}

/* Does each buffer come back with @res? */
static bool all_back(struct poster *p, int res)
{
	struct io_uring_cqe cqe;
	unsigned int i;

	for (i = 0; i < BUFS; i++) {
		if (!uring_wait(&p->r, &cqe, clock_patience())) {
			say("buffer %u does not come back", i);
			return false;
		}
		if (!in_turn(p, &cqe))
			return false;
		if (cqe.res != res) {
			say("buffer %u: %d, not %d", i, cqe.res, res);
			return false;
		}
	}
	return true;
}

/*
 * After STOP, all buffers that are posted and its own CQE: frames first, and
 * then what is empty.  Returns how many frames those of the peer were, or -1.
 * *@next is the number of the next one, or, with @lossy, the least that it can
 * have.
 */
static int all_stopped(struct poster *p, __u32 *next, bool lossy)
{
	bool empty = false, stopped = false;
	struct io_uring_cqe cqe;
	int i, n = 0, ret;
	__u32 seq;

	for (i = 0; i < BUFS + 1; i++) {
		if (!uring_wait(&p->r, &cqe, clock_patience())) {
			say("%d came back", i);
			return -1;
		}
		if (cqe.user_data == STOPPED && !cqe.res && !stopped) {
			stopped = true;
			continue;
		}
		if (!in_turn(p, &cqe))
			return -1;
		if (cqe.res == -ECANCELED) {
			empty = true;
			continue;
		}
		if (cqe.res <= p->hdr || empty) {
			say("%d%s", cqe.res, empty ? " after ECANCELED" : "");
			return -1;
		}
		ret = frame_check(&p->w->peer.frame,
				  buffer(p, cqe.user_data) + p->hdr,
				  cqe.res - p->hdr, &seq);
		if (ret == FRAME_FOREIGN)
			continue;
		if (ret == FRAME_BAD)
			return -1;
		if (lossy ? seq < *next : seq != *next) {
			say("frame %u in the place of %u", seq, *next);
			return -1;
		}
		*next = seq + 1;
		n++;
	}
	return n;
}

/* Takes a frame of the peer and posts its buffer anew.  0, 1: none in @ms. */
static int take(struct poster *p, __u32 *seq, int *len, int ms)
{
	long long end = clock_ms() + ms;
	struct io_uring_cqe cqe;
	unsigned int i;
	int ret;

	do {
		if (!uring_wait(&p->r, &cqe, ms))
			return 1;
		if (!in_turn(p, &cqe))
			return -1;
		if (cqe.res < p->hdr) {
			say("buffer %llu: %d", cqe.user_data, cqe.res);
			return -1;
		}
		i = cqe.user_data;
		*len = cqe.res - p->hdr;
		ret = frame_check(&p->w->peer.frame, buffer(p, i) + p->hdr,
				  *len, seq);
		memset(buffer(p, i), 0x5a, ROOM);
		if (post(p, i) || uring_enter(&p->r, 0, 0))
			return -1;
		if (ret == FRAME_OK)
			return 0;
	} while (ret == FRAME_FOREIGN && clock_ms() < end);
	return ret == FRAME_FOREIGN ? 1 : -1;
}

/* The link may be coming up: until one arrives, and all that were sent did. */
static int start(struct poster *p)
{
	long long end = clock_ms() + clock_patience();
	int len, ret = 1;
	__u32 seq;

	while (ret == 1 && clock_ms() < end) {
		if (peer_send(&p->w->peer, 600))
			return -1;
		ret = take(p, &seq, &len, 100);
	}
	while (!ret && seq + 1 != p->w->peer.seq)
		ret = take(p, &seq, &len, clock_patience());
	if (ret)
		say("no frame arrives");
	return ret;
}

static void make_frame(struct poster *p, const struct frame *f, unsigned int i,
		       __u32 seq, size_t len)
{
	memset(buffer(p, i), 0, p->hdr);
	frame_build(f, buffer(p, i) + p->hdr, seq, len);
}

/* The other way: until one arrives.  @seq is the number of the next one. */
static int start_sending(struct poster *p, const struct frame *f, __u32 *seq)
{
	long long end = clock_ms() + clock_patience();
	unsigned char buf[FRAME_BUF];
	__u32 n, got;
	int res, len;

	for (n = 0; clock_ms() < end; n++) {
		make_frame(p, f, 0, n, 600);
		res = result(p, MPASSTHRU_URING_SEND, p->mem, p->hdr + 600);
		if (res != p->hdr + 600) {
			say("sent: %d", res);
			return -1;
		}
		*seq = n + 1;
		while ((len = peer_recv(&p->w->peer, buf, sizeof(buf), 100,
					NULL)) > 0)
			if (frame_check(f, buf, len, &got) == FRAME_OK &&
			    got == n)
				return 0;
	}
	say("no frame arrives");
	return -1;
}

/* Do @n frames come to the peer, and nothing in between? */
static bool arrive(struct poster *p, const struct frame *f, __u32 seq,
		   unsigned int n)
{
	while (n--)
		if (!peer_expect(&p->w->peer, f, seq++, clock_patience()))
			return false;
	return true;
}

/* With a new stream of its own, when the link is up. */
static int ready_to_send(struct poster *p, struct frame *f, __u32 *seq)
{
	struct wire *w = p->w;

	*f = (struct frame) { .stream = frame_stream() };
	memcpy(f->src, w->mac, 6);
	memcpy(f->dst, w->peer.mac, 6);
	if (post_all(p) || start(p) || stop(p))
		return -1;
	peer_drain(&w->peer);
	return start_sending(p, f, seq);
}

/* One frame of each length, complete and in its turn. */
static int receive(struct poster *p, size_t from, size_t to)
{
	__u32 seq, want;
	int len;

	for (; from <= to; from++) {
		want = p->w->peer.seq;
		if (peer_send(&p->w->peer, from) ||
		    take(p, &seq, &len, clock_patience()))
			return -1;
		if (seq == want && len == from)
			continue;
		say("frame %u of %d bytes, in the place of %u of %zu", seq,
		    len, want, from);
		return -1;
	}
	return 0;
}

/* Until a counter is what it is to become. */
static bool becomes(struct wire *w, const char *name, long long value)
{
	long long end = clock_ms() + clock_patience();

	while (wire_count(w, name) != value) {
		if (clock_ms() > end) {
			say("mp-%s: %lld", name, wire_count(w, name));
			return false;
		}
		usleep(10000);
	}
	return true;
}

/* Until it is not more than that. */
static bool falls(struct wire *w, const char *name, long long value)
{
	long long end = clock_ms() + clock_patience();

	while (wire_count(w, name) > value) {
		if (clock_ms() > end) {
			say("mp-%s: %lld", name, wire_count(w, name));
			return false;
		}
		usleep(10000);
	}
	return true;
}

/* No command is left, nothing is with the NIC, and nothing is pinned. */
static bool gone(struct wire *w)
{
	return becomes(w, "uring-rx", 0) && becomes(w, "uring-tx", 0) &&
	       becomes(w, "outstanding", 0) &&
	       becomes(w, "tx-outstanding", 0) &&
	       becomes(w, "pinned", 0) && becomes(w, "tx-pinned", 0);
}

FIXTURE(uring)
{
	struct wire w;
	struct poster p;
	struct guest g;
	struct regs regs;
	__u32 tx_ctl;		/* that a test has changed */
	int rtnl;		/* 0: the NIC has no hook for what it sends */
};

FIXTURE_VARIANT(uring)
{
	unsigned int flags;
};

FIXTURE_VARIANT_ADD(uring, plain)
{
};

FIXTURE_VARIANT_ADD(uring, deferred)
{
	.flags = DEFERRED,
};

FIXTURE_VARIANT_ADD(uring, thread)
{
	.flags = IORING_SETUP_SQPOLL,
};

static const char *missing(void)
{
	const char *why = wire_missing();
	struct uring r;

	if (why)
		return why;
	if (wire_is_tap())
		return "only with a NIC";
	if (uring_open(&r, 1, 0))
		return "no io_uring";
	uring_close(&r);
	return NULL;
}

/* Frames that leave go by an skb as long as there is one; NULL: none. */
static int hook(struct wire *w, int rtnl, const char *kind)
{
	return rtnl_qdisc(rtnl, nic_index(w->sock, w->dev), TC_H_CLSACT, kind);
}

FIXTURE_SETUP(uring)
{
	const char *why = missing();

	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, wire_open(&self->w));
	ASSERT_EQ(0, poster_open(&self->p, &self->w, variant->flags));
}

FIXTURE_TEARDOWN(uring)
{
	peer_calm(&self->w.peer);
	if (self->rtnl > 0) {
		hook(&self->w, self->rtnl, NULL);
		close(self->rtnl);
	}
	if (self->tx_ctl)
		regs_write(&self->regs, REGS_TX(&self->regs), self->tx_ctl);
	regs_close(&self->regs);
	poster_close(&self->p);
	if (self->g.mem)
		guest_close(&self->g);
	wire_close(&self->w);
}

TEST_F_TIMEOUT(uring, received, CLOCK_TEST)
{
	struct poster *p = &self->p;
	struct wire *w = &self->w;
	long long zerocopy;

	ASSERT_EQ(0, post_all(p));
	ASSERT_EQ(0, start(p));
	zerocopy = wire_count(w, "zerocopy");
	ASSERT_EQ(0, receive(p, FRAME_MIN, FRAME_MAX));
	EXPECT_LE(zerocopy + FRAME_MAX - FRAME_MIN + 1,
		  wire_count(w, "zerocopy"));
	EXPECT_EQ(0, wire_count(w, "bounced"));
	EXPECT_EQ(0, wire_count(w, "copied"));
}

/* More than the ring of the NIC and the FIFO have room for at a time. */
TEST_F_TIMEOUT(uring, flooded, CLOCK_TEST)
{
	struct poster *p = &self->p;
	__u32 seq, last = 0;
	int i, len;

	ASSERT_EQ(0, post_all(p));
	ASSERT_EQ(0, start(p));
	ASSERT_EQ(0, peer_flood(&self->w.peer, 0));
	for (i = 0; i < 20 * BUFS; i++) {
		ASSERT_EQ(0, take(p, &seq, &len, clock_patience()));
		ASSERT_LT(last, seq);
		last = seq;
	}
}

/* One that is padded on its way: the result is of what was posted. */
static bool sends_short(struct poster *p, const struct frame *f, __u32 seq)
{
	long long end = clock_ms() + clock_patience();
	unsigned char buf[FRAME_BUF];
	int res, len;

	make_frame(p, f, 0, seq, ARP);
	res = result(p, MPASSTHRU_URING_SEND, p->mem, p->hdr + ARP);
	if (res != p->hdr + ARP) {
		say("%d, not %d", res, p->hdr + ARP);
		return false;
	}
	while (clock_ms() < end) {
		len = peer_recv(&p->w->peer, buf, sizeof(buf), 100, NULL);
		if (len >= ARP && !memcmp(buf, p->mem + p->hdr, ARP))
			return true;
	}
	say("it did not come");
	return false;
}

TEST_F_TIMEOUT(uring, sent, CLOCK_TEST)
{
	struct poster *p = &self->p;
	struct wire *w = &self->w;
	struct io_uring_cqe cqe;
	unsigned int i, n, len;
	struct frame f;
	__u32 seq;

	ASSERT_EQ(0, ready_to_send(p, &f, &seq));
	for (len = FRAME_MIN; len + BUFS <= FRAME_MAX; len += BUFS) {
		for (i = 0; i < BUFS; i++) {
			make_frame(p, &f, i, seq + i, len + i);
			ASSERT_EQ(0, post_frame(p, i, HDR + len + i));
		}
		ASSERT_EQ(0, uring_enter(&p->r, 0, 0));
		for (n = 0; n < BUFS; n++) {
			ASSERT_TRUE(uring_wait(&p->r, &cqe, clock_patience()));
			ASSERT_EQ(n, cqe.user_data);
			ASSERT_EQ(HDR + len + n, cqe.res);
		}
		ASSERT_TRUE(arrive(p, &f, seq, BUFS));
		seq += BUFS;
	}
	EXPECT_TRUE(sends_short(p, &f, seq));
	EXPECT_LE(FRAME_MAX - WHOLE - BUFS, wire_count(w, "tx-zerocopy"));
	EXPECT_EQ(0, wire_count(w, "tx-bounced"));
	EXPECT_EQ(0, wire_count(w, "tx-copied"));
}

/* There is room for a few at a time: commands wait for those before. */
TEST_F_TIMEOUT(uring, sent_by_skb, CLOCK_TEST)
{
	struct poster *p = &self->p;
	struct wire *w = &self->w;
	long long copied, posted, end;
	struct io_uring_cqe cqe;
	int sndbuf = 8192;
	struct frame f;
	unsigned int i;
	__u32 seq;

	ASSERT_EQ(0, ready_to_send(p, &f, &seq));
	ASSERT_EQ(0, ioctl(w->fd, TUNSETSNDBUF, &sndbuf));
	self->rtnl = rtnl_open();
	ASSERT_LT(0, self->rtnl);
	ASSERT_EQ(0, hook(w, self->rtnl, "clsact"));
	copied = wire_count(w, "tx-copied");
	for (i = 0; i < BUFS; i++) {
		make_frame(p, &f, i, seq + i, 1400 + i);
		ASSERT_EQ(0, post_frame(p, i, HDR + 1400 + i));
	}
	ASSERT_EQ(0, uring_enter(&p->r, 0, 0));
	for (i = 0; i < BUFS; i++) {
		ASSERT_TRUE(uring_wait(&p->r, &cqe, clock_patience()));
		ASSERT_EQ(i, cqe.user_data);
		ASSERT_EQ(HDR + 1400 + i, cqe.res);
	}
	ASSERT_TRUE(arrive(p, &f, seq, BUFS));
	EXPECT_EQ(copied + BUFS, wire_count(w, "tx-copied"));

	/* And by DMA again, when the last of them is gone. */
	ASSERT_EQ(0, hook(w, self->rtnl, NULL));
	posted = wire_count(w, "tx-zerocopy");
	end = clock_ms() + clock_patience();
	while (wire_count(w, "tx-zerocopy") == posted && clock_ms() < end) {
		ASSERT_EQ(HDR + 1400, result(p, MPASSTHRU_URING_SEND, p->mem,
					     HDR + 1400));
	}
	EXPECT_LT(posted, wire_count(w, "tx-zerocopy"));
}

/* A descriptor that is open for @may alone, and bound to nothing. */
static int one_way(struct poster *p, int flags, __u32 may_not, __u32 may)
{
	int bound = p->w->fd, refused, res;

	p->w->fd = open(MP_NODE, flags | O_CLOEXEC);
	if (p->w->fd < 0) {
		p->w->fd = bound;
		return -errno;
	}
	refused = result(p, may_not, p->mem, ROOM);
	res = result(p, may, p->mem, ROOM);
	close(p->w->fd);
	p->w->fd = bound;
	if (refused == -EBADF && res == -ENOTCONN)
		return 0;
	say("%d in place of EBADF, %d of ENOTCONN", refused, res);
	return -1;
}

/* What makes no sense is refused, or comes back, and harms nothing. */
TEST_F_TIMEOUT(uring, wrong, CLOCK_TEST)
{
	const __u32 recv = MPASSTHRU_URING_RECV, send = MPASSTHRU_URING_SEND;
	struct poster *p = &self->p;
	struct mpassthru_uring_cmd arg = {
		.addr	= (uintptr_t)p->mem,
		.len	= ROOM,
	};
	struct wire *w = &self->w;
	struct io_uring_cqe cqe;
	struct io_uring_sqe *sqe;
	void *none, *kernel = (void *)(-1UL << 12);
	__u32 what;

	none = mmap(NULL, ROOM, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, none);

	EXPECT_EQ(-EINVAL, result(p, recv, p->mem, 0));
	EXPECT_EQ(-EINVAL, result(p, send, p->mem, 0));
	EXPECT_EQ(-EINVAL, result(p, send, p->mem, HDR + 13));
	EXPECT_EQ(-EMSGSIZE, result(p, recv, p->mem, HDR + FRAME_MAX - 1));
	EXPECT_EQ(-EFAULT, result(p, recv, kernel, ROOM));
	EXPECT_EQ(-EFAULT, result(p, send, kernel, ROOM));
	EXPECT_EQ(-EFAULT, result(p, recv, none, ROOM));
	EXPECT_EQ(-EFAULT, result(p, send, none, ROOM));
	/* Over the end of the buffers, behind which there is a hole. */
	EXPECT_EQ(-EFAULT, result(p, recv, buffer(p, BUFS) - 8, ROOM));
	EXPECT_EQ(-EMSGSIZE, result(p, send, p->mem, 70000));
	EXPECT_EQ(-EOPNOTSUPP, result(p, MPASSTHRU_BINDDEV, p->mem, ROOM));

	sqe = uring_mp(&p->r, w->fd, recv, p->mem, ROOM, 0);
	ASSERT_NE(NULL, sqe);
	sqe->flags = IOSQE_ASYNC;
	ASSERT_TRUE(uring_wait(&p->r, &cqe, clock_patience()));
	EXPECT_EQ(-EOPNOTSUPP, cqe.res);
	/* There is no such buffer; it would not be taken if there was. */
	sqe = uring_mp(&p->r, w->fd, recv, p->mem, ROOM, 0);
	ASSERT_NE(NULL, sqe);
	sqe->uring_cmd_flags = IORING_URING_CMD_FIXED;
	ASSERT_TRUE(uring_wait(&p->r, &cqe, clock_patience()));
	EXPECT_EQ(-EINVAL, cqe.res);
	/* Flags are for STOP alone, and the rest is for the others alone. */
	arg.flags = MPASSTHRU_URING_STOP_RECV;
	ASSERT_NE(NULL, uring_cmd(&p->r, w->fd, recv, &arg, 0));
	ASSERT_TRUE(uring_wait(&p->r, &cqe, clock_patience()));
	EXPECT_EQ(-EINVAL, cqe.res);
	ASSERT_NE(NULL, uring_cmd(&p->r, w->fd, MPASSTHRU_URING_STOP, &arg,
				  0));
	ASSERT_TRUE(uring_wait(&p->r, &cqe, clock_patience()));
	EXPECT_EQ(-EINVAL, cqe.res);
	for (what = 0; what <= 4; what += 4) {
		ASSERT_NE(NULL, uring_stop(&p->r, w->fd, what, STOPPED));
		ASSERT_TRUE(uring_wait(&p->r, &cqe, clock_patience()));
		EXPECT_EQ(-EINVAL, cqe.res);
	}
	munmap(none, ROOM);
	EXPECT_EQ(0, one_way(p, O_RDONLY, send, recv));
	EXPECT_EQ(0, one_way(p, O_WRONLY, recv, send));

	ASSERT_EQ(0, post_all(p));
	ASSERT_EQ(0, start(p));
	EXPECT_EQ(0, receive(p, 600, 700));
}

/* No more are outstanding than there is room for; the others go on. */
TEST_F_TIMEOUT(uring, too_many, CLOCK_TEST)
{
	struct poster *p = &self->p;
	unsigned int i, n = 0, bad = 0;
	struct io_uring_cqe cqe;
	struct uring *r = &p->r;

	for (i = 0; i < 1024 + BUFS; i++) {
		ASSERT_EQ(0, post(p, i % BUFS));
		if (i % BUFS == BUFS - 1)
			ASSERT_EQ(0, uring_enter(r, 0, 0));
		while (uring_next(r, &cqe))
			bad += cqe.res == -ENOBUFS;
	}
	ASSERT_NE(NULL, uring_stop(r, self->w.fd, MPASSTHRU_URING_STOP_RECV,
				   STOPPED));
	while (n < 1024 && uring_wait(r, &cqe, clock_patience())) {
		bad += cqe.res == -ENOBUFS;
		n += cqe.res == -ECANCELED;
	}
	EXPECT_LE(BUFS - 8, bad);	/* frames may have come */
	EXPECT_LE(1024 - 8, n);
	EXPECT_TRUE(becomes(&self->w, "outstanding", 0));
}

TEST_F_TIMEOUT(uring, stopped, CLOCK_TEST)
{
	const __u32 both = MPASSTHRU_URING_STOP_RECV |
			   MPASSTHRU_URING_STOP_SEND;
	struct poster *p = &self->p;
	struct wire *w = &self->w;
	__u32 next;
	int n;

	for (n = 0; n < 5 * 8; n += 8) {
		ASSERT_EQ(0, post_all(p));
		ASSERT_EQ(0, start(p));
		ASSERT_EQ(0, receive(p, 600, 600 + BUFS / 2));
		/* So many are filled, and nobody has looked. */
		ASSERT_TRUE(becomes(w, "armed", BUFS));
		next = w->peer.seq;
		ASSERT_EQ(0, peer_send_n(&w->peer, n, 600, 1));
		ASSERT_TRUE(falls(w, "armed", BUFS - n));
		ASSERT_NE(NULL, uring_stop(&p->r, w->fd, both, STOPPED));
		ASSERT_EQ(n, all_stopped(p, &next, false));
		ASSERT_EQ(0, wire_count(w, "outstanding"));
	}
}

TEST_F_TIMEOUT(uring, stopped_in_a_flood, CLOCK_TEST)
{
	struct poster *p = &self->p;
	struct wire *w = &self->w;
	int i, n, len, ret;
	__u32 seq;

	for (n = 1; n <= 5; n++) {
		ASSERT_EQ(0, post_all(p));
		ASSERT_EQ(0, start(p));
		ASSERT_EQ(0, peer_flood(&w->peer, 0));
		for (i = 0, ret = 0; i < n * BUFS && !ret; i++)
			ret = take(p, &seq, &len, clock_patience());
		ASSERT_EQ(0, ret);
		ASSERT_NE(NULL, uring_stop(&p->r, w->fd,
					   MPASSTHRU_URING_STOP_RECV, STOPPED));
		seq++;
		ASSERT_LE(0, all_stopped(p, &seq, true));
		ASSERT_EQ(0, wire_count(w, "outstanding"));
		peer_calm(&w->peer);
		/* What is on its way comes before buffers run out anew. */
		usleep(50000);
	}
}

/*
 * @n frames of 1400 bytes, and STOP right behind: each command comes back, what
 * was not sent behind what was.  Returns how many were, or -1.
 */
static int send_and_stop(struct poster *p, unsigned int n)
{
	const __u32 send = MPASSTHRU_URING_SEND;
	int len = p->hdr + 1400, sent = 0;
	struct wire *w = p->w;
	struct io_uring_cqe cqe;
	bool stopped = false;
	unsigned int i;

	for (i = 0; i < n; i++)
		if (!uring_mp(&p->r, w->fd, send, buffer(p, i % BUFS), len, i))
			return -1;
	if (!uring_stop(&p->r, w->fd, MPASSTHRU_URING_STOP_SEND, STOPPED))
		return -1;
	for (i = 0; i < n || !stopped; ) {
		if (!uring_wait(&p->r, &cqe, clock_patience())) {
			say("%u came back", i);
			return -1;
		}
		if (cqe.user_data == STOPPED && !cqe.res && !stopped) {
			stopped = true;
			continue;
		}
		if (cqe.user_data != i || (cqe.res != -ECANCELED &&
					   (cqe.res != len || sent != i))) {
			say("%llu: %d, in the place of %u, %d sent",
			    cqe.user_data, cqe.res, i, sent);
			return -1;
		}
		sent += cqe.res == len;
		i++;
	}
	return sent;
}

TEST_F_TIMEOUT(uring, stopped_sending, CLOCK_TEST)
{
	struct poster *p = &self->p;
	struct wire *w = &self->w;
	struct io_uring_cqe cqe;
	unsigned int n;
	struct frame f;
	int i, sent;
	__u32 seq;

	ASSERT_EQ(0, ready_to_send(p, &f, &seq));
	/* Some of them are submitted together with STOP. */
	for (n = BUFS; n <= 4 * BUFS; n += 3 * BUFS / 4) {
		for (i = 0; i < BUFS; i++)
			make_frame(p, &f, i, seq + i, 1400);
		sent = send_and_stop(p, n);
		ASSERT_LE(0, sent);
		ASSERT_FALSE(uring_next(&p->r, &cqe));
		ASSERT_TRUE(becomes(w, "uring-tx", 0));
		ASSERT_EQ(0, wire_count(w, "tx-outstanding"));
		/* For as many the peer has room, for sure. */
		ASSERT_TRUE(arrive(p, &f, seq, sent < BUFS ? sent : BUFS));
		f.stream = frame_stream();
		ASSERT_EQ(0, start_sending(p, &f, &seq));
	}
}

TEST_F_TIMEOUT(uring, unbound, CLOCK_TEST)
{
	struct poster *p = &self->p;
	struct wire *w = &self->w;
	int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, post_all(p));
		/* All of them are with the NIC. */
		ASSERT_TRUE(becomes(w, "outstanding", BUFS));
		ASSERT_EQ(0, mp_unbind(w->fd));
		ASSERT_TRUE(all_back(p, -ECANCELED));
		ASSERT_EQ(-ENOTCONN, result(p, MPASSTHRU_URING_RECV, p->mem,
					    ROOM));
		ASSERT_EQ(0, mp_bind(w->fd, w->dev));
	}
	ASSERT_EQ(0, post_all(p));
	ASSERT_EQ(0, start(p));
	ASSERT_EQ(0, receive(p, 600, 700));
}

/* A ring is closed with everything outstanding: another one goes on. */
TEST_F_TIMEOUT(uring, ring_closed, CLOCK_TEST)
{
	struct poster *p = &self->p;
	struct wire *w = &self->w;
	int i;

	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, post_all(p));
		ASSERT_EQ(0, start(p));
		ASSERT_EQ(0, peer_flood(&w->peer, 0));
		usleep(10000 * i);
		uring_close(&p->r);
		peer_calm(&w->peer);
		ASSERT_TRUE(becomes(w, "uring-rx", 0));
		ASSERT_EQ(0, wire_count(w, "outstanding"));
		munmap(p->mem, SIZE + PAGE);
		ASSERT_EQ(0, poster_open(p, w, variant->flags));
	}
	/* The last of what was pinned went with its address space's part. */
	ASSERT_EQ(0, mp_unbind(w->fd));
	EXPECT_TRUE(gone(w));
}

/* Commands hold the descriptor: it works on, and goes with the last of them. */
TEST_F_TIMEOUT(uring, descriptor_closed, CLOCK_TEST)
{
	struct poster *p = &self->p;
	struct wire *w = &self->w;
	struct io_uring_cqe cqe;

	ASSERT_EQ(0, post_all(p));
	ASSERT_EQ(0, start(p));
	ASSERT_TRUE(uring_taken(&p->r, clock_patience()));
	close(w->fd);
	w->fd = -1;
	ASSERT_EQ(0, peer_send(&w->peer, 900));
	ASSERT_TRUE(uring_wait(&p->r, &cqe, clock_patience()));
	EXPECT_LT(0, cqe.res);
	uring_close(&p->r);
	/* It waits until the other one is unbound. */
	ASSERT_EQ(0, wire_bind(w));
	ASSERT_EQ(0, mp_unbind(w->fd));
	EXPECT_TRUE(wire_host_works(w));
}

/* A ring has a direction as long as commands of its are outstanding. */
TEST_F_TIMEOUT(uring, second_ring, CLOCK_TEST)
{
	struct poster *p = &self->p, other;
	struct wire *w = &self->w;

	ASSERT_EQ(0, poster_open(&other, w, variant->flags));
	ASSERT_EQ(0, post_all(p));
	ASSERT_EQ(0, start(p));
	EXPECT_EQ(-EBUSY, result(&other, MPASSTHRU_URING_RECV, other.mem,
				 ROOM));
	ASSERT_EQ(0, receive(p, 600, 700));

	ASSERT_EQ(0, stop(p));
	ASSERT_EQ(0, post_all(&other));
	ASSERT_EQ(0, start(&other));
	ASSERT_EQ(0, receive(&other, 600, 700));
	EXPECT_EQ(-EBUSY, result(p, MPASSTHRU_URING_RECV, p->mem, ROOM));
	poster_close(&other);
}

/* And so does vhost-net. */
TEST_F_TIMEOUT(uring, vhost, CLOCK_TEST)
{
	const struct guest_config cfg = { .features = BIT_V1 | BIT_MRG };
	struct guest *g = &self->g;
	struct poster *p = &self->p;
	struct wire *w = &self->w;

	ASSERT_EQ(0, guest_open(g, &cfg));
	ASSERT_EQ(0, post_all(p));
	ASSERT_EQ(0, start(p));
	EXPECT_EQ(-EBUSY, vhost_set_backend(&g->vhost, GUEST_RX, w->fd));
	ASSERT_EQ(0, receive(p, 600, 700));

	ASSERT_EQ(0, stop(p));
	ASSERT_EQ(0, guest_start(g, w->fd));
	ASSERT_EQ(0, guest_post_all(g));
	ASSERT_EQ(0, flow_start(w, g));
	EXPECT_EQ(-EBUSY, result(p, MPASSTHRU_URING_RECV, p->mem, ROOM));
	EXPECT_EQ(-EBUSY, result(p, MPASSTHRU_URING_SEND, p->mem, ROOM));
	ASSERT_EQ(0, flow_repeat(w, g, 256, 900, 32));

	ASSERT_EQ(0, guest_stop(g));
	ASSERT_EQ(0, post_all(p));
	ASSERT_EQ(0, start(p));
	ASSERT_EQ(0, receive(p, 600, 700));
}

/* Never ends of its own. */
static void be_a_program(struct poster *p, int up)
{
	__u32 seq;
	int len, ret;

	/* The flood's thread is not in this process. */
	p->w->peer.flooding = false;
	ret = post_all(p) ?: take(p, &seq, &len, clock_patience());
	if (ret)
		say("it receives nothing: %d, buffers of %u", ret, p->r.made);
	if (ret || write(up, "", 1) != 1)
		_exit(1);
	while (take(p, &seq, &len, clock_patience()) >= 0)
		;
	_exit(1);
}

/* By a ring of its own: this one is that of its parent. */
static void be_killed(struct wire *w, unsigned int flags, int up)
{
	struct poster p;

	if (poster_open(&p, w, flags))
		_exit(1);
	be_a_program(&p, up);
}

TEST_F_TIMEOUT(uring, killed, CLOCK_TEST)
{
	struct poster *p = &self->p;
	struct wire *w = &self->w;
	int i, status, up[2];
	pid_t pid;
	char c;

	ASSERT_EQ(0, peer_flood(&w->peer, 0));
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, pipe(up));
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			be_killed(w, variant->flags, up[1]);
		close(up[1]);
		/* 1 when it receives, 0 when it gave up */
		EXPECT_EQ(1, read(up[0], &c, 1));
		close(up[0]);
		usleep(3000 * i);
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_TRUE(WIFSIGNALED(status));
		ASSERT_TRUE(gone(w));
	}
	peer_calm(&w->peer);
	ASSERT_EQ(0, post_all(p));
	ASSERT_EQ(0, start(p));
	ASSERT_EQ(0, receive(p, 600, 700));
}

/* Sends one frame, with a header that is not its parent's, and ends. */
static void send_and_end(struct wire *w, unsigned int flags)
{
	struct frame f = { .stream = frame_stream() };
	int hdr_len = HDR + 2;
	struct poster p;

	memcpy(f.src, w->mac, 6);
	memcpy(f.dst, w->peer.mac, 6);
	if (poster_open(&p, w, flags) ||
	    ioctl(w->fd, TUNSETVNETHDRSZ, &hdr_len) < 0)
		_exit(1);
	memset(p.mem, 0, hdr_len);
	frame_build(&f, p.mem + hdr_len, 0, 600);
	_exit(result(&p, MPASSTHRU_URING_SEND, p.mem, hdr_len + 600) !=
	      hdr_len + 600);
}

/* Nothing tells that it has ended, as it has no command outstanding. */
TEST_F_TIMEOUT(uring, settings_of_one_that_ended, CLOCK_TEST)
{
	struct poster *p = &self->p;
	struct wire *w = &self->w;
	int status = -1;
	pid_t pid;

	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		send_and_end(w, variant->flags);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);
	ASSERT_EQ(0, post_all(p));
	ASSERT_EQ(0, start(p));
	ASSERT_EQ(0, receive(p, 600, 700));
}

/*
 * Receives and sends with a header of its own, has nothing outstanding at the
 * end, and does not say that it ends.
 */
static void leave(struct wire *w, unsigned int flags, bool killed)
{
	long long end = clock_ms() + clock_patience();
	struct frame f = { .stream = frame_stream() };
	struct io_uring_cqe cqe;
	unsigned int i = 4;
	struct poster p;
	int res;

	if (poster_open(&p, w, flags))
		_exit(1);
	while (i--)
		if (post(&p, i))
			_exit(1);
	for (i = 0; i < 4 && clock_ms() < end; ) {
		if (peer_send(&w->peer, 600))
			_exit(1);
		i += uring_wait(&p.r, &cqe, 100) && cqe.res > p.hdr;
	}
	memcpy(f.src, w->mac, 6);
	memcpy(f.dst, w->peer.mac, 6);
	make_frame(&p, &f, 0, 0, 600);
	res = result(&p, MPASSTHRU_URING_SEND, p.mem, p.hdr + 600);
	if (i != 4 || res != p.hdr + 600) {
		say("received %u, sent: %d", i, res);
		_exit(1);
	}
	if (killed)
		kill(getpid(), SIGKILL);
	_exit(0);
}

static bool left(struct wire *w, unsigned int flags, bool killed)
{
	int status = -1;
	pid_t pid;

	pid = fork();
	if (!pid)
		leave(w, flags, killed);
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		return false;
	/* Frames that it had its peer send may come still. */
	w->peer.seq += 10000;
	return killed ? WIFSIGNALED(status) : !status;
}

/* Does poll(2) tell of a frame of the peer, which read(2) reads? */
static bool reads(struct poster *p)
{
	long long end = clock_ms() + clock_patience();
	struct wire *w = p->w;
	struct pollfd pfd = { .fd = w->fd, .events = POLLIN };
	unsigned char buf[ROOM];
	__u32 seq;
	int len;

	while (clock_ms() < end) {
		if (peer_send(&w->peer, 600))
			return false;
		if (poll(&pfd, 1, 100) != 1 || !(pfd.revents & POLLIN))
			continue;
		len = read(w->fd, buf, sizeof(buf)) - p->hdr;
		if (len > 0 && frame_check(&w->peer.frame, buf + p->hdr, len,
					   &seq) == FRAME_OK)
			return true;
	}
	say("no frame is read");
	return false;
}

/* Where the first frame of the peer that is received begins, or -1. */
static int begins_at(struct poster *p)
{
	long long end = clock_ms() + clock_patience();
	const struct frame *f = &p->w->peer.frame;
	struct io_uring_cqe cqe;
	unsigned char *buf, *at;

	while (clock_ms() < end) {
		if (peer_send(&p->w->peer, 600))
			return -1;
		if (!uring_wait(&p->r, &cqe, 100))
			continue;
		buf = buffer(p, cqe.user_data);
		if (!in_turn(p, &cqe) || cqe.res <= 0)
			return -1;
		/* Its addresses are what a frame begins with. */
		at = memmem(buf, cqe.res, f->dst, 6);
		if (at && memcmp(at + 6, f->src, 6))
			at = NULL;
		if (post(p, cqe.user_data) || uring_enter(&p->r, 0, 0))
			return -1;
		if (at)
			return at - buf;
	}
	say("no frame comes");
	return -1;
}

/*
 * Nothing tells that a ring with no command outstanding has ended.  Its claim
 * ends all the same, and with it what its program has set.
 */
TEST_F_TIMEOUT(uring, left, CLOCK_TEST)
{
	int hdr_len = sizeof(struct virtio_net_hdr), got = 0;
	struct poster *p = &self->p;
	struct wire *w = &self->w;
	struct frame f;
	__u32 seq;

	/* Nobody claims it: as that of a tap. */
	ASSERT_TRUE(left(w, variant->flags, false));
	ASSERT_EQ(0, fcntl(w->fd, F_SETFL, O_RDWR | O_NONBLOCK));
	EXPECT_TRUE(reads(p));
	ASSERT_EQ(0, fcntl(w->fd, F_SETFL, O_RDWR));

	/* And another header, from the first frame on. */
	ASSERT_TRUE(left(w, variant->flags, true));
	ASSERT_EQ(0, ioctl(w->fd, TUNSETVNETHDRSZ, &hdr_len));
	ASSERT_EQ(0, ioctl(w->fd, TUNGETVNETHDRSZ, &got));
	EXPECT_EQ(hdr_len, got);
	p->hdr = hdr_len;
	ASSERT_EQ(0, post_all(p));
	ASSERT_EQ(hdr_len, begins_at(p));
	ASSERT_EQ(0, start(p));
	ASSERT_EQ(0, receive(p, 600, 610));
	ASSERT_EQ(0, stop(p));
	ASSERT_EQ(0, ready_to_send(p, &f, &seq));
}

/*
 * What the NIC still has of a ring that is idle are copies.  No NIC is reset
 * for these on a wire that is paused, and they leave when it goes on.
 */
TEST_F_TIMEOUT(uring, left_paused, CLOCK_TEST)
{
	struct poster *p = &self->p;
	struct wire *w = &self->w;
	struct regs *r = &self->regs;
	struct io_uring_cqe cqe = {};
	struct frame f;
	__u32 seq;

	ASSERT_EQ(0, regs_open(r, w->dev));
	ASSERT_EQ(0, ready_to_send(p, &f, &seq));
	ASSERT_TRUE(becomes(w, "tx-outstanding", 0));
	make_frame(p, &f, 0, seq, 64);
	self->tx_ctl = regs_read(r, REGS_TX(r));
	/* For less than a second, which a driver takes for a hang. */
	regs_write(r, REGS_TX(r), self->tx_ctl & ~REGS_TX_ENABLE(r));
	EXPECT_EQ(HDR + 64, result(p, MPASSTHRU_URING_SEND, p->mem, HDR + 64));
	EXPECT_EQ(1, wire_count(w, "tx-outstanding"));
	EXPECT_TRUE(uring_stop(&p->r, w->fd, MPASSTHRU_URING_STOP_SEND,
			       STOPPED));
	EXPECT_TRUE(uring_wait(&p->r, &cqe, clock_patience()));
	EXPECT_EQ(STOPPED, cqe.user_data);
	EXPECT_EQ(0, cqe.res);
	EXPECT_EQ(1, wire_count(w, "tx-outstanding"));
	EXPECT_EQ(0, wire_count(w, "tx-resets"));
	regs_write(r, REGS_TX(r), self->tx_ctl);
	/* It has to be told of another to go on. */
	make_frame(p, &f, 0, seq + 1, 1400);
	EXPECT_EQ(HDR + 1400, result(p, MPASSTHRU_URING_SEND, p->mem,
				     HDR + 1400));
	EXPECT_TRUE(arrive(p, &f, seq, 2));
}

/* Of buffers @from to @to, which stay where they are. */
static int protect(struct poster *p, unsigned int from, unsigned int to,
		   int prot)
{
	return mmap(buffer(p, from), (to - from) * ROOM, prot,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		    0) == MAP_FAILED ? -errno : 0;
}

/*
 * A buffer whose memory is no more comes back with 0, and the frame is lost; or
 * with a frame that came before.  The others have theirs.
 */
TEST_F_TIMEOUT(uring, memory_gone, CLOCK_TEST)
{
	/* Those of a page, and all. */
	static const unsigned int lost[][2] = { { 8, 10 }, { 0, BUFS } };
	struct poster *p = &self->p;
	struct wire *w = &self->w;
	unsigned int n, from, to, empty;
	struct io_uring_cqe cqe;
	__u32 seq;
	int i;

	for (i = 0; i < ARRAY_SIZE(lost); i++) {
		from = lost[i][0];
		to = lost[i][1];
		ASSERT_EQ(0, post_all(p));
		ASSERT_EQ(0, start(p));
		ASSERT_TRUE(becomes(w, "armed", BUFS));
		ASSERT_EQ(0, protect(p, from, to, PROT_NONE));
		for (n = 0, empty = 0; n < BUFS; n++) {
			/* None is lost for another reason. */
			if (n % 8 == 0)
				ASSERT_EQ(0, peer_send_n(&w->peer, 8, 600, 1));
			ASSERT_TRUE(uring_wait(&p->r, &cqe, clock_patience()));
			ASSERT_TRUE(in_turn(p, &cqe));
			if (!cqe.res) {
				ASSERT_LE(from, cqe.user_data);
				ASSERT_GT(to, cqe.user_data);
				empty++;
				continue;
			}
			ASSERT_LT((int)HDR, cqe.res);
			if (cqe.user_data >= from && cqe.user_data < to)
				continue;
			ASSERT_NE(FRAME_BAD,
				  frame_check(&w->peer.frame,
					      buffer(p, cqe.user_data) + HDR,
					      cqe.res - HDR, &seq));
		}
		EXPECT_LT(0, empty);
		ASSERT_TRUE(becomes(w, "uring-rx", 0));
		ASSERT_EQ(0, wire_count(w, "outstanding"));
		ASSERT_FALSE(uring_next(&p->r, &cqe));
		if (to - from == BUFS)
			EXPECT_TRUE(becomes(w, "pinned", 0));
		ASSERT_EQ(0, protect(p, from, to, PROT_READ | PROT_WRITE));
	}

	/* Other memory at the same place: frames are where one looks. */
	ASSERT_EQ(0, post_all(p));
	ASSERT_EQ(0, start(p));
	ASSERT_TRUE(becomes(w, "armed", BUFS));
	ASSERT_EQ(0, madvise(p->mem, SIZE, MADV_DONTNEED));
	ASSERT_EQ(0, receive(p, 600, 600 + 2 * BUFS));
	ASSERT_EQ(0, stop(p));
	ASSERT_EQ(0, mp_unbind(w->fd));
	EXPECT_TRUE(gone(w));
}

/* What one kind of ring shows. */

FIXTURE(ring)
{
	struct wire w;
	struct poster p;
};

FIXTURE_SETUP(ring)
{
	const char *why = missing();

	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, wire_open(&self->w));
	ASSERT_EQ(0, poster_open(&self->p, &self->w, 0));
}

FIXTURE_TEARDOWN(ring)
{
	poster_close(&self->p);
	wire_close(&self->w);
}

struct second {
	struct poster	*p;
	pthread_t	thread;
	int		res;	/* 1: none came */
};

/* Receives one frame. */
static void *be_second(void *arg)
{
	long long end = clock_ms() + clock_patience();
	struct second *s = arg;
	struct poster *p = s->p;
	struct io_uring_cqe cqe;

	s->res = 1;
	if (!uring_mp(&p->r, p->w->fd, MPASSTHRU_URING_RECV, buffer(p, 0),
		      ROOM, STOPPED))
		return NULL;
	while (clock_ms() < end) {
		if (!uring_wait(&p->r, &cqe, 100)) {
			if (peer_send(&p->w->peer, 600))
				break;
		} else if (cqe.user_data == STOPPED) {
			s->res = cqe.res;
			break;
		}
	}
	return NULL;
}

static int second(struct poster *p)
{
	struct second s = { .p = p };

	if (pthread_create(&s.thread, NULL, be_second, &s))
		return 1;
	pthread_join(s.thread, NULL);
	return s.res;
}

/* The thread that has commands outstanding has the direction. */
TEST_F_TIMEOUT(ring, two_threads, CLOCK_TEST)
{
	struct poster *p = &self->p;
	struct io_uring_cqe cqe;
	int i;

	ASSERT_EQ(0, post_all(p));
	ASSERT_EQ(0, start(p));
	EXPECT_EQ(-EBUSY, second(p));
	ASSERT_EQ(0, receive(p, 600, 610));
	for (i = 0; i < BUFS; i++) {
		ASSERT_EQ(0, peer_send(&self->w.peer, 600));
		ASSERT_TRUE(uring_wait(&p->r, &cqe, clock_patience()));
		ASSERT_TRUE(in_turn(p, &cqe));
		ASSERT_LT((int)HDR, cqe.res);
	}
	EXPECT_LT((int)HDR, second(p));
	ASSERT_EQ(0, post_all(p));
	ASSERT_EQ(0, start(p));
	ASSERT_EQ(0, receive(p, 600, 610));
}

/* A program that is not interrupted, and sleeps for several things. */
TEST_F_TIMEOUT(ring, eventfd, CLOCK_TEST)
{
	struct pollfd pfd = { .events = POLLIN };
	struct wire *w = &self->w;
	__u32 seq, want;
	struct poster p;
	__u64 events;
	int i, len;

	ASSERT_EQ(0, poster_open(&p, w, IORING_SETUP_COOP_TASKRUN));
	pfd.fd = uring_eventfd(&p.r);
	ASSERT_LE(0, pfd.fd);
	ASSERT_EQ(0, post_all(&p));
	ASSERT_EQ(0, start(&p));
	for (i = 0; i < 2 * BUFS; i++) {
		while (read(pfd.fd, &events, sizeof(events)) > 0)
			;
		want = w->peer.seq;
		ASSERT_EQ(0, peer_send(&w->peer, 600 + i));
		ASSERT_EQ(1, poll(&pfd, 1, clock_patience()));
		ASSERT_EQ(0, take(&p, &seq, &len, clock_patience()));
		ASSERT_EQ(want, seq);
		ASSERT_EQ(600 + i, len);
	}
	close(pfd.fd);
	poster_close(&p);
}

/* A program that has the frames of one NIC sent by another, see forward.c. */

/* What is allocated by it, in an instance of tracefs. */
#define TRACE	"/sys/kernel/tracing/instances/mp_uring"

FIXTURE(forward)
{
	struct wire a;
	struct wire b;
	pid_t pid;
};

FIXTURE_SETUP(forward)
{
	const char *why = missing() ?: wire_second_missing();

	if (why)
		SKIP(return, "%s", why);
	ASSERT_EQ(0, wire_open(&self->a));
	ASSERT_EQ(0, wire_open_second(&self->b));
}

FIXTURE_TEARDOWN(forward)
{
	peer_calm(&self->a.peer);
	peer_calm(&self->b.peer);
	if (self->pid > 0) {
		kill(self->pid, SIGKILL);
		waitpid(self->pid, NULL, 0);
	}
	/* That there is none is no failure. */
	rmdir(TRACE);
	wire_close(&self->a);
	wire_close(&self->b);
}

static pid_t spawn(struct wire *a, struct wire *b)
{
	char fd[2][16];
	pid_t pid;

	snprintf(fd[0], sizeof(fd[0]), "%d", a->fd);
	snprintf(fd[1], sizeof(fd[1]), "%d", b->fd);
	pid = fork();
	if (pid)
		return pid;
	fcntl(a->fd, F_SETFD, 0);
	fcntl(b->fd, F_SETFD, 0);
	execl("./forward", "forward", fd[0], fd[1], NULL);
	say("%s", strerror(errno));
	_exit(127);
}

/* Until a frame of @from's peer comes to that of @to, and the last one has. */
static bool carries(struct wire *from, struct wire *to)
{
	long long end = clock_ms() + clock_patience();
	unsigned char buf[FRAME_BUF];
	__u32 seq;
	int len;

	while (clock_ms() < end) {
		if (peer_send(&from->peer, 600))
			return false;
		while ((len = peer_recv(&to->peer, buf, sizeof(buf), 100,
					NULL)) > 0)
			if (frame_check(&from->peer.frame, buf, len, &seq) ==
			    FRAME_OK && seq + 1 == from->peer.seq)
				return true;
	}
	say("nothing goes from %s to %s", from->dev, to->dev);
	return false;
}

/* @n frames of @len bytes and more, a few at a time: none is lost. */
static bool carries_all(struct wire *from, struct wire *to, unsigned int n,
			size_t len, size_t step)
{
	unsigned int i, some = 16;
	__u32 seq = from->peer.seq;

	for (; n; n -= some, len += some * step) {
		some = n < some ? n : some;
		if (peer_send_n(&from->peer, some, len, step))
			return false;
		for (i = 0; i < some; i++)
			if (!peer_expect(&to->peer, &from->peer.frame, seq++,
					 clock_patience()))
				return false;
	}
	return true;
}

static bool nothing_copied(struct wire *w)
{
	return !wire_count(w, "bounced") && !wire_count(w, "tx-bounced") &&
	       !wire_count(w, "copied") && !wire_count(w, "tx-copied");
}

TEST_F_TIMEOUT(forward, frames, CLOCK_TEST)
{
	const unsigned int n = FRAME_MAX - FRAME_MIN + 1;
	struct wire *a = &self->a, *b = &self->b;
	long long received, sent;
	int status;

	self->pid = spawn(a, b);
	ASSERT_LT(0, self->pid);
	ASSERT_TRUE(carries(a, b));
	ASSERT_TRUE(carries(b, a));
	received = wire_count(a, "zerocopy");
	sent = wire_count(b, "tx-zerocopy");
	EXPECT_TRUE(carries_all(a, b, n, FRAME_MIN, 1));
	EXPECT_TRUE(carries_all(b, a, n, FRAME_MIN, 1));
	/* Each by DMA, but for the shortest, which are sent from a copy. */
	EXPECT_LE(received + n, wire_count(a, "zerocopy"));
	EXPECT_LE(sent + FRAME_MAX - WHOLE, wire_count(b, "tx-zerocopy"));
	EXPECT_TRUE(nothing_copied(a));
	EXPECT_TRUE(nothing_copied(b));

	ASSERT_EQ(0, kill(self->pid, SIGTERM));
	ASSERT_EQ(self->pid, waitpid(self->pid, &status, 0));
	self->pid = 0;
	EXPECT_EQ(0, status);
	EXPECT_TRUE(gone(a));
	EXPECT_TRUE(gone(b));
}

static int allocs_begin(pid_t pid)
{
	static const char *const events[] = {
		TRACE "/events/kmem/kmalloc/enable",
		TRACE "/events/kmem/kmem_cache_alloc/enable",
		TRACE "/events/kmem/mm_page_alloc/enable",
	};
	char text[16];
	int i, err;

	if (mkdir(TRACE, 0700) && errno != EEXIST)
		return -errno;
	snprintf(text, sizeof(text), "%d", pid);
	err = file_write(TRACE "/set_event_pid", text);
	for (i = 0; i < ARRAY_SIZE(events) && !err; i++)
		err = file_write(events[i], "1");
	return err;
}

/*
 * How many so far, or -1; not those of an interrupt or of a softirq that the
 * process was in the way of: "NAME-PID [CPU] IRQS", of which the third letter
 * says so.  Says the first.
 */
static long long allocs(void)
{
	char line[512], irqs[16];
	long long n = 0;
	FILE *f;

	f = fopen(TRACE "/trace", "re");
	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		if (*line == '#' ||
		    sscanf(line, "%*s [%*d] %15s", irqs) != 1 ||
		    strlen(irqs) < 3 || strchr("shHzZ", irqs[2]))
			continue;
		if (!n++)
			say("%s", line);
	}
	fclose(f);
	return n;
}

/*
 * In steady state a frame is worth no allocation, where 16 come at a time: of
 * what io_uring needs for a command it puts 128 by.
 */
TEST_F_TIMEOUT(forward, allocations, CLOCK_TEST)
{
	struct wire *a = &self->a, *b = &self->b;
	const unsigned int n = 4096;
	int err, status;
	long long some;

	self->pid = spawn(a, b);
	ASSERT_LT(0, self->pid);
	ASSERT_TRUE(carries(a, b));
	/* Each buffer was used, and its pages are pinned both ways. */
	ASSERT_TRUE(carries_all(a, b, n, 1400, 0));
	err = allocs_begin(self->pid);
	if (err)
		SKIP(return, "no events of kmem: %s", strerror(-err));
	EXPECT_TRUE(carries_all(a, b, n, 1400, 0));
	some = allocs();
	ASSERT_LE(0, some);
	/* Some for the process as such: the ring's timeout has none. */
	EXPECT_GT(n / 100, some);
	EXPECT_TRUE(nothing_copied(a));
	EXPECT_TRUE(nothing_copied(b));
	/* They are seen: as it ends, it opens files. */
	ASSERT_EQ(0, kill(self->pid, SIGTERM));
	ASSERT_EQ(self->pid, waitpid(self->pid, &status, 0));
	self->pid = 0;
	EXPECT_EQ(0, status);
	EXPECT_LT(some, allocs());
}

/* Killed under load in both directions: nothing stays pinned. */
TEST_F_TIMEOUT(forward, killed, 4 * CLOCK_TEST)
{
	const char *kills = getenv("MP_KILLS");
	struct wire *a = &self->a, *b = &self->b;
	int i, n = kills ? atoi(kills) : 50;
	long long end, sent;

	/* A flood ends where there is no link. */
	self->pid = spawn(a, b);
	ASSERT_LT(0, self->pid);
	ASSERT_TRUE(carries(a, b));
	ASSERT_TRUE(carries(b, a));
	ASSERT_EQ(0, kill(self->pid, SIGKILL));
	ASSERT_EQ(self->pid, waitpid(self->pid, NULL, 0));
	ASSERT_EQ(0, peer_flood(&a->peer, 0));
	ASSERT_EQ(0, peer_flood(&b->peer, 0));
	for (i = 0; i < n; i++) {
		end = clock_ms() + clock_patience();
		sent = wire_count(b, "tx-posted");
		self->pid = spawn(a, b);
		ASSERT_LT(0, self->pid);
		while (wire_count(b, "tx-posted") < sent + 100 &&
		       clock_ms() < end)
			usleep(1000);
		EXPECT_LE(sent + 100, wire_count(b, "tx-posted"));
		usleep(997 * (i % 20));
		ASSERT_EQ(0, kill(self->pid, SIGKILL));
		ASSERT_EQ(self->pid, waitpid(self->pid, NULL, 0));
		self->pid = 0;
		ASSERT_TRUE(gone(a));
		ASSERT_TRUE(gone(b));
	}
	peer_calm(&a->peer);
	peer_calm(&b->peer);
	self->pid = spawn(a, b);
	ASSERT_LT(0, self->pid);
	ASSERT_TRUE(carries(a, b));
	EXPECT_TRUE(carries_all(a, b, 64, 1400, 0));
}

TEST_HARNESS_MAIN
