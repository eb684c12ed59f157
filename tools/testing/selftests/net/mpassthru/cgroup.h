/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MP_CGROUP_H
#define MP_CGROUP_H

#include <stdbool.h>
#include <stddef.h>

/* A memory cgroup (version 2) of our own. */
struct cgroup {
	char	root[64];
	char	dir[128];
	bool	mounted;	/* by us */
};

/* 0; -EOPNOTSUPP when there is no memory controller, or another -errno. */
int cgroup_open(struct cgroup *c);
void cgroup_close(struct cgroup *c);
/* Move the calling process to it. */
int cgroup_join(struct cgroup *c);
/* In bytes; what is over it is reclaimed, and who charges is slowed down. */
int cgroup_set_high(struct cgroup *c, size_t high);

#endif /* MP_CGROUP_H */
