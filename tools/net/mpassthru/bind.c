// SPDX-License-Identifier: GPL-2.0
/* mpctl bind: prepare a NIC, bind it to a descriptor, run the command. */

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/socket.h>

#include "mpctl.h"
#include "node.h"
#include "setup.h"

static const char netdev_arg[] = "-netdev tap,id=n0,fd=%fd,vhost=on";

static bool takes_fd(char **cmd)
{
	for (; *cmd; cmd++)
		if (strstr(*cmd, "%fd"))
			return true;
	return false;
}

/* @cmd returns the command to run, NULL terminated. */
static int parse_args(int argc, char **argv, struct setup *setup, char ***cmd)
{
	static const struct option options[] = {
		{ "queues", required_argument, NULL, 'q' },
		{ "mac", required_argument, NULL, 'm' },
		{ "filter", no_argument, NULL, 'f' },
		{ "promisc", no_argument, NULL, 'p' },
		{ }
	};
	int opt;

	/* "--" ends the options: whatever comes after belongs to the command */
	while ((opt = getopt_long(argc, argv, "-", options, NULL)) != -1) {
		if (opt != 1) {
			if (setup_option(setup, opt, optarg))
				return EXIT_USAGE;
			continue;
		}
		if (setup->dev) {
			say(0, "unexpected '%s'; is '--' missing?", optarg);
			return EXIT_USAGE;
		}
		setup->dev = optarg;
	}
	*cmd = argv + optind;
	if (!setup->dev || !**cmd) {
		say(0, "bind needs a device, '--' and a command to run");
		hint("mpctl bind eth0 -- qemu-system-x86_64 ... %s",
		     netdev_arg);
		return EXIT_USAGE;
	}
	if (!takes_fd(*cmd)) {
		say(0, "'%%fd' does not appear in the command");
		hint("It stands for the descriptor: %s", netdev_arg);
		return EXIT_USAGE;
	}
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

static int run(int fd, const unsigned char *mac, char **cmd)
{
	char fd_text[16], mac_text[MAC_TEXT_LEN];
	char **arg, *text;
	int err;

	snprintf(fd_text, sizeof(fd_text), "%d", fd);
	mac_format(mac, mac_text);
	for (arg = cmd; *arg; arg++) {
		text = expand(*arg, fd_text, mac_text);
		if (!text) {
			say(ENOMEM, "cannot set up the command");
			return EXIT_SYSTEM;
		}
		*arg = text;
	}

	execvp(cmd[0], cmd);
	err = errno;
	say(err, "%s", cmd[0]);
	return err == ENOENT ? EXIT_NOCMD : EXIT_NOEXEC;
}

int mpctl_bind(int argc, char **argv)
{
	struct setup setup = {};
	int fd, sock, err;
	char **cmd;

	err = parse_args(argc, argv, &setup, &cmd);
	if (err)
		return err;
	fd = node_open();
	if (fd < 0)
		return -fd;
	err = setup_nic(&setup);
	if (err)
		return err;
	/* What comes after it is not done to a NIC of another guest. */
	err = node_bind(fd, setup.dev);
	if (err)
		return err;
	err = setup_up(&setup);
	if (err)
		return err;

	/*
	 * The command inherits it, so that its end is the end of what is
	 * received for it.  Protocol 0: the socket itself receives nothing.
	 */
	sock = socket(AF_PACKET, SOCK_RAW, 0);
	if (sock < 0) {
		err = errno;
		say(err, "packet socket");
		hint("CAP_NET_RAW and CONFIG_PACKET are needed.");
		return err == EPERM ? EXIT_RIGHTS : EXIT_SYSTEM;
	}
	err = setup_receive(&setup, sock);
	if (err)
		return err;
	return run(fd, setup.mac, cmd);
}
