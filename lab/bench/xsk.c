// SPDX-License-Identifier: GPL-2.0
/*
 * xsk IFNAME QUEUE: receive what a queue has with AF_XDP, without a copy, and drop
 * it, until killed. It is what make bench compares with: a program that gets frames
 * from the same NIC, by DMA into its own memory, and does nothing with them.
 *
 * By system calls, not with libxdp: that loads a dispatcher, for which the kernel
 * needs BTF, and this needs five instructions and two rings.
 */
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <poll.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FRAMES		4096
#define FRAME_SIZE	2048
#define RING		2048
#define BATCH		64

struct ring {
	uint32_t *producer;
	uint32_t *consumer;
	void *desc;
};

static void check(long ret, const char *what)
{
	if (ret >= 0)
		return;
	perror(what);
	exit(1);
}

static int bpf(int cmd, union bpf_attr *attr)
{
	return syscall(SYS_bpf, cmd, attr, sizeof(*attr));
}

/* bpf_redirect_map(&map, ctx->rx_queue_index, XDP_PASS) */
static int load(int map)
{
	const struct bpf_insn insns[] = {
		{ .code = BPF_LDX | BPF_W | BPF_MEM, .dst_reg = BPF_REG_2,
		  .src_reg = BPF_REG_1,
		  .off = offsetof(struct xdp_md, rx_queue_index) },
		{ .code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = BPF_REG_1,
		  .src_reg = BPF_PSEUDO_MAP_FD, .imm = map },
		{},
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_3,
		  .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_XDP,
		.insns = (uintptr_t)insns,
		.insn_cnt = sizeof(insns) / sizeof(insns[0]),
		.license = (uintptr_t)"GPL",
	};
	int fd = bpf(BPF_PROG_LOAD, &attr);

	check(fd, "BPF_PROG_LOAD");
	return fd;
}

/* The program and its link go with this process. */
static void attach(int ifindex, int queue, int xsk)
{
	union bpf_attr create = {
		.map_type = BPF_MAP_TYPE_XSKMAP, .key_size = 4, .value_size = 4,
		.max_entries = 64,
	};
	union bpf_attr update = { .map_fd = bpf(BPF_MAP_CREATE, &create) };
	union bpf_attr link = { };

	check((int)update.map_fd, "BPF_MAP_CREATE");
	update.key = (uintptr_t)&queue;
	update.value = (uintptr_t)&xsk;
	check(bpf(BPF_MAP_UPDATE_ELEM, &update), "BPF_MAP_UPDATE_ELEM");
	link.link_create.prog_fd = load(update.map_fd);
	link.link_create.target_ifindex = ifindex;
	link.link_create.attach_type = BPF_XDP;
	link.link_create.flags = XDP_FLAGS_DRV_MODE;
	check(bpf(BPF_LINK_CREATE, &link), "BPF_LINK_CREATE");
}

static void map_ring(struct ring *ring, int fd, const struct xdp_ring_offset *off,
		     size_t size, off_t pgoff)
{
	char *map = mmap(NULL, off->desc + RING * size, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_POPULATE, fd, pgoff);

	if (map == MAP_FAILED)
		check(-1, "mmap");
	ring->producer = (uint32_t *)(map + off->producer);
	ring->consumer = (uint32_t *)(map + off->consumer);
	ring->desc = map + off->desc;
}

static void receive(int fd, struct ring *fill, struct ring *rx)
{
	const struct xdp_desc *descs = rx->desc;
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	uint64_t *addrs = fill->desc;
	uint32_t cons = 0, prod = *fill->producer, n, i;

	for (;;) {
		n = __atomic_load_n(rx->producer, __ATOMIC_ACQUIRE) - cons;
		if (!n) {
			poll(&pfd, 1, -1);
			continue;
		}
		if (n > BATCH)
			n = BATCH;
		/* As many as it was given: there is room for them. */
		for (i = 0; i < n; i++)
			addrs[prod++ % RING] = descs[cons++ % RING].addr &
					       ~(uint64_t)(FRAME_SIZE - 1);
		__atomic_store_n(rx->consumer, cons, __ATOMIC_RELEASE);
		__atomic_store_n(fill->producer, prod, __ATOMIC_RELEASE);
	}
}

int main(int argc, char **argv)
{
	const int ring_size = RING, ifindex = argc > 2 ? if_nametoindex(argv[1]) : 0;
	struct xdp_umem_reg umem = {
		.len = FRAMES * FRAME_SIZE, .chunk_size = FRAME_SIZE,
	};
	struct sockaddr_xdp addr = { .sxdp_family = AF_XDP };
	struct xdp_mmap_offsets off;
	socklen_t len = sizeof(off);
	struct ring fill, rx;
	void *area;
	int fd, i;

	if (!ifindex) {
		fprintf(stderr, "usage: xsk IFNAME QUEUE\n");
		return 2;
	}
	fd = socket(AF_XDP, SOCK_RAW, 0);
	check(fd, "AF_XDP");
	area = mmap(NULL, umem.len, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (area == MAP_FAILED)
		check(-1, "mmap");
	umem.addr = (uintptr_t)area;
	check(setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &umem, sizeof(umem)),
	      "XDP_UMEM_REG");
	check(setsockopt(fd, SOL_XDP, XDP_UMEM_FILL_RING, &ring_size,
			 sizeof(ring_size)), "XDP_UMEM_FILL_RING");
	check(setsockopt(fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, &ring_size,
			 sizeof(ring_size)), "XDP_UMEM_COMPLETION_RING");
	check(setsockopt(fd, SOL_XDP, XDP_RX_RING, &ring_size,
			 sizeof(ring_size)), "XDP_RX_RING");
	check(getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, &off, &len),
	      "XDP_MMAP_OFFSETS");
	map_ring(&fill, fd, &off.fr, sizeof(uint64_t),
		 XDP_UMEM_PGOFF_FILL_RING);
	map_ring(&rx, fd, &off.rx, sizeof(struct xdp_desc), XDP_PGOFF_RX_RING);
	for (i = 0; i < RING; i++)
		((uint64_t *)fill.desc)[i] = (uint64_t)i * FRAME_SIZE;
	__atomic_store_n(fill.producer, RING, __ATOMIC_RELEASE);

	addr.sxdp_ifindex = ifindex;
	addr.sxdp_queue_id = atoi(argv[2]);
	addr.sxdp_flags = XDP_ZEROCOPY;
	attach(ifindex, addr.sxdp_queue_id, fd);
	check(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), "bind");
	puts("ready");
	fflush(stdout);
	receive(fd, &fill, &rx);
	return 0;
}
