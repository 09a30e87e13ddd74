#!/usr/bin/env python3
"""A user's training on the CPU and with --device cuda: the same tasks, and losses that agree.

    train_on_both.py METATAPE WORK_FOLDER
"""
import json
import pathlib
import shutil
import subprocess
import sys

SETTINGS = {
    "outer.tasks": 2, "model.width": 4, "task.queries": 1,
    "train.iterations": 6, "train.log_every": 1,
}
AGREEMENT = 1e-5  # of a loss: f32 rounding through six meta-steps; 1e-7 was measured


def run(command, *arguments):
    done = subprocess.run([command, *arguments, "--json"], capture_output=True, text=True)
    if done.returncode == 5 and "GPU" in done.stderr:
        print("skipped: no GPU on this machine")
        sys.exit(0)
    if done.returncode:
        sys.exit(f"{' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def train(command, folder, device, *extra):
    shutil.rmtree(folder, ignore_errors=True)
    settings = [part for key, value in SETTINGS.items() for part in ("--set", f"{key}={value}")]
    result = run(command, "train", "--recipe", "glyphs-5w1s-maml", "--device", device,
                 "--out", str(folder), *settings, *extra)
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return result, [json.loads(line)["loss"] for line in lines]


def main():
    command, work = sys.argv[1], pathlib.Path(sys.argv[2])
    _, cpu = train(command, work / "cpu", "cpu")
    drawn, gpu = train(command, work / "cuda", "cuda")
    fed, _ = train(command, work / "fed", "cuda", "--set", "data.resident=false")
    _, chunked = train(command, work / "chunked", "cuda", "--set", "outer.chunk=1")
    assert len(cpu) == len(gpu) == SETTINGS["train.iterations"], (cpu, gpu)
    assert len(set(cpu)) == len(cpu), f"the losses repeat: {cpu}"
    assert len(chunked) == len(cpu), chunked
    for k, (a, *others) in enumerate(zip(cpu, gpu, chunked)):
        for b in others:
            assert abs(a - b) <= AGREEMENT * abs(a), f"iteration {k + 1}: CPU {a}, GPU {b}"
    assert drawn["state_hash"] == fed["state_hash"], "drawn in the program, and fed: other bits"

    arguments = ("eval", "--run", str(work / "cuda"), "--split", "test", "--tasks", "4", "--device")
    a, b = run(command, *arguments, "cpu"), run(command, *arguments, "cuda")
    assert a["episodes_hash"] == b["episodes_hash"]
    assert abs(a["loss"] - b["loss"]) <= AGREEMENT * a["loss"], (a["loss"], b["loss"])
    print("the devices agree")


if __name__ == "__main__":
    main()
