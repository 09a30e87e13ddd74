"""One meta-step in a file: episodes, parameters, losses and meta-gradients, as safetensors.

`metatape step --dump` writes such files; drawn_step.py writes them where metatape cannot. Names:
theta/<parameter>, support_x [T,N,C,H,W], support_y [T,N], query_x, query_y, loss [T],
meta_grad/<parameter>, task_grad/<parameter> [T,...]; the settings are JSON in the metadata.
Needs NumPy only.
"""

import json
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

DTYPES = {"F64": np.float64, "F32": np.float32, "I32": np.int32, "I64": np.int64, "U8": np.uint8}
EPISODE = ("support_x", "support_y", "query_x", "query_y")


def read_safetensors(path):
    raw = Path(path).read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        array = np.frombuffer(raw[8 + length + begin : 8 + length + end], DTYPES[entry["dtype"]])
        tensors[name] = array.reshape(entry["shape"])
    return tensors, metadata


def write_safetensors(path, tensors, metadata):
    names = {np.dtype(v): k for k, v in DTYPES.items()}
    header, offset = {"__metadata__": metadata}, 0
    for name, array in tensors.items():
        header[name] = {"dtype": names[array.dtype], "shape": list(array.shape),
                        "data_offsets": [offset, offset + array.nbytes]}
        offset += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for array in tensors.values():
            file.write(np.ascontiguousarray(array).tobytes())


@dataclass
class Step:
    """What every peer computes, and the answer."""

    settings: dict
    source: str  # who computed the answer
    theta: dict  # name -> array
    episode: tuple  # support_x, support_y, query_x, query_y
    loss: np.ndarray  # [T]
    meta_grad: dict  # name -> array; mean over the tasks

    @property
    def tasks(self):
        return len(self.loss)


def load_step(path, tasks=None):
    """The first `tasks` tasks of a file (None: all)."""
    tensors, metadata = read_safetensors(path)
    settings = json.loads(metadata["settings"])
    inner = settings["inner"]
    if (inner["adapt"], inner["order"]) != ("all", "exact"):
        raise SystemExit(f"{path}: inner.adapt={inner['adapt']}, inner.order={inner['order']}; "
                         "the peers compute all, exact")
    if tensors["loss"].dtype != np.float64:
        raise SystemExit(f"{path}: the reference is {tensors['loss'].dtype}; "
                         "write it in double (metatape step --dtype f64)")
    available = len(tensors["loss"])
    tasks = tasks or available
    if tasks > available:
        raise SystemExit(f"{path} holds {available} tasks, {tasks} are asked for")

    def group(prefix):
        return {n[len(prefix):]: a for n, a in tensors.items() if n.startswith(prefix)}

    return Step(settings=settings,
                source=metadata.get("source", "metatape step"),
                theta=group("theta/"),
                episode=tuple(tensors[name][:tasks] for name in EPISODE),
                loss=tensors["loss"][:tasks],
                meta_grad={n: a[:tasks].mean(axis=0) for n, a in group("task_grad/").items()})
