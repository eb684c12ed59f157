// SPDX-License-Identifier: GPL-2.0
/*
 * Each allocation on the way fails in its turn: the error is reported or the
 * frames are copied, nothing leaks, and without the fault all works again.
 */

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "kselftest_harness.h"

#include "clock.h"
#include "fault.h"
#include "flow.h"
#include "guest.h"
#include "mp.h"
#include "wire.h"

/* What a call may say that could not get memory, or not reach the user's. */
static bool is_fault(int err)
{
	return err == -ENOMEM || err == -EFAULT || err == -ENOBUFS;
}

FIXTURE(fault)
{
	struct wire w;
	struct guest g;
	int fault;		/* fail-nth of this thread */
	long long pinned;
};

FIXTURE_SETUP(fault)
{
	static const struct guest_config cfg = {
		.features = BIT_V1 | BIT_MRG,
	};
	const char *missing = wire_missing() ?: fault_missing();

	self->w.fd = -1;
	self->w.peer.fd = -1;
	if (missing)
		SKIP(return, "%s", missing);
	if (wire_is_tap())
		SKIP(return, "only with a NIC");
	self->fault = fault_self();
	ASSERT_LE(0, self->fault);
	self->pinned = mp_pinned_kb();
	ASSERT_EQ(0, guest_open(&self->g, &cfg));
	ASSERT_EQ(0, wire_open(&self->w));
	ASSERT_EQ(0, guest_start(&self->g, self->w.fd));
	ASSERT_EQ(0, guest_post_all(&self->g));
	ASSERT_EQ(0, flow_start(&self->w, &self->g));
	ASSERT_EQ(0, guest_stop(&self->g));
	ASSERT_EQ(0, flow_empty(&self->w, &self->g));
}

FIXTURE_TEARDOWN(fault)
{
	peer_calm(&self->w.peer);
	guest_close(&self->g);
	wire_close(&self->w);
	EXPECT_EQ(0, mp_wait_unpinned(self->pinned));
}

static bool copies(struct wire *w)
{
	char text[32] = "";

	mp_text(w->fd, "mode", text, sizeof(text));
	return !strcmp(text, "copy");
}

/* Started too often in a row, it is going to be tried again soon. */
static bool deferred(struct wire *w)
{
	char text[32] = "";

	mp_text(w->fd, "rx-copy-why", text, sizeof(text));
	return !strcmp(text, "switched too often");
}

/* Frames completed without a copy by vhost. */
static long long posted_frames(struct wire *w)
{
	return wire_count(w, "zerocopy") + wire_count(w, "bounced");
}

/*
 * Start the guest and take frames until it is clear in what mode it receives:
 * in zero-copy, those that were queued before come first, and after many starts
 * in a row it is put off.
 */
static int start(struct wire *w, struct guest *g)
{
	long long end = clock_ms() + 10 * clock_patience();
	long long frames = posted_frames(w);

	if (guest_start(g, w->fd) || guest_post_all(g))
		return -1;
	/* The next kick has a ring looked at that could not be read. */
	guest_kick(g);
	do {
		if (flow_pump(w, g, 200))
			return -1;
		if (posted_frames(w) > frames)
			return 0;
		if (copies(w) && !deferred(w))
			return 0;
	} while (clock_ms() < end);
	return -1;
}

/* All is given back, and each buffer is where it should be. */
static bool stopped(struct wire *w, struct guest *g)
{
	return !wire_count(w, "outstanding") && !flow_empty(w, g) &&
	       guest_books_balance(g);
}

/* Zero-copy, as if nothing had ever happened. */
static bool works(struct wire *w, struct guest *g)
{
	long long zerocopy = wire_count(w, "zerocopy");

	return !start(w, g) && wire_count(w, "zerocopy") > zerocopy;
}

TEST_F_TIMEOUT(fault, open, CLOCK_TEST)
{
	int fd, n, left, round, faults = 0;

	/* Which are fatal varies with those that are made up for: some rounds
	 * hit two of them only.
	 */
	for (round = 0; round < 3; round++) {
		for (n = 1, left = 0; !left && n < 1000; n++) {
			ASSERT_EQ(0, fault_arm(self->fault, n));
			fd = mp_open();
			left = fault_disarm(self->fault);
			if (fd >= 0)
				close(fd);
			else
				ASSERT_TRUE(is_fault(fd));
			faults += fd < 0;
		}
		ASSERT_EQ(1, left);
	}
	EXPECT_LT(3, faults);
}

TEST_F_TIMEOUT(fault, bind, CLOCK_TEST)
{
	int n, err, left = 0, faults = 0;
	struct wire *w = &self->w;
	char text[32], msg[256];

	for (n = 1; !left; n = fault_next(n, 16)) {
		ASSERT_EQ(0, mp_unbind(w->fd));
		ASSERT_EQ(0, fault_arm(self->fault, n));
		err = mp_bind_msg(w->fd, w->dev, msg, sizeof(msg));
		left = fault_disarm(self->fault);
		if (!err)
			continue;
		faults++;
		ASSERT_TRUE(is_fault(err));
		ASSERT_EQ(0, mp_text(w->fd, "mode", text, sizeof(text)));
		ASSERT_STREQ("unbound", text);
		ASSERT_EQ(0, mp_bind(w->fd, w->dev));
	}
	EXPECT_LT(0, faults);
	ASSERT_EQ(0, peer_flood(&w->peer, 0));
	ASSERT_TRUE(works(w, &self->g));
}

TEST_F_TIMEOUT(fault, unbind, CLOCK_TEST)
{
	struct guest *g = &self->g;
	struct wire *w = &self->w;
	int n, left = 0;

	ASSERT_EQ(0, peer_flood(&w->peer, 0));
	/* Each round binds anew, which takes seconds: fewer of them. */
	for (n = 1; !left; n = fault_next(n, 4)) {
		ASSERT_TRUE(works(w, g));
		ASSERT_EQ(0, fault_arm(self->fault, n));
		ASSERT_EQ(0, mp_unbind(w->fd));
		left = fault_disarm(self->fault);
		ASSERT_EQ(0, wire_count(w, "pinned"));
		ASSERT_EQ(0, guest_stop(g));
		ASSERT_TRUE(stopped(w, g));
		ASSERT_EQ(0, mp_bind(w->fd, w->dev));
	}
}

TEST_F_TIMEOUT(fault, backend, CLOCK_TEST)
{
	int n, err, left = 0, faults = 0;
	struct guest *g = &self->g;
	struct wire *w = &self->w;

	ASSERT_EQ(0, peer_flood(&w->peer, 0));
	for (n = 1; !left; n = fault_next(n, 16)) {
		ASSERT_EQ(0, fault_arm(self->fault, n));
		err = vhost_set_backend(&g->vhost, GUEST_RX, w->fd);
		left = fault_disarm(self->fault);
		if (err) {
			faults++;
			ASSERT_TRUE(is_fault(err));
		}
		ASSERT_EQ(0, guest_stop(g));
		ASSERT_TRUE(stopped(w, g));
	}
	EXPECT_LT(0, faults);
	ASSERT_TRUE(works(w, g));
}

/*
 * To copy mode and back, and in the midst of traffic.  Without faults of user
 * memory: used entries that vhost cannot write are lost, with any backend.
 */
TEST_F_TIMEOUT(fault, stop, CLOCK_TEST)
{
	struct guest *g = &self->g;
	struct wire *w = &self->w;
	int n, left = 0;

	ASSERT_EQ(0, fault_usercopy(false));
	ASSERT_EQ(0, peer_flood(&w->peer, 0));
	for (n = 1; !left; n = fault_next(n, 16)) {
		ASSERT_TRUE(works(w, g));
		ASSERT_EQ(0, fault_arm(self->fault, n));
		ASSERT_EQ(0, vhost_set_backend(&g->vhost, GUEST_RX, -1));
		left = fault_disarm(self->fault);
		ASSERT_EQ(0, guest_stop(g));
		ASSERT_TRUE(stopped(w, g));
	}
}

/* Other pages for the same memory, which have to be pinned anew. */
static int other_pages(struct guest *g)
{
	void *copy = malloc(g->size);
	int err;

	if (!copy)
		return -1;
	memcpy(copy, g->mem, g->size);
	err = madvise(g->mem, g->size, MADV_DONTNEED);
	memcpy(g->mem, copy, g->size);
	free(copy);
	return err;
}

/* In the worker: the switch to zero-copy, then pin after pin. */
TEST_F_TIMEOUT(fault, post, CLOCK_TEST)
{
	int n, worker, left = 0, copied = 0, bounced = 0;
	struct guest *g = &self->g;
	struct wire *w = &self->w;
	long long before;

	worker = fault_worker();
	ASSERT_LE(0, worker);
	ASSERT_EQ(0, fault_usercopy(false));
	ASSERT_EQ(0, peer_flood(&w->peer, 0));
	for (n = 1; !left; n = fault_next(n, 16)) {
		ASSERT_EQ(0, other_pages(g));
		before = wire_count(w, "bounce-pin");
		ASSERT_EQ(0, fault_arm(worker, n));
		ASSERT_EQ(0, start(w, g));
		left = fault_disarm(worker);
		copied += copies(w);
		bounced += wire_count(w, "bounce-pin") > before;
		ASSERT_EQ(0, guest_stop(g));
		ASSERT_TRUE(stopped(w, g));
	}
	/* Both ways out were taken. */
	EXPECT_LT(0, copied);
	EXPECT_LT(0, bounced);
	ASSERT_TRUE(works(w, g));
	close(worker);
}

TEST_HARNESS_MAIN
