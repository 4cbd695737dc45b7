"""What others take for the same bytes on the same machine: a plain database, cp, and rsync over ssh."""

import os
import shutil
import socket
import subprocess
import sys
import time

import machine
import plain
from data import size_of


def insert(cache, name, journal):
    """INSERT ... SELECT into a new database with the same index, each commit durable: the floor for a queryable
    copy. In a process of its own."""
    source, target = cache.plain(name), cache.fresh("insert.db")
    machine.settle()
    said = subprocess.run([sys.executable, "-B", plain.__file__, source, target, journal], check=True,
                          capture_output=True, text=True).stdout
    seconds, cpu, peak = map(float, said.split())
    os.remove(target)
    return {"seconds": seconds, "cpu_s": cpu, "peak_mb": peak}


def copy(cache, source):
    """cp, and fsync of every file."""
    target = cache.fresh("copy")
    machine.settle()
    result = {}
    with machine.timed(result, "seconds"):
        subprocess.run(["cp", "-r", source, target], check=True)
        for path in files(target):
            file = os.open(path, os.O_RDONLY)
            os.fsync(file)
            os.close(file)
    remove(target)
    return result


def files(path):
    if os.path.isfile(path):
        return [path]
    return [f"{folder}/{name}" for folder, _, names in os.walk(path) for name in names]


def remove(path):
    shutil.rmtree(path) if os.path.isdir(path) else os.remove(path)


class Sshd:
    """An sshd of our own on loopback, with keys of its own; `why` says why there is none."""

    def __init__(self, folder):
        self.process, self.why, self.folder = None, None, folder
        missing = [name for name in ("sshd", "ssh", "ssh-keygen", "rsync") if find(name) is None]
        if missing:
            self.why = f"not installed: {', '.join(missing)} (apt-get install openssh-server rsync)"
            return
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder, mode=0o700)
        for key in ("host", "user"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{folder}/{key}"], check=True)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        with open(f"{folder}/config", "w") as file:
            file.write(f"ListenAddress 127.0.0.1:{self.port}\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/user.pub\n"
                       "StrictModes no\nUsePAM no\nPidFile none\nPasswordAuthentication no\n")
        if os.geteuid() == 0:
            os.makedirs("/run/sshd", exist_ok=True)
        with open(f"{folder}/log", "wb") as log:
            self.process = subprocess.Popen([find("sshd"), "-D", "-e", "-f", f"{folder}/config"], stderr=log)
        self.ssh = (f"ssh -F none -i {folder}/user -p {self.port} -o StrictHostKeyChecking=no -o LogLevel=ERROR "
                    "-o UserKnownHostsFile=/dev/null -o BatchMode=yes")
        end = time.monotonic() + 10
        while subprocess.run([*self.ssh.split(), "127.0.0.1", "true"], capture_output=True).returncode != 0:
            if self.process.poll() is not None or time.monotonic() > end:
                with open(f"{folder}/log") as file:
                    self.why = f"sshd lets nobody in (it needs root): {file.read()[-200:]}"
                self.close()
                return
            time.sleep(0.1)

    def rsync(self, cache, source):
        """As people run it: nothing is synced to the disk."""
        target = cache.fresh("rsync")
        machine.settle()
        result, before = {}, machine.loopback_bytes()
        with machine.timed(result, "seconds"):
            subprocess.run(["rsync", "-a", "-e", self.ssh, source, f"127.0.0.1:{target}"], check=True)
        result["wire_bytes"] = machine.loopback_bytes() - before
        assert size_of(target) if os.path.isdir(target) else os.path.getsize(target)
        remove(target)
        return result

    def close(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
            self.process = None


def find(name):
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
