"""Reshaping, joining, cutting, padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from crosstrain.exchange.reading.axes import behind, first_axes, last_axes
from crosstrain.exchange.reading.shaping import padded
from crosstrain.exchange.reading.values import BATCH, Value
from crosstrain.exchange.torch_import.values import AtenNode, TorchReader, operand, reads


@reads(
    "view", "reshape", "flatten", "unflatten", "view_as", "reshape_as", "_unsafe_view", "squeeze",
    "unsqueeze", "ravel",
)  # fmt: skip
def reshape(r: TorchReader, n: AtenNode) -> Value:
    x = operand(n)
    return reshaped(r, x, n.lengths)


def reshaped(r: TorchReader, x: Value, lengths: Sequence[int]) -> Value:
    """Row by row, to lengths of which one is the batch's (or a multiple of it)."""
    shape = tuple(-1 if d and d % BATCH == 0 else int(d) for d in lengths)
    if x.filled is not None:
        return Value(r, tuple(None if d == -1 else d for d in shape), x.dtype, filled=x.filled)
    if shape.count(-1) > 1:
        raise r.refusal("has the batch in two of its axes")
    # One cell alone: its channels are in the same order first or last.
    ref = x.last if x.last_only and all(s == 1 for s in x.shape[2:]) else x.first
    own = tuple(-1 if s is None else s for s in r.builder.specs[ref].shape)
    return r.as_value(ref if shape == own else r.emit("reshape", ref, shape=shape))


@reads("permute", "transpose", "t", "movedim", "swapaxes", "numpy_T", "mT", "adjoint")
def permute(r: TorchReader, n: AtenNode) -> Value:
    x = operand(n)
    rank = x.rank
    axes = list(range(rank))
    if n.op == "permute":
        axes = [a % rank for a in n["dims"]]
    elif n.op == "movedim":
        source, goal = ([v] if isinstance(v, int) else v for v in (n["source"], n["destination"]))
        moving = {g % rank: s % rank for s, g in zip(source, goal, strict=True)}
        rest = [a for a in range(rank) if a not in moving.values()]
        axes = [moving[i] if i in moving else rest.pop(0) for i in range(rank)]
    elif n.op == "numpy_T":
        axes.reverse()
    elif rank > 1:
        keys = ("dim0", "dim1") if "dim0" in n.arguments else ("axis0", "axis1")
        a, b = (n.get(key, place) % rank for key, place in zip(keys, (-2, -1), strict=True))
        axes[a], axes[b] = axes[b], axes[a]
    perm, shape = tuple(axes), tuple(x.shape[a] for a in axes)
    if rank >= 3 and perm == last_axes(rank):
        return Value(r, shape, x.dtype, first=x.last)
    if rank >= 3 and perm == first_axes(rank):
        return Value(r, shape, x.dtype, last=x.first)
    return r.as_value(r.transposed(x.first, perm))


@reads("expand", "expand_as", "broadcast_to")
def expand(r: TorchReader, n: AtenNode) -> Value:
    return expanded(r, operand(n), n.lengths)


def expanded(r: TorchReader, x: Value, lengths: Sequence[int]) -> Value:
    """A value repeated along its axes of length 1, up to ``lengths`` (``BATCH`` for the batch)."""
    shape = tuple(None if d and d % BATCH == 0 else d for d in lengths)
    if x.filled is not None:
        return Value(r, shape, x.dtype, filled=x.filled)
    own = (*[1] * (len(shape) - x.rank), *x.shape)
    if shape == own:
        return x if x.rank == len(shape) else reshaped(r, x, lengths)
    ref = x.first
    if None in shape and own[shape.index(None)] is not None:
        if shape.index(None) or lengths[0] != BATCH or x.dtype != "float32":
            raise r.refusal("copies a value along the batch")
        lifted = r.as_value(r.emit("reshape", ref, shape=own)) if x.rank < len(shape) else x
        ref = r.emit("add", r.zeros_along_the_batch(len(shape)), lifted.first)
        own = (None, *own[1:])
    goal = tuple(-1 if s == o else s for s, o in zip(shape, own, strict=True))
    if any(g != -1 for g in goal):
        ref = r.emit("broadcast_to", ref, shape=goal)
    return r.as_value(ref)


@reads("repeat", "tile")
def repeat(r: TorchReader, n: AtenNode) -> Value:
    x = operand(n)
    counts = [int(c) for c in (n["repeats"] if n.op == "repeat" else n["dims"])]
    counts = [1] * (x.rank - len(counts)) + counts
    own = (*[1] * (len(counts) - x.rank), *x.shape)
    if counts[0] == BATCH and own[0] == 1:
        x = expanded(r, x, (BATCH, *(BATCH if length is None else length for length in own[1:])))
        counts[0], own = 1, x.shape
    if any(c % BATCH == 0 for c in counts):
        raise r.refusal("copies a value along the batch")
    ref = x.first if x.rank == len(counts) else r.emit("reshape", x.first, shape=own)
    return r.as_value(ref if all(c == 1 for c in counts) else r.emit("tile", ref, repeats=tuple(counts)))


@reads("repeat_interleave")
def repeat_interleave(r: TorchReader, n: AtenNode) -> Value:
    x, axis = operand(n), n["dim"]
    if axis is None or not isinstance(n["repeats"], int) or x.shape[axis % x.rank] is None:
        raise r.refusal("repeats along all axes at once, or each element as often as the data says")
    return r.as_value(r.emit("repeat", x.first, repeats=n["repeats"], axis=axis % x.rank))


# -- joining and cutting ----------------------------------------------------------------------------
@reads("cat", "concat", "concatenate")
def cat(r: TorchReader, n: AtenNode) -> Value:
    values = [r.number_or_value(v, n.dtype) for v in n["tensors"]]
    rank = values[0].rank
    axis = n["dim"] % rank
    values = [v for v in values if v.shape[axis] != 0] or values[:1]
    if len(values) == 1:
        return values[0]
    if rank >= 3 and any(v.last_only and v.filled is None for v in values):
        return r.as_value(
            r.emit("concatenate", *(v.last for v in values), axis=behind(axis, rank)), last=True
        )
    return r.as_value(r.emit("concatenate", *(v.first for v in values), axis=axis))


@reads("stack")
def stack(r: TorchReader, n: AtenNode) -> Value:
    values = [r.number_or_value(v, n.dtype) for v in n["tensors"]]
    return stacked(r, [v.first for v in values], n["dim"] % (values[0].rank + 1))


def stacked(r: TorchReader, refs: Sequence[str], axis: int) -> Value:
    ref = r.emit("stack", *refs, axis=axis)
    r.stacks[ref] = (tuple(refs), axis)
    return r.as_value(ref)


@reads("split", "split_with_sizes", "chunk", "tensor_split", "unsafe_split", "unsafe_chunk")
def split(r: TorchReader, n: AtenNode) -> tuple[Value, ...]:
    x = operand(n)
    axis = n["dim"] % x.rank
    length = x.shape[axis]
    if length is None:
        raise r.refusal("splits the batch")
    if n.op.endswith("chunk"):
        size: Any = -(-length // n["chunks"])
    else:
        size = n["split_sizes"] if "split_sizes" in n.arguments else n["split_size"]
    sizes = list(size) if not isinstance(size, int) else [
        min(size, length - start) for start in range(0, length, size)
    ]  # fmt: skip
    if len(sizes) == 1:
        return (x,)
    last = x.last_only
    at = behind(axis, x.rank) if last else axis
    refs = r.several("split", x.last if last else x.first, sizes=tuple(sizes), axis=at)
    return tuple(r.as_value(ref, last=last) for ref in refs)


@reads("unbind")
def unbind(r: TorchReader, n: AtenNode) -> tuple[Value, ...]:
    x = operand(n)
    axis = n["dim"] % x.rank
    length = x.shape[axis]
    if length is None:
        raise r.refusal("takes the batch apart")
    if x.last_only:
        at = behind(axis, x.rank)
        parts = r.several("split", x.last, sizes=(1,) * length, axis=at) if length > 1 else (x.last,)
        if axis >= 2:  # a spatial axis goes, the order of the others stays
            return tuple(r.as_value(r.emit("squeeze", p, axis=at), last=x.rank > 3) for p in parts)
    parts = r.several("split", x.first, sizes=(1,) * length, axis=axis) if length > 1 else (x.first,)
    return tuple(r.as_value(r.emit("squeeze", p, axis=axis)) for p in parts)


def _cut(r: TorchReader, x: Value, axis: int, start: int | None, stop: int | None, step: int) -> Value:
    last = x.last_only
    at = behind(axis, x.rank) if last else axis
    starts: list[int | None] = [None] * x.rank
    stops: list[int | None] = [None] * x.rank
    strides = [1] * x.rank
    starts[at], stops[at], strides[at] = start, stop, step
    ref = r.emit("slice", x.last if last else x.first, starts=starts, stops=stops, strides=strides)
    return r.as_value(ref, last=last)


@reads("select")
def select(r: TorchReader, n: AtenNode) -> Value:
    x, index = operand(n), int(n["index"])
    axis = n["dim"] % x.rank
    if x.filled is not None:
        return Value(r, x.shape[:axis] + x.shape[axis + 1 :], x.dtype, filled=x.filled)
    if x.shape[axis] is None:
        raise r.refusal("takes one example out of the batch")
    if not x.last_only and x.first in r.stacks and r.stacks[x.first][1] == axis:
        return r.as_value(r.stacks[x.first][0][index])
    part = _cut(r, x, axis, index, index + 1 if index != -1 else None, 1)
    return r.as_value(r.emit("squeeze", part.first, axis=axis))


@reads("slice", "narrow")
def slice_(r: TorchReader, n: AtenNode) -> Value:
    x = operand(n)
    axis = n["dim"] % x.rank
    length = x.shape[axis]
    if n.op == "narrow":
        start, stop, step = int(n["start"]), int(n["start"]) + int(n["length"]), 1
    else:
        start, stop, step = n.get("start", 0), n.get("end", 2**62), n["step"]
    if x.filled is not None:
        shape = tuple(None if d % BATCH == 0 else d for d in n.lengths)
        return Value(r, shape, x.dtype, filled=x.filled)
    if length is None and (start or stop < BATCH or step != 1):
        raise r.refusal("takes a part of the batch")
    end = None if length is None or stop >= length else stop
    begin = start or None
    return x if (begin, end, step) == (None, None, 1) else _cut(r, x, axis, begin, end, step)


@reads("flip")
def flip(r: TorchReader, n: AtenNode) -> Value:
    x = operand(n)
    axes = [a % x.rank for a in n["dims"]]
    last = x.last_only
    ref = r.emit(
        "flip", x.last if last else x.first, axis=[behind(a, x.rank) for a in axes] if last else axes
    )
    return r.as_value(ref, last=last)


@reads("roll")
def roll(r: TorchReader, n: AtenNode) -> Value:
    x = operand(n)
    if not n["dims"]:
        raise r.refusal("rolls all axes as one")
    last = x.last_only
    ref = x.last if last else x.first
    for shift, axis in zip(n["shifts"], n["dims"], strict=True):
        axis %= x.rank
        ref = r.emit("roll", ref, shift=int(shift), axis=behind(axis, x.rank) if last else axis)
    return r.as_value(ref, last=last)


# -- padding ----------------------------------------------------------------------------------------
MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}
KINDS = {"reflection": "reflect", "replication": "replicate"}


@reads("pad", "constant_pad_nd", "reflection_pad1d", "reflection_pad2d", "reflection_pad3d",
       "replication_pad1d", "replication_pad2d", "replication_pad3d")  # fmt: skip
def pad(r: TorchReader, n: AtenNode) -> Value:
    x = operand(n)
    amounts = n["pad"] if "pad" in n.arguments else n["padding"]
    mode = n.get("mode", KINDS.get(n.op.partition("_")[0], "constant"))
    value = float(n.get("value", 0.0))
    pairs = [(0, 0)] * x.rank
    for i in range(len(amounts) // 2):
        pairs[x.rank - 1 - i] = (int(amounts[2 * i]), int(amounts[2 * i + 1]))
    last = x.last_only
    order = [pairs[a] for a in last_axes(x.rank)] if last else pairs
    return r.as_value(padded(r, x.last if last else x.first, order, MODES[mode], value), last=last)


@reads("unfold")
def unfold(r: TorchReader, n: AtenNode) -> Value:
    """Windows along an axis, as a last axis."""
    x = operand(n)
    axis, size, step = n["dimension"] % x.rank, int(n["size"]), int(n["step"])
    length = x.shape[axis]
    if length is None:
        raise r.refusal("slides over the batch")
    count = (length - size) // step + 1
    parts = [
        _cut(r, r.as_value(x.first), axis, place, place + (count - 1) * step + 1, step).first
        for place in range(size)
    ]
    return r.as_value(r.emit("stack", *parts, axis=x.rank))


@reads("pixel_shuffle", "pixel_unshuffle", "channel_shuffle")
def shuffle(r: TorchReader, n: AtenNode) -> Value:
    """Channels to places and back, with the channels last."""
    x = operand(n)
    shape = r.builder.specs[x.last].shape
    if x.rank != 4 or None in shape[1:]:
        raise r.refusal("is of pictures of a length that only the data knows")
    _, h, w, c = (int(s or 0) for s in shape)
    ref = x.last
    if n.op == "channel_shuffle":
        groups = int(n["groups"])
        steps: list[tuple[Any, Any]] = [
            ((-1, h, w, groups, c // groups), (0, 1, 2, 4, 3)),
            ((-1, h, w, c), None),
        ]
    elif n.op == "pixel_shuffle":
        k = int(n["upscale_factor"])
        out = c // (k * k)
        steps = [((-1, h, w, out, k, k), (0, 1, 4, 2, 5, 3)), ((-1, h * k, w * k, out), None)]
    else:
        k = int(n["downscale_factor"])
        steps = [((-1, h // k, k, w // k, k, c), (0, 1, 3, 5, 2, 4)), ((-1, h // k, w // k, c * k * k), None)]
    for lengths, axes in steps:
        ref = r.emit("reshape", ref, shape=lengths)
        ref = ref if axes is None else r.emit("transpose", ref, axes=axes)
    return r.as_value(ref, last=True)
