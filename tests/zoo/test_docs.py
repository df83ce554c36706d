"""The pages about networks say what is so: the example works as it stands, the table is the catalogue's."""

from __future__ import annotations

import math
import re
import runpy
import sys
from pathlib import Path
from types import ModuleType

import pytest

from crosstrain import zoo
from crosstrain.graph.cost import cost
from crosstrain.graph.keras_import import import_model

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "adding-a-network.md"


def test_the_example_is_a_network_of_the_zoo(monkeypatch: pytest.MonkeyPatch) -> None:
    module_code, row_code = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    module = ModuleType("crosstrain.zoo.lenet4")
    exec(module_code, module.__dict__)
    monkeypatch.setitem(sys.modules, "crosstrain.zoo.lenet4", module)
    row = eval(row_code, {"NetworkRow": zoo.NetworkRow})
    assert row.name not in zoo.networks()
    monkeypatch.setattr(zoo, "_ROWS", (*zoo._ROWS, row))

    model = zoo.build("lenet4")
    assert model.input_shape == (None, *row.input_shape)
    assert model.output_shape == (None, row.classes)
    assert sum(math.prod(w.shape) for w in model.trainable_weights) == row.parameters
    assert cost(import_model(model, None)[0]).macs == row.macs
    assert zoo.build("lenet4", (40, 40, 2), 7).output_shape == (None, 7)
    assert zoo.build("lenet4:tiny").output_shape == (None, 5)


def test_the_table_of_networks_is_the_catalogue_s() -> None:
    made = runpy.run_path(str(DOCS / "networks.py"))
    text = (DOCS / "networks.md").read_text(encoding="utf-8")
    assert made["table"]() in text, "make it anew: python docs/networks.py --write"
    assert made["page"]() == text


def test_the_arguments_of_the_page_are_there() -> None:
    text = (DOCS / "networks.md").read_text(encoding="utf-8").partition("## The catalogue")[0]
    written = re.findall(r"^\| `([\w:=.-]+)` \|", text, re.MULTILINE)
    assert len(written) == text.count("\n| `"), "every row of the table starts with a name"
    assert "vgg16:tiny" in written
    for name in written:
        small = name if name.endswith("tiny") else f"{name}:tiny"
        assert zoo.build(small).name.startswith(name.partition(":")[0])
