"""Two hosts with a poor link between them, on one machine: network namespaces and bench_relay."""

import json
import os
import signal
import subprocess
import sys

from people import Device

MBIT, DELAY_MS, LOSS_PERCENT, SEED = 100, 5, 0.5, 1
ADDRESSES = {"old": "10.77.0.1", "new": "10.77.0.2"}
CONTROL = "/proc/sys/net/ipv4/tcp_congestion_control"
# What one TCP connection moves in so many seconds, for comparison.
STREAM_S = 8
RECEIVE = """
import socket, time
with socket.create_server(("{address}", 7000)) as server:
    print("ready", flush=True)
    line = server.accept()[0]
    began, size = time.monotonic(), 0
    while part := line.recv(1 << 20): size += len(part)
    print(size * 8 / (time.monotonic() - began) / 1e6)
"""
SEND = """
import socket, time
line = socket.create_connection(("{address}", 7000))
end = time.monotonic() + {seconds}
while time.monotonic() < end: line.sendall(bytes(1 << 16))
"""


class NoLink(Exception):
    """This system lets us make none."""


class Link:
    """`old` and `new` see each other over 100 Mbit/s, 5 ms each way, 0.5 % loss. Its end takes all with it."""

    def __init__(self, programs, control=None):
        self.relay = subprocess.Popen([f"{programs}/bench_relay", *(f"kith-{host}" for host in ADDRESSES),
                                       str(MBIT), str(DELAY_MS), str(LOSS_PERCENT), str(SEED)],
                                      stdout=subprocess.PIPE, text=True)
        if self.relay.stdout.readline() != "ready\n":
            raise NoLink("bench_relay makes no TAP devices: it needs root and /dev/net/tun")
        for host, address in ADDRESSES.items():
            ip("netns", "add", host)
            ip("link", "set", f"kith-{host}", "netns", host)
            ip("-n", host, "address", "add", f"{address}/24", "dev", f"kith-{host}")
            ip("-n", host, "link", "set", f"kith-{host}", "up")
            ip("-n", host, "link", "set", "lo", "up")
            if control:
                self.run(host, "sh", "-c", f"echo {control} >{CONTROL}")
        self.control = self.run("new", "cat", CONTROL).strip()

    @staticmethod
    def words(host, *words):
        return ["nsenter", f"--net=/run/netns/{host}", "--", *words]

    def run(self, host, *words):
        return subprocess.run(self.words(host, *words), check=True, capture_output=True, text=True).stdout

    def device(self, host):
        """Makes devices of this host."""
        link = self

        class LinkedDevice(Device):
            def words(self, *words):
                return link.words(host, *super().words(*words))

        return LinkedDevice

    def carried_bytes(self):
        """Ethernet bytes that both hosts have sent."""
        return sum(int(line.split()[9]) for host in ADDRESSES
                   for line in self.run(host, "cat", "/proc/net/dev").splitlines() if line.strip().startswith("kith-"))

    def stream_mbit(self):
        """What one TCP connection with this congestion control makes of the link."""
        receive = RECEIVE.format(address=ADDRESSES["new"])
        send = SEND.format(address=ADDRESSES["new"], seconds=STREAM_S)
        receiver = subprocess.Popen(self.words("new", sys.executable, "-c", receive), stdout=subprocess.PIPE, text=True)
        receiver.stdout.readline()
        subprocess.run(self.words("old", sys.executable, "-c", send), check=True)
        mbit = float(receiver.stdout.read())
        receiver.wait()
        return mbit

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.relay.send_signal(signal.SIGTERM)
        self.counts = json.loads(self.relay.stdout.read())
        self.relay.wait()
        for host in ADDRESSES:
            ip("netns", "delete", host)


def ip(*words):
    subprocess.run(["ip", *words], check=True)


def own_time(size):
    """What the link would take for so many bytes if it carried nothing else."""
    return size * 8 / (MBIT * 1e6)


def enter_own_network():
    """Goes on in a network namespace of our own, whose loopback carries nothing else, so that bytes can be
    counted; /run is our own, too, so that names of namespaces are. Ends with the process."""
    if os.environ.get("KITH_BENCH_NETWORK") != "own":
        os.environ["KITH_BENCH_NETWORK"] = "own"
        flags = "-mn" if os.geteuid() == 0 else "-rmn"
        if subprocess.run(["unshare", flags, "true"], capture_output=True).returncode != 0:
            sys.exit("bench: this system lets nobody make network namespaces (unshare); run it as root")
        os.execvp("unshare", ["unshare", flags, sys.executable, "-B", *sys.argv])
    subprocess.run(["mount", "-t", "tmpfs", "none", "/run"], check=True)
    os.makedirs("/run/netns")
    ip("link", "set", "lo", "up")
    # Devices offer the addresses of interfaces; what they say to them goes over loopback.
    ip("link", "add", "here", "type", "veth", "peer", "name", "there")
    ip("address", "add", "10.76.0.1/24", "dev", "here")
    for name in ("here", "there"):
        ip("link", "set", name, "up")
