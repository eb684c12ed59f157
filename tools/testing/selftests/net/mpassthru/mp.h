/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MP_MP_H
#define MP_MP_H

#include <stdbool.h>
#include <stddef.h>

#define MP_NODE		"/dev/net/mp"

/* The control device.  Negative errnos for errors. */
int mp_open(void);
int mp_bind(int fd, const char *dev);
/* The same; @msg receives the kernel's text. */
int mp_bind_msg(int fd, const char *dev, char *msg, size_t size);
/* The same, of another queue than 0. */
int mp_bind_queue(int fd, const char *dev, unsigned int queue, char *msg,
		  size_t size);
int mp_unbind(int fd);

/* TUNSETQUEUE, and IFF_* as of TUNGETIFF. */
int mp_attach_queue(int fd, bool attached);
int mp_iff_flags(int fd);

/* A line of the descriptor's fdinfo, "mp-NAME"; -ENOENT without it. */
int mp_text(int fd, const char *name, char *text, size_t size);
long long mp_count(int fd, const char *name);

/* VmPin of this process; and wait until it is not more than @kb again. */
long long mp_pinned_kb(void);
int mp_wait_unpinned(long long kb);

#endif /* MP_MP_H */
