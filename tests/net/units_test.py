"""The units of tools/systemd, as `cmake --install` leaves them, under systemd's own manager of a user's services. Needs
root, for a control group of its own."""

import json
import os
import signal
import stat
import subprocess

from hosts import HostDevice, Net, end_with_parent, enter_own_network
from people import SANITIZED, gone, run_tests, same_digest, wait_until

# Where no control groups of version 2 can be had, it lives with those that there are.
HELD = """
mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system /run/user/0 && chmod 700 /run/user/0
mount -t cgroup2 none {held} && mkdir {held}/{group} && echo $$ >{held}/{group}/cgroup.procs || exec "$@"
exec unshare --cgroup sh -c 'mount -t cgroup2 none /sys/fs/cgroup && exec "$@"' sh "$@"
"""


class Manager:
    """`systemd --user` of a user who has kith installed, on a host."""

    def __init__(self, world, host):
        self.world, self.host = world, host
        self.prefix, self.home = world.path("usr"), world.path("user")
        self.held, self.group = world.path("cgroup"), f"kith-test-{os.getpid()}"
        os.makedirs(self.home)
        os.makedirs(self.held)
        subprocess.run(["cmake", "--install", world.programs, "--prefix", self.prefix], check=True, capture_output=True)
        settings = {"HOME": self.home, "XDG_RUNTIME_DIR": "/run/user/0", "PATH": os.environ["PATH"], "LANG": "C.UTF-8",
                    "SYSTEMD_UNIT_PATH": f"{self.home}/.config/systemd/user:{self.prefix}/lib/systemd/user:"}
        if SANITIZED:  # what looks for leaks at the end of a program must trace it, which the unit forbids
            settings["ASAN_OPTIONS"] = os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"
        self.settings = ["env", "-i", *[f"{name}={value}" for name, value in settings.items()]]
        self.log = open(world.path("systemd.log"), "wb")
        manager = ["/lib/systemd/systemd", "--user", "--log-target=console"]
        self.process = subprocess.Popen(
            [*host.prefix(), *self.settings, "sh", "-euc", HELD.format(held=self.held, group=self.group), "sh", *manager],
            preexec_fn=end_with_parent, stdout=self.log, stderr=self.log)
        try:
            wait_until(lambda: self.says("is-system-running").strip() == "running", "systemd", 30)
        except AssertionError:
            self.end()
            raise

    def says(self, *words):
        return subprocess.run([*self.host.prefix(), *self.settings, "systemctl", "--user", *words], capture_output=True,
                              text=True, timeout=30).stdout

    def run(self, *words):
        done = subprocess.run([*self.host.prefix(), *self.settings, "systemctl", "--user", *words], capture_output=True,
                              text=True, timeout=60)
        assert done.returncode == 0, f"systemctl --user {' '.join(words)}: {done.stderr}"

    def show(self, unit, name):
        return self.says("show", "--property", name, "--value", unit).strip()

    def end(self):
        group = f"{self.held}/{self.group}"
        self.host.inside("sh", "-c", f"echo 1 >{group}/cgroup.kill; sleep 0.2; find {group} -depth -type d -exec rmdir {{}} +",
                         check=False)
        self.process.kill()
        self.process.wait()
        self.host.inside("umount", self.held, check=False)
        self.log.close()


class UserDevice(HostDevice):
    """What a user of the installed kith does, in his usual home."""

    def __init__(self, manager):
        super().__init__(f"{manager.prefix}/bin", f"{manager.home}/.local/share/kith", manager.host, "")
        self.settings = manager.settings

    def words(self, *words):
        return [*self.host.prefix(), *self.settings, f"{self.programs}/kith", "--json", *words]


def main_pid(manager):
    return int(manager.show("kithd.service", "MainPID"))


def the_units_start_hold_and_end_the_daemon(world):
    with Net(world) as net:
        manager = Manager(world, net.host("old"))
        try:
            user_of_units(world, net, manager)
        finally:
            manager.end()


def user_of_units(world, net, manager):
    old, new = UserDevice(manager), net.device("new")
    manager.run("enable", "--now", "kithd.socket")
    path = f"{old.home}/kithd.sock"
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600 and stat.S_IMODE(os.stat(old.home).st_mode) == 0o700
    assert main_pid(manager) == 0, "it runs before it is called"

    world.say("the first command starts it")
    old.run("init", "--name", "old")
    pid = main_pid(manager)
    assert pid == old.daemon_pid(), "the manager's daemon is not the one that answers"
    with open(f"/proc/{pid}/status") as file:
        status = dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    assert status["NoNewPrivs"] == "1" and status["Seccomp"] == "2", status
    assert "kithd.service" in open(f"/proc/{pid}/cgroup").read()

    world.say("confined as it is, it does its work: a device found nearby is set up")
    old.run("history", "import", world.file("one.eml", "From: a@b.c\nSubject: under systemd\n\nhello\n"))
    adding = old.begin("device", "add")
    name = adding.wait_for("offer")["nearby"]
    joining = new.begin("device", "join", "--nearby", name, "--name", "new")
    code = joining.wait_for("code")["code"]
    adding.wait_for("code_wanted")
    adding.say(code)
    joining.wait_for("done")
    adding.wait_for("done")
    same_digest(old, new)

    world.say("a stop takes back what is announced, and leaves the socket")
    watching = net.device("third").begin("nearby", "--watch")
    offering = old.begin("device", "add")
    name = offering.wait_for("offer")["nearby"]
    watching.wait_for("seen", like=lambda event: event["name"] == name)
    manager.run("stop", "kithd.service")
    watching.wait_for("gone", like=lambda event: event["name"] == name, timeout=5)
    assert gone(pid) and manager.show("kithd.service", "Result") == "success"
    assert old.run("history", "stats")["records"] >= 1
    again = main_pid(manager)
    assert again not in (0, pid), "the socket did not start it again"

    world.say("so does `kith stop`")
    assert old.run("stop") == {"stopped": True}
    wait_until(lambda: main_pid(manager) == 0, "the manager to see that it ended", 10)
    assert old.run("status")["state"] != "new" and main_pid(manager) != 0

    world.say("one that is killed is started again, and has all")
    pid = main_pid(manager)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: main_pid(manager) not in (0, pid), "another", 20)
    same_digest(old, new)


enter_own_network()
run_tests(the_units_start_hold_and_end_the_daemon)
