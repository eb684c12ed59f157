// SPDX-License-Identifier: GPL-2.0
/* Rings of io_uring, without liburing, which not every root has. */

#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "say.h"
#include "uring.h"

static int setup(unsigned int entries, struct io_uring_params *p)
{
	int fd = syscall(__NR_io_uring_setup, entries, p);

	return fd < 0 ? -errno : fd;
}

int uring_open(struct uring *r, unsigned int entries, unsigned int flags)
{
	struct io_uring_params p = {
		.flags		= flags | IORING_SETUP_CQSIZE,
		.cq_entries	= 8 * entries,
		.sq_thread_idle	= 1000,
	};
	size_t sq, cq;
	unsigned int i, *array;

	*r = (struct uring) { .fd = -1, .flags = flags };
	r->fd = setup(entries, &p);
	if (r->fd < 0)
		return r->fd;

	sq = p.sq_off.array + p.sq_entries * sizeof(__u32);
	cq = p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe);
	r->rings_size = sq > cq ? sq : cq;
	r->rings = mmap(NULL, r->rings_size, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_POPULATE, r->fd, IORING_OFF_SQ_RING);
	r->sqes_size = p.sq_entries * sizeof(struct io_uring_sqe);
	r->sqes = mmap(NULL, r->sqes_size, PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_POPULATE, r->fd, IORING_OFF_SQES);
	if (r->rings == MAP_FAILED || r->sqes == MAP_FAILED) {
		say("mmap: %s", strerror(errno));
		uring_close(r);
		return -ENOMEM;
	}

	r->sq_head = r->rings + p.sq_off.head;
	r->sq_tail = r->rings + p.sq_off.tail;
	r->sq_flags = r->rings + p.sq_off.flags;
	r->sq_entries = p.sq_entries;
	r->cq_head = r->rings + p.cq_off.head;
	r->cq_tail = r->rings + p.cq_off.tail;
	r->cq_mask = p.cq_entries - 1;
	r->cqes = r->rings + p.cq_off.cqes;
	/* SQEs in the order in which they lie. */
	array = r->rings + p.sq_off.array;
	for (i = 0; i < p.sq_entries; i++)
		array[i] = i;
	return 0;
}

void uring_close(struct uring *r)
{
	if (r->fd < 0)
		return;
	if (r->sqes != MAP_FAILED)
		munmap(r->sqes, r->sqes_size);
	if (r->rings != MAP_FAILED)
		munmap(r->rings, r->rings_size);
	close(r->fd);
	r->fd = -1;
}

struct io_uring_sqe *uring_sqe(struct uring *r)
{
	struct io_uring_sqe *sqe;

	while (r->tail - __atomic_load_n(r->sq_head, __ATOMIC_ACQUIRE) ==
	       r->sq_entries)
		if (uring_enter(r, 0, 0))
			return NULL;
	sqe = &r->sqes[r->tail++ & (r->sq_entries - 1)];
	memset(sqe, 0, sizeof(*sqe));
	r->made++;
	return sqe;
}

struct io_uring_sqe *uring_cmd(struct uring *r, int fd, __u32 op,
			       const struct mpassthru_uring_cmd *arg,
			       __u64 data)
{
	struct io_uring_sqe *sqe = uring_sqe(r);

	if (!sqe)
		return NULL;
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = fd;
	sqe->cmd_op = op;
	sqe->user_data = data;
	memcpy((char *)sqe + offsetof(struct io_uring_sqe, cmd), arg,
	       sizeof(*arg));
	return sqe;
}

struct io_uring_sqe *uring_mp(struct uring *r, int fd, __u32 op,
			      const void *addr, __u32 len, __u64 data)
{
	struct mpassthru_uring_cmd arg = {
		.addr	= (uintptr_t)addr,
		.len	= len,
	};

	return uring_cmd(r, fd, op, &arg, data);
}

struct io_uring_sqe *uring_stop(struct uring *r, int fd, __u32 what,
				__u64 data)
{
	struct mpassthru_uring_cmd arg = { .flags = what };

	return uring_cmd(r, fd, MPASSTHRU_URING_STOP, &arg, data);
}

int uring_enter(struct uring *r, unsigned int n, int ms)
{
	struct __kernel_timespec ts = {
		.tv_sec		= ms / 1000,
		.tv_nsec	= ms % 1000 * 1000000LL,
	};
	struct io_uring_getevents_arg arg = { .ts = (uintptr_t)&ts };
	/* Task work of a deferred ring runs in here only. */
	unsigned int flags = IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG;
	int ret;

	/* A thread of the kernel's sees them from here on, and may sleep. */
	__atomic_store_n(r->sq_tail, r->tail, __ATOMIC_RELEASE);
	if (r->flags & IORING_SETUP_SQPOLL) {
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
		if (__atomic_load_n(r->sq_flags, __ATOMIC_RELAXED) &
		    IORING_SQ_NEED_WAKEUP)
			flags |= IORING_ENTER_SQ_WAKEUP;
	}
	ret = syscall(__NR_io_uring_enter, r->fd, r->made, n, flags, &arg,
		      sizeof(arg));
	if (ret < 0 && (errno == ETIME || errno == EINTR))
		ret = 0;
	if (ret < 0)
		return -errno;
	r->made -= ret;
	return 0;
}

bool uring_taken(struct uring *r, int ms)
{
	long long end = clock_ms() + ms;

	if (uring_enter(r, 0, 0))
		return false;
	while (__atomic_load_n(r->sq_head, __ATOMIC_ACQUIRE) != r->tail) {
		if (clock_ms() > end) {
			say("SQEs wait");
			return false;
		}
		usleep(1000);
	}
	return true;
}

int uring_eventfd(struct uring *r)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), err;

	if (fd >= 0 && !syscall(__NR_io_uring_register, r->fd,
				IORING_REGISTER_EVENTFD, &fd, 1))
		return fd;
	err = -errno;
	if (fd >= 0)
		close(fd);
	return err;
}

bool uring_next(struct uring *r, struct io_uring_cqe *cqe)
{
	unsigned int head = *r->cq_head;

	if (head == __atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE))
		return false;
	*cqe = r->cqes[head & r->cq_mask];
	__atomic_store_n(r->cq_head, head + 1, __ATOMIC_RELEASE);
	return true;
}

bool uring_wait(struct uring *r, struct io_uring_cqe *cqe, int ms)
{
	long long end = clock_ms() + ms, left = ms;
	int err;

	while (!uring_next(r, cqe)) {
		err = uring_enter(r, 1, left);
		if (err) {
			say("io_uring_enter: %s", strerror(-err));
			return false;
		}
		left = end - clock_ms();
		if (left <= 0)
			return uring_next(r, cqe);
	}
	return true;
}
