// SPDX-License-Identifier: GPL-2.0
/*
 * Descriptor rings: their registers, the life of a queue, and the rules.
 *
 * A queue is OFF, STARTING (ENABLE was written and does not read as 1 yet), ON,
 * or DRAINING (0 was written and does not read as 0 yet). What it has fetched
 * it may use until it is OFF; then it touches nothing, and says so by ENABLE =
 * 0.
 *
 * Descriptors are copied when the tail goes past them. When one is used it has
 * to be in memory as it was: who changes it later races with the hardware,
 * which may have fetched it at any time since (7.1.9, 7.2.3).
 */
#include <stdlib.h>
#include <string.h>

#include "nic.h"

#define BUCKETS		65536

struct queue rxq[QUEUES], txq[QUEUES];
uint64_t ring_drain_ns = 500000, ring_start_ns = 100000;
bool ring_may_repeat;
static struct armed *bucket[BUCKETS];

static const char *const state_name[] = {
	[OFF] = "off", [STARTING] = "starting", [ON] = "on",
	[DRAINING] = "draining",
};

/* Receive buffers that are armed, by address. */
static struct armed **bucket_of(uint64_t addr)
{
	return &bucket[(addr >> 6 ^ addr >> 22) % BUCKETS];
}

static bool is_armed(uint64_t addr)
{
	struct armed *a;

	for (a = *bucket_of(addr); a; a = a->next)
		if (a->addr == addr)
			return true;
	return false;
}

static void arm(struct queue *q, unsigned int i, uint64_t addr)
{
	struct armed *a = &q->armed[i];
	struct armed **b = bucket_of(addr);

	if (!ring_may_repeat && is_armed(addr))
		assertion(q, "descriptor %u: 0x%llx is armed already",
			  i, (unsigned long long)addr);
	a->addr = addr;
	a->next = *b;
	*b = a;
}

void ring_release(struct queue *q, unsigned int i)
{
	struct armed *a = &q->armed[i], **p;

	if (q->tx || !a->addr)
		return;
	for (p = bucket_of(a->addr); *p; p = &(*p)->next) {
		if (*p == a) {
			*p = a->next;
			break;
		}
	}
	a->addr = 0;
}

static void forget(struct queue *q)
{
	unsigned int i;

	for (i = 0; i < q->slots; i++)
		ring_release(q, i);
	free(q->copy);
	free(q->armed);
	q->copy = NULL;
	q->armed = NULL;
	q->slots = 0;
	q->fetched = 0;
}

static void off(struct queue *q)
{
	timer_stop(&q->change);
	if (q->tx)
		transmit_queue_off(q);
	else
		receive_queue_off(q);
	q->state = OFF;
	q->stuck = false;
	forget(q);
}

static void on(struct queue *q)
{
	q->slots = ring_slots(q);
	q->copy = calloc(q->slots + 1, sizeof(*q->copy));
	q->armed = calloc(q->slots + 1, sizeof(*q->armed));
	if (!q->copy || !q->armed)
		abort();
	q->fetched = QREG(q, HEAD);
	q->was_on = true;
	q->state = ON;
	if (q->slots && (QREG(q, HEAD) >= q->slots))
		assertion(q, "enabled with the head at %u of %u",
			  QREG(q, HEAD), q->slots);
}

static void changed(void *arg)
{
	struct queue *q = arg;

	if (q->state == STARTING)
		on(q);
	else if (q->stuck)
		timer_set(&q->change, ring_drain_ns);
	else
		off(q);
}

static void write_dctl(struct queue *q, uint32_t value)
{
	QREG(q, DCTL) = value & ~(DCTL_ENABLE | DCTL_SWFLSH);
	if (q->tx && value & DCTL_SWFLSH)
		transmit_flush(q);
	if (value & DCTL_ENABLE) {
		if (q->state == OFF) {
			q->state = STARTING;
			timer_set(&q->change, ring_start_ns);
		} else if (q->state == DRAINING) {
			assertion(q, "enabled again while it drains");
		}
		return;
	}
	if (q->state == STARTING) {
		off(q);
	} else if (q->state == ON) {
		q->state = DRAINING;
		timer_set(&q->change, ring_drain_ns);
	}
}

static uint32_t read_dctl(struct queue *q)
{
	return QREG(q, DCTL) | (ring_runs(q) ? DCTL_ENABLE : 0);
}

/*
 * A tail that is written while the queue stops, or after it, is ignored: NAPI
 * may refill until ixgbe_down() has stopped it, which it does behind the
 * queues. One that comes before the queue is ready is lost, so that is an error
 * (4.6.7); but of a ring without length it is the pattern test of ethtool -t.
 */
static bool tail_counts(struct queue *q, uint32_t value)
{
	if (q->state == ON)
		return true;
	if (value && ring_slots(q) &&
	    (q->state == STARTING || (q->state == OFF && !q->was_on)))
		assertion(q, "tail %u before ENABLE reads 1", value);
	return false;
}

static void fetch(struct queue *q, unsigned int tail)
{
	unsigned int i;

	for (i = q->fetched; i != tail; i = ring_next(q, i)) {
		if (!dma_read(q, ring_address(q, i), &q->copy[i], 16))
			memset(&q->copy[i], 0, 16);
		else if (!q->tx)
			arm(q, i, q->copy[i].lo);
	}
	q->fetched = tail;
}

static void write_tail(struct queue *q, uint32_t value)
{
	unsigned int add;

	QREG(q, TAIL) = value & 0xffff;
	value &= 0xffff;
	if (!tail_counts(q, value) || !q->slots)
		return;
	if (value >= q->slots) {
		assertion(q, "tail %u of a ring of %u", value, q->slots);
		return;
	}
	add = (value + q->slots - q->fetched) % q->slots;
	if (add + ring_used(q) >= q->slots) {
		assertion(q, "tail from %u to %u goes past the head at %u",
			  q->fetched, value, QREG(q, HEAD));
		return;
	}
	if (!dma_allowed())
		return;
	fetch(q, value);
	if (q->tx)
		transmit_run();
	else
		receive_run();
}

/* What a register of a ring may hold, and when it may be written. */
static void write_setup(struct queue *q, unsigned int which, uint32_t value)
{
	static const char *const name[] = {
		[BLOCK_BAL] = "the base", [BLOCK_BAH] = "the base",
		[BLOCK_LEN] = "the length", [BLOCK_HEAD] = "the head",
		[BLOCK_RSCCTL] = "RSCCTL",
	};
	uint32_t *r = &REG(q->block + which);

	if (which == BLOCK_BAL)
		value &= ~0x7fu;
	if (which == BLOCK_LEN)
		value &= 0xfff80;
	if (which == BLOCK_HEAD)
		value &= 0xffff;
	if (q->state != OFF)
		assertion(q, "%s is written (0x%x) while the queue is %s",
			  name[which], value, state_name[q->state]);
	else
		*r = value;
	if (which == BLOCK_BAL || which == BLOCK_LEN)
		q->was_on = false;
}

/*
 * The size of a buffer belongs to the descriptors that were fetched with it.
 * DROP_EN may change at any time: ixgbe_set_rx_drop_en() does at each link-up.
 */
static void write_srrctl(struct queue *q, uint32_t offset, uint32_t value)
{
	if (q->state != OFF && (REG(offset) ^ value) & ~SRRCTL_DROP_EN) {
		assertion(q, "SRRCTL from 0x%x to 0x%x while the queue is %s",
			  REG(offset), value, state_name[q->state]);
		return;
	}
	REG(offset) = value;
	receive_run();
}

/* The queue that a register belongs to, and which one of its block it is. */
static struct queue *owner(uint32_t offset, unsigned int *which)
{
	*which = offset & 0x3f;
	if (offset >= 0x1000 && offset < 0x2000)
		return &rxq[(offset - 0x1000) / 0x40];
	if (offset >= 0xd000 && offset < 0xe000)
		return &rxq[64 + (offset - 0xd000) / 0x40];
	if (offset >= 0x6000 && offset < 0x8000)
		return &txq[(offset - 0x6000) / 0x40];
	return NULL;
}

bool ring_write(uint32_t offset, uint32_t value)
{
	unsigned int which;
	struct queue *q;

	if (offset >= SRRCTL(0) && offset <= SRRCTL(15)) {
		write_srrctl(&rxq[(offset - SRRCTL(0)) / 4], offset, value);
		return true;
	}
	q = owner(offset, &which);
	if (!q)
		return false;
	switch (which) {
	case BLOCK_RSCCTL:
		if (q->tx)
			return false;
		/* fall through */
	case BLOCK_BAL:
	case BLOCK_BAH:
	case BLOCK_LEN:
	case BLOCK_HEAD:
		write_setup(q, which, value);
		return true;
	case BLOCK_SRRCTL:
		if (q->tx || q->index < 16)
			return false;
		write_srrctl(q, offset, value);
		return true;
	case BLOCK_TAIL:
		write_tail(q, value);
		return true;
	case BLOCK_DCTL:
		write_dctl(q, value);
		return true;
	}
	return false;
}

bool ring_read(uint32_t offset, uint32_t *value)
{
	unsigned int which;
	struct queue *q = owner(offset, &which);

	if (!q || which != BLOCK_DCTL)
		return false;
	*value = read_dctl(q);
	return true;
}

bool ring_take(struct queue *q, unsigned int i, struct descriptor *d)
{
	struct descriptor there;

	*d = q->copy[i];
	if (!dma_read(q, ring_address(q, i), &there, 16))
		return false;
	if (memcmp(&there, d, 16)) {
		assertion(q,
			  "descriptor %u was changed after its doorbell: %016llx %016llx",
			  i, (unsigned long long)there.lo,
			  (unsigned long long)there.hi);
		q->copy[i] = there;
		*d = there;
	}
	return true;
}

void ring_stuck(struct queue *q, bool stuck)
{
	q->stuck = stuck;
}

void ring_init(void)
{
	unsigned int i;

	for (i = 0; i < QUEUES; i++) {
		rxq[i].index = i;
		rxq[i].block = RX_BLOCK(i);
		txq[i].tx = true;
		txq[i].index = i;
		txq[i].block = TX_BLOCK(i);
		rxq[i].change.fire = changed;
		rxq[i].change.arg = &rxq[i];
		txq[i].change.fire = changed;
		txq[i].change.arg = &txq[i];
		rxq[i].late_last = &rxq[i].late_first;
	}
}

/* Unlike a queue that stops, one that is reset writes nothing any more. */
void ring_reset(void)
{
	unsigned int i;

	for (i = 0; i < QUEUES; i++) {
		rxq[i].state = OFF;
		txq[i].state = OFF;
		off(&rxq[i]);
		off(&txq[i]);
		rxq[i].was_on = false;
		txq[i].was_on = false;
	}
}

struct queue *ring_named(const char *name)
{
	char *end;
	unsigned long i;

	if (strncmp(name, "rx", 2) && strncmp(name, "tx", 2))
		return NULL;
	i = strtoul(name + 2, &end, 10);
	if (!name[2] || *end || i >= QUEUES)
		return NULL;
	return name[0] == 'r' ? &rxq[i] : &txq[i];
}

static void print_descriptor(FILE *f, struct queue *q, unsigned int i)
{
	fprintf(f, "  %4u: %016llx %016llx\n", i,
		(unsigned long long)q->copy[i].lo,
		(unsigned long long)q->copy[i].hi);
}

void ring_print(FILE *f, struct queue *q, bool descriptors)
{
	unsigned int i, n;

	fprintf(f, " %s%u %s%s base 0x%llx slots %u ",
		q->tx ? "tx" : "rx", q->index, state_name[q->state],
		q->stuck ? " stuck" : "", (unsigned long long)ring_base(q),
		ring_slots(q));
	fprintf(f, "head %u tail %u fetched %u dctl 0x%x", QREG(q, HEAD),
		QREG(q, TAIL), q->fetched, read_dctl(q));
	if (!q->tx)
		fprintf(f, " srrctl 0x%x limit %u", REG(SRRCTL(q->index)),
			q->limit);
	fputc('\n', f);
	if (!descriptors || !q->slots || QREG(q, HEAD) >= q->slots)
		return;
	i = (QREG(q, HEAD) + q->slots - 2) % q->slots;
	for (n = 0; n < 8 && n < q->slots; n++, i = ring_next(q, i))
		print_descriptor(f, q, i);
}
