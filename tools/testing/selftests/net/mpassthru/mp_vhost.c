// SPDX-License-Identifier: GPL-2.0
/* What vhost-net makes of a descriptor that takes buffers ahead of frames. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "kselftest_harness.h"

#include "clock.h"
#include "flow.h"
#include "guest.h"
#include "mp.h"
#include "nic.h"
#include "wire.h"

#define BIT_ON_EMPTY	FEATURE(VIRTIO_F_NOTIFY_ON_EMPTY)

FIXTURE(vhost)
{
	struct wire w;
	struct guest g;
	struct guest other;
};

FIXTURE_SETUP(vhost)
{
	const struct guest_config cfg = { .features = BIT_V1 | BIT_MRG };
	const char *missing = wire_missing();

	self->w.fd = -1;
	self->w.peer.fd = -1;
	self->g.vhost.fd = -1;
	self->other.vhost.fd = -1;
	if (missing)
		SKIP(return, "%s", missing);
	if (wire_is_tap())
		SKIP(return, "nothing is posted to a tap");
	ASSERT_EQ(0, wire_open(&self->w));
	ASSERT_EQ(0, flow_start_wire(&self->w));
	ASSERT_EQ(0, guest_open(&self->g, &cfg));
	ASSERT_EQ(0, guest_open(&self->other, &cfg));
}

FIXTURE_TEARDOWN(vhost)
{
	guest_close(&self->g);
	guest_close(&self->other);
	wire_close(&self->w);
}

/* Exclusive claim */

static int works(struct wire *w, struct guest *g)
{
	return guest_start(g, w->fd) ?: guest_post_all(g) ?:
	       flow_start(w, g) ?: flow_repeat(w, g, 128, 900, 32);
}

/* Does the log say @text, from where @kmsg is? */
static bool log_says(int kmsg, const char *text)
{
	char line[1024];
	int len;

	while ((len = read(kmsg, line, sizeof(line) - 1)) > 0) {
		line[len] = '\0';
		if (strstr(line, text))
			return true;
	}
	return false;
}

/* The first goes on as if nothing were; the second is told why. */
TEST_F_TIMEOUT(vhost, second_refused, CLOCK_TEST)
{
	struct wire *w = &self->w;
	int kmsg, status = -1;
	long long rewound;
	pid_t pid;

	ASSERT_EQ(0, works(w, &self->g));
	rewound = wire_count(w, "rewound");
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kmsg >= 0)
		lseek(kmsg, 0, SEEK_END);
	ASSERT_EQ(0, guest_post_all(&self->other));
	EXPECT_EQ(-EBUSY, vhost_set_backend(&self->other.vhost, GUEST_RX,
					    w->fd));
	if (kmsg >= 0)
		EXPECT_TRUE(log_says(kmsg, "end that first"));
	close(kmsg);
	/* Nor by another process. */
	pid = fork();
	if (!pid)
		_exit(guest_open(&self->other, &self->g.cfg) ||
		      vhost_set_backend(&self->other.vhost, GUEST_RX,
					w->fd) != -EBUSY);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	/* Each direction has one owner. */
	EXPECT_EQ(-EBUSY, vhost_set_backend(&self->other.vhost, GUEST_TX,
					    w->fd));
	/* The one that has it may ask again. */
	EXPECT_EQ(0, vhost_set_backend(&self->g.vhost, GUEST_RX, w->fd));
	EXPECT_EQ(0, vhost_set_backend(&self->g.vhost, GUEST_TX, w->fd));
	EXPECT_EQ(0, flow_repeat(w, &self->g, 256, 900, 32));
	EXPECT_EQ(0, flow_start_tx(w, &self->g));
	EXPECT_EQ(rewound, wire_count(w, "rewound"));
}

/* As in a migration: the source lets go of it, then the destination has it. */
TEST_F_TIMEOUT(vhost, handed_over, CLOCK_TEST)
{
	struct wire *w = &self->w;
	int i;

	ASSERT_EQ(0, works(w, &self->g));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, guest_stop(&self->g));
		ASSERT_EQ(0, flow_empty(w, &self->g));
		ASSERT_EQ(0, works(w, &self->other));
		EXPECT_EQ(-EBUSY, vhost_set_backend(&self->g.vhost, GUEST_RX,
						    w->fd));
		ASSERT_EQ(0, guest_stop(&self->other));
		ASSERT_EQ(0, flow_empty(w, &self->other));
		ASSERT_EQ(0, works(w, &self->g));
	}
	EXPECT_TRUE(guest_books_balance(&self->other));
}

/* All that takes the backend away lets others have it. */
TEST_F_TIMEOUT(vhost, let_go, CLOCK_TEST)
{
	struct guest *g = &self->g, *other = &self->other;
	struct wire *w = &self->w;
	int packet;

	/* Another backend in its place, which may come back. */
	packet = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	ASSERT_LE(0, packet);
	ASSERT_EQ(0, works(w, g));
	ASSERT_EQ(0, vhost_set_backend(&g->vhost, GUEST_RX, packet));
	EXPECT_EQ(0, vhost_set_backend(&other->vhost, GUEST_RX, w->fd));
	EXPECT_EQ(-EBUSY, vhost_set_backend(&g->vhost, GUEST_RX, w->fd));
	EXPECT_EQ(0, vhost_set_backend(&other->vhost, GUEST_RX, -1));
	EXPECT_EQ(0, vhost_set_backend(&g->vhost, GUEST_RX, w->fd));
	EXPECT_EQ(0, flow_repeat(w, g, 64, 900, 32));
	close(packet);

	/* The owner is reset. */
	ASSERT_EQ(0, vhost_reset_owner(&g->vhost));
	EXPECT_EQ(0, vhost_set_backend(&other->vhost, GUEST_RX, w->fd));

	/* The device is closed. */
	guest_close(other);
	guest_close(g);
	ASSERT_EQ(0, guest_open(g, &(struct guest_config) {
				.features = BIT_V1 | BIT_MRG }));
	ASSERT_EQ(0, works(w, g));
}

/* A backend that is refused in the end is not kept. */
TEST_F_TIMEOUT(vhost, refused_late, CLOCK_TEST)
{
	struct guest *g = &self->g;
	struct wire *w = &self->w;
	size_t ring = vq_size(g->cfg.num);

	ASSERT_EQ(0, mprotect(g->mem, ring, PROT_NONE));
	EXPECT_EQ(-EFAULT, vhost_set_backend(&g->vhost, GUEST_RX, w->fd));
	ASSERT_EQ(0, mprotect(g->mem, ring, PROT_READ | PROT_WRITE));
	ASSERT_EQ(0, works(w, &self->other));
	ASSERT_EQ(0, guest_stop(&self->other));
	ASSERT_EQ(0, works(w, g));
}

/* Posting */

static long long wait_count(struct wire *w, const char *name, long long want)
{
	long long end = clock_ms() + clock_patience(), n;

	do {
		n = wire_count(w, name);
	} while (n != want && clock_ms() < end && !usleep(10000));
	return n;
}

/* A long ring is posted in portions, to its end, and without a second kick. */
TEST_F_TIMEOUT(vhost, all_posted, CLOCK_TEST)
{
	const struct guest_config cfg = {
		.features = BIT_V1 | BIT_MRG, .num = 1024, .bufs = 1024,
	};
	struct guest *g = &self->g;
	struct wire *w = &self->w;

	guest_close(g);
	ASSERT_EQ(0, guest_open(g, &cfg));
	ASSERT_EQ(0, guest_start(g, w->fd));
	ASSERT_EQ(0, guest_post_all(g));
	EXPECT_EQ(1024, wait_count(w, "outstanding", 1024));
	ASSERT_EQ(0, flow_start(w, g));
	EXPECT_EQ(0, flow_repeat(w, g, 2048, 900, 32));
}

/*
 * VIRTIO_F_NOTIFY_ON_EMPTY: a guest that wants no interrupts gets one when all
 * is used, not when all is posted.
 */
TEST_F_TIMEOUT(vhost, notify_on_empty, CLOCK_TEST)
{
	const struct guest_config cfg = {
		.features = BIT_MRG | BIT_ON_EMPTY, .bufs = 64,
	};
	long long end = clock_ms() + clock_patience();
	struct guest *g = &self->g;
	struct wire *w = &self->w;

	guest_close(g);
	ASSERT_EQ(0, guest_open(g, &cfg));
	ASSERT_EQ(0, guest_start(g, w->fd));
	ASSERT_EQ(0, guest_post_all(g));
	ASSERT_EQ(0, flow_start(w, g));
	EXPECT_EQ(64, wait_count(w, "outstanding", 64));
	g->rx.ring.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	vhost_signalled(g->rx_fds.call);

	ASSERT_EQ(0, peer_send_n(&w->peer, 16, 900, 0));
	while (guest_out(g) > 48 && clock_ms() < end)
		usleep(1000);
	ASSERT_GE(48, guest_out(g));
	usleep(100000);
	EXPECT_LT(16, guest_out(g));
	EXPECT_FALSE(vhost_signalled(g->rx_fds.call));

	ASSERT_EQ(0, peer_send_n(&w->peer, 64, 900, 0));
	while (guest_out(g) && clock_ms() < end)
		usleep(1000);
	EXPECT_EQ(0, guest_out(g));
	usleep(100000);
	EXPECT_TRUE(vhost_signalled(g->rx_fds.call));
}

/* Busy polling */

static int send_one(struct guest *g, const struct frame *f, __u32 seq)
{
	struct virtio_net_hdr_mrg_rxbuf hdr = {};
	unsigned char buf[FRAME_MIN];

	frame_build(f, buf, seq, sizeof(buf));
	return guest_send(g, &hdr, buf, sizeof(buf), 0);
}

/* Frames come in while the worker polls for more to send. */
TEST_F_TIMEOUT(vhost, busy_polling, CLOCK_TEST)
{
	struct frame out = { .stream = frame_stream() };
	struct guest *g = &self->g;
	struct wire *w = &self->w;
	int i;

	ASSERT_EQ(0, works(w, g));
	ASSERT_EQ(0, flow_start_tx(w, g));
	ASSERT_EQ(0, vhost_set_busy_poll(&g->vhost, GUEST_TX, 100000));
	ASSERT_EQ(0, vhost_set_busy_poll(&g->vhost, GUEST_RX, 100000));
	memcpy(out.dst, w->peer.mac, 6);
	memcpy(out.src, w->mac, 6);
	for (i = 0; i < 300; i++) {
		ASSERT_EQ(0, send_one(g, &out, i));
		ASSERT_EQ(0, flow_repeat(w, g, 8, 900, 8));
		ASSERT_TRUE(peer_expect(&w->peer, &out, i, clock_patience()));
	}
	EXPECT_EQ(0, guest_sent(g, clock_patience()));
}

/*
 * The guest runs out of buffers, and has some again while the worker polls for
 * more to send and wants no kicks for that.
 */
TEST_F_TIMEOUT(vhost, busy_polling_without_buffers, CLOCK_TEST)
{
	const struct guest_config cfg = {
		.features = BIT_V1 | BIT_MRG, .bufs = 8,
	};
	struct frame out = { .stream = frame_stream() };
	struct guest *g = &self->g;
	struct wire *w = &self->w;
	__u32 len;
	int i, buf;

	guest_close(g);
	ASSERT_EQ(0, guest_open(g, &cfg));
	ASSERT_EQ(0, works(w, g));
	ASSERT_EQ(0, vhost_set_busy_poll(&g->vhost, GUEST_TX, 100000));
	memcpy(out.dst, w->peer.mac, 6);
	memcpy(out.src, w->mac, 6);
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, peer_send_n(&w->peer, 16, 900, 0));
		while (vq_out(&g->rx))
			ASSERT_EQ(0, guest_take(g, &buf, &len,
						clock_patience()));
		ASSERT_EQ(0, send_one(g, &out, i));
		usleep(i * 500);
		ASSERT_EQ(0, guest_post_all(g));
		ASSERT_EQ(0, flow_start(w, g));
	}
}

/* Copying for a while */

/* CPU time of the worker in ms; there is one for each vhost device. */
static long long worker_ms(void)
{
	char path[300], line[1024], *at;
	long long user, sys, ms = 0;
	struct dirent *entry;
	DIR *dir;
	FILE *f;
	int i;

	dir = opendir("/proc/self/task");
	while (dir && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/proc/self/task/%s/stat",
			 entry->d_name);
		f = fopen(path, "re");
		if (!f)
			continue;
		at = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
		fclose(f);
		if (!at || !strstr(line, "(vhost-"))
			continue;
		/* Fields 14 and 15; the name ends before the third. */
		for (i = 3; at && i <= 14; i++)
			at = strchr(at + 1, ' ');
		if (at && sscanf(at, "%lld %lld", &user, &sys) == 2)
			ms += (user + sys) * 1000 / sysconf(_SC_CLK_TCK);
	}
	if (dir)
		closedir(dir);
	return ms;
}

static bool copies(struct wire *w)
{
	char text[64] = "";

	mp_text(w->fd, "mode", text, sizeof(text));
	return !strcmp(text, "copy");
}

static int restart(struct wire *w, struct guest *g)
{
	return guest_stop(g) ?: flow_empty(w, g) ?: guest_start(g, w->fd) ?:
	       guest_post_all(g);
}

/*
 * A guest that restarts again and again has frames copied for a while.  Its
 * worker does not spin until that ends, no frame is lost by it, and then the
 * next frame, if it comes to that, brings zero-copy back.
 */
TEST_F_TIMEOUT(vhost, restarts, CLOCK_TEST)
{
	long long end = clock_ms() + clock_patience(), ms;
	struct guest *g = &self->g;
	struct wire *w = &self->w;
	bool seen = false;
	int i;

	ASSERT_EQ(0, works(w, g));
	for (i = 0; i < 100 && !seen; i++) {
		ASSERT_EQ(0, restart(w, g));
		usleep(10000);
		if (!copies(w))
			continue;
		ms = worker_ms();
		usleep(100000);
		ms = worker_ms() - ms;
		seen = copies(w);
		if (seen)
			EXPECT_GT(50, ms);
	}
	EXPECT_TRUE(seen);
	while (copies(w) && clock_ms() < end) {
		ASSERT_EQ(0, flow_start(w, g));
		usleep(300000);
	}
	EXPECT_FALSE(copies(w));
	ASSERT_EQ(0, flow_start(w, g));
	EXPECT_EQ(0, flow_repeat(w, g, 256, 900, 32));
	ASSERT_EQ(0, guest_stop(g));
	ASSERT_EQ(0, flow_empty(w, g));
	EXPECT_TRUE(guest_books_balance(g));
}

TEST_HARNESS_MAIN
