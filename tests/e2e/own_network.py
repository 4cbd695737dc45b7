"""A network of a test's own, where nobody else is heard."""

import ctypes
import os
import signal
import subprocess
import sys


def enter_own_network():
    """Runs this program again in a network and mount namespace of its own; as an ordinary user, also in a user
    namespace, where it is root."""
    if os.environ.get("KITH_OWN_NETWORK") == str(os.getppid()):
        return
    os.environ["KITH_OWN_NETWORK"] = str(os.getpid())
    own_user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    words = ["unshare", *own_user, "--net", "--mount", "--", sys.executable, "-B", *sys.argv]
    child = subprocess.Popen(words, preexec_fn=end_with_parent)
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    sys.exit(child.wait())


def end_with_parent():
    """In a child before it starts: it is killed when its parent ends."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
