"""Two hosts and the bad network between them, on one machine.

Each host is a network namespace, network_namespaces(7), with one address on
a device whose packets this program reads and writes, tun(4). It passes each
packet on as the network says, a JSON object in the first argument and in each
line of standard input after it:

    delay    how long each packet takes, in ms
    loss     the share of packets that are dropped
    double   the share that arrive twice
    reorder  the share that take `late` ms longer, and so are overtaken
    corrupt  the share of which one bit is turned over

`seed` chooses which packets those are. It prints the descriptors of the two
namespaces, and after each line of input how many packets it has been given.
Everything is gone when it ends: at the end of its standard input, and so with
the process that started it.
"""

import ctypes
import fcntl
import heapq
import json
import os
import random
import select
import struct
import subprocess
import sys
import time

HOSTS = ("10.77.0.1", "10.77.0.2")
CLONE_NEWNET = 0x40000000  # <linux/sched.h>
TUNSETIFF = 0x400454CA  # <linux/if_tun.h>
STDIN = 0
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
MOST_UNDER_WAY = 10_000  # packets: the network's memory

network = {
    "delay": 0, "loss": 0, "double": 0, "reorder": 0, "late": 5, "corrupt": 0,
    "seed": 1, "mtu": 1500,
}


def host(address):
    """Makes a host: its namespace, and the device of its packets."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        sys.exit(os.strerror(ctypes.get_errno()))
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    flags = struct.pack("16sH22x", b"lab", IFF_TUN | IFF_NO_PI)
    fcntl.ioctl(device, TUNSETIFF, flags)
    for command in (
        "link set lo up",
        f"link set lab mtu {network['mtu']}",
        f"addr add {address}/24 brd 10.77.0.255 dev lab",
        "link set lab up",
    ):
        subprocess.run(["ip", *command.split()], check=True)
    return os.open("/proc/self/ns/net", os.O_RDONLY), device


def copies(packet, chance):
    """What the network makes of a packet: copies, and when each arrives."""
    lost = chance.random() < network["loss"]
    doubled = chance.random() < network["double"]
    for _ in range(0 if lost else 2 if doubled else 1):
        late = chance.random() < network["reorder"]
        copy = bytearray(packet)
        if chance.random() < network["corrupt"]:
            bit = chance.randrange(8 * len(copy))
            copy[bit // 8] ^= 1 << bit % 8
        ms = network["delay"] + (network["late"] if late else 0)
        yield time.monotonic() + ms / 1000, bytes(copy)


def relay(devices):
    """Passes packets on until the end of standard input."""
    chances = [random.Random(f"{network['seed']} {i}") for i in range(2)]
    under_way, packets, number = [], 0, 0
    while True:
        wait = max(0, under_way[0][0] - time.monotonic()) if under_way else None
        readable, _, _ = select.select([STDIN, *devices], [], [], wait)
        if STDIN in readable:
            lines = os.read(STDIN, 65536).splitlines()
            if not lines:
                return
            for line in lines:
                network.update(json.loads(line))
                print(packets, flush=True)
        for i, device in enumerate(devices):
            if device not in readable:
                continue
            packet = os.read(device, 65536)
            if packet[0] >> 4 != 4:
                continue  # the system's own IPv6 multicasts
            packets += 1
            for due, copy in copies(packet, chances[i]):
                if len(under_way) < MOST_UNDER_WAY:
                    number += 1
                    heapq.heappush(under_way, (due, number, 1 - i, copy))
        while under_way and under_way[0][0] <= time.monotonic():
            _, _, to, packet = heapq.heappop(under_way)
            try:
                os.write(devices[to], packet)
            except OSError:
                pass  # corrupted so that it is no IP packet any more


network.update(json.loads(sys.argv[1]))
namespaces, devices = zip(*map(host, HOSTS))
print(json.dumps(namespaces), flush=True)
relay(devices)
