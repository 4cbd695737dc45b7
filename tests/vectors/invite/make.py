"""Makes cards.json anew: cards and letters with fixed entropy, and what must not be one. python3 make.py > cards.json"""

import json
import random
import sys

import invite
from invite import PREFIX, card_bytes, card_text, ed25519, id_of, lv

rng = random.Random(7)
ISSUER, GUEST = rng.randbytes(32), rng.randbytes(32)
IDENTITY = ed25519.public_key(rng.randbytes(32)) + ed25519.public_key(ISSUER)
GUEST_IDENTITY = ed25519.public_key(rng.randbytes(32)) + ed25519.public_key(GUEST)
ACCOUNT = {"uid": "".join(rng.choice(invite.UID_LETTERS) for _ in range(32)), "alias": "bob of the üsual"}


def service(**changes):
    made = {"address": "=chat.example.org:443", "pin": rng.randbytes(32), "site": "Example", "alias": "alice example",
            "group": "", "uid": "".join(rng.choice(invite.UID_LETTERS) for _ in range(32))}
    return made | changes


def card(**changes):
    return {"token": rng.randbytes(16), "identity": IDENTITY, "expires": 1800000000, "uses": 1, "note": "",
            "services": [service()]} | changes


def shown(value):
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {key: shown(item) for key, item in value.items()}
    return [shown(item) for item in value] if isinstance(value, list) else value


GOOD = [card(),
        card(uses=255, note="see you at the fair — büro 4", expires=0),
        card(services=[service(address="+mail.example.com:8443", pin=b"", group="a club of ours", uid="somebody else's way"),
                       service(address="=10.0.0.7:1", site="")]),
        card(services=[service(address=f"={'h' * 124}{n}:1", site="s" * 64, alias="a" * 64, group="g" * 64, uid="u" * 64)
                       for n in range(4)], note="n" * 140)]


def resigned(told):
    return card_text(told, ISSUER)


def bad():
    first = card_bytes(GOOD[0])
    good = resigned(first)
    one = GOOD[0]["services"][0]
    at = first.index(b"alice")
    yield "mistyped", good[:-1]
    yield "mistyped", good + "A"
    yield "mistyped", good[:40] + ("A" if good[40] != "A" else "B") + good[41:]
    yield "mistyped", good.replace("KITH-INVITE:", "KITH-INVITE:1")
    yield "mistyped", PREFIX
    yield "mistyped", PREFIX + "A" * 5000
    yield "no card", good[5:]
    yield "no card", ""
    yield "offer", "KITH:" + good
    yield "sheet", "KITH-RECOVERY-" + good
    yield "newer", resigned(b"\2" + first[1:])
    yield "not signed", card_text(first, GUEST)
    body = first + ed25519.sign(ISSUER, lv(b"kith.invite.cord", first))
    yield "not signed", PREFIX + invite.base32(body + invite.hash_of(b"kith.invite.check\0", body)[:4])
    for changed in (first + b"\0", first[:-1], b"\1" + first[2:],
                    first[:85] + b"\0" + first[86:],                       # no uses
                    first[:87] + b"\0" + first[88:], first[:88],            # no services
                    first[:87] + b"\2" + first[88:] + first[88:],           # one service twice
                    first[:at] + b"\x1b" + first[at + 1:], first[:at] + b"\xff" + first[at + 1:],
                    first.replace(b"alice example", "alice\u202e56789".encode()[:13]),
                    first.replace(b"\x0dalice example", b"\0"),             # no alias
                    first.replace(b"=chat.example.org:443", b"#chat.example.org:443"),
                    first.replace(b"=chat.example.org:443", b"=chat.example.org/443"),
                    first.replace(b"=chat.example.org:443", b"+chat.example.org:443"),
                    card_bytes(card(note="n" * 141)),
                    card_bytes(card(services=[service(address=f"=h:{n}") for n in range(5)])),
                    first[:-21] + b"\x20" + one["uid"].encode()):           # a uid in its long form
        assert changed != first
        yield "mistyped", resigned(changed)


def letters():
    for number, made in enumerate(GOOD):
        for at, one in enumerate(made["services"][:2]):
            nonces = rng.randbytes(24), rng.randbytes(24)
            verdict = 1 + (number + at) % 5
            yield {"card": number, "service": at, "answer_nonce": nonces[0].hex(), "reply_nonce": nonces[1].hex(),
                   "answer": invite.write_answer(made, one, ACCOUNT, GUEST_IDENTITY[:32], GUEST, nonces[0]),
                   "verdict": verdict,
                   "reply": invite.write_reply(made, one, ACCOUNT, GUEST_IDENTITY, verdict, ISSUER, nonces[1]),
                   "refusal": invite.write_refusal(id_of(made), one["uid"], ACCOUNT["uid"], 6 if at else 2, ISSUER)}


json.dump({"comment": "src/invite/README.md; made by make.py, apart from kith's own code",
           "issuer_seed": ISSUER.hex(), "guest_seed": GUEST.hex(), "guest_identity": GUEST_IDENTITY.hex(), "guest": ACCOUNT,
           "person": invite.person_of(IDENTITY).hex(),
           "good": [{"text": resigned(card_bytes(made)), "id": id_of(made).hex(), "card": shown(made)} for made in GOOD],
           "bad": [list(pair) for pair in bad()], "letters": list(letters())},
          sys.stdout, indent=1, ensure_ascii=False)
print()
