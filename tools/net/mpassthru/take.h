/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MPCTL_TAKE_H
#define MPCTL_TAKE_H

#include <sys/types.h>

#include "holder.h"

/*
 * Descriptors of a process that runs: copies of them, which close when a
 * command is executed.
 */

/* Returns a pidfd, or minus an EXIT_ status; what failed has been said. */
int take_from(pid_t pid);

/*
 * That of /dev/net/mp which was found, as it was found.  Returns it, or minus
 * an EXIT_ status, as above.
 */
int take_node(const struct holder *holder, int pidfd);

/* The value of --@name, @min at least.  Returns an EXIT_ status, as above. */
int take_number(const char *name, const char *text, int min, int *val);

#endif /* MPCTL_TAKE_H */
