// SPDX-License-Identifier: GPL-2.0
/*
 * What OVMF boots: says the CRC-32 of the file "data", which is linked in, as it is
 * in memory after it was loaded.
 */
#include <stddef.h>
#include <stdint.h>

/* As much of EFI's tables as leads to the console. */
struct text_output {
	void *reset;
	uint64_t (*output_string)(struct text_output *this, const wchar_t *text);
};

struct system_table {
	char header[24];
	void *vendor;
	uint64_t revision;
	void *in_handle, *in, *out_handle;
	struct text_output *out;
};

__asm__(".data\n"
	"data: .incbin \"data\"\n"
	"data_end:\n");
extern const unsigned char data[], data_end[];

static uint32_t crc32(const unsigned char *from, const unsigned char *to)
{
	uint32_t crc = ~0u;
	int bit;

	for (; from < to; from++) {
		crc ^= *from;
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

uint64_t efi_main(void *image, struct system_table *system)
{
	wchar_t text[] = L"\r\n@sum 00000000\r\n";
	uint32_t crc = crc32(data, data_end);
	int i;

	(void)image;
	for (i = 0; i < 8; i++)
		text[7 + i] = L"0123456789abcdef"[crc >> (28 - 4 * i) & 15];
	system->out->output_string(system->out, text);
	return 0;
}
