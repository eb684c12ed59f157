// SPDX-License-Identifier: GPL-2.0
/*
 * Transmit is stopped, and the NIC changed, under full load: each chain comes
 * back once or is fetched again, no frame is sent twice, no page stays pinned.
 */

#include <fcntl.h>
#include <sys/wait.h>

#include "kselftest_harness.h"

#include "clock.h"
#include "driver.h"
#include "mp.h"
#include "nic.h"
#include "say.h"
#include "sender.h"

#define SLOTS	120
#define FLOOD	200	/* frames to be sure that traffic flows */

FIXTURE(stop)
{
	struct sender a;
};

/* The flood goes on with the frame that is next. */
static int flows(struct sender *a, unsigned int n)
{
	int came;

	/* That it is to look again. */
	vhost_signal(a->g.tx_fds.kick);
	came = order_follow(&a->o, n, clock_patience());
	if (came == n)
		return 0;
	say("%d frames of %u came, %u chains of %u are out", came, n,
	    send_out(&a->s), a->s.made);
	wire_explain(&a->w);
	return -1;
}

static int start(struct sender *a)
{
	order_init(&a->o, &a->w);
	return send_flood(&a->s, &a->o.f) ?: flows(a, FLOOD);
}

FIXTURE_SETUP(stop)
{
	const struct guest_config cfg = {
		.features = BIT_V1 | BIT_MRG, .num = 512,
	};
	const char *missing = sender_open(&self->a, &cfg, SLOTS);

	if (missing && *missing)
		SKIP(return, "%s", missing);
	ASSERT_EQ(NULL, missing);
	ASSERT_EQ(0, start(&self->a));
}

FIXTURE_TEARDOWN(stop)
{
	sender_close(&self->a);
}

/* After a stop: what was fetched came back, the rest is to be fetched. */
static bool books_balance(struct sender *a)
{
	int base = vhost_get_base(&a->g.vhost, GUEST_TX);
	__u16 used = vq_used_idx(&a->g.tx);

	if (base == used)
		return true;
	say("last_avail_idx is %d, the used index %u: %d lost", base, used,
	    (__s16)(base - used));
	return false;
}

static int resume(struct sender *a)
{
	return guest_start(&a->g, a->w.fd) ?: flows(a, FLOOD);
}

/* Nothing comes when nobody sends. */
static bool quiet(struct sender *a)
{
	int came;

	do
		came = order_follow(&a->o, 1 << 20, order_calm());
	while (came > 0);
	return !came && order_complete(&a->o, a->o.next);
}

static bool unpinned(struct sender *a)
{
	static const char *const left[] = {
		"pinned", "tx-pinned", "tx-outstanding",
	};
	bool none = true;
	long long n;
	int i;

	for (i = 0; i < 3; i++) {
		n = wire_count(&a->w, left[i]);
		/* What was not switched on has no lines. */
		if (!n || (n < 0 && i > 0))
			continue;
		say("%s: %lld", left[i], n);
		none = false;
	}
	return none;
}

/* All of the flood arrived, or all that the wire was there for. */
static int finish(struct sender *a)
{
	if (send_calm(&a->s))
		return -1;
	vhost_signal(a->g.tx_fds.kick);
	if (send_wait(&a->s, clock_patience()) || !quiet(a) ||
	    guest_stop(&a->g) || !books_balance(a))
		return -1;
	if (!order_ends(&a->o, a->s.seq))
		return -1;
	if (mp_unbind(a->w.fd))
		return -1;
	return unpinned(a) ? 0 : -1;
}

TEST_F_TIMEOUT(stop, backend_off_and_on, CLOCK_TEST)
{
	struct sender *a = &self->a;
	int i;

	for (i = 0; i < 30; i++) {
		ASSERT_EQ(0, guest_stop(&a->g));
		ASSERT_TRUE(books_balance(a));
		EXPECT_GE(0, wire_count(&a->w, "tx-outstanding"));
		ASSERT_EQ(0, guest_start(&a->g, a->w.fd));
		ASSERT_EQ(0, flows(a, i % 2 ? 50 : 1));
	}
	ASSERT_EQ(0, finish(a));
}

/* As QEMU does it: the position is read, and set again at the start. */
TEST_F_TIMEOUT(stop, base_read_and_set, CLOCK_TEST)
{
	struct sender *a = &self->a;
	int i, base;

	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, guest_stop(&a->g));
		base = vhost_get_base(&a->g.vhost, GUEST_TX);
		ASSERT_EQ(vq_used_idx(&a->g.tx), base);
		ASSERT_EQ(0, vhost_set_base(&a->g.vhost, GUEST_TX, base));
		ASSERT_EQ(0, guest_start(&a->g, a->w.fd));
		ASSERT_EQ(0, flows(a, 50));
	}
	ASSERT_EQ(0, finish(a));
}

/* The end comes while frames are in every place that they can be in. */
TEST_F_TIMEOUT(stop, at_once, CLOCK_TEST)
{
	struct sender *a = &self->a;
	int i;

	for (i = 0; i < 60; i++) {
		ASSERT_EQ(0, guest_stop(&a->g));
		ASSERT_TRUE(books_balance(a));
		ASSERT_EQ(0, guest_start(&a->g, a->w.fd));
		vhost_signal(a->g.tx_fds.kick);
		usleep(i * 50);
	}
	ASSERT_EQ(0, flows(a, FLOOD));
	ASSERT_EQ(0, finish(a));
}

TEST_F_TIMEOUT(stop, memory_table_set_again, CLOCK_TEST)
{
	struct sender *a = &self->a;
	int i;

	for (i = 0; i < 30; i++) {
		ASSERT_EQ(0, guest_map(&a->g));
		ASSERT_EQ(0, flows(a, 20));
	}
	ASSERT_EQ(0, finish(a));
}

TEST_F_TIMEOUT(stop, owner_reset, CLOCK_TEST)
{
	struct sender *a = &self->a;

	ASSERT_EQ(0, vhost_reset_owner(&a->g.vhost));
	EXPECT_TRUE(quiet(a));
	EXPECT_GE(0, wire_count(&a->w, "tx-outstanding"));
	ASSERT_EQ(0, send_calm(&a->s));
	/* What came back was sent, and nothing else. */
	a->s.used += (__u16)(vq_used_idx(&a->g.tx) - a->g.tx.seen);
	EXPECT_LE(a->o.next, a->s.used);
	EXPECT_TRUE(order_ends(&a->o, a->s.used));
	ASSERT_EQ(0, mp_unbind(a->w.fd));
	EXPECT_TRUE(unpinned(a));
}

/* A descriptor that vhost has is bound until vhost lets go of it. */
TEST_F_TIMEOUT(stop, mp_closed_first, CLOCK_TEST)
{
	struct sender *a = &self->a;

	close(a->w.fd);
	a->w.fd = -1;
	ASSERT_EQ(0, flows(a, FLOOD));
	vhost_close(&a->g.vhost);
	EXPECT_TRUE(quiet(a));
	ASSERT_EQ(0, wire_bind(&a->w));
	ASSERT_EQ(0, mp_unbind(a->w.fd));
	EXPECT_TRUE(wire_host_works(&a->w));
}

TEST_F_TIMEOUT(stop, vhost_closed_first, CLOCK_TEST)
{
	struct sender *a = &self->a;

	vhost_close(&a->g.vhost);
	EXPECT_TRUE(quiet(a));
	EXPECT_GE(0, wire_count(&a->w, "tx-outstanding"));
	ASSERT_EQ(0, send_calm(&a->s));
	ASSERT_EQ(0, sender_restart(a));
	ASSERT_EQ(0, start(a));
	ASSERT_EQ(0, finish(a));
}

/* What comes back from here on may not have been sent, but not twice. */

TEST_F_TIMEOUT(stop, unbound, CLOCK_TEST)
{
	struct sender *a = &self->a;
	int i;

	a->o.lossy = true;
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, mp_unbind(a->w.fd));
		EXPECT_TRUE(unpinned(a));
		EXPECT_TRUE(quiet(a));
		ASSERT_EQ(0, guest_stop(&a->g));
		ASSERT_TRUE(books_balance(a));
		ASSERT_EQ(0, mp_bind(a->w.fd, a->w.dev));
		ASSERT_EQ(0, nic_wait_running(a->w.sock, a->w.dev));
		ASSERT_EQ(0, resume(a));
	}
	ASSERT_EQ(0, finish(a));
	EXPECT_TRUE(wire_host_works(&a->w));
}

/* The guest does not hang meanwhile: its chains come back. */
static int comes_back(struct sender *a)
{
	__u32 made = __atomic_load_n(&a->s.made, __ATOMIC_RELAXED);
	long long end = clock_ms() + clock_patience();

	while ((__s32)(__atomic_load_n(&a->s.used, __ATOMIC_RELAXED) - made) <
	       0) {
		if (clock_ms() > end) {
			say("%u chains stay out", send_out(&a->s));
			return -1;
		}
		usleep(1000);
	}
	return 0;
}

TEST_F_TIMEOUT(stop, own_link_down_and_up, CLOCK_TEST)
{
	struct sender *a = &self->a;
	int i;

	a->o.lossy = true;
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, nic_down(a->w.sock, a->w.dev));
		EXPECT_EQ(0, comes_back(a));
		EXPECT_TRUE(quiet(a));
		ASSERT_EQ(0, nic_up(a->w.sock, a->w.dev));
		ASSERT_EQ(0, nic_wait_running(a->w.sock, a->w.dev));
		ASSERT_EQ(0, flows(a, FLOOD));
	}
	ASSERT_EQ(0, finish(a));
}

TEST_F_TIMEOUT(stop, peer_link_down_and_up, CLOCK_TEST)
{
	struct sender *a = &self->a;
	struct peer *p = &a->w.peer;
	int i;

	a->o.lossy = true;
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, nic_down(p->fd, p->dev));
		EXPECT_EQ(0, comes_back(a));
		ASSERT_EQ(0, nic_up(p->fd, p->dev));
		ASSERT_EQ(0, nic_wait_running(p->fd, p->dev));
		ASSERT_EQ(0, flows(a, FLOOD));
	}
	ASSERT_EQ(0, finish(a));
}

TEST_F_TIMEOUT(stop, down_at_the_end, CLOCK_TEST)
{
	struct sender *a = &self->a;

	a->o.lossy = true;
	ASSERT_EQ(0, nic_down(a->w.sock, a->w.dev));
	ASSERT_EQ(0, guest_stop(&a->g));
	EXPECT_TRUE(books_balance(a));
	EXPECT_TRUE(quiet(a));
	ASSERT_EQ(0, mp_unbind(a->w.fd));
	EXPECT_TRUE(unpinned(a));
	EXPECT_TRUE(wire_host_works(&a->w));
}

TEST_F_TIMEOUT(stop, ring_resized, CLOCK_TEST)
{
	struct sender *a = &self->a;
	__u32 sizes[3], size, max;
	int i, err;

	ASSERT_EQ(0, nic_get_ring(a->w.sock, a->w.dev, &size, &max));
	sizes[0] = 80;
	sizes[1] = max;
	sizes[2] = size;
	a->o.lossy = true;
	for (i = 0; i < 3; i++) {
		err = nic_set_ring(a->w.sock, a->w.dev, sizes[i]);
		if (err)
			TH_LOG("%u entries: %s", sizes[i], strerror(-err));
		EXPECT_EQ(0, nic_wait_running(a->w.sock, a->w.dev));
		EXPECT_EQ(0, comes_back(a));
		EXPECT_EQ(0, flows(a, FLOOD));
	}
	ASSERT_EQ(0, finish(a));
}

TEST_F_TIMEOUT(stop, mtu_changed, CLOCK_TEST)
{
	struct sender *a = &self->a;
	int i, mtu = nic_get_mtu(a->w.sock, a->w.dev);

	/* What is too long for the lower one may be dropped. */
	a->o.lossy = true;
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(0, nic_set_mtu(a->w.sock, a->w.dev, mtu - 500));
		EXPECT_EQ(0, comes_back(a));
		EXPECT_EQ(0, nic_set_mtu(a->w.sock, a->w.dev, mtu));
		EXPECT_EQ(0, nic_wait_running(a->w.sock, a->w.dev));
		EXPECT_EQ(0, comes_back(a));
		EXPECT_EQ(0, flows(a, FLOOD));
	}
	ASSERT_EQ(0, finish(a));
}

/* kill -9 */

static void be_a_guest(struct sender *a, int up)
{
	/* The flood's thread is not in this process. */
	a->s.flooding = false;
	if (wire_bind(&a->w) || sender_restart(a) ||
	    send_flood(&a->s, &a->o.f) || flows(a, 50) || write(up, "", 1) != 1)
		_exit(1);
	pause();
	_exit(1);
}

TEST_F_TIMEOUT(stop, killed, CLOCK_TEST)
{
	struct sender *a = &self->a;
	int i, up[2], status;
	pid_t pid;
	char c;

	ASSERT_EQ(0, send_calm(&a->s));
	vhost_close(&a->g.vhost);
	close(a->w.fd);
	a->w.fd = -1;
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, pipe(up));
		order_init(&a->o, &a->w);
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			be_a_guest(a, up[1]);
		close(up[1]);
		/* 1 when it sends, 0 when it gave up */
		EXPECT_EQ(1, read(up[0], &c, 1));
		close(up[0]);
		usleep(7000 * i);
		ASSERT_EQ(0, kill(pid, SIGKILL));
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_TRUE(WIFSIGNALED(status));
		/* The child took some of them. */
		a->o.lossy = true;
		EXPECT_TRUE(quiet(a));
	}
	ASSERT_EQ(0, wire_bind(&a->w));
	ASSERT_EQ(0, sender_restart(a));
	ASSERT_EQ(0, start(a));
	ASSERT_EQ(0, finish(a));
	EXPECT_TRUE(wire_host_works(&a->w));
}

/* The driver lets go of the NIC, as at hot unplug. */

TEST_F_TIMEOUT(stop, driver_unbound, CLOCK_TEST)
{
	struct sender *a = &self->a;
	struct wire *w = &a->w;
	struct driver drv;

	if (driver_of(&drv, w->dev))
		SKIP(return, "%s has no driver in sysfs", w->dev);

	a->o.lossy = true;
	ASSERT_EQ(0, driver_unbind(&drv));
	EXPECT_GT(0, nic_index(w->sock, w->dev));
	EXPECT_TRUE(quiet(a));
	ASSERT_EQ(0, guest_stop(&a->g));
	EXPECT_TRUE(books_balance(a));
	EXPECT_TRUE(unpinned(a));

	ASSERT_EQ(0, driver_bind(&drv, w->sock, w->dev));
	EXPECT_TRUE(wire_host_works(w));
	close(w->fd);
	ASSERT_EQ(0, nic_set_queues(w->sock, w->dev, 1));
	ASSERT_EQ(0, wire_bind(w));
	ASSERT_EQ(0, resume(a));
	ASSERT_EQ(0, finish(a));
}

TEST_HARNESS_MAIN
