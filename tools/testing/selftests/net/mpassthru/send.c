// SPDX-License-Identifier: GPL-2.0
/* Chains of a guest's transmit ring, and the books of them. */

#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "say.h"
#include "send.h"

#define TABLE	(SEND_SEGS * sizeof(struct vring_desc))
#define GAP	97		/* guard bytes at most in front of a segment */

void send_init(struct send *s, struct guest *g, unsigned int slots)
{
	*s = (struct send) { .g = g, .slots = slots, .random = 1 };
}

unsigned int send_out(const struct send *s)
{
	return s->made - s->used;
}

static __u64 slot_addr(const struct send *s)
{
	return GUEST_BASE + s->g->room + s->made % s->slots * SEND_SLOT;
}

__u64 send_addr(const struct send *s)
{
	return slot_addr(s) + TABLE;
}

static unsigned int random_below(struct send *s, unsigned int n)
{
	s->random = s->random * 1103515245 + 12345;
	return (s->random >> 8) % n;
}

int send_take(struct send *s)
{
	struct vq_used used;
	int ret;

	while ((ret = vq_take(&s->g->tx, &used)) == 1) {
		s->used++;
		/* Nothing is written to what is sent. */
		if (used.full || !used.len)
			continue;
		say("chain %u: %u bytes used", s->used - 1, used.len);
		return -1;
	}
	return ret || s->g->tx.disorder ? -1 : 0;
}

static int wait_some(struct send *s, int ms)
{
	return guest_wait_used(&s->g->tx, s->g->tx_fds.call, ms) ?:
	       send_take(s);
}

int send_wait(struct send *s, int ms)
{
	long long left, end = clock_ms() + ms;
	int ret;

	while (send_out(s)) {
		left = end - clock_ms();
		ret = wait_some(s, left > 0 ? left : 0);
		if (!ret)
			continue;
		say("%u chains of %u did not come back", send_out(s), s->made);
		return -1;
	}
	return 0;
}

static bool has_room(const struct send *s, unsigned int n)
{
	if (s->g->cfg.features & BIT_INDIRECT)
		n = 1;
	return send_out(s) < s->slots && s->g->tx.nfree >= n;
}

static int wait_for_room(struct send *s, unsigned int n)
{
	while (!has_room(s, n)) {
		if (!wait_some(s, clock_patience()))
			continue;
		say("no chain of %u came back", send_out(s));
		return -1;
	}
	return 0;
}

static int make_available(struct send *s, const struct vq_sg *sg,
			  unsigned int n)
{
	struct vring_desc *table = NULL;

	if (s->g->cfg.features & BIT_INDIRECT)
		table = guest_mem(s->g, slot_addr(s));
	if (vq_add(&s->g->tx, sg, n, table, slot_addr(s)) < 0)
		return -1;
	s->made++;
	if (vq_publish(&s->g->tx) && !s->hold)
		vhost_signal(s->g->tx_fds.kick);
	return 0;
}

int send_kick(struct send *s)
{
	s->hold = false;
	vhost_signal(s->g->tx_fds.kick);
	return 0;
}

int send_chain(struct send *s, const struct vq_sg *sg, unsigned int n)
{
	if (n > SEND_SEGS)
		return -1;
	return wait_for_room(s, n) ?: make_available(s, sg, n);
}

/* The next of @segs segments that @left bytes are cut into. */
static size_t cut(struct send *s, size_t left, unsigned int segs)
{
	size_t len;

	if (segs == 1 || left < segs)
		return left;
	len = 1 + random_below(s, 2 * left / segs);
	return len < left - segs + 1 ? len : left - segs + 1;
}

int send_bytes(struct send *s, const void *hdr, const void *frame, size_t len,
	       unsigned int segs)
{
	unsigned char bytes[FRAME_BUF + 16], *from = bytes;
	size_t gap, left = s->g->hdr_len + len;
	struct vq_sg sg[SEND_SEGS];
	unsigned int n;
	__u64 addr;

	if (left > sizeof(bytes) || segs > SEND_SEGS ||
	    left + segs * GAP + GAP > SEND_SLOT - TABLE)
		return -1;
	if (wait_for_room(s, segs))
		return -1;
	memcpy(bytes, hdr, s->g->hdr_len);
	memcpy(bytes + s->g->hdr_len, frame, len);
	addr = send_addr(s);
	for (n = 0; left; n++) {
		gap = random_below(s, GAP);
		memset(guest_mem(s->g, addr), SEND_GUARD, gap);
		addr += gap;
		sg[n] = (struct vq_sg) {
			.addr = addr, .len = cut(s, left, segs - n),
			.readable = true,
		};
		memcpy(guest_mem(s->g, addr), from, sg[n].len);
		from += sg[n].len;
		addr += sg[n].len;
		left -= sg[n].len;
	}
	memset(guest_mem(s->g, addr), SEND_GUARD, GAP);
	return make_available(s, sg, n);
}

int send_frame(struct send *s, const struct frame *f, __u32 seq, size_t len,
	       unsigned int segs)
{
	struct virtio_net_hdr_mrg_rxbuf hdr = {};
	unsigned char buf[FRAME_ROOM];

	frame_build(f, buf, seq, len);
	return send_bytes(s, &hdr, buf, len, segs);
}

static void *flood(void *arg)
{
	struct send *s = arg;
	unsigned int segs;

	while (!__atomic_load_n(&s->stop, __ATOMIC_RELAXED)) {
		segs = 1 + s->seq % 4;
		if (!has_room(s, segs)) {
			/* For as long as nothing is taken, if need be. */
			usleep(500);
			s->failed = send_take(s);
		} else {
			s->failed = send_frame(s, s->frame, s->seq,
					       FRAME_MIN + s->seq * 37 %
					       (FRAME_MAX - FRAME_MIN), segs);
			s->seq++;
			/* Not more than the emulated wire carries off. */
			if (!(s->seq % 32))
				usleep(1000);
		}
		if (s->failed)
			break;
	}
	return NULL;
}

int send_flood(struct send *s, const struct frame *f)
{
	s->frame = f;
	s->stop = false;
	s->flooding = !pthread_create(&s->thread, NULL, flood, s);
	return s->flooding ? 0 : -1;
}

int send_calm(struct send *s)
{
	if (!s->flooding)
		return 0;
	__atomic_store_n(&s->stop, true, __ATOMIC_RELAXED);
	pthread_join(s->thread, NULL);
	s->flooding = false;
	return s->failed ? -1 : 0;
}
