"""Stages that say whether the results on the GPU are right."""

import re

from gpu_checks import safetensors
from gpu_checks.session import OutOfTime, require_result

# sum |gpu - cpu|^2 / sum |cpu|^2, both fp32; of the loss and of each meta-gradient.
NMSE_LIMIT = 1e-10
SUITE_LIMIT = 60  # seconds
SETTLED = re.compile(r"\[\s+(OK|FAILED|SKIPPED)\s+\] (\S+?)(?:, where .*)? \(\d+ ms\)")
STARTED = re.compile(r"\[ RUN      \] (\S+)")
NOT_BUILT = "not built: NCCL"  # what a test says that would need it


def suites_of(listing):
    """Suites as --gtest_list_tests prints them: a line each, their tests indented below."""
    return [line.split()[0] for line in listing.splitlines()
            if line and not line[0].isspace() and line.split()[0].endswith(".")]


class TestLog:
    """What a GoogleTest program has said so far; it need not come to its end."""

    def __init__(self):
        self.outcomes, self.current, self.said = {}, None, []

    def read(self, line):
        if started := STARTED.match(line):
            self.current, self.said = started[1], []
        elif settled := SETTLED.match(line):
            self.outcomes[settled[2]] = settled[1]
            if settled[1] != "OK":
                self.outcomes[settled[2]] += ": " + " ".join(self.said)[:600]
            self.current = None
        elif self.current:
            self.said.append(line.strip())

    def names(self, outcome):
        return [name for name, found in self.outcomes.items() if found.startswith(outcome)]


def kernels(session, record):
    """Each suite of tests in a process of its own: a device fault ends only its suite."""
    record |= {"passed": 0, "skipped": 0, "failures": [], "suites": {}}
    session.program("cuda_tests")
    for program in ("cuda_tests", "device_tests"):
        path = session.kit.programs.get(program)
        if path is None:
            session.unmeasured(program, "not in the kit")
            continue
        listing = session.run([path, "--gtest_list_tests"], SUITE_LIMIT)
        suites = suites_of(listing.output)
        if not listing.succeeded or not suites:
            raise RuntimeError(f"{program} lists no tests: {listing.reason()}")
        for suite in suites:
            run_suite(session, record, path, suite)
    if record["passed"] == 0:
        record["failures"].append("no test ran on the GPU")
    record["status"] = "failed" if record["failures"] else "passed"


def run_suite(session, record, path, suite):
    log = TestLog()
    finished = session.run([path, f"--gtest_filter={suite}*", "--gtest_color=no"], SUITE_LIMIT,
                           on_line=log.read)
    passed, failed = log.names("OK"), log.names("FAILED")
    not_built = [name for name in log.names("SKIPPED") if NOT_BUILT in log.outcomes[name]]
    skipped = [name for name in log.names("SKIPPED") if name not in not_built]
    if not_built:
        session.unmeasured(", ".join(not_built), NOT_BUILT)
    record["passed"] += len(passed)
    record["skipped"] += len(skipped)
    record["suites"][suite.rstrip(".")] = {"passed": len(passed), "failed": len(failed),
                                           "seconds": round(finished.seconds, 2)}
    # With a GPU there is no other reason to skip, least of all that there is none.
    record["failures"] += [f"{name}: {log.outcomes[name]}" for name in failed + skipped]
    if not finished.succeeded and not failed:
        record["failures"].append(f"{log.current or suite}: {finished.reason()}")
    session.save()


# Meta-steps.


def steps_at_hand(session):
    """Name, arguments: settings that no recipe has, then the recipes whose data is there."""
    metatape = session.program("metatape")
    recipes = require_result(session.run([metatape, "recipes", "--json"], 30), "recipes")["recipes"]
    glyphs = ["--recipe", "glyphs-5w1s-maml"]
    at_hand = [
        ("glyphs, max-pooling", glyphs + settings(["model.pool=max"])),
        ("glyphs, five steps recomputed", glyphs + settings(["inner.steps=5",
                                                             "inner.recompute=true"])),
        ("glyphs, ResNet-12", glyphs + settings(["model.name=resnet12", "model.width=16",
                                                 "outer.tasks=2"])),
    ]
    for recipe in recipes:
        arguments = ["--recipe", recipe["name"]]
        if recipe["settings"]["task"]["kind"] == "images":
            if not session.kit.data:
                session.unmeasured(f"meta-step of {recipe['name']}", "no data set (--data)")
                continue
            arguments += ["--data", session.kit.data]
        at_hand.append((recipe["name"], arguments))
    return at_hand


def settings(assignments):
    return [word for assignment in assignments for word in ("--set", assignment)]


def results_of_step(session, name, arguments):
    """loss and meta_grad/... of one meta-step; `name` is that of its file."""
    path = session.scratch / f"{name}.safetensors"
    finished = session.run([session.program("metatape"), "step", *arguments, "--dump", path,
                            "--json"], 120)
    require_result(finished, "loss")
    tensors = safetensors.read(path, lambda n: n == "loss" or n.startswith("meta_grad/"))
    path.unlink()
    return tensors


def worst_nmse(found, reference):
    """Of all tensors, with the name it belongs to."""
    if set(found) != set(reference) or len(reference) < 2:
        raise RuntimeError(f"the files hold {sorted(found)} and {sorted(reference)}")
    if not any(any(values) for name, values in reference.items() if name != "loss"):
        raise RuntimeError("all meta-gradients of the reference are zero")
    return max((safetensors.nmse(found[name], reference[name]), name) for name in reference)


def compare_step(session, arguments):
    double = results_of_step(session, "f64", [*arguments, "--dtype", "f64"])
    cpu = results_of_step(session, "cpu", arguments)
    gpu = results_of_step(session, "gpu", [*arguments, "--device", "cuda"])
    tf32 = results_of_step(session, "tf32", [*arguments, "--device", "cuda",
                                             "--set", "train.precision=tf32"])
    nmse, worst = worst_nmse(gpu, cpu)
    return {"passed": nmse <= NMSE_LIMIT, "nmse": nmse, "worst": worst,
            "loss_nmse": safetensors.nmse(gpu["loss"], cpu["loss"]),
            "cpu_to_f64": worst_nmse(cpu, double)[0], "gpu_to_f64": worst_nmse(gpu, double)[0],
            "gpu_tf32_to_f64": worst_nmse(tf32, double)[0]}


def meta_steps_agree(session, record):
    record |= {"nmse_limit": NMSE_LIMIT, "steps": {}}
    for name, arguments in steps_at_hand(session):
        try:
            found = compare_step(session, arguments)
        except OutOfTime:
            session.unmeasured(f"meta-step of {name} and what follows it", "no time left")
            record["status"] = "stopped"
            break
        except (RuntimeError, OSError, KeyError, ValueError) as error:
            found = {"passed": False, "error": str(error)}
        record["steps"][name] = found
        session.say(f"  {name}: {found.get('nmse', found.get('error'))}")
        session.save()
    if not all(step["passed"] for step in record["steps"].values()):
        record["status"] = "failed"
    elif record["status"] == "running":
        record["status"] = "passed"


# The same bits.


def state_hash(session, name, arguments, environment=None):
    finished = session.run([session.program("metatape"), "train", *arguments, "--device", "cuda",
                            "--out", session.scratch / name, "--json"], 60, environment)
    return require_result(finished, "state_hash")["state_hash"]


def determinism(session, record):
    """Short trainings that must end in the same bits."""
    def short(recipe, *more):
        return ["--recipe", recipe, *settings(["train.iterations=50", *more])]

    ways = {"again": ([], {}), "one kernel at a time": ([], {"MT_SYNC": "1"}),
            "episodes from the host": (["data.resident=false"], {})}
    runs = [("glyphs-5w1s-maml", [])]
    if session.kit.data:
        runs.append(("omniglot-5w1s-maml", ["--data", session.kit.data]))
    record["trainings"] = {}
    for recipe, data in runs:
        first = state_hash(session, f"{recipe}-first", short(recipe) + data)
        found = record["trainings"][recipe] = {"state_hash": first, "same": {}}
        for way, (changes, environment) in ways.items():
            again = state_hash(session, f"{recipe}-{way.replace(' ', '-')}",
                               short(recipe, *changes) + data, environment)
            found["same"][way] = again == first
            session.save()
    same = [value for found in record["trainings"].values() for value in found["same"].values()]
    record["status"] = "passed" if all(same) else "failed"
