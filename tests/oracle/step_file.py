"""Files of `metatape step --dump`, and what is in them: settings, meta-parameters, episodes."""

import json
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

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


@dataclass
class Task:
    support_x: torch.Tensor
    support_y: torch.Tensor
    query_x: torch.Tensor
    query_y: torch.Tensor


def tasks_of(tensors):
    def tensor(name, t):
        array = tensors[name][t]
        whole = np.issubdtype(array.dtype, np.integer)
        return torch.tensor(array, dtype=torch.int64 if whole else torch.float64)

    parts = ("support_x", "support_y", "query_x", "query_y")
    return [Task(*(tensor(p, t) for p in parts)) for t in range(len(tensors["support_x"]))]


def theta_of(tensors):
    return {n[len("theta/"):]: torch.tensor(a, dtype=torch.float64, requires_grad=True)
            for n, a in tensors.items() if n.startswith("theta/")}
