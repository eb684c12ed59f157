#!/usr/bin/python3
"""From build/results/demo-l1.json, what L1 measured, make demo.json and a table."""

import json
import sys

RESULTS = "/src/build/results/"


def ratio(part, whole):
    return round(part / whole, 4) if part is not None and whole else None


class Backend:
    """The metrics of one backend; None where something was not measured."""

    def __init__(self, metrics, name):
        self.metrics = metrics
        self.name = name

    def get(self, key):
        return self.metrics.get(self.name + "." + key)

    def delta(self, counter, since="before"):
        """How far a counter moved while the copies were counted."""
        before = self.get(since + "." + counter)
        after = self.get("after." + counter)
        return None if before is None or after is None else after - before

    def copied_per_byte(self):
        copies = self.get("copies")
        return copies and ratio(copies["payload_bytes"], self.get("rx_bytes"))


def zero_copy_share(mp):
    kinds = [mp.delta(k) for k in ("zerocopy", "bounced", "copied")]
    if kinds[0] is None:
        return None
    return ratio(kinds[0], sum(k or 0 for k in kinds))


def summarize(run):
    metrics = run["metrics"]
    mp, tap = Backend(metrics, "mp"), Backend(metrics, "tap")
    # The first second is the time to warm up.
    hits = mp.delta("pin-hits", "warm")
    misses = mp.delta("pin-misses", "warm")
    frames = mp.delta("zerocopy")
    if frames is not None:
        frames += (mp.delta("bounced") or 0) + (mp.delta("copied") or 0)
    return {
        "result": run["result"],
        "reasons": run["reasons"],
        "kernel": metrics.get("kernel"),
        "nic": run["nic"],
        "accel": run["accel"],
        "cpu_flags_removed": run["cpu_flags_removed"],
        "rx": {
            "frames": frames,
            "bytes": {"mp": mp.get("rx_bytes"), "tap": tap.get("rx_bytes")},
            "zero_copy_share": zero_copy_share(mp),
            "copied_per_byte": {"mp": mp.copied_per_byte(),
                                "tap": tap.copied_per_byte()},
            "copies": {"mp": mp.get("copies"), "tap": tap.get("copies")},
        },
        "pin": {
            "hit_rate": ratio(hits, hits + misses)
            if hits is not None and misses is not None else None,
            "pages": mp.get("after.pinned"),
            "pages_peak": mp.get("end.pinned-peak"),
        },
        # At the same time as pin.pages; and how many during the whole window.
        "posted": mp.get("after.outstanding"),
        "posted_total": mp.delta("posted"),
        "tcp_mbps": {
            "mp": {"rx": mp.get("tcp_rx"), "tx": mp.get("tcp_tx")},
            "tap": {"rx": tap.get("tcp_rx"), "tx": tap.get("tcp_tx")},
        },
        "udp_mbps": {"mp": {"rx": mp.get("udp_rx")},
                     "tap": {"rx": tap.get("udp_rx")}},
        "seconds": run["seconds"],
    }


def table(demo):
    def row(what, tap, mp):
        cells = ["-" if c is None else str(c) for c in (tap, mp)]
        print("  %-42s %14s %14s" % (what, *cells))

    rx, tcp, udp = demo["rx"], demo["tcp_mbps"], demo["udp_mbps"]
    print()
    row("guest receives", "tap + bridge", "mp")
    row("bytes copied by the CPU per byte received",
        rx["copied_per_byte"]["tap"], rx["copied_per_byte"]["mp"])
    row("share of frames DMAed into the guest", None, rx["zero_copy_share"])
    row("frames from the wire", None, rx["frames"])
    row("guest buffers posted to the NIC", None, demo["posted_total"])
    row("of these, waiting for frames at the end", None, demo["posted"])
    row("pin cache hit rate after the first second", None, demo["pin"]["hit_rate"])
    row("pages pinned", None, demo["pin"]["pages"])
    row("TCP to the guest, Mbit/s *", tcp["tap"]["rx"], tcp["mp"]["rx"])
    row("TCP from the guest, Mbit/s *", tcp["tap"]["tx"], tcp["mp"]["tx"])
    row("UDP to the guest, Mbit/s *", udp["tap"]["rx"], udp["mp"]["rx"])
    print("\n  kernel %s, NIC emulated (%s), host CPU by %s without %s."
          % (demo["kernel"], demo["nic"], demo["accel"],
             ", ".join(demo["cpu_flags_removed"])))
    print("  * emulated: for the order of magnitude only.\n")


def missing(value, path=""):
    """The paths of what was not measured."""
    if isinstance(value, dict):
        return [m for k in value for m in missing(value[k], path + "." + k)]
    return [path[1:]] if value is None else []


def main():
    with open(RESULTS + "demo-l1.json") as f:
        demo = summarize(json.load(f))
    for path in missing(demo):
        demo["reasons"].append("not measured: " + path)
        demo["result"] = "fail"
    with open(RESULTS + "demo.json", "w") as f:
        json.dump(demo, f, indent=1)
        f.write("\n")
    table(demo)
    for reason in demo["reasons"]:
        print("  FAIL: " + reason)
    print("  build/results/demo.json: %s" % demo["result"])
    return demo["result"] != "pass"


if __name__ == "__main__":
    sys.exit(main())
