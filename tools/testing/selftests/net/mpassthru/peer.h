/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MP_PEER_H
#define MP_PEER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "frame.h"

/* The far end of the wire: a packet socket on the other device. */
struct peer {
	int		fd;
	int		behind;		/* another, see open_behind() */
	const char	*dev;
	unsigned char	mac[6];
	struct frame	frame;		/* of what it sends */
	__u32		seq;		/* of the next frame it sends */
	__u32		untagged;	/* received, with the tag beside them */
	__u32		dropped;	/* see peer_dropped() */

	pthread_t	thread;		/* the flood */
	bool		flooding;
	bool		flooded;	/* some may be on the wire still */
	bool		stop;
	size_t		flood_len;	/* 0 for lengths of all kinds */
};

/* Runs no code in @netns: the socket stays in it.  NULL for our own. */
int peer_open(struct peer *p, const char *netns, const char *dev,
	      const unsigned char *dst);
void peer_close(struct peer *p);

/* Sends frame p->seq++ of @len bytes. */
int peer_send(struct peer *p, size_t len);
/* @n of them, each @step bytes longer than the one before. */
int peer_send_n(struct peer *p, unsigned int n, size_t len, size_t step);
/* Sends @len bytes as they are. */
int peer_send_raw(struct peer *p, const void *buf, size_t len);
/*
 * The length of the next frame, 0 when none came in time, or -1.  *@partial
 * says that its checksum has not been filled in.
 */
int peer_recv(struct peer *p, void *buf, size_t size, int ms, bool *partial);
/* Frames that its socket had no room for, as nobody received. */
__u32 peer_dropped(struct peer *p);
/* Waits for frame @seq of stream @f; false when it did not come in @ms. */
bool peer_expect(struct peer *p, const struct frame *f, __u32 seq, int ms);
void peer_drain(struct peer *p);

int peer_flood(struct peer *p, size_t len);
void peer_calm(struct peer *p);

#endif /* MP_PEER_H */
