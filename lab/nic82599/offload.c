// SPDX-License-Identifier: GPL-2.0
/*
 * What the NIC does to a frame that it sends: checksums, cutting into segments,
 * a VLAN tag, padding (7.2.4, 7.2.5).
 */
#include <string.h>

#include "nic.h"

#define TCP_HEADER	20

bool offload_may_be_neither;

static unsigned int sum_at(const struct context *c)
{
	return c->l4t == 1 ? 16 : c->l4t == 0 ? 6 : 8;
}

static const char *wrong_segment(const uint8_t *frame, const struct context *c,
				 unsigned int headers)
{
	const uint8_t *ip = frame + c->maclen;

	if (c->l4t > 1)
		return "segments of neither TCP nor UDP";
	if (!c->mss)
		return "an MSS of 0";
	if (c->l4t == 1 && (c->l4len < TCP_HEADER || c->l4len > 60))
		return "L4LEN of no TCP header";
	if (c->l4t == 0 && c->l4len != 8)
		return "L4LEN of no UDP header";
	if (c->iplen < (c->ipv4 ? 20 : 40))
		return "IPLEN of no IP header";
	if (ip[0] >> 4 != (c->ipv4 ? 4 : 6) &&
	    !(offload_may_be_neither && ip[0] >> 4 != 4 && ip[0] >> 4 != 6))
		return "TUCMD.IPV4 is not what the header says";
	if (c->l4t == 1 &&
	    (frame[c->maclen + c->iplen + 12] >> 4) * 4u != c->l4len)
		return "L4LEN is not what the header says";
	if (headers + c->mss + 4 > 9728 + 4)
		return "segments longer than any frame";
	return NULL;
}

/*
 * Only what is used of a context has to make sense: IPLEN covers whatever is
 * between IP header and checksum, which with tunnels is more than a header, and
 * TUCMD.IPV4 is for IXSM and TSE (ixgbe_tx_csum() leaves it out).
 */
const char *offload_wrong(const uint8_t *frame, unsigned int len,
			  const struct offload *o)
{
	const struct context *c = o->context;
	unsigned int headers, need;

	if (!o->ip_sum && !o->l4_sum && !o->segment && !o->vlan) {
		if (o->paylen != len)
			return "PAYLEN is not the length of the frame";
		return NULL;
	}
	if (!c || !c->valid)
		return "no context";
	if (!o->segment && o->paylen != len)
		return "PAYLEN is not the length of the frame";
	if (!o->ip_sum && !o->l4_sum && !o->segment)
		return NULL;
	if (c->maclen < 14)
		return "MACLEN of no Ethernet header";
	if (c->l4t > 2)
		return "L4T is reserved";
	if (o->ip_sum && !c->ipv4)
		return "IXSM without TUCMD.IPV4";
	if (o->ip_sum && c->iplen < 20)
		return "IPLEN of no IP header";
	need = o->segment ? c->l4len : o->l4_sum ? sum_at(c) + 2 : 0;
	headers = c->maclen + c->iplen + need;
	if (headers > len)
		return "headers longer than the frame";
	if (!o->segment)
		return NULL;
	if (!o->l4_sum || o->ip_sum != c->ipv4)
		return "TSE without the checksums that segments need";
	if (o->paylen + headers != len)
		return "PAYLEN and headers are not the length of the frame";
	return wrong_segment(frame, c, headers);
}

/* The sum over what is there: the field holds what software left to add. */
static void insert_ip_sum(uint8_t *frame, const struct context *c)
{
	uint8_t *ip = frame + c->maclen;

	put_be16(ip + 10, ~frame_fold(frame_sum(ip, c->iplen, 0)));
}

static void insert_l4_sum(uint8_t *frame, unsigned int len,
			  const struct context *c, uint32_t more)
{
	unsigned int at = c->maclen + c->iplen;
	uint8_t *l4 = frame + at;
	uint16_t sum;

	if (c->l4t == 2) {
		uint32_t crc;

		memset(l4 + 8, 0, 4);
		crc = frame_crc32c(l4, len - at);
		memcpy(l4 + 8, &crc, 4);
		return;
	}
	sum = ~frame_fold(frame_sum(l4, len - at, more));
	if (!sum && c->l4t == 0)
		sum = 0xffff;
	put_be16(l4 + sum_at(c), sum);
}

static unsigned int tag(uint8_t *frame, unsigned int len, uint16_t tci)
{
	memmove(frame + 16, frame + 12, len - 12);
	put_be16(frame + 12, REG(VLNCTRL) & 0xffff);
	put_be16(frame + 14, tci);
	return len + 4;
}

static void emit(struct queue *q, uint8_t *frame, unsigned int len,
		 const struct offload *o)
{
	if (o->vlan)
		len = tag(frame, len, o->context->vlan);
	if (len < 60 && REG(HLREG0) & HLREG0_TXPADEN) {
		memset(frame + len, 0, 60 - len);
		len = 60;
	}
	count_sent(q, frame, len);
	if (REG(HLREG0) & HLREG0_LPBK) {
		fates.looped++;
		receive_frame(frame, len, 0, true);
	} else {
		wire_send(frame, len);
	}
}

/* DTXTCPFLGL and DTXTCPFLGH: the flags of the first, a middle, the last one. */
static uint16_t flags_of(bool is_first, bool is_last)
{
	uint16_t mask = is_first ? REG(DTXTCPFLGL) & 0xfff :
			REG(DTXTCPFLGL) >> 16 & 0xfff;

	if (is_last)
		mask = (is_first ? 0xfff : 0) | (REG(DTXTCPFLGH) & 0xfff);
	return mask | 0xf000;
}

static void edit_ip(uint8_t *frame, unsigned int len, const struct context *c,
		    unsigned int n)
{
	uint8_t *ip = frame + c->maclen;

	if (c->ipv4) {
		put_be16(ip + 2, len - c->maclen);
		put_be16(ip + 4, be16(ip + 4) + n);
		insert_ip_sum(frame, c);
	} else {
		put_be16(ip + 4, len - c->maclen - 40);
	}
}

static void edit_l4(uint8_t *frame, unsigned int len, const struct context *c,
		    unsigned int at, bool is_last)
{
	uint8_t *l4 = frame + c->maclen + c->iplen;
	unsigned int l4_total = len - c->maclen - c->iplen;

	if (c->l4t == 1) {
		put_be32(l4 + 4, be32(l4 + 4) + at);
		put_be16(l4 + 12, be16(l4 + 12) & flags_of(!at, is_last));
	} else {
		put_be16(l4 + 4, l4_total);
	}
	/* The pseudo header that software left in the field has no length. */
	insert_l4_sum(frame, len, c, l4_total);
}

static void send_segments(struct queue *q, const uint8_t *packet,
			  unsigned int len, const struct offload *o)
{
	static uint8_t frame[FRAME_MAX];
	const struct context *c = o->context;
	unsigned int headers = c->maclen + c->iplen + c->l4len;
	unsigned int at = 0, total = len - headers, n = 0;

	do {
		unsigned int part = total - at < c->mss ? total - at : c->mss;

		memcpy(frame, packet, headers);
		memcpy(frame + headers, packet + headers + at, part);
		edit_ip(frame, headers + part, c, n++);
		edit_l4(frame, headers + part, c, at, at + part == total);
		emit(q, frame, headers + part, o);
		at += part;
	} while (at < total);
}

/* The frame may be changed, and has room for a tag and padding. */
void offload_send(struct queue *q, uint8_t *frame, unsigned int len,
		  const struct offload *o)
{
	if (o->segment) {
		send_segments(q, frame, len, o);
		return;
	}
	if (o->ip_sum)
		insert_ip_sum(frame, o->context);
	if (o->l4_sum)
		insert_l4_sum(frame, len, o->context, 0);
	emit(q, frame, len, o);
}
