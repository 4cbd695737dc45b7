"""Checks all vectors of the roster by the second implementation, roster.py. Run by ctest; says what differs."""

import json
import os
import struct
import sys

import ed25519
from roster import Entry, Malformed, Roster, derive, hash_of, read_request, read_sheet

FOLDER = os.path.dirname(os.path.abspath(__file__))
checked = 0


def check(what, got, expected):
    global checked
    checked += 1
    if got != expected:
        sys.exit(f"{what}: {got!r} instead of {expected!r}")


def load(name):
    with open(os.path.join(FOLDER, name)) as file:
        return json.load(file)


def outcome(read, *arguments):
    try:
        read(*arguments)
    except Malformed as failed:
        return str(failed)
    return "good"


def unpack(data):
    """The form in which entries travel together."""
    while data:
        size, = struct.unpack_from(">I", data)
        yield Entry(data[4:4 + size], data[4 + size:68 + size])
        data = data[68 + size:]


def check_person(vectors):
    """Keys and genesis from the seed, and a log whose signatures are as a signer makes them."""
    seed = bytes.fromhex(vectors["seed"])
    key = derive(seed, "kith.recovery.sign")
    check("recovery key", ed25519.public_key(key).hex(), vectors["recovery_key"])
    for index in (0, 255):
        account = derive(seed, "kith.recovery.account", struct.pack(">I", index))
        check("account key", ed25519.public_key(account).hex(), vectors[f"account_key_{index}"])
    genesis = vectors["genesis"].encode()
    identity = ed25519.public_key(derive(seed, "kith.recovery.identity"))
    check("identity key", identity.hex(), vectors["identity_key"])
    check("nonce", json.loads(genesis)["nonce"], hash_of(b"kith.identity\0" + identity).hex())
    check("genesis signature", ed25519.sign(key, genesis).hex(), vectors["genesis_signature"])
    check("person", hash_of(genesis).hex(), vectors["person"])
    check("sheet", read_sheet(vectors["sheet"]), (seed, hash_of(genesis)[:16]))
    entries = list(unpack(bytes.fromhex(vectors["log"])))
    check("entries", [entry.data.decode() for entry in entries], vectors["entries"])
    fold = Roster(hash_of(genesis), entries)
    check("devices", [(row["id"], row["name"], row["state"]) for row in fold.describe()["devices"]],
          [(row["id"], row["name"], row["state"]) for row in vectors["devices"]])
    for entry in entries:
        if entry.act == "add":
            read_request(entry.request, entry.by_device, entry.by_act)


def check_folds(vectors):
    for expected, text in vectors["entries"]:
        got = outcome(Entry, text.encode(), bytes(64))
        check(f"entry {text[:300]}", "good" if got == "good" else "malformed", expected)
    for expected, text in vectors["sheets"]:
        check(f"sheet {text}", outcome(read_sheet, text), expected)
    for case in vectors["cases"]:
        entries = [Entry(data.encode(), bytes.fromhex(signature)) for data, signature in case["entries"]]
        for order in (entries, entries[::-1]):
            check(case["name"], Roster(bytes.fromhex(case["person"]), order).describe(), case["fold"])


check_person(load("person.json"))
check_folds(load("folds.json"))
print(f"{checked} checks agree")
