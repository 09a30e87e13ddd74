"""Programs that take turns: A B C, A B C, ... Whatever slows the machine slows all of them.

Each says "ready" when it agrees with the reference, and then takes a step for each line on its
standard input (bench/peers/harness.py).
"""

import os
import selectors
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass, field

from suite import figures, machine

LEAST_MEMORY = machine.GIB  # what must stay available, or the program at work is stopped
POLL = 0.2  # seconds


class Ended(Exception):
    """Why a program takes no further turn."""


@dataclass
class Contestant:
    name: str
    command: list
    environment: dict = field(default_factory=dict)
    unchecked: bool = False  # there is no reference


def environment(threads):
    """The caller's, but for what would change how threads wait or how many there are."""
    ours = {name: value for name, value in os.environ.items()
            if not name.startswith(("OMP_", "GOMP_", "KMP_", "MKL_", "OPENBLAS_"))}
    return ours | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads),
                   "OPENBLAS_NUM_THREADS": "1"}


class Running:
    """A contestant's process."""

    def __init__(self, contestant, threads):
        self.name, self.unchecked = contestant.name, contestant.unchecked
        self.values, self.samples, self.peak = {}, [], None
        self.rest, self.lines = b"", []
        self.errors = tempfile.TemporaryFile()

        def begin():
            machine.yield_memory_first()
            machine.use_cores(threads)

        self.process = subprocess.Popen(
            [str(word) for word in contestant.command], bufsize=0, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=self.errors, start_new_session=True, preexec_fn=begin,
            env=environment(threads) | contestant.environment)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.process.stdout, selectors.EVENT_READ)

    def next_line(self, deadline):
        while not self.lines:
            if self.selector.select(POLL):
                text = self.process.stdout.read()
                if text == b"":
                    raise Ended(self.last_words())
                *lines, self.rest = (self.rest + (text or b"")).split(b"\n")
                self.lines += [line.decode(errors="replace") for line in lines]
            if machine.available_memory() < LEAST_MEMORY:
                raise Ended(f"stopped: {LEAST_MEMORY >> 20} MiB of memory were left")
            if time.monotonic() > deadline:
                raise Ended("stopped: out of time")
        return self.lines.pop(0)

    def read_until(self, word, deadline):
        """Text after `word` on the line that begins with it; "key value" lines before are kept."""
        while True:
            key, _, value = self.next_line(deadline).partition(" ")
            if key == word:
                self.peak = machine.peak_resident(self.process.pid) or self.peak
                return value
            try:
                self.values[key] = float(value)
            except ValueError:
                pass  # for people

    def prepare(self, limits, seconds):
        begin = time.monotonic()
        self.read_until("ready", begin + seconds)
        self.values["seconds_until_ready"] = round(time.monotonic() - begin, 3)
        agreed = figures.agrees(self.values, limits.precision, limits.inner_steps)
        if not agreed and not self.unchecked:
            raise Ended("disagrees with the reference")
        machine.forget_peak(self.process.pid)  # the reference's values are no part of a step

    def step(self, limit):
        try:
            self.process.stdin.write(b"step\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise Ended(self.last_words()) from None
        self.samples.append(float(self.read_until("step_ms", time.monotonic() + limit)))

    def last_words(self):
        try:
            code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            return "closed its output without ending"
        self.errors.seek(0)
        said = self.errors.read().decode(errors="replace").strip().splitlines()[-1:]
        if code == 3:
            return "disagrees with the reference"
        return f"ended with {code}: {(said or ['it says nothing'])[0][:300]}"

    def stop(self):
        """Ends the process and its children; without an effect on one that has ended."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.selector.close()
        self.errors.close()

    def record(self, **fields):
        found = {"status": "ready", "peak_resident_bytes": self.peak, "values": self.values}
        if self.samples:
            found |= {"status": "timed", "ms": figures.summary(self.samples),
                      "samples_ms": self.samples}
        return found | fields


@dataclass
class Limits:
    seconds: float  # for everything of one workload
    prepare: float = 150  # for one program, until it is ready
    step: float = 60  # for one step, whatever is left of the time
    rounds: int = 2  # at least, if they fit
    most: int = 15
    precision: str = "strict"
    inner_steps: int = 1


class Match:
    """All contestants on one workload."""

    def __init__(self, threads, limits, record, save, say):
        self.threads, self.limits, self.say = threads, limits, say
        self.record, self.save = record, save
        self.end = time.monotonic() + limits.seconds
        self.alive = []

    def left(self):
        return self.end - time.monotonic()

    def settle(self, running, **fields):
        self.record[running.name] = running.record(**fields)
        self.save()

    def drop(self, running, reason):
        running.stop()
        status = "disagrees" if reason.startswith("disagrees") else (
            "timed" if running.samples else "failed")
        self.settle(running, status=status, reason=reason)
        self.say(f"    {running.name}: {reason}")

    def promised(self):
        """Seconds that the rounds to come will take of those that have started."""
        return (self.limits.rounds - 1) * sum(r.samples[-1] for r in self.alive) / 1e3

    def enter(self, contestant):
        """Starts it and compares its result; it takes its first turn."""
        limit = min(self.limits.prepare, self.left() - self.promised())
        if limit <= 0:
            self.record[contestant.name] = {"status": "not run", "reason": "no time left"}
            return self.save()
        running = Running(contestant, self.threads)
        try:
            running.prepare(self.limits, limit)
            running.step(max(self.left(), self.limits.step))
        except Ended as end:
            return self.drop(running, str(end))
        except BaseException:
            running.stop()
            raise
        self.alive.append(running)
        self.settle(running)
        nmse = running.values.get("meta_grad_nmse", float("nan"))
        return self.say(f"    {running.name}: ready in {running.values['seconds_until_ready']:.1f}"
                        f" s, NMSE {nmse:.1e}, {running.samples[0]:.1f} ms")

    def low_on_memory(self):
        """Whether one more like the largest so far may not fit beside those that wait."""
        largest = max((r.peak or 0 for r in self.alive), default=0)
        return self.alive and machine.available_memory() < 1.2 * largest + 2 * LEAST_MEMORY

    def take_turns(self, seconds):
        """More rounds of one step each. A slow program sits out when its share of the time is over.
        """
        begin, share = time.monotonic(), seconds / max(1, len(self.alive))
        for number in range(1, self.limits.most):
            enough = number >= self.limits.rounds
            if self.left() <= 0 or (enough and time.monotonic() - begin > seconds):
                break
            for running in list(self.alive):
                spent = sum(running.samples) / 1e3
                if enough and spent > share:
                    continue
                try:
                    running.step(max(self.left(), self.limits.step))
                except Ended as end:
                    self.alive.remove(running)
                    self.drop(running, str(end))
                else:
                    self.settle(running)

    def finish_group(self, seconds):
        try:
            self.take_turns(seconds)
        finally:
            for running in self.alive:
                running.stop()
            self.alive = []


def match(contestants, threads, limits, record, save, say):
    """Fills `record` (name -> what was found); `save` is called after each addition."""
    game = Match(threads, limits, record, save, say)
    try:
        for contestant in contestants:
            if game.low_on_memory():
                say("    memory is short: those before take their turns now")
                game.finish_group(game.left() / 2)
            game.enter(contestant)
    finally:
        game.finish_group(max(game.left(), 0) * 0.7)
