/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MP_ETHTOOL_H
#define MP_ETHTOOL_H

#include <stdbool.h>
#include <linux/types.h>

#define ETHTOOL_SPREAD	512	/* places at most */

/* What ethtool(8) does to a device.  All return 0 or a negative errno. */
/* -t; -EIO: it found something */
int ethtool_test(int sock, const char *dev, bool offline);
int ethtool_rx_csum(int sock, const char *dev, bool on);	/* -K rx */
int ethtool_speed(int sock, const char *dev);	/* -s, as it is */
int ethtool_pause(int sock, const char *dev, bool on);		/* -A */
int ethtool_negotiate(int sock, const char *dev);		/* -r */
/* -C */
int ethtool_rx_usecs(int sock, const char *dev, unsigned int usecs);
/*
 * -x and -X: the queue at each of the @n places of the table that tells where
 * received frames go.  With @n of 0 it is made what it was at first.
 */
int ethtool_get_spread(int sock, const char *dev, __u32 *queues,
		       unsigned int *n);
int ethtool_set_spread(int sock, const char *dev, const __u32 *queues,
		       unsigned int n);
/* hwstamp_ctl */
int ethtool_stamp(int sock, const char *dev, int rx_filter);

#endif /* MP_ETHTOOL_H */
