"""Erasing: what is erased on one device is gone on all of them, and no way brings it back."""

import os
import random

import mails
from people import onboard, run_tests, same_digest, wait_until

COUNT, SIZE = 30, 2 << 20


def some_mails(seed=3):
    """Some without and three with an attachment."""
    rng = random.Random(seed)
    return [mails.dated(rng, seed * 1000 + number, f"2015-02-03T12:00:{number:02}", SIZE * (number in (7, 17, 27))) for number in range(COUNT)]


def two_devices(world):
    old, new = world.device("old"), world.device("new")
    old.run("init", "--name", "old")
    box = some_mails()
    path = world.file("box", mails.box(box))
    assert old.run("history", "import", path)["imported"] == COUNT
    onboard(old, new, "new")
    same_digest(old, new)
    return old, new, box, path


def id_of(device, subject):
    return next(record["id"] for record in device.all_records() if record["subject"] == subject)


def listed(device, record):
    return record in [item["id"] for item in device.all_records()]


def is_gone(device, record, subject):
    """That there is no way to see it, and that this is said."""
    assert not listed(device, record)
    for words in ((), ("--raw",), ("--save", "/nowhere")):
        error = device.fails(14, "history", "show", record, *words)
        assert "erased" in error["message"], error
    found = device.run("history", "search", f'"{subject}"')
    assert subject not in [hit["subject"] for hit in found["hits"]], found


def becomes_gone(record, subject, *devices):
    for device in devices:
        wait_until(lambda: not listed(device, record), f"the end of '{subject}'")
        is_gone(device, record, subject)


def blob_files(device):
    """The bytes of its attachments' files."""
    return sum(os.path.getsize(f"{at}/{name}") for at, _, names in os.walk(f"{device.home}/blobs") for name in names)


def on_all_devices_from_any(world):
    service = world.service()
    old, new, box, path = two_devices(world)
    friend = world.device("friend")
    friend.run("init")
    friend.run("service", "add", service.address, "--alias", "the-friend")
    uid = old.run("service", "add", service.address, "--alias", "the-owner")["uid"]
    friend.run("message", "send", "--to", uid, "--subject", "a secret", "--body", "hush", "--attach", world.file("photo", os.urandom(SIZE)))
    for device in (old, new):
        wait_until(lambda: device.count("a secret") == 1, "the message")
        device.until("history", "search", "hush", like=lambda result: result["complete"] and result["hits"])
    same_digest(old, new)
    before = {device: device.until("history", "stats", like=lambda stats: stats["blobs_missing"] == 0) for device in (old, new)}
    files = {device: blob_files(device) for device in (old, new)}

    world.say("some on the old device, some on the new one")
    first, second = box[7].subject, box[8].subject
    subjects = [first, second, box[17].subject, "a secret"]
    ids = {subject: id_of(old, subject) for subject in subjects}
    assert old.run("history", "erase", ids[first], ids[second]) == {"erased": 2}
    for subject in (first, second):
        is_gone(old, ids[subject], subject)
    becomes_gone(ids[first], first, new)
    assert new.run("history", "erase", ids[box[17].subject][:16]) == {"erased": 1}
    assert new.run("history", "erase", ids["a secret"]) == {"erased": 1}
    for subject in subjects:
        becomes_gone(ids[subject], subject, old, new)
    same_digest(old, new)
    for device in (old, new):
        stats = device.run("history", "stats")
        assert stats["blobs"] == before[device]["blobs"] - 3, (before[device], stats)
        assert stats["blobs_missing"] == 0 and before[device]["bytes"] - stats["bytes"] > 3 * SIZE * 0.9, (before[device], stats)
        assert len(device.all_records()) == COUNT + 1 - 4

    world.say("once more, and what else is no message")
    for device in (old, new):
        error = device.fails(14, "history", "erase", ids[first])
        assert "erased" in error["message"], error
        assert device.run("history", "digest") == same_digest(old, new)
    for code, words in ((3, ("zz" * 8,)), (3, ("abc",)), (4, ("0" * 32,)), (2, ()), (3, ("",))):
        error = old.fails(code, "history", "erase", *words)
        assert error["message"] and (code == 2 or error["hint"] or code == 4), (words, error)
    kept = id_of(old, box[1].subject)
    old.fails(4, "history", "erase", kept, "0" * 32)
    too_many = old.fails(3, "history", "erase", *[kept] * 257)
    assert listed(old, kept) and listed(new, kept), "one wrong id, and yet another one was erased"

    world.say("the files of their attachments go at the next start")
    for device in (old, new):
        device.stop()
        device.run("status")
        wait_until(lambda: blob_files(device) < files[device] - 3 * SIZE * 0.9, "the attachments' files to go")
        for subject in subjects:
            is_gone(device, ids[subject], subject)
        assert listed(device, id_of(device, box[27].subject))
        assert device.raw(id_of(device, box[27].subject)) == box[27].content
    assert "256" in too_many["message"] + too_many["hint"], too_many


def what_two_messages_share_stays_for_the_other(world):
    old, new = world.device("old"), world.device("new")
    old.run("init")
    shared = mails.dated(random.Random(4), 1, "2015-01-01", SIZE)
    again = mails.Mail(b"X-Forwarded: yes\n" + shared.content, shared.subject)
    old.run("history", "import", world.file("box", mails.box([shared, again])))
    onboard(old, new)
    assert old.run("history", "stats")["blobs"] == 1, "the attachment is kept once"
    records = {old.content(record["id"]): record["id"] for record in old.all_records()}
    assert set(records) == {shared.content, again.content}
    new.run("history", "erase", records[shared.content])
    becomes_gone(records[shared.content], "x", old, new)
    for device in (old, new):
        device.kill()
        device.run("status")
        assert device.raw(records[again.content]) == again.content
        assert device.run("history", "stats")["blobs"] == 1
    same_digest(old, new)


def also_when_the_other_was_away(world):
    old, new, box, path = two_devices(world)
    for away, here, mail in ((new, old, box[7]), (old, new, box[17])):
        away.stop()
        record = id_of(here, mail.subject)
        assert here.run("history", "erase", record) == {"erased": 1}
        # The digest tells nobody, and what the other one takes in meanwhile makes no difference.
        here.run("history", "import", world.file("more", mails.box([mails.dated(random.Random(mail.subject), 7, "2016-01-01")])))
        here.kill()
        here.run("status")
        is_gone(here, record, mail.subject)
        away.run("status")
        becomes_gone(record, mail.subject, old, new)
        same_digest(old, new)
    world.say("both erase while they are apart: the same one, and one each")
    shared, own, other = (id_of(old, box[number].subject) for number in (1, 2, 3))
    new.stop()
    old.run("history", "erase", shared, own)
    old.stop()
    new.run("history", "erase", shared, other)
    old.run("status")
    for record, number in ((shared, 1), (own, 2), (other, 3)):
        becomes_gone(record, box[number].subject, old, new)
    same_digest(old, new)


def nothing_brings_it_back(world):
    old, new, box, path = two_devices(world)
    erased = [box[7], box[8]]
    ids = [id_of(old, mail.subject) for mail in erased]
    old.run("history", "erase", *ids)
    for record, mail in zip(ids, erased):
        becomes_gone(record, mail.subject, new)
    world.say("the same file again: all is known, nothing returns")
    for device in (old, new):
        assert device.run("history", "import", path)["imported"] == 0
    world.say("a third device never gets it, not even from the file")
    third = world.device("third")
    joined, added = onboard(new, third, "third")
    assert joined["digest"] == added["digest"]
    same_digest(old, new, third)
    for device in (old, new, third):
        for record, mail in zip(ids, erased):
            is_gone(device, record, mail.subject)
        assert len(device.all_records()) == COUNT - 2
    assert "left_out" not in third.run("status")
    third.run("history", "import", path)
    for device in (third, new, old):
        for record, mail in zip(ids, erased):
            is_gone(device, record, mail.subject)
        assert len(device.all_records()) == COUNT - 2
    same_digest(old, new, third)
    third.run("sync")
    world.say("nor does a device that has it and was away when it was erased give it back")
    third.stop()
    record = id_of(new, box[17].subject)
    new.run("history", "erase", record)
    third.run("status")
    becomes_gone(record, box[17].subject, third, old, new)
    same_digest(old, new, third)
    assert new.content(id_of(new, box[27].subject)) == box[27].content


def on_a_device_that_had_left_it_out(world):
    old, new = world.device("old"), world.device("new")
    old.run("init")
    rng = random.Random(6)
    box = [mails.dated(rng, number, f"20{number:02}-02-03") for number in range(1, 21)]
    old.run("history", "import", world.file("box", mails.box(box)))
    joined, added = onboard(old, new, join_words=("--since", "2010-01-01"))
    record, left_out = id_of(old, box[2].subject), new.run("history", "select")["left_out"]["messages"]
    error = new.fails(14, "history", "erase", record)
    assert "left out" in error["message"] and error["hint"], error
    old.run("history", "erase", record)
    new.until("status", like=lambda status: status["left_out"]["messages"] == left_out - 1)
    new.run("history", "select", "--all")
    new.run("sync")
    for device in (old, new):
        is_gone(device, record, box[2].subject)
        assert len(device.all_records()) == len(box) - 1
    same_digest(old, new)


def killed_right_after(world):
    old, new, box, path = two_devices(world)
    for number, (killed, other) in enumerate([(old, new), (new, old)] * 3):
        mail = box[7 + number]
        record = id_of(killed, mail.subject)
        killed.run("history", "erase", record)
        killed.kill()
        if number % 3 == 0:
            other.kill()
            other.run("status")
        killed.run("status")
        is_gone(killed, record, mail.subject)
        becomes_gone(record, mail.subject, other)
    same_digest(old, new)
    world.say("killed while it is erased: all or nothing, and both agree")
    for round in range(3):
        ids = [record["id"] for record in old.all_records()][:5]
        erasing = old.begin("history", "erase", *ids)
        if round:
            wait_until(lambda: not listed(old, ids[0]) or erasing.process.poll() is not None, "the erasing to begin")
        old.kill()
        erasing.process.wait(20)
        erasing.close()
        old.run("status")
        left = [record for record in ids if listed(old, record)]
        assert left in ([], ids), (left, ids)
        same_digest(old, new)
        wait_until(lambda: [record for record in ids if listed(new, record)] == left, "the other one to agree")
        world.say(f"{'nothing' if left else 'all'} of it was erased")


run_tests(on_all_devices_from_any, what_two_messages_share_stays_for_the_other, also_when_the_other_was_away, nothing_brings_it_back,
          on_a_device_that_had_left_it_out, killed_right_after)
