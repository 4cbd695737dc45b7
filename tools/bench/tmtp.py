"""Posts through a tmtpd on loopback. As a program, the soak: tmtp.py BUILD [NODES] [SECONDS], which fails when
memory grows."""

import contextlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

NODES = (1, 2, 100, 1000)
BYTES = (200, 6700)
# Of the soak, more than this is growth: what a flush or a burst of reconnecting nodes takes comes and goes.
SOAK_GROWTH_MB = 8


@contextlib.contextmanager
def served(build, folder):
    """A fresh tmtpd: its port and process."""
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    with open(f"{folder}/log", "wb") as log:
        process = subprocess.Popen([f"{build}/tmtpd", "--dir", f"{folder}/service", "--name", "bench", "--listen",
                                    "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        address = process.stdout.readline().strip()
        if not address:
            sys.exit(f"tmtpd did not start: see {folder}/log")
        yield address.rsplit(":", 1)[1], process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        process.stdout.close()
        shutil.rmtree(folder, ignore_errors=True)


def load(build, port, process, **options):
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    done = subprocess.run([f"{build}/bench_tmtp", "--port", port, "--pid", str(process.pid), *words],
                          stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        sys.exit("bench_tmtp failed")
    return json.loads(done.stdout)


def measure(build, folder, nodes, size, seconds):
    os.sync()
    with served(build, folder) as (port, process):
        return load(build, port, process, nodes=nodes, bytes=size, seconds=seconds)


def sync_ms(folder, count=200):
    """What the disk takes to make 4 KiB durable that were there before: the floor of a post's latency."""
    path = f"{folder}/sync"
    with open(path, "wb", buffering=0) as file:
        file.write(bytes(1 << 20))
        os.fsync(file.fileno())
        times = []
        for i in range(count):
            began = time.perf_counter()
            os.pwrite(file.fileno(), bytes([i % 256]) * 4096, 4096 * (i % 256))
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - began) * 1000)
    os.unlink(path)
    return statistics.median(times)


def soak(build, nodes, seconds):
    """Many nodes that post, come and go for long: what they take after a fifth of the time, and at the end."""
    folder = tempfile.mkdtemp(prefix="kith-soak-")
    try:
        with served(build, f"{folder}/run") as (port, process):
            run = load(build, port, process, nodes=nodes, bytes=2000, seconds=seconds, rate=500, churn=10)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    grown = run["end_mb"] - run["early_mb"]
    print(f"{nodes} nodes, {run['seconds']:.0f} s: {run['posts']} posts, {run['reconnects']} reconnects, "
          f"{run['early_mb']:.1f} MB early, {run['end_mb']:.1f} MB at the end, {run['peak_mb']:.1f} MB at most")
    if run["posts"] < seconds * 50 or run["reconnects"] < seconds * 2:
        sys.exit("too little went through: the server or this machine hangs")
    if grown > SOAK_GROWTH_MB:
        sys.exit(f"memory grew by {grown:.1f} MB")


if __name__ == "__main__":
    soak(os.path.abspath(sys.argv[1]), *(int(word) for word in (sys.argv[2:] + ["1000", "300"][len(sys.argv) - 2:])))
