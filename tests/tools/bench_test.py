"""bench_test.py BENCH: turns, comparison, profile and tables, with programs that only pretend."""

import json
import math
import os
import subprocess
import sys
import tempfile
import time
import unittest
import unittest.mock
from pathlib import Path

BENCH = Path(sys.argv.pop(1)).resolve()
sys.dont_write_bytecode = True
FOLDER = BENCH.parents[1] / "bench"
sys.path[:0] = [str(FOLDER), str(FOLDER / "peers")]
from suite import figures, growth, profiling, programs, tables, turns  # noqa: E402
from suite.turns import Contestant, Limits, match  # noqa: E402
from tolerances import agrees  # noqa: E402

GOOD = {"meta_grad_nmse": 1e-10, "meta_grad_max_relative": 1e-5, "loss_max_relative": 1e-7}
# Says GOOD with changes, is ready, and writes its name down at each step.
STUB = """
import json, os, sys, time
name, changes, behaviour, order = sys.argv[1:]
if behaviour == "crashes": sys.exit("no such network")
if behaviour == "hangs":
    if os.fork() == 0: open(order + ".pid", "w").write(str(os.getpid()))
    time.sleep(600)
print("for people: hello")
for key, value in (json.loads('GOOD') | json.loads(changes)).items(): print(key, value)
print("ready", flush=True)
for line in sys.stdin:
    with open(order, "a") as file: file.write(name)
    if behaviour == "dies_later": sys.exit(7)
    print("step_ms", 10 + len(open(order).read()), flush=True)
""".replace("GOOD", json.dumps(GOOD))
# A meta_step that needs no engine.
META_STEP = """#!{python}
import sys
for key in ("flops", "bytes_moved", "instructions", "compile_ms", "arena_bytes", "resident_bytes"):
    print(key, 1e6)
print("ready", flush=True)
for line in sys.stdin: print("step_ms 5.0", flush=True)
"""

TRACE = """note: something else
trace 3 conv2d 2x[5,14,14,8] 100.0 us
trace 4 fused 2x[5,14,14,8] 50.0 us
trace 3 conv2d 2x[5,14,14,8] 1000.0 us
trace 4 fused 2x[5,14,14,8] 500.0 us
"""
COSTS = "3 conv2d 2e9 1e6\n4 fused 1e6 4e6\n"
PEAKS = {"flops": 4e12, "bandwidth": 10e9}


def found(median, peak, **values):
    return {"status": "timed", "peak_resident_bytes": peak << 20,
            "ms": figures.summary([median] * 3), "values": values}


RESULTS = {
    "host": {"processor": "some", "load": 0.5}, "threads": 2, "date": "today", "commit": "abc",
    "peaks": {"flops": 200e9, "bandwidth": 20e9}, "unmeasured": ["peer x: no time left"],
    "rows": [{"workload": "C2", "aims": {"libtorch": 3, "jax": 1.5, "memory": 4,
                                         "recomputed_memory": 8},
              "programs": {
                  "metatape": found(100, 50, flops=10e9, meta_grad_nmse=1e-12),
                  "metatape, recompute": found(120, 25, flops=12e9, meta_grad_nmse=1e-12),
                  "metatape, task by task": found(130, 20, flops=10e9, meta_grad_nmse=1e-12),
                  "libtorch": found(450, 300), "libtorch, tuned malloc": found(400, 600),
                  "jax, jit+vmap": {"status": "failed", "reason": "stopped: out of time",
                                    "peak_resident_bytes": None, "values": {}}}}],
    "kernels": [{"kernel": "conv2d", "where": "C2", "flops": 1e9, "bytes": 1e6,
                 "ms": {"median": 10.0}},
                {"kernel": "sum", "where": "C2", "flops": 1e6, "bytes": 1e8,
                 "ms": {"median": 10.0}}]}


class Turns(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.order = self.folder / "order"
        self.order.touch()
        self.record, self.saved = {}, 0

    def contestant(self, name, behaviour="", **changes):
        return Contestant(name, [sys.executable, "-c", STUB, name, json.dumps(changes), behaviour,
                                 self.order])

    def play(self, *contestants, **limits):
        def save():
            self.saved += 1

        limits = {"seconds": 60, "most": 3, "rounds": 3} | limits
        match(contestants, 1, Limits(**limits), self.record, save, lambda line: None)
        return {name: found["status"] for name, found in self.record.items()}

    def test_programs_take_turns(self):
        states = self.play(*map(self.contestant, "ABC"))
        self.assertEqual(self.order.read_text(), "ABCABCABC")
        self.assertEqual(set(states.values()), {"timed"})
        self.assertEqual(self.record["B"]["samples_ms"], [12, 15, 18])
        self.assertEqual(self.record["B"]["ms"]["median"], 15)
        self.assertGreater(self.record["A"]["peak_resident_bytes"], 1 << 20)
        self.assertEqual(self.record["A"]["values"]["meta_grad_nmse"], 1e-10)
        self.assertGreaterEqual(self.saved, 9)

    def test_threads_wait_as_the_programs_would_have_it(self):
        with unittest.mock.patch.dict(os.environ, {"OMP_WAIT_POLICY": "passive", "LANG": "C"}):
            given = turns.environment(3)
        self.assertEqual(given["OMP_NUM_THREADS"], "3")
        self.assertEqual(given["LANG"], "C")
        self.assertNotIn("OMP_WAIT_POLICY", given)

    def test_a_wrong_gradient_is_not_timed(self):
        for changes in ({"meta_grad_nmse": 0.4}, {"loss_max_relative": 0.01},
                        {"meta_grad_nmse": "nan"}, {"meta_grad_nmse": "inf"},
                        {"loss_max_relative": "missing"}):
            with self.subTest(changes):
                self.record.clear()
                self.order.write_text("")
                states = self.play(self.contestant("A", **changes), self.contestant("B"))
                self.assertEqual(states, {"A": "disagrees", "B": "timed"})
                self.assertEqual(self.order.read_text(), "BBB")
                self.assertNotIn("ms", self.record["A"])

    def test_double_precision_is_judged_more_strictly(self):
        self.assertEqual(self.play(self.contestant("A"), precision="f64"), {"A": "disagrees"})
        self.record.clear()
        exact = {"meta_grad_nmse": 1e-28, "meta_grad_max_relative": 1e-13,
                 "loss_max_relative": 1e-15}
        self.assertEqual(self.play(self.contestant("A", **exact), precision="f64"), {"A": "timed"})

    def test_one_that_fails_leaves_the_others(self):
        states = self.play(self.contestant("A", "crashes"), self.contestant("B"),
                           self.contestant("C", "dies_later"))
        self.assertEqual(states, {"A": "failed", "B": "timed", "C": "failed"})
        self.assertIn("no such network", self.record["A"]["reason"])
        self.assertIn("ended with 7", self.record["C"]["reason"])
        self.assertEqual(self.order.read_text(), "BCBB")

    def test_one_that_hangs_ends_at_its_limit_with_its_children(self):
        begin = time.monotonic()
        states = self.play(self.contestant("A", "hangs"), self.contestant("B"), prepare=2)
        self.assertLess(time.monotonic() - begin, 30)
        self.assertEqual(states, {"A": "failed", "B": "timed"})
        self.assertIn("out of time", self.record["A"]["reason"])
        pid = int(Path(f"{self.order}.pid").read_text())
        for _ in range(100):
            status = Path(f"/proc/{pid}/stat")
            if not status.exists() or status.read_text().rsplit(")", 1)[1].split()[0] in "ZX":
                return
            time.sleep(0.1)
        self.fail("a child outlived its limit")

    def test_whoever_is_ready_when_time_is_over_still_takes_one_turn(self):
        states = self.play(*(self.contestant(name, "hangs" if name == "B" else "")
                             for name in "ABC"), seconds=6)
        # Some milliseconds may be left, for more of the same.
        self.assertEqual(set(self.order.read_text()), {"A"})
        self.assertEqual(states, {"A": "timed", "B": "failed", "C": "not run"})


class Profile(unittest.TestCase):
    def instructions(self):
        return profiling.last_step(profiling.read_trace(TRACE), profiling.read_costs(COSTS))

    def test_the_last_step_is_taken(self):
        self.assertEqual([(i.op, i.microseconds, i.flops) for i in self.instructions()],
                         [("conv2d", 1000.0, 2e9), ("fused", 500.0, 1e6)])

    def test_a_trace_of_another_program_is_refused(self):
        trace = profiling.read_trace(TRACE)
        for costs in ("3 conv2d 1 1\n5 fused 1 1\n", "3 conv2d 1 1\n4 relu 1 1\n", "",
                      "1 a 1 1\n" * 9):
            with self.assertRaises(ValueError):
                profiling.last_step(trace, profiling.read_costs(costs))

    def test_classes_add_up_to_the_step(self):
        rows = profiling.by_key(self.instructions(), 2.0, PEAKS,
                                lambda i: profiling.class_of(i.op))
        self.assertEqual([r["name"] for r in rows],
                         ["convolution", "fused", "between instructions"])
        self.assertAlmostEqual(sum(r["ms"] for r in rows), 2.0)
        self.assertAlmostEqual(sum(r["share"] for r in rows), 1.0)
        self.assertAlmostEqual(rows[0]["of_flops"], 0.5)
        self.assertAlmostEqual(rows[1]["of_bandwidth"], 0.8)
        self.assertEqual([r["bound"] for r in rows], ["flops", "bytes", "neither"])

    def test_events_follow_each_other(self):
        events = profiling.chrome_events(self.instructions())["traceEvents"]
        self.assertEqual([(e["name"], e["ph"], e["ts"], e["dur"]) for e in events],
                         [("conv2d", "X", 0.0, 1000.0), ("fused", "X", 1000.0, 500.0)])
        json.dumps(events)


class Tables(unittest.TestCase):
    def test_ratios_are_peer_to_ours(self):
        lines = tables.comparison(RESULTS).splitlines()
        self.assertEqual(lines[2], "| C2 | metatape | 100.0 (100.0-100.0) | 3 |  |  | 50 |  |  |  |  |"
                                   "  | 100 | 50 % | 1e-12 |")
        self.assertIn("libtorch | 450.0 (450.0-450.0) | 3 | 4.50 |  | 300 | 6.00 | 15.00 | 4 | 12.00"
                      " | 8 |", lines[5])
        self.assertIn("libtorch, tuned malloc | 400.0 (400.0-400.0) | 3 | 4.00 | 3 | 600 |",
                      lines[6])
        self.assertIn("stopped: out of time", lines[7])

    def test_everything_is_printed_again_from_the_file(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "results.json"
            path.write_text(json.dumps(RESULTS))
            done = subprocess.run([sys.executable, BENCH, "--table", path], text=True,
                                  capture_output=True, check=True)
        self.assertEqual(done.stdout.strip(), tables.render(RESULTS).strip())
        self.assertIn("| conv2d | C2 | 10.000 | 100.0 | 50 % | 0.1 | 0 % | flops |", done.stdout)
        self.assertIn("| sum | C2 | 10.000 | 0.1 | 0 % | 10.0 | 50 % | bytes |", done.stdout)
        self.assertIn("peer x: no time left", done.stdout)

    def test_curves_leave_out_what_was_not_timed(self):
        point = {"axis": "tasks", "programs": RESULTS["rows"][0]["programs"]}
        points = [point | {"value": value} for value in (4, 1)]
        curves = growth.curves_of(points)
        self.assertEqual(curves["tasks", "libtorch"], [(1, 450, 300), (4, 450, 300)])
        self.assertNotIn(("tasks", "jax, jit+vmap"), curves)
        self.assertIn("| tasks | 4 | 100.0 / 50 |", tables.growths({"growth": points}))

    def test_the_axes_that_are_named_are_measured(self):
        self.assertEqual(list(growth.axes([], False)), list(growth.AXES))
        self.assertEqual(growth.axes([], True), growth.QUICK)
        self.assertEqual(list(growth.axes(["width"], True)), ["width"])
        self.assertEqual(growth.axes(["tasks", "shots"], False)["shots"], (1, 5, 20))


class Parts(unittest.TestCase):
    def test_summary(self):
        self.assertEqual(figures.summary([3.0])["median"], 3.0)
        s = figures.summary([5, 1, 2, 4, 3])
        self.assertEqual((s["median"], s["quartile_1"], s["quartile_3"], s["least"], s["n"]),
                         (3, 2, 4, 1, 5))

    def test_a_ratio_needs_both(self):
        self.assertEqual(figures.ratio(6, 3), 2)
        self.assertIsNone(figures.ratio(None, 3))
        self.assertIsNone(figures.ratio(6, None))

    def test_agreement(self):
        self.assertTrue(agrees(GOOD, "strict"))
        self.assertFalse(agrees(GOOD, "f64"))
        self.assertFalse(agrees(GOOD | {"meta_grad_nmse": math.nan}, "strict"))
        self.assertFalse(agrees({}, "strict"))
        far = GOOD | {"meta_grad_nmse": 0.04}
        self.assertFalse(agrees(far, "strict", inner_steps=20))
        self.assertTrue(agrees(far, "strict", inner_steps=100))
        self.assertFalse(agrees(far, "f64", inner_steps=100))

    def test_a_gradient_of_the_first_order_is_refused(self):
        try:
            import harness
            import numpy as np
        except ModuleNotFoundError as missing:
            self.skipTest(str(missing))
        from step_file import Step
        exact = np.array([1.0, -2.0, 3.0])
        step = Step({}, "", {}, (), np.array([1.5]), {"w": exact})
        for scale, accepted in ((1, True), (1 + 1e-6, True), (0.5, False), (-1, False)):
            said = harness.agreement(step, np.array([1.5]), {"w": scale * exact})
            self.assertEqual(agrees(said, "strict"), accepted)

    def test_settings_of_ours(self):
        words = programs.recipe_settings({"data": {"height": 84}, "inner": {"lr": 0.4},
                                          "model": {"name": "resnet12",
                                                    "widths": [4, 8, 16, 32]}})
        self.assertIn("model.width=4", words)
        self.assertIn("model.widths=64-128-256-512", words)
        self.assertIn("inner.lr=0.4", words)

    def test_ours_is_measured_where_there_are_no_peers(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            program = folder / "build" / "bench" / "meta_step"
            program.parent.mkdir(parents=True)
            program.write_text(META_STEP.format(python=sys.executable))
            program.chmod(0o755)
            missing = folder / "python"
            missing.write_text("#!/bin/sh\nexit 1\n")
            missing.chmod(0o755)
            done = subprocess.run(
                [sys.executable, BENCH, "--no-build", "--build", folder / "build", "--python",
                 missing, "--stages", "rows", "--workloads", "tiny", "--minutes", "0.5", "--quick",
                 "--out", folder / "out.json"], text=True, capture_output=True, check=False,
                env=os.environ)
            written = json.loads((folder / "out.json").read_text())
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(written["rows"][0]["programs"]["metatape"]["ms"]["median"], 5.0)
        self.assertTrue(any("peers" in line for line in written["unmeasured"]))
        self.assertTrue(any("peaks" in line for line in written["unmeasured"]))  # no kernels there


if __name__ == "__main__":
    unittest.main()
