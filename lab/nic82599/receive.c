// SPDX-License-Identifier: GPL-2.0
/*
 * What comes from the wire: checks of the MAC, filters, the packet buffer, and
 * out of that into the buffers of a queue (7.1).
 *
 * Frames leave the packet buffer in order, so one whose queue has no
 * descriptors holds up all behind it, unless its queue has DROP_EN. When it is
 * full, frames are missed, or the peer is told to pause: of the wire, nothing
 * is read then.
 */
#include <stdlib.h>
#include <string.h>

#include "nic.h"

#define ST_DD	0x001u
#define ST_EOP	0x002u
#define ST_FLM	0x004u
#define ST_VP	0x008u
#define ST_UDPCS	0x010u
#define ST_L4CS	0x020u
#define ST_IPCS	0x040u
#define ST_PIF	0x080u
#define ST_VEXT	0x200u
#define ST_LB	0x40000u

#define TYPE_IPV4	0x010u
#define TYPE_IPV4_EX	0x020u
#define TYPE_IPV6	0x040u
#define TYPE_IPV6_EX	0x080u
#define TYPE_TCP	0x100u
#define TYPE_UDP	0x200u
#define TYPE_SCTP	0x400u

/* One buffer, header split, split always. Legacy ones are not modelled. */
#define DESCTYPES	(1u << 1 | 1u << 2 | 1u << 5)

struct frame {
	struct frame *next;
	unsigned int queue, len;
	uint64_t ready;			/* not delivered before */
	uint32_t info, hash, status;	/* as in the last descriptor */
	uint16_t vlan;
	struct parse parse;
	uint8_t data[];
};

/*
 * An upper quadword that is written later: a fault of ours, none of the driver.
 */
struct late {
	struct late *next;
	uint64_t addr, hi, when;
};

uint64_t receive_late_ns, receive_latency_ns;
static struct timer latency;
static struct frame *first, **last = &first;
static unsigned int buffered;
static bool paused;			/* by us: the wire is not read */

void receive_reset(void)
{
	while (first) {
		struct frame *f = first;

		first = f->next;
		free(f);
		fates.no_receiver++;
	}
	last = &first;
	buffered = 0;
	paused = false;
}

static unsigned int buffer_size(void)
{
	return REG(RXPBSIZE(0)) & 0xffc00;
}

/*
 * XOFF above the high water mark, XON below the low one (3.7.7.3). A pause
 * frame is counted with what is sent, as ixgbe_update_stats() expects.
 */
static void update_pause(void)
{
	bool may = REG(FCCFG) & FCCFG_TFCE && REG(FCRTH) & FCRTH_FCEN &&
		   REG(RXCTRL) & RXCTRL_RXEN;
	bool was = paused;

	if (!may || buffered <= (REG(FCRTL) & FCRT_BYTES))
		paused = false;
	else if (buffered > (REG(FCRTH) & FCRT_BYTES))
		paused = true;
	if (paused == was)
		return;
	count(paused ? LXOFFTXC : LXONTXC);
	count(TPT);
	count(GPTC);
	count(MPTC);
	count(PTC64);
	count_octets(GOTCL, 64);
	if (paused)
		fates.pauses++;
}

bool receive_is_full(void)
{
	return paused;
}

/*
 * MFS is with FCS and without tags; a tag that the NIC knows comes on top, two
 * with double VLAN (8.2.3.22.13, from memory for the second).
 */
static uint32_t check_length(unsigned int len, const struct parse *p)
{
	unsigned int mfs = 1518;

	if (REG(HLREG0) & HLREG0_JUMBOEN)
		mfs = REG(MAXFRS) >> 16;

	if (len + 4 > mfs + 4 * p->tags) {
		count(ROC);
		return ERROR_OSE;
	}
	if (len < 60) {
		count(RUC);
		return ERROR_USE;
	}
	return 0;
}

static void count_errors(uint32_t errors)
{
	if (errors & ERROR_CE)
		count(CRCERRS);
	if (errors & ERROR_LE)
		count(RLEC);
	if (errors & ERROR_PE) {
		count(ILLERRC);
		count(ERRBC);
	}
}

/* A pause frame of the peer. That we stop sending for it is not modelled. */
static bool is_pause(const uint8_t *frame)
{
	static const uint8_t to[6] = { 1, 0x80, 0xc2, 0, 0, 1 };

	if (memcmp(frame, to, 6) || be16(frame + 12) != 0x8808 ||
	    be16(frame + 14) != 1)
		return false;
	count(be16(frame + 16) ? LXOFFRXCNT : LXONRXCNT);
	return !(REG(MFLCN) & MFLCN_PMCF);
}

/* The verdicts on checksums: 7.1.11. */
static uint32_t verdict_l4(const uint8_t *frame, const struct parse *p)
{
	const uint8_t *l4 = frame + p->l4;
	unsigned int len = p->l3_end - p->l4;
	uint32_t status = ST_L4CS, sum;

	if (p->proto == FRAME_SCTP) {
		uint8_t copy[FRAME_MAX];

		sum = l4[8] | l4[9] << 8 | l4[10] << 16 |
		      (uint32_t)l4[11] << 24;
		memcpy(copy, l4, len);
		memset(copy + 8, 0, 4);
		return frame_crc32c(copy, len) == sum ? status :
		       status | ERROR_TCPE;
	}
	if (p->proto == FRAME_UDP) {
		/* No checksum, no verdict. */
		if (p->version == 4 && !be16(l4 + 6))
			return 0;
		status |= ST_UDPCS;
	}
	sum = frame_sum(l4, len, frame_pseudo(frame, p, len));
	if (sum != 0xffff)
		status |= ERROR_TCPE;
	return status;
}

static uint32_t verdict(const uint8_t *frame, const struct parse *p)
{
	const uint8_t *ip = frame + p->l3;
	uint32_t status = 0;

	if (p->version == 4) {
		status |= ST_IPCS;
		if (frame_sum(ip, (ip[0] & 15) * 4, 0) != 0xffff)
			status |= ERROR_IPE;
	}
	if (p->l4)
		status |= verdict_l4(frame, p);
	if (status & (ERROR_IPE | ERROR_TCPE))
		count(XEC);
	return status;
}

static uint32_t packet_type(const struct parse *p)
{
	uint32_t type = 0;

	if (p->version == 4)
		type = TYPE_IPV4 | (p->extensions ? TYPE_IPV4_EX : 0);
	if (p->version == 6)
		type = TYPE_IPV6 | (p->extensions ? TYPE_IPV6_EX : 0);
	if (p->l4)
		type |= p->proto == FRAME_TCP ? TYPE_TCP :
			p->proto == FRAME_UDP ? TYPE_UDP : TYPE_SCTP;
	return type;
}

static void append(const uint8_t *frame, unsigned int len, uint32_t status,
		   const struct parse *p)
{
	struct frame *f = malloc(sizeof(*f) + len + 4);
	int queue = flow_queue(frame, p);
	unsigned int type;

	if (!f)
		abort();
	memcpy(f->data, frame, len);
	f->next = NULL;
	f->len = len;
	f->ready = receive_latency_ns ? now() + receive_latency_ns : 0;
	f->parse = *p;
	f->queue = rss_queue(frame, p, &f->hash, &type);
	f->status = status | verdict(frame, p);
	if (queue >= 0) {
		f->queue = queue;
		f->status |= ST_FLM;
	}
	f->info = type | packet_type(p);
	if (!(REG(RXCSUM) & RXCSUM_PCSD)) {
		f->info &= ~15u;
		f->hash = 0;
	}
	f->vlan = p->tci;
	if (p->vlan_at)
		f->status |= ST_VP;
	if (p->tags > 1)
		f->status |= ST_VEXT;
	*last = f;
	last = &f->next;
	buffered += len;
	update_pause();
}

void receive_frame(const uint8_t *frame, unsigned int len, uint32_t errors,
		   bool loopback)
{
	bool looped = REG(HLREG0) & HLREG0_LPBK;
	enum filter filter;
	struct parse p;

	fates.wire_in++;
	if (!(REG(RXCTRL) & RXCTRL_RXEN) || nic_removed || looped != loopback ||
	    (!loopback && !link_is_up())) {
		fates.no_receiver++;
		return;
	}
	count(TPR);
	count_octets(TORL, len + 4);
	frame_parse(frame, len, &p);
	count_errors(errors);
	errors |= check_length(len, &p);
	if (errors && !(REG(FCTRL) & FCTRL_SBP)) {
		fates.bad_dropped++;
		return;
	}
	if (is_pause(frame)) {
		fates.paused_in++;
		return;
	}
	filter = filter_frame(frame, &p);
	if (filter == FILTER_NO) {
		fates.filtered++;
		return;
	}
	if (!errors)
		count_good_received(frame, len);
	if (buffered + len > buffer_size()) {
		fates.missed++;
		count(MPC(0));
		interrupt_misc(CAUSE_MISS);
		return;
	}
	append(frame, len, errors | (filter == FILTER_INEXACT ? ST_PIF : 0) |
	       (loopback ? ST_LB : 0), &p);
	receive_run();
}

/* What the MAC and the queue take off a frame, and the FCS if it is kept. */
static void trim(struct frame *f, const struct queue *q)
{
	unsigned int at = f->parse.vlan_at;

	if (!(REG(HLREG0) & HLREG0_RXCRCSTRP)) {
		uint32_t crc = frame_crc32(f->data, f->len);

		memcpy(f->data + f->len, &crc, 4);
		f->len += 4;
	}
	if (QREG(q, DCTL) & RXDCTL_VME && at) {
		memmove(f->data + at, f->data + at + 4, f->len - at - 4);
		f->len -= 4;
		if (f->parse.l3)
			f->parse.l3 -= 4;
		if (f->parse.l4)
			f->parse.l4 -= 4;
		f->parse.vlan_at = 0;
	}
}

/* How much of a frame goes to the header buffer: 7.1.10, DESCTYPE 2 and 5. */
static unsigned int split(struct frame *f, uint32_t srrctl)
{
	unsigned int type = SRRCTL_DESCTYPE(srrctl), header = 0;
	unsigned int room = SRRCTL_BSIZEHDR(srrctl);
	uint32_t psr = REG(PSRTYPE(0));
	const struct parse *p = &f->parse;

	if (type != 2 && type != 5)
		return 0;
	if (p->l4 && p->proto == FRAME_TCP && psr & PSRTYPE_TCP)
		header = p->l4 + (f->data[p->l4 + 12] >> 4) * 4;
	else if (p->l4 && p->proto == FRAME_UDP && psr & PSRTYPE_UDP)
		header = p->l4 + 8;
	else if (p->version == 4 && psr & PSRTYPE_IPV4)
		header = p->l3 + (f->data[p->l3] & 15) * 4;
	else if (p->version == 6 && psr & PSRTYPE_IPV6)
		header = p->l3 + 40;
	if (header > room || header > f->len)
		header = 0;
	if (type == 5 && !header)
		return f->len < room ? f->len : room;
	if (header)
		f->info |= 0x80000000u | header << 21;
	return header;
}

static void flush_late(struct queue *q, bool all)
{
	bool any = false;

	while (q->late_first && (all || q->late_first->when <= now())) {
		struct late *l = q->late_first;

		dma_store(q, l->addr, l->hi);
		q->late_first = l->next;
		if (!q->late_first)
			q->late_last = &q->late_first;
		free(l);
		any = true;
	}
	timer_stop(&q->late);
	if (q->late_first) {
		uint64_t time = now();

		timer_set(&q->late, q->late_first->when > time ?
			  q->late_first->when - time : 0);
	}
	if (any)
		interrupt_queue(q);
}

static void late_is_due(void *arg)
{
	flush_late(arg, false);
}

/*
 * The lower quadword, then the upper one, whole and last: the driver looks at
 * the length, which is next to DD (ixgbe_clean_rx_irq()).
 */
static void write_back(struct queue *q, unsigned int i, uint64_t lo,
		       uint64_t hi)
{
	uint64_t addr = ring_address(q, i);
	struct late *l;

	dma_store(q, addr, lo);
	if (!receive_late_ns && !q->late_first) {
		dma_store(q, addr + 8, hi);
		return;
	}
	l = malloc(sizeof(*l));
	if (!l)
		abort();
	l->next = NULL;
	l->addr = addr + 8;
	l->hi = hi;
	l->when = now() + receive_late_ns;
	*q->late_last = l;
	q->late_last = &l->next;
	q->late.fire = late_is_due;
	q->late.arg = q;
	if (!q->late.when)
		timer_set(&q->late, receive_late_ns);
}

/* A write that is longer than whoever lent the buffer said it is. */
static unsigned int within_limit(struct queue *q, unsigned int i,
				 unsigned int len)
{
	if (!q->limit || len <= q->limit)
		return len;
	assertion(q, "descriptor %u: a write of %u bytes to a buffer of %u", i,
		  len, q->limit);
	return q->limit;
}

static void fill(struct queue *q, struct frame *f, unsigned int header)
{
	unsigned int bsize = SRRCTL_BSIZE(REG(SRRCTL(q->index)));
	unsigned int at = header, len, i = QREG(q, HEAD);
	struct descriptor d;

	do {
		bool eop;

		len = f->len - at < bsize ? f->len - at : bsize;
		eop = at + len == f->len;
		if (ring_take(q, i, &d)) {
			if (header && at == header)
				dma_write(q, d.hi & ~1ull, f->data, header);
			dma_write(q, d.lo, f->data + at,
				  within_limit(q, i, len));
		}
		ring_release(q, i);
		write_back(q, i, eop ? f->info | (uint64_t)f->hash << 32 : 0,
			   (eop ? f->status | ST_DD | ST_EOP : ST_DD) |
			   (uint64_t)len << 32 |
			   (eop ? (uint64_t)f->vlan << 48 : 0));
		i = ring_next(q, i);
		QREG(q, HEAD) = i;
		at += len;
	} while (at < f->len);
}

/* false: it waits. */
static bool deliver(struct frame *f)
{
	struct queue *q = &rxq[f->queue];
	uint32_t srrctl = REG(SRRCTL(q->index));
	unsigned int bsize = SRRCTL_BSIZE(srrctl), header, need, was = f->len;

	if (!ring_runs(q)) {
		fates.queue_off++;
		count_no_descriptor(q);
		return true;
	}
	if (!bsize || !(1u << SRRCTL_DESCTYPE(srrctl) & DESCTYPES)) {
		assertion(q, "SRRCTL 0x%x: no size, or a type not modelled",
			  srrctl);
		return true;
	}
	if (q->limit && QREG(q, RSCCTL) & RSCCTL_RSCEN &&
	    !(REG(RFCTL) & RFCTL_RSC_DIS))
		assertion(q, "RSC of a queue whose buffers have a limit");
	need = REG(HLREG0) & HLREG0_RXCRCSTRP ? was : was + 4;
	need = (need + bsize - 1) / bsize;
	if (ring_used(q) < need) {
		if (q->state == ON && !(srrctl & SRRCTL_DROP_EN))
			return false;
		fates.no_descriptor++;
		count_no_descriptor(q);
		return true;
	}
	trim(f, q);
	header = split(f, srrctl);
	fill(q, f, header);
	count_delivered(q, was);
	if (!q->late_first)
		interrupt_queue(q);
	return true;
}

static void retry(void *unused)
{
	(void)unused;
	receive_run();
}

/* What takes its time to get to memory is not late yet. */
static bool is_ready(const struct frame *f)
{
	uint64_t time;

	if (!f->ready)
		return true;
	time = now();
	if (time >= f->ready)
		return true;
	latency.fire = retry;
	if (!latency.when)
		timer_set(&latency, f->ready - time);
	return false;
}

static void run(bool hurry)
{
	if (REG(SECRXCTRL) & SECRXCTRL_RX_DIS)
		return;
	while (first && dma_allowed() && (hurry || is_ready(first))) {
		struct frame *f = first;
		unsigned int len = f->len;

		if (!deliver(f))
			break;
		buffered -= len;
		first = f->next;
		if (!first)
			last = &first;
		free(f);
	}
	if (paused)
		update_pause();
}

void receive_run(void)
{
	run(false);
}

/* It is about to be off: what is under way is written now, or never. */
void receive_queue_off(struct queue *q)
{
	if (ring_runs(q)) {
		run(true);
		flush_late(q, true);
		return;
	}
	while (q->late_first) {
		struct late *l = q->late_first;

		q->late_first = l->next;
		free(l);
	}
	q->late_last = &q->late_first;
	timer_stop(&q->late);
}

static const uint8_t *own_address(void)
{
	static uint8_t addr[6];
	unsigned int i;

	for (i = 0; i < 4; i++)
		addr[i] = REG(RAL(0)) >> 8 * i;
	addr[4] = REG(RAH(0));
	addr[5] = REG(RAH(0)) >> 8;
	return addr;
}

/* Frames that nobody sent, for us, with what is wrong with them. */
void receive_inject(const char *kind, unsigned int len, unsigned int count)
{
	static uint8_t frame[FRAME_MAX];
	uint32_t errors = 0;
	unsigned int at = 12, i;

	memset(frame, 0, sizeof(frame));
	memcpy(frame, own_address(), 6);
	memcpy(frame + 6, "\x02\x00\x00\x00\x00\x09", 6);
	if (!strcmp(kind, "crc"))
		errors = ERROR_CE;
	else if (!strcmp(kind, "length"))
		errors = ERROR_LE;
	else if (!strcmp(kind, "symbol"))
		errors = ERROR_PE;
	if (!strcmp(kind, "tagged") || !strcmp(kind, "double")) {
		put_be32(frame + at, 0x81000005);
		at += 4;
	}
	if (!strcmp(kind, "double")) {
		put_be32(frame + at, 0x81000006);
		at += 4;
	}
	put_be16(frame + at, 0x88b5);		/* for local experiments */
	for (i = at + 2; i < len; i++)
		frame[i] = i;
	while (count--)
		receive_frame(frame, len, errors, false);
}
