// SPDX-License-Identifier: GPL-2.0
/* A guest's memory and virtqueues, seen from its virtio-net driver. */

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/if_tun.h>

#include "clock.h"
#include "guest.h"
#include "say.h"

#define GUARD		0x5a
#define HUGE_PAGE	(2UL << 20)

static void set_defaults(struct guest_config *cfg)
{
	cfg->num = cfg->num ?: 256;
	cfg->bufs = cfg->bufs ?: 128;
	cfg->lane = cfg->lane ?: GUEST_PAGE;
	cfg->off = cfg->off ?: 128;
	cfg->len = cfg->len ?: 1536;
}

/* Memory */

static size_t round_up(size_t size, size_t unit)
{
	return (size + unit - 1) / unit * unit;
}

static void lay_out(struct guest *g)
{
	g->tables = 2 * vq_size(g->cfg.num);
	g->tx_slots = g->tables + round_up(g->cfg.num * GUEST_SG *
					   sizeof(struct vring_desc),
					   GUEST_PAGE);
	g->lanes = g->tx_slots + GUEST_TX_SLOTS * GUEST_TX_SIZE;
	g->room = round_up(g->lanes + g->cfg.bufs * g->cfg.lane, GUEST_PAGE);
	g->size = round_up(g->room + g->cfg.room,
			   g->cfg.mem == GUEST_HUGE ? HUGE_PAGE : GUEST_PAGE);
}

/*
 * Fill the file in order, then map it so that neighbours in memory are half a
 * file apart: they are not neighbours in physical memory either.
 */
static int scatter(struct guest *g, int fd)
{
	size_t i, at, pages = g->size / GUEST_PAGE;
	void *page;

	memset(g->mem, 0, g->size);
	for (i = 0; i < pages; i++) {
		at = i / 2 + (i % 2) * ((pages + 1) / 2);
		page = mmap(g->mem + i * GUEST_PAGE, GUEST_PAGE,
			    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
			    at * GUEST_PAGE);
		if (page == MAP_FAILED)
			return -errno;
	}
	return 0;
}

static int map_file(struct guest *g)
{
	unsigned int flags = g->cfg.mem == GUEST_HUGE ? MFD_HUGETLB : 0;
	int fd, err = 0;

	fd = memfd_create("guest", MFD_CLOEXEC | flags);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, g->size) < 0)
		err = -errno;
	g->mem = mmap(NULL, g->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (!err && g->mem == MAP_FAILED)
		err = -errno;
	if (!err && g->cfg.mem == GUEST_SCATTERED)
		err = scatter(g, fd);
	close(fd);
	return err;
}

static int allocate(struct guest *g)
{
	int err = 0;

	lay_out(g);
	if (g->cfg.mem == GUEST_ANON) {
		g->mem = mmap(NULL, g->size, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (g->mem == MAP_FAILED)
			err = -errno;
		else
			madvise(g->mem, g->size, MADV_NOHUGEPAGE);
	} else {
		err = map_file(g);
	}
	if (err) {
		g->mem = NULL;
		return err;
	}
	memset(g->mem + g->lanes, GUARD, g->size - g->lanes);
	g->buf = calloc(g->cfg.bufs, sizeof(*g->buf));
	g->rx_owner = calloc(g->cfg.num, sizeof(*g->rx_owner));
	return g->buf && g->rx_owner ? 0 : -ENOMEM;
}

void *guest_mem(struct guest *g, __u64 addr)
{
	return g->mem + (addr - GUEST_BASE);
}

unsigned char *guest_lane(struct guest *g, int i)
{
	return g->mem + g->lanes + i * g->cfg.lane;
}

int guest_map(struct guest *g)
{
	struct vhost_area area = {
		.addr	= GUEST_BASE,
		.mem	= g->mem,
		.size	= g->size,
	};

	return vhost_set_mem(&g->vhost, &area, 1);
}

/* The rings are where our own addresses say, the buffers at the guest's. */
static int map_iotlb(struct guest *g)
{
	struct vhost_area buffers = {
		.addr	= GUEST_BASE,
		.mem	= g->mem,
		.size	= g->size,
	};
	struct vhost_area rings = {
		.addr	= (uintptr_t)g->mem,
		.mem	= g->mem,
		.size	= 2 * vq_size(g->cfg.num),
	};

	if (!(g->cfg.features & BIT_PLATFORM))
		return 0;
	return vhost_map_iotlb(&g->vhost, &buffers) ?:
	       vhost_map_iotlb(&g->vhost, &rings);
}

/* Receive buffers */

static void add_sg(struct guest_buf *b, __u64 addr, size_t len)
{
	b->sg[b->nsg++] = (struct vq_sg) { .addr = addr, .len = len };
	b->len += len;
}

static void cut_buffer(struct guest *g, int i)
{
	__u64 addr = GUEST_BASE + g->lanes + i * g->cfg.lane;
	size_t piece, left = g->cfg.len;
	struct guest_buf *b = &g->buf[i];

	if (g->cfg.hdr_apart) {
		add_sg(b, addr + 16, g->hdr_len);
		left -= g->hdr_len;
	}
	addr += g->cfg.off;
	while (left) {
		piece = g->cfg.piece && g->cfg.piece < left &&
			b->nsg < GUEST_SG - 1 ? g->cfg.piece : left;
		add_sg(b, addr, piece);
		addr += piece;
		left -= piece;
	}
}

/* One of a single descriptor, to another length. */
static void cut_anew(struct guest *g, int i, size_t len)
{
	struct guest_buf *b = &g->buf[i];
	unsigned char *end = guest_mem(g, b->sg[0].addr + len);

	b->sg[0].len = len;
	b->len = len;
	memset(end, GUARD, guest_lane(g, i) + g->cfg.lane - end);
}

static bool is_guard(const unsigned char *p, const unsigned char *end)
{
	static unsigned char guard[1024];
	size_t n;

	memset(guard, GUARD, sizeof(guard));
	for (; p < end; p += n) {
		n = end - p;
		if (n > sizeof(guard))
			n = sizeof(guard);
		if (memcmp(p, guard, n))
			return false;
	}
	return true;
}

static bool guards_intact(struct guest *g, int i)
{
	unsigned char *at = guest_lane(g, i), *end = at + g->cfg.lane;
	struct guest_buf *b = &g->buf[i];
	unsigned int s;

	if (b->wild)
		return true;
	for (s = 0; s < b->nsg; s++) {
		if (!is_guard(at, guest_mem(g, b->sg[s].addr)))
			break;
		at = guest_mem(g, b->sg[s].addr + b->sg[s].len);
	}
	if (s == b->nsg && is_guard(at, end))
		return true;
	say("something wrote outside of buffer %d, around its part %u", i, s);
	return false;
}

/* The first @len bytes of a buffer, put together. */
static void read_buffer(struct guest *g, int i, void *to, size_t len)
{
	struct guest_buf *b = &g->buf[i];
	unsigned int s;
	size_t n;

	for (s = 0; s < b->nsg && len; s++) {
		n = b->sg[s].len < len ? b->sg[s].len : len;
		memcpy(to, guest_mem(g, b->sg[s].addr), n);
		to += n;
		len -= n;
	}
}

/* Lifetime */

static void forget(struct guest *g)
{
	*g = (struct guest) {
		.vhost.fd = -1,
		.rx_fds = { -1, -1, -1 },
		.tx_fds = { -1, -1, -1 },
	};
}

int guest_open(struct guest *g, const struct guest_config *cfg)
{
	unsigned int i;
	int err;

	forget(g);
	g->cfg = *cfg;
	set_defaults(&g->cfg);
	g->hdr_len = cfg->features & (BIT_V1 | BIT_MRG) ?
		     sizeof(struct virtio_net_hdr_mrg_rxbuf) :
		     sizeof(struct virtio_net_hdr);

	err = allocate(g) ?:
	      vq_init(&g->rx, g->mem, g->cfg.num, cfg->features) ?:
	      vq_init(&g->tx, g->mem + vq_size(g->cfg.num), g->cfg.num,
		      cfg->features) ?:
	      (cfg->kthread ? vhost_open_kthread(&g->vhost) :
			      vhost_open(&g->vhost)) ?:
	      vhost_fds_open(&g->rx_fds) ?:
	      vhost_fds_open(&g->tx_fds) ?:
	      vhost_set_features(&g->vhost, cfg->features) ?:
	      guest_map(g) ?:
	      map_iotlb(g) ?:
	      vhost_set_vring(&g->vhost, GUEST_RX, &g->rx, &g->rx_fds) ?:
	      vhost_set_vring(&g->vhost, GUEST_TX, &g->tx, &g->tx_fds);
	if (err) {
		say("%s", strerror(-err));
		return err;
	}
	for (i = 0; i < g->cfg.bufs; i++)
		cut_buffer(g, i);
	return 0;
}

void guest_close(struct guest *g)
{
	vhost_close(&g->vhost);
	vhost_fds_close(&g->rx_fds);
	vhost_fds_close(&g->tx_fds);
	vq_free(&g->rx);
	vq_free(&g->tx);
	free(g->buf);
	free(g->rx_owner);
	if (g->mem)
		munmap(g->mem, g->size);
	forget(g);
}

int guest_start(struct guest *g, int fd)
{
	int hdr_len = g->hdr_len, err;

	if (ioctl(fd, TUNSETVNETHDRSZ, &hdr_len) < 0) {
		err = -errno;
		say("TUNSETVNETHDRSZ: %s", strerror(errno));
		return err;
	}
	err = vhost_set_backend(&g->vhost, GUEST_RX, fd) ?:
	      vhost_set_backend(&g->vhost, GUEST_TX, fd);
	if (err)
		say("VHOST_NET_SET_BACKEND: %s", strerror(-err));
	g->running = !err;
	return err;
}

int guest_stop(struct guest *g)
{
	int err;

	err = vhost_set_backend(&g->vhost, GUEST_RX, -1) ?:
	      vhost_set_backend(&g->vhost, GUEST_TX, -1);
	if (err)
		say("VHOST_NET_SET_BACKEND -1: %s", strerror(-err));
	g->running = false;
	return err;
}

/* Receive */

int guest_post(struct guest *g, int i)
{
	struct guest_buf *b = &g->buf[i];
	struct vring_desc *table = NULL;
	__u64 addr = 0;
	int head;

	if (g->post_len && g->post_len != b->len)
		cut_anew(g, i, g->post_len);
	if (g->cfg.features & BIT_INDIRECT) {
		addr = GUEST_BASE + g->tables +
		       i * GUEST_SG * sizeof(*table);
		table = guest_mem(g, addr);
	}
	head = vq_add(&g->rx, b->sg, b->nsg, table, addr);
	if (head < 0) {
		say("buffer %d: ring is full", i);
		return head;
	}
	g->rx_owner[head] = i;
	b->posted++;
	return 0;
}

int guest_post_all(struct guest *g)
{
	unsigned int i;

	for (i = 0; i < g->cfg.bufs; i++)
		if (g->buf[i].posted == g->buf[i].used && guest_post(g, i))
			return -1;
	guest_kick(g);
	return 0;
}

int guest_repost(struct guest *g, const struct guest_frame *f)
{
	unsigned int i;

	for (i = 0; i < f->nbufs; i++)
		if (guest_post(g, f->buf[i]))
			return -1;
	return 0;
}

void guest_kick(struct guest *g)
{
	if (vq_publish(&g->rx))
		vhost_signal(g->rx_fds.kick);
}

int guest_wait_used(struct vq *vq, int call, int ms)
{
	struct pollfd pfd = { .fd = call, .events = POLLIN };
	long long left, end = clock_ms() + ms;

	while (!vq_pending(vq)) {
		left = end - clock_ms();
		if (left > 0 && poll(&pfd, 1, left)) {
			vhost_signalled(call);
			continue;
		}
		if (!vq_pending(vq))
			return 1;
		/* It may come between the used index and the call. */
		if (ms && poll(&pfd, 1, clock_patience()) != 1) {
			say("used entries without a call");
			return -1;
		}
	}
	return 0;
}

/* The length of the next used buffer, which is *@buf. */
static int take(struct guest *g, int *buf, __u32 *len)
{
	struct vq_used used;
	struct guest_buf *b;

	if (vq_take(&g->rx, &used) != 1)
		return -1;
	*buf = g->rx_owner[used.head];
	b = &g->buf[*buf];
	*len = used.full ? b->len : used.len;
	if (++b->used > b->posted) {
		say("buffer %d was used %u times, posted %u times", *buf,
		    b->used, b->posted);
		return -1;
	}
	if (*len > b->len) {
		say("buffer %d of %zu bytes: %u used", *buf, b->len, *len);
		return -1;
	}
	if (!guards_intact(g, *buf))
		return -1;
	return g->rx.disorder ? -1 : 0;
}

int guest_take(struct guest *g, int *buf, __u32 *len, int ms)
{
	return guest_wait_used(&g->rx, g->rx_fds.call, ms) ?: take(g, buf, len);
}

static int take_first(struct guest *g, struct guest_frame *f, __u32 *len)
{
	unsigned char buf[GUEST_PAGE];

	f->len = 0;
	f->nbufs = 1;
	f->hdr.num_buffers = 1;
	if (take(g, &f->buf[0], len))
		return -1;
	if (!*len)
		return 0;
	if (*len < g->hdr_len) {
		say("%u bytes used, fewer than the header has", *len);
		return -1;
	}
	read_buffer(g, f->buf[0], buf, g->hdr_len);
	memcpy(&f->hdr, buf, g->hdr_len);
	if (f->hdr.num_buffers < 1 || f->hdr.num_buffers > 64 ||
	    (f->hdr.num_buffers > 1 && !(g->cfg.features & BIT_MRG))) {
		say("num_buffers is %u", f->hdr.num_buffers);
		return -1;
	}
	return 0;
}

int guest_recv(struct guest *g, struct guest_frame *f, int ms)
{
	static unsigned char data[FRAME_BUF + 64];
	size_t total = 0;
	__u32 len;
	int ret;

	ret = guest_wait_used(&g->rx, g->rx_fds.call, ms);
	if (ret)
		return ret;
	if (take_first(g, f, &len))
		return -1;
	if (!len)
		return 0;
	for (;;) {
		if (total + len > sizeof(data))
			return -1;
		read_buffer(g, f->buf[f->nbufs - 1], data + total, len);
		total += len;
		if (f->nbufs == f->hdr.num_buffers)
			break;
		if (len != g->buf[f->buf[f->nbufs - 1]].len) {
			say("buffer %u of %u has room left", f->nbufs,
			    f->hdr.num_buffers);
			return -1;
		}
		if (!vq_pending(&g->rx)) {
			say("%u buffers of %u are missing",
			    f->hdr.num_buffers - f->nbufs, f->hdr.num_buffers);
			return -1;
		}
		if (take(g, &f->buf[f->nbufs++], &len))
			return -1;
		if (!len) {
			say("buffer %u of %u is empty", f->nbufs,
			    f->hdr.num_buffers);
			return -1;
		}
	}
	f->len = total - g->hdr_len;
	memcpy(f->data, data + g->hdr_len, f->len);
	return 0;
}

int guest_recv_of(struct guest *g, const struct frame *s,
		  struct guest_frame *f, __u32 *seq, int ms)
{
	long long left, end = clock_ms() + ms;
	int ret;

	for (;;) {
		left = end - clock_ms();
		ret = guest_recv(g, f, left > 0 ? left : 0);
		if (ret)
			return ret;
		ret = FRAME_FOREIGN;
		if (f->len)
			ret = frame_check(s, f->data, f->len, seq);
		if (ret == FRAME_BAD)
			return -1;
		if (ret == FRAME_OK)
			break;
		if (guest_repost(g, f))
			return -1;
		guest_kick(g);
	}
	if (f->hdr.hdr.gso_type ||
	    f->hdr.hdr.flags & ~VIRTIO_NET_HDR_F_DATA_VALID) {
		say("frame %u: header has flags %x, gso_type %x", *seq,
		    f->hdr.hdr.flags, f->hdr.hdr.gso_type);
		return -1;
	}
	return 0;
}

unsigned int guest_out(struct guest *g)
{
	return (__u16)(g->rx.kicked - vq_used_idx(&g->rx));
}

bool guest_books_balance(struct guest *g)
{
	unsigned int i, out = 0;
	bool ok = true;
	int base;

	for (i = 0; i < g->cfg.bufs; i++) {
		out += g->buf[i].posted - g->buf[i].used;
		if (g->buf[i].posted - g->buf[i].used <= 1)
			continue;
		say("buffer %u was posted %u times, used %u times", i,
		    g->buf[i].posted, g->buf[i].used);
		ok = false;
	}
	if (out != vq_out(&g->rx)) {
		say("%u buffers are out, the ring says %u", out,
		    vq_out(&g->rx));
		ok = false;
	}
	base = vhost_get_base(&g->vhost, GUEST_RX);
	if (base != vq_used_idx(&g->rx)) {
		say("last_avail_idx is %d, the used index %u: %d lost", base,
		    vq_used_idx(&g->rx), (__s16)(base - vq_used_idx(&g->rx)));
		ok = false;
	}
	return ok;
}

/* Transmit */

int guest_send(struct guest *g, const void *hdr, const void *frame,
	       size_t len, size_t piece)
{
	unsigned int slot = g->tx.avail % GUEST_TX_SLOTS;
	__u64 table_addr = GUEST_BASE + g->tables +
			   (g->cfg.num - 1 - slot) * GUEST_SG *
			   sizeof(struct vring_desc);
	struct vring_desc *table = NULL;
	struct vq_sg sg[GUEST_SG];
	unsigned int n = 0;
	size_t at, left;
	__u64 addr;

	if ((vq_out(&g->tx) >= GUEST_TX_SLOTS || g->tx.nfree < GUEST_SG) &&
	    guest_sent(g, clock_patience()))
		return -1;
	/* Where in a page a frame starts differs from slot to slot. */
	addr = GUEST_BASE + g->tx_slots + slot * GUEST_TX_SIZE + slot * 61;
	memcpy(guest_mem(g, addr), hdr, g->hdr_len);
	if (g->cfg.hdr_apart || !len) {
		sg[n++] = (struct vq_sg) {
			.addr = addr, .len = g->hdr_len, .readable = true,
		};
		addr += 64;
		left = len;
	} else {
		left = len + g->hdr_len;
	}
	at = left - len;
	memcpy(guest_mem(g, addr + at), frame, len);
	while (left) {
		at = piece && piece < left && n < GUEST_SG - 1 ? piece : left;
		sg[n++] = (struct vq_sg) {
			.addr = addr, .len = at, .readable = true,
		};
		addr += at;
		left -= at;
	}
	if (g->cfg.features & BIT_INDIRECT)
		table = guest_mem(g, table_addr);
	if (vq_add(&g->tx, sg, n, table, table_addr) < 0)
		return -1;
	if (vq_publish(&g->tx))
		vhost_signal(g->tx_fds.kick);
	return 0;
}

int guest_sent(struct guest *g, int ms)
{
	long long end = clock_ms() + ms;
	struct vq_used used;
	int ret;

	while (vq_out(&g->tx)) {
		ret = guest_wait_used(&g->tx, g->tx_fds.call, end - clock_ms());
		if (ret) {
			say("%u frames were not used", vq_out(&g->tx));
			return -1;
		}
		if (vq_take(&g->tx, &used) != 1)
			return -1;
	}
	return 0;
}
