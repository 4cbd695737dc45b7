"""Checks cards.json by the second implementation, invite.py, and that no changed bit gets through. Run by ctest."""

import json
import os
import random
import sys

from invite import (LETTERS, Refused, id_of, open_answer, open_refusal, open_reply, pack, person_of, read_card, read_letter)

checked = 0


def check(what, got, expected):
    global checked
    checked += 1
    if got != expected:
        sys.exit(f"{what}: {got!r} instead of {expected!r}")


def outcome(read, *words):
    try:
        return read(*words)
    except Refused as refused:
        return str(refused)


def shown(value):
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {key: shown(item) for key, item in value.items()}
    return [shown(item) for item in value] if isinstance(value, list) else value


with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "cards.json")) as file:
    vectors = json.load(file)
guest, guest_identity = vectors["guest"], bytes.fromhex(vectors["guest_identity"])
cards = []
for item in vectors["good"]:
    card = read_card(item["text"])
    cards.append(card)
    check("card", shown(card), item["card"])
    check("card id", id_of(card).hex(), item["id"])
    check("person", person_of(card["identity"]).hex(), vectors["person"])
    check("pasted", read_card(" " + item["text"].lower()[:90] + "\n" + item["text"][90:]), card)
    rng = random.Random(1)
    for at in rng.sample(range(12, len(item["text"])), 40):
        other = item["text"][:at] + LETTERS[LETTERS.index(item["text"][at]) ^ 1 << rng.randrange(5)] + item["text"][at + 1:]
        check("changed bit", isinstance(outcome(read_card, other), str), True)
for error, text in vectors["bad"]:
    check(f"bad card {text[:40]}", outcome(read_card, text), error)
for letter in vectors["letters"]:
    card = cards[letter["card"]]
    service = card["services"][letter["service"]]
    check("answer", open_answer(letter["answer"], card, service, guest), guest_identity)
    check("reply", open_reply(letter["reply"], card, service, guest, guest_identity), letter["verdict"])
    check("refusal", open_refusal(letter["refusal"], card, service, guest), 6 if letter["service"] else 2)
    for open_it, words in ((open_answer, ()), (open_reply, (guest_identity,)), (open_refusal, ())):
        text = letter[open_it.__name__.removeprefix("open_")]
        check("units", len(text) <= 140, True)
        kind, card_id, rest = read_letter(text)
        data = bytes([1, kind]) + card_id + rest
        check("packed", pack(data), text)
        for other in ({**guest, "uid": "x"}, {**guest, "alias": "mallory"}):
            changed = isinstance(outcome(open_it, text, card, service, other, *words), str)
            # A refusal is bound to uids, not to an alias.
            check("another guest", changed, open_it is not open_refusal or other["uid"] == "x")
        for bit in range(0, 8 * len(data), 7):
            other = bytearray(data)
            other[bit // 8] ^= 1 << bit % 8
            check("changed bit", isinstance(outcome(open_it, pack(bytes(other)), card, service, guest, *words), str), True)
print(f"{checked} checks agree")
