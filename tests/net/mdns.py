"""mDNS packets: read from a bridge, and made by hand. Run as a program it sends what standard input holds, one packet in
hex a line, to the multicast group."""

import os
import socket
import struct
import sys
import threading
import time

GROUP, PORT = "224.0.0.251", 5353
A, PTR, TXT, AAAA, SRV = 1, 12, 16, 28, 33
SERVICE = ("_kith", "_tcp", "local")


class Packet:
    """Names asked for, and records, of one DNS message."""

    def __init__(self, data):
        self.data = data
        self.questions, self.records = [], []
        _, _, questions, *counts = struct.unpack(">6H", data[:12])
        at = 12
        for _ in range(questions):
            name, at = self.name(at)
            self.questions.append(name)
            at += 4
        for _ in range(sum(counts)):
            name, at = self.name(at)
            kind, _, ttl, size = struct.unpack(">HHIH", data[at:at + 10])
            self.records.append((name, kind, ttl, at + 10, size))
            at += 10 + size

    def name(self, at):
        labels, end = [], None
        while True:
            size = self.data[at]
            if size >= 0xc0:
                end = end or at + 2
                at = (size & 0x3f) << 8 | self.data[at + 1]
            elif size == 0:
                return tuple(labels), end or at + 1
            else:
                labels.append(self.data[at + 1:at + 1 + size].decode("latin-1"))
                at += 1 + size

    def strings(self, at, size):
        end, strings = at + size, []
        while at < end:
            strings.append(self.data[at + 1:at + 1 + self.data[at]].decode("latin-1"))
            at += 1 + self.data[at]
        return strings

    def tokens(self):
        """All that could tell one device from another: labels, strings, ports, addresses."""
        found = {("label", label) for name in self.questions for label in name}
        for name, kind, _, at, size in self.records:
            found |= {("label", label) for label in name}
            if kind == TXT:
                found |= {("string", string) for string in self.strings(at, size)}
            elif kind == PTR:
                found |= {("label", label) for label in self.name(at)[0]}
            elif kind == SRV:
                found.add(("port", struct.unpack(">H", self.data[at + 4:at + 6])[0]))
                found |= {("label", label) for label in self.name(at + 6)[0]}
            else:
                found.add((f"record {kind}", self.data[at:at + size].hex()))
        return found


class Capture:
    """Everything multicast by UDP on a bridge of this namespace: (destination port, payload) of each packet."""

    def __init__(self, bridge):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.bind((bridge, 0))
        self.socket.settimeout(0.2)
        self.packets, self.running = [], True
        self.thread = threading.Thread(target=self._read, daemon=True)
        self.thread.start()

    def _read(self):
        while self.running:
            try:
                frame = self.socket.recv(65536)
            except socket.timeout:
                continue
            if len(frame) < 42 or not frame[0] & 1:
                continue
            kind = struct.unpack(">H", frame[12:14])[0]
            if kind == 0x0800 and frame[23] == 17:
                udp = frame[14 + (frame[14] & 15) * 4:]
            elif kind == 0x86dd and frame[20] == 17:
                udp = frame[54:]
            else:
                continue
            size = struct.unpack(">H", udp[4:6])[0]
            self.packets.append((struct.unpack(">H", udp[2:4])[0], udp[8:size]))

    def stop(self):
        self.running = False
        self.thread.join()
        self.socket.close()
        return self.packets


def encoded(name):
    return b"".join(bytes([len(label)]) + label for label in
                    (label if isinstance(label, bytes) else label.encode() for label in name)) + b"\0"


def record(name, kind, data, ttl=10, unique=False):
    return encoded(name) + struct.pack(">HHIH", kind, 0x8001 if unique else 1, ttl, len(data)) + data


def announcement(instance, strings, port=9, ttl=10):
    """A whole service, as one response."""
    full = (instance, *SERVICE)
    txt = b"".join(bytes([len(string)]) + string for string in strings)
    records = [record(SERVICE, PTR, encoded(full), ttl), record(full, TXT, txt, ttl, True),
               record(full, SRV, struct.pack(">3H", 0, 0, port) + encoded((b"h" * 16, "local")), ttl, True)]
    return struct.pack(">6H", 0, 0x8400, 0, len(records), 0, 0) + b"".join(records)


def offer_strings(key, address, port):
    return [b"v=1", b"kind=offer", b"key=" + key.hex().encode(), f"port={port}".encode(),
            b"at=04" + socket.inet_aton(address).hex().encode()]


def random_name():
    letters = b"abcdefghijklmnopqrstuvwxyz234567"
    return bytes(letters[byte & 31] for byte in os.urandom(16))


def send_from(host, packets, every=0.0005):
    """Sends these from a host."""
    host.inside(sys.executable, "-B", os.path.abspath(__file__), host.address, str(every),
                text="".join(packet.hex() + "\n" for packet in packets))


if __name__ == "__main__":
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    out.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    out.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
    out.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(sys.argv[1]))
    out.bind(("", PORT))
    for line in sys.stdin:
        out.sendto(bytes.fromhex(line), (GROUP, PORT))
        time.sleep(float(sys.argv[2]))
