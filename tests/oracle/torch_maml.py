"""MAML in PyTorch, float64, as anybody would write it: the independent reference.

  torch_maml.py check STEP.safetensors       compares a `metatape step --dtype f64 --dump` file
  torch_maml.py make  FIXTURES               writes the fixtures of tests/meta/torch_fixture_test.cpp

Needs PyTorch (any version from 1.13) and NumPy; nothing of metatape.
"""

import json
import struct
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

RELATIVE_TOLERANCE = 1e-9  # float64; other orders of summation through a whole meta-step
DTYPES = {"F64": np.float64, "F32": np.float32, "I32": np.int32, "I64": np.int64, "U8": np.uint8}


def read_safetensors(path):
    raw = Path(path).read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    metadata = header.pop("__metadata__", {})
    data = raw[8 + length :]
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        array = np.frombuffer(data[begin:end], dtype=DTYPES[entry["dtype"]])
        tensors[name] = array.reshape(entry["shape"])
    return tensors, metadata


def write_safetensors(path, tensors, metadata):
    names = {np.dtype(v): k for k, v in DTYPES.items()}
    header, offset = {"__metadata__": metadata}, 0
    for name, array in tensors.items():
        header[name] = {
            "dtype": names[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [offset, offset + array.nbytes],
        }
        offset += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    body = b"".join(np.ascontiguousarray(a).tobytes() for a in tensors.values())
    Path(path).write_bytes(struct.pack("<Q", len(text)) + text + body)


def conv4(p, x, settings):
    strided = settings["model"]["pool"] == "stride"
    for i in range(1, 5):
        x = F.conv2d(x, p[f"conv{i}.weight"], stride=2 if strided else 1, padding=1)
        x = F.batch_norm(x, None, None, p[f"bn{i}.weight"], p[f"bn{i}.bias"], training=True,
                         eps=settings["model"]["batch_norm_epsilon"])
        x = F.relu(x)
        if not strided:
            x = F.max_pool2d(x, 2)
    x = x.mean(dim=(2, 3)) if strided else x.flatten(1)
    return F.linear(x, p["head.weight"], p["head.bias"])


def resnet12(p, x, settings):
    def convolution(x, conv, bn, pad):
        x = F.conv2d(x, p[conv + ".weight"], padding=pad)
        return F.batch_norm(x, None, None, p[bn + ".weight"], p[bn + ".bias"], training=True,
                            eps=settings["model"]["batch_norm_epsilon"])

    for block in (f"block{b}." for b in range(1, 5)):
        y = x
        for i in range(1, 4):
            y = convolution(y, f"{block}conv{i}", f"{block}bn{i}", 1)
            y = F.leaky_relu(y, 0.1) if i < 3 else y
        y = y + convolution(x, block + "shortcut_conv", block + "shortcut_bn", 0)
        x = F.max_pool2d(F.leaky_relu(y, 0.1), 2)
    return F.linear(x.mean(dim=(2, 3)), p["head.weight"], p["head.bias"])


def mlp(p, x, settings):
    i = 1
    while f"layer{i}.weight" in p:
        x = F.relu(F.linear(x, p[f"layer{i}.weight"], p[f"layer{i}.bias"]))
        i += 1
    return F.linear(x, p["head.weight"], p["head.bias"])


def task_loss(theta, support, query, settings):
    """Query loss after the inner loop, differentiable in theta."""
    network = {"conv4": conv4, "resnet12": resnet12, "mlp": mlp}[settings["model"]["name"]]
    loss = F.mse_loss if settings["task"]["kind"] == "sinusoid" else F.cross_entropy
    inner = settings["inner"]
    group = {"all": lambda n: True,
             "head": lambda n: n.startswith("head."),
             "body": lambda n: not n.startswith("head.")}[inner["adapt"]]
    phi = dict(theta)
    for _ in range(inner["steps"]):
        adapted = [n for n in phi if group(n)]
        gradient = torch.autograd.grad(loss(network(phi, support[0], settings), support[1]),
                                       [phi[n] for n in adapted],
                                       create_graph=inner["order"] == "exact")
        for name, g in zip(adapted, gradient):
            phi[name] = phi[name] - inner["lr"] * g
    return loss(network(phi, query[0], settings), query[1])


def meta_step(tensors, settings):
    theta = {n[len("theta/"):]: torch.tensor(a, dtype=torch.float64, requires_grad=True)
             for n, a in tensors.items() if n.startswith("theta/")}
    regression = settings["task"]["kind"] == "sinusoid"

    def part(name, t):
        x = torch.tensor(tensors[name + "_x"][t], dtype=torch.float64)
        y = tensors[name + "_y"][t]
        return x, torch.tensor(y, dtype=torch.float64 if regression else torch.int64)

    losses, gradients = [], []
    for t in range(tensors["support_x"].shape[0]):
        value = task_loss(theta, part("support", t), part("query", t), settings)
        gradients.append(torch.autograd.grad(value, list(theta.values()), allow_unused=True))
        losses.append(value.item())
    out = {"loss": np.array(losses)}
    for i, (name, p) in enumerate(theta.items()):
        per_task = np.stack([np.zeros(p.shape) if g[i] is None else g[i].numpy()
                             for g in gradients])
        out["task_grad/" + name] = per_task
        out["meta_grad/" + name] = per_task.mean(axis=0)
    return out


def check(path):
    tensors, metadata = read_safetensors(path)
    expected = meta_step(tensors, json.loads(metadata["settings"]))
    worst = 0.0
    for name, reference in expected.items():
        scale = np.abs(reference).max()
        assert np.isfinite(scale) and scale > 0, f"{name}: the reference is {scale}"
        difference = np.abs(tensors[name] - reference).max() / scale
        worst = max(worst, difference)
        if difference > RELATIVE_TOLERANCE:
            sys.exit(f"{path}: {name} differs by {difference:.3e} of its largest element")
    print(f"{path}: {len(expected)} tensors agree, largest relative difference {worst:.1e}")


def base_settings(pool, adapt, order, steps):
    return {
        "task": {"kind": "images", "ways": 3, "shots": 1, "queries": 2},
        "model": {"name": "conv4", "width": 4, "pool": pool, "batch_norm_epsilon": 1e-5},
        "inner": {"steps": steps, "lr": 0.3, "adapt": adapt, "order": order},
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
    if len(sys.argv) != 3 or sys.argv[1] not in ("check", "make"):
        sys.exit(__doc__)
    {"check": check, "make": make}[sys.argv[1]](sys.argv[2])
