/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MP_FLOW_H
#define MP_FLOW_H

#include "guest.h"
#include "wire.h"

/* Frames from the peer to the guest.  All return 0, or -1 and say why. */

/*
 * Wait until the wire carries frames: a link that comes up loses some, and the
 * two directions need not come up at the same time.
 */
int flow_start(struct wire *w, struct guest *g);	/* to the guest */
int flow_start_tx(struct wire *w, struct guest *g);	/* from it */
/* The first, with a guest that lives for it only. */
int flow_start_wire(struct wire *w);

/*
 * Wait until the NIC has @n buffers of the guest.  One that is told to drop
 * loses at once what it has no buffer for, and buffers that were posted reach
 * it some time later.  Where frames are copied they wait, and it does not.
 */
int flow_armed(struct wire *w, unsigned int n);

/*
 * One frame of every length from @from to @to, @window of them on the wire at
 * a time: each arrives, complete, once and in its turn.  Those that do not fit
 * the guest's buffers do not.
 */
int flow_run(struct wire *w, struct guest *g, size_t from, size_t to,
	     unsigned int window);
/* @n frames of @len bytes. */
int flow_repeat(struct wire *w, struct guest *g, unsigned int n, size_t len,
		unsigned int window);

/*
 * Takes @n frames of the peer's flood and puts their buffers back: none
 * arrives twice or before its turn; some may be lost.
 */
int flow_pump(struct wire *w, struct guest *g, unsigned int n);
/* Takes what the used ring already has, without putting it back. */
int flow_empty(struct wire *w, struct guest *g);

/* Sends @buf; the flags of the header that it arrives with, or -1. */
int flow_flags(struct wire *w, struct guest *g, const void *buf, size_t len);

#endif /* MP_FLOW_H */
