"""Result files as Markdown, for people and for the README. Says only what a file holds."""

# Heading -> bench/peers/run's names, of which the fastest is shown; its precision -> ours.
PEERS = {"LibTorch loop": ("libtorch",),
         "torch.func vmap": ("torch-vmap",),
         "torch captured": ("torch-compiled", "torch-graph", "torch-loop-graph"),
         "JAX jit": ("jax-vmap", "jax-vmap-select", "jax-map", "jax-map-select")}
PRECISIONS = {"default": "tf32", "strict": "fp32"}


def merged(results):
    """One result of several runs: of each stage the last run that has it."""
    whole = dict(results[-1])
    whole["stages"] = {}
    for result in results:
        for name, record in result["stages"].items():
            if record["status"] != "skipped" or name not in whole["stages"]:
                whole["stages"][name] = record
    whole["unmeasured"] = [line for line in whole["unmeasured"]
                           if not line.endswith(": not asked for")
                           or line.split(":")[0] not in whole["stages"]]
    return whole


def rows(heading, lines):
    """A Markdown table; nothing if there are no lines."""
    if not lines:
        return []
    bar = ["---"] * len(heading)
    return ["| " + " | ".join(map(str, line)) + " |" for line in [heading, bar, *lines]] + [""]


def short(commit):
    """A "+" at the end stays: it says that files had changed."""
    return commit[:12] + ("+" if commit.endswith("+") else "")


def number(value, form=".3g"):
    return "" if value is None else format(value, form)


def mebibytes(value):
    return "" if value is None else f"{value / 2**20:.0f}"


def check_lines(stages):
    details = {
        "kernels": lambda r: f"{r['passed']} tests, {len(r['failures'])} failures",
        "meta_steps_agree": lambda r: "worst NMSE {:.1e} of {} steps, limit {:.0e}".format(
            max(s.get("nmse", float("inf")) for s in r["steps"].values()), len(r["steps"]),
            r["nmse_limit"]),
        "determinism": lambda r: ", ".join(
            f"{name}: {sum(t['same'].values())} of {len(t['same'])} the same"
            for name, t in r["trainings"].items()),
        "sanitizer": lambda r: ", ".join(f"{tool} {t['status']} ({t.get('tests', 0)} tests)"
                                         for tool, t in r["tools"].items()),
    }
    lines = []
    for name, detail in details.items():
        if name not in stages:
            continue
        record = stages[name]
        try:
            text = detail(record)
        except (KeyError, ValueError):
            text = record.get("reason", "")
        lines.append([name.replace("_", " "), record["status"], text])
    return lines


def fastest_peers(stages):
    """(workload, our precision) -> heading -> the fastest run. Only what agreed with the reference
    was timed."""
    headings = {name: heading for heading, names in PEERS.items() for name in names}
    fastest = {}
    for run in stages.get("peers", {}).get("runs", []):
        precision, heading = PRECISIONS.get(run.get("precision")), headings.get(run["name"])
        if "meta_step_ms" not in run or precision is None or heading is None:
            continue
        runs = fastest.setdefault((run["workload"], precision), {})
        if heading not in runs or time_of(run) < time_of(runs[heading]):
            runs[heading] = run
    return fastest


def time_of(run):
    return run["meta_step_ms"]["median"]


def beside_peers(step, peers, ours, value_of, form):
    """A cell for each heading: its value, and how many times ours it is."""
    runs = peers.get((step["workload"], step["precision"]), {})
    values = [value_of(runs[heading]) if heading in runs else None for heading in PEERS]
    return [f"{form(value)} ({value / ours:.1f}x)" if value else "" for value in values]


def meta_step_lines(stages):
    peers, lines = fastest_peers(stages), []
    for step in stages.get("meta_step_times", {}).get("steps", []):
        ours = step["ms"]["median"]
        lines.append([step["label"], step["precision"], number(ours),
                      number(step.get("ms_in_a_row", {}).get("median")),
                      number(step.get("times_floor"), ".1f"), step["launches"],
                      *beside_peers(step, peers, ours, time_of, number)])
    return lines


def memory_lines(stages):
    peers, lines = fastest_peers(stages), []
    for step in stages.get("meta_step_times", {}).get("steps", []):
        ours = step["arena_bytes"] + step["resident_bytes"]
        lines.append([step["label"], step["precision"], mebibytes(step["arena_bytes"]),
                      mebibytes(ours), mebibytes(step.get("device_bytes")),
                      *beside_peers(step, peers, ours,
                                    lambda run: run.get("peak_memory_bytes"), mebibytes)])
    return lines


def kernel_lines(stages):
    lines = []
    for case in stages.get("kernel_times", {}).get("cases", []):
        lines.append([case["kernel"], case["where"], case["precision"],
                      number(case["ms"]["median"], ".4f"),
                      number(case["tflops"], ".2f") if case["flops"] else "",
                      number(case["gb_per_s"], ".0f"),
                      number(100 * case["share_of_floor"], ".0f")
                      if "share_of_floor" in case else "",
                      number(100 * case["share_of_library"], ".0f")
                      if "share_of_library" in case else ""])
    return lines


def training_lines(stages):
    record = stages.get("training", {})
    if "train" not in record:
        return []
    train, found = record["train"], record.get("eval")
    return [[record["recipe"], f"{train['iterations']} of {record['full_length']}",
             number(train["seconds"], ".0f"),
             f"{found['accuracy']:.2f} +- {found['ci95']:.2f}" if found else "not evaluated"]]


def render(results, with_kernels=True):
    stages, gpu = results["stages"], results["gpu"]
    text = [f"{gpu['name']}, driver {gpu['driver']}, SM clock {gpu['sm_clock']} as found; "
            f"commit {short(results['commit'])}; {results['date']}", ""]
    text += rows(["check", "outcome", "what"], check_lines(stages))
    text += rows(["workload", "precision", "ms", "ms in a row", "times the floor", "launches",
                  *PEERS], meta_step_lines(stages))
    text += rows(["workload", "precision", "arena MiB", "with states and data", "taken of the GPU",
                  *PEERS], memory_lines(stages))
    text += rows(["training", "meta-steps", "s", "test accuracy %"], training_lines(stages))
    if with_kernels:
        text += rows(["kernel", "where", "precision", "ms", "TFLOP/s", "GB/s", "% of the floor",
                      "% of the library"], kernel_lines(stages))
    if results["unmeasured"]:
        text += ["Unmeasured:", ""] + [f"- {line}" for line in results["unmeasured"]] + [""]
    return "\n".join(text)
