// SPDX-License-Identifier: GPL-2.0
/*
 * The host's memory as the device sees it: ranges of I/O addresses, each part
 * of a file. With an IOMMU each buffer is a range, and a message with a
 * descriptor of the same few files. So each file is mapped once, whole, or
 * vm.max_map_count would be the limit; and the ranges are kept sorted, which
 * finds one in ten steps and moves some 100 KB to insert among thousands: less
 * than the message costs that brought it.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nic.h"

#define FLAG_READ	1u
#define FLAG_WRITE	2u

struct file {
	dev_t dev;
	ino_t ino;
	uint64_t size;
	uint8_t *start;
	bool writable;
	struct file *next;
};

struct range {
	uint64_t iova, size;
	uint8_t *start;
	bool writable;
};

static struct file *files;
static struct range *ranges;
static size_t used, room;

static struct file *file_of(int fd)
{
	struct file *f;
	struct stat st;

	if (fstat(fd, &st))
		return NULL;
	for (f = files; f; f = f->next)
		if (f->dev == st.st_dev && f->ino == st.st_ino &&
		    f->size >= (uint64_t)st.st_size)
			return f;
	f = calloc(1, sizeof(*f));
	if (!f)
		return NULL;
	f->dev = st.st_dev;
	f->ino = st.st_ino;
	f->size = st.st_size;
	f->writable = true;
	f->start = mmap(NULL, f->size, PROT_READ | PROT_WRITE, MAP_SHARED,
			fd, 0);
	if (f->start == MAP_FAILED) {
		f->writable = false;
		f->start = mmap(NULL, f->size, PROT_READ, MAP_SHARED, fd, 0);
	}
	if (f->start == MAP_FAILED) {
		free(f);
		return NULL;
	}
	f->next = files;
	files = f;
	return f;
}

/* The first range that ends behind an address. */
static size_t first_behind(uint64_t iova)
{
	size_t low = 0, high = used;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (ranges[middle].iova + ranges[middle].size <= iova)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool insert(size_t at, const struct range *r)
{
	if (used == room) {
		size_t more = room ? 2 * room : 1024;
		struct range *bigger = realloc(ranges, more * sizeof(*r));

		if (!bigger)
			return false;
		ranges = bigger;
		room = more;
	}
	memmove(ranges + at + 1, ranges + at, (used - at) * sizeof(*r));
	ranges[at] = *r;
	used++;
	return true;
}

/*
 * Memory without a descriptor cannot be reached but by DMA_READ and DMA_WRITE,
 * which want QEMU's lock that the vCPU may hold which waits for us. It counts
 * as not mapped.
 */
int memory_map(uint64_t iova, uint64_t size, uint64_t offset, int fd,
	       unsigned int flags)
{
	struct file *f;
	struct range r;
	size_t at;

	if (!size || iova + size - 1 < iova)
		return -1;
	if (fd < 0)
		return 0;
	f = file_of(fd);
	if (!f || offset + size < offset || offset + size > f->size)
		return -1;
	at = first_behind(iova);
	if (at < used && ranges[at].iova < iova + size)
		return -1;
	r.iova = iova;
	r.size = size;
	r.start = f->start + offset;
	r.writable = f->writable && flags & FLAG_WRITE;
	return insert(at, &r) ? 0 : -1;
}

/* Of nothing, of part of a range, over several: all are in order. */
void memory_unmap(uint64_t iova, uint64_t size)
{
	uint64_t end = iova + size;
	size_t at = first_behind(iova), last;

	if (at < used && ranges[at].iova < iova) {
		struct range rest = ranges[at];

		ranges[at].size = iova - rest.iova;
		at++;
		if (rest.iova + rest.size > end) {
			rest.start += end - rest.iova;
			rest.size -= end - rest.iova;
			rest.iova = end;
			insert(at, &rest);
			return;
		}
	}
	for (last = at; last < used; last++)
		if (ranges[last].iova + ranges[last].size > end)
			break;
	memmove(ranges + at, ranges + last, (used - last) * sizeof(*ranges));
	used -= last - at;
	if (at < used && ranges[at].iova < end) {
		ranges[at].start += end - ranges[at].iova;
		ranges[at].size -= end - ranges[at].iova;
		ranges[at].iova = end;
	}
}

void memory_unmap_all(void)
{
	used = 0;
}

size_t memory_maps(void)
{
	return used;
}

/*
 * Clearing the bus-master bit takes no mapping away: it is for the device to
 * obey. CTRL.GIO_DIS is the same by a register (5.2.5.3.2).
 */
bool dma_allowed(void)
{
	return !nic_removed && config_is_master() &&
	       !(REG(CTRL) & CTRL_GIO_DIS);
}

static uint8_t *find(uint64_t addr, size_t len, bool write, size_t *there)
{
	size_t at = first_behind(addr);
	uint64_t left;

	if (at == used || ranges[at].iova > addr ||
	    (write && !ranges[at].writable))
		return NULL;
	left = ranges[at].iova + ranges[at].size - addr;
	*there = left < len ? left : len;
	return ranges[at].start + (addr - ranges[at].iova);
}

static bool dma(struct queue *q, uint64_t addr, void *to, const void *from,
		size_t len)
{
	uint64_t start = addr;
	size_t total = len;

	if (!dma_allowed())
		return false;
	while (len) {
		size_t part;
		uint8_t *host = find(addr, len, from, &part);

		if (!host) {
			assertion(q,
				  "%s of %zu bytes at 0x%llx: 0x%llx is not mapped",
				  from ? "write" : "read", total,
				  (unsigned long long)start,
				  (unsigned long long)addr);
			return false;
		}
		if (from) {
			memcpy(host, from, part);
			from = (const uint8_t *)from + part;
		} else {
			memcpy(to, host, part);
			to = (uint8_t *)to + part;
		}
		addr += part;
		len -= part;
	}
	return true;
}

bool dma_read(struct queue *q, uint64_t addr, void *data, size_t len)
{
	return dma(q, addr, data, NULL, len);
}

/*
 * The rule that a queue which reads as disabled is quiet is asserted here, at
 * the one place where memory is written, and not trusted to those who write.
 */
bool dma_write(struct queue *q, uint64_t addr, const void *data, size_t len)
{
	if (q && !ring_runs(q)) {
		assertion(q, "write to 0x%llx after the queue was disabled",
			  (unsigned long long)addr);
		return false;
	}
	return dma(q, addr, NULL, data, len);
}

bool dma_store(struct queue *q, uint64_t addr, uint64_t value)
{
	uint64_t *host;
	size_t part;

	if (q && !ring_runs(q)) {
		assertion(q,
			  "write-back at 0x%llx after the queue was disabled",
			  (unsigned long long)addr);
		return false;
	}
	if (!dma_allowed())
		return false;
	host = addr % 8 ? NULL : (void *)find(addr, 8, true, &part);
	if (!host || part != 8) {
		assertion(q, "write-back at 0x%llx: not mapped",
			  (unsigned long long)addr);
		return false;
	}
	__atomic_store_n(host, value, __ATOMIC_RELEASE);
	return true;
}
