// SPDX-License-Identifier: GPL-2.0
/*
 * PCI configuration space (9.3). Each byte has a mask of the bits that can be
 * written, and one of those that a 1 clears.
 *
 * There is no interrupt pin and no MSI: only MSI-X is modelled, and what is not
 * modelled is not announced. Nor are virtual functions.
 */
#include <string.h>

#include "nic.h"

#define VENDOR		0x8086
#define DEVICE		0x10f9		/* CX4: no SFP module, no PHY to ask */
#define COMMAND		0x04
#define  COMMAND_MASTER	(1u << 2)
#define PM		0x40
#define PMCSR		(PM + 4)
#define MSIX		0x70
#define EXP		0xa0
#define DEVCTL		(EXP + 8)
#define  DEVCTL_FLR	(1u << 15)
#define AER		0x100

static uint8_t space[CONFIG_SIZE];
static uint8_t writable[CONFIG_SIZE], clearable[CONFIG_SIZE];

static void put(uint32_t at, unsigned int bytes, uint32_t value)
{
	while (bytes--) {
		space[at++] = value;
		value >>= 8;
	}
}

static void mask(uint8_t *where, uint32_t at, unsigned int bytes,
		 uint32_t value)
{
	while (bytes--) {
		where[at++] = value;
		value >>= 8;
	}
}

static uint16_t get16(uint32_t at)
{
	return space[at] | space[at + 1] << 8;
}

/* QEMU owns the table and the pending bits: BAR 4 holds nothing but zeros. */
static void add_capabilities(void)
{
	put(0x34, 1, PM);

	put(PM, 2, MSIX << 8 | 0x01);
	put(PM + 2, 2, 0x4803);		/* version 3, PME# in D0, D3hot */
	mask(writable, PMCSR, 2, 0x0103);
	mask(clearable, PMCSR, 2, 0x8000);

	put(MSIX, 2, EXP << 8 | 0x11);
	put(MSIX + 2, 2, VECTORS - 1);
	put(MSIX + 4, 4, 0x0000 | 4);
	put(MSIX + 8, 4, 0x2000 | 4);
	mask(writable, MSIX + 2, 2, 0xc000);

	put(EXP, 2, 0x10);
	put(EXP + 2, 2, 0x0002);		/* version 2, an endpoint */
	put(EXP + 4, 4, 0x10008cc2);		/* FLR, 512 bytes */
	put(DEVCTL, 2, 0x2810);
	mask(writable, DEVCTL, 2, 0x7fff);
	mask(clearable, EXP + 0x0a, 2, 0x000f);
	put(EXP + 0x0c, 4, 0x0003f482);		/* x8, 5 GT/s */
	mask(writable, EXP + 0x10, 2, 0x01fb);
	put(EXP + 0x12, 2, 0x1082);
	put(EXP + 0x24, 4, 0x001f);		/* completion timeouts A to D */
	mask(writable, EXP + 0x28, 2, 0x001f);
	mask(writable, EXP + 0x30, 2, 0x000f);

	/*
	 * Advanced errors: none arises here, aer_inject wants the capability.
	 */
	put(AER, 4, 0x00010001);
	mask(clearable, AER + 0x04, 4, 0x001ff030);
	mask(writable, AER + 0x08, 4, 0x001ff030);
	put(AER + 0x0c, 4, 0x00062030);
	mask(writable, AER + 0x0c, 4, 0x001ff030);
	mask(clearable, AER + 0x10, 4, 0x000031c1);
	put(AER + 0x14, 4, 0x00002000);
	mask(writable, AER + 0x14, 4, 0x000031c1);
	mask(writable, AER + 0x18, 4, 0x00000140);
}

static void add_bar(uint32_t at, uint32_t size)
{
	put(at, 4, 0x4 | 0x8);			/* 64 bits, prefetchable */
	mask(writable, at, 4, ~(size - 1));
	mask(writable, at + 4, 4, ~0u);
}

void config_init(void)
{
	put(0x00, 2, VENDOR);
	put(0x02, 2, DEVICE);
	put(0x06, 2, 0x0010);			/* capabilities */
	put(0x08, 4, 0x02000001);		/* Ethernet, revision 1 */
	put(0x2c, 2, VENDOR);
	put(0x2e, 2, 0x0003);
	mask(writable, COMMAND, 2, 0x0547);
	mask(clearable, 0x06, 2, 0xf900);
	mask(writable, 0x0c, 1, 0xff);
	mask(writable, 0x3c, 1, 0xff);
	add_bar(0x10, BAR0_SIZE);
	add_bar(0x20, BAR4_SIZE);
	add_capabilities();
}

/* A function-level reset leaves the device without memory, master and MSI-X. */
void config_reset(void)
{
	put(COMMAND, 2, 0);
	put(MSIX + 2, 2, VECTORS - 1);
	put(PMCSR, 2, 0);
}

bool config_is_master(void)
{
	return get16(COMMAND) & COMMAND_MASTER && !(get16(PMCSR) & 3);
}

void config_read(uint32_t offset, uint8_t *data, size_t len)
{
	memset(data, 0xff, len);
	if (nic_removed || offset >= CONFIG_SIZE)
		return;
	if (len > CONFIG_SIZE - offset)
		len = CONFIG_SIZE - offset;
	memcpy(data, space + offset, len);
}

/* What a write sets going, when all of it is there. */
static void look(bool was_asleep, uint16_t devctl)
{
	/* PMCSR says No_Soft_Reset = 0: registers do not live through D3hot. */
	if (was_asleep && !(get16(PMCSR) & 3))
		nic_reset("D3hot to D0");
	if (devctl & DEVCTL_FLR) {
		config_reset();
		nic_reset("function-level reset");
	}
	/* Waits for the bus that may be had now. */
	receive_run();
	transmit_run();
}

void config_write(uint32_t offset, const uint8_t *data, size_t len)
{
	bool was_asleep = (get16(PMCSR) & 3) == 3;
	uint16_t devctl = 0;
	size_t i;

	if (nic_removed)
		return;
	for (i = 0; i < len && offset + i < CONFIG_SIZE; i++) {
		uint32_t at = offset + i;

		if (at == DEVCTL + 1)
			devctl = data[i] << 8;
		space[at] &= ~(data[i] & clearable[at]);
		space[at] = (space[at] & ~writable[at]) |
			    (data[i] & writable[at]);
	}
	look(was_asleep, devctl);
}
