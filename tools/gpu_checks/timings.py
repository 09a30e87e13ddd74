"""Stages that time: kernels beside the vendor's libraries, meta-steps beside the peers."""

import json
import sys

from gpu_checks.correctness import settings
from gpu_checks.session import OutOfTime, Skipped, require_result, root

sys.path.append(str(root() / "bench"))
import floors  # noqa: E402

PRECISIONS = ("fp32", "tf32")
KEYS = ("kernel", "where", "shape", "flops", "bytes", "ms", "precision")
KERNELS_LIMIT = 25  # seconds, for one precision
MINUTES_FOR_ALL_PEERS = 5
QUICK_PEERS = ("jax-vmap", "torch-vmap", "torch-graph")
WORKLOADS = ("W1", "W2", "W3", "W4", "W5")


def key_of(case):
    return json.dumps([case["kernel"], case["where"], case["shape"], case["precision"]])


def parsed(line, keys):
    """The object of a line, or None where it is none or lacks a key."""
    try:
        value = json.loads(line)
    except ValueError:
        return None
    if not isinstance(value, dict) or any(key not in value for key in keys):
        return None
    return value


class KernelTimes:
    """Cases as they come in, with what follows from them."""

    def __init__(self, session, record):
        self.session, self.record = session, record
        self.gpu = session.results["gpu"]["name"]
        self.cases = record["cases"] = []

    def bandwidth(self):
        """Bytes per second of the first large copy; None before it."""
        copies = [c for c in self.cases if c["kernel"] == "copy"]
        return copies[0]["bytes"] / copies[0]["ms"]["median"] * 1e3 if copies else None

    def add(self, line):
        case = parsed(line, KEYS)
        if case is None:
            return
        median = case["ms"]["median"]
        case |= {"tflops": case["flops"] / median / 1e9, "gb_per_s": case["bytes"] / median / 1e6}
        self.cases.append(case)
        floor = floors.kernel_floor_ms(case["flops"], case["bytes"], self.gpu, case["precision"],
                                       self.bandwidth())
        if floor is not None:
            case |= {"floor_ms": floor, "share_of_floor": floor / median}
        self.session.save()

    def add_library(self, line):
        found = parsed(line, KEYS)
        for case in self.cases if found else []:
            if key_of(case) == key_of(found):
                case["library"] = {key: found[key] for key in ("ms", "call") if key in found}
                case["share_of_library"] = found["ms"]["median"] / case["ms"]["median"]
        self.session.save()


def kernel_times(session, record):
    times = KernelTimes(session, record)
    program = session.program("kernels")
    products = ["--only", "conv2d", "--only", "matmul"]  # nothing else depends on the precision
    for precision, only in (("fp32", []), ("tf32", products)):
        finished = session.run([program, "--device", "cuda", "--precision", precision, *only],
                               KERNELS_LIMIT, on_line=times.add)
        if not finished.succeeded:
            session.unmeasured(f"kernel times, {precision}", finished.reason())
    if not times.cases:
        raise RuntimeError("no kernel was timed")
    cases = session.scratch / "cases.jsonl"
    cases.write_text("".join(json.dumps(case) + "\n" for case in times.cases))
    finished = session.run([session.python, session.peers / "torch_kernels.py", "--device", "cuda",
                            "--cases", cases], on_line=times.add_library, ours=False)
    if not finished.succeeded:
        session.unmeasured("kernels of PyTorch's libraries", finished.reason())


# Meta-steps.


def flat_settings(workload):
    """{"inner": {"lr": 0.4}, "model": {"widths": [4, 6]}} -> inner.lr=0.4, model.widths=4-6"""
    def text(value):
        if isinstance(value, list):
            return "-".join(map(str, value))
        return value if isinstance(value, str) else json.dumps(value)

    return [f"{group}.{key}={text(value)}" for group, values in workload["settings"].items()
            for key, value in values.items()]


def workload_arguments(session, workload):
    arguments = ["--recipe", workload.get("recipe", "omniglot-5w1s-maml"),
                 *settings(flat_settings(workload))]
    if workload.get("data") == "omniglot" and session.kit.data:
        arguments += ["--data", session.kit.data]
    return arguments


def meta_step_times(session, record):
    program = session.program("meta_step")
    workloads = json.loads((session.peers / "workloads.json").read_text())
    record["steps"] = []
    variants = [(name, precision, False) for name in WORKLOADS for precision in PRECISIONS]
    variants += [(name, "fp32", True) for name in WORKLOADS[1:]]  # W1 has one inner step
    for name, precision, recompute in variants:
        command = [program, "--device", "cuda", *workload_arguments(session, workloads[name]),
                   *settings([f"train.precision={precision}",
                              f"inner.recompute={json.dumps(recompute)}"])]
        label = name + (", recomputed" if recompute else "")
        try:
            found = require_result(session.run(command, 60), "ms", "arena_bytes", "resident_bytes",
                                   "launches")
        except (OutOfTime, RuntimeError) as error:
            session.unmeasured(f"meta-step of {label}, {precision}", str(error) or "no time left")
            continue
        found |= {"workload": name, "precision": precision, "recompute": recompute, "label": label}
        floor = floors.meta_step_floor_ms(name, session.results["gpu"]["name"], precision)
        if floor is not None:
            found |= {"floor_ms": floor, "times_floor": found["ms"]["median"] / floor}
        record["steps"].append(found)
        session.say(f"  {label} {precision}: {found['ms']['median']:.3f} ms")
        session.save()
    if not record["steps"]:
        raise RuntimeError("no meta-step was timed")


def peers(session, record):
    """The same meta-steps in LibTorch, torch.func and JAX, as far as they come in the time. All
    of them need minutes: LibTorch is built, Inductor compiles; with less, those that start at once.
    """
    if not (session.peers / "run").exists():
        raise Skipped(f"there is no {session.peers / 'run'}")
    result = session.scratch / "peers.json"
    command = [session.python, session.peers / "run", "--device", "cuda", "--json", result,
               "--dumps", session.scratch / "steps", "--workloads", *WORKLOADS]
    if session.left() < MINUTES_FOR_ALL_PEERS * 60:
        command += ["--peers", *QUICK_PEERS]
    if "metatape" in session.kit.programs:
        command += ["--metatape", wrapped(session, "metatape")]
    if session.kit.data:
        command += ["--omniglot", session.kit.data]

    def collect(_line=""):  # it rewrites its file after each peer, and says so
        if result.exists():
            record.update(json.loads(result.read_text()))
            session.save()

    finished = session.run(command, on_line=collect, ours=False)
    collect()
    if not finished.succeeded:
        session.unmeasured("peers" if not result.exists() else "the other peers",
                           finished.reason())
    for name, reason in record.get("skipped", {}).items():
        session.unmeasured(f"peer {name}", reason)
    for run in record.get("runs", []):
        if "meta_step_ms" not in run:
            session.unmeasured(f"peer {run['name']}, {run['workload']} {run['precision']}",
                               run.get("status", "it says nothing"))
    if not record.get("runs"):
        nothing_to_run = bool(record.get("skipped"))
        raise (Skipped if nothing_to_run else RuntimeError)(f"no peer ran: {finished.reason()}")


def wrapped(session, name):
    """A program of the kit as one that finds its libraries by itself."""
    path = session.scratch / name
    libraries = session.kit.environment["LD_LIBRARY_PATH"]
    path.write_text(f"#!/bin/sh\nLD_LIBRARY_PATH='{libraries}' "
                    f"exec '{session.kit.programs[name]}' \"$@\"\n")
    path.chmod(0o755)
    return path
