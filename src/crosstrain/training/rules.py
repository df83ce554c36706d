"""The update rules, each written once, for any engine's arrays.

A rule is ``rule(xp, o, w, g, s, lr, t) -> (w, s)``: the namespace of ops, the optimizer's
hyper-parameters, a weight, its gradient, its slots, the learning rate of this step and the number of the
step, counted from 1 (a number, or a scalar of the run's precision). The mathematics stands in each
docstring. The semantics are those of ``keras.optimizers``; the rules whose names begin with ``torch_`` have
those of ``torch.optim``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Slots = dict[str, Any]


def number_of(xp: Any, arrays: Mapping[str, Any], step: Any) -> Any:
    """The number of the step as an array without axes, which ops take."""
    return xp.full_like(xp.sum(next(iter(arrays.values()))), value=1.0) * step


def holds(xp: Any, condition: Any, number: Any) -> Any:
    """1 where the condition holds and 0 where not, as an array like ``number``."""
    return xp.where(condition, xp.full_like(number, value=1.0), xp.full_like(number, value=0.0))


def sgd(xp: Any, o: Any, w: Any, g: Any, s: Slots, lr: Any, t: Any) -> tuple[Any, Slots]:
    """v = μ v - lr g;  w = w + v, or with Nesterov w = w + μ v - lr g. The rate stands inside v."""
    if not o.momentum:
        return w - lr * g, s
    v = o.momentum * s["momentum"] - lr * g
    return (w + o.momentum * v - lr * g if o.nesterov else w + v), {"momentum": v}


def rmsprop(xp: Any, o: Any, w: Any, g: Any, s: Slots, lr: Any, t: Any) -> tuple[Any, Slots]:
    """v = ρ v + (1 - ρ) g²;  d = lr g / sqrt(v [- mean²] + ε);  m = μ m + d;  w = w - m (Hinton 2012)."""
    v = o.rho * s["velocity"] + (1 - o.rho) * xp.square(g)
    new = {"velocity": v}
    denominator = v + o.epsilon
    if o.centered:
        mean = o.rho * s["average_gradient"] + (1 - o.rho) * g
        denominator = v - xp.square(mean) + o.epsilon
        new["average_gradient"] = mean
    delta = lr * g / xp.sqrt(denominator)
    if o.momentum:
        delta = o.momentum * s["momentum"] + delta
        new["momentum"] = delta
    return w - delta, new


def adagrad(xp: Any, o: Any, w: Any, g: Any, s: Slots, lr: Any, t: Any) -> tuple[Any, Slots]:
    """a = a + g²;  w = w - lr g / sqrt(a + ε) (Duchi et al. 2011)."""
    a = s["accumulator"] + xp.square(g)
    return w - lr * g / xp.sqrt(a + o.epsilon), {"accumulator": a}


def adadelta(xp: Any, o: Any, w: Any, g: Any, s: Slots, lr: Any, t: Any) -> tuple[Any, Slots]:
    """a = ρ a + (1 - ρ) g²;  δ = g sqrt(d + ε) / sqrt(a + ε);  d = ρ d + (1 - ρ) δ²;  w = w - lr δ.

    Zeiler 2012; the rate is Keras's addition.
    """
    a = o.rho * s["accumulated_gradient"] + (1 - o.rho) * xp.square(g)
    delta = g * xp.sqrt(s["accumulated_delta"] + o.epsilon) / xp.sqrt(a + o.epsilon)
    d = o.rho * s["accumulated_delta"] + (1 - o.rho) * xp.square(delta)
    return w - lr * delta, {"accumulated_gradient": a, "accumulated_delta": d}


def adam(xp: Any, o: Any, w: Any, g: Any, s: Slots, lr: Any, t: Any) -> tuple[Any, Slots]:
    """m = β₁ m + (1 - β₁) g;  v = β₂ v + (1 - β₂) g²;  w = w - α m / (sqrt(v) + ε).

    α = lr sqrt(1 - β₂ᵗ) / (1 - β₁ᵗ) corrects the bias of both averages.

    ε is added before the bias is corrected (Kingma and Ba 2014, end of section 2). With AMSGrad the
    largest v so far stands in for v.
    """
    alpha = lr * (1 - o.beta_2**t) ** 0.5 / (1 - o.beta_1**t)
    m = s["momentum"] + (g - s["momentum"]) * (1 - o.beta_1)
    v = s["velocity"] + (xp.square(g) - s["velocity"]) * (1 - o.beta_2)
    new = {"momentum": m, "velocity": v}
    if o.amsgrad:
        new["largest_velocity"] = v = xp.maximum(s["largest_velocity"], v)
    return w - alpha * m / (xp.sqrt(v) + o.epsilon), new


def adamax(xp: Any, o: Any, w: Any, g: Any, s: Slots, lr: Any, t: Any) -> tuple[Any, Slots]:
    """m = β₁ m + (1 - β₁) g;  u = max(β₂ u, |g|);  w = w - lr m / ((1 - β₁ᵗ) (u + ε)).

    Kingma and Ba 2014, section 7.1.
    """
    m = s["momentum"] + (g - s["momentum"]) * (1 - o.beta_1)
    u = xp.maximum(o.beta_2 * s["norm"], xp.abs(g))
    return w - lr / (1 - o.beta_1**t) * m / (u + o.epsilon), {"momentum": m, "norm": u}


def nadam(xp: Any, o: Any, w: Any, g: Any, s: Slots, lr: Any, t: Any) -> tuple[Any, Slots]:
    """Adam with Nesterov momentum and the schedule μₜ = β₁ (1 - 0.96ᵗ / 2) (Dozat 2016)."""
    mu, mu_next = o.beta_1 * (1 - 0.5 * 0.96**t), o.beta_1 * (1 - 0.5 * 0.96 ** (t + 1))
    product = s["product"] * mu
    m = s["momentum"] + (g - s["momentum"]) * (1 - o.beta_1)
    v = s["velocity"] + (xp.square(g) - s["velocity"]) * (1 - o.beta_2)
    m_hat = m * (mu_next / (1 - product * mu_next)) + g * ((1 - mu) / (1 - product))
    v_hat = v / (1 - o.beta_2**t)
    return w - lr * m_hat / (xp.sqrt(v_hat) + o.epsilon), {"momentum": m, "velocity": v, "product": product}


# -- PyTorch's meaning -------------------------------------------------------------------------------
# The learning rate stands outside of what is remembered, so that a change of it takes effect at once; ε is
# added to the root.
def torch_sgd(xp: Any, o: Any, w: Any, g: Any, s: Slots, lr: Any, t: Any) -> tuple[Any, Slots]:
    """v = μ v + (1 - τ) g, in the first step v = g;  w = w - lr v, or with Nesterov w - lr (g + μ v).

    τ is ``dampening`` (torch.optim.SGD).
    """
    if not o.momentum:
        return w - lr * g, s
    fresh = g
    if o.dampening:
        number = number_of(xp, {"": w}, t)
        later = holds(xp, xp.less(xp.full_like(number, value=1.0), number), number)
        fresh = g * (1 - o.dampening * later)
    v = o.momentum * s["momentum"] + fresh
    return w - lr * (g + o.momentum * v if o.nesterov else v), {"momentum": v}


def torch_adam(xp: Any, o: Any, w: Any, g: Any, s: Slots, lr: Any, t: Any) -> tuple[Any, Slots]:
    """m and v as of ``adam``;  w = w - lr / (1 - β₁ᵗ) m / (sqrt(v) / sqrt(1 - β₂ᵗ) + ε).

    ε is added after the bias is corrected (Kingma and Ba 2014, algorithm 1; torch.optim.Adam).
    """
    m = s["momentum"] + (g - s["momentum"]) * (1 - o.beta_1)
    v = o.beta_2 * s["velocity"] + (1 - o.beta_2) * xp.square(g)
    new = {"momentum": m, "velocity": v}
    if o.amsgrad:
        new["largest_velocity"] = v = xp.maximum(s["largest_velocity"], v)
    denominator = xp.sqrt(v) / (1 - o.beta_2**t) ** 0.5 + o.epsilon
    return w - lr / (1 - o.beta_1**t) * m / denominator, new


def torch_rmsprop(xp: Any, o: Any, w: Any, g: Any, s: Slots, lr: Any, t: Any) -> tuple[Any, Slots]:
    """v = ρ v + (1 - ρ) g²;  m = μ m + g / (sqrt(v [- mean²]) + ε);  w = w - lr m.

    ρ is PyTorch's ``alpha`` (torch.optim.RMSprop).
    """
    v = o.rho * s["velocity"] + (1 - o.rho) * xp.square(g)
    new, variance = {"velocity": v}, v
    if o.centered:
        mean = s["average_gradient"] + (g - s["average_gradient"]) * (1 - o.rho)
        new["average_gradient"] = mean
        variance = v - xp.square(mean)
    move = g / (xp.sqrt(variance) + o.epsilon)
    if o.momentum:
        new["momentum"] = move = o.momentum * s["momentum"] + move
    return w - lr * move, new


def torch_adagrad(xp: Any, o: Any, w: Any, g: Any, s: Slots, lr: Any, t: Any) -> tuple[Any, Slots]:
    """a = a + g²;  w = w - lr / (1 + (t - 1) η) g / (sqrt(a) + ε).

    η is ``lr_decay`` (torch.optim.Adagrad).
    """
    a = s["accumulator"] + xp.square(g)
    rate = lr / (1 + (t - 1) * o.lr_decay) if o.lr_decay else lr
    return w - rate * g / (xp.sqrt(a) + o.epsilon), {"accumulator": a}
