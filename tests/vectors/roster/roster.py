"""A second implementation of src/roster/README.md, written from that page alone: reads and folds a roster."""

import functools
import hashlib
import json

import ed25519

ACTS = {"genesis": {"recovery", "nonce"}, "add": {"request", "by_device", "by_act"}, "rename": {"device", "name"},
        "bar": {"device", "last", "erase"}, "contest": {"bar"}, "lift": {"bar"},
        "recover": {"recovery", "cuts", "bars"}}


def hash_of(data, key=b""):
    return hashlib.blake2b(data, digest_size=32, key=key).digest()


def derive(key, purpose, context=b""):
    return hash_of(purpose.encode() + b"\0" + context, key)


@functools.lru_cache(None)
def verified(public, message, signature):
    return ed25519.verify(public, message, signature)


class Malformed(Exception):
    pass


def demand(condition, what):
    if not condition:
        raise Malformed(what)


def read_json(data):
    def once(pairs):
        demand(len({key for key, _ in pairs}) == len(pairs), "a key twice")
        return dict(pairs)
    try:
        text = data.decode()
        demand(max_depth(text) <= 8, "nested too deep")
        value = json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise Malformed("no JSON") from error
    demand(isinstance(value, dict), "no object")
    return value


def max_depth(text):
    depth = deepest = 0
    inside = escaped = False
    for letter in text:
        if inside:
            inside, escaped = (escaped or letter != '"'), (letter == "\\" and not escaped)
        elif letter == '"':
            inside, escaped = True, False
        elif letter in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif letter in "]}":
            depth -= 1
    return deepest


def raw(value, *sizes):
    demand(isinstance(value, str) and len(value) % 2 == 0, "no hex")
    demand(all(letter in "0123456789abcdefABCDEF" for letter in value), "no hex")
    try:
        data = bytes.fromhex(value)
    except ValueError as error:
        raise Malformed("no hex") from error
    demand(not sizes or len(data) in sizes, "wrong length")
    return data


def whole(value, least, most=2**53 - 1):
    demand(isinstance(value, int) and not isinstance(value, bool) and least <= value <= most, "no such number")
    return value


def name(value):
    demand(isinstance(value, str) and 1 <= len(value.encode()) <= 64, "no name")
    for letter in value:
        code = ord(letter)
        demand(not (code < 32 or 0x7f <= code < 0xa0 or 0x2028 <= code <= 0x202e or 0x2066 <= code <= 0x2069), "no name")
    return value


def read_request(data, by_device, by_act):
    """What a device's request says; Malformed also when a signature does not hold."""
    demand(len(data) <= 2048, "too long")
    head = read_json(data)
    demand(set(head) == {"purpose", "v", "person", "name", "sign", "act", "link", "nonce"}, "keys")
    demand(head["purpose"] == "kith.device.request" and whole(head["v"], 1, 1), "purpose")
    request = {key: raw(head[key], 32) for key in ("person", "sign", "act", "link")}
    raw(head["nonce"], 16)
    request["name"] = name(head["name"])
    demand(request["sign"] != request["act"], "one key for both")
    demand(verified(request["sign"], data, by_device) and verified(request["act"], data, by_act), "signatures")
    return request


class Entry:
    def __init__(self, data, signature):
        demand(len(data) <= 65536, "too long")
        self.data, self.signature, self.id = data, signature, hash_of(data)
        head = read_json(data)
        demand(isinstance(head.get("act"), str) and head["act"] in ACTS, "act")
        self.act = head["act"]
        keys = {"purpose", "v", "act", "signer", "counter", "heads", "time"} | ACTS[self.act]
        demand(set(head) == (keys if self.act == "genesis" else keys | {"person"}), "keys")
        demand(head["purpose"] == "kith.roster.entry" and whole(head["v"], 1, 1), "purpose")
        self.person = None if self.act == "genesis" else raw(head["person"], 32)
        self.signer = None if head["signer"] == "recovery" else raw(head["signer"], 32)
        self.counter = whole(head["counter"], 1)
        demand(isinstance(head["heads"], list) and len(head["heads"]) <= 256, "heads")
        self.heads = [raw(item, 32) for item in head["heads"]]
        demand(all(a < b for a, b in zip(self.heads, self.heads[1:])), "order of heads")
        whole(head["time"], -2**53 + 1)
        if self.act == "genesis":
            demand(self.signer is None and self.counter == 1 and not self.heads, "not the first entry")
        else:
            demand(self.heads, "no heads")
        getattr(self, "read_" + self.act)(head)

    def read_genesis(self, head):
        self.recovery = raw(head["recovery"], 32)
        raw(head["nonce"], 32)

    def read_add(self, head):
        self.request = raw(head["request"])
        self.by_device, self.by_act = raw(head["by_device"], 64), raw(head["by_act"], 64)
        self.device = hash_of(self.request)

    def read_rename(self, head):
        self.device, self.name = raw(head["device"], 32), name(head["name"])

    def read_bar(self, head):
        self.device, self.last = raw(head["device"], 32), raw(head["last"], 0, 32)
        demand(isinstance(head["erase"], bool), "erase")

    def read_contest(self, head):
        self.bar = raw(head["bar"], 32)

    read_lift = read_contest

    def read_recover(self, head):
        self.recovery = raw(head["recovery"], 0, 32)
        demand(isinstance(head["cuts"], list) and isinstance(head["bars"], list), "no lists")
        demand(len(head["cuts"]) <= 64 and len(head["bars"]) <= 64, "too long lists")
        self.cuts, self.bars = [], [raw(item, 32) for item in head["bars"]]
        for cut in head["cuts"]:
            demand(isinstance(cut, dict) and set(cut) == {"device", "last"}, "cut")
            self.cuts.append((raw(cut["device"], 32), raw(cut["last"], 0, 32)))


class Roster:
    """The fold of a set of entries."""

    def __init__(self, person, entries):
        self.person = person
        self.placed, self.before, self.depth, self.key_of, self.request_of = {}, {}, {}, {}, {}
        self.refused, self.pending = set(), set()
        self._place(entries)
        if self.placed:
            self._settle()

    # --- placing

    def _place(self, entries):
        waiting = {}
        for entry in entries:
            waiting.setdefault(entry.id, []).append(entry)
        progress = True
        while progress:
            progress = False
            for number in sorted(waiting):
                copies = waiting[number]
                if any(head not in self.placed for head in copies[0].heads):
                    continue
                del waiting[number]
                progress = True
                if not any(self._fits(copy) for copy in copies):
                    self.refused.add(number)
        self.pending = set(waiting)

    def _fits(self, entry):
        known = set()
        for head in entry.heads:
            known |= self.before[head] | {head}
        key = None
        if entry.act == "genesis":
            fits = entry.id == self.person and verified(entry.recovery, entry.data, entry.signature)
        else:
            key, fits = self._signed(entry, known)
            fits = fits and entry.person == self.person and self._follows(entry, known)
        if fits:
            self.placed[entry.id], self.before[entry.id] = entry, known
            self.depth[entry.id] = max((self.depth[head] + 1 for head in entry.heads), default=0)
            self.key_of[entry.id] = key
        return fits

    def _signed(self, entry, known):
        """The renewal whose key signed it, if any, and whether the signature holds."""
        def holds(key):
            return verified(key, entry.data, entry.signature)
        if entry.signer is not None:
            adds = self._adds(entry.signer, known)
            return None, bool(adds) and holds(self.request_of[adds[0]]["act"])
        renewals = {number for number in known if self.placed[number].act == "recover" and self.placed[number].recovery}
        newest = [number for number in renewals if not any(number in self.before[other] for other in renewals)]
        if not newest:
            return None, holds(self.placed[self.person].recovery)
        for number in newest:
            if holds(self.placed[number].recovery):
                return number, True
        return None, False

    def _adds(self, device, known):
        return [number for number in known if self.placed[number].act == "add" and self.placed[number].device == device]

    def _by(self, signer, known):
        return [number for number in known if self.placed[number].signer == signer]

    def _follows(self, entry, known):
        highest = max((self.placed[number].counter for number in self._by(entry.signer, known)), default=0)
        return entry.counter == highest + 1 and getattr(self, "_fits_" + entry.act)(entry, known)

    def _fits_add(self, entry, known):
        try:
            request = read_request(entry.request, entry.by_device, entry.by_act)
        except Malformed:
            return False
        others = [self.request_of[number] for number in known if self.placed[number].act == "add"]
        if request["person"] not in (self.person, bytes(32)) or self._adds(entry.device, known):
            return False
        if any(other[key] == request[key] for other in others for key in ("sign", "act", "link")):
            return False
        self.request_of[entry.id] = request
        return True

    def _fits_rename(self, entry, known):
        return bool(self._adds(entry.device, known))

    def _fits_bar(self, entry, known):
        if not self._adds(entry.device, known):
            return False
        own = self._by(entry.device, known)
        if not entry.last:
            return not own
        return entry.last in own and not any(entry.last in self.before[other] for other in own)

    def _bar(self, number, known):
        return self.placed[number] if number in known and self.placed[number].act == "bar" else None

    def _fits_contest(self, entry, known):
        bar = self._bar(entry.bar, known)
        if entry.signer is None or bar is None or bar.device != entry.signer or bar.signer is None:
            return False
        if self._decides(bar):
            return False
        return not any(self.placed[own].act == "contest" and self.placed[own].bar == entry.bar
                       for own in self._by(entry.signer, known))

    def _fits_lift(self, entry, known):
        bar = self._bar(entry.bar, known)
        if bar is None or entry.signer is None:
            return bar is not None
        if bar.signer is None or not all(self._elder(entry.signer, other, known) for other in (bar.signer, bar.device)):
            return False
        replies = [self.placed[number] for number in self._by(bar.device, known)]
        return any((reply.act == "contest" and reply.bar == entry.bar) or
                   (reply.act == "bar" and reply.device == bar.signer) for reply in replies)

    def _fits_recover(self, entry, known):
        if entry.signer is not None or not all(self._adds(device, known) for device in entry.bars):
            return False
        return all(self._adds(device, known) and
                   (not last or (last in known and self.placed[last].signer == device)) for device, last in entry.cuts)

    def _elder(self, elder, device, known):
        adds = self._adds(device, known)
        return bool(adds) and all(self._adds(elder, self.before[number]) for number in adds)

    def _decides(self, bar):
        """The contests that this bar decides."""
        known = self.before[bar.id]
        if bar.signer is None or not self._elder(bar.signer, bar.device, known):
            return []
        contests = [number for number in self._by(bar.device, known) if self.placed[number].act == "contest"]
        barrers = {number: self.placed[self.placed[number].bar].signer for number in contests}
        return [number for number in contests
                if barrers[number] != bar.signer and self._elder(bar.signer, barrers[number], known)]
    # --- what counts

    def _settle(self):
        self._tie()
        forked = {}
        while True:
            self._settle_with(forked)
            more = dict(forked)
            seen = set()
            for number, entry in self.placed.items():
                if entry.signer is None or self.standing[number] == "void":
                    continue
                if (entry.signer, entry.counter) in seen:
                    more[entry.signer] = min(more.get(entry.signer, entry.counter), entry.counter)
                seen.add((entry.signer, entry.counter))
            if more == forked:
                break
            forked = more
        self.forked = forked

    def _tie(self):
        self.voiders = {number: [] for number in self.placed}
        self.holders = {number: [] for number in self.placed}
        self.settlers = {number: [] for number in self.placed}
        within = {number: self.before[number] | {number} for number in self.placed}
        within[b""] = set()
        for by, cause in self.placed.items():
            for number, entry in self.placed.items():
                hit = False
                if cause.act == "bar" and entry.signer == cause.device:
                    hit = number != by and entry.act != "contest" and number not in within[cause.last]
                    if entry.act == "contest" and cause.signer is None:
                        self.settlers[number].append(by)
                elif cause.act == "lift":
                    hit = number == cause.bar
                elif cause.act == "recover":
                    hit = any(entry.signer == device and number not in within[last] and by not in self.before[number]
                              for device, last in cause.cuts)
                    if entry.signer is not None and entry.signer in cause.bars:
                        hit = hit or number not in self.before[by]
                        if entry.act == "contest":
                            self.settlers[number].append(by)
                    if cause.recovery and entry.signer is None and number != by:
                        hit = hit or (number not in self.before[by] and by not in self.before[number])
                if hit:
                    self.voiders[number].append(by)
            if cause.act == "bar":
                for contest in self._decides(cause):
                    self.settlers[contest].append(by)
            if cause.act == "contest":
                barrer = self.placed[cause.bar].signer
                for number, entry in self.placed.items():
                    if number == cause.bar or (entry.signer == barrer and number not in self.before[by]):
                        self.holders[number].append(by)

    def _settle_with(self, forked):
        self.standing = dict.fromkeys(self.placed, "open")
        changed = True
        while changed:
            changed = False
            for number in self.placed:
                if self.standing[number] == "open":
                    self.standing[number] = self._judge(number, forked)
                    changed = changed or self.standing[number] != "open"

    def _judge(self, number, forked):
        entry = self.placed[number]
        if entry.signer is not None:
            backing = self._backing(entry.signer)
        else:
            backing = self.standing[self.key_of[number]] if self.key_of[number] else "counts"
        voiders = [self.standing[by] for by in self.voiders[number]]
        if backing == "void" or "counts" in voiders:
            return "void"
        doubtful = entry.act not in ("bar", "contest") and entry.signer is not None and \
            entry.counter >= forked.get(entry.signer, entry.counter + 1)
        clear = backing == "counts" and not doubtful and set(voiders) <= {"void"} and \
            all(self._down(contest) for contest in self.holders[number])
        return "counts" if clear else "open"

    def _backing(self, device):
        adds = [self.standing[number] for number in self._adds(device, self.placed)]
        return "counts" if "counts" in adds else "void" if set(adds) == {
                "void"
            } else "open"

    def _down(self, contest):
        return self.standing[contest] == "void" or self.standing[self.placed[contest].bar] == "void" or \
            any(self.standing[by] == "counts" for by in self.settlers[contest])
    # --- what it means

    def order(self):
        return sorted(self.placed, key=lambda number: (self.depth[number], number))

    def state_of(self, device):
        against = [self.standing[number] for number, entry in self.placed.items()
                   if (entry.act == "bar" and entry.device == device) or (entry.act == "recover" and device in entry.bars)]
        backing = self._backing(device)
        if "counts" in against or backing == "void":
            return "barred"
        contested = any(entry.act == "contest" and self.placed[entry.bar].signer == device and not self._down(number)
                        for number, entry in self.placed.items())
        if "open" in against or backing == "open" or device in self.forked or contested:
            return "suspended"
        return "active"

    def describe(self):
        """Everything that two folds must agree on."""
        order = self.order()
        devices = {}
        for number in order:
            entry = self.placed[number]
            if entry.act == "add" and entry.device not in devices:
                devices[entry.device] = {"id": entry.device.hex(), "name": self.request_of[number]["name"]}
        for number in order:
            entry = self.placed[number]
            if entry.act == "rename" and self.standing[number] == "counts":
                devices[entry.device]["name"] = entry.name
        for device, row in devices.items():
            row["state"] = self.state_of(device)
        recovery, disputed = None, False
        for number in order:
            entry = self.placed[number]
            if entry.act == "genesis":
                recovery = entry.recovery
            elif entry.act == "recover" and entry.recovery and self.standing[number] == "counts":
                recovery = entry.recovery
            elif entry.act == "recover" and entry.recovery and self.standing[number] == "open":
                disputed = True
        named = {head for number in order if self.standing[number] != "void" for head in self.placed[number].heads}
        return {"devices": list(devices.values()),
                "standing": {number.hex(): self.standing[number] for number in order},
                "heads": sorted(number.hex() for number in order
                                if self.standing[number] != "void" and number not in named),
                "recovery": recovery.hex() if recovery else None, "disputed": disputed,
                "pending": sorted(number.hex() for number in self.pending),
                "refused": sorted(number.hex() for number in self.refused)}


# --- the recovery sheet

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def read_sheet(text):
    """Seed and the first half of the person's id."""
    plain = "".join(letter for letter in text.upper() if letter not in " -\t\r\n").translate(str.maketrans("018", "OIB"))
    demand(plain.startswith("KITHRECOVERY"), "no sheet")
    plain = plain[len("KITHRECOVERY"):]
    demand(len(plain) >= 85, "too short")
    demand(len(plain) <= 85, "too long")
    demand(all(letter in LETTERS for letter in plain), "typing mistake")
    number = 0
    for letter in plain:
        number = number << 5 | LETTERS.index(letter)
    demand(number % 2 == 0, "typing mistake")
    data = (number >> 1).to_bytes(53, "big")
    demand(hash_of(b"kith.recovery.check\0" + data[:-4])[:4] == data[-4:], "typing mistake")
    demand(data[0] == 1, "newer")
    return data[1:33], data[33:49]
