/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MP_RTNL_H
#define MP_RTNL_H

#include <linux/types.h>

/* What others do to network devices: requests of rtnetlink. */

int rtnl_open(void);			/* a socket, or -errno */
/* RTM_NEWLINK: the alias of device @index; waits for the answer. 0 or -errno */
int rtnl_alias(int sock, int index, const char *alias);
/*
 * A queueing discipline of device @index at @parent, with its defaults: put in
 * its place, or taken away when @kind is NULL.
 */
int rtnl_qdisc(int sock, int index, __u32 parent, const char *kind);

#endif /* MP_RTNL_H */
