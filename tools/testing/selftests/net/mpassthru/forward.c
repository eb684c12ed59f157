// SPDX-License-Identifier: GPL-2.0
/*
 * forward DEV DEV: every frame that one of two NICs receives, the other one
 * sends, from the memory that it was received into; by io_uring, and until it
 * is told to end (SIGINT, SIGTERM).  Then it says what it did.
 *
 * In place of a DEV, the number of a descriptor of /dev/net/mp that is bound.
 *
 * A buffer is with the NIC that receives, then with the one that sends, and
 * then with the first again: no frame is copied, nothing is allocated, and a
 * NIC that receives faster than the other sends runs out of buffers, and drops.
 */

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/if_tun.h>
#include <linux/virtio_net.h>

#include "mp.h"
#include "say.h"
#include "uring.h"

#define BUFS	512		/* that each NIC receives into */
#define ROOM	2048		/* bytes of one: none crosses a page */
#define ENTRIES	1024
#define PAUSE	10000		/* us, while a queue is detached */

struct side {
	int		fd;
	unsigned char	*mem;
	__u64		received;
	__u64		sent;
	__u64		bytes;
	__u64		failed;		/* to be sent */
	__u64		refused;	/* to be received into, for now */
};

static struct side sides[2];
static unsigned int out;		/* commands */
static bool put_off;			/* some are to be posted later */
static bool told;			/* to end */

static void end(int sig)
{
	(void)sig;
	__atomic_store_n(&told, true, __ATOMIC_RELAXED);
}

static bool ended(void)
{
	return __atomic_load_n(&told, __ATOMIC_RELAXED);
}

/* What a CQE is about: the buffer, whose it is, and what was done with it. */
static __u64 data_of(unsigned int side, unsigned int buf, bool send)
{
	return (__u64)send << 32 | side << 16 | buf;
}

static int post(struct uring *r, unsigned int side, unsigned int buf)
{
	struct side *s = &sides[side];

	out++;
	return uring_mp(r, s->fd, MPASSTHRU_URING_RECV, s->mem + buf * ROOM,
			ROOM, data_of(side, buf, false)) ? 0 : -EIO;
}

static int pass_on(struct uring *r, unsigned int side, unsigned int buf,
		   __u32 len)
{
	struct side *s = &sides[side];

	out++;
	return uring_mp(r, sides[!side].fd, MPASSTHRU_URING_SEND,
			s->mem + buf * ROOM, len,
			data_of(side, buf, true)) ? 0 : -EIO;
}

static int received(struct uring *r, unsigned int side, unsigned int buf,
		    int res)
{
	struct side *s = &sides[side];

	/* Not now: the NIC has others of ours meanwhile. */
	if (res == -EAGAIN || !res) {
		s->refused++;
		put_off |= res == -EAGAIN;
		return post(r, side, buf);
	}
	if (res < 0)
		return res;
	s->received++;
	s->bytes += res - sizeof(struct virtio_net_hdr_mrg_rxbuf);
	return pass_on(r, side, buf, res);
}

static int sent(struct uring *r, unsigned int side, unsigned int buf, int res)
{
	if (res > 0)
		sides[!side].sent++;
	else
		sides[!side].failed++;
	return res == -ECANCELED || res == -ENOTCONN ? res :
						       post(r, side, buf);
}

/* All CQEs that are there.  When it is to end, buffers stay where they are. */
static int take(struct uring *r)
{
	struct io_uring_cqe cqe;
	unsigned int side, buf;
	int err = 0;
	bool send;

	while (!err && uring_next(r, &cqe)) {
		send = cqe.user_data >> 32;
		side = cqe.user_data >> 16 & 1;
		buf = cqe.user_data & 0xffff;
		out--;
		if (ended()) {
			sides[!side].sent += send && cqe.res > 0;
			continue;
		}
		err = send ? sent(r, side, buf, cqe.res) :
			     received(r, side, buf, cqe.res);
		if (err)
			say("%s: %s", send ? "send" : "receive",
			    strerror(-err));
	}
	return err;
}

static int begin(struct uring *r)
{
	int hdr_len = sizeof(struct virtio_net_hdr_mrg_rxbuf), err;
	size_t size = BUFS * ROOM;
	unsigned char *mem;
	unsigned int i;

	mem = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (mem == MAP_FAILED)
		return -errno;
	err = uring_open(r, ENTRIES, IORING_SETUP_SINGLE_ISSUER |
				     IORING_SETUP_DEFER_TASKRUN);
	for (i = 0; i < 2 && !err; i++) {
		sides[i].mem = mem + i * size;
		if (ioctl(sides[i].fd, TUNSETVNETHDRSZ, &hdr_len) < 0)
			err = -errno;
	}
	for (i = 0; i < 2 * BUFS && !err; i++)
		err = post(r, i % 2, i / 2);
	return err ?: uring_enter(r, 0, 0);
}

/* Both directions of both go back, and no command is outstanding. */
static int finish(struct uring *r)
{
	const __u32 both = MPASSTHRU_URING_STOP_RECV |
			   MPASSTHRU_URING_STOP_SEND;
	int err = 0, i;

	for (i = 0; i < 2; i++, out++)
		if (!uring_stop(r, sides[i].fd, both, 0))
			return -EIO;
	while (out && !err) {
		err = uring_enter(r, 1, 1000);
		take(r);
	}
	return err;
}

static void tell(const char *name, const struct side *s)
{
	printf("%s: received %llu frames of %llu bytes, copied %lld of them\n",
	       name, s->received, s->bytes,
	       mp_count(s->fd, "bounced") + mp_count(s->fd, "copied"));
	printf("%s: sent %llu, not sent %llu; of these %lld were copied\n",
	       name, s->sent, s->failed,
	       mp_count(s->fd, "tx-bounced") + mp_count(s->fd, "tx-copied"));
}

static int descriptor(const char *arg)
{
	int fd, err;

	if (isdigit((unsigned char)*arg))
		return atoi(arg);
	fd = mp_open();
	if (fd < 0)
		return fd;
	err = mp_bind(fd, arg);
	return err ?: fd;
}

int main(int argc, char **argv)
{
	struct sigaction act = { .sa_handler = end };
	struct uring r;
	int err = 0, i;

	if (argc != 3) {
		fprintf(stderr, "usage: forward DEV DEV\n");
		return 2;
	}
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	for (i = 0; i < 2; i++) {
		sides[i].fd = descriptor(argv[i + 1]);
		if (sides[i].fd < 0) {
			say("%s: %s", argv[i + 1], strerror(-sides[i].fd));
			return 1;
		}
	}
	err = begin(&r);
	if (err)
		say("%s", strerror(-err));
	while (!err && !ended()) {
		put_off = false;
		err = uring_enter(&r, 1, 1000) ?: take(&r);
		/* They are submitted after that, or it would be all we do. */
		if (put_off)
			usleep(PAUSE);
	}
	end(0);
	if (!err)
		err = finish(&r);
	for (i = 0; i < 2; i++)
		tell(argv[i + 1], &sides[i]);
	return !!err;
}
