// SPDX-License-Identifier: GPL-2.0
/* Copy mode: read(2), write(2) and poll(2), as on a tap. */

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include "kselftest_harness.h"

#include "clock.h"
#include "file.h"
#include "nic.h"
#include "segment.h"
#include "wire.h"

/* Where nothing is mapped, wherever that is. */
static void *bad_address(void)
{
	return mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

FIXTURE(copy)
{
	struct wire w;
	unsigned char buf[FRAME_BUF];
};

FIXTURE_VARIANT(copy)
{
	int hdr_len;
};

FIXTURE_VARIANT_ADD(copy, hdr_10)
{
	.hdr_len = 10,
};

FIXTURE_VARIANT_ADD(copy, hdr_12)
{
	.hdr_len = 12,
};

/* The next frame of our peer in @buf, its header before it. */
static int read_frame(struct wire *w, unsigned char *buf, size_t size,
		      int hdr_len, __u32 *seq)
{
	struct pollfd pfd = { .fd = w->fd, .events = POLLIN };
	long long end = clock_ms() + clock_patience();
	int len;

	while (clock_ms() < end) {
		if (!poll(&pfd, 1, 100))
			continue;
		len = read(w->fd, buf, size);
		if (len < hdr_len)
			return -1;
		switch (frame_check(&w->peer.frame, buf + hdr_len,
				    len - hdr_len, seq)) {
		case FRAME_OK:
			return len;
		case FRAME_BAD:
			return -1;
		}
	}
	return 0;
}

/* A link that just came up may lose frames, but none after the first. */
static bool carries(struct wire *w, unsigned char *buf, int hdr_len)
{
	struct pollfd pfd = { .fd = w->fd, .events = POLLIN };
	long long end = clock_ms() + clock_patience();
	__u32 seq;

	do {
		if (clock_ms() > end || peer_send(&w->peer, FRAME_MIN))
			return false;
	} while (!poll(&pfd, 1, 200));
	do {
		if (read_frame(w, buf, FRAME_BUF, hdr_len, &seq) <= 0)
			return false;
	} while (seq != w->peer.seq - 1);
	return true;
}

static struct frame to_peer(struct wire *w)
{
	struct frame f = { .stream = w->peer.frame.stream + 4 };

	memcpy(f.dst, w->peer.mac, 6);
	memcpy(f.src, w->mac, 6);
	return f;
}

/* The same for the other direction. */
static bool carries_out(struct wire *w, unsigned char *buf, int hdr_len)
{
	long long end = clock_ms() + clock_patience();
	struct frame f = to_peer(w);

	while (clock_ms() < end) {
		f.stream = frame_stream();
		memset(buf, 0, hdr_len);
		frame_build(&f, buf + hdr_len, 0, FRAME_MIN);
		if (write(w->fd, buf, hdr_len + FRAME_MIN) < 0)
			return false;
		if (peer_expect(&w->peer, &f, 0, 200))
			return true;
	}
	return false;
}

FIXTURE_SETUP(copy)
{
	const char *missing = wire_missing();
	int size = variant->hdr_len;

	self->w.fd = -1;
	self->w.peer.fd = -1;
	if (missing)
		SKIP(return, "%s", missing);
	ASSERT_EQ(0, wire_open(&self->w));
	ASSERT_EQ(0, ioctl(self->w.fd, TUNSETVNETHDRSZ, &size));
	ASSERT_EQ(0, fcntl(self->w.fd, F_SETFL, O_RDWR | O_NONBLOCK));
	ASSERT_TRUE(carries(&self->w, self->buf, size)) {
		wire_explain(&self->w);
	}
	ASSERT_TRUE(carries_out(&self->w, self->buf, size));
}

FIXTURE_TEARDOWN(copy)
{
	wire_close(&self->w);
}

TEST_F_TIMEOUT(copy, read_sizes, CLOCK_TEST)
{
	size_t len, hdr_len = variant->hdr_len;
	__u32 seq;

	for (len = FRAME_MIN; len <= FRAME_MAX; len++) {
		ASSERT_EQ(0, peer_send(&self->w.peer, len));
		ASSERT_EQ(hdr_len + len,
			  read_frame(&self->w, self->buf, FRAME_BUF, hdr_len,
				     &seq));
		ASSERT_EQ(self->w.peer.seq - 1, seq);
	}
	if (self->w.mp)
		EXPECT_EQ(0, wire_count(&self->w, "zerocopy"));
}

/* The tag is where it was on the wire, also where a read ends amid it. */
TEST_F_TIMEOUT(copy, read_tagged, CLOCK_TEST)
{
	unsigned char want[200];
	struct wire *w = &self->w;
	size_t len, hdr_len = variant->hdr_len;
	long long end;
	int got;
	__u32 seq;

	w->peer.frame.vlan = 0x2064;
	for (len = 64; len <= FRAME_MAX + 4; len += len == 72 ? 1400 : 1) {
		ASSERT_EQ(0, peer_send(&w->peer, len));
		ASSERT_EQ(hdr_len + len,
			  read_frame(w, self->buf, FRAME_BUF, hdr_len, &seq));
		ASSERT_EQ(w->peer.seq - 1, seq);
	}
	for (len = 12; len <= 20; len++) {
		frame_build(&w->peer.frame, want, w->peer.seq, sizeof(want));
		ASSERT_EQ(0, peer_send(&w->peer, sizeof(want)));
		end = clock_ms() + clock_patience();
		do {
			memset(self->buf, 0x5a, FRAME_BUF);
			got = read(w->fd, self->buf, hdr_len + len);
		} while ((got < 0 || memcmp(self->buf + hdr_len, want, 12)) &&
			 clock_ms() < end);
		ASSERT_LE(len, got);
		ASSERT_EQ(0, memcmp(self->buf + hdr_len, want, len));
		ASSERT_EQ(0x5a, self->buf[hdr_len + len]);
	}
}

/* What a header may be long, and that there is nothing in the rest of it. */
TEST_F_TIMEOUT(copy, header_lengths, CLOCK_TEST)
{
	static const unsigned char zeroes[64];
	struct frame f = to_peer(&self->w);
	struct wire *w = &self->w;
	int size;
	__u32 seq;

	peer_drain(&w->peer);
	for (size = 10; size <= 64; size++) {
		ASSERT_EQ(0, ioctl(w->fd, TUNSETVNETHDRSZ, &size));
		ASSERT_EQ(0, peer_send(&w->peer, 400));
		memset(self->buf, 0x5a, FRAME_BUF);
		ASSERT_EQ(size + 400, read_frame(w, self->buf, FRAME_BUF, size,
						 &seq));
		ASSERT_EQ(w->peer.seq - 1, seq);
		if (w->mp)
			ASSERT_EQ(0, memcmp(self->buf + 12, zeroes,
					    size > 12 ? size - 12 : 0));
		memset(self->buf, 0, size);
		frame_build(&f, self->buf + size, size, 400);
		ASSERT_EQ(size + 400, write(w->fd, self->buf, size + 400));
		ASSERT_TRUE(peer_expect(&w->peer, &f, size, clock_patience()));
	}
	size = 9;
	EXPECT_EQ(-1, ioctl(w->fd, TUNSETVNETHDRSZ, &size));
	if (w->mp) {
		size = 65;
		EXPECT_EQ(-1, ioctl(w->fd, TUNSETVNETHDRSZ, &size));
		EXPECT_EQ(EINVAL, errno);
	}
	EXPECT_EQ(0, ioctl(w->fd, TUNGETVNETHDRSZ, &size));
	EXPECT_EQ(64, size);
}

#define SEGMENTS	8
#define SEGMENT_LEN	1000

/*
 * Sends a TCP stream of SEGMENTS; reads it back, whole.  Returns the longest
 * payload of what is read, or -1.
 */
static int stream(struct wire *w, unsigned char *buf, int hdr_len,
		  struct segment *s)
{
	struct pollfd pfd = { .fd = w->fd, .events = POLLIN };
	int i, n, len, want = SEGMENTS * SEGMENT_LEN, longest = 0;
	const unsigned char *payload;
	struct virtio_net_hdr hdr;
	__u32 seq, first = s->seq;

	for (i = 0; i < SEGMENTS; i++, s->id++, s->seq += SEGMENT_LEN) {
		memset(buf + SEGMENT_TCP, i + 1, SEGMENT_LEN);
		len = segment_build(s, buf, SEGMENT_LEN, false);
		if (peer_send_raw(&w->peer, buf, len))
			return -1;
	}
	for (len = 0; len < want; len += n) {
		do {
			if (poll(&pfd, 1, clock_patience()) != 1)
				return -1;
			n = read(w->fd, buf, FRAME_BUF);
			if (n < hdr_len)
				return -1;
			memcpy(&hdr, buf, sizeof(hdr));
			n = segment_parse(s, buf + hdr_len, n - hdr_len,
					  hdr.flags &
					  VIRTIO_NET_HDR_F_NEEDS_CSUM,
					  &seq, &payload);
		} while (n == -1);
		if (n < 0 || seq != first + len || len + n > want)
			return -1;
		if (hdr.gso_type != (n > SEGMENT_LEN ?
				     VIRTIO_NET_HDR_GSO_TCPV4 : 0))
			return -1;
		for (i = 0; i < n; i++)
			if (payload[i] != (len + i) / SEGMENT_LEN + 1)
				return -1;
		longest = n > longest ? n : longest;
	}
	return longest;
}

/*
 * What GRO has put together is one long frame for a reader that takes it, and
 * the segments again for one that does not.
 */
TEST_F_TIMEOUT(copy, segmented, CLOCK_TEST)
{
	const unsigned int tso = TUN_F_CSUM | TUN_F_TSO4;
	long long end = clock_ms() + clock_patience();
	struct segment s = { .tcp = true, .port = 4001, .seq = 1 };
	struct wire *w = &self->w;
	int len, merged = 0;
	char path[128];

	if (!w->mp)
		SKIP(return, "a tap has no GRO");
	memcpy(s.dst, w->mac, 6);
	memcpy(s.src, w->peer.mac, 6);
	/* Frames of the same jiffy wait for each other, if there is time. */
	ASSERT_EQ(0, nic_set_gro(w->sock, w->dev, true));
	snprintf(path, sizeof(path), "/sys/class/net/%s/gro_flush_timeout",
		 w->dev);
	ASSERT_EQ(0, file_write(path, "20000000"));
	while (merged < 4 && clock_ms() < end) {
		ASSERT_EQ(0, ioctl(w->fd, TUNSETOFFLOAD, tso));
		len = stream(w, self->buf, variant->hdr_len, &s);
		EXPECT_LE(SEGMENT_LEN, len);
		merged += len > SEGMENT_LEN;
		ASSERT_EQ(0, ioctl(w->fd, TUNSETOFFLOAD, 0));
		EXPECT_EQ(SEGMENT_LEN, stream(w, self->buf, variant->hdr_len,
					      &s));
		if (len < 0)
			break;
		if (len > SEGMENT_LEN)
			end = clock_ms() + clock_patience();
	}
	EXPECT_EQ(4, merged);
	file_write(path, "0");
}

/* More than the queue takes: the rest is dropped, and that is counted. */
TEST_F_TIMEOUT(copy, dropped, CLOCK_TEST)
{
	long long copied, drops, was, now, end = clock_ms() + clock_patience();
	long long last = clock_ms() + 5 * clock_patience();
	__u32 seq, next = self->w.peer.seq;
	struct wire *w = &self->w;
	int len;

	if (!w->mp)
		SKIP(return, "a tap counts elsewhere");
	drops = wire_count(w, "dropped");
	copied = wire_count(w, "copied");
	now = copied + drops;
	do {
		ASSERT_EQ(0, peer_send_n(&w->peer, 64, FRAME_MAX, 0));
		usleep(1000);
		was = now;
		now = wire_count(w, "copied") + wire_count(w, "dropped");
		if (now != was)
			end = clock_ms() + clock_patience();
	} while (wire_count(w, "dropped") < drops + 100 && clock_ms() < end &&
		 clock_ms() < last);
	EXPECT_LE(drops + 100, wire_count(w, "dropped"));
	/* Those before are there, in order; MP_RCVBUF holds that many. */
	while ((len = read(w->fd, self->buf, FRAME_BUF)) > 0) {
		if (frame_check(&w->peer.frame, self->buf + variant->hdr_len,
				len - variant->hdr_len, &seq))
			continue;
		ASSERT_LE(next, seq);
		next = seq + 1;
	}
	EXPECT_LE(500, wire_count(w, "copied") - copied);
	ASSERT_TRUE(carries(w, self->buf, variant->hdr_len));
}

/* More frames than are read at a time wait, in order. */
TEST_F_TIMEOUT(copy, read_later, CLOCK_TEST)
{
	__u32 seq, first = self->w.peer.seq;
	unsigned int i;

	ASSERT_EQ(0, peer_send_n(&self->w.peer, 64, 200, 1));
	for (i = 0; i < 64; i++) {
		ASSERT_EQ(variant->hdr_len + 200 + i,
			  read_frame(&self->w, self->buf, FRAME_BUF,
				     variant->hdr_len, &seq));
		ASSERT_EQ(first + i, seq);
	}
}

TEST_F_TIMEOUT(copy, read_nothing, CLOCK_TEST)
{
	long long end = clock_ms() + clock_patience();
	int len;

	/* Frames of others may be there; at some time there are no more. */
	do {
		len = read(self->w.fd, self->buf, FRAME_BUF);
	} while (len > 0 && clock_ms() < end);
	EXPECT_EQ(-1, len);
	EXPECT_EQ(EAGAIN, errno);
}

/* What does not fit is lost; the next frame is whole. */
TEST_F_TIMEOUT(copy, read_short, CLOCK_TEST)
{
	struct pollfd pfd = { .fd = self->w.fd, .events = POLLIN };
	__u32 seq;

	ASSERT_EQ(0, peer_send(&self->w.peer, 1000));
	ASSERT_EQ(0, peer_send(&self->w.peer, 900));
	ASSERT_EQ(1, poll(&pfd, 1, clock_patience()));
	memset(self->buf, 0x5a, FRAME_BUF);
	EXPECT_GE(100, read(self->w.fd, self->buf, 100));
	EXPECT_EQ(0x5a, self->buf[100]);
	ASSERT_EQ(variant->hdr_len + 900,
		  read_frame(&self->w, self->buf, FRAME_BUF, variant->hdr_len,
			     &seq));
}

TEST_F_TIMEOUT(copy, read_to_pieces, CLOCK_TEST)
{
	size_t hdr_len = variant->hdr_len;
	struct iovec iov[3] = {
		{ self->buf, 7 },
		{ self->buf + 7, 60 },
		{ self->buf + 67, 2000 },
	};
	struct pollfd pfd = { .fd = self->w.fd, .events = POLLIN };
	int len, verdict;
	__u32 seq;

	ASSERT_EQ(0, peer_send(&self->w.peer, 1111));
	do {
		ASSERT_EQ(1, poll(&pfd, 1, clock_patience()));
		len = readv(self->w.fd, iov, 3);
		ASSERT_LT(hdr_len, len);
		verdict = frame_check(&self->w.peer.frame, self->buf + hdr_len,
				      len - hdr_len, &seq);
	} while (verdict == FRAME_FOREIGN);
	EXPECT_EQ(FRAME_OK, verdict);
	EXPECT_EQ(hdr_len + 1111, len);
}

TEST_F_TIMEOUT(copy, read_bad_address, CLOCK_TEST)
{
	struct pollfd pfd = { .fd = self->w.fd, .events = POLLIN };
	long long drops = wire_count(&self->w, "dropped");
	__u32 seq;

	ASSERT_EQ(0, peer_send(&self->w.peer, 1000));
	ASSERT_EQ(1, poll(&pfd, 1, clock_patience()));
	EXPECT_EQ(-1, read(self->w.fd, bad_address(), 2000));
	EXPECT_EQ(EFAULT, errno);
	if (self->w.mp)
		EXPECT_EQ(drops + 1, wire_count(&self->w, "dropped"));
	ASSERT_EQ(0, peer_send(&self->w.peer, 800));
	EXPECT_LT(0, read_frame(&self->w, self->buf, FRAME_BUF,
				variant->hdr_len, &seq));
}

/* Room for the header and some of the frame, and then none. */
TEST_F_TIMEOUT(copy, read_half_bad_address, CLOCK_TEST)
{
	struct pollfd pfd = { .fd = self->w.fd, .events = POLLIN };
	unsigned char *two;

	two = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, two);
	ASSERT_EQ(0, mprotect(two + 4096, 4096, PROT_NONE));

	ASSERT_EQ(0, peer_send(&self->w.peer, 1000));
	ASSERT_EQ(1, poll(&pfd, 1, clock_patience()));
	EXPECT_EQ(-1, read(self->w.fd, two + 4096 - variant->hdr_len - 20,
			   2000));
	EXPECT_EQ(EFAULT, errno);
	munmap(two, 8192);
}

TEST_F_TIMEOUT(copy, write_sizes, CLOCK_TEST)
{
	struct frame f = to_peer(&self->w);
	size_t len, hdr_len = variant->hdr_len;
	__u32 seq = 0;

	peer_drain(&self->w.peer);
	for (len = FRAME_MIN; len <= FRAME_MAX; len++, seq++) {
		memset(self->buf, 0, hdr_len);
		frame_build(&f, self->buf + hdr_len, seq, len);
		ASSERT_EQ(hdr_len + len,
			  write(self->w.fd, self->buf, hdr_len + len));
		ASSERT_TRUE(peer_expect(&self->w.peer, &f, seq,
					clock_patience()));
	}
}

/* What is refused is not sent, and counted. */
TEST_F_TIMEOUT(copy, write_wrong, CLOCK_TEST)
{
	const struct virtio_net_hdr bad[] = {
		{ .gso_type = 0x7f },
		{ .gso_type = VIRTIO_NET_HDR_GSO_TCPV4 },	/* size 0 */
		{ .gso_type = VIRTIO_NET_HDR_GSO_TCPV4, .gso_size = 100 },
		{ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		  .csum_start = 60000, .csum_offset = 60000 },
		{ .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		  .csum_start = 190, .csum_offset = 20 },
	};
	long long drops = wire_count(&self->w, "dropped");
	struct frame f = to_peer(&self->w);
	size_t hdr_len = variant->hdr_len;
	struct wire *w = &self->w;
	unsigned char *two;
	unsigned int i;

	peer_drain(&w->peer);
	memset(self->buf, 0, hdr_len);
	frame_build(&f, self->buf + hdr_len, 0, 200);
	EXPECT_EQ(-1, write(w->fd, self->buf, 0));
	EXPECT_EQ(-1, write(w->fd, self->buf, hdr_len - 1));
	EXPECT_EQ(-1, write(w->fd, self->buf, hdr_len));
	EXPECT_EQ(-1, write(w->fd, self->buf, hdr_len + 13));
	EXPECT_EQ(-1, write(w->fd, bad_address(), hdr_len + 200));
	two = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, two);
	ASSERT_EQ(0, mprotect(two + 4096, 4096, PROT_NONE));
	memcpy(two + 4000, self->buf, 96);
	EXPECT_EQ(-1, write(w->fd, two + 4000, hdr_len + 200));
	munmap(two, 8192);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		memcpy(self->buf, &bad[i], sizeof(bad[i]));
		EXPECT_EQ(-1, write(w->fd, self->buf, hdr_len + 200)) {
			TH_LOG("header %u", i);
		}
	}
	if (w->mp)
		EXPECT_EQ(drops + 6 + ARRAY_SIZE(bad),
			  wire_count(w, "dropped"));

	/* The next that comes is the good one: peer_expect() wants that. */
	memset(self->buf, 0, hdr_len);
	frame_build(&f, self->buf + hdr_len, 1, 200);
	EXPECT_EQ(hdr_len + 200, write(w->fd, self->buf, hdr_len + 200));
	EXPECT_TRUE(peer_expect(&w->peer, &f, 1, clock_patience()));
}

/* A send buffer as small as can be: writes wait for those before. */
TEST_F_TIMEOUT(copy, write_waits, CLOCK_TEST)
{
	struct frame f = to_peer(&self->w);
	int i, n = 64, sndbuf = 1;	/* few enough for the peer's buffer */

	if (!self->w.mp)
		SKIP(return, "a tap may wait for ever");
	ASSERT_EQ(0, ioctl(self->w.fd, TUNSETSNDBUF, &sndbuf));
	ASSERT_EQ(0, fcntl(self->w.fd, F_SETFL, O_RDWR));
	peer_drain(&self->w.peer);
	memset(self->buf, 0, variant->hdr_len);
	for (i = 0; i < n; i++) {
		frame_build(&f, self->buf + variant->hdr_len, i, 1000);
		ASSERT_EQ(variant->hdr_len + 1000,
			  write(self->w.fd, self->buf,
				variant->hdr_len + 1000));
	}
	for (i = 0; i < n; i++)
		EXPECT_TRUE(peer_expect(&self->w.peer, &f, i,
					clock_patience()));
}

static int set_address(struct wire *w, in_addr_t addr)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = addr,
	};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct ifreq ifr = {};
	int ret;

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", w->dev);
	memcpy(&ifr.ifr_addr, &sin, sizeof(sin));
	ret = ioctl(fd, SIOCSIFADDR, &ifr);
	close(fd);
	return ret;
}

/* A member of a group that the host sends to through the NIC, on that host. */
static int join(struct wire *w, const struct sockaddr_in *group)
{
	struct ip_mreqn m = {
		.imr_multiaddr = group->sin_addr,
		.imr_ifindex = if_nametoindex(w->dev),
	};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || bind(fd, (void *)group, sizeof(*group)) ||
	    setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &m, sizeof(m)) ||
	    setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &m, sizeof(m)))
		return -1;
	return fd;
}

/* What the host sends and gets itself never was on the wire. */
TEST_F_TIMEOUT(copy, own_multicast, CLOCK_TEST)
{
	static const char text[] = "what the host says to itself";
	struct sockaddr_in group = {
		.sin_family = AF_INET,
		.sin_port = htons(9999),
		.sin_addr.s_addr = inet_addr("239.1.2.3"),
	};
	struct pollfd pfd = { .events = POLLIN };
	int i, len;

	if (!self->w.mp)
		SKIP(return, "a tap gets what the host sends");
	ASSERT_EQ(0, set_address(&self->w, inet_addr("192.0.2.1")));
	pfd.fd = join(&self->w, &group);
	EXPECT_LE(0, pfd.fd);
	for (i = 0; i < 10 && pfd.fd >= 0; i++) {
		EXPECT_EQ(sizeof(text), sendto(pfd.fd, text, sizeof(text), 0,
					       (void *)&group, sizeof(group)));
		len = poll(&pfd, 1, clock_patience());
		EXPECT_EQ(1, len);
		if (len != 1)
			break;
		EXPECT_EQ(sizeof(text), recv(pfd.fd, self->buf, FRAME_BUF,
					     MSG_DONTWAIT));
	}
	close(pfd.fd);
	EXPECT_EQ(0, set_address(&self->w, 0));
	do {
		len = read(self->w.fd, self->buf, FRAME_BUF);
		EXPECT_FALSE(len > 0 && memmem(self->buf, len, text,
					       sizeof(text)));
	} while (len > 0);
}

TEST_F_TIMEOUT(copy, poll, CLOCK_TEST)
{
	struct pollfd pfd = { .fd = self->w.fd, .events = POLLIN | POLLOUT };
	__u32 seq;

	ASSERT_EQ(0, peer_send(&self->w.peer, 300));
	ASSERT_LT(0, read_frame(&self->w, self->buf, FRAME_BUF,
				variant->hdr_len, &seq));
	ASSERT_EQ(1, poll(&pfd, 1, clock_patience()));
	EXPECT_TRUE(pfd.revents & POLLOUT);
	EXPECT_FALSE(pfd.revents & (POLLERR | POLLHUP | POLLNVAL));
}

TEST_HARNESS_MAIN
