"""Reads ONNX's ops that move values about: reshaping, joining, cutting, gathering, padding, resizing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from crosstrain.exchange.onnx.reading.fold import evaluated
from crosstrain.exchange.onnx.reading.ops import _value
from crosstrain.exchange.onnx.reading.values import NodeView, reads
from crosstrain.exchange.reading.axes import behind, first_axes, last_axes
from crosstrain.exchange.reading.shaping import filled, interpolated, length_of, padded, reshaped
from crosstrain.exchange.reading.values import BATCH, Reader, Value

FAR = 2**31 - 1


# -- shapes -----------------------------------------------------------------------------------------
@reads("Reshape")
def reshape(r: Reader, n: NodeView) -> Value:
    x = _value(r, n)
    target = n.integers(1, "shape")
    if target is None:
        raise r.refusal("has no shape")
    if not n.get("allowzero", 0):
        target = [length_of(x.shape[i]) if t == 0 else t for i, t in enumerate(target)]
    return reshaped(r, x, target)


@reads("Flatten")
def flatten(r: Reader, n: NodeView) -> Value:
    x = _value(r, n)
    axis = n.get("axis", 1)
    axis = axis + x.rank if axis < 0 else axis
    lengths = list(map(length_of, x.shape))
    return reshaped(r, x, [math.prod(lengths[:axis]), math.prod(lengths[axis:])])


@reads("Transpose")
def transpose(r: Reader, n: NodeView) -> Value:
    x = _value(r, n)
    perm = tuple(n.get("perm") or range(x.rank)[::-1])
    shape = tuple(x.shape[a] for a in perm)
    if x.rank >= 3 and perm == last_axes(x.rank):
        return Value(r, shape, x.dtype, first=x.last)
    if x.rank >= 3 and perm == first_axes(x.rank):
        return Value(r, shape, x.dtype, last=x.first)
    return r.as_value(r.transposed(x.first, perm))


@reads("Squeeze")
def squeeze(r: Reader, n: NodeView) -> Value:
    x = _value(r, n)
    axes = n.integers(1, "axes")
    if axes is None:
        axes = [i for i, s in enumerate(x.shape) if s == 1]
    squeezed = sorted(a % x.rank for a in axes)
    if not squeezed:
        return x
    source, axis = r.expanded.get(x.first if not x.last_only else "", ("", -1))
    if source and squeezed == [axis]:
        return r.as_value(source)
    if x.last_only and set(range(2, x.rank)) <= set(squeezed):
        return r.as_value(r.emit("squeeze", x.last, axis=sorted(behind(a, x.rank) for a in squeezed)))
    return r.as_value(r.emit("squeeze", x.first, axis=squeezed))


@reads("Unsqueeze")
def unsqueeze(r: Reader, n: NodeView) -> Value:
    x = _value(r, n)
    axes = n.integers(1, "axes") or []
    ref = x.first
    for axis in sorted(a % (x.rank + len(axes)) for a in axes):
        ref = r.emit("expand_dims", ref, axis=axis)
    return r.as_value(ref)


@reads("Shape")
def shape(r: Reader, n: NodeView) -> Value:
    x = _value(r, n)
    lengths = r.lengths(x)
    return r.as_constant(np.asarray(lengths[n.get("start", 0) : n.get("end", x.rank)], "int64"))


@reads("Size")
def size(r: Reader, n: NodeView) -> Value:
    x = _value(r, n)
    return r.as_constant(np.asarray(math.prod(map(length_of, x.shape)), "int64"))


@reads("Expand")
def expand(r: Reader, n: NodeView) -> Value:
    x = _value(r, n)
    lengths = n.integers(1) or []
    rank = max(x.rank, len(lengths))
    own = (1,) * (rank - x.rank) + x.shape
    lengths = [1] * (rank - len(lengths)) + lengths
    target = [-1 if t == 1 or (s is None) or s == t else t for s, t in zip(own, lengths, strict=True)]
    target = [1 if i < rank - x.rank and t == -1 else t for i, t in enumerate(target)]
    if any(t != -1 and t % BATCH == 0 for t in target):
        if x.filled is not None or (x.array is not None and x.array.size == 1):
            return filled(r, lengths, x.filled if x.array is None else x.array)
        raise r.refusal("copies a value along the batch")
    if x.rank == rank and all(t == -1 for t in target):
        return x
    return r.as_value(r.emit("broadcast_to", x.first, shape=target))


@reads("Tile")
def tile(r: Reader, n: NodeView) -> Value:
    x = _value(r, n)
    repeats = n.integers(1) or []
    if all(k == 1 for k in repeats):
        return x
    return r.as_value(r.emit("tile", x.first, repeats=repeats))


@reads("Trilu")
def trilu(r: Reader, n: NodeView) -> Value:
    x = _value(r, n)
    k = n.integers(1)
    rows, columns = x.shape[-2:]
    if rows is None or columns is None:
        raise r.refusal("cuts a triangle out of the batch")
    cut = np.triu if n.get("upper", 1) else np.tril
    mask = cut(np.ones((rows, columns), bool), k[0] if k else 0)
    return r.elementwise("where", r.as_constant(mask), x, r.numbers(0, x))


# -- joining and cutting ----------------------------------------------------------------------------
@reads("Concat")
def concat(r: Reader, n: NodeView) -> Value:
    values = [_value(r, n, i) for i in range(len(n.inputs))]
    rank = values[0].rank
    axis = n.get("axis", 1) % rank
    values = [v for v in values if v.shape[axis] != 0] or values[:1]
    if len(values) == 1:
        return values[0]
    if rank >= 3 and any(v.last_only for v in values):
        return r.as_value(
            r.emit("concatenate", *(v.last for v in values), axis=behind(axis, rank)), last=True
        )
    return r.as_value(r.emit("concatenate", *(v.first for v in values), axis=axis))


@reads("Split")
def split(r: Reader, n: NodeView) -> tuple[Value, ...]:
    x = _value(r, n)
    axis = n.get("axis", 0) % x.rank
    sizes = n.integers(1, "split")
    if sizes is None:
        count, length = n.get("num_outputs", len(n.outputs)), x.shape[axis]
        if length is None:
            raise r.refusal("splits the batch")
        each = -(-length // count)
        sizes = [min(each, length - i * each) for i in range(count)]
    last = x.last_only
    at = behind(axis, x.rank) if last else axis
    refs = r.several("split", x.last if last else x.first, sizes=sizes, axis=at)
    return tuple(r.as_value(ref, last=last) for ref in refs)


@reads("Slice")
def slice_(r: Reader, n: NodeView) -> Value:
    x = _value(r, n)
    starts, ends = n.integers(1, "starts") or [], n.integers(2, "ends") or []
    axes = n.integers(3, "axes") or list(range(len(starts)))
    steps = n.integers(4) or [1] * len(starts)
    cuts: list[tuple[int | None, int | None, int]] = [(None, None, 1)] * x.rank
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        axis %= x.rank
        begin = None if (start < -FAR if step > 0 else start >= FAR) or (start == 0 and step > 0) else start
        stop = None if (end >= FAR if step > 0 else end <= -FAR) else end
        length = x.shape[axis]
        if step > 0 and stop is not None and stop == (BATCH if length is None else length):
            stop = None
        if length is not None and step < 0 and stop is not None and stop < -length:
            stop = None
        cuts[axis] = (begin, stop, step)
    if any(c is not None and abs(c) > FAR // 256 for cut in cuts for c in cut):
        raise r.refusal("cuts at a place that depends on the batch")
    if all(cut == (None, None, 1) for cut in cuts):
        return x
    last = x.last_only
    order = [cuts[a] for a in last_axes(x.rank)] if last else cuts
    begins, stops, strides = zip(*order, strict=True)
    ref = r.emit("slice", x.last if last else x.first, starts=begins, stops=stops, strides=strides)
    return r.as_value(ref, last=last)


# -- gathering --------------------------------------------------------------------------------------
@reads("Gather")
def gather(r: Reader, n: NodeView) -> Value:
    x, indices = _value(r, n), _value(r, n, 1)
    axis = n.get("axis", 0) % x.rank
    table = r.parameter(x) if x.array is not None and x.array.dtype.kind == "f" and x.parameter else x.first
    if indices.array is not None and indices.array.ndim == 0:
        at = int(indices.array)
        cut: list[tuple[int | None, int | None]] = [(None, None)] * x.rank
        cut[axis] = (at, at + 1 if at != -1 else None)
        part = r.emit(
            "slice", table, starts=[c[0] for c in cut], stops=[c[1] for c in cut], strides=[1] * x.rank
        )
        return r.as_value(r.emit("squeeze", part, axis=axis))
    return r.as_value(r.emit("take", table, indices.first, axis=axis))


@reads("GatherElements")
def gather_elements(r: Reader, n: NodeView) -> Value:
    x, indices = _value(r, n), _value(r, n, 1)
    axis = n.get("axis", 0) % x.rank
    source = x
    if any(a != b for i, (a, b) in enumerate(zip(x.shape, indices.shape, strict=True)) if i != axis):
        stops = [None if i == axis else s for i, s in enumerate(indices.shape)]
        source = r.as_value(
            r.emit("slice", x.first, starts=[None] * x.rank, stops=stops, strides=[1] * x.rank)
        )
    return r.as_value(r.emit("take_along_axis", source.first, indices.first, axis=axis))


@reads("OneHot")
def one_hot(r: Reader, n: NodeView) -> Value:
    indices = _value(r, n)
    depth, values = n.integers(1), np.asarray(n.constant(2))
    if not depth:
        raise r.refusal("has no depth")
    if indices.dtype == "float32":
        indices = r.elementwise("cast", indices, dtype="int64")
    below = r.elementwise("less", indices, r.numbers(0, indices))
    risen = r.elementwise("add", indices, r.numbers(depth[0], indices))
    wrapped = r.elementwise("where", below, risen, indices)
    dtype = r.dtype(values.dtype.name)
    hot = r.as_value(r.emit("one_hot", wrapped.first, classes=depth[0], axis=n.get("axis", -1), dtype=dtype))
    off, on = values.reshape(-1).tolist()
    if (off, on) == (0, 1):
        return hot
    scaled = r.elementwise("multiply", hot, r.numbers(on - off, hot))
    return r.elementwise("add", scaled, r.numbers(off, hot))


# -- padding ----------------------------------------------------------------------------------------
@reads("Pad")
def pad(r: Reader, n: NodeView) -> Value:
    x = _value(r, n)
    amounts = n.integers(1, "pads") or n.get("paddings") or []
    axes = n.integers(3) if n.input(3) is not None else list(range(x.rank))
    assert axes is not None
    pairs = [(0, 0)] * x.rank
    for i, axis in enumerate(axes):
        pairs[axis % x.rank] = (amounts[i], amounts[i + len(axes)])
    constant = n.constant(2, "value")
    value = 0.0 if constant is None else np.asarray(constant).reshape(()).item()
    mode = n.get("mode", "constant")
    last = x.last_only
    order = [pairs[a] for a in last_axes(x.rank)] if last else pairs
    return r.as_value(padded(r, x.last if last else x.first, order, mode, value), last=last)


# -- pictures ---------------------------------------------------------------------------------------
@reads("DepthToSpace", "SpaceToDepth")
def depth_and_space(r: Reader, n: NodeView) -> Value:
    x = _value(r, n)
    b = n.get("blocksize")
    lead, c, h, w = (length_of(s) for s in x.shape)
    if n.op == "SpaceToDepth":
        wide = reshaped(r, x, [lead, c, h // b, b, w // b, b])
        columns = n.get("mode", "DCR") == "CRD"
        transposed = r.as_value(
            r.transposed(wide.first, (0, 1, 3, 5, 2, 4) if columns else (0, 3, 5, 1, 2, 4))
        )
        return reshaped(r, transposed, [lead, c * b * b, h // b, w // b])
    if n.get("mode", "DCR") == "DCR":
        transposed = r.as_value(
            r.transposed(reshaped(r, x, [lead, b, b, c // (b * b), h, w]).first, (0, 3, 4, 1, 5, 2))
        )
    else:
        transposed = r.as_value(
            r.transposed(reshaped(r, x, [lead, c // (b * b), b, b, h, w]).first, (0, 1, 4, 2, 5, 3))
        )
    return reshaped(r, transposed, [lead, c // (b * b), h * b, w * b])


@reads("Resize", "Upsample")
def resize(r: Reader, n: NodeView) -> Value:
    """Along each axis a product with a matrix: what ONNX's own reference makes of the unit vectors."""
    x = _value(r, n)
    if n.get("coordinate_transformation_mode") == "tf_crop_and_resize":
        raise r.refusal("crops while it resizes")
    if n.op == "Upsample" or n.opset < 11:
        scales, sizes = n.constant(1, "scales"), None
    else:
        scales, sizes = n.constant(2), n.integers(3)
    axes = n.get("axes") or list(range(x.rank))
    changes: dict[int, tuple[str, Any]] = {}
    for i, axis in enumerate(axes):
        if sizes:
            if sizes[i] != length_of(x.shape[axis]):
                changes[axis % x.rank] = ("sizes", sizes[i])
        elif scales is not None and float(np.asarray(scales).reshape(-1)[i]) != 1.0:
            changes[axis % x.rank] = ("scales", float(np.asarray(scales).reshape(-1)[i]))
    if sizes and n.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        raise r.refusal("keeps the aspect ratio, which makes its output's size depend on a rounding")
    last = x.last_only
    ref = x.last if last else x.first
    for axis, (kind, amount) in changes.items():
        length = x.shape[axis]
        if length is None:
            raise r.refusal("resizes an axis whose length only the data knows")
        matrix = _interpolation(n, length, kind, amount)
        ref = interpolated(r, ref, matrix, behind(axis, x.rank) if last else axis)
    return r.as_value(ref, last=last)


def _interpolation(n: NodeView, length: int, kind: str, amount: Any) -> np.ndarray:
    """(new length, length): how each new cell is made of the old ones."""
    from onnx import helper

    unit = np.eye(length, dtype="float32")
    others = ("axes", "scales", "keep_aspect_ratio_policy")
    attributes = {k: v for k, v in n.attributes.items() if k not in others}
    both = np.asarray([amount, 1 if kind == "scales" else length])
    if n.op == "Upsample" or n.opset < 11:
        attributes = {"mode": n.get("mode", "nearest"), "coordinate_transformation_mode": "asymmetric",
                      "nearest_mode": "floor"}  # fmt: skip
    names = ["x", "", "s"] if kind == "scales" else ["x", "", "", "s"]
    node = helper.make_node("Resize", names, ["y"], **attributes)
    feed = {"x": unit, "s": both.astype("float32" if kind == "scales" else "int64")}
    return np.asarray(evaluated(node, feed, max(n.opset, 18))[0])
