// SPDX-License-Identifier: GPL-2.0
/* The settings of a network device that a binding needs. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <linux/ethtool.h>
#include <linux/sockios.h>

#include "mac.h"
#include "nic.h"

static int nic_ioctl(const char *dev, unsigned long cmd, struct ifreq *ifr)
{
	int fd, err = 0;

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", dev);
	if (ioctl(fd, cmd, ifr) < 0)
		err = -errno;
	close(fd);
	return err;
}

int nic_exists(const char *dev)
{
	struct ifreq ifr = {};

	if (strlen(dev) >= IFNAMSIZ)
		return -ENODEV;
	return nic_ioctl(dev, SIOCGIFINDEX, &ifr);
}

int nic_need_queues(const char *dev, unsigned int queues)
{
	struct ethtool_channels ch = { .cmd = ETHTOOL_GCHANNELS };
	struct ifreq ifr = { .ifr_data = (void *)&ch };
	int err;

	err = nic_ioctl(dev, SIOCETHTOOL, &ifr);
	/* A driver without queues to set is left to the kernel to judge. */
	if (err == -EOPNOTSUPP)
		return 0;
	if (err)
		return err;
	if (ch.combined_count >= queues && !ch.rx_count)
		return 0;
	ch.cmd = ETHTOOL_SCHANNELS;
	ch.combined_count = queues;
	ch.rx_count = 0;
	ch.tx_count = 0;
	return nic_ioctl(dev, SIOCETHTOOL, &ifr);
}

int nic_up(const char *dev)
{
	struct ifreq ifr = {};
	int err;

	err = nic_ioctl(dev, SIOCGIFFLAGS, &ifr);
	if (err || ifr.ifr_flags & IFF_UP)
		return err;
	ifr.ifr_flags |= IFF_UP;
	return nic_ioctl(dev, SIOCSIFFLAGS, &ifr);
}

int nic_get_permanent_mac(const char *dev, unsigned char *mac)
{
	struct {
		struct ethtool_perm_addr addr;
		unsigned char data[MAC_LEN];
	} perm = {
		.addr = { .cmd = ETHTOOL_GPERMADDR, .size = MAC_LEN },
	};
	struct ifreq ifr = { .ifr_data = (void *)&perm };
	int err;

	err = nic_ioctl(dev, SIOCETHTOOL, &ifr);
	if (!err && memcmp(perm.data, "\0\0\0\0\0\0", MAC_LEN)) {
		memcpy(mac, perm.data, MAC_LEN);
		return 0;
	}

	err = nic_ioctl(dev, SIOCGIFHWADDR, &ifr);
	if (!err)
		memcpy(mac, ifr.ifr_hwaddr.sa_data, MAC_LEN);
	return err;
}
