/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MP_URING_H
#define MP_URING_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/io_uring.h>
#include <linux/mpassthru.h>

/* A ring of io_uring, by its system calls.  One thread has it. */
struct uring {
	int			fd;
	unsigned int		flags;		/* IORING_SETUP_* */
	unsigned int		made;		/* SQEs not submitted yet */
	unsigned int		tail;		/* end of them */
	void			*rings;
	size_t			rings_size;
	struct io_uring_sqe	*sqes;
	size_t			sqes_size;
	unsigned int		*sq_head;
	unsigned int		*sq_tail;
	unsigned int		*sq_flags;
	unsigned int		sq_entries;
	unsigned int		*cq_head;
	unsigned int		*cq_tail;
	unsigned int		cq_mask;
	struct io_uring_cqe	*cqes;
};

/* All return 0 or a negative errno unless they say otherwise. */

/* So many SQEs at a time, and eight times as many CQEs. */
int uring_open(struct uring *r, unsigned int entries, unsigned int flags);
void uring_close(struct uring *r);

/* The next SQE, with nothing in it; submits what was made when it has to. */
struct io_uring_sqe *uring_sqe(struct uring *r);
/* A command to an mp descriptor. */
struct io_uring_sqe *uring_cmd(struct uring *r, int fd, __u32 op,
			       const struct mpassthru_uring_cmd *arg,
			       __u64 data);
struct io_uring_sqe *uring_mp(struct uring *r, int fd, __u32 op,
			      const void *addr, __u32 len, __u64 data);
struct io_uring_sqe *uring_stop(struct uring *r, int fd, __u32 what,
				__u64 data);
/* Submits, and waits for @n CQEs; 0 also when they did not come in @ms. */
int uring_enter(struct uring *r, unsigned int n, int ms);
/*
 * Until none of the SQEs waits for a thread of the kernel's: then descriptors
 * that they name may be closed.  False when it did not come to that in @ms.
 */
bool uring_taken(struct uring *r, int ms);
/* An eventfd that each CQE is told to, or a negative errno. */
int uring_eventfd(struct uring *r);
/* Takes a CQE that is there. */
bool uring_next(struct uring *r, struct io_uring_cqe *cqe);
/* The same, and waits for it. */
bool uring_wait(struct uring *r, struct io_uring_cqe *cqe, int ms);

#endif /* MP_URING_H */
