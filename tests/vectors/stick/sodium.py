"""The constructions of libsodium that a stick's files are made with, from their specifications, for checks: slow, and not
constant in time. X25519 (RFC 7748), ChaCha20-Poly1305 (RFC 8439), XChaCha20, XSalsa20-Poly1305 and sealed boxes (NaCl),
crypto_secretstream_xchacha20poly1305 (libsodium's documentation)."""

import hashlib
import hmac
import struct


class Broken(Exception):
    pass


def words(data):
    return list(struct.unpack(f"<{len(data) // 4}I", data))


def rotate(value, bits):
    value &= 0xffffffff
    return value << bits & 0xffffffff | value >> 32 - bits


SIGMA = words(b"expand 32-byte k")


def chacha_rounds(state):
    x = list(state)

    def quarter(a, b, c, d):
        x[a] = x[a] + x[b] & 0xffffffff
        x[d] = rotate(x[d] ^ x[a], 16)
        x[c] = x[c] + x[d] & 0xffffffff
        x[b] = rotate(x[b] ^ x[c], 12)
        x[a] = x[a] + x[b] & 0xffffffff
        x[d] = rotate(x[d] ^ x[a], 8)
        x[c] = x[c] + x[d] & 0xffffffff
        x[b] = rotate(x[b] ^ x[c], 7)

    for _ in range(10):
        for i in range(4):
            quarter(i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return x


def hchacha20(key, nonce):
    x = chacha_rounds(SIGMA + words(key) + words(nonce))
    return struct.pack("<8I", *x[:4], *x[12:])


def chacha20(key, nonce, counter, data):
    out = bytearray()
    for at in range(0, len(data), 64):
        state = SIGMA + words(key) + [counter + at // 64] + words(nonce)
        block = struct.pack("<16I", *(a + b & 0xffffffff for a, b in zip(state, chacha_rounds(state))))
        out += bytes(a ^ b for a, b in zip(data[at:at + 64], block))
    return bytes(out)


def salsa_rounds(state):
    x = list(state)

    def quarter(a, b, c, d):
        x[b] ^= rotate(x[a] + x[d], 7)
        x[c] ^= rotate(x[b] + x[a], 9)
        x[d] ^= rotate(x[c] + x[b], 13)
        x[a] ^= rotate(x[d] + x[c], 18)

    for _ in range(10):
        for a, b, c, d in ((0, 4, 8, 12), (5, 9, 13, 1), (10, 14, 2, 6), (15, 3, 7, 11)):
            quarter(a, b, c, d)
        for a, b, c, d in ((0, 1, 2, 3), (5, 6, 7, 4), (10, 11, 8, 9), (15, 12, 13, 14)):
            quarter(a, b, c, d)
    return x


def salsa_state(key, tail):
    k = words(key)
    return [SIGMA[0], *k[:4], SIGMA[1], *words(tail), SIGMA[2], *k[4:], SIGMA[3]]


def hsalsa20(key, nonce):
    x = salsa_rounds(salsa_state(key, nonce))
    return struct.pack("<8I", x[0], x[5], x[10], x[15], *x[6:10])


def xsalsa20(key, nonce, data):
    inner, out = hsalsa20(key, nonce[:16]), bytearray()
    for at in range(0, len(data), 64):
        state = salsa_state(inner, nonce[16:] + struct.pack("<Q", at // 64))
        block = struct.pack("<16I", *(a + b & 0xffffffff for a, b in zip(state, salsa_rounds(state))))
        out += bytes(a ^ b for a, b in zip(data[at:at + 64], block))
    return bytes(out)


def poly1305(key, message):
    r = int.from_bytes(key[:16], "little") & 0x0ffffffc0ffffffc0ffffffc0fffffff
    total = 0
    for at in range(0, len(message), 16):
        total = (total + int.from_bytes(message[at:at + 16] + b"\1", "little")) * r % (2**130 - 5)
    return (total + int.from_bytes(key[16:], "little") & 2**128 - 1).to_bytes(16, "little")


def padded(data):
    return data + bytes(-len(data) % 16)


def x25519(scalar, point=b"\x09" + bytes(31)):
    p, k, u = 2**255 - 19, bytearray(scalar), int.from_bytes(point, "little") % 2**255
    k[0] &= 248
    k[31] = k[31] & 127 | 64
    k = int.from_bytes(k, "little")
    x2, z2, x3, z3, swap = 1, 0, u, 1, 0
    for bit in reversed(range(255)):
        now = k >> bit & 1
        if swap ^ now:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = now
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        da, cb, aa, bb = d * a % p, c * b % p, a * a % p, b * b % p
        x3, z3 = pow(da + cb, 2, p), u * pow(da - cb, 2, p) % p
        x2, z2 = aa * bb % p, (aa - bb) * (aa + 121665 * (aa - bb)) % p
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, p - 2, p) % p).to_bytes(32, "little")


# XChaCha20-Poly1305

def aead_key_and_tag(key, nonce, ad, cipher):
    inner, short = hchacha20(key, nonce[:16]), bytes(4) + nonce[16:]
    once = chacha20(inner, short, 0, bytes(32))
    lengths = struct.pack("<QQ", len(ad), len(cipher))
    return inner, short, poly1305(once, padded(ad) + padded(cipher) + lengths)


def aead_seal(key, nonce, ad, plain):
    cipher = chacha20(hchacha20(key, nonce[:16]), bytes(4) + nonce[16:], 1, plain)
    return cipher + aead_key_and_tag(key, nonce, ad, cipher)[2]


def aead_open(key, nonce, ad, sealed):
    cipher, tag = sealed[:-16], sealed[-16:]
    inner, short, expected = aead_key_and_tag(key, nonce, ad, cipher)
    if not hmac.compare_digest(tag, expected):
        raise Broken("tag")
    return chacha20(inner, short, 1, cipher)


# crypto_box_seal

def box_parts(shared, one_use, to):
    nonce = hashlib.blake2b(one_use + to, digest_size=24).digest()
    return hsalsa20(shared, bytes(16)), nonce


def box_seal(to, plain, secret):
    one_use = x25519(secret)
    key, nonce = box_parts(x25519(secret, to), one_use, to)
    stream = xsalsa20(key, nonce, bytes(32) + plain)
    return one_use + poly1305(stream[:32], stream[32:]) + stream[32:]


def box_open(secret, box):
    one_use, tag, cipher = box[:32], box[32:48], box[48:]
    key, nonce = box_parts(x25519(secret, one_use), one_use, x25519(secret))
    if not hmac.compare_digest(tag, poly1305(xsalsa20(key, nonce, bytes(32)), cipher)):
        raise Broken("tag")
    return xsalsa20(key, nonce, bytes(32) + cipher)[32:]


# crypto_secretstream_xchacha20poly1305

MESSAGE, FINAL = 0, 3


class Stream:
    def __init__(self, key, header):
        self.key, self.counter, self.nonce = hchacha20(key, header[:16]), 1, header[16:]

    def step(self, tag, work):
        nonce = struct.pack("<I", self.counter) + self.nonce
        first, cipher, plain = work(nonce)
        once = chacha20(self.key, nonce, 0, bytes(32))
        # The block with the tag is as long as four of Poly1305's; how it is filled up is libsodium's own.
        text = first + cipher + bytes(len(cipher) % 16) + struct.pack("<QQ", 0, 64 + len(cipher))
        mac = poly1305(once, text)
        self.nonce = bytes(a ^ b for a, b in zip(self.nonce, mac))
        self.counter += 1
        if tag(first, nonce) & 2:
            fresh = chacha20(self.key, struct.pack("<I", self.counter) + self.nonce, 0, self.key + self.nonce)
            self.key, self.nonce, self.counter = fresh[:32], fresh[32:], 1
        return plain, mac

    def push(self, plain, tag):
        def work(nonce):
            first = chacha20(self.key, nonce, 1, bytes([tag]) + bytes(63))
            cipher = chacha20(self.key, nonce, 2, plain)
            self.out = first[:1] + cipher
            return first, cipher, plain
        _, mac = self.step(lambda *_: tag, work)
        return self.out + mac

    def pull(self, sealed):
        seen = []

        def work(nonce):
            block = chacha20(self.key, nonce, 1, sealed[:1] + bytes(63))
            seen.append(block[0])
            return sealed[:1] + block[1:], sealed[1:-16], chacha20(self.key, nonce, 2, sealed[1:-16])
        if len(sealed) < 17:
            raise Broken("length")
        plain, mac = self.step(lambda *_: seen[0], work)
        if not hmac.compare_digest(mac, sealed[-16:]):
            raise Broken("tag")
        return plain, seen[0]
