"""Products of matrices and Einstein sums on MindSpore's MatMul and BatchMatMul (its own Einsum has no CPU
kernel)."""

from __future__ import annotations

import math
from collections.abc import Sequence

from mindspore import ops

from crosstrain.engines.mindspore.trace import Value, call
from crosstrain.engines.mindspore.windows import BATCH_MATMUL, MATMUL, reshaped, transposed

SUM = ops.ReduceSum()


def matmul(a: Value, b: Value) -> Value:
    """Matrix product over the last two axes, batch axes broadcast; vectors as in NumPy."""
    if a.ndim == 1 or b.ndim == 1:
        left = reshaped(a, (1, *a.shape)) if a.ndim == 1 else a
        right = reshaped(b, (*b.shape, 1)) if b.ndim == 1 else b
        y = matmul(left, right)
        shape = y.shape[: -2 if a.ndim == 1 and b.ndim == 1 else -1]
        if a.ndim == 1 and b.ndim > 1:
            shape = (*y.shape[:-2], y.shape[-1])
        return reshaped(y, shape)
    if b.ndim == 2:
        rows = a.to_layout(None) if a.ndim == 2 else reshaped(a, (math.prod(a.shape[:-1]), a.shape[-1]))
        y = call(MATMUL, rows, b.to_layout(None))
        return y if a.ndim == 2 else reshaped(y, (*a.shape[:-1], b.shape[-1]))
    rank = max(a.ndim, b.ndim)
    heads = [(1,) * (rank - v.ndim) + v.shape[:-2] for v in (a, b)]
    head = tuple(max(n, m) for n, m in zip(*heads, strict=True))
    a, b = (
        _spread(reshaped(v, (*h, *v.shape[-2:])), (*head, *v.shape[-2:]))
        for v, h in zip((a, b), heads, strict=True)
    )
    return call(BATCH_MATMUL, a.to_layout(None), b.to_layout(None))  # type: ignore[no-any-return]


def _spread(x: Value, shape: tuple[int, ...]) -> Value:
    return x if x.shape == shape else call(ops.BroadcastTo(shape), x)  # type: ignore[no-any-return]


def einsum(*inputs: Value, equation: str) -> Value:
    """Einstein summation; several inputs are joined pair by pair, each pair by one product of matrices."""
    terms_text, _, result = equation.replace(" ", "").partition("->")
    terms = list(zip(terms_text.split(","), inputs, strict=True))

    left = terms[0]
    for done, right in enumerate(terms[1:], 2):
        later = set(result).union(*(letters for letters, _ in terms[done:]))
        left = _product(left, right, later)
    letters, value = _summed(*left, set(result))
    return transposed(value, [letters.index(letter) for letter in result])


def _summed(letters: str, x: Value, later: set[str]) -> tuple[str, Value]:
    """Without the axes that nothing else needs."""
    summed = tuple(i for i, letter in enumerate(letters) if letter not in later)
    rest = "".join(letter for letter in letters if letter in later)
    return rest, call(SUM, x.to_layout(None), summed) if summed else x


def _product(left: tuple[str, Value], right: tuple[str, Value], later: set[str]) -> tuple[str, Value]:
    """Both terms as stacks of matrices: shared letters that stay count the matrices, shared ones that go
    are summed over."""
    a, x = _summed(*left, later | set(right[0]))
    b, y = _summed(*right, later | set(a))
    stack = [n for n in a if n in b and n in later]
    inner = [n for n in a if n in b and n not in later]
    rows, columns = [n for n in a if n not in b], [n for n in b if n not in a]
    size = {**dict(zip(b, y.shape, strict=True)), **dict(zip(a, x.shape, strict=True))}

    def length(names: Sequence[str]) -> int:
        return math.prod(size[n] for n in names)

    x = transposed(x, [a.index(n) for n in (*stack, *rows, *inner)])
    y = transposed(y, [b.index(n) for n in (*stack, *inner, *columns)])
    product = call(
        BATCH_MATMUL,
        reshaped(x, (length(stack), length(rows), length(inner))),
        reshaped(y, (length(stack), length(inner), length(columns))),
    )
    names = (*stack, *rows, *columns)
    return "".join(names), reshaped(product, [size[n] for n in names])
