"""Services: several, absent, restarted, with another key; each device of a person has its own node."""

import os
import signal

import mails
from people import offered, onboard, pair, run_tests, same_digest, wait_until


def state_of(device, address):
    return next(item["state"] for item in device.run("service", "list") if item["address"] == address)


def until_state(device, address, state):
    device.until("service", "list", like=lambda items: any(i["address"] == address and i["state"] == state for i in items))


def send(sender, uid, subject, address=None):
    words = ["message", "send", "--to", uid, "--subject", subject, "--body", "text"]
    return sender.run(*words, *(["--service", address] if address else []))


def once_on(subject, *devices):
    """All get it, and none gets it twice."""
    for device in devices:
        wait_until(lambda: device.count(subject) > 0, f"'{subject}'")
    same_digest(*devices)
    for device in devices:
        assert device.count(subject) == 1, subject


def onboarding_without_any_service(world):
    old, new = world.device("old"), world.device("new")
    old.run("init")
    joined, added = onboard(old, new)
    assert joined["digest"] == added["digest"] == same_digest(old, new)["digest"]
    assert new.run("service", "list") == [] and new.run("status")["services"] == []


def a_service_that_is_down_while_a_device_is_added(world):
    here, away = world.service("here"), world.service("away")
    old, new, friend = world.device("old"), world.device("new"), world.device("friend")
    old.run("init")
    friend.run("init")
    uids = {}
    for service in (here, away):
        uids[service] = old.run("service", "add", service.address, "--alias", "the-owner")["uid"]
        friend.run("service", "add", service.address, "--alias", "the-friend")
    away.stop()
    until_state(old, away.address, "offline")
    adding, joining = pair(old, new)
    joining.wait_for("done")
    adding.wait_for("done")
    for events in (joining, adding):
        told = {event["address"]: event["state"] for event in events.seen if event["event"] == "service"}
        assert told == {here.address: "online", away.address: "pending"}, told
    assert state_of(new, here.address) == "online" and state_of(new, away.address) == "pending"
    world.say("it comes back: the new device gets its node by itself")
    away.start()
    until_state(new, away.address, "online")
    until_state(old, away.address, "online")
    until_state(friend, away.address, "online")
    for service in (here, away):
        subject = f"to both by {service.name}"
        assert send(friend, uids[service], subject, service.address)["state"] == "sent"
        once_on(subject, old, new)
    world.say("each device has a node of its own: one is stopped, the other still receives")
    old.run("stop")
    send(friend, uids[away], "while the old one slept", away.address)
    wait_until(lambda: new.count("while the old one slept") == 1, "the message on the new one")
    new.run("stop")
    old.run("status")
    wait_until(lambda: old.count("while the old one slept") == 1, "the message on the old one")
    new.run("status")
    once_on("while the old one slept", old, new)


def a_service_for_a_person_with_two_devices(world):
    service = world.service()
    old, new, friend = world.device("old"), world.device("new"), world.device("friend")
    old.run("init")
    onboard(old, new)
    friend.run("init")
    friend.run("service", "add", service.address, "--alias", "the-friend")
    uid = old.run("service", "add", service.address, "--alias", "the-owner")["uid"]
    until_state(new, service.address, "online")
    assert new.run("service", "list")[0]["alias"] == "the-owner"
    send(friend, uid, "to both")
    once_on("to both", old, new)
    send(new, friend.run("service", "list")[0]["uid"], "from the new one")
    once_on("from the new one", old, new)
    wait_until(lambda: friend.count("from the new one") == 1, "the message at the friend")
    world.say("also when the other device was off, and when the service was added on the second one")
    other = world.service("other")
    old.run("stop")
    uid = new.run("service", "add", other.address, "--alias", "the-owner")["uid"]
    old.run("status")
    until_state(old, other.address, "online")
    friend.run("service", "add", other.address, "--alias", "the-friend")
    send(friend, uid, "by the other", other.address)
    once_on("by the other", old, new)


def refusals_of_a_service_leave_nothing_behind(world):
    service = world.service()
    one, two = world.device("one"), world.device("two")
    one.run("init")
    two.run("init")
    one.run("service", "add", service.address, "--alias", "the-owner")
    for code, words in ((5, (service.address, "--alias", "another-name")), (3, ("127.0.0.1:1", "--alias", "the-owner")),
                        (3, ("=127.0.0.1:99999", "--alias", "the-owner")), (7, ("=127.0.0.1:1", "--alias", "the-owner")),
                        (3, (service.address, "--alias", "short")), (3, (service.address, "--alias", "the-owner", "--pin", "00"))):
        error = one.fails(code, "service", "add", *words)
        assert error["message"], error
    assert len(one.run("service", "list")) == 1
    error = two.fails(5, "service", "add", service.address, "--alias", "the-owner", "--pin", "00" * 32)
    assert error["hint"] and two.run("service", "list") == []
    world.say("an alias that is taken: the account is made, and takes another one")
    error = two.fails(5, "service", "add", service.address, "--alias", "the-owner")
    assert "--alias" in error["hint"], error
    added = two.run("service", "add", service.address, "--alias", "not-the-owner")
    assert added["alias"] == "not-the-owner" and added["state"] == "online"
    assert [item["alias"] for item in two.run("service", "list")] == ["not-the-owner"]
    error = one.fails(4, "message", "send", "--to", "nobody-knows-him", "--body", "x")
    assert error["hint"]
    error = one.fails(4, "message", "send", "--to", added["uid"], "--body", "x", "--attach", world.path("no such file"))
    one.run("message", "send", "--to", added["uid"], "--subject", "hello", "--body", "x")
    wait_until(lambda: two.count("hello") == 1, "the message")
    world.say("who has written can be answered by alias")
    two.run("message", "send", "--to", "the-owner", "--subject", "answer", "--body", "x")
    wait_until(lambda: one.count("answer") == 1, "the answer")


def the_service_restarts_during_everything(world):
    service = world.service()
    old, new, friend = world.device("old"), world.device("new"), world.device("friend")
    old.run("init")
    friend.run("init")
    uid = old.run("service", "add", service.address, "--alias", "the-owner")["uid"]
    friend.run("service", "add", service.address, "--alias", "the-friend")
    old.run("history", "import", mails.write(world.path("mails"), 500, [4 << 20] * 8).path)
    subjects = []

    def post():
        subjects.append(f"number {len(subjects)}")
        send(friend, uid, subjects[-1])

    def restart():
        service.stop(signal.SIGKILL if len(subjects) % 2 else signal.SIGTERM)
        service.start()

    post()
    restart()
    post()
    adding, joining, code = offered(old, new)
    restart()
    post()
    adding.say(code)
    adding.wait_for("approved")
    restart()
    post()
    joining.wait_for("progress")
    restart()
    post()
    joining.wait_for("done")
    adding.wait_for("done")
    restart()
    post()
    for device in (old, new, friend):
        until_state(device, service.address, "online")
    for subject in subjects:
        for device in (old, new):
            wait_until(lambda: device.count(subject) > 0, f"'{subject}'")
    same_digest(old, new)
    for subject in subjects:
        assert (old.count(subject), new.count(subject)) == (1, 1), subject
    assert new.run("service", "list")[0]["state"] == "online"


def what_is_sent_while_a_service_is_away_goes_later_and_once(world):
    service = world.service()
    old, new, friend = world.device("old"), world.device("new"), world.device("friend")
    old.run("init")
    friend.run("init")
    old.run("service", "add", service.address, "--alias", "the-owner")
    uid = friend.run("service", "add", service.address, "--alias", "the-friend")["uid"]
    onboard(old, new)
    service.stop()
    until_state(old, service.address, "offline")
    until_state(new, service.address, "offline")
    assert send(old, uid, "written offline")["state"] == "queued"
    assert send(new, uid, "written offline too")["state"] == "queued"
    old.kill()
    service.start()
    old.run("status")
    for subject in ("written offline", "written offline too"):
        wait_until(lambda: friend.count(subject) > 0, subject)
        once_on(subject, old, new)
        assert friend.count(subject) == 1


def another_key_is_refused_until_it_is_accepted(world):
    service = world.service()
    old, new, friend = world.device("old"), world.device("new"), world.device("friend")
    old.run("init")
    friend.run("init")
    account = old.run("service", "add", service.address, "--alias", "the-owner")
    friend.run("service", "add", service.address, "--alias", "the-friend")
    onboard(old, new)
    same = old.run("service", "repin", service.address)
    assert same["pinned"] == same["offered"] == account["pin"]
    world.say("the service comes back with another key")
    service.stop()
    os.unlink(f"{service.folder}/tls.pem")
    service.start()
    for device in (old, new):
        device.until("service", "list", like=lambda items: items[0]["state"] != "online" and "why" in items[0]
                     and "key" in items[0]["why"], timeout=90)
    look = old.run("service", "repin", service.address)
    assert look["pinned"] == account["pin"] and look["offered"] not in (None, "", account["pin"]), look
    assert state_of(old, service.address) == "offline", "looking at the key accepted it"
    old.fails(3, "service", "repin", service.address, "--pin", "zz")
    old.fails(4, "service", "repin", "=127.0.0.1:1", "--pin", look["offered"])
    for device in (old, new):
        device.run("service", "repin", service.address, "--pin", look["offered"])
        until_state(device, service.address, "online")
        assert device.run("service", "list")[0]["pin"] == look["offered"]
    friend.run("service", "repin", service.address, "--pin", look["offered"])
    until_state(friend, service.address, "online")
    send(friend, account["uid"], "by the new key")
    once_on("by the new key", old, new)


run_tests(onboarding_without_any_service, a_service_that_is_down_while_a_device_is_added,
          a_service_for_a_person_with_two_devices, refusals_of_a_service_leave_nothing_behind,
          the_service_restarts_during_everything, what_is_sent_while_a_service_is_away_goes_later_and_once,
          another_key_is_refused_until_it_is_accepted)
