#!/usr/bin/python3
"""Collect test results into build/results/test.jsonl, and that into test.json.

    collect.py --record NAME CONFIG RESULT SECONDS LOG     one check
    collect.py --run NAME                                  a run of L1
    collect.py --summary                                   the last word
"""

import json
import os
import re
import sys

RESULTS = "/src/build/results/"
LIST = RESULTS + "test.jsonl"
AGAIN = "again: make %s ONLY=^%%s$" % os.environ.get("TEST_TARGET", "test")

# Runs that may be repeated, in all (lab/host.py says for what).
REPEATS = 1

# Skips that are in order: "test name [config] run"; any other fails the whole.
EXPECTED_SKIPS = re.compile(
    # A short buffer needs mergeable ones, a ring used in order has no base.
    r"mp_hostile/hostile\.plain\.long_and_short |"
    r"mp_stop/stop\.(in_order\.base_read_and_set|copied\.memory_table_set_in_a_loop) |"
    # The plain kernel has no fault injection. Only one boot has a swiotlb to look
    # at, where this is the only test, and the root of L1 lives through no suspend.
    r"mp_fault/.* \[plain\] |mp_rx/limit\.swiotlb \[\S+\] (?!swiotlb$)|"
    # One queue alone has no others to go on without it.
    r"mp_queues/traffic\.one\.one_(sleeps|is_unbound|is_detached) |"
    # One wire leads to nobody that is forwarded to.
    r"mp_uring/forward\.\w+ \[\S+\] (?!kselftest-(\w+-)?uring$)|"
    # An ixgbe's limit on frames is not to be written while it receives, nor does it
    # fall asleep; its model has no virtual functions.
    r"mp_cap/cap\.(tag_on_top|over_several_buffers) .* ixgbe-|"
    r"mp_pci/nic\.\w+ .* ixgbe-|"
    r"mp_pci/traffic\.(system_suspend|no_answer) ")


def add(name, config, result, seconds, remark="", advice="", more=None):
    print("%-4s %s [%s] %s s%s" % (result.upper(), name, config, seconds,
                                   ": " + remark if remark else ""))
    if result == "fail" and advice:
        print("     " + advice)
    sys.stdout.flush()
    with open(LIST, "a") as f:
        f.write(json.dumps({"name": name, "config": config, "result": result,
                            "seconds": seconds, "remark": remark,
                            **(more or {})}) + "\n")


def record(name, config, result, seconds, log):
    advice = "see %s; %s" % (log, AGAIN % name)
    if result == "fail":
        # Where only this output is kept, the end of the log says what it was.
        with open("/src/" + log, errors="replace") as f:
            advice = "     ".join(f.readlines()[-8:] + [advice])
    add(name, config, result, int(seconds), "", advice)


def said_before(test, log):
    """The lines of a run's output before a test is said to fail. Where only our
    own output is kept, they say what it was."""
    lines = []
    if os.path.exists(log):
        with open(log, errors="replace") as f:
            for line in f:
                if (line.rstrip() + " ").startswith("fail: %s " % test):
                    return "     ".join(lines[-20:] + [""])
                lines.append(line)
    return ""


def run_results(name):
    path = "%s%s.json" % (RESULTS, name)
    log = "build/log/%s" % name
    again = AGAIN % name
    if not os.path.exists(path):
        add(name, "-", "fail", 0, "the host did not start",
            "see build/log/test-%s.log; %s" % (name, again))
        return
    with open(path) as f:
        run = json.load(f)
    config = run["config"] + ("+intel-iommu" if run["iommu"] else "")
    for test in run["tests"]:
        add(test["name"], config, test["result"], test["seconds"],
            test["remark"], said_before(test["name"], "/src/%s.output" % log) +
            "see %s.output; %s" % (log, again),
            {"run": name, "nic": run["nic"]})
    # The run as a whole: it ended, taint 0, a clean log, nothing leaked. That
    # a test of it failed is counted already.
    failed = any(t["result"] == "fail" for t in run["tests"])
    if not run["tests"]:
        run["reasons"].append("it reports no test")
    reasons = [r for r in run["reasons"]
               if not (failed and r.startswith("exit status"))]
    notes = []
    if run["attempts"] > 1:
        notes.append("repeated for a fault of QEMU's, see build/log/%s.1.*"
                     % name)
    add(name + "/clean", config, "fail" if reasons else "pass", run["seconds"],
        "; ".join(reasons + notes),
        "see %s.console and .output; %s" % (log, again),
        {"attempts": run["attempts"], "nic": run["nic"]})


def summary():
    with open(LIST) as f:
        tests = [json.loads(line) for line in f]
    count = {r: sum(t["result"] == r for t in tests)
             for r in ("pass", "fail", "skip")}
    unexpected = [t for t in tests if t["result"] == "skip" and
                  not EXPECTED_SKIPS.match("%s [%s] %s" % (
                      t["name"], t["config"], t.get("run", "")))]
    with open(RESULTS + "test.json", "w") as f:
        json.dump({"passed": count["pass"], "failed": count["fail"],
                   "skipped": count["skip"], "tests": tests}, f, indent=1)
        f.write("\n")
    # Once more, where who looks at the end of it only sees them.
    for test in tests:
        if test["result"] == "fail":
            print("failed: %s [%s] %s" % (test["name"], test["config"],
                                          test["remark"][:200]))
    for test in unexpected:
        print("unexpected skip: %s [%s] %s" %
              (test["name"], test["config"], test.get("run", "")))
    repeated = sum(t.get("attempts", 1) - 1 for t in tests)
    if repeated:
        print("Runs repeated for a fault of QEMU's: %d; allowed: %d" %
              (repeated, REPEATS))
    print("%d passed, %d failed, %d skipped"
          % (count["pass"], count["fail"], count["skip"]))
    return bool(count["fail"] or unexpected or not count["pass"] or
                repeated > REPEATS)


def main():
    if sys.argv[1] == "--record":
        record(*sys.argv[2:])
    elif sys.argv[1] == "--run":
        run_results(sys.argv[2])
    else:
        return summary()
    return 0


if __name__ == "__main__":
    sys.exit(main())
