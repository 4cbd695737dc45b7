"""Makes vectors.json anew, with fixed entropy. python3 make.py > vectors.json"""

import json
import random
import struct
import sys

import sodium
import stick
from stick import ed25519


def main():
    rng = random.Random(20)
    secret, seeds = rng.randbytes(32), [rng.randbytes(32) for _ in range(2)]
    device = stick.compact({"purpose": "kith.device.request", "v": 1, "person": bytes(32).hex(), "name": "new laptop",
                            "sign": ed25519.public_key(seeds[0]).hex(), "act": ed25519.public_key(seeds[1]).hex(),
                            "link": rng.randbytes(32).hex(), "nonce": rng.randbytes(16).hex()})
    head = stick.compact({"purpose": "kith.stick.request", "v": 1, "key": sodium.x25519(secret).hex(),
                          "accounts": ["example.org", "mail"], "since": 1700000000000, "largest": 1000000})
    request = struct.pack(">I", len(head)) + head + b"".join(ed25519.sign(seed, device) for seed in seeds) + device
    fingerprint = stick.fingerprint_of(request)
    text = stick.fingerprint_text(fingerprint)

    host, introduction = rng.randbytes(32), b"stands for an introduction"
    host_id = rng.randbytes(32)

    def frames(start):
        statement = stick.make_statement(host_id, host, start, request, introduction)
        return [stick.frame({"op": "payload"}, statement), stick.frame({"op": "welcome"}, rng.randbytes(100)),
                stick.frame({"op": "sync.piece"}, rng.randbytes(1000)), stick.frame({"op": "end", "records": 0})]
    payload = stick.make_payload(sodium.x25519(secret), rng.randbytes(32), rng.randbytes(32), rng.randbytes(24), frames)

    other = stick.fingerprint_text(stick.fingerprint_of(request + b" "))
    wrong = text[:5] + ("A" if text[5] != "A" else "B") + text[6:]
    json.dump({
        "request": {"key_secret": secret.hex(), "bytes": request.hex(), "device": stick.hash_of(device).hex(),
                    "fingerprint": fingerprint.hex(), "text": text,
                    "file": stick.seal_request(request, rng.randbytes(24)).hex(), "other_fingerprint": other},
        "texts": [[text, "good"], [text.lower().replace("-", " "), "good"], [text.replace("-", ""), "good"],
                  [text.replace("O", "0").replace("I", "1").replace("B", "8"), "good"], [wrong, "typing mistake"],
                  [text[:-1] + "9", "typing mistake"], [text[:-1], "length"], [text + "A", "length"], ["", "length"]],
        "payload": {"host": host_id.hex(), "host_key": ed25519.public_key(host).hex(), "introduction": introduction.hex(),
                    "bytes": payload.hex(), "frames": [[json.dumps(head, separators=(",", ":")), body.hex()]
                                                       for head, body in stick.read_payload(payload, secret)]},
    }, sys.stdout, indent=1)
    print()


main()
