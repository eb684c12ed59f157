#!/usr/bin/python3
"""moves.py GUEST: traffic to a guest and back, while it is moved.

Sends an ICMP echo request every 5 ms, of several lengths and each with a content
of its own, and a stream of bytes over one TCP connection to port 5008 of the guest,
where all that arrives is sent back. Looks at each byte that comes.

Commands on standard input. "mark" begins a new count; "report" waits for what is
still on its way, and prints what happened since the mark in one line of NAME=VALUE:

sent, lost      requests, and those without a reply
repeated        replies that came again
gap_ms          the longest time without a reply
wrong           replies with another content than was sent
tcp             1 if the connection lives and all of it came back, else 0
tcp_bytes       that came back
tcp_wrong       of them, that are not those that were sent
tcp_gap_ms      the longest time in which none came back though some were due
"""

import os
import random
import select
import socket
import struct
import sys
import time

PERIOD = 0.005
LENGTHS = (56, 1000, 300, 1464, 120)
PORT = 5008
SO_RCVBUFFORCE = 33     # which the module does not have
STRAGGLE = 3.0          # a reply that is later than that is lost
BLOCK = 1009 * 1024 + 1
RETRY = 40              # of what TCP sent when there was nobody
WINDOW = 64 * 1024      # of the stream, on its way at a time
CHUNK = 5 * 1024        # of it, every PERIOD


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff


class Echo:
    """Requests and their replies."""

    def __init__(self, guest, block):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_RAW,
                                    socket.IPPROTO_ICMP)
        self.socket.setblocking(False)
        # What the guest answers at once, after a pause, is not lost here.
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        self.guest = guest
        self.block = block
        self.ident = os.getpid() & 0xffff
        self.seq = 0
        self.mark()

    def mark(self):
        self.first = self.seq
        self.answered = set()
        self.repeated = self.wrong = 0
        self.last = time.monotonic()
        self.gap = 0

    def payload(self, seq):
        length = LENGTHS[seq % len(LENGTHS)]
        start = seq * 61 % (BLOCK - 2000)
        return struct.pack("!I", seq) + self.block[start:start + length - 4]

    def send(self):
        data = self.payload(self.seq)
        head = struct.pack("!BBHHH", 8, 0, 0, self.ident, self.seq & 0xffff)
        head = struct.pack("!BBHHH", 8, 0, checksum(head + data), self.ident,
                           self.seq & 0xffff)
        try:
            self.socket.sendto(head + data, (self.guest, 0))
        except OSError:
            pass        # no neighbour, or no room: it is lost
        self.seq += 1

    def receive(self):
        while True:
            try:
                packet = self.socket.recv(4096)
            except BlockingIOError:
                return
            packet = packet[(packet[0] & 15) * 4:]
            if packet[0] != 0 or packet[4:6] != struct.pack("!H", self.ident):
                continue
            self.take(packet[8:])

    def take(self, data):
        seq = struct.unpack("!I", data[:4])[0]
        if seq >= self.seq or data != self.payload(seq):
            self.wrong += 1
            return
        if seq < self.first:
            return
        if seq in self.answered:
            self.repeated += 1
            return
        self.answered.add(seq)
        now = time.monotonic()
        self.gap = max(self.gap, now - self.last)
        self.last = now

    def report(self, end):
        """Of those before @end."""
        lost = sum(seq not in self.answered for seq in range(self.first, end))
        gap = max(self.gap, time.monotonic() - self.last)
        return ("sent=%d lost=%d repeated=%d gap_ms=%d wrong=%d" %
                (end - self.first, lost, self.repeated, gap * 1000, self.wrong))


class Stream:
    """One TCP connection whose bytes come back."""

    def __init__(self, guest, block):
        self.socket = socket.create_connection((guest, PORT), 20)
        self.socket.setblocking(False)
        self.block = block
        self.sent = self.got = self.wrong = 0
        self.alive = True
        self.mark()

    def mark(self):
        self.start = self.got
        self.last = time.monotonic()
        self.gap = 0

    def part(self, position, length):
        start = position % BLOCK
        return self.block[start:start + length]

    def send(self):
        length = min(WINDOW - (self.sent - self.got), CHUNK)
        if not self.alive or length <= 0:
            return
        if self.sent == self.got:
            self.last = time.monotonic()
        try:
            self.sent += self.socket.send(self.part(self.sent, length))
        except BlockingIOError:
            pass
        except OSError:
            self.alive = False

    def receive(self):
        while self.alive:
            try:
                data = self.socket.recv(65536)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self.alive = False
                return
            self.take(data)

    def take(self, data):
        now = time.monotonic()
        self.gap = max(self.gap, now - self.last)
        self.last = now
        while data:
            part = self.part(self.got, len(data))
            if data[:len(part)] != part:
                self.wrong += sum(a != b for a, b in zip(data, part))
            self.got += len(part)
            data = data[len(part):]

    def report(self):
        gap = self.gap
        if self.sent > self.got:
            gap = max(gap, time.monotonic() - self.last)
        return ("tcp=%d tcp_bytes=%d tcp_wrong=%d tcp_gap_ms=%d" %
                (self.alive, self.got - self.start, self.wrong, gap * 1000))


class Traffic:
    def __init__(self, guest):
        block = random.Random(7).randbytes(BLOCK)
        self.echo = Echo(guest, block)
        self.stream = Stream(guest, block)
        self.due = time.monotonic()

    def step(self):
        """Until the next request is due."""
        wait = max(self.due - time.monotonic(), 0)
        ready = select.select([0, self.echo.socket, self.stream.socket]
                              if self.stream.alive else [0, self.echo.socket],
                              [], [], wait)[0]
        self.echo.receive()
        self.stream.receive()
        if time.monotonic() >= self.due:
            self.echo.send()
            self.stream.send()
            # What could not be sent in time is not made up for.
            self.due = max(self.due + PERIOD, time.monotonic())
        return 0 in ready

    def settle(self):
        """What is on its way shall come, the stream's last included: TCP tries
        again when twice as long has passed."""
        end = self.echo.seq
        late = time.monotonic() + STRAGGLE
        while time.monotonic() < late:
            self.step()
        mark, late = self.stream.got, time.monotonic() + RETRY
        while (self.stream.alive and self.stream.got <= mark and
               time.monotonic() < late):
            self.step()
        if self.stream.got <= mark:
            self.stream.alive = False
        return end

    def run(self):
        while True:
            if not self.step():
                continue
            command = os.read(0, 4096).decode().strip()
            if not command:
                return
            if command == "mark":
                self.echo.mark()
                self.stream.mark()
                print("marked", flush=True)
            elif command == "report":
                end = self.settle()
                print(self.echo.report(end), self.stream.report(), flush=True)


if __name__ == "__main__":
    Traffic(sys.argv[1]).run()
