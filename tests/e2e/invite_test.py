"""Invitations between people: by text, with the inviter away, withdrawn, expired, used up, copied; with clocks that are
wrong, and a service that reads and alters; and what a person's other devices know of them."""

import os
import subprocess
import sys

from between import Between
from mnm_store import Account
from people import Failed, onboard, run_tests, same_digest, wait_until
from tmtp_client import TmtpClient

# Another implementation of the card's format.
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../vectors/invite"))
import invite as cards


def person(world, name, service=None, alias=None):
    device = world.device(name)
    device.run("init", "--name", name)
    if service:
        device.run("service", "add", service.address, "--alias", alias)
    return device


def contact(device, alias):
    """What the device lists of the contact that an invitation made; None when there is none."""
    return next((one for one in device.run("contact", "list") if one["alias"] == alias and one["trust"]), None)


def until_contact(device, alias, trust="introduced"):
    return wait_until(lambda: (contact(device, alias) or {}).get("trust") == trust and contact(device, alias),
                      f"{alias} as {trust}")


def card(device, way="given"):
    """The newest invitation of the device's list."""
    return [one for one in device.run("invite", "list") if one["way"] == way][-1]


def until_card(device, state, way="given"):
    return wait_until(lambda: card(device, way)["state"] == state and card(device, way),
                      f"an invitation {way} and {state}")


def is_member(device, group):
    """Nobody can post to a group that he is not in."""
    try:
        device.run("message", "send", "--group", group, "--subject", "hello group", "--body", "x")
        return True
    except Failed:
        return False


def by_text_into_a_service_and_a_group(world):
    service = world.service()
    alice, bobby = person(world, "alice", service, "Alice Adams"), person(world, "bobby")
    made = alice.run("invite", "new", "--service", service.name, "--group", "the hiking group",
                     "--note", "see you — on Sunday")
    assert made["text"].startswith("KITH-INVITE:") and made["expires"].endswith("Z"), made
    assert len(made["text"]) <= 535, "more than a QR code of version 12"
    seen = bobby.call("invite.look", text=made["text"])
    assert seen["note"] == "see you — on Sunday" and not seen["own"] and not seen["over"], seen
    [at] = seen["services"]
    assert (at["address"], at["site"], at["alias"], at["group"], at["member"]) == \
        (service.address, service.name, "Alice Adams", "the hiking group", False), at
    error = bobby.fails(3, "invite", "accept", made["text"], "--yes")
    assert "--alias" in error["hint"], error
    assert bobby.run("service", "list") == []
    done = bobby.run("invite", "accept", made["text"], "--alias", "Bobby Brown", "--yes")
    assert [one["state"] for one in done["services"]] == ["sent"], done
    at_alice, at_bobby = until_contact(alice, "Bobby Brown"), until_contact(bobby, "Alice Adams")
    [here] = bobby.run("service", "list")
    assert at_alice["uid"] == here["uid"] and at_alice["service"] == service.name, at_alice
    assert set(at_bobby) >= {"alias", "uid", "service", "trust"} and at_bobby["service"] == service.name, at_bobby
    assert here["pin"] == at["pin"]
    assert card(alice)["state"] == "used up" and card(alice)["guests"][0]["alias"] == "Bobby Brown", card(alice)
    until_card(bobby, "accepted", "taken")
    world.say("the group is joined by itself, and they can write to each other")
    wait_until(lambda: is_member(bobby, "the hiking group"), "the group")
    bobby.run("message", "send", "--to", "Alice Adams", "--subject", "thank you", "--body", "x")
    wait_until(lambda: alice.count("thank you") == 1, "the message")
    world.say("what the devices told each other is nothing to read")
    assert not [one for one in alice.all_records() + bobby.all_records() if "wants to be in contact" in one["subject"]]
    assert alice.run("outbox", "list") == bobby.run("outbox", "list") == []
    world.say("the same text once more changes nothing")
    assert bobby.run("invite", "accept", made["text"], "--yes")["services"][0]["state"] == "accepted"
    assert card(alice)["used"] == 1
    shown = bobby.run("contact", "show", "Alice Adams")
    assert shown["trust"] == "introduced" and shown["person"] == seen["person"], shown
    bobby.run("contact", "remove", "Alice Adams")
    assert contact(bobby, "Alice Adams") is None
    assert contact(alice, "Bobby Brown")["trust"] == "introduced"


def the_inviter_is_away_while_the_guest_accepts(world):
    service = world.service()
    alice = person(world, "alice", service, "Alice Adams")
    bobby = person(world, "bobby", service, "Bobby Brown")
    # A service that one belongs to already: it only makes the contact.
    text = alice.run("invite", "new", "--expires", "1h")["text"]
    alice.stop()
    assert bobby.run("invite", "accept", text, "--yes")["services"][0]["state"] == "sent"
    assert len(bobby.run("service", "list")) == 1
    assert card(bobby, "taken")["state"] == "pending" and contact(bobby, "Alice Adams") is None
    world.say("killed and started again, it is not forgotten")
    bobby.kill()
    bobby.run("status")
    alice.run("status")
    until_contact(alice, "Bobby Brown")
    until_contact(bobby, "Alice Adams")

    world.say("the service is away as well: accepted all the same, and done when all are back")
    carol = person(world, "carol", service, "Carol Clark")
    text = alice.run("invite", "new")["text"]
    service.stop()
    carol.until("service", "list", like=lambda items: items[0]["state"] == "offline")
    assert carol.run("invite", "accept", text, "--yes")["services"][0]["state"] == "queued"
    service.start()
    until_contact(carol, "Alice Adams")
    until_contact(alice, "Carol Clark")


def withdrawn_expired_used_up_and_copied(world):
    service = world.service()
    alice = person(world, "alice", service, "Alice Adams")
    bobby = person(world, "bobby", service, "Bobby Brown")
    carol = person(world, "carol", service, "Carol Clark")

    def refused(guest, text, why):
        assert guest.run("invite", "accept", text, "--yes")["services"][0]["state"] == "sent"
        told = until_card(guest, "refused", "taken")
        assert why in told["why"], told
        assert contact(guest, "Alice Adams") is None

    made = alice.run("invite", "new")
    alice.run("invite", "withdraw", made["card"][:8])
    assert card(alice)["state"] == "withdrawn"
    refused(bobby, made["text"], "withdrawn")
    alice.fails(4, "invite", "withdraw", "0123456789")

    made = alice.run("invite", "new", "--expires", "1s")
    assert bobby.call("invite.look", text=made["text"])["uses"] == 1
    wait_until(lambda: bobby.call("invite.look", text=made["text"])["over"], "the end of a second", 5)
    refused(bobby, made["text"], "expired")
    assert contact(alice, "Bobby Brown") is None

    world.say("a card that two have: the first is let in, the other is told")
    made = alice.run("invite", "new")
    bobby.run("invite", "accept", made["text"], "--yes")
    until_contact(bobby, "Alice Adams")
    refused(carol, made["text"], "used already")
    assert contact(alice, "Carol Clark") is None
    assert card(alice)["used"] == 1 and [one["alias"] for one in card(alice)["guests"]] == ["Bobby Brown"]

    world.say("a card for several: each is let in, and the group waits for its owner")
    made = alice.run("invite", "new", "--uses", "2", "--group", "a club of ours")
    for guest, alias in ((bobby, "Bobby Brown"), (carol, "Carol Clark")):
        guest.run("invite", "accept", made["text"], "--yes")
    until_contact(alice, "Carol Clark")
    until_card(alice, "used up")
    assert not is_member(carol, "a club of ours")
    alice.run("group", "invite", "a club of ours", "Carol Clark")
    wait_until(lambda: is_member(carol, "a club of ours"), "the group, with the owner's consent")

    world.say("what is no invitation is told apart, and one's own is refused")
    alice.fails(5, "invite", "accept", made["text"], "--yes")
    bobby.fails(3, "invite", "accept", made["text"][:-1], "--yes")
    other = "B" if made["text"][60] == "A" else "A"
    bobby.fails(3, "invite", "accept", made["text"][:60] + other + made["text"][61:], "--yes")
    error = bobby.fails(3, "invite", "accept", "KITH-RECOVERY-AAAAA-BBBBB", "--yes")
    assert "recovery sheet" in error["message"], error
    assert "nobody was there" in bobby.fails(3, "invite", "accept", alice.run("invite", "new")["text"])["message"]


def letters_that_strangers_make_up(world):
    service = world.service()
    alice = person(world, "alice", service, "Alice Adams")
    bobby = person(world, "bobby", service, "Bobby Brown")
    mallory = person(world, "mallory", service, "Mallory M.")
    text = "kith:" + "".join(chr(0x4e00 + number * 37 % 16384) for number in range(107))
    for words in (text, "kith: hello", "kith:"):
        mallory.run("contact", "ping", "Alice Adams", "--text", words)
    bobby.run("invite", "accept", alice.run("invite", "new")["text"], "--yes")
    until_contact(bobby, "Alice Adams")
    alice.until("contact", "list", like=lambda items: any(one["alias"] == "Mallory M." for one in items))
    assert [one["alias"] for one in alice.run("contact", "list") if one["trust"]] == ["Bobby Brown"]


def a_card_that_is_made_from_another_ones_token(world):
    service = world.service()
    alice = person(world, "alice", service, "Alice Adams")
    bobby = person(world, "bobby", service, "Bobby Brown")
    mallory = person(world, "mallory", service, "Mallory M.")
    true = alice.run("invite", "new")["text"]
    card_of_hers, seed = cards.read_card(true), os.urandom(32)
    card_of_hers["identity"] = os.urandom(32) + cards.ed25519.public_key(seed)
    card_of_hers["services"][0]["uid"] = mallory.run("service", "list")[0]["uid"]
    card_of_hers["services"][0]["alias"] = "Mallory M."
    copied = cards.card_text(cards.card_bytes(card_of_hers), seed)
    assert bobby.call("invite.look", text=copied)["card"] == bobby.call("invite.look", text=true)["card"]
    assert bobby.run("invite", "accept", copied, "--yes")["services"][0]["state"] == "sent"
    world.say("the true one is not taken for it, and nothing goes to her by mistake")
    error = bobby.fails(5, "invite", "accept", true, "--yes")
    assert "another invitation" in error["message"], error
    assert contact(bobby, "Alice Adams") is None and contact(bobby, "Mallory M.") is None


def several_services_on_one_card(world):
    here, there = world.service("here"), world.service("there")
    alice = person(world, "alice", here, "Alice Adams")
    alice.run("service", "add", there.address, "--alias", "Alice at work")
    bobby = person(world, "bobby", here, "Bobby Brown")
    error = alice.fails(3, "invite", "new")
    assert "--service" in error["hint"], error
    made = alice.run("invite", "new", "--service", "here", "--service", there.address)
    assert [one["alias"] for one in made["services"]] == ["Alice Adams", "Alice at work"]
    done = bobby.run("invite", "accept", made["text"], "--alias", "Bobby at work", "--yes")
    assert [one["state"] for one in done["services"]] == ["sent", "sent"], done
    for alias in ("Alice Adams", "Alice at work"):
        until_contact(bobby, alias)
    for alias in ("Bobby Brown", "Bobby at work"):
        until_contact(alice, alias)
    assert card(alice)["used"] == 1 and card(alice)["state"] == "used up"


def a_new_device_inherits_and_a_barred_one_is_out(world):
    service = world.service()
    alice = person(world, "alice", service, "Alice Adams")
    bobby = person(world, "bobby", service, "Bobby Brown")
    carol = person(world, "carol", service, "Carol Clark")
    bobby.run("invite", "accept", alice.run("invite", "new")["text"], "--yes")
    until_contact(alice, "Bobby Brown")
    phone = world.device("phone")
    onboard(alice, phone, "phone")
    assert contact(phone, "Bobby Brown")["trust"] == "introduced"
    assert card(phone) == {key: value for key, value in card(alice).items() if key != "guests"}
    world.say("each device can withdraw what the other one made")
    made = alice.run("invite", "new")
    wait_until(lambda: len(phone.run("invite", "list")) == 2, "the card on the phone")
    phone.run("invite", "withdraw", made["card"])
    wait_until(lambda: card(alice)["state"] == "withdrawn", "the withdrawal")
    carol.run("invite", "accept", made["text"], "--yes")
    assert "withdrawn" in until_card(carol, "refused", "taken")["why"]
    world.say("a card that the other device cannot have heard of is not refused by it, but waits for its maker")
    alice_uid, carol_uid = (device.run("service", "list")[0]["uid"] for device in (alice, carol))
    alice.stop()
    made = phone.run("invite", "new")
    phone.stop()
    alice.run("status")
    carol.run("invite", "accept", made["text"], "--yes")
    for sender, receiver, uid, subject in ((carol, alice, alice_uid, "there"), (alice, carol, carol_uid, "and back")):
        sender.run("message", "send", "--to", uid, "--subject", subject, "--body", "x")
        wait_until(lambda: receiver.count(subject) == 1, f"the message {subject}")
    assert card(carol, "taken")["state"] == "pending"
    phone.run("status")
    until_contact(carol, "Alice Adams")
    carol.run("contact", "remove", "Alice Adams")
    world.say("the phone invites: only it acts; barred, its invitations are withdrawn, and who answers is told")
    good, bad = phone.run("invite", "new"), phone.run("invite", "new")
    carol.run("invite", "accept", good["text"], "--yes")
    until_contact(carol, "Alice Adams")
    until_contact(phone, "Carol Clark")
    until_contact(alice, "Carol Clark")
    carol.run("contact", "remove", "Alice Adams")
    same_digest(alice, phone)
    subprocess.run(alice.words("device", "revoke", "phone"), check=True, capture_output=True)
    phone.fails(15, "invite", "new")
    [last] = [one for one in alice.run("invite", "list") if one["card"] == bad["card"]]
    assert last["state"] == "withdrawn" and "out" in last["why"], last
    carol.run("invite", "accept", bad["text"], "--yes")
    assert "withdrawn" in until_card(carol, "refused", "taken")["why"]
    assert contact(carol, "Alice Adams") is None
    world.say("who became a contact by the barred device stays one")
    assert contact(alice, "Carol Clark")["trust"] == "introduced"


def meet(host, joiner, words, joiner_words):
    """Two devices beside each other: what each is told at the end. `words`: of the host, and the joiner."""
    hosting = host.begin(*words)
    text = hosting.wait_for("offer")["text"]
    joining = joiner.begin(*joiner_words, "--with", text)
    code = joining.wait_for("code")["code"]
    hosting.wait_for("code_wanted")
    hosting.say("000000" if code != "000000" else "000001")
    assert hosting.wait_for("wrong_code")["left"] == 4
    code = joining.wait_for("code")["code"]
    hosting.wait_for("code_wanted")
    hosting.say(code)
    ends = hosting.wait_for("done"), joining.wait_for("done")
    assert hosting.finish() == 0 and joining.finish() == 0
    return ends


def face_to_face(world):
    here, there = world.service("here"), world.service("there")
    alice = person(world, "alice", here, "Alice Adams")
    bobby = person(world, "bobby", there, "Bobby Brown")
    world.say("each invites the other to a service, by one code")
    ends = meet(alice, bobby, ("invite", "swap", "--alias", "Alice in there"),
                ("invite", "swap", "--alias", "Bobby in here"))
    for end, alias in zip(ends, ("Bobby Brown", "Alice Adams")):
        [service] = end["services"]
        assert service["state"] == "sent" and service["alias"] == alias, end
    for device, alias in ((alice, "Bobby Brown"), (alice, "Bobby in here"), (bobby, "Alice Adams"),
                          (bobby, "Alice in there")):
        until_contact(device, alias, "verified")

    world.say("who came by a card is verified later")
    carol = person(world, "carol", here, "Carol Clark")
    carol.run("invite", "accept", alice.run("invite", "new", "--service", "here")["text"], "--yes")
    until_contact(carol, "Alice Adams")
    until_contact(alice, "Carol Clark")
    bobby.fails(4, "contact", "verify", "Carol Clark")
    ends = meet(alice, carol, ("contact", "verify", "Carol Clark"), ("contact", "verify", "Alice Adams"))
    assert [one["alias"] for one in ends[0]["verified"]] == ["Carol Clark"], ends
    assert contact(alice, "Carol Clark")["trust"] == contact(carol, "Alice Adams")["trust"] == "verified"

    world.say("somebody else under that name is refused, on both sides; an offer of another kind is told apart")
    hosting = alice.begin("contact", "verify", "Carol Clark")
    text = hosting.wait_for("offer")["text"]
    assert "not an offer to set up a device" in carol.fails(3, "device", "join", text)["message"]
    joining = bobby.begin("contact", "verify", "Alice Adams", "--with", text)
    code = joining.wait_for("code")["code"]
    hosting.wait_for("code_wanted")
    hosting.say(code)
    assert "not the person" in joining.fails(5)["message"]
    hosting.close()
    assert contact(alice, "Carol Clark")["trust"] == "verified"


def beside_each_other_while_the_service_is_away(world):
    service = world.service()
    alice = person(world, "alice", service, "Alice Adams")
    bobby = person(world, "bobby", service, "Bobby Brown")
    carol = person(world, "carol", service, "Carol Clark")
    service.stop()
    for device in (alice, bobby, carol):
        device.until("service", "list", like=lambda items: items[0]["state"] == "offline")
    world.say("the answer goes over with the meeting: both have the contact at once")
    ends = meet(alice, bobby, ("invite", "swap"), ("invite", "swap"))
    assert [one["state"] for one in ends[1]["services"]] == ["accepted"], ends
    assert contact(alice, "Bobby Brown")["trust"] == contact(bobby, "Alice Adams")["trust"] == "introduced"
    giving = alice.begin("invite", "new", "--nearby", "--group", "the hiking group")
    taking = carol.begin("invite", "accept", giving.wait_for("offer")["text"], "--yes")
    code = taking.wait_for("code")["code"]
    giving.wait_for("code_wanted")
    giving.say(code)
    assert [one["state"] for one in taking.wait_for("done")["services"]] == ["accepted"]
    giving.wait_for("done")
    assert giving.finish() == taking.finish() == 0
    assert contact(alice, "Carol Clark")["trust"] == contact(carol, "Alice Adams")["trust"] == "introduced"
    assert card(alice)["state"] == "used up"
    world.say("the service vouches for whose accounts they are when it is back")
    service.start()
    for device, alias in ((alice, "Bobby Brown"), (bobby, "Alice Adams"), (alice, "Carol Clark"), (carol, "Alice Adams")):
        until_contact(device, alias, "verified")
    wait_until(lambda: is_member(carol, "the hiking group"), "the group")


def a_clock_that_is_wrong_by_a_day(world):
    day = 86400
    service = world.service()
    alice = person(world, "alice", service, "Alice Adams")

    def guest(name, alias, clock):
        device = world.device(name)
        device.set_clock(clock)
        device.run("init", "--name", name)
        device.run("service", "add", service.address, "--alias", alias)
        return device
    ahead, behind = guest("bobby", "Bobby Brown", day), guest("carol", "Carol Clark", -day)
    world.say("the guest's clock decides nothing: ahead, he is let in; behind, he is told that it is over")
    made = alice.run("invite", "new", "--expires", "1h")
    assert ahead.call("invite.look", text=made["text"])["over"]
    ahead.run("invite", "accept", made["text"], "--yes")
    until_contact(ahead, "Alice Adams")
    until_contact(alice, "Bobby Brown")
    made = alice.run("invite", "new", "--expires", "1s")
    assert not behind.call("invite.look", text=made["text"])["over"]
    wait_until(lambda: alice.call("invite.look", text=made["text"])["over"], "the end of a second", 5)
    behind.run("invite", "accept", made["text"], "--yes")
    assert "expired" in until_card(behind, "refused", "taken")["why"]
    world.say("the issuer's clock, a day ahead, ends a card early, and says so on both sides")
    made = alice.run("invite", "new", "--expires", "1h")
    alice.set_clock(day)
    alice.run("status")
    until_card(alice, "expired")
    dave = person(world, "dave", service, "Dave Davis")
    dave.run("invite", "accept", made["text"], "--yes")
    assert "expired" in until_card(dave, "refused", "taken")["why"]
    world.say("a day behind, its cards are good for as long as it takes them to be")
    alice.set_clock(-day)
    made = alice.run("invite", "new", "--expires", "1h")
    assert dave.call("invite.look", text=made["text"])["over"]
    dave.run("invite", "accept", made["text"], "--yes")
    until_contact(dave, "Alice Adams")
    until_contact(alice, "Dave Davis")


def a_service_that_reads_and_alters_all_pings(world):
    service = world.service()
    between = Between(service)
    alice, bobby, mallory = (world.device(name) for name in ("alice", "bobby", "mallory"))
    for device, alias in ((alice, "Alice Adams"), (bobby, "Bobby Brown"), (mallory, "Mallory M.")):
        device.run("init")
        device.run("service", "add", between.address, "--alias", alias)
    letters = []

    def alter(which, at):
        """One bit of each letter that is sent by who is called so, in its character at `at`."""
        def change(head, data):
            place = 5 + at * 3 + 2
            if head["op"] != 9 or not data.startswith(b"kith:") or len(data) <= place:
                return data
            letters.append((head["from"], data.decode()))
            return data[:place] + bytes([data[place] ^ 1]) + data[place + 1:] if head["from"] == which else data
        between.alter = change

    def answer():
        assert bobby.run("invite", "accept", made["text"], "--yes")["services"][0]["state"] == "sent"

    def all_is_heard():
        """What was sent to Alice before has arrived."""
        all_is_heard.count = getattr(all_is_heard, "count", 0) + 1
        bobby.run("message", "send", "--to", alice_uid, "--subject", f"news {all_is_heard.count}", "--body", "x")
        wait_until(lambda: alice.count(f"news {all_is_heard.count}") == 1, "the message")

    alice_uid = alice.run("service", "list")[0]["uid"]
    made = alice.run("invite", "new")
    world.say("answers that are altered, in the card's id and in what is sealed, are none")
    for at in (2, 40, 100):
        alter("Bobby Brown", at)
        answer()
    answers = [text for sender, text in letters if sender == "Bobby Brown"]
    assert len(answers) == 3 and len(set(answers)) == 1
    world.say("nor is one that another account says again")
    between.alter = None
    mallory.run("contact", "ping", "Alice Adams", "--text", answers[0])
    alice.until("contact", "list", like=lambda items: any(one["alias"] == "Mallory M." for one in items))
    all_is_heard()
    assert not [one for one in alice.run("contact", "list") if one["trust"]] and card(alice)["state"] == "open"
    world.say("a reply that is altered is none: the guest goes on waiting, and answers again")
    alter("Alice Adams", 60)
    answer()
    until_contact(alice, "Bobby Brown")
    wait_until(lambda: any(sender == "Alice Adams" for sender, _ in letters), "the reply")
    assert contact(bobby, "Alice Adams") is None and card(bobby, "taken")["state"] == "pending"
    alter("nobody", 0)
    answer()
    until_contact(bobby, "Alice Adams")
    assert card(alice)["used"] == 1
    world.say("what is said again later changes nothing, and brings back nobody")
    [*_, reply] = [text for sender, text in letters if sender == "Alice Adams"]
    alice.run("contact", "remove", "Bobby Brown")
    bobby.run("contact", "remove", "Alice Adams")
    bobby.run("contact", "ping", "Alice Adams", "--text", answers[0])
    alice.run("contact", "ping", "Bobby Brown", "--text", reply)
    alice.run("contact", "ping", "Mallory M.", "--text", reply)
    all_is_heard()
    wait_until(lambda: sum(text == reply for _, text in letters) >= 3, "the replies")
    alice.run("message", "send", "--to", bobby.run("service", "list")[0]["uid"], "--subject", "late news", "--body", "x")
    wait_until(lambda: bobby.count("late news") == 1, "the message")
    for device in (alice, bobby, mallory):
        assert not [one for one in device.run("contact", "list") if one["trust"]]
    assert card(alice)["used"] == 1
    error = bobby.fails(5, "invite", "accept", made["text"], "--yes")
    assert "removed" in error["message"], error
    between.close()


def an_account_that_somebody_else_has_got(world):
    service = world.service()
    alice = person(world, "alice", service, "Alice Adams")
    link = TmtpClient(service.address)
    uid, first = link.register("Bobby Brown")
    link.until("info")
    link.send({"op": 3, "id": "another", "newnode": "another node"})
    second = link.until("user")["nodeid"]
    link.send({"op": 12})
    link.until("quit")

    def owner(name, node):
        Account(world.path(f"store of {name}"), "svc", service.address[1:], "Bobby Brown", uid, node)
        device = person(world, name)
        device.run("history", "import", world.path(f"store of {name}"), "--accounts")
        device.until("service", "list", like=lambda items: items and items[0]["state"] == "online")
        return device
    bobby = owner("bobby", first)
    bobby.run("invite", "accept", alice.run("invite", "new")["text"], "--yes")
    until_contact(alice, "Bobby Brown")
    verify = (("contact", "verify", "Bobby Brown"), ("contact", "verify", "Alice Adams"))
    until_contact(bobby, "Alice Adams")
    meet(alice, bobby, *verify)
    known = alice.run("contact", "show", "Bobby Brown")["person"]

    mallory = owner("mallory", second)
    world.say("a card of hers with his name is refused, and proves nothing")
    text = mallory.run("invite", "new")["text"]
    assert alice.call("invite.look", text=text)["services"][0]["other_person"]
    assert "another identity" in alice.fails(5, "invite", "accept", text, "--yes")["message"]
    assert contact(alice, "Bobby Brown")["trust"] == "verified"
    world.say("an answer of hers that comes from his account makes it one that has changed; nobody takes his place")
    mallory.run("invite", "accept", alice.run("invite", "new")["text"], "--yes")
    until_contact(alice, "Bobby Brown", "changed")
    assert "another identity" in until_card(mallory, "refused", "taken")["why"]
    shown = alice.run("contact", "show", "Bobby Brown")
    assert shown["person"] == known != shown["offered_person"], shown
    assert card(alice)["state"] == "open" and card(alice)["used"] == 0
    world.say("meeting him for another reason does not hide it; verifying him settles it, until she comes again")
    meet(alice, bobby, ("invite", "swap"), ("invite", "swap"))
    assert contact(alice, "Bobby Brown")["trust"] == "changed"
    meet(alice, bobby, *verify)
    assert contact(alice, "Bobby Brown")["trust"] == "verified"
    mallory.run("invite", "accept", alice.run("invite", "new")["text"], "--yes")
    until_contact(alice, "Bobby Brown", "changed")
    world.say("her owner may decide that it is hers now")
    meet(alice, mallory, verify[0], ("invite", "swap"))
    shown = alice.run("contact", "show", "Bobby Brown")
    assert shown["trust"] == "verified" and shown["person"] != known, shown


def a_picture_to_print_and_to_read(world):
    service = world.service()
    alice = person(world, "alice", service, "Alice Adams")
    path = world.path("card.svg")
    alice.run("invite", "new", "--svg", path)
    with open(path) as file:
        assert "<svg" in file.read()
    assert os.stat(path).st_mode & 0o777 == 0o600
    alice.fails(10, "invite", "new", "--svg", path)
    assert card(alice)["state"] == "withdrawn"
    world.say("a picture is read by the other side; of two files both are written, or none")
    picture, other = world.path("card.png"), world.path("other.svg")
    alice.run("invite", "new", "--png", picture)
    assert os.stat(picture).st_mode & 0o777 == 0o600
    alice.fails(10, "invite", "new", "--png", picture, "--svg", other)
    assert card(alice)["state"] == "withdrawn" and not os.path.exists(other)
    bobby = person(world, "bobby")
    bobby.fails(3, "invite", "accept", "--scan", path, "--yes")
    bobby.run("invite", "accept", "--scan", picture, "--alias", "Bobby Brown", "--yes")
    until_contact(bobby, "Alice Adams")
    alice.fails(3, "invite", "new", "--expires", "soon")
    alice.fails(3, "invite", "new", "--uses", "256")
    alice.fails(3, "invite", "new", "--note", "x" * 141)


if __name__ == "__main__":
    run_tests(by_text_into_a_service_and_a_group, the_inviter_is_away_while_the_guest_accepts,
              withdrawn_expired_used_up_and_copied, letters_that_strangers_make_up,
              a_card_that_is_made_from_another_ones_token, several_services_on_one_card,
              a_new_device_inherits_and_a_barred_one_is_out, face_to_face, beside_each_other_while_the_service_is_away,
              a_clock_that_is_wrong_by_a_day,
              a_service_that_reads_and_alters_all_pings, an_account_that_somebody_else_has_got,
              a_picture_to_print_and_to_read)
