"""Mails of many shapes, made from a number: the same each time."""

import base64
import datetime
import email.utils
import hashlib
import os
import random

WORDS = ("amber brook cinder dune ember fjord garnet heath indigo juniper kelp lichen moss nettle ochre pebble quartz "
         "reed slate thistle umber violet willow yarrow zephyr").split()


class Mail:
    """A mail's exact bytes, its subject as lists show it (None: odd), and how large its attachment is."""

    def __init__(self, content, subject=None, attachment=0):
        self.content, self.subject, self.attachment = content, subject, attachment


class Folder:
    """What `write` has written: the mails in it, and the paths of files that are none."""

    def __init__(self, path):
        self.path, self.mails, self.no_mails = path, [], []

    def contents(self):
        return [mail.content for mail in self.mails]


def text(rng, lines):
    return "".join(" ".join(rng.choice(WORDS) for _ in range(rng.randint(3, 11))) + "\n" for _ in range(lines))


def head(rng, number, subject, date=True, received=False):
    fields = ""
    hour, minute, second = rng.randrange(24), rng.randrange(60), rng.randrange(60)
    day, month, year = rng.randint(1, 28), rng.choice("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()), rng.randint(1998, 2023)
    when = f"{day} {month} {year} {hour:02}:{minute:02}:{second:02} {rng.choice(['+0000', '-0700', '+0530', 'GMT'])}"
    if received:
        fields += f"Received: from a.example by b.example with SMTP id {number};\n\tThu, {when}\n"
    fields += f"From: {rng.choice(WORDS).title()} <{rng.choice(WORDS)}@example.org>\nTo: me@example.net\n"
    if date:
        fields += f"Date: {when}\n"
    return fields + f"Subject: {subject}\nMessage-ID: <{number}.{rng.getrandbits(64):x}@example.org>\n"


def plain(rng, number):
    subject = f"{rng.choice(WORDS)} {rng.choice(WORDS)} {number}"
    return Mail((head(rng, number, subject, received=number % 2 == 0) + "\n" + text(rng, rng.randint(1, 60))).encode(), subject)


def in_lines(content):
    """Base64 as mails have it; quicker than base64.encodebytes, with the same result."""
    encoded = base64.b64encode(content).decode()
    return "".join(encoded[at:at + 76] + "\n" for at in range(0, len(encoded), 76))


def with_attachment(rng, number, size):
    """Of bytes that no compression makes smaller."""
    subject = f"the file {number}"
    encoded = in_lines(hashlib.shake_128(rng.randbytes(16)).digest(size))
    boundary = f"=_{number}_{rng.getrandbits(40):x}"
    body = (f"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"{boundary}\"\n\nin parts\n"
            f"--{boundary}\nContent-Type: text/plain\n\n{text(rng, 5)}\n"
            f"--{boundary}\nContent-Type: application/octet-stream; name=\"f{number}.bin\"\n"
            f"Content-Disposition: attachment; filename=\"f{number}.bin\"\nContent-Transfer-Encoding: base64\n\n"
            f"{encoded}--{boundary}--\n")
    return Mail((head(rng, number, subject, received=True) + body).encode(), subject, size)


def crlf(rng, number):
    mail = plain(rng, number)
    return Mail(mail.content.replace(b"\n", b"\r\n"), mail.subject)


def undated(rng, number):
    subject = f"without a date {number}"
    return Mail((head(rng, number, subject, date=False) + "\n" + text(rng, 4)).encode(), subject)


def odd_date(rng, number):
    subject = f"date of no calendar {number}"
    return Mail((head(rng, number, subject, date=False) + f"Date: {rng.choice(['yesterday', '31 Foo 99', '9' * 300])}\n\nx\n").encode(),
                subject)


def latin1(rng, number):
    mail = head(rng, number, f"caf\xe9 {number}") + "Content-Type: text/plain; charset=iso-8859-1\n\nna\xefve caf\xe9 \xa3\n" + text(rng, 3)
    return Mail(mail.encode("latin-1"))


def koi8(rng, number):
    subject = base64.b64encode(f"привет {number}".encode("koi8-r")).decode()
    mail = head(rng, number, f"=?koi8-r?B?{subject}?=").encode() + b"Content-Type: text/plain; charset=koi8-r\n\n"
    return Mail(mail + "добрый день\n".encode("koi8-r"))


def japanese(rng, number):
    mail = head(rng, number, f"shift {number}").encode() + b"Content-Type: text/plain; charset=shift_jis\n\n"
    return Mail(mail + "こんにちは\n".encode("shift_jis"), f"shift {number}")


def bytes_of_any_kind(rng, number):
    return Mail(head(rng, number, f"noise {number}").encode() + b"\n" + rng.randbytes(900) + b"\0\0\r\r\n", f"noise {number}")


def no_body(rng, number):
    return Mail(head(rng, number, f"nothing in it {number}").encode(), f"nothing in it {number}")


def no_last_newline(rng, number):
    return Mail((head(rng, number, f"cut short {number}") + "\nthe last line has no e").encode(), f"cut short {number}")


def long_line(rng, number):
    return Mail((head(rng, number, f"long {number}") + "\n" + "x" * 70_000 + "\n").encode(), f"long {number}")


def quoted_from(rng, number):
    return Mail((head(rng, number, f"quotes {number}") + "\n>From the start\nFrom here on, no mail begins\n--\nme\n").encode(),
                f"quotes {number}")


def dated(rng, number, date, size=0):
    """Of a time that is known (UTC, as 2020-02-22 or with a clock behind it), with an attachment of so many bytes."""
    mail = with_attachment(rng, number, size) if size else plain(rng, number)
    when = email.utils.format_datetime(datetime.datetime.fromisoformat(date).replace(tzinfo=datetime.timezone.utc))
    received = f"Received: from a.example by b.example with SMTP; {when}\n".encode()
    return Mail(received + mail.content, mail.subject, size)


def write_large(path, count, size, seed=1, year=2015):
    """An mbox with so many mails, each with an attachment that takes `size` bytes in it and compresses no better
    than base64 does; without holding one in memory. "large 0" is the oldest."""
    rng = random.Random(seed)
    block = in_lines(hashlib.shake_128(rng.randbytes(16)).digest(57 * 4096)).encode()
    with open(path, "wb") as file:
        for number in range(count):
            when = datetime.datetime(year, 1, 1, tzinfo=datetime.timezone.utc) + datetime.timedelta(hours=number)
            own = in_lines(hashlib.shake_128(rng.randbytes(16)).digest(57)).encode()
            file.write(f"From b@example.org Fri Aug 23 11:03:37 2002\nFrom: a@example.org\n"
                       f"Date: {email.utils.format_datetime(when)}\nSubject: large {number}\nMIME-Version: 1.0\n"
                       f"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nsee the file\n--b\n"
                       f"Content-Type: application/octet-stream; name=\"l{number}.bin\"\n"
                       f"Content-Transfer-Encoding: base64\n\n".encode() + own)
            for _ in range(size // len(block)):
                file.write(block)
            file.write(b"--b--\n\n")
    return path


def box(mails):
    """An mbox of these."""
    return b"".join(b"From b@example.org Fri Aug 23 11:03:37 2002\n" + mail.content + b"\n" for mail in mails)


SHAPES = (crlf, undated, odd_date, latin1, koi8, japanese, bytes_of_any_kind, no_body, no_last_newline, long_line, quoted_from)


def write(path, count, attachments=(), seed=1):
    """A folder with `count` mails in files, an mbox and a Maildir, and one more mail for each size in `attachments`."""
    rng = random.Random(seed)
    folder = Folder(path)
    os.makedirs(f"{path}/letters")
    number = 0

    def keep(name, mail, line=b""):
        folder.mails.append(mail)
        with open(f"{path}/{name}", "wb") as file:
            file.write(line + mail.content)

    for number in range(count):
        shape = SHAPES[number // 10 % len(SHAPES)] if number % 10 == 0 else plain
        # Some files begin with the line of an mbox, which is no part of the mail.
        line = b"From a@example.org Thu Aug 22 12:36:23 2002\n" if number % 3 == 0 else b""
        if number % 20 < 15:
            keep(f"letters/{number:05}.eml", shape(rng, number), line)
    for size in attachments:
        number += 1
        keep(f"letters/{number:05}-file.eml", with_attachment(rng, number, size))

    # An mbox: each mail is followed by an empty line, which is not the mail's.
    boxed = [plain(rng, number) for number in range(5, count, 20)]
    folder.mails += boxed
    with open(f"{path}/box.mbox", "wb") as file:
        file.write(box(boxed))

    # A Maildir, with one that is still being delivered.
    for place in ("cur", "new", "tmp"):
        os.makedirs(f"{path}/Maildir/{place}")
    for number in range(15, count, 20):
        for at in range(number, min(number + 5, count)):
            keep(f"Maildir/cur/{at}.M1P2.host:2,S" if at % 2 else f"Maildir/new/{at}.M1P2.host", plain(rng, at))
    with open(f"{path}/Maildir/tmp/1.M1P2.host", "wb") as file:
        file.write(plain(rng, 999_999).content[:100])

    # What is no mail.
    for name, content in (("letters/picture.jpg", rng.randbytes(5000)), ("letters/empty.eml", b""),
                          ("letters/notes.txt", b"just some notes\nwithout a header\n")):
        with open(f"{path}/{name}", "wb") as file:
            file.write(content)
        folder.no_mails.append(f"{path}/{name}")
    return folder
