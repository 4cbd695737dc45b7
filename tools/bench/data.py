"""Data sets, their plain databases, and profiles that hold them: made once, kept in the cache folder."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys

import machine
import plain
from people import Device

COUNTS = {"h": 200_000, "a": 1_000, "xl": 2_000_000}
SEED = 1


class Cache:
    """The folder: `data` and `plain` stay, `profiles` are made anew for each build of kithd, `work` is for one run."""

    def __init__(self, folder, programs, mails, small, say):
        self.folder, self.programs, self.mails, self.say = os.path.abspath(folder), programs, mails, say
        self.small = small
        self.work = f"{self.folder}/work"
        os.makedirs(self.folder, exist_ok=True)
        self.lock = open(f"{self.folder}/lock", "w")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"bench: another run uses {self.folder}: wait for it, or give another --cache")
        shutil.rmtree(self.work, ignore_errors=True)
        for name in ("data", "plain", "profiles", "work"):
            os.makedirs(f"{self.folder}/{name}", exist_ok=True)
        with open(f"{programs}/kithd", "rb") as file:
            self.build = hashlib.file_digest(file, "sha256").hexdigest()[:12]

    def count(self, name):
        return COUNTS[name] // 10 if self.small else COUNTS[name]

    def label(self, name):
        return f"{name}-{self.count(name)}"

    def generate(self, name, count, seed, folder):
        subprocess.run([f"{self.programs}/bench_data", name, str(count), str(seed), folder, self.mails], check=True)
        return folder

    def data(self, name):
        """The folder of the data set's files."""
        folder = f"{self.folder}/data/{self.label(name)}"
        if not os.path.exists(folder):
            self.say(f"making the data set {self.label(name)}")
            shutil.rmtree(folder + ".new", ignore_errors=True)
            os.rename(self.generate(name, self.count(name), SEED, folder + ".new"), folder)
        return folder

    def plain(self, name):
        """An SQLite file with the data set's mails as rows."""
        path = f"{self.folder}/plain/{self.label(name)}.db"
        if not os.path.exists(path):
            folder = self.data(name)
            self.say(f"making a plain database of {self.label(name)}")
            for old in (path + ".new", path + ".new-journal"):
                if os.path.exists(old):
                    os.remove(old)
            plain.write(folder, path + ".new")
            os.rename(path + ".new", path)
        return path

    def profile(self, name):
        """The home of a profile that holds the data set, imported by this build, and what the import took."""
        folder = f"{self.folder}/profiles/{self.label(name)}"
        note = f"{folder}/import.json"
        if os.path.exists(note):
            with open(note) as file:
                known = json.load(file)
            if known["build"] == self.build:
                return f"{folder}/home", known
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
        data = self.data(name)
        self.say(f"importing {self.label(name)}")
        machine.settle()
        device = Device(self.programs, f"{folder}/home")
        device.run("init", "--name", "old device")
        known = {"build": self.build, "files_bytes": size_of(data)}
        try:
            with machine.timed(known, "seconds"):
                counts = device.run("history", "import", data, timeout=7200)
            known["cpu_s"] = machine.cpu_seconds(device.daemon_pid())
            known["peak_mb"] = machine.peak_mb(device.daemon_pid())
            known.update(device.run("history", "stats"))
        finally:
            device.stop()
        assert counts["imported"] == self.count(name) and counts["skipped"] == counts["known"] == 0, counts
        known["profile_bytes"] = size_of(f"{folder}/home")
        with open(note, "w") as file:
            json.dump(known, file)
        return f"{folder}/home", known

    def copied_profile(self, name, to):
        """A copy of the profile that may be changed: its home."""
        home, _ = self.profile(name)
        target = self.fresh(to)
        subprocess.run(["cp", "-a", home, target], check=True)
        return target

    def fresh(self, name):
        """A path for this run, at which nothing is."""
        path = f"{self.work}/{name}"
        shutil.rmtree(path, ignore_errors=True)
        return path

    def news(self, kind, seed):
        """A file of 100 mails that no data set has; its path."""
        folder = self.generate(kind, 100, seed, self.fresh(f"{kind}-{seed}"))
        return f"{folder}/00000.mbox"


def size_of(folder):
    return sum(os.path.getsize(f"{path}/{name}") for path, _, names in os.walk(folder) for name in names)
