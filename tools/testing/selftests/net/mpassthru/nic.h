/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MP_NIC_H
#define MP_NIC_H

#include <stdbool.h>
#include <linux/types.h>

/*
 * Settings of network devices.  @sock is a socket in the device's network
 * namespace.  All return 0 or a negative errno unless they say otherwise.
 */
int nic_sock(void);				/* in the caller's namespace */
int nic_index(int sock, const char *dev);	/* the index */
int nic_up(int sock, const char *dev);
int nic_down(int sock, const char *dev);
/*
 * That a link is down is told late, up to a second after it is: frames that
 * must arrive wait for flow_start() instead.
 */
int nic_wait_running(int sock, const char *dev);
int nic_get_mtu(int sock, const char *dev);	/* the MTU */
int nic_set_mtu(int sock, const char *dev, int mtu);
int nic_get_mac(int sock, const char *dev, unsigned char *mac);
int nic_max_queues(int sock, const char *dev);	/* the number */
int nic_set_queues(int sock, const char *dev, __u32 queues);
int nic_get_ring(int sock, const char *dev, __u32 *size, __u32 *max);
int nic_set_ring(int sock, const char *dev, __u32 size);
int nic_set_gro(int sock, const char *dev, bool on);
/* A feature by the name ethtool -k has for it in the kernel: 0, 1. */
int nic_get_feature(int sock, const char *dev, const char *name);
/* What is wanted; whether the device has it then is another question. */
int nic_set_feature(int sock, const char *dev, const char *name, bool on);
/* A counter of ethtool -S. */
long long nic_stat(int sock, const char *dev, const char *name);
int nic_add_bridge(int sock, const char *name);
int nic_del_bridge(int sock, const char *name);
int nic_add_port(int sock, const char *bridge, const char *dev);
int nic_del_port(int sock, const char *bridge, const char *dev);
/* Keeps the host from sending frames of its own, where it can be told. */
void nic_quiet(const char *dev);

#endif /* MP_NIC_H */
