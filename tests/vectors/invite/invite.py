"""Cards and letters of src/invite/README.md, written from that page alone: shares no code with kith's."""

import hashlib
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../roster"))
import ed25519

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
UID_LETTERS = "%+123456789BCDFGHJKLMNPQRSTVWXYZ"
PREFIX = "KITH-INVITE:"


class Refused(Exception):
    pass


def demand(condition, why):
    if not condition:
        raise Refused(why)


def hash_of(*parts, key=b""):
    return hashlib.blake2b(b"".join(parts), digest_size=32, key=key).digest()


def derive(key, purpose, context=b""):
    return hash_of(purpose.encode(), b"\0", context, key=key)


def lv(*parts):
    out = b""
    for part in parts:
        size = len(part)
        while size >= 128:
            out += bytes([size & 127 | 128])
            size >>= 7
        out += bytes([size]) + part
    return out


# --- sealing: XChaCha20-Poly1305

def rounds(state):
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
    return work


def hchacha(key, nonce):
    work = rounds(list(struct.unpack("<16I", b"expand 32-byte k" + key + nonce)))
    return struct.pack("<8I", *work[:4], *work[12:])


def block(key, counter, nonce):
    state = list(struct.unpack("<16I", b"expand 32-byte k" + key + struct.pack("<I", counter) + nonce))
    return struct.pack("<16I", *((a + b) & 0xffffffff for a, b in zip(rounds(state), state)))


def stream(key, nonce, text):
    keys = b"".join(block(key, 1 + at, nonce) for at in range((len(text) + 63) // 64))
    return bytes(a ^ b for a, b in zip(text, keys))


def tag_of(key, nonce, name, text):
    one_time = block(key, 0, nonce)[:32]
    r = int.from_bytes(one_time[:16], "little") & 0x0ffffffc0ffffffc0ffffffc0fffffff
    s = int.from_bytes(one_time[16:], "little")

    def padded(data):
        return data + bytes(-len(data) % 16)
    data = padded(name) + padded(text) + struct.pack("<QQ", len(name), len(text))
    total = 0
    for at in range(0, len(data), 16):
        total = (total + int.from_bytes(data[at:at + 16] + b"\1", "little")) * r % (2**130 - 5)
    return (total + s & 2**128 - 1).to_bytes(16, "little")


def seal(key, name, nonce, plain):
    inner, rest = hchacha(key, nonce[:16]), bytes(4) + nonce[16:]
    text = stream(inner, rest, plain)
    return nonce + text + tag_of(inner, rest, name, text)


def unseal(key, name, sealed):
    demand(len(sealed) >= 40, "does not open")
    inner, rest = hchacha(key, sealed[:16]), bytes(4) + sealed[16:24]
    text, tag = sealed[24:-16], sealed[-16:]
    demand(tag_of(inner, rest, name, text) == tag, "does not open")
    return stream(inner, rest, text)


# --- identity

def person_of(identity):
    recovery, key = identity[:32], identity[32:]
    nonce = hash_of(b"kith.identity\0", key)
    return hash_of(f'{{"purpose":"kith.roster.entry","v":1,"act":"genesis","signer":"recovery","counter":1,"heads":[],'
                   f'"time":0,"recovery":"{recovery.hex()}","nonce":"{nonce.hex()}"}}'.encode())


# --- cards

def base32(data):
    bits = "".join(f"{byte:08b}" for byte in data)
    bits += "0" * (-len(bits) % 5)
    return "".join(LETTERS[int(bits[at:at + 5], 2)] for at in range(0, len(bits), 5))


def short_uid(uid):
    return len(uid) == 32 and all(letter in UID_LETTERS for letter in uid)


def packed_uid(uid):
    if not short_uid(uid):
        return bytes([len(uid)]) + uid.encode()
    return b"\0" + int("".join(f"{UID_LETTERS.index(letter):05b}" for letter in uid), 2).to_bytes(20, "big")


def sized(text):
    return bytes([len(text.encode())]) + text.encode()


def card_bytes(card):
    """What is signed: all but signature and check."""
    out = b"\1" + card["token"] + card["identity"] + struct.pack(">IB", card["expires"], card["uses"]) + sized(card["note"])
    out += bytes([len(card["services"])])
    for service in card["services"]:
        out += sized(service["address"]) + service["pin"] + sized(service["site"]) + sized(service["alias"])
        out += sized(service["group"]) + packed_uid(service["uid"])
    return out


def card_text(told, seed):
    body = told + ed25519.sign(seed, lv(b"kith.invite.card", told))
    return PREFIX + base32(body + hash_of(b"kith.invite.check\0", body)[:4])


def text_of(data, most, least=0):
    demand(least <= len(data) <= most, "mistyped")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise Refused("mistyped") from None
    turns = {*range(0x20), *range(0x7f, 0xa0), 0x2028, 0x2029, *range(0x202a, 0x202f), *range(0x2066, 0x206a)}
    demand(not turns & {ord(letter) for letter in text}, "mistyped")
    return text


def read_card(text):
    plain = "".join(text.split()).upper()
    demand(not plain.startswith("KITH-RECOVERY"), "sheet")
    demand(not plain.startswith("KITH:"), "offer")
    demand(plain.startswith(PREFIX), "no card")
    plain = plain[len(PREFIX):]
    demand(all(letter in LETTERS for letter in plain) and len(plain) + len(PREFIX) <= 4096, "mistyped")
    bits = "".join(f"{LETTERS.index(letter):05b}" for letter in plain)
    size = len(bits) // 8
    demand(len(bits) - 8 * size < 5 and "1" not in bits[8 * size:] and size >= 69, "mistyped")
    data = int(bits[:8 * size], 2).to_bytes(size, "big")
    demand(hash_of(b"kith.invite.check\0", data[:-4])[:4] == data[-4:], "mistyped")
    demand(data[0] == 1, "newer")
    told, signature = data[:-68], data[-68:-4]
    at = 1

    def take(size):
        nonlocal at
        demand(at + size <= len(told), "mistyped")
        at += size
        return told[at - size:at]
    card = {"token": take(16), "identity": take(64)}
    card["expires"], card["uses"] = struct.unpack(">IB", take(5))
    card["note"] = text_of(take(take(1)[0]), 140)
    count = take(1)[0]
    demand(card["uses"] > 0 and 1 <= count <= 4, "mistyped")
    card["services"] = []
    for _ in range(count):
        service = {"address": text_of(take(take(1)[0]), 128, 4)}
        head, _, port = service["address"].rpartition(":")
        demand(head[:1] in ("=", "+") and len(head) > 1 and port, "mistyped")
        service["pin"] = take(32) if head[0] == "=" else b""
        for key, least in (("site", 0), ("alias", 1), ("group", 0)):
            service[key] = text_of(take(take(1)[0]), 64, least)
        size = take(1)[0]
        if size:
            service["uid"] = text_of(take(size), 64, 1)
            demand(not short_uid(service["uid"]), "mistyped")
        else:
            number = int.from_bytes(take(20), "big")
            service["uid"] = "".join(UID_LETTERS[number >> 5 * place & 31] for place in range(31, -1, -1))
        card["services"].append(service)
    demand(at == len(told), "mistyped")
    demand(len({service["address"] for service in card["services"]}) == count, "mistyped")
    demand(ed25519.verify(card["identity"][32:], lv(b"kith.invite.card", told), signature), "not signed")
    return card


def root_of(card):
    return hash_of(b"kith.invite.token\0", card["token"])


def id_of(card):
    return derive(root_of(card), "kith.invite.id")[:16]


# --- letters

def pack(data):
    bits = "".join(f"{byte:08b}" for byte in data)
    bits += "0" * (-len(bits) % 14)
    return "kith:" + "".join(chr(0x4e00 + int(bits[at:at + 14], 2)) for at in range(0, len(bits), 14))


SIZES = {1: 186, 2: 123, 3: 83}


def read_letter(text):
    demand(text.startswith("kith:"), "no letter")
    units = [ord(letter) - 0x4e00 for letter in text[5:]]
    demand(units and all(0 <= unit < 1 << 14 for unit in units), "no letter")
    bits = "".join(f"{unit:014b}" for unit in units)
    head = int(bits[:16].ljust(16, "0"), 2)
    size = SIZES.get(head & 255)
    demand(head >> 8 == 1 and size and len(bits) >= 8 * size, "no letter")
    demand(len(bits) - 8 * size < 14 and "1" not in bits[8 * size:], "no letter")
    data = int(bits[:8 * size], 2).to_bytes(size, "big")
    return data[1], data[2:18], data[18:]


def about(card, service, guest):
    return lv(id_of(card), service["address"].encode(), service["pin"], service["uid"].encode(), guest["uid"].encode(),
              guest["alias"].encode())


def write_answer(card, service, guest, recovery, seed, nonce):
    context, key = about(card, service, guest), ed25519.public_key(seed)
    signature = ed25519.sign(seed, lv(b"kith.invite.answer", card["identity"][32:], recovery, context))
    sealed = seal(derive(root_of(card), "kith.invite.answer", context), b"kith.invite.answer", nonce, recovery + key + signature)
    return pack(b"\1\1" + id_of(card) + sealed)


def open_answer(text, card, service, guest):
    kind, card_id, rest = read_letter(text)
    demand(kind == 1 and card_id == id_of(card), "another")
    context = about(card, service, guest)
    plain = unseal(derive(root_of(card), "kith.invite.answer", context), b"kith.invite.answer", rest)
    recovery, key, signature = plain[:32], plain[32:64], plain[64:]
    demand(ed25519.verify(key, lv(b"kith.invite.answer", card["identity"][32:], recovery, context), signature), "not signed")
    return recovery + key


def write_reply(card, service, guest, guest_identity, verdict, seed, nonce):
    context = about(card, service, guest)
    signature = ed25519.sign(seed, lv(b"kith.invite.reply", guest_identity[32:], bytes([verdict]), context))
    sealed = seal(derive(root_of(card), "kith.invite.reply", context), b"kith.invite.reply", nonce, bytes([verdict]) + signature)
    return pack(b"\1\2" + id_of(card) + sealed)


def open_reply(text, card, service, guest, own):
    kind, card_id, rest = read_letter(text)
    demand(kind == 2 and card_id == id_of(card), "another")
    context = about(card, service, guest)
    plain = unseal(derive(root_of(card), "kith.invite.reply", context), b"kith.invite.reply", rest)
    signed = lv(b"kith.invite.reply", own[32:], plain[:1], context)
    demand(ed25519.verify(card["identity"][32:], signed, plain[1:]), "not signed")
    return plain[0]


def write_refusal(card_id, issuer_uid, guest_uid, verdict, seed):
    signed = lv(b"kith.invite.refusal", bytes([verdict]), card_id, issuer_uid.encode(), guest_uid.encode())
    return pack(b"\1\3" + card_id + bytes([verdict]) + ed25519.sign(seed, signed))


def open_refusal(text, card, service, guest):
    kind, card_id, rest = read_letter(text)
    demand(kind == 3 and card_id == id_of(card), "another")
    signed = lv(b"kith.invite.refusal", rest[:1], card_id, service["uid"].encode(), guest["uid"].encode())
    demand(ed25519.verify(card["identity"][32:], signed, rest[1:]) and rest[0] in (2, 6), "not signed")
    return rest[0]
