"""What can go wrong with an offer, and that nothing is half done afterwards."""

import os

from people import offered, onboard, run_tests, same_digest

MAIL = "From: a@example.org\nTo: b@example.org\nSubject: one\nDate: Thu, 22 Aug 2002 12:36:23 +0000\n\nhello\n"


def two_devices(world):
    old, new = world.device("old"), world.device("new")
    old.run("init", "--name", "laptop")
    old.run("history", "import", world.file("one.eml", MAIL))
    return old, new


def other(code):
    return "000000" if code != "000000" else "000001"


def nothing_happened(old, new):
    """The old device is alone and as it was, the new one is nobody's, and both are fit for a pairing."""
    assert [(item["state"], item["this"]) for item in old.run("device", "list")] == [("active", True)]
    assert old.run("status")["state"] == "open" and old.run("status")["peers"] == []
    assert old.run("history", "stats")["records"] == 1
    if os.path.isdir(new.home):
        status = new.run("status")
        assert status["state"] == "new" and status["device"] is None, status
        left = sorted(os.listdir(new.home))
        assert set(left) <= {"kithd.lock", "kithd.log", "kithd.sock"}, f"left behind: {left}"


def a_wrong_code_then_the_right_one(world):
    old, new = two_devices(world)
    adding, joining, code = offered(old, new)
    adding.say(other(code))
    assert adding.wait_for("wrong_code")["left"] == 4
    fresh = joining.wait_for("code")["code"]
    assert fresh != code, "the same code again"
    adding.wait_for("code_wanted")
    adding.say(code)
    assert adding.wait_for("wrong_code")["left"] == 3, "a used code was good once more"
    fresh = joining.wait_for("code")["code"]
    adding.wait_for("code_wanted")
    world.say("the code stays while its owner reads and types it")
    joining.stays_silent(1)
    adding.stays_silent(0.1)
    adding.say(fresh)
    assert joining.wait_for("done")["digest"] == adding.wait_for("done")["digest"]
    assert adding.finish() == 0 and joining.finish() == 0
    same_digest(old, new)


def what_is_no_code_does_not_count(world):
    old, new = two_devices(world)
    adding, joining, code = offered(old, new)
    for text in ("12345", "1234567", "abcdef", "12 34x", "９９９９９９"):
        adding.say(text)
        assert adding.wait_for("code_wanted", "wrong_code")["event"] == "code_wanted", text
    adding.say(f" {code[:3]} {code[3:]} ")
    adding.wait_for("done")
    joining.wait_for("done")
    assert "wrong_code" not in adding.names()


def five_wrong_codes(world):
    old, new = two_devices(world)
    for number in range(5):
        use_up_the_tries(old, new)
        world.say(f"an offer ended at the fifth wrong code, time {number + 1}")
        nothing_happened(old, new)
    onboard(old, new)


def use_up_the_tries(old, new):
    adding, joining, code = offered(old, new)
    for left in (4, 3, 2, 1, 0):
        adding.say(other(code))
        assert adding.wait_for("wrong_code")["left"] == left
        if left:
            code = joining.wait_for("code")["code"]
            adding.wait_for("code_wanted")
    error = adding.fails(5)
    assert "wrong" in error["message"] and "device add" in error["hint"], error
    error = joining.fails(5)
    assert error["hint"], error


def an_expired_offer(world):
    old, new = two_devices(world)
    old.fails(2, "device", "add", "--expires", "9")
    adding = old.begin("device", "add", "--expires", "10")
    text = adding.wait_for("offer")["text"]
    error = adding.fails(8, timeout=30)
    assert "expired" in error["message"] and "device add" in error["hint"], error
    error = new.begin("device", "join", text).fails(7)
    assert "expired" in error["message"] and "device add" in error["hint"], error
    nothing_happened(old, new)
    onboard(old, new)


def an_offer_that_expires_while_the_code_is_awaited(world):
    old, new = two_devices(world)
    adding, joining, code = offered(old, new, add_words=("--expires", "10"))
    error = adding.fails(8, timeout=30)
    assert "expired" in error["message"], error
    error = joining.fails(5)
    assert error["hint"], error
    nothing_happened(old, new)
    onboard(old, new)


def an_offer_used_twice(world):
    old, new, third = *two_devices(world), world.device("third")
    onboard(old, new)
    # One offer after the other: the first is used up with its `done`.
    adding = old.begin("device", "add")
    text = adding.wait_for("offer")["text"]
    joining = third.begin("device", "join", text, "--name", "third")
    adding.say(joining.wait_for("code")["code"])
    adding.wait_for("done")
    joining.wait_for("done")
    late = world.device("late")
    error = late.begin("device", "join", text).fails(7)
    assert "used" in error["message"] and "device add" in error["hint"], error
    assert len(old.run("device", "list")) == 3
    assert late.run("status")["state"] == "new"
    same_digest(old, new, third)


def two_clients_with_the_same_offer(world):
    old, new, thief = *two_devices(world), world.device("thief")
    adding = old.begin("device", "add")
    text = adding.wait_for("offer")["text"]
    joining = new.begin("device", "join", text)
    joining.wait_for("code")
    adding.wait_for("code_wanted")
    stealing = thief.begin("device", "join", text)
    error = adding.fails(5)
    assert "void" in error["message"] and "device add" in error["hint"], error
    assert any(event["event"] == "warning" for event in adding.seen), "no warning"
    for events in (joining, stealing):
        error = events.fails(5)
        assert error["hint"], error
    nothing_happened(old, new)
    nothing_happened(old, thief)
    onboard(old, new)


def an_address_where_nobody_answers(world):
    old, new = two_devices(world)
    adding = old.begin("device", "add")
    text = adding.wait_for("offer")["text"]
    old.kill()
    adding.fails(14)
    error = new.begin("device", "join", text).fails(7)
    assert "device add" in error["hint"], error
    nothing_happened(old, new)
    onboard(old, new)


def texts_that_are_no_offer(world):
    old, new = world.device("old"), world.device("new")
    sheet = old.run("init")["recovery"]
    old.run("history", "import", world.file("one.eml", MAIL))
    adding = old.begin("device", "add")
    text = adding.wait_for("offer")["text"]
    foreign = ["hello", "https://example.org/?q=1", "kith", "WIFI:S:home;T:WPA;P:secret;;", "=127.0.0.1:443", "x" * 600,
               "A" * 16000, "héllo", text[:-1], text[:len(text) // 2], text[:10], text + "A", text[1:], text[:30] + text[31:],
               text[:40] + ("A" if text[40] != "A" else "B") + text[41:]]
    for wrong in foreign:
        error = new.begin("device", "join", wrong).fails(3)
        assert error["hint"], (wrong, error)
    error = new.begin("device", "join", sheet).fails(3)
    assert "recovery" in error["message"] + error["hint"], error
    for words in (("device", "join"), ("device", "join", "-")):
        error = new.fails(2 if len(words) == 2 else 3, *words)
        assert error["hint"], error
    assert new.run("status")["state"] == "new"
    # The offer is as good as before; also with spaces and line ends around it, and from standard input.
    joining = new.begin("device", "join", "-", "--name", "phone")
    joining.say(f"  {text}  ")
    adding.say(joining.wait_for("code")["code"])
    joining.wait_for("done")
    adding.wait_for("done")


def withdrawn_on_either_side(world):
    old, new = two_devices(world)
    world.say("by 'device cancel' on the old one")
    adding, joining, _ = offered(old, new)
    assert old.run("device", "cancel")["remains"] == []
    adding.fails(13)
    joining.fails(5)
    nothing_happened(old, new)
    world.say("by 'device cancel' on the new one")
    adding, joining, _ = offered(old, new)
    assert new.run("status")["state"] == "joining" and old.run("status")["state"] == "adding"
    assert new.run("device", "cancel")["remains"] == []
    joining.fails(13)
    old.run("device", "cancel")
    adding.fails(13)
    nothing_happened(old, new)
    world.say("by an end of standard input instead of the code")
    adding, joining, _ = offered(old, new)
    adding.process.stdin.close()
    adding.fails(3)
    joining.fails(5)
    nothing_happened(old, new)
    world.say("by the death of a command")
    for victim in range(2):
        both = offered(old, new)[:2]
        both[victim].process.kill()
        if victim == 1:
            old.run("device", "cancel")
            both[0].fails(13)
        else:
            both[1].fails(5)
        for events in both:
            events.close()
        new.until("status", like=lambda status: status["state"] == "new")
        nothing_happened(old, new)
    old.fails(4, "device", "cancel")
    onboard(old, new)


def commands_at_any_moment_of_a_pairing(world):
    """Who looks meanwhile gets an answer, an error perhaps, and ends nothing."""
    for number in range(6):
        old, new = world.device(f"old {number}"), world.device(f"new {number}")
        old.run("init")
        if number % 2:
            new.run("init")
        adding, joining, code = offered(old, new)
        pids = old.daemon_pid(), new.daemon_pid()
        adding.say(code)
        while joining.process.poll() is None or adding.process.poll() is None:
            for method in ("status", "service.list", "device.list", "history.stats"):
                for device in (old, new):
                    try:
                        device.call(method)
                    except AssertionError as answer:
                        assert "hung up" not in str(answer), f"{method} at the {'new' if device is new else 'old'} one: {answer}"
        assert (old.daemon_pid(), new.daemon_pid()) == pids
        assert adding.finish() == 0 and joining.finish() == 0


run_tests(a_wrong_code_then_the_right_one, what_is_no_code_does_not_count, five_wrong_codes, an_expired_offer,
          an_offer_that_expires_while_the_code_is_awaited, an_offer_used_twice, two_clients_with_the_same_offer,
          an_address_where_nobody_answers, texts_that_are_no_offer, withdrawn_on_either_side,
          commands_at_any_moment_of_a_pairing)
