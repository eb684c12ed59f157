#!/usr/bin/python3
"""Put the figures of build/results/bench.json where they are published: the tables
of mpassthru.rst, the numbers in its prose, in README.md and in the cover letter,
and the picture. What is no figure stays as it is; what is not found is an error.
"""

import json
import re
import shutil
import sys

SRC = "/src/"
RST = SRC + "Documentation/networking/mpassthru.rst"
README = SRC + "README.md"
COVER = SRC + "patches/cover-letter-net-next.txt"
PEERS = ("mp", "macvtap", "tap")
# What is received with AF_XDP is the last column where there is one.
ALL = PEERS + ("af_xdp",)

with open(SRC + "build/results/bench.json") as f:
    BENCH = json.load(f)
TCP = BENCH["tcp_rx_instructions_per_byte"]
TCP_TX = BENCH["tcp_tx_instructions_per_byte"]
RX = BENCH["instructions_per_frame"]["rx"]
LISTED = {"driver": "driver and GRO", "allocation": "allocation", "copy": "copy",
          "diversion": "network core", "tcp": "TCP/IP", "user space": "user space"}
STATES = {"idle": "idle", "udp": "UDP", "tcp": "TCP"}


def show(value, digits=0):
    """Never -0."""
    if value is None:
        return "-"
    return "%.*f" % (digits, value if abs(value) >= 0.5 * 10**-digits else 0)


def line(name, value, digits=0, peers=PEERS):
    return [name] + [show(value(peer), digits) for peer in peers]


def frames():
    for kind, text in ("rx", "received"), ("tx", "sent"):
        for size in RX["mp"]:
            yield line("%s, %s bytes" % (text, size), lambda peer:
                       BENCH["instructions_per_frame"][kind][peer][size],
                       peers=ALL)


def stages(kind, peers):
    for stage in BENCH["stages"][kind]["mp"]["1514"]:
        if stage != "tcp":
            yield line(stage, lambda peer:
                       BENCH["stages"][kind][peer]["1514"][stage], peers=peers)
    for key, text in (("copied_per_byte", "bytes copied per byte"),
                      ("allocations_per_frame", "allocations"),
                      ("pins_per_frame", "pins"),
                      ("maps_per_frame", "DMA mappings"),
                      ("interrupts_per_frame", "interrupts"),
                      ("guest_interrupts_per_frame", "interrupts of the guest"),
                      ("guest_kicks_per_frame", "kicks of the guest")):
        yield line(text, lambda peer: BENCH[key][kind][peer]["1514"], 3, peers)


def both(peer):
    return TCP[peer]["host"] + TCP[peer]["guest"]


def tcp():
    def guest(peer):
        return BENCH["tcp_rx_stages"][peer]["guest"]

    yield line("host", lambda peer: TCP[peer]["host"], 3)
    yield line("guest", lambda peer: TCP[peer]["guest"], 3)
    yield line("both", both, 3)
    for stage, text in LISTED.items():
        yield line("guest: " + text, lambda peer: guest(peer)[stage], 3)
    yield line("guest: other", lambda peer: TCP[peer]["guest"] -
               sum(guest(peer)[stage] for stage in LISTED), 3)


def tcp_sent():
    yield line("host", lambda peer: TCP_TX[peer]["host"], 3)
    yield line("guest", lambda peer: TCP_TX[peer]["guest"], 3)
    yield line("bytes copied per byte",
               lambda peer: BENCH["tcp_tx_copied_per_byte"][peer], 3)


def queues():
    for kind, text in ("rx", "received"), ("tx", "sent"):
        yield [text] + [show(costs[kind]) for costs in BENCH["queues"].values()]


def ixgbe():
    for kind, text in ("rx", "received"), ("tx", "sent"):
        for size, other in sorted(BENCH["ixgbe"][kind].items(), key=lambda x: int(x[0])):
            yield ["%s, %s bytes" % (text, size),
                   show(BENCH["instructions_per_frame"][kind]["mp"][size]),
                   show(BENCH["polls_per_frame"][kind]["mp"][size], 3),
                   show(other["instructions"]), show(other["polls"], 3)]


def memory():
    for m in sorted(BENCH["memory"], key=lambda m: PEERS.index(m["backend"])):
        yield [m["backend"], str(m["ring"]), STATES[m["state"]],
               str(m["pinned_pages"]), show(m["allocated_bytes"] / 1024)]


def table(text, head, rows):
    """The simple table of reST with that head."""
    rows = [head] + list(rows)
    widths = [max(map(len, column)) for column in zip(*rows)]
    rule = "  ".join("=" * width for width in widths)
    rows = ["  ".join(cell.rjust(width) if n else cell.ljust(width)
                      for n, (cell, width) in enumerate(zip(row, widths)))
            for row in rows]
    new = "\n".join([rule, rows[0], rule] + rows[1:] + [rule, ""])
    head = r"[ ]+".join(map(re.escape, head))
    found = re.search(r"^[= ]+\n%s\n[= ]+\n(?:(?![= ]+\n).*\n)*[= ]+\n" % head,
                      text, re.M)
    if not found:
        sys.exit("publish: no table with the head %s" % head)
    return text[:found.start()] + new + text[found.end():]


def prose(path, text, sentence, *values):
    """A # of the sentence is a number, a space any white space."""
    number = r"([0-9.]*[0-9])"
    pattern = r"\s+".join(re.escape(word).replace(r"\#", number)
                          for word in sentence.split())
    found = re.search(pattern, text)
    if not found:
        sys.exit("publish: %s does not say: %s" % (path, sentence))
    for n in reversed(range(len(values))):
        text = text[:found.start(n + 1)] + values[n] + text[found.end(n + 1):]
    return text


def main():
    per_frame = {kind: [show(BENCH["instructions_per_frame"][kind][peer]["1514"])
                        for peer in PEERS] for kind in ("rx", "tx")}
    def error(tcp):
        """By how many % two runs of the same differed at most."""
        return show(100 * max(value for key, value in BENCH["repeat_errors"].items()
                              if (" tcp" in key) == tcp), 1)

    def single(tcp):
        return show(100 * max(w["max"] / w["min"] - 1 for key, w in
                              BENCH["windows"].items() if (" tcp" in key) == tcp), 0)

    errors = error(False), error(True), single(False), single(True)
    idle = BENCH["idle_taken_off_per_frame"]
    ping = BENCH["request_response_instructions"]

    texts = {}
    for path in RST, README, COVER:
        with open(path) as f:
            texts[path] = f.read()
    for head, rows in ((["Frame", *ALL], frames()),
                       (["Received", *ALL], stages("rx", ALL)),
                       (["Sent", *PEERS], stages("tx", PEERS)),
                       (["Where", *PEERS], tcp()),
                       (["TCP sent", *PEERS], tcp_sent()),
                       (["Queues", *BENCH["queues"]], queues()),
                       (["mp", "igb", "its polls", "ixgbe", "its polls"], ixgbe()),
                       (["Backend", "Ring", "State", "Pinned pages", "Allocated"],
                        memory())):
        texts[RST] = table(texts[RST], head, rows)
    for path, sentence, *values in (
            (RST, "the host saves # instructions a byte, and the guest has # more",
             show(TCP["tap"]["host"] - TCP["mp"]["host"], 2),
             show(TCP["mp"]["guest"] - TCP["tap"]["guest"], 2)),
            (RST, "# instructions of the host for a request and its reply with mp, "
             "# with macvtap, # with tap", *(show(ping[p]["host"]) for p in PEERS)),
            (RST, "(# instructions for each received frame, # for each sent",
             show(idle["rx"]["mp"]["1514"]), show(idle["tx"]["mp"]["1514"])),
            (RST, "two runs, of host and guest, differed by # % at most, those of "
             "TCP by # %; single windows of the same by # % and # %", *errors),
            (README, "1514 bytes costs # with mp, # with macvtap in passthru mode "
             "and # with tap", *per_frame["rx"]),
            (README, "sent one # with mp, # with macvtap and # with tap",
             *per_frame["tx"]),
            (README, "# instructions a byte with mp, and # with tap",
             show(both("mp"), 2), show(both("tap"), 2)),
            (README, "two runs differed by # % at most, those of TCP by # %",
             *errors[:2]),
            (COVER, "1514 bytes: #, with macvtap in passthru mode #, with tap and "
             "a bridge #", *per_frame["rx"]),
            (COVER, "sent: #, with macvtap #, with tap #", *per_frame["tx"]),
            (COVER, "host and guest together execute #, with tap #",
             show(both("mp"), 2), show(both("tap"), 2))):
        texts[path] = prose(path, texts[path], sentence, *values)
    for path, text in texts.items():
        with open(path, "w") as f:
            f.write(text)
    shutil.copy(SRC + "build/results/bench.svg", SRC + "lab/bench/bench.svg")


if __name__ == "__main__":
    main()
