/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A model of the Intel 82599 network controller. One process is one NIC: what
 * there is once in a NIC is a static variable of the file that is named after
 * it.
 *
 * Everything runs in one thread: a message of the host, a frame of the wire, a
 * timer. So whatever one of them does, it does whole. In particular no memory
 * of the host is touched between the reply to a DMA_UNMAP and the next message.
 *
 * Not there: virtual functions and pools, traffic classes, FCoE, IPsec, MACsec,
 * RSC, perfect filters, time stamps, wake-up, a PHY or SFP module, INTx and MSI;
 * nor do pause frames of the peer stop what is sent.
 */
#ifndef NIC82599_NIC_H
#define NIC82599_NIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "register.h"

/*
 * The longest frame that MAXFRS can admit, and then some for what is injected.
 */
#define FRAME_MAX	16384

struct queue;

/* timer.c: what happens later */
struct timer {
	uint64_t when;			/* 0: not armed */
	void (*fire)(void *arg);
	void *arg;
	struct timer *next;
};

uint64_t now(void);			/* in ns */
void timer_set(struct timer *t, uint64_t delay);
void timer_stop(struct timer *t);
uint64_t timer_left(void);		/* ns until the first, or ~0 */
void timer_run(void);

/* assertion.c: what no driver may do */
extern unsigned int assertions;
void assertion(struct queue *q, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
void assertion_forgive(void);
bool assertion_failed(void);
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* memory.c: the host's, as far as it is mapped for the device */
int memory_map(uint64_t iova, uint64_t size, uint64_t offset, int fd,
	       unsigned int flags);
void memory_unmap(uint64_t iova, uint64_t size);
void memory_unmap_all(void);
size_t memory_maps(void);
bool dma_allowed(void);
bool dma_read(struct queue *q, uint64_t addr, void *data, size_t len);
bool dma_write(struct queue *q, uint64_t addr, const void *data, size_t len);
/*
 * One store of 8 bytes that nobody sees half of, after all that was before it.
 */
bool dma_store(struct queue *q, uint64_t addr, uint64_t value);

/* config.c: PCI configuration space */
#define CONFIG_SIZE	4096
void config_init(void);
void config_reset(void);
void config_read(uint32_t offset, uint8_t *data, size_t len);
void config_write(uint32_t offset, const uint8_t *data, size_t len);
bool config_is_master(void);

/* mmio.c: the registers */
extern uint32_t reg[BAR0_SIZE / 4];
#define REG(offset)	(reg[(offset) / 4])
uint32_t mmio_read(uint32_t offset);
void mmio_write(uint32_t offset, uint32_t value);

/* nic.c: all of it */
extern bool nic_removed;	/* it is not in its slot any more */
extern int64_t nic_ones;	/* so many reads give ones; < 0: all */
void nic_init(const uint8_t *mac);
void nic_reset(const char *why);

/* eeprom.c */
void eeprom_init(void);
uint16_t eeprom_word(unsigned int index);

/* link.c */
void link_reset(void);
bool link_is_up(void);
void link_set(bool up);
void link_flap(unsigned int ms);

/* interrupt.c */
void interrupt_reset(void);
void interrupt_set_fd(unsigned int vector, int fd);
void interrupt_drop_fds(void);
void interrupt_queue(struct queue *q);
void interrupt_misc(uint32_t cause);
uint32_t interrupt_read(uint32_t offset);
void interrupt_write(uint32_t offset, uint32_t value);
uint64_t interrupt_interval(struct queue *q);
bool interrupt_owns(uint32_t offset);
unsigned long interrupt_count(void);

/* ring.c: descriptors, from the doorbell on, and a queue's life */
enum queue_state { OFF, STARTING, ON, DRAINING };

struct descriptor {
	uint64_t lo, hi;
};

struct armed {			/* a receive buffer that the NIC may write to */
	uint64_t addr;
	struct armed *next;
};

struct queue {
	bool tx;
	unsigned int index;
	uint32_t block;			/* address of its registers */
	enum queue_state state;
	bool was_on;			/* since its base was written */
	bool stuck;			/* a fault: it does not stop */
	struct timer change;		/* STARTING to ON, DRAINING to OFF */
	unsigned int fetched;		/* descriptors are copied up to here */
	struct descriptor *copy;	/* as they were at the doorbell */
	struct armed *armed;
	unsigned int slots;		/* of the arrays above */
	unsigned int limit;		/* of a write to a buffer, 0: none */

	struct transmit *transmit;	/* transmit.c */
	/* receive.c: what is written back late */
	struct late *late_first, **late_last;
	struct timer late;
};

extern struct queue rxq[QUEUES], txq[QUEUES];
extern uint64_t ring_drain_ns, ring_start_ns;
extern bool ring_may_repeat;		/* a buffer may be armed twice */

#define QREG(q, which)	REG((q)->block + BLOCK_##which)

static inline unsigned int ring_slots(const struct queue *q)
{
	return QREG(q, LEN) / 16;
}

static inline uint64_t ring_base(const struct queue *q)
{
	return QREG(q, BAL) | (uint64_t)QREG(q, BAH) << 32;
}

static inline uint64_t ring_address(const struct queue *q, unsigned int i)
{
	return ring_base(q) + 16ull * i;
}

static inline unsigned int ring_next(const struct queue *q, unsigned int i)
{
	return i + 1 == q->slots ? 0 : i + 1;
}

/* Descriptors that are the device's. */
static inline unsigned int ring_used(const struct queue *q)
{
	unsigned int head = QREG(q, HEAD);

	if (!q->slots)
		return 0;
	return (q->fetched + q->slots - head) % q->slots;
}

static inline bool ring_runs(const struct queue *q)
{
	return q->state == ON || q->state == DRAINING;
}

void ring_init(void);
void ring_reset(void);
bool ring_write(uint32_t offset, uint32_t value);
bool ring_read(uint32_t offset, uint32_t *value);
/* The descriptor at the head, which has to be as it was when it was armed. */
bool ring_take(struct queue *q, unsigned int i, struct descriptor *d);
void ring_release(struct queue *q, unsigned int i);
void ring_stuck(struct queue *q, bool stuck);
void ring_print(FILE *f, struct queue *q, bool descriptors);
struct queue *ring_named(const char *name);

/* frame.c: what is in a frame */
#define FRAME_TCP	6
#define FRAME_UDP	17
#define FRAME_SCTP	132

struct parse {
	unsigned int tags;		/* VLAN tags that the NIC knows */
	uint16_t tci;
	unsigned int vlan_at;		/* offset of the one of VET, 0: none */
	unsigned int l3, l4;		/* offsets, 0: none */
	unsigned int l3_end;		/* of the IP packet, without padding */
	uint8_t version;		/* 4, 6, or 0 */
	bool extensions, fragment;
	uint8_t proto;			/* of l4 */
};

void frame_parse(const uint8_t *frame, unsigned int len, struct parse *p);
uint32_t frame_sum(const uint8_t *data, unsigned int len, uint32_t sum);
uint16_t frame_fold(uint32_t sum);
uint32_t frame_pseudo(const uint8_t *frame, const struct parse *p,
		      unsigned int len);
uint32_t frame_crc32(const uint8_t *data, unsigned int len);
uint32_t frame_crc32c(const uint8_t *data, unsigned int len);
static inline uint16_t be16(const uint8_t *p)
{
	return p[0] << 8 | p[1];
}

static inline void put_be16(uint8_t *p, uint16_t v)
{
	p[0] = v >> 8;
	p[1] = v;
}

static inline uint32_t be32(const uint8_t *p)
{
	return (uint32_t)be16(p) << 16 | be16(p + 2);
}

static inline void put_be32(uint8_t *p, uint32_t v)
{
	put_be16(p, v >> 16);
	put_be16(p + 2, v);
}

/* filter.c: whom a frame is for */
enum filter { FILTER_NO, FILTER_EXACT, FILTER_INEXACT };
enum filter filter_frame(const uint8_t *frame, const struct parse *p);

/* rss.c: which queue it goes to */
unsigned int rss_queue(const uint8_t *frame, const struct parse *p,
		       uint32_t *hash, unsigned int *type);
uint32_t rss_toeplitz(const uint8_t *key, const uint8_t *data,
		      unsigned int len);

/* flow.c: which queue somebody wants it to go to */
void flow_reset(void);
void flow_write_ctrl(uint32_t value);
void flow_write_cmd(uint32_t value);
uint32_t flow_hash(const uint8_t *frame, const struct parse *p);
int flow_queue(const uint8_t *frame, const struct parse *p);

/* receive.c */
#define ERROR_CE	(1u << 24)	/* as in a descriptor */
#define ERROR_LE	(1u << 25)
#define ERROR_PE	(1u << 27)
#define ERROR_OSE	(1u << 28)
#define ERROR_USE	(1u << 29)
#define ERROR_TCPE	(1u << 30)
#define ERROR_IPE	(1u << 31)

extern uint64_t receive_late_ns, receive_latency_ns;
void receive_reset(void);
void receive_frame(const uint8_t *frame, unsigned int len, uint32_t errors,
		   bool loopback);
void receive_run(void);
bool receive_is_full(void);		/* and a pause frame was sent */
void receive_queue_off(struct queue *q);
void receive_inject(const char *kind, unsigned int len, unsigned int count);

/* transmit.c */
void transmit_reset(void);
void transmit_run(void);
void transmit_flush(struct queue *q);
void transmit_queue_off(struct queue *q);
void transmit_wire_ready(void);

/* offload.c: checksums and segments of what is sent */
struct context {
	bool valid;
	uint16_t vlan;
	unsigned int maclen, iplen, l4len, mss;
	bool ipv4;
	unsigned int l4t;		/* 0 UDP, 1 TCP, 2 SCTP */
};

extern bool offload_may_be_neither;	/* a packet IPv4 nor IPv6 */

struct offload {
	const struct context *context;
	bool ip_sum, l4_sum, segment, vlan;
	unsigned int paylen;
};

void offload_send(struct queue *q, uint8_t *frame, unsigned int len,
		  const struct offload *o);
const char *offload_wrong(const uint8_t *frame, unsigned int len,
			  const struct offload *o);

/* counter.c */
bool counter_owns(uint32_t offset);
uint32_t counter_read(uint32_t offset);
void count(uint32_t offset);
void count_octets(uint32_t offset, unsigned int octets);
void count_good_received(const uint8_t *frame, unsigned int len);
void count_sent(struct queue *q, const uint8_t *frame, unsigned int len);
void count_delivered(struct queue *q, unsigned int len);
void count_no_descriptor(struct queue *q);

/* What became of each frame, from the start of the process on. */
#define FATES(F) F(wire_in) F(delivered) F(no_receiver) F(filtered) \
	F(bad_dropped) F(no_descriptor) F(queue_off) F(missed) F(paused_in) \
	F(wire_out) F(wire_lost) F(looped) F(discarded) \
	F(pauses)
struct fates {
#define F(name) unsigned long name;
	FATES(F)
#undef F
};
extern struct fates fates;

/* wire.c */
int wire_open(const char *local, const char *remote);
int wire_fd(void);
bool wire_wants_write(void);
void wire_readable(void);
void wire_writable(void);
void wire_send(const uint8_t *frame, unsigned int len);
bool wire_is_blocked(void);
void wire_reset(void);
extern uint64_t wire_patience_ns;
void wire_pace(unsigned int frames, uint64_t ns);
bool wire_wants_read(void);
bool wire_capture(const char *path);

/* vfio_user.c */
int vfio_user_listen(const char *path);
int vfio_user_accept(int listener);
bool vfio_user_readable(int fd);	/* false: it is gone */

/* control.c */
int control_listen(const char *path);
void control_accept(int listener);
unsigned int control_fds(int *fds, unsigned int room);
void control_readable(int fd);

#endif
