// SPDX-License-Identifier: GPL-2.0
/*
 * mpctl share: execute a command with the bound descriptors of a process that
 * runs.  So the destination of a migration on one host has the NIC before the
 * source gives it up.
 */

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "holder.h"
#include "mpctl.h"
#include "setup.h"
#include "take.h"

struct share {
	const char	*dev;
	pid_t		pid;		/* in this process; 0 for any */
	bool		several;	/* of them have it */
	unsigned int	found;
	struct holder	holders[MAX_QUEUES];
};

/* @cmd returns the command to run, NULL terminated. */
static int parse_args(int argc, char **argv, struct setup *setup,
		      struct share *share, char ***cmd)
{
	static const struct option options[] = {
		{ "mac", required_argument, NULL, 'm' },
		{ "pid", required_argument, NULL, 'P' },
		{ }
	};
	int opt, err;

	/* "--" ends the options: whatever comes after belongs to the command */
	while ((opt = getopt_long(argc, argv, "-", options, NULL)) != -1) {
		switch (opt) {
		case 1:
			if (setup->dev) {
				say(0, "unexpected '%s'; is '--' missing?",
				    optarg);
				return EXIT_USAGE;
			}
			setup->dev = optarg;
			err = EXIT_OK;
			break;
		case 'P':
			err = take_number("pid", optarg, 1, &share->pid);
			break;
		default:
			err = setup_option(setup, opt, optarg);
		}
		if (err)
			return err;
	}
	share->dev = setup->dev;
	*cmd = argv + optind;
	if (!setup->dev || !**cmd) {
		say(0, "share needs a device, '--' and a command to run");
		command_hint("share");
		return EXIT_USAGE;
	}
	return EXIT_OK;
}

static bool matches(const struct share *share, const struct holder *holder)
{
	return !strcmp(holder->dev, share->dev) &&
	       (!share->pid || holder->pid == share->pid) &&
	       !holder_other_netns(holder);
}

static bool add_holder(const struct holder *holder, void *arg)
{
	struct share *share = arg;
	unsigned int i;

	if (!matches(share, holder))
		return true;
	if (share->found && holder->pid != share->holders->pid) {
		share->several = true;
		return true;
	}
	/* One that was duplicated is still one. */
	for (i = 0; i < share->found; i++)
		if (holder->queue == share->holders[i].queue)
			return true;
	if (share->found < MAX_QUEUES)
		share->holders[share->found++] = *holder;
	return true;
}

static bool list_holder(const struct holder *holder, void *arg)
{
	if (matches(arg, holder))
		hint("--pid %d  (%s, queue %u)", holder->pid, holder->comm,
		     holder->queue);
	return true;
}

static int by_queue(const void *a, const void *b)
{
	const struct holder *left = a, *right = b;

	return (left->queue > right->queue) - (left->queue < right->queue);
}

static int search(struct share *share)
{
	int err;

	err = holder_each(add_holder, share);
	if (err && err != -EACCES) {
		say(-err, "/proc");
		return EXIT_SYSTEM;
	}
	if (!share->found) {
		say(0, "no %s has %s bound",
		    share->pid ? "such process" : "process", share->dev);
		hint("What is bound, and to whom: mpctl show");
		if (err)
			hint("Not all could be looked at; run as root.");
		return EXIT_NOTHING;
	}
	if (share->several) {
		say(0, "more than one process has %s; choose by", share->dev);
		holder_each(list_holder, share);
		return EXIT_USAGE;
	}
	qsort(share->holders, share->found, sizeof(*share->holders), by_queue);
	return EXIT_OK;
}

/* For the command to inherit. */
static int keep(int fd)
{
	if (fcntl(fd, F_SETFD, 0) < 0) {
		say(errno, "descriptor %d", fd);
		return EXIT_SYSTEM;
	}
	return EXIT_OK;
}

int mpctl_share(int argc, char **argv)
{
	int fds[MAX_QUEUES], pidfd, err;
	struct share share = {};
	struct setup setup = {};
	unsigned int i;
	char **cmd;

	err = parse_args(argc, argv, &setup, &share, &cmd);
	if (err)
		return err;
	err = search(&share);
	if (err)
		return err;
	err = command_check(cmd, share.found);
	if (err)
		return err;
	err = setup_mac(&setup);
	if (err)
		return err;

	pidfd = take_from(share.holders->pid);
	if (pidfd < 0)
		return -pidfd;
	for (i = 0; i < share.found; i++) {
		fds[i] = take_node(&share.holders[i], pidfd);
		if (fds[i] < 0)
			return -fds[i];
		err = keep(fds[i]);
		if (err)
			return err;
	}
	return command_run(fds, share.found, setup.mac, cmd);
}
