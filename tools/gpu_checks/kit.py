"""The programs that gpu_check runs: built here for another machine, and found there.

A kit is a folder with kit.json and with kit.tar.xz, or what it holds: bin/, lib/, data/.
"""

import glob
import json
import lzma
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from gpu_checks.session import root

# Program -> its place in a build folder.
PROGRAMS = {
    "metatape": "bin/metatape",
    "cuda_tests": "tests/cuda/cuda_tests",
    "device_tests": "tests/device_tests",
    "planted_faults": "tests/cuda/planted/planted_faults",
    "kernels": "bench/kernels",
    "meta_step": "bench/meta_step",
}
LIMIT = 60 << 20  # bytes: with the sources below the 64 MiB that may travel to a lent GPU
ARCHIVE = "kit.tar.xz"
# The window holds all programs: each contains the same kernels, which are then packed once.
COMPRESSION = [{"id": lzma.FILTER_LZMA2, "preset": 1, "dict_size": 128 << 20}]
# Every machine has the first; every machine with CUDA has the others.
SYSTEM_LIBRARIES = ("linux-vdso", "ld-linux", "libc.so", "libm.so", "libdl.so", "librt.so",
                    "libpthread.so")
CUDA_LIBRARIES = ("libcuda.so", "libcudart.so", "libcublas.so", "libcublasLt.so", "libnccl.so")


def run(command, **options):
    print("+", " ".join(str(word) for word in command), flush=True)
    subprocess.run([str(word) for word in command], check=True, **options)


def commit():
    """The commit of the source tree, with "+" if files differ from it; empty without git."""
    def git(*words):
        return subprocess.run(["git", "-C", root(), *words], capture_output=True, text=True,
                              check=False).stdout.strip()

    head = git("rev-parse", "HEAD")
    return head + ("+" if head and git("status", "--porcelain", "--untracked-files=no") else "")


def libraries_of(programs):
    """What the programs load, without what every machine with CUDA has."""
    paths = {}
    for program in programs:
        text = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        for line in text.splitlines():
            name, _, place = line.strip().partition(" => ")
            name = os.path.basename(name.split()[0])
            if name.startswith(SYSTEM_LIBRARIES + CUDA_LIBRARIES):
                continue
            if "not found" in place:
                sys.exit(f"gpu_check: {program} needs {name}, which is not on this machine")
            paths[name] = Path(place.split(" (")[0]).resolve()
    return paths


def prepare(folder, build, architectures, data, jobs, nccl=False):
    """Builds everything for a GPU that is elsewhere, and packs it into `folder`. With `nccl`, which
    is not packed, the other machine needs it."""
    os.environ["PATH"] += os.pathsep + "/usr/local/cuda/bin"
    run(["cmake", "--preset", "cuda", "-S", root(), "-B", build,
         f"-DCMAKE_CUDA_ARCHITECTURES={architectures}", "-DMT_MPI=OFF",
         f"-DMT_NCCL={'ON' if nccl else 'OFF'}"], cwd=root())
    run(["cmake", "--build", build, "--parallel", jobs, "--target", *PROGRAMS])
    return pack(folder, {name: Path(build) / place for name, place in PROGRAMS.items()},
                architectures, data)


def pack(folder, programs, architectures, data):
    folder = Path(folder)
    staging = folder / "staging"
    shutil.rmtree(staging, ignore_errors=True)
    for name in ("bin", "lib", "data"):
        (staging / name).mkdir(parents=True)
    for name, path in programs.items():
        shutil.copy2(path, staging / "bin" / name)
        run(["strip", staging / "bin" / name])
    for name, path in libraries_of(programs.values()).items():
        shutil.copy2(path, staging / "lib" / name)
    if data:
        shutil.copy2(data, staging / "data" / Path(data).name)
    about = {"commit": commit(), "architectures": architectures,
             "files": {str(path.relative_to(staging)): path.stat().st_size
                       for path in sorted(staging.rglob("*")) if path.is_file()}}
    (folder / "kit.json").write_text(json.dumps(about, indent=1) + "\n")
    with (lzma.open(folder / ARCHIVE, "wb", filters=COMPRESSION) as stream,
          tarfile.open(fileobj=stream, mode="w") as archive):
        archive.add(staging, arcname=".")
    shutil.rmtree(staging)
    for name, size in about["files"].items():
        print(f"{size / 1e6:8.2f} MB  {name}")
    packed = (folder / ARCHIVE).stat().st_size
    print(f"{packed / 1e6:8.2f} MB  {folder / ARCHIVE}")
    if packed > LIMIT:
        sys.exit(f"gpu_check: the kit has {packed} bytes, {LIMIT} may travel")


def cuda_folders():
    """Where a machine with CUDA or with PyTorch's wheels keeps cudart, cuBLAS and NCCL."""
    candidates = ["/usr/local/cuda/lib64", "/usr/local/nvidia/lib64"]
    for place in sys.path:
        candidates += glob.glob(os.path.join(place, "nvidia", "*", "lib"))
    return [folder for folder in candidates
            if any(glob.glob(os.path.join(folder, f"{name}*.so.*")) for name in ("libcu", "libnccl"))]


class Kit:
    """Programs by name, the environment to run them in, and the data set that came along."""

    def __init__(self, programs, libraries, data, about):
        self.programs = {name: path for name, path in programs.items() if path.exists()}
        self.data, self.about = data, about
        folders = [str(folder) for folder in libraries] + cuda_folders()
        folders += filter(None, [os.environ.get("LD_LIBRARY_PATH")])
        self.environment = os.environ | {"LD_LIBRARY_PATH": os.pathsep.join(folders),
                                         "OMP_WAIT_POLICY": "passive"}

    @staticmethod
    def of_build(build):
        build = Path(build).resolve()
        return Kit({name: build / place for name, place in PROGRAMS.items()}, [], None,
                   {"commit": commit()})

    @staticmethod
    def of_folder(folder, scratch):
        folder = Path(folder).resolve()
        about = folder / "kit.json"
        about = json.loads(about.read_text()) if about.exists() else {"commit": commit()}
        if (folder / ARCHIVE).exists():
            with tarfile.open(folder / ARCHIVE) as archive:
                archive.extractall(scratch / "kit")
            folder = scratch / "kit"
        data = sorted((folder / "data").glob("*.mtd"))
        return Kit({name: folder / "bin" / name for name in PROGRAMS}, [folder / "lib"],
                   data[0] if data else None, about)
