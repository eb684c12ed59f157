// SPDX-License-Identifier: GPL-2.0
/*
 * Flow director, with signature filters (7.1.2.7): a flow goes to the queue
 * that was written for its hash. ixgbe_atr() writes one for each SYN it sends,
 * and now and then for other segments: the queue which that was sent by. So a
 * flow's queue changes with the CPU that answers, as long as nobody turns that
 * off.
 *
 * Perfect filters (ethtool -N) are taken, and none ever matches.
 */
#include <string.h>

#include "nic.h"

#define SLOTS		65536
#define USED		(1u << 31)

#define CTRL_PBALLOC	3u
#define CTRL_PERFECT	(1u << 4)
#define CMD_ADD		1u
#define CMD_CLEARHT	(1u << 8)
#define CMD_QUEUE(v)	((v) >> 16 & 0x7f)
#define TYPE_TCP	2u
#define TYPE_UDP	1u
#define TYPE_SCTP	3u
#define TYPE_IPV6	4u

static struct filter_slot {
	uint32_t hash;
	uint8_t queue;
} slots[SLOTS];
static unsigned int used;

void flow_reset(void)
{
	memset(slots, 0, sizeof(slots));
	used = 0;
}

static struct filter_slot *slot_of(uint32_t hash)
{
	unsigned int i = (hash ^ hash >> 13) % SLOTS;

	while (slots[i].hash & USED && slots[i].hash != (hash | USED))
		i = (i + 1) % SLOTS;
	return &slots[i];
}

/* 8191 filters to 64 KB of the packet buffer (from memory). */
static unsigned int capacity(void)
{
	unsigned int alloc = REG(FDIRCTRL) & CTRL_PBALLOC;

	return alloc ? (4096u << alloc) - 1 : 0;
}

static void add(uint32_t hash, unsigned int queue)
{
	struct filter_slot *s = slot_of(hash);
	unsigned int threshold = (REG(FDIRCTRL) >> 28) * 16;

	if (!(s->hash & USED)) {
		if (used >= capacity())
			return;
		used++;
		s->hash = hash | USED;
		if (capacity() - used < threshold)
			interrupt_misc(CAUSE_FLOW_DIR);
	}
	s->queue = queue;
}

void flow_write_ctrl(uint32_t value)
{
	REG(FDIRCTRL) = value | FDIRCTRL_INIT_DONE;
	flow_reset();
}

/* A filter's hash is in FDIRHASH, which is written before. */
void flow_write_cmd(uint32_t value)
{
	REG(FDIRCMD) = value & ~3u;
	if (value & CMD_CLEARHT)
		flow_reset();
	if ((value & 3) == CMD_ADD && !(REG(FDIRCTRL) & CTRL_PERFECT))
		add(REG(FDIRHASH) & 0x7fff7fff, CMD_QUEUE(value));
	REG(FDIRFREE) = (capacity() - used) & 0xffff;
}

/*
 * The stream that is hashed, compressed to two words as the driver does in
 * ixgbe_atr_compute_sig_hash_82599(): each set bit of the key adds the stream
 * from there on. Bit 0 is without what the second word has of type and tag.
 */
static uint32_t hash_by(uint32_t key, uint32_t common, uint32_t type_and_tag)
{
	uint32_t low = common >> 16 | common << 16;
	uint32_t high = common ^ type_and_tag ^ type_and_tag >> 16;
	uint32_t hash = 0;
	unsigned int n;

	for (n = 0; n < 16; n++) {
		if (key >> n & 1)
			hash ^= low >> n;
		if (key >> (n + 16) & 1)
			hash ^= high >> n;
		if (!n)
			low ^= type_and_tag ^ type_and_tag << 16;
	}
	return hash & 0x7fff;
}

uint32_t flow_hash(const uint8_t *frame, const struct parse *p)
{
	const uint8_t *ip = frame + p->l3 + (p->version == 4 ? 12 : 8);
	unsigned int words = p->version == 4 ? 2 : 8, i;
	uint32_t common = be32(frame + p->l4), type;

	for (i = 0; i < words; i++)
		common ^= be32(ip + 4 * i);
	common ^= (uint32_t)be16(frame + 12) << 16;	/* the flexible bytes */
	type = p->proto == FRAME_TCP ? TYPE_TCP :
	       p->proto == FRAME_UDP ? TYPE_UDP : TYPE_SCTP;
	if (p->version == 6)
		type |= TYPE_IPV6;
	type = type << 16 | p->tci;
	return hash_by(REG(FDIRSKEY), common, type) << 16 |
	       hash_by(REG(FDIRHKEY), common, type);
}

/* Of a frame: its queue, or -1. */
int flow_queue(const uint8_t *frame, const struct parse *p)
{
	struct filter_slot *s;

	if (!(REG(FDIRCTRL) & FDIRCTRL_INIT_DONE) ||
	    REG(FDIRCTRL) & CTRL_PERFECT || !p->l4)
		return -1;
	s = slot_of(flow_hash(frame, p));
	count(s->hash & USED ? FDIRMATCH : FDIRMISS);
	return s->hash & USED ? s->queue : -1;
}
