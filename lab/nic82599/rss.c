// SPDX-License-Identifier: GPL-2.0
/* Receive side scaling: 7.1.2.8. */
#include <string.h>

#include "nic.h"

uint32_t rss_toeplitz(const uint8_t *key, const uint8_t *data, unsigned int len)
{
	uint32_t window = be32(key), hash = 0;
	unsigned int i, k;

	for (i = 0; i < len; i++) {
		for (k = 0; k < 8; k++) {
			if (data[i] & 0x80 >> k)
				hash ^= window;
			window = window << 1 | (key[i + 4] >> (7 - k) & 1);
		}
	}
	return hash;
}

/*
 * MRQE 0 is none; VMDq wants pools, which are not modelled. The modes of DCB
 * have a packet buffer for each class, and all that is untagged is in the
 * first.
 */
static bool is_on(void)
{
	switch (REG(MRQC) & 15) {
	case 1:
	case 4:
	case 5:
		return true;
	}
	return false;
}

unsigned int rss_queue(const uint8_t *frame, const struct parse *p,
		       uint32_t *hash, unsigned int *type)
{
	const uint8_t *ip = frame + p->l3;
	uint32_t mrqc = REG(MRQC);
	uint8_t key[40], data[36];
	unsigned int len, i;
	bool ports = p->l4;

	*hash = 0;
	*type = 0;
	if (!is_on() || !p->version)
		return 0;
	len = p->version == 4 ? 8 : 32;
	memcpy(data, ip + (p->version == 4 ? 12 : 8), len);
	if (ports)
		memcpy(data + len, frame + p->l4, 4);
	if (p->version == 4) {
		if (ports && p->proto == FRAME_TCP && mrqc & MRQC_IPV4_TCP)
			*type = 1;
		else if (ports && p->proto == FRAME_UDP && mrqc & MRQC_IPV4_UDP)
			*type = 7;
		else if (mrqc & MRQC_IPV4)
			*type = 2;
	} else {
		if (ports && p->proto == FRAME_TCP && mrqc & MRQC_IPV6_TCP)
			*type = 3;
		else if (ports && p->proto == FRAME_UDP && mrqc & MRQC_IPV6_UDP)
			*type = 8;
		else if (mrqc & MRQC_IPV6)
			*type = 5;
	}
	if (!*type)
		return 0;
	if (*type != 2 && *type != 5)
		len += 4;
	for (i = 0; i < 40; i++)
		key[i] = REG(RSSRK(i / 4)) >> i % 4 * 8;
	*hash = rss_toeplitz(key, data, len);
	i = *hash & 127;
	return REG(RETA(i / 4)) >> i % 4 * 8 & 15;
}
