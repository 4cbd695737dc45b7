"""The main job: an account with real history on one device is set up on a second one."""

import os
import subprocess

import mails
from people import fingerprint, onboard, pair, run_tests, same_digest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CORPUS = f"{ROOT}/.deps/spam-assassin"


def the_history_arrives_byte_for_byte_and_messages_go_on(world):
    service = world.service()
    old, new, friend = world.device("old"), world.device("new"), world.device("friend")
    begun = old.run("init", "--name", "laptop")
    assert set(begun) == {"device", "person", "recovery"}
    account = old.run("service", "add", service.address, "--alias", "the-owner")
    assert account["state"] == "online" and account["address"] == service.address
    friend.run("init", "--name", "friend")
    friends = friend.run("service", "add", service.address, "--alias", "a-good-friend")

    world.say("3,000 mails are taken in; a second import finds nothing new")
    folder = mails.write(world.path("mails"), 3000, [200_000, 3 << 20, 5 << 20, 9 << 20, 12 << 20, 100, 70_000])
    counts = old.run("history", "import", folder.path)
    assert counts["imported"] == len(folder.mails), counts
    assert sorted(item["path"] for item in counts["skipped_files"]) == sorted(folder.no_mails), counts["skipped_files"]
    assert all(item["why"] for item in counts["skipped_files"])
    before = old.run("history", "digest")
    again = old.run("history", "import", folder.path)
    assert (again["imported"], again["known"]) == (0, len(folder.mails)), again
    assert old.run("history", "digest") == before

    world.say("the new device pairs; while the transfer runs, a friend writes")
    adding, joining = pair(old, new, "phone")
    joining.wait_for("progress", like=lambda event: event["records"] > 0)
    sent = friend.run("message", "send", "--to", account["uid"], "--subject", "while it ran", "--body", "hello")
    assert sent["state"] == "sent"
    assert "transfer" in new.run("status"), "the transfer was over before the message was sent: make the history larger"
    done = joining.wait_for("done")
    assert adding.wait_for("done")["digest"] == done["digest"]
    assert joining.finish() == 0 and adding.finish() == 0
    for events in (adding, joining):
        assert "approved" in events.names()
        assert {"event": "service", "address": service.address, "state": "online"} in events.seen, events.names()
        numbers = [event["records"] for event in events.seen if event["event"] == "progress"]
        assert numbers and numbers == sorted(numbers), "progress goes back"
    digest = same_digest(old, new)
    assert digest["records"] >= len(folder.mails) + 2

    world.say("every mail is there, byte for byte")
    listed = new.all_records()
    assert [record["id"] for record in listed] == [record["id"] for record in old.all_records()]
    assert len({record["id"] for record in listed}) == len(listed)
    of_mails = [record["id"] for record in listed if not record["service"]]
    contents = {record: new.content(record) for record in of_mails}
    assert fingerprint(contents.values()) == fingerprint(folder.contents())
    large = [record for record in of_mails if len(contents[record]) > 60_000]
    for device in (old, new):
        for record in (large + of_mails)[:100]:
            assert device.raw(record) == contents[record], record
    subjects = {mail.subject for mail in folder.mails if mail.subject}
    assert subjects <= {record["subject"] for record in listed}

    world.say("the message that came meanwhile is on both once, and so is what either sends now")
    for device in (old, new):
        assert device.count("while it ran") == 1
    file = world.file("holiday.bin", os.urandom(5 << 20))
    for sender, subject in ((old, "from the old one"), (new, "from the new one")):
        sent = sender.run("message", "send", "--to", friends["uid"], "--subject", subject, "--body", "see there",
                          "--attach", file)
        assert sent["state"] == "sent", sent
    for device in (old, new, friend):
        for subject in ("from the old one", "from the new one"):
            device.until("history", "list", "--limit", "20", like=lambda items: subject in [i["subject"] for i in items])
    same_digest(old, new)
    for device in (old, new, friend):
        for subject in ("from the old one", "from the new one"):
            assert device.count(subject) == 1
            record = next(item for item in device.all_records() if item["subject"] == subject)
            shown = device.run("history", "show", record["id"], "--save", world.path("saved"))
            assert shown["body"] == "see there" and shown["from"], shown
            with open(shown["saved"][0], "rb") as saved, open(file, "rb") as original:
                assert saved.read() == original.read()

    world.say("both know what they are")
    names = [item["name"] for item in old.run("device", "list")]
    assert names == ["laptop", "phone"] and all(set(item) >= {"name", "state", "added", "by"} for item in new.run("device", "list"))
    assert old.run("status")["peers"] == [{"name": "phone", "state": "connected"}]
    assert new.run("status")["device"] != begun["device"]
    listed = new.run("service", "list")
    assert [(item["address"], item["alias"], item["state"]) for item in listed] == [(service.address, "the-owner", "online")]


def real_mails_arrive_byte_for_byte(world):
    if not os.path.isdir(CORPUS):
        return world.say("the corpus is not here (tools/setup fetches it): left to the mails that were made")
    files = subprocess.run(["find", CORPUS, "-name", "*.txt"], capture_output=True, text=True, check=True).stdout.split("\n")[:-1]
    wanted = []
    for path in files:
        with open(path, "rb") as file:
            content = file.read()
        wanted.append(content.split(b"\n", 1)[1] if content.startswith(b"From ") else content)
    world.say(f"{len(wanted)} mails, {len(set(wanted))} distinct")
    old, new = world.device("old"), world.device("new")
    old.run("init")
    assert old.run("history", "import", CORPUS)["imported"] == len(set(wanted))
    onboard(old, new)
    same_digest(old, new)
    assert fingerprint(new.content(record["id"]) for record in new.all_records()) == fingerprint(set(wanted))


run_tests(the_history_arrives_byte_for_byte_and_messages_go_on, real_mails_arrive_byte_for_byte)
