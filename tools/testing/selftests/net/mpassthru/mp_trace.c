// SPDX-License-Identifier: GPL-2.0
/*
 * Tracepoints: each buffer and each frame goes from event to event, in their
 * order, with the index, queue and lengths that it has; there are as many as
 * the counters say, and pages that are pinned are unpinned.
 *
 * Not reached: tx_reset, and tx_rewind of any frame, for which a NIC would have
 * to stand still; tx_fallback with reason=reset, and one of reason=behind for
 * sure; rx_bounce of frag, pin and mask; unpin of evicted and idle; pin with an
 * error; rx_fill of a bad frame; rx_complete with res=0.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/pkt_sched.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "kselftest_harness.h"

#include "clock.h"
#include "file.h"
#include "flow.h"
#include "mp.h"
#include "nic.h"
#include "rtnl.h"
#include "say.h"
#include "segment.h"
#include "sender.h"

#define TRACEFS		"/sys/kernel/tracing"
#define BUFFER_KB	"1024"		/* for each CPU */
#define PATH		128
#define LINE		512

/* Frames received and sent, and what has to be told of each. */
#define FRAMES		200
#define WINDOW		8
#define WHOLE		256	/* bytes of a frame that is copied whole */
#define FIFO		4096	/* buffers, at least as many as the kernel's */

/* An instance of tracefs of our own, and whose events count. */
struct trace {
	char		dir[PATH];
	bool		mounted;
	const char	*dev;
	int		ifindex;
	unsigned int	queue;
	__u64		net_cookie;
};

static void path_of(const struct trace *t, const char *name, char *path)
{
	snprintf(path, 2 * PATH, "%s/%s", t->dir, name);
}

static int put(const struct trace *t, const char *name, const char *text)
{
	char path[2 * PATH];
	int err;

	path_of(t, name, path);
	err = file_write(path, text);
	if (err)
		say("%s: %s", path, strerror(-err));
	return err;
}

static int turn(const struct trace *t, bool on)
{
	return put(t, "events/mpassthru/enable", on ? "1" : "0");
}

/* Forgets what was written. */
static int clear(const struct trace *t)
{
	char path[2 * PATH];
	int fd;

	path_of(t, "trace", path);
	fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* Whose events are ours; 0 or -errno. */
static int trace_of(struct trace *t, const char *dev)
{
	socklen_t len = sizeof(t->net_cookie);
	int sock = nic_sock(), err = 0;

	if (sock < 0)
		return sock;
	t->dev = dev;
	t->ifindex = nic_index(sock, dev);
	if (getsockopt(sock, SOL_SOCKET, SO_NETNS_COOKIE, &t->net_cookie,
		       &len) < 0)
		err = -errno;
	close(sock);
	if (err)
		say("SO_NETNS_COOKIE: %s", strerror(-err));
	return err;
}

/* NULL with events on; why this cannot be tested here; "" for an error. */
static const char *trace_open(struct trace *t, const char *dev)
{
	int err;

	if (trace_of(t, dev))
		return "";
	if (access(TRACEFS "/instances", F_OK)) {
		if (mount("tracefs", TRACEFS, "tracefs", 0, NULL))
			return "no tracefs";
		t->mounted = true;
	}
	if (access(TRACEFS "/events", F_OK))
		return "no events in tracefs";
	snprintf(t->dir, PATH, TRACEFS "/instances/mp_trace");
	/* What a test that was killed has left; two cannot have the one NIC. */
	if (!access(t->dir, F_OK)) {
		turn(t, false);
		rmdir(t->dir);
	}
	if (mkdir(t->dir, 0700)) {
		err = errno;
		say("%s: %s", t->dir, strerror(err));
		*t->dir = '\0';
		return err == ENOENT || err == EPERM ?
		       "no instances in tracefs" : "";
	}
	/* No clock, but what comes first has the lower number on any CPU. */
	return put(t, "trace_clock", "counter") ||
	       put(t, "buffer_size_kb", BUFFER_KB) || turn(t, true) ? "" :
	       NULL;
}

static void trace_close(struct trace *t)
{
	if (*t->dir) {
		turn(t, false);
		if (rmdir(t->dir))
			say("%s: %s", t->dir, strerror(errno));
	}
	if (t->mounted)
		umount(TRACEFS);
}

/* What an event says, if the line is an event @name of our device. */
static const char *told(const struct trace *t, const char *line,
			const char *name)
{
	char start[PATH];
	const char *at;

	snprintf(start, sizeof(start), ": mpassthru_%s: ", name);
	at = strstr(line, start);
	if (!at)
		return NULL;
	at += strlen(start);
	snprintf(start, sizeof(start), "dev=%s ", t->dev);
	if (!strncmp(at, start, strlen(start)))
		return at;
	snprintf(start, sizeof(start), "ifindex=%d ", t->ifindex);
	return strncmp(at, start, strlen(start)) ? NULL : at;
}

/* The number behind " @field=". */
static long long number(const char *text, const char *field)
{
	char key[PATH];
	const char *at;

	snprintf(key, sizeof(key), " %s=", field);
	at = strstr(text, key);
	if (at)
		return strtoll(at + strlen(key), NULL, 0);
	say("no %s in %s", field, text);
	return -1;
}

static FILE *read_trace(const struct trace *t)
{
	char path[2 * PATH];
	FILE *f;

	path_of(t, "trace", path);
	f = fopen(path, "re");
	if (!f)
		say("%s: %s", path, strerror(errno));
	return f;
}

/* Were all events kept?  0, or -1. */
static int complete(const struct trace *t)
{
	unsigned long in_buffer, written;
	FILE *f = read_trace(t);
	char line[LINE];
	int ret = -1;

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "# entries-in-buffer/entries-written: %lu/%lu",
			   &in_buffer, &written) != 2)
			continue;
		ret = in_buffer == written ? 0 : -1;
		if (ret)
			say("%lu events of %lu are lost", written - in_buffer,
			    written);
		break;
	}
	if (f)
		fclose(f);
	return ret;
}

/* Events @name that contain @text; with @field, the sum of that. */
static long long sum(const struct trace *t, const char *name, const char *text,
		     const char *field)
{
	FILE *f = read_trace(t);
	const char *event;
	long long n = 0;
	char line[LINE];

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		event = told(t, line, name);
		if (event && (!text || strstr(event, text)))
			n += field ? number(event, field) : 1;
	}
	fclose(f);
	return n;
}

static long long seen(const struct trace *t, const char *name)
{
	return sum(t, name, NULL, NULL);
}

static long long seen_with(const struct trace *t, const char *name,
			   const char *text)
{
	return sum(t, name, text, NULL);
}

static long long counted(const struct trace *t, const char *name)
{
	return sum(t, name, NULL, "count");
}

/*
 * Are there events @name with @n lengths from @len on, each @step more than the
 * one before, in this order?  Others may be between them.
 */
static bool lengths(const struct trace *t, const char *name, int len, int step,
		    unsigned int n)
{
	FILE *f = read_trace(t);
	const char *event;
	char line[LINE];

	while (f && n && fgets(line, sizeof(line), f)) {
		event = told(t, line, name);
		if (!event || number(event, "len") != len)
			continue;
		len += step;
		n--;
	}
	if (f)
		fclose(f);
	if (n)
		say("no %s of %d bytes, where it should be", name, len);
	return !n;
}

/* The way of buffers and frames: for each event, the index that is next. */
struct walk {
	const struct trace *t;
	size_t		hdr_len;
	long long	unread;		/* filled and given back all the same */
	struct {
		__u32	posted;
		__u32	armed;
		__u32	filled;
		__u32	completed;
		__u32	len[FIFO];	/* that the guest is to see */
	} rx;
	struct {
		__u32	posted;
		__u32	pushed;
		__u32	done;
		__u32	completed;
	} tx;
};

/* Each of these: is the event that which comes next? */

static bool rx_post(struct walk *k, const char *event)
{
	long long idx = number(event, "idx");

	/* Zero-copy was switched on again, and nothing was left to rewind. */
	if (!idx && k->rx.posted == k->rx.completed)
		memset(&k->rx, 0, sizeof(k->rx));
	return idx == k->rx.posted++ && number(event, "len") >= FRAME_MAX &&
	       number(event, "segs") > 0;
}

static bool rx_arm(struct walk *k, const char *event)
{
	return k->rx.armed < k->rx.posted &&
	       number(event, "idx") == k->rx.armed++;
}

static bool rx_fill(struct walk *k, const char *event)
{
	/* In place of a bad frame the guest sees the shortest there is. */
	k->rx.len[k->rx.filled % FIFO] = strstr(event, "flags=bad") ?
					 FRAME_MIN : number(event, "len");
	return k->rx.filled < k->rx.armed &&
	       number(event, "idx") == k->rx.filled++;
}

static bool rx_bounce(struct walk *k, const char *event)
{
	return k->rx.completed < k->rx.filled &&
	       number(event, "idx") == k->rx.completed &&
	       number(event, "len") == k->rx.len[k->rx.completed % FIFO];
}

static bool rx_complete(struct walk *k, const char *event)
{
	long long res = k->hdr_len + k->rx.len[k->rx.completed % FIFO];

	return k->rx.completed < k->rx.filled && number(event, "res") == res &&
	       number(event, "idx") == k->rx.completed++;
}

static bool rx_disarm(struct walk *k, const char *event)
{
	__u32 n = k->rx.armed - k->rx.filled;

	k->rx.armed = k->rx.filled;
	return number(event, "first") == k->rx.filled &&
	       number(event, "count") == n;
}

static bool rx_rewind(struct walk *k, const char *event)
{
	bool ok;

	ok = k->rx.armed == k->rx.filled &&
	     number(event, "first") == k->rx.completed &&
	     number(event, "count") == k->rx.posted - k->rx.completed;
	k->unread += k->rx.filled - k->rx.completed;
	memset(&k->rx, 0, sizeof(k->rx));
	return ok;
}

static bool tx_post(struct walk *k, const char *event)
{
	long long idx = number(event, "idx"), segs = number(event, "segs");

	/* Bound again. */
	if (!idx && k->tx.posted == k->tx.completed)
		memset(&k->tx, 0, sizeof(k->tx));
	return idx == k->tx.posted++ && segs > 0 &&
	       (segs == 1) == (number(event, "len") <= WHOLE);
}

static bool tx_push(struct walk *k, const char *event)
{
	return k->tx.pushed < k->tx.posted &&
	       number(event, "idx") == k->tx.pushed++;
}

static bool tx_drop(struct walk *k, const char *event)
{
	bool ok = number(event, "first") == k->tx.pushed &&
		  k->tx.done == k->tx.pushed;

	k->tx.pushed += number(event, "count");
	return ok && k->tx.pushed <= k->tx.posted;
}

static bool tx_done(struct walk *k, const char *event)
{
	bool ok = number(event, "first") == k->tx.done;

	k->tx.done += number(event, "count");
	return ok && k->tx.done <= k->tx.pushed;
}

static bool tx_complete(struct walk *k, const char *event)
{
	bool ok = number(event, "first") == k->tx.completed;

	k->tx.completed += number(event, "count");
	return ok && k->tx.completed <= k->tx.done;
}

/* It goes behind all that was posted. */
static bool tx_fallback(struct walk *k, const char *event)
{
	return number(event, "idx") == k->tx.posted &&
	       k->tx.pushed == k->tx.posted;
}

static bool tx_reset(struct walk *k, const char *event)
{
	return number(event, "first") + number(event, "count") == k->tx.pushed;
}

static bool tx_rewind(struct walk *k, const char *event)
{
	bool ok;

	ok = k->tx.pushed == k->tx.done && k->tx.done == k->tx.completed &&
	     number(event, "first") == k->tx.completed &&
	     number(event, "count") == k->tx.posted - k->tx.completed;
	k->tx.posted = k->tx.completed;
	return ok;
}

static const struct {
	const char *name;
	bool (*is_next)(struct walk *k, const char *event);
} steps[] = {
	{ "rx_post",		rx_post },
	{ "rx_arm",		rx_arm },
	{ "rx_fill",		rx_fill },
	{ "rx_bounce",		rx_bounce },
	{ "rx_complete",	rx_complete },
	{ "rx_disarm",		rx_disarm },
	{ "rx_rewind",		rx_rewind },
	{ "tx_post",		tx_post },
	{ "tx_push",		tx_push },
	{ "tx_drop",		tx_drop },
	{ "tx_done",		tx_done },
	{ "tx_complete",	tx_complete },
	{ "tx_fallback",	tx_fallback },
	{ "tx_reset",		tx_reset },
	{ "tx_rewind",		tx_rewind },
	/* Several CPUs may be at one page. */
	{ "pin",		NULL },
	{ "unpin",		NULL },
};

static bool walk_line(struct walk *k, const char *line)
{
	const char *event = NULL;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		event = told(k->t, line, steps[i].name);
		if (event)
			break;
	}
	if (!event)
		return true;
	return (!steps[i].is_next || steps[i].is_next(k, event)) &&
	       number(event, "queue") == k->t->queue &&
	       number(event, "net_cookie") == k->t->net_cookie;
}

/*
 * From when the device was bound to when guest @g was stopped: is each event
 * that which comes next, and did all go back?
 */
static bool walk(struct walk *k, const struct trace *t, const struct guest *g)
{
	FILE *f = read_trace(t);
	char line[LINE];
	bool ok = f;

	*k = (struct walk) { .t = t, .hdr_len = g->hdr_len };
	while (ok && fgets(line, sizeof(line), f)) {
		ok = walk_line(k, line);
		if (!ok)
			say("not what comes next: %s", line);
	}
	if (f)
		fclose(f);
	if (ok && (k->rx.posted != k->rx.completed ||
		   k->tx.posted != k->tx.completed)) {
		say("%u buffers and %u frames have no end",
		    k->rx.posted - k->rx.completed,
		    k->tx.posted - k->tx.completed);
		ok = false;
	}
	return ok;
}

/* Is each page that was pinned or unpinned one of the guest's? */
static bool all_of_guest(const struct trace *t, const struct guest *g)
{
	unsigned long start = (unsigned long)g->mem, addr;
	FILE *f = read_trace(t);
	const char *event;
	char line[LINE];
	bool ok = f;

	while (f && fgets(line, sizeof(line), f)) {
		event = told(t, line, "pin") ?: told(t, line, "unpin");
		if (!event)
			continue;
		addr = number(event, "addr");
		if (addr - start < g->size)
			continue;
		say("not of the guest: %s", event);
		ok = false;
	}
	if (f)
		fclose(f);
	return ok;
}

FIXTURE(trace)
{
	struct sender a;
	struct trace t;
	struct walk k;
	long long pinned_kb;
};

FIXTURE_VARIANT(trace)
{
	struct guest_config cfg;
	bool cross;		/* buffers go from page to page */
};

FIXTURE_VARIANT_ADD(trace, direct)
{
	.cfg = { .features = BIT_V1 | BIT_MRG },
};

FIXTURE_VARIANT_ADD(trace, crossing)
{
	.cfg = {
		.features = BIT_V1 | BIT_MRG, .mem = GUEST_SCATTERED,
		.lane = 2 * GUEST_PAGE, .off = 4096 - 700,
	},
	.cross = true,
};

FIXTURE_SETUP(trace)
{
	const char *missing = wire_missing();

	if (!missing && wire_is_tap())
		missing = "only with a NIC";
	if (missing)
		SKIP(return, "%s", missing);
	self->pinned_kb = mp_pinned_kb();
	/* Before anything is posted. */
	missing = trace_open(&self->t, wire_dev()) ?:
		  sender_open(&self->a, &variant->cfg, 32);
	/* Without a set-up there is no teardown. */
	if (missing)
		trace_close(&self->t);
	if (missing && *missing)
		SKIP(return, "%s", missing);
	ASSERT_EQ(NULL, missing);
}

FIXTURE_TEARDOWN(trace)
{
	/* Where a test ended that took it down. */
	nic_up(self->a.w.sock, self->a.w.dev);
	sender_close(&self->a);
	trace_close(&self->t);
}

/* The guest is stopped, and what it did is in the trace. */
static int stop(struct guest *g, const struct trace *t)
{
	return guest_stop(g) ?: turn(t, false) ?: complete(t);
}

TEST_F_TIMEOUT(trace, received, CLOCK_TEST)
{
	long long posted, filled, completed, rewound, bounced;
	struct sender *a = &self->a;
	struct trace *t = &self->t;
	struct wire *w = &a->w;

	ASSERT_EQ(0, flow_start(w, &a->g));
	ASSERT_EQ(0, flow_run(w, &a->g, FRAME_MIN, FRAME_MIN + FRAMES - 1,
			      WINDOW));
	ASSERT_EQ(0, stop(&a->g, t));

	EXPECT_TRUE(walk(&self->k, t, &a->g));
	EXPECT_TRUE(lengths(t, "rx_fill", FRAME_MIN, 1, FRAMES));
	posted = seen(t, "rx_post");
	filled = seen(t, "rx_fill");
	completed = seen(t, "rx_complete");
	rewound = counted(t, "rx_rewind");
	bounced = seen(t, "rx_bounce");
	EXPECT_LE(FRAMES, filled);
	EXPECT_LT(0, rewound);
	EXPECT_EQ(posted, completed + rewound);
	EXPECT_EQ(posted, wire_count(w, "posted"));
	EXPECT_EQ(rewound, wire_count(w, "rewound"));
	EXPECT_EQ(bounced, wire_count(w, "bounced"));
	EXPECT_EQ(completed, wire_count(w, "zerocopy") + bounced +
			     wire_count(w, "errors"));
	EXPECT_EQ(filled, completed + self->k.unread);
	/* What was armed was filled, or the ring was emptied of it. */
	EXPECT_EQ(seen(t, "rx_arm"), filled + counted(t, "rx_disarm"));

	EXPECT_EQ(wire_count(w, "bounce-cross"),
		  seen_with(t, "rx_bounce", "reason=cross"));
	EXPECT_EQ(variant->cross, bounced > 0);
	EXPECT_EQ(variant->cross, seen_with(t, "rx_post", "bounced=1") > 0);
}

static int send_short(struct sender *a, unsigned int i)
{
	return sender_frame(a, FRAME_MIN + i % 200, 1 + i % 3);
}

static int send_long(struct sender *a, unsigned int i)
{
	return sender_frame(a, FRAME_MAX - i % 500, 1 + i % 3);
}

static int send_gso(struct sender *a, unsigned int i)
{
	a->p.tcp = true;
	a->p.v6 = i % 2;
	return sender_packet(a, 20000, 1400, 8);
}

/* Nothing is known of what is in it: the NIC is asked for a checksum. */
static int send_nested(struct sender *a, unsigned int i)
{
	int err;

	a->p.tcp = i % 2;
	a->p.v6 = false;
	a->p.vlan = 0x2064;
	a->p.inner = 0x65;
	err = sender_packet(a, 1000, 0, 2);
	a->p.vlan = 0;
	a->p.inner = 0;
	return err;
}

/* @n frames by @send, and until all came back. */
static int send_n(struct sender *a, unsigned int n,
		  int (*send)(struct sender *a, unsigned int i))
{
	unsigned int i;

	for (i = 0; i < n; i++)
		if (send(a, i) || order_met(&a->o))
			return -1;
	return send_wait(&a->s, clock_patience());
}

/* The same, while an administrator has a qdisc there. */
static int send_by_qdisc(struct sender *a, unsigned int n)
{
	int index = nic_index(a->w.sock, a->w.dev);
	int sock = rtnl_open(), err;

	err = sock < 0 ? sock : rtnl_qdisc(sock, index, TC_H_ROOT, "pfifo");
	if (!err) {
		err = send_n(a, n, send_long);
		if (rtnl_qdisc(sock, index, TC_H_ROOT, NULL))
			err = -1;
	}
	close(sock);
	return err;
}

TEST_F_TIMEOUT(trace, sent, CLOCK_TEST)
{
	long long posted, done, rewound;
	struct sender *a = &self->a;
	struct trace *t = &self->t;
	struct wire *w = &a->w;

	ASSERT_EQ(0, send_n(a, FRAMES, send_short));
	ASSERT_EQ(0, send_n(a, FRAMES, send_long));
	ASSERT_EQ(0, send_n(a, 10, send_gso));
	ASSERT_EQ(0, send_n(a, 10, send_nested));
	ASSERT_EQ(0, send_by_qdisc(a, 10));
	ASSERT_EQ(0, stop(&a->g, t));

	EXPECT_TRUE(walk(&self->k, t, &a->g));
	EXPECT_TRUE(lengths(t, "tx_post", FRAME_MIN, 1, FRAMES));
	EXPECT_TRUE(lengths(t, "tx_post", FRAME_MAX, -1, FRAMES));
	posted = seen(t, "tx_post");
	done = counted(t, "tx_done");
	rewound = counted(t, "tx_rewind");
	EXPECT_LE(2 * FRAMES, posted);
	EXPECT_EQ(posted, done + rewound);
	EXPECT_EQ(posted, wire_count(w, "tx-posted"));
	/* One that was copied whole may have gone back before. */
	EXPECT_LE(wire_count(w, "tx-rewound"), rewound);
	EXPECT_EQ(done, counted(t, "tx_complete"));
	EXPECT_EQ(done, seen(t, "tx_push") + counted(t, "tx_drop"));
	EXPECT_LE(10, seen_with(t, "tx_post", "gso"));

	EXPECT_LT(0, seen_with(t, "tx_fallback", "reason=frame"));
	EXPECT_EQ(wire_count(w, "tx-fallback-frame"),
		  seen_with(t, "tx_fallback", "reason=frame"));
	EXPECT_LT(0, seen_with(t, "tx_fallback", "reason=egress"));
	EXPECT_EQ(wire_count(w, "tx-fallback-egress"),
		  seen_with(t, "tx_fallback", "reason=egress"));
	EXPECT_EQ(wire_count(w, "tx-fallback-behind"),
		  seen_with(t, "tx_fallback", "reason=behind"));
}

/* The device is down: its rings are emptied, and what is sent is dropped. */
TEST_F_TIMEOUT(trace, dropped, CLOCK_TEST)
{
	struct sender *a = &self->a;
	struct trace *t = &self->t;
	struct wire *w = &a->w;
	int i;

	ASSERT_EQ(0, flow_start(w, &a->g));
	ASSERT_EQ(0, nic_down(w->sock, w->dev));
	for (i = 0; i < 10; i++)
		ASSERT_EQ(0, send_frame(&a->s, &a->o.f, i, 1000, 1));
	ASSERT_EQ(0, send_wait(&a->s, clock_patience()));
	ASSERT_EQ(0, stop(&a->g, t));

	EXPECT_TRUE(walk(&self->k, t, &a->g));
	EXPECT_LT(0, counted(t, "rx_disarm"));
	EXPECT_LE(10, counted(t, "tx_drop"));
	EXPECT_EQ(wire_count(w, "tx-dropped"), counted(t, "tx_drop"));
	EXPECT_EQ(seen(t, "tx_post"), counted(t, "tx_done") +
				      counted(t, "tx_rewind"));
	EXPECT_EQ(0, nic_up(w->sock, w->dev));
	EXPECT_EQ(0, nic_wait_running(w->sock, w->dev));
}

/* Takes the pages of all buffers away, while the NIC has them. */
static int take_pages(struct guest *g)
{
	static struct guest_frame f;
	unsigned int i;
	int ret;

	/* What has come already would be gone with the page. */
	while (!(ret = guest_recv(g, &f, 300)))
		if (guest_repost(g, &f))
			return -1;
	if (ret < 0)
		return ret;
	guest_kick(g);
	for (i = 0; i < g->cfg.bufs; i++) {
		g->buf[i].wild = true;	/* the guard is gone */
		if (madvise(guest_lane(g, i), g->cfg.lane, MADV_DONTNEED))
			return -1;
	}
	return 0;
}

TEST_F_TIMEOUT(trace, pages, CLOCK_TEST)
{
	struct sender *a = &self->a;
	struct trace *t = &self->t;
	struct wire *w = &a->w;
	long long moved;

	ASSERT_EQ(0, flow_start(w, &a->g));
	ASSERT_EQ(0, flow_repeat(w, &a->g, 64, 900, WINDOW));
	ASSERT_EQ(0, send_n(a, 20, send_long));
	ASSERT_EQ(0, take_pages(&a->g));
	ASSERT_EQ(0, flow_repeat(w, &a->g, WINDOW, 900, WINDOW));
	ASSERT_EQ(0, guest_stop(&a->g));
	moved = wire_count(w, "bounce-moved");
	ASSERT_EQ(0, mp_unbind(w->fd));
	ASSERT_EQ(0, mp_wait_unpinned(self->pinned_kb));
	ASSERT_EQ(0, turn(t, false));
	ASSERT_EQ(0, complete(t));

	EXPECT_TRUE(walk(&self->k, t, &a->g));
	EXPECT_LT(0, seen_with(t, "pin", "dir=rx"));
	EXPECT_LT(0, seen_with(t, "pin", "dir=tx"));
	EXPECT_EQ(seen_with(t, "pin", "err=0 "), seen(t, "unpin"));
	EXPECT_LT(0, seen_with(t, "unpin", "reason=closed"));
	EXPECT_LT(0, seen_with(t, "unpin", "reason=invalidated"));
	EXPECT_TRUE(all_of_guest(t, &a->g));
	EXPECT_EQ(moved, seen_with(t, "rx_bounce", "reason=moved"));
	/* Others have a bounce page in any case. */
	if (!variant->cross)
		EXPECT_LT(0, moved);
}

/* All that was posted is done, also what went back to the guest before. */
static int wait_done(struct wire *w)
{
	long long end = clock_ms() + clock_patience();

	while (wire_count(w, "tx-outstanding")) {
		if (clock_ms() > end)
			return -1;
		usleep(1000);
	}
	return 0;
}

/* Off and on under traffic: nothing comes to harm, and nothing is missing. */
TEST_F_TIMEOUT(trace, switched, CLOCK_TEST)
{
	struct sender *a = &self->a;
	struct trace *t = &self->t;
	struct wire *w = &a->w;
	long long done;
	int i;

	ASSERT_EQ(0, flow_start(w, &a->g));
	ASSERT_EQ(0, send_flood(&a->s, &a->o.f));
	for (i = 0; i < 20; i++) {
		ASSERT_EQ(0, turn(t, i % 2));
		ASSERT_EQ(0, flow_repeat(w, &a->g, 2 * WINDOW, 900, WINDOW));
	}
	ASSERT_EQ(0, send_calm(&a->s));
	ASSERT_EQ(0, send_wait(&a->s, clock_patience()));
	ASSERT_EQ(0, wait_done(w));

	/* On it is, and this is all that happens. */
	ASSERT_EQ(0, clear(t));
	ASSERT_EQ(0, flow_repeat(w, &a->g, 64, 900, WINDOW));
	for (i = 0; i < 20; i++)
		ASSERT_EQ(0, send_frame(&a->s, &a->o.f, i, 1000, 1));
	ASSERT_EQ(0, send_wait(&a->s, clock_patience()));
	ASSERT_EQ(0, stop(&a->g, t));

	EXPECT_LE(64, seen(t, "rx_fill"));
	EXPECT_LE(64, seen(t, "rx_complete"));
	/* These may have been done before, for as many as there are. */
	EXPECT_LE(64 - (int)a->g.cfg.bufs, seen(t, "rx_post"));
	EXPECT_LE(64 - (int)a->g.cfg.bufs, seen(t, "rx_arm"));
	done = counted(t, "tx_done");
	EXPECT_EQ(20, seen(t, "tx_post"));
	EXPECT_EQ(20, done + counted(t, "tx_rewind"));
	EXPECT_EQ(done, seen(t, "tx_push") + counted(t, "tx_drop"));
	/* What is done is completed with what follows, or at the stop. */
	EXPECT_LE(done, counted(t, "tx_complete"));
}

/* Another queue than the first. */

FIXTURE(second)
{
	struct wire w;
	struct guest g;
	struct send s;
	struct trace t;
	struct walk k;
};

/* Why there is no second queue, or NULL. */
static const char *no_second(void)
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
	return max < 2 ? "the NIC has one queue" : NULL;
}

static void close_second(struct wire *w, struct guest *g)
{
	if (g->mem)
		guest_close(g);
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
	if (w->sock >= 0)
		nic_set_queues(w->sock, w->dev, 1);
	wire_close(w);
}

static int open_second(struct wire *w, struct guest *g, struct send *s)
{
	const struct guest_config cfg = {
		.features = BIT_V1 | BIT_MRG, .bufs = 16, .room = SEND_ROOM(32),
	};
	char msg[256] = "";
	int err;

	err = wire_open_unbound(w);
	if (err)
		return err;
	err = nic_set_queues(w->sock, w->dev, 2) ?:
	      nic_wait_running(w->sock, w->dev);
	if (err)
		goto err_close;
	w->fd = mp_open();
	err = w->fd < 0 ? w->fd :
	      mp_bind_queue(w->fd, w->dev, 1, msg, sizeof(msg));
	if (err) {
		say("%s (%s)", strerror(-err), msg);
		goto err_close;
	}
	err = nic_wait_running(w->sock, w->dev) ?: guest_open(g, &cfg) ?:
	      guest_start(g, w->fd) ?: guest_post_all(g) ?:
	      flow_start_tx(w, g) ?: guest_sent(g, clock_patience());
	if (err)
		goto err_close;
	send_init(s, g, 32);
	return 0;

err_close:
	close_second(w, g);
	return err;
}

FIXTURE_SETUP(second)
{
	const char *missing = no_second();

	if (missing)
		SKIP(return, "%s", missing);
	self->t.queue = 1;
	missing = trace_open(&self->t, wire_dev());
	/* Without a set-up there is no teardown. */
	if (!missing && open_second(&self->w, &self->g, &self->s))
		missing = "";
	if (missing)
		trace_close(&self->t);
	if (missing && *missing)
		SKIP(return, "%s", missing);
	ASSERT_EQ(NULL, missing);
}

FIXTURE_TEARDOWN(second)
{
	close_second(&self->w, &self->g);
	trace_close(&self->t);
}

/*
 * @n frames of IP, for others come by the first queue, whatever is bound.  A
 * link that comes up may lose some.
 */
static int receive_ip(struct wire *w, struct guest *g, unsigned int n)
{
	long long end = clock_ms() + clock_patience();
	struct segment segment = { .port = 4000 };
	static struct guest_frame f;
	unsigned char buf[FRAME_ROOM];
	size_t len;
	int ret;

	memcpy(segment.dst, w->mac, 6);
	memcpy(segment.src, w->peer.mac, 6);
	memset(buf, 0, sizeof(buf));
	len = segment_build(&segment, buf, 500, false);
	while (n && clock_ms() < end) {
		if (peer_send_raw(&w->peer, buf, len))
			return -1;
		ret = guest_recv(g, &f, 200);
		if (ret < 0)
			return -1;
		if (ret)
			continue;
		if (guest_repost(g, &f))
			return -1;
		guest_kick(g);
		end = clock_ms() + clock_patience();
		n--;
	}
	if (n)
		say("%u frames did not come", n);
	return n ? -1 : 0;
}

TEST_F_TIMEOUT(second, both_ways, CLOCK_TEST)
{
	struct wire *w = &self->w;
	struct guest *g = &self->g;
	struct trace *t = &self->t;
	struct frame frame = {};
	int i;

	memcpy(frame.dst, w->peer.mac, 6);
	memcpy(frame.src, w->mac, 6);
	frame.stream = frame_stream();
	ASSERT_EQ(0, receive_ip(w, g, 20));
	for (i = 0; i < 20; i++)
		ASSERT_EQ(0, send_frame(&self->s, &frame, i, 1000, 1));
	ASSERT_EQ(0, send_wait(&self->s, clock_patience()));
	ASSERT_EQ(0, stop(g, t));

	EXPECT_TRUE(walk(&self->k, t, g));
	EXPECT_LE(20, seen(t, "rx_complete"));
	EXPECT_EQ(seen(t, "rx_post"), wire_count(w, "posted"));
	EXPECT_LE(20, counted(t, "tx_done"));
	EXPECT_EQ(seen(t, "tx_post"), wire_count(w, "tx-posted"));
	EXPECT_LT(0, seen_with(t, "pin", "dir=rx"));
	EXPECT_LT(0, seen_with(t, "pin", "dir=tx"));
}

TEST_HARNESS_MAIN
