// SPDX-License-Identifier: GPL-2.0
/* What bind and rebind do to a NIC for its guest. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mpctl.h"
#include "nic.h"
#include "setup.h"

static int parse_queues(const char *text, unsigned int *val)
{
	unsigned long queues;
	char *end;

	queues = strtoul(text, &end, 10);
	if (*end || end == text || !queues) {
		say(0, "--queues %s: not a number of queues", text);
		return EXIT_USAGE;
	}
	if (queues > MAX_QUEUES) {
		say(0, "--queues %s: there are no more than %d", text,
		    MAX_QUEUES);
		hint("As many as the guest has CPUs, or fewer, are enough.");
		return EXIT_USAGE;
	}
	*val = queues;
	return EXIT_OK;
}

int setup_option(struct setup *setup, int opt, const char *arg)
{
	switch (opt) {
	case 'q':
		return parse_queues(arg, &setup->queues);
	case 'm':
		if (mac_parse(arg, setup->mac)) {
			say(0, "--mac %s: not a station address", arg);
			hint("Six bytes, the first even: 02:00:00:12:34:56");
			return EXIT_USAGE;
		}
		setup->own_mac = true;
		return EXIT_OK;
	case 'f':
	case 'p':
		setup->filter = opt == 'f';
		return EXIT_OK;
	}
	hint("See: mpctl --help");
	return EXIT_USAGE;
}

static int failed(const char *dev, const char *what, int err)
{
	say(-err, "%s: %s", dev, what);
	if (err != -EPERM && err != -EACCES) {
		hint("The log may say more: dmesg");
		return EXIT_REFUSED;
	}
	hint("CAP_NET_ADMIN is needed; run as root.");
	return EXIT_RIGHTS;
}

int setup_mac(struct setup *setup)
{
	unsigned char perm[MAC_LEN];
	const char *dev = setup->dev;
	int err;

	if (setup->own_mac)
		return EXIT_OK;
	err = nic_get_permanent_mac(dev, perm);
	if (err)
		return failed(dev, "has no address", err);
	mac_derive(perm, setup->mac);
	return EXIT_OK;
}

int setup_nic(struct setup *setup)
{
	const char *dev = setup->dev;
	int err;

	err = nic_exists(dev);
	if (err) {
		say(-err, "%s", dev);
		hint("List the devices of this network namespace: ip link");
		return EXIT_NIC;
	}
	/* What stands in the way, BINDDEV says better than an errno does. */
	nic_need_queues(dev, setup->queues ?: 1);
	return setup_mac(setup);
}

int setup_up(const struct setup *setup)
{
	int err;

	err = nic_up(setup->dev);
	if (err)
		return failed(setup->dev, "cannot bring the link up", err);
	return EXIT_OK;
}
