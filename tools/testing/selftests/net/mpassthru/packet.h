/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MP_PACKET_H
#define MP_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>
#include <linux/virtio_net.h>

/*
 * An Ethernet frame with IP and UDP or TCP in it, by no real connection: of any
 * length up to 64 KB, with all that may stand between its headers.
 */
struct packet {
	unsigned char	dst[6];
	unsigned char	src[6];
	__u16		vlan;		/* 802.1Q tag; 0 for none */
	__u16		inner;		/* a second one in it; 0 for none */
	bool		v6;
	bool		tcp;
	unsigned int	opts;		/* bytes of IPv4 options, 4 each, or */
					/* of IPv6 extension headers, 8 each */
	unsigned int	tcp_opts;	/* bytes, 4 each */
	__u16		port;
	__u16		id;		/* IPv4 */
	__u32		pos;		/* of the first payload byte: TCP's */
};

#define PACKET_MAX	65535		/* of IP, headers included */

size_t packet_l3(const struct packet *p);	/* offsets in the frame */
size_t packet_l4(const struct packet *p);
size_t packet_data(const struct packet *p);

/*
 * Builds it with @len bytes of payload, which follow from @p->pos.  With
 * @partial, the checksum field has the pseudo header's sum only.  Returns the
 * length of the frame.
 */
size_t packet_build(const struct packet *p, unsigned char *buf, size_t len,
		    bool partial);
/* What virtio says of it; @mss is 0 when it is not to be cut. */
void packet_describe(const struct packet *p, unsigned int mss,
		     struct virtio_net_hdr *hdr);
/* The part of it that begins @done bytes into its @len of payload. */
struct packet packet_part(const struct packet *p, size_t len, size_t done,
			  unsigned int mss, size_t *part);

#endif /* MP_PACKET_H */
