/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MP_SEGMENT_H
#define MP_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

/* An Ethernet frame with IPv4 and UDP or TCP in it, by no real connection. */

#define SEGMENT_L4	34	/* offset of the UDP or TCP header */
#define SEGMENT_UDP	42	/* offset of the payload */
#define SEGMENT_TCP	54

struct segment {
	unsigned char	dst[6];
	unsigned char	src[6];
	bool		tcp;
	__u16		port;
	__u16		id;		/* IP; GRO wants them in turn */
	__u32		seq;		/* TCP: of the first payload byte */
};

/*
 * Builds it around @len bytes of payload that are already in their place.
 * With @partial, the checksum field has the pseudo header's sum only.  Returns
 * the length of the frame.
 */
size_t segment_build(const struct segment *s, unsigned char *buf, size_t len,
		     bool partial);
/* The payload of a received one; -1 for other frames, -2 for bad checksums. */
int segment_parse(const struct segment *s, const unsigned char *buf,
		  size_t len, bool partial, __u32 *seq,
		  const unsigned char **payload);

#endif /* MP_SEGMENT_H */
