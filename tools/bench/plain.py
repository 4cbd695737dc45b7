"""The same mails in a plain SQLite file, and what copying it row by row takes. As a program: OLD NEW JOURNAL, copies."""

import calendar
import hashlib
import os
import sqlite3
import sys
import time

import machine

BATCH = 5000  # rows a commit
SCHEMA = """
CREATE TABLE message(seq INTEGER PRIMARY KEY, posted INTEGER, id BLOB, sender TEXT, subject TEXT, body BLOB);
CREATE UNIQUE INDEX message_order ON message(posted, id);
"""
FROM = b"From sender@example.org "


def write(folder, path):
    database = sqlite3.connect(path)
    database.executescript("PRAGMA page_size=8192; PRAGMA synchronous=OFF; " + SCHEMA)
    for name in sorted(os.listdir(folder)):
        with open(f"{folder}/{name}", "rb") as file:
            database.executemany("INSERT INTO message(posted, id, sender, subject, body) VALUES (?,?,?,?,?)",
                                 rows(file.read()))
        database.commit()
    database.close()


def rows(box):
    """The mails of a file that bench_data has written."""
    assert box.startswith(FROM)
    for mail in box[len(FROM):].split(b"\n\n" + FROM):
        date, body = mail.split(b"\n", 1)
        posted = calendar.timegm(time.strptime(date.decode(), "%a %b %d %H:%M:%S %Y")) * 1000
        yield posted, hashlib.blake2b(body, digest_size=32).digest(), field(body, b"From"), field(body, b"Subject"), body


def field(mail, name):
    start = mail.find(b"\n" + name + b": ")
    if mail.startswith(name + b": "):
        start = -1
    elif start < 0:
        return ""
    start += len(name) + 3
    return mail[start:mail.find(b"\n", start)].decode("latin-1")[:512]


def copy(source, target, journal):
    began = time.monotonic()
    database = sqlite3.connect(target, isolation_level=None)
    database.executescript(f"PRAGMA page_size=8192; PRAGMA journal_mode={journal}; PRAGMA synchronous=FULL;" + SCHEMA)
    database.execute("ATTACH ? AS old", (source,))
    last = database.execute("SELECT max(seq) FROM old.message").fetchone()[0]
    for first in range(1, last + 1, BATCH):
        database.execute("INSERT INTO main.message SELECT * FROM old.message WHERE seq BETWEEN ? AND ?",
                         (first, first + BATCH - 1))
    database.close()
    seconds = time.monotonic() - began
    print(seconds, time.process_time(), machine.peak_mb("self"))


if __name__ == "__main__":
    copy(*sys.argv[1:])
