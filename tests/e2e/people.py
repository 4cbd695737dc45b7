"""Real kith processes for tests and the demo: a service, devices, and a pairing between two of them."""

import json
import os
import queue
import shutil
import signal
import subprocess
import threading
import time


class Failed(Exception):
    """A command ended with an error: its code, and what it said."""

    def __init__(self, words, code, out, err):
        super().__init__(f"{' '.join(words)}: exit {code}\n{out}{err}")
        self.code, self.out, self.err = code, out, err


class Service:
    """A tmtpd on loopback."""

    def __init__(self, programs, folder, name="demo-service", listen="127.0.0.1:0"):
        self.programs, self.folder, self.name, self.listen = programs, folder, name, listen
        self.start()

    def start(self):
        log = open(self.folder + ".log", "ab")
        self.process = subprocess.Popen(
            [f"{self.programs}/tmtpd", "--dir", self.folder, "--listen", self.listen, "--name", self.name],
            stdout=subprocess.PIPE, stderr=log, text=True)
        self.address = self.process.stdout.readline().strip()
        assert self.address.startswith("="), f"tmtpd did not start: see {self.folder}.log"
        self.listen = self.address[1:]

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        self.process.wait()
        self.process.stdout.close()


class Events:
    """The JSON lines that a running command prints."""

    def __init__(self, words, stdin=None):
        self.words = words
        self.process = subprocess.Popen(words, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines = queue.Queue()
        self.seen = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))
        self.lines.put(None)

    def next(self, timeout=120):
        event = self.lines.get(timeout=timeout)
        if event is not None:
            self.seen.append(event)
        return event

    def wait_for(self, *names, timeout=120):
        """The next event of one of these names; what comes before it is in `seen`."""
        end = time.monotonic() + timeout
        while True:
            event = self.next(max(0.1, end - time.monotonic()))
            if event is None:
                raise Failed(self.words, self.process.wait(), json.dumps(self.seen[-3:]), self.process.stderr.read())
            if event["event"] in names:
                return event

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def finish(self, timeout=120):
        code = self.process.wait(timeout)
        while self.next(5) is not None:
            pass
        return code


class Device:
    def __init__(self, programs, home):
        self.programs, self.home = programs, home

    def words(self, *words):
        return [f"{self.programs}/kith", "--home", self.home, "--json", *words]

    def run(self, *words, timeout=300, text=None):
        done = subprocess.run(self.words(*words), capture_output=True, text=True, timeout=timeout, input=text or "")
        if done.returncode != 0:
            raise Failed(words, done.returncode, done.stdout, done.stderr)
        return json.loads(done.stdout) if done.stdout.strip() else None

    def raw(self, record):
        return subprocess.run(self.words("history", "show", record, "--raw"), capture_output=True, check=True).stdout

    def begin(self, *words):
        return Events(self.words(*words), stdin=subprocess.PIPE)

    def daemon_pid(self):
        with open(f"{self.home}/kithd.lock") as file:
            return int(file.read().strip())

    def kill(self):
        """kill -9, and the wait until it is gone."""
        pid = self.daemon_pid()
        os.kill(pid, signal.SIGKILL)
        while os.path.exists(f"/proc/{pid}") and not self._zombie(pid):
            time.sleep(0.01)

    @staticmethod
    def _zombie(pid):
        try:
            with open(f"/proc/{pid}/stat") as file:
                return file.read().rsplit(")", 1)[1].split()[0] == "Z"
        except FileNotFoundError:
            return True

    def stop(self):
        if os.path.isdir(self.home):
            subprocess.run(self.words("stop"), capture_output=True)

    def until(self, *words, like, timeout=60):
        """Runs a command until `like(result)` holds; the result."""
        end = time.monotonic() + timeout
        while True:
            result = self.run(*words)
            if like(result):
                return result
            if time.monotonic() > end:
                raise AssertionError(f"{' '.join(words)} is still {json.dumps(result)[:500]}")
            time.sleep(0.1)


def pair(old, new, name="new device", add_words=(), join_words=()):
    """Up to the approval: both sides' events."""
    adding = old.begin("device", "add", *add_words)
    text = adding.wait_for("offer")["text"]
    joining = new.begin("device", "join", text, "--name", name, *join_words)
    code = joining.wait_for("code")["code"]
    adding.wait_for("code_wanted")
    adding.say(code)
    adding.wait_for("approved")
    return adding, joining


class World:
    """A folder with devices and services that all end with it."""

    def __init__(self, programs, folder):
        self.programs, self.folder = os.path.abspath(programs), folder
        self.devices, self.services = [], []

    def device(self, name):
        device = Device(self.programs, f"{self.folder}/{name}")
        self.devices.append(device)
        return device

    def service(self, name="demo-service"):
        service = Service(self.programs, f"{self.folder}/{name}", name)
        self.services.append(service)
        return service

    def __enter__(self):
        os.makedirs(self.folder, exist_ok=True)
        return self

    def __exit__(self, *_):
        for device in self.devices:
            device.stop()
        for service in self.services:
            if service.process.poll() is None:
                service.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
