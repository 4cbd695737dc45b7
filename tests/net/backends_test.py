"""The ways to speak mDNS find each other, beside the system's avahi-daemon or without it."""

import os
import time

from hosts import Net, enter_own_network, measured
from people import run_tests, wait_until

BUS = """<busconfig><type>system</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/></policy></busconfig>"""


class Avahi:
    """A system bus and an avahi-daemon on a host of their own /run."""

    def __init__(self, world, host, only=False):
        self.host, self.path = host, world.path(f"bus{host.number}")
        host.inside("mount", "-t", "tmpfs", "tmpfs", "/run")
        host.inside("mkdir", "-p", "/run/avahi-daemon", "/run/dbus")
        config = world.file(f"bus{host.number}.conf", BUS.format(path="/run/dbus/system_bus_socket"))
        self.log = open(self.path + ".log", "wb")
        self.bus = host.start("dbus-daemon", f"--config-file={config}", "--nofork", stdout=self.log, stderr=self.log)
        self.wait_for("/run/dbus/system_bus_socket")
        avahi = world.file(f"avahi{host.number}.conf", f"[server]\nhost-name=machine{host.number}\ndisallow-other-stacks={'yes' if only else 'no'}\n")
        self.daemon = host.start("avahi-daemon", "-f", avahi, "--no-drop-root", "--no-chroot", "--no-rlimits",
                                 stdout=self.log, stderr=self.log)
        # Its pid file comes before it has joined the networks; a name that it has is a sign that it works.
        self.wait_for("/run/avahi-daemon/pid")

    def wait_for(self, path):
        wait_until(lambda: os.path.exists(f"/proc/{self.host.holder.pid}/root{path}"), path, 20)

    def end(self):
        for process in (self.daemon, self.bus):
            process.kill()
            process.wait()
        self.log.close()

    def collisions(self):
        with open(self.path + ".log", errors="replace") as file:
            return [line for line in file if "collision" in line.lower() or "withdrawing" in line.lower()]


def finds(world, old, new, label):
    """That an offer of `old` is found by `new`, and gone when it is withdrawn."""
    watching = new.begin("nearby", "--watch")
    begin = time.monotonic()
    adding = old.begin("device", "add")
    words = adding.wait_for("offer")["nearby"]
    watching.wait_for("seen", like=lambda event: event["name"] == words and event["state"] == "reachable", timeout=15)
    measured(begin, label)
    old.run("device", "cancel")
    watching.wait_for("gone", like=lambda event: event["name"] == words, timeout=15)
    watching.close()
    adding.close()


def each_way_finds_each_other(world):
    with Net(world) as net:
        devices = {way: net.device(way, nearby=way) for way in ("embedded", "daemon", "dns-sd")}
        daemons = [Avahi(world, devices[way].host) for way in ("daemon", "dns-sd")]
        for device in devices.values():
            device.run("init")
        for one in devices:
            for other in devices:
                if one != other:
                    finds(world, devices[one], devices[other], f"{one} found by {other}")
        for daemon in daemons:
            assert not daemon.collisions(), daemon.collisions()
            daemon.end()


def embedded_beside_the_systems_daemon_in_either_order(world):
    with Net(world) as net:
        old, new = net.device("old"), net.device("new")
        old.run("init")
        daemon = Avahi(world, old.host)
        finds(world, old, new, "the daemon first")
        assert not daemon.collisions()
        daemon.end()
        adding = old.begin("device", "add")
        words = adding.wait_for("offer")["nearby"]
        watching = new.begin("nearby", "--watch")
        watching.wait_for("seen", like=lambda event: event["name"] == words and event["state"] == "reachable")
        old.host.inside("umount", "/run")
        daemon = Avahi(world, old.host)
        watching.stays_silent(4)
        assert not daemon.collisions(), daemon.collisions()
        assert [item["name"] for item in new.run("nearby")["nearby"]] == [words]
        daemon.end()


def a_daemon_that_allows_no_other_stack_is_used(world):
    with Net(world) as net:
        old, new = net.device("old", nearby="automatic"), net.device("new", nearby="automatic")
        old.run("init")
        daemon = Avahi(world, old.host, only=True)
        finds(world, old, new, "by the only stack that is allowed")
        daemon.end()


def without_a_bus_the_daemon_cannot_be_used_and_that_is_said(world):
    with Net(world) as net:
        new = net.device("new", nearby="daemon")
        new.host.inside("mount", "-t", "tmpfs", "tmpfs", "/run")
        notes = new.run("nearby")["notes"]
        assert any("avahi-daemon" in note and "embedded" in note for note in notes), notes
        new.run("stop")
        new.nearby = "automatic"
        old = net.device("old")
        old.run("init")
        finds(world, old, new, "without a bus, by the embedded stack")


enter_own_network()
run_tests(each_way_finds_each_other, embedded_beside_the_systems_daemon_in_either_order,
          a_daemon_that_allows_no_other_stack_is_used, without_a_bus_the_daemon_cannot_be_used_and_that_is_said)
