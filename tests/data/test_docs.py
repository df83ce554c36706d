"""The example in docs/adding-a-data-set.md works as it stands there."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from crosstrain.data import registry
from crosstrain.errors import CrosstrainError

PAGE = Path(__file__).parents[2] / "docs" / "adding-a-data-set.md"


def test_the_example_prepares(tmp_path: Path, prepared: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    module_code, row_code = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    module = ModuleType("crosstrain.data.sets.stripes")
    exec(module_code, module.__dict__)
    monkeypatch.setitem(sys.modules, "crosstrain.data.sets.stripes", module)
    row = eval(row_code, {"DataSet": registry.DataSet})
    monkeypatch.setattr(registry, "BUILT_IN", (*registry.BUILT_IN, row))

    pixels = np.random.default_rng(0).integers(0, 256, (40, 16, 16), np.uint8)
    pixels.tofile(tmp_path / "pixels.raw")
    (tmp_path / "labels.txt").write_text(" ".join(str(i % 2) for i in range(40)))
    data = prepared(f"stripes:{tmp_path}", size=8)
    assert data.manifest["splits"] == {"train": 28, "validation": 6, "test": 6}
    assert data.manifest["classes"] == ["across", "down"]
    (tmp_path / "labels.txt").write_text("0 1")
    with pytest.raises(CrosstrainError, match="10240 pixels do not make 2 pictures"):
        prepared(f"stripes:{tmp_path}")
