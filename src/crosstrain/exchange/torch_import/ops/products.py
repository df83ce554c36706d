"""Products of matrices, and attention."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from crosstrain.exchange.reading.values import BATCH, Value
from crosstrain.exchange.torch_import.layouts import MATRIX
from crosstrain.exchange.torch_import.values import AtenNode, Parameter, TorchReader, operand, reads


def _nothing(r: TorchReader, n: AtenNode) -> Value:
    return Value(r, tuple(None if d % BATCH == 0 else d for d in n.lengths), "float32", filled=0.0)


@reads("linear")
def linear(r: TorchReader, n: AtenNode) -> Value:
    x, weight, bias = operand(n, "input"), n["weight"], n["bias"]
    kernel = r.placed(weight, MATRIX)
    if x.last_only and all(s == 1 for s in x.shape[2:]) is False:
        x = r.as_value(x.first)
    return r.as_value(r.emit("dense", x.first, kernel, r.placed(bias)))


@reads("addmm", "baddbmm", "addbmm")
def added_product(r: TorchReader, n: AtenNode) -> Value:
    a, b = (n[k] for k in (("mat1", "mat2") if n.op == "addmm" else ("batch1", "batch2")))
    if n.op == "addbmm":
        raise r.refusal("sums over the batch")
    product = r.as_value(r.emit("matmul", a.first, b.first))
    alpha, beta = n.get("alpha", 1), n.get("beta", 1)
    if alpha != 1:
        product = r.elementwise("multiply", product, r.numbers(alpha, product))
    if beta == 0:
        return product
    other = operand(n)
    if beta != 1:
        other = r.elementwise("multiply", other, r.numbers(beta, other))
    return r.elementwise("add", product, other)


@reads("matmul", "mm", "bmm", "mv", "dot")
def matmul(r: TorchReader, n: AtenNode) -> Value:
    a, b = operand(n), next(n[k] for k in ("other", "mat2", "vec", "tensor") if k in n.arguments)
    if 0.0 in (a.filled, b.filled):
        return _nothing(r, n)
    if isinstance(b, Parameter) and b.rank == 2 and a.rank >= 2:
        return r.as_value(r.emit("dense", a.first, b.first))
    return r.as_value(r.emit("matmul", a.first, b.first))


@reads("einsum")
def einsum(r: TorchReader, n: AtenNode) -> Value:
    values = list(n["tensors"])
    equation = _written_out(r, n["equation"], [v.rank for v in values])
    return r.as_value(r.emit("einsum", *(v.first for v in values), equation=equation))


@reads("bilinear")
def bilinear(r: TorchReader, n: AtenNode) -> Value:
    """y_o = Σ_ij a_i W_oij b_j + bias_o, over the last axes of both inputs."""
    a, b, weight, bias = operand(n, "input1"), n["input2"], n["weight"], n["bias"]
    rows = "zyxwv"[: a.rank - 1]
    half = r.emit("einsum", a.first, weight.first, equation=f"{rows}i,oij->{rows}oj")
    product = r.as_value(r.emit("einsum", half, b.first, equation=f"{rows}oj,{rows}j->{rows}o"))
    return product if bias is None else r.elementwise("add", product, bias)


def _written_out(r: TorchReader, equation: str, ranks: list[int]) -> str:
    """An equation in which every axis has a letter and the result is named."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    free = [c for c in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ" if c not in equation]
    spans = [k - len(t.replace("...", "")) if "..." in t else 0 for t, k in zip(terms, ranks, strict=True)]
    letters = "".join(free[: max(spans)])
    terms = [t.replace("...", letters[len(letters) - s :]) for t, s in zip(terms, spans, strict=True)]
    if not arrow:
        joined = "".join(terms)
        right = letters + "".join(sorted(c for c in set(joined) - set(letters) if joined.count(c) == 1))
    if any(len(set(t)) != len(t) for t in terms):
        raise r.refusal("takes a diagonal")
    return ",".join(terms) + "->" + right.replace("...", letters)


@reads("scaled_dot_product_attention")
def attention(r: TorchReader, n: AtenNode) -> Value:
    """softmax(q kᵀ · scale + mask) v."""
    q, k, v = n["query"], n["key"], n["value"]
    if n.get("enable_gqa", False):
        raise r.refusal("shares its keys among groups of queries")
    scale = n.get("scale")
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else float(scale)
    turned = (*range(k.rank - 2), k.rank - 1, k.rank - 2)
    scores = r.as_value(r.emit("matmul", q.first, r.transposed(k.first, turned)))
    scores = r.elementwise("multiply", scores, r.numbers(scale, scores))
    mask: Any = n["attn_mask"]
    if n["is_causal"]:
        mask = r.as_constant(np.tril(np.ones((q.shape[-2], k.shape[-2]), bool)))
    if mask is not None and mask.dtype == "bool":
        scores = r.elementwise("where", mask, scores, r.as_constant(np.asarray(float("-inf"))))
    elif mask is not None:
        scores = r.elementwise("add", scores, mask)
    shares = r.emit("softmax", scores.first, axis=-1)
    if n["dropout_p"]:
        seed, salt = r.builder.seed(), r.builder.next_salt()
        shares = r.emit("dropout", shares, seed, rate=float(n["dropout_p"]), salt=salt)
    return r.as_value(r.emit("matmul", shares, v.first))
