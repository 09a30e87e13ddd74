"""checks_find_faults.py TOOLS: each fault planted in an otherwise clean tree must be reported."""
import pathlib
import subprocess
import sys
import tempfile

CLEAN = {
    "kernels/a/a.cpp": '#include "kernels/a/a.h"\n#include <cblas.h>\n#include <cmath>\n',
    "engine/io/b.cpp": '#include "kernels/a/a.h"\n#include <nlohmann/json.hpp>\n',
    "engine/exec/c.cpp": "~A() { cudaFree(p); }\nvoid f() {\n  check_cuda(\n      cudaMalloc(&p, 8));\n}\n",
    "meta/data/c.cpp": '#include "engine/b.h"\n#include <png.h>\n',
    "meta/data/d.cpp": "if (fs::exists(status)) fs::remove(path, ignored);\n",
    "kernels/common/launch.cuh": "#define MT_LAUNCH(k, g, b, s, t) k<<<g, b, s, t>>>\n",
    "kernels/common/device.cuh": "#define MT_SHARED(type, name, ...) __shared__ type name\n",
    "kernels/a/a_cuda.cu": "MT_SHARED(int, x);  // not __shared__\nx = __shfl_sync(m, x, 0);\n",
    "tests/c/one.h": "namespace mt {\nstruct One {\n};\n}  // namespace mt\n",
    "tests/c/one_test.cpp": "namespace mt {\nstruct One;\nnamespace {\nstruct One : A {\n};\n}  // namespace\n}  // namespace mt\n",
    "tests/c/other.h": "namespace mt::other {\nclass One {\n};\n}  // namespace mt::other\n",
    "tests/c_test.cpp": "EXPECT_NEAR(f(1, 2), x[0], tolerance::kGradient);\n",
}
# check, file, text of a fault
FAULTS = [
    ("check_includes", "kernels/a/bad.cpp", '#include "engine/tape.h"\n'),
    ("check_includes", "kernels/a/bad.cpp", "#include <fmt/format.h>\n"),
    ("check_includes", "kernels/a/bad.cpp", "#include <nlohmann/json.hpp>\n"),
    ("check_includes", "engine/bad.h", '#include "meta/training/trainer.h"\n'),
    ("check_includes", "engine/bad.cpp", "#include <nlohmann/json.hpp>\n"),
    ("check_includes", "engine/bad.cpp", '#  include "tape.h"\n'),
    ("check_includes", "models/bad.cpp", '#include "meta/training/trainer.h"\n'),
    ("check_includes", "models/bad.cpp", '#include "kernels/a/a.h"\n'),
    ("check_includes", "meta/bad.cpp", '#include "models/mlp.h"\n'),
    ("check_includes", "meta/bad.cpp", '#include "kernels/a/a.h"\n'),
    ("check_includes", "meta/bad.cpp", "#include <archive.h>\n"),
    ("check_includes", "tools/metatape/bad.cpp", '#include "tests/support/x.h"\n'),
    ("check_source", "engine/bad.cpp", "int a;  // TODO later\n"),
    ("check_source", "engine/bad.cpp", "\tint a;\n"),
    ("check_source", "engine/bad.cpp", "int a; \n"),
    ("check_source", "engine/bad.cpp", "int a;"),
    ("check_source", "engine/bad.cpp", "// na\u00efve\n"),
    ("check_source", "engine/bad.cpp", 'open("/tmp/x");\n'),
    ("check_source", "engine/bad.cpp", "int a;\n" * 401),
    ("check_source", "README.md", "```cpp\n// meta/data/c.cpp\nint another;\n```\n"),
    ("check_source", "tests/bad_test.cpp", "EXPECT_NEAR(f(1, 2), 3, 1e-5);\n"),
    ("check_source", "kernels/a/bad.cu", "kernel<<<1, 32>>>(x);\n"),
    ("check_source", "kernels/a/bad.h", "kernel<<<1, 32>>>(x);\n"),
    ("check_source", "engine/exec/bad.cpp", "void f() {\n  cudaMalloc(&p, 8);\n}\n"),
    ("check_source", "engine/exec/bad.cpp", "int a;\nif (a) cudaStreamSynchronize(s);\n"),
    ("check_source", "meta/bad.cpp", 'if (fs::exists(path / "x")) return;\n'),
    ("check_source", "tools/bad.cpp", "if (std::filesystem::is_directory(\n        path)) return;\n"),
    ("check_source", "kernels/a/bad.cu", 'asm volatile("bar.sync 0;");\n'),
    ("check_source", "kernels/a/bad.cu", 'asm("bar.sync 0;");\n'),
    ("check_source", "kernels/a/bad.cu", "__trap();\n"),
    ("check_source", "kernels/a/bad.cu", "#include <cooperative_groups.h>\n"),
    ("check_source", "kernels/a/bad.cuh", "volatile float* row = shared;\n"),
    ("check_source", "kernels/a/bad.cu", "x = __shfl_down(x, 1);\n"),
    ("check_source", "kernels/a/bad.cu", "x = __ballot(x);\n"),
    ("check_source", "kernels/a/bad.cu", "__pipeline_memcpy_async(a, b, 16);\n"),
    ("check_source", "kernels/a/bad.cu", "nvcuda::wmma::fragment<A> a;\n"),
    ("check_source", "kernels/a/bad.cu", "__half x = 0;\n"),
    ("check_source", "kernels/a/bad.cu", "__shared__ float tile[16];\n"),
    ("check_source", "tests/bad.h", "namespace mt {\nstruct One : Two {\n};\n}  // namespace mt\n"),
    ("check_source", "tests/bad.cpp", "namespace mt::other {\nclass One final {};\n}\n"),
    ("check_source", "tests/bad_test.cpp", "ASSERT_NEAR(f({1, 2}),\n  3, 2 * 1e-5f);\n"),
]


def passes(tools: pathlib.Path, check: str, root: str) -> bool:
    command = [sys.executable, tools / check, root]
    return subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode == 0


def main() -> int:
    tools = pathlib.Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as root:
        for name, text in CLEAN.items():
            path = pathlib.Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        wrong = [f"{check} refuses clean files" for check in ("check_includes", "check_source")
                 if not passes(tools, check, root)]
        for check, name, text in FAULTS:
            path = pathlib.Path(root, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            if passes(tools, check, root):
                wrong.append(f"{check} does not see {text[:40]!r} in {name}")
            path.unlink()
    print("\n".join(wrong or [f"all {len(FAULTS)} planted faults were found"]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
