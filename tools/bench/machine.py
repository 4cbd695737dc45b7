"""What is read from the system: times, memory and bytes of processes, and which machine this is."""

import contextlib
import datetime
import os
import platform
import statistics
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_mb(pid):
    """The most that was resident since the process began."""
    with open(f"/proc/{pid}/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:")) * 1024 / 1e6


def loopback_bytes():
    """What has gone over this network namespace's loopback, both ways, with all headers."""
    with open("/proc/net/dev") as file:
        return next(int(line.split()[1]) for line in file if line.strip().startswith("lo:"))


def settle():
    """What others wrote shall not be written at the cost of what is measured."""
    os.sync()


@contextlib.contextmanager
def timed(result, name):
    began = time.monotonic()
    yield
    result[name] = time.monotonic() - began


def spread(values):
    """Of several measurements of the same: median, range, and all."""
    values = [round(value, 4) for value in values]
    return {"median": round(statistics.median(values), 4), "min": min(values), "max": max(values), "all": values}


def summary(runs):
    """Of several runs with the same fields: the spread of each field that is a number in all of them."""
    return {name: spread([run[name] for run in runs]) for name in runs[0]
            if all(isinstance(run.get(name), (int, float)) for run in runs)}


def text(spreads, digits=1):
    if spreads["min"] == spreads["max"]:
        return f"{spreads['median']:.{digits}f}"
    return f"{spreads['median']:.{digits}f} ({spreads['min']:.{digits}f}-{spreads['max']:.{digits}f})"


def describe(tree, folder):
    def said(*words):
        return subprocess.run(words, capture_output=True, text=True, cwd=tree).stdout.strip()

    with open("/proc/cpuinfo") as file:
        model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), platform.machine())
    with open("/proc/meminfo") as file:
        memory = int(file.readline().split()[1]) * 1024
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": model, "cores": os.cpu_count(), "memory_gb": round(memory / 1e9, 1), "kernel": platform.release(),
        "system": platform.freedesktop_os_release().get("PRETTY_NAME", ""),
        "file_system": said("findmnt", "-n", "-o", "FSTYPE,OPTIONS", "-T", folder),
        "load_before": os.getloadavg()[0],
        "commit": said("git", "describe", "--always", "--dirty", "--abbrev=10"),
    }
