/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MP_CSUM_H
#define MP_CSUM_H

#include <linux/types.h>
#include <stddef.h>

/* The Internet checksum, of big-endian words; only the last part may be odd. */
static inline __u32 csum_add(const void *buf, size_t len, __u32 csum)
{
	const unsigned char *p = buf;

	for (; len > 1; len -= 2, p += 2)
		csum += p[0] << 8 | p[1];
	if (len)
		csum += *p << 8;
	return csum;
}

static inline __u16 csum_fold(__u32 csum)
{
	while (csum >> 16)
		csum = (csum & 0xffff) + (csum >> 16);
	return csum;
}

#endif /* MP_CSUM_H */
