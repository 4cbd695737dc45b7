"""Checks the vectors of node control by the second implementation, account.py. Run by ctest; says what differs."""

import json
import os
import sys

from account import (Malformed, act_seed, challenge_of, claim_of, derive, device_seed, ed25519, found, hash_of, judge, mark_of, read_request, unpack)

checked = 0


def check(what, got, expected):
    global checked
    checked += 1
    if got != expected:
        sys.exit(f"{what}: {got!r} instead of {expected!r}")


def outcome(work):
    try:
        return work()
    except Malformed:
        return "refused"


with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "rosters.json")) as file:
    vectors = json.load(file)

about = {key: bytes.fromhex(value) for key, value in vectors["founding"].items()}
genesis, add, renewal = unpack(about["log"])
check("roster", genesis.id, about["roster"])
founder = derive(about["founder_seed"], "kith.recovery.sign")
check("founder's key", ed25519.public_key(founder), genesis.recovery)
for entry in (genesis, add, renewal):
    check("signature", ed25519.sign(founder, entry.data), entry.signature)
request = read_request(add.request, add.by_device, add.by_act)
check("act key", ed25519.public_key(act_seed(about["act_seed"], genesis.id)), request["act"])
check("device key", ed25519.public_key(device_seed(about["device_seed"], genesis.id)), request["sign"])
check("nodeid", hash_of(about["nodeid"]), request["link"])
check("mark", mark_of(about["account"], about["device"]), about["mark"])
check("mark", json.loads(add.request)["nonce"], about["mark"].hex())
check("recovery", renewal.recovery, about["recovery"])

key = ed25519.public_key(device_seed(about["device_seed"], genesis.id))
check("claim", ed25519.sign(about["device_seed"], claim_of(about["account"], genesis.id, about["device"], key)), about["claim"])

restore = vectors["restore"]
account_key = derive(bytes.fromhex(restore["recovery_seed"]), "kith.recovery.account", restore["number"].to_bytes(4, "big"))
challenge = challenge_of(bytes.fromhex(restore["nonce"]), bytes.fromhex(restore["service_key"]), restore["uid"])
check("proof", ed25519.sign(account_key, challenge).hex(), restore["proof"])

for case in vectors["foundings"]:
    check(case["name"], outcome(lambda: found(bytes.fromhex(case["log"]))), case["nodes"])
for case in vectors["rulings"]:
    got = outcome(lambda: judge(bytes.fromhex(case["kept"]), bytes.fromhex(case["fresh"])))
    check(case["name"], got if got == "refused" else [got[0].hex(), got[1]],
          case["taken"] if case["taken"] == "refused" else [case["taken"], case["nodes"]])
print(f"{checked} checks agree")
