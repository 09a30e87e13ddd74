"""iMAML and FO-B-MAML: phi = argmin L_support + nu L_query + lambda/2 |phi - theta|^2."""

import torch


def solve(network, theta, task, settings, nu=0.0):
    """Gradient steps from theta."""
    inner = settings["inner"]
    phi = {n: p.detach() for n, p in theta.items()}
    for _ in range(inner["steps"]):
        phi = {n: p.requires_grad_() for n, p in phi.items()}
        pull = sum(((phi[n] - theta[n].detach()) ** 2).sum() for n in phi) * inner["lambda"] / 2
        loss = network.loss(network(phi, task.support_x), task.support_y) + pull
        if nu:
            loss = loss + nu * network.loss(network(phi, task.query_x), task.query_y)
        slope = torch.autograd.grad(loss, list(phi.values()))
        phi = {n: (p - inner["lr"] * g).detach() for (n, p), g in zip(phi.items(), slope)}
    return {n: p.requires_grad_() for n, p in phi.items()}


def flat(tensors):
    return torch.cat([t.reshape(-1) for t in tensors])


def implicit(network, phi, task, settings):
    """x with ((1 + damping) I + H / lambda) x = grad L_query, as far as cg_steps steps of conjugate
    gradients get: the solution within the Krylov space of that dimension, from its definition."""
    inner, values = settings["inner"], list(phi.values())
    loss = network.loss(network(phi, task.support_x), task.support_y)
    slope = flat(torch.autograd.grad(loss, values, create_graph=True))

    def system(v):
        product = flat(torch.autograd.grad(slope @ v, values, retain_graph=True))
        return (1 + inner["damping"]) * v + product / inner["lambda"]

    query_loss = network.loss(network(phi, task.query_x), task.query_y)
    b = flat(torch.autograd.grad(query_loss, values))
    basis, v = [], b
    for _ in range(inner["cg_steps"]):
        for _ in range(2):  # twice is enough for an orthogonal basis
            for q in basis:
                v = v - (q @ v) * q
        basis.append(v / v.norm())
        v = system(basis[-1])
    q = torch.stack(basis, dim=1)
    images = torch.stack([system(v) for v in basis], dim=1)
    return q @ torch.linalg.solve(q.T @ images, q.T @ b)


def task_step(network, theta, task, settings):
    outer, weight = settings["outer"], settings["inner"]["lambda"]
    phi = solve(network, theta, task, settings)
    loss = network.loss(network(phi, task.query_x), task.query_y)
    if outer["gradient"] == "implicit":
        x = implicit(network, phi, task, settings)
        parts = x.split([p.numel() for p in phi.values()])
        return loss, {n: part.reshape(phi[n].shape) for n, part in zip(phi, parts)}
    nu = outer["difference"]
    above = solve(network, theta, task, settings, nu)
    if outer["gradient"] == "forward_difference":
        return loss, {n: weight * (phi[n] - above[n]) / nu for n in phi}
    below = solve(network, theta, task, settings, -nu)
    return loss, {n: weight * (below[n] - above[n]) / (2 * nu) for n in phi}
