/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MP_REGS_H
#define MP_REGS_H

#include <stddef.h>
#include <linux/types.h>

/* Of the igb family, in bytes from the start of BAR 0. */
#define REGS_RLPML		0x5004
#define REGS_TSYNCRXCTL		0xb620
#define REGS_TSYNCRXCTL_ENABLED	0x10

/* The registers of a PCI device, behind the back of its driver. */
struct regs {
	__u32	*bar;
	size_t	size;
};

int regs_open(struct regs *r, const char *dev);	/* 0 or -errno */
void regs_close(struct regs *r);
__u32 regs_read(struct regs *r, unsigned int reg);
void regs_write(struct regs *r, unsigned int reg, __u32 value);

#endif /* MP_REGS_H */
