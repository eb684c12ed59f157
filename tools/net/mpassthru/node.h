/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MPCTL_NODE_H
#define MPCTL_NODE_H

#include <stdbool.h>

#include "setup.h"

/* Opens /dev/net/mp.  Returns a descriptor, or minus an EXIT_ status. */
int node_open(void);

/*
 * Binds that queue of @setup->dev to @fd, @shared: with others, and has the NIC
 * receive what its guest is to get, for as long as it is bound.  Returns an
 * EXIT_ status; what failed has been said.
 */
int node_bind(int fd, const struct setup *setup, unsigned int queue,
	      bool shared);

#endif /* MPCTL_NODE_H */
