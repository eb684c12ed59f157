/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MP_ORDER_H
#define MP_ORDER_H

#include "clock.h"
#include "packet.h"
#include "wire.h"

#define ORDER_MAX	512

struct order_item {
	bool		numbered;	/* a frame, else a packet */
	__u32		seq;
	__u16		vlan;		/* of the frame */
	struct packet	packet;
	size_t		len;		/* of it, or of its payload */
	size_t		done;		/* of it arrived */
	unsigned int	mss;		/* 0 when it is not cut */
};

/* What the peer is to receive: all of it, byte by byte, and in this order. */
struct order {
	struct wire	*w;
	struct frame	f;		/* of the numbered frames */
	__u32		next;		/* number, see order_follow() */
	__u32		missing;	/* before that */
	__u32		dropped;	/* see peer_dropped(), at the start */
	bool		told;		/* see wire_between(), at the start */
	long long	between;
	bool		lossy;		/* some may be missing */
	unsigned int	first;
	unsigned int	last;
	struct order_item item[ORDER_MAX];
};

/*
 * For how long nothing comes, in ms, when nothing is on its way any more that
 * could pass for lost.  With the debug options a single frame may take longer
 * than others do altogether.
 */
static inline int order_calm(void)
{
	return 200 + clock_patience() / 20;
}

/* Frames go from @w's device to its peer. */
void order_init(struct order *o, struct wire *w);
void order_frame(struct order *o, __u32 seq, size_t len);
void order_packet(struct order *o, const struct packet *p, size_t len,
		  unsigned int mss);
/*
 * Receives until all arrived.  0, or -1 and says what came instead.  Where some
 * may be missing it ends when nothing comes any more; what is late is met by
 * the next call.
 */
int order_met(struct order *o);
/* The same until nothing comes for long: what is missing then is lost. */
int order_lost(struct order *o);

/*
 * Numbered frames alone, one by one from o->next on: takes @n of them, or what
 * comes until nothing does for @ms.  None comes twice or after a later one, and
 * none is missing but what the peer's socket dropped, or the wire lost: that of
 * QEMU drops what is behind ten thousand others.
 * Returns how many came, or -1.
 */
int order_follow(struct order *o, unsigned int n, int ms);
/* Did those before @seq come, or get lost elsewhere than in the device? */
bool order_complete(struct order *o, __u32 seq);
/*
 * The same when no more are sent: waits for those that are in the ring of the
 * peer, where the wire has lost them no more, and not yet in its socket.
 */
bool order_ends(struct order *o, __u32 seq);

#endif /* MP_ORDER_H */
