"""Three devices of one person: whatever happens on one of them is in the end on all, once."""

import random

import mails
from people import onboard, run_tests, same_digest, wait_until


def three_devices_converge(world):
    service = world.service()
    one, two, three, friend = (world.device(name) for name in ("one", "two", "three", "friend"))
    one.run("init", "--name", "one")
    uid = one.run("service", "add", service.address, "--alias", "the-owner")["uid"]
    friend.run("init")
    friends = friend.run("service", "add", service.address, "--alias", "the-friend")["uid"]
    first = one.run("history", "import", mails.write(world.path("first"), 300, [3 << 20], seed=1).path)["imported"]
    onboard(one, two, "two")
    world.say("the third is added by the second, and known to the first")
    onboard(two, three, "three")
    everyone = (one, two, three)
    for device in everyone:
        device.until("device", "list", like=lambda items: {i["name"] for i in items} == {"one", "two", "three"})
        device.until("status", like=lambda status: [peer["state"] for peer in status["peers"]] == ["connected"] * 2)
        device.until("service", "list", like=lambda items: [i["state"] for i in items] == ["online"])
    same_digest(*everyone)

    world.say("imports on each, partly of the same mails, and messages from and to each")
    rng = random.Random(7)
    shared = [mails.plain(rng, number) for number in range(100)]
    for number, device in enumerate(everyone):
        own = [mails.plain(rng, 1000 + 100 * number + at) for at in range(100)] + [mails.with_attachment(rng, 5000 + number, 1 << 20)]
        box = b"".join(b"From x@example.org Thu Aug 22 12:36:23 2002\n" + mail.content + b"\n" for mail in shared + own)
        importing = device.begin("history", "import", world.file(f"box {number}", box))
        friend.run("message", "send", "--to", uid, "--subject", f"to all {number}", "--body", "x")
        device.run("message", "send", "--to", friends, "--subject", f"from {number}", "--body", "x")
        assert importing.process.wait(60) == 0
    subjects = [f"to all {number}" for number in range(3)] + [f"from {number}" for number in range(3)]
    for device in everyone:
        for subject in subjects:
            wait_until(lambda: device.count(subject) > 0, f"'{subject}'")
    digest = same_digest(*everyone)
    for device in everyone:
        assert all(device.count(subject) == 1 for subject in subjects)
        assert sum(not record["service"] for record in device.all_records()) == first + 100 + 3 * 101

    world.say("one sleeps while the others go on; then it catches up")
    one.stop()
    two.run("history", "import", mails.write(world.path("second"), 200, [2 << 20], seed=2).path)
    friend.run("message", "send", "--to", uid, "--subject", "while one slept", "--body", "x")
    later = same_digest(two, three)
    wait_until(lambda: three.count("while one slept") == 1, "the message")
    later = same_digest(two, three)
    assert later["records"] > digest["records"]
    two.stop()
    world.say("what the second had, the first gets from the third")
    one.run("status")
    same_digest(one, three)
    two.run("status")
    same_digest(*everyone)
    assert all(device.count("while one slept") == 1 for device in everyone)


run_tests(three_devices_converge)
