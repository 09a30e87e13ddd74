"""gpu_check_test.py GPU_CHECK: its behaviour where there is no GPU, and with programs that only
pretend: they answer, hang, crash or print garbage, as the environment variable STUB says."""

import contextlib
import io
import json
import math
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

GPU_CHECK = Path(sys.argv.pop(1)).resolve()
sys.dont_write_bytecode = True
sys.path.insert(0, str(GPU_CHECK.parent))
from gpu_checks import correctness, kit, processes, safetensors  # noqa: E402
from gpu_checks import sanitizer, table, timings  # noqa: E402

# What every stub begins with; STUB holds name=behaviour,... for some of them.
PRELUDE = """#!{python} -IS
import json, os, sys, time
name, arguments = os.path.basename(sys.argv[0]), sys.argv[1:]
behaviours = [word.split("=") for word in os.environ.get("STUB", "").split(",") if word]
behaviour = dict(behaviours).get(name)
def hang():
    if os.fork() == 0:
        os.setsid()  # a child that leaves the process group
        open(os.environ["STUB_PID"], "w").write(str(os.getpid()))
    time.sleep(600)
if behaviour == "hang": hang()
if behaviour == "crash": os.abort()
if behaviour == "garbage":
    os.write(1, bytes(range(256)) * 50 + b"\\n{{not json}}\\n[]\\n")
    print(json.dumps(dict.fromkeys(("kernel", "where", "shape", "flops", "bytes", "ms",
                                    "precision", "runs", "recipes"), 3)))
    sys.exit(0)
"""
STUBS = {
    "nvidia-smi": 'print("NVIDIA H100 80GB HBM3, 580.1, 81559 MiB, 345 MHz, 1980 MHz, 2619 MHz,'
                  ' 700.00 W, 30")',
    "compute-sanitizer": """
import subprocess
finds = behaviour != "blind" and ("none" not in arguments or behaviour == "sees_ghosts")
if any("cuda_tests" in word for word in arguments):
    subprocess.run(arguments[arguments.index("10") + 1:])
    finds = behaviour == "finds"
if behaviour != "is_mute": print(f"========= ERROR SUMMARY: {int(finds)} error")
sys.exit(86 if finds else 0)
""",
    "planted_faults": "",
    "cuda_tests": """
if "--gtest_list_tests" in arguments:
    print("Running main() from somewhere\\nSum.\\n  Adds\\n  Fails\\nCopy.\\n  Copies")
    sys.exit()
suite = arguments[0].split("=")[1].rstrip("*") if arguments else "Sum."
print(f"[ RUN      ] {suite}Adds\\n[       OK ] {suite}Adds (3 ms)", flush=True)
if behaviour == "fails" and suite == "Sum.":
    print("[ RUN      ] Sum.Fails\\nthree is not four\\n[  FAILED  ] Sum.Fails (1 ms)")
    sys.exit(1)
if behaviour == "skips" and suite == "Sum.":
    print("[ RUN      ] Sum.Skips\\nno GPU\\n[  SKIPPED ] Sum.Skips (1 ms)")
if behaviour == "lacks_nccl" and suite == "Sum.":
    print("[ RUN      ] Sum.OverRanks\\nSkipped\\nnot built: NCCL\\n[  SKIPPED ] Sum.OverRanks (0 ms)")
if behaviour == "crashes_inside" and suite == "Sum.":
    print("[ RUN      ] Sum.Fails", flush=True)
    os.abort()
if behaviour == "hangs_inside": hang()
""",
    "kernels": """
for kernel, flops, ms in (("copy", 0, 2.0), ("conv2d", 134e9, 4.0), ("conv2d_input_grad", 1, 1)):
    print(json.dumps({"kernel": kernel, "where": "W1", "shape": {"n": 1}, "flops": flops,
                      "bytes": 6e9, "ms": {"median": ms}, "precision": arguments[3]}), flush=True)
    if behaviour == "hangs_inside": hang()
""",
    "meta_step": """
precision = [w for w in arguments if w.startswith("train.precision=")][0].split("=")[1]
print(json.dumps({"ms": {"median": 5.0}, "ms_in_a_row": {"median": 4.5}, "launches": 77,
                  "arena_bytes": 2**30, "resident_bytes": 2**30,
                  "device_bytes": 3 * 2**30, "precision": precision}))
""",
    "metatape": """
import struct
def after(word): return arguments[arguments.index(word) + 1]
if arguments[0] == "recipes":
    kinds = {"glyphs-5w1s-maml": "glyphs", "omniglot-5w1s-maml": "images"}
    print(json.dumps({"recipes": [{"name": n, "settings": {"task": {"kind": k}}}
                                  for n, k in kinds.items()]}))
elif arguments[0] == "step":
    on_gpu = "cuda" in arguments
    values = [1.0, 2.0, 3.0 + (1e-2 if behaviour == "wrong" and on_gpu else 0)]
    if behaviour == "zeros": values = [0.0] * 3
    if behaviour == "not_a_number" and on_gpu: values[0] = float("nan")
    header = json.dumps({"__metadata__": {}, "loss": {"dtype": "F32", "shape": [1],
        "data_offsets": [0, 4]}, "meta_grad/w": {"dtype": "F32", "shape": [3],
        "data_offsets": [4, 16]}}).encode()
    with open(after("--dump"), "wb") as file:
        file.write(struct.pack("<Q", len(header)) + header + struct.pack("<4f", 1.5, *values))
    print(json.dumps({"loss": 1.5}))
elif arguments[0] == "train":
    iterations = int([w for w in arguments if w.startswith("train.iterations=")][0].split("=")[1])
    drifts = behaviour == "drifts" and "data.resident=false" in arguments
    print(json.dumps({"iterations": iterations, "seconds": iterations / 1000, "accuracy": 99.0,
                      "state_hash": "other" if drifts else "same"}))
else:
    print(json.dumps({"accuracy": 98.5, "ci95": 0.4, "tasks": 600}))
""",
}
PEERS = {
    "torch_kernels.py": """
for line in open(arguments[-1]):
    print(json.dumps(json.loads(line) | {"ms": {"median": 3.0}, "call": "grouped"}))
""",
    "run": """
json.dump({"runs": [{"workload": "W1", "precision": "strict", "name": "jax-vmap",
                     "meta_step_ms": {"median": 15.0}, "peak_memory_bytes": 8 * 2**30},
                    {"workload": "W1", "precision": "strict", "name": "jax-map",
                     "meta_step_ms": {"median": 25.0}, "peak_memory_bytes": 1},
                    {"workload": "W1", "precision": "default", "name": "libtorch",
                     "status": "disagrees"}], "skipped": {"torch-vmap": "no torch"}},
          open(arguments[arguments.index("--json") + 1], "w"))
""",
}


def write_script(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(PRELUDE.format(python=sys.executable) + text)
    path.chmod(0o755)


def is_running(pid):
    """False also for one that is dead and that nobody has waited for."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


class GpuCheck(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        self.out = self.folder / "results"
        for name, text in STUBS.items():
            place = "path" if "-" in name else "kit/bin"
            write_script(self.folder / place / name, text)
        for name, text in PEERS.items():
            write_script(self.folder / "peers" / name, text)
        workload = {"data": "omniglot", "settings": {"inner": {"lr": 0.4}}}
        (self.folder / "peers" / "workloads.json").write_text(
            json.dumps({name: workload for name in timings.WORKLOADS}))
        (self.folder / "kit" / "kit.json").write_text('{"commit": "0123456789abcdef"}')
        data = self.folder / "kit" / "data" / "omniglot.mtd"
        data.parent.mkdir()
        data.write_text("")

    def run_check(self, *arguments, stub="", path=None):
        environment = os.environ | {
            "STUB": stub, "STUB_PID": str(self.folder / "pid"),
            "PATH": os.pathsep.join([str(path or self.folder / "path"), os.environ["PATH"]])}
        return subprocess.run(
            [sys.executable, GPU_CHECK, "--out", self.out, "--kit", self.folder / "kit", "--peers",
             self.folder / "peers", *map(str, arguments)],
            capture_output=True, text=True, env=environment, check=False, timeout=120)

    def result(self):
        files = list(self.out.glob("*"))
        self.assertEqual([f.name for f in files if f.name.startswith("h100-80gb-hbm3-20")],
                         [f.name for f in files], "the result file, and nothing beside it")
        return json.loads(files[0].read_text())

    def checked(self, *arguments, stub=""):
        """Exit code and result of a run."""
        process = self.run_check(*arguments, stub=stub)
        self.assertTrue(self.out.exists(), process.stderr)
        return process.returncode, self.result()

    def stage(self, name, stub="", code=None):
        found, result = self.checked("--stages", name, stub=stub)
        if code is not None:
            self.assertEqual(found, code)
        return result["stages"][name], result

    # Without a GPU.

    def test_no_gpu_says_so_and_writes_nothing(self):
        for stub in ("crash", "garbage"):
            process = self.run_check(stub=f"nvidia-smi={stub}")
            self.assertEqual(process.returncode, 0)
            self.assertIn("nothing is claimed", process.stdout)
            self.assertFalse(self.out.exists())

    def test_no_driver_says_so_and_writes_nothing(self):
        (self.folder / "path" / "nvidia-smi").unlink()
        (self.folder / "path" / "nvidia-smi").mkdir()  # hides one that this machine may have
        environment = os.environ | {"PATH": str(self.folder / "path")}
        process = subprocess.run([sys.executable, GPU_CHECK, "--out", self.out], env=environment,
                                 capture_output=True, text=True, check=False)
        self.assertEqual(process.returncode, 0)
        self.assertIn("nothing is claimed", process.stdout)
        self.assertFalse(self.out.exists())

    # With everything in order.

    def test_every_stage_leaves_its_result(self):
        code, result = self.checked()
        self.assertEqual(code, 0, result)
        self.assertEqual({name: record["status"] for name, record in result["stages"].items()},
                         {"kernels": "passed", "meta_steps_agree": "passed",
                          "determinism": "passed", "sanitizer": "passed",
                          "kernel_times": "measured", "meta_step_times": "measured",
                          "peers": "measured", "training": "measured"})
        self.assertEqual(result["commit"], "0123456789abcdef")
        self.assertEqual(result["gpu"]["sm_clock"], "345 MHz")
        stages = result["stages"]
        self.assertEqual(stages["kernels"]["passed"], 2)
        self.assertEqual(stages["training"]["train"]["iterations"], 60000)
        self.assertEqual(len(stages["meta_step_times"]["steps"]), 14)
        conv = [c for c in stages["kernel_times"]["cases"] if c["kernel"] == "conv2d"][0]
        self.assertAlmostEqual(conv["tflops"], 33.5)
        # 134 GFLOP at 67 TFLOP/s; the bytes at the 3 TB/s of the copy need as long.
        self.assertAlmostEqual(conv["floor_ms"], 2.0)
        self.assertAlmostEqual(conv["share_of_floor"], 0.5)
        self.assertAlmostEqual(conv["share_of_library"], 0.75)
        self.assertEqual(result["unmeasured"],
                         ["device_tests: not in the kit", "peer torch-vmap: no torch",
                          "peer libtorch, W1 default: disagrees"])

    def test_the_table_shows_what_the_file_holds(self):
        _, result = self.checked()
        path = next(self.out.iterdir())
        process = self.run_check("--table", path)
        self.assertEqual(process.returncode, 0, process.stderr)
        for text in ("| kernels | passed | 2 tests, 0 failures |",
                     "| W1 | fp32 | 5 | 4.5 | 2.0 | 77 |", "15 (3.0x) |",
                     "| W2, recomputed | fp32 | 5 |",
                     "| W1 | fp32 | 1024 | 2048 | 3072 |", "8192 (4.0x) |",
                     "| 60000 of 60000 |", "98.50 +- 0.40",
                     "| conv2d | W1 | fp32 | 4.0000 | 33.50 | 1500 | 50 | 75 |"):
            self.assertIn(text, process.stdout)
        self.assertEqual(process.stdout.strip(), table.render(result).strip())

    def test_the_table_of_two_runs_takes_each_stage_from_the_last_that_has_it(self):
        self.checked("--stages", "kernels")
        self.run_check("--stages", "training")
        paths = sorted(self.out.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        self.assertEqual(len(paths), 2)
        text = self.run_check("--table", *paths).stdout
        self.assertIn("| kernels | passed |", text)
        self.assertIn("| 60000 of 60000 |", text)
        self.assertNotIn("kernels: not asked for", text)
        self.assertIn("peers: not asked for", text)

    # With programs that misbehave.

    def test_no_stage_brings_down_the_others(self):
        for behaviour in ("crash", "garbage"):
            with self.subTest(behaviour):
                programs = ("metatape", "cuda_tests", "kernels", "meta_step", "torch_kernels.py",
                            "run")
                stub = ",".join(f"{name}={behaviour}" for name in programs)
                code, result = self.checked(stub=stub)
                self.assertEqual(code, 1)
                states = {name: r["status"] for name, r in result["stages"].items()}
                self.assertEqual(states.pop("sanitizer"), "not running")
                self.assertEqual(set(states.values()), {"failed"})
                self.assertEqual(len(states), 7)
                self.assertGreaterEqual(len(result["unmeasured"]), 5)
                table.render(result)
                next(self.out.iterdir()).unlink()

    def test_a_hanging_program_ends_at_the_limit_with_its_children(self):
        begin = time.monotonic()
        record, result = self.stage_within(6, "kernel_times", stub="kernels=hangs_inside")
        self.assertLess(time.monotonic() - begin, 30)
        self.assertEqual([case["kernel"] for case in record["cases"]], ["copy"])
        self.assertTrue(any("no end in" in line for line in result["unmeasured"]))
        self.assertFalse(is_running(int((self.folder / "pid").read_text())),
                         "a child outlived its limit")

    def stage_within(self, budget, name, stub=""):
        _, result = self.checked("--stages", name, "--budget", budget, stub=stub)
        return result["stages"][name], result

    def test_the_budget_holds_for_all_stages(self):
        begin = time.monotonic()
        code, result = self.checked("--budget", "4", stub="cuda_tests=hang")
        self.assertLess(time.monotonic() - begin, 20)
        self.assertNotEqual(result["stages"]["kernels"]["status"], "passed")
        self.assertEqual(result["stages"]["training"]["status"], "stopped")
        self.assertNotEqual(code, 0)

    def test_a_stage_without_what_it_needs_is_skipped_and_says_so(self):
        (self.folder / "peers" / "run").unlink()
        (self.folder / "kit" / "bin" / "planted_faults").unlink()
        (self.folder / "kit" / "data" / "omniglot.mtd").unlink()
        code, result = self.checked("--stages", "sanitizer,peers,training")
        self.assertEqual(code, 0)
        for name, missing in (("sanitizer", "planted_faults"), ("peers", "run"),
                              ("training", "--data")):
            self.assertEqual(result["stages"][name]["status"], "skipped")
            self.assertTrue(any(line.startswith(name + ": ") and missing in line
                                for line in result["unmeasured"]), result["unmeasured"])

    def test_results_are_there_before_the_end_and_after_a_signal(self):
        environment = os.environ | {
            "STUB": "meta_step=hang", "STUB_PID": str(self.folder / "pid"),
            "PATH": os.pathsep.join([str(self.folder / "path"), os.environ["PATH"]])}
        process = subprocess.Popen(
            [sys.executable, GPU_CHECK, "--out", self.out, "--kit", self.folder / "kit", "--peers",
             self.folder / "peers", "--stages", "kernels,meta_step_times"], env=environment,
            stdout=subprocess.DEVNULL)
        for _ in range(600):
            time.sleep(0.1)
            if (self.folder / "pid").exists():
                break
        self.assertEqual(self.result()["stages"]["kernels"]["status"], "passed")
        process.terminate()
        self.assertEqual(process.wait(20), 143)
        self.assertEqual(self.result()["stages"]["meta_step_times"]["status"], "stopped")

    # Each check can fail.

    def test_a_failing_kernel_test_is_named(self):
        record, _ = self.stage("kernels", stub="cuda_tests=fails", code=1)
        self.assertEqual(record["status"], "failed")
        self.assertEqual(record["failures"], ["Sum.Fails: FAILED: three is not four"])
        self.assertEqual(record["passed"], 2)

    def test_a_kernel_test_that_finds_no_gpu_is_a_failure(self):
        record, _ = self.stage("kernels", stub="cuda_tests=skips", code=1)
        self.assertEqual(record["failures"], ["Sum.Skips: SKIPPED: no GPU"])

    def test_a_kernel_test_without_nccl_is_unmeasured(self):
        record, result = self.stage("kernels", stub="cuda_tests=lacks_nccl", code=0)
        self.assertEqual((record["status"], record["skipped"]), ("passed", 0))
        self.assertIn("Sum.OverRanks: not built: NCCL", result["unmeasured"])

    def test_a_crashing_kernel_test_is_named_and_the_next_suite_runs(self):
        record, _ = self.stage("kernels", stub="cuda_tests=crashes_inside", code=1)
        self.assertEqual(len(record["failures"]), 1)
        self.assertIn("Sum.Fails: ended by SIGABRT", record["failures"][0])
        self.assertEqual(record["suites"]["Copy"]["passed"], 1)

    def test_other_gradients_are_found(self):
        for behaviour in ("wrong", "zeros", "not_a_number"):
            with self.subTest(behaviour):
                record, _ = self.stage("meta_steps_agree", stub=f"metatape={behaviour}", code=1)
                self.assertEqual(len(record["steps"]), 5)
                self.assertEqual(record["status"], "failed")
                self.assertFalse(any(step["passed"] for step in record["steps"].values()))
                next(self.out.iterdir()).unlink()

    def test_other_bits_are_found(self):
        record, _ = self.stage("determinism", stub="metatape=drifts", code=1)
        self.assertEqual(record["status"], "failed")
        self.assertEqual(record["trainings"]["omniglot-5w1s-maml"]["same"],
                         {"again": True, "one kernel at a time": True,
                          "episodes from the host": False})

    def test_a_sanitizer_that_finds_nothing_planted_counts_as_not_running(self):
        for behaviour in ("blind", "sees_ghosts", "is_mute", "crash"):
            with self.subTest(behaviour):
                record, _ = self.stage("sanitizer", stub=f"compute-sanitizer={behaviour}")
                self.assertEqual(record["status"], "not running")
                self.assertFalse(any("tests" in tool for tool in record["tools"].values()))
                next(self.out.iterdir()).unlink()

    def test_what_the_sanitizer_finds_is_a_failure(self):
        record, _ = self.stage("sanitizer", stub="compute-sanitizer=finds", code=1)
        self.assertEqual(record["status"], "failed")


class Parts(unittest.TestCase):
    def test_a_packed_kit_is_found_again(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = Path(folder)
            (folder / "some.mtd").write_text("images")
            with contextlib.redirect_stdout(io.StringIO()):
                kit.pack(folder / "kit", {"metatape": Path(shutil.which("ls"))}, "90a",
                         folder / "some.mtd")
            found = kit.Kit.of_folder(folder / "kit", folder)
            self.assertEqual(list(found.programs), ["metatape"])
            self.assertEqual(found.data.read_text(), "images")
            self.assertEqual(found.about["architectures"], "90a")
            finished = processes.run([found.programs["metatape"], folder], 20, found.environment)
            self.assertIn("some.mtd", finished.output)
            libraries = {path.name for path in (folder / "kit" / "lib").iterdir()}
            self.assertTrue(libraries)
            self.assertFalse(any(name.startswith("libc.so") for name in libraries))

    def test_nmse(self):
        self.assertAlmostEqual(safetensors.nmse([1.0, 2.0], [1.0, 1.0]), 0.5)
        self.assertEqual(safetensors.nmse([0.0], [0.0]), 0)
        for found, reference in (([1.0], [0.0]), ([math.nan], [1.0]), ([1.0], [math.inf]),
                                 ([1.0], [1.0, 2.0])):
            self.assertEqual(safetensors.nmse(found, reference), math.inf)

    def test_safetensors_of_every_type(self):
        header = json.dumps({"a": {"dtype": "F64", "shape": [2], "data_offsets": [0, 16]},
                             "b": {"dtype": "I32", "shape": [1], "data_offsets": [16, 20]}})
        with tempfile.NamedTemporaryFile() as file:
            file.write(struct.pack("<Q", len(header)) + header.encode()
                       + struct.pack("<2di", 1.5, -2, 7))
            file.flush()
            tensors = safetensors.read(file.name, lambda name: True)
        self.assertEqual({name: list(values) for name, values in tensors.items()},
                         {"a": [1.5, -2.0], "b": [7]})

    def test_lists_of_tests(self):
        listing = "Running main() from x.cc\nA.\n  One\nB/A.  # TypeParam = float\n  Two/0  # 3\n"
        self.assertEqual(correctness.suites_of(listing), ["A.", "B/A."])

    def test_sanitizer_summaries(self):
        self.assertEqual(sanitizer.findings("========= ERROR SUMMARY: 3 errors"), 3)
        self.assertEqual(sanitizer.findings(
            "========= RACECHECK SUMMARY: 2 hazards displayed (2 errors, 0 warnings)"), 2)
        self.assertIsNone(sanitizer.findings("no summary"))

    def test_settings_of_a_workload(self):
        workload = {"settings": {"model": {"name": "resnet12", "widths": [4, 6]},
                                 "inner": {"lr": 0.4}}}
        self.assertEqual(timings.flat_settings(workload),
                         ["model.name=resnet12", "model.widths=4-6", "inner.lr=0.4"])


if __name__ == "__main__":
    unittest.main()
