/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MPCTL_NIC_H
#define MPCTL_NIC_H

/* All return 0 or a negative errno. */
int nic_exists(const char *dev);
/* So many of them at least. */
int nic_need_queues(const char *dev, unsigned int queues);
int nic_up(const char *dev);

/* The address that the NIC was made with; of one that has none, its own. */
int nic_get_permanent_mac(const char *dev, unsigned char *mac);

#endif /* MPCTL_NIC_H */
