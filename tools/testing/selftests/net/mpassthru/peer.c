// SPDX-License-Identifier: GPL-2.0
/* The far end of the wire. */

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>

#include "clock.h"
#include "nic.h"
#include "peer.h"
#include "say.h"

static int enter_netns(const char *netns)
{
	char path[128];
	int fd, err = 0;

	snprintf(path, sizeof(path), "/var/run/netns/%s", netns);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		err = -errno;
	if (fd >= 0)
		close(fd);
	return err;
}

/*
 * The last packet socket of a device gets a frame that nobody else wants when
 * NAPI is done with its batch, others at once: frames would overtake each
 * other.  The oldest socket is the last one, so there is one behind ours, which
 * takes nothing.
 */
static int open_behind(const struct sockaddr_ll *addr)
{
	struct sock_filter nothing = { .code = BPF_RET | BPF_K };
	struct sock_fprog prog = { .len = 1, .filter = &nothing };
	int fd;

	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (!setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog,
			sizeof(prog)) &&
	    !bind(fd, (const struct sockaddr *)addr, sizeof(*addr)))
		return fd;
	close(fd);
	return -errno;
}

/* The thread is in the peer's network namespace while this runs. */
static int peer_socket(struct peer *p)
{
	struct sockaddr_ll addr = {
		.sll_family	= AF_PACKET,
		.sll_protocol	= htons(ETH_P_ALL),
	};
	struct packet_mreq promisc = { .mr_type = PACKET_MR_PROMISC };
	int one = 1, size = 8 << 20;

	p->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (p->fd < 0)
		return -errno;
	nic_quiet(p->dev);
	addr.sll_ifindex = nic_index(p->fd, p->dev);
	if (addr.sll_ifindex < 0)
		return addr.sll_ifindex;
	p->behind = open_behind(&addr);
	if (p->behind < 0)
		return p->behind;
	setsockopt(p->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	/* A NIC filters VLANs otherwise. */
	promisc.mr_ifindex = addr.sll_ifindex;
	setsockopt(p->fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &promisc,
		   sizeof(promisc));
	setsockopt(p->fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one));
	setsockopt(p->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one,
		   sizeof(one));
	if (bind(p->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		return -errno;
	return 0;
}

int peer_open(struct peer *p, const char *netns, const char *dev,
	      const unsigned char *dst)
{
	int home, err = 0;

	*p = (struct peer) { .fd = -1, .behind = -1, .dev = dev };
	home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	if (home < 0)
		return -errno;
	if (netns)
		err = enter_netns(netns);
	if (!err)
		err = peer_socket(p);
	if (netns && setns(home, CLONE_NEWNET) < 0)
		err = -errno;
	close(home);

	err = err ?: nic_up(p->fd, dev);
	err = err ?: nic_wait_running(p->fd, dev);
	err = err ?: nic_get_mac(p->fd, dev, p->mac);
	if (err) {
		say("%s: %s", dev, strerror(-err));
		peer_close(p);
		return err;
	}
	/* One frame on the wire must be one frame in the socket. */
	nic_set_gro(p->fd, dev, false);
	memcpy(p->frame.src, p->mac, 6);
	memcpy(p->frame.dst, dst, 6);
	p->frame.stream = frame_stream();
	return 0;
}

void peer_close(struct peer *p)
{
	peer_calm(p);
	if (p->fd < 0)
		return;
	close(p->fd);
	if (p->behind >= 0)
		close(p->behind);
	p->fd = -1;
}

int peer_send_raw(struct peer *p, const void *buf, size_t len)
{
	struct pollfd pfd = { .fd = p->fd, .events = POLLOUT };
	long long end = clock_ms() + clock_patience();

	while (send(p->fd, buf, len, MSG_DONTWAIT) < 0) {
		if (errno != EAGAIN && errno != ENOBUFS) {
			say("%zu bytes: %s", len, strerror(errno));
			return -errno;
		}
		if (clock_ms() >= end || __atomic_load_n(&p->stop,
							 __ATOMIC_RELAXED))
			return -ETIMEDOUT;
		poll(&pfd, 1, 10);
	}
	return 0;
}

int peer_send(struct peer *p, size_t len)
{
	unsigned char buf[FRAME_BUF];

	frame_build(&p->frame, buf, p->seq++, len);
	return peer_send_raw(p, buf, len);
}

int peer_send_n(struct peer *p, unsigned int n, size_t len, size_t step)
{
	int err = 0;

	for (; n && !err; n--, len += step)
		err = peer_send(p, len);
	return err;
}

static void read_auxdata(struct msghdr *msg, struct tpacket_auxdata *aux)
{
	struct cmsghdr *cmsg;

	memset(aux, 0, sizeof(*aux));
	for (cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg))
		if (cmsg->cmsg_level == SOL_PACKET &&
		    cmsg->cmsg_type == PACKET_AUXDATA)
			memcpy(aux, CMSG_DATA(cmsg), sizeof(*aux));
}

/* The stack takes the tag out of the frame before a packet socket sees it. */
static int put_tag_back(struct peer *p, const struct tpacket_auxdata *aux,
			void *buf, int len, size_t size)
{
	__u16 tag[2] = { htons(aux->tp_vlan_tpid), htons(aux->tp_vlan_tci) };

	if (!(aux->tp_status & TP_STATUS_VLAN_VALID) || len < 12 ||
	    len + sizeof(tag) > size)
		return len;
	memmove(buf + 12 + sizeof(tag), buf + 12, len - 12);
	memcpy(buf + 12, tag, sizeof(tag));
	p->untagged++;
	return len + sizeof(tag);
}

int peer_recv(struct peer *p, void *buf, size_t size, int ms, bool *partial)
{
	char control[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	struct pollfd pfd = { .fd = p->fd, .events = POLLIN };
	struct iovec iov = { .iov_base = buf, .iov_len = size };
	struct tpacket_auxdata aux;
	struct msghdr msg = {
		.msg_iov	= &iov,
		.msg_iovlen	= 1,
		.msg_control	= control,
		.msg_controllen	= sizeof(control),
	};
	int len;

	if (!poll(&pfd, 1, ms))
		return 0;
	len = recvmsg(p->fd, &msg, MSG_DONTWAIT);
	if (len < 0)
		return len;
	read_auxdata(&msg, &aux);
	if (partial)
		*partial = aux.tp_status & TP_STATUS_CSUMNOTREADY;
	return put_tag_back(p, &aux, buf, len, size);
}

__u32 peer_dropped(struct peer *p)
{
	struct tpacket_stats stats = {};
	socklen_t len = sizeof(stats);

	/* Those since it was asked last. */
	if (!getsockopt(p->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len))
		p->dropped += stats.tp_drops;
	return p->dropped;
}

bool peer_expect(struct peer *p, const struct frame *f, __u32 seq, int ms)
{
	long long end = clock_ms() + ms;
	unsigned char buf[FRAME_BUF];
	__u32 got;
	int len;

	while (clock_ms() < end) {
		len = peer_recv(p, buf, sizeof(buf), 100, NULL);
		if (len <= 0)
			continue;
		switch (frame_check(f, buf, len, &got)) {
		case FRAME_FOREIGN:
			continue;
		case FRAME_BAD:
			return false;
		}
		if (got != seq)
			say("frame %u came in the place of %u", got, seq);
		return got == seq;
	}
	if (ms >= clock_patience())
		say("frame %u did not come", seq);
	return false;
}

void peer_drain(struct peer *p)
{
	unsigned char buf[FRAME_BUF];

	while (peer_recv(p, buf, sizeof(buf), 0, NULL) > 0)
		;
}

static void *flood(void *arg)
{
	struct peer *p = arg;
	size_t len;

	while (!__atomic_load_n(&p->stop, __ATOMIC_RELAXED)) {
		len = p->flood_len ?:
		      FRAME_MIN + p->seq * 37 % (FRAME_MAX - FRAME_MIN + 1);
		if (peer_send(p, len))
			break;
		/* Not more than the emulated wire carries off in a second. */
		if (!(p->seq % 32))
			usleep(1000);
	}
	return NULL;
}

int peer_flood(struct peer *p, size_t len)
{
	int err;

	p->flood_len = len;
	p->stop = false;
	err = pthread_create(&p->thread, NULL, flood, p);
	p->flooding = !err;
	p->flooded = true;
	return -err;
}

void peer_calm(struct peer *p)
{
	if (!p->flooding)
		return;
	__atomic_store_n(&p->stop, true, __ATOMIC_RELAXED);
	pthread_join(p->thread, NULL);
	p->flooding = false;
	p->stop = false;
}
