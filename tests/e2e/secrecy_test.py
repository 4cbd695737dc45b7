"""Neither the history nor a secret stands in clear on the wire, in a file of the profile, or in a log."""

import base64
import json
import mmap
import os
import random
import re
import socket
import struct
import subprocess
import threading

import mails
from own_network import enter_own_network
from people import offered, run_tests, same_digest, wait_until

os.environ["KITH_DEBUGGABLE"] = "1"  # what to look for is read from the daemons' memory

SOL_PACKET, PACKET_STATISTICS, ETH_P_ALL = 263, 6, 3


class Capture:
    """All that goes over loopback, into a file."""

    def __init__(self, path):
        self.path, self.size, self.closing = path, 0, False
        self.line = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        try:  # room for what comes while we do not run
            self.line.setsockopt(socket.SOL_SOCKET, 33, 256 << 20)  # SO_RCVBUFFORCE
        except OSError:
            self.line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 256 << 20)
        self.line.bind(("lo", 0))
        self.line.settimeout(0.2)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        with open(self.path, "wb") as file:
            while True:
                try:
                    packet, where = self.line.recvfrom(1 << 17)
                except TimeoutError:
                    if self.closing:
                        return
                    continue
                if where[2] == 4:  # PACKET_OUTGOING: each packet shows up twice on loopback
                    continue
                # Without the headers below TCP's data, so that a text over two packets is found more often.
                data = payload(packet)
                file.write(data)
                self.size += len(data)

    def close(self):
        self.closing = True
        self.reader.join()
        _, drops = struct.unpack("II", self.line.getsockopt(SOL_PACKET, PACKET_STATISTICS, 8))
        self.line.close()
        assert drops == 0, f"{drops} packets were not seen"


def payload(packet):
    """TCP's data in an Ethernet frame of IPv4 or IPv6; what is nothing of this, whole."""
    kind = packet[12:14]
    if kind == b"\x08\x00" and packet[23] == 6:
        at = 14 + (packet[14] & 15) * 4
    elif kind == b"\x86\xdd" and packet[20] == 6:
        at = 54
    else:
        return packet
    return packet[at + (packet[at + 12] >> 4) * 4:]


def forms(secret):
    """The ways in which a text may be written down."""
    plain = secret if isinstance(secret, bytes) else secret.encode()
    yield plain
    yield plain.hex().encode()
    yield plain.hex().upper().encode()
    yield plain.decode("latin-1").encode("utf-16-le")
    for shift in range(3):  # inside a longer text in base64
        text = base64.b64encode(b"\0" * shift + plain)
        yield text[(0, 2, 3)[shift]:-4]


def files_below(folder):
    for at, _, names in os.walk(folder):
        for name in names:
            path = f"{at}/{name}"
            if os.path.isfile(path) and os.path.getsize(path):
                yield path


def found_in(path, secrets):
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return [what for what, secret in secrets.items() if any(content.find(form) >= 0 for form in forms(secret) if form)]


def onboarding_is_watched(world, passphrase):
    service = world.service()
    old, new, friend = world.device("old"), world.device("new"), world.device("friend")
    words = ("--passphrase-file", world.file("passphrase", "wisteria-nightjar-41\n")) if passphrase else ()
    rng = random.Random(5)
    folder = mails.write(world.path("mails"), 300, [300_000, 2 << 20])
    attachment = rng.randbytes(600_000)
    secrets = {
        "subject": "Zanzibar expedition budget", "body": "the hyacinth macaw sleeps at noon",
        "attachment": base64.encodebytes(attachment).split(b"\n")[3000], "sender": "perpetua.quillfeather",
        "sent subject": "Vermilion porcupine memo", "sent body": "forty-two lacquered umbrellas",
        "sent attachment": rng.randbytes(64), "alias": "aldous-the-owner"}
    letter = (f"From: {secrets['sender']}@example.org\nTo: me@example.net\nSubject: {secrets['subject']}\n"
              "Date: Thu, 22 Aug 2002 12:36:23 +0000\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b1\n\n"
              f"--b1\n\n{secrets['body']}\n--b1\nContent-Type: application/octet-stream\n"
              f"Content-Transfer-Encoding: base64\n\n{base64.encodebytes(attachment).decode()}--b1--\n")
    source = world.file("letter.eml", letter)
    assert {"subject", "body", "attachment", "sender"} <= set(found_in(source, secrets)), "the search itself does not work"

    capture = begin_capture(world)
    secrets["recovery sheet"] = old.run("init", *words)["recovery"]
    secrets["recovery sheet, unspaced"] = "".join(c for c in secrets["recovery sheet"] if c.isalnum())
    uid = old.run("service", "add", service.address, "--alias", secrets["alias"])["uid"]
    nodeids = nodeids_of(old.daemon_pid(), service.process.pid)
    friend.run("init")
    friend.run("service", "add", service.address, "--alias", "a-good-friend")
    old.run("history", "import", folder.path)
    old.run("history", "import", source)
    adding, joining, code = offered(old, new, "phone-of-aldous", add_words=words, join_words=words)
    secrets["offer"] = next(event["text"] for event in adding.seen if event["event"] == "offer").split(":", 1)[1][:60]
    adding.say(code)
    adding.wait_for("approved")
    friend.run("message", "send", "--to", uid, "--subject", secrets["sent subject"], "--body", secrets["sent body"],
               "--attach", world.file("blob", rng.randbytes(100) + secrets["sent attachment"] + rng.randbytes(100_000)))
    joining.wait_for("done")
    adding.wait_for("done")
    wait_until(lambda: new.count(secrets["sent subject"]) == 1, "the message")
    same_digest(old, new)
    if passphrase:
        secrets["passphrase"] = "wisteria-nightjar-41"
        for device in (old, new):
            device.run("lock")
            device.fails(6, "unlock", "--passphrase-file", world.file("wrong", "wisteria-nightjar-42\n"))
            device.run("unlock", *words)
    nodeids |= nodeids_of(old.daemon_pid(), new.daemon_pid(), service.process.pid)
    world.say(f"the programs' memory tells {len(nodeids)} nodeids to look for")
    assert len(nodeids) >= 2, "no nodeid was found in memory to look for"
    for number, nodeid in enumerate(sorted(nodeids)):
        secrets[f"nodeid {number}"] = nodeid

    end_capture(world, capture, secrets)
    for home in (old, new):
        for at in ("while it runs", "after its end"):
            paths = list(files_below(home.home))
            assert any(path.endswith("kith.db") for path in paths) and any(path.endswith("kithd.log") for path in paths)
            for path in paths:
                found = found_in(path, secrets)
                assert not found, f"{os.path.relpath(path, world.folder)} holds, {at}: {found}"
            home.stop()
    keys = key_material(old.home, passphrase)
    for path in files_below(old.home):
        if not path.endswith("keys.json"):
            assert not found_in(path, keys), f"{path} holds a key of the profile"
    found = found_in(f"{service.folder}.log", secrets)
    assert not found, f"the service's log holds {found}"


def key_material(home, passphrase):
    """The keys that a key file without passphrase holds in clear: they stand nowhere else."""
    with open(f"{home}/keys.json") as file:
        keys = json.load(file)
    assert ("kdf" in keys) == passphrase
    return {name: bytes.fromhex(keys[name]) for name in ("database", "act")}


def nodeids_of(*pids):
    """Texts of a nodeid's form in the programs' memory: 40 characters of its alphabet. (kithd overwrites what it frees;
    tmtpd does not.)"""
    shape = re.compile(rb"(?<![%+1-9B-DF-HJ-NP-TV-Z])[%+1-9B-DF-HJ-NP-TV-Z]{40}(?![%+1-9B-DF-HJ-NP-TV-Z])")
    found = set()
    for pid in pids:
        with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
            for line in maps:
                span, rights = line.split()[:2]
                begin, end = (int(part, 16) for part in span.split("-"))
                if not rights.startswith("rw") or end - begin > 256 << 20:
                    continue
                try:
                    memory.seek(begin)
                    content = memory.read(end - begin)
                except (OSError, ValueError):
                    continue
                found |= {match.group().decode() for match in shape.finditer(content)}
    return found


def begin_capture(world):
    capture = Capture(world.path("wire"))
    say_in_clear(b"this stands in clear at the beginning")
    return capture


def end_capture(world, capture, secrets):
    say_in_clear(b"this stands in clear at the end")
    wait_until(lambda: found_in(capture.path, {"mark": "this stands in clear at the end"}), "the end of what was heard", 30)
    capture.close()
    assert found_in(capture.path, {"mark": "this stands in clear at the beginning"}), "the capture does not work"
    assert capture.size > 2 << 20, f"only {capture.size} bytes were heard"
    world.say(f"{capture.size} bytes were heard on the wire")
    found = found_in(capture.path, secrets)
    assert not found, f"on the wire in clear: {found}"


def say_in_clear(text):
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as line:
        line.sendall(text)
        server.accept()[0].recv(100)


def without_a_passphrase(world):
    onboarding_is_watched(world, False)


def with_a_passphrase(world):
    onboarding_is_watched(world, True)


# On a loopback that others use too, more may go by than is caught up with.
enter_own_network()
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
run_tests(without_a_passphrase, with_a_passphrase)
