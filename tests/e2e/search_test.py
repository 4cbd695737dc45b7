"""Full-text search: what is found, in which order, and what is said while not everything is indexed yet."""

import base64
import email
import email.policy
import os
import random
import re

import mails
from people import onboard, run_tests, wait_until

FAR = 8640  # seconds between two mails: some twenty years for many of them


def date(number):
    return email.utils.format_datetime(email.utils.datetime.datetime.fromtimestamp(900_000_000 + number * FAR, email.utils.datetime.timezone.utc))


def letter(number, subject, body, headers=""):
    return (f"From: Ann Author <ann@example.org>\nTo: me@example.net\nDate: {date(number)}\nSubject: {subject}\n"
            f"Message-ID: <{number}@example.org>\n{headers}\n{body}\n").encode()


def mbox(world, name, letters):
    return world.file(name, b"".join(b"From a@example.org Thu Aug 22 12:36:23 2002\n" + one + b"\n" for one in letters))


def search(device, *words, limit=1000):
    return device.run("history", "search", "--limit", str(limit), *words)


def complete(device, timeout=60):
    """Waits until everything is indexed."""
    def look():
        result = device.call("history.search", words="whatever", limit=1)
        if result["complete"]:
            assert result["indexed"] == result["of"] and result["reaches"].startswith("1970"), result
        return result["complete"]
    wait_until(look, "a complete index", timeout)


def subjects(result):
    return [hit["subject"] for hit in result["hits"]]


def what_is_found(world):
    device = world.device("device")
    device.fails(5, "history", "search", "anything")
    device.run("init")
    empty = search(device, "anything")
    assert empty == {"hits": [], "complete": True, "reaches": "1970-01-01T00:00:00.000Z", "indexed": empty["of"], "of": empty["of"]}
    noise = base64.encodebytes(random.Random(3).randbytes(300_000)).decode()
    letters = [
        letter(0, "plain", "the oldest of all, with a platypus in it"),
        letter(1, "=?utf-8?B?" + base64.b64encode("Überraschung für Zoë".encode()).decode() + "?=", "nothing else"),
        letter(2, "web", "<html><style>.platypus{}</style><p class='ostrich'>Caf&eacute; <b>ostr</b>acised</p></html>",
               "Content-Type: text/html; charset=utf-8\n"),
        letter(3, "both", "--b\nContent-Type: text/html\n\n<p>marmalade</p>\n--b\nContent-Type: text/plain\n\nmarzipan\n--b--",
               "MIME-Version: 1.0\nContent-Type: multipart/alternative; boundary=b\n"),
        letter(4, "russian", "", "Content-Type: text/plain; charset=koi8-r\n") + "добрый день\n".encode("koi8-r"),
        letter(5, "file", f"--b\n\nsee the file\n--b\nContent-Type: application/pdf; name=\"Reisekosten-2023.pdf\"\n"
               f"Content-Transfer-Encoding: base64\n\n{noise}--b--", "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n"),
        letter(6, "long", "filler words\n" * 12_000 + "capybara at the end"),
        letter(7, "long and quoted", "--b\nContent-Type: application/zip; name=first.zip\nContent-Transfer-Encoding: base64\n\n" + noise +
               "--b\nContent-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\n" +
               "filler words=\n\n" * 8_000 + "wombat na=EFve\n--b--", "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n"),
        letter(8, "copied", "to others", "Cc: Quentin <quentin@example.com>\n"),
        letter(9, "the newest", "and again a platypus. NEAR(a b) OR \"quoted text\" - 50%"),
    ]
    assert device.run("history", "import", mbox(world, "box", letters))["imported"] == len(letters)
    complete(device)
    for words, expected in (
            (["platypus"], ["the newest", "plain"]), (["PLATYPUS", "oldest"], ["plain"]), (["platypus oldest"], ["plain"]),
            (["platyp*"], ["the newest", "plain"]), (["platyp"], []), (["uberraschung", "zoe"], ["Überraschung für Zoë"]),
            (["Zoë"], ["Überraschung für Zoë"]), (["cafe", "ostracised"], ["web"]), (["ostrich"], []), (["marzipan"], ["both"]),
            (["marmalade"], []), (["добрый"], ["russian"]), (["reisekosten"], ["file"]), (["Reisekosten-2023.pdf"], ["file"]),
            (["capybara"], ["long"]), (["wombat", "naive"], ["long and quoted"]), (["first.zip"], ["long and quoted"]),
            (["quentin@example.com"], ["copied"]), (["ann@example.org", "plain"], ["plain"]), (["\"a platypus\""], ["the newest", "plain"]),
            (["\"platypus a\""], []), (["NEAR(a b)"], ["the newest"]), (["a OR b"], ["the newest"]), (["oldest OR newest"], []),
            (["50%", "\"quoted text"], ["the newest"]), (["subject:plain"], []), (["*platypus"], ["the newest", "plain"])):
        result = search(device, *words)
        assert subjects(result) == expected, f"{words}: {subjects(result)}"
    assert subjects(search(device, "platypus", limit=1)) == ["the newest"]
    assert search(device, "platypus")["hits"] == [r for r in device.all_records() if r["subject"] in ("the newest", "plain")]
    for words in (["a*"], ["*"], ["-", "."], [""], ["x" * 2000], ["w "] * 40):
        error = device.fails(3, "history", "search", *words)
        assert error["hint"], error
    device.fails(2, "history", "search")
    device.fails(2, "history", "search", "x", "--limit", "0")
    device.fails(2, "history", "search", "x", "--limit", "1001")


def tokens(content):
    parsed = email.message_from_bytes(content, policy=email.policy.default)
    return set(re.findall(r"[a-z0-9]+", f"{parsed['from']} {parsed['to']} {parsed['subject']} {parsed.get_content()}".lower()))


def nothing_is_left_out(world):
    """Each word of many mails finds exactly the mails that hold it, newest first, on a second device too."""
    old, new = world.device("old"), world.device("new")
    old.run("init")
    rng = random.Random(11)
    letters = [mails.plain(rng, number).content for number in range(1500)]
    assert old.run("history", "import", mbox(world, "box", letters))["imported"] == len(letters)
    _, done = onboard(old, new)
    assert done
    complete(old)
    complete(new)
    held = [tokens(one) for one in letters]
    words = rng.sample(sorted(set().union(*held)), 25) + ["900", "org"]
    for word in words:
        expected = sum(word in one for one in held)
        result = search(old, word, limit=1000)
        assert len(result["hits"]) == min(expected, 1000), f"{word}: {len(result['hits'])} instead of {expected}"
        times = [hit["time"] for hit in result["hits"]]
        assert times == sorted(times, reverse=True), word
        assert search(new, word, limit=1000) == result, word
    world.say("a record that is in the list is found, and has the word")
    for hit in search(new, words[0])["hits"]:
        assert words[0] in tokens(new.content(hit["id"]))


def while_it_is_not_complete(world):
    """Killed again and again while it indexes: what it says stays true, and it comes to an end."""
    device = world.device("device")
    device.run("init")
    rng = random.Random(7)
    count = 15_000
    letters = [letter(number, f"number {number}", mails.text(rng, 12) + ("aardvark" if number % 100 == 0 else "")) for number in range(count)]
    rng.shuffle(letters)
    assert device.run("history", "import", mbox(world, "box", letters))["imported"] == count
    time_of = {record["subject"]: record["time"] for record in device.all_records()}
    kills, last = 0, 0
    while True:
        result = device.run("history", "search", "aardvark", "--limit", "1000")
        if result["complete"]:
            break
        assert result["of"] >= count > result["indexed"], result
        assert result["indexed"] >= last - 8000, "a crash costs more than a second's work"
        if result["reaches"]:
            sure = {f"number {n}" for n in range(0, count, 100) if time_of[f"number {n}"] > result["reaches"]}
            assert sure <= set(subjects(result)), "it reaches less far than it says"
        if result["indexed"] > last and kills < 6:
            last = result["indexed"]
            device.kill()
            kills += 1
    assert kills >= 2, "the index was complete too soon to be interrupted"
    world.say(f"killed {kills} times while it indexed")
    assert subjects(result) == [f"number {n}" for n in range(count - 100, -1, -100)]

    world.say("a second import of older, newer and other mails is picked up")
    more = [letter(number, f"number {number}", "an aardvark") for number in (-5, 200_000, 1001)]
    device.run("history", "import", mbox(world, "more", more))
    complete(device)
    found = subjects(search(device, "aardvark"))
    assert found[0] == "number 200000" and found[-1] == "number -5" and "number 1001" in found and len(found) == count // 100 + 3

    world.say("no file holds a word of it, and without the index it is made anew")
    device.stop()
    for at, _, names in os.walk(device.home):
        for name in names:
            with open(f"{at}/{name}", "rb") as file:
                content = file.read()
            assert b"aardvark" not in content and "aardvark".encode("utf-16-le") not in content, name
            assert os.stat(f"{at}/{name}").st_mode & 0o77 == 0, name
    os.remove(f"{device.home}/search.db")
    device.run("status")
    complete(device)
    assert subjects(search(device, "aardvark")) == found
    device.stop()
    with open(f"{device.home}/search.db", "r+b") as file:
        for at in range(8192, os.path.getsize(file.name), 8192 * 3):
            file.seek(at + 100)
            file.write(b"damage")
    device.run("status")
    complete(device)
    assert subjects(search(device, "aardvark")) == found
    with open(f"{device.home}/kithd.log") as log:
        assert "made anew" in log.read()


def messages_are_found_at_once(world):
    service = world.service()
    one, other = world.device("one"), world.device("other")
    one.run("init")
    uid = one.run("service", "add", service.address, "--alias", "first-member")["uid"]
    other.run("init")
    other.run("service", "add", service.address, "--alias", "second-member")
    picture = world.file("holiday-photo.jpg", bytes(100_000))
    other.run("message", "send", "--to", uid, "--subject", "Greetings", "--body", "from the Outer Hebrides", "--attach", picture)
    long = "sand and stones " * 6_000 + "and at last a cormorant"
    other.run("message", "send", "--to", uid, "--subject", "Long one", "--body", long)
    wait_until(lambda: one.count("Greetings") and one.count("Long one"), "the messages")
    for device in (one, other):
        wait_until(lambda: device.count("Greetings") and device.count("Long one"), "the messages")
        for words in (["hebrides"], ["greetings", "outer"], ["holiday-photo.jpg"], ["second-member", "hebrides"]):
            result = search(device, *words)
            assert subjects(result) == ["Greetings"] and result["complete"], f"{words}: {result}"
        assert subjects(search(device, "cormorant")) == ["Long one"]


run_tests(what_is_found, nothing_is_left_out, while_it_is_not_complete, messages_are_found_at_once)
