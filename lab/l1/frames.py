#!/usr/bin/python3
"""frames.py send|echo DEV COUNT TO [MTU]: frames of all sizes to the station TO.

send: and no more. echo: what comes back is compared, but for the addresses, with what
was sent; a frame that is not the next one, or is not as it was, is an error. A few are
outstanding at a time, so that none is lost for want of buffers.
"""

import random
import select
import socket
import sys

PROTOCOL = 0x88b5
OUTSTANDING = 16
PATIENCE = 60                                  # seconds


def frames(count, longest):
    """What comes behind the addresses: a number, and what is drawn from it."""
    noise = random.Random(1).randbytes(4 * longest)
    for i in range(count):
        size = 60 - 12 if i % 8 == 0 else 60 - 12 + i * 37 % (longest - 60 + 1)
        start = i * 61 % (len(noise) - longest)
        yield (PROTOCOL.to_bytes(2, "big") + i.to_bytes(4, "big") +
               noise[start:start + size - 6])


def main():
    what, dev, count, to = sys.argv[1:5]
    longest = int(sys.argv[5] if len(sys.argv) > 5 else 1500) + 14
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                       socket.htons(PROTOCOL)) as wire:
        wire.bind((dev, PROTOCOL))
        wire.settimeout(PATIENCE)
        own = wire.getsockname()[4]
        addresses = bytes.fromhex(to.replace(":", "")) + own
        sent, back = [], 0

        def take():
            nonlocal back
            while True:
                frame, address = wire.recvfrom(longest + 1)
                if address[2] != socket.PACKET_OUTGOING:
                    break
            if frame[:6] != own:
                sys.exit("frame %d came back to %s" % (back, frame[:6].hex(":")))
            if frame[12:] != sent[back]:
                sys.exit("frame %d came back as %d bytes of frame %d" % (
                    back, len(frame), int.from_bytes(frame[14:18], "big")))
            back += 1

        for frame in frames(int(count), longest):
            wire.send(addresses + frame)
            sent.append(frame)
            while what == "echo" and (
                    len(sent) - back >= OUTSTANDING or
                    select.select([wire], [], [], 0)[0]):
                take()
        while what == "echo" and back < len(sent):
            take()
    print("%d frames sent, %d came back" % (len(sent), back))


if __name__ == "__main__":
    try:
        main()
    except socket.timeout:
        sys.exit("some did not come back in %d s" % PATIENCE)
