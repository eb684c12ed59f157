// SPDX-License-Identifier: GPL-2.0
/*
 * mpctl as the helper of QEMU that opens a tap: binds a NIC and sends the
 * descriptor to QEMU, which executed "mpctl --use-vnet --fd=N --br=DEV", where
 * N is one end of a socket.
 */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "mpctl.h"
#include "node.h"
#include "setup.h"

static int parse_args(int argc, char **argv, struct setup *setup, int *conn)
{
	static const struct option options[] = {
		{ "mac", required_argument, NULL, 'm' },
		{ "filter", no_argument, NULL, 'f' },
		{ "promisc", no_argument, NULL, 'p' },
		/* What QEMU adds. */
		{ "use-vnet", no_argument, NULL, 'v' },
		{ "fd", required_argument, NULL, 'F' },
		{ "br", required_argument, NULL, 'b' },
		{ }
	};
	const char *br = NULL;
	char *end;
	int opt;

	*conn = -1;
	while ((opt = getopt_long(argc, argv, "-", options, NULL)) != -1) {
		switch (opt) {
		case 1:
			if (setup->dev) {
				say(0, "helper takes one device");
				return EXIT_USAGE;
			}
			setup->dev = optarg;
			break;
		case 'v':
			break;
		case 'F':
			*conn = strtol(optarg, &end, 10);
			if (*end || end == optarg)
				*conn = -1;
			break;
		case 'b':
			br = optarg;
			break;
		default:
			if (setup_option(setup, opt, optarg))
				return EXIT_USAGE;
		}
	}
	/* QEMU always says something of a bridge. */
	if (!setup->dev)
		setup->dev = br;
	if (!setup->dev || *conn < 0 || optind < argc) {
		say(0, "helper is for QEMU to execute");
		hint("-netdev tap,id=n0,helper=%s,br=eth0,vhost=on",
		     "/usr/sbin/mpctl");
		return EXIT_USAGE;
	}
	return EXIT_OK;
}

static int send_node(int conn, int fd)
{
	union {
		struct cmsghdr	head;
		char		space[CMSG_SPACE(sizeof(int))];
	} control = {};
	char byte = 0;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};

	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(&control.head), &fd, sizeof(int));
	if (sendmsg(conn, &msg, MSG_NOSIGNAL) == 1)
		return EXIT_OK;
	say(errno, "descriptor %d, which is to be a socket of QEMU", conn);
	return EXIT_SYSTEM;
}

int mpctl_helper(int argc, char **argv)
{
	struct setup setup = { .queues = 1 };
	int fd, conn, err;

	err = parse_args(argc, argv, &setup, &conn);
	if (err)
		return err;
	fd = node_open();
	if (fd < 0)
		return -fd;
	err = setup_nic(&setup);
	if (!err)
		err = node_bind(fd, &setup, 0, false);
	if (!err)
		err = setup_up(&setup);
	if (!err)
		err = send_node(conn, fd);
	return err;
}
