"""The workloads C1 to C5: metatape and its peers in turns, each checked before it is timed."""

import dataclasses
import json
import time

from suite import machine
from suite.programs import PEERS, Missing
from suite.turns import Limits, match

# Of the time for all rows; what a row leaves goes to those after it.
SHARES = {"C1": 1, "C2": 2, "C3": 2.5, "C4": 3.5, "C5": 3}


@dataclasses.dataclass
class Session:
    """Where results go; each is on disk before the next one is begun."""

    results: dict
    save: object
    say: object

    def unmeasured(self, what, reason):
        self.results["unmeasured"].append(f"{what}: {reason}")
        self.say(f"  {what}: {reason}")
        self.save()


def workloads():
    return json.loads((PEERS / "workloads.json").read_text())


def run_match(session, programs, name, settings, limits, record, everything=False, wanted=None):
    """Reference, contestants, turns. `wanted`: names that take part, or None for all."""
    reference = None
    if programs.python is not None:
        try:
            reference = programs.reference(name, settings)
        except Missing as reason:
            session.unmeasured(f"peers of {name}", f"no reference, {reason}")
    contestants = []
    for make in programs.makers(settings, reference, everything):
        try:
            contestant = make()
        except Missing as reason:
            session.unmeasured(f"a peer of {name}", str(reason))
            continue
        if wanted is None or contestant.name in wanted:
            contestants.append(contestant)
    limits = dataclasses.replace(limits, inner_steps=settings["inner"]["steps"])
    match(contestants, programs.threads, limits, record, session.save, session.say)


def prepare(session, programs, names, known):
    """What is made once and kept, before the time begins to count."""
    for name in names if programs.python is not None else ():
        begin = time.monotonic()
        try:
            reference = programs.reference(name, known[name]["settings"])
            programs.libtorch_peer(reference, keep_pages=True)
        except Missing as reason:
            session.say(f"  {name}: {reason}")
        session.say(f"  reference of {name}: {time.monotonic() - begin:.0f} s")


def compare(session, programs, names, seconds, everything=False):
    rows = session.results["rows"] = []
    known = workloads()
    prepare(session, programs, names, known)
    end = time.monotonic() + seconds
    for place, name in enumerate(names):
        share = SHARES.get(name, 1) / sum(SHARES.get(n, 1) for n in names[place:])
        workload = known[name]
        row = {"workload": name, "about": workload["about"], "aims": workload.get("aims", {}),
               "load": machine.load(), "programs": {}}
        rows.append(row)
        session.say(f"  {name}: {workload['about']}")
        seconds = max(20, (end - time.monotonic()) * share)
        limits = (Limits(seconds, prepare=600, step=300, rounds=3, precision=programs.precision)
                  if everything else Limits(seconds, precision=programs.precision))
        begin = time.monotonic()
        run_match(session, programs, name, workload["settings"], limits, row["programs"],
                  everything)
        row |= {"seconds": round(time.monotonic() - begin, 1), "load_after": machine.load()}
        session.save()
