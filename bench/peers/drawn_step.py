#!/usr/bin/env python3
"""A meta-step on drawn images with PyTorch's eager float64 result as the reference.

drawn_step.py --workload W5 --dump W5.safetensors [--device cuda] [--tasks T]
drawn_step.py --settings '{"task": {...}, ...}' --dump FILE
Stands in for `metatape step` where the command, its data or the network is missing.
"""

import argparse
import json

import numpy as np
import torch

from torch_networks import make_task_loss
from step_file import EPISODE, write_safetensors
from harness import load_workload

SEED = 20261121


def glorot(rng, shape):
    """Uniform with variance 2 / (fan in + fan out)."""
    receptive = int(np.prod(shape[2:]))
    limit = np.sqrt(6 / ((shape[0] + shape[1]) * receptive))
    return rng.uniform(-limit, limit, shape)


def draw_theta(rng, settings):
    model, channels = settings["model"], settings["data"]["channels"]
    theta = {}

    def add_conv(conv, bn, outputs, inputs, side):
        theta[conv + ".weight"] = glorot(rng, (outputs, inputs, side, side))
        theta[bn + ".weight"] = rng.uniform(0.8, 1.2, outputs)
        theta[bn + ".bias"] = rng.normal(0, 0.1, outputs)

    if model["name"] == "conv4":
        for i in range(1, 5):
            add_conv(f"conv{i}", f"bn{i}", model["width"], channels, 3)
            channels = model["width"]
        area = (settings["data"]["height"] // 16) * (settings["data"]["width"] // 16)
        features = channels * (1 if model["pool"] == "stride" else area)
    else:
        for b, width in enumerate(model["widths"], 1):
            for i in range(1, 4):
                add_conv(f"block{b}.conv{i}", f"block{b}.bn{i}", width,
                         channels if i == 1 else width, 3)
            add_conv(f"block{b}.shortcut_conv", f"block{b}.shortcut_bn", width, channels, 1)
            channels = width
        features = channels
    head, deviation = (settings["task"]["ways"], features), model.get("head_deviation", 0)
    theta["head.weight"] = rng.normal(0, deviation, head) if deviation else glorot(rng, head)
    theta["head.bias"] = np.zeros(settings["task"]["ways"])
    return theta


def draw_episodes(rng, settings):
    """Each class is a picture; each example is that picture plus noise."""
    task, data = settings["task"], settings["data"]
    tasks, ways = settings["outer"]["tasks"], task["ways"]
    picture = (data["channels"], data["height"], data["width"])
    classes = rng.normal(0, 1, (tasks, ways, 1) + picture)
    parts = []
    for per_class in (task["shots"], task["queries"]):
        noise = rng.normal(0, 1, (tasks, ways, per_class) + picture)
        parts.append((classes + noise).reshape((tasks, ways * per_class) + picture))
        labels = np.repeat(np.arange(ways, dtype=np.int32), per_class)
        parts.append(np.tile(labels, (tasks, 1)))
    return dict(zip(EPISODE, parts))


def gradient(loss, phi, x, y):
    slopes = torch.autograd.grad(loss(phi, x, y), list(phi.values()), create_graph=True)
    return dict(zip(phi, slopes))


def reference(settings, theta, episodes, device):
    """Losses and gradients of each task, eager, in double."""
    leaves = {n: torch.tensor(a, device=device, requires_grad=True) for n, a in theta.items()}
    task_loss = make_task_loss(settings, gradient)
    losses, slopes = [], []
    for t in range(settings["outer"]["tasks"]):
        episode = [torch.tensor(episodes[name][t], device=device) for name in EPISODE]
        value = task_loss(leaves, *(e.long() if e.dim() == 1 else e for e in episode))
        losses.append(value.item())
        slopes.append([g.cpu().numpy() for g in torch.autograd.grad(value, list(leaves.values()))])
    out = {"loss": np.array(losses)}
    for i, name in enumerate(theta):
        out["task_grad/" + name] = np.stack([s[i] for s in slopes])
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--workload", help="of workloads.json")
    source.add_argument("--settings", type=json.loads, help="as there, in JSON")
    parser.add_argument("--dump", required=True)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--tasks", type=int)
    arguments = parser.parse_args()

    settings = arguments.settings or load_workload(arguments.workload)["settings"]
    settings["model"].setdefault("batch_norm_epsilon", 1e-5)
    settings["inner"].update(adapt="all", order="exact")
    settings["outer"]["tasks"] = arguments.tasks or settings["outer"]["tasks"]
    rng = np.random.default_rng(SEED)
    theta, episodes = draw_theta(rng, settings), draw_episodes(rng, settings)
    tensors = {"theta/" + n: a for n, a in theta.items()} | episodes
    tensors |= reference(settings, theta, episodes, arguments.device)
    metadata = {"settings": json.dumps(settings),
                "source": f"PyTorch {torch.__version__}, eager, float64, {arguments.device}"}
    write_safetensors(arguments.dump, tensors, metadata)
    print(f"{arguments.dump}: {settings['outer']['tasks']} drawn tasks, "
          f"mean loss {tensors['loss'].mean():.6f}")


if __name__ == "__main__":
    main()
