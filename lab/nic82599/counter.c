// SPDX-License-Identifier: GPL-2.0
/*
 * Statistics (8.2.3.23). They count on each frame and are cleared by being
 * read. Besides, fates says of each frame since the process began what became
 * of it.
 */
#include "nic.h"

struct fates fates;

/*
 * QPRC and QBRC of 16 counters, and behind them, in the blocks of queues 16 to
 * 31, QPRDC.
 */
static bool is_queue_counter(uint32_t offset)
{
	unsigned int which = offset & 0x3f;

	if (offset >= 0x1000 && offset < 0x1800)
		return which == BLOCK_PACKETS || which == BLOCK_BYTES ||
		       which == BLOCK_BYTES_H;
	return offset >= 0x6000 && offset < 0x6400 && which == BLOCK_PACKETS;
}

bool counter_owns(uint32_t offset)
{
	return (offset >= 0x4000 && offset < 0x4200) ||
	       (offset >= 0x3f00 && offset < 0x4000) ||
	       (offset >= 0x2f50 && offset < 0x2f80) ||
	       (offset >= QBTC_L(0) && offset < QBTC_L(16)) ||
	       is_queue_counter(offset);
}

uint32_t counter_read(uint32_t offset)
{
	uint32_t value = REG(offset);

	REG(offset) = 0;
	return value;
}

void count(uint32_t offset)
{
	REG(offset)++;
}

/* 36 bits in two registers, the low one first. */
void count_octets(uint32_t offset, unsigned int octets)
{
	uint64_t sum = REG(offset) + (uint64_t)octets;

	REG(offset) = sum;
	REG(offset + 4) += sum >> 32;
}

static void count_size(uint32_t offset, unsigned int octets)
{
	static const unsigned int upto[] = { 64, 127, 255, 511, 1023 };
	unsigned int i;

	for (i = 0; i < 5 && octets > upto[i]; i++)
		;
	count(offset + 4 * i);
}

static bool is_broadcast(const uint8_t *frame)
{
	return (frame[0] & frame[1] & frame[2] & frame[3] & frame[4] &
		frame[5]) == 255;
}

/*
 * Before the packet buffer: what is missed there was a good frame, which
 * ixgbe_update_stats() takes off again. Sizes are with the FCS.
 */
void count_good_received(const uint8_t *frame, unsigned int len)
{
	count(GPRC);
	count(RXNFGPC);
	count_octets(GORCL, len + 4);
	count_size(PRC64, len + 4);
	if (is_broadcast(frame))
		count(BPRC);
	else if (frame[0] & 1)
		count(MPRC);
}

static unsigned int receive_counter(const struct queue *q)
{
	return REG(RQSMR(q->index / 4)) >> q->index % 4 * 8 & 15;
}

void count_delivered(struct queue *q, unsigned int len)
{
	unsigned int n = receive_counter(q);

	fates.delivered++;
	count(RXDGPC);
	count(RX_BLOCK(n) + BLOCK_PACKETS);
	count_octets(RX_BLOCK(n) + BLOCK_BYTES, len + 4);
}

void count_no_descriptor(struct queue *q)
{
	count(RX_BLOCK(16 + receive_counter(q)) + BLOCK_PACKETS);
}

void count_sent(struct queue *q, const uint8_t *frame, unsigned int len)
{
	unsigned int n = REG(TQSM(q->index / 4)) >> q->index % 4 * 8 & 15;

	count(TPT);
	count(GPTC);
	count_octets(GOTCL, len + 4);
	count_size(PTC64, len + 4);
	if (is_broadcast(frame))
		count(BPTC);
	else if (frame[0] & 1)
		count(MPTC);
	count(TX_BLOCK(n) + BLOCK_PACKETS);
	count_octets(QBTC_L(n), len + 4);
}
