// SPDX-License-Identifier: GPL-2.0
/* A guest that sends, and what the peer is to receive of it. */

#include <string.h>

#include "clock.h"
#include "flow.h"
#include "nic.h"
#include "say.h"
#include "sender.h"

static int start(struct sender *a, const struct guest_config *cfg,
		 unsigned int slots)
{
	int err;

	err = guest_open(&a->g, cfg) ?: guest_start(&a->g, a->w.fd) ?:
	      guest_post_all(&a->g) ?: flow_start_tx(&a->w, &a->g) ?:
	      guest_sent(&a->g, clock_patience());
	send_init(&a->s, &a->g, slots);
	peer_drain(&a->w.peer);
	return err;
}

const char *sender_open(struct sender *a, const struct guest_config *cfg,
			unsigned int slots)
{
	struct guest_config with_room = *cfg;
	const char *missing = wire_missing();

	a->w.fd = -1;
	a->w.peer.fd = -1;
	if (missing || wire_is_tap())
		return missing ?: "only with a NIC";
	with_room.room = SEND_ROOM(slots);
	with_room.bufs = 16;
	/* Two queues of the peer keep no order between them. */
	if (wire_open(&a->w) ||
	    nic_set_queues(a->w.peer.fd, a->w.peer.dev, 1) ||
	    nic_wait_running(a->w.peer.fd, a->w.peer.dev) ||
	    nic_wait_running(a->w.sock, a->w.dev) ||
	    start(a, &with_room, slots))
		return "";
	order_init(&a->o, &a->w);
	memcpy(a->p.dst, a->w.peer.mac, 6);
	memcpy(a->p.src, a->w.mac, 6);
	a->p.port = 4000;
	a->p.pos = 1000001;
	return NULL;
}

void sender_close(struct sender *a)
{
	send_calm(&a->s);
	guest_close(&a->g);
	wire_close(&a->w);
}

int sender_restart(struct sender *a)
{
	struct guest_config cfg = a->g.cfg;
	unsigned int slots = a->s.slots;

	guest_close(&a->g);
	a->o.first = a->o.last;
	return start(a, &cfg, slots);
}

int sender_frame(struct sender *a, size_t len, unsigned int segs)
{
	struct frame *f = &a->o.f;

	f->vlan = len > FRAME_MAX ? 0x2064 : 0;
	order_frame(&a->o, a->seq, len);
	return send_frame(&a->s, f, a->seq++, len, segs);
}

int sender_packet(struct sender *a, size_t len, unsigned int mss,
		  unsigned int segs)
{
	struct virtio_net_hdr_mrg_rxbuf hdr = {};
	unsigned char buf[FRAME_BUF];
	size_t n;

	packet_describe(&a->p, mss, &hdr.hdr);
	n = packet_build(&a->p, buf, len, true);
	order_packet(&a->o, &a->p, len, mss);
	a->p.pos += len;
	a->p.id += mss ? len / mss + 1 : 1;
	return send_bytes(&a->s, &hdr, buf, n, segs);
}

int sender_done(struct sender *a)
{
	if (order_met(&a->o) || send_wait(&a->s, clock_patience()) ||
	    guest_stop(&a->g))
		return -1;
	if (vhost_get_base(&a->g.vhost, GUEST_TX) == vq_used_idx(&a->g.tx))
		return 0;
	say("last_avail_idx is not the used index");
	return -1;
}
