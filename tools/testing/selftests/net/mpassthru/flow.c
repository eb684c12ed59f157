// SPDX-License-Identifier: GPL-2.0
/* Frames from the peer to the guest. */

#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "flow.h"
#include "mp.h"
#include "say.h"

static struct guest_frame frame;
static struct {
	__u32	stream;		/* what @last belongs to */
	__u32	next;		/* at least what the next frame must be */
} pumped;

/*
 * Does the NIC have all that the guest has made available?  Until then frames
 * are copied; some are lost when the first buffer is posted, for which the ring
 * is restarted.  One that arrives while others are being posted may have one of
 * those bounced, as it looks as if there were fewer than there are.
 */
static bool is_posted(struct wire *w, struct guest *g)
{
	return !w->mp || wire_count(w, "outstanding") >= guest_out(g);
}

/* Is it copied for no better reason than that the worker has not come to it? */
static bool may_be_posted(struct wire *w)
{
	char why[64];

	return !mp_text(w->fd, "rx-copy-why", why, sizeof(why)) &&
	       !strcmp(why, "nothing posted");
}

/* Frames of some guests are copied, whatever they post: not for long. */
static void wait_posted(struct wire *w, struct guest *g)
{
	long long now = clock_ms(), end = now + clock_patience() / 8;
	long long last = now + clock_patience() / 2;

	while (!is_posted(w, g) &&
	       (clock_ms() < end || (clock_ms() < last && may_be_posted(w))))
		usleep(2000);
}

/* Takes the probes up to @seq, some of which were late: @came is the first. */
static int take_late(struct guest *g, const struct frame *probe, __u32 came,
		     __u32 seq)
{
	int ret;

	while (came != seq) {
		ret = guest_recv_of(g, probe, &frame, &came, 1000);
		if (ret)
			return ret < 0 ? ret : 0;
		if (guest_repost(g, &frame))
			return -1;
		guest_kick(g);
	}
	return 0;
}

int flow_start(struct wire *w, struct guest *g)
{
	long long end = clock_ms() + clock_patience();
	long long last = clock_ms() + 10 * clock_patience();
	struct frame probe = w->peer.frame;
	unsigned char buf[FRAME_MIN];
	unsigned int others = 0;
	int ret, copied = 0;
	__u16 used, came;
	__u32 got, seq;
	bool posted;

	probe.stream += 2;
	wait_posted(w, g);
	for (seq = 0; clock_ms() < end && clock_ms() < last; seq++) {
		used = vq_used_idx(&g->rx);
		posted = is_posted(w, g);
		frame_build(&probe, buf, seq, sizeof(buf));
		if (peer_send_raw(&w->peer, buf, sizeof(buf)))
			return -1;
		ret = guest_recv_of(g, &probe, &frame, &got, 200);
		if (ret < 0)
			return -1;
		/* There were frames of an earlier flood, and no room on the
		 * wire for ours: that of QEMU holds 10000.
		 */
		came = vq_used_idx(&g->rx) - used;
		if (ret && came)
			end = clock_ms() + clock_patience();
		others += came;
		if (ret)
			continue;
		if (guest_repost(g, &frame))
			return -1;
		guest_kick(g);
		if (posted || ++copied == 4)
			return take_late(g, &probe, got, seq);
	}
	say("%s carries none of our frames, %u of others", w->dev, others);
	wire_explain(w);
	return -1;
}

int flow_start_wire(struct wire *w)
{
	const struct guest_config cfg = { .features = BIT_V1 | BIT_MRG };
	struct guest g;
	int err;

	err = guest_open(&g, &cfg) ?: guest_start(&g, w->fd) ?:
	      guest_post_all(&g) ?: flow_start(w, &g);
	guest_close(&g);
	return err;
}

/* Frames of an earlier flood come first, and are waited for. */
static bool probe_comes(struct peer *p, const struct frame *probe, __u32 seq,
			long long last)
{
	long long until = clock_ms() + 200;
	unsigned char buf[FRAME_BUF];
	__u32 got;
	int len;

	while (clock_ms() < until && clock_ms() < last) {
		len = peer_recv(p, buf, sizeof(buf), 20, NULL);
		if (len <= 0)
			continue;
		until = clock_ms() + 200;
		if (frame_check(probe, buf, len, &got) == FRAME_OK &&
		    got == seq)
			return true;
	}
	return false;
}

int flow_start_tx(struct wire *w, struct guest *g)
{
	struct frame probe = { .stream = frame_stream() };
	long long end = clock_ms() + clock_patience();
	long long last = clock_ms() + 10 * clock_patience();
	struct virtio_net_hdr_mrg_rxbuf hdr = {};
	unsigned char buf[FRAME_MIN];
	long long start;
	__u32 seq;

	memcpy(probe.dst, w->peer.mac, 6);
	memcpy(probe.src, w->mac, 6);
	for (seq = 0; clock_ms() < end && clock_ms() < last; seq++) {
		start = clock_ms();
		frame_build(&probe, buf, seq, sizeof(buf));
		if (guest_send(g, &hdr, buf, sizeof(buf), 0))
			return -1;
		if (probe_comes(&w->peer, &probe, seq, last))
			return 0;
		/* More than the 200 ms in which nothing comes. */
		end += clock_ms() - start - 200;
	}
	say("nothing comes from %s", w->dev);
	wire_explain(w);
	return -1;
}

int flow_armed(struct wire *w, unsigned int n)
{
	long long end = clock_ms() + clock_patience();
	char mode[16];

	while (w->mp && wire_count(w, "armed") < n) {
		if (mp_text(w->fd, "mode", mode, sizeof(mode)) ||
		    strcmp(mode, "zero-copy"))
			return 0;
		if (clock_ms() > end) {
			say("the NIC has %lld buffers, not %u",
			    wire_count(w, "armed"), n);
			wire_explain(w);
			return -1;
		}
		usleep(500);
	}
	return 0;
}

static bool fits(struct guest *g, size_t len)
{
	return g->cfg.features & BIT_MRG || len + g->hdr_len <= g->cfg.len;
}

static int expect(struct wire *w, struct guest *g, __u32 want, size_t len)
{
	__u32 seq;
	int ret;

	ret = guest_recv_of(g, &w->peer.frame, &frame, &seq, clock_patience());
	if (ret > 0) {
		say("frame %u of %zu bytes did not arrive", want, len);
		wire_explain(w);
	}
	if (ret)
		return -1;
	if (seq != want || frame.len != len) {
		say("frame %u of %zu bytes came in the place of %u of %zu",
		    seq, frame.len, want, len);
		return -1;
	}
	return guest_repost(g, &frame);
}

static int run_window(struct wire *w, struct guest *g, unsigned int n,
		      size_t len, unsigned int step)
{
	__u32 seq = w->peer.seq;
	unsigned int i;

	if (flow_armed(w, n) || peer_send_n(&w->peer, n, len, step))
		return -1;
	for (i = 0; i < n; i++) {
		if (!fits(g, len + i * step))
			continue;
		if (expect(w, g, seq + i, len + i * step))
			return -1;
		if (i % 8 == 7)
			guest_kick(g);
	}
	guest_kick(g);
	return 0;
}

int flow_run(struct wire *w, struct guest *g, size_t from, size_t to,
	     unsigned int window)
{
	unsigned int n;

	for (; from <= to; from += n) {
		n = to - from + 1 < window ? to - from + 1 : window;
		if (run_window(w, g, n, from, 1))
			return -1;
	}
	return 0;
}

int flow_repeat(struct wire *w, struct guest *g, unsigned int n, size_t len,
		unsigned int window)
{
	unsigned int now;

	for (; n; n -= now) {
		now = n < window ? n : window;
		if (run_window(w, g, now, len, 0))
			return -1;
	}
	return 0;
}

static int pump_one(struct wire *w, struct guest *g, int ms)
{
	__u32 seq;
	int ret;

	ret = guest_recv_of(g, &w->peer.frame, &frame, &seq, ms);
	if (ret)
		return ret;
	if (pumped.stream != w->peer.frame.stream) {
		pumped.stream = w->peer.frame.stream;
		pumped.next = 0;
	}
	if (seq < pumped.next) {
		say("frame %u came after frame %u", seq, pumped.next - 1);
		return -1;
	}
	pumped.next = seq + 1;
	return 0;
}

int flow_pump(struct wire *w, struct guest *g, unsigned int n)
{
	int ret;

	while (n--) {
		ret = pump_one(w, g, clock_patience());
		if (ret > 0) {
			say("no frame came; %u buffers are out", guest_out(g));
			wire_explain(w);
		}
		if (ret || guest_repost(g, &frame))
			return -1;
		if (n % 8 == 0)
			guest_kick(g);
	}
	return 0;
}

int flow_empty(struct wire *w, struct guest *g)
{
	int ret;

	do {
		ret = guest_recv(g, &frame, 0);
		if (!ret && frame.len &&
		    frame_check(&w->peer.frame, frame.data, frame.len,
				&(__u32) { 0 }) == FRAME_BAD)
			ret = -1;
	} while (!ret);
	return ret < 0 ? ret : 0;
}

int flow_flags(struct wire *w, struct guest *g, const void *buf, size_t len)
{
	long long end = clock_ms() + clock_patience();
	static struct guest_frame f;

	if (peer_send_raw(&w->peer, buf, len))
		return -1;
	while (clock_ms() < end) {
		if (guest_recv(g, &f, clock_patience()) || guest_repost(g, &f))
			return -1;
		guest_kick(g);
		if (f.len == len && !memcmp(f.data, buf, len))
			return f.hdr.hdr.flags;
	}
	return -1;
}
