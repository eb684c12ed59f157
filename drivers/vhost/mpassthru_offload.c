// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a virtio-net header asks of the NIC.  The headers of a frame are copied
 * to host memory once and parsed there, and the NIC is told what was found: of
 * the guest's word only that is taken which the headers bear out.
 *
 * What is malformed is dropped.  What the NIC cannot do, or this parser does
 * not know, goes the way of an skb, where the stack does it.  The limits on
 * lengths are those of the context descriptors of igb and ixgbe (82576
 * datasheet 7.2.2.2.1: MACLEN of 7 bits, IPLEN of 9, L4LEN of 8, MSS of 16).
 */

#include <kunit/visibility.h>
#include <linux/if_ether.h>
#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/module.h>
#include <linux/mpassthru.h>
#include <linux/netdevice.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <linux/virtio_net.h>
#include <net/checksum.h>
#include <net/ip.h>
#include <net/ip6_checksum.h>

#include "mpassthru_offload.h"

/* As virtio_net_hdr_to_skb(): less is no segmentation but an attack. */
#define MP_OFFLOAD_MIN_MSS	8

/**
 * mp_offload_hdrs - how much of a frame has to be copied to be parsed
 * @offload: what the virtio-net header says
 * @data: the beginning of the frame
 * @have: how much of it is there, in bytes
 * @len: of the frame, in bytes, at least ETH_HLEN
 *
 * To be called again when it asks for more than there is: the length of a TCP
 * header is found in that header.
 *
 * Context: any.
 * Return: bytes, at most MP_OFFLOAD_HDRS and @len; -EINVAL when what is to be
 * parsed is not in the frame; -EOPNOTSUPP when it is more than that.
 */
int mp_offload_hdrs(const struct mp_offload *offload, const void *data,
		    unsigned int have, unsigned int len)
{
	unsigned int need = ETH_HLEN;

	if (!(offload->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return need;

	need = offload->csum_start;
	if (offload->gso_type == VIRTIO_NET_HDR_GSO_NONE ||
	    offload->csum_offset != offsetof(struct tcphdr, check))
		need += offload->csum_offset + sizeof(__sum16);
	else if (need + sizeof(struct tcphdr) > have)
		need += sizeof(struct tcphdr);
	else
		need += __tcp_hdrlen(data + need);

	if (need > len)
		return -EINVAL;
	return need > MP_OFFLOAD_HDRS ? -EOPNOTSUPP : need;
}
EXPORT_SYMBOL_IF_KUNIT(mp_offload_hdrs);

/* Where L3 begins, and its protocol.  -EOPNOTSUPP with more than one tag. */
static int mp_offload_l2(const void *data, unsigned int hdrs, __be16 *proto)
{
	const struct vlan_ethhdr *eth = data;

	*proto = eth->h_vlan_proto;
	if (!eth_type_vlan(*proto))
		return ETH_HLEN;
	if (hdrs < VLAN_ETH_HLEN)
		return -EINVAL;
	*proto = eth->h_vlan_encapsulated_proto;
	return eth_type_vlan(*proto) ? -EOPNOTSUPP : VLAN_ETH_HLEN;
}

/* The protocol of L4 that begins at l2_len + l3_len, or -EOPNOTSUPP. */
static int mp_offload_ipv4(const void *data, const struct net_device *dev,
			   const struct mpassthru_txframe *frame)
{
	const struct iphdr *ip = data + frame->l2_len;

	if (ip->version != 4 || ip->ihl * 4 != frame->l3_len ||
	    ip_is_fragment(ip))
		return -EOPNOTSUPP;
	/* as gso_features_check() */
	if (!(ip->frag_off & htons(IP_DF)) &&
	    dev->mangleid_features & NETIF_F_TSO)
		return -EOPNOTSUPP;
	return ip->protocol;
}

static int mp_offload_ipv6(const void *data,
			   const struct mpassthru_txframe *frame)
{
	const struct ipv6hdr *ip = data + frame->l2_len;

	if (ip->version != 6 || frame->l3_len != sizeof(*ip))
		return -EOPNOTSUPP;
	return ip->nexthdr;
}

/* Lengths go out of the headers: the NIC puts in those of each frame that it
 * sends (82576 datasheet 7.2.4.7).
 */
static void mp_offload_no_lengths(void *data, struct mpassthru_txframe *frame,
				  int proto, unsigned int csum_offset)
{
	void *l3 = data + frame->l2_len;
	__sum16 *check = l3 + frame->l3_len + csum_offset;
	struct ipv6hdr *ip6 = l3;
	struct iphdr *ip = l3;

	if (frame->flags & MPASSTHRU_TX_IPV4) {
		ip->tot_len = 0;
		ip->check = 0;
		*check = ~csum_tcpudp_magic(ip->saddr, ip->daddr, 0, proto, 0);
	} else {
		ip6->payload_len = 0;
		*check = ~csum_ipv6_magic(&ip6->saddr, &ip6->daddr, 0, proto,
					  0);
	}
}

/* A VLAN tag is allowed on top of the MTU. */
static unsigned int mp_offload_longest(const struct net_device *dev)
{
	return READ_ONCE(dev->mtu) + VLAN_ETH_HLEN;
}

static int mp_offload_gso(const struct mp_offload *offload,
			  const struct net_device *dev, void *data,
			  unsigned int hdrs, __be16 l3,
			  struct mpassthru_txframe *frame)
{
	unsigned int payload = frame->len - hdrs;
	netdev_features_t feature;
	int proto, want;
	bool udp;

	switch (offload->gso_type) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		feature = NETIF_F_TSO;
		want = IPPROTO_TCP;
		break;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		feature = NETIF_F_TSO6;
		want = IPPROTO_TCP;
		break;
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		feature = NETIF_F_GSO_UDP_L4;
		want = IPPROTO_UDP;
		break;
	default:
		/* With ECN, of a tunnel, or what nobody knows: see the skb. */
		return -EOPNOTSUPP;
	}

	if (l3 == htons(ETH_P_IP)) {
		proto = mp_offload_ipv4(data, dev, frame);
		frame->flags |= MPASSTHRU_TX_IPV4;
	} else {
		proto = mp_offload_ipv6(data, frame);
	}
	if (proto < 0)
		return proto;
	udp = want == IPPROTO_UDP;
	if (proto != want || !(dev->features & feature) ||
	    udp != !!(frame->flags & MPASSTHRU_TX_UDP) ||
	    (feature == NETIF_F_TSO && l3 != htons(ETH_P_IP)) ||
	    (feature == NETIF_F_TSO6 && l3 != htons(ETH_P_IPV6)))
		return -EOPNOTSUPP;

	frame->l4_len = hdrs - frame->l2_len - frame->l3_len;
	if (frame->l4_len < (want == IPPROTO_TCP ? sizeof(struct tcphdr) :
						   sizeof(struct udphdr)) ||
	    offload->gso_size < MP_OFFLOAD_MIN_MSS)
		return -EINVAL;
	/* One frame it is, and no longer than others. */
	if (payload <= offload->gso_size)
		return frame->len > mp_offload_longest(dev) ? -EMSGSIZE : 0;
	if (hdrs + offload->gso_size > mp_offload_longest(dev))
		return -EMSGSIZE;
	frame->mss = offload->gso_size;
	frame->gso_segs = DIV_ROUND_UP(payload, frame->mss);
	if (want == IPPROTO_UDP && frame->gso_segs > UDP_MAX_SEGMENTS)
		return -EINVAL;

	frame->flags |= MPASSTHRU_TX_GSO;
	mp_offload_no_lengths(data, frame, proto, offload->csum_offset);
	return 0;
}

/**
 * mp_offload_parse - find out what the NIC is to do to a frame
 * @offload: what the virtio-net header says
 * @dev: the device
 * @data: the headers, in host memory; lengths are taken out of them, with GSO
 * @hdrs: bytes of @data, as mp_offload_hdrs() wants
 * @frame: @frame->len is set; flags, lengths, mss and gso_segs are returned
 *
 * Context: any.
 * Return: 0, or:
 *
 * * -EMSGSIZE: longer than what the device may send
 * * -EINVAL: malformed
 * * -EOPNOTSUPP: not for the NIC: send it by an skb
 */
int mp_offload_parse(const struct mp_offload *offload,
		     const struct net_device *dev, void *data,
		     unsigned int hdrs, struct mpassthru_txframe *frame)
{
	bool gso = offload->gso_type != VIRTIO_NET_HDR_GSO_NONE;
	__be16 l3;
	int l2;

	frame->flags = 0;
	frame->l4_len = 0;
	frame->mss = 0;
	frame->gso_segs = 1;
	if (!gso && frame->len > mp_offload_longest(dev))
		return -EMSGSIZE;
	if (!(offload->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return gso ? -EOPNOTSUPP : 0;

	if (hdrs < ETH_HLEN)
		return -EINVAL;
	l2 = mp_offload_l2(data, hdrs, &l3);
	if (l2 < 0)
		return l2;
	if (l3 != htons(ETH_P_IP) && l3 != htons(ETH_P_IPV6))
		return -EOPNOTSUPP;
	/* An IP header at least is between. */
	if (offload->csum_start < l2 + sizeof(struct iphdr))
		return -EINVAL;

	/* As igb_tx_csum(), but for SCTP, whose checksum is another. */
	if (offload->csum_offset == offsetof(struct udphdr, check))
		frame->flags |= MPASSTHRU_TX_UDP;
	else if (offload->csum_offset != offsetof(struct tcphdr, check))
		return -EOPNOTSUPP;
	if (!(dev->features & (l3 == htons(ETH_P_IP) ?
			       NETIF_F_HW_CSUM | NETIF_F_IP_CSUM :
			       NETIF_F_HW_CSUM | NETIF_F_IPV6_CSUM)))
		return -EOPNOTSUPP;

	frame->flags |= MPASSTHRU_TX_CSUM;
	frame->l2_len = l2;
	frame->l3_len = offload->csum_start - l2;
	return gso ? mp_offload_gso(offload, dev, data, hdrs, l3, frame) : 0;
}
EXPORT_SYMBOL_IF_KUNIT(mp_offload_parse);
