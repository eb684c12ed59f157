// SPDX-License-Identifier: GPL-2.0
/*
 * Tracepoints: each buffer and each frame has all of its events, as many as the
 * counters say, and nothing is written where nobody asked.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/pkt_sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "kselftest_harness.h"

#include "clock.h"
#include "file.h"
#include "flow.h"
#include "mp.h"
#include "nic.h"
#include "rtnl.h"
#include "say.h"
#include "sender.h"

#define TRACEFS		"/sys/kernel/tracing"
#define BUFFER_KB	"8192"		/* for each CPU */
#define PATH		128

/* Frames received and sent, and what has to be told of each. */
#define FRAMES		200
#define WINDOW		8

/* An instance of tracefs of our own, and whose events count. */
struct trace {
	char		dir[PATH];
	bool		mounted;
	const char	*dev;
	int		ifindex;
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

/* NULL with events on; why this cannot be tested here; "" for an error. */
static const char *trace_open(struct trace *t, const char *dev)
{
	int sock = nic_sock();

	t->dev = dev;
	t->ifindex = nic_index(sock, dev);
	close(sock);
	if (access(TRACEFS "/instances", F_OK)) {
		if (mount("tracefs", TRACEFS, "tracefs", 0, NULL))
			return "no tracefs";
		t->mounted = true;
	}
	if (access(TRACEFS "/events", F_OK))
		return "no events in tracefs";
	snprintf(t->dir, PATH, TRACEFS "/instances/mp_trace-%d", getpid());
	if (mkdir(t->dir, 0700)) {
		*t->dir = '\0';
		return "no instances in tracefs";
	}
	return put(t, "buffer_size_kb", BUFFER_KB) || turn(t, true) ? "" :
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

/*
 * Events @name that contain @text; with @field, the sum of that.  -1 where some
 * were lost, or the trace cannot be read.
 */
static long long sum(const struct trace *t, const char *name, const char *text,
		     const char *field)
{
	unsigned long in_buffer, written;
	FILE *f = read_trace(t);
	const char *event;
	long long n = 0;
	char line[512];

	if (!f)
		return -1;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "# entries-in-buffer/entries-written: %lu/%lu",
			   &in_buffer, &written) == 2 && in_buffer != written) {
			say("%lu events of %lu are lost", written - in_buffer,
			    written);
			n = -1;
			break;
		}
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

/* Buffers that were given back with a frame in them, when zero-copy stopped. */
static long long unread(const struct trace *t)
{
	long long filled = 0, n = 0;
	FILE *f = read_trace(t);
	const char *event;
	char line[512];

	while (f && fgets(line, sizeof(line), f)) {
		event = told(t, line, "rx_fill");
		if (event)
			filled = number(event, "idx") + 1;
		event = told(t, line, "rx_rewind");
		if (!event)
			continue;
		if (filled)
			n += filled - number(event, "first");
		filled = 0;
	}
	if (f)
		fclose(f);
	return n;
}

/* Is each page that was pinned or unpinned one of the guest's? */
static bool all_of_guest(const struct trace *t, const struct guest *g)
{
	unsigned long start = (unsigned long)g->mem, addr;
	FILE *f = read_trace(t);
	const char *event;
	char line[512];
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
	sender_close(&self->a);
	trace_close(&self->t);
}

/* The guest is stopped, and what it did is in the trace. */
static int stop(struct sender *a, const struct trace *t)
{
	return guest_stop(&a->g) ?: turn(t, false);
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
	ASSERT_EQ(0, stop(a, t));

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
	EXPECT_EQ(filled, completed + unread(t));
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
	ASSERT_EQ(0, stop(a, t));

	posted = seen(t, "tx_post");
	done = counted(t, "tx_done");
	rewound = counted(t, "tx_rewind");
	EXPECT_LE(2 * FRAMES, posted);
	EXPECT_EQ(posted, done + rewound);
	EXPECT_EQ(posted, wire_count(w, "tx-posted"));
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
	ASSERT_EQ(0, stop(a, t));

	EXPECT_LT(0, counted(t, "rx_disarm"));
	EXPECT_LE(10, counted(t, "tx_drop"));
	EXPECT_EQ(wire_count(w, "tx-dropped"), counted(t, "tx_drop"));
	EXPECT_EQ(seen(t, "tx_post"), counted(t, "tx_done") +
				      counted(t, "tx_rewind"));
	EXPECT_EQ(0, nic_up(w->sock, w->dev));
	EXPECT_EQ(0, nic_wait_running(w->sock, w->dev));
}

TEST_F_TIMEOUT(trace, pages, CLOCK_TEST)
{
	struct sender *a = &self->a;
	struct trace *t = &self->t;
	struct wire *w = &a->w;

	ASSERT_EQ(0, flow_start(w, &a->g));
	ASSERT_EQ(0, flow_repeat(w, &a->g, 64, 900, WINDOW));
	ASSERT_EQ(0, send_n(a, 20, send_long));
	ASSERT_EQ(0, guest_stop(&a->g));
	ASSERT_EQ(0, mp_unbind(w->fd));
	ASSERT_EQ(0, mp_wait_unpinned(self->pinned_kb));
	ASSERT_EQ(0, turn(t, false));

	EXPECT_LT(0, seen_with(t, "pin", "dir=rx"));
	EXPECT_LT(0, seen_with(t, "pin", "dir=tx"));
	EXPECT_EQ(seen_with(t, "pin", "err=0"), seen(t, "unpin"));
	EXPECT_LT(0, seen_with(t, "unpin", "reason=closed"));
	EXPECT_TRUE(all_of_guest(t, &a->g));
}

TEST_F_TIMEOUT(trace, off, CLOCK_TEST)
{
	struct sender *a = &self->a;
	struct trace *t = &self->t;
	char line[512];
	FILE *f;

	ASSERT_EQ(0, turn(t, false));
	ASSERT_EQ(0, flow_start(&a->w, &a->g));
	ASSERT_EQ(0, clear(t));
	ASSERT_EQ(0, flow_repeat(&a->w, &a->g, 64, 900, WINDOW));
	ASSERT_EQ(0, send_n(a, 20, send_long));
	ASSERT_EQ(0, guest_stop(&a->g));
	ASSERT_EQ(0, mp_unbind(a->w.fd));

	f = read_trace(t);
	ASSERT_NE(NULL, f);
	while (fgets(line, sizeof(line), f)) {
		if (*line == '#')
			continue;
		say("%s", line);
		EXPECT_TRUE(false);
		break;
	}
	fclose(f);
}

TEST_HARNESS_MAIN
