#!/usr/bin/python3
"""copies.py HIST: the sum of a histogram of lab/l1/copies.sh, as JSON."""

import json
import re
import sys

ENTRY = re.compile(r"\{ caller: \[[0-9a-f]+\] (\S+)\s*, bytes:\s+(\d+) \} "
                   r"hitcount:\s+(\d+)")
# Used ring entries and the like: vhost's own words to the guest.
RING = re.compile(r"^(vhost_|__vhost_|translate_desc)")
# An indirect descriptor, read by get_indirect().
INDIRECT = ("_copy_from_iter", 16)


def main():
    payload, ring, frames, callers = 0, 0, 0, {}
    text = open(sys.argv[1]).read()
    for caller, size, hits in ENTRY.findall(text):
        size, hits = int(size), int(hits)
        if RING.match(caller) or (caller, size) == INDIRECT:
            ring += size * hits
            continue
        payload += size * hits
        callers[caller] = callers.get(caller, 0) + size * hits
        if size == 1514:
            frames += hits
    dropped = re.search(r"Dropped: (\d+)", text)
    json.dump({"payload_bytes": payload, "ring_bytes": ring,
               "copies_of_1514": frames, "callers": callers,
               "dropped": int(dropped.group(1)) if dropped else None},
              sys.stdout)


if __name__ == "__main__":
    main()
