"""The main job, shown: an old device with a history, a service, a friend, and a new device. tools/demo runs it."""

import os
import sys
import tempfile
import threading
import time

root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, f"{root}/tests/e2e")
sys.dont_write_bytecode = True
from people import World, pair  # noqa: E402

MAILS = f"{root}/.deps/spam-assassin"


def say(text=""):
    print(text, flush=True)


def mb(count):
    return f"{count / 1e6:.1f} MB"


def show_progress(events, done):
    """Prints what the new device reports, at most a few lines a second, until its end."""
    shown = 0.0
    while True:
        event = events.next()
        if event is None:
            return
        name = event["event"]
        if name == "progress" and (time.monotonic() - shown > 0.3 or event["bytes"] == event["bytes_total"]):
            shown = time.monotonic()
            say(f"  {event['records']:>6} of {event['records_total']} messages, "
                f"{mb(event['bytes'])} of {mb(event['bytes_total'])}")
        elif name == "service":
            say(f"  {event['address']}: {event['state']}")
        elif name == "warning":
            say(f"  note: {event['text']}")
        elif name == "waiting" and event["for"]:
            say(f"  waiting: {event['for']}")
        elif name in ("done", "failed"):
            done.update(event)
            return


def main(programs):
    with World(programs, tempfile.mkdtemp(prefix="kith-demo-")) as world:
        service = world.service()
        say(f"A service runs at {service.address}")
        old, new, friend = world.device("old"), world.device("new"), world.device("friend")
        old.run("init", "--name", "laptop")
        account = old.run("service", "add", service.address, "--alias", "owner-of-the-mails")
        friend.run("init", "--name", "friend's phone")
        friend.run("service", "add", service.address, "--alias", "a-good-friend")
        say("The old device 'laptop' has an account there; a friend has one too.\n")

        say("The old device takes in a history of 6,046 real mails ...")
        began = time.monotonic()
        counts = old.run("history", "import", MAILS)
        taken = time.monotonic() - began
        say(f"  {counts['imported']} taken in, {counts['known']} were identical to another one, "
            f"{counts['skipped']} skipped, in {taken:.1f} s\n")

        say("The new device pairs with it, and everything streams across:")
        adding, joining = pair(old, new, "phone")
        code = next(event["code"] for event in joining.seen if event["event"] == "code")
        say(f"  the new device showed the code {code}, which was typed on the old one")
        sender = threading.Thread(target=lambda: friend.run(
            "message", "send", "--to", account["uid"], "--subject", "Sent while the transfer ran", "--body", "hello"))
        sender.start()
        done = {}
        show_progress(joining, done)
        sender.join()
        if done.get("event") != "done" or adding.finish() != 0:
            say(f"It failed: {done.get('error')} {done.get('hint', '')}")
            return 1
        say(f"  done in {done['seconds']:.1f} s\n")

        old.until("history", "digest", like=lambda digest: digest == new.run("history", "digest"))
        for name, device in (("laptop", old), ("phone", new)):
            digest = device.run("history", "digest")
            say(f"{name:>8}: {digest['records']} records, {digest['blobs']} blobs, {mb(digest['bytes'])}, "
                f"digest {digest['digest']}")
        say("\nThe newest five messages, as the new device shows them:")
        for item in new.run("history", "list", "--limit", "5"):
            say(f"  {item['time'][:16].replace('T', ' ')}  {item['from'][:28]:<28}  {item['subject'][:50]}")
        return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
