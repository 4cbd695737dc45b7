"""Writes stores as the reference client leaves them (src/mnm/README.md), for tests."""

import json
import os
import urllib.parse

_TABLE = []
for _byte in range(256):
    for _ in range(8):
        _byte = (_byte >> 1) ^ (0x82F63B78 if _byte & 1 else 0)
    _TABLE.append(_byte)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def to_json(value):
    """JSON as Go writes it."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def escape(name):
    return urllib.parse.quote_plus(name, safe="~")


class Account:
    def __init__(self, store, name, address, alias, uid, node, verify=False):
        self.folder = f"{store}/svc/{escape(name)}"
        for folder in ("thread", "attach", "form", "temp", "index.bleve"):
            os.makedirs(f"{self.folder}/{folder}")
        self.uid, self.alias = uid, alias
        self.write("config", to_json({
            "Name": name, "HistoryLen": 128, "LoginPeriod": 0, "Addr": address, "Verify": verify, "Alias": alias,
            "Uid": uid, "Node": node, "NodeSet": [{"Name": "first", "Status": 97, "Local": True}]}))
        for empty in ("adrsbk", "tag", "ohi", "tabs"):
            os.symlink("empty", f"{self.folder}/{empty}")
        self.write("sendq", "[]")

    def write(self, name, content):
        path = f"{self.folder}/{name}"
        if os.path.islink(path):
            os.remove(path)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())

    def tags(self, names):
        """Names by their ids."""
        self.write("tag", to_json({name: number for number, name in names.items()}))

    def book(self, *entries):
        self.write("adrsbk", "[\n" + "\n,\n".join(to_json(entry) for entry in entries) + "\n]")

    def message(self, thread, number, posted, sender, alias, subject, body=b"", files=(), forms=(), seen="", tags=(), **more):
        """A message for `thread`, with its attachments written: (name, bytes), and (name, bytes, type) of filled forms."""
        attach = [{"Name": name, "Size": len(data)} for name, data in files]
        for name, data in files:
            os.makedirs(f"{self.folder}/attach/{thread}", exist_ok=True)
            self.write(f"attach/{thread}/{number}_{escape(name)}", data)
        for name, data, kind in forms:
            attach.append({"Name": name, "Size": len(data), "Ffn": kind})
            self._fill(thread, number, name, data, kind, "sent" if sender == self.uid else "recv")
        sub = {"Alias": alias, "ThreadId": thread, "Subject": subject}
        if attach:
            sub["Attach"] = attach
        head = to_json({"Id": number, "Size": len(body), "Posted": posted, "From": sender, "SubHead": sub}).encode()
        index = {"Id": number, "From": sender, "Alias": alias, "Date": posted, "Subject": subject, "Seen": seen}
        if tags:
            index["Tags"] = list(tags)
        return b"%04x%s\n%s" % (len(head), head, body), {**index, **more}

    def _fill(self, thread, number, name, data, kind, way):
        path = f"form/{escape(kind)}_{way}"
        old = b""
        if os.path.exists(f"{self.folder}/{path}"):
            with open(f"{self.folder}/{path}", "rb") as file:
                old = file.read()[:-1] + b","
        else:
            old = b"["
        try:
            json.loads(data)
            row = data[:-1] if data != b"{}" else b'{"$empty":true'
        except ValueError:
            row = b'{"$text":' + to_json(data.decode()).encode()
        row += to_json({"$threadid": thread, "$msgid": number, "$name": name, "$offset": len(old) + 2, "$size": len(data)})\
            .encode().replace(b"{", b",", 1)[:-1]
        self.write(path, old + b"\n\n" + row + b',"$checksum":%d}]' % crc32c(row + b"}"))

    def thread(self, name, *messages, cc=(), drafts=()):
        """Writes a thread; what it holds as bytes, for tests that damage it."""
        content, index = b"", []
        for data, entry in messages:
            index.append({**entry, "Offset": len(content), "Size": len(data) + 1, "Checksum": crc32c(data)})
            content += data + b"\n"
        for draft in drafts:
            index.append({"Id": f"{name}_{draft}", "From": "", "Alias": "", "Date": "2026-11-21T19:36:05Z",
                          "Subject": "draft", "Seen": ".", "Offset": -1, "Size": 100, "Checksum": 1})
            self.write(f"thread/{name}_{draft}", b"0002{}\n\n")
        lists = to_json(index).encode(), to_json(list(cc)).encode()
        content += lists[0] + lists[1] + b"%08x%08x" % (len(lists[0]), len(lists[1]))
        self.write(f"thread/{name}", content)
        return content

    @staticmethod
    def copy(who, uid, by, by_uid, date, note=""):
        entry = {"Who": who, "By": by, "WhoUid": uid, "ByUid": by_uid, "Date": date, "Note": note, "Subscribe": True}
        return {**entry, "Checksum": crc32c(to_json(entry).encode())}
