// SPDX-License-Identifier: GPL-2.0
/* What vhost-net makes of a descriptor that takes buffers ahead of frames. */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/vhost.h>
#include <net/if.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "kselftest_harness.h"

#include "clock.h"
#include "flow.h"
#include "guest.h"
#include "mp.h"
#include "nic.h"
#include "segment.h"
#include "say.h"
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
	unsigned int window = g->cfg.bufs < 64 ? g->cfg.bufs / 2 : 32;

	return guest_start(g, w->fd) ?: guest_post_all(g) ?:
	       flow_start(w, g) ?: flow_repeat(w, g, 128, 900, window);
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

static int set_header(int fd, int size)
{
	return ioctl(fd, TUNSETVNETHDRSZ, &size) < 0 ? -errno : 0;
}

static int header_of(int fd)
{
	int size = -1;

	return ioctl(fd, TUNGETVNETHDRSZ, &size) < 0 ? -errno : size;
}

/* As a process reads it that has set nothing. */
static int header_that_holds(int fd)
{
	int status = -1;
	pid_t pid;

	pid = fork();
	if (!pid)
		_exit(header_of(fd) & 0x7f);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -ECHILD;
	return WEXITSTATUS(status);
}

/*
 * What QEMU does at its start, and what it then has at the switch-over.  Until
 * then it would read what there is to read, and there is nothing.
 */
static bool sets_up(struct guest *g, int fd, int ready, int go)
{
	const struct guest_config cfg = {};	/* its header has 10 bytes */
	struct pollfd pfds[2] = {
		{ .fd = fd, .events = POLLIN }, { .fd = go, .events = POLLIN }
	};
	int size = 10;
	char c = 0;

	return !ioctl(fd, TUNSETOFFLOAD, 0) &&
	       !ioctl(fd, TUNSETVNETHDRSZ, &size) && header_of(fd) == 10 &&
	       write(ready, &c, 1) == 1 && poll(pfds, 2, -1) == 1 &&
	       !pfds[0].revents && read(go, &c, 1) == 1 &&
	       !guest_open(g, &cfg) &&
	       !vhost_set_backend(&g->vhost, GUEST_RX, fd) &&
	       header_of(fd) == 10 && write(ready, &c, 1) == 1 &&
	       read(go, &c, 1) == 1;
}

/*
 * The destination of a migration sets up the descriptor that it shares with the
 * source, whose guest goes on with what it has set, until it lets go of it.
 */
TEST_F_TIMEOUT(vhost, set_up_by_another, CLOCK_TEST)
{
	struct guest *g = &self->g;
	struct wire *w = &self->w;
	int ready[2], go[2], status = -1;
	pid_t pid;
	char c;

	ASSERT_EQ(0, works(w, g));
	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pipe(go));
	pid = fork();
	if (!pid) {
		/* So that it sees the end of us. */
		close(go[1]);
		_exit(!sets_up(&self->other, w->fd, ready[1], go[0]));
	}
	ASSERT_EQ(1, read(ready[0], &c, 1));
	EXPECT_EQ(12, header_of(w->fd));
	EXPECT_EQ(0, flow_repeat(w, g, 256, 900, 32));
	EXPECT_EQ(0, flow_start_tx(w, g));
	ASSERT_EQ(0, guest_stop(g));
	ASSERT_EQ(0, flow_empty(w, g));
	EXPECT_EQ(12, header_of(w->fd));

	ASSERT_EQ(1, write(go[1], &c, 1));
	ASSERT_EQ(1, read(ready[0], &c, 1));
	EXPECT_EQ(10, header_that_holds(w->fd));
	ASSERT_EQ(1, write(go[1], &c, 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	/* And back. */
	ASSERT_EQ(0, works(w, g));
}

/*
 * Another process that has our descriptors, as the destination of a migration
 * has those of the source, and does what it is told.
 */
enum deed { HEADER, GET_HEADER, OFFLOAD, ATTACH, GET_FLAGS, RX, TX, LATE_RX };

struct order {
	enum deed	deed;
	int		fd;
	int		arg;
};

struct another {
	pid_t	pid;
	int	to;
	int	from;
};

static int late_backend(struct guest *g, int fd)
{
	size_t ring = vq_size(g->cfg.num);
	int err;

	if (mprotect(g->mem, ring, PROT_NONE))
		return -errno;
	err = vhost_set_backend(&g->vhost, GUEST_RX, fd);
	return mprotect(g->mem, ring, PROT_READ | PROT_WRITE) ? -errno : err;
}

static int obey(struct guest *g, const struct order *o)
{
	switch (o->deed) {
	case HEADER:
		return set_header(o->fd, o->arg);
	case GET_HEADER:
		return header_of(o->fd);
	case OFFLOAD:
		return ioctl(o->fd, TUNSETOFFLOAD, o->arg) < 0 ? -errno : 0;
	case ATTACH:
		return mp_attach_queue(o->fd, o->arg);
	case GET_FLAGS:
		return mp_iff_flags(o->fd);
	case RX:
		return vhost_set_backend(&g->vhost, GUEST_RX, o->fd);
	case TX:
		return vhost_set_backend(&g->vhost, GUEST_TX, o->fd);
	case LATE_RX:
		return late_backend(g, o->fd);
	}
	return -EINVAL;
}

static int another_run(int to, int from)
{
	const struct guest_config cfg = {};	/* its header has 10 bytes */
	static struct guest g;
	struct order o;
	int ret;

	ret = guest_open(&g, &cfg);
	while (!ret && read(to, &o, sizeof(o)) == sizeof(o)) {
		ret = obey(&g, &o);
		if (write(from, &ret, sizeof(ret)) != sizeof(ret))
			return 1;
		ret = 0;
	}
	return ret != 0;
}

static int another_begin(struct another *a)
{
	int to[2], from[2];

	if (pipe(to) || pipe(from))
		return -errno;
	a->pid = fork();
	if (!a->pid) {
		/* So that it sees the end of us. */
		close(to[1]);
		close(from[0]);
		_exit(another_run(to[0], from[1]));
	}
	close(to[0]);
	close(from[1]);
	a->to = to[1];
	a->from = from[0];
	return a->pid < 0 ? -errno : 0;
}

static int another_end(struct another *a)
{
	int status = -1;

	close(a->to);
	close(a->from);
	return waitpid(a->pid, &status, 0) == a->pid ? status : -errno;
}

static int tell(struct another *a, enum deed deed, int fd, int arg)
{
	const struct order o = { .deed = deed, .fd = fd, .arg = arg };
	int ret;

	if (write(a->to, &o, sizeof(o)) != sizeof(o) ||
	    read(a->from, &ret, sizeof(ret)) != sizeof(ret))
		return -EPIPE;
	return ret;
}

/* As QEMU does when its guest goes on: it sets nothing. */
static int go_on(struct guest *g, int fd)
{
	int err;

	err = vhost_set_backend(&g->vhost, GUEST_RX, fd) ?:
	      vhost_set_backend(&g->vhost, GUEST_TX, fd) ?:
	      guest_post_all(g);
	g->running = !err;
	return err;
}

static int stop(struct wire *w, struct guest *g)
{
	return guest_stop(g) ?: flow_empty(w, g);
}

/*
 * What is set while nobody has the descriptor holds, until somebody has it who
 * had it before.
 */
TEST_F_TIMEOUT(vhost, set_up_while_stopped, CLOCK_TEST)
{
	struct guest *g = &self->g;
	struct wire *w = &self->w;
	struct another a;
	int i;

	ASSERT_EQ(0, works(w, g));
	ASSERT_EQ(0, another_begin(&a));
	ASSERT_EQ(0, stop(w, g));
	EXPECT_EQ(0, tell(&a, OFFLOAD, w->fd, 0));
	EXPECT_EQ(0, tell(&a, HEADER, w->fd, 10));
	EXPECT_EQ(10, tell(&a, GET_HEADER, w->fd, 0));
	EXPECT_EQ(10, header_that_holds(w->fd));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(12, header_of(w->fd));
		ASSERT_EQ(0, go_on(g, w->fd));
		EXPECT_EQ(12, header_that_holds(w->fd));
		EXPECT_EQ(0, flow_start(w, g));
		EXPECT_EQ(0, flow_repeat(w, g, 256, 900, 32));
		EXPECT_EQ(0, flow_start_tx(w, g));
		EXPECT_EQ(10, tell(&a, GET_HEADER, w->fd, 0));
		ASSERT_EQ(0, stop(w, g));
		/* A backend that is refused in the end uses nothing up. */
		EXPECT_EQ(-EFAULT, tell(&a, LATE_RX, w->fd, 0));
	}
	EXPECT_EQ(0, tell(&a, RX, w->fd, 0));
	EXPECT_EQ(10, header_that_holds(w->fd));
	EXPECT_EQ(10, tell(&a, GET_HEADER, w->fd, 0));
	EXPECT_EQ(0, tell(&a, RX, -1, 0));
	EXPECT_EQ(0, another_end(&a));
	ASSERT_EQ(0, works(w, g));
}

/* What it has set, and nothing else, though that was so already. */
TEST_F_TIMEOUT(vhost, set_up_in_part, CLOCK_TEST)
{
	struct guest *g = &self->g;
	struct wire *w = &self->w;
	struct another a;

	ASSERT_EQ(0, set_header(w->fd, 10));
	ASSERT_EQ(0, vhost_set_backend(&g->vhost, GUEST_RX, w->fd));
	ASSERT_EQ(0, another_begin(&a));
	EXPECT_EQ(0, tell(&a, HEADER, w->fd, 10));
	ASSERT_EQ(0, set_header(w->fd, 12));
	EXPECT_EQ(12, header_that_holds(w->fd));
	EXPECT_EQ(10, tell(&a, GET_HEADER, w->fd, 0));
	ASSERT_EQ(0, vhost_set_backend(&g->vhost, GUEST_RX, -1));
	EXPECT_EQ(0, tell(&a, RX, w->fd, 0));
	EXPECT_EQ(10, header_that_holds(w->fd));
	EXPECT_EQ(0, another_end(&a));

	ASSERT_EQ(0, set_header(w->fd, 12));
	ASSERT_EQ(0, vhost_set_backend(&g->vhost, GUEST_RX, w->fd));
	ASSERT_EQ(0, another_begin(&a));
	EXPECT_EQ(0, tell(&a, OFFLOAD, w->fd, 0));
	ASSERT_EQ(0, set_header(w->fd, 14));
	ASSERT_EQ(0, vhost_set_backend(&g->vhost, GUEST_RX, -1));
	EXPECT_EQ(0, tell(&a, RX, w->fd, 0));
	EXPECT_EQ(14, header_that_holds(w->fd));
	EXPECT_EQ(0, another_end(&a));
}

/* Whose direction is the other one goes on as it was. */
TEST_F_TIMEOUT(vhost, claim_of_one_direction, CLOCK_TEST)
{
	struct guest *g = &self->g;
	struct wire *w = &self->w;
	struct another a;
	long long rewound;

	ASSERT_EQ(0, set_header(w->fd, 12));
	ASSERT_EQ(0, vhost_set_backend(&g->vhost, GUEST_RX, w->fd));
	g->running = true;
	ASSERT_EQ(0, guest_post_all(g));
	ASSERT_EQ(0, flow_start(w, g));
	rewound = wire_count(w, "rewound");
	ASSERT_EQ(0, another_begin(&a));
	EXPECT_EQ(0, tell(&a, HEADER, w->fd, 10));
	EXPECT_EQ(0, tell(&a, TX, w->fd, 0));
	EXPECT_EQ(12, header_that_holds(w->fd));
	EXPECT_EQ(0, flow_repeat(w, g, 256, 900, 32));
	EXPECT_EQ(rewound, wire_count(w, "rewound"));
	/* Ours holds at once, though another has the other direction. */
	EXPECT_EQ(0, set_header(w->fd, 14));
	EXPECT_EQ(14, header_that_holds(w->fd));
	EXPECT_EQ(0, set_header(w->fd, 12));
	EXPECT_EQ(12, header_that_holds(w->fd));
	EXPECT_EQ(0, tell(&a, TX, -1, 0));

	/* Who has the other one is the next.  When both have let go, each gets
	 * back its own.
	 */
	EXPECT_EQ(0, tell(&a, TX, w->fd, 0));
	ASSERT_EQ(0, stop(w, g));
	EXPECT_EQ(10, header_that_holds(w->fd));
	EXPECT_EQ(0, tell(&a, TX, -1, 0));
	ASSERT_EQ(0, vhost_set_backend(&g->vhost, GUEST_RX, w->fd));
	EXPECT_EQ(12, header_that_holds(w->fd));

	/* And who comes back before that waits. */
	EXPECT_EQ(0, tell(&a, TX, w->fd, 0));
	ASSERT_EQ(0, stop(w, g));
	EXPECT_EQ(10, header_that_holds(w->fd));
	ASSERT_EQ(0, vhost_set_backend(&g->vhost, GUEST_RX, w->fd));
	EXPECT_EQ(10, header_that_holds(w->fd));
	EXPECT_EQ(12, header_of(w->fd));
	EXPECT_EQ(0, tell(&a, TX, -1, 0));
	EXPECT_EQ(12, header_that_holds(w->fd));
	EXPECT_EQ(0, another_end(&a));
}

/* The second is at *@fd. */
static int two_queues(struct wire *w, int *fd)
{
	char msg[256];

	if (nic_max_queues(w->sock, w->dev) < 2)
		return 1;
	*fd = mp_open();
	return mp_unbind(w->fd) ?: nic_set_queues(w->sock, w->dev, 2) ?:
	       mp_bind_queue(w->fd, w->dev, 0, msg, sizeof(msg)) ?:
	       mp_bind_queue(*fd, w->dev, 1, msg, sizeof(msg)) ?:
	       nic_wait_running(w->sock, w->dev);
}

/*
 * QEMU turns off all queues but the first when it starts.  Those are of a guest
 * that runs, and stay as they are, and so they do when it stays after all.
 */
TEST_F_TIMEOUT(vhost, detached_by_another, CLOCK_TEST)
{
	struct guest *second = &self->other;
	struct wire *w = &self->w;
	struct another a;
	int fd, err, i;

	err = two_queues(w, &fd);
	if (err > 0)
		SKIP(return, "%s has one queue", w->dev);
	ASSERT_EQ(0, err);
	ASSERT_EQ(0, works(w, &self->g));
	ASSERT_EQ(0, guest_start(second, fd));
	ASSERT_EQ(0, another_begin(&a));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(0, tell(&a, ATTACH, fd, false));
		EXPECT_EQ(1, mp_count(fd, "attached"));
		EXPECT_FALSE(mp_iff_flags(fd) & IFF_DETACH_QUEUE);
		EXPECT_TRUE(tell(&a, GET_FLAGS, fd, 0) & IFF_DETACH_QUEUE);
		/* It is let go of, and nobody else has come yet, */
		ASSERT_EQ(0, guest_stop(second));
		EXPECT_EQ(1, mp_count(fd, "attached"));
		/* and taken again. */
		ASSERT_EQ(0, go_on(second, fd));
		EXPECT_EQ(1, mp_count(fd, "attached"));
		EXPECT_TRUE(tell(&a, GET_FLAGS, fd, 0) & IFF_DETACH_QUEUE);
	}
	/* Who has it may change it. */
	EXPECT_EQ(0, mp_attach_queue(fd, false));
	EXPECT_EQ(0, mp_count(fd, "attached"));
	EXPECT_EQ(0, mp_attach_queue(fd, true));
	EXPECT_EQ(1, mp_count(fd, "attached"));
	EXPECT_EQ(0, flow_repeat(w, &self->g, 256, 900, 32));

	/* As when its guest has come: of one queue, or of both. */
	ASSERT_EQ(0, guest_stop(second));
	EXPECT_EQ(1, mp_count(fd, "attached"));
	EXPECT_EQ(0, tell(&a, HEADER, fd, 10));
	EXPECT_EQ(1, mp_count(fd, "attached"));
	ASSERT_EQ(0, stop(w, &self->g));
	EXPECT_EQ(1, mp_count(fd, "attached"));
	EXPECT_EQ(0, tell(&a, RX, w->fd, 0));
	EXPECT_EQ(0, mp_count(fd, "attached"));
	EXPECT_EQ(0, tell(&a, RX, -1, 0));
	EXPECT_EQ(0, tell(&a, ATTACH, fd, true));
	EXPECT_EQ(1, mp_count(fd, "attached"));
	EXPECT_EQ(0, tell(&a, RX, fd, 0));
	EXPECT_EQ(1, mp_count(fd, "attached"));
	EXPECT_EQ(0, tell(&a, RX, -1, 0));
	ASSERT_EQ(0, go_on(&self->g, w->fd));
	EXPECT_EQ(0, flow_start(w, &self->g));

	/* What one has said that is gone does not count. */
	EXPECT_EQ(0, another_end(&a));
	ASSERT_EQ(0, another_begin(&a));
	ASSERT_EQ(0, guest_start(second, fd));
	EXPECT_EQ(0, mp_attach_queue(fd, true));
	EXPECT_EQ(0, tell(&a, ATTACH, fd, false));
	EXPECT_EQ(0, another_end(&a));
	ASSERT_EQ(0, guest_stop(second));
	EXPECT_EQ(1, mp_count(fd, "attached"));
	close(fd);
}

/* Of a queue that the guest does not use: the others are the guest's. */
TEST_F_TIMEOUT(vhost, offloads_of_an_idle_queue, CLOCK_TEST)
{
	struct segment s = { .port = 4000, .seq = 1 };
	struct guest *g = &self->g;
	unsigned char buf[1000] = {};
	struct wire *w = &self->w;
	struct another a;
	int fd, err, i;
	size_t len;

	err = two_queues(w, &fd);
	if (err > 0)
		SKIP(return, "%s has one queue", w->dev);
	ASSERT_EQ(0, err);
	ASSERT_EQ(0, mp_attach_queue(fd, false));
	ASSERT_EQ(0, works(w, g));
	memcpy(s.dst, w->mac, 6);
	memcpy(s.src, w->peer.mac, 6);
	len = segment_build(&s, buf, 500, false);
	ASSERT_EQ(0, ioctl(w->fd, TUNSETOFFLOAD, TUN_F_CSUM));
	if (flow_flags(w, g, buf, len) != VIRTIO_NET_HDR_F_DATA_VALID)
		SKIP(return, "%s verifies no checksums", w->dev);

	ASSERT_EQ(0, another_begin(&a));
	EXPECT_EQ(0, tell(&a, OFFLOAD, fd, 0));
	for (i = 0; i < 2; i++) {
		EXPECT_EQ(VIRTIO_NET_HDR_F_DATA_VALID,
			  flow_flags(w, g, buf, len));
		ASSERT_EQ(0, stop(w, g));
		ASSERT_EQ(0, go_on(g, w->fd));
		ASSERT_EQ(0, flow_start(w, g));
	}
	/* Nor is its own what another sets before it is ever used. */
	ASSERT_EQ(0, set_header(fd, 12));
	EXPECT_EQ(0, tell(&a, HEADER, fd, 10));
	ASSERT_EQ(0, go_on(&self->other, fd));
	EXPECT_EQ(12, header_that_holds(fd));
	ASSERT_EQ(0, guest_stop(&self->other));
	EXPECT_EQ(0, another_end(&a));
	close(fd);
}

/*
 * Waits from before there is something to be read until @come says that there
 * is, which it is not to see.
 */
static bool waits_to_read(int fd, int ready, int come)
{
	struct epoll_event event = { .events = EPOLLIN };
	int ep = epoll_create1(EPOLL_CLOEXEC);
	char c = 0;

	return !epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event) &&
	       write(ready, &c, 1) == 1 && read(come, &c, 1) == 1 &&
	       !epoll_wait(ep, &event, 1, 100) && write(ready, &c, 1) == 1 &&
	       epoll_wait(ep, &event, 1, clock_patience()) == 1;
}

static bool wait_received(struct wire *w, long long packets)
{
	long long end = clock_ms() + clock_patience();

	while (nic_stat(w->sock, w->dev, "rx_packets") < packets) {
		if (clock_ms() > end)
			return false;
		usleep(10000);
	}
	return true;
}

/* It is told when that is over, for there may be no other frame. */
TEST_F_TIMEOUT(vhost, readable_again, CLOCK_TEST)
{
	struct guest *g = &self->g;
	struct wire *w = &self->w;
	int ready[2], come[2], status = -1;
	long long packets;
	pid_t pid;
	char c;

	/* A guest without buffers: the frames wait. */
	ASSERT_EQ(0, guest_start(g, w->fd));
	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pipe(come));
	pid = fork();
	if (!pid)
		_exit(!waits_to_read(w->fd, ready[1], come[0]));
	ASSERT_EQ(1, read(ready[0], &c, 1));
	packets = nic_stat(w->sock, w->dev, "rx_packets");
	ASSERT_LE(0, packets);
	ASSERT_EQ(0, peer_send_n(&w->peer, 16, 900, 0));
	ASSERT_TRUE(wait_received(w, packets + 16));
	ASSERT_EQ(1, write(come[1], &c, 1));
	ASSERT_EQ(1, read(ready[0], &c, 1));
	ASSERT_EQ(0, guest_stop(g));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
}

/* A process is known by its memory, as vhost's owner is. */
TEST_F_TIMEOUT(vhost, claimed_by_vfork, CLOCK_TEST)
{
	struct guest *g = &self->g;
	struct wire *w = &self->w;
	int status = -1;
	pid_t pid;

	pid = vfork();
	if (!pid)
		_exit(guest_start(g, w->fd) != 0);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	ASSERT_EQ(0, status);
	ASSERT_EQ(0, guest_post_all(g));
	ASSERT_EQ(0, flow_start(w, g));
	EXPECT_EQ(0, flow_repeat(w, g, 256, 900, 32));
	EXPECT_LT(0, wire_count(w, "zerocopy"));
	EXPECT_EQ(12, header_of(w->fd));
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
	struct pollfd call = { .events = POLLIN };
	struct guest *g = &self->g;
	struct wire *w = &self->w;
	long long end;

	guest_close(g);
	ASSERT_EQ(0, guest_open(g, &cfg));
	ASSERT_EQ(0, guest_start(g, w->fd));
	ASSERT_EQ(0, guest_post_all(g));
	ASSERT_EQ(0, flow_start(w, g));
	EXPECT_EQ(64, wait_count(w, "outstanding", 64));
	g->rx.ring.avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	vhost_signalled(g->rx_fds.call);

	ASSERT_EQ(0, peer_send_n(&w->peer, 16, 900, 0));
	end = clock_ms() + clock_patience();
	while (guest_out(g) > 48 && clock_ms() < end)
		usleep(1000);
	ASSERT_GE(48, guest_out(g));
	usleep(100000);
	EXPECT_LT(16, guest_out(g));
	EXPECT_FALSE(vhost_signalled(g->rx_fds.call));

	ASSERT_EQ(0, peer_send_n(&w->peer, 64, 900, 0));
	end = clock_ms() + clock_patience();
	while (guest_out(g) && clock_ms() < end)
		usleep(1000);
	EXPECT_EQ(0, guest_out(g));
	call.fd = g->rx_fds.call;
	EXPECT_EQ(1, poll(&call, 1, clock_patience()));
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
		ASSERT_EQ(0, flow_armed(w, cfg.bufs));
		ASSERT_EQ(0, peer_send_n(&w->peer, 16, 900, 0));
		/* ASSERT_EQ() would not leave a loop without braces. */
		while (vq_out(&g->rx)) {
			ASSERT_EQ(0, guest_take(g, &buf, &len,
						clock_patience()));
		}
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

static bool copies_as(struct wire *w, const char *why)
{
	char text[64] = "";

	mp_text(w->fd, "rx-copy-why", text, sizeof(text));
	return copies(w) && !strcmp(text, why);
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
	struct guest *g = &self->g;
	struct wire *w = &self->w;
	static const char often[] = "switched too often";
	long long end, begin, start, ms;
	bool seen = false;
	int i;

	ASSERT_EQ(0, works(w, g));
	begin = clock_ms();
	for (i = 0; i < 100 && !seen; i++) {
		ASSERT_EQ(0, restart(w, g));
		usleep(10000);
		if (!copies_as(w, often))
			continue;
		start = clock_ms();
		ms = worker_ms();
		usleep(100000);
		ms = worker_ms() - ms;
		seen = copies_as(w, often);
		if (seen)
			EXPECT_GT((clock_ms() - start) / 2, ms);
	}
	/* Four a second are not too often. */
	if (!seen && clock_ms() - begin > 20000)
		say("this machine is too slow for it");
	else
		EXPECT_TRUE(seen);
	end = clock_ms() + clock_patience();
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

/*
 * What is posted is cancelled while the worker posts more.  It begins anew by
 * itself, and no frame is behind another that came later.
 */
TEST_F_TIMEOUT(vhost, cancelled_in_a_flood, CLOCK_TEST)
{
	struct guest *g = &self->g;
	int i, other = 64, len = g->hdr_len;
	struct wire *w = &self->w;
	long long end;

	ASSERT_EQ(0, works(w, g));
	ASSERT_EQ(0, peer_flood(&w->peer, 900));
	for (i = 0; i < 30; i++) {
		ASSERT_EQ(0, ioctl(w->fd, TUNSETVNETHDRSZ, &other));
		ASSERT_EQ(0, ioctl(w->fd, TUNSETVNETHDRSZ, &len));
		/* There are no more than four starts a second. */
		end = clock_ms() + 300;
		while (clock_ms() < end)
			ASSERT_EQ(0, flow_pump(w, g, 10 + i));
	}
	end = clock_ms() + clock_patience();
	while (copies(w) && clock_ms() < end)
		ASSERT_EQ(0, flow_pump(w, g, 100));
	EXPECT_FALSE(copies(w));
	peer_calm(&w->peer);
	ASSERT_EQ(0, guest_stop(g));
	ASSERT_EQ(0, flow_empty(w, g));
	EXPECT_TRUE(guest_books_balance(g));
}

#define SHORT	256	/* bytes of a buffer that is too short for a frame */

/* Frames in order, until zero-copy is put off for the @fails-th time. */
static int copy_until(struct wire *w, struct guest *g, long long fails)
{
	long long end = clock_ms() + (1000LL << fails) + clock_patience();

	while (wire_count(w, "rx-copy-fails") < fails) {
		if (clock_ms() > end || flow_repeat(w, g, 16, 900, 8))
			return -1;
		usleep(10000);
	}
	return 0;
}

/* Zero-copy comes with the first frame after that, at the latest. */
static int wait_put_off(struct wire *w, struct guest *g)
{
	usleep(1000 * wire_count(w, "rx-copy-ms") + 50000);
	return flow_start(w, g);
}

/*
 * A guest has short buffers for a while.  Zero-copy is tried in vain meanwhile,
 * and not before its time; no frame is lost by that.  Then it comes back, with
 * nothing restarted.
 */
TEST_F_TIMEOUT(vhost, short_for_a_while, CLOCK_TEST)
{
	long long start, end, zerocopy, fails, left;
	struct guest *g = &self->g;
	struct wire *w = &self->w;

	ASSERT_EQ(0, works(w, g));
	ASSERT_FALSE(copies(w));
	fails = wire_count(w, "rx-copy-fails");
	start = clock_ms();
	/* One is enough, behind those that are posted. */
	g->post_len = SHORT;
	ASSERT_EQ(0, flow_repeat(w, g, 1, 900, 1));
	end = clock_ms() + clock_patience();
	while (!copies(w) && clock_ms() < end)
		usleep(1000);
	EXPECT_TRUE(copies_as(w, "short buffers"));
	EXPECT_LE(fails + 1, wire_count(w, "rx-copy-fails"));
	zerocopy = wire_count(w, "zerocopy");
	ASSERT_EQ(0, copy_until(w, g, fails + 3));
	EXPECT_LE(2900, clock_ms() - start);
	EXPECT_EQ(zerocopy, wire_count(w, "zerocopy"));

	/* All of them are long again, some seconds before the next try. */
	g->post_len = g->cfg.len;
	start = clock_ms();
	ASSERT_EQ(0, flow_repeat(w, g, g->cfg.bufs / 2, 900, 8));
	left = wire_count(w, "rx-copy-ms");
	if (clock_ms() - start < 2000) {
		EXPECT_LT(0, left);
		EXPECT_TRUE(copies_as(w, "short buffers"));
	}
	ASSERT_EQ(0, wait_put_off(w, g));
	EXPECT_FALSE(copies(w));
	zerocopy = wire_count(w, "zerocopy");
	fails = wire_count(w, "rx-copy-fails");
	ASSERT_EQ(0, flow_repeat(w, g, 256, 900, 32));
	EXPECT_LE(zerocopy + 256, wire_count(w, "zerocopy"));
	EXPECT_EQ(fails, wire_count(w, "rx-copy-fails"));

	/* In a flood it goes back and forth in order. */
	ASSERT_EQ(0, peer_flood(&w->peer, 900));
	g->post_len = SHORT;
	end = clock_ms() + clock_patience();
	while (!copies(w) && clock_ms() < end)
		ASSERT_EQ(0, flow_pump(w, g, 100));
	EXPECT_TRUE(copies(w));
	g->post_len = g->cfg.len;
	end = clock_ms() + wire_count(w, "rx-copy-ms") + clock_patience();
	while (copies(w) && clock_ms() < end)
		ASSERT_EQ(0, flow_pump(w, g, 100));
	EXPECT_FALSE(copies(w));
	ASSERT_EQ(0, flow_pump(w, g, 500));
	peer_calm(&w->peer);

	ASSERT_EQ(0, guest_stop(g));
	ASSERT_EQ(0, flow_empty(w, g));
	EXPECT_TRUE(guest_books_balance(g));
}

/*
 * Some are short, the first is not: that is seen before anything is switched,
 * also by who was refused in between, as there was no device.
 */
TEST_F_TIMEOUT(vhost, short_among_others, CLOCK_TEST)
{
	struct guest *g = &self->g;
	struct wire *w = &self->w;
	long long posted, fails;
	unsigned int i;

	ASSERT_EQ(0, guest_start(g, w->fd));
	fails = wire_count(w, "rx-copy-fails");
	posted = wire_count(w, "posted");
	for (i = 0; i < g->cfg.bufs; i++) {
		g->post_len = i % 8 == 7 ? SHORT : g->cfg.len;
		ASSERT_EQ(0, guest_post(g, i));
	}
	/* They stay as they are. */
	g->post_len = 0;
	guest_kick(g);
	ASSERT_EQ(0, copy_until(w, g, fails + 1));
	ASSERT_EQ(0, mp_unbind(w->fd));
	ASSERT_EQ(0, vhost_set_features(&g->vhost, g->cfg.features));
	usleep(100000);
	ASSERT_EQ(0, mp_bind(w->fd, w->dev));
	ASSERT_EQ(0, nic_wait_running(w->sock, w->dev));
	EXPECT_TRUE(copies_as(w, "short buffers"));
	ASSERT_EQ(0, flow_start(w, g));
	ASSERT_EQ(0, copy_until(w, g, fails + 3));
	EXPECT_EQ(posted, wire_count(w, "posted"));
}

/* What the log has said, from where @kmsg is. */
static int log_count(int kmsg, const char *text)
{
	int n = 0;

	while (log_says(kmsg, text))
		n++;
	return n;
}

/*
 * A guest that never has others, with traffic and without.  Nobody spins while
 * it is put off or when that is over, a restart does not end it, each try that
 * fails puts it off for longer, and after two minutes the log says so, once.
 */
TEST_F_TIMEOUT(vhost, short_for_ever, CLOCK_TEST)
{
	const struct guest_config cfg = {
		.features = BIT_V1 | BIT_MRG, .len = SHORT,
	};
	struct frame out = { .stream = frame_stream() };
	long long start, ms, fails, most, posted, deferred;
	struct guest *g = &self->g;
	struct wire *w = &self->w;
	int kmsg, i;

	ASSERT_EQ(0, wire_count(w, "rx-copy-fails"));
	posted = wire_count(w, "posted");
	deferred = wire_count(w, "deferred");
	kmsg = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	ASSERT_LE(0, kmsg);
	lseek(kmsg, 0, SEEK_END);

	guest_close(g);
	ASSERT_EQ(0, guest_open(g, &cfg));
	start = clock_ms();
	ASSERT_EQ(0, guest_start(g, w->fd));
	ASSERT_EQ(0, guest_post_all(g));
	ASSERT_EQ(0, flow_start(w, g));
	ASSERT_EQ(0, flow_start_tx(w, g));
	ASSERT_TRUE(copies_as(w, "short buffers"));

	/* Over a second or two, so that at some time it is over. */
	ASSERT_EQ(0, vhost_set_busy_poll(&g->vhost, GUEST_TX, 1000));
	memcpy(out.dst, w->peer.mac, 6);
	memcpy(out.src, w->mac, 6);
	ms = worker_ms();
	for (i = 0; i < 4; i++) {
		usleep(600000);
		/* Something to post, if it may be. */
		ASSERT_EQ(0, flow_repeat(w, g, 1, 900, 1));
		ASSERT_EQ(0, send_one(g, &out, i));
	}
	EXPECT_GT(600, worker_ms() - ms);

	/* Into a wait of eight seconds */
	ASSERT_EQ(0, copy_until(w, g, 4));
	fails = wire_count(w, "rx-copy-fails");
	for (i = 0; i < 10; i++) {
		ASSERT_EQ(0, restart(w, g));
		ASSERT_EQ(0, vhost_set_features(&g->vhost, cfg.features));
		ASSERT_EQ(0, guest_map(g));
		usleep(20000);
	}
	EXPECT_LT(0, wire_count(w, "rx-copy-ms"));
	EXPECT_EQ(fails, wire_count(w, "rx-copy-fails"));
	EXPECT_EQ(0, log_count(kmsg, "zero-copy needs"));

	while (clock_ms() < start + 122000) {
		ASSERT_EQ(0, flow_repeat(w, g, 16, 900, 8));
		usleep(100000);
	}
	/* After 1, 3, 7, ... seconds, or later. */
	fails = wire_count(w, "rx-copy-fails");
	for (most = 1; start + (1000LL << most) - 1000 < clock_ms(); most++)
		;
	EXPECT_LE(fails, most);
	EXPECT_LE(most - 2, fails);
	/* Whoever restarts now has it looked at. */
	ASSERT_EQ(0, restart(w, g));
	ASSERT_EQ(0, flow_repeat(w, g, 16, 900, 8));
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, restart(w, g));
		ASSERT_EQ(0, flow_repeat(w, g, 16, 900, 8));
	}
	EXPECT_EQ(1, log_count(kmsg, "zero-copy needs"));
	close(kmsg);
	EXPECT_TRUE(copies_as(w, "short buffers"));
	ASSERT_EQ(0, guest_stop(g));
	EXPECT_TRUE(copies_as(w, "nothing posted"));
	EXPECT_EQ(posted, wire_count(w, "posted"));
	EXPECT_EQ(deferred, wire_count(w, "deferred"));
}

TEST_HARNESS_MAIN
