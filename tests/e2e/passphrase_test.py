"""Profiles with a passphrase."""

import os

import mails
from people import onboard, pair, run_tests, same_digest

MAIL = "From: a@example.org\nTo: b@example.org\nSubject: one\nDate: Thu, 22 Aug 2002 12:36:23 +0000\n\nhello\n"


def locked_means_locked(world):
    device = world.device("device")
    right, wrong = world.file("right", "correct horse battery\n"), world.file("wrong", "incorrect horse\n")
    begun = device.run("init", "--passphrase-file", right)
    device.run("history", "import", world.file("one.eml", MAIL))
    digest = device.run("history", "digest")
    device.run("lock")
    locked = (("history", "digest"), ("history", "list"), ("device", "list"), ("service", "list"), ("history", "stats"),
              ("device", "add", "--passphrase-file", right), ("history", "import", world.path("one.eml")), ("device", "cancel"))
    for after in ("the lock", "a restart", "a kill"):
        world.say(f"after {after}")
        assert device.run("status")["state"] == "locked" and device.run("status")["device"] is None
        for words in locked:
            error = device.fails(6, *words) if words[:2] != ("device", "add") else device.begin(*words).fails(6)
            assert "unlock" in error["hint"], (words, error)
        assert device.fails(6, "unlock", "--passphrase-file", wrong)["hint"]
        assert "--passphrase-file" in str(device.fails(6, "unlock"))
        error = device.fails(5, "init")
        assert error["hint"]
        device.run("unlock", "--passphrase-file", right)
        device.run("unlock", "--passphrase-file", right)
        assert device.run("history", "digest") == digest and device.run("status")["device"] == begun["device"]
        device.stop() if after == "the lock" else device.kill()
    # The daemon ended: the keys are gone with it.
    assert device.run("status")["state"] == "locked"


def a_passphrase_is_changed_set_and_removed(world):
    device = world.device("device")
    first, second, none = world.file("first", "one\n"), world.file("second", "zwei\n"), world.file("none", "\n")
    device.run("init", "--passphrase-file", first)
    digest = device.run("history", "digest")
    device.fails(6, "passphrase", "--new-passphrase-file", second)
    device.fails(6, "passphrase", "--passphrase-file", second, "--new-passphrase-file", second)
    device.fails(3, "passphrase", "--passphrase-file", first, "--new-passphrase-file", world.file("long", "x" * 2000))
    device.fails(4, "passphrase", "--passphrase-file", first, "--new-passphrase-file", world.path("no such file"))
    device.run("passphrase", "--passphrase-file", first, "--new-passphrase-file", second)
    device.run("lock")
    device.fails(6, "unlock", "--passphrase-file", first)
    device.run("unlock", "--passphrase-file", second)
    world.say("removed: nothing is asked for any more, and nothing can be locked")
    device.run("passphrase", "--passphrase-file", second, "--new-passphrase-file", none)
    error = device.fails(5, "lock")
    assert "kith passphrase" in error["hint"]
    device.stop()
    assert device.run("history", "digest") == digest
    world.say("set again")
    device.run("passphrase", "--new-passphrase-file", first)
    device.kill()
    assert device.run("status")["state"] == "locked"
    device.run("unlock", "--passphrase-file", first)
    assert device.run("history", "digest") == digest


def adding_a_device_asks_for_it_each_time(world):
    old, new = world.device("old"), world.device("new")
    right, wrong = world.file("right", "correct horse\n"), world.file("wrong", "horse\n")
    news = world.file("news", "of the new one\n")
    old.run("init", "--passphrase-file", right)
    old.run("history", "import", world.file("one.eml", MAIL))
    error = old.begin("device", "add").fails(6)
    assert "--passphrase-file" in error["message"] + error["hint"], error
    old.begin("device", "add", "--passphrase-file", wrong).fails(6)
    assert old.run("status")["state"] == "open"
    onboard(old, new, add_words=("--passphrase-file", right), join_words=("--passphrase-file", news))
    same_digest(old, new)
    new.run("lock")
    new.fails(6, "unlock", "--passphrase-file", right)
    new.run("unlock", "--passphrase-file", news)
    world.say("the new one can add a third, by its own passphrase")
    third = world.device("third")
    new.begin("device", "add", "--passphrase-file", right).fails(6)
    onboard(new, third, "third", add_words=("--passphrase-file", news))
    same_digest(old, new, third)


def a_transfer_survives_a_lock_and_a_restart(world):
    old, new = world.device("old"), world.device("new")
    passphrase = world.file("passphrase", "tulip\n")
    old.run("init", "--passphrase-file", passphrase)
    old.run("history", "import", mails.write(world.path("mails"), 300, [6 << 20] * 20).path)
    adding, joining = pair(old, new, add_words=("--passphrase-file", passphrase))
    joining.wait_for("progress", like=lambda event: event["bytes"] > event["bytes_total"] * 0.1)
    old.run("lock")
    adding.fails(13)
    joining.wait_for("waiting")
    assert new.run("history", "stats")["bytes_missing"] > 0, "the transfer was too fast to be interrupted"
    old.kill()
    assert old.run("status")["state"] == "locked"
    old.run("unlock", "--passphrase-file", passphrase)
    joining.wait_for("done")
    same_digest(old, new)


def a_database_that_is_gone_is_told_and_not_made_anew(world):
    device = world.device("device")
    passphrase = world.file("passphrase", "tulip\n")
    begun = device.run("init", "--passphrase-file", passphrase)
    device.stop()
    database, away = f"{device.home}/kith.db", world.path("kith.db")
    for empty in (False, True):
        os.rename(database, away)
        if empty:
            open(database, "w").close()
        error = device.fails(11, "unlock", "--passphrase-file", passphrase)
        assert "kith.db" in error["message"] and "back" in error["hint"], error
        assert os.path.exists(database) == empty and (not empty or os.path.getsize(database) == 0)
        assert device.run("status")["state"] == "locked"
        os.replace(away, database)
    device.run("unlock", "--passphrase-file", passphrase)
    assert device.run("status")["device"] == begun["device"]


run_tests(locked_means_locked, a_passphrase_is_changed_set_and_removed, adding_a_device_asks_for_it_each_time,
          a_database_that_is_gone_is_told_and_not_made_anew, a_transfer_survives_a_lock_and_a_restart)
