// SPDX-License-Identifier: GPL-2.0
/* What the peer is to receive, byte by byte and in order. */

#include <string.h>

#include "order.h"
#include "say.h"

void order_init(struct order *o, struct wire *w)
{
	memset(o, 0, sizeof(*o));
	o->w = w;
	memcpy(o->f.dst, w->peer.mac, 6);
	memcpy(o->f.src, w->mac, 6);
	o->f.stream = frame_stream();
	o->dropped = peer_dropped(&w->peer);
	o->told = wire_between(w, &o->between);
}

static struct order_item *next_item(struct order *o)
{
	/* Where some may be missing, the oldest is lost by now. */
	if (o->lossy && o->last - o->first == ORDER_MAX)
		o->first++;
	return &o->item[o->last++ % ORDER_MAX];
}

void order_frame(struct order *o, __u32 seq, size_t len)
{
	*next_item(o) = (struct order_item) {
		.numbered = true, .seq = seq, .len = len, .vlan = o->f.vlan,
	};
}

void order_packet(struct order *o, const struct packet *p, size_t len,
		  unsigned int mss)
{
	*next_item(o) = (struct order_item) {
		.packet = *p, .len = len, .mss = mss,
	};
}

/* A short frame is padded, with zeroes; its tag may come on top of that. */
static bool same(const unsigned char *got, size_t n,
		 const unsigned char *want, size_t len, size_t *at)
{
	size_t i, padded = want[12] == 0x81 ? FRAME_MIN + 4 : FRAME_MIN;

	for (i = 0; i < n && i < len; i++)
		if (got[i] != want[i])
			break;
	if (i == len)
		while (i < n && i < padded && !got[i])
			i++;
	*at = i;
	return i == n && i >= len;
}

/* Is it what comes next of @item?  Says why not, if it is to @tell. */
static bool matches(struct order *o, const struct order_item *item,
		    const unsigned char *got, size_t n, size_t *part, bool tell)
{
	unsigned char want[FRAME_BUF];
	struct frame f = o->f;
	struct packet p;
	size_t len, at;

	if (item->numbered) {
		f.vlan = item->vlan;
		*part = item->len;
		len = item->len;
		frame_build(&f, want, item->seq, len);
	} else {
		p = packet_part(&item->packet, item->len, item->done,
				item->mss, part);
		len = packet_build(&p, want, *part, false);
	}
	if (same(got, n, want, len, &at))
		return true;
	if (!tell)
		return false;
	say("byte %zu of %zu is %02x, not %02x of %zu", at, n,
	    at < n ? got[at] : 0, at < len ? want[at] : 0, len);
	if (item->numbered)
		say("it came in the place of frame %u", item->seq);
	else
		say("%s of IPv%d: %zu of %zu bytes arrived, MSS %u",
		    p.tcp ? "TCP" : "UDP", p.v6 ? 6 : 4, item->done, item->len,
		    item->mss);
	return false;
}

static bool is_ours(struct order *o, const unsigned char *got)
{
	return !memcmp(got, o->f.dst, 6) && !memcmp(got + 6, o->f.src, 6);
}

static int meet(struct order *o, const unsigned char *got, int n)
{
	struct order_item *item;
	unsigned int i;
	size_t part;

	for (i = o->first; i != o->last; i++) {
		item = &o->item[i % ORDER_MAX];
		if (matches(o, item, got, n, &part, !o->lossy)) {
			item->done += part;
			o->first = item->done == item->len ? i + 1 : i;
			return 0;
		}
		if (!o->lossy)
			return -1;
	}
	say("%d bytes came that are not in turn", n);
	return -1;
}

int order_met(struct order *o)
{
	int n, patience = o->lossy ? order_calm() : clock_patience();
	long long end = clock_ms() + patience;
	unsigned char got[FRAME_BUF];

	while (o->first != o->last) {
		n = peer_recv(&o->w->peer, got, sizeof(got), 100, NULL);
		if (n < 14) {
			if (clock_ms() < end)
				continue;
			if (o->lossy)
				return 0;
			say("%u did not arrive, %zu bytes of the first did",
			    o->last - o->first,
			    o->item[o->first % ORDER_MAX].done);
			wire_explain(o->w);
			return -1;
		}
		if (!is_ours(o, got))
			continue;
		if (meet(o, got, n))
			return -1;
		end = clock_ms() + patience;
	}
	return 0;
}

int order_lost(struct order *o)
{
	unsigned char got[FRAME_BUF];
	int n;

	while (o->first != o->last) {
		n = peer_recv(&o->w->peer, got, sizeof(got), clock_patience(),
			      NULL);
		if (n <= 0)
			break;
		if (n >= 14 && is_ours(o, got) && meet(o, got, n))
			return -1;
	}
	o->first = o->last;
	return 0;
}

static __u32 missing_before(const struct order *o, __u32 seq)
{
	return o->missing + (seq - o->next);
}

static bool accounted(struct order *o, __u32 seq, __u32 *dropped,
		      long long *lost)
{
	__u32 missing = missing_before(o, seq);

	*dropped = peer_dropped(&o->w->peer) - o->dropped;
	*lost = 0;
	if (o->told && wire_between(o->w, lost))
		*lost -= o->between;
	return missing <= *dropped + (*lost > 0 ? *lost : 0);
}

bool order_complete(struct order *o, __u32 seq)
{
	__u32 missing = missing_before(o, seq), dropped;
	long long lost;

	if (!missing || o->lossy || accounted(o, seq, &dropped, &lost))
		return true;
	say("%u before frame %u did not come", missing, seq);
	say("%u were dropped by the peer, %lld lost on the wire", dropped,
	    lost);
	return false;
}

int order_follow(struct order *o, unsigned int n, int ms)
{
	long long end = clock_ms() + ms;
	unsigned char got[FRAME_BUF];
	unsigned int came = 0;
	__u32 seq;
	int len;

	while (came < n && clock_ms() < end) {
		len = peer_recv(&o->w->peer, got, sizeof(got), 20, NULL);
		if (len < 14)
			continue;
		switch (frame_check(&o->f, got, len, &seq)) {
		case FRAME_FOREIGN:
			continue;
		case FRAME_BAD:
			return -1;
		}
		if (seq < o->next) {
			say("frame %u came in the place of %u", seq, o->next);
			return -1;
		}
		if (seq != o->next && !order_complete(o, seq))
			return -1;
		if (!o->lossy)
			o->missing += seq - o->next;
		o->next = seq + 1;
		came++;
		end = clock_ms() + ms;
	}
	return came;
}

bool order_ends(struct order *o, __u32 seq)
{
	long long lost;
	__u32 dropped;

	while (!o->lossy && o->next != seq &&
	       !accounted(o, seq, &dropped, &lost) &&
	       order_follow(o, 1, clock_patience()) > 0)
		;
	return order_complete(o, seq);
}
