// SPDX-License-Identifier: GPL-2.0
/* mpctl bind: prepare a NIC, bind it to descriptors, run the command. */

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

/* What stands for the descriptors in a command, and how QEMU takes it. */
static const struct {
	const char *name;
	const char *netdev;
} one = {
	"%fd", "-netdev tap,id=n0,fd=%fd,vhost=on"
}, several = {
	"%fds", "-netdev tap,id=n0,fds=%fds,vhost=on"
};

static bool takes(char **cmd, const char *name)
{
	for (; *cmd; cmd++)
		if (strstr(*cmd, name))
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
		     one.netdev);
		return EXIT_USAGE;
	}
	if (setup->queues > 1 && !takes(*cmd, several.name)) {
		say(0, "'%s' does not appear in the command", several.name);
		hint("It stands for the descriptors: %s", several.netdev);
		return EXIT_USAGE;
	}
	/* Of which the longer one is a part. */
	if (!takes(*cmd, one.name)) {
		say(0, "'%s' does not appear in the command", one.name);
		hint("It stands for the descriptor: %s", one.netdev);
		return EXIT_USAGE;
	}
	return EXIT_OK;
}

/* What is put in the place of "%fd", "%fds" and "%mac". */
struct values {
	char fd[16];
	char fds[MAX_QUEUES * 16];
	char mac[MAC_TEXT_LEN];
};

/* Returns @arg with all of that replaced, in memory of its own. */
static char *expand(const char *arg, const struct values *values)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f;

	f = open_memstream(&text, &len);
	if (!f)
		return NULL;
	while (*arg) {
		if (!strncmp(arg, "%fds", 4)) {
			fputs(values->fds, f);
			arg += 4;
		} else if (!strncmp(arg, "%fd", 3)) {
			fputs(values->fd, f);
			arg += 3;
		} else if (!strncmp(arg, "%mac", 4)) {
			fputs(values->mac, f);
			arg += 4;
		} else {
			fputc(*arg++, f);
		}
	}
	if (fclose(f))
		return NULL;
	return text;
}

static int run(const int *fds, unsigned int n, const unsigned char *mac,
	       char **cmd)
{
	struct values values;
	char **arg, *text;
	unsigned int i;
	size_t len = 0;
	int err;

	snprintf(values.fd, sizeof(values.fd), "%d", fds[0]);
	for (i = 0; i < n; i++)
		len += snprintf(values.fds + len, sizeof(values.fds) - len,
				i ? ":%d" : "%d", fds[i]);
	mac_format(mac, values.mac);
	for (arg = cmd; *arg; arg++) {
		text = expand(*arg, &values);
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
	struct setup setup = { .queues = 1 };
	int fds[MAX_QUEUES], sock, err;
	unsigned int i;
	char **cmd;

	err = parse_args(argc, argv, &setup, &cmd);
	if (err)
		return err;
	for (i = 0; i < setup.queues; i++) {
		fds[i] = node_open();
		if (fds[i] < 0)
			return -fds[i];
	}
	err = setup_nic(&setup);
	if (err)
		return err;
	/* What comes after it is not done to a NIC of another guest. */
	for (i = 0; i < setup.queues; i++) {
		err = node_bind(fds[i], setup.dev, i, setup.queues > 1);
		if (err)
			return err;
	}
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
	return run(fds, setup.queues, setup.mac, cmd);
}
