"""A second implementation of src/stick/README.md, which shares no code with kith's."""

import hashlib
import json
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "roster"))
import ed25519  # noqa: E402
import sodium  # noqa: E402
from roster import LETTERS, Malformed, read_request  # noqa: E402


def hash_of(data):
    return hashlib.blake2b(data, digest_size=32).digest()


def purposed(purpose, data):
    return hash_of(purpose.encode() + b"\0" + data)


def compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


def base32(data):
    bits = "".join(f"{byte:08b}" for byte in data)
    bits += "0" * (-len(bits) % 5)
    return "".join(LETTERS[int(bits[at:at + 5], 2)] for at in range(0, len(bits), 5))


# --- fingerprints

def fingerprint_of(request):
    return purposed("kith.stick.fingerprint", request)[:12]


def fingerprint_text(fingerprint):
    text = base32(fingerprint + purposed("kith.stick.check", fingerprint)[:3])
    return "-".join(text[at:at + 4] for at in range(0, 24, 4))


def read_fingerprint(text):
    typed = text.upper()
    for sign in " -\t\r\n":
        typed = typed.replace(sign, "")
    typed = typed.replace("0", "O").replace("1", "I").replace("8", "B")
    if len(typed) != 24:
        return "length"
    if any(letter not in LETTERS for letter in typed):
        return "typing mistake"
    data = int("".join(f"{LETTERS.index(letter):05b}" for letter in typed), 2).to_bytes(15, "big")
    return data[:12] if purposed("kith.stick.check", data[:12])[:3] == data[12:] else "typing mistake"


# --- the request

def seal_request(request, nonce):
    key = purposed("kith.stick.key", fingerprint_of(request))
    return b"KSTQ\x01" + nonce + sodium.aead_seal(key, nonce, b"kith.stick.request", request)


def open_request(file, fingerprint):
    assert file[:5] == b"KSTQ\x01"
    key = purposed("kith.stick.key", fingerprint)
    request = sodium.aead_open(key, file[5:29], b"kith.stick.request", file[29:])
    if fingerprint_of(request) != fingerprint:
        raise sodium.Broken("another request's")
    return request


def parse_request(request):
    size, = struct.unpack_from(">I", request)
    head, packed = json.loads(request[4:4 + size]), request[4 + size:]
    if head.pop("purpose") != "kith.stick.request" or head.pop("v") != 1:
        raise Malformed("head")
    device = read_request(packed[128:], packed[:64], packed[64:128])
    return head, device, hash_of(packed[128:])


# --- the payload

def frame(head, body=b""):
    text = compact(head)
    return struct.pack(">I", len(text)) + text + body


def make_payload(to, key, one_use, header, frames):
    """`frames` is given what the stream begins with."""
    start = b"KSTP\x01" + sodium.box_seal(to, key, one_use) + header
    stream, out, frames = sodium.Stream(key, header), start, frames(start)
    for number, plain in enumerate(frames, 1):
        message = stream.push(plain, sodium.FINAL if number == len(frames) else sodium.MESSAGE)
        out += struct.pack(">I", len(message)) + message
    return out


def read_payload(data, secret):
    """The frames: heads with bodies."""
    if data[:5] != b"KSTP\x01":
        raise Malformed("start")
    stream = sodium.Stream(sodium.box_open(secret, data[5:85]), data[85:109])
    at, frames, tag = 109, [], None
    while tag != sodium.FINAL:
        if at + 4 > len(data):
            raise sodium.Broken("truncated")
        size, = struct.unpack_from(">I", data, at)
        plain, tag = stream.pull(data[at + 4:at + 4 + size])
        at += 4 + size
        size, = struct.unpack_from(">I", plain)
        frames.append((json.loads(plain[4:4 + size]), plain[4 + size:]))
    return frames


def make_statement(device, seed, start, request, introduction):
    text = compact({"purpose": "kith.stick.payload", "v": 1, "device": device.hex(), "start": hash_of(start).hex(),
                    "request": hash_of(request).hex(), "introduction": hash_of(introduction).hex()})
    return ed25519.sign(seed, text) + struct.pack(">I", len(text)) + text + introduction


def read_statement(body, key, start, request):
    signature, (size,) = body[:64], struct.unpack_from(">I", body, 64)
    text, introduction = body[68:68 + size], body[68 + size:]
    head = json.loads(text)
    expected = {"purpose": "kith.stick.payload", "v": 1, "device": head["device"], "start": hash_of(start).hex(),
                "request": hash_of(request).hex(), "introduction": hash_of(introduction).hex()}
    if head != expected or not ed25519.verify(key, text, signature):
        raise Malformed("statement")
    return bytes.fromhex(head["device"]), introduction
