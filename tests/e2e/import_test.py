"""What is given to `history import` and is no mail, and what mails with odd bytes become."""

import os

import mails
from people import fingerprint, memory_bound, run_tests, wait_until

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


FROM = b"From a@example.org Thu Aug 22 12:36:23 2002\n"


def peak_memory(device):
    """What the daemon has had in memory at most, in bytes."""
    with open(f"/proc/{device.daemon_pid()}/status") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))


def contents(device):
    return fingerprint(device.content(record["id"]) for record in device.all_records())


def odd_mails_are_kept_as_they_are(world):
    device = world.device("device")
    device.run("init")
    head = b"From: a@example.org\nMessage-ID: <the-same@example.org>\n"
    odd = [
        head + b"Subject: one of two with one id\n\nfirst\n", head + b"Subject: one of two with one id\n\nsecond\n",
        head + b"Subject: no body\n", head + b"Subject: no body but an empty line\n\n", head + b"Subject: cut in the he",
        head + b"Date: Thu, 45 Xxx 9999 99:99:99 +9999\nSubject: absurd date\n\nx\n",
        head + b"Date: Thu, 1 Jan 1900 00:00:00 +0000\nSubject: before all\n\nx\n",
        head + b"Date: Thu, 1 Jan 2099 00:00:00 +0000\nSubject: far ahead\n\nx\n",
        head + b"Subject: " + bytes(range(0x80, 0x100)) + b"\nX-Odd\x80: \xff\n\nx\n",
        head + b"Content-Type: text/plain; charset=klingon\nSubject: no such charset\n\n\xf8\xf9\n",
        head + b"Content-Type: text/plain; charset=utf-8\nSubject: not utf-8\n\n\xc3(\xff\n",
        head + b"Subject: zeros \0 within\n\n\0\0\0\n\0", head + b"Subject: only returns\r\rx\r", b"\xef\xbb\xbfSubject: x\n" + head + b"\nx\n",
        head + b"Subject: endless parts\nContent-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\n" * 5000,
        head + b"Subject: " + b"long " * 100_000 + b"\n\nx\n",
        (head + b"Subject: lines of another system\n\nx\n").replace(b"\n", b"\r\n"),
        head + b"Subject: one line of 50 MB\n\n" + b"0123456789" * 5_000_000,
    ]
    os.makedirs(world.path("odd/deeper"))
    for number, mail in enumerate(odd):
        world.file(f"odd/{number:02}.eml", mail)
    # As an mbox with the line ends of another system, too: the same mail without the empty line at its end.
    boxed = [b"Subject: boxed %d\r\nFrom: x@example.org\r\n\r\n>From the box\r\n" % number for number in range(3)]
    world.file("odd/crlf.mbox", b"".join(FROM.replace(b"\n", b"\r\n") + mail + b"\r\n" for mail in boxed))
    world.say("what cannot be read is listed, each with the reason")
    cannot = {world.path("odd/" + name) for name in ("empty", "pipe", "nowhere", "round", "deeper/again", "memory", "only-from", "13.eml")}
    world.file("odd/empty", b"")
    world.file("odd/only-from", FROM)
    os.mkfifo(world.path("odd/pipe"))
    os.symlink("nothing-there", world.path("odd/nowhere"))
    os.symlink("round", world.path("odd/round"))
    os.symlink("..", world.path("odd/deeper/again"))
    os.symlink("/proc/self/mem", world.path("odd/memory"))
    if os.getuid() != 0:
        cannot.add(world.file("odd/forbidden.eml", MAIL % 1))
        os.chmod(world.path("odd/forbidden.eml"), 0)
    kept = [mail for number, mail in enumerate(odd) if number != 13] + boxed
    counts = device.run("history", "import", world.path("odd"))
    assert {item["path"] for item in counts["skipped_files"]} == cannot, counts
    assert all(item["why"] for item in counts["skipped_files"])
    assert (counts["imported"], counts["skipped"]) == (len(kept), len(cannot)), counts
    assert contents(device) == fingerprint(kept)
    for record in device.all_records():
        device.call("history.show", id=record["id"])
    times = {record["subject"]: record["time"] for record in device.all_records()}
    assert times["absurd date"] == times["before all"] == "1970-01-01T00:00:00.000Z" and times["far ahead"].startswith("2099")
    digest = device.run("history", "digest")
    again = device.run("history", "import", world.path("odd"))
    assert (again["imported"], again["known"], again["skipped"]) == (0, len(kept), len(cannot)), again
    assert device.run("history", "digest") == digest
    assert device.fails(3, "history", "import", world.path("odd/only-from"))["message"]


def a_large_mailbox_takes_little_memory(world):
    device = world.device("device")
    device.run("init")
    count = 100_000
    with open(world.path("box"), "wb") as box:
        for number in range(count):
            box.write(FROM + MAIL % number + b"and more\n" * (number % 60) + b"\n")
        # One whose attachment is larger than what the daemon may take.
        box.write(FROM + MAIL % count + b"--b\nContent-Type: application/x\n\n")
        for _ in range(180):
            box.write(os.urandom(1 << 19).hex().encode() + b"\n")
        box.write(b"--b--\n")
    counts = device.run("history", "import", world.path("box"))
    assert (counts["imported"], counts["known"]) == (count + 1, 0), counts
    assert peak_memory(device) < memory_bound(150), f"{peak_memory(device) >> 20} MiB"
    world.say(f"at most {peak_memory(device) >> 20} MiB of memory")
    again = device.run("history", "import", world.path("box"))
    assert (again["imported"], again["known"]) == (0, count + 1), again
    assert peak_memory(device) < memory_bound(150), f"{peak_memory(device) >> 20} MiB"


def an_import_that_was_killed_is_completed_by_the_next(world):
    device, other = world.device("device"), world.device("other")
    folder = mails.write(world.path("mails"), 3000, [3 << 20] * 10)
    other.run("init")
    assert other.run("history", "import", folder.path)["imported"] == len(folder.mails)
    device.run("init")
    kills = 0
    while kills < 4:
        records = device.run("history", "stats")["records"]
        importing = device.begin("history", "import", folder.path)
        wait_until(lambda: importing.process.poll() is not None or device.call("history.stats")["records"] > records + 200,
                   "a part of the mails")
        if importing.process.poll() is not None:
            break
        device.kill()
        assert importing.process.wait(30) == 14
        importing.close()
        kills += 1
    assert kills >= 2, "the import was too fast to be interrupted"
    before = device.run("history", "stats")["records"]
    counts = device.run("history", "import", folder.path)
    assert counts["imported"] > 0 and counts["known"] >= before - 1, counts
    assert counts["imported"] + counts["known"] == len(folder.mails), counts
    digests = [each.run("history", "digest") for each in (device, other)]
    mine, theirs = [each.run("history", "stats") for each in (device, other)]
    assert mine["blobs"] == theirs["blobs"] and mine["blobs_missing"] == 0
    assert digests[0]["bytes"] == digests[1]["bytes"]
    assert contents(device) == fingerprint(folder.contents())


def a_mailbox_that_shrinks_meanwhile_does_no_harm(world):
    device = world.device("device")
    device.run("init")
    with open(world.path("box"), "wb") as box:
        for number in range(200_000):
            box.write(FROM + MAIL % number + b"and more\n" * 50 + b"\n")
    importing = device.begin("history", "import", world.path("box"))
    wait_until(lambda: device.call("history.stats")["records"] > 500, "a part of the mails")
    os.truncate(world.path("box"), 10_000)
    assert importing.process.wait(60) == 0
    importing.close()
    records = device.run("history", "stats")["records"]
    assert 500 < records < 200_000
    assert device.run("history", "import", world.path("box"))["imported"] <= 1


run_tests(what_is_no_mail_is_refused, each_shape_of_mail_is_kept_and_shown, odd_mails_are_kept_as_they_are,
          a_large_mailbox_takes_little_memory, an_import_that_was_killed_is_completed_by_the_next,
          a_mailbox_that_shrinks_meanwhile_does_no_harm)
