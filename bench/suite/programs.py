"""The programs that are measured: built, found or installed; and how they are called."""

import json
import os
import subprocess
import sys
from pathlib import Path

from suite.machine import root
from suite.turns import Contestant

# glibc keeps pages instead of giving them back after each tensor: worth up to 2 in time for
# libraries that allocate as they go. The numbers stand for 8 GiB, 32 GiB and 512 MiB.
KEEP_PAGES = {"MALLOC_MMAP_THRESHOLD_": "8589934592", "MALLOC_TRIM_THRESHOLD_": "34359738368",
              "MALLOC_TOP_PAD_": "536870912"}
PACKAGES = ("torch", "jax", "numpy")
PEERS = root() / "bench" / "peers"
MOST_CHUNKS = 8  # of one task each; with more a step is more calls than work
REFERENCE_LIMIT = 900  # seconds; C5, the largest, has 4 TFLOP in double


class Missing(Exception):
    """What cannot be measured here, and why."""


def run(command, limit, **options):
    """Standard output; Missing with the last line of what it says where it fails."""
    try:
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                              errors="replace", timeout=limit, check=False, **options)
    except subprocess.TimeoutExpired:
        raise Missing(f"no end in {limit} s") from None
    except OSError as error:
        raise Missing(str(error)) from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise Missing(f"ended with {done.returncode}: {(said or ['it says nothing'])[0][:300]}")
    return done.stdout


def build(folder):
    """Configures and builds our programs in `folder`."""
    if not (folder / "CMakeCache.txt").exists():
        run(["cmake", "-S", root(), "-B", folder, "-DCMAKE_BUILD_TYPE=Release", "-DMT_CUDA=OFF",
             "-DMT_BUILD_BENCH=ON", "-DMT_BUILD_TESTS=OFF"], 600)
    run(["cmake", "--build", folder, "--parallel", str(os.cpu_count()), "--target", "kernels",
         "meta_step"], 3600)


def install_peers(folder):
    """A virtual environment with PyTorch and JAX; its interpreter."""
    python = folder / "bin" / "python"
    if not python.exists():
        run([sys.executable, "-m", "venv", folder], 300)
    run([python, "-m", "pip", "install", "--quiet", *PACKAGES], 3600)
    return python


def text_of(value):
    return value if isinstance(value, str) else json.dumps(value)


def recipe_settings(settings):
    """A workload's settings as metatape takes them: group.key=value."""
    groups = {name: dict(values) for name, values in settings.items()}
    groups["data"] |= {"split": "", "rotations": "none"}
    widths = groups["model"].pop("widths", None)
    if widths:  # ours are given at a first width of 64, and in proportion
        groups["model"] |= {"width": widths[0],
                            "widths": "-".join(str(w * 64 // widths[0]) for w in widths)}
    return [f"{group}.{key}={text_of(value)}" for group, values in groups.items()
            for key, value in values.items()]


class Programs:
    """Of one run: where ours are, and which Python has the peers."""

    def __init__(self, folder, python, threads, precision="strict"):
        self.folder, self.python, self.threads = Path(folder), python, threads
        self.precision = precision
        self.steps = self.folder / "bench_steps"
        self.libtorch = None  # the program, once it is built

    def ours(self, name):
        return self.folder / "bench" / name

    def peers_environment(self):
        return {"METATAPE_PEERS_BUILD": str(self.folder / "bench_libtorch"),
                "PYTHONDONTWRITEBYTECODE": "1", "JAX_PLATFORMS": "cpu",
                "JAX_COMPILATION_CACHE_DIR": str(self.folder / "bench_jax")}

    def reference(self, name, settings):
        """Parameters and episodes, with PyTorch's answer in double; drawn once and kept."""
        self.steps.mkdir(parents=True, exist_ok=True)
        path, about = self.steps / f"{name}.safetensors", self.steps / f"{name}.json"
        text = json.dumps(settings, sort_keys=True)
        if path.exists() and about.exists() and about.read_text() == text:
            return path
        run([self.python, PEERS / "drawn_step.py", "--settings", text, "--dump", path],
            REFERENCE_LIMIT, env=os.environ | self.peers_environment())
        about.write_text(text)
        return path

    # Contestants.

    def metatape(self, settings, reference, recompute=False, chunk=0):
        command = [self.ours("meta_step"), "--on-request", "--threads", self.threads, "--recipe",
                   "omniglot-5w1s-maml"]
        words = recipe_settings(settings) + [f"inner.recompute={json.dumps(recompute)}",
                                             f"outer.chunk={chunk}"]
        if self.precision == "f64":
            words.append("train.precision=fp64")
        for word in words:
            command += ["--set", word]
        if reference:
            command += ["--step", reference]
        name = "metatape" + ", task by task" * (chunk == 1) + ", recompute" * recompute
        return Contestant(name, command, unchecked=reference is None)

    def python_peer(self, name, program, variant, reference):
        result = self.steps / f"{name}.result.json"
        command = [self.python, PEERS / program, "--variant", variant, "--workload", reference.stem,
                   "--dump", reference, "--precision", self.precision, "--on-request", "--json",
                   result]
        return Contestant(name, command, self.peers_environment() | KEEP_PAGES)

    def libtorch_peer(self, reference, keep_pages):
        environment = os.environ | self.peers_environment()
        script = PEERS / "libtorch_maml.py"
        if self.libtorch is None:
            self.libtorch = run([self.python, script, "build"], 900,
                                env=environment).strip().splitlines()[-1]
        flat = self.steps / f"{reference.stem}-{self.precision}.flat"
        arguments = run([self.python, script, "flatten", reference, flat, self.precision], 120,
                        env=environment).split()
        return Contestant("libtorch, tuned malloc" if keep_pages else "libtorch",
                          [self.libtorch, *arguments], KEEP_PAGES if keep_pages else {})

    def makers(self, settings, reference, everything=False):
        """Functions that each give a contestant, the most telling ones first."""
        found = [lambda: self.metatape(settings, reference)]
        if settings["inner"]["steps"] > 1 or everything:
            found.append(lambda: self.metatape(settings, reference, recompute=True))
        if 1 < settings["outer"]["tasks"] <= MOST_CHUNKS or everything:
            found += [lambda: self.metatape(settings, reference, chunk=1),
                      lambda: self.metatape(settings, reference, recompute=True, chunk=1)]
        if reference is None:
            return found
        found += [lambda: self.libtorch_peer(reference, keep_pages=True),
                  lambda: self.libtorch_peer(reference, keep_pages=False)]
        # JAX last: XLA compiles longest, and its convolutions are the slowest on a CPU.
        variants = [("torch.func, vmap", "torch_maml.py", "vmap"),
                    ("jax, jit+vmap", "jax_maml.py", "vmap-select")]
        if everything:
            variants += [("torch.func, loop", "torch_maml.py", "loop"),
                         ("jax, jit+map", "jax_maml.py", "map-select"),
                         ("jax, jit+vmap, reduce_window", "jax_maml.py", "vmap")]
        for name, program, variant in variants:
            found.append(lambda n=name, p=program, v=variant: self.python_peer(n, p, v, reference))
        return found
