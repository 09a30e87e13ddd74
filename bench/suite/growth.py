"""How time and memory grow: one setting at a time, from a base that all programs finish soon."""

import copy
import subprocess
import time

from suite.comparison import run_match
from suite.turns import Limits

BASE = {"task": {"kind": "images", "ways": 5, "shots": 1, "queries": 5},
        "data": {"height": 28, "width": 28, "channels": 1},
        "model": {"name": "conv4", "width": 64, "pool": "max", "head_deviation": 0.01},
        "inner": {"steps": 5, "lr": 0.01},
        "outer": {"tasks": 4}}
AXES = {  # name: the settings that take the value, the values
    "inner steps": ([("inner", "steps")], (1, 5, 20, 100)),
    "tasks": ([("outer", "tasks")], (1, 4, 16, 32)),
    "shots": ([("task", "shots")], (1, 5, 20)),
    "image size": ([("data", "height"), ("data", "width")], (28, 56, 84)),
    "width": ([("model", "width")], (16, 32, 64, 128)),
}
QUICK = {"inner steps": (1, 5, 20), "tasks": (1, 4, 16)}
CONTESTANTS = ("metatape", "metatape, recompute", "libtorch, tuned malloc", "jax, jit+vmap",
               "torch.func, vmap")


def settings_at(axis, value):
    settings = copy.deepcopy(BASE)
    for group, key in AXES[axis][0]:
        settings[group][key] = value
    return settings


def axes(names, quick):
    """name: values, of the axes named or of all."""
    values = QUICK if quick else {axis: values for axis, (_, values) in AXES.items()}
    return {axis: values.get(axis, AXES[axis][1]) for axis in names or values}


def measure_growth(session, programs, values_of, seconds):
    points = [(axis, value) for axis, values in values_of.items() for value in values]
    curves, end = session.results.setdefault("growth", []), time.monotonic() + seconds
    for place, (axis, value) in enumerate(points):
        left = end - time.monotonic()
        if left <= 0:
            session.unmeasured(f"growth, {axis} {value}", "no time left")
            continue
        session.say(f"  {axis} {value}")
        point = {"axis": axis, "value": value, "programs": {}}
        curves.append(point)
        # What early points leave goes to the later, larger ones of each axis.
        limit = max(20, 2.5 * left / (len(points) - place))
        run_match(session, programs, f"growth-{axis.replace(' ', '-')}-{value}",
                  settings_at(axis, value), Limits(seconds=min(limit, left), most=5),
                  point["programs"], wanted=CONTESTANTS)


def curves_of(points):
    """(axis, program) -> [(value, ms, MiB)], in the order of the values."""
    curves = {}
    for point in points:
        for name, found in point["programs"].items():
            if "ms" in found:
                curves.setdefault((point["axis"], name), []).append(
                    (point["value"], found["ms"]["median"],
                     (found["peak_resident_bytes"] or 0) / 2**20))
    return {key: sorted(values) for key, values in curves.items()}


def plot(points, path):
    """Two plots for each axis, time above memory, as SVG. False where gnuplot is missing."""
    curves = curves_of(points)
    axes = list(dict.fromkeys(axis for axis, _ in curves))
    script = [f"set terminal svg size {320 * len(axes)},600 font ',10'", f"set output '{path}'",
              f"set multiplot layout 2,{len(axes)}", "set logscale xy",
              "set key top left samplen 1", "set grid"]
    for column, unit in ((2, "ms"), (3, "MiB")):
        for axis in axes:
            names = [name for a, name in curves if a == axis]
            lines = ", ".join(f"'-' using 1:{column} with linespoints title '{n}'" for n in names)
            data = ["\n".join(" ".join(map(str, p)) for p in curves[axis, n]) + "\ne"
                    for n in names]
            script += [f"set xlabel '{axis}'", f"set ylabel '{unit}'", f"plot {lines}", *data]
    try:
        done = subprocess.run(["gnuplot"], input="\n".join(script), text=True, capture_output=True,
                              timeout=60, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
