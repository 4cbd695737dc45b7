"""What strangers announce is bounded and harmless, and leads to no wrong connection."""

import hashlib
import os
import re
import time

from hosts import Net, enter_own_network
import mdns
from people import run_tests, wait_until


def a_person(net, name):
    device = net.device(name)
    device.run("init", "--name", name)
    return device


def memory_kib(device):
    with open(f"/proc/{device.daemon_pid()}/status") as file:
        return int(next(line for line in file if line.startswith("VmRSS")).split()[1])


def onboards(adding, joining):
    code = joining.wait_for("code")["code"]
    adding.wait_for("code_wanted")
    adding.say(code)
    joining.wait_for("done")
    adding.wait_for("done")


def a_flood_of_announcements(world):
    with Net(world) as net:
        old, new, stranger = a_person(net, "old"), net.device("new"), net.host("stranger")
        new.run("status")
        watching = new.begin("nearby", "--watch")
        watching.stays_silent(1)
        before = memory_kib(new)
        mdns.send_from(stranger, [
            mdns.announcement(mdns.random_name(), mdns.offer_strings(os.urandom(32), stranger.address, 1 + number % 60000), ttl=20)
            for number in range(3000)])
        listed = new.run("nearby")
        assert 10 < len(listed["nearby"]) <= 256, len(listed["nearby"])
        grown = memory_kib(new) - before
        world.say(f"3000 offers: {len(listed['nearby'])} are listed, the daemon grew by {grown} KiB")
        assert grown < 65536
        watching.close()
        error = new.fails(5, "device", "join", "--nearby")
        assert len(error["message"]) < 500, error
        world.say("the text does not need any of this")
        adding = old.begin("device", "add")
        onboards(adding, new.begin("device", "join", adding.wait_for("offer")["text"]))


def names_and_records_that_are_none(world):
    with Net(world) as net:
        old, new, stranger = a_person(net, "old"), net.device("new"), net.host("stranger")
        watching = new.begin("nearby", "--watch")
        watching.stays_silent(1)
        good = mdns.offer_strings(os.urandom(32), stranger.address, 4000)
        evil = [b"\x1b[2J\x1b[31mred", b"\0" * 16, b"x" * 63, b"\xff\xfe" * 8, b"a.b\\c d", b"", "ĳ".encode() * 8,
                b"..............\r\n"]
        packets = [mdns.announcement(name, good) for name in evil if name]
        packets += [mdns.announcement(mdns.random_name(), strings) for strings in (
            good + [b"x=" + b"y" * 250] * 6, good + [b"z"] * 100, good[:-1], good + [b"port=1"], [], [b"v=1"],
            [b"v=1", b"kind=offer", b"key=" + b"\x1b[2J" * 16, b"port=4000", b"at=0401020304"],
            [b"v=1", b"kind=device", b"tag=" + b"00" * 100, b"at=0401020304"])]
        # Cut off, and pointing at themselves.
        packets += [packets[0][:60], packets[0][:-7], b"\0\0\x84\0\0\0\0\x01\0\0\0\0\xc0\x0c\0\x10\0\x01\0\0\0\x0a\0\x00", b"\0" * 12]
        mdns.send_from(stranger, packets * 3, every=0.01)
        watching.stays_silent(1)
        assert new.run("nearby")["nearby"] == []
        world.say("addresses that are not beside us, and loopback, are not called")
        mdns.send_from(stranger, [mdns.announcement(mdns.random_name(), mdns.offer_strings(os.urandom(32), address, 4000))
                                  for address in ("192.0.2.1", "127.0.0.1", "224.0.0.1", "255.255.255.255")])
        seen = [watching.wait_for("seen") for _ in range(4)]
        assert all(event["endpoints"] == [] for event in seen), seen
        watching.close()
        adding = old.begin("device", "add")
        adding.wait_for("offer")
        onboards(adding, new.begin("device", "join", "--nearby"))


def an_impostor_with_the_same_name_or_words(world):
    with Net(world) as net:
        old, new, stranger = a_person(net, "old"), net.device("new"), net.host("stranger")
        capture = mdns.Capture(net.bridge)
        watching = new.begin("nearby", "--watch")
        adding = old.begin("device", "add")
        offer = adding.wait_for("offer")
        true = watching.wait_for("seen", like=lambda event: event["state"] == "reachable")
        instance = next(name[0] for _, data in capture.stop() for name, kind, *_ in mdns.Packet(data).records
                        if kind == mdns.TXT and name[1:] == mdns.SERVICE)
        world.say("somebody claims the name of the announcement, with a key of his own")
        fake = mdns.announcement(instance, mdns.offer_strings(os.urandom(32), stranger.address, 4000), ttl=120)
        mdns.send_from(stranger, [fake] * 5, every=0.2)
        watching.wait_for("seen", like=lambda event: event["name"] != true["name"])
        names = {item["name"] for item in new.run("nearby")["nearby"]}
        assert true["name"] in names and len(names) >= 2, names
        world.say("by its words the true one is found")
        joining = new.begin("device", "join", "--nearby", true["name"])
        assert joining.wait_for("code")["code"]
        joining.close()
        watching.close()
        new.run("device", "cancel") if new.run("status")["state"] == "joining" else None
        wait_until(lambda: new.run("status")["state"] == "new", "the end of joining")
        world.say("with the same words, neither is taken")
        wanted = key_with_words(true["name"])
        mdns.send_from(stranger, [mdns.announcement(mdns.random_name(), mdns.offer_strings(wanted, stranger.address, 4000), ttl=120)] * 3,
                       every=0.1)
        watching = new.begin("nearby", "--watch")
        watching.wait_for("seen", like=lambda event: event["name"] == true["name"])
        watching.wait_for("seen", like=lambda event: event["name"] == true["name"])
        error = new.fails(5, "device", "join", "--nearby", true["name"])
        assert "imitation" in error["message"], error
        watching.close()
        onboards(adding, new.begin("device", "join", offer["text"]))


def key_with_words(wanted):
    """A key that has these words: found by trying."""
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../src/nearby/words.cpp")
    with open(source) as file:
        lists = [re.findall(r'"([a-z]+)"', part) for part in re.findall(r"= \{(.*?)\};", file.read(), re.S)]
    begin = time.monotonic()
    while True:
        key = os.urandom(32)
        digest = hashlib.blake2b(b"kith.nearby.words\0" + key, digest_size=32).digest()
        if f"{lists[0][digest[0] % 64]} {lists[1][digest[1] % 64]}" == wanted:
            print(f"         an imitation of the words took {time.monotonic() - begin:.2f} s", flush=True)
            return key


enter_own_network()
run_tests(a_flood_of_announcements, names_and_records_that_are_none, an_impostor_with_the_same_name_or_words)
