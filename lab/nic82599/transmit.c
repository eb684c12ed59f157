// SPDX-License-Identifier: GPL-2.0
/*
 * Transmit descriptors: contexts, data, write-back (7.2).
 *
 * A packet is taken when all of its descriptors are there, and is done with
 * when the wire has taken all that was made of it: while the peer is full, no
 * other packet is begun and heads stand still.
 */
#include <stdlib.h>
#include <string.h>

#include "nic.h"

#define CMD_EOP		(1u << 24)
#define CMD_IFCS	(1u << 25)
#define CMD_IC		(1u << 26)
#define CMD_RS		(1u << 27)
#define CMD_DEXT	(1u << 29)
#define CMD_VLE		(1u << 30)
#define CMD_TSE		(1u << 31)
#define DTYP(cmd)	((cmd) >> 20 & 15)
#define DTYP_CONTEXT	2
#define DTYP_DATA	3
#define POPTS_IXSM	(1u << 8)
#define POPTS_TXSM	(1u << 9)
#define POPTS_IPSEC	(1u << 10)

#define DESCRIPTORS_MAX	40		/* of a packet: 7.2.3, from memory */
#define DATA_MAX	16384		/* IXGBE_MAX_DATA_PER_TXD */
#define PACKET_MAX	(256 * 1024)
#define SINGLE_MAX	9728

struct transmit {
	struct context context[2];
	unsigned int reported;		/* in report[], to be written back */
	unsigned int done;		/* since the last write-back */
	uint16_t report[65536];
	struct timer timer;
};

/* The packet that the wire has not taken all of. */
static struct {
	struct queue *q;
	unsigned int end;
} waits;

/*
 * DD, or the head to where TDWBA says. Causes of interrupts are write-backs,
 * not the frames.
 */
void transmit_flush(struct queue *q)
{
	struct transmit *t = q->transmit;
	unsigned int i;

	if (!t)
		return;
	timer_stop(&t->timer);
	if (!t->reported || !ring_runs(q) || !dma_allowed())
		return;
	for (i = 0; i < t->reported; i++) {
		uint64_t addr = ring_address(q, t->report[i]);

		if (QREG(q, BYTES_H) & TDWBAL_ENABLE)
			continue;
		dma_store(q, addr, 0);
		dma_store(q, addr + 8, 1ull << 32);
	}
	if (QREG(q, BYTES_H) & TDWBAL_ENABLE) {
		uint64_t addr = (QREG(q, BYTES_H) & ~3u) |
				(uint64_t)REG(q->block + 0x3c) << 32;
		uint32_t head = QREG(q, HEAD);

		dma_write(q, addr, &head, 4);
	}
	t->reported = 0;
	t->done = 0;
	interrupt_queue(q);
}

static void flush_now(void *arg)
{
	transmit_flush(arg);
}

static struct transmit *state(struct queue *q)
{
	if (!q->transmit) {
		q->transmit = calloc(1, sizeof(*q->transmit));
		if (!q->transmit)
			abort();
		q->transmit->timer.fire = flush_now;
		q->transmit->timer.arg = q;
	}
	return q->transmit;
}

/*
 * With WTHRESH above 1, write-backs wait for so many descriptors, or for the
 * end of the vector's EITR: without the latter the last of a burst would never
 * be seen, and the driver takes the queue for hung (7.2.3.5.1).
 */
static void complete(struct queue *q, unsigned int end)
{
	unsigned int i, threshold = TXDCTL_WTHRESH(QREG(q, DCTL));
	struct transmit *t = state(q);
	uint64_t wait = interrupt_interval(q);

	for (i = QREG(q, HEAD); i != end; i = ring_next(q, i)) {
		t->done++;
		if (q->copy[i].hi & CMD_RS &&
		    DTYP((uint32_t)q->copy[i].hi) != DTYP_CONTEXT)
			t->report[t->reported++] = i;
	}
	QREG(q, HEAD) = end;
	if (t->done >= threshold || threshold <= 1 || !wait)
		transmit_flush(q);
	else if (t->reported && !t->timer.when)
		timer_set(&t->timer, wait);
}

static void take_context(struct queue *q, const struct descriptor *d)
{
	uint32_t lens = d->lo, tucmd = d->hi, mss = d->hi >> 32;
	struct context *c = &state(q)->context[mss >> 4 & 1];

	c->valid = true;
	c->vlan = lens >> 16;
	c->maclen = lens >> 9 & 127;
	c->iplen = lens & 511;
	c->ipv4 = tucmd >> 10 & 1;
	c->l4t = tucmd >> 11 & 3;
	c->l4len = mss >> 8 & 255;
	c->mss = mss >> 16;
}

static void understand(struct queue *q, const struct descriptor *d,
		       struct offload *o)
{
	uint32_t cmd = d->hi, olinfo = d->hi >> 32;

	memset(o, 0, sizeof(*o));
	o->context = &state(q)->context[olinfo >> 4 & 1];
	o->ip_sum = olinfo & POPTS_IXSM;
	o->l4_sum = olinfo & POPTS_TXSM;
	o->segment = cmd & CMD_TSE;
	o->vlan = cmd & CMD_VLE;
	o->paylen = olinfo >> 14;
}

/* A legacy descriptor has its checksum and its tag in itself (7.2.3.2.2). */
static void send_legacy(struct queue *q, const struct descriptor *d,
			uint8_t *packet, unsigned int len)
{
	uint32_t cmd = d->hi, rest = d->hi >> 32;
	unsigned int cso = cmd >> 16 & 255, css = rest >> 8 & 255;
	struct context c = { .valid = true, .vlan = rest >> 16 };
	struct offload o = { .context = &c, .vlan = cmd & CMD_VLE };

	if (cmd & CMD_IC && (css >= len || cso + 2 > len))
		assertion(q, "CSS %u and CSO %u in a frame of %u", css, cso,
			  len);
	else if (cmd & CMD_IC)
		put_be16(packet + cso, ~frame_sum(packet + css, len - css, 0));
	offload_send(q, packet, len, &o);
}

/* Index behind the packet that begins at the head, or -1: not all there yet. */
static int packet_end(struct queue *q)
{
	unsigned int i = QREG(q, HEAD);

	while (i != q->fetched) {
		uint32_t cmd = q->copy[i].hi;
		bool context = cmd & CMD_DEXT && DTYP(cmd) == DTYP_CONTEXT;

		i = ring_next(q, i);
		if (!context && cmd & CMD_EOP)
			return i;
	}
	return -1;
}

static const char *wrong_descriptor(const struct descriptor *d, bool is_first)
{
	uint32_t cmd = d->hi, olinfo = d->hi >> 32;
	unsigned int len = cmd & 0xffff;

	if (cmd & CMD_RS && !(cmd & CMD_EOP))
		return "RS before the end of the packet";
	if (!(cmd & CMD_DEXT))
		return NULL;
	if (DTYP(cmd) != DTYP_DATA)
		return "DTYP is neither context nor data";
	if (!len)
		return "no data";
	if (len > DATA_MAX)
		return "more than 16 KB of data";
	if (is_first && olinfo & POPTS_IPSEC)
		return "IPsec, which is not modelled";
	return NULL;
}

/* All data of a packet into one place; 0: there was something wrong. */
static unsigned int gather(struct queue *q, unsigned int end, uint8_t *packet,
			   struct descriptor *begin)
{
	unsigned int i, len = 0, pieces = 0;
	struct descriptor d;

	for (i = QREG(q, HEAD); i != end; i = ring_next(q, i)) {
		unsigned int part;
		const char *wrong;

		if (!ring_take(q, i, &d))
			return 0;
		if (d.hi & CMD_DEXT && DTYP((uint32_t)d.hi) == DTYP_CONTEXT) {
			if (pieces)
				assertion(q, "a context within a packet");
			take_context(q, &d);
			continue;
		}
		if (!pieces++)
			*begin = d;
		wrong = wrong_descriptor(&d, pieces == 1);
		part = d.hi & 0xffff;
		if (wrong || len + part > PACKET_MAX) {
			assertion(q, "descriptor %u: %s", i,
				  wrong ? wrong : "an endless packet");
			return 0;
		}
		if (!dma_read(q, d.lo, packet + len, part))
			return 0;
		len += part;
	}
	if (pieces > DESCRIPTORS_MAX)
		assertion(q, "a packet of %u descriptors", pieces);
	return len;
}

static void send_packet(struct queue *q, unsigned int end)
{
	static uint8_t packet[PACKET_MAX + 128];
	struct descriptor begin;
	struct offload o;
	unsigned int len = gather(q, end, packet, &begin);
	const char *wrong;

	if (!len) {
		fates.discarded++;
		return;
	}
	if (!(begin.hi & CMD_DEXT)) {
		send_legacy(q, &begin, packet, len);
		return;
	}
	understand(q, &begin, &o);
	if (!(begin.hi & CMD_IFCS) && !o.segment && len > 64) {
		/* Software made the FCS (skb->no_fcs); the wire has none. */
		len -= 4;
		o.paylen -= 4;
	}
	wrong = offload_wrong(packet, len, &o);
	if (!wrong && len < 17)
		wrong = "a frame shorter than 17 bytes";
	if (!wrong && !o.segment && len > SINGLE_MAX)
		wrong = "a frame longer than any wire takes";
	if (wrong) {
		const struct context *c = o.context;

		assertion(q,
			  "%s; frame %u paylen %u maclen %u iplen %u l4len %u mss %u l4t %u%s%s%s%s%s",
			  wrong, len, o.paylen, c->maclen, c->iplen, c->l4len,
			  c->mss, c->l4t, c->ipv4 ? " ipv4" : "",
			  o.ip_sum ? " ixsm" : "", o.l4_sum ? " txsm" : "",
			  o.segment ? " tse" : "", o.vlan ? " vle" : "");
		fates.discarded++;
		return;
	}
	offload_send(q, packet, len, &o);
}

static bool may_send(void)
{
	return !waits.q && !wire_is_blocked() && dma_allowed() &&
	       REG(DMATXCTL) & DMATXCTL_TE &&
	       (link_is_up() || REG(HLREG0) & HLREG0_LPBK);
}

/* false: there was nothing to do. */
static bool run_queue(struct queue *q)
{
	int end;

	if (!ring_runs(q) || !ring_used(q))
		return false;
	end = packet_end(q);
	if (end < 0)
		return false;
	send_packet(q, end);
	if (wire_is_blocked()) {
		waits.q = q;
		waits.end = end;
	} else {
		complete(q, end);
	}
	return true;
}

/* Packets of all queues in turn, as the arbiter does without DCB. */
void transmit_run(void)
{
	static unsigned int turn;
	static bool running;
	unsigned int idle = 0;

	if (running)
		return;
	running = true;
	while (idle < QUEUES && may_send()) {
		idle = run_queue(&txq[turn]) ? 0 : idle + 1;
		turn = (turn + 1) % QUEUES;
	}
	running = false;
}

/* The wire has taken all. */
void transmit_wire_ready(void)
{
	struct queue *q = waits.q;

	waits.q = NULL;
	if (q)
		complete(q, waits.end);
	transmit_run();
}

/*
 * It is about to be off. What was sent is reported; what the wire still holds
 * is sent, and its descriptors are not written back; the rest is forgotten.
 */
void transmit_queue_off(struct queue *q)
{
	struct transmit *t = q->transmit;

	if (waits.q == q)
		waits.q = NULL;
	if (!t)
		return;
	transmit_flush(q);
	t->reported = 0;
	t->done = 0;
	memset(t->context, 0, sizeof(t->context));
}

void transmit_reset(void)
{
	waits.q = NULL;
}
