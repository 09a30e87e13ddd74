"""Heads in closed form on the features of the network: ProtoNets, R2-D2, MetaOptNet, I-AMFS."""

import torch
import torch.nn.functional as F

from quadratic_program import support_vector_coefficients


def targets(task, settings):
    if task.support_y.is_floating_point():
        return task.support_y
    return F.one_hot(task.support_y, settings["task"]["ways"]).double()


def prototypes(theta, z, z_query, y, settings):
    """-|z_q - c_m|^2, c_m the mean feature of class m. Snell et al. 2017, eq. 1 and 2."""
    means = torch.stack([z[y[:, m] == 1].mean(dim=0) for m in range(y.shape[1])])
    means = means.detach() if settings["head"]["first_order"] else means
    return -((z_query[:, None] - means) ** 2).sum(-1), 0


def ridge(theta, z, z_query, y, settings):
    """The primal form always: W = (Z'Z/n + lambda I)^-1 Z'Y/n. Bertinetto et al. 2019, eq. 3."""
    z, z_query = (F.pad(a, (0, 1), value=1) for a in (z, z_query))
    log_weight = theta.get("ridge.log_lambda", torch.tensor(settings["head"]["lambda"]).log())
    system = z.T @ z / len(z) + torch.exp(log_weight) * torch.eye(z.shape[1])
    w = torch.linalg.solve(system, z.T @ y / len(z))
    w = w.detach() if settings["head"]["first_order"] else w
    return theta["ridge.scale"] * z_query @ w + theta["ridge.offset"], 0


def support_vectors(theta, z, z_query, y, settings):
    """s z_q Z'A. Lee et al. 2019, eq. 5 and 6, with the kernel Z Z' + I of their code."""
    a = support_vector_coefficients(z @ z.T + torch.eye(len(z)), y, settings["head"]["margin"])
    a = a.detach() if settings["head"]["first_order"] else a
    return theta["svm.scale"] * z_query @ z.T @ a, 0


def rbf_ridge(theta, z, z_query, y, settings):
    """s k(z_q, Z) (K + lambda I)^-1 (Y - 1/N), and the terms of the AMFS objective."""
    head, r = settings["head"], settings["regularize"]

    def number(name, start):
        return torch.exp(theta.get("rbf_ridge.log_" + name, torch.tensor(start).log()))

    sigma, weight = number("sigma", head["sigma"]), number("lambda", head["lambda"])

    def kernel(a, b):
        return torch.exp(-((a[:, None] - b) ** 2).sum(-1) / (2 * sigma**2))

    n, k = len(z), kernel(z, z)
    a = torch.linalg.inv(k + weight * torch.eye(n)) @ (y - 1 / y.shape[1])
    a = a.detach() if head["first_order"] else a
    logits = number("scale", head["scale"]) * kernel(z_query, z) @ a
    capacity = torch.trace(a.T @ k @ a)
    sign = -1 if r["mu_sign"] == "minus" else 1
    terms = sign * r["gradient_norm"] * (weight / n) ** 2 * capacity
    if r["information"]:
        p = logits.softmax(-1)
        entropy = torch.distributions.Categorical
        information = {
            "gain": lambda: torch.logdet(torch.eye(n) + k / weight) / (2 * n),
            "capacity": lambda: capacity,
            "mutual": lambda: entropy(p.mean(0)).entropy() - entropy(p).entropy().mean(),
        }
        terms = terms + r["information"] * information[r["information_kind"]]()
    return logits, terms


HEADS = {"prototypes": prototypes, "ridge": ridge, "svm": support_vectors, "rbf_ridge": rbf_ridge}


def task_step(network, theta, task, settings):
    head = HEADS[settings["inner"]["solver"]]
    z, z_query = (network.features(theta, x) for x in (task.support_x, task.query_x))
    logits, terms = head(theta, z, z_query, targets(task, settings), settings)
    loss = network.loss(logits, task.query_y)
    gradient = torch.autograd.grad(loss + terms, list(theta.values()), allow_unused=True)
    return loss, dict(zip(theta, gradient))
