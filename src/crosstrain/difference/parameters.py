"""What ``diff`` takes: declared as in ``comparison/parameters.py``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypedDict

from crosstrain.comparison.declaring import Parameter
from crosstrain.comparison.parameters import Timeout, Trust

SIDE = (
    "Zoo name, file.py:function (Keras or PyTorch), a file (model.keras, model.onnx, …) or a folder of train."
)
One = Annotated[Any, Parameter(SIDE, metavar="A", argument=True)]
Other = Annotated[Any, Parameter(SIDE, metavar="B", argument=True)]


class Diff(Timeout, Trust, TypedDict, total=False):
    """Of ``diff``."""

    data: Annotated[
        str | None,
        Parameter(
            "Compare on its examples; gives shapes and classes. Default: random inputs.", metavar="DATA",
            flags=("--data", "-d"),
        ),
    ]  # fmt: skip
    input_shape: Annotated[
        str | Sequence[int] | None, Parameter("Default: the networks' own.", metavar="32,32,3")
    ]
    classes: Annotated[int | None, Parameter("Default: the networks' own.", metavar="N")]
    loss: Annotated[
        str | None,
        Parameter("Of both, as sparse_categorical_crossentropy:from_logits=true or torch.cross_entropy. "
                  "Default: the one that fits the last layer.", metavar="LOSS"),
    ]  # fmt: skip
    loss_b: Annotated[str | None, Parameter("B's, where it is another.", metavar="LOSS")]
    optimizer: Annotated[
        str | None,
        Parameter("Of both, as adam:learning_rate=0.01 or torch.adamw:lr=0.01; decay=kernels spares vectors "
                  "the weight decay. Default: sgd.", metavar="NAME"),
    ]  # fmt: skip
    optimizer_b: Annotated[str | None, Parameter("B's, where it is another.", metavar="NAME")]
    steps: Annotated[int, Parameter("Training steps to compare.", 3, "K")]
    weights: Annotated[
        str,
        Parameter("carry: give B the weights of A; own: compare B with its own; auto: own where B has A's "
                  "already.", "auto", "auto|own|carry"),
    ]  # fmt: skip
    map: Annotated[
        str | Path | None,
        Parameter('Which weight is which: JSON, {"weights": {"name in B": "name in A"}}.', metavar="FILE"),
    ]
    propose_map: Annotated[str | Path | None, Parameter("Write the map that was found.", metavar="FILE")]
    layout: Annotated[
        str | None,
        Parameter(
            "How B takes A's inputs; default: seen from the shapes.", metavar="channels_first|channels_last"
        ),
    ]
    allow: Annotated[
        str | Sequence[str] | None,
        Parameter("Causes that are let pass, as running-variance,two-biases.", metavar="CAUSE,…"),
    ]
    initial: Annotated[bool, Parameter("Count differently drawn initial weights as a difference.", False)]
