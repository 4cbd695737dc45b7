"""Checks the vectors of sticks by the second implementation, and that it refuses what was changed. Run by ctest."""

import json
import os
import sys

import sodium
import stick

FOLDER = os.path.dirname(os.path.abspath(__file__))


def check(what, got, expected):
    if got != expected:
        sys.exit(f"{what}: {got!r} instead of {expected!r}")


def refused(what, read, *arguments):
    try:
        read(*arguments)
    except (sodium.Broken, stick.Malformed, ValueError, KeyError):
        return
    sys.exit(f"{what} was not refused")


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


def main():
    # What others publish: RFC 8439 (2.5.2), RFC 7748 (5.2).
    check("Poly1305", sodium.poly1305(bytes.fromhex("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b"),
                                      b"Cryptographic Forum Research Group").hex(), "a8061dc1305136c6c22b8baf0c0127a9")
    scalar = bytes.fromhex("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4")
    point = bytes.fromhex("e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c")
    check("X25519", sodium.x25519(scalar, point).hex(), "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552")

    with open(os.path.join(FOLDER, "vectors.json")) as file:
        vectors = json.load(file)
    request = {key: value if key in ("text", "other_fingerprint") else bytes.fromhex(value)
               for key, value in vectors["request"].items()}
    check("fingerprint", stick.fingerprint_of(request["bytes"]), request["fingerprint"])
    check("text", stick.fingerprint_text(request["fingerprint"]), request["text"])
    check("request", stick.open_request(request["file"], request["fingerprint"]), request["bytes"])
    head, device, device_id = stick.parse_request(request["bytes"])
    check("key", bytes.fromhex(head["key"]), sodium.x25519(request["key_secret"]))
    check("device", device_id, request["device"])
    check("open", device["person"], bytes(32))
    refused("another fingerprint", stick.open_request, request["file"], stick.read_fingerprint(request["other_fingerprint"]))
    for at in (6, 40, len(request["file"]) - 1):
        refused("a changed request", stick.open_request, flipped(request["file"], at), request["fingerprint"])
    for text, outcome in vectors["texts"]:
        read = stick.read_fingerprint(text)
        check(f"'{text}'", read if isinstance(read, str) else "good", outcome)
        if outcome == "good":
            check(f"'{text}'", read, request["fingerprint"])

    payload, secret = vectors["payload"], request["key_secret"]
    data = bytes.fromhex(payload["bytes"])
    frames = stick.read_payload(data, secret)
    check("frames", [[json.dumps(head, separators=(",", ":")), body.hex()] for head, body in frames], payload["frames"])
    host, introduction = stick.read_statement(frames[0][1], bytes.fromhex(payload["host_key"]), data[:109], request["bytes"])
    check("host", host.hex(), payload["host"])
    check("introduction", introduction.hex(), payload["introduction"])
    refused("another request's payload", stick.read_statement, frames[0][1], bytes.fromhex(payload["host_key"]), data[:109],
            request["bytes"] + b" ")
    refused("another's key", stick.read_payload, data, bytes(31) + b"\1")
    refused("a payload that ends early", stick.read_payload, data[:-1], secret)
    for at in (0, 4, 10, 84, 90, 114, 500, len(data) - 1):
        refused(f"a payload changed at {at}", stick.read_payload, flipped(data, at), secret)
    print("the vectors of sticks agree")


main()
