"""A TMTP client of the smallest kind: another program's view of a service, without any of kith's code."""

import json
import socket
import ssl


class TmtpClient:
    """One link. Answers come by `read()`: (head, data)."""

    def __init__(self, address):
        host, port = address.lstrip("=").rsplit(":", 1)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.link = context.wrap_socket(socket.create_connection((host, int(port)), timeout=60))
        self.stream = self.link.makefile("rb")
        self.send({"op": 0, "id": "1"})
        self.site = self.until("tmtprev")

    def register(self, alias, node="a node"):
        """Makes an account: its uid and nodeid."""
        self.send({"op": 1, "newnode": node, "newalias": alias})
        account = self.until("registered")
        assert "error" not in account, account
        return account["uid"], account["nodeid"]

    def login(self, uid, nodeid):
        self.send({"op": 2, "uid": uid, "node": nodeid})
        return self.until("info")

    def send(self, head, data=b""):
        if data:
            head = {**head, "datalen": len(data)}
        text = json.dumps(head, separators=(",", ":")).encode()
        self.link.sendall(b"%04x" % len(text) + text)
        if data:
            self.link.sendall(data)

    def read(self):
        size = self.stream.read(4)
        assert size, "the service hung up"
        head = json.loads(self.stream.read(int(size, 16)))
        return head, self.stream.read(head.get("datalen", 0))

    def until(self, op):
        """The next head of this kind; what is queued meanwhile is acknowledged."""
        while True:
            head, _ = self.read()
            if "posted" in head and head["op"] != "ack":
                self.send({"op": 10, "id": head["id"], "type": "ok"})
            if head["op"] == op:
                return head
            assert head["op"] != "quit", head

    def post(self, uids, data, datahead=0, op=7, **more):
        """A message of these bytes, of which the first `datahead` are its inner head: the answer."""
        to = [{"id": uid, "type": 1} for uid in uids]
        self.send({"op": op, "id": "a post", "for": to, **({"datahead": datahead} if datahead else {}), **more}, data)
        return self.until("ack")

    def close(self):
        self.link.close()
