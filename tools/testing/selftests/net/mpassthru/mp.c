// SPDX-License-Identifier: GPL-2.0
/* The control device and its counters. */

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/if_tun.h>
#include <linux/mpassthru.h>
#include <net/if.h>

#include "clock.h"
#include "mp.h"
#include "say.h"

int mp_open(void)
{
	int fd = open(MP_NODE, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int bind_as(int fd, const char *dev, unsigned int flags,
		   unsigned int queue, char *msg, size_t size)
{
	struct mpassthru_bind bind = {
		.flags		= flags,
		.queue		= queue,
		.msg		= (uintptr_t)msg,
		.msg_len	= size,
	};

	*msg = '\0';
	snprintf(bind.ifname, sizeof(bind.ifname), "%s", dev);
	return ioctl(fd, MPASSTHRU_BINDDEV, &bind) < 0 ? -errno : 0;
}

int mp_bind_msg(int fd, const char *dev, char *msg, size_t size)
{
	return bind_as(fd, dev, 0, 0, msg, size);
}

int mp_bind_queue(int fd, const char *dev, unsigned int queue, char *msg,
		  size_t size)
{
	return bind_as(fd, dev, MPASSTHRU_MULTI_QUEUE, queue, msg, size);
}

int mp_bind(int fd, const char *dev)
{
	char msg[256];
	int err;

	err = mp_bind_msg(fd, dev, msg, sizeof(msg));
	if (err)
		say("%s: %s (%s)", dev, strerror(-err), msg);
	return err;
}

int mp_unbind(int fd)
{
	return ioctl(fd, MPASSTHRU_UNBINDDEV) < 0 ? -errno : 0;
}

int mp_text(int fd, const char *name, char *text, size_t size)
{
	char path[64], line[256], key[64];
	int len, err = -ENOENT;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/thread-self/fdinfo/%d", fd);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	len = snprintf(key, sizeof(key), "mp-%s:\t", name);
	while (err && fgets(line, sizeof(line), f)) {
		if (strncmp(line, key, len))
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(text, size, "%s", line + len);
		err = 0;
	}
	fclose(f);
	return err;
}

long long mp_count(int fd, const char *name)
{
	char text[64];
	int err;

	err = mp_text(fd, name, text, sizeof(text));
	return err ?: strtoll(text, NULL, 0);
}

long long mp_pinned_kb(void)
{
	long long kb = -1;
	char line[256];
	FILE *f;

	f = fopen("/proc/self/status", "re");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "VmPin:", 6))
			kb = atoll(line + 6);
	if (f)
		fclose(f);
	return kb;
}

int mp_wait_unpinned(long long kb)
{
	long long end = clock_ms() + clock_patience();

	while (mp_pinned_kb() > kb)
		if (clock_ms() > end || usleep(10000))
			return -1;
	return 0;
}

int mp_attach_queue(int fd, bool attached)
{
	struct ifreq ifr = {
		.ifr_flags = attached ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE,
	};

	return ioctl(fd, TUNSETQUEUE, &ifr) < 0 ? -errno : 0;
}

int mp_iff_flags(int fd)
{
	struct ifreq ifr = {};

	return ioctl(fd, TUNGETIFF, &ifr) < 0 ? -errno :
						(unsigned short)ifr.ifr_flags;
}
