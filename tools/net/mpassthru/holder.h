/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MPCTL_HOLDER_H
#define MPCTL_HOLDER_H

#include <net/if.h>
#include <stdbool.h>
#include <sys/types.h>

/* A process that has a descriptor of /dev/net/mp. */
struct holder {
	pid_t		pid;
	int		fd;
	char		comm[32];
	char		dev[IFNAMSIZ];	/* "" when nothing is bound */
	unsigned long long netns;	/* that the device is of: its cookie */
	unsigned int	queue;		/* of it, or the last that was bound */
};

/* Returns false to see no more. */
typedef bool (*holder_fn)(const struct holder *holder, void *arg);

/*
 * Calls @fn for each holder but this process.  Returns 0; -EACCES when some
 * process did not let us look; or another negative errno.
 */
int holder_each(holder_fn fn, void *arg);

/*
 * Is @holder->fd of process @holder->pid a descriptor of /dev/net/mp?  If so,
 * fills in the rest.
 */
bool holder_read(struct holder *holder);

/* Are we in another network namespace than that which it was opened in? */
bool holder_other_netns(const struct holder *holder);

/* Splits "mp-NAME:\tVALUE\n" in place; false for a line of another kind. */
bool holder_parse_line(char *line, char **name, char **value);

#endif /* MPCTL_HOLDER_H */
