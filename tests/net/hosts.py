"""Several hosts on one machine: network namespaces with a bridge between them. All of it lives in a namespace of the
test's own, which ends with the test's process, however that ends."""

import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "e2e"))
import people
from own_network import end_with_parent, enter_own_network


def run(*words, check=True, text=None):
    done = subprocess.run(words, capture_output=True, text=True, input=text)
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(words)}: {done.stderr or done.stdout}")
    return done.stdout


class Host:
    """A machine with one interface, eth0, on the net's bridge."""

    number = 0

    def __init__(self, net, name, address=None, plugged=True):
        Host.number += 1
        self.net, self.name, self.number = net, name, Host.number
        self.port = f"port{self.number}"
        self.holder = subprocess.Popen(["unshare", "--net", "--mount", "sleep", "infinity"], preexec_fn=end_with_parent)
        people.wait_until(lambda: self.apart(), "a namespace", 10)
        self.inside("ip", "link", "set", "lo", "up")
        self.addresses = [address or f"10.77.0.{self.number}/24"]
        if plugged:
            self.plug()

    def apart(self):
        def net(pid):
            try:
                return os.readlink(f"/proc/{pid}/ns/net")
            except FileNotFoundError:
                return None
        return net(self.holder.pid) not in (None, net("self"))

    def plug(self):
        """The cable comes in, and the address with it."""
        run("ip", "link", "add", self.port, "type", "veth", "peer", "name", "eth0", "netns", str(self.holder.pid))
        run("ip", "link", "set", self.port, "master", self.net.bridge, "up")
        for address in self.addresses:
            self.inside("ip", "addr", "add", address, "dev", "eth0")
        self.inside("ip", "link", "set", "eth0", "up")

    def readdress(self, address, mac=None):
        self.inside("ip", "addr", "flush", "dev", "eth0")
        if mac:
            self.inside("ip", "link", "set", "eth0", "down")
            self.inside("ip", "link", "set", "eth0", "address", mac)
        self.inside("ip", "addr", "add", address, "dev", "eth0")
        self.inside("ip", "link", "set", "eth0", "up")
        self.addresses = [address]

    def slow(self, rate):
        """Limits what this host receives, so that a transfer takes long enough to be disturbed."""
        run("tc", "qdisc", "replace", "dev", self.port, "root", "tbf", "rate", rate, "burst", "64kb", "latency", "100ms")

    def cable(self, state):
        run("ip", "link", "set", self.port, state)

    @property
    def address(self):
        return self.addresses[0].split("/")[0]

    def prefix(self):
        # The root is named because, within a chroot, a mount namespace would bring the one outside back.
        proc = f"/proc/{self.holder.pid}"
        return ["nsenter", f"--net={proc}/ns/net", f"--mount={proc}/ns/mnt", f"--root={proc}/root", "--"]

    def inside(self, *words, check=True, text=None):
        return run(*self.prefix(), *words, check=check, text=text)

    def start(self, *words, **options):
        return subprocess.Popen([*self.prefix(), *words], preexec_fn=end_with_parent, **options)

    def firewall(self, *rules):
        """These rules, in a chain on the way in or out: ("input", "tcp dport 1-65535 drop")."""
        text = "flush ruleset\n" + "".join(
            f"table inet t_{hook} {{ chain c {{ type filter hook {hook} priority 0; policy accept; {rule}; }}\n}}\n"
            for hook, rule in rules)
        self.inside("nft", "-f", "-", text=text)

    def no_firewall(self):
        self.inside("nft", "flush", "ruleset")

    def end(self):
        self.holder.kill()
        self.holder.wait()


class HostDevice(people.Device):
    """A device on one host."""

    def __init__(self, programs, home, host, nearby):
        super().__init__(programs, home)
        self.host, self.nearby = host, nearby

    def words(self, *words):
        return [*self.host.prefix(), "env", f"KITH_NEARBY={self.nearby}", *super().words(*words)]


class Net:
    """A bridge, the hosts on it, and the world of their devices."""

    def __init__(self, world):
        self.world, self.bridge, self.hosts = world, f"br{os.getpid() % 100000}", []
        run("ip", "link", "set", "lo", "up")
        # A bridge that snoops would have to be asked for each group first.
        run("ip", "link", "add", self.bridge, "type", "bridge", "mcast_snooping", "0")
        run("ip", "link", "set", self.bridge, "up")

    def host(self, name, *args, **options):
        host = Host(self, name, *args, **options)
        self.hosts.append(host)
        return host

    def device(self, name, *args, nearby="embedded", **options):
        device = HostDevice(self.world.programs, self.world.path(name), self.host(name, *args, **options), nearby)
        self.world.devices.append(device)
        return device

    def service(self, name):
        """A service on a host of its own."""
        host = self.host(name)
        service = people.Service(self.world.programs, self.world.path(name), name, listen=f"{host.address}:0",
                                 prefix=host.prefix())
        self.world.services.append(service)
        return service

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for device in self.world.devices:
            device.stop()
        for host in self.hosts:
            host.end()
        run("ip", "link", "del", self.bridge, check=False)


def measured(begin, what):
    """Seconds since `begin`, said."""
    seconds = time.monotonic() - begin
    print(f"         {what}: {seconds:.2f} s", flush=True)
    return seconds
