"""What the reference client left behind is taken in: its history, and its accounts."""

import os
import subprocess

from mnm_store import Account, to_json
from people import memory_bound, onboard, run_tests, same_digest, wait_until
from tmtp_client import TmtpClient

OWNER, FRIEND = "Y8G8YT6PZ7LTP1YXLR+M%WTK83%RZLX%", "R33Z1%M6S7QMWTFNGLNPMRP8ZTS8H2Y%"
NODE = "RJ9T79TYDN8FCB6SVG8XF777T5LB9XH8RLZBTBCP"
FIRST, SECOND, THIRD, LONE = "18ea2656be0f5aaf", "18ea2656be0f5ab4", "18ea2656be0f5ab6", "18ea2656be0f5ac1"
FORM = b'{"nr":201,"or":{"anr":[[1],[2]]}}'


def a_store(world, name="store", address="127.0.0.1:1"):
    """Two threads of four messages, with all that can go with them."""
    account = Account(world.path(name), "Blue", address, "Blue owner", OWNER, NODE)
    account.tags({"2026-11-21T19:36:01Z": "flag", "2026-11-21T19:35:58Z": "Later & sooner"})
    when = "2026-11-21T19:35:58.844Z"
    account.thread(
        FIRST,
        account.message(FIRST, FIRST, when, OWNER, "Blue owner", "a \u00fcber <subject>", "all good and true w\u00f6rds\n".encode(),
                        files=[("u:photo/of me.jpg", os.urandom(200_000)), ("u:..", b"dots"), ("f:form.original", b"blank")],
                        forms=[("r:form.original", FORM, "forms.example/one"), ("r:odd", b'{"nr":204,|', "forms.example/one"),
                               ("r:none", b"{}", "forms.example/one")],
                        seen=".", tags=["Todo", "2026-11-21T19:35:58Z"]),
        account.message(FIRST, SECOND, "2026-11-21T19:36:00.828Z", FRIEND, "Gold friend", "an answer", b"walrus\nand oyster",
                        forms=[("r:form.original", FORM, "forms.example/one")], seen="2026-11-21T19:36:05Z"),
        account.message(FIRST, THIRD, "2026-11-21T19:36:01.348Z", FRIEND, "Gold friend", "", b"", tags=["2026-11-21T19:36:01Z"]),
        cc=[Account.copy("Blue owner", OWNER, "Blue owner", OWNER, when, "author"),
            Account.copy("Gold friend", FRIEND, "Blue owner", OWNER, when),
            Account.copy("Red third", "X" * 32, "Blue owner", OWNER, "2026-11-21T19:36:09.000Z", "later")],
        drafts=["01a1ff9bb810"])
    account.thread(LONE, account.message(LONE, LONE, "2026-11-22T08:00:00.000Z", FRIEND, "Gold friend", "from afar", b"lonely",
                                         ForwardBy=FRIEND))
    account.write("thread/_01a1ff9bb811", b"0002{}\n\n")
    account.book(
        {"Type": 2, "Date": "2026-11-21T19:35:57Z", "Uid": OWNER, "MyAlias": "Blue owner"},
        {"Type": 3, "Date": "2026-11-21T19:35:58.325Z", "Alias": "Gold friend", "MyAlias": "Blue owner"},
        {"Type": 4, "Date": "2026-11-21T19:35:58.500Z", "Text": "it is me & you", "Alias": "Gold friend", "Uid": FRIEND,
         "MyAlias": "Blue owner", "MsgId": "18ea2656be0f5aaa"},
        {"Type": 8, "Date": "2026-11-21T19:35:58.814Z", "Alias": "Gold friend", "Uid": FRIEND, "MyAlias": "Blue owner",
         "MsgId": "18ea2656be0f5aab", "Gid": "Gold-Group"},
        {"Type": 9, "Date": "2026-11-21T19:35:58.829Z", "Gid": "Gold-Group"},
        {"Type": 6, "Date": "2026-11-21T19:36:09Z", "Alias": "Red third", "Uid": "X" * 32})
    return account


def read(path):
    with open(path, "rb") as file:
        return file.read()


def subjects(device):
    return sorted(record["subject"] for record in device.all_records())


def show(device, subject):
    return device.run("history", "show", next(r["id"] for r in device.all_records() if r["subject"] == subject))


def a_store_is_taken_whole(world):
    account = a_store(world)
    device, new = world.device("device"), world.device("new")
    device.run("init")
    taken = device.run("history", "import", world.path("store"))
    assert (taken["imported"], taken["known"]) == (6, 0), taken
    told = {os.path.relpath(item["path"], account.folder): item["why"] for item in taken["skipped_files"]}
    assert set(told) == {f"thread/{FIRST}_01a1ff9bb810", "thread/_01a1ff9bb811"} and taken["skipped"] == 2, told
    assert [(a["uid"], a["here"]) for a in taken["accounts"]] == [(OWNER, False)], taken["accounts"]
    world.say("messages, their texts and attachments, tags and what was read")
    assert subjects(device) == ["", "(invites to Gold-Group)", "(wants to be in contact)", "a \u00fcber <subject>", "an answer",
                                "from afar"], subjects(device)
    first = show(device, "a \u00fcber <subject>")
    assert first["from"] == "Blue owner" and first["body"] == "all good and true w\u00f6rds\n", first
    assert first["time"] == "2026-11-21T19:35:58.844Z" and first["tags"] == ["Later & sooner", "Todo"] and "seen" not in first
    assert [(a["name"], a["size"]) for a in first["attachments"]] == [
        ("photo/of me.jpg", 200_000), ("..", 4), ("form.original", 5), ("form.original", 33), ("odd", 11), ("none", 2)]
    saved = device.run("history", "show", first["id"], "--save", world.path("saved"))["saved"]
    assert [read(path) for path in saved[1:]] == [b"dots", b"blank", FORM, b'{"nr":204,|', b"{}"]
    assert read(saved[0]) == read(f"{account.folder}/attach/{FIRST}/{FIRST}_u%3Aphoto%2Fof+me.jpg")
    answer = show(device, "an answer")
    assert answer["seen"] == "2026-11-21T19:36:05.000Z" and "tags" not in answer, answer
    assert show(device, "")["tags"] == ["flag"]
    assert show(device, "from afar")["from"] == f"Gold friend (forwarded by {FRIEND}, not confirmed)"
    device.until("history", "search", "walrus", "oyster", like=lambda found: len(found["hits"]) == 1)
    world.say("an answer's bytes are those that the service delivered, and a first message says who was in it")
    raw = device.raw(answer["id"])
    head, _, rest = raw[4:].partition(b"}")
    assert head.startswith(b'{"datahead":') and b',"headsum":' in head and b',"op":"delivery","posted":' in head, head
    inner = to_json({"Alias": "Gold friend", "ThreadId": FIRST, "Subject": "an answer",
                     "Attach": [{"Name": "r:form.original", "Size": 33, "Ffn": "forms.example/one"}]}).encode()
    assert rest == inner + b"walrus\nand oyster" + FORM, rest
    raw = device.raw(first["id"])
    assert b'"ThreadId":"","Subject"' in raw and b'"Who":"Gold friend"' in raw and b"Red third" not in raw
    world.say("again, from a copy, from the folder above it, and for one account: nothing is new")
    digest = device.run("history", "digest")
    subprocess.run(["cp", "-r", world.path("store"), world.path("copy")], check=True)
    for path, words in (("store", ["--format", "mnm"]), ("copy", []), ("store/svc/Blue", []), ("", ["--format", "mnm"])):
        again = device.run("history", "import", world.path(path), *words)
        assert (again["imported"], again["known"]) == (0, 6), (path, again)
    assert device.run("history", "digest") == digest
    world.say("another device of the person gets all of it, and the same store is known there too")
    onboard(device, new)
    same_digest(device, new)
    assert show(new, "an answer")["seen"] == answer["seen"] and show(new, "")["tags"] == ["flag"]
    assert new.run("history", "import", world.path("store"))["imported"] == 0
    assert subjects(new) == subjects(device)


def what_is_damaged_is_reported_and_the_rest_taken(world):
    account = a_store(world)
    one = [f"{number:016x}" for number in range(1, 7)]
    when = "2026-11-20T10:00:00.000Z"

    def thread(name, subject, **more):
        return account.thread(name, account.message(name, name, when, FRIEND, "Gold friend", subject, b"text " * 50, **more),
                              account.message(name, "f" + name[1:], when, FRIEND, "Gold friend", subject + ", answer", b"more"))
    whole = thread(one[0], "changed text")
    account.write(f"thread/{one[0]}", whole.replace(b"text text", b"text texT", 1))
    whole = thread(one[1], "lost end")
    account.write(f"thread/{one[1]}", whole[:-9])
    whole = thread(one[2], "hole")
    account.write(f"thread/{one[2]}", whole[100:])
    account.write(f"thread/{one[3]}", b"")
    thread(one[4], "lost file", files=[("u:here", b"here"), ("u:gone", b"gone"), ("u:short", b"short"), ("u:link", b"abcd")])
    attached = f"attach/{one[4]}/{one[4]}_u%3A"
    os.remove(f"{account.folder}/{attached}gone")
    account.write(attached + "short", b"shor")
    os.remove(f"{account.folder}/{attached}link")
    os.symlink(f"{account.folder}/{attached}here", f"{account.folder}/{attached}link")
    account.write(f"thread/{one[5]}", os.urandom(5000))
    account.write("tag", b"[1]")
    account.write("sendq", to_json([{"Srec": {"Id": "x"}, "Date": "y"}]))
    other = Account(world.path("store"), "Red", "127.0.0.1:1", "Red account", "Z" * 32, NODE)
    other.write("config", b"{\"Addr\":")
    third = Account(world.path("store"), "White", "127.0.0.1:1", "White account", "T" * 32, NODE)
    third.write("adrsbk", b"[{")
    third.thread("18ea2656be0f5b00", third.message("18ea2656be0f5b00", "18ea2656be0f5b00", when, FRIEND, "Gold friend", "of the third"))

    device = world.device("device")
    device.run("init")
    taken = device.run("history", "import", world.path("store"))
    told = {os.path.relpath(item["path"], world.path("store/svc")): item["why"] for item in taken["skipped_files"]}
    expected = {f"Blue/thread/{one[0]}/{one[0]}", f"Blue/thread/{one[4]}/{one[4]}/u:gone", f"Blue/thread/{one[4]}/{one[4]}/u:short",
                f"Blue/thread/{one[4]}/{one[4]}/u:link", "Blue/tag", "Blue/sendq", "Red", "White/adrsbk",
                f"Blue/thread/{FIRST}_01a1ff9bb810", "Blue/thread/_01a1ff9bb811",
                *(f"Blue/thread/{one[i]}" for i in (1, 2, 3, 5))}
    assert set(told) == expected, set(told) ^ expected
    assert "checksum" in told[f"Blue/thread/{one[0]}/{one[0]}"] and all(told.values()), told
    got = subjects(device)
    assert got == sorted(["", "(invites to Gold-Group)", "(wants to be in contact)", "a \u00fcber <subject>", "an answer", "from afar",
                          "changed text, answer", "lost file", "lost file, answer", "of the third"]), got
    assert [a["name"] for a in show(device, "lost file")["attachments"]] == ["here"]
    assert NODE not in str(taken) and [a["alias"] for a in taken["accounts"]] == ["Blue owner", "White account"]
    world.say("a store of which nothing can be read, and what is no store at all")
    for code, path, words in ((11, "store/svc/Red", []), (3, "empty", ["--format", "mnm"]), (4, "nothing", ["--format", "mnm"]),
                              (3, "empty", ["--accounts"])):
        os.makedirs(world.path("empty"), exist_ok=True)
        assert device.fails(code, "history", "import", world.path(path), *words)["hint"]


def what_arrived_and_what_is_imported_is_one(world):
    service = world.service()
    device = world.device("device")
    device.run("init")
    uid = device.run("service", "add", service.address, "--alias", "the-owner")["uid"]
    friend = TmtpClient(service.address)
    friend_uid, _ = friend.register("the-friend")
    friend.until("info")
    start = to_json({"Alias": "the-friend", "ThreadId": "", "Subject": "start", "Attach": [{"Name": "u:a", "Size": 3}]}).encode()
    first = friend.post([uid], start + b"textabc", len(start))
    answer = to_json({"Alias": "the-friend", "ThreadId": first["msgid"], "Subject": "answer"}).encode()
    second = friend.post([uid], answer + b"body", len(answer))
    wait_until(lambda: device.count("answer") == 1, "the message")
    raw = device.raw(next(r["id"] for r in device.all_records() if r["subject"] == "answer"))
    account = Account(world.path("store"), "svc", service.address[1:], "the-owner", uid, NODE)
    account.thread(
        first["msgid"],
        account.message(first["msgid"], first["msgid"], first["posted"], friend_uid, "the-friend", "start", b"text", files=[("u:a", b"abc")]),
        account.message(first["msgid"], second["msgid"], second["posted"], friend_uid, "the-friend", "answer", b"body"),
        account.message(first["msgid"], "f" * 16, second["posted"], friend_uid, "the-friend", "older one", b"not here yet"))
    taken = device.run("history", "import", world.path("store"))
    assert (taken["imported"], taken["known"]) == (1, 2), taken
    assert subjects(device) == ["answer", "older one", "start"]
    world.say("the other way round: what a store had is the service's, byte for byte")
    other = world.device("other")
    other.run("init")
    assert other.run("history", "import", world.path("store"))["imported"] == 3
    assert other.raw(next(r["id"] for r in other.all_records() if r["subject"] == "answer")) == raw


def an_account_moves_over(world):
    service = world.service()
    old = TmtpClient(service.address)
    uid, nodeid = old.register("the-owner")
    old.until("info")
    friend = TmtpClient(service.address)
    friend_uid, _ = friend.register("the-friend")
    friend.until("info")

    def post(subject, thread=""):
        inner = to_json({"Alias": "the-friend", "ThreadId": thread, "Subject": subject}).encode()
        return friend.post([uid], inner + b"text", len(inner))
    friend.send({"op": 9, "id": "2", "from": "the-friend", "to": "the-owner"}, b"hello")
    ping = old.until("ping")
    thread = post("old times")
    old.until("delivery")
    old.send({"op": 12})
    old.until("quit")
    post("while nobody was there", thread["msgid"])

    account = Account(world.path("store"), "svc one", service.address[1:], "the-owner", uid, nodeid)
    account.book({"Type": 4, "Date": ping["posted"], "Text": "hello", "Alias": "the-friend", "Uid": friend_uid,
                  "MyAlias": "the-owner", "MsgId": ping["id"]})
    account.thread(thread["msgid"], account.message(thread["msgid"], thread["msgid"], thread["posted"], friend_uid, "the-friend",
                                                    "old times", b"text"))
    device, new = world.device("device"), world.device("new")
    device.run("init")
    world.say("its history first: the account stays where it is")
    assert device.run("history", "import", world.path("store"))["accounts"][0]["here"] is False
    assert device.run("service", "list")[0]["state"] == "pending"
    world.say("then the account, which receives what waited, and sends by the alias that its address book has")
    taken = device.run("history", "import", world.path("store"), "--accounts")
    assert (taken["imported"], taken["known"], taken["skipped"]) == (0, 2, 0) and taken["accounts"][0]["here"] is True, taken
    wait_until(lambda: device.count("while nobody was there") == 1, "the message that waited")
    listed = device.until("service", "list", like=lambda items: items[0]["state"] == "online")
    assert len(listed) == 1 and listed[0]["uid"] == uid and listed[0]["pin"], listed
    assert device.run("message", "send", "--to", "the-friend", "--subject", "new times", "--body", "x")["state"] == "sent"
    head, data = friend.read()
    while head["op"] != "delivery":
        head, data = friend.read()
    friend.send({"op": 10, "id": head["id"], "type": "ok"})
    assert b"new times" in data
    again = device.run("history", "import", world.path("store"), "--accounts")
    assert again["imported"] == 0 and [item["why"] for item in again["skipped_files"]] == [
        "this device has a node of this account already"], again
    world.say("another device of the person gets a node of its own")
    onboard(device, new)
    new.until("service", "list", like=lambda items: items[0]["state"] == "online")
    post("to both")
    for one in (device, new):
        wait_until(lambda: one.count("to both") == 1, "the message")
    same_digest(device, new)
    world.say("the node's secret is in no output, no log, and in no file as it is")
    for one in (device, new):
        one.run("stop")
        for folder, _, names in os.walk(one.home):
            for name in names:
                path = os.path.join(folder, name)
                assert not os.path.isfile(path) or nodeid.encode() not in read(path), path
    assert nodeid not in str(taken) + str(again)


def an_import_is_killed_and_goes_on(world):
    account = Account(world.path("store"), "Blue", "127.0.0.1:1", "Blue owner", OWNER, NODE)
    count, size = 3000, 96 << 20
    for number in range(count):
        name = f"{0x18ea265600000000 + number:016x}"
        account.thread(name, account.message(name, name, "2026-11-20T10:00:00.000Z", FRIEND, "Gold friend", f"number {number}",
                                             b"text " * 40, seen="2026-11-21T19:36:05Z"))
    large = "18ea265700000000"
    account.thread(large, account.message(large, large, "2026-11-20T10:00:00.000Z", FRIEND, "Gold friend", "large one", b"",
                                          files=[("u:large", os.urandom(1 << 20) * (size >> 20))]))
    device, other = world.device("device"), world.device("other")
    device.run("init")
    importing = subprocess.Popen(device.words("history", "import", world.path("store")), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    wait_until(lambda: device.run("history", "stats")["records"] > 100, "the first messages")
    device.kill()
    importing.communicate(timeout=60)
    assert importing.returncode != 0
    before = device.run("history", "stats")["records"]
    assert before < 2 * count, "it was over before it was killed"
    taken = device.run("history", "import", world.path("store"))
    assert taken["imported"] + taken["known"] == count + 1 and taken["known"] > 0 and taken["skipped"] == 0, taken
    world.say(f"{taken['known']} were known, {taken['imported']} came")
    assert len(device.all_records()) == count + 1
    with open(f"/proc/{device.daemon_pid()}/status") as status:
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    world.say(f"the daemon took {peak >> 10} MiB at most, for an attachment of {size >> 20} MiB")
    assert peak << 10 < memory_bound(80), peak


def the_sample_where_it_is_at_hand(world):
    sample = os.environ.get("KITH_MNM_STORE")
    if not sample:
        return world.say("KITH_MNM_STORE names none")
    subprocess.run(["tar", "-xzf", sample, "-C", world.path("")], check=True)
    device = world.device("device")
    device.run("init")
    taken = device.run("history", "import", world.path("hammer-store"))
    drafts = [item for item in taken["skipped_files"] if not item["why"].startswith("a draft")]
    assert taken["imported"] == 11 and drafts == [], taken
    assert device.run("history", "import", world.path("hammer-store"))["imported"] == 0
    first = show(device, "ohi")
    assert first["tags"] == ["Todo", "ondraft"] and len(first["attachments"]) == 3, first


run_tests(a_store_is_taken_whole, what_is_damaged_is_reported_and_the_rest_taken, what_arrived_and_what_is_imported_is_one,
          an_account_moves_over, an_import_is_killed_and_goes_on, the_sample_where_it_is_at_hand)
