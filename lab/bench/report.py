#!/usr/bin/python3
"""What the plugin counted (build/bench/counts), by what was sent when
(build/results/bench-l1.json), as build/results/bench.json and a table.

A window is what lies between two marks. The host's (L1's) kernel is counted on
CPUs 0 and 1, the guest on CPU 1; the peer has CPU 2, which is not counted. What
the machine does when idle is taken off by the second.
"""

import collections
import json
import re
import sys

RESULTS = "/src/build/results/"
COUNTS = "/src/build/bench/counts"
SIZES = ("64", "256", "512", "1024", "1514")
BACKENDS = ("mp", "macvtap", "tap", "af_xdp")
WHY = {"af_xdp": "QEMU of Debian is built without -netdev af-xdp"}

# Where a function belongs; the first that matches. What matches none is "other".
STAGES = (
    ("mpassthru", r"mp_|mpassthru_|netdev_mp_"),
    ("copy", r"rep_movs|_?copy_|__copy_|simple_copy|skb_copy|csum_|fault_in_"),
    ("driver", r"igb_|eth_type|napi_|__napi|net_rx_action|dma_|dev_gro|gro_|"
               r"inet_gro|udp4?_gro|tcp4?_gro|skb_gro"),
    ("allocation", r"kmem_|kmalloc|__kmalloc|kfree|kvfree|__slab|___slab|"
                   r"slab_|__alloc_skb|alloc_skb|build_skb|__build_skb|"
                   r"skb_release|skb_free|consume_skb|__kfree_skb|napi_skb|"
                   r"page_frag|page_pool|free_|__free|get_page_from|"
                   r"__alloc|alloc_|sock_alloc|sock_wfree|sock_rfree|"
                   r"skb_unref|rmqueue|put_page|__folio|folio_|memcg|obj_cgroup|"
                   r"__memcg|refill_|allocate_"),
    ("diversion", r"__netif_receive|netif_receive|br_|nf_|should_deliver|tun_|"
                  r"tap_|macvlan|macvtap|__skb_flow|skb_flow|__dev_queue|"
                  r"dev_queue|dev_hard|sch_|pfifo|qdisc|__qdisc|validate_xmit|"
                  r"netdev_core|skb_|__skb|packet_|dev_|ptr_ring|virtio_net|"
                  r"sock_|__sock|skb"),
    ("vhost", r"vhost_|handle_rx|handle_tx|translate_desc|iotlb|get_rx_bufs|"
              r"__vhost|vring|log_|_?iov_|import_|eventfd_ctx_read|memset"),
    ("signalling", r"eventfd|irqfd|kvm_|__kvm|svm_|__svm|avic|apic|ioapic|"
                   r"nested_|__apic|vcpu_|x86_emul|em_|x86_decode|decode_|"
                   r"init_emul|handle_|ioeventfd|pvclock|vmexit|fpu|"
                   r"restore_fp|save_fp|fpregs|__handle"),
    ("scheduling", r"sched|__sched|try_to_wake|ttwu|wake_|__wake|enqueue_|"
                   r"dequeue_|pick_|update_|set_next|put_prev|context_sw|"
                   r"switch_|__switch|finish_task|select_|prepare_to|"
                   r"finish_wait|autoremove|default_wake|place_entity|"
                   r"reweight|cpu_|__update|avg_|psi_|cpuidle|do_idle|tick_|"
                   r"hrtimer|__hrtimer|ktime|timekeeping|timer|__timer|"
                   r"clockevents|rcu_|__rcu|note_gp|native_|read_tsc|"
                   r"kvm_clock|idle|resched|hrtick|run_"),
    ("entry", r"asm_|entry_|irq|__irq|handle_irq|common_|sysvec|do_softirq|"
              r"__do_soft|handle_soft|error_|paranoid|do_sys|__x64|x64_sys|"
              r"ksys|vfs_|exit_to|ret_from|syscall|generic_handle|_raw_|"
              r"__raw|__local_bh|queued_spin|mutex_|__mutex|__fdget|fput|"
              r"__srcu|__x86|srso|clear_bhb|retpoline|its_"),
)
STAGES = tuple((name, re.compile("(?:%s)" % regex)) for name, regex in STAGES)

# Calls that are events, by function. An allocation is one of an object or page.
EVENTS = {
    "allocations": r"(kmem_cache_alloc\w*|__kmalloc\w*|kmalloc_\w*noprof|"
                   r"__alloc_frozen_pages_noprof)$",
    "pins": r"pin_user_pages(_fast|_remote)?$",
    "maps": r"dma_map_(phys|page_attrs|sg_attrs)$",
    "interrupts": r"(igb_msix_ring|igb_msix_other|igb_intr\w*)$",
    "notifications": r"(eventfd_signal_mask|irqfd_wakeup)$",
}
EVENTS = {name: re.compile(regex) for name, regex in EVENTS.items()}


def read_counts():
    """One dictionary (cpu, name) -> (instructions, calls) a window."""
    windows = []
    with open(COUNTS) as f:
        for line in f:
            fields = line.split()
            if fields[0] == "mark":
                windows.append({})
            else:
                windows[-1][int(fields[0]), fields[1]] = (
                    int(fields[2]), int(fields[3]))
    return windows


def stage_of(name, cache={}):
    if name not in cache:
        cache[name] = next((stage for stage, regex in STAGES
                            if regex.match(name)), "other")
    return cache[name]


class Window:
    def __init__(self, what, counts):
        self.what = what
        self.host = collections.Counter()
        self.stages = collections.Counter()
        self.events = collections.Counter()
        self.guest = 0
        for (cpu, name), (insns, calls) in counts.items():
            if cpu > 1:
                continue
            if name[0] == "<":
                self.guest += insns if cpu == 1 else 0
                continue
            self.host[name] += insns
            self.stages[stage_of(name)] += insns
            for event, regex in EVENTS.items():
                if regex.match(name):
                    self.events[event] += calls

    def total(self):
        return sum(self.host.values())

    def less(self, idle):
        """Without what an idle machine does in the same time."""
        part = self.what["seconds"] / idle.what["seconds"]
        for mine, its in ((self.host, idle.host), (self.stages, idle.stages),
                          (self.events, idle.events)):
            for key in its:
                mine[key] -= its[key] * part
        self.guest -= idle.guest * part
        return self


def windows():
    run = json.load(open(RESULTS + "bench-l1.json"))
    whats = run["metrics"]["windows"]
    counts = read_counts()
    if len(counts) != len(whats):
        sys.exit("bench: %d marks, %d windows" % (len(counts), len(whats)))
    found, idle = {}, {}
    for what, count in zip(whats, counts):
        if what["kind"] == "-":
            continue
        window = Window(what, count)
        if what["kind"] == "idle":
            idle[what["backend"]] = window
            continue
        window.less(idle[what["backend"]])
        found[what["backend"], what["kind"], str(what["size"])] = window
    return run, found


def per(value, n):
    return round(value / n, 3) if n else None


def summarize(run, found):
    def each(value):
        return {kind: {backend: {
            size: value(found[backend, kind, size])
            if (backend, kind, size) in found else None for size in SIZES}
            for backend in BACKENDS} for kind in ("rx", "tx")}

    bench = {
        "kernel": None, "accel": run["accel"],
        "cpu_flags_removed": run["cpu_flags_removed"], "why": WHY,
        "instructions_per_frame": each(
            lambda w: per(w.total(), w.what["frames"])),
        "frames": each(lambda w: w.what["frames"]),
        "stages": each(lambda w: {
            stage: per(n, w.what["frames"])
            for stage, n in w.stages.most_common()}),
        "tcp_rx_instructions_per_byte": {},
    }
    for event in EVENTS:
        bench[event + "_per_frame"] = each(
            lambda w: per(w.events[event], w.what["frames"]))
    for backend in ("mp", "tap", "macvtap"):
        w = found.get((backend, "tcp", "0"))
        bench["tcp_rx_instructions_per_byte"][backend] = w and {
            "host": per(w.total(), w.what["frames"]),
            "guest": per(w.guest, w.what["frames"])}
    return bench


def table(bench, found):
    print("\n  host kernel instructions per frame")
    print("  %-4s %6s %10s %10s %10s" % ("", "bytes", "mp", "macvtap", "tap"))
    for kind in ("rx", "tx"):
        for size in SIZES:
            row = [bench["instructions_per_frame"][kind][b][size]
                   for b in ("mp", "macvtap", "tap")]
            print("  %-4s %6s %10s %10s %10s" % (kind, size, *row))
    print("\n  rx of 1514 bytes by stage")
    names = {s for b in ("mp", "macvtap", "tap")
             for s in (bench["stages"]["rx"][b]["1514"] or {})}
    for stage in sorted(names):
        row = [(bench["stages"]["rx"][b]["1514"] or {}).get(stage)
               for b in ("mp", "macvtap", "tap")]
        print("  %-11s %10s %10s %10s" % (stage, *row))
    print("\n  events per received frame of 1514 bytes")
    for event in EVENTS:
        row = [bench[event + "_per_frame"]["rx"][b]["1514"]
               for b in ("mp", "macvtap", "tap")]
        print("  %-13s %8s %10s %10s" % (event, *row))
    print("\n  TCP to the guest, instructions per byte")
    for side in "host", "guest":
        row = [(bench["tcp_rx_instructions_per_byte"][b] or {}).get(side)
               for b in ("mp", "macvtap", "tap")]
        print("  %-11s %10s %10s %10s" % (side, *row))
    print()


def top(found, backend, kind, size, n):
    w = found[backend, kind, size]
    for name, insns in w.host.most_common(n):
        print("  %8.1f %-11s %s" % (insns / w.what["frames"], stage_of(name),
                                    name))


def main():
    run, found = windows()
    if len(sys.argv) > 1:
        top(found, *sys.argv[1:4], 60)
        return
    bench = summarize(run, found)
    with open(RESULTS + "bench.json", "w") as f:
        json.dump(bench, f, indent=1)
        f.write("\n")
    table(bench, found)


if __name__ == "__main__":
    main()
