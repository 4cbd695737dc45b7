"""A bad radio link between two hosts: each has a TAP device for eth0, and this process carries frames from one to the
other, late, and not all of them."""

import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import threading
import time


class Radio:
    def __init__(self, one, other, loss=0.05, delay=0.05, jitter=0.02, bits=8_000_000, seed=1):
        self.loss, self.delay, self.jitter, self.bits = loss, delay, jitter, bits
        self.random, self.running, self.carried, self.lost = random.Random(seed), True, 0, 0
        self.ends = [tap(one), tap(other)]
        self.thread = threading.Thread(target=self._carry, daemon=True)
        self.thread.start()
        for host in (one, other):
            for address in host.addresses:
                host.inside("ip", "addr", "add", address, "dev", "eth0")
            host.inside("ip", "link", "set", "eth0", "up")

    def _carry(self):
        waiting, number, free_at = [], 0, [0.0, 0.0]
        while self.running:
            now = time.monotonic()
            pause = max(0, min(0.1, waiting[0][0] - now)) if waiting else 0.1
            readable = select.select(self.ends, [], [], pause)[0]
            now = time.monotonic()
            for end in readable:
                side = self.ends.index(end)
                frame = os.read(end, 65536)
                # What the link cannot take in a quarter of a second is dropped, as a queue that is full does it.
                sent = max(now, free_at[side]) + len(frame) * 8 / self.bits
                if self.random.random() < self.loss or sent - now > 0.25:
                    self.lost += 1
                    continue
                free_at[side] = sent
                self.carried += 1
                number += 1
                late = self.delay + self.random.uniform(-self.jitter, self.jitter)
                heapq.heappush(waiting, (sent + late, number, self.ends[1 - side], frame))
            while waiting and waiting[0][0] <= now:
                _, _, end, frame = heapq.heappop(waiting)
                try:
                    os.write(end, frame)
                except OSError:
                    pass  # the device is not up yet

    def stop(self):
        self.running = False
        self.thread.join()
        for end in self.ends:
            os.close(end)


def tap(host):
    """A TAP device eth0 on this host, as its descriptor."""
    opened = []

    def make():
        # Threads of one process may be in different namespaces.
        with open(f"/proc/{host.holder.pid}/ns/net") as space:
            if ctypes.CDLL(None, use_errno=True).setns(space.fileno(), 0) != 0:
                return
        device = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(device, 0x400454ca, struct.pack("16sH22x", b"eth0", 0x0002 | 0x1000))  # TUNSETIFF: IFF_TAP | IFF_NO_PI
        opened.append(device)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    assert opened, "no TAP device could be made"
    return opened[0]
