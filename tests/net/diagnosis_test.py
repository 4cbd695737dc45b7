"""When devices do not find or reach each other, the owner reads why, and what to do."""

import re

from hosts import Net, enter_own_network
import mdns
from people import onboard, run_tests

NO_MDNS = ("input", "udp dport 5353 drop")
ONLY_MDNS = ("input", "meta l4proto tcp drop")


def a_person(net, name="old", **options):
    device = net.device(name, **options)
    device.run("init", "--name", name)
    return device


def an_offer(old):
    adding = old.begin("device", "add")
    return adding, adding.wait_for("offer")


def multicast_is_filtered(world):
    with Net(world) as net:
        old, new = a_person(net), net.device("new")
        for device in (old, new):
            device.host.firewall(NO_MDNS)
        adding, offer = an_offer(old)
        listed = new.run("nearby")
        assert listed["nearby"] == [] and "multicast" in listed["notes"][0] and "text" in listed["notes"][0], listed
        error = new.fails(7, "device", "join", "--nearby")
        assert "multicast" in error["hint"] and "text" in error["hint"], error
        world.say("the offer's addresses do not need it")
        joining = new.begin("device", "join", offer["text"])
        adding.wait_for("code_wanted")
        adding.say(joining.wait_for("code")["code"])
        joining.wait_for("done")
        adding.wait_for("done")


def nothing_but_multicast_comes_through(world):
    with Net(world) as net:
        old, new = a_person(net), net.device("new")
        old.host.firewall(ONLY_MDNS)
        adding, offer = an_offer(old)
        listed = new.run("nearby")
        item, = listed["nearby"]
        assert item["name"] == offer["nearby"] and item["state"] == "no answer", item
        note, = listed["notes"]
        port = item["endpoints"][0].rsplit(":", 1)[1]
        assert "isolation" in note, note
        for words in (f"ufw allow {port}/tcp", f"firewall-cmd --add-port={port}/tcp", f"tcp dport {port} accept"):
            assert words in note, note
        for words in (("--nearby",), (offer["text"],)):
            error = new.fails(7, "device", "join", *words)
            assert "does not answer" in error["message"] and "isolation" in error["hint"] and "ufw allow" in error["hint"], error
        world.say("as it says: the port is opened")
        old.host.inside("nft", "insert", "rule", "inet", "t_input", "c", "tcp", "dport", port, "accept")
        joining = new.begin("device", "join", "--nearby")
        joining.wait_for("code")


def no_common_network_but_one_wire(world):
    with Net(world) as net:
        old, new = a_person(net), net.device("new", "10.55.0.2/24")
        adding, offer = an_offer(old)
        error = new.fails(7, "device", "join", offer["text"])
        assert old.host.address in error["message"] and "10.55.0.2" in error["message"], error
        world.say("they are on one wire all the same, and IPv6 needs no addresses that somebody gave")
        item, = new.until("nearby", like=lambda result: [item["state"] for item in result["nearby"]] == ["reachable"])["nearby"]
        assert item["name"] == offer["nearby"] and all("[fe80:" in endpoint for endpoint in item["endpoints"]), item
        joining = new.begin("device", "join", "--nearby")
        adding.wait_for("code_wanted")
        adding.say(joining.wait_for("code")["code"])
        joining.wait_for("done")


def a_vpn_takes_the_way(world):
    with Net(world) as net:
        old, new = a_person(net), net.device("new")
        adding, offer = an_offer(old)
        new.host.inside("ip", "tuntap", "add", "vpn0", "mode", "tun")
        new.host.inside("ip", "addr", "add", "10.200.0.2", "peer", "10.200.0.1", "dev", "vpn0")
        new.host.inside("ip", "link", "set", "vpn0", "up")
        # As those do that want all of the traffic: more specific than the network's own route.
        new.host.inside("ip", "route", "add", "10.77.0.0/25", "dev", "vpn0")
        findings = new.run("doctor")
        assert any(item["check"] == "route" and not item["good"] and "vpn0" in item["what"] and "VPN" in item["hint"]
                   for item in findings), findings
        error = new.fails(7, "device", "join", offer["text"])
        assert "VPN" in error["message"] and "vpn0" in error["message"], error


def the_doctor_finds_what_is_wrong_here(world):
    with Net(world) as net:
        well = a_person(net)
        findings = well.run("doctor")
        assert {item["check"]: item["good"] for item in findings}.items() >= {
            "network": True, "multicast": True, "port": True}.items(), findings
        assert all(item["good"] or item["check"] == "firewall" for item in findings), findings
        well.host.firewall(("output", "udp dport 5353 drop"))
        findings = well.run("doctor")
        assert any(item["check"] == "multicast" and not item["good"] and "5353" in item["hint"] for item in findings), findings
        alone = net.device("alone", plugged=False)
        assert any(item["check"] == "network" and not item["good"] for item in alone.run("doctor"))


def versions_that_do_not_fit(world):
    with Net(world) as net:
        new, stranger = net.device("new"), net.host("stranger")
        watching = new.begin("nearby", "--watch")
        watching.stays_silent(1)
        mdns.send_from(stranger, [mdns.announcement(mdns.random_name(), [b"v=2", b"what=ever"], ttl=60)] * 3, every=0.3)
        assert watching.wait_for("seen")["kind"] == "newer"
        error = new.fails(5, "device", "join", "--nearby")
        assert "newer version" in error["message"] and "update" in error["hint"], error


def a_clock_that_is_wrong(world):
    with Net(world) as net:
        old, new = a_person(net), net.device("new")
        onboard(old, new, "new")
        old.stop()
        new.set_clock(-24 * 3600)
        # Where they remember each other there is nobody any more: they must find each other anew.
        old.host.readdress("10.88.0.7/24")
        new.host.readdress("10.88.0.8/24")
        old.run("status")
        listed = new.until("nearby", like=lambda listed: listed["nearby"], timeout=30)
        assert [(item["name"], item["state"]) for item in listed["nearby"]] == [("old", "its clock or this one's is wrong")], listed
        assert re.search("the clock of old or of this device is off by 2[34] hours; set it", " ".join(listed["notes"])), listed


enter_own_network()
run_tests(multicast_is_filtered, nothing_but_multicast_comes_through, no_common_network_but_one_wire, a_vpn_takes_the_way,
          the_doctor_finds_what_is_wrong_here, versions_that_do_not_fit,
          a_clock_that_is_wrong)
