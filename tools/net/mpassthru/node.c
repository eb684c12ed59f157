// SPDX-License-Identifier: GPL-2.0
/* The device node: to open it, and to bind a network device to it. */

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include <linux/mpassthru.h>

#include "holder.h"
#include "mpctl.h"
#include "node.h"

int node_open(void)
{
	/* No O_CLOEXEC: the command inherits the descriptor. */
	int fd = open(MP_NODE, O_RDWR), err = errno;

	if (fd >= 0)
		return fd;
	say(err, MP_NODE);
	switch (err) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		hint("Load the module: modprobe vhost_mpassthru");
		hint("The kernel needs CONFIG_VHOST_PASSTHRU.");
		return -EXIT_NODE;
	case EACCES:
	case EPERM:
		hint("Run as root, or give this user the device node.");
		return -EXIT_RIGHTS;
	}
	return -EXIT_SYSTEM;
}

static bool hint_holder(const struct holder *holder, void *dev)
{
	if (strcmp(holder->dev, dev) || holder_other_netns(holder))
		return true;
	hint("Process %d (%s) has %s: see mpctl show %s", holder->pid,
	     holder->comm, holder->dev, holder->dev);
	return false;
}

static int bind_failed(const char *dev, unsigned int queue, int err,
		       const char *msg)
{
	say(err, "%s: queue %u cannot be bound", dev, queue);
	/* The kernel knows which of many reasons it was; nothing is guessed. */
	if (*msg)
		hint("The kernel says: %s", msg);

	switch (err) {
	case EPERM:
	case EACCES:
		hint("CAP_NET_ADMIN is needed; run as root.");
		return EXIT_RIGHTS;
	case ENODEV:
		return EXIT_NIC;
	case EBUSY:
		holder_each(hint_holder, (void *)dev);
		return EXIT_REFUSED;
	case EOPNOTSUPP:
	case EINVAL:
		return EXIT_REFUSED;
	}
	return EXIT_SYSTEM;
}

int node_bind(int fd, const struct setup *setup, unsigned int queue,
	      bool shared)
{
	char msg[256] = "";
	struct mpassthru_bind bind = {
		.flags = shared ? MPASSTHRU_MULTI_QUEUE : 0,
		.queue = queue,
		.msg = (uintptr_t)msg,
		.msg_len = sizeof(msg),
	};

	snprintf(bind.ifname, sizeof(bind.ifname), "%s", setup->dev);
	if (setup->filter) {
		bind.flags |= MPASSTHRU_FILTER;
		memcpy(bind.addr, setup->mac, sizeof(bind.addr));
	}
	if (ioctl(fd, MPASSTHRU_BINDDEV, &bind) < 0)
		return bind_failed(setup->dev, queue, errno, msg);
	return EXIT_OK;
}
