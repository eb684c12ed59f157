/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MP_SENDER_H
#define MP_SENDER_H

#include "guest.h"
#include "order.h"
#include "packet.h"
#include "send.h"
#include "wire.h"

/* A guest that sends, and what the peer is to receive of it. */
struct sender {
	struct wire	w;
	struct guest	g;
	struct send	s;
	struct order	o;
	struct packet	p;		/* the next one */
	__u32		seq;		/* of the next numbered frame */
};

/* NULL when frames flow; why this cannot be tested here; "" for an error. */
const char *sender_open(struct sender *a, const struct guest_config *cfg,
			unsigned int slots);
void sender_close(struct sender *a);
/* A new guest on the same device: the old one may be stuck. */
int sender_restart(struct sender *a);

/* A numbered frame; the longest ones are tagged. */
int sender_frame(struct sender *a, size_t len, unsigned int segs);
/* @len bytes of payload as a->p says, to be cut when @mss is not 0. */
int sender_packet(struct sender *a, size_t len, unsigned int mss,
		  unsigned int segs);
/* All arrived, all came back, and vhost, which is stopped, says the same. */
int sender_done(struct sender *a);

#endif /* MP_SENDER_H */
