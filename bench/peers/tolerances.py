"""How far a peer may be from the reference before its times count. Standard library only."""

import math

# Largest accepted sum |g - r|^2 / sum |r|^2 over the whole meta-gradient g; r is the float64
# reference. For f64 also the largest difference over the largest element, for each parameter.
#   f64      other orders of summation.
#   strict   f32 rounding, amplified where ReLU or max-pooling choose otherwise near a tie:
#            1e-12 on W1, 1e-3 on one task of W3 (losses 1e-7 and 8e-5; PyTorch on a CPU).
#            A first-order gradient has 1 and 0.4. Each inner step brings ties of its own, and
#            what they change adds up: from STEPS on the limit grows with their number. At 100
#            steps, 28x28, 4 tasks: torch.func 2e-3, LibTorch 1e-3, metatape 7e-3, with Winograd's
#            convolutions 1.02e-2 (in double 4e-29).
#   default  what TF32 convolutions leave is recorded and not judged: emulated on a CPU, 5e-4 on W1
#            and 1 on W2. The same program must have agreed at strict just before.
NMSE = {"f64": 1e-18, "strict": 1e-2, "default": math.inf}
RELATIVE = {"f64": 1e-9, "strict": math.inf, "default": math.inf}
# Largest accepted difference of a task's loss, over the largest loss.
LOSS = {"f64": 1e-9, "strict": 2e-3, "default": math.inf}
STEPS = 20


def nmse_limit(precision, inner_steps):
    return NMSE[precision] * (max(1, inner_steps / STEPS) if precision == "strict" else 1)


def agrees(figures, precision, inner_steps=1):
    """Whether each figure is there, is a number, and is small enough."""
    limits = {"meta_grad_nmse": nmse_limit(precision, inner_steps),
              "meta_grad_max_relative": RELATIVE[precision], "loss_max_relative": LOSS[precision]}
    return all(math.isfinite(figures.get(name, math.nan)) and figures[name] <= limit
               for name, limit in limits.items())
