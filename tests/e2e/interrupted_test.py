"""kill -9 at any point: what was begun goes on by itself, and ends with the same history on both devices."""

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
    world.say("the new device's daemon is gone in mid-transfer; any command starts it again")
    new.run("status")
    assert 0 < missing(new), "nothing was left to do"
    done = adding.wait_for("done")
    assert adding.finish() == 0 and "waiting" in adding.names()
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


run_tests(the_new_device_is_killed, the_old_device_is_killed, both_are_killed_again_and_again,
          killed_right_after_the_approval, an_import_is_killed_and_repeated)
