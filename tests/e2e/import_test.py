"""What is given to `history import` and is no mail, and what mails with odd bytes become."""

import os

import mails
from people import fingerprint, run_tests

MAIL = b"From: a@example.org\nTo: b@example.org\nSubject: %d\nDate: Thu, 22 Aug 2002 12:36:23 +0000\n\nhello\n"


def what_is_no_mail_is_refused(world):
    device = world.device("device")
    device.run("init")
    os.mkdir(world.path("empty"))
    os.mkdir(world.path("folders"))
    os.mkdir(world.path("folders/only"))
    os.mkfifo(world.path("pipe"))
    cases = ((4, world.path("nothing")), (3, world.path("empty")), (3, world.path("folders")), (3, world.path("pipe")),
             (3, world.file("picture", os.urandom(3000))), (3, world.file("none", b"")), (3, world.file("zeros", bytes(5000))),
             (3, world.file("text", "dear diary\n\nFrom here on\n")), (3, world.file("json", '{"from": 1}\n')), (3, "/dev/null"))
    unclear = []
    for code, path in cases:
        error = device.fails(code, "history", "import", path)
        if not error["hint"] or os.path.basename(path) not in error["message"]:
            unclear.append(error)
    assert not unclear, unclear
    device.fails(2, "history", "import")
    device.fails(2, "history", "import", world.path("text"), "--format", "pst")
    one = world.file("one.eml", MAIL % 1)
    error = device.fails(3, "history", "import", one, "--format", "mbox")
    assert error["hint"]
    assert device.run("history", "digest")["records"] == 0
    world.say("a relative path counts from where the command runs")
    here = os.getcwd()
    os.chdir(world.folder)
    try:
        assert device.run("history", "import", "one.eml")["imported"] == 1
    finally:
        os.chdir(here)


def each_shape_of_mail_is_kept_and_shown(world):
    device = world.device("device")
    device.run("init")
    folder = mails.write(world.path("mails"), 400, [1 << 20])
    counts = device.run("history", "import", folder.path)
    assert counts["skipped"] == len(folder.no_mails), counts
    records = device.all_records()
    assert fingerprint(device.content(record["id"]) for record in records) == fingerprint(folder.contents())
    times = [record["time"] for record in records]
    assert times == sorted(times, reverse=True)
    for record in records:
        shown = device.call("history.show", id=record["id"])
        assert shown["raw_size"] == len(device.content(record["id"])) and isinstance(shown["body"], str)
    subjects = {record["subject"] for record in records}
    assert {mail.subject for mail in folder.mails if mail.subject} <= subjects
    assert any(subject.startswith("привет") for subject in subjects)
    japanese = next(record for record in records if record["subject"].startswith("shift"))
    assert "こんにちは" in device.run("history", "show", japanese["id"])["body"]
    assert [r for r in records if r["subject"].startswith("without a date")][0]["time"].startswith("1970-01-01")
    file = next(record for record in records if record["subject"].startswith("the file"))
    shown = device.run("history", "show", file["id"][:12], "--save", world.path("saved"))
    assert os.path.getsize(shown["saved"][0]) == 1 << 20 and os.path.dirname(shown["saved"][0]) == world.path("saved")
    for code, wrong in ((3, "abc"), (4, "0" * 64), (3, "not-hexadecimal"), (4, "00000000")):
        assert device.fails(code, "history", "show", wrong)["message"]
    for words in (("--limit", "0"), ("--limit", "x"), ("--limit", "-1")):
        device.fails(2, "history", "list", *words)
    assert [r["id"] for r in device.run("history", "list", "--limit", "3")] == [r["id"] for r in records[:3]]


run_tests(what_is_no_mail_is_refused, each_shape_of_mail_is_kept_and_shown)
