// SPDX-License-Identifier: GPL-2.0
/* Descriptors of a process that runs, by pidfd_getfd(2). */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/syscall.h>

#include "mpctl.h"
#include "take.h"

int take_number(const char *name, const char *text, int min, int *val)
{
	char *end;
	long n;

	n = strtol(text, &end, 10);
	if (*end || end == text || n < min || n > 0x7fffffff) {
		say(0, "--%s %s: not a number of one", name, text);
		hint("The numbers are those of: mpctl show");
		return EXIT_USAGE;
	}
	*val = n;
	return EXIT_OK;
}

int take_from(pid_t pid)
{
	int pidfd, err;

	pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (pidfd >= 0)
		return pidfd;
	err = errno;
	say(err, "process %d", pid);
	return err == ESRCH ? -EXIT_NOTHING : -EXIT_SYSTEM;
}

static int take(int pidfd, int fd)
{
	return syscall(SYS_pidfd_getfd, pidfd, fd, 0);
}

int take_node(const struct holder *holder, int pidfd)
{
	struct holder copy = { .pid = getpid() };
	int err;

	copy.fd = take(pidfd, holder->fd);
	if (copy.fd < 0) {
		err = errno;
		say(err, "descriptor %d of process %d", holder->fd,
		    holder->pid);
		/* The process has ended, or closed it. */
		if (err == ESRCH || err == EBADF)
			return -EXIT_NOTHING;
		if (err != EPERM)
			return -EXIT_SYSTEM;
		hint("CAP_SYS_PTRACE is needed; run as root.");
		return -EXIT_RIGHTS;
	}
	/* It may have been closed since, and be another file. */
	if (!holder_read(&copy) || strcmp(copy.dev, holder->dev) ||
	    copy.queue != holder->queue || copy.netns != holder->netns) {
		say(0, "descriptor %d of process %d has just changed",
		    holder->fd, holder->pid);
		hint("Look again: mpctl show");
		return -EXIT_NOTHING;
	}
	return copy.fd;
}
