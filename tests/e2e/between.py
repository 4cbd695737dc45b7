"""A service that reads and alters what its clients send and get: something in between with the service's own key."""

import json
import select
import socket
import ssl
import threading


class Way:
    """One direction of a link: what comes from `source` goes to `target`, message by message."""

    def __init__(self, source, target):
        self.source, self.target, self.buffer, self.ended = source, target, b"", False

    def pump(self, alter):
        # One thread for both directions, and nothing that blocks: a link may have become readable without any data.
        self.source.setblocking(False)
        try:
            while piece := self.source.recv(65536):
                self.buffer += piece
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        finally:
            self.source.setblocking(True)
        while message := self._next():
            raw, head, data = message
            altered = alter(head, data) if alter else data
            assert len(altered) == len(data)
            self.target.sendall(raw + altered)

    def _next(self):
        """The next message that is here whole: its size and head as they came, the head read, the data."""
        if len(self.buffer) < 4:
            return None
        end = 4 + int(self.buffer[:4], 16)
        if len(self.buffer) < end:
            return None
        head = json.loads(self.buffer[4:end])
        whole = end + head.get("datalen", 0)
        if len(self.buffer) < whole:
            return None
        raw, data, self.buffer = self.buffer[:end], self.buffer[end:whole], self.buffer[whole:]
        return raw, head, data


class Between:
    """Passes on all that goes to and from the service. `alter`, when there is one, gets the head and the data of each
    message and gives other data of that size."""

    def __init__(self, service):
        self.service, self.alter = service, None
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(f"{service.folder}/tls.pem")
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"=127.0.0.1:{self.listening.getsockname()[1]}"
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            try:
                link, _ = self.listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(link,), daemon=True).start()

    def _serve(self, link):
        outer = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        outer.check_hostname, outer.verify_mode = False, ssl.CERT_NONE
        host, port = self.service.address[1:].rsplit(":", 1)
        try:
            client = self.context.wrap_socket(link, server_side=True)
            service = outer.wrap_socket(socket.create_connection((host, int(port))))
        except OSError:
            return link.close()
        ways = {client: Way(client, service), service: Way(service, client)}
        try:
            while not any(way.ended for way in ways.values()):
                for source in select.select(list(ways), [], [])[0]:
                    ways[source].pump(self.alter)
        except (OSError, ValueError):
            pass
        for source in ways:
            source.close()

    def close(self):
        self.listening.close()
