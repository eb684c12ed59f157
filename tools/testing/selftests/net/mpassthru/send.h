/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MP_SEND_H
#define MP_SEND_H

#include <pthread.h>
#include <stdbool.h>

#include "guest.h"

/*
 * Chains of a guest's transmit ring, and the books of them: each is given back
 * once, in its turn.  Chain i lies in slot i % slots: its bytes are cut into
 * segments that begin anywhere, with guard bytes around each.
 */
struct send {
	struct guest	*g;
	unsigned int	slots;
	__u32		made;		/* chains made available */
	__u32		used;		/* that came back */
	__u32		random;
	bool		hold;		/* kick for none: see send_kick() */

	pthread_t	thread;		/* the flood */
	const struct frame *frame;	/* of what it sends */
	__u32		seq;		/* of the next frame it sends */
	bool		flooding;
	bool		stop;
	bool		failed;
};

#define SEND_SEGS	1024		/* of a chain */
#define SEND_SLOT	(24 * GUEST_PAGE)
#define SEND_ROOM(n)	((n) * SEND_SLOT)	/* guest_config.room for n */
#define SEND_GUARD	0x5a

/* For a guest with room; @slots are at most so many chains at a time. */
void send_init(struct send *s, struct guest *g, unsigned int slots);
unsigned int send_out(const struct send *s);
/* The guest physical address of the bytes of the next chain's slot. */
__u64 send_addr(const struct send *s);

/* All return 0, or -1 and say why. */

/* Makes a chain available, as it is. */
int send_chain(struct send *s, const struct vq_sg *sg, unsigned int n);
/* Header and frame, cut into @segs segments anywhere. */
int send_bytes(struct send *s, const void *hdr, const void *frame, size_t len,
	       unsigned int segs);
/* A numbered frame that the NIC has nothing to do to. */
int send_frame(struct send *s, const struct frame *f, __u32 seq, size_t len,
	       unsigned int segs);
int send_kick(struct send *s);		/* for all that was held */
int send_take(struct send *s);		/* what came back up to now */
int send_wait(struct send *s, int ms);	/* until all came back */

/* Numbered frames of all lengths, from a thread, until it is calmed. */
int send_flood(struct send *s, const struct frame *f);
int send_calm(struct send *s);

#endif /* MP_SEND_H */
