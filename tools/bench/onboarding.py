"""A new device, and the catch-up afterwards, as two real devices do it."""

import json
import subprocess
import threading
import time

import machine
from people import Device, offered, same_digest, wait_until

LONG = 7200  # s: nothing is measured that takes longer


def onboard(old, new, counted=machine.loopback_bytes):
    """From the typed code, which is the owner's approval, until both say that they hold the same."""
    old.stop()
    old.run("status")  # a fresh daemon, so that its peak is of this
    adding, joining, code = offered(old, new)
    pids = {"sender": old.daemon_pid(), "receiver": new.daemon_pid()}
    cpu = {side: machine.cpu_seconds(pid) for side, pid in pids.items()}
    machine.settle()
    bytes_before = counted()
    result = {}
    began = time.monotonic()
    adding.say(code)
    first = threading.Thread(target=first_readable, args=(new, began, result), daemon=True)
    first.start()
    ends = joining.wait_for("done", timeout=LONG), adding.wait_for("done", timeout=LONG)
    result["seconds"] = time.monotonic() - began
    result["wire_bytes"] = counted() - bytes_before
    for side, pid in pids.items():
        result[f"{side}_cpu_s"] = machine.cpu_seconds(pid) - cpu[side]
        result[f"{side}_peak_mb"] = machine.peak_mb(pid)
    first.join()
    assert joining.finish() == 0 and adding.finish() == 0
    assert ends[0]["digest"] == ends[1]["digest"], "done, and not the same"
    stats = new.run("history", "stats")
    assert stats["blobs_missing"] == 0 and stats["records"] == old.run("history", "stats")["records"], stats
    result["bytes"] = stats["bytes"]
    return result


def first_readable(device, began, result):
    """Asks some fifty times a second until there is a message, and until it can be shown."""
    def asked(*words):
        while time.monotonic() - began < LONG:
            said = subprocess.run(device.words("history", *words), capture_output=True, text=True)
            if said.returncode == 0 and said.stdout.strip() != "[]":
                return json.loads(said.stdout)
            time.sleep(0.01)
        raise AssertionError(f"history {words[0]} never answers")

    record = asked("list", "--limit", "1")[0]["id"]
    result["first_listed_s"] = time.monotonic() - began
    asked("show", record)
    result["first_message_s"] = time.monotonic() - began


def pair_of(cache, name, make=lambda host: Device):
    """Devices: one with a copy of the data set's profile, and one that does not exist yet."""
    return (make("old")(cache.programs, cache.copied_profile(name, "old")),
            make("new")(cache.programs, cache.fresh("new")))


def catch_up(cache, old, new, repeat):
    """What 100 messages cost two connected devices that hold a long history: newer ones, ones from all times, and
    newer ones after the other device slept."""
    cases = {}
    for case, kind in (("newest", "news"), ("spread", "spread"), ("after_sleep", "news")):
        runs = []
        for number in range(repeat):
            seed = 1000 + number + 100 * len(cases)
            runs.append(one_catch_up(old, new, cache.news(kind, seed), asleep=case == "after_sleep"))
        cases[case] = runs
    same_digest(old, new, timeout=600)
    return cases


def one_catch_up(old, new, path, asleep):
    def connected():
        return all(any(peer["state"] == "connected" for peer in device.call("status")["peers"]) for device in (old, new))

    wait_until(connected, "a connection", 120)
    before = new.call("history.stats")
    wanted = before["records"] + 100
    wait_until(lambda: old.call("history.stats")["records"] == before["records"], "an equal start", 120)
    idle = idle_rate()
    machine.settle()
    if asleep:
        new.stop()
        old.run("history", "import", path)
    bytes_before, began = machine.loopback_bytes(), time.monotonic()
    if asleep:
        new.run("status")
    else:
        old.run("history", "import", path)
    imported = time.monotonic()
    while new.call("history.stats")["records"] != wanted:
        assert time.monotonic() - began < 600, "100 messages do not arrive"
        time.sleep(0.002)
    result = {"seconds": time.monotonic() - began, "after_import_s": time.monotonic() - imported}
    time.sleep(1)  # what is still said about it belongs to it
    result["wire_bytes"] = machine.loopback_bytes() - bytes_before - idle * (time.monotonic() - began)
    result["message_bytes"] = new.call("history.stats")["bytes"] - before["bytes"]
    result["besides_bytes"] = result["wire_bytes"] - result["message_bytes"]
    result["idle_bytes_per_s"] = idle
    return result


def idle_rate():
    """Bytes a second that two connected devices exchange when there is nothing to say."""
    before, began = machine.loopback_bytes(), time.monotonic()
    time.sleep(2)
    return (machine.loopback_bytes() - before) / (time.monotonic() - began)
