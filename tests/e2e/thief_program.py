"""What a thief signs in an account's roster with a program of his own: he has a device's act key and its nodeid."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "vectors", "account"))

from account import Entry, Roster, act_seed, ed25519, hash_of, pack, read_request, unpack  # noqa: E402
from tmtp_client import TmtpClient  # noqa: E402


class ThiefsProgram:
    """Logged in as the node. Nodes are named by the ids of their requests."""

    def __init__(self, address, uid, nodeid, act):
        self.client = TmtpClient(address)
        self.client.send({"op": 2, "uid": uid, "node": nodeid, "control": 1})
        assert self.client.until("info")["info"] == "login ok"
        self.log = unpack(self.ask("show"))
        self.roster = self.log[0].id
        self.key = act_seed(act, self.roster)
        self.node = next(node for node, request in self.nodes().items() if request["act"] == ed25519.public_key(self.key))

    def ask(self, act, data=b""):
        self.client.send({"op": 13, "id": "thief", "act": act}, data)
        while True:
            head, data = self.client.read()
            if "posted" in head and head["op"] != "ack":
                self.client.send({"op": 10, "id": head["id"], "type": "ok"})
            elif head["op"] == "roster":
                assert "error" not in head, head
                return data
            assert head["op"] != "quit", head

    def nodes(self):
        return {entry.device: read_request(entry.request, entry.by_device, entry.by_act)
                for entry in self.log if entry.act == "add"}

    def added_by(self, signer):
        return [entry.device for entry in self.log if entry.act == "add" and entry.signer == signer]

    def mark_of(self, node):
        [entry] = [entry for entry in self.log if entry.act == "add" and entry.device == node]
        return json.loads(entry.request)["nonce"]

    def add(self, nodeid, mark):
        """A node of his own making, with this secret under this mark."""
        sign, act = os.urandom(32), os.urandom(32)
        data = self.bytes({"purpose": "kith.device.request", "v": 1, "person": self.roster.hex(), "name": "node",
                           "sign": ed25519.public_key(sign).hex(), "act": ed25519.public_key(act).hex(),
                           "link": hash_of(nodeid.encode()).hex(), "nonce": mark})
        self.bring("add", {"request": data.hex(), "by_device": ed25519.sign(sign, data).hex(),
                           "by_act": ed25519.sign(act, data).hex()})
        return hash_of(data)

    def bring(self, act, fields):
        self.log = unpack(self.ask("show"))
        fold = Roster(self.roster, self.log)
        own = [entry.counter for entry in fold.placed.values() if entry.signer == self.node]
        data = self.bytes({"purpose": "kith.roster.entry", "v": 1, "act": act, "person": self.roster.hex(),
                           "signer": self.node.hex(), "counter": max(own, default=0) + 1,
                           "heads": sorted(fold.describe()["heads"]), "time": 0, **fields})
        self.log = unpack(self.ask("add", pack([Entry(data, ed25519.sign(self.key, data))])))

    @staticmethod
    def bytes(value):
        return json.dumps(value, separators=(",", ":")).encode()
