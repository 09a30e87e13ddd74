"""Programs that only pretend, for gpu_check_test.py: they answer, hang, crash or print garbage."""

import sys

# What each begins with; the environment variable STUB holds name=behaviour,... for some of them.
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


def write_all(folder):
    """nvidia-smi and compute-sanitizer to folder/path, the kit's to kit/bin, the peers' to peers."""
    for name, text in STUBS.items():
        write_script(folder / ("path" if "-" in name else "kit/bin") / name, text)
    for name, text in PEERS.items():
        write_script(folder / "peers" / name, text)


def write_script(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(PRELUDE.format(python=sys.executable) + text)
    path.chmod(0o755)
