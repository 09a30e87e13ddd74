"""gpu_check_test.py GPU_CHECK: its behaviour where there is no GPU, and with the programs of
gpu_check_stubs.py."""

import json
import os
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

GPU_CHECK = Path(sys.argv.pop(1)).resolve()
sys.dont_write_bytecode = True
sys.path.insert(0, str(GPU_CHECK.parent))
import gpu_check_stubs  # noqa: E402
from gpu_checks import table, timings  # noqa: E402


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
        gpu_check_stubs.write_all(self.folder)
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


if __name__ == "__main__":
    unittest.main()
