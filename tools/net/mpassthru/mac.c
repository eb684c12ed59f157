// SPDX-License-Identifier: GPL-2.0
/* Station addresses of Ethernet. */

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "mac.h"

int mac_parse(const char *text, unsigned char *mac)
{
	/* Two digits each: sscanf() alone takes signs, blanks and 0x, too. */
	if (strlen(text) != MAC_TEXT_LEN - 1 ||
	    strspn(text, "0123456789abcdefABCDEF:") != MAC_TEXT_LEN - 1 ||
	    sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", &mac[0],
		   &mac[1], &mac[2], &mac[3], &mac[4], &mac[5]) != 6)
		return -EINVAL;
	/* A group address cannot be a guest's own, nor can zero. */
	if (mac[0] & 1 || !memcmp(mac, "\0\0\0\0\0\0", MAC_LEN))
		return -EINVAL;
	return 0;
}

void mac_format(const unsigned char *mac, char *text)
{
	snprintf(text, MAC_TEXT_LEN, "%02x:%02x:%02x:%02x:%02x:%02x",
		 mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

/*
 * A function of the permanent address and of nothing else: the same after a
 * reboot, a new installation or a change of the NIC's address.  46 bits of a
 * hash of the 48 (the finalizer of MurmurHash3) are in practice others for each
 * NIC.  To set the local bit of the NIC's address makes what other programs
 * make of it, too, and is no change where that is a local address already.
 */
void mac_derive(const unsigned char *perm, unsigned char *mac)
{
	uint64_t hash = 0;
	int i;

	for (i = 0; i < MAC_LEN; i++)
		hash = hash << 8 | perm[i];
	hash ^= hash >> 33;
	hash *= 0xff51afd7ed558ccdULL;
	hash ^= hash >> 33;
	hash *= 0xc4ceb9fe1a85ec53ULL;
	hash ^= hash >> 33;
	for (i = 0; i < MAC_LEN; i++)
		mac[i] = hash >> 8 * i;

	mac[0] &= ~1;		/* of one station, no group */
	mac[0] |= 2;		/* locally administered */
}
