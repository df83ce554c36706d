"""Elementary functions that tinygrad lacks, or has in single precision only, from those that it has exactly.

tinygrad's ``exp2``, ``log2``, ``sin`` and ``sqrt`` are right to about the last digit of either precision; its
``erf``, ``asin`` and ``atan`` are polynomials right to 1e-7 or 1e-8. All gradients are autodiff's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce

from tinygrad import Tensor

# Cephes (Moshier, ndtr.c): erf(x) = x T(x²) / U(x²) below 1, 1 - exp(-x²) P(x) / Q(x) above.
_T = (
    9.60497373987051638749e0, 9.00260197203842689217e1, 2.23200534594684319226e3, 7.00332514112805075473e3,
    5.55923013010394962768e4,
)  # fmt: skip
_U = (
    1.0, 3.35617141647503099647e1, 5.21357949780152679795e2, 4.59432382970980127987e3,
    2.26290000613890934246e4, 4.92673942608635921086e4,
)  # fmt: skip
_P = (
    2.46196981473530512524e-10, 5.64189564831068821977e-1, 7.46321056442269912687e0, 4.86371970985681366614e1,
    1.96520832956077098242e2, 5.26445194995477358631e2, 9.34528527171957607540e2, 1.02755188689515710272e3,
    5.57535335369399327526e2,
)  # fmt: skip
_Q = (
    1.0, 1.32281951154744992508e1, 8.67072140885989742329e1, 3.54937778887819891062e2,
    9.75708501743205489753e2, 1.82390916687909736289e3, 2.24633760818710981792e3, 1.65666309194161350182e3,
    5.57535340817727675546e2,
)  # fmt: skip

TERMS = 14
"""Of a power series: enough for float64 where it is used."""


def polynomial(x: Tensor, coefficients: Sequence[float]) -> Tensor:
    """By Horner's rule; the highest power's coefficient first."""
    return reduce(lambda total, c: total * x + c, coefficients[1:], x.const_like(coefficients[0]))


def side(x: Tensor) -> Tensor:
    """-1 where x < 0, else 1: x · side(x) is |x| with the slope 1 at 0."""
    return (x < 0).where(x.const_like(-1), x.const_like(1))


def expm1(x: Tensor) -> Tensor:
    near = (x * side(x)) < 0.5
    small = near.where(x, 0)
    series = polynomial(small, [1 / math.factorial(n) for n in range(TERMS + 2, 0, -1)]) * small
    return near.where(series, near.where(0, x).exp() - 1)


def log1p(x: Tensor) -> Tensor:
    # log((1 + s) / (1 - s)) = 2 (s + s³/3 + …) for s = x / (2 + x)
    near = (x > -0.35) & (x < 0.5)
    small = near.where(x, 0)
    s = small / (small + 2)
    series = polynomial(s * s, [1 / (2 * n + 1) for n in range(TERMS, -1, -1)]) * s * 2
    return near.where(series, near.where(0, x).__add__(1).log())


def tanh(x: Tensor) -> Tensor:
    u = expm1(-2 * (x * side(x)))
    return -u / (u + 2) * side(x)


def sinh(x: Tensor) -> Tensor:
    u = expm1(x * side(x))
    return u * (u + 2) / (u + 1) * (0.5 * side(x))


def cosh(x: Tensor) -> Tensor:
    return (x.exp() + (-x).exp()) * 0.5


def sigmoid(x: Tensor) -> Tensor:
    e = (-(x * side(x))).exp()
    return (x < 0).where(e, 1) / (1 + e)


def softplus(x: Tensor) -> Tensor:
    return (x > 0).where(x, 0) + log1p((-(x * side(x))).exp())


def logaddexp(a: Tensor, b: Tensor) -> Tensor:
    # The larger one as a constant: its gradient cancels, and nothing has a kink where both are equal.
    shift = a.maximum(b).detach()
    return shift + ((a - shift).exp() + (b - shift).exp()).log()


def erf(x: Tensor) -> Tensor:
    a = x * side(x)
    near = a < 1
    small, large = near.where(x, 0), near.where(1, (a < 6).where(a, 6))
    squared = small * small
    inner = small * polynomial(squared, _T) / polynomial(squared, _U)
    outer = 1 - (-(large * large)).exp() * polynomial(large, _P) / polynomial(large, _Q)
    return near.where(inner, outer * side(x))


def arctan(x: Tensor) -> Tensor:
    a = x * side(x)
    large = a > 1
    t = large.where(1 / large.where(a, 1), large.where(0, a))
    for _ in range(2):  # half the angle: at most π/16
        t = t / (1 + (1 + t * t).sqrt())
    series = polynomial(t * t, [(-1) ** n / (2 * n + 1) for n in range(TERMS, -1, -1)]) * t * 4
    return large.where(math.pi / 2 - series, series) * side(x)


def arcsin(x: Tensor) -> Tensor:
    return arctan(x / (1 + ((1 - x) * (1 + x)).sqrt())) * 2


def arccos(x: Tensor) -> Tensor:
    return arctan(((1 - x) / (1 + x)).sqrt()) * 2


def arctan2(a: Tensor, b: Tensor) -> Tensor:
    steep = (a * side(a)) > (b * side(b))
    none = (a == 0) & (b == 0)
    flat = arctan(steep.where(0, a) / (steep | none).where(1, b))
    correction = (b < 0).where(side(a) * math.pi, 0)
    return steep.where(
        side(a) * (math.pi / 2) - arctan(steep.where(b, 0) / steep.where(a, 1)), flat + correction
    )


def arcsinh(x: Tensor) -> Tensor:
    a = x * side(x)
    return log1p(a + a * a / (1 + (1 + a * a).sqrt())) * side(x)


def arccosh(x: Tensor) -> Tensor:
    return log1p((x - 1) + ((x - 1) * (x + 1)).sqrt())


def arctanh(x: Tensor) -> Tensor:
    return log1p(2 * x / (1 - x)) * 0.5


def softmax(x: Tensor, *, axis: int | tuple[int, ...] = -1) -> Tensor:
    e = (x - x.max(axis, keepdim=True).detach()).exp()
    return e / e.sum(axis, keepdim=True)


def log_softmax(x: Tensor, *, axis: int | tuple[int, ...] = -1) -> Tensor:
    shifted = x - x.max(axis, keepdim=True).detach()
    return shifted - shifted.exp().sum(axis, keepdim=True).log()
