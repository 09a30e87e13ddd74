#!/usr/bin/env python3
"""The MAML meta-step in PyTorch, exact second order, with torch.func.

vmap      all tasks at once, eager: the documented torch.func way
compiled  the whole step traced with make_fx (torch.compile has no double backward), compiled by
          Inductor; on a GPU replayed as one CUDA graph
graph     vmap, captured as it is into one CUDA graph
loop      tasks one after another, eager
loop-graph  loop, captured into one CUDA graph
"""

import time

import torch
from torch.func import grad, vmap
from torch.fx.experimental.proxy_tensor import make_fx

import harness
from torch_networks import composed_batch_norm, library_batch_norm, make_task_loss

VARIANTS = ("vmap", "compiled", "graph", "loop", "loop-graph")


def torch_gradient(loss, phi, x, y):
    return grad(loss)(phi, x, y)


def make_step(settings, batched):
    """(theta, episode) -> losses [T], meta-gradient by name."""
    task_loss = make_task_loss(settings, torch_gradient,
                               composed_batch_norm if batched else library_batch_norm)

    def vmapped(theta, episode):
        def mean_loss(theta):
            losses = vmap(task_loss, in_dims=(None, 0, 0, 0, 0))(theta, *episode)
            return losses.mean(), losses

        slopes, losses = grad(mean_loss, has_aux=True)(theta)
        return losses, slopes

    def looped(theta, episode):
        def with_loss(theta, *task):
            loss = task_loss(theta, *task)
            return loss, loss

        losses, total = [], None
        for task in zip(*episode):
            slopes, loss = grad(with_loss, has_aux=True)(theta, *task)
            losses.append(loss)
            total = slopes if total is None else {n: total[n] + slopes[n] for n in total}
        return torch.stack(losses), {n: g / len(losses) for n, g in total.items()}

    return vmapped if batched else looped


def compile_step(step, theta, episode):
    traced = make_fx(step)(theta, episode)
    return torch.compile(traced, fullgraph=True)


def capture(step, theta, episode):
    """A step as one CUDA graph; the inputs stay where they are."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(harness.WARM_UP_STEPS):
            step(theta, episode)
    torch.cuda.current_stream().wait_stream(side)
    torch.cuda.reset_peak_memory_stats()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = step(theta, episode)

    def replay(theta, episode):
        graph.replay()
        return out

    return replay


class Precision:
    """float64, float32 throughout, or float32 as the library comes (TF32 convolutions)."""

    def __init__(self):
        self.as_it_comes = (torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32)

    def set(self, precision):
        convolution, matmul = self.as_it_comes if precision == "default" else (False, False)
        torch.backends.cudnn.allow_tf32 = convolution
        torch.backends.cuda.matmul.allow_tf32 = matmul
        return torch.float64 if precision == "f64" else torch.float32


def to_device(step, dtype, device):
    theta = {n: torch.tensor(a, dtype=dtype, device=device) for n, a in step.theta.items()}
    episode = tuple(torch.tensor(a, dtype=dtype if a.ndim == 5 else torch.int64, device=device)
                    for a in step.episode)
    return theta, episode


def prepare(arguments, step, theta, episode):
    """The step of the variant, without CUDA graph; compiled code serves strict and default."""
    run = make_step(step.settings, batched=not arguments.variant.startswith("loop"))
    return compile_step(run, theta, episode) if arguments.variant == "compiled" else run


def main():
    arguments = harness.parse_arguments(__doc__, VARIANTS)
    on_gpu = arguments.device == "cuda"
    graph = on_gpu and arguments.variant in ("compiled", "graph", "loop-graph")
    if arguments.variant.endswith("graph") and not on_gpu:
        raise SystemExit(f"{arguments.variant} needs --device cuda")
    torch.backends.cudnn.benchmark = True  # the fastest algorithm for each shape, found once
    step, report = harness.start(
        "torch", arguments, version=torch.__version__,
        device_name=torch.cuda.get_device_name() if on_gpu else "CPU",
        threads=torch.get_num_threads(), cudnn_benchmark=True, cuda_graph=graph)
    modes, prepared = Precision(), {}
    if arguments.variant == "compiled":
        torch.set_grad_enabled(False)

    def synchronize():
        if on_gpu:
            torch.cuda.synchronize()

    for precision, iterations in harness.passes(arguments):
        dtype = modes.set(precision)
        theta, episode = to_device(step, dtype, arguments.device)
        harness.release(step, arguments)
        begin = time.perf_counter()
        if dtype not in prepared:
            prepared[dtype] = prepare(arguments, step, theta, episode)
        run = prepared[dtype]
        if graph:
            run = capture(run, theta, episode)
        losses, slopes = run(theta, episode)
        synchronize()
        report.add(precision, prepare_s=time.perf_counter() - begin)
        harness.settle_agreement(report, precision, harness.agreement(
            step, losses.detach().cpu().numpy(),
            {n: g.detach().cpu().numpy() for n, g in slopes.items()}))
        del losses, slopes

        def run_step():
            run(theta, episode)
            synchronize()

        if on_gpu and not graph:
            torch.cuda.reset_peak_memory_stats()
        harness.measure(report, precision, iterations, arguments, run_step,
                        torch.cuda.max_memory_allocated if on_gpu else harness.resident_peak)
        del run, run_step
        if on_gpu:
            torch.cuda.empty_cache()


if __name__ == "__main__":
    main()
