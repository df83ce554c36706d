"""How each op of ATen is read as ops of the vocabulary; importing adds the handlers."""

from crosstrain.exchange.torch_import.ops import (  # noqa: F401  (importing adds handlers)
    activations,
    constants,
    elementwise,
    indexing,
    normalization,
    pictures,
    products,
    recurrent,
    reductions,
    shaping,
    windows,
)
