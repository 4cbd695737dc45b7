"""What a thief gets who has a copy of a device's whole profile: without its passphrase and with it, before the owner bars
the device and after. And what is left in the daemon's memory once it is locked."""

import json
import os
import re
import shutil
import subprocess
import time

import mails
from people import Failed, onboard, run_tests, same_digest, wait_until

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


def a_copy_of_a_device(world):
    passphrase = world.file("passphrase", "wisteria nightjar\n")
    words = ("--passphrase-file", passphrase)
    one, lost, evil, friend = (world.device(name) for name in ("one", "lost", "evil", "friend"))
    sheet = world.file("sheet", one.run("init", "--name", "one", *words)["recovery"] + "\n")
    service = world.service()
    uid = one.run("service", "add", service.address, "--alias", "the-owner")["uid"]
    friend.run("init")
    friend.run("service", "add", service.address, "--alias", "a-good-friend")
    one.run("history", "import", world.file("old.eml", MAIL.format("an old mail", "x")))
    onboard(one, lost, "lost", add_words=words, join_words=words)
    same_digest(one, lost)
    lost.until("service", "list", like=lambda items: [item["state"] for item in items] == ["online"])
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

    world.say("the owner bars the device, and the one that is not his")
    effects = revoke(one, "lost", *words)
    assert [effect["outcome"] for effect in effects if "service" in effect] == ["still let in"], effects
    revoke(one, "evil", *words)
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

    world.say("what was announced still works, and nothing else: the service lets the node in")
    friend.run("message", "send", "--to", uid, "--subject", "to all nodes", "--body", "x")
    wait_until(lambda: replayed.count("to all nodes") == 1, "the message that the service still hands out")
    wait_until(lambda: one.count("to all nodes") == 1, "the message")

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


def memory_of(pid):
    with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb", 0) as memory:
        for line in maps:
            span, rights = line.split()[:2]
            begin, end = (int(part, 16) for part in span.split("-"))
            if not rights.startswith("r") or "[v" in line:
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
    shape = re.compile(rb"(?<![%+1-9B-DF-HJ-NP-TV-Z])[%+1-9B-DF-HJ-NP-TV-Z]{40}(?![%+1-9B-DF-HJ-NP-TV-Z])")
    # kithd overwrites what it frees, tmtpd does not: there the nodeids are found.
    nodeids = {match.group() for _, content in memory_of(service.process.pid) for match in shape.finditer(content)}
    assert nodeids, "no nodeid was found in memory to look for"
    for number, nodeid in enumerate(sorted(nodeids)):
        secrets[f"nodeid {number}"] = nodeid.decode()
    open_now = {name for name, _ in found_in_memory(one, secrets)}
    world.say(f"open: {sorted(open_now)}")
    assert "database key" in open_now, "the search itself does not work"
    one.run("lock")
    time.sleep(1)
    found = found_in_memory(one, secrets)
    assert not found, f"left in memory: {sorted(found)}"
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


run_tests(a_copy_of_a_device, a_copy_that_signs_is_noticed, nothing_is_left_in_memory_after_the_lock)
