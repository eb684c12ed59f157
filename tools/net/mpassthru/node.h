/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MPCTL_NODE_H
#define MPCTL_NODE_H

#include <stdbool.h>

/* Opens /dev/net/mp.  Returns a descriptor, or minus an EXIT_ status. */
int node_open(void);

/*
 * Binds that queue of @dev to @fd, @shared: with others.  Returns an EXIT_
 * status; what failed has been said.
 */
int node_bind(int fd, const char *dev, unsigned int queue, bool shared);

#endif /* MPCTL_NODE_H */
