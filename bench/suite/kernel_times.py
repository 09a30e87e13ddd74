"""What the machine reaches, each kernel beside it, and the meta-step of each recipe."""

import json
import subprocess
import time

from suite import figures, machine
from suite.programs import Missing, run
from suite.turns import environment

QUICK_KERNELS = ("C2 support conv2", "C4 support conv2", "C4 support conv1", "C5 support block3")
QUICK_RECIPES = ("omniglot-5w1s-maml", "omniglot-5w1s-imaml", "omniglot-5w1s-r2d2",
                 "omniglot-5w1s-anil", "omniglot-5w1s-oamfs", "sinusoid-10shot-maml")
CEILINGS_LIMIT, RECIPE_LIMIT = 60, 60  # seconds


def lines_within(command, threads, limit):
    """Objects of the lines that come within the limit; the program ends at it."""
    try:
        process = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE,
                                   text=True, env=environment(threads))
    except OSError as error:
        raise Missing(str(error)) from None
    try:
        text, _ = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        process.kill()
        text, _ = process.communicate()
    return [json.loads(line) for line in text.splitlines() if line.endswith("}")]


def measure_peaks(session, programs):
    """Flops per second of multiply-adds in registers, bytes per second of a large copy."""
    cases = lines_within([programs.ours("kernels"), "--only", "ceiling", "--threads",
                          programs.threads, "--least", 5], programs.threads, CEILINGS_LIMIT)
    found = {case["kernel"]: case for case in cases}
    if "multiply_add" not in found:
        raise Missing("the program of the kernels ended before it came to the peaks")
    fma = found["multiply_add"]
    copies = [found[name] for name in ("copy", "copy_in_parts") if name in found]
    # The best of the samples: a peak is what can be reached, not what another process left.
    peaks = {"flops": fma["flops"] / fma["ms"]["least"] * 1e3,
             "bandwidth": max(c["bytes"] / c["ms"]["least"] * 1e3 for c in copies),
             "load": machine.load()}
    session.results.setdefault("peak_samples", []).append(peaks)
    best = session.results.get("peaks", {"flops": 0, "bandwidth": 0})
    session.results["peaks"] = {name: max(best[name], peaks[name])
                                for name in ("flops", "bandwidth")}
    session.say(f"  peak: {peaks['flops'] / 1e9:.0f} GFLOP/s, copy {peaks['bandwidth'] / 1e9:.1f} "
                "GB/s")
    session.save()


def measure_kernels(session, programs, quick, seconds):
    command = [programs.ours("kernels"), "--threads", programs.threads, "--least",
               3 if quick else 10]
    for where in QUICK_KERNELS if quick else ("C1", "C2", "C3", "C4", "C5", " of "):
        command += ["--only", where]
    session.results["kernels"] = [case for case in lines_within(command, programs.threads, seconds)
                                  if case["where"] != "ceiling"]
    session.save()


def measure_recipes(session, programs, quick, seconds):
    """One meta-step of each recipe, on noise where it wants images."""
    names = QUICK_RECIPES if quick else sorted(
        path.stem for path in (machine.root() / "meta" / "recipes").glob("*.json"))
    found, end = session.results.setdefault("recipes", []), time.monotonic() + seconds
    for name in names:
        if time.monotonic() > end:
            session.unmeasured(f"recipe {name}", "no time left")
            continue
        try:
            text = run([programs.ours("meta_step"), "--recipe", name, "--threads", programs.threads,
                        "--warm-up", 1, "--least", 3 if quick else 10, "--seconds", 0],
                       RECIPE_LIMIT, env=environment(programs.threads))
        except Missing as reason:
            session.unmeasured(f"recipe {name}", str(reason))
            continue
        found.append(json.loads(text.splitlines()[-1]))
        session.say(f"  {name}: {found[-1]['ms']['median']:.1f} ms")
        session.save()


def with_roofline(kernel, peaks):
    """A kernel's case with what follows from its time."""
    seconds = kernel["ms"]["median"] / 1e3
    return kernel | {"gflops": kernel["flops"] / seconds / 1e9,
                     "gb_per_s": kernel["bytes"] / seconds / 1e9} | figures.roofline(
                         kernel["flops"], kernel["bytes"], seconds, peaks)
