"""A transfer between hosts goes on by itself, whatever happens to the network, as long as there is a way."""

import time

from hosts import Net, enter_own_network, measured
import mails
from people import fingerprint, offered, pair, run_tests, same_digest
from radio import Radio

# Some 40 MB: ten seconds and more at the rate below.
LARGE = [2 << 20] * 20
RATE = "32mbit"


def two_devices(world, net, nearby="embedded"):
    old, new = net.device("old", nearby=nearby), net.device("new", nearby=nearby)
    old.run("init", "--name", "old")
    folder = mails.write(world.path("mails"), 100, LARGE)
    assert old.run("history", "import", folder.path)["imported"] == len(folder.mails)
    new.host.slow(RATE)
    return old, new, folder


def in_the_middle(joining):
    event = joining.wait_for("progress", like=lambda event: event["bytes"] > 0.15 * event["bytes_total"])
    assert event["bytes"] < 0.7 * event["bytes_total"], f"the transfer was too fast to be disturbed: {event}"


def ends_well(old, new, folder, adding, joining):
    joining.wait_for("done")
    adding.wait_for("done")
    same_digest(old, new)
    assert fingerprint(new.content(record["id"]) for record in new.all_records()) == fingerprint(folder.contents())


def goes_on(joining, begin):
    """The seconds until something arrives again."""
    before = next(event["bytes"] for event in reversed(joining.seen) if event["event"] == "progress")
    joining.wait_for("progress", "done", like=lambda event: event["event"] == "done" or event["bytes"] > before + (1 << 20))
    return measured(begin, "until it goes on")


def one_address_changes(world, nearby="off"):
    """Both remember where the other was; the one that has not moved is called by the other."""
    for side in (0, 1):
        with Net(world) as net:
            devices = two_devices(world, net, nearby)
            old, new, folder = devices
            adding, joining = pair(old, new)
            in_the_middle(joining)
            world.say(f"the {('old', 'new')[side]} device gets another address in mid-transfer")
            begin = time.monotonic()
            devices[side].host.readdress(f"10.77.0.{100 + side}/24")
            assert goes_on(joining, begin) < 15
            ends_well(old, new, folder, adding, joining)
        world.renew()


def both_addresses_change(world):
    """Neither is where the other remembers it: they find each other anew."""
    with Net(world) as net:
        old, new, folder = two_devices(world, net)
        adding, joining = pair(old, new)
        in_the_middle(joining)
        begin = time.monotonic()
        old.host.readdress("10.99.0.1/24")
        new.host.readdress("10.99.0.2/24")
        assert goes_on(joining, begin) < 20
        ends_well(old, new, folder, adding, joining)


def the_cable_is_out_for_a_minute(world):
    with Net(world) as net:
        old, new, folder = two_devices(world, net)
        adding, joining = pair(old, new)
        in_the_middle(joining)
        new.host.cable("down")
        told = adding.wait_for("waiting", timeout=40)["for"]
        world.say(f"the old device says: {told}")
        time.sleep(60)
        begin = time.monotonic()
        new.host.cable("up")
        assert goes_on(joining, begin) < 15
        ends_well(old, new, folder, adding, joining)


def one_side_lets_nobody_in(world):
    """A firewall that drops what it did not ask for, on either side: the other direction is enough."""
    refuse = ("input", "tcp flags & (fin|syn|rst|ack) == syn drop")
    with Net(world) as net:
        old, new, folder = two_devices(world, net)
        new.host.firewall(refuse)
        adding, joining = pair(old, new)
        world.say("nobody gets in at the new device: it calls the old one")
        ends_well(old, new, folder, adding, joining)
    world.renew()
    with Net(world) as net:
        old, new, folder = two_devices(world, net)
        adding, joining, code = offered(old, new)
        # From the pairing on: its connection stands, new ones are dropped.
        old.host.firewall(refuse)
        adding.say(code)
        adding.wait_for("approved")
        world.say("nobody gets in at the old device: it finds and calls the new one")
        ends_well(old, new, folder, adding, joining)


def a_device_is_set_up_over_a_bad_radio_link(world):
    """8 Mbit/s, 50 ms with 20 ms of jitter each way, 5 % of all packets lost."""
    with Net(world) as net:
        old, new = (net.device(name, plugged=False) for name in ("old", "new"))
        radio = Radio(old.host, new.host)
        old.run("init", "--name", "old")
        folder = mails.write(world.path("mails"), 200, [200 << 10] * 4)
        assert old.run("history", "import", folder.path)["imported"] == len(folder.mails)
        adding = old.begin("device", "add")
        adding.wait_for("offer")
        joining = new.begin("device", "join", "--nearby")
        code = joining.wait_for("code")["code"]
        adding.wait_for("code_wanted")
        adding.say(code)
        ends_well(old, new, folder, adding, joining)
        world.say(f"{radio.carried} packets were carried, {radio.lost} lost")
        assert radio.lost > 20
        radio.stop()


enter_own_network()
run_tests(one_address_changes, both_addresses_change, the_cable_is_out_for_a_minute, one_side_lets_nobody_in,
          a_device_is_set_up_over_a_bad_radio_link)
