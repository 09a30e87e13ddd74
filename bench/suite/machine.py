"""What a run says of the machine, and how it keeps the machine alive."""

import os
import platform
import subprocess
from pathlib import Path

GIB = 1 << 30


def root():
    return Path(__file__).resolve().parents[2]


def load():
    """Mean number of processes that wanted to run in the last minute."""
    return round(os.getloadavg()[0], 2)


def fields_of(path):
    """ "name: value" lines of a file of /proc."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return {}
    pairs = (line.partition(":")[::2] for line in lines)
    return {name.strip(): value.strip() for name, value in pairs}


def kib(fields, name):
    """Bytes of a field "1234 kB"; None where it is missing."""
    value = fields.get(name, "").split()
    return int(value[0]) << 10 if value else None


def available_memory():
    return kib(fields_of("/proc/meminfo"), "MemAvailable") or 0


def peak_resident(pid):
    """High-water mark of a running process, in bytes; None where it has ended."""
    return kib(fields_of(f"/proc/{pid}/status"), "VmHWM")


def forget_peak(pid):
    """The high-water mark begins anew from what the process holds now, where that is allowed."""
    try:
        with open(f"/proc/{pid}/clear_refs", "w", encoding="ascii") as file:
            file.write("5")
    except OSError:
        pass


def describe():
    processor = fields_of("/proc/cpuinfo").get("model name", platform.machine())
    return {"processor": processor, "cores": os.cpu_count(), "system": platform.release(),
            "memory_bytes": kib(fields_of("/proc/meminfo"), "MemTotal"), "load": load()}


def commit():
    """Of the sources; with + if files differ from it. Empty outside of a repository."""
    def git(*words):
        return subprocess.run(["git", "-C", root(), *words], capture_output=True, text=True,
                              check=False)
    try:
        head = git("rev-parse", "--short", "HEAD")
        changed = git("status", "--porcelain").stdout.strip()
    except OSError:
        return ""
    return "" if head.returncode else head.stdout.strip() + ("+" if changed else "")


def yield_memory_first():
    """In a new process: where memory runs out, the system ends this one and not another."""
    try:
        Path("/proc/self/oom_score_adj").write_text("1000")
    except OSError:
        pass


def use_cores(count):
    """In a new process: so many cores, also for what starts one thread on each."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])
