// SPDX-License-Identifier: GPL-2.0
/* Test frames with numbered, pseudo-random content. */

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "frame.h"
#include "say.h"

#define FRAME_MAGIC	0x6d706672

/* Follows the Ethernet header; unaligned there, so moved by memcpy(). */
struct frame_body {
	__u32	magic;
	__u32	stream;
	__u32	seq;
	__u32	len;
};

__u32 frame_stream(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_nsec ^ (getpid() << 16) ^ now.tv_sec) | 1;
}

static __u32 next_random(__u32 x)
{
	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

static void fill(const struct frame *f, unsigned char *p, size_t len,
		 __u32 seq)
{
	__u32 x = (f->stream ^ (seq * 0x9e3779b1u)) | 1;

	for (; len >= sizeof(x); len -= sizeof(x), p += sizeof(x)) {
		x = next_random(x);
		memcpy(p, &x, sizeof(x));
	}
	x = next_random(x);
	memcpy(p, &x, len);
}

static size_t build_header(const struct frame *f, unsigned char *p)
{
	__u16 type = htons(FRAME_TYPE), tag = htons(0x8100);
	__u16 tci = htons(f->vlan);

	memcpy(p, f->dst, 6);
	memcpy(p + 6, f->src, 6);
	if (!f->vlan) {
		memcpy(p + 12, &type, 2);
		return 14;
	}
	memcpy(p + 12, &tag, 2);
	memcpy(p + 14, &tci, 2);
	memcpy(p + 16, &type, 2);
	return 18;
}

void frame_build(const struct frame *f, void *buf, __u32 seq, size_t len)
{
	struct frame_body body = {
		.magic	= htonl(FRAME_MAGIC),
		.stream	= htonl(f->stream),
		.seq	= htonl(seq),
		.len	= htonl(len),
	};
	size_t at = build_header(f, buf);

	memcpy(buf + at, &body, sizeof(body));
	at += sizeof(body);
	fill(f, buf + at, len - at, seq);
}

int frame_check(const struct frame *f, const void *buf, size_t len,
		__u32 *seq)
{
	unsigned char want[FRAME_BUF];
	struct frame_body body;
	size_t at, i;

	at = build_header(f, want);
	if (len < at + sizeof(body) || memcmp(buf + 12, want + 12, at - 12))
		return FRAME_FOREIGN;
	memcpy(&body, buf + at, sizeof(body));
	if (body.magic != htonl(FRAME_MAGIC) ||
	    body.stream != htonl(f->stream))
		return FRAME_FOREIGN;

	*seq = ntohl(body.seq);
	if (ntohl(body.len) != len) {
		say("frame %u: %zu bytes, sent were %u", *seq, len,
		    ntohl(body.len));
		return FRAME_BAD;
	}
	frame_build(f, want, *seq, len);
	if (!memcmp(buf, want, len))
		return FRAME_OK;
	for (i = 0; ((unsigned char *)buf)[i] == want[i]; i++)
		;
	say("frame %u of %zu bytes: byte %zu is %02x, sent was %02x", *seq,
	    len, i, ((unsigned char *)buf)[i], want[i]);
	return FRAME_BAD;
}
