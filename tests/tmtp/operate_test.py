"""tmtpd as its operator sees it: settings, certificates, the commands, the end, the log, and nodes whose link died.

python3 -B tests/tmtp/operate_test.py BUILD [NAME...]
"""
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time

build = os.path.abspath(sys.argv[1])
patience = 60


class Server:
    running = []

    def __init__(self, folder, *flags, name="Test Site"):
        self.log = f"{folder}.log"
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([f"{build}/tmtpd", "--dir", folder, "--name", name, *flags],
                                            stdout=subprocess.PIPE, stderr=log, text=True)
        Server.running.append(self)
        self.address = self.process.stdout.readline().strip()
        assert self.address, open(self.log).read()
        self.host, self.port = "127.0.0.1", int(self.address.rsplit(":", 1)[1])

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        code = self.process.wait(patience)
        self.process.stdout.close()
        return code

    def logged(self):
        return open(self.log).read()


class Link:
    """A client that speaks TMTP, and no more than it is told to."""

    def __init__(self, server, certificate=None, source=None, greet=True):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if certificate:
            context.load_cert_chain(*certificate)
        plain = socket.create_connection((server.host, server.port), patience, source and (source, 0))
        plain.settimeout(patience)
        self.tls = context.wrap_socket(plain)
        self.rest = b""
        if greet:
            self.say({"op": 0, "id": "1"})
            assert self.hear()["op"] == "tmtprev"

    def say(self, head, data=b""):
        text = json.dumps(head).encode()
        self.tls.sendall(b"%04x" % len(text) + text + data)

    def take(self, size):
        while len(self.rest) < size:
            part = self.tls.recv(65536)
            if not part:
                raise EOFError
            self.rest += part
        part, self.rest = self.rest[:size], self.rest[size:]
        return part

    def hear(self):
        head = json.loads(self.take(int(self.take(4), 16)))
        head["data"] = self.take(head.get("datalen", 0))
        return head

    def register(self, alias="_"):
        self.say({"op": 1, "newnode": "first", "newalias": alias})
        head = self.hear()
        self.uid, self.nodeid = head["uid"], head["nodeid"]
        assert self.hear()["op"] == "info"
        return self

    def login(self, other):
        self.uid, self.nodeid = other.uid, other.nodeid
        self.say({"op": 2, "uid": self.uid, "node": self.nodeid})
        return self.hear()

    def ack(self, head):
        self.say({"op": 10, "id": head["id"], "type": "ok"})

    def ended(self):
        try:
            while True:
                self.hear()
        except (EOFError, OSError):
            return True


def run(*words, code=0):
    done = subprocess.run([f"{build}/tmtpd", *words], capture_output=True, text=True, timeout=patience)
    assert done.returncode == code, (words, done)
    return done


def rows(*words):
    """The answer of a command, without its last line."""
    lines = [json.loads(line) for line in run(*words, "--json").stdout.splitlines()]
    assert lines[-1] == {"done": True}
    return lines[:-1]


def until(true, what):
    end = time.monotonic() + patience
    while not true():
        assert time.monotonic() < end, what
        time.sleep(0.05)


def settings(folder):
    """A file and flags; what is wrong is told with its line."""
    conf = f"{folder}/conf"
    with open(conf, "w") as file:
        file.write(f"dir = {folder}/service\nname = From The File\nlisten = 127.0.0.1:0\naccounts = 1\n")
    server = Server(f"{folder}/service", "--config", conf, name="From A Flag")
    link = Link(server, greet=False)
    link.say({"op": 0, "id": "1"})
    assert link.hear()["name"] == "From A Flag"
    link.register()
    late = Link(server)
    late.say({"op": 1, "newnode": "x", "newalias": "_"})
    assert late.hear()["error"] == "registration closed"
    assert server.stop() == 0
    with open(conf, "a") as file:
        file.write("\nnmae = x\n")
    wrong = run("--config", conf, code=1)
    assert f"{conf}, line 6: there is no setting 'nmae'" in wrong.stderr, wrong
    assert "--links must be a number" in run("--dir", folder, "--name", "x", "--links", "many", code=1).stderr
    assert "must-have-met" in run("--help").stdout
    assert "--config" in run("--config", "/nonexistent", code=1).stderr.splitlines()[1]
    run("--no-such-setting", code=1)


def commands(folder):
    """Lists and drops nodes of a running service, and of one that does not run."""
    service = f"{folder}/service"
    server = Server(service)
    alice, bob = Link(server).register("Alice Adams"), Link(server).register("Bobby Brown")
    bob.tls.close()
    alice.say({"op": 7, "id": "p", "for": [{"id": bob.uid, "type": 1}], "datalen": 5}, b"hello")
    assert alice.hear()["op"] == "ack"
    alice.say({"op": 5, "id": "i", "gid": "Our Own Group", "from": "Alice Adams", "to": "Bobby Brown"})
    assert alice.hear()["op"] == "ack"
    until(lambda: [row["online"] for row in rows("node", "list", "--dir", service)] == [True, False], "bob is seen to go")
    users = rows("user", "list", "--dir", service)
    assert [(row["uid"], row["aliases"], row["nodes"]) for row in users] == [
        (alice.uid, ["Alice Adams"], 1), (bob.uid, ["Bobby Brown"], 1)], users
    assert rows("group", "list", "--dir", service) == [{"gid": "Our Own Group", "joined": 1, "invited": 1}]
    node_a, node_b = rows("node", "list", "--dir", service)
    assert node_b["messages"] == 2 and node_b["bytes"] > 5 and node_b["uid"] == bob.uid
    assert "Alice Adams" in run("user", "list", "--dir", service).stdout

    run("node", "drop", str(node_a["node"]), "--dir", service)
    heard = alice.hear()
    while heard["op"] != "quit":
        heard = alice.hear()
    assert heard["error"] == "node dropped", heard
    assert Link(server).login(alice)["error"] == "login failed"
    gone = run("node", "drop", str(node_a["node"]), "--dir", service, "--json", code=1)
    assert "there is no node" in json.loads(gone.stdout)["error"]

    assert server.stop() == 0
    assert [row["node"] for row in rows("node", "list", "--dir", service)] == [node_b["node"]]
    run("node", "drop", str(node_b["node"]), "--dir", service)
    assert rows("node", "list", "--dir", service) == []
    assert "holds no service" in run("user", "list", "--dir", f"{folder}/nothing", code=1).stderr


def make_authority(folder):
    def openssl(*words):
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=folder)

    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=authority",
            "-keyout", "ca.key", "-out", "ca.pem", "-days", "2")

    def issue(name):
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                "-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-out", f"{name}.pem", "-days", "2")
        return f"{folder}/{name}.pem", f"{folder}/{name}.key"

    return issue


def certificates(folder):
    """Given certificates are loaded anew when they change; clients' are asked for where the operator says so."""
    issue = make_authority(folder)
    first, second, member = issue("first"), issue("second"), issue("member")
    used = f"{folder}/used.pem", f"{folder}/used.key"
    for source, target in zip(first, used):
        shutil.copy(source, target)
    server = Server(f"{folder}/service", "--certificate", used[0], "--certificate-key", used[1],
                    "--client-authorities", f"{folder}/ca.pem")
    assert server.address.startswith("+127.0.0.1:"), server.address
    try:
        Link(server)
        raise AssertionError("a client without a certificate got in")
    except (ssl.SSLError, EOFError, OSError):
        pass

    def shown():
        return Link(server, member).tls.getpeercert(binary_form=True)

    before = shown()
    stays = Link(server, member).register()
    shutil.copy(second[0], used[0])  # without its key yet
    until(lambda: "event=certificate_bad" in server.logged(), "the mismatch is told")
    assert shown() == before
    shutil.copy(second[1], used[1])
    until(lambda: shown() != before, "the new certificate is used")
    assert "event=certificate_loaded" in server.logged()
    stays.say({"op": 7, "id": "p", "for": [], "datalen": 1}, b"x")
    assert stays.hear()["op"] == "ack"
    assert server.stop() == 0
    wrong = run("--dir", f"{folder}/service", "--name", "x", "--certificate", first[0], "--certificate-key", second[1], code=1)
    assert "hold no TLS certificate with its key" in wrong.stderr


def the_end(folder):
    """SIGTERM: every link is told, what is queued is in the database, the log says what happened and no more."""
    server = Server(f"{folder}/service", name="Secret Name")
    alice, bob, fresh = Link(server).register("Alice Adams"), Link(server).register("Bobby Brown"), Link(server)
    alice.say({"op": 7, "id": "p", "for": [{"id": bob.uid, "type": 1}], "datalen": 12}, b"a secret text")
    assert alice.hear()["op"] == "ack"
    assert bob.hear()["op"] == "delivery"
    server.process.terminate()
    for link in (alice, bob, fresh):
        assert link.hear() == {"op": "quit", "error": "service stopping", "data": b""}
        assert link.ended()
    assert server.process.wait(patience) == 0
    log = f"{folder}/service/tmtpd.db-wal"
    assert not os.path.exists(log) or os.path.getsize(log) == 0
    log = server.logged()
    events = [dict(word.split("=", 1) for word in line.split() if "=" in word)["event"] for line in log.splitlines()]
    for event in ("serving", "link_open", "register", "stopping", "link_closed", "stopped"):
        assert event in events, (event, log)
    assert all(line.startswith("time=") for line in log.splitlines())
    for word in ("Alice", "Bobby", "secret", alice.nodeid, bob.nodeid):
        assert word not in log, word

    server = Server(f"{folder}/service")
    back = Link(server)
    assert back.login(bob)["op"] == "info"
    assert back.hear()["data"] == b"a secret tex"
    assert server.stop(signal.SIGINT) == 0


def abuse(folder):
    """Who does not read, does not log in or does not finish is cut off; memory stays small; others go on."""
    server = Server(f"{folder}/service")
    alice = Link(server).register("Alice Adams")

    def memory_mb():
        with open(f"/proc/{server.process.pid}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:")) / 1024

    # A hundred of one address may be in their handshake.
    silent = [socket.create_connection((server.host, server.port), patience) for _ in range(101)]
    silent[-1].settimeout(patience)
    assert silent[-1].recv(1) == b""
    alice.say({"op": 7, "id": "p", "for": [], "datalen": 1}, b"x")
    assert alice.hear()["op"] == "ack"
    for one in silent:
        one.settimeout(patience)
        assert one.recv(1) == b""  # the handshake's 10 s
    assert Link(server, greet=False).ended()  # the login's 5 s

    deaf = [Link(server).register() for _ in range(5)]
    question = json.dumps({"op": 3, "id": "q" * 256, "newalias": "short"}).encode()
    asked = (b"%04x" % len(question) + question) * 500
    for link in deaf:
        link.tls.settimeout(patience)
        end = time.monotonic() + patience
        try:
            while time.monotonic() < end:
                link.tls.sendall(asked)
            raise AssertionError("a client that does not read was not dropped")
        except TimeoutError:
            raise AssertionError("a client that does not read holds its link")
        except OSError:
            pass
    uploads = [Link(server).register() for _ in range(10)]
    for link in uploads:
        link.say({"op": 7, "id": "p", "for": [{"id": alice.uid, "type": 1}], "datalen": 500_000_000}, bytes(3_000_000))
    alice.say({"op": 7, "id": "p", "for": [], "datalen": 1}, b"x")
    assert alice.hear()["op"] == "ack"
    assert memory_mb() < 60, memory_mb()
    assert server.stop() == 0


def takeover(folder):
    """A node whose link died takes over; one whose link is alive, even if its program sleeps, does not."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "addr", "add", "10.99.0.1/32", "dev", "lo"], check=True)
    server = Server(f"{folder}/service")
    alice = Link(server, source="10.99.0.1").register()
    twin = Link(server)
    began = time.monotonic()
    assert twin.login(alice) == {"op": "quit", "error": "node already connected", "data": b""}
    assert time.monotonic() - began < 4
    alice.say({"op": 7, "id": "p", "for": [], "datalen": 1}, b"x")
    assert alice.hear()["op"] == "ack"

    for busy in (False, True):
        if busy:  # bytes that were sent and nobody has acknowledged
            bob = Link(server).register()
            bob.say({"op": 7, "id": "p", "for": [{"id": alice.uid, "type": 1}], "datalen": 3}, b"abc")
            assert bob.hear()["op"] == "ack"
        subprocess.run(["ip", "addr", "del", "10.99.0.1/32", "dev", "lo"], check=True)
        if busy:
            bob.say({"op": 7, "id": "p", "for": [{"id": alice.uid, "type": 1}], "datalen": 3}, b"def")
            assert bob.hear()["op"] == "ack"
        again = Link(server)
        began = time.monotonic()
        assert again.login(alice)["op"] == "info"
        assert time.monotonic() - began < 15
        assert "event=takeover" in server.logged()
        subprocess.run(["ip", "addr", "add", "10.99.0.1/32", "dev", "lo"], check=True)
        again.tls.close()
        time.sleep(0.2)
        alice = Link(server, source="10.99.0.1")
        alice.login(again)
    assert server.stop() == 0


def main():
    tests = [settings, commands, certificates, the_end, abuse, takeover]
    wanted = sys.argv[2:]
    for test in tests:
        if wanted and test.__name__ not in wanted:
            continue
        if test is takeover and os.environ.get("KITH_OWN_NETWORK") != "1":
            # A network of its own, in which an address can vanish.
            for flags in ("-n", "-Urn"):
                if subprocess.run(["unshare", flags, "true"], capture_output=True).returncode == 0:
                    subprocess.run(["unshare", flags, sys.executable, "-B", __file__, build, "takeover"], check=True,
                                   env={**os.environ, "KITH_OWN_NETWORK": "1"})
                    break
            else:
                print("takeover: left out, this system lets nobody make network namespaces (unshare)")
            continue
        folder = tempfile.mkdtemp(prefix="kith-operate-")
        try:
            test(folder)
            print(f"{test.__name__}: ok", flush=True)
        finally:
            for server in Server.running:
                if server.process.poll() is None:
                    server.process.kill()
                    server.process.wait()
            shutil.rmtree(folder, ignore_errors=True)


main()
