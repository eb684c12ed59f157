/* SPDX-License-Identifier: GPL-2.0 */
#ifndef MPCTL_MAC_H
#define MPCTL_MAC_H

#define MAC_LEN		6
#define MAC_TEXT_LEN	18	/* with the NUL */

/* Returns 0, or -EINVAL when @text is no address that a station may have. */
int mac_parse(const char *text, unsigned char *mac);

/* Writes MAC_TEXT_LEN bytes to @text. */
void mac_format(const unsigned char *mac, char *text);

/* The address of the guest on the NIC whose permanent address is @perm. */
void mac_derive(const unsigned char *perm, unsigned char *mac);

#endif /* MPCTL_MAC_H */
