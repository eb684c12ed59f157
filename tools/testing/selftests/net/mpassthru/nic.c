// SPDX-License-Identifier: GPL-2.0
/* Settings of network devices. */

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/ethtool.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>

#include "clock.h"
#include "nic.h"
#include "say.h"

#ifndef IFF_LOWER_UP
#define IFF_LOWER_UP	0x10000		/* of linux/if.h, beside net/if.h */
#endif

int nic_sock(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

static int nic_ioctl(int sock, const char *dev, unsigned long cmd,
		     struct ifreq *ifr)
{
	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", dev);
	return ioctl(sock, cmd, ifr) < 0 ? -errno : 0;
}

static int nic_ethtool(int sock, const char *dev, void *arg)
{
	struct ifreq ifr = { .ifr_data = arg };

	return nic_ioctl(sock, dev, SIOCETHTOOL, &ifr);
}

int nic_index(int sock, const char *dev)
{
	struct ifreq ifr = {};

	return nic_ioctl(sock, dev, SIOCGIFINDEX, &ifr) ?: ifr.ifr_ifindex;
}

static int nic_flags(int sock, const char *dev, short set, short clear)
{
	struct ifreq ifr = {};
	int err;

	err = nic_ioctl(sock, dev, SIOCGIFFLAGS, &ifr);
	if (err)
		return err;
	ifr.ifr_flags = (ifr.ifr_flags | set) & ~clear;
	return nic_ioctl(sock, dev, SIOCSIFFLAGS, &ifr);
}

int nic_up(int sock, const char *dev)
{
	return nic_flags(sock, dev, IFF_UP, 0);
}

int nic_down(int sock, const char *dev)
{
	return nic_flags(sock, dev, 0, IFF_UP);
}

/* In the network namespace of @sock. */
static int nic_netlink(int sock)
{
	int home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	int netns = ioctl(sock, SIOCGSKNS);
	int nl = -1;

	if (home >= 0 && netns >= 0 && !setns(netns, CLONE_NEWNET)) {
		nl = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
		if (setns(home, CLONE_NEWNET)) {
			close(nl);
			nl = -1;
		}
	}
	close(netns);
	close(home);
	return nl;
}

static bool nic_has_carrier(int nl, int index)
{
	struct {
		struct nlmsghdr hdr;
		struct ifinfomsg info;
	} msg = {
		.hdr.nlmsg_len = sizeof(msg),
		.hdr.nlmsg_type = RTM_GETLINK,
		.hdr.nlmsg_flags = NLM_F_REQUEST,
		.info.ifi_index = index,
	};

	return send(nl, &msg, sizeof(msg), 0) == sizeof(msg) &&
	       recv(nl, &msg, sizeof(msg), 0) == sizeof(msg) &&
	       msg.hdr.nlmsg_type == RTM_NEWLINK &&
	       msg.info.ifi_flags & IFF_LOWER_UP;
}

/*
 * IFF_RUNNING may be of before the link went down, for linkwatch takes up to a
 * second to notice.  When it does, the queue drops without a word what is sent
 * until the link is up.
 */
int nic_wait_running(int sock, const char *dev)
{
	long long end = clock_ms() + clock_patience();
	int nl, err, index = nic_index(sock, dev);
	struct ifreq ifr = {};

	nl = nic_netlink(sock);
	if (nl < 0)
		return -EIO;
	do {
		err = nic_ioctl(sock, dev, SIOCGIFFLAGS, &ifr);
		if (err)
			goto out;
		if (nic_has_carrier(nl, index) && ifr.ifr_flags & IFF_RUNNING)
			goto out;
		usleep(10000);
	} while (clock_ms() < end);
	say("%s: no link", dev);
	err = -ETIMEDOUT;
out:
	close(nl);
	return err;
}

int nic_get_mtu(int sock, const char *dev)
{
	struct ifreq ifr = {};

	return nic_ioctl(sock, dev, SIOCGIFMTU, &ifr) ?: ifr.ifr_mtu;
}

int nic_set_mtu(int sock, const char *dev, int mtu)
{
	struct ifreq ifr = { .ifr_mtu = mtu };

	return nic_ioctl(sock, dev, SIOCSIFMTU, &ifr);
}

int nic_get_mac(int sock, const char *dev, unsigned char *mac)
{
	struct ifreq ifr = {};
	int err;

	err = nic_ioctl(sock, dev, SIOCGIFHWADDR, &ifr);
	if (!err)
		memcpy(mac, ifr.ifr_hwaddr.sa_data, 6);
	return err;
}

int nic_max_queues(int sock, const char *dev)
{
	struct ethtool_channels ch = { .cmd = ETHTOOL_GCHANNELS };

	return nic_ethtool(sock, dev, &ch) ?: (int)ch.max_combined;
}

int nic_set_queues(int sock, const char *dev, __u32 queues)
{
	struct ethtool_channels ch = { .cmd = ETHTOOL_GCHANNELS };
	int err;

	err = nic_ethtool(sock, dev, &ch);
	if (err || ch.combined_count == queues)
		return err;
	ch.cmd = ETHTOOL_SCHANNELS;
	ch.combined_count = queues;
	return nic_ethtool(sock, dev, &ch);
}

int nic_get_ring(int sock, const char *dev, __u32 *size, __u32 *max)
{
	struct ethtool_ringparam ring = { .cmd = ETHTOOL_GRINGPARAM };
	int err;

	err = nic_ethtool(sock, dev, &ring);
	if (!err) {
		*size = ring.rx_pending;
		*max = ring.rx_max_pending;
	}
	return err;
}

int nic_set_ring(int sock, const char *dev, __u32 size)
{
	struct ethtool_ringparam ring = { .cmd = ETHTOOL_GRINGPARAM };
	int err;

	err = nic_ethtool(sock, dev, &ring);
	if (err)
		return err;
	ring.cmd = ETHTOOL_SRINGPARAM;
	ring.rx_pending = size;
	return nic_ethtool(sock, dev, &ring);
}

int nic_set_gro(int sock, const char *dev, bool on)
{
	struct ethtool_value value = { .cmd = ETHTOOL_SGRO, .data = on };

	return nic_ethtool(sock, dev, &value);
}

#define NIC_FEATURES	256	/* more than there are */
#define NIC_STRINGS	1024	/* of any kind */

/* The number of a string in a set of ETH_SS_*, and how many there are. */
static int string_number(int sock, const char *dev, unsigned int set,
			 const char *name, unsigned int *len)
{
	static union {
		struct ethtool_gstrings	head;
		char			room[sizeof(struct ethtool_gstrings) +
					     NIC_STRINGS * ETH_GSTRING_LEN];
	} all;
	struct {
		struct ethtool_sset_info head;
		__u32			len;
	} info = {
		.head.cmd	= ETHTOOL_GSSET_INFO,
		.head.sset_mask	= 1ULL << set,
	};
	unsigned int i;
	int err;

	err = nic_ethtool(sock, dev, &info);
	if (err)
		return err;
	if (info.len > NIC_STRINGS)
		return -E2BIG;
	memset(&all, 0, sizeof(all));
	all.head.cmd = ETHTOOL_GSTRINGS;
	all.head.string_set = set;
	all.head.len = info.len;
	err = nic_ethtool(sock, dev, &all);
	if (err)
		return err;
	*len = info.len;
	for (i = 0; i < info.len; i++)
		if (!strncmp((char *)all.head.data + i * ETH_GSTRING_LEN, name,
			     ETH_GSTRING_LEN))
			return i;
	return -ENOENT;
}

/* The number of a feature in the words of ETHTOOL_GFEATURES. */
static int feature_number(int sock, const char *dev, const char *name,
			  unsigned int *words)
{
	unsigned int len = 0;
	int n = string_number(sock, dev, ETH_SS_FEATURES, name, &len);

	if (n >= 0 && len > NIC_FEATURES)
		return -E2BIG;
	*words = (len + 31) / 32;
	return n;
}

long long nic_stat(int sock, const char *dev, const char *name)
{
	static union {
		struct ethtool_stats	head;
		char			room[sizeof(struct ethtool_stats) +
					     NIC_STRINGS * sizeof(__u64)];
	} all;
	unsigned int len;
	int n, err;

	n = string_number(sock, dev, ETH_SS_STATS, name, &len);
	if (n < 0)
		return n;
	all.head.cmd = ETHTOOL_GSTATS;
	all.head.n_stats = len;
	err = nic_ethtool(sock, dev, &all);
	return err ?: all.head.data[n];
}

int nic_get_feature(int sock, const char *dev, const char *name)
{
	struct {
		struct ethtool_gfeatures head;
		struct ethtool_get_features_block block[NIC_FEATURES / 32];
	} get = { .head.cmd = ETHTOOL_GFEATURES };
	int bit, err;

	bit = feature_number(sock, dev, name, &get.head.size);
	if (bit < 0)
		return bit;
	err = nic_ethtool(sock, dev, &get);
	return err ?: !!(get.block[bit / 32].active & 1u << bit % 32);
}

int nic_set_feature(int sock, const char *dev, const char *name, bool on)
{
	struct {
		struct ethtool_sfeatures head;
		struct ethtool_set_features_block block[NIC_FEATURES / 32];
	} set = { .head.cmd = ETHTOOL_SFEATURES };
	int bit;

	bit = feature_number(sock, dev, name, &set.head.size);
	if (bit < 0)
		return bit;
	set.block[bit / 32].valid = 1u << bit % 32;
	set.block[bit / 32].requested = on ? 1u << bit % 32 : 0;
	return nic_ethtool(sock, dev, &set);
}

int nic_add_bridge(int sock, const char *name)
{
	return ioctl(sock, SIOCBRADDBR, name) < 0 ? -errno : 0;
}

int nic_del_bridge(int sock, const char *name)
{
	nic_down(sock, name);
	return ioctl(sock, SIOCBRDELBR, name) < 0 ? -errno : 0;
}

int nic_add_port(int sock, const char *bridge, const char *dev)
{
	struct ifreq ifr = { .ifr_ifindex = nic_index(sock, dev) };

	return nic_ioctl(sock, bridge, SIOCBRADDIF, &ifr);
}

int nic_del_port(int sock, const char *bridge, const char *dev)
{
	struct ifreq ifr = { .ifr_ifindex = nic_index(sock, dev) };

	return nic_ioctl(sock, bridge, SIOCBRDELIF, &ifr);
}

void nic_quiet(const char *dev)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path),
		 "/proc/sys/net/ipv6/conf/%s/disable_ipv6", dev);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, "1", 1) != 1)
		say("%s: %s", path, strerror(errno));
	close(fd);
}
