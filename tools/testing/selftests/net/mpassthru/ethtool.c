// SPDX-License-Identifier: GPL-2.0
/* What ethtool(8) does to a device. */

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <linux/ethtool.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>

#include "ethtool.h"

static int call(int sock, const char *dev, unsigned long cmd, void *data)
{
	struct ifreq ifr = { .ifr_data = data };

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", dev);
	return ioctl(sock, cmd, &ifr) < 0 ? -errno : 0;
}

int ethtool_test(int sock, const char *dev, bool offline)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ethtool_test *test;
	int err;

	err = call(sock, dev, SIOCETHTOOL, &info);
	if (err)
		return err;
	test = calloc(1, sizeof(*test) + info.testinfo_len * sizeof(__u64));
	if (!test)
		return -ENOMEM;
	test->cmd = ETHTOOL_TEST;
	test->len = info.testinfo_len;
	test->flags = offline ? ETH_TEST_FL_OFFLINE : 0;
	err = call(sock, dev, SIOCETHTOOL, test);
	if (!err && test->flags & ETH_TEST_FL_FAILED)
		err = -EIO;
	free(test);
	return err;
}

static int set_value(int sock, const char *dev, __u32 cmd, __u32 data)
{
	struct ethtool_value value = { .cmd = cmd, .data = data };

	return call(sock, dev, SIOCETHTOOL, &value);
}

int ethtool_rx_csum(int sock, const char *dev, bool on)
{
	return set_value(sock, dev, ETHTOOL_SRXCSUM, on);
}

int ethtool_speed(int sock, const char *dev)
{
	struct ethtool_cmd cmd = { .cmd = ETHTOOL_GSET };
	int err;

	err = call(sock, dev, SIOCETHTOOL, &cmd);
	cmd.cmd = ETHTOOL_SSET;
	return err ?: call(sock, dev, SIOCETHTOOL, &cmd);
}

int ethtool_pause(int sock, const char *dev, bool on)
{
	struct ethtool_pauseparam pause = { .cmd = ETHTOOL_GPAUSEPARAM };
	int err;

	err = call(sock, dev, SIOCETHTOOL, &pause);
	pause.cmd = ETHTOOL_SPAUSEPARAM;
	pause.autoneg = 0;
	pause.rx_pause = on;
	pause.tx_pause = on;
	return err ?: call(sock, dev, SIOCETHTOOL, &pause);
}

int ethtool_negotiate(int sock, const char *dev)
{
	return set_value(sock, dev, ETHTOOL_NWAY_RST, 0);
}

int ethtool_rx_usecs(int sock, const char *dev, unsigned int usecs)
{
	struct ethtool_coalesce co = { .cmd = ETHTOOL_GCOALESCE };
	int err;

	err = call(sock, dev, SIOCETHTOOL, &co);
	co.cmd = ETHTOOL_SCOALESCE;
	co.rx_coalesce_usecs = usecs;
	return err ?: call(sock, dev, SIOCETHTOOL, &co);
}

int ethtool_get_spread(int sock, const char *dev, __u32 *queues,
		       unsigned int *n)
{
	struct ethtool_rxfh_indir *indir;
	int err;

	indir = calloc(1, sizeof(*indir) + ETHTOOL_SPREAD * sizeof(__u32));
	if (!indir)
		return -ENOMEM;
	/* A size of 0 asks how many there are. */
	indir->cmd = ETHTOOL_GRXFHINDIR;
	err = call(sock, dev, SIOCETHTOOL, indir);
	if (!err && indir->size > ETHTOOL_SPREAD)
		err = -E2BIG;
	indir->cmd = ETHTOOL_GRXFHINDIR;
	err = err ?: call(sock, dev, SIOCETHTOOL, indir);
	if (!err) {
		*n = indir->size;
		memcpy(queues, indir->ring_index, *n * sizeof(__u32));
	}
	free(indir);
	return err;
}

int ethtool_set_spread(int sock, const char *dev, const __u32 *queues,
		       unsigned int n)
{
	struct ethtool_rxfh_indir *indir;
	int err;

	indir = calloc(1, sizeof(*indir) + n * sizeof(__u32));
	if (!indir)
		return -ENOMEM;
	indir->cmd = ETHTOOL_SRXFHINDIR;
	indir->size = n;
	if (n)
		memcpy(indir->ring_index, queues, n * sizeof(__u32));
	err = call(sock, dev, SIOCETHTOOL, indir);
	free(indir);
	return err;
}

int ethtool_stamp(int sock, const char *dev, int rx_filter)
{
	struct hwtstamp_config cfg = { .rx_filter = rx_filter };

	return call(sock, dev, SIOCSHWTSTAMP, &cfg);
}
