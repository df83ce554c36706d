"""Embeddings, gathering and indexing."""

from __future__ import annotations

import numpy as np

from crosstrain.exchange.reading.values import Value
from crosstrain.exchange.torch_import.values import AtenNode, TorchReader, operand, reads


@reads("embedding")
def embedding(r: TorchReader, n: AtenNode) -> Value:
    """Rows of a table; the row ``padding_idx`` gets no gradient."""
    table, indices, padding = n["weight"], n["indices"], n.get("padding_idx", -1)
    if n.get("scale_grad_by_freq", False):
        raise r.refusal("scales gradients by how often a row is used")
    rows = r.as_value(r.emit("take", table.first, indices.first, axis=0))
    if padding < 0:
        return rows
    here = r.elementwise("equal", indices, r.numbers(padding, indices))
    mask = r.as_value(r.emit("expand_dims", here.first, axis=here.rank))
    return r.elementwise("where", mask, r.elementwise("stop_gradient", rows), rows)


@reads("index_select")
def index_select(r: TorchReader, n: AtenNode) -> Value:
    x = operand(n)
    return r.as_value(r.emit("take", x.first, n["index"].first, axis=n["dim"] % x.rank))


@reads("gather")
def gather(r: TorchReader, n: AtenNode) -> Value:
    x, index = operand(n), n["index"]
    axis = n["dim"] % x.rank
    if any(a != b for i, (a, b) in enumerate(zip(x.shape, index.shape, strict=True)) if i != axis):
        raise r.refusal("takes from fewer rows than there are")
    return r.as_value(r.emit("take_along_axis", x.first, index.first, axis=axis))


@reads("index")
def index(r: TorchReader, n: AtenNode) -> Value:
    """One index tensor, along one axis."""
    x, indices = operand(n), list(n["indices"])
    places = [i for i, v in enumerate(indices) if v is not None]
    if len(places) != 1 or indices[places[0]].dtype == "bool":
        raise r.refusal("indexes with several tensors, or by a mask whose count only the data knows")
    return r.as_value(r.emit("take", x.first, indices[places[0]].first, axis=places[0]))


@reads("one_hot")
def one_hot(r: TorchReader, n: AtenNode) -> Value:
    hot = r.emit("one_hot", operand(n).first, classes=int(n["num_classes"]), axis=-1, dtype="int32")
    return r.as_value(hot)


@reads("tril", "triu")
def triangle(r: TorchReader, n: AtenNode) -> Value:
    x, k = operand(n), n["diagonal"]
    rows, columns = x.shape[-2:]
    if rows is None or columns is None:
        raise r.refusal("cuts a triangle out of the batch")
    mask = (np.tril if n.op == "tril" else np.triu)(np.ones((rows, columns), bool), k)
    return r.elementwise("where", r.as_constant(mask), x, r.numbers(0, x))
