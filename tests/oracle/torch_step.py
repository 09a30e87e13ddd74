"""Meta-steps in PyTorch, float64, written from the papers: the independent reference.

  torch_step.py check STEP.safetensors...    compares `metatape step --dtype f64 --dump` files
  torch_step.py make  FIXTURES               writes the fixtures of tests/meta/torch_fixture_test.cpp

Needs PyTorch (any version from 1.13) and NumPy; nothing of metatape.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch

import closed_form
import gradient_steps
import proximal
from networks import Network
from step_file import read_safetensors, tasks_of, theta_of, write_safetensors

RELATIVE_TOLERANCE = 1e-9  # float64; other orders of summation through a whole meta-step
SMALLEST_SCALE = 1e-4  # of the largest gradient: smaller ones are measured by that
FAMILIES = {"gradient": gradient_steps, "proximal": proximal}


def similarity(gradients):
    """O-AMFS: the mean of (1 + (1/m) sum_{j != i} cos(g_i, g_j)) g_i."""
    flat = [np.concatenate([g.reshape(-1) for g in own.values()]) for own in gradients]
    m = len(flat)

    def cosine(i, j):
        return flat[i] @ flat[j] / (np.linalg.norm(flat[i]) * np.linalg.norm(flat[j]))

    factor = [1 + sum(cosine(i, j) for j in range(m) if j != i) / m for i in range(m)]
    return {n: sum(f * g[n] for f, g in zip(factor, gradients)) / m for n in gradients[0]}


def mean(gradients):
    return {n: np.mean([g[n] for g in gradients], axis=0) for n in gradients[0]}


def meta_step(tensors, settings):
    """Losses, gradients of each task and of all, under the names of the file."""
    torch.set_default_dtype(torch.float64)
    theta, network = theta_of(tensors), Network(settings)
    family = FAMILIES.get(settings["inner"]["solver"], closed_form)
    losses, gradients = [], []
    for task in tasks_of(tensors):
        loss, gradient = family.task_step(network, theta, task, settings)
        losses.append(loss.item())
        gradients.append({n: np.zeros(p.shape) if gradient[n] is None
                          else gradient[n].detach().numpy() for n, p in theta.items()})
    combined = (similarity if settings["outer"]["combine"] == "similarity" else mean)(gradients)
    out = {"loss": np.array(losses)}
    for name in theta:
        out["task_grad/" + name] = np.stack([g[name] for g in gradients])
        out["meta_grad/" + name] = combined[name]
    return out


def check(path):
    tensors, metadata = read_safetensors(path)
    expected = meta_step(tensors, json.loads(metadata["settings"]))
    extra = [n for n in tensors if n.startswith(("meta_grad/", "task_grad/")) and n not in expected]
    assert not extra, f"{path}: {extra} are nobody's gradients"
    largest = max(np.abs(a).max() for n, a in expected.items() if n != "loss")
    worst, unused = 0.0, 0
    for name, reference in expected.items():
        scale = np.abs(reference).max()
        assert np.isfinite(scale), f"{name}: the reference is {scale}"
        unused += scale == 0
        # What is zero but for rounding, as of an offset that softmax takes off, has no digits.
        scale = max(scale, SMALLEST_SCALE * largest)
        difference = np.abs(tensors[name] - reference).max() / scale
        worst = max(worst, difference)
        if not difference <= RELATIVE_TOLERANCE:
            sys.exit(f"{path}: {name} differs by {difference:.3e} of its largest element")
    assert unused < len(expected) / 2, f"{path}: {unused} references are zero"
    zeros = f", {unused} of them zero" if unused else ""
    print(f"{Path(path).stem}: {len(expected)} tensors agree{zeros}, largest relative difference {worst:.1e}")


def base_settings(pool, adapt, order, steps):
    return {
        "task": {"kind": "images", "ways": 3, "shots": 1, "queries": 2},
        "model": {"name": "conv4", "width": 4, "pool": pool, "batch_norm_epsilon": 1e-5},
        "inner": {"steps": steps, "lr": 0.3, "adapt": adapt, "order": order, "exact_from": 0,
                  "solver": "gradient", "rates": "fixed", "optimizer": "sgd", "batch": 0},
        "regularize": {"phase": 0, "amplitude": 0},
        "outer": {"gradient": "differentiated", "query_loss": "last", "combine": "mean"},
    }


def make(folder):
    cases = {
        "maml_stride": (base_settings("stride", "all", "exact", 2), 13),
        "maml_max_pool": (base_settings("max", "all", "exact", 1), 18),
        "fomaml_stride": (base_settings("stride", "all", "first", 2), 13),
        "anil_stride": (base_settings("stride", "head", "exact", 2), 13),
        "boil_stride": (base_settings("stride", "body", "exact", 2), 13),
    }
    for index, (case, (settings, side)) in enumerate(cases.items()):
        rng = np.random.default_rng(20261121 + index)
        ways, width, channels, tasks = 3, settings["model"]["width"], 2, 2
        theta, c = {}, channels
        for i in range(1, 5):
            theta[f"theta/conv{i}.weight"] = rng.normal(0, 0.4, (width, c, 3, 3))
            theta[f"theta/bn{i}.weight"] = rng.uniform(0.5, 1.5, width)
            theta[f"theta/bn{i}.bias"] = rng.normal(0, 0.3, width)
            c = width
        theta["theta/head.weight"] = rng.normal(0, 0.5, (ways, width))
        theta["theta/head.bias"] = rng.normal(0, 0.3, ways)
        tensors = dict(theta)
        for name, per_class in (("support", settings["task"]["shots"]),
                                ("query", settings["task"]["queries"])):
            n = ways * per_class
            tensors[name + "_x"] = rng.normal(0, 1, (tasks, n, channels, side, side))
            labels = np.repeat(np.arange(ways, dtype=np.int32), per_class)
            tensors[name + "_y"] = np.tile(labels, (tasks, 1))
        tensors.update(meta_step(tensors, settings))
        metadata = {"settings": json.dumps(settings), "torch": torch.__version__}
        write_safetensors(Path(folder) / f"{case}.safetensors", tensors, metadata)


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in ("check", "make"):
        sys.exit(__doc__)
    for argument in sys.argv[2:]:
        {"check": check, "make": make}[sys.argv[1]](argument)
