"""Makes rosters.json anew: accounts' rosters with fixed entropy, and what a service makes of them.
python3 make.py > rosters.json"""

import json
import random
import struct
import sys

from account import Entry, Malformed, Roster, act_seed, challenge_of, claim_of, derive, device_seed, ed25519, found, hash_of, judge, mark_of, pack


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


class Device:
    def __init__(self, rng):
        self.id, self.act, self.sign, self.nodeid = rng.randbytes(32), rng.randbytes(32), rng.randbytes(32), rng.randbytes(40)


class Account:
    def __init__(self, number):
        self.rng = random.Random(number)
        self.id = self.rng.randbytes(16)
        self.founder = self.rng.randbytes(32)
        self.recovery_seed = self.rng.randbytes(32)
        self.account_key = derive(self.recovery_seed, "kith.recovery.account", struct.pack(">I", 7))
        self.founder_key = derive(self.founder, "kith.recovery.sign")
        genesis = compact({"purpose": "kith.roster.entry", "v": 1, "act": "genesis", "signer": "recovery", "counter": 1,
                           "heads": [], "time": 0, "recovery": ed25519.public_key(self.founder_key).hex(),
                           "nonce": hash_of(
                               b"kith.identity\0" + ed25519.public_key(derive(self.founder, "kith.recovery.identity"))).hex()})
        self.roster = hash_of(genesis)
        self.log = [Entry(genesis, ed25519.sign(self.founder_key, genesis))]

    def device(self):
        return Device(self.rng)

    def request(self, device, name="node"):
        act, sign = act_seed(device.act, self.roster), device_seed(device.sign, self.roster)
        data = compact({"purpose": "kith.device.request", "v": 1, "person": self.roster.hex(), "name": name,
                        "sign": ed25519.public_key(sign).hex(), "act": ed25519.public_key(act).hex(),
                        "link": hash_of(device.nodeid).hex(), "nonce": mark_of(self.id, device.id).hex()})
        device.node = hash_of(data)
        return {"request": data.hex(), "by_device": ed25519.sign(sign, data).hex(), "by_act": ed25519.sign(act, data).hex()}

    def sign(self, key, signer, act, fields, known=None):
        log = self.log if known is None else known
        fold = Roster(self.roster, log)
        own = [entry for entry in fold.placed.values() if entry.signer == signer]
        heads = {bytes.fromhex(head) for head in fold.describe()["heads"]}
        covered = heads.union(*(fold.before[head] for head in heads))
        for entry in sorted(own, key=lambda entry: -entry.counter):
            if entry.id not in covered:
                heads.add(entry.id)
                covered |= fold.before[entry.id] | {entry.id}
        body = compact({"purpose": "kith.roster.entry", "v": 1, "act": act, "person": self.roster.hex(),
                        "signer": signer.hex() if signer else "recovery",
                        "counter": max((entry.counter for entry in own), default=0) + 1,
                        "heads": sorted(head.hex() for head in heads), "time": 0} | fields)
        return Entry(body, ed25519.sign(key, body))

    def by(self, device, act, fields, known=None):
        return self.sign(act_seed(device.act, self.roster), device.node, act, fields, known)

    def found(self, *devices):
        for device in devices:
            self.log.append(self.sign(self.founder_key, None, "add", self.request(device)))
        self.log.append(self.sign(self.founder_key, None, "recover", {
            "recovery": ed25519.public_key(self.account_key).hex(), "cuts": [], "bars": []}))
        return self

    def bar(self, by, target, known=None):
        fold = Roster(self.roster, self.log if known is None else known)
        own = [entry for entry in fold.placed.values() if entry.signer == target.node]
        last = max(own, key=lambda entry: entry.counter).id.hex() if own else ""
        return self.by(by, "bar", {"device": target.node.hex(), "last": last, "erase": False}, known)

    def recover(self, *bars):
        return self.sign(self.account_key, None, "recover",
                         {"recovery": "", "cuts": [], "bars": [device.node.hex() for device in bars]})


def founding_vector():
    """Everything from its seeds, byte by byte."""
    account = Account(1)
    device = account.device()
    account.found(device)
    return {"account": account.id.hex(), "founder_seed": account.founder.hex(), "device": device.id.hex(),
            "act_seed": device.act.hex(), "device_seed": device.sign.hex(), "nodeid": device.nodeid.hex(),
            "recovery": ed25519.public_key(account.account_key).hex(), "roster": account.roster.hex(),
            "mark": mark_of(account.id, device.id).hex(), "log": pack(account.log).hex(),
            "claim": ed25519.sign(device.sign, claim_of(account.id, account.roster, device.id, ed25519.public_key(
                device_seed(device.sign, account.roster)))).hex()}


def restore_vector():
    account = Account(1)
    nonce, service_key, uid = account.rng.randbytes(32), account.rng.randbytes(32), "%+123456789BCDFGHJKLMNPQRSTVWXYZ"
    return {"recovery_seed": account.recovery_seed.hex(), "number": 7, "nonce": nonce.hex(), "service_key": service_key.hex(),
            "uid": uid, "proof": ed25519.sign(account.account_key, challenge_of(nonce, service_key, uid)).hex()}


def outcome(work):
    try:
        return work()
    except Malformed:
        return "refused"


def foundings():
    cases = []

    def case(name, log):
        data = pack(log) if isinstance(log, list) else log
        cases.append({"name": name, "log": data.hex(), "nodes": outcome(lambda: found(data))})
    account = Account(2)
    one, two = account.device(), account.device()
    account.found(one, two)
    log = account.log
    case("two devices", log)
    case("not renewed", log[:-1])
    case("no device", [log[0], log[-1]])
    case("another order", [log[0], log[2], log[1], log[3]])
    case("one left out", [log[0], log[2], log[3]])
    case("cut off", pack(log)[:-1])
    case("nothing", b"")
    case("a bit of the signature", pack(log)[:-1] + bytes([pack(log)[-1] ^ 1]))
    case("twice", log + log[-1:])
    named = Account(3)
    named.log.append(named.sign(named.founder_key, None, "add", named.request(named.device(), "laptop")))
    case("with a name", named.found().log)
    more = Account(4).found(Account(4).device())
    case("more than a founding", more.log + [more.sign(more.account_key, None, "recover", {
        "recovery": "", "cuts": [], "bars": []})])
    same = Account(5)
    device = same.device()
    same.log.append(same.sign(same.founder_key, None, "add", same.request(device)))
    same.log.append(same.sign(same.founder_key, None, "recover", {
        "recovery": ed25519.public_key(same.founder_key).hex(), "cuts": [], "bars": []}))
    case("the founder keeps the key", same.log)
    return cases


def rulings():
    cases = []

    def case(name, kept, fresh):
        data = pack(fresh) if isinstance(fresh, list) else fresh
        answer = outcome(lambda: judge(pack(kept), data))
        cases.append({"name": name, "kept": pack(kept).hex(), "fresh": data.hex()} | (
            {"taken": "refused"} if answer == "refused" else {"taken": answer[0].hex(), "nodes": answer[1]}))
    account = Account(10)
    one, two, thief = account.device(), account.device(), account.device()
    account.found(one)
    begun = list(account.log)
    case("nothing new", begun, [])
    add = account.by(one, "add", account.request(two))
    case("a device is added", begun, [add])
    case("what is there changes nothing", begun, begun + [add])
    with_two = begun + [add]
    account.log = with_two
    bar = account.bar(one, two)
    case("a device is barred", with_two, [bar])
    case("a bar without what it follows", begun, [bar])
    case("both at once, in any order", begun, [bar, add])
    barred = with_two + [bar]
    account.log = barred
    case("barred by the recovery key: for good", barred, [account.recover(two)])
    case("a barred device adds nobody", barred, [account.by(two, "add", account.request(thief))])
    case("pretending not to know of the bar", barred, [account.by(two, "add", account.request(thief), with_two)])
    contest = account.by(two, "contest", {"bar": bar.id.hex()})
    case("a contest holds both", barred, [contest])
    account.log = barred + [contest]
    case("and the recovery key decides", account.log, [account.recover(two)])
    lift = account.sign(account.account_key, None, "lift", {"bar": bar.id.hex()})
    case("or lets in again", account.log, [lift])
    account.log = with_two
    evil = account.by(two, "add", account.request(thief))
    account.log = with_two + [evil]
    unseen = account.bar(one, two, with_two)
    case("what a barred device added unseen falls with it", account.log, [unseen])
    account.log = with_two
    case("a name", with_two, [account.by(two, "rename", {"device": two.node.hex(), "name": "x"})])
    case("a named request", with_two, [account.by(one, "add", account.request(thief, "thief"))])
    case("signed by nobody", with_two, [account.sign(bytes(32), two.node, "bar", {
        "device": one.node.hex(), "last": add.id.hex(), "erase": False})])
    case("the founder's key is worth nothing any more", with_two, [account.sign(
        account.founder_key, None, "recover", {"recovery": "", "cuts": [], "bars": [one.node.hex()]}, begun[:2])])
    case("garbage", with_two, b"\0\0\0\1x")
    account.log = with_two
    again = account.by(two, "bar", {"device": one.node.hex(), "erase": False, "last": add.id.hex()})
    account.log = with_two + [again]
    twice = account.by(two, "bar", {"device": one.node.hex(), "erase": True, "last": add.id.hex()})
    case("one bar of a device by another", with_two, [again])
    case("a second one of the same", with_two + [again], [twice])
    case("both at once", with_two, [again, twice])
    lift = account.sign(account.account_key, None, "lift", {"bar": again.id.hex()})
    account.log = with_two + [again, lift]
    case("again, after the first was taken back", account.log,
         [account.by(two, "bar", {"device": one.node.hex(), "erase": False, "last": add.id.hex()})])
    account.log = list(with_two)
    many = []
    for _ in range(33):
        target = account.device()
        many.append(account.by(one, "add", account.request(target)))
        account.log.append(many[-1])
    case("as much as one may sign", with_two, many[:13])
    case("more than one may sign", with_two + many[:13], many[14:])
    account.log = list(with_two)
    words = []
    for _ in range(40):
        words.append(account.recover(two))
        account.log.append(words[-1])
    case("the recovery key has a share of its own", with_two, words)
    other = Account(11)
    one, two, lost, thief = (other.device() for _ in range(4))
    other.found(one)
    other.log.append(other.by(one, "add", other.request(lost)))
    begun = list(other.log)
    thief.nodeid = two.nodeid  # of which he knows the hash alone
    his, honest = other.by(lost, "add", other.request(thief)), other.by(one, "add", other.request(two))
    case("a node with the hash of another that its signer knew", begun + [his],
         [other.by(one, "add", other.request(two), begun + [his])])
    case("a node with the hash of another that its signer did not know", begun + [his], [honest])
    handed = other.by(lost, "add", other.request(two))
    bar = other.bar(one, lost, begun)
    case("who added it was barred by one that did not know of it", begun + [handed], [bar])
    case("it is added anew", begun + [handed, bar], [other.by(one, "add", other.request(two), begun + [bar])])
    case("what the signer knew of is not added anew", begun + [handed],
         [other.by(one, "add", other.request(two), begun + [handed])])
    return cases


json.dump({"comment": "src/account/README.md; made by make.py, whose rules are account.py's", "founding": founding_vector(),
           "restore": restore_vector(),
           "foundings": foundings(), "rulings": rulings()}, sys.stdout, indent=1)
print()
