/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MP_FRAME_H
#define MP_FRAME_H

#include <stddef.h>
#include <linux/types.h>

#define FRAME_TYPE	0x88b5	/* IEEE 802, local experimental */
#define FRAME_MIN	60
#define FRAME_MAX	1514
/* What a buffer holds that takes any frame, two VLAN tags included. */
#define FRAME_ROOM	(FRAME_MAX + 8)
#define FRAME_BUF	65600	/* enough for any frame, GSO included */

/* What the frames of one test have in common. */
struct frame {
	unsigned char	dst[6];
	unsigned char	src[6];
	__u16		vlan;	/* 802.1Q tag in the frame; 0 for none */
	__u32		stream;	/* tells them from those of another test */
};

enum {
	FRAME_OK,
	FRAME_FOREIGN,		/* of another stream, or not ours at all */
	FRAME_BAD,		/* ours, but not as it was sent */
};

/* A number that differs from test to test. */
__u32 frame_stream(void);

/* Builds frame @seq of @len bytes: its content follows from @seq alone. */
void frame_build(const struct frame *f, void *buf, __u32 seq, size_t len);
int frame_check(const struct frame *f, const void *buf, size_t len,
		__u32 *seq);

#endif /* MP_FRAME_H */
