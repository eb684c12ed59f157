// SPDX-License-Identifier: GPL-2.0
/* mpctl bind: prepare a NIC, bind it to a descriptor, run the command. */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/ioctl.h>

#include <linux/mpassthru.h>

#include "mpctl.h"
#include "nic.h"

static const char netdev_arg[] = "-netdev tap,id=n0,fd=%fd,vhost=on";

struct bind_args {
	const char	*dev;
	char		**cmd;		/* to run, NULL terminated */
	bool		promisc;
	bool		own_mac;	/* --mac was given */
	unsigned char	mac[6];
};

static int parse_mac(const char *text, unsigned char *mac)
{
	char end;

	if (sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%c", &mac[0],
		   &mac[1], &mac[2], &mac[3], &mac[4], &mac[5], &end) != 6)
		return -EINVAL;
	/* A group address cannot be a guest's own, nor can zero. */
	if (mac[0] & 1 || !memcmp(mac, "\0\0\0\0\0\0", 6))
		return -EINVAL;
	return 0;
}

static int parse_queues(const char *text)
{
	unsigned long queues;
	char *end;

	queues = strtoul(text, &end, 10);
	if (*end || end == text || !queues) {
		say(0, "--queues %s: not a number of queues", text);
		return EXIT_USAGE;
	}
	if (queues > 1) {
		say(0, "--queues %s: more than one queue is not supported yet",
		    text);
		hint("Leave --queues out: one queue serves the guest.");
		return EXIT_USAGE;
	}
	return EXIT_OK;
}

static bool takes_fd(char **cmd)
{
	for (; *cmd; cmd++)
		if (strstr(*cmd, "%fd"))
			return true;
	return false;
}

static int parse_args(int argc, char **argv, struct bind_args *args)
{
	static const struct option options[] = {
		{ "queues", required_argument, NULL, 'q' },
		{ "mac", required_argument, NULL, 'm' },
		{ "promisc", no_argument, NULL, 'p' },
		{ }
	};
	int opt;

	/* "--" ends the options: whatever comes after belongs to the command */
	while ((opt = getopt_long(argc, argv, "-", options, NULL)) != -1) {
		switch (opt) {
		case 1:
			if (args->dev) {
				say(0, "unexpected '%s'; is '--' missing?",
				    optarg);
				return EXIT_USAGE;
			}
			args->dev = optarg;
			break;
		case 'q':
			if (parse_queues(optarg))
				return EXIT_USAGE;
			break;
		case 'm':
			if (parse_mac(optarg, args->mac)) {
				say(0, "--mac %s: not a station address",
				    optarg);
				return EXIT_USAGE;
			}
			args->own_mac = true;
			break;
		case 'p':
			args->promisc = true;
			break;
		default:
			return EXIT_USAGE;
		}
	}
	args->cmd = argv + optind;
	if (!args->dev || !*args->cmd) {
		say(0, "bind needs a device, '--' and a command to run");
		hint("mpctl bind eth0 -- qemu-system-x86_64 ... %s",
		     netdev_arg);
		return EXIT_USAGE;
	}
	if (!takes_fd(args->cmd)) {
		say(0, "'%%fd' does not appear in the command");
		hint("It stands for the descriptor: %s", netdev_arg);
		return EXIT_USAGE;
	}
	if (args->own_mac && args->promisc) {
		say(0, "--mac and --promisc exclude each other");
		return EXIT_USAGE;
	}
	return EXIT_OK;
}

static int open_node(void)
{
	/* No O_CLOEXEC: the command inherits the descriptor. */
	int fd = open(MP_NODE, O_RDWR);

	if (fd >= 0)
		return fd;
	say(errno, MP_NODE);
	switch (errno) {
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

static int prepare_failed(const char *dev, const char *what, int err)
{
	say(-err, "%s: %s", dev, what);
	if (err != -EPERM)
		return EXIT_REFUSED;
	hint("CAP_NET_ADMIN is needed; run as root.");
	return EXIT_RIGHTS;
}

static int prepare_nic(struct bind_args *args)
{
	const char *dev = args->dev;
	int err;

	err = nic_exists(dev);
	if (err) {
		say(-err, "%s", dev);
		hint("List the devices of this network namespace: ip link");
		return EXIT_NIC;
	}
	err = nic_set_queues(dev, 1);
	if (err) {
		err = prepare_failed(dev, "cannot set one queue", err);
		hint("Try: ethtool -L %s combined 1", dev);
		return err;
	}
	err = nic_up(dev);
	if (err)
		return prepare_failed(dev, "cannot bring the link up", err);
	if (args->promisc || args->own_mac) {
		err = nic_accept(dev, args->promisc ? NULL : args->mac);
		if (err < 0)
			return prepare_failed(dev, "cannot add address", err);
	}
	if (!args->own_mac) {
		err = nic_get_mac(dev, args->mac);
		if (err)
			return prepare_failed(dev, "has no address", err);
	}
	return EXIT_OK;
}

static int bind_failed(const char *dev, int err, const char *msg)
{
	say(err, "%s: cannot be bound", dev);
	if (*msg)
		hint("The kernel says: %s", msg);

	switch (err) {
	case EPERM:
	case EACCES:
		hint("CAP_NET_ADMIN is needed; run as root.");
		return EXIT_RIGHTS;
	case ENODEV:
		hint("It is not in the network namespace of mpctl: ip link");
		return EXIT_NIC;
	case EOPNOTSUPP:
		hint("Its driver cannot receive into guest memory.");
		hint("Which one it is: ethtool -i %s", dev);
		return EXIT_REFUSED;
	case EBUSY:
		hint("Something else uses it: another guest (mpctl show %s),",
		     dev);
		hint("a bridge or bond (ip link set %s nomaster), or XDP",
		     dev);
		hint("(ip link set %s xdp off).", dev);
		return EXIT_REFUSED;
	case EINVAL:
		hint("One receive queue is needed: ethtool -L %s combined 1",
		     dev);
		return EXIT_REFUSED;
	}
	return EXIT_SYSTEM;
}

static int bind_nic(int fd, const char *dev)
{
	char msg[256] = "";
	struct mpassthru_bind bind = {
		.msg = (uintptr_t)msg,
		.msg_len = sizeof(msg),
	};

	memcpy(bind.ifname, dev, strlen(dev));
	if (ioctl(fd, MPASSTHRU_BINDDEV, &bind) < 0)
		return bind_failed(dev, errno, msg);
	return EXIT_OK;
}

/* Returns @arg with every "%fd" and "%mac" replaced, in memory of its own. */
static char *expand(const char *arg, const char *fd, const char *mac)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f;

	f = open_memstream(&text, &len);
	if (!f)
		return NULL;
	while (*arg) {
		if (!strncmp(arg, "%fd", 3)) {
			fputs(fd, f);
			arg += 3;
		} else if (!strncmp(arg, "%mac", 4)) {
			fputs(mac, f);
			arg += 4;
		} else {
			fputc(*arg++, f);
		}
	}
	if (fclose(f))
		return NULL;
	return text;
}

static int run(int fd, struct bind_args *args)
{
	const unsigned char *m = args->mac;
	char fd_text[16], mac_text[18];
	char **arg, *text;

	snprintf(fd_text, sizeof(fd_text), "%d", fd);
	snprintf(mac_text, sizeof(mac_text), "%02x:%02x:%02x:%02x:%02x:%02x",
		 m[0], m[1], m[2], m[3], m[4], m[5]);
	for (arg = args->cmd; *arg; arg++) {
		text = expand(*arg, fd_text, mac_text);
		if (!text) {
			say(errno, "cannot set up the command");
			return EXIT_SYSTEM;
		}
		*arg = text;
	}

	execvp(args->cmd[0], args->cmd);
	say(errno, "%s", args->cmd[0]);
	return errno == ENOENT ? EXIT_NOCMD : EXIT_NOEXEC;
}

int mpctl_bind(int argc, char **argv)
{
	struct bind_args args = {};
	int fd, err;

	err = parse_args(argc, argv, &args);
	if (err)
		return err;
	fd = open_node();
	if (fd < 0)
		return -fd;
	err = prepare_nic(&args);
	if (err)
		return err;
	err = bind_nic(fd, args.dev);
	if (err)
		return err;
	return run(fd, &args);
}
