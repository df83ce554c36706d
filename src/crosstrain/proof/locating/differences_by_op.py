"""Known differences of single ops, as experiments (see ``causes``)."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from crosstrain.proof.locating.causes import Explanation, Situation, known

EPSILONS = (0.0, 1e-3, 1e-5, 2e-5, 1e-6, 1e-7, 1e-8, 1e-12, 1e-4, 1e-2)
CONVOLUTIONS = ("conv", "depthwise_conv")
POOLS = ("average_pool", "max_pool")


# -- convolutions and poolings ----------------------------------------------------------------------
@known(*CONVOLUTIONS, *POOLS)
def padding(s: Situation) -> Iterator[Explanation]:
    """Symmetric where Keras pads more at the end, or the odd cell at the other end."""
    pads = s.node.attributes["padding"]
    defined = " and ".join(map(str, dict.fromkeys(pads)))
    known_faults = (
        (f"padding is symmetric, where the definition has {defined}", tuple((max(p),) * 2 for p in pads)),
        (f"padding is symmetric, where the definition has {defined}", tuple((min(p),) * 2 for p in pads)),
        (
            f"padding has its odd cell at the other end (the definition has {defined})",
            tuple(p[::-1] for p in pads),
        ),
        ("padding is missing", ((0, 0),) * len(pads)),
    )
    candidates = [(sentence, s.again(padding=other)) for sentence, other in known_faults if other != pads]
    # First what has the right shape by itself, then what an engine would have cut to it.
    yield from ((sentence, y) for sentence, y in candidates if y.shape == s.true.shape)
    yield from (
        (sentence, _cropped(y, s.true.shape)) for sentence, y in candidates if y.shape != s.true.shape
    )


def _cropped(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return x[tuple(slice(0, n) for n in shape)]


@known("average_pool")
def counted(s: Situation) -> Iterator[Explanation]:
    """The mean over all cells of the window, those of the padding too."""
    x, pads = s.arguments[0], s.node.attributes["padding"]
    assert x is not None
    grown = np.pad(x, ((0, 0), *pads, (0, 0)))
    yield (
        "cells of the padding are counted in the average",
        s.again(grown, padding=((0, 0),) * len(pads)),
    )
    symmetric = np.pad(x, ((0, 0), *[(max(p),) * 2 for p in pads], (0, 0)))
    yield (
        "padding is symmetric and its cells are counted in the average",
        _cropped(s.again(symmetric, padding=((0, 0),) * len(pads)), s.true.shape),
    )
    yield "it takes the largest value in place of the average", s.again(op="max_pool")


@known("max_pool")
def padded_with_zero(s: Situation) -> Iterator[Explanation]:
    """Zeros, which win over negative values."""
    x, pads = s.arguments[0], s.node.attributes["padding"]
    assert x is not None
    grown = np.pad(x, ((0, 0), *pads, (0, 0)))
    yield (
        "the padding is zeros, which win over negative values",
        s.again(grown, padding=((0, 0),) * len(pads)),
    )
    yield "it takes the average in place of the largest value", s.again(op="average_pool")


@known(*CONVOLUTIONS, "conv_transpose", "dense")
def kernel_and_bias(s: Situation) -> Iterator[Explanation]:
    """Layouts of kernels, true convolution, biases left out."""
    kernel, bias = s.arguments[1], s.arguments[2] if len(s.arguments) > 2 else None
    assert kernel is not None
    if bias is not None:
        yield "the bias is missing", s.replaced(2, None)
        yield "the bias is added twice", s.replaced(2, 2 * bias)
    spatial = tuple(range(kernel.ndim - 2))
    if spatial:
        yield (
            "the kernel is flipped (true convolution in place of cross-correlation)",
            s.replaced(1, np.flip(kernel, spatial)),
        )
    if len(spatial) == 2 and kernel.shape[0] == kernel.shape[1]:
        yield "the kernel has height and width swapped", s.replaced(1, kernel.swapaxes(0, 1))
    if kernel.shape[-1] == kernel.shape[-2]:
        yield "the kernel has input and output channels swapped", s.replaced(1, kernel.swapaxes(-1, -2))
    if any(d != 1 for d in s.node.attributes.get("dilation", ())):
        yield "dilation is ignored", s.again(dilation=(1,) * len(spatial))


# -- normalisation ----------------------------------------------------------------------------------
@known("batch_norm", "normalize")
def epsilon_of_batch_norm(s: Situation) -> Iterator[Explanation]:
    """Another epsilon: tried from a list, then solved for."""
    yield from epsilon(s)
    x, _, beta, _, moving = s.arguments[:5]
    assert x is not None
    assert moving is not None
    axis = s.node.attributes["axis"] % x.ndim
    rest = tuple(i for i in range(x.ndim) if i != axis)
    variance = np.var(x, axis=rest) if s.node.op == "batch_norm" else moving
    shape = [-1 if i == axis else 1 for i in range(x.ndim)]
    base = 0.0 if beta is None else beta.reshape(shape)
    true, got = s.true - base, s.got - base
    ratio = np.sum(true * got, axis=rest) / np.sum(true * true, axis=rest)
    solved = float(np.median((variance + s.node.attributes["epsilon"]) / ratio**2 - variance))
    if solved >= 0:
        yield _epsilon_sentence(s, solved), s.again(epsilon=solved)


@known("layer_norm", "rms_norm")
def epsilon(s: Situation) -> Iterator[Explanation]:
    """Another epsilon."""
    for value in EPSILONS:
        if value != s.node.attributes["epsilon"]:
            yield _epsilon_sentence(s, value), s.again(epsilon=value)
    for index, name in ((1, "gamma"), (2, "beta")):
        if index < len(s.arguments) and s.arguments[index] is not None:
            yield f"{name} is missing", s.replaced(index, None)


def _epsilon_sentence(s: Situation, value: float) -> str:
    return f"epsilon is {value:.3g}, where the definition has {s.node.attributes['epsilon']:.3g}"


@known("batch_norm")
def variance_of_batch_norm(s: Situation) -> Iterator[Explanation]:
    """The unbiased variance; moving statistics in training."""
    x, gamma, beta, mean, variance = s.arguments[:5]
    assert x is not None
    rest = tuple(i for i in range(x.ndim) if i != s.node.attributes["axis"] % x.ndim)
    n = x.size // x.shape[s.node.attributes["axis"]]
    keep = {k: v for k, v in s.node.attributes.items() if k in ("axis", "epsilon")}
    plain = replace(s, node=replace(s.node, op="normalize", attributes=keep))
    unbiased = np.var(x, axis=rest) * n / max(n - 1, 1)
    yield (
        f"it divides by the unbiased variance (n / (n - 1), n = {n})",
        plain.again(x, gamma, beta, np.mean(x, axis=rest), unbiased),
    )
    yield "it uses the moving statistics in training", plain.again(x, gamma, beta, mean, variance)


@known("normalize")
def batch_statistics(s: Situation) -> Iterator[Explanation]:
    """Statistics of the batch in inference."""
    x, gamma, beta = s.arguments[:3]
    assert x is not None
    rest = tuple(i for i in range(x.ndim) if i != s.node.attributes["axis"] % x.ndim)
    yield (
        "it uses the statistics of the batch in inference",
        s.again(x, gamma, beta, np.mean(x, axis=rest), np.var(x, axis=rest)),
    )


# -- activations --------------------------------------------------------------------------------------
@known("gelu")
def gelu_form(s: Situation) -> Iterator[Explanation]:
    """Exact or tanh."""
    tanh = s.node.attributes["approximate"]
    sentence = (
        "it is exact, where the definition has the tanh form" if tanh else "it is the tanh approximation"
    )
    yield sentence, s.again(approximate=not tanh)


@known("leaky_relu")
def slope(s: Situation) -> Iterator[Explanation]:
    """Defaults differ: 0.01, 0.2, 0.3."""
    for value in (0.0, 0.01, 0.1, 0.2, 0.3):
        yield f"the slope is {value}", s.again(negative_slope=value)


@known("hard_sigmoid")
def older_hard_sigmoid(s: Situation) -> Iterator[Explanation]:
    """Keras 2's and ONNX's."""
    x = s.arguments[0]
    assert x is not None
    yield "it is 0.2 x + 0.5, where the definition has x / 6 + 0.5", np.clip(0.2 * x + 0.5, 0, 1)


@known("relu6")
def unlimited(s: Situation) -> Iterator[Explanation]:
    """No limit at 6."""
    yield "the limit at 6 is missing", s.again(op="relu")


@known("softmax", "log_softmax")
def softmax_axis(s: Situation) -> Iterator[Explanation]:
    """Another axis; the logarithm."""
    for axis in range(s.true.ndim):
        yield f"it runs along axis {axis}", s.again(axis=axis)
    other = "log_softmax" if s.node.op == "softmax" else "softmax"
    yield f"it is a {other}", s.again(op=other)


# -- moving values about ----------------------------------------------------------------------------
@known("reshape")
def flatten_order(s: Situation) -> Iterator[Explanation]:
    """Channels first in memory."""
    x = s.arguments[0]
    assert x is not None
    axes = (0, x.ndim - 1, *range(1, x.ndim - 1))
    yield "it flattens in the order channels, height, width", s.again(np.ascontiguousarray(x.transpose(axes)))


@known("take")
def off_by_one(s: Situation) -> Iterator[Explanation]:
    """Indices from 1."""
    table, indices = s.arguments[:2]
    assert table is not None
    assert indices is not None
    length = table.shape[s.node.attributes["axis"]]
    for step in (1, -1):
        yield f"indices are off by {step}", s.replaced(1, (indices.astype("int64") + step) % length)


@known("concatenate")
def order_of_parts(s: Situation) -> Iterator[Explanation]:
    """Parts the other way round."""
    yield "the parts are in reverse order", s.again(*s.arguments[::-1])


@known("einsum")
def corners(s: Situation) -> Iterator[Explanation]:
    """Interpolation by a matrix whose rows are weights of the small side's cells."""
    matrix = s.arguments[1] if len(s.arguments) == 2 else None
    if matrix is None or matrix.ndim != 2 or not np.allclose(matrix.sum(axis=1), 1):
        return
    large, small = matrix.shape
    if large < 2 or small < 2:
        return
    at = np.arange(large) * (small - 1) / (large - 1)
    aligned = np.maximum(0.0, 1.0 - np.abs(at[:, None] - np.arange(small)))
    yield "corners are aligned, where the definition interpolates between centres", s.replaced(1, aligned)
    nearest = np.eye(small)[np.arange(large) * small // large]
    yield "it takes the nearest cell, where the definition interpolates", s.replaced(1, nearest)


@known("where")
def ignored_mask(s: Situation) -> Iterator[Explanation]:
    """One side for all entries."""
    for argument in s.arguments[1:]:
        if argument is not None and argument.ndim:
            yield "the mask is ignored", np.broadcast_to(argument, s.true.shape)


# -- recurrent layers ---------------------------------------------------------------------------------
GATES = {"lstm": "ifco", "gru": "zrh"}


@known("lstm", "gru")
def gate_order(s: Situation) -> Iterator[Explanation]:
    """The gates of the kernels in another order."""
    letters = GATES[s.node.op]
    x, kernel, recurrent, bias, *states = s.arguments
    assert kernel is not None
    assert recurrent is not None
    for order in itertools.permutations(range(len(letters))):
        if order != tuple(range(len(letters))):
            move = lambda w, order=order: np.concatenate(
                [np.split(w, len(letters), -1)[i] for i in order], -1
            )
            changed = s.again(x, move(kernel), move(recurrent), None if bias is None else move(bias), *states)
            yield f"the gates are in the order {', '.join(letters[i] for i in order)}", changed


@known("lstm", "gru", "simple_rnn")
def recurrent_bias(s: Situation) -> Iterator[Explanation]:
    """Biases left out; the other direction."""
    bias = s.arguments[3]
    if bias is not None:
        yield "the bias is missing", s.replaced(3, np.zeros_like(bias))
        yield "the bias is added twice", s.replaced(3, 2 * bias)
    backwards = s.node.attributes.get("backwards", False)
    yield "it reads time in the other direction", s.again(backwards=not backwards)
    if s.index == 0 and s.true.ndim == 3:
        yield "its outputs over time are in reverse order", s.true[:, ::-1]


@known("gru")
def reset_gate(s: Situation) -> Iterator[Explanation]:
    """The reset gate before or after the product with the recurrent kernel."""
    bias = s.arguments[3]
    if s.node.attributes["reset_after"]:
        sentence = "the reset gate is applied before the recurrent product, where the definition has it after"
        for single in (None,) if bias is None else (bias[0], bias[0] + bias[1]):
            changed = [single if i == 3 else a for i, a in enumerate(s.arguments)]
            yield sentence, s.again(*changed, reset_after=False)
    else:
        sentence = "the reset gate is applied after the recurrent product, where the definition has it before"
        double = None if bias is None else np.stack([bias, np.zeros_like(bias)])
        changed = [double if i == 3 else a for i, a in enumerate(s.arguments)]
        yield sentence, s.again(*changed, reset_after=True)


# -- losses -------------------------------------------------------------------------------------------
@known("categorical_crossentropy", "sparse_categorical_crossentropy", "binary_crossentropy")
def logits(s: Situation) -> Iterator[Explanation]:
    """Logits taken for probabilities, and the other way round."""
    from_logits = s.node.attributes["from_logits"]
    words = ("probabilities", "logits") if from_logits else ("logits", "probabilities")
    yield (
        f"it takes the outputs for {words[0]}, where the definition has {words[1]}",
        s.again(from_logits=not from_logits),
    )


@known("multiply")
def smoothing(s: Situation) -> Iterator[Explanation]:
    """Label smoothing: the targets times 1 - s, plus s / classes."""
    if s.node.inputs[0] and s.node.inputs[0].startswith("%target/") and s.arguments[0] is not None:
        yield "labels are not smoothed", s.arguments[0]


@known("mean")
def sum_for_mean(s: Situation) -> Iterator[Explanation]:
    """Another reduction."""
    yield "it is a sum in place of a mean", s.again(op="sum")


@known("sum")
def mean_for_sum(s: Situation) -> Iterator[Explanation]:
    """Another reduction."""
    yield "it is a mean in place of a sum", s.again(op="mean")
