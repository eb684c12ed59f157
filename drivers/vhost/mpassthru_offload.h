/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _VHOST_MPASSTHRU_OFFLOAD_H
#define _VHOST_MPASSTHRU_OFFLOAD_H

#include <linux/types.h>

struct mpassthru_txframe;
struct net_device;

/* Headers at most, in bytes, of a frame that the NIC is to work on. */
#define MP_OFFLOAD_HDRS		128

/**
 * struct mp_offload - a virtio-net header, looked at once
 * @flags: VIRTIO_NET_HDR_F_*
 * @gso_type: VIRTIO_NET_HDR_GSO_*
 * @gso_size: as in the header
 * @csum_start: as in the header
 * @csum_offset: as in the header
 */
struct mp_offload {
	u8	flags;
	u8	gso_type;
	u16	gso_size;
	u16	csum_start;
	u16	csum_offset;
};

int mp_offload_hdrs(const struct mp_offload *offload, const void *data,
		    unsigned int have, unsigned int len);
int mp_offload_parse(const struct mp_offload *offload,
		     const struct net_device *dev, void *data,
		     unsigned int hdrs, struct mpassthru_txframe *frame);

#endif /* _VHOST_MPASSTHRU_OFFLOAD_H */
