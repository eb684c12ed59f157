#!/usr/bin/python3
"""stood.py FILE: when does this machine stand still? A thread on each CPU, which goes
before all others there, looks at the clock every 50 ms, and writes a line when it is
late by 0.3 s: then nothing of this host ran on that CPU, or what the kernel does not
interrupt."""
import os
import sys
import threading
import time

STEP, LATE = 0.05, 0.3


def look(cpu, out):
    os.sched_setaffinity(0, {cpu})      # of this thread
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    due = time.monotonic() + STEP
    while True:
        time.sleep(max(0, due - time.monotonic()))
        late = time.monotonic() - due
        if late > LATE:
            out.write("CPU %d: %.2f s\n" % (cpu, late))
        due = time.monotonic() + STEP


def main():
    with open(sys.argv[1], "a", buffering=1) as out:
        for cpu in os.sched_getaffinity(0):
            threading.Thread(target=look, args=(cpu, out)).start()
        while True:
            time.sleep(1000)


if __name__ == "__main__":
    main()
