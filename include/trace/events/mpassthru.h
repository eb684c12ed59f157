/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM mpassthru

#if !defined(_TRACE_MPASSTHRU_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_MPASSTHRU_H

#include <linux/mpassthru.h>
#include <linux/tracepoint.h>
#include <net/net_namespace.h>

/* Reasons, also for the counters of the mp device. */
#ifndef __MPASSTHRU_DECLARE_TRACE_ENUMS_ONCE_ONLY
#define __MPASSTHRU_DECLARE_TRACE_ENUMS_ONCE_ONLY

/* Why a frame was copied: why its buffer was paired with a bounce page, but for
 * the last.
 */
enum mp_bounce_reason {
	MP_BOUNCE_NONE,
	MP_BOUNCE_CROSS,	/* crosses into a page that is not adjacent */
	MP_BOUNCE_PIN,		/* not pinned, see mp_page_get() */
	MP_BOUNCE_MASK,		/* out of reach of the device */
	MP_BOUNCE_FRAG,		/* the frame would span several segments */
	MP_BOUNCE_MOVED,	/* its page was unmapped since it was posted */
	MP_BOUNCE_MAX
};

/* Why a frame that is sent goes by an skb. */
enum mp_fallback_reason {
	MP_FALLBACK_EGRESS,	/* somebody wants to see it */
	MP_FALLBACK_FRAME,	/* the NIC cannot send it */
	MP_FALLBACK_BEHIND,	/* one before went by an skb */
	MP_FALLBACK_RESET,	/* the NIC was reset just now */
	MP_FALLBACK_MAX
};

/* Why a page is unpinned. */
enum mp_unpin_reason {
	MP_UNPIN_EVICTED,	/* to make room for another one */
	MP_UNPIN_IDLE,
	MP_UNPIN_INVALIDATED,	/* its mapping changed */
	MP_UNPIN_CLOSED,	/* nothing is pinned any more */
};

#endif /* __MPASSTHRU_DECLARE_TRACE_ENUMS_ONCE_ONLY */

/*
 * What moves an index of a FIFO is traced before that is seen at the other end,
 * so that a buffer or a frame goes through its events in their order.
 *
 * A FIFO is given up before its port is detached from the device, and who finds
 * one is waited for: where there is a FIFO, there is its device.
 */
#define MP_QUEUE_ENTRY(q)						\
	__field(u64, net_cookie)					\
	__string(dev, (q)->port->dev->name)				\
	__field(int, ifindex)						\
	__field(unsigned int, queue)
#define MP_QUEUE_ASSIGN(q)						\
	__entry->net_cookie = dev_net((q)->port->dev)->net_cookie;	\
	__assign_str(dev);						\
	__entry->ifindex = (q)->port->dev->ifindex;			\
	__entry->queue = (q)->queue
#define MP_QUEUE_FMT	"dev=%s queue=%u"
#define MP_QUEUE_ARGS	__get_str(dev), __entry->queue
#define MP_NET_FMT	" net_cookie=%llu"
#define MP_NET_ARG	__entry->net_cookie

TRACE_DEFINE_ENUM(MP_BOUNCE_CROSS);
TRACE_DEFINE_ENUM(MP_BOUNCE_PIN);
TRACE_DEFINE_ENUM(MP_BOUNCE_MASK);
TRACE_DEFINE_ENUM(MP_BOUNCE_FRAG);
TRACE_DEFINE_ENUM(MP_BOUNCE_MOVED);

TRACE_DEFINE_ENUM(MP_FALLBACK_EGRESS);
TRACE_DEFINE_ENUM(MP_FALLBACK_FRAME);
TRACE_DEFINE_ENUM(MP_FALLBACK_BEHIND);
TRACE_DEFINE_ENUM(MP_FALLBACK_RESET);

TRACE_DEFINE_ENUM(MP_UNPIN_EVICTED);
TRACE_DEFINE_ENUM(MP_UNPIN_IDLE);
TRACE_DEFINE_ENUM(MP_UNPIN_INVALIDATED);
TRACE_DEFINE_ENUM(MP_UNPIN_CLOSED);

/* As the counters of fdinfo have it. */
#define show_mp_bounce(reason)						\
	__print_symbolic(reason,					\
			 { MP_BOUNCE_CROSS,		"cross" },	\
			 { MP_BOUNCE_PIN,		"pin" },	\
			 { MP_BOUNCE_MASK,		"mask" },	\
			 { MP_BOUNCE_FRAG,		"frag" },	\
			 { MP_BOUNCE_MOVED,		"moved" })

#define show_mp_fallback(reason)					\
	__print_symbolic(reason,					\
			 { MP_FALLBACK_EGRESS,		"egress" },	\
			 { MP_FALLBACK_FRAME,		"frame" },	\
			 { MP_FALLBACK_BEHIND,		"behind" },	\
			 { MP_FALLBACK_RESET,		"reset" })

#define show_mp_unpin(reason)						\
	__print_symbolic(reason,					\
			 { MP_UNPIN_EVICTED,		"evicted" },	\
			 { MP_UNPIN_IDLE,		"idle" },	\
			 { MP_UNPIN_INVALIDATED,	"invalidated" },\
			 { MP_UNPIN_CLOSED,		"closed" })

#define show_mp_rx_flags(flags)						\
	((flags) ? __print_flags(flags, "|",				\
			{ MPASSTHRU_RX_BAD,		"bad" },	\
			{ MPASSTHRU_RX_CSUM_OK,		"csum_ok" }) :	\
		   "none")

#define show_mp_tx_flags(flags)						\
	((flags) ? __print_flags(flags, "|",				\
			{ MPASSTHRU_TX_CSUM,		"csum" },	\
			{ MPASSTHRU_TX_GSO,		"gso" },	\
			{ MPASSTHRU_TX_UDP,		"udp" },	\
			{ MPASSTHRU_TX_IPV4,		"ipv4" }) :	\
		   "none")

/* Receive */

TRACE_EVENT(mpassthru_rx_post,

	TP_PROTO(const struct mpassthru_rxq *rxq, unsigned int nr_segs,
		 bool bounced),

	TP_ARGS(rxq, nr_segs, bounced),

	TP_STRUCT__entry(
		MP_QUEUE_ENTRY(rxq)
		__field(u32, idx)
		__field(unsigned int, len)
		__field(unsigned int, nr_segs)
		__field(bool, bounced)
	),

	TP_fast_assign(
		MP_QUEUE_ASSIGN(rxq);
		__entry->idx = rxq->posted;
		__entry->len = rxq->port->data_len;
		__entry->nr_segs = nr_segs;
		__entry->bounced = bounced;
	),

	TP_printk(MP_QUEUE_FMT " idx=%u len=%u segs=%u bounced=%u" MP_NET_FMT,
		  MP_QUEUE_ARGS, __entry->idx, __entry->len, __entry->nr_segs,
		  __entry->bounced, MP_NET_ARG)
);

TRACE_EVENT(mpassthru_rx_arm,

	TP_PROTO(const struct mpassthru_rxq *rxq),

	TP_ARGS(rxq),

	TP_STRUCT__entry(
		MP_QUEUE_ENTRY(rxq)
		__field(u32, idx)
	),

	TP_fast_assign(
		MP_QUEUE_ASSIGN(rxq);
		__entry->idx = rxq->armed;
	),

	TP_printk(MP_QUEUE_FMT " idx=%u" MP_NET_FMT,
		  MP_QUEUE_ARGS, __entry->idx, MP_NET_ARG)
);

TRACE_EVENT(mpassthru_rx_fill,

	TP_PROTO(const struct mpassthru_rxq *rxq, unsigned int len,
		 unsigned int flags),

	TP_ARGS(rxq, len, flags),

	TP_STRUCT__entry(
		MP_QUEUE_ENTRY(rxq)
		__field(u32, idx)
		__field(unsigned int, len)
		__field(unsigned int, flags)
	),

	TP_fast_assign(
		MP_QUEUE_ASSIGN(rxq);
		__entry->idx = rxq->filled;
		__entry->len = len;
		__entry->flags = flags;
	),

	TP_printk(MP_QUEUE_FMT " idx=%u len=%u flags=%s" MP_NET_FMT,
		  MP_QUEUE_ARGS, __entry->idx, __entry->len,
		  show_mp_rx_flags(__entry->flags), MP_NET_ARG)
);

TRACE_EVENT(mpassthru_rx_bounce,

	TP_PROTO(const struct mpassthru_rxq *rxq, u32 idx, unsigned int len,
		 enum mp_bounce_reason reason),

	TP_ARGS(rxq, idx, len, reason),

	TP_STRUCT__entry(
		MP_QUEUE_ENTRY(rxq)
		__field(u32, idx)
		__field(unsigned int, len)
		__field(unsigned int, reason)
	),

	TP_fast_assign(
		MP_QUEUE_ASSIGN(rxq);
		__entry->idx = idx;
		__entry->len = len;
		__entry->reason = reason;
	),

	TP_printk(MP_QUEUE_FMT " idx=%u len=%u reason=%s" MP_NET_FMT,
		  MP_QUEUE_ARGS, __entry->idx, __entry->len,
		  show_mp_bounce(__entry->reason), MP_NET_ARG)
);

TRACE_EVENT(mpassthru_rx_complete,

	TP_PROTO(const struct mpassthru_rxq *rxq, u32 idx, int res),

	TP_ARGS(rxq, idx, res),

	TP_STRUCT__entry(
		MP_QUEUE_ENTRY(rxq)
		__field(u32, idx)
		__field(int, res)
	),

	TP_fast_assign(
		MP_QUEUE_ASSIGN(rxq);
		__entry->idx = idx;
		__entry->res = res;
	),

	TP_printk(MP_QUEUE_FMT " idx=%u res=%d" MP_NET_FMT,
		  MP_QUEUE_ARGS, __entry->idx, __entry->res, MP_NET_ARG)
);

DECLARE_EVENT_CLASS(mpassthru_rx_range,

	TP_PROTO(const struct mpassthru_rxq *rxq, u32 first, u32 count),

	TP_ARGS(rxq, first, count),

	TP_STRUCT__entry(
		MP_QUEUE_ENTRY(rxq)
		__field(u32, first)
		__field(u32, count)
	),

	TP_fast_assign(
		MP_QUEUE_ASSIGN(rxq);
		__entry->first = first;
		__entry->count = count;
	),

	TP_printk(MP_QUEUE_FMT " first=%u count=%u" MP_NET_FMT,
		  MP_QUEUE_ARGS, __entry->first, __entry->count, MP_NET_ARG)
);

DEFINE_EVENT_CONDITION(mpassthru_rx_range, mpassthru_rx_disarm,
	TP_PROTO(const struct mpassthru_rxq *rxq, u32 first, u32 count),
	TP_ARGS(rxq, first, count),
	TP_CONDITION(count)
);

DEFINE_EVENT_CONDITION(mpassthru_rx_range, mpassthru_rx_rewind,
	TP_PROTO(const struct mpassthru_rxq *rxq, u32 first, u32 count),
	TP_ARGS(rxq, first, count),
	TP_CONDITION(count)
);

/* Transmit */

TRACE_EVENT(mpassthru_tx_post,

	TP_PROTO(const struct mpassthru_txq *txq,
		 const struct mpassthru_txframe *frame),

	TP_ARGS(txq, frame),

	TP_STRUCT__entry(
		MP_QUEUE_ENTRY(txq)
		__field(u32, idx)
		__field(unsigned int, len)
		__field(unsigned int, nr_segs)
		__field(unsigned int, flags)
	),

	TP_fast_assign(
		MP_QUEUE_ASSIGN(txq);
		__entry->idx = txq->posted;
		__entry->len = frame->len;
		__entry->nr_segs = frame->nr_segs;
		__entry->flags = frame->flags;
	),

	TP_printk(MP_QUEUE_FMT " idx=%u len=%u segs=%u flags=%s" MP_NET_FMT,
		  MP_QUEUE_ARGS, __entry->idx, __entry->len, __entry->nr_segs,
		  show_mp_tx_flags(__entry->flags), MP_NET_ARG)
);

TRACE_EVENT(mpassthru_tx_push,

	TP_PROTO(const struct mpassthru_txq *txq),

	TP_ARGS(txq),

	TP_STRUCT__entry(
		MP_QUEUE_ENTRY(txq)
		__field(u32, idx)
	),

	TP_fast_assign(
		MP_QUEUE_ASSIGN(txq);
		__entry->idx = txq->pushed;
	),

	TP_printk(MP_QUEUE_FMT " idx=%u" MP_NET_FMT,
		  MP_QUEUE_ARGS, __entry->idx, MP_NET_ARG)
);

TRACE_EVENT(mpassthru_tx_fallback,

	TP_PROTO(const struct mpassthru_txq *txq,
		 enum mp_fallback_reason reason),

	TP_ARGS(txq, reason),

	TP_STRUCT__entry(
		MP_QUEUE_ENTRY(txq)
		__field(u32, idx)
		__field(unsigned int, reason)
	),

	TP_fast_assign(
		MP_QUEUE_ASSIGN(txq);
		__entry->idx = txq->posted;
		__entry->reason = reason;
	),

	TP_printk(MP_QUEUE_FMT " idx=%u reason=%s" MP_NET_FMT,
		  MP_QUEUE_ARGS, __entry->idx,
		  show_mp_fallback(__entry->reason), MP_NET_ARG)
);

DECLARE_EVENT_CLASS(mpassthru_tx_range,

	TP_PROTO(const struct mpassthru_txq *txq, u32 first, u32 count),

	TP_ARGS(txq, first, count),

	TP_STRUCT__entry(
		MP_QUEUE_ENTRY(txq)
		__field(u32, first)
		__field(u32, count)
	),

	TP_fast_assign(
		MP_QUEUE_ASSIGN(txq);
		__entry->first = first;
		__entry->count = count;
	),

	TP_printk(MP_QUEUE_FMT " first=%u count=%u" MP_NET_FMT,
		  MP_QUEUE_ARGS, __entry->first, __entry->count, MP_NET_ARG)
);

DEFINE_EVENT(mpassthru_tx_range, mpassthru_tx_done,
	TP_PROTO(const struct mpassthru_txq *txq, u32 first, u32 count),
	TP_ARGS(txq, first, count)
);

DEFINE_EVENT(mpassthru_tx_range, mpassthru_tx_drop,
	TP_PROTO(const struct mpassthru_txq *txq, u32 first, u32 count),
	TP_ARGS(txq, first, count)
);

DEFINE_EVENT_CONDITION(mpassthru_tx_range, mpassthru_tx_complete,
	TP_PROTO(const struct mpassthru_txq *txq, u32 first, u32 count),
	TP_ARGS(txq, first, count),
	TP_CONDITION(count)
);

DEFINE_EVENT(mpassthru_tx_range, mpassthru_tx_reset,
	TP_PROTO(const struct mpassthru_txq *txq, u32 first, u32 count),
	TP_ARGS(txq, first, count)
);

DEFINE_EVENT_CONDITION(mpassthru_tx_range, mpassthru_tx_rewind,
	TP_PROTO(const struct mpassthru_txq *txq, u32 first, u32 count),
	TP_ARGS(txq, first, count),
	TP_CONDITION(count)
);

/* Pages.  They outlive queue and device, of which there is no more than the
 * numbers by then.
 */

TRACE_EVENT(mpassthru_pin,

	TP_PROTO(u64 net_cookie, int ifindex, unsigned int queue, bool tx,
		 unsigned long addr, int err),

	TP_ARGS(net_cookie, ifindex, queue, tx, addr, err),

	TP_STRUCT__entry(
		__field(u64, net_cookie)
		__field(unsigned long, addr)
		__field(int, ifindex)
		__field(unsigned int, queue)
		__field(int, err)
		__field(bool, tx)
	),

	TP_fast_assign(
		__entry->net_cookie = net_cookie;
		__entry->addr = addr;
		__entry->ifindex = ifindex;
		__entry->queue = queue;
		__entry->err = err;
		__entry->tx = tx;
	),

	TP_printk("ifindex=%d queue=%u dir=%s addr=0x%lx err=%d" MP_NET_FMT,
		  __entry->ifindex, __entry->queue, __entry->tx ? "tx" : "rx",
		  __entry->addr, __entry->err, MP_NET_ARG)
);

TRACE_EVENT(mpassthru_unpin,

	TP_PROTO(u64 net_cookie, int ifindex, unsigned int queue, bool tx,
		 unsigned long addr, enum mp_unpin_reason reason),

	TP_ARGS(net_cookie, ifindex, queue, tx, addr, reason),

	TP_STRUCT__entry(
		__field(u64, net_cookie)
		__field(unsigned long, addr)
		__field(int, ifindex)
		__field(unsigned int, queue)
		__field(unsigned int, reason)
		__field(bool, tx)
	),

	TP_fast_assign(
		__entry->net_cookie = net_cookie;
		__entry->addr = addr;
		__entry->ifindex = ifindex;
		__entry->queue = queue;
		__entry->reason = reason;
		__entry->tx = tx;
	),

	TP_printk("ifindex=%d queue=%u dir=%s addr=0x%lx reason=%s" MP_NET_FMT,
		  __entry->ifindex, __entry->queue, __entry->tx ? "tx" : "rx",
		  __entry->addr, show_mp_unpin(__entry->reason), MP_NET_ARG)
);

#endif /* _TRACE_MPASSTHRU_H */

/* This part must be outside protection */
#include <trace/define_trace.h>
