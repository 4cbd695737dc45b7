"""No space: told before the start, and met in the middle; nothing is lost, and it goes on when there is some.

Needs a file system of known size: a tmpfs in a mount namespace of our own, as root or as the root of a user
namespace. Where neither may be made, this fails, unless KITH_NO_MOUNT=1 says that it is known to be left out."""

import os
import subprocess
import sys

import mails
from people import pair, run_tests, same_digest, wait_until

if "KITH_IN_NAMESPACE" not in os.environ:
    os.environ["KITH_IN_NAMESPACE"] = "1"
    for words in (["unshare", "-m", "--propagation", "private"], ["unshare", "-Urm"]):
        if subprocess.run([*words, "true"], capture_output=True).returncode == 0:
            os.execvp(words[0], [*words, sys.executable, "-B", *sys.argv])
    if os.environ.get("KITH_NO_MOUNT") == "1":
        print("LEFT OUT: no mount namespace can be made (KITH_NO_MOUNT=1)")
        sys.exit(0)
    sys.exit("no mount namespace can be made; set KITH_NO_MOUNT=1 to leave these tests out")


def small_disk(world, name, megabytes):
    """A device whose home lies on a file system of this size."""
    folder = world.path(name)
    os.mkdir(folder)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "kith-test", folder], check=True)
    world.disks = getattr(world, "disks", []) + [folder]
    return world.device(f"{name}/home")


def fill(device, leave):
    """Leaves so many bytes on the device's disk."""
    path = os.path.dirname(device.home) + "/filler"
    free = os.statvfs(device.home).f_bavail * os.statvfs(device.home).f_frsize
    if free > leave:
        with open(path, "ab") as file:
            try:
                os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), free - leave)
            except OSError:
                pass
    return path


def on_a_disk(test):
    def run(world):
        try:
            test(world)
        finally:
            for device in world.devices:
                device.stop()
            for folder in getattr(world, "disks", []):
                subprocess.run(["umount", "-l", folder])
    run.__name__ = test.__name__
    return run


@on_a_disk
def an_import_that_does_not_fit_is_refused_before_it_starts(world):
    device = small_disk(world, "disk", 100)
    device.run("init")
    folder = mails.write(world.path("mails"), 20, [30 << 20] * 3)
    before = device.run("history", "digest")
    error = device.fails(9, "history", "import", folder.path)
    assert "space" in error["message"] and "free" in error["hint"], error
    assert device.run("history", "digest") == before and before["records"] == 0
    small = mails.write(world.path("small"), 20)
    assert device.run("history", "import", small.path)["imported"] == len(small.mails)


@on_a_disk
def an_import_meets_a_full_disk(world):
    device = small_disk(world, "disk", 300)
    device.run("init")
    folder = mails.write(world.path("mails"), 200, [2 << 20] * 90)
    importing = device.begin("history", "import", folder.path)
    wait_until(lambda: device.call("history.stats")["records"] > 20, "the first mails")
    filler = fill(device, 1 << 20)
    assert importing.process.wait(60) == 9, importing.process.stderr.read()
    kept = device.run("history", "stats")
    world.say(f"the disk is full with {kept['records']} of {len(folder.mails)} mails taken in")
    assert kept["records"] < len(folder.mails)
    for restart in (False, True):
        assert device.run("history", "stats")["records"] == kept["records"]
        assert len(device.run("history", "list", "--limit", "1000")) == kept["records"]
        assert device.run("history", "digest")["records"] == kept["records"]
        if not restart:
            device.kill()
    assert kept["blobs_missing"] == 0
    os.unlink(filler)
    counts = device.run("history", "import", folder.path)
    assert counts["imported"] + counts["known"] == len(folder.mails) and counts["known"] >= kept["records"], counts
    assert sorted(map(len, folder.contents())) == sorted(len(device.content(item["id"])) for item in device.all_records())


@on_a_disk
def a_transfer_that_does_not_fit_waits_for_space(world):
    old, new = world.device("old"), small_disk(world, "disk", 160)
    old.run("init")
    folder = mails.write(world.path("mails"), 200, [5 << 20] * 10)
    old.run("history", "import", folder.path)
    new.run("status")
    filler = fill(new, 100 << 20)
    adding, joining = pair(old, new)
    for events in (joining, adding):
        warning = events.wait_for("warning", timeout=30)
        assert "space" in warning["text"] and "free" in warning["text"], warning
    assert new.run("history", "stats")["records"] == 0
    assert new.run("status")["state"] == "open"
    world.say("it was told before anything was taken; now there is space")
    os.unlink(filler)
    done = joining.wait_for("done", timeout=60)
    adding.wait_for("done")
    assert same_digest(old, new)["digest"] == done["digest"]


@on_a_disk
def the_disk_of_the_new_device_fills_during_the_transfer(world):
    old, new = world.device("old"), small_disk(world, "disk", 400)
    old.run("init")
    folder = mails.write(world.path("mails"), 500, [5 << 20] * 25)
    old.run("history", "import", folder.path)
    adding, joining = pair(old, new)
    joining.wait_for("progress", like=lambda event: event["bytes"] > 0.1 * event["bytes_total"])
    filler = fill(new, 1 << 20)
    assert new.run("history", "stats")["bytes_missing"] > 0, "the transfer was too fast to be interrupted"
    for events in (joining, adding):
        warning = events.wait_for("warning", timeout=30)
        assert "free" in warning["text"] or "space" in warning["text"], warning
    world.say("the disk is full in mid-transfer; both are told; all that is there can be read")
    stats = new.run("history", "stats")
    assert len(new.all_records()) == stats["records"]
    new.kill()
    new.run("status")
    assert new.run("history", "stats")["records"] == stats["records"]
    os.unlink(filler)
    adding.wait_for("done", timeout=90)
    same_digest(old, new)


@on_a_disk
def init_and_join_on_a_full_disk_leave_nothing_half_done(world):
    old, new = world.device("old"), small_disk(world, "disk", 16)
    old.run("init")
    old.run("history", "import", world.file("one.eml", "From: a@b.c\nSubject: x\n\nhi\n"))
    new.run("status")
    filler = fill(new, 16384)
    error = new.fails(9, "init")
    assert error["hint"], error
    assert new.run("status")["state"] == "new"
    adding = old.begin("device", "add")
    text = adding.wait_for("offer")["text"]
    error = new.begin("device", "join", text).fails(9)
    assert error["hint"], error
    assert new.run("status")["state"] == "new" and not os.path.exists(f"{new.home}/keys.json")
    old.run("device", "cancel")
    adding.close()
    os.unlink(filler)
    assert new.run("init")["device"] == new.run("status")["device"]


@on_a_disk
def the_disk_is_full_when_a_stick_is_taken_in(world):
    old, new, stick = world.device("old"), small_disk(world, "disk", 400), world.path("stick")
    os.mkdir(stick)
    old.run("init", "--name", "old")
    old.run("history", "import", world.file("one.eml", "From: a@b.c\nSubject: x\n\nhi\n"))
    asked = new.run("device", "join", "--from", stick, "--name", "new")
    adding = old.begin("device", "add", "--to", stick)
    adding.wait_for("fingerprint_wanted")
    adding.say(asked["fingerprint"])
    adding.wait_for("done")
    digest = old.run("history", "digest")
    old.stop()
    filler = fill(new, 0)
    error = new.begin("device", "join", "--from", stick).fails(9)
    assert error["hint"] and new.run("status")["state"] == "new", error
    os.unlink(filler)
    assert new.begin("device", "join", "--from", stick).wait_for("done")["digest"] == digest["digest"]
    new.stop()
    assert {item["name"] for item in new.run("device", "list")} == {"old", "new"}, "what it is was not kept"
    assert new.run("history", "digest") == digest


run_tests(an_import_that_does_not_fit_is_refused_before_it_starts, an_import_meets_a_full_disk,
          a_transfer_that_does_not_fit_waits_for_space, the_disk_of_the_new_device_fills_during_the_transfer,
          init_and_join_on_a_full_disk_leave_nothing_half_done, the_disk_is_full_when_a_stick_is_taken_in)
