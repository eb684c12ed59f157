#!/usr/bin/python3
"""hears.py FD MAC: which frames of the peer does a bound descriptor get?

Prints one word for each kind of frame that was received. The peer sends by one
queue and the wire keeps the order, so a frame that is not there when a later
broadcast is, was not received. MAC is the guest's address.
"""

import os
import select
import socket
import struct
import sys
import time

ETHERTYPE = 0x88b5      # for experiments
HEADER = 10             # of virtio-net, in front of each frame
BROADCAST = b"\xff" * 6


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def frame(kind, to, vlan=None):
    tag = struct.pack("!HH", 0x8100, vlan) if vlan else b""
    return (to + mac("52:54:00:12:00:02") + tag +
            struct.pack("!H", ETHERTYPE) + kind.encode() + b"\n" + bytes(46))


def peer_socket():
    """Of the peer's name space; this process stays where it is."""
    here = os.open("/proc/self/ns/net", os.O_RDONLY)
    with open("/run/netns/peer") as peer:
        os.setns(peer.fileno(), os.CLONE_NEWNET)
        wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
        wire.bind(("peer0", 0))
    os.setns(here, os.CLONE_NEWNET)
    return wire


def receive(fd, seconds):
    """Frames of ours that come until the broadcast that ends a round."""
    end = time.monotonic() + seconds
    kinds = []
    while time.monotonic() < end:
        if not select.select([fd], [], [], 0.1)[0]:
            continue
        data = os.read(fd, 4096)[HEADER:]
        tag = 4 if data[12:14] == b"\x81\x00" else 0
        if data[12 + tag:14 + tag] != struct.pack("!H", ETHERTYPE):
            continue
        kind = data[14 + tag:].split(b"\n")[0].decode()
        if kind == "all":
            return kinds
        kinds.append(kind)
    return None


def main():
    fd, guest = int(sys.argv[1]), mac(sys.argv[2])
    with open("/sys/class/net/eth0/address") as f:
        nic = mac(f.read().strip())
    wire = peer_socket()
    for _ in range(100):    # until the link is up
        wire.send(frame("all", BROADCAST))
        if receive(fd, 0.3) is not None:
            break
    else:
        sys.exit("no broadcast is received")
    time.sleep(0.5)         # those that were late
    for sent in (frame("guest", guest), frame("nic", nic),
                 frame("other", mac("02:00:00:aa:bb:cc")),
                 frame("group", mac("33:33:ff:12:34:56")),
                 frame("vlan", guest, 5), frame("all", BROADCAST)):
        wire.send(sent)
    while True:
        kinds = receive(fd, 30)
        if kinds is None:
            sys.exit("no end of the round")
        if kinds:
            break
    print(*kinds)


if __name__ == "__main__":
    main()
