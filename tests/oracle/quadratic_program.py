"""The dual of the Crammer-Singer support vector machine by an interior-point method."""

import torch


def conditions(kernel, y, margin, a, nu, slack_price):
    """What vanishes at the solution of min tr(A'KA)/2 - <Y, A> with A <= margin Y and row sums 0:
    the slope of the Lagrangian, the row sums, and price times slack."""
    slope = kernel @ a - y + nu[:, None] + slack_price
    return slope, a.sum(1), slack_price * (margin * y - a)


def jacobian(kernel, y, margin, a, slack_price):
    """Of conditions() in (A, nu, price), row-major."""
    n, m = y.shape
    eye, rows = torch.eye(n * m), torch.kron(torch.eye(n), torch.ones(m, 1))
    slope = torch.cat([torch.kron(kernel, torch.eye(m)), rows, eye], dim=1)
    sums = torch.cat([rows.T, torch.zeros(n, n + n * m)], dim=1)
    slack = (margin * y - a).reshape(-1)
    price = torch.cat([-torch.diag(slack_price.reshape(-1)), torch.zeros(n * m, n),
                       torch.diag(slack)], dim=1)
    return torch.cat([slope, sums, price])


def split(vector, n, m):
    a, nu, price = vector.split([n * m, n, n * m])
    return a.reshape(n, m), nu, price.reshape(n, m)


def newton(kernel, y, margin, a, nu, price, target):
    """The step that makes the conditions vanish to first order, the last of them `target`."""
    slope, sums, product = conditions(kernel, y, margin, a, nu, price)
    residual = torch.cat([slope.reshape(-1), sums, (product - target).reshape(-1)])
    system = jacobian(kernel, y, margin, a, price).detach()
    return split(-torch.linalg.solve(system, residual), *y.shape)


def solved(kernel, y, margin):
    n, m = y.shape
    a, nu = margin * y - 1.0, torch.zeros(n)  # strictly within the bounds
    price = torch.ones(n, m)
    for _ in range(100):
        slack = margin * y - a
        gap = (price * slack).mean()
        if gap < 1e-17:
            return a, nu, price
        da, dnu, dprice = newton(kernel, y, margin, a, nu, price, 0.1 * gap)
        length = 1.0
        for value, change in ((slack, -da), (price, dprice)):
            falling = change < 0
            if falling.any():
                length = min(length, 0.99 * (-value[falling] / change[falling]).min().item())
        a, nu, price = a + length * da, nu + length * dnu, price + length * dprice
    raise ArithmeticError(f"the interior-point method stopped at a gap of {gap}")


def support_vector_coefficients(kernel, y, margin):
    """A. One more Newton step from the solution, with a constant Jacobian: as a value it changes
    nothing, and its derivative is that of the implicit function theorem."""
    with torch.no_grad():
        a, nu, price = solved(kernel, y, margin)
    return a + newton(kernel, y, margin, a, nu, price, 0.0)[0]
