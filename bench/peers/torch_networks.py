"""The networks and the meta-loss in PyTorch: functions of a dictionary of parameters.

Convolutions have no bias (batch norm would cancel it); batch norm uses the statistics of the batch.
"""

import torch
import torch.nn.functional as F


def library_batch_norm(p, name, x, epsilon):
    return F.batch_norm(x, None, None, p[name + ".weight"], p[name + ".bias"], training=True,
                        eps=epsilon)


def composed_batch_norm(p, name, x, epsilon):
    """For vmap: there the second derivative of F.batch_norm is wrong.

    PyTorch 2.11 on a CPU, float64, workload tiny: with it the meta-gradient differs by 7e-2 of its
    largest element from the loop over tasks, with this one by 1e-14.
    """
    variance, mean = torch.var_mean(x, (0, 2, 3), correction=0, keepdim=True)
    scale = p[name + ".weight"][:, None, None] * torch.rsqrt(variance + epsilon)
    return (x - mean) * scale + p[name + ".bias"][:, None, None]


def conv4(p, x, model, batch_norm):
    """Four blocks of convolution, batch norm, ReLU, downsampling; a linear head."""
    strided, epsilon = model["pool"] == "stride", model["batch_norm_epsilon"]
    for i in range(1, 5):
        x = F.conv2d(x, p[f"conv{i}.weight"], stride=2 if strided else 1, padding=1)
        x = F.relu(batch_norm(p, f"bn{i}", x, epsilon))
        if not strided:
            x = F.max_pool2d(x, 2)
    x = x.mean(dim=(2, 3)) if strided else x.flatten(1)
    return F.linear(x, p["head.weight"], p["head.bias"])


def resnet12(p, x, model, batch_norm):
    """Four blocks of three convolutions with a 1x1 shortcut, each before 2x2 max-pooling.

    As in MetaOptNet (Lee et al. 2019, arXiv:1904.03758) without DropBlock, and with global average
    pooling as in BOIL (Oh et al. 2021, arXiv:2008.08882).
    """
    epsilon = model["batch_norm_epsilon"]
    for b in range(1, 5):
        block = f"block{b}."
        shortcut = F.conv2d(x, p[block + "shortcut_conv.weight"])
        shortcut = batch_norm(p, block + "shortcut_bn", shortcut, epsilon)
        for i in range(1, 4):
            x = F.conv2d(x, p[f"{block}conv{i}.weight"], padding=1)
            x = batch_norm(p, f"{block}bn{i}", x, epsilon)
            x = F.leaky_relu(x + shortcut if i == 3 else x, 0.1)
        x = F.max_pool2d(x, 2)
    return F.linear(x.mean(dim=(2, 3)), p["head.weight"], p["head.bias"])


NETWORKS = {"conv4": conv4, "resnet12": resnet12}


def make_task_loss(settings, gradient, batch_norm=library_batch_norm):
    """theta, support_x, support_y, query_x, query_y -> query loss after the inner loop.

    `gradient(loss, phi, x, y)` is the gradient of loss(phi, x, y) in phi, differentiable itself.
    """
    model, inner = settings["model"], settings["inner"]
    network = NETWORKS[model["name"]]

    def loss(p, x, y):
        return F.cross_entropy(network(p, x, model, batch_norm), y)

    def task_loss(theta, support_x, support_y, query_x, query_y):
        phi = theta
        for _ in range(inner["steps"]):
            slope = gradient(loss, phi, support_x, support_y)
            phi = {name: phi[name] - inner["lr"] * slope[name] for name in phi}
        return loss(phi, query_x, query_y)

    return task_loss
