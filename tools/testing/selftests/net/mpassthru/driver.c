// SPDX-License-Identifier: GPL-2.0
/* The driver of a network device, which lets go of it and takes it again. */

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "clock.h"
#include "driver.h"
#include "file.h"
#include "nic.h"

int driver_of(struct driver *drv, const char *dev)
{
	char path[128], link[256];
	int n;

	snprintf(path, sizeof(path), "/sys/class/net/%s/device", dev);
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0)
		return -errno;
	link[n] = '\0';
	snprintf(drv->device, sizeof(drv->device), "%s", basename(link));
	snprintf(path, sizeof(path), "/sys/class/net/%s/device/driver", dev);
	return realpath(path, drv->path) ? 0 : -errno;
}

static int driver_write(const struct driver *drv, const char *file)
{
	char path[PATH_MAX + 16];

	snprintf(path, sizeof(path), "%s/%s", drv->path, file);
	return file_write(path, drv->device);
}

int driver_unbind(const struct driver *drv)
{
	return driver_write(drv, "unbind");
}

int driver_bind(const struct driver *drv, int sock, const char *dev)
{
	long long end = clock_ms() + clock_patience();
	int err = driver_write(drv, "bind");

	if (err)
		return err;
	while (nic_index(sock, dev) < 0) {
		if (clock_ms() >= end)
			return -ENODEV;
		usleep(10000);
	}
	return 0;
}
