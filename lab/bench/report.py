#!/usr/bin/python3
"""What lab/bench/run counted, as build/results/bench.json and tables.

A window is what lies between two marks of the plugin. The host's (L1's) kernel
is counted on CPUs 1 and 2, the guest on CPU 2; the peer has CPU 0, which is not
counted. What the machine does when idle is taken off by the second: of each
function the median of some windows without traffic. There are several windows of
a kind. For frames and "rr" (ping) the figures are those of all together; for TCP,
those of the window with the median cost.

report.py summary NAME             NAME.json and the tables; of "bench", a picture
report.py quick NAME               a table of one run of it
report.py top NAME BACKEND KIND SIZE [guest]  the functions of one window
report.py compare OLD NEW          two such files side by side
"""

import collections
import json
import re
import statistics
import subprocess
import sys

RESULTS = "/src/build/results/"
BENCH = "/src/build/bench/"
SIZES = ("64", "256", "512", "1024", "1514")
PEERS = ("mp", "macvtap", "tap")
# A program with an AF_XDP socket in place of a guest, which only receives.
LIMIT = "af_xdp"
BACKENDS = PEERS + (LIMIT,)
LIMIT_IS = ("a program that receives into its own memory and drops: no guest, and "
            "nothing is sent")
# A guest with so many CPUs and queues, frames of 1514 bytes from and to many.
QUEUES = ("1", "2", "4")
QUEUES_ARE = ("mp, all queues of one NIC: one CPU has their interrupts and vhost workers, "
              "one the CPUs of the guest")

# Where a function belongs; the first that matches. What matches none is "other".
STAGES = (
    ("user space", r"<user>"),
    ("mpassthru", r"mp_|mpassthru_|netdev_mp_"),
    ("copy", r"rep_movs|_?copy_|__copy_|memcpy|simple_copy|skb_copy|csum_|"
             r"fault_in_"),
    ("driver", r"igb_|ixgbe_|eth_type|napi_|__napi|net_rx_action|dma_|dev_gro|gro_|"
               r"inet_gro|udp4?_gro|tcp4?_gro|skb_gro|virtnet_|virtqueue_|"
               r"receive_mergeable|receive_buf|skb_page_frag|vring_|start_xmit|"
               r"page_to_skb|try_fill_recv|detach_buf|sg_init|is_vmalloc"),
    ("tcp", r"tcp_|__tcp|udp_|raw_local|dst_|ip_|__ip_|ipv4_|inet_|__inet|sk_|"
            r"__sk_|icmp_|fib_"),
    ("allocation", r"kmem_|kmalloc|__kmalloc|kfree|kvfree|__slab|___slab|"
                   r"slab_|__alloc_skb|alloc_skb|build_skb|__build_skb|"
                   r"skb_release|skb_free|consume_skb|__kfree_skb|napi_skb|"
                   r"_*page_frag|page_pool|free_|__free|get_page_from|"
                   r"__alloc|alloc_|sock_alloc|sock_wfree|sock_rfree|"
                   r"skb_unref|put_page|__folio|folio_|memcg|obj_cgroup|"
                   r"__memcg|refill_|allocate_|_*rmqueue|__zone_water|__pcs_|"
                   r"barn_"),
    ("diversion", r"__netif_receive|br_|nf_|should_deliver|tun_|"
                  r"tap_|macvlan|macvtap|__skb_flow|skb_flow|__dev_queue|"
                  r"dev_queue|dev_hard|sch_|pfifo|qdisc|__qdisc|validate_xmit|"
                  r"skb|__skb|packet_|dev_|ptr_ring|_*virtio_net|"
                  r"sock_|__sock|__br_|fdb_|netif_|netdev_|memcmp|"
                  r"is_skb_forwardable|eth_header|passthru_|_*siphash|"
                  r"_*xsk_|_*xp_|_*xdp_|_*bpf_"),
    ("vhost", r"vhost_|handle_rx|handle_tx|get_tx_bufs|__get_user_\d|__put_user_\d|"
              r"translate_desc|iotlb|get_rx_bufs|"
              r"__vhost|vring|log_|_?iov_|import_|eventfd_ctx_read|memset"),
    ("signalling", r"eventfd|irqfd|kvm_|__kvm|svm_|__svm|avic|apic|ioapic|"
                   r"nested_|__apic|vcpu_|x86_emul|em_|x86_decode|decode_|"
                   r"init_emul|paging64|gfn_to|permission_fault|"
                   r"__do_insn_fetch|handle_|ioeventfd|pvclock|vmexit|fpu|"
                   r"restore_fp|save_fp|fpregs|__handle"),
    ("scheduling", r"sched|__sched|try_to_wake|ttwu|wake_|__wake|enqueue_|"
                   r"dequeue_|pick_|update_|set_next|put_prev|context_sw|"
                   r"switch_|__switch|finish_task|select_|prepare_to|"
                   r"finish_wait|autoremove|default_wake|place_entity|"
                   r"reweight|cpu_|__update|avg_|psi_|cpuidle|do_idle|tick_|"
                   r"hrtimer|__hrtimer|ktime|timekeeping|timer|__timer|"
                   r"clockevents|rcu_|__rcu|note_gp|native_|read_tsc|"
                   r"kvm_clock|idle|_*resched|hrtick|run_|_*dequeue_|"
                   r"_*enqueue_|vruntime|migrate_|task_tick|"
                   r"__flush_smp_call"),
    ("entry", r"asm_|entry_|irq|__irq|handle_irq|common_|sysvec|do_softirq|"
              r"__do_soft|handle_soft|error_|paranoid|do_sys|__x64|x64_sys|"
              r"ksys|vfs_|exit_to|ret_from|syscall|generic_handle|_raw_|"
              r"__raw|__local_bh|queued_spin|mutex_|__mutex|__fdget|fput|"
              r"__srcu|__x86|srso|clear_bhb|retpoline|its_|fast_mix|"
              r"add_interrupt|note_interrupt"),
)
# Time that passes on one CPU until another has done something: how long that is
# is the emulation's. Not counted.
WAITING = re.compile(r"queued_spin_lock_slowpath$|osq_lock$|mutex_spin_on_owner$|"
                     r"__try_to_del_timer_sync$|lock_timer_base$|csd_lock")
# The guest's sender of frames, pktgen, waits by reading the clock, and is no part
# of it.
GUEST_WAITING = re.compile(r"pktgen_thread_worker$|ktime_get$|kvm_clock_get_cycles$|"
                           r"pvclock_clocksource_read_nowd$")
# Who reads the clock while another CPU sets it reads it again: each call counts
# as the cheapest.
CLOCKS = re.compile(r"ktime_get$|ktime_get_update_offsets_now$")

STAGES = tuple((name, re.compile("(?:%s)" % regex)) for name, regex in STAGES)
STAGE_NAMES = {"guest": tuple(name for name, _ in STAGES) + ("other",)}
# Of the host, the kernel is counted only.
STAGE_NAMES["host"] = STAGE_NAMES["guest"][1:]

# Calls that are events, by function. An allocation is one of an object or page,
# or a piece of one: skbs from NAPI's cache, page fragments. How these are refilled
# in bulk is not counted.
EVENTS = {
    "allocations": r"(kmem_cache_alloc(_node|_lru|_from_sheaf)?_noprof|"
                   r"__kmalloc\w*|__alloc_frozen_pages_noprof|napi_build_skb|"
                   r"napi_alloc_skb|__page_frag_alloc_align)$",
    "pins": r"(pin_user_pages|pin_user_pages_remote|gup_fast_fallback)$",
    "maps": r"(dma_map_phys|__dma_map_sg_attrs)$",
    "polls": r"(igb|ixgbe)_poll$",
    "interrupts": r"(igb_msix_ring|igb_msix_other|igb_intr\w*|ixgbe_msix_\w+)$",
    "guest_interrupts": r"irqfd_wakeup$",
    "guest_kicks": r"ioeventfd_write$",
}
EVENTS = {name: re.compile(regex) for name, regex in EVENTS.items()}


def load(name):
    with open(RESULTS + name + ".json") as f:
        return json.load(f)


def read_counts(run):
    """One dictionary (cpu, name) -> (instructions, calls) a window."""
    counts = []
    with open(BENCH + run + ".counts") as f:
        for line in f:
            fields = line.split()
            if fields[0] == "mark":
                counts.append({})
            else:
                counts[-1][int(fields[0]), fields[1]] = (
                    int(fields[2]), int(fields[3]))
    return counts


def stage_of(name, cache={}):
    if name not in cache:
        cache[name] = next((stage for stage, regex in STAGES
                            if regex.match(name)), "other")
    return cache[name]


def cheapest(counts):
    """The least that a call of each of CLOCKS cost in any window."""
    found = {}
    for window in counts:
        for (_, name), (insns, calls) in window.items():
            if CLOCKS.match(name) and calls > 100:
                found[name] = min(insns / calls,
                                  found.get(name, insns / calls))
    return found


class Window:
    """The host's instructions by function and by stage, events, the guest's
    instructions; frames are bytes for TCP and requests for "rr"."""

    def __init__(self, what, counts, clocks):
        self.kind = what["kind"]
        self.frames, self.seconds = what["frames"], what["seconds"]
        self.host = collections.Counter()
        self.events = collections.Counter()
        self.guest = collections.Counter()
        self.idle = 0
        for (cpu, name), (insns, calls) in counts.items():
            if cpu not in (1, 2):
                continue
            if name[0] in "@<":
                name = name.lstrip("@")
                if cpu == 2 and not self.guest_waits(name):
                    self.guest[name] += insns
                continue
            if WAITING.match(name):
                continue
            self.host[name] += calls * clocks[name] if name in clocks else insns
            for event, regex in EVENTS.items():
                if regex.match(name):
                    self.events[event] += calls

    def guest_waits(self, name):
        return self.kind == "tx" and GUEST_WAITING.match(name)

    def less(self, idle):
        """Without what an idle machine does in the same time, as the windows of
        idle have it."""
        def rate(value):
            return statistics.median(value(w) / w.seconds for w in idle)

        before = self.total()
        for part in "host", "events", "guest":
            mine = getattr(self, part)
            for key in set().union(*(getattr(w, part) for w in idle)):
                if part == "guest" and self.guest_waits(key):
                    continue
                mine[key] -= self.seconds * rate(lambda w: getattr(w, part)[key])
        self.idle = before - self.total()
        return self

    def add(self, other):
        for part in "host", "events", "guest":
            getattr(self, part).update(getattr(other, part))
        self.idle += other.idle
        self.frames += other.frames
        self.seconds += other.seconds

    def total(self):
        return sum(self.host.values())

    def guest_total(self):
        return sum(self.guest.values())

    def stages(self, part="host"):
        sums = collections.Counter()
        for name, insns in getattr(self, part).items():
            sums[stage_of(name)] += insns
        return sums


def cost(window):
    return window.total() / window.frames


def together(kind, same):
    """One Window of all of a kind."""
    if kind in ("tcp", "tcp_tx"):
        return sorted(same, key=cost)[len(same) // 2]
    for window in same[1:]:
        same[0].add(window)
    return same[0]


def windows(run):
    """(backend, kind, size) -> the Window of all of one run, and the costs of
    each."""
    whats = load(run)["metrics"]["windows"]
    counts = read_counts(run)
    if len(counts) != len(whats):
        sys.exit("bench: %d marks but %d windows in %s: run make bench again"
                 % (len(counts), len(whats), run))
    clocks = cheapest(counts)
    found, idle = collections.defaultdict(list), collections.defaultdict(list)
    for what, count in zip(whats, counts):
        if what["kind"] == "idle":
            idle[what["backend"]].append(Window(what, count, clocks))
        elif what["backend"] != "-":
            key = what["backend"], what["kind"], str(what["size"])
            found[key].append(Window(what, count, clocks))
    for (backend, _, _), same in found.items():
        for window in same:
            window.less(idle[backend])
    costs = {key: [cost(w) for w in same] for key, same in found.items()}
    return {key: together(key[1], same) for key, same in found.items()}, costs


def per(value, n, digits=3):
    return round(value / n, digits) if n else None


def mean(values):
    values = [value for value in values if value is not None]
    return round(sum(values) / len(values), 4) if values else None


def each(value):
    """A figure for each direction, backend and frame size, or None."""
    return {kind: {backend: {size: value(backend, kind, size) for size in SIZES}
                   for backend in BACKENDS} for kind in ("rx", "tx")}


# Longer frames leave from the guest's memory. mp reads their Ethernet header by
# single loads, in which the probe sees no copy.
COPIED_WHOLE, LOADED = 256, 14


def copied(name):
    found = {}
    for what in load(name + "-copies")["metrics"]["windows"]:
        if what["copied"] and what["kind"] in ("tcp", "tcp_tx"):
            key = what["backend"], what["kind"], "0"
            found[key] = per(what["copied"]["payload_bytes"], what["frames"], 4)
        if what["copied"] and what["kind"] in ("rx", "tx"):
            key = what["backend"], what["kind"], str(what["size"])
            payload = what["copied"]["payload_bytes"]
            if key[:2] == ("mp", "tx") and what["size"] > COPIED_WHOLE:
                payload += LOADED * what["frames"]
            found[key] = per(payload, what["frames"] * what["size"], 4)
    return found


def ixgbe(name):
    """mp on the other NIC: (direction, size) and how often it was polled."""
    found, _ = windows(name + "-ixgbe")
    return {kind: {size: {"instructions": per(window.total(), window.frames, 1),
                          "polls": per(window.events["polls"], window.frames, 4)}
                   for (_, of, size), window in sorted(found.items()) if of == kind}
            for kind in ("rx", "tx")}


def summarize(name):
    runs, costs = zip(*(windows("%s-%d" % (name, n)) for n in (1, 2)))
    if runs[0].keys() != runs[1].keys():
        sys.exit("bench: the two runs measured different things: run make bench "
                 "again")

    def over_runs(value):
        """The mean over the runs of value(window)."""
        return lambda *key: mean(value(run[key]) for run in runs if key in run)

    def tcp_stages(kind, backend, part):
        return {stage: over_runs(lambda w: per(w.stages(part)[stage], w.frames,
                                               4))(backend, kind, "0")
                for stage in STAGE_NAMES[part]}

    def tcp(name, kind):
        """What TCP costs, by the byte."""
        return {
            name + "_instructions_per_byte": {
                backend: {"host": host(backend, kind, "0"),
                          "guest": guest(backend, kind, "0")}
                for backend in PEERS},
            name + "_stages": {
                backend: {part: tcp_stages(kind, backend, part)
                          for part in ("host", "guest")} for backend in PEERS},
            name + "_copied_per_byte": {
                backend: copies.get((backend, kind, "0")) for backend in PEERS},
        }

    first, copies = load(name + "-1"), copied(name)
    host = over_runs(lambda w: per(w.total(), w.frames, 4))
    guest = over_runs(lambda w: per(w.guest_total(), w.frames, 4))
    errors, spread = {}, {}
    for key in runs[0]:
        for side, total in ("host", Window.total), ("guest", Window.guest_total):
            # a program, not a guest; CPUs that share one
            if side == "guest" and key[0] not in PEERS:
                continue
            values = [total(run[key]) / run[key].frames for run in runs]
            errors["%s %s %s " % key + side] = per(max(values) - min(values),
                                                   min(values), 4)
        values = [value for run in costs for value in run[key]]
        spread["%s %s %s" % key] = {
            "windows": len(values), "min": round(min(values), 4),
            "max": round(max(values), 4)}

    bench = {
        "kernel": first["metrics"]["kernel"], "accel": first["accel"],
        "cpu_flags_removed": first["cpu_flags_removed"],
        "why": {"af_xdp": LIMIT_IS, "queues": QUEUES_ARE},
        "frames": each(over_runs(lambda w: w.frames)),
        "instructions_per_frame": each(host),
        "idle_taken_off_per_frame": each(over_runs(lambda w: per(w.idle,
                                                                 w.frames))),
        "guest_instructions_per_frame": each(guest),
        "stages": each(lambda *key: {
            stage: over_runs(lambda w: per(w.stages()[stage], w.frames))(*key)
            for stage in STAGE_NAMES["host"]} if key in runs[0] else None),
        "copied_per_byte": each(lambda *key: copies.get(key)),
        **tcp("tcp_rx", "tcp"), **tcp("tcp_tx", "tcp_tx"),
        "request_response_instructions": {
            backend: {"host": host(backend, "rr", "0"),
                      "guest": guest(backend, "rr", "0")}
            for backend in PEERS},
        "queues": {n: {kind: host("mp-" + n, kind, "1514")
                       for kind in ("rx", "tx")} for n in QUEUES},
        "ixgbe": ixgbe(name),
        "memory": load(name + "-memory")["metrics"]["memory"],
        "repeat_error": max(errors.values()), "repeat_errors": errors,
        "windows": spread,
    }
    for event in EVENTS:
        bench[event + "_per_frame"] = each(over_runs(
            lambda w: per(w.events[event], w.frames, 4)))
    return bench


def show(value):
    return "-" if value is None else ("%.0f" if value >= 100 else
                                      "%.3f") % value


def row(name, values):
    print("  %-24s" % name + "".join("%10s" % show(v) for v in values))


def head(title, backends=PEERS):
    print("\n  %-24s" % title + "".join("%10s" % b for b in backends))


def tables(bench):
    for kind, text in ("rx", "received"), ("tx", "sent"):
        backends = BACKENDS if kind == "rx" else PEERS
        head("instructions, " + kind, backends)
        for size in SIZES:
            row("%s bytes" % size,
                [bench["instructions_per_frame"][kind][b][size]
                 for b in backends])
        head("1514 bytes %s" % text, backends)
        for stage in STAGE_NAMES["host"]:
            row(stage, [(bench["stages"][kind][b]["1514"] or {}).get(stage)
                        for b in backends])
        for name in ("copied_per_byte",) + tuple(e + "_per_frame"
                                                 for e in EVENTS):
            row(name.replace("_", " "),
                [bench[name][kind][b]["1514"] for b in backends])
    for name, text in ("tcp_rx", "received"), ("tcp_tx", "sent"):
        head("TCP %s, per byte" % text)
        for side in "host", "guest":
            row(side, [bench[name + "_instructions_per_byte"][b][side]
                       for b in PEERS])
            for stage in STAGE_NAMES[side]:
                row("  " + stage, [bench[name + "_stages"][b][side][stage]
                                   for b in PEERS])
        row("copied", [bench[name + "_copied_per_byte"][b] for b in PEERS])
    head("ping, per request")
    for side in "host", "guest":
        row(side, [bench["request_response_instructions"][b][side]
                   for b in PEERS])
    head("queues", QUEUES)
    for kind, text in ("rx", "received"), ("tx", "sent"):
        row("1514 bytes %s" % text, [bench["queues"][n][kind] for n in QUEUES])
    head("mp on another NIC", ("igb", "polls", "ixgbe", "polls"))
    for kind, text in ("rx", "received"), ("tx", "sent"):
        for size, other in bench["ixgbe"][kind].items():
            row("%s bytes %s" % (size, text),
                [bench["instructions_per_frame"][kind]["mp"][size],
                 bench["polls_per_frame"][kind]["mp"][size],
                 other["instructions"], other["polls"]])
    print("\n  %-10s %6s %6s %14s %14s" % ("memory", "ring", "", "pinned pages",
                                          "allocated, kB"))
    for m in bench["memory"]:
        print("  %-10s %6d %6s %14d %14.0f" % (
            m["backend"], m["ring"], m["state"], m["pinned_pages"],
            m["allocated_bytes"] / 1024))
    print("\n  two runs differ by %.2f %% at most; instructions of the host's "
          "kernel, %s,\n  kernel %s, without %s\n" % (
              100 * bench["repeat_error"], bench["accel"], bench["kernel"],
              ", ".join(bench["cpu_flags_removed"])))


def picture(bench):
    """build/results/bench.svg, drawn by gnuplot."""
    stage_names = [stage for stage in STAGE_NAMES["host"] if stage != "tcp"]
    with open(BENCH + "picture.dat", "w") as f:
        print("bar", *stage_names, file=f)
        for kind, size in ("rx", "1514"), ("rx", "64"), ("tx", "1514"), \
                ("tx", "64"):
            for backend in BACKENDS:
                stages = bench["stages"][kind][backend][size]
                if stages:
                    # What idle time was taken off too much of is nothing.
                    print('"%s\\n%s %s"' % (backend, kind, size),
                          *(max(0, stages[stage]) for stage in stage_names),
                          file=f)
    subprocess.run(["gnuplot", "-e", "data='%s'; svg='%s'; columns=%d" % (
        BENCH + "picture.dat", RESULTS + "bench.svg", len(stage_names) + 1),
        "/src/lab/bench/picture.gp"], check=True)


def top(name, backend, kind, size, part="host"):
    window = windows(name + "-1")[0][backend, kind, size]
    for name, insns in getattr(window, part).most_common(60):
        print("  %8.3f %-11s %s" % (insns / window.frames, stage_of(name), name))


def quick(name):
    """One run, whatever of it there is."""
    found, costs = windows(name + "-1")
    print("\n  %-24s%10s%10s%10s%10s" % ("a frame (byte of TCP)", "host",
                                         "least", "most", "guest"),
          "     polls")
    for (backend, kind, size), window in sorted(found.items()):
        each_of = costs[backend, kind, size]
        row("%s %s %s" % (backend, kind, "" if size == "0" else size),
            [cost(window), min(each_of), max(each_of),
             window.guest_total() / window.frames,
             window.events["polls"] / window.frames])


def figures(bench):
    """(title, row, value) of what a change may change."""
    for kind in "rx", "tx":
        for backend in PEERS:
            for size in SIZES:
                yield ("instructions, " + kind, "%s %s" % (backend, size),
                       bench["instructions_per_frame"][kind][backend][size])
    for kind in "rx", "tx":
        for backend in PEERS:
            stages = bench["stages"][kind][backend]["1514"] or {}
            for stage, value in stages.items():
                yield kind + " 1514 bytes", "%s %s" % (backend, stage), value
    for kind in "rx", "tx":
        for backend in PEERS:
            for name in ("copied_per_byte",) + tuple(e + "_per_frame"
                                                     for e in EVENTS):
                yield (kind + " 1514 bytes, events", "%s %s" % (backend, name),
                       bench[name][kind][backend]["1514"])
    for backend in PEERS:
        for side in "host", "guest":
            yield ("ping, per request", "%s %s" % (backend, side),
                   bench["request_response_instructions"][backend][side])
            for name, text in ("tcp_rx", "received"), ("tcp_tx", "sent"):
                text = "TCP %s, per byte" % text
                costs = bench.get(name + "_instructions_per_byte")
                # a file from before it was measured
                if not costs:
                    continue
                yield text, "%s %s" % (backend, side), costs[backend][side]
                for stage, value in bench[name + "_stages"][backend][
                        side].items():
                    yield (text + ", " + side, "%s %s" % (backend, stage),
                           value)
    for n, costs in bench.get("queues", {}).items():
        for kind, value in costs.items():
            yield "queues, 1514 bytes", "%s %s" % (n, kind), value
    for m in bench["memory"]:
        row = "%s %d %s" % (m["backend"], m["ring"], m["state"])
        yield "memory: pinned pages", row, m["pinned_pages"]
        yield "memory: allocated bytes", row, m["allocated_bytes"]


def compare(old, new):
    before, after = (json.load(open(path)) for path in (old, new))
    olds, news = ({row[:2]: row[2] for row in figures(bench)}
                  for bench in (before, after))
    titles = dict.fromkeys(title for title, _ in news)
    for title in titles:
        rows = [(name, olds.get((title, name)), value)
                for (of, name), value in news.items() if of == title]
        rows = [row for row in rows if any(v is not None for v in row[1:])]
        if not rows:
            continue
        print("\n  %-34s %10s %10s %10s" % (title, "before", "after", "change"))
        for name, a, b in rows:
            print("  %-34s %10s %10s %10s" % (
                name, show(a), show(b),
                "%+.1f %%" % (100 * (b - a) / a) if a and b is not None else
                "new" if not a and b else ""))
    print("\n  Totals of two runs of the same differ by %.1f %% (before) and "
          "%.1f %%\n  (after) at most; single stages by more.\n"
          % (100 * before["repeat_error"], 100 * after["repeat_error"]))


def main():
    if sys.argv[1:2] == ["top"]:
        return top(*sys.argv[2:7])
    if sys.argv[1:2] == ["compare"]:
        return compare(*sys.argv[2:4])
    if sys.argv[1:2] == ["quick"]:
        return quick(sys.argv[2])
    bench = summarize(sys.argv[2])
    with open("%s%s.json" % (RESULTS, sys.argv[2]), "w") as f:
        json.dump(bench, f, indent=1)
        f.write("\n")
    tables(bench)
    if sys.argv[2] == "bench" and all(bench["stages"]["rx"][backend]["1514"]
                                      for backend in PEERS):
        picture(bench)
    return 0


if __name__ == "__main__":
    sys.exit(main())
