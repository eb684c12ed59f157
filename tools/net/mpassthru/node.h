/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MPCTL_NODE_H
#define MPCTL_NODE_H

/* Opens /dev/net/mp.  Returns a descriptor, or minus an EXIT_ status. */
int node_open(void);

/*
 * Binds that queue of @dev to @fd.  Returns an EXIT_ status; what failed has
 * been said.
 */
int node_bind(int fd, const char *dev, unsigned int queue);

#endif /* MPCTL_NODE_H */
