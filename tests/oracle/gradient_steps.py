"""Methods that take gradient steps, as anybody would write them with autograd.

MAML, FOMAML, ANIL, BOIL, CAVIA: what is adapted, and to which order. Meta-SGD and MAML++: learned
step sizes, batch norms of each step, a loss after each step. Reptile: how far the steps went.
LIL and SHOT: what is added to the outer loss.
"""

import torch

GROUPS = ("head.", "context", "inner_rate.", "step_norm.")
ADAPTED = {
    "all": lambda n: not n.startswith(GROUPS[1:]),
    "head": lambda n: n.startswith("head."),
    "body": lambda n: not n.startswith(GROUPS),
    "context": lambda n: n == "context",
}


def batch_of(task, per_class, k):
    """per_class examples of each class, going round: support images of step k."""
    if per_class == 0:
        return task.support_x, task.support_y
    chosen = []
    for label in task.support_y.unique():
        (own,) = torch.where(task.support_y == label)
        chosen += [own[(k * per_class + i) % len(own)] for i in range(per_class)]
    indices = torch.stack(chosen)
    return task.support_x[indices], task.support_y[indices]


class InnerLoop:
    """phi_{k+1} = phi_k - rate * grad L_support(phi_k) with all that the settings say of it."""

    def __init__(self, network, theta, task, settings):
        self.network, self.inner = network, settings["inner"]
        exact = self.inner["order"] == "exact" and self.inner["exact_from"] == 0
        names = [n for n in theta if ADAPTED[self.inner["adapt"]](n)
                 and "step_norm." + n not in theta]
        self.adapted, self.phi, self.slopes = names, [theta], []
        squares = {n: torch.zeros_like(theta[n]) for n in names}
        for k in range(self.inner["steps"]):
            phi = self.phi[-1]
            x, y = batch_of(task, self.inner["batch"], k)
            loss = network.loss(network(self.with_norms(phi, k), x), y)
            slope = torch.autograd.grad(loss, [phi[n] for n in names], create_graph=exact)
            self.slopes.append(dict(zip(names, slope)))
            step = self.adam(squares, k) if self.inner["optimizer"] == "adam" else self.slopes[-1]
            self.phi.append(phi | {n: phi[n] - self.rate(theta, n, k) * step[n] for n in names})

    def adam(self, squares, k):
        """Kingma & Ba 2015 with beta1 = 0."""
        step = {}
        for n, g in self.slopes[-1].items():
            squares[n] = 0.999 * squares[n] + 0.001 * g * g
            step[n] = g / (torch.sqrt(squares[n] / (1 - 0.999 ** (k + 1))) + 1e-8)
        return step

    def rate(self, theta, name, k):
        rates = self.inner["rates"]
        if rates == "fixed":
            return self.inner["lr"]
        learned = theta["inner_rate." + name]
        return learned if rates == "per_element" else learned[k]

    def with_norms(self, phi, k):
        prefix = "step_norm."
        return phi | {n[len(prefix):]: phi[n][k] for n in phi if n.startswith(prefix)}

    def predict(self, k, x):
        """With phi_k, and the batch norms with which the step to it was made."""
        return self.network(self.with_norms(self.phi[k], max(k - 1, 0)), x)

    def distance(self, a, b):
        return torch.sqrt(sum(((a[n] - b[n]) ** 2).sum() for n in self.adapted))


def linearity(loop, task, settings):
    """LIL, eq. 7 to 9; SHOT: a straight step of fixed length and a detached teacher."""
    r, inner = settings["regularize"], settings["inner"]
    length = sum(loop.distance(a, b) for a, b in zip(loop.phi, loop.phi[1:]))
    total = r["amplitude"] * length
    if r["phase"] == 0:
        return total
    start, slope = loop.phi[0], loop.slopes[0]
    steepness = torch.sqrt(sum((g**2).sum() for g in slope.values()))
    delta = inner["steps"] * inner["lr"] if r["shot"] else (length / steepness).detach()
    straight = start | {n: start[n] - delta * slope[n] for n in slope}
    teacher = loop.predict(inner["steps"], task.query_x)
    if r["shot"] or r["teacher_detach"]:
        teacher = teacher.detach()
    student = loop.network(straight, task.query_x)
    return total + r["phase"] * loop.network.divergence(teacher, student)


def task_step(network, theta, task, settings):
    """The query loss after the last step, and the gradient of the outer loss."""
    loop = InnerLoop(network, theta, task, settings)
    steps, outer = settings["inner"]["steps"], settings["outer"]
    losses = [network.loss(loop.predict(k, task.query_x), task.query_y) for k in range(steps + 1)]
    if outer["gradient"] == "displacement":
        return losses[-1], {n: theta[n] - loop.phi[-1][n] for n in theta}
    objective = losses[-1]
    if outer["query_loss"] == "multi_step":
        objective = sum(losses[1:]) / steps  # the weights at meta-step 0
    objective = objective + linearity(loop, task, settings)
    gradient = torch.autograd.grad(objective, list(theta.values()), allow_unused=True)
    return losses[-1], dict(zip(theta, gradient))
