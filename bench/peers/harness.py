"""What the peers share: arguments, the comparison that precedes any timing, timing. NumPy only.

With --on-request a peer is one of several programs that take turns (tools/bench). It prints lines
"key value" with the figures of the comparison, then "ready", and for each line that it reads takes
a step and prints "step_ms <milliseconds>". It ends with its standard input.
"""

import argparse
import json
import math
import resource
import statistics
import sys
import time
from pathlib import Path

import numpy as np

from report import Report
from step_file import load_step
from tolerances import NMSE, agrees, nmse_limit

DISAGREES = 3  # exit code
WARM_UP_STEPS = 3
LEAST_ITERATIONS = 5


def load_workload(name):
    workloads = json.loads((Path(__file__).parent / "workloads.json").read_text())
    if name not in workloads:
        raise SystemExit(f"there is no workload {name}; there are {', '.join(workloads)}")
    return workloads[name]


def parse_arguments(description, variants):
    parser = argparse.ArgumentParser(description=description,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", required=True, help="its name, for the result")
    parser.add_argument("--dump", required=True, help="reference, in float64 (step_file.py)")
    parser.add_argument("--variant", default=variants[0], choices=variants)
    parser.add_argument("--precision", nargs="+", choices=tuple(NMSE),
                        default=["strict", "default"],
                        help="default: as the library comes (TF32 convolutions on a GPU), after a "
                        "comparison at strict; strict: float32 throughout; f64: to check")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--tasks", type=int, help="the first so many tasks of the file")
    parser.add_argument("--iterations", type=int, default=30, help="0: compare only")
    parser.add_argument("--seconds", type=float, default=20,
                        help="stop timing after so long, with 5 iterations at least")
    parser.add_argument("--json", required=True, help="result file; written as soon as known")
    parser.add_argument("--on-request", action="store_true",
                        help="time a step for each line of standard input; one precision")
    arguments = parser.parse_args()
    if arguments.on_request and arguments.precision not in (["strict"], ["f64"]):
        parser.error("--on-request needs --precision strict or --precision f64")
    return arguments


def start(peer, arguments, **fields):
    """The step to compute and the report about it."""
    step = load_step(arguments.dump, arguments.tasks)
    settings = {name: step.settings[name] for name in ("task", "data", "model", "inner")}
    report = Report(arguments.json, peer=peer, variant=arguments.variant,
                    workload=arguments.workload, tasks=step.tasks, device=arguments.device,
                    checked_against=step.source, settings=settings, precisions={}, **fields)
    return step, report


def passes(arguments):
    """(precision, iterations) in the order to run them."""
    wanted = set(arguments.precision)
    compared = wanted | ({"strict"} if "default" in wanted else set())
    return [(p, arguments.iterations if p in wanted else 0) for p in NMSE if p in compared]


def release(step, arguments):
    """A program that takes turns does without the double copy of what is on the device: its
    resident memory is compared."""
    if arguments.on_request:
        step.episode = ()


def agreement(step, loss, meta_grad):
    """How far losses and meta-gradient (name -> array) are from the reference."""
    def relative(found, reference):
        scale = np.abs(reference).max()
        if not (np.isfinite(scale) and scale > 0):
            raise SystemExit(f"the reference is {scale}")
        return float(np.abs(found - reference).max() / scale)

    found = {name: np.asarray(meta_grad[name], np.float64) for name in step.meta_grad}
    error = sum(np.square(found[n] - r).sum() for n, r in step.meta_grad.items())
    norm = sum(np.square(r).sum() for r in step.meta_grad.values())
    return {"loss_max_relative": relative(np.asarray(loss, np.float64), step.loss),
            "meta_grad_nmse": float(error / norm),
            "meta_grad_max_relative": float(np.max([relative(found[n], r)
                                                    for n, r in step.meta_grad.items()]))}


def settle_agreement(report, precision, figures):
    """Records the comparison; ends the program where it failed."""
    inner_steps = report.fields["settings"]["inner"]["steps"]
    agreed, limit = agrees(figures, precision, inner_steps), nmse_limit(precision, inner_steps)
    judged = math.isfinite(limit)
    figures = figures | {"nmse_tolerance": limit if judged else None}
    report.add(precision, status="agrees" if agreed else "disagrees", agreement=figures)
    bound = f"at most {limit:.0e}" if judged else "recorded only"
    print(f"{report.fields['peer']} {report.fields['variant']}, {precision}: "
          f"meta-gradient NMSE {figures['meta_grad_nmse']:.1e} ({bound}), "
          f"largest relative difference {figures['meta_grad_max_relative']:.1e}, "
          f"loss {figures['loss_max_relative']:.1e}", flush=True)
    if not agreed:
        print("not timed: it does not agree with the reference")
        raise SystemExit(DISAGREES)


def settle_times(report, precision, milliseconds, **fields):
    quartiles = statistics.quantiles(milliseconds, n=4, method="inclusive")
    times = {"median": quartiles[1], "quartile_1": quartiles[0], "quartile_3": quartiles[2],
             "least": min(milliseconds), "n": len(milliseconds)}
    report.add(precision, status="timed", meta_step_ms=times, **fields)
    print(f"  {times['median']:.3f} ms a meta-step, median of {times['n']} "
          f"({times['quartile_1']:.3f} to {times['quartile_3']:.3f})", flush=True)


def timed(run_step):
    """Milliseconds of run_step(), which returns when the device is done."""
    before = time.perf_counter()
    run_step()
    return 1e3 * (time.perf_counter() - before)


def serve(found, run_step):
    for key, value in found.items():
        print(key, value)
    print("ready", flush=True)
    for _ in sys.stdin:
        print(f"step_ms {timed(run_step):.6f}", flush=True)


def measure(report, precision, iterations, arguments, run_step, peak_memory):
    """Times run_step(), which returns when the device is done; then peak_memory() bytes."""
    if arguments.on_request:
        found = report.fields["precisions"][precision]
        return serve({"prepare_s": found["prepare_s"]} | found["agreement"], run_step)
    if iterations == 0:
        return
    begin = time.perf_counter()
    for _ in range(WARM_UP_STEPS):
        run_step()
    warm_up = time.perf_counter() - begin
    milliseconds, begin = [], time.perf_counter()
    while len(milliseconds) < max(iterations, LEAST_ITERATIONS):
        milliseconds.append(timed(run_step))
        spent = time.perf_counter() - begin
        if spent > arguments.seconds and len(milliseconds) >= LEAST_ITERATIONS:
            break
    settle_times(report, precision, milliseconds, warm_up_s=warm_up,
                 peak_memory_bytes=peak_memory())


def resident_peak():
    """Of this process, in bytes; Linux counts in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
