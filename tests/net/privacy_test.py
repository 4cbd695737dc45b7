"""What is announced names nobody, and two appearances of one device have nothing in common."""

import json
import shutil

from hosts import Net, enter_own_network
from mdns import Capture, Packet
from people import run_tests, wait_until

CONSTANTS = {("label", label) for label in ("_kith", "_tcp", "local", "_services", "_dns-sd", "_udp")} | {
    ("string", "v=1"), ("string", "kind=offer"), ("string", "kind=device"), ("port", 9)}


def two_pairings_of_the_same_devices_have_nothing_in_common(world):
    with Net(world) as net:
        old, new = net.device("the-old-one"), net.device("the-new-one")
        old.run("init", "--name", "owners laptop")
        seen = []
        for turn in (1, 2):
            capture = Capture(net.bridge)
            adding = old.begin("device", "add")
            adding.wait_for("offer")
            joining = new.begin("device", "join", "--nearby", "--name", "owners phone")
            code = joining.wait_for("code")["code"]
            adding.wait_for("code_wanted")
            adding.say(code)
            joining.wait_for("done")
            adding.wait_for("done")
            listed = new.run("nearby")
            assert any(item["kind"] == "device" for item in listed["nearby"]), listed
            if turn == 2:
                # The first phone is gone for good, so both look for it, with a tag.
                wait_until(lambda: sum(("string", "kind=device") in Packet(data).tokens() for _, data in capture.packets) > 2,
                           "announcements of devices", 20)
            packets = capture.stop()
            seen.append(packets)
            private = [json.dumps(item) for item in (old.run("device", "list"), old.run("status"))]
            names = ["owners", "laptop", "phone", "the-old-one", "the-new-one"]
            for text in private:
                for item in json.loads(text) if text.startswith("[") else [json.loads(text)]:
                    names += [value[:16] for key, value in item.items() if key in ("id", "device") and value]
            for port, data in packets:
                assert port == 5353, f"something else is multicast, to port {port}"
                for name in names:
                    assert name.encode() not in data, f"{name} is announced"
            # The same device in another place, where it has another address and takes another hardware address.
            new.stop()
            shutil.rmtree(new.home)
            if turn == 1:
                old.host.readdress("10.91.0.1/24", mac="02:00:00:00:aa:01")
                new.host.readdress("10.91.0.2/24", mac="02:00:00:00:aa:02")
        first, second = ({token for _, data in packets for token in Packet(data).tokens()} for packets in seen)
        world.say(f"{len(seen[0])} and {len(seen[1])} packets, with {len(first)} and {len(second)} different items in them")
        assert ("string", "kind=offer") in first and ("string", "kind=offer") in second and len(first) > 10
        assert first & second <= CONSTANTS, first & second - CONSTANTS


def nothing_is_announced_when_no_screen_is_open_and_nobody_is_away(world):
    with Net(world) as net:
        capture = Capture(net.bridge)
        old, new = net.device("old"), net.device("new")
        old.run("init")
        adding = old.begin("device", "add")
        adding.wait_for("offer")
        joining = new.begin("device", "join", "--nearby")
        code = joining.wait_for("code")["code"]
        adding.wait_for("code_wanted")
        adding.say(code)
        joining.wait_for("done")
        adding.wait_for("done")
        watching = new.begin("nearby", "--watch")
        watching.stays_silent(2)
        watching.close()
        assert capture.stop(), "nothing was captured"
        quiet = Capture(net.bridge)
        third = net.device("third")
        third.run("nearby")
        spoken = [Packet(data) for _, data in quiet.stop()]
        answers = [packet for packet in spoken if packet.records]
        assert spoken and not answers, [packet.tokens() for packet in answers]


enter_own_network()
run_tests(two_pairings_of_the_same_devices_have_nothing_in_common,
          nothing_is_announced_when_no_screen_is_open_and_nobody_is_away)
