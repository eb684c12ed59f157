// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "nic.h"

bool nic_removed;
int64_t nic_ones;
static uint8_t own[6];

/* What is not zero after a reset, as far as the driver looks (8.2.3). */
static void defaults(void)
{
	REG(STATUS) = STATUS_GIO;
	REG(EEC) = 1u << 8 | 1u << 9 | 1u << 11; /* present, read, 16 KB */
	REG(FWSM) = 1u << 15;
	REG(AUTOC) = 1u << 13;			/* 10G, no negotiation */
	REG(ANLP1) = 0xf0000;
	REG(RDRXCTL) = RDRXCTL_DMAIDONE | 0x8400;
	REG(RXPBSIZE(0)) = 512 << 10;
	REG(HLREG0) = 0x00031413 & ~HLREG0_LPBK;
	REG(MAXFRS) = 1518 << 16;
	REG(VLNCTRL) = 0x8100;
	REG(EXVET) = 0x8100u << 16;
	REG(DTXTCPFLGL) = 0x0f760ff6;		/* from memory */
	REG(DTXTCPFLGH) = 0x00000f7f;
	REG(RAL(0)) = own[0] | own[1] << 8 | own[2] << 16 |
		      (uint32_t)own[3] << 24;
	REG(RAH(0)) = own[4] | own[5] << 8 | RAH_AV;
}

/*
 * All registers, but for the semaphores that the driver holds while it resets,
 * and all that is under way. Nothing is written to memory any more: of a reset
 * a driver may expect that.
 */
void nic_reset(const char *why)
{
	uint32_t swsm = REG(SWSM), gssr = REG(GSSR);

	say("reset: %s", why);
	ring_reset();
	receive_reset();
	transmit_reset();
	interrupt_reset();
	wire_reset();
	flow_reset();
	memset(reg, 0, sizeof(reg));
	REG(SWSM) = swsm;
	REG(GSSR) = gssr;
	defaults();
	link_reset();
}

void nic_init(const uint8_t *mac)
{
	memcpy(own, mac, 6);
	config_init();
	eeprom_init();
	ring_init();
	nic_reset("power");
}
