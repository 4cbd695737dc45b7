"""Makes folds.json anew: rosters with fixed entropy, and what they fold to. python3 make.py > folds.json
And person.json, a person whose keys all come from one seed: python3 make.py person > person.json"""

import json
import random
import struct
import sys

import ed25519
from roster import LETTERS, Entry, Roster, derive, hash_of

TIME = 1700000000000


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def nonce_of(seed):
    return hash_of(b"kith.identity\0" + ed25519.public_key(derive(seed, "kith.recovery.identity")))


class Device:
    def __init__(self, person, rng, label):
        self.seeds = {key: rng.randbytes(32) for key in ("sign", "act")}
        self.keys = {key: ed25519.public_key(seed) for key, seed in self.seeds.items()}
        self.label = label
        self.request = compact({"purpose": "kith.device.request", "v": 1, "person": person.hex(), "name": label,
                                "sign": self.keys["sign"].hex(), "act": self.keys["act"].hex(),
                                "link": rng.randbytes(32).hex(), "nonce": rng.randbytes(16).hex()})
        self.id = hash_of(self.request)

    def add(self):
        return {"request": self.request.hex(), "by_device": ed25519.sign(self.seeds["sign"], self.request).hex(),
                "by_act": ed25519.sign(self.seeds["act"], self.request).hex()}


class World:
    """A person whose log grows; who signs may know a part of it only."""

    def __init__(self, number, seed=None):
        self.rng = random.Random(number)
        self.recovery = derive(seed or self.rng.randbytes(32), "kith.recovery.sign")
        self.log, self.devices, self.time = [], {}, TIME
        genesis = compact({"purpose": "kith.roster.entry", "v": 1, "act": "genesis", "signer": "recovery", "counter": 1,
                           "heads": [], "time": 0, "recovery": ed25519.public_key(self.recovery).hex(),
                           "nonce": (nonce_of(seed) if seed else self.rng.randbytes(32)).hex()})
        self.person = hash_of(genesis)
        self.log.append(Entry(genesis, ed25519.sign(self.recovery, genesis)))

    def device(self, label):
        device = Device(self.person, self.rng, label)
        self.devices[device.id] = device
        return device

    def roster(self, known=None):
        return Roster(self.person, self.log if known is None else known)

    def sign(self, by, act, fields, known=None, key=None, counter=None, keep=True):
        """`by`: a device, or None for the recovery key. The heads are those that a device would name."""
        roster = self.roster(known)
        signer = by.id if by else None
        own = [entry for entry in roster.placed.values() if entry.signer == signer]
        heads = {bytes.fromhex(head) for head in roster.describe()["heads"]}
        covered = set(heads).union(*(roster.before[head] for head in heads))
        for entry in sorted(own, key=lambda entry: -entry.counter):
            if entry.id not in covered:
                heads.add(entry.id)
                covered |= roster.before[entry.id] | {entry.id}
        self.time += 1
        body = compact({"purpose": "kith.roster.entry", "v": 1, "act": act, "person": self.person.hex(),
                        "signer": signer.hex() if signer else "recovery",
                        "counter": counter or max((entry.counter for entry in own), default=0) + 1,
                        "heads": sorted(head.hex() for head in heads), "time": self.time} | fields)
        entry = Entry(body, ed25519.sign(key or (by.seeds["act"] if by else self.recovery), body))
        if keep:
            self.log.append(entry)
        return entry

    def add(self, by, device, known=None):
        return self.sign(by, "add", device.add(), known)

    def last(self, by, target, known=None):
        roster = self.roster(known)
        own = [entry for entry in roster.placed.values() if entry.signer == target.id]
        heads = {bytes.fromhex(head) for head in roster.describe()["heads"]}
        signer = by.id if by else None
        heads |= {entry.id for entry in roster.placed.values() if entry.signer == signer}
        covered = heads.union(*(roster.before[head] for head in heads))
        own = [entry for entry in own if entry.id in covered]
        return max(own, key=lambda entry: entry.counter).id.hex() if own else ""

    def bar(self, by, target, known=None):
        return self.sign(by, "bar", {"device": target.id.hex(), "last": self.last(by, target, known), "erase": False}, known)

    def contest(self, by, bar, known=None):
        return self.sign(by, "contest", {"bar": bar.id.hex()}, known)

    def lift(self, by, bar, known=None):
        return self.sign(by, "lift", {"bar": bar.id.hex()}, known)

    def recover(self, bars=(), cuts=(), recovery=b"", known=None, key=None):
        return self.sign(None, "recover", {"recovery": recovery.hex(), "cuts": [
            {
        "device" : device.id.hex(), "last" : last} for device, last in cuts],
            "bars": [device.id.hex() for device in bars]}, known, key)

    def case(self, label):
        order = list(self.log)
        self.rng.shuffle(order)
        return {"name": label, "person": self.person.hex(),
                "entries": [[entry.data.decode(), entry.signature.hex()] for entry in order],
                "fold": self.roster().describe()
        }

def family(seed):
    """Three devices, each added by the one before."""
    world = World(seed)
    devices = [world.device(label) for label in ("eldest", "middle", "youngest")]
    for by, device in zip([None] + devices, devices):
        world.add(by, device)
    return world, *devices


def cases():
    world, eldest, middle, youngest = family(1)
    world.sign(eldest, "rename", {"device": youngest.id.hex(), "name": "the \"youngest\""})
    yield world.case("three devices, one renamed")

    world, eldest, middle, youngest = family(2)
    known = list(world.log)
    world.add(youngest, world.device("late"), known)
    world.bar(eldest, youngest, known)
    yield world.case("a bar voids what its signer did not know")

    world, eldest, middle, youngest = family(3)
    bar = world.bar(middle, youngest)
    world.contest(youngest, bar)
    yield world.case("a contest suspends both")
    world.bar(eldest, youngest)
    yield world.case("an elder decides for who barred")
    world.contest(youngest, world.log[-1])
    yield world.case("a decision cannot be contested")

    world, eldest, middle, youngest = family(4)
    bar = world.bar(middle, youngest)
    world.lift(eldest, bar)
    world.contest(youngest, bar)
    world.lift(eldest, bar)
    yield world.case("an elder lifts what is contested, and nothing before")

    world, eldest, middle, youngest = family(5)
    known = list(world.log)
    world.bar(middle, youngest, known)
    world.bar(youngest, middle, known)
    yield world.case("two that bar each other unseen")
    world.lift(eldest, world.log[-1])
    yield world.case("of these, one bar is lifted")

    world, eldest, middle, youngest = family(6)
    known = list(world.log)
    world.add(middle, world.device("one"), known)
    world.add(middle, world.device("two"), known)
    yield world.case("a clone")
    world.recover(cuts=[(middle, known[-1].id.hex())])
    yield world.case("the recovery key cuts off what a clone signed")

    world, eldest, middle, youngest = family(7)
    good = world.log[-1].id.hex()
    world.add(middle, world.device("puppet"))
    world.bar(middle, eldest)
    world.recover(bars=[middle], cuts=[(middle, good)])
    world.add(middle, world.device("again"))
    yield world.case("the recovery key bars with an earlier cut")

    world, eldest, middle, youngest = family(8)
    known, seed = list(world.log), world.rng.randbytes(32)
    world.recover(recovery=ed25519.public_key(seed))
    world.add(None, world.device("of the old key"), known)
    world.sign(None, "add", world.device("of the new key").add(), key=seed)
    world.sign(None, "add", world.device("of the old key, too late").add())
    yield world.case("a renewed recovery key")
    world.recover(recovery=ed25519.public_key(world.rng.randbytes(32)), bars=[eldest], known=known)
    yield world.case("two renewals in dispute")

    world, eldest, middle, youngest = family(9)
    guest, other = world.device("guest"), family(10)[0]
    world.add(eldest, guest)
    held = world.log.pop(1)
    world.log += other.log
    world.log.append(Entry(held.data, bytes([held.signature[0] ^ 1]) + held.signature[1:]))
    yield world.case("all waits for what has a bad signature; another person's entries are refused")
    world.log.append(held)
    world.sign(eldest, "rename", {"device": guest.id.hex(), "name": "x"}, counter=7)
    world.sign(eldest, "rename", {"device": world.device("unknown").id.hex(), "name": "x"})
    world.sign(eldest, "rename", {"device": guest.id.hex(), "name": "x"}, key=youngest.seeds["act"])
    world.sign(eldest, "bar", {"device": middle.id.hex(), "last": "", "erase": False})
    world.sign(eldest, "recover", {"recovery": "", "cuts": [], "bars": []})
    yield world.case("what does not fit is refused")
    world, eldest, middle, youngest = family(11)
    world.add(eldest, Device(bytes(32), world.rng, "by a stick"))
    world.add(middle, Device(world.rng.randbytes(32), world.rng, "another person's"))
    yield world.case("an open request is good, another person's is not")
    for seed in range(100, 118):
        yield by_chance(seed).case(f"by chance, {seed}")


def by_chance(seed):
    """Devices that do what they can, each knowing only a part; now and then with the recovery key."""
    world = World(seed)
    rng = world.rng
    world.add(None, world.device("d0"))
    for step in range(14):
        known = world.log[:len(world.log) - rng.randrange(3)]
        roster = world.roster(known)
        members = [device for device in world.devices.values() if roster._adds(device.id, roster.placed)]
        if not members:
            continue
        by, target = rng.choice(members), rng.choice(members)
        bars = [entry for entry in roster.placed.values() if entry.act == "bar"]
        act = rng.choice(["add", "add", "rename", "bar", "bar", "contest", "contest", "lift", "recover"])
        if act == "add":
            world.add(by, world.device(f"d{step + 1}"), known)
        elif act == "rename":
            world.sign(by, "rename", {"device": target.id.hex(), "name": f"r{step}"}, known)
        elif act == "bar":
            world.bar(by, target, known)
        elif act in ("contest", "lift") and bars:
            bar = rng.choice(bars)
            signer = world.devices[bar.device] if act == "contest" else rng.choice([by, None])
            world.sign(signer, act, {"bar": bar.id.hex()}, known)
        elif act == "recover":
            fresh = rng.randbytes(32)
            cut = rng.choice(list(roster.placed.values()))
            cuts = [(world.devices[cut.signer], cut.id.hex())] if cut.signer else []
            world.recover([target] if rng.random() < .5 else [], cuts, ed25519.public_key(fresh) if rng.random() < .3 else b"", known)
            if world.log[-1].recovery:
                world.recovery = fresh
    return world


def entries():
    """Bytes that are an entry, and some that are none: a reader must tell them apart."""
    world, eldest, *_ = family(200)
    good = world.sign(eldest, "rename", {"device": eldest.id.hex(), "name": "new"}, keep=False).data.decode()
    heads = json.loads(good)["heads"][0]
    yield "good", good
    yield "good", good.replace(",", " , ").replace('"new"', '"n\\u0065w"')
    yield "good", good.replace(heads, heads.upper())
    for before, after in [("kith.roster.entry", "kith.device.request"), ('"v":1', '"v":2'), ('"v":1', '"v":1.0'),
                          ('"rename"', '"promote"'), ('"rename"', '"genesis"'), ('"counter":2', '"counter":0'),
                          ('"counter":2', '"counter":2,"counter":3'), ('"counter":2', '"counter":2,"extra":3'),
                          (f'["{heads}"]', "[]"), (f'["{heads}"]', f'["{heads}","{heads}"]'),
                          (f'["{heads}"]', f'["{heads}","{"0" * 64}"]'), (heads, heads[:-2]),
                          ('"new"', '""'), ('"new"', '"a\\nb"'), ('"new"', '"\u202e"'), ('"new"', f'"{"x" * 65}"'),
                          ('"new"', "[" * 9 + "]" * 9), ("}", "}}"), ("}", ""), ('"name":"new"', '"title":"new"')]:
        assert before in good
        yield "malformed", good.replace(before, after)
    yield "malformed", good + " " * 65536


def sheets():
    sheet = "KITH-RECOVERY-AFSGK-ZTHNB-UWU23-MNVXG-64DRO-JZXI5-LWO54-HS6T3-PR6X4-74AQG-BIHQ6-2KI5R-GSTEJ-M4SHJ-ACHSE-7E43J-QHBCK"
    yield "good", sheet
    yield "good", "  " + sheet.lower().replace("-", "\n").replace("o", "0").replace("i", "1").replace("b", "8")
    yield "typing mistake", sheet.replace("ZTHNB", "ZTHBN")
    yield "typing mistake", sheet.replace("ZTHNB", "ZTHN9")
    yield "typing mistake", sheet[:-1] + "L"
    yield "too short", sheet[:-1]
    yield "too long", sheet + "A"
    yield "no sheet", sheet[4:]
    seed, person = bytes(range(32)), bytes(range(16))
    body = b"\x02" + seed + person
    number = int.from_bytes(body + hash_of(b"kith.recovery.check\0" + body)[:4], "big") << 1
    text = "".join(LETTERS[number >> 5 * at & 31] for at in range(84, -1, -1))
    yield "newer", "KITH-RECOVERY-" + "-".join(text[at:at + 5] for at in range(0, 85, 5))


def sheet_of(seed, person):
    body = b"\x01" + seed + person[:16]
    number = int.from_bytes(body + hash_of(b"kith.recovery.check\0" + body)[:4], "big") << 1
    text = "".join(LETTERS[number >> 5 * at & 31] for at in range(84, -1, -1))
    return "KITH-RECOVERY-" + "-".join(text[at:at + 5] for at in range(0, 85, 5))


def person():
    seed = bytes(range(100, 132))
    world = World(100, seed)
    laptop, phone, tablet = (world.device(label) for label in ("laptop", "phone", 'a "tablet"'))
    world.add(None, laptop)
    world.add(laptop, phone)
    world.sign(laptop, "rename", {"device": laptop.id.hex(), "name": "desk"})
    world.add(phone, tablet)
    known = [entry for entry in world.log if entry is not world.log[-1]]
    world.sign(laptop, "bar", {"device": phone.id.hex(), "last": "", "erase": True}, known)
    account = {f"account_key_{index}": ed25519.public_key(
        derive(seed, "kith.recovery.account", struct.pack(">I", index))).hex() for index in (0, 255)}
    added = {entry.id: entry for entry in world.log if entry.act == "add"}
    by = {hash_of(entry.request): entry.signer.hex() if entry.signer else "recovery" for entry in added.values()}
    log = b"".join(struct.pack(">I", len(entry.data)) + entry.data + entry.signature for entry in world.log)
    return {"comment": "src/roster/README.md; made by make.py, apart from kith's own code", "seed": seed.hex(),
            "recovery_key": ed25519.public_key(world.recovery).hex(),
            "identity_key": ed25519.public_key(derive(seed, "kith.recovery.identity")).hex(), **account,
            "genesis": world.log[0].data.decode(), "genesis_signature": world.log[0].signature.hex(),
            "person": world.person.hex(), "sheet": sheet_of(seed, world.person),
            "entries": [entry.data.decode() for entry in world.log], "log": log.hex(),
            "devices": [{"id": row["id"], "name": row["name"], "state": row["state"],
                         "act": world.devices[bytes.fromhex(row["id"])].keys["act"].hex(),
                         "added_by": by[bytes.fromhex(row["id"])]} for row in world.roster().describe()["devices"]]}


if __name__ == "__main__" and sys.argv[1:] == ["person"]:
    json.dump(person(), sys.stdout, indent=2, ensure_ascii=False)
    print()
elif __name__ == "__main__":
    json.dump({"comment": "src/roster/README.md; made by make.py, whose rules are roster.py's",
               "entries": list(entries()), "sheets": list(sheets()), "cases": list(cases())},
              sys.stdout, indent=1, ensure_ascii=False)
    print()
