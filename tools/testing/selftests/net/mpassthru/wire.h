/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MP_WIRE_H
#define MP_WIRE_H

#include <stdbool.h>

#include "peer.h"

/*
 * The device under test and the peer at the other end of its wire.
 *
 *   MP_DEV		the NIC to bind (eth0), in our network namespace
 *   MP_PEER_DEV	the NIC its wire leads to (peer0)
 *   MP_PEER_NETNS	the network namespace of that (peer)
 *   MP_DEV2, MP_PEER2_DEV	a second wire, for who asks for it
 *   MP_BACKEND=tap	a tap in the place of the mp descriptor, with its own
 *			device as the peer: checks the tests, without a NIC
 */
struct wire {
	int		fd;		/* the mp descriptor, or the tap */
	int		sock;		/* for settings of the local device */
	bool		mp;
	const char	*dev;
	struct peer	peer;
	unsigned char	mac[6];		/* of the device: the guest's */
};

bool wire_is_tap(void);
const char *wire_dev(void);
/* Why the tests cannot run here, or NULL. */
const char *wire_missing(void);
int wire_open(struct wire *w);
/* The NIC alone, without binding it: one queue, up. */
int wire_open_unbound(struct wire *w);
int wire_bind(struct wire *w);
/* The same of a second wire: why there is none, or NULL; binds it. */
const char *wire_second_missing(void);
int wire_open_second(struct wire *w);
void wire_close(struct wire *w);
/* Does the NIC, given back, carry frames to and from the host stack? */
bool wire_host_works(struct wire *w);
/*
 * Frames that the device has sent and the NIC of the peer has not received: on
 * their way or lost.  For differences, as none of the two begins with 0.  False
 * where a NIC does not tell.
 */
bool wire_between(struct wire *w, long long *n);
/* A counter; 0 for a tap. */
long long wire_count(struct wire *w, const char *name);

/*
 * Says all of them that are not 0, for the reader of a failed test, and what
 * the NICs of both ends count; or those of one descriptor alone.
 */
void wire_explain(struct wire *w);
void wire_explain_queue(int fd);

#endif /* MP_WIRE_H */
