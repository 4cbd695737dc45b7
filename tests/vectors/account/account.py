"""A second implementation of src/account/README.md, on that of src/roster/README.md: foundings, marks, and what a
service makes of an account's roster."""

import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "roster"))

import ed25519  # noqa: E402
from roster import Entry, Malformed, Roster, demand, derive, hash_of, read_request  # noqa: E402,F401


def mark_of(account, device):
    return derive(hash_of(b"kith.account\0" + account), "kith.account.mark", device)[:16]


def claim_of(account, roster, device, key):
    """What a device signs, with its everyday key, to say which key its node has."""
    return b"kith.account.claim\0" + account + roster + device + key


def challenge_of(nonce, service_key, uid):
    """What the key that recovers an account signs to speak for it."""
    return b"kith.account.restore\0" + nonce + service_key + uid.encode()


def act_seed(seed, roster):
    return derive(seed, "kith.account.act", roster)


def device_seed(seed, roster):
    return derive(seed, "kith.account.device", roster)


def pack(entries):
    return b"".join(struct.pack(">I", len(entry.data)) + entry.data + entry.signature for entry in entries)


def unpack(data):
    entries = []
    while data:
        demand(len(data) >= 4, "cut off")
        size, = struct.unpack_from(">I", data)
        demand(size <= 65536 and len(data) >= 68 + size, "cut off")
        entries.append(Entry(data[4:4 + size], data[4 + size:68 + size]))
        data = data[68 + size:]
    return entries


def nameless(entry):
    if entry.act == "rename":
        return False
    return entry.act != "add" or read_request(entry.request, entry.by_device, entry.by_act)["name"] == "node"


def found(data):
    """The nodes of a founding; Malformed when it is none."""
    entries = unpack(data)
    demand(len(entries) >= 3 and entries[0].act == "genesis" and entries[-1].act == "recover", "shape")
    last = entries[-1]
    demand(last.recovery not in (b"", entries[0].recovery) and not last.cuts and not last.bars, "shape")
    demand(all(entry.act == "add" and entry.signer is None for entry in entries[1:-1]), "shape")
    demand(all(nameless(entry) for entry in entries), "names")
    fold = Roster(entries[0].id, entries)
    about = fold.describe()
    demand(len(fold.placed) == len({entry.id for entry in entries}) == len(entries), "not all placed")
    demand(about["recovery"] == last.recovery.hex() and len(about["devices"]) == len(entries) - 2 <= 64, "not all count")
    return nodes(fold)


def judge(kept, fresh):
    """What a service makes of fresh entries: those that are new, and the nodes; Malformed when it takes none."""
    old = unpack(kept)
    known = {entry.id for entry in old}
    new = []
    for entry in unpack(fresh):
        if entry.id not in known:
            known.add(entry.id)
            new.append(entry)
    demand(all(nameless(entry) for entry in new), "names")
    for entry in new:
        own = [other for other in old + new if other.signer == entry.signer]
        most, size = (32, 20 * 1024) if entry.signer else (256, 256 * 1024)
        demand(len(own) <= most and sum(len(other.data) for other in own) <= size, "too much")
    before = Roster(old[0].id, old)
    for entry in new:
        # What the recovery key signed without knowing of a renewal that counts is not kept.
        if entry.signer is None:
            renewals = {number for number, other in before.placed.items()
                        if other.act == "recover" and other.recovery and before.standing[number] == "counts"}
            after = Roster(old[0].id, old + new)
            demand(entry.id in after.placed and renewals <= after.before[entry.id], "an old key")
    fold = Roster(old[0].id, old + new)
    demand(all(entry.id in fold.placed for entry in new), "does not fit")
    bars = [(number, entry) for number, entry in fold.placed.items()
            if entry.act == "bar" and entry.signer and fold.standing[number] != "void"]
    for number, entry in bars:
        if entry.id in {other.id for other in new}:
            demand(not any(other.id != entry.id and (other.signer, other.device) == (entry.signer, entry.device)
                           for _, other in bars), "barred already")
    return pack(new), nodes(fold)


def nodes(fold):
    out = set()
    for number, entry in fold.placed.items():
        if entry.signer is None and fold.standing[number] == "counts":
            if entry.act == "bar":
                out.add(entry.device)
            if entry.act == "recover":
                out |= set(entry.bars)
    links = {fold.placed[number].device: request["link"] for number, request in fold.request_of.items()}
    states = {}
    for row in fold.describe()["devices"]:
        device = bytes.fromhex(row["id"])
        state = {"active": "active", "suspended": "held", "barred": "held"}[row["state"]]
        if row["state"] == "barred" and device in out:
            state = "out"
        states[row["id"]] = [links[device].hex(), state]
    return states
