/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MPCTL_COMMAND_H
#define MPCTL_COMMAND_H

/*
 * The command that is given descriptors: in it %fd stands for the first, %fds
 * for all of them and %mac for the address of the guest.
 */

/*
 * Does @cmd take so many descriptors?  Returns an EXIT_ status; what is wrong
 * has been said.
 */
int command_check(char **cmd, unsigned int queues);

/* Executes @cmd, NULL terminated.  Returns an EXIT_ status when that failed. */
int command_run(const int *fds, unsigned int n, const unsigned char *mac,
		char **cmd);

/* What to tell somebody who gave no command to @what ("bind", "share"). */
void command_hint(const char *what);

#endif /* MPCTL_COMMAND_H */
