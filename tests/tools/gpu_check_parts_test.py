"""gpu_check_parts_test.py GPU_CHECK: its parts by themselves."""

import contextlib
import io
import json
import math
import shutil
import struct
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(sys.argv.pop(1)).resolve().parent))
from gpu_checks import correctness, kit, processes  # noqa: E402
from gpu_checks import safetensors, sanitizer, timings  # noqa: E402


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
