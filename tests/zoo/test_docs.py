"""The example in docs/adding-a-network.md works as it stands there."""

from __future__ import annotations

import math
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from crosstrain import zoo
from crosstrain.graph.cost import cost
from crosstrain.graph.keras_import import import_model

PAGE = Path(__file__).parents[2] / "docs" / "adding-a-network.md"


def test_the_example_is_a_network_of_the_zoo(monkeypatch: pytest.MonkeyPatch) -> None:
    module_code, row_code = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    module = ModuleType("crosstrain.zoo.lenet1")
    exec(module_code, module.__dict__)
    monkeypatch.setitem(sys.modules, "crosstrain.zoo.lenet1", module)
    row = eval(row_code, {"NetworkRow": zoo.NetworkRow})
    monkeypatch.setattr(zoo, "_ROWS", (*zoo._ROWS, row))

    model = zoo.build("lenet1")
    assert model.input_shape == (None, *row.input_shape)
    assert model.output_shape == (None, row.classes)
    assert sum(math.prod(w.shape) for w in model.trainable_weights) == row.parameters
    assert cost(import_model(model, None)[0]).macs == row.macs
    assert zoo.build("lenet1", (40, 40, 2), 7).output_shape == (None, 7)
