// SPDX-License-Identifier: GPL-2.0
/* Whom a frame is for: 7.1.1. */
#include <string.h>

#include "nic.h"

static bool is_own(const uint8_t *addr)
{
	uint32_t low = addr[0] | addr[1] << 8 | addr[2] << 16 |
		       (uint32_t)addr[3] << 24;
	uint32_t high = addr[4] | addr[5] << 8;
	unsigned int i;

	for (i = 0; i < RARS; i++)
		if (REG(RAH(i)) & RAH_AV && REG(RAL(i)) == low &&
		    (REG(RAH(i)) & 0xffff) == high)
			return true;
	return false;
}

/* MCSTCTRL.MO says which 12 of the last 16 bits (8.2.3.7.8). */
static bool in_multicast_table(const uint8_t *addr)
{
	unsigned int shift = 4 - (REG(MCSTCTRL) & 3);
	unsigned int hash;

	if (!(REG(MCSTCTRL) & MCSTCTRL_MFE))
		return false;
	if ((REG(MCSTCTRL) & 3) == 3)
		shift = 0;
	hash = ((addr[4] | addr[5] << 8) >> shift) & 0xfff;
	return REG(MTA(hash >> 5)) >> (hash & 31) & 1;
}

static bool vlan_passes(const struct parse *p)
{
	unsigned int vid = p->tci & 0xfff;

	if (!(REG(VLNCTRL) & VLNCTRL_VFE) || !p->vlan_at)
		return true;
	return REG(VFTA(vid >> 5)) >> (vid & 31) & 1;
}

enum filter filter_frame(const uint8_t *frame, const struct parse *p)
{
	static const uint8_t broadcast[6] = { 255, 255, 255, 255, 255, 255 };
	uint32_t fctrl = REG(FCTRL);

	if (!vlan_passes(p))
		return FILTER_NO;
	if (!memcmp(frame, broadcast, 6))
		return fctrl & FCTRL_BAM ? FILTER_EXACT : FILTER_NO;
	if (is_own(frame))
		return FILTER_EXACT;
	if (frame[0] & 1)
		return fctrl & FCTRL_MPE || in_multicast_table(frame) ?
		       FILTER_INEXACT : FILTER_NO;
	return fctrl & FCTRL_UPE ? FILTER_INEXACT : FILTER_NO;
}
