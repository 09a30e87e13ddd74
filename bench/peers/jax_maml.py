#!/usr/bin/env python3
"""The MAML meta-step in JAX, exact second order: jit of the gradient through the inner loop.

vmap         vmap over the tasks, max-pooling by reduce_window as in flax: the documented way
vmap-select  vmap over the tasks, max-pooling by comparing the four corners (XLA fuses it)
map          tasks one after another inside the compiled program (lax.map)
map-select   likewise, with the pooling of vmap-select
"""

import os
import time

import harness

VARIANTS = ("vmap", "vmap-select", "map", "map-select")
DIMENSIONS = ("NHWC", "HWIO", "NHWC")


def pool_by_window(x):
    import jax

    return jax.lax.reduce_window(x, -float("inf"), jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def pool_by_select(x):
    """The same maximum; at ties the gradient goes to the first corner, as in reduce_window."""
    import jax.numpy as jnp

    def larger(a, b):
        return jnp.where(a >= b, a, b)

    height, width = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    corner = [x[:, i:height:2, j:width:2] for i in (0, 1) for j in (0, 1)]
    return larger(larger(corner[0], corner[1]), larger(corner[2], corner[3]))


def make_task_loss(settings, pool):
    """theta, support_x, support_y, query_x, query_y -> query loss after the inner loop."""
    import jax
    import jax.numpy as jnp

    model, inner = settings["model"], settings["inner"]
    epsilon, strided = model["batch_norm_epsilon"], model["pool"] == "stride"

    def conv(p, name, x, stride=1, pad=1):
        return jax.lax.conv_general_dilated(x, p[name + ".weight"], (stride, stride),
                                            ((pad, pad), (pad, pad)), dimension_numbers=DIMENSIONS)

    def batch_norm(p, name, x):
        """Variance as mean of squares less squared mean, in one pass, as flax has it."""
        mean = x.mean((0, 1, 2))
        variance = jnp.square(x).mean((0, 1, 2)) - jnp.square(mean)
        scale = p[name + ".weight"] * jax.lax.rsqrt(variance + epsilon)
        return (x - mean) * scale + p[name + ".bias"]

    def head(p, x):
        return x @ p["head.weight"] + p["head.bias"]

    def conv4(p, x):
        for i in range(1, 5):
            x = conv(p, f"conv{i}", x, stride=2 if strided else 1)
            x = jax.nn.relu(batch_norm(p, f"bn{i}", x))
            if not strided:
                x = pool(x)
        return head(p, x.mean((1, 2)) if strided else x.reshape(x.shape[0], -1))

    def resnet12(p, x):
        for b in range(1, 5):
            block = f"block{b}."
            shortcut = conv(p, block + "shortcut_conv", x, pad=0)
            shortcut = batch_norm(p, block + "shortcut_bn", shortcut)
            for i in range(1, 4):
                x = batch_norm(p, f"{block}bn{i}", conv(p, f"{block}conv{i}", x))
                x = jax.nn.leaky_relu(x + shortcut if i == 3 else x, 0.1)
            x = pool(x)
        return head(p, x.mean((1, 2)))

    network = {"conv4": conv4, "resnet12": resnet12}[model["name"]]

    def loss(p, x, y):
        log_p = jax.nn.log_softmax(network(p, x))
        return -jnp.take_along_axis(log_p, y[:, None], axis=1).mean()

    def task_loss(theta, support_x, support_y, query_x, query_y):
        phi = theta
        for _ in range(inner["steps"]):
            slope = jax.grad(loss)(phi, support_x, support_y)
            phi = jax.tree.map(lambda value, g: value - inner["lr"] * g, phi, slope)
        return loss(phi, query_x, query_y)

    return task_loss


def make_step(settings, variant):
    """(theta, episode) -> losses [T], meta-gradient by name."""
    import jax

    task_loss = make_task_loss(settings, pool_by_select if "select" in variant else pool_by_window)

    def vmapped(theta, episode):
        def mean_loss(theta):
            losses = jax.vmap(task_loss, in_axes=(None, 0, 0, 0, 0))(theta, *episode)
            return losses.mean(), losses

        slopes, losses = jax.grad(mean_loss, has_aux=True)(theta)
        return losses, slopes

    def mapped(theta, episode):
        task_gradient = jax.value_and_grad(task_loss)
        losses, slopes = jax.lax.map(lambda task: task_gradient(theta, *task), episode)
        return losses, jax.tree.map(lambda g: g.mean(0), slopes)

    return vmapped if variant.startswith("vmap") else mapped


class Layout:
    """Between the file's order and JAX's: filters KCRS and RSCK, images NCHW and NHWC."""

    def __init__(self, step):
        model = step.settings["model"]
        self.flattened = model["name"] == "conv4" and model["pool"] == "max"
        self.channels = model.get("width")

    def head(self, weight):
        """The head reads a flattened image of C,H,W in the file, of H,W,C here; square images."""
        if not self.flattened:
            return weight
        side = round((weight.shape[1] / self.channels) ** 0.5)
        return weight.reshape(-1, self.channels, side, side)

    def to_jax(self, name, array):
        if name == "head.weight":
            array = self.head(array)
            if array.ndim == 4:
                array = array.transpose(0, 2, 3, 1).reshape(array.shape[0], -1)
            return array.T
        return array.transpose(2, 3, 1, 0) if array.ndim == 4 else array

    def to_file(self, name, array, shape):
        if name == "head.weight":
            array = array.T
            if self.flattened:
                side = round((shape[1] / self.channels) ** 0.5)
                array = array.reshape(shape[0], side, side, self.channels).transpose(0, 3, 1, 2)
            return array.reshape(shape)
        return array.transpose(3, 2, 0, 1) if array.ndim == 4 else array


def peak_memory(device):
    """Of the device since the program began; of the process on a CPU."""
    statistics = device.memory_stats() or {}
    return statistics.get("peak_bytes_in_use") or harness.resident_peak()


def main():
    arguments = harness.parse_arguments(__doc__, VARIANTS)
    os.environ["JAX_PLATFORMS"] = arguments.device
    import jax
    import numpy as np

    device = jax.devices()[0]
    step, report = harness.start("jax", arguments, version=jax.__version__,
                                 device_name=device.device_kind)
    layout = Layout(step)
    for precision, iterations in harness.passes(arguments):
        jax.config.update("jax_enable_x64", precision == "f64")
        jax.config.update("jax_default_matmul_precision",
                          None if precision == "default" else "highest")
        dtype = np.float64 if precision == "f64" else np.float32
        theta = jax.device_put({n: layout.to_jax(n, a).astype(dtype)
                                for n, a in step.theta.items()})
        episode = jax.device_put(tuple(
            a.transpose(0, 1, 3, 4, 2).astype(dtype) if a.ndim == 5 else a.astype(np.int32)
            for a in step.episode))
        harness.release(step, arguments)

        begin = time.perf_counter()
        run = jax.jit(make_step(step.settings, arguments.variant)).lower(theta, episode).compile()
        report.add(precision, prepare_s=time.perf_counter() - begin,
                   temporary_bytes=getattr(run.memory_analysis(), "temp_size_in_bytes", None))
        losses, slopes = jax.block_until_ready(run(theta, episode))
        harness.settle_agreement(report, precision, harness.agreement(
            step, np.asarray(losses),
            {n: layout.to_file(n, np.asarray(g), step.meta_grad[n].shape)
             for n, g in slopes.items()}))
        harness.measure(report, precision, iterations, arguments,
                        lambda: jax.block_until_ready(run(theta, episode)),
                        lambda: peak_memory(device))


if __name__ == "__main__":
    main()
