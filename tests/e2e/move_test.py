"""An account that a lost device still gets into is left for a new one at the same service."""

import subprocess
import time

from people import onboard, run_tests, same_digest, wait_until

FORMER, NEW = "the-owner", "the-owner-anew"
GROUP = "the hiking group"


def family(world, *names):
    service = world.service(flags=("--node-control", "no"))
    devices = [world.device(name) for name in names]
    devices[0].run("init", "--name", names[0])
    devices[0].run("service", "add", service.address, "--alias", FORMER)
    for device, name in zip(devices[1:], names[1:]):
        onboard(devices[0], device, name)
    for device in devices:
        device.until("status", like=lambda s: [peer["state"] for peer in s["peers"]] == ["connected"] * (len(names) - 1))
        device.until("service", "list", like=lambda items: [item["state"] for item in items] == ["online"])
    return service, *devices


def friend(world, service, alias):
    device = world.device(alias.split()[0])
    device.run("init")
    device.run("service", "add", service.address, "--alias", alias)
    return device


def has(device, subject, sender=None):
    wait_until(lambda: any(item["subject"] == subject and sender in (None, item["from"]) for item in device.run("message", "list")),
               f"'{subject}'")


def services(device):
    return {item["alias"]: item for item in device.run("service", "list")}


def contacts_and_groups_come_along_and_the_lost_device_does_not(world):
    service, one, two, lost = family(world, "one", "two", "lost")
    bobby, carol = friend(world, service, "Bobby Brown"), friend(world, service, "Carol Clark")
    bobby.run("invite", "accept", "--yes", one.run("invite", "new")["text"])
    one.until("contact", "list", like=lambda items: [item["trust"] for item in items] == ["introduced"])
    carol.run("contact", "ping", FORMER)
    one.until("contact", "list", like=lambda items: len(items) == 2)
    for other, name in ((bobby, "Bobby Brown"), (carol, "Carol Clark")):
        one.run("group", "invite", GROUP, name)
        has(other, f"(invites to {GROUP})")
        other.run("group", "join", GROUP)
    bobby.until("group", "list", like=lambda items: [(i["group"], i["alias"]) for i in items] == [(GROUP, "Bobby Brown")])
    bobby.run("message", "send", "--group", GROUP, "--subject", "before", "--body", "x")
    has(lost, "before")
    one.run("message", "send", "--to", "Bobby Brown", "--subject", "an old matter", "--body", "x")
    has(lost, "an old matter")
    open_cards = [device.run("invite", "new")["card"] for device in (one, two)]
    one.until("invite", "list", like=lambda items: set(open_cards) <= {item["card"] for item in items})

    told = subprocess.run(one.words("device", "revoke", "lost"), capture_output=True, text=True, timeout=60, input="")
    assert f"kith service move {service.address} --alias" in told.stdout, told
    moved = one.run("service", "move", "--yes", service.address, "--alias", NEW)
    assert (moved["from"], moved["alias"], moved["contacts"], moved["pinged"]) == (FORMER, NEW, 2, 2), moved
    assert moved["groups"] == [GROUP] and moved["devices"] == ["two"] and moved["withdrawn"] == 2, moved

    world.say("contacts are told by the former account, and pinged by the new one")
    for other in (bobby, carol):
        has(other, f"My new account: {NEW}", FORMER)
        has(other, "(wants to be in contact)", NEW)
    world.say("the group has the new account in it, and the former one no more")
    wait_until(lambda: any(item["alias"] == NEW for item in one.run("group", "list")), "that the new account joined")
    wait_until(lambda: [item["alias"] for item in one.run("group", "list")] == [NEW], "that the former one left")
    one.until("outbox", "list", like=lambda items: items == [])
    bobby.run("message", "send", "--group", GROUP, "--subject", "the new path", "--body", "x")
    for device in (one, two):
        has(device, "the new path")

    world.say("both devices have it; what is not told to whom else is meant goes by the new one")
    for device in (one, two):
        device.until("service", "list", like=lambda items: {item["alias"]: item["state"] for item in items} == {FORMER: "online", NEW: "online"})
        assert services(device)[FORMER]["moved_to"] == {"alias": NEW, "uid": moved["uid"]} and "moved_to" not in services(device)[NEW]
        assert sorted((c["alias"], c["trust"]) for c in device.run("contact", "list")) == [("Bobby Brown", "introduced"), ("Carol Clark", None)]
        assert device.run("contact", "show", "Bobby Brown")["trust"] == "introduced"
        device.until("invite", "list", like=lambda items: {i["state"] for i in items if i["card"] in open_cards} == {"withdrawn"})
    two.run("message", "send", "--to", "Bobby Brown", "--subject", "by the new one", "--body", "x")
    has(bobby, "by the new one", NEW)
    bobby.run("message", "send", "--to", moved["uid"], "--subject", "an answer", "--body", "x")
    for device in (one, two):
        has(device, "an answer")

    world.say("who answers an own message of before does not write to the former account")
    one.run("message", "send", "--reply", next(m["id"] for m in one.run("message", "list") if m["subject"] == "an old matter"),
            "--subject", "more of it", "--body", "y")
    has(bobby, "more of it", NEW)

    world.say("the lost device still reads the former account, and nothing else")
    carol.run("message", "send", "--to", moved["from_uid"], "--subject", "to the former one", "--body", "x")
    for device in (one, two, lost):
        has(device, "to the former one")
    assert list(services(lost)) == [FORMER]
    world.say("should it come back into the group, it is dropped again")
    bobby.run("group", "invite", GROUP, FORMER)
    has(lost, f"(invites to {GROUP})")
    lost.run("group", "join", GROUP)
    time.sleep(1)  # it may be in and out again before it can be looked at
    lost.until("group", "list", like=lambda items: items == [])
    bobby.run("message", "send", "--group", GROUP, "--subject", "without it", "--body", "x")
    has(two, "without it")
    carol.run("message", "send", "--to", moved["from_uid"], "--subject", "the last one", "--body", "x")
    has(lost, "the last one")
    assert [lost.count(s) for s in ("the new path", "an answer", "by the new one", "more of it", "without it")] == [0] * 5

    world.say("a device that comes later gets a node of the new account alone")
    fresh = world.device("fresh")
    onboard(one, fresh, "fresh")
    fresh.until("service", "list", like=lambda items: {i["alias"]: i["state"] for i in items} == {FORMER: "pending", NEW: "online"})
    same_digest(one, two, fresh)
    assert one.fails(5, "service", "move", "--yes", moved["from_uid"], "--alias", "once more")["message"] == "this account moved already"
    for device in (one, fresh):
        device.kill()
        assert services(device)[FORMER]["moved_to"]["alias"] == NEW


def an_alias_that_is_taken_is_asked_for_again(world):
    service, one = family(world, "one")
    friend(world, service, "Bobby Brown")
    one.fails(3, "service", "move", "--yes", service.address, "--alias", "short")
    one.fails(4, "service", "move", "--yes", "=localhost:1", "--alias", NEW)
    error = one.fails(5, "service", "move", "--yes", service.address, "--alias", "Bobby Brown")
    assert "--alias" in error["hint"], error
    assert "moved_to" not in services(one)[FORMER]
    one.until("service", "list", like=lambda items: [item["state"] for item in items] == ["online"] * 2)
    one.kill()
    one.until("service", "list", like=lambda items: [item["state"] for item in items] == ["online"] * 2)
    moved = one.run("service", "move", "--yes", service.address, "--alias", NEW)
    assert (moved["from"], moved["contacts"], moved["groups"], moved["devices"]) == (FORMER, 0, [], []), moved
    assert set(services(one)) == {FORMER, NEW}


def what_a_barred_device_says_of_a_move_does_not_count(world):
    service, one, two = family(world, "one", "two")
    two.run("service", "move", "--yes", service.address, "--alias", NEW)
    one.until("service", "list", like=lambda items: {i["alias"]: "moved_to" in i for i in items} == {FORMER: True, NEW: False})
    subprocess.run(one.words("device", "revoke", "two"), check=True, capture_output=True, timeout=60, input="", text=True)
    one.until("service", "list", like=lambda items: not any("moved_to" in item for item in items))
    world.say("which of the two is meant is to be said then; it moves on to one that the barred device never had")
    assert "uid" in one.fails(3, "service", "bind", service.address)["hint"]
    fresh = world.device("fresh")
    onboard(one, fresh, "fresh")
    fresh.until("service", "list", like=lambda items: {i["alias"]: i["state"] for i in items} == {FORMER: "pending", NEW: "online"})
    former = services(one)[FORMER]
    assert former["moved_in_doubt"], former
    error = one.fails(5, "service", "move", "--yes", former["uid"], "--alias", NEW)
    assert "another --alias" in error["hint"], error
    one.run("service", "move", "--yes", former["uid"], "--alias", "the-owner-third")
    for device in (one, fresh):
        device.until("service", "list", like=lambda items: {i["alias"]: "moved_to" in i for i in items} ==
                     {FORMER: True, NEW: False, "the-owner-third": False})


run_tests(contacts_and_groups_come_along_and_the_lost_device_does_not, an_alias_that_is_taken_is_asked_for_again,
          what_a_barred_device_says_of_a_move_does_not_count)
