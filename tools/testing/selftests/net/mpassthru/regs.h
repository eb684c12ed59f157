/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MP_REGS_H
#define MP_REGS_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

/*
 * In bytes from the start of BAR 0.  RLPML is for the whole device, and of the
 * igb family: ixgbe's MAXFRS is not to be written while it receives.
 */
#define REGS_RLPML		0x5004
#define REGS_TSYNCRXCTL(r)	((r)->ixgbe ? 0x5188 : 0xb620)
#define REGS_TSYNCRXCTL_ENABLED	0x10
/* TCTL, DMATXCTL: nothing leaves while the bit is 0. */
#define REGS_TX(r)		((r)->ixgbe ? 0x4a80 : 0x400)
#define REGS_TX_ENABLE(r)	((r)->ixgbe ? 1 : 2)

/* The registers of a PCI device, behind the back of its driver. */
struct regs {
	__u32	*bar;
	size_t	size;
	bool	ixgbe;
};

int regs_open(struct regs *r, const char *dev);	/* 0 or -errno */
void regs_close(struct regs *r);
__u32 regs_read(struct regs *r, unsigned int reg);
void regs_write(struct regs *r, unsigned int reg, __u32 value);

#endif /* MP_REGS_H */
