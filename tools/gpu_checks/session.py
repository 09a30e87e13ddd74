"""One run of gpu_check: its time, its stages and its one result file."""

import json
import os
import re
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from gpu_checks import processes

LEAST_LIMIT = 1  # seconds; with less left nothing is started


class OutOfTime(Exception):
    pass


class Skipped(Exception):
    """A stage that cannot run here; the text says why."""


@dataclass
class Stage:
    name: str
    limit: float  # seconds
    function: Callable  # (session, record): fills the record, calling session.save() as it goes


def write_json(path, value):
    """Readers see the old file or the new one, never half of one."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(json.dumps(value, indent=1, sort_keys=False) + "\n")
    partial.replace(path)


def new_result_path(folder, gpu, date):
    """bench/results/<gpu>-<date>.json, numbered from the second of a day on."""
    name = re.sub(r"[^a-z0-9]+", "-", gpu.lower().removeprefix("nvidia")).strip("-")
    path, number = folder / f"{name}-{date}.json", 1
    while path.exists():
        number += 1
        path = folder / f"{name}-{date}-{number}.json"
    return path


class Session:
    def __init__(self, kit, path, scratch, budget, results):
        self.kit, self.path, self.scratch = kit, path, scratch
        self.deadline = time.monotonic() + budget
        self.stage_deadline = self.deadline
        self.results = results | {"budget_s": budget, "stages": {}, "unmeasured": []}

    def left(self):
        """Seconds that the stage still has."""
        return min(self.deadline, self.stage_deadline) - time.monotonic()

    def save(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_json(self.path, self.results)

    def say(self, line):
        print(line, flush=True)

    def unmeasured(self, what, why):
        self.results["unmeasured"].append(f"{what}: {why}")
        self.say(f"  unmeasured: {what}: {why}")
        self.save()

    def run(self, command, limit=float("inf"), environment=None, on_line=None, ours=True):
        """processes.run() within the limits of stage and session; `ours`: a program of the kit,
        with the kit's libraries."""
        limit = min(limit, self.left())
        if limit < LEAST_LIMIT:
            raise OutOfTime
        surroundings = self.kit.environment if ours else os.environ
        return processes.run(command, limit, surroundings | (environment or {}), self.scratch,
                             on_line)

    def program(self, name):
        """Path of one of our programs; a stage without it is skipped."""
        path = self.kit.programs.get(name)
        if path is None:
            raise Skipped(f"{name} is not in the kit")
        return path

    def run_stage(self, stage):
        record = self.results["stages"][stage.name] = {"status": "running"}
        self.save()
        self.say(f"{stage.name} ...")
        begin = time.monotonic()
        self.stage_deadline = begin + stage.limit
        try:
            stage.function(self, record)
            if record["status"] == "running":
                record["status"] = "measured"
        except Skipped as reason:
            record.update(status="skipped", reason=str(reason))
        except OutOfTime:
            record.update(status="stopped", reason=f"no time left after {stage.limit:g} s or the "
                          "budget of the run")
        except SystemExit:
            record.update(status="stopped", reason="gpu_check was told to stop")
            raise
        except Exception as error:  # one broken stage must not take the others with it
            record.update(status="failed", reason=f"{type(error).__name__}: {error}")
        finally:
            record["seconds"] = round(time.monotonic() - begin, 1)
            if "reason" in record:
                self.unmeasured(stage.name, record["reason"])
            self.say(f"  {stage.name}: {record['status']}, {record['seconds']} s")
            self.save()


def last_json(text):
    """The object on the last line that holds one; None if there is none."""
    for line in reversed(text.splitlines()):
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            return value
    return None


def require_result(finished, *keys):
    """The JSON result of a command that has to succeed. Errors: RuntimeError with its reason."""
    result = last_json(finished.output) if finished.succeeded else None
    if result is None:
        raise RuntimeError(finished.reason() if not finished.succeeded else "it printed no JSON")
    missing = [key for key in keys if key not in result]
    if missing:
        raise RuntimeError(f"its result lacks {', '.join(missing)}")
    return result


def root():
    """Of the source tree."""
    return Path(__file__).resolve().parents[2]
