"""Devices that are renamed, barred, contested and recovered: what the owner sees, and what each device does."""

import json
import os
import subprocess
import time

import mails
from people import Failed, onboard, run_tests, same_digest, wait_until

MAIL = "From: a@example.org\nTo: b@example.org\nSubject: {}\nDate: Thu, 22 Aug 2002 12:36:23 +0000\n\nhello\n"


def lines(device, *words, timeout=60):
    """The JSON lines that a command prints."""
    done = subprocess.run(device.words(*words), capture_output=True, text=True, timeout=timeout, input="")
    if done.returncode != 0:
        raise Failed(words, done.returncode, done.stdout, done.stderr)
    return [json.loads(line) for line in done.stdout.splitlines()]


def states(device):
    return {item["name"]: item["state"] for item in device.run("device", "list")}


def family(world, *names, service=False):
    """A person with these devices, each added by the first; the devices, and the recovery sheet in a file."""
    devices = [world.device(name) for name in names]
    sheet = world.file("sheet", devices[0].run("init", "--name", names[0])["recovery"] + "\n")
    if service:
        flags = ("--node-control", "no") if service == "without node control" else ()
        devices[0].run("service", "add", world.service(flags=flags).address, "--alias", "the-owner")
    for device, name in zip(devices[1:], names[1:]):
        onboard(devices[0], device, name)
    for device in devices:
        device.until("device", "list", like=lambda items: len(items) == len(names))
        device.until("status", like=lambda s: [peer["state"] for peer in s["peers"]] == ["connected"] * (len(names) - 1))
    return *devices, sheet


def names_and_the_log_are_told_to_all(world):
    one, two, three, _ = family(world, "one", "two", "three")
    lines(one, "device", "rename", "two", "cellar")
    lines(one, "device", "rename", "cellar", "kitchen")
    for device in (one, two, three):
        device.until("device", "list", like=lambda items: {i["name"] for i in items} == {"one", "kitchen", "three"})
    log = three.run("device", "log")
    assert [line["act"] for line in log] == ["genesis", "add", "add", "add", "rename", "rename"], log
    assert log[-1] == {**log[-1], "by": "one", "device": "kitchen", "former": "cellar", "name": "kitchen", "standing": "counts"}
    assert all(item["this"] == (item["name"] == "one") for item in one.run("device", "list"))
    world.say("the list is confirmed once a second device has shown it")
    assert all(item["confirmed"] for item in one.run("device", "list"))
    three.until("device", "list", like=lambda items: all(item["confirmed"] for item in items))
    one.fails(4, "device", "rename", "nobody", "x")
    one.fails(3, "device", "rename", "kitchen", "")


def a_device_is_barred_at_once_everywhere(world):
    one, two, lost, _ = family(world, "one", "two", "lost", service="without node control")
    one.run("history", "import", mails.write(world.path("mails"), 200, [100_000], seed=1).path)
    one.run("history", "import", world.file("erased.eml", MAIL.format("what the thief erases")))
    same_digest(one, two, lost)
    [erased] = [record for record in lost.all_records() if record["subject"] == "what the thief erases"]
    lost.run("history", "erase", erased["id"])
    lost.run("invite", "new")
    one.until("invite", "list", like=lambda items: [item["state"] for item in items] == ["open"])
    wait_until(lambda: one.count("what the thief erases") == 0, "that it is erased")
    began = time.monotonic()
    effects = lines(one, "device", "revoke", "lost")
    world.say(f"barred in {time.monotonic() - began:.2f} s: {json.dumps(effects)[:400]}")
    assert effects[0] == {"peer": "lost", "outcome": "refused", "text": effects[0]["text"]}
    assert {"peer": "two", "outcome": "told"} in effects
    assert [effect["outcome"] for effect in effects if effect.get("invitations") == 1] == ["withdrawn"], effects
    [service] = [effect for effect in effects if "service" in effect]
    assert service["outcome"] == "still let in" and service["uid"] in service["ask"] and service["node"] in service["ask"]
    assert "broadcasts" in service["text"] and "log in as your other devices" in service["text"]
    assert states(one) == states(two) == {"one": "active", "two": "active", "lost": "barred"}
    assert [device.count("what the thief erases") for device in (one, two)] == [1, 1]
    world.say("the device is told so, and is handed nothing else from now on")
    status = lost.until("status", like=lambda status: "standing" in status)
    assert status["standing"] == "barred", status
    one.run("history", "import", world.file("later.eml", MAIL.format("after the bar")))
    same_digest(one, two)
    lines(two, "device", "rename", "two", "after the bar")
    time.sleep(6)  # two visits of the barred device
    assert lost.count("after the bar") == 0
    assert states(lost) == {"one": "active", "two": "active", "lost": "barred"}
    lost.fails(15, "device", "rename", "lost", "mine")
    lost.begin("device", "add").fails(15)
    lost.fails(15, "device", "revoke", "one")
    assert one.fails(15, "device", "revoke", "lost")["kind"] == "forbidden"
    assert one.fails(15, "device", "revoke", "one")["kind"] == "forbidden"
    world.say("the secret of the sums is another, and the two that remain share it")
    same_digest(one, two)
    one.run("history", "import", mails.write(world.path("more"), 50, [], seed=2).path)
    same_digest(one, two)
    for device in (one, two, lost):
        device.kill()
    assert states(one) == states(two) and states(lost)["lost"] == "barred"
    same_digest(one, two)


def a_service_with_node_control_drops_it_and_brings_the_news(world):
    one, two, lost, _ = family(world, "one", "two", "lost", service=True)
    for device in (one, two, lost):
        device.until("service", "list", like=lambda items: [(i["state"], i["control"]) for i in items] == [("online", True)])
    two.stop()
    [service] = [effect for effect in lines(one, "device", "revoke", "lost") if "service" in effect]
    assert service["outcome"] == "dropped" and "ask" not in service, service
    [item] = lost.until("service", "list", like=lambda items: items[0]["state"] == "barred")
    assert "keeps this one out" in item["why"], item
    one.until("outbox", "list", like=lambda items: items == [])
    lost.stop()
    one.stop()
    world.say("one that no peer link reaches hears of it by the service")
    two.run("status")
    two.until("device", "list", like=lambda items: {i["name"]: i["state"] for i in items}["lost"] == "barred")
    assert not [record for record in two.all_records() if "news" in record["subject"]]
    world.say("a bar that was signed while the service was away is brought later")
    one.run("status")
    fresh = world.device("fresh")
    onboard(one, fresh, "fresh")
    fresh.until("service", "list", like=lambda items: [i["state"] for i in items] == ["online"])
    [at] = world.services
    at.stop()
    for device in (one, fresh):
        device.until("service", "list", like=lambda items: [i["state"] for i in items] == ["offline"])
    [service] = [effect for effect in lines(one, "device", "revoke", "fresh") if "service" in effect]
    assert service["outcome"] == "out of reach", service
    at.start()
    fresh.until("service", "list", like=lambda items: items[0]["state"] == "barred")
    same_digest(one, two)


def an_older_account_is_bound_unless_a_device_objects(world):
    one, two, _ = family(world, "one", "two", service="without node control")
    [service] = world.services
    service.stop()
    service.flags = ()
    service.start()
    for device in (one, two):
        device.until("service", "list", like=lambda items: [i["state"] for i in items] == ["online"])
    assert "binding" in one.run("service", "bind", service.address)
    [item] = two.until("service", "list", like=lambda items: "binding" in items[0])
    assert not item["control"], item
    assert one.fails(5, "service", "bind", service.address)["hint"]
    assert "binding" not in two.run("service", "object", service.address)
    one.until("service", "list", like=lambda items: "binding" not in items[0])
    assert two.fails(5, "service", "object", service.address)["message"]


def one_that_was_away_hears_of_it_later(world):
    one, two, lost, _ = family(world, "one", "two", "lost")
    two.stop()
    assert {"peer": "two", "outcome": "out of reach"} in lines(one, "device", "revoke", "lost")
    one.run("history", "import", world.file("x.eml", MAIL.format("while away")))
    two.run("status")
    two.until("device", "list", like=lambda items: {i["name"]: i["state"] for i in items}["lost"] == "barred")
    same_digest(one, two)
    assert two.count("while away") == 1


def a_quarrel_is_decided_by_an_elder(world):
    one, two, three, _ = family(world, "one", "two", "three")
    lines(three, "device", "revoke", "two")
    two.until("status", like=lambda status: status.get("standing") == "barred")
    answer = two.run("device", "contest")
    assert answer["state"] == "suspended" and answer["others"] == ["one", "three"], answer
    one.until("device", "list", like=lambda items: [i["state"] for i in items] == ["active", "suspended", "suspended"])
    two.fails(15, "device", "contest")
    two.fails(15, "device", "lift", "two")
    assert one.run("device", "lift", "two")["state"] == "active"
    for device in (one, two, three):
        device.until("device", "list", like=lambda items: all(i["state"] == "active" for i in items))
    world.say("the other way round: what the eldest says after a contest is final")
    lines(three, "device", "revoke", "two")
    two.until("status", like=lambda status: status.get("standing") == "barred")
    two.run("device", "contest")
    one.until("device", "list", like=lambda items: [i["state"] for i in items] == ["active", "suspended", "suspended"])
    lines(one, "device", "revoke", "two")
    two.until("status", like=lambda status: status.get("standing") == "barred")
    three.until("device", "list", like=lambda items: [i["state"] for i in items] == ["active", "barred", "active"])
    assert "decision" in two.fails(15, "device", "contest")["message"]


def the_sheet_gives_everything_back(world):
    one, two, thief, sheet = family(world, "one", "two", "thief")
    lines(thief, "device", "revoke", "one")
    lines(thief, "device", "revoke", "two")
    puppet = world.device("puppet")
    onboard(thief, puppet, "puppet")
    one.until("status", like=lambda status: status.get("standing") == "barred")
    one.fails(2, "device", "recover", "--revoke", "thief")
    one.fails(3, "device", "recover", "--revoke", "thief", "--sheet-file", world.file("typo", "KITH-RECOVERY-AAAAA\n"))
    other = world.device("other")
    foreign = world.file("foreign", other.run("init")["recovery"] + "\n")
    one.fails(5, "device", "recover", "--revoke", "thief", "--sheet-file", foreign)
    today = time.strftime("%Y-%m-%d", time.gmtime())
    assert "would stay out" not in json.dumps(one.run("device", "recover", "--revoke", "thief", "--sheet-file", sheet))
    one.until("device", "list", like=lambda items: {i["name"]: i["state"] for i in items}.get("thief") == "barred")
    assert states(one)["one"] == "active"
    world.say(f"{states(one)}; with the day named, what the thief signed from then on falls, his bars too")
    two.until("status", like=lambda status: status.get("standing") == "barred" or status.get("standing") is None)
    result = one.run("device", "recover", "--revoke", "thief", "--day", today, "--sheet-file", sheet)
    after = states(one)
    assert after["one"] == after["two"] == "active" and after["thief"] == "barred", (after, result)
    assert after.get("puppet", "barred") == "barred"
    two.until("status", like=lambda status: "standing" not in status)
    one.run("history", "import", world.file("x.eml", MAIL.format("back again")))
    same_digest(one, two)
    thief.until("status", like=lambda status: status.get("standing") == "barred")
    assert thief.count("back again") == 0


def the_sheet_is_renewed(world):
    one, two, sheet = family(world, "one", "two", service=True)
    [service] = world.services
    before = one.run("service", "list")[0]["uid"]
    two.until("service", "list", like=lambda items: [(item["state"], item["control"]) for item in items] == [("online", True)])
    renewing = two.begin("recovery", "renew", "--sheet-file", sheet)
    fresh = renewing.wait_for("sheet")["recovery"]
    renewing.wait_for("sheet_wanted")
    renewing.say(open(sheet).read().strip())
    assert "another sheet" in renewing.wait_for("warning")["text"]
    renewing.wait_for("sheet_wanted")
    renewing.say(fresh.lower())
    assert renewing.wait_for("done")["behind"] == []
    assert renewing.finish() == 0
    one.until("device", "log", like=lambda log: log[-1]["act"] == "recover" and log[-1]["renews"])
    error = one.fails(5, "device", "recover", "--revoke", "two", "--sheet-file", sheet)
    assert "newest" in error["hint"], error
    one.run("device", "recover", "--revoke", "two", "--sheet-file", world.file("fresh", fresh + "\n"))
    assert states(one) == {"one": "active", "two": "barred"}
    world.say("a sheet that replaced another does not make the person anew")
    empty = world.device("empty")
    assert "earlier one" in empty.fails(5, "device", "recover", "--sheet-file", world.path("fresh"))["message"]
    assert empty.run("status")["state"] == "new"
    cancelled = one.begin("recovery", "renew", "--sheet-file", world.path("fresh"))
    cancelled.wait_for("sheet_wanted")
    cancelled.close()
    one.run("device", "recover", "--sheet-file", world.path("fresh"))
    world.say("the accounts go with the new sheet: those that there were, and those that come")
    later = world.service("later")
    after = one.run("service", "add", later.address, "--alias", "the-owner")["uid"]
    other = world.device("other")
    other.run("init")
    for address, uid in ((service.address, before), (later.address, after)):
        restore = ("service", "restore", address, "--uid", uid, "--sheet-file")
        assert "no key" in other.fails(5, *restore, sheet)["message"]
        assert other.run(*restore, world.path("fresh"))["state"] == "online"


def all_is_lost_but_the_sheet(world):
    one = world.device("one")
    begun = one.run("init", "--name", "one")
    sheet = world.file("sheet", begun["recovery"] + "\n")
    one.stop()
    empty, more = world.device("empty"), world.device("more")
    empty.fails(3, "device", "recover", "--revoke", "one", "--sheet-file", sheet)
    result = empty.run("device", "recover", "--sheet-file", sheet, "--name", "again")
    assert result["person"] == begun["person"] and len(result["remains"]) == 3, result
    assert states(empty) == {"again": "active"}
    onboard(empty, more, "more")
    same_digest(empty, more)


def an_account_of_which_no_device_is_left(world):
    one, friend, empty = (world.device(name) for name in ("one", "friend", "empty"))
    service = world.service()
    sheet = world.file("sheet", one.run("init", "--name", "one")["recovery"] + "\n")
    uid = one.run("service", "add", service.address, "--alias", "the-owner")["uid"]
    friend.run("init")
    friend.run("service", "add", service.address, "--alias", "a-good-friend")
    one.stop()
    friend.run("message", "send", "--to", uid, "--subject", "while all was lost", "--body", "x")
    empty.run("device", "recover", "--sheet-file", sheet, "--name", "again")
    strangers = world.file("strangers", world.device("stranger").run("init")["recovery"] + "\n")
    restore = ("service", "restore", service.address, "--uid")
    assert "no key of that account" in empty.fails(5, *restore, uid, "--sheet-file", strangers)["message"]
    assert "no such account" in empty.fails(5, *restore, "NOBODY", "--sheet-file", sheet)["message"]
    without = world.service("without", flags=("--node-control", "no"))
    error = empty.fails(5, "service", "restore", without.address, "--uid", uid, "--sheet-file", sheet)
    assert "service add" in error["hint"], error
    assert empty.run("service", "list") == []
    world.say("the sheet gives the account back, with what waited there")
    restored = empty.run(*restore, uid, "--sheet-file", sheet)
    assert (restored["uid"], restored["alias"], restored["state"], restored["control"]) == (uid, "the-owner", "online", True)
    wait_until(lambda: empty.count("while all was lost") == 1, "the message that waited")
    assert empty.fails(5, *restore, uid, "--sheet-file", sheet)["message"]
    world.say("it is an account as any other: for a further device, and after a restart")
    more = world.device("more")
    onboard(empty, more, "more")
    more.until("service", "list", like=lambda items: [item["state"] for item in items] == ["online"])
    empty.kill()
    empty.until("service", "list", like=lambda items: [item["state"] for item in items] == ["online"])
    friend.run("message", "send", "--to", uid, "--subject", "and after", "--body", "x")
    for device in (empty, more):
        wait_until(lambda: device.count("and after") == 1, "the message")
    world.say("the lost device is out there")
    [item] = one.until("service", "list", like=lambda items: items[0]["state"] == "barred")
    assert one.count("and after") == 0
    world.say("to another person's device by the same sheet; from then on the sheet of that one counts")
    other = world.device("other")
    others = world.file("others", other.run("init")["recovery"] + "\n")
    assert other.run(*restore, uid, "--sheet-file", sheet)["state"] == "online"
    for device in (empty, more):
        device.until("service", "list", like=lambda items: items[0]["state"] == "barred")
    last = world.device("last")
    last.run("init")
    assert "no key" in last.fails(5, *restore, uid, "--sheet-file", sheet)["message"]
    assert last.run(*restore, uid, "--sheet-file", others)["state"] == "online"


def a_barred_device_erases_its_keys(world):
    one, lost, sheet = family(world, "one", "lost")
    lost.run("history", "import", world.file("x.eml", MAIL.format("secret")))
    same_digest(one, lost)
    one.run("device", "recover", "--revoke", "lost", "--erase", "--sheet-file", sheet)
    wait_until(lambda: not os.path.exists(f"{lost.home}/keys.json"), "the end of the keys", 30)
    wait_until(lambda: not os.path.exists(f"{lost.home}/kith.db"), "the end of what they opened", 10)
    assert lost.run("status")["state"] == "new"
    with open(f"{lost.home}/kithd.log") as log:
        assert "are erased" in log.read()
    assert one.count("secret") == 1
    world.say("a bar by a device alone leaves time to contest")
    again = world.device("again")
    onboard(one, again, "again")
    lines(one, "device", "revoke", "again", "--erase")
    again.until("status", like=lambda status: status.get("standing") == "barred")
    time.sleep(2)
    assert os.path.exists(f"{again.home}/keys.json")


run_tests(names_and_the_log_are_told_to_all, a_device_is_barred_at_once_everywhere,
          a_service_with_node_control_drops_it_and_brings_the_news, an_older_account_is_bound_unless_a_device_objects, one_that_was_away_hears_of_it_later,
          a_quarrel_is_decided_by_an_elder, the_sheet_gives_everything_back, the_sheet_is_renewed,
          all_is_lost_but_the_sheet, an_account_of_which_no_device_is_left, a_barred_device_erases_its_keys)
