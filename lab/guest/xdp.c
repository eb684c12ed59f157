// SPDX-License-Identifier: GPL-2.0
/*
 * xdp IFNAME TIMES: attach an XDP program that lets every frame pass, and take it
 * off again, so many times. virtio-net stops its queues for each, posts other
 * buffers, and has the host turn its offloads off and on.
 */
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static int bpf(int cmd, union bpf_attr *attr)
{
	int fd = syscall(SYS_bpf, cmd, attr, sizeof(*attr));

	if (fd >= 0)
		return fd;
	perror(cmd == BPF_PROG_LOAD ? "BPF_PROG_LOAD" : "BPF_LINK_CREATE");
	exit(1);
}

int main(int argc, char **argv)
{
	const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = XDP_PASS },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr load = {
		.prog_type = BPF_PROG_TYPE_XDP,
		.insns = (uintptr_t)pass,
		.insn_cnt = sizeof(pass) / sizeof(pass[0]),
		.license = (uintptr_t)"GPL",
	};
	int i, prog, times = argc == 3 ? atoi(argv[2]) : 0;

	if (times <= 0) {
		fprintf(stderr, "usage: xdp IFNAME TIMES\n");
		return 2;
	}
	prog = bpf(BPF_PROG_LOAD, &load);
	for (i = 0; i < times; i++) {
		union bpf_attr link = {};

		link.link_create.prog_fd = prog;
		link.link_create.target_ifindex = if_nametoindex(argv[1]);
		link.link_create.attach_type = BPF_XDP;
		link.link_create.flags = XDP_FLAGS_DRV_MODE;
		/* The link is gone, and the program off, with its descriptor. */
		close(bpf(BPF_LINK_CREATE, &link));
	}
	printf("%d times\n", i);
	return 0;
}
