#!/usr/bin/env python3
"""The MAML meta-step in LibTorch (C++), eager, tasks in a loop: libtorch/libtorch_maml.cpp.

libtorch_maml.py build       builds the program only, and prints where it is
libtorch_maml.py flatten DUMP FLAT PRECISION   writes the reference as the program reads it, and
                             prints the program's arguments for steps on request, one on a line
libtorch_maml.py --help      the arguments of a run

Builds the program once (about a minute), with the PyTorch of this Python, into the folder
METATAPE_PEERS_BUILD, hands it the reference as a flat file, and turns what it prints into the
result file.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

import harness
import tolerances
from step_file import EPISODE, load_step

SOURCE = Path(__file__).resolve().parent / "libtorch"


def build_with_cmake(folder):
    # Both, or another PyTorch of the system may lend its libraries.
    prefixes = f"{torch.utils.cmake_prefix_path};{Path(torch.__file__).parent}"
    configure = ["cmake", "-S", SOURCE, "-B", folder, "-DCMAKE_BUILD_TYPE=Release",
                 f"-DCMAKE_PREFIX_PATH={prefixes}"]
    if torch.version.cuda:
        configure.append("-DTORCH_CUDA_ARCH_LIST=9.0")  # no device code here; saves a probe
    subprocess.run(configure, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    subprocess.run(["cmake", "--build", folder, "--parallel", "2"], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def build_with_compiler(folder):
    """Without find_package(Torch), which also wants a complete CUDA toolkit."""
    from torch.utils import cpp_extension

    on_gpu = torch.version.cuda is not None
    try:
        includes = cpp_extension.include_paths(device_type="cuda" if on_gpu else "cpu")
    except TypeError:  # before 2.6
        includes = cpp_extension.include_paths(cuda=on_gpu)
    libraries = Path(torch.__file__).parent / "lib"
    command = ["g++", "-std=c++20", "-O2", SOURCE / "libtorch_maml.cpp",
               f"-D_GLIBCXX_USE_CXX11_ABI={int(torch.compiled_with_cxx11_abi())}"]
    command += [f"-I{path}" for path in includes]
    command += [f"-L{libraries}", f"-Wl,-rpath,{libraries}", "-Wl,--no-as-needed",
                "-ltorch", "-ltorch_cpu", "-lc10"]
    if on_gpu:
        command += ["-DMT_PEER_CUDA", "-ltorch_cuda", "-lc10_cuda"]
    subprocess.run(command + ["-o", folder / "libtorch_maml"], check=True, stderr=subprocess.PIPE)


def build(folder):
    """The program, built once for each version of PyTorch and of the source."""
    folder = Path(folder) / torch.__version__
    program = folder / "libtorch_maml"
    newest = max(path.stat().st_mtime for path in SOURCE.iterdir())
    if program.exists() and program.stat().st_mtime >= newest:
        return program
    failures = []
    for method in (build_with_cmake, build_with_compiler):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            method(folder)
            return program
        except (subprocess.CalledProcessError, OSError) as error:
            text = getattr(error, "stderr", None) or str(error).encode()
            failures.append(f"{method.__name__}: {text.decode(errors='replace')[-2000:]}")
    sys.exit("the LibTorch peer does not build\n" + "\n".join(failures))


def write_flat(path, step):
    """Values in one file, names, types, extents and offsets as text in PATH.index."""
    tensors = {"theta/" + n: a for n, a in step.theta.items()}
    tensors |= {"meta_grad/" + n: a for n, a in step.meta_grad.items()}
    tensors |= dict(zip(EPISODE, step.episode)) | {"loss": step.loss}
    offset = 0
    with open(path, "wb") as data, open(f"{path}.index", "w") as index:
        for name, array in tensors.items():
            whole = np.issubdtype(array.dtype, np.integer)
            array = np.ascontiguousarray(array, np.int64 if whole else np.float64)
            extents = " ".join(map(str, array.shape))
            index.write(f"{name} {'i64' if whole else 'f64'} {array.ndim} {extents} {offset}\n")
            data.write(array.tobytes())
            offset += array.nbytes


def program_arguments(step, flat, precision, device, iterations, seconds):
    model, inner = step.settings["model"], step.settings["inner"]
    values = {"file": flat, "device": device, "precision": precision,
              "network": model["name"], "pool": model["pool"],
              "epsilon": model["batch_norm_epsilon"],
              "inner_steps": inner["steps"], "inner_lr": inner["lr"],
              "iterations": iterations, "seconds": seconds,
              "nmse": tolerances.nmse_limit(precision, inner["steps"]),
              "relative": tolerances.RELATIVE[precision], "loss": tolerances.LOSS[precision]}
    return [f"{key}={value}" for key, value in values.items()]


def flatten(dump, flat, precision):
    step = load_step(dump)
    write_flat(flat, step)
    print("\n".join(program_arguments(step, flat, precision, "cpu", "on_request", 0)))


def read_output(text):
    """Lines "key value"; step_ms comes once for each step."""
    values, milliseconds = {}, []
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        if key == "step_ms":
            milliseconds.append(float(value))
        elif value:
            values[key] = float(value)
    return values, milliseconds


def run_program(command, report, precision):
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    values, milliseconds = read_output(run.stdout)
    if run.returncode not in (0, harness.DISAGREES) or "meta_grad_nmse" not in values:
        sys.exit(f"libtorch_maml ended with {run.returncode}")
    report.add(precision, threads=int(values["threads"]), prepare_s=values["prepare_s"])
    keys = ("loss_max_relative", "meta_grad_nmse", "meta_grad_max_relative")
    harness.settle_agreement(report, precision, {key: values[key] for key in keys})
    if milliseconds:
        harness.settle_times(report, precision, milliseconds, warm_up_s=values["warm_up_s"],
                             peak_memory_bytes=int(values["peak_memory_bytes"]))


def main():
    folder = os.environ.get("METATAPE_PEERS_BUILD", Path(tempfile.gettempdir()) / "metatape_peers")
    if sys.argv[1:] == ["build"]:
        return print(build(folder))
    if sys.argv[1:2] == ["flatten"]:
        return flatten(*sys.argv[2:])
    arguments = harness.parse_arguments(__doc__, ("loop",))
    program = build(folder)
    on_gpu = arguments.device == "cuda"
    step, report = harness.start(
        "libtorch", arguments, version=torch.__version__, cudnn_benchmark=True,
        device_name=torch.cuda.get_device_name() if on_gpu else "CPU")
    with tempfile.TemporaryDirectory() as scratch:
        flat = Path(scratch) / "step"
        write_flat(flat, step)
        for precision, iterations in harness.passes(arguments):
            run_program([program, *program_arguments(step, flat, precision, arguments.device,
                                                     iterations, arguments.seconds)],
                        report, precision)


if __name__ == "__main__":
    main()
