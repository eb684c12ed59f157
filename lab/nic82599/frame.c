// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "nic.h"

#define P_IP	0x0800
#define P_IPV6	0x86dd

/*
 * Tags count that VLNCTRL.VET names, and with CTRL_EXT.EXT_VLAN an outer one of
 * EXVET (7.4.5). A second tag that the NIC is not told of is payload, and so is
 * all behind it.
 */
static unsigned int tags(const uint8_t *frame, unsigned int len,
			 struct parse *p)
{
	uint16_t vet = REG(VLNCTRL) & 0xffff;
	unsigned int at = 12;

	if (REG(CTRL_EXT) & CTRL_EXT_EXT_VLAN && len >= at + 6 &&
	    be16(frame + at) == REG(EXVET) >> 16) {
		at += 4;
		p->tags++;
	}
	if (len >= at + 6 && be16(frame + at) == vet) {
		p->tci = be16(frame + at + 2);
		p->vlan_at = at;
		at += 4;
		p->tags++;
	}
	return at;
}

static void parse_ipv4(const uint8_t *ip, unsigned int len, struct parse *p)
{
	unsigned int header = (ip[0] & 15) * 4, total = be16(ip + 2);

	if (ip[0] >> 4 != 4 || header < 20 || total < header || total > len) {
		p->l3 = 0;
		return;
	}
	p->version = 4;
	p->extensions = header > 20;
	p->fragment = be16(ip + 6) & 0x3fff;
	p->proto = ip[9];
	p->l4 = p->l3 + header;
	p->l3_end = p->l3 + total;
}

static void parse_ipv6(const uint8_t *ip, unsigned int len, struct parse *p)
{
	unsigned int at = 40, total = 40 + be16(ip + 4);
	uint8_t next = ip[6];

	if (ip[0] >> 4 != 6 || total > len) {
		p->l3 = 0;
		return;
	}
	p->version = 6;
	p->l3_end = p->l3 + total;
	while (next == 0 || next == 43 || next == 44 || next == 60) {
		p->extensions = true;
		/*
		 * The pseudo header of a routed packet has another destination.
		 */
		if (next == 44 || next == 43 || at + 8 > total) {
			p->fragment = true;
			break;
		}
		next = ip[at];
		at += (ip[at + 1] + 1) * 8;
	}
	p->proto = next;
	p->l4 = p->l3 + at;
}

void frame_parse(const uint8_t *frame, unsigned int len, struct parse *p)
{
	unsigned int at, need;
	uint16_t type;

	memset(p, 0, sizeof(*p));
	at = tags(frame, len, p);
	type = be16(frame + at);
	p->l3 = at + 2;
	if (type == P_IP && len >= p->l3 + 20)
		parse_ipv4(frame + p->l3, len - p->l3, p);
	else if (type == P_IPV6 && len >= p->l3 + 40)
		parse_ipv6(frame + p->l3, len - p->l3, p);
	else
		p->l3 = 0;
	need = p->proto == FRAME_TCP ? 20 : p->proto == FRAME_UDP ? 8 :
	       p->proto == FRAME_SCTP ? 12 : 0;
	if (!p->version || p->fragment || !need || p->l4 + need > p->l3_end)
		p->l4 = 0;
}

uint32_t frame_sum(const uint8_t *data, unsigned int len, uint32_t sum)
{
	uint64_t wide = sum;

	for (; len > 1; len -= 2, data += 2)
		wide += be16(data);
	if (len)
		wide += data[0] << 8;
	while (wide >> 16)
		wide = (wide & 0xffff) + (wide >> 16);
	return wide;
}

uint16_t frame_fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

uint32_t frame_pseudo(const uint8_t *frame, const struct parse *p,
		      unsigned int len)
{
	const uint8_t *ip = frame + p->l3;
	uint32_t sum = p->proto + len;

	if (p->version == 4)
		return frame_sum(ip + 12, 8, sum);
	return frame_sum(ip + 8, 32, sum);
}

static uint32_t crc(const uint8_t *data, unsigned int len, uint32_t poly,
		    uint32_t *table)
{
	uint32_t c = ~0u;
	unsigned int i, k;

	if (!table[1]) {
		for (i = 0; i < 256; i++) {
			uint32_t v = i;

			for (k = 0; k < 8; k++)
				v = v & 1 ? v >> 1 ^ poly : v >> 1;
			table[i] = v;
		}
	}
	for (i = 0; i < len; i++)
		c = table[(c ^ data[i]) & 0xff] ^ c >> 8;
	return ~c;
}

uint32_t frame_crc32(const uint8_t *data, unsigned int len)
{
	static uint32_t table[256];

	return crc(data, len, 0xedb88320, table);
}

uint32_t frame_crc32c(const uint8_t *data, unsigned int len)
{
	static uint32_t table[256];

	return crc(data, len, 0x82f63b78, table);
}
