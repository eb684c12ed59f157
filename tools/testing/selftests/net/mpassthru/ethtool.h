/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MP_ETHTOOL_H
#define MP_ETHTOOL_H

#include <stdbool.h>

/* What ethtool(8) does to a device.  All return 0 or a negative errno. */
/* -t; -EIO: it found something */
int ethtool_test(int sock, const char *dev, bool offline);
int ethtool_rx_csum(int sock, const char *dev, bool on);	/* -K rx */
int ethtool_speed(int sock, const char *dev);	/* -s, as it is */
int ethtool_pause(int sock, const char *dev, bool on);		/* -A */
int ethtool_negotiate(int sock, const char *dev);		/* -r */
/* -C */
int ethtool_rx_usecs(int sock, const char *dev, unsigned int usecs);
/* hwstamp_ctl */
int ethtool_stamp(int sock, const char *dev, int rx_filter);

#endif /* MP_ETHTOOL_H */
