/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MPCTL_H
#define MPCTL_H

#define MP_NODE		"/dev/net/mp"

/* Descriptors of a NIC at most: as many as the kernel binds. */
#define MAX_QUEUES	16

/* Exit statuses; --help lists them, scripts may rely on them. */
enum {
	EXIT_OK		= 0,
	EXIT_USAGE	= 1,	/* wrong command line */
	EXIT_NODE	= 2,	/* /dev/net/mp is missing */
	EXIT_NIC	= 3,	/* no such network device */
	EXIT_RIGHTS	= 4,	/* not allowed */
	EXIT_REFUSED	= 5,	/* the NIC cannot be bound as it is */
	EXIT_SYSTEM	= 6,	/* any other failed system call */
	EXIT_NOTHING	= 7,	/* no descriptor was found */
	EXIT_NOEXEC	= 126,	/* the command cannot be executed */
	EXIT_NOCMD	= 127,	/* the command was not found */
};

int mpctl_bind(int argc, char **argv);
int mpctl_helper(int argc, char **argv);
int mpctl_rebind(int argc, char **argv);
int mpctl_share(int argc, char **argv);
int mpctl_show(int argc, char **argv);

/* ": TEXT of @err", or nothing when it is 0; valid until the next call. */
const char *say_errno(int err);

/* "mpctl: TEXT: what @err means" */
#define say(err, fmt, ...) \
	fprintf(stderr, "mpctl: " fmt "%s\n", ##__VA_ARGS__, say_errno(err))

/* An indented line that says what to do about it. */
#define hint(fmt, ...) \
	fprintf(stderr, "       " fmt "\n", ##__VA_ARGS__)

#endif /* MPCTL_H */
