"""A message that is too large for memory: it is taken in piece by piece, shown, and handed to a second device."""

import json
import os

from people import memory_bound, onboard, run_tests, same_digest
from tmtp_client import TmtpClient


def a_message_of_150_megabytes(world):
    service = world.service()
    old, new = world.device("old"), world.device("new")
    old.run("init")
    uid = old.run("service", "add", service.address, "--alias", "the-owner")["uid"]
    world.say("another client posts two large files to a device of ours")
    files = [os.urandom(100 << 20), os.urandom(50 << 20)]
    body = "both are large".encode()
    head = {"ThreadId": "", "Alias": "a-stranger", "Subject": "large",
            "Attach": [{"Name": f"u:file {i}", "Size": len(content)} for i, content in enumerate(files)]}
    inner = json.dumps(head).encode()
    stranger = TmtpClient(service.address)
    stranger.register("the-stranger")
    answer = stranger.post([uid], inner + body + b"".join(files), datahead=len(inner))
    assert "error" not in answer and answer["msgid"], answer
    old.until("history", "list", like=lambda items: any(item["subject"] == "large" for item in items))

    world.say("it is one record, whose files are had byte for byte; the daemon's memory stays small")
    def look(device):
        record = next(item for item in device.all_records() if item["subject"] == "large")
        shown = device.run("history", "show", record["id"], "--save", world.path(f"saved by {os.path.basename(device.home)}"))
        assert shown["body"] == "both are large" and shown["from"] == "a-stranger", shown
        assert [item["size"] for item in shown["attachments"]] == [len(content) for content in files], shown
        for path, content in zip(shown["saved"], files, strict=True):
            with open(path, "rb") as file:
                assert file.read() == content, path
        return record["id"]
    record = look(old)
    assert peak_megabytes(old) < memory_bound(150) >> 20, peak_megabytes(old)

    world.say("a second device gets it too")
    onboard(old, new)
    assert same_digest(old, new)["blobs"] >= 2
    assert look(new) == record
    for device in (old, new):
        assert device.count("large") == 1 and peak_megabytes(device) < memory_bound(150) >> 20, peak_megabytes(device)


def the_daemon_dies_while_a_large_message_arrives(world):
    service = world.service()
    one = world.device("one")
    one.run("init")
    uid = one.run("service", "add", service.address, "--alias", "the-owner")["uid"]
    stranger = TmtpClient(service.address)
    stranger.register("the-stranger")
    content = os.urandom(200 << 20)
    before = set(os.listdir(one.home))
    assert "error" not in stranger.post([uid], content)
    one.kill()
    world.say("after the start it comes again from its beginning, and is there once")
    def whole(items):
        return any(item["from"] == "the-stranger" or item["subject"] == "" for item in items)
    one.until("history", "list", like=whole)
    assert len(one.all_records()) == 1
    assert not [name for name in set(os.listdir(one.home)) - before if "spool" in name]


def peak_megabytes(device):
    with open(f"/proc/{device.daemon_pid()}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM")) // 1024


run_tests(a_message_of_150_megabytes, the_daemon_dies_while_a_large_message_arrives)
