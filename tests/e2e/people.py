"""Real kith processes for tests and the demo: a service, devices, and a pairing between two of them."""

import base64
import hashlib
import json
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback


# What is found nearby has tests of its own (tests/net), and these here are not to be seen on the network.
os.environ.setdefault("KITH_NEARBY", "off")


def sanitized(programs):
    """Whether these were built with sanitizers, as their build folder says."""
    try:
        with open(f"{programs}/CMakeCache.txt") as cache:
            return any(line.startswith("KITH_SANITIZE:") and not line.endswith("=\n") for line in cache)
    except FileNotFoundError:
        return False


SANITIZED = len(sys.argv) > 1 and sanitized(sys.argv[1])


def patience(seconds):
    """How long is waited for what takes so long at most: several times as long with sanitizers."""
    return seconds * 6 if SANITIZED else seconds


def memory_bound(megabytes):
    """What a daemon may take, in bytes. AddressSanitizer holds back 256 MiB and more of what was freed, and makes all
    that is allocated larger."""
    return (2 * megabytes + 400 if SANITIZED else megabytes) << 20


class Failed(Exception):
    """A command ended with an error: its code, what it said, and the error that it named."""

    def __init__(self, words, code, out, err):
        super().__init__(f"{' '.join(words)}: exit {code}\n{out}{err}")
        self.code, self.out, self.err = code, out, err

    @property
    def error(self):
        return json.loads(self.err)["error"]


class Service:
    """A tmtpd, on loopback unless `listen` is another address. `prefix`: words before the program's."""

    def __init__(self, programs, folder, name="demo-service", listen="127.0.0.1:0", flags=(), prefix=()):
        self.programs, self.folder, self.name, self.listen, self.flags = programs, folder, name, listen, flags
        self.prefix = prefix
        self.start()

    def start(self):
        log = open(self.folder + ".log", "ab")
        self.process = subprocess.Popen(
            [*self.prefix, f"{self.programs}/tmtpd", "--dir", self.folder, "--listen", self.listen, "--name", self.name, *self.flags],
            stdout=subprocess.PIPE, stderr=log, text=True)
        log.close()
        self.address = self.process.stdout.readline().strip()
        assert self.address.startswith("="), f"tmtpd did not start: see {self.folder}.log"
        self.listen = self.address[1:]

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        try:
            self.process.wait(patience(20))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError("tmtpd does not end")
        finally:
            self.process.stdout.close()


class Events:
    """The JSON lines that a running command prints."""

    running = set()

    def __init__(self, words, stdin=None):
        self.words = words
        self.process = subprocess.Popen(words, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        Events.running.add(self)
        self.lines = queue.Queue()
        self.seen = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))
        self.lines.put(None)

    def next(self, timeout=None):
        try:
            event = self.lines.get(timeout=patience(120) if timeout is None else timeout)
        except queue.Empty:
            raise AssertionError(f"{' '.join(self.words[3:6])} says nothing more; last: {self.seen[-2:]}") from None
        if event is not None:
            self.seen.append(event)
        return event

    def wait_for(self, *names, like=lambda event: True, timeout=120):
        """The next event of one of these names; what comes before it is in `seen`."""
        end = time.monotonic() + patience(timeout)
        while True:
            event = self.next(max(0.1, end - time.monotonic()))
            if event is None:
                raise Failed(self.words, self.process.wait(), json.dumps(self.seen[-3:]), self.process.stderr.read())
            if event["event"] in names and like(event):
                return event

    def stays_silent(self, seconds):
        """That nothing is said for so long, by a command that goes on."""
        try:
            event = self.lines.get(timeout=seconds)
        except queue.Empty:
            return
        raise AssertionError(f"{' '.join(self.words[3:6])} said: {event}")

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def finish(self, timeout=120):
        code = self.process.wait(patience(timeout))
        while self.next(patience(5)) is not None:
            pass
        Events.running.discard(self)
        return code

    def fails(self, code, timeout=60):
        """Waits for the end, which must be an error of this exit code, told on both outputs; what it says."""
        end = time.monotonic() + patience(timeout)
        while self.next(max(0.1, end - time.monotonic())) is not None:
            pass
        ended, err = self.process.wait(patience(10)), self.process.stderr.read()
        Events.running.discard(self)
        assert ended == code, f"exit code {ended} instead of {code}: {err}{self.seen[-2:]}"
        error = json.loads(err)["error"]
        last = self.seen[-1]
        assert last["event"] == "failed" and last["error"] == error["message"] and last["hint"] == error["hint"], last
        return error

    def names(self):
        return [event["event"] for event in self.seen]

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        Events.running.discard(self)


class Device:
    def __init__(self, programs, home):
        self.programs, self.home, self.prefix = programs, home, []

    def words(self, *words):
        return [*self.prefix, f"{self.programs}/kith", "--home", self.home, "--json", *words]

    def set_clock(self, seconds):
        """From the next start of its daemon on, its clock is so far ahead, or behind."""
        self.stop()
        self.prefix = ["env", f"LD_PRELOAD={self.programs}/kith_clock_shift.so", f"KITH_CLOCK_SHIFT={seconds}"]

    def run(self, *words, timeout=300, text=None):
        done = subprocess.run(self.words(*words), capture_output=True, text=True, timeout=patience(timeout), input=text or "")
        if done.returncode != 0:
            raise Failed(words, done.returncode, done.stdout, done.stderr)
        return json.loads(done.stdout) if done.stdout.strip() else None

    def fails(self, code, *words, timeout=60, text=None):
        """Runs what must end with this exit code, and say what happened and what to do; the error."""
        try:
            result = self.run(*words, timeout=timeout, text=text)
        except Failed as failed:
            assert failed.code == code, f"exit code {code} was expected: {failed}"
            error = failed.error
            assert set(error) == {"kind", "message", "hint"} and error["message"], error
            return error
        raise AssertionError(f"{' '.join(words)} was expected to fail, and said {result}")

    def raw(self, record):
        return subprocess.run(self.words("history", "show", record, "--raw"), capture_output=True, check=True).stdout

    def begin(self, *words):
        return Events(self.words(*words), stdin=subprocess.PIPE)

    def call(self, method, **args):
        """One request over the daemon's own socket, as src/control/README.md has it: a result, without a process."""
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(patience(60))
            line.connect(f"{self.home}/kithd.sock")
            line.sendall(json.dumps({"v": 1, "method": method, "args": args}).encode() + b"\n")
            for text in line.makefile("rb"):
                answer = json.loads(text)
                if "result" in answer:
                    return answer["result"]
                assert "error" not in answer, answer
        raise AssertionError(f"{method}: the daemon hung up")

    def all_records(self):
        """Everything in the list, newest first."""
        records, page = [], self.call("history.list", limit=1000)
        while page:
            records += page
            page = self.call("history.list", limit=1000, before=page[-1]["id"])
        return records

    def content(self, record):
        """A record's exact bytes, by the daemon's socket."""
        content = b""
        while True:
            answer = self.call("history.show", id=record, raw=True, offset=len(content))
            content += base64.b64decode(answer["raw"])
            if len(content) >= answer["raw_size"]:
                return content

    def count(self, subject):
        """How many messages have this subject."""
        return sum(record["subject"] == subject for record in self.all_records())

    def daemon_pid(self):
        with open(f"{self.home}/kithd.lock") as file:
            return int(file.read().strip())

    def daemon_runs(self):
        try:
            return not gone(self.daemon_pid())
        except (FileNotFoundError, ValueError):
            return False

    def kill(self):
        """kill -9, and the wait until all of it is gone: its last thread takes the socket along."""
        pid = self.daemon_pid()
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: gone(pid) and (not self.answers() or self.daemon_pid() != pid), f"the end of kithd {pid}")

    def answers(self):
        with socket.socket(socket.AF_UNIX) as line:
            return line.connect_ex(f"{self.home}/kithd.sock") == 0

    def stop(self):
        if not os.path.isdir(self.home):
            return
        try:
            subprocess.run(self.words("stop"), capture_output=True, timeout=patience(20))
        except subprocess.TimeoutExpired:
            self.kill()

    def until(self, *words, like, timeout=60):
        """Runs a command until `like(result)` holds; the result."""
        end = time.monotonic() + patience(timeout)
        while True:
            result = self.run(*words)
            if like(result):
                return result
            if time.monotonic() > end:
                raise AssertionError(f"{' '.join(words)} is still {json.dumps(result)[:500]}")
            time.sleep(0.1)


def gone(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_until(condition, what, timeout=60):
    """Looks again and again until the condition holds; its value."""
    end = time.monotonic() + patience(timeout)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {patience(timeout)} s for {what}")
        time.sleep(0.02)


def offered(old, new, name="new device", add_words=(), join_words=()):
    """Up to the code that the new device shows and the old one wants: both sides' events, and the code."""
    adding = old.begin("device", "add", *add_words)
    text = adding.wait_for("offer")["text"]
    joining = new.begin("device", "join", text, "--name", name, *join_words)
    code = joining.wait_for("code")["code"]
    adding.wait_for("code_wanted")
    return adding, joining, code


def pair(old, new, name="new device", add_words=(), join_words=()):
    """Up to the approval: both sides' events."""
    adding, joining, code = offered(old, new, name, add_words, join_words)
    adding.say(code)
    adding.wait_for("approved")
    return adding, joining


def onboard(old, new, name="new device", add_words=(), join_words=()):
    """A whole pairing and transfer, which ends well on both sides: the end of each."""
    adding, joining = pair(old, new, name, add_words, join_words)
    ends = joining.wait_for("done"), adding.wait_for("done")
    assert joining.finish() == 0 and adding.finish() == 0
    return ends


def same_digest(*devices, timeout=60):
    """Waits until all hold the same history: its digest."""
    def compare():
        digests = [device.run("history", "digest") for device in devices]
        return digests[0] if all(digest == digests[0] for digest in digests) else None
    return wait_until(compare, "equal digests", timeout)


def fingerprint(contents):
    """What can be compared of many contents, whatever their order."""
    return sorted(hashlib.sha256(content).hexdigest() for content in contents)


class World:
    """A folder with devices and services that all end with it."""

    def __init__(self, programs, folder):
        self.programs, self.folder = os.path.abspath(programs), folder
        self.devices, self.services, self.began = [], [], time.monotonic()

    def device(self, name):
        device = Device(self.programs, f"{self.folder}/{name}")
        self.devices.append(device)
        return device

    def service(self, name="demo-service", flags=()):
        service = Service(self.programs, f"{self.folder}/{name}", name, flags=flags)
        self.services.append(service)
        return service

    def path(self, name):
        return f"{self.folder}/{name}"

    def file(self, name, content):
        """A file beside the devices, with this text or these bytes: its path."""
        with open(self.path(name), "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return self.path(name)

    def say(self, text):
        print(f"{time.monotonic() - self.began:6.1f} s  {text}", flush=True)

    def logs(self):
        """The ends of all logs, for who has to find out."""
        for name in [f"{device.home}/kithd.log" for device in self.devices] + [f"{s.folder}.log" for s in self.services]:
            if os.path.exists(name):
                with open(name, errors="replace") as file:
                    lines = file.read().splitlines()[-12:]
                print(f"  -- {os.path.relpath(name, self.folder)}", *lines, sep="\n     ", flush=True)

    def renew(self):
        """Ends what there is, for another beginning."""
        self.__exit__()
        self.devices, self.services = [], []
        self.__enter__()

    def __enter__(self):
        os.makedirs(self.folder, exist_ok=True)
        return self

    def __exit__(self, *_):
        for events in list(Events.running):
            events.close()
        for device in self.devices:
            device.stop()
        for service in self.services:
            if service.process.poll() is None:
                service.stop(signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)


def run_tests(*tests):
    """Runs each of these, in a world of its own. Arguments: the folder of the programs, the seconds that all may
    take together, and which to run: their names, or "2/3" for the second, fifth and so on (nothing: all)."""
    programs, seconds, wanted = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    if wanted and "/" in wanted[0]:
        part, parts = map(int, wanted[0].split("/"))
        wanted = [test.__name__ for test in tests[part - 1::parts]]

    def too_long(*_):
        raise AssertionError(f"more than {seconds} s have gone by")
    signal.signal(signal.SIGALRM, too_long)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside"))
    signal.alarm(seconds)
    failed = []
    for test in tests:
        if wanted and test.__name__ not in wanted:
            continue
        print(test.__name__.replace("_", " "), flush=True)
        with World(programs, tempfile.mkdtemp(prefix="kith-e2e-")) as world:
            try:
                test(world)
                world.say("well")
            except Exception:
                failed.append(test.__name__)
                world.say("FAILED")
                traceback.print_exc(file=sys.stdout)
                world.logs()
    if failed:
        print("failed:", *failed)
        sys.exit(1)
