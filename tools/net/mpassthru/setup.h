/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MPCTL_SETUP_H
#define MPCTL_SETUP_H

#include <stdbool.h>

#include "mac.h"

/* How a NIC is to be for its guest. */
struct setup {
	const char	*dev;
	unsigned int	queues;		/* to be bound, from 0 on; 0 for 1 */
	bool		filter;		/* the NIC's filters stay in force */
	bool		own_mac;	/* mac was given, not derived */
	unsigned char	mac[MAC_LEN];	/* of the guest */
};

/*
 * What the options mean that bind and rebind share: 'q' is --queues, 'm' --mac,
 * 'f' --filter, 'p' --promisc, with @arg.  Returns an EXIT_ status.
 */
int setup_option(struct setup *setup, int opt, const char *arg);

/*
 * Fills in @setup->mac if it was not given.  Returns an EXIT_ status; what
 * failed has been said.
 */
int setup_mac(struct setup *setup);

/*
 * Before the NIC is bound: enough queues; and fills in @setup->mac if it was
 * not given.  Returns an EXIT_ status; what failed has been said.
 */
int setup_nic(struct setup *setup);

/* Brings the NIC up, once it is bound.  Returns an EXIT_ status, as above. */
int setup_up(const struct setup *setup);

#endif /* MPCTL_SETUP_H */
