// SPDX-License-Identifier: GPL-2.0
/* What the peer is to receive, byte by byte and in order. */

#include <string.h>

#include "clock.h"
#include "order.h"
#include "say.h"

void order_init(struct order *o, struct wire *w)
{
	memset(o, 0, sizeof(*o));
	o->w = w;
	memcpy(o->f.dst, w->peer.mac, 6);
	memcpy(o->f.src, w->mac, 6);
	o->f.stream = frame_stream();
}

void order_frame(struct order *o, __u32 seq)
{
	o->item[o->last++ % ORDER_MAX] = (struct order_item) {
		.numbered = true, .seq = seq, .vlan = o->f.vlan,
	};
}

void order_packet(struct order *o, const struct packet *p, size_t len,
		  unsigned int mss)
{
	o->item[o->last++ % ORDER_MAX] = (struct order_item) {
		.packet = *p, .len = len, .mss = mss,
	};
}

/* A short frame is padded, with zeroes; its tag may come on top of that. */
static int compare(const unsigned char *got, size_t n,
		   const unsigned char *want, size_t len)
{
	size_t i, padded = want[12] == 0x81 ? FRAME_MIN + 4 : FRAME_MIN;

	for (i = 0; i < n && i < len; i++)
		if (got[i] != want[i])
			break;
	if (i == len)
		while (i < n && i < padded && !got[i])
			i++;
	if (i == n && i >= len)
		return 0;
	say("byte %zu of %zu is %02x, not %02x of %zu", i, n,
	    i < n ? got[i] : 0, i < len ? want[i] : 0, len);
	return -1;
}

static int check_packet(struct order_item *item, const unsigned char *got,
			size_t n)
{
	unsigned char want[FRAME_BUF];
	struct packet p;
	size_t part;

	p = packet_part(&item->packet, item->len, item->done, item->mss, &part);
	if (compare(got, n, want, packet_build(&p, want, part, false))) {
		say("%s of IPv%d: %zu of %zu bytes arrived, MSS %u",
		    p.tcp ? "TCP" : "UDP", p.v6 ? 6 : 4, item->done, item->len,
		    item->mss);
		return -1;
	}
	item->done += part;
	return 0;
}

static bool is_ours(struct order *o, const unsigned char *got)
{
	return !memcmp(got, o->f.dst, 6) && !memcmp(got + 6, o->f.src, 6);
}

static int meet(struct order *o, const unsigned char *got, int n)
{
	struct order_item *item = &o->item[o->first % ORDER_MAX];
	struct frame f = o->f;
	__u32 seq;

	if (!item->numbered) {
		if (check_packet(item, got, n))
			return -1;
		o->first += item->done == item->len;
		return 0;
	}
	f.vlan = item->vlan;
	if (frame_check(&f, got, n, &seq) != FRAME_OK) {
		say("%d bytes came in the place of frame %u", n, item->seq);
		return -1;
	}
	if (seq != item->seq) {
		say("frame %u came in the place of %u", seq, item->seq);
		return -1;
	}
	o->first++;
	return 0;
}

int order_met(struct order *o)
{
	long long end = clock_ms() + clock_patience();
	unsigned char got[FRAME_BUF];
	int n;

	while (o->first != o->last) {
		n = peer_recv(&o->w->peer, got, sizeof(got), 100, NULL);
		if (n < 14) {
			if (clock_ms() < end)
				continue;
			say("%u did not arrive", o->last - o->first);
			wire_explain(o->w);
			return -1;
		}
		if (!is_ours(o, got))
			continue;
		if (meet(o, got, n))
			return -1;
		end = clock_ms() + clock_patience();
	}
	return 0;
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
		if (seq < o->next || (seq > o->next && !o->lossy)) {
			say("frame %u came in the place of %u", seq, o->next);
			return -1;
		}
		o->next = seq + 1;
		came++;
		end = clock_ms() + ms;
	}
	return came;
}
