"""What a thief gets who has a copy of a device's whole profile: without its passphrase and with it, before the owner bars
the device and after. And what is left in the daemon's memory once it is locked."""

import json
import os
import random
import re
import shutil
import subprocess
import time

import mails
from people import SANITIZED, Failed, onboard, run_tests, same_digest, wait_until
from thief_program import ThiefsProgram
from tmtp_client import TmtpClient

os.environ["KITH_DEBUGGABLE"] = "1"  # the tests read the daemon's memory

MAIL = "From: a@example.org\nTo: b@example.org\nSubject: {}\nDate: Thu, 22 Aug 2002 12:36:23 +0000\n\n{}\n"


def states(device):
    return {item["name"]: item["state"] for item in device.run("device", "list")}


def lines(device, *words):
    """The JSON lines that a command prints."""
    done = subprocess.run(device.words(*words), capture_output=True, text=True, timeout=60, input="")
    if done.returncode != 0:
        raise Failed(words, done.returncode, done.stdout, done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def revoke(device, name, *words):
    return lines(device, "device", "revoke", name, *words)


def rename(device, name, other, *words):
    return lines(device, "device", "rename", name, other, *words)


def copied(world, device, name):
    """The whole profile as it is on the disk now."""
    device.stop()
    copy = world.device(name)
    shutil.rmtree(copy.home, ignore_errors=True)
    shutil.copytree(device.home, copy.home, ignore=shutil.ignore_patterns("kithd.*"))
    return copy


def says(address, uid, nodeid, **more):
    """What the service answers to a login, and the link, for who goes on."""
    client = TmtpClient(address)
    client.send({"op": 2, "uid": uid, "node": nodeid, **more})
    while True:
        head, _ = client.read()
        if head["op"] in ("info", "quit"):
            return head.get("info", head.get("error")), client


def own_nodeid(device, address, uid):
    """The secret by which a device logs in, out of its memory; the device is stopped."""
    candidates = {match.group().decode() for _, content in memory_of(device.daemon_pid()) for match in NODEID.finditer(content)}
    device.stop()
    for nodeid in candidates:
        answer, client = says(address, uid, nodeid)
        client.close()
        if answer == "login ok":
            return nodeid
    raise AssertionError(f"none of {len(candidates)} secrets logs in")


def a_copy_of_a_device(world):
    copy_of_a_device(world, control=True)


def a_copy_at_a_service_without_node_control(world):
    copy_of_a_device(world, control=False)


def copy_of_a_device(world, control):
    passphrase = world.file("passphrase", "wisteria nightjar\n")
    words = ("--passphrase-file", passphrase)
    one, lost, evil, friend = (world.device(name) for name in ("one", "lost", "evil", "friend"))
    sheet = world.file("sheet", one.run("init", "--name", "one", *words)["recovery"] + "\n")
    service = world.service(flags=() if control else ("--node-control", "no"))
    uid = one.run("service", "add", service.address, "--alias", "the-owner")["uid"]
    friend.run("init")
    friend.run("service", "add", service.address, "--alias", "a-good-friend")
    one.run("history", "import", world.file("old.eml", MAIL.format("an old mail", "x")))
    onboard(one, lost, "lost", add_words=words, join_words=words)
    same_digest(one, lost)
    lost.until("service", "list", like=lambda items: [item["state"] for item in items] == ["online"])
    assert [item["control"] for item in one.run("service", "list")] == [control]
    copy = copied(world, lost, "copy")

    world.say("without the passphrase: nothing")
    assert copy.run("status")["state"] == "locked"
    for command in (("history", "list"), ("device", "list"), ("device", "log"), ("sync",), ("device", "rename", "one", "x"),
                    ("device", "revoke", "one"), ("device", "contest"), ("history", "digest"),
                    ("device", "recover", "--sheet-file", sheet)):
        copy.fails(6, *command)
    copy.begin("device", "add").fails(6)
    with open(f"{copy.home}/keys.json") as keys:
        assert "kdf" in json.load(keys)

    world.say("with it, before the bar: everything that the device can do")
    copy.run("unlock", *words)
    assert copy.count("an old mail") == 1
    one.run("history", "import", world.file("before.eml", MAIL.format("before the bar", "x")))
    same_digest(one, copy)
    for command in (("device", "rename", "one", "x"), ("device", "revoke", "one")):
        copy.fails(6, *command)  # each act asks for it again
    onboard(copy, evil, "evil", add_words=words)
    one.until("device", "list", like=lambda items: {item["name"] for item in items} == {"one", "lost", "evil"})
    before = copied(world, copy, "before")
    copy.run("unlock", *words)
    copy.until("service", "list", like=lambda items: [item["state"] for item in items] == ["online"])
    secret = own_nodeid(copy, service.address, uid)
    copy.run("unlock", *words)
    copy.until("service", "list", like=lambda items: [item["state"] for item in items] == ["online"])
    evil.until("service", "list", like=lambda items: [item["state"] for item in items] == ["online"])

    world.say("the owner bars the device, and the one that is not his")
    effects = revoke(one, "lost", *words)
    expected = "dropped" if control else "still let in"
    assert [effect["outcome"] for effect in effects if "service" in effect] == [expected], effects
    effects = revoke(one, "evil", *words)
    assert [effect["outcome"] for effect in effects if "service" in effect] == [expected], effects
    copy.until("status", like=lambda status: status.get("standing") == "barred")
    assert states(one) == {"one": "active", "lost": "barred", "evil": "barred"}
    one.run("history", "import", world.file("after.eml", MAIL.format("after the bar", "x")))
    for device in (copy, evil):
        device.begin("device", "add", *(words if device is copy else ())).fails(15)
        device.fails(15, "device", "rename", "one", "mine", *(words if device is copy else ()))
        device.fails(15, "device", "revoke", "one", *(words if device is copy else ()))
        device.fails(15, "device", "lift", "lost" if device is evil else "evil", *(words if device is copy else ()))
    assert copy.count("after the bar") == evil.count("after the bar") == 0

    world.say("an older state of the copy changes nothing, and hears of the bar at once")
    copy.stop()
    replayed = world.device("replayed")
    shutil.copytree(before.home, replayed.home, dirs_exist_ok=True)
    replayed.run("unlock", *words)
    replayed.until("status", like=lambda status: status.get("standing") == "barred")
    assert states(one) == {"one": "active", "lost": "barred", "evil": "barred"}
    assert replayed.count("after the bar") == 0

    friend.run("message", "send", "--to", uid, "--subject", "to all nodes", "--body", "x")
    wait_until(lambda: one.count("to all nodes") == 1, "the message")
    for device in (copy, replayed):
        device.stop()
    if control:
        the_service_keeps_him_out(world, service, uid, secret)
        replayed.run("unlock", *words)
        [kept_out] = replayed.until("service", "list", like=lambda items: items[0]["state"] == "barred")
        assert "keeps this one out" in kept_out["why"], kept_out
        assert replayed.count("to all nodes") == evil.count("to all nodes") == 0
    else:
        world.say("what was announced still works, and nothing else: the service lets the node in")
        replayed.run("unlock", *words)
        wait_until(lambda: replayed.count("to all nodes") == 1, "the message that the service still hands out")
        replayed.stop()
        thief = TmtpClient(service.address)
        thief.login(uid, secret)
        thief.send({"op": 3, "id": "x", "newnode": "his own"})
        his = thief.until("user")
        assert says(service.address, uid, his["nodeid"])[0] == "login ok"
        replayed.run("unlock", *words)

    world.say("the most that he can force is a walk to the sheet")
    replayed.run("device", "contest", *words)
    one.until("status", like=lambda status: status.get("standing") == "suspended")
    one.begin("device", "add", *words).fails(15)
    one.run("device", "recover", "--revoke", "lost", "--revoke", "evil", "--sheet-file", sheet)
    assert states(one) == {"one": "active", "lost": "barred", "evil": "barred"}
    replayed.fails(15, "device", "contest", *words)
    time.sleep(4)
    assert states(one) == {"one": "active", "lost": "barred", "evil": "barred"}
    fresh = world.device("fresh")
    onboard(one, fresh, "fresh", add_words=words)
    same_digest(one, fresh)
    fresh.until("service", "list", like=lambda items: [item["state"] for item in items] == ["online"])
    replayed.stop()
    if control:
        world.say("by the sheet's word it is gone for good")
        assert says(service.address, uid, secret, control=1)[0] == "login failed"
    else:
        world.say("and so was that: he hears the secret of each later node")
        fresh.stop()
        heard = TmtpClient(service.address)
        heard.login(uid, his["nodeid"])
        nodeid = heard.until("user")["nodeid"]
        while says(service.address, uid, nodeid)[0] != "login ok" or nodeid == his["nodeid"]:
            nodeid = heard.until("user")["nodeid"]


def the_service_keeps_him_out(world, service, uid, secret):
    """With a program of his own, and the secret of the node that was barred."""
    world.say("the service does not log him in, makes and drops no node for him, and hands nothing out")
    assert says(service.address, uid, secret)[0] == "node held"
    for head, data in (({"op": 3, "id": "x", "newnode": "another"}, b""), ({"op": 7, "id": "x", "for": [{"id": uid, "type": 1}]}, b"x"),
                       ({"op": 3, "id": "x", "newalias": "the-thief-himself"}, b"")):
        answer, client = says(service.address, uid, secret, control=1)
        assert answer == "node held", answer
        client.send(head, data)
        last, _ = client.read()
        assert last["op"] == "quit" and last["error"] == "node held", last
    _, client = says(service.address, uid, secret, control=1)
    client.send({"op": 13, "id": "a", "act": "show"})
    shown, log = client.read()
    assert shown["op"] == "roster" and shown["state"] == "bound" and log, shown
    world.say("an old roster, a part of it, or one of his own changes nothing")
    size = int.from_bytes(log[:4], "big") + 68
    for entries, refused in ((log, False), (log[:size], False), (log[:-64] + bytes(64), False), (b"\0" * 100, True)):
        client.send({"op": 13, "id": "b", "act": "add"}, entries)
        answer, after = client.read()
        assert ("error" in answer) == refused and after == log, answer
    client.send({"op": 13, "id": "c", "act": "bind"}, log)
    assert "error" in client.read()[0]
    client.send({"op": 13, "id": "d", "act": "object"})
    assert "error" in client.read()[0]
    client.close()


def his_nodes_fall_and_no_others(world):
    one, two, lost, fresh = (world.device(name) for name in ("one", "two", "lost", "fresh"))
    one.run("init", "--name", "one")
    service = world.service()
    uid = one.run("service", "add", service.address, "--alias", "the-owner")["uid"]
    onboard(one, two, "two")
    onboard(one, lost, "lost")
    two.until("service", "list", like=lambda items: [item["state"] for item in items] == ["online"])
    for device in (one, two):
        device.stop()
    onboard(lost, fresh, "fresh")
    honest = (one, two, fresh)

    def online(devices):
        for device in devices:
            device.until("service", "list", like=lambda items: [item["state"] for item in items] == ["online"])
    online((*honest, lost))
    for device in honest:
        device.until("status", like=lambda status: [peer["state"] for peer in status["peers"]] == ["connected"] * 3)
    with open(f"{lost.home}/keys.json") as keys:
        act = bytes.fromhex(json.load(keys)["act"])
    secret = own_nodeid(lost, service.address, uid)
    thief = ThiefsProgram(service.address, uid, secret, act)
    [ones] = thief.added_by(None)
    [twos] = [node for node in thief.added_by(ones) if node != thief.node]
    assert len(thief.added_by(thief.node)) == 1  # that of the fresh one

    world.say("a node under the mark of a device that has claimed another key is barred by whoever sees it")
    two.stop()
    first, second = ("".join(random.choices(ALPHABET, k=40)) for _ in range(2))
    thief.add(first, thief.mark_of(twos))
    wait_until(lambda: says(service.address, uid, first)[0] == "node held", "the bar of the node under another's mark")
    world.say("one under no device's mark may be that of a device which nobody has heard of yet")
    thief.add(second, os.urandom(16).hex())
    time.sleep(1)
    assert says(service.address, uid, second)[0] == "login ok"
    two.run("status")
    online(honest)
    world.say("when the device is barred the nodes that it made fall, and what it added for another device does not")
    [effect] = [effect for effect in revoke(one, "lost") if "service" in effect]
    assert effect["outcome"] == "dropped", effect
    for nodeid in (secret, first, second):
        wait_until(lambda: says(service.address, uid, nodeid)[0] == "node held", "the bar of each of his nodes")
    online(honest)
    for device in honest:
        device.kill()
    online(honest)
    one.run("message", "send", "--to", uid, "--subject", "to those that remain", "--body", "x")
    for device in honest:
        wait_until(lambda: device.count("to those that remain") == 1, "the message")


def a_copy_that_signs_is_noticed(world):
    one, two = world.device("one"), world.device("two")
    one.run("init", "--name", "one")
    onboard(one, two, "two")
    same_digest(one, two)
    copy = copied(world, two, "copy")
    one.stop()
    rename(two, "two", "the true one")
    two.stop()
    rename(copy, "two", "the copy")
    copy.stop()
    for device in (one, two):
        device.run("status")
    one.until("device", "list", like=lambda items: items[1]["name"] == "the true one")
    two.stop()
    copy.run("status")
    one.until("device", "list", like=lambda items: [item["state"] for item in items] == ["active", "suspended"], timeout=90)
    assert "cloned" in one.run("device", "list")[1]["why"]

    def notices():
        text = ""
        for device in (one, two, copy):
            with open(f"{device.home}/kithd.log") as log:
                text += log.read()
        return "uses a copy of it" in text
    wait_until(notices, "the notice", 90)


ALPHABET = "%+123456789BCDFGHJKLMNPQRSTVWXYZ"
# Whatever follows: the allocator's next word may look like one more letter.
NODEID = re.compile(rb"(?<![%+1-9B-DF-HJ-NP-TV-Z])[%+1-9B-DF-HJ-NP-TV-Z]{40}")


def memory_of(pid):
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            span, rights = line.split()[:2]
            begin, end = (int(part, 16) for part in span.split("-"))
            if not rights.startswith("r") or "[v" in line:
                continue
            if end - begin > 1 << 38:  # AddressSanitizer's own: terabytes of nothing
                continue
            for at in range(begin, end, 64 << 20):
                try:
                    memory.seek(at)
                    yield line.split()[-1], memory.read(min(end - at, 64 << 20))
                except (OSError, ValueError):
                    break


def found_in_memory(device, secrets):
    found = set()
    for where, content in memory_of(device.daemon_pid()):
        for name, secret in secrets.items():
            forms = [secret]
            if isinstance(secret, bytes):
                forms = [secret, secret.hex().encode()]
            for form in forms:
                if (form if isinstance(form, bytes) else form.encode()) in content:
                    found.add((name, where))
    return found


def nothing_is_left_in_memory_after_the_lock(world):
    one, two, friend = world.device("one"), world.device("two"), world.device("friend")
    sheet = one.run("init", "--name", "one")["recovery"]
    with open(f"{one.home}/keys.json") as file:
        keys = json.load(file)
    passphrase = "wisteria nightjar of the seven hills"
    words = ("--passphrase-file", world.file("passphrase", passphrase + "\n"))
    one.run("passphrase", "--new-passphrase-file", words[1])
    one.stop()
    one.run("unlock", *words)
    service = world.service()
    uid = one.run("service", "add", service.address, "--alias", "the-owner")["uid"]
    friend.run("init")
    friend.run("service", "add", service.address, "--alias", "a-good-friend")
    one.run("history", "import", mails.write(world.path("mails"), 200, [300_000], seed=3).path)
    secrets = {"database key": bytes.fromhex(keys["database"]), "act key": bytes.fromhex(keys["act"]),
               "passphrase": passphrase, "sheet": sheet, "subject": "Zanzibar expedition budget",
               "body": "the hyacinth macaw sleeps at noon", "received": "forty-two lacquered umbrellas"}
    one.run("history", "import", world.file("x.eml", MAIL.format(secrets["subject"], secrets["body"])))
    friend.run("message", "send", "--to", uid, "--subject", "umbrellas", "--body", secrets["received"])
    wait_until(lambda: one.count("umbrellas") == 1, "the message")
    onboard(one, two, "two", add_words=words)
    same_digest(one, two)
    assert one.run("history", "search", "macaw")["hits"]
    rename(one, "one", "desk", *words)
    # kithd overwrites what it frees, tmtpd does not: there more than the one in use may be found.
    nodeids = set()
    for candidate in {match.group() for pid in (service.process.pid, one.daemon_pid()) for _, content in memory_of(pid)
                      for match in NODEID.finditer(content)}:
        answer, client = says(service.address, uid, candidate.decode())
        client.close()
        if answer != "login failed":
            nodeids.add(candidate)
    assert nodeids, "no nodeid was found in memory to look for"
    for number, nodeid in enumerate(sorted(nodeids)):
        secrets[f"nodeid {number}"] = nodeid.decode()
    open_now = {name for name, _ in found_in_memory(one, secrets)}
    world.say(f"open: {sorted(open_now)}")
    assert "database key" in open_now, "the search itself does not work"
    one.run("lock")
    time.sleep(1)
    found = found_in_memory(one, secrets)
    # AddressSanitizer takes the place of the allocator that overwrites, and keeps what was freed.
    assert SANITIZED or not found, f"left in memory: {sorted(found)}"
    with open(f"/proc/{one.daemon_pid()}/limits") as limits:
        assert re.search(r"Max core file size\s+0\s+0", limits.read())
    one.run("unlock", *words)
    assert one.count("umbrellas") == 1

    world.say("it locks by itself when nobody asks for anything")
    one.fails(2, "lock", "--after", "soon")
    assert one.run("lock", "--after", "0.05")["seconds"] == 3
    wait_until(lambda: one.run("status")["state"] == "locked", "the lock", 30)
    one.run("unlock", *words)
    one.run("lock", "--after", "0")
    two.fails(5, "lock", "--after", "1")


run_tests(a_copy_of_a_device, a_copy_at_a_service_without_node_control, his_nodes_fall_and_no_others,
          a_copy_that_signs_is_noticed, nothing_is_left_in_memory_after_the_lock)
