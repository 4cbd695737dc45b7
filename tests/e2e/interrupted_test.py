"""kill -9 and sleep at any point: what was begun goes on by itself, and ends with the same history on both devices."""

import os
import random
import signal
import time

import mails
from people import fingerprint, pair, run_tests, same_digest, wait_until

# Large enough that a kill is in the middle of it.
LARGE = [6 << 20] * 40


def old_with_history(world):
    old, new = world.device("old"), world.device("new")
    old.run("init", "--name", "laptop")
    folder = mails.write(world.path("mails"), 500, LARGE)
    assert old.run("history", "import", folder.path)["imported"] == len(folder.mails)
    return old, new, folder


def in_the_middle(joining, least=0.15, most=0.8):
    """Waits until that part of the bytes has arrived."""
    event = joining.wait_for("progress", like=lambda event: event["bytes"] > least * event["bytes_total"])
    assert event["bytes"] < most * event["bytes_total"], f"the transfer was too fast to be interrupted: {event}"


def missing(device):
    return device.run("history", "stats")["bytes_missing"]


def is_whole(device, folder):
    assert fingerprint(device.content(record["id"]) for record in device.all_records()) == fingerprint(folder.contents())


def the_new_device_is_killed(world):
    old, new, folder = old_with_history(world)
    adding, joining = pair(old, new)
    in_the_middle(joining)
    new.kill()
    joining.fails(14)
    adding.wait_for("waiting")
    world.say("the new device's daemon is gone in mid-transfer; any command starts it again")
    new.run("status")
    assert 0 < missing(new), "nothing was left to do"
    done = adding.wait_for("done")
    assert adding.finish() == 0
    assert same_digest(old, new)["digest"] == done["digest"]
    is_whole(new, folder)
    assert "transfer" not in new.run("status")


def the_old_device_is_killed(world):
    old, new, folder = old_with_history(world)
    adding, joining = pair(old, new)
    in_the_middle(joining)
    old.kill()
    adding.fails(14)
    world.say("the old device's daemon is gone in mid-transfer")
    assert 0 < missing(new), "nothing was left to do"
    joining.wait_for("waiting")
    old.run("device", "list")
    done = joining.wait_for("done")
    assert joining.finish() == 0
    assert same_digest(old, new)["digest"] == done["digest"]
    is_whole(new, folder)


def sleeps_in_mid_transfer(world, sleeper):
    """Stopped as a suspended machine is: its connections stand, and nothing answers."""
    old, new, folder = old_with_history(world)
    adding, joining = pair(old, new)
    in_the_middle(joining)
    asleep, watching = (new, adding) if sleeper == "new" else (old, joining)
    pid = asleep.daemon_pid()
    os.kill(pid, signal.SIGSTOP)
    told = watching.wait_for("waiting", timeout=30)
    world.say(f"the {sleeper} device sleeps; the other one says: {told['for']}")
    os.kill(pid, signal.SIGCONT)
    for events in (joining, adding):
        done = events.wait_for("done")
        assert events.finish() == 0
    assert same_digest(old, new)["digest"] == done["digest"]
    is_whole(new, folder)


def the_new_device_sleeps(world):
    sleeps_in_mid_transfer(world, "new")


def the_old_device_sleeps(world):
    sleeps_in_mid_transfer(world, "old")


def both_are_killed_again_and_again(world):
    old, new, folder = old_with_history(world)
    adding, joining = pair(old, new)
    in_the_middle(joining, 0.05)
    kills = 0
    for devices in ((old, new), (new,), (old,), (new, old), (old, new), (new,), (old,)):
        for device in devices:
            device.kill()
        for device in devices:
            device.run("status")
        left = new.call("history.stats")["bytes_missing"]
        if left == 0:
            break
        kills += 1
        wait_until(lambda: new.call("history.stats")["bytes_missing"] < left, "more of the history", timeout=60)
    world.say(f"killed {kills} times in mid-transfer")
    assert kills >= 2, "the transfer was too fast to be interrupted"
    new.until("history", "stats", like=lambda stats: stats["blobs_missing"] == 0)
    for device in (old, new):
        device.until("status", like=lambda status: "transfer" not in status)
    same_digest(old, new)
    is_whole(new, folder)


def killed_right_after_the_approval(world):
    for victim in ("old", "new"):
        old, new = world.device(f"old {victim}"), world.device(f"new {victim}")
        old.run("init")
        folder = mails.write(world.path(f"mails {victim}"), 100)
        old.run("history", "import", folder.path)
        adding, joining = pair(old, new)
        (old if victim == "old" else new).kill()
        for device in (old, new):
            device.run("status")
        world.say(f"the {victim} one is killed at the moment of its approval")
        # Until it knows whether it was let in, the new device has nothing to show.
        new.until("status", like=lambda status: status["state"] == "open")
        new.until("history", "stats", like=lambda stats: stats["records"] == len(folder.mails))
        for device in (old, new):
            device.until("status", like=lambda status: "transfer" not in status)
        same_digest(old, new)
        is_whole(new, folder)


def an_import_is_killed_and_repeated(world):
    device = world.device("device")
    device.run("init")
    folder = mails.write(world.path("mails"), 3000, [4 << 20] * 10)
    importing = device.begin("history", "import", folder.path)
    wait_until(lambda: device.run("history", "stats")["records"] > 200, "the import's first mails")
    device.kill()
    assert importing.process.wait(20) == 14
    stats = device.run("history", "stats")
    world.say(f"killed with {stats['records']} of {len(folder.mails)} mails taken in")
    assert 200 < stats["records"] < len(folder.mails)
    assert stats["blobs_missing"] == 0, "a record was announced before its attachment was kept"
    digest = device.run("history", "digest")
    device.kill()
    assert device.run("history", "digest") == digest
    counts = device.run("history", "import", folder.path)
    assert counts["imported"] + counts["known"] == len(folder.mails) and counts["known"] >= stats["records"], counts
    is_whole(device, folder)


def killed_at_random_moments(world):
    """KITH_KILLS says how often (5), KITH_SEED repeats a run's choices."""
    kills = int(os.environ.get("KITH_KILLS", 5))
    seed = int(os.environ.get("KITH_SEED") or random.SystemRandom().randrange(1 << 32))
    world.say(f"{kills} kills, KITH_SEED={seed}")
    rng = random.Random(seed)
    old, new = world.device("old"), world.device("new")
    old.run("init", "--name", "laptop")
    folder = mails.write(world.path("mails"), 300, [200_000] * 5, seed=seed)
    old.run("history", "import", folder.path)
    size, count = 5 << 20, 40 + 4 * kills
    old.run("history", "import", mails.write_large(world.path("large"), count, size, seed=seed))
    digest, total = old.run("history", "digest"), count * size

    def left():
        stats = new.call("history.stats")
        return stats["bytes_missing"] if stats["records"] == digest["records"] else total

    adding, joining = pair(old, new)
    in_transfer, began = 0, time.monotonic()
    for number in range(kills):
        victims = rng.choice(((old,), (new,), (old, new), (new, old)))
        # Each in a part of the transfer of its own: as much is still to be missing, about, and then a little later.
        missing = total * (1 - 0.8 * (number + rng.random()) / kills)
        pause = rng.uniform(0, 0.03)
        # A device that has not heard yet whether it was let in has no history to look at.
        new.until("status", like=lambda status: status["state"] == "open")
        wait_until(lambda: left() <= missing, f"no more than {missing / total:.0%} to be missing")
        time.sleep(pause)
        in_transfer += "transfer" in new.call("status")
        for device in victims:
            device.kill()
        for device in victims:
            device.run("status")
    world.say(f"{in_transfer} of {kills} kills while it ran, in {time.monotonic() - began:.1f} s")
    assert in_transfer > kills / 3, "the transfer was too fast to be interrupted"
    # A transfer ends on a device when it has the receipt, and in no other way.
    for device in (old, new):
        device.until("status", like=lambda status: "transfer" not in status and status["peers"][0]["state"] == "connected")
    assert old.run("history", "digest") == digest == new.run("history", "digest")
    stats = new.run("history", "stats")
    assert stats["blobs_missing"] == 0 and stats == old.run("history", "stats"), stats
    records = old.all_records()
    assert new.all_records() == records and len(records) == digest["records"] == count + len(folder.mails)
    large = [record["id"] for record in records if record["subject"].startswith("large ")]
    small = [record["id"] for record in records if record["id"] not in large]
    assert fingerprint(new.content(record) for record in small) == fingerprint(folder.contents())
    for record in rng.sample(large, 10):
        assert new.content(record) == old.content(record), record
    for device in (old, new):
        device.kill()
        status = device.run("status")
        assert "transfer" not in status and status["state"] == "open", status
    for events in (adding, joining):
        events.process.wait(20)


run_tests(the_new_device_is_killed, the_old_device_is_killed, the_new_device_sleeps, the_old_device_sleeps,
          both_are_killed_again_and_again, killed_right_after_the_approval, killed_at_random_moments,
          an_import_is_killed_and_repeated)
