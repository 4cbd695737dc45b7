"""Selection: what a device holds, what it leaves out, and that what was left out can be had later."""

import base64
import hashlib
import os
import random
import re

import mails
from people import fingerprint, offered, onboard, pair, run_tests, same_digest, wait_until

YEARS = list(range(2001, 2021))
SINCE = "2010-01-01"
LARGE, SMALL = 3 << 20, 50_000


def letters(per_year=4, seed=5, subject=1000):
    """Some mails of each year."""
    rng = random.Random(seed)
    return [mails.dated(rng, subject + 10 * year + at, f"{year}-07-01T12:00:{at:02}") for year in YEARS for at in range(per_year)]


def takes(record, since=SINCE):
    return record["time"] >= since


def chosen(device):
    """What it says it holds, the same by both ways of asking."""
    selection, status = device.run("history", "select"), device.run("status")
    if selection["selection"] != "everything":
        assert status["selection"] == selection["selection"], (status, selection)
        assert status.get("left_out", {}) == selection["left_out"], (status, selection)
    else:
        assert "selection" not in status and "left_out" not in status, status
    return selection


def holds_only(new, old, wanted):
    """That the new device lists what of the old one's list is wanted, and can show it byte for byte."""
    listed = [record for record in old.all_records() if wanted(record)]
    wait_until(lambda: new.all_records() == listed, f"{len(listed)} messages in the list")
    for record in listed:
        assert new.content(record["id"]) == old.content(record["id"]), record


def shows_nothing_of(device, record):
    """That it says why it cannot show this one, and what to do."""
    for words in ((), ("--raw",), ("--save", "/nowhere")):
        error = device.fails(14, "history", "show", record, *words)
        assert "left out" in error["message"] and "history select" in error["hint"], error


def everything_follows(world, new, old):
    world.say("everything is chosen: the rest comes")
    assert new.run("history", "select", "--all")["selection"] == "everything"
    synced = new.run("sync")
    assert [peer["state"] for peer in synced["peers"]] == ["up to date"], synced
    assert new.run("history", "digest") == old.run("history", "digest")
    assert chosen(new) == {"selection": "everything", "left_out": {}}
    holds_only(new, old, lambda record: True)


def by_date(world):
    old, new = world.device("old"), world.device("new")
    old.run("init")
    rng = random.Random(1)
    edge = [mails.dated(rng, 1, "2009-12-31T23:59:59"), mails.dated(rng, 2, "2010-01-01T00:00:00"),
            mails.dated(rng, 3, "2003-03-03", LARGE), mails.dated(rng, 4, "2013-03-03", LARGE), mails.undated(rng, 5)]
    first = letters() + edge
    assert old.run("history", "import", world.file("first", mails.box(first)))["imported"] == len(first)
    joined, added = onboard(old, new, join_words=("--since", SINCE))
    assert joined["digest"] == added["digest"]
    holds_only(new, old, takes)
    out = [record for record in old.all_records() if not takes(record)]
    assert edge[0].subject in [record["subject"] for record in out], "the last second before is not of this day"
    told = chosen(new)
    assert told["since"] == "2010-01-01T00:00:00.000Z" and SINCE in told["selection"], told
    assert told["left_out"]["messages"] == len(out) == 4 * 9 + 3, told
    assert told["left_out"]["attachments"] == 0, told
    # Of a mail with an attachment that is kept apart, the rest.
    size = sum(len(old.content(record["id"])) for record in out) - len(base64.encodebytes(bytes(LARGE)))
    assert size <= told["left_out"]["message_bytes"] <= size + 200 * len(out), (told, size)
    assert chosen(old) == {"selection": "everything", "left_out": {}}
    for record in out[:3]:
        shows_nothing_of(new, record["id"])
    for record in out + [record for record in old.all_records() if takes(record)][:5]:
        word = f'"{record["subject"]}"'
        hits = new.until("history", "search", word, like=lambda result: result["complete"])["hits"]
        assert (record["id"] in [hit["id"] for hit in hits]) == takes(record), record

    world.say("the filter stays: of what the old one takes in now, and after a crash")
    more = letters(seed=6, subject=500_000)
    assert old.run("history", "import", world.file("more", mails.box(more)))["imported"] == len(more)
    holds_only(new, old, takes)
    new.kill()
    more += letters(seed=7, subject=900_000)
    assert old.run("history", "import", world.file("more", mails.box(more)))["imported"] == len(more) / 2
    new.run("status")
    holds_only(new, old, takes)
    wait_until(lambda: chosen(new)["left_out"]["messages"] == len(out) + 2 * 4 * 9, "all that is left out, counted")
    assert new.run("sync")["peers"][0]["state"] == "up to date"

    world.say("more is chosen, then less: what is here stays")
    new.run("history", "select", "--since", "2005-01-01")
    holds_only(new, old, lambda record: takes(record, "2005"))
    new.run("history", "select", "--since", "2019-12-31")
    new.run("sync")
    holds_only(new, old, lambda record: takes(record, "2005"))
    assert new.run("history", "import", world.file("own", mails.box(first[:4])))["imported"] <= 4
    everything_follows(world, new, old)


def saved(device, record, folder):
    """The hashes of its attachments' bytes, by name."""
    shown = device.run("history", "show", record, "--save", folder)
    result = {}
    for path in shown["saved"]:
        with open(path, "rb") as file:
            result[os.path.basename(path)] = hashlib.sha256(file.read()).hexdigest()
        os.unlink(path)
    assert len(result) == len(shown["attachments"]), shown
    return result


def here(device, record):
    return [item["here"] for item in device.run("history", "show", record)["attachments"]]


def by_the_size_of_attachments(world):
    old, new = world.device("old"), world.device("new")
    old.run("init")
    rng = random.Random(2)
    # As they stand in a mail they take a third more.
    sizes = [LARGE, SMALL, 3 * SMALL, LARGE + 1, LARGE + 2, LARGE + 3, 5 * SMALL]
    box = letters(1) + [mails.dated(rng, number, f"2015-01-{number + 1:02}", size) for number, size in enumerate(sizes)]
    assert old.run("history", "import", world.file("box", mails.box(box)))["imported"] == len(box)
    joined, added = onboard(old, new, join_words=("--attachments", "300k"))
    assert joined["digest"] == added["digest"]
    records = old.all_records()
    assert new.all_records() == records
    of_size = {size: next(r["id"] for r in records if r["subject"] == f"the file {number}") for number, size in enumerate(sizes)}
    encoded = {size: len(base64.encodebytes(bytes(size))) for size in sizes}
    large = [size for size in sizes if encoded[size] > 300_000]
    told = chosen(new)
    left_out = {"messages": 0, "message_bytes": 0, "attachments": len(large), "attachment_bytes": sum(encoded[s] for s in large)}
    assert told["largest"] == 300_000 and "300 kB" in told["selection"] and told["left_out"] == left_out, (told, left_out)
    for size, record in of_size.items():
        shown = new.run("history", "show", record)
        assert shown["body"] == old.run("history", "show", record)["body"], "the text is here"
        assert [item["here"] for item in shown["attachments"]] == [size not in large], (size, shown)
        if size in large:
            assert shown["attachments"][0]["size"] in (size, encoded[size]), shown

    world.say("whoever opens one gets it first, while the other device is there")
    assert saved(new, of_size[LARGE], world.path("saved")) == saved(old, of_size[LARGE], world.path("saved"))
    assert here(new, of_size[LARGE]) == [True]
    assert new.raw(of_size[LARGE + 1]) == old.raw(of_size[LARGE + 1])
    assert here(new, of_size[LARGE + 1]) == [True]
    assert chosen(new)["left_out"]["attachments"] == len(large) - 2
    assert here(new, of_size[LARGE + 2]) == [False], "nobody asked for it"

    world.say("when the other device is away that is said, and nothing is left half written")
    old.stop()
    new.until("status", like=lambda status: status["peers"][0]["state"] == "out of reach")
    folder = world.path("away")
    for words in (("--save", folder), ("--raw",)):
        error = new.fails(14, "history", "show", of_size[LARGE + 2], *words)
        assert error["message"] and error["hint"], error
    assert not os.path.exists(folder) or os.listdir(folder) == []
    assert saved(new, of_size[SMALL], folder)
    assert new.raw(of_size[LARGE]), "what was fetched stays"
    old.run("status")
    new.until("status", like=lambda status: status["peers"][0]["state"] == "connected")
    assert saved(new, of_size[LARGE + 2], folder) == saved(old, of_size[LARGE + 2], folder)

    world.say("none at all, on what arrives from now on")
    assert new.run("history", "select", "--attachments", "none")["largest"] == 0
    more = [mails.dated(rng, 100, "2016-01-01", 2 * SMALL)]
    old.run("history", "import", world.file("more", mails.box(more)))
    wait_until(lambda: new.count("the file 100") == 1, "the new mail")
    assert new.run("sync")["peers"][0]["state"] == "up to date"
    record = next(r["id"] for r in new.all_records() if r["subject"] == "the file 100")
    assert here(new, record) == [False]
    everything_follows(world, new, old)
    for record in of_size.values():
        assert here(new, record) == [True]


def what_is_opened_comes_before_all_else(world):
    old, new = world.device("old"), world.device("new")
    old.run("init")
    old.run("history", "import", mails.write_large(world.path("box"), 40, 8 << 20))
    onboard(old, new, join_words=("--attachments", "none"))
    oldest = new.all_records()[-1]["id"]
    missing = new.call("history.stats")["bytes_missing"]
    new.call("history.select", all=True)
    first = new.call("history.show", id=oldest, raw=True, attachment=0, offset=5 << 20)
    left = new.call("history.stats")["bytes_missing"]
    world.say(f"the oldest attachment was there when {left >> 20} of {missing >> 20} MiB were still missing")
    assert (7 << 20) > first["raw_size"] > 5 << 20
    assert left > missing / 4, "it had to wait for the others"
    same_digest(old, new)


def by_account(world):
    service = world.service("demo-service")
    old, friend = world.device("old"), world.device("friend")
    old.run("init")
    friend.run("init")
    uid = old.run("service", "add", service.address, "--alias", "the-owner")["uid"]
    friend.run("service", "add", service.address, "--alias", "the-friend")
    site = old.run("service", "list")[0]["site"]
    file = world.file("large.bin", os.urandom(200_000))
    for number in range(5):
        friend.run("message", "send", "--to", uid, "--subject", f"hello {number}", "--body", "x", *(["--attach", file] * (number == 0)))
    wait_until(lambda: sum(bool(record["service"]) for record in old.all_records()) >= 5, "the messages")
    box = letters(1)
    old.run("history", "import", world.file("box", mails.box(box)))
    messages = sum(bool(record["service"]) for record in old.all_records())

    world.say("imported mail alone")
    mail = world.device("mail")
    joined, added = onboard(old, mail, "mail", join_words=("--account", "mail"))
    assert joined["digest"] == added["digest"]
    holds_only(mail, old, lambda record: not record["service"])
    told = chosen(mail)
    assert told["accounts"] == ["mail"] and "mail" in told["selection"], told
    assert told["left_out"]["messages"] == messages and told["left_out"]["attachments"] == 0, (told, messages)

    world.say("a service alone, by each of its names")
    devices = [old, mail]
    for name in (site, "the-owner", service.address, "127.0.0.1"):
        device = world.device(f"by {name}".replace("/", "-"))
        joined, added = onboard(old, device, "other", join_words=("--account", name, "--attachments", "100k"))
        assert joined["digest"] == added["digest"]
        holds_listed = [record for record in old.all_records() if record["service"]]
        wait_until(lambda: device.all_records() == holds_listed, f"the messages of '{name}'")
        assert chosen(device)["left_out"]["messages"] == len(box), chosen(device)
        assert chosen(device)["left_out"]["attachments"] == 1, chosen(device)
        with_file = next(record["id"] for record in holds_listed if record["subject"] == "hello 0")
        assert here(device, with_file) == [False]
        assert saved(device, with_file, world.path("saved")) == saved(old, with_file, world.path("saved"))
        device.stop()
        devices.append(device)

    world.say("both named is everything, and a new message comes")
    assert mail.run("history", "select", "--account", "mail", "--account", site)["left_out"] is not None
    friend.run("message", "send", "--to", uid, "--subject", "later", "--body", "x")
    for device in (old, mail):
        wait_until(lambda: device.count("later") == 1, "the new message")
    holds_only(mail, old, lambda record: True)
    error = mail.fails(4, "history", "select", "--account", "nowhere.example")
    assert site in error["message"] and "mail" in error["message"] and error["hint"], error
    assert chosen(mail)["accounts"] == ["mail", site], "what was refused changed the choice"


def what_is_chosen_wrongly_is_said(world):
    old, new = world.device("old"), world.device("new")
    old.run("init")
    box = letters(1)
    old.run("history", "import", world.file("box", mails.box(box)))
    text = old.begin("device", "add").wait_for("offer")["text"]
    dates = ["yesterday", "2024-13-01", "2023-02-29", "20240101", "2024-1-1", "01-01-2024", "1969-12-31", "2024-01-01x"]
    sizes = ["-1", "x", "1.5M", "10T", "1 M", "99999999999999999999", "99999999999G", "k"]
    wrong = [("--since", date) for date in dates] + [("--attachments", size) for size in sizes]
    for words in wrong:
        for command in (("history", "select"), ("device", "join", text)):
            device = old if command[0] == "history" else new
            error = device.fails(3, *command, *words)
            assert error["hint"], (words, error)
            assert not words[1] or words[1] in error["message"], (words, error)
    for command in (("history", "select"), ("device", "join", text)):
        old.fails(2, *command, "--since")
    old.fails(5, "device", "join", text, "--since", SINCE)
    assert chosen(old) == {"selection": "everything", "left_out": {}}
    assert new.run("status")["state"] == "new", "nothing was begun"
    world.say("after all that the offer is still good")
    joining = new.begin("device", "join", text, "--since", SINCE, "--attachments", "1M")
    joining.wait_for("code")
    joining.close()


def an_unknown_name_waits_for_the_right_one(world):
    service = world.service("demo-service")
    old, new = world.device("old"), world.device("new")
    old.run("init")
    site = old.run("service", "add", service.address, "--alias", "the-owner")["address"]
    box = letters(1)
    old.run("history", "import", world.file("box", mails.box(box)))
    adding, joining = pair(old, new, join_words=("--account", "nowhere.example"))
    waiting = joining.wait_for("waiting", like=lambda event: "nowhere.example" in event["for"], timeout=30)["for"]
    for part in ("mail", "demo-service", "history select"):
        assert part in waiting, (part, waiting)
    status = new.run("status")
    assert status["transfer"]["waiting_for"] == waiting, status
    assert new.all_records() == [], "nothing comes before it is known what is wanted"
    new.kill()
    new.until("status", like=lambda status: status.get("transfer", {}).get("waiting_for") == waiting)
    error = new.fails(4, "history", "select", "--account", "neither.example")
    assert "demo-service" in error["message"] or site in error["message"], error
    world.say("the right one is chosen: it goes on")
    new.run("history", "select", "--account", "mail")
    done = adding.wait_for("done")
    new.until("status", like=lambda status: "transfer" not in status)
    assert new.run("history", "digest")["digest"] == done["digest"]
    holds_only(new, old, lambda record: not record["service"])


run_tests(by_date, by_the_size_of_attachments, what_is_opened_comes_before_all_else, by_account, what_is_chosen_wrongly_is_said,
          an_unknown_name_waits_for_the_right_one)
