// SPDX-License-Identifier: GPL-2.0
/* mpctl bind: prepare a NIC, bind it to descriptors, run the command. */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "command.h"
#include "mpctl.h"
#include "node.h"
#include "setup.h"

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
		command_hint("bind");
		return EXIT_USAGE;
	}
	return command_check(*cmd, setup->queues);
}

int mpctl_bind(int argc, char **argv)
{
	struct setup setup = { .queues = 1 };
	int fds[MAX_QUEUES], err;
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
		err = node_bind(fds[i], &setup, i, setup.queues > 1);
		if (err)
			return err;
	}
	err = setup_up(&setup);
	if (err)
		return err;
	return command_run(fds, setup.queues, setup.mac, cmd);
}
