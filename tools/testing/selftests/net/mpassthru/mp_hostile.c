// SPDX-License-Identifier: GPL-2.0
/* Receive, with buffers and rings that no sane guest posts. */

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <linux/vhost.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "kselftest_harness.h"

#include "clock.h"
#include "flow.h"
#include "guest.h"
#include "mp.h"
#include "nic.h"
#include "wire.h"

#define BUFS	64
#define ROOM	8	/* for frames of others, where the wire has some */

FIXTURE(hostile)
{
	struct wire w;
	struct guest g;
	struct guest_frame f;
};

FIXTURE_VARIANT(hostile)
{
	__u64 features;
};

FIXTURE_VARIANT_ADD(hostile, mergeable)
{
	.features = BIT_V1 | BIT_MRG,
};

FIXTURE_VARIANT_ADD(hostile, plain)
{
	.features = BIT_V1,
};

FIXTURE_SETUP(hostile)
{
	const struct guest_config cfg = {
		.features = variant->features, .bufs = BUFS,
	};
	const char *missing = wire_missing();

	self->w.fd = -1;
	self->w.peer.fd = -1;
	if (missing)
		SKIP(return, "%s", missing);
	ASSERT_EQ(0, wire_open(&self->w));
	ASSERT_EQ(0, flow_start_wire(&self->w));
	ASSERT_EQ(0, guest_open(&self->g, &cfg));
	ASSERT_EQ(0, guest_start(&self->g, self->w.fd));
}

FIXTURE_TEARDOWN(hostile)
{
	guest_close(&self->g);
	wire_close(&self->w);
}

static bool error_seen(struct guest *g)
{
	long long end = clock_ms() + clock_patience();

	while (clock_ms() < end) {
		if (vhost_signalled(g->rx_fds.err))
			return true;
		usleep(1000);
	}
	return false;
}

static int next_guest(struct wire *w, struct guest *g)
{
	const struct guest_config cfg = { .features = BIT_V1 | BIT_MRG };

	guest_close(g);
	return guest_open(g, &cfg) ?: guest_start(g, w->fd);
}

/* A new guest on the same device works: nothing of the old one is left. */
static int next_guest_works(struct wire *w, struct guest *g)
{
	return next_guest(w, g) ?: guest_post_all(g) ?: flow_start(w, g) ?:
	       flow_repeat(w, g, 64, 1000, 32);
}

/* Frames as long as the peer can send, without asking what becomes of them. */
static int send_blindly(struct wire *w, unsigned int n)
{
	while (n--)
		if (peer_send(&w->peer, n % 2 ? FRAME_MAX : FRAME_MIN))
			return -1;
	return 0;
}

/* Every buffer is used once, whatever may be in it. */
static int take_all(struct guest *g)
{
	unsigned int i;
	__u32 len;
	int buf;

	for (i = 0; i < BUFS; i++)
		if (guest_take(g, &buf, &len, clock_patience()))
			return -1;
	return 0;
}

static void take_blindly(struct guest *g, struct guest_frame *f)
{
	while (!guest_recv(g, f, 300))
		;
}

static int post_some(struct guest *g, int from, int to)
{
	for (; from < to; from++)
		if (guest_post(g, from))
			return -1;
	guest_kick(g);
	return 0;
}

/*
 * Buffer @bad, which cannot be written, among good ones.  It comes back empty
 * in its turn, and no frame that others have room for is lost.
 */
static int one_bad_buffer(struct wire *w, struct guest *g,
			  struct guest_frame *f, int bad)
{
	unsigned int i, frames = 0, lost = 0;
	__u32 want, seq;
	bool back = false;

	g->buf[bad].wild = true;
	/* Some good ones first: what starts the queue may cost frames. */
	if (post_some(g, 0, bad) || flow_start(w, g))
		return -1;
	want = w->peer.seq;
	if (guest_post_all(g) || flow_armed(w, BUFS - 1))
		return -1;
	/* Frames of others may take some, and need not come at all. */
	if (peer_send_n(&w->peer, BUFS + ROOM, 1000, 0))
		return -1;
	for (i = 0; i < BUFS; i++) {
		if (guest_recv(g, f, clock_patience()))
			return -1;
		if (!f->len) {
			if (f->buf[0] != bad)
				return -1;
			back = true;
			continue;
		}
		if (frame_check(&w->peer.frame, f->data, f->len, &seq))
			continue;
		if (f->buf[0] == bad || seq < want)
			return -1;
		lost += seq - want;
		want = seq + 1;
		frames++;
	}
	/* The bad one may have taken a frame. */
	return back && lost <= 1 && frames >= BUFS - ROOM ? 0 : -1;
}

TEST_F_TIMEOUT(hostile, read_only, CLOCK_TEST)
{
	struct guest *g = &self->g;

	if (!self->w.mp)
		SKIP(return, "a tap drops the frame instead");
	ASSERT_EQ(0, mprotect(guest_lane(g, 5), GUEST_PAGE, PROT_READ));
	ASSERT_EQ(0, one_bad_buffer(&self->w, g, &self->f, 5));
	EXPECT_TRUE(error_seen(g));
	ASSERT_EQ(0, mprotect(guest_lane(g, 5), GUEST_PAGE,
			      PROT_READ | PROT_WRITE));
	ASSERT_EQ(0, guest_post_all(g));
	ASSERT_EQ(0, flow_start(&self->w, g));
	ASSERT_EQ(0, flow_repeat(&self->w, g, 256, 1000, 32));
}

TEST_F_TIMEOUT(hostile, unmapped, CLOCK_TEST)
{
	struct guest *g = &self->g;
	unsigned char *lane = guest_lane(g, 7);

	if (!self->w.mp)
		SKIP(return, "a tap drops the frame instead");
	ASSERT_EQ(0, munmap(lane, GUEST_PAGE));
	ASSERT_EQ(0, one_bad_buffer(&self->w, g, &self->f, 7));
	EXPECT_TRUE(error_seen(g));
	ASSERT_EQ((void *)lane,
		  mmap(lane, GUEST_PAGE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	ASSERT_EQ(0, guest_post_all(g));
	ASSERT_EQ(0, flow_start(&self->w, g));
	ASSERT_EQ(0, flow_repeat(&self->w, g, 256, 1000, 32));
}

static int protect_every_other(struct guest *g)
{
	unsigned int i;

	for (i = 0; i < BUFS; i += 2)
		if (mprotect(guest_lane(g, i), GUEST_PAGE, PROT_NONE))
			return -1;
	return 0;
}

/* Written to before, protected while it is posted. */
TEST_F_TIMEOUT(hostile, protected_while_armed, CLOCK_TEST)
{
	long long end, errors = wire_count(&self->w, "errors");
	struct guest *g = &self->g;
	unsigned int i;

	for (i = 0; i < BUFS; i++)
		g->buf[i].wild = true;
	ASSERT_EQ(0, guest_post_all(g));
	ASSERT_EQ(0, flow_start(&self->w, g));
	ASSERT_EQ(0, flow_armed(&self->w, BUFS));
	ASSERT_EQ(0, protect_every_other(g));
	ASSERT_EQ(0, send_blindly(&self->w, 2 * BUFS));
	end = clock_ms() + clock_patience();
	while (self->w.mp && clock_ms() < end &&
	       wire_count(&self->w, "errors") - errors < BUFS / 2 - 1)
		usleep(1000);
	if (self->w.mp)
		EXPECT_LE(errors + BUFS / 2 - 1,
			  wire_count(&self->w, "errors"));
	ASSERT_EQ(0, mprotect(guest_lane(g, 0), BUFS * GUEST_PAGE,
			      PROT_READ | PROT_WRITE));
	ASSERT_EQ(0, next_guest_works(&self->w, g));
}

/* No such guest physical address: vhost stops at it. */
TEST_F_TIMEOUT(hostile, out_of_memory_table, CLOCK_TEST)
{
	static const __u64 addrs[] = { 0, 0x1000, ~0ULL - 0xfff, ~0ULL };
	struct guest *g = &self->g;

	g->buf[3].sg[0].addr = addrs[0];
	g->buf[3].wild = true;
	ASSERT_EQ(0, guest_post_all(g));
	ASSERT_EQ(0, send_blindly(&self->w, 16));
	EXPECT_TRUE(error_seen(g));
	take_blindly(g, &self->f);
	ASSERT_EQ(0, next_guest_works(&self->w, g));

	g->buf[0].sg[0].addr = addrs[3];
	ASSERT_EQ(0, guest_stop(g));
	ASSERT_EQ(0, next_guest_works(&self->w, g));
}

TEST_F_TIMEOUT(hostile, longer_than_memory, CLOCK_TEST)
{
	struct guest *g = &self->g;

	g->buf[0].sg[0].len = 0x7fffffff;
	g->buf[0].wild = true;
	ASSERT_EQ(0, guest_post_all(g));
	ASSERT_EQ(0, send_blindly(&self->w, 16));
	EXPECT_TRUE(error_seen(g));
	ASSERT_EQ(0, next_guest_works(&self->w, g));
}

TEST_F_TIMEOUT(hostile, empty_descriptor, CLOCK_TEST)
{
	struct guest *g = &self->g;

	g->buf[4].sg[0].len = 0;
	g->buf[4].wild = true;
	ASSERT_EQ(0, guest_post_all(g));
	ASSERT_EQ(0, send_blindly(&self->w, 16));
	EXPECT_TRUE(error_seen(g));
	ASSERT_EQ(0, next_guest_works(&self->w, g));
}

/* Empty descriptors around good ones do no harm. */
TEST_F_TIMEOUT(hostile, empty_in_chain, CLOCK_TEST)
{
	struct guest *g = &self->g;
	struct guest_buf *b;
	unsigned int i;

	for (i = 0; i < BUFS; i++) {
		b = &g->buf[i];
		b->sg[1] = b->sg[0];
		b->sg[2] = b->sg[0];
		b->sg[0].len = 0;
		b->sg[2].addr += b->sg[1].len;
		b->sg[2].len = 0;
		b->nsg = 3;
	}
	ASSERT_EQ(0, guest_post_all(g));
	ASSERT_EQ(0, flow_start(&self->w, g));
	ASSERT_EQ(0, flow_run(&self->w, g, 1400, FRAME_MAX, 32));
}

/* A part the device may only read. */
TEST_F_TIMEOUT(hostile, readable_part, CLOCK_TEST)
{
	struct guest *g = &self->g;
	struct guest_buf *b = &g->buf[6];

	b->sg[1] = b->sg[0];
	b->sg[0].len = 12;
	b->sg[0].readable = true;
	b->nsg = 2;
	b->wild = true;
	ASSERT_EQ(0, guest_post_all(g));
	ASSERT_EQ(0, send_blindly(&self->w, 16));
	EXPECT_TRUE(error_seen(g));
	ASSERT_EQ(0, next_guest_works(&self->w, g));
}

TEST_F_TIMEOUT(hostile, readable_after_writable, CLOCK_TEST)
{
	struct guest *g = &self->g;
	struct guest_buf *b = &g->buf[0];

	b->sg[1] = b->sg[0];
	b->sg[1].readable = true;
	b->nsg = 2;
	b->wild = true;
	ASSERT_EQ(0, guest_post_all(g));
	ASSERT_EQ(0, send_blindly(&self->w, 16));
	EXPECT_TRUE(error_seen(g));
	ASSERT_EQ(0, next_guest_works(&self->w, g));
}

TEST_F_TIMEOUT(hostile, endless_chain, CLOCK_TEST)
{
	struct vring_desc *desc = self->g.rx.ring.desc;
	struct guest *g = &self->g;

	ASSERT_EQ(0, guest_post(g, 0));
	desc[0].flags |= VRING_DESC_F_NEXT;
	desc[0].next = 0;
	guest_kick(g);
	ASSERT_EQ(0, send_blindly(&self->w, 16));
	EXPECT_TRUE(error_seen(g));
	ASSERT_EQ(0, next_guest_works(&self->w, g));
}

#define BEHIND	0x4000		/* a descriptor behind the rings, in memory */

TEST_F_TIMEOUT(hostile, silly_head, CLOCK_TEST)
{
	struct guest *g = &self->g;
	/* Those behind the first are fetched together. */
	const struct { int at, head; } silly[] = {
		{ 0, 0xffff }, { 1, 0xffff }, { 2, g->cfg.num }, { 3, BEHIND },
	};
	unsigned int i;
	int n;

	for (i = 0; i < ARRAY_SIZE(silly); i++) {
		if (i)
			ASSERT_EQ(0, next_guest(&self->w, g));
		for (n = 0; n < 4; n++)
			ASSERT_EQ(0, guest_post(g, n));
		g->rx.ring.avail->ring[silly[i].at] = silly[i].head;
		/* All is well with it, but that it is not in the ring. */
		if (silly[i].head == BEHIND)
			g->rx.ring.desc[BEHIND] =
				g->rx.ring.desc[g->rx.ring.avail->ring[0]];
		guest_kick(g);
		ASSERT_EQ(0, send_blindly(&self->w, 16));
		EXPECT_TRUE(error_seen(g));
		ASSERT_EQ(0, next_guest_works(&self->w, g));
	}
}

/* More published than the ring has entries. */
TEST_F_TIMEOUT(hostile, silly_index, CLOCK_TEST)
{
	struct guest *g = &self->g;

	ASSERT_EQ(0, guest_post_all(g));
	__atomic_store_n(&g->rx.ring.avail->idx, 0x8000, __ATOMIC_RELEASE);
	vhost_signal(g->rx_fds.kick);
	ASSERT_EQ(0, send_blindly(&self->w, 16));
	EXPECT_TRUE(error_seen(g));
	ASSERT_EQ(0, next_guest_works(&self->w, g));
}

/* The same buffer in every entry of the ring. */
TEST_F_TIMEOUT(hostile, same_buffer, CLOCK_TEST)
{
	struct guest *g = &self->g;
	unsigned int i;

	for (i = 1; i < BUFS; i++) {
		g->buf[i].sg[0] = g->buf[0].sg[0];
		g->buf[i].wild = true;
	}
	ASSERT_EQ(0, guest_post_all(g));
	ASSERT_EQ(0, flow_start(&self->w, g));
	ASSERT_EQ(0, flow_armed(&self->w, BUFS));
	ASSERT_EQ(0, send_blindly(&self->w, BUFS + ROOM));
	ASSERT_EQ(0, take_all(g));
	ASSERT_EQ(0, next_guest_works(&self->w, g));
}

/* Buffers that overlap each other by half. */
TEST_F_TIMEOUT(hostile, overlapping, CLOCK_TEST)
{
	struct guest *g = &self->g;
	unsigned int i;

	for (i = 0; i < BUFS; i++) {
		g->buf[i].sg[0].addr = g->buf[0].sg[0].addr + i * 700;
		g->buf[i].wild = true;
	}
	ASSERT_EQ(0, guest_post_all(g));
	ASSERT_EQ(0, flow_start(&self->w, g));
	ASSERT_EQ(0, flow_armed(&self->w, BUFS));
	ASSERT_EQ(0, send_blindly(&self->w, BUFS + ROOM));
	ASSERT_EQ(0, take_all(g));
	ASSERT_EQ(0, next_guest_works(&self->w, g));
}

/* The header and the frame are to be written to the same place. */
TEST_F_TIMEOUT(hostile, overlapping_itself, CLOCK_TEST)
{
	struct guest *g = &self->g;
	unsigned int i;

	for (i = 0; i < BUFS; i++) {
		g->buf[i].sg[1] = g->buf[i].sg[0];
		g->buf[i].sg[0].len = 12;
		g->buf[i].nsg = 2;
		g->buf[i].wild = true;
	}
	ASSERT_EQ(0, guest_post_all(g));
	ASSERT_EQ(0, send_blindly(&self->w, BUFS));
	/* What the header says now, the frame said: do not look at it. */
	usleep(300000);
	ASSERT_EQ(0, next_guest_works(&self->w, g));
}

/* The rings are where the frames go. */
TEST_F_TIMEOUT(hostile, into_the_ring, CLOCK_TEST)
{
	struct guest *g = &self->g;
	unsigned int i;

	for (i = 0; i < BUFS; i++) {
		g->buf[i].sg[0].addr = GUEST_BASE + i * 100;
		g->buf[i].wild = true;
	}
	ASSERT_EQ(0, guest_post_all(g));
	ASSERT_EQ(0, send_blindly(&self->w, 2 * BUFS));
	usleep(300000);
	ASSERT_EQ(0, next_guest_works(&self->w, g));
}

/* A ring whose memory is gone. */
TEST_F_TIMEOUT(hostile, ring_unmapped, CLOCK_TEST)
{
	struct guest *g = &self->g;
	size_t len = vq_size(g->cfg.num);

	ASSERT_EQ(0, guest_post_all(g));
	ASSERT_EQ(0, flow_start(&self->w, g));
	ASSERT_EQ(0, mprotect(g->mem, len, PROT_NONE));
	vhost_signal(g->rx_fds.kick);
	ASSERT_EQ(0, send_blindly(&self->w, BUFS));
	usleep(300000);
	ASSERT_EQ(0, mprotect(g->mem, len, PROT_READ | PROT_WRITE));
	ASSERT_EQ(0, next_guest_works(&self->w, g));
}

/*
 * Long and short buffers in turn: the queue may be switched over for each, and
 * lose frames by that, but it must go on.
 */
TEST_F_TIMEOUT(hostile, long_and_short, CLOCK_TEST)
{
	struct guest *g = &self->g;
	unsigned int i;

	if (!(variant->features & BIT_MRG))
		SKIP(return, "only mergeable buffers may be short");
	for (i = 0; i < BUFS; i += 2) {
		g->buf[i].sg[0].len = 100;
		g->buf[i].len = 100;
	}
	ASSERT_EQ(0, guest_post_all(g));
	ASSERT_EQ(0, flow_start(&self->w, g));
	ASSERT_EQ(0, peer_flood(&self->w.peer, 0));
	ASSERT_EQ(0, flow_pump(&self->w, g, 500));
	peer_calm(&self->w.peer);
}

/* Have a frame go to buffer @i.  Those of others and of before may come, and
 * ours be lost.
 */
static bool fill_buffer(struct wire *w, struct guest *g, int i,
			struct guest_frame *f, const unsigned char *frame)
{
	long long end = clock_ms() + clock_patience();

	memset(f->data, 0, FRAME_MAX);
	do {
		if (!vq_out(&g->rx) && guest_post(g, i))
			return false;
		guest_kick(g);
		if (peer_send_raw(&w->peer, frame, FRAME_MAX) ||
		    guest_recv(g, f, 500) < 0)
			return false;
	} while (memcmp(f->data, frame, 688) && clock_ms() < end);
	return !memcmp(f->data, frame, 688);
}

/* Memory regions that touch in guest memory, and lie apart in ours; before,
 * they were one, and buffers were received in it.
 */
TEST_F_TIMEOUT(hostile, across_regions, CLOCK_TEST)
{
	struct guest *g = &self->g;
	size_t half = g->lanes + BUFS / 2 * GUEST_PAGE;
	struct vhost_area area[2] = {
		{ .addr = GUEST_BASE, .mem = g->mem, .size = half },
		{ .addr = GUEST_BASE + half, .size = g->size - half },
	};
	unsigned char want[FRAME_MAX];
	unsigned char *apart;

	apart = mmap(NULL, area[1].size, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)apart);
	area[1].mem = apart;
	frame_build(&self->w.peer.frame, want, self->w.peer.seq, sizeof(want));
	ASSERT_TRUE(fill_buffer(&self->w, g, 1, &self->f, want));
	ASSERT_EQ(0, vhost_set_mem(&g->vhost, area, 2));
	ASSERT_TRUE(fill_buffer(&self->w, g, 1, &self->f, want));
	/* 700 bytes of the one buffer are in the first region. */
	g->buf[0].sg[0].addr = GUEST_BASE + half - 700;
	g->buf[0].wild = true;
	EXPECT_TRUE(fill_buffer(&self->w, g, 0, &self->f, want));
	EXPECT_EQ(0, memcmp(apart, want + 688, sizeof(want) - 688));
	munmap(apart, area[1].size);
}

/*
 * Take the memory of buffers away and have faults on it wait for us.  Returns
 * the descriptor that says when one does; closing it lets all go on.
 */
static int hold_faults(struct guest *g, int from, int to)
{
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_api api = { .api = UFFD_API };
	int i, fd;

	fd = syscall(__NR_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -1;
	if (ioctl(fd, UFFDIO_API, &api))
		goto err;
	for (i = from; i < to; i++) {
		g->buf[i].wild = true;
		reg.range.start = (uintptr_t)guest_lane(g, i);
		reg.range.len = g->cfg.lane;
		if (ioctl(fd, UFFDIO_REGISTER, &reg) ||
		    madvise(guest_lane(g, i), g->cfg.lane, MADV_DONTNEED))
			goto err;
	}
	return fd;

err:
	close(fd);
	return -1;
}

static const char *no_hold(struct wire *w)
{
	if (!w->mp)
		return "nothing to unbind";
	return access("/proc/sys/vm/unprivileged_userfaultfd", F_OK) ?
	       "no CONFIG_USERFAULTFD" : NULL;
}

/* The worker waits for a fault.  That may hold up the guest, but nobody else:
 * UNBINDDEV holds RTNL, as does most that is done to networks.
 */
static int unbind_while_held(struct wire *w, int uffd)
{
	struct pollfd pfd = { .fd = uffd, .events = POLLIN };
	int err;

	err = poll(&pfd, 1, clock_patience()) != 1 || mp_unbind(w->fd);
	close(uffd);
	return err ? -1 : wire_bind(w);
}

TEST_F_TIMEOUT(hostile, fault_held_while_posting, CLOCK_TEST)
{
	int uffd;

	if (no_hold(&self->w))
		SKIP(return, "%s", no_hold(&self->w));
	ASSERT_EQ(0, post_some(&self->g, 0, 8));
	ASSERT_EQ(0, flow_start(&self->w, &self->g));
	uffd = hold_faults(&self->g, 8, 9);
	ASSERT_LE(0, uffd);
	ASSERT_EQ(0, post_some(&self->g, 8, 9));
	ASSERT_EQ(0, unbind_while_held(&self->w, uffd));
	ASSERT_EQ(0, next_guest_works(&self->w, &self->g));
}

TEST_F_TIMEOUT(hostile, fault_held_while_completing, CLOCK_TEST)
{
	int uffd;

	if (no_hold(&self->w))
		SKIP(return, "%s", no_hold(&self->w));
	ASSERT_EQ(0, guest_post_all(&self->g));
	ASSERT_EQ(0, flow_start(&self->w, &self->g));
	uffd = hold_faults(&self->g, 0, BUFS);
	ASSERT_LE(0, uffd);
	ASSERT_EQ(0, peer_send(&self->w.peer, 1000));
	ASSERT_EQ(0, unbind_while_held(&self->w, uffd));
	ASSERT_EQ(0, next_guest_works(&self->w, &self->g));
}

/* Threads that change mappings, so that there is hardly a moment when none
 * does: protecting pages against writes goes on under mmap_lock for reading.
 */
#define CHURNERS	4
#define CHURN_SIZE	(16UL << 20)

struct churn {
	pthread_t	thread[CHURNERS];
	unsigned int	running;
	unsigned char	*mem;
	int		uffd;
	bool		stop;
};

static void *churn_run(void *arg)
{
	struct churn *c = arg;
	struct uffdio_writeprotect wp = {
		.range.len = CHURN_SIZE,
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	unsigned int i;

	i = __atomic_fetch_add(&c->running, 1, __ATOMIC_RELAXED);
	wp.range.start = (uintptr_t)c->mem + i * CHURN_SIZE;
	while (!__atomic_load_n(&c->stop, __ATOMIC_RELAXED)) {
		ioctl(c->uffd, UFFDIO_WRITEPROTECT, &wp);
		wp.mode ^= UFFDIO_WRITEPROTECT_MODE_WP;
	}
	return NULL;
}

static int churn_start(struct churn *c)
{
	struct uffdio_register reg = {
		.range.len = CHURNERS * CHURN_SIZE,
		.mode = UFFDIO_REGISTER_MODE_WP,
	};
	struct uffdio_api api = { .api = UFFD_API };
	unsigned int i;

	*c = (struct churn) {};
	c->uffd = syscall(__NR_userfaultfd, O_CLOEXEC);
	c->mem = mmap(NULL, reg.range.len, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	reg.range.start = (uintptr_t)c->mem;
	if (c->uffd < 0 || c->mem == MAP_FAILED ||
	    ioctl(c->uffd, UFFDIO_API, &api) ||
	    ioctl(c->uffd, UFFDIO_REGISTER, &reg))
		return -1;
	for (i = 0; i < CHURNERS; i++)
		if (pthread_create(&c->thread[i], NULL, churn_run, c))
			return -1;
	return 0;
}

static void churn_stop(struct churn *c)
{
	unsigned int i;

	__atomic_store_n(&c->stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < CHURNERS; i++)
		pthread_join(c->thread[i], NULL);
	close(c->uffd);
	munmap(c->mem, CHURNERS * CHURN_SIZE);
}

/* What always changes is not waited for, by posting, stopping, or unbinding. */
TEST_F_TIMEOUT(hostile, changing_mappings, CLOCK_TEST)
{
	struct guest *g = &self->g;
	struct wire *w = &self->w;
	unsigned int late = 0;
	long long usual, ms;
	struct churn c;
	int i;

	if (no_hold(w))
		SKIP(return, "%s", no_hold(w));
	ASSERT_EQ(0, guest_post_all(g));
	ASSERT_EQ(0, flow_start(w, g));
	usual = clock_ms();
	ASSERT_EQ(0, mp_unbind(w->fd));
	usual = clock_ms() - usual;
	ASSERT_EQ(0, mp_bind(w->fd, w->dev));
	ASSERT_EQ(0, nic_wait_running(w->sock, w->dev));
	if (churn_start(&c))
		SKIP(return, "no write protection by userfaultfd");
	ASSERT_EQ(0, guest_post_all(g));
	ASSERT_EQ(0, flow_start(w, g));
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(0, flow_repeat(w, g, 64, 900, 16));
		ms = clock_ms();
		EXPECT_EQ(0, mp_unbind(w->fd));
		ms = clock_ms() - ms;
		/* Four that keep two CPUs busy make it slow, too. */
		late += ms >= 10 * usual + clock_patience() / 2;
		ASSERT_EQ(0, mp_bind(w->fd, w->dev));
		ASSERT_EQ(0, nic_wait_running(w->sock, w->dev));
		ASSERT_EQ(0, flow_start(w, g));
	}
	EXPECT_GE(1, late);
	churn_stop(&c);
	ASSERT_EQ(0, next_guest_works(w, g));
}

/* Who inherits the descriptor is refused, and stops nothing by asking. */
TEST_F_TIMEOUT(hostile, not_the_owner, CLOCK_TEST)
{
	struct vhost_vring_state base = { .index = GUEST_RX };
	struct guest *g = &self->g;
	struct wire *w = &self->w;
	long long rewound;
	int status = -1;
	pid_t pid;

	if (!w->mp)
		SKIP(return, "a tap has nothing posted to it");
	ASSERT_EQ(0, guest_post_all(g));
	ASSERT_EQ(0, flow_start(w, g));
	rewound = wire_count(w, "rewound");
	pid = fork();
	if (!pid)
		_exit(ioctl(g->vhost.fd, VHOST_GET_VRING_BASE, &base) != -1 ||
		      errno != EPERM);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_EQ(rewound, wire_count(w, "rewound"));
	ASSERT_EQ(0, flow_repeat(w, g, 64, 900, 32));
}

TEST_HARNESS_MAIN
