// SPDX-License-Identifier: GPL-2.0
/* Registers of a NIC. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "regs.h"

static bool is_ixgbe(const char *dev)
{
	char path[128], driver[256];
	const char *name;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/class/net/%s/device/driver", dev);
	n = readlink(path, driver, sizeof(driver) - 1);
	if (n < 0)
		return false;
	driver[n] = '\0';
	name = strrchr(driver, '/');
	return name && !strcmp(name, "/ixgbe");
}

int regs_open(struct regs *r, const char *dev)
{
	char path[128];
	struct stat st;
	int fd, err = 0;

	*r = (struct regs) { .ixgbe = is_ixgbe(dev) };
	snprintf(path, sizeof(path), "/sys/class/net/%s/device/resource0", dev);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0) {
		err = -errno;
	} else {
		r->size = st.st_size;
		r->bar = mmap(NULL, r->size, PROT_READ | PROT_WRITE, MAP_SHARED,
			      fd, 0);
		if (r->bar == MAP_FAILED) {
			err = -errno;
			r->bar = NULL;
		}
	}
	close(fd);
	return err;
}

void regs_close(struct regs *r)
{
	if (r->bar)
		munmap(r->bar, r->size);
	r->bar = NULL;
}

__u32 regs_read(struct regs *r, unsigned int reg)
{
	return __atomic_load_n(&r->bar[reg / 4], __ATOMIC_RELAXED);
}

void regs_write(struct regs *r, unsigned int reg, __u32 value)
{
	__atomic_store_n(&r->bar[reg / 4], value, __ATOMIC_RELAXED);
}
