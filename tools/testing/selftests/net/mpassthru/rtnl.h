/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MP_RTNL_H
#define MP_RTNL_H

/* What others do to network devices: requests of rtnetlink. */

int rtnl_open(void);			/* a socket, or -errno */
/* RTM_NEWLINK: the alias of device @index; waits for the answer. 0 or -errno */
int rtnl_alias(int sock, int index, const char *alias);

#endif /* MP_RTNL_H */
