"""Two devices that were apart: they become equal, by themselves and when they are told to; and what `kith sync` says."""

import json
import random
import socket
import time

import mails
from people import onboard, run_tests, same_digest, wait_until


def two_devices(world, path=None):
    old, new = world.device("old"), world.device("new")
    old.run("init", "--name", "old")
    if path:
        old.run("history", "import", path)
    onboard(old, new, "new")
    return old, new


def take_in(world, device, seed, attachment=1 << 20):
    """A few mails that the other device does not have; how many."""
    rng = random.Random(seed)
    box = [mails.dated(rng, seed * 1000 + number, f"20{number:02}-05-05", attachment * (number == 5)) for number in range(1, 20)]
    box += [mails.plain(random.Random("known to both"), 7)]
    return device.run("history", "import", world.file(f"box {seed}", mails.box(box)))["imported"]


def synced(device, *words):
    """A `kith sync` that ends well with the one other device."""
    result = device.run("sync", *words)
    assert [peer["state"] for peer in result["peers"]] == ["up to date"], result
    return result["peers"][0]["name"]


def connected(device):
    device.until("status", like=lambda status: [peer["state"] for peer in status["peers"]] == ["connected"])


def apart_and_told_to(world):
    old, new = two_devices(world)
    assert synced(old) == "new" and synced(new) == "old"
    for seed, away, here in ((1, new, old), (2, old, new)):
        away.stop()
        assert take_in(world, here, seed) >= 19
        away.run("status")
        # The one that lacks something, which may have to find the other one first.
        synced(away, "--wait", "30")
        assert away.run("history", "digest") == here.run("history", "digest")
        assert away.all_records() == here.all_records()
    world.say("each has something that the other one lacks, and either may be asked")
    for seed, asked in ((3, old), (5, new)):
        new.stop()
        take_in(world, old, seed)
        old.stop()
        new.run("status")
        take_in(world, new, seed + 1)
        old.run("status")
        connected(asked)
        # Up to date is said of what comes here; the other one's part is its own.
        synced(asked, "--wait", "30")
        other = new if asked is old else old
        for record in other.all_records():
            assert asked.content(record["id"]) == other.content(record["id"])
        synced(other, "--wait", "30")
        assert old.run("history", "digest") == new.run("history", "digest")
        assert old.run("history", "stats")["blobs_missing"] == new.run("history", "stats")["blobs_missing"] == 0


def apart_and_left_alone(world):
    old, new = two_devices(world)
    for seed, away, here in ((1, new, old), (2, old, new)):
        away.kill()
        take_in(world, here, seed)
        away.run("status")
        same_digest(old, new)
        assert away.all_records() == here.all_records()
    world.say("both took something in while they were apart")
    new.kill()
    take_in(world, old, 3)
    old.kill()
    new.run("status")
    take_in(world, new, 4)
    old.run("status")
    same_digest(old, new)
    world.say("and while they are together, both at once")
    importing = [device.begin("history", "import", mails.write(world.path(f"many {number}"), 300, [1 << 20], seed=number).path)
                 for number, device in enumerate((old, new))]
    for one in importing:
        assert one.process.wait(60) == 0
    count = old.run("history", "stats")["records"]
    same_digest(old, new)
    assert len(old.all_records()) >= 600 and count <= new.run("history", "stats")["records"]
    assert [old.content(record["id"]) for record in old.all_records()[:20]] == [new.content(record["id"]) for record in new.all_records()[:20]]


def nobody_in_reach(world):
    alone = world.device("alone")
    alone.fails(5, "sync")
    alone.run("init")
    error = alone.fails(5, "sync")
    assert error["message"] and "device add" in error["hint"], error
    old, new = two_devices(world)
    new.stop()
    old.until("status", like=lambda status: status["peers"][0]["state"] == "out of reach")
    for wait in (0, 1, 3):
        began = time.monotonic()
        error = old.fails(7, "sync", "--wait", str(wait))
        took = time.monotonic() - began
        assert wait <= took, f"it was to wait {wait} s and gave up after {took:.1f} s"
        assert error["message"] and error["hint"], error
    for wait in ("x", "-1", "86401"):
        old.fails(2, "sync", "--wait", wait)
    world.say("one that comes while it waits is waited for")
    syncing = old.begin("sync", "--wait", "60")
    take_in(world, old, 3)
    new.run("status")
    assert syncing.process.wait(60) == 0
    world.say("of two others one is away: the other one is brought up to date, and it is said")
    third = world.device("third")
    onboard(old, third, "third")
    new.until("device", "list", like=lambda items: len(items) == 3)
    new.stop()
    old.until("status", like=lambda status: "out of reach" in [peer["state"] for peer in status["peers"]])
    result = old.run("sync", "--wait", "1")
    assert {peer["name"]: peer["state"] for peer in result["peers"]} == {"new": "out of reach", "third": "up to date"}, result


def sync_events(device):
    """All that is said during a sync, by the daemon's socket."""
    with socket.socket(socket.AF_UNIX) as line:
        line.settimeout(120)
        line.connect(f"{device.home}/kithd.sock")
        line.sendall(json.dumps({"v": 1, "method": "sync", "args": {"wait": 60}}).encode() + b"\n")
        return [json.loads(text) for text in line.makefile("rb")]


def progress_is_told(world):
    old, new = two_devices(world)
    new.stop()
    large = mails.write_large(world.path("large"), 60, 5 << 20)
    old.run("history", "import", large)
    new.run("status")
    said = sync_events(new)
    events, result = said[:-1], said[-1]["result"]
    assert result["peers"] == [{"name": "old", "state": "up to date"}], result
    assert len(events) >= 3, f"{len(events)} events: the transfer was too fast to be followed"
    for event in events:
        assert event["event"] == "progress" and event["doing"] in ("messages", "attachments"), event
        assert event["bytes"] <= event["bytes_total"] and event["records"] <= event["records_total"], event
    numbers = [event["bytes"] for event in events]
    assert numbers == sorted(numbers) and numbers[0] < numbers[-1], "progress goes back, or stands still"
    assert max(event["bytes_total"] for event in events) > 60 * (5 << 20) * 0.9, events[-1]
    assert "attachments" in [event["doing"] for event in events]
    world.say(f"{len(events)} events; nothing is left to tell when there is nothing to do")
    said = sync_events(new)
    assert len(said) == 1 and said[0]["result"], said
    assert old.run("history", "digest") == new.run("history", "digest")


def a_hundred_of_many(world):
    rng = random.Random(9)
    box = b"".join(mails.box([mails.dated(rng, number, f"20{number % 20:02}-0{1 + number % 9}-15T{number % 24:02}:{number % 60:02}")])
                   for number in range(20_000))
    old, new = two_devices(world, world.file("box", box))
    world.say("20,000 are on both")
    new.stop()
    more = [mails.dated(rng, 50_000 + number, f"20{number % 20:02}-07-15T11:{number % 60:02}") for number in range(100)]
    assert old.run("history", "import", world.file("more", mails.box(more)))["imported"] == 100
    new.run("status")
    began = time.monotonic()
    synced(new, "--wait", "30")
    took = time.monotonic() - began
    assert new.run("history", "digest") == old.run("history", "digest")
    world.say(f"100 more were there {took:.2f} s after the device was switched on")
    # And without a word, while both are there.
    more = [mails.dated(rng, 60_000 + number, f"20{number % 20:02}-08-15T11:{number % 60:02}") for number in range(100)]
    old.run("history", "import", world.file("again", mails.box(more)))
    began = time.monotonic()
    wait_until(lambda: new.call("history.stats")["records"] == 20_200, "another 100")
    world.say(f"another 100 {time.monotonic() - began:.2f} s after their import")
    assert new.all_records() == old.all_records()
    same_digest(old, new)


run_tests(apart_and_told_to, apart_and_left_alone, nobody_in_reach, progress_is_told, a_hundred_of_many)
