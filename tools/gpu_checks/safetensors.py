"""Tensors of a safetensors file as Python numbers, without NumPy."""

import array
import json
import math
import struct

CODES = {"F64": "d", "F32": "f", "I32": "i", "I64": "q"}


def read(path, wanted):
    """Name -> values, for the tensors whose name wanted(name) accepts."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        tensors = {}
        for name, entry in header.items():
            if name == "__metadata__" or not wanted(name):
                continue
            begin, end = entry["data_offsets"]
            file.seek(8 + length + begin)
            values = array.array(CODES[entry["dtype"]])
            values.frombytes(file.read(end - begin))
            tensors[name] = values
    return tensors


def nmse(found, reference):
    """sum |f - r|^2 / sum |r|^2. Zero for a reference of zeros that is met exactly, else infinite:
    nothing that is not a number agrees with anything."""
    if len(found) != len(reference):
        return math.inf
    error = math.fsum((f - r) * (f - r) for f, r in zip(found, reference))
    norm = math.fsum(r * r for r in reference)
    if norm == 0:
        return 0.0 if error == 0 else math.inf
    return error / norm if math.isfinite(error) and math.isfinite(norm) else math.inf
