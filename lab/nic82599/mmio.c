// SPDX-License-Identifier: GPL-2.0
/*
 * The registers. Most are memory; those that are more have their functions.
 * What a read changes, and what a write sets going, is decided here by address.
 */
#include "nic.h"

uint32_t reg[BAR0_SIZE / 4];

uint32_t mmio_read(uint32_t offset)
{
	uint32_t value;

	if (nic_removed)
		return ~0u;
	if (nic_ones) {
		if (nic_ones > 0)
			nic_ones--;
		return ~0u;
	}
	if (offset % 4 || offset >= BAR0_SIZE)
		return ~0u;
	if (interrupt_owns(offset))
		return interrupt_read(offset);
	if (counter_owns(offset))
		return counter_read(offset);
	if (ring_read(offset, &value))
		return value;
	switch (offset) {
	case STATUS:
		/*
		 * No request is under way when nobody looks, so that the bit
		 * follows the order at once.
		 */
		return REG(CTRL) & CTRL_GIO_DIS ? REG(STATUS) & ~STATUS_GIO :
		       REG(STATUS);
	case SECRXSTAT:
		return REG(SECRXCTRL) & SECRXCTRL_RX_DIS ? SECRXSTAT_RDY : 0;
	case SECTXSTAT:
		return SECTXSTAT_RDY;
	case FDIRMATCH:
	case FDIRMISS:
		value = REG(offset);
		REG(offset) = 0;
		return value;
	}
	return REG(offset);
}

static void write_ctrl(uint32_t value)
{
	REG(CTRL) = value & ~(CTRL_RST | CTRL_LNK_RST);
	if (value & (CTRL_RST | CTRL_LNK_RST)) {
		nic_reset(value & CTRL_RST ? "CTRL.RST" : "CTRL.LNK_RST");
		return;
	}
	receive_run();
	transmit_run();
}

static void write_eerd(uint32_t value)
{
	unsigned int index = value >> 2 & 0x3fff;

	REG(EERD) = (uint32_t)eeprom_word(index) << 16 | index << 2 | 2;
}

/*
 * MAXFRS decides how much a frame may write to a buffer, so a change while
 * frames come is one whose time nobody knows. ixgbe_set_rx_buffer_len() writes
 * it when it has stopped the receiver.
 */
static void write_maxfrs(uint32_t value)
{
	if ((REG(MAXFRS) ^ value) >> 16 && REG(RXCTRL) & RXCTRL_RXEN)
		assertion(NULL, "MAXFRS from %u to %u while RXCTRL.RXEN is set",
			  REG(MAXFRS) >> 16, value >> 16);
	REG(MAXFRS) = value;
}

static bool is_rah(uint32_t offset)
{
	if (offset >= RAL(0) && offset <= RAH(15))
		return offset % 8 == 4;
	return offset >= RAL(16) && offset <= RAH(127) && offset % 8 == 4;
}

void mmio_write(uint32_t offset, uint32_t value)
{
	if (nic_removed || offset % 4 || offset >= BAR0_SIZE)
		return;
	if (interrupt_owns(offset)) {
		interrupt_write(offset, value);
		return;
	}
	if (ring_write(offset, value) || counter_owns(offset))
		return;
	switch (offset) {
	case CTRL:
		write_ctrl(value);
		return;
	case EERD:
		write_eerd(value);
		return;
	case MAXFRS:
		write_maxfrs(value);
		return;
	case MSCA:	/* there is no PHY: a read of one gives ones */
		REG(MSCA) = value & ~MSCA_COMMAND;
		REG(MSRWD) |= 0xffff0000;
		return;
	case AUTOC:
		REG(AUTOC) = value & ~AUTOC_RESTART;
		return;
	case RDRXCTL:
		REG(RDRXCTL) = value | RDRXCTL_DMAIDONE;
		return;
	case FDIRCTRL:
		flow_write_ctrl(value);
		return;
	case FDIRCMD:
		flow_write_cmd(value);
		return;
	case STATUS:
	case LINKS:
	case ANLP1:
	case FWSM:
	case EEC:
		return;
	}
	if (is_rah(offset))
		value &= 0x8003ffff;		/* the pools are MPSAR's */
	REG(offset) = value;
	if (offset == RXCTRL || offset == SECRXCTRL || offset == FCCFG)
		receive_run();
	if (offset == DMATXCTL || offset == HLREG0)
		transmit_run();
}
