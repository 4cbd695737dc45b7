"""Messages, contacts, groups and presence between people at one service, and with a client that is not kith."""

import json

from people import onboard, run_tests, same_digest, wait_until
from tmtp_client import TmtpClient


def two_people(world):
    service = world.service()
    one, two = world.device("one"), world.device("two")
    uids = []
    for device, alias in ((one, "Alice Adams"), (two, "Bobby Brown")):
        device.run("init")
        uids.append(device.run("service", "add", service.address, "--alias", alias)["uid"])
    return service, one, two, *uids


def newest(device, subject):
    return wait_until(lambda: next((item for item in device.run("message", "list") if item["subject"] == subject), None),
                      f"'{subject}'")


def a_first_contact_by_ping_then_a_thread(world):
    service, alice, bobby, alice_uid, bobby_uid = two_people(world)
    error = alice.fails(4, "message", "send", "--to", "Bobby Brown", "--body", "x")
    assert "ping" in error["hint"], error
    error = alice.fails(5, "contact", "ping", "Nobody At All")
    assert error["message"], error
    alice.fails(3, "contact", "ping", "Bobby Brown", "--text", "x" * 141)
    assert alice.run("contact", "ping", "Bobby Brown", "--text", "we met, 𝄞")["state"] == "sent"
    contact = wait_until(lambda: bobby.run("contact", "list"), "the ping")
    assert contact == [{"alias": "Alice Adams", "uid": alice_uid, "service": service.name, "trust": None, "met": ["pinged"]}], contact

    world.say("an answer belongs to the thread of what it answers")
    bobby.run("message", "send", "--to", "Alice Adams", "--subject", "lunch", "--body", "at noon?")
    first = newest(alice, "lunch")
    assert first["from"] == "Bobby Brown" and first["uid"] == bobby_uid
    alice.run("message", "send", "--reply", first["id"][:10], "--body", "with pleasure")
    wait_until(lambda: len(bobby.run("message", "list", "--thread", newest(bobby, "lunch")["id"])) == 2, "the answer")
    bobby.run("message", "send", "--to", "Alice Adams", "--subject", "another thing", "--body", "entirely")
    newest(alice, "another thing")
    thread = alice.run("message", "list", "--thread", first["id"])
    assert [item["subject"] for item in thread] == ["lunch", "lunch"]
    assert {item["thread"] for item in thread} == {first["thread"]}
    answer = alice.run("message", "show", thread[0]["id"])
    assert answer["body"] == "with pleasure" and answer["to"] == "Bobby Brown" and answer["from"] == "Alice Adams", answer
    world.say("one's own message is answered to whom it went")
    alice.run("message", "send", "--reply", thread[0]["id"], "--body", "and tea")
    wait_until(lambda: len(bobby.run("message", "list", "--thread", newest(bobby, "lunch")["id"])) == 3, "the third")
    assert alice.run("outbox", "list") == []
    assert "wrote" in bobby.run("contact", "list")[0]["met"]


def a_group(world):
    service, alice, bobby, alice_uid, bobby_uid = two_people(world)
    carol = world.device("carol")
    carol.run("init")
    carol.run("service", "add", service.address, "--alias", "Carol Clark")
    alice.run("group", "invite", "the hiking group", "Bobby Brown", "--text", "come along")
    newest(bobby, "(invites to the hiking group)")
    error = carol.fails(5, "group", "join", "the hiking group")
    assert "not invited" in error["message"], error
    error = carol.fails(5, "message", "send", "--group", "the hiking group", "--body", "x")
    assert "not a member" in error["message"], error
    bobby.run("group", "join", "the hiking group")
    wait_until(lambda: any("group" in one["met"] for one in alice.run("contact", "list")), "that Bobby joined")
    bobby.run("group", "invite", "the hiking group", "Carol Clark")
    newest(carol, "(invites to the hiking group)")
    carol.run("group", "join", "the hiking group")
    carol.run("message", "send", "--group", "the hiking group", "--subject", "sunday", "--body", "the ridge?")
    for device in (alice, bobby, carol):
        newest(device, "sunday")
    sent = carol.run("message", "show", newest(carol, "sunday")["id"])
    assert sent["to"] == "the hiking group", sent
    carol.run("group", "leave", "the hiking group")
    alice.run("message", "send", "--group", "the hiking group", "--subject", "who comes", "--body", "?")
    newest(bobby, "who comes")
    assert carol.count("who comes") == 0
    assert carol.fails(3, "group", "invite", "short", "Bobby Brown")["hint"]


def an_account_without_an_alias_loses_nothing(world):
    service, alice, bobby, alice_uid, bobby_uid = two_people(world)
    carol = world.device("carol")
    carol.run("init")
    carol.fails(5, "service", "add", service.address, "--alias", "Bobby Brown")
    carol.until("service", "list", like=lambda items: [item["state"] for item in items] == ["online"])
    error = carol.fails(5, "group", "leave", "the hiking group")
    assert "no alias" in error["message"] and carol.run("outbox", "list") == [], error
    world.say("an invitation gives it one")
    text = alice.run("invite", "new")["text"]
    carol.fails(5, "invite", "accept", "--yes", text, "--alias", "Alice Adams")
    carol.run("invite", "accept", "--yes", text, "--alias", "Carol Clark")
    alice.until("contact", "list", like=lambda items: [item["alias"] for item in items] == ["Carol Clark"])
    assert carol.run("service", "list")[0]["alias"] == "Carol Clark"


def several_recipients_and_a_note(world):
    service, alice, bobby, alice_uid, bobby_uid = two_people(world)
    carol = world.device("carol")
    carol.run("init")
    carol_uid = carol.run("service", "add", service.address, "--alias", "Carol Clark")["uid"]
    alice.run("message", "send", "--to", bobby_uid, "--to", carol_uid, "--subject", "for two", "--body", "x")
    message = newest(bobby, "for two")
    assert {copy["uid"] for copy in bobby.run("message", "show", message["id"])["cc"]} == {bobby_uid, carol_uid}
    bobby.run("message", "send", "--reply", message["id"], "--all", "--subject", "to all", "--body", "y")
    for device in (alice, carol):
        newest(device, "to all")
    alice.run("message", "send", "--to", bobby_uid, "--subject", "the minutes", "--body", "long",
              "--notify", carol_uid, "--note", "the minutes are out")
    newest(bobby, "the minutes")
    note = newest(carol, "(a note)")
    assert carol.run("message", "show", note["id"])["body"] == "the minutes are out"
    assert carol.count("the minutes") == 0
    error = alice.fails(3, "message", "send", "--subject", "x", "--body", "x")
    assert "--to" in error["hint"], error


def presence_comes_and_goes(world):
    service, alice, bobby, alice_uid, bobby_uid = two_people(world)

    def seen_by(device):
        return [one["uid"] for one in device.run("presence")[0]["present"]]
    assert seen_by(bobby) == []
    alice.run("presence", "show", bobby_uid)
    wait_until(lambda: seen_by(bobby) == [alice_uid], "that Alice is there")
    alice.run("stop")
    wait_until(lambda: seen_by(bobby) == [], "that Alice has gone")
    alice.run("status")
    wait_until(lambda: seen_by(bobby) == [alice_uid], "that Alice is back: it was told again after the login")
    world.say("the person's other device shows the same, and hides it")
    phone = world.device("phone")
    onboard(alice, phone)
    alice.run("presence", "hide", bobby_uid)
    wait_until(lambda: alice.run("presence")[0]["shown_to"] == [], "that it is hidden")
    alice.run("stop")
    wait_until(lambda: seen_by(bobby) == [], "that Alice has gone")


def what_is_asked_while_the_service_is_away(world):
    service, alice, bobby, alice_uid, bobby_uid = two_people(world)
    service.stop()
    wait_until(lambda: alice.run("service", "list")[0]["state"] == "offline", "that the service is away")
    assert alice.run("contact", "ping", "Bobby Brown")["state"] == "queued"
    assert alice.run("contact", "ping", "Nobody At All")["state"] == "queued"
    assert alice.run("message", "send", "--to", bobby_uid, "--subject", "later", "--body", "x")["state"] == "queued"
    assert alice.run("message", "send", "--to", bobby_uid, "--subject", "never", "--body", "x")["state"] == "queued"
    waiting = alice.run("outbox", "list")
    assert [(item["what"], item["state"]) for item in waiting] == [("ping", "queued")] * 2 + [("message", "queued")] * 2
    alice.run("outbox", "drop", str(waiting[-1]["number"]))
    alice.fails(4, "outbox", "drop", str(waiting[-1]["number"]))
    alice.kill()
    service.start()
    alice.run("status")
    world.say("it goes out after a crash; what is refused when nobody waits for the answer is kept and shown")
    newest(bobby, "later")
    refused = alice.until("outbox", "list", like=lambda items: [item["state"] for item in items] == ["refused"])[0]
    assert refused["to"] == ["Nobody At All"] and "not found" in refused["why"], refused
    assert bobby.count("never") == 0
    nobody = TmtpClient(service.address)
    nobody.register("Nobody At All")
    alice.run("outbox", "retry", str(refused["number"]))
    wait_until(lambda: alice.run("outbox", "list") == [], "that it is sent")


def another_client_writes_in_capitals(world):
    service = world.service()
    alice = world.device("alice")
    alice.run("init")
    uid = alice.run("service", "add", service.address, "--alias", "Alice Adams")["uid"]
    other = TmtpClient(service.address)
    other.register("Bobby Brown")
    for capital in (True, False):
        keys = ["threadid", "alias", "subject", "attach", "name", "size"]
        thread, alias, subject, attach, name, size = [key.capitalize() if capital else key for key in keys]
        inner = json.dumps({thread: "", alias: "Bobby Brown", subject: f"capitals {capital}",
                            attach: [{name: "u:note.txt", size: 5}]}).encode()
        assert "error" not in other.post([uid], inner + b"the body" + b"aFile", datahead=len(inner))
        shown = alice.run("message", "show", newest(alice, f"capitals {capital}")["id"], "--save", world.path("saved"))
        assert shown["body"] == "the body" and shown["attachments"][0]["name"] == "note.txt", shown
        with open(shown["saved"][0]) as file:
            assert file.read() == "aFile"


run_tests(a_first_contact_by_ping_then_a_thread, a_group, an_account_without_an_alias_loses_nothing, several_recipients_and_a_note, presence_comes_and_goes,
          what_is_asked_while_the_service_is_away, another_client_writes_in_capitals)
