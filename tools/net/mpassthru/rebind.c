// SPDX-License-Identifier: GPL-2.0
/*
 * mpctl rebind: bind a NIC to the descriptors of a process that runs, whose own
 * went away, each to the queue that it had.  The kernel unbinds a NIC that is
 * unregistered, as when its driver is reloaded or it moves to another network
 * namespace.
 */

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "holder.h"
#include "mpctl.h"
#include "node.h"
#include "setup.h"
#include "take.h"

struct search {
	pid_t		pid;		/* in this process; 0 for any */
	int		fd;		/* this descriptor; -1 for any */
	unsigned int	found;
	unsigned int	owned;		/* what the process has of them */
	struct holder	holders[MAX_QUEUES];	/* the first that were found */
};

static int parse_args(int argc, char **argv, struct setup *setup,
		      struct search *search)
{
	static const struct option options[] = {
		{ "mac", required_argument, NULL, 'm' },
		{ "filter", no_argument, NULL, 'f' },
		{ "promisc", no_argument, NULL, 'p' },
		{ "pid", required_argument, NULL, 'P' },
		{ "fd", required_argument, NULL, 'F' },
		{ }
	};
	int opt, err;

	while ((opt = getopt_long(argc, argv, "-", options, NULL)) != -1) {
		switch (opt) {
		case 1:
			if (setup->dev) {
				say(0, "rebind takes one device");
				return EXIT_USAGE;
			}
			setup->dev = optarg;
			err = EXIT_OK;
			break;
		case 'P':
			err = take_number("pid", optarg, 1, &search->pid);
			break;
		case 'F':
			err = take_number("fd", optarg, 0, &search->fd);
			break;
		default:
			err = setup_option(setup, opt, optarg);
		}
		if (err)
			return err;
	}
	if (!setup->dev || optind < argc) {
		say(0, "rebind needs a device and no command");
		hint("mpctl rebind eth0");
		return EXIT_USAGE;
	}
	return EXIT_OK;
}

static bool search_matches(const struct search *search,
			   const struct holder *holder)
{
	return !*holder->dev &&
	       (!search->pid || holder->pid == search->pid) &&
	       (search->fd < 0 || holder->fd == search->fd);
}

static bool search_holder(const struct holder *holder, void *arg)
{
	struct search *search = arg;

	if (!search_matches(search, holder))
		return true;
	if (search->found < MAX_QUEUES)
		search->holders[search->found] = *holder;
	search->found++;
	return true;
}

/* Are they what one process had of one NIC? */
static bool search_is_clear(const struct search *search)
{
	const struct holder *holder = search->holders;
	unsigned int i, queues = 0;

	if (search->found > MAX_QUEUES)
		return false;
	for (i = 0; i < search->found; i++) {
		if (holder[i].pid != holder->pid ||
		    holder[i].queue >= MAX_QUEUES ||
		    queues & 1u << holder[i].queue)
			return false;
		queues |= 1u << holder[i].queue;
	}
	return true;
}

static bool count_holder(const struct holder *holder, void *arg)
{
	struct search *search = arg;

	if (holder->pid == search->holders->pid)
		search->owned++;
	return true;
}

static bool list_holder(const struct holder *holder, void *arg)
{
	if (search_matches(arg, holder))
		hint("--pid %d --fd %d  (%s, queue %u)", holder->pid,
		     holder->fd, holder->comm, holder->queue);
	return true;
}

static int search_run(struct search *search)
{
	int err;

	err = holder_each(search_holder, search);
	if (err && err != -EACCES) {
		say(-err, "/proc");
		return EXIT_SYSTEM;
	}
	if (!search->found) {
		say(0, "no %s has an unbound descriptor of %s",
		    search->pid ? "such process" : "process", MP_NODE);
		hint("Those that there are, and what is bound: mpctl show");
		if (err)
			hint("Not all could be looked at; run as root.");
		return EXIT_NOTHING;
	}
	if (!search_is_clear(search)) {
		say(0, "more than one descriptor is unbound; choose by");
		holder_each(list_holder, search);
		return EXIT_USAGE;
	}
	holder_each(count_holder, search);
	return EXIT_OK;
}

/* Some may be bound already, or still. */
static int bind_each(const struct search *search, const int *fds,
		     const struct setup *setup)
{
	const struct holder *holder = search->holders;
	bool shared = search->owned > 1;
	unsigned int i;
	int err;

	for (i = 0; i < search->found; i++) {
		err = node_bind(fds[i], setup, holder[i].queue, shared);
		if (err)
			return err;
	}
	return EXIT_OK;
}

static void say_bound(const struct holder *holder, const char *dev)
{
	printf("queue %u of %s is bound to descriptor %d of process %d (%s)\n",
	       holder->queue, dev, holder->fd, holder->pid, holder->comm);
}

static int rebind_to(const struct search *search, int pidfd,
		     struct setup *setup)
{
	const struct holder *holder = search->holders;
	int fds[MAX_QUEUES], err;
	unsigned int i;

	for (i = 0; i < search->found; i++) {
		fds[i] = take_node(&holder[i], pidfd);
		if (fds[i] < 0)
			return -fds[i];
		if (setup->queues <= holder[i].queue)
			setup->queues = holder[i].queue + 1;
	}
	if (holder_other_netns(holder)) {
		say(0, "process %d opened %s in another network namespace",
		    holder->pid, MP_NODE);
		hint("Have %s there, and run mpctl there: ip netns exec",
		     setup->dev);
		return EXIT_NIC;
	}
	err = setup_nic(setup);
	if (err)
		return err;
	err = bind_each(search, fds, setup);
	if (!err)
		err = setup_up(setup);
	if (err)
		return err;
	for (i = 0; i < search->found; i++)
		say_bound(&holder[i], setup->dev);
	return EXIT_OK;
}

int mpctl_rebind(int argc, char **argv)
{
	struct search search = { .fd = -1 };
	struct setup setup = {};
	int pidfd, err;

	err = parse_args(argc, argv, &setup, &search);
	if (err)
		return err;
	err = search_run(&search);
	if (err)
		return err;

	pidfd = take_from(search.holders->pid);
	if (pidfd < 0)
		return -pidfd;
	return rebind_to(&search, pidfd, &setup);
}
