"""The op vocabulary: what graphs are made of, and what each op means, in NumPy.

To add an op: one decorated function in the module of its kind, and one line in the table of each
engine whose framework has it natively (a primitive needs one in every table).
"""

from __future__ import annotations

from crosstrain.graph.ops import (  # noqa: F401  (importing adds the rows)
    activations,
    convolution,
    elementwise,
    losses,
    normalization,
    randomness,
    recurrent,
    reductions,
    shaping,
)
from crosstrain.graph.ops.row import VOCABULARY, Op

__all__ = ["NUMPY", "VOCABULARY", "Op"]

NUMPY = {name: op.numpy for name, op in VOCABULARY.items() if op.numpy is not None}
"""The primitives on NumPy: the reference that every engine is held against."""
