"""MT_TRACE, which prints a line for each instruction, as a profile: by kind, and for a viewer."""

import json
import subprocess
from dataclasses import dataclass

from suite import figures
from suite.programs import Missing
from suite.turns import environment

LIMIT = 300  # seconds
# What bounds its kernels differs from class to class.
CLASSES = {"convolution": ("conv2d", "conv2d_input_grad", "conv2d_weight_grad"),
           "matrices": ("matmul", "cholesky", "triangular_solve", "squared_distances"),
           "pooling": ("max_pool_index", "fused_pool_index", "pool_gather", "pool_scatter"),
           "fused": ("fused", "fused_sum"),
           "sums": ("sum_to", "sum_product_to", "moments")}


@dataclass
class Instruction:
    position: int  # on the tape
    op: str
    shape: str
    microseconds: float
    flops: float
    bytes: float


def class_of(op):
    return next((name for name, ops in CLASSES.items() if op in ops), "elementwise and others")


def read_trace(text):
    """ "trace 34 conv2d 32x[5,14,14,64] 65239.2 us" -> (34, "conv2d", "32x[...]", 65239.2)."""
    found = []
    for line in text.splitlines():
        words = line.split()
        if len(words) == 6 and words[0] == "trace" and words[5] == "us":
            found.append((int(words[1]), words[2], words[3], float(words[4])))
    return found


def read_costs(text):
    """ "34 conv2d 1e9 4e6" -> (34, "conv2d", 1e9, 4e6); see meta_step --costs."""
    lines = (line.split() for line in text.splitlines())
    return [(int(position), op, float(flops), float(moved)) for position, op, flops, moved in lines]


def last_step(trace, costs):
    """The instructions of the last of several steps, with their costs. ValueError where the lines
    of one are not those of the other."""
    lines = trace[-len(costs):]
    if not costs or [t[:2] for t in lines] != [c[:2] for c in costs]:
        raise ValueError(f"a trace of {len(trace)} lines does not end with the program's "
                         f"{len(costs)} instructions")
    return [Instruction(*t, *c[2:]) for t, c in zip(lines, costs)]


def by_key(instructions, step_ms, peaks, key):
    """Time, bytes and roofline of each group, the longest first, then what no instruction took: the
    milliseconds add up to step_ms."""
    groups = {}
    for i in instructions:
        entry = groups.setdefault(key(i), {"calls": 0, "ms": 0.0, "flops": 0.0, "bytes": 0.0})
        entry["calls"] += 1
        entry["ms"] += i.microseconds / 1e3
        entry["flops"] += i.flops
        entry["bytes"] += i.bytes
    rows = [{"name": name, "share": g["ms"] / step_ms, **g}
            | figures.roofline(g["flops"], g["bytes"], max(g["ms"], 1e-6) / 1e3, peaks)
            for name, g in groups.items()]
    rows.sort(key=lambda row: -row["ms"])
    rest = step_ms - sum(row["ms"] for row in rows)
    return rows + [{"name": "between instructions", "calls": 0, "ms": rest, "share": rest / step_ms,
                    "flops": 0, "bytes": 0, "of_flops": 0, "of_bandwidth": 0, "bound": "neither"}]


def chrome_events(instructions):
    """The trace event format (chrome://tracing, Perfetto): complete events, one after the other."""
    events, now = [], 0.0
    for i in instructions:
        events.append({"name": i.op, "cat": class_of(i.op), "ph": "X", "pid": 1, "tid": 1,
                       "ts": round(now, 3), "dur": i.microseconds,
                       "args": {"instruction": i.position, "shape": i.shape, "flops": i.flops,
                                "bytes": i.bytes}})
        now += i.microseconds
    return {"traceEvents": events, "displayTimeUnit": "ms"}


def profile(session, programs, name, arguments, trace_path):
    """One step of `arguments` (of meta_step); the events go to trace_path."""
    costs = trace_path.with_suffix(".costs")
    command = [programs.ours("meta_step"), *arguments, "--threads", programs.threads, "--warm-up",
               1, "--least", 1, "--seconds", 0, "--costs", costs]
    try:
        done = subprocess.run([str(word) for word in command], capture_output=True,
                              env=environment(programs.threads) | {"MT_TRACE": "1"},
                              text=True, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired:
        raise Missing(f"no profile in {LIMIT} s") from None
    if done.returncode:
        raise Missing(done.stderr.strip().splitlines()[-1])
    instructions = last_step(read_trace(done.stderr), read_costs(costs.read_text()))
    costs.unlink()
    step_ms = json.loads(done.stdout.splitlines()[-1])["ms"]["median"]
    trace_path.write_text(json.dumps(chrome_events(instructions)))
    peaks = session.results["peaks"]
    session.results.setdefault("profiles", []).append({
        "workload": name, "step_ms": step_ms, "trace": trace_path.name,
        "classes": by_key(instructions, step_ms, peaks, lambda i: class_of(i.op)),
        "ops": by_key(instructions, step_ms, peaks, lambda i: i.op)})
    session.save()
