"""Processes with a time limit: whatever they do, they end, with all that they started."""

import collections
import os
import signal
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

KEPT_LINES = 20000
LONGEST_LINE = 1 << 20  # bytes


@dataclass
class Finished:
    """How a process ended; code None: it was ended at its limit."""

    code: int | None
    output: str
    errors: str
    seconds: float

    @property
    def succeeded(self):
        return self.code == 0

    def reason(self):
        """Why it did not succeed, with the last lines that it wrote."""
        if self.code is None:
            how = f"no end in {self.seconds:.0f} s"
        elif self.code < 0:
            how = f"ended by {signal.Signals(-self.code).name}"
        else:
            how = f"exit code {self.code}"
        lines = (self.errors.strip() or self.output.strip()).splitlines()[-6:]
        return ": ".join([how, " | ".join(line.strip() for line in lines)]) if lines else how


def descendants(pid):
    """Of a process, itself included: also those that made a process group of their own."""
    children = collections.defaultdict(list)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(errors="replace").rsplit(")", 1)[1].split()
        except (OSError, IndexError):
            continue  # it ended meanwhile
        children[int(fields[1])].append(int(stat.parent.name))
    found = [pid]
    for parent in found:
        found += children[parent]
    return found


def end(process):
    for pid in descendants(process.pid) if process.poll() is None else []:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def run(command, limit, environment=None, folder=None, on_line=None):
    """Runs a command for at most `limit` seconds. on_line(line) is called for each line of standard
    output as it comes, in another thread; the last KEPT_LINES are kept."""
    begin = time.monotonic()
    lines = collections.deque(maxlen=KEPT_LINES)

    def read(stream):
        with stream:
            while raw := stream.readline(LONGEST_LINE):
                lines.append(raw.decode(errors="replace"))
                try:
                    if on_line:
                        on_line(lines[-1].rstrip("\n"))
                except (ArithmeticError, LookupError, TypeError, ValueError):
                    pass  # a line that only looks like a result

    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=errors, cwd=folder,
                                       env=environment, start_new_session=True)
        except OSError as error:
            return Finished(127, "", str(error), 0)
        reader = threading.Thread(target=read, args=(process.stdout,), daemon=True)
        reader.start()
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            end(process)
        reader.join(5)
        errors.seek(0)
        text = errors.read().decode(errors="replace")
    return Finished(code, "".join(lines), text, time.monotonic() - begin)
