/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * mpassthru - receive from a NIC straight into the buffers of a KVM guest.
 *
 * The control interface of /dev/net/mp.  Next to the two calls below, a
 * descriptor of it answers the calls of a tap that QEMU makes (linux/if_tun.h),
 * so that it can be passed as -netdev tap,fd=N,vhost=on, or several of them as
 * fds=N:M:...  TUNSETIFF with the name of a network device binds that, too.
 *
 * Programs that have no guest post buffers and frames by commands of io_uring.
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
/* The device is not promiscuous: its filter of unicast addresses stays in
 * force, and groups are received.
 */
#define MPASSTHRU_FILTER	(1 << 1)

/**
 * struct mpassthru_bind - argument of MPASSTHRU_BINDDEV
 * @ifname: name of the network device, NUL terminated, in the network
 *	namespace of whoever opened /dev/net/mp
 * @flags: 0, or MPASSTHRU_MULTI_QUEUE and MPASSTHRU_FILTER
 * @queue: queue of the device to bind, of either direction, from 0 on.  With
 *	MPASSTHRU_MULTI_QUEUE several descriptors may have a queue each of one
 *	device: it receives by those that are bound and have not been detached
 *	with TUNSETQUEUE.  Frames that are not IP come by queue 0, whichever
 *	are bound.  Who has one of the queues hears what is for any of them.
 * @msg: address of @msg_len bytes that receive, when the call fails, a NUL
 *	terminated text that says why and what to do; 0 when not wanted
 * @msg_len: size of the buffer at @msg in bytes; longer texts are cut
 * @addr: with MPASSTHRU_FILTER, an address besides its own whose frames the
 *	device receives; else, or for none, it is 0
 * @reserved: must be 0
 *
 * While bound, the device is promiscuous, or, with MPASSTHRU_FILTER, receives
 * what is for it, for @addr and for groups.  Of several queues, the one that is
 * bound first decides, until none is bound.
 */
struct mpassthru_bind {
	char		ifname[MPASSTHRU_IFNAMSIZ];
	__u32		flags;
	__u32		queue;
	__aligned_u64	msg;
	__u32		msg_len;
	__u8		addr[6];
	__u8		reserved[6];
};

#define MPASSTHRU_BINDDEV	_IOW('M', 213, struct mpassthru_bind)
#define MPASSTHRU_UNBINDDEV	_IO('M', 214)

/* &mpassthru_uring_cmd.flags of MPASSTHRU_URING_STOP */
#define MPASSTHRU_URING_STOP_RECV	(1 << 0)
#define MPASSTHRU_URING_STOP_SEND	(1 << 1)

/**
 * struct mpassthru_uring_cmd - &io_uring_sqe.cmd of IORING_OP_URING_CMD
 * @addr: address of @len bytes: a virtio-net header, as long as TUNSETVNETHDRSZ
 *	says, and behind it the frame, or the room for one; 0 to stop
 * @len: in bytes; 0 to stop
 * @flags: what to stop; else 0
 *
 * &io_uring_sqe.cmd_op is one of
 *
 * * MPASSTHRU_URING_RECV: a buffer for one frame that is received.  The result
 *   is how long header and frame are.
 * * MPASSTHRU_URING_SEND: a frame to be sent.  The result is @len.
 * * MPASSTHRU_URING_STOP: the commands that the ring has outstanding complete,
 *   after this one: what is seen to be filled or sent as usual, all else with
 *   -ECANCELED, and a frame that comes meanwhile is lost
 *
 * &io_uring_sqe.uring_cmd_flags is 0.
 */
struct mpassthru_uring_cmd {
	__aligned_u64	addr;
	__u32		len;
	__u32		flags;
};

#define MPASSTHRU_URING_RECV	_IOW('M', 215, struct mpassthru_uring_cmd)
#define MPASSTHRU_URING_SEND	_IOW('M', 216, struct mpassthru_uring_cmd)
#define MPASSTHRU_URING_STOP	_IOW('M', 217, struct mpassthru_uring_cmd)

#endif /* _UAPI_LINUX_MPASSTHRU_H */
