"""Who may join: a fresh home, and a profile that holds nothing; never one that would lose something."""

import os
import shutil

from people import offered, onboard, pair, run_tests, same_digest

MAIL = "From: a@example.org\nTo: b@example.org\nSubject: {}\nDate: Thu, 22 Aug 2002 12:36:23 +0000\n\nhello\n"


def person(world, name):
    device = world.device(name)
    begun = device.run("init", "--name", name)
    device.run("history", "import", world.file(f"{name}.eml", MAIL.format(name)))
    return device, begun


def a_fresh_home_joins_without_init(world):
    old, begun = person(world, "old")
    new = world.device("new")
    onboard(old, new, "phone")
    status = new.run("status")
    assert status["name"] == "phone" and status["state"] == "open" and status["device"] != begun["device"]
    for device in (old, new):
        names = {item["name"]: item for item in device.run("device", "list")}
        assert set(names) == {"old", "phone"} and names["phone"]["by"] == "old", names
    assert same_digest(old, new)["records"] == 1


def an_initialised_but_empty_profile_gives_up_its_person(world):
    old, _ = person(world, "old")
    new = world.device("new")
    gone = new.run("init", "--name", "made in vain")
    adding, joining = pair(old, new, "phone")
    joining.wait_for("done")
    adding.wait_for("done")
    warnings = [event["text"] for event in joining.seen if event["event"] == "warning"]
    assert any("recovery sheet" in text and "void" in text for text in warnings), warnings
    status = new.run("status")
    assert status["device"] != gone["device"] and status["name"] == "phone"
    assert {item["name"] for item in new.run("device", "list")} == {"old", "phone"}
    same_digest(old, new)
    world.say("a wrong try does not cost it its person")
    other = world.device("other")
    kept = other.run("init")
    adding, joining, code = offered(old, other)
    old.run("device", "cancel")
    adding.fails(13)
    joining.fails(5)
    assert other.run("status")["device"] == kept["device"]


def who_is_declined_has_the_person_it_had(world):
    old = world.device("old")
    old.run("init", "--name", "old")
    old.stop()
    shutil.copytree(old.home, world.path("copy"))  # its keys are those of a device that is on the list
    copy = world.device("copy")
    before = [copy.run(*words) for words in (("status",), ("device", "list"), ("device", "log"), ("history", "digest"))]
    adding, joining, code = offered(old, copy)
    adding.say(code)
    adding.fails(5)
    joining.fails(5)
    assert not any(event["event"] == "warning" for event in joining.seen), joining.seen
    for restart in (False, True):
        if restart:
            copy.stop()
        assert [copy.run(*words) for words in (("status",), ("device", "list"), ("device", "log"), ("history", "digest"))] == before
    world.say("it can join another person still, and it did not take its own offer")
    adding = copy.begin("device", "add")
    error = copy.begin("device", "join", adding.wait_for("offer")["text"]).fails(5)
    assert "new device" in error["message"] and "cancel" in error["hint"], error
    copy.run("device", "cancel")
    adding.fails(13)
    other, _ = person(world, "other")
    onboard(other, copy)


def the_passphrase_that_is_given_is_had(world):
    old, _ = person(world, "old")
    words = ("--passphrase-file", world.file("passphrase", "the ferns of the north wall\n"))
    for name in ("fresh", "made in vain"):
        new = world.device(name)
        if name != "fresh":
            new.run("init")
        onboard(old, new, name, join_words=words)
        new.run("lock")
        assert new.run("status")["state"] == "locked"
        new.stop()
        new.fails(6, "history", "digest")
        new.run("unlock", *words)
        same_digest(old, new)


def a_profile_that_holds_something_refuses_and_loses_nothing(world):
    old, _ = person(world, "old")
    service = world.service()
    with_history, _ = person(world, "with history")
    with_account = world.device("with account")
    with_account.run("init")
    with_account.run("service", "add", service.address, "--alias", "its-owner")
    with_peer, peer = world.device("with peer"), world.device("peer")
    with_peer.run("init")
    onboard(with_peer, peer)
    adding = old.begin("device", "add")
    text = adding.wait_for("offer")["text"]
    for device in (with_history, with_account, with_peer, peer):
        before = [device.run(*words) for words in (("status",), ("history", "digest"), ("service", "list"), ("device", "list"))]
        error = device.begin("device", "join", text).fails(5)
        assert error["hint"], error
        device.stop()
        after = [device.run(*words) for words in (("history", "digest"), ("device", "list"))]
        assert [before[1], before[3]] == after
        assert device.run("status")["device"] == before[0]["device"]
    error = old.begin("device", "join", text).fails(5)
    assert error["hint"]
    world.say("the offer is as good as before")
    new = world.device("new")
    joining = new.begin("device", "join", text)
    adding.say(joining.wait_for("code")["code"])
    joining.wait_for("done")
    adding.wait_for("done")


def a_failed_join_leaves_a_fresh_home_that_can_be_initialised(world):
    old, _ = person(world, "old")
    new = world.device("new")
    adding, joining, _ = offered(old, new)
    old.run("device", "cancel")
    adding.fails(13)
    joining.fails(5)
    assert not os.path.exists(f"{new.home}/keys.json")
    begun = new.run("init", "--name", "on its own")
    assert new.run("status")["device"] == begun["device"]


def a_device_that_is_cancelled_after_its_approval_is_barred(world):
    old, _ = person(world, "old")
    new = world.device("new")
    # Its daemon is gone before it has anything: the approval can be taken back.
    adding, joining, code = offered(old, new)
    adding.say(code)
    adding.wait_for("approved")
    new.kill()
    joining.close()
    result = old.run("device", "cancel")
    assert isinstance(result["remains"], list)
    adding.fails(13)
    states = {item["name"]: item["state"] for item in old.run("device", "list")}
    assert states["old"] == "active" and states["new device"] != "active", states
    new.run("status")
    digest = old.run("history", "digest")
    assert all(peer["state"] != "connected" for peer in old.run("status")["peers"])
    old.stop()
    assert old.run("history", "digest") == digest
    another = world.device("another")
    onboard(old, another)
    same_digest(old, another)


def shown(new, *words):
    joining = new.begin("device", "join", "--show", *words)
    return joining, joining.wait_for("bell")["text"]


def the_new_device_shows_and_the_old_one_takes(world):
    old, _ = person(world, "old")
    new = world.device("new")
    joining, text = shown(new, "--name", "phone")
    assert text.startswith("KITH-JOIN:") and new.run("status")["state"] == "joining"
    adding = old.begin("device", "add", "-")
    adding.say(f"  {text}  ")
    adding.wait_for("handed")
    code = joining.wait_for("code")["code"]
    assert len(code) == 6 and "rung" in joining.names() and "whose" not in joining.names()
    adding.wait_for("code_wanted")
    adding.say(code)
    whose = joining.wait_for("whose")
    assert whose["name"] == "old" and whose["others"] == [], whose
    assert joining.wait_for("done")["digest"] == adding.wait_for("done")["digest"]
    assert adding.finish() == 0 and joining.finish() == 0
    assert "offer" not in adding.names(), "the offer was shown to whoever stands there"
    same_digest(old, new)
    world.say("what was used is good for nothing more")
    error = old.begin("device", "add", text).fails(7)
    assert error["hint"], error
    assert len(old.run("device", "list")) == 2


def a_second_one_who_answers_ends_it_for_all(world):
    old, _ = person(world, "old")
    stranger, _ = person(world, "stranger")
    new = world.device("new")
    joining, text = shown(new)
    world.say("a stranger who looked over a shoulder is faster, and hands over an offer of an account of his own")
    stealing = stranger.begin("device", "add", text)
    stealing.wait_for("handed")
    joining.wait_for("code")
    adding = old.begin("device", "add", text)
    error = adding.fails(5)
    assert "new device" in error["message"] and "--show" in error["hint"], error
    error = joining.fails(5)
    assert "not yours" in error["message"], error
    stealing.fails(5)
    assert new.run("status")["state"] == "new" and new.run("status")["device"] is None
    for device in (old, stranger):
        assert len(device.run("device", "list")) == 1 and device.run("status")["state"] == "open"
    world.say("all of them are as they were")
    onboard(old, new)


def what_is_shown_and_taken_back(world):
    old, _ = person(world, "old")
    new = world.device("new")
    joining, text = shown(new)
    adding = old.begin("device", "add")
    offer = adding.wait_for("offer")["text"]
    error = old.begin("device", "add", offer).fails(3)
    assert "offer" in error["message"], error
    error = world.device("other").begin("device", "join", text).fails(3)
    assert "device add" in error["hint"], error
    old.run("device", "cancel")
    adding.fails(13)
    new.run("device", "cancel")
    joining.fails(13)
    assert new.run("status")["state"] == "new"
    error = old.begin("device", "add", text).fails(7)
    assert "new device" in error["message"], error
    assert old.run("status")["state"] == "open" and len(old.run("device", "list")) == 1
    world.say("by the death of the command; and who takes it back on the old device")
    joining, text = shown(new)
    joining.process.kill()
    joining.close()
    new.until("status", like=lambda status: status["state"] == "new")
    joining, text = shown(new)
    adding = old.begin("device", "add", text)
    adding.wait_for("code_wanted")
    old.run("device", "cancel")
    adding.fails(13)
    joining.fails(5)
    onboard(old, new)


run_tests(the_new_device_shows_and_the_old_one_takes, a_second_one_who_answers_ends_it_for_all, what_is_shown_and_taken_back,
          who_is_declined_has_the_person_it_had, the_passphrase_that_is_given_is_had,
          a_fresh_home_joins_without_init, an_initialised_but_empty_profile_gives_up_its_person,
          a_profile_that_holds_something_refuses_and_loses_nothing,
          a_failed_join_leaves_a_fresh_home_that_can_be_initialised,
          a_device_that_is_cancelled_after_its_approval_is_barred)
