/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MP_LINK_H
#define MP_LINK_H

/*
 * Devices on top of others, and where devices are, by rtnetlink.  @ns is a
 * network namespace, -1 for the caller's.  All return 0 or a negative errno.
 */
int link_ns(const char *path);			/* the descriptor of one */
int link_add(const char *kind, const char *name, int lower, int vlan);
int link_del(const char *name);
int link_move(int ns, const char *name, int to);
/* A number that rtnetlink tells of it: IFLA_PROMISCUITY, ... */
long long link_get(int ns, const char *name, int type);

#endif /* MP_LINK_H */
