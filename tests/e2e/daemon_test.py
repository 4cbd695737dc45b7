"""The daemon: started by need, alone in its home, gone when told or when its home is, and closed to others."""

import base64
import json
import os
import pty
import shutil
import signal
import socket
import stat
import subprocess
import time

import mails
from people import Device, gone, pair, run_tests, same_digest, wait_until


def it_is_started_without_any_pipe_of_the_caller(world):
    device = world.device("device")
    # A caller that reads to the end would wait for ever if the daemon held on to its pipes.
    done = subprocess.run(device.words("status"), capture_output=True, timeout=30, stdin=subprocess.DEVNULL)
    assert done.returncode == 0 and device.daemon_runs()
    pid = device.daemon_pid()
    for number in os.listdir(f"/proc/{pid}/fd"):
        target = os.readlink(f"/proc/{pid}/fd/{number}")
        if int(number) < 3:
            assert target in ("/dev/null", f"{device.home}/kithd.log"), target
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    assert int(fields[3]) != os.getsid(0) and fields[4] == "0", "it shares our session or has a terminal"
    assert os.readlink(f"/proc/{pid}/cwd") == "/"
    assert device.run("stop") == {"stopped": True}
    assert gone(pid)
    assert device.run("stop") == {"stopped": False}
    assert device.run("version")["kithd"] is None and not device.daemon_runs()


def each_command_starts_it(world):
    device = world.device("device")
    device.run("init")
    for words in (("status",), ("device", "list"), ("history", "digest"), ("service", "list"), ("history", "list")):
        device.run("stop")
        device.run(*words)
        assert device.daemon_runs(), words


def what_a_killed_one_left_behind_stops_no_start(world):
    device = world.device("device")
    device.run("init")
    before = device.run("status")
    device.kill()
    assert os.path.exists(f"{device.home}/kithd.sock") and os.path.exists(f"{device.home}/kithd.lock")
    assert device.run("status") == before
    device.run("stop")
    world.say("a lock that names a living stranger, and a socket of nobody")
    with open(f"{device.home}/kithd.lock", "w") as lock:
        lock.write(f"{os.getpid()}\n")
    if os.path.exists(f"{device.home}/kithd.sock"):
        os.unlink(f"{device.home}/kithd.sock")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(f"{device.home}/kithd.sock")
    assert device.run("status") == before


def many_starts_at_once_make_one_daemon(world):
    device = world.device("device")
    device.run("init")
    for _ in range(5):
        device.kill()
        starts = [subprocess.Popen(device.words("status"), stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(8)]
        answers = [start.communicate(timeout=60) for start in starts]
        assert all(start.returncode == 0 for start in starts), answers
    # The others see the lock and end.
    wait_until(lambda: [pid for pid in os.listdir("/proc") if pid.isdigit() and serves(pid, device.home)]
               == [str(device.daemon_pid())], "one daemon", 20)
    assert device.run("status")["state"] == "open"


def serves(pid, home):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().split(b"\0")
        return words[0].endswith(b"kithd") and home.encode() in words and not gone(int(pid))
    except OSError:
        return False


def a_port_that_is_taken_is_replaced(world):
    old, new = world.device("old"), world.device("new")
    old.run("init")
    adding, joining = pair(old, new)
    joining.wait_for("done")
    adding.wait_for("done")
    ports = listening(old.daemon_pid())
    assert len(ports) >= 1
    old.run("stop")
    takers = []
    for port in ports:
        for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
            taker = socket.socket(family)
            taker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of before may linger
            if family == socket.AF_INET6:
                taker.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                taker.bind((address, port))
                taker.listen()
            except OSError:
                continue
            takers.append(taker)
    assert takers
    old.run("status")
    assert not ports & listening(old.daemon_pid()), "it says to listen where others do"
    old.until("status", like=lambda status: status["peers"][0]["state"] == "connected")
    old.run("history", "import", world.file("one.eml", "From: a@b.c\nSubject: x\nDate: Thu, 22 Aug 2002 12:36:23 +0000\n\nhi\n"))
    assert same_digest(old, new)["records"] == 1
    for taker in takers:
        taker.close()


def listening(pid):
    """The TCP ports that a process listens at."""
    inodes = set()
    for number in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{number}")
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    ports = set()
    for table in ("tcp", "tcp6"):
        with open(f"/proc/net/{table}") as file:
            for line in file.read().splitlines()[1:]:
                words = line.split()
                if words[3] == "0A" and words[9] in inodes:
                    ports.add(int(words[1].rsplit(":", 1)[1], 16))
    return ports


def it_ends_when_its_home_vanishes(world):
    device = world.device("device")
    device.run("init")
    pid = device.daemon_pid()
    shutil.rmtree(device.home)
    wait_until(lambda: gone(pid), "the daemon's end", 10)
    assert not os.path.exists(device.home), "it made its home anew"
    world.say("also when another home takes its place, which it must not touch")
    device.run("init")
    pid = device.daemon_pid()
    os.rename(device.home, device.home + ".away")
    os.mkdir(device.home, 0o700)
    wait_until(lambda: gone(pid), "the daemon's end", 10)
    assert os.listdir(device.home) == []
    away = Device(world.programs, device.home + ".away")
    world.devices.append(away)
    assert away.run("status")["state"] == "open"


def it_ends_at_a_signal(world):
    device = world.device("device")
    device.run("init")
    for number in (signal.SIGTERM, signal.SIGINT):
        device.run("status")
        pid = device.daemon_pid()
        os.kill(pid, number)
        wait_until(lambda: gone(pid), f"the end after {number!r}", 10)


def global_options_stand_anywhere(world):
    device = world.device("device")
    kith = f"{world.programs}/kith"
    for words in (("--home", device.home, "--json", "status"), ("status", "--home", device.home, "--json"),
                  ("--json", "status", "--home", device.home), (f"--home={device.home}", "status", "--json"),
                  ("--home", device.home, "service", "--json", "list"), ("device", "list", "--json", "--home", device.home)):
        done = subprocess.run([kith, *words], capture_output=True, text=True, timeout=60)
        if "status" in words:
            assert done.returncode == 0 and json.loads(done.stdout)["state"] == "new", (words, done)
        else:
            assert done.returncode == 5 and json.loads(done.stderr)["error"]["hint"], (words, done)
    place = os.path.join(world.folder, "by environment")
    by_environment = Device(world.programs, place)
    world.devices.append(by_environment)
    for environment in ({"KITH_HOME": place}, {"XDG_DATA_HOME": world.path("xdg")}, {"HOME": world.path("person")}):
        done = subprocess.run([kith, "--json", "status"], capture_output=True, text=True, timeout=60,
                              env={"PATH": os.environ["PATH"], **environment})
        assert done.returncode == 0, done
    for home in (place, world.path("xdg/kith"), world.path("person/.local/share/kith")):
        found = Device(world.programs, home)
        world.devices.append(found)
        assert found.daemon_runs() and stat.S_IMODE(os.stat(home).st_mode) == 0o700, home


def nothing_is_asked_under_json(world):
    """Even at a terminal: what is missing is an error that names the option."""
    device = world.device("device")
    device.run("init", "--passphrase-file", world.file("passphrase", "tulip\n"))
    device.run("lock")
    for words, option in ((("unlock",), "--passphrase-file"), (("passphrase",), "--new-passphrase-file"),
                          (("device", "add"), "unlock"), (("service", "add", "=127.0.0.1:1"), "--alias"),
                          (("device", "join"), "TEXT"), (("message", "send", "--to", "someone"), "--body"),
                          (("history", "import"), "PATH")):
        main, other = pty.openpty()
        try:
            done = subprocess.run(device.words(*words), stdin=other, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  text=True, timeout=30)
        finally:
            os.close(main)
            os.close(other)
        assert done.returncode in (2, 6), (words, done)
        error = json.loads(done.stderr)["error"]
        assert option in error["message"] + error["hint"], (words, error)


def homes_are_closed_to_others(world):
    device, new = world.device("device"), world.device("new")
    before = os.umask(0)
    try:
        device.run("init")
        big = b"From: a@b.c\nSubject: x\n\n" + b"x" * 200_000 + b"\n"
        device.run("history", "import", world.file("one.eml", big))
        adding, joining = pair(device, new)
        joining.wait_for("done")
    finally:
        os.umask(before)
    for home in (device.home, new.home):
        for folder, folders, files in os.walk(home):
            assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700, folder
            for name in files:
                path = f"{folder}/{name}"
                mode = os.lstat(path).st_mode
                assert stat.S_IMODE(mode) == 0o600, f"{path} is {stat.filemode(mode)}"
    device.run("stop")
    os.chmod(device.home, 0o755)
    error = device.fails(5, "status")
    assert "chmod 700" in error["hint"]
    os.chmod(device.home, 0o700)


def two_profiles_know_nothing_of_each_other(world):
    first, second = world.device("first"), world.device("second")
    a, b = first.run("init"), second.run("init")
    assert a["person"] != b["person"] and a["device"] != b["device"] and a["recovery"] != b["recovery"]
    first.run("history", "import", world.file("one.eml", "From: a@b.c\nSubject: x\n\nhi\n"))
    assert second.run("history", "stats")["records"] == 0
    first.run("stop")
    assert second.daemon_runs() and second.run("status")["device"] == b["device"]
    assert first.run("status")["device"] == a["device"]
    error = first.fails(5, "init")
    assert error["hint"] and first.run("status")["device"] == a["device"]


def who_reads_slowly_gets_all_of_a_large_answer(world):
    device = world.device("device")
    device.run("init")
    device.run("history", "import", mails.write_large(world.path("box"), 1, 4 << 20))
    record, answer = device.all_records()[0]["id"], b""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(60)
        line.connect(f"{device.home}/kithd.sock")
        request = {"v": 1, "method": "history.show", "args": {"id": record, "raw": True, "offset": 0}}
        line.sendall(json.dumps(request).encode() + b"\n")
        while piece := line.recv(64 << 10):
            answer += piece
            time.sleep(0.1)  # the reader's pace
    assert answer.endswith(b"\n"), f"cut off after {len(answer)} bytes"
    assert len(base64.b64decode(json.loads(answer)["result"]["raw"])) == 1 << 20


def it_takes_a_socket_that_a_service_manager_passes(world):
    device = world.device("device")
    os.makedirs(device.home, mode=0o700)
    path = f"{device.home}/kithd.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        os.chmod(path, 0o600)
        listener.listen()
        # Somebody calls before the daemon runs: he waits for the one that is started for him.
        calling = subprocess.Popen(device.words("status"), stdout=subprocess.PIPE, text=True)
        def pass_on():
            os.dup2(listener.fileno(), 3)
            os.set_inheritable(3, True)
        daemon = subprocess.Popen(
            ["sh", "-c", f'LISTEN_PID=$$ LISTEN_FDS=1 exec "{world.programs}/kithd" --home "{device.home}"'],
            preexec_fn=pass_on, close_fds=False, stderr=subprocess.DEVNULL)
        assert json.loads(calling.communicate(timeout=30)[0])["state"] == "new"
        assert device.daemon_pid() == daemon.pid
        assert device.run("stop") == {"stopped": True}
        assert daemon.wait(10) == 0
        assert os.path.exists(path), "the socket is the service manager's, and was removed"


def listens(port):
    """At this machine's own addresses of both kinds, where there are such."""
    families = [(socket.AF_INET, "127.0.0.1")] + ([(socket.AF_INET6, "::1")] if os.path.exists("/proc/net/if_inet6") and
                                                   open("/proc/net/if_inet6").read() else [])
    for family, address in families:
        with socket.socket(family) as line:
            if line.connect_ex((address, port)) != 0:
                return False
    return True


def the_port_of_the_peer_link_is_chosen_and_remembered(world):
    device = world.device("device")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    os.environ["KITH_PORT"] = str(port)
    device.run("init")
    del os.environ["KITH_PORT"]
    wait_until(lambda: listens(port), "the port")
    device.run("stop")
    assert not listens(port)
    device.run("status")
    wait_until(lambda: listens(port), "the same port without being told")
    device.run("stop")
    world.say("one that is in use: the one that was named is not exchanged for another")
    with socket.socket() as other:
        other.bind(("0.0.0.0", 0))
        other.listen()
        taken = other.getsockname()[1]
        daemon = subprocess.run([f"{world.programs}/kithd", "--home", device.home, "--port", str(taken)],
                                stderr=subprocess.PIPE, text=True, timeout=60)
        assert daemon.returncode == 1 and f"port {taken} is in use" in daemon.stderr, daemon
        wrong = subprocess.run([f"{world.programs}/kithd", "--home", device.home, "--port", "70000"], capture_output=True,
                               timeout=60)
        assert wrong.returncode != 0


run_tests(it_takes_a_socket_that_a_service_manager_passes, it_is_started_without_any_pipe_of_the_caller, each_command_starts_it, what_a_killed_one_left_behind_stops_no_start,
          many_starts_at_once_make_one_daemon, a_port_that_is_taken_is_replaced, it_ends_when_its_home_vanishes,
          it_ends_at_a_signal, global_options_stand_anywhere, nothing_is_asked_under_json, homes_are_closed_to_others,
          two_profiles_know_nothing_of_each_other, who_reads_slowly_gets_all_of_a_large_answer,
          the_port_of_the_peer_link_is_chosen_and_remembered)
