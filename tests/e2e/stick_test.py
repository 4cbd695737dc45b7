"""A new device without a network: a request and a payload on a stick, and what thieves and accidents do to them."""

import json
import os
import shutil
import stat
import struct
import sys

import mails
from people import fingerprint, run_tests, same_digest, wait_until

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "vectors", "stick"))
import stick as format

# Large enough that a kill is in the middle of it.
LARGE = [3 << 20] * 25


def stick(world, name="stick"):
    os.makedirs(world.path(name), exist_ok=True)
    return world.path(name)


def old_with_history(world, attachments=(200_000, 70_000)):
    old = world.device("old")
    old.run("init", "--name", "laptop")
    folder = mails.write(world.path("mails"), 120, list(attachments))
    assert old.run("history", "import", folder.path)["imported"] == len(folder.mails)
    return old, folder


def ask(new, folder, *words):
    """The first step: the fingerprint that the new device shows."""
    asking = new.begin("device", "join", "--from", folder, "--name", "phone", *words)
    asked = asking.wait_for("requested")
    assert asking.finish() == 0 and os.path.isfile(asked["path"])
    return asked["fingerprint"]


def begin_writing(old, folder, typed):
    adding = old.begin("device", "add", "--to", folder)
    adding.wait_for("fingerprint_wanted")
    adding.say(typed)
    return adding


def write(old, folder, typed):
    adding = begin_writing(old, folder, typed)
    assert adding.wait_for("approved")["name"] == "phone"
    done = adding.wait_for("done")
    assert adding.finish() == 0 and not os.path.exists(f"{folder}/kith-payload.new")
    return done


def take_in(new, folder):
    joining = new.begin("device", "join", "--from", folder)
    done = joining.wait_for("done")
    assert joining.finish() == 0
    return done


def is_whole(device, folder):
    assert fingerprint(device.content(record["id"]) for record in device.all_records()) == fingerprint(folder.contents())


def parts(folder):
    return [f"{folder}/kith-payload/{name}" for name in sorted(os.listdir(f"{folder}/kith-payload"))]


def names(device):
    return sorted((item["name"], item["state"]) for item in device.run("device", "list"))


def everything_on_disk(home):
    """Of a stick: the bytes of all its files."""
    return b"".join(open(os.path.join(at, name), "rb").read() for at, _, files in os.walk(home) for name in files)


def the_whole_way(world):
    service = world.service()
    old, folder = old_with_history(world)
    old.run("service", "add", service.address, "--alias", "the-owner")
    new, dir = world.device("new"), stick(world)
    typed = ask(new, dir)
    assert len(typed) == 29 and ask(new, dir) == typed, "the same request is shown again"
    assert new.run("status")["state"] == "new"
    error = old.fails(4, "device", "add", "--to", stick(world, "another"))
    assert "join --from" in error["hint"], error
    error = new.fails(4, "device", "join", "--from", world.path("nowhere"))
    assert error["hint"], error

    world.say("the fingerprint is mistyped once, which is told from a wrong one")
    adding = begin_writing(old, dir, ("B" if typed[0] == "A" else "A") + typed[1:])
    assert "mistake" in adding.wait_for("warning")["text"]
    adding.wait_for("fingerprint_wanted")
    adding.say(typed.lower().replace("-", " "))
    adding.wait_for("approved")
    done = adding.wait_for("done")
    assert adding.finish() == 0
    for path in (f"{dir}/kith-request", f"{dir}/kith-payload", *parts(dir)):
        assert os.stat(path).st_mode & stat.S_IROTH, f"another machine's user cannot read {path}"
    held = old.run("history", "stats")
    assert (done["records"], done["attachments"], done["lacking"]) == (held["records"], held["blobs"], 0), (done, held)
    for word in (b"phone", b"laptop", b"example", b"sync.batch", b"Subject"):
        assert word not in everything_on_disk(dir), f"{word} stands on the stick"
    digest = old.run("history", "digest")
    old.run("stop")

    world.say("no other device is in reach while the payload is taken in")
    taken = take_in(new, dir)
    assert taken["digest"] == digest["digest"] == new.run("history", "digest")["digest"] and taken["from"] == "laptop", taken
    is_whole(new, folder)
    assert names(new) == [("laptop", "active"), ("phone", "active")]
    status = new.run("status")
    assert [item["state"] for item in status["services"]] == ["pending"], status
    error = new.fails(5, "device", "join", "--from", dir)
    assert "already" in error["message"] and "key to it is gone" in error["message"], error

    world.say("once they meet, the new one gets its node, and both sign the receipt")
    old.run("status")
    new.until("status", like=lambda status: status["services"][0]["state"] == "online" and "transfer" not in status)
    old.until("status", like=lambda status: "transfer" not in status)
    same_digest(old, new)
    assert not [item for item in new.run("device", "list") if item["state"] != "active"]


def what_others_can_do_with_the_stick(world):
    old, folder = old_with_history(world)
    new, thief, dir = world.device("new"), world.device("thief"), stick(world)
    typed = ask(new, dir)

    world.say("a request that was swapped: nothing is added")
    swapped = stick(world, "swapped")
    other = ask(thief, swapped)
    adding = begin_writing(old, swapped, typed)
    error = adding.fails(5)
    assert "does not belong" in error["message"] and error["hint"], error
    assert names(old) == [("laptop", "active")] and not os.path.exists(f"{swapped}/kith-payload")

    world.say("a copied stick: a third device cannot take it, whatever it has asked itself")
    write(old, dir, typed)
    third = world.device("third")
    copied = shutil.copytree(dir, world.path("copied"))
    error = third.fails(5, "device", "join", "--from", copied)
    assert "another device" in error["message"] and third.run("status")["state"] == "new", error
    shutil.copytree(f"{dir}/kith-payload", f"{swapped}/kith-payload")
    error = thief.begin("device", "join", "--from", swapped).fails(5)
    assert "for another device" in error["message"], error
    assert thief.run("status")["state"] == "new" and not thief.run("status")["peers"]

    world.say("a payload of the thief's own person, for a request whose fingerprint he does not know")
    thief_old, forged = world.device("thief-old"), stick(world, "forged")
    thief_old.run("init")
    begin_writing(thief_old, swapped, other).wait_for("done")
    shutil.copytree(f"{swapped}/kith-payload", f"{forged}/kith-payload")
    error = new.begin("device", "join", "--from", forged).fails(5)
    assert "another device" in error["message"], error
    assert new.run("status")["state"] == "new", "nothing of it was taken in"

    world.say("the phone's own request, which many have seen in the roster, with a one-use key of the thief's")
    copied = format.open_request(open(f"{dir}/kith-request", "rb").read(), format.read_fingerprint(typed))
    head, (size,) = copied[4:], struct.unpack_from(">I", copied)
    changed = json.loads(head[:size]) | {"key": "11" * 32}
    text = json.dumps(changed, separators=(",", ":"), sort_keys=True).encode()
    changed = struct.pack(">I", len(text)) + text + head[size:]
    foreign = stick(world, "foreign")
    with open(f"{foreign}/kith-request", "wb") as file:
        file.write(format.seal_request(changed, bytes(24)))
    adding = begin_writing(old, foreign, format.fingerprint_text(format.fingerprint_of(changed)))
    error = adding.fails(5)
    assert "one of yours already" in error["message"] and not os.path.exists(f"{foreign}/kith-payload"), error

    world.say("the owner's own payload is as good as before; the second time there is nothing to do")
    take_in(new, dir)
    same_digest(old, new)
    new.fails(5, "device", "join", "--from", dir)

    world.say("a request that was given up is worth nothing")
    late, other = world.device("late"), stick(world, "late")
    typed = ask(late, other)
    write(old, other, typed)
    assert "given up" in late.run("device", "cancel")["state"]
    late.fails(5, "device", "join", "--from", other)
    assert late.run("status")["state"] == "new"


def the_stick_is_pulled_out(world):
    old, folder = old_with_history(world, LARGE)
    new, dir = world.device("new"), stick(world)
    typed = ask(new, dir)

    world.say("while the payload is written: it is not there, and is written anew")
    adding = begin_writing(old, dir, typed)
    wait_until(lambda: os.path.exists(f"{dir}/kith-payload.new/0000") or os.path.exists(f"{dir}/kith-payload"), "the payload", 20)
    old.kill()
    assert not os.path.exists(f"{dir}/kith-payload"), "it was written too fast to be interrupted"
    adding.fails(14)
    asked = new.begin("device", "join", "--from", dir)
    assert asked.wait_for("requested")["fingerprint"] == typed and asked.finish() == 0
    write(old, dir, typed)
    assert names(old) == [("laptop", "active"), ("phone", "active")], "it is added once"
    whole = open(parts(dir)[0], "rb").read()
    old.run("stop")  # or the two would meet, and not need the stick

    world.say("cut off: what came before is kept")
    with open(parts(dir)[0], "r+b") as file:
        file.truncate(len(whole) // 2)
    error = new.begin("device", "join", "--from", dir).fails(11)
    assert "too early" in error["message"] and "add --to" in error["hint"], error
    assert len(new.all_records()) == len(folder.mails)
    assert 0 < new.run("history", "stats")["blobs_missing"] < len(LARGE)
    os.remove(parts(dir)[0])
    assert new.begin("device", "join", "--from", dir).fails(11)["hint"]

    world.say("one bit is another: the same")
    with open(f"{dir}/kith-payload/0000", "wb") as file:
        at = len(whole) * 3 // 4
        file.write(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1:])
    error = new.begin("device", "join", "--from", dir).fails(11)
    assert "damaged" in error["message"] and error["hint"], error

    world.say("kill -9 while it is taken in, and then the whole of it")
    with open(f"{dir}/kith-payload/0000", "wb") as file:
        file.write(whole)
    joining = new.begin("device", "join", "--from", dir)
    joining.wait_for("progress")
    new.kill()
    joining.fails(14)
    taken = take_in(new, dir)
    old.run("status")
    assert taken["digest"] == same_digest(old, new)["digest"]
    is_whole(new, folder)
    new.fails(5, "device", "join", "--from", dir)


def the_network_completes_what_a_stick_began(world):
    old, folder = old_with_history(world)
    new, dir = world.device("new"), stick(world)
    write(old, dir, ask(new, dir))
    old.run("stop")
    with open(parts(dir)[0], "r+b") as file:
        whole = file.read()
        file.truncate(len(whole) * 9 // 10)
    new.begin("device", "join", "--from", dir).fails(11)
    with open(parts(dir)[0], "wb") as file:
        file.write(whole)
    old.run("status")
    new.until("status", like=lambda status: "transfer" not in status)
    same_digest(old, new)
    is_whole(new, folder)
    error = new.fails(5, "device", "join", "--from", dir)
    assert "key to it is gone" in error["message"], error


def a_device_that_is_barred_while_its_payload_is_written(world):
    old, _ = old_with_history(world, LARGE)
    new, dir = world.device("new"), stick(world)
    adding = begin_writing(old, dir, ask(new, dir))
    adding.wait_for("approved")
    old.run("device", "revoke", "phone")
    adding.fails(13)
    assert not os.path.exists(f"{dir}/kith-payload"), "it was written to its end"
    wait_until(lambda: not os.path.exists(f"{dir}/kith-payload.new"), "what was written to go")


def a_part_alone_is_asked_for(world):
    old, folder = old_with_history(world)
    new, dir = world.device("new"), stick(world)
    typed = ask(new, dir, "--since", "2010-01-01", "--attachments", "100k")
    error = new.begin("device", "join", "--from", dir, "--since", "2012-01-01").fails(5)
    assert "cancel" in error["hint"], error
    done = write(old, dir, typed)
    assert done["attachments"] <= 1, done
    all_here = old.all_records()
    old.run("stop")
    take_in(new, dir)
    left_out, here = new.run("status")["left_out"], new.all_records()
    assert left_out["messages"] == len(all_here) - len(here) > 0, left_out
    assert {record["id"] for record in here} == {record["id"] for record in all_here if record["time"] >= "2010"}


run_tests(the_whole_way, what_others_can_do_with_the_stick, the_stick_is_pulled_out,
          the_network_completes_what_a_stick_began, a_device_that_is_barred_while_its_payload_is_written, a_part_alone_is_asked_for)
