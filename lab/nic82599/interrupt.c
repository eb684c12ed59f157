// SPDX-License-Identifier: GPL-2.0
/*
 * Interrupts (7.3), MSI-X alone. A cause of a queue is the vector that IVAR
 * gives it; bits 15:0 of EICR, EIMS and the like are the first 16 of these, the
 * _EX registers have all 64. All other causes, bits 31:16, share a vector of
 * their own. A vector that has fired does not fire again before its EITR has
 * passed; causes that come meanwhile, or are masked, wait.
 */
#include <unistd.h>

#include "nic.h"

static uint64_t vec_cause, vec_mask, vec_auto_mask;
static uint32_t misc_cause, misc_mask, misc_auto_mask, auto_clear;
static int vec_fd[VECTORS];
static uint64_t vec_next[VECTORS];		/* not before */
static struct timer vec_timer[VECTORS];
static unsigned long fired;

unsigned long interrupt_count(void)
{
	return fired;
}

/* EITR counts in 2 us at 10 Gbit/s, from bit 3 on (8.2.3.5.12). */
static uint64_t interval(unsigned int vec)
{
	return (REG(EITR(vec)) & EITR_INTERVAL) / 8 * 2000ull;
}

/* Of a queue: its vector, or -1. */
static int vector_of(const struct queue *q)
{
	uint8_t entry = REG(IVAR(q->index / 2)) >>
			(q->index % 2 * 16 + (q->tx ? 8 : 0));

	return entry & IVAR_VALID ? entry & 63 : -1;
}

static int misc_vector(void)
{
	uint8_t entry = REG(IVAR_MISC) >> 8;

	return entry & IVAR_VALID ? entry & 63 : -1;
}

static bool is_pending(unsigned int vec)
{
	return (vec_cause & vec_mask) >> vec & 1 ||
	       ((int)vec == misc_vector() && misc_cause & misc_mask);
}

static void fire(unsigned int vec)
{
	uint64_t one = 1, bit = 1ull << vec;

	if (write(vec_fd[vec], &one, sizeof(one)) < 0)
		say("no interrupt by vector %u", vec);
	fired++;
	vec_next[vec] = now() + interval(vec);
	/* Auto clear: EIAC of the first 16, all others always (7.3.1.3). */
	if (vec >= 16 || auto_clear >> vec & 1)
		vec_cause &= ~bit;
	if (REG(GPIE) & GPIE_EIAME) {
		vec_mask &= ~(bit & vec_auto_mask);
		if ((int)vec == misc_vector())
			misc_mask &= ~misc_auto_mask;
	}
	if ((int)vec == misc_vector())
		misc_cause &= ~(auto_clear & ~CAUSE_QUEUES);
}

static void try(unsigned int vec)
{
	uint64_t time;

	if (nic_removed || !is_pending(vec) || vec_fd[vec] < 0 ||
	    !(REG(GPIE) & GPIE_MSIX) || !config_is_master())
		return;
	time = now();
	if (time >= vec_next[vec])
		fire(vec);
	else if (!vec_timer[vec].when)
		timer_set(&vec_timer[vec], vec_next[vec] - time);
}

static void try_all(uint64_t vectors)
{
	while (vectors) {
		unsigned int vec = __builtin_ctzll(vectors);

		vectors &= vectors - 1;
		try(vec);
	}
}

static void try_misc(void)
{
	int vec = misc_vector();

	if (vec >= 0)
		try(vec);
}

static void retry(void *arg)
{
	try((struct timer *)arg - vec_timer);
}

void interrupt_queue(struct queue *q)
{
	int vec = vector_of(q);

	if (vec < 0)
		return;
	vec_cause |= 1ull << vec;
	try(vec);
}

void interrupt_misc(uint32_t cause)
{
	misc_cause |= cause;
	try_misc();
}

/* How long what a queue has to say may wait for company: its vector's EITR. */
uint64_t interrupt_interval(struct queue *q)
{
	int vec = vector_of(q);

	return vec < 0 ? 0 : interval(vec);
}

static void set_mask(uint64_t vectors, uint32_t misc)
{
	vec_mask |= vectors;
	misc_mask |= misc;
	try_all(vec_mask & vec_cause & vectors);
	if (misc & misc_cause)
		try_misc();
}

static void set_cause(uint64_t vectors, uint32_t misc)
{
	vec_cause |= vectors;
	misc_cause |= misc;
	try_all(vectors);
	if (misc)
		try_misc();
}

static uint32_t causes(void)
{
	return (vec_cause & CAUSE_QUEUES) | misc_cause;
}

static uint32_t read_eicr(void)
{
	uint32_t value = causes();

	/*
	 * With OCD a read leaves the queues' causes (8.2.3.5.18, from memory).
	 */
	if (!(REG(GPIE) & GPIE_OCD))
		vec_cause &= ~(uint64_t)CAUSE_QUEUES;
	misc_cause = 0;
	return value;
}

static int eitr_index(uint32_t offset)
{
	if (offset >= EITR(0) && offset <= EITR(23))
		return (offset - EITR(0)) / 4;
	if (offset >= EITR(24) && offset <= EITR(63))
		return 24 + (offset - EITR(24)) / 4;
	return -1;
}

bool interrupt_owns(uint32_t offset)
{
	switch (offset) {
	case EICR:
	case EICS:
	case EIAC:
	case EIMS:
	case EIMC:
	case EIAM:
	case EICS_EX(0):
	case EICS_EX(1):
	case EIMS_EX(0):
	case EIMS_EX(1):
	case EIMC_EX(0):
	case EIMC_EX(1):
	case EIAM_EX(0):
	case EIAM_EX(1):
		return true;
	}
	return eitr_index(offset) >= 0;
}

uint32_t interrupt_read(uint32_t offset)
{
	switch (offset) {
	case EICR:
		return read_eicr();
	case EICS:	/* the causes, uncleared: ixgbe_msix_other() */
		return causes();
	case EIAC:
		return auto_clear;
	case EIMS:
	case EIMC:
		return (vec_mask & CAUSE_QUEUES) | misc_mask;
	case EIAM:
		return (vec_auto_mask & CAUSE_QUEUES) | misc_auto_mask;
	case EICS_EX(0):
		return vec_cause;
	case EICS_EX(1):
		return vec_cause >> 32;
	case EIMS_EX(0):
	case EIMC_EX(0):
		return vec_mask;
	case EIMS_EX(1):
	case EIMC_EX(1):
		return vec_mask >> 32;
	case EIAM_EX(0):
		return vec_auto_mask;
	case EIAM_EX(1):
		return vec_auto_mask >> 32;
	}
	return REG(offset) & ~EITR_CNT_WDIS;
}

static void write_eitr(unsigned int vec, uint32_t value)
{
	REG(EITR(vec)) = value;
	/*
	 * Without CNT_WDIS the counter is written, too: with zero, as it is
	 * here, the vector may fire at once.
	 */
	if (!(value & EITR_CNT_WDIS)) {
		vec_next[vec] = 0;
		timer_stop(&vec_timer[vec]);
		try(vec);
	}
}

void interrupt_write(uint32_t offset, uint32_t value)
{
	uint32_t queues = value & CAUSE_QUEUES, misc = value & ~CAUSE_QUEUES;
	uint64_t high = (uint64_t)value << 32;

	switch (offset) {
	case EICR:
		vec_cause &= ~(uint64_t)queues;
		misc_cause &= ~misc;
		break;
	case EICS:
		set_cause(queues, misc);
		break;
	case EICS_EX(0):
		set_cause(value, 0);
		break;
	case EICS_EX(1):
		set_cause(high, 0);
		break;
	case EIAC:
		auto_clear = value;
		break;
	case EIMS:
		set_mask(queues, misc);
		break;
	case EIMS_EX(0):
		set_mask(value, 0);
		break;
	case EIMS_EX(1):
		set_mask(high, 0);
		break;
	case EIMC:
		vec_mask &= ~(uint64_t)queues;
		misc_mask &= ~misc;
		break;
	case EIMC_EX(0):
		vec_mask &= ~(uint64_t)value;
		break;
	case EIMC_EX(1):
		vec_mask &= ~high;
		break;
	case EIAM:
		vec_auto_mask &= ~(uint64_t)CAUSE_QUEUES;
		vec_auto_mask |= queues;
		misc_auto_mask = misc;
		break;
	case EIAM_EX(0):
		vec_auto_mask = (vec_auto_mask & ~0xffffffffull) | value;
		break;
	case EIAM_EX(1):
		vec_auto_mask = (vec_auto_mask & 0xffffffff) | high;
		break;
	default:
		write_eitr(eitr_index(offset), value);
	}
}

/* A vector of the host comes or goes; what waits for it is sent. */
void interrupt_set_fd(unsigned int vec, int fd)
{
	if (vec >= VECTORS) {
		if (fd >= 0)
			close(fd);
		return;
	}
	if (vec_fd[vec] >= 0)
		close(vec_fd[vec]);
	vec_fd[vec] = fd;
	if (fd >= 0)
		try(vec);
}

void interrupt_drop_fds(void)
{
	unsigned int i;

	for (i = 0; i < VECTORS; i++)
		interrupt_set_fd(i, -1);
}

/* The registers; which descriptor is which vector's is the bus's and stays. */
void interrupt_reset(void)
{
	static bool begun;
	unsigned int i;

	vec_cause = vec_mask = vec_auto_mask = 0;
	misc_cause = misc_mask = misc_auto_mask = auto_clear = 0;
	for (i = 0; i < VECTORS; i++) {
		timer_stop(&vec_timer[i]);
		vec_timer[i].fire = retry;
		vec_timer[i].arg = &vec_timer[i];
		vec_next[i] = 0;
		if (!begun)
			vec_fd[i] = -1;
	}
	begun = true;
}
