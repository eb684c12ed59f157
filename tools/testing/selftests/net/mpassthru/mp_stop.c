// SPDX-License-Identifier: GPL-2.0
/*
 * Stops and changes under traffic: nothing is lost of what the guest posted,
 * nothing is completed twice, and the NIC goes back to the host in order.
 */

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "kselftest_harness.h"

#include "clock.h"
#include "driver.h"
#include "flow.h"
#include "guest.h"
#include "mp.h"
#include "nic.h"
#include "say.h"
#include "wire.h"

#define FLOOD	300	/* frames to be sure that traffic flows */

FIXTURE(stop)
{
	struct wire w;
	struct guest g;
	int mtu;		/* that a test has changed */
};

FIXTURE_VARIANT(stop)
{
	struct guest_config cfg;
};

FIXTURE_VARIANT_ADD(stop, mergeable)
{
	.cfg = { .features = BIT_V1 | BIT_MRG },
};

/* More posted than the NIC's ring takes. */
FIXTURE_VARIANT_ADD(stop, ring_1024)
{
	.cfg = { .features = BIT_V1 | BIT_MRG, .num = 1024, .bufs = 1000 },
};

FIXTURE_VARIANT_ADD(stop, in_order)
{
	.cfg = {
		.features = BIT_V1 | BIT_MRG | BIT_IN_ORDER | BIT_INDIRECT,
	},
};

FIXTURE_VARIANT_ADD(stop, bounced)
{
	.cfg = {
		.features = BIT_V1 | BIT_MRG, .mem = GUEST_SCATTERED,
		.lane = 2 * GUEST_PAGE, .off = 4096 - 700,
	},
};

FIXTURE_VARIANT_ADD(stop, copied)
{
	.cfg = { .features = BIT_V1 | BIT_MRG, .len = 500 },
};

FIXTURE_SETUP(stop)
{
	const char *missing = wire_missing();

	self->w.fd = -1;
	self->w.peer.fd = -1;
	if (missing)
		SKIP(return, "%s", missing);
	ASSERT_EQ(0, guest_open(&self->g, &variant->cfg));
	ASSERT_EQ(0, wire_open(&self->w));
	ASSERT_EQ(0, guest_start(&self->g, self->w.fd));
	ASSERT_EQ(0, guest_post_all(&self->g));
	ASSERT_EQ(0, flow_start(&self->w, &self->g));
	ASSERT_EQ(0, peer_flood(&self->w.peer, 0));
	ASSERT_EQ(0, flow_pump(&self->w, &self->g, FLOOD));
}

FIXTURE_TEARDOWN(stop)
{
	peer_calm(&self->w.peer);
	guest_close(&self->g);
	if (self->mtu)
		nic_set_mtu(self->w.sock, self->w.dev, self->mtu);
	wire_close(&self->w);
}

/* The flood goes on; what was posted is taken up and filled. */
static int resume(struct wire *w, struct guest *g)
{
	return guest_start(g, w->fd) ?: guest_post_all(g) ?:
	       flow_pump(w, g, FLOOD);
}

/* The guest takes nothing for a while. */
TEST_F_TIMEOUT(stop, guest_sleeps, CLOCK_TEST)
{
	struct guest *g = &self->g;
	struct wire *w = &self->w;
	long long end;
	int i;

	for (i = 0; i < 3; i++) {
		/* All that is posted gets used, then the NIC has nothing. */
		end = clock_ms() + clock_patience();
		while (guest_out(g) && clock_ms() < end)
			usleep(1000);
		ASSERT_GT(g->cfg.len < g->hdr_len + FRAME_ROOM ? 4 : 1,
			  guest_out(g));
		usleep(50000);
		ASSERT_EQ(0, flow_empty(w, g));
		ASSERT_EQ(0, guest_post_all(g));
		ASSERT_EQ(0, flow_pump(w, g, FLOOD));
	}
	ASSERT_EQ(0, guest_stop(g));
	ASSERT_EQ(0, flow_empty(w, g));
	EXPECT_TRUE(guest_books_balance(g));
}

TEST_F_TIMEOUT(stop, backend_off_and_on, CLOCK_TEST)
{
	struct guest *g = &self->g;
	struct wire *w = &self->w;
	int i;

	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, guest_stop(g));
		ASSERT_EQ(0, flow_empty(w, g));
		ASSERT_TRUE(guest_books_balance(g));
		ASSERT_EQ(0, wire_count(w, "outstanding"));
		ASSERT_EQ(0, resume(w, g));
	}
}

/*
 * Joins and leaves groups of IPv6 at a device, until it is killed; counts in
 * memory that is shared.
 */
static int join(int index, unsigned int *joined)
{
	int sock = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ipv6_mreq group = { .ipv6mr_interface = index };
	pid_t pid;

	if (sock < 0)
		return -errno;
	inet_pton(AF_INET6, "ff15::1", &group.ipv6mr_multiaddr);
	pid = fork();
	if (pid) {
		close(sock);
		return pid < 0 ? -errno : pid;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		if (setsockopt(sock, IPPROTO_IPV6, IPV6_JOIN_GROUP, &group,
			       sizeof(group)) ||
		    setsockopt(sock, IPPROTO_IPV6, IPV6_LEAVE_GROUP, &group,
			       sizeof(group)))
			_exit(1);
		__atomic_fetch_add(joined, 1, __ATOMIC_RELAXED);
	}
}

/*
 * Drivers are told of groups without RTNL.  What they write to the NIC then
 * starts no queue that is being stopped, nor stops one.
 */
TEST_F_TIMEOUT(stop, groups_joined, CLOCK_TEST)
{
	struct guest *g = &self->g;
	struct wire *w = &self->w;
	int i, err = 0, status;
	unsigned int *joined;
	pid_t pid;

	if (wire_is_tap())
		SKIP(return, "only with a NIC");
	joined = mmap(NULL, sizeof(*joined), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, joined);
	pid = join(nic_index(w->sock, w->dev), joined);
	ASSERT_LT(0, pid);
	for (i = 0; i < 30 && !err; i++)
		err = guest_stop(g) ?: flow_empty(w, g) ?: resume(w, g);
	EXPECT_EQ(0, err);
	ASSERT_EQ(0, waitpid(pid, &status, WNOHANG));
	kill(pid, SIGKILL);
	EXPECT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_LT(0, __atomic_load_n(joined, __ATOMIC_RELAXED));
	munmap(joined, sizeof(*joined));
	ASSERT_EQ(0, guest_stop(g));
	ASSERT_EQ(0, flow_empty(w, g));
	EXPECT_TRUE(guest_books_balance(g));
}

/* As QEMU does it: the position is read, and set again at the start. */
TEST_F_TIMEOUT(stop, base_read_and_set, CLOCK_TEST)
{
	struct guest *g = &self->g;
	struct wire *w = &self->w;
	int i, base;

	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, guest_stop(g));
		ASSERT_EQ(0, flow_empty(w, g));
		ASSERT_TRUE(guest_books_balance(g));
		if (g->cfg.features & BIT_IN_ORDER)
			SKIP(return, "the base does not tell the descriptor");
		base = vhost_get_base(&g->vhost, GUEST_RX);
		ASSERT_EQ(0, vhost_set_base(&g->vhost, GUEST_RX, base));
		ASSERT_EQ(0, resume(w, g));
	}
}

static bool posts_again(struct wire *w, struct guest *g)
{
	long long end = clock_ms() + 10 * clock_patience();
	long long posted = wire_count(w, "posted");

	while (wire_count(w, "posted") == posted && clock_ms() < end)
		if (flow_pump(w, g, 64))
			return false;
	return wire_count(w, "posted") > posted;
}

/* A stop that comes at once, while buffers are being posted and armed. */
TEST_F_TIMEOUT(stop, at_once, CLOCK_TEST)
{
	struct guest *g = &self->g;
	struct wire *w = &self->w;
	int i;

	for (i = 0; i < 50; i++) {
		ASSERT_EQ(0, guest_stop(g));
		ASSERT_EQ(0, flow_empty(w, g));
		ASSERT_TRUE(guest_books_balance(g));
		ASSERT_EQ(0, guest_start(g, w->fd));
		ASSERT_EQ(0, guest_post_all(g));
	}
	ASSERT_EQ(0, flow_pump(w, g, FLOOD));
	if (!w->mp || g->cfg.len < g->hdr_len + FRAME_ROOM)
		return;

	/* Zero-copy need not be switched on each time, but it comes back. */
	EXPECT_TRUE(posts_again(w, g));
}

TEST_F_TIMEOUT(stop, memory_table_set_again, CLOCK_TEST)
{
	int i;

	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, guest_map(&self->g));
		ASSERT_EQ(0, flow_pump(&self->w, &self->g, 100));
	}
}

/* The queue is not stopped and started as often as somebody likes. */
TEST_F_TIMEOUT(stop, memory_table_set_in_a_loop, CLOCK_TEST)
{
	struct guest *g = &self->g;
	struct wire *w = &self->w;
	long long start = clock_ms();
	long long end = start + 2 * clock_patience();
	long long posted, was;
	int i, starts = 0;

	if (!w->mp || g->cfg.len < g->hdr_len + FRAME_ROOM)
		SKIP(return, "only where buffers are posted");
	was = wire_count(w, "posted");
	for (i = 0; i < 300 && clock_ms() < end; i++) {
		ASSERT_EQ(0, guest_map(g));
		usleep(1000);
		posted = wire_count(w, "posted");
		starts += posted != was;
		was = posted;
		/* Zero-copy is switched on for a buffer to be posted. */
		ASSERT_EQ(0, flow_empty(w, g));
		ASSERT_EQ(0, guest_post_all(g));
	}
	/* Four a second are. A machine that is slow comes to no more. */
	if (clock_ms() - start < starts * 125)
		EXPECT_LT(0, wire_count(w, "deferred"));
	EXPECT_TRUE(posts_again(w, g));
}

/* Migration: the dirty log is kept by copying, frame after frame */

struct dirty {
	unsigned char	*log;
	size_t		log_size;
	unsigned char	*before;	/* the guest's memory */
};

static int dirty_open(struct dirty *d, struct guest *g)
{
	__u64 rx = GUEST_BASE + ((unsigned char *)g->rx.ring.used - g->mem);
	__u64 tx = GUEST_BASE + ((unsigned char *)g->tx.ring.used - g->mem);

	d->log_size = (GUEST_BASE + g->size) / GUEST_PAGE / 8 + GUEST_PAGE;
	d->log = calloc(1, d->log_size);
	d->before = malloc(g->size);
	if (!d->log || !d->before)
		return -ENOMEM;
	return vhost_set_log(&g->vhost, d->log) ?:
	       vhost_log_vring(&g->vhost, GUEST_RX, &g->rx, rx) ?:
	       vhost_log_vring(&g->vhost, GUEST_TX, &g->tx, tx);
}

static int dirty_close(struct dirty *d, struct guest *g)
{
	int err;

	err = vhost_log_vring(&g->vhost, GUEST_RX, &g->rx, 0) ?:
	      vhost_log_vring(&g->vhost, GUEST_TX, &g->tx, 0);
	free(d->before);
	/* Else it may be written to for as long as there is vhost. */
	if (!err)
		free(d->log);
	return err;
}

/* Whatever is written after it is in the log. */
static int dirty_start(struct dirty *d, struct guest *g)
{
	int err;

	memset(d->log, 0, d->log_size);
	err = vhost_set_features(&g->vhost, g->cfg.features |
				 1ULL << VHOST_F_LOG_ALL);
	if (!err)
		memcpy(d->before, g->mem, g->size);
	return err;
}

/*
 * What a device writes to is the used rings and the buffers: a page that is not
 * as it was is in the log there, and no page is elsewhere.  Returns how many
 * pages have changed, or -1.
 */
static int dirty_check(const struct dirty *d, const struct guest *g)
{
	size_t used = (unsigned char *)g->rx.ring.used - g->mem;
	size_t ring = vq_size(g->cfg.num), at, page;
	bool logged, changed, device;
	int n = 0;

	for (at = 0; at + GUEST_PAGE <= g->size; at += GUEST_PAGE) {
		page = (GUEST_BASE + at) / GUEST_PAGE;
		logged = d->log[page / 8] & 1 << page % 8;
		changed = memcmp(d->before + at, g->mem + at, GUEST_PAGE);
		device = at + GUEST_PAGE > g->lanes ||
			 (at < 2 * ring && at % ring >= used);
		if (logged && !device) {
			say("byte %zu is in the log: nobody wrote it", at);
			return -1;
		}
		if (!device || !changed)
			continue;
		if (!logged) {
			say("byte %zu was written, and is not in the log", at);
			return -1;
		}
		n++;
	}
	return n;
}

/* Under a flood, from zero-copy and back to it. */
TEST_F_TIMEOUT(stop, logged, CLOCK_TEST)
{
	struct guest *g = &self->g;
	struct wire *w = &self->w;
	struct dirty d = {};
	long long copied;
	int i;

	ASSERT_EQ(0, dirty_open(&d, g));
	for (i = 0; i < 5; i++) {
		if (w->mp && g->cfg.len >= g->hdr_len + FRAME_ROOM)
			ASSERT_TRUE(posts_again(w, g));
		ASSERT_EQ(0, dirty_start(&d, g));
		copied = wire_count(w, "copied");
		ASSERT_EQ(0, flow_pump(w, g, 2 * g->cfg.bufs));
		if (w->mp)
			EXPECT_LT(copied, wire_count(w, "copied"));
		ASSERT_EQ(0, guest_stop(g));
		ASSERT_EQ(0, flow_empty(w, g));
		EXPECT_TRUE(guest_books_balance(g));
		/* Each buffer was used since, and the rings. */
		EXPECT_LT(g->cfg.bufs, dirty_check(&d, g));
		ASSERT_EQ(0, vhost_set_features(&g->vhost, g->cfg.features));
		ASSERT_EQ(0, resume(w, g));
	}
	EXPECT_EQ(0, dirty_close(&d, g));
}

TEST_F_TIMEOUT(stop, owner_reset, CLOCK_TEST)
{
	ASSERT_EQ(0, vhost_reset_owner(&self->g.vhost));
	EXPECT_EQ(0, wire_count(&self->w, "outstanding"));
}

/* A descriptor that vhost has is bound until vhost lets go of it. */
TEST_F_TIMEOUT(stop, mp_closed_first, CLOCK_TEST)
{
	struct wire *w = &self->w;

	if (!w->mp)
		SKIP(return, "only with a NIC");
	close(w->fd);
	w->fd = -1;
	ASSERT_EQ(0, flow_pump(w, &self->g, FLOOD));
	guest_close(&self->g);
	ASSERT_EQ(0, wire_bind(w));
	ASSERT_EQ(0, mp_unbind(w->fd));
	peer_calm(&w->peer);
	EXPECT_TRUE(wire_host_works(w));
}

TEST_F_TIMEOUT(stop, vhost_closed_first, CLOCK_TEST)
{
	struct wire *w = &self->w;
	char text[64];

	guest_close(&self->g);
	if (!w->mp)
		SKIP(return, "only with a NIC");
	EXPECT_EQ(0, wire_count(w, "outstanding"));
	EXPECT_EQ(0, mp_text(w->fd, "mode", text, sizeof(text)));
	EXPECT_STREQ("copy", text);
	ASSERT_EQ(0, guest_open(&self->g, &variant->cfg));
	ASSERT_EQ(0, resume(w, &self->g));
	guest_close(&self->g);
	close(w->fd);
	w->fd = -1;
	peer_calm(&w->peer);
	EXPECT_TRUE(wire_host_works(w));
}

TEST_F_TIMEOUT(stop, unbound, CLOCK_TEST)
{
	struct guest *g = &self->g;
	struct wire *w = &self->w;
	int i;

	if (!w->mp)
		SKIP(return, "only with a NIC");
	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, mp_unbind(w->fd));
		EXPECT_EQ(0, wire_count(w, "outstanding"));
		EXPECT_EQ(0, wire_count(w, "pinned"));
		ASSERT_EQ(0, flow_empty(w, g));
		/* vhost may see it at its next kick only: stop it first. */
		ASSERT_EQ(0, guest_stop(g));
		ASSERT_EQ(0, flow_empty(w, g));
		ASSERT_TRUE(guest_books_balance(g));
		ASSERT_EQ(0, mp_bind(w->fd, w->dev));
		ASSERT_EQ(0, nic_wait_running(w->sock, w->dev));
		ASSERT_EQ(0, resume(w, g));
	}
	ASSERT_EQ(0, mp_unbind(w->fd));
	peer_calm(&w->peer);
	EXPECT_TRUE(wire_host_works(w));
}

/* Changes to a bound NIC. */

TEST_F_TIMEOUT(stop, link_down_and_up, CLOCK_TEST)
{
	struct guest *g = &self->g;
	struct wire *w = &self->w;
	int i;

	if (!w->mp)
		SKIP(return, "only with a NIC");
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, nic_down(w->sock, w->dev));
		ASSERT_EQ(0, flow_empty(w, g));
		ASSERT_EQ(0, guest_post_all(g));
		ASSERT_EQ(0, nic_up(w->sock, w->dev));
		ASSERT_EQ(0, nic_wait_running(w->sock, w->dev));
		ASSERT_EQ(0, flow_pump(w, g, FLOOD));
	}
	ASSERT_EQ(0, guest_stop(g));
	ASSERT_EQ(0, flow_empty(w, g));
	EXPECT_TRUE(guest_books_balance(g));
}

TEST_F_TIMEOUT(stop, down_at_the_end, CLOCK_TEST)
{
	struct wire *w = &self->w;

	if (!w->mp)
		SKIP(return, "only with a NIC");
	ASSERT_EQ(0, nic_down(w->sock, w->dev));
	ASSERT_EQ(0, guest_stop(&self->g));
	ASSERT_EQ(0, flow_empty(w, &self->g));
	EXPECT_TRUE(guest_books_balance(&self->g));
	ASSERT_EQ(0, mp_unbind(w->fd));
	peer_calm(&w->peer);
	EXPECT_TRUE(wire_host_works(w));
}

/* A ring may be resized or the resize refused: the traffic goes on. */
TEST_F_TIMEOUT(stop, ring_resized, CLOCK_TEST)
{
	struct guest *g = &self->g;
	struct wire *w = &self->w;
	__u32 sizes[3], size, max;
	int i, err = 0;

	if (!w->mp || nic_get_ring(w->sock, w->dev, &size, &max))
		SKIP(return, "only with a NIC that has rings");
	sizes[0] = 80;
	sizes[1] = max;
	sizes[2] = size;
	for (i = 0; i < 3; i++) {
		err = nic_set_ring(w->sock, w->dev, sizes[i]);
		if (err)
			TH_LOG("%u entries: %s", sizes[i], strerror(-err));
		EXPECT_EQ(0, nic_wait_running(w->sock, w->dev));
		EXPECT_EQ(0, flow_empty(w, g));
		EXPECT_EQ(0, guest_post_all(g));
		EXPECT_EQ(0, flow_pump(w, g, FLOOD));
	}
	ASSERT_EQ(0, guest_stop(g));
	ASSERT_EQ(0, flow_empty(w, g));
	EXPECT_TRUE(guest_books_balance(g));
}

/*
 * What lets the NIC write more than the guest's buffers hold: it has none of
 * these as long as that may be.
 */
TEST_F_TIMEOUT(stop, mtu_raised, CLOCK_TEST)
{
	struct guest *g = &self->g;
	struct wire *w = &self->w;
	int i, mtu;

	if (!w->mp)
		SKIP(return, "only with a NIC");
	mtu = nic_get_mtu(w->sock, w->dev);
	self->mtu = mtu;
	for (i = 0; i < 6; i++) {
		EXPECT_EQ(0, nic_set_mtu(w->sock, w->dev, i % 2 ? mtu : 9000));
		EXPECT_EQ(0, nic_wait_running(w->sock, w->dev));
		ASSERT_EQ(0, flow_empty(w, g));
		ASSERT_EQ(0, guest_post_all(g));
		ASSERT_EQ(0, flow_pump(w, g, FLOOD));
	}
	EXPECT_EQ(mtu, nic_get_mtu(w->sock, w->dev));
	ASSERT_EQ(0, guest_stop(g));
	ASSERT_EQ(0, flow_empty(w, g));
	EXPECT_TRUE(guest_books_balance(g));
	ASSERT_EQ(0, mp_unbind(w->fd));
	peer_calm(&w->peer);
	EXPECT_TRUE(wire_host_works(w));
}

/* kill -9 */

static int be_a_guest(struct wire *w, struct guest *g)
{
	for (;;)
		if (flow_pump(w, g, 64))
			return 1;
}

TEST_F_TIMEOUT(stop, killed, CLOCK_TEST)
{
	struct wire *w = &self->w;
	struct guest *g = &self->g;
	int i, up[2], status;
	pid_t pid;
	char c;

	if (!w->mp)
		SKIP(return, "only with a NIC");
	guest_close(g);
	close(w->fd);
	w->fd = -1;
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, pipe(up));
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			/* The flood's thread is not in this process. */
			w->peer.flooding = false;
			if (wire_bind(w) || guest_open(g, &variant->cfg) ||
			    guest_start(g, w->fd) || guest_post_all(g) ||
			    flow_pump(w, g, 64) || write(up[1], "", 1) != 1)
				_exit(1);
			_exit(be_a_guest(w, g));
		}
		close(up[1]);
		/* 1 when it receives, 0 when it gave up */
		EXPECT_EQ(1, read(up[0], &c, 1));
		close(up[0]);
		usleep(20000 * i);
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_TRUE(WIFSIGNALED(status));
	}
	ASSERT_EQ(0, wire_bind(w));
	ASSERT_EQ(0, guest_open(g, &variant->cfg));
	ASSERT_EQ(0, resume(w, g));
	guest_close(g);
	ASSERT_EQ(0, mp_unbind(w->fd));
	peer_calm(&w->peer);
	EXPECT_TRUE(wire_host_works(w));
}

/* The driver lets go of the NIC, as at hot unplug. */

TEST_F_TIMEOUT(stop, driver_unbound, CLOCK_TEST)
{
	struct wire *w = &self->w;
	struct driver drv;

	if (!w->mp)
		SKIP(return, "only with a NIC");
	if (driver_of(&drv, w->dev))
		SKIP(return, "%s has no driver in sysfs", w->dev);

	ASSERT_EQ(0, driver_unbind(&drv));
	EXPECT_GT(0, nic_index(w->sock, w->dev));
	ASSERT_EQ(0, flow_empty(w, &self->g));
	ASSERT_EQ(0, guest_stop(&self->g));
	ASSERT_EQ(0, flow_empty(w, &self->g));
	EXPECT_TRUE(guest_books_balance(&self->g));
	EXPECT_EQ(0, wire_count(w, "outstanding"));
	EXPECT_EQ(0, wire_count(w, "pinned"));

	ASSERT_EQ(0, driver_bind(&drv, w->sock, w->dev));
	peer_calm(&w->peer);
	EXPECT_TRUE(wire_host_works(w));

	close(w->fd);
	ASSERT_EQ(0, nic_set_queues(w->sock, w->dev, 1));
	ASSERT_EQ(0, wire_bind(w));
	ASSERT_EQ(0, guest_start(&self->g, w->fd));
	ASSERT_EQ(0, guest_post_all(&self->g));
	ASSERT_EQ(0, flow_start(w, &self->g));
}

TEST_HARNESS_MAIN
