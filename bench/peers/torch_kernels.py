#!/usr/bin/env python3
"""The kernels of bench/kernels in PyTorch: cuDNN, cuBLAS, cuSOLVER. A yardstick, not a test.

Reads the cases that `kernels` printed and prints the same lines with PyTorch's times. Where several
calls do the same (a convolution with filters per task: one grouped, or one per task), the fastest
counts, and is named. On a GPU each is captured into a CUDA graph where possible, so that the time
is the device's and not the dispatcher's; the L2 cache is emptied before each call.
"""

import argparse
import json
import statistics
import time

import torch
import torch.nn.functional as F

WARM_UP, LEAST, MOST, SECONDS = 3, 20, 100, 0.1
FLUSHED_BYTES = {True: 256 << 20, False: 64 << 20}  # on a GPU; on a CPU


def on_gpu():
    return torch.get_default_device().type == "cuda"


def uniform(*extents):
    return torch.rand(extents) * 2 - 1


def conv_operands(s):
    """x and y [T,N,H,W,C], filters [T,K,C,R,S]; pixels stand as in channels-last images."""
    x = uniform(s["tasks"], s["images"], s["height"], s["width"], s["channels"])
    w = uniform(s["tasks"], s["filters"], s["channels"], s["filter_height"], s["filter_width"])
    height, width = ((s[side] - 1) // s["stride"] + 1 for side in ("height", "width"))
    y = uniform(s["tasks"], s["images"], height, width, s["filters"])
    return x, w, y


def as_images(x):
    """One task, NCHW with the channels last in memory."""
    return x.permute(0, 3, 1, 2)


def grouped(x):
    """[T,N,H,W,C] -> [N,T*C,H,W], channels last in memory: tasks are groups."""
    tasks, images, height, width, channels = x.shape
    return (x.permute(1, 0, 4, 2, 3).reshape(images, tasks * channels, height, width)
            .contiguous(memory_format=torch.channels_last))


def convolutions(s, mask):
    """The calls for one of the three maps; mask as aten::convolution_backward takes it, or None."""
    x, w, y = conv_operands(s)
    last = torch.channels_last
    filters = [f.contiguous(memory_format=last) for f in w]
    joined = w.flatten(0, 1).contiguous(memory_format=last)
    xs, ys = [as_images(a) for a in x], [as_images(a) for a in y]
    x_grouped, y_grouped = grouped(x), grouped(y)
    stride, pad, tasks = s["stride"], s["pad"], s["tasks"]

    def one(x, w, y, groups):
        if mask is None:
            return F.conv2d(x, w, stride=stride, padding=pad, groups=groups)
        return torch.ops.aten.convolution_backward(
            y, x, w, None, [stride] * 2, [pad] * 2, [1, 1], False, [0, 0], groups, mask)

    return {"one per task": lambda: [one(*operands, 1) for operands in zip(xs, filters, ys)],
            "grouped": lambda: one(x_grouped, joined, y_grouped, tasks)}


def rows_of_channels(s):
    return uniform(s["tasks"], s["rows"], s["channels"])


def sums(s):
    x = rows_of_channels(s)
    return {"sum": lambda: x.sum(1)}


def sums_of_products(s):
    a, b = rows_of_channels(s), rows_of_channels(s)
    return {"mul, sum": lambda: (a * b).sum(1),
            "einsum": lambda: torch.einsum("trc,trc->tc", a, b)}


def scaled_channels(s):
    x, scale = rows_of_channels(s), uniform(s["tasks"], 1, s["channels"])
    return {"mul": lambda: x * scale}


def relu_mask(s):
    x, y_bar = rows_of_channels(s), rows_of_channels(s)
    return {"threshold_backward": lambda: torch.ops.aten.threshold_backward(y_bar, x, 0)}


def pooled(s):
    x = as_images(uniform(s["planes"], s["height"], s["width"], s["channels"]))
    return {"max_pool2d": lambda: F.max_pool2d(x, 2, return_indices=True)}


def pool_scatter(s):
    x = as_images(uniform(s["planes"], s["height"], s["width"], s["channels"]))
    y, index = F.max_pool2d(x, 2, return_indices=True)
    y_bar = torch.rand_like(y)
    return {"max_pool2d_backward": lambda: torch.ops.aten.max_pool2d_with_indices_backward(
        y_bar, x, [2, 2], [2, 2], [0, 0], [1, 1], False, index)}


def products(s):
    a, b = uniform(s["batch"], s["m"], s["k"]), uniform(s["batch"], s["k"], s["n"])
    return {"matmul": lambda: torch.matmul(a, b)}


def dominant(s):
    return uniform(s["batch"], s["n"], s["n"]) + (s["n"] + 1) * torch.eye(s["n"])


def factors(s):
    a = dominant(s)
    return {"cholesky_ex": lambda: torch.linalg.cholesky_ex(a)}


def solves(s):
    l, b = dominant(s).tril(), uniform(s["batch"], s["n"], s["n"])
    return {"solve_triangular": lambda: torch.linalg.solve_triangular(l, b, upper=False)}


def distances(s):
    x, y = uniform(s["tasks"], s["n"], s["d"]), uniform(s["tasks"], s["n"], s["d"])
    exact = "donot_use_mm_for_euclid_dist"  # products would cancel
    return {"cdist, square": lambda: torch.cdist(x, y, compute_mode=exact).square()}


def copies(s):
    x = torch.rand(s["bytes"] // 4)
    y = torch.empty_like(x)
    return {"copy_": lambda: y.copy_(x)}


CALLS = {
    "copy": copies, "matmul": products, "cholesky": factors, "triangular_solve": solves,
    "conv2d": lambda s: convolutions(s, None),
    "conv2d_input_grad": lambda s: convolutions(s, [True, False, False]),
    "conv2d_weight_grad": lambda s: convolutions(s, [False, True, False]),
    "squared_distances": distances, "sum": sums, "sum_of_products": sums_of_products,
    "scale_channels": scaled_channels,
    "relu_mask": relu_mask, "max_pool_index": pooled, "pool_scatter": pool_scatter,
}


def captured(call):
    """The call as a CUDA graph, or as it is where it cannot be one."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UP):
            call()
    torch.cuda.current_stream().wait_stream(side)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph):
            kept = call()
    except RuntimeError:
        torch.cuda.synchronize()
        return call
    return lambda: (graph.replay(), kept)


def timer():
    """time(call) -> milliseconds of one call, the cache emptied before it."""
    flushed = torch.empty(FLUSHED_BYTES[on_gpu()], dtype=torch.uint8)
    if not on_gpu():
        def on_cpu(call):
            flushed.zero_()
            begin = time.perf_counter()
            call()
            return 1e3 * (time.perf_counter() - begin)
        return on_cpu
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))

    def on_device(call):
        flushed.zero_()
        begin.record()
        call()
        end.record()
        end.synchronize()
        return begin.elapsed_time(end)
    return on_device


def samples_of(call, time_once, best):
    """Milliseconds; none of a call that is far slower than the best one."""
    if on_gpu():
        call = captured(call)
    warm = min(time_once(call) for _ in range(WARM_UP))
    if best is not None and warm > 2 * best:
        return []
    samples, spent = [], 0.0
    while len(samples) < LEAST or (spent < SECONDS and len(samples) < MOST):
        samples.append(time_once(call))
        spent += samples[-1] / 1e3
    return samples


def summary(samples):
    quartiles = statistics.quantiles(samples, n=4, method="inclusive")
    return {"median": quartiles[1], "quartile_1": quartiles[0], "quartile_3": quartiles[2],
            "least": min(samples), "n": len(samples)}


def timed(case, time_once):
    """The case with the times of the fastest call."""
    best, median = {}, None
    for name, call in CALLS[case["kernel"]](case["shape"]).items():
        samples = samples_of(call, time_once, median)
        if samples and (median is None or statistics.median(samples) < median):
            best = {"call": name, "ms": summary(samples)}
            median = best["ms"]["median"]
    same = {key: case[key] for key in ("kernel", "where", "shape", "flops", "bytes", "precision")}
    return same | best | {"version": torch.__version__}


def set_precision(precision):
    allowed = precision == "tf32"
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed
    torch.backends.cudnn.benchmark = True


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--cases", required=True, help="what `kernels` printed")
    arguments = parser.parse_args()
    torch.set_default_device(arguments.device)
    torch.manual_seed(0)
    time_once = timer()
    with open(arguments.cases) as file:
        cases = [json.loads(line) for line in file]
    for case in cases:
        if case["kernel"] not in CALLS:
            continue
        set_precision(case["precision"])
        with torch.no_grad():
            print(json.dumps(timed(case, time_once)), flush=True)


if __name__ == "__main__":
    main()
