"""The networks as functions of named parameters: features, and predictions from features."""

import torch
import torch.nn.functional as F


def batch_norm(p, name, x, settings):
    return F.batch_norm(x, None, None, p[name + ".weight"], p[name + ".bias"], training=True,
                        eps=settings["model"]["batch_norm_epsilon"])


def conv4(p, x, settings):
    strided = settings["model"]["pool"] == "stride"
    for i in range(1, 5):
        x = F.conv2d(x, p[f"conv{i}.weight"], stride=2 if strided else 1, padding=1)
        x = batch_norm(p, f"bn{i}", x, settings)
        if not strided:
            x = F.max_pool2d(x, 2)
        if "context" in p and i == 3:  # FiLM, as CAVIA has it
            scale = F.linear(p["context"], p["film_scale.weight"], p["film_scale.bias"])
            shift = F.linear(p["context"], p["film_shift.weight"], p["film_shift.bias"])
            x = x * scale[:, None, None] + shift[:, None, None]
        x = F.relu(x)
    return x.mean(dim=(2, 3)) if strided else x.flatten(1)


def resnet12(p, x, settings):
    def convolution(x, conv, bn, pad):
        return batch_norm(p, bn, F.conv2d(x, p[conv + ".weight"], padding=pad), settings)

    for block in (f"block{b}." for b in range(1, 5)):
        y = x
        for i in range(1, 4):
            y = convolution(y, f"{block}conv{i}", f"{block}bn{i}", 1)
            y = F.leaky_relu(y, 0.1) if i < 3 else y
        y = y + convolution(x, block + "shortcut_conv", block + "shortcut_bn", 0)
        x = F.max_pool2d(F.leaky_relu(y, 0.1), 2)
    return x.mean(dim=(2, 3))


def mlp(p, x, settings):
    if "context" in p:
        x = torch.cat([x, p["context"].expand(len(x), -1)], dim=1)
    i = 1
    while f"layer{i}.weight" in p:
        x = F.relu(F.linear(x, p[f"layer{i}.weight"], p[f"layer{i}.bias"]))
        i += 1
    return x


class Network:
    def __init__(self, settings):
        self.settings = settings
        self.body = {"conv4": conv4, "resnet12": resnet12, "mlp": mlp}[settings["model"]["name"]]
        self.regression = settings["task"]["kind"] == "sinusoid"
        self.loss = F.mse_loss if self.regression else F.cross_entropy

    def features(self, p, x):
        return self.body(p, x, self.settings)

    def __call__(self, p, x):
        return F.linear(self.features(p, x), p["head.weight"], p["head.bias"])

    def divergence(self, first, second):
        """KL(first || second), mean over examples; numbers stand for normals of deviation 1."""
        if self.regression:
            return ((first - second) ** 2 / 2).sum(1).mean()
        return F.kl_div(second.log_softmax(-1), first.log_softmax(-1), reduction="batchmean",
                        log_target=True)
