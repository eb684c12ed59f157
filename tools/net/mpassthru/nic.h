/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MPCTL_NIC_H
#define MPCTL_NIC_H

/* All return 0 or a negative errno. */
int nic_exists(const char *dev);
int nic_set_queues(const char *dev, unsigned int queues);
int nic_up(const char *dev);
int nic_get_mac(const char *dev, unsigned char *mac);

/*
 * Let the NIC accept frames to @mac too, or with @mac NULL frames to any
 * address.  Returns a descriptor: the setting lasts until it is closed.
 */
int nic_accept(const char *dev, const unsigned char *mac);

#endif /* MPCTL_NIC_H */
