"""Results as Markdown."""

from suite import figures, growth
from suite.kernel_times import with_roofline

LEAST_SHARE = 0.01  # of a step, for a line of its own
OURS, BY_TASK = "metatape", "metatape, task by task"
RECOMPUTED, BY_TASK_RECOMPUTED = "metatape, recompute", "metatape, task by task, recompute"


def table(heads, rows):
    """Empty where there are no rows."""
    if not rows:
        return ""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines) + "\n"


def number(value, digits=1):
    return "" if value is None else f"{value:,.{digits}f}"


def percent(value):
    return "" if value is None else f"{100 * value:.0f} %"


def mib(value):
    return number(value / 2**20, 0) if value else ""


def median(found):
    return found.get("ms", {}).get("median")


def spread(found):
    ms = found.get("ms")
    return f"{number(ms['median'])} ({number(ms['quartile_1'])}-{number(ms['quartile_3'])})" \
        if ms else ""


def aim_of(aims, name):
    """What the ratio of times should be at least: for a library as good as it gets."""
    library = {"libtorch, tuned malloc": "libtorch", "jax, jit+vmap": "jax"}.get(name)
    return aims.get(library, "")


def memory_ratios(name, programs):
    """Of a peer's peak to ours: all tasks at once; one at a time, as LibTorch takes them; and that
    with recompute. A workload of one task has no difference between the first two."""
    if name.startswith(OURS):
        return "", "", ""

    def peak(*names):
        return next((programs[n].get("peak_resident_bytes") for n in names if n in programs), None)

    return [number(figures.ratio(peak(name), ours), 2)
            for ours in (peak(OURS), peak(BY_TASK, OURS), peak(BY_TASK_RECOMPUTED, RECOMPUTED))]


def comparison(results):
    rows = []
    peak = results.get("peaks", {}).get("flops")
    for row in results.get("rows", []):
        ours = row["programs"].get(OURS, {})
        flops = ours.get("values", {}).get("flops")
        rate = flops / median(ours) * 1e3 if flops and median(ours) else None
        for name, found in row["programs"].items():
            first = name == OURS
            at_once, by_task, recomputed = memory_ratios(name, row["programs"])
            aims = row["aims"] if name == "libtorch" else {}
            nmse = found.get("values", {}).get("meta_grad_nmse")
            rows.append([
                row["workload"] if first else "", name, spread(found) or found.get("reason", ""),
                found.get("ms", {}).get("n", ""),
                "" if first else number(figures.ratio(median(found), median(ours)), 2),
                aim_of(row["aims"], name), mib(found.get("peak_resident_bytes")), at_once,
                by_task, aims.get("memory", ""), recomputed, aims.get("recomputed_memory", ""),
                number(rate / 1e9, 0) if first and rate else "",
                percent(rate / peak) if first and rate and peak else "",
                "" if nmse is None else f"{nmse:.0e}"])
    return table(["workload", "program", "ms (quartiles)", "n", "time / ours", "aim", "MiB",
                  "MiB / ours", "/ task by task", "aim", "/ recomputed, too", "aim", "GFLOP/s",
                  "of peak", "NMSE"], rows)


def memory(results):
    rows = []
    for row in results.get("rows", []):
        for name in (OURS, RECOMPUTED, BY_TASK, BY_TASK_RECOMPUTED):
            found = row["programs"].get(name, {})
            v = found.get("values", {})
            if "arena_bytes" in v:
                rows.append([row["workload"], name, mib(v["arena_bytes"]), mib(v["resident_bytes"]),
                             mib(found.get("peak_resident_bytes")), number(v["flops"] / 1e9),
                             number(v["bytes_moved"] / 1e9, 2), number(v["instructions"], 0),
                             number(v["compile_ms"], 0)])
    return table(["workload", "program", "planned arena MiB", "states and inputs MiB",
                  "high-water RSS MiB", "GFLOP", "GB moved", "instructions",
                  "record and compile ms"], rows)


def kernels(results):
    rows = []
    for case in results.get("kernels", []) if "peaks" in results else []:
        k = with_roofline(case, results["peaks"])
        rows.append([k["kernel"], k["where"], number(k["ms"]["median"], 3), number(k["gflops"]),
                     percent(k["of_flops"]), number(k["gb_per_s"]), percent(k["of_bandwidth"]),
                     k["bound"]])
    return table(["kernel", "where", "ms", "GFLOP/s", "of peak", "GB/s", "of bandwidth", "nearer"],
                 rows)


def recipes(results):
    peak = results.get("peaks", {}).get("flops")
    rows = [[r["recipe"], number(r["ms"]["median"]), r["tasks"], number(r["flops"] / 1e9),
             percent(r["flops"] / r["ms"]["median"] * 1e3 / peak) if peak else "",
             mib(r["arena_bytes"]), number(r["compile_ms"], 0)]
            for r in results.get("recipes", [])]
    return table(["recipe", "ms", "tasks", "GFLOP", "of peak", "arena MiB",
                  "record and compile ms"], rows)


def profile_row(g, shares=True):
    return [g["name"], g["calls"], number(g["ms"]), percent(g["share"]),
            number(g["bytes"] / 1e9, 2), number(g["flops"] / 1e9),
            *([percent(g["of_flops"]), percent(g["of_bandwidth"]), g["bound"]] if shares
              else [""] * 3)]


def profile_rows(groups):
    """Those with a share worth a line, then the sum of the others."""
    shown = [g for g in groups if g["share"] >= LEAST_SHARE or not g["calls"]]
    hidden = [g for g in groups if g not in shown]
    rows = [profile_row(g, shares=bool(g["calls"])) for g in shown]
    if hidden:
        rest = {key: sum(g[key] for g in hidden)
                for key in ("calls", "ms", "share", "bytes", "flops")}
        rows.append(profile_row({"name": f"{len(hidden)} more", **rest}, shares=False))
    return rows


def profiles(results):
    texts = []
    for p in results.get("profiles", []):
        total = [["the step", "", number(p["step_ms"]), "100 %", "", "", "", "", ""]]
        for key in ("classes", "ops"):
            texts.append(f"{p['workload']}, by {'class' if key == 'classes' else 'op'} "
                         f"({p['trace']}):\n\n"
                         + table([key, "calls", "ms", "of the step", "GB moved", "GFLOP",
                                  "of flop peak", "of bandwidth", "nearer"],
                                 profile_rows(p[key]) + total))
    return "\n".join(texts)


def growths(results):
    """Axes downwards; a cell is ms / MiB."""
    points = results.get("growth", [])
    names = list(dict.fromkeys(n for p in points for n in p["programs"]))
    found = {(axis, name, value): f"{number(ms)} / {number(mem, 0)}"
             for (axis, name), curve in growth.curves_of(points).items()
             for value, ms, mem in curve}
    rows = []
    for p in points:
        cells = [found.get((p["axis"], n, p["value"]),
                           p["programs"].get(n, {}).get("reason", "")) for n in names]
        rows.append([p["axis"], p["value"], *cells])
    return table(["axis", "value", *(f"{n}, ms / MiB" for n in names)], rows)


def render(results):
    host, peaks = results["host"], results.get("peaks")
    head = (f"{host['processor']}, {results['threads']} threads, {results['date']}, commit "
            f"{results['commit'] or 'unknown'}, f32, load {host['load']}")
    if peaks:
        head += (f"; measured peak {peaks['flops'] / 1e9:.0f} GFLOP/s, "
                 f"{peaks['bandwidth'] / 1e9:.1f} GB/s")
    parts = [head + "\n"]
    parts += [part(results) for part in (comparison, memory, kernels, recipes, profiles, growths)]
    if results["unmeasured"]:
        parts.append("Not measured:\n" + "\n".join(f"* {line}" for line in results["unmeasured"])
                     + "\n")
    return "\n".join(part for part in parts if part)
