"""Devices on hosts of their own find each other, or say why not."""

import os
import signal
import statistics
import time

from hosts import Net, enter_own_network, measured
from invite_test import is_member, until_contact
from mdns import PTR, SERVICE, TXT, Capture, Packet
from people import gone, run_tests, same_digest, wait_until


def a_person(net, name="old", **options):
    device = net.device(name, **options)
    device.run("init", "--name", name)
    return device


def watch(device):
    """`kith nearby --watch`, once its daemon runs."""
    return device.begin("nearby", "--watch")


def offer_seen(watching, state="reachable", timeout=20):
    return watching.wait_for("seen", like=lambda event: event["kind"] == "offer" and event["state"] == state, timeout=timeout)


def enter_code(adding, code):
    """The code that the new device shows, typed on the old one."""
    adding.wait_for("code_wanted")
    adding.say(code)
    adding.wait_for("approved")


def join_nearby(old, new, name=None):
    """Both sides' events, up to the approval."""
    adding = old.begin("device", "add")
    words = adding.wait_for("offer")["nearby"]
    joining = new.begin("device", "join", "--nearby", *([name or words] if name is not None else []), "--name", "new device")
    assert joining.wait_for("found")["name"] == words
    begin = time.monotonic()
    code = joining.wait_for("code")["code"]
    assert measured(begin, "from the offer to the code, connection and proof in between") < 2
    assert len(code) == 8, code
    enter_code(adding, code)
    return adding, joining


def an_offer_is_found_within_two_seconds(world):
    with Net(world) as net:
        old, new = a_person(net), net.device("new")
        watching = watch(new)
        watching.stays_silent(1)
        begin = time.monotonic()
        adding = old.begin("device", "add")
        words = adding.wait_for("offer")["nearby"]
        seen = offer_seen(watching)
        assert measured(begin, "from the start of the offer until it is seen and answers") < 2
        assert seen["name"] == words and seen["endpoints"], seen
        watching.close()
        times = []
        for _ in range(5):
            again = net.device(f"again {len(times)}")
            again.run("status")
            # mDNS lets nobody say the same twice within a second: each of these is to be a newcomer of its own.
            time.sleep(1.2)
            begin = time.monotonic()
            watching = watch(again)
            offer_seen(watching)
            times.append(time.monotonic() - begin)
            watching.close()
        median = statistics.median(times)
        world.say(f"an offer that runs is seen after {median:.2f} s (median of 5)")
        assert median < 1, times
        begin = time.monotonic()
        listed = again.run("nearby")
        assert measured(begin, "kith nearby") < 2.5
        assert [item["name"] for item in listed["nearby"]] == [words], listed
        world.say("with the offer, the announcement goes")
        watching = watch(again)
        offer_seen(watching)
        old.run("device", "cancel")
        watching.wait_for("gone", timeout=5)
        adding.fails(13)


def a_device_is_set_up_by_an_offer_found_nearby(world):
    with Net(world) as net:
        old, new = a_person(net), net.device("new")
        adding, joining = join_nearby(old, new)
        joining.wait_for("done")
        adding.wait_for("done")
        same_digest(old, new)
        world.say("by its name, too, and after a wrong code")
        third = net.device("third")
        adding = old.begin("device", "add")
        words = adding.wait_for("offer")["nearby"]
        third.fails(4, "device", "join", "--nearby", "no such")
        joining = third.begin("device", "join", "--nearby", words.upper().replace(" ", "-"), "--name", "third")
        code = joining.wait_for("code")["code"]
        adding.wait_for("code_wanted")
        adding.say(f"{(int(code) + 1) % 10**8:08}")
        adding.wait_for("wrong_code")
        enter_code(adding, joining.wait_for("code")["code"])
        joining.wait_for("done")
        adding.wait_for("done")


def an_invitation_is_given_to_who_is_beside(world):
    with Net(world) as net:
        service = net.service("demo-service")
        alice, bobby = a_person(net, "alice"), a_person(net, "bobby")
        alice.run("service", "add", service.address, "--alias", "Alice Adams")
        error = bobby.fails(3, "invite", "accept", "--nearby")
        assert "--yes" in error["hint"], error
        watching = watch(bobby)
        giving = alice.begin("invite", "new", "--nearby", "--group", "the hiking group")
        words = giving.wait_for("offer")["nearby"]
        seen = watching.wait_for("seen", like=lambda event: event["state"] == "reachable", timeout=20)
        assert (seen["kind"], seen["name"]) == ("invitation", words), seen
        world.say("it sets up no device; it makes a contact, after a wrong code too")
        joining = net.device("new").begin("device", "join", "--nearby")
        taking = bobby.begin("invite", "accept", "--nearby", "--alias", "Bobby Brown", "--yes")
        assert taking.wait_for("found")["name"] == words
        code = taking.wait_for("code")["code"]
        assert len(code) == 8, code
        giving.wait_for("code_wanted")
        giving.say(f"{(int(code) + 1) % 10**8:08}")
        giving.wait_for("wrong_code")
        code = taking.wait_for("code")["code"]
        giving.wait_for("code_wanted")
        giving.say(code)
        [answered] = taking.wait_for("done")["services"]
        assert (answered["alias"], answered["state"]) == ("Alice Adams", "sent"), answered
        giving.wait_for("done")
        assert giving.finish() == 0 and taking.finish() == 0
        watching.wait_for("gone", like=lambda event: event["kind"] == "invitation", timeout=10)
        until_contact(alice, "Bobby Brown", "verified")
        until_contact(bobby, "Alice Adams", "verified")
        wait_until(lambda: is_member(bobby, "the hiking group"), "the group")
        assert "no offer" in joining.fails(7)["message"]


def two_offers_have_to_be_chosen_from(world):
    with Net(world) as net:
        people = [a_person(net, name) for name in ("one", "two")]
        adding = [person.begin("device", "add") for person in people]
        words = [events.wait_for("offer")["nearby"] for events in adding]
        new = net.device("new")
        if words[0] != words[1]:
            error = new.fails(5, "device", "join", "--nearby")
            assert all(word in error["message"] for word in words), error
            joining = new.begin("device", "join", "--nearby", words[1])
            enter_code(adding[1], joining.wait_for("code")["code"])
            joining.wait_for("done")


def fails_with_a_reason(world):
    with Net(world) as net:
        new = net.device("new")
        error = new.fails(7, "device", "join", "--nearby")
        assert "no offer" in error["message"] and "device add" in error["hint"], error
        world.say("without a network")
        alone = net.device("alone", plugged=False)
        error = alone.fails(7, "device", "join", "--nearby")
        assert "no network" in error["message"], error
        world.say("and nothing is listed")
        assert new.run("nearby")["nearby"] == []


def a_cable_that_is_plugged_in_later(world):
    with Net(world) as net:
        old, new = a_person(net), net.device("new", plugged=False)
        adding = old.begin("device", "add")
        adding.wait_for("offer")
        watching = watch(new)
        watching.stays_silent(1)
        begin = time.monotonic()
        new.host.plug()
        offer_seen(watching)
        assert measured(begin, "from the cable to the offer") < 5
        watching.close()
        world.say("and on the side that shows the offer")
        later = a_person(net, "later", plugged=False)
        adding = later.begin("device", "add")
        words = adding.wait_for("offer")["nearby"]
        watching = watch(new)
        later.host.plug()
        watching.wait_for("seen", like=lambda event: event["name"] == words and event["state"] == "reachable", timeout=10)


def own_devices_meet_in_another_network(world):
    with Net(world) as net:
        old, new = a_person(net), net.device("new")
        adding, joining = join_nearby(old, new)
        joining.wait_for("done")
        adding.wait_for("done")
        for device in (old, new):
            device.stop()
        old.host.readdress("10.88.0.7/24")
        new.host.readdress("10.88.0.8/24")
        mail = world.file("mail.eml", "From: a@example.org\nSubject: news\n\nhello\n")
        old.run("history", "import", mail)
        begin = time.monotonic()
        new.run("status")
        wait_until(lambda: new.count("news") == 1, "the mail on the other device")
        assert measured(begin, "from the start of the second device until it has the news") < 10
        same_digest(old, new)
        assert {(item["kind"], item["state"]) for item in new.run("nearby")["nearby"]} == {("device", "connected")}


def a_clean_stop_withdraws_what_is_announced(world):
    with Net(world) as net:
        new = net.device("new")
        watching = watch(new)
        for way in (signal.SIGTERM, None):
            old = a_person(net, f"old {way}")
            old.begin("device", "add").wait_for("offer")
            offer_seen(watching)
            capture = Capture(net.bridge)
            pid = old.daemon_pid()
            if way:
                os.kill(pid, way)
            else:
                old.run("stop")
            wait_until(lambda: gone(pid), "the end of kithd", 10)
            watching.wait_for("gone", timeout=5)
            packets = [Packet(data) for _, data in capture.stop()]
            # A record that lives for no time any more: a goodbye (RFC 6762, 10.1).
            withdrawn = {kind for packet in packets for name, kind, ttl, _, _ in packet.records
                         if ttl == 0 and name[-3:] == SERVICE}
            assert withdrawn >= {PTR, TXT}, [packet.records for packet in packets]


enter_own_network()
run_tests(an_offer_is_found_within_two_seconds, a_device_is_set_up_by_an_offer_found_nearby,
          an_invitation_is_given_to_who_is_beside, two_offers_have_to_be_chosen_from, fails_with_a_reason, a_cable_that_is_plugged_in_later,
          own_devices_meet_in_another_network, a_clean_stop_withdraws_what_is_announced)
