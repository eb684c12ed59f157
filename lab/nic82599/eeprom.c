// SPDX-License-Identifier: GPL-2.0
/* What the driver reads of the EEPROM: 6.2 and on. */
#include "nic.h"

#define WORDS		0x4000
#define CHECKSUM	0x3f
#define SUM		0xbaba

static uint16_t word[WORDS];

void eeprom_init(void)
{
	uint16_t sum = 0;
	unsigned int i;

	/*
	 * No sections: their pointers, from that of the PCIe analog one to the
	 * firmware's, and those to the SAN addresses and the alternate ones.
	 */
	for (i = 0x03; i <= 0x0f; i++)
		word[i] = 0xffff;
	word[0x27] = 0xffff;
	word[0x28] = 0xffff;
	for (i = 0; i < 3; i++)		/* where a LOM has its address */
		word[0x37 + i] = 0xffff;
	word[0x15] = 0x8259;		/* the number of the assembly */
	word[0x16] = 0x9000;
	word[0x2c] = 1u << 7;		/* no fix for cross talk is needed */
	word[0x2d] = 1;			/* version */
	for (i = 0; i < CHECKSUM; i++)
		sum += word[i];
	word[CHECKSUM] = SUM - sum;
}

uint16_t eeprom_word(unsigned int index)
{
	return word[index % WORDS];
}
