// SPDX-License-Identifier: GPL-2.0
/* Frames with UDP or TCP, to be checksummed and cut by the NIC. */

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>

#include "csum.h"
#include "segment.h"

#define SEGMENT_SADDR	0xc0000201	/* of TEST-NET-1 */
#define SEGMENT_DADDR	0xc0000202

static __u32 pseudo(const struct segment *s, size_t l4_len)
{
	return (SEGMENT_SADDR >> 16) + (SEGMENT_SADDR & 0xffff) +
	       (SEGMENT_DADDR >> 16) + (SEGMENT_DADDR & 0xffff) +
	       (s->tcp ? IPPROTO_TCP : IPPROTO_UDP) + l4_len;
}

static void build_ip(const struct segment *s, unsigned char *buf, size_t len)
{
	struct iphdr ip = {
		.version	= 4,
		.ihl		= 5,
		.tot_len	= htons(len),
		.id		= htons(s->id),
		.ttl		= 64,
		.protocol	= s->tcp ? IPPROTO_TCP : IPPROTO_UDP,
		.saddr		= htonl(SEGMENT_SADDR),
		.daddr		= htonl(SEGMENT_DADDR),
	};

	ip.check = htons(~csum_fold(csum_add(&ip, sizeof(ip), 0)));
	memcpy(buf + ETH_HLEN, &ip, sizeof(ip));
}

static size_t build_l4(const struct segment *s, unsigned char *l4, size_t len)
{
	struct udphdr udp = {
		.source	= htons(s->port),
		.dest	= htons(s->port),
		.len	= htons(sizeof(udp) + len),
	};
	struct tcphdr tcp = {
		.source	= htons(s->port),
		.dest	= htons(s->port),
		.seq	= htonl(s->seq),
		.ack	= 1,
		.doff	= sizeof(tcp) / 4,
		.window	= htons(1000),
	};

	memcpy(l4, s->tcp ? (void *)&tcp : &udp,
	       s->tcp ? sizeof(tcp) : sizeof(udp));
	return len + (s->tcp ? sizeof(tcp) : sizeof(udp));
}

size_t segment_build(const struct segment *s, unsigned char *buf, size_t len,
		     bool partial)
{
	unsigned char *l4 = buf + SEGMENT_L4;
	__u16 type = htons(ETH_P_IP), csum;

	memcpy(buf, s->dst, 6);
	memcpy(buf + 6, s->src, 6);
	memcpy(buf + 12, &type, 2);
	len = build_l4(s, l4, len);
	build_ip(s, buf, sizeof(struct iphdr) + len);
	csum = csum_fold(pseudo(s, len));
	if (!partial)
		csum = ~csum_fold(csum_add(l4, len, csum));
	csum = htons(csum);
	memcpy(l4 + (s->tcp ? 16 : 6), &csum, 2);
	return SEGMENT_L4 + len;
}

int segment_parse(const struct segment *s, const unsigned char *buf,
		  size_t len, bool partial, __u32 *seq,
		  const unsigned char **payload)
{
	const unsigned char *l4 = buf + SEGMENT_L4;
	size_t l4_len, hdr_len = s->tcp ? 20 : 8;
	struct iphdr ip;
	__u32 csum;
	__u16 port;

	if (len < SEGMENT_L4 + hdr_len || buf[12] != 8 || buf[13])
		return -1;
	memcpy(&ip, buf + ETH_HLEN, sizeof(ip));
	memcpy(&port, l4 + 2, 2);
	if (ip.protocol != (s->tcp ? IPPROTO_TCP : IPPROTO_UDP) ||
	    ip.daddr != htonl(SEGMENT_DADDR) || port != htons(s->port))
		return -1;
	/* A short frame is padded: the length is the header's. */
	if (ntohs(ip.tot_len) + ETH_HLEN > len ||
	    ntohs(ip.tot_len) < sizeof(ip) + hdr_len)
		return -2;
	l4_len = ntohs(ip.tot_len) - sizeof(ip);
	if (csum_fold(csum_add(&ip, sizeof(ip), 0)) != 0xffff)
		return -2;
	csum = csum_add(l4, l4_len, pseudo(s, l4_len));
	if (!partial && csum_fold(csum) != 0xffff)
		return -2;
	memcpy(seq, l4 + 4, 4);
	*seq = ntohl(*seq);
	*payload = l4 + hdr_len;
	return l4_len - hdr_len;
}
