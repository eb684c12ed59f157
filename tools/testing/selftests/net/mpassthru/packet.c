// SPDX-License-Identifier: GPL-2.0
/* Packets of UDP and TCP, to be checksummed and cut by the NIC. */

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>

#include "csum.h"
#include "packet.h"

#define SADDR	0xc0000201	/* of TEST-NET-1 */
#define DADDR	0xc0000202

size_t packet_l3(const struct packet *p)
{
	return ETH_HLEN + (p->vlan ? 4 : 0) + (p->inner ? 4 : 0);
}

size_t packet_l4(const struct packet *p)
{
	return packet_l3(p) + p->opts + (p->v6 ? sizeof(struct ip6_hdr) :
						 sizeof(struct iphdr));
}

size_t packet_data(const struct packet *p)
{
	return packet_l4(p) + (p->tcp ? sizeof(struct tcphdr) + p->tcp_opts :
					sizeof(struct udphdr));
}

static __u8 protocol(const struct packet *p)
{
	return p->tcp ? IPPROTO_TCP : IPPROTO_UDP;
}

static void fill_ip6(struct ip6_hdr *ip)
{
	/* 2001:db8::1 and ::2, of the documentation's prefix */
	ip->ip6_src = (struct in6_addr) { .s6_addr = { 0x20, 1, 0xd, 0xb8 } };
	ip->ip6_dst = ip->ip6_src;
	ip->ip6_src.s6_addr[15] = 1;
	ip->ip6_dst.s6_addr[15] = 2;
}

static __u32 pseudo(const struct packet *p, size_t len)
{
	struct ip6_hdr ip = {};

	if (p->v6) {
		fill_ip6(&ip);
		return csum_add(&ip.ip6_src, 32, protocol(p) + len);
	}
	return (SADDR >> 16) + (SADDR & 0xffff) + (DADDR >> 16) +
	       (DADDR & 0xffff) + protocol(p) + len;
}

static void build_ip4(const struct packet *p, unsigned char *l3, size_t len)
{
	struct iphdr ip = {
		.version	= 4,
		.ihl		= (sizeof(ip) + p->opts) / 4,
		.tot_len	= htons(sizeof(ip) + p->opts + len),
		.id		= htons(p->id),
		.frag_off	= htons(IP_DF),
		.ttl		= 64,
		.protocol	= protocol(p),
		.saddr		= htonl(SADDR),
		.daddr		= htonl(DADDR),
	};
	__u32 csum;

	memset(l3 + sizeof(ip), IPOPT_NOP, p->opts);
	csum = csum_add(l3 + sizeof(ip), p->opts, 0);
	ip.check = htons(~csum_fold(csum_add(&ip, sizeof(ip), csum)));
	memcpy(l3, &ip, sizeof(ip));
}

/* Destination options, filled up with PadN. */
static void build_ip6(const struct packet *p, unsigned char *l3, size_t len)
{
	struct ip6_hdr ip = {
		.ip6_flow	= htonl(6 << 28),
		.ip6_plen	= htons(p->opts + len),
		.ip6_nxt	= p->opts ? IPPROTO_DSTOPTS : protocol(p),
		.ip6_hlim	= 64,
	};
	unsigned char *ext = l3 + sizeof(ip);

	fill_ip6(&ip);
	memcpy(l3, &ip, sizeof(ip));
	if (!p->opts)
		return;
	memset(ext, 0, p->opts);
	ext[0] = protocol(p);
	ext[1] = p->opts / 8 - 1;
	ext[2] = IP6OPT_PADN;
	ext[3] = p->opts - 4;
}

static void build_l4(const struct packet *p, unsigned char *l4, size_t len)
{
	struct udphdr udp = {
		.source	= htons(p->port),
		.dest	= htons(p->port),
		.len	= htons(len),
	};
	struct tcphdr tcp = {
		.source	= htons(p->port),
		.dest	= htons(p->port),
		.seq	= htonl(p->pos),
		.ack	= 1,
		.doff	= (sizeof(tcp) + p->tcp_opts) / 4,
		.window	= htons(1000),
	};

	if (!p->tcp) {
		memcpy(l4, &udp, sizeof(udp));
		return;
	}
	memcpy(l4, &tcp, sizeof(tcp));
	memset(l4 + sizeof(tcp), TCPOPT_NOP, p->tcp_opts);
}

static __u32 mix(__u32 x)
{
	x = (x ^ x >> 16) * 0x7feb352d;
	x = (x ^ x >> 15) * 0x846ca68b;
	return x ^ x >> 16;
}

static void build_data(const struct packet *p, unsigned char *data, size_t len)
{
	__u32 pos = p->pos, word = mix(pos / 4 + p->port);

	while (len--) {
		if (!(pos % 4))
			word = mix(pos / 4 + p->port);
		*data++ = word >> pos % 4 * 8;
		pos++;
	}
}

size_t packet_build(const struct packet *p, unsigned char *buf, size_t len,
		    bool partial)
{
	__u16 type = htons(p->v6 ? ETH_P_IPV6 : ETH_P_IP), csum;
	__u16 tag[4] = {
		htons(p->inner ? ETH_P_8021AD : ETH_P_8021Q), htons(p->vlan),
		htons(ETH_P_8021Q), htons(p->inner),
	};
	unsigned char *l4 = buf + packet_l4(p);
	size_t l3 = packet_l3(p);

	memcpy(buf, p->dst, 6);
	memcpy(buf + 6, p->src, 6);
	memcpy(buf + 12, tag, l3 - ETH_HLEN);
	memcpy(buf + l3 - 2, &type, 2);
	build_data(p, buf + packet_data(p), len);
	len += packet_data(p) - packet_l4(p);
	build_l4(p, l4, len);
	if (p->v6)
		build_ip6(p, buf + l3, len);
	else
		build_ip4(p, buf + l3, len);

	csum = csum_fold(pseudo(p, len));
	if (!partial)
		csum = ~csum_fold(csum_add(l4, len, csum));
	if (!partial && !p->tcp && !csum)
		csum = 0xffff;
	csum = htons(csum);
	memcpy(l4 + (p->tcp ? 16 : 6), &csum, 2);
	return packet_l4(p) + len;
}

void packet_describe(const struct packet *p, unsigned int mss,
		     struct virtio_net_hdr *hdr)
{
	*hdr = (struct virtio_net_hdr) {
		.flags		= VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.csum_start	= packet_l4(p),
		.csum_offset	= p->tcp ? 16 : 6,
	};
	if (!mss)
		return;
	hdr->gso_type = !p->tcp ? VIRTIO_NET_HDR_GSO_UDP_L4 :
			p->v6 ? VIRTIO_NET_HDR_GSO_TCPV6 :
				VIRTIO_NET_HDR_GSO_TCPV4;
	hdr->gso_size = mss;
	hdr->hdr_len = packet_data(p);
}

struct packet packet_part(const struct packet *p, size_t len, size_t done,
			  unsigned int mss, size_t *part)
{
	struct packet q = *p;

	*part = len - done;
	if (!mss || len <= mss)
		return q;
	if (*part > mss)
		*part = mss;
	q.pos += done;
	q.id += done / mss;
	return q;
}
