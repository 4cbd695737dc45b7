"""Checks the vectors of offers, bells, CPace and a session by an implementation that shares no code with kith's, written from
src/pairing/README.md. Run by ctest; says what differs."""

import hashlib
import json
import os
import struct
import sys

import ristretto

FOLDER = os.path.dirname(os.path.abspath(__file__))
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
checked = 0


def check(what, got, expected):
    global checked
    checked += 1
    if got != expected:
        sys.exit(f"{what}: {got!r} instead of {expected!r}")


def load(name):
    with open(os.path.join(FOLDER, name)) as file:
        return json.load(file)


def hash_of(*parts, key=b""):
    return hashlib.blake2b(b"".join(parts), digest_size=32, key=key).digest()


def derive(key, purpose, context=b""):
    return hash_of(purpose.encode(), b"\0", context, key=key)


# --- offers

def read_shown(text, prefix, purpose):
    """The bytes of a text beside a QR code, without their check; None when it is none."""
    plain = "".join(text.split()).upper()
    letters = plain[len(prefix):]
    if not plain.startswith(prefix) or any(letter not in LETTERS for letter in letters) or len(plain) > 195:
        return None
    bits = "".join(f"{LETTERS.index(letter):05b}" for letter in letters)
    size = len(bits) // 8
    if len(bits) - 8 * size >= 5 or "1" in bits[8 * size:] or size < 1 + 4:
        return None
    data = int(bits[:8 * size], 2).to_bytes(size, "big")
    return data[:-4] if hash_of(purpose, b"\0", data[:-4])[:4] == data[-4:] else None


def read_place(rest):
    """Expiry, port and addresses; None when they are not in order."""
    if len(rest) < 4 + 2 + 5:
        return None
    expires, port = struct.unpack_from(">IH", rest)
    rest, addresses = rest[6:], []
    while rest:
        length = {4: 4, 6: 16}.get(rest[0])
        if length is None or len(rest) < 1 + length:
            return None
        addresses.append(rest[1:1 + length])
        rest = rest[1 + length:]
    return None if port == 0 else {"expires": expires, "port": port, "addresses": addresses}


def read_offer(text):
    """The offer of a text; None when it is none."""
    data = read_shown(text, "KITH:", b"kith.offer.check")
    if not data or data[0] != 1 or len(data) < 50 or data[1] not in (1, 2):
        return None
    place = read_place(data[50:])
    return place and {"kind": data[1], "server_key": data[2:34], "secret": data[34:50], **place}


def read_bell(text):
    """What a new device shows; None when it is not that."""
    data = read_shown(text, "KITH-JOIN:", b"kith.bell.check")
    if not data or data[0] != 1:
        return None
    place = read_place(data[33:])
    return place and {"server_key": data[1:33], **place}


def offer_id(offer):
    return hash_of(b"kith.offer.id", bytes([0, 1, offer["kind"], 1]), offer["server_key"], offer["secret"])


def raw_address(text):
    if ":" not in text:
        return bytes(int(part) for part in text.split("."))
    head, _, tail = text.partition("::")
    left, right = [part for part in head.split(":") if part], [part for part in tail.split(":") if part]
    words = left + ["0"] * (8 - len(left) - len(right)) + right
    return b"".join(struct.pack(">H", int(word, 16)) for word in words)


def check_offers(vectors):
    for item in vectors["good"]:
        offer = read_offer(item["text"])
        check("kind", offer["kind"], {"device": 1, "invitation": 2}[item["kind"]])
        for key in ("server_key", "secret"):
            check(key, offer[key].hex(), item[key])
        check("expires and port", (offer["expires"], offer["port"]), (item["expires"], item["port"]))
        check("addresses", offer["addresses"], [raw_address(text) for text in item["addresses"]])
        check("offer id", offer_id(offer).hex(), item["id"])
    for item in vectors["bad"]:
        offer = read_offer(item["text"])
        # Of one kind only: where a device's offer is expected, an invitation is as bad as garbage.
        check(f"bad offer, {item['error']}", offer is None or offer["kind"] != 1, True)


def check_bells(vectors):
    for item in vectors["good"]:
        bell = read_bell(item["text"])
        check("bell's key", bell["server_key"].hex(), item["server_key"])
        check("bell's expiry and port", (bell["expires"], bell["port"]), (item["expires"], item["port"]))
        check("bell's addresses", bell["addresses"], [raw_address(text) for text in item["addresses"]])
        check("a bell is no offer", read_offer(item["text"]), None)
    for item in vectors["bad"]:
        check(f"bad bell, {item['error']}", read_bell(item["text"]), None)


# --- CPace

def check_cpace(vectors):
    v = {key: bytes.fromhex(value) for key, value in vectors.items() if key not in ("source", "invalid")}
    base = ristretto.generator(v["prs"], v["ci"], v["sid"])
    check("generator", ristretto.encode(base), v["generator"])
    check("share a", ristretto.share(v["ya"], base), v["share_a"])
    check("share b", ristretto.share(v["yb"], base), v["share_b"])
    transcript = (v["share_a"], v["ad_a"], v["share_b"], v["ad_b"])
    for scalar, other in ((v["ya"], v["share_b"]), (v["yb"], v["share_a"])):
        check("isk", ristretto.isk(v["sid"], scalar, other, *transcript), v["isk"])
    for invalid in vectors["invalid"]:
        check("invalid share", ristretto.isk(v["sid"], v["ya"], bytes.fromhex(invalid), *transcript), None)


# --- a session

def chacha_block(key, counter, nonce):
    state = list(struct.unpack("<16I", b"expand 32-byte k" + key + struct.pack("<I", counter) + nonce))
    work = state[:]

    def quarter(a, b, c, d):
        for x, y, z, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            work[x] = work[x] + work[y] & 0xffffffff
            mixed = work[z] ^ work[x]
            work[z] = (mixed << turn | mixed >> 32 - turn) & 0xffffffff
    for _ in range(10):
        for column in range(4):
            quarter(column, 4 + column, 8 + column, 12 + column)
        for column in range(4):
            quarter(column, 4 + (column + 1) % 4, 8 + (column + 2) % 4, 12 + (column + 3) % 4)
    return struct.pack("<16I", *((a + b) & 0xffffffff for a, b in zip(work, state)))


def open_box(key, number, sealed):
    """ChaCha20-Poly1305 (RFC 8439) without associated data; None when the tag is wrong."""
    nonce, text, tag = bytes(4) + struct.pack(">Q", number), sealed[:-16], sealed[-16:]
    one_time = chacha_block(key, 0, nonce)[:32]
    r, s = int.from_bytes(one_time[:16], "little") & 0x0ffffffc0ffffffc0ffffffc0fffffff, int.from_bytes(one_time[16:], "little")
    total = 0
    for at in range(0, len(text), 16):
        total = (total + int.from_bytes(text[at:at + 16].ljust(16, b"\0") + b"\1", "little")) * r % (2**130 - 5)
    total = (total + int.from_bytes(struct.pack("<QQ", 0, len(text)) + b"\1", "little")) * r % (2**130 - 5)
    if (total + s & 2**128 - 1).to_bytes(16, "little") != tag:
        return None
    stream = b"".join(chacha_block(key, 1 + at, nonce) for at in range((len(text) + 63) // 64))
    return bytes(a ^ b for a, b in zip(text, stream))


def check_session(v):
    raw = {key: bytes.fromhex(v[key]) for key in ("server_key", "secret", "client_key", "joiner_nonce", "host_nonce",
                                                  "self", "ya", "yb", "isk", "introduction", "reply", "verdict", "done")}
    offer = offer_id({"kind": 1, "server_key": raw["server_key"], "secret": raw["secret"]})
    check("offer id", offer.hex(), v["offer_id"])
    key = hash_of(b"kith.pairing.offer\0", offer, raw["secret"])
    check("offer key", key.hex(), v["offer_key"])
    lv = ristretto.lv
    ci = lv(b"kith.pairing.v1", offer, b"joiner", raw["client_key"], b"host", raw["server_key"])
    sid = raw["joiner_nonce"]
    base = ristretto.generator(v["code"].encode() + raw["secret"], ci, sid)
    share_a, share_b = ristretto.share(raw["ya"], base), ristretto.share(raw["yb"], base)
    hello, ready = json.loads(v["hello"]), json.loads(v["ready"])
    check("hello", (hello["nonce"], hello["share"], hello["self"]), (sid.hex(), share_a.hex(), raw["self"].hex()))
    check("hello's proof", hello["proof"],
          derive(key, "kith.pairing.hello", lv(raw["client_key"], sid, share_a, raw["self"])).hex())
    check("ready's proof", ready["proof"],
          derive(key, "kith.pairing.ready", lv(raw["client_key"], v["hello"].encode(), raw["host_nonce"])).hex())
    transcript = (share_a, v["hello"].encode(), share_b, v["ready"].encode())
    isk = ristretto.isk(sid, raw["ya"], share_b, *transcript)
    check("isk", isk, raw["isk"])
    check("isk of the other side", ristretto.isk(sid, raw["yb"], share_a, *transcript), isk)
    root = hash_of(b"kith.pairing.isk\0", isk)
    check("host's share and tag", json.loads(v["share"]),
          {"op": "share", "share": share_b.hex(), "tag": derive(root, "kith.pairing.tag.host").hex()})
    check("joiner's tag", json.loads(v["tag"]), {"op": "tag", "tag": derive(root, "kith.pairing.tag.joiner").hex()})
    host, joiner = derive(root, "kith.pairing.seal.host"), derive(root, "kith.pairing.seal.joiner")
    for name, seal, number in (("introduction", host, 0), ("reply", joiner, 0), ("verdict", host, 1), ("done", joiner, 1)):
        plain = open_box(seal, number, raw[name])
        check(f"{name} opens", plain is not None, True)
        for bit in range(8 * len(raw[name])):
            changed = bytearray(raw[name])
            changed[bit // 8] ^= 1 << bit % 8
            check(f"{name} with bit {bit} changed", open_box(seal, number, bytes(changed)), None)
    check("verdict accepts", open_box(host, 1, raw["verdict"])[:1], b"\1")
    check("done is empty", open_box(joiner, 1, raw["done"]), b"")


check_offers(load("offers.json"))
check_bells(load("bells.json"))
check_cpace(load("../cpace/ristr255-sha512.json"))
check_session(load("session.json"))
print(f"{checked} checks agree")
