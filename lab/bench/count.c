// SPDX-License-Identifier: GPL-2.0-only
/*
 * A plugin of QEMU's TCG: instructions executed and calls made, by function of
 * the host's (L1's) and the guest's (L2's) kernel and by virtual CPU.
 *
 *   -plugin FILE,symbols=FILE,mark=FUNCTION,out=FILE
 *
 * symbols: lines "ADDRESS NAME" in hexadecimal, sorted; what ends the text last.
 * Each time L1 executes FUNCTION, what has been counted since the last time is
 * appended to out: a line "mark N", then lines "VCPU NAME INSTRUCTIONS CALLS".
 *
 * The guest runs the same kernel at the same virtual addresses. What tells them
 * apart is where the text lies in memory: L1's is translated first, and is
 * contiguous. Functions of L2 have a "@" before the name. Names in angle brackets
 * stand for what is no text of a kernel: <other> for such addresses, and <user>,
 * of L1 and L2.
 *
 * A string instruction counts once, and once more for each repetition: it is how
 * the kernel copies, on a CPU without erms. TCG takes all repetitions for one
 * instruction, CPUs do a word in each, or more.
 *
 * The declarations are those of QEMU's qemu-plugin.h, which no package but
 * QEMU's source (40 MB) has; version 7 of the API is that of QEMU 11.
 */

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t qemu_plugin_id_t;
typedef struct qemu_info_t qemu_info_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_scoreboard;
typedef struct {
	struct qemu_plugin_scoreboard *score;
	size_t offset;
} qemu_plugin_u64;

enum qemu_plugin_op { QEMU_PLUGIN_INLINE_ADD_U64 };
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };
enum qemu_plugin_mem_rw { QEMU_PLUGIN_MEM_R = 1, QEMU_PLUGIN_MEM_W };

typedef void (*tb_trans_cb)(struct qemu_plugin_tb *tb, void *udata);
typedef void (*udata_cb)(unsigned int vcpu, void *udata);

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, tb_trans_cb cb,
					   void *udata);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *
qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t idx);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *dest,
			     size_t len);
void *qemu_plugin_insn_haddr(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
					    udata_cb cb,
					    enum qemu_plugin_cb_flags flags,
					    void *udata);
void qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(
	struct qemu_plugin_insn *insn, enum qemu_plugin_op op,
	qemu_plugin_u64 entry, uint64_t imm);
void qemu_plugin_register_vcpu_mem_inline_per_vcpu(
	struct qemu_plugin_insn *insn, enum qemu_plugin_mem_rw rw,
	enum qemu_plugin_op op, qemu_plugin_u64 entry, uint64_t imm);
struct qemu_plugin_scoreboard *qemu_plugin_scoreboard_new(size_t element_size);
void *qemu_plugin_scoreboard_find(struct qemu_plugin_scoreboard *score,
				  unsigned int vcpu);
int qemu_plugin_num_vcpus(void);

EXPORT int qemu_plugin_version = 7;

struct count {
	uint64_t insns;
	uint64_t calls;
};

#define MAX_VCPUS 8

static uint64_t *addrs;
static char **names;
static size_t nsyms;		/* the last is the end of the text */
/* Counts: of L1's symbols, of L2's, and two more. */
static size_t other, user;
static struct qemu_plugin_scoreboard *score;
static struct count *last[MAX_VCPUS];
static uint64_t mark_addr;
static FILE *out;
static intptr_t delta;		/* of host and virtual address of L1's text */

static size_t find(uint64_t addr)
{
	size_t lo = 0, hi = nsyms - 1, mid;

	while (hi - lo > 1) {
		mid = (lo + hi) / 2;
		if (addrs[mid] <= addr)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

static size_t classify(const struct qemu_plugin_insn *insn, uint64_t vaddr)
{
	intptr_t here = (intptr_t)qemu_plugin_insn_haddr(insn) - (intptr_t)vaddr;

	if (!(vaddr >> 63))
		return user;
	if (vaddr < addrs[0] || vaddr >= addrs[nsyms - 1])
		return other;
	/* The first to get there is L1. */
	if (!delta)
		delta = here;
	return find(vaddr) + (here == delta ? 0 : nsyms);
}

static void add(struct qemu_plugin_insn *insn, size_t i, size_t field,
		uint64_t n)
{
	qemu_plugin_u64 entry = {
		.score = score, .offset = i * sizeof(struct count) + field,
	};

	qemu_plugin_register_vcpu_insn_exec_inline_per_vcpu(
		insn, QEMU_PLUGIN_INLINE_ADD_U64, entry, n);
}

/* movs and stos with a rep prefix, and perhaps REX.W between. */
static void add_repetitions(struct qemu_plugin_insn *insn, size_t i)
{
	qemu_plugin_u64 entry = {
		.score = score,
		.offset = i * sizeof(struct count) +
			  offsetof(struct count, insns),
	};
	enum qemu_plugin_mem_rw rw = QEMU_PLUGIN_MEM_R;
	uint8_t code[4] = { 0 };
	size_t op = 1;

	qemu_plugin_insn_data(insn, code, sizeof(code));
	if (code[0] != 0xf3)
		return;
	if ((code[1] & 0xf0) == 0x40)
		op = 2;
	if ((code[op] & 0xfe) == 0xaa)
		rw = QEMU_PLUGIN_MEM_W;
	else if ((code[op] & 0xfe) != 0xa4)
		return;
	qemu_plugin_register_vcpu_mem_inline_per_vcpu(
		insn, rw, QEMU_PLUGIN_INLINE_ADD_U64, entry, 1);
}

static const char *name_of(size_t i)
{
	return i == other ? "<other>" : i == user ? "<user>" : names[i % nsyms];
}

static void write_counts(unsigned int vcpu, void *udata)
{
	static unsigned int marks;
	struct count *now, *then;
	int cpu, ncpus = qemu_plugin_num_vcpus();
	size_t i;

	fprintf(out, "mark %u\n", marks++);
	for (cpu = 0; cpu < ncpus && cpu < MAX_VCPUS; cpu++) {
		now = qemu_plugin_scoreboard_find(score, cpu);
		then = last[cpu];
		for (i = 0; i <= user; i++) {
			if (now[i].insns != then[i].insns)
				fprintf(out, "%d %s%s %" PRIu64 " %" PRIu64 "\n",
					cpu, i / nsyms == 1 ? "@" : "",
					name_of(i), now[i].insns - then[i].insns,
					now[i].calls - then[i].calls);
			then[i] = now[i];
		}
	}
	fflush(out);
}

/* Runs of instructions of one function are counted where they begin. */
static void translate(struct qemu_plugin_tb *tb, void *udata)
{
	size_t n = qemu_plugin_tb_n_insns(tb), i, sym, run_sym = 0, run = 0;
	struct qemu_plugin_insn *insn, *first = NULL;
	uint64_t vaddr;

	for (i = 0; i < n; i++) {
		insn = qemu_plugin_tb_get_insn(tb, i);
		vaddr = qemu_plugin_insn_vaddr(insn);
		sym = classify(insn, vaddr);
		if (first && sym != run_sym) {
			add(first, run_sym, offsetof(struct count, insns), run);
			first = NULL;
		}
		if (!first) {
			first = insn;
			run_sym = sym;
			run = 0;
		}
		run++;
		add_repetitions(insn, sym);
		if (sym < nsyms && vaddr == addrs[sym]) {
			add(insn, sym, offsetof(struct count, calls), 1);
			if (vaddr == mark_addr)
				qemu_plugin_register_vcpu_insn_exec_cb(
					insn, write_counts,
					QEMU_PLUGIN_CB_NO_REGS, NULL);
		}
	}
	if (first)
		add(first, run_sym, offsetof(struct count, insns), run);
}

static bool read_symbols(const char *path, const char *mark)
{
	char name[512];
	uint64_t addr;
	size_t room = 0;
	FILE *f;

	f = fopen(path, "r");
	if (!f)
		return false;
	while (fscanf(f, "%" SCNx64 " %511s", &addr, name) == 2) {
		if (!strcmp(name, mark))
			mark_addr = addr;
		/* Aliases: the first name is as good as any. */
		if (nsyms && addrs[nsyms - 1] == addr)
			continue;
		if (nsyms + 3 > room) {
			room = 2 * room + 1024;
			addrs = realloc(addrs, room * sizeof(*addrs));
			names = realloc(names, room * sizeof(*names));
			if (!addrs || !names)
				return false;
		}
		addrs[nsyms] = addr;
		names[nsyms++] = strdup(name);
	}
	fclose(f);
	if (nsyms < 2 || !mark_addr)
		return false;
	other = 2 * nsyms;
	user = other + 1;
	return true;
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info,
			       int argc, char **argv)
{
	const char *symbols = NULL, *mark = "";
	int i;

	for (i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "symbols=", 8))
			symbols = argv[i] + 8;
		else if (!strncmp(argv[i], "mark=", 5))
			mark = argv[i] + 5;
		else if (!strncmp(argv[i], "out=", 4))
			out = fopen(argv[i] + 4, "w");
	}
	if (!symbols || !out || !read_symbols(symbols, mark)) {
		fprintf(stderr, "count: symbols=, mark= or out= is no good\n");
		return 1;
	}
	score = qemu_plugin_scoreboard_new((user + 1) * sizeof(struct count));
	for (i = 0; i < MAX_VCPUS; i++) {
		last[i] = calloc(user + 1, sizeof(struct count));
		if (!last[i])
			return 1;
	}
	qemu_plugin_register_vcpu_tb_trans_cb(id, translate, NULL);
	return 0;
}
