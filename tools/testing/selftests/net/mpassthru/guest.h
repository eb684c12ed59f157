/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MP_GUEST_H
#define MP_GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include "frame.h"
#include "vhost.h"
#include "vring.h"

#define FEATURE(bit)	((__u64)1 << (bit))
#define BIT_V1		FEATURE(VIRTIO_F_VERSION_1)
#define BIT_MRG		FEATURE(VIRTIO_NET_F_MRG_RXBUF)
#define BIT_INDIRECT	FEATURE(VIRTIO_RING_F_INDIRECT_DESC)
#define BIT_EVENT	FEATURE(VIRTIO_RING_F_EVENT_IDX)
#define BIT_PLATFORM	FEATURE(VIRTIO_F_ACCESS_PLATFORM)
#define BIT_IN_ORDER	FEATURE(VIRTIO_F_IN_ORDER)

#define GUEST_BASE	0x100000ULL	/* physical address of its memory */
#define GUEST_RX	0		/* virtqueue numbers of vhost-net */
#define GUEST_TX	1
#define GUEST_SG	24		/* descriptors in a chain, at most */
#define GUEST_TX_SLOTS	32
#define GUEST_TX_SIZE	(18 * 4096)
#define GUEST_PAGE	4096UL

enum guest_mem {
	GUEST_ANON,		/* private memory, small pages */
	GUEST_SHARED,		/* a memfd */
	GUEST_SCATTERED,	/* a memfd; no two pages next to each other */
	GUEST_HUGE,		/* a memfd of huge pages */
};

/*
 * Receive buffer i lies in a lane of its own: @lane bytes, all of them guard
 * bytes but the @len at @off.
 */
struct guest_config {
	__u64		features;
	unsigned int	num;		/* ring entries; 256 */
	unsigned int	bufs;		/* receive buffers; 128 */
	size_t		lane;		/* 4096 */
	size_t		off;		/* 128 */
	size_t		len;		/* with the header; 1536 */
	size_t		piece;		/* of data a descriptor; 0 for all */
	bool		hdr_apart;	/* the header has its own descriptor */
	enum guest_mem	mem;
	bool		kthread;	/* vhost's worker is one */
	size_t		room;		/* of guard bytes, for who sends; 0 */
};

struct guest_buf {
	struct vq_sg	sg[GUEST_SG];
	unsigned int	nsg;
	size_t		len;
	unsigned int	posted;		/* times */
	unsigned int	used;
	bool		wild;		/* its guards are not checked */
};

struct guest {
	struct guest_config cfg;
	size_t		hdr_len;
	struct vhost	vhost;
	struct vhost_fds rx_fds;
	struct vhost_fds tx_fds;
	struct vq	rx;
	struct vq	tx;

	unsigned char	*mem;
	size_t		size;
	size_t		tables;		/* offsets: indirect descriptors, */
	size_t		tx_slots;	/* transmit buffers */
	size_t		lanes;		/* receive buffers */
	size_t		room;		/* and cfg.room bytes */

	struct guest_buf *buf;
	int		*rx_owner;	/* head -> buffer */
	size_t		post_len;	/* of buffers posted from now on; 0 */
	bool		running;
};

/* A received frame. */
struct guest_frame {
	struct virtio_net_hdr_mrg_rxbuf hdr;
	size_t		len;		/* 0: a buffer came back unused */
	unsigned int	nbufs;
	int		buf[64];
	unsigned char	data[FRAME_BUF];
};

int guest_open(struct guest *g, const struct guest_config *cfg);
void guest_close(struct guest *g);
/* Set the backend of both virtqueues to @fd, a tap or mp descriptor. */
int guest_start(struct guest *g, int fd);
int guest_stop(struct guest *g);

void *guest_mem(struct guest *g, __u64 addr);
unsigned char *guest_lane(struct guest *g, int i);
int guest_map(struct guest *g);			/* sets the memory table */

int guest_post(struct guest *g, int i);
int guest_post_all(struct guest *g);		/* those that are not out */
int guest_repost(struct guest *g, const struct guest_frame *f);
void guest_kick(struct guest *g);

/*
 * Take a frame.  0, or 1 when none came in @ms, or -1 when the device broke a
 * rule: wrote outside its buffer, returned one twice, out of turn, ...
 */
int guest_recv(struct guest *g, struct guest_frame *f, int ms);
/* Take a used buffer, without looking at what is in it; 0, 1 or -1. */
int guest_take(struct guest *g, int *buf, __u32 *len, int ms);
/* Like guest_recv(), for frames of stream @s; puts the others back. */
int guest_recv_of(struct guest *g, const struct frame *s,
		  struct guest_frame *f, __u32 *seq, int ms);
/* 0 when @vq has a used entry, 1 when not in @ms, -1 for one without a call. */
int guest_wait_used(struct vq *vq, int call, int ms);
/* What is posted and not used, according to the ring. */
unsigned int guest_out(struct guest *g);
/* After a stop: was each posted buffer used once, or is it still out? */
bool guest_books_balance(struct guest *g);

/* Send @len bytes, @piece of them in a descriptor (0 for all). */
int guest_send(struct guest *g, const void *hdr, const void *frame,
	       size_t len, size_t piece);
int guest_sent(struct guest *g, int ms);	/* waits for all of them */

#endif /* MP_GUEST_H */
