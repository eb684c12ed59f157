// SPDX-License-Identifier: GPL-2.0
/* The control interface: what it takes, and what it must refuse. */

#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/if_xdp.h>
#include <linux/mpassthru.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "kselftest_harness.h"

#include "clock.h"
#include "flow.h"
#include "guest.h"
#include "link.h"
#include "mp.h"
#include "nic.h"
#include "vhost.h"
#include "wire.h"

static int bind_raw(int fd, struct mpassthru_bind *bind)
{
	return ioctl(fd, MPASSTHRU_BINDDEV, bind) < 0 ? -errno : 0;
}

static int bind_to(struct mpassthru_bind *bind, const char *dev)
{
	memset(bind, 0, sizeof(*bind));
	snprintf(bind->ifname, sizeof(bind->ifname), "%s", dev);
	return 0;
}

/* Runs @fn in a child, so that what it gives up is given up there only. */
static int in_child(int (*fn)(int fd), int fd)
{
	int status;
	pid_t pid;

	pid = fork();
	if (!pid)
		_exit(-fn(fd) & 0x7f);
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -ECHILD;
	return -WEXITSTATUS(status);
}

/* A descriptor that is not bound. */

FIXTURE(node)
{
	struct mpassthru_bind bind;
	char msg[256];
	int fd;
};

FIXTURE_SETUP(node)
{
	self->fd = mp_open();
	if (self->fd == -ENOENT || self->fd == -ENXIO)
		SKIP(return, "no " MP_NODE);
	ASSERT_LE(0, self->fd);
	bind_to(&self->bind, "lo");
	self->bind.msg = (uintptr_t)self->msg;
	self->bind.msg_len = sizeof(self->msg);
}

FIXTURE_TEARDOWN(node)
{
	close(self->fd);
}

TEST_F(node, unknown_ioctl)
{
	EXPECT_EQ(-1, ioctl(self->fd, _IO('M', 255)));
	/* A tap says EINVAL. */
	EXPECT_TRUE(errno == ENOTTY || errno == EINVAL);
}

TEST_F(node, bad_address)
{
	EXPECT_EQ(-1, ioctl(self->fd, MPASSTHRU_BINDDEV, NULL));
	EXPECT_EQ(EFAULT, errno);
}

TEST_F(node, unknown_flags)
{
	int i;

	for (i = 2; i < 32; i++) {
		self->bind.flags = 1u << i;
		self->msg[0] = '\0';
		EXPECT_EQ(-EINVAL, bind_raw(self->fd, &self->bind));
		EXPECT_NE('\0', self->msg[0]);
	}
}

TEST_F(node, reserved)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(self->bind.reserved); i++) {
		self->bind.reserved[i] = 1;
		EXPECT_EQ(-EINVAL, bind_raw(self->fd, &self->bind));
		self->bind.reserved[i] = 0;
	}
}

/* One that is not asked for, and that of a group */
TEST_F(node, bad_filter)
{
	self->bind.addr[5] = 1;
	EXPECT_EQ(-EINVAL, bind_raw(self->fd, &self->bind));
	EXPECT_NE('\0', self->msg[0]);
	self->bind.flags = MPASSTHRU_FILTER;
	self->bind.addr[0] = 1;
	self->msg[0] = '\0';
	EXPECT_EQ(-EINVAL, bind_raw(self->fd, &self->bind));
	EXPECT_NE('\0', self->msg[0]);
	self->bind.addr[0] = 2;
	EXPECT_EQ(-EOPNOTSUPP, bind_raw(self->fd, &self->bind));
}

TEST_F(node, no_such_queue)
{
	static const __u32 queues[] = { 16, 17, 0x10000, 1u << 31, ~0u };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(queues); i++) {
		self->bind.queue = queues[i];
		self->msg[0] = '\0';
		EXPECT_EQ(-EINVAL, bind_raw(self->fd, &self->bind));
		EXPECT_NE('\0', self->msg[0]);
	}
}

TEST_F(node, endless_name)
{
	memset(self->bind.ifname, 'x', sizeof(self->bind.ifname));
	EXPECT_EQ(-EINVAL, bind_raw(self->fd, &self->bind));
}

TEST_F(node, no_name)
{
	int err;

	self->bind.ifname[0] = '\0';
	err = bind_raw(self->fd, &self->bind);
	EXPECT_TRUE(err == -ENODEV || err == -EINVAL);
}

TEST_F(node, no_such_device)
{
	EXPECT_EQ(-ENODEV, mp_bind_msg(self->fd, "nosuchdev0", self->msg,
				       sizeof(self->msg)));
	EXPECT_LT(0, strlen(self->msg));
}

TEST_F(node, loopback)
{
	EXPECT_EQ(-EOPNOTSUPP, mp_bind_msg(self->fd, "lo", self->msg,
					   sizeof(self->msg)));
	EXPECT_LT(0, strlen(self->msg));
}

TEST_F(node, driver_without_hook)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int tap;

	tap = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (tap < 0)
		SKIP(return, "no /dev/net/tun");
	strcpy(ifr.ifr_name, "mphook0");
	ASSERT_EQ(0, ioctl(tap, TUNSETIFF, &ifr));
	EXPECT_EQ(-EOPNOTSUPP, mp_bind_msg(self->fd, "mphook0", self->msg,
					   sizeof(self->msg)));
	EXPECT_LT(0, strlen(self->msg));
	close(tap);
}

TEST_F(node, short_text)
{
	memset(self->msg, 'x', sizeof(self->msg));
	self->bind.msg_len = 8;
	EXPECT_EQ(-EOPNOTSUPP, bind_raw(self->fd, &self->bind));
	EXPECT_EQ(7, strnlen(self->msg, 8));
	EXPECT_EQ('x', self->msg[8]);

	memset(self->msg, 'x', sizeof(self->msg));
	self->bind.msg_len = 0;
	EXPECT_EQ(-EOPNOTSUPP, bind_raw(self->fd, &self->bind));
	EXPECT_EQ('x', self->msg[0]);
	self->bind.msg_len = 8;
	self->bind.msg = 0;
	EXPECT_EQ(-EOPNOTSUPP, bind_raw(self->fd, &self->bind));
}

/* The reason counts for more than that its text could not be stored. */
TEST_F(node, text_to_bad_address)
{
	int err;

	self->bind.msg = 1;
	err = bind_raw(self->fd, &self->bind);
	EXPECT_TRUE(err == -EOPNOTSUPP || err == -EFAULT);
}

TEST_F(node, unbind)
{
	EXPECT_EQ(-ENOTCONN, mp_unbind(self->fd));
}

TEST_F(node, read_and_write)
{
	char buf[100] = {};

	EXPECT_EQ(0, fcntl(self->fd, F_SETFL, O_NONBLOCK));
	EXPECT_GT(0, read(self->fd, buf, sizeof(buf)));
	EXPECT_GT(0, write(self->fd, buf, sizeof(buf)));
	EXPECT_EQ(1, mp_count(self->fd, "dropped"));
}

TEST_F(node, as_backend)
{
	const struct guest_config cfg = { .features = BIT_V1 };
	struct guest g;

	if (access(VHOST_NODE, F_OK))
		SKIP(return, "no " VHOST_NODE);
	ASSERT_EQ(0, guest_open(&g, &cfg));
	EXPECT_EQ(-ENOTCONN, vhost_set_backend(&g.vhost, GUEST_RX, self->fd));
	EXPECT_EQ(-ENOTCONN, vhost_set_backend(&g.vhost, GUEST_TX, self->fd));
	guest_close(&g);
}

TEST_F(node, counters)
{
	static const char * const names[] = {
		"queue", "attached", "posted", "armed", "zerocopy", "bounced",
		"bounce-cross", "bounce-pin", "bounce-mask", "bounce-frag",
		"rewound", "dropped", "copied", "errors", "pinned",
		"pinned-peak", "pin-hits", "pin-misses", "pin-evictions",
		"pin-invalidations", "pin-limit", "pin-ghosts", "pin-failures",
		"outstanding", "deferred", "rx-copy-ms", "rx-copy-fails",
		"netns",
	};
	char text[64];
	unsigned int i;

	ASSERT_EQ(0, mp_text(self->fd, "mode", text, sizeof(text)));
	EXPECT_STREQ("unbound", text);
	EXPECT_EQ(0, mp_text(self->fd, "dev", text, sizeof(text)));
	ASSERT_EQ(0, mp_text(self->fd, "rx-copy-why", text, sizeof(text)));
	EXPECT_STREQ("-", text);
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(text, sizeof(text), "%s", names[i]);
		EXPECT_NE(-ENOENT, mp_count(self->fd, text)) {
			TH_LOG("mp-%s", text);
		}
	}
}

/* A descriptor and a NIC. */

FIXTURE(nic)
{
	struct wire w;
	char msg[256];
	int fd;
};

FIXTURE_SETUP(nic)
{
	const char *missing = wire_missing();

	self->w.fd = -1;
	self->w.sock = -1;
	self->w.peer.fd = -1;
	self->fd = -1;
	if (missing)
		SKIP(return, "%s", missing);
	if (wire_is_tap())
		SKIP(return, "a tap is not bound");
	ASSERT_EQ(0, wire_open_unbound(&self->w));
	self->fd = mp_open();
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(nic)
{
	close(self->fd);
	wire_close(&self->w);
}

static int bind_dev(int fd)
{
	char msg[256];
	int err;

	err = mp_bind_msg(fd, wire_dev(), msg, sizeof(msg));
	if (err && !*msg)
		return -ENOMSG;
	return err;
}

TEST_F_TIMEOUT(nic, bind_and_unbind, CLOCK_TEST)
{
	char text[64];
	int i;

	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, mp_bind(self->fd, self->w.dev));
		ASSERT_EQ(0, mp_text(self->fd, "mode", text, sizeof(text)));
		EXPECT_STREQ("copy", text);
		ASSERT_EQ(0, mp_text(self->fd, "dev", text, sizeof(text)));
		EXPECT_STREQ(self->w.dev, text);
		ASSERT_EQ(0, mp_unbind(self->fd));
		ASSERT_EQ(0, mp_text(self->fd, "mode", text, sizeof(text)));
		EXPECT_STREQ("unbound", text);
	}
	EXPECT_EQ(-ENOTCONN, mp_unbind(self->fd));
	EXPECT_TRUE(wire_host_works(&self->w));
}

/* What the NIC receives for its guest, it does while it is bound. */

static long long promiscuity(const char *dev)
{
	return link_get(-1, dev, IFLA_PROMISCUITY);
}

static int tap_by_name(int fd, const char *dev)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", dev);
	return ioctl(fd, TUNSETIFF, &ifr) < 0 ? -errno : 0;
}

TEST_F_TIMEOUT(nic, promiscuous, CLOCK_TEST)
{
	const char *dev = self->w.dev;
	long long before = promiscuity(dev);
	int other = mp_open();

	ASSERT_LE(0, before);
	ASSERT_LE(0, other);
	EXPECT_EQ(-EINVAL, mp_bind_queue(self->fd, dev, 15, self->msg,
					 sizeof(self->msg)));
	EXPECT_EQ(before, promiscuity(dev));
	ASSERT_EQ(0, bind_dev(self->fd));
	EXPECT_EQ(before + 1, promiscuity(dev));
	EXPECT_EQ(-EBUSY, bind_dev(self->fd));
	EXPECT_EQ(-EBUSY, bind_dev(other));
	EXPECT_EQ(before + 1, promiscuity(dev));
	ASSERT_EQ(0, mp_unbind(self->fd));
	EXPECT_EQ(before, promiscuity(dev));
	EXPECT_EQ(-ENOTCONN, mp_unbind(self->fd));
	EXPECT_EQ(before, promiscuity(dev));

	ASSERT_EQ(0, tap_by_name(other, dev));
	EXPECT_EQ(before + 1, promiscuity(dev));
	close(other);
	EXPECT_EQ(before, promiscuity(dev));
	EXPECT_TRUE(wire_host_works(&self->w));
	EXPECT_EQ(before, promiscuity(dev));
}

/* One time for all queues, from the first to the last, whichever that is. */
TEST_F_TIMEOUT(nic, promiscuous_queues, CLOCK_TEST)
{
	const char *dev = self->w.dev;
	long long before = promiscuity(dev);
	int other = mp_open();

	if (nic_max_queues(self->w.sock, dev) < 2)
		SKIP(return, "%s has one queue", dev);
	ASSERT_LE(0, before);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, nic_set_queues(self->w.sock, dev, 2));
	ASSERT_EQ(0, mp_bind_queue(self->fd, dev, 0, self->msg,
				   sizeof(self->msg)));
	ASSERT_EQ(0, mp_bind_queue(other, dev, 1, self->msg,
				   sizeof(self->msg)));
	EXPECT_EQ(before + 1, promiscuity(dev));
	ASSERT_EQ(0, mp_unbind(self->fd));
	EXPECT_EQ(before + 1, promiscuity(dev));
	close(other);
	EXPECT_EQ(before, promiscuity(dev));
}

TEST_F_TIMEOUT(nic, filter, CLOCK_TEST)
{
	const char *dev = self->w.dev;
	long long before = promiscuity(dev), groups;
	struct mpassthru_bind bind;
	int i;

	groups = link_get(-1, dev, IFLA_ALLMULTI);
	ASSERT_LE(0, before);
	ASSERT_LE(0, groups);
	bind_to(&bind, dev);
	bind.flags = MPASSTHRU_FILTER;
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, bind_raw(self->fd, &bind));
		EXPECT_EQ(before, promiscuity(dev));
		EXPECT_EQ(groups + 1, link_get(-1, dev, IFLA_ALLMULTI));
		ASSERT_EQ(0, mp_unbind(self->fd));
		EXPECT_EQ(before, promiscuity(dev));
		EXPECT_EQ(groups, link_get(-1, dev, IFLA_ALLMULTI));
		/* And with an address. */
		bind.addr[0] = 2;
	}
	EXPECT_TRUE(wire_host_works(&self->w));
}

/* Who joins a device gets what it receives already, or is told. */
TEST_F_TIMEOUT(nic, other_filter, CLOCK_TEST)
{
	struct mpassthru_bind bind;
	int other = mp_open();

	ASSERT_LE(0, other);
	if (nic_max_queues(self->w.sock, self->w.dev) < 2)
		SKIP(return, "one queue only");
	ASSERT_EQ(0, nic_set_queues(self->w.sock, self->w.dev, 2));
	bind_to(&bind, self->w.dev);
	bind.flags = MPASSTHRU_MULTI_QUEUE;
	ASSERT_EQ(0, bind_raw(self->fd, &bind));
	bind.flags |= MPASSTHRU_FILTER;
	bind.queue = 1;
	bind.msg = (uintptr_t)self->msg;
	bind.msg_len = sizeof(self->msg);
	EXPECT_EQ(-EBUSY, bind_raw(other, &bind));
	EXPECT_TRUE(!!strstr(self->msg, "receive other frames"));
	ASSERT_EQ(0, mp_unbind(self->fd));
	bind.queue = 0;
	bind.addr[0] = 2;
	ASSERT_EQ(0, bind_raw(self->fd, &bind));
	bind.queue = 1;
	EXPECT_EQ(0, bind_raw(other, &bind));
	EXPECT_EQ(0, mp_unbind(other));
	bind.addr[5] = 1;
	EXPECT_EQ(-EBUSY, bind_raw(other, &bind));
	/* More than one's own is no loss. */
	bind.flags = MPASSTHRU_MULTI_QUEUE;
	memset(bind.addr, 0, sizeof(bind.addr));
	EXPECT_EQ(0, bind_raw(other, &bind));
	close(other);
}

TEST_F_TIMEOUT(nic, bound_already, CLOCK_TEST)
{
	int other = mp_open();

	ASSERT_LE(0, other);
	ASSERT_EQ(0, bind_dev(self->fd));
	EXPECT_EQ(-EBUSY, bind_dev(self->fd));
	EXPECT_EQ(-EBUSY, mp_bind_msg(self->fd, "lo", self->msg,
				      sizeof(self->msg)));
	EXPECT_EQ(-EBUSY, bind_dev(other));
	ASSERT_EQ(0, mp_unbind(self->fd));
	EXPECT_EQ(0, bind_dev(other));
	EXPECT_EQ(-EBUSY, bind_dev(self->fd));
	close(other);
	EXPECT_EQ(0, bind_dev(self->fd));
}

TEST_F_TIMEOUT(nic, closed_while_bound, CLOCK_TEST)
{
	int i;

	for (i = 0; i < 5; i++) {
		ASSERT_EQ(0, bind_dev(self->fd));
		close(self->fd);
		self->fd = mp_open();
		ASSERT_LE(0, self->fd);
	}
	EXPECT_TRUE(wire_host_works(&self->w));
}

/* The device stays bound as long as one process has the descriptor. */
TEST_F_TIMEOUT(nic, inherited, CLOCK_TEST)
{
	int go[2], other, status;
	pid_t pid;
	char c;

	ASSERT_EQ(0, pipe(go));
	ASSERT_EQ(0, bind_dev(self->fd));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		close(go[1]);
		_exit(read(go[0], &c, 1) < 0);
	}
	close(self->fd);
	other = mp_open();
	ASSERT_LE(0, other);
	EXPECT_EQ(-EBUSY, bind_dev(other));
	close(go[1]);
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, bind_dev(other));
	self->fd = other;
}

static int bind_without_caps(int fd)
{
	struct __user_cap_header_struct hdr = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2] = {};

	if (syscall(SYS_capset, &hdr, data) < 0)
		return -errno;
	return bind_dev(fd);
}

TEST_F_TIMEOUT(nic, no_capability, CLOCK_TEST)
{
	EXPECT_EQ(-EPERM, in_child(bind_without_caps, self->fd));
}

/* Almighty in a user namespace of its own, which the NIC is not in. */
static int bind_in_userns(int fd)
{
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return -ENXIO;
	return bind_dev(fd);
}

TEST_F_TIMEOUT(nic, capability_elsewhere, CLOCK_TEST)
{
	int err = in_child(bind_in_userns, self->fd);

	if (err == -ENXIO)
		SKIP(return, "no user namespaces");
	EXPECT_EQ(-EPERM, err);
}

static int bind_from_netns(int fd)
{
	if (unshare(CLONE_NEWNET) < 0)
		return -ENXIO;
	close(fd);
	fd = mp_open();
	return fd < 0 ? fd : bind_dev(fd);
}

TEST_F_TIMEOUT(nic, other_netns, CLOCK_TEST)
{
	EXPECT_EQ(-ENODEV, in_child(bind_from_netns, self->fd));
	/* The same the other way round. */
	EXPECT_EQ(-ENODEV, mp_bind_msg(self->fd, self->w.peer.dev, self->msg,
				       sizeof(self->msg)));
	EXPECT_LT(0, strlen(self->msg));
}

static int bind_after_leaving(int fd)
{
	return unshare(CLONE_NEWNET) < 0 ? -ENXIO : bind_dev(fd);
}

/* The network namespace is that of the open, not of the ioctl. */
TEST_F_TIMEOUT(nic, netns_of_opener, CLOCK_TEST)
{
	EXPECT_EQ(0, in_child(bind_after_leaving, self->fd));
}

TEST_F_TIMEOUT(nic, two_queues, CLOCK_TEST)
{
	if (nic_max_queues(self->w.sock, self->w.dev) < 2)
		SKIP(return, "%s has one queue", self->w.dev);
	ASSERT_EQ(0, nic_set_queues(self->w.sock, self->w.dev, 2));
	EXPECT_EQ(0, bind_dev(self->fd));
	/* Nor may it lose one while it is bound, be it nobody's. */
	EXPECT_EQ(-EBUSY, nic_set_queues(self->w.sock, self->w.dev, 1));
	ASSERT_EQ(0, mp_unbind(self->fd));
	ASSERT_EQ(0, nic_set_queues(self->w.sock, self->w.dev, 1));
	EXPECT_EQ(0, bind_dev(self->fd));
	EXPECT_EQ(-EBUSY, nic_set_queues(self->w.sock, self->w.dev, 2));
}

/* A device that is down has the queues that it will have when it is up. */
TEST_F_TIMEOUT(nic, two_queues_down, CLOCK_TEST)
{
	if (nic_max_queues(self->w.sock, self->w.dev) < 2)
		SKIP(return, "%s has one queue", self->w.dev);
	ASSERT_EQ(0, nic_down(self->w.sock, self->w.dev));
	ASSERT_EQ(0, nic_set_queues(self->w.sock, self->w.dev, 2));
	EXPECT_EQ(0, mp_bind_queue(self->fd, self->w.dev, 1, self->msg,
				   sizeof(self->msg)));
	EXPECT_EQ(0, nic_up(self->w.sock, self->w.dev));
	ASSERT_EQ(0, mp_unbind(self->fd));
	ASSERT_EQ(0, nic_down(self->w.sock, self->w.dev));
	ASSERT_EQ(0, nic_set_queues(self->w.sock, self->w.dev, 1));
	EXPECT_EQ(-EINVAL, mp_bind_queue(self->fd, self->w.dev, 1, self->msg,
					 sizeof(self->msg)));
	EXPECT_EQ(0, nic_up(self->w.sock, self->w.dev));
}

TEST_F_TIMEOUT(nic, port_of_bridge, CLOCK_TEST)
{
	int sock = self->w.sock;

	if (nic_add_bridge(sock, "mpbr0"))
		SKIP(return, "no bridges");
	EXPECT_EQ(0, nic_add_port(sock, "mpbr0", self->w.dev));
	EXPECT_EQ(-EBUSY, bind_dev(self->fd));
	EXPECT_EQ(0, nic_del_port(sock, "mpbr0", self->w.dev));
	EXPECT_EQ(0, bind_dev(self->fd));
	EXPECT_GT(0, nic_add_port(sock, "mpbr0", self->w.dev));
	EXPECT_EQ(0, mp_unbind(self->fd));
	EXPECT_EQ(0, nic_add_port(sock, "mpbr0", self->w.dev));
	EXPECT_EQ(0, nic_del_bridge(sock, "mpbr0"));
}

static int receives(const char *dev)
{
	struct pollfd pfd = { .events = POLLIN };
	struct sockaddr_ll addr = {
		.sll_family	= AF_PACKET,
		.sll_protocol	= htons(FRAME_TYPE),
		.sll_ifindex	= if_nametoindex(dev),
	};

	pfd.fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (pfd.fd < 0 || bind(pfd.fd, (struct sockaddr *)&addr, sizeof(addr)))
		return -1;
	return pfd.fd;
}

/* What is on top of it at first is in the way; what comes later is idle. */
TEST_F_TIMEOUT(nic, vlan, CLOCK_TEST)
{
	struct pollfd pfd = { .fd = self->fd, .events = POLLIN };
	struct wire *w = &self->w;
	int index, fd;
	long long end;

	index = nic_index(w->sock, w->dev);
	if (link_add("vlan", "mpvlan0", index, 100))
		SKIP(return, "no VLAN devices");
	EXPECT_EQ(-EBUSY, bind_dev(self->fd));
	ASSERT_EQ(0, link_del("mpvlan0"));
	ASSERT_EQ(0, bind_dev(self->fd));
	if (link_add("vlan", "mpvlan0", index, 100))
		SKIP(return, "nor is one added now");
	ASSERT_EQ(0, nic_up(w->sock, "mpvlan0"));
	fd = receives("mpvlan0");
	ASSERT_LE(0, fd);
	w->peer.frame.vlan = 100;
	end = clock_ms() + clock_patience();
	do {
		ASSERT_EQ(0, peer_send(&w->peer, 200));
	} while (!poll(&pfd, 1, 200) && clock_ms() < end);
	EXPECT_EQ(1, poll(&pfd, 1, 0));
	EXPECT_EQ(-1, recv(fd, NULL, 0, MSG_DONTWAIT | MSG_TRUNC));
	/* That it would have: it does when the NIC is the host's again. */
	ASSERT_EQ(0, mp_unbind(self->fd));
	pfd.fd = fd;
	end = clock_ms() + clock_patience();
	do {
		ASSERT_EQ(0, peer_send(&w->peer, 200));
	} while (!poll(&pfd, 1, 200) && clock_ms() < end);
	EXPECT_EQ(1, poll(&pfd, 1, 0));
	close(fd);
	EXPECT_EQ(0, link_del("mpvlan0"));
}

TEST_F_TIMEOUT(nic, macvlan, CLOCK_TEST)
{
	int index = nic_index(self->w.sock, self->w.dev);

	if (link_add("macvlan", "mpmac0", index, 0))
		SKIP(return, "no macvlan");
	EXPECT_EQ(-EBUSY, bind_dev(self->fd));
	ASSERT_EQ(0, link_del("mpmac0"));
	ASSERT_EQ(0, bind_dev(self->fd));
	EXPECT_EQ(-EBUSY, link_add("macvlan", "mpmac0", index, 0));
	ASSERT_EQ(0, mp_unbind(self->fd));
	EXPECT_EQ(0, link_add("macvlan", "mpmac0", index, 0));
	EXPECT_EQ(0, link_del("mpmac0"));
}

/* A guest gets frames as they were on the wire, and no broken ones. */
TEST_F_TIMEOUT(nic, features, CLOCK_TEST)
{
	static const char * const off[] = { "rx-all", "rx-vlan-hw-parse" };
	struct wire *w = &self->w;
	int was[ARRAY_SIZE(off)];
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(off); i++) {
		was[i] = nic_get_feature(w->sock, w->dev, off[i]);
		if (was[i] < 0 || nic_set_feature(w->sock, w->dev, off[i],
						  true))
			SKIP(return, "%s has no %s", w->dev, off[i]);
		ASSERT_EQ(1, nic_get_feature(w->sock, w->dev, off[i]));
	}
	ASSERT_EQ(0, bind_dev(self->fd));
	for (i = 0; i < ARRAY_SIZE(off); i++) {
		EXPECT_EQ(0, nic_get_feature(w->sock, w->dev, off[i])) {
			TH_LOG("%s", off[i]);
		}
		nic_set_feature(w->sock, w->dev, off[i], true);
		EXPECT_EQ(0, nic_get_feature(w->sock, w->dev, off[i])) {
			TH_LOG("%s", off[i]);
		}
	}
	ASSERT_EQ(0, mp_unbind(self->fd));
	for (i = 0; i < ARRAY_SIZE(off); i++) {
		EXPECT_EQ(1, nic_get_feature(w->sock, w->dev, off[i])) {
			TH_LOG("%s", off[i]);
		}
		/* And what is off before is off afterwards. */
		nic_set_feature(w->sock, w->dev, off[i], false);
	}
	ASSERT_EQ(0, bind_dev(self->fd));
	ASSERT_EQ(0, mp_unbind(self->fd));
	for (i = 0; i < ARRAY_SIZE(off); i++) {
		EXPECT_EQ(0, nic_get_feature(w->sock, w->dev, off[i]));
		nic_set_feature(w->sock, w->dev, off[i], was[i]);
	}
}

/* Lives in a network namespace of its own until *@stop is closed. */
static int other_ns(pid_t *pid, int *stop)
{
	int up[2], down[2], ns = -1;
	char path[64], c;

	if (pipe(up) || pipe(down))
		return -errno;
	*pid = fork();
	if (!*pid) {
		close(down[1]);
		if (unshare(CLONE_NEWNET) || write(up[1], "", 1) != 1 ||
		    read(down[0], &c, 1) < 0)
			_exit(1);
		_exit(0);
	}
	close(up[1]);
	close(down[0]);
	*stop = down[1];
	snprintf(path, sizeof(path), "/proc/%d/ns/net", *pid);
	if (read(up[0], &c, 1) == 1)
		ns = link_ns(path);
	close(up[0]);
	return ns;
}

/* A device that moves is unbound, and can be bound when it is back. */
TEST_F_TIMEOUT(nic, moved, CLOCK_TEST)
{
	const struct guest_config cfg = { .features = BIT_V1 | BIT_MRG };
	struct wire *w = &self->w;
	int home, ns, stop = -1;
	long long promisc;
	struct guest g;
	char text[64];
	pid_t pid = 0;

	promisc = promiscuity(w->dev);
	home = link_ns("/proc/self/ns/net");
	ns = other_ns(&pid, &stop);
	ASSERT_LE(0, home);
	ASSERT_LE(0, ns);
	ASSERT_EQ(0, mp_bind(self->fd, w->dev));
	w->fd = self->fd;
	ASSERT_EQ(0, guest_open(&g, &cfg));
	ASSERT_EQ(0, guest_start(&g, w->fd));
	ASSERT_EQ(0, guest_post_all(&g));
	ASSERT_EQ(0, flow_start(w, &g));
	ASSERT_EQ(0, peer_flood(&w->peer, 0));
	EXPECT_EQ(0, flow_pump(w, &g, 200));

	ASSERT_EQ(0, link_move(-1, w->dev, ns));
	EXPECT_EQ(0, mp_text(w->fd, "mode", text, sizeof(text)));
	EXPECT_STREQ("unbound", text);
	EXPECT_EQ(0, wire_count(w, "outstanding"));
	EXPECT_EQ(0, wire_count(w, "pinned"));
	EXPECT_EQ(0, flow_empty(w, &g));
	EXPECT_EQ(0, guest_stop(&g));
	EXPECT_EQ(0, flow_empty(w, &g));
	EXPECT_TRUE(guest_books_balance(&g));
	EXPECT_EQ(promisc, link_get(ns, w->dev, IFLA_PROMISCUITY));
	EXPECT_EQ(-ENODEV, bind_dev(w->fd));
	EXPECT_EQ(-ENOTCONN, vhost_set_backend(&g.vhost, GUEST_RX, w->fd));

	ASSERT_EQ(0, link_move(ns, w->dev, home));
	nic_quiet(w->dev);
	ASSERT_EQ(0, nic_up(w->sock, w->dev));
	ASSERT_EQ(0, mp_bind(w->fd, w->dev));
	EXPECT_EQ(promisc + 1, promiscuity(w->dev));
	ASSERT_EQ(0, guest_start(&g, w->fd));
	ASSERT_EQ(0, guest_post_all(&g));
	EXPECT_EQ(0, flow_pump(w, &g, 200));
	peer_calm(&w->peer);
	guest_close(&g);
	w->fd = -1;
	close(stop);
	waitpid(pid, NULL, 0);
	close(ns);
	close(home);
}

static int load_xdp_pass(void)
{
	struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type	= BPF_PROG_TYPE_XDP,
		.insns		= (uintptr_t)insns,
		.insn_cnt	= ARRAY_SIZE(insns),
		.license	= (uintptr_t)"GPL",
	};

	return syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));
}

static int attach_xdp(int prog, int index)
{
	union bpf_attr attr = {
		.link_create.prog_fd		= prog,
		.link_create.target_ifindex	= index,
		.link_create.attach_type	= BPF_XDP,
	};

	return syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));
}

TEST_F_TIMEOUT(nic, xdp, CLOCK_TEST)
{
	int prog, link, index;

	prog = load_xdp_pass();
	if (prog < 0)
		SKIP(return, "no BPF");
	index = nic_index(self->w.sock, self->w.dev);
	link = attach_xdp(prog, index);
	if (link < 0)
		SKIP(return, "no XDP on %s", self->w.dev);
	EXPECT_EQ(-EBUSY, bind_dev(self->fd));
	close(link);
	ASSERT_EQ(0, bind_dev(self->fd));
	link = attach_xdp(prog, index);
	EXPECT_GT(0, link);
	if (link >= 0)
		close(link);
	ASSERT_EQ(0, mp_unbind(self->fd));
	link = attach_xdp(prog, index);
	EXPECT_LE(0, link);
	close(link);
	close(prog);
}

/* A socket in zero-copy mode on queue 0, or a negative errno. */
static int open_xsk(int index)
{
	struct sockaddr_xdp addr = {
		.sxdp_family	= AF_XDP,
		.sxdp_flags	= XDP_ZEROCOPY,
		.sxdp_ifindex	= index,
	};
	struct xdp_umem_reg umem = {
		.len		= 64 * 4096,
		.chunk_size	= 4096,
	};
	int fd, num = 64, err = 0;
	void *mem;

	fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	mem = mmap(NULL, umem.len, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	umem.addr = (uintptr_t)mem;
	if (setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &umem, sizeof(umem)) ||
	    setsockopt(fd, SOL_XDP, XDP_UMEM_FILL_RING, &num, sizeof(num)) ||
	    setsockopt(fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, &num,
		       sizeof(num)) ||
	    setsockopt(fd, SOL_XDP, XDP_RX_RING, &num, sizeof(num)) ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)))
		err = -errno;
	munmap(mem, umem.len);
	if (!err)
		return fd;
	close(fd);
	return err;
}

TEST_F_TIMEOUT(nic, af_xdp, CLOCK_TEST)
{
	int index, xsk, err;
	long long end;

	index = nic_index(self->w.sock, self->w.dev);
	xsk = open_xsk(index);
	if (xsk == -EAFNOSUPPORT || xsk == -EOPNOTSUPP || xsk == -EBADF)
		SKIP(return, "no AF_XDP zero-copy on %s", self->w.dev);
	ASSERT_LE(0, xsk);
	EXPECT_EQ(-EBUSY, bind_dev(self->fd));
	close(xsk);
	/* The queue is given back some time after the close. */
	end = clock_ms() + clock_patience();
	do {
		err = bind_dev(self->fd);
	} while (err == -EBUSY && clock_ms() < end && !usleep(10000));
	ASSERT_EQ(0, err);
	EXPECT_GT(0, open_xsk(index));
	ASSERT_EQ(0, mp_unbind(self->fd));
	xsk = open_xsk(index);
	EXPECT_LE(0, xsk);
	close(xsk);
}

TEST_F_TIMEOUT(nic, device_down, CLOCK_TEST)
{
	int err;

	ASSERT_EQ(0, nic_down(self->w.sock, self->w.dev));
	err = bind_dev(self->fd);
	/* Either is fine, a bound device that stays deaf is not. */
	EXPECT_NE(-ENOMSG, err);
	ASSERT_EQ(0, nic_up(self->w.sock, self->w.dev));
	if (err)
		ASSERT_EQ(0, bind_dev(self->fd));
	ASSERT_EQ(0, nic_wait_running(self->w.sock, self->w.dev));
	ASSERT_EQ(0, mp_unbind(self->fd));
	EXPECT_TRUE(wire_host_works(&self->w));
}

/* What QEMU asks a tap. */
TEST_F_TIMEOUT(nic, tap_ioctls, CLOCK_TEST)
{
	unsigned int features = 0;
	struct ifreq ifr = {};
	int size, fd = self->fd;

	ASSERT_EQ(0, bind_dev(fd));
	EXPECT_EQ(0, ioctl(fd, TUNGETFEATURES, &features));
	EXPECT_TRUE(features & IFF_TAP);
	EXPECT_TRUE(features & IFF_NO_PI);
	EXPECT_TRUE(features & IFF_VNET_HDR);
	EXPECT_TRUE(features & IFF_MULTI_QUEUE);
	EXPECT_EQ(0, ioctl(fd, TUNGETIFF, &ifr));
	EXPECT_STREQ(self->w.dev, ifr.ifr_name);
	EXPECT_EQ(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR,
		  ifr.ifr_flags & (IFF_TUN | IFF_TAP | IFF_NO_PI |
				   IFF_VNET_HDR | IFF_MULTI_QUEUE));

	for (size = 10; size <= 12; size += 2) {
		int got = 0;

		EXPECT_EQ(0, ioctl(fd, TUNSETVNETHDRSZ, &size));
		EXPECT_EQ(0, ioctl(fd, TUNGETVNETHDRSZ, &got));
		EXPECT_EQ(size, got);
	}
	size = 9;
	EXPECT_EQ(-1, ioctl(fd, TUNSETVNETHDRSZ, &size));
	EXPECT_EQ(EINVAL, errno);
	size = -1;
	EXPECT_EQ(-1, ioctl(fd, TUNSETVNETHDRSZ, &size));

	EXPECT_EQ(0, ioctl(fd, TUNSETOFFLOAD, 0));
	EXPECT_EQ(0, ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM));
	EXPECT_EQ(0, ioctl(fd, TUNSETOFFLOAD,
			   TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6));
	EXPECT_EQ(-1, ioctl(fd, TUNSETOFFLOAD, 1u << 31));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, ioctl(fd, TUNSETOFFLOAD, 0));

	size = 1;
	EXPECT_EQ(0, ioctl(fd, TUNSETVNETLE, &size));
	size = 0;
	EXPECT_EQ(0, ioctl(fd, TUNSETVNETLE, &size));
	size = 0x100000;
	EXPECT_EQ(0, ioctl(fd, TUNSETSNDBUF, &size));
	size = 0;
	EXPECT_EQ(-1, ioctl(fd, TUNSETSNDBUF, &size));
	size = INT_MAX;
	EXPECT_EQ(0, ioctl(fd, TUNSETSNDBUF, &size));

	/* No program is what there is, any other is too much. */
	size = -1;
	EXPECT_EQ(0, ioctl(fd, TUNSETSTEERINGEBPF, &size));
	size = 0;
	EXPECT_EQ(-1, ioctl(fd, TUNSETSTEERINGEBPF, &size));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(-1, ioctl(fd, TUNSETSTEERINGEBPF, NULL));
	EXPECT_EQ(EFAULT, errno);
}

TEST_F_TIMEOUT(nic, addresses, CLOCK_TEST)
{
	unsigned char mac[6] = { 2, 0, 0, 0x6d, 0x70, 1 }, now[6];
	struct ifreq ifr = {};

	ASSERT_EQ(0, bind_dev(self->fd));
	ASSERT_EQ(0, ioctl(self->fd, SIOCGIFHWADDR, &ifr));
	EXPECT_EQ(0, memcmp(self->w.mac, ifr.ifr_hwaddr.sa_data, 6));

	memcpy(ifr.ifr_hwaddr.sa_data, mac, 6);
	if (!ioctl(self->fd, SIOCSIFHWADDR, &ifr)) {
		EXPECT_EQ(0, nic_get_mac(self->w.sock, self->w.dev, now));
		EXPECT_EQ(0, memcmp(mac, now, 6));
	}
	memcpy(ifr.ifr_hwaddr.sa_data, self->w.mac, 6);
	EXPECT_EQ(0, ioctl(self->fd, SIOCSIFHWADDR, &ifr));
}

TEST_HARNESS_MAIN
