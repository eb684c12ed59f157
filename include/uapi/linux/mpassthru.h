/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * mpassthru - receive from a NIC straight into the buffers of a KVM guest.
 *
 * The control interface of /dev/net/mp.  Next to the two calls below, a
 * descriptor of it answers the calls of a tap that QEMU makes (linux/if_tun.h),
 * so that it can be passed as -netdev tap,fd=N,vhost=on, or several of them as
 * fds=N:M:...  TUNSETIFF with the name of a network device binds that, too.
 *
 * Counters are in /proc/PID/fdinfo/FD, one "mp-NAME:\tVALUE" a line.
 */
#ifndef _UAPI_LINUX_MPASSTHRU_H
#define _UAPI_LINUX_MPASSTHRU_H

#include <linux/types.h>
#include <linux/ioctl.h>

#define MPASSTHRU_IFNAMSIZ	16

/* Other descriptors may bind other queues of the device, if they say so too. */
#define MPASSTHRU_MULTI_QUEUE	(1 << 0)

/**
 * struct mpassthru_bind - argument of MPASSTHRU_BINDDEV
 * @ifname: name of the network device, NUL terminated, in the network
 *	namespace of whoever opened /dev/net/mp
 * @flags: 0 or MPASSTHRU_MULTI_QUEUE
 * @queue: queue of the device to bind, of either direction, from 0 on.  With
 *	MPASSTHRU_MULTI_QUEUE several descriptors may have a queue each of one
 *	device: it receives by those that are bound and have not been detached
 *	with TUNSETQUEUE.  Frames that are not IP come by queue 0, whichever
 *	are bound.  Who has one of the queues hears what is for any of them.
 * @msg: address of @msg_len bytes that receive, when the call fails, a NUL
 *	terminated text that says why and what to do; 0 when not wanted
 * @msg_len: size of the buffer at @msg in bytes; longer texts are cut
 * @reserved: must be 0
 */
struct mpassthru_bind {
	char		ifname[MPASSTHRU_IFNAMSIZ];
	__u32		flags;
	__u32		queue;
	__aligned_u64	msg;
	__u32		msg_len;
	__u32		reserved[3];
};

#define MPASSTHRU_BINDDEV	_IOW('M', 213, struct mpassthru_bind)
#define MPASSTHRU_UNBINDDEV	_IO('M', 214)

#endif /* _UAPI_LINUX_MPASSTHRU_H */
